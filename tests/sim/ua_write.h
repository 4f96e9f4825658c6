/* The messages that a simulated phone writes, marked with its word. */
#ifndef SALLYPORT_SIM_UA_WRITE_H
#define SALLYPORT_SIM_UA_WRITE_H

#include "tests/sim/ua.h"

struct ua_request {
	struct str method, uri, branch;
	uint32_t cseq;
	struct str sdp, body, type; /* SDP, or another body with its type */
	const char *extra;          /* header lines, or NULL */
	enum ua_act why;            /* UA_ACT_COUNT: nothing to do again */
};

struct ua_response {
	uint16_t status;
	struct str to_tag;
	struct str sdp;
	bool contact;
	const char *moved; /* Contact of a 3xx */
	uint32_t rseq;     /* reliable 18x; 0: not */
	const char *extra;
};

/* Texts live as long as the run. */
struct str ua_make_token(struct ua *u, const char *prefix);
struct str ua_write_request(struct ua *u, const struct ua_dialog *d, const struct ua_request *r);
struct str ua_write_response(struct ua *u, const struct sip_text *m, const struct ua_response *r);
void ua_write_contact(struct ua *u, struct buf *b);

#endif
