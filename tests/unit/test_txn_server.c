/* Both server machines, a row for each state and event, and whole lives over UDP and streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/check.h"
#include "sbc/core/txn_server.h"

static const struct sip_timers timers = {500, 4000, 5000, 180000};

/* Before each row's event the timers stand so; after it they stand as the row says. */
#define NOW    UINT64_C(100000)
#define G      (NOW + 200)  /* G or "100 is due", untouched */
#define H      (NOW + 9000) /* the other timer, untouched */
#define NONE   UINT64_C(0)
#define IN(ms) (NOW + (ms))

#define SEND   TXN_DO_SEND
#define KSEND  (TXN_DO_KEEP | TXN_DO_SEND)
#define DROP   TXN_DO_DROP
#define END    TXN_DO_END
#define NO_ACK TXN_DO_NO_ACK
#define FAIL   TXN_DO_FAIL
#define SLOW   TXN_DO_SLOW

#define S(name) TXN_SERVER_##name

struct row {
	const char *name;
	enum txn_server_state from;
	enum txn_server_event event;
	enum txn_server_state to;
	unsigned actions;
	uint64_t again_ms, deadline_ms;
};

/* clang-format off */
static const struct row invite_rows[] = {
	{"INVITE again before any response is absorbed", S(TRYING), S(REQUEST), S(TRYING), 0, G, NONE},
	{"ACK before any response is absorbed", S(TRYING), S(ACK), S(TRYING), 0, G, NONE},
	{"the first 1xx goes out", S(TRYING), S(SEND_1XX), S(PROCEEDING), KSEND, NONE, NONE},
	{"2xx at once is repeated until its ACK", S(TRYING), S(SEND_2XX), S(ACCEPTED), KSEND, IN(500), IN(32000)},
	{"refusal at once is repeated until its ACK", S(TRYING), S(SEND_REFUSAL), S(COMPLETED), KSEND, IN(500), IN(32000)},
	{"silence is not for INVITE; it would be a refusal", S(TRYING), S(SEND_SILENCE), S(COMPLETED), KSEND, IN(500), IN(32000)},
	{"after 200 ms a 100 is due", S(TRYING), S(AGAIN), S(TRYING), SLOW, NONE, NONE},
	{"no deadline before a response", S(TRYING), S(DEADLINE), S(TRYING), 0, G, NONE},
	{"lost response before any is told", S(TRYING), S(ERROR), S(TRYING), FAIL, G, NONE},

	{"INVITE again in Proceeding resends the last provisional", S(PROCEEDING), S(REQUEST), S(PROCEEDING), SEND, NONE, NONE},
	{"ACK in Proceeding is absorbed", S(PROCEEDING), S(ACK), S(PROCEEDING), 0, NONE, NONE},
	{"a further 1xx goes out", S(PROCEEDING), S(SEND_1XX), S(PROCEEDING), KSEND, NONE, NONE},
	{"2xx in Proceeding is repeated until its ACK", S(PROCEEDING), S(SEND_2XX), S(ACCEPTED), KSEND, IN(500), IN(32000)},
	{"refusal in Proceeding is repeated until its ACK", S(PROCEEDING), S(SEND_REFUSAL), S(COMPLETED), KSEND, IN(500), IN(32000)},
	{"silence in Proceeding would be a refusal", S(PROCEEDING), S(SEND_SILENCE), S(COMPLETED), KSEND, IN(500), IN(32000)},
	{"no timer G in Proceeding", S(PROCEEDING), S(AGAIN), S(PROCEEDING), 0, NONE, NONE},
	{"no deadline in Proceeding", S(PROCEEDING), S(DEADLINE), S(PROCEEDING), 0, NONE, NONE},
	{"a lost 1xx is told and the state stays", S(PROCEEDING), S(ERROR), S(PROCEEDING), FAIL, NONE, NONE},

	{"INVITE again in Completed gets the refusal again", S(COMPLETED), S(REQUEST), S(COMPLETED), SEND, G, H},
	{"ACK confirms a refusal", S(COMPLETED), S(ACK), S(CONFIRMED), DROP, NONE, IN(5000)},
	{"1xx after a refusal goes nowhere", S(COMPLETED), S(SEND_1XX), S(COMPLETED), 0, G, H},
	{"2xx after a refusal goes nowhere", S(COMPLETED), S(SEND_2XX), S(COMPLETED), 0, G, H},
	{"a second refusal goes nowhere", S(COMPLETED), S(SEND_REFUSAL), S(COMPLETED), 0, G, H},
	{"silence after a refusal", S(COMPLETED), S(SEND_SILENCE), S(COMPLETED), 0, G, H},
	{"timer G repeats the refusal and doubles", S(COMPLETED), S(AGAIN), S(COMPLETED), SEND, IN(2000), H},
	{"timer H: no ACK came", S(COMPLETED), S(DEADLINE), S(TERMINATED), DROP | END | NO_ACK, NONE, NONE},
	{"a lost refusal is told and the state stays", S(COMPLETED), S(ERROR), S(COMPLETED), FAIL, G, H},

	{"INVITE again in Confirmed is absorbed", S(CONFIRMED), S(REQUEST), S(CONFIRMED), 0, NONE, H},
	{"ACK again in Confirmed is absorbed", S(CONFIRMED), S(ACK), S(CONFIRMED), 0, NONE, H},
	{"1xx in Confirmed goes nowhere", S(CONFIRMED), S(SEND_1XX), S(CONFIRMED), 0, NONE, H},
	{"2xx in Confirmed goes nowhere", S(CONFIRMED), S(SEND_2XX), S(CONFIRMED), 0, NONE, H},
	{"refusal in Confirmed goes nowhere", S(CONFIRMED), S(SEND_REFUSAL), S(CONFIRMED), 0, NONE, H},
	{"silence in Confirmed", S(CONFIRMED), S(SEND_SILENCE), S(CONFIRMED), 0, NONE, H},
	{"no timer G in Confirmed", S(CONFIRMED), S(AGAIN), S(CONFIRMED), 0, NONE, H},
	{"timer I ends Confirmed", S(CONFIRMED), S(DEADLINE), S(TERMINATED), END, NONE, NONE},
	{"no transport error in Confirmed", S(CONFIRMED), S(ERROR), S(CONFIRMED), 0, NONE, H},

	{"INVITE again in Accepted is absorbed", S(ACCEPTED), S(REQUEST), S(ACCEPTED), 0, G, H},
	{"ACK in Accepted stops the 2xx and is passed up", S(ACCEPTED), S(ACK), S(ACCEPTED), TXN_DO_PASS | DROP, NONE, H},
	{"1xx in Accepted goes nowhere", S(ACCEPTED), S(SEND_1XX), S(ACCEPTED), 0, G, H},
	{"a second 2xx in Accepted goes nowhere", S(ACCEPTED), S(SEND_2XX), S(ACCEPTED), 0, G, H},
	{"refusal in Accepted goes nowhere", S(ACCEPTED), S(SEND_REFUSAL), S(ACCEPTED), 0, G, H},
	{"silence in Accepted", S(ACCEPTED), S(SEND_SILENCE), S(ACCEPTED), 0, G, H},
	{"the 2xx is repeated by time and doubles", S(ACCEPTED), S(AGAIN), S(ACCEPTED), SEND, IN(2000), H},
	{"timer L without an ACK", S(ACCEPTED), S(DEADLINE), S(TERMINATED), DROP | END | NO_ACK, NONE, NONE},
	{"a lost 2xx is told and the state stays", S(ACCEPTED), S(ERROR), S(ACCEPTED), FAIL, G, H},

	{"INVITE after the end", S(TERMINATED), S(REQUEST), S(TERMINATED), 0, NONE, NONE},
	{"ACK after the end", S(TERMINATED), S(ACK), S(TERMINATED), 0, NONE, NONE},
	{"1xx after the end", S(TERMINATED), S(SEND_1XX), S(TERMINATED), 0, NONE, NONE},
	{"2xx after the end", S(TERMINATED), S(SEND_2XX), S(TERMINATED), 0, NONE, NONE},
	{"refusal after the end", S(TERMINATED), S(SEND_REFUSAL), S(TERMINATED), 0, NONE, NONE},
	{"silence after the end", S(TERMINATED), S(SEND_SILENCE), S(TERMINATED), 0, NONE, NONE},
	{"timer G after the end", S(TERMINATED), S(AGAIN), S(TERMINATED), 0, NONE, NONE},
	{"timer H after the end", S(TERMINATED), S(DEADLINE), S(TERMINATED), 0, NONE, NONE},
	{"transport error after the end", S(TERMINATED), S(ERROR), S(TERMINATED), 0, NONE, NONE},
};
/* clang-format on */
_Static_assert(ARRAY_LEN(invite_rows) == TXN_SERVER_STATE_COUNT * TXN_SERVER_EVENT_COUNT,
	       "a row for each state and event");

/* clang-format off */
static const struct row other_rows[] = {
	{"request again in Trying is absorbed", S(TRYING), S(REQUEST), S(TRYING), 0, G, NONE},
	{"a stray ACK in Trying is absorbed", S(TRYING), S(ACK), S(TRYING), 0, G, NONE},
	{"a 100 goes out", S(TRYING), S(SEND_1XX), S(PROCEEDING), KSEND, NONE, NONE},
	{"2xx is final and kept for J", S(TRYING), S(SEND_2XX), S(COMPLETED), KSEND, NONE, IN(32000)},
	{"refusal is final and kept for J", S(TRYING), S(SEND_REFUSAL), S(COMPLETED), KSEND, NONE, IN(32000)},
	{"408 is not sent, and repeats are absorbed for J", S(TRYING), S(SEND_SILENCE), S(COMPLETED), DROP, NONE, IN(32000)},
	{"when the client's E has reached T2 a 100 is due", S(TRYING), S(AGAIN), S(TRYING), SLOW, NONE, NONE},
	{"no deadline before a response", S(TRYING), S(DEADLINE), S(TRYING), 0, G, NONE},
	{"transport error in Trying is told", S(TRYING), S(ERROR), S(TRYING), FAIL, G, NONE},

	{"request again in Proceeding resends the 100", S(PROCEEDING), S(REQUEST), S(PROCEEDING), SEND, NONE, NONE},
	{"a stray ACK in Proceeding is absorbed", S(PROCEEDING), S(ACK), S(PROCEEDING), 0, NONE, NONE},
	{"a second 100 goes out", S(PROCEEDING), S(SEND_1XX), S(PROCEEDING), KSEND, NONE, NONE},
	{"2xx in Proceeding is final", S(PROCEEDING), S(SEND_2XX), S(COMPLETED), KSEND, NONE, IN(32000)},
	{"refusal in Proceeding is final", S(PROCEEDING), S(SEND_REFUSAL), S(COMPLETED), KSEND, NONE, IN(32000)},
	{"408 in Proceeding drops the 100 too", S(PROCEEDING), S(SEND_SILENCE), S(COMPLETED), DROP, NONE, IN(32000)},
	{"one 100 is enough", S(PROCEEDING), S(AGAIN), S(PROCEEDING), 0, NONE, NONE},
	{"no deadline in Proceeding", S(PROCEEDING), S(DEADLINE), S(PROCEEDING), 0, NONE, NONE},
	{"transport error in Proceeding is told", S(PROCEEDING), S(ERROR), S(PROCEEDING), FAIL, NONE, NONE},

	{"request again in Completed gets the response again", S(COMPLETED), S(REQUEST), S(COMPLETED), SEND, NONE, H},
	{"a stray ACK in Completed is absorbed", S(COMPLETED), S(ACK), S(COMPLETED), 0, NONE, H},
	{"100 in Completed goes nowhere", S(COMPLETED), S(SEND_1XX), S(COMPLETED), 0, NONE, H},
	{"2xx in Completed goes nowhere", S(COMPLETED), S(SEND_2XX), S(COMPLETED), 0, NONE, H},
	{"refusal in Completed goes nowhere", S(COMPLETED), S(SEND_REFUSAL), S(COMPLETED), 0, NONE, H},
	{"silence in Completed", S(COMPLETED), S(SEND_SILENCE), S(COMPLETED), 0, NONE, H},
	{"nothing is repeated by timer in Completed", S(COMPLETED), S(AGAIN), S(COMPLETED), 0, NONE, H},
	{"timer J ends Completed", S(COMPLETED), S(DEADLINE), S(TERMINATED), DROP | END, NONE, NONE},
	{"transport error in Completed is told", S(COMPLETED), S(ERROR), S(COMPLETED), FAIL, NONE, H},

	{"request after the end", S(TERMINATED), S(REQUEST), S(TERMINATED), 0, NONE, NONE},
	{"ACK after the end", S(TERMINATED), S(ACK), S(TERMINATED), 0, NONE, NONE},
	{"100 after the end", S(TERMINATED), S(SEND_1XX), S(TERMINATED), 0, NONE, NONE},
	{"2xx after the end", S(TERMINATED), S(SEND_2XX), S(TERMINATED), 0, NONE, NONE},
	{"refusal after the end", S(TERMINATED), S(SEND_REFUSAL), S(TERMINATED), 0, NONE, NONE},
	{"silence after the end", S(TERMINATED), S(SEND_SILENCE), S(TERMINATED), 0, NONE, NONE},
	{"no timer after the end", S(TERMINATED), S(AGAIN), S(TERMINATED), 0, NONE, NONE},
	{"timer J after the end", S(TERMINATED), S(DEADLINE), S(TERMINATED), 0, NONE, NONE},
	{"transport error after the end", S(TERMINATED), S(ERROR), S(TERMINATED), 0, NONE, NONE},
};
/* clang-format on */
/* A non-INVITE never is in Confirmed or Accepted. */
_Static_assert(ARRAY_LEN(other_rows) == (TXN_SERVER_STATE_COUNT - 2) * TXN_SERVER_EVENT_COUNT,
	       "a row for each state and event");

static struct txn_server before(bool invite, enum txn_server_state s)
{
	struct txn_server m = {.state = (uint8_t)s, .invite = invite, .interval_ms = 1000};
	bool repeats = invite && (s == S(COMPLETED) || s == S(ACCEPTED));
	if (s == S(TRYING) || repeats)
		m.again_ms = G;
	if (s == S(COMPLETED) || s == S(CONFIRMED) || s == S(ACCEPTED))
		m.deadline_ms = H;
	return m;
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
		struct txn_server s = before(invite, r->from);
		struct txn_out o = txn_server_step(&s, r->event, NOW, &timers);
		if (s.state != r->to || o.actions != r->actions || s.again_ms != r->again_ms ||
		    s.deadline_ms != r->deadline_ms ||
		    o.wake_ms != earlier(r->again_ms, r->deadline_ms))
			fail_msg("%s: state %u actions %x again %+lld deadline %+lld", r->name,
				 s.state, o.actions, (long long)(s.again_ms - NOW),
				 (long long)(s.deadline_ms - NOW));
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

/* When a final response goes out, counted from the first time, if no ACK ever comes. */
struct life {
	const char *name;
	bool invite, reliable;
	uint16_t status;
	uint64_t sends_ms[16];
	uint64_t end_ms;
	bool no_ack;
};

#define TO_T2 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500
/* clang-format off */
static const struct life lives[] = {
	{"486 over UDP is repeated up to T2 until H", true, false, 486, {0, TO_T2}, 32000, true},
	{"486 over a stream is sent once and waits for its ACK", true, true, 486, {0}, 32000, true},
	{"200 over UDP is repeated up to T2 until L", true, false, 200, {0, TO_T2}, 32000, true},
	{"200 over a stream is repeated as well", true, true, 200, {0, TO_T2}, 32000, true},
	{"200 to another request over UDP lingers for J", false, false, 200, {0}, 32000, false},
	{"200 to another request over a stream does not linger", false, true, 200, {0}, 0, false},
	{"408 to INVITE is a refusal like others", true, true, 408, {0}, 32000, true},
};
/* clang-format on */

static void check_life(const struct life *l)
{
	struct txn_server s;
	(void)txn_server_init(&s, l->invite, l->reliable, NOW - 5, &timers);
	assert_true(txn_server_may_send(&s, l->status));
	struct txn_out o = txn_server_step(&s, txn_server_event_of(&s, l->status), NOW, &timers);
	assert_false(txn_server_may_send(&s, 200));
	size_t sends = 0;
	uint64_t now = NOW;
	for (int turn = 0; turn < 64 && !(o.actions & TXN_DO_END); turn++) {
		if (o.actions & TXN_DO_SEND) {
			assert_true(sends < ARRAY_LEN(l->sends_ms));
			if (l->sends_ms[sends] != now - NOW || (sends > 0 && !l->sends_ms[sends]))
				fail_msg("%s: send %zu at %llu", l->name, sends,
					 (unsigned long long)(now - NOW));
			sends++;
		}
		assert_true(o.wake_ms >= now);
		now = o.wake_ms;
		o = txn_server_tick(&s, now, &timers);
	}
	if (now - NOW != l->end_ms || (sends < ARRAY_LEN(l->sends_ms) && l->sends_ms[sends]) ||
	    !!(o.actions & TXN_DO_NO_ACK) != l->no_ack)
		fail_msg("%s: ended at %llu after %zu sends", l->name,
			 (unsigned long long)(now - NOW), sends);
}

static void whole_lives(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lives); i++)
		check_life(&lives[i]);
}

static void an_acked_call_ends_in_peace(void **state)
{
	(void)state;
	struct txn_server s;
	(void)txn_server_init(&s, true, false, NOW, &timers);
	(void)txn_server_step(&s, TXN_SERVER_SEND_2XX, NOW, &timers);
	struct txn_out o = txn_server_step(&s, TXN_SERVER_ACK, NOW + 100, &timers);
	assert_int_equal(o.wake_ms, NOW + 32000);
	o = txn_server_step(&s, TXN_SERVER_ERROR, NOW + 200, &timers);
	assert_int_equal(o.actions, 0);
	o = txn_server_tick(&s, NOW + 32000, &timers);
	assert_int_equal(o.actions, TXN_DO_DROP | TXN_DO_END);
}

static void a_refusal_over_a_stream_is_done_with_its_ack(void **state)
{
	(void)state;
	struct txn_server s;
	(void)txn_server_init(&s, true, true, NOW, &timers);
	(void)txn_server_step(&s, TXN_SERVER_SEND_REFUSAL, NOW, &timers);
	struct txn_out o = txn_server_step(&s, TXN_SERVER_ACK, NOW + 100, &timers);
	assert_int_equal(o.wake_ms, NOW + 100);
	o = txn_server_tick(&s, NOW + 100, &timers);
	assert_int_equal(o.actions, TXN_DO_END);
}

static void a_100_is_due(void **state)
{
	(void)state;
	static const struct {
		bool invite;
		uint64_t after_ms;
	} rows[] = {{true, 200}, {false, 3500}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct txn_server s;
		struct txn_out o = txn_server_init(&s, rows[i].invite, false, NOW, &timers);
		assert_int_equal(o.wake_ms, NOW + rows[i].after_ms);
		o = txn_server_tick(&s, o.wake_ms, &timers);
		assert_int_equal(o.actions, TXN_DO_SLOW);
		assert_int_equal(o.wake_ms, 0);
	}
}

/* RFC 4320: to a non-INVITE no 1xx but 100, and never 408. */
static void what_may_be_sent(void **state)
{
	(void)state;
	struct txn_server invite, other;
	(void)txn_server_init(&invite, true, false, NOW, &timers);
	(void)txn_server_init(&other, false, false, NOW, &timers);
	assert_true(txn_server_may_send(&invite, 183));
	assert_true(txn_server_may_send(&other, 100));
	assert_false(txn_server_may_send(&other, 183));
	assert_int_equal(txn_server_event_of(&other, 408), TXN_SERVER_SEND_SILENCE);
	assert_int_equal(txn_server_event_of(&invite, 408), TXN_SERVER_SEND_REFUSAL);
	assert_int_equal(txn_server_event_of(&invite, 199), TXN_SERVER_SEND_1XX);
	assert_int_equal(txn_server_event_of(&invite, 299), TXN_SERVER_SEND_2XX);
	assert_int_equal(txn_server_event_of(&invite, 300), TXN_SERVER_SEND_REFUSAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invite_matrix),
		cmocka_unit_test(other_matrix),
		cmocka_unit_test(whole_lives),
		cmocka_unit_test(an_acked_call_ends_in_peace),
		cmocka_unit_test(a_refusal_over_a_stream_is_done_with_its_ack),
		cmocka_unit_test(a_100_is_due),
		cmocka_unit_test(what_may_be_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
