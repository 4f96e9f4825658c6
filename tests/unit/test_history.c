#include "sbc/core/history.h"

#include <stdio.h>

#include "tests/support/check.h"

static struct msg m;
static char text[8192];

static void with(const char *lines)
{
	int n = snprintf(text, sizeof(text),
			 "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@h>;tag=1\r\n"
			 "To: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n%s\r\n",
			 lines);
	CHECK(n > 0 && (size_t)n < sizeof(text));
	EXPECT_ERR(msg_index(&m, (struct str){text, (size_t)n}, 0), OK);
}

/* "uri reason counter private" of each, the first who diverted first. */
static struct str read(char mem[2048])
{
	struct history h;
	struct buf b;
	history_read(&m, &h);
	buf_init(&b, mem, 2048);
	for (size_t i = 0; i < h.count; i++) {
		struct str uri = h.entry[i].uri; /* without its parameters */
		uri.len = str_index(uri, ';');
		buf_str(&b, uri);
		buf_char(&b, ' ');
		buf_str(&b, history_reason_name(h.entry[i].reason));
		buf_printf(&b, " %u%s\n", h.entry[i].counter, h.entry[i].private ? " private" : "");
	}
	return buf_view(&b);
}

static void test_read(void **state)
{
	(void)state;
	static const struct {
		const char *name, *lines, *want;
	} rows[] = {
		{"none", "", ""},
		{"one diversion", "Diversion: \"B\" <sip:1@x>;reason=user-busy;counter=1\r\n",
		 "sip:1@x user-busy 1\n"},
		{"the latest stands first: it is last here",
		 "Diversion: <sip:3@x>;reason=unconditional;privacy=off\r\n"
		 "Diversion: <sip:2@x>;reason=user-busy;privacy=full, "
		 "<tel:1>;reason=\"no-answer\";counter=2\r\n",
		 "tel:1 no-answer 2\nsip:2@x user-busy 1 private\nsip:3@x unconditional 1\n"},
		{"reasons that have no cause are unknown",
		 "Diversion: <sip:1@x>;reason=time-of-day, <sip:2@x>\r\n",
		 "sip:2@x unknown 1\nsip:1@x unknown 1\n"},
		{"a counter that is none counts one",
		 "Diversion: <sip:1@x>;counter=0, <sip:2@x>;counter=99999, "
		 "<sip:3@x>;counter=-1\r\n",
		 "sip:3@x unknown 1\nsip:2@x unknown 1\nsip:1@x unknown 1\n"},
		{"what cannot be read is left out",
		 "Diversion: \"x, <sip:2@x\r\nDiversion: <sip:1@x>;reason=deflection\r\n",
		 "sip:1@x deflection 1\n"},
		{"History-Info: who diverted is the one before the cause",
		 "History-Info: <sip:1@x>;index=1, <sip:2@x;cause=408>;index=1.1\r\n",
		 "sip:1@x no-answer 1\n"},
		{"three of them, over two headers, one private",
		 "History-Info: <sip:1@x>;index=1, "
		 "<sip:2@x;cause=408?Privacy=history>;index=1.1\r\n"
		 "History-Info: <sip:3@x;cause=486?Reason=SIP%3Bcause%3D486&privacy=none>;index="
		 "1.1.1, <sip:4@x;cause=302>;index=1.1.1.1\r\n",
		 "sip:1@x no-answer 1\nsip:2@x user-busy 1 private\nsip:3@x unconditional 1\n"},
		{"steps of routing are no diversions",
		 "History-Info: <sip:1@x>;index=1, <sip:1@y>;index=1.1;rc=1, "
		 "<sip:2@x;cause=302>;index=1.1.1;mp=1.1\r\n",
		 "sip:1@y unconditional 1\n"},
		{"a gap in the index counts",
		 "History-Info: <sip:1@x>;index=1, <sip:2@x;cause=480>;index=1.1.1.1\r\n",
		 "sip:1@x deflection 3\n"},
		{"both headers: the one that tells of diversions",
		 "History-Info: <sip:1@x>;index=1\r\nDiversion: <sip:2@x>;reason=user-busy\r\n",
		 "sip:2@x user-busy 1\n"},
		{"both of them: History-Info",
		 "Diversion: <sip:2@x>;reason=user-busy\r\nHistory-Info: <sip:1@x>;index=1, "
		 "<sip:3@x;cause=487>;index=1.1\r\n",
		 "sip:1@x deflection 1\n"},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[2048];
		with(row->lines);
		EXPECT_Z(read(mem), row->want);
	}
}

static struct str written(const struct history_params *p, char mem[4096])
{
	struct history h;
	struct rules_line out[HISTORY_MAX];
	static char values[8192];
	struct buf v, b;
	history_read(&m, &h);
	buf_init(&v, values, sizeof(values));
	buf_init(&b, mem, 4096);
	size_t n = history_lines(&v, &h, p, out);
	for (size_t i = 0; i < n; i++) {
		buf_str(&b, out[i].name);
		buf_lit(&b, ": ");
		buf_str(&b, out[i].value);
		buf_lit(&b, "\r\n");
	}
	return buf_view(&b);
}

#define DIVERSION                                                                                  \
	"Diversion: <sip:3@a.inside>;reason=unconditional;counter=1;privacy=off\r\n"               \
	"Diversion: <sip:2@b.inside>;reason=user-busy;counter=2;privacy=full\r\n"                  \
	"Diversion: <sip:1@c.inside>;reason=no-answer;counter=1;privacy=off\r\n"
#define DIVERSION_OURS                                                                             \
	"Diversion: <sip:3@203.0.113.1>;reason=unconditional;counter=1;privacy=off\r\n"            \
	"Diversion: <sip:2@203.0.113.1>;reason=user-busy;counter=2;privacy=full\r\n"               \
	"Diversion: <sip:1@203.0.113.1>;reason=no-answer;counter=1;privacy=off\r\n"
#define HISTORY_OURS                                                                               \
	"History-Info: <sip:1@203.0.113.1>;index=1, "                                              \
	"<sip:2@203.0.113.1;cause=408?Privacy=history>;index=1.1, "                                \
	"<sip:3@203.0.113.1;cause=486>;index=1.1.1.1, "                                            \
	"<sip:9@203.0.113.1;cause=302>;index=1.1.1.1.1\r\n"

static void test_write(void **state)
{
	(void)state;
	static const struct {
		const char *name, *lines;
		enum diversion_policy policy;
		bool from, to, hidden;
		const char *want;
	} rows[] = {
		{"between trusted sides as it came", DIVERSION, DIVERSION_PASS, true, true, false,
		 DIVERSION_OURS},
		{"the other form too", HISTORY_OURS, DIVERSION_PASS, true, true, false,
		 HISTORY_OURS},
		{"Diversion becomes History-Info: order, reasons, counters, privacy", DIVERSION,
		 DIVERSION_HISTORY_INFO, true, true, false, HISTORY_OURS},
		{"and History-Info becomes Diversion", HISTORY_OURS, DIVERSION_DIVERSION, true,
		 true, false, DIVERSION_OURS},
		{"nothing where nothing is wanted", DIVERSION, DIVERSION_NONE, true, true, false,
		 ""},
		{"nothing by default to who is not trusted", DIVERSION, DIVERSION_PASS, true, false,
		 false, ""},
		{"by setting without what is private", DIVERSION, DIVERSION_DIVERSION, true, false,
		 false,
		 "Diversion: <sip:3@203.0.113.1>;reason=unconditional;counter=1;privacy=off\r\n"
		 "Diversion: <sip:anonymous@anonymous.invalid>;reason=user-busy;counter=2;privacy="
		 "full\r\nDiversion: "
		 "<sip:1@203.0.113.1>;reason=no-answer;counter=1;privacy=off\r\n"},
		{"in History-Info too", DIVERSION, DIVERSION_HISTORY_INFO, true, false, false,
		 "History-Info: <sip:1@203.0.113.1>;index=1, "
		 "<sip:anonymous@anonymous.invalid;cause=408?Privacy=history>;index=1.1, "
		 "<sip:3@203.0.113.1;cause=486>;index=1.1.1.1, "
		 "<sip:9@203.0.113.1;cause=302>;index=1.1.1.1.1\r\n"},
		{"what a stranger says of diversions is not believed", DIVERSION,
		 DIVERSION_DIVERSION, false, true, false, ""},
		{"nothing of a caller who is to be nobody", DIVERSION, DIVERSION_DIVERSION, true,
		 false, true, ""},
		{"a number with escaped line ends is nobody's (threats A5)",
		 "Diversion: <sip:1%0d%0aVia:x@y>;reason=away\r\n", DIVERSION_PASS, true, true,
		 false,
		 "Diversion: "
		 "<sip:anonymous@anonymous.invalid>;reason=unknown;counter=1;privacy=off\r\n"},
	};
	struct addr a;
	CHECK(addr_parse_ip(STR("203.0.113.1"), &a) == OK);
	CHECK_TABLE(row, rows)
	{
		char mem[4096];
		const struct history_params p = {.policy = row->policy,
						 .from_trusted = row->from,
						 .to_trusted = row->to,
						 .hidden = row->hidden,
						 .target = STR("9"),
						 .host = &a};
		with(row->lines);
		EXPECT_Z(written(&p, mem), row->want);
	}
}

/* Whoever diverts a hundred times: the latest are kept, the others counted. */
static void test_bound(void **state)
{
	(void)state;
	static char lines[8192];
	struct buf b;
	struct history h;
	buf_init(&b, lines, sizeof(lines));
	for (int i = 100; i > 0; i--)
		buf_printf(&b, "Diversion: <sip:%d@x>;reason=user-busy\r\n", i);
	buf_char(&b, 0);
	with(lines);
	history_read(&m, &h);
	EXPECT_INT(h.count, HISTORY_MAX);
	EXPECT_Z(h.entry[HISTORY_MAX - 1].uri, "sip:100@x");
	buf_init(&b, lines, sizeof(lines));
	buf_lit(&b, "History-Info: <sip:0@x>;index=1");
	for (int i = 1; i < 100; i++)
		buf_printf(&b, ",<sip:%d@x;cause=302>;index=1.%d", i, i);
	buf_lit(&b, "\r\n");
	buf_char(&b, 0);
	with(lines);
	history_read(&m, &h);
	EXPECT_INT(h.count, HISTORY_MAX);
	EXPECT_Z(h.entry[HISTORY_MAX - 1].uri, "sip:98@x;cause=302");
	EXPECT_INT(h.entry[0].counter, HISTORY_COUNTER_MAX);
	EXPECT_INT(h.entry[1].counter, 1);
}

static void test_reasons(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t cause;
	} rows[] = {{"unknown", 404},   {"unconditional", 302}, {"user-busy", 486},
		    {"no-answer", 408}, {"deflection", 480},    {"unavailable", 503}};
	CHECK_TABLE(row, rows)
	{
		enum history_reason r = history_reason_find(str_from(row->name));
		EXPECT_INT(history_cause(r), row->cause);
		EXPECT_Z(history_reason_name(history_reason_of_cause(row->cause)), row->name);
	}
	EXPECT_INT(history_reason_of_cause(487), HISTORY_DEFLECTION);
	EXPECT_INT(history_reason_of_cause(999), HISTORY_UNKNOWN);
}

#define TEST(name, fn)                                                                             \
	{                                                                                          \
		name, fn, NULL, NULL, NULL                                                         \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("Diversion and History-Info tell the same, the first who diverted first",
		     test_read),
		TEST("each becomes the other with order, reason, counter and privacy", test_write),
		TEST("a hundred diversions are ten and a count", test_bound),
		TEST("each reason has its cause and each cause its reason", test_reasons),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
