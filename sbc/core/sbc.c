#include "sbc/core/sbc.h"

#include <stdlib.h>

#include "common/secret.h"
#include "policy/identify.h"
#include "sbc/core/call_watch.h"
#include "sbc/core/duration.h"
#include "sbc/core/exchange.h"
#include "sbc/core/in_dialog.h"
#include "sbc/core/judge.h"
#include "sbc/core/outside.h"
#include "sbc/core/own.h"
#include "sbc/core/proof.h"
#include "sbc/core/refresh.h"
#include "sbc/core/reg.h"
#include "sbc/core/setup.h"
#include "sbc/core/stored.h"
#include "sbc/core/subscription.h"
#include "sbc/core/transfer.h"
#include "sbc/core/uri.h"
#include "sbc/core/worker.h"
#include "sbc/core/fraud_watch.h"

/* ---- life */

static enum err init_buf(struct buf *b, size_t cap)
{
	char *mem = malloc(cap);

	if (!mem)
		return ERR_NOMEM;
	buf_init(b, mem, cap);
	return OK;
}

static enum err init_buffers(struct sbc *s)
{
	enum err e = arena_init_sized(&s->arena, WORKER_ARENA);

	if (e == OK)
		e = init_buf(&s->out, WORKER_OUT);
	if (e == OK)
		e = init_buf(&s->lines, WORKER_LINES);
	if (e == OK)
		e = init_buf(&s->base, WORKER_BASE);
	if (e == OK)
		e = init_buf(&s->text, WORKER_OUT);
	return e;
}

static uint8_t kind_byte(const struct sbc *s, enum owner_kind kind)
{
	return (uint8_t)((unsigned)s->worker << OWNER_BITS | (unsigned)kind);
}

/* What is no call: its own pools and memory, so that a flood of it takes nothing from calls (threats B8, B15). */
static enum err init_outside(struct sbc *s, const struct limits *l)
{
	uint32_t calls = l->calls ? l->calls : 1;
	uint32_t subscriptions = l->subscriptions ? l->subscriptions : calls;
	struct siphash_key key;
	enum err e = pool_init(&s->errands, sizeof(struct errand), calls / 2 + 64,
			       kind_byte(s, OWNER_OUTSIDE));

	if (e == OK)
		e = pool_init(&s->subscriptions, sizeof(struct subscription), subscriptions,
			      kind_byte(s, OWNER_SUBSCRIPTION));
	rng_bytes(&s->rng, &key, sizeof(key));
	if (e == OK)
		e = tally_init(&s->subscribers, subscriptions, &key);
	if (e == OK)
		e = tally_init(&s->registering, s->errands.limit, &key);
	if (e == OK)
		e = budget_init(&s->answers, &key);
	if (e == OK)
		e = policy_init(&s->policy, calls + calls / 2 + 64, &key);
	if (e == OK)
		e = spirals_init(&s->spirals, calls, &key);
	if (e == OK)
		e = refused_init(&s->refused, &key);
	struct siphash_key keys[4];
	const uint8_t kinds[2] = {kind_byte(s, OWNER_BINDING), kind_byte(s, OWNER_NONE)};
	uint32_t contacts = l->registrations ? l->registrations : calls;
	rng_bytes(&s->rng, keys, sizeof(keys));
	if (e == OK)
		e = bind_init(&s->binds, contacts, kinds, keys, &s->outside_blocks);
	block_init(&s->outside_blocks,
		   (size_t)(l->registrations ? l->registrations : calls) * 1024 +
			   (size_t)subscriptions * 2048 + (size_t)calls * 2048 +
			   4 * (size_t)BLOCK_SLAB);
	return e;
}

static enum err init_tables(struct sbc *s, const struct limits *l)
{
	uint32_t calls = l->calls ? l->calls : 1;
	/* Calls that are over linger for a while beside those that live. */
	uint32_t slots = calls + calls / 2 + 64;
	enum err e = pool_init(&s->calls, sizeof(struct call), slots, kind_byte(s, OWNER_CALL));

	if (e == OK)
		e = pool_init(&s->setups, sizeof(struct setup), calls, kind_byte(s, OWNER_SETUP));
	if (e == OK)
		e = pool_init(&s->exchanges, sizeof(struct exchange), calls + 64,
			      kind_byte(s, OWNER_EXCHANGE));
	if (e == OK)
		e = pool_init(&s->owns, sizeof(struct own), calls + 64, kind_byte(s, OWNER_OWN));
	if (e == OK)
		e = pool_init(&s->transfers, sizeof(struct transfer), calls / 8 + 16,
			      kind_byte(s, OWNER_TRANSFER));
	if (e == OK)
		e = pool_init(&s->asks, sizeof(struct ask), 2 * calls + 1024,
			      kind_byte(s, OWNER_ASK));
	if (e != OK)
		return e;
	/* About 2 KiB of texts for a call in force, 16 for one that is set up. */
	block_init(&s->blocks, (size_t)slots * 16 * 1024 + 4 * (size_t)BLOCK_SLAB);
	struct txn_params p = {.limit = l->transactions ? l->transactions : 8 * calls + 64,
			       .worker = kind_byte(s, OWNER_TXN),
			       .timers = s->settings->timers,
			       .now_ms = s->now_ms};
	rng_bytes(&s->rng, p.keys, sizeof(p.keys));
	return txn_init(&s->txns, &p);
}

/* Calls that other nodes know, and may go on with. Not at all where there is nobody to know them. */
static enum err init_shared(struct sbc *s)
{
	const struct str key = s->settings->store.key;

	if (stored_is_shared(s) && key.len)
		hide_share(&s->hide, key, 1 + rng_below(&s->rng, UINT32_MAX));
	enum err e = keep_init(s);
	if (e == OK)
		e = cluster_init(s);
	return e == OK ? handover_init(s) : e;
}

enum err sbc_new(struct sbc **out, const struct sbc_params *params)
{
	CHECK(out && params && params->settings && params->worker <= WORKER_MAX);
	struct sbc *s = calloc(1, sizeof(*s));

	if (!s)
		return ERR_NOMEM;
	s->ports = params->ports;
	s->settings = params->settings;
	s->worker = params->worker;
	s->now_ms = params->now_ms;
	s->wall_ms = params->wall_ms;
	list_init(&s->lingering);
	rng_init(&s->rng, params->seed);
	rng_bytes(&s->rng, &s->hide.key, sizeof(s->hide.key));
	rng_bytes(&s->rng, &s->reply_key, sizeof(s->reply_key));
	rng_bytes(&s->rng, &s->watch_key, sizeof(s->watch_key));
	uint8_t nonce_key[CHALLENGE_KEY_LEN];
	rng_bytes(&s->rng, nonce_key, sizeof(nonce_key));
	challenge_init(&s->challenge, nonce_key);
	secret_wipe(nonce_key, sizeof(nonce_key));
	s->boot_len = 8;
	rng_text(&s->rng, s->boot, s->boot_len);
	wheel_init(&s->wheel, params->now_ms);
	enum err e = init_buffers(s);
	if (e == OK)
		e = init_tables(s, &params->settings->limits);
	if (e == OK)
		e = auth_apply(s, params->settings);
	if (e == OK)
		e = init_outside(s, &params->settings->limits);
	if (e == OK)
		e = peers_apply(s, params->settings);
	if (e == OK)
		e = admission_apply(s, params->settings);
	if (e == OK)
		e = enrol_apply(s, params->settings);
	if (e == OK)
		e = init_shared(s);
	if (e == OK)
		e = fraud_apply(&s->policy.fraud, params->settings->policy.fraud);
	if (e == OK)
		e = setup_identity_apply(s, params->settings);
	if (e != OK) {
		sbc_free(&s);
		return e;
	}
	*out = s;
	return OK;
}

void sbc_free(struct sbc **sbc)
{
	CHECK(sbc);
	struct sbc *s = *sbc;

	if (!s)
		return;
	if (s->calls.chunks) {
		uint32_t cursor = 0;
		id_t64 id;
		struct call *c;
		while ((c = pool_next(&s->calls, &cursor, &id)) != NULL)
			call_free(s, &c);
		pool_release(&s->calls);
	}
	if (s->errands.chunks) {
		errand_free_all(s);
		pool_release(&s->errands);
	}
	if (s->subscriptions.chunks) {
		subscription_free_all(s);
		pool_release(&s->subscriptions);
	}
	if (s->binds.contacts.chunks)
		reg_free_all(s);
	bind_release(&s->binds);
	tally_release(&s->subscribers);
	tally_release(&s->registering);
	budget_release(&s->answers);
	share_release(s);
	policy_release(&s->policy);
	spirals_release(&s->spirals);
	refused_release(&s->refused);
	block_release(&s->outside_blocks);
	if (s->setups.chunks)
		pool_release(&s->setups);
	if (s->exchanges.chunks)
		pool_release(&s->exchanges);
	if (s->owns.chunks)
		pool_release(&s->owns);
	if (s->transfers.chunks)
		pool_release(&s->transfers);
	if (s->asks.chunks)
		pool_release(&s->asks);
	handover_release(s);
	cluster_release(s);
	keep_release(s);
	block_release(&s->blocks);
	peers_release(&s->peers);
	enrol_release(&s->enrols);
	auth_release(&s->auth);
	setup_identity_release(s);
	challenge_release(&s->challenge);
	keepout_release(&s->keepout);
	quarantine_release(&s->quarantine);
	txn_release(&s->txns);
	arena_release(&s->arena);
	free(s->out.p);
	free(s->lines.p);
	free(s->base.p);
	free(s->text.p);
	free(s);
	*sbc = NULL;
}

/* ---- reports of transactions */

/* What a failure to send means for the choice of the next target. */
static unsigned cause_of(enum send_failure why)
{
	switch (why) {
	case SEND_FAILURE_TLS: return ROUTE_CAUSE_TLS;
	case SEND_FAILURE_TIMEOUT:
	case SEND_FAILURE_CONNECT:
	case SEND_FAILURE_CLOSED:
	case SEND_FAILURE_FULL:
	case SEND_FAILURE_COUNT: break;
	}
	return ROUTE_CAUSE_CONNECT;
}

static void on_report(struct sbc *s, const struct txn_effect *x, unsigned cause)
{
	struct call *c;
	struct exchange *ex;
	struct own *own;

	switch (owner_kind(x->owner)) {
	case OWNER_CALL:
		c = call_find(s, x->owner);
		if (c)
			call_on_report(s, c, x->txn, x->report, cause);
		break;
	case OWNER_EXCHANGE:
		ex = pool_find(&s->exchanges, x->owner);
		if (ex)
			exchange_on_report(s, ex, x->txn, x->report);
		break;
	case OWNER_OWN:
		own = pool_find(&s->owns, x->owner);
		if (own)
			own_on_report(s, own, x->txn, x->report);
		break;
	case OWNER_OUTSIDE: {
		struct errand *errand = errand_find(s, x->owner);
		if (errand && errand->use == ERRAND_REGISTER)
			reg_on_report(s, errand, x->txn, x->report, cause);
		else if (errand)
			outside_on_report(s, errand, x->txn, x->report, cause);
		break;
	}
	case OWNER_ENROL:
		if (x->report == TXN_REPORT_TIMEOUT || x->report == TXN_REPORT_FAILED)
			enrol_on_silence(s, x->txn,
					 x->report == TXN_REPORT_TIMEOUT ? ROUTE_CAUSE_TIMEOUT
									 : cause);
		break;
	case OWNER_PEER:
		if (x->report == TXN_REPORT_TIMEOUT || x->report == TXN_REPORT_FAILED)
			peers_on_silence(s, x->owner, x->txn);
		break;
	case OWNER_NONE:
	case OWNER_ORPHAN:
	case OWNER_SETUP:
	case OWNER_ASK:
	case OWNER_TXN:
	case OWNER_TRANSFER:
	case OWNER_BINDING:
	case OWNER_SUBSCRIPTION:
	case OWNER_HANDOVER:
	case OWNER_KIND_COUNT: break;
	}
}

static void carry_out(struct sbc *s, const struct txn_effects *fx, unsigned cause)
{
	worker_emit(s, fx);
	for (size_t i = 0; i < fx->count; i++)
		if (fx->list[i].type == TXN_EFFECT_REPORT)
			on_report(s, &fx->list[i], cause);
}

/* ---- messages */

/* A request that no one follows, a BYE mostly, has to get through all the same. */
static void on_unowned(struct sbc *s, id_t64 txn, const struct msg *m)
{
	const struct txn_challenged *c = txn_find_challenged(&s->txns, txn);

	if (c)
		auth_again(s, &(struct auth_again){.txn = txn,
						   .trunk = c->dest.trunk,
						   .settings = c->settings,
						   .answer = m});
}

/*
 * A fork's 2xx after the refusal of another: over streams a refused INVITE leaves nothing that would remember it (Timer D is
 * 0), and its callee would talk to no one. A token is no proof, but three that name one call only we can have made.
 */
static bool on_stray_answer(struct sbc *s, const struct msg *m, const struct flow *f)
{
	id_t64 id, by_tag, by_call_id;

	if (m->method != METHOD_INVITE || m->status < 200 || m->status >= 300 ||
	    !transport_is_reliable(f->transport) ||
	    !hide_read(&s->hide, HIDE_BRANCH, m->via.branch, &id) ||
	    !hide_read(&s->hide, HIDE_TAG, m->from_tag, &by_tag) ||
	    !hide_read(&s->hide, HIDE_CALL_ID, m->call_id, &by_call_id) || id != by_tag ||
	    id != by_call_id)
		return false;
	struct call *c = call_find(s, id);
	if (c)
		call_on_stray_answer(s, c, m, f);
	else
		call_on_orphan(s, ID_NONE, m, f, false);
	return true;
}

/* What other nodes know of the call may not be right any more. */
static void touched(struct sbc *s, id_t64 call)
{
	if (s->keeps.on)
		keep_changed(s, call_find(s, call));
}

static void on_response(struct sbc *s, const struct msg *m, const struct flow *f,
			const struct tls_facts *tls)
{
	struct txn_effects fx = {.count = 0};
	struct txn_match t = txn_response(&s->txns, m, f, s->now_ms, &fx);

	carry_out(s, &fx, 0);
	if (t.found == TXN_NEW) {
		if (!on_stray_answer(s, m, f))
			worker_dropped(s, f, NOTICE_DROP_STRAY_RESPONSE);
		return;
	}
	if (t.owner == ID_NONE)
		on_unowned(s, t.txn, m);
	if (t.found != TXN_MATCHED)
		return;
	switch (owner_kind(t.owner)) {
	case OWNER_CALL: {
		struct call *c = transfer_heir(s, call_find(s, t.owner), m);
		if (c && c->setup && c->setup->txn == t.txn)
			peers_hear(s, c->settings, c->leg[1].trunk, c->leg[1].peer, m);
		if (!c) {
			call_on_orphan(s, t.txn, m, f, false);
			break;
		}
		id_t64 call = c->id;
		call_on_response(s, c, t.txn, m, f, tls);
		touched(s, call);
		break;
	}
	case OWNER_EXCHANGE: {
		struct exchange *x = pool_find(&s->exchanges, t.owner);
		if (x) {
			id_t64 call = x->call;
			exchange_on_response(s, x, t.txn, m, f);
			touched(s, call);
		}
		break;
	}
	case OWNER_OWN: {
		struct own *o = pool_find(&s->owns, t.owner);
		if (o) {
			id_t64 call = o->call;
			own_on_response(s, o, t.txn, m, f);
			touched(s, call);
		}
		break;
	}
	case OWNER_OUTSIDE: {
		struct errand *e = errand_find(s, t.owner);
		if (e && e->use == ERRAND_REGISTER)
			reg_on_response(s, e, t.txn, m);
		else if (e)
			outside_on_response(s, e, t.txn, m, f);
		break;
	}
	case OWNER_PEER: peers_on_response(s, t.owner, t.txn, m); break;
	case OWNER_ENROL: enrol_on_response(s, t.txn, m); break;
	case OWNER_ORPHAN: call_on_orphan(s, t.txn, m, f, false); break;
	case OWNER_NONE:
	case OWNER_SETUP:
	case OWNER_ASK:
	case OWNER_TXN:
	case OWNER_TRANSFER:
	case OWNER_BINDING:
	case OWNER_SUBSCRIPTION:
	case OWNER_HANDOVER:
	case OWNER_KIND_COUNT: break;
	}
}

/* What a stranger wants leaves no state; what a trunk wants is answered once, and has its CDR once. */
static void refuse(struct sbc *s, const struct msg *m, const struct flow *f,
		   const struct tls_facts *tls, uint16_t trunk, const struct verdict *v)
{
	const struct refuse_params can =
		outside_abilities(s->settings, worker_realm_of(s->settings, f), trunk);

	if (trunk == SETTINGS_NO_INDEX)
		quarantine_on_stranger(s, f, m);
	/* Silence makes no transaction that would know the repetitions: there is no record for each of them. */
	if (v->outcome == VERDICT_DROP && v->stage == VERDICT_STAGE_GEO) {
		worker_dropped(s, f, NOTICE_DROP_GEO);
		refused_tell(s, f, tls, m, STR_NONE, trunk, v);
		return;
	}
	if (m->method == METHOD_INVITE && trunk != SETTINGS_NO_INDEX) {
		setup_refuse_at_once(s, m, f, tls, trunk, v);
		return;
	}
	buf_reset(&s->lines);
	if (refuse_write_headers(&s->lines, v, m, &can) != OK)
		buf_reset(&s->lines);
	if (v->outcome == VERDICT_REJECT)
		worker_reply(s, m, f, v->status, v->reason, buf_view(&s->lines));
	refused_tell(s, f, tls, m, STR_NONE, trunk, v);
}

/* A request that names a dialog or transaction that is not there: strangers need not know that. */
static void on_unknown(struct sbc *s, const struct msg *m, const struct flow *f,
		       const struct tls_facts *tls)
{
	struct facts facts = leg_facts(s->settings, f, tls);
	const struct policy_ask ask = judge_ask(s, s->settings, &facts);
	struct verdict v = judge_who(s, &ask, f, m);

	if (v.outcome == VERDICT_ALLOW) {
		s->unproven = false;
		worker_reply(s, m, f, 481, STR_NONE, STR_NONE);
	} else {
		refuse(s, m, f, tls, SETTINGS_NO_INDEX, &v);
	}
}

/* It acknowledges an answer that left no state: if it is a stranger's, it has proved where it is. */
static void on_reply_ack(struct sbc *s, const struct msg *m, const struct flow *f,
			 const struct tls_facts *tls)
{
	struct facts facts = leg_facts(s->settings, f, tls);
	const struct policy_ask ask = judge_ask(s, s->settings, &facts);

	if (s->unproven && judge_who(s, &ask, f, m).outcome != VERDICT_ALLOW)
		quarantine_on_ack(s, f, m);
}

/* A CANCEL carries no proof (RFC 3261 §22.1), so it counts only from where its INVITE came (threats C7). */
static bool may_cancel(const struct call *c, unsigned side, const struct flow *asked,
		       const struct flow *f, const struct tls_facts *tls)
{
	const struct leg *l = &c->leg[side];

	if (f->id != ID_NONE && f->id == asked->id)
		return true;
	if (!transport_is_secure(asked->transport) && addr_eq_ip(&f->remote, &asked->remote))
		return true;
	return leg_is_believed(l, &l->dialog, c->settings, f, tls);
}

static void on_cancel(struct sbc *s, const struct msg *m, const struct flow *f,
		      const struct tls_facts *tls)
{
	struct txn_match t = txn_find_cancelled(&s->txns, m);
	struct call *c = NULL;
	struct exchange *x = NULL;
	struct asker a;

	if (t.found == TXN_MATCHED && owner_kind(t.owner) == OWNER_CALL)
		c = call_find(s, t.owner);
	else if (t.found == TXN_MATCHED && owner_kind(t.owner) == OWNER_EXCHANGE)
		x = pool_find(&s->exchanges, t.owner);
	const struct call *of = x ? call_find(s, x->call) : c;
	bool stranger = (x && of && !may_cancel(of, x->from, &x->flow, f, tls)) ||
			(!x && of && of->setup && !may_cancel(of, 0, &of->setup->flow, f, tls));
	if (t.found != TXN_MATCHED || stranger) {
		on_unknown(s, m, f, tls);
		return;
	}
	if (!c && !x) { /* its INVITE has had its answer, and the call has gone */
		worker_reply(s, m, f, 200, STR_NONE, STR_NONE);
		return;
	}
	/* RFC 3261 §9.2: the same To tag as the answer to the INVITE has. */
	if (asker_serve(s, &a, s->settings, m, f, ID_NONE) != OK)
		return;
	asker_answer(s, &a, 200, STR_NONE,
		     c ? dialog_get(&c->leg[0].dialog, DIALOG_LOCAL_TAG) : STR_NONE);
	if (c)
		call_on_cancel(s, c, m);
	else if (x)
		exchange_on_cancel(s, x, m);
}

static void on_options(struct sbc *s, const struct msg *m, const struct flow *f)
{
	buf_reset(&s->lines);
	/* Whoever watches us is to send its calls elsewhere while we take none (never silence: that means dead). */
	if (s->draining || s->live >= s->settings->limits.calls || !errand_has_room(s)) {
		worker_reply(s, m, f, 503, STR_NONE,
			     s->draining ? STR("Retry-After: 60\r\n") : STR("Retry-After: 10\r\n"));
		return;
	}
	buf_lit(&s->lines, "Allow: ");
	refuse_write_allow(&s->lines, worker_abilities.methods);
	buf_lit(&s->lines, "\r\nAccept: application/sdp\r\nSupported: 100rel, timer\r\n");
	worker_reply(s, m, f, 200, STR_NONE, buf_view(&s->lines));
}

/* The same request by another way (RFC 3261 §8.2.2.2); that of another trunk only looks like it (threats C17). */
static bool is_merged(const struct sbc *s, const struct msg *m, uint16_t trunk)
{
	id_t64 owner;

	for (size_t i = 0; txn_merged_with(&s->txns, m, i, &owner); i++) {
		const struct call *c = owner_kind(owner) == OWNER_CALL ? call_find(s, owner) : NULL;
		if (!c || c->leg[0].trunk == trunk)
			return true;
	}
	return false;
}

/* Emergency calls are let in whatever the load is; OPTIONS costs little and tells who asks that we live. */
static bool is_shed(struct sbc *s, const struct msg *m)
{
	if (!gate_sheds(&s->gate, rng_u32(&s->rng)) || m->method == METHOD_OPTIONS)
		return false;
	return m->method != METHOD_INVITE || !judge_is_emergency(&s->settings->policy, m->uri);
}

/* Without any state, and without a record: that it costs next to nothing is its point. */
static void shed(struct sbc *s, const struct msg *m, const struct flow *f, uint16_t trunk)
{
	static const struct verdict v = {.outcome = VERDICT_REJECT,
					 .stage = VERDICT_STAGE_LIMIT,
					 .status = 503,
					 .rule = {"overload", 8}};

	buf_reset(&s->lines);
	buf_lit(&s->lines, "Retry-After: ");
	buf_u64(&s->lines, gate_retry_after_s(&s->settings->limits.overload, rng_u32(&s->rng)));
	buf_lit(&s->lines, "\r\n");
	worker_reply(s, m, f, v.status, STR_NONE, buf_view(&s->lines));
	refused_tell(s, f, NULL, m, STR_NONE, trunk, &v);
}

static void on_register(struct sbc *s, struct msg *m, const struct flow *f,
			const struct tls_facts *tls, bool merged)
{
	static const struct str extensions[] = {{"path", 4}, {"outbound", 8}};
	const struct users *group = reg_group_of(s->settings, m, f);
	struct refuse_params can = worker_abilities;
	struct facts facts = leg_facts(s->settings, f, tls);
	const struct policy_ask ask = judge_ask(s, s->settings, &facts);
	facts.trunk = group->trunk;
	facts.identified = true;
	struct verdict v = policy_run(&ask, VERDICT_STAGE_GEO, VERDICT_STAGE_GEO);

	can.methods |= 1u << METHOD_REGISTER;
	can.extensions = extensions;
	can.extension_count = ARRAY_LEN(extensions);
	quarantine_on_claim(s, f, m);
	if (v.outcome == VERDICT_ALLOW && msg_full(m, &s->arena) != OK)
		v = refuse_fault(m);
	if (v.outcome == VERDICT_ALLOW)
		v = refuse_request(m, &can);
	if (v.outcome == VERDICT_ALLOW && merged)
		v = (struct verdict){.outcome = VERDICT_REJECT,
				     .stage = VERDICT_STAGE_PARSE,
				     .status = 482,
				     .rule = STR("merged")};
	if (v.outcome == VERDICT_ALLOW && s->gate.shed && is_shed(s, m))
		shed(s, m, f, group->trunk);
	else if (v.outcome != VERDICT_ALLOW)
		refuse(s, m, f, tls, group->trunk, &v);
	else
		reg_begin(s, m, f, group);
}

/* Cheap before dear: who is it, can we do it at all; then what it wants. */
static void on_new_request(struct sbc *s, struct msg *m, const struct flow *f,
			   const struct tls_facts *tls, bool merged)
{
	struct facts facts = leg_facts(s->settings, f, tls);
	const struct policy_ask ask = judge_ask(s, s->settings, &facts);

	facts.method = m->method_text;
	if (m->method == METHOD_REGISTER && reg_group_of(s->settings, m, f)) {
		on_register(s, m, f, tls, merged);
		return;
	}
	struct verdict v = judge_who(s, &ask, f, m);
	const uint16_t trunk = facts.trunk;
	/* Who is known by where it sends from; one that must prove it has its chance below. */
	if (v.outcome == VERDICT_ALLOW && !proof_is_asked(s->settings, trunk, f))
		s->unproven = false;
	if (v.outcome == VERDICT_ALLOW && s->gate.shed && is_shed(s, m)) {
		shed(s, m, f, trunk);
		return;
	}
	/* What is broken gets 400 whether or not we know its method (RFC 4475 §3.1.2). */
	if (v.outcome == VERDICT_ALLOW && msg_full(m, &s->arena) != OK)
		v = refuse_fault(m);
	if (v.outcome == VERDICT_ALLOW) {
		const struct refuse_params can =
			outside_abilities(s->settings, worker_realm_of(s->settings, f), trunk);
		v = refuse_request(m, &can);
	}
	if (v.outcome == VERDICT_ALLOW && merged && is_merged(s, m, trunk))
		v = (struct verdict){.outcome = VERDICT_REJECT,
				     .stage = VERDICT_STAGE_PARSE,
				     .status = 482,
				     .reason = STR("Merged Request"),
				     .rule = STR("merged")};
	if (v.outcome != VERDICT_ALLOW) {
		refuse(s, m, f, tls, trunk, &v);
		return;
	}
	if (!proof_take(s, trunk, m, f))
		return;
	s->unproven = false;
	if (outside_is_ours(s->settings, m, trunk)) {
		outside_begin(s, m, f, tls, trunk);
	} else if (m->method == METHOD_OPTIONS) {
		on_options(s, m, f);
	} else if (m->method == METHOD_INVITE) {
		setup_begin(s, m, f, tls, trunk);
	} else { /* handled in dialogs only */
		worker_reply(s, m, f, 481, STR_NONE, STR_NONE);
	}
}

static struct subscription *subscription_of_tag(struct sbc *s, struct str tag)
{
	id_t64 id;

	return tag.len && hide_read(&s->hide, HIDE_TAG, tag, &id) &&
			       owner_kind(id) == OWNER_SUBSCRIPTION
		       ? subscription_find(s, id)
		       : NULL;
}

/* *out_reply: the tag is of an answer that left no state. */
static struct call *call_of_tag(struct sbc *s, struct str tag, bool *out_reply)
{
	struct hide_name name;

	if (!hide_read_any(&s->hide, HIDE_TAG, tag, &name))
		return NULL;
	*out_reply = name.id == ID_NONE;
	struct call *c = name.boot == s->hide.boot ? call_find(s, name.id) : NULL;
	return c || !s->keeps.on ? c : keep_find(s, name);
}

static void on_request(struct sbc *s, struct msg *m, const struct flow *f,
		       const struct tls_facts *tls)
{
	struct txn_effects fx = {.count = 0};

	if (s->handovers.on && !s->handed && handover_take(s, m, f, tls))
		return;
	struct txn_match t = txn_request(&s->txns, m, s->now_ms, &fx);

	carry_out(s, &fx, 0);
	struct notice n =
		worker_notice(s, t.found == TXN_ABSORBED ? NOTICE_DUPLICATE : NOTICE_REQUEST);
	n.realm = worker_realm_of(s->settings, f);
	n.transport = f->transport;
	n.source = f->remote;
	n.method = m->method_text;
	worker_publish(s, &n);
	if (t.found == TXN_ABSORBED)
		return;
	bool reply = false;
	struct call *c = m->to_tag.len ? call_of_tag(s, m->to_tag, &reply) : NULL;
	if (c && c->heir != ID_NONE)
		c = transfer_heir(s, c, m);
	struct subscription *sub = c ? NULL : subscription_of_tag(s, m->to_tag);
	/* Only who heard from us can name these. */
	if (c || sub)
		s->unproven = false;
	id_t64 call = c ? c->id : ID_NONE;
	if (m->method == METHOD_ACK) {
		if (c)
			in_dialog_on_ack(s, c, m, f, tls);
		else if (t.found == TXN_NEW && reply)
			on_reply_ack(s, m, f, tls);
		else if (t.found == TXN_NEW)
			worker_dropped(s, f, NOTICE_DROP_STRAY_ACK);
	} else if (m->method == METHOD_CANCEL) {
		on_cancel(s, m, f, tls);
	} else if (c) {
		in_dialog_on_request(s, c, m, f, tls);
	} else if (sub) {
		subscription_on_request(s, sub, m, f, tls);
	} else if (m->to_tag.len) {
		on_unknown(s, m, f, tls);
	} else {
		on_new_request(s, m, f, tls, t.found == TXN_MERGED);
	}
	if (call != ID_NONE)
		touched(s, call);
}

static void on_fault(struct sbc *s, const struct msg *m, const struct flow *f, enum err e)
{
	struct verdict v = refuse_fault(m);

	if (judge_is_shapeless(m)) {
		worker_dropped(s, f, NOTICE_DROP_NOT_SIP);
		if (f->id != ID_NONE)
			s->ports.close(s->ports.ctx, f->id);
		return;
	}
	/* Only who may speak here gets an answer. */
	struct facts facts = leg_facts(s->settings, f, NULL);
	uint16_t trunk = SETTINGS_NO_INDEX;
	bool known =
		identify_trunk(&s->settings->policy, &facts, &trunk).outcome == VERDICT_ALLOW ||
		transport_is_secure(f->transport);
	if (m->answerable && v.outcome == VERDICT_REJECT && known) {
		s->unproven = false; /* identified, or over TLS */
		worker_reply(s, m, f, v.status, v.reason, STR_NONE);
		refused_tell(s, f, NULL, m, STR_NONE, trunk, &v);
		return;
	}
	worker_dropped(s, f, e == ERR_LIMIT ? NOTICE_DROP_TOO_BIG : NOTICE_DROP_MALFORMED);
}

/* Why nothing is said. */
static enum notice_drop drop_of(enum verdict_stage stage, const struct facts *f)
{
	return stage == VERDICT_STAGE_BAN
		       ? f->quarantined ? NOTICE_DROP_QUARANTINE : NOTICE_DROP_BAN
	       : stage == VERDICT_STAGE_GEO  ? NOTICE_DROP_GEO
	       : stage == VERDICT_STAGE_RATE ? NOTICE_DROP_RATE
	       : stage == VERDICT_STAGE_ACL  ? NOTICE_DROP_ACL
					     : NOTICE_DROP_POLICY;
}

/* Of a call, a subscription or a transaction that is there: who is banned may end what it began. */
static bool is_of_ours(struct sbc *s, const struct event *e)
{
	const struct str bytes = e->message.bytes;
	const enum gate_class kind = gate_classify(bytes);
	const bool cancels = str_has_prefix(bytes, STR("CANCEL "));
	struct msg *m = &s->in;
	bool reply;
	id_t64 id;

	if (kind == GATE_JUNK || (kind == GATE_NEW && !cancels))
		return false;
	if (judge_index(s->settings, &e->message.flow, bytes, m) != OK)
		return false;
	if (!m->is_request)
		return hide_read(&s->hide, HIDE_BRANCH, m->via.branch, &id);
	if (cancels)
		return txn_find_cancelled(&s->txns, m).found == TXN_MATCHED;
	return call_of_tag(s, m->to_tag, &reply) || subscription_of_tag(s, m->to_tag);
}

static struct verdict judge_first(struct sbc *s, const struct policy_ask *ask,
				  const struct event *e)
{
	struct verdict v = judge_source(ask, e->message.bytes);

	if (v.outcome != VERDICT_ALLOW && v.stage == VERDICT_STAGE_BAN &&
	    (is_of_ours(s, e) || judge_may_prove(s, ask, &e->message.flow, e->message.bytes)))
		v = policy_run(ask, VERDICT_STAGE_ACL, VERDICT_STAGE_RATE);
	else if (v.outcome != VERDICT_ALLOW)
		keepout_after(s);
	return v;
}

/* A method that is no word of SIP, where such are not answered. */
static bool is_unheard_of(struct sbc *s, const struct msg *m, const struct flow *f, uint16_t realm)
{
	const struct admission_rule *a = &s->settings->policy.realms[realm].admission;
	const struct verdict v = {.outcome = VERDICT_DROP,
				  .stage = VERDICT_STAGE_ADMISSION,
				  .rule = a->name,
				  .file = a->place.file,
				  .line = a->place.line};

	if (!a->drop_unknown || !m->is_request || m->method != METHOD_OTHER)
		return false;
	quarantine_on_stranger(s, f, m);
	worker_dropped(s, f, NOTICE_DROP_POLICY);
	worker_refused(s, s->settings, f, m, SETTINGS_NO_INDEX, &v);
	return true;
}

static void on_message(struct sbc *s, const struct event *e)
{
	const struct flow *f = &e->message.flow;
	uint16_t realm = worker_realm_of(s->settings, f);
	struct msg *m = &s->in;

	s->unproven = f->transport == TRANSPORT_UDP;
	gate_measure(&s->gate, &s->settings->limits.overload, f->listener, e->message.late_ms,
		     s->now_ms);
	if (realm >= s->settings->policy.realm_count || judge_is_keep_alive(e->message.bytes))
		return;
	struct facts facts = leg_facts(s->settings, f, e->message.tls);
	const struct policy_ask ask = judge_ask(s, s->settings, &facts);
	struct verdict v = judge_first(s, &ask, e);
	if (v.outcome == VERDICT_DROP && facts.quarantined)
		worker_heard(s, f, e->message.bytes.len);
	/* It ends a refusal, and is none: nor is it one to rules that count them. */
	if (v.outcome != VERDICT_ALLOW && str_has_prefix(e->message.bytes, STR("ACK "))) {
		worker_dropped(s, f, drop_of(v.stage, &facts));
		return;
	}
	if (v.outcome == VERDICT_DROP) {
		worker_dropped(s, f, drop_of(v.stage, &facts));
		refused_tell(s, f, e->message.tls, NULL, e->message.bytes, SETTINGS_NO_INDEX, &v);
		return;
	}
	enum err err = judge_index(s->settings, f, e->message.bytes, m);
	if (v.outcome == VERDICT_REJECT) {
		buf_reset(&s->lines);
		if (v.retry_after_s)
			buf_printf(&s->lines, "Retry-After: %u\r\n", v.retry_after_s);
		if (m->answerable && m->is_request)
			worker_reply(s, m, f, v.status, v.reason, buf_view(&s->lines));
		refused_tell(s, f, e->message.tls, m, STR_NONE, SETTINGS_NO_INDEX, &v);
		return;
	}
	if (err != OK) {
		on_fault(s, m, f, err);
		return;
	}
	if (is_unheard_of(s, m, f, realm))
		return;
	if (m->is_request)
		on_request(s, m, f, e->message.tls);
	else
		on_response(s, m, f, e->message.tls);
	txn_forget_challenged(&s->txns);
}

/* ---- the other events */

static void on_flow_closed(struct sbc *s, id_t64 flow)
{
	struct txn_effects fx;

	while ((fx.count = txn_flow_closed(&s->txns, flow, s->now_ms, fx.list, TXN_EFFECTS_MAX)) >
	       0)
		carry_out(s, &fx, ROUTE_CAUSE_CONNECT);
	reg_on_flow_closed(s, flow);
}

/* The question is closed; ID_NONE as owner: it was not open, or no one wants the answer. */
static struct ask take_ask(struct sbc *s, id_t64 id)
{
	const struct ask *a = pool_find(&s->asks, id);
	struct ask out = {.owner = ID_NONE, .what = ASK_WHAT_COUNT};

	if (a) {
		out = *a;
		pool_free(&s->asks, id);
	} else {
		struct flow none = {.listener = SETTINGS_NO_INDEX};
		worker_dropped(s, &none, NOTICE_DROP_STALE);
	}
	return out;
}

static void on_resolved(struct sbc *s, const struct event *e)
{
	struct ask a = take_ask(s, e->resolved.id);

	if (a.what != ASK_RESOLVE)
		return;
	s->counts.resolving--;
	if (owner_kind(a.owner) == OWNER_PEER) {
		peers_on_resolved(s, a.owner, e->resolved.id, e);
		return;
	}
	if (owner_kind(a.owner) == OWNER_ENROL) {
		enrol_on_resolved(s, e->resolved.id, e);
		return;
	}
	if (owner_kind(a.owner) == OWNER_OUTSIDE) {
		struct errand *errand = errand_find(s, a.owner);
		if (errand && errand->use == ERRAND_REGISTER)
			reg_on_resolved(s, errand, e->resolved.id, e);
		else if (errand)
			outside_on_resolved(s, errand, e->resolved.id, e);
		return;
	}
	struct call *c = call_find(s, a.owner);
	if (c && c->setup)
		setup_on_resolved(s, c, e->resolved.id, e);
}

static void on_credential(struct sbc *s, const struct event *e)
{
	struct ask a = take_ask(s, e->credential.id);
	struct call *c = a.owner != ID_NONE ? call_find(s, a.owner) : NULL;

	if (c && c->setup && a.what == ASK_CREDENTIAL)
		setup_on_credential(s, c, e->credential.id, e);
}

static void on_opinion(struct sbc *s, const struct event *e)
{
	struct ask a = take_ask(s, e->opinion.id);
	struct call *c = a.what == ASK_OPINION ? call_find(s, a.owner) : NULL;

	if (c && c->setup)
		opine_on_answer(s, c, e->opinion.id, e);
}

static void on_relay_reply(struct sbc *s, const struct event *e)
{
	struct ask a = take_ask(s, e->relay.id);
	struct call *c = a.owner != ID_NONE ? call_find(s, a.owner) : NULL;

	if (c && a.what != ASK_RESOLVE)
		call_on_relay(s, c, &a, e);
	if (c)
		touched(s, a.owner);
}

static void on_session_alarm(struct sbc *s, struct call *c, unsigned side)
{
	id_t64 id = c->id;

	refresh_on_alarm(s, c, side);
	touched(s, id);
}

static void on_alarm(struct sbc *s, struct alarm *a)
{
	switch ((enum alarm_kind)a->kind) {
	case ALARM_SETUP: setup_on_alarm(s, CONTAINER_OF(a, struct setup, alarm)); break;
	case ALARM_PRACK: setup_on_prack_alarm(s, CONTAINER_OF(a, struct setup, prack)); break;
	case ALARM_EXCHANGE: exchange_on_alarm(s, CONTAINER_OF(a, struct exchange, alarm)); break;
	case ALARM_CALLER_SESSION:
		on_session_alarm(s, CONTAINER_OF(a, struct call, session_alarm[0]), 0);
		break;
	case ALARM_CALLEE_SESSION:
		on_session_alarm(s, CONTAINER_OF(a, struct call, session_alarm[1]), 1);
		break;
	case ALARM_DURATION:
		duration_on_alarm(s, CONTAINER_OF(a, struct call, duration_alarm));
		break;
	case ALARM_MEDIA: call_watch_on_alarm(s, CONTAINER_OF(a, struct call, media_alarm)); break;
	case ALARM_OWN: own_on_alarm(s, CONTAINER_OF(a, struct own, alarm)); break;
	case ALARM_PEER: peers_on_alarm(s, a); break;
	case ALARM_PEER_REST: peers_on_rest_alarm(s, a); break;
	case ALARM_ENROL: enrol_on_alarm(s, a); break;
	case ALARM_ERRAND: {
		struct errand *e = CONTAINER_OF(a, struct errand, alarm);
		if (e->use == ERRAND_REGISTER)
			reg_on_alarm(s, e);
		else
			outside_on_alarm(s, e);
		break;
	}
	case ALARM_SUBSCRIPTION:
		subscription_on_alarm(s, CONTAINER_OF(a, struct subscription, alarm));
		break;
	case ALARM_CONTACT: reg_on_contact_alarm(s, CONTAINER_OF(a, struct contact, alarm)); break;
	case ALARM_BEAT: handover_on_beat(s); break;
	case ALARM_KEEP: keep_on_alarm(s); break;
	case ALARM_HANDOVER: handover_on_alarm(s, CONTAINER_OF(a, struct handover, alarm)); break;
	case ALARM_ORPHANS: handover_on_orphans(s); break;
	case ALARM_FRAUD:
		fraud_watch_on_alarm(s, CONTAINER_OF(a, struct fraud_watch, alarm));
		break;
	case ALARM_SHARE: share_on_alarm(s); break;
	case ALARM_BANS: ban_share_on_alarm(s); break;
	case ALARM_FRAUD_END: fraud_end_on_alarm(s); break;
	case ALARM_KIND_COUNT: break;
	}
}

static void on_tick(struct sbc *s)
{
	struct txn_effects fx;
	struct timer *t;

	while ((fx.count = txn_tick(&s->txns, s->now_ms, fx.list, TXN_EFFECTS_MAX)) > 0)
		carry_out(s, &fx, ROUTE_CAUSE_TIMEOUT);
	while ((t = wheel_expire(&s->wheel, s->now_ms)) != NULL)
		on_alarm(s, CONTAINER_OF(t, struct alarm, timer));
	call_sweep(s, false);
	keepout_tick(s);
}

static void on_settings(struct sbc *s, const struct settings *settings)
{
	/* Without memory for it the old configuration stays in force; the shell sees that it is still used. */
	if (auth_apply(s, settings) != OK || admission_apply(s, settings) != OK ||
	    peers_apply(s, settings) != OK || enrol_apply(s, settings) != OK ||
	    fraud_apply(&s->policy.fraud, settings->policy.fraud) != OK ||
	    setup_identity_apply(s, settings) != OK)
		return;
	reg_apply(s, s->settings, settings);
	subscription_apply(s, settings);
	s->settings = settings;
	txn_set_timers(&s->txns, &settings->timers);
}

/* Requests that were looked for elsewhere: they go on here, found or not, or there was no time to find out. */
static void on_ready(struct sbc *s)
{
	static const struct verdict late = {.outcome = VERDICT_REJECT,
					    .stage = VERDICT_STAGE_LIMIT,
					    .status = 503,
					    .rule = {"store", 5}};
	struct handover *h;

	while ((h = handover_next(s)) != NULL) {
		struct msg *m = &s->in;
		const struct flow *f = &h->flow;
		s->unproven = f->transport == TRANSPORT_UDP;
		if (msg_index(m, h->bytes, 0) == OK) { /* it is whole */
			if (h->stage == HANDOVER_READY) {
				s->handed = true;
				on_request(s, m, f, h->has_tls ? &h->tls : NULL);
				s->handed = false;
			} else {
				if (m->method != METHOD_ACK)
					worker_reply(s, m, f, late.status, STR_NONE,
						     STR("Retry-After: 2\r\n"));
				worker_refused(s, s->settings, f, m, SETTINGS_NO_INDEX, &late);
			}
			txn_forget_challenged(&s->txns);
		}
		handover_forget(s, h);
	}
}

void sbc_step(struct sbc *s, const struct event *e)
{
	CHECK(s && e);
	s->now_ms = e->now_ms;
	s->wall_ms = e->wall_ms;
	s->unproven = false;
	decision_init(&s->decision);
	arena_reset(&s->arena);
	switch (e->type) {
	case EVENT_MESSAGE: on_message(s, e); break;
	case EVENT_FLOW_CLOSED: on_flow_closed(s, e->closed.flow); break;
	case EVENT_SEND_FAILED: {
		struct txn_effects fx = {.count = 0};
		txn_failed(&s->txns, e->failed.tag, s->now_ms, &fx);
		carry_out(s, &fx, cause_of(e->failed.why));
		break;
	}
	case EVENT_RESOLVED: on_resolved(s, e); break;
	case EVENT_CREDENTIAL: on_credential(s, e); break;
	case EVENT_RELAY_REPLY: on_relay_reply(s, e); break;
	case EVENT_OPINION: on_opinion(s, e); break;
	case EVENT_RELAY_TOLD: call_watch_on_event(s, e); break;
	case EVENT_STORE_REPLY: stored_on_reply(s, &e->stored); break;
	case EVENT_STORE_TOLD: stored_on_told(s, &e->store_told); break;
	case EVENT_STORE_STATE: stored_on_state(s, &e->store_state); break;
	case EVENT_TICK: on_tick(s); break;
	case EVENT_SETTINGS: on_settings(s, e->settings); break;
	case EVENT_DRAIN:
		s->draining = true;
		enrol_leave(s);
		break;
	case EVENT_STOP:
		s->draining = true;
		call_end_all(s);
		share_leave(s);
		enrol_leave(s);
		outside_end_all(s);
		break;
	case EVENT_COUNT: break;
	}
	if (s->keeps.on) {
		on_ready(s);
		keep_flush(s);
	}
}

/* ---- when to come again */

uint64_t sbc_next_ms(const struct sbc *s)
{
	CHECK(s);
	uint64_t a = txn_next_ms(&s->txns), b = wheel_next_ms(&s->wheel), c = call_sweep_next_ms(s);
	uint64_t first = a < b ? a : b, d = keepout_next_ms(s);

	first = first < c ? first : c;
	return first < d ? first : d;
}
