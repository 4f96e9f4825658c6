#include "invariants.h"

#include "common/check.h"

/* A spoiled message may have raised a CSeq or changed a BYE: the call then stands, but whole. */
static void what_is_left_is_whole(struct world *w)
{
	struct sbc_counts c;
	sbc_count(w->core.sbc, &c);
	if (c.client_transactions || c.server_transactions || c.timers || c.resolving)
		faults_add(&w->faults, INV_NOTHING_LEFT,
			   "%u transactions, %u timers, %u questions are left",
			   c.client_transactions + c.server_transactions, c.timers, c.resolving);
	if (c.calls != c.calls_confirmed || c.legs != 2 * c.calls || c.relay_sessions != c.calls ||
	    relay_model_sessions(&w->relay) != c.calls)
		faults_add(&w->faults, INV_NOTHING_LEFT,
			   "%u calls, %u of them confirmed, with %u legs and %u, %u "
			   "relay sessions are left",
			   c.calls, c.calls_confirmed, c.legs, c.relay_sessions,
			   relay_model_sessions(&w->relay));
}

/* Of the nodes that run. */
static void count_all(struct world *w, struct sbc_counts *out)
{
	struct sbc_counts c;
	*out = (struct sbc_counts){0};
	for (int i = 0; i < (w->want.pair.on ? PAIR_NODES : 1); i++) {
		if (!pair_node(w, i)->running)
			continue;
		sbc_count(pair_node(w, i)->sbc, &c);
		out->calls += c.calls;
		out->calls_confirmed += c.calls_confirmed;
		out->legs += c.legs;
		out->admitted += c.admitted;
		out->admission_repaired += c.admission_repaired;
		out->client_transactions += c.client_transactions;
		out->server_transactions += c.server_transactions;
		out->timers += c.timers;
		out->resolving += c.resolving;
		out->relay_sessions += c.relay_sessions;
		out->pooled_calls += c.pooled_calls;
		out->pooled_setups += c.pooled_setups;
		out->pooled_exchanges += c.pooled_exchanges;
		out->pooled_asks += c.pooled_asks;
		out->text_bytes += c.text_bytes;
		out->calls_total += c.calls_total;
	}
}

static void nothing_is_left(struct world *w)
{
	struct sbc_counts c;
	count_all(w, &c);
	const struct {
		enum invariant of;
		const char *what;
		uint64_t left;
	} rows[] = {
		{INV_NOTHING_LEFT, "calls", c.calls},
		{INV_NOTHING_LEFT, "confirmed calls", c.calls_confirmed},
		{INV_NOTHING_LEFT, "legs", c.legs},
		{INV_NOTHING_LEFT, "sessions of trunks", c.admitted},
		{INV_COUNTERS, "repaired counts of sessions", c.admission_repaired},
		{INV_NOTHING_LEFT, "client transactions", c.client_transactions},
		{INV_NOTHING_LEFT, "server transactions", c.server_transactions},
		{INV_NOTHING_LEFT, "timers", w->want.pair.on ? 0 : c.timers},
		{INV_NOTHING_LEFT, "questions to the resolver", c.resolving},
		{INV_RELAY, "relay sessions, says the core", c.relay_sessions},
		{INV_RELAY, "relay sessions, says the relay", relay_model_sessions(&w->relay)},
		{INV_MEMORY, "calls in memory", c.pooled_calls},
		{INV_MEMORY, "calls being set up in memory", c.pooled_setups},
		{INV_MEMORY, "requests in dialogs in memory", c.pooled_exchanges},
		{INV_MEMORY, "questions in memory", c.pooled_asks},
		{INV_MEMORY, "bytes of texts", c.text_bytes},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].left)
			faults_add(&w->faults, rows[i].of, "%llu %s are left",
				   (unsigned long long)rows[i].left, rows[i].what);
}

/* Who hung up first, as far as the core could know: both may have. */
static void check_ended_by(struct world *w, const struct core_cdr *c)
{
	const struct watch_call *in = watch_call_of(&w->core.watch, c->call_id_in);
	const struct watch_call *out = watch_call_of(&w->core.watch, c->call_id_out);
	uint64_t caller = in ? in->bye_ms : 0, callee = out ? out->bye_ms : 0;
	enum cdr_side want = CDR_US;
	if (caller && (!callee || caller < callee))
		want = CDR_CALLER;
	else if (callee && (!caller || callee < caller))
		want = CDR_CALLEE;
	else if (caller && c->ended_by != CDR_US)
		return;
	/* The core may have ended it before a late BYE came. */
	if (c->ended_by != want && c->ended_by != CDR_US)
		faults_add(&w->faults, INV_CDR_TRUTH,
			   "the CDR says that side %u ended it; it was %u", c->ended_by, want);
	if (c->ended_by == CDR_US && want != CDR_US && c->cause.len == 0 && c->status == 200)
		faults_add(&w->faults, INV_CDR_TRUTH,
			   "the CDR says that we ended what side %u ended", want);
}

static uint64_t wall(uint64_t ms)
{
	return ms ? UINT64_C(1700000000) * 1000 + ms : 0;
}

static void check_times(struct world *w, const struct watch_request *r, const struct core_cdr *c)
{
	const struct watch_call *out = watch_call_of(&w->core.watch, c->call_id_out);
	if (c->end < c->start || (c->answer && (c->answer < c->start || c->end < c->answer)))
		faults_add(&w->faults, INV_CDR_TRUTH,
			   "the times of the CDR do not follow each other");
	if (!c->answer)
		return;
	if (c->answer > wall(r->final_ms) ||
	    (out && out->answer_ms && c->answer < wall(out->answer_ms)))
		faults_add(&w->faults, INV_CDR_TRUTH,
			   "the CDR's answer is not between the callee's and the caller's");
}

static void check_cdr(struct world *w, const struct watch_request *r, const struct core_cdr *c,
		      bool transferred)
{
	bool answered = r->final / 100 == 2;
	if (c->status != r->final)
		faults_add(&w->faults, INV_CDR_TRUTH, "the CDR says %u, the caller was told %u",
			   c->status, r->final);
	if (answered != (c->answer != 0))
		faults_add(&w->faults, INV_CDR_TRUTH, "a call with %u has an answer time of %llu",
			   r->final, (unsigned long long)c->answer);
	check_times(w, r, c);
	/* Who hangs up on whom is another question when legs change calls. */
	if (answered && !transferred)
		check_ended_by(w, c);
}

static uint64_t cdr_key(struct str call_id_in, uint64_t start)
{
	return lookup_hash(start, call_id_in);
}

static const struct core_cdr *find_cdr(const struct world *w, const struct lookup *index,
				       const struct watch_request *r)
{
	uint32_t i = lookup_get(index, cdr_key(r->call_id, wall(r->arrived_ms)));
	return i == LOOKUP_NONE ? NULL : &w->core.cdrs[i];
}

/* A transfer that we carry out is a call of its own, whose caller is one that was there already. */
static void each_call_has_one_cdr(struct world *w)
{
	const struct watch *b = &w->core.watch;
	static struct lookup index; /* memory kept from run to run */
	unsigned calls = 0, refers = 0;
	lookup_reset(&index);
	for (size_t i = 0; i < w->core.cdr_count; i++) {
		const struct core_cdr *c = &w->core.cdrs[i];
		uint64_t key = cdr_key(c->call_id_in, c->start);
		if (lookup_get(&index, key) != LOOKUP_NONE)
			faults_add(&w->faults, INV_ONE_CDR, "a call has two CDRs");
		lookup_put(&index, key, (uint32_t)i);
	}
	for (uint32_t i = 0; i < b->in_count; i++)
		refers += b->in[i].final == 202 && str_eq(b->in[i].method, STR("REFER"));
	for (uint32_t i = 0; i < b->in_count; i++) {
		const struct watch_request *r = &b->in[i];
		/* The same INVITE by two ways is one call. */
		if (!r->initial || r->final == 482)
			continue;
		const struct core_cdr *c = find_cdr(w, &index, r);
		calls++;
		if ((c == NULL) != w->want.no_cdr)
			faults_add(&w->faults, INV_ONE_CDR, "a call has %s CDR", c ? "a" : "no");
		else if (c)
			check_cdr(w, r, c, refers > 0);
	}
	if ((w->core.cdr_count < calls || w->core.cdr_count > calls + refers) && !w->want.no_cdr)
		faults_add(&w->faults, INV_ONE_CDR, "%u calls and %u transfers have %zu CDRs",
			   calls, refers, w->core.cdr_count);
}

static void counters_equal_events(struct world *w)
{
	const uint64_t *n = w->core.notices;
	struct sbc_counts c;
	const bool died = w->want.pair.on && (w->pair.twin.number > 1 || w->core.number > 1 ||
					      !w->core.running || !w->pair.twin.running);
	count_all(w, &c);
	const struct {
		const char *what;
		uint64_t a, b;
		bool right;
	} rows[] = {
		/* One that is refused at once has ended without having started. */
		{"calls started and ended", n[NOTICE_CALL_STARTED], n[NOTICE_CALL_ENDED],
		 n[NOTICE_CALL_STARTED] <= n[NOTICE_CALL_ENDED]},
		{"calls counted and ended", c.calls_total, n[NOTICE_CALL_ENDED],
		 died || c.calls_total == n[NOTICE_CALL_ENDED]},
		{"attempts begun and ended", n[NOTICE_CALL_ATTEMPT], n[NOTICE_ATTEMPT_ENDED],
		 n[NOTICE_CALL_ATTEMPT] == n[NOTICE_ATTEMPT_ENDED]},
		{"calls answered and CDRs with an answer", n[NOTICE_CALL_ANSWERED],
		 w->core.answered, n[NOTICE_CALL_ANSWERED] == w->core.answered},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!rows[i].right)
			faults_add(&w->faults, INV_COUNTERS, "%s: %llu and %llu", rows[i].what,
				   (unsigned long long)rows[i].a, (unsigned long long)rows[i].b);
}

/* What a caller knows, and what the core told it. */
static void caller_agrees(struct world *w, const struct ua *caller)
{
	if (!caller->placed || caller->vanished || caller->plan.rogue)
		return;
	const struct watch *b = &w->core.watch;
	uint16_t told = 0;
	bool known = false;
	for (int i = 0; i < UA_DIALOGS; i++) {
		const struct ua_dialog *d = &caller->dialogs[i];
		if (d->state == UA_DIALOG_FREE || !d->caller || d->second ||
		    !watch_find_call(b, d->call_id))
			continue;
		/* The last INVITE that began a dialog of this Call-ID. */
		for (uint32_t k = 0; k < b->in_count; k++)
			if (str_eq(b->in[k].call_id, d->call_id) &&
			    str_eq(b->in[k].method, STR("INVITE")) && b->in[k].initial &&
			    b->in[k].final != 482) {
				told = b->in[k].final;
				known = true;
			}
	}
	if (known && told != caller->status)
		faults_add(&w->faults, INV_AGREE, "the caller knows %u, the core told it %u",
			   caller->status, told);
	unsigned answered = 0;
	bool vanished = false;
	for (int i = 0; i < UA_COUNT; i++) {
		if (&w->uas[i] != caller)
			answered += w->uas[i].answered;
		vanished |= w->uas[i].vanished;
	}
	if (caller->status / 100 == 2 && !answered && !vanished && !w->want.rogue)
		faults_add(&w->faults, INV_AGREE,
			   "the caller was answered, and no callee had answered");
}

static void both_legs_agree(struct world *w)
{
	for (int i = 0; i < UA_COUNT; i++)
		ua_check_idle(&w->uas[i]);
	for (int i = 0; i < UA_COUNT; i++)
		caller_agrees(w, &w->uas[i]);
}

void invariants_check_core(struct world *w)
{
	if (w->core.old)
		faults_add(&w->faults, INV_SETTINGS, "the old settings are still in use");
	nothing_is_left(w);
	watch_check(&w->core.watch, w->want.silent_ok || w->want.rogue);
	each_call_has_one_cdr(w);
	counters_equal_events(w);
}

void invariants_check(struct world *w)
{
	if (check_never_count() != w->never_before)
		faults_add(&w->faults, INV_REST,
			   "what was believed impossible has happened (NEVER)");
	if (!w->quiet && !w->want.pair.on)
		faults_add(&w->faults, INV_REST, "the world never came to rest");
	if (w->want.direct) {
		for (int i = 0; i < UA_COUNT; i++)
			ua_check_idle(&w->uas[i]);
		return;
	}
	if (w->want.noisy) {
		what_is_left_is_whole(w);
		return;
	}
	invariants_check_core(w);
	both_legs_agree(w);
}
