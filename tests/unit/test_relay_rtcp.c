/* `generate RTCP` through the relay, in virtual time: what each party is told, when, from where, and what is not. */
#include <stdio.h>
#include <string.h>

#include "common/sdes.h"
#include "rtpproxy/core/relay.h"
#include "rtpproxy/core/rtcp.h"
#include "tests/support/check.h"
#include "tests/support/relay_world.h"
#include "tests/support/srtp_watch.h"

#define KEY_A "2Ryt5eLKvFnyFY+eSfTfqDk0u7Gsewi8kFFmIS2G"
#define SDP_A_SECURE                                                                               \
	"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"                \
	"m=audio 5000 RTP/SAVP 0\r\na=rtcp-mux\r\n"                                                \
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" KEY_A "\r\n"
#define VIDEO "m=video 5100 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
#define FLAG  "generate RTCP"
enum { SSRC_A = 7, SSRC_B = 8, FIRST_MS = 3750 };

struct talk {
	struct relay_world *w;
	uint16_t at[2]; /* our RTP port for A, for B */
	uint16_t seq;
	size_t seen; /* of w->sent */
	struct media_pkt m;
};

static void agree(struct talk *t, const char *a, const char *b, const char *offer_flags,
		  const char *answer_flags)
{
	rw_ask(t->w, "offer", "call-id", "c", "from-tag", "a", "sdp", a, "flags", offer_flags,
	       "transport-protocol", "RTP/AVP", "rtcp-mux", "demux", NULL);
	rw_expect_ok(t->w);
	t->at[1] = rw_port(t->w, 0);
	rw_ask(t->w, "answer", "call-id", "c", "from-tag", "a", "to-tag", "b", "sdp", b, "flags",
	       answer_flags, NULL);
	rw_expect_ok(t->w);
	t->at[0] = rw_port(t->w, 0);
}

static struct talk talk_of(const char *offer_flags, const char *answer_flags)
{
	struct talk t = {.w = rw_new(), .seq = 100};
	agree(&t, RW_SDP_A, RW_SDP_B, offer_flags, answer_flags);
	return t;
}

/* From A (side 0) or B. */
static enum pkt_fate say(struct talk *t, unsigned side, uint16_t seq)
{
	const struct media_rtp f = {.ssrc = side ? SSRC_B : SSRC_A,
				    .seq = seq,
				    .timestamp = seq * 160u,
				    .payload = 160,
				    .fill = 0xd5};
	media_pkt_set(&t->m, PKT_RTP, media_rtp_write(&f, t->m.bytes));
	return rw_packet(t->w, t->at[side], side ? 2 : 1, side ? 6000 : 5000, &t->m);
}

/* RTCP of that party to our RTCP port. */
static enum pkt_fate tell(struct talk *t, unsigned side, const char *hex)
{
	media_pkt_set(&t->m, PKT_RTCP, media_hex(hex, t->m.bytes, PKT_LEN_MAX));
	return rw_packet(t->w, (uint16_t)(t->at[side] + 1), side ? 2 : 1, side ? 6001 : 5001,
			 &t->m);
}

/* Both speak for so long, in packets of 20 ms. */
static void talk_for(struct talk *t, unsigned ms)
{
	for (unsigned i = 0; i < ms / 20; i++) {
		rw_tick(t->w, 20);
		EXPECT_INT(say(t, 0, t->seq), FATE_SENT);
		EXPECT_INT(say(t, 1, t->seq++), FATE_SENT);
	}
}

/* The next datagram of ours to 192.0.2.host:port, not looked at yet. NULL: none. */
static const struct rw_sent *next_to(struct talk *t, uint8_t host, uint16_t port)
{
	const struct addr to = media_addr(host, port);
	while (t->seen < t->w->sent_count) {
		const struct rw_sent *s = &t->w->sent[t->seen++ % RW_SENT];
		if (addr_eq(&s->to, &to))
			return s;
	}
	return NULL;
}

struct heard {
	struct rtcp_part report;
	struct rtcp_block block;
	bool has_block;
	const uint8_t *name;
};

static struct heard read_report(const uint8_t *p, size_t len)
{
	struct heard h = {0};
	struct rtcp_walk w;
	struct rtcp_part part;
	EXPECT_ERR(rtcp_check(p, len), OK);
	rtcp_walk_init(&w, p, len);
	EXPECT_TRUE(rtcp_walk_next(&w, &h.report));
	h.has_block = rtcp_part_block(&h.report, 0, &h.block);
	EXPECT_TRUE(rtcp_walk_next(&w, &part));
	EXPECT_INT(part.type, RTCP_SDES);
	EXPECT_INT(part.ssrc, h.report.ssrc);
	EXPECT_TRUE(!rtcp_walk_next(&w, &part));
	h.name = part.p + 10;
	return h;
}

static const struct stream *stream_at(const struct talk *t, uint16_t port)
{
	for (size_t i = 0; i < RW_SOCKETS; i++)
		if (t->w->sockets[i].stream && t->w->sockets[i].local.port == port)
			return t->w->sockets[i].stream;
	fail_msg("no such socket");
	return NULL;
}

static void each_party_is_told_what_it_hears_and_how_it_is_heard(void **state)
{
	(void)state;
	struct talk t = talk_of(FLAG, "");
	EXPECT_INT(tell(&t, 0, "80c80006 00000007 11112222 33334444 00000005 00000006 00000007"),
		   FATE_HIDDEN);
	talk_for(&t, 500);
	t.seq += 25; /* both lose half of all */
	talk_for(&t, 500);
	const uint32_t said = t.seq - 100u;
	rw_tick(t.w, FIRST_MS);
	const struct rw_sent *s = next_to(&t, 1, 5001);
	assert_non_null(s);
	EXPECT_INT(s->from.port, t.at[0] + 1);
	struct heard h = read_report(s->bytes, s->len);
	const struct stream *a = stream_at(&t, t.at[0]);
	EXPECT_INT(h.report.type, RTCP_SR);
	EXPECT_INT(h.report.ssrc, a->continuity.out_ssrc);
	EXPECT_TRUE(h.report.ssrc != SSRC_B);
	EXPECT_TRUE(h.has_block);
	EXPECT_INT(h.block.ssrc, SSRC_A);
	EXPECT_INT(h.block.lost, 25);
	EXPECT_INT(h.block.fraction_lost, 25 * 256 / said);
	EXPECT_INT(h.block.highest_seq, t.seq - 1);
	EXPECT_INT(h.block.lsr, 0x22223333);
	EXPECT_TRUE(h.block.dlsr > 65536 && h.block.dlsr < 6 * 65536);
	t.seen = 0;
	s = next_to(&t, 2, 6001);
	assert_non_null(s);
	EXPECT_INT(s->from.port, t.at[1] + 1);
	h = read_report(s->bytes, s->len);
	EXPECT_INT(h.block.ssrc, SSRC_B);
	EXPECT_INT(h.block.lsr, 0);
	rw_free(t.w);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void the_sender_report_ties_the_clocks_and_counts_what_went_out(void **state)
{
	(void)state;
	struct talk t = talk_of(FLAG, "");
	const struct rw_sent *s = NULL;
	while (!s) {
		talk_for(&t, 20);
		s = next_to(&t, 1, 5001);
	}
	/* It went out 20 ms after the last packet but one, in the tick before the last one. */
	const struct continuity *c = &stream_at(&t, t.at[0])->continuity;
	const uint64_t wall_us = rw_now(t.w).wall_us;
	EXPECT_INT(get32(s->bytes + 8), wall_us / 1000000 + 2208988800u);
	EXPECT_INT(get32(s->bytes + 12), (wall_us % 1000000 << 32) / 1000000);
	EXPECT_INT(get32(s->bytes + 16), c->top_ts);
	EXPECT_INT(get32(s->bytes + 20), c->packets - 1);
	EXPECT_INT(get32(s->bytes + 24), (c->packets - 1) * 160);
	rw_free(t.w);
}

static void a_round_trip_to_the_relay_is_known_by_its_own_reports(void **state)
{
	(void)state;
	struct talk t = talk_of("", FLAG);
	const struct rw_sent *s = NULL;
	char hex[128];
	while (!s) {
		talk_for(&t, 20);
		s = next_to(&t, 2, 6001);
	}
	const uint32_t mid = get32(s->bytes + 10);
	const uint32_t ssrc = get32(s->bytes + 4);
	/* The SRs of A are not what B has heard. */
	for (unsigned i = 0; i < QUALITY_SR_KEPT; i++)
		EXPECT_INT(tell(&t, 0,
				"80c80006 00000007 11112222 33334444 00000005 00000006 00000007"),
			   FATE_HIDDEN);
	t.w->now_ms += 80;
	snprintf(hex, sizeof(hex),
		 "81c90007 00000008 %08x 00000000 00000000 00000000 %08x 00000000", ssrc, mid);
	EXPECT_INT(tell(&t, 1, hex), FATE_HIDDEN);
	EXPECT_INT(stream_at(&t, t.at[1])->quality.rtt_us, 80000);
	rw_free(t.w);
}

static void reports_of_the_other_party_end_here_and_its_requests_do_not(void **state)
{
	(void)state;
	struct talk t = talk_of(FLAG, "");
	char hex[256];
	talk_for(&t, 100);
	const uint32_t to_b = stream_at(&t, t.at[1])->continuity.out_ssrc;
	const uint32_t to_a = stream_at(&t, t.at[0])->continuity.out_ssrc;
	EXPECT_INT(tell(&t, 1, "80c90001 00000008"), FATE_HIDDEN);
	EXPECT_INT(tell(&t, 1, "80c90001 00000008 81cb0001 00000008"), FATE_HIDDEN);
	snprintf(hex, sizeof(hex),
		 "80c90001 00000008 81ca0003 00000008 01034142 43000000 81ce0002 00000008 %08x",
		 to_b);
	EXPECT_INT(tell(&t, 1, hex), FATE_SENT);
	EXPECT_INT(t.m.pkt.to.port, 5001);
	EXPECT_INT(t.m.pkt.len, 8 + 28 + 12);
	EXPECT_INT(get32(t.m.bytes), 0x80c90001);
	EXPECT_INT(get32(t.m.bytes + 4), to_a);
	EXPECT_INT(get32(t.m.bytes + 8 + 28 + 4), to_a);
	EXPECT_INT(get32(t.m.bytes + 8 + 28 + 8), SSRC_A);
	/* One source has one name. */
	char name[16];
	memcpy(name, t.m.bytes + 8 + 10, sizeof(name));
	rw_tick(t.w, FIRST_MS);
	const struct rw_sent *s = next_to(&t, 1, 5001);
	assert_non_null(s);
	EXPECT_BYTES(read_report(s->bytes, s->len).name, name, sizeof(name));
	rw_free(t.w);
}

static void without_the_flag_reports_pass_and_none_are_made(void **state)
{
	(void)state;
	struct talk t = talk_of("", "");
	talk_for(&t, 20000);
	EXPECT_INT(t.w->sent_count, 0);
	EXPECT_INT(tell(&t, 1, "80c90001 00000008"), FATE_SENT);
	rw_free(t.w);
}

static void reports_go_on_at_their_pace_until_the_call_ends(void **state)
{
	(void)state;
	struct talk t = talk_of(FLAG, "");
	uint64_t last = 0, total = 0;
	unsigned count = 0;
	for (unsigned i = 0; i < 200 * 1000 / 20; i++) {
		talk_for(&t, 20);
		const struct rw_sent *s = next_to(&t, 1, 5001);
		if (!s)
			continue;
		const uint64_t gap = t.w->now_ms - last;
		EXPECT_INT(s->bytes[1], RTCP_SR);
		if (last != 0) {
			EXPECT_TRUE(gap >= 2500 && gap < 7540);
			total += gap;
			count++;
		}
		last = t.w->now_ms;
	}
	EXPECT_TRUE(count > 25);
	EXPECT_TRUE(total / count > 4000 && total / count < 6000);
	/* What is on hold is still reported, by those who only listen too. */
	t.seen = t.w->sent_count;
	rw_tick(t.w, 25000);
	const struct rw_sent *s, *newest = NULL;
	while ((s = next_to(&t, 1, 5001)))
		newest = s;
	assert_non_null(newest);
	EXPECT_INT(get32(newest->bytes), 0x80c90001);
	rw_ask(t.w, "delete", "call-id", "c", "delete-delay", "0", NULL);
	const size_t sent = t.w->sent_count;
	rw_tick(t.w, 20000);
	EXPECT_INT(t.w->sent_count, sent);
	EXPECT_INT(t.w->relay.reporters.used, 0);
	rw_free(t.w);
}

static void an_unproven_party_is_not_reported_to_beyond_its_limit(void **state)
{
	(void)state;
	struct talk t = talk_of(FLAG ",NAT wait", FLAG ",NAT wait");
	rw_tick(t.w, 20000);
	EXPECT_INT(t.w->sent_count, 0);
	EXPECT_INT(tell(&t, 0, "80c90001 00000007"), FATE_UNPROVEN); /* B is not */
	rw_tick(t.w, 8000);
	EXPECT_TRUE(t.w->sent_count > 0);
	t.seen = 0;
	EXPECT_TRUE(!next_to(&t, 2, 6001));
	rw_free(t.w);
}

static void lines_with_sources_of_their_own_report_for_themselves(void **state)
{
	(void)state;
	struct talk t = {.w = rw_new(), .seq = 100};
	agree(&t, RW_SDP_A VIDEO, RW_SDP_B "m=video 6100 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
	      FLAG, "");
	EXPECT_INT(t.w->relay.reporters.used, 2);
	/* The line is dropped, then the call is renewed without continuity. */
	agree(&t, RW_SDP_A VIDEO, RW_SDP_B "m=video 0 RTP/AVP 96\r\n", "", "");
	EXPECT_INT(t.w->relay.reporters.used, 2);
	rw_ask(t.w, "offer", "call-id", "c", "from-tag", "a", "sdp", RW_SDP_A VIDEO, "continuity",
	       "off", NULL);
	rw_ask(t.w, "answer", "call-id", "c", "from-tag", "a", "to-tag", "b", "sdp",
	       RW_SDP_B "m=video 0 RTP/AVP 96\r\n", NULL);
	EXPECT_INT(t.w->relay.reporters.used, 0);
	rw_tick(t.w, 20000);
	EXPECT_INT(t.w->sent_count, 0);
	rw_free(t.w);
}

static void set_key(struct srtp_key *k, const char *line)
{
	struct sdes s;
	EXPECT_ERR(sdes_parse(str_from(line), &s), OK);
	EXPECT_ERR(srtp_key_set(k, s.suite, &s.key), OK);
	sdes_release(&s);
}

/* What the relay said to A that it sends with. */
static void read_key(struct relay_world *w, struct srtp_key *k)
{
	struct str sdp = rw_got(w, "sdp");
	const size_t at = str_find(sdp, STR("a=crypto:"));
	char line[256];
	assert_true(at < sdp.len);
	struct str rest = str_from_offset(sdp, at + 9);
	snprintf(line, sizeof(line), "%.*s", (int)str_index(rest, '\r'), rest.p);
	set_key(k, line);
}

struct secure {
	struct talk t;
	struct srtp_worker own; /* of A's end */
	struct srtp_key tx, rx;
};

static bool a_can_read(struct secure *x)
{
	struct srtp_op op = {.key = &x->rx, .pkt = &x->t.m.pkt};
	srtp_batch_unprotect(&x->own, &op, 1);
	return op.fate == FATE_SENT;
}

static void both_speak(struct secure *x)
{
	const struct media_rtp f = {.ssrc = SSRC_A, .seq = x->t.seq, .payload = 160};
	struct srtp_op op = {.key = &x->tx, .pkt = &x->t.m.pkt};
	media_pkt_set(&x->t.m, PKT_RTP, media_rtp_write(&f, x->t.m.bytes));
	srtp_batch_protect(&x->own, &op, 1);
	EXPECT_INT(rw_packet(x->t.w, x->t.at[0], 1, 5000, &x->t.m), FATE_SENT);
	EXPECT_INT(say(&x->t, 1, x->t.seq++), FATE_SENT);
}

/* B asks for something of the source of which A is behind `ssrc`. */
static enum pkt_fate request(struct secure *x, uint32_t ssrc)
{
	char hex[128];
	snprintf(hex, sizeof(hex), "80c90001 00000008 81ce0002 00000008 %08x", ssrc);
	return tell(&x->t, 1, hex);
}

static void secure_for(struct secure *x, unsigned ms)
{
	unsigned reports = 0;
	for (unsigned i = 0; i < ms / 20; i++) {
		rw_tick(x->t.w, 20);
		both_speak(x);
		if (i % 50 == 25) {
			const struct stream *b = stream_at(&x->t, x->t.at[1]);
			EXPECT_INT(request(x, b->continuity.out_ssrc), FATE_SENT);
			EXPECT_INT(x->t.m.pkt.to.port, 5000);
			EXPECT_TRUE(a_can_read(x));
			EXPECT_INT(request(x, 0x202), FATE_HIDDEN); /* nobody */
		}
		const struct rw_sent *s = next_to(&x->t, 1, 5000);
		if (!s)
			continue;
		EXPECT_INT(s->from.port, x->t.at[0]);
		memcpy(x->t.m.bytes, s->bytes, s->len);
		media_pkt_set(&x->t.m, PKT_RTCP, s->len);
		EXPECT_TRUE(a_can_read(x));
		const struct heard h = read_report(x->t.m.bytes, x->t.m.pkt.len);
		EXPECT_INT(h.report.type, RTCP_SR);
		EXPECT_INT(h.block.ssrc, SSRC_A);
		reports++;
	}
	EXPECT_TRUE(reports >= ms / 7500);
}

/* Among its own reports, the other's requests and renewed offers one SRTCP index is never used twice. */
static void an_encrypted_party_with_one_port_gets_srtcp_there(void **state)
{
	(void)state;
	struct secure x = {.t = {.w = rw_new(), .seq = 100}};
	struct srtp_watch watch;
	srtp_watch_init(&watch);
	srtp_watch_attach(&watch, &x.t.w->relay.srtp);
	EXPECT_ERR(srtp_worker_init(&x.own, "openssl"), OK);
	srtp_key_init(&x.rx, &x.own, SRTP_RX);
	srtp_key_init(&x.tx, &x.own, SRTP_TX);
	set_key(&x.tx, "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY_A);
	for (unsigned round = 0; round < 3; round++) {
		/* The flag stays with the call. */
		agree(&x.t, SDP_A_SECURE, RW_SDP_B, round == 0 ? FLAG : "", "");
		read_key(x.t.w, &x.rx);
		secure_for(&x, 30000);
	}
	EXPECT_TRUE(srtp_watch_packets(&watch) > 4500);
	EXPECT_INT(srtp_watch_reuses(&watch), 0);
	srtp_key_release(&x.rx);
	srtp_key_release(&x.tx);
	rw_free(x.t.w);
	srtp_watch_release(&watch);
	srtp_worker_release(&x.own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_party_is_told_what_it_hears_and_how_it_is_heard),
		cmocka_unit_test(the_sender_report_ties_the_clocks_and_counts_what_went_out),
		cmocka_unit_test(a_round_trip_to_the_relay_is_known_by_its_own_reports),
		cmocka_unit_test(reports_of_the_other_party_end_here_and_its_requests_do_not),
		cmocka_unit_test(without_the_flag_reports_pass_and_none_are_made),
		cmocka_unit_test(reports_go_on_at_their_pace_until_the_call_ends),
		cmocka_unit_test(an_unproven_party_is_not_reported_to_beyond_its_limit),
		cmocka_unit_test(lines_with_sources_of_their_own_report_for_themselves),
		cmocka_unit_test(an_encrypted_party_with_one_port_gets_srtcp_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
