#include "sbc/core/fraud_watch.h"

#include "sbc/core/call.h"
#include "sbc/core/fraud_end.h"
#include "sbc/core/keepout.h"
#include "sbc/core/leg.h"
#include "sbc/core/reg.h"
#include "sbc/core/worker.h"

/* ---- facts */

/* As it was begun, at the time of now, by the settings of now. */
static struct facts facts_of(const struct sbc *s, const struct fraud_watch *w)
{
	const struct aor *user = w->user != ID_NONE ? bind_get_aor(&s->binds, w->user) : NULL;
	struct facts f = {.realm = worker_realm_named(s->settings, w->realm),
			  .trunk = worker_trunk_named(s->settings, w->trunk),
			  .source = w->source,
			  .spoofable = w->spoofable,
			  .country = {w->country[0], w->country[1]},
			  .method = STR("INVITE"),
			  .user = user ? user->name : STR_NONE,
			  .caller = w->caller,
			  .number = w->number,
			  .cause = (enum facts_cause)w->cause,
			  .diversions = w->diversions,
			  .now_ms = s->now_ms,
			  .wall_ms = s->wall_ms};

	return f;
}

/* ---- life */

static bool wants_calls(const struct fraud_state *s)
{
	return fraud_wants(s, FRAUD_AT_ANSWER) || fraud_wants(s, FRAUD_AT_PULSE) ||
	       fraud_wants(s, FRAUD_AT_EARLY) || fraud_wants(s, FRAUD_AT_END) || s->ends_calls;
}

static struct str keep_name(struct sbc *s, struct str name)
{
	return name.len ? block_str(&s->blocks, name) : STR_NONE;
}

void fraud_watch_begin(struct sbc *s, struct call *c, const struct facts *f)
{
	if (f->emergency || c->watch || !wants_calls(&s->policy.fraud))
		return;
	struct fraud_watch *w = block_new(&s->blocks, sizeof(*w));
	const struct aor *user = f->user.len ? bind_find_aor(&s->binds, f->user) : NULL;
	const struct settings *set = c->settings;

	if (!w) /* what has no memory left is not counted; its limits refuse it soon */
		return;
	*w = (struct fraud_watch){.call = c->id,
				  .source = f->source,
				  .user = user ? user->id : ID_NONE,
				  .number = keep_name(s, f->number),
				  .caller = keep_name(s, f->caller),
				  .country = {f->country[0], f->country[1]},
				  .spoofable = f->spoofable,
				  .side = 1,
				  .start_ms = s->now_ms,
				  .cause = (uint8_t)f->cause,
				  .diversions = f->diversions};
	if (f->realm < set->realm_count)
		w->realm = keep_name(s, set->realms[f->realm].name);
	if (f->trunk < set->trunk_count)
		w->trunk = keep_name(s, set->trunks[f->trunk].name);
	timer_init(&w->alarm.timer);
	c->watch = w;
}

static void free_watch(struct sbc *s, struct fraud_watch *w)
{
	worker_stop_alarm(s, &w->alarm);
	block_str_free(&s->blocks, &w->number);
	block_str_free(&s->blocks, &w->caller);
	block_str_free(&s->blocks, &w->realm);
	block_str_free(&s->blocks, &w->trunk);
	block_free(&s->blocks, w, sizeof(*w));
}

void fraud_watch_free(struct sbc *s, struct call *c)
{
	while (c->watch) {
		struct fraud_watch *w = c->watch;
		c->watch = w->next;
		free_watch(s, w);
	}
}

void fraud_watch_move(struct call *from, unsigned a, struct call *to, unsigned b)
{
	struct fraud_watch **at = &from->watch;

	while (*at) {
		struct fraud_watch *w = *at;
		if (w->side != a) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = to->watch;
		w->call = to->id;
		w->side = (uint8_t)b;
		to->watch = w;
	}
}

/* ---- what is to be done */

static void tell(struct sbc *s, const struct consequence *x)
{
	struct notice n = worker_notice(s, NOTICE_FRAUD);

	n.todo = x;
	if (x->subject.kind == SUBJECT_SOURCE)
		n.source = x->subject.source.addr;
	worker_publish(s, &n);
}

static void mark(struct sbc *s, struct fraud_watch *w, struct str rule)
{
	rule.len = rule.len < sizeof(w->rule) ? rule.len : sizeof(w->rule) - 1;
	memcpy(w->rule, rule.p ? rule.p : "", rule.len);
	w->rule[rule.len] = '\0';
	w->ends = true;
	worker_alarm(s, &w->alarm, ALARM_FRAUD, s->now_ms);
}

void fraud_watch_end(struct sbc *s, struct call *c, const struct consequence *x)
{
	for (struct fraud_watch *w = c->watch; w; w = w->next) {
		const struct facts f = facts_of(s, w);
		if (!w->ends && fraud_is_meant(&s->settings->policy, &s->policy.fraud, &f, x))
			mark(s, w, x->rule);
	}
}

void fraud_watch_carry_out(struct sbc *s, struct consequences *l)
{
	keepout_carry_out(s, l);
	for (size_t i = 0; i < l->count; i++) {
		tell(s, &l->list[i]);
		if (l->list[i].type == CONSEQUENCE_END_CALLS)
			fraud_end_order(s, &l->list[i]);
	}
	l->count = 0;
}

static void step(struct sbc *s, const struct facts *f, const struct fraud_event *e)
{
	struct consequences out = {.count = 0};

	fraud_step(&s->settings->policy, &s->policy.fraud, f, e, &out);
	if (out.count)
		fraud_watch_carry_out(s, &out);
}

/* ---- while it lasts */

/* One pulse more, before it begins; the next is due when it is over. */
static void pulse(struct sbc *s, struct fraud_watch *w)
{
	const struct facts f = facts_of(s, w);
	const struct fraud_event e = {.moment = (enum fraud_moment)w->accrues,
				      .pulse_ms = FRAUD_PULSE_MS};

	worker_alarm(s, &w->alarm, ALARM_FRAUD, s->now_ms + FRAUD_PULSE_MS);
	step(s, &f, &e);
}

static void accrue(struct sbc *s, struct fraud_watch *w, enum fraud_moment m)
{
	const struct facts f = facts_of(s, w);

	w->accrues = FRAUD_AT_NONE;
	if (!w->ends)
		worker_stop_alarm(s, &w->alarm);
	if (w->ends || !fraud_accrues(&s->settings->policy, &s->policy.fraud, &f, m))
		return;
	w->accrues = (uint8_t)m;
	pulse(s, w);
}

/* The one that is not answered yet: others came with a callee of another call. */
static struct fraud_watch *open_watch(const struct call *c)
{
	struct fraud_watch *w = c->watch;

	while (w && w->answer_ms)
		w = w->next;
	return w;
}

void fraud_watch_early(struct sbc *s, struct call *c)
{
	struct fraud_watch *w = open_watch(c);

	if (w && w->accrues == FRAUD_AT_NONE)
		accrue(s, w, FRAUD_AT_EARLY);
}

/* Who was sent on by a 3xx pays for where it came to. */
static void note_number(struct sbc *s, const struct call *c, struct fraud_watch *w)
{
	const struct call_record *r = &c->record;
	const struct call_attempt *last =
		r->attempt_count ? &r->attempts[r->attempt_count - 1] : NULL;

	if (!last || !last->number)
		return;
	struct str number = block_str(&s->blocks, call_attempt_number(c, last));
	if (!number.len)
		return;
	block_str_free(&s->blocks, &w->number);
	w->number = number;
	w->cause = FACTS_REDIRECTED;
}

void fraud_watch_answered(struct sbc *s, struct call *c)
{
	struct fraud_watch *w = open_watch(c);

	if (!w)
		return;
	w->answer_ms = s->now_ms;
	w->spoofable = false; /* whoever asked has answered us */
	note_number(s, c, w);
	if (fraud_wants(&s->policy.fraud, FRAUD_AT_ANSWER)) {
		const struct facts f = facts_of(s, w);
		step(s, &f, &(struct fraud_event){.moment = FRAUD_AT_ANSWER});
	}
	accrue(s, w, FRAUD_AT_PULSE);
}

/* The rule's name as the call's own settings have it: it outlives the settings of now. */
static struct str rule_of(const struct call *c, const struct fraud_watch *w)
{
	const struct fraud_config *rules = c->settings->policy.fraud;

	for (size_t i = 0; rules && i < rules->count; i++)
		if (str_eq(rules->rules[i].name, str_from(w->rule)))
			return rules->rules[i].name;
	return STR("fraud");
}

void fraud_watch_on_alarm(struct sbc *s, struct fraud_watch *w)
{
	struct call *c = call_find(s, w->call);

	if (NEVER(!c))
		return;
	if (!w->ends) {
		accrue(s, w, (enum fraud_moment)w->accrues);
		return;
	}
	struct call_ending why = {.by = CDR_US, .rule = rule_of(c, w), .sip_cause = 403};
	if (c->setup)
		call_refuse(s, c, 403, STR_NONE, STR_NONE, &why);
	else
		call_end(s, c, &why);
}

/* ---- its end */

static enum fraud_measure outcome(const struct fraud_watch *w, const struct call_ending *why)
{
	if (w->answer_ms)
		return FRAUD_ANSWERED;
	if (why->rule.len) /* a rule of ours: counted as a refusal */
		return FRAUD_NOTHING;
	return why->by == CDR_CALLER ? FRAUD_UNANSWERED : FRAUD_FAILED;
}

void fraud_watch_ended(struct sbc *s, struct call *c, const struct call_ending *why)
{
	struct consequences out = {.count = 0};

	for (const struct fraud_watch *w = c->watch; w; w = w->next) {
		const struct facts f = facts_of(s, w);
		const uint64_t until = w->answer_ms ? w->answer_ms : s->now_ms;
		const struct fraud_event e = {
			.moment = FRAUD_AT_END,
			.measure = outcome(w, why),
			.past = {.duration_ms =
					 w->answer_ms ? (uint32_t)(s->now_ms - w->answer_ms) : 0,
				 .ring_ms = (uint32_t)(until - w->start_ms)}};
		if (fraud_wants(&s->policy.fraud, FRAUD_AT_END))
			fraud_step(&s->settings->policy, &s->policy.fraud, &f, &e, &out);
	}
	/* Subjects of `out` are views into the watches. */
	struct fraud_watch *gone = c->watch;
	c->watch = NULL;
	if (out.count)
		fraud_watch_carry_out(s, &out);
	while (gone) {
		struct fraud_watch *w = gone;
		gone = w->next;
		free_watch(s, w);
	}
}

/* ---- what is no call */

void fraud_watch_refused(struct sbc *s, const struct settings *settings, const struct flow *f,
			 uint16_t trunk, const struct verdict *v)
{
	/* What fails on our side is not the asker's doing. */
	if (!fraud_wants(&s->policy.fraud, FRAUD_AT_REFUSAL) || v->status >= 500)
		return;
	struct facts facts = leg_facts(s->settings, f, NULL);
	facts.trunk = settings == s->settings ? trunk : SETTINGS_NO_INDEX;
	facts.spoofable = s->unproven;
	facts.now_ms = s->now_ms;
	facts.wall_ms = s->wall_ms;
	step(s, &facts,
	     &(struct fraud_event){.moment = FRAUD_AT_REFUSAL, .past = {.stage = v->stage}});
}

void fraud_watch_registered(struct sbc *s, const struct flow *f, uint16_t trunk, struct str user,
			    bool wrong)
{
	if (!fraud_wants(&s->policy.fraud, FRAUD_AT_REGISTER))
		return;
	struct facts facts = leg_facts(s->settings, f, NULL);
	facts.trunk = trunk;
	facts.user = user;
	facts.method = STR("REGISTER");
	facts.now_ms = s->now_ms;
	facts.wall_ms = s->wall_ms;
	step(s, &facts,
	     &(struct fraud_event){.moment = FRAUD_AT_REGISTER,
				   .measure = wrong ? FRAUD_BAD_REGISTRATIONS : FRAUD_NOTHING});
}
