/*
 * A packet on its way through the relay, and what became of it. The bytes belong to the io back
 * end; forward_batch re-keys them in place and fills the second half. SRTP grows a packet at its
 * tail only, by at most PKT_TAIL bytes.
 */
#ifndef SALLYPORT_PKT_H
#define SALLYPORT_PKT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"

struct stream;

enum {
	PKT_LEN_MAX = 2048, /* a longer datagram is OVERSIZE (threats D11) */
	PKT_TAIL = 64,      /* room that io keeps behind PKT_LEN_MAX for tag and index */
	/* Stride of receive buffers; no multiple of 2048, which puts all headers into one cache
	   set. */
	PKT_BUFFER = PKT_LEN_MAX + PKT_TAIL
};

/* What a packet is, by its first bytes (RFC 7983, RFC 5761). */
enum pkt_kind {
	PKT_RTP,
	PKT_RTCP,
	PKT_STUN,
	PKT_DTLS,
	PKT_ZRTP,
	PKT_TURN,
	PKT_NOISE,
	PKT_RAW, /* not looked at: the stream is STREAM_RAW */
	PKT_KIND_COUNT
};

/* X(name, label of the metric, help). Every way a packet can end; there is no "other". */
#define PKT_FATE_TABLE(X)                                                                          \
	X(SENT, "sent", "forwarded to the other side")                                             \
	X(OURS, "ours", "DTLS or STUN for the relay itself: it was dealt with")                    \
	X(MALFORMED, "malformed", "not a whole RTP or RTCP packet")                                \
	X(OVERSIZE, "oversize", "longer than a media packet may be")                               \
	X(NOISE, "noise", "its first byte belongs to no protocol")                                 \
	X(STUN, "stun", "STUN or TURN: ICE was not agreed for this stream")                        \
	X(STUN_SHAPE, "stun_shape",                                                                \
	  "not a whole STUN message, or none that a lite agent is asked")                          \
	X(ICE_AUTH, "ice_auth", "an ICE check whose user is unknown or whose integrity is wrong")  \
	X(ICE_RATE, "ice_rate", "more ICE checks than are answered")                               \
	X(ICE_SIZE, "ice_size", "its answer would be longer than the ICE check itself")            \
	X(CONSENT, "consent", "the receiver has shown no consent for 30 seconds (RFC 7675)")       \
	X(DTLS, "dtls", "DTLS: keys were not agreed this way for this stream")                     \
	X(DTLS_FOREIGN, "dtls_foreign", "DTLS that belongs to no handshake of this stream")        \
	X(DTLS_BUDGET, "dtls_budget", "more DTLS handshakes than may begin in a moment, or go on") \
	X(ZRTP, "zrtp", "ZRTP is not supported")                                                   \
	X(KIND, "kind",                                                                            \
	  "RTP on an RTCP port, RTCP on an RTP port without rtcp-mux, or fax against media")       \
	X(UNKNOWN, "unknown", "no stream lives on this port")                                      \
	X(SOURCE, "source", "the sender is not the one whose packets these are to be")             \
	X(NO_KEY, "no_key", "the side is not agreed yet, or is to be encrypted and has no key")    \
	X(AUTH, "auth", "the authentication tag is wrong")                                         \
	X(REPLAY, "replay", "seen before, or too old to tell")                                     \
	X(UNENCRYPTED, "unencrypted", "SRTCP that says it is not encrypted")                       \
	X(MKI, "mki", "it names another master key than was agreed")                               \
	X(SSRC_LIMIT, "ssrc_limit", "one SSRC more than is kept for a stream")                     \
	X(NO_PEER, "no_peer", "the other side is not known yet: not answered")                     \
	X(BLOCKED, "blocked", "media of this party is blocked by command")                         \
	X(EVENT, "event",                                                                          \
	  "a telephone event that ends here, or media while a key is played in its place")         \
	X(DIRECTION, "direction", "hold: this direction was not agreed")                           \
	X(RATE, "rate", "more packets than the stream may have")                                   \
	X(UNPROVEN, "unproven", "enough was sent to an address that has not answered")             \
	X(REUSE, "reuse", "sending it would use a key stream twice")                               \
	X(KEY_END, "key_end", "the key has protected as many packets as it may")                   \
	X(LATE, "late", "of a source that another one has replaced, or from before its beginning") \
	X(STRAY, "stray", "far from the numbers of its source, and the next one was not")          \
	X(MOVED, "moved", "another session speaks to the party now")                               \
	X(HIDDEN, "hidden", "RTCP of which nothing may be shown to the other side")                \
	X(NO_ROOM, "no_room", "the tag, or a name in RTCP, does not fit behind the packet")        \
	X(ENGINE, "engine", "the crypto library refused")

enum pkt_fate {
#define X(name, label, help) FATE_##name,
	PKT_FATE_TABLE(X)
#undef X
		FATE_COUNT
};

struct pkt {
	/* in: filled by io */
	uint8_t *data;
	uint32_t len;
	uint32_t cap;          /* bytes that may be used from data on: len + PKT_TAIL at least */
	struct stream *stream; /* the endpoint that it arrived on; NULL: none */
	struct addr from;
	bool truncated; /* the datagram was longer than the buffer */
	uint64_t at_us;
	/* out: filled by forward_batch */
	uint8_t kind;       /* enum pkt_kind */
	uint32_t came_len;  /* len before it was re-keyed */
	uint8_t fate;       /* enum pkt_fate; the rest is valid for FATE_SENT only */
	struct addr to;     /* send data[0…len) there, */
	struct stream *out; /* from this endpoint */
};

/* "auth", "replay", …: the metric's label. Static text. */
const char *pkt_fate_name(enum pkt_fate f);
/* A sentence for people. Static text. */
const char *pkt_fate_help(enum pkt_fate f);

#endif
