/* Three messages of one ordinary call, for the benches of the signalling core. */
#ifndef SALLYPORT_BENCH_SIP_H
#define SALLYPORT_BENCH_SIP_H

#include "common/str.h"

static const char sip_invite_text[] =
	"INVITE sip:+493055512345@sbc.example.net SIP/2.0\r\n"
	"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK776asdhds93kf0d8s;rport\r\n"
	"Max-Forwards: 70\r\n"
	"From: \"Alice Example\" <sip:+493012345678@carrier.example.org>;tag=1928301774\r\n"
	"To: <sip:+493055512345@sbc.example.net>\r\n"
	"Call-ID: f81d4fae-7dec-11d0-a765-00a0c91e6bf6@192.0.2.10\r\n"
	"CSeq: 314159 INVITE\r\n"
	"Contact: <sip:alice@192.0.2.10:5060>\r\n"
	"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK\r\n"
	"Supported: replaces, timer, 100rel\r\n"
	"User-Agent: Example Phone 7.1 (build 20250612; codecs PCMA PCMU telephone-event; "
	"transport udp; nat helper off; l)\r\n"
	"Accept: application/sdp\r\n"
	"P-Early-Media: supported\r\n"
	"Session-Expires: 1800\r\n"
	"Min-SE: 90\r\n"
	"Content-Type: application/sdp\r\n"
	"Content-Length: 234\r\n"
	"\r\n"
	"v=0\r\n"
	"o=- 2890844526 2890844526 IN IP4 192.0.2.10\r\n"
	"s=-\r\n"
	"c=IN IP4 192.0.2.10\r\n"
	"t=0 0\r\n"
	"m=audio 49172 RTP/AVP 8 0 101\r\n"
	"a=rtpmap:8 PCMA/8000\r\n"
	"a=rtpmap:0 PCMU/8000\r\n"
	"a=rtpmap:101 telephone-event/8000\r\n"
	"a=fmtp:101 0-16\r\n"
	"a=ptime:20\r\n"
	"a=sendrecv\r\n";

static const char sip_ok_text[] =
	"SIP/2.0 200 OK\r\n"
	"Via: SIP/2.0/UDP "
	"192.0.2.10:5060;branch=z9hG4bK776asdhds93kf0d8s;rport=5060;received=192.0.2.10\r\n"
	"From: \"Alice Example\" <sip:+493012345678@carrier.example.org>;tag=1928301774\r\n"
	"To: <sip:+493055512345@sbc.example.net>;tag=a6c85cf9ab\r\n"
	"Call-ID: f81d4fae-7dec-11d0-a765-00a0c91e6bf6@192.0.2.10\r\n"
	"CSeq: 314159 INVITE\r\n"
	"Contact: <sip:bob@198.51.100.20:5060>\r\n"
	"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK\r\n"
	"Supported: replaces, timer\r\n"
	"Server: Example PBX 18.4 (build 20250612; codecs PCMA PCMU telephone-event; transport "
	"udp; nat hel)\r\n"
	"Session-Expires: 1800;refresher=uac\r\n"
	"Content-Type: application/sdp\r\n"
	"Content-Length: 230\r\n"
	"\r\n"
	"v=0\r\n"
	"o=- 1200844526 1200844526 IN IP4 198.51.100.20\r\n"
	"s=-\r\n"
	"c=IN IP4 198.51.100.20\r\n"
	"t=0 0\r\n"
	"m=audio 30012 RTP/AVP 8 101\r\n"
	"a=rtpmap:8 PCMA/8000\r\n"
	"a=rtpmap:101 telephone-event/8000\r\n"
	"a=fmtp:101 0-16\r\n"
	"a=ptime:20\r\n"
	"a=sendrecv\r\n"
	"a=rtcp:30013\r\n";

static const char sip_bye_text[] =
	"BYE sip:bob@198.51.100.20:5060 SIP/2.0\r\n"
	"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK776asdhds93kf0d9t;rport\r\n"
	"Max-Forwards: 70\r\n"
	"From: \"Alice Example\" <sip:+493012345678@carrier.example.org>;tag=1928301774\r\n"
	"To: <sip:+493055512345@sbc.example.net>;tag=a6c85cf9ab\r\n"
	"Call-ID: f81d4fae-7dec-11d0-a765-00a0c91e6bf6@192.0.2.10\r\n"
	"CSeq: 314160 BYE\r\n"
	"Reason: Q.850;cause=16;text=\"Normal call clearing\"\r\n"
	"User-Agent: Example Phone 7.1 (build 20250612; codecs PCMA P)\r\n"
	"Content-Length: 0\r\n"
	"\r\n";

static const struct str sip_invite = {sip_invite_text, sizeof(sip_invite_text) - 1};
static const struct str sip_ok = {sip_ok_text, sizeof(sip_ok_text) - 1};
static const struct str sip_bye = {sip_bye_text, sizeof(sip_bye_text) - 1};

#endif
