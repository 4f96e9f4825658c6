/* The one-string form of NG's flags: what each becomes, written as JSON without the string itself. */
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "rtpproxy/core/flag_string.h"
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

static void words_pairs_lists_and_dictionaries(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in, *want;
	} rows[] = {
		{"words are flags", "trust-address symmetric",
		 "{\"flags\":[\"trust-address\",\"symmetric\"]}"},
		{"spaces around and between", "  a   b ", "{\"flags\":[\"a\",\"b\"]}"},
		{"a pair is a key", "ICE=force", "{\"flags\":[],\"ICE\":\"force\"}"},
		{"a value may have an = in it", "a=b=c", "{\"flags\":[],\"a\":\"b=c\"}"},
		{"a list", "replace=[origin session-connection]",
		 "{\"flags\":[],\"replace\":[\"origin\",\"session-connection\"]}"},
		{"a list with spaces inside the brackets", "SDES=[ off ]",
		 "{\"flags\":[],\"SDES\":[\"off\"]}"},
		{"an empty list", "SDES=[]", "{\"flags\":[],\"SDES\":[]}"},
		{"a dictionary", "codec=[strip=PCMA except=opus]",
		 "{\"flags\":[],\"codec\":{\"strip\":\"PCMA\",\"except\":\"opus\"}}"},
		{"a list in a dictionary", "codec=[strip=[PCMA G722] mask=G729] x",
		 "{\"flags\":[\"x\"],\"codec\":{\"strip\":[\"PCMA\",\"G722\"],\"mask\":\"G729\"}}"},
		{"lists in a list in dictionaries",
		 "sdp-attr=[audio=[substitute=[[sendrecv sendonly] [a b]] add=[ptime:20]]]",
		 "{\"flags\":[],\"sdp-attr\":{\"audio\":{\"substitute\":[[\"sendrecv\","
		 "\"sendonly\"],"
		 "[\"a\",\"b\"]],\"add\":[\"ptime:20\"]}}}"},
		{"what has no = in a dictionary is left out", "codec=[strip=a b]",
		 "{\"flags\":[],\"codec\":{\"strip\":\"a\"}}"},
		{"transport words", "SRTP AVPF",
		 "{\"flags\":[],\"transport-protocol\":\"RTP/SAVPF\"}"},
		{"RTP and AVP take back", "SRTP AVPF RTP AVP",
		 "{\"flags\":[],\"transport-protocol\":\"RTP/AVP\"}"},
		{"DTLS", "DTLS AVPF",
		 "{\"flags\":[],\"transport-protocol\":\"UDP/TLS/RTP/SAVPF\"}"},
		{"a full name overrides", "DTLS RTP/SAVP",
		 "{\"flags\":[],\"transport-protocol\":\"RTP/SAVP\"}"},
		{"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVPF",
		 "{\"flags\":[],\"transport-protocol\":\"UDP/TLS/RTP/SAVPF\"}"},
		{"DTLS with a value is a key", "DTLS=passive",
		 "{\"flags\":[],\"DTLS\":\"passive\"}"},
		{"directions gather", "direction=pub direction=priv",
		 "{\"flags\":[],\"direction\":[\"pub\",\"priv\"]}"},
		{"a direction may be a list", "direction=[pub priv]",
		 "{\"flags\":[],\"direction\":[\"pub\",\"priv\"]}"},
		{"the legacy words", "external internal",
		 "{\"flags\":[],\"direction\":[\"external\",\"internal\"]}"},
		{"to-tag alone is a flag", "to-tag", "{\"flags\":[\"to-tag\"]}"},
		{"to-tag with a value is both", "to-tag=x",
		 "{\"flags\":[\"to-tag\"],\"to-tag\":\"x\"}"},
		{"from-tag makes it directional", "from-tag=x",
		 "{\"flags\":[\"directional\"],\"from-tag\":\"x\"}"},
		{"codec words with = are those with -", "codec-strip=PCMA transcode=[G722 opus]",
		 "{\"flags\":[\"codec-strip-PCMA\",\"transcode-G722\",\"transcode-opus\"]}"},
		{"a bracket that is not closed ends with the string", "codec=[strip=[a b",
		 "{\"flags\":[],\"codec\":\"[strip=[a b\"}"},
		{"a bracket too much", "a=[b]] c", "{\"flags\":[\"c\"],\"a\":[\"b]\"]}"},
		{"too deep is text", "a=[[[[[[[[x]]]]]]]]",
		 "{\"flags\":[],\"a\":[[[[[[\"[[x]]\"]]]]]]}"},
		{"= first is a word", "=x", "{\"flags\":[\"=x\"]}"},
		{"nothing", " ", "{\"flags\":[]}"},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[1024];
		struct buf b;
		arena_reset(&arena);
		struct dict *d = dict_new(&arena, DICT_DICT);
		dict_add_str(&arena, d, STR("rtpp-flags"), str_from(row->in));
		flag_string_expand(&arena, d);
		assert_false(arena.failed);
		dict_del(d, STR("rtpp-flags"));
		buf_init(&b, mem, sizeof(mem));
		json_write(&b, d);
		EXPECT_Z(buf_view(&b), row->want);
	}
}

static void both_spellings_and_none(void **state)
{
	(void)state;
	static const char *const keys[] = {"rtpp-flags", "rtpp_flags", "rtpp flags"};
	for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
		arena_reset(&arena);
		struct dict *d = dict_new(&arena, DICT_DICT);
		flag_string_expand(&arena, d);
		EXPECT_INT(d->count, 0);
		dict_add_str(&arena, d, str_from(keys[i]), STR("a"));
		flag_string_expand(&arena, d);
		EXPECT_TRUE(dict_has_word(d, STR("flags"), STR("a")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_pairs_lists_and_dictionaries),
		cmocka_unit_test(both_spellings_and_none),
	};
	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
