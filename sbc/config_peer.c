#include "sbc/config_peer.h"

#include "common/check.h"

static bool is_host_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-' || c == '.';
		if (!good)
			return false;
	}
	return s.len > 0 && s.len <= 255 && s.p[0] != '.' && s.p[0] != '-';
}

/* "host", "host:port", "[v6]:port"; host without brackets as written otherwise. */
static const char *read_host(struct str text, struct peer *p)
{
	struct addr a;
	size_t end =
		text.len > 0 && text.p[0] == '[' ? str_index(text, ']') + 1 : str_index(text, ':');
	if (end > text.len)
		return "the address has no \"]\"";
	p->host = (struct str){text.p, end};
	struct str port = str_from_offset(text, end);
	if (port.len > 0 &&
	    (port.p[0] != ':' || str_to_u16(str_from_offset(port, 1), 65535, &p->port) != OK ||
	     p->port == 0))
		return "the port is not a number from 1 to 65535";
	if (addr_parse_ip(p->host, &a) != OK && !is_host_name(p->host))
		return "the host is neither a name nor an address; an IPv6 address stands in [ ]";
	return NULL;
}

static const char *read_transport(struct str value, struct peer *p)
{
	for (unsigned t = 0; t < TRANSPORT_COUNT; t++) {
		if (transport_is_web((enum transport)t) ||
		    !str_ieq(value, str_from(transport_label((enum transport)t))))
			continue;
		p->transport = (enum transport)t;
		p->transport_given = true;
		return NULL;
	}
	return "its transport is not one of udp, tcp, tls";
}

static const char *read(struct str uri, struct peer *p)
{
	struct str rest = uri, scheme, host, param;
	if (!str_cut(&rest, ':', &scheme) || str_has_char(rest, '@') || str_has_char(rest, '?'))
		return "a target has no user and no headers";
	p->uri = uri;
	p->sips = str_ieq(scheme, STR("sips"));
	if (!str_cut(&rest, ';', &host))
		return "the host is missing";
	const char *why = read_host(host, p);
	while (!why && rest.p && str_cut(&rest, ';', &param)) {
		struct str name;
		if (!str_cut(&param, '=', &name) || !str_ieq(name, STR("transport")))
			return "the only parameter allowed is transport";
		why = read_transport(param, p);
	}
	if (!why && p->sips && p->transport_given && p->transport == TRANSPORT_UDP)
		return "sips: means TLS, it cannot go over udp";
	return why;
}

enum err config_read_peer(struct str uri, struct peer *out, const char **why)
{
	struct peer p = {0};
	*why = read(uri, &p);
	if (*why)
		return ERR_BAD;
	p.secure = p.sips || (p.transport_given && p.transport == TRANSPORT_TLS);
	if (p.secure) /* sips:…;transport=tcp is TLS over TCP (RFC 3261 §26.2.2) */
		p.transport = TRANSPORT_TLS;
	*out = p;
	return OK;
}
