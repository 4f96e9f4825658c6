#include "tests/town/parties.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "sbc/core/digest.h"

enum {
	MESSAGE = 8192,
	NEVER_ENDS_MS = 3600 * 1000,
	LEGS_BACK = 64 /* a repeated INVITE is not older than so many */
};

#define SDP                                                                                        \
	"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"                \
	"m=audio 4000 RTP/AVP 8\r\n"

/* ---- small things */

static void keep(char *out, size_t cap, struct str s)
{
	CHECK(s.len < cap);
	memcpy(out, s.p, s.len);
	out[s.len] = 0;
}
#define KEEP(field, s) keep((field), sizeof(field), (s))

static struct str param_free(struct str value)
{
	size_t open = str_find(value, STR("<")), close = str_find(value, STR(">"));
	return open < close && close < value.len
		       ? (struct str){value.p + open + 1, close - open - 1}
		       : value;
}

/* The user part of a SIP URI. */
static struct str user_of(struct str uri)
{
	size_t colon = str_find(uri, STR(":")), at = str_find(uri, STR("@"));
	if (at >= uri.len || colon >= at)
		return STR_NONE;
	return (struct str){uri.p + colon + 1, at - colon - 1};
}

/* ---- messages */

static const char *tls_or_udp(const struct flow *f)
{
	return f->transport == TRANSPORT_TLS ? "TLS" : "UDP";
}

static void write_host(struct buf *b, const struct addr *a)
{
	addr_write_ip(b, a);
}

struct request {
	const char *method, *uri, *from, *to, *call_id, *branch;
	unsigned cseq;
	const char *extra; /* whole header lines */
	bool sdp;
};

static void write_request(struct buf *b, const struct flow *f, const struct request *r)
{
	struct str body = r->sdp ? STR(SDP) : STR_NONE;
	buf_printf(b, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s ", r->method, r->uri, tls_or_udp(f));
	write_host(b, &f->remote);
	buf_printf(b,
		   ":%u;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\n"
		   "Call-ID: %s\r\nCSeq: %u %s\r\n%s",
		   f->remote.port, r->branch, r->from, r->to, r->call_id, r->cseq,
		   strcmp(r->method, "ACK") == 0 && r->sdp ? "INVITE" : r->method,
		   r->extra ? r->extra : "");
	buf_z(b, "Contact: <sip:me@");
	write_host(b, &f->remote);
	buf_printf(b, ":%u%s>\r\n", f->remote.port,
		   f->transport == TRANSPORT_TLS ? ";transport=tls" : "");
	if (r->sdp)
		buf_z(b, "Content-Type: application/sdp\r\n");
	buf_printf(b, "Content-Length: %zu\r\n\r\n", body.len);
	buf_str(b, body);
}

static void write_response(struct buf *b, const struct town_leg *l, unsigned status, bool sdp,
			   const char *contact)
{
	struct str body = sdp ? STR(SDP) : STR_NONE;
	buf_printf(b,
		   "SIP/2.0 %u x\r\n%sFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u INVITE\r\n"
		   "Contact: <sip:",
		   status, l->via, l->from, l->to, l->call_id, l->cseq);
	if (contact) {
		buf_z(b, contact);
	} else {
		buf_z(b, "gw@");
		write_host(b, &l->peer);
		buf_printf(b, ":%u", l->peer.port);
	}
	buf_z(b, ">\r\n");
	if (sdp)
		buf_z(b, "Content-Type: application/sdp\r\n");
	buf_printf(b, "Content-Length: %zu\r\n\r\n", body.len);
	buf_str(b, body);
}

/* Any request in a dialog gets its 200; a new offer with an answer. */
static void write_ok(struct buf *b, const struct msg *m)
{
	size_t cursor = 0;
	struct str via;
	struct str body =
		m->method == METHOD_INVITE || m->method == METHOD_UPDATE ? STR(SDP) : STR_NONE;
	buf_z(b, "SIP/2.0 200 OK\r\n");
	while (msg_next(m, HDR_VIA, &cursor, &via))
		buf_printf(b, "Via: %.*s\r\n", STR_ARG(via));
	buf_printf(b,
		   "From: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n"
		   "Contact: <sip:me@192.0.2.1>\r\n%sContent-Length: %zu\r\n\r\n",
		   STR_ARG(m->from), STR_ARG(m->to), STR_ARG(m->call_id), m->cseq,
		   STR_ARG(m->method_text), body.len ? "Content-Type: application/sdp\r\n" : "",
		   body.len);
	buf_str(b, body);
}

/* ---- who calls */

struct names {
	char uri[256], from[256], call_id[64], branch[64];
};

static void name(const struct town *t, const struct town_call *c, struct names *n)
{
	uint32_t i = (uint32_t)(c - t->calls);
	if (c->kind == TOWN_REGISTER)
		snprintf(n->uri, sizeof(n->uri), "sip:" TOWN_DOMAIN);
	else
		snprintf(n->uri, sizeof(n->uri), "sip:%s@" TOWN_DOMAIN, c->number);
	snprintf(n->from, sizeof(n->from), "<sip:%s@" TOWN_DOMAIN ">;tag=c%u",
		 c->user[0] ? c->user : c->caller, i);
	snprintf(n->call_id, sizeof(n->call_id), "c%u@town", i);
	snprintf(n->branch, sizeof(n->branch), "c%u.%u", i, c->branch);
}

static void ask(struct town *t, struct town_call *c, const char *extra)
{
	char mem[MESSAGE], to[300];
	struct names n;
	struct buf b;
	c->branch++;
	c->cseq++;
	name(t, c, &n);
	snprintf(to, sizeof(to), "<sip:%s@" TOWN_DOMAIN ">",
		 c->kind == TOWN_REGISTER ? c->user : c->number);
	buf_init(&b, mem, sizeof(mem));
	struct request r = {.method = c->kind == TOWN_REGISTER ? "REGISTER" : "INVITE",
			    .uri = n.uri,
			    .from = n.from,
			    .to = to,
			    .call_id = n.call_id,
			    .branch = n.branch,
			    .cseq = c->cseq,
			    .extra = extra,
			    .sdp = c->kind == TOWN_CALL};
	write_request(&b, &c->flow, &r);
	town_say(t, &c->flow, &b);
}

/* In the dialog that it has, or the ACK or CANCEL of its INVITE. */
static void ask_within(struct town *t, struct town_call *c, const char *method, const char *extra)
{
	char mem[MESSAGE];
	struct names n;
	struct buf b;
	const bool ack = strcmp(method, "ACK") == 0, cancel = strcmp(method, "CANCEL") == 0;
	const bool same = cancel || (ack && c->answered_ms == 0);
	if (!same)
		c->branch++;
	if (!ack && !cancel)
		c->cseq++;
	name(t, c, &n);
	buf_init(&b, mem, sizeof(mem));
	char to[300];
	snprintf(to, sizeof(to), "<sip:%s@" TOWN_DOMAIN ">", c->number);
	struct request r = {.method = method,
			    .uri = same ? n.uri : c->target,
			    .from = n.from,
			    .to = cancel ? to : c->to,
			    .call_id = n.call_id,
			    .branch = n.branch,
			    .cseq = c->cseq,
			    .extra = extra};
	write_request(&b, &c->flow, &r);
	town_say(t, &c->flow, &b);
}

static void end_call(struct town *t, struct town_call *c, bool by_us)
{
	if (c->over)
		return;
	c->over = true;
	c->ended_ms = t->clock.now_ms;
	c->ended_by_us = by_us;
}

static void challenged(struct town *t, struct town_call *c, const struct msg *m)
{
	char mem[2048], line[2200];
	struct digest_challenge challenge;
	struct names n;
	struct buf b;
	const bool proxy = m->status == 407;
	c->challenged = true;
	if (!digest_choose(m, proxy ? HDR_PROXY_AUTHENTICATE : HDR_WWW_AUTHENTICATE, STR_NONE,
			   &challenge)) {
		printf("# a challenge that nobody can answer\n");
		t->wrong = true;
		return;
	}
	name(t, c, &n);
	buf_init(&b, mem, sizeof(mem));
	const struct digest_use u = {.challenge = &challenge,
				     .user = str_from(c->user),
				     .password = str_from(c->password),
				     .method = c->kind == TOWN_REGISTER ? STR("REGISTER")
									: STR("INVITE"),
				     .uri = str_from(n.uri),
				     .nc = 1,
				     .cnonce = STR("c0ffee")};
	CHECK(digest_write(&b, &u) == OK);
	snprintf(line, sizeof(line), "%s: %.*s\r\n%s",
		 proxy ? "Proxy-Authorization" : "Authorization", (int)b.len, b.p,
		 c->kind == TOWN_REGISTER ? "Expires: 86400\r\n" : "");
	ask(t, c, line);
}

static void on_answered(struct town *t, struct town_call *c, const struct msg *m)
{
	const uint32_t i = (uint32_t)(c - t->calls);
	KEEP(c->to, m->to);
	KEEP(c->target, param_free(msg_value(m, HDR_CONTACT)));
	const bool first = c->answered_ms == 0;
	if (first)
		c->answered_ms = t->clock.now_ms;
	ask_within(t, c, "ACK", NULL);
	if (!first)
		return;
	if (c->then[0] && c->outcome == TOWN_ANSWERS)
		town_later(t, STEP_REFER, i, c->talk_ms / 2);
	else if (!c->callee_ends)
		town_later(t, STEP_CALLER_ENDS, i, c->talk_ms);
}

static void on_final(struct town *t, struct town_call *c, const struct msg *m)
{
	if (c->kind == TOWN_CALL && m->status >= 300) {
		KEEP(c->to, m->to);
		ask_within(t, c, "ACK", NULL);
	}
	if ((m->status == 401 || m->status == 407) && !c->challenged && c->user[0]) {
		challenged(t, c, m);
		return;
	}
	c->status = m->status;
	if (c->kind == TOWN_CALL && m->status < 300)
		on_answered(t, c, m);
	else
		end_call(t, c, m->status >= 300);
}

static struct town_call *call_of(struct town *t, struct str call_id)
{
	uint32_t i = 0;
	if (call_id.len < 3 || call_id.p[0] != 'c' ||
	    !str_eq(str_from_offset(call_id, str_find(call_id, STR("@"))), STR("@town")))
		return NULL;
	for (size_t k = 1; k < call_id.len && call_id.p[k] != '@'; k++)
		i = i * 10 + (uint32_t)(call_id.p[k] - '0');
	return i < t->call_count ? &t->calls[i] : NULL;
}

/* ---- who is called */

static void answer(struct town *t, struct town_leg *l, unsigned status, bool sdp,
		   const char *contact)
{
	char mem[MESSAGE];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	write_response(&b, l, status, sdp, contact);
	town_say(t, &l->flow, &b);
}

static void leg_ends(struct town *t, struct town_leg *l)
{
	if (!l->over) {
		l->over = true;
		l->ended_ms = t->clock.now_ms;
	}
}

/* The first of those that dialled this number and have not come out yet. */
static uint32_t caller_of(struct town *t, struct str number)
{
	while (t->settled < t->call_count && t->calls[t->settled].over)
		t->settled++;
	if (number.len && number.p[0] == '+')
		number = str_from_offset(number, 1);
	for (uint32_t i = t->settled; i < t->call_count; i++) {
		const struct town_call *c = &t->calls[i];
		struct str dialled = str_from(c->number);
		if (c->kind != TOWN_CALL || c->branch == 0 || c->over || c->has_leg)
			continue;
		if (dialled.len && dialled.p[0] == '+')
			dialled = str_from_offset(dialled, 1);
		if (str_eq(number, dialled))
			return i;
	}
	return UINT32_MAX;
}

static void on_invite(struct town *t, const struct msg *m, const struct flow *f)
{
	char to[300];
	size_t cursor = 0, at = 0;
	struct str via;
	CHECK(t->leg_count < TOWN_LEGS_MAX);
	for (uint32_t k = t->leg_count; k-- > 0 && k + LEGS_BACK >= t->leg_count;)
		if (str_eq(m->call_id, str_from(t->legs[k].call_id)))
			return; /* again: its answer is on its way */
	const uint32_t i = t->leg_count++;
	struct town_leg *l = &t->legs[i];
	*l = (struct town_leg){.began_ms = t->clock.now_ms,
			       .peer = f->remote,
			       .flow = *f,
			       .cseq = m->cseq,
			       .our_cseq = 1000,
			       .of = caller_of(t, user_of(m->uri))};
	KEEP(l->number, user_of(m->uri));
	KEEP(l->call_id, m->call_id);
	KEEP(l->from, m->from);
	snprintf(to, sizeof(to), "%.*s;tag=l%u", STR_ARG(m->to), i);
	KEEP(l->to, str_from(to));
	KEEP(l->target, param_free(msg_value(m, HDR_CONTACT)));
	while (msg_next(m, HDR_VIA, &cursor, &via))
		at += (size_t)snprintf(l->via + at, sizeof(l->via) - at, "Via: %.*s\r\n",
				       STR_ARG(via));
	struct town_call *c = l->of < t->call_count ? &t->calls[l->of] : NULL;
	if (c)
		c->has_leg = true;
	if (c && c->outcome == TOWN_BUSY) {
		answer(t, l, 486, false, NULL);
		leg_ends(t, l);
		return;
	}
	if (c && c->outcome == TOWN_REDIRECTS) {
		char contact[TOWN_TEXT + 32];
		snprintf(contact, sizeof(contact), "%s@" TOWN_DOMAIN, c->then);
		answer(t, l, 302, false, contact);
		leg_ends(t, l);
		return;
	}
	answer(t, l, 180, false, NULL);
	if (c && c->outcome == TOWN_EARLY)
		answer(t, l, 183, true, NULL);
	if (!c || c->outcome == TOWN_ANSWERS)
		town_later(t, STEP_ANSWER, i, c ? c->ring_ms : 1000);
}

static struct town_leg *leg_of(struct town *t, struct str call_id)
{
	for (uint32_t i = t->leg_count; i-- > 0;)
		if (str_eq(call_id, str_from(t->legs[i].call_id)))
			return &t->legs[i];
	return NULL;
}

static void leg_hangs_up(struct town *t, struct town_leg *l)
{
	char mem[MESSAGE], branch[64];
	struct buf b;
	if (l->over || !l->answered_ms)
		return;
	snprintf(branch, sizeof(branch), "l%u.bye", (unsigned)(l - t->legs));
	buf_init(&b, mem, sizeof(mem));
	struct request r = {.method = "BYE",
			    .uri = l->target,
			    .from = l->to,
			    .to = l->from,
			    .call_id = l->call_id,
			    .branch = branch,
			    .cseq = ++l->our_cseq};
	write_request(&b, &l->flow, &r);
	town_say(t, &l->flow, &b);
	leg_ends(t, l);
}

/* ---- what they are told, and what they do */

static void on_request(struct town *t, const struct msg *m, const struct flow *f)
{
	char mem[MESSAGE];
	struct buf b;
	if (m->method == METHOD_ACK)
		return;
	if (m->method == METHOD_INVITE && !m->to_tag.len) {
		on_invite(t, m, f);
		return;
	}
	struct town_call *c = call_of(t, m->call_id);
	struct town_leg *l = c ? NULL : leg_of(t, m->call_id);
	buf_init(&b, mem, sizeof(mem));
	write_ok(&b, m);
	town_say(t, f, &b);
	if (m->method == METHOD_CANCEL && l) {
		answer(t, l, 487, false, NULL);
		leg_ends(t, l);
	} else if (m->method == METHOD_BYE && c) {
		/* Its far end may have hung up just before: then it was that. */
		bool far = false;
		for (uint32_t i = t->leg_count; i-- > 0 && !far;)
			far = t->legs[i].of == (uint32_t)(c - t->calls) && t->legs[i].over;
		end_call(t, c, !far);
	} else if (m->method == METHOD_BYE && l) {
		leg_ends(t, l);
	}
}

void town_party_hear(struct town *t, const struct msg *m, const struct flow *f)
{
	struct town_call *c = m->is_request ? NULL : call_of(t, m->call_id);
	if (m->is_request)
		on_request(t, m, f);
	else if (c && m->status >= 200 &&
		 (m->method == METHOD_INVITE || m->method == METHOD_REGISTER) && m->cseq == c->cseq)
		on_final(t, c, m);
}

void town_party_step(struct town *t, enum town_step what, uint32_t who)
{
	struct town_call *c = &t->calls[who];
	struct town_leg *l = &t->legs[who];
	switch (what) {
	case STEP_CALL:
		c->flow = town_flow(t, &c->from);
		ask(t, c, c->kind == TOWN_REGISTER ? "Expires: 86400\r\n" : NULL);
		if (c->kind == TOWN_CALL && (c->outcome == TOWN_RINGS || c->outcome == TOWN_EARLY))
			town_later(t, STEP_GIVE_UP, who, c->ring_ms);
		break;
	case STEP_GIVE_UP:
		if (c->status == 0 && !c->over)
			ask_within(t, c, "CANCEL", NULL);
		break;
	case STEP_REFER:
		if (!c->over) {
			char refer[128];
			snprintf(refer, sizeof(refer), "Refer-To: <sip:%s@" TOWN_DOMAIN ">\r\n",
				 c->then);
			ask_within(t, c, "REFER", refer);
			town_later(t, STEP_CALLER_ENDS, who, 10000);
		}
		break;
	case STEP_CALLER_ENDS:
		if (!c->over) {
			ask_within(t, c, "BYE", NULL);
			end_call(t, c, false);
		}
		break;
	case STEP_RING: break;
	case STEP_ANSWER:
		if (!l->over) {
			l->answered_ms = t->clock.now_ms;
			answer(t, l, 200, true, NULL);
			if (l->of >= t->call_count)
				town_later(t, STEP_CALLEE_ENDS, who, NEVER_ENDS_MS);
			else if (t->calls[l->of].callee_ends)
				town_later(t, STEP_CALLEE_ENDS, who, t->calls[l->of].talk_ms);
		}
		break;
	case STEP_CALLEE_ENDS: leg_hangs_up(t, l); break;
	}
}
