/*
 * A well-behaved phone or PBX: it follows a plan (what to answer, what to do when) and RFC 3261's
 * timers, and complains when its peer does what it must not. It shares no code with the core but
 * strings and addresses.
 */
#ifndef SALLYPORT_SIM_UA_H
#define SALLYPORT_SIM_UA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "tests/sim/faults.h"
#include "tests/sim/net.h"
#include "tests/sim/sip_text.h"

enum { UA_TXNS = 24, UA_DIALOGS = 8, UA_STEPS = 8, UA_TODOS = 8, UA_NONE = -1 };

/* One answer to an INVITE, counted from its arrival. */
struct ua_step {
	uint16_t status;
	uint32_t after_ms;
	bool sdp;
	uint8_t fork;  /* the answers of a forking proxy behind: each fork has its own To tag */
	bool reliable; /* 1xx by RFC 3262, if the caller can take it */
};

enum ua_when {
	UA_AFTER_START,   /* caller: INVITE sent; callee: INVITE arrived */
	UA_AFTER_RINGING, /* the first 18x */
	UA_AFTER_ANSWER,  /* caller: 2xx arrived; callee: its ACK arrived */
	UA_WHEN_COUNT
};

enum ua_act {
	UA_CANCEL,
	UA_BYE,
	UA_REINVITE,
	UA_UPDATE,
	UA_INFO,
	UA_OPTIONS,
	UA_BYE_EARLY, /* caller: BYE instead of CANCEL (RFC 3261 §15) */
	UA_ELSEWHERE, /* caller: the INVITE once more, as if by another way */
	UA_PROBE,     /* requests outside any dialog, of several methods */
	UA_CLOSE,     /* closes its connections */
	UA_VANISH,    /* power cut: says nothing any more */
	UA_ACT_COUNT
};

struct ua_todo {
	enum ua_when when;
	enum ua_act act;
	uint32_t after_ms;
	bool done;
	uint64_t at_ms; /* 0: its time has not been set yet */
};

struct ua_plan {
	struct ua_step steps[UA_STEPS]; /* none: 480 at once */
	size_t step_count;
	struct ua_todo todos[UA_TODOS];
	size_t todo_count;
	bool deaf_to_cancel;       /* says 200 to CANCEL and goes on ringing: as if they crossed */
	bool late_fork;            /* a 2xx step may follow a refusal: another branch of the fork */
	bool rel100;               /* can take reliable 1xx */
	bool offerless;            /* INVITE without SDP; the answer goes in the ACK */
	uint16_t in_dialog_status; /* answer to INFO, UPDATE, OPTIONS, re-INVITE; 0: 200 */
	uint32_t in_dialog_ms;     /* how long such an answer takes */
};

struct ua_path {
	int conn; /* NET_NONE: UDP, or not yet connected */
	struct addr to;
	enum transport transport;
};

enum ua_txn_state {
	UA_TXN_FREE,
	UA_TXN_WAITING,    /* client: no final answer; server: none given */
	UA_TXN_PROCEEDING, /* a 1xx came or went */
	UA_TXN_DONE,       /* final answer; lingers */
	UA_TXN_STATE_COUNT
};

struct ua_txn {
	enum ua_txn_state state;
	bool client, invite, cancelled, acked, elsewhere;
	bool rel_pending; /* server: a reliable 1xx waits for its PRACK */
	uint32_t rseq;    /* of the latest reliable 1xx */
	struct str method, branch, sent_by;
	uint32_t cseq;
	struct str request; /* whole */
	struct str last;    /* what is sent again */
	struct ua_path path;
	uint32_t interval_ms;
	uint64_t again_ms, deadline_ms; /* 0: none */
	uint16_t status;                /* final, or 0 */
	int dialog;
	/* Server INVITE outside a dialog: the plan's next step. Others: an answer to come. */
	size_t next_step;
	uint64_t start_ms, answer_ms;
	struct str tags[UA_STEPS]; /* of each fork */
};

enum ua_dialog_state { UA_DIALOG_FREE, UA_DIALOG_EARLY, UA_DIALOG_CONFIRMED, UA_DIALOG_ENDED };

struct ua_dialog {
	enum ua_dialog_state state;
	bool caller, acked, bye_sent, bye_received;
	bool early_sdp; /* a reliable 1xx had the answer */
	uint32_t rseq;  /* of the latest reliable 1xx that we took; 0: none */
	struct str call_id, local, remote, local_tag, remote_tag, target, routes;
	uint32_t cseq, remote_cseq;
	uint32_t version; /* of our SDP */
	struct str ack;   /* of the last 2xx that we got */
	uint32_t ack_cseq;
	struct str ok; /* the 2xx that we repeat until its ACK; empty: none */
	uint32_t ok_cseq;
	struct ua_path ok_path;
	uint32_t ok_interval_ms;
	uint64_t ok_again_ms, ok_deadline_ms;
};

struct ua_params {
	const char *name;
	int node;
	struct addr addr;
	enum transport transport; /* that it uses for its own requests */
	struct addr next_hop;     /* the core's listener, or the other phone */
	struct addr media_relay;  /* where SDP must point; family ADDR_NONE: anywhere */
	const char *mark;         /* word in its identifiers: what must not be seen elsewhere */
	const char *user;
};

struct ua {
	struct ua_params p;
	struct net *net;
	struct clock *clock;
	struct dice *dice;
	struct faults *faults;
	struct ua_plan plan;
	int udp_end, stream_end; /* ends where it listens */
	bool vanished;
	bool lenient; /* its peers may leave it without an answer or an ACK */
	struct ua_txn txns[UA_TXNS];
	struct ua_dialog dialogs[UA_DIALOGS];
	uint32_t made; /* tags and branches so far */
	/* What came of the call that it placed. */
	bool placed;
	uint16_t status; /* final; 0: none yet */
	bool cancelled, rang, early_media;
	uint64_t ended_ms;
	/* What came of calls that it got. */
	uint32_t invited, answered;
	uint32_t pracks; /* sent, or received in order */
};

/* `net`, `clock` and the rest outlive it. Listens at p->addr for UDP and for TCP and TLS. */
void ua_init(struct ua *u, const struct ua_params *p, struct net *net, struct faults *faults);
/* Calls sip:USER@HOST, sent to the next hop. */
void ua_call(struct ua *u, const char *user, const char *host);
/* A request that belongs to no call; its answer is only waited for. */
void ua_probe(struct ua *u, const char *method, const char *uri);
void ua_receive(struct ua *u, struct str bytes, const struct ua_path *from);
void ua_conn_closed(struct ua *u, int conn);
uint64_t ua_next_ms(const struct ua *u);
void ua_tick(struct ua *u);
/* Complains of what is left. */
void ua_check_idle(const struct ua *u);
#endif
