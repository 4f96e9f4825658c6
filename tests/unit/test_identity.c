#include "sbc/core/identity.h"

#include <stdio.h>

#include "sbc/core/q850.h"
#include "tests/support/check.h"

static struct msg m;
static char text[2048];

/* An INVITE with these header lines. */
static void with(const char *from, const char *lines)
{
	int n = snprintf(text, sizeof(text),
			 "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: %s;tag=1\r\nTo: "
			 "<sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n%s\r\n",
			 from, lines);
	EXPECT_ERR(msg_index(&m, (struct str){text, (size_t)n}, 0), OK);
}

static struct addr host(void)
{
	struct addr a;
	CHECK(addr_parse_ip(STR("203.0.113.1"), &a) == OK);
	return a;
}

/* All lines, one after another. */
static struct str said(const struct identity_params *p, char mem[2048])
{
	struct rules_line out[IDENTITY_LINES_MAX];
	char values[2048];
	struct buf v, b;
	buf_init(&v, values, sizeof(values));
	buf_init(&b, mem, 2048);
	size_t n = identity_lines(&v, &m, identity_privacy(&m, p->from_trusted), p, out);
	for (size_t i = 0; i < n; i++) {
		buf_str(&b, out[i].name);
		buf_lit(&b, ": ");
		buf_str(&b, out[i].value);
		buf_char(&b, '\n');
	}
	return buf_view(&b);
}

#define PAI  "P-Asserted-Identity: \"A\" <sip:+4930@pbx.inside;user=phone>\r\n"
#define PPI  "P-Preferred-Identity: <sip:+4931@pbx.inside>\r\n"
#define RPID "Remote-Party-ID: <sip:+4932@pbx.inside>;party=calling;privacy=off\r\n"
#define FROM "\"Alice\" <sip:+4933@pbx.inside>"

enum { TRUST_NEITHER, TRUST_FROM, TRUST_TO, TRUST_BOTH };

static void test_asserted(void **state)
{
	(void)state;
	static const struct {
		const char *name, *lines;
		unsigned trust;
		enum caller_assert assert;
		enum caller_form form;
		const char *want;
	} rows[] = {
		{"between trusted sides it crosses, with our host", PAI, TRUST_BOTH,
		 CALLER_ASSERT_PASS, CALLER_FORM_PAI,
		 "P-Asserted-Identity: \"A\" <sip:+4930@203.0.113.1>\n"},
		{"from a side that is not trusted it is not believed", PAI PPI RPID, TRUST_TO,
		 CALLER_ASSERT_FROM, CALLER_FORM_PAI, ""},
		{"to a side that is not trusted it is not shown", PAI PPI RPID, TRUST_FROM,
		 CALLER_ASSERT_FROM, CALLER_FORM_PAI, ""},
		{"between two that are not trusted nothing is said", PAI PPI RPID, TRUST_NEITHER,
		 CALLER_ASSERT_FROM, CALLER_FORM_PAI, ""},
		{"a preferred identity is no assertion", PPI, TRUST_BOTH, CALLER_ASSERT_PASS,
		 CALLER_FORM_PAI, ""},
		{"it becomes one by policy", PPI, TRUST_BOTH, CALLER_ASSERT_PREFERRED,
		 CALLER_FORM_PAI, "P-Asserted-Identity: <sip:+4931@203.0.113.1>\n"},
		{"an asserted one comes before it", PPI PAI, TRUST_BOTH, CALLER_ASSERT_PREFERRED,
		 CALLER_FORM_PAI, "P-Asserted-Identity: \"A\" <sip:+4930@203.0.113.1>\n"},
		{"From is asserted by policy alone", "", TRUST_BOTH, CALLER_ASSERT_PREFERRED,
		 CALLER_FORM_PAI, ""},
		{"as it is here", "", TRUST_BOTH, CALLER_ASSERT_FROM, CALLER_FORM_PAI,
		 "P-Asserted-Identity: \"Alice\" <sip:+4933@203.0.113.1>\n"},
		{"the old form is understood", RPID, TRUST_BOTH, CALLER_ASSERT_PASS,
		 CALLER_FORM_PAI, "P-Asserted-Identity: <sip:+4932@203.0.113.1>\n"},
		{"and written where a trunk wants it", PAI, TRUST_BOTH, CALLER_ASSERT_PASS,
		 CALLER_FORM_RPID,
		 "Remote-Party-ID: \"A\" <sip:+4930@203.0.113.1>;party=calling;screen=yes;privacy="
		 "off\n"},
		{"a sip and a tel identity", "P-Asserted-Identity: <tel:+49-30-1>, <sip:a@x>\r\n",
		 TRUST_BOTH, CALLER_ASSERT_PASS, CALLER_FORM_PAI,
		 "P-Asserted-Identity: <tel:+49301>\nP-Asserted-Identity: <sip:a@203.0.113.1>\n"},
		{"a local telephone number would need a context, which names a place",
		 "P-Asserted-Identity: <tel:301;phone-context=pbx.inside>\r\n", TRUST_BOTH,
		 CALLER_ASSERT_PASS, CALLER_FORM_PAI,
		 "P-Asserted-Identity: <sip:301@203.0.113.1>\n"},
		{"two of one kind: the first",
		 "P-Asserted-Identity: <sip:a@x>\r\nP-Asserted-Identity: <sip:b@x>\r\n", TRUST_BOTH,
		 CALLER_ASSERT_PASS, CALLER_FORM_PAI, "P-Asserted-Identity: <sip:a@203.0.113.1>\n"},
		{"nonsense is no identity", "P-Asserted-Identity: <<sip:x\r\n", TRUST_BOTH,
		 CALLER_ASSERT_PASS, CALLER_FORM_PAI, ""},
		{"a name cannot break out of its quotes",
		 "P-Asserted-Identity: \"A\\\" <sip:x@y>\" <sip:a@x>\r\n", TRUST_BOTH,
		 CALLER_ASSERT_PASS, CALLER_FORM_PAI,
		 "P-Asserted-Identity: \"A\\\" <sip:x@y>\" <sip:a@203.0.113.1>\n"},
		{"escaped control octets in a number are refused (threats A5)",
		 "P-Asserted-Identity: <sip:a%0d%0aVia:x@y>\r\n", TRUST_BOTH, CALLER_ASSERT_PASS,
		 CALLER_FORM_PAI, ""},
		{"Privacy goes along between trusted sides", PAI "Privacy: id\r\n", TRUST_BOTH,
		 CALLER_ASSERT_PASS, CALLER_FORM_PAI,
		 "P-Asserted-Identity: \"A\" <sip:+4930@203.0.113.1>\nPrivacy: id\n"},
		{"also where a list does not name it, and what we have done is taken off",
		 PAI "Privacy: user;id ; header;critical\r\n", TRUST_BOTH, CALLER_ASSERT_PASS,
		 CALLER_FORM_PAI,
		 "P-Asserted-Identity: \"A\" <sip:+4930@203.0.113.1>\nPrivacy: id;critical\n"},
		{"what we have done all of leaves nothing, not even `critical`",
		 "Privacy: user;header;session;critical\r\n", TRUST_BOTH, CALLER_ASSERT_PASS,
		 CALLER_FORM_PAI, ""},
		{"`none` is a wish too", PAI "Privacy: none\r\n", TRUST_BOTH, CALLER_ASSERT_PASS,
		 CALLER_FORM_PAI,
		 "P-Asserted-Identity: \"A\" <sip:+4930@203.0.113.1>\nPrivacy: none\n"},
		{"the old form's wish is one of ours",
		 "Remote-Party-ID: <sip:1@x>;privacy=full\r\n", TRUST_BOTH, CALLER_ASSERT_PASS,
		 CALLER_FORM_PAI, "P-Asserted-Identity: <sip:1@203.0.113.1>\nPrivacy: id\n"},
		{"and the other way round", PAI "Privacy: id\r\n", TRUST_BOTH, CALLER_ASSERT_PASS,
		 CALLER_FORM_RPID,
		 "Remote-Party-ID: \"A\" "
		 "<sip:+4930@203.0.113.1>;party=calling;screen=yes;privacy=full\nPrivacy: id\n"},
		{"a stranger's wish for privacy goes on to those who may assert", "Privacy: id\r\n",
		 TRUST_TO, CALLER_ASSERT_PASS, CALLER_FORM_PAI, "Privacy: id\n"},
	};
	struct addr a = host();
	CHECK_TABLE(row, rows)
	{
		char mem[2048];
		with(FROM, row->lines);
		const struct identity_params p = {.from_trusted = row->trust & TRUST_FROM,
						  .to_trusted = row->trust & TRUST_TO,
						  .assert = row->assert,
						  .form = row->form,
						  .host = &a};
		EXPECT_Z(said(&p, mem), row->want);
	}
}

/* Item 81 whole: in no combination does a side that is not trusted say or hear an identity. */
static void test_trust_matrix(void **state)
{
	(void)state;
	struct addr a = host();
	for (unsigned trust = 0; trust < 4; trust++)
		for (unsigned as = 0; as < CALLER_ASSERT_COUNT; as++)
			for (unsigned form = 0; form < CALLER_FORM_COUNT; form++)
				for (int private = 0; private < 2; private ++) {
					char mem[2048];
					with(FROM, private ? PAI PPI RPID "Privacy: id\r\n"
							   : PAI PPI RPID);
					const struct identity_params p = {
						.from_trusted = trust & TRUST_FROM,
						.to_trusted = trust & TRUST_TO,
						.assert = (enum caller_assert)as,
						.form = (enum caller_form)form,
						.host = &a};
					struct str got = said(&p, mem);
					bool any = str_find(got, STR("<sip")) < got.len;
					EXPECT_INT(any, trust == TRUST_BOTH);
					EXPECT_TRUE(str_find(got, STR("pbx")) == got.len);
				}
}

static void test_privacy(void **state)
{
	(void)state;
	static const struct {
		const char *name, *lines;
		uint8_t want;
		bool untrusted, trusted, impossible;
	} rows[] = {
		{"no wish", "", 0, false, false, false},
		{"id hides from those who are not trusted", "Privacy: id\r\n", PRIVACY_ID, true,
		 false, false},
		{"user hides from everyone", "Privacy: user\r\n", PRIVACY_USER, true, true, false},
		{"header", "Privacy: header\r\n", PRIVACY_HEADER, true, false, false},
		{"session concerns the media", "Privacy: session\r\n", PRIVACY_SESSION, false,
		 false, false},
		{"several, in any case and spacing", "Privacy: ID ;  Header\r\n",
		 PRIVACY_ID | PRIVACY_HEADER, true, false, false},
		{"several headers, and commas", "Privacy: id,user\r\nPrivacy: history\r\n",
		 PRIVACY_ID | PRIVACY_USER | PRIVACY_HISTORY, true, true, false},
		{"none", "Privacy: none\r\n", PRIVACY_NONE, false, false, false},
		{"none beside id: the stricter", "Privacy: none;id\r\n", PRIVACY_ID, true, false,
		 false},
		{"critical, and we can", "Privacy: user;critical\r\n",
		 PRIVACY_USER | PRIVACY_CRITICAL, true, true, false},
		{"critical, and we do not know how", "Privacy: x-new;critical\r\n",
		 PRIVACY_UNKNOWN | PRIVACY_CRITICAL, false, false, true},
		{"unknown, but not critical", "Privacy: x-new\r\n", PRIVACY_UNKNOWN, false, false,
		 false},
		{"critical for media that pass by us", "Privacy: session;critical\r\n",
		 PRIVACY_SESSION | PRIVACY_CRITICAL, false, false, true},
	};
	CHECK_TABLE(row, rows)
	{
		with(FROM, row->lines);
		uint8_t p = identity_privacy(&m, false);
		EXPECT_INT(p, row->want);
		EXPECT_INT(identity_hides(p, false), row->untrusted);
		EXPECT_INT(identity_hides(p, true), row->trusted);
		EXPECT_INT(identity_is_impossible(p, false), row->impossible);
	}
	EXPECT_TRUE(!identity_is_impossible(PRIVACY_SESSION | PRIVACY_CRITICAL, true));
	with(FROM, "Remote-Party-ID: <sip:1@x>;privacy=full\r\n");
	EXPECT_INT(identity_privacy(&m, true), PRIVACY_ID);
	EXPECT_INT(identity_privacy(&m, false), 0);
}

static void test_from(void **state)
{
	(void)state;
	static const struct {
		const char *name, *from, *number;
		bool hidden, sips;
		const char *want;
	} rows[] = {
		{"name and number cross, the host is ours", "\"Bob\" <sip:+1@pbx>", "+1", false,
		 false, "\"Bob\" <sip:+1@203.0.113.1>"},
		{"sips stays sips", "<sip:+1@pbx>", "+1", false, true, "<sips:+1@203.0.113.1>"},
		{"without a number", "<sip:pbx>", "", false, false, "<sip:203.0.113.1>"},
		{"hidden: nobody, under the name that the RFC gives", "\"Bob\" <sip:+1@pbx>", "+1",
		 true, false, "\"Anonymous\" <sip:anonymous@anonymous.invalid>"},
		{"who was nobody stays nobody", "\"Bob\" <sip:anonymous@anonymous.invalid>",
		 "anonymous", false, false, "\"Anonymous\" <sip:anonymous@anonymous.invalid>"},
		{"a From that cannot be read", "<<", "", false, false, "<sip:203.0.113.1>"},
	};
	struct addr a = host();
	CHECK_TABLE(row, rows)
	{
		char mem[256];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		identity_write_from(&b, str_from(row->from), str_from(row->number), &a, row->sips,
				    row->hidden);
		EXPECT_Z(buf_view(&b), row->want);
	}
}

static void test_trust(void **state)
{
	(void)state;
	const struct realm_rule realms[] = {{.trust = TRUST_NONE},
					    {.trust = TRUST_LOW},
					    {.trust = TRUST_MEDIUM},
					    {.trust = TRUST_HIGH}};
	const struct settings s = {.policy = {.realms = realms, .realm_count = 4}};
	const struct trunk t[] = {{.caller = {.trusted = CALLER_TRUST_REALM}},
				  {.caller = {.trusted = CALLER_TRUST_YES}},
				  {.caller = {.trusted = CALLER_TRUST_NO}}};
	for (uint16_t r = 0; r < 4; r++) {
		EXPECT_INT(identity_is_trusted(&s, NULL, r), r >= 2);
		EXPECT_INT(identity_is_trusted(&s, &t[0], r), r >= 2);
		EXPECT_TRUE(identity_is_trusted(&s, &t[1], r));
		EXPECT_TRUE(!identity_is_trusted(&s, &t[2], r));
	}
	EXPECT_TRUE(!identity_is_trusted(&s, NULL, SETTINGS_NO_INDEX));
}

static void test_q850(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t status, cause, back;
	} rows[] = {
		{"not found", 404, 1, 404},
		{"busy", 486, 17, 486},
		{"busy everywhere", 600, 17, 486},
		{"no answer in time", 408, 102, 504},
		{"unavailable", 480, 18, 408},
		{"declined", 603, 21, 403},
		{"forbidden", 403, 21, 403},
		{"gone", 410, 22, 410},
		{"incomplete", 484, 28, 484},
		{"too many hops", 483, 25, 483},
		{"overloaded", 503, 41, 503},
		{"bad gateway", 502, 38, 503},
		{"not acceptable", 488, 79, 501},
		{"cancelled", 487, 16, 0},
		{"our mistake", 500, 41, 503},
		{"one that no table has", 499, 127, 500},
		{"one of the class above", 699, 127, 500},
	};
	CHECK_TABLE(row, rows)
	{
		EXPECT_INT(q850_of_status(row->status), row->cause);
		EXPECT_INT(q850_to_status(row->cause), row->back);
	}
	EXPECT_INT(q850_of_status(200), 0);
	EXPECT_INT(q850_of_status(0), 0);
	EXPECT_INT(q850_to_status(99), 500);
	char mem[128];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	q850_write_reason(&b, 408);
	q850_write_reason(&b, 200);
	EXPECT_Z(buf_view(&b), "Reason: SIP;cause=408, Q.850;cause=102\r\n");
}

#define TEST(name, fn)                                                                             \
	{                                                                                          \
		name, fn, NULL, NULL, NULL                                                         \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("an identity is believed from trusted sides and shown to trusted sides",
		     test_asserted),
		TEST("no side that is not trusted says or hears an identity, in any combination",
		     test_trust_matrix),
		TEST("Privacy says from whom the sender is to be hidden", test_privacy),
		TEST("From is written afresh, or is nobody's", test_from),
		TEST("a trunk's word about trust comes before its realm's", test_trust),
		TEST("statuses and Q.850 causes have each other", test_q850),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
