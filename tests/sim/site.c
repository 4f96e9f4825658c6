#include "site.h"

#include "common/check.h"

static struct addr address(const char *text)
{
	struct addr a;
	CHECK(addr_parse(str_from(text), &a) == OK);
	return a;
}

static struct prefix host_prefix(const struct addr *a)
{
	struct prefix p = {*a, 32};
	p.addr.port = 0;
	return p;
}

const struct site_addrs *site_addrs(void)
{
	static struct site_addrs a;
	if (a.carrier.family == ADDR_NONE) {
		a.sbc_outside = address("203.0.113.1:5060");
		a.sbc_inside = address("10.77.0.1:5060");
		a.relay_outside = address("203.0.113.9");
		a.relay_inside = address("10.77.0.9");
		a.carrier = address("198.51.100.10:5060");
		a.carrier2 = address("198.51.100.11:5060");
		a.pbx[0] = address("10.77.0.10:5060");
		a.pbx[1] = address("10.77.0.11:5060");
		a.spare = address("10.77.0.20:5060");
		a.stranger = address("192.0.2.66:5060");
	}
	return &a;
}

uint16_t site_listener(unsigned realm, enum transport t)
{
	return (uint16_t)(realm * SITE_TRANSPORTS + t);
}

static void listen_at(struct site *s, unsigned realm, const struct addr *local)
{
	for (unsigned t = 0; t < SITE_TRANSPORTS; t++) {
		struct listener *l = &s->listeners[site_listener(realm, (enum transport)t)];
		*l = (struct listener){.realm = (uint16_t)realm,
				       .transport = (enum transport)t,
				       .local = *local,
				       .certificate = SETTINGS_NO_INDEX};
		if (t == TRANSPORT_TLS)
			l->local.port = 5061;
	}
}

static struct peer peer_at(const char *host, enum transport t, uint16_t priority)
{
	return (struct peer){.uri = str_from(host),
			     .secure = t == TRANSPORT_TLS,
			     .host = str_from(host),
			     .port = 5060,
			     .transport_given = true,
			     .transport = t,
			     .weight = 1,
			     .priority = priority};
}

static struct trunk trunk_of(const char *name, unsigned realm, const struct peer *peers,
			     size_t count)
{
	return (struct trunk){.name = str_from(name),
			      .realm = (uint16_t)realm,
			      .peers = peers,
			      .peer_count = count,
			      .certificate = SETTINGS_NO_INDEX,
			      .verify = SETTINGS_NO_INDEX,
			      .tls_verify = true};
}

static struct trunk_rule rule_of(const char *name, unsigned realm, const struct prefix *sources,
				 size_t count)
{
	return (struct trunk_rule){.name = str_from(name),
				   .realm = (uint16_t)realm,
				   .sources = sources,
				   .source_count = count};
}

static void set_realms(struct site *s)
{
	const struct site_addrs *a = site_addrs();
	static const char *const names[SITE_REALMS] = {"outside", "inside"};
	for (unsigned i = 0; i < SITE_REALMS; i++) {
		s->realms[i] = (struct realm){.name = str_from(names[i]),
					      .header_rules = SETTINGS_NO_INDEX,
					      .anchor_media = true,
					      .media_addr = i == SITE_OUTSIDE ? a->relay_outside
									      : a->relay_inside,
					      .port_min = 30000,
					      .port_max = 39999};
		s->realm_rules[i] =
			(struct realm_rule){.name = str_from(names[i]),
					    .trust = i == SITE_OUTSIDE ? TRUST_NONE : TRUST_HIGH,
					    .acl_default = ACL_ALLOW};
	}
	listen_at(s, SITE_OUTSIDE, &a->sbc_outside);
	listen_at(s, SITE_INSIDE, &a->sbc_inside);
}

static void set_trunks(struct site *s, const struct site_params *p)
{
	const struct site_addrs *a = site_addrs();
	s->carrier_peer = peer_at("198.51.100.10", p->outside, 1);
	s->pbx_peers[0] = peer_at("10.77.0.10", p->inside, 1);
	s->pbx_peers[1] = peer_at("10.77.0.11", p->inside, 2);
	s->spare_peer = peer_at(SITE_SPARE_HOST, p->inside, 1);
	s->carrier_sources[0] = host_prefix(&a->carrier);
	s->carrier_sources[1] = host_prefix(&a->carrier2);
	s->pbx_sources[0] = host_prefix(&a->pbx[0]);
	s->pbx_sources[1] = host_prefix(&a->pbx[1]);
	s->spare_source = host_prefix(&a->spare);
	s->trunks[SITE_CARRIER] = trunk_of("carrier", SITE_OUTSIDE, &s->carrier_peer, 1);
	s->trunks[SITE_PBX] = trunk_of("pbx", SITE_INSIDE, s->pbx_peers, p->pbx_peers);
	s->trunks[SITE_PBX].ping = (struct ping){p->ping_ms > 0, p->ping_ms, 2, 2};
	if (p->health_rest_ms)
		s->trunks[SITE_PBX].health = (struct health_rule){.on = true,
								  .over = 10,
								  .failures = 1,
								  .rest_ms = p->health_rest_ms,
								  .return_ms = 20000};
	s->trunks[SITE_SPARE] = trunk_of("spare", SITE_INSIDE, &s->spare_peer, 1);
	for (unsigned i = 0; i < SITE_TRUNKS; i++) {
		s->trunks[i].habits = p->habits[i];
		s->trunks[i].admit =
			(struct admit_rule){.sessions = 100000}; /* so that they are counted */
		if (p->credentials)
			s->trunks[i].credentials =
				(struct credentials){.on = true,
						     .user = STR(SITE_AUTH_USER),
						     .password = STR(SITE_AUTH_PASSWORD)};
	}
	if (p->pbx_sessions)
		s->trunks[SITE_PBX].admit =
			(struct admit_rule){.sessions = p->pbx_sessions, .is_shared = true};
	s->trunk_rules[SITE_CARRIER] = rule_of("carrier", SITE_OUTSIDE, s->carrier_sources, 2);
	s->trunk_rules[SITE_PBX] =
		rule_of("pbx", SITE_INSIDE, s->pbx_sources, ARRAY_LEN(s->pbx_sources));
	s->attest = (struct attest_policy){.name = STR("all")};
	for (unsigned i = 0; p->verified && i < SITE_SPARE; i++)
		s->trunk_rules[i].attest = &s->attest;
	s->trunk_rules[SITE_SPARE] = rule_of("spare", SITE_INSIDE, &s->spare_source, 1);
}

static void set_routes(struct site *s, const struct site_params *p)
{
	static const uint16_t codes[] = {
		408, 500, 502, 503, 504, ROUTE_CAUSE_TIMEOUT, ROUTE_CAUSE_TLS, ROUTE_CAUSE_CONNECT};
	for (unsigned i = 0; i < ARRAY_LEN(s->routes); i++) {
		struct route_rule *r = &s->routes[i];
		*r = (struct route_rule){.name = i == 0 ? STR("in") : STR("out"),
					 .from_trunk_count = 1,
					 .strategy = ROUTE_FAILOVER,
					 .failure_code_count = ARRAY_LEN(codes),
					 .failure_after_ms = p->failure_after_ms,
					 .tries = 4};
		for (unsigned j = 0; j < ARRAY_LEN(codes); j++)
			r->failure_codes[j] = codes[j];
	}
	s->routes[0].from_trunks[0] = SITE_CARRIER;
	s->routes[0].to[0] = SITE_PBX;
	s->routes[0].to[1] = SITE_SPARE;
	s->routes[0].to_count = p->spare ? 2 : 1;
	s->routes[1].from_trunks[0] = SITE_PBX;
	s->routes[1].to[0] = SITE_CARRIER;
	s->routes[1].to_count = 1;
}

void site_habits(struct site_params *p)
{
	for (unsigned i = 0; i < SITE_TRUNKS; i++)
		p->habits[i] = (struct trunk_habits){.refer = REFER_LOCAL,
						     .redirect = REDIRECT_REJECT,
						     .redirects = 3,
						     .session_timer = {false, 1800, 90}};
}

void site_init(struct site *s, const struct site_params *p)
{
	*s = (struct site){0};
	set_realms(s);
	set_trunks(s, p);
	set_routes(s, p);
	s->media[0] = (struct media_rule){.name = STR("plain"), .rtp = MEDIA_ALLOW, .t38 = true};
	s->media[1] = (struct media_rule){.name = STR("encrypted"),
					  .rtp = MEDIA_FORBID,
					  .srtp = MEDIA_REQUIRE,
					  .keying_sdes = true,
					  .suites = {SDES_AES_CM_128_HMAC_SHA1_80},
					  .suite_count = 1};
	s->media[2] = s->media[0];
	s->media[2].name = STR("info");
	s->media[2].dtmf = MEDIA_DTMF_INFO;
	for (size_t i = 0; i < ARRAY_LEN(s->media); i++)
		s->media[i].timeout_ms = p->media_timeout_ms;
	s->realm_rules[SITE_OUTSIDE].media_policy = p->srtp ? 1 : 0;
	s->realm_rules[SITE_INSIDE].media_policy = p->info_inside ? 2 : 0;
	s->relay = (struct media_relay){STR("relay"), STR("ng+unix:/relay"), 1};
	s->settings = (struct settings){
		.node = p->node ? str_from(p->node) : STR("node"),
		.policy = {.realms = s->realm_rules,
			   .realm_count = SITE_REALMS,
			   .trunks = s->trunk_rules,
			   .trunk_count = SITE_TRUNKS,
			   .media = s->media,
			   .media_count = ARRAY_LEN(s->media),
			   .routes = s->routes,
			   .route_count = ARRAY_LEN(s->routes)},
		.realms = s->realms,
		.realm_count = SITE_REALMS,
		.listeners = s->listeners,
		.listener_count = SITE_LISTENERS,
		.trunks = s->trunks,
		.trunk_count = SITE_TRUNKS,
		.relays = &s->relay,
		.relay_count = 1,
		.verifier = {.on = p->verified, .max_age_ms = 60000, .fetch_timeout_ms = 800},
		.limits = {.calls = p->calls ? p->calls : 32,
			   .transactions = p->transactions ? p->transactions : 256,
			   .connections = 64,
			   .connections_per_source = 64,
			   .message_bytes = 65535,
			   .idle_ms = 600000,
			   .half_open_ms = 5000,
			   .message_ms = 5000},
		.timers = {500, 4000, 5000, p->timer_c_ms},
		.generation = p->generation};
	if (p->opinion_ms) {
		s->opinion = (struct opinion_rule){.name = STR("second-thoughts"),
						   .trunk = POLICY_NO_INDEX,
						   .accept_on_error = p->opinion_or_accept,
						   .timeout_ms = p->opinion_ms};
		s->settings.policy.opinion = &s->opinion;
		s->settings.opinion =
			(struct opinion_settings){.server = site_addrs()->stranger,
						  .path = STR("/opinion"),
						  .in_flight = 8,
						  .breaker = {1, SITE_OPINION_RESTS_MS}};
	}
	if (p->node) {
		s->settings.store.kind = STORE_KIND_REDIS;
		s->settings.store.key = STR("a key of thirty-two octets......");
		s->settings.store.on_loss[STORE_AREA_LIMITS] =
			p->refuses_on_loss ? STORE_LOSS_REJECT : STORE_LOSS_LOCAL;
	}
}
