#include "loop_impl.h"

#include <signal.h>
#include <stdlib.h>

#include "common/sdnotify.h"
#include "sbc/shell/ban_command.h"
#include "sbc/core/explain_args.h"
#include "sbc/shell/shared_calls.h"
#include "sbc/shell/status.h"

enum { REPLY_BYTES = 256 * 1024 };

static struct sbc_facts facts_of(struct loop *l)
{
	turn_begin(&l->turn);
	l->turn.stats.udp_overflow = 0;
	for (size_t i = 0; i < l->settings.now->listener_count; i++)
		if (l->udps[i].turn)
			l->turn.stats.udp_overflow += udp_overflow(&l->udps[i]);
	return (struct sbc_facts){.settings = l->settings.now,
				  .sbc = l->sbc,
				  .flows = &l->flows,
				  .relays = &l->relays,
				  .tls = l->settings.tls,
				  .geo = l->geo,
				  .shell = &l->turn.stats,
				  .store = &l->store,
				  .cdrs = l->words.cdrs,
				  .cdr_count = l->words.cdr_count,
				  .uptime_ms = l->turn.now_ms - l->began_ms,
				  .wall_ms = l->turn.wall_ms};
}

void loop_page_metrics(void *ctx, struct buf *b)
{
	struct loop *l = ctx;
	struct sbc_facts f = facts_of(l);
	sbc_metrics_write(&l->words.metrics, b, &f);
	store_write_metrics(&l->store, b);
	shared_calls_write_metrics(l->sbc, b);
}

bool loop_page_health(void *ctx, struct buf *b)
{
	struct loop *l = ctx;
	struct sbc_counts c;
	sbc_count(l->sbc, &c);
	buf_printf(b, "{\"status\":\"%s\",\"calls\":%u}\n", l->stop_ms ? "draining" : "ok",
		   c.calls);
	return l->stop_ms == 0;
}

/* ---- the operator ---- */

/* What would become of such a message; nothing is changed. */
static void command_explain(struct loop *l, const struct dict *request, struct buf *b)
{
	char mem[256];
	struct explain_args args;
	struct explanation x;
	struct buf why;
	buf_init(&why, mem, sizeof(mem));
	if (explain_args_read(l->settings.now, request, l->turn.now_ms, l->turn.wall_ms, &args,
			      &why) == OK) {
		if (l->geo)
			geo_mark(l->geo, &args.params.event.message.flow);
		sbc_explain(l->sbc, &args.params, &x);
		sbc_explain_write(b, l->sbc, &x);
		return;
	}
	buf_lit(b, "{\"error\":");
	buf_json_str(b, buf_view(&why));
	buf_lit(b, "}\n");
}

struct str loop_on_command(void *ctx, struct str command, const struct dict *request)
{
	struct loop *l = ctx;
	struct sbc_counts c;
	if (str_eq(command, STR("reload"))) {
		loop_reload_ask(l, control_later(l->pages.control));
		return STR_NONE;
	}
	struct sbc_facts f = facts_of(l);
	sbc_count(l->sbc, &c);
	size_t cap = REPLY_BYTES;
	if (str_eq(command, STR("calls")))
		cap = status_calls_size(c.calls);
	for (unsigned k = 0; k < SUBJECT_KIND_COUNT && str_eq(command, STR("bans")); k++)
		cap += (size_t)c.bans[k] * BAN_COMMAND_BYTES;
	if (str_eq(command, STR("bans")))
		cap += (size_t)c.quarantines * BAN_COMMAND_BYTES;
	char *p = malloc(cap);
	if (!p)
		return STR_NONE;
	struct buf b;
	buf_init(&b, p, cap);
	if (str_eq(command, STR("status")))
		status_write(&b, &l->words.metrics, &f, l->turn.now_ms);
	else if (str_eq(command, STR("calls")))
		status_write_calls(&b, &f, l->turn.now_ms);
	else if (str_eq(command, STR("explain")))
		command_explain(l, request, &b);
	else if (!ban_command(&b, l->sbc, command, request,
			      (struct ban_time){l->turn.now_ms, l->turn.wall_ms}))
		buf_lit(&b, "{\"error\":\"unknown command; known: status, calls, reload, explain, "
			    "bans, ban, unban\"}\n");
	if (b.overflow) {
		buf_reset(&b);
		buf_lit(&b, "{\"error\":\"the answer is too long\"}\n");
	}
	return buf_view(&b);
}

void loop_on_signal(void *ctx, unsigned signal)
{
	struct loop *l = ctx;
	struct event e = {.type = EVENT_STOP};
	turn_begin(&l->turn);
	if (signal == SIGHUP) {
		loop_reload_ask(l, (struct control_asker){0});
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
