/* Places of peers: which parts of the loop ask for them, and what is told of their databases. */
#include "loop_impl.h"

#include "policy/geo_rule.h"

void loop_on_geo(void *loop, const struct geo_report *r)
{
	struct loop *l = loop;
	sbc_metrics_geo(&l->words.metrics, r, l->turn.wall_ms);
}

void loop_apply_geo(struct loop *l)
{
	const struct settings *s = l->settings.now;
	bool any = s->geo.country_path.len + s->geo.asn_path.len > 0;
	geo_apply(l->geo, &s->geo);
	/* A connection is asked about once; of datagrams each one is, so only where a rule wants it. */
	l->flows.geo = any ? l->geo : NULL;
	for (size_t i = 0; i < s->listener_count; i++)
		l->udps[i].geo =
			any && geo_rule_asks(&s->policy, s->listeners[i].realm) ? l->geo : NULL;
}
