#include "policy/identify.h"
#include "tests/support/check.h"

static struct prefix prefix(const char *z)
{
	struct prefix p;
	assert_int_equal(prefix_parse(str_from(z), &p), OK);
	return p;
}

static struct addr ip(const char *z)
{
	struct addr a;
	assert_int_equal(addr_parse_ip(str_from(z), &a), OK);
	return a;
}

enum { LIST_MAX = 3 };

static size_t prefixes(const char *const *texts, struct prefix *out)
{
	size_t n = 0;
	for (; n < LIST_MAX && texts[n]; n++)
		out[n] = prefix(texts[n]);
	return n;
}

static void test_acl(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool given;
		const char *allow[LIST_MAX], *deny[LIST_MAX];
		enum acl_default otherwise;
		const char *source;
		enum verdict_outcome outcome;
		uint16_t status;
	} rows[] = {
		{"a realm without acl lets every source go on",
		 false,
		 {0},
		 {0},
		 ACL_DENY,
		 "192.0.2.1",
		 VERDICT_ALLOW,
		 0},
		{"a source in allow goes on",
		 true,
		 {"192.0.2.0/24"},
		 {0},
		 ACL_DENY,
		 "192.0.2.1",
		 VERDICT_ALLOW,
		 0},
		{"a source in no list gets silence by default deny",
		 true,
		 {"192.0.2.0/24"},
		 {0},
		 ACL_DENY,
		 "198.51.100.1",
		 VERDICT_DROP,
		 0},
		{"a source in no list gets 403 by default reject",
		 true,
		 {"192.0.2.0/24"},
		 {0},
		 ACL_REJECT,
		 "198.51.100.1",
		 VERDICT_REJECT,
		 403},
		{"a source in no list goes on by default allow",
		 true,
		 {0},
		 {"192.0.2.0/24"},
		 ACL_ALLOW,
		 "198.51.100.1",
		 VERDICT_ALLOW,
		 0},
		{"a source in deny gets silence",
		 true,
		 {0},
		 {"192.0.2.0/24"},
		 ACL_ALLOW,
		 "192.0.2.9",
		 VERDICT_DROP,
		 0},
		{"a longer deny wins over allow",
		 true,
		 {"192.0.2.0/24"},
		 {"192.0.2.128/25"},
		 ACL_DENY,
		 "192.0.2.200",
		 VERDICT_DROP,
		 0},
		{"outside the longer deny the shorter allow holds",
		 true,
		 {"192.0.2.0/24"},
		 {"192.0.2.128/25"},
		 ACL_DENY,
		 "192.0.2.100",
		 VERDICT_ALLOW,
		 0},
		{"a longer allow wins over deny",
		 true,
		 {"192.0.2.7"},
		 {"192.0.2.0/24"},
		 ACL_DENY,
		 "192.0.2.7",
		 VERDICT_ALLOW,
		 0},
		{"the same prefix in both denies",
		 true,
		 {"192.0.2.0/24"},
		 {"192.0.2.0/24"},
		 ACL_ALLOW,
		 "192.0.2.7",
		 VERDICT_DROP,
		 0},
		{"the longest of several allows counts",
		 true,
		 {"192.0.0.0/16", "192.0.2.0/24"},
		 {"192.0.0.0/20"},
		 ACL_DENY,
		 "192.0.2.7",
		 VERDICT_ALLOW,
		 0},
		{"IPv6 is compared with IPv6",
		 true,
		 {"2001:db8:77::/64"},
		 {0},
		 ACL_DENY,
		 "2001:db8:77::9",
		 VERDICT_ALLOW,
		 0},
		{"an IPv4 source is in no IPv6 prefix",
		 true,
		 {"::/0"},
		 {0},
		 ACL_DENY,
		 "192.0.2.1",
		 VERDICT_DROP,
		 0},
		{"a mapped IPv4 source is IPv4",
		 true,
		 {"192.0.2.0/24"},
		 {0},
		 ACL_DENY,
		 "::ffff:192.0.2.1",
		 VERDICT_ALLOW,
		 0},
	};
	CHECK_TABLE(row, rows)
	{
		struct prefix allow[LIST_MAX], deny[LIST_MAX];
		struct realm_rule realm = {.name = STR("outside"),
					   .acl_given = row->given,
					   .acl_default = row->otherwise,
					   .acl_allow = allow,
					   .acl_deny = deny,
					   .place = {STR("a.yaml"), 7}};
		realm.acl_allow_count = prefixes(row->allow, allow);
		realm.acl_deny_count = prefixes(row->deny, deny);
		struct policy_config c = {.realms = &realm, .realm_count = 1};
		struct addr from = ip(row->source);
		struct verdict v = identify_acl(&c, 0, &from);
		EXPECT_INT(v.outcome, row->outcome);
		EXPECT_INT(v.status, row->status);
		EXPECT_INT(v.stage, VERDICT_STAGE_ACL);
		EXPECT_Z(v.rule, "outside");
		EXPECT_INT(v.line, 7);
	}
}

/* Realm 0: acl by default deny; realm 1: no acl. */
static void test_trunks(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t realm;
		const char *source;
		bool tls;
		const char *peer_names[2];
		enum verdict_outcome outcome;
		const char *trunk; /* or the realm that refused */
	} rows[] = {
		{"a source within a trunk's prefix is that trunk",
		 0,
		 "198.51.100.9",
		 false,
		 {0},
		 VERDICT_ALLOW,
		 "wide"},
		{"the narrower prefix wins",
		 0,
		 "198.51.100.20",
		 false,
		 {0},
		 VERDICT_ALLOW,
		 "narrow"},
		{"with name and source, both must hold",
		 0,
		 "198.51.100.20",
		 true,
		 {"gw.example.net"},
		 VERDICT_ALLOW,
		 "narrow-named"},
		{"a name without its source is not enough",
		 0,
		 "192.0.2.1",
		 true,
		 {"gw.example.net"},
		 VERDICT_DROP,
		 "outside"},
		{"a name alone is enough where no source is asked",
		 0,
		 "192.0.2.1",
		 true,
		 {"sip.example.org"},
		 VERDICT_ALLOW,
		 "named"},
		{"the second of a certificate's names counts too",
		 0,
		 "192.0.2.1",
		 true,
		 {"x.example", "sip.example.org"},
		 VERDICT_ALLOW,
		 "named"},
		{"names compare without case",
		 0,
		 "192.0.2.1",
		 true,
		 {"SIP.Example.ORG"},
		 VERDICT_ALLOW,
		 "named"},
		{"a name is believed over TLS only",
		 0,
		 "192.0.2.1",
		 false,
		 {"sip.example.org"},
		 VERDICT_DROP,
		 "outside"},
		{"a name below the wanted one is another name",
		 0,
		 "192.0.2.1",
		 true,
		 {"a.sip.example.org"},
		 VERDICT_DROP,
		 "outside"},
		{"an unknown source gets silence where the acl denies",
		 0,
		 "203.0.113.5",
		 false,
		 {0},
		 VERDICT_DROP,
		 "outside"},
		{"an unknown source gets 403 where there is no acl",
		 1,
		 "203.0.113.5",
		 false,
		 {0},
		 VERDICT_REJECT,
		 "inside"},
		{"a trunk is known in its own realm only",
		 1,
		 "198.51.100.9",
		 false,
		 {0},
		 VERDICT_REJECT,
		 "inside"},
		{"a trunk without any condition is never meant",
		 1,
		 "10.0.0.1",
		 false,
		 {0},
		 VERDICT_REJECT,
		 "inside"},
		{"of two that fit alike the first wins",
		 1,
		 "10.9.0.1",
		 false,
		 {0},
		 VERDICT_ALLOW,
		 "twin-1"},
	};
	const struct realm_rule realms[] = {
		{.name = STR("outside"), .acl_given = true, .acl_default = ACL_DENY},
		{.name = STR("inside")},
	};
	const struct prefix wide[] = {prefix("198.51.100.0/24")},
			    narrow[] = {prefix("198.51.100.16/28")},
			    twin[] = {prefix("10.9.0.0/16")};
	const struct trunk_rule trunks[] = {
		{.name = STR("wide"), .sources = wide, .source_count = 1},
		{.name = STR("narrow"), .sources = narrow, .source_count = 1},
		{.name = STR("narrow-named"),
		 .sources = narrow,
		 .source_count = 1,
		 .certificate_name = STR("gw.example.net")},
		{.name = STR("named"), .certificate_name = STR("sip.example.org")},
		{.name = STR("empty"), .realm = 1},
		{.name = STR("twin-1"), .realm = 1, .sources = twin, .source_count = 1},
		{.name = STR("twin-2"), .realm = 1, .sources = twin, .source_count = 1},
	};
	const struct policy_config c = {.realms = realms,
					.realm_count = ARRAY_LEN(realms),
					.trunks = trunks,
					.trunk_count = ARRAY_LEN(trunks)};
	CHECK_TABLE(row, rows)
	{
		struct facts f = {.realm = row->realm,
				  .trunk = POLICY_NO_INDEX,
				  .source = ip(row->source),
				  .tls = row->tls};
		for (; f.peer_name_count < 2 && row->peer_names[f.peer_name_count];
		     f.peer_name_count++)
			f.peer_names[f.peer_name_count] =
				str_from(row->peer_names[f.peer_name_count]);
		uint16_t trunk = POLICY_NO_INDEX;
		struct verdict v = identify_trunk(&c, &f, &trunk);
		EXPECT_INT(v.outcome, row->outcome);
		EXPECT_Z(v.rule, row->trunk);
		EXPECT_INT(v.stage, VERDICT_STAGE_IDENTIFY);
		EXPECT_INT(v.status, row->outcome == VERDICT_REJECT ? 403 : 0);
		EXPECT_TRUE((trunk == POLICY_NO_INDEX) == (row->outcome != VERDICT_ALLOW));
		if (trunk != POLICY_NO_INDEX)
			EXPECT_Z(trunks[trunk].name, row->trunk);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acl),
		cmocka_unit_test(test_trunks),
	};
	return cmocka_run_group_tests_name("identify", tests, NULL, NULL);
}
