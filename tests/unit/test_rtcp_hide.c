#include "rtpproxy/core/rtcp_hide.h"

#include <string.h>

#include "rtpproxy/core/rtcp.h"
#include "tests/support/check.h"
#include "tests/support/guard.h"
#include "tests/support/media.h"

#define RR    "80c90001 00000001"
#define BLOCK "0000000b 40ffffff 00010002 00000050 22223333 00010000"
#define SR_1  "81c8000c 00000001 11112222 33334444 00000005 00000006 00000007" BLOCK
/* One of ours: the letters are any sixteen of base64. */
#define NAME "0110 ................ 0000"
#define SDES "81ca0006 00000001" NAME

static const struct rtcp_hide hide = {{{1, 2}}, 77};

/* Hex in and out; NULL: malformed. */
static const struct {
	const char *name, *in, *want;
} rows[] = {
	{"a report", SR_1, SR_1},
	{"a receiver's report", RR, RR},
	{"a report's extension goes", "80c90002 00000001 31302e30", RR},
	{"a sender's extension goes",
	 "80c80008 00000001 11112222 33334444 00000005 00000006 00000007 31302e30 2e302e37",
	 "80c80006 00000001 11112222 33334444 00000005 00000006 00000007"},
	{"padding goes", "a0c90003 00000001 31302e30 00000008", RR},
	{"padding may not stand where blocks are said to be",
	 "a1c90007 00000001 0000000b 40ffffff 00010002 00000050 22223333 00000004", NULL},
	{"a CNAME", "81ca0003 00000001 01026162 00000000", SDES},
	{"a long CNAME becomes shorter",
	 "81ca0009 00000001 01 1a 7369703a 616c6963 65403130 2e302e30 2e373a35 30363073 3030 "
	 "00000000",
	 SDES},
	{"name, mail, phone, place, tool, note and private go",
	 "81ca000b 00000001 020161 030161 040161 050161 060161 010162 070161 080401617878 0801 00 "
	 "00000000000000000000",
	 SDES},
	{"a description without a CNAME gets one", "81ca0003 00000001 06026162 00000000", SDES},
	{"an empty chunk gets one", "81ca0002 00000001 00000000", SDES},
	{"an empty CNAME", "81ca0002 00000001 01000000", SDES},
	{"two chunks", "82ca0004 00000001 01016100 00000002 01016200",
	 "82ca000c 00000001" NAME "00000002" NAME},
	{"a description of nobody", "80ca0000 80c90001 00000001", NULL},
	{"a description of nobody goes", RR "80ca0000" SR_1, RR SR_1},
	{"an end without its zero byte", "81ca0002 00000001 01026162", SDES},
	{"what is behind the last chunk goes", "81ca0003 00000001 01016100 31302e30", SDES},
	{"behind a report", SR_1 "81ca0002 00000001 01016100", SR_1 SDES},
	{"a goodbye's reason goes", "81cb0002 00000001 03313000", "81cb0001 00000001"},
	{"a goodbye of two", "82cb0003 00000001 00000002 03313000", "82cb0002 00000001 00000002"},
	{"a goodbye of nobody goes", RR "80cb0001 03313000", RR},
	{"a goodbye's padding is no reason", "a1cb0002 00000001 00000004", "81cb0001 00000001"},
	{"an application's packet goes", RR "80cc0002 00000001 6e616d65 81ca0002 00000001 01016100",
	 RR SDES},
	{"an application's packet alone", "80cc0002 00000001 6e616d65", ""},
	{"a lost packet's report", "81cd0003 00000001 00000002 00050000", "="},
	{"TWCC", "8fcd0005 00000001 00000002 00050001 00000000 20010000", "="},
	{"generic feedback of an unknown kind", "86cd0003 00000001 00000002 31302e30", ""},
	{"feedback that is too short", "81cd0001 00000001", ""},
	{"a picture is lost", "81ce0002 00000001 00000002", "="},
	{"a whole picture, please", "84ce0004 00000001 00000000 00000002 01000000", "="},
	{"REMB", "8fce0005 00000001 00000000 52454d42 01020304 00000002", "="},
	{"another application's feedback", "8fce0005 00000001 00000000 31302e30 01020304 00000002",
	 ""},
	{"H.271 messages", "87ce0003 00000001 00000002 31302e30", ""},
	{"an extended report of VoIP", "80cf0003 00000001 07000001 00000002", "="},
	{"an unknown block between known ones goes",
	 "80cf0006 00000001 04000000 ff000001 31302e30 04000000 20000000",
	 "80cf0003 00000001 04000000 04000000"},
	{"an extended report of unknown blocks", RR "80cf0002 00000001 13000000", RR},
	{"an empty extended report", RR "80cf0001 00000001", RR},
	{"an old picture request", RR "80c00001 00000001", "="},
	{"an old picture request with more", RR "80c00002 00000001 31302e30", RR},
	{"an old NACK", RR "80c10002 00000001 00010000", "="},
	{"AVB", RR "80d00002 00000001 31302e30", RR},
	{"a type that nobody knows", RR "80df0002 00000001 31302e30", RR},
	{"an item that reaches past its part", "81ca0002 00000001 01056162", NULL},
	{"an item of which only the type is left", "81ca0003 00000001 01056162 63646501", NULL},
	{"fewer chunks than said", "82ca0002 00000001 01016100", NULL},
	{"a chunk without a source", "81ca0000", NULL},
	{"a goodbye of more sources than there are", "82cb0001 00000001", NULL},
	{"a reason that reaches past its part", "81cb0002 00000001 04616200", NULL},
	{"an extended report without a source", RR "80cf0000", NULL},
	{"a block that reaches past its part", "80cf0002 00000001 04000001", NULL},
};

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/';
}

static void expect_shown(const uint8_t *got, size_t len, const char *want)
{
	size_t i = 0;
	for (; *want; want++) {
		uint8_t byte;
		if (*want == ' ')
			continue;
		if (i == len) {
			fail_msg("%zu bytes are too few", len);
		}
		if (*want == '.') {
			EXPECT_TRUE(is_letter(got[i++]));
			continue;
		}
		const char two[3] = {want[0], want[1], 0};
		media_hex(two, &byte, 1);
		EXPECT_INT(got[i++], byte);
		want++;
	}
	EXPECT_INT(len, i);
}

static void test_parts(void **state)
{
	(void)state;
	struct guard g;
	guard_init(&g, 512);
	CHECK_TABLE(row, rows)
	{
		uint8_t in[256], out[256];
		const size_t len = media_hex(row->in, in, sizeof(in));
		size_t n = len;
		const struct str view = guard_put(&g, (struct str){(const char *)in, len});
		const enum err e = rtcp_check((const uint8_t *)view.p, len);
		if (e == OK) {
			memcpy(out, in, len);
			EXPECT_ERR(rtcp_hide(out, &n, sizeof(out), &hide),
				   row->want ? OK : ERR_BAD);
		}
		EXPECT_TRUE(e == OK || !row->want);
		if (!row->want) {
			EXPECT_TRUE(e != OK || (n == len && memcmp(in, out, len) == 0));
			continue;
		}
		expect_shown(out, n, row->want[0] == '=' ? row->in : row->want);
	}
	guard_release(&g);
}

/* The name in the first chunk of a description alone. */
static void name_of(const char *hex, const struct rtcp_hide *h, char out[RTCP_HIDE_CNAME_LEN])
{
	uint8_t bytes[128];
	size_t len = media_hex(hex, bytes, sizeof(bytes));
	EXPECT_ERR(rtcp_check(bytes, len), OK);
	EXPECT_ERR(rtcp_hide(bytes, &len, sizeof(bytes), h), OK);
	EXPECT_INT(len, 28);
	memcpy(out, bytes + 10, RTCP_HIDE_CNAME_LEN);
}

static void test_names(void **state)
{
	(void)state;
	static const char first[] = "81ca0003 00000001 01046162 63640000";
	static const struct {
		const char *name, *hex;
		struct rtcp_hide hide;
		bool same;
	} table[] = {
		{"the same again", first, {{{1, 2}}, 77}, true},
		{"another source of the same name, as of the same person's video",
		 "81ca0003 00000002 01046162 63640000",
		 {{{1, 2}}, 77},
		 true},
		{"with a tool before it",
		 "81ca0004 00000001 06026162 01046162 63640000",
		 {{{1, 2}}, 77},
		 true},
		{"another name", "81ca0003 00000001 01046162 63650000", {{{1, 2}}, 77}, false},
		{"no name", "81ca0002 00000001 00000000", {{{1, 2}}, 77}, false},
		{"another party, or another call", first, {{{1, 2}}, 78}, false},
		{"another worker", first, {{{1, 3}}, 77}, false},
	};
	char want[RTCP_HIDE_CNAME_LEN];
	name_of(first, &hide, want);
	CHECK_TABLE(row, table)
	{
		char got[RTCP_HIDE_CNAME_LEN];
		name_of(row->hex, &row->hide, got);
		EXPECT_INT(memcmp(got, want, sizeof(got)) == 0, row->same);
		/* Not in halves either. */
		EXPECT_INT(memcmp(got, want, 8) == 0, row->same);
		EXPECT_INT(memcmp(got + 8, want + 8, 8) == 0, row->same);
	}
	char a[RTCP_HIDE_CNAME_LEN], b[RTCP_HIDE_CNAME_LEN];
	name_of("81ca0002 00000001 00000000", &hide, a);
	name_of("81ca0002 00000002 00000000", &hide, b);
	(void)check_row("sources without a name have one each");
	EXPECT_TRUE(memcmp(a, b, sizeof(a)) != 0);
}

static void test_room(void **state)
{
	(void)state;
	uint8_t in[64], bytes[64];
	const size_t len = media_hex(RR "81ca0002 00000001 01016100", in, sizeof(in));
	for (size_t cap = 0; cap <= 40; cap++) {
		size_t n = len;
		memcpy(bytes, in, len);
		const enum err e = rtcp_hide(bytes, &n, cap, &hide);
		EXPECT_ERR(e, cap < 36 ? ERR_LIMIT : OK);
		EXPECT_INT(n, e == OK ? 36 : len);
		if (e != OK)
			EXPECT_BYTES(bytes, in, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
