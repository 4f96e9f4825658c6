#include "sbc/shell/destinations_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sbc/shell/destinations_file.h"
#include "tests/support/check.h"

static char path[] = "/tmp/sallyport-destinations-XXXXXX";
static struct sheet_report last;
static char why[400];
static unsigned reports;

static void note(void *ctx, const struct sheet_report *r)
{
	(void)ctx;
	last = *r;
	EXPECT_ERR(str_copy(r->why, why, sizeof(why)), OK);
	reports++;
}

static void write_file(const char *text)
{
	FILE *f = fopen(path, "wbe");

	EXPECT_TRUE(f && fputs(text, f) >= 0);
	(void)fclose(f);
}

static void a_table_follows_its_file_and_a_broken_one_is_told_of(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		bool good;
		size_t rows;
		const char *why; /* behind the path */
	} rows[] = {
		{"another file", "49,Germany,fixed,1\n44,UK,fixed,1\n33,France,fixed,1\n", true, 3,
		 ""},
		{"a broken row", "49,Germany,fixed,1\n44,UK,fixt,1\n", false, 3,
		 ":2: \"fixt\" is no class"},
		{"the same row twice", "49,Germany,fixed,1,DE\n49,Germany,fixed,2,DE\n", false, 3,
		 ":2: \"49\" stands in the table twice"},
		{"right again", "47,Norway,fixed,1\n", true, 1, ""},
	};
	struct destinations t = {.path = str_from(path)};
	struct destinations_watch w = {.report = note};
	char mem[300];
	struct buf b;
	uint64_t now = 1000;
	const int fd = mkstemp(path);

	EXPECT_TRUE(fd >= 0);
	(void)close(fd);
	write_file("49,Germany,fixed,1\n44,UK,fixed,1\n");
	buf_init(&b, mem, sizeof(mem));
	EXPECT_ERR(destinations_file_read(&t, &b), OK);
	destinations_watch_apply(&w, &t);
	for (unsigned i = 0; i < 3; i++)
		destinations_watch_tick(&w, now += SHEETS_EVERY_MS);
	EXPECT_INT(reports, 0);
	CHECK_TABLE(row, rows)
	{
		reports = 0;
		write_file(row->text);
		destinations_watch_tick(&w, now += SHEETS_EVERY_MS);
		EXPECT_TRUE(!destinations_watch_wait(&w)); /* it may still be written */
		destinations_watch_tick(&w, now += SHEETS_EVERY_MS);
		EXPECT_TRUE(destinations_watch_wait(&w));
		destinations_watch_tick(&w, now += SHEETS_EVERY_MS);
		EXPECT_INT(reports, 1);
		EXPECT_INT(last.good, row->good);
		EXPECT_INT(t.count, row->rows);
		if (!row->good)
			EXPECT_Z(str_from(why + strlen(path)), row->why);
		destinations_watch_tick(&w, now += SHEETS_EVERY_MS);
		EXPECT_INT(reports, 1);
	}
	/* A file that has gone. */
	(void)unlink(path);
	destinations_watch_tick(&w, now += SHEETS_EVERY_MS);
	destinations_watch_tick(&w, now += SHEETS_EVERY_MS);
	EXPECT_TRUE(destinations_watch_wait(&w));
	destinations_watch_tick(&w, now += SHEETS_EVERY_MS);
	EXPECT_TRUE(!last.good);
	EXPECT_INT(t.count, 1);
	destinations_watch_release(&w);
	destinations_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_follows_its_file_and_a_broken_one_is_told_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
