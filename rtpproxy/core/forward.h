/*
 * The packet path: classify → source → unprotect → learn and measure → protect, over a batch, as a
 * function of packets, streams and time. No allocation, lock or system call inside (design §8).
 */
#ifndef SALLYPORT_FORWARD_H
#define SALLYPORT_FORWARD_H

#include <stddef.h>
#include <stdint.h>

#include "common/siphash.h"
#include "pkt.h"
#include "quality.h"
#include "rtcp_hide.h"
#include "srtp.h"

/* What a worker's packets came to, over all streams and those that met none. */
struct forward_stats {
	uint64_t fate[FATE_COUNT];
	uint64_t bytes_in, bytes_out; /* UDP payload; in: of every packet */
	uint64_t ice_answers, ice_errors,
		ice_selections; /* checks answered; with an error; paths selected */
};

struct tap_set;

struct forward {
	struct srtp_worker *srtp;
	struct tap_set *taps;    /* of the streams' taps; NULL: they have none */
	struct siphash_key hide; /* for the names in RTCP */
	struct forward_stats stats;
	/* Packets with FATE_OURS that are not settled yet: the owner deals with them after the batch, and sets it to 0. */
	size_t ours;
};

/* `srtp` is the worker's, outlives it, and is the one that all streams of its packets were made
 * with. `hide` is secret and random. */
void forward_init(struct forward *f, struct srtp_worker *srtp, const struct siphash_key *hide);
/*
 * Any n. Fills the second half of each packet. For FATE_SENT: send pkts[i]->data[0…len) from
 * endpoint `out` to address `to`: where it came from, when it is the answer to a check of ICE. Order within a stream is kept. now_us is the turn's time; at_us of a packet
 * is when it came, for jitter.
 */
void forward_batch(struct forward *f, struct pkt *const pkts[], size_t n, uint64_t now_us);
/*
 * A plain RTP packet of our own in the name of the party of p->stream: takes the way of its packets from where they are
 * accepted, and is not counted as one that came in. FATE_SENT: send it as above.
 */
enum pkt_fate forward_own(struct forward *f, struct pkt *p);
/* A plain compound of our own to the party of the endpoint p->stream, from there. FATE_SENT: likewise. */
enum pkt_fate forward_own_rtcp(struct forward *f, struct pkt *p);
/* CNAME of the source that the party of s hears from us where reports are ours. */
void forward_name(const struct forward *f, const struct stream *s, char out[RTCP_HIDE_CNAME_LEN]);

/* RTP of a stream that another forwarder (the kernel) sent on, or refused, in our place. */
struct forward_credit {
	uint64_t packets, bytes; /* RTP, UDP payload; as many left by the peer */
	uint32_t refused_source, refused_rate;
	uint64_t last_us; /* of its last packet; monotonic */
	struct quality_run run;
};

/* Counts and measures as if the packets had come here. */
void forward_credit(struct forward *f, struct stream *s, const struct forward_credit *c);
/* What became of a packet with FATE_OURS. */
void forward_settle(struct forward *f, struct pkt *p, enum pkt_fate fate);

#endif
