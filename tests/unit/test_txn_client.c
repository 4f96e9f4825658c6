/* Both client machines, a row for each state and event, and whole lives over UDP and streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/check.h"
#include "sbc/core/txn_client.h"

static const struct sip_timers timers = {500, 4000, 5000, 180000};

/* Before each row's event the timers stand so; after it they stand as the row says. */
#define NOW    UINT64_C(100000)
#define A      (NOW + 200)  /* A or E, untouched */
#define B      (NOW + 9000) /* the other timer, untouched */
#define NONE   UINT64_C(0)
#define IN(ms) (NOW + (ms))

#define SEND    TXN_DO_SEND
#define PASS    TXN_DO_PASS
#define DROP    TXN_DO_DROP
#define END     TXN_DO_END
#define TIMEOUT TXN_DO_TIMEOUT
#define FAIL    TXN_DO_FAIL

#define S(name) TXN_CLIENT_##name

struct row {
	const char *name;
	enum txn_client_state from;
	enum txn_client_event event;
	enum txn_client_state to;
	unsigned actions;
	uint64_t again_ms, deadline_ms;
};

/* clang-format off */
static const struct row invite_rows[] = {
	{"1xx in Calling stops A and B and is passed up", S(CALLING), S(1XX), S(PROCEEDING), PASS | TXN_DO_TRIM, NONE, NONE},
	{"2xx in Calling is accepted and waits for others for M", S(CALLING), S(2XX), S(ACCEPTED), PASS | DROP, NONE, IN(32000)},
	{"refusal in Calling is ACKed and absorbs repeats for D", S(CALLING), S(REFUSED), S(COMPLETED), PASS | TXN_DO_ACK, NONE, IN(32000)},
	{"CANCEL in Calling changes nothing: it must be held", S(CALLING), S(CANCEL), S(CALLING), 0, A, B},
	{"timer A in Calling sends again and doubles", S(CALLING), S(AGAIN), S(CALLING), SEND, IN(2000), B},
	{"timer B in Calling gives up", S(CALLING), S(DEADLINE), S(TERMINATED), TIMEOUT | END, NONE, NONE},
	{"transport error in Calling gives up at once", S(CALLING), S(ERROR), S(TERMINATED), FAIL | END, NONE, NONE},

	{"1xx in Proceeding is passed up", S(PROCEEDING), S(1XX), S(PROCEEDING), PASS, NONE, NONE},
	{"2xx in Proceeding is accepted", S(PROCEEDING), S(2XX), S(ACCEPTED), PASS | DROP, NONE, IN(32000)},
	{"refusal in Proceeding is ACKed", S(PROCEEDING), S(REFUSED), S(COMPLETED), PASS | TXN_DO_ACK, NONE, IN(32000)},
	{"CANCEL in Proceeding gives the INVITE 64*T1 more", S(PROCEEDING), S(CANCEL), S(PROCEEDING), 0, NONE, IN(32000)},
	{"no timer A in Proceeding", S(PROCEEDING), S(AGAIN), S(PROCEEDING), 0, NONE, NONE},
	{"a cancelled INVITE without an answer is given up", S(PROCEEDING), S(DEADLINE), S(TERMINATED), TIMEOUT | END, NONE, NONE},
	{"transport error in Proceeding is told, and a late answer awaited", S(PROCEEDING), S(ERROR), S(PROCEEDING), FAIL, NONE, IN(32000)},

	{"1xx in Completed is late and absorbed", S(COMPLETED), S(1XX), S(COMPLETED), 0, NONE, B},
	{"2xx in Completed is another fork's and passed up", S(COMPLETED), S(2XX), S(COMPLETED), PASS, NONE, B},
	{"repeated refusal in Completed gets the ACK again", S(COMPLETED), S(REFUSED), S(COMPLETED), SEND, NONE, B},
	{"CANCEL in Completed is too late", S(COMPLETED), S(CANCEL), S(COMPLETED), 0, NONE, B},
	{"no timer A in Completed", S(COMPLETED), S(AGAIN), S(COMPLETED), 0, NONE, B},
	{"timer D ends Completed", S(COMPLETED), S(DEADLINE), S(TERMINATED), DROP | END, NONE, NONE},
	{"a lost ACK changes nothing: the refusal will come again", S(COMPLETED), S(ERROR), S(COMPLETED), 0, NONE, B},

	{"1xx in Accepted is late and absorbed", S(ACCEPTED), S(1XX), S(ACCEPTED), 0, NONE, B},
	{"2xx in Accepted is passed up, again or from another fork", S(ACCEPTED), S(2XX), S(ACCEPTED), PASS, NONE, B},
	{"refusal in Accepted is absorbed", S(ACCEPTED), S(REFUSED), S(ACCEPTED), 0, NONE, B},
	{"CANCEL in Accepted is too late", S(ACCEPTED), S(CANCEL), S(ACCEPTED), 0, NONE, B},
	{"no timer A in Accepted", S(ACCEPTED), S(AGAIN), S(ACCEPTED), 0, NONE, B},
	{"timer M ends Accepted", S(ACCEPTED), S(DEADLINE), S(TERMINATED), END, NONE, NONE},
	{"transport errors in Accepted are the call's", S(ACCEPTED), S(ERROR), S(ACCEPTED), 0, NONE, B},

	{"1xx after the end", S(TERMINATED), S(1XX), S(TERMINATED), 0, NONE, NONE},
	{"2xx after the end", S(TERMINATED), S(2XX), S(TERMINATED), 0, NONE, NONE},
	{"refusal after the end", S(TERMINATED), S(REFUSED), S(TERMINATED), 0, NONE, NONE},
	{"CANCEL after the end", S(TERMINATED), S(CANCEL), S(TERMINATED), 0, NONE, NONE},
	{"timer A after the end", S(TERMINATED), S(AGAIN), S(TERMINATED), 0, NONE, NONE},
	{"timer B after the end", S(TERMINATED), S(DEADLINE), S(TERMINATED), 0, NONE, NONE},
	{"transport error after the end", S(TERMINATED), S(ERROR), S(TERMINATED), 0, NONE, NONE},
};
/* clang-format on */
_Static_assert(ARRAY_LEN(invite_rows) == TXN_CLIENT_STATE_COUNT * TXN_CLIENT_EVENT_COUNT,
	       "a row for each state and event");

/* clang-format off */
static const struct row other_rows[] = {
	{"1xx in Trying slows E to T2 and leaves F", S(CALLING), S(1XX), S(PROCEEDING), PASS, IN(4000), B},
	{"2xx in Trying is final", S(CALLING), S(2XX), S(COMPLETED), PASS | DROP, NONE, IN(5000)},
	{"refusal in Trying is final, without ACK", S(CALLING), S(REFUSED), S(COMPLETED), PASS | DROP, NONE, IN(5000)},
	{"no CANCEL for a non-INVITE in Trying", S(CALLING), S(CANCEL), S(CALLING), 0, A, B},
	{"timer E in Trying sends again and doubles", S(CALLING), S(AGAIN), S(CALLING), SEND, IN(2000), B},
	{"timer F in Trying gives up", S(CALLING), S(DEADLINE), S(TERMINATED), TIMEOUT | END, NONE, NONE},
	{"transport error in Trying gives up at once", S(CALLING), S(ERROR), S(TERMINATED), FAIL | END, NONE, NONE},

	{"1xx in Proceeding is passed up", S(PROCEEDING), S(1XX), S(PROCEEDING), PASS, A, B},
	{"2xx in Proceeding is final", S(PROCEEDING), S(2XX), S(COMPLETED), PASS | DROP, NONE, IN(5000)},
	{"refusal in Proceeding is final", S(PROCEEDING), S(REFUSED), S(COMPLETED), PASS | DROP, NONE, IN(5000)},
	{"no CANCEL for a non-INVITE in Proceeding", S(PROCEEDING), S(CANCEL), S(PROCEEDING), 0, A, B},
	{"timer E in Proceeding sends again each T2", S(PROCEEDING), S(AGAIN), S(PROCEEDING), SEND, IN(4000), B},
	{"timer F in Proceeding gives up too", S(PROCEEDING), S(DEADLINE), S(TERMINATED), TIMEOUT | END, NONE, NONE},
	{"transport error in Proceeding gives up", S(PROCEEDING), S(ERROR), S(TERMINATED), FAIL | END, NONE, NONE},

	{"1xx in Completed is absorbed", S(COMPLETED), S(1XX), S(COMPLETED), 0, NONE, B},
	{"repeated 2xx in Completed is absorbed", S(COMPLETED), S(2XX), S(COMPLETED), 0, NONE, B},
	{"repeated refusal in Completed is absorbed", S(COMPLETED), S(REFUSED), S(COMPLETED), 0, NONE, B},
	{"no CANCEL for a non-INVITE in Completed", S(COMPLETED), S(CANCEL), S(COMPLETED), 0, NONE, B},
	{"no timer E in Completed", S(COMPLETED), S(AGAIN), S(COMPLETED), 0, NONE, B},
	{"timer K ends Completed", S(COMPLETED), S(DEADLINE), S(TERMINATED), DROP | END, NONE, NONE},
	{"transport error in Completed hurts no one", S(COMPLETED), S(ERROR), S(COMPLETED), 0, NONE, B},

	{"1xx after the end", S(TERMINATED), S(1XX), S(TERMINATED), 0, NONE, NONE},
	{"2xx after the end", S(TERMINATED), S(2XX), S(TERMINATED), 0, NONE, NONE},
	{"refusal after the end", S(TERMINATED), S(REFUSED), S(TERMINATED), 0, NONE, NONE},
	{"CANCEL after the end", S(TERMINATED), S(CANCEL), S(TERMINATED), 0, NONE, NONE},
	{"timer E after the end", S(TERMINATED), S(AGAIN), S(TERMINATED), 0, NONE, NONE},
	{"timer F after the end", S(TERMINATED), S(DEADLINE), S(TERMINATED), 0, NONE, NONE},
	{"transport error after the end", S(TERMINATED), S(ERROR), S(TERMINATED), 0, NONE, NONE},
};
/* clang-format on */
/* A non-INVITE never is in Accepted. */
_Static_assert(ARRAY_LEN(other_rows) == (TXN_CLIENT_STATE_COUNT - 1) * TXN_CLIENT_EVENT_COUNT,
	       "a row for each state and event");

static struct txn_client before(bool invite, enum txn_client_state s)
{
	struct txn_client c = {.state = (uint8_t)s, .invite = invite, .interval_ms = 1000};
	if (s == TXN_CLIENT_CALLING || (!invite && s == TXN_CLIENT_PROCEEDING)) {
		c.again_ms = A;
		c.deadline_ms = B;
	}
	if (s == TXN_CLIENT_COMPLETED || s == TXN_CLIENT_ACCEPTED)
		c.deadline_ms = B;
	return c;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

static void check_rows(const struct row *rows, size_t n, bool invite)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		struct txn_client c = before(invite, r->from);
		struct txn_out o = txn_client_step(&c, r->event, NOW, &timers);
		if (c.state != r->to || o.actions != r->actions || c.again_ms != r->again_ms ||
		    c.deadline_ms != r->deadline_ms ||
		    o.wake_ms != earlier(r->again_ms, r->deadline_ms))
			fail_msg("%s: state %u actions %x again %+lld deadline %+lld", r->name,
				 c.state, o.actions, (long long)(c.again_ms - NOW),
				 (long long)(c.deadline_ms - NOW));
		for (size_t j = 0; j < i; j++)
			assert_false(rows[j].from == r->from && rows[j].event == r->event);
	}
}

static void invite_matrix(void **state)
{
	(void)state;
	check_rows(invite_rows, ARRAY_LEN(invite_rows), true);
}

static void other_matrix(void **state)
{
	(void)state;
	check_rows(other_rows, ARRAY_LEN(other_rows), false);
}

/* When it sends, counted from its start, until it gives up; answers 1xx at `provisional_ms`. */
struct life {
	const char *name;
	bool invite, reliable;
	uint64_t provisional_ms;
	uint64_t sends_ms[16];
	uint64_t end_ms;
};

/* clang-format off */
static const struct life lives[] = {
	{"INVITE over UDP doubles from T1 and gives up at 64*T1", true, false, 0, {0, 500, 1500, 3500, 7500, 15500, 31500}, 32000},
	{"INVITE over a stream is sent once and gives up at 64*T1", true, true, 0, {0}, 32000},
	{"other request over UDP doubles to T2 and gives up at 64*T1", false, false, 0, {0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500}, 32000},
	{"other request over a stream is sent once and gives up at 64*T1", false, true, 0, {0}, 32000},
	{"other request after a 1xx goes each T2", false, false, 600, {0, 500, 4600, 8600, 12600, 16600, 20600, 24600, 28600}, 32000},
	{"other request over a stream with a 1xx still gives up at 64*T1", false, true, 600, {0}, 32000},
};
/* clang-format on */

static void check_life(const struct life *l)
{
	struct txn_client c;
	struct txn_out o = txn_client_init(&c, l->invite, l->reliable, NOW, &timers);
	size_t sends = 0;
	uint64_t now = NOW;
	for (int turn = 0; turn < 64; turn++) {
		if (o.actions & TXN_DO_SEND) {
			assert_true(sends < ARRAY_LEN(l->sends_ms));
			if (l->sends_ms[sends] != now - NOW || (sends > 0 && !l->sends_ms[sends]))
				fail_msg("%s: send %zu at %llu", l->name, sends,
					 (unsigned long long)(now - NOW));
			sends++;
		}
		if (o.actions & TXN_DO_END)
			break;
		uint64_t provisional = NOW + l->provisional_ms;
		if (l->provisional_ms && now < provisional && o.wake_ms > provisional) {
			now = provisional;
			o = txn_client_step(&c, TXN_CLIENT_1XX, now, &timers);
		} else {
			assert_true(o.wake_ms > now);
			now = o.wake_ms;
			o = txn_client_tick(&c, now, &timers);
		}
	}
	assert_true(o.actions & TXN_DO_TIMEOUT);
	if (now - NOW != l->end_ms || (sends < ARRAY_LEN(l->sends_ms) && l->sends_ms[sends]))
		fail_msg("%s: ended at %llu after %zu sends", l->name,
			 (unsigned long long)(now - NOW), sends);
}

static void whole_lives(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lives); i++)
		check_life(&lives[i]);
}

static void streams_linger_not(void **state)
{
	(void)state;
	static const struct {
		bool invite;
		enum txn_client_event answer;
		uint64_t linger_ms;
	} rows[] = {
		{true, TXN_CLIENT_REFUSED, 0},
		{false, TXN_CLIENT_2XX, 0},
		{false, TXN_CLIENT_REFUSED, 0},
		/* Further forks' 2xx may come over a stream too (RFC 6026 §8.4). */
		{true, TXN_CLIENT_2XX, 32000},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct txn_client c;
		(void)txn_client_init(&c, rows[i].invite, true, NOW, &timers);
		struct txn_out o = txn_client_step(&c, rows[i].answer, NOW, &timers);
		assert_int_equal(o.wake_ms, NOW + rows[i].linger_ms);
		o = txn_client_tick(&c, o.wake_ms, &timers);
		assert_true(o.actions & TXN_DO_END);
	}
}

static void a_tick_before_time_does_nothing(void **state)
{
	(void)state;
	struct txn_client c;
	struct txn_out o = txn_client_init(&c, true, false, NOW, &timers);
	o = txn_client_tick(&c, o.wake_ms - 1, &timers);
	assert_int_equal(o.actions, 0);
	assert_int_equal(o.wake_ms, NOW + 500);
}

static void status_classes(void **state)
{
	(void)state;
	static const struct {
		uint16_t status;
		enum txn_client_event event;
	} rows[] = {
		{100, S(1XX)},     {199, S(1XX)},     {200, S(2XX)},     {299, S(2XX)},
		{300, S(REFUSED)}, {487, S(REFUSED)}, {503, S(REFUSED)}, {699, S(REFUSED)},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(txn_client_event_of(rows[i].status), rows[i].event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invite_matrix),
		cmocka_unit_test(other_matrix),
		cmocka_unit_test(whole_lives),
		cmocka_unit_test(streams_linger_not),
		cmocka_unit_test(a_tick_before_time_does_nothing),
		cmocka_unit_test(status_classes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
