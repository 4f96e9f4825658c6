/*
 * Our own SRTP core (RFC 3711, 6188, 7714): a key of one direction, and its packets one at a time over srtp_cipher and
 * srtp_window. The engine "openssl" is this and no more; "ipsec-mb" takes it for all that is not in a batch of RTP.
 * A key is raw bytes in one block of memory; the thread's contexts are loaded with it for each packet. Contexts kept for each
 * key are faster while few streams are warm, but with thousands they are a chain of cold heap objects and cost more than
 * the key schedule that they save (measured at 4,096 streams: 1.5 µs a re-key with kept contexts, 1.05 with loaded ones, and
 * a third of the memory).
 */
#ifndef SALLYPORT_SRTP_OWN_H
#define SALLYPORT_SRTP_OWN_H

#include "common/sdes.h"
#include "rtp.h"
#include "srtp.h"
#include "srtp_cipher.h"
#include "srtp_window.h"

enum { OWN_IV_LEN = CIPHER_BLOCK, OWN_AES_COUNT = 2 };

struct srtp_own;

/* The key that a context has at the moment. */
struct own_loaded {
	uint8_t key[SRTP_KEY_MAX];
	size_t len; /* 0: none */
};

/* One GCM packet: `seal` encrypts and writes the tag, else it decrypts and checks it. False: refused. */
typedef bool own_gcm_fn(struct srtp_own *k, const struct cipher_gcm_op *op, bool seal);

/* A context of each kind for all streams of a thread. */
struct own_worker {
	struct cipher_pad pad;
	EVP_CIPHER *ecb[OWN_AES_COUNT];
	EVP_CIPHER_CTX *aes[OWN_AES_COUNT];
	struct own_loaded aes_has[OWN_AES_COUNT];
	GCM128_CONTEXT *gcm;
	struct own_loaded gcm_has;
	own_gcm_fn *gcm_rtp; /* for RTP; NULL: gcm */
};

/* Session keys of one protocol. */
struct own_session {
	uint8_t salt[OWN_IV_LEN]; /* filled up with zeros */
	struct cipher_hmac auth;  /* counter mode only */
	uint8_t key[SRTP_KEY_MAX];
};

/* What RTP needs comes first, and is asked for ahead. */
struct srtp_own {
	struct own_worker *worker;
	uint8_t direction;
	uint8_t key_len;
	uint8_t tag_len, rtcp_tag_len;
	bool aead;
	struct own_session rtp;
	struct srtp_windows seen;
	struct own_session rtcp;
	/* sending: the last one used, over all SSRCs, so that none is used twice */
	uint32_t rtcp_index;
	struct srtp_windows rtcp_seen[]; /* receiving: one */
};

/* ERR_NOMEM; ERR_UNSUPPORTED: libcrypto lacks a cipher. On failure nothing is left. */
enum err own_worker_init(struct own_worker *w) MUST_USE;
void own_worker_release(struct own_worker *w);

/* Bytes of a key. */
size_t own_size(enum srtp_direction d);
/* The same with what further SSRCs took. */
size_t own_memory(const struct srtp_own *k);
/* Fills own_size bytes from master key and salt. ERR_NOMEM, ERR_UNSUPPORTED; then only own_release may follow. */
enum err own_init(struct srtp_own *k, struct own_worker *w, enum srtp_direction d,
		  enum sdes_suite s, const uint8_t *master) MUST_USE;
/* Wipes it, also from the thread's contexts. */
void own_release(struct srtp_own *k);

/* Of the key's direction; RTP or RTCP. As srtp_batch_unprotect and _protect. */
enum pkt_fate own_unprotect(struct srtp_own *k, struct pkt *pkt);
enum pkt_fate own_protect(struct srtp_own *k, struct pkt *pkt);

/* The first look at a packet, before any cipher: shape, and its index, which may not have been seen. */
enum pkt_fate own_look_in(const struct srtp_own *k, const struct pkt *pkt, struct rtp *out_h,
			  uint64_t *out_index);
/* The same for one to be sent; it uses the index up, so that no failure afterwards can lead to its use twice. */
enum pkt_fate own_look_out(struct srtp_own *k, const struct pkt *pkt, struct rtp *out_h,
			   uint64_t *out_index);
/* RFC 3711 §4.1.1, RFC 7714 §8.1. */
void own_iv(const struct srtp_own *k, const struct own_session *s, uint32_t ssrc, uint64_t index,
	    uint8_t out[OWN_IV_LEN]);

#endif
