#include <stdlib.h>

#include "common/check.h"
#include "tests/sim/watch.h"

static struct str keep(struct watch *w, struct str s)
{
	struct str copy = arena_str(w->arena, s);
	CHECK(copy.len == s.len);
	return copy;
}

static uint64_t key_of(const struct sip_text *m, struct str method)
{
	return lookup_hash(lookup_hash(lookup_hash(KEY_IN, m->branch), m->sent_by), method);
}

/* The first INVITE of that number in a Call-ID: what an ACK or a RAck means. */
static uint64_t invite_key(struct str call_id, uint32_t cseq)
{
	char mem[16];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_u64(&b, cseq);
	return lookup_hash(lookup_hash(KEY_SERVED, call_id), buf_view(&b));
}

struct watch_request *watch_find_in(struct watch *w, const struct sip_text *m)
{
	uint32_t i = lookup_get(&w->index, key_of(m, m->cseq_method));
	return i == LOOKUP_NONE ? NULL : &w->in[i];
}

void watch_request_came(struct watch *w, const struct sip_text *m, bool trusted, bool udp)
{
	struct watch_call *c = watch_call(w, m->call_id);
	struct watch_request *r = watch_find_in(w, m);
	if (str_eq(m->method, STR("BYE")) && !c->bye_ms)
		c->bye_ms = w->now_ms;
	if (!r) {
		if (w->in_count == w->in_cap) {
			w->in_cap = w->in_cap ? w->in_cap * 2 : 64;
			w->in = realloc(w->in, w->in_cap * sizeof(*w->in));
			CHECK(w->in != NULL);
		}
		lookup_put(&w->index, key_of(m, m->cseq_method), w->in_count);
		r = &w->in[w->in_count];
		*r = (struct watch_request){.method = keep(w, m->method),
					    .call_id = keep(w, m->call_id),
					    .from_tag = keep(w, m->from_tag),
					    .cseq = m->cseq,
					    .udp = udp,
					    .arrived_ms = w->now_ms,
					    .trusted = trusted};
		r->initial = str_eq(m->method, STR("INVITE")) && m->to_tag.len == 0;
		if (r->initial)
			c->initial = w->in_count;
		uint64_t key = invite_key(m->call_id, m->cseq);
		if (str_eq(m->method, STR("INVITE")) && lookup_get(&w->index, key) == LOOKUP_NONE)
			lookup_put(&w->index, key, w->in_count);
		w->in_count++;
	}
	r->copies++;
	r->copy_ms = w->now_ms;
}

/* ---- sent again in time (RFC 3261 §13.3.1.4, §17.2.1; RFC 3262 §3) */

static bool in_time(uint64_t gap, uint32_t want)
{
	return gap >= want && gap <= want + 2 * WATCH_TICK_MS;
}

static void check_repeated(struct watch *w, struct watch_request *r, const struct sip_text *m,
			   bool udp)
{
	uint64_t gap = w->now_ms - r->last_ms;
	bool ok2xx = m->status < 300;
	if (w->stalls)
		return;
	/* Asked again, answered again: beside the repetition by the clock, just before or after it too. */
	bool asked = !ok2xx && r->copies > 1 && w->now_ms - r->copy_ms <= 2 * WATCH_TICK_MS;
	if (asked && (gap <= 2 * WATCH_TICK_MS ||
		      (r->copy_ms == w->now_ms && !in_time(gap, r->interval_ms))))
		return;
	if (r->acked)
		faults_add(w->faults, INV_SCHEDULE, "the core repeats %u after its ACK", m->status);
	else if (!ok2xx && !udp)
		faults_add(w->faults, INV_SCHEDULE, "the core repeats %u over a stream", m->status);
	else if (!in_time(gap, r->interval_ms))
		faults_add(w->faults, INV_SCHEDULE, "the core repeats %u after %u ms, not %u",
			   m->status, (unsigned)gap, r->interval_ms);
	r->interval_ms = r->interval_ms * 2 > WATCH_T2 ? WATCH_T2 : r->interval_ms * 2;
	r->last_ms = w->now_ms;
}

/* That early dialog's; a new one for a tag that was not seen yet. */
static struct watch_reliable *reliable_of(struct watch_request *r, struct str tag)
{
	uint64_t key = lookup_hash(0, tag);
	unsigned i = 0;
	while (i + 1 < WATCH_FORKS && r->reliable[i].tag && r->reliable[i].tag != key)
		i++;
	if (r->reliable[i].tag != key)
		r->reliable[i] = (struct watch_reliable){.tag = key};
	return &r->reliable[i];
}

static void final_went(struct watch *w, struct watch_request *r, const struct sip_text *m, bool udp)
{
	bool invite = str_eq(r->method, STR("INVITE"));
	r->sent++;
	/* A refusal without a transaction is made anew for each copy: draining changes it. */
	bool anew = w->drains && m->status == 503 && r->final >= 400;
	/* Nor does a 481 leave one: a copy that comes later may find the dialog. */
	anew |= w->rogue && r->final == 481 && r->copies > 1;
	anew |= w->shared && r->copies > 1 && (m->status == 503 || r->final == 503);
	anew |= w->shared && r->copies > 1 && m->status == 481 && str_eq(r->method, STR("BYE"));
	if (r->final && r->final != m->status && !anew)
		faults_add(w->faults, INV_ONE_FINAL, "the core says %u after %u to %.*s", m->status,
			   r->final, STR_ARG(r->method));
	if (!invite && m->status == 408)
		faults_add(w->faults, INV_ONE_FINAL, "the core says 408 to %.*s (RFC 4320)",
			   STR_ARG(r->method));
	const struct watch_reliable *v = reliable_of(r, m->to_tag);
	if (m->status < 300 && invite && v->open && v->sdp)
		faults_add(w->faults, INV_RELIABLE,
			   "the core says %u before its reliable 1xx with SDP is acknowledged",
			   m->status);
	if (!m->to_tag.len)
		faults_add(w->faults, INV_FORM, "the core says %u without a To tag", m->status);
	if (r->final && invite)
		check_repeated(w, r, m, udp);
	if (r->final)
		return;
	r->final = (uint16_t)m->status;
	r->final_ms = r->last_ms = w->now_ms;
	r->interval_ms = WATCH_T1;
	for (unsigned i = 0; i < WATCH_FORKS; i++)
		r->reliable[i].open = false;
}

static void reliable_again(struct watch *w, struct watch_request *r, struct watch_reliable *v,
			   unsigned status)
{
	uint64_t gap = w->now_ms - v->last_ms;
	bool asked = r->copies > 1 && r->copy_ms == w->now_ms;
	if (asked && gap < v->interval_ms)
		return;
	if (!w->stalls && !in_time(gap, v->interval_ms) && !in_time(gap, WATCH_T2))
		faults_add(w->faults, INV_SCHEDULE,
			   "the core repeats a reliable %u after %u ms, not %u", status,
			   (unsigned)gap, v->interval_ms);
	v->interval_ms *= 2;
	v->last_ms = w->now_ms;
}

static void reliable_went(struct watch *w, struct watch_request *r, const struct sip_text *m)
{
	struct watch_reliable *v = reliable_of(r, m->to_tag);
	uint32_t n;
	if (str_to_u32(sip_text_header(m, "RSeq", 0), INT32_MAX, &n) != OK || n == 0) {
		faults_add(w->faults, INV_FORM, "the core sends a broken RSeq");
		return;
	}
	if (n == v->rseq) { /* or acknowledged, and the INVITE has come again */
		if (v->open)
			reliable_again(w, r, v, m->status);
		return;
	}
	if (v->rseq && n != v->rseq + 1)
		faults_add(w->faults, INV_RELIABLE, "the core sends RSeq %u after %u", n, v->rseq);
	if (v->open)
		faults_add(w->faults, INV_RELIABLE,
			   "the core sends a reliable %u before the last has its PRACK", m->status);
	v->rseq = n;
	v->open = true;
	v->sdp = m->body.len > 0;
	v->last_ms = w->now_ms;
	v->interval_ms = WATCH_T1;
}

void watch_answer_went(struct watch *w, const struct sip_text *m, bool udp)
{
	struct watch_request *r = watch_find_in(w, m);
	if (!r) {
		faults_add(w->faults, INV_ONE_FINAL,
			   "the core answers %u to a %.*s that nobody sent", m->status,
			   STR_ARG(m->cseq_method));
		return;
	}
	/* RFC 3261 §17.2.1: 100 within 200 ms, whatever routes and relays do. */
	if (!r->heard && str_eq(r->method, STR("INVITE")) && !w->stalls &&
	    w->now_ms > r->arrived_ms + WATCH_TRYING + 2 * WATCH_TICK_MS)
		faults_add(w->faults, INV_SCHEDULE, "the core first answers an INVITE after %u ms",
			   (unsigned)(w->now_ms - r->arrived_ms));
	if (!r->heard && w->prompt && w->now_ms > r->arrived_ms + WATCH_PROMPT &&
	    (m->status == 503 || str_eq(r->method, STR("INVITE")) || str_eq(r->method, STR("BYE"))))
		faults_add(w->faults, INV_STORE, "the core first answers %.*s after %u ms",
			   STR_ARG(r->method), (unsigned)(w->now_ms - r->arrived_ms));
	r->heard = true;
	if (m->status >= 200) {
		final_went(w, r, m, udp);
		return;
	}
	if (r->final)
		faults_add(w->faults, INV_ONE_FINAL, "the core says %u after %u to %.*s", m->status,
			   r->final, STR_ARG(r->method));
	if (!str_eq(r->method, STR("INVITE")) && m->status != 100)
		faults_add(w->faults, INV_ONE_FINAL, "the core says %u to %.*s (RFC 4320)",
			   m->status, STR_ARG(r->method));
	if (m->status > 100 && !r->ring_ms)
		r->ring_ms = w->now_ms;
	if (sip_text_header(m, "RSeq", 0).len)
		reliable_went(w, r, m);
}

/* ---- what ends the repeating */

void watch_ack_came(struct watch *w, const struct sip_text *m)
{
	/* Of a refusal: the INVITE's own branch; of a 2xx: its Call-ID and CSeq. */
	uint32_t i = lookup_get(&w->index, key_of(m, STR("INVITE")));
	if (i != LOOKUP_NONE) {
		w->in[i].acked = true;
		return;
	}
	i = lookup_get(&w->index, invite_key(m->call_id, m->cseq));
	if (i != LOOKUP_NONE && w->in[i].final / 100 == 2)
		w->in[i].acked = true;
}

void watch_prack_came(struct watch *w, const struct sip_text *m)
{
	struct str rack = sip_text_header(m, "RAck", 0), rseq, cseq;
	uint32_t n, invite;
	if (!str_cut_word(&rack, &rseq) || str_to_u32(rseq, UINT32_MAX, &n) != OK ||
	    !str_cut_word(&rack, &cseq) || str_to_u32(cseq, UINT32_MAX, &invite) != OK)
		return;
	uint32_t i = lookup_get(&w->index, invite_key(m->call_id, invite));
	if (i == LOOKUP_NONE)
		return;
	struct watch_reliable *v = reliable_of(&w->in[i], m->to_tag);
	if (v->rseq == n)
		v->open = false;
}
