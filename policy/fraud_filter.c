#include "policy/fraud_filter.h"

#include "policy/pattern.h"

/* ---- numbers */

static bool is_digits(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.len > 0;
}

/* Digits of E.164, without what the number is known by to be one; empty: it is none. */
static struct str digits_of(const struct fraud_config *c, struct str number)
{
	for (size_t i = 0; i < c->prefix_count; i++)
		if (str_has_prefix(number, c->prefixes[i]))
			return str_from_offset(number, c->prefixes[i].len);
	return c->bare ? number : STR_NONE;
}

static bool is_home(const struct fraud_config *c, uint16_t country)
{
	for (size_t i = 0; i < c->home_count; i++)
		if (c->home[i] == country)
			return true;
	return false;
}

void fraud_number_of(const struct fraud_config *c, struct str number, struct fraud_number *out)
{
	const struct str digits = digits_of(c, number);

	*out = (struct fraud_number){.digits = is_digits(digits) ? digits : STR_NONE};
	if (c->destinations && out->digits.len)
		out->is = destinations_find(c->destinations, out->digits, &out->code_len);
	if (!out->is) {
		out->classes = 1u << FRAUD_CLASS_UNKNOWN;
		return;
	}
	out->country = out->is->country;
	out->classes = 1u << out->is->class_ |
		       1u << (out->country && is_home(c, out->country) ? FRAUD_CLASS_DOMESTIC
								       : FRAUD_CLASS_INTERNATIONAL);
}

/* ---- conditions */

static bool has_index(const uint16_t *list, size_t count, uint16_t index)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == index)
			return true;
	return false;
}

static bool has_realm(uint64_t realms, uint16_t realm)
{
	return realm < 64 && (realms >> realm & 1);
}

static bool country_holds(const struct fraud_countries *w, uint16_t country)
{
	return w->count == 0 || has_index(w->list, w->count, country) != w->not ;
}

static bool source_holds(const struct fraud_filter *w, const struct facts *f)
{
	if (w->source_countries.count &&
	    !country_holds(&w->source_countries, destination_country(str_from(f->country))))
		return false;
	for (size_t i = 0; i < w->source_count; i++)
		if (prefix_has(&w->sources[i], &f->source))
			return true;
	return w->source_count == 0;
}

static bool matches(const struct route_pattern *const *list, size_t count, struct str text)
{
	for (size_t i = 0; i < count; i++)
		if (pattern_may_match(list[i],
				      text)) /* a rule stops or counts: it is no way around */
			return true;
	return count == 0;
}

/* "@example.net" is every user of that domain. */
static bool user_holds(const struct fraud_filter *w, const struct facts *f)
{
	for (size_t i = 0; i < w->user_count; i++)
		if (w->users[i].len && w->users[i].p[0] == '@'
			    ? str_has_suffix(f->user, w->users[i])
			    : str_eq(w->users[i], f->user))
			return true;
	return w->user_count == 0;
}

static bool place_holds(const struct fraud_filter *w, const struct facts *f)
{
	if (w->realms && !has_realm(w->realms, f->realm))
		return false;
	if (w->trunk_count && !has_index(w->trunks, w->trunk_count, f->trunk))
		return false;
	return !w->from_given || has_realm(w->from_realms, f->realm) ||
	       has_index(w->from_trunks, w->from_trunk_count, f->trunk);
}

static bool past_holds(const struct fraud_filter *w, const struct fraud_past *p)
{
	return (!w->duration_below_ms || p->duration_ms < w->duration_below_ms) &&
	       (!w->duration_above_ms || p->duration_ms > w->duration_above_ms) &&
	       (!w->ring_below_ms || p->ring_ms < w->ring_below_ms) &&
	       (!w->stages || (w->stages >> p->stage & 1));
}

bool fraud_filter_holds(const struct fraud_filter *w, const struct facts *f,
			const struct fraud_number *n, const struct fraud_past *past)
{
	if (!w->given)
		return true;
	return (!w->classes || (w->classes & n->classes)) &&
	       (!w->causes || (w->causes >> f->cause & 1)) && f->diversions >= w->diversions &&
	       country_holds(&w->countries, n->country) && place_holds(w, f) &&
	       source_holds(w, f) && user_holds(w, f) && (!past || past_holds(w, past)) &&
	       matches(w->callers, w->caller_count, f->caller) &&
	       matches(w->numbers, w->number_count, f->number);
}
