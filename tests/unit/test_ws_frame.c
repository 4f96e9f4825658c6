/* RFC 6455 §5 as a table: what a client may send, what ends the connection and with which code. */
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/ws_frame.h"
#include "tests/support/check.h"

enum { LIMIT = 65535 };

static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

/* A client's frame; `len_octets`: 1, 2 or 8, how its length is written. */
static void put(struct buf *b, unsigned first, uint64_t len, unsigned len_octets,
		struct str payload)
{
	buf_char(b, (char)first);
	buf_char(b, (char)(0x80 | (len_octets == 1 ? len : len_octets == 2 ? 126 : 127)));
	for (unsigned i = len_octets == 1 ? 0 : len_octets; i-- > 0;)
		buf_char(b, (char)(len >> (8 * i)));
	buf_bytes(b, mask, sizeof(mask));
	for (size_t i = 0; i < payload.len; i++)
		buf_char(b, (char)((uint8_t)payload.p[i] ^ mask[i % 4]));
}

/* What comes out, as text; `piece` octets at a time, each time in memory that ends where they end. */
static void run(struct str bytes, size_t piece, size_t limit, struct buf *out)
{
	struct ws_frame f = {0};
	size_t front = 0, have = 0;
	while (have < bytes.len) {
		have = bytes.len - have < piece ? bytes.len : have + piece;
		for (;;) {
			size_t n = have - front;
			char *copy = malloc(n ? n : 1);
			assert_non_null(copy);
			memcpy(copy, bytes.p + front, n);
			struct ws_frame_out o = ws_frame_step(&f, copy, n, limit);
			if (o.kind == WS_FRAME_DATA)
				buf_printf(out, "%s%s%s(%.*s%s) ", o.first ? "[" : "", "data",
					   o.last ? "]" : "",
					   (int)(o.payload.len > 8 ? 8 : o.payload.len),
					   o.payload.p, o.payload.len > 8 ? "..." : "");
			else if (o.kind == WS_FRAME_PING || o.kind == WS_FRAME_PONG)
				buf_printf(out, "%s(%.*s) ",
					   o.kind == WS_FRAME_PING ? "ping" : "pong",
					   STR_ARG(o.payload));
			else if (o.kind == WS_FRAME_CLOSE)
				buf_printf(out, "close %u", o.code);
			else if (o.kind == WS_FRAME_BAD)
				buf_printf(out, "bad %u", o.code);
			free(copy);
			if (o.kind == WS_FRAME_CLOSE || o.kind == WS_FRAME_BAD)
				return;
			if (o.kind == WS_FRAME_MORE)
				break;
			EXPECT_TRUE(o.consumed > 0 && o.consumed <= n);
			front += o.consumed;
		}
	}
	if (front < have)
		buf_printf(out, "+%zu", have - front);
}

#define F(first, text)                                                                             \
	{                                                                                          \
		first, sizeof(text) - 1, 1,                                                        \
		{                                                                                  \
			"" text, sizeof(text) - 1                                                  \
		}                                                                                  \
	}
#define L(first, len, octets)                                                                      \
	{                                                                                          \
		first, len, octets,                                                                \
		{                                                                                  \
			NULL, 0                                                                    \
		}                                                                                  \
	}

static void a_stream_of_frames(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct {
			unsigned first;
			uint64_t len;
			unsigned octets;
			struct str payload;
		} frames[4];
		const char *want;
	} rows[] = {
		{"a text message in one frame", {F(0x81, "hello")}, "[data](hello) "},
		{"a binary message", {F(0x82, "\x01\xff")}, "[data](\x01\xff) "},
		{"an empty message", {F(0x81, "")}, "[data]() "},
		{"three fragments",
		 {F(0x01, "a"), F(0x00, "b"), F(0x80, "c")},
		 "[data(a) data(b) data](c) "},
		{"a ping between fragments",
		 {F(0x01, "a"), F(0x89, "p"), F(0x80, "c")},
		 "[data(a) ping(p) data](c) "},
		{"a pong of our own accord", {F(0x8a, "")}, "pong() "},
		{"two messages in a row", {F(0x81, "a"), F(0x82, "b")}, "[data](a) [data](b) "},
		{"a close with its code", {F(0x88, "\x03\xe8")}, "close 1000"},
		{"a close with a reason",
		 {F(0x88, "\x0f\xa0"
			  "bye")},
		 "close 4000"},
		{"a close without a code", {F(0x88, "")}, "close 1005"},
		{"a close of one octet", {F(0x88, "\x03")}, "bad 1002"},
		{"a close with a code that may not be sent", {F(0x88, "\x03\xed")}, "bad 1002"},
		{"a close with a code below 1000", {F(0x88, "\x00\x01")}, "bad 1002"},
		{"a close whose reason is not UTF-8", {F(0x88, "\x03\xe8\xff")}, "bad 1007"},
		{"a reserved bit", {F(0xc1, "a")}, "bad 1002"},
		{"a reserved opcode", {F(0x83, "a")}, "bad 1002"},
		{"a reserved control opcode", {F(0x8b, "a")}, "bad 1002"},
		{"a fragmented ping", {F(0x09, "a")}, "bad 1002"},
		{"a fragmented close", {F(0x08, "\x03\xe8")}, "bad 1002"},
		{"a ping of 126 octets", {L(0x89, 126, 2)}, "bad 1002"},
		{"a continuation of nothing", {F(0x80, "a")}, "bad 1002"},
		{"a new message within another", {F(0x01, "a"), F(0x81, "b")}, "[data(a) bad 1002"},
		{"16 bits for what 7 could say", {L(0x81, 125, 2)}, "bad 1002"},
		{"64 bits for what 16 could say", {L(0x81, 65535, 8)}, "bad 1002"},
		{"a length of 2^63", {L(0x81, 1ull << 63, 8)}, "bad 1002"},
		{"a length of 2^64-1", {L(0x81, UINT64_MAX, 8)}, "bad 1002"},
		{"a length of 2^63-1 is too big", {L(0x82, INT64_MAX, 8)}, "bad 1009"},
		{"a length of 2^32+32 is not 32", {L(0x82, (1ull << 32) + 32, 8)}, "bad 1009"},
		{"one more than the limit is seen at once", {L(0x81, 65536, 8)}, "bad 1009"},
		{"fragments that sum up beyond the limit",
		 {F(0x01, "abc"), L(0x80, 65533, 2)},
		 "[data(abc) bad 1009"},
		{"an unfinished frame", {L(0x81, 10, 1)}, "+6"},
	};
	CHECK_TABLE(row, rows)
	{
		char wire[512], got[512];
		for (size_t piece = 1; piece <= 64; piece = piece == 1 ? 7 : piece * 9) {
			struct buf b, out;
			buf_init(&b, wire, sizeof(wire));
			buf_init(&out, got, sizeof(got));
			for (size_t i = 0; i < 4 && row->frames[i].octets; i++)
				put(&b, row->frames[i].first, row->frames[i].len,
				    row->frames[i].octets, row->frames[i].payload);
			run(buf_view(&b), piece, LIMIT, &out);
			EXPECT_Z(buf_view(&out), row->want);
		}
	}
}

static void an_unmasked_frame_ends_the_connection(void **state)
{
	(void)state;
	char got[64];
	struct buf out;
	buf_init(&out, got, sizeof(got));
	run(STR("\x81\x01"
		"a"),
	    1, LIMIT, &out);
	EXPECT_Z(buf_view(&out), "bad 1002");
}

static void lengths_at_their_bounds(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t len, octets, limit;
		enum ws_frame_kind want;
	} rows[] = {
		{"125: the last of 7 bits", 125, 1, LIMIT, WS_FRAME_DATA},
		{"126: the first of 16", 126, 2, LIMIT, WS_FRAME_DATA},
		{"65535: the last of 16, and the limit", 65535, 2, LIMIT, WS_FRAME_DATA},
		{"65536: the first of 64, where the limit allows it", 65536, 8, 70000,
		 WS_FRAME_DATA},
		{"one beyond the limit", 1001, 2, 1000, WS_FRAME_BAD},
		{"the limit itself", 1000, 2, 1000, WS_FRAME_DATA},
	};
	static char payload[70000], wire[80000];
	memset(payload, 'x', sizeof(payload));
	CHECK_TABLE(row, rows)
	{
		struct buf b;
		struct ws_frame f = {0};
		buf_init(&b, wire, sizeof(wire));
		put(&b, 0x82, row->len, (unsigned)row->octets, (struct str){payload, row->len});
		for (size_t cut = 0; cut < 14; cut++) {
			struct ws_frame_out o = ws_frame_step(&f, wire, cut, row->limit);
			EXPECT_TRUE(o.kind == WS_FRAME_MORE ||
				    (row->want == WS_FRAME_BAD && o.code == WS_CLOSE_TOO_BIG));
		}
		struct ws_frame_out o = ws_frame_step(&f, wire, b.len - 1, row->limit);
		EXPECT_INT(o.kind, row->want == WS_FRAME_BAD ? WS_FRAME_BAD : WS_FRAME_MORE);
		o = ws_frame_step(&f, wire, b.len, row->limit);
		EXPECT_INT(o.kind, row->want);
		if (row->want == WS_FRAME_DATA) {
			EXPECT_U64(o.consumed, b.len);
			EXPECT_STR(o.payload, ((struct str){payload, row->len}));
		}
	}
}

static void heads_of_our_frames(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum ws_opcode op;
		size_t len;
		const char *want;
	} rows[] = {
		{"a short text", WS_TEXT, 5, "8105"},
		{"125 octets", WS_BINARY, 125, "827d"},
		{"126 octets", WS_TEXT, 126, "817e007e"},
		{"65535 octets", WS_TEXT, 65535, "817effff"},
		{"65536 octets", WS_TEXT, 65536, "817f0000000000010000"},
		{"a ping", WS_PING, 0, "8900"},
		{"a close", WS_CLOSE, 2, "8802"},
	};
	CHECK_TABLE(row, rows)
	{
		uint8_t head[WS_HEAD_MAX];
		char hex[64];
		struct buf b;
		buf_init(&b, hex, sizeof(hex));
		buf_hex(&b, head, ws_frame_head(head, row->op, row->len));
		EXPECT_Z(buf_view(&b), row->want);
	}
}

static void what_is_utf_8(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str text;
		bool want;
	} rows[] = {
		{"nothing", {"", 0}, true},
		{"ASCII longer than a word", STR("INVITE sip:a@b SIP/2.0"), true},
		{"an umlaut across a word's end", STR("1234567\xc3\xa4x"), true},
		{"a cut character", STR("1234567\xc3"), false},
		{"an overlong slash", STR("\xc0\xaf"), false},
		{"a surrogate", STR("\xed\xa0\x80"), false},
		{"Latin 1", STR("J\xfcrgen"), false},
		{"a NUL is a character", STR("a\0b"), true},
	};
	CHECK_TABLE(row, rows)
	{
		EXPECT_INT(ws_is_utf8(row->text), row->want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_of_frames),
		cmocka_unit_test(an_unmasked_frame_ends_the_connection),
		cmocka_unit_test(lengths_at_their_bounds),
		cmocka_unit_test(heads_of_our_frames),
		cmocka_unit_test(what_is_utf_8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
