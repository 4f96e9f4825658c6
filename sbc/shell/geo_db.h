/*
 * A database of places (MaxMind DB): address → country or autonomous system. The only file with libmaxminddb.
 *
 * It is read into memory of our own that nobody can change any more, and then walked: every node of its tree, every
 * record that a look-up could come to. What holds up there cannot surprise a look-up later, and a file that is swapped,
 * cut or written to while in use is none of ours (threats E14). A look-up takes no lock and no memory, and may be made
 * from any thread.
 */
#ifndef SALLYPORT_GEO_DB_H
#define SALLYPORT_GEO_DB_H

#include <stdint.h>

#include "common/addr.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"

enum geo_kind { GEO_KIND_COUNTRY, GEO_KIND_ASN, GEO_KIND_COUNT };

enum { GEO_DB_BYTES_MAX = 512 * 1024 * 1024 };

/* "country", "asn" */
const char *geo_kind_name(enum geo_kind k);

struct geo_db;

/*
 * Reads and verifies; takes about 50 ms for the countries of the world. ERR_IO: it cannot be read; ERR_BAD: it is none,
 * not whole, or holds nothing of that kind; ERR_LIMIT: too large; ERR_NOMEM. `why` then has a sentence.
 */
enum err geo_db_open(struct geo_db **out, enum geo_kind kind, const char *path,
		     struct buf *why) MUST_USE;
/* The same of what lies in memory, which stays the caller's. */
enum err geo_db_open_bytes(struct geo_db **out, enum geo_kind kind, struct str bytes,
			   struct buf *why) MUST_USE;
void geo_db_free(struct geo_db **db);

/* Two capital letters; false, and NULs: not known. */
bool geo_db_country(const struct geo_db *db, const struct addr *a, char out[2]);
/* 0: not known. */
uint32_t geo_db_asn(const struct geo_db *db, const struct addr *a);
/* When it was made, in seconds since the epoch. */
uint64_t geo_db_made_s(const struct geo_db *db);

#endif
