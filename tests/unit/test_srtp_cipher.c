#include "rtpproxy/core/srtp_cipher.h"

#include <string.h>

#include "tests/support/check.h"
#include "tests/support/media.h"

enum { ROOM = 256 };

static struct cipher_pad pad;

static EVP_CIPHER_CTX *aes_of(const char *hex)
{
	uint8_t key[32];
	const size_t len = media_hex(hex, key, sizeof(key));
	return cipher_aes_new(len == 32 ? EVP_aes_256_ecb() : EVP_aes_128_ecb(), key);
}

/* Key streams: RFC 3711 B.2, RFC 6188 §7.1. */
static const struct {
	const char *name;
	const char *key, *iv, *want;
} streams[] = {
	{"RFC 3711 B.2, first blocks", "2b7e151628aed2a6abf7158809cf4f3c",
	 "f0f1f2f3f4f5f6f7f8f9fafbfcfd0000",
	 "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4f"
	 "ca894c0"},
	{"RFC 3711 B.2, last blocks", "2b7e151628aed2a6abf7158809cf4f3c",
	 "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
	 "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b1"
	 "7"
	 "ba6c44"},
	{"RFC 6188 7.1", "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
	 "f0f1f2f3f4f5f6f7f8f9fafbfcfd0000",
	 "92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac63c4868b7096d88421b563b8c"
	 "94c9a31"},
};

static void test_counter_mode(void **state)
{
	(void)state;
	uint8_t iv[16];
	CHECK_TABLE(row, streams)
	{
		media_hex(row->iv, iv, sizeof(iv));
		EVP_CIPHER_CTX *aes = aes_of(row->key);
		uint8_t want[48];
		media_hex(row->want, want, sizeof(want));
		for (size_t len = 0; len <= sizeof(want); len++) {
			uint8_t p[64];
			memset(p, 0, sizeof(p));
			EXPECT_TRUE(cipher_cm(&pad, aes, iv, p, len));
			EXPECT_BYTES(p, want, len);
			for (size_t i = len; i < sizeof(p); i++)
				EXPECT_INT(p[i], 0);
		}
		EVP_CIPHER_CTX_free(aes);
	}
}

/* RFC 2202 §3 (test 1), and lengths around the ends of SHA-1's blocks against openssl's own HMAC. */
static void test_hmac(void **state)
{
	(void)state;
	struct cipher_hmac h;
	uint8_t key[CIPHER_HMAC_KEY], want[CIPHER_HMAC_LEN], got[CIPHER_HMAC_LEN];
	memset(key, 0x0b, sizeof(key));
	media_hex("b617318655057264e28bc0b6fb378c8ef146be00", want, sizeof(want));
	cipher_hmac_init(&h, key);
	cipher_hmac(&h, (const uint8_t *)"Hi There", 8, NULL, 0, got);
	EXPECT_BYTES(got, want, sizeof(want));
	for (size_t len = 0; len < 260; len++) {
		uint8_t text[300];
		size_t want_len = 0;
		uint64_t random = len;
		media_random_bytes(&random, text, sizeof(text));
		assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA1", NULL, key, sizeof(key), text,
					  len + 4, want, sizeof(want), &want_len));
		cipher_hmac(&h, text, len, text + len, 4, got);
		EXPECT_BYTES(got, want, sizeof(want));
	}
}

/* RFC 7714 §16.1.1 and §16.2.1: session keys, header, text. */
#define GCM_TEXT                                                                                   \
	"47616c6c696120657374206f6d6e697320646976697361"                                           \
	"20696e207061727465732074726573"
#define GCM_HEAD "8040f17b8041f8d35501a0b2"
#define GCM_IV   "51753c6580c2726f20718414"

static const struct {
	const char *name;
	const char *key, *want;
} seals[] = {
	{"RFC 7714 16.1.1", "000102030405060708090a0b0c0d0e0f",
	 "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
	 "899d7f27beb16a9152cf765ee4390cce"},
	{"RFC 7714 16.2.1", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	 "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
	 "7aa3db36dfffd6b0f9bb7878d7a76c13"},
};

static void test_gcm(void **state)
{
	(void)state;
	CHECK_TABLE(row, seals)
	{
		EVP_CIPHER_CTX *aes = aes_of(row->key);
		GCM128_CONTEXT *gcm = cipher_gcm_new(&pad, aes);
		uint8_t text[ROOM], plain[ROOM], want[ROOM], head[12], iv[12];
		const size_t len = media_hex(GCM_TEXT, text, ROOM);
		const size_t want_len = media_hex(row->want, want, ROOM);
		media_hex(GCM_HEAD, head, sizeof(head));
		media_hex(GCM_IV, iv, sizeof(iv));
		memcpy(plain, text, len);
		struct cipher_gcm_op op = {.aes = aes,
					   .gcm = gcm,
					   .new_key = true,
					   .iv = iv,
					   .aad = head,
					   .aad_len = 8,
					   .more_aad = head + 8,
					   .more_aad_len = 4,
					   .p = text,
					   .len = len,
					   .tag = text + len};
		EXPECT_INT(want_len, len + CIPHER_GCM_TAG);
		EXPECT_TRUE(cipher_gcm_seal(&pad, &op));
		EXPECT_BYTES(text, want, want_len);
		EXPECT_TRUE(cipher_gcm_open(&pad, &op));
		EXPECT_BYTES(text, plain, len);
		for (size_t bit = 0; bit < 8 * want_len; bit++) {
			memcpy(text, want, want_len);
			text[bit / 8] ^= (uint8_t)(1 << bit % 8);
			EXPECT_TRUE(!cipher_gcm_open(&pad, &op));
		}
		CRYPTO_gcm128_release(gcm);
		EVP_CIPHER_CTX_free(aes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"AES-CM key streams are those of RFC 3711 B.2 and RFC 6188 7.1", test_counter_mode,
		 NULL, NULL, NULL},
		{"HMAC-SHA1 from saved states is that of RFC 2202 and of libcrypto", test_hmac,
		 NULL, NULL, NULL},
		{"GCM seals and opens as RFC 7714 16.1 and 16.2 say", test_gcm, NULL, NULL, NULL},
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
