#include "sbc/config_build.h"

#include <stdio.h>

#include "policy/fraud_rule.h"
#include "policy/pattern.h"
#include "sbc/shell/destinations_file.h"

enum { SECOND_MS = 1000 };
static const uint64_t year_ms = 366ull * 86400 * 1000, month_ms = 30ull * 86400 * 1000;

static const struct conf_node *child(const struct raw_fraud_rule *r, const char *key)
{
	return conf_node_child(r->head.node, key);
}

/* Written, and not refused before. */
static bool is_good(const struct conf_node *n)
{
	return n && n->kind != CONF_BROKEN;
}

/* ---- conditions */

static uint32_t bits_of(const struct conf_list *l)
{
	const uint32_t *at = l->items;
	uint32_t bits = 0;

	for (size_t i = 0; i < l->count; i++)
		bits |= 1u << at[i];
	return bits;
}

static struct fraud_countries countries_of(struct config_build *g, const struct conf_list *l,
					   bool not )
{
	const struct str *words = l->items;
	uint16_t *to = config_get(g, l->count, sizeof(*to));

	for (size_t i = 0; to && i < l->count; i++)
		to[i] = destination_country(words[i]);
	return (struct fraud_countries){to, to ? l->count : 0, not };
}

static const struct route_pattern *const *patterns_of(struct config_build *g,
						      const struct conf_list *l, size_t *out_count)
{
	const struct str *texts = l->items;
	const struct route_pattern **to = config_get(g, l->count, sizeof(const void *));
	char why[200];

	for (size_t i = 0; to && i < l->count; i++) {
		struct buf b;
		buf_init(&b, why, sizeof(why));
		if (pattern_compile(g->arena, texts[i], &to[*out_count], &b) == OK)
			++*out_count; /* what is wrong with it was said when it was read */
	}
	return to;
}

/* The trunk or group of that name; SETTINGS_NO_INDEX: there is none. */
static uint16_t find_trunk(const struct config_build *g, struct str name)
{
	size_t at;

	if (conf_named(&g->raw->trunks, sizeof(struct raw_trunk), name, &at))
		return (uint16_t)at;
	if (conf_named(&g->raw->users, sizeof(struct raw_users), name, &at))
		return (uint16_t)(g->raw->trunks.count + at);
	return SETTINGS_NO_INDEX;
}

static void build_trunks(struct config_build *g, const struct raw_fraud_filter *from,
			 struct fraud_filter *to)
{
	const struct conf_list *l = &from->trunk;
	const struct str *names = l->items;
	uint16_t *trunks = config_get(g, l->count, sizeof(*trunks));

	for (size_t i = 0; trunks && i < l->count; i++) {
		const uint16_t at = find_trunk(g, names[i]);
		if (at != SETTINGS_NO_INDEX)
			trunks[to->trunk_count++] = at;
		else if (names[i].len)
			config_refuse_name(g, conf_item_node(l, i, from->head.node), names[i],
					   &g->raw->trunks, sizeof(struct raw_trunk), "trunks");
	}
	to->trunks = trunks;
}

static void build_realms(struct config_build *g, const struct raw_fraud_filter *from,
			 struct fraud_filter *to)
{
	const struct conf_list *l = &from->realm;
	const struct str *names = l->items;

	for (size_t i = 0; i < l->count; i++) {
		const uint16_t at =
			config_find(g, &g->raw->realms, sizeof(struct raw_realm), "realms",
				    names[i], conf_item_node(l, i, from->head.node));
		if (at < 64)
			to->realms |= 1ull << at;
	}
}

/* A name of `from` is a trunk's, a group's or a realm's. */
static void build_from(struct config_build *g, const struct raw_fraud_filter *from,
		       struct fraud_filter *to)
{
	const struct conf_list *l = &from->from;
	const struct str *names = l->items;
	uint16_t *trunks = config_get(g, l->count, sizeof(*trunks));

	for (size_t i = 0; trunks && i < l->count; i++) {
		const struct conf_node *n = conf_item_node(l, i, from->head.node);
		size_t realm;
		const bool is_realm = conf_named(&g->raw->realms, sizeof(struct raw_realm),
						 names[i], &realm) != NULL;
		const uint16_t trunk = find_trunk(g, names[i]);
		if (names[i].len == 0)
			continue; /* said already */
		if (is_realm && trunk != SETTINGS_NO_INDEX)
			conf_error(g->report, n,
				   "\"%.*s\" is both a realm and a trunk: which of them is meant? "
				   "Rename one",
				   STR_ARG(names[i]));
		else if (is_realm && realm < 64)
			to->from_realms |= 1ull << realm;
		else if (trunk != SETTINGS_NO_INDEX)
			trunks[to->from_trunk_count++] = trunk;
		else
			config_refuse_name(g, n, names[i], &g->raw->trunks,
					   sizeof(struct raw_trunk), "trunks or realms");
	}
	to->from_given = l->count > 0;
	to->from_trunks = trunks;
}

static void build_filter(struct config_build *g, const struct raw_fraud_filter *from,
			 struct fraud_filter *to)
{
	const struct conf_node *n = from->head.node;

	if (!n)
		return;
	to->given = n->count > 0;
	to->classes = bits_of(&from->class);
	to->causes = bits_of(&from->cause);
	to->stages = bits_of(&from->stage);
	to->diversions = (uint8_t)from->diversions;
	to->countries = from->country.count ? countries_of(g, &from->country, false)
					    : countries_of(g, &from->country_not, true);
	to->source_countries = countries_of(g, &from->source_country, false);
	to->sources = from->source.items;
	to->source_count = from->source.count;
	to->users = from->user.items;
	to->user_count = from->user.count;
	to->callers = patterns_of(g, &from->caller, &to->caller_count);
	to->numbers = patterns_of(g, &from->number, &to->number_count);
	to->rang_us_ms = from->rang_us;
	to->duration_below_ms = from->duration_below;
	to->duration_above_ms = from->duration_above;
	to->ring_below_ms = from->ring_below;
	build_trunks(g, from, to);
	build_realms(g, from, to);
	build_from(g, from, to);
	if (from->country.count && from->country_not.count)
		conf_error_key(g->report, conf_node_child(n, "country_not"),
			       "`country` is given as well: one of them says it all");
}

static bool has_past(const struct fraud_filter *w)
{
	return w->duration_below_ms || w->duration_above_ms || w->ring_below_ms;
}

static bool needs_table(const struct fraud_filter *w)
{
	return w->classes || w->countries.count;
}

/* ---- over: NUMBER/WINDOW */

static enum err read_number(enum fraud_measure m, struct str text, uint64_t *out)
{
	uint64_t v = 0;
	enum err e;

	if (m == FRAUD_COST) {
		e = destination_money_parse(text, FRAUD_COST_MOST, &v);
	} else if (m == FRAUD_DURATION || m == FRAUD_EARLY) {
		e = conf_read_duration(text, &v);
		if (e == OK && v > month_ms)
			e = ERR_LIMIT;
	} else {
		e = str_to_u64(text,
			       fraud_kind(m) == FRAUD_KIND_DISTINCT ? DISTINCT_MOST : 1000000000,
			       &v);
	}
	if (e == OK && v == 0)
		e = ERR_BAD;
	*out = v;
	return e;
}

static void say_number(struct config_build *g, const struct raw_fraud_rule *from,
		       enum fraud_measure m, struct str text)
{
	const char *allowed = "1 to 1000000000";

	if (m == FRAUD_COST)
		allowed = "an amount of money above 0, 40000 at most";
	else if (m == FRAUD_DURATION || m == FRAUD_EARLY)
		allowed = "a time above 0, 30d at most (10h/1d)";
	else if (fraud_kind(m) == FRAUD_KIND_DISTINCT)
		allowed = "1 to 1000";
	conf_error(g->report, child(from, "over"),
		   "\"%.*s\" is not allowed before the slash; allowed: %s", STR_ARG(text), allowed);
}

static void build_over(struct config_build *g, const struct raw_fraud_rule *from,
		       struct fraud_rule *to)
{
	struct str window = from->over, number;
	const bool cut = str_cut(&window, '/', &number);

	if (!is_good(child(from, "over"))) {
		if (!child(from, "over"))
			conf_error_missing(g->report, from->head.node, "over",
					   "missing; needed with count and sum: NUMBER/WINDOW, as "
					   "in 30/10m");
		return;
	}
	if (!cut || !window.p || conf_read_duration(str_trim(window), &to->span_ms) != OK ||
	    to->span_ms < SECOND_MS || to->span_ms > year_ms) {
		conf_error(g->report, child(from, "over"),
			   "\"%.*s\" is not allowed here; allowed: NUMBER/WINDOW, with a window of "
			   "1s to 366d, as in 30/10m",
			   STR_ARG(from->over));
		to->span_ms = SECOND_MS;
		return;
	}
	if (read_number(to->measure, str_trim(number), &to->over) != OK)
		say_number(g, from, to->measure, str_trim(number));
}

/* ---- hours */

static void build_hours(struct config_build *g, const struct raw_fraud_rule *from,
			struct fraud_rule *to)
{
	const struct str zone = from->zone.len ? from->zone : g->raw->fraud.zone,
			 *days = from->days.items;
	const struct conf_node *at = from->zone.len ? child(from, "zone")
						    : conf_node_at(g->raw->fraud.head.node, "zone");

	for (size_t i = 0; i < from->days.count; i++) {
		uint8_t bits = 0;
		if (hours_parse_days(days[i], &bits) != OK)
			conf_error(
				g->report, conf_item_node(&from->days, i, from->head.node),
				"\"%.*s\" is not allowed here; allowed: mon, tue, wed, thu, fri, "
				"sat, sun, mon-fri",
				STR_ARG(days[i]));
		to->hours.days |= bits;
	}
	if (from->between.len && hours_parse_span(from->between, &to->hours.spans[0]) == OK)
		to->hours.span_count = 1;
	else if (from->between.len)
		conf_error(g->report, child(from, "between"),
			   "\"%.*s\" is not allowed here; allowed: two times of the day, as in "
			   "\"22:00-06:00\"",
			   STR_ARG(from->between));
	to->hours.zone = config_zone(g, zone, at);
}

/* ---- rules */

static enum fraud_measure measure_of(const struct raw_fraud_rule *from)
{
	static const enum fraud_measure counts[] = {
#define WORD_count(name) FRAUD_##name,
#define WORD_sum(name)
#define X(name, kind, moment, key, word) WORD_##key(name)
		FRAUD_MEASURE_TABLE(X)
#undef X
#undef WORD_count
#undef WORD_sum
	};
	static const enum fraud_measure sums[] = {
#define WORD_count(name)
#define WORD_sum(name)                   FRAUD_##name,
#define X(name, kind, moment, key, word) WORD_##key(name)
		FRAUD_MEASURE_TABLE(X)
#undef X
#undef WORD_count
#undef WORD_sum
	};

	if (is_good(child(from, "count")))
		return counts[from->count];
	return is_good(child(from, "sum")) ? sums[from->sum] : FRAUD_NOTHING;
}

static void check_subject(struct config_build *g, const struct raw_fraud_rule *from,
			  const struct fraud_rule *r)
{
	const bool needs = r->measure != FRAUD_NOTHING || r->does.ban_s || r->does.limit_s ||
			   r->does.end_calls;

	if (needs && !child(from, "by"))
		conf_error_missing(g->report, from->head.node, "by",
				   "missing; needed with count, sum, ban, limit and end-calls: "
				   "source, user, trunk, caller or destination");
	if (r->digits != FRAUD_DIGITS_WHOLE && r->by != SUBJECT_CALLER &&
	    r->by != SUBJECT_DESTINATION)
		conf_error_key(g->report, child(from, "digits"),
			       "only a rule by caller or destination goes by digits");
	if (r->measure == FRAUD_NOTHING && child(from, "over"))
		conf_error_key(g->report, child(from, "over"),
			       "nothing is counted: this needs `count` or `sum`");
	if (child(from, "count") && child(from, "sum"))
		conf_error_key(g->report, child(from, "sum"),
			       "a rule either counts or sums, not both");
}

static void check_table(struct config_build *g, const struct raw_fraud_rule *from,
			const struct fraud_rule *r)
{
	const char *what = NULL;

	if (needs_table(&r->when) || needs_table(&r->where))
		what = "a class or country of numbers";
	else if (r->measure == FRAUD_COST || r->measure == FRAUD_COUNTRIES)
		what = fraud_measure_word(r->measure);
	else if (r->digits == FRAUD_DIGITS_CODE)
		what = "the code of a number";
	if (what && g->raw->fraud.destinations.len == 0)
		conf_error(g->report, from->head.node,
			   "%s needs a table of destinations, and fraud.destinations names none",
			   what);
}

static void check_conditions(struct config_build *g, const struct raw_fraud_rule *from,
			     const struct fraud_rule *r)
{
	const uint32_t near = 1u << FRAUD_CLASS_DOMESTIC | 1u << FRAUD_CLASS_INTERNATIONAL;
	const enum fraud_moment at = fraud_moment(r->measure);
	const struct conf_node *where = child(from, "where");

	if (r->where.given && r->measure == FRAUD_NOTHING && !child(from, "count") &&
	    !child(from, "sum"))
		conf_error_key(g->report, where,
			       "nothing is counted: this needs `count` or `sum`, or is meant to be "
			       "`when`");
	if (has_past(&r->where) && (at == FRAUD_AT_PULSE || at == FRAUD_AT_EARLY ||
				    at == FRAUD_AT_REFUSAL || at == FRAUD_AT_REGISTER))
		conf_error_key(g->report, where,
			       "how long a call lasted is not known when \"%s\" is counted",
			       fraud_measure_word(r->measure));
	if (r->where.stages && r->measure != FRAUD_REFUSED)
		conf_error_key(g->report, conf_node_child(where, "stage"),
			       "only a rule with `count: refused` has stages");
	if (g->raw->fraud.home.count == 0 && ((r->when.classes | r->where.classes) & near))
		conf_warn(g->report, from->head.node,
			  "fraud.home names no country: every known number is international");
}

static void build_actions(const struct raw_fraud_rule *from, struct fraud_rule *to)
{
	const struct str *texts = from->action.items;

	for (size_t i = 0; i < from->action.count; i++) {
		enum err e = config_fraud_action(texts[i], &to->does);
		(void)e; /* said when it was read */
	}
}

static void build_rule(struct config_build *g, size_t i, const struct raw_fraud_rule *from,
		       struct fraud_rule *to)
{
	to->name = from->name;
	to->place = config_place(from->head.node);
	if (to->name.len == 0) {
		char name[24];
		int n = snprintf(name, sizeof(name), "fraud-%u", (unsigned)i + 1);
		to->name = arena_str(g->arena, (struct str){name, (size_t)n});
	}
	to->measure = measure_of(from);
	to->by = (enum subject_kind)from->by;
	to->digits = (uint8_t)from->digits;
	to->keys = from->keys ? from->keys : g->raw->fraud.keys;
	build_filter(g, &from->when, &to->when);
	build_filter(g, &from->where, &to->where);
	to->moment = fraud_moment(to->measure);
	if (has_past(&to->where))
		to->moment = FRAUD_AT_END;
	build_actions(from, to);
	if (to->measure != FRAUD_NOTHING)
		build_over(g, from, to);
	build_hours(g, from, to);
	check_subject(g, from, to);
	check_table(g, from, to);
	check_conditions(g, from, to);
}

/* What of the whole is too much, or said twice. */
static void check_rules(struct config_build *g, const struct fraud_rule *rules, size_t n)
{
	const struct raw_fraud_rule *from = g->raw->fraud.rules.items;
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		bytes += fraud_rule_bytes(&rules[i]);
		for (size_t j = 0; j < i; j++)
			if (rules[i].name.len && str_eq(rules[i].name, rules[j].name))
				conf_error(g->report, conf_node_at(from[i].head.node, "name"),
					   "\"%.*s\" is the name of the rule at line %u too",
					   STR_ARG(rules[i].name), (unsigned)rules[j].place.line);
	}
	if (bytes > FRAUD_BYTES_MAX)
		conf_error(g->report, conf_node_at(g->raw->fraud.head.node, "rules"),
			   "the counts of these rules need %u MB, 200 at most: lower `keys`",
			   (unsigned)(bytes / 1000000));
}

static void build_numbers(struct config_build *g, struct fraud_config *to)
{
	const struct raw_fraud *from = &g->raw->fraud;
	const struct str *home = from->home.items, *prefixes = from->prefixes.items;

	for (size_t i = 0; i < from->home.count && i < FRAUD_LIST_MAX; i++)
		to->home[to->home_count++] = destination_country(home[i]);
	for (size_t i = 0; i < from->prefixes.count && i < FRAUD_PREFIXES_MAX; i++)
		if (prefixes[i].len)
			to->prefixes[to->prefix_count++] = prefixes[i];
	to->bare = from->plain_numbers == 1;
}

/* A table that cannot be read is a mistake of the file; one that changes later and is broken is not taken. */
static const struct destinations *build_table(struct config_build *g)
{
	const struct raw_fraud *from = &g->raw->fraud;
	struct destinations *t = from->destinations.len ? config_get(g, 1, sizeof(*t)) : NULL;
	char mem[300];
	struct buf why;

	if (!t)
		return NULL;
	t->path = from->destinations;
	buf_init(&why, mem, sizeof(mem));
	enum err e = destinations_file_read(t, &why);
	if (e == ERR_NOMEM)
		g->full = true;
	else if (e != OK)
		conf_error(g->report, conf_node_at(from->head.node, "destinations"), "%.*s",
			   (int)why.len, mem);
	g->s->destinations = t;
	return t;
}

void config_build_fraud(struct config_build *g)
{
	const struct raw_fraud *from = &g->raw->fraud;
	const struct raw_fraud_rule *rules = from->rules.items;

	if (!from->head.node)
		return;
	struct fraud_config *to = config_get(g, 1, sizeof(*to));
	struct fraud_rule *built = config_get(g, from->rules.count, sizeof(*built));
	if (!to || !built)
		return;
	to->destinations = build_table(g);
	build_numbers(g, to);
	for (size_t i = 0; i < from->rules.count; i++) {
		if (!rules[i].head.node)
			continue;
		build_rule(g, i, &rules[i], &built[i]);
		to->moments |= 1u << built[i].moment;
		to->remembers_callers |= built[i].when.rang_us_ms > 0;
	}
	to->rules = built;
	to->count = from->rules.count;
	check_rules(g, built, to->count);
	if (to->remembers_callers)
		to->moments |= 1u << FRAUD_AT_END;
	g->s->policy.fraud = to;
}
