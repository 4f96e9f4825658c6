/*
 * What the session timers of a call's two legs make happen: header lines in what we send, refreshes of our own, the end of a call
 * whose peer has gone (RFC 4028). Each leg for itself: a refresh of one peer is answered by us and does not cross, and its
 * repeated SDP gets ours again, octet for octet, so that o= stays as it is.
 */
#ifndef SALLYPORT_REFRESH_H
#define SALLYPORT_REFRESH_H

#include "sbc/core/call.h"
#include "sbc/core/pair.h"
#include "sbc/core/worker.h"

struct own_outcome;

/* The trunk of that leg is known now. */
void refresh_init(struct call *c, unsigned side);
/* The leg has come from another call, or has gone to one: its alarm with it. */
void refresh_set_alarm(struct sbc *s, struct call *c, unsigned side);
/* An INVITE or UPDATE goes to that side: its lines into s->lines. */
void refresh_write_request(struct sbc *s, const struct call *c, unsigned side);
/* Its 2xx has come. */
void refresh_on_answer(struct sbc *s, struct call *c, unsigned side, const struct msg *m);
/* Its refusal. True: 422, and with the lines as they are now it may go again. */
bool refresh_on_refusal(struct sbc *s, struct call *c, unsigned side, const struct msg *m);

/* An INVITE or UPDATE of that side. False: 422 with the lines of refresh_write_min. */
bool refresh_take_request(struct call *c, unsigned side, const struct msg *m);
void refresh_write_min(struct sbc *s, const struct call *c, unsigned side);
/* We answer it with a 2xx: its lines into s->lines. */
void refresh_write_answer(struct sbc *s, struct call *c, unsigned side);

/* A refresh and nothing more: answered here. False: it is to be passed on. */
bool refresh_answer(struct sbc *s, struct call *c, const struct pair *p, const struct msg *m,
		    const struct flow *f);

void refresh_on_alarm(struct sbc *s, struct call *c, unsigned side);
void refresh_on_own(struct sbc *s, struct call *c, const struct own_outcome *x);
/* Is a refresh of ours to that side still wanted? */
bool refresh_is_wanted(const struct call *c, unsigned side);
/* The call ends. */
void refresh_stop(struct sbc *s, struct call *c);

#endif
