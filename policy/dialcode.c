#include "policy/dialcode.h"

#include <stdlib.h>
#include <string.h>

#include "common/lines.h"

/* The rows of one node, while the trie is built: all begin with the digits that lead to it. */
struct span {
	size_t from, to;
};

static int compare(const void *a, const void *b)
{
	const struct dialcode_row *x = a, *y = b;
	size_t n = x->digits.len < y->digits.len ? x->digits.len : y->digits.len;
	int c = memcmp(x->digits.p, y->digits.p, n);

	if (c)
		return c;
	return (x->digits.len > y->digits.len) - (x->digits.len < y->digits.len);
}

static bool is_code(const struct dialcode_row *r)
{
	if (r->digits.len == 0 || r->digits.len > DIALCODE_LEN_MAX || r->value < 0)
		return false;
	for (size_t i = 0; i < r->digits.len; i++)
		if (r->digits.p[i] < '0' || r->digits.p[i] > '9')
			return false;
	return true;
}

/* Before anything is built: each a code, none twice. Leaves the rows sorted. */
static enum err check_rows(struct dialcode_row *rows, size_t n, size_t *out_row)
{
	for (size_t i = 0; i < n; i++)
		if (!is_code(&rows[i])) {
			*out_row = i;
			return ERR_BAD;
		}
	qsort(rows, n, sizeof(*rows), compare);
	for (size_t i = 1; i < n; i++)
		if (compare(&rows[i - 1], &rows[i]) == 0) {
			*out_row = i;
			return ERR_EXISTS;
		}
	return OK;
}

/* Nodes that the rows need: one for each prefix of a row, but for itself, that the row before it does not have; the root. */
static size_t count_nodes(const struct dialcode_row *rows, size_t n)
{
	size_t nodes = 1;

	for (size_t i = 0; i < n; i++) {
		const size_t most = rows[i].digits.len - 1;
		const size_t before = i > 0 ? rows[i - 1].digits.len - 1 : 0;
		size_t same = 0;
		while (i > 0 && same < most && same < before &&
		       rows[i].digits.p[same] == rows[i - 1].digits.p[same])
			same++;
		nodes += most - same;
	}
	return nodes;
}

/* Level by level, so that the children of a node come to stand side by side, and the codes that end behind it. */
static void fill(struct dialcodes *t, struct span *spans, const struct dialcode_row *rows, size_t n)
{
	size_t used = 1, codes = 0, level_end = 1;

	spans[0] = (struct span){0, n};
	for (size_t at = 0, depth = 0; at < used; at++) {
		if (at == level_end) {
			depth++;
			level_end = used;
		}
		struct dialcode_node *node = &t->nodes[at];
		struct span s = spans[at];
		*node = (struct dialcode_node){.child = (uint32_t)used, .code = (uint32_t)codes};
		while (s.from < s.to) {
			const char digit = rows[s.from].digits.p[depth];
			const uint16_t bit = (uint16_t)(1u << (digit - '0'));
			size_t end = s.from + 1;
			while (end < s.to && rows[end].digits.p[depth] == digit)
				end++;
			if (rows[s.from].digits.len == depth + 1) {
				node->ends |= bit;
				t->values[codes++] = rows[s.from++].value;
			}
			if (s.from < end) {
				node->leads |= bit;
				spans[used++] = (struct span){s.from, end};
			}
			s.from = end;
		}
	}
}

enum err dialcodes_build(struct dialcodes *t, struct dialcode_row *rows, size_t n, size_t *out_row)
{
	CHECK(t && (rows || n == 0) && out_row);
	*t = (struct dialcodes){.count = 0};
	*out_row = 0;
	if (n > DIALCODE_ROWS_MAX)
		return ERR_LIMIT;
	enum err e = n ? check_rows(rows, n, out_row) : OK;
	if (e != OK || n == 0)
		return e;
	size_t count = count_nodes(rows, n);
	struct span *spans = calloc(count, sizeof(*spans));
	t->nodes = lines_new(count, sizeof(*t->nodes));
	t->values = lines_new(n, sizeof(*t->values));
	if (!spans || !t->nodes || !t->values) {
		free(spans);
		dialcodes_release(t);
		return ERR_NOMEM;
	}
	t->count = count;
	fill(t, spans, rows, n);
	free(spans);
	return OK;
}

void dialcodes_release(struct dialcodes *t)
{
	lines_free(t->nodes);
	lines_free(t->values);
	*t = (struct dialcodes){.count = 0};
}

/* How many of the bits are set, of fourteen: amd64 as Debian has it knows no instruction for that. */
static unsigned ones(unsigned bits)
{
	return (unsigned)((bits * 0x200040008001u & 0x111111111111111u) % 15);
}

int32_t dialcodes_find(const struct dialcodes *t, struct str number, size_t *out_len)
{
	const size_t from = number.len && number.p[0] == '+';
	size_t best = 0, code = 0, at = 0;

	for (size_t i = from; t->count && i < number.len; i++) {
		const unsigned digit = (unsigned)(number.p[i] - '0');
		const struct dialcode_node *node = &t->nodes[at];
		if (digit > 9)
			break;
		const unsigned below = (1u << digit) - 1;
		if (node->ends >> digit & 1) {
			code = node->code + ones(node->ends & below);
			best = i + 1 - from;
		}
		if (!(node->leads >> digit & 1))
			break;
		at = node->child + ones(node->leads & below);
	}
	if (out_len)
		*out_len = best;
	return best ? t->values[code] : DIALCODE_NONE;
}
