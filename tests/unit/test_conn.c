/* What a connection waits for: a peer that reads late, and then reads on. */
#include <sys/socket.h>
#include <unistd.h>

#include "sbc/shell/conn.h"
#include "sbc/shell/watch.h"
#include "tests/support/check.h"

static void once_all_is_written_a_connection_waits_for_nothing_but_what_comes(void **state)
{
	(void)state;
	int pair[2];
	char block[4096] = {0}, taken[65536];
	struct conn c;
	size_t n;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
			 0);
	conn_init(&c, pair[0], NULL);
	enum err e = OK;
	for (unsigned i = 0; !e && i < 10000; i++)
		e = conn_write(&c, block, sizeof(block), &n);
	assert_int_equal(e, ERR_MORE);
	assert_int_equal(c.want, WATCH_WRITE);
	while (recv(pair[1], taken, sizeof(taken), 0) > 0)
		;
	assert_int_equal(conn_write(&c, block, sizeof(block), &n), OK);
	/* Who watched for room on and on would be woken on and on: there is always room. */
	assert_int_equal(c.want, WATCH_READ);
	assert_true(send(pair[1], block, 1, 0) == 1);
	assert_int_equal(conn_read(&c, taken, sizeof(taken), &n), OK);
	assert_int_equal(c.want, WATCH_READ);
	conn_close(&c);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_all_is_written_a_connection_waits_for_nothing_but_what_comes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
