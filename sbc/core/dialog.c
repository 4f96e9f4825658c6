#include "sbc/core/dialog.h"

#include "sbc/core/uri.h"

enum {
	ROUTES_MAX = 32, /* Record-Route values; more is no path but an attack */
	ROUTES_TEXT_MAX = 4096,
	PARTY_TEXT_MAX = 2048,
	TARGET_TEXT_MAX = 2048,
	/* A target may change during a call to one that is longer. */
	TARGET_GROWTH = 128
};

void dialog_init(struct dialog *d, void *text, size_t cap)
{
	CHECK(text && cap <= UINT16_MAX);
	*d = (struct dialog){.text = text, .text_cap = (uint16_t)cap};
}

bool dialog_is_lost(uint16_t status, enum method method)
{
	switch (status) {
	case 408:
	case 481: /* of a subscription that shares the dialog: that alone has gone */
		return method != METHOD_NOTIFY && method != METHOD_SUBSCRIBE &&
		       method != METHOD_REFER;
	case 404:
	case 410:
	case 416:
	case 484:
	case 485:
	case 604: return true; /* the target of the dialog is not there any more */
	default: return false;
	}
}

struct str dialog_get(const struct dialog *d, enum dialog_text t)
{
	CHECK(t < DIALOG_TEXT_COUNT);
	return (struct str){d->text + d->slot[t].at, d->slot[t].len};
}

/* The slots lie one behind the other in the order of the enum, without gaps. */
enum err dialog_set(struct dialog *d, enum dialog_text t, struct str value)
{
	CHECK(t < DIALOG_TEXT_COUNT);
	size_t old_len = d->slot[t].len, rest = d->text_used - old_len;
	if (value.len > (size_t)d->text_cap - rest)
		return ERR_FULL;
	char *at = d->text + d->slot[t].at;
	memmove(at + value.len, at + old_len, d->text_used - d->slot[t].at - old_len);
	if (value.len > 0)
		memcpy(at, value.p, value.len);
	d->slot[t].len = (uint16_t)value.len;
	d->text_used = (uint16_t)(rest + value.len);
	for (unsigned i = t + 1u; i < DIALOG_TEXT_COUNT; i++)
		d->slot[i].at = (uint16_t)(d->slot[i - 1].at + d->slot[i - 1].len);
	return OK;
}

/* Views that replace slots all together or not at all; `given` is a set of bits 1 << slot. */
struct change {
	struct str value[DIALOG_TEXT_COUNT];
	unsigned given;
};

static void change_to(struct change *c, enum dialog_text t, struct str value)
{
	c->value[t] = value;
	c->given |= 1u << t;
}

static enum err apply(struct dialog *d, const struct change *c)
{
	size_t used = 0;
	for (unsigned t = 0; t < DIALOG_TEXT_COUNT; t++)
		used += (c->given & 1u << t) != 0 ? c->value[t].len : d->slot[t].len;
	if (used > d->text_cap)
		return ERR_FULL;
	/* Shrink first: then no step on the way can need more than the end does. */
	for (unsigned t = 0; t < DIALOG_TEXT_COUNT; t++)
		if ((c->given & 1u << t) != 0 && d->slot[t].len > 0 &&
		    dialog_set(d, (enum dialog_text)t, STR_NONE) != OK)
			return ERR_FULL;
	for (unsigned t = 0; t < DIALOG_TEXT_COUNT; t++)
		if ((c->given & 1u << t) != 0 &&
		    dialog_set(d, (enum dialog_text)t, c->value[t]) != OK)
			return ERR_FULL;
	return OK;
}

/* --- reading messages */

/* Scratch on the stack for what is not copied as it stands. */
struct scratch {
	char party[2][PARTY_TEXT_MAX];
	char target[TARGET_TEXT_MAX];
	char routes[ROUTES_TEXT_MAX];
};

/* Display name and URI without tag and other parameters, in brackets and clean: the peer knows us by tags. */
static enum err read_party(struct str value, char mem[PARTY_TEXT_MAX], struct str *out)
{
	struct name_addr a;
	struct uri u;
	struct buf b;
	if (name_addr_parse(value, &a) != OK || uri_parse(a.uri, &u) != OK)
		return ERR_BAD;
	buf_init(&b, mem, PARTY_TEXT_MAX);
	name_addr_write(&b, &a);
	*out = buf_view(&b);
	return b.overflow ? ERR_FULL : OK;
}

/* What of a Contact URI may become a Request-URI: no headers, no method parameter (RFC 3261 §19.1.1 table 1). */
static enum err write_target(struct buf *b, struct str text)
{
	struct uri u;
	if (uri_parse(text, &u) != OK)
		return ERR_BAD;
	struct str method, params = u.params;
	u.headers = STR_NONE;
	if (uri_param(&u, STR("method"), &method)) {
		u.params = STR_NONE;
		uri_write(b, &u);
		struct str one;
		for (params = str_from_offset(params, 1); str_cut(&params, ';', &one);) {
			if (str_has_iprefix(one, STR("method=")) || str_ieq(one, STR("method")))
				continue;
			buf_char(b, ';');
			buf_str(b, one);
		}
	} else {
		uri_write(b, &u);
	}
	return b->overflow ? ERR_FULL : OK;
}

/* The first Contact: ERR_NOTFOUND where there is none. */
static enum err read_contact(const struct msg *m, char mem[TARGET_TEXT_MAX], struct str *out)
{
	struct name_addr a;
	struct str value = msg_value(m, HDR_CONTACT);
	enum err e = name_addr_cut(&value, &a);
	if (e != OK)
		return e;
	if (a.star)
		return ERR_BAD;
	struct buf b;
	buf_init(&b, mem, TARGET_TEXT_MAX);
	e = write_target(&b, a.uri);
	*out = buf_view(&b);
	return e;
}

static void write_route(struct buf *b, const struct name_addr *a, bool first)
{
	if (!first)
		buf_char(b, '\n');
	hdr_write_unfolded(b, a->all);
	hdr_write_unfolded(b, a->params);
}

/* Record-Route values in order, or from the last to the first. */
static enum err read_routes(const struct msg *m, bool reversed, char mem[ROUTES_TEXT_MAX],
			    struct str *out)
{
	struct name_addr route[ROUTES_MAX];
	struct str value;
	size_t n = 0, cursor = 0;
	while (msg_next(m, HDR_RECORD_ROUTE, &cursor, &value)) {
		struct name_addr a;
		enum err e;
		while ((e = name_addr_cut(&value, &a)) == OK) {
			struct uri u;
			if (n == ROUTES_MAX || !a.bracketed || uri_parse(a.uri, &u) != OK ||
			    !hdr_is_clean(a.uri))
				return ERR_BAD;
			route[n++] = a;
		}
		if (e != ERR_NOTFOUND)
			return ERR_BAD;
	}
	struct buf b;
	buf_init(&b, mem, ROUTES_TEXT_MAX);
	for (size_t i = 0; i < n; i++)
		write_route(&b, &route[reversed ? n - 1 - i : i], i == 0);
	*out = buf_view(&b);
	return b.overflow ? ERR_FULL : OK;
}

size_t dialog_text_for(const struct msg *request)
{
	size_t n = request->call_id.len + request->from.len + request->to.len + TARGET_GROWTH;
	size_t cursor = 0;
	struct str value;
	n += msg_value(request, HDR_CONTACT).len;
	while (msg_next(request, HDR_RECORD_ROUTE, &cursor, &value))
		n += value.len + 1;
	/* The tags are inside From and To already; ours comes on top, and brackets that a bare URI gets. */
	return n + 64;
}

enum err dialog_start_uas(struct dialog *d, const struct msg *request, struct str local_tag,
			  bool over_tls)
{
	CHECK(request->is_request && local_tag.len > 0);
	struct scratch s;
	struct str local, remote, target, routes;
	enum err e = read_party(request->to, s.party[0], &local);
	if (e == OK)
		e = read_party(request->from, s.party[1], &remote);
	if (e == OK)
		e = read_contact(request, s.target, &target);
	if (e == OK)
		e = read_routes(request, false, s.routes, &routes);
	if (e != OK)
		return e == ERR_FULL ? ERR_FULL : ERR_BAD;
	struct change c = {.given = 0};
	change_to(&c, DIALOG_CALL_ID, request->call_id);
	change_to(&c, DIALOG_LOCAL_TAG, local_tag);
	change_to(&c, DIALOG_REMOTE_TAG, request->from_tag);
	change_to(&c, DIALOG_LOCAL, local);
	change_to(&c, DIALOG_REMOTE, remote);
	change_to(&c, DIALOG_TARGET, target);
	change_to(&c, DIALOG_ROUTES, routes);
	e = apply(d, &c);
	if (e != OK)
		return e;
	d->role = DIALOG_UAS;
	d->local_cseq = 0;
	d->remote_cseq = request->cseq;
	d->remote_cseq_known = true;
	d->secure = over_tls && str_has_iprefix(request->uri, STR("sips:"));
	d->confirmed = true; /* the route set of a UAS never changes */
	return OK;
}

enum err dialog_start_uac(struct dialog *d, const struct dialog_uac *p)
{
	CHECK(p->cseq <= INT32_MAX);
	if (p->call_id.len == 0 || p->local_tag.len == 0 || p->target.len == 0)
		return ERR_BAD;
	struct change c = {.given = 0};
	change_to(&c, DIALOG_CALL_ID, p->call_id);
	change_to(&c, DIALOG_LOCAL_TAG, p->local_tag);
	change_to(&c, DIALOG_REMOTE_TAG, STR_NONE);
	change_to(&c, DIALOG_LOCAL, p->local);
	change_to(&c, DIALOG_REMOTE, p->remote);
	change_to(&c, DIALOG_TARGET, p->target);
	change_to(&c, DIALOG_ROUTES, p->routes);
	enum err e = apply(d, &c);
	if (e != OK)
		return e;
	d->role = DIALOG_UAC;
	d->local_cseq = p->cseq;
	d->remote_cseq = 0;
	d->remote_cseq_known = false;
	d->secure = p->over_tls && str_has_iprefix(p->target, STR("sips:"));
	d->confirmed = false;
	return OK;
}

enum err dialog_on_response(struct dialog *d, const struct msg *response)
{
	CHECK(!response->is_request && response->status > 100 && response->status < 300);
	if (d->confirmed)
		return OK;
	struct scratch s;
	struct str target, routes;
	struct change c = {.given = 0};
	enum err e = read_contact(response, s.target, &target);
	if (e == OK)
		change_to(&c, DIALOG_TARGET, target);
	else if (e != ERR_NOTFOUND)
		return e; /* without Contact the old target stays: some 18x have none */
	e = read_routes(response, true, s.routes, &routes);
	if (e != OK)
		return e;
	change_to(&c, DIALOG_ROUTES, routes);
	change_to(&c, DIALOG_REMOTE_TAG, response->to_tag);
	e = apply(d, &c);
	/* RFC 3261 §13.2.2.4: the 2xx decides anew; after it the route set is fixed. */
	if (e == OK)
		d->confirmed = response->status >= 200;
	return e;
}

enum err dialog_on_notify(struct dialog *d, const struct msg *notify)
{
	CHECK(notify->is_request);
	if (d->confirmed)
		return OK;
	struct scratch s;
	struct str target, routes;
	struct change c = {.given = 0};
	enum err e = read_contact(notify, s.target, &target);
	if (e == OK)
		e = read_routes(notify, false, s.routes, &routes);
	if (e != OK)
		return e == ERR_NOTFOUND ? ERR_BAD : e;
	change_to(&c, DIALOG_TARGET, target);
	change_to(&c, DIALOG_ROUTES, routes);
	change_to(&c, DIALOG_REMOTE_TAG, notify->from_tag);
	e = apply(d, &c);
	if (e == OK)
		d->confirmed = true;
	return e;
}

enum err dialog_copy(struct dialog *dst, const struct dialog *src)
{
	if (src->text_used > dst->text_cap)
		return ERR_FULL;
	struct dialog copy = *src;
	copy.text = dst->text;
	copy.text_cap = dst->text_cap;
	memcpy(copy.text, src->text, src->text_used);
	*dst = copy;
	return OK;
}

/* --- messages of the dialog */

static bool has_ids(const struct dialog *d, const struct msg *m, struct str local,
		    struct str remote)
{
	return str_eq(m->call_id, dialog_get(d, DIALOG_CALL_ID)) &&
	       str_ieq(local, dialog_get(d, DIALOG_LOCAL_TAG)) &&
	       str_ieq(remote, dialog_get(d, DIALOG_REMOTE_TAG));
}

bool dialog_has_request(const struct dialog *d, const struct msg *request)
{
	return has_ids(d, request, request->to_tag, request->from_tag);
}

bool dialog_has_response(const struct dialog *d, const struct msg *response)
{
	return has_ids(d, response, response->from_tag, response->to_tag);
}

enum err dialog_take_cseq(struct dialog *d, const struct msg *request)
{
	if (request->method == METHOD_ACK || request->method == METHOD_CANCEL)
		return OK;
	if (d->remote_cseq_known && request->cseq <= d->remote_cseq)
		return ERR_REPLAY;
	d->remote_cseq = request->cseq;
	d->remote_cseq_known = true;
	return OK;
}

enum err dialog_refresh_target(struct dialog *d, const struct msg *m)
{
	char mem[TARGET_TEXT_MAX];
	struct str target;
	enum err e = read_contact(m, mem, &target);
	if (e == ERR_NOTFOUND)
		return OK;
	return e == OK ? dialog_set(d, DIALOG_TARGET, target) : e;
}

uint32_t dialog_next_cseq(struct dialog *d)
{
	/* From 1; a call of 2^31 requests does not happen, and if it does, it starts over. */
	d->local_cseq = d->local_cseq >= INT32_MAX ? 1 : d->local_cseq + 1;
	return d->local_cseq;
}

/* URI of the first route; empty: no routes. */
static struct str first_route(const struct dialog *d)
{
	struct str routes = dialog_get(d, DIALOG_ROUTES), first;
	struct name_addr a;
	if (routes.len == 0 || !str_cut(&routes, '\n', &first) || name_addr_parse(first, &a) != OK)
		return STR_NONE;
	return a.uri;
}

static bool is_loose(struct str route)
{
	struct uri u;
	return uri_parse(route, &u) == OK && uri_param(&u, STR("lr"), NULL);
}

enum err dialog_fill(const struct dialog *d, uint32_t cseq, struct build_request *r)
{
	struct str target = dialog_get(d, DIALOG_TARGET), routes = dialog_get(d, DIALOG_ROUTES);
	struct str first = first_route(d);
	if (target.len == 0 || (routes.len > 0 && first.len == 0))
		return ERR_BAD;
	r->uri = target;
	r->routes = routes;
	r->last_route = STR_NONE;
	if (first.len > 0 && !is_loose(first)) {
		struct str dropped;
		r->uri = (struct str){first.p, str_index(first, '?')};
		if (!str_cut(&routes, '\n', &dropped))
			routes = STR_NONE;
		r->routes = routes;
		r->last_route = target;
	}
	r->from =
		(struct build_party){dialog_get(d, DIALOG_LOCAL), dialog_get(d, DIALOG_LOCAL_TAG)};
	r->to = (struct build_party){dialog_get(d, DIALOG_REMOTE),
				     dialog_get(d, DIALOG_REMOTE_TAG)};
	r->call_id = dialog_get(d, DIALOG_CALL_ID);
	r->cseq = cseq;
	return OK;
}

struct str dialog_next_hop(const struct dialog *d)
{
	struct str first = first_route(d);
	return first.len > 0 ? first : dialog_get(d, DIALOG_TARGET);
}
