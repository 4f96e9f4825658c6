/*
 * A phone or PBX: it follows a plan (what to answer, what to do when), RFC 3261's timers, RFC 3264's
 * offers and answers, and complains when its peer does what it must not. It shares no code with the
 * core but strings and addresses. A rogue breaks rules itself, by plan.
 */
#ifndef SALLYPORT_SIM_UA_H
#define SALLYPORT_SIM_UA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "tests/sim/faults.h"
#include "tests/sim/net.h"
#include "tests/sim/sip_text.h"
#include "tests/sim/ua_talk.h"

enum { UA_TXNS = 96, UA_DIALOGS = 12, UA_STEPS = 8, UA_TODOS = 16, UA_NONE = -1 };

/* One answer to an INVITE, counted from its arrival. */
struct ua_step {
	uint16_t status;
	uint32_t after_ms;
	bool sdp;
	uint8_t fork;  /* the answers of a forking proxy behind: each fork has its own To tag */
	bool reliable; /* 1xx by RFC 3262, if the caller can take it */
	const char *contact; /* of a 3xx */
};

enum ua_when {
	UA_AFTER_START,   /* caller: INVITE sent; callee: INVITE arrived */
	UA_AFTER_RINGING, /* the first 18x */
	UA_AFTER_ANSWER,  /* caller: 2xx arrived; callee: its ACK arrived */
	UA_AFTER_REFER,   /* the final NOTIFY of a transfer, if it went well */
	UA_WHEN_COUNT
};

/* X(enum, name): what a phone can do of its own accord */
#define UA_ACT_TABLE(X)                                                                            \
	X(CANCEL, "CANCEL")                                                                        \
	X(BYE, "BYE")                                                                              \
	X(BYE_EARLY, "BYE in the early dialog") /* instead of CANCEL (RFC 3261 §15) */            \
	X(REINVITE, "re-INVITE")                /* the same session once more */                   \
	X(REINVITE_LATE, "re-INVITE without SDP")                                                  \
	X(UPDATE, "UPDATE")                                                                        \
	X(UPDATE_PLAIN, "UPDATE without SDP")                                                      \
	X(UPDATE_EARLY, "UPDATE in the early dialog")                                              \
	X(HOLD, "hold")                                                                            \
	X(FREEZE, "hold with a=inactive")                                                          \
	X(RESUME, "resume")                                                                        \
	X(ADD_VIDEO, "add video")                                                                  \
	X(DROP_VIDEO, "drop video")                                                                \
	X(TO_FAX, "audio to fax")                                                                  \
	X(TO_AUDIO, "fax to audio")                                                                \
	X(INFO, "INFO")                                                                            \
	X(MESSAGE_INSIDE, "MESSAGE in the dialog")                                                 \
	X(OPTIONS, "OPTIONS")                                                                      \
	X(ELSEWHERE, "the INVITE by another way")                                                  \
	X(PROBE, "a request outside any dialog")                                                   \
	X(MESSAGE, "MESSAGE")                                                                      \
	X(SUBSCRIBE, "SUBSCRIBE")                                                                  \
	X(UNSUBSCRIBE, "SUBSCRIBE that ends it")                                                   \
	X(PUBLISH, "PUBLISH")                                                                      \
	X(REFER, "REFER")                                                                          \
	X(REFER_REPLACES, "REFER with Replaces")                                                   \
	X(CALL_TARGET, "a call to the transfer target")                                            \
	X(CLOSE, "close connections")                                                              \
	X(VANISH, "vanish") /* power cut: says nothing any more */                                 \
	X(STALE_TAG, "rogue: a request with a stale tag")                                          \
	X(LOW_CSEQ, "rogue: a request with a low CSeq")                                            \
	X(SECOND_INVITE, "rogue: a second INVITE while the first is open")                         \
	X(STRAY_ACK, "rogue: an ACK of nothing")                                                   \
	X(STRAY_ANSWER, "rogue: an answer to nothing")                                             \
	X(STRAY_PRACK, "rogue: a PRACK of nothing")                                                \
	X(STRAY_CANCEL, "rogue: a CANCEL of nothing")                                              \
	X(SDP_IN_INFO, "rogue: SDP where none belongs")                                            \
	X(OTHER_ANSWER, "rogue: another final answer")                                             \
	X(GARBAGE, "rogue: what is not SIP")

enum ua_act {
#define X(id, name) UA_##id,
	UA_ACT_TABLE(X)
#undef X
		UA_ACT_COUNT
};

const char *ua_act_name(enum ua_act a);

struct ua_todo {
	enum ua_when when;
	enum ua_act act;
	uint32_t after_ms;
	bool done;
	uint64_t at_ms; /* 0: its time has not been set yet */
};

/* Reliable provisionals (RFC 3262) of a caller: it cannot, it can, it must. */
enum ua_rel { UA_REL_NONE, UA_REL_SUPPORTED, UA_REL_REQUIRED };

/* Session timers (RFC 4028). */
struct ua_timer_plan {
	uint32_t expires_s; /* asked for; 0: not */
	uint32_t min_s;     /* less is answered with 422; 0: anything is taken */
	char refresher;     /* 'c' or 's' (uac, uas): who, if it is ours to say; 0: the peer says */
	bool by_invite;     /* refreshes by re-INVITE, not UPDATE */
	bool lazy;          /* promises to refresh, and does not */
};

/* What it asks of those who call it (RFC 3261 §22). */
struct ua_challenge {
	uint16_t status; /* 401, 407; 0: nothing */
	bool sha256;     /* offers SHA-256 before MD5 (RFC 8760) */
	bool stale;      /* the first nonce is stale when it is used */
	bool sure;       /* no answer is right */
};

struct ua_plan {
	struct ua_step steps[UA_STEPS]; /* none: 480 at once */
	size_t step_count;
	struct ua_todo todos[UA_TODOS];
	size_t todo_count;
	bool deaf_to_cancel; /* says 200 to CANCEL and goes on ringing: as if they crossed */
	bool late_fork;      /* a 2xx step may follow a refusal: another branch of the fork */
	enum ua_rel rel;
	bool wants_rel;   /* callee: 421 to who cannot do reliable 1xx */
	bool offerless;   /* INVITE without SDP; the answer goes in the ACK or PRACK */
	bool prack_offer; /* caller: a new offer in the PRACK of an answer */
	bool by_update;   /* changes its media by UPDATE */
	bool no_video;    /* declines it */
	bool srtp;        /* offers and expects SRTP */
	struct ua_timer_plan timer;
	struct ua_challenge challenge;
	const char *require;    /* in its INVITE; NULL: nothing */
	bool is_signed, forged; /* its INVITEs have a signature; a wrong one */
	const char *dials, *refers_to;
	uint16_t in_dialog_status; /* answer to INFO, UPDATE, OPTIONS, re-INVITE; 0: 200 */
	uint8_t in_dialog_times;   /* so often; 0: always */
	uint32_t in_dialog_ms;     /* how long such an answer takes */
	uint32_t hops;             /* Max-Forwards + 1; 0: 70 */
	/* Of a rogue. */
	bool rogue, no_ack, no_prack, mute;
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
	bool offers;      /* its request carries an offer of ours */
	bool any;         /* rogue: whatever comes of it is right */
	bool rel_pending; /* server: a reliable 1xx waits for its PRACK */
	bool offer_rel;   /* that one carried our offer */
	enum ua_act why;  /* client: what to do again after a glare; UA_ACT_COUNT: nothing */
	uint32_t rseq;    /* of the latest reliable 1xx */
	struct str method, branch, sent_by;
	uint32_t cseq;
	struct str request; /* whole */
	struct str last;    /* what is sent again */
	struct ua_path path;
	uint32_t interval_ms;
	uint32_t copies, losses;        /* sent so often; what the network had lost before */
	uint64_t again_ms, deadline_ms; /* 0: none */
	uint16_t status;                /* final, or 0 */
	int dialog;
	/* Server INVITE outside a dialog: the plan's next step. Others: an answer to come. */
	size_t next_step;
	uint64_t start_ms, answer_ms;
	struct str tags[UA_STEPS]; /* of each fork */
};

enum ua_dialog_state {
	UA_DIALOG_FREE,
	UA_DIALOG_EARLY,
	UA_DIALOG_CONFIRMED,
	UA_DIALOG_ENDED,
	UA_DIALOG_SUBSCRIPTION, /* no INVITE began it */
};

struct ua_dialog {
	enum ua_dialog_state state;
	bool caller, acked, bye_sent, bye_received;
	bool second;   /* the transfer target's, not the call's */
	uint32_t rseq; /* of the latest reliable 1xx that we took; 0: none */
	struct str call_id, local, remote, local_tag, remote_tag, target, routes;
	uint32_t cseq, remote_cseq;
	struct ua_talk talk;
	struct str ack; /* of the last 2xx that we got */
	uint32_t ack_cseq;
	struct str ok; /* the 2xx that we repeat until its ACK; empty: none */
	uint32_t ok_cseq;
	bool ok_offers; /* it carries our offer */
	struct ua_path ok_path;
	uint32_t ok_interval_ms, ok_copies, ok_losses;
	uint64_t ok_again_ms, ok_deadline_ms;
	/* After a glare. */
	enum ua_act again;
	uint64_t again_ms;
	/* Session timer: 0: none. */
	uint32_t expires_s;
	uint64_t refresh_ms, expiry_ms;
	/* Transfer: */
	bool refer_open; /* the final NOTIFY has not come */
	uint32_t notifies;
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
	uint32_t instance; /* many phones at one address: which; in all its identifiers */
	int udp_end;
};

struct ua {
	struct ua_params p;
	struct net *net;
	struct clock *clock;
	struct dice *dice;
	struct faults *faults;
	struct arena *arena;
	struct ladder *ladder;
	struct ua_plan plan;
	uint64_t due_ms;     /* its next tick; UINT64_MAX: none */
	uint64_t planned_ms; /* the tick that the clock knows of */
	bool vanished;
	bool referred;  /* it has done what a REFER asked for */
	bool torn;      /* a connection has gone: what was on it may be lost */
	bool lenient;   /* its peers may leave it without an answer or an ACK */
	bool two_nodes; /* answer it: a 503 or 481 of the one does not bind the other */
	struct ua_txn txns[UA_TXNS];
	struct ua_dialog dialogs[UA_DIALOGS];
	uint32_t made; /* tags and branches so far */
	struct str nonce;
	/* What came of the call that it placed. */
	bool placed;
	uint16_t status; /* final; 0: none yet */
	bool cancelled, rang, early_media;
	uint64_t rang_ms, answered_ms, ended_ms;
	/* What came of calls that it got. */
	uint32_t invited, answered, challenged, proved;
	uint32_t pracks;  /* sent, or received in order */
	uint32_t refused; /* in the dialog: not 2xx answers to its requests */
	uint32_t glares;  /* 491s that it got */
	uint32_t messages, infos, notifies, subscribed;
	char keys[32]; /* of INFOs that it got, in their order */
	size_t key_count;
	uint16_t probe_status; /* of the last request outside any dialog */
	uint16_t refer_status; /* of the sipfrag of the final NOTIFY */
	uint32_t refreshes, refreshed;
	uint32_t replaced; /* calls of its own that an INVITE with Replaces took over */
};

/* `net` and the rest outlive it. */
void ua_init(struct ua *u, const struct ua_params *p, struct net *net, struct faults *faults,
	     struct arena *arena);
/* Calls sip:USER@HOST, sent to the next hop. */
void ua_call(struct ua *u, const char *user, const char *host);
void ua_receive(struct ua *u, struct str bytes, const struct ua_path *from);
void ua_conn_closed(struct ua *u, int conn);
void ua_tick(struct ua *u);
/* Nothing of it waits for anything. */
bool ua_is_idle(const struct ua *u);
/* Complains of what is left. */
void ua_check_idle(const struct ua *u);
/* The first dialog in which it talks, or talked last; NULL: none. */
const struct ua_dialog *ua_talking(const struct ua *u);

#endif
