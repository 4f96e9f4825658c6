#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t allocations;

/* The program's own definitions come before libc's, also for calls from inside shared libraries. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}

uint64_t bench_allocations(void)
{
	return allocations;
}

uint64_t bench_cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

void bench_print(const char *name, double ns[BENCH_RUNS], double calls)
{
	qsort(ns, BENCH_RUNS, sizeof(ns[0]), by_size);
	printf("%-64s %9.1f ns best %9.1f median %6.2f allocations\n", name, ns[0],
	       ns[BENCH_RUNS / 2], calls);
	fflush(stdout);
}

double bench_run(const char *name, size_t ops, bench_fn *fn, void *arg)
{
	double ns[BENCH_RUNS];
	fn(arg, ops);
	const uint64_t before = allocations;
	for (int i = 0; i < BENCH_RUNS; i++) {
		const uint64_t start = bench_cpu_ns();
		fn(arg, ops);
		ns[i] = (double)(bench_cpu_ns() - start) / (double)ops;
	}
	const double calls = (double)(allocations - before) / (double)(BENCH_RUNS * ops);
	bench_print(name, ns, calls);
	return ns[0];
}
