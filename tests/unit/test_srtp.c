/* srtp.h on the engines: what the oracle does not say by comparing. */
#include "rtpproxy/core/srtp.h"

#include <string.h>

#include "rtpproxy/core/srtp_window.h"
#include "tests/support/check.h"
#include "tests/support/media.h"

struct fixture {
	struct srtp_worker worker;
	struct srtp_key tx, rx;
	struct media_pkt pkt[SRTP_BATCH];
};

static struct fixture fixture;

static int set_up(void **state)
{
	memset(&fixture, 0, sizeof(fixture));
	return srtp_worker_init_wish(&fixture.worker, *state) == OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	srtp_key_release(&fixture.tx);
	srtp_key_release(&fixture.rx);
	srtp_worker_release(&fixture.worker);
	return 0;
}

static struct secret key_of(uint64_t seed, enum sdes_suite suite)
{
	const struct sdes_suite_info *info = sdes_suite_info(suite);
	return media_key(&seed, (size_t)info->key_len + info->salt_len);
}

static void set_keys(enum sdes_suite suite)
{
	struct secret key = key_of(1, suite);
	srtp_key_release(&fixture.tx);
	srtp_key_release(&fixture.rx);
	srtp_key_init(&fixture.tx, &fixture.worker, SRTP_TX);
	srtp_key_init(&fixture.rx, &fixture.worker, SRTP_RX);
	EXPECT_ERR(srtp_key_set(&fixture.tx, suite, &key), OK);
	EXPECT_ERR(srtp_key_set(&fixture.rx, suite, &key), OK);
}

static void put_rtp(size_t at, uint32_t ssrc, uint16_t seq, uint8_t fill)
{
	const struct media_rtp f = {.ssrc = ssrc, .seq = seq, .payload = 40, .fill = fill};
	media_pkt_set(&fixture.pkt[at], PKT_RTP, media_rtp_write(&f, fixture.pkt[at].bytes));
}

static enum pkt_fate run_one(struct srtp_key *k, size_t at)
{
	struct srtp_op op = {.key = k, .pkt = &fixture.pkt[at].pkt};
	if (k->direction == SRTP_TX)
		srtp_batch_protect(&fixture.worker, &op, 1);
	else
		srtp_batch_unprotect(&fixture.worker, &op, 1);
	return (enum pkt_fate)op.fate;
}

/* A packet protected by tx, at place 0. */
static void make_protected(uint32_t ssrc, uint16_t seq)
{
	put_rtp(0, ssrc, seq, 0xaa);
	EXPECT_INT(run_one(&fixture.tx, 0), FATE_SENT);
}

/* threats D3: every bit of header, payload and tag. */
static void test_no_changed_bit_is_accepted(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SDES_SUITE_COUNT; s++) {
		struct media_pkt good;
		set_keys((enum sdes_suite)s);
		make_protected(5, 100);
		good = fixture.pkt[0];
		for (size_t bit = 0; bit < 8 * (size_t)good.pkt.len; bit++) {
			memcpy(fixture.pkt[0].bytes, good.bytes, good.pkt.len);
			fixture.pkt[0].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			media_pkt_set(&fixture.pkt[0], PKT_RTP, good.pkt.len);
			EXPECT_TRUE(run_one(&fixture.rx, 0) != FATE_SENT);
		}
		/* And none of those left a mark. */
		memcpy(fixture.pkt[0].bytes, good.bytes, good.pkt.len);
		media_pkt_set(&fixture.pkt[0], PKT_RTP, good.pkt.len);
		EXPECT_INT(run_one(&fixture.rx, 0), FATE_SENT);
	}
}

static void test_copies_in_one_batch_pass_once(void **state)
{
	(void)state;
	struct srtp_op ops[SRTP_BATCH];
	unsigned passed = 0;
	set_keys(SDES_AES_CM_128_HMAC_SHA1_80);
	make_protected(5, 100);
	for (size_t i = 0; i < SRTP_BATCH; i++) {
		memcpy(fixture.pkt[i].bytes, fixture.pkt[0].bytes, fixture.pkt[0].pkt.len);
		media_pkt_set(&fixture.pkt[i], PKT_RTP, fixture.pkt[0].pkt.len);
		ops[i] = (struct srtp_op){.key = &fixture.rx, .pkt = &fixture.pkt[i].pkt};
	}
	srtp_batch_unprotect(&fixture.worker, ops, SRTP_BATCH);
	for (size_t i = 0; i < SRTP_BATCH; i++) {
		passed += ops[i].fate == FATE_SENT;
		EXPECT_TRUE(i == 0 || ops[i].fate == FATE_REPLAY);
	}
	EXPECT_INT(passed, 1);
}

static void test_sequence_number_is_sent_once(void **state)
{
	(void)state;
	set_keys(SDES_AEAD_AES_128_GCM);
	put_rtp(0, 5, 100, 0x11);
	EXPECT_INT(run_one(&fixture.tx, 0), FATE_SENT);
	put_rtp(0, 5, 100, 0x22);
	EXPECT_INT(run_one(&fixture.tx, 0), FATE_REUSE);
	put_rtp(0, 5, 99, 0x22);
	EXPECT_INT(run_one(&fixture.tx, 0), FATE_SENT);
	put_rtp(0, 6, 100, 0x22);
	EXPECT_INT(run_one(&fixture.tx, 0), FATE_SENT);
}

static void test_same_key_goes_on(void **state)
{
	(void)state;
	const enum sdes_suite suite = SDES_AES_CM_128_HMAC_SHA1_80;
	struct secret key = key_of(1, suite), other = key_of(2, suite);
	set_keys(suite);
	make_protected(5, 100);
	struct media_pkt first = fixture.pkt[0];
	EXPECT_INT(run_one(&fixture.rx, 0), FATE_SENT);

	EXPECT_ERR(srtp_key_set(&fixture.rx, suite, &key), OK);
	memcpy(fixture.pkt[0].bytes, first.bytes, first.pkt.len);
	media_pkt_set(&fixture.pkt[0], PKT_RTP, first.pkt.len);
	EXPECT_INT(run_one(&fixture.rx, 0), FATE_REPLAY);

	EXPECT_ERR(srtp_key_set(&fixture.tx, suite, &key), OK);
	put_rtp(0, 5, 100, 0x22);
	EXPECT_INT(run_one(&fixture.tx, 0), FATE_REUSE);

	EXPECT_ERR(srtp_key_set(&fixture.tx, suite, &other), OK);
	put_rtp(0, 5, 100, 0x22);
	EXPECT_INT(run_one(&fixture.tx, 0), FATE_SENT);
	put_rtp(0, 5, 101, 0x22);
	EXPECT_INT(run_one(&fixture.tx, 0), FATE_SENT);
	EXPECT_INT(run_one(&fixture.rx, 0), FATE_AUTH);
}

static void test_key_moves_with_its_counters(void **state)
{
	(void)state;
	struct srtp_key moved;
	set_keys(SDES_AEAD_AES_256_GCM);
	make_protected(5, 100);
	srtp_key_init(&moved, &fixture.worker, SRTP_TX);
	srtp_key_take(&moved, &fixture.tx);
	EXPECT_TRUE(!srtp_key_is_set(&fixture.tx) && srtp_key_is_set(&moved));
	put_rtp(0, 5, 100, 0x22);
	EXPECT_INT(run_one(&moved, 0), FATE_REUSE);
	put_rtp(0, 5, 101, 0x22);
	EXPECT_INT(run_one(&moved, 0), FATE_SENT);
	srtp_key_release(&moved);
}

/* What does not fit or is cut: refused, with its name, and nothing written behind cap. */
static const struct {
	const char *name;
	enum pkt_kind kind;
	enum srtp_direction direction;
	uint32_t len, cap;
	enum pkt_fate want;
} shapes[] = {
	{"RTP of eleven bytes", PKT_RTP, SRTP_TX, 11, 128, FATE_MALFORMED},
	{"RTP without room for the tag", PKT_RTP, SRTP_TX, 40, 49, FATE_NO_ROOM},
	{"RTP with just enough room", PKT_RTP, SRTP_TX, 40, 50, FATE_SENT},
	{"RTCP of seven bytes", PKT_RTCP, SRTP_TX, 7, 128, FATE_MALFORMED},
	{"RTCP without room", PKT_RTCP, SRTP_TX, 40, 40 + SRTP_TRAILER_MAX - 1, FATE_NO_ROOM},
	{"RTCP with room", PKT_RTCP, SRTP_TX, 40, 40 + SRTP_TRAILER_MAX, FATE_SENT},
	{"SRTP of nothing", PKT_RTP, SRTP_RX, 0, 128, FATE_MALFORMED},
	{"SRTP shorter than its tag", PKT_RTP, SRTP_RX, 9, 128, FATE_MALFORMED},
	{"SRTP of a tag and eleven bytes", PKT_RTP, SRTP_RX, 21, 128, FATE_MALFORMED},
	{"SRTCP of nothing", PKT_RTCP, SRTP_RX, 0, 128, FATE_MALFORMED},
	{"SRTCP one byte too short", PKT_RTCP, SRTP_RX, 21, 128, FATE_MALFORMED},
	{"SRTCP that says it is not encrypted", PKT_RTCP, SRTP_RX, 40, 128, FATE_UNENCRYPTED},
	{"longer than a packet may be", PKT_RTP, SRTP_TX, PKT_LEN_MAX + 1, PKT_BUFFER,
	 FATE_OVERSIZE},
	{"as long as a packet may be", PKT_RTP, SRTP_TX, PKT_LEN_MAX, PKT_BUFFER, FATE_SENT},
};

static void test_shapes(void **state)
{
	(void)state;
	CHECK_TABLE(row, shapes)
	{
		struct media_pkt *m = &fixture.pkt[0];
		set_keys(SDES_AES_CM_128_HMAC_SHA1_80);
		memset(m->bytes, 0, sizeof(m->bytes));
		m->bytes[0] = 0x80;
		memset(m->bytes + row->cap, 0x77, sizeof(m->bytes) - row->cap);
		media_pkt_set(m, row->kind, row->len);
		m->pkt.cap = row->cap;
		EXPECT_INT(run_one(row->direction == SRTP_TX ? &fixture.tx : &fixture.rx, 0),
			   row->want);
		for (size_t i = row->cap; i < sizeof(m->bytes); i++)
			EXPECT_INT(m->bytes[i], 0x77);
	}
}

/* threats D8. Openssl engine: the reference has no limit. */
static void test_ssrcs_have_a_limit(void **state)
{
	(void)state;
	unsigned passed = 0;
	set_keys(SDES_AES_CM_128_HMAC_SHA1_80);
	for (uint32_t ssrc = 0; ssrc < 1000; ssrc++) {
		put_rtp(0, ssrc, 1, 0);
		const enum pkt_fate fate = run_one(&fixture.tx, 0);
		passed += fate == FATE_SENT;
		EXPECT_TRUE(fate == FATE_SENT || fate == FATE_SSRC_LIMIT);
	}
	EXPECT_INT(passed, SRTP_SSRC_LIVE + SRTP_SSRC_OLD);
}

/* threats D8: A→B→A with A past the wrap keeps A's rollover counter. */
static void test_ssrc_comes_back_with_its_counter(void **state)
{
	(void)state;
	set_keys(SDES_AES_CM_128_HMAC_SHA1_80);
	for (uint32_t i = 0; i < 12; i++) {
		make_protected(1, (uint16_t)(65000 + i * 100));
		EXPECT_INT(run_one(&fixture.rx, 0), FATE_SENT);
	}
	for (uint32_t other = 2; other < 14; other++) {
		make_protected(other, 7);
		EXPECT_INT(run_one(&fixture.rx, 0), FATE_SENT);
	}
	make_protected(1, (uint16_t)(65000 + 1200));
	EXPECT_INT(run_one(&fixture.rx, 0), FATE_SENT);
}

static void test_lengths_of_keys(void **state)
{
	(void)state;
	struct srtp_key k;
	srtp_key_init(&k, &fixture.worker, SRTP_RX);
	for (unsigned s = 0; s < SDES_SUITE_COUNT; s++) {
		struct secret key = key_of(3, (enum sdes_suite)s);
		key.len--;
		EXPECT_ERR(srtp_key_set(&k, (enum sdes_suite)s, &key), ERR_BAD);
		EXPECT_TRUE(!srtp_key_is_set(&k));
	}
	srtp_key_release(&k);
}

static void test_engine_by_name(void **state)
{
	(void)state;
	struct srtp_worker w;
	EXPECT_ERR(srtp_worker_init(&w, "rot13"), ERR_NOTFOUND);
}

/* auto is always something; what is not there falls back to openssl, and says its name. */
static void test_wishes(void **state)
{
	(void)state;
	static const char *const wishes[] = {"auto", "openssl", "ipsec-mb", "ipsec-mb-avx512",
					     "libsrtp2"};
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		struct srtp_worker w;
		EXPECT_TRUE(srtp_engine_is_name(wishes[i]));
		EXPECT_ERR(srtp_worker_init_wish(&w, wishes[i]), OK);
		const char *became = srtp_worker_engine(&w);
		const bool batched = strncmp(wishes[i], "ipsec", 5) == 0 || i == 0;
		EXPECT_TRUE(strcmp(became, wishes[i]) == 0 ||
			    (batched && strcmp(became, "openssl") == 0) ||
			    (i == 0 && strcmp(became, "ipsec-mb") == 0));
		srtp_worker_release(&w);
	}
	struct srtp_worker w;
	EXPECT_TRUE(!srtp_engine_is_name("rot13"));
	EXPECT_ERR(srtp_worker_init_wish(&w, "rot13"), ERR_NOTFOUND);
}

#define ON(f, name, wish)                                                                          \
	{                                                                                          \
		name " (" wish ")", f, set_up, tear_down, (void *)(uintptr_t)wish                  \
	}
#define ON_ALL(f, name) ON(f, name, "openssl"), ON(f, name, "auto"), ON(f, name, "libsrtp2")

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_ALL(test_no_changed_bit_is_accepted, "no changed bit of a packet is accepted"),
		ON_ALL(test_copies_in_one_batch_pass_once,
		       "of copies in one batch one is accepted"),
		ON_ALL(test_sequence_number_is_sent_once, "a sequence number is sent once"),
		ON_ALL(test_same_key_goes_on, "the same key set again goes on with its counters"),
		ON_ALL(test_key_moves_with_its_counters, "a key that moves keeps its counters"),
		ON_ALL(test_ssrc_comes_back_with_its_counter,
		       "an SSRC that comes back has its rollover counter"),
		ON_ALL(test_lengths_of_keys, "a key of the wrong length is refused"),
		ON(test_shapes, "what does not fit or is cut is refused by name", "openssl"),
		ON(test_shapes, "what does not fit or is cut is refused by name", "auto"),
		ON(test_ssrcs_have_a_limit, "SSRCs of a direction have a limit", "openssl"),
		ON(test_ssrcs_have_a_limit, "SSRCs of a direction have a limit", "auto"),
		ON(test_engine_by_name, "an engine that is not there is an error", "openssl"),
		ON(test_wishes, "a wish for an engine ends with one that works", "openssl"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
