/*
 * Subscribers through the relay's root: an offer of ours with what parties send, its answer, and the copies that flow.
 */
#include <stdio.h>
#include <string.h>

#include "rtpproxy/core/rtcp.h"
#include "rtpproxy/core/rtp.h"
#include "rtpproxy/core/stream.h"
#include "rtpproxy/core/subscriber.h"
#include "tests/support/check.h"
#include "tests/support/relay_world.h"
#include "tests/support/srtp_watch.h"

enum { A = 1, B = 2, REC = 9 };

static struct relay_world *w;
static uint16_t to_a, to_b;
static struct media_pkt m;
static char offer[4096], tag[64];

#define ANSWER_HEAD "v=0\r\no=r 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
#define LINE(port)  "m=audio " #port " RTP/AVP 0\r\na=recvonly\r\n"

static int begin(void **state)
{
	(void)state;
	w = rw_new();
	rw_ask(w, "offer", "call-id", "c", "from-tag", "A", "label", "caller", "sdp", RW_SDP_A,
	       NULL);
	rw_expect_ok(w);
	to_b = rw_port(w, 0);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "A", "to-tag", "B", "label", "callee",
	       "sdp", RW_SDP_B, NULL);
	rw_expect_ok(w);
	to_a = rw_port(w, 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rw_free(w);
	return 0;
}

/* The offer and the tag of the last request. */
static void keep(void)
{
	rw_expect_ok(w);
	snprintf(offer, sizeof(offer), "%.*s", STR_ARG(rw_got(w, "sdp")));
	snprintf(tag, sizeof(tag), "%.*s", STR_ARG(rw_got(w, "to-tag")));
	EXPECT_TRUE(offer[0] && tag[0]);
}

static bool offered(const char *text)
{
	return strstr(offer, text) != NULL;
}

static unsigned lines(void)
{
	unsigned n = 0;
	for (const char *p = offer; (p = strstr(p, "m=")) != NULL; p += 2)
		n++;
	return n;
}

static void subscribe(const char *key, const char *value)
{
	rw_ask(w, "subscribe request", "call-id", "c", key, value, NULL);
	keep();
	static char sdp[4096];
	snprintf(sdp, sizeof(sdp), "%s", ANSWER_HEAD);
	for (unsigned i = 0; i < lines(); i++) {
		size_t n = strlen(sdp);
		snprintf(sdp + n, sizeof(sdp) - n, "m=audio %u RTP/AVP 0\r\na=recvonly\r\n",
			 9000 + 2 * i);
	}
	rw_ask(w, "subscribe answer", "call-id", "c", "to-tag", tag, "sdp", sdp, NULL);
	rw_expect_ok(w);
}

static enum pkt_fate from(uint8_t who)
{
	w->now_ms += 20;
	return rw_rtp(w, who == A ? to_a : to_b, who, (uint16_t)(4000 + 1000 * who), 0, &m);
}

static const struct rw_sent *last(void)
{
	assert_true(w->sent_count > 0);
	return &w->sent[(w->sent_count - 1) % RW_SENT];
}

static void one_party_is_offered_as_it_sends(void **state)
{
	(void)state;
	rw_ask(w, "subscribe request", "call-id", "c", "from-tag", "A", NULL);
	keep();
	EXPECT_INT(lines(), 1);
	EXPECT_TRUE(offered("RTP/AVP 0 101\r\n"));
	EXPECT_TRUE(offered("a=rtpmap:0 PCMU/8000\r\n"));
	EXPECT_TRUE(offered("a=rtpmap:101 telephone-event/8000\r\n"));
	EXPECT_TRUE(offered("a=sendonly\r\n"));
	EXPECT_TRUE(offered("a=label:1\r\n"));
	EXPECT_TRUE(offered("c=IN IP4 192.0.2.100\r\n"));
	EXPECT_TRUE(!offered("192.0.2.1\r\n"));
	EXPECT_STR(rw_got(w, "from-tag"), STR("A"));
	EXPECT_INT(dict_get(w->reply, STR("from-tags"))->count, 1);
	EXPECT_TRUE(dict_get(w->reply, STR("tag-medias")) == NULL);
	/* Nothing flows before the answer. */
	EXPECT_INT(from(A), FATE_SENT);
	EXPECT_INT(w->sent_count, 0);
}

static void siprec_names_each_line(void **state)
{
	(void)state;
	rw_ask(w, "subscribe request", "call-id", "c", "flags", "all,siprec", NULL);
	keep();
	EXPECT_INT(lines(), 2);
	EXPECT_TRUE(offered("a=label:1\r\n") && offered("a=label:2\r\n"));
	const struct dict *tags = dict_get(w->reply, STR("tag-medias"));
	assert_non_null(tags);
	EXPECT_INT(tags->count, 2);
	const struct dict *first = dict_first(tags);
	EXPECT_STR(dict_get_str(first, STR("tag")), STR("A"));
	EXPECT_STR(dict_get_str(first, STR("label")), STR("caller"));
	const struct dict *media = dict_first(dict_get(first, STR("medias")));
	EXPECT_STR(dict_get_str(media, STR("label")), STR("1"));
	EXPECT_INT(dict_get_int(media, STR("index"), 0), 1);
	EXPECT_STR(dict_get_str(media, STR("type")), STR("audio"));
	EXPECT_STR(dict_get_str(media, STR("mode")), STR("sendonly"));
	const struct dict *labels = dict_get(w->reply, STR("media-labels"));
	EXPECT_STR(dict_get_str(dict_get(labels, STR("2")), STR("tag")), STR("B"));
	EXPECT_TRUE(rw_got(w, "from-tag").len == 0);
}

static void copies_are_one_source_of_ours(void **state)
{
	(void)state;
	struct rtp h;
	uint16_t seq = 0;
	uint32_t ssrc = 0;
	const struct addr recorder = media_addr(REC, 9000);
	subscribe("from-tag", "A");
	for (unsigned i = 0; i < 20; i++) {
		EXPECT_INT(from(A), FATE_SENT);
		EXPECT_INT(from(B), FATE_SENT);
		EXPECT_INT(w->sent_count, i + 1);
		EXPECT_TRUE(addr_eq(&last()->to, &recorder));
		EXPECT_ERR(rtp_decode(last()->bytes, last()->len, &h), OK);
		EXPECT_INT(last()->len, 172);
		EXPECT_INT(last()->bytes[12], 0xd5);
		if (i > 0) {
			EXPECT_U64(h.ssrc, ssrc);
		}
		EXPECT_TRUE(h.ssrc != A && h.ssrc != B);
		ssrc = h.ssrc;
		seq = h.seq;
	}
	/* Every second number is B's in this world's packets: what is lost of A is seen as lost. */
	EXPECT_INT(from(A), FATE_SENT);
	EXPECT_ERR(rtp_decode(last()->bytes, last()->len, &h), OK);
	EXPECT_INT((uint16_t)(h.seq - seq), 2);
	EXPECT_U64(w->relay.taps.stats.copies, 21);
}

static void both_parties_go_to_lines_of_their_own(void **state)
{
	(void)state;
	const struct addr first = media_addr(REC, 9000), second = media_addr(REC, 9002);
	subscribe("flags", "all");
	EXPECT_INT(from(A), FATE_SENT);
	EXPECT_TRUE(addr_eq(&last()->to, &first));
	EXPECT_INT(from(B), FATE_SENT);
	EXPECT_TRUE(addr_eq(&last()->to, &second));
	EXPECT_INT(w->sent_count, 2);
	/* The call itself is as it was. */
	const struct addr a = media_addr(A, 5000);
	EXPECT_TRUE(addr_eq(&m.pkt.to, &a));
}

static void what_a_party_may_not_send_is_not_copied(void **state)
{
	(void)state;
	subscribe("from-tag", "A");
	rw_ask(w, "block media", "call-id", "c", "from-tag", "A", NULL);
	EXPECT_INT(from(A), FATE_BLOCKED);
	/* A stranger's packets are nobody's. */
	EXPECT_INT(rw_rtp(w, to_a, 77, 5000, 0, &m), FATE_SOURCE);
	EXPECT_INT(w->sent_count, 0);
	rw_ask(w, "unblock media", "call-id", "c", "from-tag", "A", NULL);
	EXPECT_INT(from(A), FATE_SENT);
	EXPECT_INT(w->sent_count, 1);
}

static void a_subscriber_gives_nothing(void **state)
{
	(void)state;
	subscribe("from-tag", "A");
	EXPECT_INT(from(A), FATE_SENT);
	const uint16_t ours = last()->from.port;
	const struct addr a_before = m.pkt.to;
	EXPECT_INT(rw_rtp(w, ours, REC, 9000, 0, &m), FATE_DIRECTION);
	media_pkt_set(&m, PKT_RTCP, media_rtcp_write(1, 0, 77, 0, 0, m.bytes));
	EXPECT_INT(rw_packet(w, (uint16_t)(ours + 1), REC, 9001, &m), FATE_NO_PEER);
	EXPECT_INT(w->sent_count, 1);
	EXPECT_INT(from(A), FATE_SENT);
	EXPECT_TRUE(addr_eq(&m.pkt.to, &a_before));
	/* Nor does it keep the call alive. */
	for (int i = 0; i < 3; i++) {
		rw_tick(w, 25000);
		if (w->relay.calls.used > 0)
			(void)rw_rtp(w, ours, REC, 9000, 0, &m);
	}
	EXPECT_INT(w->relay.calls.used, 0);
	EXPECT_INT(w->open_count, 0);
	EXPECT_INT(w->relay.subscribers.used, 0);
}

static void a_sender_report_is_ours(void **state)
{
	(void)state;
	struct rtp h;
	subscribe("from-tag", "A");
	for (int i = 0; i < 3; i++)
		EXPECT_INT(from(A), FATE_SENT);
	EXPECT_ERR(rtp_decode(last()->bytes, last()->len, &h), OK);
	media_pkt_set(&m, PKT_RTCP, media_rtcp_write(A, 0x12345678, 0, 0, 0, m.bytes));
	EXPECT_INT(rw_packet(w, (uint16_t)(to_a + 1), A, 5001, &m), FATE_SENT);
	EXPECT_INT(w->sent_count, 4);
	const struct addr to = media_addr(REC, 9001);
	EXPECT_TRUE(addr_eq(&last()->to, &to));
	EXPECT_ERR(rtcp_check(last()->bytes, last()->len), OK);
	struct rtcp_walk walk;
	struct rtcp_part part;
	rtcp_walk_init(&walk, last()->bytes, last()->len);
	EXPECT_TRUE(rtcp_walk_next(&walk, &part));
	EXPECT_INT(part.type, RTCP_SR);
	EXPECT_INT(part.count, 0);
	EXPECT_U64(part.ssrc, h.ssrc);
	EXPECT_U64(part.ntp_mid, 0x12345678);
	EXPECT_INT(part.p[23], 3); /* packets that we sent */
	EXPECT_INT(part.p[26] << 8 | part.p[27], 480);
	EXPECT_TRUE(rtcp_walk_next(&walk, &part));
	EXPECT_INT(part.type, RTCP_SDES);
	EXPECT_TRUE(!rtcp_walk_next(&walk, &part));
}

#define SAVP_ANSWER                                                                                \
	ANSWER_HEAD "m=audio 9000 RTP/SAVP 0\r\na=recvonly\r\n"                                    \
		    "a=crypto:%u AES_CM_128_HMAC_SHA1_80 "                                         \
		    "inline:qffWJo4zQ789PDdZN8NuXWwjjxfhfob88OsRkmSt\r\n"

static void a_subscriber_has_keys_of_its_own(void **state)
{
	(void)state;
	struct srtp_watch watch;
	char sdp[1024];
	unsigned number = 0;
	srtp_watch_init(&watch);
	srtp_watch_attach(&watch, &w->relay.srtp);
	rw_ask(w, "subscribe request", "call-id", "c", "from-tag", "A", "transport protocol",
	       "RTP/SAVP", "DTLS", "off", NULL);
	keep();
	EXPECT_TRUE(offered("RTP/SAVP 0 101\r\n"));
	const char *at = strstr(offer, " AES_CM_128_HMAC_SHA1_80");
	assert_non_null(at);
	while (at[-1] >= '0' && at[-1] <= '9')
		at--;
	number = (unsigned)(at[0] - '0');
	snprintf(sdp, sizeof(sdp), SAVP_ANSWER, number);
	rw_ask(w, "subscribe answer", "call-id", "c", "to-tag", tag, "sdp", ANSWER_HEAD LINE(9000),
	       NULL);
	rw_expect_error(w, REFUSAL_ANSWER_PLAIN);
	rw_ask(w, "subscribe answer", "call-id", "c", "to-tag", tag, "sdp", sdp, NULL);
	rw_expect_ok(w);
	for (unsigned i = 0; i < 50; i++)
		EXPECT_INT(from(A), FATE_SENT);
	EXPECT_INT(w->sent_count, 50);
	EXPECT_INT(last()->len, 172 + 10);
	EXPECT_TRUE(last()->bytes[12] != 0xd5 || last()->bytes[13] != 0xd5);
	EXPECT_U64(srtp_watch_packets(&watch), 50);
	EXPECT_INT(srtp_watch_reuses(&watch), 0);
	end(NULL);
	srtp_watch_release(&watch);
	begin(NULL);
}

static void a_subscriber_by_dtls_waits_for_its_handshake(void **state)
{
	(void)state;
	rw_ask(w, "subscribe request", "call-id", "c", "from-tag", "A", "transport protocol",
	       "UDP/TLS/RTP/SAVP", NULL);
	keep();
	EXPECT_TRUE(offered("UDP/TLS/RTP/SAVP 0 101\r\n") && offered("a=fingerprint:sha-256 "));
	rw_ask(w, "subscribe answer", "call-id", "c", "to-tag", tag, "sdp",
	       ANSWER_HEAD "m=audio 9000 UDP/TLS/RTP/SAVP 0\r\na=recvonly\r\na=setup:active\r\n"
			   "a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:"
			   "19:E5:7C:AB:3C:4C:65:9A:8B:1C:2D:3E:4F:50:61:72\r\n",
	       NULL);
	rw_expect_ok(w);
	for (unsigned i = 0; i < 5; i++)
		EXPECT_INT(from(A), FATE_SENT);
	EXPECT_INT(w->sent_count, 0);
	EXPECT_U64(w->relay.taps.stats.copies_lost, 5);
}

static void a_subscriber_by_ice_waits_for_its_checks(void **state)
{
	(void)state;
	rw_ask(w, "subscribe request", "call-id", "c", "from-tag", "A", "ICE", "force", NULL);
	keep();
	EXPECT_TRUE(offered("a=ice-ufrag:") && offered("a=candidate:") && offered("a=ice-lite"));
	rw_ask(w, "subscribe answer", "call-id", "c", "to-tag", tag, "sdp",
	       ANSWER_HEAD "m=audio 9000 RTP/AVP 0\r\na=recvonly\r\na=ice-ufrag:abcd\r\n"
			   "a=ice-pwd:abcdefghijklmnopqrstuv\r\n"
			   "a=candidate:1 1 UDP 2130706431 192.0.2.9 9000 typ host\r\n",
	       NULL);
	rw_expect_ok(w);
	for (unsigned i = 0; i < 5; i++)
		EXPECT_INT(from(A), FATE_SENT);
	EXPECT_INT(w->sent_count, 0);
	rw_ask(w, "unsubscribe", "call-id", "c", "to-tag", tag, NULL);
	rw_expect_ok(w);
	EXPECT_INT(w->relay.ices.used, 0);
}

static void pause_and_resume_by_offers_anew(void **state)
{
	(void)state;
	char before[64];
	subscribe("from-tag", "A");
	EXPECT_INT(from(A), FATE_SENT);
	snprintf(before, sizeof(before), "%s", tag);
	const uint16_t port = last()->from.port;
	rw_ask(w, "subscribe request", "call-id", "c", "from-tag", "A", "to-tag", before, "flags",
	       "inactive", NULL);
	keep();
	EXPECT_Z(str_from(tag), before);
	EXPECT_TRUE(offered("a=inactive\r\n"));
	EXPECT_INT(rw_port(w, 0), port);
	/* The answer decides. */
	EXPECT_INT(from(A), FATE_SENT);
	EXPECT_INT(w->sent_count, 2);
	rw_ask(w, "subscribe answer", "call-id", "c", "to-tag", tag, "sdp",
	       ANSWER_HEAD "m=audio 9000 RTP/AVP 0\r\na=inactive\r\n", NULL);
	rw_expect_ok(w);
	EXPECT_INT(from(A), FATE_SENT);
	EXPECT_INT(w->sent_count, 2);
	rw_ask(w, "subscribe request", "call-id", "c", "from-tag", "A", "to-tag", before, NULL);
	keep();
	rw_ask(w, "subscribe answer", "call-id", "c", "to-tag", tag, "sdp", ANSWER_HEAD LINE(9100),
	       NULL);
	rw_expect_ok(w);
	EXPECT_INT(from(A), FATE_SENT);
	EXPECT_INT(w->sent_count, 3);
	EXPECT_INT(last()->to.port, 9100);
	/* Another party too: its line is new, the first one stays. */
	rw_ask(w, "subscribe request", "call-id", "c", "to-tag", before, "flags", "all", NULL);
	keep();
	EXPECT_INT(lines(), 2);
	rw_ask(w, "subscribe answer", "call-id", "c", "to-tag", tag, "sdp",
	       ANSWER_HEAD LINE(9100) LINE(9200), NULL);
	rw_expect_ok(w);
	EXPECT_INT(from(B), FATE_SENT);
	EXPECT_INT(last()->to.port, 9200);
	/* And away again: its line is rejected, the number of lines stays. */
	rw_ask(w, "subscribe request", "call-id", "c", "to-tag", before, "from-tag", "A", NULL);
	keep();
	EXPECT_INT(lines(), 2);
	EXPECT_TRUE(offered("m=audio 0 "));
	EXPECT_INT(from(B), FATE_SENT);
	EXPECT_INT(w->sent_count, 4);
	EXPECT_INT(w->relay.subscribers.used, 1);
}

static void it_ends_with_unsubscribe_and_with_the_call(void **state)
{
	(void)state;
	const size_t before = w->open_count;
	subscribe("from-tag", "A");
	EXPECT_INT(w->open_count, before + 2);
	/* The two parties, and the subscriber. */
	EXPECT_U64(w->published[0].v[RELAY_MEDIAS_PLAIN], 3);
	rw_ask(w, "unsubscribe", "call-id", "c", "to-tag", "nobody", NULL);
	rw_expect_error(w, REFUSAL_TO_TAG_UNKNOWN);
	rw_ask(w, "unsubscribe", "call-id", "c", "to-tag", tag, NULL);
	rw_expect_ok(w);
	EXPECT_INT(w->open_count, before);
	EXPECT_INT(from(A), FATE_SENT);
	EXPECT_INT(w->sent_count, 0);
	subscribe("from-tag", "A");
	rw_ask(w, "delete", "call-id", "c", "delete-delay", "0", NULL);
	EXPECT_INT(w->open_count, 0);
	EXPECT_INT(w->relay.medias.used, 0);
	EXPECT_INT(w->relay.subscribers.used, 0);
	EXPECT_INT(w->relay.dialogues.used, 0);
	EXPECT_U64(w->relay.texts.used, 0);
	EXPECT_U64(w->published[0].v[RELAY_MEDIAS_PLAIN], 0);
}

/* Threats D16: for one packet in, one goes to each subscriber that was accepted, and their number has an end. */
static void outputs_are_counted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LIMIT_SUBSCRIPTIONS; i++)
		subscribe("from-tag", "A");
	rw_ask(w, "subscribe request", "call-id", "c", "from-tag", "A", NULL);
	rw_expect_error(w, REFUSAL_SUBSCRIPTIONS);
	for (unsigned i = 1; i <= 10; i++) {
		EXPECT_INT(from(A), FATE_SENT);
		EXPECT_INT(w->sent_count, i * LIMIT_SUBSCRIPTIONS);
		EXPECT_INT(from(B), FATE_SENT);
	}
	EXPECT_INT(w->sent_count, 10 * LIMIT_SUBSCRIPTIONS);
	/* A batch that wants more copies than there is room for loses copies alone. */
	static struct media_pkt many[SRTP_BATCH];
	struct pkt *list[SRTP_BATCH];
	for (unsigned i = 0; i < SRTP_BATCH; i++) {
		const struct media_rtp f = {
			.ssrc = A, .seq = (uint16_t)(20000 + i), .payload = 160};
		media_pkt_set(&many[i], PKT_RTP, media_rtp_write(&f, many[i].bytes));
		many[i].pkt.stream = m.pkt.out; /* B's packets leave from A's endpoint */
		many[i].pkt.from = media_addr(A, 5000);
		list[i] = &many[i].pkt;
	}
	const size_t before = w->sent_count;
	relay_batch(&w->relay, list, SRTP_BATCH, w->now_ms * 1000);
	EXPECT_TRUE(w->sent_count - before <= TAP_SPARES);
	for (unsigned i = 2; i < SRTP_BATCH; i++)
		EXPECT_INT(many[i].pkt.fate, FATE_SENT);
	EXPECT_TRUE(w->relay.taps.stats.copies_lost >=
		    SRTP_BATCH * LIMIT_SUBSCRIPTIONS - TAP_SPARES - 8);
}

static void what_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *key, *value;
		enum refusal refusal;
	} rows[] = {
		{"nobody named", "x", "y", REFUSAL_NO_PARTY},
		{"an unknown party", "from-tag", "Z", REFUSAL_NO_SUCH_TAG},
		{"nothing to be encrypted with", "SDES", "off", REFUSAL_NO_PARTY},
	};
	CHECK_TABLE(row, rows)
	{
		rw_ask(w, "subscribe request", "call-id", "c", row->key, row->value, NULL);
		rw_expect_error(w, row->refusal);
	}
	rw_ask(w, "subscribe request", "call-id", "other", "from-tag", "A", NULL);
	rw_expect_error(w, REFUSAL_UNKNOWN_CALL_ID);
	rw_ask(w, "subscribe request", "call-id", "c", "from-tag", "A", "to-tag", "B", NULL);
	rw_expect_error(w, REFUSAL_DIALOGUE);
	rw_ask(w, "subscribe answer", "call-id", "c", "to-tag", "nobody", "sdp", RW_SDP_A, NULL);
	rw_expect_error(w, REFUSAL_TO_TAG_UNKNOWN);
	/* Before the answer nobody sends anything. */
	rw_ask(w, "offer", "call-id", "d", "from-tag", "A", "sdp", RW_SDP_A, NULL);
	rw_ask(w, "subscribe request", "call-id", "d", "from-tag", "A", NULL);
	rw_expect_error(w, REFUSAL_NO_SOURCE);
	EXPECT_INT(w->relay.subscribers.used, 0);
	/* An answer with more lines than were offered. */
	rw_ask(w, "subscribe request", "call-id", "c", "from-tag", "A", NULL);
	keep();
	rw_ask(w, "subscribe answer", "call-id", "c", "to-tag", tag, "sdp",
	       ANSWER_HEAD LINE(9000) LINE(9002), NULL);
	rw_expect_error(w, REFUSAL_SDP_ANSWER_MEDIAS);
}

#define T(x) cmocka_unit_test_setup_teardown(x, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(one_party_is_offered_as_it_sends),
		T(siprec_names_each_line),
		T(copies_are_one_source_of_ours),
		T(both_parties_go_to_lines_of_their_own),
		T(what_a_party_may_not_send_is_not_copied),
		T(a_subscriber_gives_nothing),
		T(a_sender_report_is_ours),
		T(a_subscriber_has_keys_of_its_own),
		T(a_subscriber_by_dtls_waits_for_its_handshake),
		T(a_subscriber_by_ice_waits_for_its_checks),
		T(pause_and_resume_by_offers_anew),
		T(it_ends_with_unsubscribe_and_with_the_call),
		T(outputs_are_counted),
		T(what_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
