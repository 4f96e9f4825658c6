/*
 * The SBC's settings as the core reads them: const, made whole by sbc/config.c, swapped on reload.
 * A call keeps the generation that it started with. Indexes of realms and trunks are shared with
 * policy.
 */
#ifndef SALLYPORT_SETTINGS_H
#define SALLYPORT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/str.h"
#include "policy/admit.h"
#include "policy/attest.h"
#include "policy/policy_config.h"
#include "sbc/core/health.h"
#include "sbc/core/breaker.h"
#include "sbc/core/store.h"

/* WS and WSS (RFC 7118) are accepted, never opened by us: a browser has no address. */
enum transport {
	TRANSPORT_UDP,
	TRANSPORT_TCP,
	TRANSPORT_TLS,
	TRANSPORT_WS,
	TRANSPORT_WSS,
	TRANSPORT_COUNT
};

/* "UDP", "TCP", "TLS", "WS", "WSS" as in Via. */
struct str transport_name(enum transport t);
/* "udp", "tcp", "tls", "ws", "wss": as the configuration, metrics and CDRs say it. */
const char *transport_label(enum transport t);
bool transport_is_reliable(enum transport t);
/* Does nobody read along: TLS, WSS. */
bool transport_is_secure(enum transport t);
/* WS, WSS: messages come whole, and answers go down the connection that is there or nowhere. */
bool transport_is_web(enum transport t);
/* Where a URI without a port leads. */
uint16_t transport_port(enum transport t);

enum client_certificate {
	CLIENT_CERT_OFF,
	CLIENT_CERT_OPTIONAL,
	CLIENT_CERT_REQUIRED,
	CLIENT_CERT_COUNT
};

enum { SETTINGS_NO_INDEX = 0xffff, SETTINGS_BODIES_MAX = 16 };

struct listener {
	uint16_t realm;
	enum transport transport;
	struct addr local;    /* bound, and the sent-by of Via and host of Contact */
	uint8_t dscp;         /* of what leaves from here */
	uint16_t certificate; /* index of certificates, TLS and WSS only */
	enum client_certificate client_certificate;
	/* What client certificates are verified with (indexes of anchors); none: the system's store. */
	const uint16_t *client_anchors;
	size_t client_anchor_count;
	/* WS and WSS: what the HTTP request must ask for, and the pages that may (none: any, and
	 * clients that are no browser). */
	struct str path;
	const struct str *origins;
	size_t origin_count;
};

struct certificate {
	struct str name;
	struct str chain_path; /* PEM: leaf + intermediates */
	struct str key_path;   /* PEM; a key given by !env is in key_pem instead */
	struct str key_pem;
	uint16_t min_version; /* 0x0303 TLS 1.2 or 0x0304 TLS 1.3 */
};

struct trust_anchor {
	struct str name;
	struct str path;
};

struct realm {
	struct str name;        /* also the relay's interface name (NG direction) */
	uint16_t header_rules;  /* SETTINGS_NO_INDEX: the default carry list */
	bool anchor_media;      /* false only when the configuration says `media: {anchor: off}` */
	bool ice_lite, bundle;  /* what the relay speaks on this side */
	struct addr media_addr; /* of the relay's interface; port 0 */
	uint16_t port_min, port_max;
	const struct str
		*bodies; /* types that may cross beside SDP, where the other realm has them too */
	size_t body_count;
};

/* A peer of a trunk: its `target` URI taken apart. */
struct peer {
	struct str uri; /* as configured */
	bool secure;    /* sips: or transport=tls */
	bool sips;
	struct str
		host; /* domain or address: the pre-SRV name that TLS identity is checked against */
	uint16_t port; /* 0: by SRV or default */
	bool transport_given;
	enum transport transport;
	uint16_t weight;
	uint16_t priority; /* lower first */
};

struct ping {
	bool on;
	uint32_t every_ms;
	uint16_t down_after, up_after;
};

/* What a REFER of this trunk comes to. */
enum refer_policy { REFER_REJECT, REFER_LOCAL, REFER_PASS, REFER_POLICY_COUNT };
/* What a 3xx of this trunk comes to: the caller hears 480; hears it with our Contact; or we go there. */
enum redirect_policy { REDIRECT_REJECT, REDIRECT_PASS, REDIRECT_FOLLOW, REDIRECT_POLICY_COUNT };
/* Whether calls to this trunk begin with an offer: as the caller's did; always; never. */
enum offer_policy { OFFER_POLICY_PASS, OFFER_POLICY_EARLY, OFFER_POLICY_LATE, OFFER_POLICY_COUNT };
/* Reliable provisionals (RFC 3262) towards this trunk: where it can; asked of it; never. */
enum reliable_policy { RELIABLE_SUPPORTED, RELIABLE_REQUIRE, RELIABLE_OFF, RELIABLE_POLICY_COUNT };

/* RFC 4028; seconds. */
struct session_timer_settings {
	bool on;
	uint32_t expires_s; /* that we ask for */
	uint32_t min_s;     /* the least that we take, 90 or more */
};

/* What we prove who we are with when a trunk asks (401, 407). */
struct credentials {
	bool on;
	struct str user, password;
	struct str
		realm; /* the only realm that they are for; empty: the first that asks on this trunk */
};

/* A registration of ours at the trunk (RFC 3261 §10; RFC 6140 where `gin`). */
struct register_settings {
	bool on;
	bool gin;
	struct str user;   /* of the address-of-record; its host is the peer's */
	struct str domain; /* empty: the peer's host */
	uint32_t expires_s;
};

/* Who says who calls (RFC 3325), and how it is written. */
enum caller_trusted { CALLER_TRUST_REALM, CALLER_TRUST_YES, CALLER_TRUST_NO, CALLER_TRUST_COUNT };
/* What a trusted trunk's request asserts that brings no P-Asserted-Identity: nothing; what it prefers; that, else its From. */
enum caller_assert {
	CALLER_ASSERT_PASS,
	CALLER_ASSERT_PREFERRED,
	CALLER_ASSERT_FROM,
	CALLER_ASSERT_COUNT
};
enum caller_form { CALLER_FORM_PAI, CALLER_FORM_RPID, CALLER_FORM_COUNT };
/* What a trunk hears of diversions: as it came, where both sides are trusted; nothing; one of both forms. */
enum diversion_policy {
	DIVERSION_PASS,
	DIVERSION_NONE,
	DIVERSION_DIVERSION,
	DIVERSION_HISTORY_INFO,
	DIVERSION_POLICY_COUNT
};
/* RFC 7989: as the other side has it; made for a side that has none; never. */
enum session_id_policy {
	SESSION_ID_PASS,
	SESSION_ID_MAKE,
	SESSION_ID_OFF,
	SESSION_ID_POLICY_COUNT
};

struct caller_settings {
	enum caller_trusted trusted;
	enum caller_assert assert;
	enum caller_form form;
	enum diversion_policy diversion;
	enum session_id_policy session_id;
	const struct number_rules *numbers_in, *numbers_out; /* NULL: numbers stay as they are */
};

/* Where a trunk is told what became of the signature of who calls: `verstat` of 3GPP TS 24.229. */
enum verstat_shown {
	VERSTAT_SHOWN_BOTH, /* in From, and in P-Asserted-Identity where there is one */
	VERSTAT_SHOWN_FROM,
	VERSTAT_SHOWN_PAI,
	VERSTAT_SHOWN_OFF,
	VERSTAT_SHOWN_COUNT
};

/* Signatures of who calls (RFC 8224), as a trunk has it; its policy for those that come stands with policy's trunks. */
struct trunk_identity {
	bool sign; /* calls that go to it */
	enum verstat_shown shown;
	struct attest_origin origin; /* of calls that it makes */
	struct str origid;           /* of those: a UUID, the same in each start */
};

struct trunk_habits {
	enum refer_policy refer;
	enum redirect_policy redirect;
	uint8_t redirects; /* at most so many for one call */
	enum offer_policy initial_offer;
	enum reliable_policy reliable;
	struct session_timer_settings session_timer;
	bool overload_control; /* our requests ask for its load (RFC 7339) */
	uint32_t methods; /* bit 1 << METHOD_X: may come from it, and go to it, outside of calls */
};

struct user_account {
	struct str user, password;
};

/* Phones and browsers that register through us: `users`. To routes and calls a group is a trunk without peers. */
/* Whether who has registered must answer a challenge for each new request. */
enum users_ask { USERS_ASK_UDP, USERS_ASK_ALWAYS, USERS_ASK_NEVER };

struct users {
	struct str name;
	uint16_t trunk;            /* of its own: the one without peers */
	uint16_t realm;            /* where they speak from */
	const struct str *domains; /* of their addresses-of-record */
	size_t domain_count;
	uint16_t
		registrar; /* trunk that their REGISTERs go to; SETTINGS_NO_INDEX: none, we are it */
	uint32_t from_user_s, to_registrar_s; /* how long a registration lasts, on each side */
	uint16_t sessions, contacts;          /* of one user at most */
	bool local;                           /* we ask for the password, not the registrar */
	enum users_ask ask;                   /* `local` only */
	bool no_md5, no_sha256;               /* what we do not ask with */
	const struct user_account *accounts;
	size_t account_count;
	/* Routes that no request finds by itself: to the group, to the registrar. */
	uint16_t route_to_users, route_to_registrar;
};

struct trunk {
	struct str name;
	const struct users *users; /* NULL: a trunk with peers */
	uint16_t realm;
	struct admit_rule admit;
	uint64_t limit_duration_ms; /* of a call; 0: none */
	struct trunk_habits habits;
	struct caller_settings caller;
	struct trunk_identity identity;
	struct credentials credentials;
	struct credentials proof;       /* what its requests must prove to know (identify.user) */
	struct register_settings enrol; /* `register` */
	const struct peer *peers;       /* sorted by priority */
	size_t peer_count;
	uint16_t certificate; /* presented as client; SETTINGS_NO_INDEX: none */
	uint16_t verify;      /* trust anchor; SETTINGS_NO_INDEX: the system's */
	struct str tls_name;  /* name the peer's certificate must carry; empty: the peer's host */
	bool tls_verify;      /* false only when the configuration says verify: off */
	struct ping ping;
	struct health_rule health;
};

enum header_action {
	HEADER_REMOVE,
	HEADER_SET,    /* in the place of those of its name */
	HEADER_ADD,    /* beside them */
	HEADER_RENAME, /* `value` is the new name */
	HEADER_EDIT,   /* in each value, what `pattern` matches first becomes `value` */
	HEADER_ACTION_COUNT
};

/* 180 to 180, or 400 to 499. */
struct status_range {
	uint16_t min, max;
};

struct header_edit {
	struct str header;
	enum header_action action;
	struct str value; /* HEADER_SET, _ADD: with ${…}; HEADER_EDIT: with \1 */
	const struct route_pattern *pattern;
	/* Conditions: all that are given must hold. */
	bool when_trust_below;
	enum trust trust_below;
	const struct str *when_methods; /* of the request, or that the response is to */
	size_t when_method_count;
	const uint16_t
		*when_trunks; /* inbound: it comes from one of these; outbound: it goes there */
	size_t when_trunk_count;
	const struct status_range *when_statuses; /* responses alone */
	size_t when_status_count;
	struct str when_header; /* is there; with a pattern: with a value that matches */
	const struct route_pattern *when_matches;
};

struct header_rules {
	struct str name;
	const struct str *carry; /* headers that may cross, byte for byte */
	size_t carry_count;
	const struct header_edit *inbound; /* on what arrives in the realm */
	size_t inbound_count;
	const struct header_edit *outbound; /* on what leaves through the realm */
	size_t outbound_count;
};

struct media_relay {
	struct str name;
	struct str url;  /* ng+unix:PATH or ng+udp:ADDRESS:PORT */
	uint16_t weight; /* 0: used only when all others are down */
};

struct cdr_sink {
	struct str path;    /* jsonl */
	uint32_t rotate_ms; /* 0: never */
};

struct http_listener {
	struct addr local;
	bool metrics, health;
};

/* `identity.signer`: with what we sign. */
struct identity_signer {
	bool on;
	struct str certificate_url, key_pem;
};

/* `identity.verifier`: whose signatures we believe, and how their certificates are had. */
struct identity_verifier {
	bool on;
	struct str anchors;       /* PEM file */
	struct str https_anchors; /* of the servers; empty: the system's */
	uint32_t max_age_ms, cache_ms, fetch_timeout_ms;
	const struct str *hosts; /* that certificates are fetched from (credential_is_allowed) */
	size_t host_count;
	const struct prefix *networks; /* beside public addresses */
	size_t network_count;
};

/* What counts as overload (gate.h). */
struct overload_limits {
	uint32_t delay_ms;       /* new requests that would wait longer are refused; 0: never */
	uint32_t retry_after_ms; /* what they are told, spread by half */
};

/* So many at once, and so many again each per_ms; count 0: no limit. */
struct rate_limit {
	uint32_t count, per_ms;
};

/* TLS handshakes that peers begin with us, each before the work of our private key. */
struct handshake_limits {
	struct rate_limit per_source, all;
};

/* Every limit of the signalling side in one place; docs/limits.md says what happens at each. */
struct limits {
	uint32_t calls, transactions, connections, connections_per_source;
	uint32_t subscriptions, subscriptions_per_source; /* 0: as many as calls; no such limit */
	uint32_t registrations, registrations_per_source; /* the same */
	uint32_t message_bytes;                           /* one SIP message */
	struct overload_limits overload;
	struct handshake_limits handshakes;
	struct rate_limit refused_records; /* refused.h; count 0: none */
	uint32_t udp_bytes; /* a longer request goes by TCP (RFC 3261 §18.1.1); 0: never */
	uint32_t idle_ms, half_open_ms, message_ms; /* stream connections */
};

/* RFC 3261 §17 timers, so that tests and lossy sites may change them. */
struct sip_timers {
	uint32_t t1_ms, t2_ms, t4_ms; /* 500, 4000, 5000 */
	uint32_t c_ms;                /* Timer C, our longest ringing: 180 s */
};

/* Databases that say where an address is; empty: none. */
struct geo_settings {
	struct str country_path, asn_path;
};

/* Where bans go beside the core's memory; empty: nowhere. */
struct ban_settings {
	struct str file;
	struct str kernel_path; /* socket of sallyport-ban */
};

/* A service that is asked for its opinion over HTTP. */
struct opinion_settings {
	struct addr server; /* family ADDR_NONE: none */
	struct str path;
	uint32_t in_flight; /* questions at once */
	struct breaker_rule breaker;
};

/* enum log_level of common/log.h; the core does not log. */
struct log_settings {
	uint8_t level;
	bool sip; /* each message, start line and headers */
};

struct settings {
	struct str node;
	struct str run_as;   /* user to become when started as root; empty: stay */
	struct str resolver; /* DNS servers, "address:port" with commas; empty: the system's */
	struct log_settings log;
	struct policy_config policy;
	struct geo_settings geo;
	struct opinion_settings opinion;
	const struct realm *realms;
	size_t realm_count;
	const struct listener *listeners;
	size_t listener_count;
	const struct trunk *trunks;
	size_t trunk_count; /* those of users, behind the others, included */
	const struct users *users;
	size_t users_count;
	const struct header_rules *header_rules;
	size_t header_rules_count;
	const struct certificate *certificates;
	size_t certificate_count;
	const struct trust_anchor *anchors;
	size_t anchor_count;
	const struct media_relay *relays;
	size_t relay_count;
	const struct cdr_sink *cdrs;
	size_t cdr_count;
	/* Tables of dialling codes that rules point at; those with a path are read anew when their file changes. */
	struct sheet *sheets;
	size_t sheet_count;
	struct destinations *destinations; /* of `fraud`, as policy reads it; NULL: none */
	const struct http_listener *https;
	size_t http_count;
	struct identity_signer signer;
	struct identity_verifier verifier;
	struct str control_path; /* Unix socket of the operator's command */
	struct limits limits;
	struct sip_timers timers;
	struct store_settings store;
	struct ban_settings bans;
	uint32_t generation;
};

#endif
