/* A table of dialling codes (policy/sheet.h) from its file, and whether that file is another one by now. */
#ifndef SALLYPORT_SHEET_FILE_H
#define SALLYPORT_SHEET_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/sheet.h"

/* Zeroed: there was no file. */
struct sheet_stamp {
	uint64_t device, inode, size;
	int64_t changed_ns;
};

/* Fills *s, whose path and kind are there. ERR_IO, ERR_BAD, ERR_LIMIT with a line in `why`; ERR_NOMEM. On failure *s is as it was. */
enum err sheet_file_read(struct sheet *s, struct buf *why) MUST_USE;
struct sheet_stamp sheet_file_stamp(struct str path);
bool sheet_stamp_eq(const struct sheet_stamp *a, const struct sheet_stamp *b);

#endif
