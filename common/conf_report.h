/* What is wrong or dangerous in a configuration: every mistake of one run, each with its place, in order of place. */
#ifndef SALLYPORT_CONF_REPORT_H
#define SALLYPORT_CONF_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buf.h"
#include "err.h"
#include "str.h"

enum { CONF_MESSAGES_MAX = 500 };

struct conf_file {
	struct str path;
	uint32_t index; /* in order of reading */
};

struct conf_place {
	const struct conf_file *file;
	uint32_t line, column; /* from 1 */
};

struct conf_message {
	struct str
		text; /* "file:line:column: path: what" or "file:line:column: warning: path: what" */
	bool warning;
	uint32_t file_index, line, column, order;
};

/* Owns its texts: it outlives the tree that it speaks of. */
struct conf_report {
	struct arena arena;
	struct conf_message *messages;
	size_t count;
	size_t errors;
	size_t warnings;
	size_t unsaid; /* did not fit */
};

/* ERR_NOMEM. */
enum err conf_report_init(struct conf_report *r) MUST_USE;
void conf_report_release(struct conf_report *r);
/* `path` is the setting's path, may be empty. `what` is one sentence. */
void conf_report_add(struct conf_report *r, bool warning, const struct conf_place *at,
		     struct str path, struct str what);
/* By file, line and column; what stands at one place stays in the order of finding. */
void conf_report_sort(struct conf_report *r);

/* The nearest of several known words, for "did you mean". */
struct conf_guess {
	struct str word;
	struct str best;
	unsigned distance;
};

void conf_guess_init(struct conf_guess *g, struct str word);
void conf_guess_add(struct conf_guess *g, struct str known);
/* STR_NONE when nothing is near enough to be worth naming. */
struct str conf_guess_best(const struct conf_guess *g);
/* `; did you mean "x"? Allowed: ` or `; allowed: `: what stands between a refusal and the list. */
void conf_guess_write(struct buf *b, const struct conf_guess *g);

#endif
