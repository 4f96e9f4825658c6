#include "sbc/core/msg.h"

#include "sbc/core/octet.h"

static const struct {
	const char *name, *text;
	uint16_t status;
	uint8_t text_len;
} faults[MSG_FAULT_COUNT] = {
#define X(name, status, text) [MSG_FAULT_##name] = {#name, text, status, sizeof(text) - 1},
	MSG_FAULT_TABLE(X)
#undef X
};

const char *msg_fault_name(enum msg_fault f)
{
	CHECK(f < MSG_FAULT_COUNT);
	return faults[f].name;
}

struct str msg_fault_text(enum msg_fault f)
{
	CHECK(f < MSG_FAULT_COUNT);
	return (struct str){faults[f].text, faults[f].text_len};
}

uint16_t msg_fault_status(enum msg_fault f)
{
	CHECK(f < MSG_FAULT_COUNT);
	return faults[f].status;
}

/* Headers that may stand once only: two of them would let one box read the first and the next box the last
 * (threats A3). */
static const bool is_single[HDR_COUNT] = {
	[HDR_CALL_ID] = true,
	[HDR_CONTENT_DISPOSITION] = true,
	[HDR_CONTENT_LENGTH] = true,
	[HDR_CONTENT_TYPE] = true,
	[HDR_CSEQ] = true,
	[HDR_DATE] = true,
	[HDR_EVENT] = true,
	[HDR_EXPIRES] = true,
	[HDR_FROM] = true,
	[HDR_INFO_PACKAGE] = true,
	[HDR_MAX_FORWARDS] = true,
	[HDR_MIME_VERSION] = true,
	[HDR_MIN_EXPIRES] = true,
	[HDR_MIN_SE] = true,
	[HDR_ORGANIZATION] = true,
	[HDR_PRIORITY] = true,
	[HDR_RACK] = true,
	[HDR_REFER_TO] = true,
	[HDR_REFERRED_BY] = true,
	[HDR_REPLACES] = true,
	[HDR_REPLY_TO] = true,
	[HDR_RETRY_AFTER] = true,
	[HDR_RSEQ] = true,
	[HDR_SERVER] = true,
	[HDR_SESSION_EXPIRES] = true,
	[HDR_SESSION_ID] = true,
	[HDR_SUBJECT] = true,
	[HDR_SUBSCRIPTION_STATE] = true,
	[HDR_TIMESTAMP] = true,
	[HDR_TO] = true,
	[HDR_USER_AGENT] = true,
};

/* The first fault is the one that counts. */
static void note(struct msg *m, enum msg_fault f, const char *at)
{
	if (m->fault == MSG_FAULT_NONE) {
		m->fault = f;
		m->fault_at = (uint32_t)(at - m->bytes.p);
	}
}

static struct str value_of(const struct msg *m, const struct msg_header *h)
{
	return (struct str){m->bytes.p + h->value_at, h->value_len};
}

/* --- start line */

static bool is_version(struct str s, bool *out_ours)
{
	*out_ours = true;
	if (str_eq(s, STR("SIP/2.0")))
		return true;
	if (s.len < 7 || !str_has_iprefix(s, STR("SIP/")))
		return false;
	struct str number = str_from_offset(s, 4);
	size_t dot = str_index(number, '.');
	if (dot == 0 || dot + 1 >= number.len || octet_span(number, OCTET_DIGIT) != dot ||
	    octet_span(str_from_offset(number, dot + 1), OCTET_DIGIT) != number.len - dot - 1)
		return false;
	*out_ours = str_eq(number, STR("2.0"));
	return true;
}

static void read_status_line(struct msg *m, struct str line)
{
	bool ours;
	struct str version = {line.p, str_index(line, ' ')};
	struct str rest = str_from_offset(line, version.len + 1);
	if (!is_version(version, &ours)) {
		note(m, MSG_FAULT_NOT_SIP, line.p);
		return;
	}
	if (!ours)
		note(m, MSG_FAULT_VERSION, line.p);
	struct str code = {rest.p, str_index(rest, ' ')};
	if (code.len != 3 || str_to_u16(code, 699, &m->status) != OK || m->status < 100) {
		m->status = 0;
		note(m, MSG_FAULT_STATUS_CODE, line.p);
		return;
	}
	m->reason = str_from_offset(rest, 4);
}

/* Exactly one space between the three parts (RFC 4475 §3.1.2.8 to 10). */
static void read_request_line(struct msg *m, struct str line)
{
	bool ours;
	size_t method_len = octet_span(line, OCTET_TOKEN);
	const char *last = line.len > 0 ? memrchr(line.p, ' ', line.len) : NULL;
	struct str version = last ? str_sub(last + 1, line.p + line.len) : STR_NONE;
	m->is_request = true;
	m->method_text = (struct str){line.p, method_len};
	if (!last || method_len == 0 || method_len == line.len || line.p[method_len] != ' ') {
		note(m, MSG_FAULT_NOT_SIP, line.p);
		return;
	}
	m->method = method_find(m->method_text);
	if (last <= line.p + method_len || !is_version(version, &ours)) {
		/* Not HTTP and the like, but a SIP request line gone wrong? */
		bool sip = str_find(line, STR(" SIP/2.0")) < line.len;
		note(m, sip ? MSG_FAULT_START_LINE : MSG_FAULT_NOT_SIP, line.p);
		return;
	}
	m->uri = str_sub(line.p + method_len + 1, last);
	if (!ours)
		note(m, MSG_FAULT_VERSION, version.p);
	if (m->uri.len == 0 || str_has_char(m->uri, ' ') || str_has_char(m->uri, '\t'))
		note(m, MSG_FAULT_START_LINE, line.p);
}

/* --- header lines */

/*
 * End of a value that holds a control octet, found octet by octet: allowed are folding and, inside quotes, an escaped
 * octet other than CR and LF (RFC 3261 §25.1 quoted-pair; RFC 4475 §3.1.1.2). Anything else spoils the value.
 * NULL: the bytes end first.
 */
static const char *find_value_end(const char *p, const char *end, bool *out_folded, bool *out_bad)
{
	bool quoted = false;
	for (; p < end; p++) {
		unsigned char c = (unsigned char)*p;
		if (c == '\r' && end - p >= 2 && p[1] == '\n') {
			if (end - p == 2 || (p[2] != ' ' && p[2] != '\t'))
				return p;
			*out_folded = true;
			p += 2;
		} else if (c == '"') {
			quoted = !quoted;
		} else if (c == '\\' && quoted && end - p >= 2 && p[1] != '\r' && p[1] != '\n') {
			p++;
		} else if ((c < 0x20 && c != '\t') || c == 0x7f) {
			if (c == '\r' && end - p == 1)
				return NULL;
			*out_bad = true;
		}
	}
	return NULL;
}

struct line {
	const char *name, *value, *value_end, *next;
	size_t name_len;
	enum hdr id;
	bool folded, bad;
};

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

/* Reads the header line at p. False: the bytes end inside it. name_len 0: it is no header line. */
static bool read_line(const char *p, const char *end, struct line *out)
{
	const char *colon = octet_find_colon(p, end);
	struct str name = {p, (size_t)(colon - p)};
	out->id = hdr_find(name);
	out->bad = out->folded = false;
	/* Names that we know are tokens. */
	if (out->id == HDR_OTHER && (name.len > UINT8_MAX || !hdr_is_token(name)))
		name.len = 0;
	if (colon < end && *colon != ':')
		colon = skip_blanks(colon, end);
	if (colon == end)
		return false;
	if (*colon == ':')
		colon++;
	else
		name.len = 0;
	out->name = name.p;
	out->name_len = name.len;
	p = skip_blanks(colon, end);
	const char *stop = octet_find_control(p, end);
	/* The common case: CRLF, and no white space after it. */
	if (end - stop < 3 || stop[0] != '\r' || stop[1] != '\n' || stop[2] == ' ' ||
	    stop[2] == '\t')
		stop = find_value_end(p, end, &out->folded, &out->bad);
	if (!stop)
		return false;
	out->next = stop + 2;
	while (p < stop && octet_is(*p, OCTET_LWS))
		p++;
	while (stop > p && octet_is(stop[-1], OCTET_LWS))
		stop--;
	out->value = p;
	out->value_end = stop;
	return true;
}

static void add_header(struct msg *m, const struct line *l)
{
	enum hdr id = l->id;
	struct msg_header *h = &m->headers[m->header_count];
	h->name_at = (uint32_t)(l->name - m->bytes.p);
	h->name_len = (uint16_t)l->name_len;
	h->value_at = (uint32_t)(l->value - m->bytes.p);
	h->value_len = (uint32_t)(l->value_end - l->value);
	h->id = (uint8_t)id;
	h->next = 0;
	h->folded = l->folded;
	m->header_count++;
	if (id == HDR_OTHER)
		return;
	if (m->first[id] == 0) {
		m->first[id] = m->header_count;
	} else {
		m->headers[m->last[id] - 1].next = m->header_count;
		if (is_single[id])
			note(m, MSG_FAULT_DUPLICATE, l->name);
	}
	m->last[id] = m->header_count;
	if (id == HDR_VIA && ++m->via_lines > MSG_VIAS_MAX)
		note(m, MSG_FAULT_TOO_MANY_VIAS, l->name);
}

/* Headers that a response repeats, as bits. */
enum { CORE_VIA = 1, CORE_FROM = 2, CORE_TO = 4, CORE_CALL_ID = 8, CORE_CSEQ = 16, CORE_ALL = 31 };

static unsigned core_bit(const struct msg *m, size_t i)
{
	switch (m->headers[i].id) {
	case HDR_VIA: return CORE_VIA;
	case HDR_FROM: return CORE_FROM;
	case HDR_TO: return CORE_TO;
	case HDR_CALL_ID: return CORE_CALL_ID;
	case HDR_CSEQ: return CORE_CSEQ;
	default: return 0;
	}
}

/* Reads lines until the empty one; gives the place behind it, NULL if it never came. *out_spoilt: core headers with
 * octets that must not be repeated. */
static const char *read_headers(struct msg *m, const char *p, const char *end, unsigned *out_spoilt)
{
	struct line l;
	for (;;) {
		if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
			return p + 2;
		if (m->header_count == MSG_HEADERS_MAX) {
			note(m, MSG_FAULT_TOO_MANY_HEADERS, p);
			return NULL;
		}
		if (p == end || !read_line(p, end, &l))
			return NULL;
		p = l.next;
		if (l.name_len == 0) {
			note(m, MSG_FAULT_HEADER_LINE, l.name);
			continue;
		}
		add_header(m, &l);
		if (l.bad) {
			note(m, MSG_FAULT_CONTROL_OCTET, l.name);
			*out_spoilt |= core_bit(m, m->header_count - 1u);
		}
	}
}

/* --- values */

static struct str first_value(const struct msg *m, enum hdr id)
{
	return m->first[id] == 0 ? STR_NONE : value_of(m, &m->headers[m->first[id] - 1]);
}

/* Cuts one octet `c` with white space around it off the front. */
static bool cut_octet(struct str *s, char c)
{
	struct str t = octet_skip_lws(*s);
	if (t.len == 0 || t.p[0] != c)
		return false;
	*s = octet_skip_lws((struct str){t.p + 1, t.len - 1});
	return true;
}

static struct str cut_span(struct str *s, unsigned classes)
{
	size_t n = octet_span(*s, classes);
	struct str piece = {s->p, n};
	if (n > 0)
		*s = (struct str){s->p + n, s->len - n};
	return piece;
}

/* Same length given: as almost everyone writes it, else without case. */
static bool is_called(struct str s, struct str name)
{
	return memcmp(s.p, name.p, name.len) == 0 || str_ieq(s, name);
}

static enum msg_transport transport_of(struct str s)
{
	static const struct str names[MSG_TRANSPORT_COUNT] = {
		[MSG_TRANSPORT_UDP] = {"UDP", 3}, [MSG_TRANSPORT_TCP] = {"TCP", 3},
		[MSG_TRANSPORT_TLS] = {"TLS", 3}, [MSG_TRANSPORT_SCTP] = {"SCTP", 4},
		[MSG_TRANSPORT_WS] = {"WS", 2},   [MSG_TRANSPORT_WSS] = {"WSS", 3},
	};
	for (unsigned t = MSG_TRANSPORT_OTHER + 1; t < MSG_TRANSPORT_COUNT; t++)
		if (s.len == names[t].len && is_called(s, names[t]))
			return (enum msg_transport)t;
	return MSG_TRANSPORT_OTHER;
}

/* "SIP/2.0/UDP " with white space where RFC 3261 allows it. */
static bool read_via_protocol(struct str *s, struct msg_via *v)
{
	if (str_has_prefix(*s, STR("SIP/2.0/"))) {
		*s = (struct str){s->p + 8, s->len - 8};
	} else {
		struct str name = cut_span(s, OCTET_TOKEN);
		if (!str_ieq(name, STR("SIP")) || !cut_octet(s, '/'))
			return false;
		struct str version = cut_span(s, OCTET_TOKEN);
		if (!str_eq(version, STR("2.0")) || !cut_octet(s, '/'))
			return false;
	}
	*s = octet_skip_lws(*s);
	struct str transport = cut_span(s, OCTET_TOKEN);
	if (transport.len == 0 || s->len == 0 || !octet_is(s->p[0], OCTET_LWS))
		return false;
	v->transport = transport_of(transport);
	*s = octet_skip_lws(*s);
	return true;
}

static bool read_sent_by(struct str *s, struct msg_via *v)
{
	const char *from = s->p;
	if (s->len > 0 && s->p[0] == '[') {
		size_t n = str_index(*s, ']');
		if (n == s->len || n < 3)
			return false;
		for (size_t i = 1; i < n; i++)
			if (!octet_is(s->p[i], OCTET_HEX) && s->p[i] != ':' && s->p[i] != '.')
				return false;
		v->host = (struct str){s->p, n + 1};
		*s = (struct str){s->p + n + 1, s->len - n - 1};
	} else {
		/* '_' is no host name by the RFCs, but container names have it. */
		size_t n = 0;
		while (n < s->len && (octet_is(s->p[n], OCTET_HOST) || s->p[n] == '_'))
			n++;
		v->host = (struct str){s->p, n};
		*s = (struct str){s->p + n, s->len - n};
		if (n == 0)
			return false;
	}
	v->sent_by = v->host;
	if (!cut_octet(s, ':'))
		return true;
	struct str port = cut_span(s, OCTET_DIGIT);
	if (str_to_u16(port, UINT16_MAX, &v->port) != OK || v->port == 0)
		return false;
	v->sent_by = str_sub(from, port.p + port.len);
	return true;
}

/* One of them given twice could be read in two ways. */
static bool keep_param(struct msg_via *v, struct str name, struct str value)
{
	struct str *to = NULL;
	switch (name.len) {
	case 5:
		if (is_called(name, STR("rport"))) {
			bool again = v->has_rport;
			v->has_rport = true;
			v->rport = value;
			return !again;
		}
		if (is_called(name, STR("maddr")))
			to = &v->maddr;
		break;
	case 6:
		if (is_called(name, STR("branch")))
			to = &v->branch;
		break;
	case 8:
		if (is_called(name, STR("received")))
			to = &v->received;
		break;
	default: break;
	}
	if (!to)
		return true;
	if (to->p || value.len == 0)
		return false;
	*to = value;
	return true;
}

static bool read_via_params(struct str *s, struct msg_via *v)
{
	const char *from = s->p, *to = s->p;
	while (cut_octet(s, ';')) {
		struct str name = cut_span(s, OCTET_TOKEN), value = STR_NONE;
		to = s->p;
		if (name.len == 0)
			return false;
		if (cut_octet(s, '=')) {
			if (s->len > 0 && s->p[0] == '"') {
				size_t n = 1;
				while (n < s->len && s->p[n] != '"')
					n += s->p[n] == '\\' ? 2 : 1;
				if (n >= s->len)
					return false;
				value = (struct str){s->p, n + 1};
				*s = (struct str){s->p + n + 1, s->len - n - 1};
			} else {
				value = cut_span(s, OCTET_TOKEN | OCTET_PARAM);
			}
			if (value.len == 0)
				return false;
			to = s->p;
		}
		if (!keep_param(v, name, value))
			return false;
	}
	v->params = to > from ? octet_skip_lws(str_sub(from, to)) : STR_NONE;
	return true;
}

static bool read_via(struct str s, struct msg_via *out)
{
	struct msg_via v = {0};
	const char *from = s.p;
	if (!read_via_protocol(&s, &v) || !read_sent_by(&s, &v) || !read_via_params(&s, &v))
		return false;
	const char *to = v.params.len > 0 ? v.params.p + v.params.len : v.sent_by.p + v.sent_by.len;
	s = octet_skip_lws(s);
	if (s.len > 0 && s.p[0] != ',')
		return false;
	v.has_more = s.len > 0;
	v.all = str_sub(from, to);
	*out = v;
	return true;
}

/* Where the parameters of an address begin, by quotes and brackets alone; NULL: these do not match, or a second address
 * follows. Its spelling is msg_check's business. */
static const char *find_params(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if (c == '"') {
			for (i++; i < s.len && s.p[i] != '"'; i++)
				if (s.p[i] == '\\')
					i++;
			if (i >= s.len)
				return NULL;
		} else if (c == '<') {
			const char *close = memchr(s.p + i, '>', s.len - i);
			return close ? close + 1 : NULL;
		} else if (c == ';') {
			return s.p + i;
		} else if (c == ',' || c == '>') {
			return NULL;
		}
	}
	return s.p + s.len;
}

static bool read_tag(struct str s, struct str *out_tag)
{
	const char *at = s.len > 0 ? find_params(s) : NULL;
	if (!at)
		return false;
	struct str params = str_sub(at, s.p + s.len), name, value, tag = STR_NONE;
	bool bad;
	while (hdr_param_cut(&params, &name, &value, &bad)) {
		if (!str_ieq(name, STR("tag")))
			continue;
		if (tag.p || !hdr_is_token(value))
			return false;
		tag = value;
	}
	if (bad)
		return false;
	*out_tag = tag;
	return true;
}

static void read_cseq(struct msg *m)
{
	struct str s = first_value(m, HDR_CSEQ), number = cut_span(&s, OCTET_DIGIT);
	bool spaced = s.len > 0 && octet_is(s.p[0], OCTET_LWS);
	struct str method = octet_skip_lws(s);
	/* RFC 3261 §8.1.1.5: less than 2^31. */
	if (!spaced || !hdr_is_token(method) || str_to_u32(number, INT32_MAX, &m->cseq) != OK) {
		note(m, MSG_FAULT_CSEQ, number.p);
		return;
	}
	if (!m->is_request) {
		m->method_text = method;
		m->method = method_find(method);
	} else if (!str_eq(method, m->method_text)) {
		note(m, MSG_FAULT_CSEQ_METHOD, method.p);
	}
}

static void read_call_id(struct msg *m)
{
	m->call_id = first_value(m, HDR_CALL_ID);
	/* Never taken apart by us, so all but white space may stand. */
	if (m->call_id.len == 0 || str_has_char(m->call_id, ' ') ||
	    str_has_char(m->call_id, '\t') || m->headers[m->first[HDR_CALL_ID] - 1].folded)
		note(m, MSG_FAULT_CALL_ID, m->call_id.p);
}

static void read_max_forwards(struct msg *m)
{
	uint64_t n;
	if (m->first[HDR_MAX_FORWARDS] == 0)
		return;
	struct str s = first_value(m, HDR_MAX_FORWARDS);
	enum err e = str_to_u64(s, UINT8_MAX, &n);
	if (e == OK)
		m->max_forwards = (int16_t)n;
	else if (e != ERR_LIMIT)
		note(m, MSG_FAULT_MAX_FORWARDS, s.p);
}

static void need(struct msg *m, enum hdr id, enum msg_fault missing)
{
	if (m->first[id] == 0)
		note(m, missing, m->bytes.p);
}

static void read_values(struct msg *m)
{
	if (m->first[HDR_VIA] != 0 && !read_via(first_value(m, HDR_VIA), &m->via))
		note(m, MSG_FAULT_VIA, first_value(m, HDR_VIA).p);
	m->from = first_value(m, HDR_FROM);
	if (m->first[HDR_FROM] != 0 && !read_tag(m->from, &m->from_tag))
		note(m, MSG_FAULT_FROM, m->from.p);
	m->to = first_value(m, HDR_TO);
	if (m->first[HDR_TO] != 0 && !read_tag(m->to, &m->to_tag))
		note(m, MSG_FAULT_TO, m->to.p);
	if (m->first[HDR_CALL_ID] != 0)
		read_call_id(m);
	if (m->first[HDR_CSEQ] != 0)
		read_cseq(m);
	read_max_forwards(m);
	m->content_type = first_value(m, HDR_CONTENT_TYPE);
	need(m, HDR_VIA, MSG_FAULT_NO_VIA);
	need(m, HDR_FROM, MSG_FAULT_NO_FROM);
	need(m, HDR_TO, MSG_FAULT_NO_TO);
	need(m, HDR_CALL_ID, MSG_FAULT_NO_CALL_ID);
	need(m, HDR_CSEQ, MSG_FAULT_NO_CSEQ);
}

static void read_body(struct msg *m, const char *p, const char *end, unsigned flags)
{
	uint64_t want, have = (uint64_t)(end - p);
	if (m->first[HDR_CONTENT_LENGTH] == 0) {
		if ((flags & MSG_STREAM) != 0)
			note(m, MSG_FAULT_NO_CONTENT_LENGTH, p);
		want = (flags & MSG_STREAM) != 0 ? 0 : have;
	} else {
		struct str s = first_value(m, HDR_CONTENT_LENGTH);
		if (str_to_u64(s, UINT32_MAX, &want) != OK) {
			note(m, MSG_FAULT_CONTENT_LENGTH, s.p);
			want = 0;
		}
	}
	if (want > have) {
		note(m, want > MSG_BYTES_MAX ? MSG_FAULT_TOO_LONG : MSG_FAULT_BODY_SHORT, p);
		want = have;
	}
	m->body = (struct str){p, (size_t)want};
	m->bytes.len = (size_t)(p - m->bytes.p) + (size_t)want;
}

static enum err err_of(enum msg_fault f, unsigned flags)
{
	switch ((int)f) {
	case MSG_FAULT_NONE: return OK;
	case MSG_FAULT_UNFINISHED: return ERR_MORE;
	case MSG_FAULT_BODY_SHORT: return (flags & MSG_STREAM) != 0 ? ERR_MORE : ERR_BAD;
	case MSG_FAULT_TOO_LONG:
	case MSG_FAULT_TOO_MANY_HEADERS:
	case MSG_FAULT_TOO_MANY_VIAS: return ERR_LIMIT;
	default: return ERR_BAD;
	}
}

enum err msg_index(struct msg *m, struct str bytes, unsigned flags)
{
	memset(m, 0, offsetof(struct msg, headers));
	m->max_forwards = -1;
	while (bytes.len > 0 && (bytes.p[0] == '\r' || bytes.p[0] == '\n'))
		bytes = (struct str){bytes.p + 1, bytes.len - 1};
	m->bytes = bytes;
	if (bytes.len == 0) {
		note(m, MSG_FAULT_EMPTY, bytes.p);
		return ERR_BAD;
	}
	const char *end = bytes.p + bytes.len;
	const char *header_end =
		bytes.len > MSG_HEADER_BYTES_MAX ? bytes.p + MSG_HEADER_BYTES_MAX : end;
	if (bytes.len > MSG_BYTES_MAX)
		note(m, MSG_FAULT_TOO_LONG, bytes.p);
	const char *eol = octet_find_control(bytes.p, header_end);
	if (header_end - eol < 2 || eol[0] != '\r' || eol[1] != '\n') {
		/* Whatever it is, it is not worth an answer. */
		bool more = eol == end || (*eol == '\r' && end - eol == 1);
		note(m, more ? MSG_FAULT_UNFINISHED : MSG_FAULT_NOT_SIP, eol);
		return more ? ERR_MORE : ERR_BAD;
	}
	struct str line = str_sub(bytes.p, eol);
	if (str_has_iprefix(line, STR("SIP/")))
		read_status_line(m, line);
	else
		read_request_line(m, line);
	if (m->fault == MSG_FAULT_NOT_SIP)
		return ERR_BAD;

	unsigned spoilt = 0;
	const char *body = read_headers(m, eol + 2, header_end, &spoilt);
	if (!body)
		note(m, header_end < end ? MSG_FAULT_TOO_LONG : MSG_FAULT_UNFINISHED, header_end);
	read_values(m);
	if (body)
		read_body(m, body, end, flags);
	unsigned core = (m->first[HDR_VIA] ? CORE_VIA : 0u) |
			(m->first[HDR_FROM] ? CORE_FROM : 0u) | (m->first[HDR_TO] ? CORE_TO : 0u) |
			(m->first[HDR_CALL_ID] ? CORE_CALL_ID : 0u) |
			(m->first[HDR_CSEQ] ? CORE_CSEQ : 0u);
	m->answerable = m->is_request && m->method != METHOD_ACK && core == CORE_ALL && spoilt == 0;
	return err_of(m->fault, flags);
}

/* --- reading it */

struct str msg_value(const struct msg *m, enum hdr id)
{
	return first_value(m, id);
}

bool msg_has(const struct msg *m, enum hdr id)
{
	return m->first[id] != 0;
}

bool msg_next(const struct msg *m, enum hdr id, size_t *cursor, struct str *out_value)
{
	/* 0: before the first; else index + 1 of the one given last, its link read now. */
	size_t at = *cursor == 0 ? m->first[id] : m->headers[*cursor - 1].next;
	if (at == 0)
		return false;
	*cursor = at;
	*out_value = value_of(m, &m->headers[at - 1]);
	return true;
}

struct str msg_name_at(const struct msg *m, size_t i)
{
	CHECK(i < m->header_count);
	return (struct str){m->bytes.p + m->headers[i].name_at, m->headers[i].name_len};
}

struct str msg_value_at(const struct msg *m, size_t i)
{
	CHECK(i < m->header_count);
	return value_of(m, &m->headers[i]);
}

struct str msg_value_of(const struct msg *m, struct str name)
{
	enum hdr id = hdr_find(name);
	if (id != HDR_OTHER)
		return first_value(m, id);
	for (size_t i = 0; i < m->header_count; i++)
		if (m->headers[i].id == HDR_OTHER && str_ieq(msg_name_at(m, i), name))
			return msg_value_at(m, i);
	return STR_NONE;
}

bool msg_has_token(const struct msg *m, enum hdr id, struct str token)
{
	size_t cursor = 0;
	struct str value;
	while (msg_next(m, id, &cursor, &value))
		if (hdr_list_has(value, token))
			return true;
	return false;
}

bool msg_body_is(const struct msg *m, struct str type)
{
	if (str_ieq(m->content_type, type))
		return true;
	size_t n = str_index(m->content_type, ';');
	struct str s = str_trim((struct str){m->content_type.p, n});
	/* "application / sdp" is allowed, if only on paper. */
	size_t slash = str_index(s, '/'), want = str_index(type, '/');
	return str_ieq(str_trim((struct str){s.p, slash}), (struct str){type.p, want}) &&
	       str_ieq(str_trim(str_from_offset(s, slash + 1)), str_from_offset(type, want + 1));
}
