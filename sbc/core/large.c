#include "sbc/core/large.h"

static bool has_refused(const struct large_refusals *r, const struct addr *a, uint64_t now_ms)
{
	for (size_t i = 0; i < LARGE_NO_TCP_MAX; i++)
		if (r->list[i].until_ms > now_ms && addr_eq(&r->list[i].addr, a))
			return true;
	return false;
}

bool large_find(const struct settings *s, const struct large_refusals *r, const struct dest *d,
		size_t len, uint64_t now_ms, struct dest *out)
{
	if (!s || d->flow.transport != TRANSPORT_UDP || s->limits.udp_bytes == 0 ||
	    len <= s->limits.udp_bytes || d->flow.listener >= s->listener_count ||
	    has_refused(r, &d->flow.remote, now_ms))
		return false;
	uint16_t realm = s->listeners[d->flow.listener].realm;
	for (size_t i = 0; i < s->listener_count; i++) {
		const struct listener *l = &s->listeners[i];
		if (l->realm != realm || l->transport != TRANSPORT_TCP ||
		    l->local.family != d->flow.remote.family)
			continue;
		*out = *d;
		out->flow.id = ID_NONE;
		out->flow.transport = TRANSPORT_TCP;
		out->flow.listener = (uint16_t)i;
		out->reconnect = true;
		return true;
	}
	return false;
}

enum err large_write(struct buf *b, struct str request, enum transport t,
		     const struct addr *sent_by)
{
	static const struct str via = STR("\r\nVia: SIP/2.0/"), rport = STR(";rport");
	size_t at = str_find(request, via);
	struct str rest = str_from_offset(request, at);
	size_t params = str_index(rest, ';');
	if (at == request.len || params >= str_find(str_from_offset(rest, 2), STR("\r\n")) + 2)
		return ERR_BAD;
	buf_bytes(b, request.p, at);
	buf_str(b, via);
	buf_str(b, transport_name(t));
	buf_char(b, ' ');
	addr_write(b, sent_by);
	rest = str_from_offset(rest, params);
	/* RFC 3581: only UDP has a port that the answer could miss. */
	if (str_has_prefix(rest, rport))
		rest = str_from_offset(rest, rport.len);
	buf_str(b, rest);
	return b->overflow ? ERR_LIMIT : OK;
}

void large_refused(struct large_refusals *r, const struct addr *a, uint64_t now_ms)
{
	r->list[r->next].addr = *a;
	r->list[r->next].until_ms = now_ms + LARGE_NO_TCP_MS;
	r->next = (uint8_t)((r->next + 1) % LARGE_NO_TCP_MAX);
}
