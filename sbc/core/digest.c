#include "sbc/core/digest.h"

#include <stdio.h>

#include "common/secret.h"
#include "sbc/core/octet.h"

static const struct str algorithms[CRYPTO_HASH_COUNT] = {
	[CRYPTO_MD5] = STR("MD5"),
	[CRYPTO_SHA256] = STR("SHA-256"),
	[CRYPTO_SHA512_256] = STR("SHA-512-256"),
};

struct str digest_algorithm_name(enum crypto_hash h)
{
	return h < CRYPTO_HASH_COUNT ? algorithms[h] : STR_NONE;
}

/* ---- quoted strings */

/* Room for one value undone. */
struct undone {
	char mem[DIGEST_VALUE_MAX];
};

/* unq(): itself if there is no quoted-pair in it. Values are no longer than the room. */
static struct str undo(struct undone *u, struct str s)
{
	size_t n = 0;

	if (!str_has_char(s, '\\') || s.len > sizeof(u->mem))
		return s;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\\' && i + 1 < s.len)
			i++;
		u->mem[n++] = s.p[i];
	}
	return (struct str){u->mem, n};
}

bool digest_same(struct str quoted, struct str plain)
{
	struct undone u;

	return str_eq(undo(&u, quoted), plain);
}

/* ---- the list of schemes and their parameters */

struct param {
	struct str name, value;
	bool quoted;
};

/* Cuts a quoted-string off, its quotes too. No control octet, folding neither, and nothing longer than we hold. */
static enum err cut_quoted(struct str *s, struct str *out)
{
	for (size_t i = 1; i < s->len; i++) {
		unsigned char c = (unsigned char)s->p[i];
		if (c == '"') {
			*out = (struct str){s->p + 1, i - 1};
			*s = str_from_offset(*s, i + 1);
			return out->len > DIGEST_VALUE_MAX ? ERR_LIMIT : OK;
		}
		if (c == '\\')
			i++;
		if (i >= s->len || (unsigned char)s->p[i] < ' ' || s->p[i] == 0x7f)
			break;
	}
	return ERR_BAD;
}

static struct str skip(struct str s)
{
	while (s.len > 0 && (octet_is(s.p[0], OCTET_LWS) || s.p[0] == ','))
		s = str_from_offset(s, 1);
	return s;
}

/*
 * The next word of the list: a parameter (with =), or the name of a scheme (value.p NULL). ERR_NOTFOUND: the end. What a
 * scheme that is not ours has for words ("Bearer abc==") is cut off in one way or the other.
 */
static enum err cut_word(struct str *s, struct param *out)
{
	struct str rest = skip(*s);
	size_t n = octet_span(rest, OCTET_TOKEN);

	if (rest.len == 0) {
		*s = rest;
		return ERR_NOTFOUND;
	}
	if (n == 0)
		return ERR_BAD;
	*out = (struct param){.name = {rest.p, n}};
	rest = str_from_offset(rest, n);
	struct str after = octet_skip_lws(rest);
	if (after.len == 0 || after.p[0] != '=') {
		*s = rest;
		return OK;
	}
	after = octet_skip_lws(str_from_offset(after, 1));
	if (after.len > 0 && after.p[0] == '"') {
		out->quoted = true;
		enum err e = cut_quoted(&after, &out->value);
		*s = after;
		return e;
	}
	for (n = 0; n < after.len && after.p[n] != ',' && !octet_is(after.p[n], OCTET_LWS); n++)
		if (after.p[n] == '"' || after.p[n] == '\\' || (unsigned char)after.p[n] <= ' ' ||
		    after.p[n] == 0x7f) /* what we repeat would end its quotes */
			return ERR_BAD;
	out->value = (struct str){after.p ? after.p : "", n};
	*s = str_from_offset(after, n);
	return n > DIGEST_VALUE_MAX ? ERR_LIMIT : OK;
}

/* The parameters of one challenge or answer that we look at, by name. */
enum name {
	P_REALM,
	P_NONCE,
	P_OPAQUE,
	P_ALGORITHM,
	P_QOP,
	P_STALE,
	P_USERHASH,
	P_USERNAME,
	P_URI,
	P_RESPONSE,
	P_CNONCE,
	P_NC,
	P_COUNT
};
static const struct str names[P_COUNT] = {STR("realm"),     STR("nonce"),    STR("opaque"),
					  STR("algorithm"), STR("qop"),      STR("stale"),
					  STR("userhash"),  STR("username"), STR("uri"),
					  STR("response"),  STR("cnonce"),   STR("nc")};

/* p NULL: not given. */
struct params {
	struct str v[P_COUNT];
};

/* Twice the same: which one was meant is for no one to guess. */
static enum err note(struct params *p, const struct param *one)
{
	for (int i = 0; i < P_COUNT; i++) {
		if (!str_ieq(one->name, names[i]))
			continue;
		if (p->v[i].p)
			return ERR_BAD;
		p->v[i] = one->value;
	}
	return OK;
}

/* The parameters up to the next scheme. `s` stands behind the scheme's name. */
static enum err cut_params(struct str *s, struct params *out)
{
	*out = (struct params){{{NULL, 0}}};
	for (int count = 0;; count++) {
		struct str rest = *s;
		struct param one;
		enum err e = cut_word(&rest, &one);
		if (e == ERR_NOTFOUND || (e == OK && !one.value.p)) {
			if (e == ERR_NOTFOUND)
				*s = rest;
			return OK;
		}
		if (e == OK && count == DIGEST_PARAMS_MAX)
			e = ERR_LIMIT;
		if (e == OK)
			e = note(out, &one);
		if (e != OK)
			return e;
		*s = rest;
	}
}

/* Parameters of a scheme that is not ours; its words may be anything. */
static enum err skip_params(struct str *s)
{
	for (;;) {
		struct str rest = *s;
		struct param one;
		enum err e = cut_word(&rest, &one);
		if (e == ERR_NOTFOUND)
			*s = rest;
		if (e == ERR_NOTFOUND || (e == OK && !one.value.p))
			return OK;
		if (e != OK)
			return e;
		*s = rest;
	}
}

/* ---- values */

/* False: not known. Left out it is MD5 (RFC 7616 §3.3). */
static bool read_algorithm(struct str v, enum crypto_hash *out, bool *sess)
{
	*out = CRYPTO_MD5;
	*sess = false;
	if (!v.p)
		return crypto_has_hash(CRYPTO_MD5);
	if (str_has_isuffix(v, STR("-sess"))) {
		*sess = true;
		v.len -= 5;
	}
	for (int i = 0; i < CRYPTO_HASH_COUNT; i++)
		if (str_ieq(v, algorithms[i])) {
			*out = (enum crypto_hash)i;
			return crypto_has_hash(*out);
		}
	return false;
}

/* "auth,auth-int". An empty list is none. */
static bool has_auth(struct str list)
{
	struct str one;

	while (hdr_list_cut(&list, &one))
		if (str_ieq(one, STR("auth")))
			return true;
	return false;
}

static bool is_true(struct str v)
{
	return str_ieq(v, STR("true"));
}

/* ---- challenges */

static bool is_usable(const struct params *p, struct digest_challenge *out)
{
	struct str qop = str_trim(p->v[P_QOP]);
	struct digest_challenge c = {.realm = p->v[P_REALM],
				     .nonce = p->v[P_NONCE],
				     .opaque = p->v[P_OPAQUE],
				     .stale = is_true(p->v[P_STALE]),
				     .userhash = is_true(p->v[P_USERHASH]),
				     .qop = has_auth(qop)};

	if (!c.realm.p || c.nonce.len == 0 || (qop.len > 0 && !c.qop))
		return false;
	if (!read_algorithm(p->v[P_ALGORITHM], &c.algorithm, &c.sess))
		return false;
	*out = c;
	return true;
}

enum err digest_challenge_cut(struct str *value, struct digest_challenge *out)
{
	for (int i = 0; i < DIGEST_CHALLENGES_MAX; i++) {
		struct param scheme;
		struct params p;
		enum err e = cut_word(value, &scheme);
		if (e != OK)
			return e;
		if (scheme.value.p) /* a parameter of no scheme */
			return ERR_BAD;
		if (!str_ieq(scheme.name, STR("Digest"))) {
			e = skip_params(value);
			if (e != OK)
				return e;
			continue;
		}
		e = cut_params(value, &p);
		if (e != OK)
			return e;
		if (is_usable(&p, out))
			return OK;
	}
	return ERR_LIMIT;
}

bool digest_choose(const struct msg *m, enum hdr name, struct str realm,
		   struct digest_challenge *out)
{
	struct digest_challenge c;
	struct str value;
	size_t cursor = 0;
	bool found = false;
	int seen = 0;

	while (msg_next(m, name, &cursor, &value)) {
		while (seen < DIGEST_CHALLENGES_MAX && digest_challenge_cut(&value, &c) == OK) {
			seen++;
			if (realm.len && !digest_same(c.realm, realm))
				continue;
			/* Without a realm given, the first one that asks: of it the best. */
			if (found && !str_eq(c.realm, out->realm))
				continue;
			if (!found || (out->algorithm == CRYPTO_MD5 && c.algorithm != CRYPTO_MD5))
				*out = c;
			found = true;
		}
	}
	return found;
}

/* ---- the hashes */

struct hex {
	char mem[2 * CRYPTO_HASH_MAX];
	size_t len;
};

static struct str hex_view(const struct hex *h)
{
	return (struct str){h->mem, h->len};
}

static void hash_hex(enum crypto_hash h, const struct str *pieces, size_t n, struct hex *out)
{
	uint8_t raw[CRYPTO_HASH_MAX];
	struct buf b;
	size_t len = crypto_hash_pieces(h, pieces, n, raw);

	buf_init(&b, out->mem, sizeof(out->mem));
	buf_hex(&b, raw, len);
	out->len = b.len;
	secret_wipe(raw, sizeof(raw));
}

#define COLON STR(":")

static void hash_user(enum crypto_hash h, struct str user, struct str realm, struct hex *out)
{
	struct str p[] = {user, COLON, realm};

	hash_hex(h, p, ARRAY_LEN(p), out);
}

static void hash_a1(enum crypto_hash h, const struct digest_secret *who, struct str realm,
		    struct hex *out)
{
	struct str p[] = {who->user, COLON, realm, COLON, who->password};

	if (who->ha1[h].len == (h == CRYPTO_MD5 ? 32 : 64)) {
		struct buf b;
		buf_init(&b, out->mem, sizeof(out->mem));
		for (size_t i = 0; i < who->ha1[h].len; i++)
			buf_char(&b, octet_lower(who->ha1[h].p[i]));
		out->len = b.len;
		return;
	}
	hash_hex(h, p, ARRAY_LEN(p), out);
}

/* All that goes into a response; texts undone. */
struct sum {
	enum crypto_hash hash;
	bool sess, qop;
	struct str nonce, nc, cnonce, method, uri;
};

static void hash_response(const struct sum *s, struct hex *a1, struct hex *out)
{
	struct hex a2;
	struct str second[] = {s->method, COLON, s->uri};

	if (s->sess) {
		struct str p[] = {hex_view(a1), COLON, s->nonce, COLON, s->cnonce};
		struct hex of;
		hash_hex(s->hash, p, ARRAY_LEN(p), &of);
		*a1 = of;
		secret_wipe(&of, sizeof(of));
	}
	hash_hex(s->hash, second, ARRAY_LEN(second), &a2);
	struct str with[] = {hex_view(a1), COLON, s->nonce,    COLON, s->nc,        COLON,
			     s->cnonce,    COLON, STR("auth"), COLON, hex_view(&a2)};
	struct str without[] = {hex_view(a1), COLON, s->nonce, COLON, hex_view(&a2)};
	if (s->qop)
		hash_hex(s->hash, with, ARRAY_LEN(with), out);
	else
		hash_hex(s->hash, without, ARRAY_LEN(without), out);
	secret_wipe(a1, sizeof(*a1));
}

/* ---- our answer */

static bool is_quotable(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

/* May stand between quotes as it is. */
static bool is_plain(struct str s)
{
	return s.len > 0 && is_quotable(s) && !str_has_char(s, '"') && !str_has_char(s, '\\');
}

static void write_raw(struct buf *b, const char *name, struct str value)
{
	buf_z(b, name);
	buf_lit(b, "=\"");
	buf_str(b, value);
	buf_char(b, '"');
}

enum err digest_write(struct buf *b, const struct digest_use *u)
{
	CHECK(u->challenge);
	const struct digest_challenge *c = u->challenge;
	struct digest_secret who = {.user = u->user, .password = u->password};
	struct undone realm, nonce;
	struct hex a1, response, user;
	char nc[9];

	if (u->user.len == 0 || !is_quotable(u->user) || !is_plain(u->uri) ||
	    !hdr_is_token(u->method) || (!is_plain(u->cnonce) && (c->qop || c->sess)))
		return ERR_BAD;
	if (!crypto_has_hash(c->algorithm))
		return ERR_BAD;
	(void)snprintf(nc, sizeof(nc), "%08x", u->nc);
	struct sum s = {.hash = c->algorithm,
			.sess = c->sess,
			.qop = c->qop,
			.nonce = undo(&nonce, c->nonce),
			.nc = {nc, 8},
			.cnonce = u->cnonce,
			.method = u->method,
			.uri = u->uri};
	hash_a1(c->algorithm, &who, undo(&realm, c->realm), &a1);
	hash_response(&s, &a1, &response);
	buf_lit(b, "Digest username=");
	if (c->userhash) {
		hash_user(c->algorithm, u->user, undo(&realm, c->realm), &user);
		buf_char(b, '"');
		buf_str(b, hex_view(&user));
		buf_char(b, '"');
	} else {
		hdr_write_quoted(b, u->user);
	}
	write_raw(b, ", realm", c->realm);
	write_raw(b, ", nonce", c->nonce);
	write_raw(b, ", uri", u->uri);
	write_raw(b, ", response", hex_view(&response));
	buf_lit(b, ", algorithm=");
	buf_str(b, algorithms[c->algorithm]);
	if (c->sess)
		buf_lit(b, "-sess");
	if (c->qop || c->sess)
		write_raw(b, ", cnonce", u->cnonce);
	if (c->opaque.p)
		write_raw(b, ", opaque", c->opaque);
	if (c->qop) {
		buf_lit(b, ", qop=auth, nc=");
		buf_bytes(b, nc, 8);
	}
	if (c->userhash)
		buf_lit(b, ", userhash=true");
	return b->overflow ? ERR_LIMIT : OK;
}

/* ---- a peer's answer */

static bool read_nc(struct str s, uint32_t *out)
{
	uint32_t v = 0;

	if (s.len == 0 || s.len > 8)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = octet_lower(s.p[i]);
		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

enum err digest_answer_parse(struct str value, struct digest_answer *out)
{
	struct param scheme;
	struct params p;
	enum err e = cut_word(&value, &scheme);

	if (e == ERR_NOTFOUND || (e == OK && scheme.value.p))
		return ERR_BAD;
	if (e != OK)
		return e;
	if (!str_ieq(scheme.name, STR("Digest")))
		return ERR_NOTFOUND;
	e = cut_params(&value, &p);
	if (e != OK)
		return e;
	if (skip(value).len > 0) /* one answer a header (RFC 3261 §20.7) */
		return ERR_BAD;
	struct digest_answer a = {.user = p.v[P_USERNAME],
				  .realm = p.v[P_REALM],
				  .nonce = p.v[P_NONCE],
				  .uri = p.v[P_URI],
				  .response = p.v[P_RESPONSE],
				  .cnonce = p.v[P_CNONCE],
				  .opaque = p.v[P_OPAQUE],
				  .nc_text = p.v[P_NC],
				  .userhash = is_true(p.v[P_USERHASH]),
				  .qop = p.v[P_QOP].p != NULL};
	if (a.user.len == 0 || !a.realm.p || a.nonce.len == 0 || a.uri.len == 0 ||
	    !read_algorithm(p.v[P_ALGORITHM], &a.algorithm, &a.sess))
		return ERR_BAD;
	if (a.response.len != (a.algorithm == CRYPTO_MD5 ? 32 : 64))
		return ERR_BAD;
	if (a.qop &&
	    (!str_ieq(p.v[P_QOP], STR("auth")) || a.cnonce.len == 0 || !read_nc(a.nc_text, &a.nc)))
		return ERR_BAD;
	if (a.sess && a.cnonce.len == 0)
		return ERR_BAD;
	*out = a;
	return OK;
}

bool digest_check(const struct digest_answer *a, struct str method, const struct digest_secret *who)
{
	struct undone realm, nonce, uri, cnonce, name;
	struct hex a1, response, theirs, user;
	struct buf b;
	struct sum s = {.hash = a->algorithm,
			.sess = a->sess,
			.qop = a->qop,
			.nonce = undo(&nonce, a->nonce),
			.nc = a->nc_text,
			.cnonce = undo(&cnonce, a->cnonce),
			.method = method,
			.uri = undo(&uri, a->uri)};

	hash_user(a->algorithm, who->user, undo(&realm, a->realm), &user);
	struct str expected = a->userhash ? hex_view(&user) : who->user;
	bool named = str_eq(undo(&name, a->user), expected);
	hash_a1(a->algorithm, who, undo(&realm, a->realm), &a1);
	hash_response(&s, &a1, &response);
	buf_init(&b, theirs.mem, sizeof(theirs.mem));
	for (size_t i = 0; i < a->response.len; i++)
		buf_char(&b, octet_lower(a->response.p[i]));
	theirs.len = b.len;
	bool same = response.len == theirs.len &&
		    secret_eq_bytes(response.mem, theirs.mem, response.len);
	return same && named;
}
