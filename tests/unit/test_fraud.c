#include "policy/fraud.h"

#include <stdio.h>
#include <stdlib.h>

#include "sbc/config.h"
#include "tests/support/check.h"

static const struct siphash_key secret = {{3, 4}};

static const char head[] =
	"realms:\n"
	"  outside: { listen: [ { transport: tcp, address: 127.0.0.1, port: 5070 } ],"
	" media: { address: 127.0.0.2 } }\n"
	"  inside: { listen: [ { transport: tcp, address: 127.0.0.1, port: 5080 } ],"
	" media: { address: 127.0.0.3 } }\n"
	"trunks:\n"
	"  carrier: { realm: outside, peers: [ { target: \"sip:127.0.0.9;transport=tcp\" } ] }\n"
	"  pbx: { realm: inside, peers: [ { target: \"sip:127.0.0.8;transport=tcp\" } ] }\n"
	"routes:\n  - { to: [pbx] }\n"
	"fraud:\n  destinations: tests/data/fraud/destinations.csv\n  home: DE\n  rules:\n";

/* Monday, 5 January 2026, 00:00 UTC */
enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };
static const uint64_t monday = 1767571200000ull;

struct world {
	struct settings *settings;
	struct fraud_state s;
};

static void open_world(struct world *w, const char *rules)
{
	char *text = malloc(65536), errors[4096];
	struct conf_report report;
	struct buf b;

	int n = snprintf(text, 65536, "%s%s\n", head, rules);
	EXPECT_ERR(conf_report_init(&report), OK);
	enum err e =
		config_load_text(STR("test"), (struct str){text, (size_t)n}, &report, &w->settings);
	buf_init(&b, errors, sizeof(errors));
	for (size_t i = 0; i < report.count; i++)
		if (!report.messages[i].warning)
			buf_printf(&b, "%.*s\n", STR_ARG(report.messages[i].text));
	EXPECT_Z(buf_view(&b), "");
	EXPECT_ERR(e, OK);
	conf_report_release(&report);
	free(text);
	fraud_init(&w->s, &secret);
	EXPECT_ERR(fraud_apply(&w->s, w->settings->policy.fraud), OK);
}

static void close_world(struct world *w)
{
	fraud_release(&w->s);
	config_free(w->settings);
}

/* What happens, `times` times, gap_ms before each. */
struct step {
	unsigned times;
	uint64_t gap_ms;
	enum fraud_moment moment; /* AT_NONE: a call wants to begin */
	const char *number, *caller, *user, *source;
	uint64_t number_step; /* is added to the number each time */
	uint16_t realm, trunk;
	enum facts_cause cause;
	uint8_t diversions;
	struct fraud_event e;
	/* What the last one comes to; those before it: to nothing. */
	uint16_t status; /* 0: allowed */
	unsigned what;   /* bits 1 << CONSEQUENCE_X */
	bool all;        /* the same for each of them */
};

enum {
	ALERT = 1 << CONSEQUENCE_ALERT,
	BAN = 1 << CONSEQUENCE_BAN,
	LIMIT = 1 << CONSEQUENCE_LIMIT,
	END = 1 << CONSEQUENCE_END_CALLS
};

static struct facts facts_of(const struct step *p, struct str number, uint64_t at)
{
	struct facts f = {.realm = p->realm,
			  .trunk = p->trunk,
			  .user = str_from(p->user),
			  .caller = str_from(p->caller ? p->caller : "+493011"),
			  .number = number,
			  .cause = p->cause,
			  .diversions = p->diversions,
			  .now_ms = 1000000 + at,
			  .wall_ms = monday + at};

	EXPECT_ERR(addr_parse_ip(str_from(p->source ? p->source : "192.0.2.1"), &f.source), OK);
	return f;
}

static void run_step(struct world *w, const struct step *p, uint64_t *at)
{
	const struct policy_config *c = &w->settings->policy;
	const char *dialled = p->number ? p->number : "+493022";
	const bool plus = dialled[0] == '+';
	uint64_t number = strtoull(dialled + plus, NULL, 10);

	for (unsigned i = 0; i < p->times; i++) {
		char text[32];
		struct consequences out = {.count = 0};
		struct verdict v = {.outcome = VERDICT_ALLOW};
		unsigned what = 0;
		*at += p->gap_ms;
		int n = snprintf(text, sizeof(text), "%s%llu", plus ? "+" : "",
				 (unsigned long long)number);
		const struct str counted = {text, (size_t)n};
		struct facts f = facts_of(p, p->number_step ? counted : str_from(dialled), *at);
		struct fraud_event e = p->e;
		e.moment = p->moment;
		if (p->moment == FRAUD_AT_NONE) {
			const struct verdict would = fraud_judge(c, &w->s, &f, true, NULL);
			v = fraud_judge(c, &w->s, &f, false, &out);
			EXPECT_INT(would.outcome, v.outcome);
			EXPECT_STR(would.rule, v.rule);
		} else {
			fraud_step(c, &w->s, &f, &e, &out);
		}
		for (unsigned j = 0; j < out.count; j++)
			what |= 1u << out.list[j].type;
		const bool now = p->all || i + 1 == p->times;
		EXPECT_INT(v.outcome == VERDICT_ALLOW ? 0 : v.status, now ? p->status : 0);
		EXPECT_INT(what, now ? p->what : 0u);
		number += p->number_step;
	}
}

/* Shorthand: a call that ends. */
#define ENDED(as, talk, ring)                                                                      \
	.moment = FRAUD_AT_END,                                                                    \
	.e = {.measure = FRAUD_##as, .past = {.duration_ms = talk, .ring_ms = ring}}
#define PULSES(what) .moment = FRAUD_AT_##what, .e = {.pulse_ms = FRAUD_PULSE_MS}

static const struct {
	const char *name, *rules;
	struct step steps[8];
} rows[] = {
	{"a class is refused, whoever calls",
	 "    - { name: r, when: { class: [premium, satellite] }, action: reject }",
	 {{.times = 1, .number = "+4990012", .status = 403},
	  {.times = 1, .number = "+49900123", .status = 403},
	  {.times = 1, .number = "0049900123", .status = 403},
	  {.times = 1, .number = "+88112345", .status = 403},
	  {.times = 1, .number = "+4930123"}}},
	{"a number that is no international one is unknown, which a rule can name",
	 "    - { when: { class: unknown }, action: reject 603 }",
	 {{.times = 1, .number = "4711", .status = 603},
	  {.times = 1, .number = "+999123", .status = 603},
	  {.times = 1, .number = "49900123", .status = 603},
	  {.times = 1, .number = "+49301"}}},
	{"countries of the number",
	 "    - { when: { country_not: [DE, FR] }, action: reject }",
	 {{.times = 1, .number = "+33123"},
	  {.times = 1, .number = "+44123", .status = 403},
	  {.times = 1, .number = "+88112345", .status = 403},
	  {.times = 1, .number = "4711", .status = 403}}},
	{"home is domestic, everything else that is known international",
	 "    - { when: { class: international }, action: reject }\n"
	 "    - { when: { class: domestic, trunk: pbx }, action: reject 480 }",
	 {{.times = 1, .number = "+881123", .status = 403},
	  {.times = 1, .number = "+33123", .status = 403},
	  {.times = 1, .number = "4711"},
	  {.times = 1, .number = "+4930"},
	  {.times = 1, .number = "+4930", .trunk = 1, .status = 480}}},
	{"where it comes from",
	 "    - { when: { from: [inside, carrier], source: 192.0.2.0/24 }, action: reject }",
	 {{.times = 1, .trunk = 0, .realm = 0, .status = 403},
	  {.times = 1, .trunk = 9, .realm = 0},
	  {.times = 1, .trunk = 9, .realm = 1, .status = 403},
	  {.times = 1, .trunk = 0, .realm = 1, .source = "198.51.100.1"}}},
	{"numbers by pattern, callers by pattern, users by name",
	 "    - { when: { number: \"^\\\\+4930\" , caller: \"^anon\" }, action: reject }\n"
	 "    - { when: { user: [bob@x] }, action: reject 480 }",
	 {{.times = 1, .number = "+4930"},
	  {.times = 1, .number = "+4930", .caller = "anonymous", .status = 403},
	  {.times = 1, .number = "+4931", .caller = "anonymous", .user = "bob@x", .status = 480}}},
	{"a number that is too hard for a pattern is no way around a rule",
	 "    - { when: { number: \"^(1|11|111)+[34]$\" }, action: reject }",
	 {{.times = 1, .number = "112"},
	  {.times = 1,
	   .number = "1111111111111111111111111111111111111111111111111111111111112",
	   .status = 403}}},
	{"only what is too much is refused, and the window slides",
	 "    - { count: calls, by: user, over: 5/10m, action: reject }",
	 {{.times = 5, .gap_ms = 1000, .user = "alice@x"},
	  {.times = 3, .gap_ms = 1000, .user = "alice@x", .status = 403, .all = true},
	  {.times = 1, .gap_ms = 0, .user = "bob@x"},
	  {.times = 20, .gap_ms = 0},
	  {.times = 1, .gap_ms = 11 * MINUTE, .user = "alice@x"}}},
	{"the source of a ban is refused with the call that earns it",
	 "    - { count: calls, by: source, where: { class: international }, over: 30/10m,"
	 " action: ban 1h }",
	 {{.times = 100, .gap_ms = 10, .number = "+4930"},
	  {.times = 31, .gap_ms = 10, .number = "+4412", .status = 403, .what = BAN},
	  {.times = 1, .gap_ms = 10, .number = "+4412", .status = 403, .what = BAN},
	  {.times = 1, .gap_ms = 10, .number = "+4930"},
	  {.times = 30, .gap_ms = 10, .number = "+4412", .source = "2001:db8::1"},
	  {.times = 1,
	   .gap_ms = 10,
	   .number = "+4412",
	   .source = "2001:db8::2",
	   .status = 403,
	   .what = BAN},
	  {.times = 1, .gap_ms = 10, .number = "+4412", .source = "2001:db8:0:1::2"}}},
	{"an alert is said once, when it begins to be too much",
	 "    - { count: calls, by: trunk, over: 3/1m, action: alert }",
	 {{.times = 4, .gap_ms = 10, .what = ALERT},
	  {.times = 20, .gap_ms = 10},
	  {.times = 1, .gap_ms = 10, .trunk = 1},
	  {.times = 4, .gap_ms = 2 * MINUTE}}},
	{"several actions of one rule",
	 "    - { count: calls, by: caller, over: 2/1m, action: [alert, limit 30s, end-calls] }",
	 {{.times = 3, .gap_ms = 10, .status = 403, .what = ALERT | LIMIT | END},
	  {.times = 1, .gap_ms = 10, .status = 403, .what = LIMIT | END}}},
	{"hours that go over midnight, in which it counts and acts",
	 "    - { count: calls, by: trunk, over: 2/10m, between: \"22:00-06:00\", action: reject }",
	 {{.times = 3, .gap_ms = 1, .status = 403},
	  {.times = 1, .gap_ms = 1, .status = 403},
	  {.times = 9, .gap_ms = 7 * HOUR / 9},
	  {.times = 1, .gap_ms = 15 * HOUR},
	  {.times = 2, .gap_ms = 1, .status = 403}}},
	{"days that its hours begin on",
	 "    - { when: { number: . }, between: \"22:00-06:00\", days: [sun, tue], action: reject "
	 "}",
	 {{.times = 1, .status = 403},       /* Monday at midnight belongs to Sunday */
	  {.times = 1, .gap_ms = 23 * HOUR}, /* Monday at 23 */
	  {.times = 1, .gap_ms = 4 * HOUR},  /* Tuesday at 3: Monday's */
	  {.times = 1, .gap_ms = 20 * HOUR, .status = 403},
	  {.times = 1, .gap_ms = 6 * HOUR, .status = 403},
	  {.times = 1, .gap_ms = 2 * HOUR}}},
	{"calls that end too soon",
	 "    - { count: calls, by: source, where: { duration_below: 6s }, over: 3/5m,"
	 " action: alert }",
	 {{.times = 9, .gap_ms = 10},
	  {.times = 9, .gap_ms = 10, ENDED(ANSWERED, 6000, 2000)},
	  {.times = 4, .gap_ms = 10, ENDED(ANSWERED, 5999, 2000), .what = ALERT}}},
	{"a refusal by the far end is a failure, giving up is none",
	 "    - { count: failed, by: caller, over: 2/1m, action: [alert, reject] }",
	 {{.times = 9, .gap_ms = 10, ENDED(UNANSWERED, 0, 2000)},
	  {.times = 3, .gap_ms = 10, ENDED(FAILED, 0, 2000), .what = ALERT},
	  {.times = 1, .gap_ms = 10, .status = 403},
	  {.times = 1, .gap_ms = 10, .caller = "+331"}}},
	{"answered calls",
	 "    - { count: answered, by: destination, digits: 5, over: 1/1m, action: alert }",
	 {{.times = 9, .gap_ms = 10, ENDED(ANSWERED, 1, 1)},
	  {.times = 1, .gap_ms = 10, .number = "+331231", .moment = FRAUD_AT_ANSWER},
	  {.times = 1, .gap_ms = 10, .number = "+331241", .moment = FRAUD_AT_ANSWER},
	  {.times = 1,
	   .gap_ms = 10,
	   .number = "+331232",
	   .moment = FRAUD_AT_ANSWER,
	   .what = ALERT}}},
	{"refusals of ours",
	 "    - { count: refused, by: source, over: 20/1m, action: ban 1d }",
	 {{.times = 100, .gap_ms = 1, ENDED(FAILED, 0, 0)},
	  {.times = 21, .gap_ms = 10, .moment = FRAUD_AT_REFUSAL, .what = BAN},
	  {.times = 20, .gap_ms = 10, .moment = FRAUD_AT_REFUSAL, .source = "192.0.2.9"}}},
	{"refusals of one stage",
	 "    - { count: refused, by: source, where: { stage: identify }, over: 2/1m, action: ban "
	 "1d }",
	 {{.times = 9,
	   .gap_ms = 1,
	   .moment = FRAUD_AT_REFUSAL,
	   .e = {.past = {0, 0, VERDICT_STAGE_ROUTE}}},
	  {.times = 3,
	   .gap_ms = 1,
	   .moment = FRAUD_AT_REFUSAL,
	   .e = {.past = {0, 0, VERDICT_STAGE_IDENTIFY}},
	   .what = BAN}}},
	{"wrong passwords, and users that they were tried for",
	 "    - { count: failed registrations, by: source, over: 5/1m, action: ban 1h }\n"
	 "    - { count: distinct users, by: source, over: 2/1h, action: alert }",
	 {{.times = 9, .gap_ms = 1, .moment = FRAUD_AT_REGISTER, .user = "a@x"},
	  {.times = 5,
	   .gap_ms = 1,
	   .moment = FRAUD_AT_REGISTER,
	   .user = "a@x",
	   .e = {.measure = FRAUD_BAD_REGISTRATIONS}},
	  {.times = 1,
	   .gap_ms = 0,
	   .moment = FRAUD_AT_REGISTER,
	   .user = "b@x",
	   .e = {.measure = FRAUD_BAD_REGISTRATIONS},
	   .what = BAN},
	  {.times = 1,
	   .gap_ms = MINUTE * 2,
	   .moment = FRAUD_AT_REGISTER,
	   .user = "c@x",
	   .e = {.measure = FRAUD_BAD_REGISTRATIONS},
	   .what = ALERT}}},
	{"many countries",
	 "    - { count: distinct countries, by: user, over: 3/1d, action: reject }",
	 {{.times = 9, .gap_ms = 10, .user = "a@x", .number = "+44123"},
	  {.times = 1, .gap_ms = 10, .user = "a@x", .number = "+33123"},
	  {.times = 1, .gap_ms = 10, .user = "a@x", .number = "+8811"},
	  {.times = 1, .gap_ms = 10, .user = "b@x", .number = "+18761"},
	  {.times = 1, .gap_ms = 10, .user = "a@x", .number = "+18761", .status = 403}}},
	{"many numbers",
	 "    - { count: distinct destinations, by: caller, over: 100/1h, action: ban 1h }",
	 {{.times = 300, .gap_ms = 10, .number = "+4930"},
	  {.times = 99, .gap_ms = 10, .number = "+493100", .number_step = 7},
	  {.times = 1, .gap_ms = 10, .number = "+4977", .status = 403, .what = BAN}}},
	{"one number from many callers",
	 "    - { count: distinct callers, by: destination, over: 2/1h, action: reject }",
	 {{.times = 9, .gap_ms = 10, .number = "+4930", .caller = "1"},
	  {.times = 1, .gap_ms = 10, .number = "+4930", .caller = "2"},
	  {.times = 1, .gap_ms = 10, .number = "+4931", .caller = "3"},
	  {.times = 1, .gap_ms = 10, .number = "+4930", .caller = "3", .status = 403}}},
	{"one user from many addresses",
	 "    - { count: distinct sources, by: user, over: 1/1h, action: reject }",
	 {{.times = 9, .gap_ms = 10, .user = "a@x"},
	  {.times = 1, .gap_ms = 10, .user = "a@x", .source = "198.51.100.7", .status = 403}}},
	{"numbers that are dialled in steps",
	 "    - { count: steps, by: source, over: 5/1h, action: reject }",
	 {{.times = 50, .gap_ms = 10, .number = "+493012345"},
	  {.times = 50, .gap_ms = 10, .number = "+493012345", .number_step = 111},
	  {.times = 6, .gap_ms = 10, .number = "+493099000", .number_step = 1},
	  {.times = 1, .gap_ms = 10, .number = "+493099006", .status = 403},
	  {.times = 1, .gap_ms = 10, .number = "+493099017", .status = 403}}},
	{"what it costs is counted while it lasts, six seconds ahead",
	 /* 10 a minute: 1 a pulse */
	 "    - { sum: cost, by: user, over: 5/1d, action: [reject, end-calls] }",
	 {{.times = 9, .gap_ms = 10, .user = "a@x", .number = "+8811"},
	  {.times = 5, .gap_ms = 6000, .user = "a@x", .number = "+8811", PULSES(PULSE)},
	  {.times = 1, .gap_ms = 10, .user = "a@x", .number = "+8811", .status = 403},
	  {.times = 1, .gap_ms = 10, .user = "b@x", .number = "+8811"},
	  {.times = 1,
	   .gap_ms = 6000,
	   .user = "a@x",
	   .number = "+8811",
	   PULSES(PULSE),
	   .what = END},
	  {.times = 1, .gap_ms = 10, .user = "a@x", .number = "+4930", .status = 403},
	  {.times = 1, .gap_ms = 26 * HOUR, .user = "a@x", .number = "+8811"}}},
	{"how long it lasts",
	 "    - { sum: duration, by: trunk, over: 1m/1h, action: alert }",
	 {{.times = 10, .gap_ms = 6000, PULSES(PULSE)},
	  {.times = 1, .gap_ms = 6000, PULSES(PULSE), .what = ALERT}}},
	{"early media that no one answers",
	 "    - { sum: early media, by: user, where: { class: premium }, over: 30s/1h,"
	 " action: end-calls }",
	 {{.times = 9, .gap_ms = 10, .user = "a@x", .number = "+4930", PULSES(EARLY)},
	  {.times = 5, .gap_ms = 10, .user = "a@x", .number = "+4990", PULSES(EARLY)},
	  {.times = 9, .gap_ms = 10, .user = "a@x", .number = "+49900", PULSES(PULSE)},
	  {.times = 6,
	   .gap_ms = 10,
	   .user = "a@x",
	   .number = "+49900",
	   PULSES(EARLY),
	   .what = END}}},
	{"who rang us once is not called back",
	 "    - { when: { rang_us: 1d, class: [high-risk, satellite] }, action: reject }",
	 {{.times = 1, .gap_ms = 10, .number = "+37112"},
	  {.times = 1, .gap_ms = 10, .caller = "0037112", ENDED(ANSWERED, 1000, 1000)},
	  {.times = 1, .gap_ms = 10, .number = "+37112"},
	  {.times = 1, .gap_ms = 10, .caller = "0037112", ENDED(UNANSWERED, 0, 1000)},
	  {.times = 1, .gap_ms = 10, .number = "+37112", .status = 403},
	  {.times = 1, .gap_ms = 10, .number = "+37113"},
	  {.times = 1, .gap_ms = 25 * HOUR, .number = "+37112"}}},
	{"one-ring bait: many that give up soon, from one block of numbers",
	 "    - { count: unanswered, by: caller, digits: 6, where: { ring_below: 4s }, over: 9/10m,"
	 " action: ban 1h }",
	 {{.times = 20, .gap_ms = 10, .caller = "+37112345", ENDED(UNANSWERED, 0, 20000)},
	  {.times = 9, .gap_ms = 10, .caller = "+37112345", ENDED(UNANSWERED, 0, 1500)},
	  {.times = 1,
	   .gap_ms = 10,
	   .caller = "+37112399",
	   ENDED(UNANSWERED, 0, 1500),
	   .what = BAN},
	  {.times = 1, .gap_ms = 10, .caller = "+37133399", ENDED(UNANSWERED, 0, 1500)}}},
	{"calls that are sent on abroad, or on and on",
	 "    - { when: { cause: [redirected, transferred], class: international }, action: reject "
	 "}\n"
	 "    - { when: { diversions: 5 }, action: reject 482 }",
	 {{.times = 1, .number = "+33123"},
	  {.times = 1, .number = "+33123", .cause = FACTS_REDIRECTED, .status = 403},
	  {.times = 1, .number = "+33123", .cause = FACTS_TRANSFERRED, .status = 403},
	  {.times = 1, .number = "+4930", .cause = FACTS_TRANSFERRED},
	  {.times = 1, .number = "+4930", .diversions = 4},
	  {.times = 1, .number = "+4930", .diversions = 5, .status = 482}}},
	{"`when` names whom it is asked of, `where` what is counted",
	 "    - { when: { class: international }, where: { class: premium }, count: calls, by: "
	 "user,"
	 " over: 2/1h, action: reject }",
	 {{.times = 9, .gap_ms = 1, .user = "a@x", .number = "+3312"},
	  {.times = 9, .gap_ms = 1, .user = "a@x", .number = "+49900"},
	  {.times = 1, .gap_ms = 1, .user = "a@x", .number = "+4930"},
	  {.times = 1, .gap_ms = 1, .user = "a@x", .number = "+3312", .status = 403},
	  {.times = 1, .gap_ms = 1, .user = "b@x", .number = "+3312"}}},
	{"the code of a number is one destination",
	 "    - { count: calls, by: destination, digits: code, over: 3/1h, action: reject }",
	 {{.times = 3, .gap_ms = 1, .number = "+44123", .number_step = 5},
	  {.times = 1, .gap_ms = 1, .number = "+4490", .number_step = 5},
	  {.times = 1, .gap_ms = 1, .number = "+44999", .status = 403}}},
};

static void each_kind_of_rule_does_what_it_says(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	{
		struct world w;
		uint64_t at = 0;
		open_world(&w, row->rules);
		for (unsigned i = 0; i < ARRAY_LEN(row->steps) && row->steps[i].times; i++) {
			char name[200];
			(void)snprintf(name, sizeof(name), "%s: step %u", row->name, i + 1);
			(void)check_row(name);
			run_step(&w, &row->steps[i], &at);
		}
		close_world(&w);
	}
}

static void counts_of_a_rule_outlive_a_reload_that_leaves_it(void **state)
{
	(void)state;
	static const char before[] =
		"    - { name: a, count: calls, by: user, over: 5/1h, action: reject }\n"
		"    - { name: b, count: calls, by: user, over: 9/1h, action: reject }";
	static const char after[] =
		"    - { name: b, count: calls, by: user, over: 9/1h, action: reject }\n"
		"    - { name: c, count: calls, by: user, over: 9/1h, action: reject 480 }\n"
		"    - { name: a, count: calls, by: user, over: 4/1h, action: reject 603 }";
	struct world w, next;
	uint64_t at = 0;

	open_world(&w, before);
	open_world(&next, after);
	run_step(&w, &(struct step){.times = 4, .gap_ms = 1, .user = "u@x"}, &at);
	EXPECT_ERR(fraud_apply(&w.s, next.settings->policy.fraud), OK);
	struct settings *old = w.settings;
	w.settings = next.settings;
	run_step(&w, &(struct step){.times = 1, .gap_ms = 1, .user = "u@x", .status = 603}, &at);
	run_step(&w, &(struct step){.times = 1, .gap_ms = 1, .user = "v@x"}, &at);
	/* And without rules there is nothing to ask. */
	EXPECT_ERR(fraud_apply(&w.s, NULL), OK);
	EXPECT_TRUE(!fraud_wants(&w.s, FRAUD_AT_START));
	w.settings = old;
	next.s.config = NULL;
	close_world(&w);
	close_world(&next);
}

static void who_is_let_off_begins_anew(void **state)
{
	(void)state;
	struct world w;
	uint64_t at = 0;

	open_world(&w, "    - { count: calls, by: user, over: 2/1h, action: reject }");
	run_step(&w, &(struct step){.times = 3, .gap_ms = 1, .user = "u@x", .status = 403}, &at);
	fraud_forget(&w.s, &(struct subject){.kind = SUBJECT_USER, .name = STR("u@x")});
	run_step(&w, &(struct step){.times = 3, .gap_ms = 1, .user = "u@x", .status = 403}, &at);
	close_world(&w);
}

static void what_a_number_is_can_be_told(void **state)
{
	(void)state;
	static const struct {
		const char *name, *number, *told;
		uint64_t cost; /* of ninety seconds */
	} numbers[] = {
		{"premium of another country", "+4490123",
		 "class=premium,international country=GB code=4490 cost=6.00", 900000},
		{"home", "+4930", "class=fixed,domestic country=DE code=49 cost=0.02", 3000},
		{"no country", "+8819", "class=satellite,international code=881 cost=10.00",
		 1500000},
		{"unknown", "4711", "class=unknown", 0},
	};
	struct world w;

	open_world(&w, "    - { count: calls, by: user, over: 2/1h, action: reject }");
	CHECK_TABLE(row, numbers)
	{
		char mem[200];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		fraud_describe(&w.s, str_from(row->number), &b);
		EXPECT_Z(buf_view(&b), row->told);
		EXPECT_U64(fraud_cost(&w.s, str_from(row->number), 90000), row->cost);
	}
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_rule_does_what_it_says),
		cmocka_unit_test(counts_of_a_rule_outlive_a_reload_that_leaves_it),
		cmocka_unit_test(who_is_let_off_begins_anew),
		cmocka_unit_test(what_a_number_is_can_be_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
