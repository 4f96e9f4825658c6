#include <string.h>

#include "common/check.h"
#include "tests/sim/watch.h"

enum { WINDOW = 8 };

/* ---- identifiers: who has which */

static void learn(struct watch *w, struct str s, bool trusted, struct str method)
{
	if (s.len < 4)
		return;
	uint64_t key = lookup_hash(0, s);
	uint32_t have = lookup_get(&w->names, key);
	uint32_t bit = 1u << trusted;
	if (have == LOOKUP_NONE)
		have = 0;
	if (have & bit)
		return;
	if (have)
		faults_add(w->faults, INV_SEPARATE, "%.*s is used on both sides (%.*s)", STR_ARG(s),
			   STR_ARG(method));
	lookup_put(&w->names, key, have | bit);
	if (!trusted || s.len < WINDOW || w->window_count == WATCH_WINDOWS)
		return;
	struct str copy = arena_str(w->arena, s);
	CHECK(copy.len == s.len);
	uint64_t tail;
	memcpy(&tail, copy.p + copy.len - WINDOW, WINDOW);
	tail *= 0x9e3779b97f4a7c15u;
	tail >>= 50;
	w->bloom[tail / 64] |= (uint64_t)1 << (tail % 64);
	w->windows[w->window_count++] = copy;
}

/* What names a dialog or transaction, whoever made it. */
void watch_learn(struct watch *w, const struct sip_text *m, bool trusted)
{
	learn(w, m->call_id, trusted, m->cseq_method);
	learn(w, m->from_tag, trusted, m->cseq_method);
	learn(w, m->to_tag, trusted, m->cseq_method);
	learn(w, m->branch, trusted, m->cseq_method);
}

static void check_window(struct watch *w, const struct sip_text *m, const char *end)
{
	for (unsigned i = 0; i < w->window_count; i++) {
		struct str s = w->windows[i];
		if ((size_t)(end - m->all.p) >= s.len &&
		    memcmp(end - WINDOW, s.p + s.len - WINDOW, WINDOW) == 0 &&
		    memcmp(end - s.len, s.p, s.len) == 0)
			faults_add(w->faults, INV_HIDDEN,
				   "%.*s of the trusted side shows outside in a %.*s", STR_ARG(s),
				   STR_ARG(m->cseq_method));
	}
}

/* Anywhere in the message, whatever header or body. */
static void check_windows(struct watch *w, const struct sip_text *m)
{
	for (size_t i = 0; i + WINDOW <= m->all.len && w->window_count; i++) {
		uint64_t h;
		memcpy(&h, m->all.p + i, WINDOW);
		h *= 0x9e3779b97f4a7c15u;
		h >>= 50;
		if (w->bloom[h / 64] >> (h % 64) & 1)
			check_window(w, m, m->all.p + i + WINDOW);
	}
}

/* ---- words and addresses */

/* Letters of either case. */
static bool contains_word(struct str hay, struct str word)
{
	for (size_t i = 0; i + word.len <= hay.len; i++)
		if ((hay.p[i] | 32) == word.p[0] &&
		    str_ieq((struct str){hay.p + i, word.len}, word))
			return true;
	return false;
}

/* Headers and bodies alike: SDP has room for all of it too. What a phone wrote itself may come back to it. */
static void check_marks(struct watch *w, const struct sip_text *m, bool trusted)
{
	static const struct {
		struct str net, mark; /* of those on the other side */
		const char *text;
	} other[2] = {{{"10.77.", 6}, {"canary0", 7}, "the trusted side shows outside"},
		      {{"198.51.100.", 11}, {"beacon0", 7}, "the untrusted side shows inside"}};
	if (str_find(m->all, other[trusted].net) < m->all.len ||
	    contains_word(m->all, other[trusted].mark))
		faults_add(w->faults, INV_HIDDEN, "%s in %.*s", other[trusted].text,
			   STR_ARG(((struct str){m->all.p, str_index(m->all, '\r')})));
}

void watch_hidden(struct watch *w, const struct sip_text *m, bool trusted)
{
	check_marks(w, m, trusted);
	if (!trusted)
		check_windows(w, m);
}
