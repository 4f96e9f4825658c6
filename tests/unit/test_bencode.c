#include "tests/support/check.h"
#include "tests/support/cost.h"
#include "tests/support/guard.h"

#include "common/bencode.h"
#include "common/json.h"

static char arena_mem[1 << 20], text_mem[1 << 16], again_mem[1 << 16];

/* What Debian's Kamailio really sends: unsorted and repeated keys, spaces in keys. */
#define KAMAILIO_DELETE                                                                            \
	"d8:supportsl10:load limite12:delete delayi0e12:delete-delay1:05:flagsl5:fatale7:call-id"  \
	"17:1-24133@127.0.0.113:received-from11:203.0.113.513:received-froml3:IP49:127.0.0.1e"     \
	"8:from-tag15:24133SIPpTag0017:command6:deletee"

static void test_values(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str in;
		ptrdiff_t len; /* or an error */
		const char *json;
	} rows[] = {
		{"a number", STR("i42e"), 4, "42"},
		{"a negative number", STR("i-184e"), 6, "-184"},
		{"leading zeros", STR("i007e"), 5, "7"},
		{"minus zero", STR("i-0e"), 4, "0"},
		{"the largest number", STR("i9223372036854775807e"), 21, "9223372036854775807"},
		{"the smallest number", STR("i-9223372036854775808e"), 22, "-9223372036854775808"},
		{"below the smallest", STR("i-9223372036854775809e"), ERR_BAD, NULL},
		{"above the largest", STR("i9223372036854775808e"), ERR_BAD, NULL},
		{"a string", STR("3:abc"), 5, "\"abc\""},
		{"the empty string", STR("0:"), 2, "\"\""},
		{"a length with zeros", STR("03:abc"), 6, "\"abc\""},
		{"a list", STR("l1:ai2ee"), 8, "[\"a\",2]"},
		{"the empty dictionary", STR("de"), 2, "{}"},
		{"nested", STR("d1:ald1:bi1eeee"), 15, "{\"a\":[{\"b\":1}]}"},
		{"what follows is left", STR("i1eXYZ"), 3, "1"},
		{"a real delete", STR(KAMAILIO_DELETE), sizeof(KAMAILIO_DELETE) - 1,
		 "{\"supports\":[\"load limit\"],\"delete "
		 "delay\":0,\"delete-delay\":\"0\",\"flags\":["
		 "\"fatal\"],\"call-id\":\"1-24133@127.0.0.1\",\"received-from\":\"203.0.113.5\","
		 "\"received-from\":[\"IP4\",\"127.0.0.1\"],\"from-tag\":\"24133SIPpTag001\","
		 "\"command\":"
		 "\"delete\"}"},
		{"nothing yet", STR_NONE, ERR_MORE, NULL},
		{"half a number", STR("i4"), ERR_MORE, NULL},
		{"a number without digits", STR("ie"), ERR_BAD, NULL},
		{"a minus alone", STR("i-e"), ERR_BAD, NULL},
		{"a plus", STR("i+1e"), ERR_BAD, NULL},
		{"a fraction", STR("i1.5e"), ERR_BAD, NULL},
		{"a number that never ends", STR("i0000000000000000000000000000"), ERR_BAD, NULL},
		{"half a length", STR("12"), ERR_MORE, NULL},
		{"half a string", STR("5:abc"), ERR_MORE, NULL},
		{"a length without colon", STR("3abc"), ERR_BAD, NULL},
		{"a length beyond any message", STR("99999999:a"), ERR_LIMIT, NULL},
		{"a length of many digits", STR("0000000000001:a"), ERR_LIMIT, NULL},
		{"a negative length", STR("-1:a"), ERR_BAD, NULL},
		{"a key that is a number", STR("di1ei2ee"), ERR_BAD, NULL},
		{"a key that is a list", STR("dlee"), ERR_BAD, NULL},
		{"a key without value", STR("d1:ae"), ERR_BAD, NULL},
		{"an end without beginning", STR("e"), ERR_BAD, NULL},
		{"not bencode", STR("{\"a\":1}"), ERR_BAD, NULL},
		{"an open list", STR("l1:a"), ERR_MORE, NULL},
		{"sixteen deep", STR("lllllllllllllllleeeeeeeeeeeeeeee"), 32,
		 "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"},
		{"seventeen deep", STR("lllllllllllllllll"), ERR_LIMIT, NULL},
	};
	struct guard g;
	struct arena a;
	guard_init(&g, 4096);
	CHECK_TABLE(row, rows)
	{
		struct dict *d = NULL;
		struct str in = guard_put(&g, row->in);
		arena_init(&a, arena_mem, sizeof(arena_mem));
		EXPECT_ERR(bencode_len(in), row->len);
		EXPECT_ERR(bencode_parse(in, &a, &d), row->len);
		EXPECT_INT(d != NULL, row->len >= 0);
		if (!d)
			continue;
		struct buf b;
		buf_init(&b, text_mem, sizeof(text_mem));
		json_write(&b, d);
		EXPECT_Z(buf_view(&b), row->json);
		/* write(parse(x)) parses to the same */
		struct buf again;
		buf_init(&again, again_mem, sizeof(again_mem));
		bencode_write(&again, d);
		EXPECT_ERR(bencode_parse(buf_view(&again), &a, &d), again.len);
		buf_reset(&b);
		json_write(&b, d);
		EXPECT_Z(buf_view(&b), row->json);
		/* every prefix waits for more */
		for (size_t n = 0; n < (size_t)row->len; n++) {
			struct dict *none = NULL;
			in = guard_put(&g, (struct str){row->in.p, n});
			EXPECT_ERR(bencode_len(in), ERR_MORE);
			EXPECT_ERR(bencode_parse(in, &a, &none), ERR_MORE);
			EXPECT_TRUE(none == NULL);
		}
	}
	guard_release(&g);
}

static void test_limits(void **state)
{
	(void)state;
	struct arena a;
	struct dict *d = NULL;
	struct buf b;
	buf_init(&b, text_mem, sizeof(text_mem));
	buf_char(&b, 'l');
	for (int i = 0; i < BENCODE_VALUES_MAX - 1; i++)
		buf_lit(&b, "0:");
	size_t before = b.len;
	buf_char(&b, 'e');
	arena_init(&a, arena_mem, sizeof(arena_mem));
	EXPECT_ERR(bencode_parse(buf_view(&b), &a, &d), b.len);
	EXPECT_INT(d->count, BENCODE_VALUES_MAX - 1);
	b.len = before;
	buf_lit(&b, "0:e");
	EXPECT_ERR(bencode_len(buf_view(&b)), ERR_LIMIT);
	/* A full arena refuses at every size. */
	for (size_t size = 0; size < 1500; size += 16) {
		struct dict *none = NULL;
		arena_init(&a, arena_mem, size);
		ptrdiff_t n = bencode_parse(STR(KAMAILIO_DELETE), &a, &none);
		EXPECT_TRUE(n == ERR_NOMEM ? none == NULL : n == sizeof(KAMAILIO_DELETE) - 1);
	}
	arena_init(&a, arena_mem, 48);
	EXPECT_ERR(bencode_parse(STR(KAMAILIO_DELETE), &a, &d), ERR_NOMEM);
}

static void test_strings_are_views(void **state)
{
	(void)state;
	struct arena a;
	struct dict *d;
	struct str in = STR("d1:k5:helloe");
	arena_init(&a, arena_mem, sizeof(arena_mem));
	EXPECT_ERR(bencode_parse(in, &a, &d), 12);
	EXPECT_TRUE(dict_get_str(d, STR("k")).p == in.p + 6);
}

static void parse_only(struct str input)
{
	struct arena a;
	struct dict *d;
	arena_init(&a, arena_mem, sizeof(arena_mem));
	if (bencode_parse(input, &a, &d) < 0)
		return;
}

static void test_work_is_linear(void **state)
{
	(void)state;
	static const struct {
		const char *name, *head, *piece;
		size_t n;
	} rows[] = {
		{"many small strings", "l", "1:a", 1000},
		{"one list after another", "l", "le", 1000},
		{"the same key again and again", "d", "1:ai1e", 900},
		{"one long run of digits", "l", "1", 15000},
		{"one long number", "i", "0", 15000},
	};
	CHECK_TABLE(row, rows)
	{
		struct buf one, four;
		buf_init(&one, text_mem, sizeof(text_mem));
		buf_init(&four, again_mem, sizeof(again_mem));
		buf_z(&one, row->head);
		buf_z(&four, row->head);
		for (size_t i = 0; i < 4 * row->n; i++) {
			if (i < row->n)
				buf_z(&one, row->piece);
			buf_z(&four, row->piece);
		}
		EXPECT_TRUE(cost_is_linear(parse_only, buf_view(&one), buf_view(&four)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_strings_are_views),
		cmocka_unit_test(test_work_is_linear),
	};
	return cmocka_run_group_tests_name("bencode", tests, NULL, NULL);
}
