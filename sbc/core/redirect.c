#include "sbc/core/redirect.h"

#include <string.h>

#include "policy/route.h"
#include "sbc/core/uri.h"

struct str redirect_number(const struct redirect_wish *w)
{
	return (struct str){w->number, w->number_len};
}

/* "0.5" → 500; what cannot be read counts as 1. */
static uint16_t read_q(const struct name_addr *a)
{
	struct str v;
	unsigned out = 0, unit = 100;

	if (!name_addr_param(a, STR("q"), &v) || v.len == 0 || v.p[0] != '0')
		return 1000;
	for (size_t i = 2; i < v.len && i < 5; i++, unit /= 10) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return 1000;
		out += unit * (unsigned)(v.p[i] - '0');
	}
	return (uint16_t)out;
}

static bool read_wish(const struct name_addr *a, struct redirect_wish *out)
{
	struct uri u;
	struct buf b;
	struct str t;

	if (a->star || uri_parse(a->uri, &u) != OK || (u.scheme != URI_SIP && u.scheme != URI_SIPS))
		return false;
	*out = (struct redirect_wish){.host = u.host, .port = u.port, .q = read_q(a)};
	out->secure = u.scheme == URI_SIPS ||
		      (uri_param(&u, STR("transport"), &t) && str_ieq(t, STR("tls")));
	buf_init(&b, out->number, sizeof(out->number));
	if (uri_write_number(&b, &u) != OK || b.overflow || b.len == 0)
		return false;
	out->number_len = (uint8_t)b.len;
	return true;
}

static void insert(struct redirect_wish *list, size_t count, const struct redirect_wish *w)
{
	size_t at = count;

	for (; at > 0 && list[at - 1].q < w->q; at--)
		list[at] = list[at - 1];
	list[at] = *w;
}

size_t redirect_read(const struct msg *m, struct redirect_wish *out, size_t cap)
{
	size_t n = 0, cursor = 0;
	struct str value;

	while (msg_next(m, HDR_CONTACT, &cursor, &value)) {
		struct name_addr a;
		while (n < cap && name_addr_cut(&value, &a) == OK) {
			struct redirect_wish w;
			if (read_wish(&a, &w))
				insert(out, n++, &w);
		}
	}
	return n;
}

/* ---- which peer is meant */

static bool is_host(struct str a, struct str b)
{
	struct addr x, y;

	if (addr_parse_ip(a, &x) == OK && addr_parse_ip(b, &y) == OK)
		return addr_eq_ip(&x, &y);
	return str_ieq(a, b);
}

static bool is_peer(const struct peer *p, const struct redirect_wish *w)
{
	uint16_t usual = p->secure ? 5061 : 5060, port = p->port ? p->port : usual;

	if (w->secure && !p->secure)
		return false; /* never less than was asked for */
	return is_host(p->host, w->host) && (w->port == 0 || w->port == port);
}

static bool find_peer(const struct trunk *t, const struct redirect_wish *w, bool secure_only,
		      uint16_t *out)
{
	for (size_t i = 0; i < t->peer_count; i++)
		if (is_peer(&t->peers[i], w) && (t->peers[i].secure || !secure_only)) {
			*out = (uint16_t)i;
			return true;
		}
	return false;
}

bool redirect_is_known(const struct settings *s, const struct redirect_wish *w)
{
	uint16_t peer;

	for (size_t i = 0; i < s->trunk_count; i++)
		if (find_peer(&s->trunks[i], w, false, &peer))
			return true;
	return false;
}

enum err redirect_find(const struct settings *s, const struct facts *facts,
		       const struct redirect_wish *w, bool secure_only, struct hunt_target *out)
{
	struct facts f = *facts;
	uint16_t at, peer;

	f.number = redirect_number(w);
	f.domain = w->host;
	if (route_find(&s->policy, &f, &at).outcome != VERDICT_ALLOW)
		return ERR_NOTFOUND;
	const struct route_rule *r = &s->policy.routes[at];
	for (size_t i = 0; i < r->to_count; i++)
		if (r->to[i] < s->trunk_count &&
		    find_peer(&s->trunks[r->to[i]], w, secure_only, &peer)) {
			*out = (struct hunt_target){.trunk = r->to[i], .peer = peer};
			return OK;
		}
	return ERR_NOTFOUND;
}
