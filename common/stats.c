#include "stats.h"

#include <stdbool.h>
#include <stdlib.h>

#include "siphash.h"

enum { SETS_DEFAULT = 64, LABELS_TEXT_MAX = STATS_LABELS_MAX * (2 * STATS_VALUE_MAX + 64) };

/* The label sets of one family. Places never move: `count` alone tells a reader what is ready. */
struct stats_set {
	uint32_t max;   /* without the overflow set, which is the one behind */
	uint32_t width; /* cells of one set */
	uint32_t count;
	uint32_t has_overflow;
	uint64_t *hashes;
	char **labels; /* a="x",b="y" */
	uint64_t *cells;
};

static size_t label_count(const struct stats_family *f)
{
	size_t n = 0;
	while (n < STATS_LABELS_MAX && f->labels[n])
		n++;
	return n;
}

static void write_label_value(struct buf *b, struct str v)
{
	if (v.len > STATS_VALUE_MAX)
		v.len = STATS_VALUE_MAX;
	while (v.len > 0) {
		size_t n = str_utf8_len(v);
		if (n == 0 || (unsigned char)v.p[0] < 0x20 || v.p[0] == 0x7f) {
			buf_char(b, '?');
			n = 1;
		} else {
			if (v.p[0] == '"' || v.p[0] == '\\')
				buf_char(b, '\\');
			buf_bytes(b, v.p, n);
		}
		v = str_from_offset(v, n);
	}
}

/* values NULL: "overflow" for each. */
static struct str labels_text(const struct stats_family *f, const struct str *values, char *mem,
			      size_t cap)
{
	struct buf b;
	buf_init(&b, mem, cap);
	for (size_t i = 0; i < label_count(f); i++) {
		if (i > 0)
			buf_char(&b, ',');
		buf_z(&b, f->labels[i]);
		buf_lit(&b, "=\"");
		write_label_value(&b, values ? values[i] : STR("overflow"));
		buf_char(&b, '"');
	}
	CHECK(!b.overflow); /* values are cut, names are ours */
	return buf_view(&b);
}

static uint64_t *cell_at(const struct stats_set *t, size_t i)
{
	return t->cells + i * t->width;
}

static bool add_set(struct stats_set *t, size_t i, struct str text, uint64_t hash)
{
	char *copy = malloc(text.len + 1);
	if (!copy)
		return false;
	if (str_copy(text, copy, text.len + 1) != OK)
		copy[0] = '\0';
	t->labels[i] = copy;
	t->hashes[i] = hash;
	return true;
}

static uint64_t hash_of(struct str text)
{
	static const struct siphash_key key = {{0x7374617473, 0x6c6162656c73}};
	return siphash(&key, text.p, text.len);
}

static bool is_power_of_ten(uint32_t n)
{
	while (n >= 10 && n % 10 == 0)
		n /= 10;
	return n <= 1;
}

static enum err init_family(struct stats_set *t, const struct stats_family *f)
{
	CHECK(f->kind != STATS_HISTOGRAM || f->bound_count > 0);
	CHECK(is_power_of_ten(f->scale));
	t->max = f->max_sets > 0 ? f->max_sets : SETS_DEFAULT;
	if (label_count(f) == 0)
		t->max = 1;
	/* A histogram has a cell for each bound, one for what is above, one for the sum. */
	t->width = f->kind == STATS_HISTOGRAM ? (uint32_t)f->bound_count + 2 : 1;
	t->hashes = calloc((size_t)t->max + 1, sizeof(*t->hashes));
	t->labels = calloc((size_t)t->max + 1, sizeof(*t->labels));
	t->cells = calloc(((size_t)t->max + 1) * t->width, sizeof(*t->cells));
	if (!t->hashes || !t->labels || !t->cells)
		return ERR_NOMEM;
	char mem[LABELS_TEXT_MAX];
	struct str overflow = labels_text(f, NULL, mem, sizeof(mem));
	if (!add_set(t, t->max, overflow, hash_of(overflow)))
		return ERR_NOMEM;
	/* Without labels there is one series, and it is seen before it first counts. */
	if (label_count(f) == 0) {
		if (!add_set(t, 0, STR_NONE, hash_of(STR_NONE)))
			return ERR_NOMEM;
		t->count = 1;
	}
	return OK;
}

enum err stats_init(struct stats *s, const struct stats_family *families, size_t n)
{
	*s = (struct stats){families, n, calloc(n > 0 ? n : 1, sizeof(struct stats_set))};
	if (!s->sets)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		if (init_family(&s->sets[i], &families[i]) != OK) {
			stats_release(s);
			return ERR_NOMEM;
		}
	return OK;
}

void stats_release(struct stats *s)
{
	for (size_t i = 0; s->sets && i < s->family_count; i++) {
		struct stats_set *t = &s->sets[i];
		for (size_t k = 0; t->labels && k <= t->max; k++)
			free(t->labels[k]);
		free(t->labels);
		free(t->hashes);
		free(t->cells);
	}
	free(s->sets);
	*s = (struct stats){0};
}

/* The place of a label set among the first n, or n. */
static uint32_t place_of(const struct stats_set *t, uint32_t n, struct str text, uint64_t hash)
{
	for (uint32_t i = 0; i < n; i++)
		if (t->hashes[i] == hash && str_eq(str_from(t->labels[i]), text))
			return i;
	return n;
}

uint64_t *stats_get(struct stats *s, size_t family, const struct str *values)
{
	CHECK(family < s->family_count);
	const struct stats_family *f = &s->families[family];
	struct stats_set *t = &s->sets[family];
	CHECK(values != NULL || label_count(f) == 0);
	char mem[LABELS_TEXT_MAX];
	struct str text = labels_text(f, values, mem, sizeof(mem));
	uint64_t hash = hash_of(text);
	uint32_t i = place_of(t, t->count, text, hash);
	if (i < t->count)
		return cell_at(t, i);
	if (t->count < t->max && add_set(t, i, text, hash)) {
		__atomic_store_n(&t->count, t->count + 1, __ATOMIC_RELEASE);
		return cell_at(t, i);
	}
	__atomic_store_n(&t->has_overflow, 1, __ATOMIC_RELEASE);
	return cell_at(t, t->max);
}

const uint64_t *stats_find(const struct stats *s, size_t family, const struct str *values)
{
	CHECK(family < s->family_count);
	const struct stats_set *t = &s->sets[family];
	uint32_t n = __atomic_load_n(&t->count, __ATOMIC_ACQUIRE);
	char mem[LABELS_TEXT_MAX];
	CHECK(values != NULL || label_count(&s->families[family]) == 0);
	struct str text = labels_text(&s->families[family], values, mem, sizeof(mem));
	uint32_t i = place_of(t, n, text, hash_of(text));
	return i < n ? cell_at(t, i) : NULL;
}

void stats_observe(const struct stats *s, size_t family, uint64_t *cell, uint64_t value)
{
	const struct stats_family *f = &s->families[family];
	CHECK(family < s->family_count && f->kind == STATS_HISTOGRAM);
	size_t i = 0;
	while (i < f->bound_count && value > f->bounds[i])
		i++;
	cell[i]++;
	cell[f->bound_count + 1] += value;
}

/* ---- writing */

/* v / scale as a decimal fraction without zeros at its end. */
static void write_scaled(struct buf *b, uint64_t v, uint32_t scale)
{
	scale = scale > 0 ? scale : 1;
	buf_u64(b, v / scale);
	uint64_t rest = v % scale;
	if (rest == 0)
		return;
	buf_char(b, '.');
	uint32_t place = scale;
	do {
		place /= 10;
		buf_char(b, (char)('0' + rest / place));
		rest %= place;
	} while (rest > 0);
}

static void write_number(struct buf *b, const struct stats_family *f, uint64_t v)
{
	if (f->kind == STATS_GAUGE && (int64_t)v < 0) {
		buf_char(b, '-');
		v = 0 - v;
	}
	write_scaled(b, v, f->scale);
}

/* name_suffix{labels,le="bound"} up to the space; le 0: no le; le > bound_count: +Inf. */
static void write_series(struct buf *b, const struct stats_family *f, const char *suffix,
			 const char *labels, size_t le)
{
	buf_z(b, f->name);
	buf_z(b, suffix);
	if (labels[0] != '\0' || le > 0) {
		buf_char(b, '{');
		buf_z(b, labels);
		if (le > 0) {
			buf_z(b, labels[0] != '\0' ? ",le=\"" : "le=\"");
			if (le > f->bound_count)
				buf_lit(b, "+Inf");
			else
				write_scaled(b, f->bounds[le - 1], f->scale);
			buf_char(b, '"');
		}
		buf_char(b, '}');
	}
	buf_char(b, ' ');
}

/* One family while it is written: the registries, and the set in question. */
struct sum {
	const struct stats *const *all;
	size_t n, family;
	struct str text;
	uint64_t hash;
};

static uint32_t ready(const struct stats_set *t)
{
	return __atomic_load_n(&t->count, __ATOMIC_ACQUIRE);
}

/* The place of sum->text in registry r, or -1. The overflow set is the last place. */
static int64_t place_in(const struct sum *sum, size_t r)
{
	const struct stats_set *t = &sum->all[r]->sets[sum->family];
	uint32_t n = ready(t), i = place_of(t, n, sum->text, sum->hash);
	if (i < n)
		return i;
	bool is_overflow = __atomic_load_n(&t->has_overflow, __ATOMIC_ACQUIRE) != 0 &&
			   str_eq(str_from(t->labels[t->max]), sum->text);
	return is_overflow ? (int64_t)t->max : -1;
}

static uint64_t sum_cell(const struct sum *sum, size_t cell)
{
	uint64_t v = 0;
	for (size_t r = 0; r < sum->n; r++) {
		int64_t i = place_in(sum, r);
		if (i >= 0)
			v += __atomic_load_n(cell_at(&sum->all[r]->sets[sum->family], (size_t)i) +
						     cell,
					     __ATOMIC_RELAXED);
	}
	return v;
}

static void write_histogram(struct buf *b, const struct stats_family *f, const struct sum *sum,
			    const char *labels)
{
	uint64_t count = 0;
	for (size_t le = 1; le <= f->bound_count + 1; le++) {
		count += sum_cell(sum, le - 1);
		write_series(b, f, "_bucket", labels, le);
		buf_u64(b, count);
		buf_char(b, '\n');
	}
	write_series(b, f, "_sum", labels, 0);
	write_scaled(b, sum_cell(sum, f->bound_count + 1), f->scale);
	buf_char(b, '\n');
	write_series(b, f, "_count", labels, 0);
	buf_u64(b, count);
	buf_char(b, '\n');
}

/* Writes the set at place i of registry r, unless an earlier registry has had it. */
static void write_set(struct buf *b, const struct stats_family *f, struct sum *sum, size_t r,
		      uint32_t i)
{
	const struct stats_set *t = &sum->all[r]->sets[sum->family];
	sum->text = str_from(t->labels[i]);
	sum->hash = t->hashes[i];
	for (size_t earlier = 0; earlier < r; earlier++)
		if (place_in(sum, earlier) >= 0)
			return;
	if (f->kind == STATS_HISTOGRAM) {
		write_histogram(b, f, sum, t->labels[i]);
		return;
	}
	write_series(b, f, "", t->labels[i], 0);
	write_number(b, f, sum_cell(sum, 0));
	buf_char(b, '\n');
}

static void write_head(struct buf *b, const struct stats_family *f)
{
	static const char *const kinds[STATS_KIND_COUNT] = {"counter", "gauge", "histogram"};
	buf_lit(b, "# HELP ");
	buf_z(b, f->name);
	buf_char(b, ' ');
	buf_z(b, f->help);
	buf_lit(b, "\n# TYPE ");
	buf_z(b, f->name);
	buf_char(b, ' ');
	buf_z(b, kinds[f->kind]);
	buf_char(b, '\n');
}

void stats_write(struct buf *b, const struct stats *const *all, size_t n)
{
	for (size_t family = 0; n > 0 && family < all[0]->family_count; family++) {
		const struct stats_family *f = &all[0]->families[family];
		struct sum sum = {.all = all, .n = n, .family = family};
		write_head(b, f);
		for (size_t r = 0; r < n; r++) {
			const struct stats_set *t = &all[r]->sets[family];
			uint32_t count = ready(t);
			for (uint32_t i = 0; i < count; i++)
				write_set(b, f, &sum, r, i);
			if (__atomic_load_n(&t->has_overflow, __ATOMIC_ACQUIRE) != 0)
				write_set(b, f, &sum, r, t->max);
		}
	}
}
