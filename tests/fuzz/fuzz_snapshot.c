/* What is read back from a store: snapshots of calls, aliases, pages of names, words of other nodes. What is read is written again. */
#include "sbc/core/cluster.h"
#include "sbc/core/keep.h"
#include "sbc/core/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char out_mem[64 * 1024];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data, size};
	static struct snapshot x;
	struct cluster_word w;
	struct hide_name names[KEEP_PAGE];
	size_t count;
	struct buf b;

	buf_init(&b, out_mem, sizeof(out_mem));
	if (snapshot_decode(in, &x) == OK) {
		snapshot_encode(&b, &x);
		CHECK(str_eq(buf_view(&b), in));
	}
	buf_reset(&b);
	if (cluster_decode(in, &w) == OK) {
		cluster_encode(&b, &w);
		CHECK(str_eq(buf_view(&b), in));
	}
	if (keep_read_alias(in, &names[0]))
		CHECK(names[0].id != ID_NONE);
	if (keep_read_page(in, names, &count))
		CHECK(count <= KEEP_PAGE);
	return 0;
}
