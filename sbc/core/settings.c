#include "sbc/core/settings.h"

static const struct {
	struct str name;
	const char *label;
	bool reliable, secure, web;
	uint16_t port;
} transports[TRANSPORT_COUNT] = {
	[TRANSPORT_UDP] = {{"UDP", 3}, "udp", false, false, false, 5060},
	[TRANSPORT_TCP] = {{"TCP", 3}, "tcp", true, false, false, 5060},
	[TRANSPORT_TLS] = {{"TLS", 3}, "tls", true, true, false, 5061},
	[TRANSPORT_WS] = {{"WS", 2}, "ws", true, false, true, 80},
	[TRANSPORT_WSS] = {{"WSS", 3}, "wss", true, true, true, 443},
};

struct str transport_name(enum transport t)
{
	CHECK(t < TRANSPORT_COUNT);
	return transports[t].name;
}

const char *transport_label(enum transport t)
{
	CHECK(t < TRANSPORT_COUNT);
	return transports[t].label;
}

bool transport_is_reliable(enum transport t)
{
	CHECK(t < TRANSPORT_COUNT);
	return transports[t].reliable;
}

bool transport_is_secure(enum transport t)
{
	CHECK(t < TRANSPORT_COUNT);
	return transports[t].secure;
}

bool transport_is_web(enum transport t)
{
	CHECK(t < TRANSPORT_COUNT);
	return transports[t].web;
}

uint16_t transport_port(enum transport t)
{
	CHECK(t < TRANSPORT_COUNT);
	return transports[t].port;
}
