#include "policy/destinations.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/csv.h"

static const char *const class_names[DESTINATION_CLASS_COUNT] = {
#define X(name, word, what) [DESTINATION_##name] = word,
	DESTINATION_CLASS_TABLE(X)
#undef X
};

const char *destination_class_name(enum destination_class c)
{
	return (unsigned)c < DESTINATION_CLASS_COUNT ? class_names[c] : "unknown";
}

bool destination_class_of(struct str word, enum destination_class *out)
{
	for (unsigned i = 0; i < DESTINATION_CLASS_COUNT; i++)
		if (str_eq(word, str_from(class_names[i]))) {
			*out = (enum destination_class)i;
			return true;
		}
	return false;
}

static bool is_letter(char c)
{
	return c >= 'A' && c <= 'Z';
}

uint16_t destination_country(struct str alpha2)
{
	if (alpha2.len != 2 || !is_letter(alpha2.p[0]) || !is_letter(alpha2.p[1]))
		return 0;
	return (uint16_t)((uint8_t)alpha2.p[0] << 8 | (uint8_t)alpha2.p[1]);
}

/* ---- money */

enum { MONEY_DECIMALS = 5 };

enum err destination_money_parse(struct str s, uint64_t most, uint64_t *out)
{
	struct str whole = {s.p, str_index(s, '.')};
	struct str part = str_from_offset(s, whole.len + 1);
	uint64_t units, parts = 0, unit = DESTINATION_MONEY;

	if (whole.len < s.len && part.len == 0)
		return ERR_BAD;
	enum err e = str_to_u64(whole, most, &units);
	if (e != OK)
		return e;
	for (size_t i = 0; i < part.len; i++) {
		const unsigned digit = (unsigned)(part.p[i] - '0');
		if (digit > 9)
			return ERR_BAD;
		unit /= 10;
		parts += digit * unit;
		if (i == MONEY_DECIMALS && digit)
			parts++; /* finer than we count: not for nothing */
	}
	parts += units * DESTINATION_MONEY;
	if (parts > most * DESTINATION_MONEY)
		return ERR_LIMIT;
	*out = parts;
	return OK;
}

void destination_money_write(struct buf *b, uint64_t parts)
{
	char decimals[16];
	int n = snprintf(decimals, sizeof(decimals), "%05u", (unsigned)(parts % DESTINATION_MONEY));

	while (n > 2 && decimals[n - 1] == '0')
		n--;
	buf_u64(b, parts / DESTINATION_MONEY);
	buf_char(b, '.');
	buf_bytes(b, decimals, (size_t)n);
}

/* ---- the file */

enum { FIELD_PREFIX, FIELD_NAME, FIELD_CLASS, FIELD_COST, FIELD_COUNTRY, FIELD_COUNT };

struct reading {
	struct destinations *t;
	struct dialcode_row *codes;
	size_t cap, used; /* of the texts */
	struct destinations_fault *fault;
};

static enum err say(struct destinations_fault *f, uint32_t line, const char *why, struct str what)
{
	const int shown = what.len < 40 ? (int)what.len : 40;
	struct buf b;

	f->line = line;
	buf_init(&b, f->why, sizeof(f->why) - 1);
	if (what.p)
		buf_printf(&b, "\"%.*s\" ", shown, what.p);
	buf_z(&b, why);
	f->why[b.len] = '\0';
	return ERR_BAD;
}

static struct str digits_of(struct str prefix)
{
	return prefix.len && prefix.p[0] == '+' ? str_from_offset(prefix, 1) : prefix;
}

static bool is_digits(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.len > 0 && s.len <= DESTINATION_CODE_MAX;
}

static struct str field(const struct csv_row *row, size_t i)
{
	return i < row->count ? row->field[i] : STR_NONE;
}

/* No control characters: it is shown to people. */
static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.len > 0 && s.len <= DESTINATION_NAME_MAX;
}

static enum err read_row(struct reading *r, uint32_t line, const struct csv_row *c)
{
	struct destination *d = &r->t->rows[r->t->count];
	const struct str digits = digits_of(field(c, FIELD_PREFIX));
	const struct str name = field(c, FIELD_NAME), class = field(c, FIELD_CLASS),
			 cost = field(c, FIELD_COST), country = field(c, FIELD_COUNTRY);
	enum destination_class is;
	uint64_t parts;

	if (c->count > FIELD_COUNT)
		return say(r->fault, line, "more than prefix,name,class,cost,country", STR_NONE);
	if (!is_digits(digits))
		return say(r->fault, line, "is no prefix of 1 to 15 digits",
			   field(c, FIELD_PREFIX));
	if (!is_name(name))
		return say(r->fault, line, "is no name of 1 to 80 octets", name);
	if (!destination_class_of(class, &is))
		return say(r->fault, line, "is no class", class);
	if (destination_money_parse(cost, DESTINATION_COST_MAX, &parts) != OK)
		return say(r->fault, line, "is no cost a minute, 0 to 10000", cost);
	if (country.len && !destination_country(country))
		return say(r->fault, line, "is no country of two capital letters", country);
	*d = (struct destination){.cost = (uint32_t)parts,
				  .name_at = (uint32_t)r->used,
				  .name_len = (uint8_t)name.len,
				  .class_ = (uint8_t)is,
				  .country = destination_country(country)};
	memcpy(r->t->text + r->used, name.p, name.len);
	r->used += name.len;
	r->codes[r->t->count] = (struct dialcode_row){digits, (int32_t)r->t->count, line};
	r->t->count++;
	return OK;
}

static enum err read_rows(struct reading *r, struct str text)
{
	struct csv c;
	struct csv_row row;
	enum err e;

	csv_init(&c, text);
	while ((e = csv_next(&c, &row)) == OK) {
		if (r->t->count == 0 && str_eq(row.field[0], STR("prefix")))
			continue;
		if (r->t->count == r->cap) {
			(void)say(r->fault, c.line, "more rows than 500000", STR_NONE);
			return ERR_LIMIT;
		}
		e = read_row(r, c.line, &row);
		if (e != OK)
			return e;
	}
	if (e == ERR_BAD)
		return say(r->fault, c.line, "a quote is not closed, or stands within a field",
			   STR_NONE);
	if (e == ERR_LIMIT)
		return say(r->fault, c.line, "too many fields, or too long a line", STR_NONE);
	return r->t->count ? OK : say(r->fault, c.line, "no row at all", STR_NONE);
}

static size_t count_lines(struct str text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.len; i++)
		n += text.p[i] == '\n';
	return n < DESTINATION_ROWS_MAX ? n : DESTINATION_ROWS_MAX;
}

static enum err build(struct reading *r)
{
	size_t at;
	enum err e = dialcodes_build(&r->t->codes, r->codes, r->t->count, &at);

	if (e == ERR_EXISTS)
		e = say(r->fault, r->codes[at].line, "stands in the table twice",
			r->codes[at].digits);
	return e;
}

enum err destinations_parse(struct destinations *t, struct str text,
			    struct destinations_fault *fault)
{
	CHECK(t && fault);
	struct destinations made = {.path = t->path};
	struct reading r = {.t = &made, .fault = fault, .cap = count_lines(text)};

	*fault = (struct destinations_fault){.line = 0};
	if (text.len > DESTINATION_BYTES_MAX) {
		(void)say(fault, 1, "the file is larger than 32 MiB", STR_NONE);
		return ERR_LIMIT;
	}
	made.rows = calloc(r.cap, sizeof(*made.rows));
	made.text = malloc(text.len + 1);
	r.codes = calloc(r.cap, sizeof(*r.codes));
	enum err e = made.rows && made.text && r.codes ? read_rows(&r, text) : ERR_NOMEM;
	if (e == OK)
		e = build(&r);
	free(r.codes);
	if (e != OK) {
		destinations_release(&made);
		return e;
	}
	destinations_release(t);
	*t = made;
	return OK;
}

void destinations_release(struct destinations *t)
{
	dialcodes_release(&t->codes);
	free(t->rows);
	free(t->text);
	*t = (struct destinations){.path = t->path};
}

const struct destination *destinations_find(const struct destinations *t, struct str digits,
					    size_t *out_len)
{
	const int32_t at = dialcodes_find(&t->codes, digits, out_len);

	return at == DIALCODE_NONE ? NULL : &t->rows[at];
}

struct str destination_name(const struct destinations *t, const struct destination *d)
{
	return (struct str){t->text + d->name_at, d->name_len};
}
