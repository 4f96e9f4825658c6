/*
 * The tree of values of NG: whole numbers, strings, lists, dictionaries. Nodes live in an arena,
 * strings are views: the tree lives as long as both the arena and the message. Building never
 * fails aloud: look at `arena.failed` once, at the end.
 */
#ifndef SALLYPORT_DICT_H
#define SALLYPORT_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "str.h"

enum dict_type { DICT_INT, DICT_STR, DICT_LIST, DICT_DICT, DICT_TYPE_COUNT };

/* One value, and its place among its parent's. */
struct dict {
	enum dict_type type;
	uint32_t count; /* of members (LIST, DICT) */
	union {
		int64_t number;  /* INT */
		struct str text; /* STR */
		struct {
			struct dict *first, *last; /* LIST, DICT: in the order they came */
		};
	};
	struct str key; /* in a DICT */
	struct dict *next;
};

/* An empty list or dictionary, the root of a tree. NULL when the arena is full. */
struct dict *dict_new(struct arena *a, enum dict_type type);
/*
 * Appends a member and returns it. `key` counts in a dictionary only (STR_NONE in a list); text is
 * not copied. With parent NULL, or the arena full: NULL, and arena.failed is set.
 */
struct dict *dict_add_int(struct arena *a, struct dict *parent, struct str key, int64_t v);
struct dict *dict_add_str(struct arena *a, struct dict *parent, struct str key, struct str v);
struct dict *dict_add_list(struct arena *a, struct dict *parent, struct str key);
struct dict *dict_add_dict(struct arena *a, struct dict *parent, struct str key);

/* Takes the members of that key out of a dictionary. */
void dict_del(struct dict *parent, struct str key);

/* In keys and flags space and hyphen are the same: "transport protocol", "transport-protocol". */
bool dict_key_eq(struct str a, struct str b);
/* The member of that key; of repeated ones the last. NULL: none, or d is NULL or no dictionary. */
const struct dict *dict_get(const struct dict *d, struct str key);
/* STR_NONE: no such member, or not a string. */
struct str dict_get_str(const struct dict *d, struct str key);
/* A number, or a string that is one; else `otherwise`. */
int64_t dict_get_int(const struct dict *d, struct str key, int64_t otherwise);
bool dict_to_int(const struct dict *v, int64_t *out);
/* d NULL or without members: no round. */
#define dict_each(it, d) for (const struct dict *it = dict_first(d); it != NULL; it = it->next)
const struct dict *dict_first(const struct dict *d);

/* Walks the words of a value that may be a list of strings or one string with commas between. */
struct dict_words {
	const struct dict *at;
	struct str rest;
};
/* `v` may be NULL: no words. */
struct dict_words dict_words(const struct dict *v);
bool dict_words_next(struct dict_words *w, struct str *out_word);
/* Is `word` among the words of member `key`? Compared as keys are. */
bool dict_has_word(const struct dict *d, struct str key, struct str word);

#endif
