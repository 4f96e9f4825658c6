#include "sbc/core/errand.h"

#include "policy/number.h"
#include "policy/route.h"
#include "sbc/core/auth.h"
#include "sbc/core/call.h"
#include "sbc/core/crossing.h"
#include "sbc/core/enrol.h"
#include "sbc/core/identity.h"
#include "sbc/core/reg.h"
#include "sbc/core/target.h"
#include "sbc/core/uri.h"

/* ---- life */

bool errand_has_room(const struct sbc *s)
{
	const struct pool *p = &s->txns.pool;

	return p->used < p->limit - p->limit / 4;
}

struct errand *errand_find(const struct sbc *s, id_t64 id)
{
	return pool_find(&s->errands, id);
}

struct errand *errand_new(struct sbc *s, const struct errand_params *p)
{
	id_t64 id;

	if (!errand_has_room(s) || !worker_hold_settings(s, p->settings))
		return NULL;
	struct errand *e = pool_new(&s->errands, &id);
	if (!e) {
		worker_let_settings(s, p->settings);
		return NULL;
	}
	e->id = id;
	e->settings = p->settings;
	e->flow = *p->flow;
	e->trunk = p->trunk;
	e->route = SETTINGS_NO_INDEX;
	e->use = (uint8_t)p->use;
	e->method = (uint8_t)p->m->method;
	e->of = p->of;
	timer_init(&e->alarm.timer);
	e->deadline_ms = s->now_ms + (uint64_t)ERRAND_DEADLINE_T1 * p->settings->timers.t1_ms;
	if (p->use == ERRAND_REGISTER) {
		e->counted = tally_add(&s->registering, &p->flow->remote,
				       s->errands.limit / ERRAND_SOURCE_SHARE) == OK;
		if (!e->counted) {
			errand_free(s, &e);
			return NULL;
		}
	}
	e->request = block_str(&s->outside_blocks, p->m->bytes);
	if (e->request.len == 0 ||
	    asker_serve(s, &e->asker, p->settings, p->m, p->flow, id) != OK) {
		errand_free(s, &e);
		return NULL;
	}
	return e;
}

void errand_free(struct sbc *s, struct errand **errand)
{
	CHECK(errand && *errand);
	struct errand *e = *errand;
	id_t64 id = e->id;

	*errand = NULL;
	worker_stop_alarm(s, &e->alarm);
	/* Its client transaction keeps its owner: a challenge that comes now is for nobody to answer, least of all with a trunk's
	 * password where a user's was meant. */
	if (e->asker.txn != ID_NONE)
		txn_set_owner(&s->txns, e->asker.txn, ID_NONE);
	if (e->counted)
		tally_del(&s->registering, &e->flow.remote);
	block_str_free(&s->outside_blocks, &e->request);
	block_str_free(&s->outside_blocks, &e->note);
	block_str_free(&s->outside_blocks, &e->contact);
	block_str_free(&s->outside_blocks, &e->contact_name);
	block_str_free(&s->outside_blocks, &e->contact_path);
	worker_let_settings(s, e->settings);
	pool_free(&s->errands, id);
}

void errand_free_all(struct sbc *s)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct errand *e;

	while ((e = pool_next(&s->errands, &cursor, &id)) != NULL)
		errand_free(s, &e);
}

/* ---- targets */

static const struct trunk *trunk_of(const struct errand *e)
{
	return &e->settings->trunks[e->target.trunk];
}

static const struct peer *peer_of(const struct errand *e)
{
	return &trunk_of(e)->peers[e->target.peer];
}

static const struct route_rule *route_of(const struct errand *e)
{
	return &e->settings->policy.routes[e->route];
}

/* A user's phone is where it registered from, and nowhere else. */
static void take_contact(struct sbc *s, struct errand *e)
{
	const struct contact *c = bind_get(&s->binds, e->target.contact);

	e->candidate_count = e->candidate_next = 0;
	block_str_free(&s->outside_blocks, &e->contact);
	block_str_free(&s->outside_blocks, &e->contact_name);
	block_str_free(&s->outside_blocks, &e->contact_path);
	if (!c)
		return;
	e->contact = block_str(&s->outside_blocks, c->uri);
	e->contact_name = block_str(&s->outside_blocks, c->aor->name);
	e->contact_path = block_str(&s->outside_blocks, c->path);
	e->contact_flow = c->flow;
	if (e->contact.len && e->contact_name.len && e->contact_path.len == c->path.len)
		e->candidates[e->candidate_count++] =
			(struct candidate){.transport = c->flow.transport, .addr = c->flow.remote};
}

/* False: a question is open. No candidates where none could be asked. */
static bool resolve(struct sbc *s, struct errand *e)
{
	if (e->target.contact != ID_NONE) {
		take_contact(s, e);
		return true;
	}
	const struct peer *p = peer_of(e);
	e->candidate_count = e->candidate_next = 0;
	if (target_address(p, e->secure, &e->candidates[0])) {
		e->candidate_count = 1;
		return true;
	}
	struct resolve_query q = target_query(e->settings, trunk_of(e)->realm, p, e->secure);
	e->ask = worker_ask_resolve(s, e->id, &q);
	return e->ask == ID_NONE;
}

/* The next target that may be sent such a request at all. */
static bool next_target(struct errand *e)
{
	while (hunt_next(&e->hunt, &e->target))
		if (e->use == ERRAND_REGISTER ||
		    (trunk_of(e)->habits.methods & 1u << e->method) != 0)
			return true;
	return false;
}

enum errand_next errand_go_on(struct sbc *s, struct errand *e, struct flow *out)
{
	const struct route_rule *route = route_of(e);

	for (;;) {
		if ((route->tries && e->tries >= route->tries) || s->now_ms >= e->deadline_ms)
			return ERRAND_OVER;
		while (e->candidate_next < e->candidate_count) {
			const struct candidate *c = &e->candidates[e->candidate_next++];
			if (e->target.contact != ID_NONE) {
				*out = e->contact_flow;
				e->tries++;
				return ERRAND_SENDS;
			}
			uint16_t listener = worker_listener(e->settings, trunk_of(e)->realm,
							    c->transport, c->addr.family);
			if (listener == SETTINGS_NO_INDEX ||
			    (e->secure && c->transport != TRANSPORT_TLS))
				continue;
			*out = (struct flow){
				.listener = listener, .transport = c->transport, .remote = c->addr};
			e->tries++;
			return ERRAND_SENDS;
		}
		if (!next_target(e))
			return ERRAND_OVER;
		if (!resolve(s, e))
			return ERRAND_WAITS;
	}
}

struct str errand_routes(const struct sbc *s, const struct errand *e)
{
	if (e->target.contact != ID_NONE)
		return e->contact_path;
	return enrol_routes(s, e->settings, e->target.trunk);
}

struct dest errand_dest(const struct errand *e, const struct flow *to)
{
	const struct trunk *t = trunk_of(e);

	if (e->target.contact != ID_NONE)
		return (struct dest){.flow = *to, .trunk = e->target.trunk};
	return (struct dest){.flow = *to,
			     .tls_name = t->tls_name.len ? t->tls_name : peer_of(e)->host,
			     .trunk = e->target.trunk};
}

static void set_alarm(struct sbc *s, struct errand *e)
{
	uint64_t at = e->deadline_ms;

	if (!e->heard && e->route != SETTINGS_NO_INDEX) {
		uint32_t after = route_of(e)->failure_after_ms;
		if (after && s->now_ms + after < at)
			at = s->now_ms + after;
	}
	worker_alarm(s, &e->alarm, ALARM_ERRAND, at);
}

bool errand_send(struct sbc *s, struct errand *e, const struct dest *d, struct build_request *r)
{
	char branch[HIDE_BRANCH_LEN];

	r->branch = worker_token(s, HIDE_BRANCH, e->id, branch);
	r->transport = d->flow.transport;
	r->sent_by = &e->settings->listeners[d->flow.listener].local;
	if (!r->relayed)
		r->max_forwards = 70;
	buf_reset(&s->out);
	if (build_request(&s->out, r) != OK)
		return false;
	struct txn_start_params p = {
		.method = r->method,
		.branch = r->branch,
		.dest = d,
		.bytes = e->use == ERRAND_REGISTER
				 ? buf_view(&s->out)
				 : auth_ahead(s, e->settings, d, buf_view(&s->out)),
		.settings = e->settings,
		.owner = e->id,
		.now_ms = s->now_ms};
	struct txn_effects fx = {.count = 0};
	if (txn_start(&s->txns, &p, &e->txn, &fx) != OK)
		return false;
	worker_emit(s, &fx);
	e->heard = false;
	set_alarm(s, e);
	return true;
}

bool errand_failed(struct sbc *s, struct errand *e, uint16_t status, unsigned cause)
{
	worker_stop_alarm(s, &e->alarm);
	e->txn = e->ask = ID_NONE;
	e->status = status;
	e->cause = (uint8_t)cause;
	if (e->route == SETTINGS_NO_INDEX || s->now_ms >= e->deadline_ms ||
	    !route_is_retried(route_of(e), cause ? cause : status))
		return false;
	if (cause == 0 && status != 503) /* RFC 3263 §4.3: another address would say the same */
		e->candidate_next = e->candidate_count;
	return true;
}

uint16_t errand_end_status(const struct errand *e)
{
	if (e->status)
		return errand_map_status(e->status);
	switch (e->cause) {
	case ROUTE_CAUSE_TIMEOUT: return 504;
	case ROUTE_CAUSE_TLS:
	case ROUTE_CAUSE_CONNECT: return 502;
	default: return e->tries ? 500 : 503;
	}
}

bool errand_on_resolved(struct errand *e, id_t64 ask, const struct event *ev)
{
	if (e->ask != ask || ask == ID_NONE)
		return false;
	e->ask = ID_NONE;
	e->candidate_count = e->candidate_next = 0;
	for (size_t i = 0; i < ev->resolved.count && i < CANDIDATES_MAX; i++)
		e->candidates[e->candidate_count++] = ev->resolved.candidates[i];
	return true;
}

enum errand_alarm errand_on_alarm(struct sbc *s, struct errand *e)
{
	if (s->now_ms >= e->deadline_ms)
		return ERRAND_ALARM_OVER;
	if (!e->heard)
		return ERRAND_ALARM_SILENT;
	set_alarm(s, e);
	return ERRAND_ALARM_EARLY;
}

void errand_on_heard(struct sbc *s, struct errand *e)
{
	if (e->heard)
		return;
	e->heard = true;
	set_alarm(s, e);
}

/* ---- names */

void errand_write_uri(struct buf *b, const struct errand *e, struct str number, bool bare)
{
	struct addr ip;

	if (e->target.contact != ID_NONE) {
		if (bare)
			buf_lit(b, "sip:");
		if (bare)
			bind_write_name(b, e->contact_name);
		else
			buf_str(b, e->contact);
		return;
	}
	const struct peer *p = peer_of(e);
	bool sips = e->secure || p->sips;

	buf_z(b, sips ? "sips:" : "sip:");
	if (number.len) {
		uri_write_user(b, number);
		buf_char(b, '@');
	}
	if (addr_parse_ip(p->host, &ip) == OK)
		addr_write_host(b, &ip);
	else
		buf_str(b, p->host);
	if (bare)
		return;
	if (p->port) {
		buf_char(b, ':');
		buf_u64(b, p->port);
	}
	if (!sips && p->transport_given && p->transport != TRANSPORT_UDP)
		buf_z(b, p->transport == TRANSPORT_TLS ? ";transport=tls" : ";transport=tcp");
}

static const struct number_rules *numbers_in(const struct settings *s, uint16_t trunk)
{
	return trunk < s->trunk_count ? s->trunks[trunk].caller.numbers_in : NULL;
}

struct errand_way errand_there(const struct errand *e, const struct flow *to)
{
	return (struct errand_way){.from = e->flow,
				   .to = *to,
				   .from_trunk = e->trunk,
				   .to_trunk = e->target.trunk,
				   .sips = e->secure};
}

struct errand_way errand_back(const struct errand *e)
{
	struct errand_way w = {.to = e->flow,
			       .from_trunk = e->target.trunk,
			       .to_trunk = e->trunk,
			       .sips = e->secure};

	w.from.listener = SETTINGS_NO_INDEX;
	for (size_t i = 0; i < e->settings->listener_count; i++)
		if (e->settings->listeners[i].realm == trunk_of(e)->realm)
			w.from.listener = (uint16_t)i;
	return w;
}

/* A copy in b: what it was is on another's stack. */
static struct str number_of_caller(struct buf *b, const struct number_rules *r, struct str raw)
{
	char mem[256];
	struct buf canonical;

	buf_init(&canonical, mem, sizeof(mem));
	buf_str(b, number_of(r, NUMBER_FROM, raw, &canonical));
	return buf_view(b);
}

static struct str caller_of(struct buf *b, const struct settings *s, const struct msg *m,
			    uint16_t trunk)
{
	char mem[256];
	struct buf raw;
	struct name_addr a;
	struct uri u;

	buf_init(&raw, mem, sizeof(mem));
	if (name_addr_parse(m->from, &a) != OK || uri_parse(a.uri, &u) != OK ||
	    uri_write_number(&raw, &u) != OK || raw.overflow)
		return STR_NONE;
	return number_of_caller(b, numbers_in(s, trunk), buf_view(&raw));
}

static struct crossing crossing_of(const struct errand *e, const struct errand_way *w)
{
	const struct settings *s = e->settings;

	return (struct crossing){
		.settings = s,
		.from_realm = worker_realm_of(s, &w->from),
		.to_realm = worker_realm_of(s, &w->to),
		.from_trunk = w->from_trunk,
		.to_trunk = w->to_trunk,
		.host = w->to.listener < s->listener_count ? &s->listeners[w->to.listener].local
							   : NULL,
		.sips = w->sips,
	};
}

void errand_write_from(const struct sbc *s, struct buf *b, const struct errand *e,
		       const struct msg *m, const struct errand_way *w)
{
	char mem[256], out_mem[256];
	struct buf number, out;
	struct crossing x = crossing_of(e, w);

	buf_init(&number, mem, sizeof(mem));
	buf_init(&out, out_mem, sizeof(out_mem));
	struct str from = caller_of(&number, e->settings, m, w->from_trunk);
	bool hides = crossing_hides(m, &x);
	from = crossing_number(e->settings, w->to_trunk, NUMBER_FROM, from, &out);
	const struct contact *c =
		w->from_trunk < e->settings->trunk_count && e->settings->trunks[w->from_trunk].users
			? reg_find_speaker(s, &w->from, m)
			: NULL;
	struct str domain = c ? reg_shown_domain(e->settings, c->aor, w->to_trunk) : STR_NONE;
	if (domain.len)
		identity_write_from_at(b, m->from, from, domain, w->sips, hides);
	else
		identity_write_from(b, m->from, from, x.host, w->sips, hides);
}

bool errand_write_called(struct buf *b, const struct settings *s, const struct msg *m,
			 uint16_t from_trunk, uint16_t to_trunk)
{
	char mem[256], canonical_mem[256];
	struct buf raw, canonical;
	struct uri u;

	buf_init(&raw, mem, sizeof(mem));
	buf_init(&canonical, canonical_mem, sizeof(canonical_mem));
	if (uri_parse(enrol_called(s, from_trunk, m), &u) != OK ||
	    uri_write_number(&raw, &u) != OK || raw.overflow)
		return false;
	struct str called =
		number_of(numbers_in(s, from_trunk), NUMBER_TO, buf_view(&raw), &canonical);
	char out_mem[256];
	struct buf out;
	buf_init(&out, out_mem, sizeof(out_mem));
	buf_str(b, to_trunk == SETTINGS_NO_INDEX
			   ? called
			   : crossing_number(s, to_trunk, NUMBER_TO, called, &out));
	return !b->overflow;
}

void errand_write_once(struct buf *lines, struct str name, struct str value)
{
	struct str all = buf_view(lines), line;
	size_t at = lines->len;

	if (value.len == 0)
		return;
	while (str_cut(&all, '\n', &line))
		if (line.len > name.len && line.p[name.len] == ':' && str_has_iprefix(line, name))
			return;
	if (build_header(lines, name, value) != OK && !lines->overflow)
		lines->len = at;
}

void errand_write_seconds(struct buf *lines, struct str name, struct str value)
{
	uint32_t seconds;
	char mem[16];
	struct buf b;

	if (hdr_delta_parse(value, &seconds, NULL) != OK)
		return;
	buf_init(&b, mem, sizeof(mem));
	buf_u64(&b, seconds);
	errand_write_once(lines, name, buf_view(&b));
}

enum err errand_carry(struct sbc *s, const struct errand *e, const struct msg *m,
		      const struct errand_way *w, bool body)
{
	char from_mem[256], to_mem[256];
	struct buf from, to;
	struct crossing x = crossing_of(e, w);

	buf_init(&from, from_mem, sizeof(from_mem));
	buf_init(&to, to_mem, sizeof(to_mem));
	x.from_number = caller_of(&from, e->settings, m, w->from_trunk);
	if (m->is_request &&
	    errand_write_called(&to, e->settings, m, w->from_trunk, SETTINGS_NO_INDEX))
		x.to_number = buf_view(&to);
	x.body = body;
	return crossing_write(&s->lines, &s->arena, m, &x);
}

struct str errand_contact(struct buf *b, const struct settings *s, const struct flow *at, bool sips)
{
	build_contact(b, sips, STR_NONE, &s->listeners[at->listener].local, at->transport);
	return buf_view(b);
}

void errand_finish(struct sbc *s, struct errand **errand, struct build_response *r)
{
	char tag[HIDE_BRANCH_LEN];

	if (r->to_tag.len == 0)
		r->to_tag = worker_token(s, HIDE_TAG, ID_NONE, tag);
	asker_respond(s, &(*errand)->asker, r);
	errand_free(s, errand);
}

void errand_finish_with(struct sbc *s, struct errand **errand, uint16_t status, struct str lines)
{
	struct build_response r = {.status = status, .headers = lines};

	errand_finish(s, errand, &r);
}

uint16_t errand_map_status(uint16_t status)
{
	return status == 408 ? 504 : call_map_status(status);
}
