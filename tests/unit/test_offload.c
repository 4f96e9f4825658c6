#include "rtpproxy/io/offload.h"

#include "rtpproxy/core/ice.h"
#include "rtpproxy/core/stream.h"
#include "rtpproxy/core/tap.h"
#include "tests/support/check.h"
#include "tests/support/media.h"

enum { BEFORE_US = 1000000, NOW_US = 2000000, AFTER_US = NOW_US + LATCH_WINDOW_US };

/* One thing that is otherwise than in a plain call in force. */
enum twist {
	NOTHING,
	RTCP,
	FAX,
	ENCRYPTED,
	PEER_ENCRYPTED,
	NOT_AGREED,
	ON_HOLD,
	BLOCKED,
	BLOCKED_KEYS,
	NO_PEER,
	PEER_NOWHERE,
	PEER_SILENT_LIMITED,
	PEER_SILENT,
	OTHER_FAMILY,
	NO_RTP,
	RECORDED,
	CHECKED,
	PEER_CHECKED,
	BY_DTLS,
	NOWHERE
};

static struct srtp_worker worker;
static struct stream side[2], rtcp;
static struct tap tap;
static struct ice ice;

static void make(struct stream *s, uint8_t host)
{
	const struct addr a = media_addr(host, 4000);
	stream_init(s, PKT_RTP, &worker, NULL);
	stream_set_security(s, STREAM_PLAIN);
	stream_set_remote(s, &a, NOW_US);
	latch_step(&s->latch, &a, NOW_US);
	s->quality.started = true;
}

static const struct stream *twisted(enum twist t)
{
	static const struct addr nowhere = {.family = ADDR_NONE};
	struct addr six = {.family = ADDR_IP6, .ip = {0xfd}, .port = 4000};
	const struct addr a = media_addr(9, 4001);
	make(&side[0], 1);
	make(&side[1], 2);
	stream_set_peer(&side[0], PKT_RTP, &side[1]);
	switch (t) {
	case RTCP:
		stream_init(&rtcp, PKT_RTCP, &worker, &side[0]);
		stream_set_remote(&rtcp, &a, NOW_US);
		return &rtcp;
	case FAX: stream_set_security(&side[0], STREAM_RAW); break;
	case ENCRYPTED: stream_set_security(&side[0], STREAM_SRTP); break;
	case PEER_ENCRYPTED: stream_set_security(&side[1], STREAM_SRTP); break;
	case NOT_AGREED: stream_set_security(&side[0], STREAM_CLOSED); break;
	case ON_HOLD: stream_set_flow(&side[0], STREAM_HOLD); break;
	case BLOCKED: stream_set_flow(&side[0], STREAM_BLOCKED); break;
	case BLOCKED_KEYS: stream_set_flow(&side[0], STREAM_BLOCKED_DTMF); break;
	case NO_PEER: stream_set_peer(&side[0], PKT_RTP, NULL); break;
	case PEER_NOWHERE: stream_set_remote(&side[1], &nowhere, NOW_US); break;
	case PEER_SILENT_LIMITED:
		stream_set_unproven(&side[1], 100);
		stream_set_remote(&side[1], &a, NOW_US);
		break;
	case PEER_SILENT: stream_set_remote(&side[1], &a, NOW_US); break;
	case OTHER_FAMILY:
		stream_set_remote(&side[1], &six, NOW_US);
		latch_step(&side[1].latch, &six, NOW_US);
		break;
	case NO_RTP: side[0].quality.started = false; break;
	case RECORDED:
		tap = (struct tap){.stream = &side[0], .wants = TAP_RECORD};
		list_init(&tap.copies);
		side[0].tap = &tap;
		break;
	case CHECKED: stream_set_ice(&side[0], &ice); break;
	case PEER_CHECKED: stream_set_ice(&side[1], &ice); break;
	case BY_DTLS:
		stream_set_security(&side[0], STREAM_SRTP);
		side[0].dtls = (struct handshake *)(void *)&ice; /* not looked at */
		break;
	case NOWHERE: stream_set_remote(&side[0], &nowhere, NOW_US); break;
	case NOTHING: break;
	}
	return &side[0];
}

static void what_the_kernel_may_do(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum twist twist;
		enum latch_mode mode; /* of both sides */
		uint64_t now_us;
		enum offload_reason why;
		enum offload_source source;
	} rows[] = {
		{"plain RTP between two parties that have spoken", NOTHING, LATCH_STRICT, NOW_US,
		 OFFLOAD_YES, OFFLOAD_FIXED},
		{"signalled addresses alone", NOTHING, LATCH_OFF, NOW_US, OFFLOAD_YES,
		 OFFLOAD_FIXED},
		{"an address that may still be learned", NOTHING, LATCH_LEARN, NOW_US,
		 OFFLOAD_LEARNING, OFFLOAD_ANY},
		{"the same when learning is over", NOTHING, LATCH_LEARN, AFTER_US, OFFLOAD_YES,
		 OFFLOAD_FIXED},
		{"a port that may still be learned", NOTHING, LATCH_RESTRICTED, AFTER_US - 1,
		 OFFLOAD_LEARNING, OFFLOAD_ANY},
		{"and when learning is over", NOTHING, LATCH_RESTRICTED, AFTER_US, OFFLOAD_YES,
		 OFFLOAD_FIXED},
		{"RTCP is read by the relay", RTCP, LATCH_STRICT, AFTER_US, OFFLOAD_KIND,
		 OFFLOAD_FIXED},
		{"fax is no RTP", FAX, LATCH_STRICT, AFTER_US, OFFLOAD_KIND, OFFLOAD_FIXED},
		{"SRTP is decrypted by the relay; strangers wait while the party is alive",
		 ENCRYPTED, LATCH_STRICT, AFTER_US, OFFLOAD_SECURITY, OFFLOAD_HELD},
		{"SRTP from the signalled address alone", ENCRYPTED, LATCH_OFF, AFTER_US,
		 OFFLOAD_SECURITY, OFFLOAD_FIXED},
		{"the other side's SRTP", PEER_ENCRYPTED, LATCH_STRICT, AFTER_US, OFFLOAD_SECURITY,
		 OFFLOAD_FIXED},
		{"nothing is agreed", NOT_AGREED, LATCH_STRICT, AFTER_US, OFFLOAD_SECURITY,
		 OFFLOAD_ANY},
		{"hold", ON_HOLD, LATCH_STRICT, AFTER_US, OFFLOAD_BLOCKED, OFFLOAD_FIXED},
		{"blocked media", BLOCKED, LATCH_STRICT, AFTER_US, OFFLOAD_BLOCKED, OFFLOAD_FIXED},
		{"blocked keys", BLOCKED_KEYS, LATCH_STRICT, AFTER_US, OFFLOAD_BLOCKED,
		 OFFLOAD_FIXED},
		{"no other side", NO_PEER, LATCH_STRICT, AFTER_US, OFFLOAD_NO_PEER, OFFLOAD_FIXED},
		{"the other side is nowhere", PEER_NOWHERE, LATCH_STRICT, AFTER_US, OFFLOAD_NO_PEER,
		 OFFLOAD_FIXED},
		{"the other side may not get much before it speaks", PEER_SILENT_LIMITED,
		 LATCH_STRICT, AFTER_US, OFFLOAD_UNPROVEN, OFFLOAD_FIXED},
		{"the other side is silent where it was signalled", PEER_SILENT, LATCH_STRICT,
		 AFTER_US, OFFLOAD_YES, OFFLOAD_FIXED},
		{"the other side is silent and may speak from elsewhere", PEER_SILENT, LATCH_LEARN,
		 AFTER_US, OFFLOAD_NO_PEER, OFFLOAD_FIXED},
		{"IPv4 to IPv6", OTHER_FAMILY, LATCH_STRICT, AFTER_US, OFFLOAD_FAMILY,
		 OFFLOAD_FIXED},
		{"no RTP has come", NO_RTP, LATCH_STRICT, AFTER_US, OFFLOAD_SILENT, OFFLOAD_FIXED},
		{"it is recorded", RECORDED, LATCH_STRICT, AFTER_US, OFFLOAD_WATCHED,
		 OFFLOAD_FIXED},
		{"ICE finds the paths, and the relay knows them", CHECKED, LATCH_STRICT, AFTER_US,
		 OFFLOAD_CHECKED, OFFLOAD_ANY},
		{"the other side's ICE takes its consent back", PEER_CHECKED, LATCH_STRICT,
		 AFTER_US, OFFLOAD_CHECKED, OFFLOAD_FIXED},
		{"hellos of DTLS are heard from elsewhere", BY_DTLS, LATCH_STRICT, AFTER_US,
		 OFFLOAD_SECURITY, OFFLOAD_HELD},
		{"nothing was signalled", NOWHERE, LATCH_STRICT, AFTER_US, OFFLOAD_LEARNING,
		 OFFLOAD_ANY},
	};
	assert_int_equal(srtp_worker_init(&worker, "openssl"), OK);
	CHECK_TABLE(r, rows)
	{
		struct offload o;
		const struct stream *s = twisted(r->twist);
		for (int i = 0; i < 2; i++)
			stream_set_latch(&side[i], r->mode, NULL);
		if (r->twist == RTCP)
			stream_set_latch(&rtcp, r->mode, NULL);
		offload_decide(s, r->now_us, &o);
		EXPECT_INT(o.why, r->why);
		EXPECT_INT(o.source, r->source);
		EXPECT_TRUE((o.why == OFFLOAD_YES) == (o.peer != NULL));
		if (o.why == OFFLOAD_YES)
			EXPECT_TRUE(o.peer == &side[1] && addr_eq(&o.to, &side[1].latch.target));
		EXPECT_TRUE(o.checks == (r->twist == CHECKED || r->twist == BY_DTLS));
		if (o.source != OFFLOAD_ANY || o.checks)
			EXPECT_TRUE(addr_eq(&o.from, &s->latch.target));
		EXPECT_TRUE(offload_text(o.why)[0] != '\0');
	}
	srtp_worker_release(&worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_the_kernel_may_do)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
