/*
 * Is a party heard? A leaf machine for one m= line of one party: told from time to time when the last RTP came, it says what
 * is new: nothing comes any more, it is back, or it never came while the other party is heard. RTCP does not count: a party
 * that only reports is silent. A party that may not send (hold) is not waited for.
 *
 *   UNHEARD ──RTP──► HEARD ──limit without──► LOST ──RTP──► HEARD
 *      └──limit without, the other is heard──► ONE_WAY ──RTP──► HEARD
 */
#ifndef SALLYPORT_SILENCE_H
#define SALLYPORT_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

enum { SILENCE_LOOK_US = 1000000 }; /* so often it is looked for one that was lost */

enum silence_state {
	SILENCE_UNHEARD,
	SILENCE_HEARD,
	SILENCE_LOST,
	SILENCE_ONE_WAY,
	SILENCE_STATE_COUNT
};
enum silence_event {
	SILENCE_NOTHING,
	SILENCE_IS_LOST,
	SILENCE_IS_BACK,
	SILENCE_IS_ONE_WAY,
	SILENCE_EVENT_COUNT
};

struct silence {
	uint64_t since_us; /* it is waited for since then; 0: not at all */
	uint64_t told_us;  /* when it was said to be lost */
	uint8_t state;     /* enum silence_state */
};

struct silence_facts {
	uint64_t heard_us, other_us; /* last RTP of this party, of the other; 0: never */
	uint64_t now_us, limit_us;
	bool is_expected; /* it may send, and the other one receives */
};

/* *out_next_us: when to ask again, unless something is signalled before; UINT64_MAX: not at all. */
enum silence_event silence_step(struct silence *s, const struct silence_facts *f,
				uint64_t *out_next_us);
/* For how long nothing came, in ms. */
uint32_t silence_ms(const struct silence *s, const struct silence_facts *f);

#endif
