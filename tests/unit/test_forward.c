/*
 * Two parties through the relay's packet path: a call is two times two endpoints. Party 0 is outside, party 1
 * inside; each row gives both a security, sends a packet, and says what became of it.
 */
#include "rtpproxy/core/forward.h"

#include <string.h>

#include "rtpproxy/core/rtcp.h"
#include "rtpproxy/core/stream.h"
#include "tests/support/check.h"
#include "tests/support/media.h"

enum { OUT, IN, PARTIES };

/* One end of the talk, and what it needs to speak SRTP. */
struct party {
	struct stream rtp, rtcp;
	struct srtp_key tx, rx; /* the far end's own */
	struct addr at[2];      /* where it sends RTP and RTCP from, and waits for them */
};

struct call {
	struct srtp_worker worker;
	struct forward forward;
	struct party party[PARTIES];
	struct media_pkt pkt[SRTP_BATCH * 2 + 1];
	uint64_t now_us;
};

static struct call call;

static void set_keys(struct party *p, enum sdes_suite suite, uint64_t seed)
{
	const struct sdes_suite_info *info = sdes_suite_info(suite);
	const size_t len = (size_t)info->key_len + info->salt_len;
	struct secret ours = media_key(&seed, len), theirs = media_key(&seed, len);
	EXPECT_ERR(stream_set_key(&p->rtp, SRTP_TX, suite, &ours), OK);
	EXPECT_ERR(stream_set_key(&p->rtp, SRTP_RX, suite, &theirs), OK);
	EXPECT_ERR(srtp_key_set(&p->rx, suite, &ours), OK);
	EXPECT_ERR(srtp_key_set(&p->tx, suite, &theirs), OK);
}

static void make_party(unsigned who)
{
	struct party *p = &call.party[who];
	stream_init(&p->rtp, PKT_RTP, &call.worker, NULL);
	stream_init(&p->rtcp, PKT_RTCP, &call.worker, &p->rtp);
	srtp_key_init(&p->tx, &call.worker, SRTP_TX);
	srtp_key_init(&p->rx, &call.worker, SRTP_RX);
	for (unsigned k = 0; k < 2; k++)
		p->at[k] = media_addr((uint8_t)(10 + who), (uint16_t)(4000 + k));
	stream_set_remote(&p->rtp, &p->at[0], call.now_us);
	stream_set_remote(&p->rtcp, &p->at[1], call.now_us);
}

static void make_call(enum stream_security out, enum stream_security in, enum sdes_suite suite)
{
	memset(&call.party, 0, sizeof(call.party));
	call.now_us = 1000000;
	forward_init(&call.forward, &call.worker, &(struct siphash_key){{1, 2}});
	for (unsigned who = 0; who < PARTIES; who++) {
		make_party(who);
		const enum stream_security s = who == OUT ? out : in;
		stream_set_security(&call.party[who].rtp, s);
		if (s == STREAM_SRTP)
			set_keys(&call.party[who], suite, 100 + who);
	}
	for (unsigned who = 0; who < PARTIES; who++) {
		struct party *p = &call.party[who], *other = &call.party[1 - who];
		stream_set_peer(&p->rtp, PKT_RTP, &other->rtp);
		stream_set_peer(&p->rtcp, PKT_RTCP, &other->rtcp);
	}
}

static void end_call(void)
{
	for (unsigned who = 0; who < PARTIES; who++) {
		stream_release(&call.party[who].rtcp);
		stream_release(&call.party[who].rtp);
		srtp_key_release(&call.party[who].tx);
		srtp_key_release(&call.party[who].rx);
	}
}

static int set_up(void **state)
{
	(void)state;
	memset(&call, 0, sizeof(call));
	return srtp_worker_init(&call.worker, "openssl") == OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	srtp_worker_release(&call.worker);
	return 0;
}

static bool is_secure(unsigned who)
{
	return call.party[who].rtp.security == STREAM_SRTP;
}

static enum pkt_fate run_key(struct srtp_key *k, struct pkt *p)
{
	struct srtp_op op = {.key = k, .pkt = p};
	if (k->direction == SRTP_TX)
		srtp_batch_protect(&call.worker, &op, 1);
	else
		srtp_batch_unprotect(&call.worker, &op, 1);
	return (enum pkt_fate)op.fate;
}

static size_t plain_packet(enum pkt_kind kind, uint16_t seq, uint8_t *out)
{
	const struct media_rtp f = {
		.ssrc = 0xabcd, .seq = seq, .timestamp = 160u * seq, .payload = 160, .fill = 0xd5};
	return kind == PKT_RTP ? media_rtp_write(&f, out)
			       : media_rtcp_write(0xabcd, 0x11110000u + seq, 0xef01, 0, 0, out);
}

/* A packet as party `who` sends it, arriving at its endpoint for that kind. */
static struct pkt *send_from(size_t at, unsigned who, enum pkt_kind kind, uint16_t seq)
{
	struct party *p = &call.party[who];
	struct media_pkt *m = &call.pkt[at];
	media_pkt_set(m, kind, plain_packet(kind, seq, m->bytes));
	if (is_secure(who))
		assert_int_equal(run_key(&p->tx, &m->pkt), FATE_SENT);
	m->pkt.stream = kind == PKT_RTP || p->rtp.mux ? &p->rtp : &p->rtcp;
	m->pkt.from = p->at[kind == PKT_RTP || p->rtp.mux ? 0 : 1];
	m->pkt.at_us = call.now_us;
	m->pkt.truncated = false;
	return &m->pkt;
}

static enum pkt_fate forward_one(struct pkt *p)
{
	struct pkt *const pkts[] = {p};
	forward_batch(&call.forward, pkts, 1, call.now_us);
	return (enum pkt_fate)p->fate;
}

/* What the other party makes of it: true if it reads what was sent. */
static bool arrives(struct pkt *p, unsigned at, enum pkt_kind kind, uint16_t seq)
{
	uint8_t want[PKT_BUFFER];
	struct party *to = &call.party[at];
	const size_t len = plain_packet(kind, seq, want);
	const bool plain_on_wire = memcmp(p->data + 12, want + 12, 16) == 0;
	if (is_secure(at) == plain_on_wire)
		return false;
	if (is_secure(at) && run_key(&to->rx, p) != FATE_SENT)
		return false;
	const unsigned port = kind == PKT_RTP || to->rtp.mux ? 0 : 1;
	return p->len == len && memcmp(p->data, want, len) == 0 && addr_eq(&p->to, &to->at[port]) &&
	       p->out == (port == 0 ? &to->rtp : &to->rtcp);
}

static const struct {
	const char *name;
	enum stream_security out, in;
	bool mux_out, mux_in;
} calls[] = {
	{"RTP both sides", STREAM_PLAIN, STREAM_PLAIN, false, false},
	{"SRTP outside, RTP inside", STREAM_SRTP, STREAM_PLAIN, false, false},
	{"SRTP both sides", STREAM_SRTP, STREAM_SRTP, false, false},
	{"SRTP with rtcp-mux outside, RTP inside", STREAM_SRTP, STREAM_PLAIN, true, false},
	{"rtcp-mux on both sides", STREAM_SRTP, STREAM_SRTP, true, true},
};

static void connect_mux(bool out, bool in)
{
	const bool mux[PARTIES] = {out, in};
	for (unsigned who = 0; who < PARTIES; who++)
		stream_set_mux(&call.party[who].rtp, mux[who]);
	for (unsigned who = 0; who < PARTIES; who++) {
		struct party *p = &call.party[who], *other = &call.party[1 - who];
		struct stream *to = mux[1 - who] ? &other->rtp : &other->rtcp;
		stream_set_peer(mux[who] ? &p->rtp : &p->rtcp, PKT_RTCP, to);
	}
}

static void test_both_ways_every_suite(void **state)
{
	(void)state;
	CHECK_TABLE(row, calls)
	{
		for (unsigned s = 0; s < SDES_SUITE_COUNT; s++) {
			make_call(row->out, row->in, (enum sdes_suite)s);
			connect_mux(row->mux_out, row->mux_in);
			for (uint16_t i = 0; i < 40; i++) {
				const unsigned who = i & 1;
				const enum pkt_kind kind = i % 10 < 8 ? PKT_RTP : PKT_RTCP;
				struct pkt *p = send_from(0, who, kind, i);
				EXPECT_INT(forward_one(p), FATE_SENT);
				EXPECT_TRUE(arrives(p, 1 - who, kind, i));
			}
			EXPECT_U64(call.party[OUT].rtp.stats.tx_packets +
					   call.party[OUT].rtcp.stats.tx_packets,
				   20);
			EXPECT_U64(call.forward.stats.fate[FATE_SENT], 40);
			end_call();
		}
	}
}

/* One thing wrong at a time, in a call of SRTP outside and RTP inside. */
enum wrong {
	NOTHING,
	NO_STREAM,
	TRUNCATED,
	TOO_LONG,
	EMPTY,
	STUN_BYTE,
	TURN_BYTE,
	DTLS_BYTE,
	ZRTP_BYTE,
	NOISE_BYTE,
	RTCP_ON_RTP,
	RTP_ON_RTCP,
	BIT_FLIPPED,
	SENT_TWICE,
	STRANGER,
	STRANGER_WITH_KEY_LATE,
	PADDING_LIES,
	CSRC_LIES,
	PEER_CLOSED,
	PEER_NO_KEY,
	PEER_NOWHERE,
	NO_PEER,
	SIDE_CLOSED,
	BLOCKED,
	HELD,
	TOO_FAST,
	NOT_PROVEN,
	NO_TAIL
};

static const struct {
	const char *name;
	unsigned who;
	enum pkt_kind kind;
	enum wrong wrong;
	enum pkt_fate want;
} wrongs[] = {
	{"nothing wrong outside", OUT, PKT_RTP, NOTHING, FATE_SENT},
	{"nothing wrong inside", IN, PKT_RTP, NOTHING, FATE_SENT},
	{"a port without a stream", OUT, PKT_RTP, NO_STREAM, FATE_UNKNOWN},
	{"a datagram that was cut", OUT, PKT_RTP, TRUNCATED, FATE_OVERSIZE},
	{"a datagram that is too long", IN, PKT_RTP, TOO_LONG, FATE_OVERSIZE},
	{"an empty datagram", IN, PKT_RTP, EMPTY, FATE_NOISE},
	{"STUN without ICE", OUT, PKT_RTP, STUN_BYTE, FATE_STUN},
	{"TURN channel data", OUT, PKT_RTP, TURN_BYTE, FATE_STUN},
	{"DTLS without agreement", OUT, PKT_RTP, DTLS_BYTE, FATE_DTLS},
	{"ZRTP", OUT, PKT_RTP, ZRTP_BYTE, FATE_ZRTP},
	{"bytes of no protocol", IN, PKT_RTP, NOISE_BYTE, FATE_NOISE},
	{"RTCP on the RTP port without rtcp-mux", IN, PKT_RTCP, RTCP_ON_RTP, FATE_KIND},
	{"RTP on the RTCP port", IN, PKT_RTP, RTP_ON_RTCP, FATE_KIND},
	{"a flipped bit outside", OUT, PKT_RTP, BIT_FLIPPED, FATE_AUTH},
	{"a flipped bit in RTCP outside", OUT, PKT_RTCP, BIT_FLIPPED, FATE_AUTH},
	{"the same packet twice outside", OUT, PKT_RTP, SENT_TWICE, FATE_REPLAY},
	{"the same RTCP twice outside", OUT, PKT_RTCP, SENT_TWICE, FATE_REPLAY},
	{"the same sequence number twice inside", IN, PKT_RTP, SENT_TWICE, FATE_REUSE},
	{"a stranger inside", IN, PKT_RTP, STRANGER, FATE_SOURCE},
	{"a stranger inside sends RTCP", IN, PKT_RTCP, STRANGER, FATE_SOURCE},
	{"another source with the key while the party is alive", OUT, PKT_RTP, STRANGER,
	 FATE_SOURCE},
	{"the party from elsewhere when its old source is silent", OUT, PKT_RTP,
	 STRANGER_WITH_KEY_LATE, FATE_SENT},
	{"padding that lies inside", IN, PKT_RTP, PADDING_LIES, FATE_MALFORMED},
	{"padding that lies outside, under a right tag", OUT, PKT_RTP, PADDING_LIES,
	 FATE_MALFORMED},
	{"CSRCs that are not there", IN, PKT_RTP, CSRC_LIES, FATE_MALFORMED},
	{"the other side is not agreed yet", OUT, PKT_RTP, PEER_CLOSED, FATE_NO_PEER},
	{"the other side is to be SRTP and has no key", OUT, PKT_RTP, PEER_NO_KEY, FATE_NO_KEY},
	{"the other side has no address", OUT, PKT_RTP, PEER_NOWHERE, FATE_NO_PEER},
	{"no other side", IN, PKT_RTP, NO_PEER, FATE_NO_PEER},
	{"this side is not agreed yet", IN, PKT_RTP, SIDE_CLOSED, FATE_NO_KEY},
	{"media blocked by command", OUT, PKT_RTP, BLOCKED, FATE_BLOCKED},
	{"RTCP of a blocked party goes on", OUT, PKT_RTCP, BLOCKED, FATE_SENT},
	{"a party that is held", IN, PKT_RTP, HELD, FATE_DIRECTION},
	{"RTCP of a party that is held goes on", IN, PKT_RTCP, HELD, FATE_SENT},
	{"more packets than agreed", IN, PKT_RTP, TOO_FAST, FATE_RATE},
	{"a target that never answered", IN, PKT_RTP, NOT_PROVEN, FATE_UNPROVEN},
	{"no room for the tag", IN, PKT_RTP, NO_TAIL, FATE_NO_ROOM},
};

static const struct addr stranger = {.ip = {198, 51, 100, 7}, .port = 4000, .family = ADDR_IP4};

/* What has to be wrong with the call, before the packet is made. */
static void spoil_call(enum wrong wrong, unsigned who)
{
	struct party *p = &call.party[who], *other = &call.party[1 - who];
	const struct addr none = {0};
	if (wrong == PEER_CLOSED)
		stream_set_security(&other->rtp, STREAM_CLOSED);
	if (wrong == PEER_NO_KEY)
		stream_set_security(&other->rtp, STREAM_SRTP);
	if (wrong == PEER_NOWHERE)
		stream_set_remote(&other->rtp, &none, call.now_us);
	if (wrong == NO_PEER)
		stream_set_peer(&p->rtp, PKT_RTP, NULL);
	if (wrong == SIDE_CLOSED)
		stream_set_security(&p->rtp, STREAM_CLOSED);
	if (wrong == BLOCKED)
		stream_set_flow(&p->rtp, STREAM_BLOCKED);
	if (wrong == HELD)
		stream_set_flow(&p->rtp, STREAM_HOLD);
	if (wrong == TOO_FAST) {
		stream_set_rate(&p->rtp, 1, 1);
		stream_take_rate(&p->rtp, call.now_us);
		stream_take_rate(&p->rtp, call.now_us);
	}
	if (wrong == NOT_PROVEN) {
		stream_set_unproven(&other->rtp, 1);
		latch_take_send(&other->rtp.latch);
	}
}

/* What has to be wrong with the packet before its sender protects it: returns false when nothing. */
static bool spoil_plain(enum wrong wrong, struct pkt *p)
{
	if (wrong == PADDING_LIES) {
		p->data[0] |= 0x20;
		p->data[p->len - 1] = 0xff;
	}
	return wrong == PADDING_LIES;
}

static void spoil_packet(enum wrong wrong, struct pkt *p)
{
	static const struct {
		enum wrong wrong;
		uint8_t byte;
	} first[] = {{STUN_BYTE, 1},  {TURN_BYTE, 64}, {DTLS_BYTE, 22},
		     {ZRTP_BYTE, 16}, {NOISE_BYTE, 8}, {CSRC_LIES, 0x8f}};
	for (size_t i = 0; i < ARRAY_LEN(first); i++)
		if (first[i].wrong == wrong)
			p->data[0] = first[i].byte;
	if (wrong == CSRC_LIES)
		p->len = 40;
	if (wrong == NO_STREAM)
		p->stream = NULL;
	if (wrong == TRUNCATED)
		p->truncated = true;
	if (wrong == TOO_LONG)
		p->len = PKT_LEN_MAX + 1;
	if (wrong == EMPTY)
		p->len = 0;
	if (wrong == RTCP_ON_RTP)
		p->stream = &call.party[IN].rtp, p->from = call.party[IN].at[0];
	if (wrong == RTP_ON_RTCP)
		p->stream = &call.party[IN].rtcp, p->from = call.party[IN].at[1];
	if (wrong == BIT_FLIPPED)
		p->data[p->len - 30] ^= 4;
	if (wrong == STRANGER || wrong == STRANGER_WITH_KEY_LATE)
		p->from = stranger;
	if (wrong == STRANGER_WITH_KEY_LATE)
		call.now_us += LATCH_SILENT_US;
	if (wrong == NO_TAIL)
		p->cap = p->len + 9;
}

/* The packet of the row, number 200 of its sender. */
static struct pkt *wrong_packet(unsigned who, enum pkt_kind kind, enum wrong wrong)
{
	struct pkt *p;
	if (wrong == PADDING_LIES && is_secure(who)) {
		struct media_pkt *m = &call.pkt[0];
		media_pkt_set(m, kind, plain_packet(kind, 200, m->bytes));
		spoil_plain(wrong, &m->pkt);
		assert_int_equal(run_key(&call.party[who].tx, &m->pkt), FATE_SENT);
		m->pkt.stream = &call.party[who].rtp;
		m->pkt.from = call.party[who].at[0];
		return &m->pkt;
	}
	p = send_from(0, who, kind, 200);
	if (wrong == SENT_TWICE) {
		uint8_t copy[PKT_BUFFER];
		const uint32_t len = p->len;
		memcpy(copy, p->data, len);
		EXPECT_INT(forward_one(p), FATE_SENT);
		memcpy(p->data, copy, len);
		p->len = len;
	}
	spoil_plain(wrong, p);
	spoil_packet(wrong, p);
	return p;
}

static void test_one_thing_wrong(void **state)
{
	(void)state;
	CHECK_TABLE(row, wrongs)
	{
		make_call(STREAM_SRTP, STREAM_PLAIN, SDES_AES_CM_128_HMAC_SHA1_80);
		/* The sender is known already, the other side has not spoken. */
		EXPECT_INT(forward_one(send_from(0, row->who, PKT_RTP, 1)), FATE_SENT);
		EXPECT_INT(forward_one(send_from(0, row->who, PKT_RTCP, 1)), FATE_SENT);
		spoil_call(row->wrong, row->who);
		struct pkt *p = wrong_packet(row->who, row->kind, row->wrong);
		const uint64_t before = call.forward.stats.fate[row->want];
		struct stream *s = p->stream;
		EXPECT_INT(forward_one(p), row->want);
		EXPECT_U64(call.forward.stats.fate[row->want], before + 1);
		if (s && row->want != FATE_SENT)
			EXPECT_INT(stream_dropped(s, row->want), 1);
		end_call();
	}
}

/* The row's packet changed nothing: the talk goes on from where it was. */
static void test_talk_goes_on_after(void **state)
{
	(void)state;
	CHECK_TABLE(row, wrongs)
	{
		if (row->wrong >= STRANGER_WITH_KEY_LATE && row->wrong != PADDING_LIES &&
		    row->wrong != CSRC_LIES)
			continue;
		make_call(STREAM_SRTP, STREAM_PLAIN, SDES_AES_CM_128_HMAC_SHA1_80);
		EXPECT_INT(forward_one(send_from(0, row->who, PKT_RTP, 1)), FATE_SENT);
		EXPECT_INT(forward_one(send_from(0, row->who, PKT_RTCP, 1)), FATE_SENT);
		forward_one(wrong_packet(row->who, row->kind, row->wrong));
		struct pkt *p = send_from(1, row->who, PKT_RTP, 201);
		EXPECT_INT(forward_one(p), FATE_SENT);
		EXPECT_TRUE(arrives(p, 1 - row->who, PKT_RTP, 201));
		p = send_from(1, 1 - row->who, PKT_RTP, 7);
		EXPECT_INT(forward_one(p), FATE_SENT);
		EXPECT_TRUE(arrives(p, row->who, PKT_RTP, 7));
		end_call();
	}
}

/* Whoever copies a packet and is faster: refused before it is decrypted, so that the party's own is no replay. */
static void test_faster_copy_from_elsewhere(void **state)
{
	(void)state;
	make_call(STREAM_SRTP, STREAM_PLAIN, SDES_AEAD_AES_256_GCM);
	EXPECT_INT(forward_one(send_from(0, OUT, PKT_RTP, 1)), FATE_SENT);
	struct pkt *p = send_from(0, OUT, PKT_RTP, 2);
	call.pkt[1] = call.pkt[0];
	call.pkt[1].pkt.data = call.pkt[1].bytes;
	call.pkt[1].pkt.from = stranger;
	EXPECT_INT(forward_one(&call.pkt[1].pkt), FATE_SOURCE);
	EXPECT_INT(forward_one(p), FATE_SENT);
	EXPECT_TRUE(arrives(p, IN, PKT_RTP, 2));
	end_call();
}

/* Both could be learned when the batch came; the first one settles it for the second. */
static void test_two_sources_in_one_batch(void **state)
{
	(void)state;
	make_call(STREAM_PLAIN, STREAM_PLAIN, SDES_AEAD_AES_256_GCM);
	stream_set_latch(&call.party[OUT].rtp, LATCH_RESTRICTED, NULL);
	struct pkt *const pkts[] = {send_from(0, OUT, PKT_RTP, 1), send_from(1, OUT, PKT_RTP, 2)};
	pkts[1]->from.port++;
	forward_batch(&call.forward, pkts, 2, call.now_us);
	EXPECT_INT(pkts[0]->fate, FATE_SENT);
	EXPECT_INT(pkts[1]->fate, FATE_SOURCE);
	EXPECT_TRUE(addr_eq(&call.party[OUT].rtp.latch.target, &call.party[OUT].at[0]));
	end_call();
}

static void test_flow_stops_rtp_alone(void **state)
{
	(void)state;
	static const unsigned flows[] = {STREAM_BLOCKED, STREAM_HOLD, STREAM_BLOCKED | STREAM_HOLD};
	make_call(STREAM_SRTP, STREAM_PLAIN, SDES_AES_CM_128_HMAC_SHA1_80);
	connect_mux(true, false);
	for (uint16_t i = 0; i < ARRAY_LEN(flows); i++) {
		stream_set_flow(&call.party[OUT].rtp, flows[i]);
		EXPECT_INT(forward_one(send_from(0, OUT, PKT_RTP, i)),
			   flows[i] & STREAM_BLOCKED ? FATE_BLOCKED : FATE_DIRECTION);
		EXPECT_INT(forward_one(send_from(0, OUT, PKT_RTCP, i)), FATE_SENT);
		EXPECT_U64(call.party[OUT].rtp.last_us, call.now_us);
		EXPECT_U64(call.party[OUT].rtp.stats.rx_packets, 2u * i + 2);
		call.now_us += 20000;
	}
	end_call();
}

/* threats D1: a stranger sprays both endpoints of both parties before, while and after they learn. */
static void test_stranger_gets_nothing(void **state)
{
	(void)state;
	CHECK_TABLE(row, calls)
	{
		uint64_t random = 5;
		make_call(row->out, row->in, SDES_AEAD_AES_128_GCM);
		connect_mux(row->mux_out, row->mux_in);
		for (int i = 0; i < 3000; i++) {
			const uint64_t r = media_random(&random);
			const unsigned who = r & 1;
			const enum pkt_kind kind = r & 2 ? PKT_RTP : PKT_RTCP;
			const bool ours = i > 50 && (r & 4);
			struct pkt *p = send_from(0, who, kind, (uint16_t)i);
			call.now_us += (r >> 8) % 40000;
			if (!ours) {
				p->from = stranger;
				media_random_bytes(&random, p->data + 12, 20);
			}
			const enum pkt_fate fate = forward_one(p);
			assert_true(ours || fate != FATE_SENT);
			assert_true(fate != FATE_SENT || !addr_eq_ip(&p->to, &stranger));
		}
		end_call();
	}
}

/* A plain side that repeats and reorders, with other payloads: no key stream twice, and no batch too large. */
static void test_no_key_stream_twice(void **state)
{
	(void)state;
	enum { SEQS = 600 };
	static uint64_t seen[SEQS];
	uint64_t random = 11;
	memset(seen, 0, sizeof(seen));
	make_call(STREAM_SRTP, STREAM_PLAIN, SDES_AES_CM_128_HMAC_SHA1_80);
	for (int turn = 0; turn < 200; turn++) {
		struct pkt *pkts[ARRAY_LEN(call.pkt)];
		uint8_t plain[ARRAY_LEN(call.pkt)][16];
		uint16_t seq[ARRAY_LEN(call.pkt)];
		const size_t n = 1 + media_random(&random) % ARRAY_LEN(call.pkt);
		for (size_t i = 0; i < n; i++) {
			seq[i] = (uint16_t)((unsigned)turn * 2 + media_random(&random) % 200);
			pkts[i] = send_from(i, IN, PKT_RTP, seq[i]);
			media_random_bytes(&random, pkts[i]->data + 12, 16);
			memcpy(plain[i], pkts[i]->data + 12, 16);
		}
		forward_batch(&call.forward, pkts, n, call.now_us);
		for (size_t i = 0; i < n; i++) {
			uint64_t stream, text;
			assert_true(pkts[i]->fate == FATE_SENT || pkts[i]->fate == FATE_REUSE);
			if (pkts[i]->fate != FATE_SENT)
				continue;
			memcpy(&stream, pkts[i]->data + 12, 8);
			memcpy(&text, plain[i], 8);
			assert_int_equal(seen[seq[i]], 0);
			seen[seq[i]] = stream ^ text;
		}
	}
	end_call();
}

static void test_order_and_batches(void **state)
{
	(void)state;
	struct pkt *pkts[ARRAY_LEN(call.pkt)];
	make_call(STREAM_SRTP, STREAM_PLAIN, SDES_AES_CM_128_HMAC_SHA1_80);
	for (uint16_t i = 0; i < ARRAY_LEN(call.pkt); i++) {
		pkts[i] = send_from(i, i & 1, PKT_RTP, i);
		if (i % 7 == 3)
			pkts[i]->data[20] ^= 1;
	}
	forward_batch(&call.forward, pkts, ARRAY_LEN(call.pkt), call.now_us);
	for (uint16_t i = 0; i < ARRAY_LEN(call.pkt); i++) {
		const bool spoilt = i % 7 == 3 && (i & 1) == OUT;
		EXPECT_INT(pkts[i]->fate, spoilt ? FATE_AUTH : FATE_SENT);
		if (!spoilt && i % 7 != 3)
			EXPECT_TRUE(arrives(pkts[i], 1 - (i & 1), PKT_RTP, i));
	}
	end_call();
}

static void test_round_trip_is_measured(void **state)
{
	(void)state;
	struct quality_report r;
	uint8_t bytes[128];
	make_call(STREAM_PLAIN, STREAM_PLAIN, SDES_AES_CM_128_HMAC_SHA1_80);
	/* An SR from inside with NTP 0x11110001 passes; the report about it comes 60 ms later, kept for 20. */
	EXPECT_INT(forward_one(send_from(0, IN, PKT_RTCP, 1)), FATE_SENT);
	call.now_us += 60000;
	struct pkt *p = send_from(0, OUT, PKT_RTCP, 2);
	p->len = (uint32_t)media_rtcp_write(0x77, 0, 0xabcd, 0x11110001, 1311, bytes);
	memcpy(p->data, bytes, p->len);
	EXPECT_INT(forward_one(p), FATE_SENT);
	quality_report(&call.party[OUT].rtp.quality, 0, &r);
	EXPECT_INT((int)(r.rtt_ms + 0.5), 40);
	end_call();
}

/* Design, promise 3: nothing that names the inside is outside, on any path, from either side. */
static void test_names_in_rtcp_do_not_cross(void **state)
{
	(void)state;
	static const char tail[] =
		"81ca0007 0000abcd 01 0c 70627840 31302e30 2e302e37" /* pbx@10.0.0.7 */
		"06 05 73697070 31 000000"
		"80cc0004 0000abcd 6e616d65 31302e30 2e302e37"
		"81cb0004 0000abcd 0b 676f6e65 2031302e 302e30";
	CHECK_TABLE(row, calls)
	{
		make_call(row->out, row->in, SDES_AES_CM_128_HMAC_SHA1_80);
		for (unsigned who = 0; who < PARTIES; who++) {
			struct party *p = &call.party[who], *to = &call.party[1 - who];
			struct media_pkt *m = &call.pkt[0];
			size_t len = plain_packet(PKT_RTCP, 1, m->bytes);
			const size_t report = len;
			len += media_hex(tail, m->bytes + len, 128);
			media_pkt_set(m, PKT_RTCP, len);
			if (is_secure(who))
				assert_int_equal(run_key(&p->tx, &m->pkt), FATE_SENT);
			m->pkt.stream = &p->rtcp;
			m->pkt.from = p->at[1];
			EXPECT_INT(forward_one(&m->pkt), FATE_SENT);
			if (is_secure(1 - who))
				EXPECT_INT(run_key(&to->rx, &m->pkt), FATE_SENT);
			/* The report, a description of 28 bytes, a goodbye of 8. */
			EXPECT_INT(m->pkt.len, report + 28 + 8);
			EXPECT_ERR(rtcp_check(m->bytes, m->pkt.len), OK);
			for (size_t i = 0; i + 4 <= m->pkt.len; i++)
				EXPECT_TRUE(memcmp(m->bytes + i, "10.0", 4) != 0 &&
					    memcmp(m->bytes + i, "sipp", 4) != 0);
		}
		end_call();
	}
}

static void test_rtcp_of_which_nothing_may_cross(void **state)
{
	(void)state;
	make_call(STREAM_PLAIN, STREAM_SRTP, SDES_AES_CM_128_HMAC_SHA1_80);
	struct pkt *p = send_from(0, OUT, PKT_RTCP, 1);
	p->len = (uint32_t)media_hex("80cc0002 0000abcd 6e616d65", p->data, 128);
	EXPECT_INT(forward_one(p), FATE_HIDDEN);
	/* It is the party's all the same. */
	EXPECT_U64(call.party[OUT].rtcp.stats.rx_packets, 1);
	EXPECT_U64(stream_dropped(&call.party[OUT].rtcp, FATE_HIDDEN), 1);
	p = send_from(0, OUT, PKT_RTCP, 2);
	p->len = (uint32_t)media_hex("81ca0002 0000abcd 01096162", p->data, 128);
	EXPECT_INT(forward_one(p), FATE_MALFORMED);
	EXPECT_U64(call.party[OUT].rtcp.stats.rx_packets, 1);
	/* A short name becomes longer: there must be room for that and for the tag. */
	for (int more = 0; more < 2; more++) {
		p = send_from(0, OUT, PKT_RTCP, 3);
		p->len = (uint32_t)media_hex("80c90001 0000abcd 81ca0002 0000abcd 01016100",
					     p->data, 128);
		p->cap = 8 + 28 + SRTP_TAIL_MAX - 1u + (uint32_t)more;
		EXPECT_INT(forward_one(p), more ? FATE_SENT : FATE_NO_ROOM);
	}
	end_call();
}

static void test_raw_passes_as_it_is(void **state)
{
	(void)state;
	make_call(STREAM_RAW, STREAM_RAW, SDES_AES_CM_128_HMAC_SHA1_80);
	struct pkt *p = send_from(0, OUT, PKT_RTP, 1);
	p->data[0] = 0;
	EXPECT_INT(forward_one(p), FATE_SENT);
	EXPECT_TRUE(addr_eq(&p->to, &call.party[IN].at[0]));
	/* Never into a side that speaks RTP, and least of all SRTP. */
	stream_set_security(&call.party[IN].rtp, STREAM_PLAIN);
	EXPECT_INT(forward_one(send_from(0, OUT, PKT_RTP, 2)), FATE_KIND);
	EXPECT_INT(forward_one(send_from(0, IN, PKT_RTP, 2)), FATE_KIND);
	set_keys(&call.party[IN], SDES_AES_CM_128_HMAC_SHA1_80, 3);
	stream_set_security(&call.party[IN].rtp, STREAM_SRTP);
	p = &call.pkt[0].pkt;
	media_pkt_set(&call.pkt[0], PKT_RTP, 40);
	p->from = call.party[OUT].at[0];
	p->stream = &call.party[OUT].rtp;
	EXPECT_INT(forward_one(p), FATE_KIND);
	end_call();
}

static void test_every_fate_has_words(void **state)
{
	(void)state;
	for (unsigned f = 0; f < FATE_COUNT; f++) {
		EXPECT_TRUE(pkt_fate_name((enum pkt_fate)f)[0] != '\0');
		EXPECT_TRUE(pkt_fate_help((enum pkt_fate)f)[0] != '\0');
		for (unsigned g = 0; g < f; g++)
			EXPECT_TRUE(strcmp(pkt_fate_name((enum pkt_fate)f),
					   pkt_fate_name((enum pkt_fate)g)) != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways_every_suite),
		cmocka_unit_test(test_one_thing_wrong),
		cmocka_unit_test(test_talk_goes_on_after),
		cmocka_unit_test(test_faster_copy_from_elsewhere),
		cmocka_unit_test(test_two_sources_in_one_batch),
		cmocka_unit_test(test_flow_stops_rtp_alone),
		cmocka_unit_test(test_stranger_gets_nothing),
		cmocka_unit_test(test_no_key_stream_twice),
		cmocka_unit_test(test_order_and_batches),
		cmocka_unit_test(test_round_trip_is_measured),
		cmocka_unit_test(test_names_in_rtcp_do_not_cross),
		cmocka_unit_test(test_rtcp_of_which_nothing_may_cross),
		cmocka_unit_test(test_raw_passes_as_it_is),
		cmocka_unit_test(test_every_fate_has_words),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
