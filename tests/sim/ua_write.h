/* The messages that a simulated phone writes, marked with its word. */
#ifndef SALLYPORT_SIM_UA_WRITE_H
#define SALLYPORT_SIM_UA_WRITE_H

#include "tests/sim/ua.h"

struct ua_request {
	struct str method, uri, branch;
	uint32_t cseq;
	bool sdp;
	const char *extra; /* header lines, or NULL */
};

struct ua_response {
	uint16_t status;
	struct str to_tag;
	bool sdp, contact;
	uint32_t version;
	unsigned fork;
	uint32_t rseq; /* reliable 18x; 0: not */
};

/* Texts live as long as the run. */
struct str ua_make_token(struct ua *u, const char *prefix);
struct str ua_write_request(struct ua *u, const struct ua_dialog *d, const struct ua_request *r);
struct str ua_write_response(struct ua *u, const struct sip_text *m, const struct ua_response *r);

#endif
