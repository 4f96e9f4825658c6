#include "rtpproxy/core/stream.h"

#include "tests/support/check.h"
#include "tests/support/media.h"

static struct srtp_worker worker;

static int make_worker(void **state)
{
	(void)state;
	return srtp_worker_init(&worker, "openssl") == OK ? 0 : -1;
}

static int free_worker(void **state)
{
	(void)state;
	srtp_worker_release(&worker);
	return 0;
}

static struct secret key_of(uint64_t seed)
{
	return media_key(&seed, 30);
}

/* Which error for which key, one after the other on one stream. */
static const struct {
	const char *name;
	enum srtp_direction direction;
	uint64_t key;
	enum sdes_suite suite;
	enum err want;
} keys[] = {
	{"the first receiving key", SRTP_RX, 1, SDES_AES_CM_128_HMAC_SHA1_80, OK},
	{"the same again", SRTP_RX, 1, SDES_AES_CM_128_HMAC_SHA1_80, OK},
	{"a key of the wrong length for its suite", SRTP_RX, 2, SDES_AEAD_AES_128_GCM, ERR_BAD},
	{"our key may not be the party's own", SRTP_TX, 1, SDES_AES_CM_128_HMAC_SHA1_80,
	 ERR_EXISTS},
	{"nor with another tag length", SRTP_TX, 1, SDES_AES_CM_128_HMAC_SHA1_32, ERR_EXISTS},
	{"a fresh sending key", SRTP_TX, 3, SDES_AES_CM_128_HMAC_SHA1_80, OK},
	{"the same again, which goes on", SRTP_TX, 3, SDES_AES_CM_128_HMAC_SHA1_80, OK},
	{"the same bytes with another tag length share the key stream", SRTP_TX, 3,
	 SDES_AES_CM_128_HMAC_SHA1_32, ERR_EXISTS},
	{"the party may not take our key", SRTP_RX, 3, SDES_AES_CM_128_HMAC_SHA1_80, ERR_EXISTS},
	{"another sending key", SRTP_TX, 4, SDES_AES_CM_128_HMAC_SHA1_80, OK},
	{"the first sending key may not come back", SRTP_TX, 3, SDES_AES_CM_128_HMAC_SHA1_80,
	 ERR_EXISTS},
	{"another receiving key", SRTP_RX, 5, SDES_AES_CM_128_HMAC_SHA1_80, OK},
	{"the party may return to its first key", SRTP_RX, 1, SDES_AES_CM_128_HMAC_SHA1_80, OK},
};

static void test_keys(void **state)
{
	(void)state;
	struct stream s;
	stream_init(&s, PKT_RTP, &worker, NULL);
	CHECK_TABLE(row, keys)
	{
		struct secret key = key_of(row->key);
		EXPECT_ERR(stream_set_key(&s, row->direction, row->suite, &key), row->want);
		secret_release(&key);
	}
	EXPECT_TRUE(srtp_key_is_set(&s.srtp[SRTP_RX]) && srtp_key_is_set(&s.srtp[SRTP_TX]));
	stream_release(&s);
}

static void test_four_keys_back_are_remembered(void **state)
{
	(void)state;
	struct stream s;
	stream_init(&s, PKT_RTP, &worker, NULL);
	for (uint64_t i = 0; i <= SRTP_USED_KEYS; i++) {
		struct secret key = key_of(i);
		EXPECT_ERR(stream_set_key(&s, SRTP_TX, SDES_AES_CM_128_HMAC_SHA1_80, &key), OK);
	}
	for (uint64_t i = 0; i <= SRTP_USED_KEYS; i++) {
		struct secret key = key_of(i);
		EXPECT_ERR(stream_set_key(&s, SRTP_TX, SDES_AES_CM_128_HMAC_SHA1_80, &key),
			   i == SRTP_USED_KEYS ? OK : ERR_EXISTS);
	}
	stream_release(&s);
}

/* X(what comes when, and is it within the rate) for 10 packets a second, 3 at once. */
static const struct {
	const char *name;
	uint32_t at_ms;
	bool want;
} rates[] = {
	{"the first", 0, true},
	{"the second at once", 0, true},
	{"the third at once", 0, true},
	{"the fourth at once", 0, true},
	{"the fifth at once is too many", 0, false},
	{"still too many after half a step", 50, false},
	{"one more after a step", 100, true},
	{"but not two", 100, false},
	{"after a pause the burst is there again", 5000, true},
	{"a pause gives no more than the burst", 5000, true},
	{"the third", 5000, true},
	{"the fourth", 5000, true},
	{"and no fifth", 5000, false},
};

static void test_rate(void **state)
{
	(void)state;
	struct stream s;
	stream_init(&s, PKT_RTP, &worker, NULL);
	for (int i = 0; i < 1000; i++)
		EXPECT_TRUE(stream_take_rate(&s, 0));
	stream_set_rate(&s, 10, 3);
	CHECK_TABLE(row, rates)
	EXPECT_TRUE(stream_take_rate(&s, 1000000 + row->at_ms * 1000ull) == row->want);
	stream_release(&s);
}

static void test_release_unlinks(void **state)
{
	(void)state;
	struct stream a, b, b_rtcp;
	stream_init(&a, PKT_RTP, &worker, NULL);
	stream_init(&b, PKT_RTP, &worker, NULL);
	stream_init(&b_rtcp, PKT_RTCP, &worker, &b);
	stream_set_peer(&a, PKT_RTP, &b);
	stream_set_peer(&a, PKT_RTCP, &b_rtcp);
	stream_set_peer(&b, PKT_RTP, &a);
	stream_set_peer(&b_rtcp, PKT_RTCP, &a);
	stream_release(&b_rtcp);
	EXPECT_TRUE(a.peer[PKT_RTCP] == NULL && a.peer[PKT_RTP] == &b);
	stream_release(&b);
	EXPECT_TRUE(a.peer[PKT_RTP] == NULL);
	stream_release(&a);
}

static void test_drops_by_reason(void **state)
{
	(void)state;
	struct stream s;
	stream_init(&s, PKT_RTP, &worker, NULL);
	EXPECT_INT(stream_dropped(&s, FATE_AUTH), 0);
	/* One reason more than there are places: it is left to the relay's totals, the others go on. */
	for (int i = 0; i <= STREAM_DROP_FATES; i++)
		stream_count_drop(&s, (enum pkt_fate)(FATE_MALFORMED + i), 2);
	for (int i = 0; i < STREAM_DROP_FATES; i++)
		stream_count_drop(&s, (enum pkt_fate)(FATE_MALFORMED + i), (uint32_t)i);
	for (int i = 0; i < STREAM_DROP_FATES; i++)
		EXPECT_INT(stream_dropped(&s, (enum pkt_fate)(FATE_MALFORMED + i)), 2 + i);
	EXPECT_INT(stream_dropped(&s, (enum pkt_fate)(FATE_MALFORMED + STREAM_DROP_FATES)), 0);
	EXPECT_INT(stream_dropped(&s, FATE_SENT), 0);
	stream_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_four_keys_back_are_remembered),
		cmocka_unit_test(test_drops_by_reason),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_release_unlinks),
	};
	return cmocka_run_group_tests(tests, make_worker, free_worker);
}
