#include "sbc/core/offer.h"

#include "common/check.h"

/*
 * Both peers of a leg are bound by the same rules, so there is one table: of the one who speaks. OWN is an open offer of the
 * speaker, OTHER one of the listener.
 */
enum view { VIEW_NONE, VIEW_OWN, VIEW_OTHER, VIEW_AGREED, VIEW_COUNT };
enum { KINDS = OFFER_SENT_REQUEST, KIND_NOTHING = OFFER_GOT_NOTHING };

/* Of an INVITE without SDP only GLARE and TOO_SOON mean something; otherwise IGNORED: it carries none. */
static const uint8_t means[VIEW_COUNT][KIND_NOTHING] = {
	[VIEW_NONE] = {OFFER_NEW, OFFER_NEW, OFFER_IGNORED, OFFER_IGNORED, OFFER_IGNORED,
		       OFFER_IGNORED},
	[VIEW_OWN] = {OFFER_TOO_SOON, OFFER_TOO_SOON, OFFER_IGNORED, OFFER_IGNORED, OFFER_IGNORED,
		      OFFER_TOO_SOON},
	[VIEW_OTHER] = {OFFER_GLARE, OFFER_ANSWER, OFFER_ANSWER, OFFER_ANSWER, OFFER_PREVIEW,
			OFFER_GLARE},
	[VIEW_AGREED] = {OFFER_NEW, OFFER_NEW, OFFER_IGNORED, OFFER_IGNORED, OFFER_IGNORED,
			 OFFER_IGNORED},
};

static bool is_sent(enum offer_event e)
{
	return e >= OFFER_SENT_REQUEST;
}

static unsigned kind_of(enum offer_event e)
{
	return is_sent(e) ? (unsigned)e - KINDS : (unsigned)e;
}

static enum view view_of(const struct offer *o, bool sent)
{
	switch ((enum offer_state)o->state) {
	case OFFER_OURS: return sent ? VIEW_OWN : VIEW_OTHER;
	case OFFER_THEIRS: return sent ? VIEW_OTHER : VIEW_OWN;
	case OFFER_AGREED: return VIEW_AGREED;
	case OFFER_NONE:
	case OFFER_STATE_COUNT: break;
	}
	return VIEW_NONE;
}

/* Whose INVITE without SDP is open, seen by the speaker. */
static bool has_asked(const struct offer *o, bool sent)
{
	return o->late == (sent ? OFFER_LATE_WE_ASK : OFFER_LATE_THEY_ASK);
}

enum offer_mean offer_check(const struct offer *o, enum offer_event e)
{
	CHECK(o && e < OFFER_EVENT_COUNT);
	bool sent = is_sent(e);
	unsigned kind = kind_of(e);
	enum view view = view_of(o, sent);

	if (kind == KIND_NOTHING)
		return OFFER_IGNORED;
	if (view == VIEW_NONE || view == VIEW_AGREED) {
		bool own = has_asked(o, sent), other = has_asked(o, !sent);
		if (kind == OFFER_GOT_RELIABLE && other)
			return OFFER_NEW;
		if (kind == OFFER_GOT_REQUEST || kind == OFFER_GOT_INVITE) {
			if (own)
				return OFFER_TOO_SOON;
			if (other)
				return OFFER_GLARE;
		}
	}
	return (enum offer_mean)means[view][kind];
}

static void take_back(struct offer *o, bool sent)
{
	enum view view = view_of(o, sent);

	if (view == VIEW_OWN || (view == VIEW_OTHER && has_asked(o, sent)))
		o->state = o->ever ? OFFER_AGREED : OFFER_NONE;
	if (has_asked(o, sent))
		o->late = OFFER_LATE_NOT;
	if (o->state != OFFER_OURS && o->state != OFFER_THEIRS)
		o->preview = false;
}

enum offer_mean offer_step(struct offer *o, enum offer_event e)
{
	enum offer_mean m = offer_check(o, e);
	bool sent = is_sent(e);

	if (kind_of(e) == KIND_NOTHING) {
		take_back(o, sent);
		return m;
	}
	switch (m) {
	case OFFER_NEW:
		o->state = sent ? OFFER_OURS : OFFER_THEIRS;
		o->preview = false;
		break;
	case OFFER_ANSWER:
		o->state = OFFER_AGREED;
		o->late = OFFER_LATE_NOT;
		o->ever = true;
		o->preview = false;
		break;
	case OFFER_PREVIEW: o->preview = true; break;
	case OFFER_IGNORED:
		if (kind_of(e) == OFFER_GOT_INVITE)
			o->late = sent ? OFFER_LATE_WE_ASK : OFFER_LATE_THEY_ASK;
		break;
	case OFFER_GLARE:
	case OFFER_TOO_SOON:
	case OFFER_MEAN_COUNT: break;
	}
	return m;
}

bool offer_is_open(const struct offer *o)
{
	CHECK(o);
	return o->state == OFFER_OURS || o->state == OFFER_THEIRS || o->late != OFFER_LATE_NOT;
}
