#include "sbc/core/hdr.h"

#include "sbc/core/octet.h"

static const struct str names[HDR_COUNT] = {[HDR_OTHER] = {NULL, 0},
#define X(id, name, compact) [HDR_##id] = {name, sizeof(name) - 1},
					    HDR_TABLE(X)
#undef X
};

/* Lower-case letter - 'a' → the header of this compact form. */
static const uint8_t compact_forms[26] = {
	['a' - 'a'] = HDR_ACCEPT_CONTACT,
	['b' - 'a'] = HDR_REFERRED_BY,
	['c' - 'a'] = HDR_CONTENT_TYPE,
	['d' - 'a'] = HDR_REQUEST_DISPOSITION,
	['e' - 'a'] = HDR_CONTENT_ENCODING,
	['f' - 'a'] = HDR_FROM,
	['i' - 'a'] = HDR_CALL_ID,
	['j' - 'a'] = HDR_REJECT_CONTACT,
	['k' - 'a'] = HDR_SUPPORTED,
	['l' - 'a'] = HDR_CONTENT_LENGTH,
	['m' - 'a'] = HDR_CONTACT,
	['n' - 'a'] = HDR_IDENTITY_INFO,
	['o' - 'a'] = HDR_EVENT,
	['r' - 'a'] = HDR_REFER_TO,
	['s' - 'a'] = HDR_SUBJECT,
	['t' - 'a'] = HDR_TO,
	['u' - 'a'] = HDR_ALLOW_EVENTS,
	['v' - 'a'] = HDR_VIA,
	['x' - 'a'] = HDR_SESSION_EXPIRES,
	['y' - 'a'] = HDR_IDENTITY,
};

enum { NAME_MAX_LEN = 20 };

/* Candidates of each length, the commonest first; ended by 0. test_hdr proves that none is missing. */
static const uint8_t by_length[NAME_MAX_LEN + 1][14] = {
	[2] = {HDR_TO},
	[3] = {HDR_VIA},
	[4] = {HDR_FROM, HDR_CSEQ, HDR_RSEQ, HDR_RACK, HDR_DATE, HDR_PATH},
	[5] = {HDR_ALLOW, HDR_ROUTE, HDR_EVENT},
	[6] = {HDR_ACCEPT, HDR_SERVER, HDR_REASON, HDR_MIN_SE},
	[7] = {HDR_CALL_ID, HDR_CONTACT, HDR_REQUIRE, HDR_SUBJECT, HDR_EXPIRES, HDR_WARNING,
	       HDR_PRIVACY},
	[8] = {HDR_PRIORITY, HDR_IDENTITY, HDR_REPLY_TO, HDR_REPLACES, HDR_REFER_TO},
	[9] = {HDR_SUPPORTED, HDR_TIMESTAMP, HDR_DIVERSION, HDR_RECV_INFO, HDR_CALL_INFO,
	       HDR_REFER_SUB},
	[10] = {HDR_USER_AGENT, HDR_ALERT_INFO, HDR_ERROR_INFO, HDR_SESSION_ID},
	[11] = {HDR_RETRY_AFTER, HDR_UNSUPPORTED, HDR_REFERRED_BY, HDR_MIN_EXPIRES,
		HDR_IN_REPLY_TO},
	[12] = {HDR_MAX_FORWARDS, HDR_CONTENT_TYPE, HDR_RECORD_ROUTE, HDR_ALLOW_EVENTS,
		HDR_MIME_VERSION, HDR_ORGANIZATION, HDR_INFO_PACKAGE, HDR_HISTORY_INFO},
	[13] = {HDR_AUTHORIZATION, HDR_P_EARLY_MEDIA, HDR_IDENTITY_INFO, HDR_SERVICE_ROUTE,
		HDR_PROXY_REQUIRE},
	[14] = {HDR_CONTENT_LENGTH, HDR_ACCEPT_CONTACT, HDR_REJECT_CONTACT},
	[15] = {HDR_SESSION_EXPIRES, HDR_REMOTE_PARTY_ID, HDR_ACCEPT_ENCODING, HDR_ACCEPT_LANGUAGE},
	[16] = {HDR_WWW_AUTHENTICATE, HDR_CONTENT_ENCODING, HDR_CONTENT_LANGUAGE},
	[18] = {HDR_PROXY_AUTHENTICATE, HDR_SUBSCRIPTION_STATE},
	[19] = {HDR_P_ASSERTED_IDENTITY, HDR_PROXY_AUTHORIZATION, HDR_CONTENT_DISPOSITION,
		HDR_REQUEST_DISPOSITION, HDR_AUTHENTICATION_INFO},
	[20] = {HDR_P_PREFERRED_IDENTITY},
};

static uint64_t load8(const char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t load4(const char *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * Known names hold letters and '-' only, so bit 5 is all that case can change. Words from both ends overlap, so any
 * length is two loads; between 16 and 20 octets the middle is a third. Of other octets only CR turns into one of
 * those ('-'), and no name that a caller can have holds it.
 */
static bool is_name(const char *p, const char *known, size_t n)
{
	const uint64_t case_bits = 0x2020202020202020u;
	if (n < 4)
		return ((p[0] ^ known[0]) & ~0x20) == 0 && ((p[1] ^ known[1]) & ~0x20) == 0 &&
		       ((p[n - 1] ^ known[n - 1]) & ~0x20) == 0;
	if (n < 8)
		return (((load4(p) ^ load4(known)) | (load4(p + n - 4) ^ load4(known + n - 4))) &
			~(uint32_t)case_bits) == 0;
	uint64_t diff = (load8(p) ^ load8(known)) | (load8(p + n - 8) ^ load8(known + n - 8));
	if (n > 16)
		diff |= load8(p + 8) ^ load8(known + 8);
	return (diff & ~case_bits) == 0;
}

enum hdr hdr_find(struct str name)
{
	if (name.len == 1) {
		char c = octet_lower(name.p[0]);
		return c >= 'a' && c <= 'z' ? (enum hdr)compact_forms[c - 'a'] : HDR_OTHER;
	}
	if (name.len > NAME_MAX_LEN || name.len == 0)
		return HDR_OTHER;
	for (const uint8_t *candidate = by_length[name.len]; *candidate != 0; candidate++)
		if (is_name(name.p, names[*candidate].p, name.len))
			return (enum hdr)candidate[0];
	return HDR_OTHER;
}

struct str hdr_name(enum hdr id)
{
	CHECK(id < HDR_COUNT);
	return names[id];
}

bool hdr_is_token(struct str s)
{
	return s.len > 0 && octet_span(s, OCTET_TOKEN) == s.len;
}

bool hdr_is_clean(struct str value)
{
	return value.len == 0 ||
	       octet_find_control(value.p, value.p + value.len) == value.p + value.len;
}

/* Comments, (…), hide `stop` too where they may stand; in an address a parenthesis is a common octet. */
static size_t index_outside(struct str s, char stop, bool comments)
{
	bool quoted = false, angle = false;
	unsigned depth = 0;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if ((quoted || depth > 0) && c == '\\')
			i++;
		else if (c == '"' && depth == 0 && !angle)
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == '(' && comments && !angle)
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (depth > 0)
			continue;
		else if (c == '<' || c == '>')
			angle = c == '<';
		else if (c == stop && !angle)
			return i;
	}
	return s.len;
}

size_t hdr_index_outside(struct str s, char stop)
{
	return index_outside(s, stop, false);
}

bool hdr_list_cut(struct str *list, struct str *out_item)
{
	while (list->len > 0) {
		size_t n = index_outside(*list, ',', true);
		struct str item = str_trim((struct str){list->p, n});
		*list = str_from_offset(*list, n + 1);
		if (item.len > 0) {
			*out_item = item;
			return true;
		}
	}
	*list = STR_NONE;
	return false;
}

/* The same where nothing can hide a comma: Allow and Supported are asked for many tokens in each call. */
static bool plain_list_has(struct str list, struct str token)
{
	struct str item;
	while (str_cut(&list, ',', &item)) {
		item = octet_skip_lws(item);
		if (item.len == 0 || octet_lower(item.p[0]) != octet_lower(token.p[0]) ||
		    !str_has_iprefix(item, token))
			continue;
		item = octet_skip_lws(str_from_offset(item, token.len));
		if (item.len == 0 || item.p[0] == ';')
			return true;
	}
	return false;
}

bool hdr_list_has(struct str list, struct str token)
{
	struct str item;
	if (token.len > 0 && !str_has_char(list, '"') && !str_has_char(list, '(') &&
	    !str_has_char(list, '<'))
		return plain_list_has(list, token);
	while (hdr_list_cut(&list, &item)) {
		item = str_trim((struct str){item.p, index_outside(item, ';', true)});
		if (str_ieq(item, token))
			return true;
	}
	return false;
}

bool hdr_param_cut(struct str *params, struct str *out_name, struct str *out_value, bool *out_bad)
{
	*out_bad = false;
	struct str s = octet_skip_lws(*params);
	if (s.len == 0) {
		*params = STR_NONE;
		return false;
	}
	size_t name_len = 0;
	if (s.p[0] == ';') {
		s = octet_skip_lws(str_from_offset(s, 1));
		name_len = octet_span(s, OCTET_TOKEN);
	}
	if (name_len == 0) {
		*out_bad = true;
		return false;
	}
	struct str name = {s.p, name_len}, value = STR_NONE;
	s = octet_skip_lws(str_from_offset(s, name_len));
	if (s.len > 0 && s.p[0] == '=') {
		s = octet_skip_lws(str_from_offset(s, 1));
		size_t n = s.len > 0 && s.p[0] == '"' ? octet_quoted(s)
						      : octet_span(s, OCTET_TOKEN | OCTET_PARAM);
		if (n == 0) {
			*out_bad = true;
			return false;
		}
		value = (struct str){s.p, n};
		s = octet_skip_lws(str_from_offset(s, n));
	}
	if (s.len > 0 && s.p[0] != ';') {
		*out_bad = true;
		return false;
	}
	*params = s;
	*out_name = name;
	*out_value = value;
	return true;
}

bool hdr_param(struct str params, struct str name, struct str *out_value)
{
	struct str n, v;
	bool bad;
	while (hdr_param_cut(&params, &n, &v, &bad)) {
		if (str_ieq(n, name)) {
			if (out_value)
				*out_value = v;
			return true;
		}
	}
	return false;
}

enum err hdr_reason_parse(struct str value, struct hdr_reason *out)
{
	struct str first;
	if (!hdr_list_cut(&value, &first))
		return ERR_BAD;
	size_t n = octet_span(first, OCTET_TOKEN);
	if (n == 0)
		return ERR_BAD;
	struct hdr_reason r = {.protocol = {first.p, n}};
	struct str params = str_from_offset(first, n), name, v;
	bool bad;
	while (hdr_param_cut(&params, &name, &v, &bad)) {
		if (str_ieq(name, STR("cause")) && str_to_u16(v, UINT16_MAX, &r.cause) != OK)
			return ERR_BAD;
		if (str_ieq(name, STR("text")))
			r.text = v;
	}
	if (bad)
		return ERR_BAD;
	if (r.text.len >= 2 && r.text.p[0] == '"')
		r.text = (struct str){r.text.p + 1, r.text.len - 2};
	*out = r;
	return OK;
}

/* Cuts the next run that is not white space (fold included) off the front. */
static struct str cut_word(struct str *s)
{
	*s = octet_skip_lws(*s);
	size_t n = 0;
	while (n < s->len && !octet_is(s->p[n], OCTET_LWS))
		n++;
	struct str word = {s->p, n};
	*s = str_from_offset(*s, n);
	return word;
}

enum err hdr_rack_parse(struct str value, struct hdr_rack *out)
{
	struct hdr_rack r = {0};
	struct str rseq = cut_word(&value), cseq = cut_word(&value);
	r.method_text = cut_word(&value);
	if (octet_skip_lws(value).len > 0 || !hdr_is_token(r.method_text) ||
	    str_to_u32(rseq, UINT32_MAX, &r.rseq) != OK || r.rseq == 0 ||
	    str_to_u32(cseq, INT32_MAX, &r.cseq) != OK)
		return ERR_BAD;
	r.method = method_find(r.method_text);
	*out = r;
	return OK;
}

enum err hdr_delta_parse(struct str value, uint32_t *out_seconds, struct str *out_params)
{
	value = str_trim(value);
	size_t n = octet_span(value, OCTET_DIGIT);
	struct str rest = octet_skip_lws(str_from_offset(value, n));
	/* Retry-After may carry a comment; Session-Expires parameters. */
	if (rest.len > 0 && rest.p[0] != ';' && rest.p[0] != '(')
		return ERR_BAD;
	uint64_t seconds;
	enum err e = str_to_u64((struct str){value.p, n}, UINT32_MAX, &seconds);
	if (e == ERR_LIMIT) /* RFC 3261 §20.19 ff.: larger counts as the largest */
		seconds = UINT32_MAX;
	else if (e != OK)
		return e;
	*out_seconds = (uint32_t)seconds;
	if (out_params)
		*out_params = rest;
	return OK;
}

/* The first CR or LF; most values have none, nor any other control octet. */
static size_t fold_of(struct str value)
{
	const char *end = value.p + value.len;
	size_t n = (size_t)(octet_find_control(value.p, end) - value.p);
	while (n < value.len && value.p[n] != '\r' && value.p[n] != '\n')
		n++;
	return n;
}

void hdr_write_unfolded(struct buf *b, struct str value)
{
	while (value.len > 0) {
		size_t n = fold_of(value);
		buf_bytes(b, value.p, n);
		value = str_from_offset(value, n);
		if (value.len > 0) {
			value = octet_skip_lws(value);
			buf_char(b, ' ');
		}
	}
}

void hdr_write_quoted(struct buf *b, struct str text)
{
	buf_char(b, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c < 0x20 || c == 0x7f)
			continue;
		if (c == '"' || c == '\\')
			buf_char(b, '\\');
		buf_char(b, (char)c);
	}
	buf_char(b, '"');
}

void hdr_write_warning(struct buf *b, uint16_t code, struct str agent, struct str text)
{
	CHECK(hdr_is_clean(agent));
	buf_lit(b, "Warning: ");
	buf_u64(b, code);
	buf_char(b, ' ');
	buf_str(b, agent);
	buf_char(b, ' ');
	hdr_write_quoted(b, text);
	buf_lit(b, "\r\n");
}
