/*
 * One local endpoint (one socket) of the relay: who sends to it, with which keys, and to which
 * endpoint of the other party its packets go. A party's media is an RTP endpoint and an RTCP one
 * beside it; with rtcp-mux the RTP endpoint carries both.
 *
 * Streams are embedded by the call's side, live on one worker and point at one another: whoever
 * ends a call releases all its streams in one turn.
 */
#ifndef SALLYPORT_STREAM_H
#define SALLYPORT_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/id.h"
#include "common/sdes.h"
#include "common/secret.h"
#include "continuity.h"
#include "latch.h"
#include "pkt.h"
#include "quality.h"
#include "srtp.h"

enum stream_security {
	STREAM_CLOSED, /* not agreed yet: everything is dropped as NO_KEY, nothing is sent */
	STREAM_PLAIN,
	STREAM_SRTP, /* without the key of a direction: the same */
	STREAM_RAW, /* no RTP at all (T.38 over UDPTL): passed as it is, learned as plain, by peer[PKT_RTP] */
	STREAM_SECURITY_COUNT
};

/* Flags of stream_set_flow, about RTP that comes from the party. RTCP is not held up by them. */
enum {
	STREAM_BLOCKED =
		1 << 0,       /* block media: dropped, but still learned from, timers still fed */
	STREAM_HOLD = 1 << 1, /* the party may not send now (it is recvonly or inactive) */
	STREAM_BLOCKED_DTMF = 1 << 2 /* block DTMF: telephone-event packets alone */
};

enum { STREAM_DROP_FATES = 12 };

struct handshake;
struct ice;
struct rtcp_make;

struct stream_stats {
	uint64_t rx_packets, rx_bytes; /* accepted from the party: UDP payload as it came */
	uint64_t tx_packets, tx_bytes; /* sent to it */
	uint64_t rx_rtcp_packets, tx_rtcp_packets; /* of the above */
	/* Of what came in, by reason: as many as a stream is likely to see. When all places are taken, one
	 * more reason is counted in the relay's totals alone. */
	uint8_t drop_fate[STREAM_DROP_FATES]; /* enum pkt_fate; FATE_SENT: free */
	uint32_t drop_count[STREAM_DROP_FATES];
};

/* The payload type that the party knows a codec by, for the one that packets to it come with. */
struct stream_types {
	id_t64 id;
	uint8_t to[128];
};

/* In the order in which packets need it: a loaded relay finds none of it in the cache. */
struct stream {
	/* The RTP endpoint of this media: itself, or the one beside an RTCP endpoint. It has the
	 * security, the keys and the quality of both. */
	struct stream *main;
	/* Whose srtp its packets take: main, or itself where RTCP has keys of its own (DTLS without rtcp-mux). */
	struct stream *keys;
	/* The endpoint of the other party for each kind (PKT_RTP, PKT_RTCP); NULL: none yet. */
	struct stream *peer[2];
	struct tap *
		tap; /* of an RTP endpoint: what else is done with its packets (tap.h); NULL: nothing */
	uint8_t kind;                         /* enum pkt_kind: PKT_RTP or PKT_RTCP */
	uint8_t security;                     /* enum stream_security; of an RTP endpoint */
	uint8_t flow;                         /* STREAM_… flags */
	bool mux;                             /* an RTP endpoint that carries RTCP too */
	struct ice *ice;                      /* its checks are answered; NULL: ICE is not spoken */
	uint64_t last_us;                     /* last accepted packet; 0: none */
	uint64_t rtp_us;                      /* the same of RTP alone */
	uint64_t rate_due_us;                 /* when the next packet is due */
	uint32_t rate_step_us, rate_burst_us; /* 0: no limit */
	struct latch latch;
	struct continuity continuity; /* of an RTP endpoint: what it sends */
	struct stream_types *types;   /* the same; NULL: payload types stay as they are */
	struct srtp_key srtp[SRTP_DIRECTION_COUNT]; /* of an RTP endpoint */
	struct stream_stats stats;
	struct quality quality;      /* of an RTP endpoint */
	struct continuity_past past; /* of `continuity` */
	uint64_t
		party; /* of an RTP endpoint: who sends here, for its names in RTCP (rtcp_hide.h) */
	struct rtcp_make *
		reports; /* of an RTP endpoint: its party gets our reports (rtcp_make.h); NULL: the other's. The owner's */
	struct handshake *dtls; /* its association; NULL: none. The owner's */
	id_t64 id;              /* the owner's name for it; not used here */
	void *user;             /* the owner's; not used here: io finds its socket by it */
};

/* Closed, no address, no peer. `kind` is PKT_RTP or PKT_RTCP; `rtp` is the RTP endpoint beside an
 * RTCP one, else NULL. `w` outlives it. */
void stream_init(struct stream *s, enum pkt_kind kind, struct srtp_worker *w, struct stream *rtp);
/* Wipes the keys and takes itself out of peers that it points at. An RTP endpoint goes after its
 * RTCP one. */
void stream_release(struct stream *s);

/* How the sender's address is learned; `net` may be NULL. Default: LATCH_STRICT. */
void stream_set_latch(struct stream *s, enum latch_mode mode, const struct prefix *net);
/* The address that the party signalled for this endpoint: restarts learning. ADDR_NONE: it receives
 * nothing and nothing is taken from it. */
void stream_set_remote(struct stream *s, const struct addr *remote, uint64_t now_us);
/* The agent that answers checks here, which outlives it; NULL: none. Whether ICE says where packets
 * go is the latch's: LATCH_ICE. */
void stream_set_ice(struct stream *s, struct ice *ice);
/* As latch_check, or LATCH_ASIDE: also asked before anything but media is taken from there (DTLS). */
enum latch_answer stream_check_source(const struct stream *s, const struct addr *from,
				      uint64_t now_us);
/* May the party be sent to (RFC 7675)? */
bool stream_has_consent(const struct stream *s, uint64_t now_us);
/* Packets to a target that has shown nothing yet (threats C5); 0: no limit. */
void stream_set_unproven(struct stream *s, uint32_t max);
/* On an RTP endpoint. */
void stream_set_mux(struct stream *s, bool mux);
/* On an RTP endpoint, for both. Keys stay when it turns plain: SRTP again goes on where it was. */
void stream_set_security(struct stream *s, enum stream_security security);
/* On an RTCP endpoint: it has keys of its own, or those of the RTP endpoint again (default). */
void stream_set_own_keys(struct stream *s, bool own);
/* On an endpoint that has its own keys, else on the RTP one for both. As srtp_key_set; ERR_EXISTS also for a key that the other direction
 * has: two senders would share one key stream. Does not change the security. */
enum err stream_set_key(struct stream *s, enum srtp_direction d, enum sdes_suite suite,
			const struct secret *key) MUST_USE;
/* On the same: as srtp_key_set_mki. */
void stream_set_mki(struct stream *s, enum srtp_direction d, uint32_t mki, size_t len);
/* On an RTP endpoint: what it sends is one source of ours (continuity.h), or passes as it is. */
void stream_set_continuity(struct stream *s, bool on, uint32_t clock_rate);
/* On an RTP endpoint that was just made: numbers for that source. */
void stream_set_source(struct stream *s, uint64_t random);
/* On RTP endpoints, s without keys: the keys, security, quality and numbers of `from`, which is to be released. When a party gets
 * new ports but keeps its keys, this is the way: setting them anew would start the same key streams again. */
void stream_take_keys(struct stream *s, struct stream *from);
/* On an RTP endpoint, for both. The same number for all media of one party, and random. */
void stream_set_party(struct stream *s, uint64_t party);
/* n packets that came in were dropped for this reason. */
void stream_count_drop(struct stream *s, enum pkt_fate why, uint32_t n);
uint32_t stream_dropped(const struct stream *s, enum pkt_fate why);
/* STREAM_… flags: replaces what was set. */
void stream_set_flow(struct stream *s, unsigned flags);
/* Where packets of this kind that arrive here leave again; NULL: nowhere. One way: call it on both. */
void stream_set_peer(struct stream *s, enum pkt_kind kind, struct stream *out);
/* At most `per_second` packets in the long run and `burst` at once; 0: no limit (threats D17). */
void stream_set_rate(struct stream *s, uint32_t per_second, uint32_t burst);
/* True if the packet is within the rate, and counts it. */
bool stream_take_rate(struct stream *s, uint64_t now_us);

#endif
