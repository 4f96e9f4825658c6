/* What a phone does that it must not: whatever the core says to it, the other side must not suffer. */
#include "common/check.h"
#include "tests/sim/ua_inside.h"

static void in_dialog(struct ua *u, struct ua_dialog *d, struct str method, uint32_t cseq,
		      struct str remote_tag, const char *extra)
{
	struct ua_dialog wrong = *d, *slot = d;
	wrong.remote_tag = remote_tag;
	struct ua_request r = {.method = method,
			       .uri = d->target,
			       .cseq = cseq,
			       .extra = extra,
			       .why = UA_ACT_COUNT};
	if (cseq == 0)
		r.cseq = ++d->cseq;
	struct ua_txn *x = ua_new_txn(u, true);
	x->any = true;
	x->method = method;
	x->branch = r.branch = ua_make_token(u, "z9hG4bK");
	x->cseq = r.cseq;
	x->dialog = (int)(slot - u->dialogs);
	x->request = x->last = ua_write_request(u, &wrong, &r);
	x->path = (struct ua_path){NET_NONE, ua_hop(u, d), u->p.transport};
	x->deadline_ms = ua_now(u) + UA_LONG;
	ua_send(u, &x->path, x->last);
}

static void garbage(struct ua *u)
{
	static const char *const texts[] = {
		"\r\n\r\n", "INVITE sip:200@10.77.0.1 SIP/2.0\r\n\r\n",
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 203.0.113.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02"};
	struct ua_path path = {NET_NONE, u->p.next_hop, TRANSPORT_UDP};
	if (u->p.transport == TRANSPORT_UDP)
		ua_send(u, &path, str_from(texts[dice_range(u->dice, 0, ARRAY_LEN(texts) - 1)]));
}

static void stray_answer(struct ua *u)
{
	char mem[512];
	struct buf b;
	struct ua_path path = {NET_NONE, u->p.next_hop, u->p.transport};
	buf_init(&b, mem, sizeof(mem));
	buf_lit(&b, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP ");
	addr_write(&b, &u->p.next_hop);
	struct str branch = ua_make_token(u, "z9hG4bK");
	buf_printf(
		&b,
		";branch=%.*s\r\nFrom: <sip:a@b>;tag=x\r\nTo: <sip:c@d>;tag=y\r\nCall-ID: %.*s\r\n"
		"CSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n",
		STR_ARG(branch), STR_ARG(branch));
	ua_send(u, &path, ua_keep(u, buf_view(&b)));
}

/* The final answer to the last INVITE that came, once more and another. */
static void other_answer(struct ua *u)
{
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		if (x->state != UA_TXN_DONE || x->client || !x->invite)
			continue;
		struct sip_text m;
		CHECK(sip_text_read(x->request, &m));
		struct ua_response r = {.status = x->status < 300 ? 486 : 200,
					.to_tag =
						x->tags[0].len ? x->tags[0] : ua_make_token(u, "t"),
					.contact = true};
		ua_send(u, &x->path, ua_write_response(u, &m, &r));
		return;
	}
}

static struct ua_dialog *any_dialog(struct ua *u)
{
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].remote_tag.len && u->dialogs[i].state != UA_DIALOG_FREE)
			return &u->dialogs[i];
	return NULL;
}

void ua_misbehave(struct ua *u, enum ua_act what)
{
	struct ua_dialog *d = any_dialog(u);
	if (what == UA_GARBAGE || what == UA_STRAY_ANSWER || what == UA_OTHER_ANSWER) {
		if (what == UA_GARBAGE)
			garbage(u);
		else if (what == UA_STRAY_ANSWER)
			stray_answer(u);
		else
			other_answer(u);
		return;
	}
	if (!d)
		return;
	if (what == UA_STALE_TAG)
		in_dialog(u, d, STR("INFO"), 0, ua_make_token(u, "stale"), NULL);
	else if (what == UA_LOW_CSEQ)
		in_dialog(u, d, STR("INFO"), d->cseq > 1 ? d->cseq - 1 : 1, d->remote_tag, NULL);
	else if (what == UA_STRAY_ACK)
		in_dialog(u, d, STR("ACK"), d->cseq + 5, d->remote_tag, NULL);
	else if (what == UA_STRAY_PRACK)
		in_dialog(u, d, STR("PRACK"), 0, d->remote_tag, "RAck: 77777 1 INVITE\r\n");
	else if (what == UA_STRAY_CANCEL)
		in_dialog(u, d, STR("CANCEL"), d->cseq, d->remote_tag, NULL);
	else if (what == UA_SDP_IN_INFO)
		in_dialog(u, d, STR("INFO"), 0, d->remote_tag, NULL);
	else if (what == UA_SECOND_INVITE && d->state == UA_DIALOG_CONFIRMED)
		in_dialog(u, d, STR("INVITE"), 0, d->remote_tag, NULL);
}
