#include "policy/hours.h"

bool hours_has_minute(const struct hours *h, unsigned minute)
{
	const unsigned day = minute / HOURS_DAY_MIN % 7, before = (day + 6) % 7,
		       at = minute % HOURS_DAY_MIN;
	const unsigned days = h->days ? h->days : 0x7f;

	if (h->span_count == 0)
		return days & 1u << day;
	for (size_t i = 0; i < h->span_count; i++) {
		const struct hours_span *s = &h->spans[i];
		bool night = s->to <= s->from;
		if ((days & 1u << day) && at >= s->from && (night || at < s->to))
			return true;
		if (night && (days & 1u << before) && at < s->to)
			return true;
	}
	return false;
}

bool hours_is(const struct hours *h, uint64_t wall_ms)
{
	enum { WEEK_S = 7 * 86400, MONDAY_S = 3 * 86400 /* 1970 began on a Thursday */ };
	const int64_t utc = (int64_t)(wall_ms / 1000), local = utc + zone_offset(h->zone, utc);
	const int64_t second = ((local + MONDAY_S) % WEEK_S + WEEK_S) % WEEK_S;

	return hours_has_minute(h, (unsigned)(second / 60));
}

static bool same_zone(const struct zone *a, const struct zone *b)
{
	return a == b || (a && b && str_eq(a->name, b->name));
}

static bool is_always(const struct hours *h)
{
	for (unsigned m = 0; m < HOURS_WEEK_MIN; m++)
		if (!hours_has_minute(h, m))
			return false;
	return true;
}

bool hours_covers(const struct hours *wide, const struct hours *narrow)
{
	if (!same_zone(wide->zone, narrow->zone))
		return is_always(wide);
	for (unsigned m = 0; m < HOURS_WEEK_MIN; m++)
		if (hours_has_minute(narrow, m) && !hours_has_minute(wide, m))
			return false;
	return true;
}

/* 7: none. */
static unsigned day_of(struct str s)
{
	static const struct str names[7] = {STR("mon"), STR("tue"), STR("wed"), STR("thu"),
					    STR("fri"), STR("sat"), STR("sun")};

	for (unsigned i = 0; i < 7; i++)
		if (str_ieq(s, names[i]))
			return i;
	return 7;
}

enum err hours_parse_days(struct str s, uint8_t *out)
{
	struct str first = STR_NONE, last = s;
	uint8_t days = 0;

	(void)str_cut(&last, '-', &first);
	unsigned from = day_of(first), to = str_has_char(s, '-') ? day_of(last) : from;
	if (from > 6 || to > 6)
		return ERR_BAD;
	for (unsigned d = from;; d = (d + 1) % 7) {
		days |= (uint8_t)(1u << d);
		if (d == to)
			break;
	}
	*out = days;
	return OK;
}

static enum err parse_clock(struct str s, uint16_t *out)
{
	if (s.len != 5 || s.p[2] != ':')
		return ERR_BAD;
	for (size_t i = 0; i < 5; i++)
		if (i != 2 && (s.p[i] < '0' || s.p[i] > '9'))
			return ERR_BAD;
	unsigned h = (unsigned)(s.p[0] - '0') * 10 + (unsigned)(s.p[1] - '0'),
		 m = (unsigned)(s.p[3] - '0') * 10 + (unsigned)(s.p[4] - '0');
	if (m > 59 || h > 24 || (h == 24 && m > 0))
		return ERR_BAD;
	*out = (uint16_t)(h * 60 + m);
	return OK;
}

enum err hours_parse_span(struct str s, struct hours_span *out)
{
	struct str from = STR_NONE, to = s;
	struct hours_span v;

	(void)str_cut(&to, '-', &from);
	if (!str_has_char(s, '-') || parse_clock(from, &v.from) != OK ||
	    parse_clock(to, &v.to) != OK || v.from == v.to || v.from == HOURS_DAY_MIN)
		return ERR_BAD;
	*out = v;
	return OK;
}
