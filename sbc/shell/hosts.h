/* Addresses of a name in the text of /etc/hosts. Pure: the caller reads the file. */
#ifndef SALLYPORT_HOSTS_H
#define SALLYPORT_HOSTS_H

#include <stddef.h>

#include "common/addr.h"
#include "common/str.h"

/* At most `max` addresses of `family` for `name` (compared without case); how many. Lines that are
 * not understood are passed over. */
size_t hosts_find(struct str text, struct str name, enum addr_family family, struct addr *out,
		  size_t max);

#endif
