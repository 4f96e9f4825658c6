/* Packets with an MKI: against libsrtp2 itself, both ways, and what is wrong with them. */
#include <string.h>

#include <srtp2/srtp.h>

#include "rtpproxy/core/srtp.h"
#include "tests/support/check.h"
#include "tests/support/media.h"

struct row {
	const char *name;
	enum sdes_suite suite;
	uint32_t mki;
	uint8_t len;
};

static const struct row rows[] = {
	{"AES_CM_128_HMAC_SHA1_80, one byte", SDES_AES_CM_128_HMAC_SHA1_80, 1, 1},
	{"AES_CM_128_HMAC_SHA1_32, four bytes", SDES_AES_CM_128_HMAC_SHA1_32, 0x01020304, 4},
	{"AES_256_CM_HMAC_SHA1_80, sixteen bytes", SDES_AES_256_CM_HMAC_SHA1_80, 7, 16},
	{"AEAD_AES_128_GCM, two bytes", SDES_AEAD_AES_128_GCM, 0xabcd, 2},
	{"AEAD_AES_256_GCM, four bytes", SDES_AEAD_AES_256_GCM, 0xffffffff, 4},
};

struct fixture {
	struct srtp_worker worker;
	struct srtp_key tx, rx;
	srtp_t peer_tx, peer_rx;
	struct media_pkt pkt;
};

static struct fixture f;

static void set_policy(enum sdes_suite suite, srtp_policy_t *p)
{
	switch ((int)suite) {
	case SDES_AES_CM_128_HMAC_SHA1_80:
		srtp_crypto_policy_set_rtp_default(&p->rtp);
		srtp_crypto_policy_set_rtcp_default(&p->rtcp);
		break;
	case SDES_AES_CM_128_HMAC_SHA1_32:
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&p->rtp);
		srtp_crypto_policy_set_rtcp_default(&p->rtcp);
		break;
	case SDES_AES_256_CM_HMAC_SHA1_80:
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&p->rtp);
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&p->rtcp);
		break;
	case SDES_AEAD_AES_128_GCM:
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&p->rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&p->rtcp);
		break;
	default:
		srtp_crypto_policy_set_aes_gcm_256_16_auth(&p->rtp);
		srtp_crypto_policy_set_aes_gcm_256_16_auth(&p->rtcp);
	}
}

static srtp_t make_peer(const struct row *row, struct secret *key, srtp_ssrc_type_t type)
{
	uint8_t mki[SRTP_MKI_MAX];
	uint32_t v = row->mki;
	for (size_t i = row->len; i-- > 0; v >>= 8)
		mki[i] = (uint8_t)v;
	srtp_master_key_t master = {.key = key->bytes, .mki_id = mki, .mki_size = row->len};
	srtp_master_key_t *list[] = {&master};
	srtp_policy_t policy;
	srtp_t made;
	memset(&policy, 0, sizeof(policy));
	set_policy(row->suite, &policy);
	policy.ssrc.type = type;
	policy.keys = list;
	policy.num_master_keys = 1;
	policy.window_size = 128;
	EXPECT_INT(srtp_create(&made, &policy), srtp_err_status_ok);
	return made;
}

static void start(const struct row *row)
{
	const struct sdes_suite_info *info = sdes_suite_info(row->suite);
	uint64_t seed = 5;
	struct secret key = media_key(&seed, (size_t)info->key_len + info->salt_len);
	srtp_key_init(&f.tx, &f.worker, SRTP_TX);
	srtp_key_init(&f.rx, &f.worker, SRTP_RX);
	EXPECT_ERR(srtp_key_set(&f.tx, row->suite, &key), OK);
	EXPECT_ERR(srtp_key_set(&f.rx, row->suite, &key), OK);
	srtp_key_set_mki(&f.tx, row->mki, row->len);
	srtp_key_set_mki(&f.rx, row->mki, row->len);
	f.peer_tx = make_peer(row, &key, ssrc_any_outbound);
	f.peer_rx = make_peer(row, &key, ssrc_any_inbound);
}

static void stop(void)
{
	srtp_dealloc(f.peer_tx);
	srtp_dealloc(f.peer_rx);
	srtp_key_release(&f.tx);
	srtp_key_release(&f.rx);
}

static size_t make_plain(enum pkt_kind kind, uint16_t seq)
{
	const struct media_rtp r = {.ssrc = 5, .seq = seq, .payload = 160, .fill = 0xd5};
	const size_t len = kind == PKT_RTP ? media_rtp_write(&r, f.pkt.bytes)
					   : media_rtcp_write(5, seq, 6, 1, 1, f.pkt.bytes);
	media_pkt_set(&f.pkt, kind, len);
	return len;
}

static enum pkt_fate run(struct srtp_key *k)
{
	struct srtp_op op = {.key = k, .pkt = &f.pkt.pkt};
	if (k->direction == SRTP_TX)
		srtp_batch_protect(&f.worker, &op, 1);
	else
		srtp_batch_unprotect(&f.worker, &op, 1);
	return (enum pkt_fate)op.fate;
}

static srtp_err_status_t peer_protect(enum pkt_kind kind, uint8_t *p, int *len)
{
	return kind == PKT_RTP ? srtp_protect_mki(f.peer_tx, p, len, 1, 0)
			       : srtp_protect_rtcp_mki(f.peer_tx, p, len, 1, 0);
}

static void test_same_bytes_as_libsrtp2(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	{
		start(row);
		for (int kind = PKT_RTP; kind <= PKT_RTCP; kind++)
			for (uint16_t seq = 1; seq < 20; seq++) {
				uint8_t want[PKT_BUFFER], plain[PKT_BUFFER];
				const size_t plain_len = make_plain((enum pkt_kind)kind, seq);
				int len = (int)plain_len;
				memcpy(plain, f.pkt.bytes, plain_len);
				memcpy(want, plain, plain_len);
				EXPECT_INT(peer_protect((enum pkt_kind)kind, want, &len),
					   srtp_err_status_ok);
				EXPECT_INT(run(&f.tx), FATE_SENT);
				EXPECT_INT(f.pkt.pkt.len, len);
				EXPECT_BYTES(f.pkt.bytes, want, (size_t)len);
				EXPECT_INT(run(&f.rx), FATE_SENT);
				EXPECT_INT(f.pkt.pkt.len, plain_len);
				EXPECT_BYTES(f.pkt.bytes, plain, plain_len);
			}
		stop();
	}
}

/* Every bit of a packet, MKI included; and every length below it. */
static void test_no_changed_bit_is_accepted(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	{
		struct media_pkt good;
		start(row);
		make_plain(PKT_RTP, 100);
		EXPECT_INT(run(&f.tx), FATE_SENT);
		good = f.pkt;
		for (size_t bit = 0; bit < 8 * (size_t)good.pkt.len; bit++) {
			memcpy(f.pkt.bytes, good.bytes, good.pkt.len);
			f.pkt.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			media_pkt_set(&f.pkt, PKT_RTP, good.pkt.len);
			EXPECT_TRUE(run(&f.rx) != FATE_SENT);
		}
		for (size_t len = 0; len < good.pkt.len; len++) {
			memcpy(f.pkt.bytes, good.bytes, good.pkt.len);
			media_pkt_set(&f.pkt, PKT_RTP, len);
			const enum pkt_fate fate = run(&f.rx);
			EXPECT_TRUE(fate != FATE_SENT);
			EXPECT_TRUE(len >= row->len || fate == FATE_MALFORMED);
		}
		memcpy(f.pkt.bytes, good.bytes, good.pkt.len);
		media_pkt_set(&f.pkt, PKT_RTP, good.pkt.len);
		EXPECT_INT(run(&f.rx), FATE_SENT);
		stop();
	}
}

static void test_another_mki_is_named_as_such(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	{
		start(row);
		make_plain(PKT_RTP, 100);
		srtp_key_set_mki(&f.tx, row->mki ^ 1, row->len);
		EXPECT_INT(run(&f.tx), FATE_SENT);
		EXPECT_INT(run(&f.rx), FATE_MKI);
		stop();
	}
}

static void test_no_room_uses_no_index(void **state)
{
	(void)state;
	start(&rows[2]);
	make_plain(PKT_RTP, 100);
	f.pkt.pkt.cap = f.pkt.pkt.len + SRTP_TAIL_MAX - 1;
	EXPECT_INT(run(&f.tx), FATE_NO_ROOM);
	f.pkt.pkt.cap++;
	EXPECT_INT(run(&f.tx), FATE_SENT);
	stop();
}

/* Keys with and without an MKI, turn about, in one batch. */
static void test_mixed_batch(void **state)
{
	(void)state;
	enum { N = 9 };
	static struct media_pkt pkts[N];
	struct srtp_op ops[N];
	struct srtp_key plain;
	uint64_t seed = 8;
	struct secret key = media_key(&seed, 30);
	start(&rows[1]);
	srtp_key_init(&plain, &f.worker, SRTP_TX);
	EXPECT_ERR(srtp_key_set(&plain, SDES_AES_CM_128_HMAC_SHA1_80, &key), OK);
	for (unsigned i = 0; i < N; i++) {
		const struct media_rtp r = {.ssrc = 5, .seq = (uint16_t)i, .payload = 20};
		media_pkt_set(&pkts[i], PKT_RTP, media_rtp_write(&r, pkts[i].bytes));
		ops[i] = (struct srtp_op){.key = i % 3 == 1 ? &f.tx : &plain, .pkt = &pkts[i].pkt};
	}
	srtp_batch_protect(&f.worker, ops, N);
	for (unsigned i = 0; i < N; i++) {
		EXPECT_INT(ops[i].fate, FATE_SENT);
		EXPECT_INT(pkts[i].pkt.len, i % 3 == 1 ? 32 + 4 + 4 : 32 + 10);
	}
	srtp_key_release(&plain);
	stop();
}

static int set_up(void **state)
{
	(void)state;
	/* libsrtp2 is set up by the engine that is made of it. */
	struct srtp_worker reference;
	if (srtp_worker_init(&reference, "libsrtp2") != OK)
		return -1;
	srtp_worker_release(&reference);
	return srtp_worker_init(&f.worker, "openssl") == OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	srtp_worker_release(&f.worker);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"packets with an MKI are the same bytes as libsrtp2's",
		 test_same_bytes_as_libsrtp2, NULL, NULL, NULL},
		{"no changed or missing byte of a packet with an MKI is accepted",
		 test_no_changed_bit_is_accepted, NULL, NULL, NULL},
		{"a packet that names another key is dropped as such",
		 test_another_mki_is_named_as_such, NULL, NULL, NULL},
		{"a packet without room for the MKI uses no index", test_no_room_uses_no_index,
		 NULL, NULL, NULL},
		{"keys with and without an MKI share a batch", test_mixed_batch, NULL, NULL, NULL},
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
