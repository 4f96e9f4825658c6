#include "sbc/config_sections.h"

#include "policy/geo_rule.h"
#include "sbc/config_tables.h"

static void check_country(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value, meant = country_meant(s);
	if (country_is_known(s) || str_eq(s, STR("unknown")))
		return;
	conf_error(r, n,
		   "\"%.*s\" is no country; %s%.*s%stwo letters of ISO 3166, as DE, or unknown",
		   STR_ARG(s), meant.len > 0 ? "did you mean \"" : "", STR_ARG(meant),
		   meant.len > 0 ? "\"? Needed: " : "needed: ");
}

static void check_asn(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	uint64_t v;
	if (str_eq(s, STR("unknown")) || (str_to_u64(s, UINT32_MAX, &v) == OK && v > 0))
		return;
	conf_error(
		r, n,
		"\"%.*s\" is not allowed here; allowed: the number of an autonomous system, 1 to "
		"4294967295 without \"AS\", or unknown",
		STR_ARG(s));
}

static const struct conf_setting when_settings[] = {
	{.name = "realm",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_geo_when, realm),
	 .min = 1,
	 .max = GEO_REALMS_MAX,
	 .otherwise = "any realm",
	 .help = "Names of realms that the request arrives on."},
	{.name = "trunk",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_geo_when, trunk),
	 .min = 1,
	 .max = GEO_TRUNKS_MAX,
	 .otherwise = "any trunk, and strangers",
	 .help = "Names of trunks or groups of users whose request it is. Such a rule is asked "
		 "when "
		 "that is known; until then nothing behind it decides either."},
	{.name = "country",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_geo_when, country),
	 .min = 1,
	 .max = 256,
	 .check = check_country,
	 .otherwise = "any country",
	 .help = "The source is in one of these: two letters of ISO 3166, or unknown."},
	{.name = "country_not",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_geo_when, country_not),
	 .min = 1,
	 .max = 256,
	 .check = check_country,
	 .otherwise = "none",
	 .help = "The source is in none of these. One whose country is not known is in none of "
		 "them, unless unknown is listed."},
	{.name = "asn",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_geo_when, asn),
	 .min = 1,
	 .max = GEO_LIST_MAX,
	 .check = check_asn,
	 .otherwise = "any",
	 .help = "The source belongs to one of these autonomous systems: numbers, or unknown."},
	{.name = "asn_not",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_geo_when, asn_not),
	 .min = 1,
	 .max = GEO_LIST_MAX,
	 .check = check_asn,
	 .otherwise = "none",
	 .help = "The source belongs to none of these."},
};
static const struct conf_section when_section = {.help = "All that is given must hold.",
						 ROWS(when_settings),
						 .size = sizeof(struct raw_geo_when)};

static const struct conf_setting rule_settings[] = {
	{.name = "name",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_geo_rule, name),
	 .max = CONF_NAME_MAX,
	 .otherwise = "geo-1, geo-2, …",
	 .help = "For logs, CDRs and metrics."},
	{.name = "when",
	 .type = CONF_SECTION,
	 .sub = &when_section,
	 CONF_AT(struct raw_geo_rule, when),
	 .otherwise = "always"},
	{.name = "action",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_geo_rule, action),
	 .words = (const char *const[]){"accept", "reject", "drop", NULL},
	 .flags = CONF_REQUIRED,
	 .help = "accept: no further rule is asked; reject: an answer; drop: silence."},
	{.name = "status",
	 .type = CONF_INT,
	 CONF_AT(struct raw_geo_rule, status),
	 .min = 400,
	 .max = 699,
	 .def = "403",
	 .help = "What reject answers."},
};
_Static_assert(GEO_ACCEPT == 0 && GEO_REJECT == 1 && GEO_DROP == 2,
	       "the words of action stand in the order of enum geo_action");
static const struct conf_section rule_section = {
	.help = "The first that matches decides; if none does, the request goes on. Responses, and "
		"requests in dialogs that are there, are not asked about; nor are emergency calls.",
	ROWS(rule_settings),
	.size = sizeof(struct raw_geo_rule)};

static const struct conf_setting geo_settings[] = {
	{.name = "country",
	 .type = CONF_PATH,
	 CONF_AT(struct raw_geo, country),
	 .otherwise = "every country is unknown",
	 .help = "Database of countries (MaxMind DB: GeoLite2-Country, GeoIP2-Country, DB-IP). "
		 "Watched; a file that is missing or broken is an alarm, and the one before it "
		 "stays "
		 "in use."},
	{.name = "asn",
	 .type = CONF_PATH,
	 CONF_AT(struct raw_geo, asn),
	 .otherwise = "every system is unknown",
	 .help = "Database of autonomous systems (GeoLite2-ASN and its like), likewise."},
	{.name = "rules",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &rule_section,
	 CONF_AT(struct raw_geo, rules),
	 .max = 1024},
};
const struct conf_section config_geo_section = {
	.help = "Where a source is, and whether it may speak from there (docs/geography.md).",
	ROWS(geo_settings),
	.size = sizeof(struct raw_geo)};
