#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sbc/shell/clock.h"
#include "sbc/shell/control.h"
#include "tests/support/check.h"

static struct turn turn;
static struct control *control;
static char path[108];
static char asked[64];
static size_t reply_len = 3;
static struct control_asker later; /* who asked "reload" last */

static void step(void *ctx, const struct event *e)
{
	(void)ctx;
	(void)e;
}

static struct str on_command(void *ctx, struct str command, const struct dict *request)
{
	(void)ctx;
	(void)request;
	EXPECT_ERR(str_copy(command, asked, sizeof(asked)), OK);
	if (str_eq(command, STR("reload"))) {
		later = control_later(control);
		return STR_NONE;
	}
	char *p = malloc(reply_len);
	memset(p, 'r', reply_len);
	return (struct str){p, reply_len};
}

static void commands(void **state)
{
	(void)state;
	const struct {
		const char *name;
		struct str line;
		const char *want;
	} rows[] = {
		{"a command", STR("{\"command\":\"status\"}"), "status"},
		{"with more members and spaces", STR(" { \"id\" : 1, \"command\" : \"calls\" } \r"),
		 "calls"},
		{"no JSON", STR("status"), ""},
		{"no object", STR("[\"status\"]"), ""},
		{"no command", STR("{}"), ""},
		{"not a text", STR("{\"command\":{}}"), ""},
		{"empty", STR(""), ""},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[1024];
		struct arena a;
		const struct dict *request = NULL;
		arena_init(&a, mem, sizeof(mem));
		EXPECT_Z(control_read(row->line, &a, &request), row->want);
		EXPECT_TRUE(row->want[0] == '\0' ||
			    str_eq(dict_get_str(request, STR("command")), str_from(row->want)));
	}
}

static int open_control(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/sallyport-control-%d.sock", getpid());
	assert_int_equal(turn_init(&turn, step, NULL), OK);
	assert_int_equal(control_new(&control, &turn, str_from(path), on_command, NULL), OK);
	return 0;
}

static int close_control(void **state)
{
	struct stat st;
	(void)state;
	control_free(&control);
	EXPECT_INT(stat(path, &st), -1);
	turn_release(&turn);
	return 0;
}

static int dial(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	EXPECT_ERR(str_copy(str_from(path), sa.sun_path, sizeof(sa.sun_path)), OK);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Turns until the end of what comes; how many bytes came. */
static size_t read_all(int fd)
{
	char mem[65536];
	size_t all = 0;
	uint64_t end_ms = clock_mono_ms() + 10000;
	while (clock_mono_ms() < end_ms) {
		watch_loop_wait(turn.loop, 1);
		turn_begin(&turn);
		turn_expire(&turn);
		turn_end(&turn);
		ssize_t n = recv(fd, mem, sizeof(mem), 0);
		if (n == 0)
			break;
		if (n > 0)
			all += (size_t)n;
	}
	close(fd);
	return all;
}

static void asked_and_answered(void **state)
{
	(void)state;
	int fd = dial();
	assert_int_equal(send(fd, "{\"command\":\"status\"}\n", 21, 0), 21);
	EXPECT_INT(read_all(fd), 3);
	EXPECT_Z(str_from(asked), "status");
}

static void a_long_reply_arrives_whole(void **state)
{
	(void)state;
	reply_len = 5000000;
	int fd = dial();
	assert_int_equal(send(fd, "{\"command\":\"calls\"}\n", 20, 0), 20);
	EXPECT_INT(read_all(fd), 5000000);
	reply_len = 3;
}

static void turn_once(void)
{
	watch_loop_wait(turn.loop, 1);
	turn_begin(&turn);
	turn_expire(&turn);
	turn_end(&turn);
}

/* What a client says, until its command has arrived. */
static int ask_for_later(const char *more)
{
	int fd = dial();
	later.number = 0;
	assert_int_equal(send(fd, "{\"command\":\"reload\"}\n", 21, 0), 21);
	for (uint64_t end_ms = clock_mono_ms() + 10000; !later.number && clock_mono_ms() < end_ms;)
		turn_once();
	assert_true(later.number > 0);
	(void)!send(fd, more, strlen(more), MSG_NOSIGNAL);
	return fd;
}

static struct str text_of(const char *z)
{
	char *p = strdup(z);
	return (struct str){p, strlen(p)};
}

static void a_reply_may_come_later(void **state)
{
	(void)state;
	int first = ask_for_later("and more that means nothing\n"), second;
	struct control_asker waits = later;
	second = ask_for_later("");
	EXPECT_TRUE(later.number != waits.number);
	/* Others are served meanwhile. */
	int fd = dial();
	assert_int_equal(send(fd, "{\"command\":\"status\"}\n", 21, 0), 21);
	EXPECT_INT(read_all(fd), 3);
	control_reply(control, waits, text_of("first"));
	control_reply(control, waits, text_of("once is enough"));
	EXPECT_INT(read_all(first), 5);
	control_reply(control, later, text_of("the second"));
	EXPECT_INT(read_all(second), 10);
}

static void a_late_reply_to_who_has_gone_reaches_nobody(void **state)
{
	(void)state;
	close(ask_for_later(""));
	control_reply(control, later, text_of("nobody"));
	/* Its place is another's now. */
	int fd = ask_for_later("");
	control_reply(control, (struct control_asker){later.client, later.number - 1},
		      text_of("of the one before"));
	control_reply(control, later, text_of("mine"));
	EXPECT_INT(read_all(fd), 4);
}

static void a_second_process_is_kept_out(void **state)
{
	(void)state;
	struct control *second = NULL;
	EXPECT_ERR(control_new(&second, &turn, str_from(path), on_command, NULL), ERR_EXISTS);
	EXPECT_TRUE(second == NULL);
	/* Looking whether somebody is there leaves a connection that says nothing. */
	int fd = dial();
	assert_int_equal(send(fd, "{\"command\":\"status\"}\n", 21, 0), 21);
	EXPECT_INT(read_all(fd), 3);
}

static void more_clients_than_there_are_places(void **state)
{
	(void)state;
	int fds[CONTROL_CLIENTS_MAX + 4];
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = dial();
		watch_loop_wait(turn.loop, 1);
		turn_end(&turn);
	}
	for (size_t i = CONTROL_CLIENTS_MAX; i < ARRAY_LEN(fds); i++)
		EXPECT_INT(read_all(fds[i]), 0);
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
	int fd = dial();
	assert_int_equal(send(fd, "{\"command\":\"status\"}\n", 21, 0), 21);
	for (unsigned i = 0; i < 50; i++) {
		watch_loop_wait(turn.loop, 1);
		turn_end(&turn);
	}
	EXPECT_INT(read_all(fd), 3);
}

static void only_its_owner(void **state)
{
	(void)state;
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	EXPECT_INT(st.st_mode & 0777, 0600);
}

#define T(x) cmocka_unit_test_setup_teardown(x, open_control, close_control)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands),
		T(asked_and_answered),
		T(a_long_reply_arrives_whole),
		T(a_reply_may_come_later),
		T(a_late_reply_to_who_has_gone_reaches_nobody),
		T(a_second_process_is_kept_out),
		T(more_clients_than_there_are_places),
		T(only_its_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
