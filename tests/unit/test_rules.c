#include "sbc/core/rules.h"
#include "tests/support/check.h"

static struct msg m;

#define MESSAGE                                                                                    \
	"INVITE sip:b@h SIP/2.0\r\n"                                                               \
	"Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n"                                            \
	"From: <sip:a@10.0.0.1>;tag=f\r\n"                                                         \
	"To: <sip:b@h>\r\n"                                                                        \
	"Call-ID: secret@10.0.0.1\r\n"                                                             \
	"CSeq: 1 INVITE\r\n"                                                                       \
	"Contact: <sip:a@10.0.0.1>\r\n"                                                            \
	"User-Agent: Inside 1.0\r\n"                                                               \
	"Authorization: Digest username=\"a\"\r\n"                                                 \
	"s: Hello\r\n  there\r\n"                                                                  \
	"Reason: Q.850;cause=16;text=\"by pbx1 at 10.0.0.1\"\r\n"                                  \
	"P-Asserted-Identity: <sip:a@inside>\r\n"                                                  \
	"X-Own : 1\r\n"                                                                            \
	"Content-Disposition: session\r\n"                                                         \
	"Content-Type: application/sdp\r\n"                                                        \
	"Content-Length: 0\r\n\r\n"

static const struct str carry_some[] = {{"Subject", 7}, {"p-asserted-identity", 19}, {"X-Own", 5}};
static const struct str carry_all[] = {{"Via", 3},
				       {"From", 4},
				       {"f", 1},
				       {"Call-ID", 7},
				       {"i", 1},
				       {"Contact", 7},
				       {"User-Agent", 10},
				       {"Authorization", 13},
				       {"CSeq", 4},
				       {"Content-Length", 14},
				       {"Subject", 7},
				       {"Reason", 6},
				       {"Retry-After", 11},
				       {"P-Asserted-Identity", 19},
				       {"X-Own", 5}};
static const struct header_edit remove_pai[] = {{.header = {"P-Asserted-Identity", 19},
						 .action = HEADER_REMOVE,
						 .when_trust_below = true,
						 .trust_below = TRUST_HIGH}};
static const struct header_edit set_some[] = {
	{.header = {"P-Asserted-Identity", 19},
	 .action = HEADER_SET,
	 .value = {"<sip:${call.from.number}@${node.name}>", 38}},
	{.header = {"User-Agent", 10}, .action = HEADER_SET, .value = {"Sallyport", 9}},
	{.header = {"Via", 3}, .action = HEADER_SET, .value = {"nonsense", 8}},
	{.header = {"X-To", 4}, .action = HEADER_SET, .value = {"${call.to.number}", 17}},
	{.header = {"s", 1}, .action = HEADER_REMOVE}};
static const struct header_edit set_twice[] = {
	{.header = {"X-New", 5}, .action = HEADER_SET, .value = {"1", 1}},
	{.header = {"x-new", 5}, .action = HEADER_SET, .value = {"2", 1}},
	{.header = {"X-Gone", 6}, .action = HEADER_SET, .value = {"3", 1}},
	{.header = {"X-Gone", 6}, .action = HEADER_REMOVE}};
static const struct header_edit set_pai_in[] = {
	{.header = {"P-Asserted-Identity", 19}, .action = HEADER_SET, .value = {"<sip:x@y>", 9}}};

enum {
	SOME,
	ALL,
	NOTHING,
	REMOVE_IN,
	SET_OUT,
	TWICE_OUT,
	SET_IN,
	RULES_COUNT,
	NONE = SETTINGS_NO_INDEX
};
static const struct header_rules rules[RULES_COUNT] = {
	[SOME] = {.carry = carry_some, .carry_count = ARRAY_LEN(carry_some)},
	[ALL] = {.carry = carry_all, .carry_count = ARRAY_LEN(carry_all)},
	[NOTHING] = {.carry = NULL},
	[REMOVE_IN] = {.carry = carry_some,
		       .carry_count = ARRAY_LEN(carry_some),
		       .inbound = remove_pai,
		       .inbound_count = 1},
	[SET_OUT] = {.carry = carry_all,
		     .carry_count = ARRAY_LEN(carry_all),
		     .outbound = set_some,
		     .outbound_count = ARRAY_LEN(set_some)},
	[TWICE_OUT] = {.carry = NULL,
		       .outbound = set_twice,
		       .outbound_count = ARRAY_LEN(set_twice)},
	[SET_IN] = {.carry = carry_some,
		    .carry_count = ARRAY_LEN(carry_some),
		    .inbound = set_pai_in,
		    .inbound_count = 1},
};

static struct str carry(uint16_t from, uint16_t to, enum trust trust, bool body, struct str number,
			char mem[1024])
{
	const struct realm realms[] = {{.header_rules = from}, {.header_rules = to}};
	const struct realm_rule policy[] = {{.trust = trust}, {.trust = trust}};
	const struct settings s = {.node = STR("sbc1.example.net"),
				   .policy = {.realms = policy, .realm_count = 2},
				   .realms = realms,
				   .realm_count = 2,
				   .header_rules = rules,
				   .header_rules_count = RULES_COUNT};
	const struct rules_params p = {.settings = &s,
				       .from_realm = 0,
				       .to_realm = 1,
				       .from_number = number,
				       .to_number = STR_NONE,
				       .body = body};
	struct buf b;
	buf_init(&b, mem, 1024);
	EXPECT_ERR(rules_carry(&b, &m, &p), OK);
	return buf_view(&b);
}

static void test_carry(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t from, to;
		enum trust trust;
		bool body;
		struct str number;
		const char *want;
	} rows[] = {
		{"no rules anywhere: the default list", NONE, NONE, TRUST_NONE, false, STR("1"),
		 "Subject: Hello there\r\nReason: Q.850;cause=16\r\n"},
		{"headers of the body go with it", NONE, NONE, TRUST_NONE, true, STR("1"),
		 "Subject: Hello there\r\nReason: Q.850;cause=16\r\nContent-Disposition: "
		 "session\r\n"},
		{"one side's list decides alone", SOME, NONE, TRUST_NONE, false, STR("1"),
		 "Subject: Hello there\r\nP-Asserted-Identity: <sip:a@inside>\r\nX-Own: 1\r\n"},
		{"so does the other side's", NONE, SOME, TRUST_NONE, false, STR("1"),
		 "Subject: Hello there\r\nP-Asserted-Identity: <sip:a@inside>\r\nX-Own: 1\r\n"},
		{"both sides must name it", SOME, ALL, TRUST_NONE, false, STR("1"),
		 "Subject: Hello there\r\nP-Asserted-Identity: <sip:a@inside>\r\nX-Own: 1\r\n"},
		{"an empty list carries nothing", ALL, NOTHING, TRUST_NONE, false, STR("1"), ""},
		{"what belongs to one leg never crosses, named or not", ALL, ALL, TRUST_NONE, false,
		 STR("1"),
		 "Subject: Hello there\r\nReason: Q.850;cause=16\r\nP-Asserted-Identity: "
		 "<sip:a@inside>\r\nX-Own: 1\r\n"},
		{"removed on arrival from a realm of little trust", REMOVE_IN, NONE, TRUST_MEDIUM,
		 false, STR("1"), "Subject: Hello there\r\nX-Own: 1\r\n"},
		{"kept from a realm of high trust", REMOVE_IN, NONE, TRUST_HIGH, false, STR("1"),
		 "Subject: Hello there\r\nP-Asserted-Identity: <sip:a@inside>\r\nX-Own: 1\r\n"},
		{"inbound edits of the realm of departure do not apply", NONE, REMOVE_IN,
		 TRUST_NONE, false, STR("1"),
		 "Subject: Hello there\r\nP-Asserted-Identity: <sip:a@inside>\r\nX-Own: 1\r\n"},
		{"set takes the place of what came", NONE, SET_OUT, TRUST_NONE, false, STR("+4930"),
		 "Reason: Q.850;cause=16\r\nX-Own: 1\r\nP-Asserted-Identity: "
		 "<sip:+4930@sbc1.example.net>\r\nUser-Agent: Sallyport\r\n"},
		{"a number cannot break out of its place", NONE, SET_OUT, TRUST_NONE, false,
		 STR("1>\r\nX: y\"@h;<"),
		 "Reason: Q.850;cause=16\r\nX-Own: 1\r\n"
		 "P-Asserted-Identity: "
		 "<sip:1%3E%0D%0AX%3A%20y%22%40h;%3C@sbc1.example.net>\r\nUser-Agent: "
		 "Sallyport\r\n"},
		{"an empty variable only removes", NONE, SET_OUT, TRUST_NONE, false, STR(""),
		 "Reason: Q.850;cause=16\r\nX-Own: 1\r\nUser-Agent: Sallyport\r\n"},
		{"the last edit of a name counts", NONE, TWICE_OUT, TRUST_NONE, false, STR("1"),
		 "x-new: 2\r\n"},
		{"what is set on arrival passes the lists like any other", SET_IN, NONE, TRUST_NONE,
		 false, STR("1"),
		 "Subject: Hello there\r\nX-Own: 1\r\nP-Asserted-Identity: <sip:x@y>\r\n"},
		{"and is stopped by them", SET_IN, NOTHING, TRUST_NONE, false, STR("1"), ""},
		{"outbound edits come after it", SET_IN, SET_OUT, TRUST_NONE, false, STR("1"),
		 "X-Own: 1\r\nP-Asserted-Identity: <sip:1@sbc1.example.net>\r\nUser-Agent: "
		 "Sallyport\r\n"},
	};
	EXPECT_ERR(msg_index(&m, STR(MESSAGE), 0), OK);
	CHECK_TABLE(row, rows)
	{
		char mem[1024];
		EXPECT_Z(carry(row->from, row->to, row->trust, row->body, row->number, mem),
			 row->want);
	}
}

/* Threats A4: a header that is to be removed, in all the ways to spell it. */
static void test_spellings(void **state)
{
	(void)state;
	static const char *const spellings[] = {
		"P-Asserted-Identity: x",
		"p-asserted-identity: x",
		"P-ASSERTED-IDENTITY: x",
		"P-Asserted-Identity : x",
		"P-Asserted-Identity\t: x",
		"P-Asserted-Identity  \t :x",
		"P-Asserted-Identity:\r\n x",
		"P-Asserted-Identity:",
		"P-Asserted-Identity:\r\n\tx\r\n y",
	};
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
		char mem[1024], text[1024];
		struct buf b;
		buf_init(&b, text, sizeof(text));
		buf_lit(&b, "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: "
			    "<sip:a@h>\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n");
		buf_z(&b, spellings[i]);
		buf_lit(&b, "\r\n\r\n");
		(void)check_row(spellings[i]);
		EXPECT_ERR(msg_index(&m, buf_view(&b), 0), OK);
		EXPECT_Z(carry(REMOVE_IN, NONE, TRUST_NONE, false, STR("1"), mem), "");
	}
}

/* An octet that a quoted-pair let in does not get out. */
static void test_unclean_values(void **state)
{
	(void)state;
	char mem[1024];
	EXPECT_ERR(msg_index(&m,
			     STR("INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: "
				 "<sip:a@h>\r\nTo: <sip:b@h>\r\n"
				 "Call-ID: 1\r\nCSeq: 1 INVITE\r\nSubject: \"\\\x01\"\r\nPriority: "
				 "ok\r\n\r\n"),
			     0),
		   OK);
	EXPECT_Z(carry(NONE, NONE, TRUST_NONE, false, STR("1"), mem), "Priority: ok\r\n");
}

/* Texts beside the meaning stay where they came from, whoever named the header. */
static void test_texts(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in, *want;
	} rows[] = {
		{"a cause", "Reason: Q.850;cause=16\r\n", "Reason: Q.850;cause=16\r\n"},
		{"its text", "Reason: Q.850 ;cause=16 ;text=\"10.0.0.1, pbx\"\r\n",
		 "Reason: Q.850;cause=16\r\n"},
		{"a parameter of its own", "Reason: SIP;cause=486;X-host=pbx\r\n",
		 "Reason: SIP;cause=486\r\n"},
		{"two of them", "Reason: SIP;cause=487;text=\"a\", Q.850;text=\"b\";cause=31\r\n",
		 "Reason: SIP;cause=487, Q.850;cause=31\r\n"},
		{"without a cause", "Reason: pbx1.inside\r\n", ""},
		{"one of two without a cause", "Reason: pbx1, SIP;cause=486\r\n",
		 "Reason: SIP;cause=486\r\n"},
		{"the one text that phones look for is ours",
		 "Reason: SIP;cause=200;text=\"by pbx1\"\r\n",
		 "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"},
		{"a time to wait", "Retry-After: 30\r\n", "Retry-After: 30\r\n"},
		{"its comment and its duration", "Retry-After: 30 (pbx1);duration=60\r\n",
		 "Retry-After: 30\r\n"},
		{"no time to wait", "Retry-After: soon\r\n", ""},
	};
	CHECK_TABLE(row, rows)
	{
		for (int named = 0; named < 2; named++) {
			char mem[1024], text[1024];
			struct buf b;
			buf_init(&b, text, sizeof(text));
			buf_lit(&b, "BYE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: "
				    "<sip:a@h>\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 "
				    "BYE\r\n");
			buf_z(&b, row->in);
			buf_lit(&b, "\r\n");
			EXPECT_ERR(msg_index(&m, buf_view(&b), 0), OK);
			EXPECT_Z(carry(named ? ALL : NONE, NONE, TRUST_NONE, false, STR("1"), mem),
				 row->want);
		}
	}
}

static void test_without_message(void **state)
{
	(void)state;
	const struct realm realms[] = {{.header_rules = SET_OUT}};
	const struct settings s = {.node = STR("n"),
				   .realms = realms,
				   .realm_count = 1,
				   .header_rules = rules,
				   .header_rules_count = RULES_COUNT};
	const struct rules_params p = {
		.settings = &s, .from_realm = SETTINGS_NO_INDEX, .to_realm = 0};
	char mem[128];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	EXPECT_ERR(rules_carry(&b, NULL, &p), OK);
	EXPECT_Z(buf_view(&b), "User-Agent: Sallyport\r\n");
	buf_init(&b, mem, 10);
	EXPECT_ERR(rules_carry(&b, NULL, &p), ERR_LIMIT);
}

static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *name, *header;
		bool carry, set;
	} rows[] = {
		{"a free header", "X-Own", true, true},
		{"one of the default list", "Subject", true, true},
		{"a product name may only be set", "User-Agent", false, true},
		{"Via is ours", "Via", false, false},
		{"its compact form too", "v", false, false},
		{"Contact", "contact", false, false},
		{"credentials", "Proxy-Authorization", false, false},
		{"a name that hdr does not know", "proxy-authentication-info", false, false},
		{"headers of the body", "Content-Encoding", true, false},
		{"no token", "X Own", false, false},
		{"nothing", "", false, false},
	};
	CHECK_TABLE(row, rows)
	{
		EXPECT_INT(rules_may_name(str_from(row->header), false), row->carry);
		EXPECT_INT(rules_may_name(str_from(row->header), true), row->set);
	}
	EXPECT_INT(rules_unknown_variable(STR("a ${node.name} ${call.to.number}")).len, 0);
	EXPECT_Z(rules_unknown_variable(STR("${node.name}${call.to.nmber}")), "call.to.nmber");
	EXPECT_Z(rules_unknown_variable(STR("${node.name")), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_carry),          cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_unclean_values), cmocka_unit_test(test_without_message),
		cmocka_unit_test(test_names),          cmocka_unit_test(test_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
