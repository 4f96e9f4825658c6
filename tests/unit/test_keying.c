/* Which SDES keys are offered, with which tags, and which are taken. */
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "rtpproxy/core/keying.h"
#include "tests/support/check.h"

#define K30  "2Ryt5eLKvFnyFY+eSfTfqDk0u7Gsewi8kFFmIS2G"
#define K28  "i3cNx9pBWXxRV0iNdyTgP7jYSjdqQ7j0FRihHA=="
#define S80  "AES_CM_128_HMAC_SHA1_80"
#define S32  "AES_CM_128_HMAC_SHA1_32"
#define G128 "AEAD_AES_128_GCM"

enum { ONLY_CM128 = 1 << SDES_AES_CM_128_HMAC_SHA1_80 | 1 << SDES_AES_CM_128_HMAC_SHA1_32 };

static struct sdp_media media_of(struct arena *a, const char *cryptos)
{
	static char text[4096];
	static struct sdp sdp;
	snprintf(text, sizeof(text),
		 "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 5000 RTP/SAVP 0\r\n%s",
		 cryptos);
	EXPECT_ERR(sdp_parse(str_from(text), a, &sdp), OK);
	return sdp.media[0];
}

/* "5:AES_CM_128_HMAC_SHA1_80 1:…" */
static void list_of(const struct leg_keys *k, struct buf *b)
{
	for (unsigned i = 0; i < k->ours_count; i++) {
		buf_printf(b, "%s%u:%s", i > 0 ? " " : "", k->ours[i].tag,
			   sdes_suite_info((enum sdes_suite)k->ours[i].suite)->name);
		EXPECT_INT(k->ours[i].key.len,
			   sdes_suite_info((enum sdes_suite)k->ours[i].suite)->key_len +
				   sdes_suite_info((enum sdes_suite)k->ours[i].suite)->salt_len);
	}
}

static void offers(void **state)
{
	(void)state;
	static const struct {
		const char *name, *theirs;
		struct flags_sdes flags;
		const char *want;
	} rows[] = {
		{"only what is allowed, tags from 1",
		 "",
		 {.has_only = true, .only = ONLY_CM128},
		 "1:" S80 " 2:" S32},
		{"the offerer's suites first and with its tags",
		 "a=crypto:9 " S32 " inline:" K30 "\r\n",
		 {.has_only = true, .only = ONLY_CM128},
		 "9:" S32 " 10:" S80},
		{"the offerer's order is kept",
		 "a=crypto:2 " S32 " inline:" K30 "\r\na=crypto:1 " S80 " inline:" K30 "\r\n",
		 {.has_only = true, .only = ONLY_CM128},
		 "2:" S32 " 1:" S80},
		{"a wished order goes before the offerer's",
		 "a=crypto:2 " S32 " inline:" K30 "\r\n",
		 {.has_only = true,
		  .only = ONLY_CM128,
		  .order = {SDES_AES_CM_128_HMAC_SHA1_80},
		  .order_count = 1},
		 "3:" S80 " 2:" S32},
		{"nothing new",
		 "a=crypto:4 " G128 " inline:" K28 "\r\n",
		 {.nonew = true},
		 "4:" G128},
		{"nothing new means nothing when nothing was offered",
		 "",
		 {.nonew = true, .has_only = true, .only = 1 << SDES_AEAD_AES_128_GCM},
		 "1:" G128},
		{"a tag of nine digits is not counted on",
		 "a=crypto:999999999 " S32 " inline:" K30 "\r\n",
		 {.has_only = true, .only = ONLY_CM128},
		 "999999999:" S32 " 1:" S80},
		{"a suite offered twice is offered on once, with the first tag",
		 "a=crypto:2 " S80 " inline:" K30 "\r\na=crypto:3 " S80 " inline:" K30 "\r\n",
		 {.nonew = true},
		 "2:" S80},
		{"off", "", {.off = true}, ""},
	};
	struct arena a;
	EXPECT_ERR(arena_init_sized(&a, 65536), OK);
	CHECK_TABLE(row, rows)
	{
		static const uint8_t seed[RNG_SEED_LEN] = {1};
		struct rng rng;
		struct leg_keys from = {.chosen = -1}, to = {.chosen = -1};
		char mem[1024];
		struct buf b;
		rng_init(&rng, seed);
		arena_reset(&a);
		struct sdp_media m = media_of(&a, row->theirs);
		from.theirs_count = (uint8_t)keying_read(&m, from.theirs);
		keying_offer(&to, &from, &row->flags, &rng);
		buf_init(&b, mem, sizeof(mem));
		list_of(&to, &b);
		EXPECT_Z(buf_view(&b), row->want);
	}
	arena_release(&a);
}

static void a_key_is_never_the_same_twice(void **state)
{
	(void)state;
	static const uint8_t seed[RNG_SEED_LEN] = {1};
	static const struct flags_sdes all = {.off = false};
	struct rng rng;
	struct leg_keys from = {.chosen = -1}, a = {.chosen = -1}, b = {.chosen = -1};
	rng_init(&rng, seed);
	keying_offer(&a, &from, &all, &rng);
	keying_offer(&b, &from, &all, &rng);
	assert_int_equal(a.ours_count, SDES_SUITE_COUNT);
	for (unsigned i = 0; i < SDES_SUITE_COUNT; i++) {
		assert_false(secret_eq(&a.ours[i].key, &b.ours[i].key));
		assert_false(secret_eq(&a.ours[i].key, &a.ours[(i + 1) % SDES_SUITE_COUNT].key));
	}
}

static void what_is_agreed_stays_in_a_re_offer(void **state)
{
	(void)state;
	static const uint8_t seed[RNG_SEED_LEN] = {1};
	static const struct flags_sdes all = {.off = false};
	struct rng rng;
	struct leg_keys from = {.chosen = -1}, to = {.chosen = -1};
	rng_init(&rng, seed);
	keying_offer(&to, &from, &all, &rng);
	to.chosen = 4;
	struct leg_crypto agreed = to.ours[4];
	keying_offer(&to, &from, &all, &rng);
	assert_int_equal(to.ours_count, 1);
	assert_int_equal(to.chosen, 0);
	assert_int_equal(to.ours[0].tag, agreed.tag);
	assert_true(secret_eq(&to.ours[0].key, &agreed.key));
}

static void answers(void **state)
{
	(void)state;
	static const struct {
		const char *name, *theirs;
		struct flags_sdes flags;
		int in_use; /* suite agreed before, -1 */
		int want;   /* index of theirs, -1: none */
	} rows[] = {
		{"the first one",
		 "a=crypto:1 " S32 " inline:" K30 "\r\na=crypto:2 " S80 " inline:" K30 "\r\n",
		 {.off = false},
		 -1,
		 0},
		{"the first allowed one",
		 "a=crypto:1 " S32 " inline:" K30 "\r\na=crypto:2 " S80 " inline:" K30 "\r\n",
		 {.no = 1 << SDES_AES_CM_128_HMAC_SHA1_32},
		 -1,
		 1},
		{"the one in use",
		 "a=crypto:1 " S32 " inline:" K30 "\r\na=crypto:2 " S80 " inline:" K30 "\r\n",
		 {.off = false},
		 SDES_AES_CM_128_HMAC_SHA1_80,
		 1},
		{"the one in use is no longer offered",
		 "a=crypto:1 " S32 " inline:" K30 "\r\n",
		 {.off = false},
		 SDES_AES_CM_128_HMAC_SHA1_80,
		 0},
		{"none is allowed",
		 "a=crypto:1 " S32 " inline:" K30 "\r\n",
		 {.has_only = true, .only = 0},
		 -1,
		 -1},
		{"off", "a=crypto:1 " S32 " inline:" K30 "\r\n", {.off = true}, -1, -1},
		{"unknown suites and lines with an MKI too long are not there",
		 "a=crypto:1 F8_128_HMAC_SHA1_80 inline:" K30 "\r\na=crypto:2 " S80 " inline:" K30
		 "|2^20|1:17\r\na=crypto:3 " S80 " inline:short\r\na=crypto:4 " S80 " inline:" K30
		 "\r\n",
		 {.off = false},
		 -1,
		 0},
	};
	struct arena a;
	EXPECT_ERR(arena_init_sized(&a, 65536), OK);
	CHECK_TABLE(row, rows)
	{
		static const uint8_t seed[RNG_SEED_LEN] = {1};
		struct rng rng;
		struct leg_keys k = {.chosen = -1, .chosen_in = -1};
		rng_init(&rng, seed);
		arena_reset(&a);
		struct sdp_media m = media_of(&a, row->theirs);
		k.theirs_count = (uint8_t)keying_read(&m, k.theirs);
		if (row->in_use >= 0) {
			k.ours[0].suite = (uint8_t)row->in_use;
			k.ours[0].key.len = 30;
			memset(k.ours[0].key.bytes, 7, 30);
			k.ours_count = 1;
			k.chosen = 0;
		}
		int in = keying_choose(&k, &row->flags);
		EXPECT_INT(in, row->want);
		if (in < 0) {
			continue;
		}
		struct leg_crypto theirs = k.theirs[in], before = k.ours[0];
		keying_answer(&k, in, &rng);
		EXPECT_INT(k.chosen, 0);
		EXPECT_INT(k.chosen_in, in);
		EXPECT_INT(k.ours[0].tag, theirs.tag);
		EXPECT_INT(k.ours[0].suite, theirs.suite);
		/* The key stays exactly when the suite does. */
		EXPECT_INT(secret_eq(&k.ours[0].key, &before.key),
			   row->in_use >= 0 && row->in_use == theirs.suite);
	}
	arena_release(&a);
}

/* The party finds its own MKI in our packets; in an offer of ours there is none. */
static void an_answer_has_the_mki_of_the_line_it_takes(void **state)
{
	(void)state;
	static const uint8_t seed[RNG_SEED_LEN] = {1};
	struct rng rng;
	struct arena a;
	struct leg_keys from = {.chosen = -1, .chosen_in = -1}, to = {.chosen = -1};
	rng_init(&rng, seed);
	EXPECT_ERR(arena_init_sized(&a, 65536), OK);
	struct sdp_media m = media_of(&a, "a=crypto:1 " S80 " inline:" K30 "|2^20|66051:4\r\n");
	from.theirs_count = (uint8_t)keying_read(&m, from.theirs);
	keying_offer(&to, &from, &(struct flags_sdes){.off = false}, &rng);
	EXPECT_INT(to.ours[0].mki_len, 0);
	keying_answer(&from, 0, &rng);
	EXPECT_INT(from.theirs[0].mki, 66051);
	EXPECT_INT(from.theirs[0].mki_len, 4);
	EXPECT_INT(from.ours[0].mki, 66051);
	EXPECT_INT(from.ours[0].mki_len, 4);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_has_the_mki_of_the_line_it_takes),
		cmocka_unit_test(offers),
		cmocka_unit_test(a_key_is_never_the_same_twice),
		cmocka_unit_test(what_is_agreed_stays_in_a_re_offer),
		cmocka_unit_test(answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
