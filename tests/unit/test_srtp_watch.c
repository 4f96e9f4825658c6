/* The oracle itself, and the relay's engines under it (threats D7). */
#include "tests/support/srtp_watch.h"

#include <string.h>

#include "tests/support/check.h"
#include "tests/support/media.h"

struct fixture {
	struct srtp_watch watch;
	struct srtp_worker worker;
	struct media_pkt pkt;
};

static struct fixture f;

static int set_up(void **state)
{
	(void)state;
	srtp_watch_init(&f.watch);
	if (srtp_worker_init(&f.worker, "openssl") != OK)
		return -1;
	srtp_watch_attach(&f.watch, &f.worker);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	srtp_worker_release(&f.worker);
	srtp_watch_release(&f.watch);
	return 0;
}

static void make_key(struct srtp_key *k, uint64_t seed, enum sdes_suite suite)
{
	const struct sdes_suite_info *info = sdes_suite_info(suite);
	struct secret key = media_key(&seed, (size_t)info->key_len + info->salt_len);
	srtp_key_init(k, &f.worker, SRTP_TX);
	EXPECT_ERR(srtp_key_set(k, suite, &key), OK);
}

static enum pkt_fate protect(struct srtp_key *k, enum pkt_kind kind, size_t len)
{
	media_pkt_set(&f.pkt, kind, len);
	struct srtp_op op = {.key = k, .pkt = &f.pkt.pkt};
	srtp_batch_protect(&f.worker, &op, 1);
	return (enum pkt_fate)op.fate;
}

static enum pkt_fate send_rtp(struct srtp_key *k, uint16_t seq, uint8_t fill, uint16_t payload)
{
	const struct media_rtp r = {.ssrc = 5, .seq = seq, .payload = payload, .fill = fill};
	return protect(k, PKT_RTP, media_rtp_write(&r, f.pkt.bytes));
}

/* Two keys of the same bytes, as a relay would make that forgets what it had: each row a fresh pair. */
static const struct {
	const char *name;
	uint16_t payload;
	uint8_t fill;          /* of the second packet; the first one's is 1 */
	uint16_t seq;          /* of the second packet; the first one's is 100 */
	enum sdes_suite suite; /* of the second key; the first one's is AES_CM_128_HMAC_SHA1_80 */
	unsigned want;
} rows[] = {
	{"another packet under the same index is seen twice over", 160, 2, 100,
	 SDES_AES_CM_128_HMAC_SHA1_80, 2},
	{"the other length of tag has the same key stream", 160, 2, 100,
	 SDES_AES_CM_128_HMAC_SHA1_32, 2},
	{"a payload too short to know the key stream by is known by its index", 3, 2, 100,
	 SDES_AES_CM_128_HMAC_SHA1_80, 1},
	{"the same packet again is no reuse", 160, 1, 100, SDES_AES_CM_128_HMAC_SHA1_80, 0},
	{"the next index is no reuse", 160, 2, 101, SDES_AES_CM_128_HMAC_SHA1_80, 0},
};

static void test_reuse_is_seen(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	{
		struct srtp_key k[2];
		const unsigned before = srtp_watch_reuses(&f.watch);
		const uint64_t seed = 77 + (uint64_t)(row - rows);
		make_key(&k[0], seed, SDES_AES_CM_128_HMAC_SHA1_80);
		make_key(&k[1], seed, row->suite);
		EXPECT_INT(send_rtp(&k[0], 100, 1, row->payload), FATE_SENT);
		EXPECT_INT(send_rtp(&k[1], row->seq, row->fill, row->payload), FATE_SENT);
		EXPECT_INT(srtp_watch_reuses(&f.watch) - before, row->want);
		srtp_key_release(&k[0]);
		srtp_key_release(&k[1]);
	}
}

static void test_reuse_of_rtcp_is_seen(void **state)
{
	(void)state;
	struct srtp_key k[2];
	for (unsigned i = 0; i < 2; i++) {
		make_key(&k[i], 9, SDES_AEAD_AES_128_GCM);
		EXPECT_INT(
			protect(&k[i], PKT_RTCP, media_rtcp_write(5, 1, 7 + i, 1, 1, f.pkt.bytes)),
			FATE_SENT);
	}
	EXPECT_INT(srtp_watch_reuses(&f.watch), 2);
	EXPECT_U64(srtp_watch_packets(&f.watch), 2);
	srtp_key_release(&k[0]);
	srtp_key_release(&k[1]);
}

/* Two rounds of sequence numbers in any order, repeats and several SSRCs: the engine itself lets none through. */
static void test_one_key_never_reuses(void **state)
{
	(void)state;
	static const enum sdes_suite suites[] = {SDES_AES_CM_128_HMAC_SHA1_80,
						 SDES_AEAD_AES_256_GCM};
	uint64_t random = 4;
	for (size_t s = 0; s < ARRAY_LEN(suites); s++) {
		struct srtp_key k;
		make_key(&k, 100 + s, suites[s]);
		for (uint32_t i = 0; i < 140000; i += 7) {
			const uint16_t seq =
				(uint16_t)(i + media_random(&random) % 300 - i % 2 * 150);
			(void)send_rtp(&k, seq, (uint8_t)media_random(&random), 20);
		}
		srtp_key_release(&k);
	}
	EXPECT_INT(srtp_watch_reuses(&f.watch), 0);
	EXPECT_TRUE(srtp_watch_packets(&f.watch) > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"a reused index or key stream is seen", test_reuse_is_seen, set_up, tear_down, 0},
		{"a reused SRTCP index is seen", test_reuse_of_rtcp_is_seen, set_up, tear_down, 0},
		{"one sending key never uses an index twice, whatever it is given",
		 test_one_key_never_reuses, set_up, tear_down, 0},
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
