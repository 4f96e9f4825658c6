/*
 * What one party hears of one media is one RTP source of ours, whatever speaks behind it: one SSRC that is nobody's, a
 * sequence that goes on by one and a timestamp that goes on with the clock when the source changes (fork, transfer, hold
 * music, another session that takes this one's place). A leaf machine for one outgoing direction; forward runs it as the
 * last thing before a packet is protected.
 *
 * The rule. Exactly one source at a time is renumbered; that is what an audio line has. Whatever comes with a new SSRC is
 * the source from then on; stragglers of the one before are dropped. If that one goes on instead (more than a few that were
 * under way), there are two at a time: the one that we had keeps our numbers, and the other passes as it is until the first
 * has been silent for a second.
 * Losses, reordering and duplicates of the source are seen behind us as they came; what we left out on purpose (media or
 * DTMF that is blocked, hold) is not seen. A source that starts over (RFC 3550 A.1: far from where it was, confirmed by a
 * second packet unless its tag proved the first) goes on like a new one. Lines of other kinds are left alone: video has
 * several sources by design (simulcast, retransmission), named in SDP.
 *
 * Sequence numbers that went out never come again except as duplicates and as late packets inside a gap that was left for
 * them, so that no key stream is used twice; the first one is below 2^15 (RFC 3711 §3.3.1: whoever misses the beginning still
 * guesses the rollover counter right).
 *
 *   FRESH ──packet──► FLOWS ◄──packet── WAITING ◄── continuity_take (we go on for another direction)
 *                      │ ▲
 *        left out on   ▼ │ packet           any ── continuity_take (another goes on for us) ──► GIVEN
 *        purpose      PAUSED
 */
#ifndef SALLYPORT_CONTINUITY_H
#define SALLYPORT_CONTINUITY_H

#include <stdbool.h>
#include <stdint.h>

struct rtp;

enum {
	CONTINUITY_DROPOUT = 3000, /* RFC 3550 A.1: a larger gap is a restart of the sender */
	CONTINUITY_MISORDER = 100,
	CONTINUITY_START_MIN = 1024,  /* the first number: room below for what comes late */
	CONTINUITY_LATE_US = 1000000, /* so long what comes of a source that was left is late, */
	CONTINUITY_UNDER_WAY = 5,     /* but for more than this many that follow its last one */
	CONTINUITY_CLOCK_S = 10,      /* a timestamp further off than this is another clock */
	CONTINUITY_HOLES = 4
};

enum continuity_state {
	CONTINUITY_OFF, /* packets pass as they are */
	CONTINUITY_FRESH,
	CONTINUITY_FLOWS,
	CONTINUITY_PAUSED,
	CONTINUITY_WAITING,
	CONTINUITY_GIVEN,
	CONTINUITY_STATE_COUNT
};

enum continuity_verdict {
	CONTINUITY_PASS,
	CONTINUITY_LATE,  /* of a source that was left, or from before its first packet */
	CONTINUITY_STRAY, /* a jump that nothing has confirmed yet */
	CONTINUITY_GONE,  /* GIVEN */
	CONTINUITY_VERDICT_COUNT
};

/* What every packet needs. Sequence numbers are extended to 32 bits, ours and theirs. */
struct continuity {
	uint64_t top_us;   /* when top_ts went out */
	uint32_t in_ssrc;  /* the source */
	uint32_t out_ssrc; /* ours, for ever */
	uint32_t in_top;   /* highest sequence number of the source; + seq_shift: of ours */
	uint32_t seq_shift, ts_shift;
	uint32_t top_ts;          /* highest timestamp of ours */
	uint32_t packets, octets; /* that went out as out_ssrc: what a sender report counts */
	uint32_t clock_rate;
	uint8_t state; /* enum continuity_state */
};

/* A run of packets that did not go out, or that are ours: who comes late from before it is numbered as then. */
struct continuity_hole {
	uint32_t first, last; /* of the source's numbers; empty: last + 1 == first */
	uint32_t shift;       /* seq_shift before it */
};

/* What only changes of the source, late packets and RTCP need. */
struct continuity_past {
	uint32_t ssrc, top; /* the source before this one */
	uint32_t first;     /* nothing of the source before this number passes */
	uint32_t beside;    /* an SSRC that comes at the same time; 0: none */
	uint64_t switched_us;
	uint32_t probe_top; /* in_top when a jump was seen: still the same, or it was none */
	uint16_t probe;     /* the number that would confirm it */
	bool probing;
	uint8_t returns; /* that came of the source before, and were no late ones of it */
	uint8_t hole_count;
	struct continuity_hole holes[CONTINUITY_HOLES];
	uint32_t switches;
	/* for rtcp_map */
	int32_t lost_base,
		lost_last;  /* cumulative loss that the party reports: before this source, now */
	uint32_t sr_mid[2]; /* sender reports of this source that have crossed */
};

/* OFF, with numbers for later made of `random`. */
void continuity_init(struct continuity *c, struct continuity_past *past, uint64_t random);
/* Switching it off passes packets as they are from now on; on again goes on where our numbers were. clock_rate > 0. */
void continuity_set(struct continuity *c, bool on, uint32_t clock_rate);
/*
 * A packet of `payload` bytes is to go out. PASS: h is renumbered. `proven`: the packet's tag was right, so a jump is the
 * sender's own. Not for OFF.
 */
enum continuity_verdict continuity_step(struct continuity *c, struct continuity_past *past,
					struct rtp *h, uint32_t payload, uint64_t at_us,
					bool proven);
/* This one is left out on purpose; what follows closes up. Not for OFF. */
void continuity_skip(struct continuity *c, struct continuity_past *past, const struct rtp *h);
/* All are left out from here to the next that passes. */
void continuity_pause(struct continuity *c);
/*
 * Numbers for a packet of our own making, behind the last one; what follows makes room. A row of packets with one
 * timestamp (RFC 4733) keeps that of the first. False, nothing changed: OFF or GIVEN.
 */
bool continuity_next(struct continuity *c, struct continuity_past *past, uint64_t at_us,
		     struct rtp *out);
/*
 * May another (the kernel) do what step does for what comes as `ssrc`: add seq_shift and ts_shift, set out_ssrc, as long as
 * numbers are near the last one? Also for OFF: then as it is. What it did is told by continuity_credit, with the highest
 * number and the last timestamp of the source.
 */
bool continuity_is_steady(const struct continuity *c, uint32_t ssrc);
struct continuity_run {
	uint32_t packets, octets, timestamp;
	uint16_t seq;
};
void continuity_credit(struct continuity *c, const struct continuity_run *run, uint64_t at_us);
/* Our source's timestamp of now, by the clock. */
uint32_t continuity_timestamp(const struct continuity *c, uint64_t now_us);
/* `c` goes on where `from` was, and `from` sends no more. Its clock rate stays its own; where it is OFF it begins
 * there when it is switched on. Nothing happens where `from` is OFF or has been given before. */
void continuity_take(struct continuity *c, struct continuity_past *past, struct continuity *from,
		     const struct continuity_past *from_past);

/* Between our numbers and the source's; only for states in which there is one. */
uint16_t continuity_seq_in(const struct continuity *c, uint16_t seq_out);
/* The source's extended number of the one of ours that a report names. False: from before this source. */
bool continuity_ext_in(const struct continuity *c, const struct continuity_past *past,
		       uint32_t ext_out, uint32_t *out);
bool continuity_has_source(const struct continuity *c);

#endif
