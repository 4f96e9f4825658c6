/*
 * The order in which the peers of a route are tried (RFC 2782 within a trunk): made once for a call, then walked.
 */
#ifndef SALLYPORT_HUNT_H
#define SALLYPORT_HUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/id.h"
#include "common/rng.h"
#include "sbc/core/settings.h"

struct peers;

enum { HUNT_MAX = 32 };

struct hunt_target {
	uint16_t trunk, peer;
	id_t64 contact; /* of a user of that trunk's group; ID_NONE: the peer */
	bool opinion;   /* it is asked for its opinion, and does not get the call (opine.h) */
	uint8_t number; /* 0: the one that was dialled; else where a 3xx sent us (redirect.h) */
};

struct hunt {
	struct hunt_target list[HUNT_MAX];
	uint8_t count, next;
};

struct hunt_params {
	const struct settings *settings;
	const struct route_rule *route;
	uint32_t turn;     /* round-robin: how many calls came before */
	bool secure_only;  /* RFC 5630: sips: goes over TLS or not at all */
	struct str number; /* that is called, for least-cost */
	/* Is the peer fit for a call now? */
	bool (*is_up)(const struct peers *ctx, const struct settings *s, uint16_t trunk,
		      uint16_t peer);
	/* Is it to be tried behind all others (health.h)? NULL: none is. */
	bool (*is_last)(const struct peers *ctx, const struct settings *s, uint16_t trunk,
			uint16_t peer, uint64_t now_ms, uint32_t dice);
	uint64_t now_ms;
	/* Its calls of now, for least-calls; NULL: none are known. */
	uint32_t (*calls)(const struct peers *ctx, const struct settings *s, uint16_t trunk,
			  uint16_t peer);
	const struct peers *ctx;
};

enum hunt_result {
	HUNT_OK,
	HUNT_DOWN,     /* all peers are down, or may not be asked now */
	HUNT_INSECURE, /* none of them is secure */
	HUNT_RESULT_COUNT
};

enum hunt_result hunt_init(struct hunt *h, const struct hunt_params *p, struct rng *rng);
/* One more behind all others, if there is room. */
void hunt_add(struct hunt *h, const struct hunt_target *t);
/* One more, `at` places after the next. False: there is no room. */
bool hunt_insert(struct hunt *h, size_t at, const struct hunt_target *t);
/* False: no more. */
bool hunt_next(struct hunt *h, struct hunt_target *out);

#endif
