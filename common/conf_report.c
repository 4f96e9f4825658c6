#include "conf_report.h"

#include <stdlib.h>

enum { REPORT_TEXT_BYTES = 512 * 1024, REPORT_LINE_BYTES = 4096 };

enum err conf_report_init(struct conf_report *r)
{
	struct conf_report new = {0};
	enum err e = arena_init_sized(&new.arena, REPORT_TEXT_BYTES);
	if (e != OK)
		return e;
	new.messages = calloc(CONF_MESSAGES_MAX, sizeof(*new.messages));
	if (!new.messages) {
		arena_release(&new.arena);
		return ERR_NOMEM;
	}
	*r = new;
	return OK;
}

void conf_report_release(struct conf_report *r)
{
	free(r->messages);
	arena_release(&r->arena);
	*r = (struct conf_report){0};
}

/* The text comes from a file that anyone may have written: no control byte reaches the terminal. */
static void write_clean(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		buf_char(b, c < 0x20 || c == 0x7f ? '?' : (char)c);
	}
}

void conf_report_add(struct conf_report *r, bool warning, const struct conf_place *at,
		     struct str path, struct str what)
{
	CHECK(r->messages != NULL && at->file != NULL);
	char line[REPORT_LINE_BYTES];
	struct buf b;
	buf_init(&b, line, sizeof(line));
	write_clean(&b, at->file->path);
	buf_printf(&b, ":%u:%u: ", (unsigned)at->line, (unsigned)at->column);
	if (warning)
		buf_lit(&b, "warning: ");
	if (path.len > 0) {
		write_clean(&b, path);
		buf_lit(&b, ": ");
	}
	write_clean(&b, what);
	if (warning)
		r->warnings++;
	else
		r->errors++;
	struct str text = {line, b.len};
	text = arena_str(&r->arena, text);
	if (r->count == CONF_MESSAGES_MAX || text.len == 0) {
		r->unsaid++;
		return;
	}
	r->messages[r->count] = (struct conf_message){text,     warning,    at->file->index,
						      at->line, at->column, (uint32_t)r->count};
	r->count++;
}

static int by_place(const void *pa, const void *pb)
{
	const struct conf_message *a = pa, *b = pb;
	if (a->file_index != b->file_index)
		return a->file_index < b->file_index ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

void conf_report_sort(struct conf_report *r)
{
	if (r->count > 1)
		qsort(r->messages, r->count, sizeof(*r->messages), by_place);
}

void conf_guess_init(struct conf_guess *g, struct str word)
{
	*g = (struct conf_guess){word, STR_NONE, 0};
}

/* The same letters in another order: the commonest slip in a short word. */
static bool same_letters(struct str a, struct str b)
{
	int count[256] = {0};
	for (size_t i = 0; i < a.len; i++)
		count[(unsigned char)a.p[i]]++;
	for (size_t i = 0; i < b.len; i++)
		count[(unsigned char)b.p[i]]--;
	for (size_t i = 0; i < ARRAY_LEN(count); i++)
		if (count[i] != 0)
			return false;
	return true;
}

void conf_guess_add(struct conf_guess *g, struct str known)
{
	if (g->word.len == 0 || g->word.len > 64 || known.len == 0 || known.len > 64)
		return;
	unsigned d = same_letters(g->word, known) ? 1 : str_distance(g->word, known);
	if (g->best.len == 0 || d < g->distance) {
		g->best = known;
		g->distance = d;
	}
}

struct str conf_guess_best(const struct conf_guess *g)
{
	/* One slip in a short word, about a third of a long one: more is another word. */
	size_t near = g->word.len <= 3 ? 1 : g->word.len / 3 + (g->word.len < 6);
	if (g->best.len == 0)
		return STR_NONE;
	return g->distance <= near ? g->best : STR_NONE;
}

void conf_guess_write(struct buf *b, const struct conf_guess *g)
{
	struct str best = conf_guess_best(g);
	if (best.len > 0)
		buf_printf(b, "; did you mean \"%.*s\"? Allowed: ", STR_ARG(best));
	else
		buf_lit(b, "; allowed: ");
}
