#include "faults.h"

#include <stdarg.h>
#include <stdio.h>

_Static_assert(INV_COUNT <= 32, "a bit for each");

static const char *const names[] = {
#define X(id, name, text) name,
	INVARIANT_TABLE(X)
#undef X
};
static const char *const texts[] = {
#define X(id, name, text) text,
	INVARIANT_TABLE(X)
#undef X
};

const char *invariant_name(enum invariant i)
{
	return names[i];
}

const char *invariant_text(enum invariant i)
{
	return texts[i];
}

void faults_reset(struct faults *f)
{
	f->count = 0;
	f->broken = 0;
}

void faults_add(struct faults *f, enum invariant of, const char *fmt, ...)
{
	if (f->count < FAULTS_KEPT) {
		va_list ap;
		va_start(ap, fmt);
		vsnprintf(f->text[f->count], FAULTS_TEXT, fmt, ap);
		va_end(ap);
		f->of[f->count] = of;
	}
	f->broken |= 1u << of;
	f->count++;
}
