/*
 * What an offer or answer asks for beside its SDP: the keys and flags of NG (ng-protocol §6), read
 * from the dictionary, from lists or comma strings, from the prefixed words that clients put into
 * `flags`, or from the one-string form `rtpp-flags`. Unknown keys and words are ignored.
 * Holds views: it lives as long as the message and its arena.
 */
#ifndef SALLYPORT_FLAGS_H
#define SALLYPORT_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/dict.h"
#include "common/sdes.h"
#include "common/sdp.h"
#include "rtpproxy/core/limits.h"

/* X(name, word in the list `flags`). Words that we accept and need not act on are not here. */
#define FLAGS_WORD_TABLE(X)                                                                        \
	X(SIP_SOURCE, "SIP source address")                                                        \
	X(NO_RTCP_ATTRIBUTE, "no rtcp attribute")                                                  \
	X(FULL_RTCP_ATTRIBUTE, "full rtcp attribute")                                              \
	X(ALLOW_NO_CODEC, "allow no codec media")                                                  \
	X(GENERATE_MID, "generate mid")                                                            \
	X(STRIP_EXTMAP, "strip extmap")                                                            \
	X(PAD_CRYPTO, "pad crypto")                                                                \
	X(FATAL, "fatal")                                                                          \
	X(TO_TAG, "to-tag")                                                                        \
	X(FAST, "fast")                                                                            \
	X(LOOP_PROTECT, "loop protect")                                                            \
	X(NAT_WAIT, "NAT wait")                                                                    \
	X(MEDIA_HANDOVER, "media handover")                                                        \
	X(SINGLE_CODEC, "single codec")                                                            \
	X(ALWAYS_TRANSCODE, "always transcode")                                                    \
	X(FRAGMENT, "fragment")                                                                    \
	X(NO_TLS_ID, "no tls id")                                                                  \
	X(REJECT_ICE, "reject ICE")                                                                \
	X(TRICKLE_ICE, "trickle ICE")                                                              \
	X(RESET, "reset")                                                                          \
	X(WEBRTC, "WebRTC")                                                                        \
	X(DETECT_DTMF, "detect DTMF")                                                              \
	X(BLOCK_DTMF, "block DTMF")                                                                \
	X(BRIDGE_DTMF, "bridge DTMF")                                                              \
	X(SIPREC, "siprec")                                                                        \
	X(ALL, "all")                                                                              \
	X(INACTIVE, "inactive")                                                                    \
	X(PAUSE, "pause")                                                                          \
	X(DISCARD_RECORDING, "discard recording")                                                  \
	X(GENERATE_RTCP, "generate RTCP")

/* X(name, word in the list `replace`) */
#define FLAGS_REPLACE_TABLE(X)                                                                     \
	X(ORIGIN, "origin")                                                                        \
	X(USERNAME, "username")                                                                    \
	X(SESSION_NAME, "session name")                                                            \
	X(SDP_VERSION, "SDP version")                                                              \
	X(ORIGIN_FULL, "origin-full")                                                              \
	X(FORCE_VERSION, "force-increment-sdp-ver")                                                \
	X(ZERO_ADDRESS, "zero address")                                                            \
	X(HIDE, "hide")

/* X(name, word in the list `rtcp-mux`) */
#define FLAGS_MUX_TABLE(X)                                                                         \
	X(OFFER, "offer")                                                                          \
	X(REQUIRE, "require")                                                                      \
	X(DEMUX, "demux")                                                                          \
	X(ACCEPT, "accept")                                                                        \
	X(REJECT, "reject")

enum flags_index {
#define X(name, word) FLAGS_INDEX_##name,
	FLAGS_WORD_TABLE(X) FLAGS_INDEX_COUNT
#undef X
};
enum flags_replace_index {
#define X(name, word) FLAGS_REPLACE_INDEX_##name,
	FLAGS_REPLACE_TABLE(X) FLAGS_REPLACE_INDEX_COUNT
#undef X
};
enum flags_mux_index {
#define X(name, word) FLAGS_MUX_INDEX_##name,
	FLAGS_MUX_TABLE(X) FLAGS_MUX_INDEX_COUNT
#undef X
};
enum flags_word {
#define X(name, word) FLAGS_##name = 1 << FLAGS_INDEX_##name,
	FLAGS_WORD_TABLE(X)
#undef X
};
enum flags_replace {
#define X(name, word) FLAGS_REPLACE_##name = 1 << FLAGS_REPLACE_INDEX_##name,
	FLAGS_REPLACE_TABLE(X)
#undef X
};
enum flags_mux {
#define X(name, word) FLAGS_MUX_##name = 1 << FLAGS_MUX_INDEX_##name,
	FLAGS_MUX_TABLE(X)
#undef X
};

/* Names that were wished for in a list; what is above the limit is ignored. */
struct flags_names {
	struct str at[LIMIT_CODECS];
	uint8_t count;
};

struct flags_sdes {
	bool off, nonew, lifetime, pad;
	bool prefer;      /* before DTLS */
	bool has_only;    /* also when none of the suites named is known: then none is left */
	uint8_t no, only; /* suites, one bit each; only wins */
	uint8_t order[SDES_SUITE_COUNT]; /* these first */
	uint8_t order_count;
};

struct flags_codecs {
	struct flags_names strip, except, offer, ignore;
	/* Of telephone-event, the one that needs no transcoder (sdp_events.h): `accept` or `consume`; `transcode`. */
	bool accept_events, add_events;
};

enum flags_osrtp { FLAGS_OSRTP_OFFER = 1, FLAGS_OSRTP_ACCEPT = 2, FLAGS_OSRTP_LEGACY = 4 };
enum { FLAGS_EDITS_MAX = 16, FLAGS_EDIT_MAX = 256 };

enum flags_edit_kind { FLAGS_EDIT_ADD, FLAGS_EDIT_REMOVE, FLAGS_EDIT_SUBSTITUTE };

/* One of sdp-attr (sdp_edit.h). */
struct flags_edit {
	enum flags_edit_kind kind;
	struct str section;    /* "none": the session's, or a kind of media */
	struct str what, with; /* an attribute's name or all of it, without "a=" */
	bool escaped;          /* as it stands in a flag word */
};

struct flags_edits {
	struct flags_edit at[FLAGS_EDITS_MAX];
	uint8_t count;
};

/* A party of another call. Empty: none. */
struct flags_party {
	struct str call_id, tag;
};

/* What `ICE` asks for in the SDP that is returned. Default: as the sender does. */
enum flags_ice { FLAGS_ICE_DEFAULT, FLAGS_ICE_FORCE, FLAGS_ICE_REMOVE };

/* What `bundle` asks for. Default: accepted, not offered. */
struct flags_bundle {
	bool offer, reject;
};

enum flags_tos { FLAGS_TOS_NONE = -1 };

struct flags {
	uint32_t words;   /* enum flags_word */
	uint16_t replace; /* enum flags_replace */
	uint8_t mux;      /* enum flags_mux */
	uint8_t ice;      /* enum flags_ice */
	bool ice_relay;   /* a form that lets media pass us by: taken as force, with a warning */
	struct flags_bundle bundle;
	bool dtls_off, dtls_passive;
	int8_t dtls_hash;   /* enum dtls_hash, -1: not given */
	uint8_t osrtp;      /* enum flags_osrtp */
	bool has_transport; /* transport protocol was given */
	bool transport_accept;
	enum sdp_proto transport;
	struct flags_sdes sdes;
	struct flags_codecs codecs;
	struct flags_names media_remove;
	struct flags_edits edits;
	bool transcode_wanted;           /* mask, transcode, T.38, …: answered with a warning */
	struct flags_names extmap_strip; /* URIs of header extensions that end here, or "all" */
	struct str direction[2];
	struct addr media_address, received_from;
	uint8_t family;          /* enum addr_family */
	int tos;                 /* 0 … 255, FLAGS_TOS_NONE: not given or to be left */
	int latch;               /* enum latch_mode, -1: not given */
	int64_t delete_delay_s;  /* -1: not given */
	int64_t media_timeout_s; /* 0: never; -1: not given */
	uint32_t unproven;       /* 0: no limit */
	int continuity;          /* 1, 0; -1: not given */
	struct flags_party
		continues[2]; /* who the sender of this SDP was before, and its receiver */
	struct str label;
	int record_call;       /* 0, 1; -1: not given */
	struct addr dtmf_dest; /* where keys are told as JSON; family ADDR_NONE: not given */
	struct str notify;     /* in front of events about this call; empty: none are wanted */
};

/* Everything that d says; never fails: what cannot be understood is as if it were not there. */
void flags_parse(const struct dict *d, struct flags *out);
/* Is a codec (name, rate, channels) among the names "PCMU", "opus/48000/2", "all"? */
bool flags_names_have(const struct flags_names *n, const struct sdp_codec *c, size_t *out_index);

#endif
