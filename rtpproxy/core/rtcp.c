#include "rtcp.h"

#include "common/rd.h"

enum { WORD = 4, BLOCK_LEN = 24, SR_LEN = 28, RR_LEN = 8 };

/* Padding stands at the end of the last part only and counts itself (RFC 3550 §6.4.1). */
static bool padding_is_good(const uint8_t *part, size_t len, size_t left_after)
{
	if (!(part[0] & 0x20))
		return true;
	const size_t pad = part[len - 1];
	return left_after == 0 && pad >= WORD && pad % WORD == 0 && pad <= len - WORD;
}

static size_t part_min(uint8_t type, uint8_t count)
{
	if (type == RTCP_SR)
		return SR_LEN + (size_t)BLOCK_LEN * count;
	if (type == RTCP_RR)
		return RR_LEN + (size_t)BLOCK_LEN * count;
	return WORD;
}

static size_t part_len(const uint8_t *p)
{
	return (((size_t)p[2] << 8 | p[3]) + 1) * WORD;
}

enum err rtcp_check(const uint8_t *p, size_t len)
{
	if (len < RTCP_HEADER_LEN)
		return ERR_BAD;
	for (unsigned parts = 0; len > 0; parts++) {
		if (len < WORD || p[0] >> 6 != 2 || p[1] < 192 || p[1] > 223)
			return ERR_BAD;
		const size_t n = part_len(p);
		if (n > len || n < part_min(p[1], p[0] & 0x1f) ||
		    (parts == 0 && n < RTCP_HEADER_LEN) || !padding_is_good(p, n, len - n))
			return ERR_BAD;
		if (parts == RTCP_PARTS_MAX)
			return ERR_LIMIT;
		p += n;
		len -= n;
	}
	return OK;
}

void rtcp_walk_init(struct rtcp_walk *w, const uint8_t *p, size_t len)
{
	*w = (struct rtcp_walk){.p = p, .left = len};
}

bool rtcp_walk_next(struct rtcp_walk *w, struct rtcp_part *out)
{
	if (w->left < WORD)
		return false;
	const size_t n = part_len(w->p);
	if (NEVER(n > w->left))
		return false;
	struct rd r = rd_init(w->p, n);
	*out = (struct rtcp_part){.p = w->p, .len = n, .count = rd_u8(&r) & 0x1f};
	out->type = rd_u8(&r);
	rd_u16(&r);
	out->ssrc = rd_u32(&r);
	if (out->type == RTCP_SR) {
		rd_u16(&r);
		out->ntp_mid = rd_u32(&r);
		rd_u16(&r);
		out->timestamp = rd_u32(&r);
	}
	w->p += n;
	w->left -= n;
	return true;
}

bool rtcp_part_block(const struct rtcp_part *part, unsigned i, struct rtcp_block *out)
{
	if ((part->type != RTCP_SR && part->type != RTCP_RR) || i >= part->count)
		return false;
	struct rd r = rd_init(part->p, part->len);
	rd_bytes(&r, part_min(part->type, (uint8_t)i));
	struct rtcp_block b = {.ssrc = rd_u32(&r)};
	const uint32_t lost = rd_u32(&r);
	b.fraction_lost = (uint8_t)(lost >> 24);
	b.lost = (int32_t)(lost & 0xffffff) - ((lost & 0x800000) ? 0x1000000 : 0);
	b.highest_seq = rd_u32(&r);
	b.jitter = rd_u32(&r);
	b.lsr = rd_u32(&r);
	b.dlsr = rd_u32(&r);
	if (NEVER(r.bad))
		return false;
	*out = b;
	return true;
}
