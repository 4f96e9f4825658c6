/*
 * The three kinds of assertion (style §6).
 *
 * CHECK(x)  what we promise each other: holds whatever any peer sends. Aborts.
 * NEVER(x)  believed impossible, but a peer or the kernel might prove us wrong: yields true when it
 *           happened, after counting and saying so once; the caller takes the safe branch.
 * DCHECK(x) true but dear to check: in test builds only.
 *
 * None of the arguments may have side effects, and no CHECK may look at bytes that came over a
 * wire.
 */
#ifndef SALLYPORT_CHECK_H
#define SALLYPORT_CHECK_H

#include <stdbool.h>

#define CHECK(x) ((x) ? (void)0 : check_failed(#x, __FILE__, __LINE__))
#ifndef NEVER /* lint tells cppcheck that it is (x): it does not follow the call */
#define NEVER(x) ((x) ? check_never(#x, __FILE__, __LINE__) : false)
#endif
#ifdef SALLYPORT_DEBUG
#define DCHECK(x) CHECK(x)
#else
#define DCHECK(x) ((void)0)
#endif

#define ARRAY_LEN(a)               (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, m) ((type *)(void *)((char *)(ptr)-offsetof(type, m)))
#define MUST_USE                   __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a)          __attribute__((format(printf, f, a)))

_Noreturn void check_failed(const char *what, const char *file, int line);

/* Counts the event, prints its first occurrence to stderr, returns true. */
bool check_never(const char *what, const char *file, int line);

/* How often any NEVER fired since the start; a metric of both daemons. */
unsigned long check_never_count(void);

#endif
