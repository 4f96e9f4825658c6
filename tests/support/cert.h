/* Throw-away certificates, made in memory. */
#ifndef SALLYPORT_TESTS_CERT_H
#define SALLYPORT_TESTS_CERT_H

#include <openssl/evp.h>
#include <openssl/x509.h>

struct cert {
	X509 *x509;
	EVP_PKEY *key;
};

struct cert_params {
	const char *cn;            /* NULL: none */
	const char *san;           /* "DNS:a,URI:sip:b", as openssl.cnf has it; NULL: none */
	const char *usage;         /* extendedKeyUsage; NULL: none */
	const struct cert *issuer; /* NULL: itself */
	int from_days, to_days;    /* of its time, from now; both 0: 30 days */
	int is_ca;
};

void cert_init(struct cert *c, const struct cert_params *p);
void cert_release(struct cert *c);
/* PEM files; either path may be NULL. */
void cert_save(const struct cert *c, const char *chain_path, const char *key_path);

#endif
