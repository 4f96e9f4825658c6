/*
 * Tables of dialling codes follow their files: looked at every other second, read by a thread of its own when one has changed and
 * stays as it is, taken up between two turns. A file that is broken or gone is told of, and the table stays as it was. The thread
 * sees nothing but its path and its own memory.
 */
#ifndef SALLYPORT_SHEETS_H
#define SALLYPORT_SHEETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"
#include "sbc/shell/sheet_file.h"

struct settings;
struct sheet_load;

enum { SHEETS_EVERY_MS = 2000 };

struct sheet_report {
	struct str path;
	bool good;
	size_t rows;    /* good */
	struct str why; /* not good: "file:line: what" */
};
typedef void (*sheets_report_fn)(void *ctx, const struct sheet_report *r);

struct sheets {
	struct settings *settings;
	struct sheet_stamp *now,
		*seen; /* of each table: what it was read from; what was there last time */
	struct sheet_load *load;    /* under way; NULL: none */
	struct sheet_load *dropped; /* of settings before, until it is done: nobody waits for it */
	uint64_t next_ms;
	sheets_report_fn report;
	void *ctx;
};

/* Watches the tables of these settings, which were read just now; those of others no more. ERR_NOMEM: nothing is watched. */
enum err sheets_apply(struct sheets *s, struct settings *settings) MUST_USE;
void sheets_release(struct sheets *s);
/* Once a second. */
void sheets_tick(struct sheets *s, uint64_t now_ms);
/* Waits for a file that is being read; for tests. False: none was. */
bool sheets_wait(struct sheets *s);

#endif
