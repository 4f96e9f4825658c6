#include "srtp_own.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "rtcp.h"
#include "srtp_kdf.h"

enum {
	RTCP_TRAILER = 4, /* E bit and index */
	RTCP_INDEX_END = 0x7fffffff
};
static const uint32_t rtcp_encrypted = 0x80000000;

enum { AES_128, AES_256 };

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

static uint64_t xor_be64(uint64_t be, uint64_t with)
{
	return be ^ htobe64(with);
}

/* Salt XOR (SSRC, 48-bit index): the SSRC from byte 4, with GCM from byte 2. */
void own_iv(const struct srtp_own *k, const struct own_session *s, uint32_t ssrc, uint64_t index,
	    uint8_t out[OWN_IV_LEN])
{
	uint64_t half[2];
	memcpy(half, s->salt, sizeof(half));
	if (k->aead) {
		half[0] = xor_be64(half[0], (uint64_t)ssrc << 16 | index >> 32);
		half[1] = xor_be64(half[1], index << 32);
	} else {
		half[0] = xor_be64(half[0], ssrc);
		half[1] = xor_be64(half[1], index << 16);
	}
	memcpy(out, half, sizeof(half));
}

void own_worker_release(struct own_worker *w)
{
	for (int i = 0; i < OWN_AES_COUNT; i++) {
		EVP_CIPHER_CTX_free(w->aes[i]);
		EVP_CIPHER_free(w->ecb[i]);
	}
	CRYPTO_gcm128_release(w->gcm);
	secret_wipe(w, sizeof(*w));
}

enum err own_worker_init(struct own_worker *w)
{
	static const char *const names[OWN_AES_COUNT] = {"AES-128-ECB", "AES-256-ECB"};
	static const uint8_t zeros[SRTP_KEY_MAX];
	*w = (struct own_worker){0};
	for (int i = 0; i < OWN_AES_COUNT; i++) {
		w->ecb[i] = EVP_CIPHER_fetch(NULL, names[i], NULL);
		w->aes[i] = w->ecb[i] ? cipher_aes_new(w->ecb[i], zeros) : NULL;
		if (!w->aes[i]) {
			own_worker_release(w);
			return ERR_UNSUPPORTED;
		}
	}
	w->gcm = cipher_gcm_new(&w->pad, w->aes[AES_128]);
	if (!w->gcm) {
		own_worker_release(w);
		return ERR_NOMEM;
	}
	return OK;
}

static int aes_of(size_t key_len)
{
	return key_len == 32 ? AES_256 : AES_128;
}

/* Packets of one stream in a row, as video sends them, find their key there. */
static bool has(const struct own_loaded *l, const uint8_t *key, size_t len)
{
	return l->len == len && memcmp(l->key, key, len) == 0;
}

static void note(struct own_loaded *l, const uint8_t *key, size_t len)
{
	memcpy(l->key, key, len);
	l->len = len;
}

/* The thread's context with this key in it; NULL: the library refused. */
static EVP_CIPHER_CTX *load_aes(struct own_worker *w, const uint8_t *key, size_t len)
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
static bool run_gcm(struct own_worker *w, gcm_fn *fn, const uint8_t *key, size_t len,
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
static void forget(struct own_worker *w, size_t key_len)
{
	static const uint8_t zeros[SRTP_KEY_MAX];
	uint8_t iv[OWN_IV_LEN] = {0}, tag[CIPHER_GCM_TAG];
	struct cipher_gcm_op op = {.iv = iv, .aad = iv, .p = tag, .tag = tag};
	(void)run_gcm(w, cipher_gcm_seal, zeros, key_len, &op);
	secret_wipe(&w->pad, sizeof(w->pad));
}

size_t own_size(enum srtp_direction d)
{
	return sizeof(struct srtp_own) + (d == SRTP_RX ? sizeof(struct srtp_windows) : 0);
}

static size_t more_memory(const struct srtp_windows *w)
{
	return w->more ? sizeof(*w->more) : 0;
}

size_t own_memory(const struct srtp_own *k)
{
	return own_size((enum srtp_direction)k->direction) + more_memory(&k->seen) +
	       (k->direction == SRTP_RX ? more_memory(k->rtcp_seen) : 0);
}

void own_release(struct srtp_own *k)
{
	forget(k->worker, k->key_len);
	srtp_windows_release(&k->seen);
	if (k->direction == SRTP_RX)
		srtp_windows_release(k->rtcp_seen);
	secret_wipe(k, own_size((enum srtp_direction)k->direction));
}

static enum err derive_session(const struct srtp_kdf *kdf, enum srtp_label first, size_t salt_len,
			       struct own_session *out)
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

enum err own_init(struct srtp_own *k, struct own_worker *w, enum srtp_direction d,
		  enum sdes_suite s, const uint8_t *master)
{
	const struct sdes_suite_info *info = sdes_suite_info(s);
	memset(k, 0, own_size(d));
	*k = (struct srtp_own){
		.worker = w,
		.direction = (uint8_t)d,
		.key_len = info->key_len,
		.tag_len = info->rtp_tag_len,
		.rtcp_tag_len = info->rtcp_tag_len,
		.aead = sdes_suite_is_aead(info),
	};
	struct srtp_kdf kdf = {.key = master, .key_len = info->key_len};
	memcpy(kdf.salt, master + info->key_len, info->salt_len);
	enum err e = derive_session(&kdf, SRTP_LABEL_KEY, info->salt_len, &k->rtp);
	if (e == OK)
		e = derive_session(&kdf, SRTP_LABEL_RTCP_KEY, info->salt_len, &k->rtcp);
	secret_wipe(&kdf, sizeof(kdf));
	return e;
}

static bool crypt_cm(struct srtp_own *k, const struct own_session *s, const uint8_t iv[OWN_IV_LEN],
		     uint8_t *p, size_t len)
{
	EVP_CIPHER_CTX *aes = load_aes(k->worker, s->key, k->key_len);
	return aes && cipher_cm(&k->worker->pad, aes, iv, p, len);
}

/* From the header to `end`, behind which the tag stands. */
static bool gcm_rtp(struct srtp_own *k, struct pkt *pkt, size_t header_len, const uint8_t *iv,
		    size_t end, bool seal)
{
	struct own_worker *w = k->worker;
	struct cipher_gcm_op op = {
		.iv = iv,
		.aad = pkt->data,
		.aad_len = header_len,
		.p = pkt->data + header_len,
		.len = end - header_len,
		.tag = pkt->data + end,
	};
	if (w->gcm_rtp)
		return w->gcm_rtp(k, &op, seal);
	return run_gcm(w, seal ? cipher_gcm_seal : cipher_gcm_open, k->rtp.key, k->key_len, &op);
}

static enum pkt_fate rtp_open(struct srtp_own *k, struct pkt *pkt, const struct rtp *h,
			      uint64_t index)
{
	uint8_t iv[OWN_IV_LEN], tag[CIPHER_HMAC_LEN], roc[4];
	const size_t end = pkt->len - k->tag_len;
	own_iv(k, &k->rtp, h->ssrc, index, iv);
	if (k->aead)
		return gcm_rtp(k, pkt, h->header_len, iv, end, false) ? FATE_SENT : FATE_AUTH;
	store_be32(roc, (uint32_t)(index >> 16));
	cipher_hmac(&k->rtp.auth, pkt->data, end, roc, sizeof(roc), tag);
	if (!secret_eq_bytes(tag, pkt->data + end, k->tag_len))
		return FATE_AUTH;
	return crypt_cm(k, &k->rtp, iv, pkt->data + h->header_len, end - h->header_len)
		       ? FATE_SENT
		       : FATE_ENGINE;
}

enum pkt_fate own_look_in(const struct srtp_own *k, const struct pkt *pkt, struct rtp *out_h,
			  uint64_t *out_index)
{
	if (pkt->len > PKT_LEN_MAX)
		return FATE_OVERSIZE;
	if (pkt->len < k->tag_len || rtp_decode(pkt->data, pkt->len - k->tag_len, out_h) != OK)
		return FATE_MALFORMED;
	return srtp_windows_guess(&k->seen, out_h->ssrc, out_h->seq, out_index);
}

static enum pkt_fate rtp_unprotect(struct srtp_own *k, struct pkt *pkt)
{
	struct rtp h;
	uint64_t index;
	enum pkt_fate fate = own_look_in(k, pkt, &h, &index);
	if (fate == FATE_SENT)
		fate = rtp_open(k, pkt, &h, index);
	if (fate == FATE_SENT)
		fate = srtp_windows_commit(&k->seen, h.ssrc, index);
	if (fate == FATE_SENT)
		pkt->len -= k->tag_len;
	return fate;
}

static bool rtp_seal(struct srtp_own *k, struct pkt *pkt, const struct rtp *h, uint64_t index)
{
	uint8_t iv[OWN_IV_LEN], tag[CIPHER_HMAC_LEN], roc[4];
	own_iv(k, &k->rtp, h->ssrc, index, iv);
	if (k->aead)
		return gcm_rtp(k, pkt, h->header_len, iv, pkt->len, true);
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

enum pkt_fate own_look_out(struct srtp_own *k, const struct pkt *pkt, struct rtp *out_h,
			   uint64_t *out_index)
{
	if (pkt->len > PKT_LEN_MAX)
		return FATE_OVERSIZE;
	if (pkt->cap < pkt->len + k->tag_len)
		return FATE_NO_ROOM;
	if (rtp_decode(pkt->data, pkt->len, out_h) != OK)
		return FATE_MALFORMED;
	enum pkt_fate fate = srtp_windows_guess(&k->seen, out_h->ssrc, out_h->seq, out_index);
	if (fate == FATE_SENT)
		fate = srtp_windows_commit(&k->seen, out_h->ssrc, *out_index);
	return sending(fate);
}

static enum pkt_fate rtp_protect(struct srtp_own *k, struct pkt *pkt)
{
	struct rtp h;
	uint64_t index;
	const enum pkt_fate fate = own_look_out(k, pkt, &h, &index);
	if (fate != FATE_SENT)
		return fate;
	if (!rtp_seal(k, pkt, &h, index))
		return FATE_ENGINE;
	pkt->len += k->tag_len;
	return FATE_SENT;
}

/* header 8 | encrypted | E, index 4 | tag 10 (RFC 3711 §3.4) */
static enum pkt_fate rtcp_open_cm(struct srtp_own *k, struct pkt *pkt, uint32_t ssrc,
				  uint32_t index)
{
	uint8_t iv[OWN_IV_LEN], tag[CIPHER_HMAC_LEN];
	const size_t signed_len = pkt->len - k->rtcp_tag_len;
	cipher_hmac(&k->rtcp.auth, pkt->data, signed_len, NULL, 0, tag);
	if (!secret_eq_bytes(tag, pkt->data + signed_len, k->rtcp_tag_len))
		return FATE_AUTH;
	own_iv(k, &k->rtcp, ssrc, index, iv);
	pkt->len = (uint32_t)(signed_len - RTCP_TRAILER);
	return crypt_cm(k, &k->rtcp, iv, pkt->data + RTCP_HEADER_LEN, pkt->len - RTCP_HEADER_LEN)
		       ? FATE_SENT
		       : FATE_ENGINE;
}

/* header 8 | encrypted | tag 16 | E, index 4 (RFC 7714 §9.1) */
static enum pkt_fate rtcp_open_gcm(struct srtp_own *k, struct pkt *pkt, uint32_t ssrc,
				   uint32_t index)
{
	uint8_t iv[OWN_IV_LEN];
	const size_t end = pkt->len - RTCP_TRAILER - k->rtcp_tag_len;
	own_iv(k, &k->rtcp, ssrc, index, iv);
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

static enum pkt_fate rtcp_unprotect(struct srtp_own *k, struct pkt *pkt)
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

static bool rtcp_seal(struct srtp_own *k, struct pkt *pkt)
{
	uint8_t iv[OWN_IV_LEN], tag[CIPHER_HMAC_LEN];
	uint8_t *body = pkt->data + RTCP_HEADER_LEN, *end = pkt->data + pkt->len;
	uint8_t *trailer = end + (k->aead ? k->rtcp_tag_len : 0);
	own_iv(k, &k->rtcp, load_be32(pkt->data + 4), k->rtcp_index, iv);
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

static enum pkt_fate rtcp_protect(struct srtp_own *k, struct pkt *pkt)
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

enum pkt_fate own_unprotect(struct srtp_own *k, struct pkt *pkt)
{
	return pkt->kind == PKT_RTCP ? rtcp_unprotect(k, pkt) : rtp_unprotect(k, pkt);
}

enum pkt_fate own_protect(struct srtp_own *k, struct pkt *pkt)
{
	return pkt->kind == PKT_RTCP ? rtcp_protect(k, pkt) : rtp_protect(k, pkt);
}
