#include "sbc/shell/destinations_watch.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "sbc/shell/destinations_file.h"

enum { WHY_BYTES = 400 };

struct destinations_load {
	pthread_t thread;
	atomic_bool done;
	struct destinations made;
	struct sheet_stamp stamp;
	enum err e;
	char why[WHY_BYTES];
	size_t why_len;
};

static void *read_it(void *ctx)
{
	struct destinations_load *l = ctx;
	struct buf why;

	buf_init(&why, l->why, sizeof(l->why));
	l->e = destinations_file_read(&l->made, &why);
	if (l->e == ERR_NOMEM)
		buf_z(&why, err_text(ERR_NOMEM));
	l->why_len = buf_view(&why).len;
	atomic_store_explicit(&l->done, true, memory_order_release);
	return NULL;
}

/* Its outcome is nobody's any more. */
static void drop_load(struct destinations_watch *w)
{
	struct destinations_load *l = w->load;

	if (!l)
		return;
	(void)pthread_join(l->thread, NULL);
	destinations_release(&l->made);
	free(l);
	w->load = NULL;
}

void destinations_watch_apply(struct destinations_watch *w, struct destinations *table)
{
	CHECK(w);
	drop_load(w);
	w->table = table;
	if (table)
		w->now = w->seen = sheet_file_stamp(table->path);
}

void destinations_watch_release(struct destinations_watch *w)
{
	drop_load(w);
	w->table = NULL;
}

/* The one that was made takes the place of the old: nobody looks into it between two turns. */
static void take_up(struct destinations_watch *w)
{
	struct destinations_load *l = w->load;
	const struct destinations was = *w->table;

	w->now = l->stamp;
	if (l->e == OK) {
		*w->table = l->made;
		l->made = was;
	}
	const struct sheet_report r = {.path = w->table->path,
				       .good = l->e == OK,
				       .rows = w->table->count,
				       .why = {l->why, l->why_len}};
	if (w->report)
		w->report(w->ctx, &r);
	drop_load(w);
}

static void begin(struct destinations_watch *w)
{
	struct destinations_load *l = calloc(1, sizeof(*l));

	if (!l)
		return; /* next time */
	l->stamp = w->seen;
	l->made.path = w->table->path;
	atomic_init(&l->done, false);
	if (pthread_create(&l->thread, NULL, read_it, l) != 0)
		free(l);
	else
		w->load = l;
}

void destinations_watch_tick(struct destinations_watch *w, uint64_t now_ms)
{
	if (w->load && atomic_load_explicit(&w->load->done, memory_order_acquire))
		take_up(w);
	if (!w->table || now_ms < w->next_ms)
		return;
	w->next_ms = now_ms + SHEETS_EVERY_MS;
	const struct sheet_stamp stamp = sheet_file_stamp(w->table->path);
	/* One that is still being written has another stamp each time. */
	const bool still = sheet_stamp_eq(&stamp, &w->seen);
	w->seen = stamp;
	if (!w->load && still && !sheet_stamp_eq(&stamp, &w->now))
		begin(w);
}

bool destinations_watch_wait(struct destinations_watch *w)
{
	if (!w->load)
		return false;
	while (!atomic_load_explicit(&w->load->done, memory_order_acquire))
		(void)sched_yield();
	return true;
}
