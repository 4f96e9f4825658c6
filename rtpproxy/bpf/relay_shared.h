/*
 * What the relay and its programs in the kernel share: keys, values and limits of the maps. The only
 * header that both sides see. A *slot* is one local port of one address; the relay writes what it wants
 * into mapped memory, the programs read it and write their counts beside it.
 *
 *   relay_steer (sk_lookup)    a datagram for an open slot goes to the socket of the slot's worker
 *   relay_ingress (tc ingress) drops what nobody asked for; forwards plain RTP whose slot says where to
 *
 * Byte order: ip, port and ssrc as on the wire, all else as the host has it. IPv4 in the first word.
 */
#ifndef SALLYPORT_RELAY_SHARED_H
#define SALLYPORT_RELAY_SHARED_H

#include <linux/types.h>

enum {
	RELAY_BPF_LAYOUT = 1,     /* of everything here: other numbers do not work together */
	RELAY_BPF_WORKERS = 32,   /* LIMIT_WORKERS */
	RELAY_BPF_ADDRESSES = 16, /* LIMIT_INTERFACES */
	RELAY_BPF_RANGES = 4,     /* port ranges of one address */
	RELAY_BPF_QUEUE = 4096, /* datagrams that may wait for a worker: more would only grow old */
	RELAY_BPF_DROPOUT = 3000, /* RFC 3550 A.1, as quality.h has them */
	RELAY_BPF_MISORDER = 100,
	RELAY_BPF_CLOCK_S = 10, /* CONTINUITY_CLOCK_S */
	RELAY_BPF_TTL = 64,
	/* What an address that is not the party's may send to one port where it may have to be heard. */
	RELAY_BPF_STRAY_STEP_NS = 10000000,
	RELAY_BPF_STRAY_BURST_NS = 1000000000
};

/* Why a packet went no further. */
enum relay_bpf_drop {
	RELAY_BPF_UNKNOWN, /* nothing is open on this port of ours */
	RELAY_BPF_SOURCE,  /* from elsewhere than the party */
	RELAY_BPF_RATE,    /* more than the stream may have */
	RELAY_BPF_BUSY,    /* the worker is behind */
	RELAY_BPF_DROPS
};

/* relay_slot.flags */
enum {
	RELAY_SLOT_OPEN = 1 << 0,    /* a stream of ours lives here */
	RELAY_SLOT_FIXED = 1 << 1,   /* only from_ip:from_port may send, whatever happens */
	RELAY_SLOT_HELD = 1 << 2,    /* the same until held_until_ns */
	RELAY_SLOT_CHECKS = 1 << 3,  /* STUN and DTLS may come from anywhere */
	RELAY_SLOT_FORWARD = 1 << 4, /* RTP leaves again as out_… says, without the relay */
	RELAY_SLOT_FOREIGN = 1 << 5  /* another program has this port: hands off */
};

struct relay_bpf_address {
	__u32 ip[4];
	__u32 family; /* 4 or 6 */
};

struct relay_bpf_range {
	__u16 min, max; /* 0: none */
	__u32 base;     /* slot of port min */
};

struct relay_bpf_ranges {
	struct relay_bpf_range range[RELAY_BPF_RANGES];
};

/* What the programs measure of forwarded RTP, RFC 3550 A.1 and A.8: the run of struct quality. */
struct relay_bpf_run {
	__u32 cycles, received;
	__u32 transit, last_timestamp;
	__u32 jitter_x16;
	__u16 max_seq;
	__u16 unused;
};

/* In cache lines: who may send; where it goes; how it is rewritten; what came. */
struct relay_slot {
	__u32 flags;
	__u32 worker;
	__u64 life; /* which run of the relay opened it */
	__u32 from_ip[4];
	__u16 from_port;
	__u8 payload_type; /* RTP of another one goes to the relay, as does another SSRC */
	__u8 unused_0;
	__u32 ssrc;
	__u64 held_until_ns;
	__u64 step_ns, burst_ns; /* rate; 0: any */

	__u32 out_from_ip[4], out_to_ip[4];
	__u16 out_from_port, out_to_port;
	__u8 out_tos;
	__u8 next_hop_family; /* 4 or 6 */
	__u16 mtu;
	__u32 ifindex;
	__u32 next_hop[4];
	__u32 clock_rate;

	__u32 out_ssrc;
	__u32 add_timestamp;
	__u16 add_seq;
	__u8 out_payload_type;
	__u8 unused_1[5];
	__u64 last_ns; /* of an accepted packet */
	__u64 packets, bytes;
	__u64 dropped[2]; /* SOURCE, RATE */
	__u64 due_ns;

	__u64 stray_due_ns;
	struct relay_bpf_run run;
	__u64 unused_2[4];
};

/* One for each worker, on a line of its own: how much waits for it. */
struct relay_bpf_queue {
	__u64 queued; /* by the programs */
	__u64 unused_0[7];
	__u64 taken; /* by the worker */
	__u64 limit; /* 0: nobody is there to read */
	__u64 unused_1[6];
};

struct relay_bpf_control {
	__u32 layout, slot_count;
	__u32 is_reserved; /* no other program gets these ports by chance: unknown ones may be dropped */
	__u32 is_early; /* relay_ingress is attached */
	__u64 life;     /* of the relay that runs */
	__u64 unused[5];
	struct relay_bpf_queue queue[RELAY_BPF_WORKERS];
};

struct relay_bpf_drops {
	__u64 n[RELAY_BPF_DROPS];
};

_Static_assert(sizeof(struct relay_slot) == 256, "four cache lines");
_Static_assert(sizeof(struct relay_bpf_address) == 20, "no holes in a key");
_Static_assert(sizeof(struct relay_bpf_run) == 24, "no holes");
_Static_assert(sizeof(struct relay_bpf_control) == 64 + 128 * RELAY_BPF_WORKERS, "whole lines");

#endif
