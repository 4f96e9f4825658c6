/* Port pairs: parity, shares, random start, rest after use, exhaustion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "rtpproxy/core/portset.h"

static void ranges_and_shares(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t min, max;
		unsigned part, parts;
		enum err err;
		uint16_t first;
		uint32_t pairs;
	} rows[] = {
		{"an even range is used whole", 30000, 30009, 0, 1, OK, 30000, 5},
		{"an odd first port is rounded up", 30001, 30009, 0, 1, OK, 30002, 4},
		{"an even last port has no partner", 30000, 30008, 0, 1, OK, 30000, 4},
		{"the highest port can be used", 65534, 65535, 0, 1, OK, 65534, 1},
		{"one port is no pair", 30000, 30000, 0, 1, ERR_BAD, 0, 0},
		{"a range upside down holds nothing", 30010, 30000, 0, 1, ERR_BAD, 0, 0},
		{"port 0 is not a port", 0, 10, 0, 1, ERR_BAD, 0, 0},
		{"the first of two shares of five pairs has two", 30000, 30009, 0, 2, OK, 30000, 2},
		{"the second of two shares of five pairs has three", 30000, 30009, 1, 2, OK, 30004,
		 3},
		{"more shares than pairs leaves some empty", 30000, 30003, 0, 4, ERR_BAD, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct portset s = {0};
		enum err e =
			portset_init(&s, rows[i].min, rows[i].max, rows[i].part, rows[i].parts);
		if (e != rows[i].err ||
		    (e == OK && (s.first != rows[i].first || s.pairs != rows[i].pairs))) {
			fail_msg("%s: %s first %u pairs %u", rows[i].name, err_name(e), s.first,
				 s.pairs);
		}
		portset_release(&s);
	}
}

static void every_pair_once_then_full(void **state)
{
	(void)state;
	struct portset s;
	uint8_t seen[200] = {0};
	assert_int_equal(portset_init(&s, 40000, 40399, 0, 1), OK);
	for (uint32_t i = 0; i < 200; i++) {
		uint16_t port;
		assert_int_equal(portset_take(&s, 1000, i * 2654435761u, &port), OK);
		assert_true(port % 2 == 0 && port >= 40000 && port < 40400);
		assert_int_equal(seen[(port - 40000) / 2]++, 0);
	}
	uint16_t port = 7;
	assert_int_equal(portset_take(&s, 1000, 5, &port), ERR_FULL);
	assert_int_equal(port, 7);
	portset_release(&s);
}

static void a_pair_rests_before_it_is_used_again(void **state)
{
	(void)state;
	struct portset s;
	uint16_t a, b;
	assert_int_equal(portset_init(&s, 40000, 40003, 0, 1), OK);
	assert_int_equal(portset_take(&s, 1000, 1, &a), OK);
	assert_int_equal(a, 40002);
	assert_int_equal(portset_take(&s, 1000, 1, &b), OK);
	assert_int_equal(b, 40000);
	portset_put(&s, a, 2000);
	assert_int_equal(portset_take(&s, 2000 + PORTSET_REST_MS - 1, 0, &b), ERR_FULL);
	assert_int_equal(portset_take(&s, 2000 + PORTSET_REST_MS, 0, &b), OK);
	assert_int_equal(b, a);
	assert_int_equal(s.used, 2);
	assert_int_equal(s.resting, 0);
	portset_release(&s);
}

static void rests_end_in_the_order_they_began(void **state)
{
	(void)state;
	struct portset s;
	uint16_t port;
	assert_int_equal(portset_init(&s, 50000, 50127, 0, 1), OK);
	/* Around the ring many times: 64 pairs, one back and one out each step. */
	for (uint32_t i = 0; i < 1000; i++) {
		uint64_t now = 10000 + i * 100;
		assert_int_equal(portset_take(&s, now, i, &port), OK);
		portset_put(&s, port, now);
		assert_int_equal(s.used, 0);
		assert_true(s.resting <= 51);
	}
	portset_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_and_shares),
		cmocka_unit_test(every_pair_once_then_full),
		cmocka_unit_test(a_pair_rests_before_it_is_used_again),
		cmocka_unit_test(rests_end_in_the_order_they_began),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
