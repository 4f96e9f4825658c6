#include "faults.h"

#include <stdarg.h>
#include <stdio.h>

void faults_add(struct faults *f, const char *fmt, ...)
{
	if (f->count < FAULTS_KEPT) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(f->text[f->count], FAULTS_TEXT, fmt, ap);
		va_end(ap);
	}
	f->count++;
}
