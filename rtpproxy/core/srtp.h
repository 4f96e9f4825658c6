/*
 * SRTP and SRTCP (RFC 3711, 6188, 7714) in batches, one engine behind it chosen at start: "openssl"
 * (our own core, what runs) or "libsrtp2" (the reference, for comparison and tests). Nothing is
 * committed before the tag is right; no (key, SSRC, index) ever protects two packets.
 *
 * MKI, F8, NULL and header encryption are not here.
 */
#ifndef SALLYPORT_SRTP_H
#define SALLYPORT_SRTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"
#include "common/secret.h"
#include "common/str.h"
#include "pkt.h"

/* X(enum, SDES name, key, salt, RTP tag, RTCP tag: bytes). In order of preference. */
#define SRTP_SUITE_TABLE(X)                                                                        \
	X(GCM_256, "AEAD_AES_256_GCM", 32, 12, 16, 16)                                             \
	X(GCM_128, "AEAD_AES_128_GCM", 16, 12, 16, 16)                                             \
	X(CM_256_80, "AES_256_CM_HMAC_SHA1_80", 32, 14, 10, 10)                                    \
	X(CM_256_32, "AES_256_CM_HMAC_SHA1_32", 32, 14, 4, 10)                                     \
	X(CM_128_80, "AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 10)                                    \
	X(CM_128_32, "AES_CM_128_HMAC_SHA1_32", 16, 14, 4, 10)

enum srtp_suite {
#define X(name, text, key, salt, tag, rtcp_tag) SRTP_##name,
	SRTP_SUITE_TABLE(X)
#undef X
		SRTP_SUITE_COUNT
};

enum {
	SRTP_KEY_MAX = 32,
	SRTP_SALT_MAX = 14,
	SRTP_WINDOW = 128,  /* packets that may come late (threats D6) */
	SRTP_SSRC_LIVE = 8, /* SSRCs of a direction with a whole window; */
	SRTP_SSRC_OLD =
		24, /* those before them keep their index alone: an older one may not come back */
	SRTP_TAIL_MAX =
		20, /* the most that protecting adds: SRTCP with a 16-byte tag and the index */
	SRTP_USED_KEYS = 4, /* sending keys given up that are remembered */
	SRTP_BATCH = 64     /* operations that a call takes */
};

struct srtp_suite_info {
	const char *name;
	uint8_t key_len, salt_len, tag_len, rtcp_tag_len;
	bool aead;
};

const struct srtp_suite_info *srtp_suite(enum srtp_suite s);
/* By its SDES name, letters compared without case. ERR_NOTFOUND. */
enum err srtp_suite_find(struct str name, enum srtp_suite *out) MUST_USE;

enum srtp_direction { SRTP_RX, SRTP_TX, SRTP_DIRECTION_COUNT };

struct srtp_engine; /* srtp_engine.h */

/* What a thread keeps for all its streams: fetched algorithms, scratch contexts. Never shared
 * between threads. */
struct srtp_worker {
	const struct srtp_engine *engine;
	void *state;
};

/* `engine` is "openssl" or "libsrtp2". ERR_NOTFOUND: no such engine; ERR_NOMEM; ERR_UNSUPPORTED: it
 * fails its known answers. */
enum err srtp_worker_init(struct srtp_worker *w, const char *engine) MUST_USE;
/* All contexts made with it must have been released. */
void srtp_worker_release(struct srtp_worker *w);

/* One direction of one party's media: RTP and RTCP of one master key. Memory is taken by
 * srtp_set_key only. */
struct srtp {
	struct srtp_worker *worker;
	void *state; /* the engine's; NULL: no key */
	uint8_t suite;
	uint8_t direction;
	uint8_t used_next;
	uint64_t key_print;            /* hash of suite and key, to know the same key again */
	uint64_t used[SRTP_USED_KEYS]; /* of those before */
};

/* No key yet. `w` outlives it. */
void srtp_init(struct srtp *s, struct srtp_worker *w, enum srtp_direction d);
/*
 * `key` is master key and salt, as SDES writes them. The same key and suite again change nothing:
 * rollover counters and windows go on. Another key starts anew. ERR_BAD: wrong length; ERR_EXISTS:
 * a sending key that was given up before, which would use its key stream again: make a fresh one;
 * ERR_NOMEM. On failure the old key stays.
 */
enum err srtp_set_key(struct srtp *s, enum srtp_suite suite, const struct secret *key) MUST_USE;
/* Wipes the keys. Remembers that they were used, until srtp_init. */
void srtp_drop_key(struct srtp *s);
bool srtp_has_key(const struct srtp *s);
void srtp_release(struct srtp *s);

/* One packet to be worked on. pkt->kind says RTP or RTCP. */
struct srtp_op {
	struct srtp *srtp; /* has a key */
	struct pkt *pkt;
	uint8_t fate; /* out: FATE_SENT: done, pkt->len changed; else pkt's bytes are void and it
			 must be dropped */
};

/* n ≤ SRTP_BATCH; each srtp is of w and of the right direction. Later ones of one batch see what
 * earlier ones committed. */
void srtp_unprotect(struct srtp_worker *w, struct srtp_op ops[], size_t n);
void srtp_protect(struct srtp_worker *w, struct srtp_op ops[], size_t n);

/* Bytes of heap that one key takes with this engine: for the figures in the benchmark and for the
 * docs. */
size_t srtp_key_memory(const struct srtp *s);

#endif
