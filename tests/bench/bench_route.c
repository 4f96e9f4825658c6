/* Where a call goes: twenty routes, among them one with a million prefixes; and what it costs by a sheet of a million. */
#include <stdio.h>
#include <stdlib.h>

#include "policy/hours.h"
#include "policy/route.h"
#include "policy/sheet.h"
#include "tests/bench/run.h"

enum { ROUTES = 20, CODES = 1000 * 1000, NUMBERS = 1 << 14 };

static struct route_rule routes[ROUTES];
static struct sheet million, few[ROUTES];
static char numbers[NUMBERS][24];
static struct policy_config config = {.routes = routes, .route_count = ROUTES};
static struct hours office = {.days = 0x1f, .span_count = 1, .spans = {{480, 1080}}};

static void find(void *arg, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++) {
		struct facts f = {.trunk = 1,
				  .number = str_from(numbers[i % NUMBERS]),
				  .wall_ms = 1767254400000};
		uint16_t at = 0;
		bench_keep(route_find(&config, &f, &at).outcome + at);
	}
}

static void line(void *arg, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		bench_keep(sheet_line(&million, str_from(numbers[i % NUMBERS])));
}

static void times(void *arg, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		bench_keep(hours_is(&office, 1767254400000 + i * 60000));
}

static void parse(struct sheet *s, char *text, size_t len)
{
	char mem[300];
	struct buf why;

	buf_init(&why, mem, sizeof(mem));
	CHECK(sheet_parse(s, (struct str){text, len}, &why) == OK);
}

int main(void)
{
	char *text = malloc((size_t)CODES * 10);
	size_t len = 0;
	uint32_t x = 1;

	CHECK(text);
	for (uint32_t i = 0; i < CODES; i++)
		len += (size_t)snprintf(text + len, 10, "%07u\n", i * 9u % 10000000u);
	const double before = bench_cpu_ns();
	parse(&million, text, len);
	bench_value("route: reading a file of a million prefixes", (bench_cpu_ns() - before) / 1e6,
		    "ms");
	for (int i = 0; i < ROUTES; i++) {
		char code[16];
		int n = snprintf(code, sizeof(code), "99%02d\n", i);
		parse(&few[i], code, (size_t)n);
		routes[i] = (struct route_rule){.name = STR("r"),
						.any_from = true,
						.when = {.plus = &few[i], .hours = &office}};
	}
	routes[ROUTES - 1].when = (struct route_when){.file = &million, .hours = &office};
	for (size_t i = 0; i < NUMBERS; i++) {
		x = x * 1664525u + 1013904223u;
		snprintf(numbers[i], sizeof(numbers[i]), "+%07u%04u", x % CODES * 9u % 10000000u,
			 (x >> 8) % 10000);
	}
	bench("route: one of a million prefixes", line, NULL);
	bench("route: is it office hours", times, NULL);
	bench("route: the last of 20, by a million prefixes", find, NULL);
	sheet_release(&million);
	for (int i = 0; i < ROUTES; i++)
		sheet_release(&few[i]);
	free(text);
	return 0;
}
