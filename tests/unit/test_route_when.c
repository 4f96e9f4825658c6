/* Conditions of routes beyond `from` and patterns, and what a call costs: as the configuration says it, asked of route_find. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "policy/route.h"
#include "sbc/config.h"
#include "sbc/core/hunt.h"
#include "tests/support/check.h"

static char folder[] = "/tmp/sallyport-route-XXXXXX";

struct loaded {
	struct conf_report report;
	struct settings *s;
	enum err e;
};

static void write_file(const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Realms out, in; trunks a, b, c (all out), pbx (in); the routes are the row's. */
static void load(struct loaded *l, const char *routes)
{
	char text[8192], name[256];
	snprintf(name, sizeof(name), "%s/f.yaml", folder);
	snprintf(text, sizeof(text),
		 "realms:\n"
		 "  out: { trust: low, media_policy: any, listen: [ { transport: udp, address: "
		 "192.0.2.1 } ] }\n"
		 "  in: { trust: high, listen: [ { transport: udp, address: 10.0.0.1 } ] }\n"
		 "media_policies: { any: { rtp: allow, srtp: allow } }\n"
		 "trunks:\n"
		 "  a: { realm: out, peers: [ { target: \"sip:192.0.2.11\" } ], rates: a.csv }\n"
		 "  b: { realm: out, peers: [ { target: \"sip:192.0.2.12\" } ], rates: b.csv }\n"
		 "  c: { realm: out, peers: [ { target: \"sip:192.0.2.13\" } ] }\n"
		 "  pbx: { realm: in, peers: [ { target: \"sip:10.0.0.2\" } ] }\n"
		 "routes:\n%s",
		 routes);
	EXPECT_ERR(conf_report_init(&l->report), OK);
	l->s = NULL;
	l->e = config_load_text(str_from(name), str_from(text), &l->report, &l->s);
}

static void unload(struct loaded *l)
{
	config_free(l->s);
	conf_report_release(&l->report);
}

static void show(const struct loaded *l)
{
	for (size_t i = 0; i < l->report.count; i++)
		print_message("%.*s\n", STR_ARG(l->report.messages[i].text));
}

static uint64_t wall(int month, int day, int hour, int minute)
{
	struct tm tm = {.tm_year = 126,
			.tm_mon = month - 1,
			.tm_mday = day,
			.tm_hour = hour,
			.tm_min = minute};
	return (uint64_t)timegm(&tm) * 1000;
}

static void test_conditions(void **state)
{
	(void)state;
	enum { OUT, IN };
	enum { A, B, C, PBX };
	static const struct {
		const char *name, *when;
		struct facts f;
		bool matches;
	} rows[] = {
		{"a prefix begins the number",
		 "number_prefix: [\"+49\", \"+33\"]",
		 {.number = STR("+4930")},
		 true},
		{"another does not", "number_prefix: [\"+49\"]", {.number = STR("+4330")}, false},
		{"a prefix with a plus is not for numbers without",
		 "number_prefix: [\"+1\"]",
		 {.number = STR("100")},
		 false},
		{"one without is not for numbers with a plus",
		 "number_prefix: [\"1\"]",
		 {.number = STR("+1242")},
		 false},
		{"both may stand in one list",
		 "number_prefix: [\"+49\", \"1\"]",
		 {.number = STR("100")},
		 true},
		{"a number as long as the prefix",
		 "number_prefix: [\"112\"]",
		 {.number = STR("112")},
		 true},
		{"no number has no prefix", "number_prefix: [\"+49\"]", {.number = STR("")}, false},
		{"a file of prefixes", "prefixes: list.csv", {.number = STR("+4989123")}, true},
		{"a plus sign does not count there",
		 "prefixes: list.csv",
		 {.number = STR("4989123")},
		 true},
		{"what is not in it", "prefixes: list.csv", {.number = STR("+4930")}, false},
		{"prefix and pattern must both hold",
		 "number_prefix: [\"+49\"], number: [\"5$\"]",
		 {.number = STR("+494")},
		 false},
		{"a realm", "realm: in", {.realm = IN, .trunk = PBX}, true},
		{"another realm", "realm: in", {.realm = OUT, .trunk = A}, false},
		{"a trunk", "trunk: [a, b]", {.realm = OUT, .trunk = B}, true},
		{"another trunk", "trunk: [a, b]", {.realm = OUT, .trunk = C}, false},
		{"an unidentified source is no trunk",
		 "trunk: [a]",
		 {.trunk = POLICY_NO_INDEX},
		 false},
		{"realm and trunk must both hold",
		 "realm: in, trunk: a",
		 {.realm = OUT, .trunk = A},
		 false},
		{"a call that was sent on", "cause: redirected", {.cause = FACTS_REDIRECTED}, true},
		{"one that was dialled is another",
		 "cause: redirected",
		 {.cause = FACTS_DIALLED},
		 false},
		{"any of several causes",
		 "cause: [redirected, transferred]",
		 {.cause = FACTS_TRANSFERRED},
		 true},
		{"a user without case",
		 "user: alice@example.net",
		 {.user = STR("Alice@example.net")},
		 true},
		{"another user",
		 "user: alice@example.net",
		 {.user = STR("malice@example.net")},
		 false},
		{"all of a domain",
		 "user: \"@example.net\"",
		 {.user = STR("bob@example.net")},
		 true},
		{"no user is in no domain", "user: \"@example.net\"", {.user = STR("")}, false},
		{"in the hours",
		 "at: { days: mon-fri, hours: \"08:00-18:00\" }",
		 {.wall_ms = 9 * 3600 * 1000},
		 true},
		{"out of the hours",
		 "at: { days: mon-fri, hours: \"08:00-18:00\" }",
		 {.wall_ms = 19 * 3600 * 1000},
		 false},
		{"any of two spans",
		 "at: { hours: [\"08:00-12:00\", \"13:00-18:00\"] }",
		 {.wall_ms = 13 * 3600 * 1000},
		 true},
		{"between them",
		 "at: { hours: [\"08:00-12:00\", \"13:00-18:00\"] }",
		 {.wall_ms = 12 * 3600 * 1000},
		 false},
	};
	CHECK_TABLE(row, rows)
	{
		struct loaded l;
		char routes[512];
		uint16_t at;
		snprintf(routes, sizeof(routes),
			 "  - { name: special, when: { %s }, to: [c] }\n"
			 "  - { name: other, to: [pbx] }\n",
			 row->when);
		load(&l, routes);
		EXPECT_ERR(l.e, OK);
		if (l.e != OK) {
			show(&l);
			unload(&l);
			continue;
		}
		struct verdict v = route_find(&l.s->policy, &row->f, &at);
		EXPECT_Z(v.rule, row->matches ? "special" : "other");
		unload(&l);
	}
}

static void times_are_those_of_the_zone(void **state)
{
	(void)state;
	struct loaded l;
	uint16_t at;

	if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0)
		skip();
	load(&l, "  - { name: day, when: { at: { days: [mon-fri], hours: \"08:00-18:00\", zone: "
		 "Europe/Berlin } }, to: [c] }\n"
		 "  - { name: night, to: [pbx] }\n");
	assert_int_equal(l.e, OK);
	/* Monday 5 January is winter, Monday 6 July summer. */
	static const struct {
		const char *name;
		int month, day, hour, minute;
		const char *rule;
	} rows[] = {
		{"08:00 in winter is 07:00 UTC", 1, 5, 7, 0, "day"},
		{"a minute before", 1, 5, 6, 59, "night"},
		{"08:00 in summer is 06:00 UTC", 7, 6, 6, 0, "day"},
		{"18:00 in summer is 16:00 UTC", 7, 6, 16, 0, "night"},
		{"the Sunday before", 7, 5, 10, 0, "night"},
	};
	CHECK_TABLE(row, rows)
	{
		struct facts f = {.wall_ms = wall(row->month, row->day, row->hour, row->minute)};
		EXPECT_Z(route_find(&l.s->policy, &f, &at).rule, row->rule);
	}
	unload(&l);
}

static void an_emergency_number_may_be_said_by_prefix(void **state)
{
	(void)state;
	struct loaded l;

	load(&l, "  - { name: sos, when: { number_prefix: [\"112\"] }, to: [c], priority: "
		 "emergency }\n");
	assert_int_equal(l.e, OK);
	EXPECT_TRUE(route_is_emergency(&l.s->policy, STR("112")));
	EXPECT_TRUE(!route_is_emergency(&l.s->policy, STR("113")));
	unload(&l);
}

static bool up(const struct peers *ctx, const struct settings *s, uint16_t trunk, uint16_t peer)
{
	(void)ctx;
	(void)s;
	(void)trunk;
	(void)peer;
	return true;
}

static void test_cost(void **state)
{
	(void)state;
	static const struct {
		const char *name, *strategy, *number, *order;
	} rows[] = {
		{"the cheapest first", "least-cost", "+49301", "bac"},
		{"by the longest prefix", "least-cost", "+498912", "abc"},
		{"at the same price by the minute the one without a fee", "least-cost", "+331",
		 "bac"},
		{"at the same price in the order of the route", "least-cost", "+391", "abc"},
		{"a sheet that does not know the number is behind one that does", "least-cost",
		 "+441", "bac"},
		{"a number that no sheet knows goes in the order of the route", "least-cost", "112",
		 "abc"},
		{"another strategy does not ask what it costs", "failover", "+49301", "abc"},
	};
	CHECK_TABLE(row, rows)
	{
		struct loaded l;
		struct hunt h;
		struct hunt_target t;
		struct rng rng;
		uint8_t seed[RNG_SEED_LEN] = {1};
		char routes[200], got[8];
		size_t n = 0;
		snprintf(routes, sizeof(routes), "  - { to: [a, b, c], strategy: %s }\n",
			 row->strategy);
		load(&l, routes);
		assert_int_equal(l.e, OK);
		struct hunt_params p = {.settings = l.s,
					.route = &l.s->policy.routes[0],
					.number = str_from(row->number),
					.is_up = up};
		rng_init(&rng, seed);
		EXPECT_INT(hunt_init(&h, &p, &rng), HUNT_OK);
		while (hunt_next(&h, &t) && n < sizeof(got))
			got[n++] = (char)('a' + t.trunk);
		EXPECT_STR(((struct str){got, n}), str_from(row->order));
		unload(&l);
	}
}

static void test_mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *when, *says;
	} rows[] = {
		{"letters in a prefix", "number_prefix: [\"+4a\"]",
		 "routes[0].when.number_prefix[0]: \"+4a\" is not allowed here; allowed: 1 to 18 "
		 "digits, with a plus sign in front where the numbers have it"},
		{"a prefix twice", "number_prefix: [\"+49\", \"49\", \"+49\"]",
		 "routes[0].when.number_prefix[2]: \"+49\" stands there twice"},
		{"a file that is not there", "prefixes: none.csv",
		 "none.csv cannot be read: No such file or directory"},
		{"a bad row of a file", "prefixes: bad.csv",
		 "bad.csv:2: \"x\" is no prefix: 1 to 18 digits are needed"},
		{"no day", "at: { days: [mon, monday] }",
		 "routes[0].when.at.days[1]: \"monday\" is not allowed here; allowed: mon, tue, "
		 "wed, thu, fri, sat, sun, or two of them as in mon-fri"},
		{"no hours", "at: { hours: \"8-18\" }",
		 "routes[0].when.at.hours: \"8-18\" is not allowed here; allowed: two times of the "
		 "day such as \"08:00-18:00\" or, over midnight, \"22:00-06:00\""},
		{"no zone", "at: { zone: Europe/Atlantis }",
		 "routes[0].when.at.zone: \"Europe/Atlantis\" is not a time zone of this host; "
		 "needed: UTC, or a name such as Europe/Berlin (package tzdata)"},
		{"a path for a zone", "at: { zone: ../../../etc/passwd }",
		 "is not a time zone of this host"},
		{"no realm", "realm: inn",
		 "routes[0].when.realm: \"inn\" is not a name of realms; did you mean \"in\"? "
		 "Allowed: out, in"},
		{"no trunk", "trunk: [a, q]",
		 "routes[0].when.trunk[1]: \"q\" is not a name of trunks"},
		{"no cause", "cause: forwarded", "\"forwarded\" is not allowed here"},
		{"a user without a domain", "user: alice",
		 "\"alice\" is not allowed here; allowed: a user as in alice@example.net, or "
		 "@example.net for all of a domain"},
	};
	CHECK_TABLE(row, rows)
	{
		struct loaded l;
		char routes[512];
		bool said = false;
		snprintf(routes, sizeof(routes), "  - { when: { %s }, to: [c] }\n", row->when);
		load(&l, routes);
		EXPECT_ERR(l.e, ERR_BAD);
		for (size_t i = 0; i < l.report.count; i++) {
			struct str t = l.report.messages[i].text;
			said = said || str_find(t, str_from(row->says)) < t.len;
		}
		EXPECT_TRUE(said);
		if (!said)
			show(&l);
		unload(&l);
	}
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	write_file("list.csv", "prefix,place\n4989,Munich\n+4940,Hamburg\n");
	write_file("bad.csv", "49\nx\n");
	write_file("a.csv", "49,0.01\n4989,0.005\n33,0.02,0.01\n39,0.03\n");
	write_file("b.csv", "49,0.008\n33,0.02\n39,0.03\n44,0.5\n");
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"list.csv", "bad.csv", "a.csv", "b.csv"};
	char path[256];
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(times_are_those_of_the_zone),
		cmocka_unit_test(an_emergency_number_may_be_said_by_prefix),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_mistakes),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
