/* What it costs that other nodes know of each call: the core with and without (keep, snapshot), and the octets of a call. */
#include <stdio.h>
#include <string.h>

#include "sbc/core/call.h"
#include "sbc/core/snapshot.h"
#include "sbc/core/worker.h"
#include "tests/bench/run.h"
#include "tests/support/site.h"

/* A call lasts as long as LASTING further ones take, a millisecond each: longer than what has changed is gathered. */
enum { CALLS = 2000, ROUNDS = 15, LASTING = 64 };

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

static void hang_up(struct site *s, const struct rec_send *ok)
{
	site_in_dialog(s, &s->outside, ok, "BYE", 8, NULL, NULL);
	site_answer(s, site_sent(s, 0), 200, NULL, NULL, NULL);
	site_relay(s, NULL);
}

static void round_of(struct site *s, int lasting, double *out)
{
	static struct rec_send oks[LASTING];
	double clock = site_clock_ns();

	s->spent_ns = s->steps = 0;
	for (int i = 0; i < CALLS + lasting; i++) {
		if (i >= lasting && lasting > 0)
			hang_up(s, &oks[i % lasting]);
		if (i < CALLS) {
			struct rec_send ok = establish(s);
			if (lasting == 0)
				hang_up(s, &ok);
			else
				oks[i % lasting] = ok;
		}
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
	static const int lasting[] = {LASTING, 0};
	static const char *const lines[2][2] = {
		{"core: one call that nobody shares",
		 "core: one call that is written to a store and deleted there"},
		{"core: the same, that ends at once",
		 "core: the same, of which a store hears nothing"}};
	static double took[2][2][ROUNDS];

	start(&t[0], false);
	start(&t[1], true);
	for (int r = 0; r < ROUNDS; r++)
		for (int k = 0; k < 4; k++)
			round_of(&t[k % 2], lasting[k / 2], &took[k / 2][k % 2][r]);
	for (int k = 0; k < 4; k++)
		bench_line(lines[k / 2][k % 2], took[k / 2][k % 2], ROUNDS, 0);
	bench_value("puts a call that lasts",
		    (double)t[1].sbc->keeps.counts.written / (CALLS * ROUNDS), "");
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
