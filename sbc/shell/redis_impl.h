/* What the files of store_redis share: store_redis (operations, queue, state), redis_server (commands and replies of one server),
 * redis_seek (which servers there are), redis_told (what others publish). */
#ifndef SALLYPORT_REDIS_IMPL_H
#define SALLYPORT_REDIS_IMPL_H

#include "common/arena.h"
#include "common/block.h"
#include "common/table.h"
#include "sbc/shell/redis_link.h"
#include "sbc/shell/redis_script.h"
#include "sbc/shell/store_redis.h"
#include "sbc/shell/store_seal.h"

enum { REDIS_SLOTS = 16384, REDIS_NO_SERVER = 0xff, REDIS_EPOCH = 16, REDIS_CHANNEL_MAX = 64 };

#define REDIS_NOT_OUT UINT64_MAX

enum redis_kind {
	REDIS_OP, /* of the core */
	REDIS_AUTH,
	REDIS_PROBE,     /* PING */
	REDIS_BEAT,      /* that we are there, and that what we have written is */
	REDIS_BEAT_LOOK, /* is it still */
	REDIS_MAP,       /* CLUSTER SLOTS */
	REDIS_MARK       /* nothing: whose reply is not looked at */
};

/* One operation on its way; key (with prefix), member and value (sealed) behind it. */
struct redis_op {
	struct list node; /* in its server's `sent`, or in the queue */
	struct table_node by_key;
	uint64_t sent_us; /* 0: not sent; REDIS_NOT_OUT: it waits for the others to go out */
	uint64_t end_ms;  /* wall clock, of what it writes; 0: none */
	uint64_t order;   /* of two of one key the later one is what holds */
	id_t64 owner;
	int64_t number[STORE_NUMBERS];
	uint64_t cursor;
	uint32_t value_len, rounds, room;
	uint16_t key_len, member_len;
	uint8_t kind, verb, area;
	uint8_t before, behind; /* replies that are not looked at */
	uint8_t moves;
	bool eval, asking, queued;
	char bytes[];
};

struct redis_server {
	struct store_redis *store;
	struct redis_target target;
	struct redis_link link;
	struct list sent;
	uint32_t sent_count;
	bool used;    /* there is one */
	bool ready;   /* it knows who we are */
	bool away;    /* the breaker is open */
	bool is_full; /* of what waits to be written: to be closed */
	bool serves;  /* slots, or everything */
	bool waits;   /* for an answer on someone's behalf: goes out with this turn */
	uint64_t opened_ms, retry_ms, backoff_ms, said_ms; /* said: the last command */
	uint64_t gather_ms; /* since when commands wait to go out; 0: none */
};

/* The connection that listens. */
struct redis_ear {
	struct redis_link link;
	struct redis_target target;
	bool hears;
	unsigned confirmed;
	uint64_t opened_ms, retry_ms, heard_ms, said_ms;
};

/* The Sentinel that is asked. */
struct redis_seeker {
	struct redis_link link;
	unsigned next;   /* of the nodes */
	unsigned awaits; /* replies before the one that counts */
	bool asked;
	uint64_t opened_ms, retry_ms, heard_ms, said_ms;
};

struct store_redis {
	struct turn *turn;
	struct rng *rng;
	struct store_settings own;
	struct arena texts; /* of it */
	const struct store_settings *settings;
	store_changed_fn changed;
	void *changed_ctx;
	char node[64];
	SSL_CTX *tls;
	struct store_seal seal;
	struct block_pool blocks;
	struct redis_sha shas[REDIS_SCRIPT_COUNT];
	struct redis_server servers[REDIS_SERVERS];
	unsigned first; /* of the nodes: the one that the first server is now (single) */
	uint8_t slots[REDIS_SLOTS];
	bool has_map, wants_map;
	uint64_t map_ms; /* asked last */
	struct redis_ear ear;
	struct redis_seeker seeker;
	struct list queue;
	struct table by_key;
	uint32_t queue_count;
	uint64_t now_us, us_turn; /* the clock in this turn, if a reply was read in it */
	bool up, was_up, looks;   /* looks: whether what we wrote is still there */
	uint64_t drain_ms, since_ms;
	uint64_t beat, beat_acked, beat_ms;
	uint64_t made; /* operations so far */
	char boot[17];
	struct turn_timer look, gather;
	uint64_t look_ms; /* when it is due */
	uint64_t rest_ms; /* and when it would be if nothing were under way */
	char *scratch;    /* one value that is opened or closed */
	struct store_stats stats;
	char why[REDIS_WHY_MAX];
};

/* store_redis.c */
struct str redis_op_key(const struct redis_op *op);
struct str redis_op_member(const struct redis_op *op);
struct str redis_op_value(const struct redis_op *op);
/* NULL: no memory. What it writes is sealed. */
struct redis_op *redis_op_new(struct store_redis *r, enum redis_kind kind,
			      const struct store_op *from);
void redis_op_free(struct store_redis *r, struct redis_op *op);
/* Its owner, if it has one, is told that the store is away, and nothing more. */
void redis_op_down(struct store_redis *r, struct redis_op *op);
/* It cannot be done now: the owner is told, a write waits. Takes op. */
void redis_op_away(struct store_redis *r, struct redis_op *op);
/* To the server that has its key, or away. Takes op. */
void redis_op_go(struct store_redis *r, struct redis_op *op);
/* The answer: into the core. Takes op unless more is to come. */
void redis_op_answer(struct store_redis *r, struct redis_op *op, struct store_reply *reply);
/* A server has come or gone: is the store there as a whole? */
/* The answer to REDIS_BEAT_LOOK; empty: there is none. */
void redis_beat_found(struct store_redis *r, struct str value);
void redis_judge(struct store_redis *r);
void redis_look_soon(struct store_redis *r);
void redis_look_later(struct store_redis *r);
void redis_why(struct store_redis *r, const char *what, const char *why);

/* redis_server.c */
void redis_server_init(struct store_redis *r, struct redis_server *s, const struct redis_target *t);
void redis_server_release(struct redis_server *s);
/* Another address: what it was asked is asked again there. */
void redis_server_move(struct redis_server *s, const struct redis_target *t);
bool redis_server_is_good(const struct redis_server *s);
/* Takes op. */
void redis_server_send(struct redis_server *s, struct redis_op *op);
void redis_server_look(struct redis_server *s);
void redis_server_flush(struct redis_server *s, bool all);
void redis_server_give_up(struct redis_server *s, const char *why);

/* redis_seek.c */
void redis_seek_init(struct store_redis *r);
void redis_seek_look(struct store_redis *r);
/* The first server has no use: which is the next? */
void redis_seek_other(struct store_redis *r);
struct redis_server *redis_seek_server(struct store_redis *r, struct str key);
/* "MOVED 3999 127.0.0.1:6381", "ASK …": the server; NULL: none that we can reach. */
struct redis_server *redis_seek_moved(struct store_redis *r, struct redis_server *from,
				      struct str text);
void redis_seek_on_map(struct store_redis *r, struct redis_server *from,
		       const struct resp_value *v);
uint16_t redis_seek_slot(struct str key);

/* redis_told.c */
void redis_told_init(struct store_redis *r);
void redis_told_look(struct store_redis *r);
void redis_told_channel(const struct store_redis *r, enum store_area area, struct buf *b);

#endif
