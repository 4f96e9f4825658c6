#include "tests/support/check.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/sockaddr.h"

static void test_there_and_back(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int family;
		socklen_t len;
	} rows[] = {
		{"192.0.2.1:5060", AF_INET, sizeof(struct sockaddr_in)},
		{"0.0.0.0:1", AF_INET, sizeof(struct sockaddr_in)},
		{"[2001:db8::1]:65535", AF_INET6, sizeof(struct sockaddr_in6)},
		{"[::]:5061", AF_INET6, sizeof(struct sockaddr_in6)},
	};
	CHECK_TABLE(row, rows)
	{
		struct addr a, back;
		struct sockaddr_storage ss;
		EXPECT_ERR(addr_parse(str_from(row->name), &a), OK);
		EXPECT_INT(sockaddr_write(&a, &ss), row->len);
		EXPECT_INT(ss.ss_family, row->family);
		sockaddr_read((const struct sockaddr *)&ss, &back);
		EXPECT_TRUE(addr_eq(&a, &back));
	}
}

static void test_mapped_and_strange(void **state)
{
	(void)state;
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(99)};
	struct sockaddr sa = {.sa_family = AF_UNIX};
	struct addr a, want;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.7", &sin6.sin6_addr), 1);
	sockaddr_read((const struct sockaddr *)&sin6, &a);
	EXPECT_ERR(addr_parse(STR("192.0.2.7:99"), &want), OK);
	EXPECT_TRUE(addr_eq(&a, &want));
	sockaddr_read(&sa, &a);
	EXPECT_INT(a.family, ADDR_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_mapped_and_strange),
	};
	return cmocka_run_group_tests_name("sockaddr", tests, NULL, NULL);
}
