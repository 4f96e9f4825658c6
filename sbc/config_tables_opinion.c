#include "sbc/config_sections.h"

#include "policy/opinion.h"
#include "sbc/config_tables.h"
#include "sbc/config_value.h"

static void check_url(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct opinion_settings unused;
	if (config_opinion_url(*(const struct str *)value, &unused) != OK)
		conf_error(
			r, n,
			"needed: http://ADDRESS:PORT/PATH with an IP address; a name would have to "
			"be "
			"asked for while a call waits, and a service that is not near is too slow");
}

static const struct conf_setting when_settings[] = {
	{.name = "from",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_opinion_when, from),
	 .min = 1,
	 .max = OPINION_FROM_MAX,
	 .otherwise = "from anywhere",
	 .help = "Names of trunks, groups of users or realms that the call comes from."},
	{.name = "number",
	 .type = CONF_LIST_OF,
	 .item = CONF_REGEX,
	 CONF_AT(struct raw_opinion_when, number),
	 .min = 1,
	 .max = OPINION_NUMBERS_MAX,
	 .check = config_value_pattern,
	 .otherwise = "any number",
	 .help = "Perl-like regular expressions over the called number; one must match."},
};
static const struct conf_section when_section = {.help = "All that is given must hold.",
						 ROWS(when_settings),
						 .size = sizeof(struct raw_opinion_when)};

static const struct conf_setting breaker_settings[] = {
	{.name = "failures",
	 .type = CONF_INT,
	 CONF_AT(struct raw_opinion_breaker, v.failures),
	 .max = 1000,
	 .def = "5",
	 .help = "In a row; 0: it is asked however often it fails."},
	{.name = "rest",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_opinion_breaker, v.rest_ms),
	 .min = 100,
	 .max = 3600000,
	 .def = "10s",
	 .help = "For so long it is not asked; then one call tries it."},
};
static const struct conf_section breaker_section = {
	.help = "A service that fails is left alone for a while.",
	ROWS(breaker_settings),
	.size = sizeof(struct raw_opinion_breaker)};

static const struct conf_setting opinion_settings[] = {
	{.name = "url",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_opinion, url),
	 .max = 512,
	 .check = check_url,
	 .otherwise = "needed, or `trunk`",
	 .help = "http://ADDRESS:PORT/PATH: gets a POST with what is known of the call as JSON, "
		 "and "
		 "answers with a verdict (docs/opinion.md)."},
	{.name = "trunk",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_opinion, trunk),
	 .otherwise = "needed, or `url`",
	 .help = "A trunk that gets the INVITE first and says by its answer what is to be done: "
		 "404 "
		 "and 503 go on, 403 and 6xx refuse, 3xx name a trunk of ours."},
	{.name = "timeout",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_opinion, timeout),
	 .min = 10,
	 .max = 5000,
	 .def = "100ms",
	 .help = "Who has not answered by then has said nothing."},
	{.name = "on_error",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_opinion, on_error),
	 .words = (const char *const[]){"reject", "accept", NULL},
	 .def = "reject",
	 .help = "What becomes of a call where no answer came, or none that can be used: 503, or "
		 "on "
		 "with it."},
	{.name = "when",
	 .type = CONF_SECTION,
	 .sub = &when_section,
	 CONF_AT(struct raw_opinion, when),
	 .otherwise = "every call"},
	{.name = "trunks",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_opinion, trunks),
	 .min = 1,
	 .max = OPINION_TRUNKS_MAX,
	 .otherwise = "none",
	 .help = "Trunks that an answer over HTTP may send a call to."},
	{.name = "in_flight",
	 .type = CONF_INT,
	 CONF_AT(struct raw_opinion, in_flight),
	 .min = 1,
	 .max = 256,
	 .def = "64",
	 .help = "Calls that may wait for an answer over HTTP at one time; of a further one "
		 "`on_error` "
		 "says what becomes."},
	{.name = "breaker",
	 .type = CONF_SECTION,
	 .sub = &breaker_section,
	 CONF_AT(struct raw_opinion, breaker)},
};
const struct conf_section config_opinion_section = {
	.help = "Somebody else is asked of calls that we would let through. Emergency calls are "
		"not "
		"asked about.",
	ROWS(opinion_settings),
	.size = sizeof(struct raw_opinion)};
