/*
 * Our engines against libsrtp2, packet by packet: the same bytes out, the same packets accepted. Every suite, every engine
 * and level that this processor has, both directions, RTP and RTCP, lengths 0 to 1399, extensions, CSRCs, several SSRCs,
 * sequence numbers that wrap, bits that flip, cut and late packets, replays and copies within one batch, batches of
 * 1 to 64, and all suites mixed in one batch.
 *
 * In the environment: ORACLE_PACKETS, compared over all rows (default 40,000; make test does a million in a build without
 * sanitizers); ORACLE_ENGINE, only this one.
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
#include "tests/support/srtp_watch.h"

enum {
	SSRCS = 4,
	HISTORY = 128,
	PAYLOAD_MAX = 1399,
	PACKETS = 40000,
	ENGINES_MAX = 8,
	LANES_MAX = 2 * SDES_SUITE_COUNT,
	ROWS = 2 * SDES_SUITE_COUNT + 1
};

static const char *const names[] = {"openssl",       "ipsec-mb-plain",  "ipsec-mb-sse",
				    "ipsec-mb-avx2", "ipsec-mb-avx512", "ipsec-mb"};

/* What the far end sent: kept, so that it can come again. */
struct sent {
	uint32_t len;
	uint8_t bytes[PKT_BUFFER];
};

/* One key and what runs under it; each engine has it. */
struct lane {
	enum sdes_suite suite;
	enum pkt_kind kind;
	uint32_t ssrc[SSRCS];
	uint64_t index[SSRCS]; /* of the newest packet made */
	struct sent history[HISTORY];
	size_t made;
};

struct engine {
	const char *name;
	struct srtp_worker worker;
	struct srtp_key tx[LANES_MAX], rx[LANES_MAX];
	struct media_pkt pkt[SRTP_BATCH];
};

struct bench {
	uint64_t random;
	uint64_t compared;
	struct engine engines[ENGINES_MAX]; /* [0] is the reference */
	size_t engine_count;
	struct lane lanes[LANES_MAX];
	size_t lane_count;
	uint8_t lane_of[SRTP_BATCH];
	struct srtp_watch watch; /* on engines[1] */
};

static struct bench *bench;

static unsigned below(unsigned n)
{
	return (unsigned)(media_random(&bench->random) % n);
}

static size_t make_rtp(struct lane *l, unsigned who, uint64_t index, uint8_t *out)
{
	const struct media_rtp f = {
		.ssrc = l->ssrc[who],
		.seq = (uint16_t)index,
		.timestamp = (uint32_t)media_random(&bench->random),
		.payload_type = (uint8_t)below(128),
		.csrcs = below(4) ? 0 : (uint8_t)below(16),
		.extension_words = below(4) ? 0 : (uint8_t)below(20),
		.payload = (uint16_t)(below(3)   ? 160
				      : below(8) ? below(PAYLOAD_MAX + 1)
						 : below(17)),
	};
	const size_t len = media_rtp_write(&f, out);
	media_random_bytes(&bench->random, out + len - f.payload, f.payload);
	return len;
}

static size_t make_rtcp(struct lane *l, unsigned who, uint8_t *out)
{
	const size_t len = media_rtcp_write(l->ssrc[who], 0, 0, 0, 0, out);
	const size_t more = 4 * (size_t)below(PAYLOAD_MAX / 4);
	media_random_bytes(&bench->random, out + len, more);
	return len + more;
}

/* Usually the next one; sometimes a gap, a late one, or a repeated one. */
static uint64_t next_index(struct lane *l, unsigned who)
{
	uint64_t *newest = &l->index[who];
	switch (below(16)) {
	case 0: return *newest += 1 + below(600);
	case 1: return *newest - below(*newest > 200 ? 200 : 1);
	case 2: return *newest;
	default: return ++*newest;
	}
}

static void give_all(size_t at, enum pkt_kind kind, const uint8_t *bytes, size_t len)
{
	for (size_t e = 0; e < bench->engine_count; e++) {
		struct media_pkt *m = &bench->engines[e].pkt[at];
		memcpy(m->bytes, bytes, len);
		media_pkt_set(m, kind, len);
	}
}

static void run_engine(struct engine *e, size_t n, enum srtp_direction d)
{
	struct srtp_op ops[SRTP_BATCH];
	for (size_t i = 0; i < n; i++) {
		ops[i].key = d == SRTP_RX ? &e->rx[bench->lane_of[i]] : &e->tx[bench->lane_of[i]];
		ops[i].pkt = &e->pkt[i].pkt;
	}
	if (d == SRTP_RX)
		srtp_batch_unprotect(&e->worker, ops, n);
	else
		srtp_batch_protect(&e->worker, ops, n);
	for (size_t i = 0; i < n; i++)
		ops[i].pkt->fate = ops[i].fate;
}

static void check_same(const struct engine *e, size_t at, enum srtp_direction d)
{
	const struct pkt *want = &bench->engines[0].pkt[at].pkt, *got = &e->pkt[at].pkt;
	const bool sent = want->fate == FATE_SENT;
	/* Of a packet with two faults each engine names the one that it meets first. */
	if ((got->fate == FATE_SENT) == sent &&
	    (!sent || (got->len == want->len && memcmp(got->data, want->data, got->len) == 0)))
		return;
	fail_msg("%s %s %s: %s, %u bytes; libsrtp2 %s, %u bytes", e->name,
		 d == SRTP_RX ? "opens" : "closes",
		 sdes_suite_info(bench->lanes[bench->lane_of[at]].suite)->name,
		 pkt_fate_name((enum pkt_fate)got->fate), got->len,
		 pkt_fate_name((enum pkt_fate)want->fate), want->len);
}

static void run_all(size_t n, enum srtp_direction d)
{
	for (size_t e = 0; e < bench->engine_count; e++)
		run_engine(&bench->engines[e], n, d);
	for (size_t e = 1; e < bench->engine_count; e++)
		for (size_t i = 0; i < n; i++)
			check_same(&bench->engines[e], i, d);
	bench->compared += n;
}

/* A batch of plain packets; what came out goes to the history. RTCP of one SSRC: ours counts over all of them. */
static void protect_batch(size_t n)
{
	static uint8_t plain[PKT_BUFFER];
	for (size_t i = 0; i < n; i++) {
		struct lane *l = &bench->lanes[bench->lane_of[i] =
						       (uint8_t)below((unsigned)bench->lane_count)];
		const unsigned who = l->kind == PKT_RTCP ? 0 : below(SSRCS);
		const size_t len = l->kind == PKT_RTCP
					   ? make_rtcp(l, who, plain)
					   : make_rtp(l, who, next_index(l, who), plain);
		give_all(i, l->kind, plain, len);
	}
	run_all(n, SRTP_TX);
	for (size_t i = 0; i < n; i++) {
		const struct pkt *p = &bench->engines[0].pkt[i].pkt;
		struct lane *l = &bench->lanes[bench->lane_of[i]];
		if (p->fate != FATE_SENT)
			continue;
		struct sent *sent = &l->history[l->made++ % HISTORY];
		sent->len = p->len;
		memcpy(sent->bytes, p->data, p->len);
	}
}

/* One of a lane's last ones: mostly a new one, some twice, some old; then some damaged, some cut. */
static size_t pick(const struct lane *l, size_t back, uint8_t *out)
{
	const size_t have = l->made < HISTORY ? l->made : HISTORY;
	if (below(8) == 0)
		back = 1 + below((unsigned)have);
	if (back > have)
		back = have;
	const struct sent *sent = &l->history[(l->made - back) % HISTORY];
	size_t len = sent->len;
	memcpy(out, sent->bytes, len);
	if (below(12) == 0)
		out[below((unsigned)len)] ^= (uint8_t)(1 << below(8));
	if (below(40) == 0)
		len = below((unsigned)len + 1);
	return len;
}

static void unprotect_batch(size_t n)
{
	static uint8_t bytes[PKT_BUFFER];
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		const unsigned lane = below((unsigned)bench->lane_count);
		const struct lane *l = &bench->lanes[lane];
		if (l->made == 0)
			continue;
		const size_t len =
			pick(l, (n - i + bench->lane_count - 1) / bench->lane_count, bytes);
		bench->lane_of[count] = (uint8_t)lane;
		give_all(count++, l->kind, bytes, len);
	}
	run_all(count, SRTP_RX);
}

static void set_key(struct srtp_key *k, struct srtp_worker *w, enum srtp_direction d,
		    enum sdes_suite suite, const struct secret *key)
{
	srtp_key_init(k, w, d);
	assert_int_equal(srtp_key_set(k, suite, key), OK);
}

static void add_lane(enum sdes_suite suite, enum pkt_kind kind)
{
	static const uint16_t first[SSRCS] = {0, 65000, 32767, 40000};
	const struct sdes_suite_info *info = sdes_suite_info(suite);
	const size_t at = bench->lane_count++;
	struct lane *l = &bench->lanes[at];
	struct secret key = media_key(&bench->random, (size_t)info->key_len + info->salt_len);
	*l = (struct lane){.suite = suite, .kind = kind};
	for (unsigned i = 0; i < SSRCS; i++) {
		l->ssrc[i] = (uint32_t)media_random(&bench->random);
		l->index[i] = first[i];
	}
	for (size_t e = 0; e < bench->engine_count; e++) {
		struct engine *x = &bench->engines[e];
		set_key(&x->tx[at], &x->worker, SRTP_TX, suite, &key);
		set_key(&x->rx[at], &x->worker, SRTP_RX, suite, &key);
	}
	secret_release(&key);
}

static void free_lanes(void)
{
	for (size_t e = 0; e < bench->engine_count; e++)
		for (size_t i = 0; i < bench->lane_count; i++) {
			srtp_key_release(&bench->engines[e].tx[i]);
			srtp_key_release(&bench->engines[e].rx[i]);
		}
	bench->lane_count = 0;
}

static uint64_t packets_a_row(void)
{
	const char *wish = getenv("ORACLE_PACKETS");
	uint64_t packets = PACKETS;
	if (wish && str_to_u64(str_from(wish), 1u << 30, &packets) != OK)
		fail_msg("ORACLE_PACKETS is no number");
	return (packets + ROWS - 1) / ROWS;
}

static void test_same_as_reference(void **state)
{
	static const uint8_t batches[] = {1, 7, 64, 16, 40};
	const unsigned which = (unsigned)(uintptr_t)*state;
	const uint64_t packets = packets_a_row();
	bench->random = 1000 + which;
	if (which < ROWS - 1)
		add_lane((enum sdes_suite)(which / 2), which % 2 ? PKT_RTCP : PKT_RTP);
	for (unsigned i = 0; which == ROWS - 1 && i < LANES_MAX; i++)
		add_lane((enum sdes_suite)(i / 2), i % 2 ? PKT_RTCP : PKT_RTP);
	const uint64_t end = bench->compared + packets;
	for (size_t turn = 0; bench->compared < end; turn++) {
		protect_batch(batches[turn % sizeof(batches)]);
		unprotect_batch(batches[turn % sizeof(batches)]);
	}
	free_lanes();
	assert_int_equal(srtp_watch_reuses(&bench->watch), 0);
}

/* Otherwise an engine that fails its own check would go unseen. */
static bool processor_has(const char *name)
{
#ifdef __x86_64__
	if (strstr(name, "avx512"))
		return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
	if (strstr(name, "avx2"))
		return __builtin_cpu_supports("avx2");
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#else
	return strstr(name, "ipsec") == NULL;
#endif
}

static bool add_engine(const char *name)
{
	const char *only = getenv("ORACLE_ENGINE");
	struct engine *e = &bench->engines[bench->engine_count];
	if (bench->engine_count > 0 && only && strcmp(only, name) != 0)
		return false;
	e->name = name;
	const enum err error = srtp_worker_init(&e->worker, name);
	if (error == ERR_NOTFOUND || (error != OK && !processor_has(name))) {
		print_message("# %s: not on this machine\n", name);
		return false;
	}
	if (error != OK) {
		print_error("# %s fails its known answers\n", name);
		exit(1);
	}
	print_message("# %s\n", name);
	bench->engine_count++;
	return true;
}

static int make_bench(void **state)
{
	(void)state;
	bench = calloc(1, sizeof(*bench));
	if (!bench || !add_engine("libsrtp2"))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)add_engine(names[i]);
	if (bench->engine_count < 2)
		return -1;
	srtp_watch_init(&bench->watch);
	srtp_watch_attach(&bench->watch, &bench->engines[1].worker);
	return 0;
}

static int free_bench(void **state)
{
	(void)state;
	print_message("# %llu packets compared, each with %zu engines\n",
		      (unsigned long long)bench->compared, bench->engine_count - 1);
	for (size_t e = 0; e < bench->engine_count; e++)
		srtp_worker_release(&bench->engines[e].worker);
	srtp_watch_release(&bench->watch);
	free(bench);
	return 0;
}

int main(void)
{
	static char titles[ROWS][96];
	struct CMUnitTest tests[ROWS];
	for (unsigned i = 0; i < ROWS; i++) {
		snprintf(titles[i], sizeof(titles[i]), "%s of %s as libsrtp2 does it",
			 i % 2 ? "SRTCP" : "SRTP",
			 i == ROWS - 1 ? "all suites mixed"
				       : sdes_suite_info((enum sdes_suite)(i / 2))->name);
		tests[i] = (struct CMUnitTest){.name = titles[i],
					       .test_func = test_same_as_reference,
					       .initial_state = (void *)(uintptr_t)i};
	}
	return cmocka_run_group_tests(tests, make_bench, free_bench);
}
