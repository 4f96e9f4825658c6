/* geo_db: the input is the file, of one kind or the other. What is taken answers for any address. */
#include <string.h>

#include "sbc/shell/geo_db.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libmaxminddb 1.7.1 forgets a few kilobytes where metadata are broken in some ways: once for each such file. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libmaxminddb";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char mem[256];
	struct buf why;
	struct geo_db *db = NULL;
	if (size < 64)
		return 0;

	enum geo_kind kind = data[size - 1] & 1 ? GEO_KIND_ASN : GEO_KIND_COUNTRY;
	buf_init(&why, mem, sizeof(mem));
	if (geo_db_open_bytes(&db, kind, (struct str){(const char *)data, size}, &why) != OK &&
	    geo_db_open_bytes(&db, !kind, (struct str){(const char *)data, size}, &why) != OK) {
		CHECK(db == NULL && why.len > 0);
		return 0;
	}
	for (unsigned i = 0; i < 64; i++) {
		struct addr a = {.family = i & 1 ? ADDR_IP6 : ADDR_IP4};
		char country[2];
		memcpy(a.ip, data + i % (size - 16), 16);
		CHECK(geo_db_country(db, &a, country) == (country[0] != '\0'));
		(void)geo_db_asn(db, &a);
	}
	geo_db_free(&db);
	return 0;
}
