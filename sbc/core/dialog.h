/*
 * One dialog: identity, CSeq spaces, route set, remote target (RFC 3261 §12). A leaf machine: it neither sends nor
 * knows of calls. Texts are copies in one block of the caller's memory, about 400 octets for an ordinary call.
 */
#ifndef SALLYPORT_DIALOG_H
#define SALLYPORT_DIALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/str.h"
#include "sbc/core/build.h"
#include "sbc/core/msg.h"

enum dialog_text {
	DIALOG_CALL_ID,
	DIALOG_LOCAL_TAG,
	DIALOG_REMOTE_TAG, /* empty: not known yet, or an RFC 2543 peer */
	DIALOG_LOCAL,      /* our From/To value without tag */
	DIALOG_REMOTE,     /* the peer's */
	DIALOG_TARGET,     /* URI: where our requests are addressed to */
	DIALOG_ROUTES,     /* Route values in order of use, parted by '\n' */
	DIALOG_TEXT_COUNT
};

enum dialog_role { DIALOG_UAC, DIALOG_UAS, DIALOG_ROLE_COUNT };

struct dialog {
	char *text; /* the caller's block */
	uint16_t text_cap, text_used;
	struct {
		uint16_t at, len;
	} slot[DIALOG_TEXT_COUNT];
	uint32_t local_cseq;  /* of our latest request; 0: none yet */
	uint32_t remote_cseq; /* of the peer's latest */
	uint8_t role;         /* enum dialog_role: who sent the first request */
	bool remote_cseq_known;
	bool secure;    /* sips: URI over TLS (RFC 3261 §12.1.1) */
	bool confirmed; /* routes are fixed from here on */
};

/* Empty, over a block that outlives it. cap at most 65535. */
void dialog_init(struct dialog *d, void *text, size_t cap);
/* How many octets of text dialog_start_uas would want for this request, with room for later changes of target. */
size_t dialog_text_for(const struct msg *request);
/*
 * We answer `request`: remote side from From, route set from Record-Route in order, target from Contact. All functions
 * below: ERR_FULL: the block is too small; ERR_BAD: an address that cannot be read; d is then unchanged.
 */
enum err dialog_start_uas(struct dialog *d, const struct msg *request, struct str local_tag,
			  bool over_tls) MUST_USE;

struct dialog_uac {
	struct str call_id, local_tag;
	struct str local, remote; /* From and To values without tags */
	struct str target;        /* Request-URI */
	struct str routes;        /* preloaded Route values parted by '\n'; mostly empty */
	uint32_t cseq;            /* of the INVITE; < 2^31 */
	bool over_tls;
};
/* We are about to send the first request. */
enum err dialog_start_uac(struct dialog *d, const struct dialog_uac *p) MUST_USE;
/* A 1xx with To tag or a 2xx came for our first request: remote tag, route set (Record-Route reversed), target. */
enum err dialog_on_response(struct dialog *d, const struct msg *response) MUST_USE;
/* The first NOTIFY of what we subscribed to makes the dialog too, before its 2xx or without it (RFC 6665 §4.4.1). */
enum err dialog_on_notify(struct dialog *d, const struct msg *notify) MUST_USE;
/* Another branch of a forked INVITE: dst (initialised, own block) becomes src as it is. */
enum err dialog_copy(struct dialog *dst, const struct dialog *src) MUST_USE;

/* Is this message of this dialog? Tags without case, Call-ID with. */
bool dialog_has_request(const struct dialog *d, const struct msg *request);
bool dialog_has_response(const struct dialog *d, const struct msg *response);

/* RFC 3261 §12.2.2. OK: in order, and remembered. ERR_REPLAY: lower or equal: answer 500. ACK and CANCEL: always OK. */
enum err dialog_take_cseq(struct dialog *d, const struct msg *request) MUST_USE;
/* Contact of a re-INVITE or UPDATE or of its 2xx becomes the target; without Contact nothing changes. */
enum err dialog_refresh_target(struct dialog *d, const struct msg *m) MUST_USE;

/* The next CSeq number of our own; ACK takes that of its INVITE instead. */
uint32_t dialog_next_cseq(struct dialog *d);
/* Fills uri, from, to, call_id, cseq, routes and last_route of r (RFC 3261 §12.2.1.1, strict routers too).
 * Views into d. */
enum err dialog_fill(const struct dialog *d, uint32_t cseq, struct build_request *r) MUST_USE;
/* The URI that decides where it is sent to: the first route, else the target. View into d. */
struct str dialog_next_hop(const struct dialog *d);

/* This answer to a request in a dialog of a call ends it (RFC 3261 §12.2.1.2, RFC 5057 §5). */
bool dialog_is_lost(uint16_t status, enum method method);

struct str dialog_get(const struct dialog *d, enum dialog_text t);
/* ERR_FULL: d unchanged. */
enum err dialog_set(struct dialog *d, enum dialog_text t, struct str value) MUST_USE;

#endif
