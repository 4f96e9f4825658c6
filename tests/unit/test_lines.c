/* Memory that begins on a cache line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdint.h>

#include "common/lines.h"

static void begins_on_a_line_and_is_zeroed(void **state)
{
	static const size_t rows[][2] = {{1, 1}, {1, 64}, {3, 24}, {1000, 7}, {4096, 64}, {0, 8}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char *p = lines_new(rows[i][0], rows[i][1]);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % LINE_BYTES, 0);
		for (size_t k = 0; k < rows[i][0] * rows[i][1]; k++) {
			assert_int_equal(p[k], 0);
			p[k] = 0xff; /* all of it is ours */
		}
		lines_free(p);
	}
	lines_free(NULL);
}

static void more_than_there_can_be_is_no_memory(void **state)
{
	(void)state;
	assert_null(lines_new(SIZE_MAX / 8, 9));
	assert_null(lines_new(SIZE_MAX, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_on_a_line_and_is_zeroed),
		cmocka_unit_test(more_than_there_can_be_is_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
