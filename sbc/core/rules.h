/*
 * Which headers of a message cross from one realm to another, and how they are changed on the way (design §6).
 *
 * A header crosses only by name. Of the two realms each that has header_rules must name it in `carry`; a realm without
 * header_rules has no opinion; when neither has any, the default list applies. Before this filter the inbound
 * edits of the realm of arrival, after it the outbound edits of the realm of departure, each in their order; `set` puts
 * a header in the place of those of its name, and where one of its variables is empty it only removes. Of Reason and Retry-After only
 * what machines read crosses: their texts and comments name hosts and products; of Referred-By the number. What belongs to one leg (Via, routes, dialog, credentials, product names, …)
 * never crosses, whatever a list says; nor may an edit set what we write ourselves. What says who somebody is
 * (P-Asserted-Identity, Diversion, Session-ID, …) is never copied: `made` brings what may cross, and lists and edits rule
 * over that.
 */
#ifndef SALLYPORT_RULES_H
#define SALLYPORT_RULES_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "sbc/core/msg.h"
#include "sbc/core/settings.h"

/* A header of our own making; views. */
struct rules_line {
	struct str name, value;
	bool named; /* a setting of the trunk asks for it: it need not stand in `carry` */
};

struct rules_params {
	const struct settings *settings;
	uint16_t from_realm, to_realm;     /* SETTINGS_NO_INDEX: we make the message ourselves */
	struct str from_number, to_number; /* for ${call.from.number}, ${call.to.number} */
	const struct trunk *from, *to;     /* NULL: none; for `when: {trunk}` */
	struct str call;                   /* for ${call.id} */
	const struct rules_line *made;
	size_t made_count;
	bool hidden; /* who sends it wants to be nobody: what else would name them stays behind (RFC 3323 §4.1) */
	bool dated; /* `made` has a Date: that of the message stays behind */
	bool body; /* the body crosses as it is: so do Content-Disposition, -Encoding, -Language, MIME-Version */
};

/* Appends the lines that cross. m may be NULL: outbound `set` edits only. ERR_LIMIT: lines is full. */
enum err rules_carry(struct buf *lines, const struct msg *m, const struct rules_params *p) MUST_USE;
/* Do the lists of both realms let a header of that name cross? */
bool rules_lets(const struct rules_params *p, struct str header);
/* May a configuration name this header in `carry` (set: false) or `set` it? For the checker. */
bool rules_may_name(struct str header, bool set);
/* Is it one of those that only `made` brings? */
bool rules_is_identity(struct str header);
/* ${node.name}, ${call.from.number}, ${call.to.number}, ${call.id}, ${header.NAME}. Are all ${…} of a value known? For the checker: the first unknown one, or STR_NONE. */
struct str rules_unknown_variable(struct str value);

#endif
