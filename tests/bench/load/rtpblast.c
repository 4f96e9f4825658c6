/*
 * rtpblast: how many RTP packets a second does a relay forward? Sets N calls up over NG and sends whole Ethernet frames
 * from a packet socket, so that the generator costs a third of what sockets would; what the relay sends back is counted
 * by the device and dropped by the stack: the parties' addresses live nowhere. For each rate one line of JSON.
 *
 *   rtpblast DEVICE RELAY-MAC RELAY-IP NG-PORT A-IP B-IP CALLS SECONDS CORE RATE…
 *
 * CORE: whose busy share is reported; the relay's, with its receive work (RPS) there.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD = 160, FRAME = 14 + 20 + 8 + 12 + PAYLOAD, BURST = 64 };

struct flow {
	uint8_t frame[FRAME];
	uint16_t seq;
	uint32_t timestamp;
};

static struct flow *flows;
static unsigned flow_count;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t rx_packets(const char *device)
{
	char path[128];
	unsigned long long n = 0;
	snprintf(path, sizeof(path), "/proc/net/dev");
	FILE *f = fopen(path, "r");
	char line[512];
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');
		char *name = line + strspn(line, " ");
		if (colon && strlen(device) == (size_t)(colon - name) &&
		    !strncmp(name, device, (size_t)(colon - name)))
			sscanf(colon + 1, "%*u %llu", &n);
	}
	if (f)
		fclose(f);
	return n;
}

static void core(int wanted, double *busy, double *all)
{
	char line[512], name[16];
	FILE *f = fopen("/proc/stat", "r");
	snprintf(name, sizeof(name), "cpu%d ", wanted);
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name))) {
			double v[8] = {0};
			sscanf(line + strlen(name), "%lf %lf %lf %lf %lf %lf %lf %lf", v, v + 1,
			       v + 2, v + 3, v + 4, v + 5, v + 6, v + 7);
			*busy = v[0] + v[1] + v[2] + v[5] + v[6];
			*all = *busy + v[3] + v[4] + v[7];
		}
	if (f)
		fclose(f);
}

static int ask(int fd, const char *command, unsigned call, const char *ip, unsigned port)
{
	static unsigned cookie;
	char sdp[512], text[2048], reply[8192], id[32];
	const int sdp_len = snprintf(sdp, sizeof(sdp),
				     "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 "
				     "0\r\nm=audio %u RTP/AVP 0\r\n",
				     ip, ip, port);
	snprintf(id, sizeof(id), "blast%d-%u", getpid(), call);
	const int n = snprintf(text, sizeof(text),
			       "%d_%u "
			       "d7:call-id%zu:%s7:command%zu:%s8:from-tag1:f8:latching6:strict3:"
			       "sdp%d:%s6:to-tag1:te",
			       getpid(), cookie++, strlen(id), id, strlen(command), command,
			       sdp_len, sdp);
	for (int i = 0; i < 5; i++) {
		send(fd, text, (size_t)n, 0);
		const ssize_t got = recv(fd, reply, sizeof(reply) - 1, 0);
		if (got <= 0)
			continue;
		reply[got] = '\0';
		const char *m = strstr(reply, "m=audio ");
		return m ? atoi(m + 8) : -1;
	}
	return -1;
}

static uint16_t checksum(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint32_t s = 0;
	for (size_t i = 0; i < len; i += 2)
		s += (uint32_t)b[i] << 8 | b[i + 1];
	s = (s & 0xffff) + (s >> 16);
	return htons((uint16_t) ~((s & 0xffff) + (s >> 16)));
}

static void make(struct flow *f, const uint8_t *mac, const uint8_t *own, const char *from,
		 unsigned from_port, const char *to, int to_port, uint32_t ssrc)
{
	struct ether_header *e = (void *)f->frame;
	struct iphdr *ip = (void *)(e + 1);
	struct udphdr *udp = (void *)(ip + 1);
	uint8_t *rtp = (void *)(udp + 1);
	memcpy(e->ether_dhost, mac, 6);
	memcpy(e->ether_shost, own, 6);
	e->ether_type = htons(ETHERTYPE_IP);
	*ip = (struct iphdr){
		.version = 4, .ihl = 5, .tot_len = htons(FRAME - 14), .ttl = 64, .protocol = 17};
	inet_pton(AF_INET, from, &ip->saddr);
	inet_pton(AF_INET, to, &ip->daddr);
	ip->check = checksum(ip, 20);
	udp->source = htons((uint16_t)from_port);
	udp->dest = htons((uint16_t)to_port);
	udp->len = htons(8 + 12 + PAYLOAD); /* no checksum: IPv4 allows it */
	rtp[0] = 0x80;
	memcpy(rtp + 8, &ssrc, 4);
	memset(rtp + 12, 0x55, PAYLOAD);
}

static uint64_t blast(int fd, double rate, double seconds)
{
	static struct mmsghdr m[BURST];
	static struct iovec iov[BURST];
	static unsigned at;
	uint64_t sent = 0;
	const double start = now();
	for (;;) {
		const double t = now() - start;
		if (t >= seconds)
			return sent;
		if ((double)sent > t * rate)
			continue;
		for (int i = 0; i < BURST; i++) {
			struct flow *f = &flows[at];
			at = at + 1 == flow_count ? 0 : at + 1;
			uint8_t *rtp = f->frame + 42;
			f->seq++;
			f->timestamp += 160;
			rtp[2] = (uint8_t)(f->seq >> 8);
			rtp[3] = (uint8_t)f->seq;
			const uint32_t ts = htonl(f->timestamp);
			memcpy(rtp + 4, &ts, 4);
			iov[i] = (struct iovec){f->frame, FRAME};
			m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
		}
		const int n = sendmmsg(fd, m, BURST, 0);
		sent += n > 0 ? (uint64_t)n : 0;
	}
}

int main(int argc, char **argv)
{
	uint8_t mac[6];
	struct ifreq r = {0};
	if (argc < 11 || sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2,
				mac + 3, mac + 4, mac + 5) != 6)
		return 2;
	const char *device = argv[1], *ip[2] = {argv[5], argv[6]};
	const unsigned calls = (unsigned)atoi(argv[7]);
	const double seconds = atof(argv[8]);
	const int fd = socket(AF_PACKET, SOCK_RAW, 0), ng = socket(AF_INET, SOCK_DGRAM, 0),
		  big = 32 << 20;
	struct sockaddr_ll ll = {.sll_family = AF_PACKET,
				 .sll_protocol = 0,
				 .sll_ifindex = (int)if_nametoindex(device)};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[4]))};
	const struct timeval wait = {1, 0};
	inet_pton(AF_INET, argv[3], &to.sin_addr);
	setsockopt(ng, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
	const int one = 1;
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
	if (bind(fd, (void *)&ll, sizeof(ll)) < 0 || connect(ng, (void *)&to, sizeof(to)) < 0 ||
	    ioctl(ng, SIOCGIFHWADDR, &r) < 0)
		return 1;
	flows = calloc(2 * calls, sizeof(*flows));
	for (unsigned c = 0; c < calls; c++) {
		const unsigned port = 10000 + 2 * c;
		const int b = ask(ng, "offer", c, ip[0], port),
			  a = ask(ng, "answer", c, ip[1], port);
		if (a <= 0 || b <= 0) {
			fprintf(stderr, "call %u was refused\n", c);
			return 1;
		}
		make(&flows[flow_count++], mac, (uint8_t *)r.ifr_hwaddr.sa_data, ip[0], port,
		     argv[3], a, htonl(0x1000 + c));
		make(&flows[flow_count++], mac, (uint8_t *)r.ifr_hwaddr.sa_data, ip[1], port,
		     argv[3], b, htonl(0x8000 + c));
	}
	blast(fd, 30000, 4); /* learning is over after three seconds */
	for (int i = 10; i < argc; i++) {
		double busy[2] = {0}, all[2] = {0};
		blast(fd, atof(argv[i]), 0.3);
		usleep(50000);
		const uint64_t before = rx_packets(device);
		core(atoi(argv[9]), &busy[0], &all[0]);
		const double start = now();
		const uint64_t sent = blast(fd, atof(argv[i]), seconds);
		const double took = now() - start;
		core(atoi(argv[9]), &busy[1], &all[1]);
		usleep(50000);
		const uint64_t got = rx_packets(device) - before;
		printf("{\"rate\":%.0f,\"sent_pps\":%.0f,\"got_pps\":%.0f,\"loss\":%.4f,\"core_"
		       "busy\":%.3f}\n",
		       atof(argv[i]), (double)sent / took, (double)got / took,
		       sent > got ? 1 - (double)got / (double)sent : 0,
		       all[1] > all[0] ? (busy[1] - busy[0]) / (all[1] - all[0]) : 0);
		fflush(stdout);
	}
	for (unsigned c = 0; c < calls; c++) {
		char text[256], reply[8192], id[32];
		snprintf(id, sizeof(id), "blast%d-%u", getpid(), c);
		const int n = snprintf(text, sizeof(text),
				       "d%u d7:call-id%zu:%s7:command6:delete12:delete delayi0ee",
				       c, strlen(id), id);
		send(ng, text, (size_t)n, 0);
		(void)!recv(ng, reply, sizeof(reply), 0);
	}
	return 0;
}
