/*
 * The IP and UDP headers of a datagram that leaves by a raw socket: as an ordinary UDP socket of this
 * host would write them. Pure.
 */
#ifndef SALLYPORT_UDP_FRAME_H
#define SALLYPORT_UDP_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

enum { UDP_FRAME_IP4 = 28, UDP_FRAME_IP6 = 48, UDP_FRAME_MAX = UDP_FRAME_IP6 };

/* Of the same family, IP4 or IP6; len below 65,000. Returns UDP_FRAME_IP4 or UDP_FRAME_IP6. The IPv4
 * header's checksum is the kernel's to fill, the UDP checksum is there. */
size_t udp_frame_write(uint8_t out[UDP_FRAME_MAX], const struct addr *from, const struct addr *to,
		       uint8_t tos, const uint8_t *data, size_t len);

#endif
