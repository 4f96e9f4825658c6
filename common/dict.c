#include "dict.h"

struct dict *dict_new(struct arena *a, enum dict_type type)
{
	struct dict *d = arena_zalloc(a, sizeof(*d));
	if (d)
		d->type = type;
	return d;
}

static struct dict *append(struct arena *a, struct dict *parent, struct str key,
			   enum dict_type type)
{
	if (!parent) {
		a->failed = true;
		return NULL;
	}
	CHECK(parent->type == DICT_LIST || parent->type == DICT_DICT);
	struct dict *d = dict_new(a, type);
	if (!d)
		return NULL;
	d->key = key;
	if (parent->last)
		parent->last->next = d;
	else
		parent->first = d;
	parent->last = d;
	parent->count++;
	return d;
}

struct dict *dict_add_int(struct arena *a, struct dict *parent, struct str key, int64_t v)
{
	struct dict *d = append(a, parent, key, DICT_INT);
	if (d)
		d->number = v;
	return d;
}

struct dict *dict_add_str(struct arena *a, struct dict *parent, struct str key, struct str v)
{
	struct dict *d = append(a, parent, key, DICT_STR);
	if (d)
		d->text = v;
	return d;
}

struct dict *dict_add_list(struct arena *a, struct dict *parent, struct str key)
{
	return append(a, parent, key, DICT_LIST);
}

struct dict *dict_add_dict(struct arena *a, struct dict *parent, struct str key)
{
	return append(a, parent, key, DICT_DICT);
}

void dict_del(struct dict *parent, struct str key)
{
	CHECK(parent->type == DICT_DICT);
	struct dict **link = &parent->first;
	parent->last = NULL;
	while (*link) {
		if (dict_key_eq((*link)->key, key)) {
			*link = (*link)->next;
			parent->count--;
		} else {
			parent->last = *link;
			link = &(*link)->next;
		}
	}
}

static char plain(char c)
{
	return c == ' ' ? '-' : c;
}

bool dict_key_eq(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (plain(a.p[i]) != plain(b.p[i]))
			return false;
	return true;
}

const struct dict *dict_first(const struct dict *d)
{
	return d && (d->type == DICT_LIST || d->type == DICT_DICT) ? d->first : NULL;
}

const struct dict *dict_get(const struct dict *d, struct str key)
{
	const struct dict *found = NULL;
	if (!d || d->type != DICT_DICT)
		return NULL;
	dict_each (it, d)
		if (dict_key_eq(it->key, key))
			found = it;
	return found;
}

struct str dict_get_str(const struct dict *d, struct str key)
{
	const struct dict *v = dict_get(d, key);
	return v && v->type == DICT_STR ? v->text : STR_NONE;
}

bool dict_to_int(const struct dict *v, int64_t *out)
{
	if (!v || (v->type != DICT_INT && v->type != DICT_STR))
		return false;
	if (v->type == DICT_INT) {
		*out = v->number;
		return true;
	}
	bool minus = v->text.len > 0 && v->text.p[0] == '-';
	uint64_t n;
	if (str_to_u64(str_from_offset(v->text, minus), (uint64_t)INT64_MAX + minus, &n) != OK)
		return false;
	*out = (int64_t)(minus ? 0 - n : n);
	return true;
}

int64_t dict_get_int(const struct dict *d, struct str key, int64_t otherwise)
{
	int64_t n;
	return dict_to_int(dict_get(d, key), &n) ? n : otherwise;
}

struct dict_words dict_words(const struct dict *v)
{
	if (v && v->type == DICT_STR)
		return (struct dict_words){NULL, v->text};
	return (struct dict_words){dict_first(v), STR_NONE};
}

bool dict_words_next(struct dict_words *w, struct str *out_word)
{
	struct str piece;
	while (str_cut(&w->rest, ',', &piece)) {
		piece = str_trim(piece);
		if (piece.len > 0) {
			*out_word = piece;
			return true;
		}
	}
	while (w->at && w->at->type != DICT_STR)
		w->at = w->at->next;
	if (!w->at)
		return false;
	*out_word = w->at->text;
	w->at = w->at->next;
	return true;
}

bool dict_has_word(const struct dict *d, struct str key, struct str word)
{
	struct dict_words w = dict_words(dict_get(d, key));
	struct str each;
	while (dict_words_next(&w, &each))
		if (dict_key_eq(each, word))
			return true;
	return false;
}
