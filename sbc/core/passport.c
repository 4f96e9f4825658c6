#include "sbc/core/passport.h"

#include "sbc/core/hdr.h"
#include "sbc/core/uri.h"

static const struct str kinds[PASSPORT_KIND_COUNT] = {
	[PASSPORT_PLAIN] = {"", 0},
	[PASSPORT_SHAKEN] = {"shaken", 6},
	[PASSPORT_DIV] = {"div", 3},
};

/* ---- base64url without padding (RFC 7515 §2) */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void write_base64url(struct buf *b, const void *p, size_t n)
{
	const uint8_t *in = p;

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
			     (left > 2 ? in[i + 2] : 0u);
		buf_char(b, letters[v >> 18]);
		buf_char(b, letters[v >> 12 & 63]);
		if (left > 1)
			buf_char(b, letters[v >> 6 & 63]);
		if (left > 2)
			buf_char(b, letters[v & 63]);
	}
}

static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

/* One text has one encoding: bits that are left over are zero. */
static enum err read_base64url(struct buf *b, struct str s)
{
	uint32_t v = 0;
	unsigned bits = 0;

	if (s.len % 4 == 1)
		return ERR_BAD;
	for (size_t i = 0; i < s.len; i++) {
		int six = sextet(s.p[i]);
		if (six < 0)
			return ERR_BAD;
		v = v << 6 | (uint32_t)six;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_char(b, (char)(v >> bits & 0xff));
		}
		v &= (1u << bits) - 1;
	}
	if (v != 0)
		return ERR_BAD;
	return b->overflow ? ERR_LIMIT : OK;
}

/* ---- the little JSON that is in it: one pass, bounded in depth, no memory but the scratch */

struct reader {
	const char *p, *end;
	struct buf *text; /* strings, unescaped */
	enum err err;     /* sticky */
	unsigned depth;
};

static void fail(struct reader *r, enum err e)
{
	if (r->err == OK)
		r->err = e;
	r->p = r->end;
}

static char peek(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
		r->p++;
	return r->p < r->end ? *r->p : '\0';
}

static bool take(struct reader *r, char c)
{
	if (peek(r) != c || r->p == r->end)
		return false;
	r->p++;
	return true;
}

static void expect(struct reader *r, char c)
{
	if (!take(r, c))
		fail(r, ERR_BAD);
}

static uint32_t read_hex4(struct reader *r)
{
	uint8_t b[2];

	if (r->end - r->p < 4 || str_to_hex((struct str){r->p, 4}, b, 2) != OK) {
		fail(r, ERR_BAD);
		return 1;
	}
	r->p += 4;
	return (uint32_t)b[0] << 8 | b[1];
}

static void write_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80) {
		buf_char(b, (char)c);
	} else if (c < 0x800) {
		buf_char(b, (char)(0xc0 | c >> 6));
		buf_char(b, (char)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buf_char(b, (char)(0xe0 | c >> 12));
		buf_char(b, (char)(0x80 | (c >> 6 & 63)));
		buf_char(b, (char)(0x80 | (c & 63)));
	} else {
		buf_char(b, (char)(0xf0 | c >> 18));
		buf_char(b, (char)(0x80 | (c >> 12 & 63)));
		buf_char(b, (char)(0x80 | (c >> 6 & 63)));
		buf_char(b, (char)(0x80 | (c & 63)));
	}
}

static void read_unicode(struct reader *r)
{
	uint32_t c = read_hex4(r);

	if (c >= 0xd800 && c < 0xdc00 && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u') {
		r->p += 2;
		uint32_t low = read_hex4(r);
		if (low < 0xdc00 || low > 0xdfff)
			fail(r, ERR_BAD);
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	/* No NUL, and no half of a character. */
	if (c == 0 || (c >= 0xd800 && c < 0xe000))
		fail(r, ERR_BAD);
	else
		write_utf8(r->text, c);
}

static void read_escape(struct reader *r)
{
	char c = r->p < r->end ? *r->p++ : '\0';

	switch (c) {
	case '"':
	case '\\':
	case '/': buf_char(r->text, c); break;
	case 'b': buf_char(r->text, '\b'); break;
	case 'f': buf_char(r->text, '\f'); break;
	case 'n': buf_char(r->text, '\n'); break;
	case 'r': buf_char(r->text, '\r'); break;
	case 't': buf_char(r->text, '\t'); break;
	case 'u': read_unicode(r); break;
	default: fail(r, ERR_BAD); break;
	}
}

static struct str read_string(struct reader *r)
{
	size_t at = r->text->len;

	expect(r, '"');
	while (r->err == OK) {
		if (r->p == r->end) {
			fail(r, ERR_BAD);
			break;
		}
		char c = *r->p++;
		if (c == '"')
			break;
		if ((unsigned char)c < 0x20)
			fail(r, ERR_BAD);
		else if (c == '\\')
			read_escape(r);
		else
			buf_char(r->text, c);
	}
	if (r->text->overflow)
		fail(r, ERR_LIMIT);
	return r->err == OK ? (struct str){r->text->p + at, r->text->len - at} : STR_NONE;
}

/* Whole seconds. */
static uint64_t read_number(struct reader *r)
{
	uint64_t v = 0;

	(void)peek(r);
	const char *from = r->p;
	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	struct str digits = str_sub(from, r->p);
	if (str_to_u64(digits, UINT64_C(1) << 53, &v) != OK ||
	    (digits.len > 1 && digits.p[0] == '0'))
		fail(r, ERR_BAD);
	return v;
}

static void enter(struct reader *r, char open)
{
	expect(r, open);
	if (++r->depth > PASSPORT_DEPTH_MAX)
		fail(r, ERR_LIMIT);
}

/* Another member? Closes the object or list where there is none. */
static bool more(struct reader *r, bool first, char close)
{
	if (r->err != OK)
		return false;
	if (take(r, close)) {
		r->depth--;
		return false;
	}
	if (!first)
		expect(r, ',');
	return r->err == OK;
}

static void skip_scalar(struct reader *r)
{
	const char *from = r->p;

	while (r->p < r->end && ((*r->p >= 'a' && *r->p <= 'z') || (*r->p >= '0' && *r->p <= '9') ||
				 *r->p == '-' || *r->p == '+' || *r->p == '.' || *r->p == 'E'))
		r->p++;
	if (r->p == from)
		fail(r, ERR_BAD);
}

/* Whatever it is. Iterative: what is open is in `closers`. */
static void skip_value(struct reader *r)
{
	char closers[PASSPORT_DEPTH_MAX + 1] = {0};
	unsigned open = 0;

	do {
		char c = peek(r);
		bool value = true;
		if ((c == '{' || c == '[') && open + r->depth < PASSPORT_DEPTH_MAX) {
			r->p++;
			closers[open++] = c == '{' ? '}' : ']';
			if (!take(r, closers[open - 1])) {
				value = false;
			} else {
				open--;
			}
		} else if (c == '{' || c == '[') {
			fail(r, ERR_LIMIT);
		} else if (c == '"') {
			size_t at = r->text->len;
			(void)read_string(r);
			if (r->err == OK)
				r->text->len = at;
		} else {
			skip_scalar(r);
		}
		while (value && r->err == OK && open > 0) {
			if (take(r, closers[open - 1])) {
				open--;
				continue;
			}
			expect(r, ',');
			break;
		}
		if (r->err == OK && open > 0 && closers[open - 1] == '}') {
			(void)read_string(r);
			expect(r, ':');
		}
	} while (r->err == OK && open > 0);
}

/*
 * The next member's name is one of `names`: its place, once; -1: another's, and its value is skipped. Two of one name would be
 * read one way by us and another way by the next.
 */
static int member(struct reader *r, const struct str *names, size_t count, uint32_t *seen)
{
	struct str name = read_string(r);

	expect(r, ':');
	for (size_t i = 0; r->err == OK && i < count; i++) {
		if (!str_eq(name, names[i]))
			continue;
		if (*seen & 1u << i)
			fail(r, ERR_BAD);
		*seen |= 1u << i;
		return (int)i;
	}
	if (r->err == OK)
		skip_value(r);
	return -1;
}

static void finish(struct reader *r)
{
	if (r->err == OK && (peek(r), r->p != r->end))
		fail(r, ERR_BAD);
}

/* ---- header and payload */

struct jose {
	struct str alg, ppt, typ, x5u;
};

static void read_jose(struct reader *r, struct jose *out)
{
	static const struct str names[] = {
		{"alg", 3}, {"ppt", 3}, {"typ", 3}, {"x5u", 3}, {"crit", 4}};
	struct str *to[] = {&out->alg, &out->ppt, &out->typ, &out->x5u};
	uint32_t seen = 0;

	enter(r, '{');
	for (bool first = true; more(r, first, '}'); first = false) {
		int i = member(r, names, ARRAY_LEN(names), &seen);
		if (i ==
		    (int)ARRAY_LEN(to)) /* RFC 7515 §4.1.11: what must be understood, and is not */
			fail(r, ERR_BAD);
		else if (i >= 0)
			*to[i] = read_string(r);
	}
	finish(r);
}

/* {"tn":"…"} or {"uri":"…"}: one of them. */
static void read_party(struct reader *r, struct str *tn, struct str *uri)
{
	static const struct str names[] = {{"tn", 2}, {"uri", 3}};
	uint32_t seen = 0;

	enter(r, '{');
	for (bool first = true; more(r, first, '}'); first = false) {
		int i = member(r, names, ARRAY_LEN(names), &seen);
		if (i >= 0)
			*(i == 0 ? tn : uri) = read_string(r);
	}
	if (seen == 3 || seen == 0)
		fail(r, ERR_BAD);
}

static void read_strings(struct reader *r, struct str *to, uint8_t *count)
{
	enter(r, '[');
	for (bool first = true; more(r, first, ']'); first = false) {
		struct str s = read_string(r);
		if (*count == PASSPORT_DEST_MAX)
			fail(r, ERR_LIMIT);
		else
			to[(*count)++] = s;
	}
}

static void read_dest(struct reader *r, struct passport_claims *c)
{
	static const struct str names[] = {{"tn", 2}, {"uri", 3}};
	uint32_t seen = 0;

	enter(r, '{');
	for (bool first = true; more(r, first, '}'); first = false) {
		int i = member(r, names, ARRAY_LEN(names), &seen);
		if (i == 0)
			read_strings(r, c->dest_tn, &c->dest_tn_count);
		else if (i == 1)
			read_strings(r, c->dest_uri, &c->dest_uri_count);
	}
	if (c->dest_tn_count + c->dest_uri_count == 0)
		fail(r, ERR_BAD);
}

enum { CLAIM_ATTEST, CLAIM_DEST, CLAIM_DIV, CLAIM_IAT, CLAIM_ORIG, CLAIM_ORIGID, CLAIM_COUNT };

static void read_claims(struct reader *r, struct passport_claims *c)
{
	static const struct str names[CLAIM_COUNT] = {{"attest", 6}, {"dest", 4}, {"div", 3},
						      {"iat", 3},    {"orig", 4}, {"origid", 6}};
	uint32_t seen = 0, needs = 1u << CLAIM_DEST | 1u << CLAIM_IAT | 1u << CLAIM_ORIG;

	enter(r, '{');
	for (bool first = true; more(r, first, '}'); first = false) {
		struct str attest;
		switch (member(r, names, ARRAY_LEN(names), &seen)) {
		case CLAIM_ATTEST:
			attest = read_string(r);
			if (attest.len != 1 || attest.p[0] < 'A' || attest.p[0] > 'C')
				fail(r, ERR_BAD);
			else
				c->attest = attest.p[0];
			break;
		case CLAIM_DEST: read_dest(r, c); break;
		case CLAIM_DIV: read_party(r, &c->div_tn, &c->div_uri); break;
		case CLAIM_IAT: c->iat_s = read_number(r); break;
		case CLAIM_ORIG: read_party(r, &c->orig_tn, &c->orig_uri); break;
		case CLAIM_ORIGID: c->origid = read_string(r); break;
		default: break;
		}
	}
	finish(r);
	if (c->kind == PASSPORT_SHAKEN)
		needs |= 1u << CLAIM_ATTEST | 1u << CLAIM_ORIGID;
	else if (c->kind == PASSPORT_DIV)
		needs |= 1u << CLAIM_DIV;
	if ((seen & needs) != needs)
		fail(r, ERR_BAD);
	if (c->kind != PASSPORT_SHAKEN)
		c->attest = 0;
}

/* ---- the header */

static enum passport_kind kind_of(struct str ppt)
{
	for (unsigned i = 0; i < PASSPORT_OTHER; i++)
		if (str_eq(ppt, kinds[i]))
			return (enum passport_kind)i;
	return PASSPORT_OTHER;
}

static struct str unquoted(struct str s)
{
	if (s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"')
		return (struct str){s.p + 1, s.len - 2};
	return s;
}

struct parameters {
	struct str info, alg, ppt;
};

/* A value in angle brackets is none that hdr_param_cut reads. */
static enum err read_parameters(struct str rest, struct parameters *out)
{
	while (rest.len) {
		rest = str_from_offset(rest, 1); /* the semicolon */
		size_t end = hdr_index_outside(rest, ';');
		struct str one = str_trim((struct str){rest.p, end});
		size_t eq = str_index(one, '=');
		struct str name = str_trim((struct str){one.p, eq});
		struct str value = eq < one.len ? str_trim(str_from_offset(one, eq + 1)) : STR_NONE;
		struct str *to = str_ieq(name, STR("info"))  ? &out->info
				 : str_ieq(name, STR("alg")) ? &out->alg
				 : str_ieq(name, STR("ppt")) ? &out->ppt
							     : NULL;
		rest = str_from_offset(rest, end);
		if (!hdr_is_token(name) || (to && (to->len || value.len == 0)))
			return ERR_BAD;
		if (to)
			*to = value;
	}
	struct str *i = &out->info;
	if (i->len < 2 || i->p[0] != '<' || i->p[i->len - 1] != '>')
		return ERR_BAD;
	*i = (struct str){i->p + 1, i->len - 2};
	out->alg = unquoted(out->alg);
	out->ppt = unquoted(out->ppt);
	return i->len > PASSPORT_URL_MAX ? ERR_LIMIT : OK;
}

static enum err read_signature(struct str s, uint8_t out[ES256_SIGNATURE_LEN])
{
	struct buf b;

	if (s.len != (ES256_SIGNATURE_LEN * 8 + 5) / 6)
		return ERR_BAD;
	buf_init(&b, out, ES256_SIGNATURE_LEN);
	return read_base64url(&b, s);
}

/* The texts of a base64url piece, decoded to the end of the scratch. */
static enum err open_piece(struct str piece, struct buf *scratch, struct reader *out)
{
	size_t at = scratch->len;
	enum err e = read_base64url(scratch, piece);

	if (e == OK)
		*out = (struct reader){
			.p = scratch->p + at, .end = scratch->p + scratch->len, .text = scratch};
	return e;
}

static enum err read_full(struct str head, struct str payload, const struct parameters *given,
			  struct buf *scratch, struct passport *p)
{
	struct reader r;
	struct jose jose = {0};
	enum err e = open_piece(head, scratch, &r);

	if (e != OK)
		return e;
	read_jose(&r, &jose);
	if (r.err != OK)
		return r.err;
	if (!str_eq(jose.typ, STR("passport")) || jose.x5u.len == 0 ||
	    (given->ppt.len && !str_eq(given->ppt, jose.ppt)) ||
	    (given->alg.len && !str_eq(given->alg, jose.alg)))
		return ERR_BAD;
	p->claims.kind = kind_of(jose.ppt);
	p->claims.x5u = jose.x5u;
	p->bad_alg = !str_eq(jose.alg, STR("ES256"));
	p->info_differs = !str_eq(jose.x5u, given->info);
	if (p->claims.kind == PASSPORT_OTHER || p->bad_alg || p->info_differs)
		return OK;
	e = open_piece(payload, scratch, &r);
	if (e != OK)
		return e;
	read_claims(&r, &p->claims);
	return r.err;
}

enum err passport_parse(struct str value, struct buf *scratch, struct passport *out)
{
	CHECK(scratch && out);
	struct passport p = {.compact = false};
	struct parameters given = {.info = STR_NONE};
	struct str rest = str_trim(value), token, head, payload;

	if (value.len > PASSPORT_VALUE_MAX)
		return ERR_LIMIT;
	size_t at = str_index(rest, ';');
	token = str_trim((struct str){rest.p, at});
	enum err e = read_parameters(str_from_offset(rest, at), &given);
	if (e != OK)
		return e;
	struct str sign = token;
	if (!str_cut(&sign, '.', &head) || !str_cut(&sign, '.', &payload) || !sign.p)
		return ERR_BAD;
	p.info = given.info;
	p.compact = head.len == 0 && payload.len == 0;
	if (p.compact) {
		p.claims.kind = kind_of(given.ppt);
		p.claims.x5u = given.info;
		p.bad_alg = given.alg.len && !str_eq(given.alg, STR("ES256"));
	} else {
		p.input = (struct str){head.p, (size_t)(payload.p + payload.len - head.p)};
		e = read_full(head, payload, &given, scratch, &p);
	}
	if (e == OK && !p.bad_alg && p.claims.kind != PASSPORT_OTHER)
		e = read_signature(sign, p.signature);
	if (e == OK)
		*out = p;
	return e;
}

/* ---- writing */

static void write_party(struct buf *b, struct str tn, struct str uri)
{
	buf_z(b, tn.len ? "{\"tn\":" : "{\"uri\":");
	buf_json_str(b, tn.len ? tn : uri);
	buf_char(b, '}');
}

static void write_strings(struct buf *b, const char *name, const struct str *list, size_t count)
{
	buf_z(b, name);
	for (size_t i = 0; i < count; i++) {
		buf_char(b, i ? ',' : '[');
		buf_json_str(b, list[i]);
	}
	buf_char(b, ']');
}

static void write_jose(struct buf *b, const struct passport_claims *c)
{
	buf_lit(b, "{\"alg\":\"ES256\",");
	if (c->kind == PASSPORT_SHAKEN || c->kind == PASSPORT_DIV) {
		buf_lit(b, "\"ppt\":");
		buf_json_str(b, kinds[c->kind]);
		buf_char(b, ',');
	}
	buf_lit(b, "\"typ\":\"passport\",\"x5u\":");
	buf_json_str(b, c->x5u);
	buf_char(b, '}');
}

/* Names in lexicographic order, no white space (RFC 8225 §9). */
static void write_payload(struct buf *b, const struct passport_claims *c)
{
	buf_char(b, '{');
	if (c->kind == PASSPORT_SHAKEN) {
		buf_lit(b, "\"attest\":\"");
		buf_char(b, c->attest);
		buf_lit(b, "\",");
	}
	buf_lit(b, "\"dest\":{");
	if (c->dest_tn_count)
		write_strings(b, "\"tn\":", c->dest_tn, c->dest_tn_count);
	if (c->dest_tn_count && c->dest_uri_count)
		buf_char(b, ',');
	if (c->dest_uri_count)
		write_strings(b, "\"uri\":", c->dest_uri, c->dest_uri_count);
	buf_lit(b, "},");
	if (c->kind == PASSPORT_DIV) {
		buf_lit(b, "\"div\":");
		write_party(b, c->div_tn, c->div_uri);
		buf_char(b, ',');
	}
	buf_lit(b, "\"iat\":");
	buf_u64(b, c->iat_s);
	buf_lit(b, ",\"orig\":");
	write_party(b, c->orig_tn, c->orig_uri);
	if (c->kind == PASSPORT_SHAKEN) {
		buf_lit(b, ",\"origid\":");
		buf_json_str(b, c->origid);
	}
	buf_char(b, '}');
}

void passport_write_input(struct buf *b, const struct passport_claims *c)
{
	CHECK(b && c);
	char mem[PASSPORT_VALUE_MAX / 2];
	struct buf text;

	buf_init(&text, mem, sizeof(mem));
	write_jose(&text, c);
	b->overflow = b->overflow || text.overflow;
	write_base64url(b, text.p, text.len);
	buf_char(b, '.');
	buf_reset(&text);
	write_payload(&text, c);
	b->overflow = b->overflow || text.overflow;
	write_base64url(b, text.p, text.len);
}

void passport_write(struct buf *b, const struct passport_claims *c, struct str input,
		    const uint8_t signature[ES256_SIGNATURE_LEN])
{
	CHECK(b && c);
	buf_str(b, input);
	buf_char(b, '.');
	write_base64url(b, signature, ES256_SIGNATURE_LEN);
	buf_lit(b, ";info=<");
	buf_str(b, c->x5u);
	buf_lit(b, ">;alg=ES256");
	if (c->kind == PASSPORT_SHAKEN || c->kind == PASSPORT_DIV) {
		buf_lit(b, ";ppt=\"");
		buf_str(b, kinds[c->kind]);
		buf_char(b, '"');
	}
}

enum err passport_expand(struct passport *p, const struct passport_claims *from, struct buf *b)
{
	CHECK(p && p->compact && from && b);
	struct passport_claims c = *from;
	size_t at = b->len;

	if (p->claims.kind != PASSPORT_PLAIN)
		return ERR_BAD;
	c.kind = PASSPORT_PLAIN;
	c.x5u = p->info;
	c.attest = 0;
	passport_write_input(b, &c);
	if (b->overflow)
		return ERR_LIMIT;
	p->claims = c;
	p->input = (struct str){b->p + at, b->len - at};
	return OK;
}

/* ---- numbers */

bool passport_write_tn(struct buf *b, struct str number)
{
	size_t at = b->len;

	for (size_t i = 0; i < number.len; i++) {
		char c = number.p[i];
		if ((c >= '0' && c <= '9') || c == '*' || c == '#')
			buf_char(b, c);
		else if (!(c == '+' && i == 0) && c != '-' && c != '.' && c != '(' && c != ')' &&
			 c != ' ')
			return false;
	}
	return !b->overflow && b->len > at && b->len - at <= PASSPORT_NUMBER_MAX;
}

/* Signers write what they like; who is meant is the number. */
static bool is_number(struct str claimed, struct str tn)
{
	char mem[PASSPORT_NUMBER_MAX + 1];
	struct buf b;

	buf_init(&b, mem, sizeof(mem));
	return tn.len && passport_write_tn(&b, claimed) && str_eq(buf_view(&b), tn);
}

bool passport_is_from(const struct passport_claims *c, struct str tn)
{
	return is_number(c->orig_tn, tn);
}

bool passport_is_to(const struct passport_claims *c, struct str tn)
{
	for (size_t i = 0; i < c->dest_tn_count; i++)
		if (is_number(c->dest_tn[i], tn))
			return true;
	return false;
}

/* ---- Date */

static const struct str months[12] = {{"Jan", 3}, {"Feb", 3}, {"Mar", 3}, {"Apr", 3},
				      {"May", 3}, {"Jun", 3}, {"Jul", 3}, {"Aug", 3},
				      {"Sep", 3}, {"Oct", 3}, {"Nov", 3}, {"Dec", 3}};
static const struct str weekdays[7] = {{"Thu", 3}, {"Fri", 3}, {"Sat", 3}, {"Sun", 3},
				       {"Mon", 3}, {"Tue", 3}, {"Wed", 3}};

/* Days since the epoch of a day of the Gregorian calendar; m 1 to 12. */
static int64_t days_of(int64_t y, unsigned m, unsigned d)
{
	y -= m <= 2;
	int64_t era = y / 400;
	unsigned yoe = (unsigned)(y - era * 400);
	unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + (int64_t)doe - 719468;
}

static bool two_digits(struct str s, uint32_t max, uint32_t *out)
{
	return s.len == 2 && str_to_u32(s, max, out) == OK;
}

enum err passport_parse_date(struct str value, uint64_t *out_s)
{
	struct str s = str_trim(value), day_name, word[5], hms, piece;
	uint32_t d, y, h, m, sec;
	size_t n = 0;

	if (!str_cut(&s, ',', &day_name))
		return ERR_BAD;
	while (n < ARRAY_LEN(word) && str_cut_word(&s, &word[n]))
		n++;
	if (n != 5 || str_trim(s).len || !str_ieq(word[4], STR("GMT")))
		return ERR_BAD;
	hms = word[3];
	if (!two_digits(word[0], 31, &d) || d == 0 || word[2].len != 4 ||
	    str_to_u32(word[2], 9999, &y) != OK || y < 1970)
		return ERR_BAD;
	if (!str_cut(&hms, ':', &piece) || !two_digits(piece, 23, &h) ||
	    !str_cut(&hms, ':', &piece) || !two_digits(piece, 59, &m) || !two_digits(hms, 60, &sec))
		return ERR_BAD;
	for (unsigned i = 0; i < 12; i++) {
		if (!str_ieq(word[1], months[i]))
			continue;
		*out_s = (uint64_t)days_of(y, i + 1, d) * 86400 + h * 3600 + m * 60 + sec;
		return OK;
	}
	return ERR_BAD;
}

void passport_write_date(struct buf *b, uint64_t s)
{
	uint64_t days = s / 86400, rest = s % 86400;
	unsigned y = 1970, m = 12, d;

	/* From above: the year whose first day is not later. */
	y = (unsigned)(1970 + days / 365);
	while (days_of(y, 1, 1) > (int64_t)days)
		y--;
	while (days_of(y, m, 1) > (int64_t)days)
		m--;
	d = (unsigned)((int64_t)days - days_of(y, m, 1)) + 1;
	buf_printf(b, "%.*s, %02u %.*s %04u %02u:%02u:%02u GMT", STR_ARG(weekdays[days % 7]), d,
		   STR_ARG(months[m - 1]), y, (unsigned)(rest / 3600), (unsigned)(rest / 60 % 60),
		   (unsigned)(rest % 60));
}
