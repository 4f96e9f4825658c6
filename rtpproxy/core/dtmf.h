/*
 * Telephone events in RTP (RFC 4733): the payload ↔ struct dtmf_report; a listener that says each press of a key
 * once, whatever is repeated, lost or late; and a player that presses keys, packet by packet. Leaf machines: no
 * packets, no clock. What is pressed may be a secret (threats D15): nothing here prints.
 */
#ifndef SALLYPORT_DTMF_H
#define SALLYPORT_DTMF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"
#include "common/str.h"

enum {
	DTMF_KEYS = 16,  /* 0 … 9 * # A … D */
	DTMF_FLASH = 16, /* the one other event that is told */
	DTMF_PAYLOAD_LEN = 4,
	DTMF_FORMATS = 4,     /* telephone-event formats of one m= line that are known */
	DTMF_REPORTS_MAX = 4, /* of one packet; more are not looked at */
	DTMF_SILENT_US =
		200000, /* without an update a key is up: updates come every 50 ms or sooner */
	DTMF_STEP_US = 20000,     /* between packets of the player */
	DTMF_ENDS = 3,            /* the last packet of a press is sent so often (§2.5.1.4) */
	DTMF_SEGMENT = 0xffff,    /* the longest duration that a report can tell (§2.5.1.3) */
	DTMF_QUEUE = 16,          /* keys that wait to be played */
	DTMF_DURATION_MIN = 100,  /* ms, of a played key */
	DTMF_DURATION_MAX = 5000, /* ms */
	DTMF_VOLUME_MAX = 63
};

/* Which payload types are telephone events, and the clock of their timestamps. */
struct dtmf_formats {
	struct {
		uint32_t rate;
		uint8_t payload_type;
	} at[DTMF_FORMATS];
	uint8_t count;
};

/* One more; the same number again replaces what was known of it. What is above the limit is ignored. */
void dtmf_formats_add(struct dtmf_formats *f, uint8_t payload_type, uint32_t rate);
/* The clock rate of that payload type; 0: no telephone event. */
uint32_t dtmf_formats_find(const struct dtmf_formats *f, uint8_t payload_type);

/* One report on the wire. */
struct dtmf_report {
	uint16_t duration; /* timestamp units */
	uint8_t event;
	uint8_t volume; /* −dBm0, 0 … 63 */
	bool end;
};

/* n ≥ DTMF_PAYLOAD_LEN. ERR_BAD: shorter. */
enum err dtmf_decode(const uint8_t *p, size_t n, struct dtmf_report *out) MUST_USE;
void dtmf_encode(const struct dtmf_report *r, uint8_t out[DTMF_PAYLOAD_LEN]);
/* '5' ↔ 5, '*' ↔ 10, '#' ↔ 11, 'A' … 'D' ↔ 12 … 15, '!' ↔ flash. False: no such key. */
bool dtmf_find_key(char c, uint8_t *out_event);
/* 0: not a key. */
char dtmf_key_name(uint8_t event);

/* A key that was pressed and is up again. */
struct dtmf_key {
	uint32_t duration_ms;
	uint8_t event; /* any: the caller knows which ones it wants */
	uint8_t volume;
};

/* At most one that ended unsaid, and those of one packet. */
struct dtmf_keys {
	struct dtmf_key at[DTMF_REPORTS_MAX + 1];
	unsigned count;
};

/*
 *   UP ──report──► DOWN ──end, other press, silence──► UP (said)
 *
 * A press is known by its timestamp. Reports of a press that was said, or of an older one, change nothing.
 */
struct dtmf_listen {
	uint64_t last_us;
	uint32_t ssrc, rate;
	uint32_t first;    /* timestamp of the press */
	uint32_t segment;  /* of its part under way (§2.5.1.3) */
	uint32_t duration; /* of that part, the longest seen */
	uint8_t event, volume;
	bool known; /* a press was heard */
	bool down;  /* … and is not said yet */
};

/* What a packet says of itself. */
struct dtmf_heard {
	uint32_t ssrc, timestamp, rate;
	bool marker;
};

void dtmf_listen_init(struct dtmf_listen *d);
/* A packet with payload p[0…n). Sets *out to what is said now. */
void dtmf_listen_step(struct dtmf_listen *d, const struct dtmf_heard *h, const uint8_t *p, size_t n,
		      uint64_t now_us, struct dtmf_keys *out);
/* A key of which nothing came any more is up. */
void dtmf_listen_tick(struct dtmf_listen *d, uint64_t now_us, struct dtmf_keys *out);

/* A key to be played. */
struct dtmf_press {
	uint16_t duration_ms, pause_ms; /* pause: before the next one */
	uint8_t event, volume;
};

enum dtmf_play_state { DTMF_PLAY_IDLE, DTMF_PLAY_TONE, DTMF_PLAY_END, DTMF_PLAY_PAUSE };

/* IDLE ──add──► TONE ──its time──► END (repeated) ──► PAUSE ──► TONE of the next, or IDLE */
struct dtmf_play {
	struct dtmf_press queue[DTMF_QUEUE]; /* [0] is played */
	uint8_t count;
	uint8_t state; /* enum dtmf_play_state */
	uint8_t ends;  /* end packets sent */
	bool first;    /* the next packet is the first of its press */
	uint64_t next_us;
	uint32_t steps;   /* packets of the tone */
	uint32_t segment; /* timestamp units of the press before its part under way */
};

/* What is to be sent now. */
struct dtmf_play_out {
	struct dtmf_report report;
	uint32_t offset; /* of the timestamp from that of the press */
	bool begins;     /* a new press: it gets a new timestamp */
	bool marker;
};

/* ERR_FULL. Values are in their ranges. */
enum err dtmf_play_add(struct dtmf_play *p, const struct dtmf_press *k, uint64_t now_us) MUST_USE;
/* True: send *out, and ask again. False: nothing is due before p->next_us, or at all when it is idle. */
bool dtmf_play_step(struct dtmf_play *p, uint32_t rate, uint64_t now_us, struct dtmf_play_out *out);
/* A key is down: the party's own media is left out. */
bool dtmf_play_is_down(const struct dtmf_play *p);

#endif
