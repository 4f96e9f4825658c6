/*
 * What is done with one party's media beside sending it on: telephone events are heard, kept back or played, packets
 * are recorded, and copied to subscribers. Hangs behind stream.tap of an RTP endpoint; a stream without one pays for a
 * branch. The packet path calls tap_step; what it finds (keys, copies) is fetched by the root after the batch.
 *
 * Once made, a tap stays until its dialogue ends: the sequence numbers that it gave must not be given again.
 */
#ifndef SALLYPORT_TAP_H
#define SALLYPORT_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/id.h"
#include "common/list.h"
#include "common/pool.h"
#include "rtpproxy/core/dtmf.h"
#include "rtpproxy/core/pkt.h"
#include "rtpproxy/core/renumber.h"

struct call;
struct leg;
struct record_ring;
struct rtp;
struct stream;

enum {
	TAP_SAID = 8, /* keys of one stream in one batch; further ones are counted and forgotten */
	TAP_SPARES = 128 /* copies of one batch; further ones are counted and forgotten */
};

/* What is wanted of a tap. */
enum {
	TAP_DETECT = 1 << 0, /* keys are told */
	TAP_BRIDGE =
		1
		<< 1, /* telephone events end here: the other side speaks of keys in its signalling */
	TAP_RECORD = 1 << 2
};

/* One subscriber's share of a party's media, in the list of the tap. What it hears is one source of ours
 * (continuity.h), as with any party. */
struct tap_copy {
	struct list node;
	struct stream *rtp, *rtcp; /* where it leaves; with rtcp-mux both are the same */
	bool paused;               /* inactive */
};

struct tap {
	id_t64 id;
	struct stream *stream; /* the RTP endpoint; its tap is this */
	struct call *call;
	const struct leg *leg, *other;
	struct list all;   /* of the set */
	struct list ready; /* keys were said */
	struct list busy;  /* a key is down, here or played: wants ticks */
	uint8_t wants;     /* TAP_… */
	uint8_t said_count;
	struct dtmf_formats formats; /* telephone events that the party may send */
	struct dtmf_listen listen;
	struct dtmf_key said[TAP_SAID];
	struct addr source; /* where the last one came from */
	struct renumber numbers;
	struct dtmf_play play;
	uint32_t play_rate, play_timestamp;
	uint8_t play_type;
	uint32_t recording;   /* number in the ring */
	struct addr local[2]; /* of RTP and RTCP, for recordings */
	struct list copies;
};

struct tap_stats {
	uint64_t keys, keys_lost, events_unknown, played;
	uint64_t copies, copies_lost;
	uint64_t recorded, recorded_lost;
};

/* All taps of one worker. */
struct tap_set {
	struct pool pool;
	struct list ready, busy;
	struct record_ring *ring; /* NULL: nothing is recorded */
	bool record_events;       /* telephone events too (threats D15) */
	struct pkt *spares;       /* made with the first subscription */
	uint8_t *spare_bytes;
	unsigned spare_count; /* filled by this batch */
	struct tap_stats stats;
};

/* ERR_NOMEM. `limit` taps at most. */
enum err tap_set_init(struct tap_set *set, uint32_t limit, uint8_t worker) MUST_USE;
void tap_set_release(struct tap_set *set);
/* Room for copies; again does nothing. ERR_NOMEM. */
enum err tap_set_make_spares(struct tap_set *set) MUST_USE;

/* The tap of an RTP endpoint, made if there is none. NULL: the limit, or out of memory. */
struct tap *tap_of(struct tap_set *set, struct stream *s);
/* Gives the stream's tap back, if it has one; its copies must have been taken out. */
void tap_drop(struct tap_set *set, struct stream *s);
/* Does it need to see the packets of its party? False: packets may take a shorter way. */
bool tap_is_wanted(const struct tap *t);

/*
 * A plain packet of the party, accepted and about to leave; RTP with its header. Renumbers it in place, makes records and copies.
 * FATE_SENT: goes on; FATE_EVENT: ends here.
 */
enum pkt_fate tap_step(struct tap_set *set, struct tap *t, struct pkt *p, const struct rtp *h,
		       uint64_t now_us);
/* Compound RTCP of the party, as it may be shown. */
void tap_rtcp(struct tap_set *set, struct tap *t, const struct pkt *p);
/* Records and copies an own packet in the party's name: it has its number already. */
void tap_show(struct tap_set *set, struct tap *t, const struct pkt *p, const struct rtp *h,
	      bool is_event);
/* Keys that went silent are up. */
void tap_tick(struct tap_set *set, struct tap *t, uint64_t now_us);
/* Presses a key in the party's name. ERR_NOTFOUND: it has sent nothing yet; ERR_FULL. */
enum err tap_play(struct tap_set *set, struct tap *t, const struct dtmf_press *k,
		  uint64_t now_us) MUST_USE;
/*
 * The next packet of a played key: writes a whole RTP packet to `out` (room for TAP_PLAY_LEN) and its length. False:
 * nothing is due.
 */
enum { TAP_PLAY_LEN = 16 };
bool tap_play_step(struct tap *t, uint64_t now_us, uint8_t out[TAP_PLAY_LEN]);

#endif
