/* Packets for the media tests: RTP and RTCP bytes by field, struct pkt around a buffer, deterministic random. */
#ifndef SALLYPORT_TESTS_MEDIA_H
#define SALLYPORT_TESTS_MEDIA_H

#include <stddef.h>
#include <stdint.h>

#include "common/secret.h"
#include "rtpproxy/core/pkt.h"

struct media_rtp {
	uint32_t ssrc, timestamp;
	uint16_t seq;
	uint8_t payload_type, csrcs, extension_words, padding, fill;
	uint16_t payload;
};

/* A packet with a buffer of its own. */
struct media_pkt {
	struct pkt pkt;
	uint8_t bytes[PKT_BUFFER];
};

/* Returns the length. */
size_t media_rtp_write(const struct media_rtp *f, uint8_t *out);
/* SR with one report block about `about` (0: none); an RR when ntp_mid is 0. */
size_t media_rtcp_write(uint32_t ssrc, uint32_t ntp_mid, uint32_t about, uint32_t lsr,
			uint32_t dlsr, uint8_t *out);
/* Points pkt at its bytes. */
void media_pkt_set(struct media_pkt *m, enum pkt_kind kind, size_t len);
/* 192.0.2.host:port */
struct addr media_addr(uint8_t host, uint16_t port);

/* SplitMix64: the same numbers everywhere. */
uint64_t media_random(uint64_t *state);
void media_random_bytes(uint64_t *state, void *out, size_t n);
/* A key and salt of n bytes. */
struct secret media_key(uint64_t *state, size_t n);
/* "8001a2…" → bytes, spaces skipped; returns the length. */
size_t media_hex(const char *text, uint8_t *out, size_t cap);

#endif
