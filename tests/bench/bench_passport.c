/* STIR/SHAKEN: what a call costs that is signed, and one that is verified with a certificate that is there. */
#include <stdio.h>

#include "sbc/core/passport.h"
#include "tests/bench/run.h"

/* RFC 8225 Appendix A.1. */
static const char key_pem[] = "-----BEGIN EC PRIVATE KEY-----\n"
			      "MHcCAQEEIFeZ1R208QCvcu5GuYyMfG4W7sH4m99/7eHSDLpdYllFoAoGCCqGSM49\n"
			      "AwEHoUQDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH78YTU8qLS8I5HLHSSmlATLcs\n"
			      "lQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==\n"
			      "-----END EC PRIVATE KEY-----\n";

struct load {
	struct es256_key *key;
	struct passport_claims claims;
	char mem[PASSPORT_VALUE_MAX], input_mem[PASSPORT_VALUE_MAX], scratch_mem[PASSPORT_SCRATCH];
	struct buf value, input;
	struct passport read;
};

static void sign(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++) {
		uint8_t signature[ES256_SIGNATURE_LEN];
		buf_init(&l->input, l->input_mem, sizeof(l->input_mem));
		buf_init(&l->value, l->mem, sizeof(l->mem));
		passport_write_input(&l->input, &l->claims);
		CHECK(es256_sign(l->key, buf_view(&l->input), signature) == OK);
		passport_write(&l->value, &l->claims, buf_view(&l->input), signature);
	}
}

static void parse(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++) {
		struct buf scratch;
		buf_init(&scratch, l->scratch_mem, sizeof(l->scratch_mem));
		CHECK(passport_parse(buf_view(&l->value), &scratch, &l->read) == OK);
	}
}

static void verify(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++)
		CHECK(es256_verify(l->key, l->read.input, l->read.signature));
}

int main(void)
{
	static struct load l;

	l.claims = (struct passport_claims){.kind = PASSPORT_SHAKEN,
					    .x5u = STR("https://cert.example.net/sp.pem"),
					    .iat_s = 1700000000,
					    .attest = 'A',
					    .origid = STR("123e4567-e89b-12d3-a456-426655440000"),
					    .orig_tn = STR("12155551212"),
					    .dest_tn = {STR("12155551213")},
					    .dest_tn_count = 1};
	CHECK(es256_key_new(&l.key, str_from(key_pem)) == OK);
	bench("passport: made and signed", sign, &l);
	bench("passport: read", parse, &l);
	bench("passport: signature verified", verify, &l);
	es256_key_free(&l.key);
	return 0;
}
