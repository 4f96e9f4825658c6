/*
 * Scanners over UDP. Whoever is named as the source of a datagram need not have sent it, so for what datagrams claim nobody is
 * banned (keepout.h). Two things are done all the same (docs/bans.md):
 *
 * An ACK is a proof. Our refusal of a stranger's INVITE has a tag that is a keyed hash of its source, Call-ID, From tag and
 * CSeq; who brings it back hears us there, and sent that INVITE. So many of those are a ban.
 *
 * A quarantine. So many requests of an address that is no trunk's, of no registered user, and has not shown a right
 * password lately: for some minutes no request from it over UDP that asks for something new is looked at, but for those by
 * which it may prove itself: one REGISTER or INVITE in two seconds of each of its ports, and answers to our challenges.
 * A right password ends it. The one whose address was used by somebody else gets in this way.
 */
#ifndef SALLYPORT_QUARANTINE_H
#define SALLYPORT_QUARANTINE_H

#include "policy/rate.h"
#include "policy/suspect.h"

struct flow;
struct msg;
struct sbc;

enum {
	QUARANTINE_PORTS_MAX = 16384, /* whose turns are remembered */
	QUARANTINE_TURN_MS = 2000,
	QUARANTINE_SPARED_MS = 3600 * 1000 /* after a right password */
};

/* Nothing is taken before the first stranger. */
struct quarantine {
	struct suspects suspects;
	struct rate_table turns;
};
void quarantine_release(struct quarantine *q);

/* m came from f and was refused because it is nobody's. */
void quarantine_on_stranger(struct sbc *s, const struct flow *f, const struct msg *m);
/* m is for a user or a trunk that has a password, and has not shown it yet. */
void quarantine_on_claim(struct sbc *s, const struct flow *f, const struct msg *m);
/* An ACK that says it acknowledges a refusal of ours, and is nobody's. */
void quarantine_on_ack(struct sbc *s, const struct flow *f, const struct msg *m);
/* A right password came from there. */
void quarantine_spare(struct sbc *s, const struct flow *f);
/* From a source in quarantine: may it be looked at? */
bool quarantine_hears(struct sbc *s, const struct flow *f, struct str bytes, bool peek);

#endif
