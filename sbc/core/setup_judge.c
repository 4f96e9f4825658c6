#include "sbc/core/setup_judge.h"

#include "policy/number.h"
#include "policy/route.h"
#include "sbc/core/call.h"
#include "sbc/core/identity.h"
#include "sbc/core/reg.h"
#include "sbc/core/setup.h"
#include "sbc/core/worker.h"
#include "sbc/core/history.h"
#include "sbc/core/stored.h"

struct verdict setup_verdict(enum verdict_stage stage, uint16_t status, struct str reason,
			     struct str rule)
{
	return (struct verdict){.outcome = VERDICT_REJECT,
				.stage = stage,
				.status = status,
				.reason = reason,
				.rule = rule};
}

static struct verdict allow(void)
{
	return (struct verdict){.outcome = VERDICT_ALLOW};
}

static const struct number_rules *numbers_in(const struct settings *s, uint16_t trunk)
{
	return trunk < s->trunk_count ? s->trunks[trunk].caller.numbers_in : NULL;
}

struct str setup_caller(const struct settings *set, uint16_t trunk, const struct msg *m,
			char mem[SETUP_NUMBER_MAX])
{
	char raw_mem[SETUP_NUMBER_MAX];
	struct buf raw, b;
	struct name_addr a;
	struct uri u;

	buf_init(&raw, raw_mem, sizeof(raw_mem));
	buf_init(&b, mem, SETUP_NUMBER_MAX);
	if (name_addr_parse(m->from, &a) != OK || uri_parse(a.uri, &u) != OK ||
	    uri_write_number(&raw, &u) != OK)
		return STR_NONE;
	struct str number = number_of(numbers_in(set, trunk), NUMBER_FROM, buf_view(&raw), &b);
	if (number.p >= raw_mem && number.p < raw_mem + sizeof(raw_mem)) { /* no rule matched */
		buf_reset(&b);
		buf_str(&b, number);
		number = buf_view(&b);
	}
	return number;
}

/* Before anything is made of it: what no policy could make right. */
static struct verdict judge_invite(const struct settings *set, const struct msg *m,
				   const struct flow *f, const struct uri *uri, uint16_t trunk)
{
	struct verdict v = allow();
	enum reliable_policy p =
		trunk < set->trunk_count ? set->trunks[trunk].habits.reliable : RELIABLE_SUPPORTED;
	bool requires = msg_has_token(m, HDR_REQUIRE, STR("100rel"));

	if (uri->scheme == URI_SIPS &&
	    !transport_is_secure(f->transport)) { /* RFC 5630 §3.1, §5.3 */
		v = setup_verdict(VERDICT_STAGE_PARSE, 480, STR_NONE, STR("sips_transport"));
		v.warn_code = 380;
		v.warn_text = STR("SIPS Not Allowed");
	} else if (p == RELIABLE_OFF && requires) {
		v = setup_verdict(VERDICT_STAGE_PARSE, 420, STR_NONE, STR("reliable"));
	} else if (p == RELIABLE_REQUIRE && !requires &&
		   !msg_has_token(m, HDR_SUPPORTED, STR("100rel"))) {
		v = setup_verdict(VERDICT_STAGE_PARSE, 421, STR_NONE, STR("reliable"));
	}
	return v;
}

static uint8_t count_diversions(const struct msg *m)
{
	struct history h;
	unsigned n = 0;

	history_read(m, &h);
	for (size_t i = 0; i < h.count; i++)
		n += h.entry[i].counter;
	return n > UINT8_MAX ? UINT8_MAX : (uint8_t)n;
}

/* The number that is called, as we write it, and what policy is told of the call. */
static void fill_facts(const struct policy_ask *a, const struct settings *set, const struct msg *m,
		       struct setup_asked *out)
{
	struct facts *f = a->facts;
	struct buf called;

	buf_init(&called, out->mem[1], sizeof(out->mem[1]));
	out->called = number_of(numbers_in(set, f->trunk), NUMBER_TO, out->dialled, &called);
	out->caller = setup_caller(set, f->trunk, m, out->mem[2]);
	f->method = m->method_text;
	f->domain = out->uri.host;
	f->number = out->called;
	f->diversions = a->config->fraud ? count_diversions(m) : 0;
	f->caller = out->caller;
	/* The number is looked at in both forms: no rule of ours may hide that someone calls for help. */
	f->emergency =
		route_is_emergency(a->config, out->dialled) ||
		(!str_eq(out->dialled, out->called) && route_is_emergency(a->config, out->called));
}

struct verdict setup_read(struct sbc *s, const struct policy_ask *a, const struct msg *m,
			  const struct flow *f, struct setup_asked *out)
{
	const uint16_t trunk = a->facts->trunk;
	struct uri address;
	struct buf number;

	out->contact = NULL;
	buf_init(&number, out->mem[0], sizeof(out->mem[0]));
	if (uri_parse(m->uri, &out->uri) != OK ||
	    uri_parse(enrol_called(s->settings, trunk, m), &address) != OK ||
	    uri_write_number(&number, &address) != OK)
		return setup_verdict(VERDICT_STAGE_PARSE, 400, STR("Bad Request-URI"),
				     STR("request_uri"));
	/* A number that is cut, or none at all, would go another way than the one that was dialled. */
	if (number.overflow)
		return setup_verdict(VERDICT_STAGE_PARSE, 414, STR_NONE, STR("request_uri_long"));
	struct verdict v = judge_invite(s->settings, m, f, &out->uri, trunk);
	switch (reg_find_token(s, trunk, out->uri.user, &out->contact)) {
	case REG_TOKEN_FOUND: /* who is called is the user, not the token */
		buf_reset(&number);
		buf_str(&number, reg_user_of(out->contact->aor));
		break;
	case REG_TOKEN_GONE: /* RFC 5626 §5.3 */
		v = setup_verdict(VERDICT_STAGE_ROUTE, 430, STR("Flow Failed"), STR("flow"));
		break;
	case REG_TOKEN_NONE: break;
	}
	out->dialled = buf_view(&number);
	fill_facts(a, s->settings, m, out);
	return v;
}

bool setup_is_short_of_transactions(const struct sbc *s)
{
	const struct pool *p = &s->txns.pool;

	return p->used >= p->limit - p->limit / 8;
}

struct verdict setup_room(const struct sbc *s, const struct settings *set, bool emergency)
{
	if (s->draining)
		return setup_verdict(VERDICT_STAGE_LIMIT, 503, STR_NONE, STR("draining"));
	if (setup_is_short_of_transactions(s) && !emergency)
		return setup_verdict(VERDICT_STAGE_LIMIT, 503, STR_NONE, STR("transactions"));
	if (s->live >= set->limits.calls ||
	    (s->calls.used == s->calls.limit && list_is_empty(&s->lingering)))
		return setup_verdict(VERDICT_STAGE_LIMIT, 503, STR_NONE, STR("calls"));
	/* No other node could go on with it, and the configuration says that this matters. */
	if (!emergency && stored_rejects(s, STORE_AREA_CALLS))
		return setup_verdict(VERDICT_STAGE_LIMIT, 503, STR_NONE, STR("store"));
	return allow();
}

/* Nothing in the hunt: why. */
static struct verdict no_target(const struct settings *set, const struct route_rule *r,
				enum hunt_result found)
{
	struct verdict v = setup_verdict(VERDICT_STAGE_ROUTE, 503, STR_NONE, STR("peers-down"));

	if (found == HUNT_INSECURE) { /* RFC 5630 §4 */
		v = setup_verdict(VERDICT_STAGE_ROUTE, 480, STR_NONE, r->name);
		v.warn_code = 380;
		v.warn_text = STR("SIPS Not Allowed");
	} else if (r->to_count && set->trunks[r->to[0]].users) {
		v = setup_verdict(VERDICT_STAGE_ROUTE, 480, STR_NONE, STR("not-registered"));
	}
	v.file = r->place.file;
	v.line = r->place.line;
	return v;
}

struct verdict setup_route(struct sbc *s, const struct settings *set, const struct policy_ask *a,
			   bool secure_only, struct hunt *hunt, struct aor **out_user)
{
	struct verdict v = policy_call(a);
	struct rng copy = s->rng;

	*out_user = NULL;
	if (v.outcome != VERDICT_ALLOW)
		return v;
	const uint16_t at = a->decision->route;
	struct hunt_params p = {
		.settings = set,
		.route = &set->policy.routes[at],
		.turn = a->peek ? 0 : peers_turn(&s->peers, set, at),
		.secure_only = secure_only,
		.number = a->facts->number,
		.is_up = set->policy.routes[at].emergency ? peers_is_up : peers_takes_calls,
		.is_last = s->peers.any_health ? peers_is_last : NULL,
		.calls = peers_calls,
		.now_ms = s->now_ms,
		.ctx = &s->peers,
	};
	enum hunt_result found = hunt_init(hunt, &p, a->peek ? &copy : &s->rng);
	if (set->users_count)
		*out_user = reg_fill_hunt(s, p.route, a->facts, secure_only, hunt);
	if (hunt->count == 0) {
		v = no_target(set, p.route, found);
		decision_add(a->decision, &v);
	}
	return v;
}

struct verdict setup_route_user(const struct settings *set, const struct contact *b,
				bool secure_only, struct hunt *hunt, uint16_t *out_route)
{
	const struct users *g = reg_group(set, b->aor);
	struct hunt_target t = {.trunk = g->trunk, .contact = b->id};

	*out_route = g->route_to_users;
	*hunt = (struct hunt){.count = 0};
	if (secure_only && !transport_is_secure(b->flow.transport))
		return setup_verdict(VERDICT_STAGE_ROUTE, 480, STR_NONE, g->name);
	hunt_add(hunt, &t);
	return allow();
}

struct verdict setup_privacy(const struct settings *set, uint16_t realm, const struct msg *m)
{
	if (!msg_has(m, HDR_PRIVACY) || realm >= set->realm_count ||
	    !identity_is_impossible(identity_privacy(m, false), set->realms[realm].anchor_media))
		return allow();
	return setup_verdict(VERDICT_STAGE_MEDIA, 500, STR("Privacy Cannot Be Provided"),
			     STR("privacy"));
}
