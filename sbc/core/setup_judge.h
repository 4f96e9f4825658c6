/*
 * What an INVITE asks for and what is said of it, before and beside the call that it becomes: read, limits, route, targets,
 * media. The call (setup_begin) and `sallyport explain` ask these same functions; the latter with ask.peek, which changes nothing.
 */
#ifndef SALLYPORT_SETUP_JUDGE_H
#define SALLYPORT_SETUP_JUDGE_H

#include "sbc/core/hunt.h"
#include "sbc/core/judge.h"
#include "sbc/core/uri.h"

struct aor;
struct call_sdp;
struct contact;

enum { SETUP_NUMBER_MAX = 256 };

/* Views into the message and into itself. */
struct setup_asked {
	struct uri uri;
	struct str dialled, called, caller; /* numbers: as it came; as we write both */
	struct contact *contact; /* the user whose contact of ours was called; NULL: no such one */
	char mem[3][SETUP_NUMBER_MAX];
};

/* A refusal of that stage with that rule; `reason` may be empty. */
struct verdict setup_verdict(enum verdict_stage stage, uint16_t status, struct str reason,
			     struct str rule);
/* Reads m, and what of it is refused whoever sends it. ALLOW: *out and the facts of the call are filled in. */
struct verdict setup_read(struct sbc *s, const struct policy_ask *a, const struct msg *m,
			  const struct flow *f, struct setup_asked *out);
/* The number that calls, as we write it; empty: none. View into mem. */
struct str setup_caller(const struct settings *set, uint16_t trunk, const struct msg *m,
			char mem[SETUP_NUMBER_MAX]);
/* Has this node room for one more call? */
struct verdict setup_room(const struct sbc *s, const struct settings *set, bool emergency);
bool setup_is_short_of_transactions(const struct sbc *s);
/*
 * Where to, by policy, and the order of the targets. ALLOW, or the refusal; *out_user: the first user of ours among them, or NULL.
 * The route is in the decision.
 */
struct verdict setup_route(struct sbc *s, const struct settings *set, const struct policy_ask *a,
			   bool secure_only, struct hunt *hunt, struct aor **out_user);
/* The same for the contact that we gave a registrar: down that flow, whatever routes say. */
struct verdict setup_route_user(const struct settings *set, const struct contact *b,
				bool secure_only, struct hunt *hunt, uint16_t *out_route);
/* RFC 3323 §5: what is critical and cannot be done is not tried. */
struct verdict setup_privacy(const struct settings *set, uint16_t realm, const struct msg *m);

#endif
