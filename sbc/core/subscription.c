#include "sbc/core/subscription.h"

/* ---- life */

struct subscription *subscription_find(const struct sbc *s, id_t64 id)
{
	return pool_find(&s->subscriptions, id);
}

static uint32_t most_of_a_source(const struct settings *s)
{
	return s->limits.subscriptions_per_source ? s->limits.subscriptions_per_source : UINT32_MAX;
}

static enum err open_asker(struct sbc *s, struct subscription *sub, const struct msg *m)
{
	char tag[HIDE_BRANCH_LEN];
	struct leg *l = &sub->leg[0];
	enum err e = leg_dialog_new(&s->outside_blocks, &l->dialog, dialog_text_for(m) + 64);

	if (e == OK && dialog_start_uas(&l->dialog, m, worker_token(s, HIDE_TAG, sub->id, tag),
					l->flow.transport == TRANSPORT_TLS) != OK)
		return ERR_BAD;
	return e;
}

enum err subscription_new(struct sbc *s, const struct msg *m, const struct flow *f, uint16_t trunk,
			  const struct package_event *event, struct subscription **out)
{
	struct buf b;
	id_t64 id;

	if (tally_add(&s->subscribers, &f->remote, most_of_a_source(s->settings)) != OK)
		return ERR_FULL;
	struct subscription *sub = pool_new(&s->subscriptions, &id);
	if (sub && !worker_hold_settings(s, s->settings)) {
		pool_free(&s->subscriptions, id);
		sub = NULL;
	}
	if (!sub) {
		tally_del(&s->subscribers, &f->remote);
		return ERR_FULL;
	}
	sub->id = id;
	sub->settings = s->settings;
	sub->source = f->remote;
	timer_init(&sub->alarm.timer);
	buf_init(&b, sub->event, sizeof(sub->event));
	package_write_event(&b, event);
	sub->event_len = (uint8_t)b.len;
	for (int i = 0; i < 2; i++) {
		sub->leg[i].trunk = sub->leg[i].peer = SETTINGS_NO_INDEX;
		sub->leg[i].flow.listener = SETTINGS_NO_INDEX;
	}
	sub->leg[0].flow = *f;
	sub->leg[0].trunk = trunk;
	enum err e = open_asker(s, sub, m);
	if (e != OK)
		subscription_free(s, &sub);
	else
		*out = sub;
	return e;
}

void subscription_free(struct sbc *s, struct subscription **subscription)
{
	CHECK(subscription && *subscription);
	struct subscription *sub = *subscription;
	id_t64 id = sub->id;

	*subscription = NULL;
	worker_stop_alarm(s, &sub->alarm);
	tally_del(&s->subscribers, &sub->source);
	for (int i = 0; i < 2; i++)
		leg_dialog_free(&s->outside_blocks, &sub->leg[i].dialog);
	worker_let_settings(s, sub->settings);
	pool_free(&s->subscriptions, id);
}

void subscription_free_all(struct sbc *s)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct subscription *sub;

	while ((sub = pool_next(&s->subscriptions, &cursor, &id)) != NULL)
		subscription_free(s, &sub);
}

static uint16_t named_trunk(const struct settings *s, const struct settings *old, uint16_t trunk)
{
	for (size_t i = 0; trunk < old->trunk_count && i < s->trunk_count; i++)
		if (str_eq(s->trunks[i].name, old->trunks[trunk].name) &&
		    s->trunks[i].realm == old->trunks[trunk].realm)
			return (uint16_t)i;
	return SETTINGS_NO_INDEX;
}

void subscription_apply(struct sbc *s, const struct settings *settings)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct subscription *sub;

	while ((sub = pool_next(&s->subscriptions, &cursor, &id)) != NULL) {
		uint16_t trunk[2];
		if (sub->state == SUBSCRIPTION_PENDING || sub->settings == settings)
			continue;
		for (int i = 0; i < 2; i++)
			trunk[i] = named_trunk(settings, sub->settings, sub->leg[i].trunk);
		if (trunk[0] == SETTINGS_NO_INDEX || trunk[1] == SETTINGS_NO_INDEX) {
			subscription_free(s, &sub);
			continue;
		}
		if (!worker_hold_settings(s, settings))
			continue; /* it keeps the old ones for now */
		worker_let_settings(s, sub->settings);
		sub->settings = settings;
		for (int i = 0; i < 2; i++) {
			sub->leg[i].trunk = trunk[i];
			sub->leg[i].peer = SETTINGS_NO_INDEX;
		}
	}
}

static struct str event_of(const struct subscription *sub)
{
	return (struct str){sub->event, sub->event_len};
}

static void set_alarm(struct sbc *s, struct subscription *sub, uint32_t granted_s)
{
	uint64_t at = s->now_ms + (uint64_t)granted_s * 1000 + SUBSCRIPTION_GRACE_MS;

	worker_alarm(s, &sub->alarm, ALARM_SUBSCRIPTION, at);
}

/* ---- requests to a side */

static struct str contact_of(const struct subscription *sub, unsigned side, struct buf *b)
{
	return errand_contact(b, sub->settings, &sub->leg[side].flow, sub->leg[side].dialog.secure);
}

static bool start_dialog(struct sbc *s, struct subscription *sub, struct errand *e,
			 const struct msg *m)
{
	char from_mem[1024], to_mem[1024], target_mem[1024], number_mem[256], tag[HIDE_BRANCH_LEN],
		call_id[HIDE_BRANCH_LEN];
	struct buf from, to, target, number;
	struct leg *l = &sub->leg[1];

	buf_init(&from, from_mem, sizeof(from_mem));
	buf_init(&to, to_mem, sizeof(to_mem));
	buf_init(&target, target_mem, sizeof(target_mem));
	buf_init(&number, number_mem, sizeof(number_mem));
	struct errand_way way = errand_there(e, &l->flow);
	if (!errand_write_called(&number, sub->settings, m, e->trunk, e->target.trunk))
		return false;
	errand_write_from(s, &from, e, m, &way);
	errand_write_uri(&target, e, buf_view(&number), false);
	buf_char(&to, '<');
	errand_write_uri(&to, e, buf_view(&number), true);
	buf_char(&to, '>');
	if (from.overflow || to.overflow || target.overflow)
		return false;
	struct dialog_uac p = {
		.call_id = worker_token(s, HIDE_CALL_ID, sub->id, call_id),
		.local_tag = worker_token(s, HIDE_TAG, sub->id, tag),
		.local = buf_view(&from),
		.remote = buf_view(&to),
		.target = buf_view(&target),
		.routes = errand_routes(s, e),
		.cseq = 1 + rng_below(&s->rng, 1000),
		.over_tls = transport_is_secure(l->flow.transport),
	};
	e->cseq = p.cseq;
	leg_dialog_free(&s->outside_blocks, &l->dialog);
	size_t room = p.call_id.len + p.local_tag.len + p.local.len + p.remote.len + p.target.len +
		      p.routes.len;
	return leg_dialog_new(&s->outside_blocks, &l->dialog, room + 192) == OK &&
	       dialog_start_uac(&l->dialog, &p) == OK;
}

static struct errand_way way_to(const struct subscription *sub, unsigned side)
{
	return (struct errand_way){.from = sub->leg[1 - side].flow,
				   .to = sub->leg[side].flow,
				   .from_trunk = sub->leg[1 - side].trunk,
				   .to_trunk = sub->leg[side].trunk,
				   .sips = sub->leg[side].dialog.secure};
}

/* What of a SUBSCRIBE crosses beside what the rules carry. */
static bool write_subscribe(struct sbc *s, const struct subscription *sub, const struct errand *e,
			    const struct msg *m)
{
	uint32_t seconds;
	struct errand_way way = way_to(sub, 1);

	buf_reset(&s->lines);
	if (errand_carry(s, e, m, &way, false) != OK ||
	    build_header(&s->lines, STR("Event"), event_of(sub)) != OK)
		return false;
	if (msg_has(m, HDR_EXPIRES) &&
	    hdr_delta_parse(msg_value(m, HDR_EXPIRES), &seconds, NULL) == OK) {
		char mem[16];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		buf_u64(&b, seconds > SUBSCRIPTION_MAX_S ? SUBSCRIPTION_MAX_S : seconds);
		errand_write_once(&s->lines, STR("Expires"), buf_view(&b));
	}
	errand_write_once(&s->lines, STR("Accept"), msg_value(m, HDR_ACCEPT));
	return !s->lines.overflow;
}

static uint16_t realm_of(const struct subscription *sub, unsigned side)
{
	return worker_realm_of(sub->settings, &sub->leg[side].flow);
}

bool subscription_send(struct sbc *s, struct subscription *sub, struct errand *e,
		       const struct msg *m, const struct flow *to)
{
	char contact[512];
	struct buf b;
	struct leg *l = &sub->leg[1];
	struct dest d = errand_dest(e, to);

	l->flow = *to;
	l->trunk = e->target.trunk;
	l->peer = e->target.peer;
	l->seen = ID_NONE;
	buf_init(&b, contact, sizeof(contact));
	if (!start_dialog(s, sub, e, m) || !write_subscribe(s, sub, e, m))
		return false;
	struct build_request r = {.method = STR("SUBSCRIBE"),
				  .relayed = true,
				  .max_forwards = build_hops_left(m),
				  .contact = contact_of(sub, 1, &b),
				  .headers = buf_view(&s->lines)};
	return dialog_fill(&l->dialog, e->cseq, &r) == OK && errand_send(s, e, &d, &r);
}

/* ---- answers to who asked */

/* The seconds that a 2xx to a SUBSCRIBE grants. */
static uint32_t granted(const struct msg *m, const struct msg *asked)
{
	uint32_t seconds = 3600;

	if (hdr_delta_parse(msg_value(m, HDR_EXPIRES), &seconds, NULL) != OK &&
	    hdr_delta_parse(msg_value(asked, HDR_EXPIRES), &seconds, NULL) != OK)
		seconds = 3600;
	return seconds > SUBSCRIPTION_MAX_S ? SUBSCRIPTION_MAX_S : seconds;
}

static void write_number(struct buf *lines, const char *name, uint32_t n)
{
	buf_z(lines, name);
	buf_u64(lines, n);
	buf_lit(lines, "\r\n");
}

static void pass_accepted(struct sbc *s, struct subscription *sub, struct errand **errand,
			  const struct msg *m)
{
	char contact[512];
	struct buf b;
	struct errand *e = *errand;
	bool first = e->use == ERRAND_SUBSCRIBE;
	struct msg *asked = &s->held;
	uint32_t seconds = msg_index(asked, e->request, 0) == OK ? granted(m, asked) : 3600;

	buf_init(&b, contact, sizeof(contact));
	buf_reset(&s->lines);
	write_number(&s->lines, "Expires: ", seconds);
	struct build_response r = {.status = m->status,
				   .contact = contact_of(sub, 0, &b),
				   .record_route = first,
				   .to_tag = dialog_get(&sub->leg[0].dialog, DIALOG_LOCAL_TAG),
				   .headers = buf_view(&s->lines)};
	errand_finish(s, errand, &r);
	sub->answered = true;
	if (seconds == 0)
		sub->state = SUBSCRIPTION_LEAVING;
	else if (sub->state == SUBSCRIPTION_PENDING)
		sub->state = SUBSCRIPTION_ACTIVE;
	set_alarm(s, sub, seconds);
}

void subscription_on_accepted(struct sbc *s, struct subscription *sub, struct errand **e,
			      const struct msg *m, const struct flow *f)
{
	struct leg *l = &sub->leg[1];

	l->seen = f->id;
	if (leg_on_response(&s->outside_blocks, &l->dialog, m) != OK ||
	    dialog_get(&l->dialog, DIALOG_REMOTE_TAG).len == 0) {
		errand_finish_with(s, e, 502, STR_NONE);
		subscription_free(s, &sub);
		return;
	}
	pass_accepted(s, sub, e, m);
}

/* Lines that an answer of the other side must keep to be understood: 423, 489, 503. */
static void write_reasons(struct sbc *s, const struct errand *e, const struct msg *m, enum trust to)
{
	uint32_t seconds;

	buf_reset(&s->lines);
	if (m->status == 423 &&
	    hdr_delta_parse(msg_value(m, HDR_MIN_EXPIRES), &seconds, NULL) == OK)
		write_number(&s->lines, "Min-Expires: ", seconds);
	if (m->status == 489) {
		buf_lit(&s->lines, "Allow-Events: ");
		package_write_allowed(&s->lines, to);
		buf_lit(&s->lines, "\r\n");
	}
	(void)e;
}

static enum trust trust_of(const struct settings *s, uint16_t realm)
{
	return realm < s->policy.realm_count ? s->policy.realms[realm].trust : TRUST_NONE;
}

void subscription_on_answer(struct sbc *s, struct errand **errand, const struct msg *m,
			    uint16_t status)
{
	struct errand *e = *errand;
	struct subscription *sub = subscription_find(s, e->of);
	bool closing = e->closing;

	if (!sub) {
		errand_finish_with(s, errand, 481, STR_NONE);
		return;
	}
	unsigned other = 1u - e->side;
	if (m && m->status < 300) {
		enum err e2 = leg_refresh_target(&s->outside_blocks, &sub->leg[other].dialog, m);
		(void)e2; /* if it cannot be read the old target stays */
		if (e->method == METHOD_SUBSCRIBE)
			pass_accepted(s, sub, errand, m);
		else
			errand_finish_with(s, errand, m->status, STR_NONE);
	} else {
		uint16_t said = m ? m->status : status;
		bool over = said == 481 || !m;
		if (m)
			write_reasons(s, e, m, trust_of(sub->settings, realm_of(sub, e->side)));
		else
			buf_reset(&s->lines);
		errand_finish_with(s, errand,
				   said == 481 || said == 489 ? said : errand_map_status(said),
				   buf_view(&s->lines));
		/* A subscriber that has gone, or a notifier that knows nothing of it (RFC 6665 §4.1.2, §4.2.2). */
		closing = closing || over;
	}
	if (closing)
		subscription_free(s, &sub);
}

/* ---- requests of the two sides */

static void refuse(struct sbc *s, const struct subscription *sub, const struct msg *m,
		   const struct flow *f, unsigned side, uint16_t status, struct str rule,
		   struct str lines)
{
	struct verdict v = {.outcome = VERDICT_REJECT,
			    .stage = VERDICT_STAGE_PARSE,
			    .status = status,
			    .rule = rule};

	worker_reply(s, m, f, status, STR_NONE, lines);
	worker_refused(s, sub->settings, f, m, sub->leg[side].trunk, &v);
}

/* Which side speaks: 2 for neither. A NOTIFY before the 2xx makes the dialog. */
static unsigned side_of(struct sbc *s, struct subscription *sub, const struct msg *m)
{
	struct dialog *d = &sub->leg[1].dialog;

	for (unsigned side = 0; side < 2; side++)
		if (sub->leg[side].dialog.text && dialog_has_request(&sub->leg[side].dialog, m))
			return side;
	if (!d->text || d->confirmed || m->method != METHOD_NOTIFY ||
	    !str_eq(m->call_id, dialog_get(d, DIALOG_CALL_ID)) ||
	    !str_ieq(m->to_tag, dialog_get(d, DIALOG_LOCAL_TAG)))
		return 2;
	enum err e = dialog_on_notify(d, m);
	for (int i = 0; e == ERR_FULL && i < 7; i++) {
		if (leg_dialog_grow(&s->outside_blocks, d) != OK)
			break;
		e = dialog_on_notify(d, m);
	}
	return e == OK ? 1 : 2;
}

/* A NOTIFY or SUBSCRIBE goes on to the other side in its dialog. */
static bool pass(struct sbc *s, struct subscription *sub, struct errand *e, const struct msg *m,
		 struct str body)
{
	char contact[512];
	struct buf b;
	unsigned to = 1u - e->side;
	struct leg *l = &sub->leg[to];
	struct dest d = leg_dest(l, &l->dialog, sub->settings);

	buf_init(&b, contact, sizeof(contact));
	struct build_request r = {.method = m->method_text,
				  .relayed = true,
				  .max_forwards = build_hops_left(m),
				  .contact = contact_of(sub, to, &b),
				  .headers = buf_view(&s->lines),
				  .content_type = body.len ? m->content_type : STR_NONE,
				  .body = body};
	e->cseq = dialog_next_cseq(&l->dialog);
	return dialog_fill(&l->dialog, e->cseq, &r) == OK && errand_send(s, e, &d, &r);
}

static struct errand *open_talk(struct sbc *s, struct subscription *sub, const struct msg *m,
				const struct flow *f, unsigned side)
{
	struct errand_params p = {.settings = sub->settings,
				  .m = m,
				  .flow = f,
				  .trunk = sub->leg[side].trunk,
				  .use = ERRAND_TALK,
				  .of = sub->id};
	struct errand *e = errand_new(s, &p);

	if (e) {
		e->side = (uint8_t)side;
		e->asker.to_has_tag = true;
	} else {
		worker_reply(s, m, f, 503, STR_NONE, STR("Retry-After: 5\r\n"));
	}
	return e;
}

static void on_subscribe(struct sbc *s, struct subscription *sub, const struct msg *m,
			 const struct flow *f)
{
	uint32_t seconds = 3600;

	if (msg_has(m, HDR_EXPIRES) &&
	    hdr_delta_parse(msg_value(m, HDR_EXPIRES), &seconds, NULL) != OK) {
		refuse(s, sub, m, f, 0, 400, STR("expires"), STR_NONE);
		return;
	}
	if (seconds && seconds < SUBSCRIPTION_MIN_S) {
		refuse(s, sub, m, f, 0, 423, STR("expires"), STR("Min-Expires: 60\r\n"));
		return;
	}
	if (leg_refresh_target(&s->outside_blocks, &sub->leg[0].dialog, m) != OK) {
		refuse(s, sub, m, f, 0, 400, STR("contact"), STR_NONE);
		return;
	}
	struct errand *e = open_talk(s, sub, m, f, 0);
	if (!e)
		return;
	if (!write_subscribe(s, sub, e, m) || !pass(s, sub, e, m, STR_NONE))
		errand_finish_with(s, &e, 500, STR_NONE);
}

static void on_notify(struct sbc *s, struct subscription *sub, const struct msg *m,
		      const struct flow *f)
{
	struct package_state state;
	char mem[192];
	struct buf b;
	enum trust to = trust_of(sub->settings, realm_of(sub, 0));
	struct str body = m->body;

	if (package_parse_state(msg_value(m, HDR_SUBSCRIPTION_STATE), &state) != OK) {
		refuse(s, sub, m, f, 1, 400, STR("subscription_state"), STR_NONE);
		return;
	}
	if (body.len && !package_body_crosses(m->content_type, to)) {
		buf_reset(&s->lines);
		buf_lit(&s->lines, "Accept: ");
		package_write_bodies(&s->lines, to);
		buf_lit(&s->lines, "\r\n");
		refuse(s, sub, m, f, 1, 415, STR("body_type"), buf_view(&s->lines));
		return;
	}
	if (body.len > ERRAND_BODY_MAX) {
		refuse(s, sub, m, f, 1, 413, STR("body_size"), STR_NONE);
		return;
	}
	if (leg_refresh_target(&s->outside_blocks, &sub->leg[1].dialog, m) != OK) {
		refuse(s, sub, m, f, 1, 400, STR("contact"), STR_NONE);
		return;
	}
	struct errand *e = open_talk(s, sub, m, f, 1);
	if (!e)
		return;
	e->closing = state.terminated;
	if (!state.terminated && sub->state != SUBSCRIPTION_LEAVING) {
		sub->state = SUBSCRIPTION_ACTIVE;
		if (state.has_expires && state.expires_s <= SUBSCRIPTION_MAX_S)
			set_alarm(s, sub, state.expires_s);
	}
	struct errand_way way = way_to(sub, 0);
	buf_init(&b, mem, sizeof(mem));
	package_write_state(&b, &state);
	buf_reset(&s->lines);
	bool ok = errand_carry(s, e, m, &way, body.len > 0) == OK &&
		  build_header(&s->lines, STR("Event"), event_of(sub)) == OK &&
		  build_header(&s->lines, STR("Subscription-State"), buf_view(&b)) == OK;
	if (ok && body.len && to < TRUST_MEDIUM && package_is_summary(m->content_type)) {
		buf_reset(&s->text);
		package_write_summary(&s->text, body);
		body = buf_view(&s->text);
	}
	if (!ok || !pass(s, sub, e, m, body))
		errand_finish_with(s, &e, 500, STR_NONE);
}

void subscription_on_request(struct sbc *s, struct subscription *sub, struct msg *m,
			     const struct flow *f, const struct tls_facts *tls)
{
	struct package_event event;
	unsigned side = side_of(s, sub, m);
	struct refuse_params can = worker_abilities;

	if (side > 1) {
		worker_reply(s, m, f, 481, STR_NONE, STR_NONE);
		return;
	}
	struct leg *l = &sub->leg[side];
	if (!leg_is_believed(l, &l->dialog, sub->settings, f, tls)) {
		refuse(s, sub, m, f, side, 403, STR("dialog-source"), STR_NONE);
		return;
	}
	if (dialog_take_cseq(&l->dialog, m) != OK) {
		refuse(s, sub, m, f, side, 500, STR("cseq"), STR_NONE);
		return;
	}
	can.methods = 1u << (side ? METHOD_NOTIFY : METHOD_SUBSCRIBE);
	struct verdict v = refuse_request(m, &can);
	if (v.outcome != VERDICT_ALLOW) {
		buf_reset(&s->lines);
		if (refuse_write_headers(&s->lines, &v, m, &can) != OK)
			buf_reset(&s->lines);
		refuse(s, sub, m, f, side, v.status, v.rule, buf_view(&s->lines));
		return;
	}
	char mem[sizeof(sub->event)];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	if (package_parse_event(msg_value(m, HDR_EVENT), &event) == OK)
		package_write_event(&b, &event);
	if (!str_eq(buf_view(&b), event_of(sub))) {
		refuse(s, sub, m, f, side, 489, STR("event"), STR_NONE);
		return;
	}
	if (side == 0)
		on_subscribe(s, sub, m, f);
	else
		on_notify(s, sub, m, f);
}

/* ---- the end by time */

void subscription_on_alarm(struct sbc *s, struct subscription *sub)
{
	char contact[512], branch[HIDE_BRANCH_LEN];
	struct buf b;
	struct leg *l = &sub->leg[0];
	id_t64 txn;
	struct txn_effects fx = {.count = 0};

	buf_init(&b, contact, sizeof(contact));
	if (sub->answered && sub->state == SUBSCRIPTION_ACTIVE) {
		struct dest d = leg_dest(l, &l->dialog, sub->settings);
		buf_reset(&s->lines);
		buf_lit(&s->lines, "Subscription-State: terminated;reason=timeout\r\n");
		struct build_request r = {.method = STR("NOTIFY"),
					  .transport = l->flow.transport,
					  .sent_by =
						  &sub->settings->listeners[l->flow.listener].local,
					  .branch = worker_token(s, HIDE_BRANCH, ID_NONE, branch),
					  .max_forwards = 70,
					  .contact = contact_of(sub, 0, &b)};
		buf_reset(&s->out);
		if (build_header(&s->lines, STR("Event"), event_of(sub)) == OK &&
		    dialog_fill(&l->dialog, dialog_next_cseq(&l->dialog), &r) == OK) {
			r.headers = buf_view(&s->lines);
			struct txn_start_params p = {.method = r.method,
						     .branch = r.branch,
						     .dest = &d,
						     .settings = sub->settings,
						     .now_ms = s->now_ms};
			if (build_request(&s->out, &r) == OK) {
				p.bytes = buf_view(&s->out);
				if (txn_start(&s->txns, &p, &txn, &fx) == OK)
					worker_emit(s, &fx);
			}
		}
	}
	subscription_free(s, &sub);
}
