#include "sbc/core/session_id.h"

#include "tests/support/check.h"

#define A "ab30317f1a784dc48ff824d0d3715d86"
#define B "47755a9de7794ba387653f2099600ef2"
#define C "0123456789abcdef0123456789abcdef"
#define N "00000000000000000000000000000000"

static void test_parse(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in;
		enum err e;
		const char *local, *remote; /* remote "": the old form */
	} rows[] = {
		{"both", A ";remote=" B, OK, A, B},
		{"nobody yet", A ";remote=" N, OK, A, N},
		{"spaces and case", " AB30317F1A784DC48FF824D0D3715D86 ; Remote=" B " ", OK, A, B},
		{"another parameter", A ";x=y;remote=" B ";logme", OK, A, B},
		{"groups as RFC 4122 writes them", "ab30317f-1a78-4dc4-8ff8-24d0d3715d86;remote=" N,
		 OK, A, N},
		{"the form of RFC 7329", A, OK, A, ""},
		{"one digit short", "ab30317f1a784dc48ff824d0d3715d8;remote=" B, ERR_BAD, "", ""},
		{"one too many", A "0", ERR_BAD, "", ""},
		{"a letter that is no digit", "gb30317f1a784dc48ff824d0d3715d86", ERR_BAD, "", ""},
		{"a host in it", "ab30317f@pbx.inside", ERR_BAD, "", ""},
		{"remote without a UUID", A ";remote=x", ERR_BAD, "", ""},
		{"remote twice", A ";remote=" B ";remote=" C, ERR_BAD, "", ""},
		{"broken parameters", A ";;", ERR_BAD, "", ""},
		{"nothing", "", ERR_BAD, "", ""},
	};
	CHECK_TABLE(row, rows)
	{
		struct session_id_value v;
		EXPECT_ERR(session_id_parse(str_from(row->in), &v), row->e);
		if (row->e != OK)
			continue;
		EXPECT_STR(((struct str){v.local, SESSION_ID_LEN}), str_from(row->local));
		EXPECT_INT(v.has_remote, row->remote[0] != 0);
		if (v.has_remote)
			EXPECT_STR(((struct str){v.remote, SESSION_ID_LEN}), str_from(row->remote));
	}
}

static struct str told(const struct session_id *s, unsigned side, char mem[128])
{
	struct buf b;
	buf_init(&b, mem, 128);
	(void)session_id_write(&b, s, side);
	return buf_view(&b);
}

/* A call: who says what, and what each side is told after it. */
static void test_call(void **state)
{
	(void)state;
	struct session_id s = {0};
	char mem[128];
	EXPECT_Z(told(&s, 0, mem), "");
	EXPECT_TRUE(!session_id_take(&s, 0, STR("")));
	EXPECT_TRUE(!session_id_take(&s, 0, STR("nonsense")));
	EXPECT_TRUE(!session_id_take(&s, 0, STR(N ";remote=" N)));
	EXPECT_Z(told(&s, 1, mem), "");
	EXPECT_TRUE(session_id_take(&s, 0, STR(A ";remote=" N)));
	EXPECT_Z(told(&s, 1, mem), A ";remote=" N);
	EXPECT_TRUE(session_id_take(&s, 1, STR(B ";remote=" A)));
	EXPECT_Z(told(&s, 0, mem), B ";remote=" A);
	EXPECT_TRUE(!session_id_take(&s, 1, STR(B ";remote=" A)));
	/* A re-INVITE of a side that has been moved: it is another party now, and the other one is told. */
	EXPECT_TRUE(session_id_take(&s, 0, STR(C ";remote=" B)));
	EXPECT_Z(told(&s, 1, mem), C ";remote=" B);
	EXPECT_Z(told(&s, 0, mem), B ";remote=" C);
}

static void test_made(void **state)
{
	(void)state;
	static const uint8_t random[SESSION_ID_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
							 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
							 0xff, 0xff, 0xff, 0xff};
	struct session_id s = {0};
	char mem[128];
	session_id_take(&s, 0, STR(A ";remote=" N));
	session_id_make(&s, 1, random);
	EXPECT_Z(told(&s, 0, mem), "ffffffffffff4fffbfffffffffffffff;remote=" A);
	/* It gives way as soon as the side has one of its own. */
	EXPECT_TRUE(session_id_take(&s, 1, STR(B ";remote=" A)));
	EXPECT_Z(told(&s, 0, mem), B ";remote=" A);
	EXPECT_TRUE(!session_id_take(&s, 1, STR(B ";remote=" A))); /* nothing new any more */
}

static void test_old_form(void **state)
{
	(void)state;
	struct session_id s = {0};
	char mem[128];
	session_id_take(&s, 0, STR(A));
	EXPECT_Z(told(&s, 1, mem), A ";remote=" N);
	session_id_take(&s, 1, STR(B ";remote=" A));
	EXPECT_Z(told(&s, 0, mem), A); /* one for both, as it speaks itself */
	EXPECT_Z(told(&s, 1, mem), A ";remote=" B);
	/* The other side answers in the old form: what it repeats is not its own. */
	struct session_id t = {0};
	session_id_take(&t, 0, STR(A ";remote=" N));
	EXPECT_TRUE(!session_id_take(&t, 1, STR(A)));
	EXPECT_Z(told(&t, 0, mem), N ";remote=" A);
	EXPECT_Z(told(&t, 1, mem), A);
}

static void test_join(void **state)
{
	(void)state;
	struct session_id first = {0}, second = {0};
	char mem[128];
	session_id_take(&first, 0, STR(A ";remote=" N));
	session_id_take(&first, 1, STR(B ";remote=" A));
	session_id_take(&second, 1, STR(C ";remote=" N));
	session_id_join(&first, 0, &second, 1); /* A is with C now */
	EXPECT_Z(told(&first, 0, mem), C ";remote=" A);
	EXPECT_Z(told(&first, 1, mem), A ";remote=" C);
}

#define TEST(name, fn)                                                                             \
	{                                                                                          \
		name, fn, NULL, NULL, NULL                                                         \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("a Session-ID is two UUIDs, or one in the old form, or none", test_parse),
		TEST("each side is told the other's UUID and its own, also after a re-INVITE",
		     test_call),
		TEST("a side without a UUID goes by one of ours until it has one", test_made),
		TEST("a side that speaks RFC 7329 is answered in kind", test_old_form),
		TEST("after a transfer a side is told of its new party", test_join),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
