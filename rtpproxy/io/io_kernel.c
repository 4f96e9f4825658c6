#include "rtpproxy/io/io_kernel.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "rtpproxy/core/forward.h"
#include "rtpproxy/core/latch.h"
#include "rtpproxy/core/pkt.h"
#include "rtpproxy/core/stream.h"
#include "rtpproxy/io/io.h"
#include "rtpproxy/io/io_steered.h"
#include "rtpproxy/io/offload.h"
#include "rtpproxy/io/pins.h"
#include "rtpproxy/io/nexthop.h"

enum {
	LOOK_EVERY = 16, /* packets of a port between two looks at it */
	/* A flow that keeps coming back (key presses, other payload types) is given away less often. */
	LOOK_SHIFT_MAX = 4,
	/* What waited in our socket when a flow was given away does not take it back. */
	GRACE_US = 50000,
	TICKS_A_ROUND = 10,
	SWEEP_A_TICK = 1024
};

/* A port of ours. */
struct flow {
	struct stream *s;
	uint32_t seen, next_look;
	uint32_t at;     /* in the list of those that the kernel forwards, and 1; 0: it does not */
	uint32_t to;     /* slot that it leaves by, and 1 */
	uint32_t fed_by; /* slot whose flow leaves here, and 1 */
	uint32_t received;
	uint8_t shift, tos;
	uint64_t since_us;
	uint64_t packets, bytes, dropped[2]; /* what of the slot's has been told to the core */
};

struct kernel {
	const struct pins *pins;
	struct forward *forward;
	struct relay_bpf_queue *queue;
	unsigned worker;
	bool with_kernel, early, leaving;
	uint64_t orphan_us;
	uint64_t now_us; /* of this turn */
	struct nexthop route;
	bool has_route;
	struct flow *flows; /* by slot */
	uint32_t *list;     /* slots that the kernel forwards */
	uint32_t list_count;
	uint32_t round, sweep, ticks;
	uint64_t packets, bytes;      /* forwarded by the kernel, as told to the core */
	struct relay_bpf_drops drops; /* told so far */
};

enum err kernel_new(const struct io_steered_params *p, struct kernel **out)
{
	struct kernel *k = calloc(1, sizeof(*k));
	if (!k)
		return ERR_NOMEM;
	*k = (struct kernel){.pins = p->pins,
			     .forward = p->forward,
			     .queue = &p->pins->control->queue[p->worker],
			     .worker = p->worker,
			     .early = p->pins->control->is_early != 0,
			     .orphan_us = p->orphan_us};
	k->with_kernel = p->with_kernel && k->early;
	k->flows = calloc(p->pins->slot_count, sizeof(*k->flows));
	k->list = calloc(p->pins->slot_count, sizeof(*k->list));
	enum err e = k->flows && k->list ? OK : ERR_NOMEM;
	if (e == OK && k->with_kernel) {
		e = nexthop_init(&k->route);
		k->has_route = e == OK;
	}
	if (e != OK) {
		kernel_free(&k);
		return e;
	}
	k->queue->limit = RELAY_BPF_QUEUE;
	pins_read_drops(p->pins, &k->drops);
	*out = k;
	return OK;
}

void kernel_free(struct kernel **kernel)
{
	struct kernel *k = *kernel;
	if (!k)
		return;
	k->queue->limit = 0;
	if (k->has_route)
		nexthop_release(&k->route);
	free(k->flows);
	free(k->list);
	free(k);
	*kernel = NULL;
}

int kernel_route_fd(const struct kernel *k)
{
	return k->has_route ? k->route.news_fd : -1;
}

/* ---- slots */

/* All that a flag stands for is written before it. */
static void set_flags(struct relay_slot *s, uint32_t flags)
{
	__atomic_store_n(&s->flags, flags, __ATOMIC_RELEASE);
}

static struct addr local_of(const struct kernel *k, uint32_t slot)
{
	const struct pins_range *r = pins_range_of(k->pins, slot);
	struct addr a = r->addr;
	a.port = (uint16_t)(r->min + (slot - r->base));
	return a;
}

static uint16_t be16(uint16_t v)
{
	return __builtin_bswap16(v);
}

static uint32_t be32(uint32_t v)
{
	return __builtin_bswap32(v);
}

/* What the kernel has done since the last time goes to the stream, and to the one that it leaves by. */
static void pull(struct kernel *k, uint32_t slot)
{
	struct flow *f = &k->flows[slot];
	const struct relay_slot *s = &k->pins->slots[slot];
	struct forward_credit c = {
		.packets = s->packets - f->packets,
		.bytes = s->bytes - f->bytes,
		.refused_source = (uint32_t)(s->dropped[0] - f->dropped[0]),
		.refused_rate = (uint32_t)(s->dropped[1] - f->dropped[1]),
		.last_us = s->last_ns / 1000,
		.run = {.cycles = s->run.cycles,
			.received = s->run.received - f->received,
			.transit = s->run.transit,
			.last_timestamp = s->run.last_timestamp,
			.jitter_x16 = s->run.jitter_x16,
			.max_seq = s->run.max_seq},
	};
	f->packets += c.packets;
	f->bytes += c.bytes;
	f->dropped[0] += c.refused_source;
	f->dropped[1] += c.refused_rate;
	f->received += c.run.received;
	k->packets += c.packets;
	k->bytes += c.bytes;
	if (c.packets > 0 || c.refused_source > 0 || c.refused_rate > 0)
		forward_credit(k->forward, f->s, &c);
}

static void unlist(struct kernel *k, uint32_t slot)
{
	struct flow *f = &k->flows[slot];
	const uint32_t last = k->list[--k->list_count];
	k->list[f->at - 1] = last;
	k->flows[last].at = f->at;
	f->at = 0;
	k->flows[f->to - 1].fed_by = 0;
	f->to = 0;
}

/* From now on its packets come here. */
static void take_back(struct kernel *k, uint32_t slot)
{
	struct flow *f = &k->flows[slot];
	struct relay_slot *s = &k->pins->slots[slot];
	if (f->at == 0)
		return;
	set_flags(s, s->flags & ~(uint32_t)RELAY_SLOT_FORWARD);
	pull(k, slot);
	unlist(k, slot);
	f->next_look = f->seen + ((uint32_t)LOOK_EVERY << f->shift);
}

void kernel_open(struct kernel *k, uint32_t slot, struct stream *stream, uint8_t tos)
{
	struct relay_slot *s = &k->pins->slots[slot];
	k->flows[slot] = (struct flow){.s = stream,
				       .next_look = 1,
				       .tos = tos,
				       .received = s->run.received,
				       .packets = s->packets,
				       .bytes = s->bytes,
				       .dropped = {s->dropped[0], s->dropped[1]}};
	s->worker = k->worker;
	s->life = k->pins->life;
	s->step_ns = s->burst_ns = s->due_ns = s->stray_due_ns = 0;
	set_flags(s, RELAY_SLOT_OPEN);
}

void kernel_close(struct kernel *k, uint32_t slot)
{
	struct flow *f = &k->flows[slot];
	if (k->leaving && f->at != 0)
		return;
	if (f->fed_by != 0)
		take_back(k, f->fed_by - 1);
	take_back(k, slot);
	pull(k, slot);
	set_flags(&k->pins->slots[slot], 0);
	*f = (struct flow){0};
}

void kernel_set_tos(struct kernel *k, uint32_t slot, uint8_t tos)
{
	struct flow *f = &k->flows[slot];
	f->tos = tos;
	if (f->fed_by != 0)
		take_back(k, f->fed_by - 1);
}

void kernel_recall(struct kernel *k, uint32_t slot, bool only_figures)
{
	struct flow *f = &k->flows[slot];
	pull(k, slot);
	if (only_figures)
		return;
	f->shift = 0;
	take_back(k, slot);
	/* A party that signals another address is no stranger there. */
	set_flags(&k->pins->slots[slot], RELAY_SLOT_OPEN);
	f->next_look = f->seen + 1;
}

void kernel_leave(struct kernel *k)
{
	k->leaving = true;
}

void kernel_routes_changed(struct kernel *k)
{
	if (!nexthop_read_news(&k->route))
		return;
	while (k->list_count > 0)
		take_back(k, k->list[k->list_count - 1]);
}

/* ---- giving a flow away */

static void write_source(struct relay_slot *s, const struct offload *o, const struct stream *st)
{
	memcpy(s->from_ip, o->from.ip, sizeof(s->from_ip));
	s->from_port = be16(o->from.port);
	s->step_ns = st->rate_step_us * UINT64_C(1000);
	s->burst_ns = st->rate_burst_us * UINT64_C(1000);
}

static void write_way(const struct kernel *k, uint32_t slot, const struct offload *o, uint32_t out,
		      const struct nexthop_way *w)
{
	struct relay_slot *s = &k->pins->slots[slot];
	const struct quality *q = &k->flows[slot].s->quality;
	const struct addr from = local_of(k, out);
	memcpy(s->out_from_ip, from.ip, sizeof(s->out_from_ip));
	memcpy(s->out_to_ip, o->to.ip, sizeof(s->out_to_ip));
	s->out_from_port = be16(from.port);
	s->out_to_port = be16(o->to.port);
	s->out_tos = k->flows[out].tos;
	s->ifindex = w->ifindex;
	s->mtu = w->mtu;
	s->next_hop_family = w->next.family == ADDR_IP6 ? 6 : 4;
	memcpy(s->next_hop, w->next.ip, sizeof(s->next_hop));
	/* offload_decide has seen that its numbers are steady. */
	const struct continuity *c = &o->peer->continuity;
	const bool as_is = c->state == CONTINUITY_OFF;
	s->ssrc = be32(q->ssrc);
	s->out_ssrc = as_is ? s->ssrc : be32(c->out_ssrc);
	s->payload_type = q->payload_type;
	s->out_payload_type =
		o->peer->types ? o->peer->types->to[q->payload_type] : q->payload_type;
	s->add_seq = as_is ? 0 : (uint16_t)c->seq_shift;
	s->add_timestamp = as_is ? 0 : c->ts_shift;
	s->clock_rate = q->clock_rate;
	s->run = (struct relay_bpf_run){.cycles = q->cycles,
					.received = s->run.received,
					.transit = q->transit,
					.last_timestamp = q->last_timestamp,
					.jitter_x16 = q->jitter_x16,
					.max_seq = q->max_seq};
}

static bool give_away(struct kernel *k, uint32_t slot, const struct offload *o)
{
	struct flow *f = &k->flows[slot];
	const uint32_t out = (uint32_t)(uintptr_t)o->peer->user - 1;
	const struct addr from = local_of(k, out);
	struct nexthop_way w;
	if (o->peer->user == NULL || k->flows[out].fed_by != 0 || from.family != o->to.family ||
	    !nexthop_find(&k->route, &from, &o->to, &w))
		return false;
	write_way(k, slot, o, out, &w);
	f->packets = k->pins->slots[slot].packets;
	f->bytes = k->pins->slots[slot].bytes;
	f->received = k->pins->slots[slot].run.received;
	f->since_us = k->now_us;
	f->to = out + 1;
	k->flows[out].fed_by = slot + 1;
	k->list[k->list_count++] = slot;
	f->at = k->list_count;
	return true;
}

static void look(struct kernel *k, uint32_t slot)
{
	static const uint32_t source_flags[OFFLOAD_SOURCE_COUNT] = {
		[OFFLOAD_FIXED] = RELAY_SLOT_FIXED, [OFFLOAD_HELD] = RELAY_SLOT_HELD};
	struct flow *f = &k->flows[slot];
	struct relay_slot *s = &k->pins->slots[slot];
	struct offload o;
	if (f->at != 0)
		return;
	offload_decide(f->s, k->now_us, &o);
	f->next_look = f->seen + ((uint32_t)LOOK_EVERY << f->shift);
	uint32_t flags = RELAY_SLOT_OPEN | source_flags[o.source];
	flags |= o.checks ? RELAY_SLOT_CHECKS : 0u;
	if (s->flags != flags || memcmp(s->from_ip, o.from.ip, sizeof(s->from_ip)) != 0 ||
	    s->from_port != be16(o.from.port))
		set_flags(s, RELAY_SLOT_OPEN);
	write_source(s, &o, f->s);
	if (o.why == OFFLOAD_YES && k->with_kernel && give_away(k, slot, &o))
		flags |= RELAY_SLOT_FORWARD;
	set_flags(s, flags);
}

/* ---- packets */

static uint32_t slot_of(const struct stream *s)
{
	return (uint32_t)(uintptr_t)s->user - 1;
}

static bool is_rtp(const struct pkt *p)
{
	return p->len >= 2 && p->data[0] >> 6 == 2 && !(p->data[1] >= 192 && p->data[1] <= 223);
}

void kernel_before(struct kernel *k, struct pkt *const pkts[], size_t n, uint64_t now_us)
{
	k->now_us = now_us;
	for (size_t i = 0; k->list_count > 0 && i < n; i++) {
		const struct pkt *p = pkts[i];
		if (!p->stream || !is_rtp(p))
			continue;
		struct flow *f = &k->flows[slot_of(p->stream)];
		if (f->at == 0 || now_us - f->since_us < GRACE_US)
			continue;
		f->shift = (uint8_t)(f->shift + (f->shift < LOOK_SHIFT_MAX));
		take_back(k, slot_of(p->stream));
	}
}

/* The core has just believed it; strangers need not be heard for as long as the latch would not. */
static void note_held(struct kernel *k, const struct pkt *p, uint32_t slot)
{
	if (p->fate == FATE_SENT && p->stream->main->security == STREAM_SRTP)
		k->pins->slots[slot].held_until_ns = (k->now_us + LATCH_SILENT_US) * 1000;
}

void kernel_after(struct kernel *k, struct pkt *const pkts[], size_t n)
{
	if (!k->early)
		return;
	for (size_t i = 0; i < n; i++) {
		const struct pkt *p = pkts[i];
		if (!p->stream)
			continue;
		const uint32_t slot = slot_of(p->stream);
		struct flow *f = &k->flows[slot];
		note_held(k, p, slot);
		/* What agrees on addresses and keys may have moved them. */
		if (++f->seen >= f->next_look || (p->kind != PKT_RTP && p->kind != PKT_RTCP))
			look(k, slot);
	}
}

/* ---- from time to time */

static void read_drops(struct kernel *k, struct io_stats *stats)
{
	struct relay_bpf_drops now;
	pins_read_drops(k->pins, &now);
	for (unsigned i = 0; i < RELAY_BPF_DROPS; i++)
		stats->early[i] += now.n[i] - k->drops.n[i];
	k->drops = now;
}

static void sweep_orphans(struct kernel *k)
{
	const uint64_t now_ns = k->now_us * 1000;
	for (unsigned i = 0; i < SWEEP_A_TICK && i < k->pins->slot_count; i++) {
		struct relay_slot *s = &k->pins->slots[k->sweep++ % k->pins->slot_count];
		if (s->flags & RELAY_SLOT_OPEN && s->life != k->pins->life &&
		    now_ns > s->last_ns + k->orphan_us * 1000)
			set_flags(s, 0);
	}
}

void kernel_tick(struct kernel *k, uint64_t now_us, struct io_stats *stats)
{
	k->now_us = now_us;
	const uint32_t some = k->list_count / TICKS_A_ROUND + 1;
	for (uint32_t i = 0; i < some && k->list_count > 0; i++)
		pull(k, k->list[k->round++ % k->list_count]);
	stats->kernel_flows = k->list_count;
	stats->kernel_packets = k->packets;
	stats->kernel_bytes = k->bytes;
	if (k->worker != 0)
		return;
	sweep_orphans(k);
	if (k->ticks++ % TICKS_A_ROUND == 0)
		read_drops(k, stats);
}

uint64_t kernel_queued(const struct kernel *k)
{
	return __atomic_load_n(&k->queue->queued, __ATOMIC_RELAXED);
}

void kernel_took(struct kernel *k, size_t n, bool empty, uint64_t queued)
{
	const uint64_t taken = empty ? queued : k->queue->taken + n;
	__atomic_store_n(&k->queue->taken, taken, __ATOMIC_RELAXED);
}
