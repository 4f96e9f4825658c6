/* The ring between two threads: order, wrap-around, refusal when full, and a run with real threads.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "rtpproxy/io/queue.h"

static void messages_come_out_whole_and_in_order_over_many_turns(void **state)
{
	(void)state;
	struct queue q;
	char body[200];
	assert_int_equal(queue_init(&q, 1024), OK);
	for (uint32_t i = 0; i < 5000; i++) {
		size_t n = i * 7 % sizeof(body);
		memset(body, (int)(i & 0xff), sizeof(body));
		assert_int_equal(queue_push(&q, &i, sizeof(i), body, n), OK);
		size_t len;
		const char *p = queue_peek(&q, &len);
		assert_non_null(p);
		assert_int_equal(len, sizeof(i) + n);
		assert_memory_equal(p, &i, sizeof(i));
		assert_memory_equal(p + sizeof(i), body, n);
		queue_pop(&q);
		assert_null(queue_peek(&q, &len));
	}
	queue_release(&q);
}

static void a_full_queue_refuses_and_loses_nothing(void **state)
{
	(void)state;
	struct queue q;
	uint32_t in = 0, out = 0;
	size_t len;
	assert_int_equal(queue_init(&q, 256), OK);
	assert_int_equal(queue_push(&q, "x", 1, (char[200]){0}, 200), ERR_FULL);
	while (queue_push(&q, &in, sizeof(in), NULL, 0) == OK) {
		in++;
	}
	assert_int_equal(in, 16);
	for (const void *p; (p = queue_peek(&q, &len)); queue_pop(&q)) {
		assert_memory_equal(p, &out, sizeof(out));
		out++;
	}
	assert_int_equal(out, in);
	queue_release(&q);
}

enum { ROUNDS = 20000 };

static void *writer(void *arg)
{
	for (uint32_t i = 0; i < ROUNDS;) {
		char body[64];
		memset(body, (int)(i & 0xff), sizeof(body));
		if (queue_push(arg, &i, sizeof(i), body, i % 64) == OK) {
			i++;
		}
	}
	return NULL;
}

static void a_reader_beside_a_writer_sees_every_message_once(void **state)
{
	(void)state;
	struct queue q;
	pthread_t t;
	assert_int_equal(queue_init(&q, 1024), OK);
	assert_int_equal(pthread_create(&t, NULL, writer, &q), 0);
	for (uint32_t i = 0; i < ROUNDS;) {
		size_t len;
		const char *p = queue_peek(&q, &len);
		if (!p) {
			continue;
		}
		uint32_t got;
		memcpy(&got, p, sizeof(got));
		assert_int_equal(got, i);
		assert_int_equal(len, sizeof(i) + i % 64);
		queue_pop(&q);
		i++;
	}
	pthread_join(t, NULL);
	queue_release(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_out_whole_and_in_order_over_many_turns),
		cmocka_unit_test(a_full_queue_refuses_and_loses_nothing),
		cmocka_unit_test(a_reader_beside_a_writer_sees_every_message_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
