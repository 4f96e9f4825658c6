#include "conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SECRET_FILE_BYTES = 64 * 1024 };

/* ---- units */

struct unit {
	struct str name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{STR("ms"), 1},      {STR("s"), 1000},     {STR("m"), 60000},
	{STR("h"), 3600000}, {STR("d"), 86400000},
};
static const struct unit sizes[] = {
	{STR("k"), 1024},
	{STR("M"), 1024 * 1024},
	{STR("G"), 1024ULL * 1024 * 1024},
};

/* Digits and then one of the units. `bare`: factor of a number without unit; 0: a unit is needed. */
static enum err read_unit(struct str s, const struct unit *units, size_t n, uint64_t bare,
			  uint64_t *out)
{
	size_t digits = 0;
	while (digits < s.len && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	uint64_t v, factor = 0;
	if (str_to_u64((struct str){s.p, digits}, UINT64_MAX, &v) != OK)
		return ERR_BAD;
	struct str name = str_from_offset(s, digits);
	if (name.len == 0)
		factor = bare;
	for (size_t i = 0; i < n && name.len > 0; i++)
		if (str_eq(units[i].name, name))
			factor = units[i].factor;
	if (v == 0 && name.len == 0)
		factor = 1; /* nothing is nothing in any unit */
	if (factor == 0 || v > UINT64_MAX / factor)
		return ERR_BAD;
	*out = v * factor;
	return OK;
}

enum err conf_read_duration(struct str s, uint64_t *out_ms)
{
	return read_unit(s, durations, ARRAY_LEN(durations), 0, out_ms);
}

enum err conf_read_size(struct str s, uint64_t *out)
{
	return read_unit(s, sizes, ARRAY_LEN(sizes), 1, out);
}

enum err conf_read_rate(struct str s, struct conf_rate *out)
{
	struct str count;
	uint32_t n;
	uint64_t per;
	if (!str_has_char(s, '/') || !str_cut(&s, '/', &count) ||
	    str_to_u32(count, UINT32_MAX, &n) != OK)
		return ERR_BAD;
	if (s.len == 0)
		return ERR_BAD;
	if (s.p[0] < '0' || s.p[0] > '9') { /* 40/s is 40/1s */
		char one[16];
		int len = snprintf(one, sizeof(one), "1%.*s", STR_ARG(s));
		if (len <= 0 || len >= (int)sizeof(one) ||
		    conf_read_duration((struct str){one, (size_t)len}, &per) != OK)
			return ERR_BAD;
	} else if (conf_read_duration(s, &per) != OK) {
		return ERR_BAD;
	}
	if (per == 0 || per > UINT32_MAX)
		return ERR_BAD;
	*out = (struct conf_rate){n, (uint32_t)per};
	return OK;
}

enum err conf_read_ports(struct str s, struct conf_ports *out)
{
	struct str low;
	struct conf_ports p;
	if (!str_has_char(s, '-') || !str_cut(&s, '-', &low) ||
	    str_to_u16(low, 65535, &p.min) != OK || str_to_u16(s, 65535, &p.max) != OK ||
	    p.min == 0 || p.min > p.max)
		return ERR_BAD;
	*out = p;
	return OK;
}

void conf_write_duration(struct buf *b, uint64_t ms)
{
	for (size_t i = ARRAY_LEN(durations); i-- > 0;) {
		uint64_t f = durations[i].factor;
		if ((ms >= f && ms % f == 0) || i == 0) {
			buf_u64(b, ms / f);
			buf_str(b, durations[i].name);
			return;
		}
	}
}

/* ---- saying what is allowed */

static const char *const type_texts[CONF_TYPE_COUNT] = {
	[CONF_BOOL] = "true or false",
	[CONF_INT] = "a whole number",
	[CONF_DURATION] = "a duration such as 250ms, 30s, 10m, 4h or 7d",
	[CONF_SIZE] = "a size such as 64k or 10M",
	[CONF_RATE] = "a rate such as 40/s or 30/10m",
	[CONF_ENUM] = "one of",
	[CONF_STRING] = "text",
	[CONF_ADDRESS] = "an IP address",
	[CONF_ADDRESS_PORT] = "an IP address and port such as 192.0.2.1:5060 or [2001:db8::1]:5060",
	[CONF_PREFIX] = "an IP prefix such as 192.0.2.0/24, host bits zero, or one address",
	[CONF_PORTS] = "a range of ports such as 20000-39999",
	[CONF_URI] = "a URI",
	[CONF_REGEX] = "a regular expression",
	[CONF_PATH] = "the path of a file",
	[CONF_SOURCE] = "a path, !credential NAME, !file PATH or !env NAME",
	[CONF_SECTION] = "a map",
	[CONF_LIST_OF] = "a list",
	[CONF_NAMED] = "a map of names",
	[CONF_ANY] = "anything",
};

static void write_words(struct buf *b, const char *const *words)
{
	for (size_t i = 0; words && words[i]; i++) {
		if (i > 0)
			buf_lit(b, ", ");
		buf_z(b, words[i]);
	}
}

static void write_quantity(struct buf *b, enum conf_type t, uint64_t v, const char *unit)
{
	if (t == CONF_DURATION)
		conf_write_duration(b, v);
	else
		buf_u64(b, v);
	if (unit) {
		buf_char(b, ' ');
		buf_z(b, unit);
	}
}

static void write_range(struct buf *b, enum conf_type t, const struct conf_setting *s)
{
	if (s->max == 0 && s->min == 0)
		return;
	if (s->max == 0) {
		buf_lit(b, ", at least ");
		write_quantity(b, t, s->min, s->unit);
		return;
	}
	buf_lit(b, ", ");
	if (s->min < s->max) {
		write_quantity(b, t, s->min, NULL);
		buf_lit(b, " to ");
	}
	write_quantity(b, t, s->max, s->unit);
}

/* "a whole number, 1 to 65535", "one of udp, tcp, tls" */
static void write_allowed(struct buf *b, enum conf_type t, const struct conf_setting *s)
{
	bool number = t == CONF_INT || t == CONF_DURATION || t == CONF_SIZE;
	if (t == CONF_URI) {
		buf_lit(b, "a URI that begins with ");
		for (size_t i = 0; s->words && s->words[i]; i++)
			buf_printf(b, "%s%s:", i > 0 ? " or " : "", s->words[i]);
		return;
	}
	buf_z(b, type_texts[t]);
	if (t == CONF_ENUM) {
		buf_char(b, ' ');
		write_words(b, s->words);
	} else if (number) {
		write_range(b, t, s);
		if (s->words) {
			buf_lit(b, ", or ");
			write_words(b, s->words);
		}
	}
}

/* ---- one value */

/* What one setting is read with: the table's row, or the row seen as one item of its list. */
struct want {
	const struct conf_setting *s;
	enum conf_type type;
};

static void refuse(struct conf_fill *f, const struct want *w, const struct conf_node *n,
		   struct str shown)
{
	char text[1024];
	struct buf b;
	buf_init(&b, text, sizeof(text) - 1);
	if (n->tag != CONF_TAG_NONE)
		buf_lit(&b, "the value found elsewhere"); /* it may be a secret */
	else
		buf_printf(&b, "\"%.*s\"", (int)(shown.len > 80 ? 80 : shown.len),
			   shown.p ? shown.p : "");
	buf_lit(&b, " is not allowed here");
	struct conf_guess g;
	conf_guess_init(&g, n->tag == CONF_TAG_NONE ? shown : STR_NONE);
	for (size_t i = 0; w->type == CONF_ENUM && w->s->words[i]; i++)
		conf_guess_add(&g, str_from(w->s->words[i]));
	conf_guess_write(&b, &g);
	write_allowed(&b, w->type, w->s);
	conf_error(f->report, n, "%.*s", (int)b.len, text);
}

static void store(void *out, size_t size, uint64_t v)
{
	switch (size) {
	case 1: *(uint8_t *)out = (uint8_t)v; break;
	case 2: *(uint16_t *)out = (uint16_t)v; break;
	case 4: *(uint32_t *)out = (uint32_t)v; break;
	default:
		CHECK(size == 8);
		*(uint64_t *)out = v;
		break;
	}
}

static bool in_range(const struct conf_setting *s, size_t size, uint64_t v)
{
	if (size < 8 && v >> (8 * size) != 0)
		return false;
	return v >= s->min && (s->max == 0 || v <= s->max);
}

/* Position in the words, or -1. */
static int word_index(const char *const *words, struct str text)
{
	for (int i = 0; words && words[i]; i++)
		if (str_eq(text, str_from(words[i])))
			return i;
	return -1;
}

static bool read_bool(struct str t, bool *out)
{
	static const char *const yes[] = {"true", "on", "yes", NULL};
	static const char *const no[] = {"false", "off", "no", NULL};
	if (word_index(yes, t) < 0 && word_index(no, t) < 0)
		return false;
	*out = word_index(yes, t) >= 0;
	return true;
}

static bool read_number(const struct want *w, struct str t, void *out, size_t size)
{
	uint64_t v = 0;
	int word = word_index(w->s->words, t);
	if (word >= 0) {
		store(out, size, (uint64_t)word);
		return true;
	}
	enum err e = w->type == CONF_DURATION ? conf_read_duration(t, &v)
		     : w->type == CONF_SIZE   ? conf_read_size(t, &v)
					      : str_to_u64(t, UINT64_MAX, &v);
	if (e != OK || !in_range(w->s, size, v))
		return false;
	store(out, size, v);
	return true;
}

static bool read_uri(const struct want *w, struct str t)
{
	size_t colon = str_index(t, ':');
	if (colon == t.len || colon + 1 == t.len)
		return false;
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.p[i] <= ' ' || t.p[i] == '<' || t.p[i] == '>' || t.p[i] == '"')
			return false;
	struct str scheme = {t.p, colon};
	for (size_t i = 0; w->s->words && w->s->words[i]; i++)
		if (str_ieq(scheme, str_from(w->s->words[i])))
			return true;
	return false;
}

static bool read_text(const struct want *w, struct str t, struct str *out)
{
	size_t min = w->s->type == CONF_LIST_OF || w->s->min == 0 ? 1 : (size_t)w->s->min;
	size_t max = w->s->type == CONF_LIST_OF || w->s->max == 0 ? 4096 : (size_t)w->s->max;
	if (w->type == CONF_URI && !read_uri(w, t))
		return false;
	if (t.len < min || t.len > max)
		return false;
	*out = t;
	return true;
}

/* `size`: of a number's member. False: not of this type or out of range. */
static bool read_value(const struct want *w, struct str t, void *out, size_t size)
{
	int word;
	switch (w->type) {
	case CONF_BOOL: return read_bool(t, out);
	case CONF_INT:
	case CONF_DURATION:
	case CONF_SIZE: return read_number(w, t, out, size);
	case CONF_RATE: return conf_read_rate(t, out) == OK;
	case CONF_ENUM:
		word = word_index(w->s->words, t);
		if (word >= 0)
			store(out, size, (uint64_t)word);
		return word >= 0;
	case CONF_ADDRESS: return addr_parse_ip(t, out) == OK;
	case CONF_ADDRESS_PORT: return addr_parse(t, out) == OK && ((struct addr *)out)->port != 0;
	case CONF_PREFIX: return prefix_parse(t, out) == OK;
	case CONF_PORTS: return conf_read_ports(t, out) == OK;
	case CONF_STRING:
	case CONF_URI:
	case CONF_REGEX:
	case CONF_PATH: return read_text(w, t, out);
	case CONF_SOURCE:
	case CONF_SECTION:
	case CONF_LIST_OF:
	case CONF_NAMED:
	case CONF_ANY:
	case CONF_TYPE_COUNT: break;
	}
	check_failed("a scalar type", __FILE__, __LINE__);
	return false;
}

static const char *shape_name(const struct conf_node *n)
{
	return n->kind == CONF_LIST ? "a list" : n->kind == CONF_MAP ? "a map" : "a single value";
}

static void refuse_shape(struct conf_fill *f, const struct want *w, struct conf_node *n)
{
	char text[512];
	struct buf b;
	buf_init(&b, text, sizeof(text));
	write_allowed(&b, w->type, w->s);
	conf_error(f->report, n, "%s stands here; allowed: %.*s", shape_name(n), (int)b.len, text);
	n->kind = CONF_BROKEN;
}

/* ---- values that stand elsewhere */

/* A relative path begins where the file lies that it is written in: daemons and people stand elsewhere. */
static bool seen_from_file(struct conf_fill *f, const struct conf_node *n, struct str path,
			   struct str *out)
{
	struct str file = n->place.file ? n->place.file->path : STR_NONE;
	size_t dir = file.len;
	while (dir > 0 && file.p[dir - 1] != '/')
		dir--;
	*out = path;
	if (path.p[0] == '/' || dir == 0)
		return true;
	char *z = arena_alloc(f->arena, dir + path.len);
	if (!z)
		return false;
	memcpy(z, file.p, dir);
	memcpy(z + dir, path.p, path.len);
	*out = (struct str){z, dir + path.len};
	return true;
}

static bool path_of(struct conf_fill *f, const struct conf_node *n, struct str *out)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	if (n->text.len == 0 || n->text.len > 1024) {
		conf_error(f->report, n, "a name is expected after the tag");
		return false;
	}
	if (n->tag == CONF_TAG_FILE)
		return seen_from_file(f, n, n->text, out);
	if (str_has_char(n->text, '/')) {
		conf_error(f->report, n, "a credential's name has no \"/\"");
		return false;
	}
	if (!dir) {
		conf_error(f->report, n,
			   "!credential needs $CREDENTIALS_DIRECTORY, which systemd sets with "
			   "LoadCredential=");
		return false;
	}
	size_t cap = strlen(dir) + n->text.len + 2;
	char *path = arena_alloc(f->arena, cap);
	if (!path)
		return false;
	int len = snprintf(path, cap, "%s/%.*s", dir, STR_ARG(n->text));
	*out = (struct str){path, (size_t)len};
	return true;
}

static bool value_of_env(struct conf_fill *f, const struct conf_node *n, struct str *out)
{
	char name[128];
	const char *value = str_copy(n->text, name, sizeof(name)) == OK ? getenv(name) : NULL;
	if (!value) {
		conf_error(f->report, n, "the environment has no variable \"%.*s\"",
			   STR_ARG(n->text));
		return false;
	}
	*out = arena_str(f->arena, str_from(value));
	return true;
}

static bool value_of_file(struct conf_fill *f, const struct conf_node *n, struct str *out)
{
	char z[1200];
	struct str path;
	if (!path_of(f, n, &path) || str_copy(path, z, sizeof(z)) != OK)
		return false;
	struct stat st;
	FILE *in = stat(z, &st) == 0 && S_ISREG(st.st_mode) ? fopen(z, "rbe") : NULL;
	char *text = arena_alloc(f->arena, SECRET_FILE_BYTES);
	size_t len = in && text ? fread(text, 1, SECRET_FILE_BYTES, in) : 0;
	bool good = in && text && !ferror(in) && len < SECRET_FILE_BYTES;
	if (in)
		(void)fclose(in);
	if (!good) {
		conf_error(f->report, n, "%s cannot be read, or is larger than 64 KiB", z);
		return false;
	}
	f->arena->used -= SECRET_FILE_BYTES - len;
	*out = str_trim((struct str){text, len});
	return true;
}

/* The text of a scalar wherever it stands. */
static bool text_of(struct conf_fill *f, const struct conf_node *n, struct str *out)
{
	switch (n->tag) {
	case CONF_TAG_NONE: *out = n->text; return true;
	case CONF_TAG_ENV: return value_of_env(f, n, out);
	case CONF_TAG_FILE:
	case CONF_TAG_CREDENTIAL: return value_of_file(f, n, out);
	}
	return false;
}

/* A path stays a path, so that the file can be read again when it is renewed. */
static bool read_source(struct conf_fill *f, const struct conf_node *n, struct conf_source *out)
{
	switch (n->tag) {
	case CONF_TAG_ENV: return value_of_env(f, n, &out->value);
	case CONF_TAG_NONE: return n->text.len > 0 && seen_from_file(f, n, n->text, &out->path);
	case CONF_TAG_FILE:
	case CONF_TAG_CREDENTIAL: return path_of(f, n, &out->path);
	}
	return false;
}

/* ---- sections, lists, names */

static size_t item_size(const struct conf_setting *s, enum conf_type t)
{
	switch (t) {
	case CONF_BOOL: return sizeof(bool);
	case CONF_INT:
	case CONF_DURATION:
	case CONF_SIZE: return sizeof(uint64_t);
	case CONF_ENUM: return sizeof(uint32_t);
	case CONF_RATE: return sizeof(struct conf_rate);
	case CONF_STRING:
	case CONF_URI:
	case CONF_REGEX:
	case CONF_PATH: return sizeof(struct str);
	case CONF_ADDRESS:
	case CONF_ADDRESS_PORT: return sizeof(struct addr);
	case CONF_PREFIX: return sizeof(struct prefix);
	case CONF_PORTS: return sizeof(struct conf_ports);
	case CONF_SOURCE: return sizeof(struct conf_source);
	case CONF_SECTION:
	case CONF_NAMED: return s->sub->size;
	case CONF_LIST_OF:
	case CONF_ANY:
	case CONF_TYPE_COUNT: break;
	}
	check_failed("a type that can be an item", __FILE__, __LINE__);
	return 0;
}

static void fill_scalar(struct conf_fill *f, const struct want *w, struct conf_node *n, void *out,
			size_t size)
{
	struct str text;
	if (n->kind == CONF_BROKEN)
		return;
	if (n->kind != CONF_SCALAR) {
		refuse_shape(f, w, n);
		return;
	}
	size_t before = f->report->errors;
	if (w->type == CONF_SOURCE) {
		if (!read_source(f, n, out) && f->report->errors == before)
			refuse(f, w, n, n->text);
		return;
	}
	if (!text_of(f, n, &text)) {
		n->kind = CONF_BROKEN;
		return;
	}
	if (!read_value(w, text, out, size))
		refuse(f, w, n, text);
	else if (w->type == CONF_PATH && !seen_from_file(f, n, text, out))
		conf_error(f->report, n, "the configuration is larger than this program accepts");
	else if (w->s->check)
		w->s->check(f->report, n, out);
	if (f->report->errors > before)
		n->kind = CONF_BROKEN;
}

static void fill_one(struct conf_fill *f, const struct want *w, struct conf_node *n, void *out,
		     size_t size)
{
	if (w->type != CONF_SECTION) {
		fill_scalar(f, w, n, out, size);
		return;
	}
	if (n->kind == CONF_MAP)
		conf_fill(f, w->s->sub, n, out);
	else if (n->kind != CONF_BROKEN)
		refuse_shape(f, w, n);
}

static bool check_count(struct conf_fill *f, const struct conf_setting *s,
			const struct conf_node *n)
{
	if (n->count < s->min) {
		conf_error(f->report, n, "%s; at least %u allowed",
			   n->count == 0 ? "empty" : "too few", (unsigned)s->min);
		return false;
	}
	if (s->max > 0 && n->count > s->max) {
		conf_error(f->report, n, "%u entries are too many; at most %u allowed",
			   (unsigned)n->count, (unsigned)s->max);
		return false;
	}
	return true;
}

static void *new_items(struct conf_fill *f, const struct conf_node *n, size_t size)
{
	void *items = arena_zalloc(f->arena, n->count > 0 ? n->count * size : 1);
	if (!items)
		conf_error(f->report, n, "the configuration is larger than this program accepts");
	return items;
}

static void fill_list(struct conf_fill *f, const struct conf_setting *s, struct conf_node *n,
		      struct conf_list *out)
{
	struct want whole = {s, CONF_LIST_OF}, each = {s, s->item};
	if (n->kind == CONF_BROKEN)
		return;
	size_t size = item_size(s, s->item), at = 0;
	if (n->kind == CONF_SCALAR &&
	    s->item != CONF_SECTION) { /* a list of one, without brackets */
		char *one = arena_zalloc(f->arena, size);
		if (one)
			fill_scalar(f, &each, n, one, size);
		*out = (struct conf_list){one, one ? 1 : 0, n};
		return;
	}
	if (n->kind != CONF_LIST) {
		refuse_shape(f, &whole, n);
		return;
	}
	char *items = check_count(f, s, n) ? new_items(f, n, size) : NULL;
	if (!items)
		return;
	for (struct conf_node *c = n->first; c; c = c->next)
		fill_one(f, &each, c, items + size * at++, size);
	*out = (struct conf_list){items, n->count, n};
}

static bool name_is_good(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool letter =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!letter && c != '-' && c != '_' && c != '.')
			return false;
	}
	return s.len > 0 && s.len <= CONF_NAME_MAX;
}

enum { NAMED_LIST_MAX = 1024 };

static void fill_named(struct conf_fill *f, const struct conf_setting *s, struct conf_node *n,
		       struct conf_list *out)
{
	struct want whole = {s, CONF_NAMED}, each = {s, CONF_SECTION};
	if (n->kind == CONF_BROKEN)
		return;
	if (n->kind != CONF_MAP) {
		refuse_shape(f, &whole, n);
		return;
	}
	bool lists = s->item == CONF_LIST_OF;
	struct conf_setting inner = *s; /* of each list, as if it were a setting of its own */
	inner.type = CONF_LIST_OF;
	inner.item = CONF_SECTION;
	inner.min = 1;
	inner.max = NAMED_LIST_MAX;
	size_t size = lists ? sizeof(struct conf_named_list) : s->sub->size, at = 0;
	char *items = check_count(f, s, n) ? new_items(f, n, size) : NULL;
	if (!items)
		return;
	for (struct conf_node *c = n->first; c; c = c->next, at++) {
		struct conf_head *head = (struct conf_head *)(void *)(items + size * at);
		if (!name_is_good(c->key))
			conf_error_key(f->report, c,
				       "not a name; allowed: 1 to 64 letters, digits, \"-\", \"_\" "
				       "and \".\"");
		if (lists) {
			fill_list(f, &inner, c, &((struct conf_named_list *)(void *)head)->list);
			head->name = c->key;
			head->node = c;
			continue;
		}
		if (s->item != CONF_BOOL) /* a map of plain values, each stored behind the head */
			each.type = s->item;
		if (each.type == CONF_SECTION)
			fill_one(f, &each, c, head, size);
		else
			fill_scalar(f, &each, c, (char *)head + sizeof(*head),
				    size - sizeof(*head));
		head->name = c->key;
		head->node = c;
	}
	*out = (struct conf_list){items, n->count, n};
}

/* The default is read by the same code as what people write: it hangs on a node of its own. */
static void fill_default(struct conf_fill *f, const struct conf_setting *s, char *out)
{
	struct conf_node n = {.kind = CONF_SCALAR, .text = str_from(s->def)};
	size_t errors = f->report->errors;
	if (s->type == CONF_LIST_OF) {
		struct str rest = n.text, piece;
		struct conf_list l = {0};
		size_t size = item_size(s, s->item), count = 0;
		for (size_t i = 0; i < rest.len; i++)
			count += rest.p[i] == ',';
		char *items = arena_zalloc(f->arena, (count + 1) * size);
		struct want each = {s, s->item};
		while (items && str_cut(&rest, ',', &piece)) {
			n.text = str_trim(piece);
			CHECK(read_value(&each, n.text, items + size * l.count++, size));
		}
		l.items = items;
		*(struct conf_list *)(void *)out = l;
	} else if (s->type == CONF_SOURCE) {
		((struct conf_source *)(void *)out)->path = n.text;
	} else {
		struct want w = {s, s->type};
		CHECK(read_value(&w, n.text, out, s->size));
	}
	CHECK(f->report->errors == errors);
}

static void fill_setting(struct conf_fill *f, const struct conf_setting *s, struct conf_node *n,
			 char *out)
{
	struct want w = {s, s->type};
	if (s->type == CONF_ANY)
		return;
	if (s->type == CONF_SECTION && (!n || n->kind != CONF_MAP)) {
		conf_fill(f, s->sub, NULL, out); /* its defaults hold in any case */
		if (n && n->kind != CONF_BROKEN)
			refuse_shape(f, &w, n);
		return;
	}
	if (s->def)
		fill_default(f, s, out);
	if (!n)
		return;
	if (s->type == CONF_LIST_OF)
		fill_list(f, s, n, (struct conf_list *)(void *)out);
	else if (s->type == CONF_NAMED)
		fill_named(f, s, n, (struct conf_list *)(void *)out);
	else
		fill_one(f, &w, n, out, s->size);
}

static void refuse_unknown(struct conf_fill *f, const struct conf_section *s,
			   const struct conf_node *n)
{
	char text[1024];
	struct buf b;
	struct conf_guess g;
	if (s->partial)
		return;
	buf_init(&b, text, sizeof(text));
	conf_guess_init(&g, n->key);
	for (size_t i = 0; i < s->count; i++)
		conf_guess_add(&g, str_from(s->settings[i].name));
	conf_guess_write(&b, &g);
	for (size_t i = 0; i < s->count; i++)
		buf_printf(&b, "%s%s", i > 0 ? ", " : "", s->settings[i].name);
	conf_error_key(f->report, n, "unknown key%.*s", (int)b.len, text);
}

void conf_fill(struct conf_fill *f, const struct conf_section *s, struct conf_node *map, void *out)
{
	memset(out, 0, s->size);
	((struct conf_head *)out)->node = map;
	for (const struct conf_node *n = map ? map->first : NULL; n; n = n->next) {
		bool known = false;
		for (size_t i = 0; i < s->count && !known; i++)
			known = str_eq(n->key, str_from(s->settings[i].name));
		if (!known)
			refuse_unknown(f, s, n);
	}
	for (size_t i = 0; i < s->count; i++) {
		const struct conf_setting *set = &s->settings[i];
		struct conf_node *n = conf_node_child(map, set->name);
		fill_setting(f, set, n, (char *)out + set->offset);
		bool excused = f->incomplete && map && !map->parent;
		if (map && !n && (set->flags & CONF_REQUIRED) && !excused) {
			char text[512];
			struct buf b;
			buf_init(&b, text, sizeof(text));
			write_allowed(&b, set->type, set);
			conf_error_missing(f->report, map, set->name, "missing; needed here: %.*s",
					   (int)b.len, text);
		}
	}
}

const struct conf_head *conf_named(const struct conf_list *l, size_t size, struct str name,
				   size_t *out_index)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct conf_head *h = (const void *)((const char *)l->items + size * i);
		if (str_eq(h->name, name)) {
			*out_index = i;
			return h;
		}
	}
	return NULL;
}

const struct conf_node *conf_item_node(const struct conf_list *l, size_t i,
				       const struct conf_node *other)
{
	if (!l->node)
		return other;
	const struct conf_node *n = l->node->first;
	while (n && i-- > 0)
		n = n->next;
	return n ? n : l->node;
}

/* ---- the page of settings */

static void write_cell(struct buf *b, const char *z)
{
	for (; *z; z++) {
		if (*z == '|')
			buf_char(b, '\\');
		buf_char(b, *z);
	}
}

static void write_type_cell(struct buf *b, const struct conf_setting *s)
{
	char text[512];
	struct buf t;
	buf_init(&t, text, sizeof(text) - 1);
	if (s->type == CONF_LIST_OF) {
		buf_lit(&t, "a list: ");
		if (s->item == CONF_SECTION)
			buf_lit(&t, "maps, see below");
		else
			write_allowed(&t, s->item, s);
	} else if (s->type == CONF_SECTION || s->type == CONF_NAMED) {
		buf_z(&t, type_texts[s->type]);
		if (s->type == CONF_SECTION || s->item == CONF_BOOL)
			buf_lit(&t, ", see below");
		else if (s->item == CONF_LIST_OF)
			buf_lit(&t, ", each a list of maps, see below");
	} else {
		write_allowed(&t, s->type, s);
	}
	text[t.len] = '\0';
	write_cell(b, text);
}

static void write_row(struct buf *b, const struct conf_setting *s)
{
	buf_printf(b, "| `%s` | ", s->name);
	write_type_cell(b, s);
	buf_lit(b, " | ");
	if (s->flags & CONF_REQUIRED)
		buf_lit(b, "needed");
	else if (s->def)
		buf_printf(b, "`%s`", s->def);
	else
		write_cell(b, s->otherwise ? s->otherwise : "–");
	buf_printf(b, " | %s | ", s->flags & CONF_RESTART ? "restart" : "reload");
	write_cell(b, s->help ? s->help : "");
	buf_lit(b, " |\n");
}

static void write_section_docs(struct buf *b, const struct conf_section *s, const char *path)
{
	buf_printf(b, "\n## %s\n\n", *path ? path : "Top level");
	if (s->help)
		buf_printf(b, "%s\n\n", s->help);
	buf_lit(b, "| key | value | when left out | changed by | what it is "
		   "|\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < s->count; i++)
		if (s->settings[i].type != CONF_ANY || s->settings[i].help)
			write_row(b, &s->settings[i]);
	for (size_t i = 0; i < s->count; i++) {
		const struct conf_setting *c = &s->settings[i];
		if (!c->sub || c->sub->count == 0)
			continue;
		char below[200];
		(void)snprintf(below, sizeof(below), "%s%s%s%s", path, *path ? "." : "", c->name,
			       c->type == CONF_LIST_OF   ? "[]"
			       : c->type != CONF_NAMED   ? ""
			       : c->item == CONF_LIST_OF ? ".NAME[]"
							 : ".NAME");
		write_section_docs(b, c->sub, below);
	}
}

void conf_write_docs(struct buf *b, const struct conf_section *root)
{
	buf_printf(b, "# %s\n\n%s\n", root->name, root->help);
	struct conf_section top = *root;
	top.help = NULL;
	write_section_docs(b, &top, "");
}
