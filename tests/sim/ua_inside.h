/* What the files of a simulated phone share: ua_*.c, one concept each. */
#ifndef SALLYPORT_SIM_UA_INSIDE_H
#define SALLYPORT_SIM_UA_INSIDE_H

#include "tests/sim/ua.h"
#include "tests/sim/ua_write.h"

enum { UA_T1 = 500, UA_T2 = 4000, UA_T4 = 5000, UA_LONG = 64 * UA_T1 };

/* ---- ua.c */

uint64_t ua_now(const struct ua *u);
struct str ua_keep(struct ua *u, struct str s);
void ua_fault(struct ua *u, enum invariant of, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* One that a lossy or rogue peer may cause. */
void ua_wants(struct ua *u, enum invariant of, const char *what);
/* The network has lost this phone so much since that none of those copies need have come to anything. */
uint32_t ua_losses(const struct ua *u);
bool ua_is_excused(const struct ua *u, uint32_t losses, uint32_t copies);

/* ---- ua_txn.c: sending, sending again */

void ua_send(struct ua *u, struct ua_path *path, struct str bytes);
struct ua_txn *ua_new_txn(struct ua *u, bool client);
/* A request in a dialog: its transaction. */
struct ua_txn *ua_start(struct ua *u, struct ua_dialog *d, struct ua_request *r);
void ua_respond(struct ua *u, struct ua_txn *x, const struct ua_response *r);
void ua_refuse(struct ua *u, struct ua_txn *x, uint16_t status);
void ua_tick_txn(struct ua *u, struct ua_txn *x);

/* ---- ua_dialog.c */

struct ua_dialog *ua_new_dialog(struct ua *u);
void ua_end_dialog(struct ua *u, struct ua_dialog *d);
struct ua_dialog *ua_find_dialog(struct ua *u, const struct sip_text *m);
/* A dialog of this Call-ID that was not taken by a tag of theirs yet. */
struct addr ua_hop(struct ua *u, const struct ua_dialog *d);
struct str ua_routes(struct ua *u, const struct sip_text *m, bool reversed);
/* The dialog of one fork of an INVITE that we were sent. */
struct ua_dialog *ua_fork(struct ua *u, struct ua_txn *x, const struct sip_text *m, unsigned fork);
/* The dialog that a response to our INVITE belongs to: a fork of its own for each To tag. */
struct ua_dialog *ua_early(struct ua *u, struct ua_txn *x, const struct sip_text *m);
struct ua_dialog *ua_dialog_of(struct ua *u, const struct ua_txn *x);

/* ---- ua_invite.c: INVITE as client, and what ends it */

void ua_invite_response(struct ua *u, struct ua_txn *x, const struct sip_text *m);
void ua_send_bye(struct ua *u, struct ua_dialog *d);
void ua_send_cancel(struct ua *u, struct ua_txn *invite);
/* The same INVITE once more with a branch of its own, as a proxy sends it by another way. */
void ua_send_elsewhere(struct ua *u, const struct ua_txn *invite);
bool ua_invite_is_open(const struct ua *u, const struct ua_dialog *d);
/* Does an INVITE of the peer in this dialog, but for that one, wait for its final answer? */
bool ua_owes_answer(const struct ua *u, const struct ua_txn *not_this, const struct ua_dialog *d);
void ua_invite(struct ua *u, struct ua_dialog *d, uint32_t expires_s, uint32_t min_s);
void ua_call_as(struct ua *u, const char *user, const char *host, bool second, const char *extra);

/* ---- ua_answer.c: INVITE as server */

void ua_got_invite(struct ua *u, const struct sip_text *m, struct ua_txn *x);
void ua_got_cancel(struct ua *u, const struct sip_text *m, struct ua_txn *x);
void ua_take_step(struct ua *u, struct ua_txn *x);
uint64_t ua_step_ms(const struct ua *u, const struct ua_txn *x);
/* A 2xx to INVITE is repeated until its ACK comes. */
void ua_accept(struct ua *u, struct ua_txn *x, struct ua_dialog *d, const struct ua_response *r);
void ua_got_ack(struct ua *u, const struct sip_text *m);
void ua_tick_ok(struct ua *u, struct ua_dialog *d);

/* ---- ua_in_dialog.c */

void ua_got_in_dialog(struct ua *u, const struct sip_text *m, struct ua_txn *x);
void ua_answer_in_dialog(struct ua *u, struct ua_txn *x);
/* A final answer to what we asked in a dialog. */
void ua_in_dialog_answered(struct ua *u, struct ua_txn *x, const struct sip_text *m);
/* An offer of ours, or a request without one, by re-INVITE or UPDATE. */
void ua_offer(struct ua *u, struct ua_dialog *d, enum ua_act why, bool update, bool sdp);

/* ---- ua_rel.c: RFC 3262 */

bool ua_supports(const struct sip_text *m, const char *option);
void ua_got_reliable(struct ua *u, struct ua_txn *x, struct ua_dialog *d, const struct sip_text *m);
void ua_got_prack(struct ua *u, const struct sip_text *m, struct ua_txn *x, struct ua_dialog *d);
void ua_no_prack(struct ua *u, struct ua_txn *x);

/* ---- ua_timer.c: RFC 4028 */

/* Header lines for our request or 2xx; "" for none. `mem` holds them. */
const char *ua_timer_ask(struct ua *u, const struct ua_dialog *d, char *mem, size_t n);
const char *ua_timer_answer(struct ua *u, struct ua_dialog *d, const struct sip_text *request,
			    char *mem, size_t n);
void ua_timer_agreed(struct ua *u, struct ua_dialog *d, const struct sip_text *response);
/* True: the INVITE asked for too little, and was told so. */
bool ua_timer_refuses(struct ua *u, const struct sip_text *m, struct ua_txn *x);
void ua_tick_timer(struct ua *u, struct ua_dialog *d);

/* ---- ua_event.c: what is outside of calls, and transfers */

void ua_probe(struct ua *u, const char *method, const char *uri, const char *extra);
void ua_got_outside(struct ua *u, const struct sip_text *m, struct ua_txn *x);
void ua_got_notify(struct ua *u, const struct sip_text *m, struct ua_txn *x, struct ua_dialog *d);
void ua_got_refer(struct ua *u, const struct sip_text *m, struct ua_txn *x, struct ua_dialog *d);
void ua_refer(struct ua *u, struct ua_dialog *d, bool replaces);
void ua_refer_answered(struct ua *u, struct ua_txn *x, const struct sip_text *m);
void ua_subscribe(struct ua *u, uint32_t expires_s);
/* An INVITE with Replaces: the dialog that it names; NULL: none, and it has been answered. */
struct ua_dialog *ua_replaced(struct ua *u, const struct sip_text *m);
/* The refer target's call has come to that end. */
void ua_tell_referrer(struct ua *u, uint16_t status);

/* ---- ua_digest.c */

/* False: the INVITE was challenged. */
bool ua_is_proved(struct ua *u, const struct sip_text *m, struct ua_txn *x);

/* ---- ua_rogue.c */

void ua_misbehave(struct ua *u, enum ua_act what);

/* ---- ua_plan.c */

/* Something that todos wait for has happened. */
void ua_trigger(struct ua *u, enum ua_when when);
void ua_do(struct ua *u, enum ua_act what);
struct ua_txn *ua_open_invite(struct ua *u);
struct ua_dialog *ua_talking_now(struct ua *u);
uint64_t ua_next_ms(const struct ua *u);

#endif
