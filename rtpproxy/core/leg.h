/*
 * One party's side of a dialogue: who it is, what it was told about itself (origin, version), and
 * its media: what the party said last, what we said to it, and the local endpoints (streams) where
 * its packets arrive. What was said comes into force with the answer, by leg_connect: until then
 * streams go on as they were, and new ones carry nothing.
 */
#ifndef SALLYPORT_LEG_H
#define SALLYPORT_LEG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/id.h"
#include "common/sdes.h"
#include "common/sdp.h"
#include "rtpproxy/core/dtmf.h"
#include "rtpproxy/core/dtls.h"
#include "rtpproxy/core/ice.h"
#include "rtpproxy/core/limits.h"
#include "rtpproxy/core/payload.h"
#include "rtpproxy/core/refusal.h"
#include "rtpproxy/core/silence.h"
#include "rtpproxy/core/stream.h"

struct carry;

/* The leg that takes the place of another one (carry.h). dialogue ID_NONE: none. */
struct carry_heir {
	id_t64 dialogue;
	uint8_t worker, side;
};

enum { LEG_RTP, LEG_RTCP, LEG_STREAMS };

struct leg_crypto {
	uint32_t tag;
	uint8_t suite;   /* enum sdes_suite */
	uint8_t mki_len; /* 0: none */
	uint32_t mki;
	struct secret key;
};

/* Keys of one m= line. */
struct leg_keys {
	struct leg_crypto theirs[LIMIT_CRYPTOS]; /* offered by the party, or its one answer */
	struct leg_crypto ours[SDES_SUITE_COUNT];
	uint8_t theirs_count, ours_count;
	int8_t chosen;    /* of ours, once agreed; -1 */
	int8_t chosen_in; /* of theirs; -1 */
};

/* How the media of one line is encrypted, as agreed. */
enum leg_keying { LEG_PLAIN, LEG_SDES, LEG_DTLS };

enum leg_setup {
	LEG_SETUP_NONE,
	LEG_SETUP_ACTPASS,
	LEG_SETUP_ACTIVE,
	LEG_SETUP_PASSIVE,
	LEG_SETUP_HOLD
};

enum { LEG_TLS_ID = 24 }; /* 20 at least (RFC 8842 §4): 124 bits */

/* DTLS-SRTP of one m= line: what both sides said (keying_dtls.h). */
struct leg_dtls {
	bool offered;                     /* the party's last SDP has it */
	bool wanted;                      /* ours to the party has it */
	bool prefer_passive, prefer_sdes; /* as the flags of its offer say */
	bool agreed;                      /* role is in force */
	bool names_id, shows_id;          /* a=tls-id: theirs, ours */
	bool ours_said;                   /* what follows up to tls_id was told the party */
	uint8_t hash;                     /* enum dtls_hash that we print */
	uint32_t generation;              /* of our certificate */
	struct dtls_fingerprint print;
	char tls_id[LEG_TLS_ID + 1];
	uint8_t setup; /* enum leg_setup: theirs */
	uint8_t role;  /* enum dtls_role: ours */
	struct dtls_expect theirs;
	uint64_t their_id; /* hash of their tls-id; 0: none */
};

struct leg_mux {
	bool offered; /* by the party */
	bool accept;  /* grant it whatever the other side says */
	bool reject;
	bool wanted; /* we offer it to the party */
	bool only;   /* … and give it no second port */
	bool agreed;
};

/* What was said about ICE for one m= line, to the party and by it. */
struct leg_ice {
	struct ice *agent; /* the relay's pool has it; NULL: was never needed */
	bool said;         /* the party's last SDP speaks ICE, and we may */
	bool mismatch; /* … but its default address is none of its candidates (RFC 8839 §4.2.5) */
	bool lite;     /* it is lite too: no checks will come */
	bool trickle;  /* a=ice-options:trickle for it */
	bool wanted;   /* we offer it to the party */
	bool declined; /* … and it answered without: not offered again until `reset` */
	bool agreed;
};

/* What the line is called towards this party (RFC 5888), and BUNDLE (RFC 8843). */
struct leg_name {
	char mid[LIMIT_MID + 1]; /* empty: none */
	bool offered;            /* the party offered to bundle this line */
	bool wanted;             /* we offer it */
	bool bundled;            /* agreed: alone in its group */
};

/* One m= line of one party. Lives in a pool: its streams are pointed at. */
struct leg_media {
	id_t64 id;
	char kind[16];
	enum sdp_proto said;  /* the protocol in the party's own SDP */
	enum sdp_proto proto; /* the one that we use towards it */
	bool active;          /* the party's port is not 0 */
	bool zero;            /* the party said c=0.0.0.0 */
	uint8_t direction;    /* enum sdp_direction, as the party said it */
	struct addr remote[LEG_STREAMS];
	struct leg_mux mux;
	struct leg_ice ice;
	struct leg_name name;
	/* Of a command under way; else NULL (leg_keys.h). */
	struct leg_keys *keys;
	struct leg_dtls *dtls;
	/* The same between commands; NULL: nothing was said of it. */
	uint8_t *kept_keys; /* packed */
	struct leg_dtls *kept_dtls;
	uint16_t kept_len;
	bool sdes_wanted; /* a=crypto is in what we say to the party */
	bool osrtp;     /* keys in a line of a plain protocol (RFC 8643): theirs, or ours to them */
	uint8_t keying; /* enum leg_keying, as the last answer left it */
	/* first codec of the party, for quality and reports */
	char codec[24];
	uint32_t clock_rate;
	struct dtmf_formats events; /* as the party takes them */
	bool accept_events;         /* … although the other side does not (codec: accept) */
	struct str
		formats; /* "0 101", and their attributes, of the last answer; the relay's to keep */
	/* local side */
	uint16_t port;             /* even one of the pair; 0: none */
	uint8_t opened;            /* bit LEG_RTP, LEG_RTCP: the stream has a socket */
	bool connected;            /* was in force once: leg_connect */
	struct payload_list types; /* as the party numbers its codecs */
	struct silence silence;    /* of the party's RTP */
	struct stream streams[LEG_STREAMS];
};

/* What the o= and s= lines towards the party were, so that they can be kept constant. */
struct leg_origin {
	bool said;
	char user[64], id[32], name[64];
	uint64_t version;
	uint64_t body_hash;
};

struct leg {
	char tag[LIMIT_TAG + 1];
	char alias[LIMIT_TAG + 1]; /* an earlier to-tag of a serial fork */
	char label[LIMIT_LABEL + 1];
	uint64_t number;   /* of the party: random, for its names in RTCP */
	uint8_t interface; /* index in the relay's configuration */
	uint8_t tos;
	struct addr local; /* where its sockets are bound; port 0 */
	struct addr shown; /* what its SDP says: local, or the advertised address */
	uint8_t latch;     /* enum latch_mode */
	uint8_t flow; /* STREAM_BLOCKED, STREAM_BLOCKED_DTMF: of all its media, also new ones */
	bool dtmf_bridge; /* keys for it end here: it hears of them in signalling (flag `bridge DTMF`) */
	struct prefix net; /* whose addresses LATCH_RESTRICTED may learn; family ADDR_NONE: none */
	uint32_t unproven;
	struct carry_heir heir; /* who will be the party in its place */
	struct carry *carry;    /* whom it is in place of; NULL: nobody, or it is done */
	bool own_rtcp;          /* its party gets reports of ours (flag `generate RTCP`) */
	bool as_is;             /* what goes to the party keeps SSRC and numbers (no continuity) */
	struct leg_origin origin;
	struct leg_media *media[LIMIT_MEDIAS];
	uint8_t media_count;
	uint8_t line_count; /* m= lines of the last offer, either way; never more than medias */
};

/* Packets a second that a media may send: about ten times what codecs do (threats D17). */
struct leg_rates {
	uint32_t audio, other;
};

/* No media, no tag. */
void leg_init(struct leg *l);
bool leg_has_tag(const struct leg *l, struct str tag);
/* Sets and clears bits of flow, in force at once. */
void leg_set_flow(struct leg *l, unsigned set, unsigned clear);
/* Closed streams without endpoints. */
void leg_media_init(struct leg_media *m, id_t64 id, struct srtp_worker *w);
/* Wipes the keys of its streams. The endpoints must have been closed, and nothing be kept. */
void leg_media_release(struct leg_media *m);

/* Is there anything to relay for this protocol? */
bool leg_is_relayed(enum sdp_proto p);
bool leg_is_rtp(enum sdp_proto p);
/* ICE says where this party's packets go. */
bool leg_has_ice(const struct leg_media *m);
/* After an offer to the party: its checks may come before its answer (RFC 8445 §7.3). */
void leg_expect_checks(struct leg *l);

/* The party may send: it said so, and the other one receives. */
bool leg_may_send(const struct leg_media *m, const struct leg_media *other);

/*
 * What both parties said about line i comes into force: addresses, keys, and where packets go. A
 * line that one of them rejected carries nothing from now on. legs[0] answered. REFUSAL_KEY_REUSE, REFUSAL_MEMORY.
 */
enum refusal leg_connect(struct leg *const legs[2], unsigned i, const struct leg_rates *rates,
			 uint64_t now_us) MUST_USE;

/* Addresses of the party that became known after its line was connected are in force now. */
void leg_connect_late(const struct leg *l, uint64_t now_us);

#endif
