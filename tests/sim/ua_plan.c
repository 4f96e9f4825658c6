#include "tests/sim/ua_inside.h"

#include "common/check.h"

void ua_trigger(struct ua *u, enum ua_when when)
{
	for (size_t i = 0; i < u->plan.todo_count; i++)
		if (u->plan.todos[i].when == when && u->plan.todos[i].at_ms == 0)
			u->plan.todos[i].at_ms = ua_now(u) + u->plan.todos[i].after_ms;
}

static struct ua_dialog *talking(struct ua *u)
{
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state == UA_DIALOG_CONFIRMED && (d->caller || d->acked))
			return d;
	}
	return NULL;
}

static void cancel(struct ua *u)
{
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		if (!x->client || !x->invite || x->elsewhere || x->state == UA_TXN_FREE ||
		    x->state == UA_TXN_DONE || u->dialogs[x->dialog].state != UA_DIALOG_EARLY)
			continue;
		u->cancelled = true;
		x->cancelled = true;
		if (x->state == UA_TXN_PROCEEDING)
			ua_send_cancel(u, x);
	}
}

/* The INVITE under way outside a dialog; NULL: none. */
static struct ua_txn *open_invite(struct ua *u)
{
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		if (x->client && x->invite && !x->elsewhere &&
		    (x->state == UA_TXN_WAITING || x->state == UA_TXN_PROCEEDING) &&
		    u->dialogs[x->dialog].state == UA_DIALOG_EARLY)
			return x;
	}
	return NULL;
}

static void bye_early(struct ua *u)
{
	struct ua_txn *x = open_invite(u);
	if (!x || !u->dialogs[x->dialog].remote_tag.len)
		return;
	struct ua_request r = {.method = STR("BYE"), .uri = u->dialogs[x->dialog].target};
	u->cancelled = true; /* a 2xx that crosses it is ended at once */
	ua_start(u, x->dialog, &r);
}

static void elsewhere(struct ua *u)
{
	struct ua_txn *x = open_invite(u);
	if (x)
		ua_send_elsewhere(u, x);
}

static void probe(struct ua *u)
{
	static const char *const methods[] = {"OPTIONS", "MESSAGE", "REGISTER", "SUBSCRIBE",
					      "INFO",    "PRACK",   "UPDATE",   "NOSUCH"};
	char uri[64];
	struct buf b;
	buf_init(&b, uri, sizeof(uri));
	buf_lit(&b, "sip:");
	addr_write(&b, &u->p.next_hop);
	buf_char(&b, 0);
	ua_probe(u, methods[dice_range(u->dice, 0, ARRAY_LEN(methods) - 1)], uri);
}

static void act(struct ua *u, enum ua_act what)
{
	struct ua_dialog *d = talking(u);
	struct ua_request r = {0};
	switch (what) {
	case UA_CANCEL: cancel(u); return;
	case UA_CLOSE: net_hang_up(u->net, u->p.node); return;
	case UA_VANISH:
		net_hang_up(u->net, u->p.node);
		u->vanished = true;
		net_set_up(u->net, u->p.node, false);
		return;
	case UA_BYE:
		if (d)
			ua_send_bye(u, d);
		return;
	case UA_REINVITE:
		/* §14.1: not while an INVITE is under way in either direction. */
		if (!d || ua_invite_is_open(u, d) || d->ok.len)
			return;
		d->version++;
		r = (struct ua_request){.method = STR("INVITE"), .sdp = true};
		break;
	case UA_UPDATE:
		if (!d)
			return;
		d->version++;
		r = (struct ua_request){.method = STR("UPDATE"), .sdp = true};
		break;
	case UA_INFO: r = (struct ua_request){.method = STR("INFO")}; break;
	case UA_BYE_EARLY: bye_early(u); return;
	case UA_ELSEWHERE: elsewhere(u); return;
	case UA_PROBE: probe(u); return;
	case UA_OPTIONS: r = (struct ua_request){.method = STR("OPTIONS")}; break;
	case UA_ACT_COUNT: break;
	}
	if (!d)
		return;
	r.uri = d->target;
	ua_start(u, (int)(d - u->dialogs), &r);
}

static void txn_deadline(struct ua *u, struct ua_txn *x)
{
	struct ua_dialog *d = x->dialog == UA_NONE ? NULL : &u->dialogs[x->dialog];
	enum ua_txn_state was = x->state;
	x->state = UA_TXN_FREE;
	if (!x->client && x->invite && x->status >= 300 && !x->acked && !u->lenient)
		faults_add(u->faults, "%s said %u and never got an ACK", u->p.name, x->status);
	if (!x->client || was == UA_TXN_DONE || !d)
		return;
	if (!u->lenient)
		faults_add(u->faults, "%s never got an answer to its %.*s", u->p.name,
			   STR_ARG(x->method));
	if (x->invite && d->state == UA_DIALOG_EARLY && !x->elsewhere) {
		u->status = 408;
		ua_end_dialog(u, d);
	} else if (d->state == UA_DIALOG_CONFIRMED) {
		/* RFC 5057: no answer in a dialog ends it. */
		ua_send_bye(u, d);
	}
}

static void no_prack(struct ua *u, struct ua_txn *x)
{
	if (!u->lenient)
		faults_add(u->faults, "%s never got a PRACK", u->p.name);
	x->rel_pending = false;
	x->again_ms = x->deadline_ms = 0;
}

static void tick_txn(struct ua *u, struct ua_txn *x)
{
	uint64_t now = ua_now(u);
	if (x->deadline_ms && x->deadline_ms <= now) {
		if (x->rel_pending)
			no_prack(u, x);
		else
			txn_deadline(u, x);
		return;
	}
	if (x->again_ms && x->again_ms <= now) {
		x->interval_ms *= 2;
		bool capped = !(x->client && x->invite);
		if (capped && x->interval_ms > UA_T2)
			x->interval_ms = UA_T2;
		x->again_ms = now + x->interval_ms;
		ua_send(u, &x->path, x->last);
	}
	if (x->answer_ms && x->dialog != UA_NONE && x->answer_ms <= now) {
		x->answer_ms = 0;
		ua_answer_in_dialog(u, x);
	}
}

/* When the plan's next answer to this INVITE is due; 0: none. */
static uint64_t step_ms(const struct ua *u, const struct ua_txn *x)
{
	if (x->client || !x->invite || x->dialog != UA_NONE || !x->answer_ms ||
	    x->next_step >= u->plan.step_count || x->rel_pending)
		return 0;
	const struct ua_step *s = &u->plan.steps[x->next_step];
	/* Further forks' 2xx follow the first; all else ends with the final answer. */
	bool goes_on = s->status / 100 == 2 && (x->status / 100 == 2 || u->plan.late_fork);
	if (x->state == UA_TXN_DONE && !goes_on)
		return 0;
	return x->start_ms + s->after_ms;
}

static void tick_ok(struct ua *u, struct ua_dialog *d)
{
	uint64_t now = ua_now(u);
	if (!d->ok.len)
		return;
	if (d->ok_deadline_ms <= now) {
		d->ok = STR_NONE;
		if (!u->lenient)
			faults_add(u->faults, "%s never got the ACK of its 2xx", u->p.name);
		if (d->state == UA_DIALOG_CONFIRMED)
			ua_send_bye(u, d);
	} else if (d->ok_again_ms <= now) {
		d->ok_interval_ms = d->ok_interval_ms * 2 > UA_T2 ? UA_T2 : d->ok_interval_ms * 2;
		d->ok_again_ms = now + d->ok_interval_ms;
		ua_send(u, &d->ok_path, d->ok);
	}
}

void ua_tick(struct ua *u)
{
	uint64_t now = ua_now(u);
	if (u->vanished)
		return;
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		uint64_t at;
		while (x->state != UA_TXN_FREE && (at = step_ms(u, x)) != 0 && at <= now)
			ua_take_step(u, x);
		if (x->state != UA_TXN_FREE)
			tick_txn(u, x);
	}
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].state != UA_DIALOG_FREE)
			tick_ok(u, &u->dialogs[i]);
	for (size_t i = 0; i < u->plan.todo_count; i++) {
		struct ua_todo *t = &u->plan.todos[i];
		if (t->at_ms && !t->done && t->at_ms <= now) {
			t->done = true;
			act(u, t->act);
		}
	}
}

static void sooner(uint64_t *least, uint64_t at)
{
	if (at && at < *least)
		*least = at;
}

uint64_t ua_next_ms(const struct ua *u)
{
	uint64_t least = UINT64_MAX;
	if (u->vanished)
		return least;
	for (int i = 0; i < UA_TXNS; i++) {
		const struct ua_txn *x = &u->txns[i];
		if (x->state == UA_TXN_FREE)
			continue;
		sooner(&least, x->again_ms);
		sooner(&least, x->deadline_ms);
		sooner(&least, step_ms(u, x));
		if (x->dialog != UA_NONE)
			sooner(&least, x->answer_ms);
	}
	for (int i = 0; i < UA_DIALOGS; i++) {
		const struct ua_dialog *d = &u->dialogs[i];
		if (d->state != UA_DIALOG_FREE && d->ok.len) {
			sooner(&least, d->ok_again_ms);
			sooner(&least, d->ok_deadline_ms);
		}
	}
	for (size_t i = 0; i < u->plan.todo_count; i++)
		if (!u->plan.todos[i].done)
			sooner(&least, u->plan.todos[i].at_ms);
	return least;
}
