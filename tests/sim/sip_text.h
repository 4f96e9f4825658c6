/*
 * SIP text as the simulated phones read it: written apart from the core's own parser on purpose, so
 * that a mistake there is not repeated here. Small: our phones write what they read.
 */
#ifndef SALLYPORT_SIM_SIP_TEXT_H
#define SALLYPORT_SIM_SIP_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/str.h"

/* Views of the message. */
struct sip_text {
	struct str all, head, body;
	bool request;
	struct str method, uri; /* request */
	unsigned status;        /* response */
	struct str reason;
	struct str via, branch, sent_by; /* the top one */
	struct str from, to, from_tag, to_tag, call_id;
	uint32_t cseq;
	struct str cseq_method;
	struct str contact; /* the URI */
};

/* False: no SIP, or without what every message must have. */
bool sip_text_read(struct str bytes, struct sip_text *out);
/* The value of the nth header of this name (0: the first); empty: none. Long form names only, as
 * long and compact ones are the same to it. */
struct str sip_text_header(const struct sip_text *m, const char *name, unsigned nth);
/* ";tag=x" of a From, To, Via … value. */
struct str sip_text_param(struct str value, const char *name);
/* "<sip:a@b>;x" or "sip:a@b" → sip:a@b */
struct str sip_text_uri(struct str value);
/* Address of sip:user@1.2.3.4:5060;transport=tcp; the port may be left out. */
bool sip_text_uri_addr(struct str uri, struct addr *out);

#endif
