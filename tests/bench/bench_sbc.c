/*
 * A whole call through the signalling core with ports that write down: 13 messages and three questions to the relay,
 * CPU time inside sbc_step; and what an established call keeps in memory. With a number as its argument it makes one
 * round of so many calls and ends: for valgrind --tool=callgrind, whose instructions do not depend on other work.
 */
#include <stdio.h>
#include <stdlib.h>

#include "run.h"
#include "sbc/core/call.h"
#include "sbc/core/worker.h"
#include "tests/support/site.h"

enum { HELD = 5000, ROUNDS = 7, CALLS = 3000 };

/* As long as a phone's. */
#define SDP                                                                                        \
	"v=0\r\no=user1 53655765 2353687637 IN IP4 198.51.100.7\r\ns=-\r\n"                        \
	"c=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8 0 101\r\n"                       \
	"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"    \
	"a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"

static struct site t;

/* INVITE 100 INVITE 180 180 200 ACK 200 ACK: the sends of the core are nine, with those of the peers thirteen with BYE. */
static struct rec_send establish(unsigned n)
{
	char id[32];

	snprintf(id, sizeof(id), "%u", n);
	ports_rec_clear(&t.rec);
	site_invite(&t, SITE_CARRIER, id, NULL, SDP);
	site_relay(&t, SDP);
	struct rec_send invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 100, NULL, NULL, NULL);
	site_answer(&t, &invite, 180, "b", NULL, NULL);
	site_answer(&t, &invite, 200, "b", NULL, SDP);
	site_relay(&t, SDP);
	struct rec_send ok = *site_sent(&t, 0);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	return ok;
}

static void end(const struct rec_send *ok)
{
	site_in_dialog(&t, &t.outside, ok, "BYE", 8, NULL, NULL);
	site_answer(&t, site_sent(&t, 0), 200, NULL, NULL, NULL);
	site_relay(&t, NULL);
}

static void whole_calls(int rounds, int calls)
{
	double took[ROUNDS];
	unsigned n = 0;
	uint64_t allocations = 0;

	for (int r = 0; r < rounds; r++) {
		double clock = site_clock_ns();
		t.spent_ns = t.steps = 0;
		uint64_t before = bench_allocations();
		for (int i = 0; i < calls; i++) {
			struct rec_send ok = establish(n++);
			end(&ok);
			t.now_ms += 1;
			if (i % 8 == 0)
				site_tick(&t, 0);
		}
		took[r] = ((double)t.spent_ns - clock * (double)t.steps) / calls;
		allocations = bench_allocations() - before;
		site_tick(&t, 60000);
	}
	bench_line("sbc: one call, 13 messages", took, (size_t)rounds, (double)allocations / calls);
}

static void memory(void)
{
	for (unsigned i = 0; i < HELD; i++) {
		establish(1000000 + i);
		t.now_ms += 1;
	}
	size_t fresh = t.sbc->blocks.used + t.sbc->txns.kept.used +
		       t.sbc->calls.used * t.sbc->calls.stride +
		       t.sbc->txns.pool.used * t.sbc->txns.pool.stride;
	bench_value("sbc: memory of a call just answered, with its transactions",
		    (double)fresh / HELD, "bytes");
	bench_value("sbc: of these kept messages", (double)t.sbc->txns.kept.used / HELD, "bytes");
	site_tick(&t, 60000);
	size_t later = t.sbc->blocks.used + t.sbc->txns.kept.used +
		       t.sbc->calls.used * t.sbc->calls.stride +
		       t.sbc->txns.pool.used * t.sbc->txns.pool.stride;
	bench_value("sbc: memory of an established call", (double)later / HELD, "bytes");
	bench_value("sbc: of these texts", (double)t.sbc->blocks.used / HELD, "bytes");
}

int main(int argc, char **argv)
{
	int calls = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;

	site_init(&t);
	t.set.limits.calls = 20000;
	t.set.limits.transactions = 200000;
	t.rec.quiet = true;
	t.timed = true;
	site_start(&t);
	whole_calls(calls > 0 ? 1 : ROUNDS, calls > 0 ? calls : CALLS);
	if (calls <= 0)
		memory();
	site_stop(&t);
	return 0;
}
