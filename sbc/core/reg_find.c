#include "sbc/core/reg.h"

/* Who is who among users: names, domains, contacts, and where their calls go. */

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 32 : c);
}

void reg_write_name(struct buf *b, struct str user, struct str domain)
{
	buf_str(b, user);
	buf_char(b, '@');
	for (size_t i = 0; i < domain.len; i++)
		buf_char(b, lower(domain.p[i]));
}

bool reg_has_domain(const struct users *g, struct str domain)
{
	for (size_t i = 0; i < g->domain_count; i++)
		if (str_ieq(g->domains[i], domain))
			return true;
	return false;
}

const struct user_account *reg_find_account(const struct users *g, struct str user)
{
	const struct user_account *found = NULL;

	for (size_t i = 0; i < g->account_count; i++) /* all of them: the time says nothing */
		if (str_eq(g->accounts[i].user, user))
			found = &g->accounts[i];
	return found;
}

bool reg_read_party(struct str value, struct uri *out)
{
	struct name_addr a;

	return name_addr_parse(value, &a) == OK && uri_parse(a.uri, out) == OK &&
	       (out->scheme == URI_SIP || out->scheme == URI_SIPS);
}

const struct users *reg_group_of(const struct settings *s, const struct msg *m,
				 const struct flow *f)
{
	uint16_t realm = worker_realm_of(s, f);
	const struct users *any = NULL;
	struct uri to;

	bool good = s->users_count && reg_read_party(m->to, &to);
	for (size_t i = 0; i < s->users_count; i++) {
		if (s->users[i].realm != realm)
			continue;
		any = &s->users[i];
		if (good && reg_has_domain(any, to.host))
			return any;
	}
	return any; /* which refuses it by its domain */
}

const struct users *reg_group(const struct settings *s, const struct aor *a)
{
	return a->group < s->users_count ? &s->users[a->group] : NULL;
}

struct str reg_user_of(const struct aor *a)
{
	size_t at = a->name.len;

	while (at > 0 && a->name.p[at - 1] != '@')
		at--;
	return (struct str){a->name.p, at ? at - 1 : a->name.len};
}

struct contact *reg_find_speaker(const struct sbc *s, const struct flow *f, const struct msg *m)
{
	struct contact *cursor = NULL, *c;
	struct uri from;
	char mem[256];
	struct buf user;

	buf_init(&user, mem, sizeof(mem));
	if (s->binds.contacts.used == 0 || !reg_read_party(m->from, &from) ||
	    uri_write_number(&user, &from) != OK || user.overflow)
		return NULL;
	bool nobody = str_ieq(from.host, STR("anonymous.invalid"));
	while ((c = bind_next_of_flow(&s->binds, f, &cursor)) != NULL) {
		const struct users *g = reg_group(s->settings, c->aor);
		/* The same user, whichever of its group's domains it names. */
		if (nobody || (str_eq(reg_user_of(c->aor), buf_view(&user)) && g &&
			       reg_has_domain(g, from.host)))
			return c;
	}
	return NULL;
}

struct str reg_shown_domain(const struct settings *s, const struct aor *a, uint16_t to_trunk)
{
	const struct users *g = a ? reg_group(s, a) : NULL;

	return g && g->registrar == to_trunk ? str_from_offset(a->name, reg_user_of(a).len + 1)
					     : STR_NONE;
}

enum reg_token reg_find_token(const struct sbc *s, uint16_t trunk, struct str user,
			      struct contact **out)
{
	id_t64 id;

	if (s->settings->users_count == 0 || user.len != HIDE_TOKEN_LEN ||
	    !hide_read(&s->hide, HIDE_CONTACT, user, &id) || owner_kind(id) != OWNER_BINDING ||
	    id_generation(id) != 1 || id_slot(id) != 0)
		return REG_TOKEN_NONE;
	bool registrar = false;
	for (size_t i = 0; i < s->settings->users_count; i++)
		registrar = registrar || s->settings->users[i].registrar == trunk;
	if (!registrar)
		return REG_TOKEN_NONE;
	struct contact *c = bind_find_token(&s->binds, user);
	const struct users *g = c ? reg_group(s->settings, c->aor) : NULL;
	if (!g || g->registrar != trunk)
		return REG_TOKEN_GONE;
	*out = c;
	return REG_TOKEN_FOUND;
}

struct aor *reg_find_aor(const struct sbc *s, const struct users *group, struct str user,
			 struct str domain)
{
	char mem[BIND_NAME_MAX + 1];
	struct buf name;

	for (size_t i = 0; i < group->domain_count; i++) {
		/* A PBX calls user@us as well as user@domain. */
		if (reg_has_domain(group, domain) && !str_ieq(domain, group->domains[i]))
			continue;
		buf_init(&name, mem, sizeof(mem));
		reg_write_name(&name, user, group->domains[i]);
		struct aor *a = bind_find_aor(&s->binds, buf_view(&name));
		if (a && reg_group(s->settings, a) == group)
			return a;
	}
	return NULL;
}

void reg_add_targets(const struct aor *a, uint16_t trunk, bool secure, size_t at, struct hunt *h)
{
	/* The higher q first; of equals the one that registered last (RFC 3261 §20.10). */
	for (unsigned below = 1002, best;; below = best) {
		best = 0;
		list_each (n, &a->contacts) {
			unsigned q = LIST_OBJECT(n, struct contact, node)->q + 1u;
			if (q < below && q > best)
				best = q;
		}
		if (best == 0)
			return;
		list_each (n, &a->contacts) {
			const struct contact *c = LIST_OBJECT(n, struct contact, node);
			struct hunt_target t = {.trunk = trunk, .contact = c->id};
			if (c->q + 1u == best &&
			    (!secure || transport_is_secure(c->flow.transport)) &&
			    hunt_insert(h, at, &t))
				at++;
		}
	}
}

struct aor *reg_fill_hunt(const struct sbc *s, const struct route_rule *route,
			  const struct facts *facts, bool secure, struct hunt *h)
{
	struct aor *first = NULL;
	bool peers = false;

	for (size_t i = 0; i < route->to_count; i++) {
		const struct trunk *t = &s->settings->trunks[route->to[i]];
		peers = peers || !t->users;
		struct aor *a =
			t->users ? reg_find_aor(s, t->users, facts->number, facts->domain) : NULL;
		/* Groups that are named before all trunks come first; the others behind. */
		if (a)
			reg_add_targets(a, route->to[i], secure,
					peers ? (size_t)h->count - h->next : 0, h);
		if (a && !first)
			first = a;
	}
	return first;
}

bool reg_session_has_room(const struct sbc *s, const struct aor *a, unsigned more)
{
	const struct users *g = reg_group(s->settings, a);

	return g && a->sessions + more <= g->sessions;
}

bool reg_session_begin(struct sbc *s, struct aor *a)
{
	if (!reg_session_has_room(s, a, 1))
		return false;
	a->sessions++;
	return true;
}

void reg_session_end(struct sbc *s, id_t64 id)
{
	struct aor *a = id != ID_NONE ? bind_get_aor(&s->binds, id) : NULL;

	if (!a || NEVER(a->sessions == 0))
		return;
	a->sessions--;
	bind_settle(&s->binds, a);
}
