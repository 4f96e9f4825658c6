/*
 * Sequence numbers of one source from which packets are left out on purpose, or into which ours are put: to whoever
 * receives it nothing is missing that was not lost, and no number is used twice (RFC 3711 §3.3.1 depends on it). A
 * leaf machine; it knows numbers alone. What it gives is again one source without a seam, so that whatever follows
 * (continuity across a change of source) need not know of it.
 */
#ifndef SALLYPORT_RENUMBER_H
#define SALLYPORT_RENUMBER_H

#include <stdbool.h>
#include <stdint.h>

struct renumber {
	uint32_t ssrc;
	uint16_t top;     /* highest number of the source */
	uint16_t out_top; /* highest number that went out */
	uint16_t shift;   /* is added, from `from` on, and before it to those up to `edge` the one
			      before: what is between has no place */
	uint16_t from;
	uint16_t shift_before, from_before, edge;
	uint16_t skipped; /* left out since the last packet that passed */
	bool inserted;    /* ours went out since then */
	bool started;
};

void renumber_init(struct renumber *r);
/* The source was seen before, up to this number; nothing is changed if it is known already. */
void renumber_begin(struct renumber *r, uint32_t ssrc, uint16_t top);
/* A packet of the source passes: its number towards the other side. False: it comes too late to have one. */
bool renumber_pass(struct renumber *r, uint32_t ssrc, uint16_t seq, uint16_t *out_seq);
/* A packet of the source is left out. */
void renumber_skip(struct renumber *r, uint32_t ssrc, uint16_t seq);
/* The number for a packet of ours, behind all others. Only after the source was seen. */
uint16_t renumber_insert(struct renumber *r);

#endif
