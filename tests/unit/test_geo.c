#include "sbc/shell/geo.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "policy/geo_rule.h"
#include "sbc/config.h"
#include "tests/support/check.h"

/* libmaxminddb 1.7.1 forgets a few kilobytes where metadata are broken in some ways: once for each such file. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libmaxminddb";
}

enum { FILE_MAX = 64 * 1024, LOOKS_MAX = 10 * 1000 * 1000 };

static char folder[64], path[128], good[FILE_MAX];
static size_t good_len;

static struct seen {
	unsigned loaded, failed;
	bool has_old;
	char why[256];
} seen;

static void on_report(void *ctx, const struct geo_report *r)
{
	struct seen *s = ctx;
	if (r->good)
		s->loaded++;
	else
		s->failed++;
	s->has_old = r->has_old;
	memcpy(s->why, r->why.p, r->why.len);
	s->why[r->why.len] = '\0';
}

/* A new file in its place, as one who takes care does it. */
static void put(const char *bytes, size_t n)
{
	char next[160];
	(void)snprintf(next, sizeof(next), "%s.new", path);
	FILE *f = fopen(next, "wb");
	assert_true(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
	assert_int_equal(rename(next, path), 0);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/sallyport-geo-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/country.mmdb", folder);
	FILE *f = fopen("tests/data/geo/country.mmdb", "rb");
	good_len = f ? fread(good, 1, sizeof(good), f) : 0;
	if (f)
		(void)fclose(f);
	return good_len > 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static struct geo *start(void)
{
	struct geo_settings s = {.country_path = str_from(path)};
	struct geo *g = NULL;
	seen = (struct seen){0};
	assert_int_equal(geo_new(&g, &s, on_report, &seen), OK);
	return g;
}

static struct str country_of(const struct geo *g, const char *ip)
{
	static char out[2];
	struct flow f = {.listener = 0};
	assert_int_equal(addr_parse_ip(str_from(ip), &f.remote), OK);
	geo_mark(g, &f);
	memcpy(out, f.country, 2);
	return (struct str){out, out[0] ? 2 : 0};
}

/* Looks until the thread that reads has told of so many; while it reads, what was there answers. */
static void look_until(struct geo *g, unsigned loaded, unsigned failed)
{
	for (unsigned i = 0; i < LOOKS_MAX; i++) {
		geo_tick(g);
		if (seen.loaded == loaded && seen.failed == failed)
			return;
		(void)sched_yield();
	}
	fail_msg("loaded %u, failed %u; wanted %u and %u", seen.loaded, seen.failed, loaded,
		 failed);
}

static void what_is_there_at_the_start_answers_at_once(void **state)
{
	(void)state;
	put(good, good_len);
	struct geo *g = start();
	assert_int_equal(seen.loaded, 1);
	EXPECT_Z(country_of(g, "127.0.20.1"), "CU");
	assert_true(geo_look(g, GEO_KIND_COUNTRY).up);
	assert_false(geo_look(g, GEO_KIND_ASN).on);
	geo_free(&g);
}

static void a_missing_file_is_told_once_and_taken_when_it_comes(void **state)
{
	(void)state;
	(void)unlink(path);
	struct geo *g = start();
	assert_int_equal(seen.failed, 1);
	assert_string_equal(seen.why, "No such file or directory");
	assert_false(seen.has_old);
	for (unsigned i = 0; i < 10; i++)
		geo_tick(g);
	assert_int_equal(seen.failed, 1);
	EXPECT_Z(country_of(g, "127.0.20.1"), "");
	assert_true(geo_look(g, GEO_KIND_COUNTRY).on && !geo_look(g, GEO_KIND_COUNTRY).up);
	put(good, good_len);
	look_until(g, 1, 1);
	EXPECT_Z(country_of(g, "127.0.20.1"), "CU");
	geo_free(&g);
}

static void a_broken_file_is_told_once_and_the_one_before_it_goes_on(void **state)
{
	(void)state;
	put(good, good_len);
	struct geo *g = start();
	put(good, good_len / 2);
	look_until(g, 1, 1);
	assert_true(seen.has_old);
	assert_false(geo_look(g, GEO_KIND_COUNTRY).up);
	assert_true(geo_look(g, GEO_KIND_COUNTRY).made_s > 0);
	EXPECT_Z(country_of(g, "127.0.20.1"), "CU");
	(void)unlink(path);
	look_until(g, 1, 2);
	assert_true(seen.has_old);
	EXPECT_Z(country_of(g, "127.0.20.1"), "CU");
	put(good, good_len);
	look_until(g, 2, 2);
	assert_true(geo_look(g, GEO_KIND_COUNTRY).up);
	geo_free(&g);
}

static void a_changed_file_is_taken_and_answers_otherwise(void **state)
{
	(void)state;
	static char changed[FILE_MAX];
	put(good, good_len);
	struct geo *g = start();
	memcpy(changed, good, good_len);
	for (char *at = changed;
	     (at = memmem(at, good_len - (size_t)(at - changed), "BCU", 3)) != NULL;)
		memcpy(at, "BNO", 3); /* a text of two letters */
	put(changed, good_len);
	look_until(g, 2, 0);
	EXPECT_Z(country_of(g, "127.0.20.1"), "NO");
	EXPECT_Z(country_of(g, "127.0.10.1"), "DE");
	geo_free(&g);
}

static void a_file_that_is_being_written_is_left_alone(void **state)
{
	(void)state;
	put(good, good_len);
	struct geo *g = start();
	struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	for (unsigned i = 0; i < 20; i++) { /* it is another one at each look */
		times[1].tv_sec++;
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
		geo_tick(g);
		assert_int_equal(seen.loaded, 1);
	}
	look_until(g, 2, 0);
	geo_free(&g);
}

static void it_may_end_while_a_file_is_read(void **state)
{
	(void)state;
	put(good, good_len);
	struct geo *g = start();
	put(good, good_len - 1);
	geo_tick(g);
	geo_tick(g);
	geo_free(&g);
	assert_null(g);
}

static void another_path_is_read_and_none_forgets_all(void **state)
{
	(void)state;
	put(good, good_len);
	struct geo *g = start();
	struct geo_settings s = {.country_path = STR("tests/data/geo/country.mmdb"),
				 .asn_path = STR("tests/data/geo/asn.mmdb")};
	geo_apply(g, &s);
	look_until(g, 3, 0);
	assert_true(geo_look(g, GEO_KIND_ASN).up);
	s.country_path = s.asn_path = STR_NONE;
	geo_apply(g, &s);
	EXPECT_Z(country_of(g, "127.0.20.1"), "");
	assert_false(geo_look(g, GEO_KIND_COUNTRY).on);
	geo_free(&g);
}

/* ---- the section of the configuration */

#define SITE                                                                                       \
	"realms: { out: { trust: none, listen: [ { transport: udp, address: 192.0.2.1 } ], "       \
	"media_policy: plain } }\n"                                                                \
	"media_policies: { plain: { rtp: allow, srtp: forbid } }\n"                                \
	"trunks: { a: { realm: out, peers: [ { target: \"sip:192.0.2.7\" } ] } }\n"                \
	"routes: [ { when: {}, to: [a] } ]\n"

static void the_section_becomes_rules_in_their_order(void **state)
{
	(void)state;
	struct conf_report report;
	struct settings *s = NULL;
	assert_int_equal(conf_report_init(&report), OK);
	enum err e = config_load_text(
		STR("geo.yaml"),
		STR(SITE
		    "geo:\n  country: c.mmdb\n  asn: a.mmdb\n  rules:\n"
		    "    - { name: ours, when: { trunk: a }, action: accept }\n"
		    "    - { when: { realm: out, country_not: [DE, NO, unknown] }, action: reject, "
		    "status: 603 }\n"
		    "    - { when: { country: [CU, FR], country_not: FR, asn: [64511, unknown, "
		    "64496] }, action: drop }\n"),
		&report, &s);
	assert_int_equal(e, OK);
	assert_int_equal(s->policy.geo_count, 3);
	EXPECT_Z(s->geo.country_path, "c.mmdb");
	const struct geo_rule *r = s->policy.geo;
	EXPECT_Z(r[0].name, "ours");
	EXPECT_INT(r[0].trunk_count, 1);
	EXPECT_TRUE(!r[0].by_country && !r[0].by_asn && r[0].action == GEO_ACCEPT);
	EXPECT_Z(r[1].name, "geo-2");
	EXPECT_INT(r[1].status, 603);
	EXPECT_INT(r[1].place.line, 10);
	EXPECT_TRUE(!country_set_has(&r[1].countries, country_code(STR("NO"))));
	EXPECT_TRUE(!country_set_has(&r[1].countries, COUNTRY_UNKNOWN));
	EXPECT_TRUE(country_set_has(&r[1].countries, country_code(STR("CU"))));
	EXPECT_TRUE(country_set_has(&r[2].countries, country_code(STR("CU"))));
	EXPECT_TRUE(!country_set_has(&r[2].countries, country_code(STR("FR"))));
	EXPECT_INT(r[2].asn.count, 3);
	EXPECT_TRUE(r[2].asn.list[0] == 0 && r[2].asn.list[1] == 64496 &&
		    r[2].asn.list[2] == 64511);
	config_free(s);
	conf_report_release(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_there_at_the_start_answers_at_once),
		cmocka_unit_test(a_missing_file_is_told_once_and_taken_when_it_comes),
		cmocka_unit_test(a_broken_file_is_told_once_and_the_one_before_it_goes_on),
		cmocka_unit_test(a_changed_file_is_taken_and_answers_otherwise),
		cmocka_unit_test(a_file_that_is_being_written_is_left_alone),
		cmocka_unit_test(it_may_end_while_a_file_is_read),
		cmocka_unit_test(another_path_is_read_and_none_forgets_all),
		cmocka_unit_test(the_section_becomes_rules_in_their_order),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
