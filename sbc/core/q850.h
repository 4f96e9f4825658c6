/*
 * Causes of Q.850 and statuses of SIP, each as the other (RFC 3398 §7.2.4.1, §8.2.6.1), and the Reason that we give of our
 * own accord (RFC 3326).
 */
#ifndef SALLYPORT_Q850_H
#define SALLYPORT_Q850_H

#include <stdint.h>

#include "common/buf.h"

/* 127 (interworking) for a status that is not known; 0 below 300. */
uint16_t q850_of_status(uint16_t status);
/* 500 for a cause that is not known; 0 for what is no failure (16). */
uint16_t q850_to_status(uint16_t cause);
/* A Reason line of both protocols for that status: `Reason: SIP;cause=408, Q.850;cause=102`. Nothing below 300. */
void q850_write_reason(struct buf *lines, uint16_t status);

#endif
