#include "rtp.h"

#include <endian.h>
#include <string.h>

#include "common/rd.h"

enum err rtp_decode(const uint8_t *p, size_t len, struct rtp *out)
{
	struct rd r = rd_init(p, len);
	const uint8_t first = rd_u8(&r);
	const uint8_t second = rd_u8(&r);
	struct rtp h = {
		.csrc_count = first & 0x0f,
		.padded = (first & 0x20) != 0,
		.marker = (second & 0x80) != 0,
		.payload_type = second & 0x7f,
	};
	h.seq = rd_u16(&r);
	h.timestamp = rd_u32(&r);
	h.ssrc = rd_u32(&r);
	rd_bytes(&r, (size_t)4 * h.csrc_count);
	if (first & 0x10) {
		h.extension = (uint16_t)(RTP_HEADER_LEN + 4 * h.csrc_count);
		rd_u16(&r);
		rd_bytes(&r, (size_t)4 * rd_u16(&r));
	}
	if (r.bad || first >> 6 != 2 || len - r.left > UINT16_MAX)
		return ERR_BAD;
	h.header_len = (uint16_t)(len - r.left);
	*out = h;
	return OK;
}

enum err rtp_payload_len(const struct rtp *h, const uint8_t *p, size_t len, size_t *out_len)
{
	CHECK(h->header_len <= len);
	const size_t body = len - h->header_len;
	if (!h->padded) {
		*out_len = body;
		return OK;
	}
	if (body == 0 || p[len - 1] == 0 || p[len - 1] > body)
		return ERR_BAD;
	*out_len = body - p[len - 1];
	return OK;
}

void rtp_write(const struct rtp *h, uint8_t *p)
{
	const uint16_t seq = htobe16(h->seq);
	const uint32_t words[2] = {htobe32(h->timestamp), htobe32(h->ssrc)};
	p[1] = (uint8_t)((h->marker ? 0x80 : 0) | h->payload_type);
	memcpy(p + 2, &seq, sizeof(seq));
	memcpy(p + 4, words, sizeof(words));
}
