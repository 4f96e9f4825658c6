#include "sbc/core/worker.h"

#include "sbc/core/body.h"

#include <string.h>

#include "sbc/core/oc.h"
#include "sbc/core/fraud_watch.h"

static const struct str body_types[] = {{"application/sdp", 15}};
static const struct str option_tags[] = {
	{"100rel", 6}, {"timer", 5}, {"replaces", 8}, {"norefersub", 10}, {"siprec", 6}};

#define METHOD_BIT(m) (1u << METHOD_##m)

const struct refuse_params worker_abilities = {
	.methods = METHOD_BIT(INVITE) | METHOD_BIT(ACK) | METHOD_BIT(CANCEL) | METHOD_BIT(BYE) |
		   METHOD_BIT(OPTIONS) | METHOD_BIT(UPDATE) | METHOD_BIT(INFO) | METHOD_BIT(PRACK) |
		   METHOD_BIT(MESSAGE),
	.extensions = option_tags,
	.extension_count = ARRAY_LEN(option_tags) - 1, /* siprec: see worker_abilities_in */
	.content_types = body_types,
	.content_type_count = ARRAY_LEN(body_types),
};

struct refuse_params worker_abilities_in(const struct settings *s, uint16_t realm)
{
	struct refuse_params p = worker_abilities;

	if (realm >= s->realm_count || s->realms[realm].body_count == 0)
		return p;
	const struct realm *r = &s->realms[realm];
	struct body_types named = {r->bodies, r->body_count};
	p.bodies = r->bodies;
	p.body_count = r->body_count;
	if (body_has_type(&named, STR("application/rs-metadata+xml")) ||
	    body_has_type(&named, STR("application/rs-metadata")))
		p.extension_count = ARRAY_LEN(option_tags); /* siprec, the last */
	return p;
}

enum owner_kind owner_kind(id_t64 id)
{
	return (enum owner_kind)(id_worker(id) & ((1u << OWNER_BITS) - 1));
}

/* ---- words to the world */

void worker_send(struct sbc *s, const struct dest *d, struct str bytes)
{
	if (cluster_is_hop(d->flow.id))
		cluster_send(s, d, bytes);
	else
		s->ports.send(s->ports.ctx, d, bytes, ID_NONE);
}

void worker_emit(struct sbc *s, const struct txn_effects *e)
{
	for (size_t i = 0; i < e->count; i++) {
		const struct txn_effect *x = &e->list[i];
		if (x->type != TXN_EFFECT_SEND)
			continue;
		if (cluster_is_hop(x->dest->flow.id))
			cluster_send(s, x->dest, x->bytes);
		else
			s->ports.send(s->ports.ctx, x->dest, x->bytes, x->txn);
		if (x->again) {
			struct notice n = worker_notice(s, NOTICE_RETRANSMIT);
			n.transport = x->dest->flow.transport;
			n.realm = worker_realm_of(n.settings, &x->dest->flow);
			s->ports.publish(s->ports.ctx, &n);
		}
	}
}

struct notice worker_notice(const struct sbc *s, enum notice_type type)
{
	return (struct notice){
		.type = type,
		.now_ms = s->now_ms,
		.wall_ms = s->wall_ms,
		.realm = SETTINGS_NO_INDEX,
		.trunk = SETTINGS_NO_INDEX,
		.peer = SETTINGS_NO_INDEX,
		.settings = s->settings,
	};
}

void worker_publish(struct sbc *s, const struct notice *n)
{
	s->ports.publish(s->ports.ctx, n);
}

void worker_dropped(struct sbc *s, const struct flow *f, enum notice_drop why)
{
	struct notice n = worker_notice(s, NOTICE_DROPPED);

	n.realm = worker_realm_of(s->settings, f);
	n.transport = f->transport;
	n.source = f->remote;
	n.drop = why;
	worker_publish(s, &n);
}

void worker_refused(struct sbc *s, const struct settings *settings, const struct flow *f,
		    const struct msg *m, uint16_t trunk, const struct verdict *v)
{
	worker_refused_with(s, settings, f, m, trunk, v, NULL);
}

void worker_refused_with(struct sbc *s, const struct settings *settings, const struct flow *f,
			 const struct msg *m, uint16_t trunk, const struct verdict *v,
			 const struct cdr *record)
{
	struct notice n = worker_notice(s, NOTICE_REFUSED);

	n.settings = settings;
	n.realm = worker_realm_of(settings, f);
	n.trunk = trunk;
	n.transport = f->transport;
	n.source = f->remote;
	memcpy(n.country, f->country, sizeof(n.country));
	n.asn = f->asn;
	n.method = m ? m->method_text : STR_NONE;
	n.status = v->status;
	n.verdict = v;
	n.cdr = record;
	worker_publish(s, &n);
	if (!m || m->is_request) /* not what a callee answers */
		fraud_watch_refused(s, settings, f, trunk, v);
}

static id_t64 ask_new(struct sbc *s, id_t64 owner, enum ask_what what)
{
	id_t64 id = ID_NONE;
	struct ask *a = pool_new(&s->asks, &id);

	if (!a)
		return ID_NONE;
	a->owner = owner;
	a->what = (uint8_t)what;
	return id;
}

id_t64 worker_ask_relay(struct sbc *s, id_t64 owner, enum ask_what what, uint16_t relay,
			struct str command, struct str bencode)
{
	id_t64 id = bencode.len ? ask_new(s, owner, what) : ID_NONE;

	if (id != ID_NONE) {
		struct relay_query q = {.command = command, .bencode = bencode, .relay = relay};
		s->ports.relay(s->ports.ctx, &q, id);
	}
	return id;
}

id_t64 worker_ask_resolve(struct sbc *s, id_t64 owner, const struct resolve_query *q)
{
	id_t64 id = ask_new(s, owner, ASK_RESOLVE);

	if (id != ID_NONE) {
		s->counts.resolving++;
		s->ports.resolve(s->ports.ctx, q, id);
	}
	return id;
}

id_t64 worker_ask_credential(struct sbc *s, id_t64 owner, struct str url)
{
	id_t64 id = ask_new(s, owner, ASK_CREDENTIAL);

	if (id != ID_NONE)
		s->ports.credential(s->ports.ctx, url, id);
	return id;
}

id_t64 worker_ask_opinion(struct sbc *s, id_t64 owner, const struct opinion_query *q)
{
	id_t64 id = ask_new(s, owner, ASK_OPINION);

	if (id != ID_NONE)
		s->ports.opine(s->ports.ctx, q, id);
	return id;
}

/* ---- names and texts */

struct str worker_token(struct sbc *s, enum hide_kind kind, id_t64 id, char out[HIDE_BRANCH_LEN])
{
	uint8_t random[HIDE_RANDOM_LEN];

	rng_bytes(&s->rng, random, sizeof(random));
	return (struct str){out, hide_make(&s->hide, kind, random, id, out)};
}

void worker_alarm(struct sbc *s, struct alarm *a, enum alarm_kind kind, uint64_t at_ms)
{
	a->kind = (uint8_t)kind;
	wheel_set(&s->wheel, &a->timer, at_ms);
}

void worker_stop_alarm(struct sbc *s, struct alarm *a)
{
	wheel_stop(&s->wheel, &a->timer);
}

uint16_t worker_realm_named(const struct settings *s, struct str name)
{
	for (size_t i = 0; i < s->realm_count; i++)
		if (str_eq(s->realms[i].name, name))
			return (uint16_t)i;
	return SETTINGS_NO_INDEX;
}

uint16_t worker_trunk_named(const struct settings *s, struct str name)
{
	for (size_t i = 0; name.len && i < s->trunk_count; i++)
		if (str_eq(s->trunks[i].name, name))
			return (uint16_t)i;
	return SETTINGS_NO_INDEX;
}

uint16_t worker_listener(const struct settings *s, uint16_t realm, enum transport t, uint8_t family)
{
	for (size_t i = 0; i < s->listener_count; i++)
		if (s->listeners[i].realm == realm && s->listeners[i].transport == t &&
		    s->listeners[i].local.family == family)
			return (uint16_t)i;
	return SETTINGS_NO_INDEX;
}

uint16_t worker_realm_of(const struct settings *s, const struct flow *f)
{
	return f->listener < s->listener_count ? s->listeners[f->listener].realm
					       : SETTINGS_NO_INDEX;
}

/* ---- requests that await our answer */

/*
 * RFC 3261 §18.2.2 and RFC 3581, but to no other address than the one that we saw (threats C2): maddr and a
 * received of the peer's own are ignored. A stream that has gone is opened anew to the port of sent-by.
 */
static struct dest reply_dest(const struct flow *f, const struct msg *m)
{
	struct dest d = {.flow = *f, .trunk = SETTINGS_NO_INDEX};
	uint16_t sent_by = m->via.port;

	if (sent_by == 0)
		sent_by = transport_port(f->transport);
	if (transport_is_web(f->transport))
		return d; /* RFC 7118: its Via names no address */
	if (f->transport == TRANSPORT_UDP) {
		if (!m->via.has_rport)
			d.flow.remote.port = sent_by;
	} else {
		d.reconnect = true;
		d.flow.remote.port = sent_by;
	}
	return d;
}

enum { OC_TEXT = 96 };

/* Who asks for our load is told it (RFC 7339 §5.2). */
static struct str oc_answer(const struct sbc *s, const struct msg *m, char mem[OC_TEXT])
{
	struct oc oc;
	struct buf b;

	if (!oc_is_in(m->via.params) || oc_parse(m->via.params, &oc) != OK || !oc.asks || !oc.loss)
		return STR_NONE;
	buf_init(&b, mem, OC_TEXT);
	oc_write(&b, (s->gate.shed + 9u) / 10, s->wall_ms);
	return buf_view(&b);
}

enum err asker_serve(struct sbc *s, struct asker *a, const struct settings *settings,
		     const struct msg *m, const struct flow *f, id_t64 owner)
{
	struct build_base base;
	struct dest d = reply_dest(f, m);
	char oc[OC_TEXT];

	buf_reset(&s->base);
	enum err e = build_base_oc(&s->base, m, &f->remote, oc_answer(s, m, oc), &base);
	if (e != OK)
		return e;
	buf_reset(&s->text);
	buf_str(&s->text, base.head);
	buf_str(&s->text, base.tail);
	buf_str(&s->text, base.routes);
	if (s->text.overflow || s->text.len > UINT16_MAX)
		return ERR_LIMIT;
	struct txn_serve_params p = {.m = m,
				     .dest = &d,
				     .head = buf_view(&s->text),
				     .owner = owner,
				     .now_ms = s->now_ms};
	id_t64 txn;
	e = txn_serve(&s->txns, &p, &txn);
	if (e != OK)
		return e;
	*a = (struct asker){.txn = txn,
			    .head_len = (uint16_t)base.head.len,
			    .tail_len = (uint16_t)base.tail.len,
			    .routes_len = (uint16_t)base.routes.len,
			    .to_has_tag = base.to_has_tag,
			    .method = (uint8_t)m->method,
			    .realm = worker_realm_of(settings, f),
			    .settings = settings};
	return OK;
}

bool asker_respond(struct sbc *s, const struct asker *a, struct build_response *r)
{
	struct str head = txn_head(&s->txns, a->txn);

	if (head.len != (size_t)a->head_len + a->tail_len + a->routes_len || head.len == 0)
		return false;
	const char *tail = head.p + a->head_len;
	struct build_base base = {.head = {head.p, a->head_len},
				  .tail = {tail, a->tail_len},
				  .routes = {tail + a->tail_len, a->routes_len},
				  .to_has_tag = a->to_has_tag};
	r->base = &base;
	buf_reset(&s->out);
	bool fits = build_response(&s->out, r) == OK;
	r->base = NULL;
	if (!fits && r->status < 200)
		return false;
	if (!fits) { /* large headers of one side and a large body of the other: an answer there must be */
		struct build_response plain = {.status = 500, .base = &base, .to_tag = r->to_tag};
		buf_reset(&s->out);
		if (NEVER(build_response(&s->out, &plain) != OK))
			return false;
		r->status = plain.status;
	}
	struct txn_effects fx = {.count = 0};
	if (txn_respond(&s->txns, a->txn, r->status, buf_view(&s->out), s->now_ms, &fx) != OK)
		return false;
	worker_emit(s, &fx);
	if (r->status >= 200) {
		struct notice n = worker_notice(s, NOTICE_RESPONSE);
		n.settings = a->settings;
		n.realm = a->realm;
		n.method = method_name((enum method)a->method);
		n.status = r->status;
		worker_publish(s, &n);
	}
	return fits;
}

void asker_repeat(struct sbc *s, const struct asker *a, uint16_t status, struct str bytes)
{
	struct txn_effects fx = {.count = 0};

	if (bytes.len == 0 || txn_respond(&s->txns, a->txn, status, bytes, s->now_ms, &fx) != OK)
		return;
	for (size_t i = 0; i < fx.count; i++)
		fx.list[i].again = true;
	worker_emit(s, &fx);
}

bool asker_answer(struct sbc *s, const struct asker *a, uint16_t status, struct str reason,
		  struct str tag)
{
	struct build_response r = {.status = status, .reason = reason, .to_tag = tag};

	return asker_respond(s, a, &r);
}

/* The same request gets the same tag each time it comes; nobody else can know it. */
static struct str reply_tag(struct sbc *s, const struct msg *m, const struct flow *f,
			    char out[HIDE_BRANCH_LEN])
{
	uint8_t random[HIDE_RANDOM_LEN];
	buf_reset(&s->text);
	buf_str(&s->text, m->call_id);
	buf_char(&s->text, 0);
	buf_str(&s->text, m->from_tag);
	buf_char(&s->text, 0);
	buf_u64(&s->text, m->cseq);
	buf_char(&s->text, 0);
	addr_write_ip(&s->text, &f->remote);
	uint64_t h = siphash(&s->reply_key, s->text.p, s->text.len);
	memcpy(random, &h, sizeof(h));
	uint64_t h2 = siphash(&s->reply_key, &h, sizeof(h));
	memcpy(random + sizeof(h), &h2, sizeof(random) - sizeof(h));
	return (struct str){out, hide_make(&s->hide, HIDE_TAG, random, ID_NONE, out)};
}

bool worker_is_reply_tag(struct sbc *s, const struct msg *ack, const struct flow *f)
{
	char tag[HIDE_BRANCH_LEN];

	return str_ieq(reply_tag(s, ack, f, tag), ack->to_tag);
}

/*
 * Whoever is named as the source of a datagram need not have sent it: in the long run such a source gets fewer octets from us
 * than came in its name (threats C1).
 */
static bool may_tell(struct sbc *s, const struct flow *f, size_t in, size_t out)
{
	static const struct budget_rule rule = {WORKER_TOLD_OCTETS, WORKER_TOLD_PER_MS};

	return budget_take(&s->answers, &rule, &f->remote,
			   (uint32_t)(in * WORKER_TOLD_PART / WORKER_TOLD_WHOLE), (uint32_t)out,
			   s->now_ms);
}

void worker_heard(struct sbc *s, const struct flow *f, size_t octets)
{
	if (s->unproven)
		(void)may_tell(s, f, octets, 0);
}

void worker_reply(struct sbc *s, const struct msg *m, const struct flow *f, uint16_t status,
		  struct str reason, struct str lines)
{
	struct build_base base;
	struct dest d = reply_dest(f, m);
	char tag[HIDE_BRANCH_LEN], oc[OC_TEXT];

	if (!m->answerable)
		return;
	buf_reset(&s->base);
	if (build_base_oc(&s->base, m, &f->remote, oc_answer(s, m, oc), &base) != OK)
		return;
	struct build_response r = {.base = &base,
				   .status = status,
				   .reason = reason,
				   .to_tag = reply_tag(s, m, f, tag),
				   .headers = lines};
	buf_reset(&s->out);
	if (build_response(&s->out, &r) != OK)
		return;
	if (s->unproven && !may_tell(s, f, m->bytes.len, s->out.len)) {
		worker_dropped(s, f, NOTICE_DROP_UNPROVEN);
		return;
	}
	worker_send(s, &d, buf_view(&s->out));
	struct notice n = worker_notice(s, NOTICE_RESPONSE);
	n.realm = worker_realm_of(s->settings, f);
	n.method = m->method_text;
	n.status = status;
	worker_publish(s, &n);
}

/* ---- generations of the configuration */

bool worker_hold_settings(struct sbc *s, const struct settings *settings)
{
	struct generation *empty = NULL;

	for (size_t i = 0; i < SBC_GENERATIONS_MAX; i++) {
		struct generation *g = &s->generations[i];
		if (g->calls && g->settings == settings) {
			g->calls++;
			return true;
		}
		if (!g->calls && !empty)
			empty = g;
	}
	if (!empty)
		return false;
	*empty = (struct generation){.settings = settings, .calls = 1};
	return true;
}

void worker_let_settings(struct sbc *s, const struct settings *settings)
{
	for (size_t i = 0; i < SBC_GENERATIONS_MAX; i++) {
		struct generation *g = &s->generations[i];
		if (g->calls && g->settings == settings) {
			g->calls--;
			return;
		}
	}
}
