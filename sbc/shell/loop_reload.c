/*
 * The configuration anew. A thread reads and checks it, tables and keys with it, which may take seconds; the calls go on meanwhile.
 * The loop then looks whether it may follow the one in use, and changes over between two turns.
 */
#include "loop_impl.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sbc/shell/reload.h"

enum { REPLY_BYTES = 256 * 1024, LINES_BYTES = 32 * 1024, LINES_LOGGED = 6 };

/* One reading. It is the thread's from its start until it has said so by `done_fd`. */
struct reload_work {
	struct loop *loop;
	pthread_t thread;
	bool has_thread;
	int done_fd;
	struct watch *watch;
	struct loop_source source;
	uint32_t generation;
	enum err e;
	struct settings *made;
	struct tls_set *tls;
	struct buf errors, warnings;
	char mem[2][LINES_BYTES];
};

/* ---- taking it into use ---- */

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
static bool take_up(struct loop *l, struct reload_work *w)
{
	enum err e = w->e;
	loop_free_old_settings(l);
	if (!e)
		e = reload_check(l->settings.now, w->made, &w->errors);
	if (!e && l->settings.old_count == LOOP_GENERATIONS_MAX) {
		buf_lit(&w->errors, "calls of too many older configurations are still going on\n");
		e = ERR_FULL;
	}
	if (!e)
		e = cert_fetch_apply(l->certs, &w->made->verifier, &w->errors);
	if (e)
		return false;
	apply(l, w->made, w->tls);
	w->made = NULL;
	w->tls = NULL;
	return true;
}

/* ---- what is said of it ---- */

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

static void reply(struct loop *l, struct control_asker to, bool good, const struct buf *errors,
		  const struct buf *warnings)
{
	char *p = malloc(REPLY_BYTES);
	struct buf b;
	buf_init(&b, p, p ? REPLY_BYTES : 0);
	buf_printf(&b, "{\"ok\":%s", good ? "true" : "false");
	write_lines(&b, "errors", buf_view(errors));
	write_lines(&b, "warnings", buf_view(warnings));
	buf_lit(&b, "}\n");
	control_reply(l->pages.control, to, p ? buf_view(&b) : STR_NONE);
}

/* ---- reading ---- */

static void *read_it(void *ctx)
{
	struct reload_work *w = ctx;
	w->e = w->source.load(w->source.ctx, &w->made, &w->errors, &w->warnings);
	if (!w->e) {
		/* Sessions of one generation are worth nothing in another. */
		w->made->generation = w->generation;
		w->e = tls_set_new(&w->tls, w->made, &w->errors);
	}
	return NULL;
}

static void *read_in_thread(void *ctx)
{
	struct reload_work *w = ctx;
	const uint64_t one = 1;
	(void)read_it(w);
	while (write(w->done_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	return NULL;
}

static void work_free(struct reload_work *w)
{
	if (w->has_thread)
		(void)pthread_join(w->thread, NULL);
	watch_free(&w->watch);
	if (w->done_fd >= 0)
		(void)close(w->done_fd);
	tls_set_free(&w->tls);
	if (w->made)
		w->source.unload(w->source.ctx, w->made);
	free(w);
}

static void begin(struct loop *l);

static void finish(struct loop *l)
{
	struct loop_reload *r = &l->reload;
	struct reload_work *w = r->work;
	if (w->has_thread)
		(void)pthread_join(w->thread, NULL);
	w->has_thread = false;
	r->work = NULL;
	bool good = take_up(l, w);
	log_reload(l, good, &w->errors);
	for (size_t i = 0; i < r->of_work; i++)
		reply(l, r->askers[i], good, &w->errors, &w->warnings);
	r->asker_count -= r->of_work;
	memmove(r->askers, r->askers + r->of_work, r->asker_count * sizeof(r->askers[0]));
	work_free(w);
	if (r->again)
		begin(l);
}

static void on_done(void *ctx, unsigned ready)
{
	struct loop *l = ctx;
	(void)ready;
	turn_begin(&l->turn);
	finish(l);
}

static bool start_thread(struct reload_work *w)
{
	sigset_t all, before;
	w->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->done_fd < 0 ||
	    watch_new(&w->watch, w->loop->turn.loop, w->done_fd, on_done, w->loop) != OK ||
	    watch_set(w->watch, WATCH_READ) != OK)
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	w->has_thread = pthread_create(&w->thread, NULL, read_in_thread, w) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return w->has_thread;
}

static void begin(struct loop *l)
{
	struct loop_reload *r = &l->reload;
	struct reload_work *w = calloc(1, sizeof(*w));
	struct buf none = {0};
	r->again = false;
	r->of_work = r->asker_count;
	if (!w) {
		log_one(l, "reload_refused", str_from(err_text(ERR_NOMEM)));
		for (size_t i = 0; i < r->asker_count; i++)
			reply(l, r->askers[i], false, &none, &none);
		r->asker_count = 0;
		return;
	}
	w->loop = l;
	w->done_fd = -1;
	w->source = l->settings.source;
	w->generation = l->settings.now->generation + 1;
	buf_init(&w->errors, w->mem[0], sizeof(w->mem[0]));
	buf_init(&w->warnings, w->mem[1], sizeof(w->mem[1]));
	r->work = w;
	/* Where there is no thread to be had the calls wait for it. */
	if (!start_thread(w)) {
		(void)read_it(w);
		finish(l);
	}
}

void loop_reload_ask(struct loop *l, struct control_asker asker)
{
	struct loop_reload *r = &l->reload;
	/* There are as many places as clients: one that is full holds askers that have hung up. */
	if (asker.number && r->asker_count == ARRAY_LEN(r->askers)) {
		r->asker_count--;
		memmove(r->askers, r->askers + 1, r->asker_count * sizeof(r->askers[0]));
		r->of_work -= r->of_work > 0;
	}
	if (asker.number)
		r->askers[r->asker_count++] = asker;
	/* What is being read may be older than the question. */
	r->again = r->work != NULL;
	if (!r->work)
		begin(l);
}

void loop_reload_release(struct loop *l)
{
	if (l->reload.work)
		work_free(l->reload.work);
	l->reload.work = NULL;
}
