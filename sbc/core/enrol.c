#include "sbc/core/enrol.h"

#include <stdlib.h>

#include "sbc/core/target.h"
#include "sbc/core/uri.h"
#include "sbc/core/worker.h"

/*
 * Timers: `alarm` is the refresh of what is held (at three quarters of its time, or a little later), or the end of the while after
 * a failed round, or the beginning, spread over the first second.
 */
enum { START_MS = 1000, RETRY_MOST_S = 3600, URI_MAX = 1024 };

static const struct trunk *trunk_of(const struct sbc *s, const struct enrol *e)
{
	return &s->enrols.settings->trunks[e->trunk];
}

static const struct peer *peer_of(const struct sbc *s, const struct enrol *e)
{
	return &trunk_of(s, e)->peers[e->peer];
}

static bool holds(const struct sbc *s, const struct enrol *e)
{
	return e->held && s->now_ms < e->until_ms;
}

static id_t64 owner_of(const struct sbc *s, const struct enrol *e)
{
	return id_make((uint8_t)((unsigned)s->worker << OWNER_BITS | OWNER_ENROL), 1,
		       (uint32_t)(e - s->enrols.list));
}

/* ---- words to the world */

static void tell(struct sbc *s, const struct enrol *e, enum notice_type type, uint32_t seconds)
{
	struct notice n = worker_notice(s, type);

	n.settings = s->enrols.settings;
	n.realm = trunk_of(s, e)->realm;
	n.trunk = e->trunk;
	n.peer = e->peer;
	n.status = type == NOTICE_ENROLLED ? 0 : e->status;
	n.why = type == NOTICE_ENROL_FAILED ? e->why : STR_NONE;
	n.seconds = seconds;
	worker_publish(s, &n);
}

/* ---- the REGISTER */

static void write_domain(struct buf *b, const struct trunk *t, const struct peer *p)
{
	struct addr ip;

	if (t->enrol.domain.len)
		buf_str(b, t->enrol.domain);
	else if (addr_parse_ip(p->host, &ip) == OK)
		addr_write_host(b, &ip);
	else
		buf_str(b, p->host);
}

/* Without brackets. RFC 6140 §5.1: with `bnc`, and without a user. */
static void write_contact(struct buf *b, const struct trunk *t, const struct peer *p,
			  const struct settings *set, const struct flow *f)
{
	build_contact(b, p->sips, t->enrol.gin ? STR_NONE : t->enrol.user,
		      &set->listeners[f->listener].local, f->transport);
	if (t->enrol.gin)
		buf_lit(b, ";bnc");
}

struct texts {
	char uri[URI_MAX], party[URI_MAX], contact[URI_MAX];
	struct buf u, p, c;
};

static bool write_texts(struct texts *x, const struct trunk *t, const struct peer *p,
			const struct settings *set, const struct flow *f)
{
	const char *scheme = p->sips ? "sips:" : "sip:";

	buf_init(&x->u, x->uri, sizeof(x->uri));
	buf_init(&x->p, x->party, sizeof(x->party));
	buf_init(&x->c, x->contact, sizeof(x->contact));
	buf_z(&x->u, scheme);
	write_domain(&x->u, t, p);
	buf_char(&x->p, '<');
	buf_z(&x->p, scheme);
	uri_write_user(&x->p, t->enrol.user);
	buf_char(&x->p, '@');
	write_domain(&x->p, t, p);
	buf_char(&x->p, '>');
	write_contact(&x->c, t, p, set, f);
	return !x->u.overflow && !x->p.overflow && !x->c.overflow;
}

/* REGISTER over e->flow, for so long; 0: takes it back. The transaction, or ID_NONE. */
static id_t64 send_register(struct sbc *s, struct enrol *e, const struct settings *set,
			    uint32_t expires_s, id_t64 owner)
{
	const struct trunk *t = &set->trunks[e->trunk];
	const struct peer *p = &t->peers[e->peer];
	char branch[HIDE_BRANCH_LEN];
	struct texts x;
	id_t64 txn = ID_NONE;

	if (!write_texts(&x, t, p, set, &e->flow))
		return ID_NONE;
	buf_reset(&s->lines);
	buf_lit(&s->lines, "Expires: ");
	buf_u64(&s->lines, expires_s);
	buf_lit(&s->lines, "\r\nSupported: path\r\n");
	if (t->enrol.gin)
		buf_lit(&s->lines, "Require: gin\r\nProxy-Require: gin\r\n");
	struct build_request r = {
		.method = STR("REGISTER"),
		.uri = buf_view(&x.u),
		.transport = e->flow.transport,
		.sent_by = &set->listeners[e->flow.listener].local,
		.branch = worker_token(s, HIDE_BRANCH, ID_NONE, branch),
		.max_forwards = 70,
		.from = {buf_view(&x.p), {e->tag, e->tag_len}},
		.to = {buf_view(&x.p), STR_NONE},
		.call_id = {e->call_id, e->call_id_len},
		.cseq = ++e->cseq,
		.contact = buf_view(&x.c),
		.headers = buf_view(&s->lines),
	};
	struct dest d = {.flow = e->flow,
			 .tls_name = t->tls_name.len ? t->tls_name : p->host,
			 .trunk = e->trunk};
	buf_reset(&s->out);
	if (build_request(&s->out, &r) != OK)
		return ID_NONE;
	struct txn_start_params start = {.method = r.method,
					 .branch = r.branch,
					 .dest = &d,
					 .bytes = auth_ahead(s, set, &d, buf_view(&s->out)),
					 .settings = set,
					 .owner = owner,
					 .now_ms = s->now_ms};
	struct txn_effects fx = {.count = 0};
	if (txn_start(&s->txns, &start, &txn, &fx) != OK)
		return ID_NONE;
	worker_emit(s, &fx);
	return txn;
}

/* ---- a round */

static void begin_leaving(struct sbc *s, struct enrol *e)
{
	e->leave = false;
	worker_stop_alarm(s, &e->alarm);
	e->txn = ID_NONE;
	e->state = ENROL_OFF;
	if (!holds(s, e))
		return;
	e->txn = send_register(s, e, s->enrols.settings, 0, owner_of(s, e));
	if (e->txn != ID_NONE)
		e->state = ENROL_LEAVING;
}

/* At the next round, or when what is held ends before it: then the status says so. */
static void wake(struct sbc *s, struct enrol *e)
{
	bool ends = holds(s, e) && e->until_ms < e->next_ms;

	worker_alarm(s, &e->alarm, ALARM_ENROL, ends ? e->until_ms : e->next_ms);
}

/* Nothing more to try: after a while again, from the first peer. */
static void wait_a_while(struct sbc *s, struct enrol *e)
{
	uint32_t most = ENROL_BASE_S;

	for (uint32_t i = 0; i < e->failures && most < ENROL_MOST_S; i++)
		most *= 2;
	if (most > ENROL_MOST_S)
		most = ENROL_MOST_S;
	e->failures++;
	if (e->why.len == 0)
		e->why = STR("internal");
	uint64_t ms = (uint64_t)most * 500 + rng_below(&s->rng, most * 500 + 1);
	if (ms < (uint64_t)e->retry_s * 1000)
		ms = (uint64_t)e->retry_s * 1000;
	e->state = ENROL_WAITING;
	e->next_ms = s->now_ms + ms;
	wake(s, e);
	tell(s, e, NOTICE_ENROL_FAILED, (uint32_t)((ms + 999) / 1000));
}

/* The next peer that is up; when none is, the next at all. False: all of them have been tried. */
static bool next_peer(struct sbc *s, struct enrol *e)
{
	const struct trunk *t = trunk_of(s, e);

	while (e->tried < t->peer_count) {
		e->peer = (uint16_t)((e->peer + 1) % t->peer_count);
		e->tried++;
		bool any = false;
		for (size_t i = 0; i < t->peer_count; i++)
			any = any ||
			      peers_is_up(&s->peers, s->enrols.settings, e->trunk, (uint16_t)i);
		if (!any || peers_is_up(&s->peers, s->enrols.settings, e->trunk, e->peer))
			return true;
	}
	return false;
}

/* Sends to the next address of this peer. False: there is none. */
static bool try_candidates(struct sbc *s, struct enrol *e)
{
	const struct settings *set = s->enrols.settings;

	while (e->candidate_next < e->candidate_count) {
		const struct candidate *to = &e->candidates[e->candidate_next++];
		uint16_t listener =
			worker_listener(set, trunk_of(s, e)->realm, to->transport, to->addr.family);
		if (listener == SETTINGS_NO_INDEX)
			continue;
		e->flow = (struct flow){
			.listener = listener, .transport = to->transport, .remote = to->addr};
		e->txn = send_register(s, e, set, e->asked_s, owner_of(s, e));
		if (e->txn == ID_NONE)
			continue;
		e->state = ENROL_TRYING;
		return true;
	}
	return false;
}

/* True: a question is open, or the REGISTER is out. */
static bool try_peer(struct sbc *s, struct enrol *e)
{
	const struct peer *p = peer_of(s, e);

	e->raised = false;
	e->candidate_count = e->candidate_next = 0;
	e->status = 0;
	if (target_address(p, false, &e->candidates[0])) {
		e->candidate_count = 1;
		return try_candidates(s, e);
	}
	struct resolve_query q = target_query(s->enrols.settings, trunk_of(s, e)->realm, p, false);
	e->ask = worker_ask_resolve(s, owner_of(s, e), &q);
	e->state = ENROL_RESOLVING;
	return e->ask != ID_NONE;
}

/* This peer came to nothing, and the others may do better. */
static void go_on(struct sbc *s, struct enrol *e)
{
	e->txn = e->ask = ID_NONE;
	if (e->leave) {
		begin_leaving(s, e);
		return;
	}
	if (try_candidates(s, e))
		return;
	while (next_peer(s, e))
		if (try_peer(s, e))
			return;
	wait_a_while(s, e);
}

/* This peer said no, and meant us. */
static void give_up(struct sbc *s, struct enrol *e)
{
	e->txn = ID_NONE;
	if (e->leave)
		begin_leaving(s, e);
	else
		wait_a_while(s, e);
}

/* A refresh goes where we are registered first, else to the first peer. */
static void begin_round(struct sbc *s, struct enrol *e)
{
	const struct trunk *t = trunk_of(s, e);

	e->tried = 0;
	e->retry_s = 0;
	if (t->peer_count == 0)
		return;
	e->peer = (uint16_t)((holds(s, e) ? e->peer + t->peer_count - 1 : t->peer_count - 1) %
			     t->peer_count);
	e->candidate_count = e->candidate_next = 0;
	go_on(s, e);
}

void enrol_on_alarm(struct sbc *s, struct alarm *a)
{
	struct enrol *e = CONTAINER_OF(a, struct enrol, alarm);

	if (s->now_ms >= e->next_ms) {
		begin_round(s, e);
		return;
	}
	e->held = false;
	e->why = STR("expired");
	wake(s, e);
	tell(s, e, NOTICE_ENROL_FAILED, (uint32_t)((e->next_ms - s->now_ms + 999) / 1000));
}

/* ---- answers */

/* What was granted: of our Contact, else of the answer, else what we asked for. 0: it was taken away. */
static uint32_t granted(const struct sbc *s, const struct enrol *e, const struct msg *m)
{
	struct texts x;
	struct uri ours, theirs;
	struct str value;
	size_t cursor = 0;
	uint32_t seconds = e->asked_s, own;

	if (hdr_delta_parse(msg_value(m, HDR_EXPIRES), &own, NULL) == OK)
		seconds = own;
	if (!write_texts(&x, trunk_of(s, e), peer_of(s, e), s->enrols.settings, &e->flow) ||
	    uri_parse(buf_view(&x.c), &ours) != OK)
		return seconds;
	while (msg_next(m, HDR_CONTACT, &cursor, &value)) {
		struct name_addr a;
		while (name_addr_cut(&value, &a) == OK) {
			if (uri_parse(a.uri, &theirs) != OK || !str_eq(theirs.user, ours.user) ||
			    !str_ieq(theirs.host, ours.host) || theirs.port != ours.port)
				continue;
			if (name_addr_param(&a, STR("expires"), &value) &&
			    hdr_delta_parse(value, &own, NULL) == OK)
				seconds = own;
			return seconds;
		}
	}
	return seconds;
}

/* RFC 3608 §6.1: those of the latest answer, in order. What does not fit, or cannot stand in a Route, is not used at all. */
static void keep_routes(struct enrol *e, const struct msg *m)
{
	struct buf b;
	struct str value;
	size_t cursor = 0;

	e->routes_len = 0;
	buf_init(&b, e->routes, sizeof(e->routes));
	while (msg_next(m, HDR_SERVICE_ROUTE, &cursor, &value)) {
		struct name_addr a;
		enum err err;
		while ((err = name_addr_cut(&value, &a)) == OK) {
			struct uri u;
			if (!a.bracketed || uri_parse(a.uri, &u) != OK ||
			    (u.scheme != URI_SIP && u.scheme != URI_SIPS))
				return;
			if (b.len)
				buf_char(&b, '\n');
			buf_char(&b, '<');
			buf_str(&b, a.uri);
			buf_char(&b, '>');
		}
		if (err != ERR_NOTFOUND)
			return;
	}
	if (!b.overflow)
		e->routes_len = (uint16_t)b.len;
}

static void on_granted(struct sbc *s, struct enrol *e, const struct msg *m)
{
	uint32_t seconds = granted(s, e, m);
	bool news = !holds(s, e) || e->failures > 0 || e->why.len > 0;

	if (seconds == 0) {
		e->why = STR("removed");
		e->held = false;
		go_on(s, e);
		return;
	}
	if (seconds > ENROL_EXPIRES_MOST_S)
		seconds = ENROL_EXPIRES_MOST_S;
	e->txn = ID_NONE;
	e->state = ENROL_WAITING;
	e->held = true;
	e->failures = 0;
	e->status = 0;
	e->why = STR_NONE;
	e->until_ms = s->now_ms + (uint64_t)seconds * 1000;
	keep_routes(e, m);
	if (news)
		tell(s, e, NOTICE_ENROLLED, seconds);
	if (e->leave) {
		begin_leaving(s, e);
		return;
	}
	/* Enough is left for a whole round that fails, unless the time is very short. */
	uint64_t ms = (uint64_t)seconds * 750 + rng_below(&s->rng, seconds * 100 + 1);
	e->next_ms = s->now_ms + ms;
	wake(s, e);
}

/* RFC 3261 §10.2.8. True: asked again, for longer. */
static bool ask_for_longer(struct sbc *s, struct enrol *e, const struct msg *m)
{
	uint32_t least;

	if (e->raised || hdr_delta_parse(msg_value(m, HDR_MIN_EXPIRES), &least, NULL) != OK ||
	    least <= e->asked_s || least > ENROL_EXPIRES_MOST_S)
		return false;
	e->raised = true;
	e->asked_s = least;
	e->txn = send_register(s, e, s->enrols.settings, e->asked_s, owner_of(s, e));
	return e->txn != ID_NONE;
}

static bool authenticate(struct sbc *s, struct enrol *e, const struct msg *m)
{
	struct auth_again again = {.txn = e->txn,
				   .trunk = e->trunk,
				   .settings = s->enrols.settings,
				   .answer = m,
				   .cseq = &e->cseq,
				   .owner = owner_of(s, e)};
	id_t64 txn = auth_again(s, &again);

	if (txn == ID_NONE)
		return false;
	e->txn = txn;
	return true;
}

static void on_refused(struct sbc *s, struct enrol *e, const struct msg *m)
{
	uint32_t retry;

	e->status = m->status;
	if (hdr_delta_parse(msg_value(m, HDR_RETRY_AFTER), &retry, NULL) == OK &&
	    retry > e->retry_s)
		e->retry_s = retry < RETRY_MOST_S ? retry : RETRY_MOST_S;
	if (m->status == 423 && ask_for_longer(s, e, m))
		return;
	if (m->status < 400 || m->status == 408 || (m->status >= 500 && m->status < 600)) {
		e->why = m->status < 400 ? STR("redirected") : STR("unavailable");
		go_on(s, e);
		return;
	}
	e->why = m->status == 401 || m->status == 407 ? STR("credentials")
		 : m->status == 423                   ? STR("interval")
		 : m->status == 420                   ? STR("extension")
						      : STR("refused");
	give_up(s, e);
}

static struct enrol *find_txn(struct sbc *s, id_t64 txn)
{
	for (size_t i = 0; i < s->enrols.count; i++)
		if (s->enrols.list[i].txn == txn)
			return &s->enrols.list[i];
	return NULL;
}

static void on_left(struct sbc *s, struct enrol *e, uint16_t status)
{
	e->txn = ID_NONE;
	e->state = ENROL_OFF;
	e->held = false;
	e->status = status;
	tell(s, e, NOTICE_ENROL_ENDED, 0);
}

void enrol_on_response(struct sbc *s, id_t64 txn, const struct msg *m)
{
	struct enrol *e = find_txn(s, txn);

	if (!e || m->status < 200)
		return;
	if ((m->status == 401 || m->status == 407) && authenticate(s, e, m))
		return;
	if (e->state == ENROL_LEAVING)
		on_left(s, e, m->status);
	else if (m->status < 300)
		on_granted(s, e, m);
	else
		on_refused(s, e, m);
}

void enrol_on_silence(struct sbc *s, id_t64 txn, unsigned cause)
{
	struct enrol *e = find_txn(s, txn);

	if (!e)
		return;
	if (e->state == ENROL_LEAVING) {
		on_left(s, e, 0);
		return;
	}
	e->status = 0;
	e->why = cause == ROUTE_CAUSE_TLS       ? STR("tls")
		 : cause == ROUTE_CAUSE_CONNECT ? STR("connect")
						: STR("timeout");
	go_on(s, e);
}

void enrol_on_resolved(struct sbc *s, id_t64 ask, const struct event *ev)
{
	for (size_t i = 0; i < s->enrols.count; i++) {
		struct enrol *e = &s->enrols.list[i];
		if (e->ask != ask || e->state != ENROL_RESOLVING)
			continue;
		e->ask = ID_NONE;
		e->candidate_count = e->candidate_next = 0;
		for (size_t k = 0; k < ev->resolved.count && k < CANDIDATES_MAX; k++)
			e->candidates[e->candidate_count++] = ev->resolved.candidates[k];
		e->why = STR("dns");
		go_on(s, e);
		return;
	}
}

/* ---- life */

static bool wants(const struct trunk *t)
{
	return t->enrol.on && t->peer_count > 0;
}

static bool same_peers(const struct trunk *a, const struct trunk *b)
{
	if (a->peer_count != b->peer_count)
		return false;
	for (size_t i = 0; i < a->peer_count; i++)
		if (!str_eq(a->peers[i].uri, b->peers[i].uri))
			return false;
	return true;
}

/* All that the REGISTER says and where it goes. Realms and listeners do not move at a reload. */
static bool same_enrolment(const struct settings *x, const struct trunk *a,
			   const struct settings *y, const struct trunk *b)
{
	const struct register_settings *p = &a->enrol, *q = &b->enrol;

	return wants(b) && str_eq(a->name, b->name) && p->gin == q->gin &&
	       str_eq(p->user, q->user) && str_eq(p->domain, q->domain) &&
	       p->expires_s == q->expires_s && a->realm < x->realm_count &&
	       b->realm < y->realm_count &&
	       str_eq(x->realms[a->realm].name, y->realms[b->realm].name) && same_peers(a, b);
}

static void fill_fresh(struct sbc *s, struct enrol *e, const struct trunk *t)
{
	struct str id = worker_token(s, HIDE_CALL_ID, ID_NONE, e->call_id);
	struct str tag = worker_token(s, HIDE_TAG, ID_NONE, e->tag);

	e->call_id_len = (uint8_t)id.len;
	e->tag_len = (uint8_t)tag.len;
	e->cseq = rng_below(&s->rng, 1000);
	e->asked_s = t->enrol.expires_s;
	e->state = s->draining ? ENROL_OFF : ENROL_WAITING;
	if (!s->draining)
		worker_alarm(s, &e->alarm, ALARM_ENROL,
			     s->now_ms + 1 + rng_below(&s->rng, START_MS));
}

/* The old one of that trunk, if it is to go on; it is marked as taken over. */
static struct enrol *find_old(struct enrols *before, const struct settings *settings,
			      const struct trunk *t)
{
	for (size_t i = 0; i < before->count; i++) {
		struct enrol *o = &before->list[i];
		if (o->trunk != SETTINGS_NO_INDEX &&
		    same_enrolment(before->settings, &before->settings->trunks[o->trunk], settings,
				   t))
			return o;
	}
	return NULL;
}

/* A timer cannot be copied: it is stopped, and set anew. What is under way goes on under its new number. */
static void take_over(struct sbc *s, struct enrol *e, struct enrol *old, uint16_t trunk)
{
	uint64_t at_ms = old->alarm.timer.at_ms;
	bool waits = old->state == ENROL_WAITING;

	worker_stop_alarm(s, &old->alarm);
	*e = *old;
	timer_init(&e->alarm.timer);
	e->trunk = trunk;
	if (waits)
		worker_alarm(s, &e->alarm, ALARM_ENROL, at_ms > s->now_ms ? at_ms : s->now_ms + 1);
	old->trunk = SETTINGS_NO_INDEX;
}

/* No one waits for the answer: if it is lost the registrar forgets us in its own time. */
static void drop_old(struct sbc *s, struct enrols *before)
{
	for (size_t i = 0; i < before->count; i++) {
		struct enrol *o = &before->list[i];
		if (o->trunk == SETTINGS_NO_INDEX)
			continue;
		worker_stop_alarm(s, &o->alarm);
		txn_set_owner(&s->txns, o->txn, ID_NONE);
		if (holds(s, o) && o->state != ENROL_LEAVING)
			send_register(s, o, before->settings, 0, ID_NONE);
	}
}

enum err enrol_apply(struct sbc *s, const struct settings *settings)
{
	struct enrols before = s->enrols, now = {.settings = settings};

	for (size_t i = 0; i < settings->trunk_count; i++)
		now.count += wants(&settings->trunks[i]);
	now.list = calloc(now.count ? now.count : 1, sizeof(*now.list));
	if (!now.list)
		return ERR_NOMEM;
	s->enrols = now;
	size_t n = 0;
	for (size_t i = 0; i < settings->trunk_count; i++) {
		const struct trunk *t = &settings->trunks[i];
		if (!wants(t))
			continue;
		struct enrol *e = &now.list[n++], *old = find_old(&before, settings, t);
		timer_init(&e->alarm.timer);
		e->trunk = (uint16_t)i;
		if (old)
			take_over(s, e, old, (uint16_t)i);
		else
			fill_fresh(s, e, t);
		txn_set_owner(&s->txns, e->txn, owner_of(s, e));
	}
	drop_old(s, &before);
	enrol_release(&before);
	return OK;
}

void enrol_release(struct enrols *e)
{
	free(e->list);
	*e = (struct enrols){.settings = NULL};
}

void enrol_leave(struct sbc *s)
{
	for (size_t i = 0; i < s->enrols.count; i++) {
		struct enrol *e = &s->enrols.list[i];
		switch ((enum enrol_state)e->state) {
		case ENROL_TRYING: e->leave = true; break; /* what it comes to is taken back then */
		case ENROL_RESOLVING:
			e->ask = ID_NONE;
			begin_leaving(s, e);
			break;
		case ENROL_WAITING: begin_leaving(s, e); break;
		case ENROL_LEAVING:
		case ENROL_OFF:
		case ENROL_STATE_COUNT: break;
		}
	}
}

/* ---- what calls ask */

static const struct enrol *find_trunk(const struct sbc *s, const struct settings *settings,
				      uint16_t trunk)
{
	if (settings != s->enrols.settings)
		return NULL;
	for (size_t i = 0; i < s->enrols.count; i++)
		if (s->enrols.list[i].trunk == trunk)
			return &s->enrols.list[i];
	return NULL;
}

struct str enrol_routes(const struct sbc *s, const struct settings *settings, uint16_t trunk)
{
	const struct enrol *e = find_trunk(s, settings, trunk);

	if (!e || !holds(s, e))
		return STR_NONE;
	return (struct str){e->routes, e->routes_len};
}

static bool has_user(struct str address, struct str *out_uri)
{
	struct name_addr a;
	struct uri u;

	if (name_addr_parse(address, &a) != OK || uri_parse(a.uri, &u) != OK || u.user.len == 0)
		return false;
	*out_uri = a.uri;
	return true;
}

struct str enrol_called(const struct settings *settings, uint16_t trunk, const struct msg *m)
{
	char mem[URI_MAX];
	struct buf user;
	struct uri u;
	struct str out;

	if (trunk >= settings->trunk_count || !settings->trunks[trunk].enrol.on ||
	    settings->trunks[trunk].enrol.gin || uri_parse(m->uri, &u) != OK)
		return m->uri;
	buf_init(&user, mem, sizeof(mem));
	if (uri_unescape(&user, u.user) != OK ||
	    !str_eq(buf_view(&user), settings->trunks[trunk].enrol.user))
		return m->uri;
	if (has_user(msg_value_of(m, STR("P-Called-Party-ID")), &out) || has_user(m->to, &out))
		return out;
	return m->uri;
}

bool enrol_view(const struct sbc *s, uint16_t trunk, struct sbc_enrol_view *out)
{
	const struct enrol *e = find_trunk(s, s->enrols.settings, trunk);

	if (!e)
		return false;
	bool held = holds(s, e);
	*out = (struct sbc_enrol_view){.registered = held,
				       .peer = e->peer,
				       .status = e->status,
				       .why = e->why,
				       .left_s = held ? (uint32_t)((e->until_ms - s->now_ms) / 1000)
						      : 0};
	return true;
}
