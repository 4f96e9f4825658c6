/* Block and unblock, media and telephone-events: which party is meant, and what then still passes. */
#include "tests/support/check.h"
#include "tests/support/relay_world.h"

static struct relay_world *w;
static uint16_t to_a, to_b;
static struct media_pkt m;

/* A call of A (192.0.2.1:5000) and B (192.0.2.2:6000). */
static int begin(void **state)
{
	(void)state;
	w = rw_new();
	rw_ask(w, "offer", "call-id", "c1", "from-tag", "A", "label", "caller", "sdp", RW_SDP_A,
	       NULL);
	rw_expect_ok(w);
	to_b = rw_port(w, 0);
	rw_ask(w, "answer", "call-id", "c1", "from-tag", "A", "to-tag", "B", "label", "callee",
	       "sdp", RW_SDP_B, NULL);
	rw_expect_ok(w);
	to_a = rw_port(w, 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rw_free(w);
	return 0;
}

static enum pkt_fate from_a(void)
{
	return rw_rtp(w, to_a, 1, 5000, 0, &m);
}

static enum pkt_fate from_b(void)
{
	return rw_rtp(w, to_b, 2, 6000, 0, &m);
}

static void a_party_is_named_by_label_address_or_tag(void **state)
{
	(void)state;
	static const struct {
		const char *name, *key, *value, *key2, *value2;
		bool a, b; /* blocked */
		enum refusal want;
	} rows[] = {
		{"nobody named: the whole call", NULL, NULL, NULL, NULL, true, true, 0},
		{"by from-tag, without the flag directional", "from-tag", "A", NULL, NULL, true,
		 false, 0},
		{"the callee by from-tag", "from-tag", "B", "to-tag", "A", false, true, 0},
		{"by label", "label", "callee", NULL, NULL, false, true, 0},
		{"a label wins over a tag", "label", "callee", "from-tag", "A", false, true, 0},
		{"by the address in the SDP", "address", "192.0.2.1", NULL, NULL, true, false, 0},
		{"an address wins over a tag", "address", "192.0.2.1", "from-tag", "B", true, false,
		 0},
		{"a flow by to-label", "from-tag", "A", "to-label", "callee", true, false, 0},
		{"a to-tag alone names nobody", "to-tag", "A", NULL, NULL, true, true, 0},
		{"an unknown tag", "from-tag", "X", NULL, NULL, false, false, REFUSAL_NO_SUCH_TAG},
		{"an unknown label", "label", "X", NULL, NULL, false, false, REFUSAL_LABEL},
		{"an unknown address", "address", "192.0.2.9", NULL, NULL, false, false,
		 REFUSAL_ADDRESS_TAG},
		{"an address that is none", "address", "x", NULL, NULL, false, false,
		 REFUSAL_ADDRESS},
		{"an unknown other party", "from-tag", "A", "to-tag", "X", false, false,
		 REFUSAL_TO_TAG_UNKNOWN},
		{"an unknown label of the other party", "from-tag", "A", "to-label", "X", false,
		 false, REFUSAL_TO_LABEL},
	};
	CHECK_TABLE(row, rows)
	{
		rw_ask(w, "block media", "call-id", "c1", row->key ? row->key : "x",
		       row->key ? row->value : "y", row->key2 ? row->key2 : "x",
		       row->key2 ? row->value2 : "y", NULL);
		if (row->want) {
			rw_expect_error(w, row->want);
		} else {
			rw_expect_ok(w);
		}
		EXPECT_INT(from_a(), row->a ? FATE_BLOCKED : FATE_SENT);
		EXPECT_INT(from_b(), row->b ? FATE_BLOCKED : FATE_SENT);
		rw_ask(w, "unblock media", "call-id", "c1", NULL);
		rw_expect_ok(w);
		EXPECT_INT(from_a(), FATE_SENT);
		EXPECT_INT(from_b(), FATE_SENT);
	}
}

static void what_is_blocked_stays_so_over_a_re_offer(void **state)
{
	(void)state;
	rw_ask(w, "block media", "call-id", "c1", "from-tag", "A", NULL);
	rw_ask(w, "offer", "call-id", "c1", "from-tag", "B", "to-tag", "A", "sdp",
	       RW_SDP_B "m=audio 6002 RTP/AVP 0\r\n", NULL);
	rw_expect_ok(w);
	rw_ask(w, "answer", "call-id", "c1", "from-tag", "B", "to-tag", "A", "sdp",
	       RW_SDP_A "m=audio 5002 RTP/AVP 0\r\n", NULL);
	rw_expect_ok(w);
	EXPECT_INT(from_a(), FATE_BLOCKED);
	/* The line that is new, too. The answer's reply is B's: A's ports were in the offer's. */
	rw_ask(w, "offer", "call-id", "c1", "from-tag", "B", "to-tag", "A", "sdp",
	       RW_SDP_B "m=audio 6002 RTP/AVP 0\r\n", NULL);
	uint16_t second = rw_port(w, 1);
	EXPECT_INT(rw_rtp(w, second, 1, 5002, 0, &m), FATE_BLOCKED);
}

static void who_is_blocked_is_so_in_a_fork_that_comes_later(void **state)
{
	(void)state;
	rw_ask(w, "block media", "call-id", "c1", "from-tag", "A", NULL);
	rw_ask(w, "offer", "call-id", "c1", "from-tag", "A", "to-tag", "C", "via-branch", "two",
	       "sdp", RW_SDP_A, NULL);
	rw_expect_ok(w);
	rw_ask(w, "answer", "call-id", "c1", "from-tag", "A", "to-tag", "C", "via-branch", "two",
	       "sdp", RW_SDP_B, NULL);
	rw_expect_ok(w);
	EXPECT_INT(rw_rtp(w, rw_port(w, 0), 1, 5000, 0, &m), FATE_BLOCKED);
}

static void block_dtmf_is_not_block_media(void **state)
{
	(void)state;
	rw_ask(w, "block DTMF", "call-id", "c1", "from-tag", "A", NULL);
	rw_expect_ok(w);
	EXPECT_INT(from_a(), FATE_SENT);
	rw_ask(w, "unblock media", "call-id", "c1", NULL);
	EXPECT_INT(m.pkt.stream->flow & STREAM_BLOCKED_DTMF, STREAM_BLOCKED_DTMF);
	rw_ask(w, "unblock-DTMF", "call-id", "c1", NULL);
	rw_expect_ok(w);
	EXPECT_INT(m.pkt.stream->flow & STREAM_BLOCKED_DTMF, 0);
}

static void a_blocked_party_does_not_time_out(void **state)
{
	(void)state;
	rw_ask(w, "block media", "call-id", "c1", NULL);
	for (int i = 0; i < 5; i++) {
		rw_tick(w, 30000);
		EXPECT_INT(from_a(), FATE_BLOCKED);
	}
	EXPECT_INT(w->relay.calls.used, 1);
}

static void an_unknown_call_is_said_as_the_reference_says_it(void **state)
{
	(void)state;
	static const char *const words[] = {"block media", "unblock media", "block DTMF",
					    "unblock DTMF"};
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		rw_ask(w, words[i], "call-id", "c2", NULL);
		EXPECT_STR(rw_got(w, "error-reason"), STR("Unknown call-ID"));
		rw_ask(w, words[i], NULL);
		rw_expect_error(w, REFUSAL_NO_CALL_ID);
	}
}

#define T(x) cmocka_unit_test_setup_teardown(x, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_party_is_named_by_label_address_or_tag),
		T(what_is_blocked_stays_so_over_a_re_offer),
		T(who_is_blocked_is_so_in_a_fork_that_comes_later),
		T(block_dtmf_is_not_block_media),
		T(a_blocked_party_does_not_time_out),
		T(an_unknown_call_is_said_as_the_reference_says_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
