/* zone: a TZif file from the host's folder, or one that somebody put there. */
#include "common/check.h"
#include "policy/hours.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(16) char memory[256 * 1024];
	struct arena a;
	struct zone z = {.name = STR("fuzz")};
	struct zone_rule rule;

	arena_init(&a, memory, sizeof(memory));
	if (zone_rule_parse((struct str){(const char *)data, size}, &rule) == OK) {
		struct zone by_rule = {.has_rule = true, .rule = rule};
		for (int64_t t = -4000000000; t < 8000000000; t += 86400 * 37 + 3571)
			(void)zone_offset(&by_rule, t);
	}
	if (zone_decode(&z, &a, data, size) != OK)
		return 0;
	CHECK(z.count <= ZONE_TRANSITIONS_MAX);
	for (size_t i = 0; i < z.count; i++)
		CHECK(i == 0 || z.at[i - 1] < z.at[i]);
	const struct hours h = {.days = 0x1f, .span_count = 1, .spans = {{60, 120}}, .zone = &z};
	for (int64_t t = -4000000000; t < 8000000000; t += 86400 * 37 + 3571) {
		int32_t offset = zone_offset(&z, t);
		CHECK(offset > -30 * 3600 && offset < 30 * 3600);
		if (t >= 0)
			(void)hours_is(&h, (uint64_t)t * 1000);
	}
	return 0;
}
