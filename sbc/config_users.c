#include "sbc/config_build.h"

static bool has_word(const struct conf_list *l, uint32_t word)
{
	const uint32_t *words = l->items;
	for (size_t i = 0; i < l->count; i++)
		if (words[i] == word)
			return true;
	return false;
}

static void build_group(struct config_build *g, const struct raw_users *from, struct users *to)
{
	const struct raw_account *accounts = from->accounts.items;
	struct user_account *list = config_get(g, from->accounts.count, sizeof(*list));
	*to = (struct users){
		.name = from->head.name,
		.realm = config_find(g, &g->raw->realms, sizeof(struct raw_realm), "realms",
				     from->realm, conf_node_child(from->head.node, "realm")),
		.domains = from->domains.items,
		.domain_count = from->domains.count,
		.registrar =
			config_find(g, &g->raw->trunks, sizeof(struct raw_trunk), "trunks",
				    from->registrar, conf_node_child(from->head.node, "registrar")),
		.from_user_s = from->refresh.from_user / 1000,
		.to_registrar_s = from->refresh.to_registrar / 1000,
		.sessions = from->per_user.sessions,
		.contacts = from->per_user.contacts,
		.local = from->auth == 1,
		.ask = (enum users_ask)from->ask,
		.no_sha256 = !has_word(&from->digest, 0),
		.no_md5 = !has_word(&from->digest, 1),
		.accounts = list,
		.account_count = from->accounts.count};
	for (size_t i = 0; list && i < from->accounts.count; i++)
		list[i] = (struct user_account){accounts[i].user, accounts[i].password};
	for (size_t i = 0; i < from->accounts.count; i++)
		if (config_warn_of_password(g, &accounts[i].head))
			break; /* said once, it is said of all */
	if (!to->local && from->registrar.len == 0)
		conf_error_missing(g->report, from->head.node, "registrar",
				   "missing; needed here: a name of trunks, or auth: local");
	if (!to->local && from->accounts.count > 0)
		conf_error_key(g->report, conf_node_child(from->head.node, "accounts"),
			       "only auth: local asks them");
	if (to->local && from->accounts.count == 0)
		conf_error_missing(g->report, from->head.node, "accounts",
				   "missing; with auth: local nobody could ever register");
}

/* A group is a trunk behind the others, without peers and without a source: nothing is identified as it by itself. */
void config_build_users(struct config_build *g, struct trunk *trunks, struct trunk_rule *rules)
{
	const struct conf_list *l = &g->raw->users;
	const struct raw_users *from = l->items;
	struct users *to = config_get(g, l->count, sizeof(*to));
	g->s->users = to;
	for (size_t i = 0; to && i < l->count; i++) {
		uint16_t at = (uint16_t)g->s->trunk_count;
		if (from[i].head.node->kind != CONF_MAP)
			to[i].realm = to[i].registrar = SETTINGS_NO_INDEX;
		else
			build_group(g, &from[i], &to[i]);
		to[i].trunk = at;
		to[i].route_to_users = (uint16_t)(g->raw->routes.count + 2 * i);
		to[i].route_to_registrar = (uint16_t)(to[i].route_to_users + 1);
		trunks[at] = (struct trunk){.name = from[i].head.name,
					    .users = &to[i],
					    .realm = to[i].realm,
					    .habits.redirects = 5,
					    .habits.session_timer = {true, 1800, 90},
					    .habits.methods = config_method_bits(&from[i].methods),
					    .certificate = SETTINGS_NO_INDEX,
					    .verify = SETTINGS_NO_INDEX,
					    .tls_verify = true};
		rules[at] = (struct trunk_rule){.name = from[i].head.name,
						.realm = to[i].realm,
						.per_user = {.rate = {from[i].per_user.rate.count,
								      from[i].per_user.rate.per_ms,
								      from[i].per_user.burst}},
						.place = config_place(from[i].head.node)};
		config_build_trunk_identity(g, &from[i].identity, &trunks[at], &rules[at]);
		g->s->trunk_count = ++g->s->policy.trunk_count;
		g->s->users_count++;
		if (conf_named(&g->raw->trunks, sizeof(struct raw_trunk), from[i].head.name,
			       &(size_t){0}))
			conf_error(
				g->report, from[i].head.node,
				"\"%.*s\" is the name of a trunk too: routes could not tell them "
				"apart",
				STR_ARG(from[i].head.name));
	}
}

/* The two routes of each group lie behind those that requests look through. */
void config_build_user_routes(struct config_build *g, struct route_rule *hidden)
{
	for (size_t i = 0; i < g->s->users_count; i++) {
		const struct users *u = &g->s->users[i];
		struct route_rule *to = &hidden[2 * i];
		for (int k = 0; k < 2; k++) {
			to[k] = (struct route_rule){
				.name = u->name,
				.to = {k ? u->registrar : u->trunk},
				.to_count = k && u->registrar == SETTINGS_NO_INDEX ? 0 : 1,
				.failure_codes = {503, ROUTE_CAUSE_TIMEOUT, ROUTE_CAUSE_TLS,
						  ROUTE_CAUSE_CONNECT},
				.failure_code_count = 4,
				.failure_after_ms = 4000,
				.tries = 3,
				.place = g->s->policy.trunks[u->trunk].place};
		}
	}
}
