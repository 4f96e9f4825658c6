#include "sbc/config_check.h"

#include "common/check.h"

struct checking {
	struct conf_report *report;
	const struct raw_config *raw;
	const struct settings *s;
};

/* Was this key written, and not refused? */
static bool is_good(const struct conf_node *map, const char *key)
{
	const struct conf_node *n = conf_node_child(map, key);
	return n && n->kind != CONF_BROKEN;
}

static bool is_broken(const struct conf_node *map, const char *key)
{
	const struct conf_node *n = conf_node_child(map, key);
	return n && n->kind == CONF_BROKEN;
}

/* ---- realms, media, listeners */

enum { REALMS_MAX = 64 };

static void check_media_ports(const struct checking *g)
{
	const struct raw_realm *raw = g->raw->realms.items;
	struct relay_conf_realm realms[REALMS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < g->s->realm_count && n < REALMS_MAX; i++) {
		const struct conf_node *node = raw[i].head.node;
		const struct conf_node *media = conf_node_child(node, "media");
		const struct raw_listener *first = raw[i].listen.items;
		bool address = is_broken(media, "address") ||
			       (!conf_node_child(media, "address") &&
				(raw[i].listen.count == 0 || first->address.family == ADDR_NONE));
		if (node->kind != CONF_MAP || address || is_broken(media, "ports"))
			continue;
		realms[n] = (struct relay_conf_realm){.name = raw[i].head.name, .node = node};
		relay_conf_resolve(&raw[i].media, raw[i].listen.count > 0 ? &first->address : NULL,
				   &realms[n++]);
	}
	relay_conf_check(g->report, realms, n);
}

/* One listener as written and as built. */
struct pair {
	const struct raw_listener *raw;
	const struct listener *built;
	const struct conf_node *node;
};

enum { LISTENERS_MAX = 1024 };

static size_t gather_listeners(const struct checking *g, struct pair *out)
{
	const struct raw_realm *raw = g->raw->realms.items;
	size_t n = 0, at = 0;
	for (size_t i = 0; i < g->raw->realms.count; i++) {
		const struct raw_listener *l = raw[i].listen.items;
		for (size_t j = 0; j < raw[i].listen.count; j++, at++) {
			const struct conf_node *node = l[j].head.node;
			if (n < LISTENERS_MAX && is_good(node, "transport") &&
			    is_good(node, "address") && !is_broken(node, "port"))
				out[n++] = (struct pair){&l[j], &g->s->listeners[at], node};
		}
	}
	return n;
}

static void check_tls(const struct checking *g, const struct pair *p)
{
	static const char *const tls_only[] = {"certificate", "client_certificate",
					       "client_anchors"};
	if (!transport_is_secure(p->built->transport)) {
		for (size_t i = 0; i < ARRAY_LEN(tls_only); i++)
			if (conf_node_child(p->node, tls_only[i]))
				conf_error_key(g->report, conf_node_child(p->node, tls_only[i]),
					       "only a listener of transport tls or wss has it");
		return;
	}
	if (!conf_node_child(p->node, "certificate"))
		conf_error_missing(
			g->report, p->node, "certificate",
			"missing; needed here: a name of certificates, for the transport is %s",
			transport_label(p->built->transport));
	if (p->built->client_certificate == CLIENT_CERT_REQUIRED &&
	    p->built->client_anchor_count == 0 && !conf_node_child(p->node, "client_anchors"))
		conf_error(g->report, conf_node_at(p->node, "client_certificate"),
			   "required, but nothing says what to verify it with; needed: "
			   "client_anchors here, or "
			   "tls.verify in a trunk of this realm");
	if (p->built->client_certificate == CLIENT_CERT_OFF &&
	    conf_node_child(p->node, "client_anchors"))
		conf_warn(g->report, conf_node_at(p->node, "client_anchors"),
			  "no client certificate is asked for: this is never used");
}

static bool same_socket(const struct pair *a, const struct pair *b)
{
	bool udp_a = a->built->transport == TRANSPORT_UDP,
	     udp_b = b->built->transport == TRANSPORT_UDP;
	return udp_a == udp_b && addr_eq(&a->built->local, &b->built->local);
}

static void check_listener_ports(const struct checking *g, const struct pair *all, size_t i)
{
	const struct pair *p = &all[i];
	const struct conf_node *at = conf_node_at(p->node, "port");
	for (size_t j = 0; j < i; j++)
		if (same_socket(p, &all[j]))
			conf_error(g->report, at,
				   "port %u of this address is taken by the listener at line %u",
				   p->built->local.port, (unsigned)all[j].node->place.line);
	for (size_t j = 0; j < g->s->realm_count && p->built->transport == TRANSPORT_UDP; j++) {
		const struct realm *m = &g->s->realms[j];
		if (m->anchor_media && addr_eq_ip(&m->media_addr, &p->built->local) &&
		    p->built->local.port >= m->port_min && p->built->local.port <= m->port_max)
			conf_error(g->report, at,
				   "port %u lies within the media ports %u-%u of realm \"%.*s\" on "
				   "this "
				   "address",
				   p->built->local.port, m->port_min, m->port_max,
				   STR_ARG(m->name));
	}
}

static void check_http_ports(const struct checking *g, const struct pair *all, size_t count)
{
	const struct raw_http *raw = g->raw->observe.http.items;
	const struct conf_node *otherwise = g->raw->head.node;
	for (size_t i = 0; i < g->s->http_count; i++) {
		const struct addr *local = &g->s->https[i].local;
		const struct conf_node *n =
			g->raw->observe.http.node ? raw[i].head.node : otherwise;
		if (local->family == ADDR_NONE || !n)
			continue;
		for (size_t j = 0; j < count; j++)
			if (all[j].built->transport != TRANSPORT_UDP &&
			    addr_eq(local, &all[j].built->local))
				conf_error(g->report, conf_node_at(n, "port"),
					   "port %u of this address is taken by the listener at "
					   "line %u",
					   local->port, (unsigned)all[j].node->place.line);
		for (size_t j = 0; j < i; j++)
			if (addr_eq(local, &g->s->https[j].local))
				conf_error(g->report, conf_node_at(n, "port"),
					   "port %u of this address is given twice", local->port);
	}
}

/* Keys cross TLS only: a call that arrives otherwise at a side that wants SRTP can only be refused. */
static void warn_of_plain_signalling(const struct checking *g, const struct pair *p)
{
	uint16_t policy = g->s->policy.realms[p->built->realm].media_policy;
	if (transport_is_secure(p->built->transport) || policy >= g->s->policy.media_count)
		return;
	const struct media_rule *m = &g->s->policy.media[policy];
	if (m->keying_dtls) /* whose keys are in nobody's signalling */
		return;
	if (m->srtp == MEDIA_REQUIRE || (m->rtp == MEDIA_FORBID && m->srtp != MEDIA_FORBID))
		conf_warn(g->report, conf_node_at(p->node, "transport"),
			  "media policy \"%.*s\" requires SRTP, whose keys are taken over tls and "
			  "wss "
			  "only: calls "
			  "that arrive over %s are refused",
			  STR_ARG(m->name), transport_label(p->built->transport));
}

/* A cross-site page may connect as well as ours does (threats C18): who may is to be said. */
static void check_web(const struct checking *g, const struct pair *p)
{
	static const char *const web_only[] = {"path", "origins"};
	if (transport_is_web(p->built->transport)) {
		if (p->built->origin_count == 0)
			conf_warn(g->report, conf_node_at(p->node, "transport"),
				  "no origins: any page of the web may connect here");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(web_only); i++)
		if (conf_node_child(p->node, web_only[i]))
			conf_error_key(g->report, conf_node_child(p->node, web_only[i]),
				       "only a listener of transport ws or wss has it");
}

static void check_listeners(const struct checking *g)
{
	struct pair all[LISTENERS_MAX];
	size_t n = gather_listeners(g, all);
	for (size_t i = 0; i < n; i++) {
		check_tls(g, &all[i]);
		check_web(g, &all[i]);
		check_listener_ports(g, all, i);
		warn_of_plain_signalling(g, &all[i]);
	}
	check_http_ports(g, all, n);
}

static void check_realms(const struct checking *g)
{
	const struct raw_realm *raw = g->raw->realms.items;
	for (size_t i = 0; i < g->s->realm_count; i++) {
		const struct conf_node *n = raw[i].head.node;
		if (n->kind != CONF_MAP)
			continue;
		if (!g->s->realms[i].anchor_media)
			conf_warn(g->report, conf_node_at(n, "media.anchor"),
				  "media of this realm passes by the relay: nothing of it is "
				  "hidden, encrypted "
				  "or measured");
		if (raw[i].media.latching == RELAY_LATCHING_LEARN)
			conf_warn(g->report, conf_node_at(n, "media.latching"),
				  "learn sends plain media to whoever speaks first, also to a "
				  "stranger");
		if (raw[i].acl.head.node && raw[i].acl.allow.count == 0 &&
		    raw[i].acl.deny.count == 0 && g->s->policy.realms[i].acl_default != ACL_ALLOW)
			conf_warn(g->report, raw[i].acl.head.node,
				  "no source is allowed: nothing is heard here");
	}
}

/* ---- media policies */

static bool has_name(const struct str *list, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_ieq(list[i], name))
			return true;
	return false;
}

static void check_codec_order(const struct checking *g, const struct raw_media_policy *raw,
			      const struct media_rule *m)
{
	for (size_t i = 0; i < m->codecs_order_count && m->codecs_allow_count > 0; i++) {
		struct conf_guess guess;
		if (has_name(m->codecs_allow, m->codecs_allow_count, m->codecs_order[i]))
			continue;
		conf_guess_init(&guess, m->codecs_order[i]);
		for (size_t j = 0; j < m->codecs_allow_count; j++)
			conf_guess_add(&guess, m->codecs_allow[j]);
		struct str best = conf_guess_best(&guess);
		conf_error(g->report, conf_item_node(&raw->codecs.order, i, raw->head.node),
			   "\"%.*s\" is not among the codecs allowed%s%.*s%s",
			   STR_ARG(m->codecs_order[i]), best.len > 0 ? "; did you mean \"" : "",
			   STR_ARG(best), best.len > 0 ? "\"?" : "");
	}
}

static void check_media_policy(const struct checking *g, const struct raw_media_policy *raw,
			       const struct media_rule *m)
{
	const struct conf_node *n = raw->head.node;
	if (is_broken(n, "rtp") || is_broken(n, "srtp"))
		return;
	if (m->rtp == MEDIA_FORBID && m->srtp == MEDIA_FORBID)
		conf_error(g->report, conf_node_at(n, "srtp"),
			   "rtp and srtp are both forbidden: no call could ever have media");
	bool keyed = m->keying_sdes || m->keying_dtls;
	if (m->srtp != MEDIA_FORBID && !keyed && !is_broken(n, "keying"))
		conf_error(g->report, conf_node_at(n, "keying"),
			   "srtp has no keying: it could never be used; needed: sdes or dtls, or "
			   "srtp: forbid");
	if (m->srtp != MEDIA_FORBID && m->keying_sdes && m->suite_count == 0)
		conf_error(g->report, conf_node_at(n, "suites"),
			   "srtp has no suite: it could never be used; needed: a suite, or srtp: "
			   "forbid");
	if (m->srtp == MEDIA_REQUIRE && m->rtp == MEDIA_ALLOW)
		conf_warn(g->report, conf_node_at(n, "rtp"), "has no effect: srtp is required");
	if (m->t38 && (m->srtp == MEDIA_REQUIRE || m->rtp == MEDIA_FORBID))
		conf_warn(g->report, conf_node_at(n, "t38"),
			  "fax passes unencrypted although this policy forbids plain media");
	check_codec_order(g, raw, m);
}

/* ---- trunks */

static bool realm_listens(const struct settings *s, uint16_t realm, enum transport t)
{
	for (size_t i = 0; i < s->listener_count; i++)
		if (s->listeners[i].realm == realm && s->listeners[i].transport == t)
			return true;
	return false;
}

static void check_peer(const struct checking *g, const struct trunk *t, const struct peer *p,
		       const struct conf_node *n)
{
	struct addr unused;
	bool literal = addr_parse_ip(p->host, &unused) == OK;
	if (!p->secure && !p->transport_given && !literal && p->port == 0)
		return; /* DNS says the transport (RFC 3263 §4.1) */
	if (!realm_listens(g->s, t->realm, p->transport)) {
		conf_error(g->report, conf_node_at(n, "target"),
			   "goes over %s, but realm \"%.*s\" has no listener of that transport",
			   transport_label(p->transport), STR_ARG(g->s->realms[t->realm].name));
	}
}

/* The realm's listeners can be relied upon only if each of them was right. */
static bool realm_is_whole(const struct checking *g, uint16_t realm)
{
	const struct raw_realm *r = (const struct raw_realm *)g->raw->realms.items + realm;
	const struct raw_listener *l = r->listen.items;
	for (size_t i = 0; i < r->listen.count; i++)
		if (!is_good(l[i].head.node, "transport"))
			return false;
	return r->listen.count > 0;
}

static void check_peers(const struct checking *g, const struct raw_trunk *raw,
			const struct trunk *t)
{
	const struct raw_peer *rp = raw->peers.items;
	bool secure = false;
	for (size_t i = 0; i < t->peer_count; i++) {
		const struct peer *p = &t->peers[i];
		secure = secure || p->secure;
		for (size_t j = 0; j < raw->peers.count; j++)
			if (rp[j].target.p == p->uri.p && realm_is_whole(g, t->realm))
				check_peer(g, t, p, rp[j].head.node);
	}
	if (!t->tls_verify)
		conf_warn(g->report, conf_node_at(raw->head.node, "tls.verify"),
			  "anyone can stand in for this trunk: its certificate is not verified");
	if (!secure && raw->tls.head.node && t->peer_count > 0 &&
	    !raw->identify.certificate_name.len)
		conf_warn(g->report, raw->tls.head.node,
			  "no peer of this trunk is reached over TLS: not used");
}

static bool same_sources(const struct trunk_rule *a, const struct trunk_rule *b)
{
	for (size_t i = 0; i < a->source_count; i++) {
		bool found = false;
		for (size_t j = 0; j < b->source_count; j++)
			found = found || (a->sources[i].bits == b->sources[j].bits &&
					  addr_eq_ip(&a->sources[i].addr, &b->sources[j].addr));
		if (!found)
			return false;
	}
	return true;
}

/* Known by its certificate, with the system's anchors, where listeners believe named ones only. */
static void warn_of_other_anchors(const struct checking *g, size_t trunk, const struct conf_node *n)
{
	const struct trunk *t = &g->s->trunks[trunk];
	if (g->s->policy.trunks[trunk].certificate_name.len == 0 || t->verify != SETTINGS_NO_INDEX)
		return;
	for (size_t i = 0; i < g->s->listener_count; i++) {
		if (g->s->listeners[i].realm != t->realm ||
		    g->s->listeners[i].client_anchor_count == 0)
			continue;
		conf_warn(
			g->report, n,
			"its client certificates are verified with what the realm's listeners and "
			"other trunks name, not with the system's; give tls.verify");
		return;
	}
}

static void check_identity(const struct checking *g, const struct raw_trunk *raw, size_t i)
{
	const struct trunk_rule *t = &g->s->policy.trunks[i];
	const struct conf_node *n = conf_node_at(raw->head.node, "identify");
	if (is_broken(raw->identify.head.node, "source") ||
	    is_broken(raw->identify.head.node, "certificate_name") ||
	    g->s->trunks[i].peer_count == 0)
		return;
	if (t->certificate_name.len == 0 && t->source_count == 0) {
		conf_warn(g->report, n,
			  "nothing tells which requests are this trunk's: all of its requests are "
			  "refused; "
			  "give identify.source or identify.certificate_name");
		return;
	}
	if (t->certificate_name.len > 0 && !realm_listens(g->s, t->realm, TRANSPORT_TLS) &&
	    !realm_listens(g->s, t->realm, TRANSPORT_WSS) && realm_is_whole(g, t->realm))
		conf_warn(g->report, n,
			  "asks for a certificate name, but realm \"%.*s\" has no tls listener",
			  STR_ARG(g->s->realms[t->realm].name));
	warn_of_other_anchors(g, i, n);
	for (size_t j = 0; j < i; j++) {
		const struct trunk_rule *o = &g->s->policy.trunks[j];
		if (o->realm == t->realm && str_ieq(o->certificate_name, t->certificate_name) &&
		    same_sources(o, t) && same_sources(t, o))
			conf_warn(g->report, n,
				  "cannot be told from trunk \"%.*s\": requests of both are taken "
				  "for that "
				  "one's",
				  STR_ARG(o->name));
	}
}

static void check_session_timer(const struct checking *g, const struct raw_session_timer *r)
{
	const struct conf_node *node = r->head.node;

	if (node && !is_broken(node, "expires") && !is_broken(node, "min") && r->min > r->expires)
		conf_error_key(g->report, node,
			       "min is longer than expires: no interval lies between them");
}

static void check_trunks(const struct checking *g)
{
	const struct raw_trunk *raw = g->raw->trunks.items;
	for (size_t i = 0; i < g->raw->trunks.count; i++) {
		if (raw[i].head.node->kind != CONF_MAP ||
		    g->s->trunks[i].realm >= g->s->realm_count)
			continue;
		check_peers(g, &raw[i], &g->s->trunks[i]);
		check_identity(g, &raw[i], i);
		check_session_timer(g, &raw[i].session_timer);
	}
}

/* ---- routes */

static bool is_whole(const struct raw_route *raw, const struct route_rule *r)
{
	return raw->head.node &&
	       r->from_realm_count + r->from_trunk_count == raw->when.from.count &&
	       r->number_count == raw->when.number.count && !is_broken(raw->head.node, "when");
}

static bool codecs_meet(const struct media_rule *a, const struct media_rule *b)
{
	if (a->codecs_allow_count == 0 || b->codecs_allow_count == 0)
		return true;
	for (size_t i = 0; i < a->codecs_allow_count; i++) {
		struct str name = a->codecs_allow[i];
		if (str_ieq(name, STR("telephone-event")) || str_ieq(name, STR("CN")))
			continue; /* never a call's only codec */
		if (has_name(b->codecs_allow, b->codecs_allow_count, name))
			return true;
	}
	return false;
}

static const struct media_rule *policy_of(const struct settings *s, uint16_t realm)
{
	if (realm >= s->realm_count ||
	    s->policy.realms[realm].media_policy >= s->policy.media_count)
		return NULL;
	return &s->policy.media[s->policy.realms[realm].media_policy];
}

/* Each way from a realm through the route must leave a codec to speak. */
static void check_route_codecs(const struct checking *g, size_t i)
{
	const struct raw_route *raw = (const struct raw_route *)g->raw->routes.items + i;
	const struct route_rule *r = &g->s->policy.routes[i];
	for (size_t t = 0; t < r->to_count; t++) {
		const struct media_rule *to = policy_of(g->s, g->s->trunks[r->to[t]].realm);
		for (size_t k = 0; to && k < r->from_realm_count + r->from_trunk_count; k++) {
			uint16_t realm =
				k < r->from_realm_count
					? r->from_realms[k]
					: g->s->trunks[r->from_trunks[k - r->from_realm_count]]
						  .realm;
			const struct media_rule *from = policy_of(g->s, realm);
			if (!from || codecs_meet(from, to))
				continue;
			conf_error(g->report, conf_item_node(&raw->to, t, raw->head.node),
				   "no call can have a codec: media policies \"%.*s\" and \"%.*s\" "
				   "allow none in "
				   "common",
				   STR_ARG(from->name), STR_ARG(to->name));
			break;
		}
	}
}

static void check_routes(const struct checking *g)
{
	const struct raw_route *raw = g->raw->routes.items;
	for (size_t i = 0; i < g->s->policy.route_count; i++) {
		const struct route_rule *r = &g->s->policy.routes[i];
		if (!raw[i].head.node)
			continue;
		for (size_t j = 0; j < i; j++)
			if (str_eq(r->name, g->s->policy.routes[j].name))
				conf_error(g->report, conf_node_at(raw[i].head.node, "name"),
					   "\"%.*s\" is the name of the route at line %u too",
					   STR_ARG(r->name),
					   (unsigned)g->s->policy.routes[j].place.line);
		if (is_whole(&raw[i], r))
			check_route_codecs(g, i);
	}
	if (g->s->policy.route_count == 0 && !conf_node_child(g->raw->head.node, "routes"))
		conf_warn(g->report, g->raw->head.node,
			  "no routes: every call is refused with 404");
}

/* ---- sinks and relays */

static void check_same_names(const struct checking *g)
{
	const struct raw_relay *relays = g->raw->relays.items;
	const struct raw_cdr *cdrs = g->raw->cdrs.items;
	for (size_t i = 0; i < g->raw->relays.count; i++)
		for (size_t j = 0; j < i; j++) {
			if (relays[i].name.len > 0 && str_eq(relays[i].name, relays[j].name))
				conf_error(g->report, conf_node_at(relays[i].head.node, "name"),
					   "\"%.*s\" is given twice", STR_ARG(relays[i].name));
			if (relays[i].url.len > 0 && str_eq(relays[i].url, relays[j].url))
				conf_error(g->report, conf_node_at(relays[i].head.node, "url"),
					   "the same relay as \"%.*s\"", STR_ARG(relays[j].name));
		}
	for (size_t i = 0; i < g->raw->cdrs.count; i++)
		for (size_t j = 0; j < i; j++)
			if (cdrs[i].path.len > 0 && str_eq(cdrs[i].path, cdrs[j].path))
				conf_error(g->report, conf_node_at(cdrs[i].head.node, "path"),
					   "\"%.*s\" is written to twice", STR_ARG(cdrs[i].path));
}

/* ---- users */

/* An address-of-record is one user's: it cannot be of two groups, whose registrars and passwords differ. */
static void check_users(const struct checking *g)
{
	const struct raw_users *raw = g->raw->users.items;
	for (size_t i = 0; i < g->s->users_count; i++)
		for (size_t j = 0; j < i; j++)
			for (size_t k = 0; k < g->s->users[i].domain_count; k++) {
				const struct users *a = &g->s->users[i], *b = &g->s->users[j];
				for (size_t n = 0; n < b->domain_count; n++)
					if (str_ieq(a->domains[k], b->domains[n]))
						conf_error(
							g->report,
							conf_node_at(raw[i].head.node, "domains"),
							"\"%.*s\" is a domain of \"%.*s\" too",
							STR_ARG(a->domains[k]), STR_ARG(b->name));
			}
}

void config_check(struct conf_report *r, const struct raw_config *raw, const struct settings *s)
{
	struct checking g = {r, raw, s};
	const struct raw_media_policy *policies = raw->media_policies.items;
	check_media_ports(&g);
	check_realms(&g);
	check_listeners(&g);
	for (size_t i = 0; i < raw->media_policies.count; i++)
		if (policies[i].head.node->kind == CONF_MAP)
			check_media_policy(&g, &policies[i], &s->policy.media[i]);
	check_trunks(&g);
	check_routes(&g);
	config_check_hidden(r, raw, s);
	if (r->errors == 0) /* what is wrong may be why something is not used */
		config_check_use(r, raw, s);
	check_users(&g);
	check_same_names(&g);
}
