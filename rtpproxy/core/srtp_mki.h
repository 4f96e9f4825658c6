/*
 * The master key identifier in SRTP and SRTCP packets (RFC 3711 §3.1, §3.4; RFC 7714 §8.2): some bytes, not
 * authenticated, that name the key. In counter mode they stand before the tag, with GCM at the very end. Engines never
 * see them: they are taken off before a packet is opened, and put in after it was closed.
 */
#ifndef SALLYPORT_SRTP_MKI_H
#define SALLYPORT_SRTP_MKI_H

#include "pkt.h"
#include "srtp.h"

/* FATE_SENT: it is the key's, and gone; FATE_MKI: it names another; FATE_MALFORMED: no room for one. */
enum pkt_fate srtp_mki_strip(const struct srtp_key *k, struct pkt *pkt);
/* Is there room for it, tag and index? */
bool srtp_mki_has_room(const struct srtp_key *k, const struct pkt *pkt);
/* Into a protected packet. */
void srtp_mki_insert(const struct srtp_key *k, struct pkt *pkt);

#endif
