#include "sbc/config_sections.h"

#include "sbc/config_tables.h"
#include "sbc/config_value.h"

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

static const struct conf_setting route_when_settings[] = {
	{.name = "from",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_route_when, from),
	 .min = 1,
	 .max = ROUTE_FROM_MAX,
	 .otherwise = "from anywhere",
	 .help = "Names of trunks, or of realms."},
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
	 .words = (const char *const[]){"failover", "weighted", "round-robin", NULL},
	 .def = "failover",
	 .help = "Which of the peers is first."},
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
