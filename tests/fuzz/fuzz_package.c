/* Event, Subscription-State and message summaries: what parses is written so that it parses to the same. */
#include "sbc/core/hdr.h"
#include "sbc/core/package.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 1 << 17 };
static char mem[OUT_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = {(const char *)data, size < OUT_MAX / 2 ? size : OUT_MAX / 2};
	struct package_event e, e2;
	struct package_state st, st2;
	struct buf b;

	buf_init(&b, mem, sizeof(mem));
	if (package_parse_event(s, &e) == OK) {
		package_write_event(&b, &e);
		CHECK(hdr_is_clean(buf_view(&b)) && package_parse_event(buf_view(&b), &e2) == OK &&
		      package_event_eq(&e, &e2));
	}
	buf_reset(&b);
	if (package_parse_state(s, &st) == OK) {
		package_write_state(&b, &st);
		CHECK(hdr_is_clean(buf_view(&b)) && package_parse_state(buf_view(&b), &st2) == OK &&
		      st2.terminated == st.terminated && st2.expires_s == st.expires_s &&
		      str_eq(st2.reason, st.reason));
	}
	buf_reset(&b);
	package_write_summary(&b, s);
	CHECK(!b.overflow && b.len <= 3 * s.len + 2);
	(void)package_body_crosses(s, TRUST_NONE);
	return 0;
}
