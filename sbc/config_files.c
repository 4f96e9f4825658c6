/* Certificates, keys and anchors as they lie on disk; the only file of the configuration with OpenSSL. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/crypto.h"
#include "sbc/config_check.h"

enum { PATH_LEN_MAX = 1024, SOON_DAYS = 14 };

struct files {
	struct conf_report *report;
	const struct conf_node *node; /* where to speak of it */
	int64_t now;
};

/* NULL after saying why. */
static BIO *open_file(struct files *f, struct str path)
{
	char z[PATH_LEN_MAX];
	struct stat st;
	if (str_copy(path, z, sizeof(z)) != OK) {
		conf_error(f->report, f->node, "the path is too long");
		return NULL;
	}
	BIO *b = NULL;
	if (stat(z, &st) != 0)
		conf_error(f->report, f->node, "%s cannot be read: %s", z, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		conf_error(f->report, f->node, "%s is not a file", z);
	else if (!(b = BIO_new_file(z, "r")))
		conf_error(f->report, f->node, "%s cannot be read: %s", z, strerror(errno));
	ERR_clear_error();
	return b;
}

static void write_date(char *out, size_t cap, const ASN1_TIME *t)
{
	struct tm tm;
	if (!ASN1_TIME_to_tm(t, &tm) || strftime(out, cap, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		(void)snprintf(out, cap, "an unreadable date");
}

static void check_dates(struct files *f, const X509 *x, const char *what)
{
	char date[64];
	time_t now = (time_t)f->now, soon = now + (time_t)SOON_DAYS * 86400;
	if (X509_cmp_time(X509_get0_notAfter(x), &now) < 0) {
		write_date(date, sizeof(date), X509_get0_notAfter(x));
		conf_error(f->report, f->node, "%s ended on %s", what, date);
	} else if (X509_cmp_time(X509_get0_notAfter(x), &soon) < 0) {
		write_date(date, sizeof(date), X509_get0_notAfter(x));
		conf_warn(f->report, f->node, "%s ends on %s, in less than %d days", what, date,
			  SOON_DAYS);
	}
	if (X509_cmp_time(X509_get0_notBefore(x), &now) > 0) {
		write_date(date, sizeof(date), X509_get0_notBefore(x));
		conf_error(f->report, f->node, "%s is not valid before %s", what, date);
	}
}

/* The leaf, to be freed, or NULL after saying why. */
static X509 *check_chain(struct files *f, struct str path)
{
	BIO *b = open_file(f, path);
	if (!b)
		return NULL;
	X509 *leaf = PEM_read_bio_X509(b, NULL, crypto_no_password, NULL), *more;
	if (!leaf)
		conf_error(f->report, f->node, "%.*s holds no certificate in PEM", STR_ARG(path));
	else
		check_dates(f, leaf, "the certificate");
	while (leaf && (more = PEM_read_bio_X509(b, NULL, crypto_no_password, NULL)) != NULL) {
		check_dates(f, more, "an intermediate certificate");
		X509_free(more);
	}
	ERR_clear_error();
	BIO_free(b);
	return leaf;
}

static BIO *open_key(struct files *f, const struct certificate *c)
{
	char z[PATH_LEN_MAX];
	struct stat st;
	if (c->key_pem.len > 0)
		return BIO_new_mem_buf(c->key_pem.p, (int)c->key_pem.len);
	BIO *b = open_file(f, c->key_path);
	if (b && str_copy(c->key_path, z, sizeof(z)) == OK && stat(z, &st) == 0 &&
	    (st.st_mode & S_IRWXO))
		conf_warn(f->report, f->node, "%s can be read by every user of this host", z);
	return b;
}

static void check_key(struct files *f, const struct certificate *c, X509 *leaf)
{
	BIO *b = open_key(f, c);
	if (!b)
		return;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, crypto_no_password, NULL);
	if (!key)
		conf_error(f->report, f->node,
			   "no private key in PEM, or one that needs a password");
	else if (leaf && X509_check_private_key(leaf, key) != 1)
		conf_error(f->report, f->node, "the key does not belong to the certificate in %.*s",
			   STR_ARG(c->chain_path));
	ERR_clear_error();
	EVP_PKEY_free(key);
	BIO_free(b);
}

static void check_anchor(struct files *f, struct str path)
{
	BIO *b = open_file(f, path);
	X509 *x;
	size_t count = 0;
	if (!b)
		return;
	while ((x = PEM_read_bio_X509_AUX(b, NULL, crypto_no_password, NULL)) != NULL) {
		count++;
		X509_free(x);
	}
	if (count == 0)
		conf_error(f->report, f->node, "%.*s holds no certificate in PEM", STR_ARG(path));
	ERR_clear_error();
	BIO_free(b);
}

/* Data files come and go while the daemon runs: one that is not there now is no mistake. */
static void warn_of_data(struct files *f, struct str path)
{
	char z[PATH_LEN_MAX];
	if (path.len > 0 && (str_copy(path, z, sizeof(z)) != OK || access(z, R_OK) != 0))
		conf_warn(f->report, f->node,
			  "%.*s cannot be read: %s; until it can, what it would say is unknown",
			  STR_ARG(path), strerror(errno));
}

static void check_verifier(struct files *f, const struct raw_config *raw, const struct settings *s)
{
	f->node = conf_node_at(raw->identity.verifier.head.node, "anchors");
	if (s->verifier.anchors.len > 0)
		check_anchor(f, s->verifier.anchors);
}

void config_check_files(struct conf_report *r, const struct raw_config *raw,
			const struct settings *s, int64_t now)
{
	const struct raw_certificate *certificates = raw->certificates.items;
	const struct raw_anchor *anchors = raw->anchors.items;
	struct files f = {.report = r, .now = now};
	for (size_t i = 0; i < s->certificate_count; i++) {
		const struct conf_node *n = certificates[i].head.node;
		X509 *leaf = NULL;
		f.node = conf_node_at(n, "chain");
		if (s->certificates[i].chain_path.len > 0)
			leaf = check_chain(&f, s->certificates[i].chain_path);
		f.node = conf_node_at(n, "key");
		if (s->certificates[i].key_path.len > 0 || s->certificates[i].key_pem.len > 0)
			check_key(&f, &s->certificates[i], leaf);
		X509_free(leaf);
	}
	f.node = conf_node_at(raw->geo.head.node, "country");
	warn_of_data(&f, s->geo.country_path);
	f.node = conf_node_at(raw->geo.head.node, "asn");
	warn_of_data(&f, s->geo.asn_path);
	if (s->verifier.on)
		check_verifier(&f, raw, s);
	for (size_t i = 0; i < s->anchor_count; i++) {
		f.node = anchors[i].head.node;
		if (s->anchors[i].path.len > 0)
			check_anchor(&f, s->anchors[i].path);
	}
}
