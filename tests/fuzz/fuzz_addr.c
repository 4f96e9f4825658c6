/* addr: addresses and prefixes are written so that they parse to the same. */
#include "common/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_addr(struct str s)
{
	char mem[64];
	struct addr a, again;
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	if (addr_parse(s, &a) != OK)
		return;
	CHECK(addr_class(&a) < ADDR_CLASS_COUNT);
	addr_write(&b, &a);
	CHECK(addr_parse(buf_view(&b), &again) == OK && addr_eq(&a, &again));
	buf_reset(&b);
	addr_write_ip(&b, &a);
	CHECK(addr_parse_ip(buf_view(&b), &again) == OK && addr_eq_ip(&a, &again));
}

static void check_prefix(struct str s)
{
	char mem[64];
	struct prefix p, again;
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	if (prefix_parse(s, &p) != OK)
		return;
	CHECK(prefix_has(&p, &p.addr));
	prefix_write(&b, &p);
	CHECK(prefix_parse(buf_view(&b), &again) == OK && again.bits == p.bits &&
	      addr_eq_ip(&p.addr, &again.addr));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = {(const char *)data, size};
	check_addr(s);
	check_prefix(s);
	return 0;
}
