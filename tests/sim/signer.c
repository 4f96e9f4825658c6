#include "signer.h"

#include "common/check.h"
#include "common/es256.h"
#include "sbc/core/passport.h"

/* RFC 8225 Appendix A.1. */
static const char pem[] = "-----BEGIN EC PRIVATE KEY-----\n"
			  "MHcCAQEEIFeZ1R208QCvcu5GuYyMfG4W7sH4m99/7eHSDLpdYllFoAoGCCqGSM49\n"
			  "AwEHoUQDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH78YTU8qLS8I5HLHSSmlATLcs\n"
			  "lQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==\n"
			  "-----END EC PRIVATE KEY-----\n";

/* One for the whole program. */
static const struct es256_key *key(void)
{
	static struct es256_key *k;

	if (!k)
		CHECK(es256_key_new(&k, str_from(pem)) == OK);
	return k;
}

const struct credential *signer_credential(void)
{
	static const struct credential_list all = {.given = false};
	static struct credential c;

	c = (struct credential){.key = key(), .to_s = UINT64_MAX, .list = &all};
	return &c;
}

void signer_write(struct buf *b, const char *from, const char *to, uint64_t wall_s, bool good)
{
	struct passport_claims c = {.kind = PASSPORT_SHAKEN,
				    .x5u = STR("https://cert.canary0.example/sp.pem"),
				    .iat_s = wall_s,
				    .attest = 'A',
				    .origid = STR("1"),
				    .orig_tn = str_from(from),
				    .dest_tn = {str_from(to)},
				    .dest_tn_count = 1};
	char mem[2048];
	struct buf input;
	uint8_t signature[ES256_SIGNATURE_LEN] = {1};

	buf_init(&input, mem, sizeof(mem));
	passport_write_input(&input, &c);
	if (good)
		CHECK(es256_sign(key(), buf_view(&input), signature) == OK);
	buf_lit(b, "Identity: ");
	passport_write(b, &c, buf_view(&input), signature);
	buf_lit(b, "\r\n");
}
