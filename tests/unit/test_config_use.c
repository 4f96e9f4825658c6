/* What `sallyport check` says of rules that can never match, and of what is of no use. */
#include <stdio.h>
#include <stdlib.h>

#include "sbc/config.h"
#include "tests/support/check.h"

static char text[8192];

/* The warnings of a site with these routes; `more`: whole lines behind them. */
static void load(struct conf_report *r, const char *routes, const char *limits, const char *more)
{
	struct settings *s = NULL;

	snprintf(text, sizeof(text),
		 "realms:\n"
		 "  out: { trust: low, media_policy: any, listen: [ { transport: udp, address: "
		 "192.0.2.1 } ] }\n"
		 "  in: { trust: high, media_policy: any, listen: [ { transport: udp, address: "
		 "10.0.0.1 } ] }\n"
		 "media_policies: { any: { rtp: allow, srtp: allow } }\n"
		 "trunks:\n"
		 "  a: { realm: out, peers: [ { target: \"sip:192.0.2.11\" } ]%s }\n"
		 "  b: { realm: out, peers: [ { target: \"sip:192.0.2.12\" } ] }\n"
		 "  pbx: { realm: in, peers: [ { target: \"sip:10.0.0.2\" } ] }\n"
		 "%s"
		 "routes:\n%s  - { name: all, to: [a, b, pbx] }\n",
		 limits, more, routes);
	EXPECT_ERR(conf_report_init(r), OK);
	EXPECT_ERR(config_load_text(STR("f.yaml"), str_from(text), r, &s), OK);
	config_free(s);
}

static bool says(const struct conf_report *r, const char *what)
{
	for (size_t i = 0; i < r->count; i++) {
		struct str t = r->messages[i].text;
		if (str_find(t, str_from(what)) < t.len)
			return true;
	}
	return false;
}

static void test_hidden(void **state)
{
	(void)state;
	static const struct {
		const char *name, *first, *second;
		const char *warns; /* NULL: nothing is said */
	} rows[] = {
#define ALL     "routes[1]: can never match: route \"x\" at line 10 takes all of it"
#define ITEM(n) "[" n "]: can never match: route \"x\" at line 10 takes all of it"
		{"a route without conditions takes all", "", "from: a", ALL},
		{"a realm takes what its trunk sends", "from: out", "from: a", ALL},
		{"a trunk does not take its realm", "from: a", "from: out", NULL},
		{"another trunk", "from: a", "from: b", NULL},
		{"the same by other keys", "from: out", "trunk: [a, b]", ALL},
		{"a narrower realm", "realm: in", "from: pbx", ALL},
		{"the same pattern", "number: \"^(1|2)\"", "number: \"^(1|2)\"", ALL},
		{"a pattern that is longer", "number: \"^\\\\+49\"", "number: \"^\\\\+4930\"", ALL},
		{"a pattern that is shorter", "number: \"^\\\\+4930\"", "number: \"^\\\\+49\"",
		 NULL},
		{"a digit that may be left out", "number: \"^\\\\+49\"", "number: \"^\\\\+49?\"",
		 NULL},
		{"alternatives are not looked into", "number: \"^1\"", "number: \"^12|^3\"", NULL},
		{"a whole number that a pattern takes", "number: \"^1[0-9]+$\"",
		 "number: \"^112$\"", ALL},
		{"a prefix that a pattern takes", "number: \"^\\\\+49\"",
		 "number_prefix: [\"+4930\"]", ALL},
		{"a pattern that a prefix takes", "number_prefix: [\"+49\"]",
		 "number: \"^\\\\+4930\"", ALL},
		{"a prefix that a prefix takes", "number_prefix: [\"+4\"]",
		 "number_prefix: [\"+49\"]", ALL},
		{"a prefix without plus is another", "number_prefix: [\"4\"]",
		 "number_prefix: [\"+49\"]", NULL},
		{"one of two prefixes", "number_prefix: [\"+49\"]",
		 "number_prefix: [\"+33\", \"+4930\"]", ITEM("1")},
		{"one of two patterns", "number: \"^\\\\+49\"", "number: [\"^\\\\+4930\", \"^0\"]",
		 ITEM("0")},
		{"hours within hours", "at: { hours: \"08:00-18:00\" }",
		 "at: { days: mon, hours: \"09:00-10:00\" }", ALL},
		{"hours beside hours", "at: { hours: \"08:00-18:00\" }",
		 "at: { hours: \"17:00-19:00\" }", NULL},
		{"always is more than some hours", "at: { hours: \"08:00-18:00\" }", "from: a",
		 NULL},
		{"a domain among others", "domain: [x.test, y.test]", "domain: Y.TEST", ALL},
		{"another domain", "domain: x.test", "domain: y.test", NULL},
		{"a user of a domain", "user: \"@x.test\"", "user: bob@x.test", ALL},
		{"a domain is more than a user", "user: bob@x.test", "user: \"@x.test\"", NULL},
		{"a cause among others", "cause: [redirected, transferred]", "cause: redirected",
		 ALL},
		{"any cause is more", "cause: redirected", "from: a", NULL},
		{"conditions that contradict one another", "from: a", "realm: in, trunk: b",
		 "routes[1].when: can never match: no request comes from all of from, realm and "
		 "trunk"},
	};
	CHECK_TABLE(row, rows)
	{
		struct conf_report r;
		char routes[1024];
		snprintf(routes, sizeof(routes),
			 "  - { name: x, when: { %s }, to: [a] }\n"
			 "  - { name: y, when: { %s }, to: [a] }\n",
			 row->first, row->second);
		load(&r, routes, "", "");
		if (row->warns)
			EXPECT_TRUE(says(&r, row->warns));
		else
			EXPECT_TRUE(!says(&r, "routes[1]"));
		conf_report_release(&r);
	}
}

static void test_use(void **state)
{
	(void)state;
	static const struct {
		const char *name, *limits, *more;
		const char *warns; /* NULL: nothing is said */
	} rows[] = {
		{"all is used", "", "", NULL},
		{"a burst below its rate", ", limits: { rate: 40/s, burst: 10 }", "",
		 "trunks.a.limits.burst: lower than the rate of 40"},
		{"a burst of a slow rate is a wish", ", limits: { rate: 100/1m, burst: 10 }", "",
		 NULL},
		{"one direction above both", ", limits: { sessions: 10, inbound: 20 }", "",
		 "trunks.a.limits.inbound: is never reached: sessions allows 10"},
		{"header rules of nobody", "", "header_rules: { h: { carry: [Subject] } }\n",
		 "header_rules.h: is not used: no realm names it"},
		{"number rules of nobody", "", "numbers: { n: [ { match: \"^0\", to: \"+\" } ] }\n",
		 "numbers.n: is not used: no trunk names it"},
		{"admission of nobody", "", "admission: { z: { requests: { per_source: 1/s } } }\n",
		 "admission.z: is not used: no realm names it"},
		{"a fraud rule above what the trunk's rate lets begin",
		 ", limits: { rate: 1/1m, burst: 2 }",
		 "fraud: { rules: [ { name: f, count: calls, by: trunk, over: 30/10m, when: { "
		 "from: a }, action: alert } ] }\n",
		 "is never reached: the limits of the trunks let 12 calls begin in that time"},
		{"a fraud rule below it", ", limits: { rate: 1/1m, burst: 2 }",
		 "fraud: { rules: [ { name: f, count: calls, by: trunk, over: 5/10m, when: { from: "
		 "a }, action: alert } ] }\n",
		 NULL},
	};
	CHECK_TABLE(row, rows)
	{
		struct conf_report r;
		load(&r, "", row->limits, row->more);
		if (row->warns)
			EXPECT_TRUE(says(&r, row->warns));
		else
			EXPECT_INT(r.count, 0);
		for (size_t i = 0; i < r.count && !(row->warns && says(&r, row->warns)); i++)
			print_message("%.*s\n", STR_ARG(r.messages[i].text));
		conf_report_release(&r);
	}
}

static void a_trunk_that_no_call_reaches_is_named(void **state)
{
	(void)state;
	struct conf_report r;
	struct settings *s = NULL;
	snprintf(text, sizeof(text),
		 "realms: { in: { trust: high, listen: [ { transport: udp, address: 10.0.0.1 } ] } "
		 "}\n"
		 "trunks:\n"
		 "  a: { realm: in, peers: [ { target: \"sip:10.0.0.2\" } ] }\n"
		 "  b: { realm: in, peers: [ { target: \"sip:10.0.0.3\" } ] }\n"
		 "  c: { realm: in, peers: [ { target: \"sip:10.0.0.4\" } ] }\n"
		 "routes: [ { when: { from: b }, to: [a] } ]\n");
	EXPECT_ERR(conf_report_init(&r), OK);
	EXPECT_ERR(config_load_text(STR("f.yaml"), str_from(text), &r, &s), OK);
	EXPECT_INT(r.count, 1);
	EXPECT_TRUE(says(&r, "f.yaml:5:3: warning: trunks.c: no route goes to it") ||
		    says(&r, "trunks.c: no route goes to it, and none names it"));
	config_free(s);
	conf_report_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_use),
		cmocka_unit_test(a_trunk_that_no_call_reaches_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
