/*
 * Who is registered through us: addresses-of-record and their contacts (RFC 3261 §10, RFC 5626, RFC 3327). A contact is
 * known to the registrar by a token of ours and reached over the flow that it registered on; to who asks for it, by
 * that token, by its flow, or by its address-of-record. A leaf: no timers set, no messages sent; texts are copies.
 */
#ifndef SALLYPORT_BIND_H
#define SALLYPORT_BIND_H

#include "common/block.h"
#include "common/buf.h"
#include "common/list.h"
#include "common/pool.h"
#include "common/table.h"
#include "sbc/core/alarm.h"
#include "sbc/core/event.h"
#include "sbc/core/hide.h"
#include "sbc/core/tally.h"

enum {
	BIND_NAME_MAX = 320, /* user@domain */
	BIND_TEXT_MAX = 512  /* a contact's URI; its instance; its path */
};

/* One address-of-record. It is there as long as it has contacts or sessions. */
struct aor {
	id_t64 id;
	struct table_node by_name;
	struct str name; /* user@domain, the domain in lower case */
	uint16_t group;  /* index of settings->users */
	uint16_t count, sessions;
	struct list contacts;         /* the last registered first */
	char call_id[HIDE_TOKEN_LEN]; /* of our REGISTERs to the registrar */
	uint32_t cseq;
};

struct contact {
	id_t64 id;
	struct aor *aor;
	struct list node;
	struct table_node by_flow, by_token;
	struct flow flow;
	char token[HIDE_TOKEN_LEN];
	struct str uri;      /* as the user gave it */
	struct str instance; /* +sip.instance, with its quotes; empty: none */
	struct str path;     /* Path values parted by '\n', the first hop first; empty: none */
	struct str call_id;  /* of the user's latest REGISTER */
	uint32_t cseq, reg_id;
	uint16_t q;            /* thousandths */
	uint64_t expires_ms;   /* as the user was told */
	uint64_t registrar_ms; /* as the registrar said; UINT64_MAX: there is none */
	struct alarm alarm;    /* the owner's */
};

struct binds {
	struct pool aors, contacts;
	struct table by_name, by_flow, by_token;
	struct tally sources;
	struct block_pool *texts;
};

/* Room for `contacts` of them. Kinds: the top byte of the ids. ERR_NOMEM. */
enum err bind_init(struct binds *b, uint32_t contacts, const uint8_t kinds[2],
		   const struct siphash_key keys[4], struct block_pool *texts) MUST_USE;
void bind_release(struct binds *b);

struct aor *bind_find_aor(const struct binds *b, struct str name);
struct aor *bind_get_aor(const struct binds *b, id_t64 id);
/* ERR_FULL, ERR_NOMEM. The name is copied; `call_id` is HIDE_TOKEN_LEN octets. */
enum err bind_add_aor(struct binds *b, struct str name, uint16_t group, const char *call_id,
		      struct aor **out) MUST_USE;
/* The name as it stands in a URI: the user part is kept undone, and may hold anything. */
void bind_write_name(struct buf *b, struct str name);
/* Away with it if it has nothing any more. */
void bind_settle(struct binds *b, struct aor *a);

struct bind_texts {
	struct str uri, instance, path, call_id;
	uint32_t reg_id;
};
/* The contact of this address that these mean: the same instance and reg-id, else the same URI (RFC 5626 §6). */
struct contact *bind_match(const struct aor *a, const struct bind_texts *t);

struct bind_add {
	struct aor *aor;
	const struct flow *flow;
	const char *token;
	struct bind_texts texts;
	uint16_t most;        /* of one address-of-record */
	uint32_t source_most; /* of one source */
};
/* ERR_LIMIT: the address-of-record or the source has enough; ERR_FULL: the table; ERR_NOMEM. */
enum err bind_add(struct binds *b, const struct bind_add *p, struct contact **out) MUST_USE;
/* New texts and flow for one that is there. ERR_NOMEM: as it was. ERR_LIMIT: of the new source. */
enum err bind_renew(struct binds *b, struct contact *c, const struct bind_add *p) MUST_USE;
/* The contact goes; its address-of-record too if that was its last. The alarm has been stopped. */
void bind_del(struct binds *b, struct contact *c);

struct contact *bind_get(const struct binds *b, id_t64 id);
struct contact *bind_find_token(const struct binds *b, struct str token);
/* Contacts of a flow, one after another: *cursor starts as NULL. Of UDP: of an address and port. */
struct contact *bind_next_of_flow(const struct binds *b, const struct flow *f,
				  struct contact **cursor);
bool bind_same_flow(const struct flow *a, const struct flow *b);

#endif
