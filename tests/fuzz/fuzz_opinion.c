/* opinion: the input is the answer of a service. */
#include <string.h>

#include "policy/opinion.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char mem[512 * 1024];
	static const struct trunk_rule trunks[] = {{.name = STR("pbx")}};
	static const struct opinion_rule rule = {.name = STR("opinion"), .to_count = 1};
	const struct policy_config c = {.trunks = trunks, .trunk_count = 1, .opinion = &rule};
	struct arena a;
	struct opinion_answer x;
	uint16_t trunk;
	arena_init(&a, mem, sizeof(mem));
	if (opinion_read((struct str){(const char *)data, size}, &a, &x) != OK)
		return 0;
	struct verdict v = opinion_judge(&c, &x, &trunk);
	CHECK(v.outcome == VERDICT_ALLOW || (v.status >= 400 && v.status <= 699));
	CHECK(trunk == POLICY_NO_INDEX || (trunk == 0 && x.word == OPINION_ROUTE));
	CHECK(!memchr(v.reason.p ? v.reason.p : "", '\n', v.reason.len));
	return 0;
}
