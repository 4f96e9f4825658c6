/* What was written and is of no use: trunks that no call reaches, lists that nobody names, limits that are never met. */
#include "policy/fraud_rule.h"
#include "sbc/config_check.h"

struct looking {
	struct conf_report *report;
	const struct raw_config *raw;
	const struct settings *s;
};

static bool is_map(const struct conf_head *h)
{
	return h->node && h->node->kind == CONF_MAP;
}

/* ---- trunks */

static bool is_reached(const struct looking *g, size_t trunk)
{
	for (size_t i = 0; i < g->s->policy.route_count; i++)
		for (size_t k = 0; k < g->s->policy.routes[i].to_count; k++)
			if (g->s->policy.routes[i].to[k] == trunk)
				return true;
	for (size_t i = 0; i < g->s->users_count; i++)
		if (g->s->users[i].registrar == trunk)
			return true;
	return false;
}

/* A route that speaks of its calls shows that it is there to call us. */
static bool is_named_as_caller(const struct looking *g, size_t trunk)
{
	for (size_t i = 0; i < g->s->policy.route_count; i++) {
		const struct route_rule *r = &g->s->policy.routes[i];
		for (size_t k = 0; k < r->from_trunk_count; k++)
			if (r->from_trunks[k] == trunk)
				return true;
		for (size_t k = 0; k < r->when.trunk_count; k++)
			if (r->when.trunks[k] == trunk)
				return true;
	}
	return false;
}

/* Where a route was refused its targets are not known. */
static bool routes_are_whole(const struct looking *g)
{
	const struct raw_route *raw = g->raw->routes.items;

	for (size_t i = 0; i < g->s->policy.route_count; i++)
		if (!raw[i].head.node || g->s->policy.routes[i].to_count != raw[i].to.count)
			return false;
	return g->s->policy.route_count > 0;
}

static void check_trunks(const struct looking *g)
{
	const struct raw_trunk *raw = g->raw->trunks.items;

	for (size_t i = 0; i < g->raw->trunks.count && routes_are_whole(g); i++)
		if (is_map(&raw[i].head) && !is_reached(g, i) && !is_named_as_caller(g, i))
			conf_warn(g->report, raw[i].head.node,
				  "no route goes to it, and none names it in `from`: no call "
				  "reaches it");
}

/* ---- limits */

/* As many as the rate lets begin in that time, at most. */
static uint64_t most_in(const struct rate_rule *r, uint64_t span_ms)
{
	const uint64_t burst = r->burst ? r->burst : r->count;

	return burst + (r->per_ms ? span_ms * r->count / r->per_ms : 0);
}

static void check_burst(const struct looking *g, const struct conf_node *n,
			const struct conf_rate *rate, uint32_t burst)
{
	if (n && burst && rate->per_ms && rate->per_ms <= 1000 && burst < rate->count)
		conf_warn(
			g->report, conf_node_at(n, "burst"),
			"lower than the rate of %u: what comes together is refused before the rate "
			"is reached",
			(unsigned)rate->count);
}

static void check_limits(const struct looking *g)
{
	const struct raw_trunk *raw = g->raw->trunks.items;
	const struct raw_admission *admission = g->raw->admission.items;

	for (size_t i = 0; i < g->raw->trunks.count; i++) {
		const struct raw_trunk_limits *l = &raw[i].limits;
		if (!is_map(&raw[i].head) || !is_map(&l->head))
			continue;
		check_burst(g, l->head.node, &l->rate, l->burst);
		if (l->sessions && l->inbound > l->sessions)
			conf_warn(g->report, conf_node_at(l->head.node, "inbound"),
				  "is never reached: sessions allows %u", (unsigned)l->sessions);
		if (l->sessions && l->outbound > l->sessions)
			conf_warn(g->report, conf_node_at(l->head.node, "outbound"),
				  "is never reached: sessions allows %u", (unsigned)l->sessions);
	}
	for (size_t i = 0; i < g->raw->admission.count; i++)
		if (is_map(&admission[i].head))
			check_burst(g, admission[i].requests.head.node,
				    &admission[i].requests.per_source, admission[i].requests.burst);
}

/* A rule that counts the calls of a trunk, where the trunk's own rate never lets so many begin. */
static void check_fraud_rule(const struct looking *g, const struct fraud_rule *r,
			     const struct conf_node *n)
{
	const struct settings *s = g->s;
	uint64_t most = 0;
	size_t count = r->when.from_given ? r->when.from_trunk_count : g->raw->trunks.count;

	if (r->measure != FRAUD_CALLS || r->by != SUBJECT_TRUNK || r->when.from_realms || !count)
		return;
	for (size_t i = 0; i < count; i++) {
		const size_t trunk = r->when.from_given ? r->when.from_trunks[i] : i;
		const struct rate_rule *rate =
			trunk < s->trunk_count ? &s->trunks[trunk].admit.rate : NULL;
		if (!rate || rate->count == 0)
			return; /* this one may */
		if (most_in(rate, r->span_ms) > most)
			most = most_in(rate, r->span_ms);
	}
	if (most <= r->over)
		conf_warn(g->report, n,
			  "is never reached: the limits of the trunks let %llu calls begin in that "
			  "time",
			  (unsigned long long)most);
}

static void check_fraud(const struct looking *g)
{
	const struct raw_fraud_rule *raw = g->raw->fraud.rules.items;
	const struct fraud_config *f = g->s->policy.fraud;

	for (size_t i = 0; f && i < f->count && f->count == g->raw->fraud.rules.count; i++)
		if (is_map(&raw[i].head) && f->rules[i].span_ms)
			check_fraud_rule(g, &f->rules[i], conf_node_at(raw[i].head.node, "over"));
}

/* ---- lists that are named */

static void say_unused(const struct looking *g, const struct conf_head *h, const char *what)
{
	if (h->node && h->node->kind != CONF_BROKEN)
		conf_warn(g->report, h->node, "is not used: no %s names it", what);
}

static bool realm_names(const struct looking *g, struct str name,
			struct str (*of)(const struct raw_realm *r))
{
	const struct raw_realm *realms = g->raw->realms.items;

	for (size_t i = 0; i < g->raw->realms.count; i++)
		if (!is_map(&realms[i].head) || str_eq(of(&realms[i]), name))
			return true;
	return g->raw->realms.count == 0;
}

static struct str header_rules_of(const struct raw_realm *r)
{
	return r->header_rules;
}

static struct str media_policy_of(const struct raw_realm *r)
{
	return r->media_policy;
}

static struct str admission_of(const struct raw_realm *r)
{
	return r->admission;
}

static bool trunk_names_numbers(const struct looking *g, struct str name)
{
	const struct raw_trunk *trunks = g->raw->trunks.items;

	for (size_t i = 0; i < g->raw->trunks.count; i++)
		if (!is_map(&trunks[i].head) || str_eq(trunks[i].numbers.in, name) ||
		    str_eq(trunks[i].numbers.out, name))
			return true;
	return g->raw->trunks.count == 0;
}

static void check_names(const struct looking *g)
{
	const struct raw_header_rules *rules = g->raw->header_rules.items;
	const struct raw_media_policy *media = g->raw->media_policies.items;
	const struct raw_admission *admission = g->raw->admission.items;
	const struct conf_named_list *numbers = g->raw->numbers.items;

	for (size_t i = 0; i < g->raw->header_rules.count; i++)
		if (!realm_names(g, rules[i].head.name, header_rules_of))
			say_unused(g, &rules[i].head, "realm");
	for (size_t i = 0; i < g->raw->media_policies.count; i++)
		if (!realm_names(g, media[i].head.name, media_policy_of))
			say_unused(g, &media[i].head, "realm");
	for (size_t i = 0; i < g->raw->admission.count; i++)
		if (!realm_names(g, admission[i].head.name, admission_of))
			say_unused(g, &admission[i].head, "realm");
	for (size_t i = 0; i < g->raw->numbers.count; i++)
		if (!trunk_names_numbers(g, numbers[i].head.name))
			say_unused(g, &numbers[i].head, "trunk");
}

void config_check_use(struct conf_report *r, const struct raw_config *raw, const struct settings *s)
{
	const struct looking g = {r, raw, s};

	check_trunks(&g);
	check_limits(&g);
	check_fraud(&g);
	check_names(&g);
}
