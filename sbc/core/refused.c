#include "sbc/core/refused.h"

#include "sbc/core/build.h"
#include "sbc/core/call.h"
#include "sbc/core/judge.h"
#include "sbc/core/uri.h"
#include "sbc/core/worker.h"

enum { NS_IN_MS = 1000 * 1000, NUMBER_MAX = 256 };
enum which { OF_SOURCE, OF_CALL_ID };

/* Where the texts of a record stand that stand nowhere else. */
struct texts {
	char name[320], cause[320], from[NUMBER_MAX], to[NUMBER_MAX];
};

enum err refused_init(struct refused_records *r, const struct siphash_key *key)
{
	return rate_table_init(&r->seen, REFUSED_REMEMBERED, key);
}

void refused_release(struct refused_records *r)
{
	rate_table_release(&r->seen);
}

/* ---- the record */

static struct str number_in(struct str uri, char mem[NUMBER_MAX])
{
	struct buf b;
	struct uri u;

	buf_init(&b, mem, NUMBER_MAX);
	return uri_parse(uri, &u) == OK && uri_write_number(&b, &u) == OK && !b.overflow
		       ? buf_view(&b)
		       : STR_NONE;
}

static struct str domain_of(struct str uri)
{
	struct uri u;

	return uri_parse(uri, &u) == OK ? u.host : STR_NONE;
}

static void write_name(struct sbc *s, struct buf *b, const char *mark, uint64_t number)
{
	buf_str(b, s->settings->node);
	buf_char(b, '-');
	buf_bytes(b, s->boot, s->boot_len);
	buf_char(b, '-');
	buf_z(b, mark);
	buf_u64(b, number);
}

/* What is known of an INVITE that became no call. */
static void fill(struct sbc *s, struct cdr *d, struct texts *t, const struct flow *f,
		 const struct tls_facts *tls, const struct msg *m, const struct verdict *v)
{
	const struct settings *set = s->settings;
	const uint16_t realm = worker_realm_of(set, f);
	struct name_addr a;
	struct buf cause;

	buf_init(&cause, t->cause, sizeof(t->cause));
	buf_lit(&cause, "policy:");
	buf_str(&cause, v->rule);
	d->node = set->node;
	d->call_id_in = m->call_id;
	if (realm < set->realm_count)
		d->ingress_realm = set->realms[realm].name;
	d->ingress_transport = f->transport;
	d->ingress_address = f->remote;
	d->ingress_country = (struct str){f->country, f->country[0] ? sizeof(f->country) : 0};
	d->ingress_asn = f->asn;
	d->user_agent = msg_value(m, HDR_USER_AGENT);
	d->start = d->end = s->wall_ms;
	d->ended_by = CDR_US;
	d->cause = buf_view(&cause);
	if (v->outcome == VERDICT_REJECT) { /* else it was told nothing */
		d->status = v->status;
		d->reason = v->reason.len ? v->reason : build_reason(v->status);
	}
	if (name_addr_parse(m->from, &a) == OK)
		d->from_number = number_in(a.uri, t->from);
	d->to_number = d->number_as_dialled = number_in(m->uri, t->to);
	d->domain = domain_of(m->uri);
	if (tls) {
		d->tls_version = tls->version;
		d->tls_cipher = tls->cipher;
		if (tls->verified && tls->name_count)
			d->tls_peer = tls->names[0];
	}
}

void call_refused_at_once(struct sbc *s, const struct msg *m, const struct flow *f,
			  const struct tls_facts *tls, uint16_t trunk, const struct verdict *v)
{
	const struct settings *set = s->settings;
	struct cdr d = {.status = 0};
	struct texts t;
	struct buf name;

	buf_init(&name, t.name, sizeof(t.name));
	write_name(s, &name, "", ++s->counts.total);
	d.call = buf_view(&name);
	if (trunk < set->trunk_count)
		d.ingress_trunk = set->trunks[trunk].name;
	fill(s, &d, &t, f, tls, m, v);
	d.status = v->status;
	struct notice n = worker_notice(s, NOTICE_CALL_ENDED);
	n.call = d.call;
	n.realm = worker_realm_of(set, f);
	n.trunk = trunk;
	n.transport = f->transport;
	n.source = f->remote;
	n.status = v->status;
	n.from = d.from_number;
	n.to = d.to_number;
	n.cdr = &d;
	worker_publish(s, &n);
}

/* ---- its bounds */

static bool take(struct sbc *s, enum which what, struct str key, const struct rate_rule *rule)
{
	const uint64_t now_ns = s->now_ms * NS_IN_MS;
	struct rate *r = rate_table_find(&s->refused.seen, what, key, now_ns);

	return rate_take(r, rule, 1, now_ns, NULL);
}

/* The dearest bound last: what another refuses takes nothing of it. */
static bool has_room(struct sbc *s, const struct flow *f, const struct msg *m)
{
	const struct rate_limit *l = &s->settings->limits.refused_records;
	const struct rate_rule again = {1, REFUSED_AGAIN_MS, 1},
			       source = {l->count, l->per_ms * REFUSED_SOURCE_PART,
					 REFUSED_SOURCE_BURST},
			       all = {l->count, l->per_ms, 0};
	const uint64_t now_ns = s->now_ms * NS_IN_MS;
	struct rate look = s->refused.all;

	return rate_take(&look, &all, 1, now_ns, NULL) && take(s, OF_CALL_ID, m->call_id, &again) &&
	       take(s, OF_SOURCE, policy_source_key(&f->remote), &source) &&
	       rate_take(&s->refused.all, &all, 1, now_ns, NULL);
}

/* Is there one, and may it be written? Unread bytes are read for it, as often as there is room. */
static const struct msg *to_record(struct sbc *s, const struct flow *f, const struct msg *m,
				   struct str bytes)
{
	const struct rate_limit *l = &s->settings->limits.refused_records;
	const struct rate_rule all = {l->count, l->per_ms, 0};
	struct rate look = s->refused.all;

	if (l->count == 0 || !rate_take(&look, &all, 1, s->now_ms * NS_IN_MS, NULL))
		return NULL;
	if (!m) {
		if (!str_has_prefix(bytes, STR("INVITE ")))
			return NULL;
		m = &s->in;
		/* Broken or not: what of it can be read, `answerable` says. */
		if (judge_index(s->settings, f, bytes, &s->in) != OK && !m->answerable)
			return NULL;
	}
	return m->is_request && m->method == METHOD_INVITE && m->to_tag.len == 0 &&
			       (m->fault == MSG_FAULT_NONE || m->answerable) && has_room(s, f, m)
		       ? m
		       : NULL;
}

void refused_tell(struct sbc *s, const struct flow *f, const struct tls_facts *tls,
		  const struct msg *m, struct str bytes, uint16_t trunk, const struct verdict *v)
{
	const struct msg *of = to_record(s, f, m, bytes);
	struct cdr d = {.status = 0};
	struct texts t;
	struct buf name;

	if (!of) {
		worker_refused(s, s->settings, f, m, trunk, v);
		return;
	}
	buf_init(&name, t.name, sizeof(t.name));
	write_name(s, &name, "r", ++s->refused.count);
	d.call = buf_view(&name);
	if (trunk < s->settings->trunk_count)
		d.ingress_trunk = s->settings->trunks[trunk].name;
	fill(s, &d, &t, f, tls, of, v);
	worker_refused_with(s, s->settings, f, m, trunk, v, &d);
}
