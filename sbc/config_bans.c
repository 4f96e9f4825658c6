#include "sbc/config_build.h"

static const struct conf_node *source_node(const struct config_build *g, size_t trunk)
{
	const struct raw_trunk *raw = g->raw->trunks.items;

	return trunk < g->raw->trunks.count
		       ? conf_node_child(raw[trunk].identify.head.node, "source")
		       : NULL;
}

static bool is_allowed(const struct ban_rules *r, const struct prefix *p)
{
	for (size_t i = 0; i < r->allow_count; i++)
		if (r->allow[i].bits <= p->bits && prefix_has(&r->allow[i], &p->addr))
			return true;
	return false;
}

void config_build_bans(struct config_build *g)
{
	const struct raw_bans *from = &g->raw->bans;
	struct ban_rules *to = &g->s->policy.bans;

	*to = (struct ban_rules){
		.first_s = (uint32_t)(from->first / 1000),
		.factor = from->factor,
		.most_s = (uint32_t)(from->most / 1000),
		.forget_s = (uint32_t)(from->forget / 1000),
		.allow = from->allow.items,
		.allow_count = from->allow.count,
		.prefix_after = from->prefix_after,
		.kernel_after = {from->kernel_after.count, from->kernel_after.per_ms, 0},
		.strangers = {from->strangers.count, from->strangers.per_ms, 0},
		.quarantine_s = (uint32_t)(from->quarantine / 1000)};
	g->s->bans = (struct ban_settings){.file = from->file, .kernel_path = from->kernel};
	if (!from->head.node)
		return;
	to->place = config_place(from->head.node);
	if (from->most < from->first && conf_node_child(from->head.node, "most"))
		conf_warn(g->report, conf_node_child(from->head.node, "most"),
			  "is less than `first`: bans do not grow");
	/* A trunk behind an address is a business partner: a mistake there should not cost all of its calls. */
	for (size_t t = 0; t < g->s->policy.trunk_count; t++) {
		const struct trunk_rule *r = &g->s->policy.trunks[t];
		const struct conf_node *n = source_node(g, t);
		bool open = false;
		for (size_t i = 0; i < r->source_count && !open; i++)
			open = !is_allowed(to, &r->sources[i]);
		if (open && n)
			conf_warn(g->report, n,
				  "these sources can be banned like any other; bans.allow spares "
				  "them");
	}
}
