#include "sbc/core/call.h"

#include "policy/attest.h"
#include "policy/policy_config.h"
#include "sbc/core/call_watch.h"
#include "sbc/core/crossing.h"
#include "sbc/core/duration.h"
#include "sbc/core/q850.h"
#include "sbc/core/exchange.h"
#include "sbc/core/keep.h"
#include "sbc/core/keys.h"
#include "sbc/core/own.h"
#include "sbc/core/refresh.h"
#include "sbc/core/reg.h"
#include "sbc/core/rules.h"
#include "sbc/core/setup.h"
#include "sbc/core/transfer.h"
#include "sbc/core/uri.h"
#include "sbc/core/worker.h"
#include "sbc/core/fraud_watch.h"

enum { UNWANTED_CSEQ_GAP = 256 };

/* ---- the record */

static uint64_t wall_of(const struct call_record *r, uint64_t mono_ms)
{
	return mono_ms ? r->start_wall_ms + (mono_ms - r->start_ms) : 0;
}

static struct str realm_name(const struct settings *s, uint16_t realm)
{
	return realm < s->realm_count ? s->realms[realm].name : STR_NONE;
}

static struct str trunk_name(const struct settings *s, uint16_t trunk)
{
	return trunk < s->trunk_count ? s->trunks[trunk].name : STR_NONE;
}

static struct str attempt_cause(uint8_t cause)
{
	switch (cause) {
	case ROUTE_CAUSE_TIMEOUT: return STR("timeout");
	case ROUTE_CAUSE_TLS: return STR("tls");
	case ROUTE_CAUSE_CONNECT: return STR("connect");
	default: return STR_NONE;
	}
}

/* The number as a trunk got it: said again by its rules, so that nothing is kept of it during the call. */
static struct str number_sent(struct sbc *s, const struct call *c, const struct call_attempt *a)
{
	char mem[256];
	struct buf b;

	buf_init(&b, mem, sizeof(mem));
	struct str n =
		crossing_number(c->settings, a->trunk, NUMBER_TO, call_attempt_number(c, a), &b);
	return n.p == mem ? arena_str(&s->arena, n) : n;
}

static void fill_attempts(struct sbc *s, struct cdr *d, const struct call *c)
{
	const struct settings *set = c->settings;

	for (uint8_t i = 0; i < c->record.attempt_count; i++) {
		const struct call_attempt *a = &c->record.attempts[i];
		d->attempts[d->attempt_count++] = (struct cdr_attempt){
			.trunk = trunk_name(set, a->trunk),
			.peer = a->trunk < set->trunk_count &&
						a->peer < set->trunks[a->trunk].peer_count
					? set->trunks[a->trunk].peers[a->peer].uri
					: STR_NONE,
			.number = number_sent(s, c, a),
			.start_ms = wall_of(&c->record, a->start_ms),
			.status = a->status,
			.ms = a->ms,
			.cause = attempt_cause(a->cause),
		};
	}
}

static void fill_times(struct cdr *d, const struct call_record *r)
{
	uint64_t end = r->end_ms;

	d->start = r->start_wall_ms;
	d->ring = wall_of(r, r->ring_ms);
	d->early_media = wall_of(r, r->early_ms);
	d->answer = wall_of(r, r->answer_ms);
	d->end = wall_of(r, end);
	d->setup_ms = (uint32_t)((r->answer_ms ? r->answer_ms : end) - r->start_ms);
	if (r->ring_ms)
		d->ring_ms = (uint32_t)((r->answer_ms ? r->answer_ms : end) - r->ring_ms);
	d->duration_ms = (uint32_t)(end - r->start_ms);
	d->billable_ms = r->answer_ms ? (uint32_t)(end - r->answer_ms) : 0;
}

static struct str country_of(const struct flow *f)
{
	return (struct str){f->country, f->country[0] ? sizeof(f->country) : 0};
}

static void fill_identity(struct cdr *d, const struct call_identity *i)
{
	bool looked = i->verstat != FACTS_VERSTAT_UNKNOWN || i->fault != FACTS_FAULT_NONE;

	if (looked)
		d->verstat = str_from(attest_verstat_name((enum facts_verstat)i->verstat));
	if (i->fault != FACTS_FAULT_NONE)
		d->identity_fault = str_from(attest_fault_name((enum facts_fault)i->fault));
	if (i->attest != FACTS_ATTEST_UNKNOWN)
		d->attest = str_from(attest_name((enum facts_attest)i->attest));
	d->origid = i->origid;
	if (i->diverted)
		d->signed_as = STR("div");
	else if (i->signed_as != FACTS_ATTEST_UNKNOWN)
		d->signed_as = str_from(attest_name((enum facts_attest)i->signed_as));
}

static void fill_parties(struct sbc *s, struct cdr *d, const struct call *c)
{
	const struct settings *set = c->settings;
	const struct leg *in = &c->leg[0], *out = &c->leg[1];

	d->node = set->node;
	d->call_id_in = dialog_get(&in->dialog, DIALOG_CALL_ID);
	d->ingress_trunk = trunk_name(set, in->trunk);
	d->ingress_realm = realm_name(set, call_realm(c, 0));
	d->ingress_transport = in->flow.transport;
	d->ingress_address = in->flow.remote;
	d->ingress_country = country_of(&in->flow);
	d->ingress_asn = in->flow.asn;
	/* Two calls that were joined have a callee without an attempt. */
	if (c->record.attempt_count || out->dialog.text) {
		if (out->dialog.text)
			d->call_id_out = dialog_get(&out->dialog, DIALOG_CALL_ID);
		d->egress_trunk = trunk_name(set, out->trunk);
		d->egress_realm = realm_name(set, call_realm(c, 1));
		d->egress_transport = out->flow.transport;
		d->egress_address = out->flow.remote;
		if (c->record.attempt_count)
			d->number_as_sent =
				number_sent(s, c, &c->record.attempts[c->record.attempt_count - 1]);
	}
	d->from_number = call_text(c, CALL_FROM_NUMBER);
	d->from_display = call_text(c, CALL_FROM_DISPLAY);
	d->to_number = d->number_as_dialled = call_text(c, CALL_TO_NUMBER);
	if (call_text(c, CALL_DIALLED).len)
		d->number_as_dialled = call_text(c, CALL_DIALLED);
	d->user_agent = call_text(c, CALL_USER_AGENT);
	d->domain = call_text(c, CALL_DOMAIN);
	d->user = call_text(c, CALL_USER);
	d->diversions = c->record.diversions;
	d->tls_version = call_text(c, CALL_TLS_VERSION);
	d->tls_cipher = call_text(c, CALL_TLS_CIPHER);
	d->tls_peer = call_text(c, CALL_TLS_PEER);
	fill_identity(d, &c->identity);
	if (c->record.route < set->policy.route_count)
		d->route = set->policy.routes[c->record.route].name;
}

/* noc.md §1 and §4. */
static struct str cause_of(const struct call_record *r, struct buf *b)
{
	if (r->rule.len) {
		buf_lit(b, "policy:");
		buf_str(b, r->rule);
		return buf_view(b);
	}
	return r->cause.len ? r->cause
			    : cdr_outcome(r->status, r->ring_ms || r->early_ms, r->by_timeout);
}

/* The name of another call of ours; empty: there is none. */
static struct str name_of(const struct sbc *s, const struct call *c, uint64_t number, char mem[320])
{
	struct buf b;

	buf_init(&b, mem, 320);
	if (number)
		call_write_number(&b, s, c, number);
	return buf_view(&b);
}

static void publish_record(struct sbc *s, struct call *c, const struct dict *deleted)
{
	const struct call_record *r = &c->record;
	char name_mem[320], cause_mem[320];
	struct buf name, cause;
	struct cdr d = {
		.status = r->status, .q850 = r->q850, .ended_by = (enum cdr_side)r->ended_by};

	buf_init(&name, name_mem, sizeof(name_mem));
	buf_init(&cause, cause_mem, sizeof(cause_mem));
	struct notice n = call_notice(s, c, NOTICE_CALL_ENDED, &name);
	d.call = n.call;
	d.reason = r->reason.len ? r->reason : build_reason(r->status);
	d.cause = cause_of(r, &cause);
	fill_parties(s, &d, c);
	fill_times(&d, r);
	fill_attempts(s, &d, c);
	char from_mem[320], to_mem[320];
	d.transferred_from = name_of(s, c, r->last_call, from_mem);
	d.transferred_to = name_of(s, c, r->next_call, to_mem);
	if (c->keep && d.transferred_from.len == 0)
		d.transferred_from = c->keep->last;
	if (c->keep && d.transferred_to.len == 0)
		d.transferred_to = c->keep->next;
	d.taken_over = c->keep ? c->keep->epoch : 0;
	if (deleted)
		d.media_count = media_read_cdr(deleted, &s->arena, d.media, CDR_MEDIA_MAX);
	n.status = r->status;
	n.cdr = &d;
	worker_publish(s, &n);
}

/* ---- INVITEs that no one waits for */

void call_orphan(struct sbc *s, id_t64 txn)
{
	call_orphan_because(s, txn, STR_NONE);
}

void call_orphan_because(struct sbc *s, id_t64 txn, struct str lines)
{
	struct txn_effects fx = {.count = 0};

	txn_set_owner(&s->txns, txn,
		      id_make((uint8_t)((unsigned)s->worker << OWNER_BITS | OWNER_ORPHAN), 1, 0));
	if (txn_cancel(&s->txns, txn, lines, s->now_ms, &fx) == OK)
		worker_emit(s, &fx);
}

void call_leave_invite(struct sbc *s, const struct call *c, id_t64 txn)
{
	struct txn_effects fx = {.count = 0};

	txn_set_owner(&s->txns, txn, c->id);
	/* A peer that has said 100 and nothing more would hold the transaction for ever. */
	if (txn_cancel(&s->txns, txn, STR_NONE, s->now_ms, &fx) == OK)
		worker_emit(s, &fx);
}

/* The whole dialog stands in the answer itself: what it takes to end it. */
static bool dialog_of_answer(struct dialog *d, const struct msg *m, bool over_tls)
{
	struct name_addr from, to;

	if (name_addr_parse(m->from, &from) != OK || name_addr_parse(m->to, &to) != OK)
		return false;
	struct dialog_uac p = {.call_id = m->call_id,
			       .local_tag = m->from_tag,
			       .local = from.all,
			       .remote = to.all,
			       .target = to.uri,
			       .cseq = m->cseq,
			       .over_tls = over_tls};
	return dialog_start_uac(d, &p) == OK && dialog_on_response(d, m) == OK;
}

/* PRACK and UPDATE may have used the numbers behind the INVITE's; a gap is no error (RFC 3261 §12.2.2). */
static uint32_t cseq_of_bye(const struct msg *m)
{
	return m->cseq < INT32_MAX - UNWANTED_CSEQ_GAP ? m->cseq + UNWANTED_CSEQ_GAP : m->cseq + 1;
}

static void end_unwanted(struct sbc *s, const struct msg *m, const struct flow *f, bool elsewhere,
			 bool first)
{
	char text[8192], branch[HIDE_BRANCH_LEN];
	struct dialog d;
	const struct settings *set = s->settings;

	dialog_init(&d, text, sizeof(text));
	if (f->listener >= set->listener_count ||
	    !dialog_of_answer(&d, m, transport_is_secure(f->transport)))
		return;
	struct leg l = {.flow = *f, .trunk = SETTINGS_NO_INDEX};
	struct dest dest = leg_dest(&l, &d, set);
	for (int bye = 0; bye < (first ? 2 : 1); bye++) {
		struct build_request r = {
			.method = bye ? STR("BYE") : STR("ACK"),
			.cseq = bye ? cseq_of_bye(m) : m->cseq,
			.transport = f->transport,
			.sent_by = &set->listeners[f->listener].local,
			.branch = worker_token(s, HIDE_BRANCH, ID_NONE, branch),
			.max_forwards = 70,
			.headers = bye && elsewhere ? STR("Reason: SIP;cause=200;"
							  "text=\"Call completed elsewhere\"\r\n")
						    : STR_NONE,
		};
		buf_reset(&s->out);
		if (dialog_fill(&d, r.cseq, &r) != OK || build_request(&s->out, &r) != OK)
			return;
		if (!bye) {
			worker_send(s, &dest, buf_view(&s->out));
			continue;
		}
		struct txn_start_params p = {.method = r.method,
					     .branch = r.branch,
					     .dest = &dest,
					     .bytes = buf_view(&s->out),
					     .settings = set,
					     .owner = ID_NONE,
					     .now_ms = s->now_ms};
		struct txn_effects fx = {.count = 0};
		id_t64 txn;
		if (txn_start(&s->txns, &p, &txn, &fx) == OK)
			worker_emit(s, &fx);
	}
}

void call_on_orphan(struct sbc *s, id_t64 txn, const struct msg *m, const struct flow *f,
		    bool elsewhere)
{
	if (m->method != METHOD_INVITE)
		return;
	if (m->status < 200) {
		struct txn_effects fx = {.count = 0};
		if (txn_cancel(&s->txns, txn, STR_NONE, s->now_ms, &fx) == OK)
			worker_emit(s, &fx);
	} else if (m->status < 300) {
		end_unwanted(s, m, f, elsewhere, txn_ends_dialog(&s->txns, txn, m->to_tag));
	}
}

/* ---- ending */

enum { SESSION_LINE_MAX = 2048, SESSION_LINE_ROOM = 128 };

static void send_bye(struct sbc *s, struct call *c, unsigned side, struct dialog *d,
		     struct str lines)
{
	struct leg *l = &c->leg[side];

	if (l->ended)
		return;
	if (!l->invite.ours && l->invite.wants_ack) {
		l->bye_wanted = true;
		return;
	}
	if (l->invite.ours && l->invite.wants_ack) { /* a late offer that gets no answer any more */
		l->invite.wants_ack = false;
		call_send_ack(s, c, side, d, l->invite.cseq, STR_NONE);
	}
	l->ended = true;
	l->bye_wanted = false;
	char mem[SESSION_LINE_MAX];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	/* What the other side's BYE brought has it already. */
	if ((c->session.side[0].known || c->session.side[1].known) &&
	    str_find(lines, STR("Session-ID:")) == lines.len &&
	    lines.len + SESSION_LINE_ROOM <= sizeof(mem)) {
		buf_str(&b, lines);
		call_write_session(&b, c, side);
		lines = buf_view(&b);
	}
	struct build_request r = {
		.method = STR("BYE"), .cseq = dialog_next_cseq(d), .headers = lines};
	call_send_request(s, c, side, d, &r, ID_NONE);
}

static void end_setup(struct sbc *s, struct call *c, const struct call_ending *why)
{
	struct setup *u = c->setup;

	setup_attempt_ended(s, c, why->status, 0);
	if (u->stage == SETUP_ANSWERING) {
		if (!why->told[1])
			send_bye(s, c, 1, fork_dialog(c, u->answered, 1), why->reason_lines[1]);
		/* Its 2xx may come again; the call answers that as long as it lingers. */
		struct fork *k = u->answered;
		if (k) {
			leg_dialog_free(&s->blocks, &c->leg[1].dialog);
			c->leg[1].dialog = k->dialog[1];
			k->dialog[1] = (struct dialog){.text = NULL};
		}
	} else if (u->txn != ID_NONE) {
		char mem[80];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		if (why->by == CDR_US) /* the caller's own reason is its own to give */
			q850_write_reason(&b, why->status);
		call_orphan_because(s, u->txn,
				    why->reason_lines[1].len ? why->reason_lines[1] : buf_view(&b));
	}
	c->leg[0].ended = c->leg[1].ended = true;
	c->leg[0].invite.open = false;
	setup_free(s, &c->setup);
}

void call_end(struct sbc *s, struct call *c, const struct call_ending *why)
{
	struct call_record *r = &c->record;

	if (c->state >= CALL_ENDING)
		return;
	if (c->transfer != ID_NONE)
		transfer_on_end(s, c, why);
	fraud_watch_ended(s, c, why);
	r->end_ms = s->now_ms;
	r->ended_by = (uint8_t)why->by;
	r->by_timeout = why->by_timeout;
	r->reason = why->reason;
	r->rule = why->rule;
	r->cause = why->cause;
	if (why->q850)
		r->q850 = why->q850;
	if (!r->answer_ms)
		r->status = why->status;
	else
		s->counts.confirmed--;
	char own[80];
	struct buf b;
	buf_init(&b, own, sizeof(own));
	q850_write_reason(&b, why->sip_cause);
	if (c->setup) {
		end_setup(s, c, why);
	} else {
		for (unsigned side = 0; side < 2; side++) {
			if (why->told[side])
				c->leg[side].ended = true;
			else
				send_bye(s, c, side, &c->leg[side].dialog,
					 why->reason_lines[side].len ? why->reason_lines[side]
								     : buf_view(&b));
		}
	}
	c->state = CALL_ENDING;
	refresh_stop(s, c);
	call_watch_stop(s, c);
	duration_stop(s, c);
	keys_free(s, c);
	exchange_refuse_all(s, c);
	own_free_all(s, c);
	call_end_step(s, c, NULL);
}

void call_lost(struct sbc *s, struct call *c)
{
	if (!c->setup)
		call_end(s, c,
			 &(struct call_ending){
				 .by = CDR_US, .cause = STR("dialog_lost"), .sip_cause = 481});
}

static void linger(struct sbc *s, struct call *c)
{
	if (c->leg[0].bye_wanted || c->leg[1].bye_wanted || !list_is_empty(&c->lingering))
		return;
	/* A leg lives on in another call by a tag that names this one: it goes when that goes. */
	if (c->heir != ID_NONE && call_find(s, c->heir))
		return;
	c->linger_until_ms = s->now_ms + CALL_LINGER_MS;
	list_add_tail(&s->lingering, &c->lingering);
}

static void close_books(struct sbc *s, struct call *c, const struct dict *deleted)
{
	publish_record(s, c, deleted);
	keep_end(s, c);
	c->state = CALL_OVER;
	s->live--;
	admission_drop(s, c);
	for (unsigned side = 0; side < 2; side++) {
		admission_end(s, c, side);
		peers_call_ends(s, c, side);
		reg_session_end(s, c->leg[side].user);
		c->leg[side].user = ID_NONE;
	}
	linger(s, c);
}

void call_end_step(struct sbc *s, struct call *c, const struct dict *deleted)
{
	if (c->state != CALL_ENDING || c->relay_asks > 0)
		return;
	if (c->media.open) {
		if (c->delete_asked)
			return;
		char mem[320];
		struct buf name;
		buf_init(&name, mem, sizeof(mem));
		call_write_name(&name, s, c);
		media_write_delete(&s->text, &s->arena, &c->media, buf_view(&name));
		c->delete_asked = true;
		if (worker_ask_relay(s, c->id, ASK_DELETE, c->media.relay, STR("delete"),
				     buf_view(&s->text)) != ID_NONE)
			return;
		c->media.open = false;
		s->counts.relay_sessions--;
	}
	close_books(s, c, deleted);
}

void call_after_ack(struct sbc *s, struct call *c, unsigned side)
{
	struct leg *l = &c->leg[side];

	if (l->bye_wanted)
		send_bye(s, c, side, &l->dialog, STR_NONE);
	if (c->state == CALL_OVER)
		linger(s, c);
}

/* ---- refusing */

void call_refuse(struct sbc *s, struct call *c, uint16_t status, struct str reason,
		 struct str lines, struct call_ending *why)
{
	struct setup *u = c->setup;

	if (NEVER(!u))
		return;
	if (lines.p != s->lines.p) {
		buf_reset(&s->lines);
		buf_str(&s->lines, lines);
	}
	if (call_carry(s, c, 0, why->answer, false) != OK)
		buf_reset(&s->lines);
	struct build_response r = {.status = status,
				   .reason = reason,
				   .to_tag = dialog_get(&c->leg[0].dialog, DIALOG_LOCAL_TAG),
				   .headers = buf_view(&s->lines)};
	asker_respond(s, &u->asker, &r);
	why->status = status;
	why->told[0] = true;
	call_end(s, c, why);
}

void call_refuse_by(struct sbc *s, struct call *c, const struct msg *m, const struct verdict *v)
{
	struct call_ending why = {.by = CDR_US, .rule = v->rule, .reason = v->reason};

	worker_refused(s, c->settings, &c->setup->flow, m, c->leg[0].trunk, v);
	buf_reset(&s->lines);
	if (refuse_write_headers(&s->lines, v, m, &worker_abilities) != OK)
		buf_reset(&s->lines);
	if (v->status == 503)
		buf_printf(&s->lines, "Retry-After: %u\r\n",
			   v->retry_after_s ? v->retry_after_s : 10);
	call_refuse(s, c, v->status ? v->status : 403, v->reason,
		    (struct str){s->lines.p, s->lines.len}, &why);
}

void call_end_all(struct sbc *s)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct call *c;

	/* First: the end of one call may end another (transfers), which has all its time before it. */
	while ((c = pool_next(&s->calls, &cursor, &id)) != NULL)
		if (c->state == CALL_ENDING) /* the relay may have no time left to answer */
			close_books(s, c, NULL);
	cursor = 0;
	while ((c = pool_next(&s->calls, &cursor, &id)) != NULL) {
		struct call_ending why = {.by = CDR_US, .cause = STR("shutdown"), .sip_cause = 503};
		if (c->setup)
			call_refuse(s, c, 503, STR_NONE, STR("Retry-After: 60\r\n"), &why);
		else
			call_end(s, c, &why);
	}
}

uint16_t call_q850(const struct msg *m)
{
	struct hdr_reason reason;
	size_t cursor = 0;
	struct str value;

	while (msg_next(m, HDR_REASON, &cursor, &value))
		if (hdr_reason_parse(value, &reason) == OK &&
		    str_ieq(reason.protocol, STR("Q.850")))
			return reason.cause;
	return 0;
}

void call_on_cancel(struct sbc *s, struct call *c, const struct msg *cancel)
{
	struct call_ending why = {.by = CDR_CALLER, .q850 = call_q850(cancel)};
	char mem[2048];

	if (c->state != CALL_SETUP)
		return;
	/* What the caller says of its reason goes on, if the rules let it. */
	buf_reset(&s->lines);
	if (call_realm(c, 1) != SETTINGS_NO_INDEX && call_carry(s, c, 1, cancel, false) == OK &&
	    s->lines.len && s->lines.len <= sizeof(mem)) {
		memcpy(mem, s->lines.p, s->lines.len);
		why.reason_lines[1] = (struct str){mem, s->lines.len};
	}
	call_refuse(s, c, 487, STR_NONE, STR_NONE, &why);
}
