#include "sbc/core/codec.h"

#include <endian.h>
#include <string.h>

static void bad(struct codec *k)
{
	k->in.bad = true;
}

/* Writing, a bound that does not hold is our own mistake: then nothing of it is used. */
void codec_refuse(struct codec *k)
{
	if (k->out)
		k->out->overflow = true;
	else
		bad(k);
}

static void number(struct codec *k, uint64_t *v, unsigned octets)
{
	if (k->out) {
		uint64_t be = htobe64(*v << (64 - 8 * octets));
		struct buf *b = k->out;
		if (!b->overflow && b->cap - b->len >= sizeof(be)) {
			memcpy(b->p + b->len, &be, sizeof(be)); /* what is behind is overwritten */
			b->len += octets;
		} else {
			buf_bytes(b, &be, octets);
		}
		return;
	}
	uint64_t x = 0;
	for (unsigned i = 0; i < octets; i++)
		x = x << 8 | rd_u8(&k->in);
	*v = x;
}

void codec_u8(struct codec *k, uint8_t *v, unsigned most)
{
	uint64_t x = *v;

	number(k, &x, 1);
	*v = (uint8_t)x;
	if (*v > most)
		codec_refuse(k);
}

void codec_u16(struct codec *k, uint16_t *v)
{
	uint64_t x = *v;

	number(k, &x, 2);
	*v = (uint16_t)x;
}

void codec_u32(struct codec *k, uint32_t *v, uint32_t most)
{
	uint64_t x = *v;

	number(k, &x, 4);
	*v = (uint32_t)x;
	if (*v > most)
		codec_refuse(k);
}

void codec_u64(struct codec *k, uint64_t *v)
{
	number(k, v, 8);
}

/* Milliseconds since the epoch, or 0: before the year 2242. */
void codec_when(struct codec *k, uint64_t *v)
{
	number(k, v, 6);
	if (*v > UINT64_C(1) << 43)
		codec_refuse(k);
}

/* At most eight of them; bits behind them are none. */
void codec_bits(struct codec *k, bool *const *b, size_t n)
{
	uint64_t x = 0;

	for (size_t i = 0; i < n; i++)
		x |= (uint64_t)(*b[i] ? 1u : 0u) << i;
	number(k, &x, 1);
	for (size_t i = 0; i < n; i++)
		*b[i] = x >> i & 1;
	if (x >> n)
		codec_refuse(k);
}

/* A length below 255 is one octet, else three. */
static void length(struct codec *k, size_t *n)
{
	uint64_t x = *n < 255 ? *n : 255;

	number(k, &x, 1);
	if (x == 255) {
		x = *n;
		number(k, &x, 2);
		if (x < 255)
			codec_refuse(k);
	}
	*n = (size_t)x;
}

void codec_bytes(struct codec *k, struct str *s, size_t most)
{
	size_t n = s->len;

	length(k, &n);
	if (n > most) {
		codec_refuse(k);
		return;
	}
	if (k->out) {
		buf_str(k->out, *s);
		return;
	}
	const uint8_t *p = rd_bytes(&k->in, n);
	*s = p && n ? (struct str){(const char *)p, n} : STR_NONE;
}

/* What goes into a line of a message or a record: no control octet can begin another one. */
bool codec_is_line(struct str s, bool parted)
{
	for (size_t i = 0; i < s.len; i++)
		if (((uint8_t)s.p[i] < 0x20 && s.p[i] != '\t' && !(parted && s.p[i] == '\n')) ||
		    s.p[i] == 0x7f)
			return false;
	return true;
}

void codec_line(struct codec *k, struct str *s, size_t most)
{
	codec_bytes(k, s, most);
	if (!k->out && !codec_is_line(*s, false))
		bad(k);
}

void codec_fixed(struct codec *k, char *p, size_t n)
{
	if (k->out) {
		buf_bytes(k->out, p, n);
		return;
	}
	const uint8_t *at = rd_bytes(&k->in, n);
	if (at)
		memcpy(p, at, n);
}

void codec_address(struct codec *k, struct addr *a)
{
	codec_u8(k, &a->family, ADDR_IP6);
	if (a->family == ADDR_NONE)
		codec_refuse(k);
	codec_u16(k, &a->port);
	codec_fixed(k, (char *)a->ip, a->family == ADDR_IP6 ? 16 : 4);
}

bool codec_is_whole(const struct codec *k)
{
	return !k->out && !k->in.bad && k->in.left == 0;
}
