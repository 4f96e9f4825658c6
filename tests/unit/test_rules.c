#include "sbc/core/rules.h"

#include <ctype.h>
#include <stdio.h>

#include "policy/pattern.h"
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
				       {"X-Own", 5},
				       {"X-Internal", 10},
				       {"Diversion", 9},
				       {"History-Info", 12},
				       {"Session-ID", 10},
				       {"Privacy", 7},
				       {"P-Preferred-Identity", 20},
				       {"Remote-Party-ID", 15}};
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
static const struct header_edit remove_all[] = {
	{.header = {"X-Internal", 10}, .action = HEADER_REMOVE},
	{.header = {"s", 1}, .action = HEADER_REMOVE}};
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
	REMOVE_ALL,
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
	[REMOVE_ALL] = {.carry = carry_all,
			.carry_count = ARRAY_LEN(carry_all),
			.inbound = remove_all,
			.inbound_count = ARRAY_LEN(remove_all),
			.outbound = remove_all,
			.outbound_count = ARRAY_LEN(remove_all)},
	[SET_IN] = {.carry = carry_some,
		    .carry_count = ARRAY_LEN(carry_some),
		    .inbound = set_pai_in,
		    .inbound_count = 1},
};

/* Of what the message says of its sender nothing may be seen: this alone. */
static const struct rules_line made[] = {
	{.name = {"P-Asserted-Identity", 19}, .value = {"<sip:made@us>", 13}}};
static size_t made_count; /* 1: with that */

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
				       .made = made,
				       .made_count = made_count,
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
		 "Subject: Hello there\r\nReason: Q.850;cause=16\r\nP-Asserted-Identity: "
		 "<sip:made@us>\r\n"},
		{"headers of the body go with it", NONE, NONE, TRUST_NONE, true, STR("1"),
		 "Subject: Hello there\r\nReason: Q.850;cause=16\r\nContent-Disposition: "
		 "session\r\nP-Asserted-Identity: <sip:made@us>\r\n"},
		{"one side's list decides alone", SOME, NONE, TRUST_NONE, false, STR("1"),
		 "Subject: Hello there\r\nX-Own: 1\r\nP-Asserted-Identity: <sip:made@us>\r\n"},
		{"so does the other side's", NONE, SOME, TRUST_NONE, false, STR("1"),
		 "Subject: Hello there\r\nX-Own: 1\r\nP-Asserted-Identity: <sip:made@us>\r\n"},
		{"both sides must name it", SOME, ALL, TRUST_NONE, false, STR("1"),
		 "Subject: Hello there\r\nX-Own: 1\r\nP-Asserted-Identity: <sip:made@us>\r\n"},
		{"an empty list carries nothing", ALL, NOTHING, TRUST_NONE, false, STR("1"), ""},
		{"what belongs to one leg never crosses, named or not", ALL, ALL, TRUST_NONE, false,
		 STR("1"),
		 "Subject: Hello there\r\nReason: Q.850;cause=16\r\nX-Own: "
		 "1\r\nP-Asserted-Identity: "
		 "<sip:made@us>\r\n"},
		{"removed on arrival from a realm of little trust", REMOVE_IN, NONE, TRUST_MEDIUM,
		 false, STR("1"), "Subject: Hello there\r\nX-Own: 1\r\n"},
		{"kept from a realm of high trust", REMOVE_IN, NONE, TRUST_HIGH, false, STR("1"),
		 "Subject: Hello there\r\nX-Own: 1\r\nP-Asserted-Identity: <sip:made@us>\r\n"},
		{"inbound edits of the realm of departure do not apply", NONE, REMOVE_IN,
		 TRUST_NONE, false, STR("1"),
		 "Subject: Hello there\r\nX-Own: 1\r\nP-Asserted-Identity: <sip:made@us>\r\n"},
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
	made_count = 1;
	CHECK_TABLE(row, rows)
	{
		char mem[1024];
		EXPECT_Z(carry(row->from, row->to, row->trust, row->body, row->number, mem),
			 row->want);
	}
	made_count = 0;
}

/*
 * Threats A4: every header that policy rules over, in thirty spellings. On the other side none may appear, in any: what the
 * message says of identities is never copied, and what is removed by name is gone however it was written.
 */
static void test_spellings(void **state)
{
	(void)state;
	static const char *const names[] = {"P-Asserted-Identity",
					    "P-Preferred-Identity",
					    "Remote-Party-ID",
					    "Diversion",
					    "History-Info",
					    "Session-ID",
					    "Privacy",
					    "X-Internal",
					    "Subject"};
	/* %s: the name; %S: in capitals; %l: in small letters. */
	static const char *const spellings[] = {
		"%s: secret",
		"%s:secret",
		"%s:  secret",
		"%s:\tsecret",
		"%s : secret",
		"%s  : secret",
		"%s\t: secret",
		"%s \t : secret",
		"%s:\r\n secret",
		"%s:\r\n\tsecret",
		"%s: \r\n \r\n secret",
		"%s: secret\r\n ",
		"%s: secret \t",
		"%s: a\r\n secret",
		"%s: \"\\\"secret\"",
		"%s:",
		"%S: secret",
		"%S:secret",
		"%S : secret",
		"%S\t: secret",
		"%S:\r\n secret",
		"%l: secret",
		"%l:secret",
		"%l : secret",
		"%l\t: secret",
		"%l:\r\n\tsecret",
		"%s: secret\r\n%s: secret",
		"%s: secret\r\n%l: secret",
		"%S: secret\r\n%s : secret\r\n%l:\r\n secret",
		"%s: secret, secret",
	};
	_Static_assert(ARRAY_LEN(spellings) == 30, "thirty");
	for (size_t n = 0; n < ARRAY_LEN(names); n++)
		for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
			char mem[1024], text[2048];
			struct buf b;
			buf_init(&b, text, sizeof(text));
			buf_lit(&b,
				"INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: "
				"<sip:a@h>\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n");
			for (const char *p = spellings[i]; *p; p++) {
				if (*p != '%') {
					buf_char(&b, *p);
					continue;
				}
				p++;
				for (const char *c = names[n]; *c; c++)
					buf_char(&b, *p == 'S'   ? (char)toupper(*c)
						     : *p == 'l' ? (char)tolower(*c)
								 : *c);
			}
			buf_lit(&b, "\r\n\r\n");
			char row[128];
			(void)snprintf(row, sizeof(row), "%s as \"%s\"", names[n], spellings[i]);
			(void)check_row(row);
			if (msg_index(&m, buf_view(&b), 0) != OK)
				continue; /* refused: it crosses nowhere */
			EXPECT_Z(carry(REMOVE_ALL, ALL, TRUST_NONE, false, STR("1"), mem), "");
			EXPECT_Z(carry(ALL, REMOVE_ALL, TRUST_NONE, false, STR("1"), mem), "");
			if (n < 7)
				EXPECT_Z(carry(ALL, NONE, TRUST_HIGH, false, STR("1"), mem), "");
		}
	/* What only looks like the name is another header, and crosses no list that does not name it. */
	static const char *const others[] = {"P-Asserted-Identit\xd1\x83", "P_Asserted-Identity",
					     "X-InternaI", "P-Asserted-Identity%20"};
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		char mem[1024], text[512];
		struct buf b;
		buf_init(&b, text, sizeof(text));
		buf_lit(&b,
			"INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@h>\r\nTo: "
			"<sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n");
		buf_z(&b, others[i]);
		buf_lit(&b, ": secret\r\n\r\n");
		(void)check_row(others[i]);
		if (msg_index(&m, buf_view(&b), 0) == OK)
			EXPECT_Z(carry(ALL, NONE, TRUST_HIGH, false, STR("1"), mem), "");
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

/* ---- actions and conditions: one realm's outbound edits over one message */

static char pattern_mem[1 << 18];
static struct arena pattern_arena;

static const struct route_pattern *compile(const char *text)
{
	const struct route_pattern *p = NULL;
	char why[100];
	struct buf b;
	if (!text)
		return NULL;
	buf_init(&b, why, sizeof(why));
	EXPECT_ERR(pattern_compile(&pattern_arena, str_from(text), &p, &b), OK);
	return p;
}

enum { OUT_MAX = 4096 };

static struct str edited(const struct header_edit *edits, size_t count, bool inbound, bool response,
			 bool hidden, char out[OUT_MAX])
{
	static const struct str all[] = {
		{"X-A", 3}, {"X-B", 3}, {"X-C", 3}, {"Subject", 7}, {"Reason", 6}};
	const struct header_rules r = {.carry = all,
				       .carry_count = ARRAY_LEN(all),
				       .inbound = inbound ? edits : NULL,
				       .inbound_count = inbound ? count : 0,
				       .outbound = inbound ? NULL : edits,
				       .outbound_count = inbound ? 0 : count};
	const struct realm realms[] = {{.header_rules = 0}, {.header_rules = 0}};
	const struct realm_rule policy[] = {{.trust = TRUST_LOW}, {.trust = TRUST_LOW}};
	const struct trunk trunks[2] = {{.name = STR("a")}, {.name = STR("b")}};
	const struct settings set = {.node = STR("n"),
				     .policy = {.realms = policy, .realm_count = 2},
				     .realms = realms,
				     .realm_count = 2,
				     .trunks = trunks,
				     .trunk_count = 2,
				     .header_rules = &r,
				     .header_rules_count = 1};
	const struct rules_params p = {.settings = &set,
				       .from_realm = 0,
				       .to_realm = 1,
				       .from = &trunks[0],
				       .to = &trunks[1],
				       .from_number = STR("1"),
				       .to_number = STR("2"),
				       .call = STR("n-1"),
				       .hidden = hidden};
	struct buf b;
	EXPECT_ERR(msg_index(&m,
			     response ? STR("SIP/2.0 486 Busy\r\nVia: SIP/2.0/UDP h\r\nFrom: "
					    "<sip:a@h>\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 "
					    "INVITE\r\nX-A: one\r\n\r\n")
				      : STR("INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: "
					    "<sip:a@h>\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 "
					    "INVITE\r\nX-A: one\r\nX-A: two\r\n three\r\n"
					    "Reason: Q.850;cause=16;text=\"pbx\"\r\n\r\n"),
			     0),
		   OK);
	buf_init(&b, out, OUT_MAX);
	EXPECT_ERR(rules_carry(&b, &m, &p), OK);
	return buf_view(&b);
}

#define PLAIN "X-A: one\r\nX-A: two three\r\nReason: Q.850;cause=16\r\n"

static void test_actions(void **state)
{
	(void)state;
	static const struct {
		const char *name, *header;
		enum header_action action;
		const char *value, *pattern;
		bool inbound, hidden;
		const char *want;
	} rows[] = {
		{"remove takes all of the name", "x-a", HEADER_REMOVE, "", NULL, false, false,
		 "Reason: Q.850;cause=16\r\n"},
		{"set takes the place of all", "X-A", HEADER_SET, "3", NULL, false, false,
		 "Reason: Q.850;cause=16\r\nX-A: 3\r\n"},
		{"add stands beside them", "X-A", HEADER_ADD, "3", NULL, false, false,
		 PLAIN "X-A: 3\r\n"},
		{"add adds nothing where a variable is empty", "X-A", HEADER_ADD, "${header.X-C}",
		 NULL, false, false, PLAIN},
		{"rename keeps the values", "X-A", HEADER_RENAME, "X-B", NULL, false, false,
		 "X-B: one\r\nX-B: two three\r\nReason: Q.850;cause=16\r\n"},
		{"on arrival a new name must pass the lists", "X-A", HEADER_RENAME, "X-Z", NULL,
		 true, false, "Reason: Q.850;cause=16\r\n"},
		{"on departure it need not", "X-A", HEADER_RENAME, "X-Z", NULL, false, false,
		 "X-Z: one\r\nX-Z: two three\r\nReason: Q.850;cause=16\r\n"},
		{"nothing is renamed to what is ours", "X-A", HEADER_RENAME, "Via", NULL, false,
		 false, PLAIN},
		{"edit changes what matches first", "X-A", HEADER_EDIT, "<\\1>", "(o)", false,
		 false, "X-A: <o>ne\r\nX-A: tw<o> three\r\nReason: Q.850;cause=16\r\n"},
		{"edit sees a value unfolded", "X-A", HEADER_EDIT, "2", "^two three$", false, false,
		 "X-A: one\r\nX-A: 2\r\nReason: Q.850;cause=16\r\n"},
		{"edit cannot get at the text of a Reason", "Reason", HEADER_EDIT, "gone", "pbx",
		 false, false, PLAIN},
		{"edit cannot put an end to a line", "X-A", HEADER_EDIT, "\x0d\x0aVia: x", "one",
		 false, false, "X-A: two three\r\nReason: Q.850;cause=16\r\n"},
		{"a header can be copied into another", "X-B", HEADER_SET, "${header.X-A}!", NULL,
		 false, false, PLAIN "X-B: one!\r\n"},
		{"what may not be copied is empty", "X-B", HEADER_SET, "${header.From}", NULL,
		 false, false, PLAIN},
		{"the call's own name", "X-B", HEADER_SET, "${call.id}/${call.to.number}", NULL,
		 false, false, PLAIN "X-B: n-1/2\r\n"},
		{"the number of a caller who is to be nobody is empty", "X-B", HEADER_SET,
		 "${call.from.number}", NULL, false, true, PLAIN},
	};
	arena_init(&pattern_arena, pattern_mem, sizeof(pattern_mem));
	CHECK_TABLE(row, rows)
	{
		char out[OUT_MAX];
		const struct header_edit e = {.header = str_from(row->header),
					      .action = row->action,
					      .value = str_from(row->value),
					      .pattern = compile(row->pattern)};
		EXPECT_Z(edited(&e, 1, row->inbound, false, row->hidden, out), row->want);
	}
	/* Edits go in their order, each over what the last has left. */
	const struct header_edit list[] = {
		{.header = STR("X-A"), .action = HEADER_RENAME, .value = STR("X-B")},
		{.header = STR("X-A"), .action = HEADER_SET, .value = STR("new")},
		{.header = STR("X-B"),
		 .action = HEADER_EDIT,
		 .value = STR("1"),
		 .pattern = compile("one")},
		{.header = STR("X-C"), .action = HEADER_SET, .value = STR("${header.X-B}")},
	};
	char out[OUT_MAX];
	EXPECT_Z(edited(list, ARRAY_LEN(list), false, false, false, out),
		 "X-B: 1\r\nX-B: two three\r\nReason: Q.850;cause=16\r\nX-A: new\r\nX-C: 1\r\n");
	EXPECT_Z(edited(list, ARRAY_LEN(list), true, false, false, out),
		 "X-B: 1\r\nX-B: two three\r\nReason: Q.850;cause=16\r\nX-A: new\r\nX-C: 1\r\n");
}

static void test_conditions(void **state)
{
	(void)state;
	static const struct str invite[] = {{"INVITE", 6}}, bye[] = {{"BYE", 3}};
	static const uint16_t first[] = {0}, second[] = {1};
	static const struct status_range busy[] = {{486, 486}}, class[] = {{500, 599}, {400, 499}},
					 other[] = {{200, 299}};
	arena_init(&pattern_arena, pattern_mem, sizeof(pattern_mem));
	const struct {
		const char *name;
		struct header_edit when;
		bool inbound, response, removed;
	} rows[] = {
		{"no condition", {.when_method_count = 0}, false, false, true},
		{"trusted less than that",
		 {.when_trust_below = true, .trust_below = TRUST_MEDIUM},
		 false,
		 false,
		 true},
		{"not trusted less than that",
		 {.when_trust_below = true, .trust_below = TRUST_LOW},
		 false,
		 false,
		 false},
		{"of that method",
		 {.when_methods = invite, .when_method_count = 1},
		 false,
		 false,
		 true},
		{"the response to that method",
		 {.when_methods = invite, .when_method_count = 1},
		 false,
		 true,
		 true},
		{"of another method",
		 {.when_methods = bye, .when_method_count = 1},
		 false,
		 false,
		 false},
		{"outbound: to that trunk",
		 {.when_trunks = second, .when_trunk_count = 1},
		 false,
		 false,
		 true},
		{"outbound: to another",
		 {.when_trunks = first, .when_trunk_count = 1},
		 false,
		 false,
		 false},
		{"inbound: from that trunk",
		 {.when_trunks = first, .when_trunk_count = 1},
		 true,
		 false,
		 true},
		{"inbound: from another",
		 {.when_trunks = second, .when_trunk_count = 1},
		 true,
		 false,
		 false},
		{"that status", {.when_statuses = busy, .when_status_count = 1}, false, true, true},
		{"one of its class",
		 {.when_statuses = class, .when_status_count = 2},
		 false,
		 true,
		 true},
		{"another status",
		 {.when_statuses = other, .when_status_count = 1},
		 false,
		 true,
		 false},
		{"a request has no status",
		 {.when_statuses = busy, .when_status_count = 1},
		 false,
		 false,
		 false},
		{"that header is there", {.when_header = STR("Reason")}, false, false, true},
		{"it is not there", {.when_header = STR("Reason")}, false, true, false},
		{"a value matches",
		 {.when_header = STR("x-a"), .when_matches = compile("^two")},
		 false,
		 false,
		 true},
		{"no value matches",
		 {.when_header = STR("x-a"), .when_matches = compile("^three")},
		 false,
		 false,
		 false},
		{"all that is given must hold",
		 {.when_header = STR("x-a"),
		  .when_methods = bye,
		  .when_method_count = 1,
		  .when_matches = compile("^two")},
		 false,
		 false,
		 false},
	};
	CHECK_TABLE(row, rows)
	{
		char out[OUT_MAX];
		struct header_edit e = row->when;
		e.header = STR("X-A");
		e.action = HEADER_REMOVE;
		struct str got = edited(&e, 1, row->inbound, row->response, false, out);
		EXPECT_INT(str_find(got, STR("X-A:")) == got.len, row->removed);
	}
}

/* A value that is too long to be judged is no way around a remove. */
static void test_unjudged(void **state)
{
	(void)state;
	static char text[8192], mem[8192];
	struct buf b;
	arena_init(&pattern_arena, pattern_mem, sizeof(pattern_mem));
	struct header_edit e = {.header = STR("X-A"),
				.action = HEADER_REMOVE,
				.when_header = STR("X-A"),
				.when_matches = compile("secret")};
	const struct header_rules r = {.carry = carry_all, .outbound = &e, .outbound_count = 1};
	const struct realm realms[] = {{.header_rules = SETTINGS_NO_INDEX}, {.header_rules = 0}};
	const struct settings set = {.node = STR("n"),
				     .realms = realms,
				     .realm_count = 2,
				     .header_rules = &r,
				     .header_rules_count = 1};
	const struct rules_params p = {.settings = &set, .from_realm = 0, .to_realm = 1};
	static const struct str xa[] = {{"X-A", 3}};
	struct header_rules named = r;
	named.carry = xa;
	named.carry_count = 1;
	struct settings set2 = set;
	set2.header_rules = &named;
	struct rules_params p2 = p;
	p2.settings = &set2;
	for (int long_one = 0; long_one < 2; long_one++) {
		buf_init(&b, text, sizeof(text));
		buf_lit(&b,
			"INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@h>\r\nTo: "
			"<sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nX-A: secret");
		for (int i = 0; long_one && i < 2000; i++)
			buf_char(&b, 'x');
		buf_lit(&b, "\r\n\r\n");
		EXPECT_ERR(msg_index(&m, buf_view(&b), 0), OK);
		struct buf out;
		buf_init(&out, mem, sizeof(mem));
		EXPECT_ERR(rules_carry(&out, &m, &p2), OK);
		EXPECT_Z(buf_view(&out), "");
	}
}

/* Who wants to be nobody is not named by what stands beside (RFC 3323 §4.1). */
static void test_hidden(void **state)
{
	(void)state;
	static const char *const personal[] = {"Subject",   "Call-Info",  "Organization",
					       "Reply-To",  "Error-Info", "Referred-By",
					       "Alert-Info"};
	for (size_t i = 0; i < ARRAY_LEN(personal); i++)
		for (int hidden = 0; hidden < 2; hidden++) {
			const struct str named[] = {str_from(personal[i])};
			const struct header_rules r = {.carry = named, .carry_count = 1};
			const struct realm realms[] = {{.header_rules = 0}, {.header_rules = 0}};
			const struct settings set = {.node = STR("n"),
						     .realms = realms,
						     .realm_count = 2,
						     .header_rules = &r,
						     .header_rules_count = 1};
			const struct rules_params p = {
				.settings = &set, .from_realm = 0, .to_realm = 1, .hidden = hidden};
			char text[512], mem[512];
			struct buf b, out;
			buf_init(&b, text, sizeof(text));
			buf_lit(&b,
				"INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: "
				"<sip:a@h>\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n");
			buf_z(&b, personal[i]);
			buf_lit(&b, ": <sip:alice@pbx>\r\n\r\n");
			EXPECT_ERR(msg_index(&m, buf_view(&b), 0), OK);
			buf_init(&out, mem, sizeof(mem));
			(void)check_row(personal[i]);
			EXPECT_ERR(rules_carry(&out, &m, &p), OK);
			EXPECT_INT(out.len > 0, !hidden);
		}
}

/* What a trunk's setting asks for needs no list; an edit still rules over it. */
static void test_named(void **state)
{
	(void)state;
	for (int n = 0; n < 2; n++) {
		const struct rules_line line = {
			.name = STR("Diversion"), .value = STR("<sip:1@us>"), .named = n};
		const struct header_rules r = {.carry = NULL};
		const struct realm realms[] = {{.header_rules = 0}, {.header_rules = 0}};
		const struct settings set = {.node = STR("n"),
					     .realms = realms,
					     .realm_count = 2,
					     .header_rules = &r,
					     .header_rules_count = 1};
		const struct rules_params p = {.settings = &set,
					       .from_realm = 0,
					       .to_realm = 1,
					       .made = &line,
					       .made_count = 1};
		char mem[128];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		EXPECT_ERR(rules_carry(&b, &m, &p), OK);
		EXPECT_Z(buf_view(&b), n ? "Diversion: <sip:1@us>\r\n" : "");
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

#define TEST(name, fn)                                                                             \
	{                                                                                          \
		name, fn, NULL, NULL, NULL                                                         \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("a header crosses only where each list names it", test_carry),
		TEST("a header that may not cross does not in any of thirty spellings",
		     test_spellings),
		TEST("a control octet that a quoted-pair let in does not get out",
		     test_unclean_values),
		TEST("edits of departure alone make the headers of our own messages",
		     test_without_message),
		TEST("the checker knows what may be named and set", test_names),
		TEST("texts beside a meaning stay where they came from", test_texts),
		TEST("edits remove, set, add, rename and change, in their order", test_actions),
		TEST("an edit applies when all of its conditions hold", test_conditions),
		TEST("a value too long to be judged is removed", test_unjudged),
		TEST("who wants to be nobody is not named by other headers", test_hidden),
		TEST("what a trunk's setting asks for needs no list", test_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
