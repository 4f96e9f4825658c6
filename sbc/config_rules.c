#include "sbc/config_build.h"

#include "policy/number.h"
#include "policy/pattern.h"
#include "sbc/core/rules.h"

/* A pattern that was written; what is wrong with it was said when it was read. */
static const struct route_pattern *build_pattern(struct config_build *g, struct str text)
{
	const struct route_pattern *p = NULL;
	char why[200];
	struct buf b;
	buf_init(&b, why, sizeof(why));
	return text.len > 0 && pattern_compile(g->arena, text, &p, &b) == OK ? p : NULL;
}

static void check_template(struct config_build *g, const struct conf_node *n, struct str with,
			   const struct route_pattern *p)
{
	unsigned groups = p ? pattern_group_count(p) : 9;
	struct str fault = pattern_fill_fault(with, groups);
	if (n && n->kind != CONF_BROKEN && fault.len > 0)
		conf_error(g->report, n,
			   "\"%.*s\" is not known here; allowed: \\0 to \\%u, and \\\\ for itself",
			   STR_ARG(fault), groups);
}

static void build_edit_when(struct config_build *g, const struct raw_edit_when *from,
			    struct header_edit *to)
{
	const struct conf_node *n = from->head.node;
	const struct str *trunks = from->trunk.items, *statuses = from->status.items;
	to->when_trust_below = n && conf_node_child(n, "trust_below");
	to->trust_below = from->trust_below;
	to->when_methods = from->method.items;
	to->when_method_count = from->method.count;
	uint16_t *indexes = config_get(g, from->trunk.count, sizeof(*indexes));
	struct status_range *ranges = config_get(g, from->status.count, sizeof(*ranges));
	for (size_t i = 0; indexes && i < from->trunk.count; i++)
		indexes[to->when_trunk_count++] =
			config_find(g, &g->raw->trunks, sizeof(struct raw_trunk), "trunks",
				    trunks[i], conf_item_node(&from->trunk, i, n));
	for (size_t i = 0; ranges && i < from->status.count; i++)
		if (config_status_range(statuses[i], &ranges[to->when_status_count]) == OK)
			to->when_status_count++;
	to->when_trunks = indexes;
	to->when_statuses = ranges;
	to->when_header = from->header;
	to->when_matches = build_pattern(g, from->matches);
	if (n && from->matches.len > 0 && from->header.len == 0 && !conf_node_child(n, "header"))
		conf_error_key(g->report, conf_node_child(n, "matches"),
			       "of which header? `header` is missing");
}

/* Which keys an action needs; all others are said to be of no use to it. */
static void check_edit_keys(struct config_build *g, const struct raw_edit *e)
{
	static const char *const words[] = {"remove", "set", "add", "rename", "edit"};
	static const struct {
		const char *key;
		unsigned actions;
	} keys[] = {{"value", 1u << HEADER_SET | 1u << HEADER_ADD},
		    {"to", 1u << HEADER_RENAME},
		    {"pattern", 1u << HEADER_EDIT},
		    {"with", 1u << HEADER_EDIT}};
	const struct conf_node *n = e->head.node, *action = conf_node_child(n, "action");
	if (!n || !action || action->kind == CONF_BROKEN)
		return;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct conf_node *c = conf_node_child(n, keys[i].key);
		bool wanted = keys[i].actions & 1u << e->action;
		if (wanted && !c)
			conf_error_missing(g->report, n, keys[i].key, "missing; %s needs a %s",
					   words[e->action], keys[i].key);
		if (!wanted && c)
			conf_error_key(g->report, c, "%s takes no %s", words[e->action],
				       keys[i].key);
	}
}

/* What may be copied may not always be written, and the other way round. */
static void check_edit_names(struct config_build *g, const struct raw_edit *e)
{
	const struct conf_node *n = e->head.node;
	bool makes = e->action == HEADER_SET || e->action == HEADER_ADD;
	struct str name = makes ? e->header : e->action == HEADER_RENAME ? e->to : STR_NONE;
	const struct conf_node *at = conf_node_at(n, makes ? "header" : "to");
	if (name.len > 0 && at->kind != CONF_BROKEN && !rules_may_name(name, true) &&
	    rules_may_name(name, false))
		conf_error(g->report, at, "\"%.*s\" goes with the body and cannot be set here",
			   STR_ARG(name));
	if (!makes && e->header.len > 0 && rules_may_name(e->header, true) &&
	    !rules_may_name(e->header, false))
		conf_warn(g->report, conf_node_at(n, "header"),
			  "has no effect: \"%.*s\" names a product and never crosses",
			  STR_ARG(e->header));
}

static const struct header_edit *build_edits(struct config_build *g, const struct conf_list *l,
					     size_t *count)
{
	const struct raw_edit *from = l->items;
	struct header_edit *to = config_get(g, l->count, sizeof(*to));
	for (size_t i = 0; to && i < l->count; i++) {
		const struct raw_edit *e = &from[i];
		to[i] = (struct header_edit){.header = e->header,
					     .action = e->action,
					     .value = e->action == HEADER_RENAME ? e->to
						      : e->action == HEADER_EDIT ? e->with
										 : e->value,
					     .pattern = build_pattern(g, e->pattern)};
		build_edit_when(g, &e->when, &to[i]);
		check_edit_keys(g, e);
		if (!e->head.node)
			continue;
		check_edit_names(g, e);
		if (e->action == HEADER_EDIT)
			check_template(g, conf_node_child(e->head.node, "with"), e->with,
				       to[i].pattern);
	}
	*count = l->count;
	return to;
}

void config_build_header_rules(struct config_build *g)
{
	const struct conf_list *l = &g->raw->header_rules;
	const struct raw_header_rules *from = l->items;
	struct header_rules *to = config_get(g, l->count, sizeof(*to));
	for (size_t i = 0; to && i < l->count; i++) {
		to[i].name = from[i].head.name;
		to[i].carry = from[i].carry.items;
		to[i].carry_count = from[i].carry.count;
		to[i].inbound = build_edits(g, &from[i].inbound, &to[i].inbound_count);
		to[i].outbound = build_edits(g, &from[i].outbound, &to[i].outbound_count);
	}
	g->s->header_rules = to;
	g->s->header_rules_count = l->count;
}

static void build_number_rule(struct config_build *g, const struct raw_number_rule *from,
			      struct number_rule *to)
{
	const uint32_t *fields = from->fields.items;
	to->match = build_pattern(g, from->match);
	if (from->match.len == 0 && conf_node_child(from->head.node, "match"))
		to->match = NULL;
	to->to = from->to;
	to->place = config_place(from->head.node);
	for (size_t i = 0; i < from->fields.count; i++)
		to->fields = (uint8_t)(to->fields | 1u << fields[i]);
	if (to->match)
		check_template(g, conf_node_child(from->head.node, "to"), from->to, to->match);
}

void config_build_numbers(struct config_build *g)
{
	const struct conf_list *l = &g->raw->numbers;
	const struct conf_named_list *from = l->items;
	struct number_rules *to = config_get(g, l->count, sizeof(*to));
	for (size_t i = 0; to && i < l->count; i++) {
		const struct raw_number_rule *raw = from[i].list.items;
		struct number_rule *rules = config_get(g, from[i].list.count, sizeof(*rules));
		to[i].name = from[i].head.name;
		to[i].rules = rules;
		for (size_t j = 0; rules && j < from[i].list.count; j++) {
			if (!raw[j].head.node)
				continue;
			struct number_rule *r = &rules[to[i].count];
			build_number_rule(g, &raw[j], r);
			if (!r->match)
				continue; /* said already */
			size_t by = number_hidden_by(&to[i], to[i].count);
			if (by < to[i].count)
				conf_warn(g->report, raw[j].head.node,
					  "can never match: the rule at line %u takes all of it",
					  (unsigned)rules[by].place.line);
			to[i].count++;
		}
	}
	g->s->policy.numbers = to;
	g->s->policy.number_count = l->count;
}

static const struct number_rules *find_numbers(struct config_build *g,
					       const struct raw_trunk_numbers *n, struct str name,
					       const char *key)
{
	uint16_t i = config_find(g, &g->raw->numbers, sizeof(struct conf_named_list), "numbers",
				 name, n->head.node ? conf_node_child(n->head.node, key) : NULL);
	return i < g->s->policy.number_count ? &g->s->policy.numbers[i] : NULL;
}

struct caller_settings config_build_caller(struct config_build *g, const struct raw_trunk *from)
{
	const struct raw_caller *c = &from->caller;
	if (c->head.node && c->trusted == CALLER_TRUST_NO && c->assert != CALLER_ASSERT_PASS)
		conf_warn(g->report, conf_node_at(c->head.node, "assert"),
			  "has no effect: the trunk is not trusted");
	return (struct caller_settings){
		.trusted = c->trusted,
		.assert = c->assert,
		.form = c->form,
		.diversion = from->diversion,
		.session_id = from->session_id,
		.numbers_in = find_numbers(g, &from->numbers, from->numbers.in, "in"),
		.numbers_out = find_numbers(g, &from->numbers, from->numbers.out, "out")};
}
