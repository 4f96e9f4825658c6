/* Signatures of who calls (RFC 8224), by the one key that everybody in a world signs with. */
#ifndef SALLYPORT_SIM_SIGNER_H
#define SALLYPORT_SIM_SIGNER_H

#include "common/buf.h"
#include "sbc/core/credential.h"

/* What is fetched for it. */
const struct credential *signer_credential(void);
/* The header line, good at that time; `good`: signed with that key. */
void signer_write(struct buf *b, const char *from, const char *to, uint64_t wall_s, bool good);

#endif
