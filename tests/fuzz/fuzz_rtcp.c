/* Compound RTCP: what is let through is walked to its end, each report block is inside its part. */
#include "rtpproxy/core/rtcp.h"

#include <stdlib.h>
#include <string.h>

#include "rtpproxy/core/quality.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rtcp_walk walk;
	struct rtcp_part part;
	struct rtcp_block block;
	struct quality q;
	struct quality_report report;
	size_t seen = 0;
	unsigned parts = 0;
	if (rtcp_check(data, size) != OK)
		return 0;
	quality_init(&q);
	rtcp_walk_init(&walk, data, size);
	while (rtcp_walk_next(&walk, &part)) {
		CHECK(part.p == data + seen && part.len <= size - seen);
		for (unsigned i = 0; rtcp_part_block(&part, i, &block); i++) {
			CHECK(i < RTCP_BLOCKS_MAX);
			quality_sr_sent(&q, block.lsr, 1 + block.dlsr);
			quality_block(&q, &block, (uint64_t)block.jitter << 8);
		}
		seen += part.len;
		CHECK(++parts <= RTCP_PARTS_MAX);
	}
	CHECK(seen == size);
	/* Hiding changes texts alone: what was whole stays whole. */
	uint8_t *copy = malloc(size);
	memcpy(copy, data, size);
	if (rtcp_hide(copy, size, &(struct siphash_key){{3, 4}}) == OK) {
		CHECK(rtcp_check(copy, size) == OK);
		CHECK(rtcp_hide(copy, size, &(struct siphash_key){{3, 4}}) == OK);
	}
	free(copy);
	quality_report(&q, 0, &report);
	CHECK(report.mos >= 1 && report.mos <= 4.5);
	return 0;
}
