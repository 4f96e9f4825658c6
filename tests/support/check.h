/*
 * Tests as tables: CHECK_TABLE walks rows that have a `name`, which is a sentence; every EXPECT that
 * fails says the row, the place, and both values.
 */
#ifndef SALLYPORT_TESTS_CHECK_H
#define SALLYPORT_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/check.h"
#include "common/err.h"
#include "common/str.h"

#define CHECK_TABLE(row, table)                                                                    \
	for (__typeof__(&(table)[0]) row = (table);                                                \
	     row < (table) + ARRAY_LEN(table) && check_row(row->name); row++)
/* The row of what follows, in a loop of one's own. Always true. */
bool check_row(const char *name);

#define EXPECT_TRUE(x)        check_true((x), #x, __FILE__, __LINE__)
#define EXPECT_INT(got, want) check_int((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)
#define EXPECT_U64(got, want) check_u64((got), (want), #got, __FILE__, __LINE__)
#define EXPECT_STR(got, want) check_str((got), (want), #got, __FILE__, __LINE__)
/* Against a C string. */
#define EXPECT_Z(got, want) check_str((got), str_from(want), #got, __FILE__, __LINE__)
#define EXPECT_BYTES(got, want, n)                                                                 \
	check_str((struct str){(const char *)(got), (n)}, (struct str){(const char *)(want), (n)}, \
		  #got, __FILE__, __LINE__)
/* An enum err or a length, shown by name. */
#define EXPECT_ERR(got, want) check_err((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)

void check_true(bool x, const char *what, const char *file, int line);
void check_int(int64_t got, int64_t want, const char *what, const char *file, int line);
void check_u64(uint64_t got, uint64_t want, const char *what, const char *file, int line);
void check_str(struct str got, struct str want, const char *what, const char *file, int line);
void check_err(int64_t got, int64_t want, const char *what, const char *file, int line);

#endif
