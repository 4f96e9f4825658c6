#include "policy/zone.h"

#include "common/rd.h"

enum { DAY_S = 86400, OFFSET_MAX_S = 26 * 3600, RULE_HOURS_MAX = 167, HEAD_LEN = 44 };

/* ---- days of the calendar; days are counted from 1970-01-01, a Thursday */

static bool is_leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t days_before_year(int64_t y)
{
	int64_t p = y - 1;

	return 365 * (y - 1970) + floor_div(p, 4) - floor_div(p, 100) + floor_div(p, 400) - 477;
}

static int64_t year_of(int64_t unix_s)
{
	int64_t day = floor_div(unix_s, DAY_S), y = 1970 + floor_div(day * 400, 146097);

	while (days_before_year(y) > day)
		y--;
	while (days_before_year(y + 1) <= day)
		y++;
	return y;
}

/* The day of the year, from 0. */
static int64_t day_of(const struct zone_switch *w, int64_t year)
{
	static const uint16_t before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	static const uint8_t lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const bool leap = is_leap(year);

	if (w->kind == ZONE_DAY_OF_YEAR)
		return w->day;
	if (w->kind == ZONE_DAY_JULIAN)
		return w->day - 1 + (leap && w->day > 59);
	const unsigned m = w->month - 1u;
	int64_t first = before[m] + (leap && m > 1), length = lengths[m] + (leap && m == 1);
	int64_t weekday = ((days_before_year(year) + first + 4) % 7 + 7) % 7;
	int64_t day = (w->weekday - weekday + 7) % 7 + 7 * (w->week - 1);
	while (day >= length)
		day -= 7;
	return first + day;
}

/* The moment of that switch in that year, when clocks are offset_s ahead. */
static int64_t moment_of(const struct zone_switch *w, int64_t year, int32_t offset_s)
{
	return (days_before_year(year) + day_of(w, year)) * DAY_S + w->at_s - offset_s;
}

static int32_t offset_by_rule(const struct zone_rule *r, int64_t unix_s)
{
	if (!r->has_summer)
		return r->standard_s;
	int64_t y = year_of(unix_s + r->standard_s);
	int64_t begin = moment_of(&r->begin, y, r->standard_s),
		end = moment_of(&r->end, y, r->summer_s);
	/* South of the equator summer begins late in a year and ends early in the next. */
	bool summer =
		begin < end ? unix_s >= begin && unix_s < end : unix_s >= begin || unix_s < end;
	return summer ? r->summer_s : r->standard_s;
}

int32_t zone_offset(const struct zone *z, int64_t unix_s)
{
	if (!z)
		return 0;
	if (z->count == 0 || unix_s < z->at[0])
		return z->count == 0 && z->has_rule ? offset_by_rule(&z->rule, unix_s)
						    : z->before_s;
	if (unix_s >= z->at[z->count - 1] && z->has_rule)
		return offset_by_rule(&z->rule, unix_s);
	size_t low = 0, high = z->count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (z->at[middle] <= unix_s)
			low = middle;
		else
			high = middle;
	}
	return z->offset_s[low];
}

/* ---- the rule behind the last transition */

static bool take_char(struct str *s, char c)
{
	if (s->len == 0 || s->p[0] != c)
		return false;
	*s = str_from_offset(*s, 1);
	return true;
}

static enum err take_number(struct str *s, uint32_t max, uint32_t *out)
{
	uint32_t v = 0;
	size_t n = 0;

	while (n < s->len && s->p[n] >= '0' && s->p[n] <= '9' && n < 4)
		v = v * 10 + (uint32_t)(s->p[n++] - '0');
	if (n == 0 || v > max)
		return ERR_BAD;
	*s = str_from_offset(*s, n);
	*out = v;
	return OK;
}

/* [+-]hh[:mm[:ss]] */
static enum err take_time(struct str *s, uint32_t hours_max, int32_t *out)
{
	uint32_t h, m = 0, sec = 0;
	bool minus = take_char(s, '-');

	if (!minus)
		(void)take_char(s, '+');
	if (take_number(s, hours_max, &h) != OK)
		return ERR_BAD;
	if (take_char(s, ':') && take_number(s, 59, &m) != OK)
		return ERR_BAD;
	if (take_char(s, ':') && take_number(s, 59, &sec) != OK)
		return ERR_BAD;
	*out = (int32_t)(h * 3600 + m * 60 + sec) * (minus ? -1 : 1);
	return OK;
}

/* CET or <+03>: of no use to us. */
static enum err take_label(struct str *s)
{
	size_t n = 0;
	bool quoted = take_char(s, '<');

	while (n < s->len &&
	       (quoted ? s->p[n] != '>'
		       : (s->p[n] >= 'A' && s->p[n] <= 'Z') || (s->p[n] >= 'a' && s->p[n] <= 'z')))
		n++;
	*s = str_from_offset(*s, n);
	return n < 3 || (quoted && !take_char(s, '>')) ? ERR_BAD : OK;
}

static enum err take_switch(struct str *s, struct zone_switch *out)
{
	uint32_t a, b, c;

	*out = (struct zone_switch){.at_s = 2 * 3600};
	if (take_char(s, 'M')) {
		out->kind = ZONE_DAY_OF_MONTH;
		if (take_number(s, 12, &a) != OK || a == 0 || !take_char(s, '.') ||
		    take_number(s, 5, &b) != OK || b == 0 || !take_char(s, '.') ||
		    take_number(s, 6, &c) != OK)
			return ERR_BAD;
		out->month = (uint8_t)a;
		out->week = (uint8_t)b;
		out->weekday = (uint8_t)c;
	} else {
		out->kind = take_char(s, 'J') ? ZONE_DAY_JULIAN : ZONE_DAY_OF_YEAR;
		if (take_number(s, 365, &a) != OK || (out->kind == ZONE_DAY_JULIAN && a == 0))
			return ERR_BAD;
		out->day = (uint16_t)a;
	}
	return take_char(s, '/') ? take_time(s, RULE_HOURS_MAX, &out->at_s) : OK;
}

enum err zone_rule_parse(struct str s, struct zone_rule *out)
{
	struct zone_rule r = {.has_summer = false};
	int32_t west;

	if (take_label(&s) != OK || take_time(&s, 24, &west) != OK)
		return ERR_BAD;
	r.standard_s = -west;
	if (s.len > 0) {
		r.has_summer = true;
		r.summer_s = r.standard_s + 3600;
		if (take_label(&s) != OK)
			return ERR_BAD;
		if (s.len > 0 && s.p[0] != ',') {
			if (take_time(&s, 24, &west) != OK)
				return ERR_BAD;
			r.summer_s = -west;
		}
		if (!take_char(&s, ',') || take_switch(&s, &r.begin) != OK || !take_char(&s, ',') ||
		    take_switch(&s, &r.end) != OK || s.len > 0)
			return ERR_BAD;
	}
	*out = r;
	return OK;
}

/* ---- TZif */

struct head {
	uint8_t version;
	uint32_t is_ut, is_std, leap, times, types, letters;
};

static enum err read_head(struct rd *r, struct head *h)
{
	const uint8_t *magic = rd_bytes(r, 4);

	if (!magic || !str_eq((struct str){(const char *)magic, 4}, STR("TZif")))
		return ERR_BAD;
	h->version = rd_u8(r);
	(void)rd_bytes(r, 15);
	h->is_ut = rd_u32(r);
	h->is_std = rd_u32(r);
	h->leap = rd_u32(r);
	h->times = rd_u32(r);
	h->types = rd_u32(r);
	h->letters = rd_u32(r);
	if (r->bad || h->types == 0)
		return ERR_BAD;
	if (h->times > ZONE_TRANSITIONS_MAX || h->types > ZONE_TYPES_MAX ||
	    h->letters > ZONE_BYTES_MAX || h->leap > ZONE_BYTES_MAX || h->is_ut > h->types ||
	    h->is_std > h->types)
		return ERR_LIMIT;
	return OK;
}

static int64_t read_time(struct rd *r, bool wide)
{
	return wide ? (int64_t)rd_u64(r) : (int32_t)rd_u32(r);
}

static enum err read_block(struct rd *r, const struct head *h, bool wide, struct arena *a,
			   struct zone *z)
{
	int64_t *at = arena_zalloc(a, (h->times + 1) * sizeof(*at));
	int32_t *offset = arena_zalloc(a, (h->times + 1) * sizeof(*offset));
	int32_t type[ZONE_TYPES_MAX];

	if (!at || !offset)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < h->times; i++) {
		at[i] = read_time(r, wide);
		if (i > 0 && at[i] <= at[i - 1])
			return ERR_BAD;
	}
	const uint8_t *which = rd_bytes(r, h->times);
	for (uint32_t i = 0; i < h->types; i++) {
		type[i] = (int32_t)rd_u32(r);
		(void)rd_bytes(r, 2); /* is it summer time, and its name */
		if (type[i] < -OFFSET_MAX_S || type[i] > OFFSET_MAX_S)
			return ERR_BAD;
	}
	(void)rd_bytes(r, h->letters);
	(void)rd_bytes(r, (size_t)h->leap * (wide ? 12 : 8));
	(void)rd_bytes(r, h->is_std);
	(void)rd_bytes(r, h->is_ut);
	if (r->bad)
		return ERR_BAD;
	for (uint32_t i = 0; i < h->times; i++) {
		if (which[i] >= h->types)
			return ERR_BAD;
		offset[i] = type[which[i]];
	}
	z->at = at;
	z->offset_s = offset;
	z->count = h->times;
	z->before_s = type[0]; /* RFC 8536 §3.2 */
	return OK;
}

static void skip_block(struct rd *r, const struct head *h)
{
	(void)rd_bytes(r, (size_t)h->times * 5 + (size_t)h->types * 6 + h->letters +
				  (size_t)h->leap * 8 + h->is_std + h->is_ut);
}

/* A newline, the rule, a newline; the rule may be empty. */
static enum err read_rule(struct rd *r, struct zone *z)
{
	struct str rest = {(const char *)r->p, r->left};

	if (!take_char(&rest, '\n'))
		return ERR_BAD;
	rest.len = str_index(rest, '\n');
	if (rest.len == 0)
		return OK;
	z->has_rule = true;
	return zone_rule_parse(rest, &z->rule);
}

enum err zone_decode(struct zone *z, struct arena *a, const void *bytes, size_t n)
{
	CHECK(z && a && (bytes || n == 0));
	struct rd r = rd_init(bytes, n);
	struct zone made = {.name = z->name};
	struct head h;

	if (n > ZONE_BYTES_MAX)
		return ERR_LIMIT;
	enum err e = read_head(&r, &h);
	const bool wide = e == OK && h.version >= '2';
	if (wide) {
		skip_block(&r, &h);
		e = read_head(&r, &h);
	}
	if (e == OK)
		e = read_block(&r, &h, wide, a, &made);
	if (e == OK && wide)
		e = read_rule(&r, &made);
	if (e == OK)
		*z = made;
	return e;
}

bool zone_name_is_good(struct str name)
{
	if (name.len == 0 || name.len > 64 || name.p[0] == '/' || name.p[name.len - 1] == '/')
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+' || c == '/';
		if (!good)
			return false;
	}
	return str_find(name, STR("//")) >= name.len;
}
