#include "sbc/core/health.h"

#include "common/check.h"

enum { ROW_MAX = 60000, QUORUM_PART = 5, QUORUM_MIN = 10 };

enum health_end health_end_of(uint16_t status, unsigned cause, bool rang)
{
	if (cause)
		return HEALTH_END_UNREACHED;
	if (status >= 200 && status < 300)
		return HEALTH_END_ANSWERED;
	if (status >= 300 && status < 400)
		return HEALTH_END_USER;
	switch (status) {
	case 401:
	case 407: /* ours or theirs: what the peer does with calls it does not show */
	case 422:
	case 482: return HEALTH_END_NOTHING;
	case 487: return rang ? HEALTH_END_USER : HEALTH_END_NOTHING;
	case 408: return rang ? HEALTH_END_USER : HEALTH_END_UNREACHED;
	case 503: return HEALTH_END_UNREACHED;
	case 404:
	case 410:
	case 415:
	case 416:
	case 433:
	case 480:
	case 484:
	case 485:
	case 486:
	case 488:
	case 600:
	case 603:
	case 604:
	case 606:
	case 607:
	case 608: return HEALTH_END_USER;
	default: break;
	}
	return HEALTH_END_REFUSED;
}

static unsigned get(const struct health *h, unsigned at)
{
	return (unsigned)h->ends[at / 4] >> at % 4 * 2 & 3u;
}

static void put(struct health *h, unsigned at, unsigned end)
{
	h->ends[at / 4] = (uint8_t)((h->ends[at / 4] & ~(3u << at % 4 * 2)) | end << at % 4 * 2);
}

static void count(struct health *h, unsigned end, int by)
{
	h->answered = (uint16_t)(h->answered + (end == HEALTH_END_ANSWERED ? by : 0));
	h->effective = (uint16_t)(h->effective + (end <= HEALTH_END_USER ? by : 0));
}

static void remember(struct health *h, const struct health_rule *r, enum health_end e)
{
	const uint16_t over = r->over < HEALTH_CALLS_MAX ? r->over : HEALTH_CALLS_MAX;

	if (over == 0)
		return;
	if (h->over != over) { /* a reload: places in a ring of another size mean nothing */
		h->over = over;
		h->count = h->next = h->answered = h->effective = 0;
	}
	if (h->count == over)
		count(h, get(h, h->next), -1);
	else
		h->count++;
	put(h, h->next, e);
	count(h, e, 1);
	h->next = (uint16_t)((h->next + 1u) % over);
}

static void forget(struct health *h)
{
	h->count = h->next = h->answered = h->effective = h->row = 0;
}

unsigned health_asr(const struct health *h)
{
	return h->count ? h->answered * 100u / h->count : 100;
}

unsigned health_ner(const struct health *h)
{
	return h->count ? h->effective * 100u / h->count : 100;
}

/* Who comes back is judged by fewer calls: it has only a share of them. */
static bool has_quorum(const struct health *h, const struct health_rule *r)
{
	unsigned need = r->over;

	if (h->state == HEALTH_RETURNING && need / QUORUM_PART < need)
		need = need / QUORUM_PART > QUORUM_MIN ? need / QUORUM_PART : QUORUM_MIN;
	return h->count > 0 && (h->count >= need || h->count >= r->over);
}

static enum health_why judge(const struct health *h, const struct health_rule *r)
{
	if (r->failures && h->row >= r->failures)
		return HEALTH_WHY_FAILURES;
	if (!has_quorum(h, r))
		return HEALTH_WHY_NONE;
	if (r->min_ner && health_ner(h) < r->min_ner)
		return HEALTH_WHY_NER;
	return r->min_asr && health_asr(h) < r->min_asr ? HEALTH_WHY_ASR : HEALTH_WHY_NONE;
}

static void rest(struct health *h, enum health_why why, uint64_t until_ms)
{
	h->state = HEALTH_RESTING;
	h->why = (uint8_t)why;
	h->shut = why == HEALTH_WHY_RETRY_AFTER;
	h->until_ms = until_ms;
}

bool health_step(struct health *h, const struct health_rule *r, enum health_end e,
		 uint32_t retry_after_s, uint64_t now_ms)
{
	CHECK(h && r && (unsigned)e < HEALTH_END_COUNT);
	if (!r->on || e == HEALTH_END_NOTHING)
		return false;
	if (e != HEALTH_END_UNREACHED)
		h->row = 0;
	else if (h->row < ROW_MAX)
		h->row++;
	if (retry_after_s) {
		const bool was_shut = h->shut;
		uint64_t s = retry_after_s < HEALTH_SHUT_S_MAX ? retry_after_s : HEALTH_SHUT_S_MAX;
		remember(h, r, e);
		rest(h, HEALTH_WHY_RETRY_AFTER, now_ms + s * 1000);
		return !was_shut;
	}
	if (h->state ==
	    HEALTH_RESTING) /* it had none better: what it did then is not held against it */
		return false;
	remember(h, r, e);
	const enum health_why why = judge(h, r);
	if (why == HEALTH_WHY_NONE)
		return false;
	rest(h, why, now_ms + r->rest_ms);
	return true;
}

bool health_tick(struct health *h, const struct health_rule *r, uint64_t now_ms)
{
	if (h->state == HEALTH_GOOD || now_ms < h->until_ms)
		return false;
	if (h->state == HEALTH_RESTING && r->return_ms) {
		h->state = HEALTH_RETURNING;
		h->returns_ms = now_ms;
		h->until_ms = now_ms + r->return_ms;
		h->shut = false;
		forget(h);
		return true;
	}
	if (h->state == HEALTH_RESTING)
		forget(h);
	h->state = HEALTH_GOOD;
	h->shut = false;
	h->until_ms = 0;
	return true;
}

bool health_is_last(const struct health *h, uint64_t now_ms, uint32_t dice)
{
	if (h->state == HEALTH_GOOD)
		return false;
	if (h->state == HEALTH_RESTING)
		return true;
	const uint64_t whole = h->until_ms - h->returns_ms, gone = now_ms - h->returns_ms;
	uint64_t share = whole && gone < whole ? gone * 100 / whole : 100;
	if (share < HEALTH_SHARE_MIN)
		share = HEALTH_SHARE_MIN;
	return (uint64_t)dice * 100 >> 32 >= share;
}

const char *health_state_name(uint8_t state)
{
	static const char *const names[HEALTH_STATE_COUNT] = {
		[HEALTH_GOOD] = "good",
		[HEALTH_RESTING] = "resting",
		[HEALTH_RETURNING] = "returning",
	};
	return state < HEALTH_STATE_COUNT ? names[state] : "unknown";
}

const char *health_why_name(uint8_t why)
{
	static const char *const names[HEALTH_WHY_COUNT] = {
		[HEALTH_WHY_NONE] = "",
		[HEALTH_WHY_ASR] = "asr",
		[HEALTH_WHY_NER] = "ner",
		[HEALTH_WHY_FAILURES] = "failures",
		[HEALTH_WHY_RETRY_AFTER] = "retry-after",
	};
	return why < HEALTH_WHY_COUNT ? names[why] : "unknown";
}
