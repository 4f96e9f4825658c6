/* One NG offer, as Kamailio sends it: read into a tree, looked up, written. */
#include "common/bencode.h"
#include "common/json.h"
#include "run.h"

static const char offer[] =
	"d8:supportsl10:load limite3:sdp129:v=0\r\no=user1 53655765 2353687637 IN IP4 "
	"127.0.0.1\r\ns=-\r\n"
	"c=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
	"3:ICE5:force4:DTLS7:passive11:record-call3:yes5:label6:caller13:media-address9:192.0.2.1"
	"14:address-family3:IP412:delete delayi0e3:TOSi184e9:directionl3:pub4:prive"
	"5:flagsl13:trust-address13:strict-source13:port-latching9:symmetric12:generate-mide"
	"7:replacel6:origin18:session-connectione5:codecd5:stripl4:PCMAe4:maskl4:G729ee"
	"18:transport-protocol17:UDP/TLS/RTP/SAVPF8:rtcp-muxl5:offer6:accepte4:SDESl3:offe"
	"7:call-id17:1-24133@127.0.0.110:via-branch17:z9hG4bK-24133-1-0"
	"13:received-froml3:IP49:127.0.0.1e8:from-tag15:24133SIPpTag0017:command5:offere";

static char arena_mem[1 << 16], out_mem[1 << 13];

static void parse(void *ctx, size_t n)
{
	(void)ctx;
	struct arena a;
	struct dict *d;
	arena_init(&a, arena_mem, sizeof(arena_mem));
	for (size_t i = 0; i < n; i++) {
		arena_reset(&a);
		CHECK(bencode_parse(str_from(offer), &a, &d) == (ptrdiff_t)sizeof(offer) - 1);
	}
}

static void parse_json(void *ctx, size_t n)
{
	struct arena a;
	struct dict *d;
	const struct buf *b = ctx;
	arena_init(&a, arena_mem, sizeof(arena_mem));
	for (size_t i = 0; i < n; i++) {
		arena_reset(&a);
		CHECK(json_parse(buf_view(b), &a, &d) > 0);
	}
}

static void get(void *ctx, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bench_keep(dict_get_str(ctx, STR("call-id")).len);
}

static void write_out(void *ctx, size_t n)
{
	struct buf b;
	buf_init(&b, out_mem, sizeof(out_mem));
	for (size_t i = 0; i < n; i++) {
		buf_reset(&b);
		bencode_write(&b, ctx);
	}
	CHECK(!b.overflow);
}

int main(void)
{
	static char tree_mem[1 << 16], json_mem[1 << 13];
	struct arena a;
	struct dict *d;
	struct buf json;
	arena_init(&a, tree_mem, sizeof(tree_mem));
	CHECK(bencode_parse(str_from(offer), &a, &d) > 0);
	buf_init(&json, json_mem, sizeof(json_mem));
	json_write(&json, d);
	bench("parse an offer of Kamailio", parse, NULL);
	bench("look up one key of it", get, d);
	bench("write it", write_out, d);
	bench("parse the same as JSON", parse_json, &json);
	return 0;
}
