#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "sbc/core/cdr.h"
#include "sbc/core/sbc.h"
#include "sbc/shell/cdr_file.h"
#include "sbc/shell/clock.h"
#include "sbc/shell/control.h"
#include "sbc/shell/flow.h"
#include "sbc/shell/http.h"
#include "sbc/shell/log_out.h"
#include "sbc/shell/sbc_metrics.h"
#include "sbc/shell/relay_client.h"
#include "sbc/shell/reload.h"
#include "sbc/shell/resolve.h"
#include "common/sdnotify.h"
#include "sbc/shell/status.h"
#include "sbc/shell/trace.h"
#include "sbc/shell/udp.h"

enum { WORKER = 0, HTTP_MAX = 8, FLUSH_ROUNDS = 8, SECOND_MS = 1000, REPLY_BYTES = 256 * 1024 };

struct loop {
	struct turn turn;
	struct sbc *sbc;
	struct settings *settings;
	struct settings *old[LOOP_GENERATIONS_MAX]; /* that calls may still use */
	size_t old_count;
	struct loop_source source;
	struct rng rng;
	struct tls_set *tls, *old_tls; /* old: handshakes may be under way with it */
	uint64_t old_tls_until_ms;
	struct dgram_in in;
	struct udp *udps; /* by listener; those that are streams are empty */
	struct flow_table flows;
	struct resolver resolver;
	struct relay_client relays;
	struct cdr_file *cdrs[SBC_METRICS_CDRS_MAX];
	size_t cdr_count;
	struct http *https[HTTP_MAX];
	size_t http_count;
	struct control *control;
	struct log_out log_out;
	struct log log;
	struct trace trace;
	struct sbc_metrics metrics;
	struct watch *signals[4];
	struct turn_timer second, watchdog;
	uint64_t watchdog_ms, began_ms, stop_ms; /* stop_ms: 0, or when it ends at the latest */
	bool flows_ready, resolver_ready, relays_ready, metrics_ready, in_ready, turn_ready;
	char *cdr_line;
};

/* ---- ports ---- */

static void port_send(void *ctx, const struct dest *d, struct str bytes, id_t64 tag)
{
	struct loop *l = ctx;
	if (l->turn.trace)
		l->turn.trace(l->turn.trace_ctx, true, &d->flow, bytes);
	if (d->flow.transport != TRANSPORT_UDP)
		flow_send(&l->flows, d, bytes, tag);
	else if (d->flow.listener < l->settings->listener_count && l->udps[d->flow.listener].turn)
		udp_send(&l->udps[d->flow.listener], &d->flow.remote, bytes, tag);
	else
		turn_post_failed(&l->turn, tag, SEND_FAILURE_CONNECT);
}

static void port_resolve(void *ctx, const struct resolve_query *q, id_t64 id)
{
	struct loop *l = ctx;
	resolver_ask(&l->resolver, q, id);
}

static void port_relay(void *ctx, const struct relay_query *q, id_t64 id)
{
	struct loop *l = ctx;
	relay_client_ask(&l->relays, q, id);
}

static void port_publish(void *ctx, const struct notice *n)
{
	struct loop *l = ctx;
	sbc_metrics_notice(&l->metrics, n);
	if (n->type != NOTICE_CALL_ENDED || !n->cdr)
		return;
	struct buf b;
	buf_init(&b, l->cdr_line, LOOP_CDR_BYTES);
	cdr_write(&b, n->cdr);
	if (NEVER(b.overflow))
		return;
	for (size_t i = 0; i < l->cdr_count; i++)
		cdr_file_add(l->cdrs[i], buf_view(&b));
}

static void port_close(void *ctx, id_t64 flow)
{
	struct loop *l = ctx;
	flow_close(&l->flows, flow);
}

static void core_step(void *ctx, const struct event *e)
{
	struct loop *l = ctx;
	sbc_step(l->sbc, e);
}

/* ---- reports ---- */

static void on_flow_report(void *ctx, const struct flow_report *r)
{
	struct loop *l = ctx;
	sbc_metrics_flow(&l->metrics, r, l->settings, l->turn.wall_ms);
}

static void on_relay_changed(void *ctx, const struct relay *r)
{
	struct loop *l = ctx;
	sbc_metrics_relay(&l->metrics, r, l->turn.wall_ms);
}

static struct sbc_facts facts_of(struct loop *l)
{
	turn_begin(&l->turn);
	return (struct sbc_facts){.settings = l->settings,
				  .sbc = l->sbc,
				  .flows = &l->flows,
				  .relays = &l->relays,
				  .tls = l->tls,
				  .shell = &l->turn.stats,
				  .cdrs = l->cdrs,
				  .cdr_count = l->cdr_count,
				  .uptime_ms = l->turn.now_ms - l->began_ms,
				  .wall_ms = l->turn.wall_ms};
}

static void page_metrics(void *ctx, struct buf *b)
{
	struct loop *l = ctx;
	struct sbc_facts f = facts_of(l);
	sbc_metrics_write(&l->metrics, b, &f);
}

static bool page_health(void *ctx, struct buf *b)
{
	struct loop *l = ctx;
	struct sbc_counts c;
	sbc_count(l->sbc, &c);
	buf_printf(b, "{\"status\":\"%s\",\"calls\":%u}\n", l->stop_ms ? "draining" : "ok",
		   c.calls);
	return l->stop_ms == 0;
}

/* ---- reload ---- */

static void free_old_settings(struct loop *l)
{
	size_t kept = 0;
	for (size_t i = 0; i < l->old_count; i++) {
		if (sbc_uses_settings(l->sbc, l->old[i]))
			l->old[kept++] = l->old[i];
		else
			l->source.unload(l->source.ctx, l->old[i]);
	}
	l->old_count = kept;
}

static void apply(struct loop *l, struct settings *s, struct tls_set *tls)
{
	struct event e = {.type = EVENT_SETTINGS, .settings = s};
	s->generation = l->settings->generation + 1;
	l->old[l->old_count++] = l->settings;
	l->settings = s;
	tls_set_free(&l->old_tls);
	l->old_tls = l->tls;
	l->old_tls_until_ms = l->turn.now_ms + s->limits.half_open_ms + SECOND_MS;
	l->tls = tls;
	flow_apply(&l->flows, tls, &s->limits);
	resolver_reload(&l->resolver);
	l->log.level = (enum log_level)s->log.level;
	l->turn.trace = s->log.sip ? trace_message : NULL;
	l->trace.settings = s;
	for (size_t i = 0; i < l->cdr_count; i++)
		cdr_file_reopen(l->cdrs[i]);
	turn_step(&l->turn, &e);
	free_old_settings(l);
}

/* Nothing live is touched before all of the new is known to be good. */
static bool reload(struct loop *l, struct buf *errors, struct buf *warnings)
{
	struct settings *s = NULL;
	struct tls_set *tls = NULL;
	turn_begin(&l->turn);
	free_old_settings(l);
	if (l->source.load(l->source.ctx, &s, errors, warnings) != OK)
		return false;
	enum err e = reload_check(l->settings, s, errors);
	if (!e && l->old_count == LOOP_GENERATIONS_MAX) {
		buf_lit(errors, "calls of too many older configurations are still going on\n");
		e = ERR_FULL;
	}
	if (!e) {
		/* Sessions of one generation are worth nothing in another. */
		s->generation = l->settings->generation + 1;
		e = tls_set_new(&tls, s, errors);
	}
	if (e) {
		l->source.unload(l->source.ctx, s);
		return false;
	}
	apply(l, s, tls);
	return true;
}

static void log_reload(struct loop *l, bool good, const struct buf *errors)
{
	log_start(&l->log, good ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
		  good ? "reloaded" : "reload_refused", STR_NONE, l->turn.wall_ms);
	log_u64(&l->log, "generation", l->settings->generation);
	if (!good)
		log_str(&l->log, "why", str_trim(buf_view(errors)));
	log_end(&l->log);
}

static bool reload_and_log(struct loop *l, struct buf *errors, struct buf *warnings)
{
	bool good = reload(l, errors, warnings);
	log_reload(l, good, errors);
	return good;
}

/* ---- the operator ---- */

static void write_lines(struct buf *b, const char *key, struct str lines)
{
	struct str line;
	bool first = true;
	buf_printf(b, ",\"%s\":[", key);
	while (str_cut(&lines, '\n', &line)) {
		if (line.len == 0)
			continue;
		if (!first)
			buf_char(b, ',');
		first = false;
		buf_json_str(b, line);
	}
	buf_char(b, ']');
}

static void command_reload(struct loop *l, struct buf *b)
{
	char mem[2][REPLY_BYTES / 8];
	struct buf errors, warnings;
	buf_init(&errors, mem[0], sizeof(mem[0]));
	buf_init(&warnings, mem[1], sizeof(mem[1]));
	bool good = reload_and_log(l, &errors, &warnings);
	buf_printf(b, "{\"ok\":%s", good ? "true" : "false");
	write_lines(b, "errors", buf_view(&errors));
	write_lines(b, "warnings", buf_view(&warnings));
	buf_lit(b, "}\n");
}

static struct str on_command(void *ctx, struct str command)
{
	struct loop *l = ctx;
	struct sbc_counts c;
	struct sbc_facts f = facts_of(l);
	sbc_count(l->sbc, &c);
	size_t cap = REPLY_BYTES;
	if (str_eq(command, STR("calls")))
		cap = status_calls_size(c.calls);
	char *p = malloc(cap);
	if (!p)
		return STR_NONE;
	struct buf b;
	buf_init(&b, p, cap);
	if (str_eq(command, STR("status")))
		status_write(&b, &l->metrics, &f, l->turn.now_ms);
	else if (str_eq(command, STR("calls")))
		status_write_calls(&b, &f, l->turn.now_ms);
	else if (str_eq(command, STR("reload")))
		command_reload(l, &b);
	else
		buf_lit(&b, "{\"error\":\"unknown command; known: status, calls, reload\"}\n");
	if (b.overflow) {
		buf_reset(&b);
		buf_lit(&b, "{\"error\":\"the answer is too long\"}\n");
	}
	return buf_view(&b);
}

static void on_signal(void *ctx, unsigned signal)
{
	struct loop *l = ctx;
	struct event e = {.type = EVENT_DRAIN};
	turn_begin(&l->turn);
	if (signal == SIGHUP) {
		char mem[2][4096];
		struct buf errors, warnings;
		buf_init(&errors, mem[0], sizeof(mem[0]));
		buf_init(&warnings, mem[1], sizeof(mem[1]));
		(void)reload_and_log(l, &errors, &warnings);
		return;
	}
	if (l->stop_ms) { /* the second time: now */
		l->stop_ms = l->turn.now_ms;
		return;
	}
	sdnotify("STOPPING=1");
	l->stop_ms = l->turn.now_ms + LOOP_DRAIN_MS;
	turn_step(&l->turn, &e);
}

/* ---- timers ---- */

static void on_second(void *ctx)
{
	struct loop *l = ctx;
	turn_timer_set(&l->turn, &l->second, l->turn.now_ms + SECOND_MS);
	log_tick(&l->log, l->turn.wall_ms);
	free_old_settings(l);
	if (l->old_tls && l->turn.now_ms >= l->old_tls_until_ms)
		tls_set_free(&l->old_tls);
}

static void on_watchdog(void *ctx)
{
	struct loop *l = ctx;
	sdnotify("WATCHDOG=1");
	turn_timer_set(&l->turn, &l->watchdog, l->turn.now_ms + l->watchdog_ms);
}

/* ---- making ---- */

static enum err fail(struct buf *why, enum err e, const char *what, struct str name)
{
	int saved = errno;
	buf_printf(why, "%s %.*s: %s", what, STR_ARG(name),
		   e == ERR_IO ? strerror(saved) : err_text(e));
	return e;
}

static enum err fail_listen(struct buf *why, enum err e, const struct settings *s,
			    const struct listener *l)
{
	char mem[128];
	struct buf b;
	int saved = errno;
	buf_init(&b, mem, sizeof(mem));
	buf_str(&b, transport_name(l->transport));
	buf_char(&b, ' ');
	addr_write(&b, &l->local);
	buf_printf(&b, " (realm %.*s)", STR_ARG(s->realms[l->realm].name));
	errno = saved;
	return fail(why, e, "cannot listen on", buf_view(&b));
}

static enum err open_listeners(struct loop *l, struct buf *why)
{
	const struct settings *s = l->settings;
	l->udps = calloc(s->listener_count + 1, sizeof(*l->udps));
	if (!l->udps)
		return fail(why, ERR_NOMEM, "cannot start", STR_NONE);
	for (size_t i = 0; i < s->listener_count; i++) {
		const struct listener *at = &s->listeners[i];
		enum err e =
			at->transport == TRANSPORT_UDP
				? udp_open(&l->udps[i], &l->turn, &l->in, (uint16_t)i, &at->local)
				: flow_listen(&l->flows, (uint16_t)i);
		if (e) {
			l->udps[i].turn = NULL; /* udp_open left nothing behind */
			return fail_listen(why, e, s, at);
		}
	}
	return OK;
}

static enum err open_cdrs(struct loop *l, struct buf *why)
{
	const struct settings *s = l->settings;
	l->cdr_line = malloc(LOOP_CDR_BYTES);
	if (!l->cdr_line || s->cdr_count > SBC_METRICS_CDRS_MAX)
		return fail(why, l->cdr_line ? ERR_LIMIT : ERR_NOMEM, "cannot write CDRs",
			    STR_NONE);
	for (size_t i = 0; i < s->cdr_count; i++) {
		enum err e = cdr_file_new(&l->cdrs[i], &s->cdrs[i]);
		if (e)
			return fail(why, e, "cannot write CDRs to", s->cdrs[i].path);
		l->cdr_count++;
	}
	return OK;
}

static enum err open_pages(struct loop *l, struct buf *why)
{
	const struct settings *s = l->settings;
	struct http_pages pages = {page_metrics, page_health, l};
	for (size_t i = 0; i < s->http_count && i < HTTP_MAX; i++) {
		char mem[64];
		struct buf b;
		enum err e =
			http_new(&l->https[i], watch_loop_base(l->turn.loop), &s->https[i], &pages);
		if (e) {
			int saved = errno;
			buf_init(&b, mem, sizeof(mem));
			addr_write(&b, &s->https[i].local);
			errno = saved;
			return fail(why, e, "cannot listen on http", buf_view(&b));
		}
		l->http_count++;
	}
	if (s->control_path.len == 0)
		return OK;
	enum err e = control_new(&l->control, &l->turn, s->control_path, on_command, l);
	if (e == ERR_EXISTS) {
		buf_printf(why, "another process answers on %.*s", STR_ARG(s->control_path));
		return e;
	}
	return e ? fail(why, e, "cannot open control socket", s->control_path) : OK;
}

static enum err open_signals(struct loop *l)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		enum err e =
			watch_signal_new(&l->signals[i], l->turn.loop, numbers[i], on_signal, l);
		if (e)
			return e;
	}
	return OK;
}

static enum err start_core(struct loop *l)
{
	struct sbc_params p = {.settings = l->settings,
			       .ports = {.ctx = l,
					 .send = port_send,
					 .resolve = port_resolve,
					 .relay = port_relay,
					 .publish = port_publish,
					 .close = port_close},
			       .worker = WORKER,
			       .now_ms = l->turn.now_ms,
			       .wall_ms = l->turn.wall_ms};
	clock_random(p.seed, sizeof(p.seed));
	return sbc_new(&l->sbc, &p);
}

static enum err start_flows(struct loop *l)
{
	struct flow_params p = {.turn = &l->turn,
				.settings = l->settings,
				.tls = l->tls,
				.worker = WORKER,
				.report = on_flow_report,
				.report_ctx = l};
	enum err e = flow_table_init(&l->flows, &p);
	l->flows_ready = !e;
	return e;
}

static enum err start_logs(struct loop *l, const struct loop_params *p)
{
	enum err e = log_out_init(&l->log_out, p->log_fd, &l->turn.stats.log_lost);
	log_init(&l->log, log_out_line, &l->log_out);
	l->log.level = (enum log_level)l->settings->log.level;
	l->log.has_priority = p->log_priority;
	trace_init(&l->trace, log_out_line, &l->log_out, l->settings);
	l->trace.log.has_priority = p->log_priority;
	l->turn.trace = l->settings->log.sip ? trace_message : NULL;
	l->turn.trace_ctx = &l->trace;
	l->trace.turn = &l->turn;
	if (!e)
		e = sbc_metrics_init(&l->metrics, &l->log);
	l->metrics_ready = !e;
	return e;
}

/* All that needs nothing but memory. */
static enum err start_parts(struct loop *l, const struct loop_params *p, struct buf *why)
{
	const struct settings *s = l->settings;
	uint8_t seed[RNG_SEED_LEN];
	clock_random(seed, sizeof(seed));
	rng_init(&l->rng, seed);
	enum err e = start_logs(l, p);
	if (!e)
		e = dgram_in_init(&l->in, DGRAM_MAX);
	l->in_ready = !e;
	if (!e)
		e = start_core(l);
	if (e)
		return fail(why, e, "cannot start", STR_NONE);
	e = tls_set_new(&l->tls, s, why);
	if (e)
		return e;
	e = start_flows(l);
	if (!e) {
		e = resolver_init(&l->resolver, &l->turn, &l->rng, s->resolver);
		l->resolver_ready = !e;
	}
	if (!e) {
		e = relay_client_init(&l->relays, &l->turn, &l->in, &l->rng, s);
		l->relays_ready = !e;
		l->relays.changed = on_relay_changed;
		l->relays.changed_ctx = l;
	}
	return e ? fail(why, e, "cannot start", STR_NONE) : OK;
}

static void start_timers(struct loop *l)
{
	turn_timer_init(&l->second, on_second, l);
	turn_timer_set(&l->turn, &l->second, l->turn.now_ms + SECOND_MS);
	turn_timer_init(&l->watchdog, on_watchdog, l);
	l->watchdog_ms = sdnotify_watchdog_ms();
	if (l->watchdog_ms)
		turn_timer_set(&l->turn, &l->watchdog, l->turn.now_ms);
	l->began_ms = l->turn.now_ms;
}

enum err loop_new(struct loop **out, const struct loop_params *p, struct buf *why)
{
	struct loop *l = calloc(1, sizeof(*l));
	if (!l)
		return fail(why, ERR_NOMEM, "cannot start", STR_NONE);
	l->settings = p->settings;
	l->source = p->source;
	enum err e = turn_init(&l->turn, core_step, l);
	l->turn_ready = !e;
	if (!e)
		e = start_parts(l, p, why);
	if (!e)
		e = open_listeners(l, why);
	if (!e)
		e = open_cdrs(l, why);
	if (!e)
		e = open_pages(l, why);
	if (!e)
		e = open_signals(l);
	if (e) {
		if (why->len == 0)
			(void)fail(why, e, "cannot start", STR_NONE);
		l->settings = NULL; /* they stay the caller's */
		loop_free(&l);
		return e;
	}
	start_timers(l);
	*out = l;
	return OK;
}

void loop_free(struct loop **loop)
{
	struct loop *l = *loop;
	if (!l)
		return;
	/* Nobody comes in any more. */
	control_free(&l->control);
	for (size_t i = 0; i < l->http_count; i++)
		http_free(&l->https[i]);
	for (size_t i = 0; i < ARRAY_LEN(l->signals); i++)
		watch_free(&l->signals[i]);
	/* The core, before what it posts to. */
	sbc_free(&l->sbc);
	if (l->relays_ready)
		relay_client_release(&l->relays);
	if (l->resolver_ready)
		resolver_release(&l->resolver);
	if (l->flows_ready)
		flow_table_release(&l->flows);
	for (size_t i = 0; l->udps && l->settings && i < l->settings->listener_count; i++)
		if (l->udps[i].turn)
			udp_close(&l->udps[i]);
	free(l->udps);
	if (l->in_ready)
		dgram_in_release(&l->in);
	tls_set_free(&l->old_tls);
	tls_set_free(&l->tls);
	/* CDRs wait for the disk here, as long as it takes. */
	for (size_t i = 0; i < l->cdr_count; i++)
		cdr_file_free(&l->cdrs[i]);
	free(l->cdr_line);
	if (l->metrics_ready)
		sbc_metrics_release(&l->metrics);
	log_out_release(&l->log_out);
	if (l->turn_ready)
		turn_release(&l->turn);
	for (size_t i = 0; i < l->old_count; i++)
		l->source.unload(l->source.ctx, l->old[i]);
	if (l->settings)
		l->source.unload(l->source.ctx, l->settings);
	free(l);
	*loop = NULL;
}

/* ---- running ---- */

static void send_all(struct loop *l)
{
	for (size_t i = 0; i < l->settings->listener_count; i++)
		if (l->udps[i].turn)
			udp_flush(&l->udps[i]);
	relay_client_flush(&l->relays);
	flow_flush(&l->flows);
}

/* What was queued goes out; what that brings to light goes to the core, whose answers go out too. */
static void end_turn(struct loop *l)
{
	for (unsigned round = 0; round < FLUSH_ROUNDS; round++) {
		resolver_flush(&l->resolver);
		(void)turn_deliver(&l->turn);
		send_all(l);
		if (l->turn.posted_count == 0 && !l->resolver.is_dirty)
			break;
	}
	if (l->turn.posted_count > 0 || l->resolver.is_dirty)
		l->turn.again = true;
	for (size_t i = 0; i < l->cdr_count; i++)
		cdr_file_flush(l->cdrs[i]);
	log_out_flush(&l->log_out);
	flow_reap(&l->flows);
	turn_end(&l->turn);
}

static void run_timers(struct loop *l)
{
	turn_expire(&l->turn);
	if (sbc_next_ms(l->sbc) <= l->turn.now_ms) {
		struct event e = {.type = EVENT_TICK};
		turn_step(&l->turn, &e);
	}
}

static uint64_t wait_ms(struct loop *l)
{
	uint64_t core = sbc_next_ms(l->sbc), own = wheel_next_ms(&l->turn.wheel);
	uint64_t next = core < own ? core : own;
	if (l->turn.again)
		return 0;
	if (next == UINT64_MAX)
		return UINT64_MAX;
	uint64_t now = clock_mono_ms();
	return next > now ? next - now : 0;
}

static bool is_over(struct loop *l)
{
	struct sbc_counts c;
	if (l->stop_ms == 0)
		return false;
	sbc_count(l->sbc, &c);
	return c.calls == 0 || clock_mono_ms() >= l->stop_ms;
}

void loop_run(struct loop *l)
{
	while (!is_over(l)) {
		uint64_t wait = wait_ms(l);
		l->turn.again = false;
		flow_handshakes(&l->flows);
		watch_loop_wait(l->turn.loop, l->stop_ms && wait > 50 ? 50 : wait);
		turn_begin(&l->turn);
		run_timers(l);
		end_turn(l);
	}
	/* What was said last still goes out. */
	turn_begin(&l->turn);
	flow_drain(&l->flows);
	end_turn(l);
}
