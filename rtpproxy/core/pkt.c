#include "pkt.h"

#include "common/check.h"

static const char *const names[FATE_COUNT] = {
#define X(name, label, help) [FATE_##name] = label,
	PKT_FATE_TABLE(X)
#undef X
};
static const char *const helps[FATE_COUNT] = {
#define X(name, label, help) [FATE_##name] = help,
	PKT_FATE_TABLE(X)
#undef X
};

const char *pkt_fate_name(enum pkt_fate f)
{
	CHECK((unsigned)f < FATE_COUNT);
	return names[f];
}

const char *pkt_fate_help(enum pkt_fate f)
{
	CHECK((unsigned)f < FATE_COUNT);
	return helps[f];
}
