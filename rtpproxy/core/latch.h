/*
 * Whose packets are these, and where do ours go? Learns the sender's address once, by rule, and is
 * never stolen (threats D1, D2). A leaf machine: no packets, no clock.
 *
 *   EMPTY ──set_remote──► OPEN ──right packet──► HELD ──set_remote: other address──► OPEN
 *                                                  └──held source silent, right packet from elsewhere──► HELD
 *
 * Where the side is encrypted, whoever can make a valid packet is the party: latch_check is asked before the packet
 * is decrypted (cheap) and latch_step is told after the tag was right. A plain side has only addresses;
 * what may be learned there is the mode's.
 */
#ifndef SALLYPORT_LATCH_H
#define SALLYPORT_LATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"

enum {
	LATCH_WINDOW_US = 3000000, /* learning after an offer or answer (ng-protocol §6.6) */
	/* A held source must be silent this long before another may take its place: longer than any
	 * packet time and jitter, so that a copied packet sent from elsewhere never wins the race. */
	LATCH_SILENT_US = 400000
};

#define LATCH_UNPROVEN_NONE UINT32_MAX

enum latch_mode {
	LATCH_OFF,    /* the signalled address and port only, also for SRTP */
	LATCH_STRICT, /* plain: as off; SRTP: any source that proves the key */
	LATCH_RESTRICTED, /* plain: also any port of the signalled address, or an address of the given network */
	LATCH_LEARN, /* plain: the best so far, wherever it comes from (ng-protocol §6.6) */
	LATCH_ICE, /* the address that ICE selected (latch_set_target), whatever was signalled; never configured */
	LATCH_MODE_COUNT
};

enum latch_state { LATCH_EMPTY, LATCH_OPEN, LATCH_HELD, LATCH_STATE_COUNT };

/* Answers of latch_check. */
enum latch_answer {
	LATCH_PASS, /* from where we send to: go on */
	LATCH_TAKE, /* a source that latch_step would learn */
	LATCH_REFUSE,
	LATCH_ASIDE, /* never from here: ICE has proven the source, but does not send there. To be accepted, teaches nothing */
	LATCH_ANSWER_COUNT
};

/* What latch_step did. */
enum latch_change { LATCH_SAME, LATCH_LEARNED, LATCH_MOVED, LATCH_CHANGE_COUNT };

/* What every packet needs comes first. */
struct latch {
	struct addr target; /* where packets go: the signalled address until another was learned */
	uint8_t mode;
	uint8_t state;
	uint8_t rank; /* of the target against the signalled address: 0 equal, 1 same address, 2 same port, 3 neither */
	uint64_t last_us; /* last packet of the held source */
	uint64_t window_end_us;
	uint32_t unproven_max;
	uint32_t unproven;     /* sent to a target that has not shown itself */
	struct addr signalled; /* family ADDR_NONE: nothing signalled */
	struct prefix net;     /* LATCH_RESTRICTED; family ADDR_NONE: none */
};

/* LATCH_STRICT, nothing signalled. */
void latch_init(struct latch *l);
/* `net` may be NULL. What was learned stays. */
void latch_set_mode(struct latch *l, enum latch_mode mode, const struct prefix *net);
/* At most `max` packets go to a target from which nothing has come (threats C5); 0: no limit; LATCH_UNPROVEN_NONE:
 * not one. */
void latch_set_unproven(struct latch *l, uint32_t max);
/* From an offer or an answer; opens the window. The same address again keeps what was learned. ADDR_NONE: nowhere. */
void latch_set_remote(struct latch *l, const struct addr *signalled, uint64_t now_us);
/* ICE has selected this address: it is where packets go. Unproven until media comes from there. */
void latch_set_target(struct latch *l, const struct addr *target);
/* May a packet from there be looked at? `secure`: it will have to prove itself. Changes nothing. */
enum latch_answer latch_check(const struct latch *l, const struct addr *from, bool secure,
			      uint64_t now_us);
/* A packet that latch_check did not refuse, whose tag was right where the side is secure. */
enum latch_change latch_step(struct latch *l, const struct addr *from, uint64_t now_us);
bool latch_has_target(const struct latch *l);
/* Takes one of the packets that may go to an unproven target; false: enough were sent. */
bool latch_take_send(struct latch *l);

#endif
