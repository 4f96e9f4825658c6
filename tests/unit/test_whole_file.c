/* Files that are there, are not, are something else, are too large. */
#include "common/whole_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/check.h"

static char folder[64], path[96];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/sallyport-whole-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static void put(const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
}

static void each_file_is_read_whole_or_refused_with_its_reason(void **state)
{
	(void)state;
	enum { FILE_OF, FIFO, DIRECTORY, NOTHING };
	const struct {
		const char *name;
		int is;
		const char *text;
		enum err err;
		const char *why;
	} rows[] = {
		{"a file", FILE_OF, "prefix\n49\n", OK, ""},
		{"an empty one", FILE_OF, "", OK, ""},
		{"as large as may be", FILE_OF, "0123456789abcdef", OK, ""},
		{"one octet more", FILE_OF, "0123456789abcdefg", ERR_LIMIT,
		 "larger than 16 octets"},
		{"none", NOTHING, "", ERR_IO, "No such file"},
		{"a directory", DIRECTORY, "", ERR_IO, "it is no file"},
		{"a FIFO that nobody writes to", FIFO, "", ERR_IO, "it is no file"},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[256], *text = NULL;
		struct buf why;
		size_t n = 99;
		snprintf(path, sizeof(path), "%s/f", folder);
		buf_init(&why, mem, sizeof(mem) - 1);
		if (row->is == FILE_OF)
			put(row->text);
		else if (row->is != NOTHING)
			assert_int_equal(row->is == FIFO ? mkfifo(path, 0600) : mkdir(path, 0700),
					 0);
		EXPECT_ERR(whole_file_read(str_from(path), 16, &text, &n, &why), row->err);
		mem[why.len] = 0;
		EXPECT_TRUE(strstr(mem, row->why) && (row->err == OK) == (why.len == 0));
		if (row->err == OK) {
			EXPECT_U64(n, strlen(row->text));
			EXPECT_TRUE(text && strcmp(text, row->text) == 0);
		}
		free(text);
		(void)remove(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_file_is_read_whole_or_refused_with_its_reason,
						make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
