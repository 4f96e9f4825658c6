/*
 * YAML text → a tree with positions, without meaning (style §9, first of three steps). What YAML
 * offers and a configuration does not need is refused: anchors, aliases, second documents, keys given twice.
 */
#ifndef SALLYPORT_CONF_TREE_H
#define SALLYPORT_CONF_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "buf.h"
#include "conf_report.h"
#include "str.h"

enum {
	CONF_DEPTH_MAX = 16,
	CONF_FILE_BYTES_MAX = 1024 * 1024,
	CONF_FILES_MAX = 256,
	CONF_INCLUDE_DEPTH_MAX = 8,
	CONF_TREE_BYTES = 32 * 1024 * 1024 /* address space; only what is used is ever touched */
};

enum conf_kind {
	CONF_SCALAR,
	CONF_LIST,
	CONF_MAP,
	CONF_BROKEN /* reported already: the later steps pass it over in silence */
};

/* Where a value comes from that is not written in the file itself. */
enum conf_tag { CONF_TAG_NONE, CONF_TAG_CREDENTIAL, CONF_TAG_FILE, CONF_TAG_ENV };

struct conf_node {
	enum conf_kind kind;
	enum conf_tag tag;
	struct str text; /* of a scalar */
	struct str key;  /* in a map */
	uint32_t index;  /* in a list */
	struct conf_place place;
	struct conf_place key_place;
	struct conf_node *parent, *first, *last, *next;
	size_t count;
};

/* Owns every node and text, its files too. */
struct conf_tree {
	struct arena arena;
	struct conf_node *root; /* a map; NULL: nothing usable was read */
	bool incomplete;        /* a file could not be read: what is missing may stand there */
	const struct conf_file *files[CONF_FILES_MAX];
	size_t file_count;
};

/* Room for `text_bytes` of text, CONF_TREE_BYTES at most. ERR_NOMEM. */
enum err conf_tree_init_for(struct conf_tree *t, size_t text_bytes) MUST_USE;
/* Room for any configuration. ERR_NOMEM. */
enum err conf_tree_init(struct conf_tree *t) MUST_USE;
void conf_tree_release(struct conf_tree *t);
/* Reads the file and what its `include` names; mistakes go to the report. */
void conf_tree_read(struct conf_tree *t, struct conf_report *r, const char *path);
/* Reads a text under a name; `include` is left as it stands. */
void conf_tree_read_text(struct conf_tree *t, struct conf_report *r, struct str name,
			 struct str text);

/* The child of a map with this key, or NULL; NULL for NULL. */
struct conf_node *conf_node_child(const struct conf_node *map, const char *key);
/* The deepest node that exists along "media.ports" below n: where to point when a part was left out. */
const struct conf_node *conf_node_at(const struct conf_node *n, const char *path);
/* "realms.outside.listen[0].port" */
void conf_node_write_path(struct buf *b, const struct conf_node *n);

/* At the value, at the key, or at the map that lacks a key. */
void conf_error(struct conf_report *r, const struct conf_node *n, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
void conf_error_key(struct conf_report *r, const struct conf_node *n, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
void conf_error_missing(struct conf_report *r, const struct conf_node *map, const char *key,
			const char *fmt, ...) PRINTF_LIKE(4, 5);
void conf_warn(struct conf_report *r, const struct conf_node *n, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
