/*
 * The tables of the file's sections, each with the sections inside it, and what they share. The one that holds
 * them all is config_section (config_tables.h).
 */
#ifndef SALLYPORT_CONFIG_SECTIONS_H
#define SALLYPORT_CONFIG_SECTIONS_H

#include "common/conf.h"

/* The settings of a section, and their number. */
#define ROWS(s) .settings = (s), .count = ARRAY_LEN(s)

/* config_tables_realm.c */
extern const struct conf_section config_realm_section, config_media_policy_section,
	config_admission_section;
/* config_tables_trunk.c */
extern const struct conf_section config_trunk_section;
/* config_tables_identity.c */
extern const struct conf_section config_identity_section, config_trunk_identity_section,
	config_users_identity_section;
/* config_tables_users.c */
extern const struct conf_section config_users_section;
/* config_tables_rules.c */
extern const struct conf_section config_number_rule_section, config_header_rules_section;
/* config_tables_bans.c */
extern const struct conf_section config_bans_section;
/* config_tables_route.c */
extern const struct conf_section config_route_section;
/* config_tables_limits.c */
extern const struct conf_section config_limits_section, config_timers_section;

/* config_tables_store.c */
extern const struct conf_section config_store_section;
/* config_tables_opinion.c */
extern const struct conf_section config_opinion_section;
/* config_tables_geo.c */
extern const struct conf_section config_geo_section;
/* config_tables_fraud.c */
extern const struct conf_section config_fraud_section;

/* Words of enum trust. */
extern const char *const config_trust_words[];
/* Words of `methods`; config_methods has a bit for each. */
extern const char *const config_method_words[];

#endif
