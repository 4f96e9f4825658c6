/* What twenty rules of fraud cost a call: asked before it is routed, told of its end; a number's class; memory for a million. */
#include "policy/fraud.h"
#include "run.h"

#include <stdlib.h>

enum { RULES = 20, CALLERS = 20000, PREFIXES = 200000 };

struct site {
	struct policy_config c;
	struct fraud_config config;
	struct fraud_rule rules[RULES];
	struct trunk_rule trunk;
	struct destinations table;
	struct fraud_state s;
	uint64_t now_ms;
	size_t callers; /* that take turns */
};

static char callers[CALLERS][16], users[CALLERS][24], numbers[CALLERS][16];

/* As a site would have them: what is refused outright, bursts, countries, costs, steps, short calls, refusals. */
static void make_rules(struct site *b)
{
	static const struct {
		enum fraud_measure measure;
		enum subject_kind by;
		uint64_t over;
		uint32_t class;
	} of[RULES] = {
		{FRAUD_NOTHING, 0, 0, 1u << DESTINATION_PREMIUM},
		{FRAUD_NOTHING, 0, 0, 1u << DESTINATION_SATELLITE},
		{FRAUD_CALLS, SUBJECT_USER, 1000000, 0},
		{FRAUD_CALLS, SUBJECT_USER, 1000000, 1u << FRAUD_CLASS_INTERNATIONAL},
		{FRAUD_CALLS, SUBJECT_SOURCE, 1000000000, 0},
		{FRAUD_CALLS, SUBJECT_TRUNK, 1000000000, 0},
		{FRAUD_CALLS, SUBJECT_CALLER, 1000000, 0},
		{FRAUD_CALLS, SUBJECT_DESTINATION, 1000000, 0},
		{FRAUD_DESTINATIONS, SUBJECT_USER, 50, 0},
		{FRAUD_COUNTRIES, SUBJECT_USER, 20, 0},
		{FRAUD_CALLERS, SUBJECT_DESTINATION, 50, 0},
		{FRAUD_SOURCES, SUBJECT_USER, 10, 0},
		{FRAUD_STEPS, SUBJECT_CALLER, 1000000, 0},
		{FRAUD_COST, SUBJECT_USER, 40000ull * DESTINATION_MONEY, 0},
		{FRAUD_COST, SUBJECT_TRUNK, 40000ull * DESTINATION_MONEY, 0},
		{FRAUD_DURATION, SUBJECT_USER, 2592000000, 0},
		{FRAUD_UNANSWERED, SUBJECT_CALLER, 1000000, 0},
		{FRAUD_FAILED, SUBJECT_CALLER, 1000000, 0},
		{FRAUD_REFUSED, SUBJECT_SOURCE, 1000000, 0},
		{FRAUD_BAD_REGISTRATIONS, SUBJECT_SOURCE, 1000000, 0},
	};
	for (unsigned i = 0; i < RULES; i++)
		b->rules[i] = (struct fraud_rule){
			.name = {&"abcdefghijklmnopqrst"[i], 1},
			.measure = of[i].measure,
			.moment = fraud_moment(of[i].measure),
			.by = of[i].by,
			.over = of[i].over,
			.span_ms = 3600 * 1000,
			.when = {.given = of[i].class != 0, .classes = of[i].class},
			.does = {.status = 403},
			.keys = 16384};
}

static void make_table(struct site *b)
{
	const size_t cap = PREFIXES * 40;
	char *text = malloc(cap);
	struct buf t;
	struct destinations_fault f;

	CHECK(text);
	buf_init(&t, text, cap);
	for (unsigned i = 0; i < PREFIXES; i++)
		buf_printf(&t, "49%06u,Somewhere,fixed,0.02,DE\n", i);
	buf_lit(&t, "49,Germany,fixed,0.02,DE\n44,UK,fixed,0.02,GB\n");
	CHECK(destinations_parse(&b->table, buf_view(&t), &f) == OK);
	free(text);
}

static void make(struct site *b)
{
	static const struct siphash_key secret = {{1, 2}};

	for (unsigned i = 0; i < CALLERS; i++) {
		struct buf t;
		buf_init(&t, callers[i], sizeof(callers[i]));
		buf_printf(&t, "+4930%07u", i);
		buf_init(&t, users[i], sizeof(users[i]));
		buf_printf(&t, "u%05u@example.net", i);
		buf_init(&t, numbers[i], sizeof(numbers[i]));
		buf_printf(&t, "+49%07u123", i * 7919 % 10000000);
	}
	make_rules(b);
	make_table(b);
	b->trunk = (struct trunk_rule){.name = STR("carrier")};
	b->config = (struct fraud_config){.destinations = &b->table,
					  .rules = b->rules,
					  .count = RULES,
					  .home = {destination_country(STR("DE"))},
					  .home_count = 1,
					  .prefixes = {STR("+"), STR("00")},
					  .prefix_count = 2};
	b->c = (struct policy_config){.trunks = &b->trunk, .trunk_count = 1, .fraud = &b->config};
	fraud_init(&b->s, &secret);
	CHECK(fraud_apply(&b->s, &b->config) == OK);
}

static struct facts facts_of(struct site *b, size_t i)
{
	const size_t who = i % b->callers;

	b->now_ms += 3;
	return (struct facts){
		.trunk = 0,
		.source = {{10, 1, (uint8_t)(who >> 8), (uint8_t)who}, 5060, ADDR_IP4},
		.user = {users[who], 18},
		.caller = {callers[who], 12},
		.number = {numbers[(i * 31) % b->callers], 13},
		.now_ms = b->now_ms,
		.wall_ms = b->now_ms};
}

static void judge(void *ctx, size_t n)
{
	struct site *b = ctx;
	struct consequences out = {.count = 0};

	for (size_t i = 0; i < n; i++) {
		const struct facts f = facts_of(b, i);
		bench_keep(fraud_judge(&b->c, &b->s, &f, false, &out).outcome);
	}
}

static void peek(void *ctx, size_t n)
{
	struct site *b = ctx;

	for (size_t i = 0; i < n; i++) {
		const struct facts f = facts_of(b, i);
		bench_keep(fraud_judge(&b->c, &b->s, &f, true, NULL).outcome);
	}
}

static void pulse(void *ctx, size_t n)
{
	struct site *b = ctx;
	const struct fraud_event e = {.moment = FRAUD_AT_PULSE, .pulse_ms = FRAUD_PULSE_MS};

	for (size_t i = 0; i < n; i++) {
		const struct facts f = facts_of(b, i);
		fraud_step(&b->c, &b->s, &f, &e, NULL);
	}
}

static void refused(void *ctx, size_t n)
{
	struct site *b = ctx;
	const struct fraud_event e = {.moment = FRAUD_AT_REFUSAL,
				      .past = {.stage = VERDICT_STAGE_IDENTIFY}};

	for (size_t i = 0; i < n; i++) {
		const struct facts f = facts_of(b, i);
		fraud_step(&b->c, &b->s, &f, &e, NULL);
	}
}

static void none(void *ctx, size_t n)
{
	struct site *b = ctx;
	struct policy_config c = b->c;

	c.fraud = NULL;
	for (size_t i = 0; i < n; i++) {
		const struct facts f = facts_of(b, i);
		bench_keep(fraud_judge(&c, &b->s, &f, false, NULL).outcome);
	}
}

int main(void)
{
	static struct site b;
	struct fraud_rule million = {.measure = FRAUD_CALLS, .keys = 1 << 20};
	size_t bytes = 0;

	make(&b);
	b.callers = 200;
	bench("fraud: no rules", none, &b);
	bench("fraud: a call, 20 rules, 200 callers", judge, &b);
	b.callers = CALLERS;
	bench("fraud: a call, 20 rules, 20,000 callers", judge, &b);
	bench("fraud: the same, changing nothing (explain)", peek, &b);
	bench("fraud: a pulse of a running call, 3 sums", pulse, &b);
	bench("fraud: a refusal, one rule", refused, &b);
	for (unsigned i = 0; i < RULES; i++)
		bytes += fraud_rule_bytes(&b.rules[i]);
	bench_value("fraud: memory of these 20 rules", (double)bytes / 1e6, "MB");
	bench_value("fraud: memory of a rule that tells 1,048,576 sources apart",
		    (double)fraud_rule_bytes(&million) / 1e6, "MB");
	fraud_release(&b.s);
	destinations_release(&b.table);
	return 0;
}
