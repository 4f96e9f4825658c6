/*
 * All that a decision may know of a request. Gathered first, then decided, then acted on. Zeroed is "unknown", a value that
 * rules can name: what was not gathered is never taken for something harmless. Views: valid for the turn.
 */
#ifndef SALLYPORT_FACTS_H
#define SALLYPORT_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/str.h"

enum { FACTS_NAMES_MAX = 8, FACTS_COUNTRY_LEN = 2 };

/*
 * What became of the signature that says who calls (RFC 8224): nobody has looked, there is none, it holds, it does not. And why
 * it does not: the names of what policy may do about it (attest.h).
 */
enum facts_verstat {
	FACTS_VERSTAT_UNKNOWN,
	FACTS_VERSTAT_NONE,
	FACTS_VERSTAT_PASSED,
	FACTS_VERSTAT_FAILED,
	FACTS_VERSTAT_COUNT
};
enum facts_fault {
	FACTS_FAULT_NONE,
	FACTS_FAULT_MISSING,    /* no signature */
	FACTS_FAULT_INVALID,    /* broken, or of another caller or number */
	FACTS_FAULT_STALE,      /* too old, or of tomorrow */
	FACTS_FAULT_INFO,       /* its certificate cannot be had */
	FACTS_FAULT_CREDENTIAL, /* its certificate is none that we believe */
	FACTS_FAULT_OURS,       /* we could not look */
	FACTS_FAULT_COUNT
};
/* How far the signer answers for the caller (RFC 8588); more is greater. */
enum facts_attest {
	FACTS_ATTEST_UNKNOWN,
	FACTS_ATTEST_C,
	FACTS_ATTEST_B,
	FACTS_ATTEST_A,
	FACTS_ATTEST_COUNT
};

/* Why there is a call: someone dialled it, was sent on by a 3xx, or is handed on by a REFER. */
enum facts_cause { FACTS_DIALLED, FACTS_REDIRECTED, FACTS_TRANSFERRED, FACTS_CAUSE_COUNT };

struct facts {
	uint16_t realm;
	uint16_t trunk; /* POLICY_NO_INDEX until identified */
	struct addr source;
	bool tls;
	bool spoofable; /* a datagram whose source has not shown that it hears us */
	char country[FACTS_COUNTRY_LEN + 1]; /* ISO 3166 alpha-2 of the source; "": unknown */
	uint32_t asn;                        /* autonomous system of the source; 0: unknown */
	/* Names of a client certificate that verified: hosts of SAN sip: URIs and DNS names (RFC
	 * 5922). */
	struct str peer_names[FACTS_NAMES_MAX];
	size_t peer_name_count;
	struct str method;
	struct str
		user; /* address-of-record of the user of ours that it comes from; empty: of none */
	struct str caller; /* the calling number, canonical; empty: none, or withheld */
	struct str number; /* the called one, canonical: of the Request-URI, unescaped once */
	struct str domain; /* host part of the Request-URI */
	enum facts_verstat verstat;
	enum facts_fault
		fault; /* VERSTAT_NONE, _FAILED, and _UNKNOWN where we should have looked */
	enum facts_attest attest; /* VERSTAT_PASSED */
	enum facts_cause cause;
	/* Whose registered user it is where its source is no trunk's: a group of users, as a trunk. Only with `user`. */
	uint16_t user_trunk;
	bool identified; /* whose it is has been asked: `trunk` is the answer, also where it is none */
	bool quarantined; /* its source is: only what may prove itself is heard */
	bool fresh;       /* asks for something new, or is noise: its source's rate counts it */
	bool registers;   /* it is a REGISTER, as far as its first octets say */
	bool emergency; /* the number of a route that is never refused for limits, geography, fraud */
	uint8_t diversions; /* how often the call says that it was diverted (Diversion, History-Info) */
	uint32_t random;  /* for weighted choice */
	uint64_t now_ms;  /* monotonic: windows, rates */
	uint64_t wall_ms; /* since the epoch: times of day and of the week */
};

#endif
