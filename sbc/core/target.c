#include "sbc/core/target.h"

bool target_address(const struct peer *p, bool sips, struct candidate *out)
{
	enum transport t = sips                 ? TRANSPORT_TLS
			   : p->transport_given ? p->transport
			   : p->secure          ? TRANSPORT_TLS
						: TRANSPORT_UDP;
	struct addr ip;

	if (addr_parse_ip(p->host, &ip) != OK)
		return false;
	ip.port = p->port ? p->port : transport_port(t);
	*out = (struct candidate){.transport = t, .addr = ip};
	return true;
}

static bool realm_has(const struct settings *s, uint16_t realm, uint8_t family)
{
	for (size_t i = 0; i < s->listener_count; i++)
		if (s->listeners[i].realm == realm && s->listeners[i].local.family == family)
			return true;
	return false;
}

struct resolve_query target_query(const struct settings *s, uint16_t realm, const struct peer *p,
				  bool sips)
{
	return (struct resolve_query){.host = p->host,
				      .port = p->port,
				      .transport_given = p->transport_given,
				      .transport = p->transport,
				      .secure = p->secure || sips,
				      .ip4 = realm_has(s, realm, ADDR_IP4),
				      .ip6 = realm_has(s, realm, ADDR_IP6)};
}
