/* Certificates of signers: which bytes are a key that we believe, and for which numbers. */
#include "sbc/shell/stir_cert.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/cert.h"
#include "tests/support/check.h"

enum { DAY_S = 86400, BYTES = 200 * 1024 };

#define TN_LIST     "1.3.6.1.5.5.7.1.26"
#define CONSTRAINTS "1.3.6.1.5.5.7.1.27"
#define ENHANCED    "1.3.6.1.5.5.7.1.33"

/* DER of TNAuthLists. */
#define SPC         "3008a006160431323334"
#define TN_12345    "3009a20716053132333435"
#define TN_12346    "3009a20716053132333436"
#define RANGE_123XX "300ea10c300a16053132333030020164"
#define BROKEN_LIST "3003020101"

static struct cert root, stranger;
static struct stir_anchors *anchors;
static char anchor_path[] = "/tmp/sallyport-anchors-XXXXXX";

/* An extension more, and the signature anew. */
static void extend(struct cert *c, const struct cert *issuer, const char *oid, bool critical,
		   const char *hex)
{
	uint8_t der[128];
	size_t n = strlen(hex) / 2;
	ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();

	CHECK(n <= sizeof(der) && str_to_hex(str_from(hex), der, n) == OK);
	CHECK(o && s && ASN1_OCTET_STRING_set(s, der, (int)n) == 1);
	X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, o, critical, s);
	CHECK(e && X509_add_ext(c->x509, e, -1) == 1);
	X509_EXTENSION_free(e);
	ASN1_OBJECT_free(o);
	ASN1_OCTET_STRING_free(s);
	CHECK(X509_sign(c->x509, issuer->key, EVP_sha256()) > 0);
}

static void use_key(struct cert *c, const struct cert *issuer, const char *curve)
{
	EVP_PKEY_free(c->key);
	c->key = EVP_EC_gen(curve);
	CHECK(c->key && X509_set_pubkey(c->x509, c->key) == 1);
	CHECK(X509_sign(c->x509, issuer->key, EVP_sha256()) > 0);
}

static size_t put_pem(const struct cert *c, char *out, size_t cap)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;

	CHECK(b && PEM_write_bio_X509(b, c->x509) == 1);
	long n = BIO_get_mem_data(b, &p);
	CHECK(n > 0 && (size_t)n <= cap);
	memcpy(out, p, (size_t)n);
	BIO_free(b);
	return (size_t)n;
}

struct row {
	const char *name;
	/* The signer. */
	const char *list, *list2, *more; /* more: the OID of another extension */
	bool critical, is_ca, p384, by_stranger;
	const char *usage; /* keyUsage */
	int from_days, to_days;
	/* Its issuer below the root. */
	bool issued_between, left_out, between_no_ca;
	const char *between_list;
	int between_to_days;
	bool der;
	enum credential_result want;
	bool covers_12345, covers_12346;
};

static size_t write_bytes(const struct row *row, char *out, size_t cap)
{
	struct cert between = {NULL, NULL}, leaf;
	const struct cert *issuer = row->by_stranger ? &stranger : &root;
	size_t n;

	if (row->issued_between) {
		struct cert_params p = {.cn = "between",
					.issuer = issuer,
					.is_ca = !row->between_no_ca,
					.from_days = -10,
					.to_days =
						row->between_to_days ? row->between_to_days : 10};
		cert_init(&between, &p);
		if (row->between_list)
			extend(&between, issuer, TN_LIST, false, row->between_list);
		issuer = &between;
	}
	struct cert_params p = {.cn = "signer",
				.issuer = issuer,
				.is_ca = row->is_ca,
				.from_days = row->from_days,
				.to_days = row->to_days ? row->to_days : 30};
	cert_init(&leaf, &p);
	if (row->p384)
		use_key(&leaf, issuer, "P-384");
	if (row->list)
		extend(&leaf, issuer, TN_LIST, row->critical, row->list);
	if (row->list2)
		extend(&leaf, issuer, TN_LIST, false, row->list2);
	if (row->more)
		extend(&leaf, issuer, row->more, row->critical, "3000");
	if (row->usage)
		extend(&leaf, issuer, "2.5.29.15", true, row->usage);
	if (row->der) {
		unsigned char *at = (unsigned char *)out;
		CHECK(i2d_X509(leaf.x509, NULL) < (int)cap);
		n = (size_t)i2d_X509(leaf.x509, &at);
	} else {
		n = put_pem(&leaf, out, cap);
		if (row->issued_between && !row->left_out)
			n += put_pem(&between, out + n, cap - n);
	}
	cert_release(&leaf);
	cert_release(&between);
	return n;
}

static void a_key_is_believed_for_what_its_chain_allows(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{.name = "PEM, by an anchor itself", .covers_12345 = true, .covers_12346 = true},
		{.name = "DER", .der = true, .covers_12345 = true, .covers_12346 = true},
		{.name = "with one between",
		 .issued_between = true,
		 .covers_12345 = true,
		 .covers_12346 = true},
		{.name = "that is left out",
		 .issued_between = true,
		 .left_out = true,
		 .want = CREDENTIAL_UNTRUSTED},
		{.name = "that is no authority",
		 .issued_between = true,
		 .between_no_ca = true,
		 .want = CREDENTIAL_UNTRUSTED},
		{.name = "whose time is over",
		 .issued_between = true,
		 .between_to_days = -1,
		 .want = CREDENTIAL_UNTRUSTED},
		{.name = "by somebody else", .by_stranger = true, .want = CREDENTIAL_UNTRUSTED},
		{.name = "expired", .from_days = -10, .to_days = -1, .want = CREDENTIAL_UNTRUSTED},
		{.name = "not yet", .from_days = 1, .want = CREDENTIAL_UNTRUSTED},
		{.name = "an authority signs no calls",
		 .is_ca = true,
		 .want = CREDENTIAL_UNTRUSTED},
		{.name = "a key for another use",
		 .usage = "03020106",
		 .want = CREDENTIAL_UNTRUSTED},
		{.name = "a key for signatures",
		 .usage = "03020780",
		 .covers_12345 = true,
		 .covers_12346 = true},
		{.name = "another curve", .p384 = true, .want = CREDENTIAL_BROKEN},
		{.name = "a provider's", .list = SPC, .covers_12345 = true, .covers_12346 = true},
		{.name = "of one number", .list = TN_12345, .covers_12345 = true},
		{.name = "critical, as OpenSSL does not know it",
		 .list = TN_12345,
		 .critical = true,
		 .covers_12345 = true},
		{.name = "two lists",
		 .list = TN_12345,
		 .list2 = TN_12346,
		 .want = CREDENTIAL_BROKEN},
		{.name = "a broken list", .list = BROKEN_LIST, .want = CREDENTIAL_BROKEN},
		{.name = "an extension that nobody knows",
		 .more = "1.3.6.1.4.1.99999.1",
		 .covers_12345 = true,
		 .covers_12346 = true},
		{.name = "and that has to be known",
		 .more = "1.3.6.1.4.1.99999.1",
		 .critical = true,
		 .want = CREDENTIAL_UNTRUSTED},
		{.name = "bound to claims that we do not check (RFC 8226 8)",
		 .list = SPC,
		 .more = CONSTRAINTS,
		 .want = CREDENTIAL_UNTRUSTED},
		{.name = "likewise (RFC 9118)",
		 .list = SPC,
		 .more = ENHANCED,
		 .want = CREDENTIAL_UNTRUSTED},
		{.name = "a number of its issuer's range (RFC 9060 4)",
		 .list = TN_12345,
		 .issued_between = true,
		 .between_list = RANGE_123XX,
		 .covers_12345 = true},
		{.name = "a number of a provider",
		 .list = TN_12345,
		 .issued_between = true,
		 .between_list = SPC,
		 .covers_12345 = true},
		{.name = "a number that its issuer has not",
		 .list = TN_12346,
		 .issued_between = true,
		 .between_list = TN_12345,
		 .want = CREDENTIAL_UNTRUSTED},
		{.name = "all numbers, by who has one",
		 .issued_between = true,
		 .between_list = TN_12345,
		 .want = CREDENTIAL_UNTRUSTED},
		{.name = "a provider, by who has a number",
		 .list = SPC,
		 .issued_between = true,
		 .between_list = TN_12345,
		 .want = CREDENTIAL_UNTRUSTED},
		{.name = "an issuer with a broken list",
		 .list = TN_12345,
		 .issued_between = true,
		 .between_list = BROKEN_LIST,
		 .want = CREDENTIAL_UNTRUSTED},
	};
	static char bytes[BYTES];

	CHECK_TABLE(row, rows)
	{
		struct stir_cert c;
		struct str in = {bytes, write_bytes(row, bytes, sizeof(bytes))};
		const uint64_t now = (uint64_t)time(NULL); /* not before it was made */
		EXPECT_INT(stir_cert_init(&c, anchors, in, now), row->want);
		if (row->want != CREDENTIAL_OK) {
			EXPECT_TRUE(!c.key && !c.credential.key);
			continue;
		}
		EXPECT_TRUE(c.credential.key == c.key && c.credential.list == &c.list);
		EXPECT_TRUE(c.credential.from_s <= now && c.credential.to_s > now);
		EXPECT_INT(credential_covers(c.credential.list, STR("12345")), row->covers_12345);
		EXPECT_INT(credential_covers(c.credential.list, STR("12346")), row->covers_12346);
		/* It holds no longer than the shortest of its chain. */
		EXPECT_TRUE(!row->issued_between || c.credential.to_s < now + 11 * DAY_S);
		stir_cert_release(&c);
	}
}

static void what_is_no_certificate_is_broken(void **state)
{
	(void)state;
	static char bytes[BYTES];
	const struct row good = {.name = "good"};
	size_t n = write_bytes(&good, bytes, sizeof(bytes));
	struct stir_cert c;
	static const char *const texts[] = {
		"",
		"x",
		"<html></html>",
		"-----BEGIN CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		EXPECT_INT(stir_cert_init(&c, anchors, str_from(texts[i]), 1), CREDENTIAL_BROKEN);
	/* No beginning of one is one; only its last newline may be missing. */
	for (size_t i = 0; i + 1 < n; i++)
		EXPECT_INT(stir_cert_init(&c, anchors, (struct str){bytes, i}, 1),
			   CREDENTIAL_BROKEN);
	/* More than we read, and be it blanks. */
	memset(bytes + n, '\n', sizeof(bytes) - n);
	EXPECT_INT(stir_cert_init(&c, anchors, (struct str){bytes, STIR_CERT_BYTES_MAX},
				  (uint64_t)time(NULL)),
		   CREDENTIAL_OK);
	stir_cert_release(&c);
	EXPECT_INT(stir_cert_init(&c, anchors, (struct str){bytes, STIR_CERT_BYTES_MAX + 1},
				  (uint64_t)time(NULL)),
		   CREDENTIAL_BROKEN);
}

static void anchors_are_read_from_their_file(void **state)
{
	(void)state;
	struct stir_anchors *a = NULL;
	char mem[256];
	struct buf why;

	buf_init(&why, mem, sizeof(mem));
	EXPECT_ERR(stir_anchors_new(&a, STR("/none/such.pem"), &why), ERR_BAD);
	EXPECT_TRUE(a == NULL && str_has_suffix(buf_view(&why), STR("/none/such.pem")));
	EXPECT_ERR(stir_anchors_new(&a, STR("/dev/null"), &why), ERR_BAD);
	EXPECT_TRUE(a == NULL);
	stir_anchors_free(&a);
}

static int set_up(void **state)
{
	(void)state;
	const struct cert_params p = {.cn = "root", .is_ca = 1, .from_days = -100, .to_days = 1000};
	char mem[256];
	struct buf why;
	int fd = mkstemp(anchor_path);

	cert_init(&root, &p);
	cert_init(&stranger, &p); /* of the same name */
	if (fd < 0)
		return -1;
	close(fd);
	cert_save(&root, anchor_path, NULL);
	buf_init(&why, mem, sizeof(mem));
	return stir_anchors_new(&anchors, str_from(anchor_path), &why);
}

static int tear_down(void **state)
{
	(void)state;
	stir_anchors_free(&anchors);
	cert_release(&root);
	cert_release(&stranger);
	return unlink(anchor_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_believed_for_what_its_chain_allows),
		cmocka_unit_test(what_is_no_certificate_is_broken),
		cmocka_unit_test(anchors_are_read_from_their_file),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
