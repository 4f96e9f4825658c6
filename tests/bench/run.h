/*
 * Small benchmarks: a function does its work n times; the harness finds n, takes several rounds of CPU
 * time, and prints the median per operation with the heap allocations that one operation makes.
 */
#ifndef SALLYPORT_TESTS_BENCH_H
#define SALLYPORT_TESTS_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* Does the operation n times: the loop is inside. */
typedef void (*bench_fn)(void *ctx, size_t n);

/* Prints "name  median ns  (least … most)  allocations". Returns the median in nanoseconds. */
double bench(const char *name, bench_fn fn, void *ctx);
/* The same line for n figures in ns per operation that were taken otherwise; sorts them. */
void bench_line(const char *name, double took[], size_t n, double allocations);
/* CPU time of this process so far. */
double bench_cpu_ns(void);
/* A line of its own for what is not a time: "name  value unit". */
void bench_value(const char *name, double value, const char *unit);
/* The calls of malloc, calloc and realloc so far, of all threads. */
uint64_t bench_allocations(void);
/* Keeps the compiler from leaving out what gives v. */
void bench_keep(uint64_t v);

#endif
