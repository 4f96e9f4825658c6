#include "sbc/shell/sheets.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "sbc/core/settings.h"

enum { WHY_BYTES = 400, PATH_LEN_MAX = 4096 };

struct sheet_load {
	pthread_t thread;
	atomic_bool done;
	size_t at; /* of the settings' tables */
	struct sheet made;
	struct sheet_stamp stamp;
	enum err e;
	char why[WHY_BYTES];
	size_t why_len;
	char path[PATH_LEN_MAX]; /* the thread's own: settings may go before it does */
	struct sheet_load *next; /* of those that were dropped */
};

static void *read_it(void *ctx)
{
	struct sheet_load *l = ctx;
	struct buf why;

	buf_init(&why, l->why, sizeof(l->why));
	l->e = sheet_file_read(&l->made, &why);
	if (l->e == ERR_NOMEM)
		buf_z(&why, err_text(ERR_NOMEM));
	l->why_len = buf_view(&why).len;
	atomic_store_explicit(&l->done, true, memory_order_release);
	return NULL;
}

static bool is_done(const struct sheet_load *l)
{
	return atomic_load_explicit(&l->done, memory_order_acquire);
}

/* Waits for it. */
static void free_load(struct sheet_load **load)
{
	struct sheet_load *l = *load;

	if (!l)
		return;
	*load = l->next;
	(void)pthread_join(l->thread, NULL);
	sheet_release(&l->made);
	free(l);
}

/* Its outcome is nobody's any more. A table of a million rows takes its time, in which calls would wait: not here. */
static void drop_load(struct sheets *s)
{
	struct sheet_load *l = s->load;

	if (!l)
		return;
	s->load = NULL;
	l->next = s->dropped;
	s->dropped = l;
}

static void free_dropped(struct sheets *s)
{
	for (struct sheet_load **at = &s->dropped; *at;)
		if (is_done(*at))
			free_load(at);
		else
			at = &(*at)->next;
}

enum err sheets_apply(struct sheets *s, struct settings *settings)
{
	const size_t n = settings->sheet_count;
	struct sheet_stamp *now = calloc(n ? n : 1, sizeof(*now)),
			   *seen = calloc(n ? n : 1, sizeof(*seen));

	drop_load(s);
	free(s->now);
	free(s->seen);
	s->settings = settings;
	s->now = now;
	s->seen = seen;
	if (!now || !seen) {
		sheets_release(s);
		return ERR_NOMEM;
	}
	for (size_t i = 0; i < n; i++)
		if (settings->sheets[i].path.len)
			now[i] = seen[i] = sheet_file_stamp(settings->sheets[i].path);
	return OK;
}

void sheets_release(struct sheets *s)
{
	free_load(&s->load);
	while (s->dropped)
		free_load(&s->dropped);
	free(s->now);
	free(s->seen);
	s->now = s->seen = NULL;
	s->settings = NULL;
}

/* A table that was made takes the place of the old one: nobody looks into it between two turns. */
static void take_up(struct sheets *s)
{
	struct sheet_load *l = s->load;
	struct sheet *to = &s->settings->sheets[l->at], was = *to;

	s->now[l->at] = l->stamp;
	if (l->e == OK) {
		*to = l->made;
		to->path = was.path;
		l->made = was;
	}
	const struct sheet_report r = {.path = to->path,
				       .good = l->e == OK,
				       .rows = to->rows,
				       .why = {l->why, l->why_len}};
	if (s->report)
		s->report(s->ctx, &r);
	free_load(&s->load);
}

static void begin(struct sheets *s, size_t at)
{
	struct sheet_load *l = calloc(1, sizeof(*l));

	if (!l || str_copy(s->settings->sheets[at].path, l->path, sizeof(l->path)) != OK) {
		free(l);
		return; /* next time */
	}
	l->at = at;
	l->stamp = s->seen[at];
	l->made = (struct sheet){.path = str_from(l->path), .kind = s->settings->sheets[at].kind};
	atomic_init(&l->done, false);
	if (pthread_create(&l->thread, NULL, read_it, l) != 0)
		free(l);
	else
		s->load = l;
}

void sheets_tick(struct sheets *s, uint64_t now_ms)
{
	free_dropped(s);
	if (s->load && is_done(s->load))
		take_up(s);
	if (!s->settings || now_ms < s->next_ms)
		return;
	s->next_ms = now_ms + SHEETS_EVERY_MS;
	for (size_t i = 0; i < s->settings->sheet_count; i++) {
		if (s->settings->sheets[i].path.len == 0)
			continue;
		struct sheet_stamp stamp = sheet_file_stamp(s->settings->sheets[i].path);
		/* One that is still being written has another stamp each time. */
		bool still = sheet_stamp_eq(&stamp, &s->seen[i]);
		s->seen[i] = stamp;
		/* One thread at a time. */
		if (!s->load && !s->dropped && still && !sheet_stamp_eq(&stamp, &s->now[i]))
			begin(s, i);
	}
}

bool sheets_wait(struct sheets *s)
{
	if (!s->load)
		return false;
	while (!is_done(s->load))
		(void)sched_yield();
	return true;
}
