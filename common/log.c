#include "log.h"

#include <stdio.h>

enum { PRIORITY_LEN = 3, ROOM_TO_END = 16 /* for " cut=true\n" */ };

static const struct {
	const char *name;
	char priority;
} levels[LOG_LEVEL_COUNT] = {
	[LOG_LEVEL_ERROR] = {"error", '3'},
	[LOG_LEVEL_WARN] = {"warn", '4'},
	[LOG_LEVEL_INFO] = {"info", '6'},
	[LOG_LEVEL_DEBUG] = {"debug", '7'},
};

void log_init(struct log *l, log_sink_fn sink, void *ctx)
{
	CHECK(sink != NULL);
	*l = (struct log){.sink = sink, .ctx = ctx, .level = LOG_LEVEL_INFO};
}

const char *log_level_name(enum log_level level)
{
	CHECK(level < LOG_LEVEL_COUNT);
	return levels[level].name;
}

bool log_level_find(struct str name, enum log_level *out)
{
	for (int i = 0; i < LOG_LEVEL_COUNT; i++)
		if (str_eq(name, str_from(levels[i].name))) {
			*out = (enum log_level)i;
			return true;
		}
	return false;
}

/* Logfmt readers take a bare word up to a space, a quote or an equals sign. */
static bool is_bare(struct str v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.p[i] <= ' ' || v.p[i] >= 0x7f || v.p[i] == '"' || v.p[i] == '=' ||
		    v.p[i] == '\\')
			return false;
	return v.len > 0;
}

static void write_value(struct buf *b, struct str v)
{
	struct str head = v.len > LOG_VALUE_MAX ? (struct str){v.p, LOG_VALUE_MAX} : v;
	if (is_bare(head))
		buf_str(b, head);
	else
		buf_json_str(b, head);
	if (head.len < v.len)
		buf_lit(b, "...");
}

void log_str(struct log *l, const char *key, struct str v)
{
	if (!l->is_open || l->is_cut)
		return;
	size_t before = l->line.len;
	if (before > (l->has_priority ? PRIORITY_LEN : 0))
		buf_char(&l->line, ' ');
	buf_z(&l->line, key);
	buf_char(&l->line, '=');
	write_value(&l->line, v);
	/* A pair is whole or not there, and after the first that is not there comes none. */
	if (l->line.overflow) {
		l->line.overflow = false;
		l->line.len = before;
		l->is_cut = true;
	}
}

void log_z(struct log *l, const char *key, const char *v)
{
	log_str(l, key, str_from(v));
}

void log_u64(struct log *l, const char *key, uint64_t v)
{
	char mem[24];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_u64(&b, v);
	log_str(l, key, buf_view(&b));
}

void log_i64(struct log *l, const char *key, int64_t v)
{
	char mem[24];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_i64(&b, v);
	log_str(l, key, buf_view(&b));
}

void log_addr(struct log *l, const char *key, const struct addr *a)
{
	char mem[64];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	addr_write(&b, a);
	log_str(l, key, buf_view(&b));
}

void log_printf(struct log *l, const char *key, const char *fmt, ...)
{
	char mem[LOG_VALUE_MAX + 1];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(mem, sizeof(mem), fmt, ap);
	va_end(ap);
	if (n >= 0)
		log_str(l, key, str_from(mem));
}

static void begin(struct log *l, enum log_level level, uint64_t wall_ms)
{
	char mem[32];
	struct buf time;
	buf_init(&l->line, l->mem, sizeof(l->mem) - ROOM_TO_END);
	l->is_open = true;
	l->is_cut = false;
	l->line_level = level;
	if (l->has_priority) {
		buf_char(&l->line, '<');
		buf_char(&l->line, levels[level].priority);
		buf_char(&l->line, '>');
	}
	buf_init(&time, mem, sizeof(mem));
	buf_time(&time, wall_ms);
	log_str(l, "time", buf_view(&time));
	log_z(l, "level", levels[level].name);
}

/* Events are few and their names static; when the table is full the last ones share a limit. */
static struct log_rate *rate_of(struct log *l, const char *event)
{
	struct str name = str_from(event);
	for (size_t i = 0; i < l->rate_count; i++)
		if (l->rates[i].event == event || str_eq(str_from(l->rates[i].event), name))
			return &l->rates[i];
	if (l->rate_count == LOG_EVENTS_MAX)
		return &l->rates[LOG_EVENTS_MAX - 1];
	struct log_rate *r = &l->rates[l->rate_count++];
	*r = (struct log_rate){.event = event};
	return r;
}

void log_start(struct log *l, enum log_level level, const char *event, struct str call,
	       uint64_t wall_ms)
{
	CHECK(level < LOG_LEVEL_COUNT);
	l->is_open = false;
	if (level > l->level)
		return;
	struct log_rate *r = rate_of(l, event);
	uint64_t second = wall_ms / 1000;
	if (r->second != second) {
		r->second = second;
		r->written = 0;
	}
	if (r->written == LOG_RATE_MAX) {
		r->held++;
		l->held_total++;
		return;
	}
	r->written++;
	begin(l, level, wall_ms);
	log_z(l, "event", event);
	if (call.len > 0)
		log_str(l, "call", call);
	if (r->held > 0)
		log_u64(l, "suppressed", r->held);
	r->held = 0;
}

void log_end(struct log *l)
{
	if (!l->is_open)
		return;
	l->is_open = false;
	l->line.cap = sizeof(l->mem);
	if (l->is_cut)
		buf_lit(&l->line, " cut=true");
	buf_char(&l->line, '\n');
	l->sink(l->ctx, l->line_level, buf_view(&l->line));
}

void log_tick(struct log *l, uint64_t wall_ms)
{
	CHECK(!l->is_open);
	for (size_t i = 0; i < l->rate_count; i++) {
		struct log_rate *r = &l->rates[i];
		if (r->held == 0 || r->second == wall_ms / 1000)
			continue;
		begin(l, LOG_LEVEL_WARN, wall_ms);
		log_z(l, "event", "log_suppressed");
		log_z(l, "of", r->event);
		log_u64(l, "suppressed", r->held);
		log_end(l);
		r->held = 0;
	}
}
