#include "srtp_window.h"

#include <stdlib.h>

enum { SEQ_HALF = 1 << 15, SEQ_ALL = 1 << 16 };

static int find_live(const struct srtp_windows *w, uint32_t ssrc)
{
	if (w->live_count == 0)
		return -1;
	if (w->ssrc == ssrc)
		return 0;
	for (int i = 1; i < w->live_count; i++)
		if (w->more->ssrc[i - 1] == ssrc)
			return i;
	return -1;
}

static int find_old(const struct srtp_windows *w, uint32_t ssrc)
{
	for (int i = 0; i < w->old_count; i++)
		if (w->more->old_ssrc[i] == ssrc)
			return i;
	return -1;
}

static const struct srtp_window *live_window(const struct srtp_windows *w, int i)
{
	return i == 0 ? &w->first : &w->more->live[i - 1];
}

static struct srtp_window *slot(struct srtp_windows *w, int i, uint32_t **out_ssrc)
{
	*out_ssrc = i == 0 ? &w->ssrc : &w->more->ssrc[i - 1];
	return i == 0 ? &w->first : &w->more->live[i - 1];
}

/*
 * RFC 3711 §3.3.1 and appendix A, save that the rollover counter never goes below zero: up to the first
 * half of the first round a sequence number is what it says.
 */
static uint64_t guess_index(uint64_t top, uint16_t seq)
{
	const uint64_t round = top & ~(uint64_t)0xffff;
	const int last = (int)(top & 0xffff);
	if (top <= SEQ_HALF)
		return seq;
	if (last < SEQ_HALF)
		return round >= SEQ_ALL && seq - last > SEQ_HALF ? round - SEQ_ALL + seq
								 : round + seq;
	return last - SEQ_HALF > seq ? round + SEQ_ALL + seq : round + seq;
}

static bool is_seen(const struct srtp_window *w, uint64_t index)
{
	if (index > w->top)
		return false;
	const uint64_t back = w->top - index;
	return back >= SRTP_WINDOW || (w->bits[back >> 6] >> (back & 63) & 1);
}

static void mark(struct srtp_window *w, uint64_t index)
{
	if (index <= w->top) {
		const uint64_t back = w->top - index;
		w->bits[back >> 6] |= (uint64_t)1 << (back & 63);
		return;
	}
	const uint64_t by = index - w->top;
	if (by >= SRTP_WINDOW) {
		w->bits[0] = w->bits[1] = 0;
	} else if (by >= 64) {
		w->bits[1] = w->bits[0] << (by - 64);
		w->bits[0] = 0;
	} else {
		w->bits[1] = w->bits[1] << by | w->bits[0] >> (64 - by);
		w->bits[0] <<= by;
	}
	w->bits[0] |= 1;
	w->top = index;
}

/* The window of an SSRC that had to make room: all up to its highest index counts as seen. */
static struct srtp_window old_window(const struct srtp_windows *w, int i)
{
	return (struct srtp_window){
		.top = (uint64_t)w->more->old_top_high[i] << 32 | w->more->old_top[i],
		.bits = {UINT64_MAX, UINT64_MAX},
	};
}

/* The window of an SSRC, empty for a new one. FATE_SSRC_LIMIT: there is no room for a new one. */
static enum pkt_fate look_up(const struct srtp_windows *w, uint32_t ssrc, struct srtp_window *out)
{
	const int live = find_live(w, ssrc);
	if (live >= 0) {
		*out = *live_window(w, live);
		return FATE_SENT;
	}
	const int old = find_old(w, ssrc);
	if (old >= 0) {
		*out = old_window(w, old);
		return FATE_SENT;
	}
	*out = (struct srtp_window){0};
	return w->live_count < SRTP_SSRC_LIVE || w->old_count < SRTP_SSRC_OLD ? FATE_SENT
									      : FATE_SSRC_LIMIT;
}

static enum pkt_fate check_index(const struct srtp_window *w, uint64_t index)
{
	if (index >= SRTP_INDEX_END)
		return FATE_KEY_END;
	return is_seen(w, index) ? FATE_REPLAY : FATE_SENT;
}

enum pkt_fate srtp_windows_guess(const struct srtp_windows *w, uint32_t ssrc, uint16_t seq,
				 uint64_t *out_index)
{
	struct srtp_window one;
	const enum pkt_fate fate = look_up(w, ssrc, &one);
	if (fate != FATE_SENT)
		return fate;
	*out_index = guess_index(one.top, seq);
	return check_index(&one, *out_index);
}

enum pkt_fate srtp_windows_check(const struct srtp_windows *w, uint32_t ssrc, uint64_t index)
{
	struct srtp_window one;
	const enum pkt_fate fate = look_up(w, ssrc, &one);
	return fate != FATE_SENT ? fate : check_index(&one, index);
}

static int longest_unused(const struct srtp_windows *w)
{
	int found = 0;
	for (int i = 1; i < w->live_count; i++)
		if (w->commits - live_window(w, i)->used > w->commits - live_window(w, found)->used)
			found = i;
	return found;
}

static void retire(struct srtp_windows *w, int live, int old)
{
	uint32_t *ssrc;
	const struct srtp_window *window = slot(w, live, &ssrc);
	w->more->old_ssrc[old] = *ssrc;
	w->more->old_top[old] = (uint32_t)window->top;
	w->more->old_top_high[old] = (uint16_t)(window->top >> 32);
}

/* A live slot for an SSRC that look_up let through; NULL: no memory, nothing changed. */
static struct srtp_window *make_live(struct srtp_windows *w, uint32_t ssrc)
{
	struct srtp_window window = {0};
	if (w->live_count > 0 && !w->more) {
		w->more = calloc(1, sizeof(*w->more));
		if (!w->more)
			return NULL;
	}
	int old = find_old(w, ssrc);
	if (old >= 0)
		window = old_window(w, old);
	int live = w->live_count;
	if (live < SRTP_SSRC_LIVE) {
		w->live_count++;
		/* An old one with free live slots cannot be: slots are never given back. */
		CHECK(old < 0);
	} else {
		live = longest_unused(w);
		retire(w, live, old >= 0 ? old : w->old_count++);
	}
	uint32_t *place;
	struct srtp_window *made = slot(w, live, &place);
	*place = ssrc;
	*made = window;
	return made;
}

enum pkt_fate srtp_windows_commit(struct srtp_windows *w, uint32_t ssrc, uint64_t index)
{
	const int live = find_live(w, ssrc);
	const enum pkt_fate fate = live >= 0 ? check_index(live_window(w, live), index)
					     : srtp_windows_check(w, ssrc, index);
	if (fate != FATE_SENT)
		return fate;
	uint32_t *unused;
	struct srtp_window *window = live >= 0 ? slot(w, live, &unused) : make_live(w, ssrc);
	if (!window)
		return FATE_SSRC_LIMIT;
	mark(window, index);
	window->used = ++w->commits;
	return FATE_SENT;
}

void srtp_windows_release(struct srtp_windows *w)
{
	free(w->more);
	*w = (struct srtp_windows){0};
}
