#include "rtpproxy/core/record.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

enum { ALIGN = 8, CALL_ID_MAX = 100 };

/* The rest of the ring is jumped over: entries never wrap. */
static const uint32_t SKIP = UINT32_MAX;

enum err record_ring_init(struct record_ring *r, uint32_t size, uint32_t reserve)
{
	CHECK((size & (size - 1)) == 0 && reserve < size && reserve % ALIGN == 0);
	*r = (struct record_ring){.size = size, .reserve = reserve, .bytes = malloc(size)};
	return r->bytes ? OK : ERR_NOMEM;
}

void record_ring_release(struct record_ring *r)
{
	free(r->bytes);
	*r = (struct record_ring){0};
}

static uint32_t room_for(size_t len)
{
	return (uint32_t)((sizeof(struct record_entry) + len + ALIGN - 1) & ~(size_t)(ALIGN - 1));
}

/* Everything but the part that is kept free, unless `all`. */
static bool put(struct record_ring *r, struct record_entry *e, const void *data, bool all)
{
	const uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	const uint32_t used = head - atomic_load_explicit(&r->tail, memory_order_acquire);
	const uint32_t left = r->size - used - (all ? 0 : r->reserve);
	const uint32_t need = room_for(e->len), to_end = r->size - (head & (r->size - 1));
	const uint32_t skip = need > to_end ? to_end : 0;
	if ((!all && used + r->reserve > r->size) || need + skip > left)
		return false;
	if (skip > 0)
		memcpy(r->bytes + (head & (r->size - 1)), &SKIP, sizeof(SKIP));
	uint8_t *p = r->bytes + ((head + skip) & (r->size - 1));
	memcpy(p, e, sizeof(*e));
	if (e->len > 0)
		memcpy(p + sizeof(*e), data, e->len);
	atomic_store_explicit(&r->head, head + skip + need, memory_order_release);
	return true;
}

bool record_put_packet(struct record_ring *r, const struct record_packet *p, const uint8_t *data,
		       size_t len)
{
	struct record_entry e = {.kind = RECORD_PACKET,
				 .recording = p->recording,
				 .at_us = p->at_us,
				 .from = p->from,
				 .to = p->to,
				 .len = (uint32_t)len};
	return put(r, &e, data, false);
}

bool record_put(struct record_ring *r, enum record_kind kind, uint32_t recording, uint64_t at_us,
		struct str text)
{
	CHECK(kind != RECORD_PACKET && text.len <= RECORD_TEXT_MAX);
	struct record_entry e = {
		.kind = kind, .recording = recording, .at_us = at_us, .len = (uint32_t)text.len};
	/* What begins a recording is refused before what ends one has no room. */
	return put(r, &e, text.p, kind != RECORD_START);
}

const struct record_entry *record_first(struct record_ring *r, const uint8_t **out_data)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	const uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	if (tail == head)
		return NULL;
	const uint8_t *p = r->bytes + (tail & (r->size - 1));
	if (memcmp(p, &SKIP, sizeof(SKIP)) == 0) {
		tail += r->size - (tail & (r->size - 1));
		atomic_store_explicit(&r->tail, tail, memory_order_release);
		p = r->bytes;
	}
	/* malloc's alignment, and steps of 8. */
	const struct record_entry *e = (const void *)p;
	*out_data = p + sizeof(*e);
	return e;
}

void record_next(struct record_ring *r)
{
	const uint8_t *data;
	const struct record_entry *e = record_first(r, &data);
	CHECK(e != NULL);
	const uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	atomic_store_explicit(&r->tail, tail + room_for(e->len), memory_order_release);
}

/* ---- names */

static bool is_allowed(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("._-+=@", c) != NULL);
}

static bool is_component(struct str s)
{
	if (s.len == 0 || s.p[0] == '.')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_allowed(s.p[i]))
			return false;
	return true;
}

bool record_is_name(struct str s)
{
	struct str part;
	unsigned depth = 0;
	if (s.len == 0 || s.len > RECORD_NAME_MAX)
		return false;
	while (str_cut(&s, '/', &part))
		if (!is_component(part) || ++depth > RECORD_DEPTH_MAX)
			return false;
	return true;
}

void record_clean(struct str text, char *out, size_t cap)
{
	size_t n = 0;
	for (; n < text.len && n + 1 < cap; n++)
		out[n] = is_allowed(text.p[n]) && !(n == 0 && text.p[n] == '.') ? text.p[n] : '_';
	out[n] = '\0';
}

/* One sign of a pattern. False: not known. */
static bool fill(struct buf *b, char sign, const struct record_facts *f, const char *time)
{
	char clean[CALL_ID_MAX];
	/* 2026-11-21T22:25:32.123Z */
	static const struct {
		char sign;
		uint8_t at, len;
	} parts[] = {{'Y', 0, 4},  {'m', 5, 2},  {'d', 8, 2},
		     {'H', 11, 2}, {'M', 14, 2}, {'S', 17, 2}};
	switch (sign) {
	case '%': buf_char(b, '%'); return true;
	case 'c':
		record_clean(f->call_id, clean, sizeof(clean));
		buf_z(b, clean);
		return true;
	case 'r': buf_printf(b, "%016llx", (unsigned long long)f->random); return true;
	default: break;
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].sign == sign) {
			buf_bytes(b, time + parts[i].at, parts[i].len);
			return true;
		}
	}
	return false;
}

enum err record_make_name(struct str dir, struct str pattern, const struct record_facts *f,
			  char *out, size_t cap)
{
	char text[RECORD_NAME_MAX + 2], time[32];
	struct buf b, t;
	buf_init(&t, time, sizeof(time));
	buf_time(&t, f->wall_us / 1000);
	buf_init(&b, text, sizeof(text));
	if (dir.len > 0) {
		buf_str(&b, dir);
		buf_char(&b, '/');
	}
	for (size_t i = 0; i < pattern.len; i++) {
		if (pattern.p[i] != '%') {
			buf_char(&b, pattern.p[i]);
		} else if (++i == pattern.len || !fill(&b, pattern.p[i], f, time)) {
			return ERR_BAD;
		}
	}
	if (b.overflow)
		return ERR_LIMIT;
	if (!record_is_name(buf_view(&b)))
		return ERR_BAD;
	return str_copy(buf_view(&b), out, cap);
}
