/*
 * A whole decision about an INVITE, from its source to its route, as policy is asked for one that may pass: acl, geography, six
 * buckets (source, trunk, user, caller, called number, node), who it is, twenty rules of fraud, twenty routes of which the last
 * is found by a million prefixes. And what a million sources cost in memory.
 */
#include <stdlib.h>

#include "policy/fraud.h"
#include "policy/geo_rule.h"
#include "policy/policy.h"
#include "policy/sheet.h"
#include "run.h"

enum { RULES = 20, ROUTES = 20, TRUNKS = 20, CALLERS = 20000, PREFIXES = 1000000, GEO = 4 };

static struct {
	struct policy_config c;
	struct policy_state state;
	struct realm_rule realm;
	struct trunk_rule trunks[TRUNKS];
	struct prefix sources[TRUNKS], allow[4];
	struct route_rule routes[ROUTES];
	struct fraud_config fraud;
	struct fraud_rule rules[RULES];
	struct geo_rule geo[GEO];
	struct sheet sheet, other;
	struct admit_rule admit;
	uint64_t now_ms;
	size_t turn;
	bool peek;
} b;

static char callers[CALLERS][16], numbers[CALLERS][16];

static void make_prefixes(void)
{
	const size_t cap = (size_t)PREFIXES * 12;
	char *text = malloc(cap), why_mem[200];
	struct buf t, why;

	CHECK(text);
	buf_init(&t, text, cap);
	buf_init(&why, why_mem, sizeof(why_mem));
	for (unsigned i = 0; i < PREFIXES; i++)
		buf_printf(&t, "49%07u\n", i);
	b.sheet = (struct sheet){.path = STR("prefixes.csv"), .kind = SHEET_PREFIXES};
	CHECK(!t.overflow && sheet_parse(&b.sheet, buf_view(&t), &why) == OK);
	b.other = (struct sheet){.path = STR("other.csv"), .kind = SHEET_PREFIXES};
	CHECK(sheet_parse(&b.other, STR("1\n33\n44\n7\n4999\n"), &why) == OK);
	free(text);
}

static void make_fraud(void)
{
	static const enum fraud_measure measures[] = {
		FRAUD_CALLS, FRAUD_DESTINATIONS, FRAUD_COUNTRIES, FRAUD_CALLS, FRAUD_STEPS,
		FRAUD_CALLS, FRAUD_CALLERS,      FRAUD_CALLS,     FRAUD_COST,  FRAUD_CALLS};
	static const enum subject_kind by[] = {SUBJECT_CALLER, SUBJECT_SOURCE, SUBJECT_TRUNK,
					       SUBJECT_DESTINATION};

	for (unsigned i = 0; i < RULES; i++) {
		const enum fraud_measure m = measures[i % ARRAY_LEN(measures)];
		const bool distinct =
			m == FRAUD_DESTINATIONS || m == FRAUD_COUNTRIES || m == FRAUD_CALLERS;
		b.rules[i] = (struct fraud_rule){
			.name = {&"abcdefghijklmnopqrst"[i], 1},
			.measure = m,
			.moment = fraud_moment(m),
			.by = m == FRAUD_CALLERS ? SUBJECT_DESTINATION : by[i % ARRAY_LEN(by)],
			.over = m == FRAUD_COST ? 40000ull * DESTINATION_MONEY
				: distinct      ? 50
						: 1000000000,
			.span_ms = 3600 * 1000,
			.does = {.status = 403},
			.keys = 16384};
	}
	b.fraud = (struct fraud_config){.rules = b.rules, .count = RULES};
	b.c.fraud = &b.fraud;
}

static void make_rules(void)
{
	b.realm = (struct realm_rule){.name = STR("outside"),
				      .acl_given = true,
				      .acl_allow = b.allow,
				      .acl_allow_count = 4};
	b.realm.admission = (struct admission_rule){
		.name = STR("edge"), .requests = {1000000, 1000, 0}, .has_calls = true};
	for (unsigned k = 0; k < QUOTA_GROUP; k++)
		b.realm.admission.calls[k].rate = (struct rate_rule){1000000, 1000, 0};
	for (unsigned i = 0; i < 4; i++) {
		b.allow[i].addr = (struct addr){{(uint8_t)(10 + i), 0, 0, 0}, 0, ADDR_IP4};
		b.allow[i].bits = 8;
	}
	for (unsigned i = 0; i < TRUNKS; i++) {
		b.sources[i].addr = (struct addr){{10, (uint8_t)i, 0, 0}, 0, ADDR_IP4};
		b.sources[i].bits = 16;
		b.trunks[i] = (struct trunk_rule){
			.name = STR("trunk"), .sources = &b.sources[i], .source_count = 1};
	}
	b.trunks[TRUNKS - 1].name = STR("last");
	for (unsigned i = 0; i < GEO; i++) {
		b.geo[i] = (struct geo_rule){.name = STR("geo"), .by_country = true};
		country_set_add(&b.geo[i].countries, country_code(STR("KP")));
		b.geo[i].action = GEO_REJECT;
	}
	for (unsigned i = 0; i < ROUTES; i++)
		b.routes[i] = (struct route_rule){
			.name = STR("route"), .any_from = true, .when = {.file = &b.other}};
	b.routes[ROUTES - 1].when.file = &b.sheet;
	b.admit = (struct admit_rule){.sessions = 1000, .rate = {1000000, 1000, 0}};
}

static void make(void)
{
	static const struct siphash_key secret = {{1, 2}};

	for (unsigned i = 0; i < CALLERS; i++) {
		struct buf t;
		buf_init(&t, callers[i], sizeof(callers[i]));
		buf_printf(&t, "+4930%07u", i);
		buf_init(&t, numbers[i], sizeof(numbers[i]));
		buf_printf(&t, "+49%07u123", i * 7919 % 1000000);
	}
	make_prefixes();
	make_rules();
	b.c = (struct policy_config){.realms = &b.realm,
				     .realm_count = 1,
				     .trunks = b.trunks,
				     .trunk_count = TRUNKS,
				     .routes = b.routes,
				     .route_count = ROUTES,
				     .geo = b.geo,
				     .geo_count = GEO,
				     .node_calls = {1000000, 1000, 0}};
	make_fraud();
	CHECK(policy_init(&b.state, 10000, &secret) == OK);
	CHECK(fraud_apply(&b.state.fraud, &b.fraud) == OK);
	CHECK(admissions_add(&b.state.admissions, STR("last")) == OK);
	b.now_ms = 1000000;
}

/* All callers take turns, however few fit into one round. */
static struct facts next_facts(void)
{
	const size_t i = b.turn++, who = i % CALLERS;

	b.now_ms += i % 4 == 0;
	return (struct facts){
		.trunk = POLICY_NO_INDEX,
		.source = {{10, TRUNKS - 1, (uint8_t)(who >> 8), (uint8_t)who}, 5060, ADDR_IP4},
		.country = "DE",
		.asn = 64496,
		.fresh = true,
		.method = STR("INVITE"),
		.user = {callers[who], 12},
		.caller = {callers[who], 12},
		.number = {numbers[(i * 31) % CALLERS], 13},
		.domain = STR("example.net"),
		.now_ms = b.now_ms,
		.wall_ms = 1700000000000 + b.now_ms};
}

/* The facts that are gathered are part of it. */
static void decide(void *ctx, size_t n)
{
	struct decision d;

	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		struct facts f = next_facts();
		struct policy_ask a = {.config = &b.c,
				       .state = &b.state,
				       .facts = &f,
				       .decision = &d,
				       .admit = &b.admit,
				       .admit_trunk = TRUNKS - 1,
				       .direction = ADMIT_IN,
				       .peek = b.peek};
		decision_init(&d);
		bench_keep(policy_source(&a).outcome);
		bench_keep(policy_who(&a).outcome);
		bench_keep(policy_admit(&a).outcome);
		bench_keep(policy_call(&a).outcome);
		CHECK(decision_allows(&d) && d.route == ROUTES - 1 && f.trunk == TRUNKS - 1);
	}
}

static void source(void *ctx, size_t n)
{
	struct decision d;

	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		struct facts f = next_facts();
		const struct policy_ask a = {
			.config = &b.c, .state = &b.state, .facts = &f, .decision = &d};
		decision_init(&d);
		bench_keep(policy_source(&a).outcome);
	}
}

int main(void)
{
	make();
	/* A page that is touched for the first time is no part of a decision. */
	decide(NULL, CALLERS);
	bench("decision: of the source, before the parse", source, NULL);
	bench("decision: whole, 20 routes, 1 M prefixes, geography, 20 rules, 6 buckets", decide,
	      NULL);
	b.peek = true;
	bench("decision: the same, changing nothing (explain)", decide, NULL);
	bench_value("decision: memory of 1,000,000 tracked sources",
		    (double)sizeof(struct rate_entry) * (1 << 20) / 1e6, "MB");
	policy_release(&b.state);
	sheet_release(&b.other);
	sheet_release(&b.sheet);
	return 0;
}
