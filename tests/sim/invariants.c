#include "invariants.h"

#include "common/check.h"

/* A spoiled message may have raised a CSeq or changed a BYE: the call then stands, but whole. */
static void what_is_left_is_whole(struct world *w)
{
	struct sbc_counts c;
	sbc_count(w->core.sbc, &c);
	if (c.client_transactions || c.server_transactions || c.timers || c.resolving)
		faults_add(&w->faults, "%u transactions, %u timers, %u questions are left",
			   c.client_transactions + c.server_transactions, c.timers, c.resolving);
	if (c.calls != c.calls_confirmed || c.legs != 2 * c.calls || c.relay_sessions != c.calls ||
	    relay_model_sessions(&w->relay) != c.calls)
		faults_add(&w->faults,
			   "%u calls, %u of them confirmed, with %u legs and %u, %u "
			   "relay sessions are left",
			   c.calls, c.calls_confirmed, c.legs, c.relay_sessions,
			   relay_model_sessions(&w->relay));
}

static void nothing_is_left(struct world *w)
{
	struct sbc_counts c;
	sbc_count(w->core.sbc, &c);
	const struct {
		const char *what;
		uint32_t left;
	} rows[] = {
		{"calls", c.calls},
		{"confirmed calls", c.calls_confirmed},
		{"legs", c.legs},
		{"client transactions", c.client_transactions},
		{"server transactions", c.server_transactions},
		{"timers", c.timers},
		{"questions to the resolver", c.resolving},
		{"relay sessions, says the core", c.relay_sessions},
		{"relay sessions, says the relay", relay_model_sessions(&w->relay)},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].left)
			faults_add(&w->faults, "%u %s are left", rows[i].left, rows[i].what);
}

static const struct core_cdr *find_cdr(const struct world *w, struct str call_id, unsigned *out_n)
{
	const struct core_cdr *found = NULL;
	*out_n = 0;
	for (size_t i = 0; i < w->core.cdr_count; i++)
		if (str_eq(w->core.cdrs[i].call_id_in, call_id)) {
			found = &w->core.cdrs[i];
			++*out_n;
		}
	return found;
}

/* Who hung up first, as far as the core could know: both may have. */
static void check_ended_by(struct world *w, const struct boundary_request *r,
			   const struct core_cdr *c)
{
	uint64_t caller = w->core.boundary.bye_ms[r->trusted];
	uint64_t callee = w->core.boundary.bye_ms[!r->trusted];
	enum cdr_side want = CDR_US;
	if (caller && (!callee || caller < callee))
		want = CDR_CALLER;
	else if (callee && (!caller || callee < caller))
		want = CDR_CALLEE;
	else if (caller && c->ended_by != CDR_US)
		return;
	/* The core may have ended it before a late BYE came. */
	if (c->ended_by != want && c->ended_by != CDR_US)
		faults_add(&w->faults, "the CDR says that side %u ended it; it was %u", c->ended_by,
			   want);
	if (c->ended_by == CDR_US && want != CDR_US && c->status == 200 &&
	    w->core.boundary.bye_ms[r->trusted] + w->core.boundary.bye_ms[!r->trusted] > 0 &&
	    c->cause.len == 0)
		faults_add(&w->faults, "the CDR says that we ended what side %u ended", want);
}

static void check_cdr(struct world *w, const struct boundary_request *r, const struct core_cdr *c)
{
	bool answered = r->final / 100 == 2;
	if (c->status != r->final)
		faults_add(&w->faults, "the CDR says %u, the caller was told %u", c->status,
			   r->final);
	if (answered != (c->answer != 0))
		faults_add(&w->faults, "a call with %u has an answer time of %llu", r->final,
			   (unsigned long long)c->answer);
	if (!c->start || c->end < c->start || (c->answer && c->answer < c->start) ||
	    (c->answer && c->end < c->answer))
		faults_add(&w->faults, "the times of the CDR do not follow each other");
	if (answered)
		check_ended_by(w, r, c);
}

static void each_call_has_one_cdr(struct world *w)
{
	const struct boundary *b = &w->core.boundary;
	unsigned calls = 0;
	for (unsigned i = 0; i < b->request_count; i++) {
		const struct boundary_request *r = &b->requests[i];
		if (!r->initial)
			continue;
		unsigned n;
		const struct core_cdr *c = find_cdr(w, r->call_id, &n);
		calls++;
		if (n != (w->want.no_cdr ? 0 : 1))
			faults_add(&w->faults, "a call has %u CDRs", n);
		else if (c)
			check_cdr(w, r, c);
	}
	if (calls != w->core.cdr_count && !w->want.no_cdr)
		faults_add(&w->faults, "%u calls have %zu CDRs", calls, w->core.cdr_count);
}

static void counters_equal_events(struct world *w)
{
	const uint64_t *n = w->core.notices;
	struct sbc_counts c;
	sbc_count(w->core.sbc, &c);
	/* One that is refused at once has ended without having started. */
	if (n[NOTICE_CALL_STARTED] > n[NOTICE_CALL_ENDED])
		faults_add(&w->faults, "%llu calls started and %llu ended",
			   (unsigned long long)n[NOTICE_CALL_STARTED],
			   (unsigned long long)n[NOTICE_CALL_ENDED]);
	if (c.calls_total != n[NOTICE_CALL_ENDED])
		faults_add(&w->faults, "%llu calls are counted, %llu ended",
			   (unsigned long long)c.calls_total,
			   (unsigned long long)n[NOTICE_CALL_ENDED]);
	if (n[NOTICE_CALL_ATTEMPT] != n[NOTICE_ATTEMPT_ENDED])
		faults_add(&w->faults, "%llu attempts began and %llu ended",
			   (unsigned long long)n[NOTICE_CALL_ATTEMPT],
			   (unsigned long long)n[NOTICE_ATTEMPT_ENDED]);
	uint64_t answered = 0;
	for (size_t i = 0; i < w->core.cdr_count; i++)
		answered += w->core.cdrs[i].answer != 0;
	if (n[NOTICE_CALL_ANSWERED] != answered)
		faults_add(&w->faults, "%llu calls were told as answered, CDRs say %llu",
			   (unsigned long long)n[NOTICE_CALL_ANSWERED],
			   (unsigned long long)answered);
}

/* What a caller knows, and what the core told it. */
static void caller_agrees(struct world *w, const struct ua *caller)
{
	if (!caller->placed || caller->vanished)
		return;
	const struct boundary_request *r = NULL;
	for (int i = 0; i < UA_DIALOGS; i++)
		if (caller->dialogs[i].state != UA_DIALOG_FREE && caller->dialogs[i].caller)
			r = boundary_find_call(&w->core.boundary, caller->dialogs[i].call_id);
	if (r && r->final != caller->status)
		faults_add(&w->faults, "the caller knows %u, the core told it %u", caller->status,
			   r->final);
	unsigned answered = 0;
	bool vanished = false;
	for (int i = 0; i < UA_COUNT; i++) {
		if (&w->uas[i] != caller)
			answered += w->uas[i].answered;
		vanished |= w->uas[i].vanished;
	}
	if (caller->status / 100 == 2 && !answered && !vanished)
		faults_add(&w->faults, "the caller was answered, and no callee had answered");
}

static void both_legs_agree(struct world *w)
{
	for (int i = 0; i < UA_COUNT; i++)
		ua_check_idle(&w->uas[i]);
	for (int i = 0; i < UA_COUNT; i++)
		caller_agrees(w, &w->uas[i]);
}

void invariants_check(struct world *w)
{
	if (check_never_count() != w->never_before)
		faults_add(&w->faults, "what was believed impossible has happened (NEVER)");
	if (!w->quiet)
		faults_add(&w->faults, "the world never came to rest");
	if (w->want.direct) {
		for (int i = 0; i < UA_COUNT; i++)
			ua_check_idle(&w->uas[i]);
		return;
	}
	if (w->core.old)
		faults_add(&w->faults, "the old settings are still in use");
	if (w->want.noisy) {
		what_is_left_is_whole(w);
		return;
	}
	nothing_is_left(w);
	boundary_check(&w->core.boundary, w->want.silent_ok);
	each_call_has_one_cdr(w);
	counters_equal_events(w);
	both_legs_agree(w);
}
