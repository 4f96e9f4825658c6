/*
 * The whole packet path over a batch of 32: classify, source, unprotect, learn, measure, protect. Calls of two parties, one
 * packet from each in turn, visited in shuffled order: 32 calls (64 endpoints) and 2,048 (4,096). No sockets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "rtpproxy/core/forward.h"
#include "rtpproxy/core/stream.h"
#include "tests/bench/run.h"
#include "tests/support/media.h"

enum { BATCH = 32, ROUNDS = 11, PAYLOAD = 160 };

struct party {
	struct stream rtp, rtcp;
	struct srtp_key tx; /* of the far end */
	struct addr at;
	uint16_t seq;
};

/* A packet waiting to come in, close to the next one, so that it is not they that fill the cache. */
struct ready {
	struct pkt pkt;
	uint8_t bytes[PAYLOAD + 40];
};

struct load {
	struct srtp_worker worker;
	struct forward forward;
	struct party *party; /* 2i and 2i+1 talk to each other */
	uint32_t *order;
	size_t count;
	struct ready *ready;
	struct media_pkt work[BATCH];
	uint64_t now_us;
};

static const struct {
	const char *name;
	enum stream_security security[2];
	enum sdes_suite suite;
} kinds[] = {
	{"RTP to RTP", {STREAM_PLAIN, STREAM_PLAIN}, SDES_AES_CM_128_HMAC_SHA1_80},
	{"SRTP CM-128 with RTP", {STREAM_SRTP, STREAM_PLAIN}, SDES_AES_CM_128_HMAC_SHA1_80},
	{"SRTP CM-128 with SRTP", {STREAM_SRTP, STREAM_SRTP}, SDES_AES_CM_128_HMAC_SHA1_80},
	{"SRTP GCM-128 with RTP", {STREAM_SRTP, STREAM_PLAIN}, SDES_AEAD_AES_128_GCM},
	{"SRTP GCM-128 with SRTP", {STREAM_SRTP, STREAM_SRTP}, SDES_AEAD_AES_128_GCM},
};

static void make_party(struct load *l, size_t i, enum stream_security security,
		       enum sdes_suite suite)
{
	struct party *p = &l->party[i];
	stream_init(&p->rtp, PKT_RTP, &l->worker, NULL);
	stream_init(&p->rtcp, PKT_RTCP, &l->worker, &p->rtp);
	srtp_key_init(&p->tx, &l->worker, SRTP_TX);
	p->at = media_addr(10, (uint16_t)(1024 + i));
	stream_set_remote(&p->rtp, &p->at, 0);
	stream_set_security(&p->rtp, security);
	stream_set_source(&p->rtp, (uint64_t)i << 32 | (0x10000 + i));
	stream_set_continuity(&p->rtp, !getenv("PLAIN_NUMBERS"), 8000);
	if (security != STREAM_SRTP)
		return;
	const struct sdes_suite_info *info = sdes_suite_info(suite);
	uint64_t random = i;
	struct secret ours = media_key(&random, (size_t)info->key_len + info->salt_len);
	struct secret theirs = media_key(&random, (size_t)info->key_len + info->salt_len);
	CHECK(stream_set_key(&p->rtp, SRTP_TX, suite, &ours) == OK);
	CHECK(stream_set_key(&p->rtp, SRTP_RX, suite, &theirs) == OK);
	CHECK(srtp_key_set(&p->tx, suite, &theirs) == OK);
}

static void make_calls(struct load *l, size_t kind)
{
	uint64_t random = 3;
	for (size_t i = 0; i < l->count; i++) {
		make_party(l, i, kinds[kind].security[i & 1], kinds[kind].suite);
		l->order[i] = (uint32_t)i;
	}
	for (size_t i = 0; i < l->count; i++)
		stream_set_peer(&l->party[i].rtp, PKT_RTP, &l->party[i ^ 1].rtp);
	for (size_t i = l->count - 1; i > 0; i--) {
		const size_t j = media_random(&random) % (i + 1);
		const uint32_t was = l->order[i];
		l->order[i] = l->order[j];
		l->order[j] = was;
	}
}

static void make_ready(struct load *l, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint32_t at = l->order[i % l->count];
		struct party *p = &l->party[at];
		const uint16_t seq = p->seq++;
		const struct media_rtp f = {
			.ssrc = at, .seq = seq, .timestamp = 160u * seq, .payload = PAYLOAD};
		static struct media_pkt made;
		struct media_pkt *m = &made;
		media_pkt_set(m, PKT_RTP, media_rtp_write(&f, m->bytes));
		if (srtp_key_is_set(&p->tx)) {
			struct srtp_op op = {.key = &p->tx, .pkt = &m->pkt};
			srtp_batch_protect(&l->worker, &op, 1);
		}
		m->pkt.stream = &p->rtp;
		m->pkt.from = p->at;
		CHECK(m->pkt.len <= sizeof(l->ready[i].bytes));
		memcpy(l->ready[i].bytes, m->bytes, m->pkt.len);
		l->ready[i].pkt = m->pkt;
	}
}

static double time_all(struct load *l, size_t n)
{
	double ns = 0;
	for (size_t at = 0; at < n; at += BATCH) {
		struct pkt *pkts[BATCH];
		l->now_us += 500;
		for (size_t i = 0; i < BATCH; i++) {
			const struct ready *from = &l->ready[at + i];
			memcpy(l->work[i].bytes, from->bytes, from->pkt.len);
			l->work[i].pkt = from->pkt;
			l->work[i].pkt.data = l->work[i].bytes;
			l->work[i].pkt.at_us = l->now_us;
			pkts[i] = &l->work[i].pkt;
		}
		const double start = bench_cpu_ns();
		forward_batch(&l->forward, pkts, BATCH, l->now_us);
		ns += bench_cpu_ns() - start;
		for (size_t i = 0; i < BATCH; i++)
			CHECK(pkts[i]->fate == FATE_SENT);
	}
	return ns / (double)n;
}

static void measure(const char *engine, size_t kind, size_t count)
{
	struct load l = {.count = count};
	char name[96];
	double ns[ROUNDS];
	const size_t n = count * (count <= 64 ? 128 : 2);
	uint64_t calls = 0;
	CHECK(srtp_worker_init(&l.worker, engine) == OK);
	forward_init(&l.forward, &l.worker, &(struct siphash_key){{1, 2}});
	l.party = calloc(count, sizeof(*l.party));
	l.order = calloc(count, sizeof(*l.order));
	l.ready = calloc(n, sizeof(*l.ready));
	CHECK(l.party && l.order && l.ready);
	make_calls(&l, kind);
	for (int round = -1; round < ROUNDS; round++) {
		make_ready(&l, n);
		const uint64_t before = bench_allocations();
		const double one = time_all(&l, n);
		if (round < 0)
			continue;
		calls += bench_allocations() - before;
		ns[round] = one;
	}
	snprintf(name, sizeof(name), "%s: %s, %zu", engine, kinds[kind].name, count);
	bench_line(name, ns, ROUNDS, (double)calls / (double)(ROUNDS * n));
	for (size_t i = 0; i < count; i++) {
		stream_release(&l.party[i].rtcp);
		stream_release(&l.party[i].rtp);
		srtp_key_release(&l.party[i].tx);
	}
	srtp_worker_release(&l.worker);
	free(l.party);
	free(l.order);
	free(l.ready);
}

int main(void)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		measure("openssl", k, 64);
		measure("openssl", k, 4096);
	}
	measure("libsrtp2", 1, 64);
	measure("libsrtp2", 2, 64);
	bench_value("an endpoint without its keys", (double)sizeof(struct stream), "bytes");
	return 0;
}
