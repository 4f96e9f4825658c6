/* Two nodes behind one store: either may be asked, either may die, the store may be away, late, empty or old. */
#include <string.h>

#include "common/check.h"
#include "sbc/core/cluster.h"
#include "sbc/core/handover.h"
#include "tests/sim/words.h"

enum { STORE_MEMBERS_OF_NODES = 2 };

/* A call that stands, and ends so long after its answer, by either. */
static void standing(struct world *w, uint32_t least_ms, uint32_t most_ms)
{
	pair_on(w);
	ring_and_answer(w, callee(w));
	later(either(w), UA_AFTER_ANSWER, draw(w, least_ms, most_ms), UA_BYE);
}

/* What the parties say in the dialog, from then on until then. */
static void says(struct world *w, uint32_t least_ms, uint32_t most_ms, bool media)
{
	static const enum ua_act acts[] = {UA_INFO, UA_HOLD, UA_REINVITE};
	for (uint32_t at = least_ms; at < most_ms; at += draw(w, 5000, 9000))
		later(either(w), UA_AFTER_ANSWER, at, media ? acts[draw(w, 0, 2)] : UA_INFO);
}

static void moved(struct world *w, uint32_t after_ms, enum front_way least, enum front_way most)
{
	pair_for(w, after_ms, PAIR_MOVE, 0, draw(w, least, most));
}

static void once(struct world *w)
{
	expect_200(w);
	expect(w, w->core.notices[NOTICE_CALL_ENDED] == 1, "the call has ended once");
	expect(w, w->core.answered == 1, "its CDR has an answer");
	expect(w, w->uas[w->want.callee].invited == 1, "one call reached the callee");
}

/* Nothing of any call is left in the store. */
static void store_is_clean(struct world *w)
{
	const uint32_t left = store_memory_count(&w->pair.store.memory);
	if (left > STORE_MEMBERS_OF_NODES)
		faults_add(&w->faults, INV_SCENARIO, "%u things are left in the store", left);
}

static void check_once(struct world *w)
{
	once(w);
	store_is_clean(w);
}

static void set_either(struct world *w)
{
	const bool lost = draw(w, 0, 1);
	standing(w, 20000, 40000);
	says(w, 6000, 18000, !lost);
	moved(w, draw(w, 0, 500), FRONT_OTHER, FRONT_WILD);
	if (lost) { /* and none of them ends the call: without an answer that BYE has a 503 */
		pair_for(w, 1, PAIR_LOSE, 0, draw(w, 1, 60));
		pair_for(w, 17000, PAIR_LOSE, 0, 0);
	}
}

static void set_dies(struct world *w)
{
	standing(w, 32000, 50000);
	if (draw(w, 0, 1))
		says(w, 22000, 30000, true);
	pair_then(w, draw(w, 0, 2000), PAIR_CRASH, 0);
	if (draw(w, 0, 1))
		pair_then(w, draw(w, 100, 30000), PAIR_BOOT, 0);
	moved(w, 1, FRONT_STAYS, FRONT_WILD);
}

/* Whoever asks before the others know that it is dead repeats, and gets through. */
static void set_dies_as_they_talk(struct world *w)
{
	pair_on(w);
	ring_and_answer(w, callee(w));
	later(either(w), UA_AFTER_ANSWER, draw(w, 13000, 22000), UA_BYE);
	pair_then(w, draw(w, 0, 8000), PAIR_CRASH, 0);
	moved(w, 1, FRONT_STAYS, FRONT_WILD);
}

/* One after the other: the call has two heirs. */
static void set_both_die(struct world *w)
{
	standing(w, 60000, 70000);
	says(w, 22000, 28000, true);
	pair_then(w, draw(w, 0, 2000), PAIR_CRASH, 0);
	pair_then(w, draw(w, 12000, 14000), PAIR_BOOT, 0);
	pair_then(w, draw(w, 14000, 20000), PAIR_CRASH, 1);
	if (draw(w, 0, 1))
		pair_then(w, draw(w, 100, 10000), PAIR_BOOT, 1);
}

/* The store's own troubles: the node that has the call is asked, and answers as if there were none. */
static void set_freezes(struct world *w)
{
	standing(w, 20000, 60000);
	says(w, 6000, 18000, true);
	w->want.pair.prompt = true;
	pair_for(w, draw(w, 0, 2000), PAIR_FREEZE, draw(w, 100, 60000), 0);
}

static void set_slow(struct world *w)
{
	standing(w, 20000, 40000);
	says(w, 6000, 18000, true);
	w->want.pair.prompt = true;
	pair_for(w, draw(w, 0, 2000), PAIR_SLOW, 0, draw(w, 40, 2000));
	pair_for(w, draw(w, 8000, 50000), PAIR_FAST, 0, 0);
}

/* From the very start: calls begin and end without it. */
static void set_never_there(struct world *w)
{
	standing(w, 5000, 20000);
	w->want.pair.prompt = w->want.pair.without_call = true;
	pair_for(w, 0, PAIR_FREEZE, 60000, 0);
	w->want.call_ms = draw(w, 1000, 20000);
}

/* Asked at the wrong node meanwhile, it says so at once; the call goes on, and its own node ends it. */
static void set_freezes_for_the_other(struct world *w)
{
	standing(w, 40000, 60000);
	w->want.pair.prompt = true;
	later(either(w), UA_AFTER_ANSWER, draw(w, 18000, 19000), UA_INFO);
	if (draw(w, 0, 1))
		pair_for(w, draw(w, 0, 2000), PAIR_FREEZE, 35000, 0);
	else /* nobody knows that it is too late */
		pair_for(w, draw(w, 0, 2000), PAIR_SLOW, 0, draw(w, 400, 2000));
	pair_for(w, 1, PAIR_MOVE, 0, FRONT_OTHER);
	pair_for(w, 22000, PAIR_MOVE, 0, FRONT_STAYS);
	pair_for(w, 1, PAIR_FAST, 0, 0);
}

/* What it had has gone; the nodes write it again, and one that dies then leaves its call to the other. */
static void set_emptied(struct world *w)
{
	standing(w, 36000, 60000);
	pair_for(w, draw(w, 0, 2000), PAIR_EMPTY, 0, 0);
	if (draw(w, 0, 1)) {
		pair_then(w, draw(w, 5000, 9000), PAIR_CRASH, 0);
		moved(w, 1, FRONT_STAYS, FRONT_WILD);
	} else {
		moved(w, draw(w, 5000, 9000), FRONT_OTHER, FRONT_WILD);
		says(w, 16000, 30000, true);
	}
}

static void set_cut_off(struct world *w)
{
	standing(w, 50000, 70000);
	says(w, 20000, 30000, true);
	pair_then(w, draw(w, 0, 2000), PAIR_CUT, draw(w, 0, 1) ? 1 : 0);
	w->want.pair.acts[0].for_ms = draw(w, 1000, 10000);
	moved(w, draw(w, 12000, 14000), FRONT_STAYS, FRONT_WILD);
}

/* The old state has a call that has ended since: it is not there any more, whatever the store says. */
static void set_restored_after(struct world *w)
{
	standing(w, 8000, 10000);
	pair_for(w, draw(w, 0, 1000), PAIR_KEEP, 0, 0);
	pair_for(w, draw(w, 25000, 30000), PAIR_RESTORE, 0, 0);
	if (draw(w, 0, 1))
		pair_then(w, draw(w, 1000, 20000), PAIR_CRASH, 0);
	w->want.pair.until_ms = 300000;
}

/* Of before the other took it over: the one that had it comes back, and reads that it still has. */
static void set_restored_epoch(struct world *w)
{
	standing(w, 60000, 80000);
	says(w, 18000, 24000, true);
	pair_for(w, draw(w, 0, 1000), PAIR_KEEP, 0, 0);
	pair_then(w, draw(w, 0, 1000), PAIR_CRASH, 0);
	pair_for(w, draw(w, 28000, 32000), PAIR_RESTORE, 0, 0);
	pair_then(w, draw(w, 1, 4000), PAIR_BOOT, 0);
	moved(w, draw(w, 3000, 5000), FRONT_STAYS, FRONT_WILD);
}

/* Of before the call: it is written again. */
static void set_restored_before(struct world *w)
{
	standing(w, 60000, 80000);
	w->want.pair.without_call = true;
	w->want.call_ms = 2000;
	pair_for(w, 500, PAIR_KEEP, 0, 0);
	pair_for(w, draw(w, 25000, 30000), PAIR_RESTORE, 0, 0);
	if (draw(w, 0, 1))
		pair_then(w, draw(w, 5000, 9000), PAIR_CRASH, 0);
	moved(w, draw(w, 6000, 7000), FRONT_STAYS, FRONT_WILD);
}

/* At the other node, while the call stands; the second caller comes to this one. */
static void set_banned(struct world *w)
{
	inward(w);
	standing(w, 20000, 40000);
	w->want.pair.without_call = true;
	w->want.second_ms = draw(w, 6000, 60000);
	pair_then(w, draw(w, 0, 3000), PAIR_BAN, 1);
	switch (draw(w, 0, 3)) {
	case 0: pair_for(w, draw(w, 10, 1000), PAIR_EMPTY, 0, 0); break;
	case 1: /* it cannot hear of it, and reads it when it is back */
		w->want.pair.acts[0].after_ms = 2000;
		pair_then(w, 1, PAIR_CUT, 0);
		w->want.pair.acts[1] = w->want.pair.acts[0];
		w->want.pair.acts[0] = (struct pair_act){.what = PAIR_CUT, .for_ms = 4000};
		w->want.second_ms = draw(w, 12000, 60000);
		break;
	case 2: pair_then(w, draw(w, 10, 1000), PAIR_CRASH, 1); break;
	default: break;
	}
}

static void check_banned(struct world *w)
{
	expect_200(w);
	if (w->uas[UA_CARRIER2].status != 403)
		faults_add(&w->faults, INV_SCENARIO, "who is banned at the other node got %u",
			   w->uas[UA_CARRIER2].status);
}

const struct scenario scenarios_pair[] = {
	{"who is banned at one node is banned at the other", set_banned, check_banned, false},
	{"requests in the dialog come to either of two nodes", set_either, check_once, false},
	{"the node that has the call dies", set_dies, once, false},
	{"the node that has the call dies as they hang up", set_dies_as_they_talk, once, false},
	{"the node that has the call dies, and so does its heir", set_both_die, once, false},
	{"the store freezes during the call", set_freezes, check_once, false},
	{"the store is slow", set_slow, check_once, false},
	{"the store has never been there", set_never_there, once, false},
	{"the store is frozen or late, and the other node is asked", set_freezes_for_the_other,
	 once, false},
	{"the store has lost everything", set_emptied, once, false},
	{"a node is cut off from the store", set_cut_off, once, false},
	{"the store is as it was before the call ended", set_restored_after, once, false},
	{"the store is as it was before the call had an heir", set_restored_epoch, once, false},
	{"the store is as it was before the call", set_restored_before, once, false},
	{NULL, NULL, NULL, false},
};
