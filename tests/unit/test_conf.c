#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/conf.h"
#include "tests/support/check.h"

/* All messages of a report, a line each. */
static struct str lines_of(struct conf_report *r, char *out, size_t cap)
{
	struct buf b;
	buf_init(&b, out, cap);
	conf_report_sort(r);
	for (size_t i = 0; i < r->count; i++) {
		buf_str(&b, r->messages[i].text);
		buf_char(&b, '\n');
	}
	return buf_view(&b);
}

static void test_durations(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum err err;
		uint64_t want;
		const char *written;
	} rows[] = {
		{"milliseconds", "250ms", OK, 250, "250ms"},
		{"seconds", "30s", OK, 30000, "30s"},
		{"minutes", "10m", OK, 600000, "10m"},
		{"hours", "4h", OK, 14400000, "4h"},
		{"days", "7d", OK, 604800000, "7d"},
		{"a duration is written with the largest unit that is exact", "90s", OK, 90000,
		 "90s"},
		{"sixty seconds are a minute", "60s", OK, 60000, "1m"},
		{"nothing needs no unit", "0", OK, 0, "0ms"},
		{"a number without unit", "30", ERR_BAD, 0, ""},
		{"a unit without number", "s", ERR_BAD, 0, ""},
		{"an unknown unit", "3w", ERR_BAD, 0, ""},
		{"a space between", "30 s", ERR_BAD, 0, ""},
		{"a sign", "-3s", ERR_BAD, 0, ""},
		{"more than 64 bits", "999999999999999999d", ERR_BAD, 0, ""},
		{"nothing at all", "", ERR_BAD, 0, ""},
	};
	CHECK_TABLE(row, rows)
	{
		uint64_t ms = 77;
		char text[32];
		struct buf b;
		EXPECT_ERR(conf_read_duration(str_from(row->text), &ms), row->err);
		EXPECT_U64(ms, row->err ? 77 : row->want);
		buf_init(&b, text, sizeof(text));
		conf_write_duration(&b, row->want);
		if (row->err == OK)
			EXPECT_Z(buf_view(&b), row->written);
	}
}

static void test_sizes_rates_ports(void **state)
{
	(void)state;
	static const struct {
		const char *name, *size;
		enum err err;
		uint64_t want;
	} sizes[] = {
		{"bytes", "512", OK, 512},
		{"kibibytes", "64k", OK, 65536},
		{"mebibytes", "10M", OK, 10485760},
		{"an unknown unit", "1T", ERR_BAD, 0},
	};
	static const struct {
		const char *name, *rate;
		enum err err;
		uint32_t count, per_ms;
	} rates[] = {
		{"a second by its unit", "40/s", OK, 40, 1000},
		{"a time of several units", "30/10m", OK, 30, 600000},
		{"no time", "30/", ERR_BAD, 0, 0},
		{"no slash", "30", ERR_BAD, 0, 0},
		{"no count", "/s", ERR_BAD, 0, 0},
		{"no duration", "3/x", ERR_BAD, 0, 0},
		{"in no time", "3/0", ERR_BAD, 0, 0},
	};
	static const struct {
		const char *name, *ports;
		enum err err;
		uint16_t min, max;
	} ports[] = {
		{"a range", "20000-39999", OK, 20000, 39999},
		{"one port", "5000-5000", OK, 5000, 5000},
		{"the last port", "1-65535", OK, 1, 65535},
		{"backwards", "30000-20000", ERR_BAD, 0, 0},
		{"from zero", "0-10", ERR_BAD, 0, 0},
		{"beyond the last port", "1-65536", ERR_BAD, 0, 0},
		{"no end", "20000-", ERR_BAD, 0, 0},
		{"no range", "20000", ERR_BAD, 0, 0},
	};
	CHECK_TABLE(row, sizes)
	{
		uint64_t n = 0;
		EXPECT_ERR(conf_read_size(str_from(row->size), &n), row->err);
		EXPECT_U64(n, row->want);
	}
	CHECK_TABLE(row, rates)
	{
		struct conf_rate r = {0};
		EXPECT_ERR(conf_read_rate(str_from(row->rate), &r), row->err);
		EXPECT_INT(r.count, row->count);
		EXPECT_INT(r.per_ms, row->per_ms);
	}
	CHECK_TABLE(row, ports)
	{
		struct conf_ports p = {0};
		EXPECT_ERR(conf_read_ports(str_from(row->ports), &p), row->err);
		EXPECT_INT(p.min, row->min);
		EXPECT_INT(p.max, row->max);
	}
}

/* What the tree refuses, without any table. */
static void test_tree(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str text;
		const char *want;
	} rows[] = {
		{"a plain map is fine", STR("a: 1\nb: [x, {c: d}]\n"), ""},
		{"all three tags are fine", STR("a: !env X\nb: !file /x\nc: !credential x\n"), ""},
		{"nothing at all", STR(""), "f:1:1: empty: a configuration is a map of sections\n"},
		{"only a comment", STR("# hello\n"),
		 "f:1:1: empty: a configuration is a map of sections\n"},
		{"only an empty value", STR("---\n"),
		 "f:1:1: empty: a configuration is a map of sections\n"},
		{"a list at the top", STR("- a\n"),
		 "f:1:1: a configuration is a map of sections\n"},
		{"a word at the top", STR("hello\n"),
		 "f:1:1: a configuration is a map of sections\n"},
		{"a key given twice names both places", STR("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n"),
		 "f:5:3: b.c: given twice; first at line 3, column 3\n"},
		{"a key given twice is found in flow style too", STR("a: {x: 1, y: 2, x: 3}\n"),
		 "f:1:17: a.x: given twice; first at line 1, column 5\n"},
		{"an anchor", STR("a: &x 1\n"),
		 "f:1:4: anchors are not allowed: write the value where it is used\n"},
		{"an anchor on a map", STR("a: &x\n  b: 1\n"),
		 "f:1:4: anchors are not allowed: write the value where it is used\n"},
		{"an alias", STR("a: 1\nb: *x\n"),
		 "f:2:4: aliases are not allowed: write the value where it is used\n"},
		{"a merge key is an alias like any other", STR("a: &x {b: 1}\nc:\n  <<: *x\n"),
		 "f:1:4: anchors are not allowed: write the value where it is used\n"
		 "f:3:7: aliases are not allowed: write the value where it is used\n"},
		{"an unknown tag names those that are", STR("a: !secret x\n"),
		 "f:1:4: unknown tag \"!secret\"; allowed, on single values: !credential NAME, "
		 "!file PATH, !env NAME\n"},
		{"a type tag is unknown too", STR("a: !!str x\n"),
		 "f:1:4: unknown tag \"tag:yaml.org,2002:str\"; allowed, on single values: "
		 "!credential NAME, !file PATH, !env NAME\n"},
		{"a tag on a list", STR("a: !env [x]\n"),
		 "f:1:4: unknown tag \"!env\"; allowed, on single values: !credential NAME, !file "
		 "PATH, !env NAME\n"},
		{"a tag on a key", STR("!env a: x\n"), "f:1:1: a key cannot have a tag\n"},
		{"an empty key", STR("\"\": x\n"), "f:1:1: a key cannot be empty\n"},
		{"a list as key", STR("? [a]\n: x\n"),
		 "f:1:3: a key must be a single word, not a list or a map\n"},
		{"a second document", STR("a: 1\n---\nb: 2\n"),
		 "f:2:1: a second document: one file holds one configuration\n"},
		{"a tabulator as indentation", STR("a:\n\tb: 1\n"),
		 "f:2:1: not YAML: found character that cannot start any token\n"},
		{"an open bracket", STR("a: [1, 2\nb: 3\n"),
		 "f:2:2: not YAML: did not find expected ',' or ']', while parsing a flow sequence "
		 "that began at line 1\n"},
		{"bytes that are no UTF-8 are placed", STR("a: 1\nbc: x\xff\n"),
		 "f:2:6: not UTF-8 text: invalid leading UTF-8 octet\n"},
		{"UTF-16 is no UTF-8",
		 STR("\xff\xfe"
		     "a\0"),
		 "f:1:1: not UTF-8 text: invalid leading UTF-8 octet\n"},
		{"a control byte", STR("a: \x01\n"),
		 "f:1:4: not UTF-8 text: control characters are not allowed\n"},
		{"a NUL by escape", STR("a: \"x\\0y\"\n"),
		 "f:1:4: a value cannot hold a NUL byte\n"},
		{"sixteen levels are fine", STR("a: [[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]\n"), ""},
		{"seventeen are not", STR("a: [[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]\n"),
		 "f:1:19: nested too deeply; allowed: 16 levels\n"},
		{"all mistakes in one run, in order of place", STR("a: *x\nb: 1\nb: !foo 2\n"),
		 "f:1:4: aliases are not allowed: write the value where it is used\n"
		 "f:3:1: b: given twice; first at line 2, column 1\n"
		 "f:3:4: unknown tag \"!foo\"; allowed, on single values: !credential NAME, !file "
		 "PATH, !env NAME\n"},
		{"a control byte in a name does not reach the terminal",
		 STR("\"a\\e[31m\": 1\n\"a\\e[31m\": 2\n"),
		 "f:2:1: a?[31m: given twice; first at line 1, column 1\n"},
	};
	CHECK_TABLE(row, rows)
	{
		struct conf_tree t;
		struct conf_report r;
		char text[2048];
		EXPECT_ERR(conf_tree_init(&t), OK);
		EXPECT_ERR(conf_report_init(&r), OK);
		conf_tree_read_text(&t, &r, STR("f"), row->text);
		EXPECT_Z(lines_of(&r, text, sizeof(text)), row->want);
		conf_report_release(&r);
		conf_tree_release(&t);
	}
}

/* ---- a table with every type */

struct inner {
	struct conf_head head;
	uint16_t n;
};

struct all {
	struct conf_head head;
	bool on;
	uint8_t byte;
	uint16_t word;
	uint32_t ms, which;
	uint64_t bytes;
	struct conf_rate rate;
	struct str text, uri, path;
	struct addr address, socket;
	struct prefix net;
	struct conf_ports ports;
	struct conf_source key;
	struct inner inner;
	struct conf_list words, enums, inners, named, plain;
};

struct plain {
	struct conf_head head;
	struct str value;
};

static const char *const colours[] = {"red", "green", "blue", NULL};
static const char *const schemes[] = {"sip", "sips", NULL};

static void check_no_x(struct conf_report *r, const struct conf_node *n, const void *value)
{
	if (str_has_char(*(const struct str *)value, 'x'))
		conf_error(r, n, "no x");
}

static const struct conf_setting inner_settings[] = {
	{.name = "n",
	 .type = CONF_INT,
	 CONF_AT(struct inner, n),
	 .min = 1,
	 .max = 10,
	 .def = "3",
	 .flags = CONF_REQUIRED},
};
static const struct conf_section inner_section = {
	.settings = inner_settings, .count = 1, .size = sizeof(struct inner)};
static const struct conf_section plain_section = {.size = sizeof(struct plain)};
static const struct conf_setting all_settings[] = {
	{.name = "on", .type = CONF_BOOL, CONF_AT(struct all, on), .def = "yes"},
	{.name = "byte", .type = CONF_INT, CONF_AT(struct all, byte)},
	{.name = "word",
	 .type = CONF_INT,
	 CONF_AT(struct all, word),
	 .words = (const char *const[]){"auto", NULL},
	 .min = 5,
	 .max = 20,
	 .def = "auto"},
	{.name = "ms",
	 .type = CONF_DURATION,
	 CONF_AT(struct all, ms),
	 .min = 1000,
	 .max = 60000,
	 .def = "5s"},
	{.name = "which",
	 .type = CONF_ENUM,
	 CONF_AT(struct all, which),
	 .words = colours,
	 .def = "green"},
	{.name = "bytes", .type = CONF_SIZE, CONF_AT(struct all, bytes), .def = "64k"},
	{.name = "rate", .type = CONF_RATE, CONF_AT(struct all, rate), .def = "40/s"},
	{.name = "text",
	 .type = CONF_STRING,
	 CONF_AT(struct all, text),
	 .max = 5,
	 .check = check_no_x},
	{.name = "uri", .type = CONF_URI, CONF_AT(struct all, uri), .words = schemes},
	{.name = "path", .type = CONF_PATH, CONF_AT(struct all, path)},
	{.name = "address", .type = CONF_ADDRESS, CONF_AT(struct all, address)},
	{.name = "socket", .type = CONF_ADDRESS_PORT, CONF_AT(struct all, socket)},
	{.name = "net", .type = CONF_PREFIX, CONF_AT(struct all, net)},
	{.name = "ports", .type = CONF_PORTS, CONF_AT(struct all, ports), .def = "20000-39999"},
	{.name = "key", .type = CONF_SOURCE, CONF_AT(struct all, key)},
	{.name = "inner", .type = CONF_SECTION, .sub = &inner_section, CONF_AT(struct all, inner)},
	{.name = "words",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct all, words),
	 .min = 1,
	 .max = 2,
	 .def = "one, two",
	 .check = check_no_x},
	{.name = "enums",
	 .type = CONF_LIST_OF,
	 .item = CONF_ENUM,
	 .words = colours,
	 CONF_AT(struct all, enums),
	 .def = "blue"},
	{.name = "inners",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &inner_section,
	 CONF_AT(struct all, inners)},
	{.name = "named", .type = CONF_NAMED, .sub = &inner_section, CONF_AT(struct all, named)},
	{.name = "plain",
	 .type = CONF_NAMED,
	 .item = CONF_STRING,
	 .sub = &plain_section,
	 CONF_AT(struct all, plain)},
	{.name = "other", .type = CONF_ANY},
};
static const struct conf_section all_section = {.name = "All",
						.help = "Everything.",
						.settings = all_settings,
						.count = ARRAY_LEN(all_settings),
						.size = sizeof(struct all)};

struct filled {
	struct conf_tree tree;
	struct conf_report report;
	struct all v;
};

static void fill(struct filled *f, struct str text)
{
	EXPECT_ERR(conf_tree_init(&f->tree), OK);
	EXPECT_ERR(conf_report_init(&f->report), OK);
	conf_tree_read_text(&f->tree, &f->report, STR("dir/f"), text);
	struct conf_fill how = {&f->tree.arena, &f->report, false};
	if (f->tree.root)
		conf_fill(&how, &all_section, f->tree.root, &f->v);
}

static void release(struct filled *f)
{
	conf_report_release(&f->report);
	conf_tree_release(&f->tree);
}

static void test_defaults(void **state)
{
	(void)state;
	struct filled f;
	fill(&f, STR("other: {anything: [1, {a: b}]}\n"));
	EXPECT_INT(f.report.count, 0);
	EXPECT_TRUE(f.v.on);
	EXPECT_INT(f.v.word, 0);
	EXPECT_INT(f.v.ms, 5000);
	EXPECT_INT(f.v.which, 1);
	EXPECT_U64(f.v.bytes, 65536);
	EXPECT_INT(f.v.rate.count, 40);
	EXPECT_INT(f.v.ports.max, 39999);
	EXPECT_INT(f.v.inner.n, 3);
	EXPECT_TRUE(f.v.inner.head.node == NULL);
	EXPECT_INT(f.v.words.count, 2);
	EXPECT_Z(((struct str *)f.v.words.items)[1], "two");
	EXPECT_INT(((uint32_t *)f.v.enums.items)[0], 2);
	EXPECT_INT(f.v.named.count, 0);
	release(&f);
}

static void test_values(void **state)
{
	(void)state;
	struct filled f;
	size_t at;
	setenv("CONF_TEST_TEXT", "abc", 1);
	setenv("CREDENTIALS_DIRECTORY", "/cred", 1);
	fill(&f, STR("on: off\nbyte: 255\nword: 20\nms: 1m\nwhich: blue\nbytes: 2\nrate: "
		     "3/1m\ntext: !env CONF_TEST_TEXT\n"
		     "uri: SIPS:a.example\npath: x/y.pem\naddress: \"2001:db8::1\"\nsocket: "
		     "192.0.2.1:5060\nnet: 10.0.0.0/8\n"
		     "ports: 1-9\nkey: !credential k.pem\ninner: {n: 10}\nwords: one\nenums: [red, "
		     "blue]\n"
		     "inners: [{n: 1}, {n: 2}]\nnamed: {a: {n: 4}, b-1: {n: 5}}\nplain: {p: q}\n"));
	EXPECT_INT(f.report.count, 0);
	EXPECT_TRUE(!f.v.on);
	EXPECT_INT(f.v.byte, 255);
	EXPECT_INT(f.v.word, 20);
	EXPECT_INT(f.v.ms, 60000);
	EXPECT_INT(f.v.which, 2);
	EXPECT_U64(f.v.bytes, 2);
	EXPECT_INT(f.v.rate.per_ms, 60000);
	EXPECT_Z(f.v.text, "abc");
	EXPECT_Z(f.v.uri, "SIPS:a.example");
	EXPECT_Z(f.v.path, "dir/x/y.pem");
	EXPECT_INT(f.v.address.family, ADDR_IP6);
	EXPECT_INT(f.v.socket.port, 5060);
	EXPECT_INT(f.v.net.bits, 8);
	EXPECT_INT(f.v.ports.min, 1);
	EXPECT_Z(f.v.key.path, "/cred/k.pem");
	EXPECT_INT(f.v.inner.n, 10);
	EXPECT_INT(f.v.words.count, 1);
	EXPECT_INT(f.v.enums.count, 2);
	EXPECT_INT(((struct inner *)f.v.inners.items)[1].n, 2);
	const struct conf_head *h = conf_named(&f.v.named, sizeof(struct inner), STR("b-1"), &at);
	EXPECT_TRUE(h != NULL && at == 1);
	EXPECT_INT(((const struct inner *)(const void *)h)->n, 5);
	EXPECT_TRUE(conf_named(&f.v.named, sizeof(struct inner), STR("c"), &at) == NULL);
	EXPECT_Z(((struct plain *)f.v.plain.items)->value, "q");
	release(&f);
}

static void test_mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str text;
		const char *want;
	} rows[] = {
		{"a number that is none", STR("byte: x\n"),
		 "dir/f:1:7: byte: \"x\" is not allowed here; allowed: a whole number\n"},
		{"a number larger than its member", STR("byte: 256\n"),
		 "dir/f:1:7: byte: \"256\" is not allowed here; allowed: a whole number\n"},
		{"a number out of range, with the word that is allowed too", STR("word: 21\n"),
		 "dir/f:1:7: word: \"21\" is not allowed here; allowed: a whole number, 5 to 20, "
		 "or auto\n"},
		{"a negative number", STR("word: -6\n"),
		 "dir/f:1:7: word: \"-6\" is not allowed here; allowed: a whole number, 5 to 20, "
		 "or auto\n"},
		{"a bool", STR("on: 1\n"),
		 "dir/f:1:5: on: \"1\" is not allowed here; allowed: true or false\n"},
		{"a duration out of range", STR("ms: 2m\n"),
		 "dir/f:1:5: ms: \"2m\" is not allowed here; allowed: a duration such as 250ms, "
		 "30s, 10m, 4h or 7d, 1s to 1m\n"},
		{"a word with one slip", STR("which: gren\n"),
		 "dir/f:1:8: which: \"gren\" is not allowed here; did you mean \"green\"? Allowed: "
		 "one of red, green, blue\n"},
		{"a short word with its letters swapped", STR("which: rde\n"),
		 "dir/f:1:8: which: \"rde\" is not allowed here; did you mean \"red\"? Allowed: "
		 "one of red, green, blue\n"},
		{"a word far from all", STR("which: purple\n"),
		 "dir/f:1:8: which: \"purple\" is not allowed here; allowed: one of red, green, "
		 "blue\n"},
		{"an empty text", STR("text: \"\"\n"),
		 "dir/f:1:7: text: \"\" is not allowed here; allowed: text\n"},
		{"a value left out", STR("text:\nbyte: 3\n"),
		 "dir/f:1:6: text: \"\" is not allowed here; allowed: text\n"},
		{"a text too long", STR("text: abcdef\n"),
		 "dir/f:1:7: text: \"abcdef\" is not allowed here; allowed: text\n"},
		{"the check of a table", STR("text: ax\nwords: [a, bx]\n"),
		 "dir/f:1:7: text: no x\ndir/f:2:12: words[1]: no x\n"},
		{"a URI of another scheme", STR("uri: http://x\n"),
		 "dir/f:1:6: uri: \"http://x\" is not allowed here; allowed: a URI that begins "
		 "with sip: or sips:\n"},
		{"a URI with a space", STR("uri: \"sip:a b\"\n"),
		 "dir/f:1:6: uri: \"sip:a b\" is not allowed here; allowed: a URI that begins with "
		 "sip: or sips:\n"},
		{"an address with a port", STR("address: 192.0.2.1:5\n"),
		 "dir/f:1:10: address: \"192.0.2.1:5\" is not allowed here; allowed: an IP "
		 "address\n"},
		{"a socket without a port", STR("socket: 192.0.2.1\n"),
		 "dir/f:1:9: socket: \"192.0.2.1\" is not allowed here; allowed: an IP address and "
		 "port such as 192.0.2.1:5060 or [2001:db8::1]:5060\n"},
		{"a prefix with host bits", STR("net: 10.0.0.1/8\n"),
		 "dir/f:1:6: net: \"10.0.0.1/8\" is not allowed here; allowed: an IP prefix such "
		 "as 192.0.2.0/24, host bits zero, or one address\n"},
		{"a list where one value belongs", STR("byte: [1]\n"),
		 "dir/f:1:7: byte: a list stands here; allowed: a whole number\n"},
		{"a value where a map belongs", STR("inner: 3\n"),
		 "dir/f:1:8: inner: a single value stands here; allowed: a map\n"},
		{"a map where a list belongs", STR("words: {a: b}\n"),
		 "dir/f:1:8: words: a map stands here; allowed: a list\n"},
		{"a value where a list of maps belongs", STR("inners: 3\n"),
		 "dir/f:1:9: inners: a single value stands here; allowed: a list\n"},
		{"too few entries", STR("words: []\n"),
		 "dir/f:1:8: words: empty; at least 1 allowed\n"},
		{"too many entries", STR("words: [a, b, c]\n"),
		 "dir/f:1:8: words: 3 entries are too many; at most 2 allowed\n"},
		{"an unknown key in an item names the path",
		 STR("inners: [{n: 1}, {n: 2, m: 3}]\n"),
		 "dir/f:1:25: inners[1].m: unknown key; did you mean \"n\"? Allowed: n\n"},
		{"a needed key left out, in a named map", STR("named: {a: {}}\n"),
		 "dir/f:1:12: named.a.n: missing; needed here: a whole number, 1 to 10\n"},
		{"a name that is none", STR("named: {\"a b\": {n: 1}}\n"),
		 "dir/f:1:9: named.a b: not a name; allowed: 1 to 64 letters, digits, \"-\", \"_\" "
		 "and \".\"\n"},
		{"an unknown key far from all", STR("zzzzzz: 1\n"),
		 "dir/f:1:1: zzzzzz: unknown key; allowed: on, byte, word, ms, which, bytes, rate, "
		 "text, uri, path, address, socket, net, ports, key, inner, words, enums, inners, "
		 "named, plain, other\n"},
		{"a variable that is not there", STR("text: !env CONF_TEST_NONE\n"),
		 "dir/f:1:7: text: the environment has no variable \"CONF_TEST_NONE\"\n"},
		{"a value from elsewhere is not shown", STR("byte: !env CONF_TEST_TEXT\n"),
		 "dir/f:1:7: byte: the value found elsewhere is not allowed here; allowed: a whole "
		 "number\n"},
		{"a file that is not there", STR("text: !file none\n"),
		 "dir/f:1:7: text: dir/none cannot be read, or is larger than 64 KiB\n"},
		{"a credential with a path", STR("key: !credential ../x\n"),
		 "dir/f:1:6: key: a credential's name has no \"/\"\n"},
		{"broken values are said once", STR("byte: *x\ninner: *y\n"),
		 "dir/f:1:7: aliases are not allowed: write the value where it is used\ndir/f:2:8: "
		 "aliases are not allowed: write the value where it is used\n"},
	};
	setenv("CONF_TEST_TEXT", "abc", 1);
	setenv("CREDENTIALS_DIRECTORY", "/cred", 1);
	CHECK_TABLE(row, rows)
	{
		struct filled f;
		char text[2048];
		fill(&f, row->text);
		EXPECT_Z(lines_of(&f.report, text, sizeof(text)), row->want);
		release(&f);
	}
}

/* ---- includes */

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void test_includes(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *main, *b, *c; /* main.yaml, b.inc, c.inc */
		const char *want;
		const char *text; /* of the key `named` in the end: its names */
	} rows[] = {
		{"names of an included file join", "include: [b.inc]\nnamed: {m: {n: 1}}\n",
		 "named: {b: {n: 2}}\n", NULL, "", "m b "},
		{"one pattern may be written without brackets",
		 "include: b.inc\nnamed: {m: {n: 1}}\n", "named: {b: {n: 2}}\n", NULL, "", "m b "},
		{"a pattern takes its files in order of name", "include: ['*.inc']\n",
		 "named: {b: {n: 2}}\n", "named: {c: {n: 2}}\n", "", "b c "},
		{"a pattern that finds nothing is fine",
		 "include: ['*.none']\nnamed: {m: {n: 1}}\n", NULL, NULL, "", "m "},
		{"a file that is not there is not", "include: [none.inc]\nnamed: {m: {n: 1}}\n",
		 NULL, NULL, "main.yaml:1:11: include[0]: no such file: none.inc\n", "m "},
		{"a name defined twice cites both places",
		 "include: [b.inc]\nnamed:\n  m: {n: 1}\n", "named:\n  m: {n: 2}\n", NULL,
		 "b.inc:2:3: named.m: defined twice; first at main.yaml:3:3\n", "m "},
		{"two included files are compared too", "include: [b.inc, c.inc]\n",
		 "named: {x: {n: 2}}\n", "named: {x: {n: 3}}\n",
		 "c.inc:1:9: named.x: defined twice; first at b.inc:1:9\n", "x "},
		{"a single value defined twice", "include: [b.inc]\nms: 2s\n", "ms: 3s\n", NULL,
		 "b.inc:1:1: ms: defined twice; first at main.yaml:2:1\n", ""},
		{"a map and a list cannot be joined", "include: [b.inc]\nnamed: {m: {n: 1}}\n",
		 "named: [1]\n", NULL, "b.inc:1:1: named: defined twice; first at main.yaml:2:1\n",
		 "m "},
		{"lists are joined, and their paths count on",
		 "include: [b.inc]\ninners: [{n: 1}]\n", "inners: [{n: 99}]\n", NULL,
		 "b.inc:1:14: inners[1].n: \"99\" is not allowed here; allowed: a whole number, 1 "
		 "to 10\n",
		 ""},
		{"a file that includes itself", "include: [main.yaml]\n", NULL, NULL,
		 "main.yaml:1:11: include[0]: main.yaml includes itself, by way of this file\n",
		 ""},
		{"a circle of two", "include: [b.inc]\n",
		 "include: [main.yaml]\nnamed: {b: {n: 1}}\n", NULL,
		 "b.inc:1:11: include[0]: main.yaml includes itself, by way of this file\n", "b "},
		{"an included file may include", "include: [b.inc]\n",
		 "include: [c.inc]\nnamed: {b: {n: 1}}\n", "named: {c: {n: 1}}\n", "", "b c "},
		{"a mistake of an included file comes after those of the file before it",
		 "include: [b.inc]\nms: x\n", "byte: x\n", NULL,
		 "main.yaml:2:5: ms: \"x\" is not allowed here; allowed: a duration such as 250ms, "
		 "30s, 10m, 4h or 7d, 1s to 1m\n"
		 "b.inc:1:7: byte: \"x\" is not allowed here; allowed: a whole number\n",
		 ""},
		{"a broken included file", "include: [b.inc]\nnamed: {m: {n: 1}}\n", "a: [\n", NULL,
		 "b.inc:2:1: not YAML: did not find expected node content\n", "m "},
		{"an include that is no path", "include: [{a: b}, \"\"]\n", NULL, NULL,
		 "main.yaml:1:11: include[0]: the path of a file, * and ? allowed, is "
		 "expected\nmain.yaml:1:19: include[1]: the path of a file, * and ? allowed, is "
		 "expected\n",
		 ""},
	};
	static const struct conf_setting with_include[ARRAY_LEN(all_settings) + 1] = {
		{.name = "include", .type = CONF_ANY}};
	static struct conf_setting settings[ARRAY_LEN(with_include)];
	memcpy(settings, with_include, sizeof(settings));
	memcpy(settings + 1, all_settings, sizeof(all_settings));
	const struct conf_section section = {
		.settings = settings, .count = ARRAY_LEN(settings), .size = sizeof(struct all)};
	char dir[] = "/tmp/sallyport-conf-XXXXXX", old[4096];
	assert_non_null(mkdtemp(dir));
	assert_non_null(getcwd(old, sizeof(old)));
	assert_int_equal(chdir(dir), 0);
	CHECK_TABLE(row, rows)
	{
		struct filled f;
		char text[2048], names[64] = "";
		(void)unlink("b.inc");
		(void)unlink("c.inc");
		write_file("main.yaml", row->main);
		if (row->b)
			write_file("b.inc", row->b);
		if (row->c)
			write_file("c.inc", row->c);
		EXPECT_ERR(conf_tree_init(&f.tree), OK);
		EXPECT_ERR(conf_report_init(&f.report), OK);
		conf_tree_read(&f.tree, &f.report, "main.yaml");
		struct conf_fill how = {&f.tree.arena, &f.report, f.tree.incomplete};
		assert_non_null(f.tree.root);
		conf_fill(&how, &section, f.tree.root, &f.v);
		EXPECT_Z(lines_of(&f.report, text, sizeof(text)), row->want);
		for (size_t i = 0; i < f.v.named.count; i++) {
			const struct inner *item = (const struct inner *)f.v.named.items + i;
			size_t n = strlen(names);
			(void)snprintf(names + n, sizeof(names) - n, "%.*s ",
				       STR_ARG(item->head.name));
		}
		EXPECT_Z(str_from(names), row->text);
		release(&f);
	}
	assert_int_equal(unlink("main.yaml"), 0);
	(void)unlink("b.inc");
	(void)unlink("c.inc");
	assert_int_equal(chdir(old), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_missing_file(void **state)
{
	(void)state;
	struct conf_tree t;
	struct conf_report r;
	char text[512];
	EXPECT_ERR(conf_tree_init(&t), OK);
	EXPECT_ERR(conf_report_init(&r), OK);
	conf_tree_read(&t, &r, "/nonexistent/x.yaml");
	EXPECT_TRUE(t.root == NULL);
	EXPECT_Z(lines_of(&r, text, sizeof(text)),
		 "/nonexistent/x.yaml:1:1: cannot be read: No such file or directory\n");
	conf_report_release(&r);
	conf_tree_release(&t);
}

static void test_many_mistakes_are_cut(void **state)
{
	(void)state;
	struct filled f;
	static char text[20000];
	struct buf b;
	buf_init(&b, text, sizeof(text));
	for (int i = 0; i < CONF_MESSAGES_MAX + 7; i++)
		buf_printf(&b, "unknown-%d: 1\n", i);
	fill(&f, buf_view(&b));
	EXPECT_INT(f.report.errors, CONF_MESSAGES_MAX + 7);
	EXPECT_INT(f.report.count + f.report.unsaid, CONF_MESSAGES_MAX + 7);
	EXPECT_TRUE(f.report.unsaid >= 7);
	release(&f);
}

/* An arena of any size: refused or complete, never half. */
static void test_memory_runs_out(void **state)
{
	(void)state;
	static char memory[8192];
	for (size_t size = 0; size < sizeof(memory); size += 64) {
		struct conf_tree t = {0};
		struct conf_report r;
		struct all v;
		arena_init(&t.arena, memory, size);
		EXPECT_ERR(conf_report_init(&r), OK);
		conf_tree_read_text(&t, &r, STR("f"),
				    STR("named: {a: {n: 4}}\nwords: [a, b]\ninners: [{n: 1}]\n"));
		struct conf_fill how = {&t.arena, &r, false};
		if (t.root && r.errors == 0)
			conf_fill(&how, &all_section, t.root, &v);
		if (size == sizeof(memory) - 64)
			EXPECT_TRUE(t.root != NULL && r.errors == 0);
		conf_report_release(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes_rates_ports),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_includes),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_many_mistakes_are_cut),
		cmocka_unit_test(test_memory_runs_out),
	};
	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
