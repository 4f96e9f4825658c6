/*
 * A call waits for somebody else's opinion (policy/opinion.h): asked last, when all that we know lets it pass, so that no
 * one is troubled with calls that go nowhere. The time is strict and ours: whoever is late has said nothing. At most so many wait
 * at once, and a service that fails is left alone for a while (breaker.h); what then becomes of a call `on_error` says.
 *
 * With a trunk instead of a URL the same is done with an INVITE, as services against fraud do it that speak SIP alone: its peers stand
 * in front of the call's targets (hunt_target.opinion). 404 and 503: go on; 403 and 6xx: no; 3xx: there; all else has said nothing.
 */
#ifndef SALLYPORT_OPINE_H
#define SALLYPORT_OPINE_H

#include "policy/facts.h"
#include "policy/verdict.h"
#include "sbc/core/breaker.h"
#include "sbc/core/event.h"

struct sbc;
struct call;
struct setup;
struct msg;

/* Of one worker. */
struct opine {
	struct breaker breaker;
	uint32_t in_flight;
};

/* What of an opinion a call has. */
enum opine_stage {
	OPINE_NONE,
	OPINE_CALLED /* the targets of the service are to be called first */,
	OPINE_GIVEN
};

/*
 * The call is decided; what is left is the opinion. True: it waits, or has been refused; false: on with it, perhaps with the service
 * as its first target.
 */
bool opine_begin(struct sbc *s, struct call *c, const struct facts *facts);
/* What opine_begin would come to, without asking anybody. *out_asked: somebody would be, and decides; the verdict is that we would let it pass. */
struct verdict opine_guess(struct sbc *s, const struct settings *set, const struct facts *facts,
			   bool secure, bool *out_asked);
/* EVENT_OPINION, the timer of the stage, and the end of a setup that waits. */
void opine_on_answer(struct sbc *s, struct call *c, id_t64 ask, const struct event *e);
void opine_on_alarm(struct sbc *s, struct call *c);
void opine_forget(struct sbc *s, struct setup *u);

/* ---- by a trunk */

/* The next target is another's while the opinion is not given: its service could not be asked. False: the call is over. */
bool opine_pass_over(struct sbc *s, struct call *c);
/* An answer of the service to its INVITE; false: one as any other, for what is done with those before. */
bool opine_on_response(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f);
/* The INVITE to it came to nothing. */
void opine_on_failure(struct sbc *s, struct call *c, uint16_t status, unsigned cause);

#endif
