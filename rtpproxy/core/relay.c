#include "rtpproxy/core/relay.h"

#include "common/sdp.h"
#include "rtpproxy/core/leg_keys.h"
#include "rtpproxy/core/recording.h"
#include "rtpproxy/core/relay_work.h"
#include "rtpproxy/core/report.h"
#include "rtpproxy/core/sdp_edit.h"
#include "rtpproxy/core/sdp_relay.h"
#include "rtpproxy/core/subscriber.h"

/* The tree of the largest command, the parsed SDP and the tree of the reply. */
enum { ARENA_SIZE = 2 * 1024 * 1024 };

/* ---- making and ending */

static enum err init_ports(struct relay *r)
{
	for (unsigned i = 0; i < r->config->interface_count; i++) {
		const struct relay_interface *f = &r->config->interfaces[i];
		enum err e = portset_init(&r->portsets[i], f->port_min, f->port_max, r->worker,
					  r->config->workers);
		if (e != OK) {
			return e;
		}
	}
	return OK;
}

static enum err init_tables(struct relay *r, uint64_t now_ms)
{
	struct siphash_key keys[2];
	rng_bytes(&r->rng, keys, sizeof(keys));
	enum err e = arena_init_sized(&r->arena, ARENA_SIZE);
	if (e == OK) {
		e = pool_init(&r->calls, sizeof(struct call), LIMIT_CALLS, (uint8_t)r->worker);
	}
	if (e == OK) {
		e = pool_init(&r->dialogues, sizeof(struct dialogue), 2 * LIMIT_CALLS,
			      (uint8_t)r->worker);
	}
	if (e == OK) {
		e = pool_init(&r->medias, sizeof(struct leg_media), 8 * LIMIT_CALLS,
			      (uint8_t)r->worker);
	}
	if (e == OK) {
		e = pool_init(&r->recordings, sizeof(struct recording), LIMIT_RECORDINGS,
			      (uint8_t)r->worker);
	}
	if (e == OK) {
		e = pool_init(&r->subscribers, sizeof(struct subscriber), LIMIT_CALLS,
			      (uint8_t)r->worker);
	}
	block_init(&r->texts, LIMIT_TEXTS);
	if (e == OK) {
		e = tap_set_init(&r->taps, 8 * LIMIT_CALLS, (uint8_t)r->worker);
	}
	if (e == OK) {
		e = pool_init(&r->types, sizeof(struct stream_types), LIMIT_CALLS,
			      (uint8_t)r->worker);
	}
	if (e == OK) {
		e = pool_init(&r->carries, sizeof(struct carry), LIMIT_CARRIES, (uint8_t)r->worker);
	}
	if (e == OK) {
		e = pool_init(&r->ices, sizeof(struct ice), 8 * LIMIT_CALLS, (uint8_t)r->worker);
	}
	if (e == OK) {
		e = relay_rtcp_init(r, now_ms);
	}
	if (e == OK) {
		e = table_init(&r->by_call_id, LIMIT_CALLS, &keys[0]);
	}
	if (e == OK) {
		e = ng_cache_init(&r->cache, LIMIT_CACHE_BYTES, LIMIT_CACHE_REPLIES, &keys[1],
				  now_ms);
	}
	return e;
}

/* One for all workers, unless nobody gave it. */
static void set_instance(struct relay *r)
{
	uint8_t bytes[RELAY_INSTANCE_LEN / 2];
	struct buf b;
	buf_init(&b, r->instance, sizeof(r->instance) - 1);
	rng_bytes(&r->rng, bytes, sizeof(bytes));
	if (r->config->instance[0] != '\0') {
		buf_z(&b, r->config->instance);
	} else {
		buf_hex(&b, bytes, sizeof(bytes));
	}
}

enum err relay_init(struct relay *r, const struct relay_params *p, const struct relay_now *now)
{
	const struct relay_config *config = p->config;
	CHECK(config->interface_count > 0 && config->interface_count <= LIMIT_INTERFACES);
	CHECK(p->worker < config->workers && config->workers <= LIMIT_WORKERS);
	*r = (struct relay){.config = config,
			    .ports = p->ports,
			    .worker = p->worker,
			    .overload = p->overload,
			    .published = p->published};
	list_init(&r->recordings_ending);
	rng_init(&r->rng, p->seed);
	set_instance(r);
	wheel_init(&r->wheel, now->mono_us / 1000);
	enum err e = srtp_worker_init_wish(&r->srtp, config->srtp_engine);
	if (e != OK) {
		return e;
	}
	struct siphash_key hide;
	rng_bytes(&r->rng, &hide, sizeof(hide));
	forward_init(&r->forward, &r->srtp, &hide);
	r->forward.taps = &r->taps;
	e = init_ports(r);
	if (e == OK) {
		e = init_tables(r, now->mono_us / 1000);
	}
	if (e == OK) {
		e = handshakes_init(r, now);
	}
	if (e != OK) {
		relay_release(r);
		return e;
	}
	r->taps.ring = p->record;
	r->taps.record_events = config->record_dtmf;
	return OK;
}

static bool is_open(const struct leg_media *m, unsigned kind)
{
	return (m->opened & 1u << kind) != 0;
}

/* Gives the sockets and the port pair of one media back. */
static void close_media(struct relay *r, const struct leg *l, struct leg_media *m, uint64_t now_ms)
{
	for (unsigned k = 0; k < LEG_STREAMS; k++) {
		if (is_open(m, k)) {
			handshake_end(r, &m->streams[k]);
			r->ports.close(r->ports.ctx, &m->streams[k]);
		}
	}
	m->opened = 0;
	if (m->port != 0) {
		portset_put(&r->portsets[l->interface], m->port, now_ms);
		m->port = 0;
	}
}

static void part(struct leg_media *m)
{
	for (unsigned k = 0; k < LEG_STREAMS; k++) {
		stream_set_peer(&m->streams[k], PKT_RTP, NULL);
		stream_set_peer(&m->streams[k], PKT_RTCP, NULL);
	}
}

static void count_ended(struct relay *r, const struct dialogue *d)
{
	struct report_sums s;
	report_sum(d, &s);
	r->counters[RELAY_ONE_WAY] += s.one_way;
	r->counters[RELAY_SILENT_MEDIAS] += s.silents;
	r->counters[RELAY_LOST] += s.lost;
	r->counters[RELAY_EXPECTED] += s.expected;
	r->counters[RELAY_MOS_X1000] += s.mos_x1000;
	r->counters[RELAY_JITTER_US] += s.jitter_us;
	r->counters[RELAY_QUALITY_SAMPLES] += s.quality_samples;
}

static void count_media(struct relay *r, const struct leg_media *m, uint64_t by)
{
	if (m->connected) {
		bool srtp = m->streams[LEG_RTP].security == STREAM_SRTP;
		r->counters[srtp ? RELAY_MEDIAS_SRTP : RELAY_MEDIAS_PLAIN] += by;
	}
}

static void free_dialogue(struct relay *r, struct call *c, unsigned index, uint64_t now_ms)
{
	struct dialogue *d = c->dialogues[index];
	count_ended(r, d);
	relay_carry_end(r, d);
	if (c->dialogue_count == 1) {
		relay_record_end(r, c, now_ms); /* while its parties are known */
	}
	relay_unsubscribe_from(c, d);
	relay_free_legs(r, d, now_ms);
	call_drop_dialogue(c, index);
	pool_free(&r->dialogues, d->id);
}

void relay_free_legs(struct relay *r, struct dialogue *d, uint64_t now_ms)
{
	relay_tap_drop(r, d);
	/* First nothing points at a stream any more, then they go. */
	for (unsigned s = 0; s < 2; s++) {
		for (unsigned i = 0; i < d->legs[s].media_count; i++) {
			part(d->legs[s].media[i]);
		}
	}
	for (unsigned s = 0; s < 2; s++) {
		struct leg *l = &d->legs[s];
		for (unsigned i = 0; i < l->media_count; i++) {
			struct leg_media *m = l->media[i];
			count_media(r, m, UINT64_MAX);
			close_media(r, l, m, now_ms);
			block_str_free(&r->texts, &m->formats);
			relay_ice_drop(r, m);
			relay_translate_end(r, m);
			relay_rtcp_end(r, m);
			leg_keys_drop(m, &r->texts);
			leg_media_release(m);
			l->media[i] = NULL;
			pool_free(&r->medias, m->id);
		}
		l->media_count = 0;
		carry_forget(&r->carries, l);
	}
}

void relay_tell(struct relay *r, struct call *c, struct relay_notice *n)
{
	n->call_id = str_from(c->call_id);
	n->owner = owner_key(&r->owners, c->owner);
	n->cookie = str_from(c->notify);
	n->seq = n->owner.len > 0 ? ++c->told : 0;
	r->ports.publish(r->ports.ctx, n);
}

/* Whoever asks for events last has them: a client that was started again has a new address. */
static void take_owner(struct relay *r, struct call *c, struct str peer, struct str cookie)
{
	uint8_t owner = cookie.len > 0 ? owner_take(&r->owners, peer) : 0;
	if (owner == 0) {
		return;
	}
	owner_drop(&r->owners, c->owner);
	c->owner = owner;
	enum err e = str_copy(cookie, c->notify, sizeof(c->notify));
	CHECK(e == OK); /* ng_parse checked the length */
}

static void take_timeout(struct call *c, const struct flags *f)
{
	if (f->media_timeout_s >= 0) {
		c->has_media_ms = true;
		c->media_ms = (uint64_t)f->media_timeout_s * 1000;
	}
}

static void forget_owner(struct relay *r, struct call *c)
{
	owner_drop(&r->owners, c->owner);
	c->owner = 0;
}

/* Its client is told, if it still counts on the call: then the owner is still there. */
static void free_call(struct relay *r, struct call *c, const char *why, uint64_t now_ms)
{
	uint64_t ms = now_ms - c->created_ms;
	struct relay_notice notice = {.event = RELAY_CALL_ENDED, .detail = why, .duration_ms = ms};
	relay_tell(r, c, &notice);
	forget_owner(r, c);
	relay_record_end(r, c, now_ms);
	relay_unsubscribe_all(r, c, now_ms);
	r->counters[RELAY_CALLS_DYING] -= c->dying;
	while (c->dialogue_count > 0) {
		free_dialogue(r, c, c->dialogue_count - 1u, now_ms);
	}
	r->counters[RELAY_DURATION_MS] += ms;
	r->counters[RELAY_DURATION2_S2] += ms / 1000 * (ms / 1000);
	wheel_stop(&r->wheel, &c->timer);
	table_del(&r->by_call_id, &c->node);
	pool_free(&r->calls, c->id);
}

void relay_release(struct relay *r)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct call *c;
	while (r->calls.chunks && (c = pool_next(&r->calls, &cursor, &id))) {
		forget_owner(r, c); /* its call goes on without us, and ends with its dialog */
		free_call(r, c, "shutdown", c->signal_ms);
	}
	ng_cache_release(&r->cache);
	table_release(&r->by_call_id);
	tap_set_release(&r->taps);
	pool_release(&r->recordings);
	pool_release(&r->subscribers);
	block_release(&r->texts);
	pool_release(&r->ices);
	pool_release(&r->medias);
	pool_release(&r->carries);
	pool_release(&r->types);
	pool_release(&r->reporters);
	pool_release(&r->dialogues);
	pool_release(&r->calls);
	arena_release(&r->arena);
	for (unsigned i = 0; i < LIMIT_INTERFACES; i++) {
		portset_release(&r->portsets[i]);
	}
	handshakes_release(r);
	srtp_worker_release(&r->srtp);
	secret_wipe(&r->rng, sizeof(r->rng));
}

/* ---- time-outs */

static const struct {
	enum relay_counter counter;
	const char *text;
} ends[CALL_END_COUNT] = {
	[CALL_END_MEDIA] = {RELAY_ENDED_TIMEOUT, "no media"},
	[CALL_END_HELD] = {RELAY_ENDED_SILENT, "on hold for too long"},
	[CALL_END_OFFER] = {RELAY_ENDED_OFFER, "not answered"},
	[CALL_END_TOTAL] = {RELAY_ENDED_FINAL, "longest duration"},
};

static void set_dying(struct relay *r, struct call *c, bool dying)
{
	r->counters[RELAY_CALLS_DYING] += dying;
	r->counters[RELAY_CALLS_DYING] -= c->dying;
	c->dying = dying;
}

/* Ends what is due of a call and sets its timer anew; the call may be gone afterwards. */
static void check_call(struct relay *r, struct call *c, const struct relay_now *now)
{
	uint64_t now_ms = now->mono_us / 1000;
	uint64_t next_ms = UINT64_MAX;
	unsigned alive = 0;
	for (unsigned i = c->dialogue_count; i-- > 0;) {
		const struct dialogue *d = c->dialogues[i];
		if (d->dies_ms != 0 && d->dies_ms <= now_ms) {
			free_dialogue(r, c, i, now_ms);
		} else if (d->dies_ms != 0) {
			next_ms = d->dies_ms < next_ms ? d->dies_ms : next_ms;
		} else {
			alive++;
		}
	}
	if (c->dialogue_count == 0) {
		r->counters[RELAY_ENDED_DELETE]++;
		forget_owner(r, c);
		free_call(r, c, "deleted", now_ms);
		return;
	}
	if (alive > 0) {
		struct call_deadline end = call_find_deadline(c, &r->config->timeouts);
		if (end.at_ms <= now_ms) {
			r->counters[ends[end.why].counter]++;
			free_call(r, c, ends[end.why].text, now_ms);
			return;
		}
		next_ms = end.at_ms < next_ms ? end.at_ms : next_ms;
	}
	if (alive > 0 && r->config->timeouts.lost > 0) {
		const uint64_t look_ms = relay_look_for_silence(r, c, now->mono_us);
		next_ms = look_ms < next_ms ? look_ms : next_ms;
	}
	set_dying(r, c, alive == 0);
	wheel_set(&r->wheel, &c->timer, next_ms);
}

/* ---- one command */

static struct call *find_call(const struct relay *r, struct str call_id)
{
	uint64_t hash = table_hash(&r->by_call_id, call_id.p, call_id.len);
	for (struct table_node *n = table_first(&r->by_call_id, hash); n; n = table_next(n)) {
		struct call *c = TABLE_OBJECT(n, struct call, node);
		if (str_eq(str_from(c->call_id), call_id)) {
			return c;
		}
	}
	return NULL;
}

struct call *relay_find_call(const struct relay *r, struct str call_id)
{
	return find_call(r, call_id);
}

/* Of all workers; the others' figures may be a command old. */
static uint64_t sessions(const struct relay *r)
{
	uint64_t n = r->calls.used;
	for (unsigned w = 0; w < r->config->workers; w++) {
		if (w != r->worker) {
			n += atomic_load_explicit(&r->published[w].v[RELAY_CALLS],
						  memory_order_relaxed);
			n += atomic_load_explicit(&r->published[w].v[RELAY_CALLS_DYING],
						  memory_order_relaxed);
		}
	}
	return n;
}

static enum refusal check_load(const struct relay *r)
{
	static const enum refusal refusals[RELAY_OVERLOAD_COUNT] = {
		[RELAY_OVERLOAD_NONE] = REFUSAL_NONE,
		[RELAY_OVERLOAD_CPU] = REFUSAL_LOAD_CPU,
		[RELAY_OVERLOAD_LOAD] = REFUSAL_LOAD,
		[RELAY_OVERLOAD_BANDWIDTH] = REFUSAL_LOAD_BANDWIDTH,
	};
	if (r->config->max_sessions > 0 && sessions(r) >= r->config->max_sessions) {
		return REFUSAL_CALLS;
	}
	unsigned over = r->overload ? atomic_load_explicit(r->overload, memory_order_relaxed) : 0;
	return over < RELAY_OVERLOAD_COUNT ? refusals[over] : REFUSAL_NONE;
}

static enum refusal new_call(struct work *w, struct call **out)
{
	struct relay *r = w->r;
	id_t64 id;
	enum refusal limit = check_load(r);
	struct call *c = limit == REFUSAL_NONE ? pool_new(&r->calls, &id) : NULL;
	if (!c) {
		r->counters[RELAY_REJECTED]++;
		return limit == REFUSAL_NONE ? REFUSAL_CALLS : limit;
	}
	c->id = id;
	timer_init(&c->timer);
	c->created_ms = w->now_ms;
	c->created_wall_us = w->now->wall_us;
	c->media_us = w->now->mono_us;
	/* A call that is made anew, here or after a restart, counts on from a higher number. */
	c->told = (uint32_t)(w->now->wall_us / 100000);
	enum err e = str_copy(w->ng->call_id, c->call_id, sizeof(c->call_id));
	CHECK(e == OK); /* ng_parse checked the length */
	e = table_add(&r->by_call_id, &c->node,
		      table_hash(&r->by_call_id, w->ng->call_id.p, w->ng->call_id.len));
	CHECK(e == OK); /* the table has room for as many calls as the pool */
	r->counters[RELAY_CALLS_TOTAL]++;
	const struct relay_notice notice = {.event = RELAY_CALL_STARTED,
					    .call_id = str_from(c->call_id)};
	r->ports.publish(r->ports.ctx, &notice);
	*out = c;
	return REFUSAL_NONE;
}

/* The interface of that name with an address of the family; else of that name; else the first one. */
static unsigned find_interface(const struct relay_config *c, struct str name, uint8_t family)
{
	unsigned named = LIMIT_INTERFACES;
	for (unsigned i = 0; i < c->interface_count; i++) {
		if (!str_eq(str_from(c->interfaces[i].name), name)) {
			continue;
		}
		if (family == ADDR_NONE || c->interfaces[i].addr.family == family) {
			return i;
		}
		named = named == LIMIT_INTERFACES ? i : named;
	}
	if (named < LIMIT_INTERFACES) {
		return named;
	}
	/* An unknown name is not an error (ng-protocol §6.1), and none is the default. */
	struct str first = str_from(c->interfaces[0].name);
	return str_eq(name, first) ? 0 : find_interface(c, first, family);
}

static void set_interface(const struct relay *r, struct leg *l, unsigned i)
{
	const struct relay_interface *f = &r->config->interfaces[i];
	l->interface = (uint8_t)i;
	l->local = f->addr;
	l->shown = f->shown;
	l->latch = f->latch;
	l->tos = f->tos != 0 ? f->tos : r->config->tos;
}

static uint8_t family_of(const struct sdp *sdp)
{
	for (size_t i = 0; i < sdp->media_count; i++) {
		const struct sdp_conn *c = sdp_conn_of(sdp, &sdp->media[i]);
		if (c && c->ip.family != ADDR_NONE) {
			return c->ip.family;
		}
	}
	return ADDR_NONE;
}

static void init_legs(struct work *w, const struct call *c, struct dialogue *d,
		      const struct sdp *sdp)
{
	const struct flags *f = &w->ng->flags;
	const struct call_names *n = &w->ng->names;
	uint8_t family = family_of(sdp);
	uint8_t to_family = f->family != ADDR_NONE ? f->family : family;
	const struct leg *known = call_find_leg(c, n->from_tag);
	for (unsigned s = 0; s < 2; s++) {
		leg_init(&d->legs[s]);
		rng_bytes(&w->r->rng, &d->legs[s].number, sizeof(d->legs[s].number));
	}
	set_interface(
		w->r, &d->legs[0],
		known ? known->interface : find_interface(w->r->config, f->direction[0], family));
	set_interface(w->r, &d->legs[1], find_interface(w->r->config, f->direction[1], to_family));
	d->legs[0].flow = known ? known->flow : 0; /* who is blocked is so in all forks */
	/* Lengths were checked by ng_parse. */
	enum err e = str_copy(n->from_tag, d->legs[0].tag, sizeof(d->legs[0].tag));
	CHECK(e == OK);
	e = str_copy(n->to_tag, d->legs[1].tag, sizeof(d->legs[1].tag));
	CHECK(e == OK);
	e = str_copy(n->branch, d->branch, sizeof(d->branch));
	CHECK(e == OK);
}

static enum refusal new_dialogue(struct work *w, struct call *c, const struct sdp *sdp,
				 struct call_place *out)
{
	id_t64 id;
	if (c->dialogue_count == LIMIT_DIALOGUES) {
		return REFUSAL_DIALOGUES;
	}
	struct dialogue *d = pool_new(&w->r->dialogues, &id);
	if (!d) {
		return REFUSAL_CALLS;
	}
	d->id = id;
	d->created_ms = w->now_ms;
	init_legs(w, c, d, sdp);
	c->dialogues[c->dialogue_count++] = d;
	*out = (struct call_place){d, 0};
	return REFUSAL_NONE;
}

/* Both legs always have the same number of medias. */
static enum refusal add_medias(struct relay *r, struct leg *const legs[2], size_t count)
{
	while (legs[0]->media_count < count) {
		id_t64 id[2];
		struct leg_media *m[2] = {pool_new(&r->medias, &id[0]),
					  pool_new(&r->medias, &id[1])};
		if (!m[0] || !m[1]) {
			if (m[0]) {
				pool_free(&r->medias, id[0]);
			}
			return REFUSAL_CALLS;
		}
		for (unsigned s = 0; s < 2; s++) {
			leg_media_init(m[s], id[s], &r->srtp);
			stream_set_source(&m[s]->streams[LEG_RTP],
					  (uint64_t)rng_u32(&r->rng) << 32 | rng_u32(&r->rng));
			legs[s]->media[legs[s]->media_count++] = m[s];
		}
	}
	return REFUSAL_NONE;
}

enum refusal relay_open_keys(struct relay *r, struct leg *const legs[2])
{
	for (unsigned i = 0; i < 2u * legs[0]->media_count; i++) {
		if (leg_keys_open(legs[i % 2]->media[i / 2], &r->arena) != OK) {
			return REFUSAL_MEMORY;
		}
	}
	return REFUSAL_NONE;
}

enum refusal relay_keep_keys(struct relay *r, struct leg *const legs[2])
{
	enum refusal all = REFUSAL_NONE;
	for (unsigned i = 0; i < 2u * legs[0]->media_count; i++) {
		if (leg_keys_keep(legs[i % 2]->media[i / 2], &r->texts) != OK) {
			all = REFUSAL_MEMORY;
		}
	}
	return all;
}

static enum err open_one(struct relay *r, const struct leg *l, struct leg_media *m, unsigned kind)
{
	struct addr local = l->local;
	local.port = (uint16_t)(m->port + kind);
	enum err e = r->ports.open(r->ports.ctx, &local, l->tos, &m->streams[kind]);
	if (e == OK) {
		m->opened |= (uint8_t)(1u << kind);
	}
	return e;
}

static enum err open_missing(struct relay *r, const struct leg *l, struct leg_media *m,
			     unsigned want)
{
	enum err e = OK;
	for (unsigned k = 0; e == OK && k < LEG_STREAMS; k++) {
		if (want & 1u << k && !is_open(m, k)) {
			e = open_one(r, l, m, k);
		}
	}
	return e;
}

/* A pair that another program has rests in the set of used ones and the next is tried. */
static enum refusal open_media(struct work *w, const struct leg *l, struct leg_media *m,
			       unsigned want)
{
	struct relay *r = w->r;
	if (m->port != 0) {
		return open_missing(r, l, m, want) == OK ? REFUSAL_NONE : REFUSAL_OPEN;
	}
	for (unsigned tries = 0; tries < LIMIT_OPEN_TRIES; tries++) {
		if (portset_take(&r->portsets[l->interface], w->now_ms, rng_u32(&r->rng),
				 &m->port) != OK) {
			return REFUSAL_PORTS;
		}
		enum err e = open_missing(r, l, m, want);
		if (e == OK) {
			return REFUSAL_NONE;
		}
		close_media(r, l, m, w->now_ms);
		if (e != ERR_EXISTS) {
			return e == ERR_FULL ? REFUSAL_PORTS : REFUSAL_OPEN;
		}
		r->counters[RELAY_OPEN_RETRIES]++;
	}
	return REFUSAL_PORTS;
}

static enum refusal open_legs(struct work *w, struct leg *const legs[2])
{
	for (unsigned s = 0; s < 2; s++) {
		for (unsigned i = 0; i < legs[s]->media_count; i++) {
			struct leg_media *m = legs[s]->media[i];
			unsigned want = sdp_relay_endpoints(m);
			enum refusal r = want ? open_media(w, legs[s], m, want) : REFUSAL_NONE;
			if (r != REFUSAL_NONE) {
				return r;
			}
		}
	}
	return REFUSAL_NONE;
}

static void apply_tos(struct relay *r, struct leg *l, uint8_t tos)
{
	if (l->tos == tos) {
		return;
	}
	l->tos = tos;
	for (unsigned i = 0; i < l->media_count; i++) {
		for (unsigned k = 0; k < LEG_STREAMS; k++) {
			if (is_open(l->media[i], k)) {
				r->ports.set_tos(r->ports.ctx, &l->media[i]->streams[k], tos);
			}
		}
	}
}

/* What the flags say about the party that sent this SDP, and about the call. */
static void take_flags(struct work *w, struct leg *from, struct leg *to)
{
	const struct flags *f = &w->ng->flags;
	if (f->latch >= 0) {
		from->latch = (uint8_t)f->latch;
	}
	if (f->received_from.family != ADDR_NONE) {
		from->net.addr = f->received_from;
		from->net.bits = f->received_from.family == ADDR_IP6 ? 128 : 32;
	}
	from->unproven = f->words & FLAGS_NAT_WAIT ? LATCH_UNPROVEN_NONE : f->unproven;
	from->dtmf_bridge = (f->words & FLAGS_BRIDGE_DTMF) != 0;
	if (f->words & FLAGS_BLOCK_DTMF) {
		leg_set_flow(from, STREAM_BLOCKED_DTMF, 0);
	}
	carry_note(&w->r->carries, from, &f->continues[0]);
	carry_note(&w->r->carries, to, &f->continues[1]);
	if (f->words & FLAGS_GENERATE_RTCP) {
		from->own_rtcp = to->own_rtcp = true;
	}
	if (f->continuity >= 0) {
		from->as_is = to->as_is = f->continuity == 0;
	}
	if (f->label.len > 0) {
		enum err e = str_copy(f->label, from->label, sizeof(from->label));
		CHECK(e == OK); /* ng_parse checked the length */
	}
	if (f->tos != FLAGS_TOS_NONE) {
		apply_tos(w->r, from, (uint8_t)f->tos);
		apply_tos(w->r, to, (uint8_t)f->tos);
	}
}

/* The SDP into the reply, after the edits that the command asks for. */
static enum refusal add_sdp(struct work *w, struct str sdp)
{
	const struct flags *f = &w->ng->flags;
	if (sdp_edit_is_wanted(f)) {
		struct buf b;
		char *mem = arena_alloc(&w->r->arena, LIMIT_DATAGRAM);
		if (!mem) {
			return REFUSAL_MEMORY;
		}
		buf_init(&b, mem, LIMIT_DATAGRAM);
		sdp_edit_write(f, str_from(w->r->instance), sdp, &b);
		if (b.overflow) {
			return REFUSAL_REWRITE;
		}
		sdp = buf_view(&b);
	}
	dict_add_str(&w->r->arena, w->reply, STR("sdp"), sdp);
	return REFUSAL_NONE;
}

static bool is_plain(const struct leg *l)
{
	for (unsigned i = 0; i < l->line_count; i++) {
		if (l->media[i]->active && !sdp_proto_info(l->media[i]->proto)->srtp) {
			return true;
		}
	}
	return false;
}

/* What was asked for and is not done. */
static void warn(struct work *w, const struct sdp_relay *x)
{
	const struct flags *f = &w->ng->flags;
	if (f->transcode_wanted || f->words & FLAGS_ALWAYS_TRANSCODE) {
		ng_warn(&w->r->arena, w->reply, STR("transcoding is not done here"));
	}
	/* Whoever can send to the port could take the media over (threats D1). */
	if (f->words & FLAGS_MEDIA_HANDOVER && is_plain(x->from)) {
		ng_warn(&w->r->arena, w->reply, STR("media handover is for SRTP alone"));
	}
}

/* An SDP that has come through here already goes on as it is. */
static bool is_loop(struct work *w)
{
	const struct ng *n = w->ng;
	if (!(n->flags.words & FLAGS_LOOP_PROTECT) ||
	    !sdp_edit_is_ours(n->sdp, str_from(w->r->instance))) {
		return false;
	}
	dict_add_str(&w->r->arena, w->reply, STR("sdp"), n->sdp);
	return true;
}

static enum refusal write_sdp(struct work *w, const struct sdp_relay *x)
{
	enum { ROOM = LIMIT_DATAGRAM };
	struct buf b;
	char *mem = arena_alloc(&w->r->arena, ROOM);
	if (!mem) {
		return REFUSAL_MEMORY;
	}
	buf_init(&b, mem, ROOM);
	enum refusal r = sdp_relay_write(x, &b);
	if (r == REFUSAL_NONE) {
		r = add_sdp(w, buf_view(&b));
		warn(w, x);
		if (w->ng->flags.ice_relay) {
			ng_warn(&w->r->arena, w->reply,
				STR("ICE: media does not pass by here; taken as force"));
		}
	}
	return r;
}

static enum refusal parse_sdp(struct work *w, struct sdp *out)
{
	switch ((int)sdp_parse(w->ng->sdp, &w->r->arena, out)) {
	case OK: return REFUSAL_NONE;
	case ERR_LIMIT: return REFUSAL_SDP_TOO_LONG;
	case ERR_NOMEM: return REFUSAL_MEMORY;
	default: return REFUSAL_SDP;
	}
}

static void signalled(struct work *w, struct call *c)
{
	c->signal_ms = w->now_ms;
	c->signal_wall_us = w->now->wall_us;
	check_call(w->r, c, w->now);
}

/* The medias are there, and their keys. */
static enum refusal take_offer(struct work *w, const struct call_place *p,
			       const struct sdp_relay *x)
{
	take_flags(w, x->from, x->to);
	sdp_relay_take(x);
	enum refusal r = open_legs(w, (struct leg *const[2]){x->from, x->to});
	if (r != REFUSAL_NONE) {
		return r;
	}
	for (unsigned i = 0; i < x->to->media_count; i++) {
		if (x->to->media[i]->active) {
			handshake_offered(w->r, x->to->media[i]);
		}
	}
	leg_expect_checks(x->to);
	relay_carry_announce(w, p->d);
	p->d->offerer = (uint8_t)p->side;
	return write_sdp(w, x);
}

static enum refusal offer_in(struct work *w, const struct call *c, const struct call_place *p,
			     const struct sdp *sdp)
{
	struct leg *from = &p->d->legs[p->side], *to = &p->d->legs[1 - p->side];
	const struct sdp_relay x = {.sdp = sdp,
				    .flags = &w->ng->flags,
				    .from = from,
				    .to = to,
				    .rng = &w->r->rng,
				    .dtls = &w->r->handshakes.worker.ours};
	enum refusal r = sdp_relay_check(&x);
	if (r == REFUSAL_NONE) {
		r = add_medias(w->r, (struct leg *const[2]){from, to}, sdp->media_count);
	}
	if (r == REFUSAL_NONE) {
		r = relay_ice_add(w->r, c, &x);
	}
	if (r != REFUSAL_NONE) {
		return r;
	}
	r = relay_open_keys(w->r, (struct leg *const[2]){from, to});
	if (r == REFUSAL_NONE) {
		r = take_offer(w, p, &x);
	}
	const enum refusal kept = relay_keep_keys(w->r, (struct leg *const[2]){from, to});
	return r != REFUSAL_NONE ? r : kept;
}

static enum refusal do_offer(struct work *w)
{
	struct relay *r = w->r;
	struct sdp sdp;
	struct call_place place = {0};
	if (is_loop(w)) {
		return REFUSAL_NONE;
	}
	if (w->ng->flags.words & FLAGS_FRAGMENT) {
		return relay_ice_fragment(w);
	}
	enum refusal e = parse_sdp(w, &sdp);
	if (e != REFUSAL_NONE) {
		return e;
	}
	struct call *c = find_call(r, w->ng->call_id);
	bool fresh_call = c == NULL;
	if (fresh_call) {
		e = str_eq(w->ng->names.from_tag, w->ng->names.to_tag) ? REFUSAL_DIALOGUE
								       : new_call(w, &c);
	} else {
		e = call_find_offer(c, &w->ng->names, &place);
	}
	if (e != REFUSAL_NONE) {
		return e;
	}
	bool fresh = place.d == NULL;
	if (fresh) {
		e = new_dialogue(w, c, &sdp, &place);
	} else if (w->ng->names.to_tag.len > 0) {
		/* The other side may have got its tag in a reply without SDP. */
		call_set_to_tag(&(struct call_place){place.d, 1 - place.side}, w->ng->names.to_tag);
		call_set_to_tag(&place, w->ng->names.from_tag);
	}
	if (e == REFUSAL_NONE) {
		e = offer_in(w, c, &place, &sdp);
	}
	if (e == REFUSAL_NONE) {
		take_owner(r, c, w->peer, w->ng->flags.notify);
		take_timeout(c, &w->ng->flags);
		relay_tap_signalled(w, c);
		relay_record_signalled(w, c);
		signalled(w, c);
		return e;
	}
	/* What this offer made goes again; what was there before stays. */
	if (fresh && place.d) {
		free_dialogue(r, c, c->dialogue_count - 1u, w->now_ms);
	}
	if (fresh_call) {
		free_call(r, c, refusal_text(e), w->now_ms);
	}
	return e;
}

static enum refusal connect_all(struct work *w, struct leg *const legs[2])
{
	for (unsigned i = 0; i < legs[0]->media_count; i++) {
		struct leg_media *m[2] = {legs[0]->media[i], legs[1]->media[i]};
		for (unsigned s = 0; s < 2; s++) {
			count_media(w->r, m[s], UINT64_MAX);
		}
		enum refusal r = leg_connect(legs, i, &w->r->config->rates, w->now->mono_us);
		for (unsigned s = 0; s < 2; s++) {
			if (!m[0]->active || !m[1]->active) {
				close_media(w->r, legs[s], m[s], w->now_ms);
			} else if (r == REFUSAL_NONE) {
				handshake_agreed(w->r, m[s], w->now->mono_us);
			}
			count_media(w->r, m[s], 1);
		}
		if (r != REFUSAL_NONE) {
			return r;
		}
	}
	return REFUSAL_NONE;
}

/* With the keys of all medias. */
static enum refusal take_answer(struct work *w, struct call *c, struct call_place *p,
				const struct sdp_relay *x)
{
	enum refusal r = sdp_relay_check(x);
	if (r != REFUSAL_NONE) {
		return r;
	}
	call_set_to_tag(p, w->ng->names.to_tag);
	take_flags(w, x->from, x->to);
	sdp_relay_take(x);
	r = connect_all(w, (struct leg *const[2]){x->from, x->to});
	if (r != REFUSAL_NONE) {
		return r;
	}
	relay_carry(w, c, p->d);
	relay_translate(w->r, p->d);
	relay_rtcp_dialogue(w->r, p->d, w->now_ms);
	w->r->counters[RELAY_CALLS_ANSWERED] += !p->d->answered;
	p->d->answered = true;
	relay_keep_formats(w, p, x->sdp);
	relay_tap_signalled(w, c);
	relay_record_signalled(w, c);
	relay_tap_dialogue(w->r, c, p->d);
	c->media_us = w->now->mono_us;
	r = write_sdp(w, x);
	signalled(w, c);
	return r;
}

static enum refusal do_answer(struct work *w)
{
	struct sdp sdp;
	struct call_place p;
	if (is_loop(w)) {
		return REFUSAL_NONE;
	}
	if (w->ng->flags.words & FLAGS_FRAGMENT) {
		return relay_ice_fragment(w);
	}
	struct call *c = find_call(w->r, w->ng->call_id);
	if (!c) {
		return REFUSAL_UNKNOWN_CALL;
	}
	enum refusal r = parse_sdp(w, &sdp);
	if (r == REFUSAL_NONE) {
		r = call_find_answer(c, &w->ng->names, &p);
	}
	if (r != REFUSAL_NONE) {
		return r;
	}
	struct leg *from = &p.d->legs[p.side], *to = &p.d->legs[1 - p.side];
	const struct sdp_relay x = {.sdp = &sdp,
				    .flags = &w->ng->flags,
				    .from = from,
				    .to = to,
				    .rng = &w->r->rng,
				    .dtls = &w->r->handshakes.worker.ours,
				    .answer = true};
	r = relay_open_keys(w->r, (struct leg *const[2]){from, to});
	if (r == REFUSAL_NONE) {
		r = take_answer(w, c, &p, &x);
	}
	const enum refusal kept = relay_keep_keys(w->r, (struct leg *const[2]){from, to});
	return r != REFUSAL_NONE ? r : kept;
}

static void add_report(struct work *w, const struct call *c, unsigned mask)
{
	const struct report_time t = {w->now->mono_us, w->now->wall_us};
	static const struct call_names all = {0};
	report_call(&w->r->arena, w->reply, c, mask,
		    w->ng->command == NG_QUERY ? &w->ng->names : &all, &t);
}

static enum refusal do_query(struct work *w)
{
	const struct call *c = find_call(w->r, w->ng->call_id);
	if (!c) {
		return REFUSAL_UNKNOWN_CALL;
	}
	add_report(w, c, UINT32_MAX);
	return REFUSAL_NONE;
}

static enum refusal do_delete(struct work *w)
{
	struct relay *r = w->r;
	const struct flags *f = &w->ng->flags;
	struct call *c = find_call(r, w->ng->call_id);
	unsigned mask = 0;
	enum refusal e =
		c ? call_find_delete(c, &w->ng->names, (f->words & FLAGS_TO_TAG) != 0, &mask)
		  : REFUSAL_DELETE_TAGS;
	if (e != REFUSAL_NONE) {
		if (f->words & FLAGS_FATAL) {
			return e;
		}
		dict_add_str(&r->arena, w->reply, STR("warning"), str_from(refusal_text(e)));
		return REFUSAL_NONE;
	}
	if (!(f->words & FLAGS_FAST)) {
		add_report(w, c, mask);
	}
	uint64_t delay_ms = f->delete_delay_s >= 0 ? (uint64_t)f->delete_delay_s * 1000
						   : r->config->delete_delay_ms;
	for (unsigned i = 0; i < c->dialogue_count; i++) {
		if (mask & 1u << i) {
			c->dialogues[i]->dies_ms = w->now_ms + delay_ms;
		}
	}
	if (c->recording && f->words & FLAGS_DISCARD_RECORDING) {
		c->recording->discard = true;
	}
	w->marked = c;
	return REFUSAL_NONE;
}

/* Block and unblock: packets from a party, or its telephone-events alone. */
static enum refusal do_block(struct work *w, unsigned set, unsigned clear)
{
	struct call *c = find_call(w->r, w->ng->call_id);
	struct party_set parties;
	enum refusal e = c ? party_find(c, &w->ng->who, &parties) : REFUSAL_UNKNOWN_CALL_ID;
	for (unsigned i = 0; e == REFUSAL_NONE && i < parties.count; i++) {
		leg_set_flow(&parties.at[i].d->legs[parties.at[i].side], set, clear);
		relay_tap_dialogue(w->r, c, parties.at[i].d);
	}
	return e;
}

struct sdp_relay relay_sdp(struct work *w, const struct sdp *sdp, const struct flags *flags,
			   struct leg *const from_to[2], bool answer)
{
	return (struct sdp_relay){.sdp = sdp,
				  .flags = flags,
				  .from = from_to[0],
				  .to = from_to[1],
				  .rng = &w->r->rng,
				  .dtls = &w->r->handshakes.worker.ours,
				  .answer = answer};
}

enum refusal relay_parse_sdp(struct work *w, struct sdp *out)
{
	return parse_sdp(w, out);
}

enum refusal relay_write_sdp(struct work *w, const struct sdp_relay *x)
{
	return write_sdp(w, x);
}

enum refusal relay_add_medias(struct relay *r, struct leg *const legs[2], size_t count)
{
	return add_medias(r, legs, count);
}

enum refusal relay_open_media(struct work *w, const struct leg *l, struct leg_media *m,
			      unsigned want)
{
	return open_media(w, l, m, want);
}

void relay_set_interface(struct work *w, struct leg *l, struct str name)
{
	set_interface(w->r, l, find_interface(w->r->config, name, w->ng->flags.family));
}

enum refusal relay_connect(struct work *w, struct leg *const legs[2])
{
	return connect_all(w, legs);
}

void relay_tick(struct relay *r, const struct relay_now *now)
{
	uint64_t now_ms = now->mono_us / 1000;
	struct timer *t;
	while ((t = wheel_expire(&r->wheel, now_ms))) {
		check_call(r, CONTAINER_OF(t, struct call, timer), now);
	}
	relay_pace(r, now->mono_us);
	handshakes_tick(r, now);
	relay_record_tick(r);
	relay_ice_tick(r, now->mono_us);
	relay_rtcp_tick(r, now);
	ng_cache_tick(&r->cache, now_ms);
	relay_publish(r);
}

/* ---- entry */

static enum refusal execute(struct work *w)
{
	switch (w->ng->command) {
	case NG_OFFER: return do_offer(w);
	case NG_ANSWER: return do_answer(w);
	case NG_DELETE: return do_delete(w);
	case NG_QUERY: return do_query(w);
	case NG_PING: dict_add_str(&w->r->arena, w->reply, STR("result"), STR("pong")); break;
	case NG_BLOCK_MEDIA: return do_block(w, STREAM_BLOCKED, 0);
	case NG_UNBLOCK_MEDIA: return do_block(w, 0, STREAM_BLOCKED);
	case NG_BLOCK_DTMF: return do_block(w, STREAM_BLOCKED_DTMF, 0);
	case NG_UNBLOCK_DTMF: return do_block(w, 0, STREAM_BLOCKED_DTMF);
	case NG_SUBSCRIBE_REQUEST: return relay_subscribe_request(w);
	case NG_SUBSCRIBE_ANSWER: return relay_subscribe_answer(w);
	case NG_UNSUBSCRIBE: return relay_unsubscribe(w);
	case NG_START_RECORDING:
	case NG_STOP_RECORDING:
	case NG_PAUSE_RECORDING: return relay_record(w);
	case NG_PLAY_DTMF: return relay_play_dtmf(w);
	case NG_LIST:
	case NG_STATISTICS: /* of all workers: the shell's to gather */
	case NG_COMMAND_COUNT: return REFUSAL_UNSUPPORTED;
	}
	return REFUSAL_NONE;
}

static void answer(struct relay *r, const struct relay_now *now, const struct ng *ng,
		   struct str peer, enum refusal e, struct buf *reply)
{
	struct work w = {.r = r,
			 .now = now,
			 .now_ms = now->mono_us / 1000,
			 .ng = ng,
			 .peer = peer,
			 .reply = dict_new(&r->arena, DICT_DICT)};
	const char *command = e == REFUSAL_NONE ? ng_command_name(ng->command) : "";
	if (e == REFUSAL_NONE) {
		r->counters[RELAY_COMMANDS + ng->command]++;
		if (r->ports.recall && ng->call_id.len > 0) {
			relay_recall(r, find_call(r, ng->call_id), ng->command == NG_QUERY);
		}
		e = execute(&w);
	}
	if (e != REFUSAL_NONE) {
		r->counters[RELAY_REFUSALS + e]++;
		const struct relay_notice notice = {.event = RELAY_REFUSED,
						    .call_id = ng->call_id,
						    .detail = refusal_text(e),
						    .command = command};
		r->ports.publish(r->ports.ctx, &notice);
		w.reply = ng_refuse(&r->arena, ng, e);
	} else if (ng->command != NG_PING) {
		dict_add_str(&r->arena, w.reply, STR("result"), STR("ok"));
	}
	if (w.reply && !r->arena.failed) {
		ng_write(reply, ng, w.reply);
	}
	if (w.reply && reply->overflow && ng_shorten(&r->arena, ng, w.reply, reply)) {
		r->counters[RELAY_SHORTENED]++;
	}
	if (!w.reply || r->arena.failed || reply->overflow) {
		/* What was done is done; only the answer was too long to say. */
		arena_reset(&r->arena);
		buf_reset(reply);
		struct dict *d = dict_new(&r->arena, DICT_DICT);
		dict_add_str(&r->arena, d, STR("warning"), str_from(refusal_text(REFUSAL_MEMORY)));
		dict_add_str(&r->arena, d, STR("result"), STR("ok"));
		ng_write(reply, ng, e == REFUSAL_NONE ? d : ng_error(&r->arena, e));
	}
	if (w.marked) {
		check_call(r, w.marked, now);
	}
}

void relay_command(struct relay *r, const struct relay_now *now, struct str peer,
		   struct str datagram, struct buf *reply)
{
	struct str cookie, body;
	struct ng ng;
	if (!ng_split(datagram, &cookie, &body)) {
		return;
	}
	struct str before = ng_cache_find(&r->cache, peer, cookie);
	if (before.p) {
		r->counters[RELAY_REPEATED]++;
		buf_str(reply, before);
		relay_publish(r);
		return;
	}
	arena_reset(&r->arena);
	enum refusal e = ng_parse(cookie, body, &r->arena, &ng);
	answer(r, now, &ng, peer, e, reply);
	/* A reply to a question may be long, and asking again does no harm. */
	if (e != REFUSAL_NONE || ng.command != NG_QUERY) {
		ng_cache_add(&r->cache, peer, cookie, buf_view(reply), now->mono_us / 1000);
	}
	relay_publish(r);
}

void relay_command_plain(struct relay *r, const struct relay_now *now, struct str body,
			 struct buf *reply)
{
	struct ng ng;
	arena_reset(&r->arena);
	enum refusal e = ng_parse(STR_NONE, body, &r->arena, &ng);
	answer(r, now, &ng, STR_NONE, e, reply);
	relay_publish(r);
}

/* What is for the relay itself. */
static void relay_ours(struct relay *r, struct pkt *const pkts[], size_t n, uint64_t now_us)
{
	for (size_t i = 0; r->forward.ours > 0 && i < n; i++) {
		struct pkt *p = pkts[i];
		if (p->fate == FATE_OURS && p->kind == PKT_DTLS) {
			r->forward.ours--;
			forward_settle(&r->forward, p, handshake_packet(r, p, now_us));
		}
	}
}

void relay_batch(struct relay *r, struct pkt *const pkts[], size_t n, uint64_t now_us)
{
	forward_batch(&r->forward, pkts, n, now_us);
	if (r->forward.ours > 0) {
		relay_ours(r, pkts, n, now_us);
	}
	if (r->taps.spare_count > 0 || !list_is_empty(&r->taps.ready)) {
		relay_tap_after(r);
	}
}

void relay_list(const struct relay *r, uint32_t limit, struct buf *out)
{
	uint32_t cursor = 0;
	id_t64 id;
	const struct call *c;
	/* A length has three digits at most. */
	while (limit-- > 0 && (c = pool_next(&r->calls, &cursor, &id)) &&
	       out->cap - out->len >= strlen(c->call_id) + 4) {
		struct str s = str_from(c->call_id);
		buf_u64(out, s.len);
		buf_char(out, ':');
		buf_str(out, s);
	}
}

void relay_publish(struct relay *r)
{
	uint64_t *v = r->counters;
	v[RELAY_CALLS] = r->calls.used - v[RELAY_CALLS_DYING];
	v[RELAY_BYTES_IN] = r->forward.stats.bytes_in;
	v[RELAY_COPIES] = r->taps.stats.copies;
	v[RELAY_COPIES_LOST] = r->taps.stats.copies_lost;
	v[RELAY_RECORDED] = r->taps.stats.recorded;
	v[RELAY_RECORDED_LOST] = r->taps.stats.recorded_lost;
	v[RELAY_KEYS_PLAYED] = r->taps.stats.played;
	v[RELAY_KEYS_LOST] = r->taps.stats.keys_lost;
	v[RELAY_EVENTS_UNKNOWN] = r->taps.stats.events_unknown;
	v[RELAY_ICE_AGENTS] = r->ices.used;
	v[RELAY_ICE_ANSWERS] = r->forward.stats.ice_answers;
	v[RELAY_ICE_ERRORS] = r->forward.stats.ice_errors;
	v[RELAY_ICE_SELECTIONS] = r->forward.stats.ice_selections;
	v[RELAY_BYTES_OUT] = r->forward.stats.bytes_out;
	for (unsigned f = 0; f < FATE_COUNT; f++) {
		v[RELAY_FATES + f] = r->forward.stats.fate[f];
	}
	for (unsigned i = 0; i < r->config->interface_count; i++) {
		v[RELAY_PORTS + i] = r->portsets[i].used;
	}
	for (unsigned i = 0; i < RELAY_COUNTER_COUNT; i++) {
		atomic_store_explicit(&r->published[r->worker].v[i], v[i], memory_order_relaxed);
	}
}
