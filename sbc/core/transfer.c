#include "sbc/core/transfer.h"

#include <string.h>

#include "sbc/core/call_media.h"
#include "sbc/core/setup.h"
#include "sbc/core/transfer_join.h"

/* ---- answers */

static void answer(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
		   const struct flow *f, uint16_t status, struct str lines)
{
	struct asker a;
	char contact[512];
	struct buf contact_buf;

	buf_init(&contact_buf, contact, sizeof(contact));
	if (asker_serve(s, &a, c->settings, m, f, ID_NONE) != OK) {
		worker_reply(s, m, f, 503, STR_NONE, STR("Retry-After: 5\r\n"));
		return;
	}
	struct build_response r = {.status = status,
				   .contact = status < 300 ? call_contact(c, side, &contact_buf)
							   : STR_NONE,
				   .headers = lines};
	asker_respond(s, &a, &r);
}

static void refuse(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
		   const struct flow *f, uint16_t status, struct str rule)
{
	struct verdict v = {.outcome = VERDICT_REJECT,
			    .stage = status == 603 || status == 403 ? VERDICT_STAGE_ROUTE
								    : VERDICT_STAGE_PARSE,
			    .status = status,
			    .rule = rule};

	worker_refused(s, c->settings, f, m, c->leg[side].trunk, &v);
	answer(s, c, side, m, f, status, status == 489 ? STR("Allow-Events: refer\r\n") : STR_NONE);
}

const uint32_t transfer_methods = 1u << METHOD_REFER | 1u << METHOD_NOTIFY | 1u << METHOD_SUBSCRIBE;

static enum refer_policy policy_of(const struct call *c, unsigned side)
{
	uint16_t trunk = c->leg[side].trunk;

	return trunk < c->settings->trunk_count ? c->settings->trunks[trunk].habits.refer
						: REFER_REJECT;
}

uint32_t transfer_allowed(const struct call *c, unsigned to, const struct msg *m)
{
	bool far = !m || !msg_has(m, HDR_ALLOW) || msg_has_token(m, HDR_ALLOW, STR("REFER"));
	uint32_t methods = 0;

	switch (policy_of(c, to)) {
	case REFER_LOCAL: methods = 1u << METHOD_REFER; break;
	case REFER_PASS: methods = far ? 1u << METHOD_REFER : 0; break;
	case REFER_REJECT:
	case REFER_POLICY_COUNT: break;
	}
	if (policy_of(c, 1 - to) == REFER_PASS)
		methods |= 1u << METHOD_NOTIFY;
	return methods;
}

bool transfer_replaces(const struct call *c, unsigned to)
{
	return policy_of(c, to) != REFER_REJECT || policy_of(c, 1 - to) == REFER_PASS;
}

/* ---- the implicit subscription */

enum { NOTIFY_EXPIRES_S = 180 };

void transfer_notify(struct sbc *s, struct transfer *x, uint16_t status, bool final)
{
	struct call *c = call_find(s, x->from);
	char lines_mem[160], body_mem[160], contact_mem[512];
	struct buf lines, body, contact;

	if (!c || !x->notify)
		return;
	buf_init(&lines, lines_mem, sizeof(lines_mem));
	buf_init(&body, body_mem, sizeof(body_mem));
	buf_init(&contact, contact_mem, sizeof(contact_mem));
	buf_lit(&lines, "Event: refer");
	if (x->numbered)
		buf_printf(&lines, ";id=%u", x->cseq);
	buf_lit(&lines, "\r\n");
	refer_state_write(&lines, final ? REFER_TERMINATED : REFER_ACTIVE, NOTIFY_EXPIRES_S);
	refer_frag_write(&body, status);
	struct dialog *d = &c->leg[x->referrer].dialog;
	struct build_request r = {.method = STR("NOTIFY"),
				  .cseq = dialog_next_cseq(d),
				  .contact = call_contact(c, x->referrer, &contact),
				  .headers = buf_view(&lines),
				  .content_type = STR("message/sipfrag;version=2.0"),
				  .body = buf_view(&body)};
	/* What becomes of it matters to no one: a referrer that does not listen hinders no transfer. */
	call_send_request(s, c, x->referrer, d, &r, ID_NONE);
	if (final)
		x->notify = false;
}

/* A refresh of the subscription, or its end. */
static void on_subscribe(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
			 const struct flow *f)
{
	struct transfer *x = pool_find(&s->transfers, c->transfer);
	uint32_t expires = NOTIFY_EXPIRES_S;

	if (!x || x->from != c->id || x->referrer != side || !x->notify) {
		answer(s, c, side, m, f, 481, STR_NONE);
		return;
	}
	if (msg_has(m, HDR_EXPIRES) &&
	    hdr_delta_parse(msg_value(m, HDR_EXPIRES), &expires, NULL) != OK) {
		refuse(s, c, side, m, f, 400, STR("refer-expires"));
		return;
	}
	if (expires > NOTIFY_EXPIRES_S)
		expires = NOTIFY_EXPIRES_S;
	char mem[32];
	struct buf lines;
	buf_init(&lines, mem, sizeof(mem));
	buf_printf(&lines, "Expires: %u\r\n", expires);
	answer(s, c, side, m, f, 200, buf_view(&lines));
	transfer_notify(s, x, 100, expires == 0);
}

/* ---- REFER that we carry out */

/* The party that is referred, as it would call by itself. Into `b`. */
static void write_invite(struct buf *b, const struct call *c, unsigned referred,
			 const struct msg *refer, const struct refer_to *to)
{
	const struct dialog *d = &c->leg[referred].dialog, *shown = &c->leg[1 - referred].dialog;
	struct str from = dialog_get(d, DIALOG_REMOTE);
	const struct str hidden = STR("anonymous.invalid");
	struct uri u = to->uri;

	/* Who hid from the other party hides from the next. */
	if (referred == 0 &&
	    str_find(dialog_get(shown, DIALOG_LOCAL), hidden) < dialog_get(shown, DIALOG_LOCAL).len)
		from = STR("\"Anonymous\" <sip:anonymous@anonymous.invalid>");
	u.headers = u.params = u.password = STR_NONE;
	buf_lit(b, "INVITE ");
	uri_write(b, &u);
	buf_lit(b, " SIP/2.0\r\nVia: SIP/2.0/UDP refer.invalid;branch=z9hG4bKrefer\r\n"
		   "Max-Forwards: 70\r\nFrom: ");
	buf_str(b, from);
	buf_lit(b, ";tag=refer\r\nTo: <");
	uri_write(b, &u);
	buf_lit(b, ">\r\nCall-ID: refer\r\nCSeq: 1 INVITE\r\nContact: <");
	buf_str(b, dialog_get(d, DIALOG_TARGET));
	buf_lit(b, ">\r\n");
	struct str by = msg_value(refer, HDR_REFERRED_BY);
	if (by.len && hdr_is_clean(by)) {
		buf_lit(b, "Referred-By: ");
		buf_str(b, by);
		buf_lit(b, "\r\n");
	}
	if (to->has_replaces) {
		buf_lit(b, "Replaces: ");
		refer_replaces_write(b, &to->replaces);
		buf_lit(b, "\r\n");
	}
	buf_lit(b, "Content-Length: 0\r\n\r\n");
}

static struct transfer *transfer_new(struct sbc *s)
{
	id_t64 id;
	struct transfer *x = pool_new(&s->transfers, &id);

	if (x)
		*x = (struct transfer){.id = id};
	return x;
}

static void accept(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
		   const struct flow *f)
{
	buf_reset(&s->lines);
	if (!refer_wants_notify(m))
		buf_lit(&s->lines, "Refer-Sub: false\r\n");
	answer(s, c, side, m, f, 202, buf_view(&s->lines));
}

static void carry_out(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
		      const struct flow *f, const struct refer_to *to)
{
	char mem[8192];
	struct buf invite;
	struct transfer *x = transfer_new(s);

	buf_init(&invite, mem, sizeof(mem));
	write_invite(&invite, c, 1 - side, m, to);
	if (!x || invite.overflow) {
		if (x)
			pool_free(&s->transfers, x->id);
		refuse(s, c, side, m, f, 503, STR("refer-limit"));
		return;
	}
	x->from = c->id;
	x->referrer = (uint8_t)side;
	x->cseq = m->cseq;
	x->notify = refer_wants_notify(m);
	x->numbered = c->refers > 0;
	if (c->refers < UINT8_MAX)
		c->refers++;
	c->transfer = x->id;
	accept(s, c, side, m, f);
	transfer_notify(s, x, 100, false);
	transfer_begin(s, x, c, buf_view(&invite), f);
}

static void on_refer(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
		     const struct flow *f)
{
	char mem[REFER_REPLACES_MAX];
	struct refer_to to;

	if (refer_to_of(m, mem, &to) != OK)
		refuse(s, c, side, m, f, 400, STR("refer-to"));
	else if (to.uri.scheme == URI_OTHER)
		refuse(s, c, side, m, f, 416, STR("refer-scheme"));
	else if (to.method.len && !str_eq(to.method, STR("INVITE")))
		refuse(s, c, side, m, f, 603, STR("refer-method"));
	else if (c->transfer != ID_NONE || c->state != CALL_CONFIRMED || transfer_is_alone(c, side))
		refuse(s, c, side, m, f, 491, STR("refer-pending"));
	else if (c->transfers >= TRANSFER_DEPTH_MAX || s->draining)
		refuse(s, c, side, m, f, s->draining ? 503 : 603,
		       s->draining ? STR("draining") : STR("refer-depth"));
	else
		carry_out(s, c, side, m, f, &to);
}

/* ---- REFER that goes on */

/* Where the other side would reach the one who is meant: at us. */
static bool write_refer_to(struct sbc *s, const struct call *c, unsigned to,
			   const struct refer_to *refer)
{
	const struct leg *l = &c->leg[to];
	char number_mem[256], uri_mem[512];
	struct buf number, uri;
	struct replaces_handle handle;
	struct replaces_leg found;

	buf_init(&number, number_mem, sizeof(number_mem));
	buf_init(&uri, uri_mem, sizeof(uri_mem));
	if (uri_write_number(&number, &refer->uri) != OK || number.overflow ||
	    l->flow.listener >= c->settings->listener_count)
		return false;
	build_contact(&uri, l->dialog.secure, buf_view(&number),
		      &c->settings->listeners[l->flow.listener].local, l->flow.transport);
	buf_lit(&s->lines, "Refer-To: <");
	buf_str(&s->lines, buf_view(&uri));
	if (refer->has_replaces) {
		if (replaces_find(s, &refer->replaces, replaces_trunk(c, 1 - to), &found) != 0)
			return false;
		struct refer_replaces r =
			replaces_handle(s, found.call, found.side, replaces_trunk(c, to), &handle);
		r.early_only = refer->replaces.early_only;
		buf_char(&s->lines, '?');
		refer_replaces_write_escaped(&s->lines, &r);
	}
	buf_lit(&s->lines, ">\r\n");
	return !uri.overflow && !s->lines.overflow;
}

static enum err pass_notify(struct sbc *s, const struct msg *m, struct str *out_type,
			    struct str *out_body)
{
	enum refer_state state;
	uint32_t expires;
	uint16_t status;

	if (refer_state_parse(msg_value(m, HDR_SUBSCRIPTION_STATE), &state, &expires) != OK)
		return ERR_BAD;
	buf_lit(&s->lines, "Event: refer\r\n");
	refer_state_write(&s->lines, state, expires);
	if (msg_body_is(m, STR("message/sipfrag")) && refer_frag_parse(m->body, &status) == OK) {
		buf_reset(&s->base);
		refer_frag_write(&s->base, status);
		*out_type = STR("message/sipfrag;version=2.0");
		*out_body = buf_view(&s->base);
	}
	return OK;
}

enum err transfer_pass(struct sbc *s, struct call *c, unsigned to, const struct msg *m,
		       struct str *out_type, struct str *out_body)
{
	char mem[REFER_REPLACES_MAX];
	struct refer_to refer;

	*out_type = *out_body = STR_NONE;
	if (m->method == METHOD_NOTIFY)
		return pass_notify(s, m, out_type, out_body);
	if (m->method == METHOD_SUBSCRIBE) {
		buf_lit(&s->lines, "Event: refer\r\n");
		return OK;
	}
	if (refer_to_of(m, mem, &refer) != OK || !write_refer_to(s, c, to, &refer))
		return ERR_BAD;
	if (!refer_wants_notify(m))
		buf_lit(&s->lines, "Refer-Sub: false\r\n");
	return OK;
}

void transfer_passed(struct call *c, unsigned from, uint8_t method, uint16_t status)
{
	struct leg *l = &c->leg[1 - from];

	if (method == METHOD_REFER && status >= 300 && l->refers)
		l->refers--;
}

/* May this REFER go on? Answers it where it may not. */
static bool may_pass(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
		     const struct flow *f)
{
	char mem[REFER_REPLACES_MAX];
	struct refer_to to;
	struct replaces_leg found;

	if (refer_to_of(m, mem, &to) != OK)
		refuse(s, c, side, m, f, 400, STR("refer-to"));
	else if (to.uri.scheme == URI_OTHER)
		refuse(s, c, side, m, f, 416, STR("refer-scheme"));
	else if (to.method.len && !str_eq(to.method, STR("INVITE")))
		refuse(s, c, side, m, f, 603, STR("refer-method"));
	else if (to.has_replaces &&
		 replaces_find(s, &to.replaces, replaces_trunk(c, side), &found) != 0)
		refuse(s, c, side, m, f, 603, STR("refer-replaces"));
	else if (c->leg[1 - side].refers == UINT8_MAX || c->setup || transfer_is_alone(c, side))
		refuse(s, c, side, m, f, 491, STR("refer-pending"));
	else {
		c->leg[1 - side].refers++;
		return true;
	}
	return false;
}

/* ---- requests */

static bool is_refer_event(const struct msg *m)
{
	struct str event = msg_value(m, HDR_EVENT);

	return str_ieq(str_trim((struct str){event.p, str_index(event, ';')}), STR("refer"));
}

/* Of a subscription that went on to the other side: its NOTIFYs come from there. */
static bool on_notify(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
		      const struct flow *f)
{
	struct leg *l = &c->leg[side];
	enum refer_state state;
	uint32_t expires;

	if (l->refers == 0) {
		answer(s, c, side, m, f, 481, STR_NONE);
		return true;
	}
	if (refer_state_parse(msg_value(m, HDR_SUBSCRIPTION_STATE), &state, &expires) != OK) {
		refuse(s, c, side, m, f, 400, STR("subscription-state"));
		return true;
	}
	if (state == REFER_TERMINATED)
		l->refers--;
	return false;
}

bool transfer_on_request(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
			 const struct flow *f)
{
	enum refer_policy policy = policy_of(c, side);

	if (m->method == METHOD_REFER) {
		if (policy == REFER_PASS)
			return !may_pass(s, c, side, m, f);
		if (policy == REFER_LOCAL)
			on_refer(s, c, side, m, f);
		else
			refuse(s, c, side, m, f, 603, STR("refer"));
		return true;
	}
	if (m->method != METHOD_SUBSCRIBE && m->method != METHOD_NOTIFY)
		return false;
	if (!is_refer_event(m)) {
		refuse(s, c, side, m, f, 489, STR("event"));
		return true;
	}
	if (m->method == METHOD_NOTIFY)
		return on_notify(s, c, side, m, f);
	if (c->leg[1 - side].refers && policy == REFER_PASS)
		return false;
	on_subscribe(s, c, side, m, f);
	return true;
}

bool transfer_on_bye(struct sbc *s, struct call *c, unsigned side)
{
	const struct transfer *x = pool_find(&s->transfers, c->transfer);

	if (!x || x->closing)
		return false;
	bool spare = (x->from == c->id && x->referrer == side) ||
		     (x->replaced == c->id && x->leaver == side);
	if (!spare)
		return false;
	call_stop_waiting(s, c, side);
	c->leg[side].ended = true;
	return true;
}

bool transfer_is_alone(const struct call *c, unsigned side)
{
	return c->leg[1 - side].ended && c->state < CALL_ENDING;
}
