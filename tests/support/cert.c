#include "tests/support/cert.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "common/check.h"

enum { DAY = 24 * 3600 };

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	CHECK(e != NULL);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

void cert_init(struct cert *c, const struct cert_params *p)
{
	uint64_t serial = 0;
	int to = p->from_days == 0 && p->to_days == 0 ? 30 : p->to_days;
	c->key = EVP_EC_gen("P-256");
	c->x509 = X509_new();
	CHECK(c->key && c->x509);
	CHECK(RAND_bytes((unsigned char *)&serial, 7) == 1);
	X509_set_version(c->x509, 2);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(c->x509), serial);
	X509_gmtime_adj(X509_getm_notBefore(c->x509), (long)p->from_days * DAY);
	X509_gmtime_adj(X509_getm_notAfter(c->x509), (long)to * DAY);
	X509_set_pubkey(c->x509, c->key);
	if (p->cn)
		X509_NAME_add_entry_by_txt(X509_get_subject_name(c->x509), "CN", MBSTRING_UTF8,
					   (const unsigned char *)p->cn, -1, -1, 0);
	X509 *issuer = p->issuer ? p->issuer->x509 : c->x509;
	X509_set_issuer_name(c->x509, X509_get_subject_name(issuer));
	extend(c->x509, issuer, NID_basic_constraints,
	       p->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (p->san)
		extend(c->x509, issuer, NID_subject_alt_name, p->san);
	if (p->usage)
		extend(c->x509, issuer, NID_ext_key_usage, p->usage);
	CHECK(X509_sign(c->x509, p->issuer ? p->issuer->key : c->key, EVP_sha256()) > 0);
}

void cert_release(struct cert *c)
{
	X509_free(c->x509);
	EVP_PKEY_free(c->key);
	*c = (struct cert){0};
}

void cert_save(const struct cert *c, const char *chain_path, const char *key_path)
{
	FILE *f = chain_path ? fopen(chain_path, "w") : NULL;
	if (f) {
		CHECK(PEM_write_X509(f, c->x509) == 1);
		fclose(f);
	}
	f = key_path ? fopen(key_path, "w") : NULL;
	if (f) {
		CHECK(PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL) == 1);
		fclose(f);
	}
}
