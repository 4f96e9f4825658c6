#include "json.h"

#include <jansson.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

ptrdiff_t json_len(struct str s)
{
	size_t i = 0;
	unsigned depth = 0;
	bool in_string = false;
	while (i < s.len && is_space(s.p[i]))
		i++;
	if (i == s.len)
		return ERR_MORE;
	if (s.p[i] != '{' && s.p[i] != '[')
		return ERR_BAD;
	for (; i < s.len; i++) {
		char c = s.p[i];
		if (in_string) {
			i += c == '\\';
			in_string = c != '"';
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return ERR_LIMIT;
		} else if ((c == '}' || c == ']') && --depth == 0) {
			return (ptrdiff_t)i + 1;
		}
	}
	return ERR_MORE;
}

static int64_t whole(double v)
{
	if (v >= 9223372036854775807.0)
		return INT64_MAX;
	return v <= -9223372036854775808.0 ? INT64_MIN : (int64_t)v;
}

static enum err copy_members(json_t *from, struct arena *a, struct dict *to, unsigned *values);

/* Copies one value that is neither the root nor the arena's yet. Depth is bounded by json_len. */
static enum err copy(json_t *v, struct arena *a, struct dict *parent, struct str key,
		     unsigned *values)
{
	struct dict *d = NULL;
	if (++*values > JSON_VALUES_MAX)
		return ERR_LIMIT;
	switch (json_typeof(v)) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		d = json_is_object(v) ? dict_add_dict(a, parent, key)
				      : dict_add_list(a, parent, key);
		return d ? copy_members(v, a, d, values) : ERR_NOMEM;
	case JSON_STRING: {
		struct str text = {json_string_value(v), json_string_length(v)};
		struct str kept = arena_str(a, text);
		if (kept.len == text.len)
			d = dict_add_str(a, parent, key, kept);
		break;
	}
	case JSON_INTEGER: d = dict_add_int(a, parent, key, json_integer_value(v)); break;
	case JSON_REAL: d = dict_add_int(a, parent, key, whole(json_real_value(v))); break;
	case JSON_TRUE: d = dict_add_int(a, parent, key, 1); break;
	case JSON_FALSE: d = dict_add_int(a, parent, key, 0); break;
	case JSON_NULL: d = dict_add_str(a, parent, key, STR_NONE); break;
	}
	return d ? OK : ERR_NOMEM;
}

static enum err copy_members(json_t *from, struct arena *a, struct dict *to, unsigned *values)
{
	enum err e = OK;
	if (json_is_array(from)) {
		for (size_t i = 0; e == OK && i < json_array_size(from); i++)
			e = copy(json_array_get(from, i), a, to, STR_NONE, values);
		return e;
	}
	for (void *it = json_object_iter(from); e == OK && it;
	     it = json_object_iter_next(from, it)) {
		struct str name = str_from(json_object_iter_key(it));
		struct str key = arena_str(a, name);
		e = key.len == name.len ? copy(json_object_iter_value(it), a, to, key, values)
					: ERR_NOMEM;
	}
	return e;
}

ptrdiff_t json_parse(struct str s, struct arena *a, struct dict **out)
{
	ptrdiff_t n = json_len(s);
	if (n < 0)
		return n;
	if (str_trim(str_from_offset(s, (size_t)n)).len > 0)
		return ERR_BAD;
	json_error_t error;
	json_t *root = json_loadb(s.p, (size_t)n, 0, &error);
	if (!root)
		return ERR_BAD;
	unsigned values = 1;
	struct dict *d = dict_new(a, json_is_object(root) ? DICT_DICT : DICT_LIST);
	enum err e = d ? copy_members(root, a, d, &values) : ERR_NOMEM;
	json_decref(root);
	if (e != OK)
		return e;
	*out = d;
	return (ptrdiff_t)s.len;
}

void json_write(struct buf *b, const struct dict *d)
{
	bool is_dict = d->type == DICT_DICT;
	switch (d->type) {
	case DICT_INT: buf_i64(b, d->number); break;
	case DICT_STR: buf_json_str(b, d->text); break;
	case DICT_LIST:
	case DICT_DICT:
		buf_char(b, is_dict ? '{' : '[');
		dict_each (it, d) {
			if (it != d->first)
				buf_char(b, ',');
			if (is_dict) {
				buf_json_str(b, it->key);
				buf_char(b, ':');
			}
			json_write(b, it);
		}
		buf_char(b, is_dict ? '}' : ']');
		break;
	case DICT_TYPE_COUNT: break;
	}
}
