/*
 * The record of an INVITE that was refused before it was anybody's call: whoever is banned, denied, too fast, a stranger,
 * unreadable, or came while the node sheds load. Such INVITEs cost their senders nothing, so what they may write is bounded: so
 * many records a second of all (`limits.refused_records`), of one source a tenth of them and five at once, of one Call-ID one in
 * the time in which a request is repeated: what is dropped leaves no transaction that would know the repetitions. Log and metric
 * count all. A refused call of a trunk that we know always has its record (call_refused_at_once).
 */
#ifndef SALLYPORT_REFUSED_H
#define SALLYPORT_REFUSED_H

#include "common/err.h"
#include "common/siphash.h"
#include "common/str.h"
#include "policy/rate.h"
#include "policy/verdict.h"

struct flow;
struct msg;
struct sbc;
struct tls_facts;

enum {
	REFUSED_REMEMBERED = 8192, /* sources and Call-IDs */
	REFUSED_SOURCE_BURST = 5,
	REFUSED_SOURCE_PART = 10,
	REFUSED_AGAIN_MS = 32000 /* 64*T1 */
};

struct refused_records {
	struct rate all;
	struct rate_table seen;
	uint64_t count; /* their number, in their names */
};

/* ERR_NOMEM: release all the same. */
enum err refused_init(struct refused_records *r, const struct siphash_key *key) MUST_USE;
void refused_release(struct refused_records *r);

/* What f carried is refused by v and told of; with a record, if m is an INVITE and the bounds leave room. m NULL: unread, it is `bytes`. */
void refused_tell(struct sbc *s, const struct flow *f, const struct tls_facts *tls,
		  const struct msg *m, struct str bytes, uint16_t trunk, const struct verdict *v);

#endif
