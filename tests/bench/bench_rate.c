/* One decision of a limit among a million sources, in the order of chance: the table is cold. */
#include "policy/rate.h"
#include "policy/window.h"
#include "tests/bench/run.h"

#include <string.h>

enum { SOURCES = 1000 * 1000 };

static struct rate_table rates;
static struct window_table windows;

static struct str key_of(size_t i, uint8_t mem[17])
{
	const uint32_t source = (uint32_t)(i * 2654435761u) % SOURCES;

	memset(mem, 0, 17);
	memcpy(mem + 1, &source, sizeof(source));
	return (struct str){(const char *)mem, 17};
}

static void take(void *arg, size_t n)
{
	const struct rate_rule r = {100, 1000, 200};
	static uint64_t now;
	uint8_t mem[17];

	(void)arg;
	for (size_t i = 0; i < n; i++, now += 10000)
		bench_keep(rate_take(rate_table_find(&rates, 0, key_of(i, mem), now), &r, 1, now,
				     NULL));
}

static void add(void *arg, size_t n)
{
	static uint64_t now;
	uint8_t mem[17];

	(void)arg;
	for (size_t i = 0; i < n; i++, now++)
		bench_keep(window_add(&windows, key_of(i, mem), 1, now));
}

int main(void)
{
	const struct siphash_key secret = {{1, 2}};

	CHECK(rate_table_init(&rates, SOURCES, &secret) == OK);
	CHECK(window_init(&windows, SOURCES, 600 * 1000, &secret) == OK);
	bench_value("rate: memory of a million sources",
		    (double)(rates.sets * RATE_WAYS * sizeof(struct rate_entry)) / 1e6, "MB");
	bench_value("window: memory of a million keys",
		    (double)window_bytes(windows.sets * WINDOW_WAYS) / 1e6, "MB");
	bench("rate: one of a million sources", take, NULL);
	bench("window: one of a million keys", add, NULL);
	rate_table_release(&rates);
	window_release(&windows);
	return 0;
}
