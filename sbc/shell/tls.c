#include "tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/crypto.h"
#include "common/siphash.h"
#include "sbc/shell/tls_names.h"

/* Forward secrecy and authenticated encryption only (RFC 9325 §4.2); TLS 1.3 has nothing else. */
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERS_13 "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
/* P-256 must stay: a TLS 1.2 client's list also says which ECDSA keys it takes. */
#define GROUPS "X25519:P-256:P-384"

enum { PATH_TEXT_MAX = 4096, VERIFY_DEPTH = 8, CERT_LIST_MAX = 64 * 1024, SESSION_SECONDS = 3600 };

struct identity {
	X509 *leaf;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
	uint16_t min_version;
};

struct server {
	SSL_CTX *ctx; /* NULL: not a TLS listener */
	uint16_t realm;
	uint16_t certificate;
	const struct tls_set *set;
};

struct client {
	SSL_CTX *ctx;
	uint64_t trust;
};

/* By which name and which anchor a trunk is known. */
struct vouched {
	uint16_t realm;
	uint16_t anchor;
	struct tls_names *name; /* one name, or NULL: this trunk asks for none */
};

struct tls_set {
	struct identity *identities;
	size_t identity_count;
	X509_STORE **anchors; /* of settings->anchors; then one place more: the system's */
	size_t anchor_count;  /* without the system's */
	struct server *servers;
	size_t server_count;
	struct client *clients; /* of the trunks; then one more: no trunk */
	size_t client_count;
	struct vouched *vouched; /* of the trunks */
};

const char *tls_result_label(enum tls_result r)
{
	static const char *const labels[TLS_RESULT_COUNT] = {
#define X(name, label, help) label,
		TLS_RESULT_TABLE(X)
#undef X
	};
	CHECK(r < TLS_RESULT_COUNT);
	return labels[r];
}

/* ---- files ---- */

static enum err complain(struct buf *why, const char *what, struct str name)
{
	char text[256];
	unsigned long e = ERR_peek_last_error();
	ERR_error_string_n(e, text, sizeof(text));
	buf_printf(why, "%s: %.*s%s%s", what, STR_ARG(name), e ? ": " : "", e ? text : "");
	ERR_clear_error();
	return ERR_BAD;
}

static BIO *open_file(struct str path)
{
	char z[PATH_TEXT_MAX];
	return str_copy(path, z, sizeof(z)) == OK ? BIO_new_file(z, "r") : NULL;
}

static enum err load_chain(struct identity *id, struct str path)
{
	BIO *bio = open_file(path);
	if (!bio)
		return ERR_BAD;
	id->leaf = PEM_read_bio_X509(bio, NULL, crypto_no_password, NULL);
	id->chain = sk_X509_new_null();
	while (id->leaf && id->chain) {
		X509 *next = PEM_read_bio_X509(bio, NULL, crypto_no_password, NULL);
		if (!next)
			break;
		if (sk_X509_push(id->chain, next) == 0)
			X509_free(next);
	}
	BIO_free(bio);
	if (!id->leaf || !id->chain)
		return ERR_BAD;
	ERR_clear_error(); /* the end of the file */
	return OK;
}

static enum err load_identity(struct identity *id, const struct certificate *c, struct buf *why)
{
	id->min_version = c->min_version;
	if (load_chain(id, c->chain_path) != OK)
		return complain(why, "cannot read certificate chain", c->chain_path);
	BIO *bio = c->key_pem.len > 0 ? BIO_new_mem_buf(c->key_pem.p, (int)c->key_pem.len)
				      : open_file(c->key_path);
	if (bio)
		id->key = PEM_read_bio_PrivateKey(bio, NULL, crypto_no_password, NULL);
	BIO_free(bio);
	if (!id->key)
		return complain(why, "cannot read the key of certificate", c->name);
	if (X509_check_private_key(id->leaf, id->key) != 1)
		return complain(why, "the key does not belong to certificate", c->name);
	return OK;
}

static enum err load_anchor(X509_STORE **out, struct str path, struct buf *why)
{
	char z[PATH_TEXT_MAX];
	X509_STORE *store = X509_STORE_new();
	if (!store)
		return ERR_NOMEM;
	if (str_copy(path, z, sizeof(z)) != OK || X509_STORE_load_file(store, z) != 1) {
		X509_STORE_free(store);
		return complain(why, "cannot read trust anchor", path);
	}
	*out = store;
	return OK;
}

static X509_STORE *store_of(const struct tls_set *set, uint16_t anchor)
{
	return set->anchors[anchor < set->anchor_count ? anchor : set->anchor_count];
}

/* ---- who the peer is ---- */

/* Instead of OpenSSL's own check: the chain, then usage and name as SIP has them (RFC 5922, 5924). */
static int verify_peer(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	if (X509_verify_cert(store) != 1)
		return 0;
	X509 *leaf = X509_STORE_CTX_get0_cert(store);
	if (!tls_names_usage_ok(leaf)) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE);
		return 0;
	}
	const struct str *name = SSL_get_app_data(ssl);
	if (!SSL_is_server(ssl) && (!name || !tls_names_is_for(leaf, *name))) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
		return 0;
	}
	return 1;
}

static SSL_CTX *new_ctx(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	if (!ctx)
		return NULL;
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	bool ok =
		SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
		SSL_CTX_set_cipher_list(ctx, CIPHERS_12) == 1 &&
		SSL_CTX_set_ciphersuites(ctx, CIPHERS_13) == 1 &&
		SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
		/* SIP's domain certificates serve both ends (RFC 5922 §4): usage is checked in
		   * verify_peer. */
		X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY) == 1 &&
		/* What the operator names as an anchor is one, even if something above signed it. */
		X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN) == 1;
	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set_verify_depth(ctx, VERIFY_DEPTH);
	SSL_CTX_set_cert_verify_callback(ctx, verify_peer, NULL);
	SSL_CTX_set_max_cert_list(ctx, CERT_LIST_MAX);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* SIP frames itself by Content-Length: an end without close_notify cuts nothing unseen. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1); /* header and body of a record in one read */
	if (ok)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* ---- server ---- */

/* The host_name of the server_name extension (RFC 6066 §3). */
static struct str hello_name(SSL *ssl)
{
	const unsigned char *p;
	size_t n;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1 || n < 5 ||
	    p[2] != TLSEXT_NAMETYPE_host_name)
		return STR_NONE;
	size_t len = (size_t)p[3] << 8 | p[4];
	return len <= n - 5 ? (struct str){(const char *)p + 5, len} : STR_NONE;
}

/* The realm's certificate for this name; the listener's own when there is none. */
static const struct identity *choose(const struct server *server, struct str name)
{
	const struct tls_set *set = server->set;
	const struct identity *own = &set->identities[server->certificate];
	if (name.len == 0 || tls_names_serves(own->leaf, name))
		return own;
	for (size_t i = 0; i < set->server_count; i++) {
		const struct server *s = &set->servers[i];
		if (s->ctx && s->realm == server->realm &&
		    tls_names_serves(set->identities[s->certificate].leaf, name))
			return &set->identities[s->certificate];
	}
	return own;
}

/* Before the version and the cipher are chosen, so that each certificate has its own least version. */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	const struct identity *id = choose(arg, hello_name(ssl));
	SSL_certs_clear(ssl);
	if (SSL_use_cert_and_key(ssl, id->leaf, id->key, id->chain, 1) != 1 ||
	    SSL_set_min_proto_version(ssl, id->min_version) != 1)
		return SSL_CLIENT_HELLO_ERROR;
	return SSL_CLIENT_HELLO_SUCCESS;
}

static int verify_mode(enum client_certificate c)
{
	switch (c) {
	case CLIENT_CERT_OPTIONAL: return SSL_VERIFY_PEER;
	case CLIENT_CERT_REQUIRED: return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	case CLIENT_CERT_OFF:
	case CLIENT_CERT_COUNT: break;
	}
	return SSL_VERIFY_NONE;
}

static bool is_asked_for(const struct settings *s, size_t trunk)
{
	return trunk < s->policy.trunk_count && s->policy.trunks[trunk].certificate_name.len > 0;
}

/*
 * The anchors for clients on this listener. Their names are not sent as a hint (RFC 8446 §4.2.4 leaves that free):
 * whoever begins a handshake would read which authorities the inside has, before it has proven anything.
 */
static enum err add_client_anchors(SSL_CTX *ctx, const struct settings *s, const struct listener *l,
				   struct buf *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	for (size_t i = 0; i < l->client_anchor_count; i++) {
		char z[PATH_TEXT_MAX];
		struct str path = s->anchors[l->client_anchors[i]].path;
		if (str_copy(path, z, sizeof(z)) != OK || X509_STORE_load_file(store, z) != 1)
			return complain(why, "cannot read trust anchor", path);
	}
	if (l->client_anchor_count == 0 && SSL_CTX_set_default_verify_paths(ctx) != 1)
		ERR_clear_error(); /* a system without anchors: then nothing leads to one */
	return OK;
}

static enum err make_server(struct tls_set *set, const struct settings *s, size_t i,
			    struct buf *why)
{
	const struct listener *l = &s->listeners[i];
	struct server *out = &set->servers[i];
	if (!transport_is_secure(l->transport))
		return OK;
	if (l->certificate >= set->identity_count)
		return complain(why, "TLS listener without a certificate in realm",
				s->realms[l->realm].name);
	*out = (struct server){new_ctx(TLS_server_method()), l->realm, l->certificate, set};
	if (!out->ctx)
		return ERR_NOMEM;
	/* Who shows a certificate shows it each time: a ticket would carry it past its end, past a
	 * change of anchors, and without the chain that it came with. Other tickets are sealed with a
	 * key of this context alone: they are worth nothing at another listener or generation. */
	bool asks = l->client_certificate != CLIENT_CERT_OFF;
	SSL_CTX_set_num_tickets(out->ctx, asks ? 0 : 1);
	if (asks)
		SSL_CTX_set_options(out->ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_timeout(out->ctx, SESSION_SECONDS);
	SSL_CTX_set_client_hello_cb(out->ctx, on_client_hello, out);
	SSL_CTX_set_verify(out->ctx, verify_mode(l->client_certificate), NULL);
	if (l->client_certificate == CLIENT_CERT_OFF)
		return OK;
	return add_client_anchors(out->ctx, s, l, why);
}

SSL *tls_new_server(const struct tls_set *set, uint16_t listener)
{
	if (listener >= set->server_count || !set->servers[listener].ctx)
		return NULL;
	SSL *ssl = SSL_new(set->servers[listener].ctx);
	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}

/* ---- client ---- */

static uint64_t hash_str(uint64_t h, struct str s)
{
	struct siphash_key key = {{h, s.len}};
	return siphash(&key, s.p ? s.p : "", s.len);
}

static enum err make_client(struct tls_set *set, const struct settings *s, size_t i)
{
	const struct trunk *t = i < s->trunk_count ? &s->trunks[i] : NULL;
	uint16_t anchor = t ? t->verify : SETTINGS_NO_INDEX;
	uint16_t certificate = t ? t->certificate : SETTINGS_NO_INDEX;
	bool verify = !t || t->tls_verify;
	SSL_CTX *ctx = new_ctx(TLS_client_method());
	if (!ctx)
		return ERR_NOMEM;
	struct client *out = &set->clients[i];
	out->ctx = ctx;
	SSL_CTX_set1_cert_store(ctx, store_of(set, anchor));
	SSL_CTX_set_verify(ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	uint64_t trust = verify;
	trust = hash_str(trust, anchor < s->anchor_count ? s->anchors[anchor].path : STR("system"));
	if (certificate < set->identity_count) {
		const struct identity *id = &set->identities[certificate];
		if (SSL_CTX_use_cert_and_key(ctx, id->leaf, id->key, id->chain, 1) != 1 ||
		    SSL_CTX_set_min_proto_version(ctx, id->min_version) != 1)
			return ERR_NOMEM;
		trust = hash_str(trust, s->certificates[certificate].chain_path);
	}
	out->trust = trust;
	return OK;
}

SSL *tls_new_client(const struct tls_set *set, uint16_t trunk, const struct str *name)
{
	const struct client *c =
		&set->clients[trunk < set->client_count ? trunk : set->client_count];
	char host[TLS_NAME_LEN_MAX + 1];
	struct addr ip;
	SSL *ssl = SSL_new(c->ctx);
	if (!ssl)
		return NULL;
	SSL_set_connect_state(ssl);
	SSL_set_app_data(ssl, (void *)(uintptr_t)name);
	/* RFC 6066 §3: no addresses. */
	if (addr_parse_ip(*name, &ip) != OK && str_copy(*name, host, sizeof(host)) == OK &&
	    host[0] != '\0')
		(void)SSL_set_tlsext_host_name(ssl, host);
	return ssl;
}

uint64_t tls_trust(const struct tls_set *set, uint16_t trunk)
{
	return set->clients[trunk < set->client_count ? trunk : set->client_count].trust;
}

/* ---- the set ---- */

static enum err load_files(struct tls_set *set, const struct settings *s, struct buf *why)
{
	for (size_t i = 0; i < s->certificate_count; i++) {
		enum err e = load_identity(&set->identities[i], &s->certificates[i], why);
		if (e)
			return e;
	}
	for (size_t i = 0; i < s->anchor_count; i++) {
		enum err e = load_anchor(&set->anchors[i], s->anchors[i].path, why);
		if (e)
			return e;
	}
	X509_STORE *system = X509_STORE_new();
	set->anchors[s->anchor_count] = system;
	/* A system without anchors is no mistake: then nothing leads to one. */
	if (!system || X509_STORE_set_default_paths(system) != 1)
		ERR_clear_error();
	return system ? OK : ERR_NOMEM;
}

static enum err note_vouched(struct tls_set *set, const struct settings *s, size_t i)
{
	struct vouched *v = &set->vouched[i];
	*v = (struct vouched){s->trunks[i].realm, s->trunks[i].verify, NULL};
	if (!is_asked_for(s, i) || s->policy.trunks[i].certificate_name.len > TLS_NAME_LEN_MAX)
		return OK;
	struct str name = s->policy.trunks[i].certificate_name;
	v->name = calloc(1, sizeof(*v->name));
	if (!v->name)
		return ERR_NOMEM;
	memcpy(v->name->text, name.p, name.len);
	v->name->names[0] = (struct str){v->name->text, name.len};
	v->name->count = 1;
	return OK;
}

enum err tls_set_new(struct tls_set **out, const struct settings *s, struct buf *why)
{
	struct tls_set *set = calloc(1, sizeof(*set));
	if (!set)
		return ERR_NOMEM;
	set->identity_count = s->certificate_count;
	set->anchor_count = s->anchor_count;
	set->server_count = s->listener_count;
	set->client_count = s->trunk_count;
	set->identities = calloc(s->certificate_count + 1, sizeof(*set->identities));
	set->anchors = calloc(s->anchor_count + 1, sizeof(*set->anchors));
	set->servers = calloc(s->listener_count + 1, sizeof(*set->servers));
	set->clients = calloc(s->trunk_count + 1, sizeof(*set->clients));
	set->vouched = calloc(s->trunk_count + 1, sizeof(*set->vouched));
	enum err e = ERR_NOMEM;
	if (set->identities && set->anchors && set->servers && set->clients && set->vouched)
		e = load_files(set, s, why);
	for (size_t i = 0; !e && i < s->listener_count; i++)
		e = make_server(set, s, i, why);
	for (size_t i = 0; !e && i <= s->trunk_count; i++)
		e = make_client(set, s, i);
	for (size_t i = 0; !e && i < s->trunk_count; i++)
		e = note_vouched(set, s, i);
	if (e) {
		tls_set_free(&set);
		return e;
	}
	*out = set;
	return OK;
}

void tls_set_free(struct tls_set **p)
{
	struct tls_set *set = *p;
	if (!set)
		return;
	for (size_t i = 0; set->servers && i < set->server_count; i++) {
		/* A handshake in flight may still ask for its certificate: it fails instead. */
		if (set->servers[i].ctx)
			SSL_CTX_set_client_hello_cb(set->servers[i].ctx, NULL, NULL);
		SSL_CTX_free(set->servers[i].ctx);
	}
	for (size_t i = 0; set->clients && i <= set->client_count; i++)
		SSL_CTX_free(set->clients[i].ctx);
	for (size_t i = 0; set->vouched && i < set->client_count; i++)
		free(set->vouched[i].name);
	for (size_t i = 0; set->anchors && i <= set->anchor_count; i++)
		X509_STORE_free(set->anchors[i]);
	for (size_t i = 0; set->identities && i < set->identity_count; i++) {
		X509_free(set->identities[i].leaf);
		sk_X509_pop_free(set->identities[i].chain, X509_free);
		EVP_PKEY_free(set->identities[i].key);
	}
	free(set->identities);
	free(set->anchors);
	free(set->servers);
	free(set->clients);
	free(set->vouched);
	free(set);
	*p = NULL;
}

int64_t tls_certificate_end(const struct tls_set *set, size_t certificate)
{
	struct tm tm;
	if (certificate >= set->identity_count ||
	    ASN1_TIME_to_tm(X509_get0_notAfter(set->identities[certificate].leaf), &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm);
}

/* ---- outcomes ---- */

static enum tls_result of_verify(long verify)
{
	switch (verify) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID: return TLS_RESULT_EXPIRED;
	case X509_V_ERR_HOSTNAME_MISMATCH: return TLS_RESULT_NAME;
	default: return TLS_RESULT_UNTRUSTED;
	}
}

static enum tls_result of_reason(int reason, SSL *ssl)
{
	switch (reason) {
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
	case SSL_R_PACKET_LENGTH_TOO_LONG: return TLS_RESULT_PLAIN;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_VERSION_TOO_HIGH:
	case SSL_R_UNKNOWN_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: return TLS_RESULT_VERSION;
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: return TLS_RESULT_CIPHER;
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return TLS_RESULT_NO_CERTIFICATE;
	case SSL_R_CERTIFICATE_VERIFY_FAILED: return of_verify(SSL_get_verify_result(ssl));
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: return TLS_RESULT_REFUSED;
	case SSL_R_UNEXPECTED_EOF_WHILE_READING: return TLS_RESULT_CLOSED;
	default: return TLS_RESULT_BROKEN;
	}
}

enum tls_result tls_failure(SSL *ssl, struct buf *why)
{
	unsigned long e = ERR_peek_error();
	enum tls_result r = TLS_RESULT_CLOSED;
	if (e != 0 && ERR_GET_LIB(e) == ERR_LIB_SSL)
		r = of_reason(ERR_GET_REASON(e), ssl);
	else if (e != 0)
		r = TLS_RESULT_BROKEN;
	long verify = SSL_get_verify_result(ssl);
	const char *reason = e ? ERR_reason_error_string(e) : "connection closed";
	buf_z(why, reason ? reason : "unknown");
	if (verify != X509_V_OK) {
		buf_lit(why, ": ");
		buf_z(why, X509_verify_cert_error_string(verify));
	}
	ERR_clear_error();
	return r;
}

/* Does the peer's certificate lead to this one anchor? */
static bool leads_to(const struct tls_set *set, uint16_t anchor, SSL *ssl, X509 *leaf)
{
	X509_STORE_CTX *store = X509_STORE_CTX_new();
	bool ok = store &&
		  X509_STORE_CTX_init(store, store_of(set, anchor), leaf,
				      SSL_get_peer_cert_chain(ssl)) == 1 &&
		  X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(store),
					      X509_V_FLAG_PARTIAL_CHAIN) == 1 &&
		  X509_verify_cert(store) == 1;
	X509_STORE_CTX_free(store);
	ERR_clear_error();
	return ok;
}

/* A name of a trunk counts only under that trunk's anchor: one carrier's own authority may not make
 * certificates for another carrier. */
static bool is_vouched(const struct tls_set *set, uint16_t realm, struct str name, SSL *ssl,
		       X509 *leaf)
{
	bool asked = false;
	for (size_t i = 0; i < set->client_count; i++) {
		const struct vouched *v = &set->vouched[i];
		if (v->realm != realm || !v->name || !tls_names_has(v->name, name))
			continue;
		if (leads_to(set, v->anchor, ssl, leaf))
			return true;
		asked = true;
	}
	return !asked;
}

struct tls_facts *tls_facts_new(const struct tls_set *set, uint16_t realm, SSL *ssl)
{
	struct tls_names names = {.count = 0};
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	bool verified = leaf && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
			SSL_get_verify_result(ssl) == X509_V_OK;
	if (verified)
		tls_names_init(&names, leaf);
	struct tls_facts *f = calloc(1, sizeof(*f) + names.text_len);
	if (!f)
		return NULL;
	const char *cipher = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl));
	f->version = str_from(SSL_get_version(ssl));
	f->cipher = str_from(cipher ? cipher : "");
	f->verified = verified;
	char *to = (char *)(f + 1);
	for (size_t i = 0; i < names.count; i++) {
		if (SSL_is_server(ssl) && !is_vouched(set, realm, names.names[i], ssl, leaf))
			continue;
		memcpy(to, names.names[i].p, names.names[i].len);
		f->names[f->name_count++] = (struct str){to, names.names[i].len};
		to += names.names[i].len;
	}
	return f;
}
