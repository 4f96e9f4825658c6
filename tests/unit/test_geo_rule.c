#include "policy/geo_rule.h"
#include "tests/support/check.h"

enum { OUT, WEB, REALMS };
enum { CARRIER, ABROAD, BROWSERS, TRUNKS };

static const struct realm_rule realms[REALMS] = {{.name = STR("out")}, {.name = STR("web")}};
static const struct trunk_rule trunks[TRUNKS] = {
	[CARRIER] = {.name = STR("carrier"), .realm = OUT},
	[ABROAD] = {.name = STR("abroad"), .realm = OUT},
	[BROWSERS] = {.name = STR("browsers"), .realm = WEB}};

static struct country_set set_of(const char *words, bool not )
{
	struct country_set s = {{0}};
	struct str rest = str_from(words), word;
	if (not )
		country_set_fill(&s);
	while (str_cut(&rest, ' ', &word))
		not ? country_set_del(&s, country_code(word))
		    : country_set_add(&s, country_code(word));
	return s;
}

/* "unknown" is no pair of letters, so it is COUNTRY_UNKNOWN. */
static struct geo_rule rule(const char *name, enum geo_action action)
{
	return (struct geo_rule){.name = str_from(name),
				 .action = action,
				 .status = 403,
				 .place = {STR("geo.yaml"), 7}};
}

static struct geo_rule in_countries(struct geo_rule r, const char *words, bool not )
{
	r.by_country = true;
	r.countries = set_of(words, not );
	return r;
}

static struct geo_rule in_realm(struct geo_rule r, uint16_t realm)
{
	r.realms[r.realm_count++] = realm;
	return r;
}

static struct geo_rule of_trunk(struct geo_rule r, uint16_t trunk)
{
	r.trunks[r.trunk_count++] = trunk;
	return r;
}

static const uint32_t bad_asns[] = {64496, 64511, 4200000001}, no_asn[] = {0};

static struct policy_config config_of(const struct geo_rule *rules, size_t count)
{
	return (struct policy_config){.realms = realms,
				      .realm_count = REALMS,
				      .trunks = trunks,
				      .trunk_count = TRUNKS,
				      .geo = rules,
				      .geo_count = count};
}

struct row {
	const char *name;
	const char *country;
	uint32_t asn;
	uint16_t realm, trunk;
	enum geo_phase phase;
	enum verdict_outcome outcome;
	const char *rule;
};

static void judge_all(const struct policy_config *c, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count && check_row(rows[i].name); i++) {
		const struct row *r = &rows[i];
		struct facts f = {.realm = r->realm, .trunk = r->trunk, .asn = r->asn};
		memcpy(f.country, r->country, strlen(r->country));
		struct verdict v = geo_rule_judge(c, &f, r->phase);
		EXPECT_INT(v.outcome, r->outcome);
		EXPECT_INT(v.stage, VERDICT_STAGE_GEO);
		EXPECT_Z(v.rule, r->rule);
		EXPECT_INT(v.status, r->outcome == VERDICT_REJECT ? 403 : 0);
		EXPECT_INT(v.line, r->rule[0] ? 7 : 0);
	}
}

enum { NOBODY = POLICY_NO_INDEX };

static void test_countries(void **state)
{
	(void)state;
	struct geo_rule rules[] = {
		in_countries(in_realm(rule("web", GEO_REJECT), WEB), "DE AT CH FR", true),
		in_countries(rule("never", GEO_DROP), "KP", false),
		in_countries(in_realm(rule("nowhere", GEO_REJECT), OUT), "unknown", false)};
	struct policy_config c = config_of(rules, ARRAY_LEN(rules));
	static const struct row rows[] = {
		{"a country that is among those that may goes on", "DE", 0, WEB, NOBODY, GEO_EARLY,
		 VERDICT_ALLOW, ""},
		{"a country that is not among them is refused", "CU", 0, WEB, NOBODY, GEO_EARLY,
		 VERDICT_REJECT, "web"},
		{"where it is not known, it is not among them", "", 0, WEB, NOBODY, GEO_EARLY,
		 VERDICT_REJECT, "web"},
		{"a rule of another realm says nothing here", "CU", 0, OUT, NOBODY, GEO_EARLY,
		 VERDICT_ALLOW, ""},
		{"a rule without a realm is for all of them", "KP", 0, OUT, NOBODY, GEO_EARLY,
		 VERDICT_DROP, "never"},
		{"the first that matches decides", "KP", 0, WEB, NOBODY, GEO_EARLY, VERDICT_REJECT,
		 "web"},
		{"unknown is a country that a rule can name", "", 0, OUT, NOBODY, GEO_EARLY,
		 VERDICT_REJECT, "nowhere"},
		{"what is no country code is unknown", "de", 0, OUT, NOBODY, GEO_EARLY,
		 VERDICT_REJECT, "nowhere"},
		{"whose it is changes nothing for a rule without a trunk", "CU", 0, WEB, BROWSERS,
		 GEO_IDENTIFIED, VERDICT_REJECT, "web"},
	};
	judge_all(&c, rows, ARRAY_LEN(rows));
}

static void test_systems(void **state)
{
	(void)state;
	struct geo_rule bad = rule("bad", GEO_DROP), others = rule("others", GEO_REJECT),
			none = in_realm(rule("none", GEO_REJECT), WEB);
	bad.asn = (struct geo_asns){bad_asns, 3};
	others.asn_not = (struct geo_asns){(const uint32_t[]){0, 64500}, 2};
	none.asn = (struct geo_asns){no_asn, 1};
	bad.by_asn = others.by_asn = none.by_asn = true;
	struct geo_rule rules[] = {bad, none, in_realm(others, OUT)};
	struct policy_config c = config_of(rules, ARRAY_LEN(rules));
	static const struct row rows[] = {
		{"the first of a list of systems is met", "", 64496, OUT, NOBODY, GEO_EARLY,
		 VERDICT_DROP, "bad"},
		{"the last of it too, a number of 32 bits", "", 4200000001, OUT, NOBODY, GEO_EARLY,
		 VERDICT_DROP, "bad"},
		{"one between them is not", "", 64500, OUT, NOBODY, GEO_EARLY, VERDICT_ALLOW, ""},
		{"one that is in none of asn_not is refused", "", 64501, OUT, NOBODY, GEO_EARLY,
		 VERDICT_REJECT, "others"},
		{"an unknown one that asn_not lists is not", "", 0, OUT, NOBODY, GEO_EARLY,
		 VERDICT_ALLOW, ""},
		{"an unknown one can be named", "", 0, WEB, NOBODY, GEO_EARLY, VERDICT_REJECT,
		 "none"},
	};
	judge_all(&c, rows, ARRAY_LEN(rows));
}

static void test_trunks(void **state)
{
	(void)state;
	struct geo_rule rules[] = {
		of_trunk(rule("known", GEO_ACCEPT), ABROAD),
		in_countries(in_realm(rule("home", GEO_DROP), OUT), "DE", true),
		of_trunk(in_countries(rule("roaming", GEO_REJECT), "US", false), BROWSERS),
		in_countries(in_realm(rule("web", GEO_DROP), WEB), "CU", false)};
	struct policy_config c = config_of(rules, ARRAY_LEN(rules));
	static const struct row rows[] = {
		{"a trunk that is accepted comes from wherever it is", "US", 0, OUT, ABROAD,
		 GEO_IDENTIFIED, VERDICT_ALLOW, "known"},
		{"another trunk of that realm does not", "US", 0, OUT, CARRIER, GEO_IDENTIFIED,
		 VERDICT_DROP, "home"},
		{"nor does a stranger", "US", 0, OUT, NOBODY, GEO_IDENTIFIED, VERDICT_DROP, "home"},
		{"whose it is has to be known first: early nothing is decided behind that rule",
		 "US", 0, OUT, NOBODY, GEO_EARLY, VERDICT_ALLOW, ""},
		{"a rule of a trunk of another realm decides nothing early", "CU", 0, WEB, NOBODY,
		 GEO_EARLY, VERDICT_DROP, "web"},
		{"a rule of a trunk that asks for another country leaves it to the next", "US", 0,
		 WEB, NOBODY, GEO_EARLY, VERDICT_ALLOW, ""},
		{"a group of users is a trunk", "US", 0, WEB, BROWSERS, GEO_IDENTIFIED,
		 VERDICT_REJECT, "roaming"},
		{"its users from home go on", "DE", 0, WEB, BROWSERS, GEO_IDENTIFIED, VERDICT_ALLOW,
		 ""},
	};
	judge_all(&c, rows, ARRAY_LEN(rows));
}

static void test_who_wants_to_know(void **state)
{
	(void)state;
	struct geo_rule asn = in_realm(rule("asn", GEO_DROP), OUT);
	asn.asn = (struct geo_asns){bad_asns, 3};
	asn.by_asn = true;
	static const struct {
		const char *name;
		int which;
		bool out, web;
	} rows[] = {
		{"without rules nobody asks", 0, false, false},
		{"a rule of a realm asks for that realm", 1, true, false},
		{"a rule that asks for nothing asks for nobody", 2, false, false},
		{"a rule of a trunk asks for the trunk's realm", 3, false, true},
		{"a rule without a realm asks for all", 4, true, true},
	};
	CHECK_TABLE(r, rows)
	{
		struct geo_rule rules[] = {
			{.name = STR("")},
			asn,
			in_realm(rule("all", GEO_DROP), OUT),
			of_trunk(in_countries(rule("t", GEO_DROP), "CU", false), BROWSERS),
			in_countries(rule("any", GEO_DROP), "CU", false)};
		struct policy_config c = config_of(&rules[r->which], r->which ? 1 : 0);
		EXPECT_INT(geo_rule_asks(&c, OUT), r->out);
		EXPECT_INT(geo_rule_asks(&c, WEB), r->web);
	}
}

static void test_country_codes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *word;
		bool known;
		const char *meant;
	} rows[] = {
		{"the first country there is", "AD", true, "AD"},
		{"the last", "ZW", true, "ZW"},
		{"Norway is no negation", "NO", true, "NO"},
		{"Kosovo is in databases", "XK", true, "XK"},
		{"the United Kingdom is GB", "UK", false, "GB"},
		{"small letters are none", "de", false, "DE"},
		{"letters across two countries are none", "D ", false, ""},
		{"three letters are none", "USA", false, "US"},
		{"nothing is none", "", false, ""},
		{"what nobody has is none", "ZZ", false, ""},
	};
	CHECK_TABLE(r, rows)
	{
		EXPECT_INT(country_is_known(str_from(r->word)), r->known);
		EXPECT_Z(country_meant(str_from(r->word)), r->meant);
	}
	struct country_set s;
	country_set_fill(&s);
	for (uint16_t i = 0; i < COUNTRY_CODES; i++) {
		assert_true(country_set_has(&s, i));
		country_set_del(&s, i);
		assert_false(country_set_has(&s, i));
	}
	assert_true(country_set_is_empty(&s));
	assert_int_equal(country_code(STR("AA")), 1);
	assert_int_equal(country_code(STR("ZZ")), COUNTRY_CODES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_countries),     cmocka_unit_test(test_systems),
		cmocka_unit_test(test_trunks),        cmocka_unit_test(test_who_wants_to_know),
		cmocka_unit_test(test_country_codes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
