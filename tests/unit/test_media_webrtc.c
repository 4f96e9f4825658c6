/* Towards browsers and phones with DTLS-SRTP and ICE: what the relay is asked for, and what of its SDP a side may see. */
#include <stdio.h>

#include "common/bencode.h"
#include "sbc/core/media.h"
#include "sbc/core/sdp_face.h"
#include "tests/support/check.h"
#include "tests/support/site.h"

static char mem[65536], out_mem[16384];
static struct arena a;
static struct buf out;
static struct site t;

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
#define AVP  HEAD "m=audio 5000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
#define WEB                                                                                        \
	HEAD "m=audio 5000 UDP/TLS/RTP/SAVPF 0\r\na=fingerprint:sha-256 AA\r\na=setup:actpass\r\n"

static const struct media_rule plain = {.rtp = MEDIA_ALLOW,
					.srtp = MEDIA_FORBID,
					.rtcp_mux = MEDIA_MUX_ACCEPT,
					.timeout_ms = 60000};
static const struct media_rule sdes = {.srtp = MEDIA_REQUIRE,
				       .keying_sdes = true,
				       .rtcp_mux = MEDIA_MUX_ACCEPT,
				       .suites = {SDES_AEAD_AES_256_GCM},
				       .suite_count = 1};
static const struct media_rule dtls = {.srtp = MEDIA_REQUIRE,
				       .keying_dtls = true,
				       .rtcp_mux = MEDIA_MUX_REQUIRE,
				       .timeout_ms = 20000};
static const struct media_rule either = {.srtp = MEDIA_REQUIRE,
					 .keying_sdes = true,
					 .keying_dtls = true,
					 .rtcp_mux = MEDIA_MUX_REJECT};
static const struct media_rule info = {
	.rtp = MEDIA_ALLOW, .srtp = MEDIA_FORBID, .dtmf = MEDIA_DTMF_INFO};
static const struct media_rule by_sdp = {
	.rtp = MEDIA_ALLOW, .srtp = MEDIA_FORBID, .dtmf = MEDIA_DTMF_AUTO};

/* The members of a value as "a b", a list in a dictionary as "key=a b". */
static void flat(struct buf *b, const struct dict *d)
{
	if (!d)
		return;
	if (d->type == DICT_STR)
		buf_str(b, d->text);
	else if (d->type == DICT_INT)
		buf_i64(b, d->number);
	else
		dict_each (x, d) {
			if (x != dict_first(d))
				buf_char(b, ' ');
			if (d->type == DICT_DICT) {
				buf_str(b, x->key);
				buf_char(b, '=');
			}
			flat(b, x);
		}
}

static void start(const struct media_rule *from, const struct media_rule *to, bool from_ice,
		  bool to_ice)
{
	site_init(&t);
	t.media[0] = *from;
	t.media[1] = *to;
	t.realm_rules[SITE_OUTSIDE].media_policy = 0;
	t.realm_rules[SITE_INSIDE].media_policy = 1;
	t.realms[SITE_OUTSIDE].ice_lite = t.realms[SITE_OUTSIDE].bundle = from_ice;
	t.realms[SITE_INSIDE].ice_lite = t.realms[SITE_INSIDE].bundle = to_ice;
	arena_init(&a, mem, sizeof(mem));
	buf_init(&out, out_mem, sizeof(out_mem));
}

/* What is asked for in an offer of the outside, or its answer by the inside. */
static const struct dict *asked(struct media *m, const char *sdp, bool answer)
{
	static struct sdp parsed;
	struct dict *d = NULL;
	CHECK(sdp_parse(str_from(sdp), &a, &parsed) == OK);
	struct media_query q = {.call = STR("n-1"),
				.settings = &t.set,
				.realm = {SITE_OUTSIDE, SITE_INSIDE},
				.from = answer,
				.sdp = str_from(sdp),
				.parsed = &parsed,
				.again = m->known,
				.notify = STR("word")};
	if (answer)
		media_write_answer(&out, &a, m, &q);
	else
		media_write_offer(&out, &a, m, &q);
	EXPECT_INT(bencode_parse(buf_view(&out), &a, &d), out.len);
	return d;
}

static void expect_members(const struct dict *d, const char *want)
{
	static char text[4096];
	struct str rest = str_from(want), pair, key;
	while (str_cut(&rest, '|', &pair)) {
		struct buf b;
		(void)str_cut(&pair, ':', &key);
		buf_init(&b, text, sizeof(text));
		flat(&b, dict_get(d, str_trim(key)));
		EXPECT_STR(buf_view(&b), str_trim(pair));
	}
}

static void an_offer_asks_for_what_the_receiver_speaks(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const struct media_rule *from, *to;
		bool from_ice, to_ice;
		const char *sdp, *want;
	} rows[] = {
		{"plain to a browser", &plain, &dtls, false, true, AVP,
		 "transport-protocol: UDP/TLS/RTP/SAVPF|SDES: off|DTLS: |ICE: force|ICE-lite: "
		 "forward|"
		 "rtcp-mux: demux offer require|bundle: accept|flags: generate mid|"
		 "media-timeout: 75|notify: word"},
		{"a browser to plain", &dtls, &plain, true, false, WEB,
		 "transport-protocol: RTP/AVP|SDES: off|DTLS: off|ICE: remove|ICE-lite: backward|"
		 "rtcp-mux: demux|bundle: accept|flags: "},
		{"a browser to a browser", &dtls, &dtls, true, true, WEB,
		 "transport-protocol: UDP/TLS/RTP/SAVPF|ICE: force|ICE-lite: both|SDES: "
		 "off|DTLS: "},
		{"a browser to SDES", &dtls, &sdes, true, false, WEB,
		 "transport-protocol: RTP/SAVP|DTLS: off|ICE: remove|"
		 "SDES: only-AEAD_AES_256_GCM order:AEAD_AES_256_GCM; pad|media-timeout: 0"},
		{"to a phone with DTLS and no ICE", &plain, &dtls, false, false, AVP,
		 "transport-protocol: UDP/TLS/RTP/SAVP|ICE: remove|ICE-lite: |DTLS: |flags: "},
		{"to a side with both, SDES first", &plain, &either, false, false, AVP,
		 "transport-protocol: RTP/SAVP|DTLS: off|SDES: pad"},
		{"of a side that wants no mux", &either, &plain, false, false, AVP,
		 "rtcp-mux: reject"},
		{"to a side with keys in INFO", &plain, &info, false, false, AVP,
		 "codec: consume=telephone-event|flags: "},
		{"of a side with keys in INFO", &info, &plain, false, false, AVP,
		 "codec: transcode=telephone-event|flags: bridge DTMF"},
		{"to a side that says it in its SDP", &plain, &by_sdp, false, false, AVP,
		 "codec: accept=telephone-event|flags: "},
		{"of a side that says in its SDP that it has events", &by_sdp, &plain, false, false,
		 AVP, "codec: |flags: "},
		{"between two with keys in INFO", &info, &info, false, false, AVP,
		 "codec: consume=telephone-event|flags: bridge DTMF"},
	};
	CHECK_TABLE(row, rows)
	{
		struct media m;
		start(row->from, row->to, row->from_ice, row->to_ice);
		media_init(&m, 1, 2);
		expect_members(asked(&m, row->sdp, false), row->want);
	}
}

static void an_answer_asks_for_what_the_offerer_may_have(void **state)
{
	(void)state;
	struct media m;
	start(&dtls, &plain, true, false);
	media_init(&m, 1, 2);
	expect_members(asked(&m, AVP, true),
		       "ICE: force|DTLS: |SDES: off|ICE-lite: |flags: generate mid");
	start(&plain, &dtls, false, true);
	expect_members(asked(&m, WEB, true), "ICE: remove|DTLS: off|SDES: off|flags: ");
	start(&info, &plain, false, false);
	expect_members(asked(&m, AVP, true), "codec: strip=telephone-event");
	start(&plain, &info, false, false);
	expect_members(asked(&m, AVP, true), "flags: bridge DTMF|codec: ");
}

static void a_new_offer_keeps_the_keying_that_is_in_force(void **state)
{
	(void)state;
	struct media m;
	start(&plain, &either, false, false);
	media_init(&m, 1, 2);
	m.known = true;
	media_note(&m, 1, str_from(WEB));
	expect_members(asked(&m, AVP, false),
		       "transport-protocol: UDP/TLS/RTP/SAVP|DTLS: |SDES: off");
	media_note(&m, 1, STR("m=audio 5 RTP/SAVP 0\r\na=crypto:1 AEAD_AES_256_GCM inline:x\r\n"));
	expect_members(asked(&m, AVP, false), "transport-protocol: RTP/SAVP|DTLS: off");
}

#define CANDIDATE(ip) "a=candidate:x 1 UDP 2130706431 " ip " 5000 typ host"

static void ice_and_dtls_cross_only_where_the_side_has_them(void **state)
{
	(void)state;
	enum { ICE = SDP_FACE_ICE, DTLS = SDP_FACE_DTLS };
	static const struct {
		const char *name, *line;
		unsigned needs; /* 0: it never crosses */
	} rows[] = {
		{"a candidate of our address", CANDIDATE("192.0.2.9"), ICE},
		{"a candidate of another address", CANDIDATE("10.0.0.1"), 0},
		{"a reflexive candidate",
		 "a=candidate:x 1 UDP 1 192.0.2.9 5000 typ srflx raddr 10.0.0.1 rport 9", 0},
		{"a host candidate with more behind it", CANDIDATE("192.0.2.9") " raddr 10.0.0.1",
		 0},
		{"a candidate over TCP",
		 "a=candidate:x 1 TCP 1 192.0.2.9 9 typ host tcptype active", 0},
		{"a candidate that is cut", "a=candidate:x 1 UDP", 0},
		{"the fragment of a user name", "a=ice-ufrag:Ab+/1234", ICE},
		{"a password", "a=ice-pwd:abcdefghijklmnopqrstuv", ICE},
		{"options", "a=ice-options:trickle", ICE},
		{"the end of the candidates", "a=end-of-candidates", ICE},
		{"a fingerprint", "a=fingerprint:sha-256 4A:AD:B9", DTLS},
		{"a fingerprint that says more", "a=fingerprint:sha-256 4A:AD:B9 pbx.inside", 0},
		{"a fingerprint that is none", "a=fingerprint:sha-256 hello", 0},
		{"a role", "a=setup:passive", DTLS},
		{"the name of an association", "a=tls-id:0123456789abcdef0123", DTLS},
		{"an address to answer checks to", "a=remote-candidates:1 10.0.0.1 5000", 0},
	};
	CHECK_TABLE(row, rows)
	for (unsigned allow = 0; allow <= (ICE | DTLS); allow++) {
		char text[1024];
		struct sdp_face f;
		struct addr own;
		CHECK(addr_parse_ip(STR("192.0.2.9"), &own) == OK);
		arena_init(&a, mem, sizeof(mem));
		buf_init(&out, out_mem, sizeof(out_mem));
		snprintf(text, sizeof(text), HEAD "m=audio 5000 RTP/AVP 0\r\n%s\r\n", row->line);
		sdp_face_init(&f, 7);
		f.allow = (uint8_t)allow;
		EXPECT_ERR(sdp_face_write(&out, &f, &own, &a, str_from(text)), OK);
		bool crossed = str_find(buf_view(&out), str_from(row->line)) < out.len;
		EXPECT_INT(crossed, row->needs != 0 && (allow & row->needs) != 0);
		EXPECT_TRUE(str_find(buf_view(&out), STR("10.0.0.1")) == out.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offer_asks_for_what_the_receiver_speaks),
		cmocka_unit_test(an_answer_asks_for_what_the_offerer_may_have),
		cmocka_unit_test(a_new_offer_keeps_the_keying_that_is_in_force),
		cmocka_unit_test(ice_and_dtls_cross_only_where_the_side_has_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
