#include "tests/support/stir.h"

#include <stdio.h>

#include "common/check.h"

/* RFC 8225 Appendix A.1. */
const char stir_rfc_private_pem[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"MHcCAQEEIFeZ1R208QCvcu5GuYyMfG4W7sH4m99/7eHSDLpdYllFoAoGCCqGSM49\n"
	"AwEHoUQDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH78YTU8qLS8I5HLHSSmlATLcs\n"
	"lQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==\n"
	"-----END EC PRIVATE KEY-----\n";
/* Ours, made for these tests. */
const char stir_other_private_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6aNvadiUA2xxQi3M\n"
	"WoOgTikXoVEJg2zOrLDN0sTsMoihRANCAASLHyvBCR+DQOKSdqLysZ7QPETuxuyI\n"
	"E+lsl1TlYdWw+W9ab7CZXXGHRAQL68/7RieJnH+zGMAo9HH9/E7u7fkZ\n"
	"-----END PRIVATE KEY-----\n";

void stir_base64url(struct buf *b, struct str text)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0;
	uint32_t v = 0;

	for (size_t i = 0; i < text.len; i++) {
		v = v << 8 | (uint8_t)text.p[i];
		for (bits += 8; bits >= 6; bits -= 6)
			buf_char(b, set[v >> (bits - 6) & 63]);
	}
	if (bits)
		buf_char(b, set[v << (6 - bits) & 63]);
}

void stir_write_token(struct buf *b, const struct es256_key *key, const char *header,
		      const char *payload)
{
	uint8_t signature[ES256_SIGNATURE_LEN];
	size_t at = b->len;

	stir_base64url(b, str_from(header));
	buf_char(b, '.');
	stir_base64url(b, str_from(payload));
	CHECK(!b->overflow);
	CHECK(es256_sign(key, (struct str){b->p + at, b->len - at}, signature) == OK);
	buf_char(b, '.');
	stir_base64url(b, (struct str){(const char *)signature, sizeof(signature)});
}

void stir_write_identity(struct buf *b, const struct es256_key *key, const char *header,
			 const char *payload, const char *more)
{
	stir_write_token(b, key, header, payload);
	buf_z(b, ";info=<" STIR_URL ">");
	buf_z(b, more);
}

void stir_write_shaken(struct buf *b, const struct es256_key *key, const char *from, const char *to,
		       uint64_t iat_s, char attest)
{
	char payload[512];

	snprintf(payload, sizeof(payload),
		 "{\"attest\":\"%c\",\"dest\":{\"tn\":[\"%s\"]},\"iat\":%llu,"
		 "\"orig\":{\"tn\":\"%s\"},\"origid\":\"123e4567-e89b-12d3-a456-426655440000\"}",
		 attest, to, (unsigned long long)iat_s, from);
	stir_write_identity(b, key,
			    "{\"alg\":\"ES256\",\"ppt\":\"shaken\",\"typ\":\"passport\",\"x5u\":"
			    "\"" STIR_URL "\"}",
			    payload, ";alg=ES256;ppt=\"shaken\"");
}
