/*
 * What nodes share (design §7): the seam between the core and the store, be it the memory of this process or Redis.
 *
 * Nothing waits for the store on the path of an answer: the core decides from its own state, and posts what others
 * should know. ports.store copies what it is given and returns; an operation with an owner is answered later by
 * one EVENT_STORE_REPLY (STORE_MEMBERS: by one for each member and one more), one without is never heard of again. What could
 * not be written because the store was away is written when it is back, the newest of each key alone.
 *
 * Keys are ours, without the configured prefix: "call:{7f3a…}", "ban"; what stands in {} decides where a cluster keeps them, so
 * operations that belong together have it in common. Values are anything; on the way they are sealed (encrypted, bound to
 * their key, dated), so that what comes back in an event was written by a node that has our key, under this very name, and
 * has not expired. Who reads it still checks that it can be read: an older node may have written it. The sums of STORE_ADD
 * and the shares of STORE_RATE and STORE_LEASE are kept by the store itself, in the clear: they are bounded, not believed.
 */
#ifndef SALLYPORT_STORE_H
#define SALLYPORT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/id.h"
#include "common/str.h"

enum {
	STORE_KEY_MAX = 200,
	STORE_VALUE_MAX = 48 * 1024,
	STORE_NUMBERS = 4,
	STORE_EXPIRES_MAX_MS = 7 * 24 * 3600 * 1000
};

/* Whose it is: where the reply goes in the core, and which `on_loss` holds. X(NAME, label) */
#define STORE_AREA_TABLE(X)                                                                        \
	X(CALLS, "calls")                                                                          \
	X(LIMITS, "limits")                                                                        \
	X(BANS, "bans")                                                                            \
	X(REGISTRATIONS, "registrations")
enum store_area {
#define X(name, label) STORE_AREA_##name,
	STORE_AREA_TABLE(X)
#undef X
		STORE_AREA_COUNT
};

enum store_verb {
	STORE_GET, /* key → value, number[0]: its epoch, 0: none; NOTHING: there is none */
	/*
	 * key, value, expires_ms. With an epoch in number[0] (> 0) only if what is there has none that is higher, else NOTHING: who was
	 * cut off and writes what it has kept does no harm to who took over meanwhile (threats E5). A key has always an epoch or never.
	 */
	STORE_PUT,
	STORE_DELETE, /* key, and epoch as above */
	/* key += number[0]; one that is new lives for expires_ms; → number[0]: the sum. 0 only asks; NOTHING: there is none */
	STORE_ADD,
	/* A set of small values: `key` names the set, `member` which of it. Each expires by itself. */
	STORE_MEMBER_PUT,    /* key, member, value, expires_ms */
	STORE_MEMBER_DELETE, /* of a set, or a share of STORE_LEASE */
	STORE_MEMBERS, /* key → each member and its value, with `more`; then NOTHING, or why not */
	/*
	 * May number[2] more pass a rate of number[0] in number[1] ms, of which number[3] may come at once? Grants what there is, at
	 * most what is asked; what is < 0 is given back → number[0]: so many; number[1]: ms until there is one more.
	 */
	STORE_RATE,
	/*
	 * `member` (a node) has number[1] in use of the limit number[0] and holds its share for expires_ms. → number[0]: what it holds
	 * now; number[1]: in use, all nodes; number[2]: nodes; number[3]: 1 if another one lacks.
	 */
	STORE_LEASE,
	STORE_PUBLISH, /* value, to all other nodes that listen, once: EVENT_STORE_TOLD of the same area there */
	STORE_VERB_COUNT
};

struct store_op {
	enum store_verb verb;
	enum store_area area;
	struct str key, member, value;
	uint32_t expires_ms; /* from now; 1 … STORE_EXPIRES_MAX_MS where the verb has it */
	int64_t number[STORE_NUMBERS];
	id_t64 owner; /* comes back in the reply, unread; ID_NONE: no reply */
};

enum store_result {
	STORE_OK,
	STORE_NOTHING, /* no such key; expired; the last of STORE_MEMBERS */
	STORE_ERROR,   /* the store says no, or what it has was not written by one of us */
	STORE_DOWN,    /* away, or too late to matter: what was asked may have been done or not */
	STORE_RESULT_COUNT
};

/* The inside of EVENT_STORE_REPLY; views live until sbc_step returns. */
struct store_reply {
	id_t64 owner;
	enum store_verb verb;
	enum store_area area;
	enum store_result result;
	bool more; /* STORE_MEMBERS: further ones follow */
	struct str member, value;
	int64_t number[STORE_NUMBERS];
};

/* Of EVENT_STORE_TOLD: what another node has published. It may come twice or never, in any order; old ones are left out. */
struct store_told {
	enum store_area area;
	struct str node; /* who */
	struct str value;
};

/* Of EVENT_STORE_STATE: told when it changes, first when the store answers for the first time. */
struct store_state {
	bool up;
	bool is_fresh; /* up, and perhaps not what it was: another server, restarted or emptied. What is of worth is written again,
			  spread over time (each node is told a different `spread_ms`) */
	uint32_t spread_ms;
	bool missed; /* up, and publications may have been missed meanwhile: who lives by them reads again */
};

/* Where what nodes share lies. */
enum store_kind { STORE_KIND_MEMORY, STORE_KIND_REDIS, STORE_KIND_COUNT };
enum store_on_loss { STORE_LOSS_LOCAL, STORE_LOSS_REJECT, STORE_LOSS_COUNT };
enum store_mode { STORE_MODE_SINGLE, STORE_MODE_SENTINEL, STORE_MODE_CLUSTER, STORE_MODE_COUNT };
/* How the steps that must be atomic are given to the server: as scripts, or as functions that its administrator has loaded. */
enum store_scripts { STORE_SCRIPTS_EVAL, STORE_SCRIPTS_FUNCTION, STORE_SCRIPTS_COUNT };

enum { STORE_NODES_MAX = 16 };

struct store_settings {
	enum store_kind
		kind; /* MEMORY: this process alone; whoever has nothing to share need not post */
	enum store_mode mode;
	enum store_scripts scripts;
	struct str nodes[STORE_NODES_MAX]; /* unix:PATH or ADDRESS:PORT */
	uint16_t node_count;
	struct str master; /* the name that the Sentinels know it by */
	struct str username, password;
	struct str sentinel_password;
	struct str key;    /* of the seals; the same on all nodes */
	struct str prefix; /* of every key and channel: "sp:" */
	bool tls;
	struct str tls_ca, tls_name; /* empty: the system's; the address */
	struct str tls_chain, tls_key;
	enum store_on_loss on_loss[STORE_AREA_COUNT];
	uint32_t timeout_ms; /* an answer that takes longer is none */
	uint32_t slow_ms;    /* and one that takes longer than this makes it count as away */
	uint32_t queue;      /* writes that wait for its return at most */
};

#endif
