/*
 * What the signalling side asks of the relay for one call, and what it reads from the answers (NG protocol, the keys
 * of §6). Writes dictionaries; sends nothing. The SDP that we send is sdp_face's.
 */
#ifndef SALLYPORT_MEDIA_H
#define SALLYPORT_MEDIA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/dict.h"
#include "common/sdp.h"
#include "sbc/core/cdr.h"
#include "sbc/core/sdp_face.h"
#include "sbc/core/settings.h"

enum { MEDIA_CODEC_LEN = 16, MEDIA_PARTIES = 2 };

/* What one side has of us, for the life of the leg. */
struct media_face {
	struct sdp_face sdp;
	uint8_t proto; /* enum sdp_proto, as agreed */
	uint8_t suite; /* enum sdes_suite, or SDES_SUITE_COUNT */
};

/* Numbers of events that have come: each counts once, in whatever order (the relay's transport may repeat them). */
struct media_seen {
	uint32_t top, below; /* the highest; bit i: top - 1 - i has come */
	bool any;
};

struct media {
	bool anchored;   /* through the relay; else SDP passes with a new face */
	bool open;       /* the relay has a session of ours, or may have */
	bool known;      /* it has an answer too: what follows is a re-offer */
	uint16_t relay;  /* index of the one that has it; SETTINGS_NO_INDEX: not known yet */
	uint8_t session; /* a new one for each target, so that no key is shown to two of them */
	char codec[MEDIA_CODEC_LEN];
	struct media_seen seen;                /* of this session */
	struct media_face face[MEDIA_PARTIES]; /* by side: what that side sees of us */
};

/* A leg that comes from another call: its party is the same there as side `side`. */
struct media_before {
	struct str call; /* our id of that call; empty: the leg is this call's own */
	const struct media *media;
	unsigned side;
};

struct media_query {
	struct str call; /* our id of the call */
	const struct settings *settings;
	uint16_t realm[MEDIA_PARTIES]; /* of the two sides */
	unsigned from;                 /* the side whose SDP this is */
	const struct addr *source;     /* where its message came from */
	struct str sdp;
	const struct sdp *parsed; /* the same */
	bool again;               /* the session exists: a re-offer */
	struct str protocol;      /* of the offer for the other side, if it is known already */
	struct media_before before[MEDIA_PARTIES]; /* by side; of an offer */
	struct str notify; /* the word in front of the relay's events about this call */
};

void media_init(struct media *m, uint32_t random_a, uint32_t random_b);
/* Into b, as bencode; values live in `a` until the return. Empty after a failure. */
void media_write_offer(struct buf *b, struct arena *a, const struct media *m,
		       const struct media_query *q);
/* q->from is the side that answers. */
void media_write_answer(struct buf *b, struct arena *a, const struct media *m,
			const struct media_query *q);
/* Side `side` has pressed a key: its packets say so to the other one. */
void media_write_key(struct buf *b, struct arena *a, const struct media *m, struct str call,
		     unsigned side, uint8_t key, uint32_t ms);
void media_write_delete(struct buf *b, struct arena *a, const struct media *m, struct str call);

/* Is `name` the session that the relay has for the call now? */
bool media_is_session(const struct media *m, struct str call, struct str name);
/* A number for the first time. */
bool media_see(struct media_seen *s, uint32_t number);

/* Remembers protocol, suite and codec of an SDP that is in force on `side`, for views. */
void media_note(struct media *m, unsigned side, struct str sdp);
/* "RTP/SAVP AEAD_AES_256_GCM" */
void media_write_state(struct buf *b, const struct media_face *f);

/* The media of a CDR from the reply to `delete`. Views into the reply and into `a`; returns how many. */
size_t media_read_cdr(const struct dict *reply, struct arena *a, struct cdr_media *out, size_t cap);

#endif
