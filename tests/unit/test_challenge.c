#include "sbc/core/challenge.h"

#include <stdio.h>

#include "tests/support/check.h"

/* A server that challenges, a client that answers, and whoever listened. */
static struct play {
	struct challenge c;
	struct flow flow;
	struct msg m;
	char text[4096];
	char lines[2048];
	uint64_t now_ms;
	uint32_t random;
	bool no_md5;
} t;

static const struct digest_secret alice = {.user = STR("alice"), .password = STR("sesame")};

static void start(void)
{
	uint8_t key[CHALLENGE_KEY_LEN] = {1, 2, 3};

	memset(&t, 0, sizeof(t));
	challenge_init(&t.c, key);
	t.now_ms = 5000000;
	t.flow = (struct flow){.transport = TRANSPORT_UDP};
	EXPECT_ERR(addr_parse(STR("192.0.2.7:5060"), &t.flow.remote), OK);
}

static struct challenge_ask ask(void)
{
	return (struct challenge_ask){.m = &t.m,
				      .flow = &t.flow,
				      .realm = STR("sbc.example"),
				      .no_md5 = t.no_md5,
				      .now_ms = t.now_ms};
}

/* A request with these header lines. */
static void request(const char *method, const char *uri, const char *lines)
{
	snprintf(t.text, sizeof(t.text),
		 "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\nMax-Forwards: "
		 "70\r\n"
		 "From: <sip:alice@example>;tag=1\r\nTo: <sip:alice@example>\r\nCall-ID: 1\r\n"
		 "CSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n",
		 method, uri, method, lines);
	EXPECT_ERR(msg_index(&t.m, str_from(t.text), 0), OK);
}

static struct str challenge_now(bool stale)
{
	struct challenge_ask a = ask();
	struct buf b;
	uint8_t random[CHALLENGE_RANDOM_LEN] = {(uint8_t)++t.random, (uint8_t)(t.random >> 8)};

	buf_init(&b, t.lines, sizeof(t.lines));
	challenge_write(&t.c, &a, stale, random, &b);
	return buf_view(&b);
}

struct reply {
	const char *user, *password, *method, *uri;
	uint32_t nc;
	bool md5;
};

/* The Authorization line to the challenge in t.lines. */
static const char *answer(const struct reply *r)
{
	static char line[1024];
	struct buf b;
	struct digest_challenge c = {.nonce = STR_NONE};
	struct str rest = str_from(t.lines), one;

	while (str_cut(&rest, '\n', &one)) {
		struct str v = str_from_offset(one, str_index(one, ':') + 1);
		struct digest_challenge each;
		if (digest_challenge_cut(&v, &each) == OK &&
		    (each.algorithm == CRYPTO_MD5) == r->md5)
			c = each;
	}
	EXPECT_TRUE(c.nonce.len > 0);
	struct digest_use u = {.challenge = &c,
			       .user = str_from(r->user),
			       .password = str_from(r->password),
			       .method = str_from(r->method),
			       .uri = str_from(r->uri),
			       .nc = r->nc,
			       .cnonce = STR("0a4f113b")};
	buf_init(&b, line, sizeof(line) - 1);
	buf_lit(&b, "Authorization: ");
	EXPECT_ERR(digest_write(&b, &u), OK);
	buf_lit(&b, "\r\n");
	line[b.len] = 0;
	return line;
}

static enum challenge_result judge(void)
{
	struct challenge_ask a = ask();

	return challenge_judge(&t.c, &a, &alice, true);
}

static const struct reply good = {"alice", "sesame", "REGISTER", "sip:example", 1, false};

static void sha_256_is_offered_before_md5_as_challenges_of_their_own(void **state)
{
	(void)state;
	start();
	struct str lines = challenge_now(false), first, second = STR_NONE, rest = lines, end;
	EXPECT_TRUE(str_cut(&rest, '\n', &first) && str_cut(&rest, '\n', &second));
	EXPECT_TRUE(str_cut(&rest, '\n', &end) && end.len == 0);
	EXPECT_TRUE(str_has_prefix(first, STR("WWW-Authenticate: Digest realm=\"sbc.example\", ")));
	EXPECT_TRUE(str_find(first, STR("algorithm=SHA-256, qop=\"auth\"")) < first.len);
	EXPECT_TRUE(
		str_has_prefix(second, STR("WWW-Authenticate: Digest realm=\"sbc.example\", ")));
	EXPECT_TRUE(str_find(second, STR("algorithm=MD5, qop=\"auth\"")) < second.len);
	EXPECT_TRUE(str_find(first, STR("opaque=\"")) < first.len);
	EXPECT_TRUE(str_find(lines, STR("stale")) == lines.len);
	lines = challenge_now(true);
	EXPECT_TRUE(str_find(lines, STR("stale=true")) < lines.len);
	t.no_md5 = true;
	lines = challenge_now(false);
	EXPECT_TRUE(str_find(lines, STR("MD5")) == lines.len);
	challenge_release(&t.c);
}

static const struct {
	const char *name;
	struct reply reply;
	const char *method, *uri; /* of the request that carries it */
	uint64_t later_ms;
	bool other_path, no_md5, other_realm;
	enum challenge_result want;
} rows[] = {
	{"the right answer passes",
	 {"alice", "sesame", "REGISTER", "sip:example", 1, false},
	 "REGISTER",
	 "sip:example",
	 10,
	 false,
	 false,
	 false,
	 CHALLENGE_PASSED},
	{"the right answer over MD5 passes",
	 {"alice", "sesame", "REGISTER", "sip:example", 1, true},
	 "REGISTER",
	 "sip:example",
	 10,
	 false,
	 false,
	 false,
	 CHALLENGE_PASSED},
	{"MD5 where it was not offered is no answer",
	 {"alice", "sesame", "REGISTER", "sip:example", 1, true},
	 "REGISTER",
	 "sip:example",
	 10,
	 false,
	 true,
	 false,
	 CHALLENGE_NONE},
	{"a wrong password",
	 {"alice", "sesam", "REGISTER", "sip:example", 1, false},
	 "REGISTER",
	 "sip:example",
	 10,
	 false,
	 false,
	 false,
	 CHALLENGE_WRONG},
	{"another user",
	 {"bob", "sesame", "REGISTER", "sip:example", 1, false},
	 "REGISTER",
	 "sip:example",
	 10,
	 false,
	 false,
	 false,
	 CHALLENGE_WRONG},
	{"an answer of 59 s passes",
	 {"alice", "sesame", "REGISTER", "sip:example", 1, false},
	 "REGISTER",
	 "sip:example",
	 59000,
	 false,
	 false,
	 false,
	 CHALLENGE_PASSED},
	{"an answer of 61 s is stale",
	 {"alice", "sesame", "REGISTER", "sip:example", 1, false},
	 "REGISTER",
	 "sip:example",
	 61000,
	 false,
	 false,
	 false,
	 CHALLENGE_STALE},
	{"a wrong password over an old nonce is wrong and not stale",
	 {"alice", "sesam", "REGISTER", "sip:example", 1, false},
	 "REGISTER",
	 "sip:example",
	 61000,
	 false,
	 false,
	 false,
	 CHALLENGE_WRONG},
	{"an answer from another address is stale",
	 {"alice", "sesame", "REGISTER", "sip:example", 1, false},
	 "REGISTER",
	 "sip:example",
	 10,
	 true,
	 false,
	 false,
	 CHALLENGE_STALE},
	{"an answer over another method is wrong",
	 {"alice", "sesame", "REGISTER", "sip:example", 1, false},
	 "INVITE",
	 "sip:example",
	 10,
	 false,
	 false,
	 false,
	 CHALLENGE_WRONG},
	{"an answer over another URI is no answer to this request",
	 {"alice", "sesame", "REGISTER", "sip:example", 1, false},
	 "REGISTER",
	 "sip:else",
	 10,
	 false,
	 false,
	 false,
	 CHALLENGE_GARBLED},
	{"a URI that means the same is the same",
	 {"alice", "sesame", "REGISTER", "sip:EXAMPLE", 1, false},
	 "REGISTER",
	 "sip:example",
	 10,
	 false,
	 false,
	 false,
	 CHALLENGE_PASSED},
	{"a count of 0 was never used by anyone",
	 {"alice", "sesame", "REGISTER", "sip:example", 0, false},
	 "REGISTER",
	 "sip:example",
	 10,
	 false,
	 false,
	 false,
	 CHALLENGE_STALE},
};

static void each_answer_is_judged(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	{
		start();
		t.no_md5 = false;
		challenge_now(false);
		const char *line = answer(&row->reply);
		t.no_md5 = row->no_md5;
		request(row->method, row->uri, line);
		t.now_ms += row->later_ms;
		if (row->other_path)
			t.flow.remote.port++;
		EXPECT_INT(judge(), row->want);
		challenge_release(&t.c);
	}
}

static void an_answer_is_good_once(void **state)
{
	(void)state;
	start();
	challenge_now(false);
	struct reply r = good;
	request("REGISTER", "sip:example", answer(&r));
	EXPECT_INT(judge(), CHALLENGE_PASSED);
	t.now_ms += 1000;
	EXPECT_INT(judge(), CHALLENGE_STALE); /* replayed a second later */
	for (r.nc = 2; r.nc < 10; r.nc++) {
		request("REGISTER", "sip:example", answer(&r));
		EXPECT_INT(judge(), CHALLENGE_PASSED);
		EXPECT_INT(judge(), CHALLENGE_STALE);
	}
	r.nc = 40; /* in another order, within the window */
	request("REGISTER", "sip:example", answer(&r));
	EXPECT_INT(judge(), CHALLENGE_PASSED);
	r.nc = 20;
	request("REGISTER", "sip:example", answer(&r));
	EXPECT_INT(judge(), CHALLENGE_PASSED);
	EXPECT_INT(judge(), CHALLENGE_STALE);
	r.nc = 8; /* too far back to know */
	request("REGISTER", "sip:example", answer(&r));
	EXPECT_INT(judge(), CHALLENGE_STALE);
	challenge_release(&t.c);
}

static void an_answer_over_a_stream_is_good_on_that_stream_alone(void **state)
{
	(void)state;
	start();
	t.flow.id = id_make(0, 1, 7);
	t.flow.transport = TRANSPORT_TCP;
	challenge_now(false);
	request("REGISTER", "sip:example", answer(&good));
	t.flow.id = id_make(0, 1, 8);
	EXPECT_INT(judge(), CHALLENGE_STALE);
	t.flow.id = id_make(0, 1, 7);
	t.flow.remote.port++; /* a connection is its id */
	EXPECT_INT(judge(), CHALLENGE_PASSED);
	challenge_release(&t.c);
}

/* More nonces than the table holds: those that were forgotten may not come again. */
static void a_forgotten_nonce_is_stale_and_never_good_again(void **state)
{
	(void)state;
	enum { MANY = 3 * CHALLENGE_SETS * CHALLENGE_WAYS };
	static char first[4096];
	start();
	challenge_now(false);
	request("REGISTER", "sip:example", answer(&good));
	memcpy(first, t.text, sizeof(first));
	EXPECT_INT(judge(), CHALLENGE_PASSED);
	unsigned passed = 0;
	for (int i = 0; i < MANY; i++) {
		t.now_ms += 1;
		challenge_now(false);
		request("REGISTER", "sip:example", answer(&good));
		passed += judge() == CHALLENGE_PASSED;
	}
	EXPECT_INT(passed, MANY);
	memcpy(t.text, first, sizeof(first));
	EXPECT_ERR(msg_index(&t.m, str_from(t.text), 0), OK);
	EXPECT_INT(judge(), CHALLENGE_STALE);
	EXPECT_TRUE(t.now_ms < 5000000 + CHALLENGE_AGE_MS);
	challenge_release(&t.c);
}

static const struct {
	const char *name, *lines;
	enum challenge_result want;
} lines_rows[] = {
	{"no answer", "", CHALLENGE_NONE},
	{"another scheme", "Authorization: NoOneKnowsThisScheme opaque-data=here\r\n",
	 CHALLENGE_NONE},
	{"another realm's answer",
	 "Authorization: Digest username=\"alice\", realm=\"x\", nonce=\"n\", uri=\"sip:example\", "
	 "response=\"0123456789abcdef0123456789abcdef\", qop=auth, cnonce=\"c\", nc=00000001\r\n",
	 CHALLENGE_NONE},
	{"without qop",
	 "Authorization: Digest username=\"alice\", realm=\"sbc.example\", nonce=\"n\", "
	 "uri=\"sip:example\", response=\"0123456789abcdef0123456789abcdef\"\r\n",
	 CHALLENGE_GARBLED},
	{"an empty nonce",
	 "Authorization: Digest username=\"alice\", realm=\"sbc.example\", nonce=\"\", "
	 "uri=\"sip:example\", response=\"0123456789abcdef0123456789abcdef\"\r\n",
	 CHALLENGE_GARBLED},
	{"a nonce that is not ours",
	 "Authorization: Digest username=\"alice\", realm=\"sbc.example\", nonce=\"ours\", "
	 "uri=\"sip:example\", response=\"0123456789abcdef0123456789abcdef\", qop=auth, "
	 "cnonce=\"c\", "
	 "nc=00000001\r\n",
	 CHALLENGE_WRONG},
	{"an answer meant for a proxy",
	 "Proxy-Authorization: Digest username=\"alice\", realm=\"sbc.example\", nonce=\"n\", "
	 "uri=\"sip:example\", response=\"0123456789abcdef0123456789abcdef\", qop=auth, "
	 "cnonce=\"c\", "
	 "nc=00000001\r\n",
	 CHALLENGE_NONE},
};

static void lines_that_are_no_answer(void **state)
{
	(void)state;
	CHECK_TABLE(row, lines_rows)
	{
		start();
		request("REGISTER", "sip:example", row->lines);
		EXPECT_INT(judge(), row->want);
		challenge_release(&t.c);
	}
}

static void an_unknown_user_gets_what_a_wrong_password_gets(void **state)
{
	(void)state;
	start();
	challenge_now(false);
	struct reply r = good;
	r.user = "mallory";
	request("REGISTER", "sip:example", answer(&r));
	char mem[64];
	struct buf b;
	struct challenge_ask a = ask();
	buf_init(&b, mem, sizeof(mem));
	EXPECT_TRUE(challenge_user(&a, &b));
	EXPECT_Z(buf_view(&b), "mallory");
	/* Even the password of the stand-in opens nothing. */
	struct digest_secret stand_in = {.user = buf_view(&b), .password = STR("sesame")};
	EXPECT_INT(challenge_judge(&t.c, &a, &stand_in, false), CHALLENGE_WRONG);
	challenge_release(&t.c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha_256_is_offered_before_md5_as_challenges_of_their_own),
		cmocka_unit_test(each_answer_is_judged),
		cmocka_unit_test(an_answer_is_good_once),
		cmocka_unit_test(an_answer_over_a_stream_is_good_on_that_stream_alone),
		cmocka_unit_test(a_forgotten_nonce_is_stale_and_never_good_again),
		cmocka_unit_test(lines_that_are_no_answer),
		cmocka_unit_test(an_unknown_user_gets_what_a_wrong_password_gets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
