#include "sbc/core/prack.h"

#include "common/check.h"
#include "sbc/core/hdr.h"

/*
 * Timers: `again` repeats a reliable 18x until its PRACK, each time after twice the time (no ceiling: RFC 3262 §3 names
 * none); `deadline`, 64*T1, is the end of the patience.
 */
enum { TIMER_FACTOR = 64 };

bool prack_may_send(const struct prack_server *p)
{
	CHECK(p);
	return p->state == PRACK_IDLE && p->rseq < UINT32_MAX;
}

uint32_t prack_send(struct prack_server *p, bool sdp, uint32_t random, uint64_t now_ms,
		    const struct sip_timers *t)
{
	CHECK(p && t && prack_may_send(p));
	p->rseq = p->rseq ? p->rseq + 1 : 1 + random % PRACK_FIRST_MAX;
	p->sdp = sdp;
	p->state = PRACK_WAITING;
	p->interval_ms = t->t1_ms;
	p->again_ms = now_ms + t->t1_ms;
	p->deadline_ms = now_ms + (uint64_t)TIMER_FACTOR * t->t1_ms;
	return p->rseq;
}

static void rest(struct prack_server *p, enum prack_state s)
{
	p->state = (uint8_t)s;
	p->again_ms = p->deadline_ms = 0;
}

uint16_t prack_take(struct prack_server *p, struct str rack, uint32_t invite_cseq)
{
	CHECK(p);
	struct hdr_rack r;

	if (hdr_rack_parse(rack, &r) != OK)
		return 400;
	if (p->state != PRACK_WAITING && p->state != PRACK_STILL)
		return 481;
	if (r.method != METHOD_INVITE || r.rseq != p->rseq || r.cseq != invite_cseq)
		return 481;
	rest(p, p->state == PRACK_STILL ? PRACK_OVER : PRACK_IDLE);
	return 200;
}

void prack_stop(struct prack_server *p)
{
	CHECK(p);
	bool open = p->state == PRACK_WAITING || p->state == PRACK_STILL;

	rest(p, open ? PRACK_STILL : PRACK_OVER);
}

bool prack_holds_answer(const struct prack_server *p)
{
	CHECK(p);
	return p->state == PRACK_WAITING && p->sdp;
}

enum prack_due prack_tick(struct prack_server *p, uint64_t now_ms)
{
	CHECK(p);
	if (p->state != PRACK_WAITING)
		return PRACK_DUE_NOTHING;
	if (p->deadline_ms <= now_ms) {
		rest(p, PRACK_OVER);
		return PRACK_DUE_GIVE_UP;
	}
	if (p->again_ms > now_ms)
		return PRACK_DUE_NOTHING;
	p->interval_ms *= 2;
	p->again_ms = now_ms + p->interval_ms;
	return PRACK_DUE_AGAIN;
}

uint64_t prack_next_ms(const struct prack_server *p)
{
	CHECK(p);
	if (p->state != PRACK_WAITING)
		return UINT64_MAX;
	return p->again_ms < p->deadline_ms ? p->again_ms : p->deadline_ms;
}

enum prack_heard prack_hear(struct prack_client *p, struct str rseq)
{
	CHECK(p);
	uint32_t n;

	if (str_to_u32(rseq, UINT32_MAX, &n) != OK || n == 0)
		return PRACK_HEARD_ODD;
	if (p->rseq == n)
		return PRACK_HEARD_AGAIN;
	if (p->rseq && (p->rseq == UINT32_MAX || n != p->rseq + 1))
		return PRACK_HEARD_ODD;
	p->rseq = n;
	return PRACK_HEARD_NEW;
}
