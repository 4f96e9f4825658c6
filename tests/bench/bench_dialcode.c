/* The longest of a million dialling codes: numbers that end in one, in the order of chance, so that the trie is cold. */
#include "policy/dialcode.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/run.h"

enum { CODES = 1000 * 1000, TEXT = 16, NUMBERS = 1 << 16 };

static char texts[CODES][TEXT];
static struct dialcode_row rows[CODES];
static char numbers[NUMBERS][32];
static struct dialcodes codes;

static void find(void *arg, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		bench_keep((uint64_t)dialcodes_find(&codes, str_from(numbers[i % NUMBERS]), NULL));
}

int main(void)
{
	size_t bad;
	uint32_t x = 1;

	/* As codes are: few countries, many ranges below them. */
	for (size_t i = 0; i < CODES; i++) {
		snprintf(texts[i], TEXT, "%07u", (unsigned)i * 9u % 10000000u);
		rows[i] = (struct dialcode_row){.digits = str_from(texts[i]), .value = (int32_t)i};
	}
	const double before = bench_cpu_ns();
	CHECK(dialcodes_build(&codes, rows, CODES, &bad) == OK);
	bench_value("dialcode: building a million codes", (bench_cpu_ns() - before) / 1e6, "ms");
	bench_value("dialcode: memory of a million codes",
		    (double)(codes.count * sizeof(*codes.nodes)) / 1e6, "MB");
	for (size_t i = 0; i < NUMBERS; i++) {
		x = x * 1664525u + 1013904223u;
		snprintf(numbers[i], sizeof(numbers[i]), "+%07u%04u", x % CODES * 9u % 10000000u,
			 (x >> 8) % 10000);
	}
	bench("dialcode: one of a million codes", find, NULL);
	dialcodes_release(&codes);
	return 0;
}
