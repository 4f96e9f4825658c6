#include "watch.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/sim/sip_sdp.h"

void watch_reset(struct watch *w, struct arena *arena, struct faults *faults)
{
	struct watch old = *w;
	memset(w, 0, sizeof(*w));
	w->arena = arena;
	w->faults = faults;
	w->hops = 70;
	w->index = old.index;
	w->names = old.names;
	w->numbers = old.numbers;
	w->in = old.in;
	w->in_cap = old.in_cap;
	w->out = old.out;
	w->out_cap = old.out_cap;
	w->calls = old.calls;
	w->call_cap = old.call_cap;
	w->finals = old.finals;
	w->final_cap = old.final_cap;
	lookup_reset(&w->index);
	lookup_reset(&w->names);
	lookup_reset(&w->numbers);
}

void watch_release(struct watch *w)
{
	lookup_release(&w->index);
	lookup_release(&w->names);
	lookup_release(&w->numbers);
	free(w->in);
	free(w->out);
	free(w->calls);
	free(w->finals);
	memset(w, 0, sizeof(*w));
}

static uint64_t call_key(struct str call_id)
{
	return lookup_hash(KEY_CALL, call_id);
}

const struct watch_call *watch_call_of(const struct watch *w, struct str call_id)
{
	uint32_t i = lookup_get(&w->index, call_key(call_id));
	return i == LOOKUP_NONE ? NULL : &w->calls[i];
}

struct watch_call *watch_call(struct watch *w, struct str call_id)
{
	uint32_t i = lookup_get(&w->index, call_key(call_id));
	if (i != LOOKUP_NONE)
		return &w->calls[i];
	if (w->call_count == w->call_cap) {
		w->call_cap = w->call_cap ? w->call_cap * 2 : 64;
		w->calls = realloc(w->calls, w->call_cap * sizeof(*w->calls));
		CHECK(w->calls != NULL);
	}
	lookup_put(&w->index, call_key(call_id), w->call_count);
	struct watch_call *c = &w->calls[w->call_count++];
	*c = (struct watch_call){.initial = LOOKUP_NONE};
	return c;
}

const struct watch_request *watch_find_call(const struct watch *w, struct str call_id)
{
	const struct watch_call *c = watch_call_of(w, call_id);
	return c && c->initial != LOOKUP_NONE ? &w->in[c->initial] : NULL;
}

void watch_in(struct watch *w, bool trusted, bool udp, struct str bytes, uint64_t now_ms)
{
	struct sip_text m;
	w->now_ms = now_ms;
	w->messages_in++;
	if (!sip_text_read(bytes, &m))
		return;
	watch_learn(w, &m, trusted);
	if (!m.request) {
		watch_answer_came(w, &m);
	} else if (str_eq(m.method, STR("ACK"))) {
		watch_ack_came(w, &m);
	} else {
		watch_request_came(w, &m, trusted, udp);
		if (str_eq(m.method, STR("PRACK")))
			watch_prack_came(w, &m);
	}
}

static void check_encrypted(struct watch *w, const struct sip_text *m, bool trusted)
{
	struct sdp_text s;
	if (!w->srtp[trusted] || !m->body.len || !sdp_text_read(m->body, &s))
		return;
	for (unsigned i = 0; i < s.count; i++)
		if (s.lines[i].on && !s.lines[i].secure && s.lines[i].kind != SDP_IMAGE)
			faults_add(w->faults, INV_ENCRYPTED,
				   "plaintext media where SRTP is required");
}

void watch_out(struct watch *w, bool trusted, bool udp, struct str bytes, uint64_t now_ms)
{
	struct sip_text m;
	w->now_ms = now_ms;
	w->messages_out++;
	if (!sip_text_read(bytes, &m)) {
		faults_add(w->faults, INV_FORM, "the core sends what is not SIP: %.*s",
			   (int)(bytes.len < 80 ? bytes.len : 80), bytes.p);
		return;
	}
	watch_hidden(w, &m, trusted);
	watch_learn(w, &m, trusted);
	check_encrypted(w, &m, trusted);
	if (m.request)
		watch_request_went(w, &m, trusted, udp);
	else
		watch_answer_went(w, &m, udp);
}

void watch_check(struct watch *w, bool silent_ok)
{
	for (uint32_t i = 0; i < w->in_count; i++) {
		const struct watch_request *r = &w->in[i];
		bool invite = str_eq(r->method, STR("INVITE"));
		if (!r->final && (invite || !silent_ok))
			faults_add(w->faults, INV_ONE_FINAL,
				   "the core never answered a %.*s (%u copies arrived)",
				   STR_ARG(r->method), r->copies);
	}
	watch_check_sent(w);
}
