#include "sbc/config_sections.h"

#include "common/sdes.h"
#include "sbc/config_tables.h"
#include "sbc/config_value.h"
#include "sbc/core/hdr.h"

static void check_media_type(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	size_t slash = str_index(s, '/');
	if (!hdr_is_token((struct str){s.p, slash}) || !hdr_is_token(str_from_offset(s, slash + 1)))
		conf_error(
			r, n,
			"\"%.*s\" is not a media type; allowed: TYPE/SUBTYPE, without parameters",
			STR_ARG(s));
	else if (str_has_iprefix(s, STR("multipart/")) || str_ieq(s, STR("application/sdp")))
		conf_error(r, n, "\"%.*s\" is always read; named here are the parts beside it",
			   STR_ARG(s));
}

static void check_local_address(struct conf_report *r, const struct conf_node *n, const void *value)
{
	enum addr_class c = addr_class(value);
	if (c == ADDR_CLASS_UNSPECIFIED || c == ADDR_CLASS_MULTICAST || c == ADDR_CLASS_BROADCAST)
		conf_error(r, n,
			   "\"%.*s\" is not an address that others can answer to; allowed: an "
			   "address of this host",
			   STR_ARG(n->text));
}

static void check_ws_path(struct conf_report *r, const struct conf_node *n, const void *value)
{
	const struct str *s = value;
	bool good = s->len > 0 && s->p[0] == '/';
	for (size_t i = 0; i < s->len; i++)
		good = good && s->p[i] > ' ' && s->p[i] < 0x7f && s->p[i] != '?' && s->p[i] != '#';
	if (!good)
		conf_error(r, n, "a path begins with / and has no ? or #");
}

const char *const config_trust_words[] = {"none", "low", "medium", "high", NULL};

static const struct conf_setting listener_settings[] = {
	{.name = "transport",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_listener, transport),
	 .words = (const char *const[]){"udp", "tcp", "tls", "ws", "wss", NULL},
	 .flags = CONF_REQUIRED | CONF_RESTART,
	 .help = "ws and wss are for browsers (RFC 7118)."},
	{.name = "address",
	 .type = CONF_ADDRESS,
	 CONF_AT(struct raw_listener, address),
	 .check = check_local_address,
	 .flags = CONF_REQUIRED | CONF_RESTART,
	 .help = "An address of this host; it is also what Via and Contact show on this side."},
	{.name = "port",
	 .type = CONF_INT,
	 CONF_AT(struct raw_listener, port),
	 .min = 1,
	 .max = 65535,
	 .otherwise = "5061 for tls, 80 for ws, 443 for wss, else 5060",
	 .flags = CONF_RESTART},
	{.name = "certificate",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_listener, certificate),
	 .otherwise = "needed for tls and wss",
	 .help = "A name of `certificates`."},
	{.name = "client_certificate",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_listener, client_certificate),
	 .words = (const char *const[]){"off", "optional", "required", NULL},
	 .otherwise = "optional if a trunk of the realm is known by a certificate name, else off",
	 .help = "Whether the far end is asked for a certificate when it connects. One that is "
		 "presented and "
		 "does not verify always ends the connection."},
	{.name = "client_anchors",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_listener, client_anchors),
	 .otherwise = "those that trunks of the realm name in `tls.verify`; where trunks are known "
		      "by a certificate name, theirs only; if none does, the system's",
	 .help = "A name of `trust_anchors`: what client certificates are verified with."},
	{.name = "path",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_listener, path),
	 .max = 255,
	 .def = "/",
	 .check = check_ws_path,
	 .flags = CONF_RESTART,
	 .help = "ws and wss: the path that must be asked for; another gets 404."},
	{.name = "origins",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_listener, origins),
	 .max = 64,
	 .otherwise = "any",
	 .flags = CONF_RESTART,
	 .help = "ws and wss: the pages that may connect, as the browser says them, "
		 "`https://phone.example.net`; others, and clients that say none, get 403."},
	{.name = "dscp",
	 .type = CONF_INT,
	 CONF_AT(struct raw_listener, dscp),
	 .max = 63,
	 .def = "0",
	 .flags = CONF_RESTART,
	 .help = "Code point (RFC 2474) of the packets that leave from here; 24 is usual for "
		 "signalling."},
};
static const struct conf_section listener_section = {.help = "Where SIP is heard.",
						     ROWS(listener_settings),
						     .size = sizeof(struct raw_listener)};

static const struct conf_setting acl_settings[] = {
	{.name = "allow",
	 .type = CONF_LIST_OF,
	 .item = CONF_PREFIX,
	 CONF_AT(struct raw_acl, allow),
	 .max = 4096},
	{.name = "deny",
	 .type = CONF_LIST_OF,
	 .item = CONF_PREFIX,
	 CONF_AT(struct raw_acl, deny),
	 .max = 4096},
	{.name = "default",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_acl, otherwise),
	 .words = (const char *const[]){"deny", "reject", "allow", NULL},
	 .otherwise = "deny if `allow` is given, else allow",
	 .help = "Sources in neither list. deny: silence; reject: 403; allow: go on to ask which "
		 "trunk it is."},
};
static const struct conf_section acl_section = {
	.help = "Who may speak here at all, asked before anything is parsed. The longest matching "
		"prefix decides; "
		"the same prefix in both lists denies. With `default: deny` a request that no "
		"trunk sent gets "
		"silence too, else 403. Every drop is counted.",
	ROWS(acl_settings),
	.size = sizeof(struct raw_acl)};

static const struct conf_setting realm_settings[] = {
	{.name = "trust",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_realm, trust),
	 .words = config_trust_words,
	 .def = "none",
	 .help = "What is believed of this side; header rules ask for it."},
	{.name = "listen",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &listener_section,
	 CONF_AT(struct raw_realm, listen),
	 .min = 1,
	 .max = 64,
	 .flags = CONF_REQUIRED | CONF_RESTART},
	{.name = "media",
	 .type = CONF_SECTION,
	 .sub = &relay_conf_media_section,
	 CONF_AT(struct raw_realm, media)},
	{.name = "media_policy",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_realm, media_policy),
	 .otherwise = "srtp-only where trust is none, else plain-or-srtp",
	 .help = "A name of `media_policies`, or one of the two that are built in: `srtp-only` "
		 "(rtp: forbid, "
		 "srtp: require) and `plain-or-srtp` (rtp: allow, srtp: allow)."},
	{.name = "header_rules",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_realm, header_rules),
	 .otherwise = "a short list of harmless headers is carried",
	 .help = "A name of `header_rules`."},
	{.name = "admission",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_realm, admission),
	 .otherwise = "no limit on how fast a source may ask",
	 .help = "A name of `admission`."},
	{.name = "bodies",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_realm, bodies),
	 .max = SETTINGS_BODIES_MAX,
	 .check = check_media_type,
	 .otherwise = "none",
	 .help = "Types of bodies that cross beside SDP, to and from realms that name them too: "
		 "application/pidf+xml, application/isup. Others are dropped where they are "
		 "optional, else refused with 415. application/rs-metadata+xml lets recordings "
		 "(SIPREC) in."},
	{.name = "acl",
	 .type = CONF_SECTION,
	 .sub = &acl_section,
	 CONF_AT(struct raw_realm, acl),
	 .otherwise = "every source is heard, and must still be a trunk's"},
};
const struct conf_section config_realm_section = {
	.help = "One for each side of the network: where we listen, what we believe, what we show. "
		"A new, "
		"renamed or moved realm needs a restart.",
	ROWS(realm_settings),
	.size = sizeof(struct raw_realm)};

static const struct conf_setting requests_settings[] = {
	{.name = "per_source",
	 .type = CONF_RATE,
	 CONF_AT(struct raw_requests, per_source),
	 .def = "0/s",
	 .help = "Requests outside of dialogs from one address (IPv6: a /64), over all transports. "
		 "What is above it is not looked at: a trunk gets 503 with Retry-After, anyone "
		 "else "
		 "403 where the realm's acl has `default: reject`, else nothing. Emergency calls "
		 "of "
		 "trunks pass. 0/s: no limit."},
	{.name = "burst",
	 .type = CONF_INT,
	 CONF_AT(struct raw_requests, burst),
	 .max = 1000000,
	 .def = "0",
	 .help = "So many of them may come at once. 0: as many as per_source says."},
};
static const struct conf_section requests_section = {.help = "How fast a source may ask.",
						     ROWS(requests_settings),
						     .size = sizeof(struct raw_requests)};

static const struct conf_setting register_settings[] = {
	{.name = "per_source",
	 .type = CONF_RATE,
	 CONF_AT(struct raw_register_limits, per_source),
	 .def = "0/s",
	 .help = "REGISTERs from one address (IPv6: a /64); those above it are treated as "
		 "`requests.per_source` says. 0/s: no limit."},
	{.name = "failures",
	 .type = CONF_RATE,
	 CONF_AT(struct raw_register_limits, failures),
	 .def = "0/s",
	 .help = "Wrong passwords, of any request, from one address: at the last of these the "
		 "address is banned. Users are never locked out. 0/s: they are not counted."},
	{.name = "ban",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_register_limits, ban),
	 .min = 1000,
	 .max = 31536000000,
	 .otherwise = "bans.first",
	 .help = "How long the first ban lasts."},
};
static const struct conf_section register_section = {
	.help = "Registrations, and guessing of passwords.",
	ROWS(register_settings),
	.size = sizeof(struct raw_register_limits)};

static const struct conf_setting quota_settings[] = {
	{.name = "sessions",
	 .type = CONF_INT,
	 CONF_AT(struct raw_quota, sessions),
	 .max = 1000000,
	 .def = "0",
	 .help = "Calls at one time. 0: no limit."},
	{.name = "rate",
	 .type = CONF_RATE,
	 CONF_AT(struct raw_quota, rate),
	 .def = "0/s",
	 .help = "New calls. Only what is above it is refused. 0/s: no limit."},
	{.name = "burst",
	 .type = CONF_INT,
	 CONF_AT(struct raw_quota, burst),
	 .max = 1000000,
	 .def = "0",
	 .help = "So many of them may come at once. 0: as many as rate says."},
};
static const struct conf_section quota_section = {
	.help = "Of each of them.", ROWS(quota_settings), .size = sizeof(struct raw_quota)};

static const struct conf_setting quotas_settings[] = {
	{.name = "per_user",
	 .type = CONF_SECTION,
	 .sub = &quota_section,
	 CONF_AT(struct raw_quotas, per_user)},
	{.name = "per_caller",
	 .type = CONF_SECTION,
	 .sub = &quota_section,
	 CONF_AT(struct raw_quotas, per_caller)},
	{.name = "per_destination",
	 .type = CONF_SECTION,
	 .sub = &quota_section,
	 CONF_AT(struct raw_quotas, per_destination)},
};
static const struct conf_section quotas_section = {
	.help = "What calls that come in here may be, of one user that has registered through us, "
		"of one "
		"calling number, of one called number; both as number rules make them. A call "
		"above it "
		"gets 503 with Retry-After from a trunk, 403 from a user; emergency calls pass. "
		"Where "
		"a transfer leads counts for per_destination.",
	ROWS(quotas_settings),
	.size = sizeof(struct raw_quotas)};

static const struct conf_setting admission_settings[] = {
	{.name = "calls",
	 .type = CONF_SECTION,
	 .sub = &quotas_section,
	 CONF_AT(struct raw_admission, calls)},
	{.name = "register",
	 .type = CONF_SECTION,
	 .sub = &register_section,
	 CONF_AT(struct raw_admission, registers)},
	{.name = "unknown_methods",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_admission, unknown_methods),
	 .words = (const char *const[]){"answer", "drop", NULL},
	 .def = "answer",
	 .help = "Requests of methods that are no word of SIP get 405, or nothing."},
	{.name = "requests",
	 .type = CONF_SECTION,
	 .sub = &requests_section,
	 CONF_AT(struct raw_admission, requests)},
};
const struct conf_section config_admission_section = {
	.help = "Who may ask how much of us; `realms.X.admission` names one of these.",
	ROWS(admission_settings),
	.size = sizeof(struct raw_admission)};

static const char *const suite_words[] = {
#define X(name, key, salt, rtp_tag, rtcp_tag) #name,
	SDES_SUITE_TABLE(X)
#undef X
		NULL};

static const struct conf_setting codecs_settings[] = {
	{.name = "allow",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_codecs, allow),
	 .min = 1,
	 .max = MEDIA_CODECS_MAX,
	 .otherwise = "all",
	 .help = "Codecs that may be used; an offer with none of them gets 488."},
	{.name = "order",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_codecs, order),
	 .min = 1,
	 .max = MEDIA_CODECS_MAX,
	 .otherwise = "as offered",
	 .help = "Codecs to name first, in this order."},
};
static const struct conf_section codecs_section = {
	.help = "Codecs by their SDP names, letters in either case.",
	ROWS(codecs_settings),
	.size = sizeof(struct raw_codecs)};

static const struct conf_setting media_policy_settings[] = {
	{.name = "rtp",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_media_policy, rtp),
	 .words = (const char *const[]){"forbid", "allow", NULL},
	 .otherwise = "forbid if srtp is required, else allow",
	 .help = "Plain RTP on this side."},
	{.name = "srtp",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_media_policy, srtp),
	 .words = (const char *const[]){"forbid", "allow", "prefer", "require", NULL},
	 .def = "allow",
	 .help = "allow: taken when it comes; prefer: also asked for in our offers; require: "
		 "nothing else, an "
		 "offer without it gets 488. There is no fallback from one to the other within a "
		 "call."},
	{.name = "keying",
	 .type = CONF_LIST_OF,
	 .item = CONF_ENUM,
	 CONF_AT(struct raw_media_policy, keying),
	 .words = (const char *const[]){"sdes", "dtls", NULL},
	 .def = "sdes",
	 .help = "How SRTP keys are agreed: in the SDP (RFC 4568), or in the media (RFC 5764). "
		 "What "
		 "comes may be any of these, our offers have the first. SDES keys are taken over "
		 "TLS signalling only."},
	{.name = "suites",
	 .type = CONF_LIST_OF,
	 .item = CONF_ENUM,
	 CONF_AT(struct raw_media_policy, suites),
	 .words = suite_words,
	 .max = MEDIA_SUITES_MAX,
	 .def = "AEAD_AES_256_GCM, AEAD_AES_128_GCM, AES_256_CM_HMAC_SHA1_80, "
		"AES_CM_128_HMAC_SHA1_80",
	 .help = "SRTP suites, in order of preference."},
	{.name = "codecs",
	 .type = CONF_SECTION,
	 .sub = &codecs_section,
	 CONF_AT(struct raw_media_policy, codecs)},
	{.name = "rtcp_mux",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_media_policy, rtcp_mux),
	 .words = (const char *const[]){"reject", "accept", "offer", "require", NULL},
	 .def = "accept",
	 .help = "RTP and RTCP on one port (RFC 5761). accept: taken when the far end offers it; "
		 "offer: our offers have it too; require: they have no second port, as browsers "
		 "want it."},
	{.name = "dtmf",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_media_policy, dtmf),
	 .words = (const char *const[]){"rfc4733", "info", "auto", NULL},
	 .def = "rfc4733",
	 .help = "How this side tells the keys that are pressed. rfc4733: as telephone events in "
		 "the "
		 "media, which pass; info: in INFO requests (application/dtmf-relay), and no "
		 "telephone event is offered to it; auto: as events where its SDP names them, else "
		 "in INFO. Between two sides that differ each key is translated, once."},
	{.name = "timeout",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_media_policy, timeout),
	 .max = 86400000,
	 .def = "60s",
	 .help = "A call ends when nothing was heard from this side for so long, unless it is on "
		 "hold. 0s: never."},
	{.name = "t38",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_media_policy, t38),
	 .words = (const char *const[]){"forbid", "pass", NULL},
	 .otherwise = "pass where plain RTP is allowed, else forbid",
	 .help = "Fax over UDPTL. It has no encryption."},
	{.name = "recording",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_media_policy, recording),
	 .words = (const char *const[]){"off", NULL},
	 .def = "off"},
};
const struct conf_section config_media_policy_section = {
	.help = "What media a side may send and gets.",
	ROWS(media_policy_settings),
	.size = sizeof(struct raw_media_policy)};
