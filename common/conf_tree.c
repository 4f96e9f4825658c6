#include "conf_tree.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

/* One map or list that is still open. */
struct level {
	struct conf_node *node;
	bool has_key;
	bool skip; /* the value that follows is not kept: its key was refused */
	struct str key;
	struct conf_place key_place;
};

struct reading {
	struct conf_tree *tree;
	struct conf_report *report;
	const struct conf_file *file;
	struct level levels[CONF_DEPTH_MAX];
	size_t depth;
	struct conf_node *root;
	bool failed;
};

enum err conf_tree_init_for(struct conf_tree *t, size_t text_bytes)
{
	/* The dearest text is a list of empty maps: three letters become a struct of a kilobyte. */
	const size_t base = 256 * 1024, each = 512;
	size_t size = text_bytes < (CONF_TREE_BYTES - base) / each ? base + each * text_bytes
								   : CONF_TREE_BYTES;
	struct conf_tree new = {0};
	enum err e = arena_init_sized(&new.arena, size);
	if (e == OK)
		*t = new;
	return e;
}

enum err conf_tree_init(struct conf_tree *t)
{
	return conf_tree_init_for(t, CONF_TREE_BYTES);
}

void conf_tree_release(struct conf_tree *t)
{
	arena_release(&t->arena);
	*t = (struct conf_tree){0};
}

/* ---- messages */

void conf_node_write_path(struct buf *b, const struct conf_node *n)
{
	const struct conf_node *chain[CONF_DEPTH_MAX + 2];
	size_t count = 0;
	for (; n && n->parent && count < ARRAY_LEN(chain); n = n->parent)
		chain[count++] = n;
	while (count > 0) {
		const struct conf_node *at = chain[--count];
		if (at->parent->kind == CONF_LIST) {
			buf_printf(b, "[%u]", (unsigned)at->index);
			continue;
		}
		if (b->len > 0)
			buf_char(b, '.');
		buf_str(b, at->key);
	}
}

static void say(struct conf_report *r, bool warning, const struct conf_place *at,
		const struct conf_node *path, const char *key, const char *what)
{
	char text[512];
	struct buf b;
	buf_init(&b, text, sizeof(text));
	conf_node_write_path(&b, path);
	if (key && b.len > 0)
		buf_char(&b, '.');
	if (key)
		buf_z(&b, key);
	conf_report_add(r, warning, at, (struct str){text, b.len}, str_from(what));
}

#define FORMAT(out, fmt)                                                                           \
	do {                                                                                       \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		(void)vsnprintf(out, sizeof(out), fmt, ap);                                        \
		va_end(ap);                                                                        \
	} while (0)

void conf_error(struct conf_report *r, const struct conf_node *n, const char *fmt, ...)
{
	char what[2048];
	FORMAT(what, fmt);
	say(r, false, &n->place, n, NULL, what);
}

void conf_error_key(struct conf_report *r, const struct conf_node *n, const char *fmt, ...)
{
	char what[2048];
	FORMAT(what, fmt);
	say(r, false, n->key.len > 0 ? &n->key_place : &n->place, n, NULL, what);
}

void conf_error_missing(struct conf_report *r, const struct conf_node *map, const char *key,
			const char *fmt, ...)
{
	char what[2048];
	FORMAT(what, fmt);
	say(r, false, &map->place, map, key, what);
}

void conf_warn(struct conf_report *r, const struct conf_node *n, const char *fmt, ...)
{
	char what[2048];
	FORMAT(what, fmt);
	say(r, true, &n->place, n, NULL, what);
}

/* ---- walking */

struct conf_node *conf_node_child(const struct conf_node *map, const char *key)
{
	if (!map || map->kind != CONF_MAP)
		return NULL;
	struct str want = str_from(key);
	for (struct conf_node *n = map->first; n; n = n->next)
		if (str_eq(n->key, want))
			return n;
	return NULL;
}

const struct conf_node *conf_node_at(const struct conf_node *n, const char *path)
{
	struct str rest = str_from(path), piece;
	while (str_cut(&rest, '.', &piece)) {
		char key[64];
		if (str_copy(piece, key, sizeof(key)) != OK)
			break;
		const struct conf_node *child = conf_node_child(n, key);
		if (!child)
			break;
		n = child;
	}
	return n;
}

/* ---- building */

static struct conf_place place_of(const struct reading *g, const yaml_mark_t *m)
{
	return (struct conf_place){g->file, (uint32_t)m->line + 1, (uint32_t)m->column + 1};
}

static void fail_at(struct reading *g, struct conf_place at, const char *what)
{
	conf_report_add(g->report, false, &at, STR_NONE, str_from(what));
}

static void add_child(struct conf_node *parent, struct conf_node *n)
{
	n->parent = parent;
	n->next = NULL;
	if (parent->kind == CONF_LIST)
		n->index = (uint32_t)parent->count;
	if (parent->last)
		parent->last->next = n;
	else
		parent->first = n;
	parent->last = n;
	parent->count++;
}

static void out_of_memory(struct reading *g, struct conf_place at)
{
	if (!g->failed)
		fail_at(g, at, "the configuration is larger than this program accepts");
	g->failed = true;
}

/* Hangs a finished or opening node where the position says; false when there is no place for it. */
static void attach(struct reading *g, struct conf_node *n)
{
	if (g->depth == 0) {
		g->root = n;
		return;
	}
	struct level *l = &g->levels[g->depth - 1];
	n->parent = l->node;
	if (l->node->kind == CONF_MAP) {
		n->key = l->key;
		n->key_place = l->key_place;
		bool skip = l->skip;
		l->has_key = l->skip = false;
		if (skip)
			return;
		for (const struct conf_node *old = l->node->first; old; old = old->next) {
			if (!str_eq(old->key, n->key))
				continue;
			conf_error_key(g->report, n, "given twice; first at line %u, column %u",
				       (unsigned)old->key_place.line,
				       (unsigned)old->key_place.column);
			return;
		}
	}
	add_child(l->node, n);
}

static struct conf_node *new_node(struct reading *g, enum conf_kind kind, struct conf_place at)
{
	struct conf_node *n = arena_zalloc(&g->tree->arena, sizeof(*n));
	if (!n) {
		out_of_memory(g, at);
		return NULL;
	}
	n->kind = kind;
	n->place = at;
	return n;
}

static bool wants_key(const struct reading *g)
{
	const struct level *l = g->depth > 0 ? &g->levels[g->depth - 1] : NULL;
	return l && l->node->kind == CONF_MAP && !l->has_key;
}

static void take_key(struct reading *g, struct str text, struct conf_place at, bool good)
{
	struct level *l = &g->levels[g->depth - 1];
	l->has_key = true;
	l->skip = !good;
	l->key_place = at;
	l->key = arena_str(&g->tree->arena, text);
	if (text.len > 0 && l->key.len == 0)
		out_of_memory(g, at);
}

/* Says what is wrong with an anchor or a tag; the tag of a scalar goes to *tag. False: the value is useless. */
static bool check_marks(struct reading *g, struct conf_place at, const yaml_char_t *anchor,
			const yaml_char_t *tag, bool scalar, enum conf_tag *out)
{
	if (anchor)
		fail_at(g, at, "anchors are not allowed: write the value where it is used");
	*out = CONF_TAG_NONE;
	if (!tag)
		return true;
	const char *z = (const char *)tag;
	if (scalar && strcmp(z, "!credential") == 0)
		*out = CONF_TAG_CREDENTIAL;
	else if (scalar && strcmp(z, "!file") == 0)
		*out = CONF_TAG_FILE;
	else if (scalar && strcmp(z, "!env") == 0)
		*out = CONF_TAG_ENV;
	if (*out != CONF_TAG_NONE)
		return true;
	char what[200];
	(void)snprintf(what, sizeof(what),
		       "unknown tag \"%.60s\"; allowed, on single values: "
		       "!credential NAME, !file PATH, !env NAME",
		       z);
	fail_at(g, at, what);
	return false;
}

static void on_scalar(struct reading *g, const yaml_event_t *ev)
{
	struct conf_place at = place_of(g, &ev->start_mark);
	struct str text = {(const char *)ev->data.scalar.value, ev->data.scalar.length};
	enum conf_tag tag;
	bool good = check_marks(g, at, ev->data.scalar.anchor, ev->data.scalar.tag, true, &tag);
	if (wants_key(g)) {
		if (good && tag != CONF_TAG_NONE)
			fail_at(g, at, "a key cannot have a tag");
		if (text.len == 0)
			fail_at(g, at, "a key cannot be empty");
		take_key(g, text, at, good && tag == CONF_TAG_NONE && text.len > 0);
		return;
	}
	if (text.len > 0 && memchr(text.p, 0, text.len)) {
		fail_at(g, at, "a value cannot hold a NUL byte");
		good = false;
	}
	struct conf_node *n = new_node(g, good ? CONF_SCALAR : CONF_BROKEN, at);
	if (!n)
		return;
	n->tag = tag;
	n->text = arena_str(&g->tree->arena, text);
	if (text.len > 0 && n->text.len == 0)
		out_of_memory(g, at);
	attach(g, n);
}

static void on_alias(struct reading *g, const yaml_event_t *ev)
{
	struct conf_place at = place_of(g, &ev->start_mark);
	fail_at(g, at, "aliases are not allowed: write the value where it is used");
	if (wants_key(g)) {
		take_key(g, STR("*"), at, false);
		return;
	}
	struct conf_node *n = new_node(g, CONF_BROKEN, at);
	if (n)
		attach(g, n);
}

static void on_open(struct reading *g, enum conf_kind kind, const yaml_event_t *ev,
		    const yaml_char_t *anchor, const yaml_char_t *tag)
{
	struct conf_place at = place_of(g, &ev->start_mark);
	enum conf_tag unused;
	(void)check_marks(g, at, anchor, tag, false, &unused);
	if (g->depth == CONF_DEPTH_MAX) {
		fail_at(g, at, "nested too deeply; allowed: 16 levels");
		g->failed = true;
		return;
	}
	if (wants_key(g)) {
		fail_at(g, at, "a key must be a single word, not a list or a map");
		g->failed = true;
		return;
	}
	struct conf_node *n = new_node(g, kind, at);
	if (!n)
		return;
	attach(g, n);
	g->levels[g->depth++] = (struct level){.node = n};
}

/* libyaml counts bytes, not lines, where its reader meets bytes that are no UTF-8. */
static struct conf_place place_of_offset(const struct reading *g, struct str text, size_t offset)
{
	struct conf_place at = {g->file, 1, 1};
	for (size_t i = 0; i < offset && i < text.len; i++) {
		at.column++;
		if (text.p[i] == '\n') {
			at.line++;
			at.column = 1;
		}
	}
	return at;
}

static void on_syntax(struct reading *g, const yaml_parser_t *p, struct str text)
{
	char what[300];
	struct conf_place at = place_of(g, &p->problem_mark);
	if (p->error == YAML_READER_ERROR) {
		at = place_of_offset(g, text, p->problem_offset);
		(void)snprintf(what, sizeof(what), "not UTF-8 text: %s", p->problem);
	} else if (p->context && p->context_mark.line != p->problem_mark.line) {
		(void)snprintf(what, sizeof(what), "not YAML: %s, %s that began at line %u",
			       p->problem, p->context, (unsigned)p->context_mark.line + 1);
	} else {
		(void)snprintf(what, sizeof(what), "not YAML: %s",
			       p->problem ? p->problem : "unreadable");
	}
	fail_at(g, at, what);
	g->failed = true;
}

/* True when the text has ended. */
static bool on_event(struct reading *g, const yaml_event_t *ev, size_t *documents)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++*documents > 1) {
			fail_at(g, place_of(g, &ev->start_mark),
				"a second document: one file holds one configuration");
			return true;
		}
		return false;
	case YAML_SCALAR_EVENT: on_scalar(g, ev); return false;
	case YAML_ALIAS_EVENT: on_alias(g, ev); return false;
	case YAML_SEQUENCE_START_EVENT:
		on_open(g, CONF_LIST, ev, ev->data.sequence_start.anchor,
			ev->data.sequence_start.tag);
		return false;
	case YAML_MAPPING_START_EVENT:
		on_open(g, CONF_MAP, ev, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
		return false;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: g->depth--; return false;
	case YAML_STREAM_END_EVENT: return true;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT: return false;
	}
	return false;
}

/* The root map of one text, or NULL after saying why. */
static struct conf_node *build(struct conf_tree *t, struct conf_report *r,
			       const struct conf_file *file, struct str text)
{
	struct reading g = {.tree = t, .report = r, .file = file};
	yaml_parser_t p;
	if (!yaml_parser_initialize(&p)) {
		out_of_memory(&g, (struct conf_place){file, 1, 1});
		return NULL;
	}
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)(text.p ? text.p : ""), text.len);
	size_t documents = 0;
	for (bool done = false; !done && !g.failed;) {
		yaml_event_t ev;
		if (!yaml_parser_parse(&p, &ev)) {
			on_syntax(&g, &p, text);
			break;
		}
		done = on_event(&g, &ev, &documents);
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&p);
	if (g.failed)
		return NULL;
	if (!g.root || (g.root->kind == CONF_SCALAR && g.root->text.len == 0)) {
		fail_at(&g, (struct conf_place){file, 1, 1},
			"empty: a configuration is a map of sections");
		return NULL;
	}
	if (g.root->kind != CONF_MAP) {
		if (g.root->kind != CONF_BROKEN)
			fail_at(&g, g.root->place, "a configuration is a map of sections");
		return NULL;
	}
	return g.root;
}

static const struct conf_file *add_file(struct conf_tree *t, struct str path)
{
	if (t->file_count == CONF_FILES_MAX)
		return NULL;
	struct conf_file *f = arena_zalloc(&t->arena, sizeof(*f));
	if (!f)
		return NULL;
	f->path = arena_str(&t->arena, path);
	f->index = (uint32_t)t->file_count;
	t->files[t->file_count++] = f;
	return f;
}

void conf_tree_read_text(struct conf_tree *t, struct conf_report *r, struct str name,
			 struct str text)
{
	const struct conf_file *f = add_file(t, name);
	if (f)
		t->root = build(t, r, f, text);
}

/* ---- files and includes */

struct include_chain {
	const struct include_chain *up;
	const char *real; /* canonical path */
	size_t depth;
};

/* The file's text in the tree's arena. NULL and *why otherwise. */
static const char *slurp(struct conf_tree *t, const char *path, struct str *out, char *why,
			 size_t why_cap)
{
	FILE *f = fopen(path, "rbe");
	struct stat st;
	if (!f || fstat(fileno(f), &st) != 0) {
		(void)snprintf(why, why_cap, "cannot be read: %s", strerror(errno));
		if (f)
			(void)fclose(f);
		return NULL;
	}
	const char *problem = NULL;
	char *text = NULL;
	size_t n = 0;
	if (S_ISDIR(st.st_mode))
		problem = "cannot be read: it is a directory";
	else if (!(text = arena_alloc(&t->arena, CONF_FILE_BYTES_MAX + 1)))
		problem = "the configuration is larger than this program accepts";
	else if ((n = fread(text, 1, CONF_FILE_BYTES_MAX + 1, f)) > CONF_FILE_BYTES_MAX)
		problem = "larger than 1 MiB";
	else if (ferror(f))
		problem = "cannot be read to its end";
	(void)fclose(f);
	if (problem) {
		(void)snprintf(why, why_cap, "%s", problem);
		return NULL;
	}
	t->arena.used -=
		CONF_FILE_BYTES_MAX + 1 - n; /* the last allocation shrinks to its content */
	*out = (struct str){text, n};
	return text;
}

/* The sections of an included file go into the including tree; what is in both is a mistake that cites both. */
static void merge(struct conf_report *r, struct conf_node *into, struct conf_node *from, bool top)
{
	for (struct conf_node *n = from->first, *next; n; n = next) {
		next = n->next;
		char key[128];
		if (str_copy(n->key, key, sizeof(key)) != OK)
			continue;
		struct conf_node *old = conf_node_child(into, key);
		if (!old) {
			add_child(into, n);
		} else if (top && str_eq(n->key, STR("version"))) {
			if (old->kind == CONF_SCALAR && n->kind == CONF_SCALAR &&
			    !str_eq(old->text, n->text))
				conf_error(r, n, "other version than %.*s:%u",
					   STR_ARG(old->place.file->path),
					   (unsigned)old->place.line);
		} else if (top && str_eq(n->key, STR("include"))) {
			continue; /* followed already */
		} else if (top && old->kind == CONF_MAP && n->kind == CONF_MAP) {
			merge(r, old, n, false);
		} else if (top && old->kind == CONF_LIST && n->kind == CONF_LIST) {
			for (struct conf_node *item = n->first, *after; item; item = after) {
				after = item->next;
				add_child(old, item);
			}
		} else {
			conf_error_key(r, n, "defined twice; first at %.*s:%u:%u",
				       STR_ARG(old->key_place.file->path),
				       (unsigned)old->key_place.line,
				       (unsigned)old->key_place.column);
		}
	}
}

static struct conf_node *read_file(struct conf_tree *t, struct conf_report *r, const char *path,
				   const struct conf_node *named, const struct include_chain *up);

static void include_one(struct conf_tree *t, struct conf_report *r, struct conf_node *root,
			const struct conf_node *named, const char *path,
			const struct include_chain *chain)
{
	struct conf_node *other = read_file(t, r, path, named, chain);
	if (other)
		merge(r, root, other, true);
}

static void include_pattern(struct conf_tree *t, struct conf_report *r, struct conf_node *root,
			    const struct conf_node *named, const struct include_chain *chain)
{
	char pattern[PATH_MAX];
	struct str text = named->text, file = named->place.file->path;
	size_t dir = file.len;
	while (dir > 0 && file.p[dir - 1] != '/')
		dir--;
	if (text.len == 0 || named->tag != CONF_TAG_NONE) {
		conf_error(r, named, "the path of a file, * and ? allowed, is expected");
		return;
	}
	if (text.p[0] == '/')
		dir = 0;
	if (snprintf(pattern, sizeof(pattern), "%.*s%.*s", (int)dir, file.p, STR_ARG(text)) >=
	    (int)sizeof(pattern)) {
		conf_error(r, named, "path too long");
		return;
	}
	glob_t g;
	int rc = glob(pattern, 0, NULL, &g);
	if (rc == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			include_one(t, r, root, named, g.gl_pathv[i], chain);
	else if (rc == GLOB_NOMATCH && !strpbrk(pattern, "*?["))
		conf_error(r, named, "no such file: %s", pattern);
	else if (rc != GLOB_NOMATCH)
		conf_error(r, named, "cannot be searched: %s", pattern);
	if (rc == 0)
		globfree(&g);
}

static void follow_includes(struct conf_tree *t, struct conf_report *r, struct conf_node *root,
			    const struct include_chain *chain)
{
	struct conf_node *inc = conf_node_child(root, "include");
	if (!inc || inc->kind == CONF_BROKEN)
		return;
	if (inc->kind == CONF_SCALAR) {
		include_pattern(t, r, root, inc, chain);
		return;
	}
	if (inc->kind == CONF_MAP) {
		conf_error(r, inc, "a list of file names is expected, such as [conf.d/*.yaml]");
		return;
	}
	for (const struct conf_node *n = inc->first; n; n = n->next) {
		if (n->kind == CONF_SCALAR)
			include_pattern(t, r, root, n, chain);
		else if (n->kind != CONF_BROKEN)
			conf_error(r, n, "the path of a file, * and ? allowed, is expected");
	}
}

/* Where to speak of a file that cannot be had: where it is named, or at its own beginning. */
static void refuse_file(struct conf_report *r, const struct conf_file *f,
			const struct conf_node *named, const char *path, const char *why)
{
	if (named)
		conf_error(r, named, "%s: %s", path, why);
	else
		conf_report_add(r, false, &(struct conf_place){f, 1, 1}, STR_NONE, str_from(why));
}

static struct conf_node *read_file(struct conf_tree *t, struct conf_report *r, const char *path,
				   const struct conf_node *named, const struct include_chain *up)
{
	char real[PATH_MAX], why[200];
	struct include_chain here = {up, real, up ? up->depth + 1 : 0};
	if (!realpath(path, real))
		(void)snprintf(real, sizeof(real), "%s", path);
	for (const struct include_chain *c = up; c; c = c->up) {
		if (strcmp(c->real, real) == 0) {
			conf_error(r, named, "%s includes itself, by way of this file", path);
			return NULL;
		}
	}
	if (here.depth > CONF_INCLUDE_DEPTH_MAX) {
		conf_error(r, named, "included too deeply; allowed: 8 files in a chain");
		return NULL;
	}
	const struct conf_file *f = add_file(t, str_from(path));
	if (!f) {
		if (named)
			conf_error(r, named, "too many files; allowed: 256");
		return NULL;
	}
	struct str text;
	if (!slurp(t, path, &text, why, sizeof(why))) {
		refuse_file(r, f, named, path, why);
		t->incomplete = true;
		return NULL;
	}
	struct conf_node *root = build(t, r, f, text);
	if (root)
		follow_includes(t, r, root, &here);
	else
		t->incomplete = true;
	return root;
}

void conf_tree_read(struct conf_tree *t, struct conf_report *r, const char *path)
{
	t->root = read_file(t, r, path, NULL, NULL);
}
