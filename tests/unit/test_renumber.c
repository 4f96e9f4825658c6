/*
 * Numbers of a source out of which packets are taken, or into which others are put. A row is what happens, in
 * letters, and what numbers leave:  "p10" a packet passes, "s11" one is left out, "i" one of ours; an x: it has no place.
 */
#include "rtpproxy/core/renumber.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/media.h"

static void one(struct renumber *r, struct str word, char *out, size_t cap)
{
	const size_t n = strlen(out);
	uint16_t seq = 0, sent;
	if (word.len > 1)
		assert_int_equal(str_to_u16(str_from_offset(word, 1), UINT16_MAX, &seq), OK);
	switch (word.p[0]) {
	case 'p':
		if (renumber_pass(r, 1, seq, &sent))
			snprintf(out + n, cap - n, " %u", sent);
		else
			snprintf(out + n, cap - n, " x");
		break;
	case 'q': /* another source */
		if (renumber_pass(r, 2, seq, &sent))
			snprintf(out + n, cap - n, " %u", sent);
		break;
	case 's': renumber_skip(r, 1, seq); break;
	default: snprintf(out + n, cap - n, " [%u]", renumber_insert(r)); break;
	}
}

static void numbers_go_on_without_a_seam(void **state)
{
	(void)state;
	static const struct {
		const char *name, *what, *numbers;
	} rows[] = {
		{"nothing is done", "p10 p11 p12", " 10 11 12"},
		{"loss stays loss", "p10 p12 p15", " 10 12 15"},
		{"late and double keep their relation", "p10 p12 p11 p12", " 10 12 11 12"},
		{"what is left out leaves no gap", "p10 s11 s12 p13 p14", " 10 11 12"},
		{"left out twice, double", "p10 s11 s11 s12 p13", " 10 11"},
		{"before a gap is closed a late one keeps its number", "p8 p10 s11 p12 p9",
		 " 8 10 11 9"},
		{"one that was lost beside those left out", "p10 s11 s13 p14", " 10 12"},
		{"… and comes after all: its place is gone", "p10 s11 s13 p14 p12", " 10 12 x"},
		{"lost before those left out, and late", "p10 s12 s13 p14 p11", " 10 12 11"},
		{"lost behind those left out, and late", "p10 s11 p13 p12", " 10 12 11"},
		{"two gaps", "p10 s11 p12 s13 p14 p15", " 10 11 12 13"},
		{"ours in between", "p10 i i p11 p12", " 10 [11] [12] 13 14"},
		{"ours in the place of theirs", "p10 i s11 i s12 i p13", " 10 [11] [12] [13] 14"},
		{"more of ours than were left out", "p10 i s11 i i i p12",
		 " 10 [11] [12] [13] [14] 15"},
		{"fewer of ours than were left out", "p10 i s11 s12 s13 p14 p15", " 10 [11] 12 13"},
		{"a late one among ours has no place", "p10 i s12 i p11", " 10 [11] [12] x"},
		{"… nor behind them", "p10 i i p13 p12 p11 p14", " 10 [11] [12] 13 x x 14"},
		{"left out, then ours", "p10 s11 i p12", " 10 [11] 12"},
		{"ours twice", "p10 i p11 i p12", " 10 [11] 12 [13] 14"},
		{"over the end of the numbers", "p65534 s65535 s0 p1 p2", " 65534 65535 0"},
		{"ours over the end", "p65535 i i p0", " 65535 [0] [1] 2"},
		{"a new source has its own", "p10 s11 p12 q500 q501", " 10 11 500 501"},
		{"a source that begins anew under its name", "p40000 s40001 p40002 p7 p8 p9",
		 " 40000 40001 6 7 8"},
		{"all is left out from the start", "s10 s11 p12", " 10"},
	};
	CHECK_TABLE(row, rows)
	{
		struct renumber r;
		struct str rest = str_from(row->what), word;
		char out[128] = "";
		renumber_init(&r);
		while (str_cut_word(&rest, &word))
			one(&r, word, out, sizeof(out));
		EXPECT_Z(str_from(out), row->numbers);
	}
}

/* Chance: no number leaves twice within half the space, whatever happens. */
static void no_number_leaves_twice(void **state)
{
	(void)state;
	enum { ROUNDS = 200000 };
	static uint32_t when[65536];
	struct renumber r;
	uint64_t random = 5;
	uint16_t next = 65000, seen[8] = {0};
	renumber_init(&r);
	memset(when, 0, sizeof(when));
	for (uint32_t t = 40000; t < 40000 + ROUNDS; t++) {
		const uint64_t dice = media_random(&random) % 100;
		uint16_t out = 0, seq = next;
		bool sent = false;
		if (dice < 3 && r.started) {
			out = renumber_insert(&r);
			sent = true;
		} else {
			/* Sometimes lost, sometimes an old one that was not seen. */
			next = (uint16_t)(next + 1 + (dice < 10));
			if (dice >= 10 && dice < 15)
				seen[dice % 8] = seq;
			if (dice >= 15 && dice < 18 && seen[dice % 8]) {
				seq = seen[dice % 8];
				seen[dice % 8] = 0;
				next--;
			}
			if (dice >= 18 && dice < 30)
				renumber_skip(&r, 1, seq);
			else if (dice < 10 || dice >= 15)
				sent = renumber_pass(&r, 1, seq, &out);
		}
		if (!sent)
			continue;
		EXPECT_TRUE(when[out] == 0 || t - when[out] > 30000);
		when[out] = t;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_go_on_without_a_seam),
		cmocka_unit_test(no_number_leaves_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
