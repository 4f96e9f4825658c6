#include "rtpproxy/core/ice.h"

#include <string.h>

#include "common/check.h"
#include "common/secret.h"
#include "common/siphash.h"
#include "rtpproxy/core/stun.h"

enum { NONE = -1, CHECK_STEP_US = 1000000 / ICE_CHECKS_A_SECOND, BURST_US = 1000000 };

/* ---- words */

void ice_local_make(struct ice_local *l, struct rng *rng)
{
	rng_text(rng, l->ufrag, sizeof(l->ufrag));
	rng_text(rng, l->pwd, sizeof(l->pwd));
}

void ice_init(struct ice *i, const struct ice_local *local)
{
	*i = (struct ice){.local = {*local}};
	for (unsigned c = 0; c < ICE_COMPONENTS; c++)
		i->component[c].selected = NONE;
}

/* ice-char (RFC 8839 §5.1): letters, digits, plus, slash. */
static bool is_word(struct str s, size_t min)
{
	if (s.len < min || s.len > ICE_TEXT_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		const char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '+' || c == '/'))
			return false;
	}
	return true;
}

bool ice_words_check(struct str ufrag, struct str pwd)
{
	return is_word(ufrag, ICE_UFRAG_MIN) && is_word(pwd, ICE_PWD_MIN);
}

/* Only to compare: a peer that finds two words of one hash harms itself alone. */
static uint64_t hash(struct str s, uint64_t with)
{
	const struct siphash_key key = {{with, 0}};
	return siphash(&key, s.p, s.len);
}

void ice_signal(struct ice *i, struct str ufrag, struct str pwd, const struct ice_local *fresh)
{
	CHECK(ice_words_check(ufrag, pwd));
	i->next_who = hash(ufrag, 0);
	i->next_words = hash(pwd, i->next_who);
	i->signalled = true;
	i->restarts = fresh && i->has_remote && i->next_words != i->remote_words;
	if (i->restarts)
		i->next = *fresh;
}

/* ---- paths */

static bool is_current(const struct ice *i, const struct ice_path *p)
{
	return i->has_remote && p->generation == i->generation && p->who == i->remote_who;
}

static struct ice_path *find_path(struct ice_component *c, const struct addr *from)
{
	for (unsigned k = 0; k < c->count; k++)
		if (addr_eq(&c->path[k].addr, from))
			return &c->path[k];
	return NULL;
}

/* A place for a new path: a free one, else that of the one not heard of longest, never the selected one. */
static struct ice_path *new_path(struct ice_component *c)
{
	if (c->count < ICE_PATHS)
		return &c->path[c->count++];
	int oldest = c->selected == 0 ? 1 : 0;
	for (int k = 0; k < ICE_PATHS; k++)
		if (k != c->selected && c->path[k].heard_us < c->path[oldest].heard_us)
			oldest = k;
	return &c->path[oldest];
}

static void select_path(struct ice_component *c, const struct ice_path *p, uint64_t now_us)
{
	c->selected = (int8_t)(p - c->path);
	c->selected_us = now_us;
}

/*
 * A nomination takes the place of the selected path if that is of older words, of no higher priority, or not nominated any
 * more. So peers that nominate every path (RFC 5245) come to their best one, and those that move (RFC 8445, browsers on
 * another network) are followed.
 */
static bool may_replace(const struct ice *i, const struct ice_component *c,
			const struct ice_path *p, uint64_t now_us)
{
	if (c->selected == NONE)
		return true;
	const struct ice_path *old = &c->path[c->selected];
	return old != p && (!is_current(i, old) || p->priority >= old->priority ||
			    now_us >= old->nominated_us + ICE_STALE_US);
}

/* The best path that was nominated with the words now in force, perhaps before we knew them. */
static void reselect(struct ice *i, struct ice_component *c, uint64_t now_us)
{
	const struct ice_path *best = NULL;
	for (unsigned k = 0; k < c->count; k++) {
		const struct ice_path *p = &c->path[k];
		if (is_current(i, p) && p->nominated && (!best || p->priority > best->priority))
			best = p;
	}
	if (best && may_replace(i, c, best, now_us))
		select_path(c, best, now_us);
}

bool ice_commit(struct ice *i, uint64_t now_us)
{
	if (!i->signalled)
		return false;
	const bool restart = i->restarts;
	if (restart) {
		i->local[1] = i->local[0];
		i->local[0] = i->next;
		i->has_previous = true;
		i->generation++;
	}
	i->remote_who = i->next_who;
	i->remote_words = i->next_words;
	i->has_remote = true;
	i->signalled = i->restarts = false;
	for (unsigned c = 0; c < ICE_COMPONENTS; c++)
		reselect(i, &i->component[c], now_us);
	return restart;
}

/* ---- checks */

/* Which of our words the user name begins with: "ours:theirs". NULL: none. */
static const struct ice_local *find_local(const struct ice *i, struct str username,
					  struct str *out_theirs)
{
	const size_t colon = ICE_UFRAG_LEN;
	if (username.len <= colon || username.p[colon] != ':' ||
	    username.len > colon + 1 + ICE_TEXT_MAX)
		return NULL;
	*out_theirs = str_from_offset(username, colon + 1);
	if (secret_eq_bytes(username.p, i->local[0].ufrag, ICE_UFRAG_LEN))
		return &i->local[0];
	if (i->has_previous && secret_eq_bytes(username.p, i->local[1].ufrag, ICE_UFRAG_LEN))
		return &i->local[1];
	return NULL;
}

static bool take_rate(uint64_t *due_us, uint64_t now_us)
{
	const uint64_t due = *due_us > now_us ? *due_us : now_us;
	if (due - now_us >= BURST_US)
		return false;
	*due_us = due + CHECK_STEP_US;
	return true;
}

/* The code of the answer; 0: success. The user and the password are right. */
static unsigned judge(const struct stun *s)
{
	if (s->unknown_count > 0)
		return 420;
	if (!(s->has & STUN_HAS_PRIORITY))
		return 400; /* RFC 8445 §7.1.1: no check is without */
	/* We cannot be controlling (§7.3.1.1): whoever says it is controlled has to change its mind. */
	return s->has & STUN_HAS_CONTROLLED ? 487 : 0;
}

static size_t write_answer(uint8_t *data, size_t cap, const struct stun *s, unsigned error,
			   const struct addr *from, const char *pwd)
{
	struct stun_writer w;
	stun_start(&w, data, cap, error ? STUN_ERROR : STUN_SUCCESS, s->method,
		   s->p + STUN_HEADER_LEN - STUN_ID_LEN);
	if (error)
		stun_add_error(&w, error);
	else
		stun_add_mapped(&w, from);
	if (error == 420)
		stun_add_unknown(&w, s->unknown, s->unknown_count);
	return stun_end(&w, pwd, ICE_PWD_LEN);
}

/* A right check with the words in force. True: the path is selected by it. */
static bool note_check(struct ice *i, struct ice_component *c, const struct stun *s, uint64_t who,
		       const struct addr *from, uint64_t now_us)
{
	struct ice_path *p = find_path(c, from);
	if (!p) {
		p = new_path(c);
		*p = (struct ice_path){.addr = *from, .generation = i->generation, .who = who};
	}
	if (p->generation != i->generation || p->who != who) {
		p->generation = i->generation;
		p->who = who;
		p->nominated = false;
	}
	p->priority = s->priority;
	p->heard_us = now_us;
	const bool says = (s->has & STUN_HAS_USE_CANDIDATE) != 0;
	p->nominated |= says;
	p->nominated_us = says ? now_us : 0;
	if (!says || !is_current(i, p) || !may_replace(i, c, p, now_us))
		return false;
	select_path(c, p, now_us);
	return true;
}

/* A check with the words before a restart: it selects nothing, but says that its path lives. */
static void note_old_check(struct ice_component *c, const struct addr *from, uint64_t now_us)
{
	struct ice_path *p = find_path(c, from);
	if (p)
		p->heard_us = now_us;
}

static void note_consent(struct ice_component *c, const struct addr *from, uint64_t now_us)
{
	if (c->selected != NONE && addr_eq(&c->path[c->selected].addr, from) &&
	    now_us >= c->selected_us + ICE_CONSENTS_US)
		c->consents = true;
}

static struct ice_out verdict(enum ice_verdict v)
{
	return (struct ice_out){.verdict = v};
}

static struct ice_out request(struct ice *i, struct ice_component *c, uint8_t *data,
			      const struct stun *s, const struct addr *from, uint64_t now_us)
{
	struct str theirs;
	const struct ice_local *ours = find_local(i, s->username, &theirs);
	if (!ours)
		return verdict(ICE_AUTH);
	/* Before the dear part. A proven path has a budget of its own, which no stranger can use up. */
	struct ice_path *known = find_path(c, from);
	if (!take_rate(known ? &known->due_us : &c->due_us, now_us))
		return verdict(ICE_RATE);
	if (!stun_check_integrity(s, ours->pwd, ICE_PWD_LEN))
		return verdict(ICE_AUTH);
	const uint64_t who = hash(theirs, 0); /* before its bytes are overwritten */
	struct ice_out out = {.verdict = ICE_ANSWER, .error = judge(s)};
	out.len = write_answer(data, s->len, s, out.error, from, ours->pwd);
	if (out.len == 0)
		return verdict(ICE_SIZE);
	if (out.error != 0)
		return out;
	if (ours == &i->local[0])
		out.selected = note_check(i, c, s, who, from, now_us);
	else
		note_old_check(c, from, now_us);
	note_consent(c, from, now_us);
	return out;
}

static struct ice_out indication(struct ice_component *c, const struct addr *from, uint64_t now_us)
{
	const struct ice_path *p = find_path(c, from);
	if (!p)
		return verdict(ICE_AUTH);
	if (p - c->path == c->selected)
		c->kept_us = now_us;
	return verdict(ICE_TAKEN);
}

struct ice_out ice_step(struct ice *i, unsigned component, uint8_t *data, size_t len,
			const struct addr *from, uint64_t now_us)
{
	struct stun s;
	CHECK(component < ICE_COMPONENTS);
	struct ice_component *c = &i->component[component];
	if (stun_decode(data, len, &s) != OK || s.method != STUN_BINDING)
		return verdict(ICE_SHAPE);
	switch ((enum stun_class)s.class) {
	case STUN_REQUEST: return request(i, c, data, &s, from, now_us);
	case STUN_INDICATION: return indication(c, from, now_us);
	case STUN_SUCCESS:
	case STUN_ERROR:
	case STUN_CLASS_COUNT: break;
	}
	return verdict(ICE_SHAPE); /* we ask nobody */
}

/* ---- what holds now */

bool ice_has_path(const struct ice *i, unsigned component, const struct addr *from)
{
	CHECK(component < ICE_COMPONENTS);
	const struct ice_component *c = &i->component[component];
	for (int k = 0; k < c->count; k++)
		if (addr_eq(&c->path[k].addr, from))
			return k == c->selected || is_current(i, &c->path[k]);
	return false;
}

bool ice_is_proven(const struct ice *i, unsigned component, const struct addr *from)
{
	CHECK(component < ICE_COMPONENTS);
	const struct ice_component *c = &i->component[component];
	for (int k = 0; k < c->count; k++)
		if (addr_eq(&c->path[k].addr, from))
			return true;
	return false;
}

const struct addr *ice_selected(const struct ice *i, unsigned component)
{
	CHECK(component < ICE_COMPONENTS);
	const struct ice_component *c = &i->component[component];
	return c->selected == NONE ? NULL : &c->path[c->selected].addr;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Checks alone are consent (RFC 7675 §5.1). But agents of RFC 5245 end theirs with the nomination and then send media or
 * indications: as long as a peer has not shown that it goes on checking, those count too.
 */
bool ice_has_consent(const struct ice *i, unsigned component, uint64_t media_us, uint64_t now_us)
{
	CHECK(component < ICE_COMPONENTS);
	const struct ice_component *c = &i->component[component];
	if (c->selected == NONE)
		return true;
	uint64_t heard = later(c->path[c->selected].heard_us, c->selected_us);
	if (!c->consents)
		heard = later(heard, later(media_us, c->kept_us));
	return now_us < heard + ICE_CONSENT_US;
}
