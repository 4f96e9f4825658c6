/* destinations: a table of what numbers are and cost; and amounts of money. */
#include "common/check.h"
#include "policy/destinations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = {(const char *)data, size};
	struct destinations t = {.count = 0};
	struct destinations_fault f;
	uint64_t parts = 0;

	enum err e = destination_money_parse(text, 40000, &parts);
	CHECK(parts <= 40000ull * DESTINATION_MONEY && (e == OK || parts == 0));
	e = destinations_parse(&t, text, &f);
	if (e != OK) {
		CHECK(e == ERR_NOMEM || f.why[0]);
		CHECK(t.count == 0 && !t.rows);
		return 0;
	}
	CHECK(t.count > 0);
	for (int d = 0; d < 100; d++) {
		const char number[] = {(char)('0' + d / 10), (char)('0' + d % 10), '1', '2'};
		size_t len = 0;
		const struct destination *is =
			destinations_find(&t, (struct str){number, sizeof(number)}, &len);
		if (!is)
			continue;
		CHECK(len > 0 && len <= sizeof(number) && is->class_ < DESTINATION_CLASS_COUNT);
		CHECK(destination_name(&t, is).len > 0);
	}
	destinations_release(&t);
	return 0;
}
