/* Virtual time: what will happen, in order. Two things of the same millisecond happen in the order
 * in which they were planned. */
#ifndef SALLYPORT_SIM_CLOCK_H
#define SALLYPORT_SIM_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/id.h"
#include "common/str.h"

enum happening_kind {
	HAPPEN_DATAGRAM,   /* arrives at end `to` from `from` */
	HAPPEN_STREAM,     /* a message arrives on connection `conn` at its side `to` */
	HAPPEN_OPENED,     /* connection `conn` is up, says side 0 */
	HAPPEN_REFUSED,    /* connection `conn` could not be opened */
	HAPPEN_CLOSED,     /* the other side of `conn` has closed; `to` is told */
	HAPPEN_RELAY,      /* the relay answers request `id` */
	HAPPEN_TOLD,       /* the relay says something of its own accord */
	HAPPEN_RESOLVED,   /* the resolver answers request `id` */
	HAPPEN_CREDENTIAL, /* the certificate of question `id` is there, or `to` says why not */
	HAPPEN_OPINION,    /* question `id` is answered: `to` is 200, or 0 for nothing */
	HAPPEN_STORE,      /* the store has something to say */
	HAPPEN_UNSENT, /* what the core sent with tag `id` could not be delivered, because of `to` */
	HAPPEN_SCRIPT, /* step `to` of the scenario's script, with `conn` as its argument */
	HAPPEN_PHONE,  /* phone `to` has something to do */
	HAPPEN_COUNT
};

struct happening {
	uint64_t at_ms, order;
	enum happening_kind kind;
	int conn, to;
	id_t64 id;
	struct addr from;
	struct str bytes; /* a piece of memory of exactly this size, freed by happening_release */
};

void happening_release(struct happening *h);
/* A copy to be a happening's bytes. */
struct str happening_bytes(struct str s);

struct clock {
	uint64_t now_ms;
	uint64_t planned;
	struct happening *heap;
	size_t count, cap;
};

void clock_init(struct clock *c, uint64_t now_ms);
void clock_release(struct clock *c);
/* Forgets everything; keeps memory. */
void clock_reset(struct clock *c, uint64_t now_ms);
void clock_plan(struct clock *c, const struct happening *h, uint64_t at_ms);
/* UINT64_MAX: nothing. */
uint64_t clock_next_ms(const struct clock *c);
/* Takes the next happening out; false: none. Does not move now_ms. */
bool clock_take(struct clock *c, struct happening *out);

#endif
