#include "policy/destinations.h"

#include <stdio.h>

#include "tests/support/check.h"

static void a_number_has_what_its_longest_prefix_has(void **state)
{
	(void)state;
	static const char text[] = "# ours\r\n"
				   "prefix,name,class,cost,country\r\n"
				   "49,Germany,fixed,0.02,DE\n"
				   "+4915,\"Germany, mobile\",mobile,0.12345,DE\n"
				   "\n"
				   "49900,Germany 0900,premium,3,DE\n"
				   "881,Global mobile satellite,satellite,8.000001,\n"
				   "1,NANP,fixed,0,US";
	static const struct {
		const char *name, *number, *is;
		enum destination_class class;
		uint32_t cost;
		const char *country;
		size_t len;
	} rows[] = {
		{"a country", "4930123", "Germany", DESTINATION_FIXED, 2000, "DE", 2},
		{"a longer prefix of it", "4915112345", "Germany, mobile", DESTINATION_MOBILE,
		 12345, "DE", 4},
		{"the prefix alone", "49900", "Germany 0900", DESTINATION_PREMIUM, 300000, "DE", 5},
		{"no country, and a cost finer than we count", "881612345",
		 "Global mobile satellite", DESTINATION_SATELLITE, 800001, "", 3},
		{"the last line has no end", "12125550100", "NANP", DESTINATION_FIXED, 0, "US", 1},
		{"half a prefix", "4", NULL, 0, 0, "", 0},
		{"nothing at all", "", NULL, 0, 0, "", 0},
		{"no such prefix", "999", NULL, 0, 0, "", 0},
	};
	struct destinations t = {.count = 0};
	struct destinations_fault f;

	EXPECT_ERR(destinations_parse(&t, str_from(text), &f), OK);
	EXPECT_INT(t.count, 5);
	CHECK_TABLE(row, rows)
	{
		size_t len = 0;
		const struct destination *d = destinations_find(&t, str_from(row->number), &len);
		EXPECT_TRUE((d != NULL) == (row->is != NULL));
		if (!d)
			continue;
		EXPECT_Z(destination_name(&t, d), row->is);
		EXPECT_INT(d->class_, row->class);
		EXPECT_INT(d->cost, row->cost);
		EXPECT_INT(d->country, destination_country(str_from(row->country)));
		EXPECT_INT(len, row->len);
	}
	/* What was there stays where another one is broken. */
	EXPECT_ERR(destinations_parse(&t, STR("49,a,fixd,1"), &f), ERR_BAD);
	EXPECT_INT(t.count, 5);
	EXPECT_ERR(destinations_parse(&t, STR("47,Norway,fixed,1"), &f), OK);
	EXPECT_INT(t.count, 1);
	destinations_release(&t);
}

static void a_broken_row_is_named_and_nothing_is_taken(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum err e;
		uint32_t line;
		const char *why;
	} rows[] = {
		{"empty", "", ERR_BAD, 0, "no row at all"},
		{"a head alone", "prefix,name,class,cost\n", ERR_BAD, 0, "no row at all"},
		{"no digits", "49,a,fixed,1\n4x,b,fixed,1", ERR_BAD, 2,
		 "\"4x\" is no prefix of 1 to 15 digits"},
		{"sixteen digits", "1234567890123456,a,fixed,1", ERR_BAD, 1,
		 "\"1234567890123456\" is no prefix of 1 to 15 digits"},
		{"no class", "49,a,fixd,1", ERR_BAD, 1, "\"fixd\" is no class"},
		{"no name", "49,,fixed,1", ERR_BAD, 1, "\"\" is no name of 1 to 80 octets"},
		{"a cost below nothing", "49,a,fixed,-1", ERR_BAD, 1,
		 "\"-1\" is no cost a minute, 0 to 10000"},
		{"a cost beyond all", "49,a,fixed,10000.1", ERR_BAD, 1,
		 "\"10000.1\" is no cost a minute, 0 to 10000"},
		{"no cost", "49,a,fixed", ERR_BAD, 1, "is no cost a minute, 0 to 10000"},
		{"small letters", "49,a,fixed,1,de", ERR_BAD, 1,
		 "\"de\" is no country of two capital letters"},
		{"a field more", "49,a,fixed,1,DE,x", ERR_BAD, 1,
		 "more than prefix,name,class,cost,country"},
		{"twice", "1,a,fixed,1\n49,a,fixed,1\n+49,b,fixed,2", ERR_BAD, 3,
		 "\"49\" stands in the table twice"},
		{"a quote that stays open", "49,\"a,fixed,1", ERR_BAD, 1,
		 "a quote is not closed, or stands within a field"},
		{"text behind a quote", "49,\"a\"b,fixed,1", ERR_BAD, 1,
		 "a quote is not closed, or stands within a field"},
	};
	CHECK_TABLE(row, rows)
	{
		struct destinations t = {.count = 0};
		struct destinations_fault f;
		EXPECT_ERR(destinations_parse(&t, str_from(row->text), &f), row->e);
		EXPECT_Z(str_from(f.why), row->why);
		if (row->line &&
		    f.line != row->line) /* of two that are the same, either is named */
			EXPECT_INT(f.line, row->line - 1);
		EXPECT_INT(t.count, 0);
		EXPECT_TRUE(!t.rows && !t.text && !t.codes.nodes);
	}
}

static void money_is_read_and_written(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum err e;
		uint64_t parts;
		const char *back;
	} rows[] = {
		{"whole", "12", OK, 1200000, "12.00"},
		{"decimals", "0.5", OK, 50000, "0.50"},
		{"all that we count", "1.23456", OK, 123456, "1.23456"},
		{"finer is more", "0.000001", OK, 1, "0.00001"},
		{"zeros behind are nothing", "0.10000000", OK, 10000, "0.10"},
		{"the most", "100", OK, 10000000, "100.00"},
		{"more", "100.01", ERR_LIMIT, 0, ""},
		{"much more", "99999999999999999999999", ERR_LIMIT, 0, ""},
		{"no digits", "x", ERR_BAD, 0, ""},
		{"a point alone", ".", ERR_BAD, 0, ""},
		{"nothing behind the point", "1.", ERR_BAD, 0, ""},
		{"two points", "1.2.3", ERR_BAD, 0, ""},
		{"nothing", "", ERR_BAD, 0, ""},
	};
	CHECK_TABLE(row, rows)
	{
		uint64_t parts = 0;
		char mem[40];
		struct buf b;
		EXPECT_ERR(destination_money_parse(str_from(row->text), 100, &parts), row->e);
		EXPECT_U64(parts, row->parts);
		buf_init(&b, mem, sizeof(mem));
		destination_money_write(&b, parts);
		if (row->e == OK)
			EXPECT_Z(buf_view(&b), row->back);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_has_what_its_longest_prefix_has),
		cmocka_unit_test(a_broken_row_is_named_and_nothing_is_taken),
		cmocka_unit_test(money_is_read_and_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
