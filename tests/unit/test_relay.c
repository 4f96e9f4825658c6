/*
 * The relay's root from outside: commands in, packets in, time in. Sockets are a table that only writes
 * down; packets are real ones and go through the real forwarding path.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bencode.h"
#include "rtpproxy/core/latch.h"
#include "rtpproxy/core/relay.h"
#include "tests/support/check.h"
#include "tests/support/media.h"

enum { SOCKETS = 256, START_MS = 1000000 };

struct opened {
	struct addr local;
	struct stream *stream; /* NULL: closed */
	uint8_t tos;
};

struct world {
	struct relay_config config;
	struct relay_published published[2];
	struct relay relay;
	struct opened sockets[SOCKETS];
	size_t open_count, ever;
	/* Of our own making: how many, and the last one. */
	size_t sent_count, sent_len;
	struct addr sent_to;
	uint8_t sent[PKT_LEN_MAX];
	uint16_t taken; /* a port that another program has */
	enum err open_error;
	enum relay_event last_event;
	char last_detail[128];
	uint64_t now_ms;
	struct arena arena;
	struct dict *reply;
	char text[LIMIT_DATAGRAM];
	size_t text_len;
	unsigned cookie;
};

static enum err on_open(void *ctx, const struct addr *local, uint8_t tos, struct stream *s)
{
	struct world *w = ctx;
	if (w->open_error != OK) {
		return w->open_error;
	}
	if (local->port == w->taken) {
		return ERR_EXISTS;
	}
	for (size_t i = 0; i < SOCKETS; i++) {
		assert_false(w->sockets[i].stream && addr_eq(&w->sockets[i].local, local));
	}
	for (size_t i = 0; i < SOCKETS; i++) {
		if (!w->sockets[i].stream) {
			w->sockets[i] = (struct opened){*local, s, tos};
			w->open_count++;
			w->ever++;
			return OK;
		}
	}
	return ERR_FULL;
}

static struct opened *opened(struct world *w, const struct stream *s)
{
	for (size_t i = 0; i < SOCKETS; i++) {
		if (w->sockets[i].stream == s) {
			return &w->sockets[i];
		}
	}
	fail_msg("no such socket");
	return NULL;
}

static void on_close(void *ctx, struct stream *s)
{
	struct world *w = ctx;
	opened(w, s)->stream = NULL;
	w->open_count--;
}

static void on_tos(void *ctx, struct stream *s, uint8_t tos)
{
	opened(ctx, s)->tos = tos;
}

static void on_send(void *ctx, struct stream *from, const struct addr *to, const uint8_t *data,
		    size_t len)
{
	struct world *w = ctx;
	(void)opened(w, from);
	w->sent_count++;
	w->sent_to = *to;
	w->sent_len = len < sizeof(w->sent) ? len : sizeof(w->sent);
	memcpy(w->sent, data, w->sent_len);
}

static void on_publish(void *ctx, const struct relay_notice *n)
{
	struct world *w = ctx;
	w->last_event = n->event;
	snprintf(w->last_detail, sizeof(w->last_detail), "%s", n->detail ? n->detail : "");
}

static struct relay_now now(const struct world *w)
{
	return (struct relay_now){w->now_ms * 1000, (1700000000000 + w->now_ms) * 1000};
}

static struct world *world_new(void)
{
	static const uint8_t seed[RNG_SEED_LEN] = {7};
	struct world *w = calloc(1, sizeof(*w));
	w->now_ms = START_MS;
	w->config =
		(struct relay_config){.interface_count = 3,
				      .workers = 1,
				      .timeouts = {.media = 60000, .held = 600000, .offer = 300000},
				      .delete_delay_ms = 30000,
				      .srtp_engine = "openssl"};
	static const struct {
		const char *name, *addr, *shown;
	} interfaces[] = {{"pub", "192.0.2.100", "192.0.2.100"},
			  {"priv", "198.51.100.100", "203.0.113.100"},
			  {"pub", "2001:db8::100", "2001:db8::100"}};
	for (unsigned i = 0; i < 3; i++) {
		struct relay_interface *f = &w->config.interfaces[i];
		snprintf(f->name, sizeof(f->name), "%s", interfaces[i].name);
		assert_int_equal(addr_parse_ip(str_from(interfaces[i].addr), &f->addr), OK);
		assert_int_equal(addr_parse_ip(str_from(interfaces[i].shown), &f->shown), OK);
		f->port_min = 30000;
		f->port_max = 30039;
		f->latch = LATCH_STRICT;
	}
	const struct relay_ports ports = {.ctx = w,
					  .open = on_open,
					  .close = on_close,
					  .set_tos = on_tos,
					  .send = on_send,
					  .publish = on_publish};
	const struct relay_params params = {
		.config = &w->config, .ports = ports, .published = w->published, .seed = seed};
	const struct relay_now t = now(w);
	assert_int_equal(relay_init(&w->relay, &params, &t), OK);
	assert_int_equal(arena_init_sized(&w->arena, 1024 * 1024), OK);
	return w;
}

static void world_free(struct world *w)
{
	relay_release(&w->relay);
	assert_int_equal(w->open_count, 0);
	arena_release(&w->arena);
	free(w);
}

/* A datagram as is; the reply's tree in w->reply, or NULL. */
static void send_raw(struct world *w, const char *peer, struct str datagram)
{
	struct buf b;
	const struct relay_now t = now(w);
	buf_init(&b, w->text, sizeof(w->text));
	relay_command(&w->relay, &t, str_from(peer), datagram, &b);
	w->text_len = b.len;
	w->reply = NULL;
	size_t space = str_index(buf_view(&b), ' ');
	if (b.len > 0) {
		arena_reset(&w->arena);
		assert_true(bencode_parse(str_from_offset(buf_view(&b), space + 1), &w->arena,
					  &w->reply) > 0);
	}
}

/* Keys and values, NULL at the end; with flags as a flag string. */
static void ask(struct world *w, const char *command, const char *call, const char *from,
		const char *to, const char *flags, const char *sdp)
{
	char mem[16384];
	struct buf b;
	const char *const pairs[][2] = {{"command", command}, {"call-id", call},
					{"from-tag", from},   {"to-tag", to},
					{"sdp", sdp},         {"rtpp-flags", flags}};
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "%u d", w->cookie++);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		if (pairs[i][1]) {
			buf_printf(&b, "%zu:%s%zu:%s", strlen(pairs[i][0]), pairs[i][0],
				   strlen(pairs[i][1]), pairs[i][1]);
		}
	}
	buf_char(&b, 'e');
	assert_false(b.overflow);
	send_raw(w, "peer", buf_view(&b));
	assert_non_null(w->reply);
}

static struct str got(const struct world *w, const char *key)
{
	return dict_get_str(w->reply, str_from(key));
}

static void expect_ok(const struct world *w)
{
	EXPECT_STR(got(w, "error-reason"), STR(""));
	EXPECT_STR(got(w, "result"), STR("ok"));
}

static void expect_error(const struct world *w, enum refusal r)
{
	EXPECT_STR(got(w, "result"), STR("error"));
	EXPECT_Z(got(w, "error-reason"), refusal_text(r));
}

/* The port of m= line `index` of the reply's SDP. */
static uint16_t port_of(const struct world *w, unsigned index)
{
	struct str sdp = got(w, "sdp"), line, word;
	while (str_cut(&sdp, '\n', &line)) {
		if (str_has_prefix(line, STR("m=")) && index-- == 0) {
			uint16_t port = 0;
			assert_true(str_cut_word(&line, &word) && str_cut_word(&line, &word));
			assert_int_equal(str_to_u16(word, UINT16_MAX, &port), OK);
			return port;
		}
	}
	fail_msg("no such m= line");
	return 0;
}

static uint64_t counter(const struct world *w, unsigned c)
{
	return atomic_load(&w->published[0].v[c]);
}

#define SDP_A   "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define SDP_B   "v=0\r\no=b 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
#define AVP(p)  "m=audio " #p " RTP/AVP 0\r\n"
#define SAVP(p) "m=audio " #p " RTP/SAVP 0\r\n"
#define KEY_1                                                                                      \
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:2Ryt5eLKvFnyFY+eSfTfqDk0u7Gsewi8kFFmIS2G\r\n"
#define KEY_5                                                                                      \
	"a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:qffWJo4zQ789PDdZN8NuXWwjjxfhfob88OsRkmSt\r\n"

/* One packet to local port `to` from 192.0.2.host:port; its fate. */
static enum pkt_fate packet(struct world *w, uint16_t to, uint8_t host, uint16_t port,
			    struct media_pkt *m)
{
	struct pkt *list[1] = {&m->pkt};
	m->pkt.stream = NULL;
	m->pkt.truncated = false;
	for (size_t i = 0; i < SOCKETS; i++) {
		if (w->sockets[i].stream && w->sockets[i].local.port == to) {
			m->pkt.stream = w->sockets[i].stream;
		}
	}
	m->pkt.from = media_addr(host, port);
	m->pkt.at_us = w->now_ms * 1000;
	relay_batch(&w->relay, list, 1, w->now_ms * 1000);
	return (enum pkt_fate)m->pkt.fate;
}

static enum pkt_fate rtp(struct world *w, uint16_t to, uint8_t host, uint16_t port,
			 struct media_pkt *m)
{
	static uint16_t seq;
	const struct media_rtp f = {.ssrc = host, .seq = seq++, .payload = 160, .fill = 0xd5};
	media_pkt_set(m, PKT_RTP, media_rtp_write(&f, m->bytes));
	return packet(w, to, host, port, m);
}

static void tick(struct world *w, uint64_t ms)
{
	/* As the shell does: in small steps. */
	for (uint64_t end = w->now_ms + ms; w->now_ms < end;) {
		w->now_ms += end - w->now_ms < 1000 ? end - w->now_ms : 1000;
		const struct relay_now t = now(w);
		relay_tick(&w->relay, &t);
	}
}

static uint16_t offer_plain(struct world *w, const char *call)
{
	ask(w, "offer", call, "A", NULL, "direction=pub direction=priv", SDP_A AVP(5000));
	expect_ok(w);
	return port_of(w, 0);
}

/* ---- the tests */

static void media_flows_both_ways_after_the_answer_and_not_before(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	uint16_t to_b = offer_plain(w, "c1"), to_a;
	EXPECT_INT(rtp(w, to_b, 2, 6000, &m), FATE_NO_KEY);
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B AVP(6000));
	expect_ok(w);
	to_a = port_of(w, 0);
	EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_SENT);
	struct addr b = media_addr(2, 6000);
	EXPECT_TRUE(addr_eq(&m.pkt.to, &b));
	EXPECT_INT(opened(w, m.pkt.out)->local.port, to_b);
	EXPECT_INT(rtp(w, to_b, 2, 6000, &m), FATE_SENT);
	EXPECT_INT(opened(w, m.pkt.out)->local.port, to_a);
	/* A stranger neither gets nor gives anything. */
	EXPECT_INT(rtp(w, to_a, 9, 5000, &m), FATE_SOURCE);
	EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_SENT);
	EXPECT_TRUE(addr_eq(&m.pkt.to, &b));
	/* RTCP beside it. */
	media_pkt_set(&m, PKT_RTCP, media_rtcp_write(1, 77, 0, 0, 0, m.bytes));
	EXPECT_INT(packet(w, (uint16_t)(to_a + 1), 1, 5001, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 6001);
	world_free(w);
}

static void keys_of_both_sides_are_used(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	ask(w, "offer", "c1", "A", NULL, "RTP/AVP", SDP_A SAVP(5000) KEY_1);
	expect_ok(w);
	uint16_t to_b = port_of(w, 0);
	EXPECT_INT(str_find(got(w, "sdp"), STR("crypto")), got(w, "sdp").len);
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B AVP(6000));
	expect_ok(w);
	uint16_t to_a = port_of(w, 0);
	EXPECT_TRUE(str_find(got(w, "sdp"), STR("a=crypto:1 AES_CM_128_HMAC_SHA1_80")) <
		    got(w, "sdp").len);
	/* Plain into the encrypted side is refused; plain from the plain side leaves encrypted. */
	EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_AUTH);
	EXPECT_INT(rtp(w, to_b, 2, 6000, &m), FATE_SENT);
	EXPECT_INT(m.pkt.len, 12 + 160 + 10);
	world_free(w);
}

static void a_repeated_cookie_gets_the_same_reply_and_does_nothing(void **state)
{
	(void)state;
	struct world *w = world_new();
	char first[4096];
	static const char offer[] = "ck d7:command5:offer7:call-id1:c8:from-tag1:A3:sdp97:" SDP_A
				    "m=audio 5000 RTP/AVP 0\r\na=x:1234567\r\n"
				    "e";
	char datagram[512];
	const char *sdp = strchr(offer, 'v');
	size_t sdp_len = strlen(sdp) - 1;
	snprintf(datagram, sizeof(datagram),
		 "ck d7:command5:offer7:call-id1:c8:from-tag1:A3:sdp%zu:%.*se", sdp_len,
		 (int)sdp_len, sdp);
	send_raw(w, "host:1", str_from(datagram));
	expect_ok(w);
	size_t n = w->text_len;
	assert_true(n < sizeof(first));
	memcpy(first, w->text, n);
	size_t ever = w->ever;
	send_raw(w, "host:1", str_from(datagram));
	EXPECT_INT(w->text_len, n);
	EXPECT_BYTES(w->text, first, n);
	EXPECT_INT(w->ever, ever);
	EXPECT_U64(counter(w, RELAY_REPEATED), 1);
	EXPECT_U64(counter(w, RELAY_COMMANDS + NG_OFFER), 1);
	send_raw(w, "host:2", str_from(datagram));
	EXPECT_U64(counter(w, RELAY_COMMANDS + NG_OFFER), 2);
	/* No cookie: no answer. */
	send_raw(w, "host:1", STR("d7:command4:pinge"));
	EXPECT_TRUE(w->reply == NULL);
	world_free(w);
}

static void interfaces_by_direction_and_family(void **state)
{
	(void)state;
	static const struct {
		const char *name, *flags, *sdp;
		const char *to_b, *to_a; /* the address in c= */
	} rows[] = {
		{"nothing said: the first interface on both sides", "", SDP_A, "192.0.2.100",
		 "192.0.2.100"},
		{"by name; SDP has the advertised address", "direction=pub direction=priv", SDP_A,
		 "203.0.113.100", "192.0.2.100"},
		{"the other way round", "direction=priv direction=pub", SDP_A, "192.0.2.100",
		 "203.0.113.100"},
		{"an unknown name is the default", "direction=x direction=y", SDP_A, "192.0.2.100",
		 "192.0.2.100"},
		{"another family towards the answerer",
		 "direction=pub direction=pub address-family=IP6", SDP_A, "2001:db8::100",
		 "192.0.2.100"},
		{"a family that the interface does not have",
		 "direction=pub direction=priv address-family=IP6", SDP_A, "203.0.113.100",
		 "192.0.2.100"},
		{"an offer over IPv6", "direction=pub direction=pub address-family=IP4",
		 "v=0\r\no=a 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n",
		 "192.0.2.100", "2001:db8::100"},
		{"the family of the offer is the default", "direction=pub direction=pub",
		 "v=0\r\no=a 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n",
		 "2001:db8::100", "2001:db8::100"},
	};
	CHECK_TABLE(row, rows)
	{
		struct world *w = world_new();
		char sdp[512], want[96];
		snprintf(sdp, sizeof(sdp), "%s" AVP(5000), row->sdp);
		ask(w, "offer", "c", "A", NULL, row->flags, sdp);
		expect_ok(w);
		snprintf(want, sizeof(want), "c=IN %s %s\r\n",
			 strchr(row->to_b, ':') ? "IP6" : "IP4", row->to_b);
		EXPECT_TRUE(str_find(got(w, "sdp"), str_from(want)) < got(w, "sdp").len);
		ask(w, "answer", "c", "A", "B", NULL, SDP_B AVP(6000));
		expect_ok(w);
		snprintf(want, sizeof(want), "c=IN %s %s\r\n",
			 strchr(row->to_a, ':') ? "IP6" : "IP4", row->to_a);
		EXPECT_TRUE(str_find(got(w, "sdp"), str_from(want)) < got(w, "sdp").len);
		world_free(w);
	}
}

static void at_a_limit_new_work_is_refused_and_nothing_is_left(void **state)
{
	(void)state;
	struct world *w = world_new();
	char call[16];
	/* 20 pairs an interface: 20 calls of one line take all of pub and of priv. */
	for (int i = 0; i < 20; i++) {
		snprintf(call, sizeof(call), "c%d", i);
		(void)offer_plain(w, call);
	}
	EXPECT_INT(w->open_count, 80);
	ask(w, "offer", "one-more", "A", NULL, "direction=pub direction=priv", SDP_A AVP(5000));
	expect_error(w, REFUSAL_PORTS);
	EXPECT_INT(w->open_count, 80);
	EXPECT_U64(counter(w, RELAY_CALLS), 20);
	/* Existing calls go on. */
	ask(w, "answer", "c3", "A", "B", NULL, SDP_B AVP(6000));
	expect_ok(w);
	w->config.max_sessions = 20;
	ask(w, "offer", "one-more", "A", NULL, NULL, SDP_A AVP(5000));
	expect_error(w, REFUSAL_CALLS);
	EXPECT_U64(counter(w, RELAY_REJECTED), 1);
	/* A re-offer is no new call. */
	ask(w, "offer", "c3", "A", "B", NULL, SDP_A AVP(5000));
	expect_ok(w);
	world_free(w);
}

static void max_sessions_counts_all_workers(void **state)
{
	(void)state;
	struct world *w = world_new();
	w->config.workers = 2;
	w->config.max_sessions = 10;
	atomic_store(&w->published[1].v[RELAY_CALLS], 9);
	(void)offer_plain(w, "a");
	ask(w, "offer", "b", "A", NULL, NULL, SDP_A AVP(5000));
	expect_error(w, REFUSAL_CALLS);
	w->config.workers = 1;
	world_free(w);
}

static void a_port_of_another_program_is_stepped_over(void **state)
{
	(void)state;
	struct world *w = world_new();
	/* RTCP's odd port counts too: its pair is given up as a whole. */
	w->taken = 30001;
	for (int i = 0; i < 19; i++) {
		char call[16];
		snprintf(call, sizeof(call), "c%d", i);
		EXPECT_TRUE(offer_plain(w, call) % 2 == 0);
	}
	EXPECT_INT(w->open_count, 76);
	EXPECT_TRUE(counter(w, RELAY_OPEN_RETRIES) > 0);
	ask(w, "delete", "c0", NULL, NULL, "delete-delay=0", NULL);
	tick(w, PORTSET_REST_MS);
	w->open_error = ERR_IO;
	ask(w, "offer", "x", "A", NULL, NULL, SDP_A AVP(5000));
	expect_error(w, REFUSAL_OPEN);
	EXPECT_INT(w->open_count, 72);
	world_free(w);
}

static void deletes(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	(void)offer_plain(w, "c1");
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B AVP(6000));
	uint16_t to_a = port_of(w, 0);
	EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_SENT);
	ask(w, "delete", "c1", "A", NULL, NULL, NULL);
	expect_ok(w);
	EXPECT_TRUE(dict_get(w->reply, STR("totals")) != NULL);
	/* The default delay: media still flows, the call no longer counts. */
	EXPECT_U64(counter(w, RELAY_CALLS), 0);
	EXPECT_U64(counter(w, RELAY_CALLS_DYING), 1);
	EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_SENT);
	tick(w, 29000);
	EXPECT_INT(w->open_count, 4);
	tick(w, 2000);
	EXPECT_INT(w->open_count, 0);
	EXPECT_U64(counter(w, RELAY_CALLS_DYING), 0);
	EXPECT_U64(counter(w, RELAY_ENDED_DELETE), 1);
	EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_UNKNOWN);

	(void)offer_plain(w, "c2");
	ask(w, "delete", "c2", NULL, NULL, "delete-delay=0", NULL);
	expect_ok(w);
	EXPECT_INT(w->open_count, 0);
	EXPECT_INT(w->last_event, RELAY_CALL_ENDED);

	ask(w, "delete", "nobody", "A", NULL, NULL, NULL);
	EXPECT_STR(got(w, "result"), STR("ok"));
	EXPECT_Z(got(w, "warning"), refusal_text(REFUSAL_DELETE_TAGS));
	ask(w, "delete", "nobody", "A", NULL, "fatal", NULL);
	expect_error(w, REFUSAL_DELETE_TAGS);
	world_free(w);
}

static void an_offer_revives_nothing_that_was_deleted(void **state)
{
	(void)state;
	struct world *w = world_new();
	(void)offer_plain(w, "c1");
	ask(w, "delete", "c1", "A", NULL, NULL, NULL);
	(void)offer_plain(w, "c1");
	EXPECT_INT(w->open_count, 8);
	tick(w, 31000);
	EXPECT_INT(w->open_count, 4);
	EXPECT_U64(counter(w, RELAY_CALLS), 1);
	world_free(w);
}

static void time_outs(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *answer; /* SDP's direction line, or NULL: none */
		bool media;         /* packets every second */
		uint64_t after_ms;  /* gone after that, and not a second before */
		enum relay_counter why;
	} rows[] = {
		{"an offer without answer", NULL, false, 300000, RELAY_ENDED_OFFER},
		{"an answered call without media", "a=sendrecv\r\n", false, 60000,
		 RELAY_ENDED_TIMEOUT},
		{"an answered call on hold", "a=inactive\r\n", false, 600000, RELAY_ENDED_SILENT},
		{"an answered call on hold on one side", "a=recvonly\r\n", false, 600000,
		 RELAY_ENDED_SILENT},
		{"media that stops after 100 s", "a=sendrecv\r\n", true, 160000,
		 RELAY_ENDED_TIMEOUT},
	};
	CHECK_TABLE(row, rows)
	{
		struct world *w = world_new();
		struct media_pkt m;
		char sdp[512];
		(void)offer_plain(w, "c1");
		uint16_t to_a = 0;
		if (row->answer) {
			snprintf(sdp, sizeof(sdp), SDP_B AVP(6000) "%s", row->answer);
			ask(w, "answer", "c1", "A", "B", NULL, sdp);
			expect_ok(w);
			to_a = port_of(w, 0);
		}
		uint64_t spent = 0;
		for (; row->media && spent < 100000; spent += 1000) {
			tick(w, 1000);
			EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_SENT);
		}
		tick(w, row->after_ms - spent - 1000);
		EXPECT_INT(w->open_count, 4);
		tick(w, 2000);
		EXPECT_INT(w->open_count, 0);
		EXPECT_U64(counter(w, row->why), 1);
		EXPECT_U64(counter(w, RELAY_CALLS), 0);
		world_free(w);
	}
}

static void a_zero_time_out_never_comes(void **state)
{
	(void)state;
	struct world *w = world_new();
	w->config.timeouts.media = w->config.timeouts.offer = 0;
	w->config.timeouts.total = 900000;
	(void)offer_plain(w, "c1");
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B AVP(6000));
	tick(w, 899000);
	EXPECT_INT(w->open_count, 4);
	tick(w, 2000);
	EXPECT_INT(w->open_count, 0);
	EXPECT_U64(counter(w, RELAY_ENDED_FINAL), 1);
	world_free(w);
}

static void hold_stops_the_one_who_may_not_send(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	uint16_t to_b = offer_plain(w, "c1");
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B AVP(6000));
	uint16_t to_a = port_of(w, 0);
	ask(w, "offer", "c1", "A", "B", NULL, SDP_A AVP(5000) "a=sendonly\r\n");
	expect_ok(w);
	EXPECT_INT(port_of(w, 0), to_b);
	/* Not in force before it is answered. */
	EXPECT_INT(rtp(w, to_b, 2, 6000, &m), FATE_SENT);
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B AVP(6000) "a=recvonly\r\n");
	expect_ok(w);
	EXPECT_INT(port_of(w, 0), to_a);
	EXPECT_INT(rtp(w, to_b, 2, 6000, &m), FATE_DIRECTION);
	EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_SENT);
	ask(w, "offer", "c1", "A", "B", NULL, SDP_A AVP(5000));
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B AVP(6000));
	EXPECT_INT(rtp(w, to_b, 2, 6000, &m), FATE_SENT);
	world_free(w);
}

static void a_refused_re_offer_changes_nothing(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	uint16_t to_b = offer_plain(w, "c1");
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B AVP(6000));
	uint16_t to_a = port_of(w, 0);
	static const struct {
		const char *name, *sdp;
		enum refusal want;
	} rows[] = {
		{"DTLS", SDP_A "m=audio 5000 UDP/TLS/RTP/SAVPF 0\r\n", REFUSAL_DTLS},
		{"not SDP", "v=1", REFUSAL_SDP},
		{"nowhere to send", "v=0\r\no=a 1 1 IN IP4 1.1.1.1\r\ns=-\r\nt=0 0\r\n" AVP(5000),
		 REFUSAL_SDP_INCOMPLETE},
	};
	CHECK_TABLE(row, rows)
	{
		ask(w, "offer", "c1", "A", "B", NULL, row->sdp);
		expect_error(w, row->want);
		EXPECT_INT(rtp(w, to_b, 2, 6000, &m), FATE_SENT);
		EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_SENT);
		EXPECT_INT(w->open_count, 4);
	}
	world_free(w);
}

static void parallel_forks_have_ports_of_their_own(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	ask(w, "offer", "c", "A", NULL, "via-branch=z1", SDP_A AVP(5000));
	uint16_t to_b = port_of(w, 0);
	ask(w, "offer", "c", "A", NULL, "via-branch=z2", SDP_A AVP(5000));
	uint16_t to_c = port_of(w, 0);
	EXPECT_TRUE(to_b != to_c);
	ask(w, "answer", "c", "A", "B", "via-branch=z1", SDP_B AVP(6000));
	expect_ok(w);
	uint16_t b_to_a = port_of(w, 0);
	ask(w, "answer", "c", "A", "C", "via-branch=z2", SDP_B AVP(7000));
	expect_ok(w);
	uint16_t c_to_a = port_of(w, 0);
	EXPECT_INT(rtp(w, b_to_a, 1, 5000, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 6000);
	EXPECT_INT(rtp(w, c_to_a, 1, 5000, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 7000);
	/* The loser goes, the call stays. */
	ask(w, "delete", "c", "A", "B", "delete-delay=0 to-tag=B", NULL);
	expect_ok(w);
	EXPECT_INT(w->open_count, 4);
	EXPECT_INT(rtp(w, c_to_a, 1, 5000, &m), FATE_SENT);
	for (int i = 0; i < LIMIT_DIALOGUES - 1; i++) {
		char flags[64];
		snprintf(flags, sizeof(flags), "via-branch=y%d", i);
		ask(w, "offer", "c", "A", NULL, flags, SDP_A AVP(5000));
		expect_ok(w);
	}
	ask(w, "offer", "c", "A", NULL, "via-branch=y99", SDP_A AVP(5000));
	expect_error(w, REFUSAL_DIALOGUES);
	world_free(w);
}

static void a_serial_fork_moves_the_media(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	ask(w, "offer", "c", "A", NULL, "RTP/SAVP", SDP_A AVP(5000));
	expect_ok(w);
	ask(w, "answer", "c", "A", "B", NULL, SDP_B SAVP(6000) KEY_5);
	expect_ok(w);
	uint16_t to_a = port_of(w, 0);
	EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 6000);
	/* 200 from elsewhere, with another suite of the same offer. */
	ask(w, "answer", "c", "A", "C", NULL,
	    SDP_B SAVP(7000) "a=crypto:2 AEAD_AES_128_GCM "
			     "inline:i3cNx9pBWXxRV0iNdyTgP7jYSjdqQ7j0FRihHA==\r\n");
	expect_ok(w);
	EXPECT_INT(port_of(w, 0), to_a);
	EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 7000);
	EXPECT_INT(m.pkt.len, 12 + 160 + 16);
	world_free(w);
}

static void fax_replaces_audio_on_the_same_ports(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	uint16_t to_b = offer_plain(w, "c1");
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B AVP(6000));
	uint16_t to_a = port_of(w, 0);
	ask(w, "offer", "c1", "B", "A", NULL, SDP_B "m=image 6000 udptl t38\r\n");
	expect_ok(w);
	EXPECT_INT(port_of(w, 0), to_a);
	ask(w, "answer", "c1", "B", "A", NULL, SDP_A "m=image 5000 udptl t38\r\n");
	expect_ok(w);
	EXPECT_INT(port_of(w, 0), to_b);
	media_pkt_set(&m, PKT_RAW, 20);
	memset(m.bytes, 0, 20);
	EXPECT_INT(packet(w, to_a, 1, 5000, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 6000);
	world_free(w);
}

static void a_rejected_line_gives_its_ports_back(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	ask(w, "offer", "c1", "A", NULL, NULL, SDP_A AVP(5000) "m=video 5002 RTP/AVP 31\r\n");
	expect_ok(w);
	EXPECT_INT(w->open_count, 8);
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B AVP(6000) "m=video 0 RTP/AVP 31\r\n");
	expect_ok(w);
	EXPECT_INT(port_of(w, 1), 0);
	EXPECT_INT(w->open_count, 4);
	uint16_t to_a = port_of(w, 0);
	EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_SENT);
	/* Later it may come back. */
	ask(w, "offer", "c1", "A", "B", NULL, SDP_A AVP(5000) "m=video 5002 RTP/AVP 31\r\n");
	expect_ok(w);
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B AVP(6000) "m=video 6002 RTP/AVP 31\r\n");
	expect_ok(w);
	EXPECT_INT(w->open_count, 8);
	EXPECT_INT(rtp(w, port_of(w, 1), 1, 5002, &m), FATE_SENT);
	world_free(w);
}

static void tos_and_label_and_learning(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	ask(w, "offer", "c1", "A", NULL,
	    "TOS=184 label=caller latching=restricted received-from=192.0.2.77", SDP_A AVP(5000));
	expect_ok(w);
	for (size_t i = 0; i < SOCKETS; i++) {
		EXPECT_TRUE(!w->sockets[i].stream || w->sockets[i].tos == 184);
	}
	ask(w, "answer", "c1", "A", "B", "TOS=46", SDP_B AVP(6000));
	uint16_t to_a = port_of(w, 0);
	for (size_t i = 0; i < SOCKETS; i++) {
		EXPECT_TRUE(!w->sockets[i].stream || w->sockets[i].tos == 46);
	}
	/* The address that the message came from may be learned, another may not. */
	EXPECT_INT(rtp(w, to_a, 78, 5555, &m), FATE_SOURCE);
	EXPECT_INT(rtp(w, to_a, 77, 5555, &m), FATE_SENT);
	ask(w, "query", "c1", NULL, NULL, NULL, NULL);
	const struct dict *a = dict_get(dict_get(w->reply, STR("tags")), STR("A"));
	EXPECT_STR(dict_get_str(a, STR("label")), STR("caller"));
	world_free(w);
}

static const struct dict *first(const struct dict *list)
{
	assert_non_null(list);
	return dict_first(list);
}

static void what_a_query_tells(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	ask(w, "offer", "c1", "A", NULL, "RTP/SAVP", SDP_A AVP(5000));
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B SAVP(6000) KEY_5);
	uint16_t to_a = port_of(w, 0);
	for (int i = 0; i < 10; i++) {
		w->now_ms += 20;
		EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_SENT);
	}
	EXPECT_INT(rtp(w, to_a, 9, 5000, &m), FATE_SOURCE);
	ask(w, "query", "c1", "A", NULL, NULL, NULL);
	expect_ok(w);
	const struct dict *totals = dict_get(dict_get(w->reply, STR("totals")), STR("RTP"));
	EXPECT_INT(dict_get_int(totals, STR("packets"), -1), 10);
	EXPECT_INT(dict_get_int(totals, STR("bytes"), -1), 1720);
	EXPECT_INT(dict_get_int(totals, STR("errors"), -1), 1);
	EXPECT_INT(dict_get_int(w->reply, STR("created"), -1), 1700000000 + START_MS / 1000);
	EXPECT_TRUE(dict_get(dict_get(w->reply, STR("SSRC")), STR("1")) != NULL);
	const struct dict *tags = dict_get(w->reply, STR("tags"));
	const struct dict *media = first(dict_get(dict_get(tags, STR("A")), STR("medias")));
	EXPECT_STR(dict_get_str(media, STR("codec")), STR("PCMU"));
	const struct dict *in = first(dict_get(media, STR("ingress SSRCs")));
	EXPECT_INT(dict_get_int(in, STR("SSRC"), -1), 1);
	EXPECT_INT(dict_get_int(in, STR("packets"), -1), 10);
	EXPECT_INT(dict_get_int(in, STR("cumulative loss"), -1), 0);
	EXPECT_TRUE(dict_get_int(dict_get(in, STR("average MOS")), STR("MOS"), -1) >= 40);
	const struct dict *stream = first(dict_get(media, STR("streams")));
	EXPECT_INT(dict_get_int(stream, STR("local port"), -1), to_a);
	EXPECT_STR(dict_get_str(stream, STR("crypto suite")), STR(""));
	const struct dict *end = dict_get(stream, STR("endpoint"));
	EXPECT_STR(dict_get_str(end, STR("address")), STR("192.0.2.1"));
	EXPECT_INT(dict_get_int(end, STR("port"), -1), 5000);
	EXPECT_INT(dict_get_int(dict_get(stream, STR("dropped")), STR("source"), -1), 1);
	media = first(dict_get(dict_get(tags, STR("B")), STR("medias")));
	stream = first(dict_get(media, STR("streams")));
	EXPECT_STR(dict_get_str(stream, STR("crypto suite")), STR("AES_CM_128_HMAC_SHA1_80"));
	EXPECT_INT(dict_get_int(dict_get(stream, STR("stats_out")), STR("packets"), -1), 10);
	ask(w, "query", "c1", "nobody", NULL, NULL, NULL);
	EXPECT_INT(dict_get(w->reply, STR("tags"))->count, 0);
	ask(w, "query", "c2", NULL, NULL, NULL, NULL);
	expect_error(w, REFUSAL_UNKNOWN_CALL);
	world_free(w);
}

static void answers_that_fit_nothing(void **state)
{
	(void)state;
	struct world *w = world_new();
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B AVP(6000));
	expect_error(w, REFUSAL_UNKNOWN_CALL);
	(void)offer_plain(w, "c1");
	ask(w, "answer", "c1", "X", "B", NULL, SDP_B AVP(6000));
	expect_error(w, REFUSAL_DIALOGUE);
	ask(w, "answer", "c1", "A", "A", NULL, SDP_B AVP(6000));
	expect_error(w, REFUSAL_DIALOGUE);
	ask(w, "answer", "c1", "A", "B", NULL, SDP_B SAVP(6000) KEY_1);
	expect_error(w, REFUSAL_ANSWER_PROTOCOL);
	ask(w, "offer", "c1", "A", "A", NULL, SDP_A AVP(6000));
	expect_error(w, REFUSAL_DIALOGUE);
	ask(w, "ping", NULL, NULL, NULL, NULL, NULL);
	EXPECT_STR(got(w, "result"), STR("pong"));
	world_free(w);
}

static void a_query_that_is_too_long_says_so(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct buf b;
	const struct relay_now t = now(w);
	char small[300];
	(void)offer_plain(w, "c1");
	buf_init(&b, small, sizeof(small));
	relay_command(&w->relay, &t, STR("p"), STR("q d7:command5:query7:call-id2:c1e"), &b);
	EXPECT_TRUE(str_find(buf_view(&b), STR("7:warning")) < b.len);
	world_free(w);
}

static void list_names_all_calls(void **state)
{
	(void)state;
	struct world *w = world_new();
	char mem[256];
	struct buf b;
	(void)offer_plain(w, "one");
	(void)offer_plain(w, "three");
	buf_init(&b, mem, sizeof(mem));
	relay_list(&w->relay, 32, &b);
	EXPECT_Z(buf_view(&b), "3:one5:three");
	buf_reset(&b);
	relay_list(&w->relay, 1, &b);
	EXPECT_Z(buf_view(&b), "3:one");
	world_free(w);
}

/* Thousands of offers, answers and deletes in any order: at the end nothing is left. */
static void a_thousand_random_commands_leave_nothing(void **state)
{
	(void)state;
	struct world *w = world_new();
	static const char *const commands[] = {"offer",  "offer",  "answer",
					       "answer", "delete", "query"};
	static const char *const tags[] = {"A", "B", "C", NULL};
	static const char *const sdps[] = {
		SDP_A AVP(5000),
		SDP_B SAVP(6000) KEY_1,
		SDP_B SAVP(6000) KEY_5,
		SDP_A AVP(5000) "m=video 5002 RTP/AVP 31\r\na=rtcp-mux\r\n",
		SDP_A "m=image 5000 udptl t38\r\n",
		SDP_A "m=audio 0 RTP/AVP 0\r\n",
		SDP_A,
		"v=0"};
	static const char *const flags[] = {NULL,
					    "RTP/SAVP",
					    "RTP/AVP via-branch=z1",
					    "rtcp-mux-require via-branch=z2",
					    "delete-delay=0",
					    "to-tag SDES-off",
					    "delete-delay=1 replace-origin-full"};
	uint64_t rnd = 42;
	for (int i = 0; i < 4000; i++) {
		uint64_t r = media_random(&rnd);
		char call[8];
		struct media_pkt m;
		snprintf(call, sizeof(call), "c%u", (unsigned)(r % 5));
		ask(w, commands[r / 8 % ARRAY_LEN(commands)], call, tags[r / 64 % ARRAY_LEN(tags)],
		    tags[r / 512 % ARRAY_LEN(tags)], flags[r / 4096 % ARRAY_LEN(flags)],
		    sdps[r / 65536 % ARRAY_LEN(sdps)]);
		(void)rtp(w, (uint16_t)(30000 + (r >> 32) % 40), (uint8_t)(r >> 40 & 3), 5000, &m);
		tick(w, r >> 48 & 511);
	}
	tick(w, 700000);
	EXPECT_INT(w->open_count, 0);
	EXPECT_INT(w->relay.calls.used, 0);
	EXPECT_INT(w->relay.dialogues.used, 0);
	EXPECT_INT(w->relay.medias.used, 0);
	EXPECT_U64(counter(w, RELAY_CALLS), 0);
	EXPECT_U64(counter(w, RELAY_CALLS_DYING), 0);
	EXPECT_U64(counter(w, RELAY_MEDIAS_PLAIN), 0);
	EXPECT_U64(counter(w, RELAY_MEDIAS_SRTP), 0);
	EXPECT_INT(check_never_count(), 0);
	world_free(w);
}

/* ---- late offers, as the signalling side asks for them (sbc/core/late_offer.h) */

/* The caller has made no offer: one stands in for it, with port 9; the callee's answer is then the caller's offer. */
static void an_offer_that_stood_in_for_the_callers_becomes_a_session_of_both(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	ask(w, "offer", "c1", "caller", NULL, "direction=pub direction=priv RTP/AVP",
	    SDP_A "m=audio 9 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n");
	expect_ok(w);
	uint16_t to_b = port_of(w, 0);
	EXPECT_TRUE(str_find(got(w, "sdp"), STR(" RTP/AVP 0 8 101\r\n")) < got(w, "sdp").len);
	ask(w, "answer", "c1", "caller", "callee", NULL, SDP_B "m=audio 6000 RTP/AVP 0 8\r\n");
	expect_ok(w);
	/* The same again, as an offer to the caller: by its policy with keys. */
	ask(w, "offer", "c1", "callee", "caller", "direction=priv direction=pub RTP/SAVP",
	    SDP_B "m=audio 6000 RTP/AVP 0 8\r\n");
	expect_ok(w);
	uint16_t to_a = port_of(w, 0);
	EXPECT_TRUE(str_find(got(w, "sdp"), STR(" RTP/SAVP 0 8\r\n")) < got(w, "sdp").len);
	EXPECT_TRUE(str_find(got(w, "sdp"), STR("a=crypto:")) < got(w, "sdp").len);
	ask(w, "answer", "c1", "callee", "caller", NULL, SDP_A SAVP(5000) KEY_1);
	expect_ok(w);
	EXPECT_INT(port_of(w, 0), to_b); /* what the callee was told at first stays true */
	EXPECT_TRUE(str_find(got(w, "sdp"), STR(" RTP/AVP 0\r\n")) < got(w, "sdp").len);
	EXPECT_INT(rtp(w, to_b, 2, 6000, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 5000);
	EXPECT_INT(m.pkt.len, 12 + 160 + 10);             /* encrypted */
	EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_AUTH); /* plain is not believed */
	/* Repaired: the caller's description as an offer to the callee. */
	ask(w, "offer", "c1", "caller", "callee", "direction=pub direction=priv RTP/AVP",
	    SDP_A SAVP(5000) KEY_1);
	expect_ok(w);
	EXPECT_INT(port_of(w, 0), to_b);
	ask(w, "answer", "c1", "caller", "callee", NULL, SDP_B AVP(6000));
	expect_ok(w);
	EXPECT_INT(port_of(w, 0), to_a);
	EXPECT_INT(rtp(w, to_b, 2, 6000, &m), FATE_SENT);
	world_free(w);
}

/* The callee offers first, although it was called; the caller's kept offer is the answer. */
static void a_session_may_begin_with_the_callees_offer(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct media_pkt m;
	ask(w, "offer", "c1", "callee", NULL, "direction=priv direction=pub RTP/AVP",
	    SDP_B "m=audio 6000 RTP/AVP 0 8\r\n");
	expect_ok(w);
	uint16_t to_a = port_of(w, 0);
	ask(w, "answer", "c1", "callee", "caller", NULL, SDP_A AVP(5000));
	expect_ok(w);
	uint16_t to_b = port_of(w, 0);
	EXPECT_INT(rtp(w, to_a, 1, 5000, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 6000);
	EXPECT_INT(rtp(w, to_b, 2, 6000, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 5000);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(media_flows_both_ways_after_the_answer_and_not_before),
		cmocka_unit_test(keys_of_both_sides_are_used),
		cmocka_unit_test(a_repeated_cookie_gets_the_same_reply_and_does_nothing),
		cmocka_unit_test(interfaces_by_direction_and_family),
		cmocka_unit_test(at_a_limit_new_work_is_refused_and_nothing_is_left),
		cmocka_unit_test(max_sessions_counts_all_workers),
		cmocka_unit_test(a_port_of_another_program_is_stepped_over),
		cmocka_unit_test(deletes),
		cmocka_unit_test(an_offer_revives_nothing_that_was_deleted),
		cmocka_unit_test(time_outs),
		cmocka_unit_test(a_zero_time_out_never_comes),
		cmocka_unit_test(hold_stops_the_one_who_may_not_send),
		cmocka_unit_test(a_refused_re_offer_changes_nothing),
		cmocka_unit_test(parallel_forks_have_ports_of_their_own),
		cmocka_unit_test(a_serial_fork_moves_the_media),
		cmocka_unit_test(fax_replaces_audio_on_the_same_ports),
		cmocka_unit_test(a_rejected_line_gives_its_ports_back),
		cmocka_unit_test(tos_and_label_and_learning),
		cmocka_unit_test(what_a_query_tells),
		cmocka_unit_test(answers_that_fit_nothing),
		cmocka_unit_test(a_query_that_is_too_long_says_so),
		cmocka_unit_test(list_names_all_calls),
		cmocka_unit_test(a_thousand_random_commands_leave_nothing),
		cmocka_unit_test(an_offer_that_stood_in_for_the_callers_becomes_a_session_of_both),
		cmocka_unit_test(a_session_may_begin_with_the_callees_offer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
