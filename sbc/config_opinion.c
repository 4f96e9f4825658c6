#include "sbc/config_build.h"

#include "policy/opinion.h"
#include "policy/pattern.h"

enum err config_opinion_url(struct str url, struct opinion_settings *out)
{
	struct str rest = url;
	struct addr server;
	if (!str_has_prefix(rest, STR("http://")))
		return ERR_BAD;
	rest = str_from_offset(rest, STR("http://").len);
	size_t slash = str_index(rest, '/');
	if (addr_parse((struct str){rest.p, slash}, &server) != OK || !addr_is_host(&server))
		return ERR_BAD;
	struct str path = str_from_offset(rest, slash);
	for (size_t i = 0; i < path.len; i++)
		if (path.p[i] <= ' ' || path.p[i] > '~' || path.p[i] == '#')
			return ERR_BAD;
	if (server.port == 0)
		server.port = 80;
	out->server = server;
	out->path = path.len > 0 ? path : STR("/");
	return OK;
}

static void build_from(struct config_build *g, const struct raw_opinion *from,
		       struct opinion_rule *to)
{
	const struct conf_list *l = &from->when.from;
	const struct str *names = l->items;
	const struct conf_node *when = conf_node_child(from->head.node, "when");
	for (size_t i = 0; i < l->count; i++) {
		size_t at;
		if (names[i].len == 0)
			continue;
		if (conf_named(&g->raw->realms, sizeof(struct raw_realm), names[i], &at))
			to->from_realms[to->from_realm_count++] = (uint16_t)at;
		else if (conf_named(&g->raw->trunks, sizeof(struct raw_trunk), names[i], &at))
			to->from_trunks[to->from_trunk_count++] = (uint16_t)at;
		else if (conf_named(&g->raw->users, sizeof(struct raw_users), names[i], &at))
			to->from_trunks[to->from_trunk_count++] =
				(uint16_t)(g->raw->trunks.count + at);
		else
			config_refuse_name(g, conf_item_node(l, i, when), names[i], &g->raw->trunks,
					   sizeof(struct raw_trunk), "trunks or realms");
	}
}

static uint16_t find_trunk(struct config_build *g, struct str name, const struct conf_node *n)
{
	return config_find(g, &g->raw->trunks, sizeof(struct raw_trunk), "trunks", name, n);
}

static void build_rule(struct config_build *g, const struct raw_opinion *from,
		       struct opinion_rule *to)
{
	const struct str *numbers = from->when.number.items, *trunks = from->trunks.items;
	char why[200];
	to->name = STR("opinion");
	to->place = config_place(from->head.node);
	to->timeout_ms = from->timeout;
	to->accept_on_error = from->on_error == 1;
	to->trunk = find_trunk(g, from->trunk, conf_node_child(from->head.node, "trunk"));
	build_from(g, from, to);
	for (size_t i = 0; i < from->when.number.count; i++) {
		struct buf b;
		buf_init(&b, why, sizeof(why));
		if (pattern_compile(g->arena, numbers[i], &to->numbers[to->number_count], &b) == OK)
			to->number_count++; /* what is wrong with it was said when it was read */
	}
	for (size_t i = 0; i < from->trunks.count; i++) {
		uint16_t at =
			find_trunk(g, trunks[i], conf_item_node(&from->trunks, i, from->head.node));
		if (at != SETTINGS_NO_INDEX)
			to->to[to->to_count++] = at;
	}
}

static void check(struct config_build *g, const struct raw_opinion *from)
{
	static const char *const http_only[] = {"trunks", "in_flight", "breaker"};
	const struct conf_node *n = from->head.node;
	const struct addr *server = &g->s->opinion.server;
	bool url = conf_node_child(n, "url") != NULL, trunk = conf_node_child(n, "trunk") != NULL;
	if (url && trunk)
		conf_error_key(g->report, conf_node_child(n, "trunk"),
			       "either a `url` is asked or a trunk, not both");
	if (!url && !trunk)
		conf_error_missing(g->report, n, "url",
				   "missing; needed here: a `url`, or a `trunk`");
	for (size_t i = 0; trunk && i < ARRAY_LEN(http_only); i++)
		if (conf_node_child(n, http_only[i]))
			conf_error_key(g->report, conf_node_child(n, http_only[i]),
				       "only a question over HTTP has it");
	if (server->family != ADDR_NONE && addr_class(server) == ADDR_CLASS_PUBLIC)
		conf_warn(g->report, conf_node_at(n, "url"),
			  "who calls whom goes there unencrypted, and any answer is believed");
}

void config_build_opinion(struct config_build *g)
{
	const struct raw_opinion *from = &g->raw->opinion;
	struct opinion_rule *to;
	if (!from->head.node || (to = config_get(g, 1, sizeof(*to))) == NULL)
		return;
	g->s->opinion.in_flight = from->in_flight;
	g->s->opinion.breaker = from->breaker.v;
	if (from->url.len > 0 && config_opinion_url(from->url, &g->s->opinion) != OK)
		g->s->opinion.server.family = ADDR_NONE; /* said when it was read */
	build_rule(g, from, to);
	check(g, from);
	g->s->policy.opinion = to;
}
