/* Compound RTCP: what is let through is walked to its end, each report block is inside its part. */
#include "rtpproxy/core/rtcp.h"

#include <stdlib.h>
#include <string.h>

#include "rtpproxy/core/quality.h"
#include "rtpproxy/core/rtcp_hide.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is shown is whole, has no part but the listed ones, and is shown as the same again but for its names. */
static void hide(const uint8_t *data, size_t size)
{
	const struct rtcp_hide h = {{{3, 4}}, 5};
	struct rtcp_walk walk;
	struct rtcp_part part;
	size_t len = size;
	const size_t cap = size + 64;
	uint8_t *copy = malloc(cap);
	CHECK(copy);
	memcpy(copy, data, size);
	if (rtcp_hide(copy, &len, cap, &h) != OK) {
		CHECK(len == size && memcmp(copy, data, size) == 0);
		free(copy);
		return;
	}
	CHECK(len <= cap);
	CHECK(len == 0 || rtcp_check(copy, len) == OK);
	rtcp_walk_init(&walk, copy, len);
	while (rtcp_walk_next(&walk, &part)) {
		CHECK(!(part.p[0] & 0x20) && part.type != RTCP_APP);
		CHECK(part.type != RTCP_BYE || part.len == 4 + 4u * part.count);
		CHECK(part.type != RTCP_SDES || part.len == 4 + 24u * part.count);
	}
	const size_t before = len;
	CHECK(rtcp_hide(copy, &len, cap, &h) == OK && len == before);
	free(copy);
}

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
	hide(data, size);
	quality_report(&q, 0, &report);
	CHECK(report.mos >= 1 && report.mos <= 4.5);
	return 0;
}
