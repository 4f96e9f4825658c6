#include "rtcp_map.h"

#include <endian.h>
#include <string.h>

#include "common/check.h"
#include "continuity.h"
#include "rtcp.h"

enum { WORD = 4, BLOCK_LEN = 24, SR_LEN = 28, RR_LEN = 8, FB_LEN = 12, XR_LEN = 8, DLRR_LEN = 12 };
enum { TYPE_FIR = 192, TYPE_NACK = 193, TYPE_RTPFB = 205, TYPE_PSFB = 206, TYPE_XR = 207 };
enum { LOST_MAX = 0x7fffff };

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static void set32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void set16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static bool is_mapped(const struct continuity *c)
{
	return c->state != CONTINUITY_OFF;
}

bool rtcp_map_is_needed(const struct rtcp_map *m)
{
	return is_mapped(m->own) || is_mapped(m->heard);
}

/* Is this the source that flows, or one of which nothing has come yet? */
static bool is_own(const struct rtcp_map *m, uint32_t ssrc)
{
	return !is_mapped(m->own) || !continuity_has_source(m->own) || m->own->in_ssrc == ssrc;
}

static uint32_t own_ssrc(const struct rtcp_map *m, uint32_t ssrc)
{
	return is_mapped(m->own) ? m->own->out_ssrc : ssrc;
}

/* The SSRC of ours at p becomes the source's. False: it is not ours. */
static bool map_heard(const struct rtcp_map *m, uint8_t *p)
{
	if (!is_mapped(m->heard))
		return true;
	if (!continuity_has_source(m->heard) || get32(p) != m->heard->out_ssrc)
		return false;
	set32(p, m->heard->in_ssrc);
	return true;
}

/* A sequence number of ours becomes the source's. */
static void map_seq(const struct rtcp_map *m, uint8_t *p)
{
	if (is_mapped(m->heard))
		set16(p, continuity_seq_in(m->heard, get16(p)));
}

/* ---- reports */

static bool knows_sr(const struct continuity_past *past, uint32_t mid)
{
	return past->sr_mid[0] == mid || past->sr_mid[1] == mid;
}

static void map_lost(const struct rtcp_map *m, uint8_t *p)
{
	const uint32_t word = get32(p);
	int32_t lost = (int32_t)(word & 0xffffff) - (word & 0x800000 ? 0x1000000 : 0);
	m->heard_past->lost_last = lost;
	lost -= m->heard_past->lost_base;
	lost = lost > LOST_MAX ? LOST_MAX : lost < -LOST_MAX ? -LOST_MAX : lost;
	set32(p, (word & 0xff000000) | ((uint32_t)lost & 0xffffff));
}

/* False: nothing that the other party could use. */
static bool map_block(const struct rtcp_map *m, uint8_t *p)
{
	uint32_t highest;
	if (!is_mapped(m->heard))
		return true;
	if (get32(p) == m->heard->out_ssrc && !continuity_has_source(m->heard)) {
		struct continuity_past *past = m->heard_past;
		const uint32_t word = get32(p + 4);
		past->lost_base = past->lost_last =
			(int32_t)(word & 0xffffff) - (word & 0x800000 ? 0x1000000 : 0);
		return false;
	}
	if (!map_heard(m, p) || !continuity_ext_in(m->heard, m->heard_past, get32(p + 8), &highest))
		return false;
	map_lost(m, p + 4);
	set32(p + 8, highest);
	if (!knows_sr(m->heard_past, get32(p + 16)))
		memset(p + 16, 0, (size_t)2 * WORD);
	return true;
}

/* The sender's half of a report, at p. */
static void map_sender(const struct rtcp_map *m, uint8_t *p)
{
	if (!is_mapped(m->own))
		return;
	struct continuity_past *past = m->own_past;
	past->sr_mid[1] = past->sr_mid[0];
	past->sr_mid[0] = get32(p + 10);
	set32(p + 16, get32(p + 16) + m->own->ts_shift);
	set32(p + 20, m->own->packets);
	set32(p + 24, m->own->octets);
}

/* Of n bytes at p; returns what is left of them. */
static size_t map_report(const struct rtcp_map *m, uint8_t *p, size_t n)
{
	const uint32_t ssrc = get32(p + WORD);
	const bool sender = p[1] == RTCP_SR;
	const bool flows = is_own(m, ssrc) && (!is_mapped(m->own) || continuity_has_source(m->own));
	const size_t head = sender ? SR_LEN : RR_LEN;
	size_t to = sender && flows ? SR_LEN : RR_LEN;
	unsigned blocks = 0;
	if (sender && flows)
		map_sender(m, p);
	p[1] = sender && flows ? RTCP_SR : RTCP_RR;
	set32(p + WORD, own_ssrc(m, ssrc));
	for (size_t at = head; at + BLOCK_LEN <= n; at += BLOCK_LEN) {
		memmove(p + to, p + at, BLOCK_LEN);
		if (map_block(m, p + to)) {
			to += BLOCK_LEN;
			blocks++;
		}
	}
	p[0] = (uint8_t)((p[0] & 0xe0) | blocks);
	return to;
}

/* ---- descriptions and goodbyes */

/* rtcp_hide has written each chunk: SSRC, one CNAME of a known length, zeros. */
static size_t map_descriptions(const struct rtcp_map *m, uint8_t *p, size_t n)
{
	unsigned kept = 0;
	size_t to = WORD;
	for (size_t at = WORD; at + 2 * WORD <= n;) {
		const size_t len = ((size_t)WORD + 2 + p[at + WORD + 1]) / WORD * WORD + WORD;
		if (len > n - at)
			break;
		if (is_own(m, get32(p + at))) {
			memmove(p + to, p + at, len);
			set32(p + to, own_ssrc(m, get32(p + to)));
			to += len;
			kept++;
		}
		at += len;
		/* Two chunks of one source would be the same twice. */
		if (kept > 0 && is_mapped(m->own))
			break;
	}
	p[0] = (uint8_t)((p[0] & 0xe0) | kept);
	return kept > 0 ? to : 0;
}

static size_t map_goodbye(const struct rtcp_map *m, uint8_t *p, size_t n)
{
	unsigned kept = 0;
	size_t to = WORD;
	for (size_t at = WORD; at + WORD <= n; at += WORD) {
		const uint32_t ssrc = get32(p + at);
		if (is_mapped(m->own) &&
		    (!continuity_has_source(m->own) || m->own->in_ssrc != ssrc))
			continue;
		set32(p + to, own_ssrc(m, ssrc));
		to += WORD;
		kept++;
	}
	p[0] = (uint8_t)((p[0] & 0xe0) | kept);
	return kept > 0 ? to : 0;
}

/* ---- feedback */

/* Entries of `size` bytes that begin with an SSRC of the media's sender. */
static size_t map_entries(const struct rtcp_map *m, uint8_t *p, size_t from, size_t n, size_t size)
{
	size_t to = from;
	for (size_t at = from; at + size <= n; at += size) {
		memmove(p + to, p + at, size);
		if (map_heard(m, p + to))
			to += size;
	}
	return to > from ? to : 0;
}

/* RFC 8888 §3.1: SSRC, first number, how many; two bytes for each, padded to a word; a time at the end. */
static size_t map_ccfb(const struct rtcp_map *m, uint8_t *p, size_t n)
{
	for (size_t at = 2 * WORD; at + WORD < n;) {
		if (n - at < (size_t)3 * WORD || !map_heard(m, p + at))
			return 0;
		const size_t reports = ((size_t)get16(p + at + 6) + 1) & ~(size_t)1;
		map_seq(m, p + at + 4);
		if (2 * reports > n - at - (size_t)3 * WORD)
			return 0;
		at += (size_t)2 * WORD + 2 * reports;
	}
	return n;
}

static size_t map_rtpfb(const struct rtcp_map *m, uint8_t *p, size_t n, unsigned format)
{
	switch (format) {
	case 3:
	case 4:
		return map_entries(m, p, FB_LEN, n,
				   2 * WORD); /* TMMBR, TMMBN: media source unused */
	case 11: return map_ccfb(m, p, n);
	default: break;
	}
	if (!map_heard(m, p + 2 * WORD))
		return 0;
	for (size_t at = FB_LEN; format == 1 && at + WORD <= n; at += WORD)
		map_seq(m, p + at);
	/* NACK, SR request, TWCC (its numbers are of an extension that crosses as it is). Third-party loss and ECN count
	   numbers of ours in ways of their own: left out. */
	return !is_mapped(m->heard) || format == 1 || format == 5 || format == 15 ? n : 0;
}

static size_t map_psfb(const struct rtcp_map *m, uint8_t *p, size_t n, unsigned format)
{
	switch (format) {
	case 4:
	case 5:
	case 6: return map_entries(m, p, FB_LEN, n, 2 * WORD); /* FIR, TSTR, TSTN */
	case 15:
		return n >= FB_LEN + 2 * WORD && map_entries(m, p, FB_LEN + 2 * WORD, n, WORD) == n
			       ? n
			       : 0; /* REMB */
	default: return map_heard(m, p + 2 * WORD) ? n : 0;
	}
}

static size_t map_feedback(const struct rtcp_map *m, uint8_t *p, size_t n)
{
	const unsigned format = p[0] & 0x1f;
	set32(p + WORD, own_ssrc(m, get32(p + WORD)));
	return p[1] == TYPE_RTPFB ? map_rtpfb(m, p, n, format) : map_psfb(m, p, n, format);
}

/* ---- extended reports */

/* DLRR: sub-blocks of SSRC, LRR and DLRR about reference times that the other party has sent. */
static size_t map_xr_block(const struct rtcp_map *m, uint8_t *p, size_t n)
{
	if (!is_mapped(m->heard))
		return n;
	switch (p[0]) {
	case 4: return n;
	case 5: return map_entries(m, p, WORD, n, DLRR_LEN);
	case 1:
	case 2:
	case 3:
	case 6:
		if (n < (size_t)3 * WORD || !map_heard(m, p + WORD))
			return 0;
		map_seq(m, p + 2 * WORD);
		map_seq(m, p + 2 * WORD + 2);
		return n;
	case 7: return n >= (size_t)2 * WORD && map_heard(m, p + WORD) ? n : 0;
	default: return 0;
	}
}

static size_t map_extended(const struct rtcp_map *m, uint8_t *p, size_t n)
{
	size_t to = XR_LEN;
	set32(p + WORD, own_ssrc(m, get32(p + WORD)));
	for (size_t at = XR_LEN; at + WORD <= n;) {
		const size_t len = ((size_t)get16(p + at + 2) + 1) * WORD;
		if (len > n - at)
			break;
		const size_t kept = map_xr_block(m, p + at, len);
		memmove(p + to, p + at, kept);
		if (kept > 0)
			set16(p + to + 2, (unsigned)(kept / WORD - 1));
		to += kept;
		at += len;
	}
	return to > XR_LEN ? to : 0;
}

static size_t map_part(const struct rtcp_map *m, uint8_t *p, size_t n)
{
	switch (p[1]) {
	case RTCP_SR:
	case RTCP_RR: return map_report(m, p, n);
	case RTCP_SDES: return map_descriptions(m, p, n);
	case RTCP_BYE: return map_goodbye(m, p, n);
	case TYPE_RTPFB:
	case TYPE_PSFB: return n >= FB_LEN ? map_feedback(m, p, n) : 0;
	case TYPE_XR: return map_extended(m, p, n);
	case TYPE_FIR: return map_heard(m, p + WORD) ? n : 0; /* RFC 2032: the media's sender */
	case TYPE_NACK:
		if (n < (size_t)3 * WORD || !map_heard(m, p + WORD))
			return 0;
		map_seq(m, p + 2 * WORD);
		return n;
	default: return 0;
	}
}

void rtcp_map(uint8_t *p, size_t *len, const struct rtcp_map *m)
{
	size_t to = 0;
	if (!rtcp_map_is_needed(m))
		return;
	for (size_t at = 0; at + 2 * WORD <= *len;) {
		const size_t n = ((size_t)get16(p + at + 2) + 1) * WORD;
		if (NEVER(n > *len - at || n < 2 * WORD))
			break;
		const size_t kept = map_part(m, p + at, n);
		if (kept > 0) {
			set16(p + at + 2, (unsigned)(kept / WORD - 1));
			memmove(p + to, p + at, kept);
		}
		to += kept;
		at += n;
	}
	*len = to;
}
