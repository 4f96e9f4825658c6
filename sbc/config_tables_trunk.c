#include "sbc/config_sections.h"

#include "sbc/config_tables.h"
#include "sbc/config_value.h"
#include "sbc/core/method.h"

static const struct conf_setting peer_settings[] = {
	{.name = "target",
	 .type = CONF_URI,
	 .words = (const char *const[]){"sip", "sips", NULL},
	 CONF_AT(struct raw_peer, target),
	 .flags = CONF_REQUIRED,
	 .help = "`sips:NAME`, `sip:ADDRESS:PORT;transport=tls`. A name is looked up by NAPTR, SRV "
		 "and A (RFC "
		 "3263), and is what the far end's certificate must carry."},
	{.name = "priority",
	 .type = CONF_INT,
	 CONF_AT(struct raw_peer, priority),
	 .max = 65535,
	 .def = "10",
	 .help = "Lower ones first."},
	{.name = "weight",
	 .type = CONF_INT,
	 CONF_AT(struct raw_peer, weight),
	 .max = 65535,
	 .def = "10",
	 .help = "Share among peers of one priority."},
};
static const struct conf_section peer_section = {
	.help = "Where the far system is.", ROWS(peer_settings), .size = sizeof(struct raw_peer)};

static const struct conf_setting trunk_tls_settings[] = {
	{.name = "certificate",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_trunk_tls, certificate),
	 .otherwise = "none is presented",
	 .help = "A name of `certificates`: what we present when we connect."},
	{.name = "verify",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_trunk_tls, verify),
	 .otherwise = "the system's store",
	 .help = "A name of `trust_anchors`, or off: anyone may then stand in for the far end."},
	{.name = "name",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_trunk_tls, name),
	 .max = 255,
	 .check = config_value_host,
	 .otherwise = "the host of the peer's target",
	 .help = "The name that the far end's certificate must carry (RFC 5922)."},
};
static const struct conf_section trunk_tls_section = {.help = "TLS towards the peers.",
						      ROWS(trunk_tls_settings),
						      .size = sizeof(struct raw_trunk_tls)};

static const struct conf_setting identify_settings[] = {
	{.name = "certificate_name",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_identify, certificate_name),
	 .max = 255,
	 .check = config_value_host,
	 .help = "The client certificate carries this name."},
	{.name = "source",
	 .type = CONF_LIST_OF,
	 .item = CONF_PREFIX,
	 CONF_AT(struct raw_identify, source),
	 .min = 1,
	 .max = 1024,
	 .help = "The request comes from one of these."},
	{.name = "user",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_identify, user),
	 .help = "Requests must prove that they know this user's password (401, Digest): all but "
		 "ACK, "
		 "CANCEL and what comes in a dialog from where the dialog is. Alone, with no "
		 "peer that is an address, any source may try."},
	{.name = "password",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_identify, password),
	 .help = "Best as `!credential NAME`."},
	{.name = "realm",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_identify, realm),
	 .max = 128,
	 .check = config_value_host,
	 .otherwise = "the address that it was sent to",
	 .help = "What the challenge names as realm."},
};
static const struct conf_section identify_section = {
	.help = "Which arriving requests are this trunk's: all that is given must hold, the "
		"narrowest trunk wins. "
		"Left out: the addresses of the peers that are written as addresses; if all are "
		"names over TLS, "
		"their name in the client certificate.",
	ROWS(identify_settings),
	.size = sizeof(struct raw_identify)};

static const struct conf_setting ping_settings[] = {
	{.name = "method",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_ping, method),
	 .words = (const char *const[]){"OPTIONS", NULL},
	 .def = "OPTIONS"},
	{.name = "every",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_ping, every),
	 .min = 1000,
	 .max = 3600000,
	 .def = "30s"},
	{.name = "down_after",
	 .type = CONF_INT,
	 CONF_AT(struct raw_ping, down_after),
	 .min = 1,
	 .max = 100,
	 .def = "3",
	 .unit = "failures",
	 .help = "Then no call goes there."},
	{.name = "up_after",
	 .type = CONF_INT,
	 CONF_AT(struct raw_ping, up_after),
	 .min = 1,
	 .max = 100,
	 .def = "2",
	 .unit = "answers"},
};
static const struct conf_section ping_section = {
	.help = "Asks each peer whether it lives. Without this section peers are taken to be up.",
	ROWS(ping_settings),
	.size = sizeof(struct raw_ping)};

static void check_percent(struct conf_report *r, const struct conf_node *n, const void *value)
{
	uint8_t v;

	if (!config_read_percent(*(const struct str *)value, &v))
		conf_error(r, n, "\"%.*s\" is not allowed here; allowed: 0%% to 100%%",
			   STR_ARG(*(const struct str *)value));
}

static void check_calls(struct conf_report *r, const struct conf_node *n, const void *value)
{
	uint16_t v;

	if (!config_read_calls(*(const struct str *)value, &v))
		conf_error(r, n, "\"%.*s\" is not allowed here; allowed: 5 calls to 1000 calls",
			   STR_ARG(*(const struct str *)value));
}

static const struct conf_setting health_settings[] = {
	{.name = "min_asr",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_health, min_asr),
	 .check = check_percent,
	 .def = "0%",
	 .help = "Of the calls that ended, so many at least were answered (ASR, ITU-T E.411); a "
		 "busy "
		 "user counts against it. 0%: not asked."},
	{.name = "min_ner",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_health, min_ner),
	 .check = check_percent,
	 .def = "0%",
	 .help = "So many at least were answered, or ended as their user wished: busy, no answer, "
		 "refused, no such number (NER, ITU-T E.425). 0%: not asked."},
	{.name = "over",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_health, over),
	 .check = check_calls,
	 .def = "50 calls",
	 .help = "The latest calls that both are of; before so many have ended nothing is judged."},
	{.name = "failures",
	 .type = CONF_INT,
	 CONF_AT(struct raw_health, failures),
	 .max = 1000,
	 .def = "5",
	 .unit = "calls",
	 .help = "In a row that reached nobody: no answer at all, no connection, no handshake, "
		 "503. "
		 "0: not asked."},
	{.name = "rest",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_health, rest),
	 .min = 1000,
	 .max = 86400000,
	 .def = "2m",
	 .help = "So long the peer is tried behind all others."},
	{.name = "return",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_health, come_back),
	 .max = 86400000,
	 .def = "1m",
	 .help = "Then its share of calls grows from a tenth to all in this time."},
};
static const struct conf_section health_section = {
	.help = "Watches what becomes of the calls to each peer. One that fails rests, and comes "
		"back by "
		"and by; a 503 with Retry-After shuts it until then. Without this section nothing "
		"of "
		"this happens.",
	ROWS(health_settings),
	.size = sizeof(struct raw_health)};

const char *const config_method_words[] = {"MESSAGE", "SUBSCRIBE", "NOTIFY",
					   "PUBLISH", "OPTIONS",   NULL};
const uint32_t config_methods[] = {1u << METHOD_MESSAGE, 1u << METHOD_SUBSCRIBE,
				   1u << METHOD_NOTIFY, 1u << METHOD_PUBLISH, 1u << METHOD_OPTIONS};
_Static_assert(ARRAY_LEN(config_methods) + 1 == ARRAY_LEN(config_method_words),
	       "a bit for each word");
static const struct conf_setting trunk_limits_settings[] = {
	{.name = "sessions",
	 .type = CONF_INT,
	 CONF_AT(struct raw_trunk_limits, sessions),
	 .max = 1000000,
	 .def = "0",
	 .help = "Calls at one time, in both directions together. 0: no limit."},
	{.name = "inbound",
	 .type = CONF_INT,
	 CONF_AT(struct raw_trunk_limits, inbound),
	 .max = 1000000,
	 .def = "0",
	 .help = "Calls at one time that the trunk makes. 0: no limit."},
	{.name = "outbound",
	 .type = CONF_INT,
	 CONF_AT(struct raw_trunk_limits, outbound),
	 .max = 1000000,
	 .def = "0",
	 .help = "Calls at one time that we make to the trunk. 0: no limit."},
	{.name = "rate",
	 .type = CONF_RATE,
	 CONF_AT(struct raw_trunk_limits, rate),
	 .def = "0/s",
	 .help = "New calls in both directions together. Only what is above it is refused. 0/s: "
		 "no limit."},
	{.name = "burst",
	 .type = CONF_INT,
	 CONF_AT(struct raw_trunk_limits, burst),
	 .max = 1000000,
	 .def = "0",
	 .help = "So many of them may come at once. 0: as many as rate says."},
	{.name = "shared",
	 .type = CONF_BOOL,
	 CONF_AT(struct raw_trunk_limits, shared),
	 .def = "on",
	 .help = "With `store.redis` all nodes keep these limits together; off: each for itself."},
};
static const struct conf_section trunk_limits_section = {
	.help = "A call above a limit gets 503 with Retry-After where the trunk makes it; where we "
		"would make it the next target of the route is tried. Emergency calls are never "
		"refused.",
	ROWS(trunk_limits_settings),
	.size = sizeof(struct raw_trunk_limits)};

static const struct conf_setting session_timer_settings[] = {
	{.name = "active",
	 .type = CONF_BOOL,
	 CONF_AT(struct raw_session_timer, active),
	 .def = "on",
	 .help = "off: nothing is said of it, and who requires it gets 420."},
	{.name = "expires",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_session_timer, expires),
	 .min = 90000,
	 .max = 86400000,
	 .def = "30m",
	 .help = "The interval that we ask for, and the longest that we agree to; a refresh comes "
		 "at "
		 "half of it."},
	{.name = "min",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_session_timer, min),
	 .min = 90000,
	 .max = 86400000,
	 .def = "90s",
	 .help = "Who asks for less gets 422."},
};
static const struct conf_section session_timer_section = {
	.help = "Session timers (RFC 4028): each side is refreshed for itself, and a call whose "
		"peer has "
		"gone ends on both sides.",
	ROWS(session_timer_settings),
	.size = sizeof(struct raw_session_timer)};

static const struct conf_setting credentials_settings[] = {
	{.name = "user",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_credentials, user),
	 .flags = CONF_REQUIRED,
	 .help = "As the trunk knows us."},
	{.name = "password",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_credentials, password),
	 .flags = CONF_REQUIRED,
	 .help = "Best as `!credential NAME`."},
	{.name = "realm",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_credentials, realm),
	 .max = 255,
	 .otherwise = "the first realm that the trunk asks for",
	 .help = "The only realm whose challenges are answered."},
};
static const struct conf_section credentials_section = {
	.help = "What we prove who we are with when the trunk asks (401, 407): Digest with "
		"SHA-256, "
		"SHA-512-256 or MD5. Only its own peers get an answer, and only for its own realm.",
	ROWS(credentials_settings),
	.size = sizeof(struct raw_credentials)};

static const struct conf_setting register_settings[] = {
	{.name = "user",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_register, user),
	 .flags = CONF_REQUIRED,
	 .help = "The user of the address that we register, and of our Contact. A call to that "
		 "Contact "
		 "is for the number in P-Called-Party-ID, else in To."},
	{.name = "password",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_register, password),
	 .otherwise = "that of `credentials`; without one a challenge is a refusal",
	 .help = "Serves calls of the trunk too. Best as `!credential NAME`."},
	{.name = "realm",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_register, realm),
	 .max = 255,
	 .otherwise = "the first realm that the trunk asks for",
	 .help = "The only realm whose challenges are answered."},
	{.name = "domain",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_register, domain),
	 .max = 255,
	 .check = config_value_host,
	 .otherwise = "the host of the peer",
	 .help = "The host of that address."},
	{.name = "expires",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_register, expires),
	 .min = 60000,
	 .max = 86400000,
	 .def = "10m",
	 .help = "What we ask for; the registrar has the last word."},
	{.name = "gin",
	 .type = CONF_BOOL,
	 CONF_AT(struct raw_register, gin),
	 .def = "false",
	 .help = "Register all numbers of the site at once (RFC 6140): `Require: gin`, a Contact "
		 "with "
		 "`bnc`."},
};
static const struct conf_section register_section = {
	.help = "A registration of ours at the trunk: kept up as long as we run, taken back at the "
		"end. One "
		"peer at a time, in their order; after a failure the next, then again after a "
		"while "
		"that grows to half an hour.",
	ROWS(register_settings),
	.size = sizeof(struct raw_register)};
static const struct conf_setting caller_settings[] = {
	{.name = "trusted",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_caller, trusted),
	 .words = (const char *const[]){"realm", "yes", "no", NULL},
	 .def = "realm",
	 .help = "Whether what this trunk asserts of a caller is believed, and what others assert "
		 "is shown to it "
		 "(RFC 3325). realm: where the realm's trust is medium or high."},
	{.name = "assert",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_caller, assert),
	 .words = (const char *const[]){"pass", "preferred", "from", NULL},
	 .def = "pass",
	 .help = "Who calls, where a request of this trunk has no P-Asserted-Identity: nobody is "
		 "asserted; whom "
		 "P-Preferred-Identity names; else whom From names. Only of a trunk that is "
		 "trusted."},
	{.name = "form",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_caller, form),
	 .words = (const char *const[]){"pai", "rpid", NULL},
	 .def = "pai",
	 .help = "How this trunk is told: P-Asserted-Identity, or the old Remote-Party-ID. Both "
		 "are "
		 "understood."},
};
static const struct conf_section caller_section = {
	.help = "Who says who calls.", ROWS(caller_settings), .size = sizeof(struct raw_caller)};

static const struct conf_setting trunk_numbers_settings[] = {
	{.name = "in",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_trunk_numbers, in),
	 .otherwise = "as they come",
	 .help = "A name of `numbers`: numbers that come from here become canonical."},
	{.name = "out",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_trunk_numbers, out),
	 .otherwise = "as they are",
	 .help = "A name of `numbers`: canonical numbers become what is wanted here."},
};
static const struct conf_section trunk_numbers_section = {
	.help = "How numbers are written on this trunk.",
	ROWS(trunk_numbers_settings),
	.size = sizeof(struct raw_trunk_numbers)};

static const struct conf_setting trunk_settings[] = {
	{.name = "realm",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_trunk, realm),
	 .flags = CONF_REQUIRED,
	 .help = "A name of `realms`: the side it is on."},
	{.name = "peers",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &peer_section,
	 CONF_AT(struct raw_trunk, peers),
	 .min = 1,
	 .max = 64,
	 .flags = CONF_REQUIRED},
	{.name = "tls",
	 .type = CONF_SECTION,
	 .sub = &trunk_tls_section,
	 CONF_AT(struct raw_trunk, tls)},
	{.name = "identify",
	 .type = CONF_SECTION,
	 .sub = &identify_section,
	 CONF_AT(struct raw_trunk, identify)},
	{.name = "ping",
	 .type = CONF_SECTION,
	 .sub = &ping_section,
	 CONF_AT(struct raw_trunk, ping),
	 .otherwise = "no pings"},
	{.name = "health",
	 .type = CONF_SECTION,
	 .sub = &health_section,
	 CONF_AT(struct raw_trunk, health),
	 .otherwise = "calls are not watched"},
	{.name = "credentials",
	 .type = CONF_SECTION,
	 .sub = &credentials_section,
	 CONF_AT(struct raw_trunk, credentials),
	 .otherwise = "user and password of `register`; without these a challenge is a refusal"},
	{.name = "register",
	 .type = CONF_SECTION,
	 .sub = &register_section,
	 CONF_AT(struct raw_trunk, enrol),
	 .otherwise = "no registration"},
	{.name = "limits",
	 .type = CONF_SECTION,
	 .sub = &trunk_limits_section,
	 CONF_AT(struct raw_trunk, limits)},
	{.name = "limit_duration",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_trunk, limit_duration),
	 .max = 31536000000,
	 .def = "0s",
	 .help = "A call from or to this trunk ends on both sides so long after its answer, "
		 "whatever is "
		 "said; emergency calls do not. 0s: never."},
	{.name = "session_timer",
	 .type = CONF_SECTION,
	 .sub = &session_timer_section,
	 CONF_AT(struct raw_trunk, session_timer),
	 .otherwise = "its defaults: on, 30m, 90s"},
	{.name = "caller",
	 .type = CONF_SECTION,
	 .sub = &caller_section,
	 CONF_AT(struct raw_trunk, caller)},
	{.name = "numbers",
	 .type = CONF_SECTION,
	 .sub = &trunk_numbers_section,
	 CONF_AT(struct raw_trunk, numbers),
	 .otherwise = "numbers stay as they are"},
	{.name = "rates",
	 .type = CONF_PATH,
	 CONF_AT(struct raw_trunk, rates),
	 .otherwise = "what calls cost is not known",
	 .help = "A rate sheet (CSV): prefix, cost per minute, setup fee. For strategy least-cost, "
		 "and "
		 "for what replays say of money. Read anew when it changes."},
	{.name = "identity",
	 .type = CONF_SECTION,
	 .sub = &config_trunk_identity_section,
	 CONF_AT(struct raw_trunk, identity),
	 .otherwise = "nothing is signed or verified"},
	{.name = "diversion",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_trunk, diversion),
	 .words = (const char *const[]){"pass", "none", "diversion", "history-info", NULL},
	 .def = "pass",
	 .help = "What this trunk is told of diversions that a trusted side tells of. pass: as it "
		 "came, to a trusted "
		 "trunk; diversion, history-info: always, in that form, without what wants to be "
		 "private where the trunk is not trusted."},
	{.name = "session_id",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_trunk, session_id),
	 .words = (const char *const[]){"pass", "make", "off", NULL},
	 .def = "pass",
	 .help = "Session-ID (RFC 7989). pass: where the other side has one; make: one of ours "
		 "where it has none."},
	{.name = "redirect",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_trunk, redirect),
	 .words = (const char *const[]){"reject", "pass", "follow", NULL},
	 .def = "reject",
	 .help = "What a 3xx of this trunk comes to. reject: the caller gets 480. pass: the caller "
		 "gets it, with the "
		 "new numbers at our address. follow: we call the new number, if a route leads the "
		 "caller's trunk to "
		 "the peer that the contact names."},
	{.name = "redirects",
	 .type = CONF_INT,
	 CONF_AT(struct raw_trunk, redirects),
	 .min = 1,
	 .max = 16,
	 .def = "5",
	 .unit = "contacts",
	 .help = "One call follows at most so many."},
	{.name = "initial_offer",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_trunk, initial_offer),
	 .words = (const char *const[]){"pass", "early", "late", NULL},
	 .def = "pass",
	 .help = "Whether calls to this trunk begin with an offer of SDP. pass: as the caller's "
		 "INVITE did. early: "
		 "always; where the caller has none we write one by the media policies. late: "
		 "never."},
	{.name = "overload_control",
	 .type = CONF_BOOL,
	 CONF_AT(struct raw_trunk, overload_control),
	 .def = "off",
	 .help = "Our requests to this trunk ask for its load (RFC 7339, `oc` in Via); of new "
		 "calls we "
		 "keep from a peer what it does not want, and try the next one."},
	{.name = "reliable",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_trunk, reliable),
	 .words = (const char *const[]){"supported", "require", "off", NULL},
	 .def = "supported",
	 .help = "Reliable 18x (RFC 3262) with this trunk. supported: where it can. require: calls "
		 "that it begins "
		 "without 100rel get 421, and it must send them so. off: never; one that insists "
		 "gets 420."},
	{.name = "refer",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_trunk, refer),
	 .words = (const char *const[]){"reject", "local", "pass", NULL},
	 .otherwise = "local in a realm of trust medium or high, else reject",
	 .help = "What becomes of a transfer that it asks for (REFER, or an INVITE with Replaces). "
		 "local: we carry it out, its target goes the way of a new call from this trunk; "
		 "pass: the other side is asked to; reject: 603."},
	{.name = "methods",
	 .type = CONF_LIST_OF,
	 .item = CONF_ENUM,
	 CONF_AT(struct raw_trunk, methods),
	 .words = config_method_words,
	 .max = 5,
	 .otherwise = "MESSAGE, SUBSCRIBE, NOTIFY and PUBLISH in a realm of trust medium or high, "
		      "else none",
	 .help = "What it may send outside of calls, and what may go to it: both sides must name "
		 "it. An OPTIONS that names "
		 "nobody is always answered by us. Documents about presence and dialogs go to "
		 "realms of trust medium or high alone."},
};
const struct conf_section config_trunk_section = {.help = "A far SIP system and how we treat it.",
						  ROWS(trunk_settings),
						  .size = sizeof(struct raw_trunk)};
