#include "sbc/core/sbc.h"

#include "sbc/core/worker.h"

/* What the operator, a file and other nodes say of bans. */

static void set_time(struct sbc *s, struct ban_time t)
{
	s->now_ms = t.now_ms;
	s->wall_ms = t.wall_ms;
}

enum ban_result sbc_ban(struct sbc *s, const struct ban_order *o, struct ban_time t,
			struct ban *out)
{
	CHECK(s && o && out);
	set_time(s, t);
	return keepout_ban(s, o, out);
}

bool sbc_unban(struct sbc *s, const struct subject *who, struct ban_time t, struct ban *out)
{
	CHECK(s && who && out);
	set_time(s, t);
	return keepout_lift(s, who, out);
}

enum ban_result sbc_import_ban(struct sbc *s, const struct ban *v, struct ban_time t)
{
	CHECK(s && v);
	set_time(s, t);
	return keepout_import(s, v);
}

bool sbc_next_ban(const struct sbc *s, struct ban_time t, bool ended, uint32_t *cursor,
		  struct ban *out)
{
	CHECK(s && cursor && out);
	return ban_next(&s->policy.bans, t, ended, cursor, out);
}
