#include "sbc/core/sdp_meet.h"

#include <stdio.h>

#include "tests/support/check.h"

static char memory[65536];
static struct arena arena;

static struct sdp read_sdp(const char *text)
{
	struct sdp out;

	EXPECT_ERR(sdp_parse(str_from(text), &arena, &out), OK);
	return out;
}

#define HEAD  "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define KEY_A "AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
#define KEY_B "AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj"

static void what_two_offers_have_in_common(void **state)
{
	(void)state;
	static const struct {
		const char *name, *offer, *own, *want; /* want: the media lines; NULL: nothing */
	} rows[] = {
		{"the same codec", "m=audio 10 RTP/AVP 0\r\n", "m=audio 20 RTP/AVP 0\r\n",
		 "m=audio 20 RTP/AVP 0\r\n"},
		{"what only one knows goes", "m=audio 10 RTP/AVP 8 0\r\n",
		 "m=audio 20 RTP/AVP 9 0 18\r\na=rtpmap:9 G722/8000\r\na=ptime:20\r\n",
		 "m=audio 20 RTP/AVP 0\r\na=ptime:20\r\n"},
		{"codecs are the same by name, numbers are the owner's",
		 "m=audio 10 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n",
		 "m=audio 20 RTP/AVP 111\r\na=rtpmap:111 OPUS/48000/2\r\na=fmtp:111 "
		 "useinbandfec=1\r\n",
		 "m=audio 20 RTP/AVP 111\r\na=rtpmap:111 OPUS/48000/2\r\na=fmtp:111 "
		 "useinbandfec=1\r\n"},
		{"the same name at another rate is another codec",
		 "m=audio 10 RTP/AVP 96\r\na=rtpmap:96 speex/8000\r\n",
		 "m=audio 20 RTP/AVP 97\r\na=rtpmap:97 speex/16000\r\n", NULL},
		{"telephone events alone are no session",
		 "m=audio 10 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
		 "m=audio 20 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n", NULL},
		{"telephone events beside a codec stay",
		 "m=audio 10 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
		 "m=audio 20 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n",
		 "m=audio 20 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n"},
		{"lines are those of the offer, in its order",
		 "m=video 12 RTP/AVP 31\r\nm=audio 10 RTP/AVP 0\r\n",
		 "m=audio 20 RTP/AVP 0\r\nm=video 22 RTP/AVP 31\r\n",
		 "m=video 22 RTP/AVP 31\r\nm=audio 20 RTP/AVP 0\r\n"},
		{"what the owner has no line for is declined",
		 "m=audio 10 RTP/AVP 0\r\nm=video 12 RTP/AVP 31 34\r\n", "m=audio 20 RTP/AVP 0\r\n",
		 "m=audio 20 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n"},
		{"what the offer has no line for is left out", "m=audio 10 RTP/AVP 0\r\n",
		 "m=audio 20 RTP/AVP 0\r\nm=video 22 RTP/AVP 31\r\n", "m=audio 20 RTP/AVP 0\r\n"},
		{"two of a kind: the second is for the second",
		 "m=audio 10 RTP/AVP 0\r\nm=audio 12 RTP/AVP 8\r\n",
		 "m=audio 20 RTP/AVP 0\r\nm=audio 22 RTP/AVP 8\r\n",
		 "m=audio 20 RTP/AVP 0\r\nm=audio 22 RTP/AVP 8\r\n"},
		{"another protocol is nothing in common", "m=audio 10 RTP/SAVP 0\r\n",
		 "m=audio 20 RTP/AVP 0\r\n", NULL},
		{"a dead line is not woken", "m=audio 0 RTP/AVP 0\r\n", "m=audio 20 RTP/AVP 0\r\n",
		 NULL},
		{"nothing in common at all", "m=audio 10 RTP/AVP 0\r\n", "m=audio 20 RTP/AVP 8\r\n",
		 NULL},
		{"fax by its format", "m=image 10 udptl t38\r\n",
		 "m=image 20 udptl t38\r\na=T38FaxVersion:0\r\n",
		 "m=image 20 udptl t38\r\na=T38FaxVersion:0\r\n"},
		{"the key of the owner with the tag of the offer",
		 "m=audio 10 RTP/SAVP 0\r\na=crypto:7 " KEY_A "\r\n",
		 "m=audio 20 RTP/SAVP 0\r\na=crypto:1 " KEY_B "\r\na=crypto:2 " KEY_A "\r\n",
		 "m=audio 20 RTP/SAVP 0\r\na=crypto:7 " KEY_A "\r\n"},
		{"no suite in common: declined",
		 "m=audio 10 RTP/SAVP 0\r\na=crypto:1 " KEY_A "\r\n",
		 "m=audio 20 RTP/SAVP 0\r\na=crypto:1 " KEY_B "\r\n", NULL},
		{"held by the offerer: we only listen", "m=audio 10 RTP/AVP 0\r\na=sendonly\r\n",
		 "m=audio 20 RTP/AVP 0\r\na=sendrecv\r\n",
		 "m=audio 20 RTP/AVP 0\r\na=recvonly\r\n"},
		{"both only send: nobody does", "m=audio 10 RTP/AVP 0\r\na=sendonly\r\n",
		 "m=audio 20 RTP/AVP 0\r\na=sendonly\r\n",
		 "m=audio 20 RTP/AVP 0\r\na=inactive\r\n"},
		{"rtcp-mux only where both have it", "m=audio 10 RTP/AVP 0\r\n",
		 "m=audio 20 RTP/AVP 0\r\na=rtcp-mux\r\n", "m=audio 20 RTP/AVP 0\r\n"},
	};
	CHECK_TABLE(row, rows)
	{
		char offer[2048], own[2048], out[4096];
		struct buf b;
		arena_init(&arena, memory, sizeof(memory));
		snprintf(offer, sizeof(offer), HEAD "%s", row->offer);
		snprintf(own, sizeof(own), HEAD "%s", row->own);
		struct sdp x = read_sdp(offer), y = read_sdp(own);
		buf_init(&b, out, sizeof(out));
		EXPECT_ERR(sdp_meet(&b, &arena, &x, &y), row->want ? OK : ERR_NOTFOUND);
		if (!row->want)
			continue;
		struct str got = buf_view(&b);
		size_t at = str_find(got, STR("m="));
		EXPECT_Z(str_from_offset(got, at), row->want);
	}
}

/* Whoever answers, they meet in the same codecs and the same suite. */
static void both_ways_it_is_the_same_session(void **state)
{
	(void)state;
	static const char a[] = HEAD "m=audio 10 RTP/SAVP 0 8 9\r\na=crypto:1 " KEY_B
				     "\r\na=crypto:2 " KEY_A "\r\n";
	static const char b[] =
		HEAD "m=audio 20 RTP/SAVP 9 0\r\na=crypto:5 " KEY_A "\r\na=crypto:6 " KEY_B "\r\n";
	char one[2048], two[2048];
	struct buf x, y;

	arena_init(&arena, memory, sizeof(memory));
	struct sdp sa = read_sdp(a), sb = read_sdp(b);
	buf_init(&x, one, sizeof(one));
	buf_init(&y, two, sizeof(two));
	EXPECT_ERR(sdp_meet(&x, &arena, &sa, &sb), OK);
	EXPECT_ERR(sdp_meet(&y, &arena, &sb, &sa), OK);
	EXPECT_TRUE(str_find(buf_view(&x), STR("RTP/SAVP 9 0\r\n")) < x.len);
	EXPECT_TRUE(str_find(buf_view(&y), STR("RTP/SAVP 0 9\r\n")) < y.len);
	EXPECT_TRUE(str_find(buf_view(&x), STR("a=crypto:2 AES_CM_128_HMAC_SHA1_80")) < x.len);
	EXPECT_TRUE(str_find(buf_view(&y), STR("a=crypto:5 AES_CM_128_HMAC_SHA1_80")) < y.len);
}

static void what_has_to_be_repaired(void **state)
{
	(void)state;
	static const struct {
		const char *name, *was, *now;
		bool differs;
	} rows[] = {
		{"all of it was taken", "m=audio 10 RTP/AVP 0 8\r\n", "m=audio 20 RTP/AVP 8 0\r\n",
		 false},
		{"more than was counted on", "m=audio 10 RTP/AVP 0\r\n",
		 "m=audio 20 RTP/AVP 0 8\r\n", false},
		{"one side is encrypted, the other is not", "m=audio 10 RTP/AVP 0\r\n",
		 "m=audio 20 RTP/SAVP 0\r\n", false},
		{"audio has become fax", "m=audio 10 RTP/AVP 0\r\n", "m=image 20 udptl t38\r\n",
		 true},
		{"a codec has gone", "m=audio 10 RTP/AVP 0 8\r\n", "m=audio 20 RTP/AVP 8\r\n",
		 true},
		{"telephone events have gone: no harm",
		 "m=audio 10 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
		 "m=audio 20 RTP/AVP 0\r\n", false},
		{"a line has died", "m=audio 10 RTP/AVP 0\r\n", "m=audio 0 RTP/AVP 0\r\n", true},
		{"it was dead before", "m=audio 0 RTP/AVP 0\r\n", "m=audio 0 RTP/AVP 0\r\n", false},
		{"a line is missing", "m=audio 10 RTP/AVP 0\r\nm=video 12 RTP/AVP 31\r\n",
		 "m=audio 20 RTP/AVP 0\r\n", true},
		{"it only listens now", "m=audio 10 RTP/AVP 0\r\n",
		 "m=audio 20 RTP/AVP 0\r\na=recvonly\r\n", true},
		{"one sends, the other listens", "m=audio 10 RTP/AVP 0\r\na=sendonly\r\n",
		 "m=audio 20 RTP/AVP 0\r\na=recvonly\r\n", false},
	};
	CHECK_TABLE(row, rows)
	{
		char was[1024], now[1024];
		arena_init(&arena, memory, sizeof(memory));
		snprintf(was, sizeof(was), HEAD "%s", row->was);
		snprintf(now, sizeof(now), HEAD "%s", row->now);
		struct sdp x = read_sdp(was), y = read_sdp(now);
		EXPECT_TRUE(sdp_meet_differs(&x, &y) == row->differs);
	}
}

/* However little memory there is, it says so and leaves nothing half done. */
static void without_memory_it_says_so(void **state)
{
	(void)state;
	static const char text[] = HEAD "m=audio 10 RTP/SAVP 0\r\na=crypto:1 " KEY_A "\r\n";
	char out[2048], little[1024];

	arena_init(&arena, memory, sizeof(memory));
	struct sdp x = read_sdp(text), y = read_sdp(text);
	for (size_t n = 0; n < sizeof(little); n += 16) {
		struct arena small;
		struct buf b;
		buf_init(&b, out, sizeof(out));
		arena_init(&small, little, n);
		enum err e = sdp_meet(&b, &small, &x, &y);
		EXPECT_TRUE(e == OK || e == ERR_NOMEM);
		if (e == OK)
			return;
	}
	fail_msg("it never had enough");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_two_offers_have_in_common),
		cmocka_unit_test(both_ways_it_is_the_same_session),
		cmocka_unit_test(what_has_to_be_repaired),
		cmocka_unit_test(without_memory_it_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
