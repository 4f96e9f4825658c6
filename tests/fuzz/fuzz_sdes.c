/* sdes: what parses has a key of its suite's length, and is written so that it parses to the same. */
#include "common/sdes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sdes s, again;
	char mem[SDES_LINE_MAX];
	struct buf b;
	if (sdes_parse((struct str){(const char *)data, size}, &s) != OK)
		return 0;
	const struct sdes_suite_info *info = sdes_suite_info(s.suite);
	CHECK(s.key.len == (size_t)info->key_len + info->salt_len);
	buf_init(&b, mem, sizeof(mem));
	sdes_write(&b, &s);
	CHECK(!b.overflow);
	CHECK(sdes_parse(buf_view(&b), &again) == OK);
	CHECK(again.tag == s.tag && again.suite == s.suite && again.lifetime == s.lifetime &&
	      again.mki == s.mki && again.mki_len == s.mki_len && secret_eq(&s.key, &again.key));
	sdes_release(&s);
	sdes_release(&again);
	return 0;
}
