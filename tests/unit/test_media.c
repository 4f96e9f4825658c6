#include "sbc/core/media.h"

#include "common/bencode.h"
#include "common/json.h"
#include "tests/support/check.h"
#include "tests/support/site.h"

static char mem[65536], out_mem[16384];
static struct arena a;
static struct buf out;
static struct site t;

static void start(void)
{
	site_init(&t);
	arena_init(&a, mem, sizeof(mem));
	buf_init(&out, out_mem, sizeof(out_mem));
}

static struct media_query query(struct sdp *parsed, const char *sdp)
{
	CHECK(sdp_parse(str_from(sdp), &a, parsed) == OK);
	return (struct media_query){.call = STR("n-1"),
				    .settings = &t.set,
				    .realm = {SITE_OUTSIDE, SITE_INSIDE},
				    .source = &t.outside.remote,
				    .sdp = str_from(sdp),
				    .parsed = parsed};
}

static const struct dict *written(void)
{
	struct dict *d = NULL;

	EXPECT_TRUE(out.len > 0);
	EXPECT_INT(bencode_parse(buf_view(&out), &a, &d), out.len);
	return d;
}

static void an_offer_names_realms_keys_and_policies(void **state)
{
	(void)state;
	struct media m;
	struct sdp parsed;
	start();
	t.realm_rules[SITE_INSIDE].media_policy = 1; /* SRTP only, one suite */
	t.media[1].codecs_allow[0] = STR("PCMU");
	t.media[1].codecs_allow[1] = STR("opus");
	t.media[1].codecs_allow_count = 2;
	t.media[0].codecs_allow[0] = STR("pcmu");
	t.media[0].codecs_allow_count = 1;
	media_init(&m, 1, 2);
	struct media_query q = query(&parsed, SITE_SDP_OUT);
	media_write_offer(&out, &a, &m, &q);
	const struct dict *d = written();
	EXPECT_Z(dict_get_str(d, STR("command")), "offer");
	EXPECT_Z(dict_get_str(d, STR("call-id")), "n-1-0");
	EXPECT_Z(dict_get_str(d, STR("from-tag")), "caller");
	EXPECT_TRUE(!dict_get(d, STR("to-tag")));
	EXPECT_Z(dict_get_str(d, STR("transport-protocol")), "RTP/SAVP");
	EXPECT_TRUE(dict_has_word(d, STR("SDES"), STR("only-AES_CM_128_HMAC_SHA1_80")));
	EXPECT_Z(dict_get_str(d, STR("DTLS")), "off");
	EXPECT_Z(dict_get_str(d, STR("ICE")), "remove");
	const struct dict *codec = dict_get(d, STR("codec"));
	EXPECT_TRUE(dict_has_word(codec, STR("except"), STR("PCMU")));
	EXPECT_TRUE(!dict_has_word(codec, STR("except"),
				   STR("opus"))); /* the caller's side forbids it */
	EXPECT_TRUE(dict_has_word(d, STR("received-from"), STR("198.51.100.7")));
	EXPECT_Z(dict_get_str(d, STR("sdp")), SITE_SDP_OUT);
}

static void towards_a_plain_side_no_key_is_offered(void **state)
{
	(void)state;
	struct media m;
	struct sdp parsed;
	start();
	media_init(&m, 1, 2);
	m.session = 3;
	struct media_query q = query(&parsed, SITE_SDP_IN);
	q.from = 1;
	q.again = true;
	media_write_offer(&out, &a, &m, &q);
	const struct dict *d = written();
	EXPECT_TRUE(dict_has_word(d, STR("SDES"), STR("off")));
	EXPECT_Z(dict_get_str(d, STR("call-id")), "n-1-3");
	EXPECT_Z(dict_get_str(d, STR("from-tag")), "callee");
	EXPECT_Z(dict_get_str(d, STR("to-tag")), "caller");
	struct str first, second = STR_NONE;
	struct dict_words w = dict_words(dict_get(d, STR("direction")));
	EXPECT_TRUE(dict_words_next(&w, &first) && dict_words_next(&w, &second));
	EXPECT_Z(first, "inside");
	EXPECT_Z(second, "outside");
}

static void an_answer_keeps_the_offerers_tag_as_from(void **state)
{
	(void)state;
	struct media m;
	struct sdp parsed;
	start();
	media_init(&m, 1, 2);
	struct media_query q = query(&parsed, SITE_SDP_IN);
	q.from = 1;
	media_write_answer(&out, &a, &m, &q);
	const struct dict *d = written();
	EXPECT_Z(dict_get_str(d, STR("from-tag")), "caller");
	EXPECT_Z(dict_get_str(d, STR("to-tag")), "callee");
}

static void what_is_in_force_can_be_shown(void **state)
{
	(void)state;
	static const struct {
		const char *name, *sdp, *shown, *codec;
	} rows[] = {
		{"plain, a static type", SITE_SDP_OUT, "RTP/AVP", "PCMU"},
		{"plain, a named type",
		 "m=audio 5 RTP/AVP 96 0\r\na=rtpmap:9 G722/8000\r\na=rtpmap:96 opus/48000/2\r\n",
		 "RTP/AVP", "opus"},
		{"SRTP", "m=audio 5 RTP/SAVP 8\r\na=crypto:1 AEAD_AES_256_GCM inline:x\r\n",
		 "RTP/SAVP AEAD_AES_256_GCM", "PCMA"},
		{"the first medium was refused", "m=audio 0 RTP/AVP 0\r\nm=audio 5 RTP/AVP 8\r\n",
		 "RTP/AVP", "PCMA"},
	};
	CHECK_TABLE(row, rows)
	{
		struct media m;
		start();
		media_init(&m, 1, 1);
		media_note(&m, 0, str_from(row->sdp));
		media_write_state(&out, &m.face[0]);
		EXPECT_Z(buf_view(&out), row->shown);
		EXPECT_Z(str_from(m.codec), row->codec);
	}
}

static void the_cdr_reads_both_legs(void **state)
{
	(void)state;
	static const char reply[] =
		"{\"result\":\"ok\",\"tags\":{"
		"\"caller\":{\"medias\":[{\"type\":\"audio\",\"codec\":\"PCMU\",\"ingress SSRCs\":["
		"{\"SSRC\":7,\"MOS x1000\":4297,\"jitter us\":2250,\"cumulative loss\":5,\"average "
		"MOS\":{\"MOS\":43,\"jitter\":2}}],"
		"\"streams\":[{\"local port\":40000,\"local address\":\"203.0.113.1\","
		"\"crypto suite\":\"AEAD_AES_256_GCM\","
		"\"endpoint\":{\"address\":\"198.51.100.7\",\"port\":20000},"
		"\"stats\":{\"packets\":95,\"bytes\":16340}}]}]},"
		"\"callee\":{\"medias\":[{\"type\":\"audio\",\"codec\":\"PCMU\",\"streams\":["
		"{\"endpoint\":{\"address\":\"10.0.0.21\",\"port\":30000},"
		"\"stats\":{\"packets\":0,\"bytes\":0}}]}]},"
		"\"stranger\":{\"medias\":[{\"streams\":[{}]}]}}}";
	struct cdr_media media[4];
	struct dict *d = NULL;
	start();
	EXPECT_TRUE(json_parse(str_from(reply), &a, &d) > 0);
	EXPECT_INT(media_read_cdr(d, &a, media, ARRAY_LEN(media)), 2);
	EXPECT_Z(media[0].leg, "ingress");
	EXPECT_Z(media[0].suite, "AEAD_AES_256_GCM");
	EXPECT_Z(media[0].keying, "sdes");
	EXPECT_Z(media[0].local, "203.0.113.1:40000");
	EXPECT_U64(media[0].packets, 95);
	EXPECT_U64(media[0].lost, 5);
	EXPECT_TRUE(media[0].has_loss && media[0].loss_pct == 5.0);
	EXPECT_TRUE(media[0].has_mos && media[0].mos_lq > 4.296 && media[0].mos_lq < 4.298);
	EXPECT_TRUE(media[0].jitter_ms > 2.24 && media[0].jitter_ms < 2.26);
	EXPECT_Z(media[1].leg, "egress");
	EXPECT_TRUE(media[1].suite.len == 0 && media[1].keying.len == 0);
	EXPECT_TRUE(media[0].one_way && media[1].one_way);
	EXPECT_INT(media_read_cdr(NULL, &a, media, ARRAY_LEN(media)), 0);
	EXPECT_INT(media_read_cdr(d, &a, media, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offer_names_realms_keys_and_policies),
		cmocka_unit_test(towards_a_plain_side_no_key_is_offered),
		cmocka_unit_test(an_answer_keeps_the_offerers_tag_as_from),
		cmocka_unit_test(what_is_in_force_can_be_shown),
		cmocka_unit_test(the_cdr_reads_both_legs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
