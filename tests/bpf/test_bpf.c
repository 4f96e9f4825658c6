/*
 * The programs in the kernel, run by BPF_PROG_TEST_RUN, and what the relay tells them (io_kernel), against
 * the C path: each packet of a table goes to the program; what it passes up goes to forward_batch; and all of
 * them go to a second relay that has no program. Both must have done the same. In a network namespace of its
 * own, so that there is a way to send. Skipped where the kernel does not let us.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <relay.skel.h>

#include "rtpproxy/bpf/relay_shared.h"
#include "rtpproxy/core/forward.h"
#include "rtpproxy/core/ice.h"
#include "rtpproxy/core/stream.h"
#include "rtpproxy/io/io.h"
#include "rtpproxy/io/io_kernel.h"
#include "rtpproxy/io/io_steered.h"
#include "rtpproxy/io/pins.h"
#include "tests/support/check.h"
#include "tests/support/media.h"

enum { FIRST = 30000, LAST = 30099, TOS = 0xb8, MTU = 1500, FRAME = 2200, SSRC = 0x1234abcd };

enum verdict { UP, KERNEL, DROP_UNKNOWN, DROP_SOURCE, DROP_RATE, DROP_BUSY };

/* Two parties, A and B, and the local endpoint of each. */
struct side {
	struct srtp_worker srtp;
	struct forward forward;
	struct stream stream[2];
	struct stream_types types;
};

struct world {
	struct relay_bpf *skel;
	struct pins pins;
	struct kernel *kernel;
	struct side real, reference;
	struct addr local[2], party[2];
	uint64_t now_us, random;
	uint8_t out[FRAME];
	size_t out_len;
};

static struct world *world;

static uint64_t clock_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

static struct addr at(const char *ip, uint16_t port)
{
	struct addr a;
	assert_int_equal(addr_parse_ip(str_from(ip), &a), OK);
	a.port = port;
	return a;
}

/* ---- the namespace, the programs, the maps */

static bool run(const char *command)
{
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)command, NULL};
	pid_t pid;
	int status;
	return posix_spawnp(&pid, "sh", NULL, NULL, argv, environ) == 0 &&
	       waitpid(pid, &status, 0) == pid && status == 0;
}

static const char *make_namespace(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return "no right to a network namespace";
	return run("PATH=$PATH:/sbin:/usr/sbin; ip link set lo up && ip link add v0 type veth peer "
		   "name v1 && "
		   "ip addr add 10.0.0.1/24 dev v0 && ip addr add fd00::1/64 dev v0 nodad && "
		   "ip link set v0 up && ip link set v1 up && "
		   "ip route add 192.168.0.0/16 via 10.0.0.254")
		       ? NULL
		       : "no veth devices";
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static const char *load(void)
{
	libbpf_set_print(silent);
	world->skel = relay_bpf__open();
	if (!world->skel)
		return "the programs cannot be read";
	bpf_map__set_max_entries(world->skel->maps.slots, 2 * (LAST - FIRST + 1));
	return relay_bpf__load(world->skel) == 0 ? NULL : "the kernel does not take the programs";
}

static void fill_address(const char *ip, unsigned family, uint32_t base)
{
	const struct addr a = at(ip, 0);
	struct relay_bpf_address key = {.family = family};
	const struct relay_bpf_ranges r = {.range = {{FIRST, LAST, base}}};
	memcpy(key.ip, a.ip, sizeof(key.ip));
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(world->skel->maps.addresses), &key, &r, 0),
			 0);
	world->pins.ranges[world->pins.range_count++] =
		(struct pins_range){.addr = a, .min = FIRST, .max = LAST, .base = base};
}

static void *map(const struct bpf_map *m, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(m), 0);
	assert_true(p != MAP_FAILED);
	return p;
}

static int make_pins(void **state)
{
	(void)state;
	struct pins *p = &world->pins;
	p->slot_count = 2 * (LAST - FIRST + 1);
	p->slots = map(world->skel->maps.slots, p->slot_count * sizeof(*p->slots));
	p->control = map(world->skel->maps.control, sizeof(*p->control));
	p->control->layout = RELAY_BPF_LAYOUT;
	p->control->slot_count = p->slot_count;
	p->control->is_reserved = p->control->is_early = 1;
	p->sockets_fd = bpf_map__fd(world->skel->maps.sockets);
	p->drops_fd = bpf_map__fd(world->skel->maps.drops);
	p->cpus = (unsigned)libbpf_num_possible_cpus();
	fill_address("10.0.0.1", 4, 0);
	fill_address("fd00::1", 6, LAST - FIRST + 1);
	return 0;
}

/* ---- a call: A at [0], B at [1], plain, in force */

static void begin_side(struct side *s, bool with_kernel)
{
	static const struct siphash_key hide = {{1, 2}};
	assert_int_equal(srtp_worker_init(&s->srtp, "openssl"), OK);
	forward_init(&s->forward, &s->srtp, &hide);
	for (int i = 0; i < 2; i++) {
		struct stream *t = &s->stream[i];
		stream_init(t, PKT_RTP, &s->srtp, NULL);
		stream_set_security(t, STREAM_PLAIN);
		stream_set_remote(t, &world->party[i], world->now_us);
		/* What leaves is one source of ours: new SSRC, numbers, timestamps; A's codec 0 is B's 8. */
		stream_set_source(t, world->random + (uint64_t)i);
		stream_set_continuity(t, true, 8000);
		uint32_t slot;
		assert_true(pins_find(&world->pins, &world->local[i], &slot));
		t->user = (void *)(uintptr_t)(slot + 1);
		if (with_kernel)
			kernel_open(world->kernel, slot, t, TOS);
	}
	for (unsigned i = 0; i < 128; i++)
		s->types.to[i] = (uint8_t)(i == 0 ? 8 : i);
	s->stream[1].types = &s->types;
	stream_set_peer(&s->stream[0], PKT_RTP, &s->stream[1]);
	stream_set_peer(&s->stream[1], PKT_RTP, &s->stream[0]);
}

static uint32_t slot_of(int side)
{
	return (uint32_t)(uintptr_t)world->real.stream[side].user - 1;
}

static void begin(bool is_ip6)
{
	world->now_us = clock_us();
	world->random = (world->random + 1) * UINT64_C(0x9e3779b97f4a7c15);
	world->local[0] = at(is_ip6 ? "fd00::1" : "10.0.0.1", FIRST);
	world->local[1] = at(is_ip6 ? "fd00::1" : "10.0.0.1", FIRST + 2);
	world->party[0] = at(is_ip6 ? "fd00::2" : "10.0.0.2", 4000);
	world->party[1] = at(is_ip6 ? "fd00::3" : "10.0.0.3", 5001);
	pins_begin(&world->pins);
	const struct io_steered_params p = {.pins = &world->pins,
					    .forward = &world->real.forward,
					    .with_kernel = true,
					    .orphan_us = 60000000};
	assert_int_equal(kernel_new(&p, &world->kernel), OK);
	begin_side(&world->real, true);
	begin_side(&world->reference, false);
}

static void end(void)
{
	for (int i = 0; i < 2; i++)
		kernel_close(world->kernel, slot_of(i));
	kernel_free(&world->kernel);
	struct side *sides[] = {&world->real, &world->reference};
	for (int n = 0; n < 2; n++) {
		for (int i = 0; i < 2; i++)
			stream_release(&sides[n]->stream[i]);
		srtp_worker_release(&sides[n]->srtp);
	}
}

/* ---- frames */

struct from {
	struct addr from, to;
	uint16_t fragment; /* IPv4: flags and offset */
	bool options;      /* IPv4 */
	bool bad_length;   /* UDP says more than there is */
};

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t sum(const uint8_t *p, size_t n, uint32_t s)
{
	for (size_t i = 0; i < n; i++)
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return s;
}

static uint16_t folded(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

/* Over pseudo header, header and data; 0xffff when the checksum in it is right. */
static uint16_t udp_sum(const uint8_t *src, const uint8_t *dst, size_t ip_len, const uint8_t *udp,
			size_t len)
{
	uint32_t s = sum(src, ip_len, 0);
	s = sum(dst, ip_len, s) + 17 + (uint32_t)len;
	return folded(sum(udp, len, s));
}

static size_t frame(const struct from *f, const uint8_t *data, size_t len, uint8_t *out)
{
	const bool is_ip6 = f->to.family == ADDR_IP6;
	const size_t ip_len = is_ip6 ? 16 : 4;
	const size_t head = is_ip6 ? 40 : f->options ? 24 : 20;
	uint8_t *ip = out + 14, *udp = ip + head;
	memset(out, 0, 14 + head + 8);
	put16(out + 12, is_ip6 ? 0x86dd : 0x0800);
	if (is_ip6) {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned)len + 8);
		ip[6] = 17;
		ip[7] = 33;
	} else {
		ip[0] = (uint8_t)(0x40 | head / 4);
		put16(ip + 2, (unsigned)(head + 8 + len));
		put16(ip + 4, 0x4242);
		put16(ip + 6, f->fragment);
		ip[8] = 33;
		ip[9] = 17;
		if (f->options)
			memset(ip + 20, 1, 4);
	}
	uint8_t *addresses = ip + (is_ip6 ? 8 : 12);
	memcpy(addresses, f->from.ip, ip_len);
	memcpy(addresses + ip_len, f->to.ip, ip_len);
	put16(udp, f->from.port);
	put16(udp + 2, f->to.port);
	put16(udp + 4, (unsigned)len + 8 + f->bad_length);
	memcpy(udp + 8, data, len);
	put16(udp + 6, (uint16_t)~udp_sum(addresses, addresses + ip_len, ip_len, udp, len + 8));
	if (!is_ip6)
		put16(ip + 10, (uint16_t)~folded(sum(ip, head, 0)));
	return 14 + head + 8 + len;
}

static uint64_t dropped(enum relay_bpf_drop why)
{
	struct relay_bpf_drops d;
	pins_read_drops(&world->pins, &d);
	return d.n[why];
}

/* What the program does with it; the frame that leaves is in world->out. */
static enum verdict give(const struct from *f, const uint8_t *data, size_t len)
{
	uint8_t in[FRAME];
	uint64_t before[RELAY_BPF_DROPS];
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in,
		    .data_size_in = (uint32_t)frame(f, data, len, in), .data_out = world->out,
		    .data_size_out = sizeof(world->out));
	for (unsigned i = 0; i < RELAY_BPF_DROPS; i++)
		before[i] = dropped((enum relay_bpf_drop)i);
	const int e = bpf_prog_test_run_opts(bpf_program__fd(world->skel->progs.relay_ingress), &o);
	assert_int_equal(e, 0);
	world->out_len = o.data_size_out;
	if (o.retval == TC_ACT_REDIRECT)
		return KERNEL;
	if ((int)o.retval == TC_ACT_UNSPEC)
		return UP;
	assert_int_equal(o.retval, TC_ACT_SHOT);
	for (unsigned i = 0; i < RELAY_BPF_DROPS; i++)
		if (dropped((enum relay_bpf_drop)i) > before[i])
			return (enum verdict)(DROP_UNKNOWN + i);
	fail_msg("dropped and not counted");
	return UP;
}

/* The same packet through the C path of one side. */
static struct pkt *pass(struct side *s, const struct from *f, const uint8_t *data, size_t len)
{
	static struct media_pkt m;
	struct pkt *list[] = {&m.pkt};
	memcpy(m.bytes, data, len);
	m.pkt = (struct pkt){.data = m.bytes,
			     .len = (uint32_t)len,
			     .cap = sizeof(m.bytes),
			     .from = f->from,
			     .at_us = world->now_us};
	for (int i = 0; i < 2; i++)
		if (addr_eq(&f->to, &world->local[i]))
			m.pkt.stream = &s->stream[i];
	if (s == &world->real)
		kernel_before(world->kernel, list, 1, world->now_us);
	forward_batch(&s->forward, list, 1, world->now_us);
	if (s == &world->real)
		kernel_after(world->kernel, list, 1);
	return &m.pkt;
}

/* Everything that a frame of ours must be. */
static void check_out(const struct from *f, const struct pkt *want)
{
	const bool is_ip6 = f->to.family == ADDR_IP6;
	const uint8_t *ip = world->out + 14, *udp = ip + (is_ip6 ? 40 : 20);
	const size_t ip_len = is_ip6 ? 16 : 4;
	const uint8_t *addresses = ip + (is_ip6 ? 8 : 12);
	const int side = addr_eq(&f->to, &world->local[1]) ? 0 : 1;
	EXPECT_INT(world->out_len, 14 + (is_ip6 ? 48 : 28) + want->len);
	EXPECT_BYTES(addresses, world->local[side].ip, ip_len);
	EXPECT_BYTES(addresses + ip_len, want->to.ip, ip_len);
	EXPECT_INT(udp[0] << 8 | udp[1], world->local[side].port);
	EXPECT_INT(udp[2] << 8 | udp[3], want->to.port);
	EXPECT_INT(udp_sum(addresses, addresses + ip_len, ip_len, udp, want->len + 8), 0xffff);
	EXPECT_BYTES(udp + 8, want->data, want->len);
	if (is_ip6) {
		EXPECT_INT((ip[0] & 15) << 4 | ip[1] >> 4, TOS);
		EXPECT_INT(ip[7], 64);
	} else {
		EXPECT_INT(ip[1], TOS);
		EXPECT_INT(ip[8], 64);
		EXPECT_INT(ip[4] << 8 | ip[5], 0);
		EXPECT_INT(folded(sum(ip, 20, 0)), 0xffff);
	}
}

/* Through the programs and the relay, and through the relay that has none. */
static enum verdict pump(const struct from *f, const uint8_t *data, size_t len)
{
	world->now_us = clock_us();
	const enum verdict v = give(f, data, len);
	enum pkt_fate up = FATE_COUNT;
	if (v == UP)
		up = (enum pkt_fate)pass(&world->real, f, data, len)->fate;
	const struct pkt *p = pass(&world->reference, f, data, len);
	switch (v) {
	case UP: EXPECT_INT(up, p->fate); break;
	case KERNEL:
		EXPECT_INT(p->fate, FATE_SENT);
		if (p->fate == FATE_SENT)
			check_out(f, p);
		break;
	/* The relay looks at what it is before it looks at whose: dropped all the same. */
	case DROP_SOURCE: EXPECT_TRUE(p->fate == FATE_SOURCE || p->fate == FATE_NOISE); break;
	case DROP_RATE: EXPECT_INT(p->fate, FATE_RATE); break;
	case DROP_UNKNOWN: EXPECT_INT(p->fate, FATE_UNKNOWN); break;
	case DROP_BUSY: break;
	}
	return v;
}

static enum verdict say(int side, uint16_t seq, uint32_t timestamp)
{
	uint8_t data[512];
	const struct media_rtp r = {
		.ssrc = SSRC + (uint32_t)side, .timestamp = timestamp, .seq = seq, .payload = 160};
	const struct from f = {.from = world->party[side], .to = world->local[side]};
	return pump(&f, data, media_rtp_write(&r, data));
}

/* Both have spoken: what follows may be forwarded by the kernel. */
static void establish(void)
{
	EXPECT_INT(say(1, 7, 700), UP);
	EXPECT_INT(say(0, 1000, 8000), UP);
	EXPECT_INT(say(0, 1001, 8160), KERNEL);
}

/* ---- tests */

enum change {
	SAME,
	FROM_PORT,
	FROM_IP,
	OTHER_PORT,
	OUT_OF_RANGE,
	OTHER_ADDRESS,
	FRAGMENT,
	OPTIONS,
	BAD_LENGTH
};

static const struct packet_row {
	const char *name;
	struct media_rtp rtp;
	const char *raw; /* instead: octets of the payload */
	enum change change;
	enum verdict want;
} packet_rows[] = {
	{"the next packet is forwarded", {.seq = 1002}, NULL, SAME, KERNEL},
	{"a gap is forwarded", {.seq = 1050}, NULL, SAME, KERNEL},
	{"one that is late is forwarded", {.seq = 999}, NULL, SAME, KERNEL},
	{"one that comes again is forwarded", {.seq = 1001}, NULL, SAME, KERNEL},
	{"an empty one is forwarded", {.seq = 1002, .payload = 1}, NULL, SAME, KERNEL},
	{"an odd length is forwarded", {.seq = 1002, .payload = 33}, NULL, SAME, KERNEL},
	{"a header extension is forwarded",
	 {.seq = 1002, .extension_words = 3},
	 NULL,
	 SAME,
	 KERNEL},
	{"a frame of the device's size is forwarded",
	 {.seq = 1002, .payload = MTU - 48 - 12},
	 NULL,
	 SAME,
	 KERNEL},
	{"a larger one goes to the relay", {.seq = 1002, .payload = MTU}, NULL, SAME, UP},
	{"padding is for the relay to check", {.seq = 1002, .padding = 4}, NULL, SAME, UP},
	{"mixed sources go to the relay", {.seq = 1002, .csrcs = 2}, NULL, SAME, UP},
	{"another payload type goes to the relay",
	 {.seq = 1002, .payload_type = 101},
	 NULL,
	 SAME,
	 UP},
	{"another source of RTP goes to the relay", {.seq = 1002, .ssrc = 77}, NULL, SAME, UP},
	{"a jump of numbers goes to the relay", {.seq = 9000}, NULL, SAME, UP},
	{"a jump of the clock goes to the relay",
	 {.seq = 1002, .timestamp = 8160 + 80001},
	 NULL,
	 SAME,
	 UP},
	{"a silence of seconds is forwarded",
	 {.seq = 1002, .timestamp = 8160 + 80000},
	 NULL,
	 SAME,
	 KERNEL},
	{"a jump back goes to the relay", {.seq = 800}, NULL, SAME, UP},
	{"an extension that does not fit goes to the relay",
	 {0},
	 "90 00 03ea 00001fe0 1234abcd bede 0009 00000000",
	 SAME,
	 UP},
	{"RTCP goes to the relay", {0}, "80 c9 0001 1234abcd", SAME, UP},
	{"STUN goes to the relay", {0}, "0001 0000 2112a442 000000000000000000000000", SAME, UP},
	{"DTLS goes to the relay", {0}, "16 fefd 0000 000000000000 0000", SAME, UP},
	{"eleven octets of RTP go to the relay", {0}, "8000 03ea 00001fe0 1234ab", SAME, UP},
	{"one octet goes to the relay", {0}, "80", SAME, UP},
	{"noise goes to the relay", {0}, "ff00 03ea 00001fe0 1234abcd 00", SAME, UP},
	{"another port of the party's host is a stranger",
	 {.seq = 1002},
	 NULL,
	 FROM_PORT,
	 DROP_SOURCE},
	{"another host is a stranger", {.seq = 1002}, NULL, FROM_IP, DROP_SOURCE},
	{"noise of strangers is dropped by its source", {0}, "ff", FROM_IP, DROP_SOURCE},
	{"a port that nothing is open on", {.seq = 1002}, NULL, OTHER_PORT, DROP_UNKNOWN},
	{"a port beside the range is not ours", {.seq = 1002}, NULL, OUT_OF_RANGE, UP},
	{"another address of the host is not ours", {.seq = 1002}, NULL, OTHER_ADDRESS, UP},
	{"a fragment is the stack's", {.seq = 1002}, NULL, FRAGMENT, UP},
	{"options are the stack's", {.seq = 1002}, NULL, OPTIONS, UP},
	{"a length that does not fit is the stack's", {.seq = 1002}, NULL, BAD_LENGTH, UP},
};

static void apply_change(struct from *f, enum change change, bool is_ip6)
{
	switch (change) {
	case FROM_PORT: f->from.port++; break;
	case FROM_IP: f->from.ip[is_ip6 ? 15 : 3] ^= 0x40; break;
	case OTHER_PORT: f->to.port += 4; break;
	case OUT_OF_RANGE: f->to.port = LAST + 1; break;
	case OTHER_ADDRESS: f->to.ip[1] ^= 1; break;
	case FRAGMENT: f->fragment = 0x2000; break;
	case OPTIONS: f->options = true; break;
	case BAD_LENGTH: f->bad_length = true; break;
	case SAME: break;
	}
}

static void packets(bool is_ip6)
{
	CHECK_TABLE(row, packet_rows)
	{
		uint8_t data[FRAME];
		struct media_rtp r = row->rtp;
		if (is_ip6 && (row->change == FRAGMENT || row->change == OPTIONS))
			continue;
		begin(is_ip6);
		establish();
		struct from f = {.from = world->party[0], .to = world->local[0]};
		apply_change(&f, row->change, is_ip6);
		r.ssrc = r.ssrc ? r.ssrc : SSRC;
		r.payload = r.payload ? r.payload : 160;
		if (r.payload == MTU - 48 - 12 && !is_ip6)
			r.payload += 20;
		r.timestamp = r.timestamp ? r.timestamp : 8320;
		const size_t len = row->raw ? media_hex(row->raw, data, sizeof(data))
					    : media_rtp_write(&r, data);
		/* What is not for us is not given to the relays either. */
		const bool ours = row->change < OTHER_PORT;
		EXPECT_INT(ours ? pump(&f, data, len) : give(&f, data, len), row->want);
		end();
	}
}

static void forwards_and_refuses_as_the_relay_does_IPv4(void **state)
{
	(void)state;
	packets(false);
}

static void forwards_and_refuses_as_the_relay_does_IPv6(void **state)
{
	(void)state;
	packets(true);
}

static void sleep_us(uint64_t us)
{
	const struct timespec t = {0, (long)us * 1000};
	nanosleep(&t, NULL);
}

/* Loss, repeats, disorder, a wrap of the numbers: the same figures as the relay alone would have. */
static void counts_and_measures_as_the_relay_does(void **state)
{
	(void)state;
	struct quality_report got, want;
	unsigned kernel = 0;
	begin(false);
	EXPECT_INT(say(1, 7, 700), UP);
	uint16_t seq = 65000;
	for (unsigned i = 0; i < 2000; i++, seq++) {
		const unsigned r = (i * 2654435761u) >> 24;
		const uint16_t s = (uint16_t)(r < 10 ? seq + 1 : r < 20 ? seq - 3 : seq);
		if (r < 240)
			kernel += say(0, s, 160u * i) == KERNEL;
		if (i % 100 == 0)
			sleep_us(300);
	}
	EXPECT_TRUE(kernel > 1700);
	const struct stream *a = &world->real.stream[0], *b = &world->reference.stream[0];
	kernel_recall(world->kernel, slot_of(0), true);
	EXPECT_U64(a->stats.rx_packets, b->stats.rx_packets);
	EXPECT_U64(a->stats.rx_bytes, b->stats.rx_bytes);
	EXPECT_U64(world->real.stream[1].stats.tx_packets,
		   world->reference.stream[1].stats.tx_packets);
	EXPECT_U64(world->real.stream[1].stats.tx_bytes, world->reference.stream[1].stats.tx_bytes);
	EXPECT_U64(world->real.forward.stats.fate[FATE_SENT],
		   world->reference.forward.stats.fate[FATE_SENT]);
	EXPECT_TRUE(a->last_us + 100000 > b->last_us && a->latch.last_us == a->last_us);
	quality_report(&a->quality, 0, &got);
	quality_report(&b->quality, 0, &want);
	EXPECT_U64(got.expected, want.expected);
	EXPECT_U64(got.received, want.received);
	EXPECT_U64(got.lost, want.lost);
	EXPECT_TRUE(want.lost > 0);
	EXPECT_INT(got.seq, want.seq);
	EXPECT_U64(got.timestamp, want.timestamp);
	/* Two clocks a few microseconds apart, and a scheduler between them. */
	const double apart = got.jitter_ms - want.jitter_ms;
	EXPECT_TRUE(want.jitter_ms > 0 && apart < 3 && apart > -3);
	end();
}

static void a_command_brings_the_flow_back_and_packets_give_it_away_again(void **state)
{
	(void)state;
	begin(false);
	establish();
	kernel_recall(world->kernel, slot_of(0), true);
	EXPECT_INT(say(0, 1002, 8320), KERNEL);
	kernel_recall(world->kernel, slot_of(0), false);
	EXPECT_INT(say(0, 1003, 8480), UP);
	EXPECT_INT(say(0, 1004, 8640), KERNEL);
	/* On hold it stays with the relay, which refuses it. */
	kernel_recall(world->kernel, slot_of(0), false);
	stream_set_flow(&world->real.stream[0], STREAM_HOLD);
	stream_set_flow(&world->reference.stream[0], STREAM_HOLD);
	for (uint16_t i = 0; i < 40; i++)
		EXPECT_INT(say(0, (uint16_t)(1005 + i), 8800u + 160u * i), UP);
	/* A party that signals another address is no stranger there. */
	kernel_recall(world->kernel, slot_of(0), false);
	world->party[0].port = 4444;
	stream_set_remote(&world->real.stream[0], &world->party[0], world->now_us);
	stream_set_remote(&world->reference.stream[0], &world->party[0], world->now_us);
	EXPECT_INT(say(0, 1050, 16000), UP);
	end();
}

static void another_payload_type_takes_the_flow_back_for_a_while(void **state)
{
	(void)state;
	uint8_t data[256];
	unsigned up = 0;
	begin(false);
	establish();
	sleep_us(60000); /* what waited when it was given away does not count */
	const struct from f = {.from = world->party[0], .to = world->local[0]};
	const struct media_rtp key = {
		.ssrc = SSRC, .timestamp = 8320, .seq = 1002, .payload_type = 101, .payload = 4};
	EXPECT_INT(pump(&f, data, media_rtp_write(&key, data)), UP);
	for (uint16_t i = 0; i < 100; i++)
		up += say(0, (uint16_t)(1003 + i), 8320 + 160u * i) == UP;
	EXPECT_TRUE(up > 16 && up < 40);
	end();
}

static void a_port_that_closes_takes_its_flows_with_it(void **state)
{
	(void)state;
	begin(false);
	establish();
	EXPECT_INT(say(1, 8, 860), KERNEL);
	kernel_close(world->kernel, slot_of(1));
	/* A's packets left by that port. */
	EXPECT_TRUE((world->pins.slots[slot_of(0)].flags & RELAY_SLOT_FORWARD) == 0);
	const struct from f = {.from = world->party[1], .to = world->local[1]};
	EXPECT_INT(give(&f, (const uint8_t *)"x", 1), DROP_UNKNOWN);
	kernel_open(world->kernel, slot_of(1), &world->real.stream[1], TOS);
	end();
}

static void packets_over_the_rate_are_dropped_in_front(void **state)
{
	(void)state;
	unsigned passed = 0;
	begin(false);
	for (int i = 0; i < 2; i++)
		stream_set_rate(&world->real.stream[i], 10, 20);
	establish();
	uint8_t data[256];
	const struct from f = {.from = world->party[0], .to = world->local[0]};
	for (uint16_t i = 0; i < 100; i++) {
		const struct media_rtp r = {.ssrc = SSRC,
					    .timestamp = 8320u + 160u * i,
					    .seq = (uint16_t)(1002 + i),
					    .payload = 160};
		const enum verdict v = give(&f, data, media_rtp_write(&r, data));
		passed += v == KERNEL;
		EXPECT_TRUE(v == KERNEL || v == DROP_RATE);
	}
	EXPECT_TRUE(passed >= 18 && passed <= 24);
	kernel_recall(world->kernel, slot_of(0), true);
	EXPECT_INT(stream_dropped(&world->real.stream[0], FATE_RATE), 100 - passed);
	end();
}

/* Garbage that has to be heard does not use up what the party may send. */
static void strangers_that_are_heard_do_not_cost_the_party_its_rate(void **state)
{
	(void)state;
	static struct ice ice;
	unsigned heard = 0;
	begin(false);
	establish();
	kernel_recall(world->kernel, slot_of(0), false);
	stream_set_rate(&world->real.stream[0], 1000, 1000);
	stream_set_ice(&world->real.stream[0], &ice);
	struct from f = {.from = world->party[0], .to = world->local[0]};
	EXPECT_INT(say(0, 1002, 8320), UP);
	f.from.port++;
	for (int i = 0; i < 3000; i++)
		heard += give(&f, (const uint8_t *)"\x80xxxxxxxxxxxxx", 13) == UP;
	EXPECT_TRUE(heard > 90 && heard < 250);
	for (uint16_t i = 0; i < 100; i++)
		EXPECT_INT(say(0, (uint16_t)(1003 + i), 8480 + 160u * i), UP);
	stream_set_ice(&world->real.stream[0], NULL);
	end();
}

static void a_relay_that_is_behind_gets_no_more(void **state)
{
	(void)state;
	begin(false);
	struct relay_bpf_queue *q = &world->pins.control->queue[0];
	const struct from f = {.from = world->party[0], .to = world->local[0]};
	q->queued = q->taken + RELAY_BPF_QUEUE - 1;
	EXPECT_INT(give(&f, (const uint8_t *)"x", 1), UP);
	EXPECT_INT(give(&f, (const uint8_t *)"x", 1), DROP_BUSY);
	/* It has read some: there is room for as many. */
	kernel_took(world->kernel, 1, false, 0);
	EXPECT_INT(give(&f, (const uint8_t *)"x", 1), UP);
	EXPECT_INT(give(&f, (const uint8_t *)"x", 1), DROP_BUSY);
	/* It has seen the end of its queue: what was lost on the way is not waited for. */
	kernel_took(world->kernel, 0, true, kernel_queued(world->kernel));
	EXPECT_INT(give(&f, (const uint8_t *)"x", 1), UP);
	end();
}

static void flows_outlive_the_relay(void **state)
{
	(void)state;
	begin(false);
	establish();
	const uint32_t slot = slot_of(0);
	struct relay_slot *s = &world->pins.slots[slot];
	/* As a relay that was killed leaves it, and the next one finds it. */
	const struct relay_slot left = *s;
	EXPECT_TRUE((left.flags & RELAY_SLOT_FORWARD) != 0);
	pins_begin(&world->pins);
	EXPECT_TRUE((s->flags & RELAY_SLOT_FORWARD) != 0);
	uint8_t data[256];
	const struct from f = {.from = world->party[0], .to = world->local[0]};
	const struct media_rtp r = {.ssrc = SSRC, .timestamp = 8320, .seq = 1002, .payload = 160};
	EXPECT_INT(give(&f, data, media_rtp_write(&r, data)), KERNEL);
	/* … until it has been silent for as long as calls may. */
	struct io_stats stats = {0};
	kernel_tick(world->kernel, clock_us(), &stats);
	EXPECT_TRUE((s->flags & RELAY_SLOT_OPEN) != 0);
	kernel_tick(world->kernel, clock_us() + 61000000, &stats);
	EXPECT_INT(s->flags, 0);
	end();
}

static void ports_of_other_programs_are_left_alone(void **state)
{
	(void)state;
	begin(false);
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(FIRST + 8)};
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	sa.sin_addr.s_addr = htonl(0x0a000001);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	const struct from f = {.from = world->party[0], .to = at("10.0.0.1", FIRST + 8)};
	EXPECT_INT(give(&f, (const uint8_t *)"x", 1), DROP_UNKNOWN);
	pins_mark_foreign(&world->pins);
	EXPECT_INT(give(&f, (const uint8_t *)"x", 1), UP);
	close(fd);
	end();
}

static void without_reserved_ports_unknown_ones_are_the_stack_s(void **state)
{
	(void)state;
	begin(false);
	const struct from f = {.from = world->party[0], .to = at("10.0.0.1", FIRST + 6)};
	world->pins.control->is_reserved = 0;
	EXPECT_INT(give(&f, (const uint8_t *)"x", 1), UP);
	world->pins.control->is_reserved = 1;
	EXPECT_INT(give(&f, (const uint8_t *)"x", 1), DROP_UNKNOWN);
	end();
}

static uint64_t steer(uint32_t family, const char *ip, uint16_t port, uint32_t protocol,
		      uint32_t *out_retval)
{
	const struct addr a = at(ip, port);
	struct bpf_sk_lookup c = {.family = family,
				  .protocol = protocol,
				  .remote_port = htons(9),
				  .local_port = port};
	if (family == AF_INET)
		memcpy(&c.local_ip4, a.ip, 4);
	else
		memcpy(c.local_ip6, a.ip, 16);
	LIBBPF_OPTS(bpf_test_run_opts, o, .ctx_in = &c, .ctx_size_in = sizeof(c), .ctx_out = &c,
		    .ctx_size_out = sizeof(c));
	assert_int_equal(
		bpf_prog_test_run_opts(bpf_program__fd(world->skel->progs.relay_steer), &o), 0);
	*out_retval = o.retval;
	return c.cookie;
}

static uint64_t bound(int family, int *out_fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	struct sockaddr_storage sa = {.ss_family = (sa_family_t)family};
	*out_fd = socket(family, SOCK_DGRAM, 0);
	assert_int_equal(
		bind(*out_fd, (struct sockaddr *)&sa,
		     family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)),
		0);
	assert_int_equal(getsockopt(*out_fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

static void open_ports_are_steered_to_the_socket_of_their_worker(void **state)
{
	(void)state;
	uint32_t verdict;
	int fd[2];
	begin(false);
	/* Between two lives of the relay nobody is told "unreachable". */
	EXPECT_U64(steer(AF_INET, "10.0.0.1", FIRST, IPPROTO_UDP, &verdict), 0);
	EXPECT_INT(verdict, 0);
	const uint64_t cookie4 = bound(AF_INET, &fd[0]), cookie6 = bound(AF_INET6, &fd[1]);
	EXPECT_ERR(pins_set_socket(&world->pins, 0, ADDR_IP4, fd[0]), OK);
	EXPECT_ERR(pins_set_socket(&world->pins, 0, ADDR_IP6, fd[1]), OK);
	EXPECT_U64(steer(AF_INET, "10.0.0.1", FIRST, IPPROTO_UDP, &verdict), cookie4);
	EXPECT_INT(verdict, 1);
	EXPECT_U64(steer(AF_INET, "10.0.0.1", FIRST + 2, IPPROTO_UDP, &verdict), cookie4);
	EXPECT_U64(steer(AF_INET, "10.0.0.1", FIRST + 4, IPPROTO_UDP, &verdict), 0);
	EXPECT_INT(verdict, 1);
	EXPECT_U64(steer(AF_INET, "10.0.0.9", FIRST, IPPROTO_UDP, &verdict), 0);
	EXPECT_U64(steer(AF_INET, "10.0.0.1", FIRST, IPPROTO_TCP, &verdict), 0);
	EXPECT_U64(steer(AF_INET, "10.0.0.1", LAST + 1, IPPROTO_UDP, &verdict), 0);
	end();
	begin(true);
	EXPECT_U64(steer(AF_INET6, "fd00::1", FIRST, IPPROTO_UDP, &verdict), cookie6);
	EXPECT_U64(steer(AF_INET, "10.0.0.1", FIRST, IPPROTO_UDP, &verdict), 0);
	close(fd[0]);
	close(fd[1]);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwards_and_refuses_as_the_relay_does_IPv4),
		cmocka_unit_test(forwards_and_refuses_as_the_relay_does_IPv6),
		cmocka_unit_test(counts_and_measures_as_the_relay_does),
		cmocka_unit_test(a_command_brings_the_flow_back_and_packets_give_it_away_again),
		cmocka_unit_test(another_payload_type_takes_the_flow_back_for_a_while),
		cmocka_unit_test(a_port_that_closes_takes_its_flows_with_it),
		cmocka_unit_test(packets_over_the_rate_are_dropped_in_front),
		cmocka_unit_test(strangers_that_are_heard_do_not_cost_the_party_its_rate),
		cmocka_unit_test(a_relay_that_is_behind_gets_no_more),
		cmocka_unit_test(flows_outlive_the_relay),
		cmocka_unit_test(ports_of_other_programs_are_left_alone),
		cmocka_unit_test(without_reserved_ports_unknown_ones_are_the_stack_s),
		cmocka_unit_test(open_ports_are_steered_to_the_socket_of_their_worker),
	};
	world = calloc(1, sizeof(*world));
	const char *why = geteuid() != 0 ? "not root" : make_namespace();
	why = why ? why : load();
	if (why) {
		printf("1..1\nok 1 - # SKIP BPF is not granted here: %s\n", why);
		free(world);
		return 0;
	}
	const int failed = cmocka_run_group_tests(tests, make_pins, NULL);
	relay_bpf__destroy(world->skel);
	free(world);
	return failed;
}
