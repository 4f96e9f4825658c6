#include "sbc/core/build.h"

#include "sbc/core/octet.h"
#include "sbc/core/oc.h"
#include "sbc/core/uri.h"

/* --- what may stand where */

/* A URI or another word that ends at white space or a bracket. */
static bool is_word(struct str s)
{
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"')
			return false;
	}
	return true;
}

/* A peer's Call-ID may hold brackets and quotes (RFC 3261 §25.1 word). */
static bool is_call_id(struct str s)
{
	return s.len > 0 && hdr_is_clean(s) && !str_has_char(s, ' ') && !str_has_char(s, '\t');
}

/* Whole lines "name: value" CRLF: no folding, no empty line, no octet that a value may not hold. */
static bool are_lines(struct str s)
{
	if (s.len == 0)
		return true;
	const char *p = s.p, *end = s.p + s.len;
	while (p < end) {
		size_t n = octet_span((struct str){p, (size_t)(end - p)}, OCTET_TOKEN);
		if (n == 0 || p + n == end || p[n] != ':')
			return false;
		const char *eol = octet_find_control(p + n, end);
		if (end - eol < 2 || eol[0] != '\r' || eol[1] != '\n')
			return false;
		p = eol + 2;
	}
	return true;
}

static bool is_party(const struct build_party *p)
{
	return p->value.len > 0 && hdr_is_clean(p->value) &&
	       (p->tag.len == 0 || hdr_is_token(p->tag));
}

static enum err result(const struct buf *b)
{
	return b->overflow ? ERR_LIMIT : OK;
}

/* --- pieces */

static void write_party(struct buf *b, const struct build_party *p)
{
	buf_str(b, p->value);
	if (p->tag.len > 0) {
		buf_lit(b, ";tag=");
		buf_str(b, p->tag);
	}
	buf_lit(b, "\r\n");
}

static void write_body(struct buf *b, struct str content_type, struct str body)
{
	if (body.len > 0) {
		buf_lit(b, "Content-Type: ");
		buf_str(b, content_type);
		buf_lit(b, "\r\n");
	}
	buf_lit(b, "Content-Length: ");
	buf_u64(b, body.len);
	buf_lit(b, "\r\n\r\n");
	buf_str(b, body);
}

static void write_contact(struct buf *b, struct str uri)
{
	if (uri.len == 0)
		return;
	buf_lit(b, "Contact: <");
	buf_str(b, uri);
	buf_lit(b, ">\r\n");
}

static void write_via(struct buf *b, const struct build_request *r)
{
	buf_lit(b, "Via: SIP/2.0/");
	buf_str(b, transport_name(r->transport));
	buf_char(b, ' ');
	addr_write(b, r->sent_by);
	/* RFC 3581: only UDP has a port that the answer could miss. */
	if (r->transport == TRANSPORT_UDP)
		buf_lit(b, ";rport");
	buf_lit(b, ";branch=");
	buf_str(b, r->branch);
	if (r->oc)
		buf_lit(b, OC_ASK);
	buf_lit(b, "\r\n");
}

static void write_cseq(struct buf *b, uint32_t cseq, struct str method)
{
	buf_lit(b, "CSeq: ");
	buf_u64(b, cseq);
	buf_char(b, ' ');
	buf_str(b, method);
	buf_lit(b, "\r\n");
}

/* "Route: a, b" from values parted by '\n' and a URI behind them. */
static enum err write_routes(struct buf *b, struct str routes, struct str last)
{
	struct str one;
	bool first = true;
	if (routes.len == 0)
		routes = STR_NONE;
	while (str_cut(&routes, '\n', &one)) {
		if (one.len == 0 || !hdr_is_clean(one))
			return ERR_BAD;
		if (first)
			buf_lit(b, "Route: ");
		else
			buf_lit(b, ", ");
		first = false;
		buf_str(b, one);
	}
	if (last.len > 0) {
		if (first)
			buf_lit(b, "Route: <");
		else
			buf_lit(b, ", <");
		first = false;
		buf_str(b, last);
		buf_char(b, '>');
	}
	if (!first)
		buf_lit(b, "\r\n");
	return OK;
}

/* --- requests */

static bool is_good_request(const struct build_request *r)
{
	return hdr_is_token(r->method) && is_word(r->uri) && hdr_is_token(r->branch) &&
	       is_party(&r->from) && is_party(&r->to) && is_call_id(r->call_id) &&
	       (r->contact.len == 0 || is_word(r->contact)) &&
	       (r->last_route.len == 0 || is_word(r->last_route)) && are_lines(r->headers) &&
	       (r->body.len == 0 || (r->content_type.len > 0 && hdr_is_clean(r->content_type)));
}

enum err build_request(struct buf *b, const struct build_request *r)
{
	CHECK(r->sent_by && r->sent_by->family != ADDR_NONE && r->transport < TRANSPORT_COUNT);
	if (!is_good_request(r))
		return ERR_BAD;
	buf_str(b, r->method);
	buf_char(b, ' ');
	buf_str(b, r->uri);
	buf_lit(b, " SIP/2.0\r\n");
	write_via(b, r);
	buf_lit(b, "Max-Forwards: ");
	buf_u64(b, r->max_forwards);
	buf_lit(b, "\r\n");
	enum err e = write_routes(b, r->routes, r->last_route);
	if (e != OK)
		return e;
	buf_lit(b, "From: ");
	write_party(b, &r->from);
	buf_lit(b, "To: ");
	write_party(b, &r->to);
	buf_lit(b, "Call-ID: ");
	buf_str(b, r->call_id);
	buf_lit(b, "\r\n");
	write_cseq(b, r->cseq, r->method);
	write_contact(b, r->contact);
	buf_str(b, r->headers);
	write_body(b, r->content_type, r->body);
	return result(b);
}

/* Start line and the lines that ACK and CANCEL share with their INVITE. */
static void write_like_invite(struct buf *b, const struct msg *invite, struct str method,
			      struct str to)
{
	buf_str(b, method);
	buf_char(b, ' ');
	buf_str(b, invite->uri);
	buf_lit(b, " SIP/2.0\r\nVia: ");
	hdr_write_unfolded(b, invite->via.all);
	buf_lit(b, "\r\nMax-Forwards: ");
	buf_u64(b, invite->max_forwards < 0 ? 70 : (uint64_t)invite->max_forwards);
	buf_lit(b, "\r\n");
	size_t cursor = 0;
	struct str value;
	while (msg_next(invite, HDR_ROUTE, &cursor, &value)) {
		buf_lit(b, "Route: ");
		hdr_write_unfolded(b, value);
		buf_lit(b, "\r\n");
	}
	buf_lit(b, "From: ");
	hdr_write_unfolded(b, invite->from);
	buf_lit(b, "\r\nTo: ");
	hdr_write_unfolded(b, to);
	buf_lit(b, "\r\nCall-ID: ");
	buf_str(b, invite->call_id);
	buf_lit(b, "\r\n");
	write_cseq(b, invite->cseq, method);
}

/* RFC 7989 §6: in every message of the session. */
static void write_session_id(struct buf *b, const struct msg *invite)
{
	if (!msg_has(invite, HDR_SESSION_ID))
		return;
	buf_lit(b, "Session-ID: ");
	hdr_write_unfolded(b, msg_value(invite, HDR_SESSION_ID));
	buf_lit(b, "\r\n");
}

enum err build_ack(struct buf *b, const struct msg *invite, struct str response_to)
{
	CHECK(invite->is_request && invite->fault == MSG_FAULT_NONE);
	if (response_to.len == 0)
		return ERR_BAD;
	write_like_invite(b, invite, STR("ACK"), response_to);
	write_session_id(b, invite);
	write_body(b, STR_NONE, STR_NONE);
	return result(b);
}

enum err build_cancel(struct buf *b, const struct msg *invite, struct str headers)
{
	CHECK(invite->is_request && invite->fault == MSG_FAULT_NONE);
	if (!are_lines(headers))
		return ERR_BAD;
	write_like_invite(b, invite, STR("CANCEL"), invite->to);
	if (str_find(headers, STR("Session-ID:")) == headers.len)
		write_session_id(b, invite);
	buf_str(b, headers);
	write_body(b, STR_NONE, STR_NONE);
	return result(b);
}

/* --- responses */

static bool is_source(struct str host, const struct addr *source)
{
	struct addr a;
	return addr_parse_ip(host, &a) == OK && addr_eq_ip(&a, source);
}

static bool is_oc(struct str name)
{
	return str_ieq(name, STR("oc")) || str_has_iprefix(name, STR("oc-"));
}

/* RFC 3261 §18.2.1, RFC 3581 §4: received and rport are ours to say, whatever the sender put there. */
static void write_top_via(struct buf *b, const struct msg *m, const struct addr *source,
			  struct str oc)
{
	const struct msg_via *v = &m->via;
	const char *params_at = v->params.len > 0 ? v->params.p : v->all.p + v->all.len;
	hdr_write_unfolded(b, str_trim(str_sub(v->all.p, params_at)));
	struct str params = v->params, name, value;
	bool bad;
	while (hdr_param_cut(&params, &name, &value, &bad)) {
		if (str_ieq(name, STR("received")) || str_ieq(name, STR("rport")) ||
		    (oc.len > 0 && is_oc(name)))
			continue;
		buf_char(b, ';');
		buf_str(b, name);
		if (value.len > 0) {
			buf_char(b, '=');
			hdr_write_unfolded(b, value);
		}
	}
	if (v->has_rport || !is_source(v->host, source)) {
		buf_lit(b, ";received=");
		addr_write_ip(b, source);
	}
	if (v->has_rport) {
		buf_lit(b, ";rport=");
		buf_u64(b, source->port);
	}
	buf_str(b, oc);
}

static void write_vias(struct buf *b, const struct msg *m, const struct addr *source, struct str oc)
{
	size_t cursor = 0;
	struct str value;
	for (bool top = true; msg_next(m, HDR_VIA, &cursor, &value); top = false) {
		buf_lit(b, "Via: ");
		/* A Via that could not be read (RFC 4475 §3.1.2.1) goes back as it came. */
		if (top && m->via.all.len > 0) {
			write_top_via(b, m, source, oc);
			const char *rest = m->via.all.p + m->via.all.len;
			value = str_trim(str_sub(rest, value.p + value.len));
		}
		hdr_write_unfolded(b, value);
		buf_lit(b, "\r\n");
	}
}

static void write_copy(struct buf *b, const struct msg *m, enum hdr id)
{
	size_t cursor = 0;
	struct str value;
	while (msg_next(m, id, &cursor, &value)) {
		buf_str(b, hdr_name(id));
		buf_lit(b, ": ");
		hdr_write_unfolded(b, value);
		buf_lit(b, "\r\n");
		/* Of what may stand once a second one is not repeated. */
		if (id != HDR_RECORD_ROUTE)
			break;
	}
}

enum err build_base(struct buf *store, const struct msg *m, const struct addr *source,
		    struct build_base *out)
{
	return build_base_oc(store, m, source, STR_NONE, out);
}

enum err build_base_oc(struct buf *store, const struct msg *m, const struct addr *source,
		       struct str oc, struct build_base *out)
{
	CHECK(m->answerable && source->family != ADDR_NONE);
	size_t head = store->len;
	write_vias(store, m, source, oc);
	write_copy(store, m, HDR_FROM);
	buf_lit(store, "To: ");
	hdr_write_unfolded(store, m->to);
	size_t tail = store->len;
	write_copy(store, m, HDR_CALL_ID);
	write_copy(store, m, HDR_CSEQ);
	size_t routes = store->len;
	write_copy(store, m, HDR_RECORD_ROUTE);
	if (store->overflow)
		return ERR_LIMIT;
	out->head = (struct str){store->p + head, tail - head};
	out->tail = (struct str){store->p + tail, routes - tail};
	out->routes = (struct str){store->p + routes, store->len - routes};
	out->to_has_tag = m->to_tag.len > 0;
	return OK;
}

enum err build_response(struct buf *b, const struct build_response *r)
{
	CHECK(r->base && r->status >= 100 && r->status <= 699);
	struct str reason = r->reason.len > 0 ? r->reason : build_reason(r->status);
	if (!hdr_is_clean(reason) || (r->to_tag.len > 0 && !hdr_is_token(r->to_tag)) ||
	    (r->contact.len > 0 && !is_word(r->contact)) || !are_lines(r->headers) ||
	    (r->body.len > 0 && (r->content_type.len == 0 || !hdr_is_clean(r->content_type))))
		return ERR_BAD;
	buf_lit(b, "SIP/2.0 ");
	buf_u64(b, r->status);
	buf_char(b, ' ');
	buf_str(b, reason);
	buf_lit(b, "\r\n");
	buf_str(b, r->base->head);
	if (!r->base->to_has_tag && r->to_tag.len > 0) {
		buf_lit(b, ";tag=");
		buf_str(b, r->to_tag);
	}
	buf_lit(b, "\r\n");
	buf_str(b, r->base->tail);
	if (r->record_route)
		buf_str(b, r->base->routes);
	write_contact(b, r->contact);
	buf_str(b, r->headers);
	write_body(b, r->content_type, r->body);
	return result(b);
}

/* --- helpers of the callers */

enum err build_header(struct buf *lines, struct str name, struct str value)
{
	if (!hdr_is_token(name) || !hdr_is_clean(value))
		return ERR_BAD;
	buf_str(lines, name);
	buf_lit(lines, ": ");
	buf_str(lines, value);
	buf_lit(lines, "\r\n");
	return result(lines);
}

struct str build_reason(uint16_t status)
{
	static const struct {
		uint16_t status;
		struct str text;
	} table[] = {
#define R(status, text)                                                                            \
	{                                                                                          \
		status,                                                                            \
		{                                                                                  \
			text, sizeof(text) - 1                                                     \
		}                                                                                  \
	}
		R(100, "Trying"),
		R(180, "Ringing"),
		R(181, "Call Is Being Forwarded"),
		R(182, "Queued"),
		R(183, "Session Progress"),
		R(199, "Early Dialog Terminated"),
		R(200, "OK"),
		R(202, "Accepted"),
		R(204, "No Notification"),
		R(300, "Multiple Choices"),
		R(301, "Moved Permanently"),
		R(302, "Moved Temporarily"),
		R(305, "Use Proxy"),
		R(380, "Alternative Service"),
		R(400, "Bad Request"),
		R(401, "Unauthorized"),
		R(402, "Payment Required"),
		R(403, "Forbidden"),
		R(404, "Not Found"),
		R(405, "Method Not Allowed"),
		R(406, "Not Acceptable"),
		R(407, "Proxy Authentication Required"),
		R(408, "Request Timeout"),
		R(410, "Gone"),
		R(412, "Conditional Request Failed"),
		R(413, "Request Entity Too Large"),
		R(414, "Request-URI Too Long"),
		R(415, "Unsupported Media Type"),
		R(416, "Unsupported URI Scheme"),
		R(417, "Unknown Resource-Priority"),
		R(420, "Bad Extension"),
		R(421, "Extension Required"),
		R(422, "Session Interval Too Small"),
		R(423, "Interval Too Brief"),
		R(428, "Use Identity Header"),
		R(429, "Provide Referrer Identity"),
		R(430, "Flow Failed"),
		R(433, "Anonymity Disallowed"),
		R(436, "Bad Identity-Info"),
		R(437, "Unsupported Certificate"),
		R(438, "Invalid Identity Header"),
		R(439, "First Hop Lacks Outbound Support"),
		R(440, "Max-Breadth Exceeded"),
		R(469, "Bad Info Package"),
		R(480, "Temporarily Unavailable"),
		R(481, "Call/Transaction Does Not Exist"),
		R(482, "Loop Detected"),
		R(483, "Too Many Hops"),
		R(484, "Address Incomplete"),
		R(485, "Ambiguous"),
		R(486, "Busy Here"),
		R(487, "Request Terminated"),
		R(488, "Not Acceptable Here"),
		R(489, "Bad Event"),
		R(491, "Request Pending"),
		R(493, "Undecipherable"),
		R(494, "Security Agreement Required"),
		R(500, "Server Internal Error"),
		R(501, "Not Implemented"),
		R(502, "Bad Gateway"),
		R(503, "Service Unavailable"),
		R(504, "Server Time-out"),
		R(505, "Version Not Supported"),
		R(513, "Message Too Large"),
		R(580, "Precondition Failure"),
		R(600, "Busy Everywhere"),
		R(603, "Decline"),
		R(604, "Does Not Exist Anywhere"),
		R(606, "Not Acceptable"),
		R(607, "Unwanted"),
		R(608, "Rejected"),
#undef R
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].status == status)
			return table[i].text;
	return STR("Unknown");
}

uint8_t build_hops_left(const struct msg *m)
{
	CHECK(m);
	if (m->max_forwards < 0)
		return 70;
	return (uint8_t)(m->max_forwards > 0 ? m->max_forwards - 1 : 0);
}

void build_contact(struct buf *b, bool sips, struct str user, const struct addr *host,
		   enum transport t)
{
	static const struct str param[TRANSPORT_COUNT] = {
		/* UDP is what a URI means without one. */
		[TRANSPORT_UDP] = {NULL, 0},
		[TRANSPORT_TCP] = {";transport=tcp", 14},
		[TRANSPORT_TLS] = {";transport=tls", 14},
		/* RFC 7118 §5.2: the parameter is "ws" for both. */
		[TRANSPORT_WS] = {";transport=ws", 13},
		[TRANSPORT_WSS] = {";transport=ws", 13},
	};
	CHECK(t < TRANSPORT_COUNT && host->family != ADDR_NONE);
	if (sips)
		buf_lit(b, "sips:");
	else
		buf_lit(b, "sip:");
	if (user.len > 0) {
		uri_write_user(b, user);
		buf_char(b, '@');
	}
	addr_write(b, host);
	/* sips already means TLS, and RFC 5630 §4.1 wants no "tls" beside it. */
	if (!sips || transport_is_web(t))
		buf_str(b, param[t]);
}
