/* What it costs that other nodes know of each call: the core with and without (keep, snapshot), and the octets of a call. */
#include <stdio.h>
#include <string.h>

#include "sbc/core/call.h"
#include "sbc/core/snapshot.h"
#include "sbc/core/worker.h"
#include "tests/bench/run.h"
#include "tests/support/site.h"

enum { CALLS = 2000, ROUNDS = 15 };

static struct site t[2];
static unsigned number;

#define SDP                                                                                        \
	"v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"          \
	"m=audio 20000 RTP/AVP 8 0 9 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"      \
	"a=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"         \
	"a=ptime:20\r\na=sendrecv\r\n"

static void start(struct site *s, bool shared)
{
	site_init(s);
	s->set.limits.calls = 20000;
	s->set.limits.transactions = 200000;
	if (shared) {
		s->set.store.kind = STORE_KIND_REDIS;
		s->set.store.key = STR("a key of thirty-two octets......");
	}
	s->rec.quiet = s->timed = true;
	site_start(s);
	if (shared)
		site_event(s,
			   &(struct event){.type = EVENT_STORE_STATE, .store_state = {.up = true}});
}

static struct rec_send establish(struct site *s)
{
	char id[16];

	snprintf(id, sizeof(id), "%u", number++);
	ports_rec_clear(&s->rec);
	site_invite(s, SITE_CARRIER, id, NULL, SDP);
	site_relay(s, SDP);
	struct rec_send invite = *site_sent(s, 0);
	site_answer(s, &invite, 100, NULL, NULL, NULL);
	site_answer(s, &invite, 180, "b", NULL, NULL);
	site_answer(s, &invite, 200, "b", NULL, SDP);
	site_relay(s, SDP);
	struct rec_send ok = *site_sent(s, 0);
	site_in_dialog(s, &s->outside, &ok, "ACK", 7, NULL, NULL);
	return ok;
}

static void round_of(struct site *s, double *out)
{
	double clock = site_clock_ns();

	s->spent_ns = s->steps = 0;
	for (int i = 0; i < CALLS; i++) {
		struct rec_send ok = establish(s);
		site_in_dialog(s, &s->outside, &ok, "BYE", 8, NULL, NULL);
		site_answer(s, site_sent(s, 0), 200, NULL, NULL, NULL);
		site_relay(s, NULL);
		s->now_ms++;
		if (i % 8 == 0)
			site_tick(s, 0);
	}
	*out = ((double)s->spent_ns - clock * (double)s->steps) / CALLS;
	site_tick(s, 60000);
}

static struct snapshot x;
static char mem[SNAPSHOT_MAX];

static void take(void *ctx, size_t n)
{
	const struct call *c = ctx;
	struct buf b;

	for (size_t i = 0; i < n; i++) {
		arena_reset(&t[1].sbc->arena);
		CHECK(snapshot_take(t[1].sbc, c, &x));
		buf_init(&b, mem, sizeof(mem));
		snapshot_encode(&b, &x);
		bench_keep(b.len);
	}
}

static void read_back(void *ctx, size_t n)
{
	const struct str *bytes = ctx;
	struct snapshot y;

	for (size_t i = 0; i < n; i++)
		bench_keep((uint64_t)snapshot_decode(*bytes, &y));
}

int main(void)
{
	double took[2][ROUNDS];

	start(&t[0], false);
	start(&t[1], true);
	for (int r = 0; r < ROUNDS; r++)
		for (int k = 0; k < 2; k++)
			round_of(&t[k], &took[k][r]);
	bench_line("core: one call that nobody shares", took[0], ROUNDS, 0);
	bench_line("core: one call that is written to a store and deleted there", took[1], ROUNDS,
		   0);
	site_tick(&t[1], 60000);
	(void)establish(&t[1]);
	uint32_t cursor = 0;
	id_t64 id;
	struct call *c = pool_next(&t[1].sbc->calls, &cursor, &id);
	CHECK(c && c->keep);
	bench("snapshot: a call into octets", take, c);
	struct str bytes = {mem, 0};
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	snapshot_encode(&b, &x);
	bytes.len = b.len;
	bench("snapshot: octets read and checked", read_back, &bytes);
	bench_value("snapshot: of a call with three codecs, both ways", (double)b.len, "bytes");
	site_stop(&t[0]);
	site_stop(&t[1]);
	return 0;
}
