#include "sbc/config.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/secret.h"
#include "policy/number.h"
#include "policy/pattern.h"
#include "sbc/core/method.h"
#include "sbc/config_check.h"
#include "sbc/config_peer.h"
#include "sbc/config_tables.h"
#include "sbc/core/rules.h"

enum { RESOLVER_TEXT_MAX = 64 }; /* "[IPv6]:port," */

/* Lies in its own arena, with the tree and every text. */
struct config {
	struct settings settings;
	struct arena arena;
};

struct building {
	struct arena *arena;
	struct conf_report *report;
	const struct raw_config *raw;
	struct settings *s;
	struct media_rule *media; /* with room for the built-in ones */
	bool full;
};

static void *get(struct building *g, size_t count, size_t size)
{
	void *p = arena_zalloc(g->arena, (count > 0 ? count : 1) * size);
	g->full = g->full || !p;
	return p;
}

static struct rule_place place_of(const struct conf_node *n)
{
	return (struct rule_place){n->place.file->path,
				   n->key.len > 0 ? n->key_place.line : n->place.line};
}

/* ---- names */

static void refuse_name(struct building *g, const struct conf_node *n, struct str name,
			const struct conf_list *known, size_t size, const char *section)
{
	struct conf_guess guess;
	char names[600];
	struct buf b;
	buf_init(&b, names, sizeof(names));
	conf_guess_init(&guess, name);
	for (size_t i = 0; i < known->count; i++) {
		const struct conf_head *h = (const void *)((const char *)known->items + size * i);
		conf_guess_add(&guess, h->name);
		if (b.len + h->name.len + 2 < sizeof(names))
			buf_printf(&b, "%s%.*s", i > 0 ? ", " : "", STR_ARG(h->name));
	}
	char mean[200];
	struct buf m;
	buf_init(&m, mean, sizeof(mean));
	conf_guess_write(&m, &guess);
	conf_error(g->report, n, "\"%.*s\" is not a name of %s%.*s%.*s", STR_ARG(name), section,
		   (int)m.len, mean, known->count > 0 ? (int)b.len : 4,
		   known->count > 0 ? names : "none");
}

/* The index of a name in a named map; SETTINGS_NO_INDEX when it is empty or, after saying so, unknown. */
static uint16_t find(struct building *g, const struct conf_list *known, size_t size,
		     const char *section, struct str name, const struct conf_node *n)
{
	size_t at;
	if (name.len == 0)
		return SETTINGS_NO_INDEX;
	if (conf_named(known, size, name, &at))
		return (uint16_t)at;
	refuse_name(g, n, name, known, size, section);
	return SETTINGS_NO_INDEX;
}

static uint16_t find_certificate(struct building *g, struct str name, const struct conf_head *in,
				 const char *key)
{
	return find(g, &g->raw->certificates, sizeof(struct raw_certificate), "certificates", name,
		    conf_node_child(in->node, key));
}

static uint16_t find_anchor(struct building *g, struct str name, const struct conf_head *in,
			    const char *key)
{
	return find(g, &g->raw->anchors, sizeof(struct raw_anchor), "trust_anchors", name,
		    conf_node_child(in->node, key));
}

/* ---- certificates, anchors, header rules */

static void build_certificates(struct building *g)
{
	const struct conf_list *l = &g->raw->certificates;
	const struct raw_certificate *from = l->items;
	struct certificate *to = get(g, l->count, sizeof(*to));
	for (size_t i = 0; to && i < l->count; i++)
		to[i] = (struct certificate){.name = from[i].head.name,
					     .chain_path = from[i].chain,
					     .key_path = from[i].key.path,
					     .key_pem = from[i].key.value,
					     .min_version = from[i].min_version ? 0x0304 : 0x0303};
	g->s->certificates = to;
	g->s->certificate_count = l->count;
	const struct conf_list *m = &g->raw->anchors;
	const struct raw_anchor *anchors = m->items;
	struct trust_anchor *out = get(g, m->count, sizeof(*out));
	for (size_t i = 0; out && i < m->count; i++)
		out[i] = (struct trust_anchor){anchors[i].head.name, anchors[i].path};
	g->s->anchors = out;
	g->s->anchor_count = m->count;
}

/* A pattern that was written; what is wrong with it was said when it was read. */
static const struct route_pattern *build_pattern(struct building *g, struct str text)
{
	const struct route_pattern *p = NULL;
	char why[200];
	struct buf b;
	buf_init(&b, why, sizeof(why));
	return text.len > 0 && pattern_compile(g->arena, text, &p, &b) == OK ? p : NULL;
}

static void check_template(struct building *g, const struct conf_node *n, struct str with,
			   const struct route_pattern *p)
{
	unsigned groups = p ? pattern_group_count(p) : 9;
	struct str fault = pattern_fill_fault(with, groups);
	if (n && n->kind != CONF_BROKEN && fault.len > 0)
		conf_error(g->report, n,
			   "\"%.*s\" is not known here; allowed: \\0 to \\%u, and \\\\ for itself",
			   STR_ARG(fault), groups);
}

static void build_edit_when(struct building *g, const struct raw_edit_when *from,
			    struct header_edit *to)
{
	const struct conf_node *n = from->head.node;
	const struct str *trunks = from->trunk.items, *statuses = from->status.items;
	to->when_trust_below = n && conf_node_child(n, "trust_below");
	to->trust_below = from->trust_below;
	to->when_methods = from->method.items;
	to->when_method_count = from->method.count;
	uint16_t *indexes = get(g, from->trunk.count, sizeof(*indexes));
	struct status_range *ranges = get(g, from->status.count, sizeof(*ranges));
	for (size_t i = 0; indexes && i < from->trunk.count; i++)
		indexes[to->when_trunk_count++] =
			find(g, &g->raw->trunks, sizeof(struct raw_trunk), "trunks", trunks[i],
			     conf_item_node(&from->trunk, i, n));
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
static void check_edit_keys(struct building *g, const struct raw_edit *e)
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
static void check_edit_names(struct building *g, const struct raw_edit *e)
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

static const struct header_edit *build_edits(struct building *g, const struct conf_list *l,
					     size_t *count)
{
	const struct raw_edit *from = l->items;
	struct header_edit *to = get(g, l->count, sizeof(*to));
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

/* ---- numbers */

static void build_number_rule(struct building *g, const struct raw_number_rule *from,
			      struct number_rule *to)
{
	const uint32_t *fields = from->fields.items;
	to->match = build_pattern(g, from->match);
	if (from->match.len == 0 && conf_node_child(from->head.node, "match"))
		to->match = NULL;
	to->to = from->to;
	to->place = place_of(from->head.node);
	for (size_t i = 0; i < from->fields.count; i++)
		to->fields = (uint8_t)(to->fields | 1u << fields[i]);
	if (to->match)
		check_template(g, conf_node_child(from->head.node, "to"), from->to, to->match);
}

static void build_numbers(struct building *g)
{
	const struct conf_list *l = &g->raw->numbers;
	const struct conf_named_list *from = l->items;
	struct number_rules *to = get(g, l->count, sizeof(*to));
	for (size_t i = 0; to && i < l->count; i++) {
		const struct raw_number_rule *raw = from[i].list.items;
		struct number_rule *rules = get(g, from[i].list.count, sizeof(*rules));
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

static const struct number_rules *find_numbers(struct building *g,
					       const struct raw_trunk_numbers *n, struct str name,
					       const char *key)
{
	uint16_t i = find(g, &g->raw->numbers, sizeof(struct conf_named_list), "numbers", name,
			  n->head.node ? conf_node_child(n->head.node, key) : NULL);
	return i < g->s->policy.number_count ? &g->s->policy.numbers[i] : NULL;
}

static struct caller_settings build_caller(struct building *g, const struct raw_trunk *from)
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

static void build_header_rules(struct building *g)
{
	const struct conf_list *l = &g->raw->header_rules;
	const struct raw_header_rules *from = l->items;
	struct header_rules *to = get(g, l->count, sizeof(*to));
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

/* ---- media policies */

enum { BUILT_IN_POLICIES = 2 };

static const enum sdes_suite default_suites[] = {SDES_AEAD_AES_256_GCM, SDES_AEAD_AES_128_GCM,
						 SDES_AES_256_CM_HMAC_SHA1_80,
						 SDES_AES_CM_128_HMAC_SHA1_80};

static struct media_rule built_in(bool encrypted)
{
	struct media_rule m = {.name = encrypted ? STR("srtp-only") : STR("plain-or-srtp"),
			       .rtp = encrypted ? MEDIA_FORBID : MEDIA_ALLOW,
			       .srtp = encrypted ? MEDIA_REQUIRE : MEDIA_ALLOW,
			       .keying_sdes = true,
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
	to->place = place_of(from->head.node);
	to->srtp = from->srtp;
	to->rtp = from->rtp ? MEDIA_ALLOW : MEDIA_FORBID;
	if (!rtp || rtp->kind == CONF_BROKEN)
		to->rtp = from->srtp == MEDIA_REQUIRE ? MEDIA_FORBID : MEDIA_ALLOW;
	to->keying_sdes = from->keying.count > 0;
	to->t38 = from->t38 != 0;
	if (!conf_node_child(from->head.node, "t38"))
		to->t38 = to->rtp == MEDIA_ALLOW && to->srtp != MEDIA_REQUIRE;
	for (size_t i = 0; i < from->suites.count; i++)
		to->suites[to->suite_count++] = (enum sdes_suite)suites[i];
	build_codecs(to, &from->codecs);
}

static void build_media(struct building *g)
{
	const struct conf_list *l = &g->raw->media_policies;
	const struct raw_media_policy *from = l->items;
	g->media = get(g, l->count + BUILT_IN_POLICIES, sizeof(*g->media));
	for (size_t i = 0; g->media && i < l->count; i++)
		if (from[i].head.node->kind == CONF_MAP)
			build_media_rule(&g->media[i], &from[i]);
	g->s->policy.media = g->media;
	g->s->policy.media_count = l->count;
}

/* A built-in policy joins the list when the first realm uses it, unless one of that name was written. */
static uint16_t find_media_policy(struct building *g, const struct raw_realm *r)
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
	refuse_name(g, conf_node_at(r->head.node, "media_policy"), name, &known, sizeof(all[0]),
		    "media_policies");
	return SETTINGS_NO_INDEX;
}

/* ---- realms and listeners */

static void build_realm(struct building *g, const struct raw_realm *from, struct realm *to,
			struct realm_rule *rule)
{
	const struct raw_listener *first = from->listen.items;
	struct relay_conf_realm media = {0};
	relay_conf_resolve(&from->media, from->listen.count > 0 ? &first->address : NULL, &media);
	*to = (struct realm){.name = from->head.name,
			     .header_rules =
				     find(g, &g->raw->header_rules, sizeof(struct raw_header_rules),
					  "header_rules", from->header_rules,
					  conf_node_child(from->head.node, "header_rules")),
			     .anchor_media = media.anchor,
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
				    .place = place_of(from->head.node)};
	if (from->acl.head.node && !conf_node_child(from->acl.head.node, "default"))
		rule->acl_default = from->acl.allow.count > 0 ? ACL_DENY : ACL_ALLOW;
}

static bool realm_asks_names(const struct building *g, size_t realm)
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
static void build_client_anchors(struct building *g, const struct raw_listener *from,
				 struct listener *to)
{
	uint16_t *list = get(g, g->s->anchor_count + 1, sizeof(*list));
	if (!list)
		return;
	to->client_anchors = list;
	uint16_t named = find_anchor(g, from->client_anchors, &from->head, "client_anchors");
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

static void build_listener(struct building *g, size_t realm, const struct raw_listener *from,
			   struct listener *to)
{
	*to = (struct listener){
		.realm = (uint16_t)realm,
		.transport = from->transport,
		.local = from->address,
		.certificate = find_certificate(g, from->certificate, &from->head, "certificate"),
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

static void build_realms(struct building *g)
{
	const struct conf_list *l = &g->raw->realms;
	const struct raw_realm *from = l->items;
	struct realm *to = get(g, l->count, sizeof(*to));
	struct realm_rule *rules = get(g, l->count, sizeof(*rules));
	for (size_t i = 0; to && rules && i < l->count; i++)
		if (from[i].head.node->kind == CONF_MAP)
			build_realm(g, &from[i], &to[i], &rules[i]);
	g->s->realms = to;
	g->s->policy.realms = rules;
	g->s->realm_count = g->s->policy.realm_count = l->count;
}

static void build_listeners(struct building *g)
{
	const struct raw_realm *realms = g->raw->realms.items;
	size_t n = 0;
	for (size_t i = 0; i < g->raw->realms.count; i++)
		n += realms[i].listen.count;
	struct listener *to = get(g, n, sizeof(*to));
	for (size_t i = 0; to && i < g->raw->realms.count; i++) {
		const struct raw_listener *from = realms[i].listen.items;
		for (size_t j = 0; j < realms[i].listen.count; j++)
			build_listener(g, i, &from[j], &to[g->s->listener_count++]);
	}
	g->s->listeners = to;
}

/* ---- trunks */

static void build_peers(struct building *g, const struct conf_list *l, struct trunk *to)
{
	const struct raw_peer *from = l->items;
	struct peer *peers = get(g, l->count, sizeof(*peers));
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
static void build_identity(struct building *g, const struct raw_trunk *from, const struct trunk *t,
			   struct trunk_rule *to)
{
	to->certificate_name = from->identify.certificate_name;
	to->sources = from->identify.source.items;
	to->source_count = from->identify.source.count;
	bool by_user = from->identify.user.len > 0;
	if (to->certificate_name.len > 0 || to->source_count > 0 ||
	    (from->identify.head.node && !by_user))
		return;
	struct prefix *list = get(g, t->peer_count + 2, sizeof(*list));
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

/* A password that every reader of the file can read. */
static void warn_of_open_password(struct building *g, const struct conf_head *h)
{
	const struct conf_node *n = conf_node_child(h->node, "password");
	if (n && n->kind == CONF_SCALAR && n->tag == CONF_TAG_NONE)
		conf_warn(g->report, n,
			  "the password stands in the file itself; better: !credential NAME, !file "
			  "PATH "
			  "or !env NAME");
}

static void build_proof(struct building *g, const struct raw_identify *from, struct trunk *to)
{
	to->proof = (struct credentials){.on = from->user.len > 0 && from->password.len > 0,
					 .user = from->user,
					 .password = from->password,
					 .realm = from->realm};
	warn_of_open_password(g, &from->head);
	if (from->user.len > 0 && from->password.len == 0)
		conf_error_missing(g->report, from->head.node, "password",
				   "missing; identify.user needs one");
	if (from->user.len == 0 && from->password.len > 0)
		conf_error_missing(g->report, from->head.node, "user",
				   "missing; identify.password needs one");
}

/* Both forms: `credentials`, or those of `register`. */
static void build_credentials(struct building *g, const struct raw_trunk *from, struct trunk *to)
{
	const struct raw_credentials *c = &from->credentials;
	const struct raw_register *r = &from->enrol;
	to->enrol = (struct register_settings){.on = r->user.len > 0,
					       .gin = r->gin,
					       .user = r->user,
					       .domain = r->domain,
					       .expires_s = r->expires / 1000};
	warn_of_open_password(g, &c->head);
	warn_of_open_password(g, &r->head);
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
static enum refer_policy refer_of(const struct building *g, const struct raw_trunk *from,
				  uint16_t realm)
{
	if (conf_node_child(from->head.node, "refer"))
		return from->refer;
	if (realm >= g->raw->realms.count)
		return REFER_REJECT;
	const struct raw_realm *r = (const struct raw_realm *)g->raw->realms.items + realm;
	return r->trust >= TRUST_MEDIUM ? REFER_LOCAL : REFER_REJECT;
}

static uint32_t method_bits(const struct conf_list *l)
{
	const uint32_t *words = l->items;
	uint32_t bits = 0;
	for (size_t i = 0; i < l->count; i++)
		bits |= config_methods[words[i]];
	return bits;
}

static uint32_t methods_of(const struct building *g, const struct raw_trunk *from, uint16_t realm)
{
	if (conf_node_child(from->head.node, "methods"))
		return method_bits(&from->methods);
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

static void build_trunk(struct building *g, const struct raw_trunk *from, struct trunk *to,
			struct trunk_rule *rule)
{
	bool off = str_eq(from->tls.verify, STR("off"));
	*to = (struct trunk){
		.name = from->head.name,
		.realm = find(g, &g->raw->realms, sizeof(struct raw_realm), "realms", from->realm,
			      conf_node_child(from->head.node, "realm")),
		.certificate =
			find_certificate(g, from->tls.certificate, &from->tls.head, "certificate"),
		.verify = off ? SETTINGS_NO_INDEX
			      : find_anchor(g, from->tls.verify, &from->tls.head, "verify"),
		.tls_name = from->tls.name,
		.tls_verify = !off,
		.ping = {.on = from->ping.head.node != NULL,
			 .every_ms = from->ping.every,
			 .down_after = from->ping.down_after,
			 .up_after = from->ping.up_after}};
	to->habits.session_timer = session_timer_of(&from->session_timer);
	to->caller = build_caller(g, from);
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
	*rule = (struct trunk_rule){
		.name = from->head.name, .realm = to->realm, .place = place_of(from->head.node)};
	build_identity(g, from, to, rule);
}

/* ---- users */

static void build_group(struct building *g, const struct raw_users *from, struct users *to)
{
	const struct raw_account *accounts = from->accounts.items;
	struct user_account *list = get(g, from->accounts.count, sizeof(*list));
	*to = (struct users){.name = from->head.name,
			     .realm = find(g, &g->raw->realms, sizeof(struct raw_realm), "realms",
					   from->realm, conf_node_child(from->head.node, "realm")),
			     .domains = from->domains.items,
			     .domain_count = from->domains.count,
			     .registrar = find(g, &g->raw->trunks, sizeof(struct raw_trunk),
					       "trunks", from->registrar,
					       conf_node_child(from->head.node, "registrar")),
			     .from_user_s = from->refresh.from_user / 1000,
			     .to_registrar_s = from->refresh.to_registrar / 1000,
			     .sessions = from->per_user.sessions,
			     .contacts = from->per_user.contacts,
			     .local = from->auth == 1,
			     .accounts = list,
			     .account_count = from->accounts.count};
	for (size_t i = 0; list && i < from->accounts.count; i++)
		list[i] = (struct user_account){accounts[i].user, accounts[i].password};
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
static void build_users(struct building *g, struct trunk *trunks, struct trunk_rule *rules)
{
	const struct conf_list *l = &g->raw->users;
	const struct raw_users *from = l->items;
	struct users *to = get(g, l->count, sizeof(*to));
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
					    .habits.methods = method_bits(&from[i].methods),
					    .certificate = SETTINGS_NO_INDEX,
					    .verify = SETTINGS_NO_INDEX,
					    .tls_verify = true};
		rules[at] = (struct trunk_rule){.name = from[i].head.name,
						.realm = to[i].realm,
						.place = place_of(from[i].head.node)};
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
static void build_user_routes(struct building *g, struct route_rule *hidden)
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

static void build_trunks(struct building *g)
{
	const struct conf_list *l = &g->raw->trunks;
	const struct raw_trunk *from = l->items;
	size_t groups = g->raw->users.count;
	struct trunk *to = get(g, l->count + groups, sizeof(*to));
	struct trunk_rule *rules = get(g, l->count + groups, sizeof(*rules));
	for (size_t i = 0; to && rules && i < l->count; i++)
		if (from[i].head.node->kind == CONF_MAP)
			build_trunk(g, &from[i], &to[i], &rules[i]);
	g->s->trunks = to;
	g->s->policy.trunks = rules;
	g->s->trunk_count = g->s->policy.trunk_count = l->count;
	if (to && rules)
		build_users(g, to, rules);
}

/* ---- routes */

static void build_from(struct building *g, const struct raw_route *from, struct route_rule *to)
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
			refuse_name(g, n, names[i], trunks, sizeof(struct raw_trunk),
				    "trunks or realms");
	}
	to->any_from = from->when.from.count == 0;
}

static void build_patterns(struct building *g, const struct raw_route *from, struct route_rule *to)
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

static void build_targets(struct building *g, const struct raw_route *from, struct route_rule *to)
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
			trunk = find(g, &g->raw->trunks, sizeof(struct raw_trunk), "trunks",
				     names[i], conf_item_node(&from->to, i, from->head.node));
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

static void build_route(struct building *g, size_t i, const struct raw_route *from,
			struct route_rule *to)
{
	to->name = from->name;
	to->place = place_of(from->head.node);
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
	build_patterns(g, from, to);
	build_targets(g, from, to);
}

static void build_routes(struct building *g)
{
	const struct conf_list *l = &g->raw->routes;
	const struct raw_route *from = l->items;
	struct route_rule *to = get(g, l->count + 2 * g->raw->users.count, sizeof(*to));
	for (size_t i = 0; to && i < l->count; i++)
		if (from[i].head.node)
			build_route(g, i, &from[i], &to[i]);
	if (to)
		build_user_routes(g, to + l->count);
	g->s->policy.routes = to;
	g->s->policy.route_count = l->count;
}

/* ---- the rest */

static void build_relays(struct building *g)
{
	const struct conf_list *l = &g->raw->relays;
	const struct raw_relay *from = l->items;
	struct media_relay *to = get(g, l->count, sizeof(*to));
	if (!to)
		return;
	for (size_t i = 0; i < l->count; i++)
		to[i] = (struct media_relay){from[i].name, from[i].url, from[i].weight};
	g->s->relay_count = l->count;
	if (l->count == 0) {
		to[0] = (struct media_relay){STR("local"), STR(RELAY_CONF_DEFAULT_URL), 100};
		g->s->relay_count = 1;
	}
	g->s->relays = to;
}

static void build_cdrs(struct building *g)
{
	const struct conf_list *l = &g->raw->cdrs;
	const struct raw_cdr *from = l->items;
	struct cdr_sink *to = get(g, l->count, sizeof(*to));
	if (!to)
		return;
	for (size_t i = 0; i < l->count; i++)
		to[i] = (struct cdr_sink){from[i].path, from[i].rotate};
	g->s->cdr_count = l->count;
	if (!l->node) { /* `cdr: []` is a wish, nothing written is none */
		to[0] = (struct cdr_sink){STR("/var/log/sallyport/cdr.jsonl"), 0};
		g->s->cdr_count = 1;
	}
	g->s->cdrs = to;
}

static void build_https(struct building *g)
{
	const struct conf_list *l = &g->raw->observe.http;
	const struct raw_http *from = l->items;
	struct http_listener *to = get(g, l->count, sizeof(*to));
	if (!to)
		return;
	for (size_t i = 0; i < l->count; i++) {
		const uint32_t *pages = from[i].pages.items;
		to[i].local = from[i].address;
		to[i].local.port = from[i].port;
		for (size_t j = 0; j < from[i].pages.count; j++) {
			to[i].metrics = to[i].metrics || pages[j] == 0;
			to[i].health = to[i].health || pages[j] == 1;
		}
	}
	g->s->http_count = l->count;
	if (!l->node) {
		CHECK(addr_parse(STR("127.0.0.1:9080"), &to[0].local) == OK);
		to[0].metrics = to[0].health = true;
		g->s->http_count = 1;
	}
	g->s->https = to;
}

static struct str host_name(struct arena *a)
{
	char name[256];
	if (gethostname(name, sizeof(name)) != 0)
		return STR("localhost");
	name[sizeof(name) - 1] = '\0';
	struct str s = arena_str(a, str_from(name));
	return s.len > 0 ? s : STR("localhost");
}

/* "192.0.2.1:53,[2001:db8::1]:53" */
static struct str build_resolver(struct building *g)
{
	const struct conf_list *l = &g->raw->node.resolver;
	const struct addr *from = l->items;
	size_t cap = l->count * RESOLVER_TEXT_MAX;
	char *to = get(g, cap, 1);
	struct buf b;
	if (!to)
		return STR_NONE;
	buf_init(&b, to, cap);
	for (size_t i = 0; i < l->count; i++) {
		struct addr a = from[i];
		if (a.port == 0)
			a.port = 53;
		if (i > 0)
			buf_char(&b, ',');
		addr_write(&b, &a);
	}
	return buf_view(&b);
}

static void build(struct building *g)
{
	const struct raw_config *raw = g->raw;
	g->s->node = raw->node.name.len > 0 ? raw->node.name : host_name(g->arena);
	g->s->run_as = raw->node.run_as;
	g->s->resolver = build_resolver(g);
	g->s->log = raw->observe.log.v;
	g->s->control_path = raw->observe.control;
	g->s->limits = raw->limits.v;
	g->s->limits.overload = raw->limits.overload.v;
	g->s->timers = raw->timers.v;
	build_certificates(g);
	build_header_rules(g);
	build_numbers(g);
	build_media(g);
	build_realms(g);
	build_trunks(g);
	build_listeners(g); /* needs the trunks: whose certificates are to be verified */
	build_routes(g);
	build_relays(g);
	build_cdrs(g);
	build_https(g);
}

/* Steps two and three over a tree. */
static enum err make(const struct conf_tree *t, struct conf_report *r, struct config *c)
{
	struct raw_config raw;
	struct conf_fill f = {&c->arena, r, t->incomplete};
	struct building g = {.arena = &c->arena, .report = r, .raw = &raw, .s = &c->settings};
	conf_fill(&f, &config_section, t->root, &raw);
	if (t->incomplete) /* names may stand in the file that could not be read */
		return OK;
	build(&g);
	if (g.full)
		return ERR_NOMEM;
	config_check_files(r, &raw, &c->settings, (int64_t)time(NULL));
	config_check(r, &raw, &c->settings);
	return OK;
}

/* All but the reading: the tree's memory becomes the settings', and goes with them. */
static enum err finish(struct conf_tree *t, struct conf_report *report, size_t errors_before,
		       struct settings **out)
{
	struct config *c = arena_zalloc(&t->arena, sizeof(*c));
	if (!c) {
		conf_tree_release(t);
		return ERR_NOMEM;
	}
	enum err e = OK;
	c->arena = t->arena;
	if (t->root)
		e = make(t, report, c);
	conf_report_sort(report);
	if (e == OK && report->errors > errors_before)
		e = ERR_BAD;
	if (e == OK)
		*out = &c->settings;
	else
		config_free(&c->settings);
	return e;
}

enum err config_load(const char *path, struct conf_report *report, struct settings **out)
{
	struct conf_tree t;
	size_t before = report->errors;
	enum err e = conf_tree_init(&t);
	if (e != OK)
		return e;
	conf_tree_read(&t, report, path);
	return finish(&t, report, before, out);
}

enum err config_load_text(struct str name, struct str text, struct conf_report *report,
			  struct settings **out)
{
	struct conf_tree t;
	size_t before = report->errors;
	enum err e = conf_tree_init_for(&t, text.len);
	if (e != OK)
		return e;
	conf_tree_read_text(&t, report, name, text);
	return finish(&t, report, before, out);
}

void config_free(struct settings *s)
{
	if (!s)
		return;
	struct arena a = CONTAINER_OF(s, struct config, settings)->arena;
	secret_wipe(a.base, a.used);
	arena_release(&a);
}

void config_write_docs(struct buf *b)
{
	conf_write_docs(b, &config_section);
}
