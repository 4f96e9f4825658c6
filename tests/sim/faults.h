/* What was found wrong in a run. */
#ifndef SALLYPORT_SIM_FAULTS_H
#define SALLYPORT_SIM_FAULTS_H

#include <stddef.h>

#include "common/check.h"

enum { FAULTS_KEPT = 12, FAULTS_TEXT = 240 };

struct faults {
	size_t count; /* all, kept or not */
	char text[FAULTS_KEPT][FAULTS_TEXT];
};

void faults_add(struct faults *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
