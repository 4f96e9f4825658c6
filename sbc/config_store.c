#include "sbc/config_build.h"

static bool is_address(struct str s)
{
	struct addr a;
	if (str_has_prefix(s, STR("unix:")))
		return s.len > 6 && s.p[5] == '/' && s.len - 5 <= 107;
	if (str_has_prefix(s, STR("redis://")))
		s = str_from_offset(s, 8);
	return addr_parse(s, &a) == OK;
}

static void build_nodes(struct config_build *g, const struct raw_redis *from)
{
	const struct conf_list *l = &from->nodes;
	const struct str *texts = l->items;
	struct store_settings *to = &g->s->store;
	for (size_t i = 0; i < l->count && i < STORE_NODES_MAX; i++) {
		if (texts[i].len == 0)
			continue; /* said already */
		if (!is_address(texts[i]))
			conf_error(g->report, conf_item_node(l, i, from->head.node),
				   "\"%.*s\" is not allowed here; needed: unix:/PATH or "
				   "redis://ADDRESS:PORT (an address, no name)",
				   STR_ARG(texts[i]));
		to->nodes[to->node_count++] = texts[i];
	}
}

static void build_tls(struct config_build *g, const struct raw_redis *from)
{
	struct store_settings *to = &g->s->store;
	const uint16_t anchor = config_find_anchor(g, from->verify, &from->head, "verify"),
		       certificate = config_find_certificate(g, from->certificate, &from->head,
							     "certificate");
	to->tls = from->tls;
	to->tls_name = from->name;
	if (anchor < g->s->anchor_count)
		to->tls_ca = g->s->anchors[anchor].path;
	if (certificate < g->s->certificate_count) {
		to->tls_chain = g->s->certificates[certificate].chain_path;
		to->tls_key = g->s->certificates[certificate].key_path;
	}
	for (size_t i = 0; !from->tls && from->password.len > 0 && i < to->node_count; i++) {
		struct addr a;
		struct str s = to->nodes[i];
		if (str_has_prefix(s, STR("redis://")))
			s = str_from_offset(s, 8);
		if (addr_parse(s, &a) == OK && addr_class(&a) != ADDR_CLASS_LOOPBACK)
			conf_warn(g->report, conf_item_node(&from->nodes, i, from->head.node),
				  "the password goes over the network in the clear: `tls: on`, or "
				  "a Unix socket");
	}
}

static enum store_on_loss loss(uint32_t own, uint32_t all)
{
	return (enum store_on_loss)(own == 0 ? all : own - 1);
}

static void warn_of_secret(struct config_build *g, const struct raw_redis *from, const char *key)
{
	const struct conf_node *n = conf_node_child(from->head.node, key);
	if (n && n->kind == CONF_SCALAR && n->tag == CONF_TAG_NONE)
		conf_warn(g->report, n,
			  "a secret that stands in the file itself; better: !credential NAME, "
			  "!file PATH or !env NAME");
}

void config_build_store(struct config_build *g)
{
	const struct raw_redis *from = &g->raw->store.redis;
	struct store_settings *to = &g->s->store;
	if (!from->head.node)
		return; /* by itself */
	*to = (struct store_settings){
		.kind = STORE_KIND_REDIS,
		.mode = from->cluster            ? STORE_MODE_CLUSTER
			: from->sentinel.len > 0 ? STORE_MODE_SENTINEL
						 : STORE_MODE_SINGLE,
		.scripts = (enum store_scripts)from->scripts,
		.master = from->sentinel,
		.username = from->username,
		.password = from->password,
		.sentinel_password = from->sentinel_password,
		.key = from->key,
		.prefix = from->prefix,
		.timeout_ms = from->timeout,
		.slow_ms = from->slow,
		.queue = from->queue,
		.on_loss = {[STORE_AREA_CALLS] = loss(from->on_loss_calls, from->on_loss),
			    [STORE_AREA_LIMITS] = loss(from->on_loss_limits, from->on_loss),
			    [STORE_AREA_BANS] = loss(from->on_loss_bans, from->on_loss),
			    [STORE_AREA_REGISTRATIONS] =
				    loss(from->on_loss_registrations, from->on_loss)}};
	build_nodes(g, from);
	build_tls(g, from);
	config_warn_of_password(g, &from->head);
	warn_of_secret(g, from, "key");
	if (from->username.len > 0 && from->password.len == 0)
		conf_error_missing(g->report, from->head.node, "password",
				   "missing; a username needs one");
	if (from->cluster && from->sentinel.len > 0)
		conf_error_key(g->report, conf_node_child(from->head.node, "sentinel"),
			       "a cluster has no Sentinels: one of both");
	if (from->slow >= from->timeout)
		conf_error_key(g->report, conf_node_child(from->head.node, "timeout"),
			       "`timeout` is to be longer than `slow`");
}
