/* A record for the process that may change the packet filter: what is understood is written as it was read, in one line. */
#include <stdlib.h>
#include <string.h>

#include "sbc/shell/ban_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ban_wire w, again;
	char mem[BAN_WIRE_MAX];
	struct buf b;

	if (ban_wire_read((struct str){(const char *)data, size}, &w) != OK)
		return 0;
	buf_init(&b, mem, sizeof(mem));
	ban_wire_write(&b, &w);
	if (b.overflow || memchr(b.p, '\n', b.len) || ban_wire_read(buf_view(&b), &again) != OK ||
	    again.type != w.type || again.seconds != w.seconds)
		abort();
	return 0;
}
