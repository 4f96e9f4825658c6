#include "tests/support/check.h"

#include "common/secret.h"

static void test_life(void **state)
{
	(void)state;
	struct secret a, b;
	uint8_t long_key[SECRET_MAX + 1] = {1};
	EXPECT_ERR(secret_init(&a, "key", 3), OK);
	EXPECT_ERR(secret_init(&b, long_key, sizeof(long_key)), ERR_LIMIT);
	EXPECT_ERR(secret_init(&b, long_key, SECRET_MAX), OK);
	EXPECT_TRUE(!secret_eq(&a, &b));
	EXPECT_ERR(secret_init(&b, "key", 3), OK);
	EXPECT_TRUE(secret_eq(&a, &b));
	EXPECT_ERR(secret_init(&b, "key\0", 4), OK);
	EXPECT_TRUE(!secret_eq(&a, &b)); /* a zero byte more is another key */
	secret_release(&a);
	static const uint8_t zeros[sizeof(a.bytes)];
	EXPECT_BYTES(a.bytes, zeros, sizeof(zeros));
	EXPECT_U64(a.len, 0);
	EXPECT_ERR(secret_init(&a, NULL, 0), OK);
}

static void test_bytes(void **state)
{
	(void)state;
	uint8_t a[32] = {0}, b[32] = {0};
	EXPECT_TRUE(secret_eq_bytes(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] = 0x80;
		EXPECT_TRUE(!secret_eq_bytes(a, b, sizeof(a)));
		b[i] = 0;
	}
	EXPECT_TRUE(secret_eq_bytes(a, NULL, 0));
}

static void test_fingerprint(void **state)
{
	(void)state;
	struct secret s;
	char mem[64];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	EXPECT_ERR(secret_init(&s, "abc", 3), OK);
	secret_write_fingerprint(&b, &s);
	EXPECT_Z(buf_view(&b), "sha256:ba7816bf");
	secret_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_fingerprint),
	};
	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
