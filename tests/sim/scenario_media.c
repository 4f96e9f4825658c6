#include <stdio.h>
#include <string.h>

#include "tests/sim/words.h"

/* The relay's own words: keys, silence. The callee's side tells keys in INFO, the caller's in the media. */
static void set_media(struct world *w)
{
	inward(w);
	w->want.site.info_inside = true;
	ring_and_answer(w, callee(w));
}

static void set_keys(struct world *w)
{
	static const char *const keys[] = {"1", "1123", "55555", "0815#4711*99A"};
	set_media(w);
	w->relay.say.keys = keys[draw(w, 0, 3)];
	w->relay.say.first_ms = draw(w, 3000, 6000);
	w->relay.say.gap_ms = draw(w, 40, 400);
	if (draw(w, 0, 2) == 0)
		callee(w)->in_dialog_ms = draw(w, 0, 1000);
	if (draw(w, 0, 2) == 0)
		later(either(w), UA_AFTER_ANSWER, draw(w, 3000, 8000), UA_REINVITE);
	/* The last of thirteen keys may wait for the answers to twelve. */
	hang_up(w, 300000, 400000);
}

static void check_keys(struct world *w)
{
	expect_200(w);
	expect(w, strcmp(called(w)->keys, w->relay.say.keys) == 0,
	       "each key came once, and in order");
}

static void set_infos(struct world *w)
{
	set_media(w);
	later(callee(w), UA_AFTER_ANSWER, draw(w, 1000, 3000), UA_INFO);
	later(callee(w), UA_AFTER_ANSWER, draw(w, 40000, 50000), UA_INFO);
	hang_up(w, 90000, 100000);
}

static void check_infos(struct world *w)
{
	expect_200(w);
	expect(w, w->relay.played == 2, "each INFO was played once");
	expect(w, calling(w)->infos == 0, "and went no further");
}

/* One of them is not heard any more; `back`: but for a while. */
static void set_silence(struct world *w, bool back)
{
	set_media(w);
	w->want.site.media_timeout_ms = 20000;
	w->relay.say.lost_ms = draw(w, 5000, 9000);
	w->relay.say.caller_lost = draw(w, 0, 1);
	if (back)
		w->relay.say.back_ms = draw(w, 1000, 15000);
	if (draw(w, 0, 1))
		later(either(w), UA_AFTER_ANSWER, draw(w, 15000, 30000), UA_REINVITE);
	if (back)
		hang_up(w, 60000, 90000);
	w->want.silent_ok = true;
}

static void set_silent(struct world *w)
{
	set_silence(w, false);
}

static void set_back(struct world *w)
{
	set_silence(w, true);
}

static void check_silent(struct world *w)
{
	expect_200(w);
	expect(w, w->core.cdr_count == 1 && str_eq(w->core.cdrs[0].cause, STR("media_timeout")),
	       "the call ended because nothing was heard");
}

static void check_back(struct world *w)
{
	expect_200(w);
	expect(w, w->core.cdr_count == 1 && w->core.cdrs[0].ended_by != CDR_US,
	       "the call lasted until one of them hung up");
}

const struct scenario scenarios_media[] = {
	{"keys in the media become INFOs, each once", set_keys, check_keys, false},
	{"INFOs become keys in the media, each once", set_infos, check_infos, false},
	{"a party that falls silent ends the call", set_silent, check_silent, false},
	{"a party that is heard again does not", set_back, check_back, false},
	{NULL, NULL, NULL, false},
};
