/*
 * What an operator asks about: the members of a command's JSON object → a message that would come in, and how. Either the
 * message itself (`message`), or the INVITE that the other members describe; so that there is one way only in which a question is
 * decided. Pure: the running SBC and the command without one share it.
 *
 *   from ADDRESS[:PORT] · via udp|tcp|tls|ws|wss · realm · certificate NAME · user U@DOMAIN · caller · number · domain ·
 *   method · at (2026-11-22T03:00:00Z, or ms since the epoch) · media rtp|srtp|dtls · message
 */
#ifndef SALLYPORT_EXPLAIN_ARGS_H
#define SALLYPORT_EXPLAIN_ARGS_H

#include "common/buf.h"
#include "common/dict.h"
#include "sbc/core/sbc_explain.h"

enum { EXPLAIN_TEXT_MAX = 8192 };

struct explain_args {
	struct explain_params params; /* its views: the dict's, and these */
	struct tls_facts tls;
	char text[EXPLAIN_TEXT_MAX];
};

/* ERR_BAD: `why` says what is missing or not understood. Times are `now` where nothing is said. */
enum err explain_args_read(const struct settings *set, const struct dict *d, uint64_t now_ms,
			   uint64_t wall_ms, struct explain_args *out, struct buf *why) MUST_USE;
/* 2026-11-22T03:00:00[.123]Z, or a number of milliseconds since the epoch. ERR_BAD. */
enum err explain_time_parse(struct str s, uint64_t *out_ms) MUST_USE;

#endif
