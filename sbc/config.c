#include "sbc/config.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/secret.h"
#include "policy/destinations.h"
#include "sbc/config_build.h"
#include "sbc/config_check.h"

enum { RESOLVER_TEXT_MAX = 64 }; /* "[IPv6]:port," */

/* Lies in its own arena, with the tree and every text. */
struct config {
	struct settings settings;
	struct arena arena;
};

static void build_certificates(struct config_build *g)
{
	const struct conf_list *l = &g->raw->certificates;
	const struct raw_certificate *from = l->items;
	struct certificate *to = config_get(g, l->count, sizeof(*to));
	for (size_t i = 0; to && i < l->count; i++)
		to[i] = (struct certificate){.name = from[i].head.name,
					     .chain_path = from[i].chain,
					     .key_path = from[i].key.path,
					     .key_pem = from[i].key.value,
					     .min_version = from[i].min_version ? 0x0304 : 0x0303};
	g->s->certificates = to;
	g->s->certificate_count = l->count;
	const struct conf_list *m = &g->raw->anchors;
	const struct raw_anchor *anchors = m->items;
	struct trust_anchor *out = config_get(g, m->count, sizeof(*out));
	for (size_t i = 0; out && i < m->count; i++)
		out[i] = (struct trust_anchor){anchors[i].head.name, anchors[i].path};
	g->s->anchors = out;
	g->s->anchor_count = m->count;
}

static void build_relays(struct config_build *g)
{
	const struct conf_list *l = &g->raw->relays;
	const struct raw_relay *from = l->items;
	struct media_relay *to = config_get(g, l->count, sizeof(*to));
	if (!to)
		return;
	for (size_t i = 0; i < l->count; i++)
		to[i] = (struct media_relay){from[i].name, from[i].url, from[i].weight};
	g->s->relay_count = l->count;
	if (l->count == 0) {
		to[0] = (struct media_relay){STR("local"), STR(RELAY_CONF_DEFAULT_URL), 100};
		g->s->relay_count = 1;
	}
	g->s->relays = to;
}

static void build_cdrs(struct config_build *g)
{
	const struct conf_list *l = &g->raw->cdrs;
	const struct raw_cdr *from = l->items;
	struct cdr_sink *to = config_get(g, l->count, sizeof(*to));
	if (!to)
		return;
	for (size_t i = 0; i < l->count; i++)
		to[i] = (struct cdr_sink){from[i].path, from[i].rotate};
	g->s->cdr_count = l->count;
	if (!l->node) { /* `cdr: []` is a wish, nothing written is none */
		to[0] = (struct cdr_sink){STR("/var/log/sallyport/cdr.jsonl"), 0};
		g->s->cdr_count = 1;
	}
	g->s->cdrs = to;
}

static void build_https(struct config_build *g)
{
	const struct conf_list *l = &g->raw->observe.http;
	const struct raw_http *from = l->items;
	struct http_listener *to = config_get(g, l->count, sizeof(*to));
	if (!to)
		return;
	for (size_t i = 0; i < l->count; i++) {
		const uint32_t *pages = from[i].pages.items;
		to[i].local = from[i].address;
		to[i].local.port = from[i].port;
		for (size_t j = 0; j < from[i].pages.count; j++) {
			to[i].metrics = to[i].metrics || pages[j] == 0;
			to[i].health = to[i].health || pages[j] == 1;
		}
	}
	g->s->http_count = l->count;
	if (!l->node) {
		CHECK(addr_parse(STR("127.0.0.1:9080"), &to[0].local) == OK);
		to[0].metrics = to[0].health = true;
		g->s->http_count = 1;
	}
	g->s->https = to;
}

static struct str host_name(struct arena *a)
{
	char name[256];
	if (gethostname(name, sizeof(name)) != 0)
		return STR("localhost");
	name[sizeof(name) - 1] = '\0';
	struct str s = arena_str(a, str_from(name));
	return s.len > 0 ? s : STR("localhost");
}

/* "192.0.2.1:53,[2001:db8::1]:53" */
static struct str build_resolver(struct config_build *g)
{
	const struct conf_list *l = &g->raw->node.resolver;
	const struct addr *from = l->items;
	size_t cap = l->count * RESOLVER_TEXT_MAX;
	char *to = config_get(g, cap, 1);
	struct buf b;
	if (!to)
		return STR_NONE;
	buf_init(&b, to, cap);
	for (size_t i = 0; i < l->count; i++) {
		struct addr a = from[i];
		if (a.port == 0)
			a.port = 53;
		if (i > 0)
			buf_char(&b, ',');
		addr_write(&b, &a);
	}
	return buf_view(&b);
}

static struct rate_limit rate_of(const struct conf_rate *r)
{
	return (struct rate_limit){r->count, r->per_ms};
}

static void build(struct config_build *g)
{
	const struct raw_config *raw = g->raw;
	g->s->node = raw->node.name.len > 0 ? raw->node.name : host_name(g->arena);
	g->s->run_as = raw->node.run_as;
	g->s->resolver = build_resolver(g);
	g->s->log = raw->observe.log.v;
	g->s->control_path = raw->observe.control;
	g->s->limits = raw->limits.v;
	g->s->limits.overload = raw->limits.overload.v;
	g->s->limits.handshakes = (struct handshake_limits){
		rate_of(&raw->limits.handshakes.per_source), rate_of(&raw->limits.handshakes.all)};
	g->s->limits.refused_records = rate_of(&raw->limits.refused_records);
	g->s->policy.node_calls = (struct rate_rule){
		raw->limits.call_rate.count, raw->limits.call_rate.per_ms, raw->limits.call_burst};
	if (raw->limits.head.node)
		g->s->policy.node_place = config_place(raw->limits.head.node);
	g->s->timers = raw->timers.v;
	build_certificates(g);
	config_build_header_rules(g);
	config_build_numbers(g);
	config_build_media(g);
	config_build_realms(g);
	config_build_sheets(g);
	config_build_identity(g); /* its policies are the trunks' */
	config_build_trunks(g);
	config_build_listeners(g); /* needs the trunks: whose certificates are to be verified */
	config_build_bans(g);
	config_build_routes(g);
	config_build_geo(g);
	config_build_opinion(g);
	config_build_fraud(g);
	config_build_store(g);
	build_relays(g);
	build_cdrs(g);
	build_https(g);
}

/* Steps two and three over a tree. */
static enum err make(const struct conf_tree *t, struct conf_report *r, struct config *c)
{
	struct raw_config raw;
	struct conf_fill f = {&c->arena, r, t->incomplete};
	struct config_build g = {.arena = &c->arena, .report = r, .raw = &raw, .s = &c->settings};
	conf_fill(&f, &config_section, t->root, &raw);
	if (t->incomplete) /* names may stand in the file that could not be read */
		return OK;
	build(&g);
	if (g.full)
		return ERR_NOMEM;
	config_check_files(r, &raw, &c->settings, (int64_t)time(NULL));
	config_check(r, &raw, &c->settings);
	return OK;
}

/* All but the reading: the tree's memory becomes the settings', and goes with them. */
static enum err finish(struct conf_tree *t, struct conf_report *report, size_t errors_before,
		       struct settings **out)
{
	struct config *c = arena_zalloc(&t->arena, sizeof(*c));
	if (!c) {
		conf_tree_release(t);
		return ERR_NOMEM;
	}
	enum err e = OK;
	c->arena = t->arena;
	if (t->root)
		e = make(t, report, c);
	conf_report_sort(report);
	if (e == OK && report->errors > errors_before)
		e = ERR_BAD;
	if (e == OK)
		*out = &c->settings;
	else
		config_free(&c->settings);
	return e;
}

enum err config_load(const char *path, struct conf_report *report, struct settings **out)
{
	struct conf_tree t;
	size_t before = report->errors;
	enum err e = conf_tree_init(&t);
	if (e != OK)
		return e;
	conf_tree_read(&t, report, path);
	return finish(&t, report, before, out);
}

enum err config_load_text(struct str name, struct str text, struct conf_report *report,
			  struct settings **out)
{
	struct conf_tree t;
	size_t before = report->errors;
	enum err e = conf_tree_init_for(&t, text.len);
	if (e != OK)
		return e;
	conf_tree_read_text(&t, report, name, text);
	return finish(&t, report, before, out);
}

void config_free(struct settings *s)
{
	if (!s)
		return;
	struct arena a = CONTAINER_OF(s, struct config, settings)->arena;
	for (size_t i = 0; i < s->sheet_count; i++)
		sheet_release(&s->sheets[i]);
	if (s->destinations)
		destinations_release(s->destinations);
	secret_wipe(a.base, a.used);
	arena_release(&a);
}

void config_write_docs(struct buf *b)
{
	conf_write_docs(b, &config_section);
}
