/* Tables that stand outside of the configuration, or are too large to walk: dialling codes, rate sheets, time zones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/hours.h"
#include "policy/sheet.h"
#include "policy/zone.h"
#include "sbc/config_build.h"
#include "sbc/shell/sheet_file.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"

/* As many as the rules can name: each route two lists of its own and a file, each trunk a sheet. */
void config_build_sheets(struct config_build *g)
{
	size_t most = 3 * g->raw->routes.count + g->raw->trunks.count;

	g->s->sheets = config_get(g, most, sizeof(*g->s->sheets));
	g->s->sheet_count = 0;
	g->zones =
		config_get(g, g->raw->routes.count + g->raw->fraud.rules.count, sizeof(*g->zones));
	g->zone_count = 0;
}

static struct sheet *new_sheet(struct config_build *g, enum sheet_kind kind, struct str path)
{
	struct sheet *s = g->s->sheets ? &g->s->sheets[g->s->sheet_count++] : NULL;

	if (s)
		*s = (struct sheet){.path = path, .kind = kind};
	return s;
}

const struct sheet *config_sheet(struct config_build *g, enum sheet_kind kind, struct str path,
				 const struct conf_node *n)
{
	char mem[300];
	struct buf why;

	if (path.len == 0)
		return NULL;
	for (size_t i = 0; g->s->sheets && i < g->s->sheet_count; i++)
		if (g->s->sheets[i].kind == kind && str_eq(g->s->sheets[i].path, path))
			return &g->s->sheets[i];
	struct sheet *s = new_sheet(g, kind, path);
	if (!s)
		return NULL;
	buf_init(&why, mem, sizeof(mem));
	enum err e = sheet_file_read(s, &why);
	if (e == ERR_NOMEM)
		g->full = true;
	else if (e != OK)
		conf_error(g->report, n, "%.*s", (int)why.len, mem);
	return s;
}

const struct sheet *config_codes(struct config_build *g, const struct conf_list *l, bool plus)
{
	const struct str *texts = l->items;
	struct dialcode_row *rows = config_get(g, l->count, sizeof(*rows));
	size_t n = 0, bad = 0;

	for (size_t i = 0; rows && i < l->count; i++) {
		struct str s = texts[i];
		bool has_plus = s.len && s.p[0] == '+';
		const struct conf_node *at = conf_item_node(l, i, l->node);
		s = str_from_offset(s, has_plus);
		if (s.len && has_plus == plus) /* what is wrong with the others was said */
			rows[n++] = (struct dialcode_row){s, (int32_t)at->place.line, (uint32_t)i};
	}
	struct sheet *made = n ? new_sheet(g, SHEET_PREFIXES, STR_NONE) : NULL;
	if (!made)
		return NULL;
	enum err e = dialcodes_build(&made->codes, rows, n, &bad);
	if (e == ERR_EXISTS)
		conf_error(g->report, conf_item_node(l, rows[bad].line, l->node),
			   "\"%s%.*s\" stands there twice", plus ? "+" : "",
			   STR_ARG(rows[bad].digits));
	g->full = g->full || e == ERR_NOMEM;
	made->rows = n;
	return made;
}

/* Octets, or 0 after saying why. */
static size_t read_zone(struct config_build *g, struct str name, const struct conf_node *n,
			uint8_t *out, size_t cap)
{
	char path[256];
	FILE *f = NULL;
	size_t len = 0;

	if (zone_name_is_good(name) &&
	    snprintf(path, sizeof(path), ZONE_FOLDER "/%.*s", STR_ARG(name)) < (int)sizeof(path))
		f = fopen(path, "rbe");
	if (f) {
		len = fread(out, 1, cap, f);
		(void)fclose(f);
	}
	if (len == 0)
		conf_error(
			g->report, n,
			"\"%.*s\" is not a time zone of this host; needed: UTC, or a name such as "
			"Europe/Berlin (package tzdata)",
			STR_ARG(name));
	return len;
}

const struct zone *config_zone(struct config_build *g, struct str name, const struct conf_node *n)
{
	static uint8_t bytes[ZONE_BYTES_MAX + 1];

	if (name.len == 0 || str_eq(name, STR("UTC")) || !g->zones)
		return NULL;
	for (size_t i = 0; i < g->zone_count; i++)
		if (str_eq(g->zones[i].name, name))
			return &g->zones[i];
	size_t len = read_zone(g, name, n, bytes, sizeof(bytes));
	if (len == 0)
		return NULL;
	struct zone *z = &g->zones[g->zone_count++];
	z->name = name;
	enum err e = zone_decode(z, g->arena, bytes, len);
	if (e == ERR_NOMEM)
		g->full = true;
	else if (e != OK)
		conf_error(g->report, n, "the table of time zone \"%.*s\" is broken",
			   STR_ARG(name));
	return z;
}

const struct hours *config_hours(struct config_build *g, const struct raw_hours *from)
{
	const struct str *days = from->days.items, *spans = from->hours.items;
	struct hours *h = from->head.node ? config_get(g, 1, sizeof(*h)) : NULL;

	if (!h)
		return NULL;
	for (size_t i = 0; i < from->days.count; i++) {
		uint8_t bits = 0;
		if (hours_parse_days(days[i], &bits) == OK)
			h->days |= bits;
	}
	for (size_t i = 0; i < from->hours.count && h->span_count < HOURS_SPANS_MAX; i++)
		if (hours_parse_span(spans[i], &h->spans[h->span_count]) == OK)
			h->span_count++;
	h->zone = config_zone(g, from->zone, conf_node_at(from->head.node, "zone"));
	return h;
}
