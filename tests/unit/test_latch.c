#include "rtpproxy/core/latch.h"

#include "tests/support/check.h"
#include "tests/support/media.h"

/*
 * Steps of one life. Addresses: S is what was signalled, N the same host from another port, P another host with
 * the signalled port, X a host with nothing in common, T another such, I a host inside the permitted network.
 */
enum { NOBODY, S, N, P, X, T, I, S2, PLACES };

enum op { END, SIGNAL, SIGNAL_NONE, PACKET };

struct step {
	enum op op;
	uint8_t place;
	uint32_t at_ms;
	uint8_t want;   /* of latch_check for PACKET */
	uint8_t target; /* afterwards */
};

enum { PASS = LATCH_PASS, TAKE = LATCH_TAKE, REFUSE = LATCH_REFUSE };

static struct addr place(unsigned which)
{
	static const struct {
		uint8_t host;
		uint16_t port;
	} at[PLACES] = {[S] = {10, 4000}, [N] = {10, 4002},  [P] = {66, 4000}, [X] = {77, 9000},
			[T] = {78, 9002}, [I] = {129, 5000}, [S2] = {11, 4000}};
	return which == NOBODY ? (struct addr){0} : media_addr(at[which].host, at[which].port);
}

static const struct {
	const char *name;
	enum latch_mode mode;
	bool secure;
	struct step steps[12];
} rows[] = {
	{"nothing signalled: nobody is let in",
	 LATCH_LEARN,
	 false,
	 {{PACKET, X, 0, REFUSE, NOBODY}}},
	{"nothing signalled: nobody is let in, with a key either",
	 LATCH_STRICT,
	 true,
	 {{PACKET, X, 0, REFUSE, NOBODY}}},
	{"signalled nowhere: nobody is let in any more",
	 LATCH_LEARN,
	 false,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, S, 10, PASS, S},
	  {SIGNAL_NONE, 0, 20, 0, NOBODY},
	  {PACKET, S, 30, REFUSE, NOBODY}}},

	{"off: only the signalled source, and we send there",
	 LATCH_OFF,
	 false,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, N, 10, REFUSE, S},
	  {PACKET, S, 20, PASS, S},
	  {PACKET, X, 30, REFUSE, S}}},
	{"off: a key does not help",
	 LATCH_OFF,
	 true,
	 {{SIGNAL, S, 0, 0, S}, {PACKET, X, 10, REFUSE, S}, {PACKET, S, 20, PASS, S}}},

	{"strict and plain: no other port, host or network, ever",
	 LATCH_STRICT,
	 false,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, N, 10, REFUSE, S},
	  {PACKET, P, 20, REFUSE, S},
	  {PACKET, X, 30, REFUSE, S},
	  {PACKET, I, 40, REFUSE, S},
	  {PACKET, S, 50, PASS, S},
	  {PACKET, X, 60000, REFUSE, S}}},
	{"strict and plain: a silent party is not replaced",
	 LATCH_STRICT,
	 false,
	 {{SIGNAL, S, 0, 0, S}, {PACKET, S, 10, PASS, S}, {PACKET, N, 5000, REFUSE, S}}},

	{"secure: the first valid packet teaches, from wherever it comes",
	 LATCH_STRICT,
	 true,
	 {{SIGNAL, S, 0, 0, S}, {PACKET, X, 10, TAKE, X}, {PACKET, X, 20, PASS, X}}},
	{"secure: also long after the offer",
	 LATCH_STRICT,
	 true,
	 {{SIGNAL, S, 0, 0, S}, {PACKET, X, 60000, TAKE, X}}},
	{"secure: a second source is refused while the first is alive",
	 LATCH_STRICT,
	 true,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, X, 10, TAKE, X},
	  {PACKET, T, 20, REFUSE, X},
	  {PACKET, S, 30, REFUSE, X},
	  {PACKET, X, 40, PASS, X},
	  {PACKET, T, 400, REFUSE, X}}},
	{"secure: a party that moved is followed when the old source is silent",
	 LATCH_STRICT,
	 true,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, X, 10, TAKE, X},
	  {PACKET, T, 409, REFUSE, X},
	  {PACKET, T, 410, TAKE, T},
	  {PACKET, X, 420, REFUSE, T}}},
	{"secure: a new address in signalling counts at once",
	 LATCH_STRICT,
	 true,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, X, 10, TAKE, X},
	  {SIGNAL, S2, 20, 0, S2},
	  {PACKET, S2, 30, PASS, S2},
	  {PACKET, X, 40, REFUSE, S2}}},
	{"secure: the same address again keeps what was learned",
	 LATCH_STRICT,
	 true,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, X, 10, TAKE, X},
	  {SIGNAL, S, 1000, 0, X},
	  {PACKET, X, 1010, PASS, X},
	  {PACKET, T, 1020, REFUSE, X}}},
	{"secure: signalling that catches up with the learned address keeps it",
	 LATCH_STRICT,
	 true,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, X, 10, TAKE, X},
	  {SIGNAL, X, 20, 0, X},
	  {PACKET, X, 30, PASS, X},
	  {PACKET, T, 40, REFUSE, X}}},

	{"restricted: another port of the signalled host is learned",
	 LATCH_RESTRICTED,
	 false,
	 {{SIGNAL, S, 0, 0, S}, {PACKET, N, 10, TAKE, N}, {PACKET, N, 20, PASS, N}}},
	{"restricted: the signalled address replaces it within the window",
	 LATCH_RESTRICTED,
	 false,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, N, 10, TAKE, N},
	  {PACKET, S, 20, TAKE, S},
	  {PACKET, N, 30, REFUSE, S}}},
	{"restricted: but not after it",
	 LATCH_RESTRICTED,
	 false,
	 {{SIGNAL, S, 0, 0, S}, {PACKET, N, 10, TAKE, N}, {PACKET, S, 3000, REFUSE, N}}},
	{"restricted: a stranger is refused, alive or silent",
	 LATCH_RESTRICTED,
	 false,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, X, 10, REFUSE, S},
	  {PACKET, P, 20, REFUSE, S},
	  {PACKET, S, 30, PASS, S},
	  {PACKET, X, 2000, REFUSE, S}}},
	{"restricted: the permitted network may send",
	 LATCH_RESTRICTED,
	 false,
	 {{SIGNAL, S, 0, 0, S}, {PACKET, I, 10, TAKE, I}, {PACKET, X, 20, REFUSE, I}}},
	{"restricted: the first packet may be late",
	 LATCH_RESTRICTED,
	 false,
	 {{SIGNAL, S, 0, 0, S}, {PACKET, N, 9000, TAKE, N}, {PACKET, S, 9010, REFUSE, N}}},

	{"learn: the first source is taken, a worse one is not",
	 LATCH_LEARN,
	 false,
	 {{SIGNAL, S, 0, 0, S}, {PACKET, P, 10, TAKE, P}, {PACKET, X, 20, REFUSE, P}}},
	{"learn: a better source replaces a worse one, up to the signalled one",
	 LATCH_LEARN,
	 false,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, X, 10, TAKE, X},
	  {PACKET, P, 20, TAKE, P},
	  {PACKET, N, 30, TAKE, N},
	  {PACKET, S, 40, TAKE, S},
	  {PACKET, N, 50, REFUSE, S}}},
	{"learn: a source as good has to wait until the first is silent",
	 LATCH_LEARN,
	 false,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, X, 10, TAKE, X},
	  {PACKET, T, 20, REFUSE, X},
	  {PACKET, T, 410, TAKE, T}}},
	{"learn: after the window nothing replaces",
	 LATCH_LEARN,
	 false,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, X, 10, TAKE, X},
	  {PACKET, X, 2990, PASS, X},
	  {PACKET, S, 3000, REFUSE, X},
	  {PACKET, T, 9000, REFUSE, X}}},
	{"learn: a re-offer opens the window again",
	 LATCH_LEARN,
	 false,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, X, 10, TAKE, X},
	  {SIGNAL, S, 9000, 0, X},
	  {PACKET, X, 9010, PASS, X},
	  {PACKET, T, 9020, REFUSE, X},
	  {PACKET, S, 9030, TAKE, S}}},
	{"learn: a re-offer of another address starts anew",
	 LATCH_LEARN,
	 false,
	 {{SIGNAL, S, 0, 0, S},
	  {PACKET, S, 10, PASS, S},
	  {SIGNAL, S2, 9000, 0, S2},
	  {PACKET, X, 9010, TAKE, X}}},
};

static void run_steps(const struct step *steps, size_t n, enum latch_mode mode, bool secure)
{
	struct latch l;
	struct prefix net = {.addr = media_addr(128, 0), .bits = 25};
	latch_init(&l);
	latch_set_mode(&l, mode, &net);
	for (size_t i = 0; i < n && steps[i].op != END; i++) {
		const struct step *s = &steps[i];
		const uint64_t now_us = 1000000 + (uint64_t)s->at_ms * 1000;
		const struct addr at = place(s->place), none = {0};
		if (s->op == SIGNAL) {
			latch_set_remote(&l, &at, now_us);
		} else if (s->op == SIGNAL_NONE) {
			latch_set_remote(&l, &none, now_us);
		} else {
			const enum latch_answer answer = latch_check(&l, &at, secure, now_us);
			EXPECT_INT(answer, s->want);
			if (answer != LATCH_REFUSE)
				latch_step(&l, &at, now_us);
		}
		const struct addr target = place(s->target);
		EXPECT_TRUE(addr_eq(&l.target, &target));
		EXPECT_TRUE(latch_has_target(&l) == (s->target != NOBODY));
	}
}

static void test_lives(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	run_steps(row->steps, ARRAY_LEN(row->steps), row->mode, row->secure);
}

static void test_changes_are_told(void **state)
{
	(void)state;
	struct latch l;
	const struct addr s = place(S), x = place(X), t = place(T);
	latch_init(&l);
	latch_set_remote(&l, &s, 0);
	EXPECT_INT(latch_step(&l, &x, 10), LATCH_LEARNED);
	EXPECT_INT(latch_step(&l, &x, 20), LATCH_SAME);
	EXPECT_INT(latch_step(&l, &t, 500000), LATCH_MOVED);
}

/* threats D1: whatever a stranger without the key sends, and whenever, nothing goes to him. */
static void test_stranger_never_becomes_the_target(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < LATCH_LEARN; mode++) {
		uint64_t random = mode, now_us = 0;
		struct latch l;
		latch_init(&l);
		latch_set_mode(&l, (enum latch_mode)mode, NULL);
		for (int i = 0; i < 20000; i++) {
			const uint64_t r = media_random(&random);
			const struct addr stranger =
				media_addr((uint8_t)(100 + (r >> 8) % 100), (uint16_t)(r >> 16));
			const struct addr s = place(r >> 40 & 1 ? S : S2);
			now_us += r % 700000;
			if (r % 97 == 0)
				latch_set_remote(&l, &s, now_us);
			else if (latch_check(&l, &stranger, false, now_us) != LATCH_REFUSE)
				latch_step(&l, &stranger, now_us);
			assert_true(!addr_eq_ip(&l.target, &stranger));
		}
	}
}

static void test_unproven_target_gets_few(void **state)
{
	(void)state;
	struct latch l;
	const struct addr s = place(S), s2 = place(S2);
	latch_init(&l);
	latch_set_unproven(&l, 3);
	latch_set_remote(&l, &s, 0);
	for (int i = 0; i < 3; i++)
		EXPECT_TRUE(latch_take_send(&l));
	EXPECT_TRUE(!latch_take_send(&l));
	latch_set_remote(&l, &s, 0);
	EXPECT_TRUE(!latch_take_send(&l));
	latch_step(&l, &s, 10);
	EXPECT_TRUE(latch_take_send(&l));
	latch_set_remote(&l, &s2, 20);
	for (int i = 0; i < 3; i++)
		EXPECT_TRUE(latch_take_send(&l));
	EXPECT_TRUE(!latch_take_send(&l));
	latch_set_unproven(&l, 0);
	EXPECT_TRUE(latch_take_send(&l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lives),
		cmocka_unit_test(test_changes_are_told),
		cmocka_unit_test(test_stranger_never_becomes_the_target),
		cmocka_unit_test(test_unproven_target_gets_few),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
