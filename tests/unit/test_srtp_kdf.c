#include "rtpproxy/core/srtp_kdf.h"

#include "tests/support/check.h"
#include "tests/support/media.h"

#define MASTER_128 "e1f97a0d3e018be0d64fa32c06de4139"
#define SALT_128   "0ec675ad498afeebb6960b3aabe6"
#define MASTER_256 "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6"
#define SALT_256   "3b04803de51ee7c96423ab5b78d2"

/* RFC 3711 B.3 and RFC 6188 §7.2 */
static const struct {
	const char *name;
	const char *key, *salt;
	enum srtp_label label;
	const char *want;
} rows[] = {
	{"B.3 cipher key", MASTER_128, SALT_128, SRTP_LABEL_KEY,
	 "c61e7a93744f39ee10734afe3ff7a087"},
	{"B.3 cipher salt", MASTER_128, SALT_128, SRTP_LABEL_SALT, "30cbbc08863d8c85d49db34a9ae1"},
	{"B.3 authentication key", MASTER_128, SALT_128, SRTP_LABEL_AUTH,
	 "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbce"
	 "e049646c43d9327ad175578ef72270986371c10c9a369ac2f94a8c5fbcdddc25"
	 "6d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2"},
	{"RFC 6188 cipher key", MASTER_256, SALT_256, SRTP_LABEL_KEY,
	 "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"},
	{"RFC 6188 cipher salt", MASTER_256, SALT_256, SRTP_LABEL_SALT,
	 "fa31791685ca444a9e07c6c64e93"},
	{"RFC 6188 authentication key", MASTER_256, SALT_256, SRTP_LABEL_AUTH,
	 "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"},
};

static void test_vectors(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	{
		uint8_t key[32], want[SRTP_KDF_MAX], got[SRTP_KDF_MAX];
		struct srtp_kdf kdf = {.key = key,
				       .key_len = media_hex(row->key, key, sizeof(key))};
		media_hex(row->salt, kdf.salt, sizeof(kdf.salt));
		const size_t n = media_hex(row->want, want, sizeof(want));
		EXPECT_ERR(srtp_kdf(&kdf, row->label, got, n), OK);
		EXPECT_BYTES(got, want, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {{"session keys are those of RFC 3711 B.3 and RFC 6188 7",
					    test_vectors, NULL, NULL, NULL}};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
