#include "policy/ban.h"

#include "policy/ban_text.h"
#include "tests/support/check.h"

enum { S = 1000, H = 3600, D = 24 * H };

static struct prefix allow[2];
static struct ban_rules rules;
static struct bans bans;
static struct ban_time now;

static void start(void)
{
	static const struct siphash_key key = {{1, 2}};

	EXPECT_ERR(prefix_parse(STR("192.0.2.8/29"), &allow[0]), OK);
	EXPECT_ERR(prefix_parse(STR("2001:db8:1::/48"), &allow[1]), OK);
	rules = (struct ban_rules){.first_s = 1 * H,
				   .factor = 4,
				   .most_s = 30 * D,
				   .forget_s = 7 * D,
				   .allow = allow,
				   .allow_count = 2,
				   .kernel_after = {10, 10000, 0},
				   .place = {STR("a.yaml"), 7}};
	now = (struct ban_time){5000, 1700000000000};
	EXPECT_ERR(ban_init(&bans, &key), OK);
}

static void finish(void)
{
	ban_release(&bans);
}

static void pass(uint64_t seconds)
{
	now.now_ms += seconds * S;
	now.wall_ms += seconds * S;
}

static struct addr at(const char *ip)
{
	struct addr a;
	EXPECT_ERR(addr_parse_ip(str_from(ip), &a), OK);
	return a;
}

static struct ban_order order(const char *source)
{
	struct ban_order o = {.subject = {.kind = SUBJECT_SOURCE},
			      .rule = STR("guess"),
			      .why = STR("wrong passwords"),
			      .place = {STR("s.yaml"), 12}};
	EXPECT_ERR(ban_read_source(str_from(source), &o.subject.source), OK);
	return o;
}

static struct ban_order order_of(enum subject_kind kind, const char *name)
{
	return (struct ban_order){.subject = {.kind = kind, .name = str_from(name)},
				  .rule = STR("burst"),
				  .place = {STR("s.yaml"), 13}};
}

static enum verdict_outcome judge(const char *ip)
{
	const struct addr a = at(ip);
	return ban_judge_source(&bans, &rules, &a, now.now_ms, false).outcome;
}

static size_t expire(void)
{
	struct ban v;
	size_t n = 0;
	while (ban_expire(&bans, &rules, now, &v))
		n++;
	return n;
}

static void a_source_is_out_for_its_time_and_the_verdict_names_the_rule(void **state)
{
	(void)state;
	struct ban v;
	start();
	struct ban_order o = order("198.51.100.7");
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, &v), BAN_NEW);
	EXPECT_U64(v.until_ms, now.wall_ms + H * S);
	EXPECT_INT(v.strikes, 1);
	const struct addr a = at("198.51.100.7");
	struct verdict why = ban_judge_source(&bans, &rules, &a, now.now_ms, false);
	EXPECT_INT(why.outcome, VERDICT_DROP);
	EXPECT_INT(why.stage, VERDICT_STAGE_BAN);
	EXPECT_STR(why.rule, STR("guess"));
	EXPECT_STR(why.file, STR("s.yaml"));
	EXPECT_INT(why.line, 12);
	EXPECT_INT(judge("198.51.100.8"), VERDICT_ALLOW);
	EXPECT_U64(ban_next_ms(&bans) <= now.now_ms + H * S, true);
	pass(H - 1);
	EXPECT_INT(judge("198.51.100.7"), VERDICT_DROP);
	EXPECT_INT(expire(), 0);
	pass(1);
	EXPECT_INT(judge("198.51.100.7"), VERDICT_ALLOW);
	pass(1);
	EXPECT_INT(expire(), 1);
	EXPECT_INT(expire(), 0);
	EXPECT_INT(bans.all, 0);
	finish();
}

/* Bans `n` times with `pause` seconds between the end of one and the next; the last one's length. */
static uint64_t length_of(unsigned n, uint32_t seconds, uint64_t pause)
{
	struct ban v = {0};
	struct ban_order o = order("198.51.100.7");
	o.seconds = seconds;
	start();
	for (unsigned i = 0; i < n; i++) {
		EXPECT_INT(ban_lay(&bans, &rules, &o, now, &v), BAN_NEW);
		if (i + 1 == n)
			break;
		/* In steps, as the shell does. */
		for (uint64_t left = (v.until_ms - now.wall_ms) / S + pause; left > 0;) {
			const uint64_t step = left < 6 * H ? left : 6 * H;
			pass(step);
			(void)expire();
			left -= step;
		}
	}
	finish();
	return (v.until_ms - v.since_ms) / S;
}

static void each_strike_makes_it_longer_and_time_makes_it_good(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned times;
		uint32_t seconds;
		uint64_t pause, want;
	} rows[] = {
		{"the first is as the rules say", 1, 0, 0, H},
		{"the first is as the rule that bans says", 1, 60, 0, 60},
		{"the second is four times longer", 2, 0, 60, 4 * H},
		{"the third sixteen times", 3, 0, 60, 16 * H},
		{"none is longer than the longest", 6, 0, 60, 30 * D},
		{"a rule that says more than the longest is believed", 1, 40 * D, 0, 40 * D},
		{"after a week the strike is forgotten", 2, 0, 7 * D + 60, H},
		{"of two strikes a week forgets one", 3, 0, 7 * D + 60, H},
	};
	CHECK_TABLE(row, rows)
	EXPECT_U64(length_of(row->times, row->seconds, row->pause), row->want);
}

static void a_ban_beside_another_is_the_longer_of_the_two(void **state)
{
	(void)state;
	struct ban v;
	start();
	struct ban_order o = order("198.51.100.7");
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, &v), BAN_NEW);
	pass(60);
	o.seconds = 60;
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, &v), BAN_KEPT);
	EXPECT_INT(v.strikes, 1);
	o.seconds = 2 * H;
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, &v), BAN_LONGER);
	EXPECT_U64(v.until_ms, now.wall_ms + 2 * H * S);
	/* What an operator says stands, shorter or longer, and no rule changes it. */
	struct ban_order op = order("198.51.100.7");
	op.by = BAN_BY_OPERATOR;
	op.exact = true;
	op.seconds = 30;
	EXPECT_INT(ban_lay(&bans, &rules, &op, now, &v), BAN_LONGER);
	EXPECT_U64(v.until_ms, now.wall_ms + 30 * S);
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, &v), BAN_KEPT);
	EXPECT_INT(v.by, BAN_BY_OPERATOR);
	finish();
}

static void what_is_allowed_is_never_banned(void **state)
{
	(void)state;
	start();
	struct ban_order o = order("192.0.2.9");
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_SPARED);
	o.by = BAN_BY_OPERATOR;
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_SPARED);
	struct ban_order six = order("2001:db8:1:2::3");
	EXPECT_INT(ban_lay(&bans, &rules, &six, now, NULL), BAN_SPARED);
	/* A prefix around it is banned, but not for who is allowed. */
	struct ban_order net = order("192.0.2.0/24");
	EXPECT_INT(ban_lay(&bans, &rules, &net, now, NULL), BAN_NEW);
	EXPECT_INT(judge("192.0.2.1"), VERDICT_DROP);
	EXPECT_INT(judge("192.0.2.9"), VERDICT_ALLOW);
	finish();
}

static void a_source_that_was_not_proven_is_not_banned(void **state)
{
	(void)state;
	start();
	struct ban_order o = order("198.51.100.7");
	o.spoofable = true;
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_UNPROVEN);
	EXPECT_INT(judge("198.51.100.7"), VERDICT_ALLOW);
	EXPECT_INT(bans.pool.used, 0);
	finish();
}

static void prefixes_of_all_lengths_are_found(void **state)
{
	(void)state;
	static const struct {
		const char *name, *ban, *source;
		enum verdict_outcome want;
	} rows[] = {
		{"an address", "198.51.100.7", "198.51.100.7", VERDICT_DROP},
		{"its neighbour", "198.51.100.7", "198.51.100.6", VERDICT_ALLOW},
		{"one of a /24", "198.51.100.0/24", "198.51.100.255", VERDICT_DROP},
		{"one beside it", "198.51.100.0/24", "198.51.101.0", VERDICT_ALLOW},
		{"everyone", "0.0.0.0/0", "8.8.8.8", VERDICT_DROP},
		{"everyone of the other family", "0.0.0.0/0", "2001:db8::1", VERDICT_ALLOW},
		{"an IPv6 address stands for its /64", "2001:db8::1", "2001:db8::2", VERDICT_DROP},
		{"the next /64 is another's", "2001:db8::1", "2001:db8:0:1::1", VERDICT_ALLOW},
		{"a /48", "2001:db8:9::/48", "2001:db8:9:ffff::1", VERDICT_DROP},
	};
	CHECK_TABLE(row, rows)
	{
		start();
		struct ban_order o = order(row->ban);
		EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_NEW);
		EXPECT_INT(judge(row->source), row->want);
		struct ban v;
		EXPECT_TRUE(ban_lift(&bans, &o.subject, now, &v));
		EXPECT_INT(judge(row->source), VERDICT_ALLOW);
		EXPECT_TRUE(!ban_lift(&bans, &o.subject, now, &v));
		EXPECT_INT(bans.pool.used, 0);
		finish();
	}
}

static void many_banned_sources_of_a_network_ban_it_where_that_is_asked_for(void **state)
{
	(void)state;
	struct ban v;
	struct ban_order net;
	char ip[32];
	start();
	for (unsigned pass_no = 0; pass_no < 2; pass_no++) {
		rules.prefix_after = pass_no ? 5 : 0;
		for (unsigned i = 0; i < 6; i++) {
			struct buf b;
			buf_init(&b, ip, sizeof(ip));
			buf_printf(&b, "203.0.%u.%u%c", 113 + pass_no, 10 + i, 0);
			struct ban_order o = order(ip);
			EXPECT_INT(ban_lay(&bans, &rules, &o, now, &v), BAN_NEW);
			EXPECT_INT(ban_wants_prefix(&bans, &rules, &v, now.now_ms, &net),
				   pass_no && i >= 4);
		}
	}
	EXPECT_INT(ban_lay(&bans, &rules, &net, now, &v), BAN_NEW);
	EXPECT_Z(str_from(v.rule), "prefix_after");
	EXPECT_INT(judge("203.0.114.200"), VERDICT_DROP);
	EXPECT_INT(judge("203.0.113.200"), VERDICT_ALLOW);
	finish();
}

static struct policy_config config(void)
{
	static struct trunk_rule trunks[1];
	trunks[0].name = STR("carrier");
	return (struct policy_config){.trunks = trunks, .trunk_count = 1, .bans = rules};
}

static void users_trunks_and_numbers_are_refused_at_the_call(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum subject_kind kind;
		const char *banned;
		unsigned status;
	} rows[] = {
		{"the user", SUBJECT_USER, "alice@example.net", 403},
		{"another user", SUBJECT_USER, "bob@example.net", 0},
		{"the trunk", SUBJECT_TRUNK, "carrier", 403},
		{"the calling number", SUBJECT_CALLER, "+4930111", 403},
		{"the called number", SUBJECT_DESTINATION, "+881999", 403},
		{"a calling number is no called one", SUBJECT_DESTINATION, "+4930111", 0},
	};
	CHECK_TABLE(row, rows)
	{
		start();
		const struct policy_config c = config();
		const struct facts f = {.trunk = 0,
					.source = at("198.51.100.7"),
					.user = STR("alice@example.net"),
					.caller = STR("+4930111"),
					.number = STR("+881999"),
					.now_ms = now.now_ms};
		struct ban_order o = order_of(row->kind, row->banned);
		EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_NEW);
		struct verdict v = ban_judge(&bans, &c, &f, false);
		EXPECT_INT(v.outcome, row->status ? VERDICT_REJECT : VERDICT_ALLOW);
		EXPECT_INT(v.status, row->status);
		if (row->status)
			EXPECT_STR(v.rule, STR("burst"));
		EXPECT_INT(judge("198.51.100.7"), VERDICT_ALLOW);
		finish();
	}
}

static void nothing_is_known_of_who_has_no_name(void **state)
{
	(void)state;
	start();
	struct ban_order o = order_of(SUBJECT_CALLER, "");
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_NAMELESS);
	char name[BAN_NAME_MAX + 1];
	memset(name, 'x', BAN_NAME_MAX);
	name[BAN_NAME_MAX] = 0;
	o = order_of(SUBJECT_USER, name);
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_NAMELESS);
	o = order_of(SUBJECT_USER, "a");
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_NEW);
	/* A call whose user is unknown is not that of "a", nor of nobody. */
	const struct policy_config c = config();
	const struct facts f = {.trunk = POLICY_NO_INDEX, .now_ms = now.now_ms};
	EXPECT_INT(ban_judge(&bans, &c, &f, false).outcome, VERDICT_ALLOW);
	finish();
}

static void who_is_slowed_has_one_call_in_so_many_seconds(void **state)
{
	(void)state;
	start();
	const struct policy_config c = config();
	struct facts f = {.trunk = POLICY_NO_INDEX, .user = STR("alice"), .now_ms = now.now_ms};
	struct ban_order o = order_of(SUBJECT_USER, "alice");
	o.mode = BAN_SLOW;
	o.seconds = 60;
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_NEW);
	struct verdict v = ban_judge(&bans, &c, &f, false);
	EXPECT_INT(v.status, 503);
	EXPECT_TRUE(v.retry_after_s >= 60 && v.retry_after_s <= 61);
	pass(60);
	f.now_ms = now.now_ms;
	/* A look changes nothing. */
	EXPECT_INT(ban_judge(&bans, &c, &f, true).outcome, VERDICT_ALLOW);
	EXPECT_INT(ban_judge(&bans, &c, &f, false).outcome, VERDICT_ALLOW);
	EXPECT_INT(ban_judge(&bans, &c, &f, true).outcome, VERDICT_REJECT);
	EXPECT_INT(ban_judge(&bans, &c, &f, false).outcome, VERDICT_REJECT);
	pass(9 * 60);
	f.now_ms = now.now_ms;
	EXPECT_INT(ban_judge(&bans, &c, &f, false).outcome, VERDICT_ALLOW);
	EXPECT_INT(ban_judge(&bans, &c, &f, false).outcome, VERDICT_ALLOW);
	EXPECT_INT(expire(), 1);
	finish();
}

static void who_comes_again_and_again_is_a_flood_once(void **state)
{
	(void)state;
	struct ban v;
	start();
	struct ban_order o = order("198.51.100.7");
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_NEW);
	const struct addr a = at("198.51.100.7");
	for (int i = 0; i < 100; i++)
		(void)ban_judge_source(&bans, &rules, &a, now.now_ms, true);
	EXPECT_TRUE(!ban_take_flood(&bans, now, &v));
	unsigned told = 0;
	for (int i = 0; i < 100; i++) {
		(void)ban_judge_source(&bans, &rules, &a, now.now_ms, false);
		if (ban_take_flood(&bans, now, &v)) {
			told++;
			EXPECT_INT(i, 10);
			EXPECT_U64(v.hits, 11);
		}
	}
	EXPECT_INT(told, 1);
	finish();
}

static void a_full_table_forgets_who_matters_least(void **state)
{
	(void)state;
	char name[32];
	struct buf b;
	start();
	struct ban_order op = order_of(SUBJECT_CALLER, "operator");
	op.by = BAN_BY_OPERATOR;
	EXPECT_INT(ban_lay(&bans, &rules, &op, now, NULL), BAN_NEW);
	struct ban_order busy = order("198.51.100.7");
	EXPECT_INT(ban_lay(&bans, &rules, &busy, now, NULL), BAN_NEW);
	for (unsigned i = 0; i < BAN_MAX + 100; i++) {
		buf_init(&b, name, sizeof(name));
		buf_printf(&b, "+%u%c", i, 0);
		struct ban_order o = order_of(SUBJECT_CALLER, name);
		EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_NEW);
		EXPECT_INT(judge("198.51.100.7"), VERDICT_DROP); /* it comes all the time */
	}
	EXPECT_INT(bans.pool.used, BAN_MAX);
	EXPECT_INT(bans.evicted, 102);
	const struct policy_config c = config();
	struct facts f = {
		.trunk = POLICY_NO_INDEX, .caller = STR("operator"), .now_ms = now.now_ms};
	EXPECT_INT(ban_judge(&bans, &c, &f, false).outcome, VERDICT_REJECT);
	f.caller = STR("+0");
	EXPECT_INT(ban_judge(&bans, &c, &f, false).outcome, VERDICT_ALLOW);
	f.caller = STR("+102");
	EXPECT_INT(ban_judge(&bans, &c, &f, false).outcome, VERDICT_REJECT);
	finish();
}

static void bans_go_out_as_text_and_come_back_as_they_were(void **state)
{
	(void)state;
	char mem[3][BAN_LINE_MAX];
	struct ban v;
	size_t n = 0;
	uint32_t cursor = 0;
	start();
	struct ban_order o = order("198.51.100.0/24");
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_NEW);
	o = order_of(SUBJECT_USER, "al\"ice@example.net");
	o.why = STR("line\nbreak");
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_NEW);
	o = order_of(SUBJECT_TRUNK, "carrier");
	o.mode = BAN_SLOW;
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, NULL), BAN_NEW);
	while (ban_next(&bans, now, false, &cursor, &v)) {
		struct buf b;
		buf_init(&b, mem[n], sizeof(mem[n]));
		ban_write(&b, &v);
		buf_char(&b, 0);
		EXPECT_TRUE(!b.overflow);
		n++;
	}
	EXPECT_INT(n, 3);
	finish();
	/* Another run, half an hour later: another monotonic clock. */
	start();
	now = (struct ban_time){77, now.wall_ms + 1800 * S};
	for (size_t i = 0; i < n; i++) {
		EXPECT_ERR(ban_read(str_from(mem[i]), &v), OK);
		const bool over = v.until_ms <= now.wall_ms;
		EXPECT_INT(ban_import(&bans, &rules, &v, now), over ? BAN_KEPT : BAN_NEW);
		EXPECT_INT(ban_import(&bans, &rules, &v, now), BAN_KEPT);
	}
	EXPECT_INT(judge("198.51.100.9"), VERDICT_DROP);
	pass(1799);
	EXPECT_INT(judge("198.51.100.9"), VERDICT_DROP);
	pass(1);
	EXPECT_INT(judge("198.51.100.9"), VERDICT_ALLOW);
	/* The strike came along. */
	(void)expire();
	o = order("198.51.100.0/24");
	EXPECT_INT(ban_lay(&bans, &rules, &o, now, &v), BAN_NEW);
	EXPECT_INT(v.strikes, 2);
	finish();
}

static void nothing_that_is_read_is_believed(void **state)
{
	(void)state;
	static const struct {
		const char *name, *line;
	} rows[] = {
		{"nothing", ""},
		{"no object", "[]"},
		{"no kind",
		 "{\"subject\":\"192.0.2.1\",\"mode\":\"out\",\"by\":\"rule\",\"strikes\":1}"},
		{"an unknown kind", "{\"kind\":\"planet\",\"subject\":\"x\",\"mode\":\"out\","
				    "\"by\":\"rule\",\"strikes\":1}"},
		{"no address", "{\"kind\":\"source\",\"subject\":\"x\",\"mode\":\"out\",\"by\":"
			       "\"rule\",\"strikes\":1}"},
		{"no strikes",
		 "{\"kind\":\"user\",\"subject\":\"x\",\"mode\":\"out\",\"by\":\"rule\"}"},
		{"too many strikes", "{\"kind\":\"user\",\"subject\":\"x\",\"mode\":\"out\",\"by\":"
				     "\"rule\",\"strikes\":31}"},
		{"slow without a gap", "{\"kind\":\"user\",\"subject\":\"x\",\"mode\":\"slow\","
				       "\"by\":\"rule\",\"strikes\":1}"},
		{"before the epoch", "{\"kind\":\"user\",\"subject\":\"x\",\"mode\":\"out\",\"by\":"
				     "\"rule\",\"strikes\":1,"
				     "\"until_ms\":-1}"},
	};
	struct ban v;
	CHECK_TABLE(row, rows)
	EXPECT_ERR(ban_read(str_from(row->line), &v), ERR_BAD);
	start();
	memset(&v, 0xff, sizeof(v));
	EXPECT_INT(ban_import(&bans, &rules, &v, now), BAN_NAMELESS);
	EXPECT_INT(bans.pool.used, 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_is_out_for_its_time_and_the_verdict_names_the_rule),
		cmocka_unit_test(each_strike_makes_it_longer_and_time_makes_it_good),
		cmocka_unit_test(a_ban_beside_another_is_the_longer_of_the_two),
		cmocka_unit_test(what_is_allowed_is_never_banned),
		cmocka_unit_test(a_source_that_was_not_proven_is_not_banned),
		cmocka_unit_test(prefixes_of_all_lengths_are_found),
		cmocka_unit_test(many_banned_sources_of_a_network_ban_it_where_that_is_asked_for),
		cmocka_unit_test(users_trunks_and_numbers_are_refused_at_the_call),
		cmocka_unit_test(nothing_is_known_of_who_has_no_name),
		cmocka_unit_test(who_is_slowed_has_one_call_in_so_many_seconds),
		cmocka_unit_test(who_comes_again_and_again_is_a_flood_once),
		cmocka_unit_test(a_full_table_forgets_who_matters_least),
		cmocka_unit_test(bans_go_out_as_text_and_come_back_as_they_were),
		cmocka_unit_test(nothing_that_is_read_is_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
