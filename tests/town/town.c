#include "town.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"
#include "sbc/config.h"
#include "sbc/core/digest.h"
#include "tests/support/cert.h"

enum {
	LATENCY_MS = 5,
	MESSAGE = 8192,
	NEVER_ENDS_MS = 3600 * 1000,
	T1_MS = 500,
	TWICE = 3,     /* what comes twice, for one that is lost */
	LATE_MS = 60,  /* what comes late is overtaken */
	LEGS_BACK = 64 /* a repeated INVITE is not older than so many */
};

#define SDP                                                                                        \
	"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"                \
	"m=audio 4000 RTP/AVP 8\r\n"
#define DOMAIN "office.example"

/* Steps of a party's own, as HAPPEN_SCRIPT; conn is the call or the leg. */
enum step {
	STEP_CALL,
	STEP_CALLER_ENDS,
	STEP_GIVE_UP,
	STEP_REFER,
	STEP_RING,
	STEP_ANSWER,
	STEP_CALLEE_ENDS
};

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

static void later(struct town *t, enum step what, uint32_t who, uint64_t in_ms)
{
	struct happening h = {.kind = HAPPEN_SCRIPT, .to = (int)what, .conn = (int)who};
	clock_plan(&t->clock, &h, t->clock.now_ms + in_ms);
}

/* ---- to the core */

static void step(struct town *t, struct event *e)
{
	e->now_ms = t->clock.now_ms;
	e->wall_ms = t->wall_ms + t->clock.now_ms;
	sbc_step(t->sbc, e);
}

/*
 * The way of a datagram: a party of ours repeats what is lost after T1, and what is not lost, but for its answer, too. The core repeats by
 * itself: what it says may vanish if that is a request or an answer to an INVITE.
 */
static void carry(struct town *t, struct happening *h, bool may_vanish)
{
	const uint64_t now = t->clock.now_ms + LATENCY_MS;
	struct happening copy = *h;
	if (h->id || !t->loss) {
		clock_plan(&t->clock, h, now);
		return;
	}
	if (dice_percent(&t->dice, TWICE * t->loss)) {
		copy.bytes = happening_bytes(h->bytes);
		clock_plan(&t->clock, &copy,
			   now + (dice_percent(&t->dice, 50) ? T1_MS
							     : dice_range(&t->dice, 0, LATE_MS)));
	}
	const bool lost = dice_percent(&t->dice, t->loss);
	if (lost && may_vanish) {
		happening_release(h);
		return;
	}
	clock_plan(
		&t->clock, h,
		now + (lost ? T1_MS : 0) +
			(dice_percent(&t->dice, t->loss) ? dice_range(&t->dice, 0, LATE_MS) : 0));
}

static void say(struct town *t, const struct flow *f, const struct buf *b)
{
	struct happening h = {.kind = HAPPEN_DATAGRAM, .id = f->id, .conn = f->listener};
	CHECK(!b->overflow);
	h.from = f->remote;
	h.to = -1;
	h.bytes = happening_bytes(buf_view(b));
	carry(t, &h, false);
}

static uint16_t listener_of(const struct town *t, bool inside, enum transport transport)
{
	for (size_t i = 0; i < t->settings->listener_count; i++) {
		const struct listener *l = &t->settings->listeners[i];
		if (l->transport == transport &&
		    str_eq(t->settings->realms[l->realm].name, STR("inside")) == inside)
			return (uint16_t)i;
	}
	CHECK(!"a listener that the configuration lacks");
	return 0;
}

/* One connection for each address and certificate. */
static id_t64 connection(struct town *t, const struct addr *remote, const char *certificate)
{
	struct str name = certificate ? str_from(certificate) : STR_NONE;
	uint32_t i = 0;
	for (; i < t->flow_count; i++)
		if (addr_eq(&t->flow_remote[i], remote) &&
		    (t->tls[i].name_count ? str_eq(t->tls[i].names[0], name) : name.len == 0))
			return (id_t64)i + 1;
	CHECK(t->flow_count < TOWN_FLOWS_MAX);
	t->flow_count++;
	t->flow_remote[i] = *remote;
	t->tls[i] = (struct tls_facts){.version = STR("TLSv1.3"),
				       .cipher = STR("TLS_AES_256_GCM_SHA384"),
				       .verified = name.len > 0,
				       .names = {name},
				       .name_count = name.len > 0};
	return (id_t64)i + 1;
}

static struct flow flow_of(struct town *t, const struct town_source *s)
{
	struct flow f = {.transport = s->tls ? TRANSPORT_TLS : TRANSPORT_UDP};
	CHECK(addr_parse_ip(str_from(s->address), &f.remote) == OK);
	f.remote.port = 5060;
	f.listener = listener_of(t, s->inside, f.transport);
	if (s->tls)
		f.id = connection(t, &f.remote, s->certificate);
	return f;
}

static void hear(struct town *t, const struct happening *h)
{
	const struct listener *l = &t->settings->listeners[h->conn];
	struct event e = {.type = EVENT_MESSAGE};
	e.message.flow = (struct flow){.id = h->id,
				       .listener = (uint16_t)h->conn,
				       .transport = l->transport,
				       .remote = h->from};
	e.message.bytes = h->bytes;
	e.message.tls = h->id ? &t->tls[h->id - 1] : NULL;
	step(t, &e);
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
		snprintf(n->uri, sizeof(n->uri), "sip:" DOMAIN);
	else
		snprintf(n->uri, sizeof(n->uri), "sip:%s@" DOMAIN, c->number);
	snprintf(n->from, sizeof(n->from), "<sip:%s@" DOMAIN ">;tag=c%u",
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
	snprintf(to, sizeof(to), "<sip:%s@" DOMAIN ">",
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
	say(t, &c->flow, &b);
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
	snprintf(to, sizeof(to), "<sip:%s@" DOMAIN ">", c->number);
	struct request r = {.method = method,
			    .uri = same ? n.uri : c->target,
			    .from = n.from,
			    .to = cancel ? to : c->to,
			    .call_id = n.call_id,
			    .branch = n.branch,
			    .cseq = c->cseq,
			    .extra = extra};
	write_request(&b, &c->flow, &r);
	say(t, &c->flow, &b);
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
		later(t, STEP_REFER, i, c->talk_ms / 2);
	else if (!c->callee_ends)
		later(t, STEP_CALLER_ENDS, i, c->talk_ms);
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
	say(t, &l->flow, &b);
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
		snprintf(contact, sizeof(contact), "%s@" DOMAIN, c->then);
		answer(t, l, 302, false, contact);
		leg_ends(t, l);
		return;
	}
	answer(t, l, 180, false, NULL);
	if (c && c->outcome == TOWN_EARLY)
		answer(t, l, 183, true, NULL);
	if (!c || c->outcome == TOWN_ANSWERS)
		later(t, STEP_ANSWER, i, c ? c->ring_ms : 1000);
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
	say(t, &l->flow, &b);
	leg_ends(t, l);
}

/* ---- from the core */

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
	say(t, f, &b);
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

static void deliver(struct town *t, const struct happening *h)
{
	static struct msg m;
	struct flow f = {.id = h->id,
			 .listener = (uint16_t)h->conn,
			 .transport = t->settings->listeners[h->conn].transport,
			 .remote = h->from};
	if (msg_index(&m, h->bytes, 0) != OK) {
		printf("# the core says what nobody understands: %.*s\n", STR_ARG(h->bytes));
		t->wrong = true;
		return;
	}
	if (m.is_request) {
		on_request(t, &m, &f);
		return;
	}
	struct town_call *c = call_of(t, m.call_id);
	if (c && m.status >= 200 && (m.method == METHOD_INVITE || m.method == METHOD_REGISTER) &&
	    m.cseq == c->cseq)
		on_final(t, c, &m);
}

static void port_send(void *ctx, const struct dest *d, struct str bytes, id_t64 tag)
{
	struct town *t = ctx;
	struct happening h = {.kind = HAPPEN_DATAGRAM,
			      .id = d->flow.id,
			      .conn = d->flow.listener,
			      .to = 0,
			      .from = d->flow.remote};
	(void)tag;
	if (t->verbose)
		printf("%llu core -> %.*s\n", (unsigned long long)t->clock.now_ms,
		       (int)str_find(bytes, STR("\r")), bytes.p);
	h.bytes = happening_bytes(bytes);
	carry(t, &h,
	      str_find(bytes, STR(" INVITE\r\n")) < bytes.len ||
		      !str_has_prefix(bytes, STR("SIP/2.0")));
}

static void port_resolve(void *ctx, const struct resolve_query *q, id_t64 id)
{
	struct town *t = ctx;
	struct happening h = {.kind = HAPPEN_RESOLVED, .id = id};
	(void)q;
	clock_plan(&t->clock, &h, t->clock.now_ms + 1);
}

static void port_relay(void *ctx, const struct relay_query *q, id_t64 id)
{
	struct town *t = ctx;
	struct happening h = {.kind = HAPPEN_RELAY, .id = id};
	(void)q;
	clock_plan(&t->clock, &h, t->clock.now_ms + 1);
}

static void port_close(void *ctx, id_t64 flow)
{
	(void)ctx;
	(void)flow;
}

static void note_refusal(struct town *t, const struct verdict *v)
{
	uint32_t i = 0;
	for (; i < t->refusal_count; i++)
		if (str_eq(v->rule, str_from(t->refusals[i].rule)))
			break;
	if (i == t->refusal_count) {
		CHECK(i < TOWN_RULES_MAX);
		t->refusal_count++;
		KEEP(t->refusals[i].rule, v->rule);
		KEEP(t->refusals[i].stage, str_from(verdict_stage_name(v->stage)));
	}
	t->refusals[i].count++;
}

static void port_publish(void *ctx, const struct notice *n)
{
	struct town *t = ctx;
	if (n->type == NOTICE_REFUSED)
		note_refusal(t, n->verdict);
	t->cdrs += n->type == NOTICE_CALL_ENDED;
}

/* ---- life */

/* The text with its two places filled in, for free(). */
static char *read_config(const char *path, const char *certificates)
{
	static const char *const names[] = {"@CERT@", "@ETC@"};
	char text[64 * 1024], etc[PATH_MAX] = "";
	const char *const values[] = {certificates, etc};
	CHECK(realpath("etc", etc) != NULL);
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = 0;
	char *out = calloc(1, sizeof(text) * 2), *to = out;
	CHECK(out != NULL && n > 0);
	for (const char *p = text; *p;) {
		size_t i = 0;
		while (i < ARRAY_LEN(names) && strncmp(p, names[i], strlen(names[i])) != 0)
			i++;
		if (i < ARRAY_LEN(names)) {
			to = stpcpy(to, values[i]);
			p += strlen(names[i]);
		} else {
			*to++ = *p++;
		}
	}
	return out;
}

static struct settings *load(const char *path)
{
	char folder[] = "/tmp/sallyport-town-XXXXXX", chain[64], key[64];
	struct conf_report report;
	struct settings *s = NULL;
	struct cert c;
	CHECK(mkdtemp(folder) != NULL);
	snprintf(chain, sizeof(chain), "%s/edge.pem", folder);
	snprintf(key, sizeof(key), "%s/edge.key", folder);
	cert_init(&c, &(struct cert_params){.cn = DOMAIN, .san = "DNS:" DOMAIN});
	cert_save(&c, chain, key);
	cert_release(&c);
	char *text = read_config(path, folder);
	CHECK(conf_report_init(&report) == OK);
	enum err e = config_load_text(str_from(path), str_from(text), &report, &s);
	for (size_t i = 0; e != OK && i < report.count; i++)
		if (!report.messages[i].warning)
			printf("# %.*s\n", STR_ARG(report.messages[i].text));
	conf_report_release(&report);
	free(text);
	unlink(chain);
	unlink(key);
	rmdir(folder);
	return s;
}

bool town_init(struct town *t, const char *config, uint64_t wall_ms, uint64_t seed)
{
	*t = (struct town){.wall_ms = wall_ms};
	clock_init(&t->clock, 1000);
	dice_init(&t->dice, seed, 7);
	t->calls = calloc(TOWN_CALLS_MAX, sizeof(*t->calls));
	t->legs = calloc(TOWN_LEGS_MAX, sizeof(*t->legs));
	CHECK(t->calls && t->legs);
	t->settings = load(config);
	if (!t->settings)
		return false;
	struct sbc_params p = {.settings = t->settings,
			       .ports = {.ctx = t,
					 .send = port_send,
					 .resolve = port_resolve,
					 .relay = port_relay,
					 .publish = port_publish,
					 .close = port_close},
			       .now_ms = t->clock.now_ms,
			       .wall_ms = wall_ms + t->clock.now_ms};
	memset(p.seed, (int)seed, sizeof(p.seed));
	return sbc_new(&t->sbc, &p) == OK;
}

void town_release(struct town *t)
{
	sbc_free(&t->sbc);
	config_free(t->settings);
	clock_release(&t->clock);
	free(t->calls);
	free(t->legs);
}

uint32_t town_plan(struct town *t, uint64_t at_ms, const struct town_call *c)
{
	CHECK(t->call_count < TOWN_CALLS_MAX);
	const uint32_t i = t->call_count++;
	t->calls[i] = *c;
	struct happening h = {.kind = HAPPEN_SCRIPT, .to = STEP_CALL, .conn = (int)i};
	clock_plan(&t->clock, &h, at_ms);
	return i;
}

static void on_step(struct town *t, enum step what, uint32_t who)
{
	struct town_call *c = &t->calls[who];
	struct town_leg *l = &t->legs[who];
	switch (what) {
	case STEP_CALL:
		c->flow = flow_of(t, &c->from);
		ask(t, c, c->kind == TOWN_REGISTER ? "Expires: 86400\r\n" : NULL);
		if (c->kind == TOWN_CALL && (c->outcome == TOWN_RINGS || c->outcome == TOWN_EARLY))
			later(t, STEP_GIVE_UP, who, c->ring_ms);
		break;
	case STEP_GIVE_UP:
		if (c->status == 0 && !c->over)
			ask_within(t, c, "CANCEL", NULL);
		break;
	case STEP_REFER:
		if (!c->over) {
			char refer[128];
			snprintf(refer, sizeof(refer), "Refer-To: <sip:%s@" DOMAIN ">\r\n",
				 c->then);
			ask_within(t, c, "REFER", refer);
			later(t, STEP_CALLER_ENDS, who, 10000);
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
				later(t, STEP_CALLEE_ENDS, who, NEVER_ENDS_MS);
			else if (t->calls[l->of].callee_ends)
				later(t, STEP_CALLEE_ENDS, who, t->calls[l->of].talk_ms);
		}
		break;
	case STEP_CALLEE_ENDS: leg_hangs_up(t, l); break;
	}
}

static void happen(struct town *t, struct happening *h)
{
	struct event e = {0};
	if (h->kind == HAPPEN_SCRIPT) {
		on_step(t, (enum step)h->to, (uint32_t)h->conn);
	} else if (h->kind == HAPPEN_DATAGRAM && h->to < 0) {
		hear(t, h);
	} else if (h->kind == HAPPEN_DATAGRAM) {
		deliver(t, h);
	} else if (h->kind == HAPPEN_RESOLVED) { /* every name is unknown */
		e.type = EVENT_RESOLVED;
		e.resolved.id = h->id;
		step(t, &e);
	} else {
		e.type = EVENT_RELAY_REPLY;
		e.relay.id = h->id;
		e.relay.result = RELAY_RESULT_ERROR;
		step(t, &e);
	}
	happening_release(h);
}

void town_run(struct town *t, uint64_t until_ms)
{
	struct happening h;
	for (;;) {
		uint64_t a = clock_next_ms(&t->clock), b = sbc_next_ms(t->sbc);
		uint64_t next = a < b ? a : b;
		if (next > until_ms)
			break;
		if (next > t->clock.now_ms)
			t->clock.now_ms = next;
		if (b <= t->clock.now_ms) {
			struct event e = {.type = EVENT_TICK};
			step(t, &e);
		} else if (clock_take(&t->clock, &h)) {
			happen(t, &h);
		}
	}
	if (until_ms != UINT64_MAX && until_ms > t->clock.now_ms)
		t->clock.now_ms = until_ms;
}

void town_end(struct town *t)
{
	struct sbc_counts n;
	for (uint32_t i = 0; i < t->leg_count; i++)
		leg_hangs_up(t, &t->legs[i]);
	town_run(t, t->clock.now_ms + 10 * TOWN_MINUTE_MS);
	sbc_count(t->sbc, &n);
	if (n.calls || n.admitted) {
		printf("# %u calls are left, %u sessions counted\n", n.calls, n.admitted);
		t->wrong = true;
	}
}

struct town_sum town_sum_of(const struct town *t, const char *prefix)
{
	struct town_sum s = {0};
	for (uint32_t i = 0; i < t->leg_count; i++) {
		const struct town_leg *l = &t->legs[i];
		const char *number = l->number[0] == '+' ? l->number + 1 : l->number;
		if (strncmp(number, prefix, strlen(prefix)) != 0)
			continue;
		s.reached++;
		s.answered += l->answered_ms > 0;
		if (l->answered_ms)
			s.talked_ms += (l->over ? l->ended_ms : t->clock.now_ms) - l->answered_ms;
	}
	return s;
}

uint32_t town_refused_by(const struct town *t, const char *rule)
{
	for (uint32_t i = 0; i < t->refusal_count; i++)
		if (strcmp(t->refusals[i].rule, rule) == 0)
			return t->refusals[i].count;
	return 0;
}
