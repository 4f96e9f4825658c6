#include <stdlib.h>

#include "common/check.h"
#include "tests/sim/watch.h"

static uint64_t key_of(struct str branch, struct str method)
{
	return lookup_hash(lookup_hash(KEY_OUT, branch), method);
}

struct watch_sent *watch_find_out(struct watch *w, struct str branch, struct str method)
{
	uint32_t i = lookup_get(&w->index, key_of(branch, method));
	return i == LOOKUP_NONE ? NULL : &w->out[i];
}

static struct str number(uint32_t n, char mem[16])
{
	struct buf b;
	buf_init(&b, mem, 16);
	buf_u64(&b, n);
	return buf_view(&b);
}

/* ---- what a new request must be */

static void check_cseq(struct watch *w, const struct sip_text *m)
{
	char mem[16];
	uint64_t call = lookup_hash(lookup_hash(KEY_DIALOG, m->call_id), m->from_tag);
	uint64_t dialog = lookup_hash(call, m->to_tag);
	if (str_eq(m->method, STR("ACK")) || str_eq(m->method, STR("CANCEL"))) {
		uint64_t key =
			lookup_hash(lookup_hash(KEY_INVITE, m->call_id), number(m->cseq, mem));
		if (lookup_get(&w->index, key) == LOOKUP_NONE)
			faults_add(w->faults, INV_CSEQ,
				   "the core sends %.*s with CSeq %u of no INVITE",
				   STR_ARG(m->method), m->cseq);
		return;
	}
	if (str_eq(m->method, STR("INVITE")))
		lookup_put(&w->index,
			   lookup_hash(lookup_hash(KEY_INVITE, m->call_id), number(m->cseq, mem)),
			   1);
	uint32_t last = lookup_get(&w->numbers, dialog);
	uint32_t first = lookup_get(&w->numbers, lookup_hash(call, STR_NONE));
	if (last == LOOKUP_NONE)
		last = first;
	if (last != LOOKUP_NONE && m->cseq <= last)
		faults_add(w->faults, INV_CSEQ, "the core sends %.*s with CSeq %u after %u",
			   STR_ARG(m->method), m->cseq, last);
	lookup_put(&w->numbers, dialog, m->cseq);
}

static void check_hops(struct watch *w, const struct sip_text *m)
{
	uint32_t n;
	bool initial = str_eq(m->method, STR("INVITE")) && !m->to_tag.len;
	if (str_to_u32(sip_text_header(m, "Max-Forwards", 0), 255, &n) != OK)
		faults_add(w->faults, INV_HOPS, "the core sends %.*s without Max-Forwards",
			   STR_ARG(m->method));
	else if (initial && n + 1 != w->hops)
		faults_add(w->faults, INV_HOPS, "the core sends an INVITE with %u hops, not %u", n,
			   w->hops - 1);
	else if (n > 70)
		faults_add(w->faults, INV_HOPS, "the core sends %.*s with %u hops",
			   STR_ARG(m->method), n);
}

/* RFC 3261 §15: the callee's side of a dialog, which the core is towards the caller, waits for the ACK. */
static void check_bye(struct watch *w, const struct sip_text *m)
{
	const struct watch_call *c = watch_call_of(w, m->call_id);
	if (!c || c->initial == LOOKUP_NONE || c->bye_ms || w->stops)
		return;
	const struct watch_request *r = &w->in[c->initial];
	/* An INVITE that was asked for more (422, 401) has a successor with its Call-ID. */
	if (r->final / 100 != 2 || r->acked)
		return;
	if (w->now_ms < r->final_ms + WATCH_LONG)
		faults_add(w->faults, INV_DIALOG,
			   "the core sends BYE %u ms after its 2xx, without ACK",
			   (unsigned)(w->now_ms - r->final_ms));
}

static void check_cancel(struct watch *w, const struct sip_text *m)
{
	struct watch_sent *s = watch_find_out(w, m->branch, STR("INVITE"));
	if (!s) {
		faults_add(w->faults, INV_DIALOG, "the core sends a CANCEL of nothing");
		return;
	}
	if (!s->ringing)
		faults_add(w->faults, INV_DIALOG, "the core sends a CANCEL before any 1xx");
	s->cancel = true;
	s->cancel_ms = s->cancel_ms ? s->cancel_ms : w->now_ms;
}

static void check_ack(struct watch *w, const struct sip_text *m)
{
	char mem[16];
	uint64_t key = lookup_hash(lookup_hash(lookup_hash(KEY_FINAL, m->call_id), m->to_tag),
				   number(m->cseq, mem));
	uint32_t i = lookup_get(&w->index, key);
	if (i == LOOKUP_NONE)
		faults_add(w->faults, INV_ACK, "the core sends an ACK of nothing");
	else
		w->finals[i].acked = true;
}

/* ---- sent again in time (RFC 3261 §17.1) */

static void sent_again(struct watch *w, struct watch_sent *s)
{
	uint64_t gap = w->now_ms - s->last_ms;
	uint32_t want = s->ringing ? WATCH_T2 : s->interval_ms;
	s->copies++;
	s->last_ms = w->now_ms;
	s->interval_ms *= 2;
	if (!s->invite && s->interval_ms > WATCH_T2)
		s->interval_ms = WATCH_T2;
	if (w->stalls || s->off)
		return;
	if (!s->udp)
		faults_add(w->faults, INV_SCHEDULE, "the core repeats %.*s over a stream",
			   STR_ARG(s->method));
	else if (s->final || (s->invite && s->ringing))
		faults_add(w->faults, INV_SCHEDULE, "the core repeats %.*s that was answered",
			   STR_ARG(s->method));
	else if (!s->ringing && (gap < want || gap > want + 2 * WATCH_TICK_MS))
		faults_add(w->faults, INV_SCHEDULE, "the core repeats %.*s after %u ms, not %u",
			   STR_ARG(s->method), (unsigned)gap, want);
}

void watch_request_went(struct watch *w, const struct sip_text *m, bool trusted, bool udp)
{
	if (str_eq(m->method, STR("ACK"))) {
		check_ack(w, m);
		check_cseq(w, m);
		check_hops(w, m);
		return;
	}
	struct watch_sent *s = watch_find_out(w, m->branch, m->method);
	if (s) {
		if (s->udp != udp) /* too long for the other (RFC 3261 §18.1.1) */
			s->off = true;
		sent_again(w, s);
		return;
	}
	if (w->out_count == w->out_cap) {
		w->out_cap = w->out_cap ? w->out_cap * 2 : 64;
		w->out = realloc(w->out, w->out_cap * sizeof(*w->out));
		CHECK(w->out != NULL);
	}
	struct str method = arena_str(w->arena, m->method);
	if (str_eq(m->method, STR("CANCEL")))
		check_cancel(w, m);
	if (str_eq(m->method, STR("BYE")))
		check_bye(w, m);
	check_cseq(w, m);
	check_hops(w, m);
	lookup_put(&w->index, key_of(m->branch, m->method), w->out_count);
	w->out[w->out_count++] = (struct watch_sent){.method = method,
						     .trusted = trusted,
						     .udp = udp,
						     .invite = str_eq(method, STR("INVITE")),
						     .copies = 1,
						     .interval_ms = WATCH_T1,
						     .start_ms = w->now_ms,
						     .last_ms = w->now_ms};
}

void watch_answer_came(struct watch *w, const struct sip_text *m)
{
	char mem[16];
	struct watch_sent *s = watch_find_out(w, m->branch, m->cseq_method);
	if (!s)
		return;
	if (!s->answered_ms)
		s->answered_ms = w->now_ms;
	if (m->status < 200) {
		s->ringing = true;
		return;
	}
	if (!s->final) {
		s->final = (uint16_t)m->status;
		s->final_ms = w->now_ms;
	}
	if (!s->invite)
		return;
	if (m->status < 300) {
		struct watch_call *c = watch_call(w, m->call_id);
		if (!c->answer_ms)
			c->answer_ms = w->now_ms;
	}
	/* One that comes after the transaction has gone is nobody's; so is a refusal after another answer. */
	if (w->now_ms > s->final_ms + WATCH_LONG ||
	    (s->cancel_ms && w->now_ms > s->cancel_ms + WATCH_LONG) ||
	    (m->status >= 300 && m->status != s->final))
		return;
	uint64_t key = lookup_hash(lookup_hash(lookup_hash(KEY_FINAL, m->call_id), m->to_tag),
				   number(m->cseq, mem));
	if (lookup_get(&w->index, key) != LOOKUP_NONE)
		return;
	if (w->final_count == w->final_cap) {
		w->final_cap = w->final_cap ? w->final_cap * 2 : 64;
		w->finals = realloc(w->finals, w->final_cap * sizeof(*w->finals));
		CHECK(w->finals != NULL);
	}
	lookup_put(&w->index, key, w->final_count);
	w->finals[w->final_count++] = (struct watch_final){.status = (uint16_t)m->status};
}

/* How often it must have been sent before its first answer, or the end of its patience. */
static void check_count(struct watch *w, const struct watch_sent *s)
{
	uint32_t want = 1, gap = WATCH_T1;
	uint64_t at = s->start_ms, end = s->start_ms + WATCH_LONG;
	if (s->answered_ms && s->answered_ms < end)
		end = s->answered_ms;
	else if (s->invite && w->gives_up)
		return;
	for (;;) {
		at += gap + WATCH_TICK_MS;
		if (at + 2 * WATCH_TICK_MS * want >= end)
			break;
		want++;
		gap = s->invite || gap * 2 < WATCH_T2 ? gap * 2 : WATCH_T2;
	}
	if (s->copies < want)
		faults_add(w->faults, INV_SCHEDULE,
			   "the core sent a %.*s %u times in %u ms, not %u", STR_ARG(s->method),
			   s->copies, (unsigned)(end - s->start_ms), want);
}

void watch_check_sent(struct watch *w)
{
	for (uint32_t i = 0; i < w->final_count; i++)
		if (!w->finals[i].acked && !w->closes)
			faults_add(w->faults, INV_ACK, "the core never sent the ACK of a %u",
				   w->finals[i].status);
	for (uint32_t i = 0; i < w->out_count; i++) {
		const struct watch_sent *s = &w->out[i];
		if (s->udp && !s->off && !w->stalls && !w->stops)
			check_count(w, s);
	}
}
