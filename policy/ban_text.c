#include "policy/ban_text.h"

#include "common/arena.h"
#include "common/dict.h"
#include "common/json.h"

enum { NODES_BYTES = 8192 };

void ban_write_subject(struct buf *b, const struct ban *v)
{
	if (v->kind != SUBJECT_SOURCE)
		buf_str(b, str_from(v->name));
	else if (v->source.bits == (v->source.addr.family == ADDR_IP6 ? 128 : 32))
		addr_write_ip(b, &v->source.addr);
	else
		prefix_write(b, &v->source);
}

static void write_text(struct buf *b, const char *key, const char *text)
{
	if (text[0] == 0)
		return;
	buf_printf(b, ",\"%s\":", key);
	buf_json_str(b, str_from(text));
}

void ban_write(struct buf *b, const struct ban *v)
{
	char mem[BAN_NAME_MAX + 64];
	struct buf subject;

	buf_init(&subject, mem, sizeof(mem));
	ban_write_subject(&subject, v);
	buf_printf(b, "{\"kind\":\"%s\",\"subject\":", ban_kind_name(v->kind));
	buf_json_str(b, buf_view(&subject));
	buf_printf(b, ",\"mode\":\"%s\",\"by\":\"%s\"", ban_mode_name(v->mode), ban_by_name(v->by));
	write_text(b, "rule", v->rule);
	write_text(b, "why", v->why);
	write_text(b, "file", v->file);
	if (v->line)
		buf_printf(b, ",\"line\":%u", v->line);
	write_text(b, "node", v->node);
	buf_printf(b, ",\"strikes\":%u,\"hits\":%llu,\"since_ms\":%llu,\"until_ms\":%llu",
		   v->strikes, (unsigned long long)v->hits, (unsigned long long)v->since_ms,
		   (unsigned long long)v->until_ms);
	if (v->flood)
		buf_lit(b, ",\"flood\":1");
	if (v->gap_s)
		buf_printf(b, ",\"gap_s\":%u", v->gap_s);
	buf_char(b, '}');
}

static enum err read_text(const struct dict *d, struct str key, char *out, size_t cap)
{
	const struct str s = dict_get_str(d, key);

	return str_has_char(s, 0) ? ERR_BAD : str_copy(s, out, cap);
}

static bool read_number(const struct dict *d, struct str key, uint64_t max, uint64_t *out)
{
	const int64_t n = dict_get_int(d, key, 0);

	*out = (uint64_t)n;
	return n >= 0 && (uint64_t)n <= max;
}

enum err ban_read_source(struct str text, struct prefix *out)
{
	struct addr a;

	if (str_has_char(text, '/'))
		return prefix_parse(text, out);
	if (addr_parse_ip(text, &a) != OK)
		return ERR_BAD;
	*out = (struct prefix){.addr = a, .bits = a.family == ADDR_IP6 ? 128 : 32};
	return OK;
}

static unsigned find_word(struct str word, const char *(*name)(unsigned i), unsigned count)
{
	unsigned i = 0;

	while (i < count && !str_eq(word, str_from(name(i))))
		i++;
	return i;
}

static const char *kind_at(unsigned i)
{
	return ban_kind_name((enum subject_kind)i);
}

static const char *mode_at(unsigned i)
{
	return ban_mode_name((enum ban_mode)i);
}

static const char *by_at(unsigned i)
{
	return ban_by_name((enum ban_by)i);
}

static enum err read_dict(const struct dict *d, struct ban *v)
{
	const unsigned kind = find_word(dict_get_str(d, STR("kind")), kind_at, SUBJECT_KIND_COUNT);
	const unsigned mode = find_word(dict_get_str(d, STR("mode")), mode_at, BAN_MODE_COUNT);
	const unsigned by = find_word(dict_get_str(d, STR("by")), by_at, BAN_BY_COUNT);
	const struct str subject = dict_get_str(d, STR("subject"));
	uint64_t line, strikes, gap;
	enum err e = OK;

	if (kind == SUBJECT_KIND_COUNT || mode == BAN_MODE_COUNT || by == BAN_BY_COUNT)
		return ERR_BAD;
	v->kind = (enum subject_kind)kind;
	v->mode = (enum ban_mode)mode;
	v->by = (enum ban_by)by;
	if (kind == SUBJECT_SOURCE)
		e = ban_read_source(subject, &v->source);
	else if (subject.len == 0 || str_has_char(subject, 0))
		e = ERR_BAD;
	else
		e = str_copy(subject, v->name, sizeof(v->name));
	if (e != OK || read_text(d, STR("rule"), v->rule, sizeof(v->rule)) != OK ||
	    read_text(d, STR("why"), v->why, sizeof(v->why)) != OK ||
	    read_text(d, STR("file"), v->file, sizeof(v->file)) != OK ||
	    read_text(d, STR("node"), v->node, sizeof(v->node)) != OK ||
	    !read_number(d, STR("line"), UINT32_MAX, &line) ||
	    !read_number(d, STR("strikes"), BAN_STRIKES_MAX, &strikes) || strikes == 0 ||
	    !read_number(d, STR("gap_s"), UINT32_MAX / 10, &gap) ||
	    !read_number(d, STR("hits"), INT64_MAX, &v->hits) ||
	    !read_number(d, STR("since_ms"), INT64_MAX / 2, &v->since_ms) ||
	    !read_number(d, STR("until_ms"), INT64_MAX / 2, &v->until_ms) ||
	    (mode == BAN_SLOW && gap == 0))
		return ERR_BAD;
	v->flood = dict_get_int(d, STR("flood"), 0) == 1;
	v->line = (uint32_t)line;
	v->strikes = (uint32_t)strikes;
	v->gap_s = (uint32_t)gap;
	return OK;
}

enum err ban_read(struct str line, struct ban *out)
{
	char nodes[NODES_BYTES];
	struct arena a;
	struct dict *d = NULL;
	struct ban v = {0};

	arena_init(&a, nodes, sizeof(nodes));
	if (line.len > BAN_LINE_MAX || json_parse(line, &a, &d) < 0 || d->type != DICT_DICT ||
	    read_dict(d, &v) != OK)
		return ERR_BAD;
	*out = v;
	return OK;
}
