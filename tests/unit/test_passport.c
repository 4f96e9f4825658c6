#include "sbc/core/passport.h"

#include <stdio.h>

#include "tests/support/check.h"
#include "tests/support/guard.h"
#include "tests/support/stir.h"

#define PLAIN_HEAD                                                                                 \
	"{\"alg\":\"ES256\",\"typ\":\"passport\",\"x5u\":\"https://cert.example.org/"              \
	"passport.cer\"}"
#define SHAKEN_HEAD                                                                                \
	"{\"alg\":\"ES256\",\"ppt\":\"shaken\",\"typ\":\"passport\",\"x5u\":\"" STIR_URL "\"}"
#define DIV_HEAD "{\"alg\":\"ES256\",\"ppt\":\"div\",\"typ\":\"passport\",\"x5u\":\"" STIR_URL "\"}"
#define PLAIN                                                                                      \
	"{\"dest\":{\"uri\":[\"sip:alice@example.com\"]},\"iat\":1471375418,\"orig\":{\"tn\":"     \
	"\"12155551212\"}}"
#define SHAKEN                                                                                     \
	"{\"attest\":\"A\",\"dest\":{\"tn\":[\"12155551213\"]},\"iat\":1443208345,"                \
	"\"orig\":{\"tn\":\"12155551212\"},\"origid\":\"123e4567-e89b-12d3-a456-426655440000\"}"
/* RFC 8225 Appendix A. */
#define RFC_INPUT                                                                                  \
	"eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9j"                         \
	"ZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9."                                                \
	"eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI"                          \
	"6MTQ3MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEyMTU1NTUxMjEyIn19"
#define RFC_SIGNATURE                                                                              \
	"VLBCIVDCaeK6M4hLJb6SHQvacAQVvoiiEOWQ_iUqkk79UD81fHQ0E1b3_GluIkba7UWYRM47ZbNFdOJquE35cw"

static struct guard guard;
static struct es256_key *rfc, *other;

struct reading {
	char mem[PASSPORT_SCRATCH];
	struct buf scratch;
	struct passport p;
};

static enum err read_value(struct reading *r, struct str value)
{
	buf_init(&r->scratch, r->mem, sizeof(r->mem));
	memset(&r->p, 0, sizeof(r->p));
	return passport_parse(guard_put(&guard, value), &r->scratch, &r->p);
}

static enum err read_z(struct reading *r, const char *value)
{
	return read_value(r, str_from(value));
}

/*
 * RFC 8225 Appendix A prints a signature that no key printed there fits; the draft before it (draft-ietf-stir-passport-09,
 * Appendix A) has one that fits its key, over a payload whose iat is a text, which we would not read.
 */
static void the_example_of_the_draft_verifies_and_that_of_the_rfc_is_read(void **state)
{
	(void)state;
	struct str input = STR("eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9j"
			       "ZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9."
			       "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI"
			       "6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoiMTIxNTU1NTEyMTIifX0");
	/* rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w */
	uint8_t signature[ES256_SIGNATURE_LEN];
	struct reading r;

	EXPECT_ERR(
		str_to_hex(STR("aeade98d3d61a11c1a9041a31c29d64b0527b21774fb327a17554e8055928c70"
			       "6bf108e98e593e729158a4562ca23342a53ccedd07cf3a572419a4ba844724ef"),
			   signature, sizeof(signature)),
		OK);
	EXPECT_TRUE(es256_verify(rfc, input, signature));
	EXPECT_TRUE(!es256_verify(other, input, signature));
	signature[40] ^= 1;
	EXPECT_TRUE(!es256_verify(rfc, input, signature));

	EXPECT_ERR(read_z(&r, RFC_INPUT "." RFC_SIGNATURE ";info=<" STIR_URL ">;alg=ES256"), OK);
	EXPECT_Z(r.p.input, RFC_INPUT);
	EXPECT_Z(r.p.claims.x5u, STIR_URL);
	EXPECT_Z(r.p.claims.orig_tn, "12155551212");
	EXPECT_INT(r.p.claims.dest_uri_count, 1);
	EXPECT_Z(r.p.claims.dest_uri[0], "sip:alice@example.com");
	EXPECT_U64(r.p.claims.iat_s, 1471375418);
}

static void what_we_sign_is_in_the_order_of_rfc_8225(void **state)
{
	(void)state;
	char mem[1024];
	struct buf b;
	struct passport_claims c = {.kind = PASSPORT_PLAIN,
				    .x5u = STR(STIR_URL),
				    .iat_s = 1471375418,
				    .orig_tn = STR("12155551212"),
				    .dest_uri = {STR("sip:alice@example.com")},
				    .dest_uri_count = 1};

	buf_init(&b, mem, sizeof(mem));
	passport_write_input(&b, &c);
	EXPECT_Z(buf_view(&b), RFC_INPUT);
}

static void what_we_write_we_read_again(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct passport_claims c;
		const char *payload;
	} rows[] = {
		{"a plain one",
		 {.kind = PASSPORT_PLAIN,
		  .x5u = STR(STIR_URL),
		  .iat_s = 1471375418,
		  .orig_tn = STR("12155551212"),
		  .dest_uri = {STR("sip:alice@example.com")},
		  .dest_uri_count = 1},
		 PLAIN},
		{"shaken",
		 {.kind = PASSPORT_SHAKEN,
		  .x5u = STR(STIR_URL),
		  .iat_s = 1443208345,
		  .attest = 'A',
		  .origid = STR("123e4567-e89b-12d3-a456-426655440000"),
		  .orig_tn = STR("12155551212"),
		  .dest_tn = {STR("12155551213")},
		  .dest_tn_count = 1},
		 SHAKEN},
		{"div",
		 {.kind = PASSPORT_DIV,
		  .x5u = STR(STIR_URL),
		  .iat_s = 1443208345,
		  .orig_tn = STR("12155551212"),
		  .dest_tn = {STR("12155551214")},
		  .dest_tn_count = 1,
		  .div_tn = STR("12155551213")},
		 "{\"dest\":{\"tn\":[\"12155551214\"]},\"div\":{\"tn\":\"12155551213\"},\"iat\":"
		 "1443208345,"
		 "\"orig\":{\"tn\":\"12155551212\"}}"},
	};

	CHECK_TABLE(row, rows)
	{
		char mem[2048], want_mem[1024], whole_mem[2048];
		struct buf b, want, whole;
		uint8_t signature[ES256_SIGNATURE_LEN];
		struct reading r;
		buf_init(&b, mem, sizeof(mem));
		buf_init(&want, want_mem, sizeof(want_mem));
		buf_init(&whole, whole_mem, sizeof(whole_mem));
		passport_write_input(&b, &row->c);
		size_t dot = str_index(buf_view(&b), '.');
		stir_base64url(&want, str_from(row->payload));
		EXPECT_STR(str_from_offset(buf_view(&b), dot + 1), buf_view(&want));
		EXPECT_ERR(es256_sign(rfc, buf_view(&b), signature), OK);
		passport_write(&whole, &row->c, buf_view(&b), signature);
		EXPECT_ERR(read_value(&r, buf_view(&whole)), OK);
		EXPECT_STR(r.p.input, buf_view(&b));
		EXPECT_INT(r.p.claims.kind, row->c.kind);
		EXPECT_INT(r.p.claims.attest, row->c.attest);
		EXPECT_STR(r.p.claims.orig_tn, row->c.orig_tn);
		EXPECT_STR(r.p.claims.div_tn, row->c.div_tn);
		EXPECT_STR(r.p.claims.origid, row->c.origid);
		EXPECT_TRUE(es256_verify(rfc, r.p.input, r.p.signature));
	}
}

static void an_identity_header_is_read_as_strictly_as_what_it_says_matters(void **state)
{
	(void)state;
	static const struct {
		const char *name, *head, *payload, *more;
		enum err want;
	} rows[] = {
		{"shaken", SHAKEN_HEAD, SHAKEN, ";alg=ES256;ppt=\"shaken\"", OK},
		{"shaken, parameters as tokens and of any case", SHAKEN_HEAD, SHAKEN,
		 " ; ALG = ES256 ; PPT=shaken", OK},
		{"parameters left out", SHAKEN_HEAD, SHAKEN, "", OK},
		{"unknown parameters", SHAKEN_HEAD, SHAKEN, ";alg=ES256;canon=abc;x", OK},
		{"white space in the JSON, members in another order",
		 "{ \"typ\" : \"passport\",\n\"x5u\":\"" STIR_URL "\", \"alg\":\"ES256\" }",
		 "{\"orig\":{\"tn\":\"1\"},\t\"iat\":5 ,\"dest\":{\"tn\":[\"2\",\"3\"]}}", "", OK},
		{"members that we do not know", PLAIN_HEAD,
		 "{\"mky\":[{\"a\":[1,2,{}],\"b\":null},true,-1.5e+3],\"dest\":{\"tn\":[\"2\"],"
		 "\"x\":{}},\"iat\":5,"
		 "\"orig\":{\"tn\":\"1\"},\"rcd\":{\"nam\":\"Q\\u00fc\\ud83d\\ude00\"}}",
		 "", OK},
		{"ppt of the header is not that of the token", SHAKEN_HEAD, SHAKEN, ";ppt=div",
		 ERR_BAD},
		{"alg of the header is not that of the token", SHAKEN_HEAD, SHAKEN, ";alg=RS256",
		 ERR_BAD},
		{"ppt twice", SHAKEN_HEAD, SHAKEN, ";ppt=shaken;ppt=shaken", ERR_BAD},
		{"info twice", SHAKEN_HEAD, SHAKEN, ";info=<https://a.example/>", ERR_BAD},
		{"a claim twice", PLAIN_HEAD,
		 "{\"dest\":{\"tn\":[\"2\"]},\"iat\":5,\"orig\":{\"tn\":\"1\"},\"orig\":{\"tn\":"
		 "\"9\"}}",
		 "", ERR_BAD},
		{"x5u twice",
		 "{\"alg\":\"ES256\",\"typ\":\"passport\",\"x5u\":\"" STIR_URL
		 "\",\"x5u\":\"https://b/\"}",
		 PLAIN, "", ERR_BAD},
		{"typ is another", "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"x5u\":\"" STIR_URL "\"}",
		 PLAIN, "", ERR_BAD},
		{"something that must be understood (RFC 7515 4.1.11)",
		 "{\"alg\":\"ES256\",\"b64\":false,\"crit\":[\"b64\"],\"typ\":\"passport\","
		 "\"x5u\":\"" STIR_URL "\"}",
		 PLAIN, "", ERR_BAD},
		{"no x5u", "{\"alg\":\"ES256\",\"typ\":\"passport\"}", PLAIN, "", ERR_BAD},
		{"no iat", PLAIN_HEAD, "{\"dest\":{\"tn\":[\"2\"]},\"orig\":{\"tn\":\"1\"}}", "",
		 ERR_BAD},
		{"no dest", PLAIN_HEAD, "{\"iat\":5,\"orig\":{\"tn\":\"1\"}}", "", ERR_BAD},
		{"dest of nobody", PLAIN_HEAD,
		 "{\"dest\":{\"tn\":[]},\"iat\":5,\"orig\":{\"tn\":\"1\"}}", "", ERR_BAD},
		{"orig is a number and a URI", PLAIN_HEAD,
		 "{\"dest\":{\"tn\":[\"2\"]},\"iat\":5,\"orig\":{\"tn\":\"1\",\"uri\":\"sip:a@b\"}"
		 "}",
		 "", ERR_BAD},
		{"iat as text", PLAIN_HEAD,
		 "{\"dest\":{\"tn\":[\"2\"]},\"iat\":\"5\",\"orig\":{\"tn\":\"1\"}}", "", ERR_BAD},
		{"iat below zero", PLAIN_HEAD,
		 "{\"dest\":{\"tn\":[\"2\"]},\"iat\":-5,\"orig\":{\"tn\":\"1\"}}", "", ERR_BAD},
		{"iat beyond 2^53", PLAIN_HEAD,
		 "{\"dest\":{\"tn\":[\"2\"]},\"iat\":99999999999999999,\"orig\":{\"tn\":\"1\"}}",
		 "", ERR_BAD},
		{"shaken without attest", SHAKEN_HEAD,
		 "{\"dest\":{\"tn\":[\"2\"]},\"iat\":5,\"orig\":{\"tn\":\"1\"},\"origid\":\"x\"}",
		 "", ERR_BAD},
		{"attest D", SHAKEN_HEAD,
		 "{\"attest\":\"D\",\"dest\":{\"tn\":[\"2\"]},\"iat\":5,\"orig\":{\"tn\":\"1\"},"
		 "\"origid\":\"x\"}",
		 "", ERR_BAD},
		{"div without div", DIV_HEAD,
		 "{\"dest\":{\"tn\":[\"2\"]},\"iat\":5,\"orig\":{\"tn\":\"1\"}}", "", ERR_BAD},
		{"nine numbers called", PLAIN_HEAD,
		 "{\"dest\":{\"tn\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]},"
		 "\"iat\":5,"
		 "\"orig\":{\"tn\":\"1\"}}",
		 "", ERR_LIMIT},
		{"nested too deep", PLAIN_HEAD,
		 "{\"x\":[[[[[[[[[[]]]]]]]]]],\"dest\":{\"tn\":[\"2\"]},\"iat\":5,\"orig\":{\"tn\":"
		 "\"1\"}}",
		 "", ERR_LIMIT},
		{"a comma too many", PLAIN_HEAD,
		 "{\"dest\":{\"tn\":[\"2\"]},\"iat\":5,\"orig\":{\"tn\":\"1\"},}", "", ERR_BAD},
		{"rubbish behind the payload", PLAIN_HEAD, PLAIN "x", "", ERR_BAD},
		{"a NUL in a text", PLAIN_HEAD,
		 "{\"dest\":{\"tn\":[\"2\"]},\"iat\":5,\"orig\":{\"tn\":\"1\\u0000\"}}", "",
		 ERR_BAD},
		{"half a surrogate pair", PLAIN_HEAD,
		 "{\"dest\":{\"tn\":[\"2\"]},\"iat\":5,\"orig\":{\"tn\":\"1\\ud83d\"}}", "",
		 ERR_BAD},
		{"no object", PLAIN_HEAD, "[]", "", ERR_BAD},
		{"nothing", PLAIN_HEAD, "", "", ERR_BAD},
	};

	CHECK_TABLE(row, rows)
	{
		char mem[4096];
		struct buf b;
		struct reading r;
		buf_init(&b, mem, sizeof(mem));
		stir_write_identity(&b, rfc, row->head, row->payload, row->more);
		EXPECT_ERR(read_value(&r, buf_view(&b)), row->want);
	}
}

static void what_is_not_for_us_is_told_apart_from_what_is_broken(void **state)
{
	(void)state;
	char mem[2048];
	struct buf b;
	struct reading r;

	buf_init(&b, mem, sizeof(mem));
	stir_write_identity(&b, rfc,
			    "{\"alg\":\"ES256\",\"ppt\":\"rcd\",\"typ\":\"passport\",\"x5u\":"
			    "\"" STIR_URL "\"}",
			    "{\"none\":\"of our business\"}", "");
	EXPECT_ERR(read_value(&r, buf_view(&b)), OK);
	EXPECT_INT(r.p.claims.kind, PASSPORT_OTHER);

	buf_reset(&b);
	stir_write_identity(&b, rfc,
			    "{\"alg\":\"RS256\",\"typ\":\"passport\",\"x5u\":\"" STIR_URL "\"}",
			    PLAIN, "");
	EXPECT_ERR(read_value(&r, buf_view(&b)), OK);
	EXPECT_TRUE(r.p.bad_alg);

	buf_reset(&b);
	stir_write_token(&b, rfc, PLAIN_HEAD, PLAIN);
	buf_lit(&b, ";info=<https://evil.example/x.cer>");
	EXPECT_ERR(read_value(&r, buf_view(&b)), OK);
	EXPECT_TRUE(r.p.info_differs);
}

static void the_header_itself_may_be_broken_in_many_ways(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value;
	} rows[] = {
		{"nothing", ""},
		{"no parameters", RFC_INPUT "." RFC_SIGNATURE},
		{"no info", RFC_INPUT "." RFC_SIGNATURE ";alg=ES256"},
		{"info without brackets", RFC_INPUT "." RFC_SIGNATURE ";info=" STIR_URL},
		{"no signature", RFC_INPUT ";info=<" STIR_URL ">"},
		{"an empty signature", RFC_INPUT ".;info=<" STIR_URL ">"},
		{"a signature cut short", RFC_INPUT ".VLBCIVDC;info=<" STIR_URL ">"},
		{"padding", RFC_INPUT "." RFC_SIGNATURE "==;info=<" STIR_URL ">"},
		{"another alphabet",
		 "eyJhbGciOiJFUzI1NiIs+/." RFC_SIGNATURE ";info=<" STIR_URL ">"},
		{"four pieces", RFC_INPUT "." RFC_SIGNATURE ".x;info=<" STIR_URL ">"},
		{"a header that is empty", ".e30." RFC_SIGNATURE ";info=<" STIR_URL ">"},
		{"compact, no signature", "..;info=<" STIR_URL ">"},
	};

	CHECK_TABLE(row, rows)
	{
		struct reading r;
		EXPECT_TRUE(read_z(&r, row->value) != OK);
	}
}

static void a_long_value_is_a_limit(void **state)
{
	(void)state;
	static char big[PASSPORT_VALUE_MAX + 2];
	struct reading r;

	memset(big, 'a', sizeof(big) - 1);
	EXPECT_ERR(read_z(&r, big), ERR_LIMIT);
}

static void the_compact_form_is_filled_in_from_the_request(void **state)
{
	(void)state;
	struct passport_claims from = {.iat_s = 1471375418,
				       .orig_tn = STR("12155551212"),
				       .dest_uri = {STR("sip:alice@example.com")},
				       .dest_uri_count = 1};
	uint8_t signature[ES256_SIGNATURE_LEN];
	char mem[1024], value_mem[256];
	struct buf b, value;
	struct reading r;

	EXPECT_ERR(es256_sign(rfc, STR(RFC_INPUT), signature), OK);
	buf_init(&value, value_mem, sizeof(value_mem));
	buf_lit(&value, "..");
	stir_base64url(&value, (struct str){(const char *)signature, sizeof(signature)});
	buf_lit(&value, ";info=<" STIR_URL ">;alg=ES256");
	EXPECT_ERR(read_value(&r, buf_view(&value)), OK);
	EXPECT_TRUE(r.p.compact);
	buf_init(&b, mem, sizeof(mem));
	EXPECT_ERR(passport_expand(&r.p, &from, &b), OK);
	EXPECT_Z(r.p.input, RFC_INPUT);
	EXPECT_TRUE(es256_verify(rfc, r.p.input, r.p.signature));
	from.iat_s++;
	EXPECT_ERR(passport_expand(&r.p, &from, &b), OK);
	EXPECT_TRUE(!es256_verify(rfc, r.p.input, r.p.signature));
	/* Nobody can guess attest and origid. */
	EXPECT_ERR(read_z(&r, ".." RFC_SIGNATURE ";info=<" STIR_URL ">;ppt=shaken"), OK);
	EXPECT_ERR(passport_expand(&r.p, &from, &b), ERR_BAD);
}

static void a_number_is_digits_and_nothing_else(void **state)
{
	(void)state;
	static const struct {
		const char *name, *number, *want; /* NULL: none */
	} rows[] = {
		{"E.164", "+12155551212", "12155551212"},
		{"without +", "12155551212", "12155551212"},
		{"visual separators", "+1 (215) 555-12.12", "12155551212"},
		{"a service number", "*69#", "*69#"},
		{"a name", "alice", NULL},
		{"a name with digits", "a1", NULL},
		{"a + in the middle", "12+15", NULL},
		{"nothing", "", NULL},
		{"only separators", "()-", NULL},
		{"33 digits", "123456789012345678901234567890123", NULL},
		{"32 digits", "12345678901234567890123456789012",
		 "12345678901234567890123456789012"},
	};

	CHECK_TABLE(row, rows)
	{
		char mem[64];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		bool good = passport_write_tn(&b, str_from(row->number));
		EXPECT_TRUE(good == (row->want != NULL));
		if (good)
			EXPECT_Z(buf_view(&b), row->want);
	}
	struct passport_claims c = {.orig_tn = STR("+1-215-555-1212"),
				    .dest_tn = {STR("1"), STR("+2")},
				    .dest_tn_count = 2};
	EXPECT_TRUE(passport_is_from(&c, STR("12155551212")));
	EXPECT_TRUE(!passport_is_from(&c, STR("12155551213")));
	EXPECT_TRUE(!passport_is_from(&c, STR_NONE));
	EXPECT_TRUE(passport_is_to(&c, STR("2")) && !passport_is_to(&c, STR("3")));
}

static void a_date_is_read_and_written(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		uint64_t s; /* 0: broken */
	} rows[] = {
		{"of RFC 3261", "Sat, 13 Nov 2010 23:29:00 GMT", 1289690940},
		{"the day after the last of February", "Fri, 01 Mar 2024 00:00:00 GMT", 1709251200},
		{"a leap day", "Thu, 29 Feb 2024 23:59:59 GMT", 1709251199},
		{"the last second of a year", "Fri, 31 Dec 1999 23:59:59 GMT", 946684799},
		{"another zone", "Sat, 13 Nov 2010 23:29:00 CET", 0},
		{"no day", "13 Nov 2010 23:29:00 GMT", 0},
		{"one digit", "Sat, 3 Nov 2010 23:29:00 GMT", 0},
		{"hour 24", "Sat, 13 Nov 2010 24:29:00 GMT", 0},
		{"no such month", "Sat, 13 Nox 2010 23:29:00 GMT", 0},
		{"rubbish behind", "Sat, 13 Nov 2010 23:29:00 GMT x", 0},
		{"before the epoch", "Sat, 13 Nov 1910 23:29:00 GMT", 0},
	};

	CHECK_TABLE(row, rows)
	{
		uint64_t s = 0;
		char mem[64];
		struct buf b;
		EXPECT_ERR(passport_parse_date(guard_put(&guard, str_from(row->text)), &s),
			   row->s ? OK : ERR_BAD);
		if (!row->s)
			continue;
		EXPECT_U64(s, row->s);
		buf_init(&b, mem, sizeof(mem));
		passport_write_date(&b, s);
		EXPECT_Z(buf_view(&b), row->text);
	}
}

static void no_piece_of_a_good_header_is_taken_for_the_whole(void **state)
{
	(void)state;
	char mem[2048];
	struct buf b;
	struct reading r;

	buf_init(&b, mem, sizeof(mem));
	stir_write_shaken(&b, rfc, "12155551212", "12155551213", 1443208345, 'A');
	struct str whole = buf_view(&b);
	size_t info = str_find(whole, STR(">"));
	for (size_t n = 0; n <= info; n++)
		EXPECT_TRUE(read_value(&r, (struct str){whole.p, n}) != OK);
}

static void only_keys_of_p256_are_taken(void **state)
{
	(void)state;
	static const struct {
		const char *name, *pem;
	} rows[] = {
		{"nothing", ""},
		{"no PEM", "hello"},
		{"P-384", "-----BEGIN PRIVATE KEY-----\n"
			  "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDCfLtdIaisdoXbTX/vh\n"
			  "Vec+VB37Q7X8LfyT4rdRHPI9az1dBhCpo26ZmVDPFhkug+6hZANiAATxfRUYMiVU\n"
			  "qSA34sGzJ+FzPWAUU2zMKLEnlD4PMal6S32oycj3jM2lMGCcRafBqXbP8Zk5r+yq\n"
			  "8w6JQCDPx8gXHocrnOlMN2Njv6lFFMOnev2AgKXjpdPPr9iN3YA83yU=\n"
			  "-----END PRIVATE KEY-----\n"},
		{"a public one",
		 "-----BEGIN PUBLIC KEY-----\n"
		 "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH\n"
		 "78YTU8qLS8I5HLHSSmlATLcslQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==\n"
		 "-----END PUBLIC KEY-----\n"},
	};

	CHECK_TABLE(row, rows)
	{
		struct es256_key *k = NULL;
		EXPECT_ERR(es256_key_new(&k, str_from(row->pem)), ERR_BAD);
		EXPECT_TRUE(k == NULL);
	}
	struct es256_key *k = NULL;
	EXPECT_ERR(es256_key_new_public(&k, (const uint8_t *)"\x30\x03\x02\x01\x00", 5), ERR_BAD);
}

/* A signature whose R or S is small or has its top bit set is written as DER in another length. */
static void signatures_of_any_shape_are_verified(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		char text[16];
		uint8_t signature[ES256_SIGNATURE_LEN], zero[ES256_SIGNATURE_LEN] = {0};
		snprintf(text, sizeof(text), "text %u", i);
		EXPECT_ERR(es256_sign(rfc, str_from(text), signature), OK);
		EXPECT_TRUE(es256_verify(rfc, str_from(text), signature));
		EXPECT_TRUE(!es256_verify(rfc, str_from("text"), signature));
		EXPECT_TRUE(!es256_verify(rfc, str_from(text), zero));
	}
}

static int set_up(void **state)
{
	(void)state;
	guard_init(&guard, 2 * PASSPORT_VALUE_MAX);
	return es256_key_new(&rfc, str_from(stir_rfc_private_pem)) == OK &&
			       es256_key_new(&other, str_from(stir_other_private_pem)) == OK
		       ? 0
		       : -1;
}

static int tear_down(void **state)
{
	(void)state;
	es256_key_free(&rfc);
	es256_key_free(&other);
	guard_release(&guard);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_draft_verifies_and_that_of_the_rfc_is_read),
		cmocka_unit_test(what_we_sign_is_in_the_order_of_rfc_8225),
		cmocka_unit_test(what_we_write_we_read_again),
		cmocka_unit_test(an_identity_header_is_read_as_strictly_as_what_it_says_matters),
		cmocka_unit_test(what_is_not_for_us_is_told_apart_from_what_is_broken),
		cmocka_unit_test(the_header_itself_may_be_broken_in_many_ways),
		cmocka_unit_test(a_long_value_is_a_limit),
		cmocka_unit_test(the_compact_form_is_filled_in_from_the_request),
		cmocka_unit_test(a_number_is_digits_and_nothing_else),
		cmocka_unit_test(a_date_is_read_and_written),
		cmocka_unit_test(no_piece_of_a_good_header_is_taken_for_the_whole),
		cmocka_unit_test(only_keys_of_p256_are_taken),
		cmocka_unit_test(signatures_of_any_shape_are_verified),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
