/*
 * Names of header fields, and small readers of their values: lists, Reason, RAck, delta seconds. Values are
 * views into a message and may still be folded: CR and LF inside a value count as white space here.
 * RFC 3261 §7.3, §20, §25.
 */
#ifndef SALLYPORT_HDR_H
#define SALLYPORT_HDR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "sbc/core/method.h"

/* X(id, name as we write it, compact form or 0). */
#define HDR_TABLE(X)                                                                               \
	X(ACCEPT, "Accept", 0)                                                                     \
	X(ACCEPT_CONTACT, "Accept-Contact", 'a')                                                   \
	X(ACCEPT_ENCODING, "Accept-Encoding", 0)                                                   \
	X(ACCEPT_LANGUAGE, "Accept-Language", 0)                                                   \
	X(ALERT_INFO, "Alert-Info", 0)                                                             \
	X(ALLOW, "Allow", 0)                                                                       \
	X(ALLOW_EVENTS, "Allow-Events", 'u')                                                       \
	X(AUTHENTICATION_INFO, "Authentication-Info", 0)                                           \
	X(AUTHORIZATION, "Authorization", 0)                                                       \
	X(CALL_ID, "Call-ID", 'i')                                                                 \
	X(CALL_INFO, "Call-Info", 0)                                                               \
	X(CONTACT, "Contact", 'm')                                                                 \
	X(CONTENT_DISPOSITION, "Content-Disposition", 0)                                           \
	X(CONTENT_ENCODING, "Content-Encoding", 'e')                                               \
	X(CONTENT_LANGUAGE, "Content-Language", 0)                                                 \
	X(CONTENT_LENGTH, "Content-Length", 'l')                                                   \
	X(CONTENT_TYPE, "Content-Type", 'c')                                                       \
	X(CSEQ, "CSeq", 0)                                                                         \
	X(DATE, "Date", 0)                                                                         \
	X(DIVERSION, "Diversion", 0)                                                               \
	X(ERROR_INFO, "Error-Info", 0)                                                             \
	X(EVENT, "Event", 'o')                                                                     \
	X(EXPIRES, "Expires", 0)                                                                   \
	X(FROM, "From", 'f')                                                                       \
	X(HISTORY_INFO, "History-Info", 0)                                                         \
	X(IDENTITY, "Identity", 'y')                                                               \
	X(IDENTITY_INFO, "Identity-Info", 'n')                                                     \
	X(INFO_PACKAGE, "Info-Package", 0)                                                         \
	X(IN_REPLY_TO, "In-Reply-To", 0)                                                           \
	X(MAX_FORWARDS, "Max-Forwards", 0)                                                         \
	X(MIME_VERSION, "MIME-Version", 0)                                                         \
	X(MIN_EXPIRES, "Min-Expires", 0)                                                           \
	X(MIN_SE, "Min-SE", 0)                                                                     \
	X(ORGANIZATION, "Organization", 0)                                                         \
	X(P_ASSERTED_IDENTITY, "P-Asserted-Identity", 0)                                           \
	X(P_EARLY_MEDIA, "P-Early-Media", 0)                                                       \
	X(P_PREFERRED_IDENTITY, "P-Preferred-Identity", 0)                                         \
	X(PATH, "Path", 0)                                                                         \
	X(PRIORITY, "Priority", 0)                                                                 \
	X(PRIVACY, "Privacy", 0)                                                                   \
	X(PROXY_AUTHENTICATE, "Proxy-Authenticate", 0)                                             \
	X(PROXY_AUTHORIZATION, "Proxy-Authorization", 0)                                           \
	X(PROXY_REQUIRE, "Proxy-Require", 0)                                                       \
	X(RACK, "RAck", 0)                                                                         \
	X(REASON, "Reason", 0)                                                                     \
	X(RECORD_ROUTE, "Record-Route", 0)                                                         \
	X(RECV_INFO, "Recv-Info", 0)                                                               \
	X(REFER_TO, "Refer-To", 'r')                                                               \
	X(REFER_SUB, "Refer-Sub", 0)                                                               \
	X(REFERRED_BY, "Referred-By", 'b')                                                         \
	X(REJECT_CONTACT, "Reject-Contact", 'j')                                                   \
	X(REMOTE_PARTY_ID, "Remote-Party-ID", 0)                                                   \
	X(REPLACES, "Replaces", 0)                                                                 \
	X(REPLY_TO, "Reply-To", 0)                                                                 \
	X(REQUEST_DISPOSITION, "Request-Disposition", 'd')                                         \
	X(REQUIRE, "Require", 0)                                                                   \
	X(RETRY_AFTER, "Retry-After", 0)                                                           \
	X(ROUTE, "Route", 0)                                                                       \
	X(RSEQ, "RSeq", 0)                                                                         \
	X(SERVER, "Server", 0)                                                                     \
	X(SERVICE_ROUTE, "Service-Route", 0)                                                       \
	X(SESSION_EXPIRES, "Session-Expires", 'x')                                                 \
	X(SESSION_ID, "Session-ID", 0)                                                             \
	X(SUBJECT, "Subject", 's')                                                                 \
	X(SUBSCRIPTION_STATE, "Subscription-State", 0)                                             \
	X(SUPPORTED, "Supported", 'k')                                                             \
	X(TIMESTAMP, "Timestamp", 0)                                                               \
	X(TO, "To", 't')                                                                           \
	X(UNSUPPORTED, "Unsupported", 0)                                                           \
	X(USER_AGENT, "User-Agent", 0)                                                             \
	X(VIA, "Via", 'v')                                                                         \
	X(WARNING, "Warning", 0)                                                                   \
	X(WWW_AUTHENTICATE, "WWW-Authenticate", 0)

enum hdr {
	HDR_OTHER, /* a name that we do not know */
#define X(id, name, compact) HDR_##id,
	HDR_TABLE(X)
#undef X
		HDR_COUNT
};

/* Without case; compact forms too. HDR_OTHER: unknown. */
enum hdr hdr_find(struct str name);
/* The full name; empty for HDR_OTHER. */
struct str hdr_name(enum hdr id);

bool hdr_is_token(struct str s); /* RFC 3261 §25.1, not empty */
/* No CR, LF or NUL: may stand as a value in a message that we write. */
bool hdr_is_clean(struct str value);

/* Next item of a comma list, trimmed; commas in "…", <…> and (…) do not part. Empty items are skipped. */
bool hdr_list_cut(struct str *list, struct str *out_item);
/* Offset of the first `stop` outside of "…" and <…>, or s.len. */
size_t hdr_index_outside(struct str s, char stop);
/* Is `token` an item (without case, parameters after ';' ignored)? */
bool hdr_list_has(struct str list, struct str token);
/* ";a=b;c" → value of `name` without case; quoted values keep their quotes. False: not there. */
bool hdr_param(struct str params, struct str name, struct str *out_value);
/* Cuts the next ;name[=value] off; false at the end. ERR_BAD is told by *out_bad. */
bool hdr_param_cut(struct str *params, struct str *out_name, struct str *out_value, bool *out_bad);

/* "Q.850;cause=16;text=\"x\"": the first value of a Reason header (RFC 3326). */
struct hdr_reason {
	struct str protocol;
	uint16_t cause; /* 0: not given */
	struct str text;
};
enum err hdr_reason_parse(struct str value, struct hdr_reason *out) MUST_USE;

/* RFC 3262 §7.2. */
struct hdr_rack {
	uint32_t rseq, cseq;
	enum method method;
	struct str method_text;
};
enum err hdr_rack_parse(struct str value, struct hdr_rack *out) MUST_USE;

/* "1800;refresher=uac" → 1800; the parameters are left in *out_params (may be NULL). */
enum err hdr_delta_parse(struct str value, uint32_t *out_seconds, struct str *out_params) MUST_USE;

/* Folding becomes one space; the rest byte for byte. */
void hdr_write_unfolded(struct buf *b, struct str value);
/* As a quoted-string: control octets left out, " and \ escaped. */
void hdr_write_quoted(struct buf *b, struct str text);
/* `Warning: 399 AGENT "TEXT"` and CRLF (RFC 3261 §20.43). */
void hdr_write_warning(struct buf *b, uint16_t code, struct str agent, struct str text);

#endif
