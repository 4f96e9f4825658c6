#include "sbc/core/leg.h"

#include "policy/identify.h"
#include "sbc/core/uri.h"
#include "sbc/core/worker.h"

enum err leg_dialog_new(struct block_pool *b, struct dialog *d, size_t cap)
{
	if (cap > UINT16_MAX)
		return ERR_LIMIT;
	void *mem = block_new(b, cap);

	if (!mem)
		return ERR_NOMEM;
	dialog_init(d, mem, cap);
	return OK;
}

void leg_dialog_free(struct block_pool *b, struct dialog *d)
{
	block_free(b, d->text, d->text_cap);
	*d = (struct dialog){.text = NULL};
}

enum err leg_dialog_copy(struct block_pool *b, struct dialog *dst, const struct dialog *src,
			 size_t room)
{
	struct dialog d;
	enum err e = leg_dialog_new(b, &d, src->text_used + room);

	if (e == OK && (e = dialog_copy(&d, src)) != OK)
		leg_dialog_free(b, &d);
	if (e == OK)
		*dst = d;
	return e;
}

enum err leg_dialog_grow(struct block_pool *b, struct dialog *d)
{
	struct dialog bigger;
	enum err e = leg_dialog_copy(b, &bigger, d, (size_t)d->text_cap + 256);

	if (e != OK)
		return e;
	leg_dialog_free(b, d);
	*d = bigger;
	return OK;
}

enum { GROW_ROUNDS = 7 };

enum err leg_on_response(struct block_pool *b, struct dialog *d, const struct msg *m)
{
	enum err e = dialog_on_response(d, m);

	for (int i = 0; e == ERR_FULL && i < GROW_ROUNDS; i++) {
		if (leg_dialog_grow(b, d) != OK)
			return ERR_NOMEM;
		e = dialog_on_response(d, m);
	}
	return e;
}

enum err leg_refresh_target(struct block_pool *b, struct dialog *d, const struct msg *m)
{
	enum err e = dialog_refresh_target(d, m);

	for (int i = 0; e == ERR_FULL && i < GROW_ROUNDS; i++) {
		if (leg_dialog_grow(b, d) != OK)
			return ERR_NOMEM;
		e = dialog_refresh_target(d, m);
	}
	return e;
}

void leg_set_invite(struct block_pool *b, struct leg *l, struct leg_invite i)
{
	block_str_free(b, &l->invite.body);
	l->invite = i;
}

struct facts leg_facts(const struct settings *s, const struct flow *f, const struct tls_facts *tls)
{
	struct facts facts = {.realm = worker_realm_of(s, f),
			      .trunk = SETTINGS_NO_INDEX,
			      .source = f->remote,
			      .country = {f->country[0], f->country[1]},
			      .asn = f->asn,
			      .tls = tls != NULL,
			      .spoofable = f->transport == TRANSPORT_UDP};

	for (size_t i = 0; tls && tls->verified && i < tls->name_count && i < FACTS_NAMES_MAX; i++)
		facts.peer_names[facts.peer_name_count++] = tls->names[i];
	return facts;
}

/* The address that a URI names, if it names one. */
static bool uri_address(struct str text, enum transport t, struct addr *out)
{
	struct uri u;

	if (uri_parse(text, &u) != OK || (u.scheme != URI_SIP && u.scheme != URI_SIPS))
		return false;
	if (addr_parse_ip(u.host, out) != OK)
		return false;
	out->port = u.port ? u.port : transport_port(t);
	return true;
}

/* Inside, phones may stand behind their PBX; outside, nobody sends us to a third address. */
static bool may_follow(const struct leg *l, const struct settings *s, const struct addr *a)
{
	uint16_t realm = worker_realm_of(s, &l->flow), trunk;

	if (addr_eq_ip(a, &l->flow.remote))
		return true;
	if (realm >= s->policy.realm_count || a->family != l->flow.remote.family)
		return false;
	switch (addr_class(a)) {
	case ADDR_CLASS_MULTICAST:
	case ADDR_CLASS_UNSPECIFIED:
	case ADDR_CLASS_BROADCAST:
	case ADDR_CLASS_LINK_LOCAL:
	case ADDR_CLASS_COUNT: return false;
	case ADDR_CLASS_PUBLIC:
	case ADDR_CLASS_PRIVATE:
	case ADDR_CLASS_LOOPBACK: break;
	}
	if (s->policy.realms[realm].trust >= TRUST_MEDIUM)
		return true;
	struct flow from = l->flow;
	from.remote = *a;
	struct facts facts = leg_facts(s, &from, NULL);
	return identify_trunk(&s->policy, &facts, &trunk).outcome == VERDICT_ALLOW &&
	       trunk == l->trunk;
}

struct dest leg_dest(const struct leg *l, const struct dialog *d, const struct settings *s)
{
	struct dest dest = {.flow = l->flow, .trunk = l->trunk};
	struct addr next;

	if (l->trunk < s->trunk_count && s->trunks[l->trunk].users)
		return dest; /* a user is where it registered from */
	if (l->trunk < s->trunk_count) {
		const struct trunk *t = &s->trunks[l->trunk];
		dest.tls_name = t->tls_name;
		if (dest.tls_name.len == 0 && t->peer_count)
			dest.tls_name = t->peers[l->peer < t->peer_count ? l->peer : 0].host;
	}
	if (transport_is_web(l->flow.transport))
		return dest; /* down its own connection or nowhere (RFC 7118 §5) */
	if (dest.flow.id != ID_NONE) {
		/* If its connection has gone, a new one to where it says that it listens. */
		dest.reconnect = true;
		dest.flow.remote.port = transport_port(l->flow.transport);
	}
	if (uri_address(dialog_next_hop(d), l->flow.transport, &next) && may_follow(l, s, &next))
		dest.flow.remote = next;
	return dest;
}

static bool proves_trunk(const struct trunk *t, const struct tls_facts *tls)
{
	for (size_t i = 0; i < tls->name_count && i < TLS_NAMES_MAX; i++) {
		if (t->tls_name.len && str_ieq(tls->names[i], t->tls_name))
			return true;
		for (size_t p = 0; t->tls_name.len == 0 && p < t->peer_count; p++)
			if (str_ieq(tls->names[i], t->peers[p].host))
				return true;
	}
	return false;
}

bool leg_is_believed(const struct leg *l, const struct dialog *d, const struct settings *s,
		     const struct flow *f, const struct tls_facts *tls)
{
	uint16_t realm = worker_realm_of(s, f), trunk;

	if (realm != worker_realm_of(s, &l->flow) || realm >= s->policy.realm_count)
		return false;
	if (f->id != ID_NONE && (f->id == l->flow.id || f->id == l->seen))
		return true;
	/* An address alone proves nothing where the call is under TLS. */
	bool secure = transport_is_secure(l->flow.transport);
	if (secure && !transport_is_secure(f->transport))
		return false;
	if (!secure && addr_eq_ip(&f->remote, &l->flow.remote))
		return true;
	struct facts facts = leg_facts(s, f, tls);
	if (identify_trunk(&s->policy, &facts, &trunk).outcome == VERDICT_ALLOW &&
	    trunk == l->trunk)
		return true;
	if (tls && tls->verified && l->trunk < s->trunk_count &&
	    proves_trunk(&s->trunks[l->trunk], tls))
		return true;
	/* RFC 3261 §12.2: a callee without Record-Route speaks from its own address. */
	struct addr target;
	return s->policy.realms[realm].trust >= TRUST_MEDIUM &&
	       (uri_address(dialog_get(d, DIALOG_TARGET), f->transport, &target) &&
		addr_eq_ip(&target, &f->remote));
}
