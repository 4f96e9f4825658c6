/* A frame as the programs see it: Ethernet, IPv4 without options or IPv6 without extensions, UDP, whole. */
#ifndef SALLYPORT_PARSE_H
#define SALLYPORT_PARSE_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "relay_shared.h"

struct rtp_head {
	__u8 first, second;
	__u16 seq;
	__u32 timestamp, ssrc;
};

struct view {
	struct relay_bpf_address to;
	__u32 from_ip[4];
	__u16 to_port, from_port_be;
	__u16 payload_len;
	__u8 first; /* octet of the payload; 0 if there is none */
	__u8 is_ip6;
	__u32 udp_at;
};

static __always_inline __u16 fold(__s64 sum)
{
	__u32 n = (__u32)sum;
	n = (n & 0xffff) + (n >> 16);
	n = (n & 0xffff) + (n >> 16);
	return (__u16)~n;
}

static __always_inline int parse_udp(struct __sk_buff *skb, struct view *v, __u32 room)
{
	void *end = (void *)(long)skb->data_end;
	struct udphdr *udp = (void *)(long)skb->data + v->udp_at;
	if ((void *)(udp + 1) > end)
		return -1;
	const __u32 len = bpf_ntohs(udp->len);
	/* A length that does not fit, or IPv6 without a checksum, is for the stack to refuse. */
	if (len != room || len < sizeof(*udp) || v->udp_at + len > skb->len ||
	    (v->is_ip6 && udp->check == 0))
		return -1;
	v->to_port = bpf_ntohs(udp->dest);
	v->from_port_be = udp->source;
	v->payload_len = (__u16)(len - sizeof(*udp));
	if (v->payload_len > 0 && (void *)(udp + 1) + 1 <= end)
		v->first = *(__u8 *)(udp + 1);
	return 0;
}

static __always_inline int parse(struct __sk_buff *skb, struct view *v)
{
	enum { WANT = ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct udphdr) + 12 };
	if (skb->data_end - skb->data < WANT && skb->len > skb->data_end - skb->data)
		bpf_skb_pull_data(skb, skb->len < WANT ? skb->len : WANT);
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	if ((void *)(eth + 1) > end)
		return -1;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);
		/* Options, fragments: the stack's. */
		if ((void *)(ip + 1) > end || ip->ihl != 5 || ip->protocol != IPPROTO_UDP ||
		    ip->frag_off & bpf_htons(0x3fff))
			return -1;
		v->to.family = 4;
		v->to.ip[0] = ip->daddr;
		v->from_ip[0] = ip->saddr;
		v->udp_at = ETH_HLEN + sizeof(*ip);
		return parse_udp(skb, v, bpf_ntohs(ip->tot_len) - (__u32)sizeof(*ip));
	}
	if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(eth + 1);
		if ((void *)(ip + 1) > end || ip->nexthdr != IPPROTO_UDP)
			return -1;
		v->is_ip6 = 1;
		v->to.family = 6;
		__builtin_memcpy(v->to.ip, &ip->daddr, 16);
		__builtin_memcpy(v->from_ip, &ip->saddr, 16);
		v->udp_at = ETH_HLEN + sizeof(*ip);
		return parse_udp(skb, v, bpf_ntohs(ip->payload_len));
	}
	return -1;
}

static __always_inline int read_rtp(struct __sk_buff *skb, const struct view *v,
				    struct rtp_head *out)
{
	return (int)bpf_skb_load_bytes(skb, v->udp_at + sizeof(struct udphdr), out, sizeof(*out));
}

#endif
