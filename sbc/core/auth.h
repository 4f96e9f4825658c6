/*
 * Answers to challenges: a 401 or 407 of a trunk that we have credentials for makes the request go out once more with
 * them (RFC 3261 §22.2-22.3, RFC 8760). Never for a realm that is not the trunk's, never twice for one challenge
 * (threats C8).
 */
#ifndef SALLYPORT_AUTH_H
#define SALLYPORT_AUTH_H

#include "sbc/core/worker.h"

struct dialog;

struct auth_again {
	id_t64 txn;     /* of the request that was challenged */
	uint16_t trunk; /* that was asked; SETTINGS_NO_INDEX: none */
	const struct settings *settings;
	const struct msg *answer; /* the 401 or 407 */
	struct dialog *dialog;    /* whose CSeq the request has; its number is counted on */
	uint32_t *cseq;           /* in and out: the request's */
	id_t64 owner;
};

/*
 * The new transaction, which has been sent and belongs to p->owner; ID_NONE: the challenge stands as an answer (no
 * credentials, another realm, refused already, an algorithm that we do not know).
 */
id_t64 auth_again(struct sbc *s, const struct auth_again *p);

#endif
