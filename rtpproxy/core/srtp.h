/*
 * SRTP and SRTCP (RFC 3711, 6188, 7714) in batches, one engine behind it chosen at start: our own core over
 * "openssl" (everywhere) or over "ipsec-mb" (batched, where library and processor are), or
 * "libsrtp2" (the reference, for comparison and tests). Nothing is
 * committed before the tag is right; no (key, SSRC, index) ever protects two packets.
 *
 * An MKI may stand in the packets, one for each key; several keys of one side at once, F8, NULL and
 * header encryption are not here.
 */
#ifndef SALLYPORT_SRTP_H
#define SALLYPORT_SRTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"
#include "common/sdes.h"
#include "common/secret.h"
#include "pkt.h"

enum {
	SRTP_KEY_MAX = 32,
	SRTP_SALT_MAX = 14,
	SRTP_WINDOW = 128,  /* packets that may come late (threats D6) */
	SRTP_SSRC_LIVE = 8, /* SSRCs of a direction with a whole window; */
	SRTP_SSRC_OLD =
		24, /* those before them keep their index alone: an older one may not come back */
	SRTP_TRAILER_MAX = 20, /* SRTCP with a 16-byte tag and the index */
	SRTP_MKI_MAX = 16,
	SRTP_TAIL_MAX = SRTP_TRAILER_MAX + SRTP_MKI_MAX, /* the most that protecting adds */
	SRTP_USED_KEYS = 4, /* sending keys given up that are remembered */
	SRTP_BATCH = 64     /* operations that a call takes */
};

enum srtp_direction { SRTP_RX, SRTP_TX, SRTP_DIRECTION_COUNT };

struct srtp_engine; /* srtp_engine.h */

/* What a thread keeps for all its streams: fetched algorithms, scratch contexts. Never shared
 * between threads. */
struct srtp_worker {
	const struct srtp_engine *engine;
	void *state;
};

/* Is there such an engine, in this build or another? "auto" is one. */
bool srtp_engine_is_name(const char *engine);
/* Exactly this engine. ERR_NOTFOUND: not in this build; ERR_NOMEM; ERR_UNSUPPORTED: the processor has not
 * what it needs, or it fails its known answers. */
enum err srtp_worker_init(struct srtp_worker *w, const char *engine) MUST_USE;
/* "auto" is ipsec-mb where it works; where that, wished for or not, does not work, openssl. */
enum err srtp_worker_init_wish(struct srtp_worker *w, const char *wish) MUST_USE;
/* The name of what it became. */
const char *srtp_worker_engine(const struct srtp_worker *w);
/* All contexts made with it must have been released. */
void srtp_worker_release(struct srtp_worker *w);

/* One direction of one party's media: RTP and RTCP of one master key. Memory is taken by
 * srtp_key_set only. */
struct srtp_key {
	struct srtp_worker *worker;
	void *state; /* the engine's; NULL: no key */
	uint8_t suite;
	uint8_t direction;
	uint8_t used_next;
	uint8_t mki_len; /* bytes in each packet; 0: none */
	uint32_t mki;
	uint64_t key_print;            /* hash of suite and key, to know the same key again */
	uint64_t used[SRTP_USED_KEYS]; /* of those before */
};

/* No key yet. `w` outlives it. */
void srtp_key_init(struct srtp_key *s, struct srtp_worker *w, enum srtp_direction d);
/*
 * `key` is master key and salt, as SDES writes them. The same key and suite again change nothing:
 * rollover counters and windows go on. Another key starts anew. ERR_BAD: wrong length; ERR_EXISTS:
 * a sending key that was given up before, which would use its key stream again: make a fresh one;
 * ERR_NOMEM. On failure the old key stays.
 */
enum err srtp_key_set(struct srtp_key *s, enum sdes_suite suite, const struct secret *key) MUST_USE;
/* The MKI that packets of this key carry, len ≤ SRTP_MKI_MAX; 0: none, as with each new key. */
void srtp_key_set_mki(struct srtp_key *s, uint32_t mki, size_t len);
/* Wipes the keys. Remembers that they were used, until srtp_key_init. */
void srtp_key_drop(struct srtp_key *s);
bool srtp_key_is_set(const struct srtp_key *s);
/* True if these bytes are the key in use, whatever the suite. */
bool srtp_key_is_same(const struct srtp_key *s, const struct secret *key);
/* Takes over the key of `from` with its counters and memory of others; s had none, and from has none then. */
void srtp_key_take(struct srtp_key *s, struct srtp_key *from);
void srtp_key_release(struct srtp_key *s);

/* One packet to be worked on. pkt->kind says RTP or RTCP. */
struct srtp_op {
	struct srtp_key *key; /* has a key */
	struct pkt *pkt;
	uint8_t fate; /* out: FATE_SENT: done, pkt->len changed; else pkt's bytes are void and it
			 must be dropped */
};

/* n ≤ SRTP_BATCH; each srtp is of w and of the right direction. Later ones of one batch see what
 * earlier ones committed. */
void srtp_batch_unprotect(struct srtp_worker *w, struct srtp_op ops[], size_t n);
void srtp_batch_protect(struct srtp_worker *w, struct srtp_op ops[], size_t n);

/* Bytes of heap that one key takes with this engine: for the figures in the benchmark and for the
 * docs. */
size_t srtp_key_memory(const struct srtp_key *s);

#endif
