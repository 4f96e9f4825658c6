#include "sbc/core/health.h"

#include "policy/policy_config.h"
#include "tests/support/check.h"

static void test_ends(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t status;
		unsigned cause;
		bool rang;
		enum health_end end;
	} rows[] = {
		{"200 is an answer", 200, 0, true, HEALTH_END_ANSWERED},
		{"busy is the user's doing", 486, 0, false, HEALTH_END_USER},
		{"so is no answer", 480, 0, true, HEALTH_END_USER},
		{"and a number that is nobody's", 404, 0, false, HEALTH_END_USER},
		{"and a refusal", 603, 0, false, HEALTH_END_USER},
		{"and a call that was sent on", 302, 0, false, HEALTH_END_USER},
		{"a caller that gives up while it rings counts as no answer", 487, 0, true,
		 HEALTH_END_USER},
		{"one that gives up before says nothing", 487, 0, false, HEALTH_END_NOTHING},
		{"our wait while it rings is no answer", 408, 0, true, HEALTH_END_USER},
		{"408 before that reached nobody", 408, 0, false, HEALTH_END_UNREACHED},
		{"no answer at all", 0, ROUTE_CAUSE_TIMEOUT, false, HEALTH_END_UNREACHED},
		{"no connection", 0, ROUTE_CAUSE_CONNECT, false, HEALTH_END_UNREACHED},
		{"no handshake", 0, ROUTE_CAUSE_TLS, false, HEALTH_END_UNREACHED},
		{"overload", 503, 0, false, HEALTH_END_UNREACHED},
		{"a broken server", 500, 0, false, HEALTH_END_REFUSED},
		{"a trunk that forbids", 403, 0, false, HEALTH_END_REFUSED},
		{"a challenge says nothing", 407, 0, false, HEALTH_END_NOTHING},
		{"a loop is no fault of the peer", 482, 0, false, HEALTH_END_NOTHING},
	};
	CHECK_TABLE(row, rows)
	EXPECT_INT(health_end_of(row->status, row->cause, row->rang), row->end);
}

/* Letters: a answered, u user, r refused, f reached nobody, n nothing; F one with Retry-After of 30 s; digits: that many
 * seconds pass; space: nothing. What comes of it is the state and why after the last. */
static void test_stories(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct health_rule rule;
		const char *story;
		enum health_state is;
		enum health_why why;
		bool shut;
	} rows[] = {
#define RULE .on = true, .over = 10, .rest_ms = 5000, .return_ms = 4000
		{"nothing has happened", {RULE, .min_asr = 50}, "", HEALTH_GOOD, 0, false},
		{"below the ratio",
		 {RULE, .min_asr = 50},
		 "aaaarrrrrr",
		 HEALTH_RESTING,
		 HEALTH_WHY_ASR,
		 false},
		{"at the ratio", {RULE, .min_asr = 50}, "aaaaarrrrr", HEALTH_GOOD, 0, false},
		{"not judged before so many have ended",
		 {RULE, .min_asr = 50},
		 "rrrrrrrrr",
		 HEALTH_GOOD,
		 0,
		 false},
		{"what says nothing does not count",
		 {RULE, .min_asr = 50},
		 "rrrrrrrrrnnnn",
		 HEALTH_GOOD,
		 0,
		 false},
		{"the latest calls alone count",
		 {RULE, .min_asr = 50},
		 "aaaaaaaaaarrrrrr",
		 HEALTH_RESTING,
		 HEALTH_WHY_ASR,
		 false},
		{"busy users count against ASR",
		 {RULE, .min_asr = 50},
		 "uuuuuuuuuu",
		 HEALTH_RESTING,
		 HEALTH_WHY_ASR,
		 false},
		{"but not against NER", {RULE, .min_ner = 50}, "uuuuuuuuuu", HEALTH_GOOD, 0, false},
		{"refusals of the network do",
		 {RULE, .min_ner = 50},
		 "uuuurrrrrr",
		 HEALTH_RESTING,
		 HEALTH_WHY_NER,
		 false},
		{"failures in a row",
		 {RULE, .failures = 3},
		 "fff",
		 HEALTH_RESTING,
		 HEALTH_WHY_FAILURES,
		 false},
		{"not in a row", {RULE, .failures = 3}, "ffuff", HEALTH_GOOD, 0, false},
		{"a refusal is somebody", {RULE, .failures = 3}, "ffrff", HEALTH_GOOD, 0, false},
		{"no rule asks", {RULE}, "ffffffffffffrrrrrrrrrrrr", HEALTH_GOOD, 0, false},
		{"off",
		 {.on = false, .failures = 3, .over = 10, .min_asr = 50},
		 "FfffffffffffF",
		 HEALTH_GOOD,
		 0,
		 false},
		{"Retry-After shuts at once",
		 {RULE, .failures = 3},
		 "aF",
		 HEALTH_RESTING,
		 HEALTH_WHY_RETRY_AFTER,
		 true},
		{"until then",
		 {RULE, .failures = 3},
		 "F999",
		 HEALTH_RESTING,
		 HEALTH_WHY_RETRY_AFTER,
		 true},
		{"and no longer",
		 {RULE, .failures = 3},
		 "F9993",
		 HEALTH_RETURNING,
		 HEALTH_WHY_RETRY_AFTER,
		 false},
		{"it rests as long as it is to",
		 {RULE, .failures = 3},
		 "fff4",
		 HEALTH_RESTING,
		 HEALTH_WHY_FAILURES,
		 false},
		{"then it comes back",
		 {RULE, .failures = 3},
		 "fff5",
		 HEALTH_RETURNING,
		 HEALTH_WHY_FAILURES,
		 false},
		{"what it does at rest is not held against it",
		 {RULE, .failures = 3},
		 "ffffff5",
		 HEALTH_RETURNING,
		 HEALTH_WHY_FAILURES,
		 false},
		{"and then is good",
		 {RULE, .failures = 3},
		 "fff54",
		 HEALTH_GOOD,
		 HEALTH_WHY_FAILURES,
		 false},
		{"unless it fails again",
		 {RULE, .failures = 3},
		 "fff5fff",
		 HEALTH_RESTING,
		 HEALTH_WHY_FAILURES,
		 false},
		{"who comes back is judged by few calls",
		 {.on = true,
		  .over = 50,
		  .min_asr = 50,
		  .failures = 3,
		  .rest_ms = 5000,
		  .return_ms = 4000},
		 "fff5aaarrrrrrr",
		 HEALTH_RESTING,
		 HEALTH_WHY_ASR,
		 false},
		{"without a time of return it is good at once",
		 {.on = true, .over = 10, .failures = 3, .rest_ms = 5000},
		 "fff5",
		 HEALTH_GOOD,
		 HEALTH_WHY_FAILURES,
		 false},
#undef RULE
	};
	CHECK_TABLE(row, rows)
	{
		struct health h = {.state = HEALTH_GOOD};
		uint64_t now = 1000000;
		for (const char *c = row->story; *c; c++) {
			enum health_end e = HEALTH_END_NOTHING;
			switch (*c) {
			case 'a': e = HEALTH_END_ANSWERED; break;
			case 'u': e = HEALTH_END_USER; break;
			case 'r': e = HEALTH_END_REFUSED; break;
			case 'f':
			case 'F': e = HEALTH_END_UNREACHED; break;
			default: break;
			}
			if (*c >= '0' && *c <= '9')
				now += (uint64_t)(*c - '0') * 1000;
			(void)health_tick(&h, &row->rule, now);
			(void)health_step(&h, &row->rule, e, *c == 'F' ? 30 : 0, now);
		}
		EXPECT_INT(h.state, row->is);
		EXPECT_INT(h.why, row->why);
		EXPECT_TRUE(h.shut == row->shut);
	}
}

static void the_share_of_one_that_returns_grows(void **state)
{
	(void)state;
	struct health h = {.state = HEALTH_RETURNING, .returns_ms = 1000, .until_ms = 11000};
	static const struct {
		const char *name;
		uint64_t now_ms;
		unsigned percent;
	} rows[] = {
		{"a tenth at first", 1000, 10},
		{"half at half time", 6000, 50},
		{"nearly all", 10900, 99},
	};
	CHECK_TABLE(row, rows)
	{
		unsigned had = 0;
		for (uint32_t i = 0; i < 1000; i++)
			had += !health_is_last(&h, row->now_ms, i * 4294967u);
		EXPECT_INT((had + 5) / 10, row->percent);
	}
	h.state = HEALTH_RESTING;
	EXPECT_TRUE(health_is_last(&h, 1000, 0));
	h.state = HEALTH_GOOD;
	EXPECT_TRUE(!health_is_last(&h, 1000, UINT32_MAX));
}

static void a_smaller_ring_begins_anew(void **state)
{
	(void)state;
	struct health h = {.state = HEALTH_GOOD};
	struct health_rule r = {.on = true, .over = 1000, .min_asr = 50, .rest_ms = 1000};

	for (int i = 0; i < 700; i++)
		(void)health_step(&h, &r, HEALTH_END_ANSWERED, 0, 1);
	EXPECT_INT(h.count, 700);
	r.over = 10;
	(void)health_step(&h, &r, HEALTH_END_ANSWERED, 0, 1);
	EXPECT_INT(h.count, 1);
	EXPECT_INT(health_asr(&h), 100);
	for (int i = 0; i < 40; i++)
		(void)health_step(&h, &r, i % 2 ? HEALTH_END_ANSWERED : HEALTH_END_USER, 0, 1);
	EXPECT_INT(h.count, 10);
	EXPECT_INT(health_asr(&h), 50);
	EXPECT_INT(health_ner(&h), 100);
}

static void a_larger_ring_begins_anew(void **state)
{
	(void)state;
	struct health h = {.state = HEALTH_GOOD};
	struct health_rule r = {.on = true, .over = 100, .rest_ms = 1000};

	/* Answers behind refusals, and the ring is grown in its middle. */
	for (int i = 0; i < 140; i++)
		(void)health_step(&h, &r, HEALTH_END_REFUSED, 0, 1);
	EXPECT_INT(health_asr(&h), 0);
	r.over = 200;
	for (int i = 0; i < 1000; i++) {
		(void)health_step(&h, &r, i % 4 ? HEALTH_END_REFUSED : HEALTH_END_ANSWERED, 0, 1);
		EXPECT_TRUE(h.answered <= h.count && h.effective <= h.count);
	}
	EXPECT_INT(h.count, 200);
	EXPECT_INT(health_asr(&h), 25);
	EXPECT_INT(health_ner(&h), 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_stories),
		cmocka_unit_test(the_share_of_one_that_returns_grows),
		cmocka_unit_test(a_smaller_ring_begins_anew),
		cmocka_unit_test(a_larger_ring_begins_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
