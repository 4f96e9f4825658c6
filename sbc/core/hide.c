#include "sbc/core/hide.h"

#include "common/crypto.h"
#include "common/secret.h"
#include "sbc/core/octet.h"

enum {
	RAW_LEN = HIDE_RANDOM_LEN + sizeof(id_t64), /* 20 octets: 32 characters of 5 bits */
	/* Of a shared token: */
	SALT_LEN = 6,
	CHECK_AT = SALT_LEN,
	CHECK_LEN = 2,
	BOOT_AT = CHECK_AT + CHECK_LEN,
	BOOT_LEN = 4
};
_Static_assert(BOOT_AT + BOOT_LEN == HIDE_RANDOM_LEN, "a shared token has the same length");

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
static const struct str cookie = {"z9hG4bK", 7};

_Static_assert(RAW_LEN * 8 == HIDE_TOKEN_LEN * 5, "a token is exactly its bits");

/* What the id is masked with; the kind goes in, so that a tag shown as a branch gives nonsense. */
static uint64_t mask(const struct hide *h, enum hide_kind kind, const uint8_t *random)
{
	uint8_t in[HIDE_RANDOM_LEN + 1];
	memcpy(in, random, HIDE_RANDOM_LEN);
	in[HIDE_RANDOM_LEN] = (uint8_t)kind;
	return siphash(&h->key, in, sizeof(in));
}

/* Five octets at a time are eight characters. */
static void encode(const uint8_t raw[RAW_LEN], char out[HIDE_TOKEN_LEN])
{
	for (size_t i = 0; i < RAW_LEN / 5; i++) {
		uint64_t v = 0;
		for (size_t k = 0; k < 5; k++)
			v = v << 8 | raw[5 * i + k];
		for (size_t k = 0; k < 8; k++)
			out[8 * i + k] = alphabet[v >> (35 - 5 * k) & 31];
	}
}

static int digit(char c)
{
	c = octet_lower(c);
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

static bool decode(const char in[HIDE_TOKEN_LEN], uint8_t raw[RAW_LEN])
{
	for (size_t i = 0; i < RAW_LEN / 5; i++) {
		uint64_t v = 0;
		for (size_t k = 0; k < 8; k++) {
			int d = digit(in[8 * i + k]);
			if (d < 0)
				return false;
			v = v << 5 | (unsigned)d;
		}
		for (size_t k = 0; k < 5; k++)
			raw[5 * i + k] = (uint8_t)(v >> (32 - 8 * k));
	}
	return true;
}

void hide_share(struct hide *h, struct str secret, uint32_t boot)
{
	static const char purpose[] = "sallyport tokens 1";
	uint8_t out[CRYPTO_SHA256_LEN];

	CHECK(h && secret.len && boot != 0);
	crypto_hmac_sha256(secret.p, secret.len, purpose, sizeof(purpose) - 1, out);
	memcpy(&h->key, out, sizeof(h->key));
	secret_wipe(out, sizeof(out));
	h->boot = boot;
}

static uint32_t boot_mask(const struct hide *h, enum hide_kind kind, const uint8_t *salt)
{
	uint8_t in[SALT_LEN + 1];
	memcpy(in, salt, SALT_LEN);
	in[SALT_LEN] = (uint8_t)kind;
	return (uint32_t)siphash(&h->key, in, sizeof(in));
}

/* Of all of the token but itself. */
static uint16_t check_of(const struct hide *h, enum hide_kind kind, const uint8_t raw[RAW_LEN])
{
	uint8_t in[RAW_LEN + 1];
	memcpy(in, raw, RAW_LEN);
	memset(in + CHECK_AT, 0, CHECK_LEN);
	in[RAW_LEN] = (uint8_t)kind;
	return (uint16_t)siphash(&h->key, in, sizeof(in));
}

static void put_boot(const struct hide *h, enum hide_kind kind, uint8_t raw[RAW_LEN])
{
	uint32_t masked = h->boot ^ boot_mask(h, kind, raw);
	memset(raw + CHECK_AT, 0, CHECK_LEN);
	memcpy(raw + BOOT_AT, &masked, BOOT_LEN);
}

size_t hide_make(const struct hide *h, enum hide_kind kind, const uint8_t random[HIDE_RANDOM_LEN],
		 id_t64 id, char out[HIDE_BRANCH_LEN])
{
	CHECK(kind < HIDE_KIND_COUNT);
	uint8_t raw[RAW_LEN];
	memcpy(raw, random, HIDE_RANDOM_LEN);
	if (h->boot)
		put_boot(h, kind, raw);
	uint64_t masked = id ^ mask(h, kind, raw);
	memcpy(raw + HIDE_RANDOM_LEN, &masked, sizeof(masked));
	if (h->boot) {
		uint16_t check = check_of(h, kind, raw);
		memcpy(raw + CHECK_AT, &check, CHECK_LEN);
	}
	size_t at = 0;
	if (kind == HIDE_BRANCH) {
		memcpy(out, cookie.p, cookie.len);
		at = cookie.len;
	}
	encode(raw, out + at);
	return at + HIDE_TOKEN_LEN;
}

/* Takes what put_boot and check_of have put in. */
static bool take_boot(const struct hide *h, enum hide_kind kind, uint8_t raw[RAW_LEN],
		      uint32_t *out)
{
	uint16_t check;
	memcpy(&check, raw + CHECK_AT, CHECK_LEN);
	if (check != check_of(h, kind, raw))
		return false;
	memcpy(out, raw + BOOT_AT, BOOT_LEN);
	*out ^= boot_mask(h, kind, raw);
	memset(raw + CHECK_AT, 0, CHECK_LEN); /* as it was when the id was masked */
	return *out != 0;
}

bool hide_read_any(const struct hide *h, enum hide_kind kind, struct str token,
		   struct hide_name *out)
{
	CHECK(kind < HIDE_KIND_COUNT);
	if (kind == HIDE_BRANCH) {
		if (!str_has_iprefix(token, cookie))
			return false;
		token = str_from_offset(token, cookie.len);
	}
	uint8_t raw[RAW_LEN];
	uint32_t boot = 0;
	uint64_t masked;
	if (token.len != HIDE_TOKEN_LEN || !decode(token.p, raw) ||
	    (h->boot && !take_boot(h, kind, raw, &boot)))
		return false;
	memcpy(&masked, raw + HIDE_RANDOM_LEN, sizeof(masked));
	*out = (struct hide_name){.boot = boot, .id = masked ^ mask(h, kind, raw)};
	return true;
}

bool hide_read(const struct hide *h, enum hide_kind kind, struct str token, id_t64 *out_id)
{
	struct hide_name name;

	if (!hide_read_any(h, kind, token, &name) || name.boot != h->boot)
		return false;
	*out_id = name.id;
	return true;
}

bool hide_is_rfc3261_branch(struct str branch)
{
	return branch.len > cookie.len && str_has_iprefix(branch, cookie);
}
