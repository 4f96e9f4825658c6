/* NG over UDP and over a Unix datagram socket: one datagram is one request, with a cookie. */
#ifndef SALLYPORT_CTL_DGRAM_H
#define SALLYPORT_CTL_DGRAM_H

#include "rtpproxy/io/ctl.h"

/* ERR_IO (errno says why), ERR_LIMIT, ERR_NOMEM. */
enum err ctl_dgram_listen(struct ctl *c, const struct ctl_listen *where) MUST_USE;
/* Closes all sockets of c, also those that connections came from. */
void ctl_dgram_release(struct ctl *c);

#endif
