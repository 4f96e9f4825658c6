#include "rtpproxy/core/dtmf_json.h"

static void add_text(struct buf *b, const char *key, struct str v)
{
	buf_printf(b, "\"%s\":", key);
	buf_json_str(b, v);
	buf_char(b, ',');
}

void dtmf_json_write(struct buf *b, const struct relay_notice *n, uint64_t wall_s)
{
	char mem[64];
	struct buf ip;
	buf_init(&ip, mem, sizeof(mem));
	if (n->source.family != ADDR_NONE) {
		addr_write_ip(&ip, &n->source);
	}
	buf_char(b, '{');
	add_text(b, "callid", n->call_id);
	add_text(b, "source_tag", n->tag);
	if (n->label.len > 0) {
		add_text(b, "source_label", n->label);
	}
	buf_lit(b, "\"tags\":[");
	buf_json_str(b, n->tag);
	if (n->other_tag.len > 0) {
		buf_char(b, ',');
		buf_json_str(b, n->other_tag);
	}
	buf_printf(b, "],\"type\":\"DTMF\",\"timestamp\":%llu,", (unsigned long long)wall_s);
	add_text(b, "source_ip", buf_view(&ip));
	buf_printf(b, "\"event\":%u,\"duration\":%u,\"volume\":%u}", n->digit, n->ms, n->volume);
}
