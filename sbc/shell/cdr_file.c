#include "cdr_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sbc/shell/clock.h"

enum { NAME_TRIES = 100, FILE_MODE = 0640 };

struct lines {
	char *p;
	size_t len;
	uint64_t count;
};

struct cdr_file {
	/* Of both threads, under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct lines pending;
	uint64_t written, lost, writing_count;
	bool reopen, stop, idle;
	/* Of the writer alone. */
	pthread_t thread;
	struct lines writing;
	size_t writing_at;
	int fd;
	uint32_t rotate_ms;
	uint64_t period;   /* number of the rotation period that the file is of */
	uint64_t began_ms; /* when the file was opened */
	bool is_empty;
	char path[CDR_FILE_PATH_MAX + 1];      /* as configured */
	char open_path[CDR_FILE_PATH_MAX + 8]; /* the file under work */
};

void cdr_file_write_name(struct buf *b, struct str path, uint64_t wall_ms, unsigned n)
{
	char text[32];
	struct tm tm;
	time_t seconds = (time_t)(wall_ms / 1000);
	size_t dot = path.len;
	while (dot > 0 && path.p[dot - 1] != '.' && path.p[dot - 1] != '/')
		dot--;
	/* No dot in the last part, or only one in front: there is no extension. */
	if (dot < 2 || path.p[dot - 1] != '.' || path.p[dot - 2] == '/')
		dot = path.len + 1;
	gmtime_r(&seconds, &tm);
	size_t len = strftime(text, sizeof(text), "-%Y%m%dT%H%M%SZ", &tm);
	buf_bytes(b, path.p, dot - 1);
	buf_bytes(b, text, len);
	if (n > 0)
		buf_printf(b, "-%u", n);
	if (dot <= path.len)
		buf_bytes(b, path.p + dot - 1, path.len - dot + 1);
}

/* A crash may have cut the last line: what follows must not be glued to it. */
static void end_torn_line(int fd, off_t size)
{
	char last;
	if (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n' &&
	    write(fd, "\n", 1) != 1)
		return; /* the disk is full: the next write says so */
}

static enum err open_file(struct cdr_file *f)
{
	struct stat st;
	f->fd = open(f->open_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, FILE_MODE);
	if (f->fd < 0)
		return ERR_IO;
	if (fstat(f->fd, &st) != 0)
		st.st_size = 0;
	end_torn_line(f->fd, st.st_size);
	f->is_empty = st.st_size == 0;
	f->began_ms = clock_wall_ms();
	f->period = f->rotate_ms ? f->began_ms / f->rotate_ms : 0;
	return OK;
}

/* On disk first, then under its final name: whoever finds the name finds the whole file. */
static void finish_file(struct cdr_file *f)
{
	if (f->fd < 0)
		return;
	bool sound = f->is_empty || fsync(f->fd) == 0;
	close(f->fd);
	f->fd = -1;
	if (f->rotate_ms && f->is_empty)
		(void)unlink(f->open_path);
	if (!f->rotate_ms || f->is_empty || !sound)
		return;
	for (unsigned n = 0; n < NAME_TRIES; n++) {
		char name[CDR_FILE_PATH_MAX + 64];
		struct buf b;
		buf_init(&b, name, sizeof(name) - 1);
		cdr_file_write_name(&b, str_from(f->path), f->began_ms, n);
		name[b.len] = '\0';
		if (renameat2(AT_FDCWD, f->open_path, AT_FDCWD, name, RENAME_NOREPLACE) == 0 ||
		    errno != EEXIST)
			return;
	}
}

static bool is_period_over(const struct cdr_file *f)
{
	return f->rotate_ms && f->fd >= 0 && clock_wall_ms() / f->rotate_ms != f->period;
}

/* Writes on; true when all is written, false when the disk did not take it. */
static bool write_on(struct cdr_file *f)
{
	if (f->fd < 0 && f->writing.len > f->writing_at && open_file(f) != OK)
		return false;
	while (f->writing_at < f->writing.len) {
		ssize_t n =
			write(f->fd, f->writing.p + f->writing_at, f->writing.len - f->writing_at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		f->is_empty = false;
		f->writing_at += (size_t)n;
	}
	return true;
}

static void wait_a_while(struct cdr_file *f, long ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_cond_timedwait(&f->wake, &f->lock, &until);
}

/* With the lock held: takes what waits. */
static void take_pending(struct cdr_file *f)
{
	struct lines empty = f->writing;
	f->writing = f->pending;
	f->writing_at = 0;
	f->writing_count = f->writing.count;
	empty.len = 0;
	empty.count = 0;
	f->pending = empty;
}

static void *write_lines(void *arg)
{
	struct cdr_file *f = arg;
	pthread_mutex_lock(&f->lock);
	for (;;) {
		if (f->writing_count == 0 && f->pending.len > 0)
			take_pending(f);
		bool reopen = f->reopen, stop = f->stop;
		f->reopen = false;
		if (f->writing_count == 0 && !reopen && !is_period_over(f)) {
			if (stop)
				break;
			f->idle = true;
			if (f->rotate_ms)
				wait_a_while(f, CDR_FILE_RETRY_MS);
			else
				pthread_cond_wait(&f->wake, &f->lock);
			f->idle = false;
			/* A wake-up costs the worker more than a line does: gather for a moment. */
			if (!f->stop && f->pending.len > 0)
				wait_a_while(f, CDR_FILE_GATHER_MS);
			continue;
		}
		pthread_mutex_unlock(&f->lock);
		if (reopen || is_period_over(f))
			finish_file(f);
		bool done = write_on(f);
		pthread_mutex_lock(&f->lock);
		if (done) {
			f->written += f->writing_count;
			f->writing_count = 0;
		} else if (stop) {
			f->lost += f->writing_count + f->pending.count;
			break;
		} else {
			wait_a_while(f, CDR_FILE_RETRY_MS);
		}
	}
	pthread_mutex_unlock(&f->lock);
	finish_file(f);
	return NULL;
}

static enum err start_thread(struct cdr_file *f)
{
	pthread_condattr_t attr;
	sigset_t all, before;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&f->lock, NULL);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&f->thread, NULL, write_lines, f);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error ? ERR_NOMEM : OK;
}

enum err cdr_file_new(struct cdr_file **out, const struct cdr_sink *sink)
{
	struct cdr_file *f = calloc(1, sizeof(*f));
	if (!f)
		return ERR_NOMEM;
	f->fd = -1;
	f->rotate_ms = sink->rotate_ms;
	f->pending.p = malloc(CDR_FILE_PENDING_MAX);
	f->writing.p = malloc(CDR_FILE_PENDING_MAX);
	enum err e = f->pending.p && f->writing.p ? OK : ERR_NOMEM;
	if (!e)
		e = str_copy(sink->path, f->path, sizeof(f->path));
	if (!e) {
		(void)snprintf(f->open_path, sizeof(f->open_path), "%s%s", f->path,
			       f->rotate_ms ? ".open" : "");
		e = open_file(f);
	}
	if (!e)
		e = start_thread(f);
	if (e) {
		int saved = errno;
		if (f->fd >= 0)
			close(f->fd);
		free(f->pending.p);
		free(f->writing.p);
		free(f);
		errno = saved;
		return e;
	}
	*out = f;
	return OK;
}

void cdr_file_free(struct cdr_file **file)
{
	struct cdr_file *f = *file;
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f->pending.p);
	free(f->writing.p);
	free(f);
	*file = NULL;
}

void cdr_file_add(struct cdr_file *f, struct str line)
{
	pthread_mutex_lock(&f->lock);
	struct lines *l = &f->pending;
	if (line.len > CDR_FILE_PENDING_MAX - l->len) {
		f->lost++;
	} else {
		memcpy(l->p + l->len, line.p, line.len);
		l->len += line.len;
		l->count++;
	}
	pthread_mutex_unlock(&f->lock);
}

void cdr_file_flush(struct cdr_file *f)
{
	pthread_mutex_lock(&f->lock);
	if (f->pending.len > 0 && f->idle) {
		f->idle = false;
		pthread_cond_signal(&f->wake);
	}
	pthread_mutex_unlock(&f->lock);
}

void cdr_file_reopen(struct cdr_file *f)
{
	pthread_mutex_lock(&f->lock);
	f->reopen = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

void cdr_file_count(struct cdr_file *f, struct cdr_file_counts *out)
{
	pthread_mutex_lock(&f->lock);
	*out = (struct cdr_file_counts){f->written, f->lost, f->pending.count + f->writing_count};
	pthread_mutex_unlock(&f->lock);
}
