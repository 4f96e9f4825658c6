/* PASSporTs of any content, signed with the key of RFC 8225 Appendix A. */
#ifndef SALLYPORT_TESTS_STIR_H
#define SALLYPORT_TESTS_STIR_H

#include "common/buf.h"
#include "common/es256.h"

#define STIR_URL "https://cert.example.org/passport.cer"

extern const char stir_rfc_private_pem[];
/* Never used by anybody else: "the wrong key". */
extern const char stir_other_private_pem[];

/* base64url without padding. */
void stir_base64url(struct buf *b, struct str text);
/* HEADER.PAYLOAD.SIGNATURE of these two JSON texts. */
void stir_write_token(struct buf *b, const struct es256_key *key, const char *header,
		      const char *payload);
/* The same as an Identity value, with `;info=<STIR_URL>` and `more` behind it. */
void stir_write_identity(struct buf *b, const struct es256_key *key, const char *header,
			 const char *payload, const char *more);
/* A `shaken` one: from, to, since when, attested how. */
void stir_write_shaken(struct buf *b, const struct es256_key *key, const char *from, const char *to,
		       uint64_t iat_s, char attest);

#endif
