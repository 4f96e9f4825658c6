#include <stdlib.h>

#include "sbc/shell/bytes.h"
#include "tests/support/check.h"

static struct bytes_store store;

static struct str view(const struct bytes *b)
{
	return (struct str){b->p + b->start, bytes_len(b)};
}

static void in_and_out(void **state)
{
	(void)state;
	struct bytes b = {0};
	EXPECT_ERR(bytes_add(&b, &store, "hello", 5, 100), OK);
	EXPECT_ERR(bytes_add(&b, &store, " world", 6, 100), OK);
	EXPECT_Z(view(&b), "hello world");
	bytes_take(&b, &store, 6);
	EXPECT_Z(view(&b), "world");
	bytes_take(&b, &store, 5);
	EXPECT_INT(bytes_len(&b), 0);
	EXPECT_TRUE(b.p == NULL);
	EXPECT_INT(store.count, 1);
	/* The same block again, without the allocator. */
	EXPECT_ERR(bytes_add(&b, &store, "x", 1, 100), OK);
	EXPECT_INT(store.count, 0);
	bytes_release(&b, &store);
	EXPECT_INT(store.count, 1);
}

static void no_more_than_the_limit(void **state)
{
	(void)state;
	struct bytes b = {0};
	EXPECT_ERR(bytes_add(&b, &store, "12345", 5, 8), OK);
	EXPECT_ERR(bytes_add(&b, &store, "6789", 4, 8), ERR_LIMIT);
	EXPECT_Z(view(&b), "12345");
	EXPECT_ERR(bytes_add(&b, &store, "678", 3, 8), OK);
	bytes_take(&b, &store, 2);
	EXPECT_ERR(bytes_add(&b, &store, "90", 2, 8), OK);
	EXPECT_Z(view(&b), "34567890");
	bytes_release(&b, &store);
}

/* A long stream in odd pieces comes out as it went in, and the memory stays small. */
static void a_long_stream(void **state)
{
	(void)state;
	struct bytes b = {0};
	unsigned char piece[5000];
	size_t in = 0, out = 0;
	for (unsigned i = 0; i < 3000; i++) {
		size_t n = i * 37 % sizeof(piece);
		for (size_t k = 0; k < n; k++)
			piece[k] = (unsigned char)(in + k);
		EXPECT_ERR(bytes_add(&b, &store, piece, n, 100000), OK);
		in += n;
		size_t take = bytes_len(&b) * (i % 7) / 6;
		if (i % 11 == 0)
			take = bytes_len(&b);
		for (size_t k = 0; k < take; k++)
			if ((unsigned char)b.p[b.start + k] != (unsigned char)(out + k))
				fail();
		bytes_take(&b, &store, take);
		out += take;
	}
	EXPECT_TRUE(b.cap <= 128 * 1024);
	bytes_release(&b, &store);
}

static void reserved_room_is_behind_the_end(void **state)
{
	(void)state;
	struct bytes b = {0};
	EXPECT_ERR(bytes_add(&b, &store, "abc", 3, 100000), OK);
	EXPECT_ERR(bytes_reserve(&b, &store, 20000, 100000), OK);
	memset(b.p + b.end, 'x', 20000);
	b.end += 20000;
	EXPECT_INT(bytes_len(&b), 20003);
	EXPECT_INT(b.p[b.start], 'a');
	EXPECT_ERR(bytes_reserve(&b, &store, 90000, 100000), ERR_LIMIT);
	bytes_release(&b, &store);
}

static int release(void **state)
{
	(void)state;
	bytes_store_release(&store);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_and_out),
		cmocka_unit_test(no_more_than_the_limit),
		cmocka_unit_test(a_long_stream),
		cmocka_unit_test(reserved_room_is_behind_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, release);
}
