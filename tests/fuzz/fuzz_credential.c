/* The list of numbers in a certificate, and the address that one is fetched from. */
#include "sbc/core/credential.h"

#include "common/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct str any = {"*", 1};
	struct str in = {(const char *)data, size};
	struct credential_list l;
	struct credential_url u;

	if (size && credential_read_list(data, size, &l) == OK) {
		CHECK(l.given && l.count <= CREDENTIAL_NUMBERS_MAX && (l.count || l.spc));
		for (size_t i = 0; i < l.count; i++)
			CHECK(l.numbers[i].digits >= 1 &&
			      l.numbers[i].digits <= CREDENTIAL_DIGITS_MAX);
		CHECK(credential_encompasses(&l, &l));
		(void)credential_covers(&l, STR("12155551212"));
	}
	if (credential_read_url(in, &u) == OK) {
		CHECK(u.host.len > 0 && u.port > 0);
		CHECK(u.path.len == 0 || u.path.p[0] == '/');
		if (u.port == 443)
			CHECK(credential_is_allowed(&u, &any, 1));
	}
	(void)credential_is_host(in);
	return 0;
}
