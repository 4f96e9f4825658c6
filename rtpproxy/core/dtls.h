/*
 * DTLS-SRTP (RFC 5763, 5764; DTLS 1.2, RFC 6347): the association of one endpoint, as a leaf: datagram in, datagrams out,
 * deadline out. OpenSSL shakes hands on memory buffers; what is left afterwards is a few hundred bytes.
 *
 *   EMPTY ──start, or a hello whose sender is real──► HANDSHAKE ──finished, and the certificate is the one named──► UP
 *     ▲                                                   │
 *     └──server: given up, wrong certificate, too late────┘──client: so for the third time──► FAILED
 *
 * A failed attempt of a stranger changes nothing: a server waits for the next hello. UP is never left by a datagram.
 * Retransmission runs on the library's own clock (there is no way to hand it ours): `now_ms` bounds the whole handshake, and
 * out->deadline_ms says when to ask again. Randomness is the library's too: it makes long-lived private keys.
 */
#ifndef SALLYPORT_DTLS_H
#define SALLYPORT_DTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/check.h"
#include "common/err.h"
#include "common/sdes.h"
#include "common/secret.h"
#include "common/str.h"
#include "pkt.h"
#include "srtp.h"

enum {
	DTLS_MTU = 1200, /* of a datagram that we send: passes every path, IPv6 and tunnels too */
	DTLS_OUT_DATAGRAMS = 8, /* a flight sent again is one datagram a message: five */
	DTLS_FINGERPRINTS = 2,  /* of one party that are looked at */
	DTLS_HASH_MAX = 64,
	DTLS_RANDOM_LEN = 32,
	DTLS_FLIGHT_MAX = 192, /* our last flight: ChangeCipherSpec and Finished */
	DTLS_BYE_MAX = 64,
	DTLS_LIFE_MS = 30000, /* of one attempt */
	DTLS_TRIES = 3,       /* attempts of a client */
	DTLS_RESENDS = 16,    /* of the last flight */
	DTLS_FIRST_MS = 250,  /* until the first retransmission; doubles up to */
	DTLS_LAST_MS = 4000,
	DTLS_COOKIE_MS = 60000, /* how long a cookie is good, twice this at most */
	DTLS_CERTS = 2          /* the one in use and the one before it */
};

/* X(name, in SDP, bytes). From weak to strong. */
#define DTLS_HASH_TABLE(X)                                                                         \
	X(SHA1, "sha-1", 20)                                                                       \
	X(SHA256, "sha-256", 32)                                                                   \
	X(SHA384, "sha-384", 48)                                                                   \
	X(SHA512, "sha-512", 64)

enum dtls_hash {
#define X(name, text, len) DTLS_##name,
	DTLS_HASH_TABLE(X)
#undef X
		DTLS_HASH_COUNT
};

enum dtls_state { DTLS_EMPTY, DTLS_HANDSHAKE, DTLS_UP, DTLS_FAILED, DTLS_STATE_COUNT };
enum dtls_role { DTLS_SERVER, DTLS_CLIENT };

/* X(name, label of the metric, help) */
#define DTLS_FAILURE_TABLE(X)                                                                      \
	X(FINGERPRINT, "fingerprint", "the certificate is not the one that SDP names")             \
	X(PROFILE, "profile", "no SRTP profile in common, or DTLS without SRTP")                   \
	X(PROTOCOL, "protocol", "no cipher or version in common, or an alert")                     \
	X(TIMEOUT, "timeout", "the handshake did not come to an end in time")                      \
	X(MEMORY, "memory", "the library refused")

enum dtls_failure {
	DTLS_FAILURE_NONE,
#define X(name, label, help) DTLS_FAILURE_##name,
	DTLS_FAILURE_TABLE(X)
#undef X
		DTLS_FAILURE_COUNT
};

struct dtls_fingerprint {
	uint8_t hash; /* enum dtls_hash */
	uint8_t bytes[DTLS_HASH_MAX];
};

/* What the party's SDP names, all of one hash; count 0: not known yet. */
struct dtls_expect {
	struct dtls_fingerprint at[DTLS_FINGERPRINTS];
	uint8_t count;
};

/* What one step wants: send the datagrams in order to `to`, and call dtls_tick at deadline_ms. */
struct dtls_out {
	struct addr to;
	uint64_t deadline_ms; /* UINT64_MAX: nothing is waited for */
	bool up;              /* became UP by this step; its keys may be asked for */
	uint8_t failure;      /* enum dtls_failure: an attempt failed by this step */
	uint8_t count;
	uint16_t len[DTLS_OUT_DATAGRAMS];
	uint8_t bytes[DTLS_OUT_DATAGRAMS][DTLS_MTU];
};

/* The certificate in use, as SDP names it. */
struct dtls_ours {
	uint32_t generation;
	bool accept_sha1; /* of others, where they name nothing better */
	struct dtls_fingerprint prints[DTLS_HASH_COUNT];
};

struct dtls_params {
	bool accept_sha1;
	uint64_t wall_s;     /* now, for the certificate's time */
	uint64_t lifetime_s; /* of a certificate; renewed after half of it */
	uint64_t now_ms;
	uint32_t first_ms; /* DTLS_FIRST_MS */
};

struct dtls_cert; /* key, certificate and what handshakes with it share */

/* What a thread keeps for all its associations. Never shared between threads. */
struct dtls_worker {
	struct dtls_cert *certs[DTLS_CERTS]; /* by generation modulo DTLS_CERTS */
	struct dtls_ours ours;               /* the newest */
	uint64_t renew_s, lifetime_s;
	uint32_t first_ms;
	void *bio_method;
	void *listener; /* SSL that looks at hellos; it becomes the association's when the cookie is right */
	uint32_t listener_generation;
	uint8_t cookie_keys[2][32]; /* new and old */
	uint64_t cookie_ms;
	uint32_t handshakes; /* that go on now: each is about 80 KiB */
	/* of the call that is in the library now */
	const struct addr *asking;
	const uint8_t *in;
	size_t in_len;
	struct dtls_out *out;
};

/* Makes the first certificate. ERR_NOMEM, ERR_UNSUPPORTED. */
enum err dtls_worker_init(struct dtls_worker *w, const struct dtls_params *p) MUST_USE;
/* All associations must have been released. */
void dtls_worker_release(struct dtls_worker *w);
/* Renews certificate and cookie key when it is time. */
void dtls_worker_tick(struct dtls_worker *w, uint64_t now_ms, uint64_t wall_s);

struct dtls {
	struct dtls_worker *worker;
	void *ssl; /* while it shakes hands */
	uint8_t state, role;
	uint8_t tries, resends;
	uint8_t failure; /* enum dtls_failure of the attempt that goes on */
	bool cookie; /* a hello must first prove its source (RFC 6347 §4.2.1); false: the caller knows every source, and the
			peer may go from one to another */
	bool heard;  /* something came in this attempt */
	uint32_t generation;
	struct addr peer;
	uint8_t random[DTLS_RANDOM_LEN]; /* of the client's hello: a server knows it again by it */
	uint64_t began_ms;
	struct dtls_expect expect;
	uint8_t digests[DTLS_HASH_COUNT][DTLS_HASH_MAX]; /* of the peer's certificate */
	uint8_t suite;                                   /* enum sdes_suite */
	struct secret keys[SRTP_DIRECTION_COUNT];        /* master key and salt, as SDES has them */
	uint8_t flight[DTLS_FLIGHT_MAX];
	uint8_t flight_len;
	uint8_t bye[DTLS_BYE_MAX]; /* close_notify, made in advance */
	uint8_t bye_len;
};

/* EMPTY; it is to use the certificate of that generation; one that was renewed twice since fails as MEMORY. `w` outlives it. */
void dtls_init(struct dtls *d, struct dtls_worker *w, enum dtls_role role, uint32_t generation);
/* Wipes everything. Says nothing to the peer: that is dtls_bye. */
void dtls_release(struct dtls *d);
/* Whose certificate it has to be. An association that is UP with another one, which came before this was known, is EMPTY
 * again afterwards; one that was UP and fits is so still. */
void dtls_expect(struct dtls *d, const struct dtls_expect *e);
/* UP, and the certificate is one that was expected: media may flow. */
bool dtls_is_proven(const struct dtls *d);
/* A client sends its hello. EMPTY only. */
void dtls_start(struct dtls *d, const struct addr *to, uint64_t now_ms, struct dtls_out *out);
/*
 * One datagram; whether its source may speak at all was decided before. Returns its fate: FATE_OURS, or why it was dropped:
 * FATE_DTLS_FOREIGN (no DTLS, or not of this association), FATE_SOURCE.
 */
enum pkt_fate dtls_step(struct dtls *d, const struct addr *from, const uint8_t *p, size_t len,
			uint64_t now_ms, struct dtls_out *out);
/* Would this datagram begin a handshake, or ask for a cookie: what callers keep a budget for? */
bool dtls_is_dear(const struct dtls *d, const uint8_t *p, size_t len);
void dtls_tick(struct dtls *d, uint64_t now_ms, struct dtls_out *out);
/* One close_notify when it is UP: before dtls_release. */
void dtls_bye(const struct dtls *d, struct dtls_out *out);

/* "sha-256 AB:CD:…" of SDP. ERR_BAD; ERR_UNSUPPORTED: another hash. */
enum err dtls_fingerprint_parse(struct str value, struct dtls_fingerprint *out) MUST_USE;
void dtls_fingerprint_write(struct buf *b, const struct dtls_fingerprint *f);
bool dtls_fingerprint_eq(const struct dtls_fingerprint *a, const struct dtls_fingerprint *b);
/* "sha-256", "SHA-256". ERR_NOTFOUND. */
enum err dtls_hash_find(struct str name, enum dtls_hash *out) MUST_USE;
size_t dtls_hash_len(enum dtls_hash h);
const char *dtls_failure_label(enum dtls_failure f);
const char *dtls_failure_help(enum dtls_failure f);

#endif
