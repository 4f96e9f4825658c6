#include <dirent.h>
#include <stdio.h>

#include "common/buf.h"
#include "sbc/core/frame.h"
#include "tests/support/check.h"
#include "tests/support/cost.h"
#include "tests/support/guard.h"

static const struct frame_limits limits = {.header_bytes = 8192, .message_bytes = 16384};

#define OPT "OPTIONS sip:b@h SIP/2.0\r\n"

/* What comes out of a stream, as text: M<length>, I (ping), O (pong), then what ends it. */
static void run(struct str bytes, size_t piece, struct buf *out, const struct frame_limits *l)
{
	static char window[65536];
	struct frame f;
	size_t have = 0;
	frame_init(&f);
	while (bytes.len > 0) {
		size_t n = bytes.len < piece ? bytes.len : piece;
		memcpy(window + have, bytes.p, n);
		have += n;
		bytes = str_from_offset(bytes, n);
		for (;;) {
			struct frame_out o = frame_step(&f, (struct str){window, have}, l);
			if (o.kind == FRAME_MORE)
				break;
			if (o.kind == FRAME_MESSAGE)
				buf_printf(out, "M%zu ", o.message.len);
			else if (o.kind == FRAME_PING)
				buf_lit(out, "I ");
			else if (o.kind == FRAME_PONG)
				buf_lit(out, "O ");
			else {
				buf_printf(out, "%s%zu",
					   o.kind == FRAME_BAD     ? "bad"
					   : o.kind == FRAME_LIMIT ? "limit"
								   : "no",
					   o.message.len);
				return;
			}
			EXPECT_TRUE(o.consumed > 0 && o.consumed <= have);
			memmove(window, window + o.consumed, have - o.consumed);
			have -= o.consumed;
		}
	}
	if (have > 0)
		buf_printf(out, "+%zu", have);
}

static void test_streams(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str bytes;
		const char *want;
	} rows[] = {
		{"one message without a body", STR(OPT "l: 0\r\n\r\n"), "M33 "},
		{"two messages in one segment",
		 STR(OPT "l: 2\r\n\r\nab" OPT "Content-Length : 0\r\n\r\n"), "M35 M47 "},
		{"a folded length", STR(OPT "Content-Length:\r\n 3\r\n\r\nabc"), "M51 "},
		{"a response", STR("SIP/2.0 200 OK\r\nl: 0\r\n\r\n"), "M24 "},
		{"a ping", STR("\r\n\r\n"), "O I "},
		{"a pong", STR("\r\n"), "O "},
		{"two pings and a message", STR("\r\n\r\n\r\n\r\n" OPT "l: 0\r\n\r\n"),
		 "O I O I M33 "},
		{"a pong before a message", STR("\r\n" OPT "l: 0\r\n\r\n\r\n"), "O M33 O "},
		{"a pong, a message, a pong are no ping", STR("\r\n" OPT "l: 0\r\n\r\n\r\n\r\n"),
		 "O M33 O I "},
		{"a body that looks like a message", STR(OPT "l: 28\r\n\r\n" OPT "\r\n\r"), "M62 "},
		{"a body of NULs and line ends", STR(OPT "l: 6\r\n\r\n\0\r\n\r\n\0"), "M39 "},
		{"an unfinished body", STR(OPT "l: 5\r\n\r\nab"), "+35"},
		{"an unfinished header section", STR(OPT "l: 5\r\n"), "+31"},

		{"no length", STR(OPT "a: b\r\n\r\n" OPT), "bad33"},
		{"no headers at all", STR(OPT "\r\n"), "bad27"},
		{"two lengths", STR(OPT "l: 0\r\nl: 0\r\n\r\n"), "bad39"},
		{"a negative length", STR(OPT "l: -1\r\n\r\n"), "bad34"},
		{"a signed length", STR(OPT "l: +1\r\n\r\n"), "bad34"},
		{"no number", STR(OPT "l:\r\n\r\n"), "bad31"},
		{"two numbers", STR(OPT "l: 1 1\r\n\r\n"), "bad35"},
		{"a length of 2^32 + 1", STR(OPT "l: 4294967297\r\n\r\n"), "bad42"},
		{"a length of 2^64 + 1", STR(OPT "l: 18446744073709551617\r\n\r\n"), "bad52"},
		{"the length in a folded line of another header is none",
		 STR(OPT "a: b\r\n l: 5\r\n\r\n"), "bad40"},
		{"a bare LF in the headers", STR(OPT "a: b\nl: 0\r\n\r\n"), "bad30"},
		{"a message larger than allowed", STR(OPT "l: 16400\r\n\r\n"), "limit37"},
		{"the largest message", STR(OPT "l: 16347\r\n\r\n"), "+37"},
		{"one octet more", STR(OPT "l: 16348\r\n\r\n"), "limit37"},

		{"HTTP", STR("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "no0"},
		{"TLS on a TCP port", STR("\x16\x03\x01\x02\x00"), "no0"},
		{"a bare LF", STR("\n"), "no0"},
		{"a CR and no LF", STR("\rOPTIONS"), "no0"},
		{"a bare LF behind the start line", STR("OPTIONS sip:b@h SIP/2.0\nl: 0\n\n"),
		 "no0"},
		{"a space at the front", STR(" OPTIONS sip:b@h SIP/2.0\r\n"), "no0"},
		{"NULs", STR("\0\0\0\0"), "no0"},
		{"another version is SIP, and gets its 505",
		 STR("OPTIONS sip:b@h SIP/7.0\r\nl: 0\r\n\r\n"), "M33 "},
	};
	CHECK_TABLE(row, rows)
	{
		static const size_t pieces[] = {65536, 1, 2, 3, 7};
		for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
			char mem[128];
			struct buf b;
			buf_init(&b, mem, sizeof(mem));
			run(row->bytes, pieces[i], &b, &limits);
			/* In pieces the wrong is seen as soon as it comes. */
			EXPECT_Z(buf_view(&b), row->want);
		}
	}
}

static void test_header_limit(void **state)
{
	(void)state;
	static char text[20000];
	static const size_t sizes[] = {8191, 8192, 8193, 19000};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		char mem[128];
		struct buf b, out;
		buf_init(&b, text, sizeof(text));
		buf_lit(&b, OPT "l: 0\r\na: ");
		while (b.len < sizes[i] - 4)
			buf_char(&b, 'x');
		buf_lit(&b, "\r\n\r\n");
		for (size_t piece = 1; piece <= 4096; piece *= 64) {
			buf_init(&out, mem, sizeof(mem));
			run(buf_view(&b), piece, &out, &limits);
			if (sizes[i] <= 8192)
				EXPECT_INT(out.p[0], 'M');
			else
				EXPECT_Z(buf_view(&out), "limit0");
		}
	}
}

/* Nothing behind the end is read, at any length. */
static void test_guard(void **state)
{
	(void)state;
	struct guard g;
	guard_init(&g, 256);
	const struct str s = STR("\r\n" OPT "Content-Length\t:\r\n 3\r\n\r\nabc");
	for (size_t n = 0; n <= s.len; n++) {
		struct frame f;
		frame_init(&f);
		struct str left = guard_put(&g, (struct str){s.p, n});
		struct frame_out o;
		while ((o = frame_step(&f, left, &limits)).kind != FRAME_MORE)
			left = (struct str){left.p + o.consumed, left.len - o.consumed};
		EXPECT_TRUE(n < s.len || left.len == 0);
	}
	guard_release(&g);
}

static void one_octet_at_a_time(struct str s)
{
	struct frame f;
	frame_init(&f);
	const struct frame_limits wide = {1 << 20, 1 << 20};
	for (size_t n = 1; n <= s.len; n++)
		if (frame_step(&f, (struct str){s.p, n}, &wide).kind != FRAME_MORE)
			break;
}

static void test_cost(void **state)
{
	(void)state;
	static char small[20000], big[80000];
	static const struct {
		const char *name, *piece;
	} rows[] = {
		{"short lines", "a:b\r\n"}, {"one long line", "x"},
		{"folds", "\r\n x"},        {"CRs", "\r"},
		{"lengths", "l: 0\r\n"},
	};
	CHECK_TABLE(row, rows)
	{
		struct buf s, b;
		buf_init(&s, small, sizeof(small));
		buf_init(&b, big, sizeof(big));
		buf_lit(&s, OPT "a: ");
		buf_lit(&b, OPT "a: ");
		while (s.len < 16000)
			buf_z(&s, row->piece);
		while (b.len < 64000)
			buf_z(&b, row->piece);
		buf_lit(&s, "\r\n\r\n");
		buf_lit(&b, "\r\n\r\n");
		EXPECT_TRUE(cost_is_linear(one_octet_at_a_time, buf_view(&s), buf_view(&b)));
	}
}

/* Each torture message, cut at each place: the same as in one piece. */
static void test_torture_in_pieces(void **state)
{
	(void)state;
	DIR *dir = opendir("tests/data/rfc4475");
	assert_non_null(dir);
	size_t files = 0;
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		char path[300], text[8192];
		if (!strstr(e->d_name, ".dat"))
			continue;
		snprintf(path, sizeof(path), "tests/data/rfc4475/%s", e->d_name);
		(void)check_row(e->d_name);
		FILE *f = fopen(path, "rb");
		assert_non_null(f);
		struct str s = {text, fread(text, 1, sizeof(text), f)};
		fclose(f);
		char whole[128], cut[128];
		struct buf w, c;
		buf_init(&w, whole, sizeof(whole));
		run(s, s.len, &w, &limits);
		for (size_t piece = 1; piece < s.len; piece += 1 + piece / 16) {
			buf_init(&c, cut, sizeof(cut));
			run(s, piece, &c, &limits);
			EXPECT_STR(buf_view(&c), buf_view(&w));
		}
		files++;
	}
	closedir(dir);
	EXPECT_INT(files, 51);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_header_limit),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_torture_in_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
