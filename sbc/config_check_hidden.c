/* Which routes can never match, because of what they ask for or because an earlier one takes all of it. */
#include "policy/facts.h"
#include "policy/hours.h"
#include "policy/pattern.h"
#include "policy/sheet.h"
#include "sbc/config_check.h"

enum { LITERAL_MAX = 64 };

struct looking {
	struct conf_report *report;
	const struct raw_route *raw;
	const struct settings *s;
};

/* ---- where from */

static bool has_index(const uint16_t *list, size_t count, size_t index)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == index)
			return true;
	return false;
}

/* Origins: each trunk, and behind them "nobody that is known" of each realm. */
static bool comes_from(const struct route_rule *r, const struct settings *s, size_t origin)
{
	const bool known = origin < s->trunk_count;
	const size_t realm = known ? s->trunks[origin].realm : origin - s->trunk_count;
	const struct route_when *w = &r->when;

	if (!r->any_from && !has_index(r->from_realms, r->from_realm_count, realm) &&
	    !(known && has_index(r->from_trunks, r->from_trunk_count, origin)))
		return false;
	if (w->realm_count && !has_index(w->realms, w->realm_count, realm))
		return false;
	return !w->trunk_count || (known && has_index(w->trunks, w->trunk_count, origin));
}

static bool covers_origins(const struct route_rule *wide, const struct route_rule *r,
			   const struct settings *s)
{
	for (size_t i = 0; i < s->trunk_count + s->realm_count; i++)
		if (comes_from(r, s, i) && !comes_from(wide, s, i))
			return false;
	return true;
}

static bool comes_from_nowhere(const struct route_rule *r, const struct settings *s)
{
	for (size_t i = 0; i < s->trunk_count + s->realm_count; i++)
		if (comes_from(r, s, i))
			return false;
	return true;
}

/* ---- who, why, when, for which domain */

static bool covers_users(const struct route_when *wide, const struct route_when *r)
{
	for (size_t i = 0; i < r->user_count; i++) {
		bool found = false;
		for (size_t k = 0; k < wide->user_count; k++)
			found = found || (wide->users[k].p[0] == '@'
						  ? str_has_isuffix(r->users[i], wide->users[k])
						  : str_ieq(r->users[i], wide->users[k]));
		if (!found)
			return false;
	}
	return wide->user_count == 0 || r->user_count > 0;
}

static bool covers_domains(const struct route_rule *wide, const struct route_rule *r)
{
	for (size_t i = 0; i < r->domain_count; i++) {
		bool found = false;
		for (size_t k = 0; k < wide->domain_count; k++)
			found = found || str_ieq(r->domains[i], wide->domains[k]);
		if (!found && wide->domain_count)
			return false;
	}
	return wide->domain_count == 0 || r->domain_count > 0;
}

static bool covers_rest(const struct route_rule *wide, const struct route_rule *r,
			const struct settings *s)
{
	static const struct hours always = {.days = 0};
	const unsigned all = (1u << FACTS_CAUSE_COUNT) - 1,
		       causes = r->when.causes ? r->when.causes : all;

	if (wide->when.causes && (causes & ~(unsigned)wide->when.causes))
		return false;
	if (wide->when.hours &&
	    !hours_covers(wide->when.hours, r->when.hours ? r->when.hours : &always))
		return false;
	return covers_origins(wide, r, s) && covers_users(&wide->when, &r->when) &&
	       covers_domains(wide, r);
}

/* ---- numbers. What a pattern says of how a number begins, as far as that is plain. */

struct literal {
	char text[LITERAL_MAX];
	size_t len;
	bool whole; /* the number is this text and no more */
	bool open;  /* any number that begins so matches */
};

static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '#' || c == '-' || c == '_' || c == '@' || c == '=' || c == ' ';
}

static bool is_open_end(struct str rest)
{
	static const struct str ends[] = {STR(""), STR(".*"), STR(".*$"), STR("(.*)"),
					  STR("(.*)$")};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (str_eq(rest, ends[i]))
			return true;
	return false;
}

static struct literal literal_of(struct str p)
{
	struct literal l = {.len = 0};
	size_t i = 1;

	/* Without an anchor, or with alternatives at the top, nothing is said of the beginning. */
	if (p.len == 0 || p.p[0] != '^' || str_has_char(p, '|')) {
		l.open = is_open_end(p);
		return l;
	}
	while (i < p.len && l.len < LITERAL_MAX) {
		const bool escaped = p.p[i] == '\\' && i + 1 < p.len && !is_plain(p.p[i + 1]);
		if (!escaped && !is_plain(p.p[i]))
			break;
		const size_t next = i + 1 + escaped;
		/* One that may be left out, or repeated, is no part of it. */
		if (next < p.len &&
		    (p.p[next] == '?' || p.p[next] == '*' || p.p[next] == '{' || p.p[next] == '+'))
			break;
		l.text[l.len++] = p.p[i + escaped];
		i = next;
	}
	struct str rest = str_from_offset(p, i);
	l.whole = str_eq(rest, STR("$"));
	l.open = is_open_end(rest);
	return l;
}

/* One of the numbers that a route asks for: a pattern, or a prefix. */
struct wish {
	struct literal begins;
	struct str pattern; /* empty: a prefix */
};

static struct wish wish_of_pattern(const struct route_pattern *p)
{
	return (struct wish){literal_of(pattern_text(p)), pattern_text(p)};
}

static struct wish wish_of_prefix(struct str prefix)
{
	struct wish w = {.begins = {.open = true}};

	for (size_t i = 0; i < prefix.len && i < LITERAL_MAX; i++)
		w.begins.text[w.begins.len++] = prefix.p[i];
	return w;
}

static struct str text_of(const struct wish *w)
{
	return (struct str){w->begins.text, w->begins.len};
}

static bool pattern_covers(const struct route_pattern *p, const struct wish *w)
{
	const struct literal l = literal_of(pattern_text(p));
	const struct str begins = {l.text, l.len};

	if (w->pattern.len && str_eq(pattern_text(p), w->pattern))
		return true;
	if (w->begins.whole)
		return pattern_matches(p, text_of(w));
	return l.open && str_has_prefix(text_of(w), begins);
}

/* Does a route take all numbers of this wish? */
static bool covers_wish(const struct route_rule *wide, const struct wish *w)
{
	bool found = wide->number_count == 0;
	const struct str text = text_of(w);

	for (size_t i = 0; i < wide->number_count && !found; i++)
		found = pattern_covers(wide->numbers[i], w);
	if (!found)
		return false;
	if (wide->when.plus || wide->when.bare) {
		const struct sheet *s =
			text.len && text.p[0] == '+' ? wide->when.plus : wide->when.bare;
		if (!s || !sheet_line(s, text))
			return false;
	}
	return !wide->when.file || sheet_line(wide->when.file, text);
}

static bool asks_for_numbers(const struct route_rule *r)
{
	return r->number_count || r->when.plus || r->when.bare || r->when.file;
}

/*
 * The wishes of a route, of which each number of it fulfils one: its patterns, else its prefixes. A file alone is too long to
 * walk: none then. False at the end.
 */
static bool next_wish(const struct looking *g, size_t route, size_t *at, struct wish *out,
		      const struct conf_node **out_node)
{
	const struct route_rule *r = &g->s->policy.routes[route];
	const struct raw_route *raw = &g->raw[route];
	const struct str *prefixes = raw->when.number_prefix.items;

	if (r->number_count) {
		if (*at >= r->number_count)
			return false;
		*out = wish_of_pattern(r->numbers[*at]);
		*out_node = conf_item_node(&raw->when.number, *at, raw->head.node);
	} else {
		if (*at >= raw->when.number_prefix.count)
			return false;
		*out = wish_of_prefix(prefixes[*at]);
		*out_node = conf_item_node(&raw->when.number_prefix, *at, raw->head.node);
	}
	++*at;
	return true;
}

static bool same_file(const struct route_rule *wide, const struct route_rule *r)
{
	return wide->when.file && wide->when.file == r->when.file && !wide->number_count &&
	       !wide->when.plus && !wide->when.bare;
}

enum cover { COVER_NONE, COVER_PART, COVER_ALL };

static enum cover cover_numbers(const struct looking *g, size_t wide_at, size_t at)
{
	const struct route_rule *wide = &g->s->policy.routes[wide_at],
				*r = &g->s->policy.routes[at];
	struct wish w;
	const struct conf_node *node;
	size_t cursor = 0, covered = 0, all = 0;

	if (!asks_for_numbers(wide) || same_file(wide, r))
		return COVER_ALL;
	while (next_wish(g, at, &cursor, &w, &node)) {
		covered += covers_wish(wide, &w);
		all++;
	}
	return covered == 0 ? COVER_NONE : covered == all ? COVER_ALL : COVER_PART;
}

/* ---- what is said */

static bool is_broken(const struct conf_node *map, const char *key)
{
	const struct conf_node *n = conf_node_child(map, key);
	return n && n->kind == CONF_BROKEN;
}

/* Was all of its `when` right? Nothing is said of what was refused already. */
static bool is_whole(const struct raw_route *raw, const struct route_rule *r)
{
	const struct raw_route_when *w = &raw->when;
	const struct conf_node *n = w->head.node;

	return raw->head.node && !is_broken(raw->head.node, "when") &&
	       r->from_realm_count + r->from_trunk_count == w->from.count &&
	       r->number_count == w->number.count && r->when.realm_count == w->realm.count &&
	       r->when.trunk_count == w->trunk.count &&
	       (w->number_prefix.count > 0) == (r->when.plus || r->when.bare) &&
	       !is_broken(n, "number_prefix") && !is_broken(n, "cause") && !is_broken(n, "user") &&
	       !is_broken(n, "at") && !is_broken(n, "prefixes") && !is_broken(n, "domain") &&
	       !is_broken(w->at.head.node, "days") && !is_broken(w->at.head.node, "hours") &&
	       !is_broken(w->at.head.node, "zone");
}

static void say_parts(const struct looking *g, size_t wide_at, size_t at)
{
	const struct route_rule *wide = &g->s->policy.routes[wide_at];
	struct wish w;
	const struct conf_node *node;
	size_t cursor = 0;

	while (next_wish(g, at, &cursor, &w, &node))
		if (covers_wish(wide, &w))
			conf_warn(g->report, node,
				  "can never match: route \"%.*s\" at line %u takes all of it",
				  STR_ARG(wide->name), (unsigned)wide->place.line);
}

static void say_if_hidden(const struct looking *g, size_t at)
{
	const struct route_rule *routes = g->s->policy.routes, *r = &routes[at];
	size_t part = at;

	for (size_t i = 0; i < at; i++) {
		if (!is_whole(&g->raw[i], &routes[i]) || !covers_rest(&routes[i], r, g->s))
			continue;
		enum cover c = cover_numbers(g, i, at);
		if (c == COVER_ALL) {
			conf_warn(g->report, g->raw[at].head.node,
				  "can never match: route \"%.*s\" at line %u takes all of it",
				  STR_ARG(routes[i].name), (unsigned)routes[i].place.line);
			return;
		}
		if (c == COVER_PART && part == at)
			part = i;
	}
	if (part < at)
		say_parts(g, part, at);
}

void config_check_hidden(struct conf_report *r, const struct raw_config *raw,
			 const struct settings *s)
{
	const struct looking g = {r, raw->routes.items, s};

	for (size_t i = 0; i < s->policy.route_count; i++) {
		if (!g.raw[i].head.node || !is_whole(&g.raw[i], &s->policy.routes[i]))
			continue;
		if (comes_from_nowhere(&s->policy.routes[i], s))
			conf_warn(r, g.raw[i].when.head.node,
				  "can never match: no request comes from all of from, realm and "
				  "trunk");
		else
			say_if_hidden(&g, i);
	}
}
