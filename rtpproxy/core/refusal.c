#include "rtpproxy/core/refusal.h"

#include "common/check.h"

static const struct {
	const char *label, *text;
} refusals[] = {{"none", ""},
#define X(name, label, text) {label, text},
		REFUSAL_TABLE(X)
#undef X
};
_Static_assert(ARRAY_LEN(refusals) == REFUSAL_COUNT, "one entry for each refusal");

const char *refusal_text(enum refusal r)
{
	CHECK(r < REFUSAL_COUNT);
	return refusals[r].text;
}

const char *refusal_label(enum refusal r)
{
	CHECK(r < REFUSAL_COUNT);
	return refusals[r].label;
}
