#include "status.h"

#include "sbc/shell/shared_calls.h"

enum { CALL_BYTES = 2048 };

/* `,"key":` or `"key":` for the first member of an object. */
static void key(struct buf *b, const char *name)
{
	if (b->len > 0 && b->p[b->len - 1] != '{')
		buf_char(b, ',');
	buf_char(b, '"');
	buf_z(b, name);
	buf_lit(b, "\":");
}

static void add_str(struct buf *b, const char *name, struct str v)
{
	key(b, name);
	buf_json_str(b, v);
}

static void add_u64(struct buf *b, const char *name, uint64_t v)
{
	key(b, name);
	buf_u64(b, v);
}

static void add_bool(struct buf *b, const char *name, bool v)
{
	key(b, name);
	buf_z(b, v ? "true" : "false");
}

static void open_item(struct buf *b)
{
	if (b->p && b->len > 0 && b->p[b->len - 1] == '}')
		buf_char(b, ',');
	buf_char(b, '{');
}

static void open_list(struct buf *b, const char *name)
{
	key(b, name);
	buf_char(b, '[');
}

/* ---- status ---- */

struct trunk_calls {
	uint16_t trunk;
	uint32_t count;
};

static void count_trunk(void *ctx, const struct sbc_call_view *c)
{
	struct trunk_calls *t = ctx;
	t->count += (c->ingress == t->trunk ? 1u : 0u) + (c->egress == t->trunk ? 1u : 0u);
}

/* Only of trunks that we register at. */
static void write_enrolment(struct buf *b, const struct sbc_facts *f, uint16_t i)
{
	const struct trunk *t = &f->settings->trunks[i];
	struct sbc_enrol_view v;
	if (!sbc_enrolment(f->sbc, i, &v))
		return;
	key(b, "registration");
	buf_char(b, '{');
	add_bool(b, "registered", v.registered);
	if (v.peer < t->peer_count)
		add_str(b, "peer", t->peers[v.peer].uri);
	if (v.registered)
		add_u64(b, "left_s", v.left_s);
	if (v.why.len > 0)
		add_str(b, "failed", v.why);
	if (v.status)
		add_u64(b, "status", v.status);
	buf_char(b, '}');
}

static void write_peer(struct buf *b, const struct sbc_facts *f, uint16_t trunk, uint16_t peer)
{
	struct sbc_peer_view v;
	if (!sbc_peer_look(f->sbc, trunk, peer, &v)) /* of a configuration that is being taken up */
		return;
	add_bool(b, "up", v.up);
	add_u64(b, "calls", v.calls);
	if (!v.watched)
		return;
	add_str(b, "health", str_from(v.state));
	if (!v.is_good) {
		add_str(b, "why", str_from(v.why));
		add_u64(b, "left_s", v.left_s);
	}
	add_u64(b, "ended", v.ended);
	if (v.ended) {
		add_u64(b, "asr", v.asr);
		add_u64(b, "ner", v.ner);
	}
}

static void write_trunk(struct buf *b, const struct sbc_facts *f, uint16_t i)
{
	const struct trunk *t = &f->settings->trunks[i];
	struct trunk_calls calls = {i, 0};
	bool any = t->users != NULL; /* a group of users has no peers that could be down */
	sbc_each_call(f->sbc, count_trunk, &calls);
	for (size_t p = 0; p < t->peer_count; p++)
		any |= sbc_peer_is_up(f->sbc, i, (uint16_t)p);
	open_item(b);
	add_str(b, "name", t->name);
	add_bool(b, "up", any);
	add_u64(b, "calls", calls.count);
	write_enrolment(b, f, i);
	open_list(b, "peers");
	for (size_t p = 0; p < t->peer_count; p++) {
		open_item(b);
		add_str(b, "target", t->peers[p].uri);
		write_peer(b, f, i, (uint16_t)p);
		buf_char(b, '}');
	}
	buf_lit(b, "]}");
}

static void write_relays(struct buf *b, const struct sbc_facts *f)
{
	open_list(b, "relays");
	for (size_t i = 0; i < f->relays->count; i++) {
		const struct relay *r = &f->relays->relays[i];
		open_item(b);
		add_str(b, "name", (struct str){r->name, r->name_len});
		add_bool(b, "up", r->is_up);
		add_u64(b, "sessions", r->sessions);
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

static void write_listeners(struct buf *b, const struct sbc_facts *f)
{
	open_list(b, "listeners");
	for (size_t i = 0; i < f->settings->listener_count; i++) {
		const struct listener *l = &f->settings->listeners[i];
		char mem[64];
		struct buf address;
		buf_init(&address, mem, sizeof(mem));
		addr_write(&address, &l->local);
		open_item(b);
		add_str(b, "realm", f->settings->realms[l->realm].name);
		add_str(b, "transport", str_from(transport_label(l->transport)));
		add_str(b, "address", buf_view(&address));
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

static void write_certificates(struct buf *b, const struct sbc_facts *f)
{
	open_list(b, "certificates");
	for (size_t i = 0; i < f->settings->certificate_count; i++) {
		int64_t ends = tls_certificate_end(f->tls, i);
		open_item(b);
		add_str(b, "name", f->settings->certificates[i].name);
		key(b, "ends");
		buf_char(b, '"');
		buf_time(b, ends > 0 ? (uint64_t)ends * 1000 : 0);
		buf_lit(b, "\"}");
	}
	buf_char(b, ']');
}

void status_write(struct buf *b, const struct sbc_metrics *m, const struct sbc_facts *f,
		  uint64_t now_ms)
{
	struct sbc_counts c;
	sbc_count(f->sbc, &c);
	buf_char(b, '{');
	add_str(b, "node", f->settings->node);
	add_str(b, "version", STR(SALLYPORT_VERSION));
	add_u64(b, "uptime_s", f->uptime_ms / 1000);
	add_u64(b, "calls", c.calls);
	add_u64(b, "calls_limit", f->settings->limits.calls);
	add_u64(b, "cps", sbc_metrics_cps(m, now_ms));
	add_u64(b, "invites_total", m->invites);
	add_u64(b, "refused_total", m->refused);
	add_u64(b, "transactions", (uint64_t)c.client_transactions + c.server_transactions);
	add_u64(b, "connections", flow_count(f->flows));
	write_relays(b, f);
	if (f->store) {
		key(b, "store");
		store_write_status(f->store, b);
		key(b, "shared_calls");
		shared_calls_write_status(f->sbc, b);
	}
	open_list(b, "trunks");
	for (size_t i = 0; i < f->settings->trunk_count; i++)
		write_trunk(b, f, (uint16_t)i);
	buf_char(b, ']');
	write_listeners(b, f);
	write_certificates(b, f);
	add_u64(b, "memory_kib", sbc_metrics_memory_bytes() / 1024);
	add_u64(b, "generation", f->settings->generation);
	buf_lit(b, "}\n");
}

/* ---- calls ---- */

struct writing {
	struct buf *b;
	uint64_t now_ms;
};

static void add_known(struct buf *b, const char *name, struct str v)
{
	if (v.len > 0)
		add_str(b, name, v);
}

/* Only of a party that is not heard. */
static void add_silence(struct buf *b, const char *name, uint64_t now_ms, uint64_t since_ms)
{
	if (since_ms)
		add_u64(b, name, now_ms > since_ms ? now_ms - since_ms : 0);
}

static void write_call(void *ctx, const struct sbc_call_view *c)
{
	const struct writing *w = ctx;
	struct buf *b = w->b;
	const struct settings *s = c->settings;
	open_item(b);
	add_str(b, "call", c->call);
	add_str(b, "state", c->state);
	add_str(b, "from", c->from);
	add_str(b, "to", c->to);
	if (c->ingress < s->trunk_count)
		add_str(b, "ingress", s->trunks[c->ingress].name);
	if (c->egress < s->trunk_count)
		add_str(b, "egress", s->trunks[c->egress].name);
	add_u64(b, "age_ms", w->now_ms > c->started_ms ? w->now_ms - c->started_ms : 0);
	if (c->answered_ms)
		add_u64(b, "answered_ms",
			w->now_ms > c->answered_ms ? w->now_ms - c->answered_ms : 0);
	add_str(b, "in_transport", str_from(transport_label(c->in_transport)));
	if (c->egress < s->trunk_count)
		add_str(b, "out_transport", str_from(transport_label(c->out_transport)));
	add_known(b, "in_media", c->in_media);
	add_known(b, "out_media", c->out_media);
	add_known(b, "codec", c->codec);
	add_silence(b, "in_silent_ms", w->now_ms, c->in_silent_ms);
	add_silence(b, "out_silent_ms", w->now_ms, c->out_silent_ms);
	buf_char(b, '}');
}

size_t status_calls_size(uint32_t calls)
{
	return ((size_t)calls + 2) * CALL_BYTES;
}

void status_write_calls(struct buf *b, const struct sbc_facts *f, uint64_t now_ms)
{
	struct writing w = {b, now_ms};
	buf_lit(b, "{\"calls\":[");
	sbc_each_call(f->sbc, write_call, &w);
	buf_lit(b, "]}\n");
}
