#include "common/csv.h"

void csv_init(struct csv *c, struct str text)
{
	CHECK(c);
	*c = (struct csv){.rest = text};
	if (str_has_prefix(text, STR("\xef\xbb\xbf"))) /* what spreadsheets put in front */
		c->rest = str_from_offset(text, 3);
}

/* One field off the front of a line. *out_more: a comma stood behind it. */
static enum err cut_field(struct str *line, struct str *out, bool *out_more)
{
	struct str field = STR_NONE;

	*line = str_trim(*line);
	if (line->len == 0 || line->p[0] != '"') {
		*out_more = str_has_char(*line, ',');
		(void)str_cut(line, ',', &field);
		*out = str_trim(field);
		return str_has_char(*out, '"') ? ERR_BAD : OK;
	}
	*line = str_from_offset(*line, 1);
	size_t end = str_index(*line, '"');
	if (end >= line->len)
		return ERR_BAD;
	*out = (struct str){line->p, end};
	*line = str_trim(str_from_offset(*line, end + 1));
	*out_more = line->len > 0;
	if (line->len > 0 && line->p[0] != ',')
		return ERR_BAD;
	*line = str_from_offset(*line, line->len > 0);
	return OK;
}

static enum err split(struct str line, struct csv_row *out)
{
	bool more = true;

	*out = (struct csv_row){.count = 0};
	while (more) {
		if (out->count == CSV_FIELDS_MAX)
			return ERR_LIMIT;
		enum err e = cut_field(&line, &out->field[out->count++], &more);
		if (e != OK)
			return e;
	}
	return OK;
}

enum err csv_next(struct csv *c, struct csv_row *out)
{
	CHECK(c && out);
	struct str line;

	while (c->rest.len > 0) {
		(void)str_cut(&c->rest, '\n', &line);
		c->line++;
		if (line.len > CSV_LINE_MAX)
			return ERR_LIMIT;
		line = str_trim(line);
		if (line.len > 0 && line.p[0] != '#')
			return split(line, out);
	}
	return ERR_NOTFOUND;
}

enum err csv_read_money(struct str s, uint32_t *out_millionths)
{
	uint64_t v = 0;
	size_t i = 0, digits = 0;
	unsigned behind = 0;

	for (; i < s.len && s.p[i] >= '0' && s.p[i] <= '9' && v <= UINT32_MAX; i++, digits++)
		v = v * 10 + (unsigned)(s.p[i] - '0');
	if (i < s.len && s.p[i] == '.')
		for (i++; i < s.len && s.p[i] >= '0' && s.p[i] <= '9' && behind < 6;
		     i++, digits++, behind++)
			v = v * 10 + (unsigned)(s.p[i] - '0');
	for (; behind < 6; behind++)
		v *= 10;
	if (i < s.len || digits == 0 || v > UINT32_MAX)
		return ERR_BAD;
	*out_millionths = (uint32_t)v;
	return OK;
}
