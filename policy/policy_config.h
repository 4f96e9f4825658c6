/*
 * The rules as policy reads them: realms, trunks, routes, media policies. Filled by the
 * configuration reader, const for everyone else. Indexes of realms and trunks are those of struct
 * settings.
 */
#ifndef SALLYPORT_POLICY_CONFIG_H
#define SALLYPORT_POLICY_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/sdes.h"
#include "common/str.h"
#include "policy/facts.h"
#include "policy/rate.h"

enum { POLICY_NO_INDEX = 0xffff };

enum trust { TRUST_NONE, TRUST_LOW, TRUST_MEDIUM, TRUST_HIGH, TRUST_COUNT };

/* Where a rule stands, for messages, CDRs and `explain`. */
struct rule_place {
	struct str file;
	uint32_t line;
};

enum acl_default { ACL_DENY, ACL_REJECT, ACL_ALLOW, ACL_DEFAULT_COUNT };

/* How long who is banned stays out: `bans` (policy/ban.h). */
struct ban_rules {
	uint32_t first_s;  /* where the rule that bans says no time */
	uint32_t factor;   /* each further ban of a subject is so many times longer */
	uint32_t most_s;   /* but no longer than this */
	uint32_t forget_s; /* without another one a strike is forgotten after this */
	const struct prefix *allow;
	size_t allow_count;
	uint32_t prefix_after; /* so many banned sources of one network: all of it; 0: never */
	struct rate_rule
		kernel_after; /* a banned source that comes faster goes to the kernel; count 0: never */
	struct rate_rule
		strangers;     /* more requests of a source that is nobody's; count 0: no matter */
	uint32_t quarantine_s; /* the first that they earn */
	struct rule_place place;
};

/* So many failures of one source in that time, and it is banned for so long. */
struct failure_rule {
	struct rate_rule most; /* count 0: they are not counted */
	uint32_t ban_s;        /* 0: as `bans` says */
};

/* Whom `calls` of an admission counts; GROUP: the users of a group, by its own rule. */
enum quota_kind { QUOTA_USER, QUOTA_CALLER, QUOTA_DESTINATION, QUOTA_GROUP, QUOTA_KIND_COUNT };
/* Calls at one time, and how fast new ones may come; 0: no limit. */
struct quota_rule {
	uint32_t sessions;
	struct rate_rule rate;
};

/* Who may ask how much of us: `admission`. */
struct admission_rule {
	struct str name;
	struct rate_rule requests;    /* of one source; count 0: no limit */
	struct rate_rule registers;   /* of these, REGISTERs */
	struct failure_rule failures; /* wrong passwords */
	bool drop_unknown;            /* methods that nobody knows are not answered */
	bool has_calls;               /* one of: */
	struct quota_rule calls[QUOTA_KIND_COUNT];
	struct rule_place place;
};

struct realm_rule {
	struct str name;
	enum trust trust;
	uint16_t media_policy;
	/* acl.allow / acl.deny: the longest matching prefix decides, else acl_default:
	 * deny = silence, reject = 403, allow = go on to identify. */
	const struct prefix *acl_allow;
	size_t acl_allow_count;
	const struct prefix *acl_deny;
	size_t acl_deny_count;
	enum acl_default acl_default;
	bool acl_given;
	struct admission_rule admission; /* a copy of the one that it names */
	struct rule_place place;
};

/* Zeroed: accept. */
struct attest_action {
	bool reject;
	uint16_t status;
};

/* From, or P-Asserted-Identity where From has no number; P-Asserted-Identity; either of them. */
enum attest_caller {
	ATTEST_CALLER_FROM,
	ATTEST_CALLER_ASSERTED,
	ATTEST_CALLER_EITHER,
	ATTEST_CALLER_COUNT
};
/* The number in the Request-URI; in To; either of them. */
enum attest_called {
	ATTEST_CALLED_REQUEST,
	ATTEST_CALLED_TO,
	ATTEST_CALLED_EITHER,
	ATTEST_CALLED_COUNT
};

/* What a signature of the caller is worth: `identity.policies`. */
struct attest_policy {
	struct str name;
	struct attest_action on_fault[FACTS_FAULT_COUNT];
	struct attest_action below[FACTS_ATTEST_COUNT]; /* of what is attested lower than this */
	bool below_given[FACTS_ATTEST_COUNT];
	enum attest_caller caller; /* whose number a signature must have */
	enum attest_called called;
	struct rule_place place;
};

/* Which arriving requests are this trunk's: all that are given must match. None given: the sources
 * are the addresses of the trunk's peers that are written as addresses. */
struct trunk_rule {
	struct str name;
	uint16_t realm;
	struct str certificate_name; /* empty: not asked for */
	const struct prefix *sources;
	size_t source_count;
	const struct attest_policy *attest; /* NULL: nobody looks at signatures */
	const struct sheet *rates;          /* what calls to it cost; NULL: not known */
	struct quota_rule per_user;         /* of a group of users: each of them */
	struct rule_place place;
};

enum media_need { MEDIA_FORBID, MEDIA_ALLOW, MEDIA_PREFER, MEDIA_REQUIRE, MEDIA_NEED_COUNT };

enum { MEDIA_SUITES_MAX = 8, MEDIA_CODECS_MAX = 32 };

/* RTCP on the port of RTP (RFC 5761): never; where the far end offers it; asked for; nothing else. */
enum media_mux {
	MEDIA_MUX_REJECT,
	MEDIA_MUX_ACCEPT,
	MEDIA_MUX_OFFER,
	MEDIA_MUX_REQUIRE,
	MEDIA_MUX_COUNT
};
/* How this side tells keys: as events in the media; in INFO; as its SDP says. */
enum media_dtmf { MEDIA_DTMF_RFC4733, MEDIA_DTMF_INFO, MEDIA_DTMF_AUTO, MEDIA_DTMF_COUNT };

struct media_rule {
	struct str name;
	enum media_need rtp;  /* FORBID or ALLOW */
	enum media_need srtp; /* FORBID, ALLOW, PREFER or REQUIRE */
	bool keying_sdes, keying_dtls;
	bool dtls_first; /* of the two, where both are allowed: what our offers have */
	enum media_mux rtcp_mux;
	enum media_dtmf dtmf;
	uint32_t timeout_ms; /* a party that is not heard for so long ends the call; 0: never */
	bool t38;            /* fax (udptl) may pass, unencrypted as it is */
	enum sdes_suite suites[MEDIA_SUITES_MAX]; /* in order of preference */
	size_t suite_count;
	struct str codecs_allow[MEDIA_CODECS_MAX]; /* none: all */
	size_t codecs_allow_count;
	struct str codecs_order[MEDIA_CODECS_MAX];
	size_t codecs_order_count;
	struct rule_place place;
};

enum route_strategy {
	ROUTE_FAILOVER,
	ROUTE_WEIGHTED,
	ROUTE_ROUND_ROBIN,
	ROUTE_LEAST_CALLS,
	ROUTE_LEAST_COST,
	ROUTE_STRATEGY_COUNT
};

enum {
	ROUTE_TO_MAX = 16,
	ROUTE_FROM_MAX = 16,
	ROUTE_NUMBERS_MAX = 16,
	ROUTE_CODES_MAX = 32,
	ROUTE_USERS_MAX = 64,
	ROUTE_PREFIXES_MAX = 1024
};

/* Causes of on_failure that are no SIP status. */
enum { ROUTE_CAUSE_TIMEOUT = 1, ROUTE_CAUSE_TLS = 2, ROUTE_CAUSE_CONNECT = 3 };

struct route_pattern; /* a compiled regular expression: policy/pattern.h */
struct sheet;         /* a table of dialling codes: policy/sheet.h */
struct hours;         /* times of the day and of the week: policy/hours.h */

/* Further conditions of a route; each that is given must hold, by any of its items. */
struct route_when {
	const uint16_t *realms, *trunks; /* that the request comes from */
	size_t realm_count, trunk_count;
	uint8_t causes; /* bit 1 << FACTS_X; none: any */
	/* Of users of ours: "alice@example.net", or "@example.net" for all of a domain. */
	const struct str *users;
	size_t user_count;
	/* number_prefix: what a number with a plus sign begins with, and one without. Both NULL: any number. */
	const struct sheet *plus, *bare;
	const struct sheet *file; /* `prefixes`; NULL: any number */
	const struct hours *hours;
};

struct route_rule {
	struct str name;
	bool any_from;                        /* no `from` given */
	uint16_t from_realms[ROUTE_FROM_MAX]; /* `from` names a realm or a trunk */
	size_t from_realm_count;
	uint16_t from_trunks[ROUTE_FROM_MAX];
	size_t from_trunk_count;
	const struct route_pattern *numbers[ROUTE_NUMBERS_MAX]; /* any of them */
	size_t number_count;
	struct str domains[ROUTE_NUMBERS_MAX]; /* any of them, without case */
	size_t domain_count;
	struct route_when when;
	uint16_t to[ROUTE_TO_MAX]; /* trunks, in order */
	size_t to_count;
	enum route_strategy strategy;
	bool emergency;         /* its calls are never refused for load */
	uint16_t reject_status; /* 0: this route routes */
	struct str reject_reason;
	uint16_t failure_codes[ROUTE_CODES_MAX]; /* SIP statuses and ROUTE_CAUSE_* that try the next
						    target */
	size_t failure_code_count;
	uint32_t failure_after_ms; /* no answer at all in this time: next target */
	uint32_t tries;            /* targets at most */
	struct rule_place place;
};

enum number_field { NUMBER_FROM, NUMBER_TO, NUMBER_ASSERTED, NUMBER_FIELD_COUNT };

/* One line of `numbers.X`: a number that matches becomes `to`. */
struct number_rule {
	const struct route_pattern *match;
	struct str to;  /* with \1 for what group 1 has caught */
	uint8_t fields; /* bit 1 << NUMBER_X */
	struct rule_place place;
};

/* The first of the field that matches counts. */
struct number_rules {
	struct str name;
	const struct number_rule *rules;
	size_t count;
};

struct geo_rule;     /* policy/geo_rule.h */
struct opinion_rule; /* policy/opinion.h */
struct fraud_config; /* fraud_rule.h */

struct policy_config {
	struct ban_rules bans;
	const struct realm_rule *realms;
	size_t realm_count;
	const struct trunk_rule *trunks;
	size_t trunk_count;
	const struct media_rule *media;
	size_t media_count;
	const struct route_rule *routes;
	size_t route_count;
	const struct number_rules *numbers;
	size_t number_count;
	const struct attest_policy *attest;
	size_t attest_count;
	const struct geo_rule *geo; /* the first that matches decides */
	size_t geo_count;
	const struct opinion_rule *opinion; /* NULL: nobody else is asked */
	const struct fraud_config *fraud;   /* NULL: no rules */
	struct rate_rule node_calls;        /* new calls of all together */
	struct rule_place node_place;
};

#endif
