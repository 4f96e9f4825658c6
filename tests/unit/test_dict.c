#include "tests/support/check.h"

#include "common/dict.h"

static char mem[8192];

static void test_look_up(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, mem, sizeof(mem));
	struct dict *d = dict_new(&a, DICT_DICT);
	dict_add_int(&a, d, STR("delete delay"), 0);
	dict_add_str(&a, d, STR("call-id"), STR("abc"));
	dict_add_str(&a, d, STR("delete-delay"), STR("17"));
	dict_add_str(&a, d, STR("minus"), STR("-5"));
	dict_add_str(&a, d, STR("least"), STR("-9223372036854775808"));
	dict_add_str(&a, d, STR("word"), STR("5x"));
	dict_add_str(&a, d, STR("huge"), STR("99999999999999999999"));
	dict_add_list(&a, d, STR("list"));
	EXPECT_TRUE(!a.failed);
	EXPECT_INT(d->count, 8);
	EXPECT_TRUE(dict_get(d, STR("none")) == NULL && dict_get(NULL, STR("x")) == NULL);
	EXPECT_Z(dict_get_str(d, STR("call id")), "abc");
	EXPECT_TRUE(dict_get_str(d, STR("Call-ID")).p == NULL); /* case counts */
	EXPECT_TRUE(dict_get_str(d, STR("list")).p == NULL);
	EXPECT_INT(dict_get_int(d, STR("delete delay"), -1), 17); /* the later one wins */
	EXPECT_INT(dict_get_int(d, STR("minus"), 0), -5);
	EXPECT_TRUE(dict_get_int(d, STR("least"), 0) == INT64_MIN);
	EXPECT_INT(dict_get_int(d, STR("word"), 3), 3);
	EXPECT_INT(dict_get_int(d, STR("huge"), 3), 3);
	EXPECT_INT(dict_get_int(d, STR("list"), 3), 3);
	EXPECT_INT(dict_get_int(d, STR("none"), 3), 3);
	EXPECT_TRUE(dict_first(dict_get(d, STR("call-id"))) == NULL);
}

static void test_words(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, mem, sizeof(mem));
	struct dict *d = dict_new(&a, DICT_DICT);
	struct dict *list = dict_add_list(&a, d, STR("flags"));
	dict_add_str(&a, list, STR_NONE, STR("strict source"));
	dict_add_int(&a, list, STR_NONE, 5); /* passed over */
	dict_add_dict(&a, list, STR_NONE);
	dict_add_str(&a, list, STR_NONE, STR("symmetric"));
	dict_add_str(&a, d, STR("one"), STR(" strict-source,, symmetric ,"));
	dict_add_str(&a, d, STR("empty"), STR(""));
	dict_add_int(&a, d, STR("number"), 7);
	static const char *const keys[] = {"flags", "one"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct dict_words w = dict_words(dict_get(d, str_from(keys[i])));
		struct str word;
		EXPECT_TRUE(dict_words_next(&w, &word) && dict_key_eq(word, STR("strict-source")));
		EXPECT_TRUE(dict_words_next(&w, &word) && str_eq(word, STR("symmetric")));
		EXPECT_TRUE(!dict_words_next(&w, &word));
		EXPECT_TRUE(dict_has_word(d, str_from(keys[i]), STR("strict source")));
		EXPECT_TRUE(!dict_has_word(d, str_from(keys[i]), STR("strict")));
	}
	EXPECT_TRUE(!dict_has_word(d, STR("empty"), STR("")));
	EXPECT_TRUE(!dict_has_word(d, STR("number"), STR("7")));
	EXPECT_TRUE(!dict_has_word(d, STR("none"), STR("x")));
}

static void test_full_arena(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, mem, 200);
	struct dict *d = dict_new(&a, DICT_DICT);
	EXPECT_TRUE(d != NULL);
	for (int i = 0; i < 10; i++)
		dict_add_int(&a, dict_add_list(&a, d, STR("x")), STR_NONE, i);
	EXPECT_TRUE(a.failed);
	uint32_t n = 0;
	dict_each (it, d)
		n++;
	EXPECT_INT(n, d->count); /* what is there is whole */
	arena_init(&a, mem, 8);
	EXPECT_TRUE(dict_new(&a, DICT_LIST) == NULL && a.failed);
	arena_reset(&a);
	EXPECT_TRUE(dict_add_str(&a, NULL, STR("k"), STR("v")) == NULL && a.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look_up),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_full_arena),
	};
	return cmocka_run_group_tests_name("dict", tests, NULL, NULL);
}
