/* Identity headers: what is read is written so that it reads to the same; a Date likewise. */
#include "sbc/core/passport.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const struct passport *p)
{
	char mem[PASSPORT_VALUE_MAX * 2], scratch_mem[PASSPORT_SCRATCH];
	struct buf b, scratch;
	struct passport again;

	buf_init(&b, mem, sizeof(mem));
	buf_init(&scratch, scratch_mem, sizeof(scratch_mem));
	passport_write(&b, &p->claims, p->input, p->signature);
	if (b.overflow || b.len > PASSPORT_VALUE_MAX || str_has_char(p->claims.x5u, ';') ||
	    str_has_char(p->claims.x5u, '"'))
		return;
	if (passport_parse(buf_view(&b), &scratch, &again) != OK)
		return; /* an x5u that no header can hold */
	CHECK(str_eq(again.claims.orig_tn, p->claims.orig_tn));
	CHECK(again.claims.dest_tn_count == p->claims.dest_tn_count);
	CHECK(again.claims.kind == p->claims.kind && again.claims.attest == p->claims.attest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char mem[PASSPORT_SCRATCH], tn_mem[64], date[64];
	struct str in = {(const char *)data, size};
	struct buf scratch, tn, d;
	struct passport p;
	uint64_t s, again;

	buf_init(&scratch, mem, sizeof(mem));
	buf_init(&tn, tn_mem, sizeof(tn_mem));
	buf_init(&d, date, sizeof(date));
	if (passport_parse(in, &scratch, &p) == OK) {
		CHECK(p.info.len <= PASSPORT_URL_MAX);
		if (!p.compact && !p.bad_alg && !p.info_differs && p.claims.kind != PASSPORT_OTHER)
			check_written(&p);
	}
	if (passport_write_tn(&tn, in))
		CHECK(tn.len > 0 && tn.len <= PASSPORT_NUMBER_MAX);
	if (passport_parse_date(in, &s) == OK) {
		passport_write_date(&d, s);
		CHECK(passport_parse_date(buf_view(&d), &again) == OK && again == s);
	}
	return 0;
}
