/* Ports that only write down what the core wants of the world. */
#ifndef SALLYPORT_TESTS_PORTS_REC_H
#define SALLYPORT_TESTS_PORTS_REC_H

#include "policy/ban.h"
#include "sbc/core/ports.h"

struct store_model;

enum { REC_SENDS = 256, REC_BYTES = 4096, REC_ASKS = 64, REC_CDR = 8192, REC_OPEN = 4096 };

struct rec_send {
	struct dest dest;
	id_t64 tag;
	size_t len;
	char bytes[REC_BYTES];
};

struct rec_ask {
	id_t64 id;
	char command[16];
	size_t len;
	char text[REC_BYTES]; /* bencode, or the host name */
	struct resolve_query query;
};

struct ports_rec {
	struct rec_send sends[REC_SENDS];
	size_t send_count;
	struct rec_ask relays[REC_ASKS], resolves[REC_ASKS];
	size_t relay_count, resolve_count;
	struct rec_ask credentials[REC_ASKS]; /* text: the URL */
	size_t credential_count;
	size_t notices[NOTICE_COUNT];
	size_t drops[NOTICE_DROP_COUNT];
	size_t closes;
	size_t opinions; /* questions to the service of `opinion`: the latest */
	id_t64 opinion_id;
	char opinion[REC_BYTES];
	char why[32];              /* what came of the latest opinion */
	struct store_model *store; /* NULL: what is posted to a store is only counted */
	unsigned store_node;
	uint64_t store_now_ms; /* of this turn, the caller's to keep */
	size_t stores;
	char cdr[REC_CDR]; /* the lines so far */
	size_t cdr_len;
	char rule[64];      /* of the latest refusal */
	enum ban_by ban_by; /* of the latest ban */
	bool quiet; /* a ring, what is too long is cut, no CDRs: for benchmarks and fuzzing */
	id_t64 open[2][REC_OPEN]; /* questions without an answer so far: relay, resolver */
	size_t open_count[2];
};

struct ports ports_rec_table(struct ports_rec *r);
/* The question has been answered. */
void ports_rec_close(struct ports_rec *r, unsigned which, id_t64 id);
/* Forgets all but the counts of notices and the CDRs. */
void ports_rec_clear(struct ports_rec *r);

#endif
