/*
 * The calls of this node in the store, so that another node, or the next run of this one, can go on with them. A call is
 * written when it is confirmed and when something of it has changed, and deleted when it ends. What changes is gathered for
 * KEEP_GATHER_MS and written together: once a call, whatever happens to it meanwhile, and not at all if it has ended by then. Who crashes
 * loses that much. What takes the place of another record (a call taken over, a transfer) does not wait.
 *
 * Its name there is what the tags of its legs say (hide.h): the run of the node that it began in, and its id then. It keeps that name
 * wherever it goes. How often it has changed hands is its epoch, a sum in the store that only grows; each epoch has a key of
 * its own, so that a node which was cut off can write what it likes: nobody reads it any more (threats E5).
 *
 *   epoch:{NAME}    0 or not there: the call is where it began
 *   call:{NAME}     the snapshot of epoch 0; call:{NAME}.2 that of epoch 2
 *   calls:{BOOT}    pages of names, each of some calls that this run has: what there is to look for when it has gone
 *
 * A leg may move from call to call (transfers), its tag does not: then its old name is an alias of the new one's.
 */
#ifndef SALLYPORT_KEEP_H
#define SALLYPORT_KEEP_H

#include "common/list.h"
#include "common/pool.h"
#include "common/table.h"
#include "sbc/core/alarm.h"
#include "sbc/core/hide.h"

struct sbc;
struct call;
struct snapshot;
struct flow;

enum {
	KEEP_KEY_MAX = 64,
	KEEP_EXPIRES_MS = 24 * 3600 * 1000, /* a snapshot that nobody renews */
	KEEP_RENEW_MS = 6 * 3600 * 1000,
	KEEP_EPOCH_MS = 7 * 24 * 3600 * 1000, /* a sum, from its first growth */
	KEEP_PAGE = 128,                      /* names of a page */
	KEEP_PAGES_MAX = 32 * 1024,
	KEEP_ENDED_MAX = 16 * 1024, /* that are told later; further ones may have two CDRs */
	KEEP_PAST = 16 * 1024,      /* names of calls that have ended here lately; a power of two */
	KEEP_GATHER_MS = 20,   /* that a change waits to be written; and between two pieces of */
	KEEP_PAGES_STEP = 64,  /* pages, */
	KEEP_ENDED_STEP = 64,  /* words of calls that have ended, and */
	KEEP_SWEEP_STEP = 32,  /* calls that are verified or written again. */
	KEEP_WRITE_STEP = 256, /* Changed calls that are written at once, */
	KEEP_WRITE_MS = 4,     /* and the next so soon */
	KEEP_SWEEP = 500       /* calls that are looked at in a second, and at once */
};

/* What tokens of other runs mean here. */
struct keep_name {
	struct table_node node;
	struct hide_name name; /* id 0: none */
	id_t64 call;
};

struct keep {
	struct list changed; /* and not written yet; of the root's */
	id_t64 id, call;
	struct keep_name key, home[2];
	uint32_t epoch;
	uint32_t page;    /* 1 + its number; 0: in none */
	uint64_t written; /* hash of what was; 0: nothing */
	uint64_t written_ms;
	bool alias[2]; /* of that leg's old name, as of its epoch then: */
	uint32_t home_epoch[2];
	struct str name, last, next; /* of a call that began elsewhere, as its CDR says them */
};

struct keep_page {
	struct list changed; /* since it was written; empty: it has not */
	uint32_t number;
	uint32_t count, live; /* names in it; of them calls that are there */
	uint32_t next_free;   /* 1 + its number */
	struct hide_name names[KEEP_PAGE];
};

/* One that has ended while nobody could hear of it. */
struct keep_ended {
	struct hide_name name;
	uint32_t epoch;
};

struct keep_counts {
	uint64_t written, failed, adopted, let_go;
};

struct keeps {
	bool on;
	bool let_any; /* so that a token of ours may mean a call elsewhere */
	struct pool pool;
	struct table names;
	struct list changed, urgent;    /* to be written with the others; at the end of this step */
	struct keep_page **pages;       /* KEEP_PAGES_MAX, each made when it is needed */
	uint32_t page_count, page_free; /* made; 1 + the first that no call is in */
	uint32_t page_at;               /* the one that is filled */
	struct list pages_changed;
	struct alarm alarm;       /* when what has changed is written */
	struct keep_ended *ended; /* KEEP_ENDED_MAX */
	struct hide_name *past;   /* KEEP_PAST; a later one takes an earlier one's place */
	uint32_t ended_count;
	uint32_t sweep;      /* slot of the pool that is looked at next */
	uint32_t sweep_left; /* to be verified and written again; 0: only renewed */
	uint32_t sweep_due;  /* to be looked at in this second */
	struct keep_counts counts;
};

/* Where the store is shared. ERR_NOMEM. */
enum err keep_init(struct sbc *s) MUST_USE;
void keep_release(struct sbc *s);

/* Something of this call has changed, perhaps; NULL is allowed. */
void keep_changed(struct sbc *s, struct call *c);
/* The same; it is written at the end of this step: what its record takes the place of goes now. */
void keep_changed_now(struct sbc *s, struct call *c);
/* The end of a step: what cannot wait is posted. */
void keep_flush(struct sbc *s);
/* A piece of all that has changed, or is to be said again, is posted. */
void keep_on_alarm(struct sbc *s);
/* It has ended, and has its CDR: it is deleted. */
void keep_end(struct sbc *s, struct call *c);
/* Its memory goes. */
void keep_free(struct sbc *s, struct call *c);

/* The call that a token of another run means; NULL: not here. */
struct call *keep_find(const struct sbc *s, struct hide_name name);
/* The call of that name, of this run or of another; NULL: not here. */
struct call *keep_call(const struct sbc *s, struct hide_name name);
/* The name that our tag of that side says; id 0: the call's own. */
struct hide_name keep_home(const struct sbc *s, const struct call *c, unsigned side);
/* The call was made of x: it has its names, and those of x's legs find it. ERR_FULL, ERR_NOMEM. */
enum err keep_adopt(struct sbc *s, struct call *c, const struct snapshot *x) MUST_USE;
/* Another node has it: it ends here without a word to anyone, and without a CDR. */
void keep_let_go(struct sbc *s, struct call *c);
/* What the store says of its epoch: let go if it is not ours any more; said again if the store has lost it. */
void keep_on_epoch(struct sbc *s, struct call *c, int64_t epoch);

/* It has ended here, lately, and has its CDR. */
bool keep_has_ended(const struct sbc *s, struct hide_name name);

/* Once a second: a part of the calls is renewed. `all`: everything is verified and written again, the store may have lost it. */
void keep_tick(struct sbc *s, bool all);

/* A page of our own as the store has it: what it names and we do not have is deleted there. */
void keep_scrub(struct sbc *s, uint32_t number, const struct hide_name *names, size_t count);
/* What has ended while the store was away is told to those who may have taken it over. */
void keep_tell_ended(struct sbc *s);
/* A request of that side has come over f, and is believed: where the call is ours since a node has died, the connection that the
 * peer speaks over now takes the place of the one that went with that node. */
void keep_learn_flow(struct call *c, unsigned side, const struct flow *f);

/* Keys. */
struct str keep_epoch_key(struct hide_name n, char out[KEEP_KEY_MAX]);
struct str keep_call_key(struct hide_name n, uint32_t epoch, char out[KEEP_KEY_MAX]);
struct str keep_pages_key(uint32_t boot, char out[KEEP_KEY_MAX]);
/* An alias in the octets of call:{…}. */
void keep_write_alias(struct buf *b, struct hide_name to);
bool keep_read_alias(struct str bytes, struct hide_name *out);
/* A page of names. False: it is none. */
bool keep_read_page(struct str bytes, struct hide_name out[KEEP_PAGE], size_t *out_count);

#endif
