/*
 * The operator's command comes in here: a Unix socket of mode 0600, one JSON line in
 * ({"command":"status"}), one out, then the connection closes. What a command does is the caller's.
 */
#ifndef SALLYPORT_CONTROL_H
#define SALLYPORT_CONTROL_H

#include "common/arena.h"
#include "common/check.h"
#include "common/dict.h"
#include "common/err.h"
#include "common/str.h"
#include "sbc/shell/turn.h"

enum {
	CONTROL_CLIENTS_MAX = 16,
	CONTROL_REQUEST_MAX = 128 * 1024,
	CONTROL_PATIENCE_MS = 10000, /* for a request to come and a reply to go */
	CONTROL_LATER_MS = 120000    /* for a reply that is given later */
};

/*
 * `request` has the command's arguments as members, NULL where there is no request to read; it lives until the function returns.
 * The reply is memory for free(), with its line end; STR_NONE: out of memory.
 */
typedef struct str (*control_fn)(void *ctx, struct str command, const struct dict *request);

struct control;

/* ERR_EXISTS: something answers on that socket already; ERR_LIMIT: path too long; ERR_IO with errno;
 * ERR_NOMEM. A socket file that nobody answers on is replaced. */
enum err control_new(struct control **out, struct turn *turn, struct str path, control_fn fn,
		     void *ctx) MUST_USE;
/* Who asked, while the reply is not there yet; zeroed: nobody. */
struct control_asker {
	size_t client;
	uint64_t number;
};

/* Within the function, which returns STR_NONE then: the reply comes by control_reply, once. */
struct control_asker control_later(struct control *c);
/* Takes the reply (as the function returns it). Who has hung up since then does not get it. */
void control_reply(struct control *c, struct control_asker to, struct str reply);
/* Removes the socket. */
void control_free(struct control **c);
/* A request line; STR_NONE: it is none. Both are valid as long as the arena is. */
struct str control_read(struct str line, struct arena *a, const struct dict **out_request);

#endif
