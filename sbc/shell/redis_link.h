/*
 * One connection to a server that speaks RESP: Unix socket, TCP or TLS. Commands are gathered and go out once a turn; replies come
 * in the order of the commands. No timers: whose commands they are knows how long it waits.
 */
#ifndef SALLYPORT_REDIS_LINK_H
#define SALLYPORT_REDIS_LINK_H

#include <openssl/ssl.h>

#include "sbc/core/store.h"
#include "sbc/shell/conn.h"
#include "sbc/shell/resp.h"
#include "sbc/shell/turn.h"

enum { REDIS_PATH_MAX = 107, REDIS_OUT_MAX = 16 * 1024 * 1024, REDIS_WHY_MAX = 120 };

struct redis_target {
	char path[REDIS_PATH_MAX + 1]; /* of a Unix socket; empty: the address */
	struct addr addr;
};

/* "unix:PATH", "redis://ADDRESS:PORT" or without "redis://". ERR_BAD. */
enum err redis_target_parse(struct str s, struct redis_target *out) MUST_USE;
bool redis_target_eq(const struct redis_target *a, const struct redis_target *b);
void redis_target_write(struct buf *b, const struct redis_target *t);

/* Of the configuration: how to trust a server. NULL where `tls` is off. ERR_BAD: a file cannot be used, `why` says which. */
enum err redis_tls_new(SSL_CTX **out, const struct store_settings *s, struct buf *why) MUST_USE;

enum redis_link_state { REDIS_CLOSED, REDIS_CONNECTING, REDIS_SHAKING, REDIS_OPEN };

struct redis_link_user {
	void *ctx;
	void (*up)(void *ctx); /* commands may be written */
	void (*reply)(void *ctx, const struct resp_value *v);
	void (*down)(
		void *ctx); /* it has closed by itself; `why` says so. May open it again later, not now */
};

struct redis_link {
	struct turn *turn;
	struct redis_link_user user;
	enum redis_link_state state;
	bool has_conn;
	struct conn conn;
	struct watch *watch;
	struct resp_reader *reader;
	struct buf out; /* not yet written: from out_at */
	size_t out_at;
	char why[REDIS_WHY_MAX]; /* it closed last */
};

void redis_link_init(struct redis_link *l, struct turn *turn, const struct redis_link_user *user);
void redis_link_release(struct redis_link *l);
/* Begins. Tells `up` or `down` later; where it cannot even begin it stays closed and `why` says so. `tls_name`: whom the server must prove to be; empty: the address. */
void redis_link_open(struct redis_link *l, const struct redis_target *t, SSL_CTX *tls,
		     struct str tls_name);
/* At once, without telling. */
void redis_link_close(struct redis_link *l);
/* Queues a command. False: it is not open, or too much waits to be written. */
bool redis_link_write(struct redis_link *l, const struct str *words, size_t count);
/* What was written goes out, as far as the socket takes it. */
void redis_link_flush(struct redis_link *l);

#endif
