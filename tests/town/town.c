#include "town.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"
#include "sbc/config.h"
#include "tests/support/cert.h"
#include "tests/town/parties.h"

enum {
	LATENCY_MS = 5,
	T1_MS = 500,
	TWICE = 3,   /* what comes twice, for one that is lost */
	LATE_MS = 60 /* what comes late is overtaken */
};

/* ---- when */

void town_later(struct town *t, enum town_step what, uint32_t who, uint64_t in_ms)
{
	struct happening h = {.kind = HAPPEN_SCRIPT, .to = (int)what, .conn = (int)who};
	clock_plan(&t->clock, &h, t->clock.now_ms + in_ms);
}

/* ---- to the core */

static void step(struct town *t, struct event *e)
{
	e->now_ms = t->clock.now_ms;
	e->wall_ms = t->wall_ms + t->clock.now_ms;
	sbc_step(t->sbc, e);
}

/*
 * The way of a datagram: a party of ours repeats what is lost after T1, and what is not lost, but for its answer, too. The core repeats by
 * itself: what it says may vanish if that is a request or an answer to an INVITE.
 */
static void carry(struct town *t, struct happening *h, bool may_vanish)
{
	const uint64_t now = t->clock.now_ms + LATENCY_MS;
	struct happening copy = *h;
	if (h->id || !t->loss) {
		clock_plan(&t->clock, h, now);
		return;
	}
	if (dice_percent(&t->dice, TWICE * t->loss)) {
		copy.bytes = happening_bytes(h->bytes);
		clock_plan(&t->clock, &copy,
			   now + (dice_percent(&t->dice, 50) ? T1_MS
							     : dice_range(&t->dice, 0, LATE_MS)));
	}
	const bool lost = dice_percent(&t->dice, t->loss);
	if (lost && may_vanish) {
		happening_release(h);
		return;
	}
	clock_plan(
		&t->clock, h,
		now + (lost ? T1_MS : 0) +
			(dice_percent(&t->dice, t->loss) ? dice_range(&t->dice, 0, LATE_MS) : 0));
}

void town_say(struct town *t, const struct flow *f, const struct buf *b)
{
	struct happening h = {.kind = HAPPEN_DATAGRAM, .id = f->id, .conn = f->listener};
	CHECK(!b->overflow);
	h.from = f->remote;
	h.to = -1;
	h.bytes = happening_bytes(buf_view(b));
	carry(t, &h, false);
}

static uint16_t listener_of(const struct town *t, bool inside, enum transport transport)
{
	for (size_t i = 0; i < t->settings->listener_count; i++) {
		const struct listener *l = &t->settings->listeners[i];
		if (l->transport == transport &&
		    str_eq(t->settings->realms[l->realm].name, STR("inside")) == inside)
			return (uint16_t)i;
	}
	CHECK(!"a listener that the configuration lacks");
	return 0;
}

/* One connection for each address and certificate. */
static id_t64 connection(struct town *t, const struct addr *remote, const char *certificate)
{
	struct str name = certificate ? str_from(certificate) : STR_NONE;
	uint32_t i = 0;
	for (; i < t->flow_count; i++)
		if (addr_eq(&t->flow_remote[i], remote) &&
		    (t->tls[i].name_count ? str_eq(t->tls[i].names[0], name) : name.len == 0))
			return (id_t64)i + 1;
	CHECK(t->flow_count < TOWN_FLOWS_MAX);
	t->flow_count++;
	t->flow_remote[i] = *remote;
	t->tls[i] = (struct tls_facts){.version = STR("TLSv1.3"),
				       .cipher = STR("TLS_AES_256_GCM_SHA384"),
				       .verified = name.len > 0,
				       .names = {name},
				       .name_count = name.len > 0};
	return (id_t64)i + 1;
}

struct flow town_flow(struct town *t, const struct town_source *s)
{
	struct flow f = {.transport = s->tls ? TRANSPORT_TLS : TRANSPORT_UDP};
	CHECK(addr_parse_ip(str_from(s->address), &f.remote) == OK);
	f.remote.port = 5060;
	f.listener = listener_of(t, s->inside, f.transport);
	if (s->tls)
		f.id = connection(t, &f.remote, s->certificate);
	return f;
}

static void hear(struct town *t, const struct happening *h)
{
	const struct listener *l = &t->settings->listeners[h->conn];
	struct event e = {.type = EVENT_MESSAGE};
	e.message.flow = (struct flow){.id = h->id,
				       .listener = (uint16_t)h->conn,
				       .transport = l->transport,
				       .remote = h->from};
	e.message.bytes = h->bytes;
	e.message.tls = h->id ? &t->tls[h->id - 1] : NULL;
	step(t, &e);
}

/* ---- from the core */

static void deliver(struct town *t, const struct happening *h)
{
	static struct msg m;
	struct flow f = {.id = h->id,
			 .listener = (uint16_t)h->conn,
			 .transport = t->settings->listeners[h->conn].transport,
			 .remote = h->from};
	if (msg_index(&m, h->bytes, 0) != OK) {
		printf("# the core says what nobody understands: %.*s\n", STR_ARG(h->bytes));
		t->wrong = true;
		return;
	}
	town_party_hear(t, &m, &f);
}

static void port_send(void *ctx, const struct dest *d, struct str bytes, id_t64 tag)
{
	struct town *t = ctx;
	struct happening h = {.kind = HAPPEN_DATAGRAM,
			      .id = d->flow.id,
			      .conn = d->flow.listener,
			      .to = 0,
			      .from = d->flow.remote};
	(void)tag;
	if (t->verbose)
		printf("%llu core -> %.*s\n", (unsigned long long)t->clock.now_ms,
		       (int)str_find(bytes, STR("\r")), bytes.p);
	h.bytes = happening_bytes(bytes);
	carry(t, &h,
	      str_find(bytes, STR(" INVITE\r\n")) < bytes.len ||
		      !str_has_prefix(bytes, STR("SIP/2.0")));
}

static void port_resolve(void *ctx, const struct resolve_query *q, id_t64 id)
{
	struct town *t = ctx;
	struct happening h = {.kind = HAPPEN_RESOLVED, .id = id};
	(void)q;
	clock_plan(&t->clock, &h, t->clock.now_ms + 1);
}

static void port_relay(void *ctx, const struct relay_query *q, id_t64 id)
{
	struct town *t = ctx;
	struct happening h = {.kind = HAPPEN_RELAY, .id = id};
	(void)q;
	clock_plan(&t->clock, &h, t->clock.now_ms + 1);
}

static void port_close(void *ctx, id_t64 flow)
{
	(void)ctx;
	(void)flow;
}

static void note_refusal(struct town *t, const struct verdict *v)
{
	uint32_t i = 0;
	for (; i < t->refusal_count; i++)
		if (str_eq(v->rule, str_from(t->refusals[i].rule)))
			break;
	if (i == t->refusal_count) {
		CHECK(i < TOWN_RULES_MAX);
		t->refusal_count++;
		struct town_refusal *r = &t->refusals[i];
		CHECK(str_copy(v->rule, r->rule, sizeof(r->rule)) == OK);
		CHECK(str_copy(str_from(verdict_stage_name(v->stage)), r->stage,
			       sizeof(r->stage)) == OK);
	}
	t->refusals[i].count++;
}

static void port_publish(void *ctx, const struct notice *n)
{
	struct town *t = ctx;
	if (n->type == NOTICE_REFUSED)
		note_refusal(t, n->verdict);
	t->cdrs += n->type == NOTICE_CALL_ENDED;
}

/* ---- life */

/* The text with its two places filled in, for free(). */
static char *read_config(const char *path, const char *certificates)
{
	static const char *const names[] = {"@CERT@", "@ETC@"};
	char text[64 * 1024], etc[PATH_MAX] = "";
	const char *const values[] = {certificates, etc};
	CHECK(realpath("etc", etc) != NULL);
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = 0;
	char *out = calloc(1, sizeof(text) * 2), *to = out;
	CHECK(out != NULL && n > 0);
	for (const char *p = text; *p;) {
		size_t i = 0;
		while (i < ARRAY_LEN(names) && strncmp(p, names[i], strlen(names[i])) != 0)
			i++;
		if (i < ARRAY_LEN(names)) {
			to = stpcpy(to, values[i]);
			p += strlen(names[i]);
		} else {
			*to++ = *p++;
		}
	}
	return out;
}

static struct settings *load(const char *path)
{
	char folder[] = "/tmp/sallyport-town-XXXXXX", chain[64], key[64];
	struct conf_report report;
	struct settings *s = NULL;
	struct cert c;
	CHECK(mkdtemp(folder) != NULL);
	snprintf(chain, sizeof(chain), "%s/edge.pem", folder);
	snprintf(key, sizeof(key), "%s/edge.key", folder);
	cert_init(&c, &(struct cert_params){.cn = TOWN_DOMAIN, .san = "DNS:" TOWN_DOMAIN});
	cert_save(&c, chain, key);
	cert_release(&c);
	char *text = read_config(path, folder);
	CHECK(conf_report_init(&report) == OK);
	enum err e = config_load_text(str_from(path), str_from(text), &report, &s);
	for (size_t i = 0; e != OK && i < report.count; i++)
		if (!report.messages[i].warning)
			printf("# %.*s\n", STR_ARG(report.messages[i].text));
	conf_report_release(&report);
	free(text);
	unlink(chain);
	unlink(key);
	rmdir(folder);
	return s;
}

bool town_init(struct town *t, const char *config, uint64_t wall_ms, uint64_t seed)
{
	*t = (struct town){.wall_ms = wall_ms};
	clock_init(&t->clock, 1000);
	dice_init(&t->dice, seed, 7);
	t->calls = calloc(TOWN_CALLS_MAX, sizeof(*t->calls));
	t->legs = calloc(TOWN_LEGS_MAX, sizeof(*t->legs));
	CHECK(t->calls && t->legs);
	t->settings = load(config);
	if (!t->settings)
		return false;
	struct sbc_params p = {.settings = t->settings,
			       .ports = {.ctx = t,
					 .send = port_send,
					 .resolve = port_resolve,
					 .relay = port_relay,
					 .publish = port_publish,
					 .close = port_close},
			       .now_ms = t->clock.now_ms,
			       .wall_ms = wall_ms + t->clock.now_ms};
	memset(p.seed, (int)seed, sizeof(p.seed));
	return sbc_new(&t->sbc, &p) == OK;
}

void town_release(struct town *t)
{
	sbc_free(&t->sbc);
	config_free(t->settings);
	clock_release(&t->clock);
	free(t->calls);
	free(t->legs);
}

uint32_t town_plan(struct town *t, uint64_t at_ms, const struct town_call *c)
{
	CHECK(t->call_count < TOWN_CALLS_MAX);
	const uint32_t i = t->call_count++;
	t->calls[i] = *c;
	struct happening h = {.kind = HAPPEN_SCRIPT, .to = STEP_CALL, .conn = (int)i};
	clock_plan(&t->clock, &h, at_ms);
	return i;
}

static void happen(struct town *t, struct happening *h)
{
	struct event e = {0};
	if (h->kind == HAPPEN_SCRIPT) {
		town_party_step(t, (enum town_step)h->to, (uint32_t)h->conn);
	} else if (h->kind == HAPPEN_DATAGRAM && h->to < 0) {
		hear(t, h);
	} else if (h->kind == HAPPEN_DATAGRAM) {
		deliver(t, h);
	} else if (h->kind == HAPPEN_RESOLVED) { /* every name is unknown */
		e.type = EVENT_RESOLVED;
		e.resolved.id = h->id;
		step(t, &e);
	} else {
		e.type = EVENT_RELAY_REPLY;
		e.relay.id = h->id;
		e.relay.result = RELAY_RESULT_ERROR;
		step(t, &e);
	}
	happening_release(h);
}

void town_run(struct town *t, uint64_t until_ms)
{
	struct happening h;
	for (;;) {
		uint64_t a = clock_next_ms(&t->clock), b = sbc_next_ms(t->sbc);
		uint64_t next = a < b ? a : b;
		if (next > until_ms)
			break;
		if (next > t->clock.now_ms)
			t->clock.now_ms = next;
		if (b <= t->clock.now_ms) {
			struct event e = {.type = EVENT_TICK};
			step(t, &e);
		} else if (clock_take(&t->clock, &h)) {
			happen(t, &h);
		}
	}
	if (until_ms != UINT64_MAX && until_ms > t->clock.now_ms)
		t->clock.now_ms = until_ms;
}

void town_end(struct town *t)
{
	struct sbc_counts n;
	for (uint32_t i = 0; i < t->leg_count; i++)
		town_party_step(t, STEP_CALLEE_ENDS, i);
	town_run(t, t->clock.now_ms + 10 * TOWN_MINUTE_MS);
	sbc_count(t->sbc, &n);
	if (n.calls || n.admitted) {
		printf("# %u calls are left, %u sessions counted\n", n.calls, n.admitted);
		t->wrong = true;
	}
}

struct town_sum town_sum_of(const struct town *t, const char *prefix)
{
	struct town_sum s = {0};
	for (uint32_t i = 0; i < t->leg_count; i++) {
		const struct town_leg *l = &t->legs[i];
		const char *number = l->number[0] == '+' ? l->number + 1 : l->number;
		if (strncmp(number, prefix, strlen(prefix)) != 0)
			continue;
		s.reached++;
		s.answered += l->answered_ms > 0;
		if (l->answered_ms)
			s.talked_ms += (l->over ? l->ended_ms : t->clock.now_ms) - l->answered_ms;
	}
	return s;
}

uint32_t town_refused_by(const struct town *t, const char *rule)
{
	for (uint32_t i = 0; i < t->refusal_count; i++)
		if (strcmp(t->refusals[i].rule, rule) == 0)
			return t->refusals[i].count;
	return 0;
}
