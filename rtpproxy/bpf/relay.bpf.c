/*
 * The relay's programs in the kernel (see relay_shared.h). Rules of both: what they do not know goes on
 * as if they were not there; what they refuse is counted by its reason; nothing of a packet is changed
 * before all is known that forwarding it needs.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "parse.h"
#include "relay_shared.h"

enum { INET = 2, INET6 = 10 }; /* AF_INET, AF_INET6: their header is libc's */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RELAY_BPF_ADDRESSES);
	__type(key, struct relay_bpf_address);
	__type(value, struct relay_bpf_ranges);
} addresses SEC(".maps");

/* The loader sets how many there are. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct relay_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct relay_bpf_control);
} control SEC(".maps");

/* Worker n: 2n for IPv4, 2n + 1 for IPv6. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2 * RELAY_BPF_WORKERS);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct relay_bpf_drops);
} drops SEC(".maps");

static __always_inline void count_drop(enum relay_bpf_drop why)
{
	__u32 zero = 0;
	struct relay_bpf_drops *d = bpf_map_lookup_elem(&drops, &zero);
	if (d)
		d->n[why]++;
}

/* NULL: no port of ours. */
static __always_inline struct relay_slot *find_slot(const struct relay_bpf_address *to, __u16 port)
{
	struct relay_bpf_ranges *r = bpf_map_lookup_elem(&addresses, to);
	if (!r)
		return NULL;
	for (int i = 0; i < RELAY_BPF_RANGES; i++)
		if (port >= r->range[i].min && port <= r->range[i].max && port != 0) {
			__u32 at = r->range[i].base + port - r->range[i].min;
			return bpf_map_lookup_elem(&slots, &at);
		}
	return NULL;
}

SEC("sk_lookup")
int relay_steer(struct bpf_sk_lookup *ctx)
{
	struct relay_bpf_address to = {};
	if (ctx->protocol != IPPROTO_UDP)
		return SK_PASS;
	if (ctx->family == INET6) {
		to.family = 6;
		to.ip[0] = ctx->local_ip6[0];
		to.ip[1] = ctx->local_ip6[1];
		to.ip[2] = ctx->local_ip6[2];
		to.ip[3] = ctx->local_ip6[3];
	} else {
		to.family = 4;
		to.ip[0] = ctx->local_ip4;
	}
	struct relay_slot *s = find_slot(&to, (__u16)ctx->local_port);
	if (!s || !(s->flags & RELAY_SLOT_OPEN))
		return SK_PASS;
	__u32 at = 2 * s->worker + (to.family == 6);
	struct bpf_sock *sk = bpf_map_lookup_elem(&sockets, &at);
	/* Between two lives of the relay: no ICMP error, on which a phone might hang up. */
	if (!sk)
		return SK_DROP;
	long bad = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return bad ? SK_DROP : SK_PASS;
}

/* A leaky bucket as one number, as stream_take_rate. Two processors at once may let one more through. */
static __always_inline int take(__u64 *due_ns, __u64 step, __u64 burst, __u64 now)
{
	__u64 due = *due_ns > now ? *due_ns : now;
	if (due - now > burst)
		return 0;
	*due_ns = due + step;
	return 1;
}

static __always_inline int same_ip(const __u32 *a, const __u32 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static __always_inline int refuse(struct relay_slot *s, enum relay_bpf_drop why)
{
	count_drop(why);
	if (why == RELAY_BPF_SOURCE || why == RELAY_BPF_RATE)
		__sync_fetch_and_add(&s->dropped[why == RELAY_BPF_RATE], 1);
	return TC_ACT_SHOT;
}

/* To the relay, unless it has enough to do: shed here, a packet costs a third of what it does there. */
static __always_inline int pass_up(struct relay_bpf_control *c, struct relay_slot *s)
{
	struct relay_bpf_queue *q = &c->queue[s->worker % RELAY_BPF_WORKERS];
	if (q->limit > 0 && (__s64)(q->queued - q->taken) >= (__s64)q->limit)
		return refuse(s, RELAY_BPF_BUSY);
	__sync_fetch_and_add(&q->queued, 1);
	return TC_ACT_UNSPEC;
}

/* Strangers: what of them the relay has to hear (ICE, DTLS, a party that moved) is little. */
static __always_inline int from_stranger(struct relay_bpf_control *c, struct relay_slot *s,
					 const struct view *v, __u64 now)
{
	const int check = s->flags & RELAY_SLOT_CHECKS && v->first < 64;
	if (!check &&
	    (s->flags & RELAY_SLOT_FIXED || (s->flags & RELAY_SLOT_HELD && now < s->held_until_ns)))
		return refuse(s, RELAY_BPF_SOURCE);
	if (s->flags & (RELAY_SLOT_FIXED | RELAY_SLOT_HELD | RELAY_SLOT_CHECKS)) {
		if (!take(&s->stray_due_ns, RELAY_BPF_STRAY_STEP_NS, RELAY_BPF_STRAY_BURST_NS, now))
			return refuse(s, RELAY_BPF_RATE);
	} else if (s->step_ns && !take(&s->due_ns, s->step_ns, s->burst_ns, now)) {
		/* Nobody is the party yet. */
		return refuse(s, RELAY_BPF_RATE);
	}
	return pass_up(c, s);
}

/* Is it the plain, next packet of the source that was handed over to us? 0: the relay shall look. */
static __always_inline int is_next(struct __sk_buff *skb, const struct relay_slot *s,
				   const struct view *v, const struct rtp_head *h)
{
	const __u16 step = (__u16)(bpf_ntohs(h->seq) - s->run.max_seq);
	/* A clock that jumps is mended by the relay (continuity.h). */
	const __u32 far = RELAY_BPF_CLOCK_S * s->clock_rate;
	if (bpf_ntohl(h->timestamp) - s->run.last_timestamp + far > 2 * far)
		return 0;
	/* Version 2, no padding, no CSRC; an extension is let through if it fits. */
	if ((h->first & 0xef) != 0x80 || (h->second & 0x7f) != s->payload_type ||
	    h->ssrc != s->ssrc)
		return 0;
	if (step >= RELAY_BPF_DROPOUT && step <= 65536 - RELAY_BPF_MISORDER)
		return 0;
	if (h->first & 0x10) {
		__u16 x[2];
		if (v->payload_len < sizeof(*h) + 4 ||
		    bpf_skb_load_bytes(skb, v->udp_at + sizeof(struct udphdr) + sizeof(*h), x,
				       sizeof(x)) < 0 ||
		    (__u32)sizeof(*h) + 4 + 4 * bpf_ntohs(x[1]) > v->payload_len)
			return 0;
	}
	return v->udp_at - ETH_HLEN + 8 + v->payload_len <= s->mtu;
}

/* RFC 3550 A.1 and A.8, as quality.c has it. */
static __always_inline void measure(struct relay_slot *s, const struct rtp_head *h, __u64 now)
{
	struct relay_bpf_run *r = &s->run;
	const __u64 us = now / 1000;
	const __u16 seq = bpf_ntohs(h->seq);
	const __u32 timestamp = bpf_ntohl(h->timestamp);
	if ((__u16)(seq - r->max_seq) < RELAY_BPF_DROPOUT) {
		if (seq < r->max_seq)
			r->cycles += 65536;
		r->max_seq = seq;
	}
	r->received++;
	if (timestamp == r->last_timestamp)
		return;
	const __u32 transit =
		(__u32)(us / 1000000 * s->clock_rate + us % 1000000 * s->clock_rate / 1000000) -
		timestamp;
	const __s32 d = (__s32)(transit - r->transit);
	const __u32 size = d < 0 ? 0 - (__u32)d : (__u32)d;
	if (size < s->clock_rate * 2)
		r->jitter_x16 += size - ((r->jitter_x16 + 8) >> 4);
	r->transit = transit;
	r->last_timestamp = timestamp;
}

static __always_inline void rewrite_rtp(const struct relay_slot *s, struct rtp_head *h)
{
	h->second = (h->second & 0x80) | s->out_payload_type;
	h->seq = bpf_htons((__u16)(bpf_ntohs(h->seq) + s->add_seq));
	h->timestamp = bpf_htonl(bpf_ntohl(h->timestamp) + s->add_timestamp);
	h->ssrc = s->out_ssrc;
}

/*
 * The headers of a datagram of our own: nothing of the inside network's (TTL, identification, options)
 * crosses. The UDP checksum changes by the difference, so that one that the sender's card was to
 * finish stays so: addresses count as pseudo header, ports and RTP do not.
 */
static __always_inline int rewrite(struct __sk_buff *skb, const struct relay_slot *s,
				   const struct view *v, const struct rtp_head *was)
{
	struct rtp_head is = *was;
	__u32 ports[2];
	__s64 address, rest;
	rewrite_rtp(s, &is);
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	if (v->is_ip6) {
		struct ipv6hdr *ip = data + ETH_HLEN;
		struct udphdr *udp = (void *)(ip + 1);
		if ((void *)(udp + 1) + sizeof(is) > end)
			return -1;
		address = bpf_csum_diff(ip->saddr.in6_u.u6_addr32, 32, (__be32 *)s->out_from_ip, 32,
					0);
		__builtin_memcpy(ports, udp, 4);
		ports[1] = s->out_from_port | (__u32)s->out_to_port << 16;
		rest = bpf_csum_diff(&ports[0], 4, &ports[1], 4, 0);
		*(__be32 *)ip = bpf_htonl(6u << 28 | (__u32)s->out_tos << 20);
		ip->hop_limit = RELAY_BPF_TTL;
		__builtin_memcpy(&ip->saddr, s->out_from_ip, 16);
		__builtin_memcpy(&ip->daddr, s->out_to_ip, 16);
		__builtin_memcpy(udp, &ports[1], 4);
		__builtin_memcpy(udp + 1, &is, sizeof(is));
	} else {
		struct iphdr *ip = data + ETH_HLEN;
		struct udphdr *udp = (void *)(ip + 1);
		if ((void *)(udp + 1) + sizeof(is) > end)
			return -1;
		__be32 old[2] = {ip->saddr, ip->daddr};
		__be32 new[2] = {s->out_from_ip[0], s->out_to_ip[0]};
		address = bpf_csum_diff(old, 8, new, 8, 0);
		__builtin_memcpy(ports, udp, 4);
		ports[1] = s->out_from_port | (__u32)s->out_to_port << 16;
		rest = bpf_csum_diff(&ports[0], 4, &ports[1], 4, 0);
		ip->tos = s->out_tos;
		ip->id = 0;
		ip->frag_off = bpf_htons(0x4000); /* do not fragment: as every UDP socket has it */
		ip->ttl = RELAY_BPF_TTL;
		ip->saddr = new[0];
		ip->daddr = new[1];
		ip->check = 0;
		ip->check = fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
		__builtin_memcpy(udp, &ports[1], 4);
		__builtin_memcpy(udp + 1, &is, sizeof(is));
	}
	rest = bpf_csum_diff((__be32 *)was, sizeof(*was), (__be32 *)&is, sizeof(is), (__wsum)rest);
	const __u32 check_at = v->udp_at + offsetof(struct udphdr, check);
	bpf_l4_csum_replace(skb, check_at, 0, (__u64)address,
			    BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);
	bpf_l4_csum_replace(skb, check_at, 0, (__u64)rest, BPF_F_MARK_MANGLED_0);
	return 0;
}

static __always_inline int forward(struct __sk_buff *skb, struct relay_slot *s,
				   const struct view *v, const struct rtp_head *h, __u64 now)
{
	struct bpf_redir_neigh n = {};
	if (rewrite(skb, s, v, h) < 0)
		return TC_ACT_SHOT;
	measure(s, h, now);
	s->last_ns = now;
	__sync_fetch_and_add(&s->packets, 1);
	__sync_fetch_and_add(&s->bytes, v->payload_len);
	if (s->next_hop_family == 6) {
		n.nh_family = INET6;
		__builtin_memcpy(n.ipv6_nh, s->next_hop, 16);
	} else {
		n.nh_family = INET;
		n.ipv4_nh = s->next_hop[0];
	}
	return (int)bpf_redirect_neigh(s->ifindex, &n, sizeof(n), 0);
}

SEC("tc")
int relay_ingress(struct __sk_buff *skb)
{
	struct view v = {};
	struct rtp_head h;
	__u32 zero = 0;
	if (skb->pkt_type != PACKET_HOST || parse(skb, &v) < 0)
		return TC_ACT_UNSPEC;
	struct relay_bpf_control *c = bpf_map_lookup_elem(&control, &zero);
	struct relay_slot *s = find_slot(&v.to, v.to_port);
	if (!c || !s || s->flags & RELAY_SLOT_FOREIGN)
		return TC_ACT_UNSPEC;
	if (!(s->flags & RELAY_SLOT_OPEN))
		return c->is_reserved ? refuse(s, RELAY_BPF_UNKNOWN) : TC_ACT_UNSPEC;
	const __u64 now = bpf_ktime_get_ns();
	const __u32 flags = s->flags;
	if (flags & (RELAY_SLOT_FIXED | RELAY_SLOT_HELD | RELAY_SLOT_CHECKS) &&
	    !(v.from_port_be == s->from_port && same_ip(v.from_ip, s->from_ip)))
		return from_stranger(c, s, &v, now);
	if (s->step_ns && !take(&s->due_ns, s->step_ns, s->burst_ns, now))
		return refuse(s, RELAY_BPF_RATE);
	if (!(flags & RELAY_SLOT_FORWARD) || v.payload_len < sizeof(h) || skb->gso_segs > 1 ||
	    read_rtp(skb, &v, &h) < 0 || !is_next(skb, s, &v, &h))
		return pass_up(c, s);
	return forward(skb, s, &v, &h, now);
}

char relay_license[] SEC("license") = "GPL";
