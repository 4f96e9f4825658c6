/* What a body costs: plain SDP, as almost all are, and a multipart with SDP and ISUP beside it. */
#include "sbc/core/body.h"
#include "tests/bench/run.h"

static const char multipart[] =
	"--next\r\nContent-Type: application/sdp\r\n\r\n"
	"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
	"m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n"
	"\r\n--next\r\nContent-Type: application/isup;version=itu-t92+\r\n"
	"Content-Disposition: signal;handling=optional\r\n\r\n"
	"0123456789abcdef0123456789abcdef\r\n--next--\r\n";

struct load {
	struct str bytes, type;
	struct body body;
};

static void parse(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++) {
		CHECK(body_parse(l->bytes, l->type, STR_NONE, STR_NONE, &l->body) == OK);
		bench_keep(l->body.count);
	}
}

static void write_afresh(void *arg, size_t n)
{
	const struct load *l = arg;
	static const struct str names[] = {STR("application/isup")};
	const struct body_types named = {names, 1};
	char mem[1024];
	struct buf b;

	for (size_t i = 0; i < n; i++) {
		buf_init(&b, mem, sizeof(mem));
		bench_keep(body_write(&b, STR("fresh"), l->body.parts[0].bytes, &l->body, &named));
	}
}

int main(void)
{
	struct load l = {.bytes = STR("v=0\r\n"), .type = STR("application/sdp")};

	bench("body: one part, no multipart", parse, &l);
	l.bytes = (struct str){multipart, sizeof(multipart) - 1};
	l.type = STR("multipart/mixed;boundary=next");
	bench("body: multipart of two, read", parse, &l);
	bench("body: multipart of two, written afresh", write_afresh, &l);
	return 0;
}
