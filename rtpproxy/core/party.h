/*
 * Which parties of a call a command is about (ng-protocol §5, block media): by label, else by the
 * address in their SDP, else by from-tag, else all. A to-tag or to-label narrows to what goes from there
 * to that other party. A party of several dialogues (a fork) is found once in each.
 */
#ifndef SALLYPORT_PARTY_H
#define SALLYPORT_PARTY_H

#include "common/check.h"
#include "rtpproxy/core/call.h"
#include "rtpproxy/core/refusal.h"

/* As the command says it; views. Empty: not given. */
struct party_who {
	struct str from_tag, to_tag, label, to_label, address;
};

struct party {
	struct dialogue *d;
	unsigned side;
};

struct party_set {
	struct party at[2 * LIMIT_DIALOGUES];
	unsigned count; /* at least 1 after success */
};

/*
 * A from-tag counts also without the flag `directional`: who sends one without it means one party all the
 * same. REFUSAL_LABEL, _ADDRESS, _ADDRESS_TAG, _NO_SUCH_TAG, _TO_LABEL, _TO_TAG_UNKNOWN.
 */
enum refusal party_find(const struct call *c, const struct party_who *w,
			struct party_set *out) MUST_USE;

#endif
