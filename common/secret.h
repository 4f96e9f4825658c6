/* A key or password: wiped by release, compared in constant time, printed only as a fingerprint. */
#ifndef SALLYPORT_SECRET_H
#define SALLYPORT_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

enum { SECRET_MAX = 64 };

struct secret {
	uint8_t bytes[SECRET_MAX];
	size_t len;
};

/* ERR_LIMIT if n > SECRET_MAX. */
enum err secret_init(struct secret *s, const void *p, size_t n) MUST_USE;
void secret_release(struct secret *s);
bool secret_eq(const struct secret *a, const struct secret *b);
/* Constant time over n bytes. */
bool secret_eq_bytes(const void *a, const void *b, size_t n);
/* Overwrites memory in a way that the compiler may not remove. */
void secret_wipe(void *p, size_t n);
/* "sha256:1a2b3c4d": eight hex digits, enough to tell keys apart and no more. */
void secret_write_fingerprint(struct buf *b, const struct secret *s);

#endif
