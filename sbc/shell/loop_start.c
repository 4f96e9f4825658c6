#include "loop_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/sockaddr.h"
#include "common/sdnotify.h"
#include "sbc/shell/clock.h"

enum { WORKER = 0 };

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
	const struct settings *s = l->settings.now;
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
		if (at->transport == TRANSPORT_UDP)
			sockaddr_set_dscp(l->udps[i].fd, at->local.family, at->dscp);
	}
	return OK;
}

static enum err open_cdrs(struct loop *l, struct buf *why)
{
	const struct settings *s = l->settings.now;
	l->words.cdr_line = malloc(LOOP_CDR_BYTES);
	if (!l->words.cdr_line || s->cdr_count > SBC_METRICS_CDRS_MAX)
		return fail(why, l->words.cdr_line ? ERR_LIMIT : ERR_NOMEM, "cannot write CDRs",
			    STR_NONE);
	for (size_t i = 0; i < s->cdr_count; i++) {
		enum err e = cdr_file_new(&l->words.cdrs[i], &s->cdrs[i]);
		if (e)
			return fail(why, e, "cannot write CDRs to", s->cdrs[i].path);
		l->words.cdr_count++;
	}
	return OK;
}

static enum err open_pages(struct loop *l, struct buf *why)
{
	const struct settings *s = l->settings.now;
	struct http_pages pages = {loop_page_metrics, loop_page_health, l};
	for (size_t i = 0; i < s->http_count && i < LOOP_HTTP_MAX; i++) {
		char mem[64];
		struct buf b;
		enum err e = http_new(&l->pages.https[i], watch_loop_base(l->turn.loop),
				      &s->https[i], &pages);
		if (e) {
			int saved = errno;
			buf_init(&b, mem, sizeof(mem));
			addr_write(&b, &s->https[i].local);
			errno = saved;
			return fail(why, e, "cannot listen on http", buf_view(&b));
		}
		l->pages.http_count++;
	}
	if (s->control_path.len == 0)
		return OK;
	enum err e = control_new(&l->pages.control, &l->turn, s->control_path, loop_on_command, l);
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
		enum err e = watch_signal_new(&l->pages.signals[i], l->turn.loop, numbers[i],
					      loop_on_signal, l);
		if (e)
			return e;
	}
	return OK;
}

static enum err start_core(struct loop *l)
{
	struct sbc_params p = {.settings = l->settings.now,
			       .ports = loop_ports(l),
			       .worker = WORKER,
			       .now_ms = l->turn.now_ms,
			       .wall_ms = l->turn.wall_ms};
	clock_random(p.seed, sizeof(p.seed));
	return sbc_new(&l->sbc, &p);
}

static enum err start_flows(struct loop *l)
{
	struct flow_params p = {.turn = &l->turn,
				.settings = l->settings.now,
				.tls = l->settings.tls,
				.worker = WORKER,
				.report = loop_on_flow,
				.report_ctx = l};
	enum err e = flow_table_init(&l->flows, &p);
	l->has_flows = !e;
	return e;
}

static enum err start_logs(struct loop *l, const struct loop_params *p)
{
	enum err e = log_out_init(&l->words.out, p->log_fd, &l->turn.stats.log_lost);
	log_init(&l->words.log, log_out_line, &l->words.out);
	l->words.log.level = (enum log_level)l->settings.now->log.level;
	l->words.log.has_priority = p->log_priority;
	trace_init(&l->words.trace, log_out_line, &l->words.out, l->settings.now);
	l->words.trace.log.has_priority = p->log_priority;
	l->turn.trace = l->settings.now->log.sip ? trace_message : NULL;
	l->turn.trace_ctx = &l->words.trace;
	l->words.trace.turn = &l->turn;
	if (!e)
		e = sbc_metrics_init(&l->words.metrics, &l->words.log);
	l->has_metrics = !e;
	return e;
}

/* All that needs nothing but memory. */
static enum err start_parts(struct loop *l, const struct loop_params *p, struct buf *why)
{
	const struct settings *s = l->settings.now;
	uint8_t seed[RNG_SEED_LEN];
	opinion_client_init(&l->opinion, &l->turn);
	clock_random(seed, sizeof(seed));
	rng_init(&l->rng, seed);
	enum err e = start_logs(l, p);
	if (!e)
		e = dgram_in_init(&l->in, DGRAM_MAX);
	l->has_in = !e;
	if (!e)
		e = start_core(l);
	if (e)
		return fail(why, e, "cannot start", STR_NONE);
	e = tls_set_new(&l->settings.tls, s, why);
	if (e)
		return e;
	e = start_flows(l);
	if (!e) {
		e = resolver_init(&l->resolver, &l->turn, &l->rng, s->resolver);
		l->has_resolver = !e;
	}
	if (!e) {
		e = cert_fetch_new(&l->certs, &l->turn, &l->resolver, &s->verifier, why);
		if (e)
			return e;
		e = relay_client_init(&l->relays, &l->turn, &l->in, &l->rng, s);
		l->has_relays = !e;
		l->relays.changed = loop_on_relay;
		l->relays.changed_ctx = l;
	}
	if (!e) {
		const struct store_params params = {.turn = &l->turn,
						    .rng = &l->rng,
						    .settings = s,
						    .changed = loop_on_store,
						    .ctx = l};
		e = store_init(&l->store, &params, why);
		l->has_store = !e;
		if (e && why->len > 0)
			return e;
	}
	return e ? fail(why, e, "cannot start", STR_NONE) : OK;
}

/* Bans of the last run, before anyone is heard. */
static enum err start_bans(struct loop *l, struct buf *why)
{
	const struct ban_time t = {l->turn.now_ms, l->turn.wall_ms};
	const struct settings *s = l->settings.now;
	enum err e = ban_file_init(&l->bans.file, s->bans.file);
	if (e)
		return fail(why, e, "bans.file", s->bans.file);
	ban_kernel_init(&l->bans.kernel, s);
	ban_file_load(&l->bans.file, l->sbc, t, &l->words.log);
	(void)ban_kernel_tick(&l->bans.kernel, l->settings.now, l->sbc, t, &l->words.log);
	return OK;
}

static void start_timers(struct loop *l)
{
	turn_timer_init(&l->bans_more, loop_on_bans, l);
	turn_timer_init(&l->second, loop_on_second, l);
	turn_timer_set(&l->turn, &l->second, l->turn.now_ms + LOOP_SECOND_MS);
	turn_timer_init(&l->watchdog, loop_on_watchdog, l);
	l->watchdog_ms = sdnotify_watchdog_ms();
	if (l->watchdog_ms)
		turn_timer_set(&l->turn, &l->watchdog, l->turn.now_ms);
	l->began_ms = l->turn.now_ms;
}

/* The settings say how many there are. */
static void close_udps(struct loop *l)
{
	for (size_t i = 0; l->udps && i < l->settings.now->listener_count; i++)
		if (l->udps[i].turn)
			udp_close(&l->udps[i]);
	free(l->udps);
	l->udps = NULL;
}

enum err loop_new(struct loop **out, const struct loop_params *p, struct buf *why)
{
	struct loop *l = calloc(1, sizeof(*l));
	if (!l)
		return fail(why, ERR_NOMEM, "cannot start", STR_NONE);
	l->settings.now = p->settings;
	l->settings.source = p->source;
	enum err e = turn_init(&l->turn, loop_core_step, l);
	l->has_turn = !e;
	if (!e)
		e = start_parts(l, p, why);
	if (!e)
		e = start_bans(l, why);
	if (!e)
		e = open_listeners(l, why);
	if (!e)
		e = geo_new(&l->geo, &l->settings.now->geo, loop_on_geo, l);
	if (!e)
		loop_apply_geo(l);
	if (!e)
		loop_apply_sheets(l);
	if (!e)
		e = open_cdrs(l, why);
	if (!e)
		e = open_pages(l, why);
	if (!e)
		e = open_signals(l);
	if (e) {
		if (why->len == 0)
			(void)fail(why, e, "cannot start", STR_NONE);
		close_udps(l);
		l->settings.now = NULL; /* they stay the caller's */
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
	loop_reload_release(l);
	/* Nobody comes in any more. */
	control_free(&l->pages.control);
	for (size_t i = 0; i < l->pages.http_count; i++)
		http_free(&l->pages.https[i]);
	for (size_t i = 0; i < ARRAY_LEN(l->pages.signals); i++)
		watch_free(&l->pages.signals[i]);
	if (l->sbc)
		(void)ban_file_tick(&l->bans.file, l->sbc,
				    (struct ban_time){l->turn.now_ms, l->turn.wall_ms}, true,
				    &l->words.log);
	ban_kernel_release(&l->bans.kernel);
	/* The core, before what it posts to. */
	sbc_free(&l->sbc);
	if (l->has_store)
		store_release(&l->store);
	if (l->has_relays)
		relay_client_release(&l->relays);
	if (l->has_resolver)
		resolver_release(&l->resolver);
	if (l->has_flows)
		flow_table_release(&l->flows);
	close_udps(l);
	opinion_client_release(&l->opinion);
	geo_free(&l->geo);
	sheets_release(&l->sheets);
	destinations_watch_release(&l->destinations);
	cert_fetch_free(&l->certs);
	if (l->has_in)
		dgram_in_release(&l->in);
	tls_set_free(&l->settings.old_tls);
	tls_set_free(&l->settings.tls);
	/* CDRs wait for the disk here, as long as it takes. */
	for (size_t i = 0; i < l->words.cdr_count; i++)
		cdr_file_free(&l->words.cdrs[i]);
	free(l->words.cdr_line);
	if (l->has_metrics)
		sbc_metrics_release(&l->words.metrics);
	log_out_release(&l->words.out);
	if (l->has_turn)
		turn_release(&l->turn);
	for (size_t i = 0; i < l->settings.old_count; i++)
		l->settings.source.unload(l->settings.source.ctx, l->settings.old[i]);
	if (l->settings.now)
		l->settings.source.unload(l->settings.source.ctx, l->settings.now);
	free(l);
	*loop = NULL;
}
