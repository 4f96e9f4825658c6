#include "sbc/config_build.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/geo_rule.h"

/* What the file says of one rule, and where. */
struct reading {
	struct config_build *g;
	const struct raw_geo_rule *from;
	const struct conf_node *when;
};

static void read_realms(const struct reading *r, struct geo_rule *to)
{
	const struct conf_list *l = &r->from->when.realm;
	const struct str *names = l->items;
	for (size_t i = 0; i < l->count; i++) {
		uint16_t at = config_find(r->g, &r->g->raw->realms, sizeof(struct raw_realm),
					  "realms", names[i], conf_item_node(l, i, r->when));
		if (at != SETTINGS_NO_INDEX)
			to->realms[to->realm_count++] = at;
	}
}

static void read_trunks(const struct reading *r, struct geo_rule *to)
{
	const struct raw_config *raw = r->g->raw;
	const struct conf_list *l = &r->from->when.trunk;
	const struct str *names = l->items;
	for (size_t i = 0; i < l->count; i++) {
		size_t group;
		uint16_t at;
		if (conf_named(&raw->users, sizeof(struct raw_users), names[i], &group))
			at = (uint16_t)(raw->trunks.count + group);
		else
			at = config_find(r->g, &raw->trunks, sizeof(struct raw_trunk), "trunks",
					 names[i], conf_item_node(l, i, r->when));
		if (at != SETTINGS_NO_INDEX)
			to->trunks[to->trunk_count++] = at;
	}
}

static void read_countries(const struct reading *r, struct geo_rule *to)
{
	const struct conf_list *in = &r->from->when.country, *out = &r->from->when.country_not;
	const struct str *with = in->items, *without = out->items;
	to->by_country = in->count + out->count > 0;
	if (in->count == 0)
		country_set_fill(&to->countries);
	for (size_t i = 0; i < in->count; i++)
		country_set_add(&to->countries, country_code(with[i]));
	for (size_t i = 0; i < out->count; i++)
		country_set_del(&to->countries, country_code(without[i]));
	if (in->count > 0 && country_set_is_empty(&to->countries))
		conf_error(r->g->report, r->when,
			   "every country of `country` is in `country_not`: this never matches");
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static struct geo_asns read_asns(const struct reading *r, const struct conf_list *l)
{
	const struct str *texts = l->items;
	uint32_t *to = l->count > 0 ? config_get(r->g, l->count, sizeof(*to)) : NULL;
	for (size_t i = 0; to && i < l->count; i++) {
		uint64_t v = 0; /* "unknown", and what was refused when it was read */
		if (str_to_u64(texts[i], UINT32_MAX, &v) != OK)
			v = 0;
		to[i] = (uint32_t)v;
	}
	if (!to)
		return (struct geo_asns){NULL, 0};
	qsort(to, l->count, sizeof(*to), by_number);
	return (struct geo_asns){to, l->count};
}

/* What would be asked of a database that is not there is always unknown. */
static void want_database(const struct reading *r, struct str path, const char *what,
			  const char *const *keys)
{
	for (; path.len == 0 && *keys; keys++)
		if (conf_node_child(r->when, *keys))
			conf_error_key(r->g->report, conf_node_child(r->when, *keys),
				       "asks for a database that is not given: geo.%s", what);
}

static void read_rule(const struct reading *r, size_t i, struct geo_rule *to)
{
	struct config_build *g = r->g;
	to->name = r->from->name;
	if (to->name.len == 0) {
		char name[24];
		int n = snprintf(name, sizeof(name), "geo-%u", (unsigned)i + 1);
		to->name = arena_str(g->arena, (struct str){name, (size_t)n});
	}
	to->place = config_place(r->from->head.node);
	to->action = (enum geo_action)r->from->action;
	to->status = r->from->status;
	read_realms(r, to);
	read_trunks(r, to);
	read_countries(r, to);
	to->asn = read_asns(r, &r->from->when.asn);
	to->asn_not = read_asns(r, &r->from->when.asn_not);
	to->by_asn = to->asn.count + to->asn_not.count > 0;
	want_database(r, g->raw->geo.country, "country",
		      (const char *const[]){"country", "country_not", NULL});
	want_database(r, g->raw->geo.asn, "asn", (const char *const[]){"asn", "asn_not", NULL});
	if (to->action != GEO_REJECT && conf_node_child(r->from->head.node, "status"))
		conf_error_key(g->report, conf_node_child(r->from->head.node, "status"),
			       "only action: reject has it");
	if (!to->by_country && !to->by_asn && to->action != GEO_ACCEPT)
		conf_warn(g->report, r->from->head.node,
			  "asks neither for a country nor for a system: all of %s are refused",
			  to->realm_count + to->trunk_count > 0 ? "them" : "the world");
}

void config_build_geo(struct config_build *g)
{
	const struct conf_list *l = &g->raw->geo.rules;
	const struct raw_geo_rule *from = l->items;
	struct geo_rule *to = config_get(g, l->count, sizeof(*to));
	size_t n = 0;
	for (size_t i = 0; to && i < l->count; i++) {
		struct reading r = {g, &from[i], conf_node_child(from[i].head.node, "when")};
		if (from[i].head.node)
			read_rule(&r, i, &to[n++]);
	}
	g->s->policy.geo = to;
	g->s->policy.geo_count = n;
	g->s->geo = (struct geo_settings){g->raw->geo.country, g->raw->geo.asn};
}
