/* uri, addresses and header values: what parses is written so that it parses to the same. */
#include "sbc/core/hdr.h"
#include "sbc/core/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 1 << 18 };
static char mem[OUT_MAX];

static void check_uri(struct str s)
{
	struct uri u, again;
	struct buf b;
	if (uri_parse(s, &u) != OK)
		return;
	buf_init(&b, mem, sizeof(mem));
	uri_write(&b, &u);
	CHECK(!b.overflow && uri_parse(buf_view(&b), &again) == OK);
	CHECK(again.scheme == u.scheme && str_eq(again.user, u.user) &&
	      str_eq(again.host, u.host) && again.port == u.port &&
	      str_eq(again.params, u.params) && str_eq(again.headers, u.headers));
	CHECK(u.scheme == URI_TEL || u.scheme == URI_OTHER || uri_is_host(u.host));
	(void)uri_eq(&u, &again);
	(void)uri_host_bare(&u);
	buf_reset(&b);
	(void)!uri_write_number(&b, &u);
	buf_reset(&b);
	CHECK(u.scheme == URI_OTHER || uri_unescape(&b, u.user) == OK);
}

static void check_addresses(struct str s)
{
	struct name_addr a, again;
	for (size_t left = s.len + 1; name_addr_cut(&s, &a) == OK; left = s.len) {
		CHECK(s.len < left);
		struct buf b;
		struct uri u;
		buf_init(&b, mem, sizeof(mem));
		if (a.star || uri_parse(a.uri, &u) != OK)
			continue;
		name_addr_write(&b, &a);
		CHECK(hdr_is_clean(buf_view(&b)));
		CHECK(name_addr_parse(buf_view(&b), &again) == OK && str_eq(again.uri, a.uri));
		(void)name_addr_param(&a, STR("tag"), NULL);
	}
}

static void check_values(struct str s)
{
	struct str list = s, item, params;
	struct hdr_reason reason;
	struct hdr_rack rack;
	uint32_t seconds;
	size_t total = 0;
	while (hdr_list_cut(&list, &item))
		total += item.len;
	CHECK(total <= s.len);
	(void)hdr_list_has(s, STR("timer"));
	(void)!hdr_reason_parse(s, &reason);
	(void)!hdr_rack_parse(s, &rack);
	(void)!hdr_delta_parse(s, &seconds, &params);
	(void)hdr_find(s);
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	hdr_write_quoted(&b, s);
	CHECK(b.overflow || hdr_is_clean(buf_view(&b)));
	buf_reset(&b);
	uri_write_user(&b, s);
	CHECK(b.overflow || hdr_is_clean(buf_view(&b)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = {(const char *)data, size};
	check_uri(s);
	check_addresses(s);
	check_values(s);
	return 0;
}
