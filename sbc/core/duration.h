/*
 * How long a call may last (`trunks.X.limit_duration`): the shorter limit of its two trunks, from its answer on. Then it ends on both
 * sides, with a Reason, and the cause limit_duration in its record. Emergency calls last as long as they last.
 */
#ifndef SALLYPORT_DURATION_H
#define SALLYPORT_DURATION_H

struct call;
struct sbc;

/* The call has its answer, or was taken up again with the time of it. */
void duration_begin(struct sbc *s, struct call *c);
void duration_stop(struct sbc *s, struct call *c);
void duration_on_alarm(struct sbc *s, struct call *c);

#endif
