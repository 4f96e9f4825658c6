/* A log line for each SIP message, where the operator asked for it (observe.log.sip). Says the start
 * line, Call-ID and CSeq; never a body, never credentials. */
#ifndef SALLYPORT_TRACE_H
#define SALLYPORT_TRACE_H

#include "common/log.h"
#include "sbc/shell/turn.h"

struct trace {
	struct log log;
	const struct turn *turn; /* for the time */
	const struct settings *settings;
};

void trace_init(struct trace *t, log_sink_fn sink, void *ctx, const struct settings *s);
/* A turn_trace_fn. */
void trace_message(void *trace, bool out, const struct flow *flow, struct str bytes);
/* The value of the first header of that name, long or (if it has one) short; STR_NONE. */
struct str trace_header(struct str message, struct str name, char compact);

#endif
