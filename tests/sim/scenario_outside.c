/* What is no part of a call: MESSAGE, SUBSCRIBE with its NOTIFYs, PUBLISH; relayed or refused by the trunks' habits. */
#include "sbc/core/method.h"
#include "tests/sim/words.h"

static void habit(struct world *w, uint32_t methods)
{
	for (unsigned i = 0; i < SITE_TRUNKS; i++)
		w->want.site.habits[i].methods = methods;
}

static uint32_t all_methods(void)
{
	return 1u << METHOD_MESSAGE | 1u << METHOD_SUBSCRIBE | 1u << METHOD_NOTIFY |
	       1u << METHOD_PUBLISH | 1u << METHOD_OPTIONS;
}

static void begin(struct world *w)
{
	caller(w)->dials = w->want.callee == UA_CARRIER ? "900" : "200";
	ring_and_answer(w, callee(w));
	hang_up(w, 20000, 30000);
	w->want.silent_ok = true; /* RFC 4320: no 408 to what is no INVITE */
}

static void set_message(struct world *w)
{
	habit(w, all_methods());
	begin(w);
	for (uint32_t i = 0; i < 3; i++)
		later(caller(w), UA_AFTER_START, draw(w, 100, 8000), UA_MESSAGE);
}

static void check_message(struct world *w)
{
	expect_200(w);
	expect(w, called(w)->messages > 0 || calling(w)->probe_status >= 300,
	       "a MESSAGE came through, or was refused");
}

static void set_refused(struct world *w)
{
	habit(w, 0);
	begin(w);
	later(caller(w), UA_AFTER_START, draw(w, 100, 3000), UA_MESSAGE);
	later(caller(w), UA_AFTER_START, draw(w, 100, 3000), UA_SUBSCRIBE);
	later(caller(w), UA_AFTER_START, draw(w, 100, 3000), UA_PUBLISH);
}

static void check_refused(struct world *w)
{
	expect_200(w);
	expect(w, !called(w)->messages && !called(w)->subscribed,
	       "what the trunk may not ask stays outside");
	expect(w, calling(w)->probe_status >= 400, "it was refused with a status");
}

static void set_subscribe(struct world *w)
{
	habit(w, all_methods());
	begin(w);
	later(caller(w), UA_AFTER_START, draw(w, 100, 2000), UA_SUBSCRIBE);
	later(caller(w), UA_AFTER_START, draw(w, 9000, 12000), UA_SUBSCRIBE);
	later(caller(w), UA_AFTER_START, draw(w, 16000, 20000), UA_UNSUBSCRIBE);
}

static void check_subscribe(struct world *w)
{
	expect_200(w);
	expect(w, called(w)->subscribed == 0 || calling(w)->notifies > 0,
	       "who subscribes is told the state");
}

static void set_publish(struct world *w)
{
	habit(w, all_methods());
	begin(w);
	later(caller(w), UA_AFTER_START, draw(w, 100, 2000), UA_PUBLISH);
}

static void set_vanished(struct world *w)
{
	set_subscribe(w);
	later(either(w), UA_AFTER_START, draw(w, 3000, 15000), UA_VANISH);
	later(caller(w), UA_AFTER_ANSWER, 40000, UA_BYE);
	later(callee(w), UA_AFTER_ANSWER, 45000, UA_BYE);
}

const struct scenario scenarios_outside[] = {
	{"MESSAGE outside of calls", set_message, check_message, false},
	{"what a trunk may not ask outside of calls is refused", set_refused, check_refused, false},
	{"SUBSCRIBE, its NOTIFYs and its end", set_subscribe, check_subscribe, false},
	{"PUBLISH", set_publish, expect_200, false},
	{"a subscriber or its notifier vanishes", set_vanished, NULL, false},
	{NULL, NULL, NULL, false},
};
