#include "rtpproxy/core/handshake.h"

#include <string.h>

#include "rtpproxy/core/ice.h"
#include "rtpproxy/core/relay.h"

enum err handshakes_init(struct relay *r, const struct relay_now *now)
{
	struct handshakes *k = &r->handshakes;
	const struct relay_config *c = r->config;
	const struct dtls_params p = {.accept_sha1 = c->dtls_sha1,
				      .wall_s = now->wall_us / 1000000,
				      .now_ms = now->mono_us / 1000,
				      .lifetime_s = c->dtls_lifetime_s > 0 ? c->dtls_lifetime_s
									   : LIMIT_DTLS_CERT_S,
				      .first_ms = DTLS_FIRST_MS};
	*k = (struct handshakes){.hellos = LIMIT_DTLS_HELLOS, .starts = LIMIT_DTLS_STARTS};
	wheel_init(&k->wheel, now->mono_us / 1000);
	enum err e = pool_init(&k->pool, sizeof(struct handshake), LIMIT_DTLS, (uint8_t)r->worker);
	return e == OK ? dtls_worker_init(&k->worker, &p) : e;
}

void handshakes_release(struct relay *r)
{
	struct handshakes *k = &r->handshakes;
	if (k->pool.chunks || k->worker.bio_method) {
		dtls_worker_release(&k->worker);
		pool_release(&k->pool);
	}
}

/* ---- one association */

static struct handshake *begin(struct relay *r, struct stream *s, const struct leg_dtls *said,
			       enum dtls_role role)
{
	struct handshakes *k = &r->handshakes;
	id_t64 id;
	struct handshake *h = pool_new(&k->pool, &id);
	if (!h) {
		r->counters[RELAY_DTLS_MEMORY]++;
		return NULL;
	}
	h->id = id;
	h->stream = s;
	h->their_id = said->their_id;
	memcpy(h->tls_id, said->tls_id, sizeof(h->tls_id));
	timer_init(&h->timer);
	dtls_init(&h->dtls, &k->worker, role, said->generation);
	s->dtls = h;
	return h;
}

static void post(struct relay *r, struct handshake *h, const struct dtls_out *o)
{
	for (unsigned i = 0; i < o->count; i++) {
		r->ports.send(r->ports.ctx, h->stream, &o->to, o->bytes[i], o->len[i]);
	}
}

void handshake_end(struct relay *r, struct stream *s)
{
	struct handshakes *k = &r->handshakes;
	struct handshake *h = s->dtls;
	struct dtls_out o;
	if (!h) {
		return;
	}
	dtls_bye(&h->dtls, &o);
	post(r, h, &o);
	wheel_stop(&k->wheel, &h->timer);
	dtls_release(&h->dtls);
	s->dtls = NULL;
	pool_free(&k->pool, h->id);
}

/* The endpoint's keys, now that they are proven to be the party's. */
static void put_in_use(struct relay *r, struct handshake *h)
{
	if (h->in_use || !dtls_is_proven(&h->dtls)) {
		return;
	}
	enum err e = OK;
	for (int d = 0; e == OK && d < SRTP_DIRECTION_COUNT; d++) {
		stream_set_mki(h->stream, (enum srtp_direction)d, 0, 0);
		e = stream_set_key(h->stream, (enum srtp_direction)d,
				   (enum sdes_suite)h->dtls.suite, &h->dtls.keys[d]);
	}
	secret_wipe(h->dtls.keys, sizeof(h->dtls.keys));
	h->in_use = true;
	r->counters[e == OK ? RELAY_DTLS_UP : RELAY_DTLS_MEMORY]++;
}

/* What a step of the machine brought about. */
static void conclude(struct relay *r, struct handshake *h, const struct dtls_out *o,
		     uint64_t now_ms)
{
	post(r, h, o);
	if (o->failure != DTLS_FAILURE_NONE) {
		r->counters[RELAY_DTLS_FINGERPRINT + o->failure - DTLS_FAILURE_FINGERPRINT]++;
	}
	if (o->up) {
		put_in_use(r, h);
	}
	if (h->dtls.state == DTLS_EMPTY && h->dtls.role == DTLS_CLIENT) {
		wheel_set(&r->handshakes.wheel, &h->timer, now_ms + LIMIT_DTLS_AGAIN_MS);
	} else if (o->deadline_ms != UINT64_MAX) {
		wheel_set(&r->handshakes.wheel, &h->timer, o->deadline_ms);
	} else {
		wheel_stop(&r->handshakes.wheel, &h->timer);
	}
}

static bool may_start(const struct relay *r)
{
	return r->handshakes.starts > 0 && r->handshakes.worker.handshakes < LIMIT_DTLS_HANDSHAKES;
}

/* A client's hello, as soon as there is somewhere to send it and enough is left of the budget. */
static void start(struct relay *r, struct handshake *h, uint64_t now_ms)
{
	struct dtls_out o = {.deadline_ms = UINT64_MAX};
	if (may_start(r) && latch_has_target(&h->stream->latch)) {
		r->handshakes.starts--;
		dtls_start(&h->dtls, &h->stream->latch.target, now_ms, &o);
	}
	conclude(r, h, &o, now_ms);
}

void handshakes_tick(struct relay *r, const struct relay_now *now)
{
	struct handshakes *k = &r->handshakes;
	const uint64_t now_ms = now->mono_us / 1000;
	struct timer *t;
	k->hellos = LIMIT_DTLS_HELLOS;
	k->starts = LIMIT_DTLS_STARTS;
	dtls_worker_tick(&k->worker, now_ms, now->wall_us / 1000000);
	while ((t = wheel_expire(&k->wheel, now_ms))) {
		struct handshake *h = CONTAINER_OF(t, struct handshake, timer);
		struct dtls_out o;
		if (h->dtls.state == DTLS_EMPTY && h->dtls.role == DTLS_CLIENT) {
			start(r, h, now_ms);
		} else {
			dtls_tick(&h->dtls, now_ms, &o);
			conclude(r, h, &o, now_ms);
		}
	}
	r->counters[RELAY_DTLS_HANDSHAKES] = k->worker.handshakes;
}

/* ---- offer and answer */

void handshake_offered(struct relay *r, struct leg_media *m)
{
	struct stream *s = &m->streams[LEG_RTP];
	/* RTCP's own, where it is not muxed, comes with the answer: a hello before that is sent again. */
	if (m->dtls->wanted && !s->dtls && (m->opened & 1u << LEG_RTP)) {
		(void)begin(r, s, m->dtls, DTLS_SERVER);
	}
}

static bool is_same(const struct handshake *h, const struct leg_dtls *said)
{
	return h->dtls.role == said->role && strcmp(h->tls_id, said->tls_id) == 0 &&
	       h->dtls.generation == said->generation &&
	       (h->their_id == 0 || said->their_id == 0 || h->their_id == said->their_id);
}

static void drop_keys(struct stream *s)
{
	for (int d = 0; d < SRTP_DIRECTION_COUNT; d++) {
		srtp_key_drop(&s->srtp[d]);
	}
}

static void agree(struct relay *r, struct stream *s, const struct leg_dtls *said, uint64_t now_ms)
{
	struct handshake *h = s->dtls;
	if (h && !is_same(h, said)) {
		handshake_end(r, s);
		h = NULL;
	}
	if (!h) {
		drop_keys(s);
		h = begin(r, s, said, (enum dtls_role)said->role);
		if (!h) {
			return;
		}
	}
	h->their_id = said->their_id;
	dtls_expect(&h->dtls, &said->theirs);
	if (h->dtls.state == DTLS_EMPTY) {
		h->in_use = false;
	}
	if (!h->in_use) {
		/* Keys of another certificate, or of SDES. */
		drop_keys(s);
	}
	put_in_use(r, h);
	if (h->dtls.state == DTLS_EMPTY && h->dtls.role == DTLS_CLIENT) {
		start(r, h, now_ms);
	}
}

void handshake_agreed(struct relay *r, struct leg_media *m, uint64_t now_us)
{
	for (unsigned k = 0; k < LEG_STREAMS; k++) {
		struct stream *s = &m->streams[k];
		const bool used = (m->opened & 1u << k) && (k == LEG_RTP || !m->mux.agreed);
		if (m->active && m->keying == LEG_DTLS && used) {
			agree(r, s, m->dtls, now_us / 1000);
		} else {
			handshake_end(r, s);
		}
	}
}

/* ---- packets */

/*
 * Before the answer nobody knows where the party is, and a cookie has to prove that the sender is there at all; what it then
 * agrees on counts for nothing until the fingerprint is known. Afterwards the source is the one that media may come from.
 */
static bool may_speak(const struct handshake *h, const struct pkt *p, uint64_t now_us)
{
	const struct latch *l = &h->stream->latch;
	if (h->dtls.state != DTLS_EMPTY && addr_eq(&p->from, &h->dtls.peer)) {
		return true;
	}
	/* Threats D5: with ICE only who knows its words. */
	if (h->stream->ice) {
		return ice_is_proven(h->stream->ice, h->stream->kind == PKT_RTCP, &p->from);
	}
	return (l->state == LATCH_EMPTY && h->dtls.expect.count == 0) ||
	       latch_check(l, &p->from, false, now_us) != LATCH_REFUSE;
}

enum pkt_fate handshake_packet(struct relay *r, const struct pkt *p, uint64_t now_us)
{
	struct handshakes *k = &r->handshakes;
	struct handshake *h = p->stream->dtls;
	struct dtls_out o;
	if (!may_speak(h, p, now_us)) {
		return FATE_SOURCE;
	}
	/* A check of ICE has proven its source already, and may prove another one later. */
	h->dtls.cookie = p->stream->ice == NULL;
	if (dtls_is_dear(&h->dtls, p->data, p->len)) {
		if (k->hellos == 0 || !may_start(r)) {
			return FATE_DTLS_BUDGET;
		}
		k->hellos--;
	}
	const uint32_t before = k->worker.handshakes;
	const enum pkt_fate fate =
		dtls_step(&h->dtls, &p->from, p->data, p->len, now_us / 1000, &o);
	k->starts -= k->worker.handshakes > before;
	conclude(r, h, &o, now_us / 1000);
	return fate;
}
