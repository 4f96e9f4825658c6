/*
 * A call in force as octets: what another node, or this one after a crash, needs to answer any request in its dialogs, to end
 * it on both sides, to close its CDR and to speak with the relay about it (design §7). Not in it: transactions, requests that
 * are under way, early dialogs. Indexes differ between nodes, so realms, trunks, peers and relays go by name, times by the wall.
 *
 * One list of fields reads and writes (snapshot.c), so that the two cannot differ. Whoever reads believes nothing: each number has
 * its bounds, each text its octets and its length, and what does not fit exactly is no snapshot. SDP may hold keys: where the
 * octets go they are to be sealed.
 */
#ifndef SALLYPORT_SNAPSHOT_H
#define SALLYPORT_SNAPSHOT_H

#include "sbc/core/call.h"
#include "sbc/core/hide.h"

enum {
	SNAPSHOT_VERSION = 1,
	SNAPSHOT_MAX = 32 * 1024, /* octets of one */
	SNAPSHOT_NAME_MAX = 255,
	SNAPSHOT_TEXT_MAX = 4096, /* of a dialog */
	SNAPSHOT_SDP_MAX = 12 * 1024,
	SNAPSHOT_TEXTS =
		CALL_TLS_PEER + 1, /* of version one: who called from which domain is not in it */
	SNAPSHOT_NUMBERS_MAX = 16
};

/* One side. Views. */
struct snapshot_leg {
	struct str text[DIALOG_TEXT_COUNT];
	uint32_t local_cseq, remote_cseq, invite_cseq;
	uint8_t role; /* enum dialog_role */
	bool remote_cseq_known, secure, confirmed, invite_ours, ended, admitted;
	bool stream; /* its messages came over a connection */
	uint8_t refers;
	struct str realm, trunk, peer, user; /* peer: its URI; user: an address-of-record */
	uint8_t transport;                   /* enum transport */
	struct addr local, remote;           /* the listener's; the peer's */
	struct hide_name home; /* that our tag names, if not the call's own; id 0: its own */
	uint32_t home_epoch;
	struct session_timer session; /* times by the wall; nothing is pending */
	bool agreed_ever;             /* offer and answer have met */
	uint8_t keys_by;              /* enum call_keys */
	bool keys_plain;
	uint64_t silent_ms; /* wall; 0: it is heard */
	struct media_face face;
	struct str shown, agreed; /* SDP */
	char uuid[SESSION_ID_LEN];
	bool uuid_known, uuid_made, uuid_old;
};

struct snapshot_attempt {
	struct str trunk, peer;
	uint64_t start_ms; /* wall */
	uint32_t ms;
	uint16_t status;
	uint8_t cause, number; /* number: 1 + index in `numbers`; 0: as dialled */
};

/* Views into the octets, or into the call. Times by the wall; 0: did not happen. */
struct snapshot {
	struct hide_name key;  /* that the tags of its legs name */
	uint32_t epoch;        /* how often it has changed hands */
	struct str node;       /* who has it */
	uint32_t boot;         /* which run of that node */
	struct str name;       /* of the call, in CDRs, logs and at the relay */
	struct str last, next; /* names of calls that it came from or went to */
	uint64_t start_ms, ring_ms, early_ms, answer_ms;
	struct str route;
	uint16_t status, q850;
	struct str text[SNAPSHOT_TEXTS];
	struct str numbers[SNAPSHOT_NUMBERS_MAX]; /* that it was sent on to */
	uint8_t number_count, attempt_count;
	struct snapshot_attempt attempts[CDR_ATTEMPTS_MAX];
	struct call_identity identity; /* what was found of the signature of who calls */
	uint8_t transfers, refers;
	bool hidden, wrote_offer;
	bool anchored, media_open, media_known;
	struct str relay;
	uint8_t session; /* of the relay */
	char codec[MEDIA_CODEC_LEN];
	struct media_seen seen;
	uint8_t agreed_by;
	struct snapshot_leg leg[2];
};

/* ---- octets (snapshot.c) */

/* Appends. More than SNAPSHOT_MAX octets: without its SDP; then still more: b overflows. */
void snapshot_encode(struct buf *b, const struct snapshot *x);
/* The whole of `bytes`. ERR_BAD: it is none; ERR_UNSUPPORTED: one that we do not know. *out is untouched then. */
enum err snapshot_decode(struct str bytes, struct snapshot *out) MUST_USE;

/* ---- calls (snapshot_call.c) */

/* Of a call that is confirmed. Names that are made for it live in the arena. False: no memory. */
bool snapshot_take(struct sbc *s, const struct call *c, struct snapshot *out);
/*
 * A call like it, confirmed, under the settings of now, with its limits and timers begun; nothing is sent. Its CSeqs are ahead of
 * all that may have been used since. ERR_NOTFOUND: a realm or listener that it needs is not there; ERR_FULL, ERR_NOMEM.
 */
enum err snapshot_restore(struct sbc *s, const struct snapshot *x, struct call **out) MUST_USE;

#endif
