#include "policy/number.h"

#include "policy/pattern.h"

enum err number_apply(const struct number_rules *r, enum number_field field, struct str number,
		      struct buf *b, size_t *out_rule)
{
	struct pattern_groups g;
	for (size_t i = 0; r && i < r->count; i++) {
		const struct number_rule *rule = &r->rules[i];
		if (!(rule->fields & 1u << field) ||
		    pattern_find(rule->match, number, &g) != PATTERN_YES)
			continue;
		pattern_fill(b, rule->to, &g);
		if (out_rule)
			*out_rule = i;
		return b->overflow ? ERR_LIMIT : OK;
	}
	return ERR_NOTFOUND;
}

struct str number_of(const struct number_rules *r, enum number_field field, struct str number,
		     struct buf *b)
{
	size_t at = b->len;
	if (!r || number.len == 0 || number_apply(r, field, number, b, NULL) != OK)
		return number;
	return (struct str){b->p + at, b->len - at};
}

/* Patterns that every number matches. */
static bool takes_all(struct str pattern)
{
	static const struct str all[] = {STR(""),      STR("^"),      STR("$"),   STR(".*"),
					 STR("^.*"),   STR("^.*$"),   STR(".*$"), STR("(.*)"),
					 STR("^(.*)"), STR("^(.*)$"), STR("^$|.")};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (str_eq(pattern, all[i]))
			return true;
	return false;
}

size_t number_hidden_by(const struct number_rules *r, size_t i)
{
	struct str text = pattern_text(r->rules[i].match);
	for (size_t j = 0; j < i; j++) {
		struct str earlier = pattern_text(r->rules[j].match);
		if ((r->rules[i].fields & ~r->rules[j].fields) == 0 &&
		    (takes_all(earlier) || str_eq(earlier, text)))
			return j;
	}
	return i;
}
