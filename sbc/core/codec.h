/*
 * Octets that nodes write for one another: one list of fields reads and writes, so that the two cannot differ. Numbers are
 * big-endian and have their bounds, texts their lengths. Who reads asks codec_is_whole at the end; until then what was read
 * may be anything within its bounds. Texts are views into the octets.
 */
#ifndef SALLYPORT_CODEC_H
#define SALLYPORT_CODEC_H

#include "common/addr.h"
#include "common/buf.h"
#include "common/rd.h"

struct codec {
	struct buf *out; /* NULL: it reads */
	struct rd in;
};

/* A field is out of its bounds: nothing of what was read or written is of use. */
void codec_refuse(struct codec *k);
void codec_u8(struct codec *k, uint8_t *v, unsigned most);
void codec_u16(struct codec *k, uint16_t *v);
void codec_u32(struct codec *k, uint32_t *v, uint32_t most);
void codec_u64(struct codec *k, uint64_t *v);
/* Milliseconds since the epoch, or 0. */
void codec_when(struct codec *k, uint64_t *v);
/* At most eight of them in one octet. */
void codec_bits(struct codec *k, bool *const *b, size_t n);
void codec_bytes(struct codec *k, struct str *s, size_t most);
/* No control octet that could begin another line; `parted`: but '\n'. */
bool codec_is_line(struct str s, bool parted);
void codec_line(struct codec *k, struct str *s, size_t most);
/* Exactly n octets, copied. */
void codec_fixed(struct codec *k, char *p, size_t n);
void codec_address(struct codec *k, struct addr *a);
/* Everything has been read, and nothing is left. */
bool codec_is_whole(const struct codec *k);

#endif
