#include "srtp_cipher.h"

#include <endian.h>
#include <string.h>

#include <openssl/sha.h>

#include "common/secret.h"

enum { SHA_BLOCK = 64, GCM_IV = 12, TAIL_MAX = 8 };

typedef uint64_t v128 __attribute__((vector_size(CIPHER_BLOCK)));

static void store_be32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

/*
 * The one place with libcrypto's low-level SHA-1: deprecated since 3.0, but EVP cannot start from a saved state
 * without a copy that costs as much as the hash (measured: 231 ns an HMAC with EVP_MD_CTX_copy_ex, 150 so).
 * Goes on from `state` over whole blocks.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void sha1_blocks(uint32_t state[5], const uint8_t *p, size_t blocks)
{
	SHA_CTX c;
	c.h0 = state[0];
	c.h1 = state[1];
	c.h2 = state[2];
	c.h3 = state[3];
	c.h4 = state[4];
	c.Nl = c.Nh = c.num = 0;
	SHA1_Update(&c, p, blocks * SHA_BLOCK);
	state[0] = c.h0;
	state[1] = c.h1;
	state[2] = c.h2;
	state[3] = c.h3;
	state[4] = c.h4;
}
#pragma GCC diagnostic pop

static void hash_key_block(uint32_t state[5], const uint8_t key[CIPHER_HMAC_KEY], uint8_t with)
{
	static const uint32_t start[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
					  0xc3d2e1f0};
	uint8_t block[SHA_BLOCK];
	memset(block, with, sizeof(block));
	for (size_t i = 0; i < CIPHER_HMAC_KEY; i++)
		block[i] ^= key[i];
	memcpy(state, start, sizeof(start));
	sha1_blocks(state, block, 1);
	secret_wipe(block, sizeof(block));
}

void cipher_hmac_init(struct cipher_hmac *h, const uint8_t key[CIPHER_HMAC_KEY])
{
	hash_key_block(h->inner, key, 0x36);
	hash_key_block(h->outer, key, 0x5c);
}

void cipher_hmac(const struct cipher_hmac *h, const uint8_t *p, size_t len, const uint8_t *tail,
		 size_t tail_len, uint8_t out[CIPHER_HMAC_LEN])
{
	CHECK(tail_len <= TAIL_MAX);
	uint32_t state[5];
	uint8_t end[2 * SHA_BLOCK] = {0};
	const size_t whole = len / SHA_BLOCK;
	size_t rest = len % SHA_BLOCK;

	memcpy(state, h->inner, sizeof(state));
	if (whole > 0)
		sha1_blocks(state, p, whole);
	memcpy(end, p + whole * SHA_BLOCK, rest);
	if (tail_len > 0)
		memcpy(end + rest, tail, tail_len);
	rest += tail_len;
	end[rest++] = 0x80;
	const size_t blocks = rest + 8 > SHA_BLOCK ? 2 : 1;
	store_be32(end + blocks * SHA_BLOCK - 4, (uint32_t)(SHA_BLOCK + len + tail_len) * 8);
	sha1_blocks(state, end, blocks);

	memset(end, 0, SHA_BLOCK);
	for (size_t i = 0; i < 5; i++)
		store_be32(end + 4 * i, state[i]);
	end[CIPHER_HMAC_LEN] = 0x80;
	store_be32(end + SHA_BLOCK - 4, (SHA_BLOCK + CIPHER_HMAC_LEN) * 8);
	memcpy(state, h->outer, sizeof(state));
	sha1_blocks(state, end, 1);
	for (size_t i = 0; i < 5; i++)
		store_be32(out + 4 * i, state[i]);
}

EVP_CIPHER_CTX *cipher_aes_new(const EVP_CIPHER *ecb, const uint8_t *key)
{
	EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
	if (aes && EVP_EncryptInit_ex(aes, ecb, NULL, key, NULL) != 1) {
		EVP_CIPHER_CTX_free(aes);
		aes = NULL;
	}
	return aes;
}

bool cipher_aes_set_key(EVP_CIPHER_CTX *aes, const uint8_t *key)
{
	return EVP_EncryptInit_ex(aes, NULL, NULL, key, NULL) == 1;
}

/* Blocks first … end−1 of the pad := iv with the counter in its last eight bytes. */
static void write_counters(struct cipher_pad *pad, const uint8_t *iv, size_t first, size_t end)
{
	uint64_t high, low;
	memcpy(&high, iv, 8);
	memcpy(&low, iv + 8, 8);
	const uint64_t base = be64toh(low);
	for (size_t i = first; i < end; i++) {
		/* Stored whole: the cipher's wide load would have to wait for two halves. */
		const v128 counter = {high, htobe64(base + i)};
		memcpy(pad->block[i], &counter, sizeof(counter));
	}
}

/* EVP_Cipher hands whole blocks straight to the cipher; EVP_EncryptUpdate costs twice as much. */
static bool encrypt_pad(struct cipher_pad *pad, EVP_CIPHER_CTX *aes, size_t first, size_t end)
{
	const unsigned bytes = (unsigned)((end - first) * CIPHER_BLOCK);
	return EVP_Cipher(aes, pad->block[first], pad->block[first], bytes) == (int)bytes;
}

static void xor_bytes(const uint8_t *in, const uint8_t *with, uint8_t *out, size_t len)
{
	size_t i = 0;
	for (; i + CIPHER_BLOCK <= len; i += CIPHER_BLOCK) {
		v128 a, b;
		memcpy(&a, in + i, sizeof(a));
		memcpy(&b, with + i, sizeof(b));
		a ^= b;
		memcpy(out + i, &a, sizeof(a));
	}
	for (; i < len; i++)
		out[i] = in[i] ^ with[i];
}

static size_t blocks_of(size_t len)
{
	return (len + CIPHER_BLOCK - 1) / CIPHER_BLOCK;
}

bool cipher_cm(struct cipher_pad *pad, EVP_CIPHER_CTX *aes, const uint8_t iv[CIPHER_BLOCK],
	       uint8_t *p, size_t len)
{
	CHECK(len <= PKT_LEN_MAX);
	if (len == 0)
		return true;
	write_counters(pad, iv, 0, blocks_of(len));
	if (!encrypt_pad(pad, aes, 0, blocks_of(len)))
		return false;
	xor_bytes(p, pad->block[0], p, len);
	return true;
}

static size_t counter_of(const uint8_t block[CIPHER_BLOCK])
{
	uint32_t be;
	memcpy(&be, block + GCM_IV, sizeof(be));
	return be32toh(be);
}

/*
 * libcrypto's GCM asks these for AES of a counter block, one or many. The answer is in the pad already:
 * all blocks of a packet come from a single call of the cipher.
 */
static void gcm_block(const uint8_t in[CIPHER_BLOCK], uint8_t out[CIPHER_BLOCK], const void *key)
{
	const struct cipher_pad *pad = key;
	const size_t counter = counter_of(in);
	CHECK(counter < ARRAY_LEN(pad->block));
	memcpy(out, pad->block[counter], CIPHER_BLOCK);
}

static void gcm_stream(const uint8_t *in, uint8_t *out, size_t blocks, const void *key,
		       const uint8_t iv[CIPHER_BLOCK])
{
	const struct cipher_pad *pad = key;
	const size_t counter = counter_of(iv);
	CHECK(counter + blocks <= ARRAY_LEN(pad->block));
	xor_bytes(in, pad->block[counter], out, blocks * CIPHER_BLOCK);
}

GCM128_CONTEXT *cipher_gcm_new(struct cipher_pad *pad, EVP_CIPHER_CTX *aes)
{
	memset(pad->block[0], 0, CIPHER_BLOCK);
	return encrypt_pad(pad, aes, 0, 1) ? CRYPTO_gcm128_new(pad, gcm_block) : NULL;
}

static bool gcm_start(struct cipher_pad *pad, const struct cipher_gcm_op *op)
{
	CHECK(op->len <= PKT_LEN_MAX);
	uint8_t iv[CIPHER_BLOCK] = {0};
	const size_t first = op->new_key ? 0 : 1, end = 2 + blocks_of(op->len);
	memcpy(iv, op->iv, GCM_IV);
	write_counters(pad, iv, 1, end);
	/* AES of the zero block is what the hash key is made of. */
	memset(pad->block[0], 0, CIPHER_BLOCK);
	if (!encrypt_pad(pad, op->aes, first, end))
		return false;
	if (op->new_key)
		CRYPTO_gcm128_init(op->gcm, pad, gcm_block);
	CRYPTO_gcm128_setiv(op->gcm, op->iv, GCM_IV);
	return CRYPTO_gcm128_aad(op->gcm, op->aad, op->aad_len) == 0 &&
	       (op->more_aad_len == 0 ||
		CRYPTO_gcm128_aad(op->gcm, op->more_aad, op->more_aad_len) == 0);
}

bool cipher_gcm_seal(struct cipher_pad *pad, const struct cipher_gcm_op *op)
{
	if (!gcm_start(pad, op) ||
	    CRYPTO_gcm128_encrypt_ctr32(op->gcm, op->p, op->p, op->len, gcm_stream) != 0)
		return false;
	CRYPTO_gcm128_tag(op->gcm, op->tag, CIPHER_GCM_TAG);
	return true;
}

bool cipher_gcm_open(struct cipher_pad *pad, const struct cipher_gcm_op *op)
{
	return gcm_start(pad, op) &&
	       CRYPTO_gcm128_decrypt_ctr32(op->gcm, op->p, op->p, op->len, gcm_stream) == 0 &&
	       CRYPTO_gcm128_finish(op->gcm, op->tag, CIPHER_GCM_TAG) == 0;
}
