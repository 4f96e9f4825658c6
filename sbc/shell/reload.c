#include "reload.h"

static bool same_realms(const struct settings *a, const struct settings *b)
{
	if (a->realm_count != b->realm_count)
		return false;
	for (size_t i = 0; i < a->realm_count; i++)
		if (!str_eq(a->realms[i].name, b->realms[i].name))
			return false;
	return true;
}

static bool same_listeners(const struct settings *a, const struct settings *b)
{
	if (a->listener_count != b->listener_count)
		return false;
	for (size_t i = 0; i < a->listener_count; i++) {
		const struct listener *x = &a->listeners[i], *y = &b->listeners[i];
		if (x->realm != y->realm || x->transport != y->transport ||
		    !addr_eq(&x->local, &y->local))
			return false;
	}
	return true;
}

static bool same_relays(const struct settings *a, const struct settings *b)
{
	if (a->relay_count != b->relay_count)
		return false;
	for (size_t i = 0; i < a->relay_count; i++)
		if (!str_eq(a->relays[i].url, b->relays[i].url) ||
		    !str_eq(a->relays[i].name, b->relays[i].name) ||
		    a->relays[i].weight != b->relays[i].weight)
			return false;
	return true;
}

static bool same_cdrs(const struct settings *a, const struct settings *b)
{
	if (a->cdr_count != b->cdr_count)
		return false;
	for (size_t i = 0; i < a->cdr_count; i++)
		if (!str_eq(a->cdrs[i].path, b->cdrs[i].path) ||
		    a->cdrs[i].rotate_ms != b->cdrs[i].rotate_ms)
			return false;
	return true;
}

static bool same_https(const struct settings *a, const struct settings *b)
{
	if (a->http_count != b->http_count)
		return false;
	for (size_t i = 0; i < a->http_count; i++)
		if (!addr_eq(&a->https[i].local, &b->https[i].local) ||
		    a->https[i].metrics != b->https[i].metrics ||
		    a->https[i].health != b->https[i].health)
			return false;
	return true;
}

static bool same_store(const struct store_settings *a, const struct store_settings *b)
{
	bool same = a->kind == b->kind && a->mode == b->mode && a->scripts == b->scripts &&
		    a->node_count == b->node_count && a->tls == b->tls &&
		    a->timeout_ms == b->timeout_ms && a->slow_ms == b->slow_ms &&
		    a->queue == b->queue;
	for (size_t i = 0; same && i < a->node_count; i++)
		same = str_eq(a->nodes[i], b->nodes[i]);
	return same && str_eq(a->master, b->master) && str_eq(a->username, b->username) &&
	       str_eq(a->password, b->password) &&
	       str_eq(a->sentinel_password, b->sentinel_password) && str_eq(a->key, b->key) &&
	       str_eq(a->prefix, b->prefix) && str_eq(a->tls_ca, b->tls_ca) &&
	       str_eq(a->tls_name, b->tls_name) && str_eq(a->tls_chain, b->tls_chain) &&
	       str_eq(a->tls_key, b->tls_key);
}

enum err reload_check(const struct settings *from, const struct settings *to, struct buf *why)
{
	const struct {
		bool same;
		const char *what;
	} rows[] = {
		{str_eq(from->node, to->node), "node.name"},
		{str_eq(from->resolver, to->resolver), "node.resolver"},
		{same_realms(from, to), "the names or the order of realms"},
		{same_listeners(from, to), "the listeners"},
		{same_relays(from, to), "media_relays"},
		{same_cdrs(from, to), "cdr"},
		{same_https(from, to), "observe.http"},
		{same_store(&from->store, &to->store), "store.redis (but for on_loss)"},
		{str_eq(from->control_path, to->control_path), "observe.control"},
		{str_eq(from->bans.file, to->bans.file), "bans.file"},
		{str_eq(from->bans.kernel_path, to->bans.kernel_path), "bans.kernel"},
		{from->limits.calls == to->limits.calls, "limits.calls"},
		{from->limits.transactions == to->limits.transactions, "limits.transactions"},
		{from->limits.connections == to->limits.connections, "limits.connections"},
		{from->limits.message_bytes == to->limits.message_bytes, "limits.message_bytes"},
	};
	enum err e = OK;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].same)
			continue;
		buf_printf(why, "a change of %s needs a restart\n", rows[i].what);
		e = ERR_UNSUPPORTED;
	}
	return e;
}
