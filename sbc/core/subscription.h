/*
 * A subscription through us (RFC 6665): leg[0] asked for notifications, leg[1] sends them. Each side has a dialog of its
 * own with us; SUBSCRIBEs and NOTIFYs go from one to the other as errands.
 *
 *   SUBSCRIBE ─► PENDING ── 2xx, or the first NOTIFY ─► ACTIVE ── NOTIFY terminated, 481 ─► gone
 *                   └── refused ─► gone                    └── Expires: 0 ─► LEAVING ── last NOTIFY, 32 s ─► gone
 *
 * Of a SUBSCRIBE that was forked behind us the first dialog is kept; the NOTIFYs of the others get 481 (§4.4.1).
 * Timers: `alarm` is the time granted and a grace; who subscribed is then told that it is over.
 */
#ifndef SALLYPORT_SUBSCRIPTION_H
#define SALLYPORT_SUBSCRIPTION_H

#include "sbc/core/errand.h"
#include "sbc/core/leg.h"
#include "sbc/core/package.h"

enum {
	SUBSCRIPTION_MIN_S = 60, /* less is refused with 423, 0 aside */
	SUBSCRIPTION_MAX_S = 86400,
	SUBSCRIPTION_GRACE_MS = 32000
};

enum subscription_state {
	SUBSCRIPTION_PENDING,
	SUBSCRIPTION_ACTIVE,
	SUBSCRIPTION_LEAVING,
	SUBSCRIPTION_STATE_COUNT
};

struct subscription {
	id_t64 id;
	const struct settings *settings;
	uint8_t state; /* enum subscription_state */
	bool answered; /* who asked has its 2xx: it can be sent a NOTIFY of our own */
	char event[PACKAGE_NAME_MAX + 4 + PACKAGE_ID_MAX]; /* as written */
	uint8_t event_len;
	struct leg leg[2];
	struct addr source; /* that it is counted for */
	struct alarm alarm;
};

struct subscription *subscription_find(const struct sbc *s, id_t64 id);
/* For the SUBSCRIBE m of that trunk. ERR_FULL: a limit; ERR_BAD: no dialog can be made of it. */
enum err subscription_new(struct sbc *s, const struct msg *m, const struct flow *f, uint16_t trunk,
			  const struct package_event *event, struct subscription **out) MUST_USE;
void subscription_free(struct sbc *s, struct subscription **sub);
void subscription_free_all(struct sbc *s);
/*
 * New settings: subscriptions live for days and go over to them, by the names of their trunks (listeners change at a restart
 * alone); those whose trunk has gone end here, and their next refresh gets 481.
 */
void subscription_apply(struct sbc *s, const struct settings *settings);

/* The SUBSCRIBE e goes to its present target over `to`: a fresh dialog. False: it cannot be written. */
bool subscription_send(struct sbc *s, struct subscription *sub, struct errand *e,
		       const struct msg *m, const struct flow *to);
/* Its 2xx: passed on. */
void subscription_on_accepted(struct sbc *s, struct subscription *sub, struct errand **e,
			      const struct msg *m, const struct flow *f);
/* A request with a tag of its dialogs. */
void subscription_on_request(struct sbc *s, struct subscription *sub, struct msg *m,
			     const struct flow *f, const struct tls_facts *tls);
/* The final answer to a request within it; NULL: none came, `status` says what the asker hears. */
void subscription_on_answer(struct sbc *s, struct errand **e, const struct msg *m, uint16_t status);
void subscription_on_alarm(struct sbc *s, struct subscription *sub);

#endif
