/*
 * A media relay that is only its control side: it answers NG offers, answers, deletes and queries
 * with plausible SDP, remembers its sessions so that a leak shows, and can be slow, fail or say
 * nothing. Speaks bencode through common/, like the real ones do through NG.
 */
#ifndef SALLYPORT_SIM_RELAY_MODEL_H
#define SALLYPORT_SIM_RELAY_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/arena.h"
#include "sbc/core/ports.h"
#include "tests/sim/clock.h"
#include "tests/sim/dice.h"
#include "tests/sim/faults.h"
#include "tests/sim/ladder.h"
#include "tests/sim/lookup.h"

enum {
	RELAY_SESSIONS_MAX = 4096,
	RELAY_REALMS = 2,
	RELAY_COMMANDS_MAX = 8,
	RELAY_TIMEOUT_MS = 3000
};

enum relay_mood {
	RELAY_WELL,
	RELAY_SLOW,    /* answers after up to two seconds */
	RELAY_FAILING, /* "error" */
	RELAY_DEAD,    /* no answer: the shell's client reports a time-out */
	RELAY_MOOD_COUNT
};

struct relay_session {
	bool used;
	uint64_t key;
	struct str from_tag;
	struct addr addr[2]; /* 0: towards the first offerer, 1: the other party */
	bool secure[2];      /* what that side speaks, or is spoken to */
	uint32_t versions;
	uint32_t number;
	char word[40]; /* in front of what is said about it; empty: nobody wants to know */
	char name[96]; /* its call-id */
	uint32_t told; /* so much was said */
};

/* From the nth command of this name on (0: the first) the relay is in this mood. */
struct relay_turn {
	const char *command;
	unsigned from;
	enum relay_mood mood;
};

/* What the relay says of its own accord about each session, from its first answer on. Some of it twice. */
struct relay_say {
	const char *keys; /* that the caller presses; NULL: none */
	uint32_t first_ms, gap_ms;
	uint32_t lost_ms; /* then one is not heard any more; 0: both are */
	uint32_t back_ms; /* so long after that it is again; 0: it is not */
	bool caller_lost;
};

struct relay_model {
	struct clock *clock;
	struct dice *dice;
	struct arena *arena;
	struct faults *faults;
	struct ladder *ladder;
	struct {
		struct str name;
		struct addr addr;
	} realms[RELAY_REALMS];
	struct relay_session *sessions; /* RELAY_SESSIONS_MAX; memory kept from run to run */
	uint32_t session_top, open;
	struct lookup index;
	struct arena turn; /* memory of one command */
	struct relay_turn turns[RELAY_COMMANDS_MAX];
	size_t turn_count;
	struct relay_say say;
	int asker; /* comes back in what happens then as `conn` */
	uint32_t made, offers, answers, deletes, queries, played;
};

/* Forgets all; *r is zero, or was used before. */
void relay_model_reset(struct relay_model *r);
void relay_model_release(struct relay_model *r);
/* Answers later, by HAPPEN_RELAY with a result in `to` and a bencoded dictionary in bytes. */
void relay_model_ask(struct relay_model *r, const struct relay_query *q, id_t64 id);
unsigned relay_model_sessions(const struct relay_model *r);

#endif
