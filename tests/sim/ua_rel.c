/* Reliable provisionals (RFC 3262), as caller and as callee. */
#include "common/check.h"
#include "tests/sim/ua_inside.h"

bool ua_supports(const struct sip_text *m, const char *option)
{
	static const char *const headers[] = {"Supported", "Require"};
	struct str v;
	for (unsigned h = 0; h < 2; h++)
		for (unsigned i = 0; (v = sip_text_header(m, headers[h], i)).len; i++)
			if (str_find(v, str_from(option)) < v.len)
				return true;
	return false;
}

/* The next number only, and each once. An answer may be followed by a new offer in the PRACK; an offer must be answered. */
void ua_got_reliable(struct ua *u, struct ua_txn *x, struct ua_dialog *d, const struct sip_text *m)
{
	struct str rseq = sip_text_header(m, "RSeq", 0);
	struct ua_talk *t = &d->talk;
	char mem[64];
	struct buf b;
	uint32_t n;
	if (u->plan.rel == UA_REL_NONE)
		ua_fault(u, INV_RELIABLE, "got a reliable %u that it cannot take", m->status);
	if (!m->contact.len || !ua_supports(m, "100rel"))
		ua_fault(u, INV_FORM, "got a reliable %u without Contact or Require", m->status);
	if (str_to_u32(rseq, UINT32_MAX, &n) != OK || n == 0) {
		ua_fault(u, INV_FORM, "got RSeq %.*s", STR_ARG(rseq));
		return;
	}
	if (d->rseq && n != d->rseq + 1)
		return;
	d->rseq = n;
	if (u->plan.no_prack)
		return;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "RAck: %u %u INVITE\r\n", n, x->cseq);
	buf_char(&b, 0);
	if (m->contact.len)
		d->target = ua_keep(u, m->contact);
	struct ua_request r = {
		.method = STR("PRACK"), .uri = d->target, .extra = mem, .why = UA_ACT_COUNT};
	if (m->body.len && t->state == UA_TALK_OURS && t->offer_cseq == x->cseq) {
		(void)ua_talk_hear(u, t, m->body, UA_SDP_ANSWER);
		if (u->plan.prack_offer && ua_talk_video(t, true))
			r.sdp = ua_talk_say(u, t, false);
	} else if (m->body.len && !t->ever && t->state == UA_TALK_IDLE) {
		if (ua_talk_hear(u, t, m->body, UA_SDP_OFFER))
			r.sdp = ua_talk_say(u, t, false);
	} else if (m->body.len && !str_eq(m->body, t->seen)) {
		ua_fault(u, INV_OFFER, "got another SDP in a reliable %u", m->status);
	}
	u->early_media |= m->body.len > 0;
	ua_start(u, d, &r)->offers = t->state == UA_TALK_OURS && r.sdp.len;
	u->pracks++;
}

/* What the PRACK says, and the 200 to it. */
static void acknowledged(struct ua *u, const struct sip_text *m, struct ua_txn *x,
			 struct ua_txn *invite, struct ua_dialog *d)
{
	struct ua_response r = {.status = 200};
	struct ua_talk *t = &d->talk;
	invite->rel_pending = false;
	invite->again_ms = invite->deadline_ms = 0;
	u->pracks++;
	if (invite->offer_rel && t->state == UA_TALK_OURS) {
		if (m->body.len)
			(void)ua_talk_hear(u, t, m->body, UA_SDP_ANSWER);
		else
			ua_wants(u, INV_OFFER, "got a PRACK without the answer to its offer");
	} else if (m->body.len && t->state == UA_TALK_IDLE) {
		if (ua_talk_hear(u, t, m->body, UA_SDP_OFFER))
			r.sdp = ua_talk_say(u, t, false);
	} else if (m->body.len) {
		ua_fault(u, INV_OFFER, "got SDP in a PRACK out of turn");
	}
	invite->offer_rel = false;
	ua_respond(u, x, &r);
}

void ua_got_prack(struct ua *u, const struct sip_text *m, struct ua_txn *x, struct ua_dialog *d)
{
	struct str rack = sip_text_header(m, "RAck", 0), rseq, cseq;
	uint32_t n, c;
	if (!str_cut_word(&rack, &rseq) || !str_cut_word(&rack, &cseq) ||
	    str_to_u32(rseq, UINT32_MAX, &n) != OK || str_to_u32(cseq, UINT32_MAX, &c) != OK) {
		ua_fault(u, INV_RELIABLE, "got a PRACK without RAck");
		ua_refuse(u, x, 400);
		return;
	}
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *o = &u->txns[i];
		if (o->state == UA_TXN_FREE || o->client || !o->invite || o->cseq != c ||
		    o->rseq != n || !o->rel_pending)
			continue;
		acknowledged(u, m, x, o, d);
		return;
	}
	/* After the INVITE has ended it may come late. */
	if (d->state == UA_DIALOG_EARLY)
		ua_fault(u, INV_RELIABLE, "got a PRACK for nothing");
	ua_refuse(u, x, 481);
}

/* 64*T1 have passed (RFC 3262 §3). */
void ua_no_prack(struct ua *u, struct ua_txn *x)
{
	if (!ua_is_excused(u, x->losses, x->copies))
		ua_wants(u, INV_RELIABLE, "never got a PRACK");
	x->rel_pending = false;
	x->again_ms = x->deadline_ms = 0;
	if (!x->tags[0].len)
		x->tags[0] = ua_make_token(u, "t");
	ua_respond(u, x, &(struct ua_response){.status = 504, .to_tag = x->tags[0]});
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].state == UA_DIALOG_EARLY && !u->dialogs[i].caller)
			ua_end_dialog(u, &u->dialogs[i]);
}
