/* RFC 7339: the parameters, what a peer's word does and for how long, and what we say. */
#include "sbc/core/oc.h"
#include "tests/support/check.h"

static void the_parameters(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *text;
		enum err want;
		struct oc oc;
	} rows[] = {
		{"who asks",
		 ";branch=z9hG4bKx;oc;oc-algo=\"loss\"",
		 OK,
		 {.asks = true, .loss = true, .validity_ms = 500}},
		{"who asks by several algorithms",
		 ";oc;oc-algo=\"rate, loss\"",
		 OK,
		 {.asks = true, .loss = true, .validity_ms = 500}},
		{"who knows another only",
		 ";oc;oc-algo=\"rate\"",
		 OK,
		 {.asks = true, .validity_ms = 500}},
		{"who says",
		 ";oc=20;oc-algo=\"loss\";oc-validity=300;oc-seq=1282321615.782",
		 OK,
		 {.has_value = true,
		  .loss = true,
		  .value = 20,
		  .validity_ms = 300,
		  .seq = 128232161578200}},
		{"the algorithm without quotes, names in capitals",
		 ";OC=100;OC-ALGO=loss",
		 OK,
		 {.has_value = true, .loss = true, .value = 100, .validity_ms = 500}},
		{"nothing of it", ";branch=z9hG4bKx;received=192.0.2.1", OK, {.validity_ms = 500}},
		{"no parameters", "", OK, {.validity_ms = 500}},
		{"a loss above a hundred", ";oc=101;oc-algo=\"loss\"", ERR_BAD, {0}},
		{"a rate above a hundred",
		 ";oc=300;oc-algo=\"rate\"",
		 OK,
		 {.has_value = true, .value = 300, .validity_ms = 500}},
		{"no number", ";oc=1e1;oc-algo=\"loss\"", ERR_BAD, {0}},
		{"a number of ten digits and more", ";oc=99999999999", ERR_BAD, {0}},
		{"twice", ";oc=1;oc=2", ERR_BAD, {0}},
		{"a validity that is none", ";oc=1;oc-validity=soon", ERR_BAD, {0}},
		{"a validity of a day", ";oc=1;oc-validity=86400000", ERR_BAD, {0}},
		{"a sequence without a point", ";oc=1;oc-seq=12", ERR_BAD, {0}},
		{"a sequence of thirteen digits", ";oc=1;oc-seq=1234567890123.1", ERR_BAD, {0}},
		{"a fraction of six digits", ";oc=1;oc-seq=1.123456", ERR_BAD, {0}},
	};
	CHECK_TABLE(row, rows)
	{
		struct oc o = {0};
		EXPECT_ERR(oc_parse(str_from(row->text), &o), row->want);
		if (row->want != OK)
			continue;
		EXPECT_INT(o.asks, row->oc.asks);
		EXPECT_INT(o.has_value, row->oc.has_value);
		EXPECT_INT(o.loss, row->oc.loss);
		EXPECT_INT(o.value, row->oc.value);
		EXPECT_INT(o.validity_ms, row->oc.validity_ms);
		EXPECT_U64(o.seq, row->oc.seq);
	}
}

static void whether_it_is_there(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *text;
		bool want;
	} rows[] = {
		{"with a value", ";branch=x;oc=1", true},
		{"alone at the end", ";branch=x;oc", true},
		{"another that begins like it", ";ocean=1;oc-algo=x", false},
		{"behind such a one", ";ocean=1;oc", true},
		{"not at all", ";branch=xoc", false},
		{"nothing", "", false},
	};
	CHECK_TABLE(row, rows)
	{
		EXPECT_INT(oc_is_in(str_from(row->text)), row->want);
	}
}

static int share(const struct oc_peer *p, uint64_t now)
{
	int n = 0;
	for (uint32_t r = 0; r < 100; r++)
		n += oc_sheds(p, now, r);
	return n;
}

static void what_a_peer_says_counts_for_a_while(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *first, *second;
		uint64_t ms; /* after the second */
		int want;
	} rows[] = {
		{"a percentage", ";oc=20;oc-algo=\"loss\"", NULL, 0, 20},
		{"to the end of its validity", ";oc=20;oc-algo=\"loss\";oc-validity=300", NULL, 299,
		 20},
		{"and not beyond", ";oc=20;oc-algo=\"loss\";oc-validity=300", NULL, 300, 0},
		{"all of it", ";oc=100;oc-algo=\"loss\"", NULL, 0, 100},
		{"a validity of 0 ends it", ";oc=20;oc-algo=\"loss\";oc-seq=1.0",
		 ";oc=20;oc-algo=\"loss\";oc-validity=0;oc-seq=2.0", 0, 0},
		{"the later word counts", ";oc=20;oc-algo=\"loss\";oc-seq=1.1",
		 ";oc=40;oc-algo=\"loss\";oc-seq=1.2", 0, 40},
		{"an older one that arrives later does not", ";oc=20;oc-algo=\"loss\";oc-seq=1.2",
		 ";oc=40;oc-algo=\"loss\";oc-seq=1.1", 0, 20},
		{"1.5 is later than 1.10", ";oc=20;oc-algo=\"loss\";oc-seq=1.10",
		 ";oc=40;oc-algo=\"loss\";oc-seq=1.5", 0, 40},
		{"another algorithm says nothing to us", ";oc=20;oc-algo=\"rate\"", NULL, 0, 0},
		{"a response without it changes nothing", ";oc=20;oc-algo=\"loss\"", ";branch=x", 0,
		 20},
		{"an echo of what we asked changes nothing", ";oc=20;oc-algo=\"loss\"",
		 ";oc;oc-algo=\"loss\"", 0, 20},
	};
	CHECK_TABLE(row, rows)
	{
		struct oc_peer p = {0};
		struct oc o;
		uint64_t now = 5000;
		assert_int_equal(oc_parse(str_from(row->first), &o), OK);
		oc_step(&p, &o, now);
		if (row->second) {
			assert_int_equal(oc_parse(str_from(row->second), &o), OK);
			oc_step(&p, &o, now);
		}
		EXPECT_INT(share(&p, now + row->ms), row->want);
	}
}

static void what_we_say_reads_back(void **state)
{
	(void)state;
	char mem[128];
	struct buf b;
	struct oc o;
	buf_init(&b, mem, sizeof(mem));
	oc_write(&b, 35, 1282321615078);
	EXPECT_Z(buf_view(&b), ";oc=35;oc-algo=\"loss\";oc-validity=500;oc-seq=1282321615.07800");
	EXPECT_ERR(oc_parse(buf_view(&b), &o), OK);
	EXPECT_TRUE(o.has_value && o.loss && o.value == 35);
	buf_reset(&b);
	oc_write(&b, 0, 1000);
	EXPECT_Z(buf_view(&b), ";oc=0;oc-algo=\"loss\";oc-validity=0;oc-seq=1.00000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_parameters),
		cmocka_unit_test(whether_it_is_there),
		cmocka_unit_test(what_a_peer_says_counts_for_a_while),
		cmocka_unit_test(what_we_say_reads_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
