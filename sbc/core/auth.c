#include "sbc/core/auth.h"

id_t64 auth_again(struct sbc *s, const struct auth_again *p)
{
	CHECK(s && p && p->answer);
	if (p->trunk >= p->settings->trunk_count || !p->settings->trunks[p->trunk].credentials.on)
		return ID_NONE;
	return ID_NONE;
}
