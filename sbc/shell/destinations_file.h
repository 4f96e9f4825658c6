/* The table of destinations (policy/destinations.h) from its file. */
#ifndef SALLYPORT_DESTINATIONS_FILE_H
#define SALLYPORT_DESTINATIONS_FILE_H

#include "common/buf.h"
#include "policy/destinations.h"

/* Fills *t, whose path is there. ERR_IO, ERR_BAD, ERR_LIMIT with "file:line: what" in `why`; ERR_NOMEM. On failure *t is as it was. */
enum err destinations_file_read(struct destinations *t, struct buf *why) MUST_USE;

#endif
