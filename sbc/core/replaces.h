/*
 * Which dialog of ours a Replaces names, and who may name it (RFC 3891 §3; threats C7, C15). A leg is named by its own
 * identifiers, on its own side alone. Towards another side it has a handle instead: three tokens of ours that are good
 * for one trunk, so that no identifier of one side is ever seen on the other.
 */
#ifndef SALLYPORT_REPLACES_H
#define SALLYPORT_REPLACES_H

#include "sbc/core/call.h"
#include "sbc/core/hide.h"
#include "sbc/core/refer.h"
#include "sbc/core/worker.h"

/* The leg whose party gives its place up. */
struct replaces_leg {
	struct call *call;
	unsigned side;
	bool by_handle;
};

/* 0: found; else the status of the refusal: 481 no such dialog, 486 it is confirmed and only an early one was meant,
 * 403 it is another trunk's. */
uint16_t replaces_find(struct sbc *s, const struct refer_replaces *r, struct str trunk,
		       struct replaces_leg *out);

/* Texts of a handle. */
struct replaces_handle {
	char text[3][HIDE_BRANCH_LEN];
};
/* The name of that leg for the peers of `trunk`. Views into `mem`. */
struct refer_replaces replaces_handle(const struct sbc *s, const struct call *c, unsigned side,
				      struct str trunk, struct replaces_handle *mem);
/* The name of the trunk of a leg. */
struct str replaces_trunk(const struct call *c, unsigned side);

#endif
