#include "sbc/config_tables.h"

#include "common/log.h"
#include "sbc/config_sections.h"
#include "sbc/config_value.h"

static void check_absolute(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	if (s.p[0] != '/')
		conf_error(r, n,
			   "\"%.*s\" is not allowed here; allowed: a path that begins with \"/\"",
			   STR_ARG(s));
}

static const struct conf_setting node_settings[] = {
	{.name = "name",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_node, name),
	 .max = 255,
	 .check = config_value_host,
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
	{.name = "io",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_relay, io),
	 .words = relay_conf_io_words,
	 .def = "auto",
	 .flags = CONF_RESTART,
	 .help = "How the relay's packets come and go (docs/packet-io.md): sockets needs no right; "
		 "steered "
		 "and kernel need what sallyport-bpf has loaded; auto takes what there is and says "
		 "why not "
		 "more. What is asked for by name and is not granted ends the relay's start."},
	{.name = "srtp_engine",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_relay, engine),
	 .words = relay_conf_engine_words,
	 .def = "auto",
	 .flags = CONF_RESTART,
	 .help = "What encrypts the relay's media (docs/performance.md): auto is ipsec-mb where "
		 "library and "
		 "processor are, else openssl; libsrtp2 is the slow reference. One that does not "
		 "work here "
		 "is replaced by openssl, and the relay says so."},
	{.name = "coalesce_us",
	 .type = CONF_INT,
	 CONF_AT(struct raw_relay, coalesce_us),
	 .max = RELAY_COALESCE_MAX_US,
	 .def = "500",
	 .flags = CONF_RESTART,
	 .help = "A busy worker of the relay sleeps up to so many microseconds between two looks "
		 "for packets: "
		 "many for one wake-up. It adds as much delay at most, and only at rates where it "
		 "gains. "
		 "0: never."},
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
	 .sub = &config_realm_section,
	 CONF_AT(struct raw_config, realms),
	 .min = 1,
	 .max = 64,
	 .flags = CONF_REQUIRED},
	{.name = "media_policies",
	 .type = CONF_NAMED,
	 .sub = &config_media_policy_section,
	 CONF_AT(struct raw_config, media_policies),
	 .max = 256},
	{.name = "trunks",
	 .type = CONF_NAMED,
	 .sub = &config_trunk_section,
	 CONF_AT(struct raw_config, trunks),
	 .max = 4096},
	{.name = "users",
	 .type = CONF_NAMED,
	 .sub = &config_users_section,
	 CONF_AT(struct raw_config, users),
	 .max = 64},
	{.name = "admission",
	 .type = CONF_NAMED,
	 .sub = &config_admission_section,
	 CONF_AT(struct raw_config, admission),
	 .max = 256},
	{.name = "bans",
	 .type = CONF_SECTION,
	 .sub = &config_bans_section,
	 CONF_AT(struct raw_config, bans)},
	{.name = "header_rules",
	 .type = CONF_NAMED,
	 .sub = &config_header_rules_section,
	 CONF_AT(struct raw_config, header_rules),
	 .max = 256},
	{.name = "numbers",
	 .type = CONF_NAMED,
	 .item = CONF_LIST_OF,
	 .sub = &config_number_rule_section,
	 CONF_AT(struct raw_config, numbers),
	 .max = 256,
	 .help = "How numbers are rewritten; `trunks.X.numbers` names one of these. Routes see the "
		 "number as `in` has made it."},
	{.name = "routes",
	 .type = CONF_LIST_OF,
	 .item = CONF_SECTION,
	 .sub = &config_route_section,
	 CONF_AT(struct raw_config, routes),
	 .max = 4096},
	{.name = "fraud",
	 .type = CONF_SECTION,
	 .sub = &config_fraud_section,
	 CONF_AT(struct raw_config, fraud)},
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
	{.name = "identity",
	 .type = CONF_SECTION,
	 .sub = &config_identity_section,
	 CONF_AT(struct raw_config, identity),
	 .otherwise = "nothing is signed or verified"},
	{.name = "observe",
	 .type = CONF_SECTION,
	 .sub = &observe_section,
	 CONF_AT(struct raw_config, observe)},
	{.name = "store",
	 .type = CONF_SECTION,
	 .sub = &config_store_section,
	 CONF_AT(struct raw_config, store)},
	{.name = "opinion",
	 .type = CONF_SECTION,
	 .sub = &config_opinion_section,
	 CONF_AT(struct raw_config, opinion)},
	{.name = "geo",
	 .type = CONF_SECTION,
	 .sub = &config_geo_section,
	 CONF_AT(struct raw_config, geo)},
	{.name = "limits",
	 .type = CONF_SECTION,
	 .sub = &config_limits_section,
	 CONF_AT(struct raw_config, limits)},
	{.name = "timers",
	 .type = CONF_SECTION,
	 .sub = &config_timers_section,
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
