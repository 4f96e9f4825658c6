/*
 * Telephone events as a party may send them. Input: packets of one byte of how it comes (source, marker, an old number, a
 * tick), two of timestamp step, one of length, the payload. What is said is bounded by what was heard, and a number that
 * left is not given to another packet.
 */
#include <string.h>

#include "rtpproxy/core/dtmf.h"
#include "rtpproxy/core/renumber.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RATE = 8000, STEP_US = 20000, WINDOW = 4096 };

/* What leaves next to what came: by number, the packet that had it. */
static uint32_t left_by[65536];

static void check_number(uint16_t number, uint32_t packet)
{
	CHECK(left_by[number] == 0 || packet - left_by[number] > WINDOW);
	left_by[number] = packet;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dtmf_listen listen;
	struct dtmf_keys keys;
	struct renumber numbers;
	uint64_t now_us = 1000000;
	uint32_t timestamp = 0xfffff000, reports = 0, said = 0, packet = 0;
	uint16_t seq = 65500;
	dtmf_listen_init(&listen);
	renumber_init(&numbers);
	memset(left_by, 0, sizeof(left_by));
	while (size >= 4) {
		const uint8_t how = data[0];
		size_t len = data[3];
		timestamp += (uint32_t)(int16_t)(data[1] << 8 | data[2]);
		data += 4, size -= 4;
		len = len > size ? size : len;
		now_us += STEP_US * (how >> 6);
		packet++;
		if (how & 1) {
			dtmf_listen_tick(&listen, now_us, &keys);
		} else {
			const struct dtmf_heard h = {how >> 1 & 1, timestamp, RATE, (how & 4) != 0};
			dtmf_listen_step(&listen, &h, data, len, now_us, &keys);
			reports += (uint32_t)(len / DTMF_PAYLOAD_LEN);
		}
		CHECK(keys.count <= DTMF_REPORTS_MAX + 1);
		said += keys.count;
		CHECK(said <= reports);
		uint16_t out;
		if (how & 8) {
			renumber_skip(&numbers, 1, seq++);
		} else if ((how & 16) && numbers.started) {
			check_number(renumber_insert(&numbers), packet);
		} else if ((how & 32) == 0) {
			if (renumber_pass(&numbers, 1, seq++, &out))
				check_number(out, packet);
		} else {
			seq++; /* lost */
		}
		data += len, size -= len;
	}
	return 0;
}
