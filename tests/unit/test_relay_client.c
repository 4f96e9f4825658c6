/* A relay of our own on a socket answers, or does not; the core only writes down. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "sbc/shell/clock.h"
#include "sbc/shell/relay_client.h"
#include "tests/support/check.h"

static struct fixture {
	struct turn turn;
	struct relay_client client;
	struct dgram_in in;
	struct rng rng;
	struct settings settings;
	struct media_relay relays[3];
	char urls[3][64];
	int fds[3]; /* our relays */
	bool mute[3];
	const char *answer;
	unsigned asked[3]; /* requests that are no probes */
	char cookie[3][64];
	unsigned replies;
	id_t64 id;
	enum relay_result result;
	uint16_t relay;
	char text[64]; /* error, or the reply's `sdp` */
} * f;

static void step(void *ctx, const struct event *e)
{
	(void)ctx;
	assert_int_equal(e->type, EVENT_RELAY_REPLY);
	f->replies++;
	f->id = e->relay.id;
	f->result = e->relay.result;
	f->relay = e->relay.relay;
	struct str s = e->relay.reply ? dict_get_str(e->relay.reply, STR("sdp")) : e->relay.error;
	EXPECT_ERR(str_copy(s, f->text, sizeof(f->text)), OK);
}

/* Our relays answer what has arrived. */
static void serve(void)
{
	char mem[4096], out[4096];
	struct sockaddr_storage from;
	for (unsigned i = 0; i < 3; i++) {
		for (;;) {
			socklen_t len = sizeof(from);
			ssize_t n = recvfrom(f->fds[i], mem, sizeof(mem), MSG_DONTWAIT,
					     (struct sockaddr *)&from, &len);
			if (n <= 0)
				break;
			struct str all = {mem, (size_t)n};
			size_t space = str_index(all, ' ');
			bool probe = str_find(all, STR("statistics")) < all.len;
			if (!probe) {
				f->asked[i]++;
				EXPECT_ERR(str_copy((struct str){mem, space}, f->cookie[i],
						    sizeof(f->cookie[i])),
					   OK);
			}
			if (f->mute[i])
				continue;
			int w = snprintf(out, sizeof(out), "%.*s %s", (int)space, mem,
					 probe ? "d6:result2:ok10:statisticsd17:currentstatisticsd"
						 "13:sessionstotali7eeee"
					       : f->answer);
			(void)sendto(f->fds[i], out, (size_t)w, 0, (struct sockaddr *)&from, len);
		}
	}
}

static void turn(void)
{
	watch_loop_wait(f->turn.loop, 1);
	turn_begin(&f->turn);
	turn_expire(&f->turn);
	(void)turn_deliver(&f->turn);
	relay_client_flush(&f->client);
	turn_end(&f->turn);
	serve();
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
	(void)state;
	f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->answer = "d6:result2:ok3:sdp4:v=0\ne";
	assert_int_equal(turn_init(&f->turn, step, NULL), OK);
	assert_int_equal(dgram_in_init(&f->in, DGRAM_MAX), OK);
	uint8_t seed[RNG_SEED_LEN] = {1};
	rng_init(&f->rng, seed);
	for (unsigned i = 0; i < 3; i++) {
		struct sockaddr_in sin = {.sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof(sin);
		f->fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(f->fds[i], (struct sockaddr *)&sin, len), 0);
		assert_int_equal(getsockname(f->fds[i], (struct sockaddr *)&sin, &len), 0);
		(void)snprintf(f->urls[i], sizeof(f->urls[i]), "ng+udp:127.0.0.1:%u",
			       ntohs(sin.sin_port));
		f->relays[i] = (struct media_relay){.name = STR("relay"),
						    .url = str_from(f->urls[i]),
						    .weight = i < 2 ? 50 : 0};
	}
	f->settings = (struct settings){.relays = f->relays, .relay_count = 3};
	return 0;
}

static void start(size_t count)
{
	f->settings.relay_count = count;
	assert_int_equal(relay_client_init(&f->client, &f->turn, &f->in, &f->rng, &f->settings),
			 OK);
}

static int close_all(void **state)
{
	(void)state;
	relay_client_release(&f->client);
	for (unsigned i = 0; i < 3; i++)
		close(f->fds[i]);
	dgram_in_release(&f->in);
	turn_release(&f->turn);
	free(f);
	return 0;
}

static void ask(uint16_t relay, id_t64 id)
{
	struct relay_query q = {
		.command = STR("offer"), .bencode = STR("d7:command5:offere"), .relay = relay};
	turn_begin(&f->turn);
	relay_client_ask(&f->client, &q, id);
}

static void which_relay(void **state)
{
	(void)state;
	const struct {
		const char *name;
		const char *relays; /* weight and state of each: "50u 50u 0u" */
		uint32_t tried;
		uint32_t random;
		uint16_t want;
	} rows[] = {
		{"the first half of chance", "50u 50u 0u", 0, 0x10000000, 0},
		{"the second half", "50u 50u 0u", 0, 0xf0000000, 1},
		{"by weight", "10u 90u 0u", 0, 0x20000000, 1},
		{"one is down", "50d 50u 0u", 0, 0x10000000, 1},
		{"one was tried", "50u 50u 0u", 1, 0x10000000, 1},
		{"all with a weight are down: the spare", "50d 50d 0u", 0, 0x10000000, 2},
		{"all are down: any, as a last hope", "50d 50d 0d", 0, 0, 0},
		{"all are down, the first was tried", "50d 50d 0d", 1, 0, 1},
		{"all were tried", "50u 50u 0u", 7, 0, SETTINGS_NO_INDEX},
		{"there is none", "", 0, 0, SETTINGS_NO_INDEX},
	};
	static struct relay_client c;
	CHECK_TABLE(row, rows)
	{
		struct str rest = str_from(row->relays), w;
		c.count = 0;
		while (str_cut_word(&rest, &w)) {
			struct relay *r = &c.relays[c.count];
			*r = (struct relay){.index = (uint16_t)c.count};
			EXPECT_ERR(str_to_u16((struct str){w.p, w.len - 1}, 100, &r->weight), OK);
			r->is_up = w.p[w.len - 1] == 'u';
			c.count++;
		}
		EXPECT_INT(relay_client_choose(&c, row->tried, row->random), row->want);
	}
}

static void asked_and_answered(void **state)
{
	(void)state;
	start(1);
	ask(SETTINGS_NO_INDEX, 11);
	AWAIT(f->replies == 1);
	EXPECT_U64(f->id, 11);
	EXPECT_INT(f->result, RELAY_RESULT_OK);
	EXPECT_INT(f->relay, 0);
	EXPECT_Z(str_from(f->text), "v=0\n");
	EXPECT_INT(f->asked[0], 1);
	AWAIT(f->client.relays[0].sessions == 7);
	EXPECT_INT(f->client.requests.used, 0);
}

static void an_error_has_its_reason(void **state)
{
	(void)state;
	start(1);
	f->answer = "d6:result5:error12:error-reason15:Unknown call-ide";
	ask(0, 12);
	AWAIT(f->replies == 1);
	EXPECT_INT(f->result, RELAY_RESULT_ERROR);
	EXPECT_Z(str_from(f->text), "Unknown call-id");
}

static void asked_again_with_the_same_cookie(void **state)
{
	(void)state;
	char first[64];
	start(1);
	f->mute[0] = true;
	ask(0, 13);
	AWAIT(f->asked[0] == 1);
	memcpy(first, f->cookie[0], sizeof(first));
	AWAIT(f->asked[0] == 2);
	EXPECT_Z(str_from(f->cookie[0]), first);
	f->mute[0] = false;
	AWAIT(f->replies == 1);
	EXPECT_INT(f->result, RELAY_RESULT_OK);
	EXPECT_INT(f->asked[0], 3);
	EXPECT_U64(f->turn.stats.relay_retransmits, 2);
}

static void the_next_relay_when_one_is_mute(void **state)
{
	(void)state;
	start(3);
	f->mute[0] = f->mute[1] = true;
	ask(SETTINGS_NO_INDEX, 14);
	AWAIT(f->replies == 1);
	EXPECT_INT(f->result, RELAY_RESULT_OK);
	EXPECT_INT(f->relay, 2);
	EXPECT_INT(f->asked[0], RELAY_TRIES);
	EXPECT_INT(f->asked[1], RELAY_TRIES);
	EXPECT_TRUE(!f->client.relays[0].is_up);
	/* The next call does not wait for it. */
	ask(SETTINGS_NO_INDEX, 15);
	AWAIT(f->replies == 2);
	EXPECT_INT(f->asked[0], RELAY_TRIES);
	/* It comes back by itself. */
	f->mute[0] = f->mute[1] = false;
	AWAIT(f->client.relays[0].is_up && f->client.relays[1].is_up);
}

static void a_call_stays_on_its_relay(void **state)
{
	(void)state;
	start(3);
	f->mute[0] = true;
	ask(0, 16);
	AWAIT(f->replies == 1);
	EXPECT_INT(f->result, RELAY_RESULT_TIMEOUT);
	EXPECT_INT(f->asked[1] + f->asked[2], 0);
	EXPECT_INT(f->client.relays[0].is_up, 0);
	EXPECT_U64(f->turn.stats.relay_timeouts, 1);
}

static void a_full_relay_is_left_for_the_next(void **state)
{
	(void)state;
	start(2);
	f->answer = "d6:result5:error12:error-reason16:Ran out of portse";
	ask(SETTINGS_NO_INDEX, 17);
	AWAIT(f->replies == 1);
	EXPECT_INT(f->result, RELAY_RESULT_ERROR);
	EXPECT_INT(f->asked[0], 1);
	EXPECT_INT(f->asked[1], 1);
}

static void no_relay_at_all(void **state)
{
	(void)state;
	start(0);
	ask(SETTINGS_NO_INDEX, 18);
	AWAIT(f->replies == 1);
	EXPECT_INT(f->result, RELAY_RESULT_TIMEOUT);
}

static void strange_replies_are_counted_and_nothing_more(void **state)
{
	(void)state;
	start(1);
	f->answer = "this is not bencode";
	ask(0, 19);
	AWAIT(f->asked[0] == 2);
	EXPECT_TRUE(f->turn.stats.relay_stray >= 1);
	EXPECT_INT(f->replies, 0);
	f->answer = "d6:result2:oke";
	AWAIT(f->replies == 1);
	EXPECT_INT(f->result, RELAY_RESULT_OK);
}

/* A Unix socket that is not there yet, then there, then there anew. */
static void a_unix_socket_that_comes_and_goes(void **state)
{
	(void)state;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char url[128];
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/tmp/sallyport-relay-%d.sock", getpid());
	(void)snprintf(url, sizeof(url), "ng+unix:%s", sa.sun_path);
	unlink(sa.sun_path);
	f->relays[0].url = str_from(url);
	start(1);
	ask(0, 20);
	AWAIT(f->replies == 1);
	EXPECT_INT(f->result, RELAY_RESULT_TIMEOUT);
	for (unsigned round = 0; round < 2; round++) {
		close(f->fds[0]);
		unlink(sa.sun_path);
		f->fds[0] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(f->fds[0], (struct sockaddr *)&sa, sizeof(sa)), 0);
		unsigned before = f->replies;
		ask(0, 21);
		AWAIT(f->replies == before + 1);
		EXPECT_INT(f->result, RELAY_RESULT_OK);
	}
	unlink(sa.sun_path);
}

/* More at once than the kernel queues for a Unix socket (net.unix.max_dgram_qlen). */
static void more_than_the_socket_takes(void **state)
{
	(void)state;
	enum { MANY = 2000 };
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char url[128];
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/tmp/sallyport-relay-%d.sock", getpid());
	(void)snprintf(url, sizeof(url), "ng+unix:%s", sa.sun_path);
	unlink(sa.sun_path);
	close(f->fds[0]);
	f->fds[0] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->fds[0], (struct sockaddr *)&sa, sizeof(sa)), 0);
	f->relays[0].url = str_from(url);
	start(1);
	for (unsigned i = 0; i < MANY; i++)
		ask(0, 1000 + i);
	AWAIT(f->replies == MANY);
	EXPECT_INT(f->result, RELAY_RESULT_OK);
	EXPECT_INT(f->client.relays[0].is_up, 1);
	unlink(sa.sun_path);
}

#define T(x) cmocka_unit_test_setup_teardown(x, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_relay),
		T(asked_and_answered),
		T(an_error_has_its_reason),
		T(asked_again_with_the_same_cookie),
		T(the_next_relay_when_one_is_mute),
		T(a_call_stays_on_its_relay),
		T(a_full_relay_is_left_for_the_next),
		T(no_relay_at_all),
		T(strange_replies_are_counted_and_nothing_more),
		T(a_unix_socket_that_comes_and_goes),
		T(more_than_the_socket_takes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
