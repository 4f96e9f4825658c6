/* NG datagrams: cookie, notation, what a command needs, and every flag that is read. */
#include <stdio.h>
#include <string.h>

#include "common/bencode.h"
#include "common/json.h"
#include "rtpproxy/core/flag_string.h"
#include "rtpproxy/core/latch.h"
#include "rtpproxy/core/ng.h"
#include "tests/support/check.h"

static struct arena arena;

static int make_arena(void **state)
{
	(void)state;
	return arena_init_sized(&arena, 1024 * 1024) == OK ? 0 : -1;
}

static int free_arena(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static void cookies(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in, *cookie, *body; /* cookie NULL: to be dropped */
	} rows[] = {
		{"a cookie is what stands before the first space", "5323_1 d1:ae", "5323_1",
		 "d1:ae"},
		{"a cookie may be a UUID", "0b9d8f6e-1111-4222-8333-444455556666 de",
		 "0b9d8f6e-1111-4222-8333-444455556666", "de"},
		{"the body may be empty", "c ", "c", ""},
		{"no space, no answer", "d7:command4:pinge", NULL, NULL},
		{"a space first, no answer", " d7:command4:pinge", NULL, NULL},
		{"nothing, no answer", "", NULL, NULL},
	};
	CHECK_TABLE(row, rows)
	{
		struct str cookie, body;
		bool ok = ng_split(str_from(row->in), &cookie, &body);
		EXPECT_INT(ok, row->cookie != NULL);
		if (ok) {
			EXPECT_Z(cookie, row->cookie);
			EXPECT_Z(body, row->body);
		}
	}
}

static void what_a_command_needs(void **state)
{
	(void)state;
	static const struct {
		const char *name, *body;
		enum refusal want;
	} rows[] = {
		{"ping needs nothing", "d7:command4:pinge", REFUSAL_NONE},
		{"JSON works", "{\"command\":\"ping\"}", REFUSAL_NONE},
		{"neither bencode nor JSON", "hello", REFUSAL_FORMAT},
		{"an empty body", "", REFUSAL_FORMAT},
		{"broken bencode", "d7:command4:pin", REFUSAL_BENCODE},
		{"broken JSON", "{\"command\":", REFUSAL_JSON},
		{"no command", "d1:a1:be", REFUSAL_NO_COMMAND},
		{"a command that is a number", "d7:commandi1ee", REFUSAL_NO_COMMAND},
		{"a word that nobody knows", "d7:command4:ponge", REFUSAL_COMMAND},
		{"a command of the protocol that we do not do", "d7:command10:play mediae",
		 REFUSAL_UNSUPPORTED},
		{"spaces and hyphens are the same", "d7:command10:play-mediae",
		 REFUSAL_UNSUPPORTED},
		{"an offer needs SDP", "d7:command5:offer7:call-id1:ce", REFUSAL_NO_SDP},
		{"an offer needs a call-id", "d7:command5:offer3:sdp1:xe", REFUSAL_NO_CALL_ID},
		{"an offer needs a from-tag", "d7:command5:offer7:call-id1:c3:sdp1:xe",
		 REFUSAL_NO_FROM_TAG},
		{"an answer needs a to-tag", "d7:command6:answer7:call-id1:c3:sdp1:x8:from-tag1:ae",
		 REFUSAL_NO_TO_TAG},
		{"a delete needs a call-id", "d7:command6:deletee", REFUSAL_NO_CALL_ID},
		{"a delete needs no tag", "d7:command6:delete7:call-id1:ce", REFUSAL_NONE},
		{"a query needs a call-id", "d7:command5:querye", REFUSAL_NO_CALL_ID},
		{"unknown keys of every kind never fail a request",
		 "d7:command4:ping3:foolli1eee3:bard1:xle1:ydee3:bazi-5ee", REFUSAL_NONE},
		{"keys may come in any order and twice",
		 "d7:call-id1:x7:command5:query7:call-id1:ye", REFUSAL_NONE},
	};
	CHECK_TABLE(row, rows)
	{
		struct ng n;
		arena_reset(&arena);
		EXPECT_INT(ng_parse(STR("c"), str_from(row->body), &arena, &n), row->want);
	}
}

static void a_name_with_a_nul_in_it_is_none(void **state)
{
	(void)state;
	static const char id[] = "d7:command5:query7:call-id3:a\0be";
	static const char tag[] = "d7:command5:offer7:call-id1:a3:sdp1:x8:from-tag2:\0be";
	struct ng n;

	arena_reset(&arena);
	EXPECT_INT(ng_parse(STR("c"), (struct str){id, sizeof(id) - 1}, &arena, &n),
		   REFUSAL_NO_CALL_ID);
	EXPECT_INT(ng_parse(STR("c"), (struct str){tag, sizeof(tag) - 1}, &arena, &n),
		   REFUSAL_NO_FROM_TAG);
}

static void lengths(void **state)
{
	(void)state;
	static const struct {
		const char *name, *key;
		unsigned ok;
	} rows[] = {
		{"a call-id of the limit", "call-id", LIMIT_CALL_ID},
		{"a from-tag of the limit", "from-tag", LIMIT_TAG},
		{"a to-tag of the limit", "to-tag", LIMIT_TAG},
		{"a branch of the limit", "via-branch", LIMIT_BRANCH},
		{"a label of the limit", "label", LIMIT_LABEL},
	};
	static char text[1024];
	memset(text, 'x', sizeof(text));
	CHECK_TABLE(row, rows)
	{
		for (unsigned over = 0; over < 2; over++) {
			char body[2048];
			struct ng n;
			snprintf(body, sizeof(body), "d7:command5:query7:call-id1:c%zu:%s%u:%.*se",
				 strlen(row->key), row->key, row->ok + over, (int)(row->ok + over),
				 text);
			arena_reset(&arena);
			EXPECT_INT(ng_parse(STR("c"), str_from(body), &arena, &n),
				   over ? REFUSAL_TOO_LONG : REFUSAL_NONE);
		}
	}
}

static void the_cheap_look(void **state)
{
	(void)state;
	static const struct {
		const char *name, *body, *command, *call_id; /* command NULL: not to be told so */
	} rows[] = {
		{"command and call-id are found", "d7:call-id3:abc7:command5:offere", "offer",
		 "abc"},
		{"a call-id inside the SDP is not one", "d3:sdp14:7:call-id3:xyz7:command5:offere",
		 "offer", ""},
		{"lists and dictionaries are stepped over",
		 "d5:flagsl1:a1:be5:codecd5:stripl1:xeeTOSi184e7:call-id1:ce", NULL, NULL},
		{"numbers, lists and dictionaries are stepped over",
		 "d5:flagsl1:a1:be5:codecd5:stripl1:xee3:TOSi184e7:call-id1:ce", "", "c"},
		{"the last of repeated keys counts", "d7:call-id1:a7:call-id1:be", "", "b"},
		{"a cut datagram tells nothing", "d7:call-id3:abc7:command5:off", NULL, NULL},
		{"JSON is for the full parser", "{\"call-id\":\"a\"}", NULL, NULL},
		{"a flag string may name another call-id", "d7:call-id1:a10:rtpp-flags9:call-id=be",
		 NULL, NULL},
		{"a length that lies", "d7:call-id99:ae", NULL, NULL},
		{"a length without end", "d99999999999999999999999", NULL, NULL},
	};
	CHECK_TABLE(row, rows)
	{
		struct str command, call_id;
		bool ok = ng_peek(str_from(row->body), &command, &call_id);
		EXPECT_INT(ok, row->command != NULL);
		if (ok && row->command) {
			EXPECT_Z(command, row->command);
			EXPECT_Z(call_id, row->call_id);
		}
	}
}

static struct flags parse_json(const char *json)
{
	struct dict *d = NULL;
	struct flags f;
	arena_reset(&arena);
	assert_true(json_parse(str_from(json), &arena, &d) > 0);
	flag_string_expand(&arena, d);
	flags_parse(d, &f);
	return f;
}

static void flags_that_are_bits(void **state)
{
	(void)state;
	static const struct {
		const char *name, *json;
		unsigned words, replace, mux;
	} rows[] = {
		{"a list of flags", "{\"flags\":[\"generate mid\",\"fatal\"]}",
		 FLAGS_GENERATE_MID | FLAGS_FATAL, 0, 0},
		{"one string with commas", "{\"flags\":\"generate-mid, pad crypto,symmetric\"}",
		 FLAGS_GENERATE_MID | FLAGS_PAD_CRYPTO, 0, 0},
		{"replace", "{\"replace\":[\"origin\",\"session-connection\"]}", 0,
		 FLAGS_REPLACE_ORIGIN, 0},
		{"replace as one string", "{\"replace\":\"origin-full,session name\"}", 0,
		 FLAGS_REPLACE_ORIGIN_FULL | FLAGS_REPLACE_SESSION_NAME, 0},
		{"replace- inside the flags", "{\"flags\":[\"replace-origin\"]}", 0,
		 FLAGS_REPLACE_ORIGIN, 0},
		{"rtcp-mux", "{\"rtcp-mux\":[\"offer\",\"accept\"]}", 0, 0,
		 FLAGS_MUX_OFFER | FLAGS_MUX_ACCEPT},
		{"rtcp-mux- inside the flags", "{\"flags\":[\"rtcp-mux-require\"]}", 0, 0,
		 FLAGS_MUX_REQUIRE},
		{"what is not known is not an error",
		 "{\"flags\":[\"loop protects\",7,\"xyz\"],\"replace\":17,\"rtcp-mux\":{}}", 0, 0,
		 0},
		{"the flag string", "{\"rtpp-flags\":\"replace-origin rtcp-mux-demux to-tag=x\"}",
		 FLAGS_TO_TAG, FLAGS_REPLACE_ORIGIN, FLAGS_MUX_DEMUX},
	};
	CHECK_TABLE(row, rows)
	{
		struct flags f = parse_json(row->json);
		EXPECT_INT(f.words, row->words);
		EXPECT_INT(f.replace, row->replace);
		EXPECT_INT(f.mux, row->mux);
	}
}

static void sdes_flags(void **state)
{
	(void)state;
	enum { G256 = 1 << SDES_AEAD_AES_256_GCM, S80 = 1 << SDES_AES_CM_128_HMAC_SHA1_80 };
	static const struct {
		const char *name, *json;
		bool off, nonew, pad;
		unsigned no, only;
	} rows[] = {
		{"SDES off as a string", "{\"SDES\":\"off\"}", true, false, false, 0, 0},
		{"SDES off as a list", "{\"SDES\":[\"no\"]}", true, false, false, 0, 0},
		{"SDES-off inside the flags", "{\"flags\":[\"SDES-off\"]}", true, false, false, 0,
		 0},
		{"suites left out", "{\"SDES\":[\"no-AES_CM_128_HMAC_SHA1_80\"]}", false, false,
		 false, S80, 0},
		{"suites alone", "{\"SDES\":[\"only-AEAD_AES_256_GCM\",\"pad\"]}", false, false,
		 true, 0, G256},
		{"inside the flags", "{\"flags\":\"SDES-only-aead_aes_256_gcm,SDES-nonew\"}", false,
		 true, false, 0, G256},
		{"pad crypto is the same as pad", "{\"flags\":[\"pad crypto\"]}", false, false,
		 true, 0, 0},
		{"an unknown suite is nothing", "{\"SDES\":[\"only-FOO\"]}", false, false, false, 0,
		 0},
	};
	CHECK_TABLE(row, rows)
	{
		struct flags f = parse_json(row->json);
		EXPECT_INT(f.sdes.off, row->off);
		EXPECT_INT(f.sdes.nonew, row->nonew);
		EXPECT_INT(f.sdes.pad, row->pad);
		EXPECT_INT(f.sdes.no, row->no);
		EXPECT_INT(f.sdes.only, row->only);
	}
}

static void transports(void **state)
{
	(void)state;
	static const struct {
		const char *name, *json;
		bool has;
		enum sdp_proto want;
	} rows[] = {
		{"by its name", "{\"transport-protocol\":\"RTP/SAVPF\"}", true,
		 SDP_PROTO_RTP_SAVPF},
		{"with a space in the key", "{\"transport protocol\":\"RTP/AVP\"}", true,
		 SDP_PROTO_RTP_AVP},
		{"an unknown one is as if not said", "{\"transport-protocol\":\"FOO\"}", false, 0},
		{"bits of the flag string", "{\"rtpp-flags\":\"SRTP AVPF\"}", true,
		 SDP_PROTO_RTP_SAVPF},
		{"RTP alone", "{\"rtpp-flags\":\"RTP\"}", true, SDP_PROTO_RTP_AVP},
		{"DTLS", "{\"rtpp-flags\":\"DTLS AVPF\"}", true, SDP_PROTO_DTLS_SAVPF},
		{"a full name overrides", "{\"rtpp-flags\":\"RTP AVP RTP/SAVP\"}", true,
		 SDP_PROTO_RTP_SAVP},
		{"nothing said", "{\"rtpp-flags\":\"replace-origin\"}", false, 0},
	};
	CHECK_TABLE(row, rows)
	{
		struct flags f = parse_json(row->json);
		EXPECT_INT(f.has_transport, row->has);
		EXPECT_INT(f.transport, row->want);
	}
}

static void the_other_keys(void **state)
{
	(void)state;
	struct flags f = parse_json(
		"{\"direction\":[\"pub\",\"priv\"],\"TOS\":\"184\",\"label\":\"caller\","
		"\"delete delay\":5,\"delete-delay\":\"0\",\"media-address\":\"192.0.2.7\","
		"\"received-from\":\"198.51.100.1\",\"received-from\":[\"IP4\",\"203.0.113.5\"],"
		"\"address-family\":\"IP6\",\"latching\":\"strict\",\"unproven-limit\":50,"
		"\"codec\":{\"strip\":\"PCMA,all\",\"except\":[\"opus/48000/2\"],"
		"\"mask\":[\"G729\"],\"transcode\":[\"PCMU\"]},\"ICE\":\"force\"}");
	assert_true(str_eq(f.direction[0], STR("pub")));
	assert_true(str_eq(f.direction[1], STR("priv")));
	assert_int_equal(f.tos, 184);
	assert_true(str_eq(f.label, STR("caller")));
	assert_int_equal(f.delete_delay_s, 0);
	assert_int_equal(f.media_address.ip[3], 7);
	assert_int_equal(f.received_from.ip[0], 203);
	assert_int_equal(f.family, ADDR_IP6);
	assert_int_equal(f.latch, LATCH_STRICT);
	assert_int_equal(f.unproven, 50);
	assert_int_equal(f.codecs.strip.count, 2);
	assert_int_equal(f.codecs.except.count, 1);
	assert_int_equal(f.codecs.offer.count, 0);
	assert_int_equal(f.ice, FLAGS_ICE_FORCE);
	f = parse_json("{\"TOS\":256,\"delete-delay\":-1,\"endpoint-learning\":\"immediate\"}");
	assert_int_equal(f.tos, FLAGS_TOS_NONE);
	assert_int_equal(f.delete_delay_s, -1);
	assert_int_equal(f.latch, LATCH_LEARN);
	f = parse_json("{}");
	assert_int_equal(f.latch, -1);
	assert_int_equal(f.tos, FLAGS_TOS_NONE);
}

static void the_flag_string_has_lists_and_dictionaries(void **state)
{
	(void)state;
	struct flags f = parse_json(
		"{\"rtpp-flags\":\" codec=[strip=[PCMA G722] except=opus]  direction=a direction=b "
		"SDES=[pad no-AEAD_AES_128_GCM] ICE=remove TOS=46 label=x\"}");
	assert_int_equal(f.codecs.strip.count, 2);
	assert_int_equal(f.codecs.except.count, 1);
	assert_true(str_eq(f.direction[0], STR("a")));
	assert_true(str_eq(f.direction[1], STR("b")));
	assert_true(f.sdes.pad);
	assert_int_equal(f.sdes.no, 1 << SDES_AEAD_AES_128_GCM);
	assert_int_equal(f.tos, 46);
	assert_true(str_eq(f.label, STR("x")));
	assert_int_equal(f.ice, FLAGS_ICE_REMOVE);
	/* Broken ones end somewhere. */
	(void)parse_json("{\"rtpp-flags\":\"[[[[ codec=[strip=[a direction= =x ]]]\"}");
}

static void names_of_codecs(void **state)
{
	(void)state;
	static const struct {
		const char *name, *word;
		bool want;
	} rows[] = {
		{"a name", "opus", true},
		{"letters count without case", "OPUS", true},
		{"name and rate", "opus/48000", true},
		{"name, rate and channels", "opus/48000/2", true},
		{"another rate", "opus/8000", false},
		{"other channels", "opus/48000/1", false},
		{"a part of the name", "opu", false},
		{"all", "all", true},
		{"nothing", "", false},
		{"a rate that is none", "opus/x", false},
	};
	const struct sdp_codec opus = {96, STR("opus"), 48000, 2, STR_NONE};
	CHECK_TABLE(row, rows)
	{
		struct flags_names n = {.at = {str_from(row->word)}, .count = 1};
		size_t i = 9;
		EXPECT_INT(flags_names_have(&n, &opus, &i), row->want);
		EXPECT_INT(i, row->want ? 0 : 9);
	}
}

static void replies_use_the_notation_of_the_request(void **state)
{
	(void)state;
	char mem[256];
	struct buf b;
	struct ng n = {.cookie = STR("7_1")};
	arena_reset(&arena);
	buf_init(&b, mem, sizeof(mem));
	ng_write(&b, &n, ng_reply(&arena, STR("pong")));
	EXPECT_Z(buf_view(&b), "7_1 d6:result4:ponge");
	buf_reset(&b);
	n.json = true;
	ng_write(&b, &n, ng_error(&arena, REFUSAL_CALLS));
	EXPECT_Z(buf_view(&b),
		 "7_1 {\"result\":\"error\",\"error-reason\":\"Parallel session limit "
		 "reached\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookies),
		cmocka_unit_test(what_a_command_needs),
		cmocka_unit_test(a_name_with_a_nul_in_it_is_none),
		cmocka_unit_test(lengths),
		cmocka_unit_test(the_cheap_look),
		cmocka_unit_test(flags_that_are_bits),
		cmocka_unit_test(sdes_flags),
		cmocka_unit_test(transports),
		cmocka_unit_test(the_other_keys),
		cmocka_unit_test(the_flag_string_has_lists_and_dictionaries),
		cmocka_unit_test(names_of_codecs),
		cmocka_unit_test(replies_use_the_notation_of_the_request),
	};
	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
