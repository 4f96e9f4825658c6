/* What a phone does of its own accord, and when. */
#include "common/check.h"
#include "tests/sim/ua_inside.h"

static const char *const act_names[] = {
#define X(id, name) name,
	UA_ACT_TABLE(X)
#undef X
};

const char *ua_act_name(enum ua_act a)
{
	return act_names[a];
}

void ua_trigger(struct ua *u, enum ua_when when)
{
	for (size_t i = 0; i < u->plan.todo_count; i++)
		if (u->plan.todos[i].when == when && u->plan.todos[i].at_ms == 0)
			u->plan.todos[i].at_ms = ua_now(u) + u->plan.todos[i].after_ms;
}

struct ua_dialog *ua_talking_now(struct ua *u)
{
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state == UA_DIALOG_CONFIRMED && (d->caller || d->acked) && !d->second)
			return d;
	}
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state == UA_DIALOG_CONFIRMED && (d->caller || d->acked))
			return d;
	}
	return NULL;
}

/* The INVITE under way outside a dialog; NULL: none. */
struct ua_txn *ua_open_invite(struct ua *u)
{
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		if (x->client && x->invite && !x->elsewhere &&
		    (x->state == UA_TXN_WAITING || x->state == UA_TXN_PROCEEDING) &&
		    ua_dialog_of(u, x)->state == UA_DIALOG_EARLY)
			return x;
	}
	return NULL;
}

static void cancel(struct ua *u)
{
	struct ua_txn *x = ua_open_invite(u);
	if (!x)
		return;
	u->cancelled = true;
	x->cancelled = true;
	if (x->state == UA_TXN_PROCEEDING)
		ua_send_cancel(u, x);
}

static void bye_early(struct ua *u)
{
	struct ua_txn *x = ua_open_invite(u);
	if (!x || !ua_dialog_of(u, x)->remote_tag.len)
		return;
	struct ua_request r = {
		.method = STR("BYE"), .uri = ua_dialog_of(u, x)->target, .why = UA_ACT_COUNT};
	u->cancelled = true; /* a 2xx that crosses it is ended at once */
	ua_start(u, ua_dialog_of(u, x), &r);
}

static const char *peer_uri(struct ua *u, char *mem, size_t n, bool user)
{
	struct buf b;
	buf_init(&b, mem, n);
	buf_lit(&b, "sip:");
	if (user)
		buf_printf(&b, "%s@", u->plan.dials ? u->plan.dials : "200");
	addr_write(&b, &u->p.next_hop);
	buf_char(&b, 0);
	return mem;
}

static void probe(struct ua *u)
{
	static const char *const methods[] = {"OPTIONS", "MESSAGE", "REGISTER", "SUBSCRIBE",
					      "INFO",    "PRACK",   "UPDATE",   "NOSUCH"};
	char uri[64];
	ua_probe(u, methods[dice_range(u->dice, 0, ARRAY_LEN(methods) - 1)],
		 peer_uri(u, uri, sizeof(uri), false), NULL);
}

/* May we offer in it now (RFC 3261 §14.1, RFC 3311 §5.1)? */
static bool may_offer(const struct ua *u, const struct ua_dialog *d)
{
	/* An INVITE that waits for our answer may want an offer of it. */
	return d->talk.state == UA_TALK_IDLE && !ua_invite_is_open(u, d) && !d->ok.len &&
	       !ua_owes_answer(u, NULL, d);
}

/* Changes what we have, and tells the other side. */
static void change(struct ua *u, struct ua_dialog *d, enum ua_act what)
{
	bool changed = true;
	if (!may_offer(u, d)) { /* a little later, then */
		if (d->again == UA_ACT_COUNT) {
			d->again = what;
			d->again_ms = ua_now(u) + 700;
		}
		return;
	}
	if (what == UA_HOLD)
		changed = ua_talk_turn(&d->talk, SDP_SEND);
	else if (what == UA_FREEZE)
		changed = ua_talk_turn(&d->talk, 0);
	else if (what == UA_RESUME)
		changed = ua_talk_turn(&d->talk, SDP_BOTH);
	else if (what == UA_ADD_VIDEO || what == UA_DROP_VIDEO)
		changed = ua_talk_video(&d->talk, what == UA_ADD_VIDEO);
	else if (what == UA_TO_FAX || what == UA_TO_AUDIO)
		changed = ua_talk_fax(&d->talk, what == UA_TO_FAX);
	else
		ua_talk_keep(&d->talk); /* what was, for a refusal */
	bool update = what == UA_UPDATE || what == UA_UPDATE_PLAIN || what == UA_UPDATE_EARLY ||
		      (u->plan.by_update && what != UA_REINVITE && what != UA_REINVITE_LATE);
	if (changed)
		ua_offer(u, d, what, update, what != UA_REINVITE_LATE && what != UA_UPDATE_PLAIN);
}

static void update_early(struct ua *u)
{
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state == UA_DIALOG_EARLY && d->remote_tag.len && d->talk.ever &&
		    d->talk.state == UA_TALK_IDLE) {
			ua_talk_keep(&d->talk);
			ua_offer(u, d, UA_UPDATE_EARLY, true, true);
			return;
		}
	}
}

static void simple(struct ua *u, struct ua_dialog *d, struct str method)
{
	struct ua_request r = {.method = method, .uri = d->target, .why = UA_ACT_COUNT};
	if (!str_eq(method, STR("OPTIONS"))) {
		r.body = STR("Signal=5\r\n");
		r.type = str_eq(method, STR("INFO")) ? STR("application/dtmf-relay")
						     : STR("text/plain");
	}
	ua_start(u, d, &r);
}

static void outside(struct ua *u, enum ua_act what)
{
	char uri[64];
	const char *to = peer_uri(u, uri, sizeof(uri), true);
	if (what == UA_PROBE)
		probe(u);
	else if (what == UA_MESSAGE)
		ua_probe(u, "MESSAGE", to, NULL);
	else if (what == UA_PUBLISH)
		ua_probe(u, "PUBLISH", to, "Event: presence\r\nExpires: 600\r\n");
	else
		ua_subscribe(u, what == UA_SUBSCRIBE ? 600 : 0);
}

static void inside(struct ua *u, struct ua_dialog *d, enum ua_act what)
{
	if (what == UA_BYE)
		ua_send_bye(u, d);
	else if (what == UA_INFO)
		simple(u, d, STR("INFO"));
	else if (what == UA_MESSAGE_INSIDE)
		simple(u, d, STR("MESSAGE"));
	else if (what == UA_OPTIONS)
		simple(u, d, STR("OPTIONS"));
	else if (what == UA_REFER || what == UA_REFER_REPLACES)
		ua_refer(u, d, what == UA_REFER_REPLACES);
	else {
		/* What was to be tried again is no longer wanted. */
		d->again = UA_ACT_COUNT;
		d->again_ms = 0;
		change(u, d, what);
	}
}

static void elsewhere(struct ua *u)
{
	struct ua_txn *x = ua_open_invite(u);
	if (x)
		ua_send_elsewhere(u, x);
}

static void close_connections(struct ua *u)
{
	net_hang_up(u->net, u->p.node);
	u->torn = true;
}

static void vanish(struct ua *u)
{
	net_hang_up(u->net, u->p.node);
	u->vanished = true;
	net_set_up(u->net, u->p.node, false);
}

static void call_target(struct ua *u)
{
	char host[64];
	struct buf b;
	buf_init(&b, host, sizeof(host));
	addr_write_ip(&b, &u->p.next_hop);
	buf_char(&b, 0);
	ua_call_as(u, u->plan.refers_to, host, true, NULL);
}

void ua_do(struct ua *u, enum ua_act what)
{
	static const struct {
		enum ua_act what;
		void (*act)(struct ua *u);
	} simple_acts[] = {{UA_CANCEL, cancel},
			   {UA_BYE_EARLY, bye_early},
			   {UA_UPDATE_EARLY, update_early},
			   {UA_ELSEWHERE, elsewhere},
			   {UA_CLOSE, close_connections},
			   {UA_VANISH, vanish},
			   {UA_CALL_TARGET, call_target}};
	struct ua_dialog *d = ua_talking_now(u);
	ladder_say(u->ladder, ua_now(u), "%-8s decides: %s", u->p.name, ua_act_name(what));
	for (size_t i = 0; i < ARRAY_LEN(simple_acts); i++)
		if (simple_acts[i].what == what) {
			simple_acts[i].act(u);
			return;
		}
	if (what >= UA_STALE_TAG)
		ua_misbehave(u, what);
	else if (what >= UA_PROBE && what <= UA_PUBLISH)
		outside(u, what);
	else if (d)
		inside(u, d, what);
}

/* ---- time */

static void tick_dialog(struct ua *u, struct ua_dialog *d)
{
	ua_tick_ok(u, d);
	ua_tick_timer(u, d);
	if (d->again_ms && d->again_ms <= ua_now(u)) {
		enum ua_act what = d->again;
		d->again_ms = 0;
		d->again = UA_ACT_COUNT;
		if (d->state == UA_DIALOG_CONFIRMED) {
			ladder_say(u->ladder, ua_now(u), "%-8s tries again: %s", u->p.name,
				   ua_act_name(what));
			change(u, d, what);
		}
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
		while (x->state != UA_TXN_FREE && (at = ua_step_ms(u, x)) != 0 && at <= now)
			ua_take_step(u, x);
		if (x->state != UA_TXN_FREE)
			ua_tick_txn(u, x);
	}
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].state != UA_DIALOG_FREE)
			tick_dialog(u, &u->dialogs[i]);
	for (size_t i = 0; i < u->plan.todo_count; i++) {
		struct ua_todo *t = &u->plan.todos[i];
		if (t->at_ms && !t->done && t->at_ms <= now) {
			t->done = true;
			ua_do(u, t->act);
		}
	}
	u->due_ms = ua_next_ms(u);
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
		sooner(&least, ua_step_ms(u, x));
		if (x->dialog != UA_NONE)
			sooner(&least, x->answer_ms);
	}
	for (int i = 0; i < UA_DIALOGS; i++) {
		const struct ua_dialog *d = &u->dialogs[i];
		if (d->state == UA_DIALOG_FREE)
			continue;
		if (d->ok.len) {
			sooner(&least, d->ok_again_ms);
			sooner(&least, d->ok_deadline_ms);
		}
		sooner(&least, d->again_ms);
		if (d->state == UA_DIALOG_CONFIRMED) {
			sooner(&least, d->refresh_ms);
			sooner(&least, d->expiry_ms);
		}
	}
	for (size_t i = 0; i < u->plan.todo_count; i++)
		if (!u->plan.todos[i].done)
			sooner(&least, u->plan.todos[i].at_ms);
	return least;
}
