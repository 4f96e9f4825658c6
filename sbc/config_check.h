/* Cross-checks: what is wrong or dangerous although each value by itself is right. */
#ifndef SALLYPORT_CONFIG_CHECK_H
#define SALLYPORT_CONFIG_CHECK_H

#include <stdint.h>

#include "common/conf_report.h"
#include "sbc/config_tables.h"

/* Looks over what was built; `s` and `raw` have the same realms, trunks, routes in the same order. What was
 * refused before (no index, a broken node) is passed over: nothing is said of it that may not be so. */
void config_check(struct conf_report *r, const struct raw_config *raw, const struct settings *s);
/* Routes that can never match (config_check_hidden.c). */
void config_check_hidden(struct conf_report *r, const struct raw_config *raw,
			 const struct settings *s);
/* What was written and is of no use (config_check_use.c). */
void config_check_use(struct conf_report *r, const struct raw_config *raw,
		      const struct settings *s);
/* Reads each certificate, key and anchor: there, whole, matching, valid at `now` (seconds). */
void config_check_files(struct conf_report *r, const struct raw_config *raw,
			const struct settings *s, int64_t now);

#endif
