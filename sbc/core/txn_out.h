/*
 * What a step of a transaction machine wants done (style §1): a set of actions and the next time it
 * wants to be woken. Shared by txn_client and txn_server; txn.c carries it out.
 */
#ifndef SALLYPORT_TXN_OUT_H
#define SALLYPORT_TXN_OUT_H

#include <stdint.h>

enum txn_action {
	TXN_DO_SEND = 1 << 0,    /* send the kept bytes */
	TXN_DO_ACK = 1 << 1,     /* write the ACK of this response, keep it instead, send it */
	TXN_DO_PASS = 1 << 2,    /* the message is for the owner */
	TXN_DO_KEEP = 1 << 3,    /* keep the bytes given (a response) for sending again */
	TXN_DO_TRIM = 1 << 4,    /* of the kept request only what ACK and CANCEL need */
	TXN_DO_DROP = 1 << 5,    /* the kept bytes are not needed any more */
	TXN_DO_TIMEOUT = 1 << 6, /* tell the owner: no final answer came (timers B, F) */
	TXN_DO_FAIL = 1 << 7,    /* tell the owner: the transport failed */
	TXN_DO_NO_ACK = 1 << 8,  /* tell the owner: no ACK came (timers H, L) */
	TXN_DO_SLOW = 1 << 9,    /* tell the owner: a 100 is due */
	TXN_DO_END = 1 << 10     /* the transaction is over */
};

struct txn_out {
	uint16_t actions; /* of enum txn_action */
	uint64_t wake_ms; /* call tick then; 0: no timer */
};

#endif
