/*
 * Who is kept out, for how long, and why: addresses and prefixes, users, trunks, numbers. Each ban counts as a strike of
 * its subject and the next one is longer by a factor; a strike is forgotten after a time without another. An allow-list
 * is never banned. A fixed number of subjects: where there is no room, who has served its time is forgotten first, then
 * who was banned by a rule and has not come for the longest time; what an operator has said stays. A leaf: no clock.
 *
 * An IPv6 source is its /64: whoever has one address of it has all of them.
 *
 * A quarantine is no ban: it is for a source whose datagrams may be another's doing, short, of one exact address, of requests
 * over UDP that ask for something new, and stays with us: no kernel, no file, no other node. Those have a part of the table for
 * themselves, so that who invents addresses pushes no ban out of it.
 */
#ifndef SALLYPORT_BAN_H
#define SALLYPORT_BAN_H

#include "common/list.h"
#include "common/pool.h"
#include "common/table.h"
#include "common/wheel.h"
#include "policy/facts.h"
#include "policy/policy_config.h"
#include "policy/subject.h"
#include "policy/verdict.h"
#include "policy/window.h"

enum {
	BAN_MAX = 65536, /* subjects, with those that are only remembered */
	BAN_NAME_MAX = 192,
	BAN_RULE_MAX = 64,
	BAN_TEXT_MAX = 96, /* why, and the file of the rule; cut */
	BAN_NODE_MAX = 64,
	BAN_STRIKES_MAX = 30,
	BAN_QUARANTINES_MAX = 16384, /* of these subjects, with those that are only remembered */
	BAN_QUARANTINE_GROWTH = 12,  /* no quarantine is longer than so many times the first */
	BAN_NEIGHBOURS = 4096,       /* networks whose banned sources are counted */
	BAN_NET4_BITS = 24,
	BAN_NET6_BITS = 48,
	BAN_SOURCE6_BITS = 64
};

/* Kept out; or let in, but one call in so many seconds; or kept out over UDP until it proves that it hears us. */
enum ban_mode { BAN_OUT, BAN_SLOW, BAN_QUARANTINE, BAN_MODE_COUNT };
enum ban_by { BAN_BY_RULE, BAN_BY_OPERATOR, BAN_BY_NODE, BAN_BY_COUNT };

/* One ban as a value: what is shown, kept in a file, told to other nodes. Times are since the epoch. */
struct ban {
	enum ban_mode mode;
	enum subject_kind kind;
	enum ban_by by;
	struct prefix source; /* SUBJECT_SOURCE */
	bool flood;           /* came faster than kernel_after: the kernel drops it */
	uint32_t line, strikes, gap_s;
	uint64_t since_ms, until_ms, hits;
	char name[BAN_NAME_MAX]; /* the other kinds */
	char rule[BAN_RULE_MAX], why[BAN_TEXT_MAX], file[BAN_TEXT_MAX], node[BAN_NODE_MAX];
};

/* The two clocks of a turn. */
struct ban_time {
	uint64_t now_ms;  /* monotonic */
	uint64_t wall_ms; /* since the epoch */
};

/* What is to be done to whom. Views are copied. */
struct ban_order {
	struct subject subject;
	enum ban_mode mode;
	enum ban_by by;
	uint32_t seconds; /* of the first time; 0: as the rules say */
	bool exact;       /* this time too: an operator's word */
	bool spoofable;   /* what the subject did may be another's doing */
	struct str rule, why;
	struct rule_place place;
};

/* What a rule wants, as an order. False: it wants neither a ban nor a limit. */
bool ban_order_of(const struct consequence *x, struct ban_order *out);

enum ban_result {
	BAN_NEW,
	BAN_LONGER,   /* was banned, and is now for a longer time */
	BAN_KEPT,     /* is banned for as long or longer */
	BAN_SPARED,   /* on the allow-list */
	BAN_UNPROVEN, /* the source was not proven: nothing was done */
	BAN_NAMELESS, /* no such subject, or its name is too long */
	BAN_FULL,     /* the table holds operators' bans alone */
	BAN_RESULT_COUNT
};
const char *ban_result_name(enum ban_result r);
const char *ban_mode_name(enum ban_mode m);
const char *ban_by_name(enum ban_by b);
const char *ban_kind_name(enum subject_kind k);

struct bans {
	struct pool pool;
	struct table table;
	struct wheel wheel;                            /* when they end, when they are forgotten */
	struct list by_rules, by_operator, remembered; /* by_rules: who came longest ago first */
	struct list quarantined;                       /* and remembered; likewise */
	uint32_t quarantines;                          /* on that list */
	uint32_t live[BAN_MODE_COUNT]
		     [SUBJECT_KIND_COUNT]; /* in force, or not yet known to be over */
	uint32_t all;                      /* of these */
	/* How many prefixes of each length are banned, and which lengths there are: family, then bits. */
	uint32_t lengths[2][129];
	uint64_t present[2][3];
	struct window_table neighbours;
	id_t64 flood; /* who came faster than kernel_after with the last judgement; ID_NONE */
	uint64_t evicted;
};

/* `key` is secret and random. ERR_NOMEM. */
enum err ban_init(struct bans *b, const struct siphash_key *key) MUST_USE;
void ban_release(struct bans *b);

/* *out (may be NULL) is the ban as it is now; filled for NEW, LONGER and KEPT. */
enum ban_result ban_lay(struct bans *b, const struct ban_rules *r, const struct ban_order *o,
			struct ban_time t, struct ban *out);
/* After a NEW: has the network of that source had enough of them? Then *out is what is to be laid; views into static text and *laid. */
bool ban_wants_prefix(struct bans *b, const struct ban_rules *r, const struct ban *laid,
		      uint64_t now_ms, struct ban_order *out);
/* Both modes; strikes are forgotten. False: was not there. *out: what it was. */
bool ban_lift(struct bans *b, const struct subject *s, struct ban_time t, struct ban *out);

/*
 * Is this source kept out? DROP, the rule being the ban's. The look before anything is parsed; costs next to nothing while
 * no source is banned. `peek`: no hit is counted.
 */
struct verdict ban_judge_source(struct bans *b, const struct ban_rules *r,
				const struct addr *source, uint64_t now_ms, bool peek);
/* Is this very address in quarantine? The same for what comes over UDP and asks for something new. */
struct verdict ban_judge_quarantine(struct bans *b, const struct addr *source, uint64_t now_ms,
				    bool peek);
/* It has proved itself: its quarantine, if it has one, ends and is forgotten. False: it has none. */
bool ban_end_quarantine(struct bans *b, const struct addr *source, struct ban_time t,
			struct ban *out);
/*
 * Is the trunk, user, caller or called number of f kept out (REJECT 403), or has one of them or the source had its one call
 * in so many seconds (REJECT 503)? The views of the verdict live until the next change of `b`.
 */
struct verdict ban_judge(struct bans *b, const struct policy_config *c, const struct facts *f,
			 bool peek);
/* Once after each judgement that was no peek: the source that has just come too often to be worth our time. */
bool ban_take_flood(struct bans *b, struct ban_time t, struct ban *out);
bool ban_is_allowed(const struct ban_rules *r, const struct addr *a);

/* One ban that has ended since, out of force now, its strikes remembered; false: no more. Call until false. */
bool ban_expire(struct bans *b, const struct ban_rules *r, struct ban_time t, struct ban *out);
/* When ban_expire is worth calling; UINT64_MAX: nothing waits. */
uint64_t ban_next_ms(const struct bans *b);

/* Those in force, one after another; *cursor starts at 0. With `ended` those that are only remembered too (until_ms is past). */
bool ban_next(const struct bans *b, struct ban_time t, bool ended, uint32_t *cursor,
	      struct ban *out);
/*
 * One that was told from outside: a file of ours, another node. What is known to be longer stays. Values are checked: nothing
 * in *v is believed to be in its range.
 */
enum ban_result ban_import(struct bans *b, const struct ban_rules *r, const struct ban *v,
			   struct ban_time t);

#endif
