#include "run.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 11 };
static const double round_ns = 20e6;

/* ---- counting: these stand before libc's own in every library that the program loads */

static atomic_uint_fast64_t allocations;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
	return __libc_realloc(p, n);
}

uint64_t bench_allocations(void)
{
	return atomic_load_explicit(&allocations, memory_order_relaxed);
}

/* ---- measuring */

double bench_cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double round_of(bench_fn fn, void *ctx, size_t n)
{
	double start = bench_cpu_ns();
	fn(ctx, n);
	return bench_cpu_ns() - start;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

void bench_line(const char *name, double took[], size_t n, double calls)
{
	qsort(took, n, sizeof(took[0]), by_size);
	printf("%-44s %10.1f ns  (%.1f … %.1f)  %.2f allocations\n", name, took[n / 2], took[0],
	       took[n - 1], calls);
	fflush(stdout);
}

double bench(const char *name, bench_fn fn, void *ctx)
{
	double took[ROUNDS];
	size_t n = 1;
	/* Grow until a round is long enough to measure; this also warms up. */
	for (double ns = 0; (ns = round_of(fn, ctx, n)) < round_ns && n < (size_t)1 << 40;)
		n = ns < round_ns / 16 ? n * 8 : (size_t)((double)n * round_ns / ns) + 1;
	uint64_t before = bench_allocations();
	for (int i = 0; i < ROUNDS; i++)
		took[i] = round_of(fn, ctx, n) / (double)n;
	double per_op = (double)(bench_allocations() - before) / ((double)n * ROUNDS);
	bench_line(name, took, ROUNDS, per_op);
	return took[ROUNDS / 2];
}

void bench_value(const char *name, double value, const char *unit)
{
	printf("%-44s %10.1f %s\n", name, value, unit);
	fflush(stdout);
}

void bench_keep(uint64_t v)
{
	__asm__ volatile("" : : "r"(v) : "memory");
}
