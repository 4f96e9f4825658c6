/*
 * Bans in a file, a line of JSON each, so that they outlive the daemon. Written whole, beside the old one, and put in its
 * place; within seconds of a change, and at the end. Lines that cannot be read are counted and left out.
 */
#ifndef SALLYPORT_BAN_FILE_H
#define SALLYPORT_BAN_FILE_H

#include <stdio.h>

#include "common/log.h"
#include "sbc/core/sbc.h"

/* A large table is written less often. */
enum {
	BAN_FILE_AT_ONCE = 200, /* lines in a turn: the loop waits for them */
	BAN_FILE_SOON_MS = 2000,
	BAN_FILE_LATE_MS = 30000,
	BAN_FILE_MANY = 4096,
	BAN_FILE_PATH_MAX = 256
};

struct ban_file {
	char path[BAN_FILE_PATH_MAX]; /* "": none is kept */
	bool dirty, failed;
	uint64_t next_ms;
	FILE *out; /* that is being written; NULL: none */
	uint32_t cursor, count;
};

/* ERR_LIMIT: the path is too long. */
enum err ban_file_init(struct ban_file *f, struct str path) MUST_USE;
/* What it says becomes the core's; a file that is not there says nothing. */
void ban_file_load(struct ban_file *f, struct sbc *sbc, struct ban_time t, struct log *log);
/* Something has changed. */
void ban_file_note(struct ban_file *f);
/* About once a second; `now`: all of it, whether it is time or not. True: more is to be written soon. */
bool ban_file_tick(struct ban_file *f, const struct sbc *sbc, struct ban_time t, bool now,
		   struct log *log);

#endif
