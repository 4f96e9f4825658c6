/*
 * What a worker hands to the thread that writes recordings: a ring of entries, one writer and one reader, no lock, no
 * wait, no allocation. Packets that find it full are lost and counted; a part is kept free for the few entries that
 * begin and end a recording. Also what a recording may be called: nothing from the network names a place outside of
 * the directory that the operator chose.
 */
#ifndef SALLYPORT_RECORD_H
#define SALLYPORT_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/check.h"
#include "common/err.h"
#include "common/str.h"

enum {
	RECORD_NAME_MAX = 200, /* directory below ours and file, without ending */
	RECORD_DEPTH_MAX = 4,  /* components of a name */
	RECORD_TEXT_MAX = 8192 /* what is written beside a recording */
};

enum record_kind {
	RECORD_START, /* name[]: terminated */
	RECORD_PACKET,
	RECORD_FINISH,  /* its text; the file gets its name */
	RECORD_DISCARD, /* the file goes */
	RECORD_KIND_COUNT
};

struct record_entry {
	uint32_t kind; /* enum record_kind */
	uint32_t recording;
	uint64_t at_us; /* START: wall clock minus monotonic; PACKET: monotonic */
	struct addr from, to;
	uint32_t len; /* of what follows */
};

struct record_packet {
	uint32_t recording;
	uint64_t at_us;
	struct addr from, to;
};

struct record_ring {
	uint8_t *bytes;
	uint32_t size, reserve; /* size: a power of two */
	_Atomic uint32_t head;  /* bytes ever written, modulo 2^32 */
	_Atomic uint32_t tail;  /* bytes ever read */
};

/* `size` a power of two, above `reserve`, both multiples of 8. ERR_NOMEM. */
enum err record_ring_init(struct record_ring *r, uint32_t size, uint32_t reserve) MUST_USE;
void record_ring_release(struct record_ring *r);

/* Only the worker. False: no room. */
bool record_put_packet(struct record_ring *r, const struct record_packet *p, const uint8_t *data,
		       size_t len);
/* START, FINISH, DISCARD; at_us of START. */
bool record_put(struct record_ring *r, enum record_kind kind, uint32_t recording, uint64_t at_us,
		struct str text);
/* Only the writer: the oldest entry and what follows it, valid until record_next. NULL: none. */
const struct record_entry *record_first(struct record_ring *r, const uint8_t **out_data);
void record_next(struct record_ring *r);

/*
 * May this name a file or, with slashes between, files in directories: letters, digits, "._-+=@" without a dot in
 * front of a component.
 */
bool record_is_name(struct str s);
/* What `text` may be in a name: other bytes become '_', a dot in front too; cut at `cap` − 1. */
void record_clean(struct str text, char *out, size_t cap);

/* What a pattern is filled with. */
struct record_facts {
	struct str call_id;
	uint64_t random;
	uint64_t wall_us;
};
/*
 * "%c-%r" → "abc_example.com-0123456789abcdef": %c Call-ID cleaned, %r random, %Y %m %d %H %M %S the start in UTC,
 * %%. `dir` may be empty. ERR_BAD: another sign, or the outcome is no name; ERR_LIMIT: too long.
 */
enum err record_make_name(struct str dir, struct str pattern, const struct record_facts *f,
			  char *out, size_t cap) MUST_USE;

#endif
