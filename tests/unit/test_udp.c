#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "sbc/shell/clock.h"
#include "sbc/shell/udp.h"
#include "tests/support/check.h"

enum { LIMIT = 2048 };

static struct fixture {
	struct turn turn;
	struct dgram_in in;
	struct udp udp;
	int peer; /* the other end */
	struct addr peer_addr;
	unsigned messages, failed;
	size_t len;
	struct flow flow;
	id_t64 tag;
	enum send_failure why;
	bool echo;
} * f;

static void step(void *ctx, const struct event *e)
{
	(void)ctx;
	if (e->type == EVENT_SEND_FAILED) {
		f->failed++;
		f->tag = e->failed.tag;
		f->why = e->failed.why;
		return;
	}
	assert_int_equal(e->type, EVENT_MESSAGE);
	f->messages++;
	f->len = e->message.bytes.len;
	f->flow = e->message.flow;
	EXPECT_TRUE(e->message.tls == NULL);
	if (f->echo)
		udp_send(&f->udp, &e->message.flow.remote, e->message.bytes, 1);
}

static void turn(void)
{
	watch_loop_wait(f->turn.loop, 5);
	turn_begin(&f->turn);
	(void)turn_deliver(&f->turn);
	udp_flush(&f->udp);
	(void)turn_deliver(&f->turn);
	turn_end(&f->turn);
}

#define AWAIT(x)                                                                                   \
	do {                                                                                       \
		uint64_t end_ms = clock_mono_ms() + 10000;                                         \
		while (!(x) && clock_mono_ms() < end_ms)                                           \
			turn();                                                                    \
		EXPECT_TRUE(x);                                                                    \
	} while (0)

static int open_all(void **state)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int size = 4 << 20;
	(void)state;
	f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->peer = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->peer, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(f->peer, (struct sockaddr *)&sin, &len), 0);
	(void)setsockopt(f->peer, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	sockaddr_read((struct sockaddr *)&sin, &f->peer_addr);
	assert_int_equal(turn_init(&f->turn, step, NULL), OK);
	assert_int_equal(dgram_in_init(&f->in, LIMIT), OK);
	struct addr local = f->peer_addr;
	do
		local.port++;
	while (udp_open(&f->udp, &f->turn, &f->in, 7, &local) != OK);
	f->echo = true;
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	udp_close(&f->udp);
	dgram_in_release(&f->in);
	turn_release(&f->turn);
	close(f->peer);
	free(f);
	return 0;
}

static void put(const void *p, size_t n)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_write(&f->udp.local, &sa);
	assert_int_equal(sendto(f->peer, p, n, 0, (struct sockaddr *)&sa, len), (ssize_t)n);
}

static ssize_t get(void)
{
	char mem[65536];
	return recv(f->peer, mem, sizeof(mem), 0);
}

static void in_and_out(void **state)
{
	(void)state;
	put("hello, this is a message", 24);
	AWAIT(f->messages == 1);
	EXPECT_INT(f->flow.listener, 7);
	EXPECT_INT(f->flow.transport, TRANSPORT_UDP);
	EXPECT_U64(f->flow.id, ID_NONE);
	EXPECT_TRUE(addr_eq(&f->flow.remote, &f->peer_addr));
	EXPECT_INT(get(), 24);
}

static void more_than_a_batch(void **state)
{
	(void)state;
	enum { MANY = 200 }; /* as many as the peer's socket holds */
	char m[700] = {'x'};
	for (unsigned i = 0; i < MANY; i++)
		put(m, 400 + i);
	AWAIT(f->messages == MANY);
	for (unsigned i = 0; i < MANY; i++)
		EXPECT_INT(get(), 400 + i);
	EXPECT_U64(f->turn.stats.udp_received, MANY);
	EXPECT_U64(f->turn.stats.udp_sent, MANY);
}

static void too_long_is_dropped_not_cut(void **state)
{
	(void)state;
	static char m[LIMIT + 1];
	put(m, LIMIT + 1);
	put(m, LIMIT);
	AWAIT(f->messages == 1);
	EXPECT_INT(f->len, LIMIT);
	EXPECT_U64(f->turn.stats.udp_truncated, 1);
}

static void keep_alives(void **state)
{
	(void)state;
	const struct {
		const char *name;
		struct str bytes;
		bool is_message;
	} rows[] = {
		{"CRLF", STR("\r\n"), false},  {"double CRLF", STR("\r\n\r\n"), false},
		{"one NUL", STR("\0"), false}, {"four NULs", STR("\0\0\0\0"), false},
		{"nothing", STR(""), false},   {"five line ends", STR("\r\n\r\n\n"), true},
		{"a letter", STR("x"), true},
	};
	CHECK_TABLE(row, rows)
	{
		unsigned before = f->messages;
		uint64_t dropped = f->turn.stats.udp_keepalives;
		put(row->bytes.p, row->bytes.len);
		AWAIT(f->messages + f->turn.stats.udp_keepalives > before + dropped);
		EXPECT_INT(f->messages - before, row->is_message);
	}
}

static void what_the_kernel_does_not_take(void **state)
{
	(void)state;
	static char big[65530];
	const struct {
		const char *name;
		const char *to;
		size_t len;
		enum send_failure why;
	} rows[] = {
		{"longer than a datagram can be", "127.0.0.1:5060", sizeof(big),
		 SEND_FAILURE_CONNECT},
		{"another family", "[::1]:5060", 100, SEND_FAILURE_CONNECT},
		{"no port", "127.0.0.1", 100, SEND_FAILURE_CONNECT},
		{"a broadcast", "255.255.255.255:5060", 100, SEND_FAILURE_CONNECT},
	};
	CHECK_TABLE(row, rows)
	{
		struct addr to;
		unsigned before = f->failed;
		EXPECT_ERR(addr_parse(str_from(row->to), &to), OK);
		udp_send(&f->udp, &to, (struct str){big, row->len}, 99);
		/* One that goes, behind it. */
		udp_send(&f->udp, &f->peer_addr, STR("good one"), 100);
		AWAIT(f->failed == before + 1);
		EXPECT_U64(f->tag, 99);
		EXPECT_INT(f->why, row->why);
		EXPECT_INT(get(), 8);
	}
}

static void one_port_one_socket(void **state)
{
	(void)state;
	struct udp second;
	EXPECT_ERR(udp_open(&second, &f->turn, &f->in, 0, &f->udp.local), ERR_IO);
	EXPECT_INT(errno, EADDRINUSE);
	EXPECT_INT(second.fd, -1);
}

#define OPTIONS(branch)                                                                            \
	"OPTIONS sip:someone@127.0.0.1 SIP/2.0\r\n"                                                \
	"Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=" branch "\r\nMax-Forwards: 70\r\n\r\n"

/* A port where nobody is. */
static struct addr nobody(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	struct addr a;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	sockaddr_read((struct sockaddr *)&sin, &a);
	close(fd);
	return a;
}

static void icmp_fails_the_request_that_it_quotes(void **state)
{
	(void)state;
	struct addr to = nobody();
	udp_send(&f->udp, &f->peer_addr, STR(OPTIONS("z9hG4bK-the-one-that-arrives")), 8);
	udp_send(&f->udp, &to, STR(OPTIONS("z9hG4bK-the-one-that-does-not")), 9);
	udp_send(&f->udp, &to, STR("SIP/2.0 200 OK\r\nVia: a response is not asked after\r\n\r\n"),
		 10);
	AWAIT(f->failed == 1);
	EXPECT_U64(f->tag, 9);
	EXPECT_INT(f->why, SEND_FAILURE_CONNECT);
	for (unsigned i = 0; i < 5; i++)
		turn();
	EXPECT_INT(f->failed, 1);
	EXPECT_U64(f->turn.stats.udp_unreachable, 1);
	/* What the error was told with was not lost by it. */
	EXPECT_TRUE(get() > 0);
	udp_send(&f->udp, &f->peer_addr, STR("still there"), 11);
	turn();
	EXPECT_INT(get(), 11);
	put("and hears", 9);
	AWAIT(f->messages == 1);
	EXPECT_INT(f->failed, 1);
}

static void nothing_goes_where_no_one_peer_is(void **state)
{
	(void)state;
	static const struct {
		const char *name;
	} rows[] = {{"255.255.255.255:5060"}, {"224.0.0.1:5060"}, {"239.255.255.250:1900"},
		    {"0.0.0.0:5060"},         {"240.0.0.1:5060"}, {"192.0.2.1:0"}};
	unsigned failed = 0;
	CHECK_TABLE(row, rows)
	{
		struct addr to;
		EXPECT_ERR(addr_parse(str_from(row->name), &to), OK);
		udp_send(&f->udp, &to, STR("OPTIONS sip:a SIP/2.0"), 3);
		failed++;
		AWAIT(f->failed == failed);
		EXPECT_INT(f->udp.out.count, 0);
	}
	check_row("our own socket");
	udp_send(&f->udp, &f->udp.local, STR("OPTIONS sip:a SIP/2.0"), 3);
	failed++;
	AWAIT(f->failed == failed);
	turn();
	EXPECT_INT(f->messages, 0);
}

static void a_pending_error_is_not_the_next_datagrams(void **state)
{
	(void)state;
	struct addr to = nobody();
	for (unsigned i = 0; i < 20; i++) {
		udp_send(&f->udp, &to, STR("no request, no tag"), ID_NONE);
		udp_flush(&f->udp);
		udp_send(&f->udp, &f->peer_addr, STR("one"), 5);
		udp_flush(&f->udp);
		EXPECT_INT(get(), 3);
	}
	turn();
	EXPECT_INT(f->failed, 0);
}

static void under_load_what_belongs_to_calls_comes_first(void **state)
{
	(void)state;
	static const char *const order[] = {"INVITE sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\n",
					    "SIP/2.0 200 OK\r\n\r\n---",
					    "BYE sip:a SIP/2.0\r\n\r\n"};
	f->echo = true;
	for (unsigned loaded = 0; loaded < 2; loaded++) {
		for (unsigned i = 0; i < 3; i++)
			put(order[i], strlen(order[i]));
		turn_begin(&f->turn);
		turn_end(&f->turn);
		/* The turn before was long. */
		turn_waits(&f->turn, f->turn.now_ms + (loaded ? 500 : 0));
		AWAIT(f->messages == 3 * (loaded + 1));
		turn();
		const unsigned plain[] = {0, 1, 2}, first[] = {1, 2, 0};
		for (unsigned i = 0; i < 3; i++)
			EXPECT_INT(get(), strlen(order[loaded ? first[i] : plain[i]]));
	}
}

#define T(x) cmocka_unit_test_setup_teardown(x, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(in_and_out),
		T(more_than_a_batch),
		T(too_long_is_dropped_not_cut),
		T(keep_alives),
		T(what_the_kernel_does_not_take),
		T(one_port_one_socket),
		T(icmp_fails_the_request_that_it_quotes),
		T(nothing_goes_where_no_one_peer_is),
		T(a_pending_error_is_not_the_next_datagrams),
		T(under_load_what_belongs_to_calls_comes_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
