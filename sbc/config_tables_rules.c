#include "sbc/config_sections.h"

#include "sbc/config_tables.h"
#include "sbc/config_value.h"
#include "sbc/core/hdr.h"
#include "sbc/core/method.h"
#include "sbc/core/rules.h"

static void check_header(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	if (!hdr_is_token(s)) {
		conf_error(r, n, "\"%.*s\" is not the name of a header", STR_ARG(s));
		return;
	}
	/* What a call's own state writes afresh on the other side: carried over it would show one side to the other. */
	if (!rules_may_name(s, false) && !rules_may_name(s, true))
		conf_error(r, n,
			   "\"%.*s\" is written afresh on each side and cannot be ruled "
			   "here; allowed: "
			   "headers that no part of the call depends on",
			   STR_ARG(s));
}

static void check_carried(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	check_header(r, n, value);
	if (hdr_is_token(s) && rules_may_name(s, true) && !rules_may_name(s, false))
		conf_error(r, n, "\"%.*s\" names a product and never crosses; it may be set",
			   STR_ARG(s));
}

static void check_method(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	if (!hdr_is_token(s) || method_find(s) == METHOD_OTHER)
		conf_error(r, n, "\"%.*s\" is not a method of SIP, in capital letters", STR_ARG(s));
}

enum err config_status_range(struct str text, struct status_range *out)
{
	uint16_t v;
	if (text.len == 3 && text.p[0] >= '1' && text.p[0] <= '6' && text.p[1] == 'x' &&
	    text.p[2] == 'x') {
		v = (uint16_t)((text.p[0] - '0') * 100);
		*out = (struct status_range){v, (uint16_t)(v + 99)};
		return OK;
	}
	if (str_to_u16(text, 699, &v) != OK || v < 100)
		return ERR_BAD;
	*out = (struct status_range){v, v};
	return OK;
}

static void check_status_range(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct status_range unused;
	struct str s = *(const struct str *)value;
	if (config_status_range(s, &unused) != OK)
		conf_error(r, n, "\"%.*s\" is not allowed here; allowed: 100 to 699, 1xx to 6xx",
			   STR_ARG(s));
}

static void check_line(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	if (!hdr_is_clean(s))
		conf_error(r, n, "a header's value is one line");
}

static const struct conf_setting number_rule_settings[] = {
	{.name = "match",
	 .type = CONF_REGEX,
	 CONF_AT(struct raw_number_rule, match),
	 .min = 1,
	 .check = config_value_pattern,
	 .flags = CONF_REQUIRED,
	 .help = "A Perl-like regular expression over the number."},
	{.name = "to",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_number_rule, to),
	 .max = 128,
	 .check = check_line,
	 .flags = CONF_REQUIRED,
	 .help = "What the whole number becomes; `\\1` is what the first group has caught."},
	{.name = "fields",
	 .type = CONF_LIST_OF,
	 .item = CONF_ENUM,
	 CONF_AT(struct raw_number_rule, fields),
	 .words = (const char *const[]){"from", "to", "p-asserted-identity", NULL},
	 .min = 1,
	 .def = "from, to",
	 .help = "Which numbers it is for; p-asserted-identity is for diversions too."},
};
const struct conf_section config_number_rule_section = {
	.help = "Tried in order; the first that matches counts.",
	ROWS(number_rule_settings),
	.size = sizeof(struct raw_number_rule)};

static const struct conf_setting edit_when_settings[] = {
	{.name = "trust_below",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_edit_when, trust_below),
	 .words = config_trust_words,
	 .otherwise = "any trust",
	 .help = "The realm is trusted less than this."},
	{.name = "method",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_edit_when, method),
	 .min = 1,
	 .max = 16,
	 .check = check_method,
	 .otherwise = "any method",
	 .help = "Of the request, or that the response is to."},
	{.name = "trunk",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_edit_when, trunk),
	 .min = 1,
	 .max = 64,
	 .otherwise = "any trunk",
	 .help = "Names of `trunks`: inbound, it comes from one of these; outbound, it goes "
		 "there."},
	{.name = "status",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_edit_when, status),
	 .min = 1,
	 .max = 16,
	 .check = check_status_range,
	 .otherwise = "requests, and any response",
	 .help = "Responses of these statuses: 486, 4xx. No request."},
	{.name = "header",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_edit_when, header),
	 .max = 64,
	 .check = check_carried,
	 .otherwise = "whatever is there",
	 .help = "This header is there."},
	{.name = "matches",
	 .type = CONF_REGEX,
	 CONF_AT(struct raw_edit_when, matches),
	 .check = config_value_pattern,
	 .otherwise = "any value",
	 .help = "A value of `header` matches. One too long to be judged counts as a match for "
		 "remove, else not."},
};
static const struct conf_section edit_when_section = {.help = "All that is given must hold.",
						      ROWS(edit_when_settings),
						      .size = sizeof(struct raw_edit_when)};

static const struct conf_setting edit_settings[] = {
	{.name = "header",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_edit, header),
	 .max = 64,
	 .check = check_header,
	 .flags = CONF_REQUIRED},
	{.name = "action",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_edit, action),
	 .words = (const char *const[]){"remove", "set", "add", "rename", "edit", NULL},
	 .flags = CONF_REQUIRED,
	 .help = "set: in the place of those of its name; add: beside them; edit: in each value, "
		 "what `pattern` "
		 "matches first becomes `with`."},
	{.name = "value",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_edit, value),
	 .max = 512,
	 .check = config_value_template,
	 .help = "For set and add; `${node.name}`, `${call.from.number}`, `${call.to.number}`, "
		 "`${call.id}` and `${header.NAME}` are filled in. Where one is empty nothing is "
		 "set; the numbers of a caller "
		 "who wants privacy are."},
	{.name = "to",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_edit, to),
	 .max = 64,
	 .check = check_header,
	 .help = "For rename: the new name."},
	{.name = "pattern",
	 .type = CONF_REGEX,
	 CONF_AT(struct raw_edit, pattern),
	 .check = config_value_pattern,
	 .help = "For edit."},
	{.name = "with",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_edit, with),
	 .max = 512,
	 .check = check_line,
	 .help = "For edit; `\\0` is what matched, `\\1` what the first group has caught."},
	{.name = "when",
	 .type = CONF_SECTION,
	 .sub = &edit_when_section,
	 CONF_AT(struct raw_edit, when)},
};
static const struct conf_section edit_section = {
	.help = "One change, in order.", ROWS(edit_settings), .size = sizeof(struct raw_edit)};

static const struct conf_setting header_rules_settings[] = {
	{.name = "carry",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_header_rules, carry),
	 .max = 64,
	 .check = check_carried,
	 .help = "Headers that cross, byte for byte; Reason and Retry-After without their "
		 "texts. P-Asserted-Identity, Remote-Party-ID, Privacy, Diversion, History-Info "
		 "and Session-ID are "
		 "written afresh and cross only where trust lets them too. "
		 "Everything not named stays behind."},
	{.name = "inbound",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &edit_section,
	 CONF_AT(struct raw_header_rules, inbound),
	 .max = 64,
	 .help = "On what arrives in the realm."},
	{.name = "outbound",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &edit_section,
	 CONF_AT(struct raw_header_rules, outbound),
	 .max = 64,
	 .help = "On what leaves through the realm."},
};
const struct conf_section config_header_rules_section = {
	.help = "Which headers cross and how they are changed.",
	ROWS(header_rules_settings),
	.size = sizeof(struct raw_header_rules)};
