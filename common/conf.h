/*
 * Tables that say what a configuration may hold, and the one reader of such tables: tree → struct,
 * every mistake in one run (style §9). Parser, checker and docs/settings.md come from the same rows.
 *
 * A struct that a section fills begins with a struct conf_head. Lists and named maps become a struct
 * conf_list whose items lie one after another.
 */
#ifndef SALLYPORT_CONF_H
#define SALLYPORT_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "arena.h"
#include "conf_report.h"
#include "conf_tree.h"
#include "str.h"

enum conf_type {
	CONF_BOOL,
	CONF_INT, /* unsigned, of the member's size; `words` may name values: word i is stored as i */
	CONF_DURATION, /* milliseconds; 250ms, 30s, 10m, 4h, 7d */
	CONF_SIZE,     /* bytes; 64k, 10M */
	CONF_RATE,     /* struct conf_rate; 40/s, 30/10m */
	CONF_ENUM,     /* one of `words`, stored as its position */
	CONF_STRING,
	CONF_ADDRESS,      /* struct addr, port 0 */
	CONF_ADDRESS_PORT, /* struct addr */
	CONF_PREFIX,       /* struct prefix */
	CONF_PORTS,        /* struct conf_ports; 20000-39999 */
	CONF_URI,          /* struct str; its scheme is one of `words` */
	CONF_REGEX,        /* struct str; `check` compiles it */
	CONF_PATH,         /* struct str; of a file, seen from the one that it is written in */
	CONF_SOURCE,       /* struct conf_source: a path, or a value that stands elsewhere */
	CONF_SECTION,      /* a map with the keys of `sub`, embedded */
	CONF_LIST_OF,      /* struct conf_list of `item` */
	CONF_NAMED, /* struct conf_list of `sub`: the keys are names of the writer's choice */
	CONF_ANY,   /* known, and not ours to read */
	CONF_TYPE_COUNT
};

enum {
	CONF_REQUIRED = 1, /* an error when left out */
	CONF_RESTART = 2   /* a change needs a restart; all else takes effect at reload */
};

enum { CONF_NAME_MAX = 64 };

/* First in every struct that a section fills. `node` is NULL for a section that was not written. */
struct conf_head {
	struct str name; /* of an item of a named map */
	const struct conf_node *node;
};

struct conf_list {
	void *items;
	size_t count;
	const struct conf_node *node; /* NULL: not written, these are the defaults */
};

/* An item of a named map of lists (CONF_NAMED with item CONF_LIST_OF): `sub` is of the lists' items. */
struct conf_named_list {
	struct conf_head head;
	struct conf_list list;
};

struct conf_rate {
	uint32_t count;
	uint32_t per_ms;
};

struct conf_ports {
	uint16_t min, max;
};

struct conf_source {
	struct str path;  /* read it from there */
	struct str value; /* or it is this, from the environment */
};

struct conf_section;

struct conf_setting {
	const char *name;
	enum conf_type type;
	enum conf_type item;            /* CONF_LIST_OF */
	const struct conf_section *sub; /* CONF_SECTION, CONF_NAMED, lists of CONF_SECTION */
	const char *const *words;       /* NULL-terminated */
	uint64_t min, max; /* value, milliseconds, bytes, letters or items; max 0: no such limit */
	const char *def;   /* as it would be written; lists with commas */
	const char
		*otherwise; /* for the docs: what holds when it is left out and no text says it */
	const char *unit;
	unsigned flags;
	size_t offset, size; /* CONF_AT */
	/* Called with the value as stored, after its type was found right. */
	void (*check)(struct conf_report *r, const struct conf_node *n, const void *value);
	const char *help;
};

struct conf_section {
	const char *name; /* of the section in the docs */
	const char *help;
	const struct conf_setting *settings;
	size_t count;
	size_t size;  /* of the struct that it fills */
	bool partial; /* keys that are not here are for another reader: they are left alone */
};

#define CONF_AT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

struct conf_fill {
	struct arena *arena; /* texts that are not in the tree, and items */
	struct conf_report *report;
	bool incomplete; /* say nothing of what is missing at the top */
};

/*
 * Reads a map by its table into *out, which is zeroed first; defaults fill what is left out. What is
 * wrong goes to the report, leaves its default or zero, and its node becomes CONF_BROKEN. `map` may be NULL: all defaults.
 */
void conf_fill(struct conf_fill *f, const struct conf_section *s, struct conf_node *map, void *out);
/* The item of a named map, or NULL. *out_index: its position. */
const struct conf_head *conf_named(const struct conf_list *l, size_t item_size, struct str name,
				   size_t *out_index);
/* The node of item i of a list, or the list's own, or `other` when it was not written. */
const struct conf_node *conf_item_node(const struct conf_list *l, size_t i,
				       const struct conf_node *other);
/* The tables as a page of Markdown. */
void conf_write_docs(struct buf *b, const struct conf_section *root);

/* One value by its unit, whole text. ERR_BAD. */
enum err conf_read_duration(struct str s, uint64_t *out_ms) MUST_USE;
enum err conf_read_size(struct str s, uint64_t *out) MUST_USE;
enum err conf_read_rate(struct str s, struct conf_rate *out) MUST_USE;
enum err conf_read_ports(struct str s, struct conf_ports *out) MUST_USE;
/* "4h", "90s", "250ms": the largest unit that says it exactly. */
void conf_write_duration(struct buf *b, uint64_t ms);

#endif
