#include "txn_client.h"

#include "common/check.h"

/*
 * Timers (RFC 3261 table 4, RFC 6026 §8.7):
 * A  the INVITE is sent again, each time after twice the time; UDP only
 * B  64*T1 without any answer to the INVITE
 * D  how long a refused INVITE absorbs repeated refusals; 0 over streams
 * E  as A for other requests, up to T2, and each T2 once a 1xx has come
 * F  as B for other requests, and a 1xx does not stop it
 * K  as D for other requests, T4
 * M  how long an answered INVITE takes 2xx from further forks and again from the first
 * One slot holds A or E, one the others: no two of a group are ever set together.
 */
enum { TIMER_FACTOR = 64 };

static struct txn_out out_of(const struct txn_client *c, unsigned actions)
{
	uint64_t wake = c->deadline_ms;
	if (c->again_ms && (!wake || c->again_ms < wake))
		wake = c->again_ms;
	return (struct txn_out){(uint16_t)actions, wake};
}

/* A new state starts its own timers: none of the old ones is left. */
static void set_state(struct txn_client *c, enum txn_client_state s, uint64_t deadline_ms)
{
	c->state = (uint8_t)s;
	c->again_ms = 0;
	c->deadline_ms = deadline_ms;
}

static uint64_t wait_of(const struct txn_client *c, const struct sip_timers *t)
{
	if (c->reliable)
		return 0;
	return c->invite ? (uint64_t)TIMER_FACTOR * t->t1_ms : t->t4_ms;
}

struct txn_out txn_client_init(struct txn_client *c, bool invite, bool reliable, uint64_t now_ms,
			       const struct sip_timers *timers)
{
	CHECK(timers->t1_ms > 0);
	*c = (struct txn_client){.invite = invite, .reliable = reliable};
	set_state(c, TXN_CLIENT_CALLING, now_ms + (uint64_t)TIMER_FACTOR * timers->t1_ms);
	if (!reliable) {
		c->interval_ms = timers->t1_ms;
		c->again_ms = now_ms + timers->t1_ms;
	}
	return out_of(c, TXN_DO_SEND);
}

struct txn_out txn_client_watch(struct txn_client *c, uint64_t at_ms)
{
	CHECK(c->reliable && c->state == TXN_CLIENT_CALLING);
	c->again_ms = at_ms;
	return out_of(c, 0);
}

static struct txn_out provisional(struct txn_client *c, uint64_t now_ms,
				  const struct sip_timers *timers)
{
	if (c->state != TXN_CLIENT_CALLING)
		return out_of(c, TXN_DO_PASS);
	if (c->invite) {
		/* From here on only a final answer or the call's Timer C ends it. */
		set_state(c, TXN_CLIENT_PROCEEDING, 0);
		return out_of(c, TXN_DO_PASS | TXN_DO_TRIM);
	}
	c->state = (uint8_t)TXN_CLIENT_PROCEEDING;
	if (c->again_ms) {
		c->interval_ms = timers->t2_ms;
		c->again_ms = now_ms + timers->t2_ms;
	}
	return out_of(c, TXN_DO_PASS);
}

static struct txn_out final_answer(struct txn_client *c, bool refused, uint64_t now_ms,
				   const struct sip_timers *timers)
{
	if (!c->invite) {
		set_state(c, TXN_CLIENT_COMPLETED, now_ms + wait_of(c, timers));
		return out_of(c, TXN_DO_PASS | TXN_DO_DROP);
	}
	if (refused) {
		set_state(c, TXN_CLIENT_COMPLETED, now_ms + wait_of(c, timers));
		return out_of(c, TXN_DO_PASS | TXN_DO_ACK);
	}
	set_state(c, TXN_CLIENT_ACCEPTED, now_ms + (uint64_t)TIMER_FACTOR * timers->t1_ms);
	return out_of(c, TXN_DO_PASS | TXN_DO_DROP);
}

static void give_64_t1(struct txn_client *c, uint64_t now_ms, const struct sip_timers *timers)
{
	if (!c->deadline_ms)
		c->deadline_ms = now_ms + (uint64_t)TIMER_FACTOR * timers->t1_ms;
}

static struct txn_out waiting(struct txn_client *c, enum txn_client_event e, uint64_t now_ms,
			      const struct sip_timers *timers)
{
	bool again_applies = c->again_ms != 0;
	switch (e) {
	case TXN_CLIENT_1XX: return provisional(c, now_ms, timers);
	case TXN_CLIENT_2XX: return final_answer(c, false, now_ms, timers);
	case TXN_CLIENT_REFUSED: return final_answer(c, true, now_ms, timers);
	case TXN_CLIENT_CANCEL:
		/* §9.1: without a final answer in 64*T1 the INVITE counts as cancelled. */
		if (c->invite && c->state == TXN_CLIENT_PROCEEDING)
			give_64_t1(c, now_ms, timers);
		return out_of(c, 0);
	case TXN_CLIENT_AGAIN:
		if (!again_applies)
			return out_of(c, 0);
		c->interval_ms *= 2;
		if (!c->invite &&
		    (c->interval_ms > timers->t2_ms || c->state == TXN_CLIENT_PROCEEDING))
			c->interval_ms = timers->t2_ms;
		c->again_ms = now_ms + c->interval_ms;
		return out_of(c, TXN_DO_SEND);
	case TXN_CLIENT_DEADLINE:
		set_state(c, TXN_CLIENT_TERMINATED, 0);
		return out_of(c, TXN_DO_TIMEOUT | TXN_DO_END);
	case TXN_CLIENT_ERROR:
		/* The callee of an INVITE in Proceeding may still ring, and answer over a connection
		 * of its own (§18.2.2): the owner goes on to another target and sends a CANCEL, and
		 * a late answer must find us. */
		if (c->invite && c->state == TXN_CLIENT_PROCEEDING) {
			give_64_t1(c, now_ms, timers);
			return out_of(c, TXN_DO_FAIL);
		}
		set_state(c, TXN_CLIENT_TERMINATED, 0);
		return out_of(c, TXN_DO_FAIL | TXN_DO_END);
	case TXN_CLIENT_EVENT_COUNT: break;
	}
	return out_of(c, 0);
}

static struct txn_out completed(struct txn_client *c, enum txn_client_event e)
{
	switch (e) {
	case TXN_CLIENT_2XX:
		/* A forking proxy sends a 2xx on even after a refusal (§16.7 step 5): the call must
		 * be ended by ACK and BYE, or its callee talks to no one. */
		return out_of(c, c->invite ? TXN_DO_PASS : 0);
	case TXN_CLIENT_REFUSED: return out_of(c, c->invite ? TXN_DO_SEND : 0);
	case TXN_CLIENT_DEADLINE:
		set_state(c, TXN_CLIENT_TERMINATED, 0);
		return out_of(c, TXN_DO_DROP | TXN_DO_END);
	case TXN_CLIENT_1XX:
	case TXN_CLIENT_CANCEL:
	case TXN_CLIENT_AGAIN:
	/* The owner has its answer. A lost ACK is asked for again by the next refusal. */
	case TXN_CLIENT_ERROR:
	case TXN_CLIENT_EVENT_COUNT: break;
	}
	return out_of(c, 0);
}

static struct txn_out accepted(struct txn_client *c, enum txn_client_event e)
{
	switch (e) {
	case TXN_CLIENT_2XX: return out_of(c, TXN_DO_PASS);
	case TXN_CLIENT_DEADLINE:
		set_state(c, TXN_CLIENT_TERMINATED, 0);
		return out_of(c, TXN_DO_END);
	case TXN_CLIENT_1XX:
	case TXN_CLIENT_REFUSED:
	case TXN_CLIENT_CANCEL:
	case TXN_CLIENT_AGAIN:
	case TXN_CLIENT_ERROR:
	case TXN_CLIENT_EVENT_COUNT: break;
	}
	return out_of(c, 0);
}

struct txn_out txn_client_step(struct txn_client *c, enum txn_client_event e, uint64_t now_ms,
			       const struct sip_timers *timers)
{
	CHECK(e < TXN_CLIENT_EVENT_COUNT);
	switch ((enum txn_client_state)c->state) {
	case TXN_CLIENT_CALLING:
	case TXN_CLIENT_PROCEEDING: return waiting(c, e, now_ms, timers);
	case TXN_CLIENT_COMPLETED: return completed(c, e);
	case TXN_CLIENT_ACCEPTED: return accepted(c, e);
	case TXN_CLIENT_TERMINATED:
	case TXN_CLIENT_STATE_COUNT: break;
	}
	return (struct txn_out){0, 0};
}

struct txn_out txn_client_tick(struct txn_client *c, uint64_t now_ms,
			       const struct sip_timers *timers)
{
	if (c->deadline_ms && c->deadline_ms <= now_ms)
		return txn_client_step(c, TXN_CLIENT_DEADLINE, now_ms, timers);
	if (c->again_ms && c->again_ms <= now_ms)
		return txn_client_step(c, TXN_CLIENT_AGAIN, now_ms, timers);
	return out_of(c, 0);
}

enum txn_client_event txn_client_event_of(uint16_t status)
{
	if (status < 200)
		return TXN_CLIENT_1XX;
	return status < 300 ? TXN_CLIENT_2XX : TXN_CLIENT_REFUSED;
}
