/* A data file, read whole: a table that an operator writes. */
#ifndef SALLYPORT_WHOLE_FILE_H
#define SALLYPORT_WHOLE_FILE_H

#include <stddef.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "common/str.h"

/*
 * *out_text is for free(); it has one octet more than *out_len, a NUL. Never waits: what is no regular file is refused.
 * ERR_IO, ERR_LIMIT (above `most` octets), ERR_BAD (it changed meanwhile), with "PATH cannot be read: reason" in `why`; ERR_NOMEM.
 */
enum err whole_file_read(struct str path, size_t most, char **out_text, size_t *out_len,
			 struct buf *why) MUST_USE;

#endif
