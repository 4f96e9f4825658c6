#include "sbc/config_sections.h"

#include "policy/facts.h"
#include "policy/fraud_rule.h"
#include "sbc/config_tables.h"
#include "sbc/config_value.h"

/* In the order of enum fraud_measure, so that a word's index and one is the measure. */
const char *const config_fraud_counts[] = {
#define WORD_count(word) word,
#define WORD_sum(word)
#define X(name, kind, moment, key, word) WORD_##key(word)
	FRAUD_MEASURE_TABLE(X)
#undef X
		NULL};
const char *const config_fraud_sums[] = {
#undef WORD_count
#undef WORD_sum
#define WORD_count(word)
#define WORD_sum(word)                   word,
#define X(name, kind, moment, key, word) WORD_##key(word)
	FRAUD_MEASURE_TABLE(X)
#undef X
		NULL};

static const char *const class_words[] = {
#define X(name, word, what) word,
	DESTINATION_CLASS_TABLE(X)
#undef X
		"domestic",
	"international", "unknown", NULL};
_Static_assert(ARRAY_LEN(class_words) == FRAUD_CLASS_COUNT + 1, "a word for each class");

static const char *const subject_words[] = {
#define X(name, word) word,
	SUBJECT_TABLE(X)
#undef X
		NULL};

static const char *const cause_words[] = {"dialled", "redirected", "transferred", NULL};
_Static_assert(ARRAY_LEN(cause_words) == FACTS_CAUSE_COUNT + 1, "a word for each cause");

/* As verdict_stage_name says them. */
static const char *const stage_words[] = {
	"none", "ban",       "acl",      "geo",    "rate",  "tls",     "parse", "limit", "identify",
	"auth", "admission", "identity", "number", "fraud", "opinion", "route", "media", NULL};
_Static_assert(ARRAY_LEN(stage_words) == VERDICT_STAGE_COUNT + 1, "a word for each stage");

/* ---- single values */

static void check_country(struct conf_report *r, const struct conf_node *n, const void *value)
{
	const struct str s = *(const struct str *)value;

	if (!destination_country(s) && !str_eq(s, STR("unknown")))
		conf_error(r, n,
			   "\"%.*s\" is not allowed here; allowed: a country of two capital "
			   "letters (DE), or unknown",
			   STR_ARG(s));
}

enum { LIMIT_DEFAULT_S = 60, SECOND_MS = 1000, REJECT_DEFAULT = 403 };

static enum err read_seconds(struct str text, uint32_t *out)
{
	uint64_t ms;

	if (conf_read_duration(text, &ms) != OK || ms < SECOND_MS ||
	    ms / SECOND_MS > (uint64_t)366 * 86400)
		return ERR_BAD;
	*out = (uint32_t)(ms / SECOND_MS);
	return OK;
}

enum err config_fraud_action(struct str text, struct fraud_actions *out)
{
	struct str word, rest = text;
	enum err e = OK;

	if (!str_cut_word(&rest, &word))
		return ERR_BAD;
	rest = str_trim(rest);
	if (str_eq(word, STR("reject"))) {
		uint16_t status = REJECT_DEFAULT;
		if (rest.len && (str_to_u16(rest, 699, &status) != OK || status < 400))
			return ERR_BAD;
		out->status = status;
		return OK;
	}
	if (str_eq(word, STR("ban")))
		return read_seconds(rest, &out->ban_s);
	if (str_eq(word, STR("limit"))) {
		out->limit_s = LIMIT_DEFAULT_S;
		return rest.len ? read_seconds(rest, &out->limit_s) : OK;
	}
	if (str_eq(word, STR("alert")))
		out->alert = true;
	else if (str_eq(word, STR("end-calls")))
		out->end_calls = true;
	else
		e = ERR_BAD;
	return rest.len ? ERR_BAD : e;
}

static void check_action(struct conf_report *r, const struct conf_node *n, const void *value)
{
	const struct str s = *(const struct str *)value;
	struct fraud_actions unused = {.status = 0};

	if (config_fraud_action(s, &unused) != OK)
		conf_error(r, n,
			   "\"%.*s\" is not allowed here; allowed: reject, reject STATUS (400 to "
			   "699), ban TIME, limit, limit TIME, alert, end-calls",
			   STR_ARG(s));
}

/* ---- conditions */

#define FILTER_ROWS                                                                                \
	{.name = "class",                                                                          \
	 .type = CONF_LIST_OF,                                                                     \
	 .item = CONF_ENUM,                                                                        \
	 CONF_AT(struct raw_fraud_filter, class),                                                  \
	 .words = class_words,                                                                     \
	 .min = 1,                                                                                 \
	 .otherwise = "any class",                                                                 \
	 .help = "Of the called number, as the table of destinations says. domestic: of a "        \
		 "country of `home`; international: of another, or of none; unknown: no row of "   \
		 "the table begins it."},                                                          \
		{.name = "country",                                                                \
		 .type = CONF_LIST_OF,                                                             \
		 .item = CONF_STRING,                                                              \
		 CONF_AT(struct raw_fraud_filter, country),                                        \
		 .min = 1,                                                                         \
		 .max = FRAUD_LIST_MAX,                                                            \
		 .check = check_country,                                                           \
		 .otherwise = "any country",                                                       \
		 .help = "Of the called number: ISO 3166, or unknown."},                           \
		{.name = "country_not",                                                            \
		 .type = CONF_LIST_OF,                                                             \
		 .item = CONF_STRING,                                                              \
		 CONF_AT(struct raw_fraud_filter, country_not),                                    \
		 .min = 1,                                                                         \
		 .max = FRAUD_LIST_MAX,                                                            \
		 .check = check_country,                                                           \
		 .otherwise = "any country",                                                       \
		 .help = "It is none of these."},                                                  \
		{.name = "source_country",                                                         \
		 .type = CONF_LIST_OF,                                                             \
		 .item = CONF_STRING,                                                              \
		 CONF_AT(struct raw_fraud_filter, source_country),                                 \
		 .min = 1,                                                                         \
		 .max = FRAUD_LIST_MAX,                                                            \
		 .check = check_country,                                                           \
		 .otherwise = "any country",                                                       \
		 .help = "Of the address that it comes from (`geo`)."},                            \
		{.name = "source",                                                                 \
		 .type = CONF_LIST_OF,                                                             \
		 .item = CONF_PREFIX,                                                              \
		 CONF_AT(struct raw_fraud_filter, source),                                         \
		 .min = 1,                                                                         \
		 .max = FRAUD_LIST_MAX,                                                            \
		 .otherwise = "any address"},                                                      \
		{.name = "from",                                                                   \
		 .type = CONF_LIST_OF,                                                             \
		 .item = CONF_STRING,                                                              \
		 CONF_AT(struct raw_fraud_filter, from),                                           \
		 .min = 1,                                                                         \
		 .max = FRAUD_LIST_MAX,                                                            \
		 .otherwise = "from anywhere",                                                     \
		 .help = "Names of trunks, of groups of users, or of realms."},                    \
		{.name = "trunk",                                                                  \
		 .type = CONF_LIST_OF,                                                             \
		 .item = CONF_STRING,                                                              \
		 CONF_AT(struct raw_fraud_filter, trunk),                                          \
		 .min = 1,                                                                         \
		 .max = FRAUD_LIST_MAX,                                                            \
		 .otherwise = "any trunk",                                                         \
		 .help = "That it comes from."},                                                   \
		{.name = "realm",                                                                  \
		 .type = CONF_LIST_OF,                                                             \
		 .item = CONF_STRING,                                                              \
		 CONF_AT(struct raw_fraud_filter, realm),                                          \
		 .min = 1,                                                                         \
		 .max = FRAUD_LIST_MAX,                                                            \
		 .otherwise = "any realm",                                                         \
		 .help = "That it comes from."},                                                   \
		{.name = "user",                                                                   \
		 .type = CONF_LIST_OF,                                                             \
		 .item = CONF_STRING,                                                              \
		 CONF_AT(struct raw_fraud_filter, user),                                           \
		 .min = 1,                                                                         \
		 .max = FRAUD_LIST_MAX,                                                            \
		 .otherwise = "any user, and none",                                                \
		 .help = "Addresses of users: alice@example.net."},                                \
		{.name = "caller",                                                                 \
		 .type = CONF_LIST_OF,                                                             \
		 .item = CONF_REGEX,                                                               \
		 CONF_AT(struct raw_fraud_filter, caller),                                         \
		 .min = 1,                                                                         \
		 .max = FRAUD_LIST_MAX,                                                            \
		 .check = config_value_pattern,                                                    \
		 .otherwise = "any number",                                                        \
		 .help = "Regular expressions over the calling number."},                          \
		{.name = "number",                                                                 \
		 .type = CONF_LIST_OF,                                                             \
		 .item = CONF_REGEX,                                                               \
		 CONF_AT(struct raw_fraud_filter, number),                                         \
		 .min = 1,                                                                         \
		 .max = FRAUD_LIST_MAX,                                                            \
		 .check = config_value_pattern,                                                    \
		 .otherwise = "any number",                                                        \
		 .help = "Regular expressions over the called one, as routes see it."},            \
		{.name = "cause",                                                                  \
		 .type = CONF_LIST_OF,                                                             \
		 .item = CONF_ENUM,                                                                \
		 CONF_AT(struct raw_fraud_filter, cause),                                          \
		 .words = cause_words,                                                             \
		 .min = 1,                                                                         \
		 .otherwise = "any cause",                                                         \
		 .help = "Why there is a call: dialled; sent on by a 3xx; handed on by a REFER."}, \
	{                                                                                          \
		.name = "diversions", .type = CONF_INT,                                            \
		CONF_AT(struct raw_fraud_filter, diversions), .min = 1, .max = 100,                \
		.otherwise = "any number of them",                                                 \
		.help = "It says that it was diverted so often, or more."                          \
	}

static const struct conf_setting when_settings[] = {
	FILTER_ROWS,
	{.name = "rang_us",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_fraud_filter, rang_us),
	 .min = 1000,
	 .max = 30ull * 86400 * 1000,
	 .otherwise = "any call",
	 .help = "The called number has called us in this time, and hung up before anyone "
		 "answered: "
		 "one-ring bait."},
};
static const struct conf_section when_section = {
	.help = "Which calls the rule is asked of. All that is given must hold. Left out: those "
		"that `where` names, or all.",
	ROWS(when_settings),
	.size = sizeof(struct raw_fraud_filter)};

static const struct conf_setting where_settings[] = {
	FILTER_ROWS,
	{.name = "duration_below",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_fraud_filter, duration_below),
	 .min = 1,
	 .max = 86400000,
	 .otherwise = "any",
	 .help = "It was answered and lasted less than this."},
	{.name = "duration_above",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_fraud_filter, duration_above),
	 .min = 1,
	 .max = 86400000,
	 .otherwise = "any",
	 .help = "It was answered and lasted longer than this."},
	{.name = "ring_below",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_fraud_filter, ring_below),
	 .min = 1,
	 .max = 600000,
	 .otherwise = "any",
	 .help = "From its INVITE to the answer, or to its end, it took less than this."},
	{.name = "stage",
	 .type = CONF_LIST_OF,
	 .item = CONF_ENUM,
	 CONF_AT(struct raw_fraud_filter, stage),
	 .words = stage_words,
	 .min = 1,
	 .otherwise = "any but ban, rate, limit, admission",
	 .help = "That has refused it; for `count: refused`."},
};
static const struct conf_section where_section = {
	.help = "What the rule counts. Left out: what `when` names.",
	ROWS(where_settings),
	.size = sizeof(struct raw_fraud_filter)};

/* ---- rules */

static const struct conf_setting rule_settings[] = {
	{.name = "name",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_fraud_rule, name),
	 .max = CONF_NAME_MAX - 1,
	 .otherwise = "fraud-1, fraud-2, …",
	 .help = "For logs, CDRs and metrics. What a rule has counted is kept at reload as long "
		 "as its name, what it counts and its window stay."},
	{.name = "when",
	 .type = CONF_SECTION,
	 .sub = &when_section,
	 CONF_AT(struct raw_fraud_rule, when)},
	{.name = "where",
	 .type = CONF_SECTION,
	 .sub = &where_section,
	 CONF_AT(struct raw_fraud_rule, where)},
	{.name = "count",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_fraud_rule, count),
	 .words = config_fraud_counts,
	 .otherwise = "it counts nothing, or a `sum`",
	 .help = "calls: attempts; failed: refused by the far end; unanswered: the caller gave "
		 "up; refused: requests that we refused; steps: calls to a number within ten of "
		 "one of the last four; distinct users: that a wrong password was shown for."},
	{.name = "sum",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_fraud_rule, sum),
	 .words = config_fraud_sums,
	 .otherwise = "it sums nothing",
	 .help = "In pulses of six seconds, each counted before it begins. early media: of calls "
		 "that are not answered."},
	{.name = "by",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_fraud_rule, by),
	 .words = subject_words,
	 .otherwise = "needed with count, sum, ban, limit and end-calls",
	 .help = "Whose count it is, and who is banned. A source is an address, of IPv6 a /64. "
		 "Calls without such a subject are not the rule's."},
	{.name = "digits",
	 .type = CONF_INT,
	 CONF_AT(struct raw_fraud_rule, digits),
	 .words = (const char *const[]){"whole", "code", NULL},
	 .min = 2,
	 .max = 15,
	 .def = "whole",
	 .help = "Of a caller or destination: the whole number, its code in the table of "
		 "destinations, or so many of its first digits are one subject."},
	{.name = "over",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_fraud_rule, over),
	 .max = 40,
	 .otherwise = "needed with count and sum",
	 .help = "NUMBER/WINDOW: 30/10m, 50/1d; of cost in units of money, 12.50/1d; of duration "
		 "a time, 10h/1d. The window slides; a year at most."},
	{.name = "between",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_fraud_rule, between),
	 .max = 20,
	 .otherwise = "at any time",
	 .help = "Hours of the day, \"22:00-06:00\", in which the rule counts and acts."},
	{.name = "days",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_fraud_rule, days),
	 .min = 1,
	 .max = 7,
	 .otherwise = "any day",
	 .help = "That those hours begin on: mon, tue, wed, thu, fri, sat, sun; sat-sun."},
	{.name = "zone",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_fraud_rule, zone),
	 .max = 64,
	 .otherwise = "fraud.zone",
	 .help = "Whose clock: UTC, or a name of /usr/share/zoneinfo such as Europe/Berlin."},
	{.name = "action",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_fraud_rule, action),
	 .min = 1,
	 .max = 5,
	 .check = check_action,
	 .flags = CONF_REQUIRED,
	 .help = "reject: 403, or the status that is given, as long as there is more; ban TIME; "
		 "limit: one new call a minute, or in the time that is given; alert: say it; "
		 "end-calls: end what the subject has running. A call that earns a ban is "
		 "refused too."},
	{.name = "keys",
	 .type = CONF_INT,
	 CONF_AT(struct raw_fraud_rule, keys),
	 .min = FRAUD_KEYS_MIN,
	 .max = FRAUD_KEYS_MAX,
	 .otherwise = "fraud.keys",
	 .help = "Subjects that the rule can tell apart."},
};
static const struct conf_section rule_section = {.help = "All are asked, in order.",
						 ROWS(rule_settings),
						 .size = sizeof(struct raw_fraud_rule)};

static const struct conf_setting fraud_settings[] = {
	{.name = "destinations",
	 .type = CONF_PATH,
	 CONF_AT(struct raw_fraud, destinations),
	 .otherwise = "no number has a class, a country or a cost",
	 .help = "CSV: prefix,name,class,cost a minute,country. The file is read again when it "
		 "changes; one with a broken row is not taken."},
	{.name = "home",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_fraud, home),
	 .max = FRAUD_LIST_MAX,
	 .check = check_country,
	 .otherwise = "none: every known number is international",
	 .help = "Countries whose numbers are domestic."},
	{.name = "prefixes",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_fraud, prefixes),
	 .min = 1,
	 .max = FRAUD_PREFIXES_MAX,
	 .def = "+, 00",
	 .help = "What an international number begins with. Others are unknown: let `numbers` "
		 "make them international."},
	{.name = "plain_numbers",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_fraud, plain_numbers),
	 .words = (const char *const[]){"unknown", "e164", NULL},
	 .def = "unknown",
	 .help = "What digits without such a beginning are."},
	{.name = "zone",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_fraud, zone),
	 .max = 64,
	 .def = "UTC",
	 .help = "Whose clock `between` and `days` are by."},
	{.name = "keys",
	 .type = CONF_INT,
	 CONF_AT(struct raw_fraud, keys),
	 .min = FRAUD_KEYS_MIN,
	 .max = FRAUD_KEYS_MAX,
	 .def = "16384",
	 .help = "Subjects that a rule can tell apart; of more, who has the least is forgotten."},
	{.name = "rules",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &rule_section,
	 CONF_AT(struct raw_fraud, rules),
	 .max = FRAUD_RULES_MAX},
};
const struct conf_section config_fraud_section = {
	.help = "What no honest caller does. Emergency calls are not asked about.",
	ROWS(fraud_settings),
	.size = sizeof(struct raw_fraud)};
