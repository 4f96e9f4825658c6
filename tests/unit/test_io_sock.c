/* The socket back end on loopback: who is heard, before and after a socket is connected to its party. */
#include "rtpproxy/io/io.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "rtpproxy/core/latch.h"
#include "rtpproxy/core/stream.h"
#include "tests/support/check.h"

enum { ENOUGH = 64, WAIT_MS = 1000 };

struct world {
	struct srtp_worker worker;
	struct io *io;
	int wake_fd;
	struct stream stream;
	struct addr here; /* the endpoint */
	int party, stranger;
	struct addr party_at, stranger_at;
	uint64_t now_us; /* of the last turn */
};

static struct world w;

static int open_peer(struct addr *out)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	const struct addr any = {.ip = {127, 0, 0, 1}, .family = ADDR_IP4};
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	EXPECT_INT(bind(fd, (struct sockaddr *)&sa, sockaddr_write(&any, &sa)), 0);
	EXPECT_INT(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	sockaddr_read((struct sockaddr *)&sa, out);
	return fd;
}

/* A port that was free a moment ago. */
static void open_endpoint(void)
{
	for (int tries = 0; tries < 16; tries++) {
		close(open_peer(&w.here));
		if (w.io->ops->open(w.io, &w.here, 0, &w.stream) == OK)
			return;
	}
	fail_msg("no free port");
}

static int set_up(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.wake_fd = eventfd(0, EFD_NONBLOCK);
	EXPECT_ERR(srtp_worker_init(&w.worker, "openssl"), OK);
	EXPECT_ERR(io_sock_new(w.wake_fd, &w.io), OK);
	stream_init(&w.stream, PKT_RTP, &w.worker, NULL);
	w.party = open_peer(&w.party_at);
	w.stranger = open_peer(&w.stranger_at);
	open_endpoint();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	w.io->ops->close(w.io, &w.stream);
	w.io->ops->free(&w.io);
	stream_release(&w.stream);
	srtp_worker_release(&w.worker);
	close(w.party);
	close(w.stranger);
	close(w.wake_fd);
	return 0;
}

static void send_from(int fd, const char *text)
{
	struct sockaddr_storage sa;
	const socklen_t len = sockaddr_write(&w.here, &sa);
	EXPECT_INT(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&sa, len),
		   (int)strlen(text));
}

/* The next packet, or NULL when nothing comes; on loopback it is there at once. */
static const struct pkt *next(int timeout_ms)
{
	struct pkt *const *pkts;
	struct io_turn turn;
	w.io->ops->receive(w.io, timeout_ms, &pkts, &turn);
	w.now_us = turn.now_us;
	EXPECT_TRUE(turn.count <= 1);
	return turn.count == 1 ? pkts[0] : NULL;
}

static void expect_from(int fd, const struct addr *at)
{
	send_from(fd, "hello");
	const struct pkt *p = next(WAIT_MS);
	assert_non_null(p);
	EXPECT_INT(p->len, 5);
	EXPECT_TRUE(addr_eq(&p->from, at));
	EXPECT_TRUE(p->stream == &w.stream);
	if (addr_eq(at, &w.party_at))
		latch_step(&w.stream.latch, &p->from, w.now_us);
}

static void expect_unheard(int fd)
{
	send_from(fd, "hello");
	EXPECT_TRUE(next(0) == NULL);
}

static void settle(enum stream_security security)
{
	stream_set_security(&w.stream, security);
	stream_set_remote(&w.stream, &w.party_at, 0);
	for (int i = 0; i < ENOUGH; i++)
		expect_from(w.party, &w.party_at);
}

static void test_strangers_die_in_the_kernel(void **state)
{
	(void)state;
	expect_from(w.stranger, &w.stranger_at);
	settle(STREAM_PLAIN);
	expect_unheard(w.stranger);
	expect_from(w.party, &w.party_at);
}

static void test_who_is_learned_is_heard(void **state)
{
	(void)state;
	stream_set_latch(&w.stream, LATCH_LEARN, NULL);
	stream_set_security(&w.stream, STREAM_PLAIN);
	(void)next(0);
	/* From now on the window of learning is open. */
	stream_set_remote(&w.stream, &w.party_at, w.now_us);
	for (int i = 0; i < ENOUGH; i++)
		expect_from(w.party, &w.party_at);
	expect_from(w.stranger, &w.stranger_at);
}

/* Checks come from wherever the party may be next. */
static void test_ice_is_heard_from_everywhere(void **state)
{
	(void)state;
	static char agent;
	w.stream.ice = (struct ice *)(void *)&agent; /* asked whether it is there, no more */
	settle(STREAM_SRTP);
	expect_from(w.stranger, &w.stranger_at);
	w.stream.ice = NULL;
}

static void test_command_opens_it(void **state)
{
	(void)state;
	settle(STREAM_PLAIN);
	w.io->ops->recall(w.io, &w.stream, true);
	expect_unheard(w.stranger);
	w.io->ops->recall(w.io, &w.stream, false);
	expect_from(w.stranger, &w.stranger_at);
}

static void expect_heard(int fd, const char *text)
{
	char bytes[16] = {0};
	EXPECT_INT(recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT), (int)strlen(text));
	EXPECT_Z(str_from(bytes), text);
}

static void transmit(const struct addr *to, const char *text)
{
	w.io->ops->transmit(w.io, &w.stream, to, (const uint8_t *)text, strlen(text));
}

static void test_sending_elsewhere_opens_it(void **state)
{
	(void)state;
	settle(STREAM_PLAIN);
	transmit(&w.party_at, "one");
	expect_heard(w.party, "one");
	expect_unheard(w.stranger);
	transmit(&w.stranger_at, "two");
	expect_heard(w.stranger, "two");
	expect_from(w.stranger, &w.stranger_at);
	transmit(&w.party_at, "three");
	expect_heard(w.party, "three");
	EXPECT_U64(w.io->stats.send_errors, 0);
}

static void test_silence_opens_an_encrypted_one(void **state)
{
	(void)state;
	settle(STREAM_SRTP);
	w.io->ops->tick(w.io, w.now_us + LATCH_SILENT_US - 1);
	expect_unheard(w.stranger);
	w.io->ops->tick(w.io, w.now_us + LATCH_SILENT_US);
	expect_from(w.stranger, &w.stranger_at);
}

static void test_silence_does_not_open_a_plain_one(void **state)
{
	(void)state;
	settle(STREAM_PLAIN);
	w.io->ops->tick(w.io, w.now_us + 10 * LATCH_SILENT_US);
	expect_unheard(w.stranger);
}

/* Packets from its address that the core refuses do not hold the place of one who moved. */
static void test_forged_packets_do_not_hold_it(void **state)
{
	(void)state;
	settle(STREAM_SRTP);
	w.stream.latch.last_us = w.now_us - LATCH_SILENT_US;
	for (int i = 0; i < ENOUGH; i++) {
		send_from(w.party, "forged");
		(void)next(WAIT_MS);
	}
	expect_from(w.stranger, &w.stranger_at);
}

/* What lay in the queue when the socket was connected keeps its own sender's name. */
static void test_queue_of_before(void **state)
{
	(void)state;
	unsigned foreign = 0;
	stream_set_security(&w.stream, STREAM_PLAIN);
	stream_set_remote(&w.stream, &w.party_at, 0);
	latch_step(&w.stream.latch, &w.party_at, 1);
	for (int i = 0; i < 20; i++) {
		send_from(w.party, "party");
		send_from(w.stranger, "stranger");
	}
	for (const struct pkt *p; (p = next(0));) {
		const bool is_party = p->len == strlen("party");
		foreign += !is_party;
		EXPECT_TRUE(addr_eq(&p->from, is_party ? &w.party_at : &w.stranger_at));
	}
	EXPECT_INT(foreign, 20);
	expect_unheard(w.stranger);
}

/* The party's port is closed: the ICMP error that a connected socket reports costs no packet. */
static void test_closed_port_of_the_party(void **state)
{
	(void)state;
	settle(STREAM_PLAIN);
	close(w.party);
	transmit(&w.party_at, "one");
	transmit(&w.party_at, "two");
	EXPECT_U64(w.io->stats.send_errors, 0);
	w.party = open_peer(&w.party_at);
}

int main(void)
{
#define T(f, name)                                                                                 \
	{                                                                                          \
		name, f, set_up, tear_down, NULL                                                   \
	}
	const struct CMUnitTest tests[] = {
		T(test_strangers_die_in_the_kernel,
		  "a stranger's packets end in the kernel once the party is settled"),
		T(test_who_is_learned_is_heard, "while a party may be learned all are heard"),
		T(test_ice_is_heard_from_everywhere, "where ICE is spoken everybody is heard"),
		T(test_command_opens_it, "a command opens the endpoint for others, a question not"),
		T(test_sending_elsewhere_opens_it,
		  "a packet to elsewhere goes there and opens the endpoint"),
		T(test_silence_opens_an_encrypted_one,
		  "an encrypted party that falls silent can be followed elsewhere"),
		T(test_silence_does_not_open_a_plain_one,
		  "a plain party that falls silent gives its place to nobody"),
		T(test_forged_packets_do_not_hold_it, "forged packets from its old address do not "
						      "hold the place of a party that moved"),
		T(test_queue_of_before,
		  "packets queued before the endpoint was connected keep their sender"),
		T(test_closed_port_of_the_party, "an ICMP error costs no packet"),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
