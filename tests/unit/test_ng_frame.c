/* NG in a stream: where a message ends, whole and in the smallest pieces. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtpproxy/core/ng_frame.h"
#include "tests/support/check.h"

enum { LIMIT = 200 };

/* The first answer that is not MORE, with `piece` bytes more each time, in memory that ends there. */
static ptrdiff_t run(struct str in, size_t piece, bool plain)
{
	struct ng_frame f;
	ptrdiff_t n = ERR_MORE;
	ng_frame_init(&f, plain);
	for (size_t have = 0; n == ERR_MORE && have < in.len;) {
		have = in.len - have < piece ? in.len : have + piece;
		char *copy = malloc(have);
		memcpy(copy, in.p, have);
		n = ng_frame_step(&f, (struct str){copy, have}, LIMIT);
		free(copy);
	}
	return n;
}

static void messages(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in;
		ptrdiff_t want; /* 0: all of it */
	} rows[] = {
		{"a ping", "5323_1 d7:command4:pinge", 0},
		{"what follows is the next message", "c d7:command4:pingec d7:command4:pinge",
		 24 - 5},
		{"lists, numbers, dictionaries", "c d1:ali-1e1:xd1:yi2eee1:b0:e", 0},
		{"an empty dictionary", "c de", 0},
		{"an empty string at the end", "c d1:a0:e", 0},
		{"strings with what looks like an end", "c d1:a3:eeee", 0},
		{"JSON", "c {\"command\":\"ping\"}", 0},
		{"JSON with braces and quotes in strings", "c {\"a\":\"}\\\"}\",\"b\":[{}]}", 0},
		{"JSON escapes at the end", "c {\"a\":\"\\\\\"}", 0},
		{"a UUID as a cookie", "0b9d8f6e-1111-4222-8333-444455556666 de", 0},
		{"a cookie that looks like a dictionary", "d1 de", 0},
		{"not all there", "c d7:command4:pin", ERR_MORE},
		{"a length that is cut", "c d7", ERR_MORE},
		{"JSON that is cut", "c {\"a\":\"}", ERR_MORE},
		{"only a cookie", "c", ERR_MORE},
		{"no cookie", " d7:command4:pinge", ERR_BAD},
		{"neither bencode nor JSON", "c hello", ERR_BAD},
		{"a list is no message", "c le", ERR_BAD},
		{"a line in the cookie", "c\n de", ERR_BAD},
		{"a string without a colon", "c d1xa", ERR_BAD},
		{"an unknown value", "c d1:ax", ERR_BAD},
		{"a broken number", "c d1:ai1x", ERR_BAD},
		{"a string that will be too long", "c d999:", ERR_LIMIT},
		{"a length without end", "c d000000000000", ERR_LIMIT},
		{"too deep", "c dllllllllllllllllllll", ERR_LIMIT},
		{"JSON too deep", "c {[[[[[[[[[[[[[[[[[[[[", ERR_LIMIT},
	};
	CHECK_TABLE(row, rows)
	{
		struct str in = str_from(row->in);
		ptrdiff_t want = row->want ? row->want : (ptrdiff_t)in.len;
		for (size_t piece = in.len; piece > 0; piece /= 2) {
			EXPECT_ERR(run(in, piece, false), want);
		}
	}
}

static void without_a_cookie(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in;
		ptrdiff_t want;
	} rows[] = {
		{"bencode", "d7:command4:pinge", 0},
		{"JSON", "{\"command\":\"ping\"}", 0},
		{"an empty dictionary", "de", 0},
		{"with a cookie all the same", "5323_1 d7:command4:pinge", 0},
		{"a cookie that begins with d", "dx de", 0},
		{"one byte", "d", ERR_MORE},
	};
	CHECK_TABLE(row, rows)
	{
		struct str in = str_from(row->in);
		ptrdiff_t want = row->want ? row->want : (ptrdiff_t)in.len;
		EXPECT_ERR(run(in, in.len, true), want);
		EXPECT_ERR(run(in, 1, true), want);
	}
}

static void a_message_of_the_limit_passes_and_one_more_does_not(void **state)
{
	(void)state;
	for (int over = 0; over < 2; over++) {
		char text[2 * LIMIT];
		int n = LIMIT - 11 + over;
		snprintf(text, sizeof(text), "c d1:a%d:%0*de", n, n, 0);
		struct str in = str_from(text);
		EXPECT_INT(in.len, LIMIT + over);
		EXPECT_ERR(run(in, in.len, false), over ? ERR_LIMIT : (ptrdiff_t)in.len);
		EXPECT_ERR(run(in, 1, false), over ? ERR_LIMIT : (ptrdiff_t)in.len);
		snprintf(text, sizeof(text), "c {\"a\":%0*d}", LIMIT - 8 + over, 0);
		in = str_from(text);
		EXPECT_INT(in.len, LIMIT + over);
		EXPECT_ERR(run(in, in.len, false), over ? ERR_LIMIT : (ptrdiff_t)in.len);
		EXPECT_ERR(run(in, 1, false), over ? ERR_LIMIT : (ptrdiff_t)in.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(without_a_cookie),
		cmocka_unit_test(a_message_of_the_limit_passes_and_one_more_does_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
