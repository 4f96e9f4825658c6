#include "policy/destinations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- the table that is installed */

static char *read_whole(const char *path, size_t *out_len)
{
	FILE *f = fopen(path, "rbe");
	char *text = malloc(1 << 20);

	EXPECT_TRUE(f && text);
	*out_len = fread(text, 1, 1 << 20, f);
	EXPECT_TRUE(feof(f));
	(void)fclose(f);
	return text;
}

/* Codes that are assigned, by the list of ITU-T E.164.D and the codes of networks and services beside countries. */
static const uint16_t assigned[] = {
	1,   7,   20,  211, 212, 213, 216, 218, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229,
	230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240, 241, 242, 243, 244, 245, 246, 247,
	248, 249, 250, 251, 252, 253, 254, 255, 256, 257, 258, 260, 261, 262, 263, 264, 265, 266,
	267, 268, 269, 27,  290, 291, 297, 298, 299, 30,  31,  32,  33,  34,  350, 351, 352, 353,
	354, 355, 356, 357, 358, 359, 36,  370, 371, 372, 373, 374, 375, 376, 377, 378, 379, 380,
	381, 382, 383, 385, 386, 387, 389, 39,  40,  41,  420, 421, 423, 43,  44,  45,  46,  47,
	48,  49,  500, 501, 502, 503, 504, 505, 506, 507, 508, 509, 51,  52,  53,  54,  55,  56,
	57,  58,  590, 591, 592, 593, 594, 595, 596, 597, 598, 599, 60,  61,  62,  63,  64,  65,
	66,  670, 672, 673, 674, 675, 676, 677, 678, 679, 680, 681, 682, 683, 685, 686, 687, 688,
	689, 690, 691, 692, 800, 808, 81,  82,  84,  850, 852, 853, 855, 856, 86,  870, 878, 880,
	881, 882, 883, 886, 90,  91,  92,  93,  94,  95,  960, 961, 962, 963, 964, 965, 966, 967,
	968, 970, 971, 972, 973, 974, 975, 976, 977, 979, 98,  992, 993, 994, 995, 996, 998};

static void every_assigned_code_stands_in_the_table(void **state)
{
	(void)state;
	struct destinations t = {.count = 0};
	struct destinations_fault f;
	size_t len, used = 0;
	char *text = read_whole("etc/destinations.csv", &len);

	EXPECT_ERR(destinations_parse(&t, (struct str){text, len}, &f), OK);
	for (size_t i = 0; i < ARRAY_LEN(assigned); i++) {
		char code[8];
		int n = snprintf(code, sizeof(code), "%u", assigned[i]);
		size_t found = 0;
		(void)check_row(code);
		EXPECT_TRUE(destinations_find(&t, (struct str){code, (size_t)n}, &found) != NULL);
		EXPECT_INT(found, n);
	}
	/* And in order, so that a row is found by eye, and a new one has one place. */
	struct str rest = {text, len}, line, last = STR("");
	while (str_cut(&rest, '\n', &line)) {
		struct str code;
		if (line.len == 0 || line.p[0] == '#' || str_has_prefix(line, STR("prefix,")))
			continue;
		(void)str_cut(&line, ',', &code);
		const size_t n = code.len < last.len ? code.len : last.len;
		const int c = memcmp(last.p, code.p, n);
		EXPECT_TRUE(c < 0 || (c == 0 && last.len < code.len));
		last = code;
		used++;
	}
	EXPECT_INT(used, t.count);
	destinations_release(&t);
	free(text);
}

static void what_fraud_is_known_for_is_told_apart(void **state)
{
	(void)state;
	static const struct {
		const char *name, *number;
		enum destination_class class;
		const char *country;
	} rows[] = {
		{"an office in Berlin", "493012345678", DESTINATION_FIXED, "DE"},
		{"a German mobile", "4915112345678", DESTINATION_MOBILE, "DE"},
		{"German 0900", "499001234567", DESTINATION_PREMIUM, "DE"},
		{"an office in London", "442079460000", DESTINATION_FIXED, "GB"},
		{"a British mobile", "447400123456", DESTINATION_MOBILE, "GB"},
		{"British 070", "447012345678", DESTINATION_PERSONAL, "GB"},
		{"British 09", "449061234567", DESTINATION_PREMIUM, "GB"},
		{"a mobile of Jersey", "447797123456", DESTINATION_MOBILE, "JE"},
		{"an office in Dublin", "35315201234", DESTINATION_FIXED, "IE"},
		{"New York", "12125550100", DESTINATION_FIXED, "US"},
		{"Toronto", "14165550100", DESTINATION_FIXED, "CA"},
		{"Jamaica looks like home", "18765550100", DESTINATION_CARIBBEAN, "JM"},
		{"Bermuda too", "14415550100", DESTINATION_CARIBBEAN, "BM"},
		{"American 900", "19005550100", DESTINATION_PREMIUM, "US"},
		{"American 800", "18005550100", DESTINATION_TOLL_FREE, ""},
		{"Inmarsat", "870773111111", DESTINATION_SATELLITE, ""},
		{"Iridium", "881612345678", DESTINATION_SATELLITE, ""},
		{"Thuraya", "8821621234567", DESTINATION_SATELLITE, ""},
		{"networks without a country", "88234123456", DESTINATION_INTERNATIONAL_PREMIUM,
		 ""},
		{"international premium rate", "979123456789", DESTINATION_INTERNATIONAL_PREMIUM,
		 ""},
		{"Somalia", "25261234567", DESTINATION_HIGH_RISK, "SO"},
		{"Cuba", "5371234567", DESTINATION_HIGH_RISK, "CU"},
		{"Moscow", "74951234567", DESTINATION_FIXED, "RU"},
		{"Almaty", "77271234567", DESTINATION_FIXED, "KZ"},
	};
	struct destinations t = {.count = 0};
	struct destinations_fault f;
	size_t len;
	char *text = read_whole("etc/destinations.csv", &len);

	EXPECT_ERR(destinations_parse(&t, (struct str){text, len}, &f), OK);
	CHECK_TABLE(row, rows)
	{
		const struct destination *d = destinations_find(&t, str_from(row->number), NULL);
		EXPECT_TRUE(d != NULL);
		if (!d)
			continue;
		EXPECT_INT(d->class_, row->class);
		EXPECT_INT(d->country, destination_country(str_from(row->country)));
	}
	destinations_release(&t);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_has_what_its_longest_prefix_has),
		cmocka_unit_test(a_broken_row_is_named_and_nothing_is_taken),
		cmocka_unit_test(money_is_read_and_written),
		cmocka_unit_test(every_assigned_code_stands_in_the_table),
		cmocka_unit_test(what_fraud_is_known_for_is_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
