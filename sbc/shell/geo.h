/*
 * Where peers are: the databases of `geo`, each followed as its file changes. A new file is read and verified by a thread
 * of its own while the one before it answers; one that is missing or broken is told, once, and changes nothing.
 */
#ifndef SALLYPORT_GEO_H
#define SALLYPORT_GEO_H

#include "common/check.h"
#include "common/err.h"
#include "sbc/core/event.h"
#include "sbc/core/settings.h"
#include "sbc/shell/geo_db.h"

struct geo;

/* What came of reading a file; views live until the function returns. */
struct geo_report {
	enum geo_kind kind;
	const char *path;
	bool good;
	bool has_old;    /* what was read before goes on */
	uint64_t made_s; /* good: when it was made */
	struct str why;  /* else: a sentence */
};
typedef void (*geo_report_fn)(void *ctx, const struct geo_report *r);

/* Reads what there is at once, so that no message is asked about before. ERR_NOMEM. */
enum err geo_new(struct geo **out, const struct geo_settings *s, geo_report_fn report,
		 void *ctx) MUST_USE;
void geo_free(struct geo **g);
/* Other files, perhaps: they are read soon. */
void geo_apply(struct geo *g, const struct geo_settings *s);
/* Once a second: looks whether a file has changed (and rested since), and takes over what has been read. */
void geo_tick(struct geo *g);
/* Writes into f where its peer is. */
void geo_mark(const struct geo *g, struct flow *f);

struct geo_view {
	bool on;         /* a file is given */
	bool up;         /* and the latest state of it is in use */
	uint64_t made_s; /* of what is in use; 0: nothing is */
};
struct geo_view geo_look(const struct geo *g, enum geo_kind k);

#endif
