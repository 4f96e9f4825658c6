#include "sbc/shell/destinations_file.h"

#include <stdlib.h>

#include "common/whole_file.h"

enum err destinations_file_read(struct destinations *t, struct buf *why)
{
	CHECK(t && why);
	struct destinations_fault fault;
	char *text;
	size_t n;
	enum err e = whole_file_read(t->path, DESTINATION_BYTES_MAX, &text, &n, why);

	if (e)
		return e;
	e = destinations_parse(t, (struct str){text, n}, &fault);
	free(text);
	if (e != OK && e != ERR_NOMEM)
		buf_printf(why, "%.*s:%u: %s", STR_ARG(t->path), fault.line, fault.why);
	return e;
}
