/*
 * Benchmarks: CPU time of this process, several runs of each, best and median per operation, and
 * how often malloc was called. Numbers of one machine, to be compared with numbers of the same hour.
 */
#ifndef SALLYPORT_BENCH_RUN_H
#define SALLYPORT_BENCH_RUN_H

#include <stddef.h>
#include <stdint.h>

enum { BENCH_RUNS = 7 };

/* Does `ops` operations on `arg`. */
typedef void bench_fn(void *arg, size_t ops);

/* Runs fn once to warm up and BENCH_RUNS times for the figures, prints a line, returns the best in ns per operation. */
double bench_run(const char *name, size_t ops, bench_fn *fn, void *arg);
/* The line for figures that were taken otherwise; sorts ns. */
void bench_print(const char *name, double ns[BENCH_RUNS], double allocations);
/* CPU time of this process. */
uint64_t bench_cpu_ns(void);
/* Calls of malloc, calloc and realloc so far. */
uint64_t bench_allocations(void);

#endif
