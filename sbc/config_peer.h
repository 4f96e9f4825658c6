/* The target of a peer: a small part of the SIP URI grammar, taken apart. */
#ifndef SALLYPORT_CONFIG_PEER_H
#define SALLYPORT_CONFIG_PEER_H

#include "common/err.h"
#include "common/str.h"
#include "sbc/core/settings.h"

/* sip[s]:HOST[:PORT][;transport=udp|tcp|tls]. ERR_BAD with *why, static text. */
enum err config_read_peer(struct str uri, struct peer *out, const char **why) MUST_USE;

#endif
