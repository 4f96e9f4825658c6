/*
 * The control half without sockets: offer, answer and delete of one call, as datagrams, with 5,000 calls
 * standing. Plain, one side SRTP, and SRTP offered on both sides (which makes a dozen keys).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtpproxy/core/latch.h"
#include "rtpproxy/core/relay.h"
#include "tests/bench/run.h"

enum { STANDING = 5000 };

struct load {
	struct relay relay;
	struct relay_config config;
	struct relay_published published[1];
	struct relay_now now;
	const char *offer_protocol, *answer_protocol;
	bool offer_key, answer_key;
	uint64_t call;
	char reply[LIMIT_DATAGRAM];
};

static enum err on_open(void *ctx, const struct addr *local, uint8_t tos, struct stream *s)
{
	(void)ctx;
	(void)local;
	(void)tos;
	(void)s;
	return OK;
}

static void on_close(void *ctx, struct stream *s)
{
	(void)ctx;
	(void)s;
}

static void on_tos(void *ctx, struct stream *s, uint8_t tos)
{
	(void)ctx;
	(void)s;
	(void)tos;
}

static void on_send(void *ctx, struct stream *from, const struct addr *to, const uint8_t *data,
		    size_t len)
{
	(void)ctx;
	(void)from;
	(void)to;
	(void)data;
	(void)len;
}

static void on_publish(void *ctx, const struct relay_notice *n)
{
	(void)ctx;
	(void)n;
}

static void pair(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, "%zu:%s%zu:%s", strlen(key), key, strlen(value), value);
}

static void command(struct load *l, const char *word, uint64_t call, const char *protocol, bool key)
{
	char mem[2048], sdp[1024], id[64];
	struct buf b, r;
	static unsigned cookie;
	snprintf(id, sizeof(id), "%llu@bench.example.net", (unsigned long long)call);
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "%u d", cookie++);
	pair(&b, "command", word);
	pair(&b, "call-id", id);
	pair(&b, "from-tag", "from-tag-of-the-caller");
	if (protocol) {
		snprintf(sdp, sizeof(sdp),
			 "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
			 "m=audio 5000 %s 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 "
			 "PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
			 "a=ptime:20\r\na=sendrecv\r\n%s",
			 protocol,
			 key ? "a=crypto:5 AES_CM_128_HMAC_SHA1_80 "
			       "inline:2Ryt5eLKvFnyFY+eSfTfqDk0u7Gsewi8kFFmIS2G\r\n"
			     : "");
		pair(&b, "sdp", sdp);
	}
	if (strcmp(word, "answer") == 0) {
		pair(&b, "to-tag", "to-tag-of-the-callee");
	} else if (strcmp(word, "offer") == 0) {
		pair(&b, "transport-protocol", l->answer_protocol);
		buf_printf(&b, "5:flagsl13:trust addresse7:replacel6:origine");
	} else {
		pair(&b, "delete-delay", "0");
	}
	buf_char(&b, 'e');
	buf_init(&r, l->reply, sizeof(l->reply));
	relay_command(&l->relay, &l->now, STR("peer"), buf_view(&b), &r);
	CHECK(str_find(buf_view(&r), STR("6:result2:ok")) < r.len);
}

static void begin(struct load *l, uint64_t call)
{
	command(l, "offer", call, l->offer_protocol, l->offer_key);
	command(l, "answer", call, l->answer_protocol, l->answer_key);
}

static void one_call(void *arg, size_t ops)
{
	struct load *l = arg;
	for (size_t i = 0; i < ops; i++) {
		uint64_t call = STANDING + l->call++;
		begin(l, call);
		command(l, "delete", call, NULL, false);
		/* Ports rest for five seconds. */
		l->now.mono_us += 10000;
		relay_tick(&l->relay, &l->now);
	}
}

static void run(const char *name, const char *offer, bool offer_key, const char *answer,
		bool answer_key)
{
	static const uint8_t seed[RNG_SEED_LEN] = {3};
	static const struct relay_ports ports = {.open = on_open,
						 .close = on_close,
						 .set_tos = on_tos,
						 .send = on_send,
						 .publish = on_publish};
	struct load *l = calloc(1, sizeof(*l));
	CHECK(l != NULL);
	l->now = (struct relay_now){1000000000, 1700000000000000};
	l->config =
		(struct relay_config){.interface_count = 1, .workers = 1, .srtp_engine = "openssl"};
	struct relay_interface *f = &l->config.interfaces[0];
	*f = (struct relay_interface){.name = "pub", .port_min = 10000, .port_max = 65535};
	f->addr = f->shown = (struct addr){.ip = {192, 0, 2, 100}, .family = ADDR_IP4};
	l->offer_protocol = offer;
	l->answer_protocol = answer;
	l->offer_key = offer_key;
	l->answer_key = answer_key;
	const struct relay_params params = {
		.config = &l->config, .ports = ports, .published = l->published, .seed = seed};
	enum err e = relay_init(&l->relay, &params, &l->now);
	CHECK(e == OK);
	for (uint64_t c = 0; c < STANDING; c++) {
		begin(l, c);
	}
	double ns = bench(name, one_call, l);
	printf("  %-40s %8.0f calls/s on one core\n", "", 1e9 / ns);
	relay_release(&l->relay);
	free(l);
}

int main(void)
{
	run("offer, answer, delete: RTP", "RTP/AVP", false, "RTP/AVP", false);
	run("offer, answer, delete: SRTP to RTP", "RTP/SAVP", true, "RTP/AVP", false);
	run("offer, answer, delete: SRTP both sides", "RTP/SAVP", true, "RTP/SAVP", true);
	return 0;
}
