#include "sbc/core/session_timer.h"

#include "common/check.h"
#include "sbc/core/hdr.h"

void session_timer_init(struct session_timer *t, const struct session_timer_settings *s)
{
	*t = (struct session_timer){.on = s->on};
	if (!s->on)
		return;
	t->min_s = s->min_s > SESSION_TIMER_LEAST_S ? s->min_s : SESSION_TIMER_LEAST_S;
	t->want_s = s->expires_s > t->min_s ? s->expires_s : t->min_s;
	t->floor_s = t->min_s;
}

void session_timer_read(const struct msg *m, struct session_timer_seen *out)
{
	struct str params, who;

	*out = (struct session_timer_seen){
		.supported = msg_has_token(m, HDR_SUPPORTED, STR("timer")) ||
			     msg_has_token(m, HDR_REQUIRE, STR("timer")),
		.says_allow = msg_has(m, HDR_ALLOW),
		.allows_update = msg_has_token(m, HDR_ALLOW, STR("UPDATE")),
	};
	if (hdr_delta_parse(msg_value(m, HDR_SESSION_EXPIRES), &out->expires_s, &params) == OK &&
	    hdr_param(params, STR("refresher"), &who))
		out->refresher = str_ieq(who, STR("uac"))   ? REFRESHER_UAC
				 : str_ieq(who, STR("uas")) ? REFRESHER_UAS
							    : REFRESHER_NOT_SAID;
	if (hdr_delta_parse(msg_value(m, HDR_MIN_SE), &out->min_s, NULL) != OK)
		out->min_s = 0;
}

static uint32_t asked(const struct session_timer *t)
{
	return t->want_s > t->floor_s ? t->want_s : t->floor_s;
}

/* What is in force is asked for again: a peer has agreed to it before. */
static uint32_t wanted(const struct session_timer *t)
{
	if (!t->running || !t->peer_knows)
		return asked(t);
	return t->expires_s > t->floor_s ? t->expires_s : t->floor_s;
}

static void start(struct session_timer *t, uint64_t now_ms)
{
	uint64_t ms = 1000 * (uint64_t)t->expires_s;
	uint64_t early = ms / 3 < 32000 ? ms / 3 : 32000; /* RFC 4028 §10 */

	t->running = true;
	t->refusals = 0;
	t->refresh_ms = t->we_refresh ? now_ms + ms / 2 : 0;
	t->expire_ms = now_ms + ms - early;
}

static void learn(struct session_timer *t, const struct session_timer_seen *seen)
{
	if (seen->says_allow)
		t->peer_updates = seen->allows_update;
}

/* ---- our requests */

void session_timer_write_request(const struct session_timer *t, struct buf *lines)
{
	if (!t->on)
		return;
	buf_printf(lines, "Supported: timer\r\nSession-Expires: %u", wanted(t));
	if (t->running)
		buf_z(lines, t->we_refresh ? ";refresher=uac" : ";refresher=uas");
	buf_lit(lines, "\r\n");
	if (t->floor_s > SESSION_TIMER_LEAST_S)
		buf_printf(lines, "Min-SE: %u\r\n", t->floor_s);
}

void session_timer_on_answer(struct session_timer *t, const struct session_timer_seen *seen,
			     uint64_t now_ms)
{
	if (!t->on)
		return;
	learn(t, seen);
	uint32_t most = wanted(t);
	t->peer_knows = seen->expires_s > 0;
	t->we_refresh = !t->peer_knows || seen->refresher != REFRESHER_UAS;
	t->expires_s = t->peer_knows ? seen->expires_s : most;
	/* It may only be lowered to what we said; a mad answer must not make us flood the peer, nor wait for ever. */
	if (t->expires_s < SESSION_TIMER_LEAST_S)
		t->expires_s = SESSION_TIMER_LEAST_S;
	if (t->expires_s > most)
		t->expires_s = most;
	start(t, now_ms);
}

bool session_timer_on_refusal(struct session_timer *t, uint16_t status,
			      const struct session_timer_seen *seen, uint64_t now_ms)
{
	if (!t->on)
		return false;
	learn(t, seen);
	if (status == 422 && seen->min_s > wanted(t) && t->refusals < SESSION_TIMER_422_MAX) {
		t->refusals++;
		t->floor_s = seen->min_s;
		return true;
	}
	if (!t->running)
		return false;
	if (status == 405 || status == 501)
		t->peer_updates = false;
	if (!t->peer_knows) {
		start(t, now_ms);
	} else if (t->we_refresh) {
		uint64_t wait = 1000 * (uint64_t)t->expires_s / 16;
		t->refresh_ms = now_ms + wait < t->expire_ms ? now_ms + wait : 0;
	}
	return false;
}

/* ---- the peer's requests */

bool session_timer_take_request(struct session_timer *t, const struct session_timer_seen *seen)
{
	if (!t->on)
		return true;
	learn(t, seen);
	/* Who does not know the extension cannot do better: a proxy has put it in (RFC 4028 §9). */
	if (seen->supported && seen->expires_s && seen->expires_s < t->min_s)
		return false;
	t->pending = *seen;
	if (seen->min_s > t->floor_s)
		t->floor_s = seen->min_s;
	return true;
}

void session_timer_write_min(const struct session_timer *t, struct buf *lines)
{
	buf_printf(lines, "Min-SE: %u\r\n", t->min_s);
}

void session_timer_write_answer(struct session_timer *t, struct buf *lines, uint64_t now_ms)
{
	const struct session_timer_seen *seen = &t->pending;

	if (!t->on)
		return;
	uint32_t least = seen->min_s > t->min_s ? seen->min_s : t->min_s;
	uint32_t s = t->want_s > least ? t->want_s : least;
	if (seen->expires_s && s > seen->expires_s) /* it may not be raised */
		s = seen->expires_s;
	t->expires_s = s > SESSION_TIMER_LEAST_S ? s : SESSION_TIMER_LEAST_S;
	t->peer_knows = seen->supported;
	if (!seen->supported)
		t->we_refresh = true;
	else if (seen->refresher != REFRESHER_NOT_SAID)
		t->we_refresh = seen->refresher == REFRESHER_UAS;
	else if (!t->running)
		t->we_refresh = false;
	if (seen->supported)
		buf_lit(lines, "Require: timer\r\n");
	buf_printf(lines, "Supported: timer\r\nSession-Expires: %u;refresher=%s\r\n", t->expires_s,
		   t->we_refresh ? "uas" : "uac");
	start(t, now_ms);
}

/* ---- time */

uint64_t session_timer_next_ms(const struct session_timer *t)
{
	if (!t->running)
		return UINT64_MAX;
	return t->refresh_ms && t->refresh_ms < t->expire_ms ? t->refresh_ms : t->expire_ms;
}

enum session_timer_due session_timer_tick(struct session_timer *t, uint64_t now_ms)
{
	if (!t->running)
		return SESSION_DUE_NOTHING;
	if (now_ms >= t->expire_ms)
		return SESSION_DUE_END;
	if (!t->refresh_ms || now_ms < t->refresh_ms)
		return SESSION_DUE_NOTHING;
	t->refresh_ms = 0;
	return SESSION_DUE_REFRESH;
}

bool session_timer_is_wanted(const struct session_timer *t)
{
	return t->running && t->we_refresh && t->refresh_ms == 0;
}
