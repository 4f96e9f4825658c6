/* What the two halves of a simulated phone (ua.c: messages, ua_plan.c: plan and time) share. */
#ifndef SALLYPORT_SIM_UA_INSIDE_H
#define SALLYPORT_SIM_UA_INSIDE_H

#include "tests/sim/ua_write.h"

enum { UA_T1 = 500, UA_T2 = 4000, UA_T4 = 5000, UA_LONG = 64 * UA_T1 };

uint64_t ua_now(const struct ua *u);
struct str ua_keep(struct ua *u, struct str s);
void ua_send(struct ua *u, struct ua_path *path, struct str bytes);
struct ua_dialog *ua_new_dialog(struct ua *u);
void ua_end_dialog(struct ua *u, struct ua_dialog *d);
/* A request in a dialog: its transaction. */
struct ua_txn *ua_start(struct ua *u, int dialog, struct ua_request *r);
void ua_send_bye(struct ua *u, struct ua_dialog *d);
void ua_send_cancel(struct ua *u, struct ua_txn *invite);
/* The same INVITE once more with a branch of its own, as a proxy sends it by another way. */
void ua_send_elsewhere(struct ua *u, const struct ua_txn *invite);
bool ua_invite_is_open(const struct ua *u, const struct ua_dialog *d);
void ua_respond(struct ua *u, struct ua_txn *x, const struct ua_response *r);
void ua_accept(struct ua *u, struct ua_txn *x, struct ua_dialog *d, const struct ua_response *r);
void ua_take_step(struct ua *u, struct ua_txn *x);
void ua_answer_in_dialog(struct ua *u, struct ua_txn *x);
/* Something that todos wait for has happened. */
void ua_trigger(struct ua *u, enum ua_when when);

#endif
