/*
 * Keys in INFO requests, as phones and PBXs have them: application/dtmf-relay (`Signal=5`, `Duration=250`) and
 * application/dtmf (the key alone). Nobody wrote them down; both spellings are read with and without their CRLF.
 */
#ifndef SALLYPORT_DTMF_INFO_H
#define SALLYPORT_DTMF_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

enum {
	DTMF_INFO_MS = 250,
	DTMF_INFO_MS_MAX = 5000,
	DTMF_INFO_KEYS = 17 /* 0 to 9 * # A to D flash */
};

/* Is this the type of such a body, whatever is in it? */
bool dtmf_info_is(struct str content_type);
/* ERR_NOTFOUND: not such a body; ERR_BAD: one without a key. A length that is missing or broken is the usual one. */
enum err dtmf_info_read(struct str content_type, struct str body, uint8_t *out_key,
			uint32_t *out_ms) MUST_USE;
/* `plain`: as application/dtmf. Returns the type. */
struct str dtmf_info_write(struct buf *b, uint8_t key, uint32_t ms, bool plain);

#endif
