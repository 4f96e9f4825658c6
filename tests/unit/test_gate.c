/* The gate: what raw bytes are, how the share that is shed follows the load, and a model of an overloaded server. */
#include <stdio.h>

#include "sbc/core/gate.h"
#include "tests/support/check.h"
#include "tests/support/guard.h"

static const struct overload_limits limits = {.delay_ms = 50, .retry_after_ms = 10000};

#define LINE(m) m " sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\n"

static void what_raw_bytes_are(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str bytes;
		enum gate_class want;
	} rows[] = {
		{"a response", STR("SIP/2.0 200 OK\r\nVia: x\r\n\r\n"), GATE_RESPONSE},
		{"a first INVITE", STR(LINE("INVITE") "To: <sip:b@h>\r\n\r\n"), GATE_NEW},
		{"a re-INVITE", STR(LINE("INVITE") "To: <sip:b@h>;tag=1\r\n\r\n"), GATE_DIALOG},
		{"its compact form", STR(LINE("INVITE") "t:<sip:b@h>;x=y;tag=1\r\n\r\n"),
		 GATE_DIALOG},
		{"a name in capitals, a space before the colon",
		 STR(LINE("INVITE") "TO : sip:b@h ; TAG=1\r\n\r\n"), GATE_DIALOG},
		{"a tag within the URI is none", STR(LINE("INVITE") "To: <sip:b@h;tag=1>\r\n\r\n"),
		 GATE_NEW},
		{"a tag of From is none",
		 STR(LINE("INVITE") "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\r\n"), GATE_NEW},
		{"no To at all", STR(LINE("INVITE") "\r\n"), GATE_NEW},
		{"a To behind the body's beginning", STR(LINE("INVITE") "\r\nTo: <sip:b@h>;tag=1"),
		 GATE_NEW},
		{"BYE", STR(LINE("BYE") "\r\n"), GATE_DIALOG},
		{"ACK", STR(LINE("ACK") "\r\n"), GATE_DIALOG},
		{"PRACK", STR(LINE("PRACK") "\r\n"), GATE_DIALOG},
		{"CANCEL keeps its place behind the INVITE",
		 STR(LINE("CANCEL") "To: <sip:b@h>\r\n\r\n"), GATE_NEW},
		{"REGISTER", STR(LINE("REGISTER") "To: <sip:b@h>\r\n\r\n"), GATE_NEW},
		{"a method that only begins like one", STR(LINE("BYEBYE") "To: <sip:b@h>\r\n\r\n"),
		 GATE_NEW},
		{"HTTP", STR("GET / HTTP/1.1\r\n\r\n"), GATE_JUNK},
		{"one line that does not end", STR("INVITE sip:b@h SIP/2.0"), GATE_JUNK},
		{"nothing", {"", 0}, GATE_JUNK},
		{"line ends", STR("\r\n\r\n"), GATE_JUNK},
		{"NULs", STR("\0\0\0\0"), GATE_JUNK},
		{"another version", STR("SIP/3.0 200 OK\r\n\r\n"), GATE_JUNK},
	};
	struct guard g;
	guard_init(&g, 4096);
	CHECK_TABLE(row, rows)
	{
		EXPECT_INT(gate_classify(guard_put(&g, row->bytes)), row->want);
		for (size_t n = 0; n < row->bytes.len; n++)
			(void)gate_classify(guard_put(&g, (struct str){row->bytes.p, n}));
	}
	guard_release(&g);
}

/* So many windows of messages that waited so long. */
static void windows(struct gate *g, unsigned count, uint32_t late_ms, uint64_t *now_ms)
{
	for (unsigned i = 0; i < count * 10; i++, *now_ms += GATE_WINDOW_MS / 10)
		gate_measure(g, &limits, 0, late_ms, *now_ms);
}

static void the_share_follows_the_standing_queue(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned before; /* windows of 200 ms */
		unsigned count;
		uint32_t late_ms;
		int least, most;
	} rows[] = {
		{"no wait, nothing is shed", 0, 20, 0, 0, 0},
		{"at the bound nothing is shed", 0, 20, 50, 0, 0},
		{"above it some is", 0, 3, 51, 150, 500},
		{"for long, nearly all", 0, 40, 200, 990, GATE_ALL},
		{"between a quarter and the bound it stays", 6, 20, 13, 600, 700},
		{"below it shrinks", 6, 10, 12, 250, 400},
		{"to nothing", 40, 120, 0, 0, 0},
	};
	CHECK_TABLE(row, rows)
	{
		struct gate g = {0};
		uint64_t now = 1000000;
		windows(&g, row->before, 200, &now);
		windows(&g, row->count, row->late_ms, &now);
		EXPECT_TRUE(g.shed >= row->least && g.shed <= row->most);
	}
}

static void one_quick_message_shows_that_no_queue_stands(void **state)
{
	(void)state;
	struct gate g = {0};
	uint64_t now = 1000000;
	for (unsigned i = 0; i < 100; i++, now += 10)
		gate_measure(&g, &limits, 0, i % 10 == 5 ? 0 : 500, now);
	EXPECT_INT(g.shed, 0);
}

static void a_quick_queue_does_not_hide_a_slow_one(void **state)
{
	(void)state;
	struct gate g = {0};
	uint64_t now = 1000000;
	for (unsigned i = 0; i < 400; i++, now += 5)
		gate_measure(&g, &limits, i % 2 ? 3 : 35, i % 2 ? 0 : 0, now);
	EXPECT_INT(g.shed, 0);
	for (unsigned i = 0; i < 400; i++, now += 5)
		gate_measure(&g, &limits, i % 2 ? 3 : 4, i % 2 ? 0 : 200, now);
	EXPECT_TRUE(g.shed > 900);
}

static void silence_ends_it(void **state)
{
	(void)state;
	struct gate g = {0};
	uint64_t now = 1000000;
	windows(&g, 40, 200, &now);
	/* But for a turn of ours that was long. */
	gate_measure(&g, &limits, 0, 200, now += 2000);
	EXPECT_TRUE(g.shed > 900);
	gate_measure(&g, &limits, 0, 0, now + 400);
	EXPECT_INT(g.shed, 0);
}

static void no_bound_is_no_gate(void **state)
{
	(void)state;
	struct gate g = {0};
	for (uint64_t now = 0; now < 10000; now += 10)
		gate_measure(&g, &(struct overload_limits){0}, 0, 5000, now);
	EXPECT_INT(g.shed, 0);
	EXPECT_TRUE(!gate_sheds(&g, 0));
}

static void retry_after_is_spread(void **state)
{
	(void)state;
	uint32_t least = UINT32_MAX, most = 0;
	for (uint32_t r = 0; r < 1000; r++) {
		uint32_t s = gate_retry_after_s(&limits, r * 2654435761u);
		least = s < least ? s : least;
		most = s > most ? s : most;
	}
	EXPECT_INT(least, 5);
	EXPECT_INT(most, 15);
	EXPECT_INT(gate_retry_after_s(&(struct overload_limits){.retry_after_ms = 1000}, 7), 1);
}

/*
 * A server that needs COST for a call and a share of it for a refusal, first come first served. What it finishes is
 * compared with what it could finish at best beside its refusals.
 */
enum { COST_US = 100, RUN_MS = 20000, QUEUE_MAX = 8000 };

struct run {
	double load; /* arrivals, in units of what it can do */
	unsigned shed_us;
	bool gate;
};

struct result {
	double share;           /* of the best */
	uint32_t worst_late_ms; /* in the second half */
	unsigned lost;          /* found the queue full */
};

static struct result model(const struct run *r)
{
	static double queue[QUEUE_MAX];
	size_t head = 0, count = 0;
	struct gate g = {0};
	struct result out = {0};
	double now = 0, next = 0, step = COST_US / r->load;
	unsigned good = 0;
	uint32_t random = 1;
	while (now < RUN_MS * 1000.0) {
		for (; next <= now || count == 0; next += step) {
			if (now < next)
				now = next;
			if (count == QUEUE_MAX)
				out.lost++;
			else
				queue[(head + count++) % QUEUE_MAX] = next;
		}
		double since = queue[head];
		head = (head + 1) % QUEUE_MAX;
		count--;
		uint32_t late = (uint32_t)((now - since) / 1000);
		if (r->gate)
			gate_measure(&g, &limits, 0, late, (uint64_t)(now / 1000));
		if (now > RUN_MS * 500.0 && late > out.worst_late_ms)
			out.worst_late_ms = late;
		random = random * 1664525 + 1013904223;
		if (gate_sheds(&g, random >> 8)) {
			now += r->shed_us;
			continue;
		}
		now += COST_US;
		/* Who waited for longer than its own patience (T1) has sent again: the work is done twice. */
		good += late < 500;
	}
	double refusal = (double)r->shed_us / COST_US;
	double best = r->load <= 1 ? r->load : (1 - r->load * refusal) / (1 - refusal);
	out.share = good / (RUN_MS * 1000.0 / COST_US) / best;
	return out;
}

static void throughput_holds_under_overload(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct run run;
		double least;
		uint32_t late_ms;
	} rows[] = {
		{"below its capacity nothing is refused", {0.9, 4, true}, 0.99, 10},
		{"at 1.2 times", {1.2, 4, true}, 0.9, 250},
		{"at 2 times", {2, 4, true}, 0.9, 250},
		{"at 4 times", {4, 4, true}, 0.9, 250},
		{"at 10 times", {10, 4, true}, 0.9, 250},
	};
	CHECK_TABLE(row, rows)
	{
		struct result r = model(&row->run);
		EXPECT_TRUE(r.share >= row->least);
		EXPECT_TRUE(r.worst_late_ms <= row->late_ms);
		EXPECT_TRUE(row->run.load > 2 || r.lost == 0);
		if (r.share < row->least || r.worst_late_ms > row->late_ms)
			print_message("# share %.3f, late %u ms, lost %u\n", r.share,
				      r.worst_late_ms, r.lost);
	}
	/* And without it there is no throughput at all: the test can fail. */
	struct result without = model(&(struct run){.load = 2, .shed_us = 4});
	EXPECT_TRUE(without.share < 0.1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_raw_bytes_are),
		cmocka_unit_test(the_share_follows_the_standing_queue),
		cmocka_unit_test(one_quick_message_shows_that_no_queue_stands),
		cmocka_unit_test(a_quick_queue_does_not_hide_a_slow_one),
		cmocka_unit_test(silence_ends_it),
		cmocka_unit_test(no_bound_is_no_gate),
		cmocka_unit_test(retry_after_is_spread),
		cmocka_unit_test(throughput_holds_under_overload),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
