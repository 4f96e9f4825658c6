/* sheet: a table of dialling codes; the first byte says of which kind. */
#include "common/check.h"
#include "policy/sheet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sheet s = {.path = STR("f.csv")};
	char mem[300];
	struct buf why;

	if (size < 1)
		return 0;
	s.kind = data[0] & 1 ? SHEET_RATES : SHEET_PREFIXES;
	buf_init(&why, mem, sizeof(mem));
	enum err e = sheet_parse(&s, (struct str){(const char *)data + 1, size - 1}, &why);
	if (e != OK) {
		CHECK(why.len > 0 && s.rows == 0);
		return 0;
	}
	for (int d = 0; d < 10; d++) {
		char number[3] = {'+', (char)('0' + d), '1'};
		struct str n = {number, sizeof(number)};
		(void)sheet_line(&s, n);
		const struct sheet_price *p = s.kind == SHEET_RATES ? sheet_price(&s, n) : NULL;
		if (p)
			CHECK(sheet_cost(p, 60000) == (uint64_t)p->setup + p->per_minute);
	}
	sheet_release(&s);
	return 0;
}
