/*
 * The engine that runs: SRTP and SRTCP packets over srtp_cipher and srtp_window. A key keeps its AES schedule
 * (and GHASH table) for RTP; RTCP, one packet in some seconds, keeps 32 raw bytes and sets them into the
 * thread's scratch contexts, which costs time where there is plenty and saves a kilobyte a leg.
 */
#include "srtp_engine.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "rtcp.h"
#include "rtp.h"
#include "srtp_cipher.h"
#include "srtp_kdf.h"
#include "srtp_window.h"

enum {
	RTCP_TRAILER = 4, /* E bit and index */
	RTCP_INDEX_END = 0x7fffffff,
	IV_LEN = CIPHER_BLOCK,
	AHEAD_KEY = 6, /* packets ahead whose key, */
	AHEAD_AES = 3, /* and whose cipher contexts are asked for */
	LINE = 64
};
static const uint32_t rtcp_encrypted = 0x80000000;

enum { AES_128, AES_256, AES_COUNT };

struct worker {
	struct cipher_pad pad;
	EVP_CIPHER *ecb[AES_COUNT];
	EVP_CIPHER_CTX *scratch[AES_COUNT]; /* for RTCP: a key is set for each packet */
	GCM128_CONTEXT *scratch_gcm;
};

struct rtcp_key {
	uint8_t key[SRTP_KEY_MAX];
	uint8_t salt[IV_LEN];
	struct cipher_hmac auth;
	uint32_t index; /* sending: the last one used, over all SSRCs, so that none is used twice */
};

struct key {
	EVP_CIPHER_CTX *aes;
	GCM128_CONTEXT *gcm; /* NULL for counter mode */
	uint8_t suite;
	uint8_t direction;
	uint8_t tag_len;
	uint8_t salt[IV_LEN]; /* filled up with zeros */
	struct cipher_hmac auth;
	struct srtp_windows rtp;
	struct rtcp_key rtcp;
	struct srtp_windows rtcp_seen[]; /* receiving: one */
};

static uint32_t load_be32(const uint8_t *p)
{
	uint32_t be;
	memcpy(&be, p, sizeof(be));
	return be32toh(be);
}

static void store_be32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

/* RFC 3711 §4.1.1 (SSRC from byte 4) and RFC 7714 §8.1 (from byte 2): salt XOR (SSRC, 48-bit index). */
static void make_iv(const uint8_t salt[IV_LEN], bool aead, uint32_t ssrc, uint64_t index,
		    uint8_t out[IV_LEN])
{
	uint8_t *at = out + (aead ? 2 : 4);
	memcpy(out, salt, IV_LEN);
	for (int i = 0; i < 4; i++)
		at[i] ^= (uint8_t)(ssrc >> (24 - 8 * i));
	for (int i = 0; i < 6; i++)
		at[4 + i] ^= (uint8_t)(index >> (40 - 8 * i));
}

static void worker_free(void **state)
{
	struct worker *w = *state;
	if (!w)
		return;
	for (int i = 0; i < AES_COUNT; i++) {
		EVP_CIPHER_CTX_free(w->scratch[i]);
		EVP_CIPHER_free(w->ecb[i]);
	}
	CRYPTO_gcm128_release(w->scratch_gcm);
	secret_wipe(w, sizeof(*w));
	free(w);
	*state = NULL;
}

static enum err worker_new(void **out_state)
{
	static const char *const names[AES_COUNT] = {"AES-128-ECB", "AES-256-ECB"};
	static const uint8_t zeros[SRTP_KEY_MAX];
	struct worker *w = calloc(1, sizeof(*w));
	if (!w)
		return ERR_NOMEM;
	void *state = w;
	for (int i = 0; i < AES_COUNT; i++) {
		w->ecb[i] = EVP_CIPHER_fetch(NULL, names[i], NULL);
		w->scratch[i] = w->ecb[i] ? cipher_aes_new(w->ecb[i], zeros) : NULL;
		if (!w->scratch[i]) {
			worker_free(&state);
			return ERR_UNSUPPORTED;
		}
	}
	w->scratch_gcm = cipher_gcm_new(&w->pad, w->scratch[AES_128]);
	if (!w->scratch_gcm) {
		worker_free(&state);
		return ERR_NOMEM;
	}
	*out_state = w;
	return OK;
}

static size_t key_size(enum srtp_direction d)
{
	return sizeof(struct key) + (d == SRTP_RX ? sizeof(struct srtp_windows) : 0);
}

static void key_free(void **state)
{
	struct key *k = *state;
	if (!k)
		return;
	EVP_CIPHER_CTX_free(k->aes);   /* wipes its schedule */
	CRYPTO_gcm128_release(k->gcm); /* wipes its table */
	secret_wipe(k, key_size((enum srtp_direction)k->direction));
	free(k);
	*state = NULL;
}

static bool is_aead(const struct sdes_suite_info *info)
{
	return info->salt_len == 12;
}

static int aes_of(const struct sdes_suite_info *info)
{
	return info->key_len == 32 ? AES_256 : AES_128;
}

static enum err derive(struct worker *w, struct key *k, const uint8_t *master)
{
	const struct sdes_suite_info *info = sdes_suite_info((enum sdes_suite)k->suite);
	struct srtp_kdf kdf = {.key = master, .key_len = info->key_len};
	uint8_t key[SRTP_KEY_MAX], auth[2][CIPHER_HMAC_KEY];
	enum err e;
	memcpy(kdf.salt, master + info->key_len, info->salt_len);
	if ((e = srtp_kdf(&kdf, SRTP_LABEL_KEY, key, info->key_len)) == OK &&
	    (e = srtp_kdf(&kdf, SRTP_LABEL_SALT, k->salt, info->salt_len)) == OK &&
	    (e = srtp_kdf(&kdf, SRTP_LABEL_AUTH, auth[0], CIPHER_HMAC_KEY)) == OK &&
	    (e = srtp_kdf(&kdf, SRTP_LABEL_RTCP_KEY, k->rtcp.key, info->key_len)) == OK &&
	    (e = srtp_kdf(&kdf, SRTP_LABEL_RTCP_SALT, k->rtcp.salt, info->salt_len)) == OK &&
	    (e = srtp_kdf(&kdf, SRTP_LABEL_RTCP_AUTH, auth[1], CIPHER_HMAC_KEY)) == OK) {
		cipher_hmac_init(&k->auth, auth[0]);
		cipher_hmac_init(&k->rtcp.auth, auth[1]);
		k->aes = cipher_aes_new(w->ecb[aes_of(info)], key);
		if (k->aes && is_aead(info))
			k->gcm = cipher_gcm_new(&w->pad, k->aes);
		e = k->aes && (k->gcm || !is_aead(info)) ? OK : ERR_NOMEM;
	}
	secret_wipe(key, sizeof(key));
	secret_wipe(auth, sizeof(auth));
	secret_wipe(&kdf, sizeof(kdf));
	return e;
}

static enum err key_new(void *worker, enum srtp_direction d, enum sdes_suite s,
			const uint8_t *master, void **out_state)
{
	struct key *k = calloc(1, key_size(d));
	if (!k)
		return ERR_NOMEM;
	k->suite = (uint8_t)s;
	k->direction = (uint8_t)d;
	k->tag_len = sdes_suite_info(s)->rtp_tag_len;
	void *state = k;
	const enum err e = derive(worker, k, master);
	if (e != OK) {
		key_free(&state);
		return e;
	}
	*out_state = k;
	return OK;
}

/* Measured with malloc_usable_size under OpenSSL 3.0: context and provider part of AES-ECB, and GCM128_CONTEXT. */
enum { AES_HEAP = 696, GCM_HEAP = 456 };

static size_t key_memory(const void *state)
{
	const struct key *k = state;
	return key_size((enum srtp_direction)k->direction) + AES_HEAP + (k->gcm ? GCM_HEAP : 0);
}

static enum pkt_fate rtp_open(struct worker *w, struct key *k, struct pkt *pkt, const struct rtp *h,
			      uint64_t index)
{
	uint8_t iv[IV_LEN], tag[CIPHER_HMAC_LEN], roc[4];
	const size_t end = pkt->len - k->tag_len;
	make_iv(k->salt, k->gcm != NULL, h->ssrc, index, iv);
	if (k->gcm) {
		const struct cipher_gcm_op op = {
			.aes = k->aes,
			.gcm = k->gcm,
			.iv = iv,
			.aad = pkt->data,
			.aad_len = h->header_len,
			.p = pkt->data + h->header_len,
			.len = end - h->header_len,
			.tag = pkt->data + end,
		};
		return cipher_gcm_open(&w->pad, &op) ? FATE_SENT : FATE_AUTH;
	}
	store_be32(roc, (uint32_t)(index >> 16));
	cipher_hmac(&k->auth, pkt->data, end, roc, sizeof(roc), tag);
	if (!secret_eq_bytes(tag, pkt->data + end, k->tag_len))
		return FATE_AUTH;
	return cipher_cm(&w->pad, k->aes, iv, pkt->data + h->header_len, end - h->header_len)
		       ? FATE_SENT
		       : FATE_ENGINE;
}

static enum pkt_fate rtp_unprotect(struct worker *w, struct key *k, struct pkt *pkt)
{
	struct rtp h;
	uint64_t index;
	if (pkt->len > PKT_LEN_MAX)
		return FATE_OVERSIZE;
	if (pkt->len < k->tag_len || rtp_decode(pkt->data, pkt->len - k->tag_len, &h) != OK)
		return FATE_MALFORMED;
	enum pkt_fate fate = srtp_windows_guess(&k->rtp, h.ssrc, h.seq, &index);
	if (fate == FATE_SENT)
		fate = rtp_open(w, k, pkt, &h, index);
	if (fate == FATE_SENT)
		fate = srtp_windows_commit(&k->rtp, h.ssrc, index);
	if (fate == FATE_SENT)
		pkt->len -= k->tag_len;
	return fate;
}

static bool rtp_seal(struct worker *w, struct key *k, struct pkt *pkt, const struct rtp *h,
		     uint64_t index)
{
	uint8_t iv[IV_LEN], tag[CIPHER_HMAC_LEN], roc[4];
	make_iv(k->salt, k->gcm != NULL, h->ssrc, index, iv);
	if (k->gcm) {
		const struct cipher_gcm_op op = {
			.aes = k->aes,
			.gcm = k->gcm,
			.iv = iv,
			.aad = pkt->data,
			.aad_len = h->header_len,
			.p = pkt->data + h->header_len,
			.len = pkt->len - h->header_len,
			.tag = pkt->data + pkt->len,
		};
		return cipher_gcm_seal(&w->pad, &op);
	}
	if (!cipher_cm(&w->pad, k->aes, iv, pkt->data + h->header_len, pkt->len - h->header_len))
		return false;
	store_be32(roc, (uint32_t)(index >> 16));
	cipher_hmac(&k->auth, pkt->data, pkt->len, roc, sizeof(roc), tag);
	memcpy(pkt->data + pkt->len, tag, k->tag_len);
	return true;
}

/* A sent index may be used once: what would be a replay at the receiver would be a repeated key stream here. */
static enum pkt_fate sending(enum pkt_fate fate)
{
	return fate == FATE_REPLAY ? FATE_REUSE : fate;
}

static enum pkt_fate rtp_protect(struct worker *w, struct key *k, struct pkt *pkt)
{
	struct rtp h;
	uint64_t index;
	if (pkt->len > PKT_LEN_MAX)
		return FATE_OVERSIZE;
	if (pkt->cap < pkt->len + k->tag_len)
		return FATE_NO_ROOM;
	if (rtp_decode(pkt->data, pkt->len, &h) != OK)
		return FATE_MALFORMED;
	enum pkt_fate fate = srtp_windows_guess(&k->rtp, h.ssrc, h.seq, &index);
	/* Before the key stream is made, so that no failure in between can lead to its use twice. */
	if (fate == FATE_SENT)
		fate = srtp_windows_commit(&k->rtp, h.ssrc, index);
	if (fate != FATE_SENT)
		return sending(fate);
	if (!rtp_seal(w, k, pkt, &h, index))
		return FATE_ENGINE;
	pkt->len += k->tag_len;
	return FATE_SENT;
}

/* The scratch contexts, loaded with a key's SRTCP key. */
static bool load_rtcp(struct worker *w, const struct key *k, EVP_CIPHER_CTX **out_aes)
{
	*out_aes = w->scratch[aes_of(sdes_suite_info((enum sdes_suite)k->suite))];
	return cipher_aes_set_key(*out_aes, k->rtcp.key) &&
	       (!k->gcm || cipher_gcm_set_key(w->scratch_gcm, &w->pad, *out_aes));
}

/* header 8 | encrypted | E, index 4 | tag 10 (RFC 3711 §3.4) */
static enum pkt_fate rtcp_open_cm(struct worker *w, struct key *k, struct pkt *pkt, uint64_t index)
{
	uint8_t iv[IV_LEN], tag[CIPHER_HMAC_LEN];
	EVP_CIPHER_CTX *aes;
	const size_t tag_len = sdes_suite_info((enum sdes_suite)k->suite)->rtcp_tag_len;
	const size_t signed_len = pkt->len - tag_len;
	cipher_hmac(&k->rtcp.auth, pkt->data, signed_len, pkt->data, 0, tag);
	if (!secret_eq_bytes(tag, pkt->data + signed_len, tag_len))
		return FATE_AUTH;
	make_iv(k->rtcp.salt, false, load_be32(pkt->data + 4), index, iv);
	pkt->len = (uint32_t)(signed_len - RTCP_TRAILER);
	return load_rtcp(w, k, &aes) && cipher_cm(&w->pad, aes, iv, pkt->data + RTCP_HEADER_LEN,
						  pkt->len - RTCP_HEADER_LEN)
		       ? FATE_SENT
		       : FATE_ENGINE;
}

/* header 8 | encrypted | tag 16 | E, index 4 (RFC 7714 §9.1) */
static enum pkt_fate rtcp_open_gcm(struct worker *w, struct key *k, struct pkt *pkt, uint64_t index)
{
	uint8_t iv[IV_LEN];
	EVP_CIPHER_CTX *aes;
	const size_t end = pkt->len - RTCP_TRAILER - CIPHER_GCM_TAG;
	make_iv(k->rtcp.salt, true, load_be32(pkt->data + 4), index, iv);
	if (!load_rtcp(w, k, &aes))
		return FATE_ENGINE;
	const struct cipher_gcm_op op = {
		.aes = aes,
		.gcm = w->scratch_gcm,
		.iv = iv,
		.aad = pkt->data,
		.aad_len = RTCP_HEADER_LEN,
		.more_aad = pkt->data + pkt->len - RTCP_TRAILER,
		.more_aad_len = RTCP_TRAILER,
		.p = pkt->data + RTCP_HEADER_LEN,
		.len = end - RTCP_HEADER_LEN,
		.tag = pkt->data + end,
	};
	pkt->len = (uint32_t)end;
	return cipher_gcm_open(&w->pad, &op) ? FATE_SENT : FATE_AUTH;
}

static enum pkt_fate rtcp_unprotect(struct worker *w, struct key *k, struct pkt *pkt)
{
	const size_t tag_len = sdes_suite_info((enum sdes_suite)k->suite)->rtcp_tag_len;
	if (pkt->len > PKT_LEN_MAX)
		return FATE_OVERSIZE;
	if (pkt->len < RTCP_HEADER_LEN + RTCP_TRAILER + tag_len)
		return FATE_MALFORMED;
	const uint32_t ssrc = load_be32(pkt->data + 4);
	const uint32_t trailer =
		load_be32(pkt->data + pkt->len - RTCP_TRAILER - (k->gcm ? 0 : tag_len));
	if (!(trailer & rtcp_encrypted))
		return FATE_UNENCRYPTED;
	const uint64_t index = trailer & ~rtcp_encrypted;
	enum pkt_fate fate = srtp_windows_check(k->rtcp_seen, ssrc, index);
	if (fate == FATE_SENT)
		fate = k->gcm ? rtcp_open_gcm(w, k, pkt, index) : rtcp_open_cm(w, k, pkt, index);
	return fate == FATE_SENT ? srtp_windows_commit(k->rtcp_seen, ssrc, index) : fate;
}

static bool rtcp_seal(struct worker *w, struct key *k, struct pkt *pkt, EVP_CIPHER_CTX *aes)
{
	uint8_t iv[IV_LEN], tag[CIPHER_HMAC_LEN];
	uint8_t *body = pkt->data + RTCP_HEADER_LEN, *end = pkt->data + pkt->len;
	const size_t tag_len = sdes_suite_info((enum sdes_suite)k->suite)->rtcp_tag_len;
	uint8_t *trailer = end + (k->gcm ? tag_len : 0);
	make_iv(k->rtcp.salt, k->gcm != NULL, load_be32(pkt->data + 4), k->rtcp.index, iv);
	store_be32(trailer, rtcp_encrypted | k->rtcp.index);
	pkt->len += (uint32_t)(RTCP_TRAILER + tag_len);
	if (k->gcm) {
		const struct cipher_gcm_op op = {
			.aes = aes,
			.gcm = w->scratch_gcm,
			.iv = iv,
			.aad = pkt->data,
			.aad_len = RTCP_HEADER_LEN,
			.more_aad = trailer,
			.more_aad_len = RTCP_TRAILER,
			.p = body,
			.len = (size_t)(end - body),
			.tag = end,
		};
		return cipher_gcm_seal(&w->pad, &op);
	}
	if (!cipher_cm(&w->pad, aes, iv, body, (size_t)(end - body)))
		return false;
	cipher_hmac(&k->rtcp.auth, pkt->data, (size_t)(trailer + RTCP_TRAILER - pkt->data),
		    pkt->data, 0, tag);
	memcpy(trailer + RTCP_TRAILER, tag, tag_len);
	return true;
}

static enum pkt_fate rtcp_protect(struct worker *w, struct key *k, struct pkt *pkt)
{
	EVP_CIPHER_CTX *aes;
	if (pkt->len > PKT_LEN_MAX)
		return FATE_OVERSIZE;
	if (pkt->len < RTCP_HEADER_LEN)
		return FATE_MALFORMED;
	if (pkt->cap < pkt->len + SRTP_TAIL_MAX)
		return FATE_NO_ROOM;
	if (k->rtcp.index >= RTCP_INDEX_END)
		return FATE_KEY_END;
	k->rtcp.index++;
	return load_rtcp(w, k, &aes) && rtcp_seal(w, k, pkt, aes) ? FATE_SENT : FATE_ENGINE;
}

static void prefetch_lines(const void *p, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += LINE)
		__builtin_prefetch((const char *)p + at);
}

/*
 * With thousands of streams each packet meets cold keys: a few packets ahead, the key; nearer, the contexts that it
 * points to. libcrypto's contexts are opaque, but a context and its provider part are allocated one after
 * the other, so the lines behind the pointer are the likely ones; a wrong guess costs nothing but the fetch.
 */
static void look_ahead(const struct srtp_op ops[], size_t n, size_t i)
{
	if (i + AHEAD_KEY < n) {
		const struct key *k = ops[i + AHEAD_KEY].key->state;
		prefetch_lines(k, offsetof(struct key, rtp.live) + sizeof(struct srtp_window));
	}
	if (i + AHEAD_AES < n) {
		const struct key *k = ops[i + AHEAD_AES].key->state;
		prefetch_lines(k->aes, AES_HEAP);
		if (k->gcm)
			prefetch_lines(k->gcm, GCM_HEAP);
	}
}

static void unprotect(void *worker, struct srtp_op ops[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct key *k = ops[i].key->state;
		CHECK(k && k->direction == SRTP_RX);
		look_ahead(ops, n, i);
		ops[i].fate = (uint8_t)(ops[i].pkt->kind == PKT_RTCP
						? rtcp_unprotect(worker, k, ops[i].pkt)
						: rtp_unprotect(worker, k, ops[i].pkt));
	}
}

static void protect(void *worker, struct srtp_op ops[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct key *k = ops[i].key->state;
		CHECK(k && k->direction == SRTP_TX);
		look_ahead(ops, n, i);
		ops[i].fate = (uint8_t)(ops[i].pkt->kind == PKT_RTCP
						? rtcp_protect(worker, k, ops[i].pkt)
						: rtp_protect(worker, k, ops[i].pkt));
	}
}

const struct srtp_engine srtp_engine_openssl = {
	.name = "openssl",
	.worker_new = worker_new,
	.worker_free = worker_free,
	.key_new = key_new,
	.key_free = key_free,
	.unprotect = unprotect,
	.protect = protect,
	.key_memory = key_memory,
};
