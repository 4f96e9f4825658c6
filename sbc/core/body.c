#include "sbc/core/body.h"

#include "sbc/core/octet.h"

bool body_is(struct str content_type, struct str type)
{
	size_t n = str_index(content_type, ';');
	return str_ieq(str_trim((struct str){content_type.p, n}), type);
}

bool body_is_multipart(struct str content_type)
{
	return str_has_iprefix(octet_skip_lws(content_type), STR("multipart/"));
}

/* ---- the boundary (RFC 2046 §5.1.1) */

static bool is_boundary_octet(char c)
{
	static const struct str others = {"'()+_,-./:=? ", 13};
	char l = octet_lower(c);
	return (l >= 'a' && l <= 'z') || octet_is(c, OCTET_DIGIT) || str_has_char(others, c);
}

static enum err read_boundary(struct str type, struct str *out)
{
	struct str params = str_from_offset(type, str_index(type, ';')), b;
	if (!hdr_param(params, STR("boundary"), &b))
		return ERR_BAD;
	if (b.len >= 2 && b.p[0] == '"')
		b = (struct str){b.p + 1, b.len - 2};
	if (b.len == 0 || b.p[b.len - 1] == ' ')
		return ERR_BAD;
	if (b.len > BODY_BOUNDARY_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < b.len; i++)
		if (!is_boundary_octet(b.p[i]))
			return ERR_BAD;
	*out = b;
	return OK;
}

/* ---- one part */

/* Cuts a line without its CRLF; false: there is no CRLF any more. */
static bool cut_line(struct str *s, struct str *out)
{
	size_t n = str_find(*s, STR("\r\n"));
	if (n == s->len)
		return false;
	*out = (struct str){s->p, n};
	*s = str_from_offset(*s, n + 2);
	return true;
}

struct part_head {
	struct str type, disposition, encoding, transfer;
};

static enum err take_header(struct part_head *h, struct str name, struct str value)
{
	struct str *slot = NULL;
	if (!hdr_is_token(name))
		return ERR_BAD;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
			return ERR_BAD;
	}
	if (str_ieq(name, STR("Content-Type")))
		slot = &h->type;
	else if (str_ieq(name, STR("Content-Disposition")))
		slot = &h->disposition;
	else if (str_ieq(name, STR("Content-Encoding")))
		slot = &h->encoding;
	else if (str_ieq(name, STR("Content-Transfer-Encoding")))
		slot = &h->transfer;
	if (!slot)
		return OK;
	if (slot->len > 0 || value.len == 0) /* twice: which of them is meant? */
		return ERR_BAD;
	*slot = value;
	return OK;
}

/* Headers up to the empty line; *s is the body then. */
static enum err read_head(struct str *s, struct part_head *h)
{
	struct str line;
	*h = (struct part_head){.type = STR_NONE};
	for (unsigned n = 0;; n++) {
		if (!cut_line(s, &line)) /* headers alone, without the empty line behind them */
			return ERR_BAD;
		if (line.len == 0)
			return OK;
		if (n == BODY_PART_HEADERS_MAX)
			return ERR_LIMIT;
		const char *end = line.p + line.len;
		while (s->len > 0 && (s->p[0] == ' ' || s->p[0] == '\t')) { /* folded */
			struct str more;
			if (!cut_line(s, &more))
				return ERR_BAD;
			end = more.p + more.len;
		}
		line = str_sub(line.p, end);
		size_t colon = str_index(line, ':');
		if (colon == line.len)
			return ERR_BAD;
		enum err e = take_header(h, str_trim((struct str){line.p, colon}),
					 str_trim(str_from_offset(line, colon + 1)));
		if (e != OK)
			return e;
	}
}

static bool is_plain_transfer(struct str t)
{
	return t.len == 0 || str_ieq(t, STR("7bit")) || str_ieq(t, STR("8bit")) ||
	       str_ieq(t, STR("binary"));
}

static bool is_optional(struct str disposition)
{
	struct str params = str_from_offset(disposition, str_index(disposition, ';')), v;
	return hdr_param(params, STR("handling"), &v) && str_ieq(v, STR("optional"));
}

/* ---- all of them */

struct level {
	unsigned depth; /* multiparts around it */
	bool optional, alternative;
};

static enum err add(struct body *b, struct str bytes, const struct part_head *h, struct level l);

/* Is this line the delimiter? *out_last: the one that closes. */
static bool is_delimiter(struct str line, struct str boundary, bool *out_last)
{
	if (line.len < boundary.len + 2 || line.p[0] != '-' || line.p[1] != '-' ||
	    memcmp(line.p + 2, boundary.p, boundary.len) != 0)
		return false;
	struct str rest = str_from_offset(line, boundary.len + 2);
	*out_last = str_has_prefix(rest, STR("--"));
	if (*out_last)
		rest = str_from_offset(rest, 2);
	for (size_t i = 0; i < rest.len; i++)
		if (rest.p[i] != ' ' && rest.p[i] != '\t')
			return false; /* a longer boundary that begins like ours */
	return true;
}

/* Cuts the next line, with CRLF or at the end of all. */
static bool cut_any_line(struct str *s, struct str *out)
{
	if (cut_line(s, out))
		return true;
	*out = *s;
	*s = STR_NONE;
	return out->len > 0;
}

static enum err add_multipart(struct body *b, struct str bytes, struct str type, struct level l)
{
	struct str boundary, line, rest = bytes;
	const char *begin = NULL; /* of the part that is open */
	bool last = false;
	uint8_t before = b->seen;
	if (l.depth >= BODY_DEPTH_MAX)
		return ERR_LIMIT;
	enum err e = read_boundary(type, &boundary);
	if (e != OK)
		return e;
	l.depth++;
	l.alternative = body_is(type, STR("multipart/alternative"));
	while (!last && cut_any_line(&rest, &line)) {
		if (!is_delimiter(line, boundary, &last))
			continue;
		if (begin) { /* the CRLF in front belongs to the delimiter */
			struct str part = line.p >= begin + 2 ? str_sub(begin, line.p - 2)
							      : (struct str){begin, 0};
			struct part_head h;
			/* A part without headers begins with its empty line; one without a body may end with it. */
			struct str text = str_sub(begin, line.p);
			e = read_head(&text, &h);
			if (e != OK)
				return e;
			text = text.len > 0 && text.p < part.p + part.len
				       ? str_sub(text.p, part.p + part.len)
				       : STR_NONE;
			e = add(b, text, &h, l);
			if (e != OK)
				return e;
		}
		begin = rest.len > 0 ? rest.p : line.p + line.len;
	}
	/* Never closed, or closed before anything was in it. */
	return last && b->seen > before ? OK : ERR_BAD;
}

static enum err add(struct body *b, struct str bytes, const struct part_head *h, struct level l)
{
	if (b->seen == BODY_PARTS_MAX)
		return ERR_LIMIT;
	b->seen++;
	l.optional = l.optional || is_optional(h->disposition);
	bool encoded = (h->encoding.len > 0 && !str_ieq(h->encoding, STR("identity"))) ||
		       !is_plain_transfer(h->transfer);
	if (body_is_multipart(h->type) && !encoded)
		return add_multipart(b, bytes, h->type, l);
	size_t n = str_index(h->disposition, ';');
	b->parts[b->count++] = (struct body_part){
		.type = h->type.len > 0 ? h->type : STR("text/plain"),
		.disposition = str_trim((struct str){h->disposition.p, n}),
		.bytes = bytes,
		.optional = l.optional,
		.encoded = encoded,
		.alternative = l.alternative,
	};
	return OK;
}

enum err body_parse(struct str bytes, struct str type, struct str disposition, struct str encoding,
		    struct body *out)
{
	struct part_head h = {.type = type, .disposition = disposition, .encoding = encoding};
	out->count = out->seen = 0;
	if (bytes.len == 0)
		return OK;
	/* The outermost multipart is not one of the parts. */
	if (body_is_multipart(type) && (encoding.len == 0 || str_ieq(encoding, STR("identity"))))
		return add_multipart(out, bytes, type,
				     (struct level){.optional = is_optional(disposition)});
	return add(out, bytes, &h, (struct level){0});
}

enum err body_read(const struct msg *m, struct body *out)
{
	return body_parse(m->body, m->content_type, msg_value(m, HDR_CONTENT_DISPOSITION),
			  msg_value(m, HDR_CONTENT_ENCODING), out);
}

const struct body_part *body_session(const struct body *b)
{
	const struct body_part *found = NULL;
	for (size_t i = 0; i < b->count; i++) {
		const struct body_part *p = &b->parts[i];
		if (p->encoded || p->bytes.len == 0 || !body_is(p->type, STR("application/sdp")) ||
		    (p->disposition.len > 0 && !str_ieq(p->disposition, STR("session"))))
			continue;
		/* Of alternatives the last is the sender's best; else the first is the session. */
		if (!found || (found->alternative && p->alternative))
			found = p;
	}
	return found;
}

bool body_has_type(const struct body_types *t, struct str content_type)
{
	for (size_t i = 0; t && i < t->count; i++)
		if (body_is(content_type, t->list[i]))
			return true;
	return false;
}

bool body_is_understood(const struct body *b, const struct body_types *understood,
			const struct body_types *named)
{
	bool any_alternative = false, good_alternative = false;
	for (size_t i = 0; i < b->count; i++) {
		const struct body_part *p = &b->parts[i];
		bool good = body_has_type(named, p->type) ||
			    (!p->encoded && body_has_type(understood, p->type));
		if (p->alternative && !p->optional) {
			any_alternative = true;
			good_alternative = good_alternative || good;
		} else if (!good && !p->optional) {
			return false;
		}
	}
	return !any_alternative || good_alternative;
}

/* ---- writing */

static void write_delimiter(struct buf *b, struct str boundary, const char *end)
{
	buf_lit(b, "--");
	buf_str(b, boundary);
	buf_z(b, end);
}

static bool crosses(const struct body_part *p, const struct body_types *named)
{
	return !p->encoded && body_has_type(named, p->type) &&
	       !body_is(p->type, STR("application/sdp"));
}

size_t body_write(struct buf *b, struct str boundary, struct str sdp, const struct body *from,
		  const struct body_types *named)
{
	size_t n = 0;
	for (size_t i = 0; i < from->count; i++)
		n += crosses(&from->parts[i], named);
	if (n == 0)
		return 0;
	if (sdp.len > 0) {
		write_delimiter(b, boundary, "\r\nContent-Type: application/sdp\r\n\r\n");
		buf_str(b, sdp);
		buf_lit(b, "\r\n");
		n++;
	}
	for (size_t i = 0; i < from->count; i++) {
		const struct body_part *p = &from->parts[i];
		if (!crosses(p, named))
			continue;
		write_delimiter(b, boundary, "\r\nContent-Type: ");
		hdr_write_unfolded(b, p->type);
		if (hdr_is_token(p->disposition)) {
			buf_lit(b, "\r\nContent-Disposition: ");
			buf_str(b, p->disposition);
			buf_z(b, p->optional ? ";handling=optional" : ";handling=required");
		}
		buf_lit(b, "\r\n\r\n");
		buf_str(b, p->bytes);
		buf_lit(b, "\r\n");
	}
	write_delimiter(b, boundary, "--\r\n");
	return n;
}
