/*
 * What of a stream the kernel may do in our place: refuse strangers, forward its RTP. The rules are
 * those of latch.h and forward.h, said ahead of the packets: a flow is given away only if every packet
 * that the programs pass would have met the same fate here. A pure question, asked again and again.
 */
#ifndef SALLYPORT_OFFLOAD_H
#define SALLYPORT_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"

struct stream;

/* X(name, in a few words). Why a stream's RTP comes here and is not forwarded by the kernel. */
#define OFFLOAD_TABLE(X)                                                                           \
	X(YES, "the kernel forwards it")                                                           \
	X(KIND, "it is not RTP: RTCP, or fax")                                                     \
	X(SECURITY, "a side is encrypted, or not agreed yet")                                      \
	X(CHECKED, "ICE decides where it goes")                                                    \
	X(BLOCKED, "blocked, or on hold")                                                          \
	X(LEARNING, "where the party is may still be learned")                                     \
	X(NO_PEER, "the other side is not known, or may still be learned")                         \
	X(UNPROVEN, "the other side has shown nothing yet")                                        \
	X(FAMILY, "IPv4 on one side, IPv6 on the other")                                           \
	X(SILENT, "no RTP has come")                                                               \
	X(SOURCE, "its source is changing")                                                        \
	X(WATCHED, "its packets are wanted here: recorded, listened to, rewritten")                \
	X(ROUTE, "the way to the other side is not by Ethernet")                                   \
	X(SHARED, "two flows leave by one port")

enum offload_reason {
#define X(name, text) OFFLOAD_##name,
	OFFLOAD_TABLE(X)
#undef X
		OFFLOAD_REASON_COUNT
};

/* Who may send to the port. */
enum offload_source {
	OFFLOAD_ANY,   /* it is still learned */
	OFFLOAD_FIXED, /* the party alone; others change nothing, whatever they send */
	OFFLOAD_HELD,  /* the party alone, while what it sends is authentic and fresh */
	OFFLOAD_SOURCE_COUNT
};

struct offload {
	enum offload_reason why;
	enum offload_source source;
	bool checks;         /* STUN or DTLS may come from anywhere: strangers are heard a little */
	struct addr from;    /* the party, unless source is ANY without checks */
	struct stream *peer; /* YES: leaves from there */
	struct addr to;      /* … and goes there */
};

/* Of any endpoint. ROUTE and SHARED are not found here. */
void offload_decide(const struct stream *s, uint64_t now_us, struct offload *out);
/* Static text. */
const char *offload_text(enum offload_reason why);

#endif
