/*
 * SDP (RFC 8866) as views: text ↔ struct sdp. What an SBC must know is taken apart; attributes keep
 * their order and bytes. Lines that must not cross (u e p r z k, session i) are read and left out.
 * Strict about control octets and structure, liberal about line ends and the order of lines within
 * a section. Not here: offer/answer.
 */
#ifndef SALLYPORT_SDP_H
#define SALLYPORT_SDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "arena.h"
#include "buf.h"
#include "err.h"
#include "str.h"

enum {
	SDP_LEN_MAX = 65536,
	SDP_MEDIA_MAX = 64,
	SDP_LINES_MAX = 4096,
	SDP_FORMATS_MAX = 64 /* of one m= line */
};

/* X(enum, text, SRTP, feedback, DTLS). Compared without case; RTP alone is known by its profile. */
#define SDP_PROTO_TABLE(X)                                                                         \
	X(OTHER, "", false, false, false)                                                          \
	X(RTP_AVP, "RTP/AVP", false, false, false)                                                 \
	X(RTP_AVPF, "RTP/AVPF", false, true, false)                                                \
	X(RTP_SAVP, "RTP/SAVP", true, false, false)                                                \
	X(RTP_SAVPF, "RTP/SAVPF", true, true, false)                                               \
	X(DTLS_SAVP, "UDP/TLS/RTP/SAVP", true, false, true)                                        \
	X(DTLS_SAVPF, "UDP/TLS/RTP/SAVPF", true, true, true)                                       \
	X(UDPTL, "udptl", false, false, false)

enum sdp_proto {
#define X(name, text, srtp, feedback, dtls) SDP_PROTO_##name,
	SDP_PROTO_TABLE(X)
#undef X
		SDP_PROTO_COUNT
};

struct sdp_proto_info {
	const char *name;
	bool srtp, feedback, dtls;
};

enum sdp_direction { SDP_SENDRECV, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE, SDP_DIRECTION_COUNT };

/* a=name:value, or a=name with value.p NULL; b=name:value likewise. */
struct sdp_attr {
	struct str name, value;
};
struct sdp_attrs {
	struct sdp_attr *at;
	size_t count;
};

struct sdp_origin {
	struct str user, id, version; /* version: digits */
	struct str net, type, host;   /* "IN", "IP4", "192.0.2.1" */
};
/* host.len is 0: there is no c= line. */
struct sdp_conn {
	struct str net, type, host; /* host without the /ttl/count of multicast */
	struct addr ip;             /* family ADDR_NONE: a name, not an address; port 0 */
};

struct sdp_media {
	struct str kind; /* "audio" */
	uint16_t port;
	uint16_t port_count; /* 1 unless written "port/count" */
	enum sdp_proto proto;
	struct str proto_text;
	struct str *formats;
	size_t format_count; /* ≥ 1 after sdp_parse */
	struct str title;    /* i=, or empty */
	struct sdp_conn conn;
	struct sdp_attrs bandwidth;
	struct sdp_attrs attrs;
};

struct sdp {
	struct sdp_origin origin;
	struct str name;   /* s= */
	struct str timing; /* the first t= */
	struct sdp_conn conn;
	struct sdp_attrs bandwidth;
	struct sdp_attrs attrs;
	struct sdp_media *media;
	size_t media_count;
};

/* What a format of an RTP media means. */
struct sdp_codec {
	uint8_t type;    /* payload type */
	struct str name; /* "PCMU"; compare without case */
	uint32_t rate;
	uint16_t channels; /* 1 if not written */
	struct str fmtp;   /* parameters, or empty */
};

/*
 * The whole of `text`. Arrays come from the arena, texts are views: both must outlive *out.
 * ERR_BAD, ERR_LIMIT, ERR_NOMEM (arena full): *out untouched.
 */
enum err sdp_parse(struct str text, struct arena *a, struct sdp *out) MUST_USE;
/* CRLF line ends. An empty name or timing is written "-" and "0 0". */
void sdp_write(struct buf *b, const struct sdp *s);
void sdp_write_media(struct buf *b, const struct sdp_media *m);
void sdp_write_attr(struct buf *b, struct str name, struct str value);

/* The first attribute of that name (exact case, RFC 8866), or NULL; the next one after `from`. */
const struct sdp_attr *sdp_find_attr(const struct sdp_attrs *attrs, struct str name);
const struct sdp_attr *sdp_next_attr(const struct sdp_attrs *attrs, struct str name,
				     const struct sdp_attr *from);
/* The media's attribute, else the session's, else NULL. */
const struct sdp_attr *sdp_find_any(const struct sdp *s, const struct sdp_media *m,
				    struct str name);
/* The media's c=, else the session's; NULL: neither. */
const struct sdp_conn *sdp_conn_of(const struct sdp *s, const struct sdp_media *m);
/* The media's direction, else the session's, else sendrecv (RFC 3264). */
enum sdp_direction sdp_direction_of(const struct sdp *s, const struct sdp_media *m);
bool sdp_direction_find(struct str name, enum sdp_direction *out);
const char *sdp_direction_name(enum sdp_direction d);
/* As the other side must write it: sendonly ↔ recvonly. */
enum sdp_direction sdp_direction_reverse(enum sdp_direction d);
const struct sdp_proto_info *sdp_proto_info(enum sdp_proto p);
enum sdp_proto sdp_proto_find(struct str text);
/*
 * What `format` of m is, by a=rtpmap, else by the static types of RFC 3551. ERR_NOTFOUND: a dynamic
 * type without rtpmap; ERR_BAD: not a payload type (0-127), or a broken rtpmap.
 */
enum err sdp_find_codec(const struct sdp_media *m, struct str format,
			struct sdp_codec *out) MUST_USE;
/* Is this said beside a codec, never instead of one: DTMF, comfort noise, repair? */
bool sdp_is_companion(struct str codec);
/* NULL: not a static type. fmtp is empty. */
const struct sdp_codec *sdp_static_codec(uint8_t type);

#endif
