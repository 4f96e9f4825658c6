/* What is no part of a call (MESSAGE, SUBSCRIBE, …), and transfers (REFER, NOTIFY, Replaces). */
#include "common/check.h"
#include "tests/sim/ua_inside.h"

/* ---- outside of calls */

static struct ua_dialog *outside_dialog(struct ua *u, const char *uri)
{
	struct ua_dialog *d = ua_new_dialog(u);
	char mem[128];
	struct buf b;
	d->state = UA_DIALOG_SUBSCRIPTION;
	d->call_id = ua_make_token(u, "probe-");
	d->local_tag = ua_make_token(u, "t");
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "<sip:%s@", u->p.user);
	addr_write_ip(&b, &u->p.addr);
	buf_char(&b, '>');
	d->local = ua_keep(u, buf_view(&b));
	d->target = ua_keep(u, str_from(uri));
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "<%s>", uri);
	d->remote = ua_keep(u, buf_view(&b));
	return d;
}

void ua_probe(struct ua *u, const char *method, const char *uri, const char *extra)
{
	struct ua_dialog *d = outside_dialog(u, uri);
	struct ua_request r = {.method = ua_keep(u, str_from(method)),
			       .uri = d->target,
			       .extra = extra,
			       .why = UA_ACT_COUNT};
	if (str_eq(r.method, STR("MESSAGE")) || str_eq(r.method, STR("PUBLISH"))) {
		r.body = STR("well then");
		r.type = STR("text/plain");
	}
	ua_start(u, d, &r);
}

void ua_subscribe(struct ua *u, uint32_t expires_s)
{
	char extra[128], uri[96];
	struct buf b;
	buf_init(&b, extra, sizeof(extra));
	buf_printf(&b, "Event: message-summary\r\nExpires: %u\r\n", expires_s);
	buf_char(&b, 0);
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state != UA_DIALOG_SUBSCRIPTION || !d->caller || !d->remote_tag.len)
			continue;
		struct ua_request r = {.method = STR("SUBSCRIBE"),
				       .uri = d->target,
				       .extra = extra,
				       .why = UA_ACT_COUNT};
		ua_start(u, d, &r);
		return;
	}
	if (!expires_s)
		return;
	buf_init(&b, uri, sizeof(uri));
	buf_printf(&b, "sip:%s@", u->plan.dials ? u->plan.dials : "200");
	addr_write_ip(&b, &u->p.next_hop);
	buf_char(&b, 0);
	struct ua_dialog *d = outside_dialog(u, uri);
	d->caller = true;
	struct ua_request r = {
		.method = STR("SUBSCRIBE"), .uri = d->target, .extra = extra, .why = UA_ACT_COUNT};
	ua_start(u, d, &r);
}

static void notify(struct ua *u, struct ua_dialog *d, const char *state, const char *event,
		   struct str body, const char *type)
{
	char extra[160];
	struct buf b;
	buf_init(&b, extra, sizeof(extra));
	buf_printf(&b, "Event: %s\r\nSubscription-State: %s\r\n", event, state);
	buf_char(&b, 0);
	struct ua_request r = {.method = STR("NOTIFY"),
			       .uri = d->target,
			       .body = body,
			       .type = str_from(type),
			       .extra = extra,
			       .why = UA_ACT_COUNT};
	ua_start(u, d, &r);
}

static void serve_subscribe(struct ua *u, const struct sip_text *m, struct ua_txn *x,
			    struct ua_dialog *d)
{
	uint32_t s = 0;
	char extra[64];
	struct buf b;
	(void)!str_to_u32(sip_text_header(m, "Expires", 0), 3600, &s);
	buf_init(&b, extra, sizeof(extra));
	buf_printf(&b, "Expires: %u\r\n", s);
	buf_char(&b, 0);
	u->subscribed++;
	ua_respond(u, x,
		   &(struct ua_response){
			   .status = 200, .to_tag = d->local_tag, .contact = true, .extra = extra});
	notify(u, d, s ? "active;expires=600" : "terminated;reason=timeout", "message-summary",
	       STR("Messages-Waiting: no\r\n"), "application/simple-message-summary");
}

void ua_got_outside(struct ua *u, const struct sip_text *m, struct ua_txn *x)
{
	u->messages += str_eq(m->method, STR("MESSAGE"));
	if (str_eq(m->method, STR("SUBSCRIBE"))) {
		struct ua_dialog *d = ua_fork(u, x, m, 0);
		d->state = UA_DIALOG_SUBSCRIPTION;
		serve_subscribe(u, m, x, d);
		return;
	}
	if (str_eq(m->method, STR("NOTIFY"))) { /* may come before the 2xx of its SUBSCRIBE */
		u->notifies++;
		ua_respond(u, x, &(struct ua_response){.status = 200});
		return;
	}
	ua_respond(u, x,
		   &(struct ua_response){.status = 200,
					 .to_tag = ua_make_token(u, "t"),
					 .contact = str_eq(m->method, STR("OPTIONS"))});
}

/* ---- transfer: who asks for it */

void ua_refer(struct ua *u, struct ua_dialog *d, bool replaces)
{
	char extra[640];
	struct buf b;
	const struct ua_dialog *other = NULL;
	for (int i = 0; i < UA_DIALOGS && replaces; i++)
		if (u->dialogs[i].state == UA_DIALOG_CONFIRMED && u->dialogs[i].second)
			other = &u->dialogs[i];
	if (replaces && !other)
		return;
	buf_init(&b, extra, sizeof(extra));
	buf_printf(&b, "Refer-To: <sip:%s@", u->plan.refers_to ? u->plan.refers_to : "202");
	addr_write_ip(&b, &u->p.next_hop);
	if (replaces)
		buf_printf(&b, "?Replaces=%.*s%%3Bto-tag%%3D%.*s%%3Bfrom-tag%%3D%.*s",
			   STR_ARG(other->call_id), STR_ARG(other->remote_tag),
			   STR_ARG(other->local_tag));
	buf_printf(&b, ">\r\nReferred-By: <sip:%s@", u->p.user);
	addr_write_ip(&b, &u->p.addr);
	buf_lit(&b, ">\r\n");
	buf_char(&b, 0);
	CHECK(!b.overflow);
	struct ua_request r = {
		.method = STR("REFER"), .uri = d->target, .extra = extra, .why = UA_ACT_COUNT};
	ua_start(u, d, &r);
}

void ua_refer_answered(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	struct ua_dialog *d = ua_dialog_of(u, x);
	if (m->status >= 300)
		u->refer_status = (uint16_t)m->status;
	else if (!u->refer_status) /* else the NOTIFY was faster */
		d->refer_open = true;
}

static void got_sipfrag(struct ua *u, const struct sip_text *m, struct ua_dialog *d)
{
	struct str body = m->body, word;
	uint32_t status;
	if (!str_cut_word(&body, &word) || !str_cut_word(&body, &word) ||
	    str_to_u32((struct str){word.p, word.len < 3 ? word.len : 3}, 699, &status) != OK) {
		ua_fault(u, INV_FORM, "got a NOTIFY of a transfer without a status");
		return;
	}
	struct str state = sip_text_header(m, "Subscription-State", 0);
	bool over = str_has_prefix(state, STR("terminated"));
	if (over != (status >= 200) && !over)
		ua_fault(u, INV_FORM, "got the final NOTIFY %u with state %.*s", status,
			 STR_ARG(state));
	if (over)
		d->refer_open = false;
	if (status < 200)
		return;
	u->refer_status = (uint16_t)status;
	if (status < 300)
		ua_trigger(u, UA_AFTER_REFER);
}

void ua_got_notify(struct ua *u, const struct sip_text *m, struct ua_txn *x, struct ua_dialog *d)
{
	u->notifies++;
	d->notifies++;
	ua_respond(u, x, &(struct ua_response){.status = 200});
	if (str_has_prefix(sip_text_header(m, "Event", 0), STR("refer")))
		got_sipfrag(u, m, d);
}

/* ---- transfer: who is sent elsewhere, and who is called instead */

void ua_got_refer(struct ua *u, const struct sip_text *m, struct ua_txn *x, struct ua_dialog *d)
{
	struct str to = sip_text_uri(sip_text_header(m, "Refer-To", 0));
	struct str user = str_from_offset(to, 4),
		   host = str_from_offset(to, str_index(to, '@') + 1);
	char extra[512], names[2][128];
	struct buf b;
	if (!to.len || u->plan.in_dialog_status) {
		ua_refuse(u, x, to.len ? u->plan.in_dialog_status : 400);
		return;
	}
	if (u->referred) { /* one more, and there would be a call that nobody's plan ends */
		ua_refuse(u, x, 603);
		return;
	}
	u->referred = true;
	user.len = str_index(user, '@');
	host.len = str_index(host, '?');
	size_t at = str_find(to, STR("?Replaces="));
	ua_respond(u, x, &(struct ua_response){.status = 202, .contact = true});
	d->refer_open = false;
	d->notifies = 1; /* we owe the news */
	notify(u, d, "active;expires=60", "refer", STR("SIP/2.0 100 Trying\r\n"),
	       "message/sipfrag");
	CHECK(str_copy(user, names[0], sizeof(names[0])) == OK &&
	      str_copy(host, names[1], sizeof(names[1])) == OK);
	buf_init(&b, extra, sizeof(extra));
	if (at < to.len) {
		struct str v = str_from_offset(to, at + 10);
		buf_lit(&b, "Replaces: ");
		for (size_t i = 0; i < v.len; i++) {
			if (v.p[i] == '%' && i + 2 < v.len) {
				buf_char(&b, v.p[i + 2] == 'B'   ? ';'
					     : v.p[i + 2] == 'D' ? '='
								 : '@');
				i += 2;
			} else {
				buf_char(&b, v.p[i]);
			}
		}
		buf_lit(&b, "\r\n");
	}
	buf_char(&b, 0);
	ua_call_as(u, names[0], names[1], true, at < to.len ? extra : NULL);
}

void ua_tell_referrer(struct ua *u, uint16_t status)
{
	char mem[64];
	struct buf b;
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state != UA_DIALOG_CONFIRMED || d->notifies != 1 || d->second)
			continue;
		d->notifies = 2;
		buf_init(&b, mem, sizeof(mem));
		buf_printf(&b, "SIP/2.0 %u %s\r\n", status, status < 300 ? "OK" : "No");
		notify(u, d, "terminated;reason=noresource", "refer", buf_view(&b),
		       "message/sipfrag");
	}
}

struct ua_dialog *ua_replaced(struct ua *u, const struct sip_text *m)
{
	struct str v = sip_text_header(m, "Replaces", 0), id;
	struct str to = sip_text_param(v, "to-tag"), from = sip_text_param(v, "from-tag");
	(void)str_cut(&v, ';', &id);
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state != UA_DIALOG_FREE && str_eq(d->call_id, str_trim(id)) &&
		    str_eq(d->local_tag, to) && str_eq(d->remote_tag, from))
			return d;
	}
	return NULL;
}
