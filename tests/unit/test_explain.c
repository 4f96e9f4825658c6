/*
 * The one promise of explain: its verdict is that of the running core. Configurations and INVITEs by chance; each INVITE is
 * first explained, then given to the same core, which goes on with what that left behind.
 */
#include "sbc/core/sbc_explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "sbc/config.h"
#include "sbc/core/call.h"
#include "sbc/core/explain_args.h"
#include "sbc/core/worker.h"
#include "tests/support/cert.h"
#include "tests/support/check.h"

enum { CONFIGS = 80, INVITES = 25, YAML_MAX = 32768, TEXT_MAX = 8192 };

/* What the core did with the latest message. */
static struct {
	bool refused, dropped, asked_relay, sent_invite, challenged;
	struct verdict v;
	char rule[64], file[64];
	unsigned status;
} seen;

static uint64_t state_of_chance;
static char dir[64];

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

static void on_send(void *ctx, const struct dest *d, struct str bytes, id_t64 tag)
{
	(void)ctx, (void)d, (void)tag;
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
static const char *const numbers[] = {"+4930555",  "030555", "112",       "999", "5",  "anna",
				      "+12684645", "0900",   "+49172%31", "110", "115"};

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

static void write_trunks(struct buf *b, unsigned trunks, unsigned realms)
{
	static const char *const reliable[] = {"supported", "require", "off"};

	buf_lit(b, "trunks:\n");
	for (unsigned i = 0; i < trunks; i++) {
		buf_printf(b,
			   "  t%u:\n    realm: r%u\n    peers: [ { target: "
			   "\"sip:127.0.%u.%u;transport=%s\" } ]\n",
			   i, chance(realms), chance(4), 1 + chance(4), one_in(4) ? "tls" : "udp");
		if (!one_in(3))
			buf_printf(b, "    identify: { source: [127.0.%u.0/%u]%s }\n", chance(4),
				   one_in(2) ? 24 : 26,
				   one_in(4) ? ", certificate_name: peer.example" : "");
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

static void write_routes(struct buf *b, unsigned trunks, unsigned realms)
{
	static const char *const strategies[] = {"failover", "weighted", "round-robin"};
	const unsigned routes = 1 + chance(6);

	buf_lit(b, "routes:\n");
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
	write_realms(b, realms);
	write_trunks(b, trunks, realms);
	write_routes(b, trunks, realms);
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

static void write_invite(struct buf *b, const struct flow *f, unsigned serial)
{
	static const char *const extras[] = {
		"Require: 100rel\r\n",        "Supported: 100rel\r\n",
		"Require: timer\r\n",         "Session-Expires: 30\r\nSupported: timer\r\n",
		"Require: no-such-thing\r\n", "Privacy: session; critical\r\n",
		"Max-Forwards: 0\r\n"};
	const char *sdp = one_in(2) ? "" : one_in(2) ? sdp_plain : sdp_srtp;
	const char *method = one_in(30) ? "MESSAGE" : one_in(40) ? "OPTIONS" : "INVITE";
	const char *extra = one_in(8) ? extras[chance(ARRAY_LEN(extras))] : "";

	buf_printf(b, "%s sip%s:%s@%s SIP/2.0\r\nVia: SIP/2.0/%.*s ", method, one_in(12) ? "s" : "",
		   numbers[chance(ARRAY_LEN(numbers))], one_in(3) ? "example.net" : "127.0.100.1",
		   STR_ARG(transport_name(f->transport)));
	addr_write(b, &f->remote);
	buf_printf(b, ";branch=z9hG4bK%u\r\n", serial);
	if (!strstr(extra, "Max-Forwards"))
		buf_lit(b, "Max-Forwards: 70\r\n");
	if (!one_in(40))
		buf_printf(b, "From: <sip:%s@127.0.0.9>;tag=%u\r\n",
			   numbers[chance(ARRAY_LEN(numbers))], serial);
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
	f.transport = set->listeners[f.listener].transport;
	if (f.transport != TRANSPORT_UDP)
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
	struct policy_counts counts;
	struct rng rng;
	uint32_t live, calls, setups, transactions;
	uint64_t total;
};

static struct memory remember(const struct sbc *s)
{
	struct memory m = {.counts = s->policy.counts,
			   .rng = s->rng,
			   .live = s->live,
			   .calls = s->calls.used,
			   .setups = s->setups.used,
			   .transactions = s->txns.pool.used,
			   .total = s->counts.total};
	return m;
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

/* False: they differ; both are printed. */
static bool agrees(const struct sbc *s, const struct explanation *x)
{
	const struct verdict *v = decision_verdict(&x->decision);
	const bool allowed = decision_allows(&x->decision);

	if (x->kind == EXPLANATION_NOTHING)
		return true;
	if (allowed && x->kind == EXPLANATION_CALL)
		return !seen.refused && (seen.asked_relay || seen.sent_invite) &&
		       newest_route(s) == x->decision.route;
	if (allowed)
		return !seen.refused;
	if (v->outcome == VERDICT_DROP)
		return seen.dropped && seen.status == 0 &&
		       (!seen.refused || seen.v.stage == v->stage);
	if (seen.status != v->status)
		return false;
	/* What is refused for its session interval is no rule's doing, and no notice. */
	if (str_eq(v->rule, STR("session_timer")))
		return !seen.refused;
	return seen.refused && seen.v.stage == v->stage && str_eq(v->rule, str_from(seen.rule)) &&
	       str_eq(v->file, str_from(seen.file)) && seen.v.line == v->line &&
	       seen.v.outcome == v->outcome;
}

static void show(const struct explanation *x, struct str text, const char *yaml)
{
	const struct verdict *v = decision_verdict(&x->decision);
	const struct verdict none = {.outcome = VERDICT_ALLOW};

	v = v ? v : &none;
	printf("# explained: kind %d %s %u %s \"%.*s\" %.*s:%u\n", (int)x->kind,
	       verdict_outcome_name(v->outcome), v->status, verdict_stage_name(v->stage),
	       STR_ARG(v->rule), STR_ARG(v->file), v->line);
	printf("# happened: refused %d %s %u %s \"%s\" %s:%u; status %u dropped %d relay %d "
	       "invite %d\n",
	       seen.refused, verdict_outcome_name(seen.v.outcome), seen.v.status,
	       verdict_stage_name(seen.v.stage), seen.rule, seen.file, seen.v.line, seen.status,
	       seen.dropped, seen.asked_relay, seen.sent_invite);
	printf("%.*s\n%s\n", STR_ARG(text), yaml);
}

static unsigned outcomes[EXPLANATION_KIND_COUNT][VERDICT_STAGE_COUNT];

static void try_one(struct sbc *s, const struct settings *set, uint64_t now_ms, uint64_t wall_ms,
		    unsigned serial, const char *yaml)
{
	static struct explanation x;
	static char mem[TEXT_MAX], reply[65536];
	struct tls_facts tls;
	struct buf text, out;
	struct explain_params p = {
		.event = {.type = EVENT_MESSAGE, .now_ms = now_ms, .wall_ms = wall_ms}};

	p.event.message.flow = make_flow(set, &tls, &p.event.message.tls);
	buf_init(&text, mem, sizeof(mem));
	write_invite(&text, &p.event.message.flow, serial);
	if (one_in(60))
		text.len = 1 + chance((uint32_t)text.len - 1); /* cut anywhere */
	p.event.message.bytes = buf_view(&text);
	const struct memory before = remember(s);
	sbc_explain(s, &p, &x);
	const struct memory after = remember(s);
	EXPECT_TRUE(memcmp(&before, &after, sizeof(before)) == 0);
	buf_init(&out, reply, sizeof(reply));
	sbc_explain_write(&out, s, &x);
	EXPECT_TRUE(!out.overflow && json_len(buf_view(&out)) > 0);
	memset(&seen, 0, sizeof(seen));
	sbc_step(s, &p.event);
	const struct verdict *v = decision_verdict(&x.decision);
	outcomes[x.kind][v && v->outcome != VERDICT_ALLOW ? v->stage : VERDICT_STAGE_NONE]++;
	if (!agrees(s, &x))
		show(&x, buf_view(&text), yaml);
	EXPECT_TRUE(agrees(s, &x));
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
}

static void remove_certificate(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/edge.pem", dir);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/edge.key", dir);
	(void)unlink(path);
	(void)rmdir(dir);
}

static void the_verdict_of_explain_is_that_of_the_core_for_two_thousand_requests(void **state)
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
		for (unsigned i = 0; i < INVITES; i++, serial++) {
			try_one(s, set, now_ms, wall_ms, serial, yaml);
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
	static const enum verdict_stage often[] = {VERDICT_STAGE_NONE,  VERDICT_STAGE_ACL,
						   VERDICT_STAGE_GEO,   VERDICT_STAGE_RATE,
						   VERDICT_STAGE_PARSE, VERDICT_STAGE_ADMISSION,
						   VERDICT_STAGE_ROUTE, VERDICT_STAGE_MEDIA};
	for (size_t i = 0; i < ARRAY_LEN(often); i++) {
		unsigned sum = 0;
		for (unsigned k = 0; k < EXPLANATION_KIND_COUNT; k++)
			sum += outcomes[k][often[i]];
		check_row(verdict_stage_name(often[i]));
		EXPECT_TRUE(sum >= 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_verdict_of_explain_is_that_of_the_core_for_two_thousand_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
