/* sdp-attr and loop protect on the text of an SDP, and the flags whose effect is seen in one. */
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "rtpproxy/core/sdp_edit.h"
#include "tests/support/check.h"
#include "tests/support/relay_world.h"

#define IN                                                                                         \
	"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=tool:x\r\n"                          \
	"m=audio 4000 RTP/AVP 0\r\na=ptime:30\r\na=sendrecv\r\nm=video 4002 RTP/AVP "              \
	"96\r\na=sendrecv\r\n"

static void lines_of_a_section(void **state)
{
	(void)state;
	static const struct {
		const char *name, *flags, *want; /* JSON; what differs, or all */
	} rows[] = {
		{"add to a kind of media", "{\"sdp-attr\":{\"audio\":{\"add\":[\"ptime:20\"]}}}",
		 "a=sendrecv\r\na=ptime:20\r\nm=video"},
		{"add to the session", "{\"sdp-attr\":{\"none\":{\"add\":\"x:1\"}}}",
		 "a=tool:x\r\na=x:1\r\nm=audio"},
		{"add to the last media", "{\"sdp-attr\":{\"video\":{\"add\":[\"y\",\"z\"]}}}",
		 "a=sendrecv\r\na=y\r\na=z\r\n"},
		{"remove by name", "{\"sdp-attr\":{\"audio\":{\"remove\":[\"ptime\"]}}}",
		 "RTP/AVP 0\r\na=sendrecv\r\nm=video"},
		{"remove by the whole line",
		 "{\"sdp-attr\":{\"audio\":{\"remove\":[\"ptime:30\"]}}}",
		 "RTP/AVP 0\r\na=sendrecv\r\nm=video"},
		{"another value stays", "{\"sdp-attr\":{\"audio\":{\"remove\":[\"ptime:3\"]}}}",
		 "RTP/AVP 0\r\na=ptime:30\r\na=sendrecv\r\nm=video"},
		{"another section stays", "{\"sdp-attr\":{\"video\":{\"remove\":[\"ptime\"]}}}",
		 "RTP/AVP 0\r\na=ptime:30\r\na=sendrecv\r\nm=video"},
		{"substitute",
		 "{\"sdp-attr\":{\"video\":{\"substitute\":[[\"sendrecv\",\"inactive\"]]}}}",
		 "RTP/AVP 96\r\na=inactive\r\n"},
		{"as flags",
		 "{\"flags\":[\"sdp-attr-add-audio-x..y--z\",\"sdp-attr-remove-audio-sendrecv\","
		 "\"sdp-attr-substitute-none-tool:x>tool:y\"]}",
		 "a=tool:y\r\nm=audio 4000 RTP/AVP 0\r\na=ptime:30\r\na=x y=z\r\nm=video"},
		{"by the flag string", "{\"rtpp-flags\":\"sdp-attr=[audio=[add=[x:1]]]\"}",
		 "a=sendrecv\r\na=x:1\r\nm=video"},
		{"a line break makes no line of its own",
		 "{\"sdp-attr\":{\"audio\":{\"add\":[\"x\\r\\nm=audio 1 RTP/AVP 0\"]}}}",
		 "a=sendrecv\r\nm=video"},
		{"only attributes can be removed",
		 "{\"sdp-attr\":{\"none\":{\"remove\":[\"o=\",\"v=0\",\"-\"]}}}", "v=0\r\no=- 1"},
		{"loop protect leaves a mark", "{\"flags\":[\"loop protect\"]}",
		 "a=tool:x\r\na=rtpengine:0123\r\nm=audio"},
	};
	static struct arena arena;
	assert_int_equal(arena_init_sized(&arena, 256 * 1024), OK);
	CHECK_TABLE(row, rows)
	{
		char mem[2048], body[512];
		struct buf b;
		struct ng n;
		arena_reset(&arena);
		snprintf(body, sizeof(body), "{\"command\":\"ping\",%s", row->flags + 1);
		EXPECT_INT(ng_parse(STR_NONE, str_from(body), &arena, &n), REFUSAL_NONE);
		buf_init(&b, mem, sizeof(mem));
		EXPECT_TRUE(sdp_edit_is_wanted(&n.flags));
		sdp_edit_write(&n.flags, STR("0123"), STR(IN), &b);
		EXPECT_INT(str_find(buf_view(&b), str_from(row->want)) < b.len, true);
		if (str_find(buf_view(&b), str_from(row->want)) == b.len) {
			EXPECT_Z(buf_view(&b), row->want);
		}
	}
	arena_release(&arena);
}

static void nothing_to_do_is_nothing_done(void **state)
{
	(void)state;
	const struct flags none = {0};
	char mem[2048];
	struct buf b;
	EXPECT_TRUE(!sdp_edit_is_wanted(&none));
	buf_init(&b, mem, sizeof(mem));
	sdp_edit_write(&none, STR("i"), STR(IN), &b);
	EXPECT_Z(buf_view(&b), IN);
}

static void the_mark_is_found(void **state)
{
	(void)state;
	EXPECT_TRUE(sdp_edit_is_ours(STR("v=0\r\na=rtpengine:ab\r\n"), STR("ab")));
	EXPECT_TRUE(!sdp_edit_is_ours(STR("v=0\r\na=rtpengine:abc\r\n"), STR("ab")));
	EXPECT_TRUE(!sdp_edit_is_ours(STR("v=0\r\ni=a=rtpengine:ab\r\n"), STR("ab")));
	EXPECT_TRUE(!sdp_edit_is_ours(STR(""), STR("ab")));
}

static void loop_protect_lets_an_sdp_through_once(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	char first[4096];
	rw_ask(w, "offer", "call-id", "c1", "from-tag", "A", "flags", "loop-protect", "sdp",
	       RW_SDP_A, NULL);
	rw_expect_ok(w);
	EXPECT_ERR(str_copy(rw_got(w, "sdp"), first, sizeof(first)), OK);
	EXPECT_TRUE(strstr(first, "a=rtpengine:") != NULL);
	size_t open = w->open_count;
	rw_ask(w, "offer", "call-id", "c2", "from-tag", "A", "flags", "loop protect", "sdp", first,
	       NULL);
	rw_expect_ok(w);
	EXPECT_Z(rw_got(w, "sdp"), first);
	EXPECT_INT(w->open_count, open);
	EXPECT_INT(w->relay.calls.used, 1);
	/* Without the flag it is one more hop. */
	rw_ask(w, "offer", "call-id", "c2", "from-tag", "A", "sdp", first, NULL);
	rw_expect_ok(w);
	EXPECT_INT(w->relay.calls.used, 2);
	rw_free(w);
}

#define TWO                                                                                        \
	"v=0\r\no=b 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"                \
	"m=audio 6000 RTP/AVP 101 8 0 13\r\na=rtpmap:101 telephone-event/8000\r\n"

static void single_codec_is_for_answers(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	rw_ask(w, "offer", "call-id", "c1", "from-tag", "A", "flags", "single codec", "sdp", TWO,
	       NULL);
	EXPECT_TRUE(str_find(rw_got(w, "sdp"), STR("RTP/AVP 101 8 0 13")) < rw_got(w, "sdp").len);
	rw_ask(w, "answer", "call-id", "c1", "from-tag", "A", "to-tag", "B", "flags",
	       "single-codec", "sdp", TWO, NULL);
	EXPECT_TRUE(str_find(rw_got(w, "sdp"), STR("RTP/AVP 101 8 13\r\n")) < rw_got(w, "sdp").len);
	rw_free(w);
}

static void nat_wait_sends_nothing_before_something_came(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	struct media_pkt m;
	rw_ask(w, "offer", "call-id", "c1", "from-tag", "A", "flags", "NAT-wait", "sdp", RW_SDP_A,
	       NULL);
	uint16_t to_b = rw_port(w, 0);
	rw_ask(w, "answer", "call-id", "c1", "from-tag", "A", "to-tag", "B", "sdp", RW_SDP_B, NULL);
	uint16_t to_a = rw_port(w, 0);
	EXPECT_INT(rw_rtp(w, to_b, 2, 6000, 0, &m), FATE_UNPROVEN);
	EXPECT_INT(rw_rtp(w, to_a, 1, 5000, 0, &m), FATE_SENT);
	EXPECT_INT(rw_rtp(w, to_b, 2, 6000, 0, &m), FATE_SENT);
	rw_free(w);
}

static void what_is_not_done_is_said(void **state)
{
	(void)state;
	static const struct {
		const char *name, *key, *value, *want;
	} rows[] = {
		{"a plain call", "flags", "trust-address", ""},
		{"transcoding", "flags", "transcode-G722", "transcoding is not done here"},
		{"masked codecs", "flags", "codec-mask-PCMA", "transcoding is not done here"},
		{"T.38", "T.38", "decode", "transcoding is not done here"},
		{"a flag alone", "flags", "always-transcode", "transcoding is not done here"},
		{"media handover of plain RTP", "flags", "media-handover",
		 "media handover is for SRTP alone"},
		{"two of them", "flags", "media handover,transcode-opus",
		 "transcoding is not done here; media handover is for SRTP alone"},
	};
	struct relay_world *w = rw_new();
	CHECK_TABLE(row, rows)
	{
		rw_ask(w, "offer", "call-id", "c1", "from-tag", "A", row->key, row->value, "sdp",
		       RW_SDP_A, NULL);
		rw_expect_ok(w);
		EXPECT_Z(rw_got(w, "warning"), row->want);
	}
	rw_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_a_section),
		cmocka_unit_test(nothing_to_do_is_nothing_done),
		cmocka_unit_test(the_mark_is_found),
		cmocka_unit_test(loop_protect_lets_an_sdp_through_once),
		cmocka_unit_test(single_codec_is_for_answers),
		cmocka_unit_test(nat_wait_sends_nothing_before_something_came),
		cmocka_unit_test(what_is_not_done_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
