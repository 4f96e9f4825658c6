#include "tests/support/check.h"
#include "tests/support/guard.h"

#include <pthread.h>

#include "common/crypto.h"

static void expect_hex(const uint8_t *got, size_t n, const char *hex)
{
	char mem[256];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_hex(&b, got, n);
	EXPECT_Z(buf_view(&b), hex);
}

/* FIPS 180-2, appendix B. */
static void test_sha256(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str in;
		const char *want;
	} rows[] = {
		{"nothing", STR_NONE,
		 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", STR("abc"),
		 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"two blocks", STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	CHECK_TABLE(row, rows)
	{
		uint8_t out[CRYPTO_SHA256_LEN];
		crypto_sha256(row->in.p, row->in.len, out);
		expect_hex(out, sizeof(out), row->want);
	}
}

/* RFC 4231. */
static void test_hmac(void **state)
{
	(void)state;
	static uint8_t aa[131];
	memset(aa, 0xaa, sizeof(aa));
	static const struct {
		const char *name;
		struct str key, in;
		const char *want;
	} rows[] = {
		{"test case 1",
		 STR("\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
		     "\x0b"),
		 STR("Hi There"),
		 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"test case 2, a short key", STR("Jefe"), STR("what do ya want for nothing?"),
		 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"test case 6, a key longer than a block",
		 {(const char *)aa, sizeof(aa)},
		 STR("Test Using Larger Than Block-Size Key - Hash Key First"),
		 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{"an empty key is not the key of last time", STR_NONE, STR_NONE,
		 "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
	};
	CHECK_TABLE(row, rows)
	{
		uint8_t out[CRYPTO_SHA256_LEN];
		crypto_hmac_sha256(row->key.p, row->key.len, row->in.p, row->in.len, out);
		expect_hex(out, sizeof(out), row->want);
	}
}

/* RFC 8439 A.1, vectors 1, 2: zero key and nonce. The 64-bit counter reaches over 32 bits. */
static void test_chacha20(void **state)
{
	(void)state;
	uint8_t key[32] = {0}, out[128], again[64];
	crypto_chacha20(key, 0, out, sizeof(out));
	expect_hex(out, 64,
		   "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
		   "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
	expect_hex(out + 64, 64,
		   "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
		   "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
	crypto_chacha20(key, 1, again, sizeof(again));
	EXPECT_BYTES(again, out + 64, 64);
	crypto_chacha20(key, 0xffffffff, out, sizeof(out));
	crypto_chacha20(key, 0x100000000, again, sizeof(again));
	EXPECT_BYTES(again, out + 64, 64);
	crypto_chacha20(key, 0, again, 0);
}

static void test_base64(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str text;
		enum err err;
		struct str bytes;
		bool is_canonical;
	} rows[] = {
		{"RFC 4648: f", STR("Zg=="), OK, STR("f"), true},
		{"RFC 4648: fo", STR("Zm8="), OK, STR("fo"), true},
		{"RFC 4648: foo", STR("Zm9v"), OK, STR("foo"), true},
		{"RFC 4648: foobar", STR("Zm9vYmFy"), OK, STR("foobar"), true},
		{"nothing", STR_NONE, OK, STR_NONE, true},
		{"all digits' ends", STR("+/+/"), OK, STR("\xfb\xff\xbf"), true},
		{"no padding, one byte", STR("Zg"), OK, STR("f"), false},
		{"no padding, two bytes", STR("Zm8"), OK, STR("fo"), false},
		{"half a padding", STR("Zg="), ERR_BAD, STR_NONE, false},
		{"too much padding", STR("Zg==="), ERR_BAD, STR_NONE, false},
		{"padding alone", STR("===="), ERR_BAD, STR_NONE, false},
		{"padding inside", STR("Zg==Zg=="), ERR_BAD, STR_NONE, false},
		{"one digit alone", STR("Z"), ERR_BAD, STR_NONE, false},
		{"five digits", STR("Zm9vZ"), ERR_BAD, STR_NONE, false},
		{"bits beyond the last byte", STR("Zh=="), ERR_BAD, STR_NONE, false},
		{"bits beyond the last of two bytes", STR("Zm9="), ERR_BAD, STR_NONE, false},
		{"the URL alphabet", STR("-_-_"), ERR_BAD, STR_NONE, false},
		{"a line end", STR("Zm9v\nZm9v"), ERR_BAD, STR_NONE, false},
		{"a NUL", STR("Zm9\0"), ERR_BAD, STR_NONE, false},
		{"a byte with the high bit", STR("Zm9\xff"), ERR_BAD, STR_NONE, false},
		{"nine bytes do not fit into eight", STR("YWJjZGVmZ2hp"), ERR_LIMIT, STR_NONE,
		 false},
	};
	struct guard g;
	guard_init(&g, 64);
	CHECK_TABLE(row, rows)
	{
		char out[8] = "########";
		size_t n = sizeof(out);
		EXPECT_ERR(crypto_read_base64(guard_put(&g, row->text), out, &n), row->err);
		if (row->err != OK) {
			EXPECT_BYTES(out, "########", 8);
			EXPECT_U64(n, sizeof(out));
			continue;
		}
		EXPECT_STR(((struct str){out, n}), row->bytes);
		char mem[16];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		crypto_write_base64(&b, out, n);
		EXPECT_INT(str_eq(buf_view(&b), row->text), row->is_canonical);
	}
	guard_release(&g);
}

static void *hash_in_thread(void *arg)
{
	uint8_t key[32] = {0};
	crypto_sha256("abc", 3, arg);
	crypto_chacha20(key, 0, (uint8_t *)arg + CRYPTO_SHA256_LEN, 64);
	return NULL;
}

static void test_threads_have_their_own_contexts(void **state)
{
	(void)state;
	enum { THREADS = 8 };
	pthread_t threads[THREADS];
	uint8_t out[THREADS][CRYPTO_SHA256_LEN + 64];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hash_in_thread, out[i]), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (int i = 1; i < THREADS; i++)
		EXPECT_BYTES(out[i], out[0], sizeof(out[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_chacha20),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_threads_have_their_own_contexts),
	};
	return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
