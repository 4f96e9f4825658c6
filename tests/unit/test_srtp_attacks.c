/* Threats D3, D4 and D6: bad SRTP into a call on the relay's packet path. Outside is encrypted, inside is plain. */
#include <string.h>

#include "rtpproxy/core/forward.h"
#include "rtpproxy/core/stream.h"
#include "tests/support/check.h"
#include "tests/support/media.h"

enum { BAD = 1000000, PAYLOAD = 40, SSRC = 0xabcd };

struct call {
	struct srtp_worker worker;
	struct forward forward;
	struct stream out, in;
	struct srtp_key far; /* the party outside's own */
	struct addr at;
	uint64_t now_us, random;
	uint16_t seq;
	struct media_pkt pkt[SRTP_BATCH];
};

static struct call c;

static int set_up(void **state)
{
	memset(&c, 0, sizeof(c));
	if (srtp_worker_init_wish(&c.worker, *state) != OK)
		return -1;
	c.now_us = 1000000;
	c.random = 3;
	c.at = media_addr(10, 4000);
	forward_init(&c.forward, &c.worker, &(struct siphash_key){{1, 2}});
	stream_init(&c.out, PKT_RTP, &c.worker, NULL);
	stream_init(&c.in, PKT_RTP, &c.worker, NULL);
	struct secret ours = media_key(&c.random, 30), theirs = media_key(&c.random, 30);
	EXPECT_ERR(stream_set_key(&c.out, SRTP_TX, SDES_AES_CM_128_HMAC_SHA1_80, &ours), OK);
	EXPECT_ERR(stream_set_key(&c.out, SRTP_RX, SDES_AES_CM_128_HMAC_SHA1_80, &theirs), OK);
	stream_set_security(&c.out, STREAM_SRTP);
	stream_set_security(&c.in, STREAM_PLAIN);
	srtp_key_init(&c.far, &c.worker, SRTP_TX);
	EXPECT_ERR(srtp_key_set(&c.far, SDES_AES_CM_128_HMAC_SHA1_80, &theirs), OK);
	const struct addr inside = media_addr(11, 5000);
	stream_set_remote(&c.out, &c.at, c.now_us);
	stream_set_remote(&c.in, &inside, c.now_us);
	stream_set_peer(&c.out, PKT_RTP, &c.in);
	stream_set_peer(&c.in, PKT_RTP, &c.out);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stream_release(&c.out);
	stream_release(&c.in);
	srtp_key_release(&c.far);
	srtp_worker_release(&c.worker);
	return 0;
}

static void arrives(size_t at, size_t len)
{
	struct media_pkt *m = &c.pkt[at];
	media_pkt_set(m, PKT_RTP, len);
	m->pkt.stream = &c.out;
	m->pkt.from = c.at;
	m->pkt.at_us = c.now_us;
}

/* The party's next packet. */
static void make_good(size_t at)
{
	const struct media_rtp f = {
		.ssrc = SSRC, .seq = ++c.seq, .payload = PAYLOAD, .fill = (uint8_t)c.seq};
	arrives(at, media_rtp_write(&f, c.pkt[at].bytes));
	struct srtp_op op = {.key = &c.far, .pkt = &c.pkt[at].pkt};
	srtp_batch_protect(&c.worker, &op, 1);
	EXPECT_INT(op.fate, FATE_SENT);
}

/* From the party's own address, with its SSRC and a number that is just due, and a tag that is wrong. */
static void make_bad(size_t at)
{
	const struct media_rtp f = {.ssrc = SSRC,
				    .seq = (uint16_t)(c.seq + 1 + media_random(&c.random) % 100),
				    .payload = PAYLOAD};
	const size_t len = media_rtp_write(&f, c.pkt[at].bytes);
	media_random_bytes(&c.random, c.pkt[at].bytes + 12, PAYLOAD);
	memset(c.pkt[at].bytes + len, 0x5a, 10);
	arrives(at, len + 10);
}

static void run(size_t n)
{
	struct pkt *list[SRTP_BATCH];
	for (size_t i = 0; i < n; i++)
		list[i] = &c.pkt[i].pkt;
	c.now_us += 20000;
	forward_batch(&c.forward, list, n, c.now_us);
}

static bool was_forwarded(size_t at)
{
	return c.pkt[at].pkt.fate == FATE_SENT;
}

static void test_flipped_bits(void **state)
{
	(void)state;
	make_good(0);
	const struct media_pkt good = c.pkt[0];
	for (size_t bit = 0; bit < 8 * (size_t)good.pkt.len; bit++) {
		memcpy(c.pkt[0].bytes, good.bytes, good.pkt.len);
		c.pkt[0].bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		arrives(0, good.pkt.len);
		run(1);
		EXPECT_TRUE(!was_forwarded(0));
	}
	memcpy(c.pkt[0].bytes, good.bytes, good.pkt.len);
	arrives(0, good.pkt.len);
	run(1);
	EXPECT_TRUE(was_forwarded(0));
}

static void test_a_million_bad_packets(void **state)
{
	(void)state;
	unsigned lost = 0;
	for (unsigned bad = 0; bad < BAD;) {
		const size_t good_at = (size_t)(media_random(&c.random) % SRTP_BATCH);
		for (size_t i = 0; i < SRTP_BATCH; i++)
			if (i != good_at)
				make_bad(i);
		make_good(good_at);
		run(SRTP_BATCH);
		for (size_t i = 0; i < SRTP_BATCH; i++)
			EXPECT_TRUE(i == good_at || !was_forwarded(i));
		lost += !was_forwarded(good_at);
		bad += SRTP_BATCH - 1;
	}
	EXPECT_INT(lost, 0);
	/* Those with the number of the good one that came just before. */
	EXPECT_TRUE(stream_dropped(&c.out, FATE_AUTH) + stream_dropped(&c.out, FATE_REPLAY) >= BAD);
	EXPECT_TRUE(stream_dropped(&c.out, FATE_AUTH) > BAD / 2);
}

static void test_replay_of_everything(void **state)
{
	(void)state;
	enum { COUNT = 300 };
	static struct media_pkt copy[COUNT];
	unsigned passed = 0;
	for (unsigned i = 0; i < COUNT; i++) {
		make_good(0);
		copy[i] = c.pkt[0];
		run(1);
		EXPECT_TRUE(was_forwarded(0));
		/* At once, then later: within the window, and far behind it. */
		for (unsigned back = 0; back <= i; back += 1 + back) {
			memcpy(c.pkt[0].bytes, copy[i - back].bytes, copy[i - back].pkt.len);
			arrives(0, copy[i - back].pkt.len);
			run(1);
			passed += was_forwarded(0);
		}
	}
	for (unsigned i = 0; i < COUNT; i++) {
		memcpy(c.pkt[0].bytes, copy[i].bytes, copy[i].pkt.len);
		arrives(0, copy[i].pkt.len);
		run(1);
		passed += was_forwarded(0);
	}
	EXPECT_INT(passed, 0);
}

#define ON(f, name, wish)                                                                          \
	{                                                                                          \
		name " (" wish ")", f, set_up, tear_down, (void *)(uintptr_t)wish                  \
	}
#define ON_BOTH(f, name) ON(f, name, "openssl"), ON(f, name, "auto")

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(test_flipped_bits, "a packet with one changed bit is never forwarded"),
		ON_BOTH(test_a_million_bad_packets,
			"a million bad packets into a call cost it none of its own"),
		ON_BOTH(test_replay_of_everything, "no packet is forwarded twice"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
