#include "geo.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096, WHY_BYTES = 256 };

/* Which state of a file it is. */
struct state {
	bool there;
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

/* One reading, by a thread. The thread owns it until `done`. */
struct reading {
	pthread_t thread;
	enum geo_kind kind;
	char path[PATH_BYTES];
	struct state of;
	struct geo_db *db;
	char why[WHY_BYTES];
	size_t why_len;
	atomic_bool done;
};

struct geo_file {
	char path[PATH_BYTES]; /* empty: none */
	struct geo_db *db;
	struct state tried; /* the one that was read last, with success or without */
	struct state seen;  /* at the last look */
	bool is_tried, up;
	struct reading *reading;
};

struct geo {
	struct geo_file files[GEO_KIND_COUNT];
	geo_report_fn report;
	void *ctx;
};

static struct state look(const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return (struct state){.there = false};
	return (struct state){true, st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

static bool is_same(const struct state *a, const struct state *b)
{
	if (!a->there || !b->there)
		return a->there == b->there;
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static void *read_file(void *ctx)
{
	struct reading *r = ctx;
	struct buf why;
	buf_init(&why, r->why, sizeof(r->why));
	if (geo_db_open(&r->db, r->kind, r->path, &why) != OK && why.len == 0)
		buf_lit(&why, "there is no memory for it");
	r->why_len = why.len;
	atomic_store_explicit(&r->done, true, memory_order_release);
	return NULL;
}

/* Takes what was read into use, or says why not. Frees it. */
static void finish(struct geo *g, struct geo_file *f, struct reading *r)
{
	struct geo_report report = {.kind = r->kind,
				    .path = r->path,
				    .good = r->db != NULL,
				    .why = {r->why, r->why_len}};
	/* The configuration may name another one by now. */
	if (strcmp(r->path, f->path) == 0) {
		if (r->db) {
			geo_db_free(&f->db);
			f->db = r->db;
			r->db = NULL;
			report.made_s = geo_db_made_s(f->db);
		}
		f->up = report.good;
		report.has_old = f->db != NULL;
		g->report(g->ctx, &report);
	}
	geo_db_free(&r->db);
	free(r);
}

static struct reading *reading_new(struct geo_file *f, enum geo_kind k, const struct state *of)
{
	struct reading *r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->kind = k;
	memcpy(r->path, f->path, sizeof(r->path));
	r->of = *of;
	f->tried = *of;
	f->is_tried = true;
	return r;
}

/* Without a thread, at the start or where there is none, it is read at once. */
static void start(struct geo *g, enum geo_kind k, const struct state *of, bool at_once)
{
	struct geo_file *f = &g->files[k];
	struct reading *r = reading_new(f, k, of);
	sigset_t all, before;
	if (!r)
		return; /* tried again at the next look */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool threaded = !at_once && pthread_create(&r->thread, NULL, read_file, r) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (threaded) {
		f->reading = r;
		return;
	}
	(void)read_file(r);
	finish(g, f, r);
}

static void tick_one(struct geo *g, enum geo_kind k)
{
	struct geo_file *f = &g->files[k];
	struct reading *r = f->reading;
	if (r && !atomic_load_explicit(&r->done, memory_order_acquire))
		return;
	if (r) {
		f->reading = NULL;
		(void)pthread_join(r->thread, NULL);
		finish(g, f, r);
	}
	if (!f->path[0])
		return;
	struct state now = look(f->path);
	/* Twice the same: nobody is writing it at the moment. */
	bool rests = is_same(&now, &f->seen);
	f->seen = now;
	if (rests && (!f->is_tried || !is_same(&now, &f->tried)))
		start(g, k, &now, false);
}

void geo_tick(struct geo *g)
{
	for (unsigned k = 0; k < GEO_KIND_COUNT; k++)
		tick_one(g, (enum geo_kind)k);
}

static struct str path_of(const struct geo_settings *s, enum geo_kind k)
{
	return k == GEO_KIND_COUNTRY ? s->country_path : s->asn_path;
}

void geo_apply(struct geo *g, const struct geo_settings *s)
{
	for (unsigned k = 0; k < GEO_KIND_COUNT; k++) {
		struct geo_file *f = &g->files[k];
		struct str path = path_of(s, (enum geo_kind)k);
		if (str_eq(path, str_from(f->path)))
			continue;
		if (str_copy(path, f->path, sizeof(f->path)) != OK)
			f->path[0] = '\0';
		f->is_tried = f->up = false;
		f->seen = look(f->path);
		if (!f->path[0])
			geo_db_free(&f->db);
	}
}

enum err geo_new(struct geo **out, const struct geo_settings *s, geo_report_fn report, void *ctx)
{
	CHECK(out && s && report);
	struct geo *g = calloc(1, sizeof(*g));
	if (!g)
		return ERR_NOMEM;
	g->report = report;
	g->ctx = ctx;
	geo_apply(g, s);
	for (unsigned k = 0; k < GEO_KIND_COUNT; k++)
		if (g->files[k].path[0])
			start(g, (enum geo_kind)k, &g->files[k].seen, true);
	*out = g;
	return OK;
}

void geo_free(struct geo **at)
{
	CHECK(at);
	struct geo *g = *at;
	if (!g)
		return;
	for (unsigned k = 0; k < GEO_KIND_COUNT; k++) {
		struct geo_file *f = &g->files[k];
		if (f->reading) { /* it comes to an end by itself, soon */
			(void)pthread_join(f->reading->thread, NULL);
			geo_db_free(&f->reading->db);
			free(f->reading);
		}
		geo_db_free(&f->db);
	}
	free(g);
	*at = NULL;
}

void geo_mark(const struct geo *g, struct flow *f)
{
	const struct geo_db *country = g->files[GEO_KIND_COUNTRY].db,
			    *asn = g->files[GEO_KIND_ASN].db;
	if (country)
		(void)geo_db_country(country, &f->remote, f->country);
	if (asn)
		f->asn = geo_db_asn(asn, &f->remote);
}

struct geo_view geo_look(const struct geo *g, enum geo_kind k)
{
	const struct geo_file *f = &g->files[k];
	return (struct geo_view){
		.on = f->path[0] != '\0', .up = f->up, .made_s = f->db ? geo_db_made_s(f->db) : 0};
}
