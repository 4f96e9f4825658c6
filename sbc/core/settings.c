#include "sbc/core/settings.h"

static const struct {
	struct str name;
	bool reliable;
} transports[TRANSPORT_COUNT] = {
	[TRANSPORT_UDP] = {{"UDP", 3}, false},
	[TRANSPORT_TCP] = {{"TCP", 3}, true},
	[TRANSPORT_TLS] = {{"TLS", 3}, true},
};

struct str transport_name(enum transport t)
{
	CHECK(t < TRANSPORT_COUNT);
	return transports[t].name;
}

bool transport_is_reliable(enum transport t)
{
	CHECK(t < TRANSPORT_COUNT);
	return transports[t].reliable;
}
