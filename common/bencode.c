#include "bencode.h"

/* No message of ours is longer; a larger length is not worth waiting for. */
enum { STRING_LEN_MAX = 16 * 1024 * 1024, LEN_DIGITS_MAX = 8, INT_DIGITS_MAX = 20 };

enum token_type { TOKEN_LIST, TOKEN_DICT, TOKEN_END, TOKEN_INT, TOKEN_STR };

struct token {
	enum token_type type;
	int64_t number;
	struct str text;
};

/* i-42e. A minus zero and leading zeros are let through. */
static ptrdiff_t read_int(struct str s, struct token *out)
{
	struct str in = str_from_offset(s, 1);
	size_t end = 0;
	bool minus = in.len > 0 && in.p[0] == '-';
	for (end = minus; end < in.len && in.p[end] >= '0' && in.p[end] <= '9'; end++)
		if (end > INT_DIGITS_MAX)
			return ERR_BAD;
	if (end == in.len)
		return ERR_MORE;
	if (in.p[end] != 'e')
		return ERR_BAD;
	uint64_t v;
	if (str_to_u64(str_sub(in.p + minus, in.p + end), (uint64_t)INT64_MAX + minus, &v) != OK)
		return ERR_BAD;
	*out = (struct token){.type = TOKEN_INT, .number = (int64_t)(minus ? 0 - v : v)};
	return (ptrdiff_t)(1 + end + 1);
}

static ptrdiff_t read_string(struct str s, struct token *out)
{
	size_t digits = 0;
	while (digits < s.len && s.p[digits] >= '0' && s.p[digits] <= '9')
		if (++digits > LEN_DIGITS_MAX)
			return ERR_LIMIT;
	if (digits == s.len)
		return ERR_MORE;
	if (s.p[digits] != ':')
		return ERR_BAD;
	uint32_t n;
	if (str_to_u32((struct str){s.p, digits}, STRING_LEN_MAX, &n) != OK)
		return ERR_LIMIT;
	if (n > s.len - digits - 1)
		return ERR_MORE;
	*out = (struct token){.type = TOKEN_STR, .text = {s.p + digits + 1, n}};
	return (ptrdiff_t)(digits + 1 + n);
}

static ptrdiff_t read_token(struct str s, struct token *out)
{
	if (s.len == 0)
		return ERR_MORE;
	switch (s.p[0]) {
	case 'l': *out = (struct token){.type = TOKEN_LIST}; return 1;
	case 'd': *out = (struct token){.type = TOKEN_DICT}; return 1;
	case 'e': *out = (struct token){.type = TOKEN_END}; return 1;
	case 'i': return read_int(s, out);
	default: return s.p[0] >= '0' && s.p[0] <= '9' ? read_string(s, out) : ERR_BAD;
	}
}

/* Where the walk is: the open lists and dictionaries. Without an arena nothing is built. */
struct walk {
	struct arena *arena;
	struct dict *root;
	unsigned depth, values;
	struct {
		struct dict *node;
		bool is_dict, has_key;
		struct str key;
	} open[BENCODE_DEPTH_MAX];
};

static struct dict *build(struct walk *w, const struct token *t)
{
	static const enum dict_type types[] = {
		[TOKEN_LIST] = DICT_LIST,
		[TOKEN_DICT] = DICT_DICT,
		[TOKEN_INT] = DICT_INT,
		[TOKEN_STR] = DICT_STR,
	};
	struct dict *d = NULL;
	if (w->depth == 0) {
		d = dict_new(w->arena, types[t->type]);
		if (d && t->type == TOKEN_INT)
			d->number = t->number;
		if (d && t->type == TOKEN_STR)
			d->text = t->text;
		w->root = d;
		return d;
	}
	struct dict *parent = w->open[w->depth - 1].node;
	struct str key = w->open[w->depth - 1].key;
	switch (t->type) {
	case TOKEN_LIST: d = dict_add_list(w->arena, parent, key); break;
	case TOKEN_DICT: d = dict_add_dict(w->arena, parent, key); break;
	case TOKEN_INT: d = dict_add_int(w->arena, parent, key, t->number); break;
	case TOKEN_STR: d = dict_add_str(w->arena, parent, key, t->text); break;
	case TOKEN_END: break;
	}
	return d;
}

/* Takes one token into the walk. */
static enum err take(struct walk *w, const struct token *t)
{
	if (w->depth > 0 && w->open[w->depth - 1].is_dict && !w->open[w->depth - 1].has_key &&
	    t->type != TOKEN_END) {
		if (t->type != TOKEN_STR)
			return ERR_BAD;
		w->open[w->depth - 1].has_key = true;
		w->open[w->depth - 1].key = t->text;
		return OK;
	}
	if (t->type == TOKEN_END) {
		if (w->depth == 0 || w->open[w->depth - 1].has_key)
			return ERR_BAD;
		w->depth--;
		return OK;
	}
	bool opens = t->type == TOKEN_LIST || t->type == TOKEN_DICT;
	if (++w->values > BENCODE_VALUES_MAX || (opens && w->depth == BENCODE_DEPTH_MAX))
		return ERR_LIMIT;
	struct dict *d = NULL;
	if (w->arena && (d = build(w, t)) == NULL)
		return ERR_NOMEM;
	if (w->depth > 0) {
		w->open[w->depth - 1].has_key = false;
		w->open[w->depth - 1].key = STR_NONE;
	}
	if (opens) {
		w->open[w->depth].node = d;
		w->open[w->depth].is_dict = t->type == TOKEN_DICT;
		w->open[w->depth].has_key = false;
		w->open[w->depth].key = STR_NONE;
		w->depth++;
	}
	return OK;
}

static ptrdiff_t walk(struct walk *w, struct str s)
{
	size_t at = 0;
	do {
		struct token t;
		ptrdiff_t n = read_token(str_from_offset(s, at), &t);
		if (n < 0)
			return n;
		enum err e = take(w, &t);
		if (e != OK)
			return e;
		at += (size_t)n;
	} while (w->depth > 0);
	return (ptrdiff_t)at;
}

ptrdiff_t bencode_len(struct str s)
{
	struct walk w = {.arena = NULL};
	return walk(&w, s);
}

ptrdiff_t bencode_parse(struct str s, struct arena *a, struct dict **out)
{
	struct walk w = {.arena = a};
	ptrdiff_t n = walk(&w, s);
	if (n >= 0)
		*out = w.root;
	return n;
}

static void write_str(struct buf *b, struct str s)
{
	buf_u64(b, s.len);
	buf_char(b, ':');
	buf_str(b, s);
}

/* Recursion is bounded by what we build or what bencode_parse let through. */
void bencode_write(struct buf *b, const struct dict *d)
{
	switch (d->type) {
	case DICT_INT:
		buf_char(b, 'i');
		buf_i64(b, d->number);
		buf_char(b, 'e');
		break;
	case DICT_STR: write_str(b, d->text); break;
	case DICT_LIST:
	case DICT_DICT:
		buf_char(b, d->type == DICT_LIST ? 'l' : 'd');
		dict_each (it, d) {
			if (d->type == DICT_DICT)
				write_str(b, it->key);
			bencode_write(b, it);
		}
		buf_char(b, 'e');
		break;
	case DICT_TYPE_COUNT: break;
	}
}
