/*
 * Questions to the service of `opinion` over HTTP: POST of a JSON object, and what comes back as it is (policy/opinion.h reads it).
 * A few connections that stay open, each with one question at a time; what takes too long is given up with its connection.
 */
#ifndef SALLYPORT_SHELL_OPINION_H
#define SALLYPORT_SHELL_OPINION_H

#include "common/check.h"
#include "common/err.h"
#include "sbc/core/ports.h"
#include "sbc/shell/turn.h"

enum { OPINION_CONNECTIONS_MAX = 256, OPINION_HEADERS_MAX = 8192, OPINION_GRACE_MS = 200 };

struct opinion_line;

struct opinion_client {
	struct turn *turn;
	struct opinion_line *lines[OPINION_CONNECTIONS_MAX]; /* made when they are needed */
	struct addr server;                                  /* that they go to */
};

void opinion_client_init(struct opinion_client *c, struct turn *turn);
void opinion_client_release(struct opinion_client *c);
/* ports.opine: exactly one EVENT_OPINION comes of it, later. */
void opinion_client_ask(struct opinion_client *c, const struct opinion_query *q, id_t64 id);

#endif
