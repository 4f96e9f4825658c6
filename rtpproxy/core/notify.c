#include "rtpproxy/core/notify.h"

static const char *const names[RELAY_EVENT_COUNT] = {
	[RELAY_CALL_ENDED] = "onCallEnded",     [RELAY_DTMF] = "onDTMF",
	[RELAY_MEDIA_LOST] = "onMediaLost",     [RELAY_MEDIA_BACK] = "onMediaBack",
	[RELAY_MEDIA_ONE_WAY] = "onOneWay",     [RELAY_CONSENT_LOST] = "onConsentLost",
	[RELAY_CONSENT_BACK] = "onConsentBack",
};

const char *notify_name(enum relay_event e)
{
	return names[e];
}

static void put(struct buf *b, struct str s)
{
	buf_u64(b, s.len);
	buf_char(b, ':');
	buf_str(b, s);
}

static void add_str(struct buf *b, const char *key, struct str v)
{
	if (v.len > 0) {
		put(b, str_from(key));
		put(b, v);
	}
}

static void add_int(struct buf *b, const char *key, uint64_t v)
{
	put(b, str_from(key));
	buf_char(b, 'i');
	buf_u64(b, v);
	buf_char(b, 'e');
}

static void add_source(struct buf *b, const struct addr *source)
{
	char mem[64];
	struct buf ip;
	if (source->family == ADDR_NONE) {
		return;
	}
	buf_init(&ip, mem, sizeof(mem));
	addr_write_ip(&ip, source);
	add_str(b, "source_ip", buf_view(&ip));
}

/* Keys in the order of bencode: capital letters do not occur, so it is that of the alphabet. */
static void write_data(struct buf *b, const struct relay_notice *n, uint64_t wall_ms)
{
	bool key = n->event == RELAY_DTMF;
	add_str(b, "callid", n->call_id);
	if (key || n->ms > 0) {
		add_int(b, "duration", n->ms);
	}
	if (key) {
		add_int(b, "event", n->digit);
	}
	add_str(b, "kind", n->kind);
	add_str(b, "reason", n->detail ? str_from(n->detail) : STR_NONE);
	add_int(b, "seq", n->seq);
	add_source(b, &n->source);
	add_str(b, "source_label", n->label);
	add_str(b, "source_tag", n->tag);
	if (n->other_tag.len > 0) {
		put(b, STR("tags"));
		buf_char(b, 'l');
		put(b, n->other_tag);
		buf_char(b, 'e');
	}
	add_int(b, "timestamp", wall_ms / 1000);
	add_str(b, "type", key ? STR("DTMF") : STR("media"));
	if (key) {
		add_int(b, "volume", n->volume);
	}
}

void notify_write(struct buf *b, const struct relay_notice *n, uint64_t wall_ms)
{
	const char *name = notify_name(n->event);
	if (!name) {
		return;
	}
	buf_str(b, n->cookie);
	buf_lit(b, " d4:datad");
	write_data(b, n, wall_ms);
	buf_lit(b, "e6:notify");
	put(b, str_from(name));
	buf_char(b, 'e');
}
