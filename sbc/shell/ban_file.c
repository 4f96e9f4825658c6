#include "ban_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/ban_text.h"

enum err ban_file_init(struct ban_file *f, struct str path)
{
	*f = (struct ban_file){.dirty = false};
	return str_copy(path, f->path, sizeof(f->path));
}

static void say(struct log *log, const struct ban_file *f, struct ban_time t, const char *what,
		unsigned good, unsigned bad, int why)
{
	log_start(log, why || bad ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "ban_file", STR_NONE,
		  t.wall_ms);
	log_z(log, "result", what);
	log_z(log, "file", f->path);
	log_u64(log, "bans", good);
	if (bad)
		log_u64(log, "bad_lines", bad);
	if (why)
		log_z(log, "why", strerror(why));
	log_end(log);
}

void ban_file_load(struct ban_file *f, struct sbc *sbc, struct ban_time t, struct log *log)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	unsigned good = 0, bad = 0, lines = 0;

	if (!f->path[0])
		return;
	FILE *in = fopen(f->path, "re");
	if (!in) {
		if (errno != ENOENT)
			say(log, f, t, "unreadable", 0, 0, errno);
		return;
	}
	while (lines++ < BAN_MAX && (n = getline(&line, &cap, in)) > 0) {
		struct ban v;
		if (ban_read(str_trim((struct str){line, (size_t)n}), &v) != OK)
			bad++;
		else
			good += sbc_import_ban(sbc, &v, t) == BAN_NEW;
	}
	free(line);
	(void)fclose(in);
	say(log, f, t, "read", good, bad, 0);
}

void ban_file_note(struct ban_file *f)
{
	f->dirty = true;
}

/* ---- writing: 0 or errno */

static void path_beside(const struct ban_file *f, char out[BAN_FILE_PATH_MAX + 8])
{
	(void)snprintf(out, BAN_FILE_PATH_MAX + 8, "%s.new", f->path);
}

static int begin(struct ban_file *f)
{
	char beside[BAN_FILE_PATH_MAX + 8];

	path_beside(f, beside);
	const int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	f->out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f->out) {
		const int saved = errno;
		if (fd >= 0)
			(void)close(fd);
		return saved;
	}
	f->cursor = f->count = 0;
	f->dirty = false;
	return 0;
}

/* At most so many; false: these were all. */
static bool write_some(struct ban_file *f, const struct sbc *sbc, struct ban_time t, unsigned most)
{
	char mem[BAN_LINE_MAX + 1];
	struct ban v;

	for (unsigned i = 0; i < most; i++) {
		struct buf b;
		if (!sbc_next_ban(sbc, t, true, &f->cursor, &v))
			return false;
		if (v.mode == BAN_QUARANTINE)
			continue;
		buf_init(&b, mem, sizeof(mem));
		ban_write(&b, &v);
		buf_char(&b, '\n');
		if (b.overflow)
			continue;
		(void)fwrite(b.p, 1, b.len, f->out);
		f->count++;
	}
	return true;
}

static int finish(struct ban_file *f)
{
	char beside[BAN_FILE_PATH_MAX + 8];
	const bool bad = ferror(f->out);
	const bool closed = fclose(f->out) == 0;

	f->out = NULL;
	path_beside(f, beside);
	if (bad || !closed || rename(beside, f->path) != 0) {
		const int saved = errno ? errno : EIO;
		(void)unlink(beside);
		return saved;
	}
	return 0;
}

static void note(struct ban_file *f, int why, struct ban_time t, struct log *log)
{
	if (why && !f->failed)
		say(log, f, t, "unwritable", f->count, 0, why);
	f->failed = why != 0;
	f->dirty = f->dirty || why != 0;
	f->next_ms =
		t.now_ms + (f->count > BAN_FILE_MANY || why ? BAN_FILE_LATE_MS : BAN_FILE_SOON_MS);
}

bool ban_file_tick(struct ban_file *f, const struct sbc *sbc, struct ban_time t, bool now,
		   struct log *log)
{
	if (!f->path[0] || (!f->out && (!f->dirty || (!now && t.now_ms < f->next_ms))))
		return false;
	const int why = f->out ? 0 : begin(f);
	if (why) {
		note(f, why, t, log);
		return false;
	}
	if (write_some(f, sbc, t, now ? UINT32_MAX : BAN_FILE_AT_ONCE))
		return true;
	note(f, finish(f), t, log);
	/* What has changed while it was written. */
	return now && f->dirty && !f->failed ? ban_file_tick(f, sbc, t, true, log) : false;
}
