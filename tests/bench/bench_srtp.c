/*
 * One re-key: unprotect with one key, protect with another; 172-byte RTP packets (G.711, 20 ms). Every packet of a
 * batch belongs to another stream, visited in shuffled order: 64 streams (keys in the cache) and
 * 4,096 (what a loaded relay sees). The packets come from a pool that was protected beforehand.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "rtpproxy/core/srtp.h"
#include "tests/bench/run.h"
#include "tests/support/media.h"

enum { BATCH = 32, ROUNDS = 11, PAYLOAD = 160 };

struct line {
	struct srtp_key far, in, out; /* the sender's key, ours for it, ours for the other side */
	uint16_t seq;
};

/* A packet waiting to come in, close to the next one, so that it is not they that fill the cache. */
struct ready {
	struct pkt pkt;
	uint8_t bytes[PAYLOAD + 40];
};

struct load {
	struct srtp_worker worker;
	struct line *lines;
	uint32_t *order;
	size_t streams;
	struct ready *ready; /* protected by far, in the order of visits */
	size_t ready_count;
	struct media_pkt work[BATCH];
};

static void make_ready(struct load *l, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const uint32_t at = l->order[i % l->streams];
		struct line *line = &l->lines[at];
		const struct media_rtp f = {
			.ssrc = at, .seq = line->seq++, .payload = PAYLOAD, .fill = 0xd5};
		static struct media_pkt made;
		struct media_pkt *m = &made;
		media_pkt_set(m, PKT_RTP, media_rtp_write(&f, m->bytes));
		struct srtp_op op = {.key = &line->far, .pkt = &m->pkt};
		srtp_batch_protect(&l->worker, &op, 1);
		CHECK(op.fate == FATE_SENT && m->pkt.len <= sizeof(l->ready[i].bytes));
		memcpy(l->ready[i].bytes, m->bytes, m->pkt.len);
		l->ready[i].pkt = m->pkt;
	}
	l->ready_count = count;
}

/* The packets of a batch in hot buffers, as the kernel has just written them. */
static void copy_batch(struct load *l, size_t at)
{
	for (size_t i = 0; i < BATCH; i++) {
		const struct ready *from = &l->ready[at + i];
		memcpy(l->work[i].bytes, from->bytes, from->pkt.len);
		media_pkt_set(&l->work[i], PKT_RTP, from->pkt.len);
	}
}

static void rekey_batch(struct load *l, size_t at)
{
	struct srtp_op op[BATCH];
	for (size_t i = 0; i < BATCH; i++)
		op[i] = (struct srtp_op){.key = &l->lines[l->order[(at + i) % l->streams]].in,
					 .pkt = &l->work[i].pkt};
	srtp_batch_unprotect(&l->worker, op, BATCH);
	for (size_t i = 0; i < BATCH; i++) {
		CHECK(op[i].fate == FATE_SENT);
		op[i].key = &l->lines[l->order[(at + i) % l->streams]].out;
	}
	srtp_batch_protect(&l->worker, op, BATCH);
	for (size_t i = 0; i < BATCH; i++)
		CHECK(op[i].fate == FATE_SENT);
}

/* The cost of all batches, without that of the copying. */
static double time_all(struct load *l)
{
	double ns = 0;
	for (size_t at = 0; at < l->ready_count; at += BATCH) {
		copy_batch(l, at);
		const double start = bench_cpu_ns();
		rekey_batch(l, at);
		ns += bench_cpu_ns() - start;
	}
	return ns / (double)l->ready_count;
}

static void set_key(struct srtp_key *k, struct srtp_worker *w, enum srtp_direction d,
		    enum sdes_suite suite, const struct secret *key)
{
	srtp_key_init(k, w, d);
	CHECK(srtp_key_set(k, suite, key) == OK);
}

static void make_lines(struct load *l, enum sdes_suite suite, uint64_t *random)
{
	const struct sdes_suite_info *info = sdes_suite_info(suite);
	const size_t key_len = (size_t)info->key_len + info->salt_len;
	for (size_t i = 0; i < l->streams; i++) {
		struct secret in = media_key(random, key_len), out = media_key(random, key_len);
		set_key(&l->lines[i].far, &l->worker, SRTP_TX, suite, &in);
		set_key(&l->lines[i].in, &l->worker, SRTP_RX, suite, &in);
		set_key(&l->lines[i].out, &l->worker, SRTP_TX, suite, &out);
		l->lines[i].seq = (uint16_t)media_random(random);
		l->order[i] = (uint32_t)i;
	}
	for (size_t i = l->streams - 1; i > 0; i--) {
		const size_t j = media_random(random) % (i + 1);
		const uint32_t was = l->order[i];
		l->order[i] = l->order[j];
		l->order[j] = was;
	}
}

/* Each timed run needs packets that were not seen before, so the rounds are run here and not by bench(). */
static void measure(const char *engine, enum sdes_suite suite, size_t streams)
{
	struct load l = {.streams = streams};
	uint64_t random = 7;
	char name[96];
	double ns[ROUNDS];
	const size_t ops = streams * (streams <= 64 ? 128 : 2);
	CHECK(srtp_worker_init(&l.worker, engine) == OK);
	l.lines = calloc(streams, sizeof(*l.lines));
	l.order = calloc(streams, sizeof(*l.order));
	l.ready = calloc(ops, sizeof(*l.ready));
	CHECK(l.lines && l.order && l.ready);
	make_lines(&l, suite, &random);
	uint64_t calls = 0;
	for (int run = -1; run < ROUNDS; run++) {
		make_ready(&l, ops);
		const uint64_t before = bench_allocations();
		const double one = time_all(&l);
		if (run < 0)
			continue;
		calls += bench_allocations() - before;
		ns[run] = one;
	}
	snprintf(name, sizeof(name), "rekey %s, %s, %zu", engine, sdes_suite_info(suite)->name,
		 streams);
	bench_line(name, ns, ROUNDS, (double)calls / (double)(ROUNDS * ops));
	if (streams <= 64)
		bench_value("  memory of a key, in and out",
			    (double)(srtp_key_memory(&l.lines[0].in) +
				     srtp_key_memory(&l.lines[0].out)),
			    "bytes");
	for (size_t i = 0; i < streams; i++) {
		srtp_key_release(&l.lines[i].far);
		srtp_key_release(&l.lines[i].in);
		srtp_key_release(&l.lines[i].out);
	}
	srtp_worker_release(&l.worker);
	free(l.lines);
	free(l.order);
	free(l.ready);
}

/* All engines and levels of this machine, suite by suite, so that rows to be compared are taken at one time. Words: only rows
 * whose engine or suite contains one of them. */
static bool is_wanted(const char *engine, enum sdes_suite suite, int argc, char **argv)
{
	bool wanted = argc < 2;
	for (int i = 1; i < argc; i++)
		wanted = wanted || strstr(engine, argv[i]) ||
			 strstr(sdes_suite_info(suite)->name, argv[i]);
	return wanted;
}

int main(int argc, char **argv)
{
	static const char *const engines[] = {"openssl", "ipsec-mb", "ipsec-mb-sse",
					      "ipsec-mb-avx2", "ipsec-mb-avx512"};
	static const enum sdes_suite suites[] = {
		SDES_AES_CM_128_HMAC_SHA1_80, SDES_AES_CM_128_HMAC_SHA1_32,
		SDES_AES_256_CM_HMAC_SHA1_80, SDES_AEAD_AES_128_GCM, SDES_AEAD_AES_256_GCM};
	for (size_t s = 0; s < ARRAY_LEN(suites); s++)
		for (size_t e = 0; e < ARRAY_LEN(engines); e++) {
			struct srtp_worker w;
			if (!is_wanted(engines[e], suites[s], argc, argv) ||
			    srtp_worker_init(&w, engines[e]) != OK)
				continue;
			srtp_worker_release(&w);
			measure(engines[e], suites[s], 64);
			measure(engines[e], suites[s], 4096);
		}
	if (argc < 2) {
		/* More streams would take minutes. */
		measure("libsrtp2", SDES_AES_CM_128_HMAC_SHA1_80, 64);
		measure("libsrtp2", SDES_AEAD_AES_128_GCM, 64);
	}
	return 0;
}
