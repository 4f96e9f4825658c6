/* A line of the file of bans, or of another node: what can be read is written as it was read, and may be believed or not. */
#include <stdlib.h>

#include "policy/ban_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct siphash_key key = {{1, 2}};
	static const struct ban_rules rules = {
		.first_s = 60, .factor = 2, .most_s = 3600, .forget_s = 3600};
	const struct ban_time now = {1000, 1700000000000};
	static char mem[4 * BAN_LINE_MAX];
	struct bans bans;
	struct ban v, again;
	struct buf b;

	if (ban_read((struct str){(const char *)data, size}, &v) != OK)
		return 0;
	buf_init(&b, mem, sizeof(mem));
	ban_write(&b, &v);
	if (b.overflow || ban_read(buf_view(&b), &again) != OK || again.kind != v.kind ||
	    again.until_ms != v.until_ms || !addr_eq_ip(&again.source.addr, &v.source.addr))
		abort();
	if (ban_init(&bans, &key) != OK)
		return 0;
	(void)ban_import(&bans, &rules, &v, now);
	while (ban_expire(&bans, &rules, now, &v))
		;
	ban_release(&bans);
	return 0;
}
