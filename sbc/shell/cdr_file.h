/*
 * CDRs as JSON lines in a file. A thread of its own writes them: a slow or full disk holds up no
 * call; what does not fit in memory meanwhile is counted as lost. With rotation the file under
 * work is PATH.open and becomes NAME-20261121T220000Z.EXT, on disk before it has that name; without,
 * it is PATH all the time.
 */
#ifndef SALLYPORT_CDR_FILE_H
#define SALLYPORT_CDR_FILE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "common/str.h"
#include "sbc/core/settings.h"

enum {
	CDR_FILE_PENDING_MAX = 4 * 1024 * 1024,
	CDR_FILE_PATH_MAX = 4000,
	CDR_FILE_RETRY_MS = 500,
	CDR_FILE_GATHER_MS = 20 /* a line is on its way to the disk this much later at most */
};

struct cdr_file;

struct cdr_file_counts {
	uint64_t written, lost, pending; /* lines */
};

/* ERR_IO: the file cannot be opened, errno says why; ERR_LIMIT: the path is too long; ERR_NOMEM. */
enum err cdr_file_new(struct cdr_file **out, const struct cdr_sink *sink) MUST_USE;
/* Writes what is there, as far as the disk takes it at once, and closes. */
void cdr_file_free(struct cdr_file **f);
/* One line with its line end. Copies; never waits for the disk. */
void cdr_file_add(struct cdr_file *f, struct str line);
/* Wakes the writer, if there is work for it: once a turn. */
void cdr_file_flush(struct cdr_file *f);
/* Opens the path anew with the next line: somebody moved the file. */
void cdr_file_reopen(struct cdr_file *f);
void cdr_file_count(struct cdr_file *f, struct cdr_file_counts *out);

/* PATH and a time → the name of the finished file; n > 0 adds "-n". */
void cdr_file_write_name(struct buf *b, struct str path, uint64_t wall_ms, unsigned n);

#endif
