#include "sbc/shell/ban_wire.h"

#include "tests/support/check.h"

static void records_are_read_as_they_are_written_and_nothing_else_is(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		bool good;
	} rows[] = {
		{"fresh", "fresh", true},
		{"listeners", "listen udp 192.0.2.1:5060", true},
		{"of IPv6", "listen tcp [2001:db8::1]:5061", true},
		{"a ban", "ban 198.51.100.7/32 3600", true},
		{"of a prefix", "ban 2001:db8::/48 1", true},
		{"a lift", "lift 198.51.100.7/32", true},
		{"nothing", "", false},
		{"another verb", "flush 1", false},
		{"too much", "fresh now", false},
		{"too much of a lift", "lift 198.51.100.7/32 1", false},
		{"without a port", "listen udp 192.0.2.1", false},
		{"another protocol", "listen sctp 192.0.2.1:5060", false},
		{"host bits", "ban 198.51.100.7/24 3600", false},
		{"no time", "ban 198.51.100.7/32 0", false},
		{"no end", "ban 198.51.100.7/32 4294967295", false},
		{"a word of the kernel's language", "ban 198.51.100.7/32}; 3600", false},
		{"two lines", "ban 198.51.100.7/32 3600\nfresh", false},
	};
	CHECK_TABLE(row, rows)
	{
		struct ban_wire w;
		char mem[BAN_WIRE_MAX];
		struct buf b;
		const enum err e = ban_wire_read(str_from(row->text), &w);
		EXPECT_ERR(e, row->good ? OK : ERR_BAD);
		if (e != OK)
			continue;
		buf_init(&b, mem, sizeof(mem));
		ban_wire_write(&b, &w);
		EXPECT_Z(buf_view(&b), row->text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_read_as_they_are_written_and_nothing_else_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
