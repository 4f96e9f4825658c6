#include "rtcp_hide.h"

#include <string.h>

#include "pkt.h"
#include "rtcp.h"

enum { WORD = 4, BLOCK_LEN = 24, SR_LEN = 28, RR_LEN = 8, FB_LEN = 12, XR_LEN = 8 };
enum { ITEM_END = 0, ITEM_CNAME = 1 };
enum { TYPE_FIR = 192, TYPE_NACK = 193, TYPE_RTPFB = 205, TYPE_PSFB = 206, TYPE_XR = 207 };
enum { FIR_LEN = 8, NACK_LEN = 12, PSFB_APPLICATION = 15 };

/* By RFC 3551 these take any value in their count field, of which 1 << FMT or 1 << block type is known. */
#define BIT(n) (UINT32_C(1) << (n))
/* NACK, TMMBR, TMMBN, SR request, third-party loss (RFC 6642), ECN (RFC 6679), congestion control (RFC 8888), TWCC */
static const uint32_t rtpfb_known =
	BIT(1) | BIT(3) | BIT(4) | BIT(5) | BIT(7) | BIT(8) | BIT(11) | BIT(15);
/* PLI, SLI, RPSI, FIR, TSTR, TSTN */
static const uint32_t psfb_known = BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6);
/* RFC 3611's seven; post-repair loss, ECN, measurement, delay variation, delay, burst and gap loss and discard */
static const uint32_t xr_known = BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) |
				 BIT(10) | BIT(13) | BIT(14) | BIT(15) | BIT(16) | BIT(17) |
				 BIT(18);

/* A part that is read, without its padding, and what is written. */
struct part {
	const uint8_t *p;
	size_t len;
	unsigned count;
};

struct out {
	uint8_t bytes[PKT_BUFFER];
	size_t len, cap;
	bool full;
};

static void put(struct out *o, const void *p, size_t n)
{
	if (n > o->cap - o->len)
		o->full = true;
	else {
		memcpy(o->bytes + o->len, p, n);
		o->len += n;
	}
}

static void put_byte(struct out *o, uint8_t v)
{
	put(o, &v, 1);
}

/* Ends the part that began at `start` with the first bytes of `in`: no padding, its length as it is now. */
static void end_part(struct out *o, size_t start)
{
	if (o->full)
		return;
	const size_t words = (o->len - start) / WORD - 1;
	o->bytes[start] &= (uint8_t)~0x20;
	o->bytes[start + 2] = (uint8_t)(words >> 8);
	o->bytes[start + 3] = (uint8_t)words;
}

static void put_whole(struct out *o, const struct part *in, size_t n)
{
	const size_t start = o->len;
	put(o, in->p, n);
	end_part(o, start);
}

/* ---- descriptions */

/* 96 bits of a keyed hash. `text` empty: a source without a name has one of its own. */
static void make_name(const struct rtcp_hide *h, const uint8_t ssrc[WORD], struct str text,
		      char name[RTCP_HIDE_CNAME_LEN])
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint64_t in[3] = {h->party, 0, 0};
	uint64_t v[2];

	in[1] = text.len > 0 ? siphash(&h->key, text.p, text.len) : siphash(&h->key, ssrc, WORD);
	in[2] = text.len > 0;
	v[0] = siphash(&h->key, in, sizeof(in));
	in[2] |= 2;
	v[1] = siphash(&h->key, in, sizeof(in));
	for (size_t i = 0; i < RTCP_HIDE_CNAME_LEN; i++)
		name[i] = alphabet[v[i / 8] >> (6 * (i % 8)) & 63];
}

void rtcp_hide_name(const struct rtcp_hide *h, struct str text, char out[RTCP_HIDE_CNAME_LEN])
{
	CHECK(text.len > 0);
	make_name(h, NULL, text, out);
}

static void put_cname(struct out *o, const struct rtcp_hide *h, const uint8_t ssrc[WORD],
		      struct str text)
{
	char name[RTCP_HIDE_CNAME_LEN];
	make_name(h, ssrc, text, name);
	put_byte(o, ITEM_CNAME);
	put_byte(o, sizeof(name));
	put(o, name, sizeof(name));
	/* At least one zero byte, and up to a whole word: the SSRC and 18 bytes were written. */
	put(o, "\0\0", 2);
}

/* One chunk of `len` bytes at most. Returns how many it was; 0: malformed. The last zero byte of all may be missing
 * where a word ends: some leave it out. */
static size_t put_chunk(struct out *o, const uint8_t *p, size_t len, const struct rtcp_hide *h)
{
	struct str cname = STR_NONE;
	size_t at = WORD;

	if (len < WORD)
		return 0;
	while (at < len && p[at] != ITEM_END) {
		if (len - at < 2 || len - at - 2 < p[at + 1])
			return 0;
		if (p[at] == ITEM_CNAME && cname.len == 0)
			cname = (struct str){(const char *)p + at + 2, p[at + 1]};
		at += 2 + (size_t)p[at + 1];
	}
	put(o, p, WORD);
	put_cname(o, h, p, cname);
	at = at < len ? (at / WORD + 1) * WORD : at;
	return at <= len ? at : 0;
}

static enum err put_descriptions(struct out *o, const struct part *in, const struct rtcp_hide *h)
{
	const size_t start = o->len;
	size_t at = WORD;

	put(o, in->p, WORD);
	for (unsigned i = 0; i < in->count; i++) {
		const size_t n = put_chunk(o, in->p + at, in->len - at, h);
		if (n == 0)
			return ERR_BAD;
		at += n;
	}
	end_part(o, start);
	return OK;
}

/* ---- the other parts */

static void put_report(struct out *o, const struct part *in, size_t head)
{
	/* rtcp_check saw that the blocks are there. */
	put_whole(o, in, head + (size_t)BLOCK_LEN * in->count);
}

static enum err put_goodbye(struct out *o, const struct part *in)
{
	const size_t n = WORD + (size_t)WORD * in->count;

	if (n > in->len || (n < in->len && in->p[n] > in->len - n - 1))
		return ERR_BAD;
	put_whole(o, in, n);
	return OK;
}

static void put_feedback(struct out *o, const struct part *in)
{
	const bool generic = in->p[1] == TYPE_RTPFB;
	const bool remb = !generic && in->count == PSFB_APPLICATION && in->len >= FB_LEN + WORD &&
			  memcmp(in->p + FB_LEN, "REMB", WORD) == 0;

	if (in->len >= FB_LEN && (remb || (generic ? rtpfb_known : psfb_known) & BIT(in->count)))
		put_whole(o, in, in->len);
}

static enum err put_extended(struct out *o, const struct part *in)
{
	const size_t start = o->len;
	size_t at = XR_LEN;

	if (in->len < XR_LEN)
		return ERR_BAD;
	put(o, in->p, XR_LEN);
	const size_t empty = o->len;
	while (at < in->len) {
		const uint8_t *b = in->p + at;
		const size_t n = (((size_t)b[2] << 8 | b[3]) + 1) * WORD;
		if (n > in->len - at)
			return ERR_BAD;
		if (b[0] < 32 && xr_known & BIT(b[0]))
			put(o, b, n);
		at += n;
	}
	if (o->len == empty)
		o->len = start;
	else
		end_part(o, start);
	return OK;
}

static enum err put_part(struct out *o, const struct part *in, const struct rtcp_hide *h)
{
	switch (in->p[1]) {
	case RTCP_SR: put_report(o, in, SR_LEN); return OK;
	case RTCP_RR: put_report(o, in, RR_LEN); return OK;
	case RTCP_SDES: return in->count > 0 ? put_descriptions(o, in, h) : OK;
	case RTCP_BYE: return in->count > 0 ? put_goodbye(o, in) : OK;
	case TYPE_RTPFB:
	case TYPE_PSFB: put_feedback(o, in); return OK;
	case TYPE_XR: return put_extended(o, in);
	case TYPE_FIR:
	case TYPE_NACK:
		if (in->len == (in->p[1] == TYPE_FIR ? FIR_LEN : NACK_LEN))
			put_whole(o, in, in->len);
		return OK;
	default: return OK;
	}
}

enum err rtcp_hide(uint8_t *p, size_t *len, size_t cap, const struct rtcp_hide *h)
{
	CHECK(p && len && h);
	struct out o;
	struct rtcp_walk walk;
	struct rtcp_part part;

	o.len = 0;
	o.full = false;
	o.cap = cap < sizeof(o.bytes) ? cap : sizeof(o.bytes);
	rtcp_walk_init(&walk, p, *len);
	while (rtcp_walk_next(&walk, &part)) {
		const size_t padding = part.p[0] & 0x20 ? part.p[part.len - 1] : 0;
		const struct part in = {part.p, part.len - padding, part.count};
		/* Padding was counted by rtcp_check, the blocks of a report were not behind it. */
		const size_t head = in.p[1] == RTCP_SR ? SR_LEN : in.p[1] == RTCP_RR ? RR_LEN : 0;
		if (head > 0 && in.len < head + (size_t)BLOCK_LEN * in.count)
			return ERR_BAD;
		enum err e = put_part(&o, &in, h);
		if (e != OK)
			return e;
	}
	if (o.full)
		return ERR_LIMIT;
	memcpy(p, o.bytes, o.len);
	*len = o.len;
	return OK;
}
