#include "rtpproxy/core/stun.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crypto.h"
#include "tests/support/check.h"
#include "tests/support/guard.h"
#include "tests/support/media.h"

enum { LONG = 2048 };

/* A copy that ends where memory does. */
static uint8_t *guard_copy(struct guard *g, const uint8_t *p, size_t n)
{
	return (uint8_t *)(uintptr_t)guard_put(g, (struct str){(const char *)p, n}).p;
}

/* ---- the vectors of RFC 5769 */

struct vector {
	char name[32];
	uint8_t key[64];
	size_t key_len;
	uint8_t bytes[256];
	size_t len;
};

static size_t read_vectors(struct vector *out, size_t max)
{
	char line[1024];
	size_t n = 0;
	FILE *f = fopen("tests/data/rfc5769/vectors.txt", "r");
	assert_non_null(f);
	while (n < max && fgets(line, sizeof(line), f)) {
		struct str rest = str_trim(str_from(line)), name, key, hex;
		if (line[0] == '#')
			continue;
		struct vector *v = &out[n++];
		assert_true(str_cut_word(&rest, &name) && str_cut_word(&rest, &key) &&
			    str_cut_word(&rest, &hex));
		assert_int_equal(str_copy(name, v->name, sizeof(v->name)), OK);
		v->len = hex.len / 2;
		assert_true(v->len <= sizeof(v->bytes));
		assert_int_equal(str_to_hex(hex, v->bytes, v->len), OK);
		if (str_has_char(key, ':')) {
			v->key_len = crypto_hash_pieces(CRYPTO_MD5, &key, 1, v->key);
		} else {
			memcpy(v->key, key.p, key.len);
			v->key_len = key.len;
		}
	}
	fclose(f);
	return n;
}

static void all_vectors_of_rfc_5769_are_read_and_their_tags_are_right(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned class, has;
		const char *username, *mapped;
	} want[] = {
		{"2.1-request", STUN_REQUEST,
		 STUN_HAS_PRIORITY | STUN_HAS_CONTROLLED | STUN_HAS_INTEGRITY |
			 STUN_HAS_FINGERPRINT,
		 "evtj:h6vY", NULL},
		{"2.2-ipv4-response", STUN_SUCCESS,
		 STUN_HAS_MAPPED | STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT, NULL,
		 "192.0.2.1:32853"},
		{"2.3-ipv6-response", STUN_SUCCESS,
		 STUN_HAS_MAPPED | STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT, NULL,
		 "[2001:db8:1234:5678:11:2233:4455:6677]:32853"},
		{"2.4-long-term", STUN_REQUEST, STUN_HAS_INTEGRITY,
		 "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9", NULL},
	};
	static struct vector v[8];
	assert_int_equal(read_vectors(v, ARRAY_LEN(v)), ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		struct stun s;
		check_row(want[i].name);
		EXPECT_Z(str_from(v[i].name), want[i].name);
		EXPECT_ERR(stun_decode(v[i].bytes, v[i].len, &s), OK);
		EXPECT_INT(s.method, STUN_BINDING);
		EXPECT_INT(s.class, want[i].class);
		EXPECT_INT(s.has, want[i].has);
		EXPECT_STR(s.username, str_from(want[i].username));
		EXPECT_TRUE(stun_check_integrity(&s, v[i].key, v[i].key_len));
		EXPECT_TRUE(!stun_check_integrity(&s, v[i].key, v[i].key_len - 1));
		if (want[i].mapped) {
			struct addr a;
			EXPECT_ERR(addr_parse(str_from(want[i].mapped), &a), OK);
			EXPECT_TRUE(addr_eq(&a, &s.mapped));
		}
	}
}

/* Each octet of the vectors counts: changed, the fingerprint or the tag does not fit any more. Only a fingerprint that
 * calls itself something else is an attribute behind the tag, which is not looked at. */
static void a_changed_octet_is_noticed(void **state)
{
	(void)state;
	static struct vector v[8];
	size_t n = read_vectors(v, ARRAY_LEN(v));
	for (size_t i = 0; i < n; i++) {
		check_row(v[i].name);
		for (size_t k = 0; k < v[i].len; k++) {
			struct stun s;
			if (k == v[i].len - 8 || k == v[i].len - 7)
				continue;
			v[i].bytes[k] ^= 0x10;
			EXPECT_TRUE(stun_decode(v[i].bytes, v[i].len, &s) != OK ||
				    !stun_check_integrity(&s, v[i].key, v[i].key_len));
			v[i].bytes[k] ^= 0x10;
		}
	}
}

static void a_part_of_a_message_is_none(void **state)
{
	(void)state;
	static struct vector v[8];
	size_t n = read_vectors(v, ARRAY_LEN(v));
	struct guard g;
	guard_init(&g, LONG);
	for (size_t i = 0; i < n; i++) {
		check_row(v[i].name);
		for (size_t k = 0; k < v[i].len; k++) {
			struct stun s;
			const uint8_t *p = guard_copy(&g, v[i].bytes, k);
			EXPECT_ERR(stun_decode(p, k, &s), ERR_BAD);
		}
	}
	guard_release(&g);
}

/* ---- shapes */

#define HEAD(len) "0001" len "2112a442000102030405060708090a0b"

static const struct {
	const char *name;
	const char *hex;
	enum err want;
} shapes[] = {
	{"a header alone is a message", HEAD("0000"), OK},
	{"a message without the cookie is RFC 3489's and not read",
	 "000100002112a443000102030405060708090a0b", ERR_BAD},
	{"the first two bits are zero", "800100002112a442000102030405060708090a0b", ERR_BAD},
	{"the length says less than there is", HEAD("0000") "00000000", ERR_BAD},
	{"the length says more than there is", HEAD("0008") "80220000", ERR_BAD},
	{"the length is whole words", HEAD("0002") "8022", ERR_BAD},
	{"an attribute ends with the message at the latest", HEAD("0004") "80220001", ERR_BAD},
	{"padding belongs to the attribute", HEAD("0008") "8022000141000000", OK},
	{"PRIORITY has four octets", HEAD("0008") "0024000200010000", ERR_BAD},
	{"USE-CANDIDATE has none", HEAD("0008") "0025000400000000", ERR_BAD},
	{"ICE-CONTROLLING has eight", HEAD("0008") "802a000400000000", ERR_BAD},
	{"MESSAGE-INTEGRITY has twenty", HEAD("0008") "0008000400000000", ERR_BAD},
	{"an address of IPv4 has eight", HEAD("0010") "0020000c0001000100000000deadbeef", ERR_BAD},
	{"an address is of a known family", HEAD("000c") "002000080003000100000000", ERR_BAD},
	{"an address has a family", HEAD("0004") "00200000", ERR_BAD},
	{"an error code is 300 at least", HEAD("0008") "0009000400000200", ERR_BAD},
	{"an error code has two digits behind the hundreds", HEAD("0008") "0009000400000464",
	 ERR_BAD},
	{"a fingerprint has to be right", HEAD("0008") "8028000400000000", ERR_BAD},
	{"an unknown attribute that may be ignored is", HEAD("0008") "c0570004000003e7", OK},
};

static void shapes_are_strict(void **state)
{
	(void)state;
	struct guard g;
	guard_init(&g, LONG);
	CHECK_TABLE(row, shapes)
	{
		uint8_t bytes[128];
		struct stun s;
		size_t n = media_hex(row->hex, bytes, sizeof(bytes));
		EXPECT_ERR(stun_decode(guard_copy(&g, bytes, n), n, &s), row->want);
	}
	guard_release(&g);
}

static void unknown_attributes_that_must_be_understood_are_told(void **state)
{
	(void)state;
	uint8_t bytes[64];
	struct stun s;
	size_t n = media_hex(HEAD("0010") "7fff000000020004000000008fff0000", bytes, sizeof(bytes));
	EXPECT_ERR(stun_decode(bytes, n, &s), OK);
	EXPECT_INT(s.unknown_count, 2);
	EXPECT_INT(s.unknown[0], 0x7fff);
	EXPECT_INT(s.unknown[1], 2);
}

static void a_message_has_a_longest_length_and_a_number_of_attributes(void **state)
{
	(void)state;
	static uint8_t big[LONG], many[STUN_HEADER_LEN + 4 * (STUN_ATTRS_MAX + 1)];
	struct stun_writer w;
	struct stun s;
	static const uint8_t id[STUN_ID_LEN] = {1};
	stun_start(&w, big, sizeof(big), STUN_REQUEST, STUN_BINDING, id);
	static const uint8_t zeros[STUN_LEN_MAX];
	stun_add(&w, (enum stun_attr)0x8022, zeros, STUN_LEN_MAX);
	size_t n = stun_end(&w, NULL, 0);
	EXPECT_ERR(stun_decode(big, n, &s), ERR_LIMIT);
	stun_start(&w, many, sizeof(many), STUN_REQUEST, STUN_BINDING, id);
	for (int i = 0; i <= STUN_ATTRS_MAX; i++)
		stun_add(&w, (enum stun_attr)0x8022, NULL, 0);
	many[3] = 4 * (STUN_ATTRS_MAX + 1);
	EXPECT_ERR(stun_decode(many, sizeof(many), &s), ERR_LIMIT);
	many[3] -= 4;
	EXPECT_ERR(stun_decode(many, sizeof(many) - 4, &s), OK);
}

/* ---- writing */

static void what_is_written_is_read_again(void **state)
{
	(void)state;
	static const uint8_t id[STUN_ID_LEN] = {9, 8, 7};
	static const uint16_t unknown[2] = {3, 4};
	uint8_t mem[256];
	for (unsigned class = 0; class < STUN_CLASS_COUNT; class ++) {
		for (unsigned method = 1; method <= 0xfff; method += 13) {
			struct stun_writer w;
			struct stun s;
			struct addr a = media_addr(7, 4321);
			stun_start(&w, mem, sizeof(mem), (enum stun_class) class, (uint16_t)method,
				   id);
			stun_add(&w, STUN_USERNAME, "ab:c", 4);
			stun_add_u32(&w, STUN_PRIORITY, 0x6e0001ff);
			stun_add_u64(&w, STUN_CONTROLLING, UINT64_C(0x0102030405060708));
			stun_add(&w, STUN_USE_CANDIDATE, NULL, 0);
			stun_add_mapped(&w, &a);
			stun_add_error(&w, 487);
			stun_add_unknown(&w, unknown, 2);
			size_t n = stun_end(&w, "key", 3);
			EXPECT_TRUE(n > 0);
			EXPECT_ERR(stun_decode(mem, n, &s), OK);
			EXPECT_INT(s.class, class);
			EXPECT_INT(s.method, method);
			EXPECT_STR(s.username, STR("ab:c"));
			EXPECT_INT(s.priority, 0x6e0001ff);
			EXPECT_U64(s.tie_breaker, UINT64_C(0x0102030405060708));
			EXPECT_TRUE(addr_eq(&s.mapped, &a));
			EXPECT_INT(s.error, 487);
			EXPECT_BYTES(s.p + 8, id, STUN_ID_LEN);
			EXPECT_TRUE(s.has & STUN_HAS_USE_CANDIDATE);
			EXPECT_TRUE(stun_check_integrity(&s, "key", 3));
			EXPECT_TRUE(!stun_check_integrity(&s, "kez", 3));
		}
	}
}

static void what_does_not_fit_is_not_written(void **state)
{
	(void)state;
	static const uint8_t id[STUN_ID_LEN] = {0};
	struct addr a = media_addr(7, 4321);
	struct guard g;
	guard_init(&g, LONG);
	static const uint8_t empty[80];
	for (size_t cap = 0; cap < 64; cap++) {
		struct stun_writer w;
		stun_start(&w, guard_copy(&g, empty, cap), cap, STUN_SUCCESS, STUN_BINDING, id);
		stun_add_mapped(&w, &a);
		EXPECT_INT(stun_end(&w, "key", 3), 0);
	}
	guard_release(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_vectors_of_rfc_5769_are_read_and_their_tags_are_right),
		cmocka_unit_test(a_changed_octet_is_noticed),
		cmocka_unit_test(a_part_of_a_message_is_none),
		cmocka_unit_test(shapes_are_strict),
		cmocka_unit_test(unknown_attributes_that_must_be_understood_are_told),
		cmocka_unit_test(a_message_has_a_longest_length_and_a_number_of_attributes),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(what_does_not_fit_is_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
