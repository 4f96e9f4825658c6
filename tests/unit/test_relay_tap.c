/*
 * Telephone keys through the relay's root: commands, packets and time in; what is told, sent on and sent of our own out.
 */
#include <stdio.h>
#include <string.h>

#include "common/rd.h"
#include "rtpproxy/core/dtmf_json.h"
#include "rtpproxy/core/rtp.h"
#include "rtpproxy/core/stream.h"
#include "tests/support/check.h"
#include "tests/support/relay_world.h"
#include "tests/support/srtp_watch.h"

enum { A = 1, B = 2, AUDIO = 0, EVENT = 101 };

static struct relay_world *w;
static uint16_t to_a, to_b; /* the relay's ports: A sends to to_a */
static uint16_t seq[3];
static uint32_t ts[3];
static struct media_pkt m;

static int begin(void **state)
{
	(void)state;
	w = rw_new();
	memset(seq, 0, sizeof(seq));
	memset(ts, 0, sizeof(ts));
	seq[A] = 100, seq[B] = 5000;
	ts[A] = 16000, ts[B] = 900000;
	return 0;
}

static int end(void **state)
{
	(void)state;
	rw_free(w);
	return 0;
}

/* Without continuity, so that the numbers are to be seen that the taps gave. */
static void call_with(const char *key, const char *value, const char *continuity)
{
	rw_ask(w, "offer", "call-id", "c", "from-tag", "A", "sdp", RW_SDP_A, key, value,
	       "continuity", continuity, NULL);
	rw_expect_ok(w);
	to_b = rw_port(w, 0);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "A", "to-tag", "B", "sdp", RW_SDP_B,
	       "continuity", continuity, NULL);
	rw_expect_ok(w);
	to_a = rw_port(w, 0);
}

static void call(const char *key, const char *value)
{
	call_with(key, value, "off");
}

static enum pkt_fate packet(uint8_t who, uint8_t pt, uint16_t number, uint32_t timestamp,
			    bool marker, const uint8_t *payload, uint16_t len)
{
	const struct media_rtp f = {.ssrc = 0xaa00u + who,
				    .seq = number,
				    .timestamp = timestamp,
				    .payload_type = pt,
				    .payload = len,
				    .fill = 0xd5};
	size_t n = media_rtp_write(&f, m.bytes);
	media_pkt_set(&m, PKT_RTP, n);
	if (marker)
		m.bytes[1] |= 0x80;
	if (payload)
		memcpy(m.bytes + RTP_HEADER_LEN, payload, len);
	return rw_packet(w, who == A ? to_a : to_b, who, (uint16_t)(4000 + 1000 * who), &m);
}

/* The next 20 ms of a party's talk. */
static enum pkt_fate audio(uint8_t who)
{
	ts[who] += 160;
	return packet(who, AUDIO, seq[who]++, ts[who], false, NULL, 160);
}

/* A report of a key that went down at ts[who]. */
static enum pkt_fate report(uint8_t who, uint8_t event, uint16_t duration, bool is_end, bool first)
{
	const struct dtmf_report r = {
		.event = event, .duration = duration, .end = is_end, .volume = 10};
	uint8_t p[DTMF_PAYLOAD_LEN];
	dtmf_encode(&r, p);
	return packet(who, EVENT, seq[who]++, ts[who], first, p, sizeof(p));
}

/* A whole press of 60 ms; its fates are all the same. */
static enum pkt_fate press(uint8_t who, uint8_t event)
{
	enum pkt_fate fate = report(who, event, 160, false, true);
	EXPECT_INT(report(who, event, 320, false, false), fate);
	for (int i = 0; i < 3; i++)
		EXPECT_INT(report(who, event, 480, true, false), fate);
	ts[who] += 480;
	return fate;
}

static uint16_t number_out(void)
{
	return (uint16_t)(m.bytes[2] << 8 | m.bytes[3]);
}

static void keys_are_told_where_somebody_listens(void **state)
{
	(void)state;
	static const struct {
		const char *name, *key, *value, *keys;
	} rows[] = {
		{"nobody listens", "label", "x", ""},
		{"a client asked for events, but not for keys", "notify", "cookie", ""},
		{"a place for datagrams", "DTMF-log-dest", "192.0.2.77:9000", "A:5/60 B:11/60"},
		{"a flag", "flags", "detect DTMF", "A:5/60 B:11/60"},
		{"a place that is none", "DTMF-log-dest", "192.0.2.77", ""},
	};
	end(NULL);
	CHECK_TABLE(row, rows)
	{
		begin(NULL);
		call(row->key, row->value);
		EXPECT_INT(audio(A), FATE_SENT);
		EXPECT_INT(press(A, 5), FATE_SENT);
		EXPECT_INT(audio(B), FATE_SENT);
		EXPECT_INT(press(B, 11), FATE_SENT);
		EXPECT_INT(audio(A), FATE_SENT);
		EXPECT_Z(str_from(w->keys), row->keys);
		EXPECT_INT(w->relay.taps.pool.used, row->keys[0] ? 2 : 0);
		end(NULL);
	}
	begin(NULL);
}

static void an_option_listens_to_all_calls(void **state)
{
	(void)state;
	w->config.dtmf_detect = true;
	call("label", "x");
	press(A, 7);
	EXPECT_Z(str_from(w->keys), "A:7/60");
	/* Silence ends a key whose ends are lost. */
	report(A, 9, 800, false, true);
	rw_tick(w, 100);
	EXPECT_Z(str_from(w->keys), "A:7/60");
	rw_tick(w, 300);
	EXPECT_Z(str_from(w->keys), "A:7/60 A:9/100");
	EXPECT_TRUE(!relay_is_paced(&w->relay));
	/* What is no key is not told. */
	ts[A] += 800;
	press(A, 70);
	press(A, 16);
	EXPECT_Z(str_from(w->keys), "A:7/60 A:9/100 A:16/60");
	EXPECT_U64(w->relay.taps.stats.events_unknown, 1);
}

static void blocked_keys_go_nowhere_and_leave_no_gap(void **state)
{
	(void)state;
	call("flags", "detect DTMF");
	EXPECT_INT(audio(A), FATE_SENT);
	EXPECT_INT(number_out(), 100);
	rw_ask(w, "block DTMF", "call-id", "c", "from-tag", "A", NULL);
	rw_expect_ok(w);
	EXPECT_INT(press(A, 5), FATE_EVENT);
	EXPECT_INT(audio(A), FATE_SENT);
	EXPECT_INT(number_out(), 101);
	/* Lost ones stay lost. */
	seq[A]++;
	EXPECT_INT(audio(A), FATE_SENT);
	EXPECT_INT(number_out(), 103);
	/* The other party is not meant. */
	EXPECT_INT(press(B, 6), FATE_SENT);
	EXPECT_Z(str_from(w->keys), "A:5/60 B:6/60");
	rw_ask(w, "unblock DTMF", "call-id", "c", NULL);
	EXPECT_INT(press(A, 4), FATE_SENT);
	EXPECT_INT(number_out(), 108);
	EXPECT_INT(stream_dropped(m.pkt.stream->main, FATE_EVENT), 5);
}

static void without_listeners_block_dtmf_works_too(void **state)
{
	(void)state;
	call("label", "x");
	rw_ask(w, "block DTMF", "call-id", "c", NULL);
	EXPECT_INT(audio(A), FATE_SENT);
	EXPECT_INT(press(A, 5), FATE_EVENT);
	EXPECT_INT(audio(A), FATE_SENT);
	EXPECT_INT(number_out(), 101);
	EXPECT_Z(str_from(w->keys), "");
}

static void bridged_keys_are_told_and_end_here(void **state)
{
	(void)state;
	rw_ask(w, "offer", "call-id", "c", "from-tag", "A", "sdp", RW_SDP_A, NULL);
	to_b = rw_port(w, 0);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "A", "to-tag", "B", "sdp", RW_SDP_B,
	       "flags", "bridge DTMF", NULL);
	rw_expect_ok(w);
	to_a = rw_port(w, 0);
	EXPECT_INT(audio(A), FATE_SENT);
	EXPECT_INT(press(A, 5), FATE_EVENT);
	EXPECT_Z(str_from(w->keys), "A:5/60");
	EXPECT_INT(press(B, 6), FATE_SENT);
}

/* ---- play DTMF */

static const struct rw_sent *sent(size_t i)
{
	assert_true(i < w->sent_count);
	return &w->sent[i % RW_SENT];
}

static void expect_sent(size_t i, bool marker, uint16_t number, uint32_t timestamp,
			uint16_t duration, bool is_end)
{
	const struct rw_sent *s = sent(i);
	struct rtp h;
	struct dtmf_report r;
	EXPECT_ERR(rtp_decode(s->bytes, s->len, &h), OK);
	EXPECT_INT(s->len, RTP_HEADER_LEN + DTMF_PAYLOAD_LEN);
	EXPECT_INT(h.payload_type, EVENT);
	EXPECT_INT(h.marker, marker);
	EXPECT_INT(h.seq, number);
	EXPECT_U64(h.ssrc, 0xaa00 + A);
	EXPECT_U64(h.timestamp, timestamp);
	EXPECT_ERR(dtmf_decode(s->bytes + RTP_HEADER_LEN, DTMF_PAYLOAD_LEN, &r), OK);
	EXPECT_INT(r.event, 11);
	EXPECT_INT(r.volume, 8);
	EXPECT_INT(r.duration, duration);
	EXPECT_INT(r.end, is_end);
}

static void a_played_key_is_as_if_the_party_had_pressed_it(void **state)
{
	(void)state;
	call("label", "x");
	EXPECT_INT(audio(A), FATE_SENT);
	rw_tick(w, 10);
	rw_ask(w, "play DTMF", "call-id", "c", "from-tag", "A", "code", "#", "duration", "100",
	       NULL);
	rw_expect_ok(w);
	EXPECT_TRUE(relay_is_paced(&w->relay));
	/* Its media goes on meanwhile, and is left out. */
	for (int i = 0; i < 14; i++) {
		rw_tick(w, 10);
		if (i % 2 == 0 && i < 12)
			EXPECT_INT(audio(A), FATE_EVENT);
	}
	EXPECT_INT(w->sent_count, 7);
	for (unsigned i = 0; i < 7; i++) {
		struct addr b = media_addr(B, 6000);
		EXPECT_TRUE(addr_eq(&sent(i)->to, &b));
		EXPECT_INT(sent(i)->from.port, to_b);
		/* The key goes down 20 ms after the last packet: that much later on the party's clock. */
		expect_sent(i, i == 0, (uint16_t)(101 + i), 16160 + 160,
			    (uint16_t)(i < 4 ? 160 * (i + 1) : 800), i >= 4);
	}
	EXPECT_INT(audio(A), FATE_SENT);
	EXPECT_INT(number_out(), 108);
	EXPECT_INT(audio(A), FATE_SENT);
	EXPECT_INT(number_out(), 109);
	rw_tick(w, 300);
	EXPECT_TRUE(!relay_is_paced(&w->relay));
	EXPECT_INT(w->sent_count, 7);
	/* What we press ourselves is no key of the party. */
	EXPECT_Z(str_from(w->keys), "");
}

static void a_party_that_is_silent_can_have_its_keys_played(void **state)
{
	(void)state;
	call("label", "x");
	EXPECT_INT(audio(A), FATE_SENT);
	rw_tick(w, 5000);
	rw_ask(w, "play DTMF", "call-id", "c", "from-tag", "A", "code", "11", "duration", "100",
	       NULL);
	rw_expect_ok(w);
	for (int i = 0; i < 30; i++)
		rw_tick(w, 10);
	EXPECT_INT(w->sent_count, 7);
	expect_sent(0, true, 101, 16160 + 8 * 5010, 160, false);
	EXPECT_INT(audio(A), FATE_SENT);
	EXPECT_INT(number_out(), 108);
}

/* One source of ours with continuity: the key is a part of it. */
static void with_continuity_all_is_one_source(void **state)
{
	(void)state;
	struct rtp h, key;
	call_with("flags", "detect DTMF", "on");
	EXPECT_INT(audio(A), FATE_SENT);
	EXPECT_ERR(rtp_decode(m.bytes, m.pkt.len, &h), OK);
	rw_ask(w, "block DTMF", "call-id", "c", "from-tag", "A", NULL);
	EXPECT_INT(press(A, 5), FATE_EVENT);
	rw_ask(w, "play DTMF", "call-id", "c", "from-tag", "A", "code", "#", "duration", "100",
	       NULL);
	rw_expect_ok(w);
	for (int i = 0; i < 30; i++)
		rw_tick(w, 10);
	EXPECT_INT(w->sent_count, 7);
	for (unsigned i = 0; i < 7; i++) {
		EXPECT_ERR(rtp_decode(sent(i)->bytes, sent(i)->len, &key), OK);
		EXPECT_U64(key.ssrc, h.ssrc);
		EXPECT_INT(key.payload_type, EVENT);
		EXPECT_INT(key.seq, (uint16_t)(h.seq + 1 + i));
		/* The first packet of it is sent 10 ms later. */
		EXPECT_U64(key.timestamp - h.timestamp, 80);
	}
	ts[A] += 300 * 8;
	EXPECT_INT(audio(A), FATE_SENT);
	EXPECT_ERR(rtp_decode(m.bytes, m.pkt.len, &key), OK);
	EXPECT_U64(key.ssrc, h.ssrc);
	EXPECT_INT(key.seq, (uint16_t)(h.seq + 8));
}

static void what_play_dtmf_refuses(void **state)
{
	(void)state;
	static const struct {
		const char *name, *key, *value, *code;
		enum refusal refusal;
	} rows[] = {
		{"no party", "x", "y", "1", REFUSAL_NO_PARTY},
		{"an unknown party", "from-tag", "Z", "1", REFUSAL_NO_SUCH_TAG},
		{"no code", "from-tag", "A", "", REFUSAL_CODE},
		{"a word", "from-tag", "A", "12#", REFUSAL_CODE},
		{"no key", "from-tag", "A", "E", REFUSAL_CODE},
		{"a flash", "from-tag", "A", "!", REFUSAL_CODE},
		{"above the keys", "from-tag", "A", "16", REFUSAL_CODE},
		{"a party that has sent nothing", "from-tag", "B", "1", REFUSAL_NO_SSRC},
	};
	call("label", "x");
	EXPECT_INT(audio(A), FATE_SENT);
	CHECK_TABLE(row, rows)
	{
		rw_ask(w, "play DTMF", "call-id", "c", row->key, row->value, "code", row->code,
		       NULL);
		rw_expect_error(w, row->refusal);
	}
	rw_ask(w, "play DTMF", "call-id", "other", "from-tag", "A", "code", "1", NULL);
	rw_expect_error(w, REFUSAL_UNKNOWN_CALL_ID);
	for (int i = 0; i < DTMF_QUEUE; i++) {
		rw_ask(w, "play DTMF", "call-id", "c", "from-tag", "A", "code", "1", NULL);
		rw_expect_ok(w);
	}
	rw_ask(w, "play DTMF", "call-id", "c", "from-tag", "A", "code", "1", NULL);
	rw_expect_error(w, REFUSAL_KEYS);
}

static void the_other_party_must_take_keys(void **state)
{
	(void)state;
	rw_ask(w, "offer", "call-id", "c", "from-tag", "A", "sdp", RW_SDP_A, NULL);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "A", "to-tag", "B", "sdp",
	       "v=0\r\no=b 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
	       "m=audio 6000 RTP/AVP 0\r\n",
	       NULL);
	to_a = rw_port(w, 0);
	EXPECT_INT(audio(A), FATE_SENT);
	rw_ask(w, "play DTMF", "call-id", "c", "from-tag", "A", "code", "1", NULL);
	rw_expect_error(w, REFUSAL_NO_EVENTS);
}

/* Towards an encrypted side: no key stream is used twice, whatever is put in and left out. */
static void no_key_stream_is_used_twice(void **state)
{
	(void)state;
	struct srtp_watch watch;
	srtp_watch_init(&watch);
	srtp_watch_attach(&watch, &w->relay.srtp);
	rw_ask(w, "offer", "call-id", "c", "from-tag", "A", "sdp", RW_SDP_A, "transport-protocol",
	       "RTP/SAVP", "flags", "detect DTMF", NULL);
	rw_expect_ok(w);
	to_b = rw_port(w, 0);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "A", "to-tag", "B", "sdp",
	       "v=0\r\no=b 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
	       "m=audio 6000 RTP/SAVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
	       "a=crypto:5 AES_CM_128_HMAC_SHA1_80 "
	       "inline:qffWJo4zQ789PDdZN8NuXWwjjxfhfob88OsRkmSt\r\n",
	       NULL);
	rw_expect_ok(w);
	to_a = rw_port(w, 0);
	uint64_t random = 3;
	seq[A] = 65000;
	unsigned reused = 0, out = 0;
	for (int i = 0; i < 3000; i++) {
		const uint64_t dice = media_random(&random) % 100;
		if (dice == 0) {
			rw_ask(w, "play DTMF", "call-id", "c", "from-tag", "A", "code", "3", NULL);
		} else if (dice == 1) {
			rw_ask(w, dice & 2 ? "block DTMF" : "unblock DTMF", "call-id", "c", NULL);
		} else if (dice == 2) {
			rw_ask(w, "block DTMF", "call-id", "c", NULL);
		} else if (dice < 6) {
			press(A, 5);
		} else if (dice < 12) {
			/* An old one comes again, or comes late. */
			packet(A, AUDIO, (uint16_t)(seq[A] - dice), ts[A] - 160 * (uint32_t)dice,
			       false, NULL, 160);
			reused += m.pkt.fate == FATE_REUSE || m.pkt.fate == FATE_REPLAY;
		} else {
			seq[A] = (uint16_t)(seq[A] + (dice < 15));
			out += audio(A) == FATE_SENT;
			EXPECT_TRUE(m.pkt.fate == FATE_SENT || m.pkt.fate == FATE_EVENT);
		}
		rw_tick(w, 20);
	}
	EXPECT_TRUE(out > 1000 && w->sent_count > 100);
	EXPECT_INT(srtp_watch_reuses(&watch), 0);
	EXPECT_TRUE(srtp_watch_packets(&watch) > 1000);
	EXPECT_INT(sent(0)->len, RTP_HEADER_LEN + DTMF_PAYLOAD_LEN + 10);
	EXPECT_TRUE(reused > 0);
	end(NULL);
	srtp_watch_release(&watch);
	begin(NULL);
}

static void a_key_as_a_datagram(void **state)
{
	(void)state;
	char mem[DTMF_JSON_MAX];
	struct buf b;
	const struct relay_notice n = {.event = RELAY_DTMF,
				       .call_id = STR("a\"b"),
				       .tag = STR("A"),
				       .other_tag = STR("B"),
				       .label = STR("caller"),
				       .source = media_addr(1, 5000),
				       .digit = 5,
				       .ms = 250,
				       .volume = 8};
	buf_init(&b, mem, sizeof(mem));
	dtmf_json_write(&b, &n, 1795289997);
	EXPECT_STR(buf_view(&b),
		   STR("{\"callid\":\"a\\\"b\",\"source_tag\":\"A\",\"source_label\":\"caller\","
		       "\"tags\":[\"A\",\"B\"],\"type\":\"DTMF\",\"timestamp\":1795289997,"
		       "\"source_ip\":\"192.0.2.1\",\"event\":5,\"duration\":250,\"volume\":8}"));
}

#define T(x) cmocka_unit_test_setup_teardown(x, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(keys_are_told_where_somebody_listens),
		T(an_option_listens_to_all_calls),
		T(blocked_keys_go_nowhere_and_leave_no_gap),
		T(without_listeners_block_dtmf_works_too),
		T(bridged_keys_are_told_and_end_here),
		T(a_played_key_is_as_if_the_party_had_pressed_it),
		T(a_party_that_is_silent_can_have_its_keys_played),
		T(with_continuity_all_is_one_source),
		T(what_play_dtmf_refuses),
		T(the_other_party_must_take_keys),
		T(no_key_stream_is_used_twice),
		T(a_key_as_a_datagram),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
