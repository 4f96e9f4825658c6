/*
 * ICE through the relay's root: offers and answers by NG, checks and media as packets, time as the test says. The agents
 * of the parties are written here, from the words that the relay's SDP has.
 */
#include <stdio.h>
#include <string.h>

#include "rtpproxy/core/stun.h"
#include "tests/support/check.h"
#include "tests/support/relay_world.h"

#define HEAD(host)                                                                                 \
	"v=0\r\no=a 1 1 IN IP4 192.0.2." #host "\r\ns=-\r\nc=IN IP4 192.0.2." #host "\r\nt=0 "     \
	"0\r\n"
#define AUDIO(port) "m=audio " #port " RTP/AVP 0\r\n"
#define WORDS       "a=ice-ufrag:peer\r\na=ice-pwd:peerpasswordpeerpassword\r\n"
#define WORDS_2     "a=ice-ufrag:peer\r\na=ice-pwd:anotherpassword+anotherpassword\r\n"

/* What the relay's SDP says about itself. */
struct words {
	char ufrag[ICE_UFRAG_LEN + 1], pwd[ICE_PWD_LEN + 1];
};

static struct words words_of(const struct relay_world *w)
{
	struct words out = {0};
	struct str sdp = rw_got(w, "sdp"), line;
	while (str_cut(&sdp, '\n', &line)) {
		line = str_trim(line);
		if (str_has_prefix(line, STR("a=ice-ufrag:"))) {
			EXPECT_ERR(
				str_copy(str_from_offset(line, 12), out.ufrag, sizeof(out.ufrag)),
				OK);
		} else if (str_has_prefix(line, STR("a=ice-pwd:"))) {
			EXPECT_ERR(str_copy(str_from_offset(line, 10), out.pwd, sizeof(out.pwd)),
				   OK);
		}
	}
	EXPECT_INT(strlen(out.ufrag), ICE_UFRAG_LEN);
	EXPECT_INT(strlen(out.pwd), ICE_PWD_LEN);
	return out;
}

static bool has(const struct relay_world *w, const char *text)
{
	struct str sdp = rw_got(w, "sdp");
	return str_find(sdp, str_from(text)) < sdp.len;
}

static enum pkt_fate packet(struct relay_world *w, uint16_t to, uint8_t host, uint16_t port,
			    struct media_pkt *m)
{
	struct pkt *list[1] = {&m->pkt};
	m->pkt.stream = NULL;
	for (size_t i = 0; i < RW_SOCKETS; i++) {
		if (w->sockets[i].stream && w->sockets[i].local.port == to) {
			m->pkt.stream = w->sockets[i].stream;
		}
	}
	m->pkt.from = media_addr(host, port);
	m->pkt.at_us = w->now_ms * 1000;
	relay_batch(&w->relay, list, 1, w->now_ms * 1000);
	return (enum pkt_fate)m->pkt.fate;
}

enum { USE = 1, CONTROLLED = 2 };

/* A check from 192.0.2.host:port to local port `to`; the packet is the answer afterwards. */
static enum pkt_fate check(struct relay_world *w, const struct words *l, uint16_t to, uint8_t host,
			   uint16_t port, unsigned how, struct media_pkt *m)
{
	static const uint8_t id[STUN_ID_LEN] = {5};
	char user[64];
	struct stun_writer s;
	int n = snprintf(user, sizeof(user), "%s:peer", l->ufrag);
	stun_start(&s, m->bytes, sizeof(m->bytes), STUN_REQUEST, STUN_BINDING, id);
	stun_add(&s, STUN_USERNAME, user, (size_t)n);
	stun_add_u32(&s, STUN_PRIORITY, 0x6e0001ff);
	stun_add_u64(&s, how & CONTROLLED ? STUN_CONTROLLED : STUN_CONTROLLING, 1);
	if (how & USE) {
		stun_add(&s, STUN_USE_CANDIDATE, NULL, 0);
	}
	media_pkt_set(m, PKT_STUN, stun_end(&s, l->pwd, ICE_PWD_LEN));
	return packet(w, to, host, port, m);
}

static void expect_answer(const struct media_pkt *m, uint8_t host, uint16_t port, unsigned error)
{
	struct stun s;
	struct addr from = media_addr(host, port);
	EXPECT_INT(m->pkt.fate, FATE_SENT);
	EXPECT_TRUE(addr_eq(&m->pkt.to, &from));
	EXPECT_TRUE(m->pkt.out == m->pkt.stream);
	EXPECT_TRUE(m->pkt.len <= m->pkt.came_len);
	EXPECT_ERR(stun_decode(m->pkt.data, m->pkt.len, &s), OK);
	EXPECT_INT(s.error, error);
	EXPECT_TRUE(error != 0 || addr_eq(&s.mapped, &from));
}

static uint64_t count(struct relay_world *w, unsigned c)
{
	relay_publish(&w->relay);
	return atomic_load(&w->published[0].v[c]);
}

/* A (plain, host 1) calls B (ICE, host 2). B's words of us, and our ports. */
struct call_ports {
	uint16_t a, b;
	struct words w;
};

static struct call_ports call_up(struct relay_world *w, const char *answer)
{
	struct call_ports p;
	rw_ask(w, "offer", "call-id", "c", "from-tag", "A", "ICE", "force", "sdp",
	       HEAD(1) AUDIO(5000), NULL);
	rw_expect_ok(w);
	p.b = rw_port(w, 0);
	p.w = words_of(w);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "A", "to-tag", "B", "sdp", answer, NULL);
	rw_expect_ok(w);
	p.a = rw_port(w, 0);
	return p;
}

#define ANSWER HEAD(2) AUDIO(6000) WORDS

static void media_goes_where_ice_says_and_comes_from_there_alone(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	struct media_pkt m;
	struct call_ports p = call_up(w, ANSWER);
	/* The signalled address means nothing: nobody has proven it. */
	EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_NO_PEER);
	EXPECT_INT(rw_rtp(w, p.b, 2, 6000, 0, &m), FATE_SOURCE);
	check(w, &p.w, p.b, 7, 7777, 0, &m);
	expect_answer(&m, 7, 7777, 0);
	/* Proven, not nominated: it may send, and is not sent to (RFC 8445 §12). */
	EXPECT_INT(rw_rtp(w, p.b, 7, 7777, 0, &m), FATE_SENT);
	EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_NO_PEER);
	check(w, &p.w, p.b, 8, 8888, USE, &m);
	expect_answer(&m, 8, 8888, 0);
	EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_SENT);
	struct addr selected = media_addr(8, 8888);
	EXPECT_TRUE(addr_eq(&m.pkt.to, &selected));
	EXPECT_INT(rw_rtp(w, p.b, 7, 7777, 0, &m), FATE_SENT);
	EXPECT_INT(rw_rtp(w, p.b, 9, 8888, 0, &m), FATE_SOURCE);
	EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_SENT);
	EXPECT_TRUE(addr_eq(&m.pkt.to, &selected));
	EXPECT_INT(count(w, RELAY_ICE_ANSWERS), 2);
	EXPECT_INT(count(w, RELAY_ICE_SELECTIONS), 1);
	EXPECT_INT(count(w, RELAY_ICE_AGENTS), 1);
	rw_ask(w, "query", "call-id", "c", NULL);
	EXPECT_TRUE(dict_get(dict_get(w->reply, STR("tags")), STR("B")) != NULL);
	rw_free(w);
}

static void each_component_is_nominated_by_itself(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	struct media_pkt m;
	struct call_ports p = call_up(w, ANSWER);
	check(w, &p.w, p.b, 8, 8888, USE, &m);
	check(w, &p.w, (uint16_t)(p.b + 1), 8, 8889, USE, &m);
	expect_answer(&m, 8, 8889, 0);
	media_pkt_set(&m, PKT_RTCP, media_rtcp_write(1, 77, 0, 0, 0, m.bytes));
	EXPECT_INT(packet(w, (uint16_t)(p.a + 1), 1, 5001, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 8889);
	rw_free(w);
}

static void what_is_no_right_check_is_dropped_and_counted_by_its_reason(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	struct media_pkt m;
	struct call_ports p = call_up(w, ANSWER);
	struct words wrong = p.w;
	wrong.pwd[3] = (char)(wrong.pwd[3] == 'a' ? 'b' : 'a');
	EXPECT_INT(check(w, &wrong, p.b, 8, 8888, USE, &m), FATE_ICE_AUTH);
	check(w, &p.w, p.b, 8, 8888, USE | CONTROLLED, &m);
	expect_answer(&m, 8, 8888, 487);
	EXPECT_INT(check(w, &p.w, p.a, 8, 8888, USE, &m), FATE_STUN); /* A does not speak ICE */
	memset(m.bytes, 0, 64);
	media_pkt_set(&m, PKT_STUN, 64);
	EXPECT_INT(packet(w, p.b, 8, 8888, &m), FATE_STUN_SHAPE);
	unsigned cut = 0;
	for (unsigned i = 0; i < 300; i++) {
		cut += check(w, &p.w, p.b, 8, 8888, 0, &m) == FATE_ICE_RATE;
	}
	EXPECT_TRUE(cut >= 100);
	EXPECT_INT(count(w, RELAY_FATES + FATE_ICE_AUTH), 1);
	EXPECT_INT(count(w, RELAY_ICE_ERRORS), 1);
	EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_NO_PEER);
	rw_free(w);
}

static void checks_before_the_answer_are_answered_and_count_after_it(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	struct media_pkt m;
	rw_ask(w, "offer", "call-id", "c", "from-tag", "A", "ICE", "force", "sdp",
	       HEAD(1) AUDIO(5000), NULL);
	uint16_t to_b = rw_port(w, 0);
	struct words l = words_of(w);
	check(w, &l, to_b, 8, 8888, USE, &m);
	expect_answer(&m, 8, 8888, 0);
	EXPECT_INT(rw_rtp(w, to_b, 8, 8888, 0, &m), FATE_NO_KEY);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "A", "to-tag", "B", "sdp", ANSWER, NULL);
	uint16_t to_a = rw_port(w, 0);
	EXPECT_INT(rw_rtp(w, to_a, 1, 5000, 0, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 8888);
	rw_free(w);
}

static void a_peer_that_answers_without_ice_is_served_by_its_address(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	struct media_pkt m;
	struct call_ports p = call_up(w, HEAD(2) AUDIO(6000));
	EXPECT_INT(check(w, &p.w, p.b, 8, 8888, USE, &m), FATE_STUN);
	EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 6000);
	rw_free(w);
}

/* RFC 8445 §8.2: between two lite agents no checks go. */
static void a_lite_peer_is_served_by_its_candidate(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	struct media_pkt m;
	struct call_ports p =
		call_up(w, "v=0\r\no=a 1 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n"
			   "m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n" WORDS
			   "a=candidate:1 1 UDP 100 192.0.2.5 6500 typ host\r\n"
			   "a=candidate:1 1 UDP 200 192.0.2.6 6600 typ host\r\n"
			   "a=candidate:1 1 UDP 300 2001:db8::7 6700 typ host\r\n"
			   "a=candidate:1 1 TCP 400 192.0.2.8 9 typ host tcptype active\r\n");
	EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_SENT);
	struct addr best = media_addr(6, 6600);
	EXPECT_TRUE(addr_eq(&m.pkt.to, &best));
	EXPECT_INT(rw_rtp(w, p.b, 6, 6600, 0, &m), FATE_SENT);
	rw_free(w);
}

static void consent_that_is_not_renewed_ends_the_sending_and_is_told(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	struct media_pkt m;
	struct call_ports p = call_up(w, ANSWER);
	check(w, &p.w, p.b, 8, 8888, USE, &m);
	for (unsigned s = 0; s < 20; s += 5) {
		rw_tick(w, 5000);
		check(w, &p.w, p.b, 8, 8888, 0, &m);
		expect_answer(&m, 8, 8888, 0);
	}
	/* It goes on sending, and asks no more. */
	for (unsigned s = 0; s < 29; s++) {
		rw_tick(w, 1000);
		EXPECT_INT(rw_rtp(w, p.b, 8, 8888, 0, &m), FATE_SENT);
		EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_SENT);
	}
	EXPECT_INT(count(w, RELAY_CONSENT_LOSSES), 0);
	rw_tick(w, 1000);
	EXPECT_INT(rw_rtp(w, p.b, 8, 8888, 0, &m), FATE_SENT);
	EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_CONSENT);
	rw_tick(w, 1000);
	rw_tick(w, 1000);
	EXPECT_INT(count(w, RELAY_CONSENT_LOSSES), 1);
	check(w, &p.w, p.b, 8, 8888, 0, &m);
	EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_SENT);
	rw_tick(w, 1000);
	EXPECT_INT(count(w, RELAY_CONSENT_LOSSES), 1);
	rw_free(w);
}

/* Here the agent of ICE calls, and comes again with new words. */
static void a_restart_keeps_the_media_until_the_new_path_is_up(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	struct media_pkt m;
	rw_ask(w, "offer", "call-id", "c", "from-tag", "A", "ICE", "remove", "sdp",
	       HEAD(1) AUDIO(5000) WORDS, NULL);
	rw_expect_ok(w);
	EXPECT_TRUE(!has(w, "ice-ufrag"));
	uint16_t to_b = rw_port(w, 0);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "A", "to-tag", "B", "sdp",
	       HEAD(2) AUDIO(6000), NULL);
	EXPECT_TRUE(has(w, "a=ice-lite\r\n"));
	uint16_t to_a = rw_port(w, 0);
	struct words first = words_of(w);
	check(w, &first, to_a, 8, 8888, USE, &m);
	EXPECT_INT(rw_rtp(w, to_b, 2, 6000, 0, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 8888);
	rw_ask(w, "offer", "call-id", "c", "from-tag", "A", "to-tag", "B", "ICE", "remove", "sdp",
	       HEAD(1) AUDIO(5000) WORDS_2, NULL);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "A", "to-tag", "B", "sdp",
	       HEAD(2) AUDIO(6000), NULL);
	rw_expect_ok(w);
	EXPECT_INT(rw_port(w, 0), to_a);
	struct words second = words_of(w);
	EXPECT_TRUE(strcmp(first.ufrag, second.ufrag) != 0 && strcmp(first.pwd, second.pwd) != 0);
	/* The old path lives, by its old checks. */
	check(w, &first, to_a, 8, 8888, USE, &m);
	expect_answer(&m, 8, 8888, 0);
	EXPECT_INT(rw_rtp(w, to_b, 2, 6000, 0, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 8888);
	EXPECT_INT(rw_rtp(w, to_a, 8, 8888, 0, &m), FATE_SENT);
	check(w, &second, to_a, 9, 9999, USE, &m);
	expect_answer(&m, 9, 9999, 0);
	EXPECT_INT(rw_rtp(w, to_b, 2, 6000, 0, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 9999);
	EXPECT_INT(rw_rtp(w, to_a, 8, 8888, 0, &m), FATE_SOURCE);
	/* The same words again: no restart. */
	rw_ask(w, "offer", "call-id", "c", "from-tag", "A", "to-tag", "B", "ICE", "remove", "sdp",
	       HEAD(1) AUDIO(5000) WORDS_2, NULL);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "A", "to-tag", "B", "sdp",
	       HEAD(2) AUDIO(6000), NULL);
	struct words third = words_of(w);
	EXPECT_INT(strcmp(second.ufrag, third.ufrag), 0);
	EXPECT_INT(rw_rtp(w, to_b, 2, 6000, 0, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 9999);
	rw_free(w);
}

static void ice_that_comes_later_takes_over_when_its_path_is_up(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	struct media_pkt m;
	struct call_ports p = call_up(w, HEAD(2) AUDIO(6000));
	EXPECT_INT(rw_rtp(w, p.b, 2, 6000, 0, &m), FATE_SENT);
	rw_ask(w, "offer", "call-id", "c", "from-tag", "B", "to-tag", "A", "ICE", "remove", "sdp",
	       ANSWER, NULL);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "B", "to-tag", "A", "sdp",
	       HEAD(1) AUDIO(5000), NULL);
	rw_expect_ok(w);
	struct words l = words_of(w);
	EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 6000);
	check(w, &l, p.b, 8, 8888, USE, &m);
	EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 8888);
	/* And back: without ICE the signalled address counts again. */
	rw_ask(w, "offer", "call-id", "c", "from-tag", "B", "to-tag", "A", "ICE", "remove", "sdp",
	       HEAD(2) AUDIO(6002), NULL);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "B", "to-tag", "A", "sdp",
	       HEAD(1) AUDIO(5000), NULL);
	EXPECT_INT(rw_rtp(w, p.a, 1, 5000, 0, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 6002);
	EXPECT_INT(check(w, &l, p.b, 8, 8888, USE, &m), FATE_STUN);
	rw_free(w);
}

static void fragments_are_taken_and_answered_without_sdp(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	struct media_pkt m;
	rw_ask(w, "offer", "call-id", "c", "from-tag", "A", "ICE", "force", "sdp",
	       HEAD(1) AUDIO(5000), NULL);
	uint16_t to_b = rw_port(w, 0);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "A", "to-tag", "B", "sdp",
	       "v=0\r\no=a 1 1 IN IP4 192.0.2.2\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n"
	       "m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n" WORDS,
	       NULL);
	rw_expect_ok(w);
	uint16_t to_a = rw_port(w, 0);
	EXPECT_INT(rw_rtp(w, to_a, 1, 5000, 0, &m), FATE_NO_PEER);
	rw_ask(w, "offer", "call-id", "c", "from-tag", "B", "flags", "fragment", "sdp",
	       "a=ice-ufrag:peer\r\nm=audio 9 RTP/AVP 0\r\n"
	       "a=candidate:1 1 UDP 100 host.local 6500 typ host\r\n"
	       "a=candidate:1 1 UDP 100 192.0.2.5 6500 typ host\r\na=end-of-candidates\r\n",
	       NULL);
	rw_expect_ok(w);
	EXPECT_INT(rw_got(w, "sdp").len, 0);
	rw_ask(w, "offer", "call-id", "other", "from-tag", "B", "flags", "fragment", "sdp", "x",
	       NULL);
	rw_expect_ok(w);
	EXPECT_INT(rw_rtp(w, to_b, 5, 6500, 0, &m), FATE_SENT);
	EXPECT_INT(rw_rtp(w, to_a, 1, 5000, 0, &m), FATE_SENT);
	EXPECT_INT(m.pkt.to.port, 6500);
	rw_free(w);
}

/* Threats D13. */
static void a_thousand_candidates_cost_no_more_than_twenty(void **state)
{
	(void)state;
	static char sdp[65536];
	struct relay_world *w = rw_new();
	struct buf b;
	buf_init(&b, sdp, sizeof(sdp));
	buf_lit(&b, "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n"
		    "m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n" WORDS);
	for (unsigned i = 0; i < 400; i++) {
		buf_printf(&b, "a=candidate:%u 1 UDP %u 192.0.2.%u %u typ host\r\n", i, 100 + i,
			   1 + i % 200, 6000 + i);
	}
	buf_char(&b, '\0');
	EXPECT_TRUE(!b.overflow);
	rw_ask(w, "offer", "call-id", "c", "from-tag", "A", "ICE", "remove", "sdp", sdp, NULL);
	rw_expect_ok(w);
	rw_ask(w, "answer", "call-id", "c", "from-tag", "A", "to-tag", "B", "sdp",
	       HEAD(2) AUDIO(6000), NULL);
	struct media_pkt m;
	uint16_t to_a = rw_port(w, 0);
	/* The twentieth is the best that was looked at. */
	EXPECT_INT(rw_rtp(w, to_a, 20, 6019, 0, &m), FATE_SENT);
	EXPECT_INT(rw_rtp(w, to_a, 200, 6399, 0, &m), FATE_SOURCE);
	EXPECT_INT(count(w, RELAY_ICE_AGENTS), 1);
	rw_free(w);
}

static void agents_go_with_their_calls(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	for (unsigned i = 0; i < 20; i++) {
		(void)call_up(w, ANSWER);
		rw_ask(w, "delete", "call-id", "c", "delete-delay", "0", NULL);
		rw_expect_ok(w);
		rw_tick(w, 6000);
		EXPECT_INT(count(w, RELAY_ICE_AGENTS), 0);
	}
	rw_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(media_goes_where_ice_says_and_comes_from_there_alone),
		cmocka_unit_test(each_component_is_nominated_by_itself),
		cmocka_unit_test(what_is_no_right_check_is_dropped_and_counted_by_its_reason),
		cmocka_unit_test(checks_before_the_answer_are_answered_and_count_after_it),
		cmocka_unit_test(a_peer_that_answers_without_ice_is_served_by_its_address),
		cmocka_unit_test(a_lite_peer_is_served_by_its_candidate),
		cmocka_unit_test(consent_that_is_not_renewed_ends_the_sending_and_is_told),
		cmocka_unit_test(a_restart_keeps_the_media_until_the_new_path_is_up),
		cmocka_unit_test(ice_that_comes_later_takes_over_when_its_path_is_up),
		cmocka_unit_test(fragments_are_taken_and_answered_without_sdp),
		cmocka_unit_test(a_thousand_candidates_cost_no_more_than_twenty),
		cmocka_unit_test(agents_go_with_their_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
