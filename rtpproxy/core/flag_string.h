/*
 * The one-string form of NG's keys and flags, `rtpp-flags` (ng-protocol §6.9): words and key=value with spaces
 * between, lists "[a b]", dictionaries "[k=v k=[x y]]". It becomes members of the request's dictionary, so that
 * nothing further knows in which form a key came.
 */
#ifndef SALLYPORT_FLAG_STRING_H
#define SALLYPORT_FLAG_STRING_H

#include "common/arena.h"
#include "common/dict.h"

enum { FLAG_STRING_DEPTH_MAX = 6 };

/* Adds to d what its member `rtpp-flags` (or `rtpp_flags`) says; nothing without one. Broken brackets end somewhere. */
void flag_string_expand(struct arena *a, struct dict *d);

#endif
