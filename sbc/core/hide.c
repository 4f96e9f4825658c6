#include "sbc/core/hide.h"

#include "sbc/core/octet.h"

enum { RAW_LEN = HIDE_RANDOM_LEN + sizeof(id_t64) }; /* 20 octets: 32 characters of 5 bits */

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

size_t hide_make(const struct hide *h, enum hide_kind kind, const uint8_t random[HIDE_RANDOM_LEN],
		 id_t64 id, char out[HIDE_BRANCH_LEN])
{
	CHECK(kind < HIDE_KIND_COUNT);
	uint8_t raw[RAW_LEN];
	uint64_t masked = id ^ mask(h, kind, random);
	memcpy(raw, random, HIDE_RANDOM_LEN);
	memcpy(raw + HIDE_RANDOM_LEN, &masked, sizeof(masked));
	size_t at = 0;
	if (kind == HIDE_BRANCH) {
		memcpy(out, cookie.p, cookie.len);
		at = cookie.len;
	}
	encode(raw, out + at);
	return at + HIDE_TOKEN_LEN;
}

bool hide_read(const struct hide *h, enum hide_kind kind, struct str token, id_t64 *out_id)
{
	CHECK(kind < HIDE_KIND_COUNT);
	if (kind == HIDE_BRANCH) {
		if (!str_has_iprefix(token, cookie))
			return false;
		token = str_from_offset(token, cookie.len);
	}
	uint8_t raw[RAW_LEN];
	uint64_t masked;
	if (token.len != HIDE_TOKEN_LEN || !decode(token.p, raw))
		return false;
	memcpy(&masked, raw + HIDE_RANDOM_LEN, sizeof(masked));
	*out_id = masked ^ mask(h, kind, raw);
	return true;
}

bool hide_is_rfc3261_branch(struct str branch)
{
	return branch.len > cookie.len && str_has_iprefix(branch, cookie);
}
