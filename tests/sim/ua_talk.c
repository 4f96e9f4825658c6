#include "tests/sim/ua_talk.h"

#include <string.h>

#include "common/check.h"
#include "tests/sim/ua_inside.h"

enum { SDP_BYTES = 2048 };

void ua_talk_init(struct ua_talk *t, unsigned fork)
{
	*t = (struct ua_talk){.fork = fork, .count = 1};
	t->ours[0] = (struct sdp_line){.kind = SDP_AUDIO, .on = true, .dir = SDP_BOTH};
}

/* ---- writing */

static void write_line(struct ua *u, struct buf *b, const struct ua_talk *t, unsigned i)
{
	static const char *const dirs[] = {"inactive", "sendonly", "recvonly", "sendrecv"};
	const struct sdp_line *l = &t->ours[i];
	unsigned port = l->on ? 20000 + 100 * t->fork + 2 * i : 0;
	const char *proto = u->plan.srtp ? "RTP/SAVP" : "RTP/AVP";
	switch ((enum sdp_kind)l->kind) {
	case SDP_AUDIO:
	case SDP_OTHER:
		buf_printf(b,
			   "m=audio %u %s 8 0 101\r\ni=%s\r\na=rtpmap:8 PCMA/8000\r\n"
			   "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
			   "a=fmtp:101 0-15\r\n",
			   port, proto, u->p.mark);
		break;
	case SDP_VIDEO:
		buf_printf(b, "m=video %u %s 96\r\na=rtpmap:96 H264/90000\r\n", port, proto);
		break;
	case SDP_IMAGE:
		buf_printf(b, "m=image %u udptl t38\r\na=T38FaxVersion:0\r\n", port);
		return;
	}
	if (l->on && u->plan.srtp)
		buf_printf(b,
			   "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
			   "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGV%u\r\n",
			   t->fork);
	buf_printf(b, "a=%s\r\n", dirs[l->dir]);
}

/* With all that a phone might say of itself: none of it may reach the other side. */
static void write_rest(struct ua *u, struct buf *b, const struct ua_talk *t)
{
	buf_printf(b, "s=%s session\r\ni=%s\r\ne=%s@inside.example\r\nc=IN IP4 ", u->p.mark,
		   u->p.mark, u->p.mark);
	addr_write_ip(b, &u->p.addr);
	buf_printf(b, "\r\nt=0 0\r\na=tool:%s 1.2.3\r\n", u->p.mark);
	for (unsigned i = 0; i < t->count; i++)
		write_line(u, b, t, i);
	buf_printf(b, "a=label:%s\r\na=ssrc:77 cname:sip:%s@", u->p.mark, u->p.mark);
	addr_write_ip(b, &u->p.addr);
	buf_printf(b, "\r\na=X-%s:", u->p.mark);
	addr_write_ip(b, &u->p.addr);
	buf_lit(b, "\r\n");
}

/* The version moves if, and only if, the rest does (RFC 3264 §8). */
static struct str describe(struct ua *u, struct ua_talk *t)
{
	char rest[SDP_BYTES], mem[SDP_BYTES];
	struct buf r, b;
	buf_init(&r, rest, sizeof(rest));
	buf_init(&b, mem, sizeof(mem));
	write_rest(u, &r, t);
	struct str view = buf_view(&r);
	if (!str_has_suffix(t->text, view) || !t->text.len)
		t->version++;
	else
		return t->text;
	buf_printf(&b, "v=0\r\no=%s 77%u %u IN IP4 ", u->p.mark, t->fork, t->version);
	addr_write_ip(&b, &u->p.addr);
	buf_lit(&b, "\r\n");
	buf_str(&b, view);
	CHECK(!b.overflow && view.len);
	t->text = ua_keep(u, buf_view(&b));
	return t->text;
}

/* The direction that fits theirs, as far as we want it ourselves. */
static void answer_lines(struct ua *u, struct ua_talk *t)
{
	for (unsigned i = 0; i < t->theirs_count; i++) {
		const struct sdp_line *l = &t->theirs[i];
		uint8_t fits = (uint8_t)((l->dir & SDP_SEND ? SDP_RECV : 0) |
					 (l->dir & SDP_RECV ? SDP_SEND : 0));
		bool ok = l->on && l->kind != SDP_OTHER &&
			  !(l->kind == SDP_VIDEO && u->plan.no_video);
		/* Who holds goes on holding: both may (RFC 6337 §5.3). */
		t->ours[i] = (struct sdp_line){.kind = l->kind,
					       .on = ok,
					       .dir = t->holds ? (uint8_t)(fits & SDP_SEND) : fits};
	}
	t->count = t->theirs_count;
}

struct str ua_talk_say(struct ua *u, struct ua_talk *t, bool preview)
{
	if (t->state == UA_TALK_THEIRS) {
		answer_lines(u, t);
		struct str text = describe(u, t);
		if (!preview) {
			t->agreed_count = t->count;
			t->state = UA_TALK_IDLE;
			t->ever = true;
		}
		return text;
	}
	if (t->state == UA_TALK_IDLE)
		t->state = UA_TALK_OURS;
	return describe(u, t);
}

/* ---- reading */

/* Versions of offers that had to wait and were never said so. */
enum { UNSAID_MAX = 2 };

static void check_origin(struct ua *u, const struct ua_talk *t, const struct sdp_text *s,
			 struct str body)
{
	if (!t->session.len)
		return;
	bool same = str_eq(body, t->seen);
	if (!str_eq(s->session, t->session))
		ua_fault(u, INV_ORIGIN, "was given the session %.*s after %.*s",
			 STR_ARG(s->session), STR_ARG(t->session));
	else if (!same && s->version <= t->seen_version)
		ua_fault(u, INV_ORIGIN, "was given another SDP of version %llu after %llu",
			 (unsigned long long)s->version, (unsigned long long)t->seen_version);
	else if (!same && s->version > t->seen_version + 1 + UNSAID_MAX &&
		 s->version > t->skipped + 1 && !t->forked)
		ua_fault(u, INV_ORIGIN, "was given version %llu after %llu",
			 (unsigned long long)s->version, (unsigned long long)t->seen_version);
}

static void check_answer(struct ua *u, const struct ua_talk *t, const struct sdp_text *s)
{
	if (s->count != t->count) {
		ua_fault(u, INV_LINES, "offered %u m= lines and got %u", t->count, s->count);
		return;
	}
	for (unsigned i = 0; i < s->count; i++) {
		const struct sdp_line *o = &t->ours[i], *a = &s->lines[i];
		if (a->kind != o->kind)
			ua_fault(u, INV_LINES, "got line %u back as another medium", i);
		if (a->on && !o->on)
			ua_fault(u, INV_LINES, "got line %u on that it had offered off", i);
		if (a->on && o->on && a->kind != SDP_IMAGE &&
		    (((a->dir & SDP_SEND) && !(o->dir & SDP_RECV)) ||
		     ((a->dir & SDP_RECV) && !(o->dir & SDP_SEND))))
			ua_fault(u, INV_LINES, "got direction %u for its %u", a->dir, o->dir);
	}
}

static void check_place(struct ua *u, const struct sdp_text *s)
{
	bool any = false, plain = false;
	for (unsigned i = 0; i < s->count; i++) {
		any |= s->lines[i].on;
		plain |= s->lines[i].on && !s->lines[i].secure && s->lines[i].kind != SDP_IMAGE;
	}
	if (u->p.media_relay.family != ADDR_NONE && any &&
	    (!s->one_place || !addr_eq_ip(&s->where, &u->p.media_relay)))
		ua_fault(u, INV_MEDIA_PATH, "got SDP that does not lead to the relay");
	if (u->plan.srtp && plain)
		ua_fault(u, INV_ENCRYPTED, "got SDP without SRTP");
}

bool ua_talk_hear(struct ua *u, struct ua_talk *t, struct str body, enum ua_sdp_role role)
{
	struct sdp_text s;
	if (!sdp_text_read(body, &s)) {
		ua_fault(u, INV_FORM, "got what is no SDP");
		return false;
	}
	check_origin(u, t, &s, body);
	check_place(u, &s);
	if (role == UA_SDP_OFFER && s.count < t->agreed_count)
		ua_fault(u, INV_LINES, "was offered %u m= lines after %u", s.count,
			 t->agreed_count);
	if (role != UA_SDP_OFFER)
		check_answer(u, t, &s);
	/* What a 183 has told stands in the 200 as well (RFC 3261 §13.2.1). */
	if (t->previewed && role != UA_SDP_OFFER && !str_eq(t->seen, body))
		ua_fault(u, INV_OFFER, "got another answer than the one before in a 1xx");
	t->seen = ua_keep(u, body);
	CHECK(sdp_text_read(t->seen, &s));
	t->session = s.session;
	t->seen_version = s.version;
	if (role == UA_SDP_OFFER) {
		memcpy(t->theirs_before, t->theirs, sizeof(t->theirs));
		t->theirs_count_before = t->theirs_count;
	}
	memcpy(t->theirs, s.lines, sizeof(s.lines));
	t->theirs_count = s.count;
	t->previewed = role == UA_SDP_PREVIEW;
	if (role == UA_SDP_OFFER)
		t->state = UA_TALK_THEIRS;
	if (role == UA_SDP_ANSWER) {
		t->agreed_count = s.count;
		for (unsigned i = 0; i < t->count && i < s.count; i++)
			t->ours[i].on &= s.lines[i].on;
		t->state = UA_TALK_IDLE;
		t->ever = true;
	}
	return true;
}

void ua_talk_ignore(struct ua *u, struct ua_talk *t, struct str body)
{
	struct sdp_text s;
	if (!sdp_text_read(body, &s))
		return;
	if (s.version > t->skipped)
		t->skipped = s.version;
	check_origin(u, t, &s, body);
}

void ua_talk_drop(struct ua_talk *t, enum ua_talk_state whose)
{
	if (t->state != whose)
		return;
	if (whose == UA_TALK_OURS && t->before_count) {
		memcpy(t->ours, t->before, sizeof(t->ours));
		t->count = t->before_count;
		t->holds = t->held_before;
	}
	if (whose == UA_TALK_THEIRS) {
		memcpy(t->theirs, t->theirs_before, sizeof(t->theirs));
		t->theirs_count = t->theirs_count_before;
	}
	t->state = UA_TALK_IDLE;
}

/* ---- changing */

void ua_talk_keep(struct ua_talk *t)
{
	memcpy(t->before, t->ours, sizeof(t->ours));
	t->before_count = t->count;
	t->held_before = t->holds;
}

bool ua_talk_turn(struct ua_talk *t, uint8_t dir)
{
	bool changed = false;
	ua_talk_keep(t);
	t->holds = !(dir & SDP_RECV);
	for (unsigned i = 0; i < t->count; i++) {
		changed |= t->ours[i].dir != dir;
		t->ours[i].dir = dir;
	}
	return changed;
}

bool ua_talk_video(struct ua_talk *t, bool on)
{
	ua_talk_keep(t);
	for (unsigned i = 0; i < t->count; i++)
		if (t->ours[i].kind == SDP_VIDEO) {
			bool changed = t->ours[i].on != on;
			t->ours[i].on = on;
			t->ours[i].dir = SDP_BOTH;
			return changed;
		}
	if (!on || t->count == SDP_LINES)
		return false;
	t->ours[t->count++] = (struct sdp_line){.kind = SDP_VIDEO, .on = true, .dir = SDP_BOTH};
	return true;
}

bool ua_talk_fax(struct ua_talk *t, bool on)
{
	uint8_t kind = on ? SDP_IMAGE : SDP_AUDIO;
	ua_talk_keep(t);
	if (t->ours[0].kind == kind)
		return false;
	t->ours[0] = (struct sdp_line){.kind = kind, .on = true, .dir = SDP_BOTH};
	return true;
}
