/*
 * The packet path on arbitrary packets. Input: one byte of call (securities, latch mode), then packets:
 * one byte of how it comes (party, port, source, whether its sender holds the key), two of length, the bytes.
 */
#include <string.h>

#include "rtpproxy/core/forward.h"
#include "rtpproxy/core/rtcp.h"
#include "rtpproxy/core/rtp.h"
#include "rtpproxy/core/stream.h"
#include "tests/support/media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PARTIES = 2, BATCH = 8, WINDOW = 16, ROUND_US = 150000 };

struct party {
	struct stream rtp, rtcp;
	struct srtp_key tx;
	struct addr at[2];
};

static struct srtp_worker worker;
static struct forward forward;
static struct party party[PARTIES];
static struct media_pkt pkts[BATCH];
static uint8_t came[BATCH][PKT_BUFFER];
static size_t came_len[BATCH];
static bool by_stranger[BATCH];

static const struct addr stranger = {.ip = {198, 51, 100, 7}, .port = 9, .family = ADDR_IP4};

static void make_party(unsigned who, enum stream_security security, enum latch_mode mode)
{
	static const enum sdes_suite suites[PARTIES] = {SDES_AES_CM_128_HMAC_SHA1_32,
							SDES_AEAD_AES_256_GCM};
	const struct sdes_suite_info *info = sdes_suite_info(suites[who]);
	struct party *p = &party[who];
	uint64_t random = who;
	struct secret ours = media_key(&random, (size_t)info->key_len + info->salt_len);
	struct secret theirs = media_key(&random, (size_t)info->key_len + info->salt_len);
	stream_init(&p->rtp, PKT_RTP, &worker, NULL);
	stream_init(&p->rtcp, PKT_RTCP, &worker, &p->rtp);
	srtp_key_init(&p->tx, &worker, SRTP_TX);
	CHECK(stream_set_key(&p->rtp, SRTP_TX, suites[who], &ours) == OK);
	CHECK(stream_set_key(&p->rtp, SRTP_RX, suites[who], &theirs) == OK);
	CHECK(srtp_key_set(&p->tx, suites[who], &theirs) == OK);
	stream_set_security(&p->rtp, security);
	stream_set_rate(&p->rtp, 1000, 100);
	for (unsigned k = 0; k < 2; k++)
		p->at[k] = media_addr((uint8_t)(10 + who), (uint16_t)(4000 + k));
	stream_set_latch(&p->rtp, mode, NULL);
	stream_set_latch(&p->rtcp, mode, NULL);
	stream_set_remote(&p->rtp, &p->at[0], 0);
	stream_set_remote(&p->rtcp, &p->at[1], 0);
}

static void make_call(uint8_t how)
{
	for (unsigned who = 0; who < PARTIES; who++)
		make_party(who, how >> who & 1 ? STREAM_SRTP : STREAM_PLAIN,
			   (enum latch_mode)((how >> 4) % LATCH_LEARN));
	for (unsigned who = 0; who < PARTIES; who++) {
		struct party *p = &party[who], *other = &party[1 - who];
		stream_set_mux(&p->rtp, how >> (2 + who) & 1);
		stream_set_peer(&p->rtp, PKT_RTP, &other->rtp);
		stream_set_peer(&p->rtp, PKT_RTCP, other->rtp.mux ? &other->rtp : &other->rtcp);
		stream_set_peer(&p->rtcp, PKT_RTCP, other->rtp.mux ? &other->rtp : &other->rtcp);
	}
}

static void end_call(void)
{
	for (unsigned who = 0; who < PARTIES; who++) {
		stream_release(&party[who].rtcp);
		stream_release(&party[who].rtp);
		srtp_key_release(&party[who].tx);
	}
}

static struct pkt *make_packet(size_t i, uint8_t how, const uint8_t *bytes, size_t len,
			       uint64_t now_us)
{
	struct party *p = &party[how & 1];
	struct media_pkt *m = &pkts[i];
	memcpy(m->bytes, bytes, len);
	media_pkt_set(m, how & 2 ? PKT_RTCP : PKT_RTP, len);
	m->pkt.stream = how & 2 ? &p->rtcp : &p->rtp;
	by_stranger[i] = (how & 4) != 0;
	m->pkt.from = by_stranger[i] ? stranger : p->at[how >> 1 & 1];
	m->pkt.at_us = now_us;
	m->pkt.truncated = (how & 8) != 0;
	memcpy(came[i], m->bytes, len);
	came_len[i] = len;
	/* A party may be hostile too: what it says under a right tag is as arbitrary. */
	if (!by_stranger[i] && p->rtp.security == STREAM_SRTP && (how & 16)) {
		struct srtp_op op = {.key = &p->tx, .pkt = &m->pkt};
		if (how & 32)
			m->pkt.kind = how & 2 ? PKT_RTP : PKT_RTCP;
		srtp_batch_protect(&worker, &op, 1);
	}
	return &m->pkt;
}

static void check_packet(size_t i)
{
	const struct pkt *p = &pkts[i].pkt;
	CHECK(p->fate < FATE_COUNT);
	if (p->fate != FATE_SENT)
		return;
	CHECK(p->out && p->len <= p->cap && p->to.family == ADDR_IP4);
	CHECK(!by_stranger[i]);
	CHECK(!addr_eq_ip(&p->to, &stranger));
	CHECK(p->kind == PKT_RTP || p->kind == PKT_RTCP);
	/* Nothing of the plain text on an encrypted side. */
	struct rtp h = {.header_len = RTCP_HEADER_LEN};
	if (p->out->main->security != STREAM_SRTP)
		return;
	if (p->kind == PKT_RTP)
		CHECK(rtp_decode(p->data, p->len, &h) == OK);
	if (came_len[i] >= (size_t)h.header_len + WINDOW)
		CHECK(memcmp(p->data + h.header_len, came[i] + h.header_len, WINDOW) != 0);
}

static void run_batch(size_t n, uint64_t now_us)
{
	struct pkt *batch[BATCH] = {NULL};
	for (size_t i = 0; i < n; i++)
		batch[i] = &pkts[i].pkt;
	forward_batch(&forward, batch, n, now_us);
	for (size_t i = 0; i < n; i++)
		check_packet(i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t now_us = 1000000;
	size_t n = 0;
	if (!worker.engine) {
		CHECK(srtp_worker_init(&worker, "openssl") == OK);
		forward_init(&forward, &worker, &(struct siphash_key){{1, 2}});
	}
	if (size < 1)
		return 0;
	make_call(data[0]);
	data++, size--;
	while (size >= 3) {
		const uint8_t how = data[0];
		size_t len = (size_t)data[1] << 8 | data[2];
		data += 3, size -= 3;
		len = len > size ? size : len;
		len = len > PKT_LEN_MAX ? PKT_LEN_MAX : len;
		make_packet(n++, how, data, len, now_us);
		data += len, size -= len;
		if (n == BATCH || how & 64) {
			run_batch(n, now_us);
			n = 0;
			now_us += ROUND_US;
		}
	}
	run_batch(n, now_us);
	end_call();
	return 0;
}
