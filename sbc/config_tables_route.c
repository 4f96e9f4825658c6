#include "sbc/config_sections.h"

#include "sbc/config_tables.h"
#include "sbc/config_value.h"
#include "policy/facts.h"
#include "policy/hours.h"
#include "policy/sheet.h"

static const struct {
	struct str name;
	uint16_t cause;
} causes[] = {
	{STR("timeout"), ROUTE_CAUSE_TIMEOUT},
	{STR("tls"), ROUTE_CAUSE_TLS},
	{STR("connect"), ROUTE_CAUSE_CONNECT},
};

uint16_t config_failure_code(struct str text)
{
	uint16_t v;
	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		if (str_eq(text, causes[i].name))
			return causes[i].cause;
	if (str_to_u16(text, 699, &v) == OK && v >= 300)
		return v;
	return 0;
}

static void check_code(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	struct conf_guess g;
	if (config_failure_code(s) != 0)
		return;
	conf_guess_init(&g, s);
	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		conf_guess_add(&g, causes[i].name);
	char mean[200];
	struct buf b;
	buf_init(&b, mean, sizeof(mean));
	conf_guess_write(&b, &g);
	conf_error(
		r, n,
		"\"%.*s\" is not allowed here%.*sa SIP status, 300 to 699, timeout, tls, connect",
		STR_ARG(s), (int)b.len, mean);
}

static void check_code_prefix(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	struct str digits = str_from_offset(s, s.len && s.p[0] == '+');
	bool good = digits.len > 0 && digits.len <= DIALCODE_LEN_MAX;

	for (size_t i = 0; i < digits.len; i++)
		good = good && digits.p[i] >= '0' && digits.p[i] <= '9';
	if (!good)
		conf_error(
			r, n,
			"\"%.*s\" is not allowed here; allowed: 1 to 18 digits, with a plus sign "
			"in front where the numbers have it",
			STR_ARG(s));
}

static void check_days(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	uint8_t days;

	if (hours_parse_days(s, &days) != OK)
		conf_error(
			r, n,
			"\"%.*s\" is not allowed here; allowed: mon, tue, wed, thu, fri, sat, sun, "
			"or two of them as in mon-fri",
			STR_ARG(s));
}

static void check_span(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	struct hours_span span;

	if (hours_parse_span(s, &span) != OK)
		conf_error(r, n,
			   "\"%.*s\" is not allowed here; allowed: two times of the day such as "
			   "\"08:00-18:00\" or, over midnight, \"22:00-06:00\"",
			   STR_ARG(s));
}

static void check_user(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;

	if (str_index(s, '@') + 1 >= s.len)
		conf_error(r, n,
			   "\"%.*s\" is not allowed here; allowed: a user as in "
			   "alice@example.net, or @example.net for all of a domain",
			   STR_ARG(s));
}

static const struct conf_setting hours_settings[] = {
	{.name = "days",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_hours, days),
	 .min = 1,
	 .max = 7,
	 .check = check_days,
	 .otherwise = "every day",
	 .help = "mon, tue, wed, thu, fri, sat, sun; mon-fri."},
	{.name = "hours",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_hours, hours),
	 .min = 1,
	 .max = HOURS_SPANS_MAX,
	 .check = check_span,
	 .otherwise = "the whole day",
	 .help = "\"08:00-18:00\". \"22:00-06:00\" belongs to the day on which it begins."},
	{.name = "zone",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_hours, zone),
	 .max = 64,
	 .def = "UTC",
	 .help = "Whose clock: UTC, or a name of /usr/share/zoneinfo such as Europe/Berlin."},
};
static const struct conf_section hours_section = {.help = "When, by the clock of one place.",
						  ROWS(hours_settings),
						  .size = sizeof(struct raw_hours)};

static const struct conf_setting route_when_settings[] = {
	{.name = "from",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_route_when, from),
	 .min = 1,
	 .max = ROUTE_FROM_MAX,
	 .otherwise = "from anywhere",
	 .help = "Names of trunks, or of realms."},
	{.name = "realm",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_route_when, realm),
	 .min = 1,
	 .max = ROUTE_FROM_MAX,
	 .otherwise = "from any realm",
	 .help = "Names of realms alone."},
	{.name = "trunk",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_route_when, trunk),
	 .min = 1,
	 .max = ROUTE_FROM_MAX,
	 .otherwise = "from any trunk",
	 .help = "Names of trunks, or of groups of users, alone."},
	{.name = "user",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_route_when, user),
	 .min = 1,
	 .max = ROUTE_USERS_MAX,
	 .check = check_user,
	 .otherwise = "from anybody",
	 .help = "Users of ours that call: alice@example.net, or @example.net for all of a "
		 "domain."},
	{.name = "cause",
	 .type = CONF_LIST_OF,
	 .item = CONF_ENUM,
	 CONF_AT(struct raw_route_when, cause),
	 .words = (const char *const[]){"dialled", "redirected", "transferred", NULL},
	 .min = 1,
	 .max = FACTS_CAUSE_COUNT,
	 .otherwise = "for any cause",
	 .help = "Why there is a call: somebody dialled it, a 3xx sent it on, a REFER hands it "
		 "on."},
	{.name = "at",
	 .type = CONF_SECTION,
	 .sub = &hours_section,
	 CONF_AT(struct raw_route_when, at),
	 .otherwise = "at any time"},
	{.name = "number_prefix",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_route_when, number_prefix),
	 .min = 1,
	 .max = ROUTE_PREFIXES_MAX,
	 .check = check_code_prefix,
	 .otherwise = "any number",
	 .help = "The number begins with one of these; \"+49\" is for numbers with a plus sign, "
		 "\"49\" for those without."},
	{.name = "prefixes",
	 .type = CONF_PATH,
	 CONF_AT(struct raw_route_when, prefixes),
	 .otherwise = "any number",
	 .help = "A file (CSV) with prefixes in its first column, up to 4 million; a plus sign "
		 "does "
		 "not count. Read anew when it changes."},
	{.name = "number",
	 .type = CONF_LIST_OF,
	 .item = CONF_REGEX,
	 CONF_AT(struct raw_route_when, number),
	 .min = 1,
	 .max = ROUTE_NUMBERS_MAX,
	 .check = config_value_pattern,
	 .otherwise = "any number",
	 .help = "Perl-like regular expressions over the user part of the Request-URI; one must "
		 "match."},
	{.name = "domain",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_route_when, domain),
	 .min = 1,
	 .max = ROUTE_NUMBERS_MAX,
	 .check = config_value_host,
	 .otherwise = "any domain",
	 .help = "The host of the Request-URI is one of these."},
};
static const struct conf_section route_when_section = {.help = "All that is given must hold.",
						       ROWS(route_when_settings),
						       .size = sizeof(struct raw_route_when)};

static const struct conf_setting reject_settings[] = {
	{.name = "status",
	 .type = CONF_INT,
	 CONF_AT(struct raw_reject, status),
	 .min = 400,
	 .max = 699,
	 .flags = CONF_REQUIRED},
	{.name = "reason",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_reject, reason),
	 .max = 100,
	 .check = config_value_template,
	 .otherwise = "\"Rejected\"",
	 .help = "The reason phrase. The far end reads it."},
};
static const struct conf_section reject_section = {
	.help = "The call is refused.", ROWS(reject_settings), .size = sizeof(struct raw_reject)};

static const struct conf_setting on_failure_settings[] = {
	{.name = "codes",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_on_failure, codes),
	 .max = ROUTE_CODES_MAX,
	 .check = check_code,
	 .def = "503, timeout, tls, connect",
	 .help = "SIP statuses, and timeout (no answer), tls (no handshake, or the wrong "
		 "certificate), connect "
		 "(no connection): what sends the call to the next peer or trunk."},
	{.name = "after",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_on_failure, after),
	 .min = 500,
	 .max = 32000,
	 .def = "4s",
	 .help = "No answer at all for so long is a timeout."},
	{.name = "tries",
	 .type = CONF_INT,
	 CONF_AT(struct raw_on_failure, tries),
	 .min = 1,
	 .max = 16,
	 .def = "3",
	 .help = "Peers that are tried at most."},
};
static const struct conf_section on_failure_section = {.help = "When the next one is tried.",
						       ROWS(on_failure_settings),
						       .size = sizeof(struct raw_on_failure)};

static const struct conf_setting route_settings[] = {
	{.name = "name",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_route, name),
	 .max = CONF_NAME_MAX,
	 .otherwise = "route-1, route-2, …",
	 .help = "For logs, CDRs and metrics."},
	{.name = "when",
	 .type = CONF_SECTION,
	 .sub = &route_when_section,
	 CONF_AT(struct raw_route, when),
	 .otherwise = "always"},
	{.name = "to",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_route, to),
	 .min = 1,
	 .max = ROUTE_TO_MAX,
	 .otherwise = "needed, or `reject`",
	 .help = "Names of trunks, tried in order."},
	{.name = "reject",
	 .type = CONF_SECTION,
	 .sub = &reject_section,
	 CONF_AT(struct raw_route, reject)},
	{.name = "strategy",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_route, strategy),
	 .words = (const char *const[]){"failover", "weighted", "round-robin", "least-calls",
					"least-cost", NULL},
	 .def = "failover",
	 .help = "Which of the peers is first. failover: trunks in order, of each its peers by "
		 "priority and weight; weighted: all peers together; round-robin: in turn; "
		 "least-calls: the one with the fewest calls of ours for its weight; least-cost: "
		 "the trunk whose `rates` are lowest for the number."},
	{.name = "priority",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_route, priority),
	 .words = (const char *const[]){"normal", "emergency", NULL},
	 .def = "normal",
	 .help = "Calls of an emergency route are not refused for load, and have the room that is "
		 "kept "
		 "for calls that are up."},
	{.name = "on_failure",
	 .type = CONF_SECTION,
	 .sub = &on_failure_section,
	 CONF_AT(struct raw_route, on_failure)},
};
const struct conf_section config_route_section = {
	.help = "Where calls go. The first that matches wins; if none does, 404.",
	ROWS(route_settings),
	.size = sizeof(struct raw_route)};
