#include "sbc/core/tally.h"

#include "tests/support/check.h"

static struct addr ip(const char *text)
{
	struct addr a;

	CHECK(addr_parse_ip(str_from(text), &a) == OK);
	return a;
}

static void each_source_has_its_own_cap(void **state)
{
	(void)state;
	struct tally t;
	struct siphash_key key = {{0}};
	struct addr a = ip("192.0.2.1"), b = ip("192.0.2.2");

	EXPECT_ERR(tally_init(&t, 4, &key), OK);
	EXPECT_ERR(tally_add(&t, &a, 2), OK);
	EXPECT_ERR(tally_add(&t, &a, 2), OK);
	EXPECT_ERR(tally_add(&t, &a, 2), ERR_FULL);
	EXPECT_ERR(tally_add(&t, &b, 2), OK);
	EXPECT_INT(tally_get(&t, &a), 2);
	tally_del(&t, &a);
	EXPECT_ERR(tally_add(&t, &a, 2), OK);
	tally_del(&t, &b);
	EXPECT_INT(tally_get(&t, &b), 0);
	tally_release(&t);
}

static void a_net_of_ipv6_is_one_source(void **state)
{
	(void)state;
	struct tally t;
	struct siphash_key key = {{0}};
	struct addr a = ip("2001:db8::1"), b = ip("2001:db8::2:3"), c = ip("2001:db8:0:1::1");

	EXPECT_ERR(tally_init(&t, 4, &key), OK);
	EXPECT_ERR(tally_add(&t, &a, 1), OK);
	EXPECT_ERR(tally_add(&t, &b, 1), ERR_FULL);
	EXPECT_ERR(tally_add(&t, &c, 1), OK);
	tally_release(&t);
}

static void sources_are_bounded_and_come_back(void **state)
{
	(void)state;
	struct tally t;
	struct siphash_key key = {{0}};

	EXPECT_ERR(tally_init(&t, 3, &key), OK);
	for (int round = 0; round < 10; round++) {
		for (uint8_t i = 0; i < 4; i++) {
			struct addr a = ip("192.0.2.1");
			a.ip[3] = i;
			EXPECT_ERR(tally_add(&t, &a, 9), i < 3 ? OK : ERR_FULL);
		}
		for (uint8_t i = 0; i < 3; i++) {
			struct addr a = ip("192.0.2.1");
			a.ip[3] = i;
			tally_del(&t, &a);
		}
	}
	tally_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_source_has_its_own_cap),
		cmocka_unit_test(a_net_of_ipv6_is_one_source),
		cmocka_unit_test(sources_are_bounded_and_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
