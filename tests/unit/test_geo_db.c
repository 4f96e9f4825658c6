#include "sbc/shell/geo_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/rng.h"
#include "tests/support/check.h"

#define COUNTRIES "tests/data/geo/country.mmdb"
#define SYSTEMS   "tests/data/geo/asn.mmdb"

enum { FILE_MAX = 64 * 1024 };

/* libmaxminddb 1.7.1 forgets a few kilobytes where metadata are broken in some ways: once for each such file. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libmaxminddb";
}

static size_t read_file(const char *path, char *out)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(out, 1, FILE_MAX, f);
	(void)fclose(f);
	assert_true(n > 0 && n < FILE_MAX);
	return n;
}

static struct addr ip(const char *z)
{
	struct addr a;
	assert_int_equal(addr_parse_ip(str_from(z), &a), OK);
	return a;
}

static struct geo_db *open_good(enum geo_kind kind)
{
	char mem[256];
	struct buf why;
	struct geo_db *db = NULL;
	buf_init(&why, mem, sizeof(mem));
	assert_int_equal(geo_db_open(&db, kind, kind == GEO_KIND_ASN ? SYSTEMS : COUNTRIES, &why),
			 OK);
	return db;
}

static void look_up_places(void **state)
{
	(void)state;
	static const struct {
		const char *name, *address, *country;
		uint32_t asn;
	} rows[] = {
		{"a loopback address may have a country", "127.0.10.1", "DE", 64496},
		{"the last address of a network is in it", "127.0.20.255", "CU", 64511},
		{"the next one is not", "127.0.21.0", "", 0},
		{"what no network holds is unknown", "127.0.0.1", "", 0},
		{"a narrower network counts, not the wider one", "203.0.113.64", "FR", 4200000001},
		{"beside it the wider one", "203.0.113.63", "CU", 4200000001},
		{"IPv6 has its own networks", "2001:db8:1::7", "FR", 64497},
		{"an IPv6 address that none holds is unknown", "2001:db8:3::7", "", 0},
		{"an IPv4 address within IPv6 is an IPv4 address", "::ffff:127.0.10.1", "DE",
		 64496},
	};
	struct geo_db *c = open_good(GEO_KIND_COUNTRY), *a = open_good(GEO_KIND_ASN);
	CHECK_TABLE(r, rows)
	{
		struct addr at = ip(r->address);
		char country[2];
		EXPECT_INT(geo_db_country(c, &at, country), r->country[0] != '\0');
		EXPECT_STR(((struct str){country, country[0] ? 2 : 0}), str_from(r->country));
		EXPECT_U64(geo_db_asn(a, &at), r->asn);
		EXPECT_INT(geo_db_country(a, &at, country), false);
		EXPECT_U64(geo_db_asn(c, &at), 0);
	}
	struct addr none = {.family = ADDR_NONE};
	char country[2];
	assert_false(geo_db_country(c, &none, country));
	assert_true(geo_db_made_s(c) > 1600000000);
	geo_db_free(&c);
	geo_db_free(&a);
	assert_null(c);
}

/* Whatever was opened answers, for every network of the tests and for some that are in none. */
static void ask_all(const struct geo_db *db)
{
	for (unsigned i = 0; i < 512; i++) {
		struct addr a = {.family = i % 2 ? ADDR_IP6 : ADDR_IP4};
		for (unsigned k = 0; k < 16; k++)
			a.ip[k] = (uint8_t)(i * 37 + k * (i >> 3));
		char country[2];
		(void)geo_db_country(db, &a, country);
		(void)geo_db_asn(db, &a);
	}
	static const char *const known[] = {"127.0.10.1", "127.0.20.1", "203.0.113.70",
					    "2001:db8:1::"};
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		struct addr a = ip(known[i]);
		char country[2];
		(void)geo_db_country(db, &a, country);
		(void)geo_db_asn(db, &a);
	}
}

/* Exactly the octets, at the end of what may be read, are given. True: it was taken. */
static bool try_bytes(enum geo_kind kind, const char *p, size_t n)
{
	char mem[256];
	struct buf why;
	struct geo_db *db = NULL;
	buf_init(&why, mem, sizeof(mem));
	enum err e = geo_db_open_bytes(&db, kind, (struct str){p, n}, &why);
	if (e != OK) {
		assert_null(db);
		assert_true(why.len > 0);
		return false;
	}
	ask_all(db);
	geo_db_free(&db);
	return true;
}

/* threats E14. Ours is short: it is cut at each octet, not at each 4 KB. */
static void a_database_cut_anywhere_is_refused(void **state)
{
	(void)state;
	static char file[FILE_MAX];
	for (unsigned k = 0; k < GEO_KIND_COUNT; k++) {
		size_t n = read_file(k ? SYSTEMS : COUNTRIES, file);
		for (size_t cut = 0; cut < n; cut++)
			if (try_bytes((enum geo_kind)k, file, cut))
				fail_msg("%s cut at %zu of %zu was taken",
					 geo_kind_name((enum geo_kind)k), cut, n);
		assert_true(try_bytes((enum geo_kind)k, file, n));
	}
}

static void a_database_with_any_bits_wrong_never_crashes(void **state)
{
	(void)state;
	static char file[FILE_MAX], bad[FILE_MAX];
	static const uint8_t seed[RNG_SEED_LEN] = {9};
	struct rng rng;
	unsigned refused = 0, taken = 0;
	rng_init(&rng, seed);
	for (unsigned k = 0; k < GEO_KIND_COUNT; k++) {
		size_t n = read_file(k ? SYSTEMS : COUNTRIES, file);
		for (unsigned round = 0; round < 6000; round++) {
			memcpy(bad, file, n);
			for (uint32_t flips = 1 + rng_u32(&rng) % 8; flips > 0; flips--)
				bad[rng_u32(&rng) % n] ^= (char)(1u << rng_u32(&rng) % 8);
			if (try_bytes((enum geo_kind)k, bad, n))
				taken++;
			else
				refused++;
		}
	}
	assert_true(refused > 300 && taken > 300); /* both are met */
}

/* Octets after one another set to all ones and to zero: pointers, sizes and types at their ends. */
static void a_database_with_extreme_octets_never_crashes(void **state)
{
	(void)state;
	static char file[FILE_MAX], bad[FILE_MAX];
	static const uint8_t values[] = {0xff, 0x00, 0x3f, 0xe0, 0x20};
	size_t n = read_file(COUNTRIES, file);
	for (size_t at = 0; at + 4 <= n; at++)
		for (size_t v = 0; v < ARRAY_LEN(values); v++) {
			memcpy(bad, file, n);
			memset(bad + at, values[v], 1 + at % 4);
			(void)try_bytes(GEO_KIND_COUNTRY, bad, n);
		}
}

static void a_record_that_points_between_tree_and_data_is_refused(void **state)
{
	(void)state;
	static char file[FILE_MAX];
	char mem[256];
	struct buf why;
	struct geo_db *db = NULL;
	size_t n = read_file(COUNTRIES, file);
	/* The count of nodes stands in the metadata: "node_count", a uint16 or uint32. */
	const char *at = memmem(file, n, "node_count", 10);
	assert_non_null(at);
	const uint8_t *v = (const uint8_t *)at + 10;
	uint32_t nodes = 0;
	for (unsigned i = 0; i < (v[0] & 31u); i++)
		nodes = nodes << 8 | v[1 + i];
	for (uint32_t behind = 1; behind < 16; behind++) {
		uint32_t record = nodes + behind;
		file[0] = (char)(record >> 16), file[1] = (char)(record >> 8),
		file[2] = (char)record;
		buf_init(&why, mem, sizeof(mem));
		assert_int_equal(
			geo_db_open_bytes(&db, GEO_KIND_COUNTRY, (struct str){file, n}, &why),
			ERR_BAD);
		assert_true(str_has_prefix(buf_view(&why), STR("it is damaged: node 0 of ")));
	}
}

static void what_is_no_database_of_that_kind_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum geo_kind kind;
		const char *path;
		enum err e;
		const char *why;
	} rows[] = {
		{"a file that is not there", GEO_KIND_COUNTRY, "tests/data/geo/none.mmdb", ERR_IO,
		 "No such file or directory"},
		{"a folder", GEO_KIND_COUNTRY, "tests/data/geo", ERR_IO, "it is not a file"},
		{"a device", GEO_KIND_COUNTRY, "/dev/zero", ERR_IO, "it is not a file"},
		{"a text", GEO_KIND_COUNTRY, "tests/data/geo/make.pl", ERR_BAD,
		 "The MaxMind DB file contains invalid metadata"},
		{"systems where countries are wanted", GEO_KIND_COUNTRY, SYSTEMS, ERR_BAD,
		 "it holds nothing of the kind \"country\" (it is a Test-ASN)"},
		{"countries where systems are wanted", GEO_KIND_ASN, COUNTRIES, ERR_BAD,
		 "it holds nothing of the kind \"asn\" (it is a Test-Country)"},
	};
	CHECK_TABLE(r, rows)
	{
		char mem[256];
		struct buf why;
		struct geo_db *db = NULL;
		buf_init(&why, mem, sizeof(mem));
		EXPECT_ERR(geo_db_open(&db, r->kind, r->path, &why), r->e);
		EXPECT_Z(buf_view(&why), r->why);
		EXPECT_TRUE(db == NULL);
	}
}

static void a_file_that_is_cut_and_written_to_while_in_use_changes_nothing(void **state)
{
	(void)state;
	static char file[FILE_MAX];
	char path[] = "/tmp/sallyport-geo-XXXXXX", mem[256];
	struct buf why;
	struct geo_db *db = NULL;
	size_t n = read_file(COUNTRIES, file);
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, file, n) == (ssize_t)n);
	buf_init(&why, mem, sizeof(mem));
	assert_int_equal(geo_db_open(&db, GEO_KIND_COUNTRY, path, &why), OK);
	assert_int_equal(ftruncate(fd, 0), 0);
	ask_all(db);
	memset(file, 0xff, n);
	assert_true(pwrite(fd, file, n, 0) == (ssize_t)n);
	struct addr a = ip("127.0.20.1");
	char country[2];
	assert_true(geo_db_country(db, &a, country));
	assert_memory_equal(country, "CU", 2);
	geo_db_free(&db);
	(void)close(fd);
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(look_up_places),
		cmocka_unit_test(a_database_cut_anywhere_is_refused),
		cmocka_unit_test(a_database_with_any_bits_wrong_never_crashes),
		cmocka_unit_test(a_database_with_extreme_octets_never_crashes),
		cmocka_unit_test(a_record_that_points_between_tree_and_data_is_refused),
		cmocka_unit_test(what_is_no_database_of_that_kind_is_refused),
		cmocka_unit_test(a_file_that_is_cut_and_written_to_while_in_use_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
