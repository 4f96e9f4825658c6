#include "trace.h"

enum { HEADERS_MAX = 64 };

void trace_init(struct trace *t, log_sink_fn sink, void *ctx, const struct settings *s)
{
	*t = (struct trace){.settings = s};
	log_init(&t->log, sink, ctx);
}

struct str trace_header(struct str message, struct str name, char compact)
{
	struct str line;
	for (unsigned i = 0; i < HEADERS_MAX && str_cut(&message, '\n', &line); i++) {
		line = str_trim(line);
		if (line.len == 0)
			break;
		size_t colon = str_index(line, ':');
		struct str key = str_trim((struct str){line.p, colon});
		if (colon < line.len &&
		    (str_ieq(key, name) || (compact && str_ieq(key, (struct str){&compact, 1}))))
			return str_trim(str_from_offset(line, colon + 1));
	}
	return STR_NONE;
}

void trace_message(void *trace, bool out, const struct flow *flow, struct str bytes)
{
	struct trace *t = trace;
	const struct settings *s = t->settings;
	struct str start = {bytes.p, str_index(bytes, '\n')};
	/* This one is asked for whole: the limit of lines a second does not hold for it. */
	t->log.rate_count = 0;
	log_start(&t->log, LOG_LEVEL_INFO, "sip", STR_NONE, t->turn->wall_ms);
	log_z(&t->log, "dir", out ? "out" : "in");
	if (flow->listener < s->listener_count)
		log_str(&t->log, "realm", s->realms[s->listeners[flow->listener].realm].name);
	log_str(&t->log, "transport", transport_name(flow->transport));
	log_addr(&t->log, "peer", &flow->remote);
	log_str(&t->log, "start", str_trim(start));
	log_str(&t->log, "call_id", trace_header(bytes, STR("call-id"), 'i'));
	log_str(&t->log, "cseq", trace_header(bytes, STR("cseq"), 0));
	log_u64(&t->log, "bytes", bytes.len);
	log_end(&t->log);
}
