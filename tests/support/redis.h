/* A redis-server of the test's own, in a folder of its own; and a store_redis on a loop of its own that talks to it. */
#ifndef SALLYPORT_TESTS_REDIS_H
#define SALLYPORT_TESTS_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "sbc/shell/store_redis.h"

enum { REDIS_ARGS = 24, RIG_HEARD = 256, RIG_TEXT = 4096 };

struct redis_daemon {
	pid_t pid;
	char folder[64];
	char socket[96]; /* "unix:…" */
	uint16_t port;   /* 0: none */
};

/* False: there is no redis-server here. `more`: words for its command line, NULL at the end. */
bool redis_daemon_start(struct redis_daemon *d, bool tcp, const char *const *more);
/* Once more, in the same folder. */
bool redis_daemon_again(struct redis_daemon *d, const char *const *more);
void redis_daemon_stop(struct redis_daemon *d); /* it may say goodbye */
void redis_daemon_kill(struct redis_daemon *d);
void redis_daemon_freeze(struct redis_daemon *d, bool frozen);
void redis_daemon_remove(struct redis_daemon *d);
/* Until this is so, looked at anew whenever the daemon writes something (its log, its socket). False: it ended, or so many ms went by. */
bool redis_daemon_await(struct redis_daemon *d, bool (*is)(const struct redis_daemon *d),
			uint64_t ms);
/* By the shell: its output, cut at cap - 1 and without its last line end, and its status as waitpid gives it. */
int redis_shell(const char *command, char *out, size_t cap);
/* One command by redis-cli; what it says, up to a line's end. */
const char *redis_daemon_do(const struct redis_daemon *d, const char *command);
uint16_t redis_free_port(void);

struct rig_heard {
	enum event_type type;
	struct store_reply reply;
	struct store_told told;
	struct store_state state;
	char value[RIG_TEXT], member[256], node[64];
};

/* A node. */
struct rig {
	struct turn turn;
	struct rng rng;
	struct store_redis *store;
	struct store_settings settings;
	struct rig_heard heard[RIG_HEARD]; /* a ring */
	uint64_t count;
	unsigned ups, downs, fresh, missed, replies, tolds;
};

/* The settings that a test changes before rig_start. */
void rig_init(struct rig *r, const char *node);
void rig_start(struct rig *r, const char *name);
void rig_stop(struct rig *r);
/* Lets it run until `done`, or so many ms. True: it is. */
bool rig_run(struct rig *r, bool (*done)(void *ctx), void *ctx, unsigned ms);
/* Both nodes, until there is an answer to what was just posted. NULL: none came. */
const struct rig_heard *rig_ask(struct rig *r, const struct store_op *op);
bool rig_wait_up(struct rig *r, bool up, unsigned ms);
void rig_pass(struct rig *r, unsigned ms);
/* The latest of that kind; NULL: there was none. */
const struct rig_heard *rig_latest(const struct rig *r, enum event_type type);

#endif
