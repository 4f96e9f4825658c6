/*
 * From what the file says (struct raw_config) to struct settings: names become indexes, defaults that depend on other
 * keys are filled in, and mistakes that show only there are said. Each section is built by a file of its own; the order
 * stands in config.c. Everything lies in the arena; where it is full `full` is set and the rest may be short.
 */
#ifndef SALLYPORT_CONFIG_BUILD_H
#define SALLYPORT_CONFIG_BUILD_H

#include "common/arena.h"
#include "common/conf.h"
#include "policy/hours.h"
#include "policy/sheet.h"
#include "sbc/config_tables.h"
#include "sbc/core/settings.h"

struct config_build {
	struct arena *arena;
	struct conf_report *report;
	const struct raw_config *raw;
	struct settings *s;
	struct media_rule *media; /* with room for the built-in ones */
	struct zone *zones;       /* read so far; with room for what routes may name */
	size_t zone_count;
	bool full;
};

/* Zeroed memory of the arena; NULL and `full` where there is none. */
void *config_get(struct config_build *g, size_t count, size_t size);
/* Where this was written, for the rules of policy. */
struct rule_place config_place(const struct conf_node *n);

/* Says that `name` is none of the named things of `section`. */
void config_refuse_name(struct config_build *g, const struct conf_node *n, struct str name,
			const struct conf_list *known, size_t size, const char *section);
/* The index of a name in a named map; SETTINGS_NO_INDEX when it is empty or, after saying so, unknown. */
uint16_t config_find(struct config_build *g, const struct conf_list *known, size_t size,
		     const char *section, struct str name, const struct conf_node *n);
/* The same for what key `key` of a section names. */
uint16_t config_find_certificate(struct config_build *g, struct str name,
				 const struct conf_head *in, const char *key);
uint16_t config_find_anchor(struct config_build *g, struct str name, const struct conf_head *in,
			    const char *key);

/* Header rules and numbers: config_rules.c */
void config_build_header_rules(struct config_build *g);
void config_build_numbers(struct config_build *g);
struct caller_settings config_build_caller(struct config_build *g, const struct raw_trunk *from);

/* Media policies, realms, listeners: config_realm.c. Listeners need the trunks. */
void config_build_media(struct config_build *g);
void config_build_realms(struct config_build *g);
void config_build_listeners(struct config_build *g);

/* Warns of a `password` that every reader of the file can read. True: it is one. */
bool config_warn_of_password(struct config_build *g, const struct conf_head *h);

/* Signatures of who calls: config_identity.c. Policies before the trunks; what a trunk or group says of them with it. */
void config_build_identity(struct config_build *g);
void config_build_trunk_identity(struct config_build *g, const struct raw_trunk_identity *from,
				 struct trunk *to, struct trunk_rule *rule);

/* Trunks, with the groups of users behind them: config_trunk.c, config_users.c */
void config_build_trunks(struct config_build *g);
void config_build_users(struct config_build *g, struct trunk *trunks, struct trunk_rule *rules);
/* The bits of the words of `methods`. */
uint32_t config_method_bits(const struct conf_list *l);

/*
 * Tables outside of the file: config_sheets.c. Made room for before trunks and routes are built. A file that is named twice is
 * read once; what is wrong with it is said, and the table is empty then. NULL: none is named.
 */
void config_build_sheets(struct config_build *g);
const struct sheet *config_sheet(struct config_build *g, enum sheet_kind kind, struct str path,
				 const struct conf_node *n);
/* Of a list of prefixes those with a plus sign, or those without; NULL: there are none. */
const struct sheet *config_codes(struct config_build *g, const struct conf_list *l, bool plus);
/* NULL: UTC, or after saying so, none that is known. */
const struct zone *config_zone(struct config_build *g, struct str name, const struct conf_node *n);
/* NULL: not written. */
const struct hours *config_hours(struct config_build *g, const struct raw_hours *from);
/* Bans: config_bans.c. Needs the trunks. */
void config_build_bans(struct config_build *g);

/* Routes, with the hidden ones of users behind them: config_route.c, config_users.c */
void config_build_routes(struct config_build *g);
void config_build_user_routes(struct config_build *g, struct route_rule *hidden);

/* What nodes share: config_store.c. Needs certificates and anchors. */
void config_build_store(struct config_build *g);
/* Whose opinion is asked: config_opinion.c */
void config_build_opinion(struct config_build *g);
/* Rules of geography: config_geo.c */
void config_build_geo(struct config_build *g);
/* Rules of fraud, after realms and trunks: config_fraud.c */
void config_build_fraud(struct config_build *g);

#endif
