#include "rtcp_make.h"

#include <endian.h>
#include <string.h>

#include "common/check.h"

enum { WORD = 4, SR_LEN = 28, RR_LEN = 8, BLOCK_LEN = 24, SDES_LEN = 28, NAME_AT = 10 };
enum { TYPE_FIR = 192, TYPE_NACK = 193, TYPE_RTPFB = 205, TYPE_PSFB = 206 };
enum { ITEM_CNAME = 1, LOST_MAX = 0x7fffff, US = 1000000 };
#define NTP_OF_1970 UINT64_C(2208988800)

static void set32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static void set_head(uint8_t *p, unsigned count, unsigned type, size_t len)
{
	set32(p, 0x80000000 | count << 24 | type << 16 | (uint32_t)(len / WORD - 1));
}

void rtcp_make_heard(struct rtcp_make *k, const struct rtcp_part *sr, uint64_t at_us)
{
	CHECK(sr->type == RTCP_SR);
	k->sr_ssrc = sr->ssrc;
	k->sr_mid = sr->ntp_mid;
	k->sr_us = at_us;
}

/* The sender's half of a report. */
static void put_sender(uint8_t *p, const struct rtcp_make_facts *f)
{
	set32(p, (uint32_t)(f->wall_us / US + NTP_OF_1970));
	set32(p + 4, (uint32_t)((f->wall_us % US << 32) / US));
	set32(p + 8, continuity_timestamp(f->sends, f->mono_us));
	set32(p + 12, f->sends->packets);
	set32(p + 16, f->sends->octets);
}

/* RFC 3550 A.3, of the time since the last block. */
static uint32_t fraction_lost(const struct rtcp_make *k, uint32_t expected, uint32_t received)
{
	const uint32_t due = expected - k->expected, came = received - k->received;
	if (due == 0 || came >= due)
		return 0;
	/* Something has come, or there would be no block: below 256. */
	return (uint32_t)(((uint64_t)(due - came) << 8) / due);
}

/* Since its last sender report, in 1/65536 s. */
static uint32_t since_sr(const struct rtcp_make *k, uint64_t now_us)
{
	const uint64_t since = now_us > k->sr_us ? (now_us - k->sr_us) * 65536 / US : 0;
	return since < UINT32_MAX ? (uint32_t)since : UINT32_MAX;
}

static void put_block(const struct rtcp_make *k, const struct rtcp_make_facts *f, uint32_t expected,
		      uint8_t *p)
{
	const struct quality *q = f->hears;
	int32_t lost = (int32_t)(expected - q->received);
	const bool has_sr = k->sr_us != 0 && k->sr_ssrc == q->ssrc;
	lost = lost > LOST_MAX ? LOST_MAX : lost < -LOST_MAX ? -LOST_MAX : lost;
	set32(p, q->ssrc);
	set32(p + 4, fraction_lost(k, expected, q->received) << 24 | ((uint32_t)lost & 0xffffff));
	set32(p + 8, q->cycles + q->max_seq);
	set32(p + 12, q->jitter_x16 >> 4);
	set32(p + 16, has_sr ? k->sr_mid : 0);
	set32(p + 20, has_sr ? since_sr(k, f->mono_us) : 0);
}

/* 0 or 1 blocks at p. */
static unsigned report_heard(struct rtcp_make *k, const struct rtcp_make_facts *f, uint8_t *p)
{
	const struct quality *q = f->hears;
	const uint32_t expected = q->cycles + q->max_seq - q->base_seq + 1;
	if (!q->started)
		return 0;
	/* Another source, or the same that started over. */
	if (q->ssrc != k->ssrc || q->received < k->received || expected < k->expected) {
		k->ssrc = q->ssrc;
		k->expected = k->received = 0;
	}
	if (q->received == k->received)
		return 0;
	put_block(k, f, expected, p);
	k->expected = expected;
	k->received = q->received;
	return 1;
}

static size_t put_name(uint8_t *p, uint32_t ssrc, const char name[RTCP_HIDE_CNAME_LEN])
{
	set_head(p, 1, RTCP_SDES, SDES_LEN);
	set32(p + 4, ssrc);
	p[8] = ITEM_CNAME;
	p[9] = RTCP_HIDE_CNAME_LEN;
	memcpy(p + NAME_AT, name, RTCP_HIDE_CNAME_LEN);
	p[SDES_LEN - 2] = p[SDES_LEN - 1] = 0;
	return SDES_LEN;
}

size_t rtcp_make(struct rtcp_make *k, const struct rtcp_make_facts *f, uint8_t *out)
{
	const struct continuity *c = f->sends;
	CHECK(c->state != CONTINUITY_OFF && c->state != CONTINUITY_GIVEN);
	const bool sender = c->packets != k->packets[1];
	const size_t head = sender ? SR_LEN : RR_LEN;
	const unsigned blocks = report_heard(k, f, out + head);
	const size_t len = head + (size_t)BLOCK_LEN * blocks;
	set_head(out, blocks, sender ? RTCP_SR : RTCP_RR, len);
	set32(out + 4, c->out_ssrc);
	if (sender)
		put_sender(out + RR_LEN, f);
	k->packets[1] = k->packets[0];
	k->packets[0] = c->packets;
	return len + put_name(out + len, c->out_ssrc, f->name);
}

uint32_t rtcp_make_wait_ms(bool first, uint32_t random)
{
	const uint32_t whole = first ? RTCP_MAKE_INTERVAL_MS / 2 : RTCP_MAKE_INTERVAL_MS;
	return whole / 2 + (uint32_t)((uint64_t)random * whole >> 32);
}

static bool is_feedback(const struct rtcp_part *part)
{
	return part->type == TYPE_RTPFB || part->type == TYPE_PSFB || part->type == TYPE_FIR ||
	       part->type == TYPE_NACK;
}

static bool has_feedback(const uint8_t *p, size_t len)
{
	struct rtcp_walk w;
	struct rtcp_part part;
	rtcp_walk_init(&w, p, len);
	while (rtcp_walk_next(&w, &part))
		if (is_feedback(&part))
			return true;
	return false;
}

void rtcp_make_keep(uint8_t *p, size_t *len, const char name[RTCP_HIDE_CNAME_LEN])
{
	struct rtcp_walk w;
	struct rtcp_part part;
	size_t to = 0;
	if (!has_feedback(p, *len)) {
		*len = 0;
		return;
	}
	/* No part becomes longer, so the walk reads what is still as it was. */
	rtcp_walk_init(&w, p, *len);
	while (rtcp_walk_next(&w, &part)) {
		if (is_feedback(&part)) {
			memmove(p + to, part.p, part.len);
			to += part.len;
		} else if (to == 0 && (part.type == RTCP_SR || part.type == RTCP_RR)) {
			set_head(p, 0, RTCP_RR, RR_LEN);
			set32(p + 4, part.ssrc);
			to = RR_LEN;
		} else if (to == RR_LEN && part.type == RTCP_SDES && part.len >= SDES_LEN) {
			to += put_name(p + to, part.ssrc, name);
		}
	}
	*len = to;
}
