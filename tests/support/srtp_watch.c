#include "tests/support/srtp_watch.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/siphash.h"
#include "rtpproxy/core/rtp.h"

enum { ROOM_FIRST = 1024, STREAM = 16, RTCP_HEAD = 8, HALF = 1 << 15, ROUND = 1 << 16 };
enum what { KEY_STREAM, INDEX, TOP };

static const struct siphash_key hash_key = {{1, 2}};

/* What one packet looked like before it was protected. */
struct before {
	uint64_t packet;
	uint32_t ssrc;
	uint16_t seq;
	size_t len, header_len;
	uint8_t head[STREAM]; /* of the payload */
	bool readable;
};

static uint64_t hash_of(enum what what, const void *p, size_t len)
{
	uint8_t bytes[64] = {(uint8_t)what};
	CHECK(len < sizeof(bytes));
	memcpy(bytes + 1, p, len);
	return siphash(&hash_key, bytes, len + 1) | 1;
}

static struct srtp_watch_entry *find(const struct srtp_watch *x, uint64_t what)
{
	size_t at = what & (x->room - 1);
	while (x->entries[at].what != 0 && x->entries[at].what != what)
		at = (at + 1) & (x->room - 1);
	return &x->entries[at];
}

static void grow(struct srtp_watch *x)
{
	struct srtp_watch wider = *x;
	wider.room = 2 * x->room;
	wider.entries = calloc(wider.room, sizeof(*wider.entries));
	CHECK(wider.entries);
	for (size_t i = 0; i < x->room; i++)
		if (x->entries[i].what != 0)
			*find(&wider, x->entries[i].what) = x->entries[i];
	free(x->entries);
	*x = wider;
}

/* Its place, with packet 0 if it is new. */
static struct srtp_watch_entry *note(struct srtp_watch *x, uint64_t what)
{
	if (2 * x->used >= x->room)
		grow(x);
	struct srtp_watch_entry *e = find(x, what);
	if (e->what == 0) {
		e->what = what;
		x->used++;
	}
	return e;
}

static bool is_reused(struct srtp_watch *x, uint64_t what, uint64_t packet)
{
	struct srtp_watch_entry *e = note(x, what);
	const uint64_t was = e->packet;
	e->packet = packet;
	return was != 0 && was != packet;
}

static void look_before(const struct pkt *p, struct before *out)
{
	*out = (struct before){.len = p->len, .packet = siphash(&hash_key, p->data, p->len) | 1};
	struct rtp h = {0};
	if (p->kind == PKT_RTCP) {
		out->readable = p->len >= RTCP_HEAD;
		out->header_len = RTCP_HEAD;
		if (out->readable) {
			memcpy(&out->ssrc, p->data + 4, sizeof(out->ssrc));
			out->ssrc = be32toh(out->ssrc);
		}
	} else {
		out->readable = rtp_decode(p->data, p->len, &h) == OK;
		out->header_len = h.header_len;
		out->ssrc = h.ssrc;
		out->seq = h.seq;
	}
	if (out->readable && p->len >= out->header_len + STREAM)
		memcpy(out->head, p->data + out->header_len, STREAM);
}

/* RFC 3711 §3.3.1 by its own words: the index next to the highest one that is this sequence number. */
static uint64_t next_index(struct srtp_watch *x, const struct srtp_key *k, const struct before *b)
{
	const uint64_t who[2] = {k->key_print, b->ssrc};
	struct srtp_watch_entry *e = note(x, hash_of(TOP, who, sizeof(who)));
	const uint64_t top = e->packet == 0 ? b->seq : e->packet - 1;
	uint64_t index = (top & ~(uint64_t)(ROUND - 1)) + b->seq;
	if (index > top + HALF && index >= ROUND)
		index -= ROUND;
	else if (index + HALF < top)
		index += ROUND;
	if (e->packet == 0 || index > top)
		e->packet = index + 1;
	return index;
}

static uint64_t rtcp_index(const struct srtp_key *k, const struct pkt *p)
{
	const struct sdes_suite_info *info = sdes_suite_info((enum sdes_suite)k->suite);
	const size_t behind = 4 + (info->salt_len == 12 ? 0 : info->rtcp_tag_len);
	uint32_t trailer;
	CHECK(p->len >= behind);
	memcpy(&trailer, p->data + p->len - behind, sizeof(trailer));
	return be32toh(trailer);
}

static void say(struct srtp_watch *x, const struct srtp_key *k, const struct before *b,
		uint64_t index, const char *what)
{
	x->reuses++;
	fprintf(stderr, "srtp_watch: %s used twice: key %016llx SSRC %08x index %llx\n", what,
		(unsigned long long)k->key_print, (unsigned)b->ssrc, (unsigned long long)index);
}

static void look_after(struct srtp_watch *x, const struct srtp_op *op, const struct before *b)
{
	const struct pkt *p = op->pkt;
	CHECK(b->readable);
	const uint64_t index =
		p->kind == PKT_RTCP ? rtcp_index(op->key, p) : next_index(x, op->key, b);
	const uint64_t name[4] = {op->key->key_print, b->ssrc, index, p->kind == PKT_RTCP};
	x->packets++;
	if (is_reused(x, hash_of(INDEX, name, sizeof(name)), b->packet))
		say(x, op->key, b, index, "an index");
	if (b->len < b->header_len + STREAM)
		return;
	uint8_t stream[STREAM];
	for (size_t i = 0; i < STREAM; i++)
		stream[i] = b->head[i] ^ p->data[b->header_len + i];
	if (is_reused(x, hash_of(KEY_STREAM, stream, sizeof(stream)), b->packet))
		say(x, op->key, b, index, "a key stream");
}

static void protect(void *worker, struct srtp_op ops[], size_t n)
{
	struct before before[SRTP_BATCH];
	if (n == 0)
		return;
	struct srtp_watch *x = CONTAINER_OF(ops[0].key->worker->engine, struct srtp_watch, engine);
	for (size_t i = 0; i < n; i++)
		look_before(ops[i].pkt, &before[i]);
	x->inner->protect(worker, ops, n);
	for (size_t i = 0; i < n; i++)
		if (ops[i].fate == FATE_SENT)
			look_after(x, &ops[i], &before[i]);
}

void srtp_watch_init(struct srtp_watch *x)
{
	*x = (struct srtp_watch){.room = ROOM_FIRST};
	x->entries = calloc(x->room, sizeof(*x->entries));
	CHECK(x->entries);
}

void srtp_watch_attach(struct srtp_watch *x, struct srtp_worker *w)
{
	CHECK(w->engine && (!x->inner || x->inner == w->engine));
	x->inner = w->engine;
	x->engine = *w->engine;
	x->engine.protect = protect;
	w->engine = &x->engine;
}

uint64_t srtp_watch_packets(const struct srtp_watch *x)
{
	return x->packets;
}

unsigned srtp_watch_reuses(const struct srtp_watch *x)
{
	return x->reuses;
}

void srtp_watch_release(struct srtp_watch *x)
{
	free(x->entries);
	*x = (struct srtp_watch){0};
}
