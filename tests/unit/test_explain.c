/*
 * The one promise of explain: its verdict is that of the running core. Configurations and INVITEs by chance; each INVITE is
 * first explained, then given to the same core, which goes on with what that left behind.
 */
#include "sbc/core/sbc_explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "sbc/config.h"
#include "sbc/core/call.h"
#include "sbc/core/digest.h"
#include "sbc/core/explain_args.h"
#include "sbc/core/keepout.h"
#include "sbc/core/worker.h"
#include "tests/support/cert.h"
#include "tests/support/check.h"

enum { CONFIGS = 160, INVITES = 25, YAML_MAX = 32768, TEXT_MAX = 16384, USERS = 3 };

/* What the core did with the latest message. */
static struct {
	bool refused, dropped, unproven, asked_relay, sent_invite;
	id_t64 opinion; /* the question */
	char challenge[1024];
	struct verdict v;
	char rule[64], file[64];
	unsigned status;
} seen;

static uint64_t state_of_chance;
static char dir[64];

/* Who has registered, and from where. */
static struct {
	struct flow flow;
	bool on;
} users[USERS];

static uint32_t chance(uint32_t below)
{
	state_of_chance ^= state_of_chance << 13;
	state_of_chance ^= state_of_chance >> 7;
	state_of_chance ^= state_of_chance << 17;
	return (uint32_t)(state_of_chance >> 33) % below;
}

static bool one_in(uint32_t n)
{
	return chance(n) == 0;
}

/* ---- the world */

static void keep_challenge(struct str bytes)
{
	const struct str name = STR("WWW-Authenticate: ");
	struct str rest = str_from_offset(bytes, str_find(bytes, name)), line;

	if (rest.len > name.len && str_cut(&rest, '\r', &line))
		EXPECT_ERR(str_copy(str_from_offset(line, name.len), seen.challenge,
				    sizeof(seen.challenge)),
			   OK);
}

static void on_send(void *ctx, const struct dest *d, struct str bytes, id_t64 tag)
{
	(void)ctx, (void)d, (void)tag;
	if (str_has_prefix(bytes, STR("SIP/2.0 401")))
		keep_challenge(bytes);
	if (str_has_prefix(bytes, STR("INVITE ")))
		seen.sent_invite = true;
	if (str_has_prefix(bytes, STR("SIP/2.0 ")) && bytes.p[8] >= '2')
		seen.status = (unsigned)strtoul(bytes.p + 8, NULL, 10);
}
static void on_close(void *ctx, id_t64 flow)
{
	(void)ctx, (void)flow;
}
static void on_resolve(void *ctx, const struct resolve_query *q, id_t64 id)
{
	(void)ctx, (void)q, (void)id;
}
static void on_relay(void *ctx, const struct relay_query *q, id_t64 id)
{
	(void)ctx, (void)id;
	seen.asked_relay = seen.asked_relay || str_eq(q->command, STR("offer"));
}
static void on_store(void *ctx, const struct store_op *op)
{
	(void)ctx, (void)op;
}
static void on_opine(void *ctx, const struct opinion_query *q, id_t64 id)
{
	(void)ctx, (void)q;
	seen.opinion = id;
}
static void on_credential(void *ctx, struct str url, id_t64 id)
{
	(void)ctx, (void)url, (void)id;
}
static void on_publish(void *ctx, const struct notice *n)
{
	(void)ctx;
	if (n->type == NOTICE_REFUSED) {
		seen.refused = true;
		seen.v = *n->verdict;
		EXPECT_ERR(str_copy(seen.v.rule, seen.rule, sizeof(seen.rule)), OK);
		EXPECT_ERR(str_copy(seen.v.file, seen.file, sizeof(seen.file)), OK);
	} else if (n->type == NOTICE_DROPPED) {
		seen.dropped = true;
		seen.unproven = seen.unproven || n->drop == NOTICE_DROP_UNPROVEN;
	}
}

static struct sbc *start(const struct settings *set, uint64_t now_ms, uint64_t wall_ms)
{
	struct sbc_params p = {.settings = set,
			       .ports = {.send = on_send,
					 .close = on_close,
					 .resolve = on_resolve,
					 .relay = on_relay,
					 .publish = on_publish,
					 .opine = on_opine,
					 .credential = on_credential,
					 .store = on_store},
			       .now_ms = now_ms,
			       .wall_ms = wall_ms};
	struct sbc *s = NULL;

	memset(p.seed, (int)chance(256), sizeof(p.seed));
	EXPECT_ERR(sbc_new(&s, &p), OK);
	return s;
}

/* ---- configurations by chance */

enum { REALMS_MAX = 3, TRUNKS_MAX = 5 };

static const char *const number_patterns[] = {"^\\\\+49", "^0", "^112$",    "^\\\\+4930",
					      "5$",       "^9", "^.{3,5}$", "^[+]?[0-9]+$"};
static const char *const numbers[] = {"+4930555", "030555",    "112",  "999",       "5",
				      "anna",     "+12684645", "0900", "+49172%31", "110",
				      "115",      "u0",        "u1",   "+882555"};

static void write_realms(struct buf *b, unsigned realms)
{
	static const char *const defaults[] = {"deny", "reject", "allow"};

	buf_lit(b, "realms:\n");
	for (unsigned i = 0; i < realms; i++) {
		buf_printf(
			b,
			"  r%u:\n    trust: %s\n    media_policy: %s\n    listen:\n"
			"      - { transport: udp, address: 127.0.%u.1, port: 5060 }\n"
			"      - { transport: tcp, address: 127.0.%u.1, port: 5060 }\n"
			"      - { transport: tls, address: 127.0.%u.1, port: 5061, certificate: "
			"edge }\n",
			i, one_in(2) ? "none" : "high", one_in(2) ? "plain" : "srtp", 100 + i,
			100 + i, 100 + i);
		if (one_in(2))
			buf_printf(b, "    admission: a%u\n", chance(2));
		if (!one_in(4))
			continue;
		buf_lit(b, "    acl: { ");
		if (!one_in(3))
			buf_printf(b, "allow: [127.0.%u.0/24, 127.0.%u.0/26], ", chance(4),
				   chance(4));
		if (one_in(2))
			buf_printf(b, "deny: [127.0.%u.%u/%u], ", chance(4), 64 * chance(4),
				   one_in(2) ? 26 : 32);
		buf_printf(b, "default: %s }\n", defaults[chance(3)]);
	}
}

static void write_users(struct buf *b)
{
	buf_printf(
		b,
		"users:\n  phones:\n    realm: r0\n    domains: [example.net]\n    auth: local\n"
		"    digest: [MD5]\n    per_user: { sessions: %u, contacts: 4%s }\n    accounts:\n",
		1 + chance(4), one_in(2) ? ", rate: 3/10s" : "");
	for (unsigned i = 0; i < USERS; i++)
		buf_printf(b, "      - { user: u%u, password: !file %s/password }\n", i, dir);
}

static void write_identity(struct buf *b)
{
	static const char *const missing[] = {"accept", "reject", "reject 499"};

	buf_printf(
		b,
		"identity:\n  verifier: { anchors: %s/edge.pem, hosts: [certificates.example] }\n"
		"  policies:\n    strictly: { missing: %s, invalid: %s, caller: %s }\n",
		dir, missing[chance(3)], one_in(2) ? "reject 438" : "accept",
		one_in(2) ? "either" : "from");
}

static void write_fraud(struct buf *b)
{
	static const char *const by[] = {"source", "user", "trunk", "caller", "destination"};
	static const char *const counts[] = {"calls", "distinct destinations", "distinct callers",
					     "steps", "refused"};
	static const char *const actions[] = {"reject",   "reject 482", "ban 20s",
					      "limit 5s", "alert",      "[reject, ban 5s]"};

	buf_lit(b, "fraud:\n  destinations: etc/destinations.csv\n  home: [DE]\n  keys: 64\n  "
		   "rules:\n");
	for (unsigned i = 0; i < 4; i++) {
		const char *what = counts[chance(ARRAY_LEN(counts))];
		const char *whom =
			strcmp(what, "refused") == 0 ? "source" : by[chance(ARRAY_LEN(by))];
		if (strcmp(what, "steps") == 0 || strncmp(what, "distinct ", 9) == 0)
			whom = "source";
		buf_printf(b, "    - { name: f%u, count: %s, by: %s, over: %u/%us, action: %s }\n",
			   i, what, whom, 1 + chance(6), 10 + chance(50),
			   actions[chance(ARRAY_LEN(actions))]);
	}
	if (one_in(2))
		buf_lit(b, "    - { name: dear, when: { class: [premium, caribbean, satellite, "
			   "international-premium] }, action: reject }\n");
	if (one_in(2))
		buf_lit(b,
			"    - { name: diverted, when: { diversions: 2 }, action: reject 482 }\n");
	if (one_in(3))
		buf_lit(b, "    - { name: callers, when: { caller: [\"^9\"] }, action: reject 404 "
			   "}\n");
}

static void write_opinion(struct buf *b)
{
	buf_printf(
		b,
		"opinion:\n  url: http://127.0.0.1:8099/verdict\n  on_error: %s\n  in_flight: %u\n"
		"  when: { from: [r0, r1]%s }\n",
		one_in(3) ? "accept" : "reject", one_in(4) ? 100 : 1,
		one_in(4) ? ", number: [\"^[+0]\"]" : "");
}

static void write_trunks(struct buf *b, unsigned trunks, unsigned realms, bool verifies)
{
	static const char *const reliable[] = {"supported", "require", "off"};

	buf_lit(b, "trunks:\n");
	for (unsigned i = 0; i < trunks; i++) {
		const bool proves = one_in(5);
		buf_printf(b,
			   "  t%u:\n    realm: r%u\n    peers: [ { target: "
			   "\"sip:127.0.%u.%u;transport=%s\" } ]\n",
			   i, chance(realms), chance(4), 1 + chance(4), one_in(4) ? "tls" : "udp");
		if (!one_in(3))
			buf_printf(b, "    identify: { source: [127.0.%u.0/%u]%s%s%s%s }\n",
				   chance(4), one_in(2) ? 24 : 26,
				   one_in(4) ? ", certificate_name: peer.example" : "",
				   proves ? ", user: carrier, password: !file " : "",
				   proves ? dir : "", proves ? "/password" : "");
		if (verifies && one_in(2))
			buf_lit(b, "    identity: { verify: strictly }\n");
		if (one_in(2))
			buf_printf(b,
				   "    limits: { sessions: %u, inbound: %u, outbound: %u, rate: "
				   "%u/10s, burst: %u }\n",
				   1 + chance(8), 1 + chance(6), 1 + chance(6), 1 + chance(4),
				   1 + chance(4));
		if (one_in(2))
			buf_printf(b, "    numbers: { in: n%u }\n", chance(2));
		if (one_in(4))
			buf_printf(b, "    reliable_provisional: %s\n", reliable[chance(3)]);
	}
}

static void write_routes(struct buf *b, unsigned trunks, unsigned realms, bool phones)
{
	static const char *const strategies[] = {"failover", "weighted", "round-robin"};
	const unsigned routes = 1 + chance(6);

	buf_lit(b, "routes:\n");
	if (phones && one_in(2))
		buf_lit(b,
			"  - name: to-phones\n    when: { number: [\"^u\"] }\n    to: [phones]\n");
	if (phones && one_in(2))
		buf_lit(b, "  - name: from-phones\n    when: { from: phones }\n    to: [t0]\n");
	for (unsigned i = 0; i < routes; i++) {
		buf_printf(b, "  - name: x%u\n    when: { ", i);
		const char *sep = "";
		if (one_in(2)) {
			if (one_in(2))
				buf_printf(b, "from: r%u", chance(realms));
			else
				buf_printf(b, "from: [t%u, t%u]", chance(trunks), chance(trunks));
			sep = ", ";
		}
		if (!one_in(3)) {
			buf_printf(b, "%snumber: [\"%s\"]", sep,
				   number_patterns[chance(ARRAY_LEN(number_patterns))]);
			sep = ", ";
		}
		if (one_in(5)) {
			buf_printf(b, "%sdomain: [example.net]", sep);
			sep = ", ";
		}
		if (one_in(4))
			buf_printf(b, "%sat: { hours: \"%02u:00-%02u:00\" }", sep, chance(12),
				   12 + chance(12));
		buf_lit(b, " }\n");
		if (one_in(6))
			buf_printf(b, "    reject: { status: %u, reason: \"No %u\" }\n",
				   400 + 3 * chance(30), i);
		else
			buf_printf(b, "    to: [t%u, t%u]\n    strategy: %s\n", chance(trunks),
				   chance(trunks), strategies[chance(3)]);
		if (one_in(6))
			buf_lit(b, "    priority: emergency\n");
	}
}

static void write_config(struct buf *b)
{
	const unsigned realms = 2 + chance(REALMS_MAX - 1), trunks = 2 + chance(TRUNKS_MAX - 1);

	buf_printf(b,
		   "version: 1\nnode: { name: sbc.test }\nlimits: { calls: %u%s }\n"
		   "certificates: { edge: { chain: %s/edge.pem, key: !file %s/edge.key } }\n"
		   "media_policies:\n"
		   "  plain: { rtp: allow, srtp: forbid }\n"
		   "  srtp: { rtp: forbid, srtp: require, keying: [sdes] }\n"
		   "numbers:\n"
		   "  n0: [ { match: \"^0(\\\\d+)$\", to: \"+49\\\\1\" }, { match: \"^9$\", to: "
		   "\"112\" } ]\n"
		   "  n1: [ { match: \"^\\\\+49(\\\\d+)$\", to: \"0\\\\1\" } ]\n"
		   "admission:\n"
		   "  a0: { requests: { per_source: %u/10s, burst: %u } }\n"
		   "  a1:\n    requests: { per_source: 5/10s }\n    calls: { per_caller: { "
		   "sessions: %u, "
		   "rate: 3/10s }, per_destination: { sessions: %u, rate: %u/10s, burst: 2 } }\n",
		   one_in(8) ? 5 : 100, one_in(4) ? ", call_rate: 5/10s" : "", dir, dir,
		   1 + chance(5), 1 + chance(5), chance(4), chance(4), 1 + chance(4));
	if (one_in(2))
		buf_printf(b,
			   "geo:\n  country: tests/data/geo/country.mmdb\n  rules:\n"
			   "    - { when: { realm: r%u, country_not: [DE, FR, unknown] }, action: "
			   "reject, status: 403 }\n"
			   "    - { when: { trunk: t%u, country: [RU, unknown] }, action: %s }\n",
			   chance(realms), chance(trunks), one_in(2) ? "drop" : "reject");
	const bool phones = one_in(2), verifies = one_in(2);
	write_realms(b, realms);
	write_trunks(b, trunks, realms, verifies);
	if (phones)
		write_users(b);
	if (verifies)
		write_identity(b);
	if (one_in(2))
		write_fraud(b);
	if (one_in(2))
		write_opinion(b);
	if (one_in(3))
		buf_lit(b, "bans: { allow: [127.0.1.0/26] }\n");
	write_routes(b, trunks, realms, phones);
}

/* Unlikely ones have mistakes (a route that has no trunk of its own, …): then another one. */
static struct settings *make_config(char *yaml)
{
	struct settings *set = NULL;

	while (!set) {
		struct conf_report report;
		struct buf b;
		buf_init(&b, yaml, YAML_MAX - 1);
		write_config(&b);
		yaml[b.len] = '\0';
		CHECK(!b.overflow && conf_report_init(&report) == OK);
		enum err e = config_load_text(STR("site.yaml"), buf_view(&b), &report, &set);
		if (e != OK && report.count && getenv("EXPLAIN_SHOW"))
			printf("# %.*s\n", STR_ARG(report.messages[0].text));
		conf_report_release(&report);
	}
	return set;
}

/* ---- INVITEs by chance */

static const char sdp_plain[] = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
				"t=0 0\r\nm=audio 20000 RTP/AVP 8\r\n";
static const char sdp_srtp[] =
	"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
	"m=audio 20000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
	"inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n";

/* Who says that he calls: a number, or the user that he is, or would like to be. */
static void write_from(struct buf *b, const struct flow *f, unsigned serial)
{
	const char *number = numbers[chance(ARRAY_LEN(numbers))];
	unsigned user = USERS;

	for (unsigned i = 0; i < USERS; i++)
		if (users[i].on && f->id != ID_NONE && users[i].flow.id == f->id)
			user = one_in(6) ? chance(USERS) : i;
	if (user < USERS)
		buf_printf(b, "From: <sip:u%u@example.net>;tag=%u\r\n", user, serial);
	else
		buf_printf(b, "From: <sip:%s@127.0.0.9>;tag=%u\r\n", number, serial);
}

static void write_invite(struct buf *b, const struct flow *f, unsigned serial)
{
	static const char *const extras[] = {
		"Identity: abc;info=<https://certificates.example/c>;alg=ES256;ppt=shaken\r\n",
		"P-Asserted-Identity: <sip:+4930777@127.0.0.9>\r\nPrivacy: id\r\n",
		"Diversion: <sip:1@127.0.0.9>;reason=unconditional, <sip:2@127.0.0.9>\r\n",
		"Require: 100rel\r\n",
		"Supported: 100rel\r\n",
		"Require: timer\r\n",
		"Session-Expires: 30\r\nSupported: timer\r\n",
		"Require: no-such-thing\r\n",
		"Privacy: session; critical\r\n",
		"Max-Forwards: 0\r\n"};
	const char *sdp = one_in(2) ? "" : one_in(2) ? sdp_plain : sdp_srtp;
	const char *method = one_in(30) ? "MESSAGE" : one_in(40) ? "OPTIONS" : "INVITE";
	const char *extra = one_in(5) ? extras[chance(ARRAY_LEN(extras))] : "";

	buf_printf(b, "%s sip%s:%s@%s SIP/2.0\r\nVia: SIP/2.0/%.*s ", method, one_in(12) ? "s" : "",
		   numbers[chance(ARRAY_LEN(numbers))], one_in(3) ? "example.net" : "127.0.100.1",
		   STR_ARG(transport_name(f->transport)));
	addr_write(b, &f->remote);
	buf_printf(b, ";branch=z9hG4bK%u\r\n", serial);
	if (!strstr(extra, "Max-Forwards"))
		buf_lit(b, "Max-Forwards: 70\r\n");
	if (!one_in(40))
		write_from(b, f, serial);
	buf_printf(b, "To: <sip:x@127.0.100.1>%s\r\nCall-ID: c%u\r\nCSeq: 1 %s\r\n%s",
		   one_in(50) ? ";tag=unknown" : "", serial, method, extra);
	if (!one_in(40)) {
		buf_lit(b, "Contact: <sip:");
		addr_write(b, &f->remote);
		buf_lit(b, ">\r\n");
	}
	buf_printf(b, "%sContent-Length: %zu\r\n\r\n%s",
		   sdp[0] ? "Content-Type: application/sdp\r\n" : "", strlen(sdp), sdp);
}

static struct flow make_flow(const struct settings *set, struct tls_facts *tls,
			     const struct tls_facts **out_tls)
{
	static const char *const countries[] = {"DE", "FR", "DE", "FR", "RU", "\0"};
	struct flow f = {.listener = (uint16_t)chance((uint32_t)set->listener_count)};
	const char *country = countries[chance(ARRAY_LEN(countries))];
	char text[32];

	snprintf(text, sizeof(text), "127.0.%u.%u:5060", chance(4), 1 + chance(4) + 60 * chance(4));
	EXPECT_ERR(addr_parse(str_from(text), &f.remote), OK);
	/* Mostly someone whom a trunk knows, where that trunk is. */
	const struct trunk_rule *t = &set->policy.trunks[chance((uint32_t)set->policy.trunk_count)];
	if (!one_in(5) && t->source_count) {
		f.remote = t->sources[0].addr;
		f.remote.ip[3] = (uint8_t)(f.remote.ip[3] | (1 + chance(2)));
		f.remote.port = 5060;
		f.listener = (uint16_t)(3 * t->realm + chance(3)); /* three of each realm */
	}
	/* Or a phone. */
	const unsigned u = chance(USERS);
	if (users[u].on && one_in(3))
		f = users[u].flow;
	f.transport = set->listeners[f.listener].transport;
	if (f.id == ID_NONE && f.transport != TRANSPORT_UDP)
		f.id = 7 + chance(1000000);
	f.country[0] = country[0];
	f.country[1] = country[1];
	*tls = (struct tls_facts){.version = STR("TLSv1.3"), .verified = one_in(2)};
	if (tls->verified)
		tls->names[tls->name_count++] = STR("peer.example");
	*out_tls = transport_is_secure(f.transport) ? tls : NULL;
	return f;
}

/* ---- the comparison */

/* All that the stages remember, for "nothing was changed". */
struct memory {
	struct policy_state policy;
	struct rng rng;
	struct opine opine;
	uint32_t live, calls, setups, transactions;
	uint64_t total;
};

static void remember(struct memory *m, const struct sbc *s)
{
	memset(m, 0, sizeof(*m));
	memcpy(&m->policy, &s->policy, sizeof(m->policy));
	memcpy(&m->rng, &s->rng, sizeof(m->rng));
	memcpy(&m->opine, &s->opine, sizeof(m->opine));
	m->live = s->live;
	m->calls = s->calls.used;
	m->setups = s->setups.used;
	m->transactions = s->txns.pool.used;
	m->total = s->counts.total;
}

static uint16_t newest_route(const struct sbc *s)
{
	uint32_t cursor = 0;
	uint64_t newest = 0;
	uint16_t route = SETTINGS_NO_INDEX;
	id_t64 id;
	const struct call *c;

	while ((c = pool_next(&s->calls, &cursor, &id)) != NULL)
		if (c->number > newest) {
			newest = c->number;
			route = c->record.route;
		}
	return route;
}

/* What was said beforehand: the rule's name may go when its ban does. */
struct said {
	struct verdict v;
	char rule[64], file[64];
	bool allowed;
};

static void keep_said(struct said *to, const struct explanation *x)
{
	const struct verdict *v = decision_verdict(&x->decision);

	*to = (struct said){.allowed = decision_allows(&x->decision)};
	if (!v)
		return;
	to->v = *v;
	EXPECT_ERR(str_copy(v->rule, to->rule, sizeof(to->rule)), OK);
	EXPECT_ERR(str_copy(v->file, to->file, sizeof(to->file)), OK);
}

/* False: they differ; both are printed. */
static bool agrees(const struct sbc *s, const struct explanation *x, const struct said *said,
		   bool proved)
{
	const struct verdict *v = &said->v;

	if (x->kind == EXPLANATION_NOTHING)
		return true;
	/* Over UDP nobody is told more than he said, unless he has shown who he is. */
	if (x->asked_password && !proved)
		return (seen.status == 401 || seen.unproven) && !seen.asked_relay &&
		       !seen.sent_invite;
	if (said->allowed && x->kind == EXPLANATION_CALL)
		return !seen.refused && (seen.asked_relay || seen.sent_invite) &&
		       newest_route(s) == x->decision.route;
	if (said->allowed)
		return !seen.refused;
	if (v->outcome == VERDICT_DROP)
		return seen.dropped && seen.status == 0 &&
		       (!seen.refused || seen.v.stage == v->stage);
	if (seen.status != v->status && !seen.unproven)
		return false;
	/* What is refused for its session interval is no rule's doing, and no notice. */
	if (strcmp(said->rule, "session_timer") == 0)
		return !seen.refused;
	return seen.refused && seen.v.stage == v->stage && strcmp(said->rule, seen.rule) == 0 &&
	       strcmp(said->file, seen.file) == 0 && seen.v.line == v->line &&
	       seen.v.outcome == v->outcome;
}

static void show(const struct explanation *x, const struct said *said, struct str text,
		 const char *yaml)
{
	const struct verdict *v = &said->v;

	printf("# explained: kind %d %s %u %s \"%s\" %s:%u; password %d opinion %d\n", (int)x->kind,
	       verdict_outcome_name(v->outcome), v->status, verdict_stage_name(v->stage),
	       said->rule, said->file, v->line, x->asked_password, x->asked_opinion);
	printf("# happened: refused %d %s %u %s \"%s\" %s:%u; status %u dropped %d unproven %d "
	       "relay %d invite %d opinion %d\n",
	       seen.refused, verdict_outcome_name(seen.v.outcome), seen.v.status,
	       verdict_stage_name(seen.v.stage), seen.rule, seen.file, seen.v.line, seen.status,
	       seen.dropped, seen.unproven, seen.asked_relay, seen.sent_invite,
	       seen.opinion != ID_NONE);
	printf("%.*s\n%s\n", STR_ARG(text), yaml);
}

/* ---- one request */

static unsigned outcomes[EXPLANATION_KIND_COUNT][VERDICT_STAGE_COUNT];
static struct {
	unsigned opinions, passwords, users, bans;
} met;

struct one {
	struct sbc *s;
	const char *yaml;
	struct event event;
	struct tls_facts tls;
	struct buf text, again; /* again: with credentials */
	char mem[TEXT_MAX], again_mem[TEXT_MAX];
};

static const char *credentials_for(const char *user, const char *method, struct str uri)
{
	static char line[1024];
	struct str value = str_from(seen.challenge);
	struct digest_challenge c;
	struct buf b;

	if (digest_challenge_cut(&value, &c) != OK)
		return NULL;
	const struct digest_use use = {.challenge = &c,
				       .user = str_from(user),
				       .password = STR("sesame"),
				       .method = str_from(method),
				       .uri = uri,
				       .nc = 1,
				       .cnonce = STR("c0ffee")};
	buf_init(&b, line, sizeof(line) - 1);
	buf_lit(&b, "Authorization: ");
	EXPECT_ERR(digest_write(&b, &use), OK);
	buf_lit(&b, "\r\n");
	line[b.len] = 0;
	return line;
}

/* The same request with the right password, as another one. */
static bool write_again(struct one *o)
{
	struct str rest = buf_view(&o->text), method, uri;
	const struct str branch = STR("branch=z9hG4bK"), length = STR("Content-Length: ");
	const size_t at = str_find(rest, branch), end = str_find(rest, length);
	char name[32];

	if (at == rest.len || end == rest.len || !str_cut(&rest, ' ', &method) ||
	    !str_cut(&rest, ' ', &uri))
		return false;
	EXPECT_ERR(str_copy(method, name, sizeof(name)), OK);
	const char *line = credentials_for("carrier", name, uri);
	if (!line)
		return false;
	buf_init(&o->again, o->again_mem, sizeof(o->again_mem));
	buf_bytes(&o->again, o->mem, at + branch.len);
	buf_char(&o->again, 'p');
	buf_bytes(&o->again, o->mem + at + branch.len, end - at - branch.len);
	buf_z(&o->again, line);
	buf_bytes(&o->again, o->mem + end, o->text.len - end);
	return !o->again.overflow;
}

/* Somebody else lets it pass, or fails, or has not answered yet. False: what comes of it is no matter of ours. */
static bool give_opinion(struct one *o)
{
	static const struct str accept = {"{\"verdict\":\"accept\"}", 20};
	const bool works = !one_in(5);
	struct event e = {.type = EVENT_OPINION,
			  .now_ms = o->event.now_ms,
			  .wall_ms = o->event.wall_ms,
			  .opinion = {.id = seen.opinion,
				      .status = works ? 200 : 0,
				      .body = works ? accept : STR_NONE}};

	if (one_in(2))
		return false;
	sbc_step(o->s, &e);
	return works;
}

static void try_text(struct one *o, struct str text, bool proved)
{
	static struct explanation x;
	static struct memory before, after;
	static char reply[65536];
	struct explain_params p = {.event = o->event};
	struct said said;
	struct buf out;

	p.event.message.bytes = text;
	remember(&before, o->s);
	sbc_explain(o->s, &p, &x);
	remember(&after, o->s);
	EXPECT_TRUE(memcmp(&before, &after, sizeof(before)) == 0);
	buf_init(&out, reply, sizeof(reply));
	sbc_explain_write(&out, o->s, &x);
	EXPECT_TRUE(!out.overflow && json_len(buf_view(&out)) > 0);
	keep_said(&said, &x);
	memset(&seen, 0, sizeof(seen));
	seen.opinion = ID_NONE;
	sbc_step(o->s, &p.event);
	const struct verdict *v = &said.v;
	outcomes[x.kind][!said.allowed ? v->stage : VERDICT_STAGE_NONE]++;
	met.opinions += x.asked_opinion;
	met.passwords += x.asked_password && proved;
	met.users += x.kind == EXPLANATION_CALL && x.facts.user.len > 0;
	met.bans += v->stage == VERDICT_STAGE_BAN;
	bool same = (seen.opinion != ID_NONE) == (x.asked_opinion && (proved || !x.asked_password));
	if (same && seen.opinion != ID_NONE && !give_opinion(o))
		return;
	same = same && agrees(o->s, &x, &said, proved);
	if (!same)
		show(&x, &said, text, o->yaml);
	EXPECT_TRUE(same);
	if (x.asked_password && !proved && seen.challenge[0] && write_again(o))
		try_text(o, buf_view(&o->again), true);
}

static void try_one(struct one *o, const struct settings *set, unsigned serial)
{
	o->event.type = EVENT_MESSAGE;
	o->event.message.flow = make_flow(set, &o->tls, &o->event.message.tls);
	buf_init(&o->text, o->mem, sizeof(o->mem));
	write_invite(&o->text, &o->event.message.flow, serial);
	if (one_in(60))
		o->text.len = 1 + chance((uint32_t)o->text.len - 1); /* cut anywhere */
	try_text(o, buf_view(&o->text), false);
}

/* An operator, or a rule, keeps somebody out for a while. */
static void ban_somebody(struct sbc *s)
{
	static const enum subject_kind kinds[] = {SUBJECT_SOURCE, SUBJECT_CALLER,
						  SUBJECT_DESTINATION, SUBJECT_USER, SUBJECT_TRUNK};
	struct ban_order o = {.subject = {.kind = kinds[chance(ARRAY_LEN(kinds))]},
			      .mode = one_in(3) ? BAN_SLOW : BAN_OUT,
			      .by = one_in(2) ? BAN_BY_OPERATOR : BAN_BY_RULE,
			      .seconds = 1 + chance(4),
			      .rule = STR("told"),
			      .place = {STR("site.yaml"), 7}};
	char text[32];

	snprintf(text, sizeof(text), "127.0.%u.%u", chance(4), 1 + chance(4));
	o.subject.source.bits = one_in(4) ? 26 : 32;
	EXPECT_ERR(addr_parse_ip(str_from(text), &o.subject.source.addr), OK);
	o.subject.name = o.subject.kind == SUBJECT_USER ? STR("u1@example.net")
			 : o.subject.kind == SUBJECT_TRUNK
				 ? STR("t1")
				 : str_from(numbers[chance(ARRAY_LEN(numbers))]);
	(void)keepout_ban(s, &o, NULL);
}

/* Phones of the group, each over a connection of its own, as far as they are let in. */
static void register_users(struct sbc *s, const struct settings *set, uint64_t now_ms,
			   uint64_t wall_ms)
{
	struct tls_facts tls = {.version = STR("TLSv1.3")};
	char text[2048], name[8];

	for (unsigned i = 0; i < USERS; i++) {
		struct flow *f = &users[i].flow;
		users[i].on = false;
		*f = (struct flow){.listener = (uint16_t)(1 + chance(2)), .id = 2000000 + i};
		f->transport = set->listeners[f->listener].transport;
		snprintf(text, sizeof(text), "127.0.%u.77:5060", i);
		EXPECT_ERR(addr_parse(str_from(text), &f->remote), OK);
		snprintf(name, sizeof(name), "u%u", i);
		for (unsigned turn = 0; set->users_count && turn < 2; turn++) {
			const char *line =
				turn ? credentials_for(name, "REGISTER", STR("sip:example.net"))
				     : "";
			if (!line)
				break;
			int n = snprintf(text, sizeof(text),
					 "REGISTER sip:example.net SIP/2.0\r\nVia: SIP/2.0/%s "
					 "127.0.%u.77:5060;branch=z9hG4bK-r%u%u\r\nMax-Forwards: "
					 "70\r\nFrom: <sip:%s@example.net>;tag=r\r\nTo: "
					 "<sip:%s@example.net>\r\nCall-ID: r%u\r\nCSeq: %u "
					 "REGISTER\r\nContact: <sip:%s@127.0.%u.77>\r\n"
					 "%sContent-Length: 0\r\n\r\n",
					 f->transport == TRANSPORT_TLS ? "TLS" : "TCP", i, i, turn,
					 name, name, i, turn + 1, name, i, line);
			struct event e = {
				.type = EVENT_MESSAGE,
				.now_ms = now_ms,
				.wall_ms = wall_ms,
				.message = {.flow = *f,
					    .tls = f->transport == TRANSPORT_TLS ? &tls : NULL,
					    .bytes = {text, (size_t)n}}};
			if (!turn)
				memset(&seen, 0, sizeof(seen));
			sbc_step(s, &e);
			users[i].on = seen.status == 200;
		}
	}
}

static void make_certificate(void)
{
	char chain[96], key[96];
	struct cert c;

	snprintf(dir, sizeof(dir), "/tmp/sallyport-explain-XXXXXX");
	EXPECT_TRUE(mkdtemp(dir) != NULL);
	snprintf(chain, sizeof(chain), "%s/edge.pem", dir);
	snprintf(key, sizeof(key), "%s/edge.key", dir);
	cert_init(&c, &(struct cert_params){.cn = "sbc.test"});
	cert_save(&c, chain, key);
	cert_release(&c);
	snprintf(key, sizeof(key), "%s/password", dir);
	FILE *f = fopen(key, "w");
	EXPECT_TRUE(f && fputs("sesame\n", f) >= 0 && fclose(f) == 0);
	EXPECT_INT(chmod(key, 0600), 0);
}

static void remove_certificate(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/edge.pem", dir);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/edge.key", dir);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/password", dir);
	(void)unlink(path);
	(void)rmdir(dir);
}

static void the_verdict_of_explain_is_that_of_the_core_for_four_thousand_requests(void **state)
{
	static char yaml[YAML_MAX];
	const char *seed = getenv("EXPLAIN_SEED");
	(void)state;

	state_of_chance = seed ? strtoull(seed, NULL, 10) : 20261122;
	make_certificate();
	for (unsigned c = 0, serial = 1; c < CONFIGS; c++) {
		uint64_t now_ms = 1000000, wall_ms = 1700000000000 + 3600000ull * chance(1000);
		struct settings *set = make_config(yaml);
		struct sbc *s = start(set, now_ms, wall_ms);
		static struct one o;
		o.s = s;
		o.yaml = yaml;
		register_users(s, set, now_ms, wall_ms);
		for (unsigned i = 0; i < INVITES; i++, serial++) {
			o.event = (struct event){.now_ms = now_ms, .wall_ms = wall_ms};
			if (one_in(8))
				ban_somebody(s);
			try_one(&o, set, serial);
			const uint32_t pause = chance(one_in(2) ? 100 : 1000);
			now_ms += pause;
			wall_ms += pause;
		}
		sbc_free(&s);
		config_free(set);
	}
	remove_certificate();
	for (unsigned k = 0; k < EXPLANATION_KIND_COUNT; k++)
		for (unsigned v = 0; v < VERDICT_STAGE_COUNT; v++)
			if (outcomes[k][v])
				printf("# kind %u, %s: %u\n", k,
				       v ? verdict_stage_name((enum verdict_stage)v) : "allowed",
				       outcomes[k][v]);
	/* The chances are good for something: every end was met often enough. */
	static const enum verdict_stage often[] = {
		VERDICT_STAGE_NONE,     VERDICT_STAGE_ACL,   VERDICT_STAGE_GEO,
		VERDICT_STAGE_RATE,     VERDICT_STAGE_PARSE, VERDICT_STAGE_ADMISSION,
		VERDICT_STAGE_ROUTE,    VERDICT_STAGE_MEDIA, VERDICT_STAGE_BAN,
		VERDICT_STAGE_IDENTITY, VERDICT_STAGE_FRAUD, VERDICT_STAGE_OPINION};
	printf("# %u opinions asked, %u right passwords, %u calls of users, %u banned\n",
	       met.opinions, met.passwords, met.users, met.bans);
	EXPECT_TRUE(met.opinions >= 10 && met.passwords >= 10 && met.users >= 10 && met.bans >= 10);
	for (size_t i = 0; i < ARRAY_LEN(often); i++) {
		unsigned sum = 0;
		for (unsigned k = 0; k < EXPLANATION_KIND_COUNT; k++)
			sum += outcomes[k][often[i]];
		check_row(verdict_stage_name(often[i]));
		EXPECT_TRUE(sum >= (often[i] == VERDICT_STAGE_OPINION ? 3 : 10));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_verdict_of_explain_is_that_of_the_core_for_four_thousand_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
