/* What a party of the relay hears while the sources behind change, and what RTCP says of it: scripts over the whole relay. */
#include <stdio.h>
#include <string.h>

#include "rtpproxy/core/relay.h"
#include "rtpproxy/core/rtcp.h"
#include "rtpproxy/core/rtp.h"
#include "tests/support/check.h"
#include "tests/support/relay_world.h"
#include "tests/support/srtp_watch.h"

enum { HOST_A = 1, HOST_B = 2, PORT_A = 5000, PORT_B = 6000 };

/* One call of A and B; packets come in from either. */
struct talk {
	struct relay_world *w;
	uint16_t at[2]; /* our port for A, for B */
	struct media_pkt m;
	struct rtp h; /* of the last packet that went out */
};

static const char sdp_a[] = RW_SDP_A, sdp_b[] = RW_SDP_B;

static void answer_call(struct talk *t, const char *call, const char *offer, const char *answer,
			const char *flags)
{
	rw_ask(t->w, "offer", "call-id", call, "from-tag", "a", "sdp", offer, "rtpp-flags", flags,
	       NULL);
	rw_expect_ok(t->w);
	t->at[1] = rw_port(t->w, 0);
	rw_ask(t->w, "answer", "call-id", call, "from-tag", "a", "to-tag", "b", "sdp", answer,
	       NULL);
	rw_expect_ok(t->w);
	t->at[0] = rw_port(t->w, 0);
}

static void talk_init(struct talk *t, const char *flags)
{
	*t = (struct talk){.w = rw_new()};
	answer_call(t, "c1", sdp_a, sdp_b, flags);
}

/* One packet of party `who`, `ms` after the one before. */
static enum pkt_fate say(struct talk *t, unsigned who, unsigned ms, uint32_t ssrc, uint16_t seq,
			 uint32_t ts)
{
	const struct media_rtp f = {
		.ssrc = ssrc, .seq = seq, .timestamp = ts, .payload = 160, .fill = 0xd5};
	t->w->now_ms += ms;
	media_pkt_set(&t->m, PKT_RTP, media_rtp_write(&f, t->m.bytes));
	const enum pkt_fate fate =
		rw_packet(t->w, t->at[who], who ? HOST_B : HOST_A, who ? PORT_B : PORT_A, &t->m);
	if (fate == FATE_SENT)
		EXPECT_ERR(rtp_decode(t->m.bytes, t->m.pkt.len, &t->h), OK);
	return fate;
}

static enum pkt_fate report(struct talk *t, unsigned who, const char *hex)
{
	media_pkt_set(&t->m, PKT_RTCP, media_hex(hex, t->m.bytes, sizeof(t->m.bytes)));
	return rw_packet(t->w, (uint16_t)(t->at[who] + 1), who ? HOST_B : HOST_A,
			 (uint16_t)((who ? PORT_B : PORT_A) + 1), &t->m);
}

static uint32_t word(const struct talk *t, size_t at)
{
	const uint8_t *p = t->m.bytes + 4 * at;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void each_party_hears_one_source_that_is_nobodys(void **state)
{
	(void)state;
	struct talk t;
	talk_init(&t, "symmetric");
	EXPECT_INT(say(&t, 0, 0, 0xaaaa, 50000, 777), FATE_SENT);
	const struct rtp first = t.h;
	EXPECT_TRUE(first.ssrc != 0xaaaa && first.seq < 0x8000);
	EXPECT_INT(say(&t, 0, 20, 0xaaaa, 50001, 937), FATE_SENT);
	EXPECT_INT(t.h.seq, first.seq + 1);
	/* Music on hold: another SSRC, numbers and clock from anywhere. */
	EXPECT_INT(say(&t, 0, 20, 0xbbbb, 3, 90000000), FATE_SENT);
	EXPECT_INT(t.h.ssrc, first.ssrc);
	EXPECT_INT(t.h.seq, first.seq + 2);
	EXPECT_INT(t.h.timestamp - first.timestamp, 320);
	EXPECT_INT(say(&t, 0, 1, 0xaaaa, 50000, 777), FATE_LATE);
	/* The other direction is another one. */
	EXPECT_INT(say(&t, 1, 0, 0xaaaa, 50000, 777), FATE_SENT);
	EXPECT_TRUE(t.h.ssrc != first.ssrc && t.h.ssrc != 0xaaaa);
	rw_free(t.w);
}

static void a_re_offer_changes_nothing_of_it(void **state)
{
	(void)state;
	struct talk t;
	talk_init(&t, "symmetric");
	EXPECT_INT(say(&t, 0, 0, 0xaaaa, 50000, 777), FATE_SENT);
	const struct rtp first = t.h;
	rw_ask(t.w, "offer", "call-id", "c1", "from-tag", "a", "to-tag", "b", "sdp", sdp_a, NULL);
	rw_expect_ok(t.w);
	rw_ask(t.w, "answer", "call-id", "c1", "from-tag", "a", "to-tag", "b", "sdp", sdp_b, NULL);
	rw_expect_ok(t.w);
	EXPECT_INT(say(&t, 0, 20, 0xaaaa, 50001, 937), FATE_SENT);
	EXPECT_INT(t.h.ssrc, first.ssrc);
	EXPECT_INT(t.h.seq, first.seq + 1);
	rw_free(t.w);
}

static void what_was_left_out_on_purpose_is_not_missed(void **state)
{
	(void)state;
	struct talk t;
	talk_init(&t, "symmetric");
	EXPECT_INT(say(&t, 0, 0, 0xaaaa, 10, 0), FATE_SENT);
	const struct rtp first = t.h;
	rw_ask(t.w, "block media", "call-id", "c1", "from-tag", "a", NULL);
	rw_expect_ok(t.w);
	for (unsigned i = 1; i <= 50; i++)
		EXPECT_INT(say(&t, 0, 20, 0xaaaa, (uint16_t)(10 + i), 160 * i), FATE_BLOCKED);
	rw_ask(t.w, "unblock media", "call-id", "c1", "from-tag", "a", NULL);
	EXPECT_INT(say(&t, 0, 20, 0xaaaa, 61, 160 * 51), FATE_SENT);
	EXPECT_INT(t.h.seq, first.seq + 1);
	EXPECT_INT(t.h.timestamp - first.timestamp, 160 * 51);
	rw_free(t.w);
}

static void on_request_and_for_video_all_passes_as_it_is(void **state)
{
	(void)state;
	static const char video_a[] =
		"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
		"m=video 5000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
	static const char video_b[] =
		"v=0\r\no=b 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
		"m=video 6000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
	for (int video = 0; video < 2; video++) {
		struct talk t = {.w = rw_new()};
		answer_call(&t, "c1", video ? video_a : sdp_a, video ? video_b : sdp_b,
			    video ? "symmetric" : "continuity=off");
		EXPECT_INT(say(&t, 0, 0, 0xaaaa, 50000, 777), FATE_SENT);
		EXPECT_INT(t.h.ssrc, 0xaaaa);
		EXPECT_INT(t.h.seq, 50000);
		EXPECT_INT(say(&t, 0, 1, 0xbbbb, 7, 777), FATE_SENT);
		EXPECT_INT(t.h.ssrc, 0xbbbb);
		EXPECT_INT(report(&t, 1,
				  "81c90007 0000cccc 0000aaaa 00000000 00000007 00000000 00000000 "
				  "00000000"),
			   FATE_SENT);
		EXPECT_INT(word(&t, 1), 0xcccc);
		EXPECT_INT(word(&t, 2), 0xaaaa);
		rw_free(t.w);
	}
}

static void reports_are_about_what_their_receiver_knows(void **state)
{
	(void)state;
	struct talk t;
	char hex[128];
	talk_init(&t, "symmetric");
	EXPECT_INT(say(&t, 0, 0, 0xaaaa, 50000, 777), FATE_SENT);
	const struct rtp to_b = t.h;
	EXPECT_INT(say(&t, 1, 0, 0xcccc, 9, 5), FATE_SENT);
	const struct rtp to_a = t.h;
	/* A's own report, with one about B under the name that B has for A. */
	snprintf(hex, sizeof(hex),
		 "81c8000c 0000aaaa 11112222 33334444 00000309 00000001 000000a0 %08x 00000000 "
		 "%08x 00000000 00000000 00000000",
		 to_a.ssrc, to_a.seq);
	EXPECT_INT(report(&t, 0, hex), FATE_SENT);
	EXPECT_INT(word(&t, 1), to_b.ssrc);
	EXPECT_INT(word(&t, 4), to_b.timestamp);
	EXPECT_INT(word(&t, 5), 1);
	EXPECT_INT(word(&t, 6), 160);
	EXPECT_INT(word(&t, 7), 0xcccc);
	EXPECT_INT(word(&t, 9), 9);
	/* B has seen that report: the round trip is A's to know. */
	snprintf(hex, sizeof(hex),
		 "81c90007 0000cccc %08x 00000000 %08x 00000000 22223333 00000100", to_b.ssrc,
		 to_b.seq);
	EXPECT_INT(report(&t, 1, hex), FATE_SENT);
	EXPECT_INT(word(&t, 1), to_a.ssrc);
	EXPECT_INT(word(&t, 2), 0xaaaa);
	EXPECT_INT(word(&t, 4), 50000);
	EXPECT_INT(word(&t, 6), 0x22223333);
	/* Another source: what B says about the one before is not its. */
	EXPECT_INT(say(&t, 0, 20, 0xbbbb, 3, 5), FATE_SENT);
	EXPECT_INT(report(&t, 1, hex), FATE_SENT);
	EXPECT_INT(t.m.pkt.len, 8);
	snprintf(hex, sizeof(hex),
		 "81c90007 0000cccc %08x 00000000 %08x 00000000 22223333 00000100", to_b.ssrc,
		 to_b.seq + 1u);
	EXPECT_INT(report(&t, 1, hex), FATE_SENT);
	EXPECT_INT(word(&t, 2), 0xbbbb);
	EXPECT_INT(word(&t, 4), 3);
	EXPECT_INT(word(&t, 6), 0);
	/* The source before says that it goes: ours does not. */
	EXPECT_INT(report(&t, 0, "81cb0001 0000aaaa"), FATE_HIDDEN);
	EXPECT_INT(report(&t, 0, "81cb0001 0000bbbb"), FATE_SENT);
	EXPECT_INT(word(&t, 1), to_b.ssrc);
	rw_free(t.w);
}

/* ---- another session in place of this one */

static struct carry_letter letters[4];
static unsigned letter_count;

static void on_post(void *ctx, const struct carry_letter *l)
{
	(void)ctx;
	assert_true(letter_count < ARRAY_LEN(letters));
	letters[letter_count++] = *l;
}

/* A call of A with somebody else, which A is in from now on instead of c1. */
static void begin_second(struct talk *t, const char *flags)
{
	static const char sdp_c[] = "v=0\r\no=c 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 "
				    "192.0.2.2\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n";
	/* The one that it will talk to offers, A answers: as a transfer does. */
	rw_ask(t->w, "offer", "call-id", "c2", "from-tag", "x", "sdp", sdp_c, "rtpp-flags", flags,
	       NULL);
	rw_expect_ok(t->w);
	t->at[0] = rw_port(t->w, 0);
	rw_ask(t->w, "answer", "call-id", "c2", "from-tag", "x", "to-tag", "a2", "sdp", sdp_a,
	       NULL);
	rw_expect_ok(t->w);
	t->at[1] = rw_port(t->w, 0);
}

static void a_session_in_place_of_another_goes_on_with_its_numbers(void **state)
{
	(void)state;
	struct talk t;
	talk_init(&t, "symmetric");
	const struct talk before = t;
	EXPECT_INT(say(&t, 1, 0, 0xbbbb, 100, 5000), FATE_SENT);
	const struct rtp to_a = t.h;
	begin_second(&t, "to-continues=[call-id=c1 tag=a]");
	EXPECT_INT(say(&t, 1, 100, 0xcccc, 7, 99), FATE_SENT);
	EXPECT_INT(t.h.ssrc, to_a.ssrc);
	EXPECT_INT(t.h.seq, to_a.seq + 1);
	EXPECT_INT(t.h.timestamp - to_a.timestamp, 800);
	/* The other direction of the new session is its own. */
	EXPECT_INT(say(&t, 0, 0, 0xaaaa, 7, 99), FATE_SENT);
	EXPECT_TRUE(t.h.ssrc != to_a.ssrc);
	/* Nothing more comes out of the old one towards A, neither media nor reports; towards B it goes on. */
	struct talk old = t;
	old.at[0] = before.at[0];
	old.at[1] = before.at[1];
	EXPECT_INT(say(&old, 1, 0, 0xbbbb, 101, 5160), FATE_MOVED);
	EXPECT_INT(report(&old, 1, "80c90001 0000bbbb"), FATE_MOVED);
	EXPECT_INT(say(&old, 0, 0, 0xaaaa, 8, 99), FATE_SENT);
	/* It is agreed anew: it speaks again, as somebody else. */
	rw_ask(t.w, "offer", "call-id", "c1", "from-tag", "a", "to-tag", "b", "sdp", sdp_a, NULL);
	rw_ask(t.w, "answer", "call-id", "c1", "from-tag", "a", "to-tag", "b", "sdp", sdp_b, NULL);
	EXPECT_INT(say(&old, 1, 0, 0xbbbb, 102, 5320), FATE_SENT);
	EXPECT_TRUE(old.h.ssrc != to_a.ssrc);
	rw_free(t.w);
}

static void a_name_that_nobody_has_changes_nothing(void **state)
{
	(void)state;
	struct talk t;
	talk_init(&t, "symmetric");
	begin_second(&t, "to-continues=[call-id=c9 tag=a] from-continues=[call-id=c1 tag=nobody]");
	EXPECT_INT(say(&t, 1, 100, 0xcccc, 7, 99), FATE_SENT);
	EXPECT_U64(t.w->relay.carries.used, 0);
	rw_free(t.w);
}

static void by_letter(bool ends_first)
{
	struct talk t, other;
	talk_init(&t, "symmetric");
	EXPECT_INT(say(&t, 1, 0, 0xbbbb, 100, 5000), FATE_SENT);
	const struct rtp to_a = t.h;
	talk_init(&other, "symmetric"); /* so that no two dialogues have the same number */
	rw_ask(other.w, "delete", "call-id", "c1", "delete-delay", "0", NULL);
	other.w->relay.ports.post = t.w->relay.ports.post = on_post;
	letter_count = 0;
	other.w->relay.worker = 1;
	begin_second(&other, "to-continues=[call-id=c1 tag=a]");
	/* Announced with the offer, asked for with the answer. */
	EXPECT_INT(letter_count, 2);
	EXPECT_INT(letters[0].kind, CARRY_INTENDED);
	EXPECT_INT(letters[1].kind, CARRY_WANTED);
	relay_letter(&t.w->relay, &letters[0]);
	EXPECT_INT(say(&t, 1, 20, 0xbbbb, 101, 5160), FATE_SENT);
	if (ends_first)
		rw_ask(t.w, "delete", "call-id", "c1", "delete-delay", "0", NULL);
	relay_letter(&t.w->relay, &letters[1]);
	EXPECT_INT(letter_count, 3);
	EXPECT_INT(letters[2].kind, CARRY_GIVEN);
	relay_letter(&other.w->relay, &letters[2]);
	EXPECT_INT(say(&other, 1, 100, 0xcccc, 7, 99), FATE_SENT);
	EXPECT_INT(other.h.ssrc, to_a.ssrc);
	EXPECT_INT(other.h.seq, to_a.seq + 2);
	EXPECT_INT(other.h.timestamp - to_a.timestamp, 800);
	if (!ends_first)
		EXPECT_INT(say(&t, 1, 20, 0xbbbb, 102, 5320), FATE_MOVED);
	/* Letters about calls that are gone. */
	relay_letter(&other.w->relay, &letters[0]);
	letters[2].heir.dialogue = ID_NONE;
	relay_letter(&other.w->relay, &letters[2]);
	EXPECT_INT(letter_count, 3);
	other.w->relay.worker = 0;
	rw_free(other.w);
	rw_free(t.w);
}

static void a_call_on_another_worker_sends_its_numbers_by_letter(void **state)
{
	(void)state;
	by_letter(false);
}

static void one_that_ends_before_the_answer_sends_them_then(void **state)
{
	(void)state;
	by_letter(true);
}

static void a_fork_goes_on_where_a_silent_one_was(void **state)
{
	(void)state;
	for (int silent = 0; silent < 2; silent++) {
		struct talk t = {.w = rw_new()};
		for (int branch = 0; branch < 2; branch++) {
			rw_ask(t.w, "offer", "call-id", "c1", "from-tag", "a", "via-branch",
			       branch ? "z2" : "z1", "sdp", sdp_a, NULL);
			rw_expect_ok(t.w);
			t.at[1] = rw_port(t.w, 0);
			struct rtp before = t.h;
			t.w->now_ms += silent ? 300 : 100;
			rw_ask(t.w, "answer", "call-id", "c1", "from-tag", "a", "to-tag",
			       branch ? "b2" : "b1", "via-branch", branch ? "z2" : "z1", "sdp",
			       sdp_b, NULL);
			rw_expect_ok(t.w);
			EXPECT_INT(say(&t, 1, 0, 0xb0 + (uint32_t)branch, 100, 5000), FATE_SENT);
			if (branch == 1) {
				EXPECT_INT(t.h.ssrc == before.ssrc, silent);
				EXPECT_INT(t.h.seq == before.seq + 1, silent);
			}
		}
		rw_free(t.w);
	}
}

/* ---- payload types */

static void numbers_that_a_party_does_not_know_become_its_own(void **state)
{
	(void)state;
#define LINES(host, port, opus, event)                                                             \
	"v=0\r\no=a 1 1 IN IP4 192.0.2." #host "\r\ns=-\r\nc=IN IP4 192.0.2." #host                \
	"\r\nt=0 0\r\n"                                                                            \
	"m=audio " #port " RTP/AVP " #opus " 0 " #event "\r\na=rtpmap:" #opus                      \
	" opus/48000/2\r\na=rtpmap:" #event " telephone-event/48000\r\n"
	static const char offer[] = LINES(1, 5000, 96, 101);
	static const struct {
		const char *name, *answer;
		unsigned who;
		uint8_t sent, want;
	} rows[] = {
		{"the answerer's own number is the offerer's", LINES(2, 6000, 111, 101), 1, 111,
		 96},
		{"the offerer's own number is the answerer's", LINES(2, 6000, 111, 101), 0, 96,
		 111},
		{"the right numbers pass", LINES(2, 6000, 111, 101), 1, 96, 96},
		{"the right numbers pass the other way", LINES(2, 6000, 111, 101), 0, 111, 111},
		{"what both know passes", LINES(2, 6000, 111, 101), 1, 101, 101},
		{"what nobody has named passes", LINES(2, 6000, 111, 101), 1, 120, 120},
		{"static numbers pass", LINES(2, 6000, 111, 101), 0, 0, 0},
		{"a key in the answerer's number", LINES(2, 6000, 111, 97), 1, 97, 101},
		{"the same numbers", LINES(2, 6000, 96, 101), 1, 96, 96},
		{"numbers the other way round mean what their receiver says",
		 LINES(2, 6000, 101, 96), 1, 96, 96},
	};
	CHECK_TABLE(row, rows)
	{
		struct talk t = {.w = rw_new()};
		answer_call(&t, "c1", offer, row->answer, "symmetric");
		EXPECT_INT(rw_rtp(t.w, t.at[row->who], row->who ? HOST_B : HOST_A,
				  row->who ? PORT_B : PORT_A, row->sent, &t.m),
			   FATE_SENT);
		EXPECT_INT(t.m.bytes[1] & 0x7f, row->want);
		/* Agreed anew with one set of numbers: nothing is translated, nothing is kept for it. */
		rw_ask(t.w, "offer", "call-id", "c1", "from-tag", "a", "to-tag", "b", "sdp", offer,
		       NULL);
		rw_ask(t.w, "answer", "call-id", "c1", "from-tag", "a", "to-tag", "b", "sdp",
		       LINES(2, 6000, 96, 101), NULL);
		rw_expect_ok(t.w);
		EXPECT_U64(t.w->relay.types.used, 0);
		rw_free(t.w);
	}
}

/* ---- who is not heard */

static struct {
	enum relay_event event;
	char tag[8];
	uint32_t ms;
	unsigned count;
} told;

static void on_publish(void *ctx, const struct relay_notice *n)
{
	(void)ctx;
	if (n->event < RELAY_MEDIA_LOST)
		return;
	told.event = n->event;
	told.ms = n->ms;
	told.count++;
	snprintf(told.tag, sizeof(told.tag), "%.*s", STR_ARG(n->tag));
}

static void expect_told(unsigned count, enum relay_event e, const char *tag)
{
	EXPECT_INT(told.count, count);
	EXPECT_INT(told.event, e);
	EXPECT_Z(str_from(told.tag), tag);
}

static void a_party_that_is_not_heard_is_told(void **state)
{
	(void)state;
	struct talk t = {.w = rw_new()};
	memset(&told, 0, sizeof(told));
	t.w->config.timeouts.lost = 10000;
	t.w->relay.ports.publish = on_publish;
	answer_call(&t, "c1", sdp_a, sdp_b, "symmetric");
	uint16_t seq = 0;
	for (int s = 0; s < 9; s++) {
		EXPECT_INT(say(&t, 0, 0, 0xaaaa, seq++, 0), FATE_SENT);
		rw_tick(t.w, 1000);
	}
	EXPECT_INT(told.count, 0);
	/* RTCP is no media. */
	EXPECT_INT(report(&t, 1, "80c90001 0000bbbb"), FATE_SENT);
	for (int s = 0; s < 3; s++) {
		EXPECT_INT(say(&t, 0, 0, 0xaaaa, seq++, 0), FATE_SENT);
		rw_tick(t.w, 1000);
	}
	expect_told(1, RELAY_MEDIA_ONE_WAY, "b");
	EXPECT_TRUE(told.ms >= 10000 && told.ms < 12000);
	EXPECT_INT(say(&t, 1, 0, 0xbbbb, 1, 0), FATE_SENT);
	rw_tick(t.w, 2000);
	expect_told(2, RELAY_MEDIA_BACK, "b");
	for (int s = 0; s < 12; s++) {
		EXPECT_INT(say(&t, 1, 0, 0xbbbb, (uint16_t)(2 + s), 0), FATE_SENT);
		rw_tick(t.w, 1000);
	}
	expect_told(3, RELAY_MEDIA_LOST, "a");
	EXPECT_U64(atomic_load(&t.w->published[0].v[RELAY_LOST_MEDIAS]), 1);
	rw_free(t.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_party_hears_one_source_that_is_nobodys),
		cmocka_unit_test(a_re_offer_changes_nothing_of_it),
		cmocka_unit_test(what_was_left_out_on_purpose_is_not_missed),
		cmocka_unit_test(on_request_and_for_video_all_passes_as_it_is),
		cmocka_unit_test(reports_are_about_what_their_receiver_knows),
		cmocka_unit_test(a_session_in_place_of_another_goes_on_with_its_numbers),
		cmocka_unit_test(a_name_that_nobody_has_changes_nothing),
		cmocka_unit_test(a_call_on_another_worker_sends_its_numbers_by_letter),
		cmocka_unit_test(one_that_ends_before_the_answer_sends_them_then),
		cmocka_unit_test(a_fork_goes_on_where_a_silent_one_was),
		cmocka_unit_test(numbers_that_a_party_does_not_know_become_its_own),
		cmocka_unit_test(a_party_that_is_not_heard_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
