/* The syntax that a message needs before it may create state: addresses that can be used. See msg.h. */
#include "sbc/core/msg.h"

#include "sbc/core/octet.h"
#include "sbc/core/uri.h"

static enum err fail(struct msg *m, enum msg_fault f, struct str at)
{
	m->fault = f;
	m->fault_at = at.p ? (uint32_t)(at.p - m->bytes.p) : 0;
	return ERR_BAD;
}

static enum err check_party(struct msg *m, struct str value, enum msg_fault f)
{
	struct name_addr a;
	struct uri u;
	if (name_addr_parse(value, &a) != OK || a.star || uri_parse(a.uri, &u) != OK)
		return fail(m, f, value);
	return OK;
}

/* All addresses of one header; *out_count adds them up. Routes must be in brackets (RFC 3261 §20.34). */
static enum err check_addresses(struct msg *m, enum hdr id, enum msg_fault f, size_t *out_count)
{
	size_t cursor = 0;
	struct str value;
	while (msg_next(m, id, &cursor, &value)) {
		struct name_addr a;
		struct uri u;
		enum err e;
		struct str rest = value;
		while ((e = name_addr_cut(&rest, &a)) == OK) {
			bool star = a.star && id == HDR_CONTACT && m->method == METHOD_REGISTER;
			if (!star && (a.star || uri_parse(a.uri, &u) != OK))
				return fail(m, f, value);
			if (id != HDR_CONTACT && !a.bracketed)
				return fail(m, f, value);
			++*out_count;
		}
		if (e != ERR_NOTFOUND)
			return fail(m, f, value);
	}
	return OK;
}

/* type "/" subtype *( ";" parameter ) */
static bool is_media_type(struct str s)
{
	size_t n = octet_span(s, OCTET_TOKEN);
	struct str rest = octet_skip_lws(str_from_offset(s, n));
	if (n == 0 || rest.len == 0 || rest.p[0] != '/')
		return false;
	rest = octet_skip_lws(str_from_offset(rest, 1));
	n = octet_span(rest, OCTET_TOKEN);
	rest = str_from_offset(rest, n);
	struct str name, value;
	bool bad;
	while (hdr_param_cut(&rest, &name, &value, &bad))
		;
	return n > 0 && !bad;
}

static bool makes_dialog(enum method method)
{
	return method == METHOD_INVITE || method == METHOD_SUBSCRIBE || method == METHOD_REFER;
}

enum err msg_check(struct msg *m)
{
	CHECK(m->fault == MSG_FAULT_NONE);
	struct uri u;
	/* Escaped headers in a Request-URI would become headers of what we send (RFC 4475 §3.1.2.11). */
	if (m->is_request && (uri_parse(m->uri, &u) != OK || u.headers.len > 0))
		return fail(m, MSG_FAULT_REQUEST_URI, m->uri);
	if (check_party(m, m->from, MSG_FAULT_FROM) != OK ||
	    check_party(m, m->to, MSG_FAULT_TO) != OK)
		return ERR_BAD;
	size_t contacts = 0, routes = 0;
	if (check_addresses(m, HDR_CONTACT, MSG_FAULT_CONTACT, &contacts) != OK ||
	    check_addresses(m, HDR_ROUTE, MSG_FAULT_ROUTE, &routes) != OK ||
	    check_addresses(m, HDR_RECORD_ROUTE, MSG_FAULT_ROUTE, &routes) != OK)
		return ERR_BAD;
	if (m->is_request && makes_dialog(m->method) && contacts != 1)
		return fail(m, contacts == 0 ? MSG_FAULT_NO_CONTACT : MSG_FAULT_CONTACT, m->uri);
	if (m->body.len > 0 || m->content_type.len > 0)
		if (!is_media_type(m->content_type))
			return fail(m, MSG_FAULT_CONTENT_TYPE, m->content_type);
	return OK;
}
