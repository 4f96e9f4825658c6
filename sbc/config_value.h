/* Checks of single values that more than one section has: functions for conf_setting.check. */
#ifndef SALLYPORT_CONFIG_VALUE_H
#define SALLYPORT_CONFIG_VALUE_H

#include "common/conf.h"

/* A host name. */
void config_value_host(struct conf_report *r, const struct conf_node *n, const void *value);
/* What header rules write: one line, with the variables that there are. */
void config_value_template(struct conf_report *r, const struct conf_node *n, const void *value);
/* A regular expression (policy/pattern.h). */
void config_value_pattern(struct conf_report *r, const struct conf_node *n, const void *value);

/* "20%". */
bool config_read_percent(struct str s, uint8_t *out);
/* "50 calls", 5 to 1000. */
bool config_read_calls(struct str s, uint16_t *out);

#endif
