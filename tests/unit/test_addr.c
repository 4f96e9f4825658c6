#include "tests/support/check.h"
#include "tests/support/guard.h"

#include "common/addr.h"

/* Every spelling of an address (threats C4): what it is written as, and its class. want NULL: not an address. */
static void test_spellings(void **state)
{
	(void)state;
	static const struct {
		const char *name, *want;
		enum addr_class class;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", ADDR_CLASS_PUBLIC},
		{"8.8.8.8", "8.8.8.8", ADDR_CLASS_PUBLIC},
		{"10.0.0.1", "10.0.0.1", ADDR_CLASS_PRIVATE},
		{"172.16.0.1", "172.16.0.1", ADDR_CLASS_PRIVATE},
		{"172.31.255.255", "172.31.255.255", ADDR_CLASS_PRIVATE},
		{"172.32.0.0", "172.32.0.0", ADDR_CLASS_PUBLIC},
		{"172.15.255.255", "172.15.255.255", ADDR_CLASS_PUBLIC},
		{"192.168.1.1", "192.168.1.1", ADDR_CLASS_PRIVATE},
		{"100.64.0.0", "100.64.0.0", ADDR_CLASS_PRIVATE},
		{"100.127.255.255", "100.127.255.255", ADDR_CLASS_PRIVATE},
		{"100.128.0.0", "100.128.0.0", ADDR_CLASS_PUBLIC},
		{"127.0.0.1", "127.0.0.1", ADDR_CLASS_LOOPBACK},
		{"127.255.255.254", "127.255.255.254", ADDR_CLASS_LOOPBACK},
		{"169.254.169.254", "169.254.169.254", ADDR_CLASS_LINK_LOCAL},
		{"0.0.0.0", "0.0.0.0", ADDR_CLASS_UNSPECIFIED},
		{"0.1.2.3", "0.1.2.3", ADDR_CLASS_UNSPECIFIED},
		{"224.0.0.1", "224.0.0.1", ADDR_CLASS_MULTICAST},
		{"239.255.255.255", "239.255.255.255", ADDR_CLASS_MULTICAST},
		{"240.0.0.1", "240.0.0.1", ADDR_CLASS_BROADCAST},
		{"255.255.255.255", "255.255.255.255", ADDR_CLASS_BROADCAST},
		{"::", "::", ADDR_CLASS_UNSPECIFIED},
		{"::1", "::1", ADDR_CLASS_LOOPBACK},
		{"[::1]", "::1", ADDR_CLASS_LOOPBACK},
		{"0:0:0:0:0:0:0:1", "::1", ADDR_CLASS_LOOPBACK},
		{"0000:0000:0000:0000:0000:0000:0000:0001", "::1", ADDR_CLASS_LOOPBACK},
		{"::127.0.0.1", "::7f00:1", ADDR_CLASS_LOOPBACK},
		{"::ffff:127.0.0.1", "127.0.0.1", ADDR_CLASS_LOOPBACK},
		{"::FFFF:7f00:1", "127.0.0.1", ADDR_CLASS_LOOPBACK},
		{"0:0:0:0:0:ffff:10.0.0.1", "10.0.0.1", ADDR_CLASS_PRIVATE},
		{"[::ffff:0.0.0.0]", "0.0.0.0", ADDR_CLASS_UNSPECIFIED},
		{"64:ff9b::10.0.0.1", "64:ff9b::a00:1", ADDR_CLASS_PRIVATE},
		{"64:ff9b::8.8.8.8", "64:ff9b::808:808", ADDR_CLASS_PUBLIC},
		{"64:ff9b:1::1", "64:ff9b:1::1", ADDR_CLASS_PRIVATE},
		{"2002:7f00:1::", "2002:7f00:1::", ADDR_CLASS_LOOPBACK},
		{"2002:a00:1::5", "2002:a00:1::5", ADDR_CLASS_PRIVATE},
		{"2001:db8::1", "2001:db8::1", ADDR_CLASS_PUBLIC},
		{"2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a", ADDR_CLASS_PUBLIC},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", ADDR_CLASS_PUBLIC},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1", ADDR_CLASS_PUBLIC},
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", ADDR_CLASS_PUBLIC},
		{"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", ADDR_CLASS_PUBLIC},
		{"1::", "1::", ADDR_CLASS_PUBLIC},
		{"fc00::1", "fc00::1", ADDR_CLASS_PRIVATE},
		{"fdff::", "fdff::", ADDR_CLASS_PRIVATE},
		{"fe80::1", "fe80::1", ADDR_CLASS_LINK_LOCAL},
		{"febf::1", "febf::1", ADDR_CLASS_LINK_LOCAL},
		{"fec0::1", "fec0::1", ADDR_CLASS_PRIVATE},
		{"ff02::1", "ff02::1", ADDR_CLASS_MULTICAST},
		{"fe80::1%eth0", NULL, 0},
		{"010.0.0.1", NULL, 0},
		{"10.0.0.01", NULL, 0},
		{"0x7f.0.0.1", NULL, 0},
		{"0x7f000001", NULL, 0},
		{"2130706433", NULL, 0},
		{"127.1", NULL, 0},
		{"127.0.0.1.", NULL, 0},
		{".127.0.0.1", NULL, 0},
		{"127.0.0.256", NULL, 0},
		{"127.0.0", NULL, 0},
		{"127.0.0.1.1", NULL, 0},
		{"127.0..1", NULL, 0},
		{" 127.0.0.1", NULL, 0},
		{"127.0.0.1 ", NULL, 0},
		{"[127.0.0.1]", NULL, 0},
		{"[::1", NULL, 0},
		{"::1]", NULL, 0},
		{"[]", NULL, 0},
		{"", NULL, 0},
		{":", NULL, 0},
		{":::", NULL, 0},
		{"1:::2", NULL, 0},
		{"1::2::3", NULL, 0},
		{":1:2:3:4:5:6:7", NULL, 0},
		{"1:2:3:4:5:6:7:", NULL, 0},
		{"1:2:3:4:5:6:7", NULL, 0},
		{"1:2:3:4:5:6:7:8:9", NULL, 0},
		{"1:2:3:4:5:6:7::8", NULL, 0},
		{"::1:2:3:4:5:6:7:8", NULL, 0},
		{"1:2:3:4:5:6:7:8::", NULL, 0},
		{"12345::", NULL, 0},
		{"::g", NULL, 0},
		{"::10.0.0.1:1", NULL, 0},
		{"10.0.0.1::", NULL, 0},
		{"::ffff:10.0.0.1.1", NULL, 0},
		{"localhost", NULL, 0},
	};
	struct guard g;
	guard_init(&g, 128);
	CHECK_TABLE(row, rows)
	{
		struct addr a = {.family = 77};
		enum err e = addr_parse_ip(guard_put(&g, str_from(row->name)), &a);
		EXPECT_ERR(e, row->want ? OK : ERR_BAD);
		if (e != OK) {
			EXPECT_INT(a.family, 77);
			continue;
		}
		char mem[64];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		addr_write_ip(&b, &a);
		EXPECT_Z(buf_view(&b), row->want);
		EXPECT_INT(addr_class(&a), row->class);
		EXPECT_INT(addr_is_host(&a), row->class != ADDR_CLASS_MULTICAST &&
						     row->class != ADDR_CLASS_BROADCAST &&
						     row->class != ADDR_CLASS_UNSPECIFIED);
		struct addr again;
		EXPECT_ERR(addr_parse_ip(buf_view(&b), &again), OK);
		EXPECT_TRUE(addr_eq(&a, &again));
	}
	guard_release(&g);
}

static void test_with_port(void **state)
{
	(void)state;
	static const struct {
		const char *name, *want;
	} rows[] = {
		{"192.0.2.1:5060", "192.0.2.1:5060"},
		{"192.0.2.1", "192.0.2.1:0"},
		{"[2001:db8::1]:5061", "[2001:db8::1]:5061"},
		{"[2001:db8::1]", "[2001:db8::1]:0"},
		{"2001:db8::1", "[2001:db8::1]:0"},
		{"[::ffff:192.0.2.1]:99", "192.0.2.1:99"},
		{"1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:0"},
		{"192.0.2.1:65535", "192.0.2.1:65535"},
		{"192.0.2.1:65536", NULL},
		{"192.0.2.1:", NULL},
		{"192.0.2.1:x", NULL},
		{"192.0.2.1:+5", NULL},
		{"192.0.2.1:005060", NULL},
		{"[2001:db8::1]5061", NULL},
		{"[2001:db8::1]:", NULL},
		{"[192.0.2.1]:5060", NULL},
		{":5060", NULL},
		{"[]:5060", NULL},
		{"192.0.2.1:5060:5060", NULL},
		{"", NULL},
	};
	struct guard g;
	guard_init(&g, 128);
	CHECK_TABLE(row, rows)
	{
		struct addr a;
		enum err e = addr_parse(guard_put(&g, str_from(row->name)), &a);
		EXPECT_ERR(e, row->want ? OK : ERR_BAD);
		if (e != OK)
			continue;
		char mem[64];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		addr_write(&b, &a);
		EXPECT_Z(buf_view(&b), row->want);
	}
	guard_release(&g);
}

static struct addr addr_of(const char *text)
{
	struct addr a;
	EXPECT_ERR(addr_parse(str_from(text), &a), OK);
	return a;
}

static void test_equality(void **state)
{
	(void)state;
	struct addr a = addr_of("192.0.2.1:5060"), b = addr_of("192.0.2.1:5061"),
		    c = addr_of("[::c000:201]:5060");
	EXPECT_TRUE(addr_eq(&a, &a) && !addr_eq(&a, &b) && addr_eq_ip(&a, &b));
	EXPECT_TRUE(!addr_eq_ip(&a, &c));
	memset(a.ip + 4, 0xee, 12); /* bytes behind an IPv4 address do not count */
	EXPECT_TRUE(addr_eq_ip(&a, &b));
	char mem[64];
	struct buf buf;
	buf_init(&buf, mem, sizeof(mem));
	addr_write_host(&buf, &c);
	addr_write_host(&buf, &b);
	EXPECT_Z(buf_view(&buf), "[::c000:201]192.0.2.1");
}

static void test_prefixes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in,
			*out; /* an address inside, one outside; in NULL: no prefix */
	} rows[] = {
		{"192.0.2.0/24", "192.0.2.255", "192.0.3.0"},
		{"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
		{"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
		{"0.0.0.0/0", "255.255.255.255", "::1"},
		{"192.0.2.1", "192.0.2.1", "192.0.2.2"},
		{"192.0.2.1/32", "192.0.2.1", "192.0.2.0"},
		{"192.0.2.0/31", "192.0.2.1", "192.0.2.2"},
		{"2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"},
		{"2001:db8::1/128", "2001:db8::1", "2001:db8::2"},
		{"::/0", "ffff::", "192.0.2.1"},
		{"fe80::/10", "febf:ffff::", "fec0::"},
		{"192.0.2.1/24", NULL, NULL},
		{"192.0.2.0/33", NULL, NULL},
		{"2001:db8::/129", NULL, NULL},
		{"2001:db8::1/64", NULL, NULL},
		{"192.0.2.0/", NULL, NULL},
		{"192.0.2.0/024", NULL, NULL},
		{"192.0.2.0/24/24", NULL, NULL},
		{"192.0.2.0/-1", NULL, NULL},
		{"/24", NULL, NULL},
		{"", NULL, NULL},
		{"example.com/24", NULL, NULL},
	};
	CHECK_TABLE(row, rows)
	{
		struct prefix p, again;
		EXPECT_ERR(prefix_parse(str_from(row->name), &p), row->in ? OK : ERR_BAD);
		if (!row->in)
			continue;
		struct addr in = addr_of(row->in), out = addr_of(row->out);
		EXPECT_TRUE(prefix_has(&p, &in));
		EXPECT_TRUE(!prefix_has(&p, &out));
		char mem[64];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		prefix_write(&b, &p);
		EXPECT_ERR(prefix_parse(buf_view(&b), &again), OK);
		EXPECT_TRUE(addr_eq_ip(&p.addr, &again.addr) && p.bits == again.bits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_with_port),
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_prefixes),
	};
	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
