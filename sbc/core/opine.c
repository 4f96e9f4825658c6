#include "sbc/core/opine.h"

#include "policy/opinion.h"
#include "sbc/core/judge.h"
#include "sbc/core/setup.h"
#include "sbc/core/setup_judge.h"

static const struct opinion_rule *rule_of(const struct call *c)
{
	return c->settings->policy.opinion;
}

/* ---- what is told */

static void tell(struct sbc *s, struct call *c, struct str why)
{
	char mem[320];
	struct buf name;

	buf_init(&name, mem, sizeof(mem));
	struct notice n = call_notice(s, c, NOTICE_OPINION, &name);
	n.why = why;
	worker_publish(s, &n);
}

static void tell_rest(struct sbc *s, const struct settings *set, uint32_t seconds)
{
	struct notice n = worker_notice(s, NOTICE_OPINION_RESTS);

	n.settings = set;
	n.seconds = seconds;
	worker_publish(s, &n);
}

/* ---- what it comes to */

/* The answer sends the call to that trunk, and nowhere else. */
static struct verdict send_to(struct sbc *s, struct call *c, uint16_t trunk)
{
	struct route_rule route = c->settings->policy.routes[c->record.route];
	struct hunt_params p = {.settings = c->settings,
				.route = &route,
				.secure_only = c->setup->sips,
				.number = call_text(c, CALL_TO_NUMBER),
				.is_up = peers_takes_calls,
				.ctx = &s->peers};

	route.to[0] = trunk;
	route.to_count = 1;
	route.strategy = ROUTE_FAILOVER;
	if (hunt_init(&c->setup->hunt, &p, &s->rng) == HUNT_OK)
		return (struct verdict){.outcome = VERDICT_ALLOW};
	return setup_verdict(VERDICT_STAGE_ROUTE, 503, STR_NONE, STR("peers-down"));
}

/* The verdict is carried out. False: the call has been refused, and is over. */
static bool apply(struct sbc *s, struct call *c, struct verdict v, uint16_t trunk, struct str why)
{
	struct setup *u = c->setup;
	struct facts facts = {.trunk = c->leg[0].trunk};
	const struct policy_ask ask = judge_ask(s, c->settings, &facts);

	u->opine = OPINE_GIVEN;
	tell(s, c, why);
	policy_add(&ask, &v);
	if (v.outcome == VERDICT_ALLOW && trunk != POLICY_NO_INDEX)
		v = send_to(s, c, trunk);
	if (v.outcome == VERDICT_ALLOW)
		return true;
	(void)NEVER(msg_index(&s->held, u->invite, 0) != OK); /* it was read when it came */
	call_refuse_by(s, c, &s->held, &v);
	return false;
}

/* Nobody said anything that counts. */
static bool apply_failed(struct sbc *s, struct call *c, struct str why)
{
	uint16_t trunk;

	const struct verdict v = opinion_judge(&c->settings->policy, NULL, &trunk);

	return apply(s, c, v, trunk, why);
}

/* ---- by HTTP */

static void note_failure(struct sbc *s, const struct settings *set)
{
	const struct breaker_rule *r = &set->opinion.breaker;

	if (breaker_failed(&s->opine.breaker, r, s->now_ms))
		tell_rest(s, set, (r->rest_ms + 999) / 1000);
}

/* The question is open. False: *out_why says why not. */
static bool post(struct sbc *s, struct call *c, struct str json, struct str *out_why)
{
	const struct opinion_settings *o = &c->settings->opinion;
	struct setup *u = c->setup;

	*out_why = STR("full");
	if (s->opine.in_flight >= o->in_flight)
		return false;
	*out_why = STR("resting");
	if (!breaker_ask(&s->opine.breaker, s->now_ms))
		return false;
	const uint32_t timeout_ms = rule_of(c)->timeout_ms;
	u->ask = worker_ask_opinion(s, c->id, &(struct opinion_query){o, json, timeout_ms});
	if (u->ask == ID_NONE) {
		breaker_dropped(&s->opine.breaker, s->now_ms);
		*out_why = STR("full");
		return false;
	}
	s->opine.in_flight++;
	u->stage = SETUP_OPINION;
	worker_alarm(s, &u->alarm, ALARM_SETUP, s->now_ms + timeout_ms);
	return true;
}

/* As opine_begin. */
static bool ask(struct sbc *s, struct call *c, const struct facts *facts)
{
	const struct policy_config *policy = &c->settings->policy;
	char mem[OPINION_QUESTION_MAX], name_mem[320];
	struct buf json, name;
	struct str why;

	buf_init(&json, mem, sizeof(mem));
	buf_init(&name, name_mem, sizeof(name_mem));
	call_write_name(&name, s, c);
	opinion_write(&json, policy, facts, buf_view(&name));
	if (json.overflow)
		return !apply(s, c, opinion_judge_too_long(policy), POLICY_NO_INDEX,
			      STR("too-long"));
	return post(s, c, buf_view(&json), &why) || !apply_failed(s, c, why);
}

/* It waits no longer. */
static void stop_waiting(struct sbc *s, struct setup *u)
{
	worker_stop_alarm(s, &u->alarm);
	u->ask = ID_NONE;
	u->stage = SETUP_OFFERING;
	if (!NEVER(s->opine.in_flight == 0))
		s->opine.in_flight--;
}

void opine_on_answer(struct sbc *s, struct call *c, id_t64 id, const struct event *e)
{
	struct setup *u = c->setup;
	struct opinion_answer answer;
	uint16_t trunk;
	static const struct str words[OPINION_WORD_COUNT] = {[OPINION_ACCEPT] = STR("accept"),
							     [OPINION_REJECT] = STR("reject"),
							     [OPINION_ROUTE] = STR("route")};

	if (u->stage != SETUP_OPINION || u->ask != id)
		return;
	stop_waiting(s, u);
	bool heard = e->opinion.status == 200;
	bool read = heard && opinion_read(e->opinion.body, &s->arena, &answer) == OK;
	struct verdict v = opinion_judge(&c->settings->policy, read ? &answer : NULL, &trunk);
	/* Who answers what nobody can use is as little help as who does not answer. */
	if (!read || v.failed)
		note_failure(s, c->settings);
	else if (breaker_worked(&s->opine.breaker))
		tell_rest(s, c->settings, 0);
	struct str why = !heard              ? STR("failed")
			 : !read || v.failed ? STR("bad")
					     : words[answer.word];
	if (apply(s, c, v, trunk, why))
		setup_go_on(s, c);
}

void opine_on_alarm(struct sbc *s, struct call *c)
{
	struct setup *u = c->setup;

	pool_free(&s->asks, u->ask); /* a late answer finds nothing */
	stop_waiting(s, u);
	note_failure(s, c->settings);
	if (apply_failed(s, c, STR("late")))
		setup_go_on(s, c);
}

void opine_forget(struct sbc *s, struct setup *u)
{
	if (u->stage != SETUP_OPINION)
		return;
	pool_free(&s->asks, u->ask);
	stop_waiting(s, u);
	breaker_dropped(&s->opine.breaker, s->now_ms);
}

/* ---- by a trunk */

/* Its peers come first. False: none of them can be asked. */
static bool call_first(struct sbc *s, struct call *c)
{
	struct route_rule route = {.to = {rule_of(c)->trunk}, .to_count = 1};
	struct hunt_params p = {.settings = c->settings,
				.route = &route,
				.secure_only = c->setup->sips,
				.is_up = peers_takes_calls,
				.ctx = &s->peers};
	struct hunt service;
	size_t n = 0;

	if (hunt_init(&service, &p, &s->rng) != HUNT_OK)
		return false;
	for (size_t i = 0; i < service.count; i++) {
		service.list[i].opinion = true;
		n += hunt_insert(&c->setup->hunt, n, &service.list[i]);
	}
	c->setup->opine = OPINE_CALLED;
	return n > 0;
}

bool opine_begin(struct sbc *s, struct call *c, const struct facts *facts)
{
	if (!rule_of(c) || !opinion_is_wanted(&c->settings->policy, facts))
		return false;
	if (rule_of(c)->trunk == POLICY_NO_INDEX)
		return ask(s, c, facts);
	return !call_first(s, c) && !apply_failed(s, c, STR("failed"));
}

struct verdict opine_guess(struct sbc *s, const struct settings *set, const struct facts *facts,
			   bool secure, bool *out_asked)
{
	const struct opinion_answer accept = {.word = OPINION_ACCEPT};
	const struct opinion_rule *r = set->policy.opinion;
	char mem[OPINION_QUESTION_MAX], name_mem[320];
	struct buf json, name;
	uint16_t trunk;

	*out_asked = false;
	if (!r || !opinion_is_wanted(&set->policy, facts))
		return (struct verdict){.outcome = VERDICT_ALLOW};
	if (r->trunk != POLICY_NO_INDEX) {
		struct route_rule route = {.to = {r->trunk}, .to_count = 1};
		struct hunt_params p = {.settings = set,
					.route = &route,
					.secure_only = secure,
					.is_up = peers_takes_calls,
					.ctx = &s->peers};
		struct rng rng = s->rng; /* chance is not ours to use up */
		struct hunt service;
		*out_asked = hunt_init(&service, &p, &rng) == HUNT_OK;
		return opinion_judge(&set->policy, *out_asked ? &accept : NULL, &trunk);
	}
	buf_init(&json, mem, sizeof(mem));
	buf_init(&name, name_mem, sizeof(name_mem));
	buf_str(&name, set->node);
	buf_char(&name, '-');
	buf_bytes(&name, s->boot, s->boot_len);
	buf_char(&name, '-');
	buf_u64(&name, s->counts.total + 1); /* that it would have */
	opinion_write(&json, &set->policy, facts, buf_view(&name));
	if (json.overflow)
		return opinion_judge_too_long(&set->policy);
	*out_asked = s->opine.in_flight < set->opinion.in_flight &&
		     breaker_would_ask(&s->opine.breaker, s->now_ms);
	return opinion_judge(&set->policy, *out_asked ? &accept : NULL, &trunk);
}

bool opine_pass_over(struct sbc *s, struct call *c)
{
	return apply_failed(s, c, STR("failed"));
}

void opine_on_failure(struct sbc *s, struct call *c, uint16_t status, unsigned cause)
{
	/* Nobody was there, and no time is lost: perhaps its next peer is. */
	if (cause == ROUTE_CAUSE_CONNECT || cause == ROUTE_CAUSE_TLS) {
		setup_moved(s, c, status, cause);
		return;
	}
	setup_leave(s, c, status, cause);
	struct str why = cause == ROUTE_CAUSE_TIMEOUT ? STR("late") : STR("bad");
	if (apply_failed(s, c, why))
		setup_moved(s, c, status, cause);
}

bool opine_on_response(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f)
{
	struct setup *u = c->setup;

	if (m->status < 200) { /* its time runs whatever it says meanwhile */
		u->heard = true;
		return true;
	}
	if (m->status == 401 || m->status == 407 || m->status == 422)
		return false;
	if (m->status < 300) /* it is asked, not called: ACK, BYE */
		call_on_orphan(s, u->txn, m, f, false);
	struct verdict v = opinion_judge_status(&c->settings->policy, m->status);
	bool moved = m->status >= 300 && m->status < 400;
	if (moved) {
		u->opine = OPINE_GIVEN;
		if (setup_follow(s, c, m)) {
			tell(s, c, STR("route"));
			setup_moved(s, c, m->status, 0);
			return true;
		}
		u->opine = OPINE_CALLED;
	}
	if (v.failed || moved) {
		opine_on_failure(s, c, m->status, 0);
		return true;
	}
	setup_leave(s, c, m->status, 0);
	if (apply(s, c, v, POLICY_NO_INDEX,
		  v.outcome == VERDICT_ALLOW ? STR("accept") : STR("reject")))
		setup_moved(s, c, m->status, 0);
	return true;
}
