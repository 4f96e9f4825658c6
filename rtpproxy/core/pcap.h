/*
 * The file format of captures (pcap, microseconds, raw IP) around UDP payload, with headers made of the addresses that
 * it had. Bytes only.
 */
#ifndef SALLYPORT_PCAP_H
#define SALLYPORT_PCAP_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

enum {
	PCAP_HEADER_LEN = 24,
	PCAP_PACKET_MAX = 16 + 40 + 8, /* before the payload: record, IPv6, UDP */
	PCAP_SNAP_LEN = 65535
};

/* What a file begins with. */
void pcap_write_header(uint8_t out[PCAP_HEADER_LEN]);
/* What stands before a payload of `len` bytes (at most 60,000) at p; returns its length. Both addresses are of one family. */
size_t pcap_write_packet(uint8_t out[PCAP_PACKET_MAX], uint64_t wall_us, const struct addr *from,
			 const struct addr *to, const uint8_t *p, size_t len);

#endif
