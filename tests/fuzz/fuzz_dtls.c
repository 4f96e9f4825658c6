/*
 * Datagrams from strangers into DTLS associations: a server that wants a cookie, one that does not, one in the middle of a
 * handshake, a client that waits, and one that is up. One input is a row of datagrams: a byte says to whom, two its length, then
 * come its bytes. What was up stays up with its keys; nothing is ever sent that is longer than a path carries.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "rtpproxy/core/dtls.h"
#include "tests/support/media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COOKIE, EAGER, BUSY, CLIENT, UP, SIDES };

static struct dtls_worker worker;
static struct dtls sides[SIDES], peer;
static struct secret kept;

static void begin(unsigned i, enum dtls_role role)
{
	dtls_release(&sides[i]);
	dtls_init(&sides[i], &worker, role, 1);
	sides[i].expect.count = 1;
	sides[i].expect.at[0] = worker.ours.prints[DTLS_SHA256];
}

static void carry(struct dtls *to, const struct addr *from, const struct dtls_out *o,
		  unsigned steps)
{
	struct dtls_out r;
	for (unsigned i = 0; steps > 0 && i < o->count; i++) {
		(void)dtls_step(to, from, o->bytes[i], o->len[i], 1000, &r);
		carry(to == &peer ? &sides[UP] : &peer, from, &r, steps - 1);
	}
}

/* One association is up for all inputs: making it costs more than most of them do. */
static void make_worker(void)
{
	const struct dtls_params p = {
		.wall_s = 1700000000, .lifetime_s = 86400, .now_ms = 1000, .first_ms = 60000};
	const struct addr at = media_addr(1, 5000);
	struct dtls_out o;
	const enum err e = dtls_worker_init(&worker, &p);
	CHECK(e == OK);
	dtls_init(&peer, &worker, DTLS_CLIENT, 1);
	begin(UP, DTLS_SERVER);
	dtls_start(&peer, &at, 1000, &o);
	carry(&sides[UP], &at, &o, 8);
	CHECK(sides[UP].state == DTLS_UP);
	kept = sides[UP].keys[SRTP_RX];
}

static void reset(void)
{
	const struct addr at = media_addr(1, 5000);
	struct dtls hello;
	struct dtls_out o, r;
	begin(COOKIE, DTLS_SERVER);
	sides[COOKIE].cookie = true;
	begin(EAGER, DTLS_SERVER);
	begin(BUSY, DTLS_SERVER);
	begin(CLIENT, DTLS_CLIENT);
	dtls_start(&sides[CLIENT], &at, 1000, &o);
	dtls_init(&hello, &worker, DTLS_CLIENT, 1);
	dtls_start(&hello, &at, 1000, &o);
	(void)dtls_step(&sides[BUSY], &at, o.bytes[0], o.len[0], 1000, &r);
	CHECK(sides[BUSY].state == DTLS_HANDSHAKE);
	dtls_release(&hello);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	if (!made) {
		make_worker();
		made = true;
	}
	reset();
	for (size_t at = 0; at + 3 <= size;) {
		const unsigned to = data[at] % SIDES;
		size_t len = (size_t)(data[at + 1] & 7) << 8 | data[at + 2];
		struct dtls_out o;
		const struct addr from = media_addr(1, data[at] & 0x80 ? 5000 : 5001);
		at += 3;
		len = len < size - at ? len : size - at;
		uint8_t *exact = malloc(len + 1);
		CHECK(exact != NULL);
		memcpy(exact, data + at, len);
		(void)dtls_step(&sides[to], &from, exact, len, 1000, &o);
		free(exact);
		for (unsigned i = 0; i < o.count; i++) {
			CHECK(o.len[i] > 0 && o.len[i] <= DTLS_MTU);
		}
		CHECK(to != COOKIE || o.count == 0 || o.len[0] < len);
		CHECK(!o.up);
		at += len;
	}
	CHECK(sides[UP].state == DTLS_UP && secret_eq(&kept, &sides[UP].keys[SRTP_RX]));
	sides[UP].resends = 0;
	for (unsigned i = 0; i < UP; i++) {
		dtls_release(&sides[i]);
	}
	CHECK(worker.handshakes == 0);
	return 0;
}
