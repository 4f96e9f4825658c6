#include "policy/sheet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/csv.h"
#include "sbc/core/settings.h"
#include "sbc/shell/sheets.h"
#include "tests/support/check.h"

static void test_rows(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *fields; /* of all rows: | between fields, / behind rows */
		enum err e;                       /* how it ends */
	} rows[] = {
		{"fields without blanks around", " 49 ,\tGermany\n", "49|Germany/", ERR_NOTFOUND},
		{"no newline at the end", "49,1", "49|1/", ERR_NOTFOUND},
		{"lines of other systems", "49,1\r\n50,2\r\n", "49|1/50|2/", ERR_NOTFOUND},
		{"comments and empty lines", "# a\n\n49\n  # b\n", "49/", ERR_NOTFOUND},
		{"a comma in quotes", "49,\"a, b\",c\n", "49|a, b|c/", ERR_NOTFOUND},
		{"empty fields", ",,\n", "||/", ERR_NOTFOUND},
		{"an empty field in quotes at the end", "49,\"\"\n", "49|/", ERR_NOTFOUND},
		{"what spreadsheets put in front",
		 "\xef\xbb\xbf"
		 "49\n",
		 "49/", ERR_NOTFOUND},
		{"a quote that does not end", "49,\"a\n", "", ERR_BAD},
		{"a quote within a field", "49,a\"b\n", "", ERR_BAD},
		{"something behind a quote", "49,\"a\"b\n", "", ERR_BAD},
		{"too many fields", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n", "", ERR_LIMIT},
		{"nothing", "", "", ERR_NOTFOUND},
	};
	CHECK_TABLE(row, rows)
	{
		struct csv c;
		struct csv_row r;
		char mem[200];
		struct buf b;
		enum err e;
		buf_init(&b, mem, sizeof(mem));
		csv_init(&c, str_from(row->text));
		while ((e = csv_next(&c, &r)) == OK) {
			for (size_t i = 0; i < r.count; i++)
				buf_printf(&b, "%s%.*s", i ? "|" : "", STR_ARG(r.field[i]));
			buf_char(&b, '/');
		}
		EXPECT_ERR(e, row->e);
		EXPECT_Z(buf_view(&b), row->fields);
	}
}

static void test_money(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum err e;
		uint32_t millionths;
	} rows[] = {
		{"whole", "12", OK, 12000000},
		{"a part", "0.0125", OK, 12500},
		{"six digits", "0.000001", OK, 1},
		{"without a whole part", ".5", OK, 500000},
		{"seven digits", "0.0000001", ERR_BAD, 0},
		{"the most", "4294.967295", OK, UINT32_MAX},
		{"more", "4294.967296", ERR_BAD, 0},
		{"much more", "99999999999999999999999", ERR_BAD, 0},
		{"less than nothing", "-1", ERR_BAD, 0},
		{"a comma", "1,5", ERR_BAD, 0},
		{"a point alone", ".", ERR_BAD, 0},
		{"nothing", "", ERR_BAD, 0},
	};
	CHECK_TABLE(row, rows)
	{
		uint32_t v = 7;
		EXPECT_ERR(csv_read_money(str_from(row->text), &v), row->e);
		EXPECT_U64(v, row->e == OK ? row->millionths : 7);
	}
}

static enum err parse(struct sheet *s, const char *text, struct buf *why)
{
	buf_reset(why);
	return sheet_parse(s, str_from(text), why);
}

static void test_bad_rows(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum sheet_kind kind;
		const char *text, *why;
	} rows[] = {
		{"letters for a prefix", SHEET_PREFIXES, "49\n4a\n",
		 "f.csv:2: \"4a\" is no prefix: 1 to 18 digits are needed"},
		{"no prefix", SHEET_RATES, "49,1\n,2\n",
		 "f.csv:2: \" \" is no prefix: 1 to 18 digits are needed"},
		{"too long a prefix", SHEET_PREFIXES, "1234567890123456789\n",
		 "f.csv:1: \"1234567890123456789\" is no prefix: 1 to 18 digits are needed"},
		{"no cost", SHEET_RATES, "49\n",
		 "f.csv:1: \" \" is no cost per minute; needed: a number such as 0.0125"},
		{"a cost with a comma", SHEET_RATES, "# x\n49,\"0,5\"\n",
		 "f.csv:2: \"0,5\" is no cost per minute; needed: a number such as 0.0125"},
		{"a setup fee in words", SHEET_RATES, "49,1,free\n",
		 "f.csv:1: \"free\" is no setup fee; needed: a number such as 0.05"},
		{"a prefix twice", SHEET_RATES, "49,1\n50,1\n+49,2\n",
		 "f.csv:3: \"49\" stands there twice"},
		{"an open quote", SHEET_RATES, "49,1\n50,\"1\n",
		 "f.csv:2: quotes that do not match"},
		{"columns without a cost", SHEET_RATES, "prefix,name\n49,x\n",
		 "f.csv:1: no column \"cost\""},
	};
	char mem[300];
	struct buf why;
	buf_init(&why, mem, sizeof(mem));
	CHECK_TABLE(row, rows)
	{
		struct sheet s = {.path = STR("f.csv"), .kind = row->kind};
		EXPECT_ERR(parse(&s, "7,0.5\n", &why), OK);
		EXPECT_ERR(parse(&s, row->text, &why), ERR_BAD);
		EXPECT_Z(buf_view(&why), row->why);
		/* What was there before is there still. */
		EXPECT_INT(s.rows, 1);
		EXPECT_INT(sheet_line(&s, STR("+7495")), 1);
		sheet_release(&s);
	}
}

static void the_longest_prefix_has_the_price(void **state)
{
	(void)state;
	struct sheet s = {.path = STR("f.csv"), .kind = SHEET_RATES};
	char mem[300];
	struct buf why;

	buf_init(&why, mem, sizeof(mem));
	EXPECT_ERR(parse(&s, "Name,Prefix,Setup,Cost\nGermany,49,,0.01\nBerlin,+4930,0.05,0.006\n",
			 &why),
		   OK);
	EXPECT_INT(s.rows, 2);
	const struct sheet_price *p = sheet_price(&s, STR("+4930555"));
	EXPECT_TRUE(p != NULL);
	EXPECT_INT(p ? p->per_minute : 0, 6000);
	EXPECT_INT(p ? p->setup : 0, 50000);
	EXPECT_INT(p ? p->line : 0, 3);
	p = sheet_price(&s, STR("4989"));
	EXPECT_INT(p ? p->per_minute : 0, 10000);
	EXPECT_TRUE(sheet_price(&s, STR("+33")) == NULL);
	sheet_release(&s);
}

static void test_cost(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct sheet_price price;
		uint64_t ms, millionths;
	} rows[] = {
		{"a minute", {60000, 0, 0}, 60000, 60000},
		{"with a fee", {60000, 5, 0}, 60000, 60005},
		{"a second that has begun counts", {60000, 0, 0}, 1, 1000},
		{"no time costs the fee", {60000, 5, 0}, 0, 5},
		{"a record that lies costs a year",
		 {UINT32_MAX, 0, 0},
		 UINT64_MAX,
		 (366ull * 86400 * UINT32_MAX + 30) / 60},
	};
	CHECK_TABLE(row, rows)
	EXPECT_U64(sheet_cost(&row->price, row->ms), row->millionths);
}

static void a_file_is_read_whole_or_not_at_all(void **state)
{
	(void)state;
	char path[] = "/tmp/sallyport-sheet-XXXXXX", mem[400];
	struct buf why;
	int fd = mkstemp(path);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	struct sheet s = {.path = str_from(path), .kind = SHEET_PREFIXES};

	assert_non_null(f);
	buf_init(&why, mem, sizeof(mem));
	fputs("49\n50\n", f);
	fflush(f);
	struct sheet_stamp first = sheet_file_stamp(s.path);
	EXPECT_ERR(sheet_file_read(&s, &why), OK);
	EXPECT_INT(s.rows, 2);
	fputs("x\n", f);
	fclose(f);
	struct sheet_stamp second = sheet_file_stamp(s.path);
	EXPECT_TRUE(!sheet_stamp_eq(&first, &second));
	EXPECT_ERR(sheet_file_read(&s, &why), ERR_BAD);
	EXPECT_INT(s.rows, 2);
	unlink(path);
	buf_reset(&why);
	EXPECT_ERR(sheet_file_read(&s, &why), ERR_IO);
	EXPECT_TRUE(str_find(buf_view(&why), STR("cannot be read")) < why.len);
	EXPECT_INT(s.rows, 2);
	sheet_release(&s);
}

static struct sheet_report told;
static unsigned tellings;
static char told_why[400];

static void on_report(void *ctx, const struct sheet_report *r)
{
	(void)ctx;
	told = *r;
	tellings++;
	snprintf(told_why, sizeof(told_why), "%.*s", STR_ARG(r->why));
}

static void write_text(const char *path, const char *text)
{
	/* As editors do: another file takes its place. */
	char other[128];
	snprintf(other, sizeof(other), "%s.new", path);
	FILE *f = fopen(other, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(rename(other, path), 0);
}

/* Two looks: a file must stay as it is; and one more to take it up. */
static void look(struct sheets *s, uint64_t *now)
{
	for (int i = 0; i < 2; i++)
		sheets_tick(s, *now += SHEETS_EVERY_MS);
	if (sheets_wait(s))
		sheets_tick(s, *now);
}

static void tables_follow_their_files(void **state)
{
	(void)state;
	char path[] = "/tmp/sallyport-sheets-XXXXXX", mem[400];
	struct buf why;
	int fd = mkstemp(path);
	struct sheet list[2] = {{.path = str_from(path), .kind = SHEET_RATES},
				{.kind = SHEET_PREFIXES}};
	struct settings set = {.sheets = list, .sheet_count = 2};
	struct sheets s = {.report = on_report};
	uint64_t now = 1000000;

	assert_true(fd >= 0);
	close(fd);
	write_text(path, "49,0.5\n");
	buf_init(&why, mem, sizeof(mem));
	EXPECT_ERR(sheet_file_read(&list[0], &why), OK);
	EXPECT_ERR(sheets_apply(&s, &set), OK);
	look(&s, &now);
	EXPECT_INT(tellings, 0); /* nothing has changed */
	write_text(path, "49,0.5\n33,0.25\n");
	look(&s, &now);
	EXPECT_INT(tellings, 1);
	EXPECT_TRUE(told.good && told.rows == 2);
	EXPECT_TRUE(sheet_price(&list[0], STR("+331")) != NULL);
	write_text(path, "49,0.5\n33,cheap\n");
	look(&s, &now);
	EXPECT_INT(tellings, 2);
	EXPECT_TRUE(!told.good);
	EXPECT_TRUE(strstr(told_why, ":2: \"cheap\" is no cost per minute") != NULL);
	EXPECT_TRUE(sheet_price(&list[0], STR("+331")) != NULL); /* the old table stays */
	look(&s, &now);
	EXPECT_INT(tellings, 2); /* said once */
	unlink(path);
	look(&s, &now);
	EXPECT_TRUE(tellings == 3 && !told.good);
	EXPECT_INT(list[0].rows, 2);
	write_text(path, "1,1\n");
	look(&s, &now);
	EXPECT_TRUE(tellings == 4 && told.good && list[0].rows == 1);
	unlink(path);
	sheets_release(&s);
	sheet_release(&list[0]);
}

/* Settings that go while their table is read: nobody waits for it, and it reads nothing of theirs. */
static void a_reload_does_not_wait_for_a_table(void **state)
{
	(void)state;
	char path[] = "/tmp/sallyport-sheets-XXXXXX";
	int fd = mkstemp(path);
	char *old_path = strdup(path);
	struct sheet old_list[1] = {{.path = str_from(old_path), .kind = SHEET_RATES}},
		     new_list[1] = {{.path = str_from(path), .kind = SHEET_RATES}};
	struct settings old = {.sheets = old_list, .sheet_count = 1},
			new = {.sheets = new_list, .sheet_count = 1};
	struct sheets s = {.report = on_report};
	uint64_t now = 1000;

	close(fd);
	tellings = 0;
	EXPECT_ERR(sheets_apply(&s, &old), OK);
	write_text(path, "49,0.5\n33,0.25\n");
	for (int i = 0; i < 2; i++)
		sheets_tick(&s, now += SHEETS_EVERY_MS);
	EXPECT_TRUE(s.load != NULL);
	EXPECT_ERR(sheets_apply(&s, &new), OK);
	EXPECT_TRUE(s.load == NULL && s.dropped != NULL);
	memset(old_path, 'x', sizeof(path) - 1);
	free(old_path);
	while (s.dropped)
		sheets_tick(&s, now += SHEETS_EVERY_MS);
	EXPECT_INT(tellings, 0);
	EXPECT_INT(old_list[0].rows + new_list[0].rows, 0);
	/* What is changed from here on is read for the new ones. */
	write_text(path, "49,0.5\n33,0.25\n44,0.5\n");
	look(&s, &now);
	EXPECT_INT(new_list[0].rows, 3);
	EXPECT_TRUE(new_list[0].path.p == path);
	unlink(path);
	sheets_release(&s);
	sheet_release(&new_list[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_money),
		cmocka_unit_test(test_bad_rows),
		cmocka_unit_test(the_longest_prefix_has_the_price),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(a_file_is_read_whole_or_not_at_all),
		cmocka_unit_test(tables_follow_their_files),
		cmocka_unit_test(a_reload_does_not_wait_for_a_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
