/* What the operator's command shows, as JSON. Reads; changes nothing. */
#ifndef SALLYPORT_STATUS_H
#define SALLYPORT_STATUS_H

#include "sbc/shell/sbc_metrics.h"

/* A buffer of this many bytes is enough for `calls` live calls. */
size_t status_calls_size(uint32_t calls);
void status_write(struct buf *b, const struct sbc_metrics *m, const struct sbc_facts *f,
		  uint64_t now_ms);
void status_write_calls(struct buf *b, const struct sbc_facts *f, uint64_t now_ms);

#endif
