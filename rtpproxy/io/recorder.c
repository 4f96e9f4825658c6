#include "rtpproxy/io/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "rtpproxy/core/pcap.h"

enum {
	TURN_MS =
		20, /* between looks at the rings while something is recorded: a batch for each write */
	FLUSH_MS = 1000, /* what a crash may lose */
	BUFFER = 32 * 1024,
	TRIES = 100, /* names that exist already */
	ENTRIES_A_TURN = 100000,
	NAME_ROOM = RECORD_NAME_MAX + 32
};

struct recorder_file {
	struct recorder_file *next;
	unsigned worker;
	uint32_t recording;
	int fd, dir_fd;
	char name[RECORD_NAME_MAX + 8]; /* in its directory, without ending */
	uint64_t offset_us;             /* wall clock minus monotonic */
	uint64_t packets, lost;
	uint64_t bytes; /* in the file */
	uint32_t used;  /* of the buffer */
	uint32_t buffered;
	bool failed;
	uint8_t buffer[BUFFER];
};

static uint64_t clock_ms(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void say(struct recorder *r, enum log_level level, const char *event,
		const struct recorder_file *f, const char *reason)
{
	log_start(&r->log, level, event, STR_NONE, clock_ms(CLOCK_REALTIME));
	log_z(&r->log, "file", f->name);
	if (reason) {
		log_z(&r->log, "reason", reason);
	}
	log_u64(&r->log, "packets", f->packets);
	log_end(&r->log);
}

static void count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* ---- places */

/* The directory of a name, made if it is not there; *out_base is what follows it. Never leaves ours: no component of a
 * name is special, and no link is followed. -1 with errno. */
static int open_dir(const struct recorder *r, struct str name, struct str *out_base)
{
	int at = fcntl(r->dir_fd, F_DUPFD_CLOEXEC, 0);
	struct str part;
	if (!record_is_name(name)) {
		errno = EINVAL;
		return at >= 0 ? (close(at), -1) : -1;
	}
	while (at >= 0 && str_cut(&name, '/', &part) && name.p) {
		char text[RECORD_NAME_MAX + 1];
		enum err e = str_copy(part, text, sizeof(text));
		CHECK(e == OK);
		if (mkdirat(at, text, 0700) < 0 && errno != EEXIST) {
			int saved = errno;
			close(at);
			errno = saved;
			return -1;
		}
		int next = openat(at, text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int saved = errno;
		close(at);
		errno = saved;
		at = next;
	}
	*out_base = part;
	return at;
}

static void path_of(char *out, const struct recorder_file *f, const char *ending)
{
	snprintf(out, NAME_ROOM, "%s%s", f->name, ending);
}

static bool exists(const struct recorder_file *f, const char *ending)
{
	char path[NAME_ROOM];
	struct stat st;
	path_of(path, f, ending);
	return fstatat(f->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int create(const struct recorder_file *f, const char *ending)
{
	char path[NAME_ROOM];
	path_of(path, f, ending);
	return openat(f->dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* A name that is taken gets a number behind it. */
static bool open_file(struct recorder_file *f, struct str base)
{
	for (int i = 1; i <= TRIES; i++) {
		if (i == 1) {
			snprintf(f->name, sizeof(f->name), "%.*s", STR_ARG(base));
		} else {
			snprintf(f->name, sizeof(f->name), "%.*s-%d", STR_ARG(base), i);
		}
		if (exists(f, ".pcap") || exists(f, ".json")) {
			errno = EEXIST;
			continue;
		}
		f->fd = create(f, ".pcap.part");
		if (f->fd >= 0 || errno != EEXIST) {
			return f->fd >= 0;
		}
	}
	return false;
}

static bool rename_to(const struct recorder_file *f, const char *from, const char *to)
{
	char a[NAME_ROOM], b[NAME_ROOM];
	path_of(a, f, from);
	path_of(b, f, to);
	return renameat2(f->dir_fd, a, f->dir_fd, b, RENAME_NOREPLACE) == 0 ||
	       (errno == EINVAL && renameat(f->dir_fd, a, f->dir_fd, b) == 0);
}

static void remove_file(const struct recorder_file *f, const char *ending)
{
	char path[NAME_ROOM];
	path_of(path, f, ending);
	(void)unlinkat(f->dir_fd, path, 0);
}

/* ---- bytes */

static bool write_all(int fd, const void *p, size_t n)
{
	const char *at = p;
	while (n > 0) {
		ssize_t done = write(fd, at, n);
		if (done < 0 && errno == EINTR) {
			continue;
		}
		if (done <= 0) {
			return false;
		}
		at += done;
		n -= (size_t)done;
	}
	return true;
}

static void fail(struct recorder *r, struct recorder_file *f, const char *reason)
{
	if (!f->failed) {
		f->failed = true;
		count(&r->failed, 1);
		say(r, LOG_LEVEL_ERROR, "recording_failed", f, reason);
	}
}

/* The buffer holds whole packets: what of it could not be written is cut off again. */
static void flush(struct recorder *r, struct recorder_file *f)
{
	if (f->used == 0 || f->failed) {
		return;
	}
	if (write_all(f->fd, f->buffer, f->used)) {
		f->bytes += f->used;
		f->packets += f->buffered;
		count(&r->bytes, f->used);
		count(&r->packets, f->buffered);
	} else {
		int saved = errno;
		if (ftruncate(f->fd, (off_t)f->bytes) < 0) {
			saved = errno;
		}
		f->lost += f->buffered;
		count(&r->lost, f->buffered);
		fail(r, f, strerror(saved));
	}
	f->used = f->buffered = 0;
}

static void put_packet(struct recorder *r, struct recorder_file *f, const struct record_entry *e,
		       const uint8_t *data)
{
	size_t most = PCAP_PACKET_MAX + (size_t)e->len;
	bool odd = e->from.family != e->to.family || e->from.family == ADDR_NONE || most > BUFFER;
	if (f->used + most > BUFFER) {
		flush(r, f);
	}
	if (!f->failed && f->bytes + f->used + most > r->file_max) {
		flush(r, f);
		fail(r, f, "the file has reached its limit");
	}
	if (f->failed || odd) {
		f->lost++;
		count(&r->lost, 1);
		return;
	}
	size_t n = pcap_write_packet(f->buffer + f->used, f->offset_us + e->at_us, &e->from, &e->to,
				     data, e->len);
	memcpy(f->buffer + f->used + n, data, e->len);
	f->used += (uint32_t)(n + e->len);
	f->buffered++;
}

/* ---- a file's life */

static struct recorder_file **find(struct recorder *r, unsigned worker, uint32_t recording)
{
	struct recorder_file **at = &r->files[(recording + worker * 31) % RECORDER_BUCKETS];
	while (*at && ((*at)->worker != worker || (*at)->recording != recording)) {
		at = &(*at)->next;
	}
	return at;
}

static void start(struct recorder *r, unsigned worker, const struct record_entry *e,
		  const uint8_t *data)
{
	struct str base = STR_NONE, name = {(const char *)data, e->len};
	struct recorder_file *f = calloc(1, sizeof(*f));
	if (!f) {
		count(&r->failed, 1);
		return;
	}
	*f = (struct recorder_file){.worker = worker,
				    .recording = e->recording,
				    .fd = -1,
				    .offset_us = e->at_us,
				    .dir_fd = open_dir(r, name, &base)};
	snprintf(f->name, sizeof(f->name), "%.*s", STR_ARG(name));
	*find(r, worker, e->recording) = f;
	r->file_count++;
	if (f->dir_fd < 0 || !open_file(f, base)) {
		fail(r, f, strerror(errno));
		return;
	}
	pcap_write_header(f->buffer);
	f->used = PCAP_HEADER_LEN;
	flush(r, f);
}

/* What the worker knew of it, and what we know. */
static void write_beside(struct recorder *r, struct recorder_file *f, struct str text)
{
	char mem[RECORD_TEXT_MAX + 512];
	struct buf b;
	int fd = create(f, ".json.part");
	buf_init(&b, mem, sizeof(mem));
	buf_str(&b, text.len > 0 ? text : STR("{\"ended\":\"\""));
	buf_lit(&b, ",\"file\":");
	char file[NAME_ROOM];
	path_of(file, f, ".pcap");
	buf_json_str(&b, str_from(file));
	buf_printf(&b, ",\"packets\":%llu,\"lost\":%llu,\"bytes\":%llu,\"complete\":%s}\n",
		   (unsigned long long)f->packets, (unsigned long long)f->lost,
		   (unsigned long long)f->bytes, f->failed || text.len == 0 ? "false" : "true");
	bool ok = fd >= 0 && !b.overflow && write_all(fd, b.p, b.len);
	if (fd >= 0) {
		close(fd);
	}
	if (!ok || !rename_to(f, ".json.part", ".json")) {
		fail(r, f, "no metadata could be written");
		remove_file(f, ".json.part");
	}
}

static void end(struct recorder *r, struct recorder_file **at, struct str text, bool discard)
{
	struct recorder_file *f = *at;
	*at = f->next;
	r->file_count--;
	if (f->fd >= 0) {
		flush(r, f);
		close(f->fd);
		if (discard) {
			remove_file(f, ".pcap.part");
			count(&r->discarded, 1);
		} else {
			write_beside(r, f, text);
			if (!rename_to(f, ".pcap.part", ".pcap")) {
				fail(r, f, strerror(errno));
			}
			count(&r->finished, 1);
			say(r, LOG_LEVEL_INFO, "recording_ended", f, NULL);
		}
	}
	if (f->dir_fd >= 0) {
		close(f->dir_fd);
	}
	free(f);
}

static void take(struct recorder *r, unsigned worker, const struct record_entry *e,
		 const uint8_t *data)
{
	if (e->kind == RECORD_START) {
		start(r, worker, e, data);
		return;
	}
	struct recorder_file **at = find(r, worker, e->recording);
	if (!*at) {
		return; /* there was no memory for it: counted then */
	}
	if (e->kind == RECORD_PACKET) {
		put_packet(r, *at, e, data);
	} else {
		end(r, at, (struct str){(const char *)data, e->len}, e->kind == RECORD_DISCARD);
	}
}

static void flush_all(struct recorder *r)
{
	for (unsigned i = 0; i < RECORDER_BUCKETS; i++) {
		for (struct recorder_file *f = r->files[i]; f; f = f->next) {
			flush(r, f);
		}
	}
}

bool recorder_turn(struct recorder *r)
{
	bool any = false;
	for (unsigned w = 0; w < r->ring_count; w++) {
		const struct record_entry *e;
		const uint8_t *data;
		for (int i = 0; i < ENTRIES_A_TURN && (e = record_first(&r->rings[w], &data));
		     i++) {
			take(r, w, e, data);
			record_next(&r->rings[w]);
			any = true;
		}
	}
	uint64_t now = clock_ms(CLOCK_MONOTONIC);
	if (now >= r->flushed_ms + FLUSH_MS) {
		r->flushed_ms = now;
		flush_all(r);
		log_tick(&r->log, clock_ms(CLOCK_REALTIME));
	}
	return any;
}

void recorder_wake(int wake_fd)
{
	const uint64_t one = 1;
	/* Full: it has not even seen the last one. */
	ssize_t n = write(wake_fd, &one, sizeof(one));
	(void)n;
}

/* Until a recording begins, or the recorder ends; while there are some, no longer than a batch takes. */
static void rest(struct recorder *r)
{
	uint64_t woken;
	struct pollfd p = {.fd = r->wake_fd, .events = POLLIN};
	if (poll(&p, 1, r->file_count > 0 ? TURN_MS : -1) > 0) {
		ssize_t n = read(r->wake_fd, &woken, sizeof(woken));
		(void)n;
	}
}

static void *run(void *arg)
{
	struct recorder *r = arg;
	while (!atomic_load_explicit(&r->stop, memory_order_relaxed)) {
		(void)recorder_turn(r);
		rest(r);
	}
	return NULL;
}

enum err recorder_init(struct recorder *r, const struct recorder_params *p)
{
	CHECK(p->workers <= LIMIT_WORKERS);
	memset(r, 0, sizeof(*r));
	r->file_max = p->file_max ? p->file_max : LIMIT_RECORDING_BYTES;
	log_init(&r->log, p->log_sink, NULL);
	r->log.level = p->log_level;
	r->dir_fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dir_fd < 0) {
		return ERR_IO;
	}
	if (faccessat(r->dir_fd, ".", W_OK | X_OK, AT_EACCESS) < 0) {
		int saved = errno;
		close(r->dir_fd);
		errno = saved;
		return ERR_IO;
	}
	r->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r->wake_fd < 0) {
		int saved = errno;
		close(r->dir_fd);
		errno = saved;
		return ERR_IO;
	}
	for (; r->ring_count < p->workers; r->ring_count++) {
		if (record_ring_init(&r->rings[r->ring_count], LIMIT_RECORD_RING,
				     LIMIT_RECORD_RESERVE) != OK) {
			recorder_release(r);
			return ERR_NOMEM;
		}
	}
	return OK;
}

enum err recorder_start(struct recorder *r)
{
	sigset_t all, before;
	/* A file at the process's limit is an error of write, not the end of the relay. */
	signal(SIGXFSZ, SIG_IGN);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int e = pthread_create(&r->thread, NULL, run, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	r->running = e == 0;
	return e == 0 ? OK : ERR_NOMEM;
}

void recorder_release(struct recorder *r)
{
	if (r->running) {
		atomic_store_explicit(&r->stop, true, memory_order_relaxed);
		recorder_wake(r->wake_fd);
		pthread_join(r->thread, NULL);
		r->running = false;
	}
	while (recorder_turn(r)) {
	}
	for (unsigned i = 0; i < RECORDER_BUCKETS; i++) {
		while (r->files[i]) {
			end(r, &r->files[i], STR_NONE, false);
		}
	}
	for (unsigned w = 0; w < r->ring_count; w++) {
		record_ring_release(&r->rings[w]);
	}
	close(r->dir_fd);
	close(r->wake_fd);
	r->ring_count = 0;
}
