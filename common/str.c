#include "str.h"

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool str_ieq(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	/* Mostly the octets are the same as they stand. */
	for (size_t i = 0; i < a.len; i++)
		if (a.p[i] != b.p[i] && lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
	if (c != 0)
		return c;
	return a.len < b.len ? -1 : a.len > b.len;
}

bool str_has_prefix(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq((struct str){s.p, prefix.len}, prefix);
}

bool str_has_iprefix(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_ieq((struct str){s.p, prefix.len}, prefix);
}

static struct str tail(struct str s, size_t n)
{
	return n == 0 ? STR_NONE : (struct str){s.p + (s.len - n), n};
}

bool str_has_suffix(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_eq(tail(s, suffix.len), suffix);
}

bool str_has_isuffix(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_ieq(tail(s, suffix.len), suffix);
}

size_t str_index(struct str s, char c)
{
	const char *at = s.len > 0 ? memchr(s.p, c, s.len) : NULL;
	return at ? (size_t)(at - s.p) : s.len;
}

size_t str_find(struct str s, struct str needle)
{
	if (needle.len == 0)
		return 0;
	if (s.len < needle.len)
		return s.len;
	const char *at = memmem(s.p, s.len, needle.p, needle.len);
	return at ? (size_t)(at - s.p) : s.len;
}

bool str_has_char(struct str s, char c)
{
	return str_index(s, c) < s.len;
}

static bool is_space(char c)
{
	return is_blank(c) || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.len > 0 && is_space(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && is_space(s.p[s.len - 1]))
		s.len--;
	return s;
}

struct str str_from_offset(struct str s, size_t offset)
{
	if (offset >= s.len)
		return STR_NONE;
	return (struct str){s.p + offset, s.len - offset};
}

bool str_cut(struct str *s, char sep, struct str *out_piece)
{
	if (s->p == NULL)
		return false;
	size_t n = str_index(*s, sep);
	*out_piece = (struct str){s->p, n};
	*s = n < s->len ? (struct str){s->p + n + 1, s->len - n - 1} : STR_NONE;
	return true;
}

bool str_cut_word(struct str *s, struct str *out_word)
{
	size_t from = 0;
	while (from < s->len && is_blank(s->p[from]))
		from++;
	size_t to = from;
	while (to < s->len && ((unsigned char)s->p[to] > ' ' || !is_blank(s->p[to])))
		to++;
	if (to == from) {
		*s = STR_NONE;
		return false;
	}
	*out_word = (struct str){s->p + from, to - from};
	*s = str_from_offset(*s, to);
	return true;
}

enum err str_to_u64(struct str s, uint64_t max, uint64_t *out)
{
	if (s.len == 0)
		return ERR_BAD;
	uint64_t v = 0;
	bool over = false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return ERR_BAD;
		uint64_t digit = (uint64_t)(s.p[i] - '0');
		if (v > (UINT64_MAX - digit) / 10)
			over = true;
		else
			v = v * 10 + digit;
	}
	if (over || v > max)
		return ERR_LIMIT;
	*out = v;
	return OK;
}

enum err str_to_u32(struct str s, uint32_t max, uint32_t *out)
{
	uint64_t v;
	enum err e = str_to_u64(s, max, &v);
	if (e == OK)
		*out = (uint32_t)v;
	return e;
}

enum err str_to_u16(struct str s, uint16_t max, uint16_t *out)
{
	uint64_t v;
	enum err e = str_to_u64(s, max, &v);
	if (e == OK)
		*out = (uint16_t)v;
	return e;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	unsigned char l = lower(c);
	return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

enum err str_to_hex(struct str s, uint8_t *out, size_t n)
{
	if (s.len % 2 != 0 || s.len / 2 != n)
		return ERR_BAD;
	for (size_t i = 0; i < s.len; i++)
		if (hex_digit(s.p[i]) < 0)
			return ERR_BAD;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(hex_digit(s.p[2 * i]) << 4 | hex_digit(s.p[2 * i + 1]));
	return OK;
}

enum err str_copy(struct str s, char *out, size_t cap)
{
	if (s.len >= cap)
		return ERR_LIMIT;
	if (s.len > 0)
		memcpy(out, s.p, s.len);
	out[s.len] = '\0';
	return OK;
}

/* Levenshtein with one row; a word that is too long is as far away as it is long. */
unsigned str_distance(struct str a, struct str b)
{
	enum { WORD_MAX = 64 };
	if (a.len > WORD_MAX || b.len > WORD_MAX)
		return (unsigned)(a.len > b.len ? a.len : b.len);
	unsigned row[WORD_MAX + 1];
	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned best = diagonal + (a.p[i - 1] != b.p[j - 1]);
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b.len];
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
size_t str_utf8_len(struct str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	if (s.len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] < 0xc2 || p[0] > 0xf4 || len > s.len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}
