/* Bans in a file: written in pieces, whole or not at all, and read again. */
#include "sbc/shell/ban_file.h"

#include <stdlib.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/site.h"

static struct site t;
static struct log quiet;
static struct ban_file file;

static struct ban_time at(void)
{
	return (struct ban_time){t.now_ms, 1700000000000 + t.now_ms};
}

static unsigned lines(const char *path)
{
	FILE *in = fopen(path, "re");
	unsigned n = 0;

	for (int c; in && (c = getc(in)) != EOF;)
		n += c == '\n';
	if (in)
		(void)fclose(in);
	return n;
}

static void ban(unsigned number)
{
	struct ban v;
	const struct ban_order o = {
		.subject = {.kind = SUBJECT_SOURCE,
			    .source = {.addr = {.family = ADDR_IP4,
						.ip = {203, 0, (uint8_t)(number / 200),
						       (uint8_t)(number % 200)}},
				       .bits = 32}},
		.by = BAN_BY_OPERATOR,
		.seconds = 600,
		.exact = true};

	EXPECT_INT(sbc_ban(t.sbc, &o, at(), &v), BAN_NEW);
	ban_file_note(&file);
}

static void a_large_table_is_written_in_pieces(void **state)
{
	enum { ALL = 5 * BAN_FILE_AT_ONCE + 1 };
	char folder[] = "/tmp/sallyport-bans-XXXXXX", path[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/bans.jsonl", folder);
	site_init(&t);
	site_start(&t);
	EXPECT_ERR(ban_file_init(&file, str_from(path)), OK);
	for (unsigned i = 0; i < ALL; i++)
		ban(i);
	for (unsigned i = 0; i < 5; i++) {
		EXPECT_TRUE(ban_file_tick(&file, t.sbc, at(), false, &quiet));
		EXPECT_INT(lines(path), 0); /* not a half of it */
	}
	/* What comes meanwhile is in it, or in the next one. */
	ban(ALL);
	EXPECT_TRUE(!ban_file_tick(&file, t.sbc, at(), false, &quiet));
	EXPECT_TRUE(lines(path) >= ALL);
	EXPECT_TRUE(!ban_file_tick(&file, t.sbc, at(), false, &quiet)); /* not at once again */
	t.now_ms += BAN_FILE_SOON_MS;
	for (unsigned i = 0; ban_file_tick(&file, t.sbc, at(), false, &quiet); i++)
		EXPECT_TRUE(i < 10);
	EXPECT_INT(lines(path), ALL + 1);
	/* At the end nothing is left for later, whatever was under way. */
	ban(ALL + 1);
	t.now_ms += BAN_FILE_SOON_MS;
	EXPECT_TRUE(ban_file_tick(&file, t.sbc, at(), false, &quiet));
	ban(ALL + 2);
	EXPECT_TRUE(!ban_file_tick(&file, t.sbc, at(), true, &quiet));
	EXPECT_INT(lines(path), ALL + 3);
	(void)unlink(path);
	(void)rmdir(folder);
	site_stop(&t);
}

static void a_quarantine_is_not_in_it(void **state)
{
	char folder[] = "/tmp/sallyport-bans-XXXXXX", path[64];
	struct ban v;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/bans.jsonl", folder);
	site_init(&t);
	site_start(&t);
	EXPECT_ERR(ban_file_init(&file, str_from(path)), OK);
	ban(1);
	const struct ban_order o = {
		.subject = {.kind = SUBJECT_SOURCE,
			    .source = {.addr = {.family = ADDR_IP4, .ip = {192, 0, 2, 66}},
				       .bits = 32}},
		.mode = BAN_QUARANTINE,
		.seconds = 600,
		.spoofable = true};
	EXPECT_INT(sbc_ban(t.sbc, &o, at(), &v), BAN_NEW);
	(void)ban_file_tick(&file, t.sbc, at(), true, &quiet);
	EXPECT_INT(lines(path), 1);
	site_stop(&t);
	(void)unlink(path);
	(void)rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quarantine_is_not_in_it),
		cmocka_unit_test(a_large_table_is_written_in_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
