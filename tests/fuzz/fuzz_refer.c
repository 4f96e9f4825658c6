/* Refer-To, Replaces, Subscription-State and sipfrag: what parses is written so that it parses to the same. */
#include "sbc/core/refer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_replaces(const struct refer_replaces *r)
{
	char mem[4096], read[REFER_REPLACES_MAX];
	struct refer_replaces again;
	struct refer_to to;
	struct buf b;

	buf_init(&b, mem, sizeof(mem));
	refer_replaces_write(&b, r);
	if (b.overflow)
		return;
	CHECK(refer_replaces_parse(buf_view(&b), &again) == OK);
	CHECK(str_eq(again.call_id, r->call_id) && str_eq(again.to_tag, r->to_tag) &&
	      str_eq(again.from_tag, r->from_tag) && again.early_only == r->early_only);
	buf_reset(&b);
	buf_lit(&b, "<sip:h?");
	refer_replaces_write_escaped(&b, r);
	buf_char(&b, '>');
	if (b.overflow)
		return;
	CHECK(refer_to_parse(buf_view(&b), read, &to) == OK && to.has_replaces);
	CHECK(str_eq(to.replaces.call_id, r->call_id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = {(const char *)data, size};
	char mem[REFER_REPLACES_MAX];
	struct refer_replaces replaces;
	struct refer_to to;
	enum refer_state state;
	uint32_t expires;
	uint16_t status;

	if (!hdr_is_clean(s)) {
		(void)!refer_frag_parse(s, &status);
		return 0;
	}
	if (refer_replaces_parse(s, &replaces) == OK)
		check_replaces(&replaces);
	if (refer_to_parse(s, mem, &to) == OK && to.has_replaces) {
		CHECK(hdr_is_clean(to.replaces.call_id));
		check_replaces(&to.replaces);
	}
	(void)!refer_state_parse(s, &state, &expires);
	if (refer_frag_parse(s, &status) == OK)
		CHECK(status >= 100 && status <= 699);
	return 0;
}
