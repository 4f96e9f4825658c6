#include "ban_wire.h"

static void write_source(struct buf *b, const struct prefix *p)
{
	addr_write_ip(b, &p->addr);
	buf_printf(b, "/%u", (unsigned)p->bits);
}

void ban_wire_write(struct buf *b, const struct ban_wire *w)
{
	switch (w->type) {
	case BAN_WIRE_FRESH: buf_lit(b, "fresh"); break;
	case BAN_WIRE_LISTEN:
		buf_printf(b, "listen %s ", w->tcp ? "tcp" : "udp");
		addr_write(b, &w->listen);
		break;
	case BAN_WIRE_BAN:
		buf_lit(b, "ban ");
		write_source(b, &w->source);
		buf_printf(b, " %u", w->seconds);
		break;
	case BAN_WIRE_LIFT:
		buf_lit(b, "lift ");
		write_source(b, &w->source);
		break;
	case BAN_WIRE_TYPE_COUNT: break;
	}
}

enum err ban_wire_read(struct str s, struct ban_wire *out)
{
	struct ban_wire w = {.type = BAN_WIRE_FRESH};
	struct str verb, a = STR_NONE, b = STR_NONE, more;

	if (s.len > BAN_WIRE_MAX || !str_cut_word(&s, &verb))
		return ERR_BAD;
	const bool one = str_cut_word(&s, &a), two = one && str_cut_word(&s, &b);
	if (two && str_cut_word(&s, &more))
		return ERR_BAD;
	if (str_eq(verb, STR("fresh")) && !one) {
		*out = w;
		return OK;
	}
	if (str_eq(verb, STR("listen")) && two) {
		w.type = BAN_WIRE_LISTEN;
		w.tcp = str_eq(a, STR("tcp"));
		if ((!w.tcp && !str_eq(a, STR("udp"))) || addr_parse(b, &w.listen) != OK ||
		    w.listen.port == 0)
			return ERR_BAD;
	} else if (str_eq(verb, STR("ban")) && two) {
		w.type = BAN_WIRE_BAN;
		if (prefix_parse(a, &w.source) != OK ||
		    str_to_u32(b, BAN_WIRE_SECONDS_MAX, &w.seconds) != OK || w.seconds == 0)
			return ERR_BAD;
	} else if (str_eq(verb, STR("lift")) && one && !two) {
		w.type = BAN_WIRE_LIFT;
		if (prefix_parse(a, &w.source) != OK)
			return ERR_BAD;
	} else {
		return ERR_BAD;
	}
	*out = w;
	return OK;
}
