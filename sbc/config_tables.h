/* What the file says, section by section, before any name in it is looked up. Filled by the tables of config_tables*.c. */
#ifndef SALLYPORT_CONFIG_TABLES_H
#define SALLYPORT_CONFIG_TABLES_H

#include "common/conf.h"
#include "common/relay_conf.h"
#include "sbc/core/settings.h"

struct raw_node {
	struct conf_head head;
	struct str name;
	struct str run_as;
	uint32_t workers;
	struct conf_list resolver; /* of struct addr */
};

struct raw_certificate {
	struct conf_head head;
	struct str chain;
	struct conf_source key;
	uint32_t min_version; /* 0: TLS 1.2, 1: TLS 1.3 */
};

struct raw_anchor {
	struct conf_head head;
	struct str path;
};

struct raw_listener {
	struct conf_head head;
	enum transport transport;
	struct addr address;
	uint16_t port; /* 0: not given */
	struct str certificate;
	enum client_certificate client_certificate;
	struct str client_anchors;
	struct str path;
	struct conf_list origins; /* struct str */
	uint16_t dscp;
};

struct raw_acl {
	struct conf_head head;
	struct conf_list allow, deny; /* struct prefix */
	enum acl_default otherwise;
};

struct raw_requests {
	struct conf_head head;
	struct conf_rate per_source;
	uint32_t burst;
};

struct raw_register_limits {
	struct conf_head head;
	struct conf_rate per_source, failures;
	uint64_t ban; /* ms */
};

struct raw_bans {
	struct conf_head head;
	uint64_t first, most, forget; /* ms */
	uint32_t factor, prefix_after;
	uint64_t quarantine; /* ms */
	struct conf_rate kernel_after, strangers;
	struct conf_list allow; /* struct prefix */
	struct str kernel, file;
};

struct raw_quota {
	struct conf_head head;
	uint32_t sessions, burst;
	struct conf_rate rate;
};

struct raw_quotas {
	struct conf_head head;
	struct raw_quota per_user, per_caller, per_destination;
};

struct raw_admission {
	struct conf_head head;
	struct raw_quotas calls;
	struct raw_requests requests;
	struct raw_register_limits registers;
	uint32_t unknown_methods; /* 0: answer, 1: drop */
};

struct raw_realm {
	struct conf_head head;
	enum trust trust;
	struct conf_list listen;
	struct relay_conf_media media;
	struct str media_policy;
	struct str header_rules;
	struct str admission;
	struct conf_list bodies; /* struct str */
	struct raw_acl acl;
};

struct raw_codecs {
	struct conf_head head;
	struct conf_list allow, order; /* struct str */
};

struct raw_media_policy {
	struct conf_head head;
	uint32_t rtp; /* 0: forbid, 1: allow */
	enum media_need srtp;
	struct conf_list keying; /* uint32_t, 0: sdes, 1: dtls */
	struct conf_list suites; /* uint32_t: enum sdes_suite */
	struct raw_codecs codecs;
	enum media_mux rtcp_mux;
	enum media_dtmf dtmf;
	uint32_t timeout; /* ms */
	uint32_t recording;
	uint32_t t38; /* 0: forbid, 1: pass */
};

struct raw_peer {
	struct conf_head head;
	struct str target;
	uint16_t priority, weight;
};

struct raw_trunk_tls {
	struct conf_head head;
	struct str certificate, verify, name;
};

struct raw_identify {
	struct conf_head head;
	struct str certificate_name;
	struct conf_list source; /* struct prefix */
	struct str user, password, realm;
};

struct raw_ping {
	struct conf_head head;
	uint32_t method, every;
	uint16_t down_after, up_after;
};

struct raw_health {
	struct conf_head head;
	struct str min_asr, min_ner, over;
	uint16_t failures;
	uint32_t rest, come_back; /* ms */
};

struct raw_credentials {
	struct conf_head head;
	struct str user, password, realm;
};

struct raw_register {
	struct conf_head head;
	struct str user, password, realm, domain;
	uint32_t expires; /* ms */
	bool gin;
};

struct raw_trunk_limits {
	struct conf_head head;
	uint32_t sessions, inbound, outbound, burst;
	struct conf_rate rate;
	bool shared;
};

struct raw_session_timer {
	struct conf_head head;
	bool active;
	uint32_t expires, min; /* ms */
};

struct raw_caller {
	struct conf_head head;
	enum caller_trusted trusted;
	enum caller_assert assert;
	enum caller_form form;
};

struct raw_trunk_numbers {
	struct conf_head head;
	struct str in, out;
};

struct raw_trunk_identity {
	struct conf_head head;
	bool sign;
	struct str verify;
	struct conf_list owns; /* struct str */
	uint32_t attest;       /* 0: default, 1: A, 2: B, 3: C */
	enum verstat_shown verstat;
};

struct raw_signer_attest {
	struct conf_head head;
	uint32_t other, owned; /* 0: A, 1: B, 2: C */
};

struct raw_signer {
	struct conf_head head;
	struct str certificate_url;
	struct conf_source key;
	struct raw_signer_attest attest;
};

struct raw_verifier {
	struct conf_head head;
	struct str anchors, https;
	uint32_t max_age, cache, fetch_timeout; /* ms */
	struct conf_list hosts;                 /* struct str */
	struct conf_list networks;              /* struct prefix */
};

struct raw_below {
	struct conf_head head;
	struct str a, b;
};

struct raw_attest_policy {
	struct conf_head head;
	struct str missing, invalid, stale, info, credential, on_error;
	struct raw_below below;
	enum attest_caller caller;
	enum attest_called called;
};

struct raw_identity {
	struct conf_head head;
	struct raw_signer signer;
	struct raw_verifier verifier;
	struct conf_list policies;
};

struct raw_trunk {
	struct conf_head head;
	struct str realm;
	struct conf_list peers;
	struct raw_trunk_tls tls;
	struct raw_identify identify;
	struct raw_ping ping;
	struct raw_health health;
	struct raw_credentials credentials;
	struct raw_register enrol;
	struct raw_session_timer session_timer;
	struct raw_trunk_limits limits;
	uint64_t limit_duration; /* ms */
	struct raw_caller caller;
	struct raw_trunk_numbers numbers;
	struct raw_trunk_identity identity;
	struct str rates;
	enum diversion_policy diversion;
	enum session_id_policy session_id;
	enum redirect_policy redirect;
	uint16_t redirects;
	bool overload_control;
	enum offer_policy initial_offer;
	enum reliable_policy reliable;
	enum refer_policy refer;
	struct conf_list methods; /* uint32_t: index in config_methods */
};

struct raw_refresh {
	struct conf_head head;
	uint32_t from_user, to_registrar;
};

struct raw_per_user {
	struct conf_head head;
	uint16_t sessions, contacts;
	struct conf_rate rate;
	uint32_t burst;
};

struct raw_account {
	struct conf_head head;
	struct str user, password;
};

struct raw_users {
	struct conf_head head;
	struct str realm, registrar;
	struct conf_list domains; /* struct str */
	struct raw_refresh refresh;
	struct raw_per_user per_user;
	uint32_t auth;             /* 0: registrar, 1: local */
	uint32_t ask;              /* enum users_ask */
	struct conf_list accounts; /* struct raw_account */
	struct conf_list digest;   /* uint32_t: index in its words */
	struct conf_list methods;  /* uint32_t: index in config_methods */
	struct raw_trunk_identity identity;
};

/* What a trunk may send and be sent outside of calls: words of `methods`, and the bits that they mean. */
extern const uint32_t config_methods[];

struct raw_edit_when {
	struct conf_head head;
	enum trust trust_below;
	struct conf_list method, trunk, status; /* struct str */
	struct str header, matches;
};

struct raw_edit {
	struct conf_head head;
	struct str header;
	enum header_action action;
	struct str value, to, pattern, with;
	struct raw_edit_when when;
};

struct raw_header_rules {
	struct conf_head head;
	struct conf_list carry; /* struct str */
	struct conf_list inbound, outbound;
};

struct raw_number_rule {
	struct conf_head head;
	struct str match, to;
	struct conf_list fields; /* uint32_t: enum number_field */
};

struct raw_hours {
	struct conf_head head;
	struct conf_list days, hours; /* struct str */
	struct str zone;
};

struct raw_route_when {
	struct conf_head head;
	struct conf_list from, realm, trunk, number, number_prefix, domain, user; /* struct str */
	struct str prefixes;
	struct conf_list cause; /* uint32_t: enum facts_cause */
	struct raw_hours at;
};

struct raw_reject {
	struct conf_head head;
	uint16_t status;
	struct str reason;
};

struct raw_on_failure {
	struct conf_head head;
	struct conf_list codes; /* struct str */
	uint32_t after, tries;
};

struct raw_route {
	struct conf_head head;
	struct str name;
	struct raw_route_when when;
	struct conf_list to; /* struct str */
	struct raw_reject reject;
	enum route_strategy strategy;
	uint32_t priority; /* 0: normal, 1: emergency */
	struct raw_on_failure on_failure;
};

struct raw_relay {
	struct conf_head head;
	struct str name, url;
	uint16_t weight;
	uint32_t io, engine, coalesce_us; /* read by the relay itself */
};

struct raw_cdr {
	struct conf_head head;
	uint32_t to, format;
	struct str path;
	uint32_t rotate;
};

struct raw_http {
	struct conf_head head;
	struct addr address;
	uint16_t port;
	struct conf_list pages; /* uint32_t, 0: metrics, 1: health */
};

struct raw_log {
	struct conf_head head;
	struct log_settings v;
};

struct raw_observe {
	struct conf_head head;
	struct conf_list http;
	struct str control;
	struct raw_log log;
};

struct raw_overload {
	struct conf_head head;
	struct overload_limits v;
};

struct raw_handshakes {
	struct conf_head head;
	struct conf_rate per_source, all;
};

struct raw_limits {
	struct conf_head head;
	struct limits v;
	struct conf_rate call_rate;
	uint32_t call_burst;
	struct conf_rate refused_records;
	struct raw_handshakes handshakes;
	struct raw_overload overload;
};

struct raw_timers {
	struct conf_head head;
	struct sip_timers v;
};

struct raw_geo_when {
	struct conf_head head;
	struct conf_list realm, trunk, country, country_not, asn, asn_not; /* struct str */
};

struct raw_geo_rule {
	struct conf_head head;
	struct str name;
	struct raw_geo_when when;
	uint32_t action; /* enum geo_action */
	uint16_t status;
};

struct raw_geo {
	struct conf_head head;
	struct str country, asn;
	struct conf_list rules; /* struct raw_geo_rule */
};

struct raw_fraud_filter {
	struct conf_head head;
	struct conf_list class, cause, stage; /* uint32_t: indexes of their words */
	struct conf_list country, country_not, source_country;     /* struct str */
	struct conf_list trunk, realm, from, user, caller, number; /* struct str */
	struct conf_list source;                                   /* struct prefix */
	uint16_t diversions;
	uint32_t rang_us, duration_below, duration_above, ring_below; /* ms */
};

struct raw_fraud_rule {
	struct conf_head head;
	struct str name;
	struct raw_fraud_filter when, where;
	uint32_t count, sum, by; /* indexes of their words, where they were written */
	uint16_t digits;
	struct str over, between, zone;
	struct conf_list days;   /* struct str */
	struct conf_list action; /* struct str */
	uint32_t keys;
};

struct raw_fraud {
	struct conf_head head;
	struct str destinations, zone;
	struct conf_list home, prefixes; /* struct str */
	uint32_t plain_numbers;          /* 0: unknown, 1: e164 */
	uint32_t keys;
	struct conf_list rules;
};

struct raw_redis {
	struct conf_head head;
	struct conf_list nodes;
	struct str sentinel, username, password, sentinel_password, key, prefix;
	struct str verify, name, certificate;
	bool cluster, tls;
	uint32_t on_loss;
	uint32_t on_loss_calls, on_loss_limits, on_loss_bans,
		on_loss_registrations; /* 0: as on_loss */
	uint32_t timeout, slow, queue, scripts;
};

struct raw_store {
	struct conf_head head;
	struct raw_redis redis;
};

struct raw_opinion_when {
	struct conf_head head;
	struct conf_list from, number; /* struct str */
};

struct raw_opinion_breaker {
	struct conf_head head;
	struct breaker_rule v;
};

struct raw_opinion {
	struct conf_head head;
	struct str url, trunk;
	uint32_t timeout;  /* ms */
	uint32_t on_error; /* 0: reject, 1: accept */
	struct raw_opinion_when when;
	struct conf_list trunks; /* struct str */
	uint32_t in_flight;
	struct raw_opinion_breaker breaker;
};

struct raw_config {
	struct conf_head head;
	uint32_t version;
	struct raw_node node;
	struct conf_list admission;
	struct raw_bans bans;
	struct conf_list certificates, anchors, realms, media_policies, trunks, header_rules,
		routes;
	struct conf_list users;
	struct conf_list numbers; /* struct conf_named_list of struct raw_number_rule */
	struct conf_list relays, cdrs;
	struct raw_identity identity;
	struct raw_observe observe;
	struct raw_limits limits;
	struct raw_timers timers;
	struct raw_geo geo;
	struct raw_opinion opinion;
	struct raw_fraud fraud;
	struct raw_store store;
};

extern const struct conf_section config_section;

/* "http://192.0.2.1:8099/path" → server and path. ERR_BAD. */
enum err config_opinion_url(struct str url, struct opinion_settings *out) MUST_USE;
/* "404" or "4xx"; ERR_BAD. */
enum err config_status_range(struct str text, struct status_range *out) MUST_USE;

/* Causes of on_failure.codes: a SIP status or a ROUTE_CAUSE_*; 0: neither. */
uint16_t config_failure_code(struct str text);

/* Words of `fraud`: what `count` and `sum` may say, in the order of enum fraud_measure. NULL-terminated. */
extern const char *const config_fraud_counts[], *const config_fraud_sums[];
/* "reject", "reject 603", "ban 1h", "limit 1m", "alert", "end-calls": added to *out. ERR_BAD. */
struct fraud_actions;
enum err config_fraud_action(struct str text, struct fraud_actions *out) MUST_USE;

#endif
