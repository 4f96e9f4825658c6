/*
 * DTLS-SRTP through the relay's root: parties that shake hands with it by the leaf of dtls.h and speak SRTP with what came
 * of it; offers, answers and packets are those of a real relay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sdes.h"
#include "rtpproxy/core/handshake.h"
#include "rtpproxy/core/stun.h"
#include "tests/support/check.h"
#include "tests/support/relay_world.h"

enum { WALL_S = 1700000000, SSRC_A = 0xa, SSRC_B = 0xb };

/* A party at 192.0.2.host:port that speaks to one endpoint of the relay. */
struct peer {
	struct relay_world *w;
	uint8_t host;
	uint16_t port, to; /* its own, the relay's */
	struct dtls_worker worker;
	struct dtls d;
	struct srtp_worker srtp;
	struct srtp_key keys[SRTP_DIRECTION_COUNT];
	bool secure;
	uint16_t seq;
	char id[32];
};

enum way { PLAIN, SDES, DTLS, WAY_COUNT };

#define KEY_A                                                                                      \
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:2Ryt5eLKvFnyFY+eSfTfqDk0u7Gsewi8kFFmIS2G\r\n"
#define KEY_B                                                                                      \
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:qffWJo4zQ789PDdZN8NuXWwjjxfhfob88OsRkmSt\r\n"

static void peer_init(struct peer *p, struct relay_world *w, uint8_t host, uint16_t port)
{
	const struct dtls_params params = {.wall_s = WALL_S,
					   .lifetime_s = 86400,
					   .now_ms = w->now_ms,
					   .first_ms = DTLS_FIRST_MS};
	*p = (struct peer){.w = w, .host = host, .port = port};
	snprintf(p->id, sizeof(p->id), "tls-id-of-the-party-%u-%u", host, port);
	EXPECT_ERR(dtls_worker_init(&p->worker, &params), OK);
	dtls_init(&p->d, &p->worker, DTLS_CLIENT, 1);
	EXPECT_ERR(srtp_worker_init(&p->srtp, "openssl"), OK);
	for (int d = 0; d < SRTP_DIRECTION_COUNT; d++) {
		srtp_key_init(&p->keys[d], &p->srtp, (enum srtp_direction)d);
	}
}

static void peer_release(struct peer *p)
{
	for (int d = 0; d < SRTP_DIRECTION_COUNT; d++) {
		srtp_key_release(&p->keys[d]);
	}
	srtp_worker_release(&p->srtp);
	dtls_release(&p->d);
	dtls_worker_release(&p->worker);
}

static void peer_role(struct peer *p, enum dtls_role role)
{
	dtls_release(&p->d);
	dtls_init(&p->d, &p->worker, role, 1);
}

/* One m= line; `more` are further lines. */
static const char *sdp_of(const struct peer *p, enum way way, const char *setup, const char *more)
{
	static char text[2][4096];
	static unsigned turn;
	static const char *const protos[] = {"RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVP"};
	struct buf b;
	turn ^= 1;
	buf_init(&b, text[turn], sizeof(text[turn]) - 1);
	buf_printf(&b,
		   "v=0\r\no=- 1 1 IN IP4 192.0.2.%u\r\ns=-\r\nc=IN IP4 192.0.2.%u\r\nt=0 0\r\n"
		   "m=audio %u %s 0\r\n",
		   p->host, p->host, p->port, protos[way]);
	if (way == SDES) {
		buf_z(&b, p->host == 1 ? KEY_A : KEY_B);
	}
	if (way == DTLS) {
		buf_printf(&b, "a=setup:%s\r\na=tls-id:%s\r\na=fingerprint:", setup, p->id);
		dtls_fingerprint_write(&b, &p->worker.ours.prints[DTLS_SHA256]);
		buf_lit(&b, "\r\n");
	}
	buf_z(&b, more);
	text[turn][b.len] = '\0';
	return text[turn];
}

static enum pkt_fate peer_send(struct peer *p, const uint8_t *bytes, size_t len)
{
	struct media_pkt m;
	memcpy(m.bytes, bytes, len);
	media_pkt_set(&m, PKT_RTP, len);
	return rw_packet(p->w, p->to, p->host, p->port, &m);
}

static enum pkt_fate peer_say(struct peer *p, const struct dtls_out *o)
{
	enum pkt_fate fate = FATE_SENT;
	for (unsigned i = 0; i < o->count; i++) {
		fate = peer_send(p, o->bytes[i], o->len[i]);
	}
	return fate;
}

static void peer_begin(struct peer *p)
{
	struct dtls_out o;
	struct addr to = media_addr(100, p->to);
	dtls_start(&p->d, &to, p->w->now_ms, &o);
	EXPECT_INT(peer_say(p, &o), FATE_OURS);
}

/* What the relay sent since `*seen` reaches its party, and the answers come back. */
static void pump(struct relay_world *w, size_t *seen, struct peer *parties[], size_t n)
{
	struct dtls_out o;
	while (*seen < w->sent_count) {
		const struct rw_sent s = w->sent[(*seen)++ % RW_SENT];
		for (size_t i = 0; i < n; i++) {
			const struct addr at = media_addr(parties[i]->host, parties[i]->port);
			if (addr_eq(&at, &s.to)) {
				(void)dtls_step(&parties[i]->d, &s.from, s.bytes, s.len, w->now_ms,
						&o);
				(void)peer_say(parties[i], &o);
			}
		}
	}
}

static void shake(struct relay_world *w, size_t *seen, struct peer *p)
{
	struct peer *one[] = {p};
	pump(w, seen, one, 1);
}

static void use_keys(struct peer *p)
{
	EXPECT_INT(p->d.state, DTLS_UP);
	for (int d = 0; d < SRTP_DIRECTION_COUNT; d++) {
		EXPECT_ERR(srtp_key_set(&p->keys[d], (enum sdes_suite)p->d.suite, &p->d.keys[d]),
			   OK);
	}
	p->secure = true;
}

static void use_sdes(struct peer *p)
{
	struct sdes s;
	struct str line, sdp = rw_got(p->w, "sdp");
	const struct str mine = str_from(p->host == 1 ? KEY_A : KEY_B);
	while (str_cut(&sdp, '\n', &line) && !str_has_prefix(line, STR("a=crypto:"))) {
	}
	EXPECT_ERR(sdes_parse(str_trim(str_from_offset(line, 9)), &s), OK);
	EXPECT_ERR(srtp_key_set(&p->keys[SRTP_RX], s.suite, &s.key), OK);
	EXPECT_ERR(sdes_parse(str_trim(str_from_offset(mine, 9)), &s), OK);
	EXPECT_ERR(srtp_key_set(&p->keys[SRTP_TX], s.suite, &s.key), OK);
	sdes_release(&s);
	p->secure = true;
}

static void crypt(struct peer *p, enum srtp_direction d, struct pkt *k)
{
	struct srtp_op op = {.key = &p->keys[d], .pkt = k};
	if (!p->secure) {
		return;
	}
	if (d == SRTP_TX) {
		srtp_batch_protect(&p->srtp, &op, 1);
	} else {
		srtp_batch_unprotect(&p->srtp, &op, 1);
	}
	EXPECT_INT(op.fate, FATE_SENT);
}

/* One packet of `from`; its fate. m keeps what left the relay. */
static enum pkt_fate speak(struct peer *from, enum pkt_kind kind, struct media_pkt *m)
{
	const struct media_rtp f = {
		.ssrc = from->host, .seq = from->seq++, .payload = 160, .fill = from->host};
	const size_t len = kind == PKT_RTP ? media_rtp_write(&f, m->bytes)
					   : media_rtcp_write(from->host, 77, 0, 0, 0, m->bytes);
	media_pkt_set(m, kind, len);
	m->pkt.cap = sizeof(m->bytes);
	crypt(from, SRTP_TX, &m->pkt);
	return rw_packet(from->w, from->to, from->host, from->port, m);
}

/* `from` speaks and `to` understands, at its own address. */
static void expect_heard(struct peer *from, struct peer *to, enum pkt_kind kind)
{
	struct media_pkt m;
	const struct addr at = media_addr(to->host, to->port);
	EXPECT_INT(speak(from, kind, &m), FATE_SENT);
	EXPECT_TRUE(addr_eq(&m.pkt.to, &at));
	m.pkt.kind = (uint8_t)kind;
	crypt(to, SRTP_RX, &m.pkt);
	if (kind == PKT_RTP) {
		EXPECT_INT(m.pkt.len, 172);
		EXPECT_INT(m.bytes[100], from->host);
	} else {
		EXPECT_TRUE(m.bytes[1] == 200 || m.bytes[1] == 201);
	}
}

static uint64_t counter(const struct relay_world *w, unsigned c)
{
	return w->relay.counters[c];
}

static void expect_prints(struct peer *p)
{
	/* The relay's certificate, as its SDP names it. */
	struct dtls_expect e = {.count = 1};
	struct str line, sdp = rw_got(p->w, "sdp");
	while (str_cut(&sdp, '\n', &line) && !str_has_prefix(line, STR("a=fingerprint:"))) {
	}
	EXPECT_ERR(dtls_fingerprint_parse(str_trim(str_from_offset(line, 14)), &e.at[0]), OK);
	dtls_expect(&p->d, &e);
}

static bool says(const struct relay_world *w, const char *text)
{
	return str_find(rw_got(w, "sdp"), str_from(text)) < rw_got(w, "sdp").len;
}

/* A calls B; both as they are told. */
struct scene {
	struct relay_world *w;
	struct peer a, b;
	size_t seen;
};

static void scene_init(struct scene *c)
{
	c->w = rw_new();
	c->seen = 0;
	peer_init(&c->a, c->w, 1, 5000);
	peer_init(&c->b, c->w, 2, 6000);
}

static void scene_release(struct scene *c)
{
	peer_release(&c->a);
	peer_release(&c->b);
	rw_free(c->w);
}

static void offer(struct scene *c, const char *sdp, const char *flags)
{
	rw_ask(c->w, "offer", "call-id", "c1", "from-tag", "A", "sdp", sdp, "rtpp-flags", flags,
	       NULL);
}

static void answer(struct scene *c, const char *sdp)
{
	rw_ask(c->w, "answer", "call-id", "c1", "from-tag", "A", "to-tag", "B", "sdp", sdp, NULL);
}

/* A has DTLS, B is plain; the relay begins. */
static void call_dtls_to_plain(struct scene *c)
{
	offer(c, sdp_of(&c->a, DTLS, "actpass", "a=rtcp-mux\r\n"), "RTP/AVP rtcp-mux-demux");
	rw_expect_ok(c->w);
	EXPECT_TRUE(!says(c->w, "fingerprint"));
	c->b.to = rw_port(c->w, 0);
	answer(c, sdp_of(&c->b, PLAIN, "", ""));
	rw_expect_ok(c->w);
	EXPECT_TRUE(says(c->w, "a=setup:active\r\n"));
	c->a.to = rw_port(c->w, 0);
	peer_role(&c->a, DTLS_SERVER);
	expect_prints(&c->a);
}

/* A is plain, B has DTLS and may begin. */
static void offer_plain_to_dtls(struct scene *c)
{
	offer(c, sdp_of(&c->a, PLAIN, "", ""), "UDP/TLS/RTP/SAVP rtcp-mux-require");
	rw_expect_ok(c->w);
	EXPECT_TRUE(says(c->w, "a=setup:actpass\r\n"));
	c->b.to = rw_port(c->w, 0);
	expect_prints(&c->b);
}

static void the_relay_begins_and_media_waits_for_the_keys(void **state)
{
	(void)state;
	struct scene c;
	struct media_pkt m;
	scene_init(&c);
	call_dtls_to_plain(&c);
	/* The hello is on its way to where the offer said. */
	EXPECT_INT(c.w->sent_count, 1);
	EXPECT_INT(c.w->sent[0].to.port, 5000);
	EXPECT_INT(speak(&c.b, PKT_RTP, &m), FATE_NO_KEY);
	EXPECT_INT(speak(&c.a, PKT_RTP, &m), FATE_NO_KEY);
	shake(c.w, &c.seen, &c.a);
	EXPECT_INT(counter(c.w, RELAY_DTLS_UP), 1);
	/* Plain speech into it is refused now. */
	EXPECT_INT(speak(&c.a, PKT_RTP, &m), FATE_AUTH);
	use_keys(&c.a);
	expect_heard(&c.a, &c.b, PKT_RTP);
	expect_heard(&c.b, &c.a, PKT_RTP);
	EXPECT_INT(c.w->relay.handshakes.worker.handshakes, 0);
	rw_ask(c.w, "query", "call-id", "c1", NULL);
	const struct dict *media = dict_first(
		dict_get(dict_get(dict_get(c.w->reply, STR("tags")), STR("A")), STR("medias")));
	const struct dict *stream = dict_first(dict_get(media, STR("streams")));
	EXPECT_STR(dict_get_str(stream, STR("keying")), STR("dtls"));
	EXPECT_STR(dict_get_str(stream, STR("crypto suite")), STR("AEAD_AES_256_GCM"));
	scene_release(&c);
}

static void a_hello_before_the_answer_is_shaken_but_carries_no_media(void **state)
{
	(void)state;
	struct scene c;
	struct media_pkt m;
	scene_init(&c);
	offer_plain_to_dtls(&c);
	peer_begin(&c.b);
	shake(c.w, &c.seen, &c.b);
	use_keys(&c.b);
	EXPECT_INT(counter(c.w, RELAY_DTLS_UP), 0);
	EXPECT_INT(speak(&c.b, PKT_RTP, &m), FATE_NO_KEY);
	answer(&c, sdp_of(&c.b, DTLS, "active", "a=rtcp-mux\r\n"));
	rw_expect_ok(c.w);
	EXPECT_INT(counter(c.w, RELAY_DTLS_UP), 1);
	c.a.to = rw_port(c.w, 0);
	expect_heard(&c.b, &c.a, PKT_RTP);
	expect_heard(&c.a, &c.b, PKT_RTP);
	scene_release(&c);
}

static void who_shook_hands_before_the_answer_and_is_another_is_forgotten(void **state)
{
	(void)state;
	struct scene c;
	struct peer thief;
	struct media_pkt m;
	scene_init(&c);
	peer_init(&thief, c.w, 66, 6666);
	offer_plain_to_dtls(&c);
	thief.to = c.b.to;
	thief.d.expect = c.b.d.expect;
	peer_begin(&thief);
	shake(c.w, &c.seen, &thief);
	use_keys(&thief);
	EXPECT_INT(speak(&thief, PKT_RTP, &m), FATE_NO_KEY);
	answer(&c, sdp_of(&c.b, DTLS, "active", "a=rtcp-mux\r\n"));
	rw_expect_ok(c.w);
	c.a.to = rw_port(c.w, 0);
	EXPECT_INT(counter(c.w, RELAY_DTLS_UP), 0);
	EXPECT_INT(speak(&thief, PKT_RTP, &m), FATE_NO_KEY);
	EXPECT_INT(speak(&c.a, PKT_RTP, &m), FATE_NO_KEY);
	/* The right one comes, from where SDP says. */
	peer_begin(&c.b);
	shake(c.w, &c.seen, &c.b);
	use_keys(&c.b);
	expect_heard(&c.b, &c.a, PKT_RTP);
	expect_heard(&c.a, &c.b, PKT_RTP);
	EXPECT_INT(speak(&thief, PKT_RTP, &m), FATE_SOURCE);
	peer_release(&thief);
	scene_release(&c);
}

static void a_wrong_certificate_gets_nothing_and_harms_nobody(void **state)
{
	(void)state;
	struct scene c;
	struct peer liar;
	struct media_pkt m;
	scene_init(&c);
	offer_plain_to_dtls(&c);
	answer(&c, sdp_of(&c.b, DTLS, "active", "a=rtcp-mux\r\n"));
	rw_expect_ok(c.w);
	c.a.to = rw_port(c.w, 0);
	/* Somebody at the very same address and port. */
	peer_init(&liar, c.w, 2, 6000);
	liar.to = c.b.to;
	peer_begin(&liar);
	shake(c.w, &c.seen, &liar);
	EXPECT_INT(counter(c.w, RELAY_DTLS_FINGERPRINT), 1);
	EXPECT_INT(counter(c.w, RELAY_DTLS_UP), 0);
	EXPECT_INT(speak(&c.a, PKT_RTP, &m), FATE_NO_KEY);
	peer_begin(&c.b);
	shake(c.w, &c.seen, &c.b);
	use_keys(&c.b);
	expect_heard(&c.b, &c.a, PKT_RTP);
	expect_heard(&c.a, &c.b, PKT_RTP);
	peer_release(&liar);
	scene_release(&c);
}

static void strangers_hellos_are_dropped_and_counted(void **state)
{
	(void)state;
	struct scene c;
	struct peer x;
	struct dtls_out o;
	struct addr to;
	scene_init(&c);
	offer_plain_to_dtls(&c);
	peer_init(&x, c.w, 66, 6666);
	x.to = c.b.to;
	to = media_addr(100, x.to);
	dtls_start(&x.d, &to, c.w->now_ms, &o);
	/* Before the answer they are told a cookie, smaller than their hello, and soon nothing. */
	size_t bytes_in = 0, bytes_out = 0, answered = 0;
	for (unsigned i = 0; i < 5000; i++) {
		x.host = (uint8_t)(3 + i % 90);
		const size_t before = c.w->sent_count;
		const enum pkt_fate fate = peer_say(&x, &o);
		EXPECT_INT(fate, answered < LIMIT_DTLS_HELLOS ? FATE_OURS : FATE_DTLS_BUDGET);
		bytes_in += o.len[0];
		for (size_t k = before; k < c.w->sent_count; k++, answered++) {
			bytes_out += c.w->sent[k % RW_SENT].len;
		}
	}
	EXPECT_INT(answered, LIMIT_DTLS_HELLOS);
	EXPECT_TRUE(bytes_out < bytes_in);
	EXPECT_INT(c.w->relay.handshakes.worker.handshakes, 0);
	EXPECT_INT(c.w->relay.forward.stats.fate[FATE_DTLS_BUDGET], 5000 - LIMIT_DTLS_HELLOS);
	/* In the next moment there is a budget again. */
	rw_tick(c.w, 100);
	EXPECT_INT(peer_say(&x, &o), FATE_OURS);
	c.seen = c.w->sent_count;
	answer(&c, sdp_of(&c.b, DTLS, "active", "a=rtcp-mux\r\n"));
	c.a.to = rw_port(c.w, 0);
	/* After it they are told nothing. */
	EXPECT_INT(peer_say(&x, &o), FATE_SOURCE);
	EXPECT_INT(c.w->sent_count, c.seen);
	/* A side without DTLS has none. */
	x.to = c.a.to;
	EXPECT_INT(peer_say(&x, &o), FATE_DTLS);
	peer_begin(&c.b);
	shake(c.w, &c.seen, &c.b);
	use_keys(&c.b);
	expect_heard(&c.b, &c.a, PKT_RTP);
	/* And none of them disturbs what is up. */
	x.to = c.b.to;
	EXPECT_INT(peer_say(&x, &o), FATE_SOURCE);
	x.host = 2;
	x.port = 6000;
	EXPECT_INT(peer_say(&x, &o), FATE_DTLS_FOREIGN);
	expect_heard(&c.b, &c.a, PKT_RTP);
	expect_heard(&c.a, &c.b, PKT_RTP);
	peer_release(&x);
	scene_release(&c);
}

static void hold_and_reinvite_leave_the_association_and_its_keys_alone(void **state)
{
	(void)state;
	struct scene c;
	scene_init(&c);
	call_dtls_to_plain(&c);
	shake(c.w, &c.seen, &c.a);
	use_keys(&c.a);
	expect_heard(&c.a, &c.b, PKT_RTP);
	expect_heard(&c.b, &c.a, PKT_RTP);
	static const char *const directions[] = {"a=rtcp-mux\r\na=sendonly\r\n",
						 "a=rtcp-mux\r\na=sendrecv\r\n"};
	for (size_t i = 0; i < ARRAY_LEN(directions); i++) {
		rw_ask(c.w, "offer", "call-id", "c1", "from-tag", "A", "to-tag", "B", "sdp",
		       sdp_of(&c.a, DTLS, "actpass", directions[i]), "rtpp-flags",
		       "RTP/AVP rtcp-mux-demux", NULL);
		rw_expect_ok(c.w);
		/* Twice, as a 183 and the 200 after it do. */
		for (unsigned k = 0; k < 2; k++) {
			answer(&c, sdp_of(&c.b, PLAIN, "", ""));
			rw_expect_ok(c.w);
			EXPECT_TRUE(says(c.w, "a=setup:active\r\n"));
		}
	}
	/* No hello, no goodbye; the party's counters and ours go on. */
	EXPECT_INT(c.seen, c.w->sent_count);
	EXPECT_INT(counter(c.w, RELAY_DTLS_UP), 1);
	expect_heard(&c.a, &c.b, PKT_RTP);
	expect_heard(&c.b, &c.a, PKT_RTP);
	scene_release(&c);
}

/* Both sides change the session before the hello is out (an ICE agent that is done does): nobody may end up waiting. */
static void an_offer_of_ours_keeps_the_roles_and_an_answer_cannot_turn_them(void **state)
{
	(void)state;
	static const char *const said[] = {"passive", "active", "actpass"};
	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		for (unsigned before = 0; before < 2; before++) {
			struct scene c;
			scene_init(&c);
			call_dtls_to_plain(&c);
			if (before) {
				shake(c.w, &c.seen, &c.a);
			}
			rw_ask(c.w, "offer", "call-id", "c1", "from-tag", "B", "to-tag", "A", "sdp",
			       sdp_of(&c.b, PLAIN, "", ""), "rtpp-flags",
			       "UDP/TLS/RTP/SAVP rtcp-mux-require", NULL);
			rw_expect_ok(c.w);
			EXPECT_TRUE(says(c.w, "a=setup:active\r\n"));
			rw_ask(c.w, "answer", "call-id", "c1", "from-tag", "B", "to-tag", "A",
			       "sdp", sdp_of(&c.a, DTLS, said[i], "a=rtcp-mux\r\n"), NULL);
			rw_expect_ok(c.w);
			if (!before) {
				shake(c.w, &c.seen, &c.a);
			}
			use_keys(&c.a);
			expect_heard(&c.a, &c.b, PKT_RTP);
			expect_heard(&c.b, &c.a, PKT_RTP);
			EXPECT_INT(counter(c.w, RELAY_DTLS_UP), 1);
			scene_release(&c);
		}
	}
}

static void another_tls_id_or_certificate_is_a_new_association(void **state)
{
	(void)state;
	for (unsigned other_cert = 0; other_cert < 2; other_cert++) {
		struct scene c;
		struct media_pkt m;
		scene_init(&c);
		call_dtls_to_plain(&c);
		shake(c.w, &c.seen, &c.a);
		use_keys(&c.a);
		expect_heard(&c.a, &c.b, PKT_RTP);
		const struct secret before = c.a.d.keys[SRTP_TX];
		if (other_cert) {
			peer_release(&c.a);
			const uint16_t to = c.b.to;
			peer_init(&c.a, c.w, 1, 5000);
			c.b.to = to;
			c.a.seq = 7;
		} else {
			snprintf(c.a.id, sizeof(c.a.id), "quite-another-tls-id-of-it");
		}
		rw_ask(c.w, "offer", "call-id", "c1", "from-tag", "A", "to-tag", "B", "sdp",
		       sdp_of(&c.a, DTLS, "actpass", "a=rtcp-mux\r\n"), "rtpp-flags",
		       "RTP/AVP rtcp-mux-demux", NULL);
		rw_expect_ok(c.w);
		answer(&c, sdp_of(&c.b, PLAIN, "", ""));
		rw_expect_ok(c.w);
		c.a.to = rw_port(c.w, 0);
		/* The old one is closed with an alert, and its keys are gone. */
		EXPECT_INT(c.w->sent[c.seen % RW_SENT].bytes[0], 21);
		EXPECT_INT(speak(&c.b, PKT_RTP, &m), FATE_NO_KEY);
		EXPECT_INT(speak(&c.a, PKT_RTP, &m), FATE_NO_KEY);
		c.seen++;
		peer_role(&c.a, DTLS_SERVER);
		expect_prints(&c.a);
		shake(c.w, &c.seen, &c.a);
		use_keys(&c.a);
		EXPECT_TRUE(!secret_eq(&before, &c.a.d.keys[SRTP_TX]));
		expect_heard(&c.a, &c.b, PKT_RTP);
		expect_heard(&c.b, &c.a, PKT_RTP);
		EXPECT_INT(counter(c.w, RELAY_DTLS_UP), 2);
		scene_release(&c);
	}
}

static void without_mux_rtcp_has_an_association_and_keys_of_its_own(void **state)
{
	(void)state;
	struct scene c;
	struct peer rtcp, b_rtcp;
	scene_init(&c);
	peer_init(&rtcp, c.w, 1, 5001);
	offer(&c, sdp_of(&c.a, DTLS, "actpass", ""), "RTP/AVP");
	c.b.to = rw_port(c.w, 0);
	answer(&c, sdp_of(&c.b, PLAIN, "", ""));
	c.a.to = rw_port(c.w, 0);
	rtcp.to = (uint16_t)(c.a.to + 1);
	struct peer *both[] = {&c.a, &rtcp};
	for (size_t i = 0; i < 2; i++) {
		peer_role(both[i], DTLS_SERVER);
		/* One certificate, as one party has. */
		expect_prints(both[i]);
	}
	/* Its own certificate is another than the one named: a stranger on the RTCP port is as bad as on the RTP one. */
	pump(c.w, &c.seen, both, 2);
	EXPECT_INT(counter(c.w, RELAY_DTLS_UP), 1);
	EXPECT_INT(counter(c.w, RELAY_DTLS_FINGERPRINT), 1);
	use_keys(&c.a);
	expect_heard(&c.a, &c.b, PKT_RTP);
	/* With the right one it tries again by itself. */
	struct dtls mine;
	dtls_init(&mine, &c.a.worker, DTLS_SERVER, 1);
	mine.expect = rtcp.d.expect;
	dtls_release(&rtcp.d);
	rtcp.d = mine;
	rw_tick(c.w, 1000);
	shake(c.w, &c.seen, &rtcp);
	EXPECT_INT(counter(c.w, RELAY_DTLS_UP), 2);
	use_keys(&rtcp);
	EXPECT_TRUE(!secret_eq(&rtcp.d.keys[SRTP_TX], &c.a.d.keys[SRTP_TX]));
	peer_init(&b_rtcp, c.w, 2, 6001);
	b_rtcp.to = (uint16_t)(c.b.to + 1);
	expect_heard(&rtcp, &b_rtcp, PKT_RTCP);
	expect_heard(&b_rtcp, &rtcp, PKT_RTCP);
	expect_heard(&c.b, &c.a, PKT_RTP);
	peer_release(&rtcp);
	peer_release(&b_rtcp);
	scene_release(&c);
}

static void every_pairing_of_plain_sdes_and_dtls_talks_both_ways(void **state)
{
	(void)state;
	static const char *const flags[WAY_COUNT] = {"RTP/AVP", "RTP/SAVP DTLS=off",
						     "UDP/TLS/RTP/SAVP"};
	for (unsigned i = 0; i < WAY_COUNT * WAY_COUNT; i++) {
		const enum way from = i / WAY_COUNT, to = i % WAY_COUNT;
		struct scene c;
		char words[128];
		scene_init(&c);
		snprintf(words, sizeof(words), "%s rtcp-mux-offer rtcp-mux-accept", flags[to]);
		offer(&c, sdp_of(&c.a, from, "actpass", "a=rtcp-mux\r\n"), words);
		rw_expect_ok(c.w);
		c.b.to = rw_port(c.w, 0);
		if (to == SDES) {
			/* It takes the line that its own key goes with. */
			EXPECT_TRUE(says(c.w, "AES_CM_128_HMAC_SHA1_80"));
		}
		if (to == DTLS) {
			expect_prints(&c.b);
			peer_begin(&c.b);
		}
		struct str sdp = rw_got(c.w, "sdp"), line;
		struct sdes relays = {0};
		while (to == SDES && str_cut(&sdp, '\n', &line)) {
			struct sdes s;
			if (str_has_prefix(line, STR("a=crypto:")) &&
			    sdes_parse(str_trim(str_from_offset(line, 9)), &s) == OK &&
			    s.suite == SDES_AES_CM_128_HMAC_SHA1_80) {
				relays = s;
			}
		}
		answer(&c, sdp_of(&c.b, to, "active", "a=rtcp-mux\r\n"));
		rw_expect_ok(c.w);
		c.a.to = rw_port(c.w, 0);
		if (from == DTLS) {
			peer_role(&c.a, DTLS_SERVER);
			expect_prints(&c.a);
		}
		struct peer *both[] = {&c.a, &c.b};
		pump(c.w, &c.seen, both, 2);
		if (from == DTLS) {
			use_keys(&c.a);
		} else if (from == SDES) {
			use_sdes(&c.a);
		}
		if (to == DTLS) {
			use_keys(&c.b);
		} else if (to == SDES) {
			struct sdes mine;
			EXPECT_ERR(srtp_key_set(&c.b.keys[SRTP_RX], relays.suite, &relays.key), OK);
			EXPECT_ERR(sdes_parse(str_trim(str_from_offset(str_from(KEY_B), 9)), &mine),
				   OK);
			EXPECT_ERR(srtp_key_set(&c.b.keys[SRTP_TX], mine.suite, &mine.key), OK);
			c.b.secure = true;
		}
		for (unsigned k = 0; k < 3; k++) {
			expect_heard(&c.a, &c.b, PKT_RTP);
			expect_heard(&c.b, &c.a, PKT_RTP);
		}
		scene_release(&c);
	}
}

#define ICE_WORDS "a=rtcp-mux\r\na=ice-ufrag:peer\r\na=ice-pwd:peerpasswordpeerpassword\r\n"

/* A check of this party, with the words of the relay's last SDP; `use`: it nominates. */
static enum pkt_fate prove(struct peer *p, struct str sdp, bool use)
{
	static const uint8_t id[STUN_ID_LEN] = {5};
	struct str line, ufrag = STR_NONE, pwd = STR_NONE;
	struct media_pkt m;
	struct stun_writer s;
	char user[64];
	while (str_cut(&sdp, '\n', &line)) {
		if (str_has_prefix(line, STR("a=ice-ufrag:"))) {
			ufrag = str_trim(str_from_offset(line, 12));
		} else if (str_has_prefix(line, STR("a=ice-pwd:"))) {
			pwd = str_trim(str_from_offset(line, 10));
		}
	}
	const int n = snprintf(user, sizeof(user), "%.*s:peer", STR_ARG(ufrag));
	stun_start(&s, m.bytes, sizeof(m.bytes), STUN_REQUEST, STUN_BINDING, id);
	stun_add(&s, STUN_USERNAME, user, (size_t)n);
	stun_add_u32(&s, STUN_PRIORITY, 0x6e0001ff);
	stun_add_u64(&s, STUN_CONTROLLING, 1);
	if (use) {
		stun_add(&s, STUN_USE_CANDIDATE, NULL, 0);
	}
	media_pkt_set(&m, PKT_STUN, stun_end(&s, pwd.p, pwd.len));
	return rw_packet(p->w, p->to, p->host, p->port, &m);
}

static void where_ice_is_spoken_a_proven_path_alone_shakes_hands(void **state)
{
	(void)state;
	struct scene c;
	struct dtls_out o;
	char sdp[4096];
	scene_init(&c);
	offer(&c, sdp_of(&c.a, PLAIN, "", ""), "UDP/TLS/RTP/SAVP ICE=force rtcp-mux-require");
	rw_expect_ok(c.w);
	snprintf(sdp, sizeof(sdp), "%.*s", STR_ARG(rw_got(c.w, "sdp")));
	c.b.to = rw_port(c.w, 0);
	expect_prints(&c.b);
	/* Not even a cookie is told to who has shown nothing. */
	struct addr to = media_addr(100, c.b.to);
	dtls_start(&c.b.d, &to, c.w->now_ms, &o);
	EXPECT_INT(peer_say(&c.b, &o), FATE_SOURCE);
	EXPECT_INT(c.w->sent_count, 0);
	EXPECT_INT(prove(&c.b, str_from(sdp), false), FATE_SENT);
	EXPECT_INT(peer_say(&c.b, &o), FATE_OURS);
	shake(c.w, &c.seen, &c.b);
	use_keys(&c.b);
	/* The server's flight and the last one: no round for a cookie. */
	EXPECT_INT(c.w->sent_count, 2);
	answer(&c, sdp_of(&c.b, DTLS, "active", ICE_WORDS));
	rw_expect_ok(c.w);
	c.a.to = rw_port(c.w, 0);
	EXPECT_INT(prove(&c.b, str_from(sdp), true), FATE_SENT);
	expect_heard(&c.b, &c.a, PKT_RTP);
	expect_heard(&c.a, &c.b, PKT_RTP);
	scene_release(&c);
}

static void where_ice_is_spoken_our_hello_waits_for_the_nominated_path(void **state)
{
	(void)state;
	struct scene c;
	char sdp[4096];
	scene_init(&c);
	offer(&c, sdp_of(&c.a, DTLS, "actpass", ICE_WORDS), "RTP/AVP rtcp-mux-demux ICE=remove");
	rw_expect_ok(c.w);
	c.b.to = rw_port(c.w, 0);
	answer(&c, sdp_of(&c.b, PLAIN, "", ""));
	rw_expect_ok(c.w);
	snprintf(sdp, sizeof(sdp), "%.*s", STR_ARG(rw_got(c.w, "sdp")));
	c.a.to = rw_port(c.w, 0);
	peer_role(&c.a, DTLS_SERVER);
	expect_prints(&c.a);
	rw_tick(c.w, 500);
	EXPECT_INT(c.w->sent_count, 0);
	/* Another address than its SDP has. */
	c.a.host = 77;
	EXPECT_INT(prove(&c.a, str_from(sdp), true), FATE_SENT);
	rw_tick(c.w, 200);
	EXPECT_TRUE(c.w->sent_count > 0);
	shake(c.w, &c.seen, &c.a);
	use_keys(&c.a);
	expect_heard(&c.a, &c.b, PKT_RTP);
	expect_heard(&c.b, &c.a, PKT_RTP);
	scene_release(&c);
}

static void the_end_of_a_call_is_told_by_a_close_notify(void **state)
{
	(void)state;
	struct scene c;
	scene_init(&c);
	call_dtls_to_plain(&c);
	shake(c.w, &c.seen, &c.a);
	EXPECT_INT(c.w->relay.handshakes.pool.used, 1);
	rw_ask(c.w, "delete", "call-id", "c1", "delete-delay", "0", NULL);
	EXPECT_INT(c.w->sent_count, c.seen + 1);
	EXPECT_INT(c.w->sent[c.seen % RW_SENT].bytes[0], 21);
	EXPECT_INT(c.w->relay.handshakes.pool.used, 0);
	scene_release(&c);
}

static void a_hello_that_gets_no_answer_is_sent_again_and_given_up(void **state)
{
	(void)state;
	struct scene c;
	scene_init(&c);
	c.w->config.timeouts.media = 10 * 60 * 1000;
	call_dtls_to_plain(&c);
	rw_tick(c.w, 5 * 60 * 1000);
	EXPECT_INT(counter(c.w, RELAY_DTLS_TIMEOUT), DTLS_TRIES);
	EXPECT_TRUE(c.w->sent_count >= DTLS_TRIES);
	EXPECT_INT(c.w->relay.handshakes.worker.handshakes, 0);
	scene_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_relay_begins_and_media_waits_for_the_keys),
		cmocka_unit_test(a_hello_before_the_answer_is_shaken_but_carries_no_media),
		cmocka_unit_test(who_shook_hands_before_the_answer_and_is_another_is_forgotten),
		cmocka_unit_test(a_wrong_certificate_gets_nothing_and_harms_nobody),
		cmocka_unit_test(strangers_hellos_are_dropped_and_counted),
		cmocka_unit_test(hold_and_reinvite_leave_the_association_and_its_keys_alone),
		cmocka_unit_test(an_offer_of_ours_keeps_the_roles_and_an_answer_cannot_turn_them),
		cmocka_unit_test(another_tls_id_or_certificate_is_a_new_association),
		cmocka_unit_test(without_mux_rtcp_has_an_association_and_keys_of_its_own),
		cmocka_unit_test(every_pairing_of_plain_sdes_and_dtls_talks_both_ways),
		cmocka_unit_test(where_ice_is_spoken_a_proven_path_alone_shakes_hands),
		cmocka_unit_test(where_ice_is_spoken_our_hello_waits_for_the_nominated_path),
		cmocka_unit_test(the_end_of_a_call_is_told_by_a_close_notify),
		cmocka_unit_test(a_hello_that_gets_no_answer_is_sent_again_and_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
