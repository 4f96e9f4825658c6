/*
 * One WebSocket connection, the server's side: the HTTP upgrade (RFC 6455 §4.2), then messages out of
 * frames, one SIP message each (RFC 7118 §5). It reads octets and says what to send; the socket, the time
 * and the limits are flow's.
 */
#ifndef SALLYPORT_WS_H
#define SALLYPORT_WS_H

#include "common/buf.h"
#include "sbc/core/settings.h"
#include "sbc/shell/bytes.h"
#include "common/ws_frame.h"

enum {
	WS_REQUEST_MAX = 8 * 1024, /* the upgrade's octets, request line and headers */
	WS_HEADERS_MAX = 64,
	WS_REPLY_MAX = 512 /* what one step wants sent */
};

/*
 *   UPGRADE ──101──► OPEN ──close frame, either side──► OVER
 *      └──4xx, not HTTP──────────────────────────────────┘
 */
enum ws_state { WS_UPGRADE, WS_OPEN, WS_OVER, WS_STATE_COUNT };

struct ws {
	enum ws_state state;
	struct ws_frame frame;
	struct bytes parts; /* of a message in fragments */
	uint64_t ping_ms;   /* when the next ping is due */
	uint8_t unanswered; /* pings in a row that nothing followed */
};

enum ws_out_kind {
	WS_OUT_MORE,    /* wait for octets */
	WS_OUT_NEXT,    /* something came that is nobody else's business; step again */
	WS_OUT_MESSAGE, /* one whole message */
	WS_OUT_END,     /* send the reply, then close */
	WS_OUT_KIND_COUNT
};

/* Why WS_OUT_END. */
enum ws_end {
	WS_END_PEER,    /* it said goodbye */
	WS_END_REFUSED, /* the upgrade: status says how */
	WS_END_NOT_HTTP,
	WS_END_PROTOCOL,
	WS_END_TOO_BIG,
	WS_END_COUNT
};

struct ws_out {
	enum ws_out_kind kind;
	enum ws_end end;
	size_t consumed;
	struct str message; /* until the next step */
	uint16_t status;    /* of the HTTP answer, 0: none */
};

/*
 * The n octets at p are what is not consumed yet; payloads are unmasked in place. What is to be sent is
 * appended to `reply` (WS_REPLY_MAX free octets). Call again until MORE or END.
 */
struct ws_out ws_step(struct ws *w, struct bytes_store *store, const struct listener *l, char *p,
		      size_t n, size_t limit, struct buf *reply);
void ws_release(struct ws *w, struct bytes_store *store);

/* A close frame with this code; nothing if the peer is not there to read it, or knows. */
void ws_write_close(struct ws *w, struct buf *reply, uint16_t code);
void ws_write_ping(struct buf *reply);

/*
 * The answer to an upgrade whose header section, with its empty line, is `request`: 101, or 400, 403, 404,
 * 426. Its text is appended to `reply`.
 */
uint16_t ws_answer(struct str request, const struct listener *l, struct buf *reply);

#endif
