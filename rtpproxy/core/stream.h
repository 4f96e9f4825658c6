/*
 * One local endpoint (one socket) of the relay: who sends to it, with which keys, and to which
 * endpoint of the other party its packets go. A party's media is an RTP endpoint and an RTCP one
 * beside it; with rtcp-mux the RTP endpoint carries both.
 *
 * Streams are embedded by the call's side, live on one worker and point at one another: the one who
 * ends a call releases all its streams in one turn.
 */
#ifndef SALLYPORT_STREAM_H
#define SALLYPORT_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/id.h"
#include "common/secret.h"
#include "latch.h"
#include "pkt.h"
#include "quality.h"
#include "srtp.h"

enum stream_security {
	STREAM_CLOSED, /* not agreed yet: everything is dropped as NO_KEY */
	STREAM_PLAIN,
	STREAM_SRTP, /* without a key: dropped as NO_KEY */
	STREAM_RAW,  /* no RTP at all (T.38 over UDPTL): passed as it is, learned as plain */
	STREAM_SECURITY_COUNT
};

/* Flags of stream_set_flow, about packets that come from the party. */
enum {
	STREAM_BLOCKED =
		1 << 0, /* block media: dropped, counted, still learned from, timers still fed */
	STREAM_HOLD = 1 << 1 /* the party may not send now (the other is sendonly or inactive) */
};

struct stream_stats {
	uint64_t rx_packets, rx_bytes; /* accepted from the party: payload of UDP, as it came */
	uint64_t tx_packets, tx_bytes; /* sent to it */
	uint64_t rx_rtcp_packets, tx_rtcp_packets; /* of the above */
	uint32_t dropped[FATE_COUNT];              /* of what came in; [FATE_SENT] stays 0 */
};

struct stream {
	/* who: set once */
	id_t64 id;        /* the owner's name for it; not used here */
	void *user;       /* the owner's; not used here: io finds its socket by it */
	uint8_t kind;     /* enum pkt_kind: PKT_RTP or PKT_RTCP */
	bool mux;         /* an RTP endpoint that carries RTCP too */
	uint8_t security; /* enum stream_security */
	uint8_t flow;     /* STREAM_… flags */
	/* The endpoint of the other party for each kind (PKT_RTP, PKT_RTCP); NULL: none yet. */
	struct stream *peer[2];
	/* Whose keys to use: itself, or for an RTCP endpoint the RTP one beside it. */
	struct stream *keys;
	struct latch latch;
	struct srtp srtp[SRTP_DIRECTION_COUNT]; /* of an RTP endpoint; serves both kinds */
	uint64_t last_us;                       /* last accepted packet; 0: none */
	uint64_t rate_at_us;                    /* when the next packet is due (GCRA) */
	uint32_t rate_step_us, rate_burst_us;   /* 0: no limit */
	struct stream_stats stats;
	struct quality quality;
};

/* Closed, no address, no peer. kind is PKT_RTP or PKT_RTCP; `rtp` is the RTP endpoint beside an
 * RTCP one, else NULL. */
void stream_init(struct stream *s, enum pkt_kind kind, struct srtp_worker *w, struct stream *rtp);
/* Wipes the keys and unlinks the peers that point back. An RTP endpoint goes after its RTCP one. */
void stream_release(struct stream *s);

/* How the sender's address is learned; `net` may be NULL. Default: LATCH_STRICT. */
void stream_set_latch(struct stream *s, enum latch_mode mode, const struct prefix *net);
/* The address that the party signalled for this endpoint: restarts learning. ADDR_NONE: it receives
 * nothing. */
void stream_set_remote(struct stream *s, const struct addr *remote, uint64_t now_us);
void stream_set_mux(struct stream *s, bool mux);
/* For an RTP endpoint, and with it for the RTCP one beside it. Keys are kept until stream_release
 * when it turns plain. */
void stream_set_security(struct stream *s, enum stream_security security);
/* On the RTP endpoint. Errors as srtp_set_key. Does not change the security. */
enum err stream_set_key(struct stream *s, enum srtp_direction d, enum srtp_suite suite,
			const struct secret *key) MUST_USE;
/* STREAM_BLOCKED | STREAM_HOLD: replaces what was set. */
void stream_set_flow(struct stream *s, unsigned flags);
/* Where packets of this kind that arrive here leave again; NULL: nowhere. One direction: call it on
 * both. */
void stream_set_peer(struct stream *s, enum pkt_kind kind, struct stream *out);
/* At most `per_second` packets in the long run, `burst` at once; 0: no limit (threats D17). */
void stream_set_rate(struct stream *s, uint32_t per_second, uint32_t burst);
/* Packets to a target that has shown nothing; 0: no limit. */
void stream_set_unproven(struct stream *s, uint32_t max);

/* True while nothing may be accepted from it: for the owner's media time-out use last_us. */
bool stream_is_silent(const struct stream *s, uint64_t since_us);

#endif
