#include <string.h>

#include "common/check.h"
#include "tests/sim/ua_inside.h"

struct ua_dialog *ua_new_dialog(struct ua *u)
{
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].state == UA_DIALOG_FREE) {
			struct ua_dialog *d = &u->dialogs[i];
			*d = (struct ua_dialog){.state = UA_DIALOG_EARLY, .again = UA_ACT_COUNT};
			ua_talk_init(&d->talk, 0);
			return d;
		}
	CHECK(!"a phone has run out of dialogs");
	return NULL;
}

struct ua_dialog *ua_dialog_of(struct ua *u, const struct ua_txn *x)
{
	return x->dialog == UA_NONE ? NULL : &u->dialogs[x->dialog];
}

void ua_end_dialog(struct ua *u, struct ua_dialog *d)
{
	d->state = UA_DIALOG_ENDED;
	d->refresh_ms = d->expiry_ms = d->again_ms = 0;
	if (!d->second)
		u->ended_ms = ua_now(u);
}

struct ua_dialog *ua_find_dialog(struct ua *u, const struct sip_text *m)
{
	struct str local = m->request ? m->to_tag : m->from_tag;
	struct str remote = m->request ? m->from_tag : m->to_tag;
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state != UA_DIALOG_FREE && str_eq(d->call_id, m->call_id) &&
		    str_eq(d->local_tag, local) &&
		    (str_eq(d->remote_tag, remote) ||
		     (d->state == UA_DIALOG_SUBSCRIPTION && !d->remote_tag.len)))
			return d;
	}
	return NULL;
}

/* Where requests in a dialog go: the first route, else the target. */
struct addr ua_hop(struct ua *u, const struct ua_dialog *d)
{
	struct addr a = u->p.next_hop;
	struct str uri = d->target;
	if (d->routes.len) {
		struct str line = {d->routes.p, str_index(d->routes, '\r')};
		uri = sip_text_uri(line);
	}
	if (!d->remote_tag.len || !uri.len)
		return a;
	if (!sip_text_uri_addr(uri, &a))
		ua_fault(u, INV_FORM, "was given an unusable Contact: %.*s", STR_ARG(uri));
	else if (!addr_eq_ip(&a, &u->p.next_hop))
		ua_fault(u, INV_HIDDEN, "was given a Contact that leads past its peer: %.*s",
			 STR_ARG(uri));
	return a;
}

/* The part of a From or To value before ;tag. */
static struct str without_tag(struct str value)
{
	size_t at = str_find(value, STR(";tag="));
	return (struct str){value.p, at};
}

/* Route lines from Record-Route: in order for the callee, reversed for the caller. */
struct str ua_routes(struct ua *u, const struct sip_text *m, bool reversed)
{
	char mem[1024];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	unsigned n = 0;
	while (sip_text_header(m, "Record-Route", n).len)
		n++;
	for (unsigned i = 0; i < n; i++)
		buf_printf(&b, "Route: %.*s\r\n",
			   STR_ARG(sip_text_header(m, "Record-Route", reversed ? n - 1 - i : i)));
	return ua_keep(u, buf_view(&b));
}

struct ua_dialog *ua_fork(struct ua *u, struct ua_txn *x, const struct sip_text *m, unsigned fork)
{
	if (!x->tags[fork].len)
		x->tags[fork] = ua_make_token(u, "t");
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state != UA_DIALOG_FREE && str_eq(d->call_id, m->call_id) &&
		    str_eq(d->local_tag, x->tags[fork]) && str_eq(d->remote_tag, m->from_tag))
			return d;
	}
	struct ua_dialog *d = ua_new_dialog(u);
	d->call_id = m->call_id;
	d->local = m->to;
	d->remote = without_tag(m->from);
	d->local_tag = x->tags[fork];
	d->remote_tag = m->from_tag;
	d->target = m->contact;
	d->routes = ua_routes(u, m, false);
	d->cseq = dice_range(u->dice, 1, 1000);
	d->remote_cseq = m->cseq;
	ua_talk_init(&d->talk, fork);
	if (m->body.len)
		(void)ua_talk_hear(u, &d->talk, m->body, UA_SDP_OFFER);
	return d;
}

struct ua_dialog *ua_early(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	struct ua_dialog *first = ua_dialog_of(u, x);
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state != UA_DIALOG_FREE && str_eq(d->call_id, first->call_id) &&
		    str_eq(d->local_tag, first->local_tag) && str_eq(d->remote_tag, m->to_tag))
			return d;
	}
	struct ua_dialog *d = first;
	if (first->remote_tag.len) {
		d = ua_new_dialog(u);
		*d = (struct ua_dialog){.state = UA_DIALOG_EARLY,
					.caller = true,
					.second = first->second,
					.again = UA_ACT_COUNT,
					.call_id = first->call_id,
					.local = first->local,
					.remote = first->remote,
					.local_tag = first->local_tag,
					.target = first->target,
					.cseq = x->cseq};
		struct sip_text own;
		CHECK(sip_text_read(x->request, &own));
		struct sdp_text offered = {.count = 0};
		/* What the INVITE said: the first dialog may have gone on since. */
		CHECK(!own.body.len || sdp_text_read(own.body, &offered));
		d->talk =
			(struct ua_talk){.state = own.body.len ? UA_TALK_OURS : UA_TALK_IDLE,
					 .forked = true,
					 .count = own.body.len ? offered.count : first->talk.count,
					 .version = first->talk.version,
					 .offer_cseq = x->cseq,
					 .text = own.body};
		memcpy(d->talk.ours, own.body.len ? offered.lines : first->talk.ours,
		       sizeof(d->talk.ours));
		first->talk.forked = true;
	}
	d->remote_tag = ua_keep(u, m->to_tag);
	d->routes = ua_routes(u, m, true);
	if (m->contact.len)
		d->target = ua_keep(u, m->contact);
	return d;
}
