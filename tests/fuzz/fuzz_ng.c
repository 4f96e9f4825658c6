/*
 * NG datagrams into the relay's root: one input is a sequence of datagrams with a line of "--" between.
 * Offers of any shape must leave no socket, no memory and no CHECK behind.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtpproxy/core/latch.h"
#include "rtpproxy/core/record.h"
#include "rtpproxy/core/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int sockets;

static enum err on_open(void *ctx, const struct addr *local, uint8_t tos, struct stream *s)
{
	(void)ctx;
	(void)local;
	(void)tos;
	(void)s;
	sockets++;
	return OK;
}

static void on_close(void *ctx, struct stream *s)
{
	(void)ctx;
	(void)s;
	sockets--;
}

static void on_tos(void *ctx, struct stream *s, uint8_t tos)
{
	(void)ctx;
	(void)s;
	(void)tos;
}

static void on_send(void *ctx, struct stream *from, const struct addr *to, const uint8_t *data,
		    size_t len)
{
	(void)ctx;
	(void)from;
	(void)to;
	(void)data;
	(void)len;
}

static void on_publish(void *ctx, const struct relay_notice *n)
{
	(void)ctx;
	(void)n;
}

static struct relay_config config = {
	.interface_count = 1,
	.interfaces = {{.name = "pub",
			.addr = {.ip = {192, 0, 2, 1}, .family = ADDR_IP4},
			.shown = {.ip = {192, 0, 2, 1}, .family = ADDR_IP4},
			.port_min = 30000,
			.port_max = 30199,
			.latch = LATCH_STRICT}},
	.workers = 1,
	.timeouts = {.media = 60000, .held = 60000, .offer = 60000},
	.delete_delay_ms = 1000,
	.srtp_engine = "openssl",
};
static const struct relay_ports ports = {.open = on_open,
					 .close = on_close,
					 .set_tos = on_tos,
					 .send = on_send,
					 .publish = on_publish};

/* Up to the next line of "--", as the corpus is written. */
static struct str cut_datagram(struct str *rest)
{
	size_t end = str_find(*rest, STR("\n--\n"));
	struct str one = {rest->p, end};
	*rest = end < rest->len ? str_from_offset(*rest, end + 4) : STR_NONE;
	return one;
}

/* What goes to the writer of recordings: names are to be names. */
static struct record_ring ring;

static void drain(void)
{
	const struct record_entry *e;
	const uint8_t *data;
	while ((e = record_first(&ring, &data)) != NULL) {
		CHECK(e->kind < RECORD_KIND_COUNT);
		CHECK(e->kind != RECORD_START ||
		      record_is_name((struct str){(const char *)data, e->len}));
		record_next(&ring);
	}
}

/* One relay for all inputs: making one costs more than most inputs do. Its clock only goes forward. */
static struct relay *the_relay(struct relay_now *now)
{
	static const uint8_t seed[RNG_SEED_LEN] = {1};
	static struct relay relay;
	static struct relay_published published[1];
	static struct relay_now clock = {1000000000, 1700000000000000};
	static bool made;
	if (!made) {
		const struct relay_params params = {.config = &config,
						    .ports = ports,
						    .published = published,
						    .seed = seed,
						    .record = &ring};
		enum err e = record_ring_init(&ring, 65536, 16384);
		CHECK(e == OK);
		e = relay_init(&relay, &params, &clock);
		CHECK(e == OK);
		made = true;
	}
	/* Longer than any time-out: what the last input left goes, replies are forgotten. */
	for (int i = 0; i < 4; i++) {
		clock.mono_us += 61000000;
		relay_tick(&relay, &clock);
	}
	drain();
	CHECK(relay.recordings.used == 0 && relay.subscribers.used == 0 &&
	      relay.taps.pool.used == 0);
	CHECK(sockets == 0 && relay.calls.used == 0 && relay.medias.used == 0);
	*now = clock;
	return &relay;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char reply[LIMIT_DATAGRAM];
	struct relay_now now;
	struct relay *relay = the_relay(&now);
	struct str rest = {(const char *)data, size};
	while (rest.len > 0) {
		struct buf b;
		struct str one = cut_datagram(&rest), command, call_id, cookie, body;
		if (ng_split(one, &cookie, &body)) {
			(void)ng_peek(body, &command, &call_id);
		}
		buf_init(&b, reply, sizeof(reply));
		relay_command(relay, &now, STR("peer"), one, &b);
		CHECK(!b.overflow);
	}
	(void)the_relay(&now);
	return 0;
}
