#include "sbc/core/digest.h"

#include <stdio.h>

#include "tests/support/check.h"
#include "tests/support/guard.h"

/*
 * RFC 7616 §3.9.1 (MD5, SHA-256), RFC 2617 §3.5, RFC 8760 §2.7 for the shape. RFC 7616 §3.9.2 (SHA-512-256) prints the
 * hash of SHA-512 cut at 256 bits, not SHA-512/256 of FIPS 180-4 (its erratum 4897): its row here was computed afresh.
 */
static const struct {
	const char *name, *challenge, *user, *password, *method, *uri, *cnonce;
	uint32_t nc;
	const char *want;
} vectors[] = {
	{"the MD5 example of RFC 7616",
	 "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, "
	 "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
	 "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
	 "Mufasa", "Circle of Life", "GET", "/dir/index.html",
	 "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", 1,
	 "response=\"8ca523f5e9506fed4657c9700eebdbec\", algorithm=MD5, "
	 "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", "
	 "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", qop=auth, nc=00000001"},
	{"the SHA-256 example of RFC 7616",
	 "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, "
	 "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
	 "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
	 "Mufasa", "Circle of Life", "GET", "/dir/index.html",
	 "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", 1,
	 "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""},
	{"SHA-512-256 with userhash, the parties of RFC 7616 3.9.2 and the hash of FIPS 180-4",
	 "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, "
	 "nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", "
	 "opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", charset=UTF-8, userhash=true",
	 "J\xc3\xa4s\xc3\xb8n Doe", "Secret, or not?", "GET", "/doe.json",
	 "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", 1,
	 "username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\", "
	 "realm=\"api@example.org\", nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", "
	 "uri=\"/doe.json\", "
	 "response=\"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5\""},
	{"the example of RFC 2617 3.5",
	 "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "
	 "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
	 "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
	 "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b", 1,
	 "response=\"6629fae49393a05397450978507c4ef1\", algorithm=MD5, cnonce=\"0a4f113b\", "
	 "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\", qop=auth, nc=00000001"},
	{"no qop: the answer of RFC 2069, with neither cnonce nor nc",
	 "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
	 "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b", 1,
	 "response=\"670fd8c2df070c60b045671b8b24ff02\", algorithm=MD5"},
	{"MD5-sess hashes nonce and cnonce into A1",
	 "Digest realm=\"testrealm@host.com\", qop=\"auth\", algorithm=MD5-sess, "
	 "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
	 "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b", 1,
	 "response=\"8e3825c57e897f5a0dec6c2d4e5059d0\", algorithm=MD5-sess"},
	{"nc is eight hex digits and goes into the hash",
	 "Digest realm=\"testrealm@host.com\", qop=\"auth\", "
	 "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
	 "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b", 0x2a, "nc=0000002a"},
	{"a quoted-pair in the realm is undone for the hash and repeated as it came",
	 "Digest realm=\"a\\\"b\\\\c\", qop=\"auth\", nonce=\"n\"", "u\"x", "p", "REGISTER",
	 "sip:a", "c", 1, "username=\"u\\\"x\", realm=\"a\\\"b\\\\c\", nonce=\"n\""},
};

static void answers_are_those_of_the_standards(void **state)
{
	(void)state;
	CHECK_TABLE(row, vectors)
	{
		struct str value = str_from(row->challenge);
		struct digest_challenge c;
		char mem[2048];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		EXPECT_ERR(digest_challenge_cut(&value, &c), OK);
		struct digest_use u = {.challenge = &c,
				       .user = str_from(row->user),
				       .password = str_from(row->password),
				       .method = str_from(row->method),
				       .uri = str_from(row->uri),
				       .nc = row->nc,
				       .cnonce = str_from(row->cnonce)};
		/* The cnonces of the RFC are base64, which is no token: written as they are. */
		EXPECT_ERR(digest_write(&b, &u), OK);
		struct str got = buf_view(&b);
		if (str_find(got, str_from(row->want)) == got.len)
			EXPECT_STR(got, str_from(row->want));
		/* What we write we read, and find right; and wrong with another password or method. */
		struct digest_answer a;
		struct digest_secret who = {.user = u.user, .password = u.password};
		EXPECT_ERR(digest_answer_parse(got, &a), OK);
		EXPECT_TRUE(digest_check(&a, u.method, &who));
		EXPECT_TRUE(!digest_check(&a, STR("BYE"), &who));
		who.password = STR("else");
		EXPECT_TRUE(!digest_check(&a, u.method, &who));
		who.password = u.password;
		who.user = STR("else");
		EXPECT_TRUE(!digest_check(&a, u.method, &who));
	}
}

#define N ", nonce=\"n\""

/* What is in the challenges of a value, as "realm/nonce/algorithm flags" one after another. */
static const struct {
	const char *name, *value, *want;
	enum err end;
} challenge_rows[] = {
	{"one challenge", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256",
	 "r/n/SHA-256 qop;", ERR_NOTFOUND},
	{"two challenges in one line",
	 "Digest realm=\"r\", nonce=\"1\", algorithm=SHA-256, Digest realm=\"s\", nonce=\"2\"",
	 "r/1/SHA-256;s/2/MD5;", ERR_NOTFOUND},
	{"no space behind the comma, and spaces around =",
	 "Digest realm = \"r\",nonce= \"1\" ,qop =\"auth\",Digest realm=\"s\",nonce=\"2\"",
	 "r/1/MD5 qop;s/2/MD5;", ERR_NOTFOUND},
	{"parameters without commas between them", "Digest realm=\"r\" nonce=\"1\" stale=TRUE",
	 "r/1/MD5 stale;", ERR_NOTFOUND},
	{"names and schemes in any case", "dIGEST REALM=\"r\", Nonce=\"1\", ALGORITHM=md5",
	 "r/1/MD5;", ERR_NOTFOUND},
	{"a folded line is white space", "Digest realm=\"r\",\r\n nonce=\"1\"", "r/1/MD5;",
	 ERR_NOTFOUND},
	{"an unknown scheme before ours is passed over",
	 "Bearer realm=\"x\", error=\"e\", Digest realm=\"r\"" N, "r/n/MD5;", ERR_NOTFOUND},
	{"an unknown scheme with a token68 is passed over", "Bearer abc==, Digest realm=\"r\"" N,
	 "r/n/MD5;", ERR_NOTFOUND},
	{"regaut01 of the torture tests is no scheme of ours",
	 "NoOneKnowsThisScheme opaque-data=here", "", ERR_NOTFOUND},
	{"an unknown algorithm is passed over",
	 "Digest realm=\"r\", nonce=\"1\", algorithm=SHA-9, Digest realm=\"r\"" N, "r/n/MD5;",
	 ERR_NOTFOUND},
	{"qop=auth-int alone is passed over", "Digest realm=\"r\"" N ", qop=\"auth-int\"", "",
	 ERR_NOTFOUND},
	{"a qop list with words that we do not know",
	 "Digest realm=\"r\"" N ", qop=\"x, auth-int ,,AUTH\"", "r/n/MD5 qop;", ERR_NOTFOUND},
	{"an empty qop list is none", "Digest realm=\"r\"" N ", qop=\"\"", "r/n/MD5;",
	 ERR_NOTFOUND},
	{"qop without quotes", "Digest realm=\"r\"" N ", qop=auth", "r/n/MD5 qop;", ERR_NOTFOUND},
	{"an empty nonce is passed over", "Digest realm=\"r\", nonce=\"\"", "", ERR_NOTFOUND},
	{"no nonce is passed over", "Digest realm=\"r\"", "", ERR_NOTFOUND},
	{"no realm is passed over", "Digest nonce=\"n\"", "", ERR_NOTFOUND},
	{"an empty realm is a realm", "Digest realm=\"\"" N, "/n/MD5;", ERR_NOTFOUND},
	{"stale in quotes, charset, domain and what we never heard of",
	 "Digest realm=\"r\"" N ", stale=\"true\", charset=UTF-8, domain=\"sip:a\", zz=\"1\"",
	 "r/n/MD5 stale;", ERR_NOTFOUND},
	{"sess and userhash", "Digest realm=\"r\"" N ", algorithm=SHA-512-256-sess, userhash=true",
	 "r/n/SHA-512-256 sess userhash;", ERR_NOTFOUND},
	{"a nonce given twice", "Digest realm=\"r\"" N N, "", ERR_BAD},
	{"a quote that does not end", "Digest realm=\"r, nonce=\"n\"", "", ERR_BAD},
	{"a backslash at the end", "Digest realm=\"r\\", "", ERR_BAD},
	{"a control octet in a value", "Digest realm=\"r\x01\"" N, "", ERR_BAD},
	{"a line break in a value", "Digest realm=\"r\r\n x\"" N, "", ERR_BAD},
	{"a value that would end the quotes that we put around it", "Digest realm=a\"b" N, "",
	 ERR_BAD},
	{"a backslash without quotes", "Digest realm=a\\" N, "", ERR_BAD},
	{"a parameter of no scheme", "realm=\"r\"" N, "", ERR_BAD},
	{"octets that are no token", "@@@", "", ERR_BAD},
	{"nothing", "", "", ERR_NOTFOUND},
	{"commas alone", " , ,", "", ERR_NOTFOUND},
	{"the good one before the bad", "Digest realm=\"r\"" N ", Digest realm=\"", "r/n/MD5;",
	 ERR_BAD},
};

static void write_challenge(struct buf *b, const struct digest_challenge *c)
{
	buf_str(b, c->realm);
	buf_char(b, '/');
	buf_str(b, c->nonce);
	buf_char(b, '/');
	buf_str(b, digest_algorithm_name(c->algorithm));
	buf_z(b, c->sess ? " sess" : "");
	buf_z(b, c->qop ? " qop" : "");
	buf_z(b, c->stale ? " stale" : "");
	buf_z(b, c->userhash ? " userhash" : "");
	buf_char(b, ';');
}

static void challenges_are_read(void **state)
{
	(void)state;
	struct guard g;
	guard_init(&g, 4096);
	CHECK_TABLE(row, challenge_rows)
	{
		struct str value = guard_put(&g, str_from(row->value));
		struct digest_challenge c;
		char mem[512];
		struct buf b;
		enum err e;
		buf_init(&b, mem, sizeof(mem));
		while ((e = digest_challenge_cut(&value, &c)) == OK)
			write_challenge(&b, &c);
		EXPECT_ERR(e, row->end);
		EXPECT_Z(buf_view(&b), row->want);
		/* Every prefix ends, and reads nothing behind it. */
		for (size_t n = 0; row->value[n]; n++) {
			value = guard_put(&g, (struct str){row->value, n});
			while (digest_challenge_cut(&value, &c) == OK)
				;
		}
	}
	guard_release(&g);
}

static void challenges_have_limits(void **state)
{
	(void)state;
	static char text[64 * 1024];
	struct digest_challenge c;
	struct str v;
	size_t n = (size_t)snprintf(text, sizeof(text), "Digest realm=\"r\", nonce=\"");

	memset(text + n, 'n', DIGEST_VALUE_MAX);
	snprintf(text + n + DIGEST_VALUE_MAX, 8, "\"");
	v = str_from(text);
	EXPECT_ERR(digest_challenge_cut(&v, &c), OK);
	snprintf(text + n + DIGEST_VALUE_MAX, 8, "n\"");
	v = str_from(text);
	EXPECT_ERR(digest_challenge_cut(&v, &c), ERR_LIMIT);
	n = (size_t)snprintf(text, sizeof(text), "Digest realm=\"r\", nonce=\"n\"");
	for (int i = 0; i <= DIGEST_PARAMS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ", a%d=1", i);
	v = str_from(text);
	EXPECT_ERR(digest_challenge_cut(&v, &c), ERR_LIMIT);
	n = 0;
	for (int i = 0; i <= DIGEST_CHALLENGES_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "Digest x=1, ");
	v = str_from(text);
	EXPECT_ERR(digest_challenge_cut(&v, &c), ERR_LIMIT);
}

#define HEAD                                                                                       \
	"SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: "                 \
	"<sip:a@b>;tag=1\r\n"                                                                      \
	"To: <sip:a@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n"
#define W   "WWW-Authenticate: "
#define END "Content-Length: 0\r\n\r\n"

static const struct {
	const char *name, *lines, *realm, *want;
} choices[] = {
	{"SHA-256 listed first",
	 W "Digest realm=\"r\", nonce=\"1\", algorithm=SHA-256\r\n" W
	   "Digest realm=\"r\", nonce=\"2\"\r\n",
	 "", "r/1/SHA-256;"},
	{"SHA-256 listed behind MD5 still wins",
	 W "Digest realm=\"r\", nonce=\"1\", algorithm=MD5\r\n" W
	   "Digest realm=\"r\", nonce=\"2\", algorithm=SHA-256\r\n",
	 "", "r/2/SHA-256;"},
	{"of two SHAs the server's first",
	 W "Digest realm=\"r\", nonce=\"1\", algorithm=SHA-512-256\r\n" W
	   "Digest realm=\"r\", nonce=\"2\", algorithm=SHA-256\r\n",
	 "", "r/1/SHA-512-256;"},
	{"of two MD5s the server's first",
	 W "Digest realm=\"r\", nonce=\"1\"\r\n" W "Digest realm=\"r\", nonce=\"2\"\r\n", "",
	 "r/1/MD5;"},
	{"another realm does not count", W "Digest realm=\"x\", nonce=\"1\"\r\n", "r", ""},
	{"of two realms ours",
	 W "Digest realm=\"x\", nonce=\"1\", algorithm=SHA-256\r\n" W
	   "Digest realm=\"r\", nonce=\"2\"\r\n",
	 "r", "r/2/MD5;"},
	{"without a realm of ours the first one that asks, and its best",
	 W "Digest realm=\"x\", nonce=\"1\"\r\n" W
	   "Digest realm=\"y\", nonce=\"2\", algorithm=SHA-256\r\n" W
	   "Digest realm=\"x\", nonce=\"3\", algorithm=SHA-256\r\n",
	 "", "x/3/SHA-256;"},
	{"a header that cannot be read spoils no other",
	 W "Digest realm=\"\r\n" W "Digest realm=\"r\", nonce=\"2\"\r\n", "r", "r/2/MD5;"},
	{"a challenge of the other kind is not looked at",
	 "Proxy-Authenticate: Digest realm=\"r\", nonce=\"1\"\r\n", "", ""},
	{"none", "", "", ""},
};

static void the_best_challenge_is_chosen(void **state)
{
	(void)state;
	CHECK_TABLE(row, choices)
	{
		static struct msg m;
		char text[2048], mem[256];
		struct digest_challenge c;
		struct buf b;
		snprintf(text, sizeof(text), HEAD "%s" END, row->lines);
		EXPECT_ERR(msg_index(&m, str_from(text), 0), OK);
		buf_init(&b, mem, sizeof(mem));
		if (digest_choose(&m, HDR_WWW_AUTHENTICATE, str_from(row->realm), &c))
			write_challenge(&b, &c);
		EXPECT_Z(buf_view(&b), row->want);
	}
}

#define R32  "0123456789abcdef0123456789abcdef"
#define GOOD "username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:a\", response=\"" R32 "\""

static const struct {
	const char *name, *value;
	enum err want;
} answer_rows[] = {
	{"without qop", "Digest " GOOD, OK},
	{"with qop", "Digest " GOOD ", qop=auth, cnonce=\"c\", nc=00000001", OK},
	{"qop in quotes", "Digest " GOOD ", qop=\"auth\", cnonce=\"c\", nc=00000001", OK},
	{"another scheme", "Basic dTpw", ERR_NOTFOUND},
	{"regaut01", "NoOneKnowsThisScheme opaque-data=here", ERR_NOTFOUND},
	{"nothing", "", ERR_BAD},
	{"the name of the scheme alone", "Digest", ERR_BAD},
	{"qop without cnonce", "Digest " GOOD ", qop=auth, nc=00000001", ERR_BAD},
	{"qop without nc", "Digest " GOOD ", qop=auth, cnonce=\"c\"", ERR_BAD},
	{"qop=auth-int", "Digest " GOOD ", qop=auth-int, cnonce=\"c\", nc=00000001", ERR_BAD},
	{"an empty qop", "Digest " GOOD ", qop=, cnonce=\"c\", nc=00000001", ERR_BAD},
	{"nc is not hex", "Digest " GOOD ", qop=auth, cnonce=\"c\", nc=0000000g", ERR_BAD},
	{"nc is too long", "Digest " GOOD ", qop=auth, cnonce=\"c\", nc=000000001", ERR_BAD},
	{"nc is empty", "Digest " GOOD ", qop=auth, cnonce=\"c\", nc=", ERR_BAD},
	{"an unknown algorithm", "Digest " GOOD ", algorithm=SHA-9", ERR_BAD},
	{"a response too short for its algorithm", "Digest " GOOD ", algorithm=SHA-256", ERR_BAD},
	{"sess without cnonce", "Digest " GOOD ", algorithm=MD5-sess", ERR_BAD},
	{"no user", "Digest realm=\"r\", nonce=\"n\", uri=\"u\", response=\"" R32 "\"", ERR_BAD},
	{"an empty nonce",
	 "Digest username=\"u\", realm=\"r\", nonce=\"\", uri=\"u\", response=\"" R32 "\"",
	 ERR_BAD},
	{"no uri", "Digest username=\"u\", realm=\"r\", nonce=\"n\", response=\"" R32 "\"",
	 ERR_BAD},
	{"no response", "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"u\"", ERR_BAD},
	{"two users", "Digest username=\"v\", " GOOD, ERR_BAD},
	{"two answers in one line", "Digest " GOOD ", Digest " GOOD, ERR_BAD},
	{"a comma at the end", "Digest " GOOD ",", OK},
};

static void answers_are_read(void **state)
{
	(void)state;
	struct guard g;
	guard_init(&g, 4096);
	CHECK_TABLE(row, answer_rows)
	{
		struct digest_answer a;
		EXPECT_ERR(digest_answer_parse(guard_put(&g, str_from(row->value)), &a), row->want);
		for (size_t n = 0; row->value[n]; n++) {
			enum err e =
				digest_answer_parse(guard_put(&g, (struct str){row->value, n}), &a);
			(void)e;
		}
	}
	guard_release(&g);
}

static void a_ready_hash_serves_instead_of_a_password(void **state)
{
	(void)state;
	struct digest_challenge c = {
		.realm = STR("r"), .nonce = STR("n"), .algorithm = CRYPTO_SHA256, .qop = true};
	struct digest_use u = {.challenge = &c,
			       .user = STR("u"),
			       .password = STR("p"),
			       .method = STR("REGISTER"),
			       .uri = STR("sip:a"),
			       .nc = 1,
			       .cnonce = STR("c")};
	struct str pieces[] = {STR("u:r:p")};
	uint8_t raw[CRYPTO_HASH_MAX];
	char mem[1024], hex[64];
	struct buf b, h;
	struct digest_answer a;
	buf_init(&b, mem, sizeof(mem));
	buf_init(&h, hex, sizeof(hex));
	EXPECT_ERR(digest_write(&b, &u), OK);
	buf_hex(&h, raw, crypto_hash_pieces(CRYPTO_SHA256, pieces, 1, raw));
	EXPECT_ERR(digest_answer_parse(buf_view(&b), &a), OK);
	struct digest_secret who = {.user = STR("u"), .password = STR("else")};
	who.ha1[CRYPTO_SHA256] = buf_view(&h);
	EXPECT_TRUE(digest_check(&a, STR("REGISTER"), &who));
	hex[0] = hex[0] == '0' ? '1' : '0';
	EXPECT_TRUE(!digest_check(&a, STR("REGISTER"), &who));
}

static void what_cannot_stand_in_a_header_is_not_written(void **state)
{
	(void)state;
	struct digest_challenge c = {.realm = STR("r"), .nonce = STR("n"), .qop = true};
	struct digest_use good = {.challenge = &c,
				  .user = STR("u"),
				  .password = STR("p"),
				  .method = STR("INVITE"),
				  .uri = STR("sip:a"),
				  .nc = 1,
				  .cnonce = STR("c")};
	char mem[1024];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	struct digest_use u = good;
	u.user = STR("u\r\nX: y");
	EXPECT_ERR(digest_write(&b, &u), ERR_BAD);
	u = good;
	u.uri = STR("sip:a\"b");
	EXPECT_ERR(digest_write(&b, &u), ERR_BAD);
	u = good;
	u.cnonce = STR("");
	EXPECT_ERR(digest_write(&b, &u), ERR_BAD);
	u = good;
	buf_init(&b, mem, 100);
	EXPECT_ERR(digest_write(&b, &u), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_those_of_the_standards),
		cmocka_unit_test(challenges_are_read),
		cmocka_unit_test(challenges_have_limits),
		cmocka_unit_test(the_best_challenge_is_chosen),
		cmocka_unit_test(answers_are_read),
		cmocka_unit_test(a_ready_hash_serves_instead_of_a_password),
		cmocka_unit_test(what_cannot_stand_in_a_header_is_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
