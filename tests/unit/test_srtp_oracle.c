/*
 * The engine that runs against libsrtp2, packet by packet: the same bytes out, the same packets accepted. Every suite,
 * both directions, RTP and RTCP, lengths 0 to 1399, extensions, CSRCs, several SSRCs, sequence numbers that
 * wrap, bits that flip, late packets, replays and copies within one batch.
 * ORACLE_PACKETS in the environment: packets of each row (default 1,600).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rtpproxy/core/srtp.h"
#include "tests/support/media.h"

enum { SSRCS = 4, HISTORY = 256, PAYLOAD_MAX = 1399, PACKETS = 1600, STREAM_SET = 1 << 16 };
enum { OURS, REFERENCE, ENGINES };

static const char *const engine_names[ENGINES] = {"openssl", "libsrtp2"};

/* What the far end sent: kept, so that it can come again. */
struct sent {
	uint32_t len;
	uint8_t bytes[PKT_BUFFER];
};

/* Key streams seen, as the first 16 bytes of plain XOR cipher. */
struct watcher {
	uint64_t set[STREAM_SET];
	size_t count;
};

struct bench {
	uint64_t random;
	struct srtp_worker worker[ENGINES];
	struct srtp_key tx[ENGINES], rx[ENGINES];
	uint32_t ssrc[SSRCS];
	uint64_t index[SSRCS]; /* of the newest packet made */
	struct sent history[HISTORY];
	size_t made;
	struct watcher watcher;
	struct media_pkt pkt[ENGINES][SRTP_BATCH];
};

static struct bench *bench;

static unsigned below(unsigned n)
{
	return (unsigned)(media_random(&bench->random) % n);
}

static bool seen_before(struct watcher *w, const uint8_t *plain, const uint8_t *cipher)
{
	uint64_t a[2], b[2];
	memcpy(a, plain, 16);
	memcpy(b, cipher, 16);
	const uint64_t stream = (a[0] ^ b[0]) * 31 + (a[1] ^ b[1]);
	size_t at = stream % STREAM_SET;
	for (; w->set[at] != 0; at = (at + 1) % STREAM_SET)
		if (w->set[at] == stream)
			return true;
	if (w->count < STREAM_SET / 2) {
		w->set[at] = stream;
		w->count++;
	}
	return false;
}

static size_t make_rtp(unsigned who, uint64_t index, uint8_t *out)
{
	const struct media_rtp f = {
		.ssrc = bench->ssrc[who],
		.seq = (uint16_t)index,
		.timestamp = (uint32_t)media_random(&bench->random),
		.payload_type = (uint8_t)below(128),
		.csrcs = below(4) ? 0 : (uint8_t)below(16),
		.extension_words = below(4) ? 0 : (uint8_t)below(20),
		.payload = (uint16_t)(below(3) ? 160 : below(PAYLOAD_MAX + 1)),
	};
	const size_t len = media_rtp_write(&f, out);
	media_random_bytes(&bench->random, out + len - f.payload, f.payload);
	return len;
}

static size_t make_rtcp(unsigned who, uint8_t *out)
{
	const size_t len = media_rtcp_write(bench->ssrc[who], 0, 0, 0, 0, out);
	const size_t more = 4 * (size_t)below(PAYLOAD_MAX / 4);
	media_random_bytes(&bench->random, out + len, more);
	return len + more;
}

/* Usually the next one; sometimes a gap, a late one, or a repeated one. */
static uint64_t next_index(unsigned who)
{
	uint64_t *newest = &bench->index[who];
	switch (below(16)) {
	case 0: return *newest += 1 + below(600);
	case 1: return *newest - below(*newest > 200 ? 200 : 1);
	case 2: return *newest;
	default: return ++*newest;
	}
}

static void give_both(size_t at, enum pkt_kind kind, const uint8_t *bytes, size_t len)
{
	for (int e = 0; e < ENGINES; e++) {
		struct media_pkt *m = &bench->pkt[e][at];
		memcpy(m->bytes, bytes, len);
		media_pkt_set(m, kind, len);
	}
}

static void run_both(size_t n, enum srtp_direction d)
{
	for (int e = 0; e < ENGINES; e++) {
		struct srtp_op ops[SRTP_BATCH];
		for (size_t i = 0; i < n; i++) {
			ops[i].key = d == SRTP_RX ? &bench->rx[e] : &bench->tx[e];
			ops[i].pkt = &bench->pkt[e][i].pkt;
		}
		if (d == SRTP_RX)
			srtp_batch_unprotect(&bench->worker[e], ops, n);
		else
			srtp_batch_protect(&bench->worker[e], ops, n);
		for (size_t i = 0; i < n; i++)
			ops[i].pkt->fate = ops[i].fate;
	}
}

static bool same_result(size_t at)
{
	const struct pkt *a = &bench->pkt[OURS][at].pkt, *b = &bench->pkt[REFERENCE][at].pkt;
	/* Of a packet with two faults each engine names the one that it meets first. */
	if ((a->fate == FATE_SENT) != (b->fate == FATE_SENT)) {
		print_error("ours %s, reference %s\n", pkt_fate_name((enum pkt_fate)a->fate),
			    pkt_fate_name((enum pkt_fate)b->fate));
		return false;
	}
	return a->fate != FATE_SENT || (a->len == b->len && memcmp(a->data, b->data, a->len) == 0);
}

/* A batch of plain packets; what came out goes to the history. RTCP of one SSRC: ours counts over all of them. */
static void protect_batch(enum pkt_kind kind, size_t n)
{
	static uint8_t plain[SRTP_BATCH][PKT_BUFFER];
	for (size_t i = 0; i < n; i++) {
		const unsigned who = kind == PKT_RTCP ? 0 : below(SSRCS);
		const size_t len = kind == PKT_RTCP ? make_rtcp(who, plain[i])
						    : make_rtp(who, next_index(who), plain[i]);
		give_both(i, kind, plain[i], len);
	}
	run_both(n, SRTP_TX);
	for (size_t i = 0; i < n; i++) {
		assert_true(same_result(i));
		const struct pkt *p = &bench->pkt[OURS][i].pkt;
		if (p->fate != FATE_SENT)
			continue;
		struct sent *sent = &bench->history[bench->made++ % HISTORY];
		sent->len = p->len;
		memcpy(sent->bytes, p->data, p->len);
		const size_t header = kind == PKT_RTCP ? 8 : 172;
		if (p->len >= header + 32)
			assert_false(
				seen_before(&bench->watcher, plain[i] + header, p->data + header));
	}
}

/* The newest ones mostly in order, some twice, some old, some damaged, some cut. */
static void unprotect_batch(enum pkt_kind kind, size_t n)
{
	const size_t have = bench->made < HISTORY ? bench->made : HISTORY;
	if (have == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		size_t back = n - i;
		if (below(8) == 0)
			back = 1 + below((unsigned)have);
		if (back > have)
			back = have;
		const struct sent *sent = &bench->history[(bench->made - back) % HISTORY];
		uint8_t bytes[PKT_BUFFER];
		size_t len = sent->len;
		memcpy(bytes, sent->bytes, len);
		if (below(12) == 0)
			bytes[below((unsigned)len)] ^= (uint8_t)(1 << below(8));
		if (below(40) == 0)
			len = below((unsigned)len + 1);
		give_both(i, kind, bytes, len);
	}
	run_both(n, SRTP_RX);
	for (size_t i = 0; i < n; i++)
		assert_true(same_result(i));
}

static void compare(enum sdes_suite suite, enum pkt_kind kind, uint64_t seed, size_t packets)
{
	static const uint8_t batches[] = {1, 7, 64, 16};
	const struct sdes_suite_info *info = sdes_suite_info(suite);
	bench->random = seed;
	bench->made = 0;
	memset(&bench->watcher, 0, sizeof(bench->watcher));
	struct secret key = media_key(&bench->random, (size_t)info->key_len + info->salt_len);
	for (int e = 0; e < ENGINES; e++) {
		srtp_key_init(&bench->tx[e], &bench->worker[e], SRTP_TX);
		srtp_key_init(&bench->rx[e], &bench->worker[e], SRTP_RX);
		assert_int_equal(srtp_key_set(&bench->tx[e], suite, &key), OK);
		assert_int_equal(srtp_key_set(&bench->rx[e], suite, &key), OK);
	}
	for (unsigned i = 0; i < SSRCS; i++) {
		static const uint16_t first[SSRCS] = {0, 65000, 32767, 40000};
		bench->ssrc[i] = (uint32_t)media_random(&bench->random);
		bench->index[i] = first[i];
	}
	for (size_t done = 0, turn = 0; done < packets; turn++) {
		const size_t n = batches[turn % sizeof(batches)];
		protect_batch(kind, n);
		unprotect_batch(kind, n);
		done += n;
	}
	for (int e = 0; e < ENGINES; e++) {
		srtp_key_release(&bench->tx[e]);
		srtp_key_release(&bench->rx[e]);
	}
	secret_release(&key);
}

static void test_same_as_reference(void **state)
{
	const unsigned which = (unsigned)(uintptr_t)*state;
	const char *wish = getenv("ORACLE_PACKETS");
	uint64_t packets = PACKETS;
	if (wish && str_to_u64(str_from(wish), 1u << 30, &packets) != OK)
		fail_msg("ORACLE_PACKETS is no number");
	compare((enum sdes_suite)(which / 2), which % 2 ? PKT_RTCP : PKT_RTP, 1000 + which,
		packets);
}

static int make_bench(void **state)
{
	(void)state;
	bench = calloc(1, sizeof(*bench));
	for (int e = 0; e < ENGINES; e++)
		if (srtp_worker_init(&bench->worker[e], engine_names[e]) != OK)
			return -1;
	return 0;
}

static int free_bench(void **state)
{
	(void)state;
	for (int e = 0; e < ENGINES; e++)
		srtp_worker_release(&bench->worker[e]);
	free(bench);
	return 0;
}

int main(void)
{
	static char names[2 * SDES_SUITE_COUNT][96];
	struct CMUnitTest tests[2 * SDES_SUITE_COUNT];
	for (unsigned i = 0; i < 2 * SDES_SUITE_COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "%s of %s as libsrtp2 does it",
			 i % 2 ? "SRTCP" : "SRTP", sdes_suite_info((enum sdes_suite)(i / 2))->name);
		tests[i] = (struct CMUnitTest){.name = names[i],
					       .test_func = test_same_as_reference,
					       .initial_state = (void *)(uintptr_t)i};
	}
	return cmocka_run_group_tests(tests, make_bench, free_bench);
}
