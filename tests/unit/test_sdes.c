#include "tests/support/check.h"
#include "tests/support/guard.h"

#include "common/crypto.h"
#include "common/sdes.h"

/* Keys of 30, 46, 28 and 44 bytes. */
#define KEY30 "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
#define KEY46 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLQ"
#define KEY28 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw"
#define KEY44 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKis"

static void test_lines(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in;
		enum err err;
		const char *out; /* NULL: as in */
	} rows[] = {
		{"RFC 4568's example", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|2^20|1:4", OK,
		 NULL},
		{"no lifetime, no MKI", "1 AES_CM_128_HMAC_SHA1_32 inline:" KEY30, OK, NULL},
		{"lifetime in figures", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|1048576", OK,
		 "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|2^20"},
		{"an odd lifetime", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|1000", OK, NULL},
		{"MKI without lifetime", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|1066:4", OK,
		 NULL},
		{"AES-256", "2 AES_256_CM_HMAC_SHA1_80 inline:" KEY46 "==", OK, NULL},
		{"AES-256, short tag", "2 AES_256_CM_HMAC_SHA1_32 inline:" KEY46 "==", OK, NULL},
		{"without padding", "2 AES_256_CM_HMAC_SHA1_80 inline:" KEY46, OK,
		 "2 AES_256_CM_HMAC_SHA1_80 inline:" KEY46 "=="},
		{"GCM 128", "3 AEAD_AES_128_GCM inline:" KEY28 "==", OK, NULL},
		{"GCM 256", "4 AEAD_AES_256_GCM inline:" KEY44 "=", OK, NULL},
		{"the largest tag", "999999999 AEAD_AES_256_GCM inline:" KEY44 "=", OK, NULL},
		{"names in lower case", "1 aes_cm_128_hmac_sha1_80 INLINE:" KEY30, OK,
		 "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30},
		{"spaces around", " 1  AES_CM_128_HMAC_SHA1_80 inline:" KEY30 " ", OK,
		 "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30},
		{"a window size hint", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 " WSH=256", OK,
		 "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30},
		{"an unknown parameter that may be ignored",
		 "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 " -XYZ=1", OK,
		 "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30},

		{"an unknown parameter", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 " XYZ=1",
		 ERR_UNSUPPORTED, NULL},
		{"no encryption", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 " UNENCRYPTED_SRTP",
		 ERR_UNSUPPORTED, NULL},
		{"no authentication",
		 "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 " UNAUTHENTICATED_SRTP", ERR_UNSUPPORTED,
		 NULL},
		{"a key derivation rate", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 " KDR=10",
		 ERR_UNSUPPORTED, NULL},
		{"the null cipher", "1 NULL_HMAC_SHA1_80 inline:" KEY30, ERR_UNSUPPORTED, NULL},
		{"F8", "1 F8_128_HMAC_SHA1_80 inline:" KEY30, ERR_UNSUPPORTED, NULL},
		{"AES-192", "1 AES_192_CM_HMAC_SHA1_80 inline:" KEY30, ERR_UNSUPPORTED, NULL},
		{"a suite nobody knows", "1 FOO inline:x", ERR_UNSUPPORTED, NULL},
		{"another key method", "1 AES_CM_128_HMAC_SHA1_80 uri:http://x", ERR_UNSUPPORTED,
		 NULL},
		{"two keys", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|1:1;inline:" KEY30 "|2:1",
		 ERR_UNSUPPORTED, NULL},
		{"an MKI above 64 bits",
		 "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|99999999999999999999:16",
		 ERR_UNSUPPORTED, NULL},
		{"WSH without number", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 " WSH=", ERR_BAD,
		 NULL},
		{"nothing", "", ERR_BAD, NULL},
		{"a tag alone", "1", ERR_BAD, NULL},
		{"no key", "1 AES_CM_128_HMAC_SHA1_80", ERR_BAD, NULL},
		{"an empty key", "1 AES_CM_128_HMAC_SHA1_80 inline:", ERR_BAD, NULL},
		{"a tag that is no number", "x AES_CM_128_HMAC_SHA1_80 inline:" KEY30, ERR_BAD,
		 NULL},
		{"a negative tag", "-1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, ERR_BAD, NULL},
		{"a tag of ten digits", "1000000000 AES_CM_128_HMAC_SHA1_80 inline:" KEY30, ERR_BAD,
		 NULL},
		{"a short key", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY28, ERR_BAD, NULL},
		{"a long key", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY46, ERR_BAD, NULL},
		{"a CM key under a GCM suite", "1 AEAD_AES_128_GCM inline:" KEY30, ERR_BAD, NULL},
		{"no base64",
		 "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGV*",
		 ERR_BAD, NULL},
		{"a key longer than any secret",
		 "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 KEY30 KEY30, ERR_BAD, NULL},
		{"lifetime 0", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|0", ERR_BAD, NULL},
		{"lifetime 2^49", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|2^49", ERR_BAD, NULL},
		{"lifetime 2^64", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|2^64", ERR_BAD, NULL},
		{"lifetime that is no number", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|x",
		 ERR_BAD, NULL},
		{"an empty lifetime", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|", ERR_BAD, NULL},
		{"MKI before lifetime", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|1:4|2^20",
		 ERR_BAD, NULL},
		{"MKI of length 0", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|1:0", ERR_BAD,
		 NULL},
		{"MKI of length 129", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|1:129", ERR_BAD,
		 NULL},
		{"MKI that does not fit its length",
		 "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|256:1", ERR_BAD, NULL},
		{"two MKIs", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|1:4|1:4", ERR_BAD, NULL},
		{"four parts", "1 AES_CM_128_HMAC_SHA1_80 inline:" KEY30 "|2^20|1:4|", ERR_BAD,
		 NULL},
	};
	struct guard g;
	guard_init(&g, 512);
	CHECK_TABLE(row, rows)
	{
		struct sdes s = {.tag = 12345};
		EXPECT_ERR(sdes_parse(guard_put(&g, str_from(row->in)), &s), row->err);
		if (row->err != OK) {
			EXPECT_INT(s.tag, 12345);
			continue;
		}
		char mem[SDES_LINE_MAX];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		sdes_write(&b, &s);
		EXPECT_Z(buf_view(&b), row->out ? row->out : row->in);
		sdes_release(&s);
		/* No prefix does more than fail or parse. */
		for (size_t n = 0; n < strlen(row->in); n++)
			if (sdes_parse(guard_put(&g, (struct str){row->in, n}), &s) == OK)
				sdes_release(&s);
	}
	guard_release(&g);
}

static void test_key_and_release(void **state)
{
	(void)state;
	struct sdes s;
	uint8_t want[46];
	for (unsigned i = 0; i < sizeof(want); i++)
		want[i] = (uint8_t)i;
	EXPECT_ERR(sdes_parse(STR("7 AES_256_CM_HMAC_SHA1_80 inline:" KEY46), &s), OK);
	EXPECT_INT(s.tag, 7);
	EXPECT_INT(s.suite, SDES_AES_256_CM_HMAC_SHA1_80);
	EXPECT_U64(s.key.len, sizeof(want));
	EXPECT_BYTES(s.key.bytes, want, sizeof(want));
	char mem[SDES_LINE_MAX];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	sdes_write_unpadded(&b, &s);
	EXPECT_Z(buf_view(&b), "7 AES_256_CM_HMAC_SHA1_80 inline:" KEY46);
	sdes_release(&s);
	static const uint8_t zeros[sizeof(s.key.bytes)];
	EXPECT_BYTES(s.key.bytes, zeros, sizeof(zeros));
}

static void test_suites(void **state)
{
	(void)state;
	for (int i = 0; i < SDES_SUITE_COUNT; i++) {
		const struct sdes_suite_info *info = sdes_suite_info((enum sdes_suite)i);
		enum sdes_suite found;
		check_row(info->name);
		EXPECT_ERR(sdes_suite_find(str_from(info->name), &found), OK);
		EXPECT_INT(found, i);
		EXPECT_TRUE(info->key_len == 16 || info->key_len == 32);
		EXPECT_INT(info->salt_len, info->rtp_tag_len == 16 ? 12 : 14);
		EXPECT_TRUE(info->rtcp_tag_len >= info->rtp_tag_len);
		/* The longest line of each fits. */
		struct sdes s = {.tag = 999999999,
				 .suite = (enum sdes_suite)i,
				 .lifetime = ((uint64_t)1 << 48) - 1,
				 .mki = UINT64_MAX,
				 .mki_len = 128};
		uint8_t key[46] = {0xff};
		char mem[SDES_LINE_MAX];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		EXPECT_ERR(secret_init(&s.key, key, (size_t)info->key_len + info->salt_len), OK);
		sdes_write(&b, &s);
		EXPECT_TRUE(!b.overflow);
		struct sdes again;
		EXPECT_ERR(sdes_parse(buf_view(&b), &again), OK);
		EXPECT_TRUE(secret_eq(&s.key, &again.key) && s.mki == again.mki &&
			    s.lifetime == again.lifetime && s.mki_len == again.mki_len);
	}
	enum sdes_suite none;
	EXPECT_ERR(sdes_suite_find(STR("NULL_HMAC_SHA1_80"), &none), ERR_NOTFOUND);
	EXPECT_ERR(sdes_suite_find(STR_NONE, &none), ERR_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_key_and_release),
		cmocka_unit_test(test_suites),
	};
	return cmocka_run_group_tests_name("sdes", tests, NULL, NULL);
}
