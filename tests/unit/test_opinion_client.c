/* Questions over HTTP: one answer each, whatever the service does and whenever it is another. The service is a thread on loopback. */
#include "sbc/shell/opinion.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/opinion.h"
#include "tests/support/check.h"

enum { WAITS_MAX = 2000, TOLD_MAX = 16, TEXT = 1024 };

/* ---- the service */

struct service {
	int fd;
	struct addr addr;
	pthread_t thread;
	const char *head;
	size_t body; /* so many letters; of more than the head says nothing is known */
};

static void serve(const struct service *v, int fd)
{
	char text[TEXT];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(text) - 1 && (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0) {
		n += (size_t)got;
		text[n] = '\0';
		if (strstr(text, "\"end\"}"))
			break;
	}
	if (n == 0)
		return;
	static const char letters[] = "0123456789abcdef";
	bool good = write(fd, v->head, strlen(v->head)) > 0;
	for (size_t i = 0; good && i < v->body; i++)
		good = write(fd, letters + i % 16, 1) == 1;
}

static void *run(void *ctx)
{
	struct service *v = ctx;

	for (;;) {
		int fd = accept(v->fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		serve(v, fd);
		close(fd);
	}
}

static void service_bind(struct service *v)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(v->fd >= 0 && bind(v->fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	      getsockname(v->fd, (struct sockaddr *)&a, &len) == 0);
	CHECK(addr_parse_ip(STR("127.0.0.1"), &v->addr) == OK);
	v->addr.port = ntohs(a.sin_port);
}

static void service_start(struct service *v, const char *head, size_t body)
{
	*v = (struct service){.head = head, .body = body};
	service_bind(v);
	CHECK(listen(v->fd, 16) == 0 && pthread_create(&v->thread, NULL, run, v) == 0);
}

static void service_stop(struct service *v)
{
	(void)shutdown(v->fd, SHUT_RDWR);
	CHECK(pthread_join(v->thread, NULL) == 0);
	close(v->fd);
}

/* ---- who asks */

struct told {
	id_t64 id;
	uint16_t status;
	size_t len;
};

static struct turn turn;
static struct opinion_client client;
static struct told told[TOLD_MAX];
static size_t told_count;
/* Asked as soon as the first answer is there, from within its call. */
static const struct addr *next_server;

static void ask(const struct addr *server, id_t64 id)
{
	const struct opinion_settings s = {.server = *server, .path = STR("/")};
	const struct opinion_query q = {
		.service = &s, .json = STR("{\"is\":\"end\"}"), .timeout_ms = 3000};

	opinion_client_ask(&client, &q, id);
}

static void on_event(void *ctx, const struct event *e)
{
	(void)ctx;
	CHECK(e->type == EVENT_OPINION && told_count < TOLD_MAX);
	told[told_count++] = (struct told){e->opinion.id, e->opinion.status, e->opinion.body.len};
	const struct addr *server = next_server;
	next_server = NULL;
	if (server)
		ask(server, e->opinion.id + 1);
}

static void run_until_told(size_t count)
{
	for (unsigned i = 0; told_count < count && i < WAITS_MAX; i++) {
		(void)turn_deliver(&turn);
		if (told_count < count)
			watch_loop_wait(turn.loop, 20);
	}
	assert_int_equal(told_count, count);
}

static void start(void)
{
	told_count = 0;
	next_server = NULL;
	CHECK(turn_init(&turn, on_event, NULL) == OK);
	opinion_client_init(&client, &turn);
}

static void stop(void)
{
	opinion_client_release(&client);
	turn_release(&turn);
}

static void what_the_service_sends_is_told_once(void **state)
{
	(void)state;
	static const struct {
		const char *name, *head;
		size_t body;
		uint16_t status;
		size_t len;
	} rows[] = {
		{"an answer", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 5, 200, 5},
		{"an answer until the end", "HTTP/1.0 200 OK\r\n\r\n", 7, 200, 7},
		{"nothing in it", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, 200, 0},
		{"as much as may be", "HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n", 4096, 200,
		 OPINION_ANSWER_MAX},
		{"one octet more", "HTTP/1.1 200 OK\r\nContent-Length: 4097\r\n\r\n", 4097, 0, 0},
		{"another status", "HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\n", 5, 0, 0},
		{"elsewhere",
		 "HTTP/1.1 302 There\r\nLocation: http://127.0.0.1/\r\n"
		 "Content-Length: 0\r\n\r\n",
		 0, 0, 0},
		{"half", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", 5, 0, 0},
		{"no HTTP", "hello\r\n\r\n", 0, 0, 0},
	};

	CHECK_TABLE(row, rows)
	{
		struct service v;
		service_start(&v, row->head, row->body);
		start();
		ask(&v.addr, 5);
		run_until_told(1);
		EXPECT_INT(told[0].id, 5);
		EXPECT_INT(told[0].status, row->status);
		EXPECT_INT(told[0].len, row->len);
		stop();
		service_stop(&v);
	}
}

/* After a reload the service is another; the first question to it may come from within the answer of the old one. */
static void who_moves_from_within_an_answer_leaves_the_old_connection_alone(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool refused; /* the old service is not there at all */
	} rows[] = {{"an answer", false}, {"no connection", true}};

	CHECK_TABLE(row, rows)
	{
		struct service old, new;
		service_start(&new, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 5);
		if (row->refused)
			service_bind(&old); /* nobody listens */
		else
			service_start(&old, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", 3);
		start();
		next_server = &new.addr;
		ask(&old.addr, 1);
		run_until_told(2);
		EXPECT_INT(told[0].status, row->refused ? 0 : 200);
		EXPECT_INT(told[1].id, 2);
		EXPECT_INT(told[1].status, 200);
		EXPECT_INT(told[1].len, 5);
		ask(&new.addr, 3); /* the place of the old connection is free again */
		run_until_told(3);
		EXPECT_INT(told[2].status, 200);
		stop();
		if (row->refused)
			close(old.fd);
		else
			service_stop(&old);
		service_stop(&new);
	}
}

static void what_the_old_service_was_asked_has_no_answer(void **state)
{
	(void)state;
	struct service mute, v;

	service_bind(&mute);
	CHECK(listen(mute.fd, 4) == 0); /* and nobody ever reads */
	service_start(&v, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 5);
	start();
	ask(&mute.addr, 1);
	ask(&v.addr, 2);
	run_until_told(2);
	for (size_t i = 0; i < 2; i++)
		EXPECT_INT(told[i].status, told[i].id == 2 ? 200 : 0);
	EXPECT_TRUE(told[0].id != told[1].id);
	stop();
	close(mute.fd);
	service_stop(&v);
}

static int set_up(void **state)
{
	(void)state;
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_service_sends_is_told_once),
		cmocka_unit_test(who_moves_from_within_an_answer_leaves_the_old_connection_alone),
		cmocka_unit_test(what_the_old_service_was_asked_has_no_answer),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
