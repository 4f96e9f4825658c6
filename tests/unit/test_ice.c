/*
 * The lite agent as scripts: checks of a peer with one thing each that is right or wrong, the answer that comes, and
 * whether the path is selected by it. Times are ms.
 */
#include "rtpproxy/core/ice.h"

#include <stdio.h>
#include <string.h>

#include "rtpproxy/core/stun.h"
#include "tests/support/check.h"
#include "tests/support/media.h"

enum { START_MS = 1000000 };

static const struct ice_local ours = {"ourufrag", "ourpasswordourpasswordou12"};
static const struct ice_local fresh = {"newufrag", "newpasswordnewpasswordne12"};

#define PEER   STR("peer"), STR("peerpasswordpeerpassword")
#define PEER_2 STR("PEER2"), STR("peerpasswordpeerpassword")

/* What a check has. */
enum {
	USE = 1 << 0,         /* USE-CANDIDATE */
	NO_PRIORITY = 1 << 1, /* without PRIORITY */
	CONTROLLED = 1 << 2,  /* the peer thinks that we are controlling */
	UNKNOWN = 1 << 3,     /* an attribute that must be understood */
	WRONG_PWD = 1 << 4,
	WRONG_USER = 1 << 5,
	NO_USER = 1 << 6,
	NO_INTEGRITY = 1 << 7,
	NEXT = 1 << 8, /* with the words after our restart */
	FORK = 1 << 9, /* from PEER_2 */
	INDICATION = 1 << 10,
	RESPONSE = 1 << 11,
	OTHER_METHOD = 1 << 12,
	SHORT = 1 << 13, /* no role: the shortest check there is */
	SIX = 1 << 14,   /* from an IPv6 address */
	BARE = 1 << 15   /* without FINGERPRINT */
};

struct check {
	unsigned how;
	uint32_t priority;
	uint8_t host;
};

struct got {
	struct ice_out out;
	struct stun answer;
	size_t asked; /* length of the check */
	uint8_t bytes[256];
	struct addr from;
};

static size_t write_check(const struct check *c, uint8_t *mem, size_t cap)
{
	static const uint8_t id[STUN_ID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	const enum stun_class class = c->how & INDICATION ? STUN_INDICATION
				      : c->how & RESPONSE ? STUN_SUCCESS
							  : STUN_REQUEST;
	const struct ice_local *l = c->how & NEXT ? &fresh : &ours;
	char user[32];
	struct stun_writer w;
	stun_start(&w, mem, cap, class, c->how & OTHER_METHOD ? 3 : STUN_BINDING, id);
	if (c->how & INDICATION)
		return stun_end(&w, NULL, 0);
	int n = snprintf(user, sizeof(user), "%.*s:%s", ICE_UFRAG_LEN,
			 c->how & WRONG_USER ? "ourufraG" : l->ufrag,
			 c->how & FORK ? "PEER2" : "peer");
	if (!(c->how & NO_USER))
		stun_add(&w, STUN_USERNAME, user, (size_t)n);
	if (!(c->how & NO_PRIORITY))
		stun_add_u32(&w, STUN_PRIORITY, c->priority);
	if (!(c->how & SHORT))
		stun_add_u64(&w, c->how & CONTROLLED ? STUN_CONTROLLED : STUN_CONTROLLING, 77);
	if (c->how & USE)
		stun_add(&w, STUN_USE_CANDIDATE, NULL, 0);
	if (c->how & UNKNOWN)
		stun_add_u32(&w, (enum stun_attr)0x7ffe, 0);
	const char *pwd = c->how & WRONG_PWD ? fresh.pwd : l->pwd;
	size_t len = stun_end(&w, c->how & NO_INTEGRITY ? NULL : pwd, ICE_PWD_LEN);
	if (c->how & BARE) {
		len -= 8;
		mem[3] = (uint8_t)(mem[3] - 8);
	}
	return len;
}

static struct got step(struct ice *i, unsigned component, struct check c, uint64_t ms)
{
	struct got g = {0};
	g.from = media_addr(c.host, (uint16_t)(7000 + c.host));
	if (c.how & SIX) {
		g.from.family = ADDR_IP6;
		g.from.ip[15] = c.host;
	}
	g.asked = write_check(&c, g.bytes, sizeof(g.bytes));
	assert_true(g.asked > 0);
	g.out = ice_step(i, component, g.bytes, g.asked, &g.from, (START_MS + ms) * 1000);
	if (g.out.verdict == ICE_ANSWER) {
		const struct ice_local *l = c.how & NEXT ? &fresh : &ours;
		EXPECT_TRUE(g.out.len <= g.asked);
		EXPECT_ERR(stun_decode(g.bytes, g.out.len, &g.answer), OK);
		EXPECT_TRUE(stun_check_integrity(&g.answer, l->pwd, ICE_PWD_LEN));
		EXPECT_TRUE(g.answer.has & STUN_HAS_FINGERPRINT);
		EXPECT_INT(g.answer.error, g.out.error);
		EXPECT_TRUE((g.out.error == 0) == (g.answer.class == STUN_SUCCESS));
		EXPECT_TRUE(g.out.error != 0 || addr_eq(&g.answer.mapped, &g.from));
	}
	return g;
}

static struct ice agent(void)
{
	struct ice i;
	ice_init(&i, &ours);
	ice_signal(&i, PEER, NULL);
	EXPECT_TRUE(!ice_commit(&i, START_MS * 1000));
	return i;
}

/* The host that is selected; 0: none. */
static unsigned selected(const struct ice *i)
{
	const struct addr *a = ice_selected(i, 0);
	return a ? a->ip[3] : 0;
}

/* ---- one check */

static const struct {
	const char *name;
	unsigned how;
	enum ice_verdict verdict;
	unsigned error;
	bool selected;
} checks[] = {
	{"a right check is answered with the address that it came from", 0, ICE_ANSWER, 0, false},
	{"a check with USE-CANDIDATE selects its path", USE, ICE_ANSWER, 0, true},
	{"the shortest check over IPv4 is answered", SHORT, ICE_ANSWER, 0, false},
	{"the shortest check over IPv6 is answered, too", SHORT | SIX, ICE_ANSWER, 0, false},
	{"an answer that would be longer than its check is not sent", SHORT | SIX | BARE, ICE_SIZE,
	 0, false},
	{"who thinks that we are controlling hears of the conflict and selects nothing",
	 CONTROLLED | USE, ICE_ANSWER, 487, false},
	{"a check without PRIORITY is a bad request", NO_PRIORITY | USE, ICE_ANSWER, 400, false},
	{"an attribute that must be understood is named and the check counts not", UNKNOWN | USE,
	 ICE_ANSWER, 420, false},
	{"a wrong password is met with silence", WRONG_PWD | USE, ICE_AUTH, 0, false},
	{"an unknown user is met with silence", WRONG_USER | USE, ICE_AUTH, 0, false},
	{"a check without a user is met with silence", NO_USER | USE, ICE_AUTH, 0, false},
	{"a check without integrity is met with silence", NO_INTEGRITY | USE, ICE_AUTH, 0, false},
	{"words of a restart that has not happened are unknown", NEXT | USE, ICE_AUTH, 0, false},
	{"an indication from nowhere is nothing", INDICATION, ICE_AUTH, 0, false},
	{"a response is not ours: we ask nobody", RESPONSE, ICE_SHAPE, 0, false},
	{"other methods are not asked of us", OTHER_METHOD, ICE_SHAPE, 0, false},
};

static void a_check_gets_the_answer_that_it_deserves(void **state)
{
	(void)state;
	CHECK_TABLE(row, checks)
	{
		struct ice i = agent();
		struct got g = step(&i, 0, (struct check){row->how, 100, 5}, 0);
		EXPECT_INT(g.out.verdict, row->verdict);
		EXPECT_INT(g.out.error, row->error);
		EXPECT_INT(g.out.selected, row->selected);
		EXPECT_INT(selected(&i), row->selected ? 5 : 0);
		EXPECT_INT(ice_has_path(&i, 0, &g.from),
			   row->verdict == ICE_ANSWER && row->error == 0);
		EXPECT_TRUE(!ice_has_path(&i, 1, &g.from));
	}
}

/* ---- scripts */

enum op {
	END,
	CHECK_, /* `how`, priority, host; want: selected by it */
	SIGNAL, /* the peer's SDP: `how` FORK or not; NEXT: with new words of ours if it restarts */
	RESTART, /* the peer's SDP with another password, and our new words */
	COMMIT   /* want: a restart */
};

static const struct {
	const char *name;
	bool unsignalled; /* begins before the peer's words are known */
	struct {
		enum op op;
		unsigned how;
		uint32_t priority;
		uint8_t host;
		uint32_t at_ms;
		bool want;
		uint8_t selected; /* afterwards */
	} steps[10];
} scripts[] = {
	{"the first nomination counts, also after other checks",
	 false,
	 {{CHECK_, 0, 200, 1, 0, false, 0}, {CHECK_, USE, 100, 2, 10, true, 2}}},
	{"repeated nominations change nothing",
	 false,
	 {{CHECK_, USE, 100, 2, 0, true, 2}, {CHECK_, USE, 100, 2, 5000, false, 2}}},
	{"a peer that nominates every path comes to its best one and stays",
	 false,
	 {{CHECK_, USE, 100, 1, 0, true, 1},
	  {CHECK_, USE, 300, 3, 20, true, 3},
	  {CHECK_, USE, 200, 2, 40, false, 3},
	  {CHECK_, USE, 100, 1, 1000, false, 3}}},
	{"a path whose nomination is old gives way to a worse one",
	 false,
	 {{CHECK_, USE, 300, 3, 0, true, 3},
	  {CHECK_, USE, 100, 1, 2999, false, 3},
	  {CHECK_, USE, 100, 1, 3000, true, 1}}},
	{"a path that is checked and not nominated any more gives way at once",
	 false,
	 {{CHECK_, USE, 300, 3, 0, true, 3},
	  {CHECK_, 0, 300, 3, 100, false, 3},
	  {CHECK_, USE, 100, 1, 150, true, 1}}},
	{"a nomination before the answer counts when the answer names the same peer",
	 true,
	 {{CHECK_, USE, 100, 1, 0, false, 0},
	  {SIGNAL, 0, 0, 0, 10, false, 0},
	  {COMMIT, 0, 0, 0, 20, false, 1}}},
	{"of forks that nominate before the answer the one that answers is taken",
	 true,
	 {{CHECK_, USE, 300, 1, 0, false, 0},
	  {CHECK_, USE | FORK, 100, 2, 5, false, 0},
	  {SIGNAL, FORK, 0, 0, 10, false, 0},
	  {COMMIT, 0, 0, 0, 20, false, 2}}},
	{"a fork that was not taken selects nothing later",
	 false,
	 {{CHECK_, USE, 100, 1, 0, true, 1}, {CHECK_, USE | FORK, 300, 2, 9000, false, 1}}},
	{"another fork that answers takes over, and until it nominates the old path is used",
	 false,
	 {{CHECK_, USE, 300, 1, 0, true, 1},
	  {SIGNAL, FORK, 0, 0, 10, false, 1},
	  {COMMIT, 0, 0, 0, 20, false, 1},
	  {CHECK_, USE | FORK, 100, 2, 30, true, 2}}},
	{"the same words again are no restart",
	 false,
	 {{CHECK_, USE, 100, 1, 0, true, 1},
	  {SIGNAL, NEXT, 0, 0, 10, false, 1},
	  {COMMIT, 0, 0, 0, 20, false, 1}}},
	{"a restart keeps the path until the new words have proven another",
	 false,
	 {{CHECK_, USE, 300, 1, 0, true, 1},
	  {RESTART, 0, 0, 0, 10, false, 1},
	  {COMMIT, 0, 0, 0, 20, true, 1},
	  {CHECK_, 0, 300, 1, 30, false, 1},
	  {CHECK_, USE, 300, 4, 40, false, 1},
	  {CHECK_, NEXT, 50, 2, 50, false, 1},
	  {CHECK_, NEXT | USE, 50, 2, 60, true, 2}}},
	{"a restart that is not answered is none",
	 false,
	 {{CHECK_, USE, 300, 1, 0, true, 1}, {RESTART, 0, 0, 0, 10, false, 1}}},
	{"before the answer to a restart the old words select",
	 false,
	 {{RESTART, 0, 0, 0, 10, false, 0},
	  {CHECK_, USE, 50, 2, 60, true, 2},
	  {COMMIT, 0, 0, 0, 70, true, 2}}},
};

static void run_step(struct ice *i, enum op op, struct check c, uint32_t at_ms, bool want)
{
	switch (op) {
	case CHECK_: {
		struct got g = step(i, 0, c, at_ms);
		EXPECT_INT(g.out.verdict, ICE_ANSWER);
		EXPECT_INT(g.out.selected, want);
		break;
	}
	case SIGNAL:
		if (c.how & FORK)
			ice_signal(i, PEER_2, NULL);
		else
			ice_signal(i, PEER, c.how & NEXT ? &fresh : NULL);
		break;
	case RESTART: ice_signal(i, STR("peer"), STR("anotherpassword++++/////"), &fresh); break;
	case COMMIT: EXPECT_INT(ice_commit(i, (START_MS + at_ms) * UINT64_C(1000)), want); break;
	case END: break;
	}
}

static void nomination_restart_and_forks(void **state)
{
	(void)state;
	CHECK_TABLE(row, scripts)
	{
		struct ice i = agent();
		if (row->unsignalled)
			ice_init(&i, &ours);
		for (size_t k = 0; k < ARRAY_LEN(row->steps) && row->steps[k].op != END; k++) {
			run_step(&i, row->steps[k].op,
				 (struct check){row->steps[k].how, row->steps[k].priority,
						row->steps[k].host},
				 row->steps[k].at_ms, row->steps[k].want);
			EXPECT_INT(selected(&i), row->steps[k].selected);
		}
	}
}

static void components_are_apart(void **state)
{
	(void)state;
	struct ice i = agent();
	EXPECT_TRUE(step(&i, 1, (struct check){USE, 100, 9}, 0).out.selected);
	EXPECT_TRUE(!ice_selected(&i, 0));
	EXPECT_INT(ice_selected(&i, 1)->ip[3], 9);
}

/* ---- consent */

static bool consent(const struct ice *i, uint64_t media_ms, uint64_t ms)
{
	return ice_has_consent(i, 0, media_ms ? (START_MS + media_ms) * 1000 : 0,
			       (START_MS + ms) * 1000);
}

static void consent_ends_30_seconds_after_the_last_sign(void **state)
{
	(void)state;
	struct ice i = agent();
	EXPECT_TRUE(consent(&i, 0, 100000)); /* nothing is selected: nothing to lose */
	step(&i, 0, (struct check){USE, 100, 1}, 0);
	EXPECT_TRUE(consent(&i, 0, 29999));
	EXPECT_TRUE(!consent(&i, 0, 30000));
	/* This peer has ended its checks, as RFC 5245 has it: media and indications are signs. */
	EXPECT_TRUE(consent(&i, 20000, 49999));
	EXPECT_TRUE(!consent(&i, 20000, 50000));
	EXPECT_INT(step(&i, 0, (struct check){INDICATION, 0, 1}, 40000).out.verdict, ICE_TAKEN);
	EXPECT_TRUE(consent(&i, 20000, 69999));
	EXPECT_TRUE(!consent(&i, 20000, 70000));
	/* And a check brings it back at any time. */
	step(&i, 0, (struct check){0, 100, 1}, 500000);
	EXPECT_TRUE(consent(&i, 0, 500001));
}

static void a_peer_that_asks_for_consent_has_to_go_on(void **state)
{
	(void)state;
	struct ice i = agent();
	step(&i, 0, (struct check){USE, 100, 1}, 0);
	step(&i, 0, (struct check){0, 100, 1}, 10000);
	EXPECT_TRUE(consent(&i, 39999, 39999));
	EXPECT_TRUE(!consent(&i, 39999, 40000));
	step(&i, 0, (struct check){INDICATION, 0, 1}, 39999);
	EXPECT_TRUE(!consent(&i, 39999, 40000));
	step(&i, 0, (struct check){WRONG_PWD, 100, 1}, 39999);
	step(&i, 0, (struct check){0, 100, 2}, 39999); /* another path */
	EXPECT_TRUE(!consent(&i, 39999, 40000));
}

static void checks_with_the_words_before_a_restart_keep_the_consent(void **state)
{
	(void)state;
	struct ice i = agent();
	step(&i, 0, (struct check){USE, 100, 1}, 0);
	step(&i, 0, (struct check){0, 100, 1}, 11000);
	ice_signal(&i, STR("peer"), STR("anotherpassword++++/////"), &fresh);
	EXPECT_TRUE(ice_commit(&i, (START_MS + 12000) * 1000));
	step(&i, 0, (struct check){0, 100, 1}, 30000);
	EXPECT_TRUE(consent(&i, 0, 59999));
	EXPECT_TRUE(!consent(&i, 0, 60000));
}

/* ---- limits */

static void a_flood_of_checks_is_cut(void **state)
{
	(void)state;
	struct ice i = agent();
	step(&i, 0, (struct check){USE, 100, 1}, 0);
	unsigned answered = 0;
	/* Ten seconds of 1,000 checks a second from one proven path. */
	for (unsigned ms = 1; ms <= 10000; ms++)
		answered += step(&i, 0, (struct check){0, 100, 1}, ms).out.verdict == ICE_ANSWER;
	EXPECT_TRUE(answered >= 1000 && answered <= 1101);
	/* Strangers share one budget, and cannot use up that of a path. */
	for (unsigned k = 0; k < 1000; k++)
		step(&i, 0, (struct check){WRONG_PWD, 100, (uint8_t)(10 + k % 200)}, 20000);
	EXPECT_INT(step(&i, 0, (struct check){WRONG_PWD, 100, 250}, 20000).out.verdict, ICE_RATE);
	EXPECT_INT(step(&i, 0, (struct check){0, 100, 1}, 20000).out.verdict, ICE_ANSWER);
	/* Who does not even know the user name costs no budget. */
	for (unsigned k = 0; k < 1000; k++)
		EXPECT_INT(step(&i, 1, (struct check){WRONG_USER, 100, 20}, 20000).out.verdict,
			   ICE_AUTH);
	EXPECT_INT(step(&i, 1, (struct check){0, 100, 1}, 20000).out.verdict, ICE_ANSWER);
}

static void paths_are_bounded_and_the_selected_one_stays(void **state)
{
	(void)state;
	struct ice i = agent();
	step(&i, 0, (struct check){USE, 500, 1}, 0);
	for (unsigned k = 0; k < 3 * ICE_PATHS; k++)
		step(&i, 0, (struct check){0, 100, (uint8_t)(10 + k)}, 100 + 20 * k);
	EXPECT_INT(selected(&i), 1);
	unsigned paths = 0;
	for (unsigned host = 1; host < 100; host++) {
		struct addr a = media_addr((uint8_t)host, (uint16_t)(7000 + host));
		paths += ice_has_path(&i, 0, &a);
	}
	EXPECT_INT(paths, ICE_PATHS);
	struct addr last = media_addr(10 + 3 * ICE_PATHS - 1, 7000 + 10 + 3 * ICE_PATHS - 1);
	EXPECT_TRUE(ice_has_path(&i, 0, &last));
}

static const struct {
	const char *name;
	const char *ufrag, *pwd;
	bool want;
} words[] = {
	{"four and twenty-two characters are enough", "abcd", "aaaaaaaaaaaaaaaaaaaaaa", true},
	{"three are too few", "abc", "aaaaaaaaaaaaaaaaaaaaaa", false},
	{"twenty-one are too few", "abcd", "aaaaaaaaaaaaaaaaaaaaa", false},
	{"plus and slash are allowed", "ab+/", "aaaaaaaaaaaaaaaaaaaaa/", true},
	{"a colon is not: it parts user names", "ab:c", "aaaaaaaaaaaaaaaaaaaaaa", false},
	{"nothing is no word", "", "", false},
};

static void words_have_their_length_and_alphabet(void **state)
{
	(void)state;
	CHECK_TABLE(row, words)
	EXPECT_INT(ice_words_check(str_from(row->ufrag), str_from(row->pwd)), row->want);
	char mem[ICE_TEXT_MAX + 1];
	memset(mem, 'a', sizeof(mem));
	EXPECT_TRUE(
		ice_words_check((struct str){mem, ICE_TEXT_MAX}, (struct str){mem, ICE_TEXT_MAX}));
	EXPECT_TRUE(!ice_words_check((struct str){mem, ICE_TEXT_MAX + 1},
				     (struct str){mem, ICE_TEXT_MAX}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_check_gets_the_answer_that_it_deserves),
		cmocka_unit_test(nomination_restart_and_forks),
		cmocka_unit_test(components_are_apart),
		cmocka_unit_test(consent_ends_30_seconds_after_the_last_sign),
		cmocka_unit_test(a_peer_that_asks_for_consent_has_to_go_on),
		cmocka_unit_test(checks_with_the_words_before_a_restart_keep_the_consent),
		cmocka_unit_test(a_flood_of_checks_is_cut),
		cmocka_unit_test(paths_are_bounded_and_the_selected_one_stays),
		cmocka_unit_test(words_have_their_length_and_alphabet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
