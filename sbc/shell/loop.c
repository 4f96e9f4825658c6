#include "loop_impl.h"

#include "common/sdnotify.h"
#include "sbc/core/cdr.h"
#include "sbc/shell/clock.h"

enum { FLUSH_ROUNDS = 8, STOP_LOOK_MS = 50 };

/* ---- ports ---- */

static void port_send(void *ctx, const struct dest *d, struct str bytes, id_t64 tag)
{
	struct loop *l = ctx;
	if (l->turn.trace) {
		/* Of a connection that is there its own address, not the one that Via names. */
		struct flow flow = d->flow;
		(void)flow_find(&l->flows, d->flow.id, &flow);
		l->turn.trace(l->turn.trace_ctx, true, &flow, bytes);
	}
	if (d->flow.transport != TRANSPORT_UDP)
		flow_send(&l->flows, d, bytes, tag);
	else if (d->flow.listener < l->settings.now->listener_count &&
		 l->udps[d->flow.listener].turn)
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

static void port_opine(void *ctx, const struct opinion_query *q, id_t64 id)
{
	struct loop *l = ctx;
	opinion_client_ask(&l->opinion, q, id);
}

static void port_publish(void *ctx, const struct notice *n)
{
	struct loop *l = ctx;
	sbc_metrics_notice(&l->words.metrics, n);
	if (n->type == NOTICE_BAN) {
		ban_file_note(&l->bans.file);
		ban_kernel_notice(&l->bans.kernel, n);
	}
	if (!n->cdr) /* of a call that ended, or of an INVITE that became none */
		return;
	struct buf b;
	buf_init(&b, l->words.cdr_line, LOOP_CDR_BYTES);
	cdr_write(&b, n->cdr);
	if (NEVER(b.overflow))
		return;
	for (size_t i = 0; i < l->words.cdr_count; i++)
		cdr_file_add(l->words.cdrs[i], buf_view(&b));
}

static void port_close(void *ctx, id_t64 flow)
{
	struct loop *l = ctx;
	flow_close(&l->flows, flow);
}

void loop_core_step(void *ctx, const struct event *e)
{
	struct loop *l = ctx;
	if (!cert_fetch_take(l->certs, e))
		sbc_step(l->sbc, e);
}

static void port_credential(void *ctx, struct str url, id_t64 id)
{
	struct loop *l = ctx;
	cert_fetch_ask(l->certs, url, id);
}

static void port_store(void *ctx, const struct store_op *op)
{
	struct loop *l = ctx;
	store_post(&l->store, op);
}

struct ports loop_ports(struct loop *l)
{
	return (struct ports){.ctx = l,
			      .send = port_send,
			      .resolve = port_resolve,
			      .relay = port_relay,
			      .publish = port_publish,
			      .opine = port_opine,
			      .close = port_close,
			      .store = port_store,
			      .credential = port_credential};
}

/* ---- reports ---- */

void loop_on_flow(void *ctx, const struct flow_report *r)
{
	struct loop *l = ctx;
	sbc_metrics_flow(&l->words.metrics, r, l->settings.now, l->turn.wall_ms);
}

void loop_on_relay(void *ctx, const struct relay *r)
{
	struct loop *l = ctx;
	sbc_metrics_relay(&l->words.metrics, r, l->turn.wall_ms);
}

void loop_on_store(void *ctx, const struct store_view *v)
{
	struct loop *l = ctx;
	log_start(&l->words.log, v->up ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
		  v->up ? "store_up" : "store_down", STR_NONE, l->turn.wall_ms);
	log_str(&l->words.log, "server", str_from(v->server));
	log_u64(&l->words.log, "queue", v->queue);
	if (!v->up)
		log_str(&l->words.log, "why", str_from(v->why));
	log_end(&l->words.log);
}

/* ---- timers ---- */

/* What is kept and told of bans, a piece at a time. */
void loop_on_bans(void *ctx)
{
	struct loop *l = ctx;
	const struct ban_time t = {l->turn.now_ms, l->turn.wall_ms};
	const bool file = ban_file_tick(&l->bans.file, l->sbc, t, false, &l->words.log);
	const bool kernel =
		ban_kernel_tick(&l->bans.kernel, l->settings.now, l->sbc, t, &l->words.log);
	if (file || kernel)
		turn_timer_set(&l->turn, &l->bans_more, l->turn.now_ms + LOOP_BANS_MS);
}

void loop_on_second(void *ctx)
{
	struct loop *l = ctx;
	turn_timer_set(&l->turn, &l->second, l->turn.now_ms + LOOP_SECOND_MS);
	log_tick(&l->words.log, l->turn.wall_ms);
	loop_on_bans(l);
	geo_tick(l->geo);
	sheets_tick(&l->sheets, l->turn.now_ms);
	destinations_watch_tick(&l->destinations, l->turn.now_ms);
	loop_free_old_settings(l);
	if (l->settings.old_tls && l->turn.now_ms >= l->settings.old_tls_until_ms)
		tls_set_free(&l->settings.old_tls);
}

void loop_on_watchdog(void *ctx)
{
	struct loop *l = ctx;
	sdnotify("WATCHDOG=1");
	turn_timer_set(&l->turn, &l->watchdog, l->turn.now_ms + l->watchdog_ms);
}

/* ---- running ---- */

static void send_all(struct loop *l)
{
	for (size_t i = 0; i < l->settings.now->listener_count; i++)
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
		store_flush(&l->store);
		(void)turn_deliver(&l->turn);
		cert_fetch_flush(l->certs);
		send_all(l);
		if (l->turn.posted_count == 0 && !l->resolver.is_dirty)
			break;
	}
	if (l->turn.posted_count > 0 || l->resolver.is_dirty)
		l->turn.again = true;
	for (size_t i = 0; i < l->words.cdr_count; i++)
		cdr_file_flush(l->words.cdrs[i]);
	log_out_flush(&l->words.out);
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
	uint64_t now = clock_mono_ms();
	turn_waits(&l->turn, now);
	if (l->turn.again)
		return 0;
	if (next == UINT64_MAX)
		return UINT64_MAX;
	return next > now ? next - now : 0;
}

static bool is_over(struct loop *l)
{
	if (l->stop_ms == 0)
		return false;
	return sbc_is_quiet(l->sbc) || clock_mono_ms() >= l->stop_ms;
}

void loop_run(struct loop *l)
{
	while (!is_over(l)) {
		uint64_t wait = wait_ms(l);
		l->turn.again = false;
		flow_handshakes(&l->flows);
		watch_loop_wait(l->turn.loop,
				l->stop_ms && wait > STOP_LOOK_MS ? STOP_LOOK_MS : wait);
		turn_begin(&l->turn);
		run_timers(l);
		end_turn(l);
	}
	/* No call without its CDR, whatever it still waits for; and what was said last still goes out. */
	struct event e = {.type = EVENT_STOP};
	turn_begin(&l->turn);
	turn_step(&l->turn, &e);
	flow_drain(&l->flows);
	end_turn(l);
}
