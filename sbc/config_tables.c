#include "sbc/config_tables.h"

#include "common/log.h"
#include "common/sdes.h"
#include "policy/pattern.h"
#include "sbc/core/method.h"
#include "sbc/core/rules.h"

#define ROWS(s) .settings = (s), .count = ARRAY_LEN(s)

/* ---- checks of single values */

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool letter =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!letter && !str_has_char(STR("-.!%*_+`'~"), c))
			return false;
	}
	return s.len > 0;
}

static void check_host(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-' || c == '.';
		if (!good) {
			conf_error(r, n,
				   "\"%.*s\" is not allowed here; allowed: a host name of letters, "
				   "digits, "
				   "\"-\" and \".\"",
				   STR_ARG(s));
			return;
		}
	}
}

static void check_header(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	if (!is_token(s)) {
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
	if (is_token(s) && rules_may_name(s, true) && !rules_may_name(s, false))
		conf_error(r, n, "\"%.*s\" names a product and never crosses; it may be set",
			   STR_ARG(s));
}

static void check_media_type(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	size_t slash = str_index(s, '/');
	if (!is_token((struct str){s.p, slash}) || !is_token(str_from_offset(s, slash + 1)))
		conf_error(
			r, n,
			"\"%.*s\" is not a media type; allowed: TYPE/SUBTYPE, without parameters",
			STR_ARG(s));
	else if (str_has_iprefix(s, STR("multipart/")) || str_ieq(s, STR("application/sdp")))
		conf_error(r, n, "\"%.*s\" is always read; named here are the parts beside it",
			   STR_ARG(s));
}

static void check_method(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	if (!is_token(s) || method_find(s) == METHOD_OTHER)
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

static void check_header_value(struct conf_report *r, const struct conf_node *n, const void *value)
{
	static const struct str known[] = {STR("node.name"), STR("call.from.number"),
					   STR("call.to.number"), STR("call.id")};
	struct str rest = *(const struct str *)value, name;
	if (str_has_char(rest, '\r') || str_has_char(rest, '\n'))
		conf_error(r, n, "a header's value is one line");
	while ((name = rules_unknown_variable(rest)).p != NULL) {
		struct conf_guess g;
		conf_guess_init(&g, name);
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			conf_guess_add(&g, known[i]);
		char mean[200];
		struct buf b;
		buf_init(&b, mean, sizeof(mean));
		conf_guess_write(&b, &g);
		conf_error(r, n,
			   "\"${%.*s}\" is not known%.*s${node.name}, ${call.from.number}, "
			   "${call.to.number}, ${call.id}, ${header.NAME}",
			   STR_ARG(name), (int)b.len, mean);
		rest = str_sub(name.p + name.len, rest.p + rest.len);
	}
}

static void check_pattern(struct conf_report *r, const struct conf_node *n, const void *value)
{
	char memory[16384], why[200];
	struct arena a;
	struct buf b;
	const struct route_pattern *p;
	arena_init(&a, memory, sizeof(memory));
	buf_init(&b, why, sizeof(why));
	struct str text = *(const struct str *)value;
	enum err e = pattern_compile(&a, text, &p, &b);
	if (e == ERR_BAD)
		conf_error(r, n, "\"%.*s\" is not a regular expression: %.*s", STR_ARG(text),
			   (int)b.len, why);
	else if (e != OK)
		conf_error(r, n, "the expression is too large; allowed: 512 letters, a few groups");
}

static void check_line(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	if (!hdr_is_clean(s))
		conf_error(r, n, "a header's value is one line");
}

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

static void check_absolute(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	if (s.p[0] != '/')
		conf_error(r, n,
			   "\"%.*s\" is not allowed here; allowed: a path that begins with \"/\"",
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

/* ---- tables, inner sections first */

static const char *const trust_words[] = {"none", "low", "medium", "high", NULL};

static const struct conf_setting node_settings[] = {
	{.name = "name",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_node, name),
	 .max = 255,
	 .check = check_host,
	 .otherwise = "the host's name",
	 .flags = CONF_RESTART,
	 .help = "What this node calls itself: Call-ID, CDR, ${node.name}."},
	{.name = "workers",
	 .type = CONF_INT,
	 CONF_AT(struct raw_node, workers),
	 .words = (const char *const[]){"auto", NULL},
	 .min = 1,
	 .max = 1,
	 .def = "auto",
	 .flags = CONF_RESTART,
	 .help = "Threads that signal. This release runs one."},
	{.name = "run_as",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_node, run_as),
	 .max = 32,
	 .otherwise = "whoever started it",
	 .flags = CONF_RESTART,
	 .help = "User to become when started as root, without systemd."},
	{.name = "resolver",
	 .type = CONF_LIST_OF,
	 .item = CONF_ADDRESS_PORT,
	 CONF_AT(struct raw_node, resolver),
	 .max = 8,
	 .otherwise = "as /etc/resolv.conf says",
	 .flags = CONF_RESTART,
	 .help = "DNS servers to ask, each with its port: 192.0.2.53:53."},
};
static const struct conf_section node_section = {
	.help = "This node.", ROWS(node_settings), .size = sizeof(struct raw_node)};

static const struct conf_setting certificate_settings[] = {
	{.name = "chain",
	 .type = CONF_PATH,
	 CONF_AT(struct raw_certificate, chain),
	 .flags = CONF_REQUIRED,
	 .help = "PEM file: the leaf first, then the intermediates."},
	{.name = "key",
	 .type = CONF_SOURCE,
	 CONF_AT(struct raw_certificate, key),
	 .flags = CONF_REQUIRED,
	 .help = "PEM file of the private key, without a password."},
	{.name = "min_version",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_certificate, min_version),
	 .words = (const char *const[]){"1.2", "1.3", NULL},
	 .def = "1.2",
	 .help = "The oldest TLS that is spoken with this certificate."},
};
static const struct conf_section certificate_section = {
	.help = "Certificates of ours, named once and used by listeners and trunks. The files are "
		"read again at "
		"reload.",
	ROWS(certificate_settings),
	.size = sizeof(struct raw_certificate)};

static const struct conf_section anchor_section = {.size = sizeof(struct raw_anchor)};

static void check_ws_path(struct conf_report *r, const struct conf_node *n, const void *value)
{
	const struct str *s = value;
	bool good = s->len > 0 && s->p[0] == '/';
	for (size_t i = 0; i < s->len; i++)
		good = good && s->p[i] > ' ' && s->p[i] < 0x7f && s->p[i] != '?' && s->p[i] != '#';
	if (!good)
		conf_error(r, n, "a path begins with / and has no ? or #");
}

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
	 .words = trust_words,
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
static const struct conf_section realm_section = {
	.help = "One for each side of the network: where we listen, what we believe, what we show. "
		"A new, "
		"renamed or moved realm needs a restart.",
	ROWS(realm_settings),
	.size = sizeof(struct raw_realm)};

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
	 .words = (const char *const[]){"sdes", NULL},
	 .def = "sdes",
	 .help = "How SRTP keys are agreed. SDES keys are taken over TLS signalling only."},
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
	 .words = (const char *const[]){"accept", NULL},
	 .def = "accept",
	 .help = "RTP and RTCP on one port: taken when the far end offers it."},
	{.name = "dtmf",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_media_policy, dtmf),
	 .words = (const char *const[]){"rfc4733", NULL},
	 .def = "rfc4733",
	 .help = "Telephone events pass in the media."},
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
static const struct conf_section media_policy_section = {
	.help = "What media a side may send and gets.",
	ROWS(media_policy_settings),
	.size = sizeof(struct raw_media_policy)};

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
	 .check = check_host,
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
	 .check = check_host,
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
	 .check = check_host,
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

static const char *const method_words[] = {"MESSAGE", "SUBSCRIBE", "NOTIFY",
					   "PUBLISH", "OPTIONS",   NULL};
const uint32_t config_methods[] = {1u << METHOD_MESSAGE, 1u << METHOD_SUBSCRIBE,
				   1u << METHOD_NOTIFY, 1u << METHOD_PUBLISH, 1u << METHOD_OPTIONS};
_Static_assert(ARRAY_LEN(config_methods) + 1 == ARRAY_LEN(method_words), "a bit for each word");
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
	 .check = check_host,
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

static const struct conf_setting number_rule_settings[] = {
	{.name = "match",
	 .type = CONF_REGEX,
	 CONF_AT(struct raw_number_rule, match),
	 .min = 1,
	 .check = check_pattern,
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
static const struct conf_section number_rule_section = {
	.help = "Tried in order; the first that matches counts.",
	ROWS(number_rule_settings),
	.size = sizeof(struct raw_number_rule)};

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
	 .words = method_words,
	 .max = 5,
	 .otherwise = "MESSAGE, SUBSCRIBE, NOTIFY and PUBLISH in a realm of trust medium or high, "
		      "else none",
	 .help = "What it may send outside of calls, and what may go to it: both sides must name "
		 "it. An OPTIONS that names "
		 "nobody is always answered by us. Documents about presence and dialogs go to "
		 "realms of trust medium or high alone."},
};
static const struct conf_section trunk_section = {.help = "A far SIP system and how we treat it.",
						  ROWS(trunk_settings),
						  .size = sizeof(struct raw_trunk)};

static const struct conf_setting refresh_settings[] = {
	{.name = "from_user",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_refresh, from_user),
	 .min = 20000,
	 .max = 86400000,
	 .def = "60s",
	 .help = "How often a user must come again: its path through NATs stays open."},
	{.name = "to_registrar",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_refresh, to_registrar),
	 .min = 60000,
	 .max = 86400000,
	 .def = "10m",
	 .help = "How often the registrar hears of it. Between them we answer."},
};
static const struct conf_section refresh_section = {.help = "How long registrations last.",
						    ROWS(refresh_settings),
						    .size = sizeof(struct raw_refresh)};

static const struct conf_setting per_user_settings[] = {
	{.name = "sessions",
	 .type = CONF_INT,
	 CONF_AT(struct raw_per_user, sessions),
	 .min = 1,
	 .max = 1000,
	 .def = "4",
	 .help = "Calls at one time; the next gets 403 where it comes from, 486 where it goes to."},
	{.name = "contacts",
	 .type = CONF_INT,
	 CONF_AT(struct raw_per_user, contacts),
	 .min = 1,
	 .max = 10,
	 .def = "5",
	 .help = "Registrations at one time; the next gets 403."},
};
static const struct conf_section per_user_section = {.help = "What one user may have.",
						     ROWS(per_user_settings),
						     .size = sizeof(struct raw_per_user)};

static const struct conf_setting account_settings[] = {
	{.name = "user",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_account, user),
	 .min = 1,
	 .max = 64,
	 .flags = CONF_REQUIRED},
	{.name = "password",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_account, password),
	 .min = 1,
	 .max = 128,
	 .flags = CONF_REQUIRED,
	 .help = "In the file, or !env NAME."},
};
static const struct conf_section account_section = {
	.help = "For `auth: local`.", ROWS(account_settings), .size = sizeof(struct raw_account)};

static const struct conf_setting users_settings[] = {
	{.name = "realm",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_users, realm),
	 .flags = CONF_REQUIRED,
	 .help = "A name of `realms`: the side that they speak from."},
	{.name = "domains",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_users, domains),
	 .min = 1,
	 .max = 16,
	 .check = check_host,
	 .flags = CONF_REQUIRED,
	 .help = "Hosts of their addresses: sip:USER@DOMAIN. REGISTERs for others get 403."},
	{.name = "registrar",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_users, registrar),
	 .otherwise = "with `auth: local` we are the registrar; else needed",
	 .help = "A name of `trunks`: REGISTERs go there with a contact of ours, its calls to that "
		 "contact go down the user's connection."},
	{.name = "refresh",
	 .type = CONF_SECTION,
	 .sub = &refresh_section,
	 CONF_AT(struct raw_users, refresh)},
	{.name = "per_user",
	 .type = CONF_SECTION,
	 .sub = &per_user_section,
	 CONF_AT(struct raw_users, per_user)},
	{.name = "auth",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_users, auth),
	 .words = (const char *const[]){"registrar", "local", NULL},
	 .def = "registrar",
	 .help = "Who asks for the password. registrar: its challenge and the answer pass through. "
		 "local: we do, by `accounts`."},
	{.name = "accounts",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &account_section,
	 CONF_AT(struct raw_users, accounts),
	 .max = 10000},
	{.name = "methods",
	 .type = CONF_LIST_OF,
	 .item = CONF_ENUM,
	 CONF_AT(struct raw_users, methods),
	 .words = method_words,
	 .max = 5,
	 .def = "MESSAGE, SUBSCRIBE, NOTIFY, PUBLISH",
	 .help = "As with trunks, for those who are registered."},
};
static const struct conf_section users_section = {
	.help = "Phones and browsers that register through us. Routes name such a group as they "
		"name a trunk; a request is of the group when it comes over a connection (UDP: "
		"from "
		"an address) that has registered.",
	ROWS(users_settings),
	.size = sizeof(struct raw_users)};

static const struct conf_setting edit_when_settings[] = {
	{.name = "trust_below",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_edit_when, trust_below),
	 .words = trust_words,
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
	 .check = check_pattern,
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
	 .check = check_header_value,
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
	 .check = check_pattern,
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
static const struct conf_section header_rules_section = {
	.help = "Which headers cross and how they are changed.",
	ROWS(header_rules_settings),
	.size = sizeof(struct raw_header_rules)};

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
	 .check = check_pattern,
	 .otherwise = "any number",
	 .help = "Perl-like regular expressions over the user part of the Request-URI; one must "
		 "match."},
	{.name = "domain",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_route_when, domain),
	 .min = 1,
	 .max = ROUTE_NUMBERS_MAX,
	 .check = check_host,
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
	 .check = check_header_value,
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
static const struct conf_section route_section = {
	.help = "Where calls go. The first that matches wins; if none does, 404.",
	ROWS(route_settings),
	.size = sizeof(struct raw_route)};

static const struct conf_setting relay_settings[] = {
	{.name = "name",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_relay, name),
	 .max = CONF_NAME_MAX,
	 .flags = CONF_REQUIRED | CONF_RESTART},
	{.name = "url",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_relay, url),
	 .check = relay_conf_check_url,
	 .flags = CONF_REQUIRED | CONF_RESTART,
	 .help = "`ng+unix:/PATH` or `ng+udp:ADDRESS:PORT`."},
	{.name = "weight",
	 .type = CONF_INT,
	 .flags = CONF_RESTART,
	 CONF_AT(struct raw_relay, weight),
	 .max = 65535,
	 .def = "100",
	 .help = "Share of the calls; 0: used only when all others are down."},
};
static const struct conf_section relay_section = {
	.help = "The media relays that calls may use. Left out: one, `" RELAY_CONF_DEFAULT_URL "`.",
	ROWS(relay_settings),
	.size = sizeof(struct raw_relay)};

static const struct conf_setting cdr_settings[] = {
	{.name = "to",
	 .type = CONF_ENUM,
	 .flags = CONF_RESTART,
	 CONF_AT(struct raw_cdr, to),
	 .words = (const char *const[]){"file", NULL},
	 .def = "file"},
	{.name = "path",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_cdr, path),
	 .check = check_absolute,
	 .flags = CONF_REQUIRED | CONF_RESTART},
	{.name = "format",
	 .type = CONF_ENUM,
	 .flags = CONF_RESTART,
	 CONF_AT(struct raw_cdr, format),
	 .words = (const char *const[]){"jsonl", NULL},
	 .def = "jsonl",
	 .help = "One JSON object a line."},
	{.name = "rotate",
	 .type = CONF_DURATION,
	 .flags = CONF_RESTART,
	 CONF_AT(struct raw_cdr, rotate),
	 .min = 60000,
	 .max = 7ULL * 86400000,
	 .otherwise = "never",
	 .help = "A new file each time."},
};
static const struct conf_section cdr_section = {
	.help = "Where call detail records go. Left out: `/var/log/sallyport/cdr.jsonl`.",
	ROWS(cdr_settings),
	.size = sizeof(struct raw_cdr)};

static const struct conf_setting http_settings[] = {
	{.name = "address",
	 .type = CONF_ADDRESS,
	 CONF_AT(struct raw_http, address),
	 .flags = CONF_REQUIRED | CONF_RESTART},
	{.name = "port",
	 .type = CONF_INT,
	 CONF_AT(struct raw_http, port),
	 .min = 1,
	 .max = 65535,
	 .def = "9080",
	 .flags = CONF_RESTART},
	{.name = "pages",
	 .type = CONF_LIST_OF,
	 .item = CONF_ENUM,
	 .flags = CONF_RESTART,
	 CONF_AT(struct raw_http, pages),
	 .words = (const char *const[]){"metrics", "health", NULL},
	 .min = 1,
	 .def = "metrics, health",
	 .help = "metrics: /metrics for Prometheus; health: /health."},
};
static const struct conf_section http_section = {
	.help = "Plain HTTP, without a password. Left out: 127.0.0.1:9080.",
	ROWS(http_settings),
	.size = sizeof(struct raw_http)};

static const struct conf_setting log_settings[] = {
	{.name = "level",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_log, v.level),
	 .words = (const char *const[]){"error", "warn", "info", "debug", NULL},
	 .def = "info"},
	{.name = "sip",
	 .type = CONF_BOOL,
	 CONF_AT(struct raw_log, v.sip),
	 .def = "off",
	 .help = "A line for each SIP message. Without bodies: keys are in them."},
};
_Static_assert(LOG_LEVEL_ERROR == 0 && LOG_LEVEL_WARN == 1 && LOG_LEVEL_INFO == 2 &&
		       LOG_LEVEL_DEBUG == 3,
	       "the words of log.level stand in the order of enum log_level");
static const struct conf_section log_section = {
	.help = "Lines on standard error; the journal under systemd.",
	ROWS(log_settings),
	.size = sizeof(struct raw_log)};

static const struct conf_setting observe_settings[] = {
	{.name = "http",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &http_section,
	 CONF_AT(struct raw_observe, http),
	 .max = 8},
	{.name = "control",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_observe, control),
	 .max = 107,
	 .check = check_absolute,
	 .def = "/run/sallyport/sbc.sock",
	 .flags = CONF_RESTART,
	 .help = "Unix socket of the command `sallyport`."},
	{.name = "log",
	 .type = CONF_SECTION,
	 .sub = &log_section,
	 CONF_AT(struct raw_observe, log)},
};
static const struct conf_section observe_section = {.help = "What can be seen of it.",
						    ROWS(observe_settings),
						    .size = sizeof(struct raw_observe)};

static const struct conf_setting overload_settings[] = {
	{.name = "delay",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_overload, v.delay_ms),
	 .max = 10000,
	 .def = "50ms",
	 .help = "Where messages wait longer than this before we look at them, a growing share of "
		 "new "
		 "requests gets 503, until they do not; calls that are up and emergency calls do "
		 "not. "
		 "0s: never."},
	{.name = "retry_after",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_overload, v.retry_after_ms),
	 .min = 1000,
	 .max = 3600000,
	 .def = "10s",
	 .help = "Retry-After of those 503, from half of it to one and a half, by chance."},
};
static const struct conf_section overload_section = {
	.help = "New work is refused first, so that what was begun is finished.",
	ROWS(overload_settings),
	.size = sizeof(struct raw_overload)};

static const struct conf_setting limits_settings[] = {
	{.name = "calls",
	 .type = CONF_INT,
	 CONF_AT(struct raw_limits, v.calls),
	 .min = 1,
	 .max = 1000000,
	 .def = "10000",
	 .flags = CONF_RESTART,
	 .help = "Calls at one time. The next gets 503; those that are go on."},
	{.name = "transactions",
	 .type = CONF_INT,
	 CONF_AT(struct raw_limits, v.transactions),
	 .min = 16,
	 .max = 4000000,
	 .def = "100000",
	 .flags = CONF_RESTART,
	 .help = "SIP transactions at one time. The next new request gets 503."},
	{.name = "connections",
	 .type = CONF_INT,
	 CONF_AT(struct raw_limits, v.connections),
	 .min = 4,
	 .max = 1000000,
	 .def = "10000",
	 .flags = CONF_RESTART,
	 .help = "TCP and TLS connections at one time. The next is closed."},
	{.name = "connections_per_source",
	 .type = CONF_INT,
	 CONF_AT(struct raw_limits, v.connections_per_source),
	 .min = 1,
	 .max = 1000000,
	 .def = "100",
	 .help = "Of these, from one address."},
	{.name = "subscriptions",
	 .type = CONF_INT,
	 CONF_AT(struct raw_limits, v.subscriptions),
	 .min = 1,
	 .max = 1000000,
	 .def = "10000",
	 .flags = CONF_RESTART,
	 .help = "Subscriptions through us at one time. The next gets 503."},
	{.name = "subscriptions_per_source",
	 .type = CONF_INT,
	 CONF_AT(struct raw_limits, v.subscriptions_per_source),
	 .min = 1,
	 .max = 1000000,
	 .def = "1000",
	 .help = "Of these, asked for by one address."},
	{.name = "registrations",
	 .type = CONF_INT,
	 CONF_AT(struct raw_limits, v.registrations),
	 .min = 1,
	 .max = 1000000,
	 .def = "10000",
	 .flags = CONF_RESTART,
	 .help = "Contacts of users at one time. The next gets 503."},
	{.name = "registrations_per_source",
	 .type = CONF_INT,
	 CONF_AT(struct raw_limits, v.registrations_per_source),
	 .min = 1,
	 .max = 1000000,
	 .def = "200",
	 .help = "Of these, from one address. The next gets 403."},
	{.name = "message_bytes",
	 .type = CONF_SIZE,
	 .flags = CONF_RESTART,
	 CONF_AT(struct raw_limits, v.message_bytes),
	 .min = 2048,
	 .max = 65535,
	 .def = "65535",
	 .unit = "bytes",
	 .help = "One SIP message with its body. A longer one gets 513, and its connection ends."},
	{.name = "udp_request_bytes",
	 .type = CONF_SIZE,
	 CONF_AT(struct raw_limits, v.udp_bytes),
	 .max = 65535,
	 .def = "1300",
	 .unit = "bytes",
	 .help = "A longer request of ours goes by TCP where the realm has a listener for it, and "
		 "by UDP "
		 "if that is refused (RFC 3261 §18.1.1). With a known path MTU: that less 200; 0: "
		 "always "
		 "by UDP."},
	{.name = "idle",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_limits, v.idle_ms),
	 .min = 1000,
	 .max = 86400000,
	 .def = "10m",
	 .help = "A connection without a byte for so long is closed."},
	{.name = "half_open",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_limits, v.half_open_ms),
	 .min = 500,
	 .max = 120000,
	 .def = "10s",
	 .help = "From connection to the end of the TLS handshake, and to the first message."},
	{.name = "message",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_limits, v.message_ms),
	 .min = 500,
	 .max = 120000,
	 .def = "10s",
	 .help = "From the first byte of a message to its last."},
	{.name = "overload",
	 .type = CONF_SECTION,
	 .sub = &overload_section,
	 CONF_AT(struct raw_limits, overload)},
};
static const struct conf_section limits_section = {
	.help = "What this node takes on. At a limit new work is refused and counted; what runs "
		"goes on.",
	ROWS(limits_settings),
	.size = sizeof(struct raw_limits)};

static const struct conf_setting timers_settings[] = {
	{.name = "t1",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_timers, v.t1_ms),
	 .min = 50,
	 .max = 4000,
	 .def = "500ms",
	 .help = "RFC 3261 §17: round trip; requests are repeated after it."},
	{.name = "t2",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_timers, v.t2_ms),
	 .min = 100,
	 .max = 16000,
	 .def = "4s",
	 .help = "The longest pause between repetitions."},
	{.name = "t4",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_timers, v.t4_ms),
	 .min = 100,
	 .max = 20000,
	 .def = "5s",
	 .help = "How long a message may wander in the network."},
	{.name = "c",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_timers, v.c_ms),
	 .min = 1000,
	 .max = 3600000,
	 .def = "3m",
	 .help = "The longest ringing; then the call is given up."},
};
static const struct conf_section timers_section = {
	.help = "SIP timers. Leave them alone unless a network is known to be slow.",
	ROWS(timers_settings),
	.size = sizeof(struct raw_timers)};

static const struct conf_setting config_settings[] = {
	{.name = "version",
	 .type = CONF_INT,
	 CONF_AT(struct raw_config, version),
	 .min = 1,
	 .max = 1,
	 .def = "1",
	 .help = "Of this vocabulary."},
	{.name = "include",
	 .type = CONF_ANY,
	 .help = "Other files of the same shape, * and ? allowed; relative to this file."},
	{.name = "node",
	 .type = CONF_SECTION,
	 .sub = &node_section,
	 CONF_AT(struct raw_config, node)},
	{.name = "certificates",
	 .type = CONF_NAMED,
	 .sub = &certificate_section,
	 CONF_AT(struct raw_config, certificates),
	 .max = 256},
	{.name = "trust_anchors",
	 .type = CONF_NAMED,
	 .item = CONF_PATH,
	 .sub = &anchor_section,
	 CONF_AT(struct raw_config, anchors),
	 .max = 256,
	 .help = "NAME: PATH. PEM files of the authorities that we believe, named once."},
	{.name = "realms",
	 .type = CONF_NAMED,
	 .sub = &realm_section,
	 CONF_AT(struct raw_config, realms),
	 .min = 1,
	 .max = 64,
	 .flags = CONF_REQUIRED},
	{.name = "media_policies",
	 .type = CONF_NAMED,
	 .sub = &media_policy_section,
	 CONF_AT(struct raw_config, media_policies),
	 .max = 256},
	{.name = "trunks",
	 .type = CONF_NAMED,
	 .sub = &trunk_section,
	 CONF_AT(struct raw_config, trunks),
	 .max = 4096},
	{.name = "users",
	 .type = CONF_NAMED,
	 .sub = &users_section,
	 CONF_AT(struct raw_config, users),
	 .max = 64},
	{.name = "header_rules",
	 .type = CONF_NAMED,
	 .sub = &header_rules_section,
	 CONF_AT(struct raw_config, header_rules),
	 .max = 256},
	{.name = "numbers",
	 .type = CONF_NAMED,
	 .item = CONF_LIST_OF,
	 .sub = &number_rule_section,
	 CONF_AT(struct raw_config, numbers),
	 .max = 256,
	 .help = "How numbers are rewritten; `trunks.X.numbers` names one of these. Routes see the "
		 "number as `in` has made it."},
	{.name = "routes",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &route_section,
	 CONF_AT(struct raw_config, routes),
	 .max = 4096},
	{.name = "media_relays",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &relay_section,
	 .flags = CONF_RESTART,
	 CONF_AT(struct raw_config, relays),
	 .min = 1,
	 .max = 16},
	{.name = "cdr",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &cdr_section,
	 .flags = CONF_RESTART,
	 CONF_AT(struct raw_config, cdrs),
	 .max = 8},
	{.name = "observe",
	 .type = CONF_SECTION,
	 .sub = &observe_section,
	 CONF_AT(struct raw_config, observe)},
	{.name = "limits",
	 .type = CONF_SECTION,
	 .sub = &limits_section,
	 CONF_AT(struct raw_config, limits)},
	{.name = "timers",
	 .type = CONF_SECTION,
	 .sub = &timers_section,
	 CONF_AT(struct raw_config, timers)},
};
const struct conf_section config_section = {
	.name = "Settings",
	.help = "Made by `sallyport settings` from the tables that the file is read with. "
		"Durations are written "
		"250ms, 30s, 10m, 4h, 7d. A list of one value may be written without brackets. "
		"`sallyport check` "
		"says every mistake of a file at once. Relative paths are seen from the file that "
		"they are written in. \"changed by\" says what makes a change "
		"take effect.",
	ROWS(config_settings),
	.size = sizeof(struct raw_config)};
