/*
 * Log lines in logfmt: time, level, event, call, then key=value. What comes from outside is escaped
 * and cut; each event has a rate limit, and what it held back is counted and said. One struct log a
 * thread; the sink is a function that takes whole lines. No clock: the caller says the time.
 *
 *	log_start(l, LOG_LEVEL_INFO, "call_ended", call_id, wall_ms);
 *	log_u64(l, "duration_ms", ms);
 *	log_end(l);
 */
#ifndef SALLYPORT_LOG_H
#define SALLYPORT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "buf.h"
#include "check.h"
#include "str.h"

enum {
	LOG_LINE_MAX = 4096,
	LOG_VALUE_MAX = 256, /* bytes of one value, before escaping */
	LOG_EVENTS_MAX = 128,
	LOG_RATE_MAX = 10 /* lines of one event in one second */
};

/* In the order of syslog's numbers 3, 4, 6, 7. */
enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_COUNT
};

/* Gets one whole line with its line end. */
typedef void (*log_sink_fn)(void *ctx, enum log_level level, struct str line);

struct log_rate {
	const char *event;
	uint64_t second;
	uint32_t written, held; /* held: held back since the last line */
};

struct log {
	log_sink_fn sink;
	void *ctx;
	enum log_level level; /* the last that is written */
	bool has_priority;    /* lines begin with <N>, as sd-daemon(3) has it */
	bool is_open;         /* between log_start and log_end of a line that will be written */
	bool is_cut;
	enum log_level line_level;
	struct buf line;
	uint64_t held_total;
	size_t rate_count;
	struct log_rate rates[LOG_EVENTS_MAX];
	char mem[LOG_LINE_MAX];
};

/* Level INFO, no priority prefix. */
void log_init(struct log *l, log_sink_fn sink, void *ctx);
bool log_level_find(struct str name, enum log_level *out);
const char *log_level_name(enum log_level level);

/*
 * Begins a line; `event` is static text, `call` may be empty. When the level or the rate keeps it
 * back, all up to log_end does nothing.
 */
void log_start(struct log *l, enum log_level level, const char *event, struct str call,
	       uint64_t wall_ms);
void log_str(struct log *l, const char *key, struct str v);
void log_z(struct log *l, const char *key, const char *v);
void log_u64(struct log *l, const char *key, uint64_t v);
void log_i64(struct log *l, const char *key, int64_t v);
void log_addr(struct log *l, const char *key, const struct addr *a);
void log_printf(struct log *l, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
void log_end(struct log *l);
/* Says what was held back of events that have gone quiet since: call it about once a second. */
void log_tick(struct log *l, uint64_t wall_ms);

#endif
