#include "scenario.h"

#include "common/check.h"

static const struct scenario *const tables[] = {
	scenarios_call,     scenarios_cancel,  scenarios_failover,  scenarios_fork,
	scenarios_offer,    scenarios_rel,     scenarios_in_dialog, scenarios_timer,
	scenarios_transfer, scenarios_outside, scenarios_auth,      scenarios_operator,
	scenarios_hostile,  scenarios_media,   scenarios_pair,      scenarios_chance,
};

const struct scenario *scenario_at(unsigned nth)
{
	for (unsigned i = 0; i < ARRAY_LEN(tables); i++)
		for (const struct scenario *s = tables[i]; s->name; s++)
			if (nth-- == 0)
				return s;
	return NULL;
}

bool scenario_is_dear(const struct scenario *s)
{
	for (const struct scenario *p = scenarios_pair; p->name; p++)
		if (p == s)
			return true;
	return false;
}
