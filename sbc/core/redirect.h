/*
 * 3xx of a callee (RFC 3261 §8.1.3.4, §21.3): the Contacts as wishes, and which of them can be granted. A wish is never an
 * address to send to: it is a number, and a host that must be a peer which the caller's trunk may reach by a route
 * (threats C15). Nothing is sent here.
 */
#ifndef SALLYPORT_REDIRECT_H
#define SALLYPORT_REDIRECT_H

#include "policy/facts.h"
#include "sbc/core/hunt.h"
#include "sbc/core/msg.h"
#include "sbc/core/settings.h"

enum { REDIRECTS_MAX = 16, REDIRECT_NUMBER_MAX = 255 };

/* The numbers that one call was sent on to; hunt_target.number is 1 + the index, 0 the number that was dialled. */
struct redirects {
	struct str number[REDIRECTS_MAX];
	uint8_t count;
};

struct redirect_wish {
	char number[REDIRECT_NUMBER_MAX];
	uint8_t number_len;
	struct str host; /* view into the message */
	uint16_t port;   /* 0: not given */
	bool secure;     /* sips: or transport=tls */
	uint16_t q;      /* thousandths */
};

/* What of the Contacts are SIP URIs with a number, the dearest first; returns how many. */
size_t redirect_read(const struct msg *m, struct redirect_wish *out, size_t cap);
struct str redirect_number(const struct redirect_wish *w);

/* Is it a peer of any trunk? */
bool redirect_is_known(const struct settings *s, const struct redirect_wish *w);
/*
 * The peer that it names, if a route leads whoever `facts` speaks of to it with the new number. ERR_NOTFOUND: no peer of
 * ours, or no route there. `secure_only`: RFC 5630.
 */
enum err redirect_find(const struct settings *s, const struct facts *facts,
		       const struct redirect_wish *w, bool secure_only,
		       struct hunt_target *out) MUST_USE;

#endif
