/* SDP: the 12-line body of an ordinary INVITE and a browser's offer, read and written. */
#include "common/check.h"
#include "common/sdes.h"
#include "common/sdp.h"
#include "run.h"

static const char phone[] =
	"v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n"
	"t=0 0\r\nm=audio 49170 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
	"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
static const char browser[] =
	"v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
	"a=msid-semantic: WMS\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n"
	"c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 "
	"0.0.0.0\r\na=ice-ufrag:KCKL\r\na=ice-pwd:0123456789abcdef\r\n"
	"a=ice-options:trickle\r\na=candidate:1 1 UDP 2130706431 192.0.2.1 30114 typ host\r\n"
	"a=candidate:2 1 UDP 1694498815 198.51.100.1 30114 typ srflx raddr 192.0.2.1 rport "
	"30114\r\n"
	"a=fingerprint:sha-256 "
	"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:"
	"88:99:AA:BB:CC:DD:EE:FF\r\na=setup:actpass\r\na=mid:0\r\n"
	"a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=rtcp-mux\r\n"
	"a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n"
	"a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"
	"a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 "
	"CN/8000\r\n"
	"a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n"
	"a=ssrc:1234567890 cname:abcdefghijklmnop\r\n";
static const char crypto[] =
	"1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20";

static char arena_mem[1 << 16], out_mem[1 << 14];

static void parse(void *ctx, size_t n)
{
	struct str text = str_from(ctx);
	struct arena a;
	struct sdp s;
	arena_init(&a, arena_mem, sizeof(arena_mem));
	for (size_t i = 0; i < n; i++) {
		arena_reset(&a);
		CHECK(sdp_parse(text, &a, &s) == OK);
	}
}

static void write_out(void *ctx, size_t n)
{
	struct arena a;
	struct sdp s;
	struct buf b;
	arena_init(&a, arena_mem, sizeof(arena_mem));
	CHECK(sdp_parse(str_from(ctx), &a, &s) == OK);
	buf_init(&b, out_mem, sizeof(out_mem));
	for (size_t i = 0; i < n; i++) {
		buf_reset(&b);
		sdp_write(&b, &s);
	}
	CHECK(!b.overflow);
}

static void parse_crypto(void *ctx, size_t n)
{
	struct sdes s;
	for (size_t i = 0; i < n; i++) {
		CHECK(sdes_parse(str_from(ctx), &s) == OK);
		sdes_release(&s);
	}
}

int main(void)
{
	static char phone_text[sizeof(phone)], browser_text[sizeof(browser)],
		crypto_text[sizeof(crypto)];
	CHECK(str_copy(str_from(phone), phone_text, sizeof(phone_text)) == OK);
	CHECK(str_copy(str_from(browser), browser_text, sizeof(browser_text)) == OK);
	CHECK(str_copy(str_from(crypto), crypto_text, sizeof(crypto_text)) == OK);
	bench("parse a phone's offer, 12 lines", parse, phone_text);
	bench("write it", write_out, phone_text);
	bench("parse a browser's offer, 34 lines", parse, browser_text);
	bench("write it", write_out, browser_text);
	bench("parse a=crypto", parse_crypto, crypto_text);
	return 0;
}
