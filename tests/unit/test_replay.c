/* Calls that happened, under another configuration. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sbc/config.h"
#include "sbc/core/replay.h"
#include "tests/support/check.h"

static char folder[] = "/tmp/sallyport-replay-XXXXXX";
static struct conf_report report;
static struct settings *set;
static struct replay replay;

enum { T0 = 1767254400 /* Thursday 1 January 2026, 08:00 UTC */ };

static void start(const char *limits, const char *routes)
{
	char text[4096], name[256];
	const struct siphash_key key = {{1}};

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
		 "  pbx: { realm: in, peers: [ { target: \"sip:10.0.0.2\" } ]%s }\n"
		 "routes:\n%s",
		 limits, routes);
	EXPECT_ERR(conf_report_init(&report), OK);
	enum err e = config_load_text(str_from(name), str_from(text), &report, &set);
	for (size_t i = 0; e != OK && i < report.count; i++)
		print_message("%.*s\n", STR_ARG(report.messages[i].text));
	assert_int_equal(e, OK);
	EXPECT_ERR(replay_init(&replay, set, &key), OK);
}

static void stop(void)
{
	replay_release(&replay);
	config_free(set);
	set = NULL;
	conf_report_release(&report);
}

/* A call of the PBX that began so many seconds after T0. */
static struct replay_record call_at(unsigned second, const char *number, const char *egress,
				    unsigned duration_s)
{
	struct replay_record c = {.call = STR("n-1"),
				  .realm = STR("in"),
				  .ingress = STR("pbx"),
				  .egress = str_from(egress),
				  .caller = STR("100"),
				  .number = str_from(number),
				  .cause = STR("answered"),
				  .start_ms = (T0 + (uint64_t)second) * 1000,
				  .duration_ms = (uint64_t)duration_s * 1000};

	c.end_ms = c.start_ms + c.duration_ms;
	EXPECT_ERR(addr_parse(STR("10.0.0.2:5060"), &c.source), OK);
	return c;
}

static struct replay_result step(const struct replay_record *c)
{
	struct replay_result out;
	EXPECT_ERR(replay_step(&replay, c, &out), OK);
	return out;
}

static void what_has_changed_is_told_by_call(void **state)
{
	(void)state;
	start("",
	      "  - { name: block, when: { number_prefix: [\"+882\"] }, reject: { status: 403 } }\n"
	      "  - { name: out, to: [a, b] }\n");
	static const struct {
		const char *name, *number, *egress, *route, *cause;
		enum replay_change change;
		const char *rule, *now;
	} rows[] = {
		{"a call that goes the same way", "+4930", "a", "out", "answered", REPLAY_SAME,
		 "out", "a"},
		{"one that the second trunk carried then", "+4930", "b", "out", "answered",
		 REPLAY_SAME, "out", "b"},
		{"one by a route of another name", "+4930", "a", "pstn", "answered",
		 REPLAY_OTHER_ROUTE, "out", "a"},
		{"one that is refused now", "+88216", "a", "out", "answered", REPLAY_NOW_REFUSED,
		 "block", ""},
		{"one that was refused then", "+4930", "", "", "policy:cost-cap",
		 REPLAY_NOW_ALLOWED, "out", "a"},
		{"one that another rule refused", "+88216", "", "", "policy:premium",
		 REPLAY_OTHER_RULE, "block", ""},
		{"one that the same rule refused", "+88216", "", "", "policy:block", REPLAY_SAME,
		 "block", ""},
		{"one that failed on its way is let in again", "+4930", "a", "out", "congestion",
		 REPLAY_SAME, "out", "a"},
	};
	CHECK_TABLE(row, rows)
	{
		struct replay_record c = call_at(0, row->number, row->egress, 0);
		c.route = str_from(row->route);
		c.cause = str_from(row->cause);
		struct replay_result r = step(&c);
		EXPECT_INT(r.change, row->change);
		EXPECT_Z(r.now.rule, row->rule);
		EXPECT_Z(r.egress, row->now);
		EXPECT_TRUE(r.now.line > 0);
	}
	EXPECT_U64(replay.totals.calls, ARRAY_LEN(rows));
	EXPECT_U64(replay.totals.refused[VERDICT_STAGE_ROUTE], 3);
	stop();
}

static void money_is_of_both_times(void **state)
{
	(void)state;
	start("",
	      "  - { name: block, when: { number_prefix: [\"+33\"] }, reject: { status: 403 } }\n"
	      "  - { name: out, to: [a, b], strategy: least-cost }\n");
	struct replay_record c = call_at(0, "+4930", "a", 120);
	struct replay_result r = step(&c);
	EXPECT_INT(r.cost_then, 20000); /* two minutes at 0.01 */
	EXPECT_INT(r.cost_now, 16000);  /* b is cheaper */
	EXPECT_Z(r.egress, "b");
	EXPECT_INT(r.change, REPLAY_OTHER_ROUTE);
	c = call_at(1, "+331", "a", 60);
	r = step(&c);
	EXPECT_INT(r.cost_then, 20000);
	EXPECT_INT(r.cost_now, 0);
	c = call_at(2, "+99", "a", 60);
	r = step(&c);
	EXPECT_INT(r.cost_then, -1);
	EXPECT_INT(replay.totals.cost_then, 40000);
	EXPECT_INT(replay.totals.cost_now, 16000);
	EXPECT_INT(replay.totals.cost_kept, 20000);
	EXPECT_U64(replay.totals.unpriced, 1);
	stop();
}

static void limits_go_by_the_times_of_the_records(void **state)
{
	(void)state;
	start(", limits: { sessions: 2 }", "  - { name: out, to: [a] }\n");
	struct replay_record first = call_at(0, "+491", "a", 100),
			     second = call_at(1, "+492", "a", 10),
			     third = call_at(5, "+493", "a", 10),
			     fourth = call_at(12, "+494", "a", 10);
	EXPECT_INT(step(&first).change, REPLAY_SAME);
	EXPECT_INT(step(&second).change, REPLAY_SAME);
	struct replay_result r = step(&third);
	EXPECT_INT(r.change, REPLAY_NOW_REFUSED);
	EXPECT_INT(r.now.stage, VERDICT_STAGE_ADMISSION);
	EXPECT_INT(step(&fourth).change, REPLAY_SAME); /* the second has ended */
	stop();
}

static void a_realm_that_is_no_more_refuses(void **state)
{
	(void)state;
	start("", "  - { name: out, to: [a] }\n");
	struct replay_record c = call_at(0, "+491", "a", 1);
	c.realm = STR("lab");
	EXPECT_INT(step(&c).change, REPLAY_NOW_REFUSED);
	c = call_at(0, "+491", "a", 1);
	EXPECT_ERR(addr_parse(STR("10.9.9.9:5060"), &c.source), OK);
	struct replay_result r = step(&c);
	EXPECT_INT(r.change, REPLAY_NOW_REFUSED);
	EXPECT_INT(r.now.stage, VERDICT_STAGE_IDENTIFY);
	stop();
}

static void write_file(const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	write_file("a.csv", "49,0.01\n33,0.02\n");
	write_file("b.csv", "49,0.008\n");
	return 0;
}

static void what_a_record_holds_is_asked_about(void **state)
{
	char sections[2048], cwd[512];
	(void)state;
	EXPECT_TRUE(getcwd(cwd, sizeof(cwd)) != NULL);
	snprintf(sections, sizeof(sections),
		 "  - { name: home, when: { domain: [pbx.example] }, to: [b] }\n"
		 "  - { name: out, to: [a] }\n"
		 "geo:\n  country: %s/tests/data/geo/country.mmdb\n  asn: "
		 "%s/tests/data/geo/asn.mmdb\n"
		 "  rules:\n    - { name: no-cuba, when: { country: [CU] }, action: reject }\n"
		 "    - { name: no-net, when: { asn: [64500] }, action: reject }\n"
		 "fraud:\n  rules:\n    - { name: circles, when: { diversions: 3 }, action: reject "
		 "}\n"
		 "    - { name: alice, when: { user: [alice@example.net] }, action: reject }\n",
		 cwd, cwd);
	start("", sections);
	static const struct {
		const char *name, *domain, *country, *user;
		uint32_t asn;
		uint8_t diversions;
		const char *rule;
	} rows[] = {
		{"nothing that matters", "", "", "", 0, 0, "out"},
		{"the domain that was called", "pbx.example", "", "", 0, 0, "home"},
		{"the country that it came from", "", "CU", "", 0, 0, "no-cuba"},
		{"another country", "", "DE", "", 0, 0, "out"},
		{"the network that it came from", "", "", "", 64500, 0, "no-net"},
		{"how often it was diverted", "", "", "", 0, 3, "circles"},
		{"less often", "", "", "", 0, 2, "out"},
		{"the user who called", "", "", "alice@example.net", 0, 0, "alice"},
	};
	CHECK_TABLE(row, rows)
	{
		struct replay_record c = call_at(0, "+4930", "a", 0);
		c.domain = str_from(row->domain);
		c.country = str_from(row->country);
		c.user = str_from(row->user);
		c.asn = row->asn;
		c.diversions = row->diversions;
		EXPECT_Z(step(&c).now.rule, row->rule);
	}
	stop();
}

static int tear_down(void **state)
{
	char path[256];
	(void)state;
	snprintf(path, sizeof(path), "%s/a.csv", folder);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/b.csv", folder);
	(void)unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_changed_is_told_by_call),
		cmocka_unit_test(money_is_of_both_times),
		cmocka_unit_test(limits_go_by_the_times_of_the_records),
		cmocka_unit_test(a_realm_that_is_no_more_refuses),
		cmocka_unit_test(what_a_record_holds_is_asked_about),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
