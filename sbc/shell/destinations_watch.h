/*
 * The table of destinations follows its file, as tables of dialling codes do (sheets.h): looked at every other second, read by a
 * thread of its own when it has changed and stays as it is, taken up between two turns. What is broken is told of, and the
 * table stays as it was. The thread sees nothing but its path and its own memory.
 */
#ifndef SALLYPORT_DESTINATIONS_WATCH_H
#define SALLYPORT_DESTINATIONS_WATCH_H

#include "policy/destinations.h"
#include "sbc/shell/sheets.h"

struct destinations_load;

struct destinations_watch {
	struct destinations *table;     /* of the settings of now; NULL: none */
	struct sheet_stamp now, seen;   /* what it was read from; what was there last time */
	struct destinations_load *load; /* under way; NULL: none */
	uint64_t next_ms;
	sheets_report_fn report;
	void *ctx;
};

/* Watches this table, which was read just now, and no other any more. May be NULL. */
void destinations_watch_apply(struct destinations_watch *w, struct destinations *table);
void destinations_watch_release(struct destinations_watch *w);
/* Once a second. */
void destinations_watch_tick(struct destinations_watch *w, uint64_t now_ms);
/* Waits for a file that is being read; for tests. False: none was. */
bool destinations_watch_wait(struct destinations_watch *w);

#endif
