/*
 * Number rules: how a side writes numbers, and how we do (`numbers` of the configuration). What comes in becomes the
 * canonical number, which routes see; on its way out it becomes what the other side wants.
 */
#ifndef SALLYPORT_NUMBER_H
#define SALLYPORT_NUMBER_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "policy/policy_config.h"

/*
 * Appends what `number` becomes. ERR_NOTFOUND: no rule of that field matches, or r is NULL; it stays as it is, and nothing
 * was written. ERR_LIMIT: what it becomes does not fit. *out_rule (may be NULL): the rule's index, where one did match.
 */
enum err number_apply(const struct number_rules *r, enum number_field field, struct str number,
		      struct buf *b, size_t *out_rule) MUST_USE;
/* The same, with the number as it is where no rule matches; a view into b or the number itself. Too long: as it is. */
struct str number_of(const struct number_rules *r, enum number_field field, struct str number,
		     struct buf *b);
/* Can rule i never match, whatever the number, because of an earlier one? That one's index, or i. For the checker. */
size_t number_hidden_by(const struct number_rules *r, size_t i);

#endif
