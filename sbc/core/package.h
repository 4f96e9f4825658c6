/*
 * Event packages and bodies outside of calls: what is known, towards which trust it may go, and the readers of Event
 * and Subscription-State (RFC 6665 §8.2). Documents about presence, dialogs and registrations are full of URIs and
 * addresses that we do not rewrite: they go to realms of trust medium or high alone; a message summary goes everywhere,
 * without the account that it names (RFC 3842 §5.2).
 */
#ifndef SALLYPORT_PACKAGE_H
#define SALLYPORT_PACKAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "policy/policy_config.h"

enum { PACKAGE_ID_MAX = 64, PACKAGE_NAME_MAX = 40 };

/* Views. */
struct package_event {
	struct str name; /* with its template: "presence.winfo" */
	struct str id;   /* empty: none */
};
/* ERR_BAD: not one token, or an id that is none or too long. */
enum err package_parse_event(struct str value, struct package_event *out) MUST_USE;
/* Same package and id: names with case, as tokens of the registry are. */
bool package_event_eq(const struct package_event *a, const struct package_event *b);
void package_write_event(struct buf *b, const struct package_event *e);

/* May its notifications go to a realm of this trust? False for what we do not know. */
bool package_is_allowed(struct str name, enum trust to);
/* "presence, dialog": all that are allowed there. */
void package_write_allowed(struct buf *b, enum trust to);

/* Views. */
struct package_state {
	struct str state; /* active, pending, terminated, or another token */
	bool terminated;
	bool has_expires, has_retry_after;
	uint32_t expires_s, retry_after_s;
	struct str reason; /* a token; empty: none */
};
enum err package_parse_state(struct str value, struct package_state *out) MUST_USE;
void package_write_state(struct buf *b, const struct package_state *s);

/* May a body of this Content-Type (parameters ignored) go to a realm of this trust? */
bool package_body_crosses(struct str content_type, enum trust to);
void package_write_bodies(struct buf *b, enum trust to);
/* A message summary without what names an account or a message (RFC 3842 §5.2). */
bool package_is_summary(struct str content_type);
void package_write_summary(struct buf *b, struct str body);

#endif
