/*
 * Counters, gauges and histograms as tables of families, each with a help text and a limit of label
 * sets. stats_get gives a cell once; after that an increment is one addition. One registry a thread:
 * its owner adds, a scraping thread may read at the same time.
 */
#ifndef SALLYPORT_STATS_H
#define SALLYPORT_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "str.h"

enum { STATS_LABELS_MAX = 6, STATS_VALUE_MAX = 96 };

enum stats_kind { STATS_COUNTER, STATS_GAUGE, STATS_HISTOGRAM, STATS_KIND_COUNT };

/* One metric; a daemon has a const table of them, from which its docs are made too. */
struct stats_family {
	const char *name; /* sallyport_requests_total */
	const char *help; /* one sentence */
	enum stats_kind kind;
	uint32_t scale;    /* a cell is printed divided by this power of ten; 0 is 1 */
	uint32_t max_sets; /* of label values; 0: 64. What comes later is counted as "overflow" */
	const char *labels[STATS_LABELS_MAX]; /* names, up to the first NULL */
	const uint64_t *bounds; /* of a histogram: ascending upper bounds, in cells' unit */
	size_t bound_count;
};

struct stats_set;

struct stats {
	const struct stats_family *families;
	size_t family_count;
	struct stats_set *sets; /* one table a family */
};

/* `families` stays the caller's and outlives *s. ERR_NOMEM. */
enum err stats_init(struct stats *s, const struct stats_family *families, size_t n) MUST_USE;
void stats_release(struct stats *s);
/*
 * The cell of these label values (as many as the family has labels; NULL for none): it stays where it
 * is until stats_release. Never NULL: beyond max_sets it is the cell labelled "overflow". A gauge's
 * cell holds an int64_t. A histogram's is for stats_observe alone.
 */
uint64_t *stats_get(struct stats *s, size_t family, const struct str *values);
void stats_observe(const struct stats *s, size_t family, uint64_t *cell, uint64_t value);
/* The cell if there is one, else NULL: makes none. */
const uint64_t *stats_find(const struct stats *s, size_t family, const struct str *values);
/* Prometheus text 0.0.4: the sums over n registries of one table. */
void stats_write(struct buf *b, const struct stats *const *all, size_t n);

#endif
