/*
 * The engine that runs: SRTP and SRTCP packets over srtp_cipher and srtp_window. A key is its raw bytes, one block of
 * memory; the thread's contexts are loaded with it for each packet. Contexts kept for each key are faster while few
 * streams are warm, but with thousands they are a chain of cold heap objects and cost more than the key schedule that they save
 * (measured at 4,096 streams: 1.5 µs a re-key with kept contexts, 1.05 with loaded ones, and a third of the memory).
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
	AHEAD = 8,
	LINE = 64
};
static const uint32_t rtcp_encrypted = 0x80000000;

enum { AES_128, AES_256, AES_COUNT };

/* The key that a context has at the moment. */
struct loaded {
	uint8_t key[SRTP_KEY_MAX];
	size_t len; /* 0: none */
};

/* A context of each kind for all streams of a thread. */
struct worker {
	struct cipher_pad pad;
	EVP_CIPHER *ecb[AES_COUNT];
	EVP_CIPHER_CTX *aes[AES_COUNT];
	struct loaded aes_has[AES_COUNT];
	GCM128_CONTEXT *gcm;
	struct loaded gcm_has;
};

/* Session keys of one protocol. */
struct session {
	uint8_t key[SRTP_KEY_MAX];
	uint8_t salt[IV_LEN];    /* filled up with zeros */
	struct cipher_hmac auth; /* counter mode only */
};

/* What RTP needs comes first, and is asked for ahead. */
struct key {
	struct worker *worker;
	uint8_t direction;
	uint8_t key_len;
	uint8_t tag_len, rtcp_tag_len;
	bool aead;
	struct session rtp;
	struct srtp_windows seen;
	struct session rtcp;
	uint32_t
		rtcp_index; /* sending: the last one used, over all SSRCs, so that none is used twice */
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
		EVP_CIPHER_CTX_free(w->aes[i]);
		EVP_CIPHER_free(w->ecb[i]);
	}
	CRYPTO_gcm128_release(w->gcm);
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
		w->aes[i] = w->ecb[i] ? cipher_aes_new(w->ecb[i], zeros) : NULL;
		if (!w->aes[i]) {
			worker_free(&state);
			return ERR_UNSUPPORTED;
		}
	}
	w->gcm = cipher_gcm_new(&w->pad, w->aes[AES_128]);
	if (!w->gcm) {
		worker_free(&state);
		return ERR_NOMEM;
	}
	*out_state = w;
	return OK;
}

static int aes_of(size_t key_len)
{
	return key_len == 32 ? AES_256 : AES_128;
}

/* Packets of one stream in a row, as video sends them, find their key there. */
static bool has(const struct loaded *l, const uint8_t *key, size_t len)
{
	return l->len == len && memcmp(l->key, key, len) == 0;
}

static void note(struct loaded *l, const uint8_t *key, size_t len)
{
	memcpy(l->key, key, len);
	l->len = len;
}

/* The thread's context with this key in it; NULL: the library refused. */
static EVP_CIPHER_CTX *load_aes(struct worker *w, const uint8_t *key, size_t len)
{
	const int which = aes_of(len);
	if (has(&w->aes_has[which], key, len))
		return w->aes[which];
	w->aes_has[which].len = 0;
	if (!cipher_aes_set_key(w->aes[which], key))
		return NULL;
	note(&w->aes_has[which], key, len);
	return w->aes[which];
}

typedef bool gcm_fn(struct cipher_pad *pad, const struct cipher_gcm_op *op);

/* cipher_gcm_seal or _open with this key. `op` lacks only the contexts. */
static bool run_gcm(struct worker *w, gcm_fn *fn, const uint8_t *key, size_t len,
		    struct cipher_gcm_op *op)
{
	op->aes = load_aes(w, key, len);
	op->gcm = w->gcm;
	op->new_key = !has(&w->gcm_has, key, len);
	w->gcm_has.len = 0;
	if (!op->aes || !fn(&w->pad, op))
		return false;
	note(&w->gcm_has, key, len);
	return true;
}

/* No context of the thread shall remember a key that is given up: they get another one. */
static void forget(struct worker *w, size_t key_len)
{
	static const uint8_t zeros[SRTP_KEY_MAX];
	uint8_t iv[IV_LEN] = {0}, tag[CIPHER_GCM_TAG];
	struct cipher_gcm_op op = {.iv = iv, .aad = iv, .p = tag, .tag = tag};
	(void)run_gcm(w, cipher_gcm_seal, zeros, key_len, &op);
	secret_wipe(&w->pad, sizeof(w->pad));
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
	forget(k->worker, k->key_len);
	secret_wipe(k, key_size((enum srtp_direction)k->direction));
	free(k);
	*state = NULL;
}

static enum err derive_session(const struct srtp_kdf *kdf, enum srtp_label first, size_t salt_len,
			       struct session *out)
{
	uint8_t auth[CIPHER_HMAC_KEY];
	enum err e = srtp_kdf(kdf, first + SRTP_LABEL_KEY, out->key, kdf->key_len);
	if (e == OK)
		e = srtp_kdf(kdf, first + SRTP_LABEL_SALT, out->salt, salt_len);
	if (e == OK)
		e = srtp_kdf(kdf, first + SRTP_LABEL_AUTH, auth, sizeof(auth));
	if (e == OK)
		cipher_hmac_init(&out->auth, auth);
	secret_wipe(auth, sizeof(auth));
	return e;
}

static enum err key_new(void *worker, enum srtp_direction d, enum sdes_suite s,
			const uint8_t *master, void **out_state)
{
	const struct sdes_suite_info *info = sdes_suite_info(s);
	struct key *k = calloc(1, key_size(d));
	if (!k)
		return ERR_NOMEM;
	*k = (struct key){
		.direction = (uint8_t)d,
		.key_len = info->key_len,
		.tag_len = info->rtp_tag_len,
		.rtcp_tag_len = info->rtcp_tag_len,
		.aead = sdes_suite_is_aead(info),
		.worker = worker,
	};
	struct srtp_kdf kdf = {.key = master, .key_len = info->key_len};
	memcpy(kdf.salt, master + info->key_len, info->salt_len);
	enum err e = derive_session(&kdf, SRTP_LABEL_KEY, info->salt_len, &k->rtp);
	if (e == OK)
		e = derive_session(&kdf, SRTP_LABEL_RTCP_KEY, info->salt_len, &k->rtcp);
	secret_wipe(&kdf, sizeof(kdf));
	void *state = k;
	if (e != OK) {
		key_free(&state);
		return e;
	}
	*out_state = state;
	return OK;
}

static size_t key_memory(const void *state)
{
	const struct key *k = state;
	return key_size((enum srtp_direction)k->direction);
}

static bool crypt_cm(struct key *k, const struct session *s, const uint8_t iv[IV_LEN], uint8_t *p,
		     size_t len)
{
	EVP_CIPHER_CTX *aes = load_aes(k->worker, s->key, k->key_len);
	return aes && cipher_cm(&k->worker->pad, aes, iv, p, len);
}

static enum pkt_fate rtp_open(struct key *k, struct pkt *pkt, const struct rtp *h, uint64_t index)
{
	uint8_t iv[IV_LEN], tag[CIPHER_HMAC_LEN], roc[4];
	const size_t end = pkt->len - k->tag_len;
	make_iv(k->rtp.salt, k->aead, h->ssrc, index, iv);
	if (k->aead) {
		struct cipher_gcm_op op = {
			.iv = iv,
			.aad = pkt->data,
			.aad_len = h->header_len,
			.p = pkt->data + h->header_len,
			.len = end - h->header_len,
			.tag = pkt->data + end,
		};
		return run_gcm(k->worker, cipher_gcm_open, k->rtp.key, k->key_len, &op) ? FATE_SENT
											: FATE_AUTH;
	}
	store_be32(roc, (uint32_t)(index >> 16));
	cipher_hmac(&k->rtp.auth, pkt->data, end, roc, sizeof(roc), tag);
	if (!secret_eq_bytes(tag, pkt->data + end, k->tag_len))
		return FATE_AUTH;
	return crypt_cm(k, &k->rtp, iv, pkt->data + h->header_len, end - h->header_len)
		       ? FATE_SENT
		       : FATE_ENGINE;
}

static enum pkt_fate rtp_unprotect(struct key *k, struct pkt *pkt)
{
	struct rtp h;
	uint64_t index;
	if (pkt->len > PKT_LEN_MAX)
		return FATE_OVERSIZE;
	if (pkt->len < k->tag_len || rtp_decode(pkt->data, pkt->len - k->tag_len, &h) != OK)
		return FATE_MALFORMED;
	enum pkt_fate fate = srtp_windows_guess(&k->seen, h.ssrc, h.seq, &index);
	if (fate == FATE_SENT)
		fate = rtp_open(k, pkt, &h, index);
	if (fate == FATE_SENT)
		fate = srtp_windows_commit(&k->seen, h.ssrc, index);
	if (fate == FATE_SENT)
		pkt->len -= k->tag_len;
	return fate;
}

static bool rtp_seal(struct key *k, struct pkt *pkt, const struct rtp *h, uint64_t index)
{
	uint8_t iv[IV_LEN], tag[CIPHER_HMAC_LEN], roc[4];
	make_iv(k->rtp.salt, k->aead, h->ssrc, index, iv);
	if (k->aead) {
		struct cipher_gcm_op op = {
			.iv = iv,
			.aad = pkt->data,
			.aad_len = h->header_len,
			.p = pkt->data + h->header_len,
			.len = pkt->len - h->header_len,
			.tag = pkt->data + pkt->len,
		};
		return run_gcm(k->worker, cipher_gcm_seal, k->rtp.key, k->key_len, &op);
	}
	if (!crypt_cm(k, &k->rtp, iv, pkt->data + h->header_len, pkt->len - h->header_len))
		return false;
	store_be32(roc, (uint32_t)(index >> 16));
	cipher_hmac(&k->rtp.auth, pkt->data, pkt->len, roc, sizeof(roc), tag);
	memcpy(pkt->data + pkt->len, tag, k->tag_len);
	return true;
}

/* A sent index may be used once: what would be a replay at the receiver would be a repeated key
 * stream here. */
static enum pkt_fate sending(enum pkt_fate fate)
{
	return fate == FATE_REPLAY ? FATE_REUSE : fate;
}

static enum pkt_fate rtp_protect(struct key *k, struct pkt *pkt)
{
	struct rtp h;
	uint64_t index;
	if (pkt->len > PKT_LEN_MAX)
		return FATE_OVERSIZE;
	if (pkt->cap < pkt->len + k->tag_len)
		return FATE_NO_ROOM;
	if (rtp_decode(pkt->data, pkt->len, &h) != OK)
		return FATE_MALFORMED;
	enum pkt_fate fate = srtp_windows_guess(&k->seen, h.ssrc, h.seq, &index);
	/* Before the key stream is made, so that no failure in between can lead to its use twice.
	 */
	if (fate == FATE_SENT)
		fate = srtp_windows_commit(&k->seen, h.ssrc, index);
	if (fate != FATE_SENT)
		return sending(fate);
	if (!rtp_seal(k, pkt, &h, index))
		return FATE_ENGINE;
	pkt->len += k->tag_len;
	return FATE_SENT;
}

/* header 8 | encrypted | E, index 4 | tag 10 (RFC 3711 §3.4) */
static enum pkt_fate rtcp_open_cm(struct key *k, struct pkt *pkt, uint32_t ssrc, uint32_t index)
{
	uint8_t iv[IV_LEN], tag[CIPHER_HMAC_LEN];
	const size_t signed_len = pkt->len - k->rtcp_tag_len;
	cipher_hmac(&k->rtcp.auth, pkt->data, signed_len, NULL, 0, tag);
	if (!secret_eq_bytes(tag, pkt->data + signed_len, k->rtcp_tag_len))
		return FATE_AUTH;
	make_iv(k->rtcp.salt, false, ssrc, index, iv);
	pkt->len = (uint32_t)(signed_len - RTCP_TRAILER);
	return crypt_cm(k, &k->rtcp, iv, pkt->data + RTCP_HEADER_LEN, pkt->len - RTCP_HEADER_LEN)
		       ? FATE_SENT
		       : FATE_ENGINE;
}

/* header 8 | encrypted | tag 16 | E, index 4 (RFC 7714 §9.1) */
static enum pkt_fate rtcp_open_gcm(struct key *k, struct pkt *pkt, uint32_t ssrc, uint32_t index)
{
	uint8_t iv[IV_LEN];
	const size_t end = pkt->len - RTCP_TRAILER - k->rtcp_tag_len;
	make_iv(k->rtcp.salt, true, ssrc, index, iv);
	struct cipher_gcm_op op = {
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
	return run_gcm(k->worker, cipher_gcm_open, k->rtcp.key, k->key_len, &op) ? FATE_SENT
										 : FATE_AUTH;
}

static enum pkt_fate rtcp_unprotect(struct key *k, struct pkt *pkt)
{
	if (pkt->len > PKT_LEN_MAX)
		return FATE_OVERSIZE;
	if (pkt->len < RTCP_HEADER_LEN + RTCP_TRAILER + (size_t)k->rtcp_tag_len)
		return FATE_MALFORMED;
	const uint32_t ssrc = load_be32(pkt->data + 4);
	const uint32_t trailer =
		load_be32(pkt->data + pkt->len - RTCP_TRAILER - (k->aead ? 0 : k->rtcp_tag_len));
	if (!(trailer & rtcp_encrypted))
		return FATE_UNENCRYPTED;
	const uint32_t index = trailer & ~rtcp_encrypted;
	enum pkt_fate fate = srtp_windows_check(k->rtcp_seen, ssrc, index);
	if (fate == FATE_SENT)
		fate = k->aead ? rtcp_open_gcm(k, pkt, ssrc, index)
			       : rtcp_open_cm(k, pkt, ssrc, index);
	return fate == FATE_SENT ? srtp_windows_commit(k->rtcp_seen, ssrc, index) : fate;
}

static bool rtcp_seal(struct key *k, struct pkt *pkt)
{
	uint8_t iv[IV_LEN], tag[CIPHER_HMAC_LEN];
	uint8_t *body = pkt->data + RTCP_HEADER_LEN, *end = pkt->data + pkt->len;
	uint8_t *trailer = end + (k->aead ? k->rtcp_tag_len : 0);
	make_iv(k->rtcp.salt, k->aead, load_be32(pkt->data + 4), k->rtcp_index, iv);
	store_be32(trailer, rtcp_encrypted | k->rtcp_index);
	if (k->aead) {
		struct cipher_gcm_op op = {
			.iv = iv,
			.aad = pkt->data,
			.aad_len = RTCP_HEADER_LEN,
			.more_aad = trailer,
			.more_aad_len = RTCP_TRAILER,
			.p = body,
			.len = (size_t)(end - body),
			.tag = end,
		};
		return run_gcm(k->worker, cipher_gcm_seal, k->rtcp.key, k->key_len, &op);
	}
	if (!crypt_cm(k, &k->rtcp, iv, body, (size_t)(end - body)))
		return false;
	cipher_hmac(&k->rtcp.auth, pkt->data, pkt->len + (size_t)RTCP_TRAILER, NULL, 0, tag);
	memcpy(trailer + RTCP_TRAILER, tag, k->rtcp_tag_len);
	return true;
}

static enum pkt_fate rtcp_protect(struct key *k, struct pkt *pkt)
{
	if (pkt->len > PKT_LEN_MAX)
		return FATE_OVERSIZE;
	if (pkt->len < RTCP_HEADER_LEN)
		return FATE_MALFORMED;
	if (pkt->cap < pkt->len + SRTP_TRAILER_MAX)
		return FATE_NO_ROOM;
	if (k->rtcp_index >= RTCP_INDEX_END)
		return FATE_KEY_END;
	k->rtcp_index++;
	if (!rtcp_seal(k, pkt))
		return FATE_ENGINE;
	pkt->len += RTCP_TRAILER + k->rtcp_tag_len;
	return FATE_SENT;
}

/* With thousands of streams each packet meets a cold key: ask for them some packets ahead. */
static void prefetch_key(const struct srtp_op ops[], size_t n, size_t i)
{
	if (i >= n)
		return;
	const char *k = ops[i].key->state;
	for (size_t at = 0; at < offsetof(struct key, seen.live[1]); at += LINE)
		__builtin_prefetch(k + at);
}

static void run(struct worker *w, struct srtp_op ops[], size_t n, enum srtp_direction d,
		enum pkt_fate (*rtp)(struct key *, struct pkt *),
		enum pkt_fate (*rtcp)(struct key *, struct pkt *))
{
	for (size_t i = 0; i < AHEAD; i++)
		prefetch_key(ops, n, i);
	for (size_t i = 0; i < n; i++) {
		struct key *k = ops[i].key->state;
		CHECK(k && k->worker == w && k->direction == d);
		prefetch_key(ops, n, i + AHEAD);
		ops[i].fate = (uint8_t)(ops[i].pkt->kind == PKT_RTCP ? rtcp(k, ops[i].pkt)
								     : rtp(k, ops[i].pkt));
	}
}

static void unprotect(void *worker, struct srtp_op ops[], size_t n)
{
	run(worker, ops, n, SRTP_RX, rtp_unprotect, rtcp_unprotect);
}

static void protect(void *worker, struct srtp_op ops[], size_t n)
{
	run(worker, ops, n, SRTP_TX, rtp_protect, rtcp_protect);
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
