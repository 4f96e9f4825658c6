#include "sbc/config_build.h"

enum { BUILT_IN_POLICIES = 2, MEDIA_TIMEOUT_MS = 60000 /* as the table's default */ };

static const enum sdes_suite default_suites[] = {SDES_AEAD_AES_256_GCM, SDES_AEAD_AES_128_GCM,
						 SDES_AES_256_CM_HMAC_SHA1_80,
						 SDES_AES_CM_128_HMAC_SHA1_80};

static struct media_rule built_in(bool encrypted)
{
	struct media_rule m = {.name = encrypted ? STR("srtp-only") : STR("plain-or-srtp"),
			       .rtp = encrypted ? MEDIA_FORBID : MEDIA_ALLOW,
			       .srtp = encrypted ? MEDIA_REQUIRE : MEDIA_ALLOW,
			       .keying_sdes = true,
			       .rtcp_mux = MEDIA_MUX_ACCEPT,
			       .timeout_ms = MEDIA_TIMEOUT_MS,
			       .t38 = !encrypted,
			       .suite_count = ARRAY_LEN(default_suites),
			       .place = {STR("built-in"), 0}};
	for (size_t i = 0; i < ARRAY_LEN(default_suites); i++)
		m.suites[i] = default_suites[i];
	return m;
}

static void build_codecs(struct media_rule *to, const struct raw_codecs *from)
{
	const struct str *allow = from->allow.items, *order = from->order.items;
	for (size_t i = 0; i < from->allow.count; i++)
		to->codecs_allow[to->codecs_allow_count++] = allow[i];
	for (size_t i = 0; i < from->order.count; i++)
		to->codecs_order[to->codecs_order_count++] = order[i];
}

static void build_media_rule(struct media_rule *to, const struct raw_media_policy *from)
{
	const uint32_t *suites = from->suites.items;
	const struct conf_node *rtp = conf_node_child(from->head.node, "rtp");
	to->name = from->head.name;
	to->place = config_place(from->head.node);
	to->srtp = from->srtp;
	to->rtp = from->rtp ? MEDIA_ALLOW : MEDIA_FORBID;
	if (!rtp || rtp->kind == CONF_BROKEN)
		to->rtp = from->srtp == MEDIA_REQUIRE ? MEDIA_FORBID : MEDIA_ALLOW;
	const uint32_t *keying = from->keying.items;
	for (size_t i = 0; i < from->keying.count; i++) {
		to->keying_sdes |= keying[i] == 0;
		to->keying_dtls |= keying[i] == 1;
	}
	to->dtls_first = from->keying.count > 0 && keying[0] == 1;
	to->rtcp_mux = from->rtcp_mux;
	to->dtmf = from->dtmf;
	to->timeout_ms = from->timeout;
	to->t38 = from->t38 != 0;
	if (!conf_node_child(from->head.node, "t38"))
		to->t38 = to->rtp == MEDIA_ALLOW && to->srtp != MEDIA_REQUIRE;
	for (size_t i = 0; i < from->suites.count; i++)
		to->suites[to->suite_count++] = (enum sdes_suite)suites[i];
	build_codecs(to, &from->codecs);
}

void config_build_media(struct config_build *g)
{
	const struct conf_list *l = &g->raw->media_policies;
	const struct raw_media_policy *from = l->items;
	g->media = config_get(g, l->count + BUILT_IN_POLICIES, sizeof(*g->media));
	for (size_t i = 0; g->media && i < l->count; i++)
		if (from[i].head.node->kind == CONF_MAP)
			build_media_rule(&g->media[i], &from[i]);
	g->s->policy.media = g->media;
	g->s->policy.media_count = l->count;
}

/* A built-in policy joins the list when the first realm uses it, unless one of that name was written. */
static uint16_t find_media_policy(struct config_build *g, const struct raw_realm *r)
{
	const struct conf_list *l = &g->raw->media_policies;
	struct policy_config *p = &g->s->policy;
	bool encrypted = r->trust == TRUST_NONE;
	const struct conf_node *trust = conf_node_child(r->head.node, "trust");
	const struct conf_node *named = conf_node_child(r->head.node, "media_policy");
	if (named ? named->kind == CONF_BROKEN : trust && trust->kind == CONF_BROKEN)
		return SETTINGS_NO_INDEX; /* which one is meant cannot be known */
	struct str name = r->media_policy.len > 0 ? r->media_policy
			  : encrypted             ? STR("srtp-only")
						  : STR("plain-or-srtp");
	for (size_t i = 0; g->media && i < p->media_count; i++)
		if (str_eq(g->media[i].name, name))
			return (uint16_t)i;
	encrypted = str_eq(name, STR("srtp-only"));
	if (g->media && (encrypted || str_eq(name, STR("plain-or-srtp")))) {
		g->media[p->media_count] = built_in(encrypted);
		return (uint16_t)p->media_count++;
	}
	/* The two built-in names may be meant as well. */
	struct raw_media_policy all[256 + BUILT_IN_POLICIES];
	struct conf_list known = {all, l->count + BUILT_IN_POLICIES, NULL};
	for (size_t i = 0; i < l->count; i++)
		all[i].head.name = ((const struct raw_media_policy *)l->items)[i].head.name;
	all[l->count].head.name = STR("srtp-only");
	all[l->count + 1].head.name = STR("plain-or-srtp");
	config_refuse_name(g, conf_node_at(r->head.node, "media_policy"), name, &known,
			   sizeof(all[0]), "media_policies");
	return SETTINGS_NO_INDEX;
}

static struct quota_rule quota_of(const struct raw_quota *q)
{
	return (struct quota_rule){q->sessions, {q->rate.count, q->rate.per_ms, q->burst}};
}

static struct admission_rule admission_of(struct config_build *g, const struct raw_realm *from)
{
	const uint16_t at =
		config_find(g, &g->raw->admission, sizeof(struct raw_admission), "admission",
			    from->admission, conf_node_child(from->head.node, "admission"));
	const struct raw_admission *raw = g->raw->admission.items;

	if (at >= g->raw->admission.count)
		return (struct admission_rule){.name = STR_NONE};
	const struct raw_requests *r = &raw[at].requests;
	return (struct admission_rule){
		.name = raw[at].head.name,
		.requests = {r->per_source.count, r->per_source.per_ms, r->burst},
		.registers = {raw[at].registers.per_source.count,
			      raw[at].registers.per_source.per_ms, 0},
		.failures = {{raw[at].registers.failures.count, raw[at].registers.failures.per_ms,
			      0},
			     (uint32_t)(raw[at].registers.ban / 1000)},
		.drop_unknown = raw[at].unknown_methods == 1,
		.has_calls = raw[at].calls.head.node != NULL,
		.calls = {[QUOTA_USER] = quota_of(&raw[at].calls.per_user),
			  [QUOTA_CALLER] = quota_of(&raw[at].calls.per_caller),
			  [QUOTA_DESTINATION] = quota_of(&raw[at].calls.per_destination)},
		.place = config_place(raw[at].head.node)};
}

static void build_realm(struct config_build *g, const struct raw_realm *from, struct realm *to,
			struct realm_rule *rule)
{
	const struct raw_listener *first = from->listen.items;
	struct relay_conf_realm media = {0};
	relay_conf_resolve(&from->media, from->listen.count > 0 ? &first->address : NULL, &media);
	*to = (struct realm){.name = from->head.name,
			     .header_rules = config_find(
				     g, &g->raw->header_rules, sizeof(struct raw_header_rules),
				     "header_rules", from->header_rules,
				     conf_node_child(from->head.node, "header_rules")),
			     .anchor_media = media.anchor,
			     .ice_lite = media.ice == RELAY_ICE_LITE,
			     .bundle = media.bundle == RELAY_BUNDLE_ACCEPT,
			     .media_addr = media.address,
			     .port_min = media.port_min,
			     .port_max = media.port_max,
			     .bodies = from->bodies.items,
			     .body_count = from->bodies.count};
	*rule = (struct realm_rule){.name = from->head.name,
				    .trust = from->trust,
				    .media_policy = find_media_policy(g, from),
				    .acl_allow = from->acl.allow.items,
				    .acl_allow_count = from->acl.allow.count,
				    .acl_deny = from->acl.deny.items,
				    .acl_deny_count = from->acl.deny.count,
				    .acl_default = from->acl.otherwise,
				    .acl_given = from->acl.head.node != NULL,
				    .admission = admission_of(g, from),
				    .place = config_place(from->head.node)};
	if (from->acl.head.node && !conf_node_child(from->acl.head.node, "default"))
		rule->acl_default = from->acl.allow.count > 0 ? ACL_DENY : ACL_ALLOW;
}

static bool realm_asks_names(const struct config_build *g, size_t realm)
{
	const struct policy_config *p = &g->s->policy;
	for (size_t i = 0; i < p->trunk_count; i++)
		if (p->trunks[i].realm == realm && p->trunks[i].certificate_name.len > 0)
			return true;
	return false;
}

/*
 * The one that the listener names; else those of the realm's trunks that are known by their
 * certificate; if no trunk is, all that its trunks name. None: the system's.
 */
static void build_client_anchors(struct config_build *g, const struct raw_listener *from,
				 struct listener *to)
{
	uint16_t *list = config_get(g, g->s->anchor_count + 1, sizeof(*list));
	if (!list)
		return;
	to->client_anchors = list;
	uint16_t named = config_find_anchor(g, from->client_anchors, &from->head, "client_anchors");
	if (named != SETTINGS_NO_INDEX)
		list[to->client_anchor_count++] = named;
	if (from->client_anchors.len > 0)
		return;
	bool by_name = realm_asks_names(g, to->realm);
	for (size_t a = 0; a < g->s->anchor_count; a++) {
		bool used = false;
		for (size_t i = 0; i < g->s->trunk_count; i++) {
			bool asked = !by_name || g->s->policy.trunks[i].certificate_name.len > 0;
			used = used || (asked && g->s->trunks[i].realm == to->realm &&
					g->s->trunks[i].verify == a);
		}
		if (used)
			list[to->client_anchor_count++] = (uint16_t)a;
	}
}

static void build_listener(struct config_build *g, size_t realm, const struct raw_listener *from,
			   struct listener *to)
{
	*to = (struct listener){.realm = (uint16_t)realm,
				.transport = from->transport,
				.local = from->address,
				.dscp = (uint8_t)from->dscp,
				.certificate = config_find_certificate(g, from->certificate,
								       &from->head, "certificate"),
				.client_certificate = from->client_certificate};
	to->local.port = from->port;
	if (to->local.port == 0)
		to->local.port = transport_port(from->transport);
	if (transport_is_web(from->transport)) {
		to->path = from->path;
		to->origins = from->origins.items;
		to->origin_count = from->origins.count;
	}
	if (!transport_is_secure(from->transport))
		return;
	if (!conf_node_child(from->head.node, "client_certificate"))
		to->client_certificate =
			realm_asks_names(g, realm) ? CLIENT_CERT_OPTIONAL : CLIENT_CERT_OFF;
	build_client_anchors(g, from, to);
}

void config_build_realms(struct config_build *g)
{
	const struct conf_list *l = &g->raw->realms;
	const struct raw_realm *from = l->items;
	struct realm *to = config_get(g, l->count, sizeof(*to));
	struct realm_rule *rules = config_get(g, l->count, sizeof(*rules));
	for (size_t i = 0; to && rules && i < l->count; i++)
		if (from[i].head.node->kind == CONF_MAP)
			build_realm(g, &from[i], &to[i], &rules[i]);
	g->s->realms = to;
	g->s->policy.realms = rules;
	g->s->realm_count = g->s->policy.realm_count = l->count;
}

void config_build_listeners(struct config_build *g)
{
	const struct raw_realm *realms = g->raw->realms.items;
	size_t n = 0;
	for (size_t i = 0; i < g->raw->realms.count; i++)
		n += realms[i].listen.count;
	struct listener *to = config_get(g, n, sizeof(*to));
	for (size_t i = 0; to && i < g->raw->realms.count; i++) {
		const struct raw_listener *from = realms[i].listen.items;
		for (size_t j = 0; j < realms[i].listen.count; j++)
			build_listener(g, i, &from[j], &to[g->s->listener_count++]);
	}
	g->s->listeners = to;
}
