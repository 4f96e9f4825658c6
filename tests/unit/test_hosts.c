#include "common/buf.h"
#include "sbc/shell/hosts.h"
#include "tests/support/check.h"

static const char text[] = "# a comment\n"
			   "127.0.0.1 localhost\n"
			   "192.0.2.1\tgw.example.net gw   other # gw3\n"
			   "  192.0.2.2 GW\r\n"
			   "not-an-address gw\n"
			   "\n"
			   "2001:db8::1 gw ip6\n"
			   "192.0.2.3 gw2";

static void names_in_the_file(void **state)
{
	(void)state;
	const struct {
		const char *name;
		struct str host;
		enum addr_family family;
		const char *want;
	} rows[] = {
		{"first name of a line", STR("localhost"), ADDR_IP4, "127.0.0.1"},
		{"several lines, in their order, without case", STR("gW"), ADDR_IP4,
		 "192.0.2.1 192.0.2.2"},
		{"the other family", STR("gw"), ADDR_IP6, "2001:db8::1"},
		{"the last line without a line end", STR("gw2"), ADDR_IP4, "192.0.2.3"},
		{"in a comment", STR("gw3"), ADDR_IP4, ""},
		{"part of a name", STR("example"), ADDR_IP4, ""},
		{"the address is no name", STR("127.0.0.1"), ADDR_IP4, ""},
	};
	CHECK_TABLE(row, rows)
	{
		struct addr found[4];
		char mem[256];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		size_t n = hosts_find(str_from(text), row->host, row->family, found, 4);
		for (size_t i = 0; i < n; i++) {
			if (i > 0)
				buf_char(&b, ' ');
			addr_write_ip(&b, &found[i]);
		}
		EXPECT_Z(buf_view(&b), row->want);
	}
}

static void no_more_than_asked_for(void **state)
{
	(void)state;
	struct addr found[1];
	EXPECT_INT(hosts_find(str_from(text), STR("gw"), ADDR_IP4, found, 1), 1);
	EXPECT_INT(hosts_find(STR_NONE, STR("gw"), ADDR_IP4, found, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_in_the_file),
		cmocka_unit_test(no_more_than_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
