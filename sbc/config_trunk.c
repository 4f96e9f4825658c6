#include "sbc/config_build.h"

#include "sbc/config_peer.h"
#include "sbc/config_value.h"
#include "sbc/core/method.h"

static void build_peers(struct config_build *g, const struct conf_list *l, struct trunk *to)
{
	const struct raw_peer *from = l->items;
	struct peer *peers = config_get(g, l->count, sizeof(*peers));
	for (size_t i = 0; peers && i < l->count; i++) {
		const char *why;
		if (from[i].target.len == 0)
			continue; /* said already */
		struct peer p;
		if (config_read_peer(from[i].target, &p, &why) != OK) {
			conf_error(g->report, conf_node_at(from[i].head.node, "target"),
				   "\"%.*s\": %s; allowed: sip:HOST, sips:HOST, HOST:PORT, "
				   ";transport=udp|tcp|tls",
				   STR_ARG(from[i].target), why);
			continue;
		}
		p.priority = from[i].priority;
		p.weight = from[i].weight;
		size_t at =
			to->peer_count++; /* by priority, those of one priority as they were written */
		for (; at > 0 && peers[at - 1].priority > p.priority; at--)
			peers[at] = peers[at - 1];
		peers[at] = p;
	}
	to->peers = peers;
}

/* Left out: the peers that are addresses; if all are names over TLS, the name in their certificate. */
static void build_identity(struct config_build *g, const struct raw_trunk *from,
			   const struct trunk *t, struct trunk_rule *to)
{
	to->certificate_name = from->identify.certificate_name;
	to->sources = from->identify.source.items;
	to->source_count = from->identify.source.count;
	bool by_user = from->identify.user.len > 0;
	if (to->certificate_name.len > 0 || to->source_count > 0 ||
	    (from->identify.head.node && !by_user))
		return;
	struct prefix *list = config_get(g, t->peer_count + 2, sizeof(*list));
	bool one_name = true;
	for (size_t i = 0; list && i < t->peer_count; i++) {
		struct prefix *p = &list[to->source_count];
		one_name = one_name && t->peers[i].secure &&
			   str_ieq(t->peers[i].host, t->peers[0].host);
		if (addr_parse_ip(t->peers[i].host, &p->addr) != OK)
			continue;
		p->bits = p->addr.family == ADDR_IP6 ? 128 : 32;
		to->source_count++;
	}
	to->sources = list;
	if (list && to->source_count == 0 && by_user) { /* the password tells: from anywhere */
		CHECK(prefix_parse(STR("0.0.0.0/0"), &list[to->source_count++]) == OK);
		CHECK(prefix_parse(STR("::/0"), &list[to->source_count++]) == OK);
		return;
	}
	if (to->source_count == 0 && t->peer_count > 0 && (t->tls_name.len > 0 || one_name) &&
	    t->peers[0].secure)
		to->certificate_name = t->tls_name.len > 0 ? t->tls_name : t->peers[0].host;
}

bool config_warn_of_password(struct config_build *g, const struct conf_head *h)
{
	const struct conf_node *n = conf_node_child(h->node, "password");
	bool open = n && n->kind == CONF_SCALAR && n->tag == CONF_TAG_NONE;
	if (open)
		conf_warn(g->report, n,
			  "the password stands in the file itself; better: !credential NAME, !file "
			  "PATH "
			  "or !env NAME");
	return open;
}

static void build_proof(struct config_build *g, const struct raw_identify *from, struct trunk *to)
{
	to->proof = (struct credentials){.on = from->user.len > 0 && from->password.len > 0,
					 .user = from->user,
					 .password = from->password,
					 .realm = from->realm};
	config_warn_of_password(g, &from->head);
	if (from->user.len > 0 && from->password.len == 0)
		conf_error_missing(g->report, from->head.node, "password",
				   "missing; identify.user needs one");
	if (from->user.len == 0 && from->password.len > 0)
		conf_error_missing(g->report, from->head.node, "user",
				   "missing; identify.password needs one");
}

/* Both forms: `credentials`, or those of `register`. */
static void build_credentials(struct config_build *g, const struct raw_trunk *from,
			      struct trunk *to)
{
	const struct raw_credentials *c = &from->credentials;
	const struct raw_register *r = &from->enrol;
	to->enrol = (struct register_settings){.on = r->user.len > 0,
					       .gin = r->gin,
					       .user = r->user,
					       .domain = r->domain,
					       .expires_s = r->expires / 1000};
	config_warn_of_password(g, &c->head);
	config_warn_of_password(g, &r->head);
	if (c->head.node && (r->password.len > 0 || r->realm.len > 0))
		conf_error_key(
			g->report,
			conf_node_child(r->head.node, r->password.len > 0 ? "password" : "realm"),
			"`credentials` has one too: which of them is meant?");
	if (c->user.len > 0 && c->password.len > 0)
		to->credentials = (struct credentials){true, c->user, c->password, c->realm};
	else if (!c->head.node && r->user.len > 0 && r->password.len > 0)
		to->credentials = (struct credentials){true, r->user, r->password, r->realm};
}

/* Who is not trusted starts no calls in others' names (toll fraud), unless the file says so. */
static enum refer_policy refer_of(const struct config_build *g, const struct raw_trunk *from,
				  uint16_t realm)
{
	if (conf_node_child(from->head.node, "refer"))
		return from->refer;
	if (realm >= g->raw->realms.count)
		return REFER_REJECT;
	const struct raw_realm *r = (const struct raw_realm *)g->raw->realms.items + realm;
	return r->trust >= TRUST_MEDIUM ? REFER_LOCAL : REFER_REJECT;
}

uint32_t config_method_bits(const struct conf_list *l)
{
	const uint32_t *words = l->items;
	uint32_t bits = 0;
	for (size_t i = 0; i < l->count; i++)
		bits |= config_methods[words[i]];
	return bits;
}

static uint32_t methods_of(const struct config_build *g, const struct raw_trunk *from,
			   uint16_t realm)
{
	if (conf_node_child(from->head.node, "methods"))
		return config_method_bits(&from->methods);
	if (realm >= g->raw->realms.count)
		return 0;
	const struct raw_realm *r = (const struct raw_realm *)g->raw->realms.items + realm;
	return r->trust >= TRUST_MEDIUM ? 1u << METHOD_MESSAGE | 1u << METHOD_SUBSCRIBE |
						  1u << METHOD_NOTIFY | 1u << METHOD_PUBLISH
					: 0;
}

static struct session_timer_settings session_timer_of(const struct raw_session_timer *r)
{
	if (!r->head.node)
		return (struct session_timer_settings){.on = true, .expires_s = 1800, .min_s = 90};
	return (struct session_timer_settings){
		.on = r->active, .expires_s = r->expires / 1000, .min_s = r->min / 1000};
}

static struct health_rule health_of(const struct raw_health *r)
{
	struct health_rule h = {.on = r->head.node != NULL,
				.failures = r->failures,
				.rest_ms = r->rest,
				.return_ms = r->come_back};

	(void)config_read_percent(r->min_asr, &h.min_asr);
	(void)config_read_percent(r->min_ner, &h.min_ner);
	(void)config_read_calls(r->over, &h.over);
	return h;
}

static void build_trunk(struct config_build *g, const struct raw_trunk *from, struct trunk *to,
			struct trunk_rule *rule)
{
	bool off = str_eq(from->tls.verify, STR("off"));
	*to = (struct trunk){
		.name = from->head.name,
		.realm = config_find(g, &g->raw->realms, sizeof(struct raw_realm), "realms",
				     from->realm, conf_node_child(from->head.node, "realm")),
		.certificate = config_find_certificate(g, from->tls.certificate, &from->tls.head,
						       "certificate"),
		.verify = off ? SETTINGS_NO_INDEX
			      : config_find_anchor(g, from->tls.verify, &from->tls.head, "verify"),
		.tls_name = from->tls.name,
		.tls_verify = !off,
		.ping = {.on = from->ping.head.node != NULL,
			 .every_ms = from->ping.every,
			 .down_after = from->ping.down_after,
			 .up_after = from->ping.up_after},
		.health = health_of(&from->health)};
	to->habits.session_timer = session_timer_of(&from->session_timer);
	to->admit = (struct admit_rule){
		.is_shared = from->limits.shared,
		.sessions = from->limits.sessions,
		.live = {[ADMIT_IN] = from->limits.inbound, [ADMIT_OUT] = from->limits.outbound},
		.rate = {from->limits.rate.count, from->limits.rate.per_ms, from->limits.burst},
		.place = config_place(from->limits.head.node ? from->limits.head.node
							     : from->head.node)};
	to->limit_duration_ms = from->limit_duration;
	to->caller = config_build_caller(g, from);
	to->habits.redirect = from->redirect;
	to->habits.redirects = (uint8_t)from->redirects;
	to->habits.overload_control = from->overload_control;
	to->habits.initial_offer = from->initial_offer;
	to->habits.reliable = from->reliable;
	to->habits.refer = refer_of(g, from, to->realm);
	to->habits.methods = methods_of(g, from, to->realm);
	build_peers(g, &from->peers, to);
	build_credentials(g, from, to);
	build_proof(g, &from->identify, to);
	*rule = (struct trunk_rule){.name = from->head.name,
				    .realm = to->realm,
				    .rates = config_sheet(g, SHEET_RATES, from->rates,
							  conf_node_at(from->head.node, "rates")),
				    .place = config_place(from->head.node)};
	build_identity(g, from, to, rule);
	config_build_trunk_identity(g, &from->identity, to, rule);
}

void config_build_trunks(struct config_build *g)
{
	const struct conf_list *l = &g->raw->trunks;
	const struct raw_trunk *from = l->items;
	size_t groups = g->raw->users.count;
	struct trunk *to = config_get(g, l->count + groups, sizeof(*to));
	struct trunk_rule *rules = config_get(g, l->count + groups, sizeof(*rules));
	for (size_t i = 0; to && rules && i < l->count; i++)
		if (from[i].head.node->kind == CONF_MAP)
			build_trunk(g, &from[i], &to[i], &rules[i]);
	g->s->trunks = to;
	g->s->policy.trunks = rules;
	g->s->trunk_count = g->s->policy.trunk_count = l->count;
	if (to && rules)
		config_build_users(g, to, rules);
}
