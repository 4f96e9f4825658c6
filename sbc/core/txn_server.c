#include "txn_server.h"

#include "common/check.h"

/*
 * Timers (RFC 3261 table 4, RFC 6026 §8.7):
 * G  a refusal of an INVITE is sent again until its ACK; UDP only. A 2xx likewise (§13.3.1.4), over
 *    streams too: behind the stream may be a proxy with UDP.
 * H  64*T1 without the ACK of a refusal
 * I  how long further ACKs of a refusal are absorbed: T4; 0 over streams
 * J  how long an answered other request is absorbed: 64*T1; 0 over streams
 * L  how long an accepted INVITE is absorbed and its ACK awaited: 64*T1
 * and "a 100 is due": 200 ms for an INVITE; RFC 4320 §4.1 for others.
 * One slot holds G and the 100, one the others: no two of a group are ever set together.
 */
enum { TIMER_FACTOR = 64 };

static struct txn_out out_of(const struct txn_server *s, unsigned actions)
{
	uint64_t wake = s->deadline_ms;
	if (s->again_ms && (!wake || s->again_ms < wake))
		wake = s->again_ms;
	return (struct txn_out){(uint16_t)actions, wake};
}

/* A new state starts its own timers: none of the old ones is left. */
static void set_state(struct txn_server *s, enum txn_server_state state, uint64_t deadline_ms)
{
	s->state = (uint8_t)state;
	s->again_ms = 0;
	s->deadline_ms = deadline_ms;
}

/* When the client's Timer E first reaches T2: T1 + 2*T1 + 4*T1 … (3.5 s by default). */
static uint64_t patience_ms(const struct sip_timers *t)
{
	uint64_t sum = 0;
	for (uint64_t e = t->t1_ms; e < t->t2_ms; e *= 2)
		sum += e;
	return sum ? sum : t->t1_ms;
}

struct txn_out txn_server_init(struct txn_server *s, bool invite, bool reliable, uint64_t now_ms,
			       const struct sip_timers *timers)
{
	CHECK(timers->t1_ms > 0);
	*s = (struct txn_server){.invite = invite, .reliable = reliable};
	set_state(s, TXN_SERVER_TRYING, 0);
	s->again_ms = now_ms + (invite ? (uint64_t)TXN_SERVER_TRYING_MS : patience_ms(timers));
	return out_of(s, 0);
}

static struct txn_out repeat_until_ack(struct txn_server *s, bool repeat, unsigned actions,
				       uint64_t now_ms, const struct sip_timers *timers)
{
	if (repeat) {
		s->interval_ms = timers->t1_ms;
		s->again_ms = now_ms + timers->t1_ms;
	}
	return out_of(s, actions);
}

static struct txn_out repeat_again(struct txn_server *s, uint64_t now_ms,
				   const struct sip_timers *timers)
{
	if (!s->again_ms)
		return out_of(s, 0);
	s->interval_ms *= 2;
	if (s->interval_ms > timers->t2_ms)
		s->interval_ms = timers->t2_ms;
	s->again_ms = now_ms + s->interval_ms;
	return out_of(s, TXN_DO_SEND);
}

static struct txn_out send_final(struct txn_server *s, enum txn_server_event e, uint64_t now_ms,
				 const struct sip_timers *timers)
{
	uint64_t long_ms = now_ms + (uint64_t)TIMER_FACTOR * timers->t1_ms;
	if (!s->invite) {
		set_state(s, TXN_SERVER_COMPLETED, s->reliable ? now_ms : long_ms);
		if (e == TXN_SERVER_SEND_SILENCE)
			return out_of(s, TXN_DO_DROP);
		return out_of(s, TXN_DO_KEEP | TXN_DO_SEND);
	}
	if (e == TXN_SERVER_SEND_2XX) {
		set_state(s, TXN_SERVER_ACCEPTED, long_ms);
		return repeat_until_ack(s, true, TXN_DO_KEEP | TXN_DO_SEND, now_ms, timers);
	}
	set_state(s, TXN_SERVER_COMPLETED, long_ms);
	return repeat_until_ack(s, !s->reliable, TXN_DO_KEEP | TXN_DO_SEND, now_ms, timers);
}

static struct txn_out unanswered(struct txn_server *s, enum txn_server_event e, uint64_t now_ms,
				 const struct sip_timers *timers)
{
	bool said = s->state == TXN_SERVER_PROCEEDING;
	switch (e) {
	case TXN_SERVER_REQUEST: return out_of(s, said ? TXN_DO_SEND : 0);
	case TXN_SERVER_SEND_1XX:
		set_state(s, TXN_SERVER_PROCEEDING, 0);
		return out_of(s, TXN_DO_KEEP | TXN_DO_SEND);
	case TXN_SERVER_SEND_2XX:
	case TXN_SERVER_SEND_REFUSAL:
	case TXN_SERVER_SEND_SILENCE: return send_final(s, e, now_ms, timers);
	case TXN_SERVER_AGAIN:
		if (said || !s->again_ms)
			return out_of(s, 0);
		s->again_ms = 0;
		return out_of(s, TXN_DO_SLOW);
	/* RFC 6026 §8.8: a lost response leaves the state as it is. The owner, once told, will end
	 * it with a final answer. */
	case TXN_SERVER_ERROR: return out_of(s, TXN_DO_FAIL);
	case TXN_SERVER_ACK:
	case TXN_SERVER_DEADLINE:
	case TXN_SERVER_EVENT_COUNT: break;
	}
	return out_of(s, 0);
}

static struct txn_out completed(struct txn_server *s, enum txn_server_event e, uint64_t now_ms,
				const struct sip_timers *timers)
{
	switch (e) {
	case TXN_SERVER_REQUEST: return out_of(s, TXN_DO_SEND);
	case TXN_SERVER_ACK:
		if (!s->invite)
			return out_of(s, 0);
		set_state(s, TXN_SERVER_CONFIRMED, now_ms + (s->reliable ? 0 : timers->t4_ms));
		return out_of(s, TXN_DO_DROP);
	case TXN_SERVER_AGAIN: return repeat_again(s, now_ms, timers);
	case TXN_SERVER_DEADLINE:
		set_state(s, TXN_SERVER_TERMINATED, 0);
		return out_of(s, TXN_DO_DROP | TXN_DO_END | (s->invite ? TXN_DO_NO_ACK : 0));
	case TXN_SERVER_ERROR: return out_of(s, TXN_DO_FAIL);
	case TXN_SERVER_SEND_1XX:
	case TXN_SERVER_SEND_2XX:
	case TXN_SERVER_SEND_REFUSAL:
	case TXN_SERVER_SEND_SILENCE:
	case TXN_SERVER_EVENT_COUNT: break;
	}
	return out_of(s, 0);
}

static struct txn_out accepted(struct txn_server *s, enum txn_server_event e, uint64_t now_ms,
			       const struct sip_timers *timers)
{
	switch (e) {
	case TXN_SERVER_ACK:
		s->acked = true;
		s->again_ms = 0;
		return out_of(s, TXN_DO_PASS | TXN_DO_DROP);
	case TXN_SERVER_AGAIN: return repeat_again(s, now_ms, timers);
	case TXN_SERVER_DEADLINE:
		set_state(s, TXN_SERVER_TERMINATED, 0);
		return out_of(s, TXN_DO_DROP | TXN_DO_END | (s->acked ? 0 : TXN_DO_NO_ACK));
	case TXN_SERVER_ERROR: return out_of(s, s->acked ? 0 : TXN_DO_FAIL);
	case TXN_SERVER_REQUEST: /* RFC 6026 §7.1: absorbed; the 2xx goes by its own timer */
	case TXN_SERVER_SEND_1XX:
	case TXN_SERVER_SEND_2XX:
	case TXN_SERVER_SEND_REFUSAL:
	case TXN_SERVER_SEND_SILENCE:
	case TXN_SERVER_EVENT_COUNT: break;
	}
	return out_of(s, 0);
}

struct txn_out txn_server_step(struct txn_server *s, enum txn_server_event e, uint64_t now_ms,
			       const struct sip_timers *timers)
{
	CHECK(e < TXN_SERVER_EVENT_COUNT);
	switch ((enum txn_server_state)s->state) {
	case TXN_SERVER_TRYING:
	case TXN_SERVER_PROCEEDING: return unanswered(s, e, now_ms, timers);
	case TXN_SERVER_COMPLETED: return completed(s, e, now_ms, timers);
	case TXN_SERVER_CONFIRMED:
		if (e == TXN_SERVER_DEADLINE) {
			set_state(s, TXN_SERVER_TERMINATED, 0);
			return out_of(s, TXN_DO_END);
		}
		return out_of(s, 0);
	case TXN_SERVER_ACCEPTED: return accepted(s, e, now_ms, timers);
	case TXN_SERVER_TERMINATED:
	case TXN_SERVER_STATE_COUNT: break;
	}
	return (struct txn_out){0, 0};
}

struct txn_out txn_server_tick(struct txn_server *s, uint64_t now_ms,
			       const struct sip_timers *timers)
{
	if (s->deadline_ms && s->deadline_ms <= now_ms)
		return txn_server_step(s, TXN_SERVER_DEADLINE, now_ms, timers);
	if (s->again_ms && s->again_ms <= now_ms)
		return txn_server_step(s, TXN_SERVER_AGAIN, now_ms, timers);
	return out_of(s, 0);
}

enum txn_server_event txn_server_event_of(const struct txn_server *s, uint16_t status)
{
	if (status < 200)
		return TXN_SERVER_SEND_1XX;
	if (status < 300)
		return TXN_SERVER_SEND_2XX;
	return status == 408 && !s->invite ? TXN_SERVER_SEND_SILENCE : TXN_SERVER_SEND_REFUSAL;
}

bool txn_server_may_send(const struct txn_server *s, uint16_t status)
{
	if (s->state != TXN_SERVER_TRYING && s->state != TXN_SERVER_PROCEEDING)
		return false;
	return s->invite || status == 100 || status >= 200;
}
