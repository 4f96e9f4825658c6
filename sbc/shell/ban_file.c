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

/* 0 or errno. */
static int write_all(const struct ban_file *f, const struct sbc *sbc, struct ban_time t,
		     unsigned *out_count)
{
	char beside[BAN_FILE_PATH_MAX + 8], mem[BAN_LINE_MAX + 1];
	uint32_t cursor = 0;
	struct ban v;

	(void)snprintf(beside, sizeof(beside), "%s.new", f->path);
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!out) {
		const int saved = errno;
		if (fd >= 0)
			(void)close(fd);
		return saved;
	}
	while (sbc_next_ban(sbc, t, true, &cursor, &v)) {
		struct buf b;
		if (v.mode == BAN_QUARANTINE)
			continue;
		buf_init(&b, mem, sizeof(mem));
		ban_write(&b, &v);
		buf_char(&b, '\n');
		if (b.overflow)
			continue;
		(void)fwrite(b.p, 1, b.len, out);
		++*out_count;
	}
	const bool bad = ferror(out);
	if (fclose(out) != 0 || bad || rename(beside, f->path) != 0) {
		const int saved = errno ? errno : EIO;
		(void)unlink(beside);
		return saved;
	}
	return 0;
}

void ban_file_tick(struct ban_file *f, const struct sbc *sbc, struct ban_time t, bool now,
		   struct log *log)
{
	unsigned count = 0;

	if (!f->path[0] || !f->dirty || (!now && t.now_ms < f->next_ms))
		return;
	const int why = write_all(f, sbc, t, &count);
	if (why && !f->failed)
		say(log, f, t, "unwritable", count, 0, why);
	f->failed = why != 0;
	f->dirty = why != 0;
	f->next_ms =
		t.now_ms + (count > BAN_FILE_MANY || why ? BAN_FILE_LATE_MS : BAN_FILE_SOON_MS);
}
