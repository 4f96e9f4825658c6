#include "policy/sheet.h"

#include <stdlib.h>

#include "common/csv.h"

enum { COLUMN_NONE = CSV_FIELDS_MAX };

struct columns {
	size_t prefix, cost, setup;
};

struct reading {
	const struct sheet *of;
	struct columns columns;
	struct dialcode_row *rows;
	struct sheet_price *prices;
	size_t count, cap;
	struct buf *why;
};

static enum err complain(const struct reading *g, uint32_t line, enum err e, const char *what,
			 struct str text)
{
	enum { SHOWN = 40 };

	if (text.len > SHOWN)
		text.len = SHOWN;
	buf_printf(g->why, "%.*s:%u: ", STR_ARG(g->of->path), (unsigned)line);
	if (text.len)
		buf_printf(g->why, "\"%.*s\" %s", STR_ARG(text), what);
	else
		buf_z(g->why, what);
	return e;
}

static struct columns columns_of(const struct csv_row *head, bool *out_named)
{
	struct columns c = {0, 1, 2};

	*out_named = false;
	for (size_t i = 0; i < head->count; i++)
		*out_named = *out_named || str_ieq(head->field[i], STR("prefix"));
	if (!*out_named)
		return c;
	c = (struct columns){COLUMN_NONE, COLUMN_NONE, COLUMN_NONE};
	static const struct str costs[] = {STR("cost"), STR("rate"), STR("price"),
					   STR("cost per minute")};
	for (size_t i = 0; i < head->count; i++) {
		if (str_ieq(head->field[i], STR("prefix")))
			c.prefix = i;
		if (str_ieq(head->field[i], STR("setup")))
			c.setup = i;
		for (size_t k = 0; k < ARRAY_LEN(costs); k++)
			if (str_ieq(head->field[i], costs[k]))
				c.cost = i;
	}
	return c;
}

static struct str field(const struct csv_row *r, size_t column)
{
	return column < r->count ? r->field[column] : STR_NONE;
}

static enum err grow(struct reading *g)
{
	size_t cap = g->cap ? g->cap * 2 : 256;

	if (g->count < g->cap)
		return OK;
	struct dialcode_row *rows = realloc(g->rows, cap * sizeof(*rows));
	if (!rows)
		return ERR_NOMEM;
	g->rows = rows;
	if (g->of->kind == SHEET_RATES) {
		struct sheet_price *prices = realloc(g->prices, cap * sizeof(*prices));
		if (!prices)
			return ERR_NOMEM;
		g->prices = prices;
	}
	g->cap = cap;
	return OK;
}

static bool is_code(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.len > 0 && s.len <= DIALCODE_LEN_MAX;
}

static enum err take_row(struct reading *g, const struct csv_row *r, uint32_t line)
{
	struct str code = field(r, g->columns.prefix), cost = field(r, g->columns.cost),
		   setup = field(r, g->columns.setup), digits = code;
	struct sheet_price price = {.line = line};

	if (digits.len && digits.p[0] == '+')
		digits = str_from_offset(digits, 1);
	if (!is_code(digits))
		return complain(g, line, ERR_BAD, "is no prefix: 1 to 18 digits are needed",
				code.len ? code : STR(" "));
	if (g->of->kind == SHEET_RATES && csv_read_money(cost, &price.per_minute) != OK)
		return complain(g, line, ERR_BAD,
				"is no cost per minute; needed: a number such as 0.0125",
				cost.len ? cost : STR(" "));
	if (g->of->kind == SHEET_RATES && setup.len && csv_read_money(setup, &price.setup) != OK)
		return complain(g, line, ERR_BAD, "is no setup fee; needed: a number such as 0.05",
				setup);
	if (g->count == SHEET_ROWS_MAX)
		return complain(g, line, ERR_LIMIT, "more than 4 million rows", STR_NONE);
	if (grow(g) != OK)
		return ERR_NOMEM;
	const bool rates = g->of->kind == SHEET_RATES;
	g->rows[g->count] = (struct dialcode_row){
		.digits = digits, .value = (int32_t)(rates ? g->count : line), .line = line};
	if (rates)
		g->prices[g->count] = price;
	g->count++;
	return OK;
}

static enum err take_rows(struct reading *g, struct str text)
{
	struct csv csv;
	struct csv_row row;
	bool first = true;
	enum err e;

	csv_init(&csv, text);
	while ((e = csv_next(&csv, &row)) != ERR_NOTFOUND) {
		bool named = false;
		if (e == ERR_LIMIT)
			return complain(g, csv.line, ERR_BAD, "too long, or too many fields",
					STR_NONE);
		if (e != OK)
			return complain(g, csv.line, ERR_BAD, "quotes that do not match", STR_NONE);
		if (first)
			g->columns = columns_of(&row, &named);
		first = false;
		if (named && g->of->kind == SHEET_RATES && g->columns.cost == COLUMN_NONE)
			return complain(g, csv.line, ERR_BAD, "no column \"cost\"", STR_NONE);
		e = named ? OK : take_row(g, &row, csv.line);
		if (e != OK)
			return e;
	}
	return OK;
}

enum err sheet_parse(struct sheet *s, struct str text, struct buf *why)
{
	CHECK(s && why && (unsigned)s->kind < SHEET_KIND_COUNT);
	struct reading g = {.of = s, .why = why};
	struct dialcodes codes = {.count = 0};
	size_t bad = 0;

	if (text.len > SHEET_BYTES_MAX)
		return complain(&g, 1, ERR_LIMIT, "larger than 256 MB", STR_NONE);
	enum err e = take_rows(&g, text);
	if (e == OK)
		e = dialcodes_build(&codes, g.rows, g.count, &bad);
	if (e == ERR_EXISTS)
		e = complain(&g, g.rows[bad].line, ERR_BAD, "stands there twice",
			     g.rows[bad].digits);
	free(g.rows);
	if (e != OK) {
		free(g.prices);
		return e;
	}
	sheet_release(s);
	s->codes = codes;
	s->prices = g.prices;
	s->rows = g.count;
	return OK;
}

void sheet_release(struct sheet *s)
{
	dialcodes_release(&s->codes);
	free(s->prices);
	s->prices = NULL;
	s->rows = 0;
}

uint32_t sheet_line(const struct sheet *s, struct str number)
{
	int32_t at = dialcodes_find(&s->codes, number, NULL);

	if (at == DIALCODE_NONE)
		return 0;
	return s->kind == SHEET_RATES ? s->prices[at].line : (uint32_t)at;
}

const struct sheet_price *sheet_price(const struct sheet *s, struct str number)
{
	CHECK(s->kind == SHEET_RATES);
	int32_t at = dialcodes_find(&s->codes, number, NULL);

	return at == DIALCODE_NONE ? NULL : &s->prices[at];
}

uint64_t sheet_cost(const struct sheet_price *p, uint64_t ms)
{
	enum { YEAR_S = 366 * 86400 };
	uint64_t seconds = ms / 1000 + (ms % 1000 != 0);

	if (seconds > YEAR_S) /* no call is that long: a record that lies */
		seconds = YEAR_S;
	return p->setup + (seconds * p->per_minute + 30) / 60;
}
