#include "sbc/core/outside.h"

#include "sbc/core/auth.h"
#include "sbc/core/judge.h"
#include "sbc/core/leg.h"
#include "sbc/core/package.h"
#include "sbc/core/reg.h"
#include "sbc/core/subscription.h"
#include "sbc/core/uri.h"

/* ---- what may be sent here */

struct refuse_params outside_abilities(const struct settings *s, uint16_t realm, uint16_t trunk)
{
	struct refuse_params can = worker_abilities_in(s, realm);
	uint32_t may = trunk < s->trunk_count ? s->trunks[trunk].habits.methods : 0;

	can.methods =
		(can.methods & ~OUTSIDE_METHODS) | (may & OUTSIDE_METHODS) | 1u << METHOD_OPTIONS;
	return can;
}

bool outside_is_ours(const struct settings *s, const struct msg *m, uint16_t trunk)
{
	struct uri u;

	if ((OUTSIDE_METHODS & 1u << m->method) == 0)
		return false;
	if (m->method != METHOD_OPTIONS)
		return true;
	return trunk < s->trunk_count &&
	       (s->trunks[trunk].habits.methods & 1u << METHOD_OPTIONS) != 0 &&
	       m->max_forwards != 0 && uri_parse(m->uri, &u) == OK && u.user.len > 0;
}

static enum trust trust_of(const struct settings *s, uint16_t realm)
{
	return realm < s->policy.realm_count ? s->policy.realms[realm].trust : TRUST_NONE;
}

/* One who asks, refused before anything is kept. Header lines are in s->lines. */
static void refuse(struct sbc *s, const struct msg *m, const struct flow *f, uint16_t trunk,
		   const struct verdict *v)
{
	if (v->status == 503)
		buf_lit(&s->lines, "Retry-After: 10\r\n");
	worker_reply(s, m, f, v->status, v->reason, buf_view(&s->lines));
	worker_refused(s, s->settings, f, m, trunk, v);
}

static struct verdict verdict_of(enum verdict_stage stage, uint16_t status, struct str rule)
{
	return (struct verdict){
		.outcome = VERDICT_REJECT, .stage = stage, .status = status, .rule = rule};
}

static bool has_package(enum method m)
{
	return m == METHOD_SUBSCRIBE || m == METHOD_PUBLISH || m == METHOD_NOTIFY;
}

static void write_allow_events(struct sbc *s, enum trust to)
{
	buf_lit(&s->lines, "Allow-Events: ");
	package_write_allowed(&s->lines, to);
	buf_lit(&s->lines, "\r\n");
}

/* The request by itself: what no target could make right. Its header lines go to s->lines. */
static struct verdict judge(struct sbc *s, const struct msg *m, uint16_t trunk,
			    struct package_event *event)
{
	struct str encoding = msg_value(m, HDR_CONTENT_ENCODING);
	/* Notifications go back to who subscribes. */
	enum trust asker = trust_of(s->settings, s->settings->trunks[trunk].realm);
	enum trust most = m->method == METHOD_SUBSCRIBE ? asker : TRUST_HIGH;
	uint32_t seconds = 3600;

	buf_reset(&s->lines);
	if (m->body.len > ERRAND_BODY_MAX)
		return verdict_of(VERDICT_STAGE_PARSE, 413, STR("body_size"));
	if (m->body.len && ((encoding.len && !str_ieq(encoding, STR("identity"))) ||
			    !package_body_crosses(m->content_type, TRUST_HIGH))) {
		buf_lit(&s->lines, "Accept: ");
		package_write_bodies(&s->lines, TRUST_HIGH);
		buf_lit(&s->lines, "\r\nAccept-Encoding: identity\r\n");
		return verdict_of(VERDICT_STAGE_PARSE, 415, STR("body_type"));
	}
	if (msg_has(m, HDR_EXPIRES) &&
	    hdr_delta_parse(msg_value(m, HDR_EXPIRES), &seconds, NULL) != OK)
		return verdict_of(VERDICT_STAGE_PARSE, 400, STR("expires"));
	if (!has_package(m->method))
		return (struct verdict){.outcome = VERDICT_ALLOW};
	if (package_parse_event(msg_value(m, HDR_EVENT), event) != OK ||
	    !package_is_allowed(event->name, most)) {
		write_allow_events(s, most);
		return verdict_of(VERDICT_STAGE_PARSE, 489, STR("event"));
	}
	if (m->method != METHOD_NOTIFY && seconds && seconds < SUBSCRIPTION_MIN_S) {
		buf_lit(&s->lines, "Min-Expires: 60\r\n");
		return verdict_of(VERDICT_STAGE_PARSE, 423, STR("expires"));
	}
	struct package_state state;
	if (m->method == METHOD_NOTIFY &&
	    package_parse_state(msg_value(m, HDR_SUBSCRIPTION_STATE), &state) != OK)
		return verdict_of(VERDICT_STAGE_PARSE, 400, STR("subscription_state"));
	return (struct verdict){.outcome = VERDICT_ALLOW};
}

static bool is_for_users(const struct settings *s, const struct route_rule *r)
{
	return r->to_count > 0 && s->trunks[r->to[0]].users != NULL;
}

/* Where to. ALLOW: *out_route and *hunt are filled. */
static struct verdict find_targets(struct sbc *s, const struct policy_ask *ask, bool secure,
				   uint16_t *out_route, struct hunt *hunt)
{
	const struct facts *facts = ask->facts;
	struct contact *contact = NULL;
	struct rng copy = s->rng;
	*hunt = (struct hunt){.count = 0};
	switch (reg_find_token(s, facts->trunk, facts->number, &contact)) {
	case REG_TOKEN_NONE: break;
	case REG_TOKEN_GONE: {
		struct verdict gone = verdict_of(VERDICT_STAGE_ROUTE, 430, STR("flow"));
		gone.reason = STR("Flow Failed");
		return gone;
	}
	case REG_TOKEN_FOUND: {
		const struct users *g = reg_group(s->settings, contact->aor);
		struct hunt_target t = {.trunk = g->trunk, .contact = contact->id};
		if ((s->settings->trunks[g->trunk].habits.methods &
		     1u << method_find(facts->method)) == 0)
			return verdict_of(VERDICT_STAGE_ROUTE, 403, STR("methods"));
		hunt_add(hunt, &t);
		*out_route = g->route_to_users;
		return (struct verdict){.outcome = VERDICT_ALLOW};
	}
	}
	struct verdict v = policy_run(ask, VERDICT_STAGE_ROUTE, VERDICT_STAGE_ROUTE);

	*out_route = ask->decision->route;
	if (v.outcome != VERDICT_ALLOW)
		return v;
	struct hunt_params p = {.settings = s->settings,
				.route = &s->settings->policy.routes[*out_route],
				.turn = ask->peek ? 0
						  : peers_turn(&s->peers, s->settings, *out_route),
				.secure_only = secure,
				.number = facts->number,
				.is_up = peers_is_up,
				.calls = peers_calls,
				.now_ms = s->now_ms,
				.ctx = &s->peers};
	bool any = false;
	for (size_t i = 0; i < p.route->to_count; i++)
		any = any || (s->settings->trunks[p.route->to[i]].habits.methods &
			      1u << method_find(facts->method)) != 0;
	if (!any)
		return verdict_of(VERDICT_STAGE_ROUTE, 403, STR("methods"));
	enum hunt_result found = hunt_init(hunt, &p, ask->peek ? &copy : &s->rng);
	reg_fill_hunt(s, p.route, facts, secure, hunt);
	switch (hunt->count ? HUNT_OK : found) {
	case HUNT_OK: break;
	case HUNT_INSECURE:
		v = verdict_of(VERDICT_STAGE_ROUTE, 480, p.route->name);
		v.warn_code = 380;
		v.warn_text = STR("SIPS Not Allowed");
		break;
	case HUNT_DOWN:
	case HUNT_RESULT_COUNT:
		v = is_for_users(s->settings, p.route)
			    ? verdict_of(VERDICT_STAGE_ROUTE, 480, STR("not-registered"))
			    : verdict_of(VERDICT_STAGE_ROUTE, 503, STR("peers-down"));
		break;
	}
	return v;
}

/* ---- single requests */

static uint16_t target_realm(const struct errand *e)
{
	return e->settings->trunks[e->target.trunk].realm;
}

static bool write_package(struct sbc *s, const struct msg *m)
{
	char mem[PACKAGE_NAME_MAX + 4 + PACKAGE_ID_MAX + 96];
	struct buf b;
	struct package_event event;
	struct package_state state;
	struct str etag = msg_value_of(m, STR("SIP-If-Match"));

	buf_init(&b, mem, sizeof(mem));
	if (package_parse_event(msg_value(m, HDR_EVENT), &event) != OK)
		return false;
	package_write_event(&b, &event);
	if (build_header(&s->lines, STR("Event"), buf_view(&b)) != OK)
		return false;
	buf_reset(&b);
	if (m->method == METHOD_NOTIFY) {
		if (package_parse_state(msg_value(m, HDR_SUBSCRIPTION_STATE), &state) != OK)
			return false;
		package_write_state(&b, &state);
		return build_header(&s->lines, STR("Subscription-State"), buf_view(&b)) == OK;
	}
	if (hdr_is_token(etag) && build_header(&s->lines, STR("SIP-If-Match"), etag) != OK)
		return false;
	errand_write_seconds(&s->lines, STR("Expires"), msg_value(m, HDR_EXPIRES));
	return true;
}

/* Its body as this target may have it; false: it may not have it at all. */
static bool body_for(struct sbc *s, const struct errand *e, const struct msg *m, struct str *out)
{
	enum trust to = trust_of(e->settings, target_realm(e));

	*out = m->body;
	if (m->body.len == 0)
		return true;
	if (!package_body_crosses(m->content_type, to))
		return false;
	if (to < TRUST_MEDIUM && package_is_summary(m->content_type)) {
		buf_reset(&s->text);
		package_write_summary(&s->text, m->body);
		*out = buf_view(&s->text);
	}
	return true;
}

/* 0: sent; else the status that who asked gets. */
static uint16_t send_single(struct sbc *s, struct errand *e, const struct flow *to)
{
	char uri_mem[1024], to_mem[1024], from_mem[1024], number_mem[256], contact_mem[512],
		tag[HIDE_BRANCH_LEN], call_id[HIDE_BRANCH_LEN];
	struct buf uri, party, from, number, contact;
	struct msg *m = &s->held;
	struct str body;

	buf_init(&uri, uri_mem, sizeof(uri_mem));
	buf_init(&party, to_mem, sizeof(to_mem));
	buf_init(&from, from_mem, sizeof(from_mem));
	buf_init(&number, number_mem, sizeof(number_mem));
	buf_init(&contact, contact_mem, sizeof(contact_mem));
	struct errand_way way = errand_there(e, to);
	if (msg_index(m, e->request, 0) != OK ||
	    !errand_write_called(&number, e->settings, m, e->trunk, e->target.trunk))
		return 400;
	struct package_event event;
	if (has_package((enum method)e->method) &&
	    (package_parse_event(msg_value(m, HDR_EVENT), &event) != OK ||
	     (e->method == METHOD_NOTIFY &&
	      !package_is_allowed(event.name, trust_of(e->settings, target_realm(e))))))
		return 489;
	if (!body_for(s, e, m, &body))
		return 415;
	errand_write_uri(&uri, e, buf_view(&number), false);
	buf_char(&party, '<');
	errand_write_uri(&party, e, buf_view(&number), true);
	buf_char(&party, '>');
	errand_write_from(s, &from, e, m, &way);
	buf_reset(&s->lines);
	if (uri.overflow || party.overflow || from.overflow ||
	    errand_carry(s, e, m, &way, body.len > 0) != OK ||
	    (has_package((enum method)e->method) && !write_package(s, m)))
		return 500;
	e->cseq = 1 + rng_below(&s->rng, 1000);
	struct dest d = errand_dest(e, to);
	struct build_request r = {
		.method = m->method_text,
		.uri = buf_view(&uri),
		.relayed = true,
		.max_forwards = build_hops_left(m),
		.from = {buf_view(&from), worker_token(s, HIDE_TAG, ID_NONE, tag)},
		.to = {buf_view(&party), STR_NONE},
		.call_id = worker_token(s, HIDE_CALL_ID, ID_NONE, call_id),
		.cseq = e->cseq,
		.routes = errand_routes(s, e),
		.headers = buf_view(&s->lines),
		.content_type = body.len ? m->content_type : STR_NONE,
		.body = body};
	if (m->method == METHOD_NOTIFY)
		r.contact = errand_contact(&contact, e->settings, to, e->secure);
	return errand_send(s, e, &d, &r) ? 0 : 500;
}

/* 0, or what who asked gets. */
static uint16_t send_first(struct sbc *s, struct errand *e, const struct flow *to)
{
	struct subscription *sub = subscription_find(s, e->of);

	if (e->use == ERRAND_SINGLE)
		return send_single(s, e, to);
	if (!sub || msg_index(&s->held, e->request, 0) != OK ||
	    !subscription_send(s, sub, e, &s->held, to))
		return 500;
	return 0;
}

/* The errand is over without a target's yes; so is the subscription that it was to make. */
static void end_with(struct sbc *s, struct errand *e, uint16_t status, struct str lines)
{
	struct subscription *sub = e->use == ERRAND_SUBSCRIBE ? subscription_find(s, e->of) : NULL;

	if (e->use == ERRAND_TALK) {
		e->txn = ID_NONE;
		subscription_on_answer(s, &e, NULL, status);
		return;
	}
	errand_finish_with(s, &e, status, lines);
	if (sub)
		subscription_free(s, &sub);
}

static void write_lines_for(struct sbc *s, uint16_t status, enum trust trust)
{
	buf_reset(&s->lines);
	if (status == 415) {
		buf_lit(&s->lines, "Accept: ");
		package_write_bodies(&s->lines, trust);
		buf_lit(&s->lines, "\r\n");
	} else if (status == 489) {
		write_allow_events(s, trust);
	} else if (status == 503) {
		buf_lit(&s->lines, "Retry-After: 10\r\n");
	}
}

static void go_on(struct sbc *s, struct errand *e)
{
	struct flow to;
	uint16_t status = 0;

	switch (errand_go_on(s, e, &to)) {
	case ERRAND_WAITS: return;
	case ERRAND_SENDS:
		status = send_first(s, e, &to);
		if (status == 0)
			return;
		write_lines_for(s, status, trust_of(e->settings, target_realm(e)));
		break;
	case ERRAND_OVER:
		status = errand_end_status(e);
		write_lines_for(s, status, TRUST_HIGH);
		break;
	}
	end_with(s, e, status, buf_view(&s->lines));
}

/* ---- the beginning */

static enum err open_errand(struct sbc *s, const struct msg *m, const struct flow *f,
			    uint16_t trunk, const struct package_event *event, struct errand **out)
{
	struct errand_params p = {
		.settings = s->settings, .m = m, .flow = f, .trunk = trunk, .use = ERRAND_SINGLE};
	struct subscription *sub = NULL;

	if (m->method == METHOD_SUBSCRIBE) {
		enum err e = errand_has_room(s) ? subscription_new(s, m, f, trunk, event, &sub)
						: ERR_FULL;
		if (e != OK)
			return e;
		p.use = ERRAND_SUBSCRIBE;
		p.of = sub->id;
	}
	*out = errand_new(s, &p);
	if (!*out && sub)
		subscription_free(s, &sub);
	return *out ? OK : ERR_FULL;
}

struct verdict outside_judge(struct sbc *s, const struct policy_ask *a, const struct msg *m,
			     struct outside_asked *out)
{
	struct facts *facts = a->facts;
	struct buf number;
	struct uri u;

	*out = (struct outside_asked){.route = SETTINGS_NO_INDEX};
	buf_init(&number, out->mem, sizeof(out->mem));
	struct verdict v = judge(s, m, facts->trunk, &out->event);
	if (v.outcome != VERDICT_ALLOW)
		return v;
	if (uri_parse(enrol_called(s->settings, facts->trunk, m), &u) != OK ||
	    uri_write_number(&number, &u) != OK)
		return verdict_of(VERDICT_STAGE_PARSE, 400, STR("request_uri"));
	if (number.overflow)
		return verdict_of(VERDICT_STAGE_PARSE, 414, STR("request_uri_long"));
	if (s->draining)
		return verdict_of(VERDICT_STAGE_LIMIT, 503, STR("draining"));
	facts->method = m->method_text;
	buf_reset(&number); /* from here on it is the canonical one */
	facts->number =
		errand_write_called(&number, s->settings, m, facts->trunk, SETTINGS_NO_INDEX)
			? buf_view(&number)
			: STR_NONE;
	facts->domain = u.host;
	out->secure = u.scheme == URI_SIPS;
	return find_targets(s, a, out->secure, &out->route, &out->hunt);
}

void outside_begin(struct sbc *s, const struct msg *m, const struct flow *f,
		   const struct tls_facts *tls, uint16_t trunk)
{
	struct facts facts = leg_facts(s->settings, f, tls);
	const struct policy_ask ask = judge_ask(s, s->settings, &facts);
	struct outside_asked asked;
	struct errand *e = NULL;

	facts.trunk = trunk;
	facts.random = rng_u32(&s->rng);
	struct verdict v = outside_judge(s, &ask, m, &asked);
	if (v.outcome == VERDICT_ALLOW) {
		enum err err = open_errand(s, m, f, trunk, &asked.event, &e);
		if (err == ERR_BAD)
			v = verdict_of(VERDICT_STAGE_PARSE, 400, STR("dialog"));
		else if (err != OK)
			v = verdict_of(VERDICT_STAGE_LIMIT, 503,
				       m->method == METHOD_SUBSCRIBE ? STR("subscriptions")
								     : STR("requests"));
	}
	if (v.outcome == VERDICT_DROP)
		return;
	if (v.outcome == VERDICT_REJECT) {
		refuse(s, m, f, trunk, &v);
		return;
	}
	e->route = asked.route;
	e->hunt = asked.hunt;
	e->secure = asked.secure;
	go_on(s, e);
}

/* ---- events */

/* True: it has gone out once more, with credentials. */
static bool send_again(struct sbc *s, struct errand *e, const struct msg *m)
{
	struct subscription *sub = subscription_find(s, e->of);
	struct auth_again p = {.txn = e->txn,
			       .trunk = e->target.trunk,
			       .settings = e->settings,
			       .answer = m,
			       .cseq = &e->cseq,
			       .owner = e->id};

	if (m->status != 401 && m->status != 407)
		return false;
	if (e->use == ERRAND_TALK) {
		if (!sub)
			return false;
		p.trunk = sub->leg[1u - e->side].trunk;
		p.dialog = &sub->leg[1u - e->side].dialog;
	} else if (e->use == ERRAND_SUBSCRIBE && sub) {
		p.dialog = &sub->leg[1].dialog;
	}
	id_t64 txn = auth_again(s, &p);
	if (txn == ID_NONE)
		return false;
	e->txn = txn;
	return true;
}

static void pass_single(struct sbc *s, struct errand *e, const struct msg *m)
{
	bool accepted = m->status < 300;
	struct str etag = msg_value_of(m, STR("SIP-ETag"));
	uint16_t status = accepted ? m->status : errand_map_status(m->status);
	enum trust back = trust_of(e->settings, worker_realm_of(e->settings, &e->flow));

	write_lines_for(s, status == 489 ? status : 0, back);
	struct errand_way way = errand_back(e);
	if (errand_carry(s, e, m, &way, false) != OK)
		buf_reset(&s->lines);
	if (e->method == METHOD_PUBLISH && accepted) {
		errand_write_seconds(&s->lines, STR("Expires"), msg_value(m, HDR_EXPIRES));
		if (hdr_is_token(etag))
			errand_write_once(&s->lines, STR("SIP-ETag"), etag);
	}
	if (e->method == METHOD_OPTIONS && accepted) {
		buf_lit(&s->lines, "Allow: ");
		refuse_write_allow(&s->lines, worker_abilities.methods);
		buf_lit(&s->lines, "\r\n");
	}
	if (status == 423)
		errand_write_seconds(&s->lines, STR("Min-Expires"), msg_value(m, HDR_MIN_EXPIRES));
	end_with(s, e, status, buf_view(&s->lines));
}

void outside_on_response(struct sbc *s, struct errand *e, id_t64 txn, const struct msg *m,
			 const struct flow *f)
{
	if (e->txn != txn)
		return;
	if (m->status < 200) {
		errand_on_heard(s, e);
		return;
	}
	if (send_again(s, e, m))
		return;
	e->txn = ID_NONE;
	if (e->use == ERRAND_TALK) {
		subscription_on_answer(s, &e, m, m->status);
		return;
	}
	if (m->status >= 300 && errand_failed(s, e, m->status, 0)) {
		go_on(s, e);
		return;
	}
	struct subscription *sub = subscription_find(s, e->of);
	if (e->use == ERRAND_SUBSCRIBE && sub && m->status < 300)
		subscription_on_accepted(s, sub, &e, m, f);
	else
		pass_single(s, e, m);
}

void outside_on_report(struct sbc *s, struct errand *e, id_t64 txn, enum txn_report report,
		       unsigned cause)
{
	switch (report) {
	case TXN_REPORT_TIMEOUT:
	case TXN_REPORT_FAILED:
		if (e->txn != txn)
			return;
		if (report == TXN_REPORT_TIMEOUT)
			cause = ROUTE_CAUSE_TIMEOUT;
		else if (cause == 0)
			cause = ROUTE_CAUSE_CONNECT;
		e->txn = ID_NONE;
		if (errand_failed(s, e, 0, cause))
			go_on(s, e);
		else
			end_with(s, e, errand_end_status(e), STR_NONE);
		return;
	case TXN_REPORT_SLOW: asker_answer(s, &e->asker, 100, STR_NONE, STR_NONE); return;
	case TXN_REPORT_NO_ACK:
	case TXN_REPORT_COUNT: return;
	}
}

void outside_on_resolved(struct sbc *s, struct errand *e, id_t64 ask, const struct event *ev)
{
	if (errand_on_resolved(e, ask, ev))
		go_on(s, e);
}

void outside_on_alarm(struct sbc *s, struct errand *e)
{
	switch (errand_on_alarm(s, e)) {
	case ERRAND_ALARM_EARLY: return;
	case ERRAND_ALARM_SILENT:
		if (errand_failed(s, e, 0, ROUTE_CAUSE_TIMEOUT)) {
			go_on(s, e);
			return;
		}
		break;
	case ERRAND_ALARM_OVER: break;
	}
	end_with(s, e, 504, STR_NONE);
}

void outside_end_all(struct sbc *s)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct errand *e;

	while ((e = pool_next(&s->errands, &cursor, &id)) != NULL)
		errand_finish_with(s, &e, 503, STR("Retry-After: 10\r\n"));
	subscription_free_all(s);
}
