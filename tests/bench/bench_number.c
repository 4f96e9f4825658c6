/* Number rules over one number: the first matches, the last does, none does, and there are none. */
#include "policy/number.h"

#include "policy/pattern.h"
#include "tests/bench/run.h"

static char memory[1 << 18];
static struct arena arena;

struct load {
	const struct number_rules *rules;
	struct str number;
};

static const struct route_pattern *compile(const char *text)
{
	const struct route_pattern *p = NULL;
	char why[100];
	struct buf b;

	buf_init(&b, why, sizeof(why));
	CHECK(pattern_compile(&arena, str_from(text), &p, &b) == OK);
	return p;
}

static void apply(void *arg, size_t n)
{
	const struct load *l = arg;
	char mem[64];
	struct buf b;

	for (size_t i = 0; i < n; i++) {
		buf_init(&b, mem, sizeof(mem));
		bench_keep(number_of(l->rules, NUMBER_TO, l->number, &b).len);
	}
}

int main(void)
{
	arena_init(&arena, memory, sizeof(memory));
	const struct number_rule rules[] = {
		{.match = compile("^00(\\d+)$"), .to = STR("+\\1"), .fields = 1 << NUMBER_TO},
		{.match = compile("^(110|112)$"), .to = STR("\\1"), .fields = 1 << NUMBER_TO},
		{.match = compile("^0(\\d+)$"), .to = STR("+49\\1"), .fields = 1 << NUMBER_TO},
	};
	const struct number_rules all = {STR("in"), rules, ARRAY_LEN(rules)};
	struct load l = {&all, STR("004930555123")};

	bench("number: the first of three rules", apply, &l);
	l.number = STR("030555123");
	bench("number: the last of three rules", apply, &l);
	l.number = STR("+4930555123");
	bench("number: none of three rules", apply, &l);
	l.rules = NULL;
	bench("number: no rules", apply, &l);
	return 0;
}
