#include "dtls.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "common/crypto.h"

enum {
	RECORD_HEAD = 13, /* type, version, epoch, sequence, length (RFC 6347 §4.1) */
	RANDOM_AT = RECORD_HEAD + 12 + 2, /* of a hello: behind message head and version */
	TYPE_ALERT = 21,
	TYPE_HANDSHAKE = 22,
	TYPE_DATA = 23,
	HELLO = 1, /* ClientHello */
	COOKIE_LEN = 16,
	KEY_BLOCK_MAX = 2 * (SRTP_KEY_MAX + SRTP_SALT_MAX),
	DAY_S = 86400
};

struct dtls_cert {
	SSL_CTX *ctx;
	uint32_t generation;
	struct dtls_fingerprint prints[DTLS_HASH_COUNT];
};

/* ---- names */

static const struct {
	const char *name;
	size_t len;
} hashes[DTLS_HASH_COUNT] = {
#define X(name, text, len) [DTLS_##name] = {text, len},
	DTLS_HASH_TABLE(X)
#undef X
};

enum err dtls_hash_find(struct str name, enum dtls_hash *out)
{
	for (unsigned h = 0; h < DTLS_HASH_COUNT; h++) {
		if (str_ieq(name, str_from(hashes[h].name))) {
			*out = (enum dtls_hash)h;
			return OK;
		}
	}
	return ERR_NOTFOUND;
}

size_t dtls_hash_len(enum dtls_hash h)
{
	CHECK((unsigned)h < DTLS_HASH_COUNT);
	return hashes[h].len;
}

static const char *const failure_labels[DTLS_FAILURE_COUNT] = {[DTLS_FAILURE_NONE] = "",
#define X(name, label, help) [DTLS_FAILURE_##name] = label,
							       DTLS_FAILURE_TABLE(X)
#undef X
};
static const char *const failure_helps[DTLS_FAILURE_COUNT] = {[DTLS_FAILURE_NONE] = "",
#define X(name, label, help) [DTLS_FAILURE_##name] = help,
							      DTLS_FAILURE_TABLE(X)
#undef X
};

const char *dtls_failure_label(enum dtls_failure f)
{
	CHECK((unsigned)f < DTLS_FAILURE_COUNT);
	return failure_labels[f];
}

const char *dtls_failure_help(enum dtls_failure f)
{
	CHECK((unsigned)f < DTLS_FAILURE_COUNT);
	return failure_helps[f];
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err dtls_fingerprint_parse(struct str value, struct dtls_fingerprint *out)
{
	struct str name;
	enum dtls_hash h;
	struct dtls_fingerprint f = {0};
	if (!str_cut_word(&value, &name)) {
		return ERR_BAD;
	}
	if (dtls_hash_find(name, &h) != OK) {
		return ERR_UNSUPPORTED;
	}
	value = str_trim(value);
	if (value.len != hashes[h].len * 3 - 1) {
		return ERR_BAD;
	}
	for (size_t i = 0; i < hashes[h].len; i++) {
		const int high = hex_digit(value.p[3 * i]), low = hex_digit(value.p[3 * i + 1]);
		if (high < 0 || low < 0 || (i + 1 < hashes[h].len && value.p[3 * i + 2] != ':')) {
			return ERR_BAD;
		}
		f.bytes[i] = (uint8_t)(high << 4 | low);
	}
	f.hash = (uint8_t)h;
	*out = f;
	return OK;
}

void dtls_fingerprint_write(struct buf *b, const struct dtls_fingerprint *f)
{
	buf_z(b, hashes[f->hash].name);
	for (size_t i = 0; i < hashes[f->hash].len; i++) {
		buf_printf(b, "%c%02X", i == 0 ? ' ' : ':', f->bytes[i]);
	}
}

bool dtls_fingerprint_eq(const struct dtls_fingerprint *a, const struct dtls_fingerprint *b)
{
	return a->hash == b->hash && secret_eq_bytes(a->bytes, b->bytes, hashes[a->hash].len);
}

/* ---- what the library calls: one datagram to read, some to write */

static struct dtls_worker *worker_of(BIO *bio)
{
	return BIO_get_data(bio);
}

static int bio_read(BIO *bio, char *to, int room)
{
	struct dtls_worker *w = worker_of(bio);
	BIO_clear_retry_flags(bio);
	if (!w->in) {
		BIO_set_retry_read(bio);
		return -1;
	}
	/* A datagram is read whole or cut: what does not fit is gone, as with a socket. */
	const size_t n = w->in_len < (size_t)room ? w->in_len : (size_t)room;
	memcpy(to, w->in, n);
	w->in = NULL;
	return (int)n;
}

static int bio_write(BIO *bio, const char *from, int len)
{
	const struct dtls_worker *w = worker_of(bio);
	struct dtls_out *o = w->out;
	BIO_clear_retry_flags(bio);
	/* What is too much is as if it were lost: it will be sent again. */
	if (o && o->count < DTLS_OUT_DATAGRAMS && len > 0 && len <= DTLS_MTU) {
		memcpy(o->bytes[o->count], from, (size_t)len);
		o->len[o->count++] = (uint16_t)len;
	}
	return len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static SSL *new_ssl(struct dtls_worker *w, enum dtls_role role, uint32_t generation)
{
	const struct dtls_cert *c = w->certs[generation % DTLS_CERTS];
	SSL *ssl = c && c->generation == generation ? SSL_new(c->ctx) : NULL;
	BIO *bio = BIO_new(w->bio_method);
	if (!ssl || !bio) {
		SSL_free(ssl);
		BIO_free(bio);
		return NULL;
	}
	BIO_set_data(bio, w);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_mtu(ssl, DTLS_MTU);
	/* Once and here: it makes the library forget what a listener has found out. */
	if (role == DTLS_SERVER) {
		SSL_set_accept_state(ssl);
	} else {
		SSL_set_connect_state(ssl);
	}
	return ssl;
}

static unsigned on_timer(SSL *ssl, unsigned us)
{
	const struct dtls *d = SSL_get_app_data(ssl);
	if (us == 0) {
		return d->worker->first_ms * 1000;
	}
	return us < DTLS_LAST_MS * 500u ? 2 * us : DTLS_LAST_MS * 1000u;
}

static void make_cookie(const struct dtls_worker *w, unsigned which, uint8_t out[COOKIE_LEN])
{
	uint8_t text[sizeof(w->asking->ip) + 3], mac[CRYPTO_SHA256_LEN];
	memcpy(text, w->asking->ip, sizeof(w->asking->ip));
	text[16] = (uint8_t)(w->asking->port >> 8);
	text[17] = (uint8_t)w->asking->port;
	text[18] = w->asking->family;
	crypto_hmac_sha256(w->cookie_keys[which], sizeof(w->cookie_keys[0]), text, sizeof(text),
			   mac);
	memcpy(out, mac, COOKIE_LEN);
}

static struct dtls_worker *worker_of_ssl(const SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static int on_cookie_make(SSL *ssl, unsigned char *out, unsigned *out_len)
{
	make_cookie(worker_of_ssl(ssl), 0, out);
	*out_len = COOKIE_LEN;
	return 1;
}

static int on_cookie_check(SSL *ssl, const unsigned char *cookie, unsigned len)
{
	uint8_t want[COOKIE_LEN];
	bool right = false;
	for (unsigned i = 0; i < 2 && len == COOKIE_LEN; i++) {
		make_cookie(worker_of_ssl(ssl), i, want);
		right |= secret_eq_bytes(cookie, want, COOKIE_LEN);
	}
	return right;
}

static const EVP_MD *digest_of(unsigned hash)
{
	switch ((enum dtls_hash)hash) {
	case DTLS_SHA1: return EVP_sha1();
	case DTLS_SHA256: return EVP_sha256();
	case DTLS_SHA384: return EVP_sha384();
	case DTLS_SHA512: return EVP_sha512();
	case DTLS_HASH_COUNT: break;
	}
	return NULL;
}

static bool digest_all(const X509 *x, uint8_t out[DTLS_HASH_COUNT][DTLS_HASH_MAX])
{
	unsigned len;
	for (unsigned h = 0; h < DTLS_HASH_COUNT; h++) {
		if (X509_digest(x, digest_of(h), out[h], &len) != 1 || len != hashes[h].len) {
			return false;
		}
	}
	return true;
}

static bool is_expected(const struct dtls *d)
{
	bool yes = false;
	for (unsigned i = 0; i < d->expect.count; i++) {
		const struct dtls_fingerprint *f = &d->expect.at[i];
		yes |= secret_eq_bytes(f->bytes, d->digests[f->hash], hashes[f->hash].len);
	}
	return yes;
}

/* The certificate says nothing by itself: who signed it and until when is of no interest. Its fingerprint is in SDP. */
static int on_certificate(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct dtls *d = SSL_get_app_data(ssl);
	(void)arg;
	if (!digest_all(X509_STORE_CTX_get0_cert(store), d->digests)) {
		d->failure = DTLS_FAILURE_MEMORY;
	} else if (d->expect.count > 0 && !is_expected(d)) {
		d->failure = DTLS_FAILURE_FINGERPRINT;
	}
	X509_STORE_CTX_set_error(store, d->failure ? X509_V_ERR_CERT_REJECTED : X509_V_OK);
	return d->failure == DTLS_FAILURE_NONE;
}

/* ---- certificates */

static bool sign(X509 *x, EVP_PKEY *key, const struct dtls_worker *w, uint64_t wall_s)
{
	uint64_t serial = 0;
	X509_NAME *name = X509_get_subject_name(x);
	/* A day back: clocks differ, though nobody should look. */
	return RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
	       X509_set_version(x, X509_VERSION_3) == 1 &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1 | 1) == 1 &&
	       ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(wall_s - DAY_S)) &&
	       ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(wall_s + w->lifetime_s)) &&
	       /* The name that browsers give theirs: nothing of ours to be read in it. */
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"WebRTC",
					  -1, -1, 0) == 1 &&
	       X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key) == 1 &&
	       X509_sign(x, key, EVP_sha256()) > 0;
}

static bool set_up(SSL_CTX *ctx, X509 *x, EVP_PKEY *key, struct dtls_worker *w)
{
	static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!PSK:!NULL";
	static const char profiles[] =
		"SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";
	/* Nothing is resumed: keys of a call are of this call. So the server has the last flight always. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_app_data(ctx, w);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, on_certificate, NULL);
	SSL_CTX_set_cookie_generate_cb(ctx, on_cookie_make);
	SSL_CTX_set_cookie_verify_cb(ctx, on_cookie_check);
	return SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, DTLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, ciphers) == 1 &&
	       SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1 &&
	       /* This one says 0 when all is well. */
	       SSL_CTX_set_tlsext_use_srtp(ctx, profiles) == 0 &&
	       SSL_CTX_use_certificate(ctx, x) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1;
}

static void cert_free(struct dtls_cert **c)
{
	if (*c) {
		SSL_CTX_free((*c)->ctx);
		OPENSSL_free(*c);
		*c = NULL;
	}
}

static struct dtls_cert *cert_new(struct dtls_worker *w, uint64_t wall_s)
{
	struct dtls_cert *c = OPENSSL_zalloc(sizeof(*c));
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	uint8_t digests[DTLS_HASH_COUNT][DTLS_HASH_MAX];
	bool made = c && key && x && sign(x, key, w, wall_s) && digest_all(x, digests);
	if (made) {
		c->ctx = SSL_CTX_new(DTLS_method());
		made = c->ctx && set_up(c->ctx, x, key, w);
		for (unsigned h = 0; h < DTLS_HASH_COUNT; h++) {
			c->prints[h].hash = (uint8_t)h;
			memcpy(c->prints[h].bytes, digests[h], hashes[h].len);
		}
	}
	X509_free(x);
	EVP_PKEY_free(key);
	if (!made) {
		cert_free(&c);
	}
	return c;
}

static void drop_listener(struct dtls_worker *w)
{
	SSL_free(w->listener);
	w->listener = NULL;
}

static bool renew(struct dtls_worker *w, uint64_t wall_s)
{
	struct dtls_cert *c = cert_new(w, wall_s);
	if (!c) {
		return false;
	}
	c->generation = ++w->ours.generation;
	memcpy(w->ours.prints, c->prints, sizeof(c->prints));
	struct dtls_cert **place = &w->certs[c->generation % DTLS_CERTS];
	/* Handshakes under way hold a reference of their own. */
	cert_free(place);
	*place = c;
	w->renew_s = wall_s + w->lifetime_s / 2;
	return true;
}

static bool make_method(struct dtls_worker *w)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
	if (!m) {
		return false;
	}
	w->bio_method = m;
	return BIO_meth_set_read(m, bio_read) == 1 && BIO_meth_set_write(m, bio_write) == 1 &&
	       BIO_meth_set_ctrl(m, bio_ctrl) == 1;
}

enum err dtls_worker_init(struct dtls_worker *w, const struct dtls_params *p)
{
	*w = (struct dtls_worker){.ours = {.accept_sha1 = p->accept_sha1},
				  .lifetime_s = p->lifetime_s,
				  .first_ms = p->first_ms,
				  .cookie_ms = p->now_ms + DTLS_COOKIE_MS};
	if (RAND_bytes((unsigned char *)w->cookie_keys, sizeof(w->cookie_keys)) != 1 ||
	    !make_method(w) || !renew(w, p->wall_s)) {
		dtls_worker_release(w);
		return ERR_UNSUPPORTED;
	}
	return OK;
}

void dtls_worker_release(struct dtls_worker *w)
{
	CHECK(w->handshakes == 0);
	drop_listener(w);
	for (unsigned i = 0; i < DTLS_CERTS; i++) {
		cert_free(&w->certs[i]);
	}
	BIO_meth_free(w->bio_method);
	secret_wipe(w, sizeof(*w));
}

void dtls_worker_tick(struct dtls_worker *w, uint64_t now_ms, uint64_t wall_s)
{
	if (now_ms >= w->cookie_ms) {
		memcpy(w->cookie_keys[1], w->cookie_keys[0], sizeof(w->cookie_keys[0]));
		if (RAND_bytes(w->cookie_keys[0], sizeof(w->cookie_keys[0])) == 1) {
			w->cookie_ms = now_ms + DTLS_COOKIE_MS;
		}
	}
	if (wall_s >= w->renew_s && !renew(w, wall_s)) {
		w->renew_s = wall_s + 60; /* the old one will do until then */
	}
}

/* ---- one association */

void dtls_init(struct dtls *d, struct dtls_worker *w, enum dtls_role role, uint32_t generation)
{
	*d = (struct dtls){.worker = w, .role = (uint8_t)role, .generation = generation};
}

static void drop_ssl(struct dtls *d)
{
	if (d->ssl) {
		SSL_free(d->ssl);
		d->ssl = NULL;
		d->worker->handshakes--;
	}
}

static void forget(struct dtls *d)
{
	drop_ssl(d);
	secret_wipe(d->keys, sizeof(d->keys));
	memset(d->digests, 0, sizeof(d->digests));
	d->flight_len = d->bye_len = d->resends = 0;
	d->heard = false;
	d->failure = DTLS_FAILURE_NONE;
}

void dtls_release(struct dtls *d)
{
	drop_ssl(d);
	secret_wipe(d, sizeof(*d));
}

/* Traces nothing: the caller sees failure and state in the output. */
static void give_up(struct dtls *d, enum dtls_failure why, struct dtls_out *out)
{
	forget(d);
	out->failure = (uint8_t)why;
	d->tries++;
	d->state = d->role == DTLS_CLIENT && d->tries >= DTLS_TRIES ? DTLS_FAILED : DTLS_EMPTY;
}

void dtls_expect(struct dtls *d, const struct dtls_expect *e)
{
	d->expect = *e;
	if (d->state == DTLS_UP && !is_expected(d)) {
		forget(d);
		d->state = DTLS_EMPTY;
	}
}

bool dtls_is_proven(const struct dtls *d)
{
	return d->state == DTLS_UP && d->expect.count > 0;
}

static bool suite_of(unsigned long id, enum sdes_suite *out)
{
	static const struct {
		unsigned long id;
		enum sdes_suite suite;
	} suites[] = {
		{SRTP_AES128_CM_SHA1_80, SDES_AES_CM_128_HMAC_SHA1_80},
		{SRTP_AEAD_AES_128_GCM, SDES_AEAD_AES_128_GCM},
		{SRTP_AEAD_AES_256_GCM, SDES_AEAD_AES_256_GCM},
	};
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		if (suites[i].id == id) {
			*out = suites[i].suite;
			return true;
		}
	}
	return false;
}

static void join(struct secret *s, const uint8_t *key, size_t key_len, const uint8_t *salt,
		 size_t salt_len)
{
	memcpy(s->bytes, key, key_len);
	memcpy(s->bytes + key_len, salt, salt_len);
	s->len = key_len + salt_len;
}

/* RFC 5764 §4.2: client's key, server's key, client's salt, server's salt. */
static enum dtls_failure export_keys(struct dtls *d)
{
	static const char label[] = "EXTRACTOR-dtls_srtp";
	uint8_t block[KEY_BLOCK_MAX];
	enum sdes_suite suite;
	const SRTP_PROTECTION_PROFILE *p = SSL_get_selected_srtp_profile(d->ssl);
	if (!p || !suite_of(p->id, &suite)) {
		return DTLS_FAILURE_PROFILE;
	}
	const struct sdes_suite_info *info = sdes_suite_info(suite);
	const size_t k = info->key_len, s = info->salt_len;
	if (SSL_export_keying_material(d->ssl, block, 2 * (k + s), label, sizeof(label) - 1, NULL,
				       0, 0) != 1) {
		return DTLS_FAILURE_MEMORY;
	}
	const enum srtp_direction client = d->role == DTLS_CLIENT ? SRTP_TX : SRTP_RX;
	join(&d->keys[client], block, k, block + 2 * k, s);
	join(&d->keys[1 - client], block + k, k, block + 2 * k + s, s);
	secret_wipe(block, sizeof(block));
	d->suite = (uint8_t)suite;
	return DTLS_FAILURE_NONE;
}

/* What may still have to be said when the library's 80 KiB are gone: the last flight, and goodbye. */
static void keep_words(struct dtls *d, const struct dtls_out *out)
{
	if (d->role == DTLS_SERVER && out->count == 1 && out->len[0] <= sizeof(d->flight)) {
		memcpy(d->flight, out->bytes[0], out->len[0]);
		d->flight_len = (uint8_t)out->len[0];
	}
	struct dtls_out *bye = d->worker->out;
	const unsigned before = bye->count;
	(void)SSL_shutdown(d->ssl);
	if (bye->count == before + 1) {
		bye->count--;
		if (bye->len[before] <= sizeof(d->bye)) {
			memcpy(d->bye, bye->bytes[before], bye->len[before]);
			d->bye_len = (uint8_t)bye->len[before];
		}
	}
}

static void finish(struct dtls *d, struct dtls_out *out)
{
	enum dtls_failure failure = export_keys(d);
	/* What SDP names may have come to be known while the handshake went on. */
	if (failure == DTLS_FAILURE_NONE && d->expect.count > 0 && !is_expected(d)) {
		failure = DTLS_FAILURE_FINGERPRINT;
	}
	if (failure != DTLS_FAILURE_NONE) {
		give_up(d, failure, out);
		return;
	}
	keep_words(d, out);
	drop_ssl(d);
	d->state = DTLS_UP;
	d->tries = 0;
	out->up = true;
}

static uint64_t next_deadline(const struct dtls *d, uint64_t now_ms)
{
	struct timeval left;
	const uint64_t end = d->began_ms + DTLS_LIFE_MS;
	if (d->state != DTLS_HANDSHAKE) {
		return UINT64_MAX;
	}
	if (DTLSv1_get_timeout(d->ssl, &left) != 1) {
		return end;
	}
	const uint64_t at =
		now_ms + (uint64_t)left.tv_sec * 1000u + ((uint64_t)left.tv_usec + 999) / 1000;
	return at < end ? at : end;
}

/* One call into the library: everything that it may ask for lies in the worker. */
static void enter(struct dtls *d, const uint8_t *in, size_t len, struct dtls_out *out)
{
	struct dtls_worker *w = d->worker;
	w->asking = &d->peer;
	w->in = in;
	w->in_len = len;
	w->out = out;
	ERR_clear_error();
}

static void leave(struct dtls_worker *w)
{
	ERR_clear_error();
	w->asking = NULL;
	w->in = NULL;
	w->out = NULL;
}

static void begin_out(const struct dtls *d, struct dtls_out *out)
{
	out->to = d->peer;
	out->deadline_ms = UINT64_MAX;
	out->up = false;
	out->failure = DTLS_FAILURE_NONE;
	out->count = 0;
}

/* The handshake goes on as far as it can. */
static void shake(struct dtls *d, uint64_t now_ms, struct dtls_out *out)
{
	const int r = SSL_do_handshake(d->ssl);
	if (r == 1) {
		finish(d, out);
	} else {
		const int e = SSL_get_error(d->ssl, r);
		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) {
			give_up(d, d->failure ? d->failure : DTLS_FAILURE_PROTOCOL, out);
		}
	}
	out->deadline_ms = next_deadline(d, now_ms);
}

static void take_ssl(struct dtls *d, SSL *ssl, const struct addr *peer, uint64_t now_ms)
{
	d->ssl = ssl;
	d->worker->handshakes++;
	d->peer = *peer;
	d->began_ms = now_ms;
	d->state = DTLS_HANDSHAKE;
	SSL_set_app_data(ssl, d);
	DTLS_set_timer_cb(ssl, on_timer);
}

void dtls_start(struct dtls *d, const struct addr *to, uint64_t now_ms, struct dtls_out *out)
{
	CHECK(d->state == DTLS_EMPTY && d->role == DTLS_CLIENT);
	d->peer = *to;
	begin_out(d, out);
	SSL *ssl = new_ssl(d->worker, DTLS_CLIENT, d->generation);
	if (!ssl) {
		give_up(d, DTLS_FAILURE_MEMORY, out);
		return;
	}
	take_ssl(d, ssl, to, now_ms);
	enter(d, NULL, 0, out);
	shake(d, now_ms, out);
	leave(d->worker);
}

/* Type and length of the first record; false: no record of DTLS 1.0 to 1.2. */
static bool read_record(const uint8_t *p, size_t len, uint8_t *out_type, unsigned *out_epoch)
{
	/* Hellos say version 1.0 (0xfeff) or 1.2 (0xfefd). */
	if (len < RECORD_HEAD + 1 || p[1] != 0xfe || (p[2] != 0xff && p[2] != 0xfd)) {
		return false;
	}
	const size_t body = (size_t)p[11] << 8 | p[12];
	*out_type = p[0];
	*out_epoch = (unsigned)p[3] << 8 | p[4];
	return body > 0 && body <= len - RECORD_HEAD;
}

/* A hello that has to bring our cookie first: nothing is kept of it until it does. */
static SSL *listen_to(struct dtls *d, const struct addr *from, const uint8_t *p, size_t len,
		      struct dtls_out *out)
{
	struct dtls_worker *w = d->worker;
	if (w->listener && w->listener_generation != d->generation) {
		drop_listener(w);
	}
	if (!w->listener) {
		w->listener = new_ssl(w, DTLS_SERVER, d->generation);
		w->listener_generation = d->generation;
	}
	BIO_ADDR *client = BIO_ADDR_new();
	SSL *ssl = w->listener;
	if (!ssl || !client) {
		BIO_ADDR_free(client);
		return NULL;
	}
	enter(d, p, len, out);
	w->asking = from;
	const int r = DTLSv1_listen(ssl, client);
	BIO_ADDR_free(client);
	leave(w);
	if (r != 1) {
		return NULL;
	}
	w->listener = NULL;
	return ssl;
}

static bool is_hello(const uint8_t *p, size_t len, uint8_t type, unsigned epoch)
{
	return epoch == 0 && type == TYPE_HANDSHAKE && p[RECORD_HEAD] == HELLO &&
	       len >= RANDOM_AT + DTLS_RANDOM_LEN;
}

/* The client begins, or has lost what it began: the same one repeats its random. */
static enum pkt_fate take_hello(struct dtls *d, const struct addr *from, const uint8_t *p,
				size_t len, uint64_t now_ms, struct dtls_out *out)
{
	SSL *ssl;
	const uint8_t *in = p;
	out->to = *from;
	if (d->cookie) {
		ssl = listen_to(d, from, p, len, out);
		/* No cookie yet: it was told one. */
		if (!ssl) {
			return out->count > 0 ? FATE_OURS : FATE_DTLS_FOREIGN;
		}
		in = NULL; /* the library has kept the hello */
	} else {
		ssl = new_ssl(d->worker, DTLS_SERVER, d->generation);
		if (!ssl) {
			give_up(d, DTLS_FAILURE_MEMORY, out);
			return FATE_OURS;
		}
	}
	forget(d);
	take_ssl(d, ssl, from, now_ms);
	memcpy(d->random, p + RANDOM_AT, sizeof(d->random));
	enter(d, in, len, out);
	shake(d, now_ms, out);
	leave(d->worker);
	return FATE_OURS;
}

static bool may_speak(struct dtls *d, const struct addr *from)
{
	if (addr_eq(from, &d->peer)) {
		return true;
	}
	/* A hello of ours may be answered from behind another port. */
	if (!d->cookie || (d->role == DTLS_CLIENT && !d->heard)) {
		d->peer = *from;
		return true;
	}
	return false;
}

static enum pkt_fate up_step(struct dtls *d, const struct addr *from, uint8_t type,
			     struct dtls_out *out)
{
	if (d->cookie && !addr_eq(from, &d->peer)) {
		return FATE_SOURCE;
	}
	out->to = *from;
	/* The peer has not got our last flight. For one who has it is old by its record number. An alert is nothing to
	   us: what ends a call is signalling. */
	if (type == TYPE_HANDSHAKE && d->flight_len > 0 && d->resends < DTLS_RESENDS) {
		d->resends++;
		memcpy(out->bytes[0], d->flight, d->flight_len);
		out->len[0] = d->flight_len;
		out->count = 1;
	}
	return type == TYPE_DATA ? FATE_DTLS_FOREIGN : FATE_OURS;
}

static enum pkt_fate go_on(struct dtls *d, const struct addr *from, const uint8_t *p, size_t len,
			   uint64_t now_ms, struct dtls_out *out)
{
	if (!may_speak(d, from)) {
		return FATE_SOURCE;
	}
	d->heard = true;
	out->to = d->peer;
	enter(d, p, len, out);
	shake(d, now_ms, out);
	leave(d->worker);
	return FATE_OURS;
}

enum pkt_fate dtls_step(struct dtls *d, const struct addr *from, const uint8_t *p, size_t len,
			uint64_t now_ms, struct dtls_out *out)
{
	uint8_t type;
	unsigned epoch;
	begin_out(d, out);
	out->deadline_ms = next_deadline(d, now_ms);
	if (!read_record(p, len, &type, &epoch)) {
		return FATE_DTLS_FOREIGN;
	}
	const bool hello = is_hello(p, len, type, epoch);
	switch ((enum dtls_state)d->state) {
	case DTLS_EMPTY:
		return hello && d->role == DTLS_SERVER ? take_hello(d, from, p, len, now_ms, out)
						       : FATE_DTLS_FOREIGN;
	case DTLS_HANDSHAKE:
		if (hello && d->role == DTLS_SERVER && addr_eq(from, &d->peer) &&
		    memcmp(p + RANDOM_AT, d->random, sizeof(d->random)) != 0) {
			return take_hello(d, from, p, len, now_ms, out);
		}
		/* Anybody can write an alert in the clear: a handshake does not end by it. */
		return type == TYPE_ALERT && epoch == 0 ? FATE_DTLS_FOREIGN
							: go_on(d, from, p, len, now_ms, out);
	case DTLS_UP: return hello ? FATE_DTLS_FOREIGN : up_step(d, from, type, out);
	case DTLS_FAILED:
	case DTLS_STATE_COUNT: break;
	}
	return FATE_DTLS_FOREIGN;
}

bool dtls_is_dear(const struct dtls *d, const uint8_t *p, size_t len)
{
	uint8_t type;
	unsigned epoch;
	return d->state != DTLS_UP && read_record(p, len, &type, &epoch) &&
	       is_hello(p, len, type, epoch);
}

void dtls_tick(struct dtls *d, uint64_t now_ms, struct dtls_out *out)
{
	begin_out(d, out);
	if (d->state != DTLS_HANDSHAKE) {
		return;
	}
	if (now_ms >= d->began_ms + DTLS_LIFE_MS) {
		give_up(d, DTLS_FAILURE_TIMEOUT, out);
		return;
	}
	enter(d, NULL, 0, out);
	if (DTLSv1_handle_timeout(d->ssl) < 0) {
		give_up(d, DTLS_FAILURE_TIMEOUT, out);
	}
	leave(d->worker);
	out->deadline_ms = next_deadline(d, now_ms);
}

void dtls_bye(const struct dtls *d, struct dtls_out *out)
{
	begin_out(d, out);
	if (d->state == DTLS_UP && d->bye_len > 0) {
		memcpy(out->bytes[0], d->bye, d->bye_len);
		out->len[0] = d->bye_len;
		out->count = 1;
	}
}
