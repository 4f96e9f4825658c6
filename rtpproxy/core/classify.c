#include "classify.h"

/* RFC 5761 §4: RTCP types 192 to 223 are RTP payload types 64 to 95 with the marker bit, which RTP then must not use. */
static enum pkt_kind classify_rtp(const uint8_t *p, size_t len)
{
	if (len < 2)
		return PKT_NOISE;
	return p[1] >= 192 && p[1] <= 223 ? PKT_RTCP : PKT_RTP;
}

enum pkt_kind classify(const uint8_t *p, size_t len)
{
	if (len == 0)
		return PKT_NOISE;
	const unsigned b = p[0];
	if (b >= 128 && b <= 191)
		return classify_rtp(p, len);
	if (b <= 3)
		return PKT_STUN;
	if (b >= 16 && b <= 19)
		return PKT_ZRTP;
	if (b >= 20 && b <= 63)
		return PKT_DTLS;
	if (b >= 64 && b <= 79)
		return PKT_TURN;
	return PKT_NOISE;
}
