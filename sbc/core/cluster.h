/*
 * The other nodes behind the same store: who lives, and the words that they say to one another over it. Each says every second
 * that it is there; one that was not heard for CLUSTER_DEAD_MS is taken for dead, and one that began again under the same name
 * ends what went by that name before. A word may get lost or come twice, as a datagram may.
 *
 * Requests that belong to a call of a living node are handed on to it as they came, with what is known of where they came
 * from; its answers come back the same way and go out where the request came in. To the node that has the call such a place is
 * a flow like any other (`hop`).
 */
#ifndef SALLYPORT_CLUSTER_H
#define SALLYPORT_CLUSTER_H

#include "common/list.h"
#include "common/pool.h"
#include "sbc/core/alarm.h"
#include "sbc/core/event.h"
#include "sbc/core/hide.h"

struct sbc;
struct dest;

enum {
	CLUSTER_NODES_MAX = 64,
	CLUSTER_NAME_MAX = 64,
	CLUSTER_BEAT_MS = 1000,
	CLUSTER_DEAD_MS = 5000,
	CLUSTER_SAID_MS =
		30000, /* a word that is older is none; the clocks of nodes may differ by that */
	CLUSTER_DOUBT_MS = 2000,       /* after so long out of hearing we may be dead to others */
	CLUSTER_BYTES_MAX = 40 * 1024, /* of a message that is handed on */
	CLUSTER_HOPS = 8192
};

enum cluster_kind {
	CLUSTER_BEAT,   /* I am here */
	CLUSTER_TAKEN,  /* I have the call `name` from now on, as its epoch `epoch` */
	CLUSTER_HAND,   /* this has come to me, and is yours */
	CLUSTER_ANSWER, /* and this is to go where that came from */
	CLUSTER_ENDED, /* the call `name` has ended here, and has its CDR, while nobody could hear of it; or it is ours: you have no right to it */
	CLUSTER_KIND_COUNT
};

/* Views. */
struct cluster_word {
	uint8_t kind;      /* enum cluster_kind */
	uint32_t from, to; /* runs of nodes; to: 0 all */
	struct hide_name name;
	uint32_t epoch;
	struct flow flow; /* of the node that a message came to */
	struct str realm; /* HAND: of that flow, and its listener's address */
	struct addr local;
	bool reconnect; /* ANSWER: as dest.reconnect */
	bool has_tls;
	struct tls_facts tls;
	struct str bytes;
};

void cluster_encode(struct buf *b, const struct cluster_word *w);
/* ERR_BAD. */
enum err cluster_decode(struct str bytes, struct cluster_word *out) MUST_USE;

struct cluster_node {
	char name[CLUSTER_NAME_MAX];
	uint32_t boot;
	uint64_t heard_ms; /* last; or since when it is waited for */
	bool is_buried;    /* it was silent so long that its calls were looked for */
};

/* Where an answer goes that is not ours to send. */
struct hop {
	struct list node; /* the oldest first */
	id_t64 id;
	uint32_t boot;
	struct flow flow; /* of that node */
};

struct cluster {
	struct cluster_node nodes[CLUSTER_NODES_MAX];
	uint32_t count;
	struct alarm beat;
	uint64_t up_ms;   /* since when the store answers; 0: it does not */
	uint64_t gone_ms; /* when it went */
	struct pool hops;
	struct list hop_order;
	struct buf out; /* its own: what is sent may stand in the root's */
	uint64_t handed_on, handed_in, answered, lost; /* messages; lost: whose way has gone */
};

enum err cluster_init(struct sbc *s) MUST_USE;
void cluster_release(struct sbc *s);
/* To all other nodes. */
void cluster_say(struct sbc *s, struct cluster_word *w);
void cluster_say_beat(struct sbc *s);
/* `name` runs as `boot`; 0 as now_ms: it is only known to have been. *out_ended: the run that this ends; 0: none. */
void cluster_hear(struct sbc *s, struct str name, uint32_t boot, bool now, uint32_t *out_ended);
/* Is that run of that node to be asked? One that nobody has spoken of is dead as soon as it could have been heard. */
bool cluster_is_alive(const struct sbc *s, struct str name, uint32_t boot);
/* Another node runs as `boot`, and was heard lately. */
bool cluster_runs(const struct sbc *s, uint32_t boot);
/* Has that run itself been heard lately? */
bool cluster_is_heard(const struct sbc *s, uint32_t boot);
/* Other nodes that were heard lately. */
uint32_t cluster_living(const struct sbc *s);

/* A flow to where the word's message came from. ID_NONE: no room. */
id_t64 cluster_hop(struct sbc *s, const struct cluster_word *w);
bool cluster_is_hop(id_t64 flow);
/* What goes down such a flow. */
void cluster_send(struct sbc *s, const struct dest *d, struct str bytes);

#endif
