/*
 * ES256 (RFC 7518 §3.4): ECDSA over P-256 with SHA-256, its signature as 64 octets R‖S. Keys of another curve are not
 * taken. Beside crypto the one file of common/ that includes OpenSSL.
 */
#ifndef SALLYPORT_ES256_H
#define SALLYPORT_ES256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

enum { ES256_SIGNATURE_LEN = 64, ES256_PEM_MAX = 16 * 1024 };

struct es256_key;

/* The first private key of a PEM text. ERR_BAD: there is none, it needs a password, it is not of P-256; ERR_NOMEM. */
enum err es256_key_new(struct es256_key **out, struct str pem) MUST_USE;
/* A public key as certificates have it (DER, SubjectPublicKeyInfo). ERR_BAD, ERR_NOMEM. */
enum err es256_key_new_public(struct es256_key **out, const uint8_t *der, size_t len) MUST_USE;
/* Takes the key back; NULL is fine. */
void es256_key_free(struct es256_key **key);

/* ERR_NOMEM: nothing could be signed. `key` is a private one. */
enum err es256_sign(const struct es256_key *key, struct str text,
		    uint8_t out[ES256_SIGNATURE_LEN]) MUST_USE;
bool es256_verify(const struct es256_key *key, struct str text,
		  const uint8_t signature[ES256_SIGNATURE_LEN]);

#endif
