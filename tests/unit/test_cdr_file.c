#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sbc/shell/cdr_file.h"
#include "sbc/shell/clock.h"
#include "tests/support/check.h"

static char folder[] = "/tmp/sallyport-cdr-XXXXXX";
static char path[256];

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

/* Removes all files; how many there were that are called like `part`. */
static unsigned clean(const char *part)
{
	unsigned n = 0;
	DIR *d = opendir(folder);
	struct dirent *e;
	while ((e = readdir(d)) != NULL) {
		char name[600];
		if (e->d_name[0] == '.')
			continue;
		n += strstr(e->d_name, part) != NULL;
		(void)snprintf(name, sizeof(name), "%s/%s", folder, e->d_name);
		unlink(name);
	}
	closedir(d);
	return n;
}

static int remove_folder(void **state)
{
	(void)state;
	(void)clean("");
	return rmdir(folder);
}

static struct cdr_sink sink(uint32_t rotate_ms)
{
	(void)snprintf(path, sizeof(path), "%s/cdr.jsonl", folder);
	return (struct cdr_sink){str_from(path), rotate_ms};
}

static struct str read_all(const char *name, char *mem, size_t cap)
{
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, mem, cap);
	if (fd >= 0)
		close(fd);
	return (struct str){mem, n > 0 ? (size_t)n : 0};
}

static void await_written(struct cdr_file *f, uint64_t n)
{
	struct cdr_file_counts c = {0};
	uint64_t end_ms = clock_mono_ms() + 10000;
	while (c.written < n && clock_mono_ms() < end_ms) {
		cdr_file_count(f, &c);
		sched_yield();
	}
	EXPECT_U64(c.written, n);
}

static void names(void **state)
{
	(void)state;
	const struct {
		const char *name;
		struct str path;
		unsigned n;
		const char *want;
	} rows[] = {
		{"before the extension", STR("/x/cdr.jsonl"), 0, "/x/cdr-20261121T220000Z.jsonl"},
		{"there is one already", STR("/x/cdr.jsonl"), 2, "/x/cdr-20261121T220000Z-2.jsonl"},
		{"no extension", STR("/x.y/cdr"), 0, "/x.y/cdr-20261121T220000Z"},
		{"a dot in front is none", STR("/x/.cdr"), 0, "/x/.cdr-20261121T220000Z"},
		{"no folder", STR("cdr.jsonl"), 0, "cdr-20261121T220000Z.jsonl"},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[128];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		cdr_file_write_name(&b, row->path, 1795298400000u, row->n);
		EXPECT_Z(buf_view(&b), row->want);
	}
}

static void lines_are_written_and_appended(void **state)
{
	(void)state;
	char mem[256];
	struct cdr_file *f;
	struct cdr_sink s = sink(0);
	for (unsigned i = 0; i < 2; i++) {
		EXPECT_ERR(cdr_file_new(&f, &s), OK);
		cdr_file_add(f, STR("{\"call\":1}\n"));
		cdr_file_add(f, STR("{\"call\":2}\n"));
		cdr_file_flush(f);
		await_written(f, 2);
		cdr_file_add(f, STR("{\"call\":3}\n"));
		cdr_file_free(&f);
	}
	EXPECT_Z(read_all(path, mem, sizeof(mem)), "{\"call\":1}\n{\"call\":2}\n{\"call\":3}\n{"
						   "\"call\":1}\n{\"call\":2}\n{\"call\":3}\n");
	(void)clean("");
}

static void a_torn_line_is_ended(void **state)
{
	(void)state;
	char mem[256];
	struct cdr_file *f;
	struct cdr_sink s = sink(0);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "{\"call\":", 8), 8);
	close(fd);
	EXPECT_ERR(cdr_file_new(&f, &s), OK);
	cdr_file_add(f, STR("{}\n"));
	cdr_file_free(&f);
	EXPECT_Z(read_all(path, mem, sizeof(mem)), "{\"call\":\n{}\n");
	(void)clean("");
}

static void rotation_gives_a_final_name(void **state)
{
	(void)state;
	struct cdr_file *f;
	struct stat st;
	struct cdr_sink s = sink(100);
	char open_path[300];
	EXPECT_ERR(cdr_file_new(&f, &s), OK);
	(void)snprintf(open_path, sizeof(open_path), "%s.open", path);
	EXPECT_INT(stat(open_path, &st), 0);
	EXPECT_INT(stat(path, &st), -1);
	for (uint64_t i = 1; i <= 3; i++) {
		uint64_t period = clock_wall_ms() / 100;
		cdr_file_add(f, STR("{}\n"));
		cdr_file_flush(f);
		await_written(f, i);
		while (clock_wall_ms() / 100 == period)
			sched_yield();
	}
	cdr_file_free(&f);
	EXPECT_INT(stat(open_path, &st), -1);
	EXPECT_INT(clean("cdr-2"), 3);
}

static void moved_away_and_opened_anew(void **state)
{
	(void)state;
	char mem[64], moved[300];
	struct cdr_file *f;
	struct cdr_sink s = sink(0);
	EXPECT_ERR(cdr_file_new(&f, &s), OK);
	cdr_file_add(f, STR("1\n"));
	cdr_file_flush(f);
	await_written(f, 1);
	(void)snprintf(moved, sizeof(moved), "%s.1", path);
	EXPECT_INT(rename(path, moved), 0);
	cdr_file_reopen(f);
	cdr_file_add(f, STR("2\n"));
	cdr_file_flush(f);
	await_written(f, 2);
	EXPECT_Z(read_all(path, mem, sizeof(mem)), "2\n");
	EXPECT_Z(read_all(moved, mem, sizeof(mem)), "1\n");
	cdr_file_free(&f);
	(void)clean("");
}

/* The disk is "full": lines wait, then go out whole when there is room again; what never fits is
 * counted. */
static void a_full_disk(void **state)
{
	(void)state;
	static char big[8192], mem[2 * sizeof(big)];
	struct cdr_file_counts c;
	struct cdr_file *f;
	struct rlimit before, small = {10000, RLIM_INFINITY};
	struct cdr_sink s = sink(0);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\n';
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	EXPECT_ERR(cdr_file_new(&f, &s), OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	cdr_file_add(f, (struct str){big, sizeof(big)});
	cdr_file_add(f, (struct str){big, sizeof(big)});
	cdr_file_flush(f);
	struct stat st = {0};
	while (st.st_size < 10000)
		(void)stat(path, &st);
	for (unsigned i = 0; i < 600; i++)
		cdr_file_add(f, (struct str){big, sizeof(big)});
	cdr_file_count(f, &c);
	EXPECT_U64(c.written, 0);
	EXPECT_U64(c.lost, 600 - CDR_FILE_PENDING_MAX / sizeof(big));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	await_written(f, 2 + CDR_FILE_PENDING_MAX / sizeof(big));
	EXPECT_INT(read_all(path, mem, sizeof(mem)).len, sizeof(mem));
	EXPECT_INT(mem[sizeof(big) - 1], '\n');
	EXPECT_INT(mem[sizeof(mem) - 1], '\n');
	cdr_file_free(&f);
	(void)clean("");
}

static void no_such_folder(void **state)
{
	(void)state;
	struct cdr_file *f = NULL;
	struct cdr_sink s = {STR("/nonexistent/cdr.jsonl"), 0};
	EXPECT_ERR(cdr_file_new(&f, &s), ERR_IO);
	EXPECT_TRUE(f == NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(lines_are_written_and_appended),
		cmocka_unit_test(a_torn_line_is_ended),
		cmocka_unit_test(rotation_gives_a_final_name),
		cmocka_unit_test(moved_away_and_opened_anew),
		cmocka_unit_test(a_full_disk),
		cmocka_unit_test(no_such_folder),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
