/*
 * A batch of 64 datagrams in and 64 out over loopback: by the shell's turn (udp, watch, events to a core
 * that echoes) and by the bare system calls. The difference is what the shell costs a message.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "run.h"
#include "sbc/shell/udp.h"

enum { SIZE = 800 };

struct bench {
	struct turn turn;
	struct dgram_in in, back;
	struct dgram_out out;
	struct udp udp;
	struct addr to;
	int client, bare;
	char message[SIZE];
	size_t echoed;
};

static struct bench b;

static void step(void *ctx, const struct event *e)
{
	(void)ctx;
	udp_send(&b.udp, &e->message.flow.remote, e->message.bytes, ID_NONE);
}

static void on_failed(void *ctx, id_t64 tag, int error)
{
	(void)ctx;
	(void)tag;
	(void)error;
}

static int open_socket(struct addr *local)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&sin, len) == 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	CHECK(getsockname(fd, (struct sockaddr *)&sin, &len) == 0);
	sockaddr_read((struct sockaddr *)&sin, local);
	return fd;
}

static void send_batch(size_t n)
{
	for (size_t i = 0; i < n; i++)
		CHECK(dgram_add(&b.out, &b.to, (struct str){b.message, SIZE}, ID_NONE) == OK);
	(void)dgram_flush(&b.out, b.client, on_failed, NULL);
}

static void take_back(size_t n)
{
	size_t got = 0;
	while (got < n) {
		size_t more = dgram_receive(&b.back, b.client);
		if (more == 0)
			break; /* the kernel dropped some: the figure is then a little too good */
		got += more;
	}
	b.echoed += got;
}

static void by_shell(void *ctx, size_t n)
{
	(void)ctx;
	for (size_t done = 0; done < n; done += DGRAM_BATCH) {
		send_batch(DGRAM_BATCH);
		watch_loop_wait(b.turn.loop, 1000);
		udp_flush(&b.udp);
		turn_end(&b.turn);
		take_back(DGRAM_BATCH);
	}
}

static void by_hand(void *ctx, size_t n)
{
	(void)ctx;
	for (size_t done = 0; done < n; done += DGRAM_BATCH) {
		send_batch(DGRAM_BATCH);
		size_t got = dgram_receive(&b.in, b.bare);
		for (size_t i = 0; i < got; i++)
			b.in.headers[i].msg_hdr.msg_iov->iov_len = b.in.headers[i].msg_len;
		CHECK(sendmmsg(b.bare, b.in.headers, (unsigned)got, 0) == (int)got);
		for (size_t i = 0; i < got; i++)
			b.in.headers[i].msg_hdr.msg_iov->iov_len = b.in.each;
		take_back(DGRAM_BATCH);
	}
}

int main(void)
{
	struct addr bare, client;
	CHECK(turn_init(&b.turn, step, NULL) == OK);
	CHECK(dgram_in_init(&b.in, 65535) == OK && dgram_in_init(&b.back, 65535) == OK);
	CHECK(dgram_out_init(&b.out) == OK);
	memset(b.message, 'x', sizeof(b.message));
	b.client = open_socket(&client);
	b.bare = open_socket(&bare);
	struct addr local = client;
	for (local.port = 23000; udp_open(&b.udp, &b.turn, &b.in, 0, &local) != OK; local.port++)
		CHECK(local.port < 24000);
	b.to = bare;
	double kernel = bench("datagram of 800 bytes in and out, bare recvmmsg and sendmmsg",
			      by_hand, NULL);
	b.to = local;
	double shell = bench("the same through the shell's turn", by_shell, NULL);
	bench_value("the shell's part of a message", shell - kernel, "ns");
	udp_close(&b.udp);
	close(b.client);
	close(b.bare);
	dgram_in_release(&b.in);
	dgram_in_release(&b.back);
	dgram_out_release(&b.out);
	turn_release(&b.turn);
	return 0;
}
