#include "tests/support/check.h"
#include "tests/support/cost.h"
#include "tests/support/guard.h"

#include "common/sdp.h"

static char arena_mem[1 << 20], out_mem[1 << 17];

#define HEAD  "v=0\r\no=alice 1 2 IN IP4 192.0.2.1\r\ns=-\r\n"
#define CONN  "c=IN IP4 192.0.2.1\r\n"
#define T00   "t=0 0\r\n"
#define AUDIO "m=audio 4000 RTP/AVP 0\r\n"

static const char browser[] =
	"v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	"a=group:BUNDLE 0\r\na=msid-semantic: WMS\r\n"
	"m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 110\r\nc=IN IP4 0.0.0.0\r\nb=AS:64\r\n"
	"a=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:KCKL\r\n"
	"a=candidate:1 1 UDP 2130706431 192.0.2.1 30114 typ host\r\n"
	"a=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"
	"a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:110 telephone-event/48000\r\n";

static void test_text(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in;
		enum err err;
		const char *out; /* NULL: as in */
	} rows[] = {
		{"the least there is", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n", OK,
		 "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"},
		{"an ordinary offer", HEAD CONN T00 AUDIO "a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n",
		 OK, NULL},
		{"a browser's offer", browser, OK, NULL},
		{"bare LF",
		 "v=0\no=alice 1 2 IN IP4 192.0.2.1\ns=-\nt=0 0\nm=audio 4000 RTP/AVP 0\n", OK,
		 HEAD T00 AUDIO},
		{"no line end at the end", HEAD T00 "m=audio 4000 RTP/AVP 0", OK, HEAD T00 AUDIO},
		{"empty lines at the end", HEAD T00 AUDIO "\r\n\r\n", OK, HEAD T00 AUDIO},
		{"an empty session name", "v=0\r\no=alice 1 2 IN IP4 192.0.2.1\r\ns=\r\n" T00, OK,
		 HEAD T00},
		{"lines that must not cross are left out",
		 HEAD "i=about\r\nu=http://x\r\ne=a@b\r\np=+1\r\n" CONN "b=CT:9\r\n" T00
		      "r=1 2 3\r\nz=0 0\r\nk=clear:x\r\na=x\r\n" AUDIO "i=title\r\nk=prompt\r\n",
		 OK, HEAD CONN "b=CT:9\r\n" T00 "a=x\r\n" AUDIO "i=title\r\n"},
		{"odd order within a section", HEAD T00 AUDIO "a=x\r\nb=AS:1\r\na=y:\r\n" CONN, OK,
		 HEAD T00 AUDIO CONN "b=AS:1\r\na=x\r\na=y:\r\n"},
		{"extra spaces between words", HEAD T00 "m=audio  4000 RTP/AVP 0  8 \r\n", OK,
		 HEAD T00 "m=audio 4000 RTP/AVP 0 8\r\n"},
		{"several ports", HEAD T00 "m=audio 4000/2 RTP/AVP 0\r\n", OK, NULL},
		{"a refused media without formats", HEAD T00 "m=video 0 RTP/AVP\r\n", OK,
		 HEAD T00 "m=video 0 RTP/AVP 0\r\n"},
		{"fax", HEAD T00 "m=image 4000 udptl t38\r\na=T38FaxVersion:0\r\n", OK, NULL},
		{"IPv6", HEAD "c=IN IP6 2001:db8::1\r\n" T00, OK, NULL},
		{"a host name", HEAD "c=IN IP4 media.example.com\r\n" T00, OK, NULL},
		{"a multicast group's TTL is left out", HEAD "c=IN IP4 233.252.0.1/127/3\r\n" T00,
		 OK, HEAD "c=IN IP4 233.252.0.1\r\n" T00},
		{"bytes above 127 are text", HEAD T00 "a=title:\xc3\xa9\xff\r\n", OK, NULL},

		{"nothing", "", ERR_BAD, NULL},
		{"no version", "o=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\n", ERR_BAD, NULL},
		{"version 1", "v=1\r\no=- 1 1 IN IP4 0.0.0.0\r\n", ERR_BAD, NULL},
		{"two versions", "v=0\r\nv=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n", ERR_BAD, NULL},
		{"an empty line first", "\r\n" HEAD T00, ERR_BAD, NULL},
		{"an empty line in the middle", HEAD "\r\n" T00, ERR_BAD, NULL},
		{"no origin", "v=0\r\ns=-\r\nt=0 0\r\n", ERR_BAD, NULL},
		{"two origins", HEAD "o=- 1 1 IN IP4 0.0.0.0\r\n", ERR_BAD, NULL},
		{"an origin of five words", "v=0\r\no=1 1 IN IP4 0.0.0.0\r\n", ERR_BAD, NULL},
		{"an origin of seven words", "v=0\r\no=a b 1 1 IN IP4 0.0.0.0\r\n", ERR_BAD, NULL},
		{"an origin version that is no number", "v=0\r\no=- 1 x IN IP4 0.0.0.0\r\n",
		 ERR_BAD, NULL},
		{"an unknown line", HEAD "x=1\r\n", ERR_BAD, NULL},
		{"a line without =", HEAD "a\r\n", ERR_BAD, NULL},
		{"a space before =", HEAD "a =x\r\n", ERR_BAD, NULL},
		{"a session line in a media section", HEAD T00 AUDIO "s=x\r\n", ERR_BAD, NULL},
		{"NUL", NULL, ERR_BAD, NULL}, /* filled in below */
		{"a tab", HEAD "a=x\ty\r\n", ERR_BAD, NULL},
		{"DEL", HEAD "a=x\x7f\r\n", ERR_BAD, NULL},
		{"CR alone", HEAD "a=x\ra=y\r\n", ERR_BAD, NULL},
		{"CR twice", HEAD "a=x\r\r\n", ERR_BAD, NULL},
		{"an attribute without name", HEAD "a=:x\r\n", ERR_BAD, NULL},
		{"an empty attribute", HEAD "a=\r\n", ERR_BAD, NULL},
		{"a bandwidth without value", HEAD "b=AS\r\n", ERR_BAD, NULL},
		{"port 65536", HEAD T00 "m=audio 65536 RTP/AVP 0\r\n", ERR_BAD, NULL},
		{"port 2^32 + 4000", HEAD T00 "m=audio 4294971296 RTP/AVP 0\r\n", ERR_BAD, NULL},
		{"a negative port", HEAD T00 "m=audio -1 RTP/AVP 0\r\n", ERR_BAD, NULL},
		{"no port", HEAD T00 "m=audio RTP/AVP 0\r\n", ERR_BAD, NULL},
		{"a port count of 0", HEAD T00 "m=audio 4000/0 RTP/AVP 0\r\n", ERR_BAD, NULL},
		{"an empty port count", HEAD T00 "m=audio 4000/ RTP/AVP 0\r\n", ERR_BAD, NULL},
		{"no formats", HEAD T00 "m=audio 4000 RTP/AVP\r\n", ERR_BAD, NULL},
		{"no protocol", HEAD T00 "m=audio 4000\r\n", ERR_BAD, NULL},
		{"two connections", HEAD CONN CONN T00, ERR_BAD, NULL},
		{"a connection of two words", HEAD "c=IN IP4\r\n", ERR_BAD, NULL},
		{"a connection of four words", HEAD "c=IN IP4 192.0.2.1 x\r\n", ERR_BAD, NULL},
		{"another network", HEAD "c=ATM NSAP 1\r\n", ERR_BAD, NULL},
		{"another address type", HEAD "c=IN IP5 192.0.2.1\r\n", ERR_BAD, NULL},
		{"IPv6 under IP4", HEAD "c=IN IP4 2001:db8::1\r\n", ERR_BAD, NULL},
		{"IPv4 under IP6", HEAD "c=IN IP6 192.0.2.1\r\n", ERR_BAD, NULL},
		{"brackets", HEAD "c=IN IP6 [2001:db8::1]\r\n", ERR_BAD, NULL},
		{"octal", HEAD "c=IN IP4 0177.0.0.1\r\n", ERR_BAD, NULL},
		{"hex", HEAD "c=IN IP4 0x7f000001\r\n", ERR_BAD, NULL},
		{"a plain number", HEAD "c=IN IP4 2130706433\r\n", ERR_BAD, NULL},
		{"three numbers", HEAD "c=IN IP4 127.0.1\r\n", ERR_BAD, NULL},
		{"a dot behind numbers", HEAD "c=IN IP4 127.0.0.1.\r\n", ERR_BAD, NULL},
		{"a scope", HEAD "c=IN IP6 fe80::1%eth0\r\n", ERR_BAD, NULL},
		{"a name with a slash in front", HEAD "c=IN IP4 /127\r\n", ERR_BAD, NULL},
	};
	struct guard g;
	struct arena a;
	guard_init(&g, 4096);
	CHECK_TABLE(row, rows)
	{
		struct sdp s = {.media_count = 777}, again;
		struct str in = row->in ? str_from(row->in) : STR(HEAD "a=x\0y\r\n");
		arena_init(&a, arena_mem, sizeof(arena_mem));
		EXPECT_ERR(sdp_parse(guard_put(&g, in), &a, &s), row->err);
		if (row->err != OK) {
			EXPECT_U64(s.media_count, 777);
			continue;
		}
		struct buf b;
		buf_init(&b, out_mem, sizeof(out_mem));
		sdp_write(&b, &s);
		EXPECT_Z(buf_view(&b), row->out ? row->out : row->in);
		/* write(parse(x)) parses to the same */
		size_t len = b.len;
		EXPECT_ERR(sdp_parse(buf_view(&b), &a, &again), OK);
		sdp_write(&b, &again);
		EXPECT_STR(str_from_offset(buf_view(&b), len), ((struct str){b.p, len}));
		/* a prefix is good or bad, and never read beyond */
		for (size_t n = 0; n < in.len; n++) {
			arena_reset(&a);
			enum err e = sdp_parse(guard_put(&g, (struct str){in.p, n}), &a, &again);
			EXPECT_TRUE(e == OK || e == ERR_BAD);
		}
	}
	guard_release(&g);
}

static void test_control_octets_in_every_line(void **state)
{
	(void)state;
	struct arena a;
	char text[sizeof(browser)];
	for (size_t at = 0; at < sizeof(browser) - 1; at++)
		for (int c = 0; c < 33; c++) {
			char octet = (char)(c == 32 ? 0x7f : c);
			if (octet == '\r' || octet == '\n')
				continue;
			struct sdp s;
			memcpy(text, browser, sizeof(text));
			text[at] = octet;
			arena_init(&a, arena_mem, sizeof(arena_mem));
			if (sdp_parse((struct str){text, sizeof(text) - 1}, &a, &s) != ERR_BAD)
				EXPECT_TRUE(!"a control octet passed");
		}
}

static void parse_browser(struct arena *a, struct sdp *s)
{
	arena_init(a, arena_mem, sizeof(arena_mem));
	EXPECT_ERR(sdp_parse(STR(HEAD CONN T00
				 "a=sendonly\r\na=x:session\r\n"
				 "m=audio 49170/3 rtp/savpf 96 0 18 97 98 99 100\r\n"
				 "c=IN IP6 2001:db8::7\r\nb=AS:64\r\nb=TIAS:64000\r\n"
				 "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n"
				 "a=fmtp:18 annexb=no\r\na=rtpmap:97 iLBC\r\na=rtpmap:98 x/0\r\n"
				 "a=rtpmap:99 x/8000/0\r\na=rtpmap:100  G726-32/8000 \r\n"
				 "a=crypto:1 A\r\na=recvonly:not\r\na=crypto:2 B\r\na=recvonly\r\n"
				 "m=video 0 RTP/AVP 31\r\n"),
			     a, s),
		   OK);
}

static void test_what_is_where(void **state)
{
	(void)state;
	struct arena a;
	struct sdp s;
	parse_browser(&a, &s);
	EXPECT_Z(s.origin.user, "alice");
	EXPECT_Z(s.origin.version, "2");
	EXPECT_Z(s.origin.host, "192.0.2.1");
	EXPECT_U64(s.media_count, 2);
	const struct sdp_media *m = &s.media[0], *v = &s.media[1];
	EXPECT_Z(m->kind, "audio");
	EXPECT_INT(m->port, 49170);
	EXPECT_INT(m->port_count, 3);
	EXPECT_INT(m->proto, SDP_PROTO_RTP_SAVPF);
	EXPECT_Z(m->proto_text, "rtp/savpf");
	EXPECT_U64(m->format_count, 7);
	EXPECT_Z(m->formats[2], "18");
	EXPECT_U64(m->bandwidth.count, 2);
	EXPECT_Z(m->bandwidth.at[1].value, "64000");
	EXPECT_INT(m->conn.ip.family, ADDR_IP6);
	EXPECT_TRUE(sdp_conn_of(&s, m) == &m->conn && sdp_conn_of(&s, v) == &s.conn);
	EXPECT_INT(v->proto, SDP_PROTO_RTP_AVP);
	EXPECT_U64(v->attrs.count, 0);

	const struct sdp_attr *c = sdp_find_attr(&m->attrs, STR("crypto"));
	EXPECT_Z(c->value, "1 A");
	c = sdp_next_attr(&m->attrs, STR("crypto"), c);
	EXPECT_Z(c->value, "2 B");
	EXPECT_TRUE(sdp_next_attr(&m->attrs, STR("crypto"), c) == NULL);
	EXPECT_TRUE(sdp_find_attr(&m->attrs, STR("Crypto")) == NULL);
	EXPECT_Z(sdp_find_any(&s, m, STR("x"))->value, "session");
	EXPECT_TRUE(sdp_find_any(&s, NULL, STR("crypto")) == NULL);
}

static void test_directions(void **state)
{
	(void)state;
	struct arena a;
	struct sdp s;
	parse_browser(&a, &s);
	EXPECT_INT(sdp_direction_of(&s, &s.media[0]), SDP_RECVONLY); /* "recvonly:not" is none */
	EXPECT_INT(sdp_direction_of(&s, &s.media[1]), SDP_SENDONLY); /* the session's */
	s.attrs.count = 0;
	EXPECT_INT(sdp_direction_of(&s, &s.media[1]), SDP_SENDRECV);
	static const enum sdp_direction reversed[SDP_DIRECTION_COUNT] = {
		[SDP_SENDRECV] = SDP_SENDRECV,
		[SDP_SENDONLY] = SDP_RECVONLY,
		[SDP_RECVONLY] = SDP_SENDONLY,
		[SDP_INACTIVE] = SDP_INACTIVE,
	};
	for (int d = 0; d < SDP_DIRECTION_COUNT; d++) {
		enum sdp_direction found;
		EXPECT_INT(sdp_direction_reverse((enum sdp_direction)d), reversed[d]);
		EXPECT_TRUE(sdp_direction_find(str_from(sdp_direction_name((enum sdp_direction)d)),
					       &found));
		EXPECT_INT(found, d);
	}
	enum sdp_direction none;
	EXPECT_TRUE(!sdp_direction_find(STR("sendonl"), &none));
}

static void test_codecs(void **state)
{
	(void)state;
	static const struct {
		const char *name, *format;
		enum err err;
		const char *codec;
		uint32_t rate;
		uint16_t channels;
		const char *fmtp;
	} rows[] = {
		{"a dynamic type with parameters", "96", OK, "opus", 48000, 2, "useinbandfec=1"},
		{"a static type without rtpmap", "0", OK, "PCMU", 8000, 1, ""},
		{"a static type with fmtp alone", "18", OK, "G729", 8000, 1, "annexb=no"},
		{"spaces around the map", "100", OK, "G726-32", 8000, 1, ""},
		{"a static type that is not offered is still known", "8", OK, "PCMA", 8000, 1, ""},
		{"stereo by its number", "10", OK, "L16", 44100, 2, ""},
		{"a map without rate", "97", ERR_BAD, NULL, 0, 0, NULL},
		{"a map with rate 0", "98", ERR_BAD, NULL, 0, 0, NULL},
		{"a map with no channels", "99", ERR_BAD, NULL, 0, 0, NULL},
		{"a dynamic type without map", "101", ERR_NOTFOUND, NULL, 0, 0, NULL},
		{"a reserved static type", "1", ERR_NOTFOUND, NULL, 0, 0, NULL},
		{"above 127", "128", ERR_BAD, NULL, 0, 0, NULL},
		{"a word", "t38", ERR_BAD, NULL, 0, 0, NULL},
		{"a star", "*", ERR_BAD, NULL, 0, 0, NULL},
		{"too many digits", "00096", ERR_BAD, NULL, 0, 0, NULL},
	};
	struct arena a;
	struct sdp s;
	parse_browser(&a, &s);
	CHECK_TABLE(row, rows)
	{
		struct sdp_codec c = {.rate = 1};
		EXPECT_ERR(sdp_find_codec(&s.media[0], str_from(row->format), &c), row->err);
		if (row->err != OK) {
			EXPECT_INT(c.rate, 1);
			continue;
		}
		EXPECT_Z(c.name, row->codec);
		EXPECT_INT(c.rate, row->rate);
		EXPECT_INT(c.channels, row->channels);
		EXPECT_Z(c.fmtp, row->fmtp);
	}
}

static void test_protocols(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum sdp_proto proto;
		bool srtp, feedback, dtls;
	} rows[] = {
		{"RTP/AVP", SDP_PROTO_RTP_AVP, false, false, false},
		{"rtp/avpf", SDP_PROTO_RTP_AVPF, false, true, false},
		{"RTP/SAVP", SDP_PROTO_RTP_SAVP, true, false, false},
		{"RTP/SAVPF", SDP_PROTO_RTP_SAVPF, true, true, false},
		{"UDP/TLS/RTP/SAVP", SDP_PROTO_DTLS_SAVP, true, false, true},
		{"UDP/TLS/RTP/SAVPF", SDP_PROTO_DTLS_SAVPF, true, true, true},
		{"UDPTL", SDP_PROTO_UDPTL, false, false, false},
		{"TCP/MSRP", SDP_PROTO_OTHER, false, false, false},
		{"", SDP_PROTO_OTHER, false, false, false},
		{"RTP/SAV", SDP_PROTO_OTHER, false, false, false},
	};
	CHECK_TABLE(row, rows)
	{
		enum sdp_proto p = sdp_proto_find(str_from(row->name));
		const struct sdp_proto_info *info = sdp_proto_info(p);
		EXPECT_INT(p, row->proto);
		EXPECT_TRUE(info->srtp == row->srtp && info->feedback == row->feedback &&
			    info->dtls == row->dtls);
	}
}

static struct str repeat(struct buf *b, const char *head, const char *line, size_t n)
{
	buf_reset(b);
	buf_z(b, head);
	for (size_t i = 0; i < n; i++)
		buf_z(b, line);
	return buf_view(b);
}

static void test_limits(void **state)
{
	(void)state;
	static const struct {
		const char *name, *head, *line;
		size_t good, bad;
		enum err err;
	} rows[] = {
		{"64 media and no more", HEAD, AUDIO, SDP_MEDIA_MAX, SDP_MEDIA_MAX + 1, ERR_LIMIT},
		{"64 formats and no more", HEAD T00 "m=audio 9 RTP/AVP", " 0", SDP_FORMATS_MAX,
		 SDP_FORMATS_MAX + 1, ERR_LIMIT},
		{"4096 lines and no more", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n", "a=x\r\n",
		 SDP_LINES_MAX - 1, SDP_LINES_MAX, ERR_LIMIT},
		{"64 KiB and no more", HEAD "a=", "xxxxxxxx", 8000, 8200, ERR_LIMIT},
	};
	CHECK_TABLE(row, rows)
	{
		struct sdp s;
		struct arena a;
		struct buf b;
		buf_init(&b, out_mem, sizeof(out_mem));
		arena_init(&a, arena_mem, sizeof(arena_mem));
		EXPECT_ERR(sdp_parse(repeat(&b, row->head, row->line, row->good), &a, &s), OK);
		arena_reset(&a);
		EXPECT_ERR(sdp_parse(repeat(&b, row->head, row->line, row->bad), &a, &s), row->err);
	}
	for (size_t size = 0; size < 2500; size += 16) {
		struct arena a;
		struct sdp s;
		arena_init(&a, arena_mem, size);
		enum err e = sdp_parse(str_from(browser), &a, &s);
		EXPECT_TRUE(e == OK || e == ERR_NOMEM);
		EXPECT_TRUE(size > 100 || e == ERR_NOMEM);
	}
}

static void parse_only(struct str input)
{
	struct arena a;
	struct sdp s;
	arena_init(&a, arena_mem, sizeof(arena_mem));
	if (sdp_parse(input, &a, &s) != OK)
		return;
}

static void test_work_is_linear(void **state)
{
	(void)state;
	static char small_mem[1 << 16], big_mem[1 << 16];
	static const struct {
		const char *name, *head, *line;
		size_t n;
	} rows[] = {
		{"many attributes", HEAD, "a=rtpmap:96 opus/48000/2\r\n", 600},
		{"many empty lines", HEAD, "\r\n", 1000},
		{"one long line of colons", HEAD "a=x", ":", 15000},
		{"one long line of spaces", HEAD "o=", " ", 15000},
		{"one long line of dots", HEAD "c=IN IP4 ", ".", 15000},
		{"many connections' slashes", HEAD "c=IN IP4 1.2.3.4", "/", 15000},
		{"many words where formats belong", HEAD T00 "m=audio 1 RTP/AVP", " 0", 7000},
		{"many digits in a port", HEAD T00 "m=audio ", "1", 15000},
	};
	CHECK_TABLE(row, rows)
	{
		struct buf small, big;
		buf_init(&small, small_mem, sizeof(small_mem));
		buf_init(&big, big_mem, sizeof(big_mem));
		struct str one = repeat(&small, row->head, row->line, row->n);
		struct str four = repeat(&big, row->head, row->line, 4 * row->n);
		EXPECT_TRUE(cost_is_linear(parse_only, one, four));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_control_octets_in_every_line),
		cmocka_unit_test(test_what_is_where),
		cmocka_unit_test(test_directions),
		cmocka_unit_test(test_codecs),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_work_is_linear),
	};
	return cmocka_run_group_tests_name("sdp", tests, NULL, NULL);
}
