#include <stdio.h>

#include "policy/media_rule.h"
#include "tests/support/check.h"

#define HEAD  "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define KEY16 "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd" /* 16 + 14 bytes */
#define GCM32 "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKis=" /* 32 + 12 */
#define AVP   "m=audio 4000 RTP/AVP 0 8\r\n"
#define SAVP  "m=audio 4000 RTP/SAVP 0 8\r\n"
#define CM80  "a=crypto:1 AES_CM_128_HMAC_SHA1_80 " KEY16 "\r\n"
#define CM32  "a=crypto:2 AES_CM_128_HMAC_SHA1_32 " KEY16 "\r\n"
#define DTLS  "m=audio 4000 UDP/TLS/RTP/SAVPF 0 8\r\n"
#define FP256 "a=fingerprint:sha-256 4A:AD:B9\r\n"
#define GCM   "a=crypto:3 AEAD_AES_256_GCM " GCM32 "\r\n"

static const struct media_rule srtp_only = {
	.name = STR("srtp-only"),
	.rtp = MEDIA_FORBID,
	.srtp = MEDIA_REQUIRE,
	.keying_sdes = true,
	.suites = {SDES_AEAD_AES_256_GCM, SDES_AES_CM_128_HMAC_SHA1_80},
	.suite_count = 2,
	.place = {STR("a.yaml"), 12}};
static const struct media_rule either = {.name = STR("either"),
					 .rtp = MEDIA_ALLOW,
					 .srtp = MEDIA_ALLOW,
					 .keying_sdes = true,
					 .t38 = true,
					 .suites = {SDES_AES_CM_128_HMAC_SHA1_80},
					 .suite_count = 1};
static const struct media_rule plain = {
	.name = STR("plain"), .rtp = MEDIA_ALLOW, .srtp = MEDIA_FORBID, .t38 = true};
static const struct media_rule prefer = {.name = STR("prefer"),
					 .rtp = MEDIA_ALLOW,
					 .srtp = MEDIA_PREFER,
					 .keying_sdes = true,
					 .suites = {SDES_AES_CM_128_HMAC_SHA1_80},
					 .suite_count = 1};
/* srtp: require with rtp: allow: the stronger word holds. */
static const struct media_rule require = {.name = STR("require"),
					  .rtp = MEDIA_ALLOW,
					  .srtp = MEDIA_REQUIRE,
					  .keying_sdes = true,
					  .suites = {SDES_AES_CM_128_HMAC_SHA1_80},
					  .suite_count = 1};
static const struct media_rule codecs = {
	.name = STR("codecs"),
	.rtp = MEDIA_ALLOW,
	.srtp = MEDIA_FORBID,
	.codecs_allow = {STR("opus"), STR("PCMA"), STR("telephone-event")},
	.codecs_allow_count = 3};
static const struct media_rule fax_named = {.name = STR("fax"),
					    .rtp = MEDIA_FORBID,
					    .srtp = MEDIA_REQUIRE,
					    .keying_sdes = true,
					    .t38 = true,
					    .suites = {SDES_AES_CM_128_HMAC_SHA1_80},
					    .suite_count = 1};

static const struct media_rule dtls_only = {
	.name = STR("dtls"), .rtp = MEDIA_FORBID, .srtp = MEDIA_REQUIRE, .keying_dtls = true};
static const struct media_rule both_keyings = {.name = STR("both"),
					       .rtp = MEDIA_FORBID,
					       .srtp = MEDIA_REQUIRE,
					       .keying_sdes = true,
					       .keying_dtls = true,
					       .dtls_first = true,
					       .suites = {SDES_AES_CM_128_HMAC_SHA1_80},
					       .suite_count = 1};
static const struct media_rule sdes_first = {
	.srtp = MEDIA_REQUIRE, .keying_sdes = true, .keying_dtls = true};

static void test_check(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const struct media_rule *rule;
		bool secure;
		const char *media;
		uint16_t warn_code; /* 0: allowed */
		const char *warn;
	} rows[] = {
		{"SRTP with a listed suite over TLS passes where it is required", &srtp_only, true,
		 SAVP CM80, 0, ""},
		{"the second of the sender's suites is enough", &srtp_only, true, SAVP CM32 GCM, 0,
		 ""},
		{"plain RTP where SRTP is required is refused", &srtp_only, true, AVP, 302,
		 "SRTP required"},
		{"RTP/AVP with keys is a wish, not SRTP", &srtp_only, true, AVP CM80, 302,
		 "SRTP required"},
		{"RTP/AVPF is plain too", &srtp_only, true, "m=audio 4000 RTP/AVPF 0\r\n" CM80, 302,
		 "SRTP required"},
		{"SRTP without keys is refused", &srtp_only, true, SAVP, 399,
		 "no usable SRTP key (a=crypto)"},
		{"SRTP with a key of the wrong length has no key", &srtp_only, true,
		 SAVP "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAEC\r\n", 399,
		 "no usable SRTP key (a=crypto)"},
		{"SRTP with keys that turn encryption off has no key", &srtp_only, true,
		 SAVP "a=crypto:1 AES_CM_128_HMAC_SHA1_80 " KEY16 " UNENCRYPTED_SRTP\r\n", 399,
		 "no usable SRTP key (a=crypto)"},
		{"SRTP with only unlisted suites is refused", &srtp_only, true, SAVP CM32, 399,
		 "no SRTP suite in common"},
		{"keys over plain signalling are refused", &srtp_only, false, SAVP CM80, 399,
		 "SDES keys need TLS signalling"},
		{"keys over plain signalling are refused where SRTP is only allowed, too", &either,
		 false, SAVP CM80, 399, "SDES keys need TLS signalling"},
		{"keys of the session level are not the medium's", &srtp_only, true,
		 "a=crypto:1 AES_CM_128_HMAC_SHA1_80 " KEY16 "\r\n" SAVP, 399,
		 "no usable SRTP key (a=crypto)"},
		{"DTLS is named and refused", &srtp_only, true,
		 "m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\n", 302, "DTLS-SRTP not available, SDES is"},
		{"the second medium is looked at as well", &srtp_only, true,
		 SAVP CM80 "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", 302,
		 "SRTP required"},
		{"a medium that is switched off is not looked at", &srtp_only, true,
		 SAVP CM80 "m=video 0 RTP/AVP 96\r\n", 0, ""},
		{"a hold is live and must be right", &srtp_only, true,
		 "m=audio 4000 RTP/AVP 0\r\na=inactive\r\n", 302, "SRTP required"},
		{"fax where only SRTP may pass is refused", &srtp_only, true,
		 "m=image 4000 udptl t38\r\n", 304, "T.38 not available"},
		{"fax passes where the policy names it", &fax_named, true,
		 "m=image 4000 udptl t38\r\n", 0, ""},
		{"another medium where only SRTP may pass is refused", &srtp_only, true,
		 "m=application 4000 TCP/BFCP *\r\n", 304, "only audio and video over SRTP"},
		{"fax where plain media may pass passes", &plain, false,
		 "m=image 4000 udptl t38\r\n", 0, ""},
		{"another medium where plain media may pass passes", &plain, false,
		 "m=application 4000 TCP/BFCP *\r\n", 0, ""},
		{"audio over an unknown protocol is refused", &plain, false,
		 "m=audio 4000 RTP/XYZ 0\r\n", 302, "media protocol not available"},
		{"plain RTP passes where it is allowed", &either, false, AVP, 0, ""},
		{"SRTP passes where it is allowed", &either, true, SAVP CM80, 0, ""},
		{"SRTP where it is forbidden is refused", &plain, true, SAVP CM80, 302,
		 "SRTP not available"},
		{"plain RTP passes where SRTP is preferred", &prefer, true, AVP, 0, ""},
		{"plain RTP does not pass where SRTP is required, whatever rtp says", &require,
		 true, AVP, 302, "SRTP required"},
		{"a codec in common by rtpmap passes", &codecs, false,
		 "m=audio 4000 RTP/AVP 111\r\na=rtpmap:111 OPUS/48000/2\r\n", 0, ""},
		{"a codec in common by its static number passes", &codecs, false,
		 "m=audio 4000 RTP/AVP 0 8\r\n", 0, ""},
		{"no codec in common is refused", &codecs, false, "m=audio 4000 RTP/AVP 0 18\r\n",
		 305, "no codec in common"},
		{"telephone events alone are no codec", &codecs, false,
		 "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n", 305,
		 "no codec in common"},
		{"a dynamic number without rtpmap is no codec", &codecs, false,
		 "m=audio 4000 RTP/AVP 111\r\n", 305, "no codec in common"},
		{"a rtpmap over a static number is believed", &codecs, false,
		 "m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMU/8000\r\n", 305, "no codec in common"},
		{"an SDP without media passes", &srtp_only, true, "", 0, ""},
		{"DTLS with a fingerprint passes where the policy has it", &dtls_only, false,
		 DTLS FP256, 0, ""},
		{"DTLS under the profile RTP/SAVP passes too", &dtls_only, false, SAVP FP256, 0,
		 ""},
		{"a fingerprint of the session level is the medium's", &dtls_only, false,
		 FP256 DTLS, 0, ""},
		{"one good fingerprint among others is enough", &dtls_only, false,
		 DTLS "a=fingerprint:sha-1 AA\r\n" FP256, 0, ""},
		{"DTLS without a fingerprint is refused", &dtls_only, true, DTLS, 399,
		 "no usable a=fingerprint (sha-256 or longer)"},
		{"a fingerprint by SHA-1 alone is none", &dtls_only, true,
		 DTLS "a=fingerprint:sha-1 AA\r\n", 399,
		 "no usable a=fingerprint (sha-256 or longer)"},
		{"SDES where only DTLS may be is refused", &dtls_only, true, SAVP CM80, 399,
		 "SDES not available, DTLS-SRTP is"},
		{"plain RTP where DTLS is required is refused", &dtls_only, true, AVP FP256, 302,
		 "SRTP required"},
		{"SDES passes where both may be", &both_keyings, true, SAVP CM80, 0, ""},
		{"DTLS passes where both may be", &both_keyings, false, DTLS FP256, 0, ""},
		{"DTLS where SRTP is forbidden is refused", &plain, true, DTLS FP256, 302,
		 "SRTP not available"},
	};
	static char memory[32 * 1024];
	CHECK_TABLE(row, rows)
	{
		char text[1024];
		struct arena a;
		struct sdp sdp;
		int n = snprintf(text, sizeof(text), "%s%s", HEAD, row->media);
		arena_init(&a, memory, sizeof(memory));
		EXPECT_ERR(sdp_parse((struct str){text, (size_t)n}, &a, &sdp), OK);
		struct verdict v = media_rule_check(row->rule, &sdp, row->secure);
		EXPECT_Z(v.warn_text, row->warn);
		EXPECT_INT(v.outcome, row->warn_code ? VERDICT_REJECT : VERDICT_ALLOW);
		EXPECT_INT(v.status, row->warn_code ? 488 : 0);
		EXPECT_INT(v.warn_code, row->warn_code);
		EXPECT_Z(v.warn_text, row->warn);
		EXPECT_INT(v.stage, VERDICT_STAGE_MEDIA);
		EXPECT_STR(v.rule, row->rule->name);
		EXPECT_INT(v.line, row->rule->place.line);
	}
}

static void test_protocol(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const struct media_rule *rule;
		bool dtls, feedback;
		const char *want;
	} rows[] = {
		{"required: SRTP, although the sender has none", &srtp_only, false, false,
		 "RTP/SAVP"},
		{"required, with feedback", &srtp_only, false, true, "RTP/SAVPF"},
		{"required, keyed by DTLS", &srtp_only, true, false, "UDP/TLS/RTP/SAVP"},
		{"required, keyed by DTLS, with feedback", &srtp_only, true, true,
		 "UDP/TLS/RTP/SAVPF"},
		{"forbidden: plain, although keys could come from DTLS", &plain, true, false,
		 "RTP/AVP"},
		{"forbidden, with feedback", &plain, false, true, "RTP/AVPF"},
		{"allowed: not asked for", &either, false, false, "RTP/AVP"},
		{"preferred: asked for", &prefer, false, false, "RTP/SAVP"},
		{"required beside rtp: allow", &require, false, false, "RTP/SAVP"},
	};
	CHECK_TABLE(row, rows)
	EXPECT_Z(media_rule_protocol(row->rule, row->dtls, row->feedback), row->want);
}

static void an_offer_has_the_keying_that_the_policy_names_first(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const struct media_rule *rule;
		bool dtls;
	} rows[] = {
		{"sdes alone", &srtp_only, false},        {"dtls alone", &dtls_only, true},
		{"dtls, then sdes", &both_keyings, true}, {"sdes, then dtls", &sdes_first, false},
		{"no keys at all", &plain, false},
	};
	CHECK_TABLE(row, rows)
	EXPECT_INT(media_rule_offers_dtls(row->rule), row->dtls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_protocol),
		cmocka_unit_test(an_offer_has_the_keying_that_the_policy_names_first),
	};
	return cmocka_run_group_tests_name("media_rule", tests, NULL, NULL);
}
