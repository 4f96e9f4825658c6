#include "loop_impl.h"

#include <signal.h>
#include <stdlib.h>

#include "common/sdnotify.h"
#include "sbc/shell/ban_command.h"
#include "sbc/core/explain_args.h"
#include "sbc/shell/reload.h"
#include "sbc/shell/shared_calls.h"
#include "sbc/shell/status.h"

enum { REPLY_BYTES = 256 * 1024, LINES_BYTES = 32 * 1024, LINES_LOGGED = 6 };

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

/* ---- reload ---- */

void loop_free_old_settings(struct loop *l)
{
	size_t kept = 0;
	for (size_t i = 0; i < l->settings.old_count; i++) {
		if (sbc_uses_settings(l->sbc, l->settings.old[i]))
			l->settings.old[kept++] = l->settings.old[i];
		else
			l->settings.source.unload(l->settings.source.ctx, l->settings.old[i]);
	}
	l->settings.old_count = kept;
}

static void apply(struct loop *l, struct settings *s, struct tls_set *tls)
{
	struct event e = {.type = EVENT_SETTINGS, .settings = s};
	s->generation = l->settings.now->generation + 1;
	l->settings.old[l->settings.old_count++] = l->settings.now;
	l->settings.now = s;
	tls_set_free(&l->settings.old_tls);
	l->settings.old_tls = l->settings.tls;
	l->settings.old_tls_until_ms = l->turn.now_ms + s->limits.half_open_ms + LOOP_SECOND_MS;
	l->settings.tls = tls;
	flow_apply(&l->flows, tls, s);
	loop_apply_geo(l);
	loop_apply_sheets(l);
	resolver_reload(&l->resolver);
	l->words.log.level = (enum log_level)s->log.level;
	l->turn.trace = s->log.sip ? trace_message : NULL;
	l->words.trace.settings = s;
	for (size_t i = 0; i < l->words.cdr_count; i++)
		cdr_file_reopen(l->words.cdrs[i]);
	turn_step(&l->turn, &e);
	loop_free_old_settings(l);
}

/* Nothing live is touched before all of the new is known to be good. */
static bool reload(struct loop *l, struct buf *errors, struct buf *warnings)
{
	struct settings *s = NULL;
	struct tls_set *tls = NULL;
	turn_begin(&l->turn);
	loop_free_old_settings(l);
	if (l->settings.source.load(l->settings.source.ctx, &s, errors, warnings) != OK)
		return false;
	enum err e = reload_check(l->settings.now, s, errors);
	if (!e && l->settings.old_count == LOOP_GENERATIONS_MAX) {
		buf_lit(errors, "calls of too many older configurations are still going on\n");
		e = ERR_FULL;
	}
	if (!e) {
		/* Sessions of one generation are worth nothing in another. */
		s->generation = l->settings.now->generation + 1;
		e = tls_set_new(&tls, s, errors);
	}
	if (!e) {
		e = cert_fetch_apply(l->certs, &s->verifier, errors);
		if (e)
			tls_set_free(&tls);
	}
	if (e) {
		l->settings.source.unload(l->settings.source.ctx, s);
		return false;
	}
	apply(l, s, tls);
	return true;
}

static void log_one(struct loop *l, const char *event, struct str why)
{
	bool good = why.len == 0;
	log_start(&l->words.log, good ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, event, STR_NONE,
		  l->turn.wall_ms);
	log_u64(&l->words.log, "generation", l->settings.now->generation);
	if (!good)
		log_str(&l->words.log, "why", why);
	log_end(&l->words.log);
}

/* A line for each mistake, as far as the log has patience; `sallyport reload` prints them all. */
static void log_reload(struct loop *l, bool good, const struct buf *errors)
{
	struct str rest = buf_view(errors), line;
	unsigned told = 0, more = 0;
	if (good) {
		log_one(l, "reloaded", STR_NONE);
		return;
	}
	while (str_cut(&rest, '\n', &line)) {
		if (line.len == 0)
			continue;
		if (told < LINES_LOGGED)
			log_one(l, "reload_refused", line);
		told++;
	}
	if (told == 0)
		log_one(l, "reload_refused", STR("it could not be read"));
	more = told > LINES_LOGGED ? told - LINES_LOGGED : 0;
	if (more > 0) {
		char mem[64];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		buf_printf(&b, "%u mistakes more: sallyport check says all", more);
		log_one(l, "reload_refused", buf_view(&b));
	}
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
	char mem[2][LINES_BYTES];
	struct buf errors, warnings;
	buf_init(&errors, mem[0], sizeof(mem[0]));
	buf_init(&warnings, mem[1], sizeof(mem[1]));
	bool good = reload_and_log(l, &errors, &warnings);
	buf_printf(b, "{\"ok\":%s", good ? "true" : "false");
	write_lines(b, "errors", buf_view(&errors));
	write_lines(b, "warnings", buf_view(&warnings));
	buf_lit(b, "}\n");
}

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
	struct sbc_facts f = facts_of(l);
	sbc_count(l->sbc, &c);
	size_t cap = REPLY_BYTES;
	if (str_eq(command, STR("calls")))
		cap = status_calls_size(c.calls);
	for (unsigned k = 0; k < SUBJECT_KIND_COUNT && str_eq(command, STR("bans")); k++)
		cap += (size_t)c.bans[k] * BAN_COMMAND_BYTES;
	char *p = malloc(cap);
	if (!p)
		return STR_NONE;
	struct buf b;
	buf_init(&b, p, cap);
	if (str_eq(command, STR("status")))
		status_write(&b, &l->words.metrics, &f, l->turn.now_ms);
	else if (str_eq(command, STR("calls")))
		status_write_calls(&b, &f, l->turn.now_ms);
	else if (str_eq(command, STR("reload")))
		command_reload(l, &b);
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
