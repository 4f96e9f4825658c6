#include "buf.h"

#include <stdio.h>

void buf_init(struct buf *b, void *mem, size_t cap)
{
	CHECK(mem != NULL || cap == 0);
	*b = (struct buf){mem, 0, cap, false};
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
}

/* Room for n more bytes, or NULL after noting the overflow. */
static inline char *room(struct buf *b, size_t n)
{
	if (b->overflow || n > b->cap - b->len) {
		b->overflow = true;
		return NULL;
	}
	char *at = b->p + b->len;
	b->len += n;
	return at;
}

/* Most of every message is written by this: it stands inline in the three that follow. */
static inline void put(struct buf *b, const void *p, size_t n)
{
	char *to = n > 0 ? room(b, n) : NULL;
	if (to)
		memcpy(to, p, n);
}

void buf_bytes(struct buf *b, const void *p, size_t n)
{
	put(b, p, n);
}

void buf_str(struct buf *b, struct str s)
{
	put(b, s.p, s.len);
}

void buf_z(struct buf *b, const char *z)
{
	put(b, z, strlen(z));
}

void buf_char(struct buf *b, char c)
{
	char *to = room(b, 1);
	if (to)
		*to = c;
}

void buf_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);
	if (v < 10) {
		buf_char(b, (char)('0' + v));
		return;
	}
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	buf_bytes(b, digits + at, sizeof(digits) - at);
}

void buf_i64(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_char(b, '-');
	buf_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static const char hex_digits[] = "0123456789abcdef";

void buf_hex(struct buf *b, const void *p, size_t n)
{
	const uint8_t *from = p;
	char *to = n <= SIZE_MAX / 2 ? room(b, 2 * n) : room(b, SIZE_MAX);
	if (!to)
		return;
	for (size_t i = 0; i < n; i++) {
		*to++ = hex_digits[from[i] >> 4];
		*to++ = hex_digits[from[i] & 15];
	}
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	if (b->overflow)
		return;
	va_list ap;
	va_start(ap, fmt);
	size_t left = b->cap - b->len;
	int n = vsnprintf(left > 0 ? b->p + b->len : NULL, left, fmt, ap);
	va_end(ap);
	if (n < 0 || (n > 0 && (size_t)n >= left))
		b->overflow = true;
	else
		b->len += (size_t)n;
}

struct str buf_view(const struct buf *b)
{
	return b->overflow ? STR_NONE : (struct str){b->p, b->len};
}

static bool is_plain_json(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void buf_json_str(struct buf *b, struct str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	buf_char(b, '"');
	for (size_t i = 0; i < s.len;) {
		size_t plain = i;
		while (plain < s.len && is_plain_json(p[plain]))
			plain++;
		buf_bytes(b, p + i, plain - i);
		i = plain;
		if (i == s.len)
			break;
		size_t n = str_utf8_len(str_from_offset(s, i));
		if (n == 0 || p[i] < 0x20 || p[i] == 0x7f) {
			buf_lit(b, "\\u00");
			buf_hex(b, p + i, 1);
			i++;
			continue;
		}
		if (p[i] == '"' || p[i] == '\\')
			buf_char(b, '\\');
		buf_bytes(b, p + i, n);
		i += n;
	}
	buf_char(b, '"');
}

static void write_padded(struct buf *b, uint64_t v, unsigned width)
{
	uint64_t least = 1;
	for (unsigned i = 1; i < width; i++)
		least *= 10;
	for (; least > 1 && v < least; least /= 10)
		buf_char(b, '0');
	buf_u64(b, v);
}

/* Days since 1970-01-01 to a date of the Gregorian calendar, by 400-year eras that start in March.
 */
void buf_time(struct buf *b, uint64_t wall_ms)
{
	uint64_t second = wall_ms / 1000 % 86400;
	uint64_t days = wall_ms / 86400000 + 719468;
	uint64_t era = days / 146097, of_era = days % 146097;
	uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint64_t march = (5 * of_year + 2) / 153;
	uint64_t day = of_year - (153 * march + 2) / 5 + 1;
	uint64_t month = march < 10 ? march + 3 : march - 9;
	year += era * 400 + (month <= 2);

	write_padded(b, year, 4);
	buf_char(b, '-');
	write_padded(b, month, 2);
	buf_char(b, '-');
	write_padded(b, day, 2);
	buf_char(b, 'T');
	write_padded(b, second / 3600, 2);
	buf_char(b, ':');
	write_padded(b, second / 60 % 60, 2);
	buf_char(b, ':');
	write_padded(b, second % 60, 2);
	buf_char(b, '.');
	write_padded(b, wall_ms % 1000, 3);
	buf_char(b, 'Z');
}
