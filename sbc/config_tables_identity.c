#include "sbc/config_sections.h"

#include "sbc/config_tables.h"

static const char *const letters[] = {"A", "B", "C", NULL};

static const struct conf_setting signer_attest_settings[] = {
	{.name = "default",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_signer_attest, other),
	 .words = letters,
	 .def = "B",
	 .help = "Of a call whose trunk we know, from a number that is not its own."},
	{.name = "owned",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_signer_attest, owned),
	 .words = letters,
	 .def = "A",
	 .help = "Of a call from a number in `identity.owns` of its trunk or group, or from the "
		 "user's own."},
};
static const struct conf_section signer_attest_section = {
	.help = "How far we answer for the caller (RFC 8588). A signature that came and did not "
		"hold makes it C.",
	ROWS(signer_attest_settings),
	.size = sizeof(struct raw_signer_attest)};

static const struct conf_setting signer_settings[] = {
	{.name = "certificate_url",
	 .type = CONF_URI,
	 .words = (const char *const[]){"https", NULL},
	 CONF_AT(struct raw_signer, certificate_url),
	 .max = 512,
	 .flags = CONF_REQUIRED,
	 .help = "Where others fetch our certificate: `x5u` and `info` of what we sign."},
	{.name = "key",
	 .type = CONF_SOURCE,
	 CONF_AT(struct raw_signer, key),
	 .flags = CONF_REQUIRED,
	 .help = "PEM of the private key of that certificate, P-256, without a password."},
	{.name = "attest",
	 .type = CONF_SECTION,
	 .sub = &signer_attest_section,
	 CONF_AT(struct raw_signer, attest)},
};
static const struct conf_section signer_section = {
	.help = "With what calls are signed that go to trunks with `identity.sign`.",
	ROWS(signer_settings),
	.size = sizeof(struct raw_signer)};

static const struct conf_setting verifier_settings[] = {
	{.name = "anchors",
	 .type = CONF_PATH,
	 CONF_AT(struct raw_verifier, anchors),
	 .flags = CONF_REQUIRED,
	 .help = "PEM file of the authorities whose signers we believe."},
	{.name = "hosts",
	 .type = CONF_LIST_OF,
	 .item = CONF_STRING,
	 CONF_AT(struct raw_verifier, hosts),
	 .min = 1,
	 .max = 256,
	 .flags = CONF_REQUIRED,
	 .help = "Where certificates may be fetched: `cert.example.net`, `*.example.net`, `*`; "
		 "`:PORT` behind it "
		 "for another port than 443 and 8443."},
	{.name = "networks",
	 .type = CONF_LIST_OF,
	 .item = CONF_PREFIX,
	 CONF_AT(struct raw_verifier, networks),
	 .max = 64,
	 .otherwise = "public addresses alone",
	 .help = "Addresses beside the public ones that those hosts may have."},
	{.name = "https",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_verifier, https),
	 .def = "public",
	 .help = "What these servers are verified with: public, the system's authorities; or a "
		 "name of `trust_anchors`."},
	{.name = "max_age",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_verifier, max_age),
	 .min = 1000,
	 .max = 600000,
	 .def = "60s",
	 .help = "A signature made longer before its INVITE came, or so long after, is stale (RFC "
		 "8224 §6.2)."},
	{.name = "cache",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_verifier, cache),
	 .min = 1000,
	 .max = 86400000,
	 .def = "1h",
	 .help = "How long a certificate is kept; one that has ended is not, and a reload forgets "
		 "all. A failure "
		 "is kept for 10 s."},
	{.name = "fetch_timeout",
	 .type = CONF_DURATION,
	 CONF_AT(struct raw_verifier, fetch_timeout),
	 .min = 50,
	 .max = 4000,
	 .def = "800ms",
	 .help = "So long a call waits for the certificate of who signed it; then it is `info` "
		 "that is wrong. What "
		 "comes later serves the next call."},
};
static const struct conf_section verifier_section = {
	.help = "Whose signatures are believed, and how their certificates are had.",
	ROWS(verifier_settings),
	.size = sizeof(struct raw_verifier)};

static const struct conf_setting below_settings[] = {
	{.name = "A", .type = CONF_STRING, CONF_AT(struct raw_below, a), .otherwise = "accept"},
	{.name = "B",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_below, b),
	 .otherwise = "as A says",
	 .help = "accept, or reject STATUS."},
};
static const struct conf_section below_section = {
	.help = "What becomes of a call whose signature holds and attests less than that.",
	ROWS(below_settings),
	.size = sizeof(struct raw_below)};

static const struct conf_setting policy_settings[] = {
	{.name = "missing",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_attest_policy, missing),
	 .def = "accept",
	 .help = "No signature, or none of a kind that we know. accept; reject, with 428; reject "
		 "STATUS."},
	{.name = "invalid",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_attest_policy, invalid),
	 .def = "reject 438",
	 .help = "One that is broken, does not hold, or is of another caller or number."},
	{.name = "stale",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_attest_policy, stale),
	 .def = "reject 403",
	 .help = "One outside of max_age."},
	{.name = "info",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_attest_policy, info),
	 .def = "reject 436",
	 .help = "Its certificate cannot be had: not at that address, not in time, not from "
		 "there."},
	{.name = "credential",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_attest_policy, credential),
	 .def = "reject 437",
	 .help = "Its certificate is none that we believe, or not for that number."},
	{.name = "on_error",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_attest_policy, on_error),
	 .def = "reject 500",
	 .help = "We could not look: too many fetches at once, no memory."},
	{.name = "below",
	 .type = CONF_SECTION,
	 .sub = &below_section,
	 CONF_AT(struct raw_attest_policy, below)},
	{.name = "caller",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_attest_policy, caller),
	 .words = (const char *const[]){"from", "asserted", "either", NULL},
	 .def = "from",
	 .help = "Whose number the signature must have: that in From (P-Asserted-Identity where "
		 "From has no number), that in P-Asserted-Identity, either. From a trunk whose "
		 "P-Asserted-Identity is not trusted From alone counts."},
	{.name = "called",
	 .type = CONF_ENUM,
	 CONF_AT(struct raw_attest_policy, called),
	 .words = (const char *const[]){"request", "to", "either", NULL},
	 .def = "request",
	 .help = "And whom it must be for, if need be by way of `div` (RFC 8946): the number in "
		 "the Request-URI, in To, either."},
};
static const struct conf_section policy_section = {
	.help = "What becomes of calls by their signature; `trunks.X.identity.verify` names one of "
		"these. Emergency "
		"calls are not asked.",
	ROWS(policy_settings),
	.size = sizeof(struct raw_attest_policy)};

static const struct conf_setting identity_settings[] = {
	{.name = "signer",
	 .type = CONF_SECTION,
	 .sub = &signer_section,
	 CONF_AT(struct raw_identity, signer)},
	{.name = "verifier",
	 .type = CONF_SECTION,
	 .sub = &verifier_section,
	 CONF_AT(struct raw_identity, verifier)},
	{.name = "policies",
	 .type = CONF_NAMED,
	 .sub = &policy_section,
	 CONF_AT(struct raw_identity, policies),
	 .max = 256},
};
const struct conf_section config_identity_section = {
	.help = "STIR/SHAKEN: who says who calls (RFC 8224, 8225, 8226, 8588, 8946); "
		"docs/identity.md.",
	ROWS(identity_settings),
	.size = sizeof(struct raw_identity)};

#define OWNS_ROW                                                                                   \
	{                                                                                          \
		.name = "owns", .type = CONF_LIST_OF, .item = CONF_STRING,                         \
		CONF_AT(struct raw_trunk_identity, owns), .max = 65536,                            \
		.help = "Its numbers, canonical: `+4930555123`; `+4930555*` for all that begin "   \
			"so."                                                                      \
	}
#define ATTEST_ROW                                                                                 \
	{                                                                                          \
		.name = "attest", .type = CONF_ENUM, CONF_AT(struct raw_trunk_identity, attest),   \
		.words = (const char *const[]){"default", "A", "B", "C", NULL}, .def = "default",  \
		.help = "What its calls from other numbers are attested as; default: by "          \
			"`identity.signer.attest`. C for a gateway."                               \
	}
#define VERSTAT_ROW                                                                                \
	{                                                                                          \
		.name = "verstat", .type = CONF_ENUM, CONF_AT(struct raw_trunk_identity, verstat), \
		.words = (const char *const[]){"both", "from", "pai", "off", NULL}, .def = "both", \
		.help = "Where it is told what became of the caller's signature, if it is "        \
			"trusted: the "                                                            \
			"parameter `verstat` (3GPP TS 24.229) of the number in From, in "          \
			"P-Asserted-Identity, in both."                                            \
	}

static const struct conf_setting trunk_identity_settings[] = {
	{.name = "sign",
	 .type = CONF_BOOL,
	 CONF_AT(struct raw_trunk_identity, sign),
	 .def = "false",
	 .help = "Calls that go to it are signed, where they are not already."},
	{.name = "verify",
	 .type = CONF_STRING,
	 CONF_AT(struct raw_trunk_identity, verify),
	 .otherwise = "signatures are not looked at",
	 .help = "A name of `identity.policies`, for calls that come from it."},
	OWNS_ROW,
	ATTEST_ROW,
	VERSTAT_ROW,
};
const struct conf_section config_trunk_identity_section = {
	.help = "Signatures of who calls (RFC 8224).",
	ROWS(trunk_identity_settings),
	.size = sizeof(struct raw_trunk_identity)};

static const struct conf_setting users_identity_settings[] = {OWNS_ROW, ATTEST_ROW, VERSTAT_ROW};
const struct conf_section config_users_identity_section = {
	.help = "Signatures of who calls (RFC 8224). A user owns the number of its own address.",
	ROWS(users_identity_settings),
	.size = sizeof(struct raw_trunk_identity)};
