/* Checked view of an RTP header (RFC 3550 §5.1): nothing outside the packet is ever named (threats
 * D10). */
#ifndef SALLYPORT_RTP_H
#define SALLYPORT_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/check.h"

enum { RTP_HEADER_LEN = 12 };

struct rtp {
	uint32_t ssrc;
	uint32_t timestamp;
	uint16_t seq;
	uint16_t header_len; /* fixed part, CSRCs and extension: where the payload starts */
	uint16_t extension;  /* offset of the 4-byte extension header; 0: none */
	uint8_t payload_type;
	uint8_t csrc_count;
	bool marker;
	bool padded; /* the last byte of the plain payload counts the padding */
};

/* ERR_BAD: not version 2, or CSRCs or extension reach past the end. Padding is encrypted in SRTP:
 * rtp_payload_len checks it. */
enum err rtp_decode(const uint8_t *p, size_t len, struct rtp *out) MUST_USE;
/* Of a plain packet: bytes of payload without padding. ERR_BAD: the padding is longer than what
 * there is, or zero. */
enum err rtp_payload_len(const struct rtp *h, const uint8_t *p, size_t len,
			 size_t *out_len) MUST_USE;
/* Puts marker, payload type, sequence number, timestamp and SSRC of h into a packet that was decoded. */
void rtp_write(const struct rtp *h, uint8_t *p);
/* How far b is after a, modulo 2^16: −32768 … 32767. */
static inline int rtp_seq_distance(uint16_t a, uint16_t b)
{
	return (int16_t)(uint16_t)(b - a);
}

#endif
