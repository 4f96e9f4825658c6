/*
 * DTLS-SRTP: what one handshake costs a server and a client, each with both of its signatures; what a hello without a cookie
 * costs; and the heap that a handshake takes while it goes on, and afterwards.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "rtpproxy/core/dtls.h"
#include "rtpproxy/core/handshake.h"
#include "tests/bench/run.h"
#include "tests/support/media.h"

enum { STANDING = 200, ROUNDS = 30 };

struct pair {
	struct dtls_worker workers[2];
	struct addr at[2];
	double cpu[2]; /* spent in each */
};

static void init(struct pair *p)
{
	const struct dtls_params params = {.wall_s = 1700000000,
					   .lifetime_s = 86400,
					   .now_ms = 1000,
					   .first_ms = DTLS_FIRST_MS};
	for (unsigned i = 0; i < 2; i++) {
		const enum err e = dtls_worker_init(&p->workers[i], &params);
		CHECK(e == OK);
		p->at[i] = media_addr((uint8_t)(1 + i), 5000);
	}
}

/* One turn of the side that got datagrams. */
static void answer(struct pair *p, unsigned side, struct dtls *d, const struct dtls_out *in,
		   struct dtls_out *out)
{
	const double before = bench_cpu_ns();
	for (unsigned i = 0; i < in->count; i++) {
		(void)dtls_step(d, &p->at[1 - side], in->bytes[i], in->len[i], 1000, out);
	}
	p->cpu[side] += bench_cpu_ns() - before;
}

static void shake(struct pair *p, struct dtls d[2], unsigned turns)
{
	struct dtls_out o[2];
	for (unsigned i = 0; i < 2; i++) {
		struct dtls_expect e = {.count = 1,
					.at = {p->workers[1 - i].ours.prints[DTLS_SHA256]}};
		dtls_init(&d[i], &p->workers[i], i ? DTLS_SERVER : DTLS_CLIENT, 1);
		dtls_expect(&d[i], &e);
	}
	d[1].cookie = true;
	const double before = bench_cpu_ns();
	dtls_start(&d[0], &p->at[1], 1000, &o[0]);
	p->cpu[0] += bench_cpu_ns() - before;
	for (unsigned i = 1; i <= turns; i++) {
		answer(p, i % 2, &d[i % 2], &o[1 - i % 2], &o[i % 2]);
	}
}

static void one_handshake(struct pair *p)
{
	double took[2][ROUNDS];
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct dtls d[2];
		p->cpu[0] = p->cpu[1] = 0;
		shake(p, d, 6);
		CHECK(dtls_is_proven(&d[0]) && dtls_is_proven(&d[1]));
		for (unsigned k = 0; k < 2; k++) {
			took[k][i] = p->cpu[k];
			dtls_release(&d[k]);
		}
	}
	bench_line("a handshake, the client's part", took[0], ROUNDS, 0);
	bench_line("a handshake, the server's part", took[1], ROUNDS, 0);
}

struct hello {
	struct pair *p;
	struct dtls server;
	struct dtls_out o;
};

static void cookies(void *ctx, size_t n)
{
	struct hello *h = ctx;
	struct dtls_out r;
	for (size_t i = 0; i < n; i++) {
		(void)dtls_step(&h->server, &h->p->at[0], h->o.bytes[0], h->o.len[0], 1000, &r);
		bench_keep(r.len[0]);
	}
}

static void heap(struct pair *p, const char *name, unsigned turns)
{
	static struct dtls d[STANDING][2];
	malloc_trim(0);
	const size_t before = mallinfo2().uordblks;
	for (unsigned i = 0; i < STANDING; i++) {
		shake(p, d[i], turns);
	}
	/* Two associations each. */
	bench_value(name, (double)(mallinfo2().uordblks - before) / STANDING / 2 / 1024, "KiB");
	for (unsigned i = 0; i < STANDING; i++) {
		dtls_release(&d[i][0]);
		dtls_release(&d[i][1]);
	}
}

int main(void)
{
	struct pair p = {0};
	struct hello h = {.p = &p};
	struct dtls client;
	init(&p);
	one_handshake(&p);
	dtls_init(&client, &p.workers[0], DTLS_CLIENT, 1);
	dtls_init(&h.server, &p.workers[1], DTLS_SERVER, 1);
	h.server.cookie = true;
	dtls_start(&client, &p.at[1], 1000, &h.o);
	bench("a hello without a cookie", cookies, &h);
	dtls_release(&client);
	dtls_release(&h.server);
	heap(&p, "heap of a handshake that goes on", 4);
	heap(&p, "heap of one that is up", 6);
	bench_value("an association, whatever its state", (double)sizeof(struct handshake),
		    "bytes");
	return 0;
}
