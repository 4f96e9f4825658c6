/* struct addr ↔ struct sockaddr, for shells and io only: cores do not include this. */
#ifndef SALLYPORT_SOCKADDR_H
#define SALLYPORT_SOCKADDR_H

#include <sys/socket.h>

#include "addr.h"

/* Returns the length to give to the kernel. a->family must be IP4 or IP6. */
socklen_t sockaddr_write(const struct addr *a, struct sockaddr_storage *out);
/* Mapped IPv6 becomes IPv4. family ADDR_NONE for anything that is not IP. */
void sockaddr_read(const struct sockaddr *sa, struct addr *out);
/* Code point (RFC 2474) of what leaves from a socket of that family; 0: as it is. Where it cannot be set nothing is lost. */
void sockaddr_set_dscp(int fd, uint8_t family, uint8_t dscp);

#endif
