/* The sums of an ended dialogue; what a query shows is in test_relay. */
#include <string.h>

#include "rtpproxy/core/report.h"
#include "tests/support/check.h"

static void one_way_and_silent(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool answered, connected;
		unsigned packets[2];
		bool one_way;
		unsigned silents;
	} rows[] = {
		{"both sent", true, true, {5, 5}, false, 0},
		{"the callee never sent", true, true, {5, 0}, true, 1},
		{"the caller never sent", true, true, {0, 5}, true, 1},
		{"nobody sent", true, true, {0, 0}, false, 2},
		{"never answered", false, false, {0, 0}, false, 0},
	};
	struct srtp_worker w;
	EXPECT_ERR(srtp_worker_init(&w, "openssl"), OK);
	CHECK_TABLE(row, rows)
	{
		struct dialogue d;
		struct leg_media m[2];
		struct report_sums sums;
		memset(&d, 0, sizeof(d));
		d.answered = row->answered;
		for (unsigned s = 0; s < 2; s++) {
			leg_media_init(&m[s], 0, &w);
			m[s].connected = row->connected;
			m[s].streams[LEG_RTP].stats.rx_packets = row->packets[s];
			stream_count_drop(&m[s].streams[LEG_RTP], FATE_SOURCE, 3);
			d.legs[s].media[0] = &m[s];
			d.legs[s].media_count = 1;
		}
		report_sum(&d, &sums);
		EXPECT_INT(sums.one_way, row->one_way);
		EXPECT_INT(sums.silents, row->silents);
		EXPECT_U64(sums.packets, row->packets[0] + row->packets[1]);
		EXPECT_U64(sums.errors, 6);
		leg_media_release(&m[0]);
		leg_media_release(&m[1]);
	}
	srtp_worker_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_way_and_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
