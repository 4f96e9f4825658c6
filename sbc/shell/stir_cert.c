#include "stir_cert.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/crypto.h"
#include "common/es256.h"

enum { PATH_TEXT_MAX = 4096, OID_LEN = 8 };

/* Extensions of 1.3.6.1.5.5.7.1. */
enum extension {
	TN_AUTH_LIST = 26,        /* RFC 8226 §9 */
	CLAIM_CONSTRAINTS = 27,   /* RFC 8226 §8 */
	ENHANCED_CONSTRAINTS = 33 /* RFC 9118 */
};

struct stir_anchors {
	X509_STORE *store;
};

/* ---- anchors */

static bool is_ours(X509_EXTENSION *e, enum extension which)
{
	const uint8_t oid[OID_LEN] = {0x2b, 6, 1, 5, 5, 7, 1, (uint8_t)which};
	const ASN1_OBJECT *o = X509_EXTENSION_get_object(e);

	return OBJ_length(o) == OID_LEN && memcmp(OBJ_get0_data(o), oid, OID_LEN) == 0;
}

/* A critical TNAuthList, which OpenSSL does not know, is no reason to refuse: we read it. */
static bool is_only_list_unknown(const X509 *x)
{
	for (int i = 0; i < X509_get_ext_count(x); i++) {
		X509_EXTENSION *e = X509_get_ext(x, i);
		if (X509_EXTENSION_get_critical(e) && !is_ours(e, TN_AUTH_LIST) &&
		    !X509_supported_extension(e))
			return false;
	}
	return true;
}

static int on_verify(int good, X509_STORE_CTX *ctx)
{
	if (!good && X509_STORE_CTX_get_error(ctx) == X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION &&
	    is_only_list_unknown(X509_STORE_CTX_get_current_cert(ctx))) {
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		return 1;
	}
	return good;
}

enum err stir_anchors_new(struct stir_anchors **out, struct str path, struct buf *why)
{
	char z[PATH_TEXT_MAX];
	struct stir_anchors *a = calloc(1, sizeof(*a));

	if (!a)
		return ERR_NOMEM;
	a->store = X509_STORE_new();
	enum err e = a->store ? OK : ERR_NOMEM;
	if (e == OK &&
	    (str_copy(path, z, sizeof(z)) != OK || X509_STORE_load_file(a->store, z) != 1)) {
		buf_printf(why, "cannot read the anchors of identity.verifier: %.*s",
			   STR_ARG(path));
		e = ERR_BAD;
	}
	ERR_clear_error();
	if (e != OK) {
		stir_anchors_free(&a);
		return e;
	}
	X509_STORE_set_verify_cb(a->store, on_verify);
	*out = a;
	return OK;
}

void stir_anchors_free(struct stir_anchors **anchors)
{
	struct stir_anchors *a = *anchors;

	if (!a)
		return;
	X509_STORE_free(a->store);
	free(a);
	*anchors = NULL;
}

/* ---- certificates */

struct chain {
	X509 *leaf;
	STACK_OF(X509) * others;
};

static void release_chain(struct chain *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->others, X509_free);
}

static bool read_pem(struct chain *c, struct str bytes)
{
	BIO *b = BIO_new_mem_buf(bytes.p, (int)bytes.len);
	X509 *x;
	unsigned n = 0;

	while (b && n < STIR_CERT_CHAIN_MAX &&
	       (x = PEM_read_bio_X509(b, NULL, crypto_no_password, NULL)) != NULL) {
		if (n++ == 0)
			c->leaf = x;
		else if (sk_X509_push(c->others, x) == 0)
			X509_free(x);
	}
	BIO_free(b);
	return c->leaf != NULL;
}

static bool read_chain(struct chain *c, struct str bytes)
{
	const unsigned char *p = (const unsigned char *)bytes.p;

	c->others = sk_X509_new_null();
	if (!c->others || bytes.len == 0 || bytes.len > STIR_CERT_BYTES_MAX)
		return false;
	if (read_pem(c, bytes))
		return true;
	c->leaf = d2i_X509(NULL, &p, (long)bytes.len);
	return c->leaf != NULL;
}

/* Seconds since the epoch; false: no time at all. */
static bool seconds_of(const ASN1_TIME *t, uint64_t *out)
{
	struct tm tm;
	time_t s = ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : -1;

	*out = s > 0 ? (uint64_t)s : 0;
	return s >= 0;
}

static bool note_times(struct credential *c, const X509 *x)
{
	uint64_t from, to;

	if (!seconds_of(X509_get0_notBefore(x), &from) || !seconds_of(X509_get0_notAfter(x), &to))
		return false;
	c->from_s = from > c->from_s ? from : c->from_s;
	c->to_s = to < c->to_s ? to : c->to_s;
	return true;
}

static bool read_list(struct credential_list *out, const X509 *x)
{
	unsigned lists = 0;

	*out = (struct credential_list){.given = false};
	for (int i = 0; i < X509_get_ext_count(x); i++) {
		X509_EXTENSION *e = X509_get_ext(x, i);
		if (!is_ours(e, TN_AUTH_LIST))
			continue;
		const ASN1_OCTET_STRING *s = X509_EXTENSION_get_data(e);
		if (++lists > 1 || credential_read_list(ASN1_STRING_get0_data(s),
							(size_t)ASN1_STRING_length(s), out) != OK)
			return false;
	}
	return true;
}

/* Which claims a signer may make we do not check; who is bound by more than numbers is not believed at all. */
static bool is_bound(const X509 *x)
{
	for (int i = 0; i < X509_get_ext_count(x); i++) {
		X509_EXTENSION *e = X509_get_ext(x, i);
		if (is_ours(e, CLAIM_CONSTRAINTS) || is_ours(e, ENHANCED_CONSTRAINTS))
			return true;
	}
	return false;
}

/* The chain holds as long as all of it does, and for the numbers of all of it. */
static bool check_link(struct stir_cert *out, struct credential_list *below, const X509 *issuer)
{
	struct credential_list l;

	if (!note_times(&out->credential, issuer) || !read_list(&l, issuer) ||
	    !credential_encompasses(&l, below))
		return false;
	if (l.given)
		*below = l;
	return true;
}

static bool check_chain(struct stir_cert *out, const struct stir_anchors *a, const struct chain *c,
			uint64_t wall_s)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool good = ctx && X509_STORE_CTX_init(ctx, a->store, c->leaf, c->others) == 1;

	out->credential.to_s = UINT64_MAX;
	if (good) {
		X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
		X509_VERIFY_PARAM_set_time(p, (time_t)wall_s);
		X509_VERIFY_PARAM_set_depth(p, STIR_CERT_CHAIN_MAX);
		X509_VERIFY_PARAM_set_auth_level(p, 1);
		good = X509_verify_cert(ctx) == 1;
	}
	STACK_OF(X509) *chain = good ? X509_STORE_CTX_get0_chain(ctx) : NULL;
	struct credential_list below = out->list;
	good = good && note_times(&out->credential, c->leaf);
	for (int i = 1; chain && i < sk_X509_num(chain); i++)
		good = good && check_link(out, &below, sk_X509_value(chain, i));
	X509_STORE_CTX_free(ctx);
	return good;
}

/* The leaf is a signer: no authority, and its key is for signatures where it says what it is for. */
static bool is_signer(X509 *x)
{
	return X509_check_ca(x) == 0 && (!(X509_get_extension_flags(x) & EXFLAG_KUSAGE) ||
					 (X509_get_key_usage(x) & KU_DIGITAL_SIGNATURE));
}

static bool read_key(struct stir_cert *out, const X509 *x)
{
	unsigned char *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	bool good = n > 0 && es256_key_new_public(&out->key, der, (size_t)n) == OK;

	OPENSSL_free(der);
	return good;
}

enum credential_result stir_cert_init(struct stir_cert *out, const struct stir_anchors *a,
				      struct str bytes, uint64_t wall_s)
{
	CHECK(out && a);
	struct chain c = {NULL, NULL};
	enum credential_result r = CREDENTIAL_BROKEN;

	*out = (struct stir_cert){.key = NULL};
	if (read_chain(&c, bytes) && read_key(out, c.leaf) && read_list(&out->list, c.leaf))
		r = is_signer(c.leaf) && !is_bound(c.leaf) && check_chain(out, a, &c, wall_s)
			    ? CREDENTIAL_OK
			    : CREDENTIAL_UNTRUSTED;
	release_chain(&c);
	ERR_clear_error();
	if (r != CREDENTIAL_OK) {
		stir_cert_release(out);
		return r;
	}
	out->credential.key = out->key;
	out->credential.list = &out->list;
	return r;
}

void stir_cert_release(struct stir_cert *c)
{
	es256_key_free(&c->key);
	*c = (struct stir_cert){.key = NULL};
}
