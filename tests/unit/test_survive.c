/*
 * SRTP through the relay over the changes of a call: hold, another port, another key, other sources behind, SSRCs in plenty.
 * A is encrypted, B is not. What A gets is read by A's own end, and every packet that is protected is watched (threats D7).
 */
#include <stdio.h>
#include <string.h>

#include "common/sdes.h"
#include "rtpproxy/core/relay.h"
#include "rtpproxy/core/rtp.h"
#include "tests/support/check.h"
#include "tests/support/relay_world.h"
#include "tests/support/srtp_watch.h"

#define HEAD(dir, port)                                                                            \
	"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio " #port  \
	" RTP/SAVP 0\r\na=" #dir "\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"
#define KEY_1 "2Ryt5eLKvFnyFY+eSfTfqDk0u7Gsewi8kFFmIS2G"
#define KEY_2 "qffWJo4zQ789PDdZN8NuXWwjjxfhfob88OsRkmSt"
#define SDP_B                                                                                      \
	"v=0\r\no=b 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 6000 "   \
	"RTP/AVP 0\r\n"

struct talk {
	struct relay_world *w;
	struct srtp_watch watch;
	struct srtp_worker own; /* of A's end */
	struct srtp_key tx, rx;
	uint16_t at[2]; /* our port for A, for B */
	uint16_t port;  /* A's */
	struct media_pkt m;
};

static void set_key(struct srtp_key *k, const char *line)
{
	struct sdes s;
	EXPECT_ERR(sdes_parse(str_from(line), &s), OK);
	EXPECT_ERR(srtp_key_set(k, s.suite, &s.key), OK);
	sdes_release(&s);
}

/* What the relay said it sends with. */
static void read_key(struct talk *t)
{
	struct str sdp = rw_got(t->w, "sdp");
	const size_t at = str_find(sdp, STR("a=crypto:"));
	char line[256];
	assert_true(at < sdp.len);
	struct str rest = str_from_offset(sdp, at + 9);
	snprintf(line, sizeof(line), "%.*s", (int)str_index(rest, '\r'), rest.p);
	set_key(&t->rx, line);
}

static void agree(struct talk *t, const char *sdp, const char *key, uint16_t port)
{
	char text[1024];
	snprintf(text, sizeof(text), "%s%s\r\n", sdp, key);
	rw_ask(t->w, "offer", "call-id", "c", "from-tag", "a", "sdp", text, "rtpp-flags", "RTP/AVP",
	       NULL);
	rw_expect_ok(t->w);
	t->at[1] = rw_port(t->w, 0);
	rw_ask(t->w, "answer", "call-id", "c", "from-tag", "a", "to-tag", "b", "sdp", SDP_B, NULL);
	rw_expect_ok(t->w);
	t->at[0] = rw_port(t->w, 0);
	t->port = port;
	snprintf(text, sizeof(text), "1 AES_CM_128_HMAC_SHA1_80 inline:%s", key);
	set_key(&t->tx, text);
	read_key(t);
}

static void talk_init(struct talk *t)
{
	*t = (struct talk){.w = rw_new()};
	srtp_watch_init(&t->watch);
	srtp_watch_attach(&t->watch, &t->w->relay.srtp);
	EXPECT_ERR(srtp_worker_init(&t->own, "openssl"), OK);
	srtp_key_init(&t->tx, &t->own, SRTP_TX);
	srtp_key_init(&t->rx, &t->own, SRTP_RX);
	agree(t, HEAD(sendrecv, 5000), KEY_1, 5000);
}

static void talk_free(struct talk *t)
{
	EXPECT_INT(srtp_watch_reuses(&t->watch), 0);
	srtp_key_release(&t->tx);
	srtp_key_release(&t->rx);
	rw_free(t->w);
	srtp_watch_release(&t->watch);
	srtp_worker_release(&t->own);
}

static void make_with(struct talk *t, struct srtp_key *key, uint32_t ssrc, uint16_t seq)
{
	const struct media_rtp f = {
		.ssrc = ssrc, .seq = seq, .timestamp = 160u * seq, .payload = 160, .fill = 0xd5};
	struct srtp_op op = {.key = key, .pkt = &t->m.pkt};
	media_pkt_set(&t->m, PKT_RTP, media_rtp_write(&f, t->m.bytes));
	srtp_batch_protect(&t->own, &op, 1);
	EXPECT_INT(op.fate, FATE_SENT);
}

/* A's packet, encrypted. */
static void make(struct talk *t, uint32_t ssrc, uint16_t seq)
{
	make_with(t, &t->tx, ssrc, seq);
}

/* One of an end with A's first key that knows nothing of what A has sent. */
static enum pkt_fate from_stranger(struct talk *t, uint32_t ssrc, uint16_t seq)
{
	struct srtp_key key;
	srtp_key_init(&key, &t->own, SRTP_TX);
	set_key(&key, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY_1);
	make_with(t, &key, ssrc, seq);
	srtp_key_release(&key);
	return rw_packet(t->w, t->at[0], 1, t->port, &t->m);
}

static enum pkt_fate from_a(struct talk *t, uint32_t ssrc, uint16_t seq)
{
	make(t, ssrc, seq);
	return rw_packet(t->w, t->at[0], 1, t->port, &t->m);
}

/* B's packet; true if A can read what comes of it. */
static bool reaches_a(struct talk *t, uint32_t ssrc, uint16_t seq)
{
	const struct media_rtp f = {
		.ssrc = ssrc, .seq = seq, .timestamp = 160u * seq, .payload = 160, .fill = 0xd5};
	struct srtp_op op = {.key = &t->rx, .pkt = &t->m.pkt};
	t->w->now_ms += 20;
	media_pkt_set(&t->m, PKT_RTP, media_rtp_write(&f, t->m.bytes));
	if (rw_packet(t->w, t->at[1], 2, 6000, &t->m) != FATE_SENT)
		return false;
	srtp_batch_unprotect(&t->own, &op, 1);
	return op.fate == FATE_SENT;
}

static void the_same_key_keeps_counters_and_window(void **state)
{
	(void)state;
	static const char *const changes[] = {HEAD(sendrecv, 5000), HEAD(sendonly, 5000),
					      HEAD(sendrecv, 5010)};
	static const uint16_t ports[] = {5000, 5000, 5010};
	struct talk t;
	struct media_pkt old;
	uint16_t seq = 65000, back = 3;
	talk_init(&t);
	make(&t, 7, seq++);
	old = t.m;
	old.pkt.data = old.bytes;
	EXPECT_INT(rw_packet(t.w, t.at[0], 1, t.port, &t.m), FATE_SENT);
	for (int i = 0; i < 3 * 400; i++) {
		EXPECT_INT(from_a(&t, 7, seq++), FATE_SENT); /* beyond the wrap */
		if (i % 400 == 399) {
			agree(&t, changes[i / 400], KEY_1, ports[i / 400]);
			EXPECT_INT(rw_packet(t.w, t.at[0], 1, t.port, &old), FATE_REPLAY);
		}
	}
	/* Nothing went to A while it only sent: our own counters are where they were. */
	for (int i = 0; i < 100; i++)
		EXPECT_TRUE(reaches_a(&t, 8, back++));
	talk_free(&t);
}

static void a_new_key_starts_anew(void **state)
{
	(void)state;
	struct talk t;
	struct media_pkt old;
	uint16_t seq = 65500;
	talk_init(&t);
	for (int i = 0; i < 100; i++)
		EXPECT_INT(from_a(&t, 7, seq++), FATE_SENT); /* a round further */
	make(&t, 7, seq++);
	old = t.m;
	old.pkt.data = old.bytes;
	agree(&t, HEAD(sendrecv, 5000), KEY_2, 5000);
	EXPECT_INT(rw_packet(t.w, t.at[0], 1, t.port, &old), FATE_AUTH);
	/* The counter of the new one is zero, also for numbers that go back. */
	EXPECT_INT(from_a(&t, 7, 10), FATE_SENT);
	EXPECT_INT(from_a(&t, 7, 11), FATE_SENT);
	EXPECT_TRUE(reaches_a(&t, 8, 1));
	talk_free(&t);
}

/* RFC 3711 §3.3.1: under one key an index never comes back, so a sender that starts over is deaf until it has caught up. */
static void a_sender_that_starts_over_under_the_same_key_is_not_believed(void **state)
{
	(void)state;
	struct talk t;
	talk_init(&t);
	for (uint16_t seq = 5000; seq < 5300; seq++)
		EXPECT_INT(from_a(&t, 7, seq), FATE_SENT);
	EXPECT_INT(from_stranger(&t, 7, 5000), FATE_REPLAY);
	EXPECT_INT(from_stranger(&t, 7, 5001), FATE_REPLAY);
	EXPECT_INT(from_stranger(&t, 7, 5300), FATE_SENT);
	talk_free(&t);
}

static void whatever_the_plain_side_does_no_key_stream_is_used_twice(void **state)
{
	(void)state;
	struct talk t;
	uint64_t random = 11;
	uint32_t ssrc = 1, heard = 0;
	uint16_t seq = 64000;
	talk_init(&t);
	for (int i = 0; i < 20000; i++) {
		const unsigned dice = (unsigned)(media_random(&random) % 2000);
		if (dice < 4)
			ssrc = 1 + (uint32_t)(media_random(&random) %
					      3); /* back to one that was there, too */
		else if (dice < 8)
			seq = (uint16_t)media_random(&random); /* it starts over */
		else if (dice < 20)
			seq = (uint16_t)(seq - 5); /* late, or twice */
		heard += reaches_a(&t, ssrc, seq++);
	}
	EXPECT_TRUE(heard > 18000);
	EXPECT_TRUE(srtp_watch_packets(&t.watch) >= heard);
	talk_free(&t);
}

static void ssrcs_in_plenty_are_refused_and_harm_none_that_was_there(void **state)
{
	(void)state;
	struct talk t;
	unsigned refused = 0;
	talk_init(&t);
	EXPECT_INT(from_a(&t, 7, 1), FATE_SENT);
	for (uint32_t i = 0; i < 1000; i++)
		refused += from_stranger(&t, 1000 + i, 1) == FATE_SSRC_LIMIT;
	EXPECT_INT(refused, 1000 - (SRTP_SSRC_LIVE + SRTP_SSRC_OLD - 1));
	/* The first one is still known, with its counter, and so is the second. */
	EXPECT_INT(from_stranger(&t, 7, 1), FATE_REPLAY);
	EXPECT_TRUE(from_a(&t, 7, 2) == FATE_SENT);
	EXPECT_INT(from_stranger(&t, 1000, 1), FATE_REPLAY);
	talk_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_key_keeps_counters_and_window),
		cmocka_unit_test(a_new_key_starts_anew),
		cmocka_unit_test(a_sender_that_starts_over_under_the_same_key_is_not_believed),
		cmocka_unit_test(whatever_the_plain_side_does_no_key_stream_is_used_twice),
		cmocka_unit_test(ssrcs_in_plenty_are_refused_and_harm_none_that_was_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
