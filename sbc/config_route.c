#include "sbc/config_build.h"

#include <stdio.h>

#include "policy/pattern.h"

static void build_from(struct config_build *g, const struct raw_route *from, struct route_rule *to)
{
	const struct conf_list *realms = &g->raw->realms, *trunks = &g->raw->trunks;
	const struct str *names = from->when.from.items;
	for (size_t i = 0; i < from->when.from.count; i++) {
		size_t realm, trunk;
		bool is_realm =
			conf_named(realms, sizeof(struct raw_realm), names[i], &realm) != NULL;
		bool is_trunk =
			conf_named(trunks, sizeof(struct raw_trunk), names[i], &trunk) != NULL;
		const struct conf_node *n = conf_item_node(&from->when.from, i, from->head.node);
		size_t group;
		if (!is_trunk &&
		    conf_named(&g->raw->users, sizeof(struct raw_users), names[i], &group)) {
			is_trunk = true;
			trunk = trunks->count + group;
		}
		if (names[i].len == 0)
			continue; /* said already */
		if (is_realm && is_trunk)
			conf_error(g->report, n,
				   "\"%.*s\" is both a realm and a trunk: which of them is meant? "
				   "Rename one",
				   STR_ARG(names[i]));
		else if (is_realm)
			to->from_realms[to->from_realm_count++] = (uint16_t)realm;
		else if (is_trunk)
			to->from_trunks[to->from_trunk_count++] = (uint16_t)trunk;
		else
			config_refuse_name(g, n, names[i], trunks, sizeof(struct raw_trunk),
					   "trunks or realms");
	}
	to->any_from = from->when.from.count == 0;
}

/* Indexes of the names in a list; *out_count of them. */
static const uint16_t *build_names(struct config_build *g, const struct conf_list *names,
				   const struct conf_list *known, size_t size, const char *section,
				   size_t *out_count)
{
	const struct str *name = names->items;
	uint16_t *to = names->count ? config_get(g, names->count, sizeof(*to)) : NULL;
	size_t n = 0, group;

	for (size_t i = 0; to && i < names->count; i++) {
		bool trunks = known == &g->raw->trunks;
		if (trunks &&
		    conf_named(&g->raw->users, sizeof(struct raw_users), name[i], &group)) {
			to[n++] = (uint16_t)(known->count + group);
			continue;
		}
		uint16_t at = config_find(g, known, size, section, name[i],
					  conf_item_node(names, i, names->node));
		if (at != SETTINGS_NO_INDEX)
			to[n++] = at;
	}
	*out_count = n;
	return to;
}

static void build_when(struct config_build *g, const struct raw_route_when *from,
		       struct route_when *to)
{
	const uint32_t *causes = from->cause.items;

	to->realms = build_names(g, &from->realm, &g->raw->realms, sizeof(struct raw_realm),
				 "realms", &to->realm_count);
	to->trunks = build_names(g, &from->trunk, &g->raw->trunks, sizeof(struct raw_trunk),
				 "trunks", &to->trunk_count);
	for (size_t i = 0; i < from->cause.count; i++)
		to->causes |= (uint8_t)(1u << causes[i]);
	to->users = from->user.items;
	to->user_count = from->user.count;
	to->plus = config_codes(g, &from->number_prefix, true);
	to->bare = config_codes(g, &from->number_prefix, false);
	to->file = config_sheet(g, SHEET_PREFIXES, from->prefixes,
				from->head.node ? conf_node_at(from->head.node, "prefixes") : NULL);
	to->hours = config_hours(g, &from->at);
}

static void build_patterns(struct config_build *g, const struct raw_route *from,
			   struct route_rule *to)
{
	const struct str *texts = from->when.number.items, *domains = from->when.domain.items;
	char why[200];
	for (size_t i = 0; i < from->when.number.count; i++) {
		struct buf b;
		buf_init(&b, why, sizeof(why));
		if (pattern_compile(g->arena, texts[i], &to->numbers[to->number_count], &b) == OK)
			to->number_count++; /* what is wrong with it was said when it was read */
	}
	for (size_t i = 0; i < from->when.domain.count; i++)
		to->domains[to->domain_count++] = domains[i];
}

static void build_targets(struct config_build *g, const struct raw_route *from,
			  struct route_rule *to)
{
	const struct str *names = from->to.items, *codes = from->on_failure.codes.items;
	bool given = conf_node_child(from->head.node, "to") != NULL,
	     reject = from->reject.head.node != NULL;
	for (size_t i = 0; i < from->to.count; i++) {
		size_t group;
		uint16_t trunk;
		if (conf_named(&g->raw->users, sizeof(struct raw_users), names[i], &group))
			trunk = (uint16_t)(g->raw->trunks.count + group);
		else
			trunk = config_find(g, &g->raw->trunks, sizeof(struct raw_trunk), "trunks",
					    names[i],
					    conf_item_node(&from->to, i, from->head.node));
		if (trunk != SETTINGS_NO_INDEX)
			to->to[to->to_count++] = trunk;
	}
	for (size_t i = 0; i < from->on_failure.codes.count; i++)
		to->failure_codes[to->failure_code_count++] = config_failure_code(codes[i]);
	if (given && reject)
		conf_error_key(g->report, conf_node_child(from->head.node, "reject"),
			       "a route either goes `to` trunks or rejects, not both");
	if (!given && !conf_node_child(from->head.node, "reject"))
		conf_error_missing(g->report, from->head.node, "to",
				   "missing; needed here: names of trunks, or `reject`");
}

static void build_route(struct config_build *g, size_t i, const struct raw_route *from,
			struct route_rule *to)
{
	to->name = from->name;
	to->place = config_place(from->head.node);
	to->strategy = from->strategy;
	to->emergency = from->priority == 1;
	to->reject_status = from->reject.status;
	to->reject_reason = from->reject.reason.len > 0 ? from->reject.reason : STR("Rejected");
	to->failure_after_ms = from->on_failure.after;
	to->tries = from->on_failure.tries;
	if (to->name.len == 0) {
		char name[24];
		int n = snprintf(name, sizeof(name), "route-%u", (unsigned)i + 1);
		to->name = arena_str(g->arena, (struct str){name, (size_t)n});
	}
	build_from(g, from, to);
	build_when(g, &from->when, &to->when);
	build_patterns(g, from, to);
	build_targets(g, from, to);
}

void config_build_routes(struct config_build *g)
{
	const struct conf_list *l = &g->raw->routes;
	const struct raw_route *from = l->items;
	struct route_rule *to = config_get(g, l->count + 2 * g->raw->users.count, sizeof(*to));
	for (size_t i = 0; to && i < l->count; i++)
		if (from[i].head.node)
			build_route(g, i, &from[i], &to[i]);
	if (to)
		config_build_user_routes(g, to + l->count);
	g->s->policy.routes = to;
	g->s->policy.route_count = l->count;
}
