#include "tests/sim/words.h"

static void set_failover_code(struct world *w)
{
	static const uint16_t codes[] = {500, 502, 503, 504};
	inward(w);
	if (draw(w, 0, 1))
		answer(callee(w), 100, 10, false);
	answer(callee(w), codes[draw(w, 0, 3)], draw(w, 0, 800), false);
	ring_and_answer(w, &w->want.plans[UA_PBX2]);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 5000), UA_BYE);
}

static void set_failover_silent_peer(struct world *w)
{
	inward(w);
	datagrams(w);
	w->want.callee_down = true;
	w->want.site.failure_after_ms = draw(w, 3000, 6000);
	ring_and_answer(w, &w->want.plans[UA_PBX2]);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 5000), UA_BYE);
}

/* With losses the second peer may need longer than the route waits. */
static void check_failover_silent(struct world *w)
{
	if (w->uas[w->want.caller].status != 408)
		expect_status(w, 200);
}

static void set_failover_connect(struct world *w)
{
	inward(w);
	reliable_sites(w, false, true);
	w->want.callee_down = true;
	ring_and_answer(w, &w->want.plans[UA_PBX2]);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 5000), UA_BYE);
}

static void set_failover_trunk(struct world *w)
{
	inward(w);
	w->want.site.spare = true;
	answer(callee(w), 503, draw(w, 0, 800), false);
	answer(&w->want.plans[UA_PBX2], 503, draw(w, 0, 800), false);
	ring_and_answer(w, &w->want.plans[UA_SPARE]);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 5000), UA_BYE);
}

static void set_failover_exhausted(struct world *w)
{
	inward(w);
	w->want.site.spare = draw(w, 0, 1);
	w->want.resolver_fails = true;
	answer(callee(w), 503, draw(w, 0, 800), false);
	answer(&w->want.plans[UA_PBX2], 503, draw(w, 0, 800), false);
}

static void check_exhausted(struct world *w)
{
	const struct ua *u = &w->uas[w->want.caller];
	if (u->status < 400 || u->status == 408)
		faults_add(&w->faults, INV_SCENARIO, "with no target left the caller got %u",
			   u->status);
}

static void set_nobody_there(struct world *w)
{
	inward(w);
	datagrams(w);
	w->want.site.pbx_peers = 1;
	w->want.site.failure_after_ms = draw(w, 0, 1) ? 0 : 4000;
	w->want.callee_down = true;
}

/* Pings find that the first peer is down; a call then goes to the next at once. The last word is a
 * configuration without pings, so that the world can come to rest. */
static void set_pings(struct world *w)
{
	inward(w);
	w->want.site.ping_ms = 10000;
	w->want.down_ms = 25000;
	w->want.call_ms = 120000;
	w->want.up_ms = 140000;
	w->want.reload_ms = 300000;
	w->want.reloaded = w->want.site;
	w->want.reloaded.ping_ms = 0;
	w->want.reload_differs = true;
	w->want.silent_ok = true; /* the pings */
	ring_and_answer(w, &w->want.plans[UA_PBX2]);
	ring_and_answer(w, callee(w));
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 5000), UA_BYE);
}

static void check_pings(struct world *w)
{
	expect_status(w, 200);
	if (w->core.notices[NOTICE_PEER_DOWN] < 1 || w->core.notices[NOTICE_PEER_UP] < 1)
		faults_add(&w->faults, INV_SCENARIO, "pings told %llu times of down and %llu of up",
			   (unsigned long long)w->core.notices[NOTICE_PEER_DOWN],
			   (unsigned long long)w->core.notices[NOTICE_PEER_UP]);
	if (w->core.cdr_count == 1 && w->core.cdrs[0].attempts != 1)
		faults_add(&w->faults, INV_SCENARIO, "a peer known to be down was tried");
}

/* It failed once: the next call finds it resting, and goes to the other at once. */
static void set_health(struct world *w)
{
	set_failover_silent_peer(w);
	w->want.site.health_rest_ms = draw(w, 60000, 120000);
	w->want.second_ms = draw(w, 40000, 55000);
	later(&w->want.plans[UA_CARRIER2], UA_AFTER_ANSWER, draw(w, 0, 5000), UA_BYE);
}

static void check_health(struct world *w)
{
	check_failover_silent(w);
	if (w->core.cdr_count == 2)
		expect(w, w->core.cdrs[1].attempts == 1, "a peer that rests was not tried");
	expect(w, w->uas[UA_CARRIER2].status == 200 || w->uas[UA_CARRIER2].status == 408,
	       "the second call was answered");
}

const struct scenario scenarios_failover[] = {
	{"failover after a 5xx", set_failover_code, expect_200, false},
	{"failover after silence", set_failover_silent_peer, check_failover_silent, false},
	{"failover after a refused connection", set_failover_connect, expect_200, false},
	{"failover to the next trunk", set_failover_trunk, expect_200, false},
	{"failover finds no one", set_failover_exhausted, check_exhausted, false},
	{"nobody is there", set_nobody_there, NULL, false},
	{"a peer that has failed rests", set_health, check_health, false},
	{"pings find a peer down and up", set_pings, check_pings, false},
	{NULL, NULL, NULL, false},
};
