#include "sbc/core/uri.h"

#include "common/addr.h"
#include "sbc/core/hdr.h"
#include "sbc/core/octet.h"

enum {
	/* uri_eq compares parameters pairwise; nobody has so many. */
	EQ_PARAMS_MAX = 32
};

static struct str cut_at(struct str *s, size_t n)
{
	struct str piece = {s->p, n};
	*s = (struct str){s->p + n, s->len - n};
	return piece;
}

bool uri_is_host(struct str s)
{
	if (s.len == 0)
		return false;
	if (s.p[0] != '[') {
		/* '_' is not in the grammar, but in the names of containers. */
		for (size_t i = 0; i < s.len; i++)
			if (!octet_is(s.p[i], OCTET_HOST) && s.p[i] != '_')
				return false;
		return s.p[0] != '.' && s.p[0] != '-';
	}
	if (s.len < 4 || s.p[s.len - 1] != ']')
		return false;
	/* Three colons are let through: RFC 5118 §4.10. Whoever wants to send there has to parse it. */
	bool colon = false;
	for (size_t i = 1; i < s.len - 1; i++) {
		if (!octet_is(s.p[i], OCTET_HEX) && s.p[i] != ':' && s.p[i] != '.')
			return false;
		colon = colon || s.p[i] == ':';
	}
	return colon;
}

struct str uri_host_bare(const struct uri *u)
{
	if (u->host.len >= 2 && u->host.p[0] == '[')
		return (struct str){u->host.p + 1, u->host.len - 2};
	return u->host;
}

static enum err parse_userinfo(struct str s, struct uri *u)
{
	size_t n = octet_span_escaped(s, OCTET_USER);
	if (n == 0)
		return ERR_BAD;
	u->user = cut_at(&s, n);
	if (s.len == 0)
		return OK;
	if (s.p[0] != ':')
		return ERR_BAD;
	u->password = str_from_offset(s, 1);
	return octet_span_escaped(u->password, OCTET_PASSWORD) == u->password.len ? OK : ERR_BAD;
}

static enum err parse_hostport(struct str *s, struct uri *u)
{
	size_t n;
	if (s->len > 0 && s->p[0] == '[') {
		n = str_index(*s, ']') + 1;
		if (n > s->len)
			return ERR_BAD;
	} else {
		n = 0;
		while (n < s->len && (octet_is(s->p[n], OCTET_HOST) || s->p[n] == '_'))
			n++;
	}
	u->host = cut_at(s, n);
	if (!uri_is_host(u->host))
		return ERR_BAD;
	if (s->len == 0 || s->p[0] != ':')
		return OK;
	cut_at(s, 1);
	struct str port = cut_at(s, octet_span(*s, OCTET_DIGIT));
	return str_to_u16(port, UINT16_MAX, &u->port) == OK && u->port != 0 ? OK : ERR_BAD;
}

/* Cuts ";name=value" off; false at the end of the parameters, or where they are wrong. */
static bool cut_param(struct str *s, struct str *out_name, struct str *out_value)
{
	if (s->len < 2 || s->p[0] != ';')
		return false;
	struct str t = *s;
	cut_at(&t, 1);
	struct str name = cut_at(&t, octet_span_escaped(t, OCTET_PARAM)), value = STR_NONE;
	if (name.len == 0)
		return false;
	if (t.len > 0 && t.p[0] == '=') {
		cut_at(&t, 1);
		value = cut_at(&t, octet_span_escaped(t, OCTET_PARAM));
		if (value.len == 0)
			return false;
	}
	*s = t;
	*out_name = name;
	*out_value = value;
	return true;
}

static struct str parse_params(struct str *s)
{
	struct str name, value, from = *s;
	while (cut_param(s, &name, &value))
		;
	return s->p == from.p ? STR_NONE : str_sub(from.p, s->p);
}

static bool are_headers(struct str s)
{
	struct str one;
	while (str_cut(&s, '&', &one)) {
		size_t n = octet_span_escaped(one, OCTET_HVALUE);
		if (n == 0)
			return false;
		cut_at(&one, n);
		if (one.len == 0 || one.p[0] != '=')
			return false;
		cut_at(&one, 1);
		if (octet_span_escaped(one, OCTET_HVALUE) != one.len)
			return false;
	}
	return true;
}

static enum err parse_sip(struct str s, struct uri *u)
{
	size_t at = str_index(s, '@');
	if (at < s.len) {
		if (parse_userinfo(cut_at(&s, at), u) != OK)
			return ERR_BAD;
		cut_at(&s, 1);
	}
	if (parse_hostport(&s, u) != OK)
		return ERR_BAD;
	u->params = parse_params(&s);
	if (s.len > 0 && s.p[0] == '?') {
		u->headers = str_from_offset(s, 1);
		return u->headers.len > 0 && are_headers(u->headers) ? OK : ERR_BAD;
	}
	return s.len == 0 ? OK : ERR_BAD;
}

static enum err parse_tel(struct str s, struct uri *u)
{
	u->user = cut_at(&s, octet_span(s, OCTET_TEL));
	u->params = parse_params(&s);
	return u->user.len > 0 && s.len == 0 ? OK : ERR_BAD;
}

static enum err parse_other(struct str s, struct uri *u)
{
	if (s.len == 0)
		return ERR_BAD;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"')
			return ERR_BAD;
	}
	u->rest = s;
	return OK;
}

enum err uri_parse(struct str s, struct uri *out)
{
	struct uri u = {0};
	size_t colon = str_index(s, ':');
	if (colon == 0 || colon == s.len || !octet_is(octet_lower(s.p[0]), OCTET_TOKEN) ||
	    octet_lower(s.p[0]) < 'a' || octet_lower(s.p[0]) > 'z')
		return ERR_BAD;
	u.scheme_text = cut_at(&s, colon);
	for (size_t i = 0; i < colon; i++)
		if (!octet_is(u.scheme_text.p[i], OCTET_HOST) && u.scheme_text.p[i] != '+')
			return ERR_BAD;
	cut_at(&s, 1);
	enum err e;
	if (str_ieq(u.scheme_text, STR("sip"))) {
		u.scheme = URI_SIP;
		e = parse_sip(s, &u);
	} else if (str_ieq(u.scheme_text, STR("sips"))) {
		u.scheme = URI_SIPS;
		e = parse_sip(s, &u);
	} else if (str_ieq(u.scheme_text, STR("tel"))) {
		u.scheme = URI_TEL;
		e = parse_tel(s, &u);
	} else {
		u.scheme = URI_OTHER;
		e = parse_other(s, &u);
	}
	if (e == OK)
		*out = u;
	return e;
}

void uri_write(struct buf *b, const struct uri *u)
{
	buf_str(b, u->scheme_text);
	buf_char(b, ':');
	buf_str(b, u->rest);
	buf_str(b, u->user);
	if (u->password.len > 0) {
		buf_char(b, ':');
		buf_str(b, u->password);
	}
	if (u->user.len > 0 && u->host.len > 0)
		buf_char(b, '@');
	buf_str(b, u->host);
	if (u->port != 0) {
		buf_char(b, ':');
		buf_u64(b, u->port);
	}
	buf_str(b, u->params);
	if (u->headers.len > 0) {
		buf_char(b, '?');
		buf_str(b, u->headers);
	}
}

bool uri_param(const struct uri *u, struct str name, struct str *out_value)
{
	struct str params = u->params, n, v;
	while (cut_param(&params, &n, &v)) {
		if (str_ieq(n, name)) {
			if (out_value)
				*out_value = v;
			return true;
		}
	}
	return false;
}

/* The next octet with an escape undone; len > 0. */
static unsigned char next_octet(struct str *s, bool *out_escaped)
{
	uint8_t byte;
	*out_escaped = s->len >= 3 && s->p[0] == '%' &&
		       str_to_hex((struct str){s->p + 1, 2}, &byte, 1) == OK;
	unsigned char c = *out_escaped ? byte : (unsigned char)s->p[0];
	cut_at(s, *out_escaped ? 3 : 1);
	return c;
}

/* "%61" equals "a", but an escaped reserved octet is not the same as the octet (RFC 3261 §19.1.4). */
static bool text_eq(struct str a, struct str b, bool with_case)
{
	static const char reserved[] = ";/?:@&=+$,";
	while (a.len > 0 && b.len > 0) {
		bool ae, be;
		unsigned char x = next_octet(&a, &ae), y = next_octet(&b, &be);
		if (ae != be && x != 0 && strchr(reserved, x))
			return false;
		if (!with_case) {
			x = (unsigned char)octet_lower((char)x);
			y = (unsigned char)octet_lower((char)y);
		}
		if (x != y)
			return false;
	}
	return a.len == 0 && b.len == 0;
}

/* Parameters of both must agree; these also when one side does not give them. */
static bool is_decisive(struct str name)
{
	return str_ieq(name, STR("user")) || str_ieq(name, STR("ttl")) ||
	       str_ieq(name, STR("method")) || str_ieq(name, STR("maddr")) ||
	       str_ieq(name, STR("transport"));
}

static bool params_agree(const struct uri *a, const struct uri *b)
{
	struct str params = a->params, name, value, other;
	for (unsigned n = 0; cut_param(&params, &name, &value); n++) {
		if (n == EQ_PARAMS_MAX)
			return false;
		if (uri_param(b, name, &other) ? !text_eq(value, other, false) : is_decisive(name))
			return false;
	}
	return true;
}

static bool has_header(struct str headers, struct str name, struct str value)
{
	struct str one;
	while (str_cut(&headers, '&', &one)) {
		size_t eq = str_index(one, '=');
		if (text_eq((struct str){one.p, eq}, name, false) &&
		    text_eq(str_from_offset(one, eq + 1), value, true))
			return true;
	}
	return false;
}

static bool headers_agree(struct str a, struct str b)
{
	struct str one;
	unsigned n = 0;
	while (str_cut(&a, '&', &one)) {
		size_t eq = str_index(one, '=');
		if (++n > EQ_PARAMS_MAX ||
		    !has_header(b, (struct str){one.p, eq}, str_from_offset(one, eq + 1)))
			return false;
	}
	return true;
}

bool uri_eq(const struct uri *a, const struct uri *b)
{
	if (a->scheme != b->scheme || !str_ieq(a->scheme_text, b->scheme_text) ||
	    a->port != b->port || !str_ieq(a->host, b->host))
		return false;
	/* Octet by octet, though RFC 3966 §5 lets visual separators differ. */
	if (!text_eq(a->user, b->user, true) || !text_eq(a->password, b->password, true) ||
	    !str_eq(a->rest, b->rest))
		return false;
	return params_agree(a, b) && params_agree(b, a) && headers_agree(a->headers, b->headers) &&
	       headers_agree(b->headers, a->headers);
}

enum err uri_unescape(struct buf *b, struct str s)
{
	while (s.len > 0) {
		size_t n = str_index(s, '%');
		buf_bytes(b, s.p, n);
		s = str_from_offset(s, n);
		if (s.len == 0)
			break;
		uint8_t byte;
		if (s.len < 3 || str_to_hex((struct str){s.p + 1, 2}, &byte, 1) != OK)
			return ERR_BAD;
		buf_char(b, (char)byte);
		s = str_from_offset(s, 3);
	}
	return OK;
}

void uri_write_user(struct buf *b, struct str raw)
{
	static const char digits[] = "0123456789ABCDEF";
	for (size_t i = 0; i < raw.len; i++) {
		unsigned char c = (unsigned char)raw.p[i];
		if (octet_is((char)c, OCTET_USER) && c != '#') {
			buf_char(b, (char)c);
		} else {
			buf_char(b, '%');
			buf_char(b, digits[c >> 4]);
			buf_char(b, digits[c & 15]);
		}
	}
}

enum err uri_write_number(struct buf *b, const struct uri *u)
{
	struct str s = {u->user.p, str_index(u->user, ';')};
	while (s.len > 0) {
		bool escaped;
		unsigned char c = next_octet(&s, &escaped);
		if (c < 0x20 || c == 0x7f)
			return ERR_BAD;
		if (u->scheme == URI_TEL && (c == '-' || c == '.' || c == '(' || c == ')'))
			continue;
		buf_char(b, (char)c);
	}
	return OK;
}

/* --- addresses */

/* Tokens and white space; UTF-8 too, which is against the grammar but is what phones send. */
static size_t display_len(struct str s)
{
	size_t n = 0;
	while (n < s.len &&
	       (octet_is(s.p[n], OCTET_TOKEN | OCTET_LWS) || (unsigned char)s.p[n] >= 0x80))
		n++;
	return n;
}

static bool are_params(struct str s)
{
	struct str name, value;
	bool bad;
	while (hdr_param_cut(&s, &name, &value, &bad))
		;
	return !bad;
}

/* <URI> at the front of s, which begins with '<'. */
static enum err parse_bracketed(struct str *s, struct name_addr *a)
{
	size_t n = str_index(*s, '>');
	if (n == s->len)
		return ERR_BAD;
	a->uri = (struct str){s->p + 1, n - 1};
	for (size_t i = 0; i < a->uri.len; i++)
		if ((unsigned char)a->uri.p[i] <= ' ' || a->uri.p[i] == '<' || a->uri.p[i] == '"')
			return ERR_BAD;
	a->bracketed = true;
	cut_at(s, n + 1);
	return OK;
}

/* A URI without brackets: it may hold no comma, question mark or semicolon (RFC 3261 §20). */
static enum err parse_bare(struct str *s, struct name_addr *a)
{
	size_t n = 0;
	while (n < s->len && s->p[n] != ';' && !octet_is(s->p[n], OCTET_LWS))
		n++;
	a->uri = cut_at(s, n);
	return str_has_char(a->uri, '?') || str_has_char(a->uri, ',') ? ERR_BAD : OK;
}

enum err name_addr_parse(struct str s, struct name_addr *out)
{
	struct name_addr a = {0};
	s = str_trim(s);
	const char *from = s.p;
	if (s.len == 0)
		return ERR_BAD;
	if (str_eq(s, STR("*"))) {
		*out = (struct name_addr){.all = s, .star = true};
		return OK;
	}
	enum err e;
	size_t n = s.p[0] == '"' ? octet_quoted(s) : display_len(s);
	struct str rest = octet_skip_lws((struct str){s.p + n, s.len - n});
	if (rest.len > 0 && rest.p[0] == '<') {
		a.display = str_trim((struct str){s.p, n});
		s = rest;
		e = parse_bracketed(&s, &a);
	} else if (s.p[0] == '"') {
		return ERR_BAD;
	} else {
		e = parse_bare(&s, &a);
	}
	if (e != OK || a.uri.len == 0)
		return ERR_BAD;
	a.all = str_sub(from, s.p);
	a.params = octet_skip_lws(s);
	if (a.params.len == 0)
		a.params = STR_NONE;
	if (!are_params(a.params))
		return ERR_BAD;
	*out = a;
	return OK;
}

enum err name_addr_cut(struct str *s, struct name_addr *out)
{
	struct str rest = octet_skip_lws(*s);
	/* Empty items ("a,,b") are let through, as everyone does. */
	while (rest.len > 0 && rest.p[0] == ',')
		rest = octet_skip_lws((struct str){rest.p + 1, rest.len - 1});
	if (rest.len == 0)
		return ERR_NOTFOUND;
	size_t n = hdr_index_outside(rest, ',');
	enum err e = name_addr_parse((struct str){rest.p, n}, out);
	if (e == OK)
		*s = str_from_offset(rest, n + 1);
	return e;
}

void name_addr_write_display(struct buf *b, const struct name_addr *a)
{
	struct str s = a->display;
	bool quoted = s.len >= 2 && s.p[0] == '"', space = false;
	if (quoted)
		s = (struct str){s.p + 1, s.len - 2};
	for (size_t i = 0; i < s.len; i++) {
		if (quoted && s.p[i] == '\\' && i + 1 < s.len)
			i++;
		unsigned char c = (unsigned char)s.p[i];
		if (c < 0x20 || c == 0x7f) {
			/* One space for a fold, nothing for the rest. */
			if (c != '\r' && c != '\n' && c != '\t')
				continue;
			c = ' ';
		}
		if (c == ' ' && space && !quoted)
			continue;
		space = c == ' ';
		buf_char(b, (char)c);
	}
}

void name_addr_write(struct buf *b, const struct name_addr *a)
{
	if (a->display.len > 0) {
		char text[256];
		struct buf display;
		buf_init(&display, text, sizeof(text));
		name_addr_write_display(&display, a);
		/* A name longer than this is no name; better none than a cut one. */
		struct str view = buf_view(&display);
		if (view.len > 0) {
			hdr_write_quoted(b, view);
			buf_char(b, ' ');
		}
	}
	buf_char(b, '<');
	buf_str(b, a->uri);
	buf_char(b, '>');
}

bool name_addr_param(const struct name_addr *a, struct str name, struct str *out_value)
{
	return hdr_param(a->params, name, out_value);
}
