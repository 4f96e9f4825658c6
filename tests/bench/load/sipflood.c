/*
 * sipflood TARGET PORT FIRST_SOURCE SOURCES RATE SECONDS: OPTIONS of strangers from many addresses, a hundred thousand a second if
 * one processor can. Each source has a socket of its own, each turn sends a batch of one of them; nothing is read. Prints
 * how many were sent, and how many a second.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, SOURCES_MAX = 1024, SIZE = 512 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t write_options(char *out, const char *from, unsigned long n)
{
	return (size_t)snprintf(
		out, SIZE,
		"OPTIONS sip:100@sbc.test SIP/2.0\r\nVia: SIP/2.0/UDP "
		"%s:5060;branch=z9hG4bK-%lu;rport\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:100@%s>;tag=%lu\r\nTo: <sip:100@sbc.test>\r\n"
		"Call-ID: %lu@%s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		from, n, from, n, n, from);
}

int main(int argc, char **argv)
{
	static char data[BATCH][SIZE];
	static struct iovec iov[BATCH];
	static struct mmsghdr m[BATCH];
	static int fd[SOURCES_MAX];
	static char name[SOURCES_MAX][INET_ADDRSTRLEN];
	struct sockaddr_in to = {.sin_family = AF_INET}, from = {.sin_family = AF_INET};
	unsigned long sent = 0, failed = 0;

	if (argc != 7 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
	    inet_pton(AF_INET, argv[3], &from.sin_addr) != 1)
		return 2;
	to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	unsigned sources = (unsigned)strtoul(argv[4], NULL, 10);
	const double rate = strtod(argv[5], NULL), seconds = strtod(argv[6], NULL);
	if (sources == 0 || sources > SOURCES_MAX)
		return 2;
	for (unsigned i = 0; i < sources; i++) {
		struct sockaddr_in at = from;
		at.sin_addr.s_addr = htonl(ntohl(from.sin_addr.s_addr) + i);
		fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
		/* What comes back is not read, and is to cost nothing. */
		(void)setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &(int){1}, sizeof(int));
		if (bind(fd[i], (struct sockaddr *)&at, sizeof(at)) < 0 ||
		    connect(fd[i], (struct sockaddr *)&to, sizeof(to)) < 0) {
			perror("sipflood");
			return 1;
		}
		(void)inet_ntop(AF_INET, &at.sin_addr, name[i], sizeof(name[i]));
	}
	const double begun = now();
	double t = begun;
	for (unsigned turn = 0; t - begun < seconds; turn++, t = now()) {
		const double ahead = (double)sent - (t - begun) * rate;
		if (ahead > 0) {
			const struct timespec wait = {0, (long)(ahead / rate * 1e9) % 1000000000L};
			nanosleep(&wait, NULL);
			continue;
		}
		const unsigned s = turn % sources;
		for (unsigned i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){data[i], write_options(data[i], name[s], sent + i)};
			m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
		}
		const int n = sendmmsg(fd[s], m, BATCH, 0);
		sent += n > 0 ? (unsigned long)n : 0;
		failed += n < 0;
	}
	printf("{\"sent\": %lu, \"per_s\": %.0f, \"failed\": %lu}\n", sent,
	       (double)sent / (t - begun), failed);
	return 0;
}
