/*
 * What stands before the work (style §13): a cheap look at raw bytes, and, under load, how many new requests are refused
 * at once. New work is shed first; what belongs to calls that are up, answers, and emergency calls never are: a system
 * that finishes what it took on keeps its throughput, one that begins everything finishes nothing (RFC 5390, RFC 6357).
 *
 * The load is how long messages have waited before we looked at them, measured by the shell and given with each. As
 * long as the least of a window is above the bound there is a standing queue (the idea of CoDel, RFC 8289): the share
 * that is shed grows; below a quarter of the bound it shrinks; between them it stays. Each listener has a queue of its
 * own, and the longest counts: answers that come quickly on one say nothing of the calls that wait on another.
 */
#ifndef SALLYPORT_GATE_H
#define SALLYPORT_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"
#include "sbc/core/settings.h"

enum gate_class {
	GATE_RESPONSE,
	GATE_DIALOG, /* a request of what is there already: it has a To tag, or its method says so */
	GATE_NEW,    /* asks for something new, or takes that back */
	GATE_JUNK,   /* no first line of SIP */
	GATE_CLASS_COUNT
};

/* From the start line and, of a request, its To header; nothing is checked. */
enum gate_class gate_classify(struct str bytes);

enum { GATE_WINDOW_MS = 100, GATE_ALL = 1000, GATE_QUEUES = 32 };

/* Zeroed: no load. */
struct gate {
	uint64_t window_ms;             /* when the present window began */
	uint32_t least_ms[GATE_QUEUES]; /* the shortest wait in it */
	uint32_t seen;                  /* one bit for each queue that had a message in it */
	uint16_t shed;                  /* of GATE_ALL new requests, so many are refused */
};

/* A message came on that listener that had waited `late_ms`. */
void gate_measure(struct gate *g, const struct overload_limits *l, uint16_t listener,
		  uint32_t late_ms, uint64_t now_ms);
/* Is this new request one of those that are refused? `random`: any. */
bool gate_sheds(const struct gate *g, uint32_t random);
/* Seconds for Retry-After, spread so that those refused together do not come again together. */
uint32_t gate_retry_after_s(const struct overload_limits *l, uint32_t random);

#endif
