#include "sbc/core/setup.h"

#include "policy/route.h"
#include "sbc/core/judge.h"
#include "sbc/core/redirect.h"
#include "sbc/core/fraud_watch.h"

/*
 * A 3xx of the callee, by its trunk's habit: the caller hears 480; hears it with the new numbers at our own address; or we call
 * there ourselves, within limits (checklist: count, loops, each one through policy again).
 */

static struct str number_of(const struct call *c, uint8_t number)
{
	const struct redirects *r = c->redirects;

	return number && r && number <= r->count ? r->number[number - 1]
						 : call_text(c, CALL_TO_NUMBER);
}

struct str call_number(const struct call *c)
{
	return number_of(c, c->setup ? c->setup->target.number : 0);
}

struct str call_attempt_number(const struct call *c, const struct call_attempt *a)
{
	return number_of(c, a->number);
}

/* ---- follow */

/* Was it tried before, or will it be? */
static bool is_known_target(const struct call *c, const struct hunt_target *t, struct str number)
{
	const struct hunt *h = &c->setup->hunt;

	for (size_t i = 0; i < h->count; i++)
		if (h->list[i].trunk == t->trunk && h->list[i].peer == t->peer &&
		    str_eq(number_of(c, h->list[i].number), number))
			return true;
	return false;
}

/* 0: no room. */
static uint8_t keep_number(struct sbc *s, struct call *c, struct str number)
{
	if (!c->redirects) {
		c->redirects = block_new(&s->blocks, sizeof(*c->redirects));
		if (!c->redirects)
			return 0;
		*c->redirects = (struct redirects){.count = 0};
	}
	struct redirects *r = c->redirects;
	if (r->count == REDIRECTS_MAX)
		return 0;
	r->number[r->count] = block_str(&s->blocks, number);
	return r->number[r->count].len ? ++r->count : 0;
}

void call_free_redirects(struct sbc *s, struct call *c)
{
	struct redirects *r = c->redirects;

	c->redirects = NULL;
	for (size_t i = 0; r && i < r->count; i++)
		block_str_free(&s->blocks, &r->number[i]);
	block_free(&s->blocks, r, sizeof(*r));
}

/* Is the number that a 3xx names one that rules of fraud let the caller have? */
static struct verdict judge_redirect(struct sbc *s, const struct call *c, const struct facts *of,
				     struct str number)
{
	struct facts facts = *of;
	const struct aor *user =
		c->leg[0].user != ID_NONE ? bind_get_aor(&s->binds, c->leg[0].user) : NULL;

	facts.number = number;
	facts.caller = call_text(c, CALL_FROM_NUMBER);
	facts.user = user ? user->name : STR_NONE;
	facts.emergency = route_is_emergency(&c->settings->policy, number);
	const struct policy_ask ask = judge_ask(s, c->settings, &facts);
	struct verdict v = policy_run(&ask, VERDICT_STAGE_FRAUD, VERDICT_STAGE_FRAUD);
	if (s->decision.todo.count)
		fraud_watch_carry_out(s, &s->decision.todo);
	if (v.outcome != VERDICT_ALLOW)
		worker_refused(s, c->settings, &c->setup->asking_flow, NULL, of->trunk, &v);
	return v;
}

static bool grant(struct sbc *s, struct call *c, const struct redirect_wish *w, size_t at)
{
	struct setup *u = c->setup;
	struct facts facts = leg_facts(c->settings, &u->asking_flow, NULL);
	struct hunt_target t;

	facts.trunk = u->asking_trunk;
	facts.method = STR("INVITE");
	facts.random = rng_u32(&s->rng);
	facts.cause = FACTS_REDIRECTED;
	facts.now_ms = s->now_ms;
	facts.wall_ms = s->wall_ms;
	if (judge_redirect(s, c, &facts, redirect_number(w)).outcome != VERDICT_ALLOW)
		return false;
	const bool spared =
		u->emergency || route_is_emergency(&c->settings->policy, redirect_number(w));
	if (redirect_find(c->settings, &facts, w, u->sips, &t) != OK ||
	    !(spared ? peers_is_up : peers_takes_calls)(&s->peers, c->settings, t.trunk, t.peer) ||
	    is_known_target(c, &t, redirect_number(w)))
		return false;
	t.number = keep_number(s, c, redirect_number(w));
	return t.number && hunt_insert(&u->hunt, at, &t);
}

bool setup_follow(struct sbc *s, struct call *c, const struct msg *m)
{
	struct setup *u = c->setup;
	struct redirect_wish wishes[REDIRECTS_MAX];
	uint8_t most = c->settings->trunks[u->target.trunk].habits.redirects;
	size_t n = redirect_read(m, wishes, ARRAY_LEN(wishes)), granted = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t so_far = c->redirects ? c->redirects->count : 0;
		if (so_far < most && grant(s, c, &wishes[i], granted))
			granted++;
	}
	return granted > 0;
}

static bool follow(struct sbc *s, struct call *c, const struct msg *m)
{
	const struct setup *u = c->setup;

	if (setup_follow(s, c, m)) {
		setup_moved(s, c, m->status, 0);
		return true;
	}
	worker_refused(s, c->settings, &c->leg[1].flow, m, u->target.trunk,
		       &(struct verdict){.outcome = VERDICT_REJECT,
					 .stage = VERDICT_STAGE_ROUTE,
					 .status = 480,
					 .rule = STR("redirect")});
	return false;
}

/* ---- pass */

/* Only of hosts that are peers, so that the number is one of this site; the same number again would only come back to us. */
static bool write_contacts(struct sbc *s, const struct call *c, const struct msg *m)
{
	struct redirect_wish wishes[REDIRECTS_MAX];
	size_t n = redirect_read(m, wishes, ARRAY_LEN(wishes));
	const struct leg *l = &c->leg[0];
	bool any = false;

	buf_reset(&s->lines);
	for (size_t i = 0; i < n; i++) {
		struct str number = redirect_number(&wishes[i]);
		if (!redirect_is_known(c->settings, &wishes[i]) ||
		    str_eq(number, call_text(c, CALL_TO_NUMBER)))
			continue;
		any = true;
		buf_lit(&s->lines, "Contact: <");
		build_contact(&s->lines, l->dialog.secure, number,
			      &c->settings->listeners[l->flow.listener].local, l->flow.transport);
		buf_printf(&s->lines, ">;q=%u.%03u\r\n", wishes[i].q / 1000u, wishes[i].q % 1000u);
	}
	return any && !s->lines.overflow;
}

static bool pass(struct sbc *s, struct call *c, const struct msg *m)
{
	struct call_ending why = {.by = CDR_CALLEE, .q850 = call_q850(m), .answer = m};
	uint16_t status = m->status <= 302 ? m->status : 302;

	if (!write_contacts(s, c, m))
		return false;
	setup_attempt_ended(s, c, m->status, 0);
	c->setup->txn = ID_NONE;
	call_refuse(s, c, status, STR_NONE, (struct str){s->lines.p, s->lines.len}, &why);
	return true;
}

bool setup_redirect(struct sbc *s, struct call *c, const struct msg *m)
{
	if (m->status >= 400)
		return false;
	switch (c->settings->trunks[c->setup->target.trunk].habits.redirect) {
	case REDIRECT_FOLLOW: return follow(s, c, m);
	case REDIRECT_PASS: return pass(s, c, m);
	case REDIRECT_REJECT:
	case REDIRECT_POLICY_COUNT: break;
	}
	return false;
}
