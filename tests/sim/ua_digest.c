/* Digest as who challenges (RFC 3261 §22, RFC 7616, RFC 8760): written apart from the core's. */
#include <openssl/evp.h>
#include <string.h>

#include "common/check.h"
#include "tests/sim/site.h"
#include "tests/sim/ua_inside.h"

enum { HASH_HEX_MAX = 64 };

static struct str hashed(bool sha256, struct buf *text, char out[HASH_HEX_MAX + 1])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n;
	struct buf b;
	CHECK(!text->overflow);
	CHECK(EVP_Digest(text->p, text->len, md, &n, sha256 ? EVP_sha256() : EVP_md5(), NULL) == 1);
	buf_init(&b, out, HASH_HEX_MAX + 1);
	buf_hex(&b, md, n);
	return buf_view(&b);
}

/* A parameter of an Authorization header, without its quotes. */
static struct str param(struct str v, const char *name)
{
	struct str piece;
	(void)str_cut_word(&v, &piece); /* Digest */
	while (str_cut(&v, ',', &piece)) {
		piece = str_trim(piece);
		size_t eq = str_index(piece, '=');
		if (eq == piece.len ||
		    !str_ieq(str_trim((struct str){piece.p, eq}), str_from(name)))
			continue;
		struct str value = str_trim(str_from_offset(piece, eq + 1));
		if (value.len >= 2 && value.p[0] == '"')
			value = (struct str){value.p + 1, value.len - 2};
		return value;
	}
	return STR_NONE;
}

static bool is_right(struct ua *u, const struct sip_text *m, struct str v)
{
	char mem[512], h1[HASH_HEX_MAX + 1], h2[HASH_HEX_MAX + 1], h[HASH_HEX_MAX + 1];
	struct buf b;
	bool sha256 = str_ieq(param(v, "algorithm"), STR("SHA-256"));
	if (sha256 && !u->plan.challenge.sha256)
		return false;
	if (!sha256 && u->plan.challenge.sha256)
		ua_fault(u, INV_FORM, "was answered with MD5 where SHA-256 stood first");
	if (!str_eq(param(v, "qop"), STR("auth")) || !str_eq(param(v, "nonce"), u->nonce) ||
	    !str_eq(param(v, "uri"), m->uri))
		return false;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "%s:%s:%s", SITE_AUTH_USER, SITE_AUTH_REALM, SITE_AUTH_PASSWORD);
	struct str a1 = hashed(sha256, &b, h1);
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "%.*s:%.*s", STR_ARG(m->method), STR_ARG(m->uri));
	struct str a2 = hashed(sha256, &b, h2);
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "%.*s:%.*s:%.*s:%.*s:auth:%.*s", STR_ARG(a1), STR_ARG(u->nonce),
		   STR_ARG(param(v, "nc")), STR_ARG(param(v, "cnonce")), STR_ARG(a2));
	return str_ieq(hashed(sha256, &b, h), param(v, "response"));
}

static void challenge(struct ua *u, struct ua_txn *x, bool stale)
{
	const struct ua_challenge *c = &u->plan.challenge;
	const char *name = c->status == 407 ? "Proxy-Authenticate" : "WWW-Authenticate";
	char mem[768];
	struct buf b;
	u->nonce = ua_make_token(u, "n");
	u->challenged++;
	buf_init(&b, mem, sizeof(mem));
	for (int i = c->sha256 ? 0 : 1; i < 2; i++)
		buf_printf(
			&b,
			"%s: Digest realm=\"%s\", nonce=\"%.*s\", qop=\"auth\", algorithm=%s%s\r\n",
			name, SITE_AUTH_REALM, STR_ARG(u->nonce), i ? "MD5" : "SHA-256",
			stale ? ", stale=true" : "");
	buf_char(&b, 0);
	ua_respond(u, x,
		   &(struct ua_response){
			   .status = c->status, .to_tag = ua_make_token(u, "t"), .extra = mem});
}

bool ua_is_proved(struct ua *u, const struct sip_text *m, struct ua_txn *x)
{
	const struct ua_challenge *c = &u->plan.challenge;
	struct str v =
		sip_text_header(m, c->status == 407 ? "Proxy-Authorization" : "Authorization", 0);
	if (!c->status)
		return true;
	bool right = v.len && is_right(u, m, v);
	bool stale = right && c->stale && u->challenged == 1;
	if (v.len && !right && !c->sure)
		ua_fault(u, INV_SCENARIO, "got credentials that are wrong");
	if (right && !stale && !c->sure) {
		u->proved++;
		return true;
	}
	challenge(u, x, stale);
	return false;
}
