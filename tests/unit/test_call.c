/* Which offer, answer and delete belongs to which dialogue (ng-protocol §5 and §7). */
#include <stdio.h>
#include <string.h>

#include "rtpproxy/core/call.h"
#include "tests/support/check.h"

/* A call as "from,to,branch,from,to,branch…": the dialogues in order. */
struct world {
	struct call c;
	struct dialogue d[LIMIT_DIALOGUES];
};

static void put(char *out, size_t cap, const char *text)
{
	snprintf(out, cap, "%s", text);
}

static void world_init(struct world *w, const char *const dialogues[][3])
{
	memset(w, 0, sizeof(*w));
	for (unsigned i = 0; dialogues[i][0]; i++) {
		struct dialogue *d = &w->d[i];
		leg_init(&d->legs[0]);
		leg_init(&d->legs[1]);
		put(d->legs[0].tag, sizeof(d->legs[0].tag), dialogues[i][0]);
		put(d->legs[1].tag, sizeof(d->legs[1].tag), dialogues[i][1]);
		put(d->branch, sizeof(d->branch), dialogues[i][2]);
		w->c.dialogues[w->c.dialogue_count++] = d;
	}
}

/* One call of each shape. */
static const char *const unanswered[][3] = {{"A", "", "z1"}, {NULL}};
static const char *const no_branch[][3] = {{"A", "", ""}, {NULL}};
static const char *const answered[][3] = {{"A", "B", "z1"}, {NULL}};
static const char *const forked[][3] = {{"A", "", "z1"}, {"A", "", "z2"}, {NULL}};
static const char *const half[][3] = {{"A", "B", "z1"}, {"A", "", "z2"}, {NULL}};
static const char *const three[][3] = {{"A", "B", "z1"}, {"A", "C", "z2"}, {NULL}};

struct row {
	const char *name;
	const char *const (*call)[3];
	const char *from, *to, *branch;
	int dialogue; /* -1: none */
	unsigned side;
	enum refusal refusal;
};

static struct call_names names(const char *from, const char *to, const char *branch)
{
	return (struct call_names){str_from(from), str_from(to), str_from(branch)};
}

static void check_place(const struct world *w, const struct row *row, const struct call_place *p,
			enum refusal r)
{
	EXPECT_INT(r, row->refusal);
	if (r == REFUSAL_NONE) {
		EXPECT_INT(p->d ? p->d - w->d : -1, row->dialogue);
		if (p->d) {
			EXPECT_INT(p->side, row->side);
		}
	}
}

static void offers(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"the same offer again is the same dialogue", unanswered, "A", "", "z1", 0, 0, 0},
		{"another branch of the same caller is a fork", unanswered, "A", "", "z2", -1, 0,
		 0},
		{"another caller in the call is new", unanswered, "X", "", "z1", -1, 0, 0},
		{"without a branch the caller's own dialogue is meant", unanswered, "A", "", "", 0,
		 0, 0},
		{"a branch where there was none is no fork", no_branch, "A", "", "z9", 0, 0, 0},
		{"an offer without to-tag after the answer changes it", answered, "A", "", "z1", 0,
		 0, 0},
		{"the callee's tag is known too", answered, "B", "", "z1", 0, 1, 0},
		{"a re-offer of the caller", answered, "A", "B", "z7", 0, 0, 0},
		{"a re-offer of the callee", answered, "B", "A", "z8", 0, 1, 0},
		{"the to-tag came without SDP: the unanswered side is meant", unanswered, "A", "B",
		 "", 0, 0, 0},
		{"the callee offers first, its tag is not known yet", unanswered, "B", "A", "", 0,
		 1, 0},
		{"of two forks the branch decides", forked, "A", "B", "z2", 1, 0, 0},
		{"a pair that is not there is a new one", answered, "A", "C", "z1", -1, 0, 0},
		{"the pair wins over the half", half, "A", "B", "z2", 0, 0, 0},
		{"both tags the same are nobody", answered, "A", "A", "", 0, 0, REFUSAL_DIALOGUE},
	};
	CHECK_TABLE(row, rows)
	{
		struct world w;
		struct call_place p;
		world_init(&w, row->call);
		struct call_names n = names(row->from, row->to, row->branch);
		enum refusal r = call_find_offer(&w.c, &n, &p);
		check_place(&w, row, &p, r);
	}
}

static void answers(void **state)
{
	(void)state;
	/* side: of the answerer */
	static const struct row rows[] = {
		{"the first answer names the other side", unanswered, "A", "B", "z1", 0, 1, 0},
		{"also when the branch is not said", unanswered, "A", "B", "", 0, 1, 0},
		{"also when the branch is another", unanswered, "A", "B", "zx", 0, 1, 0},
		{"of two forks the branch decides", forked, "A", "B", "z2", 1, 1, 0},
		{"without a branch it is the first that is open", forked, "A", "B", "", 0, 1, 0},
		{"a second answer of the same party", answered, "A", "B", "z1", 0, 1, 0},
		{"an answer of another party is an alias", answered, "A", "C", "z1", 0, 1, 0},
		{"the answer to the callee's offer", answered, "B", "A", "z1", 0, 0, 0},
		{"an open side is taken before an alias", half, "A", "C", "", 1, 1, 0},
		{"with two answered the branch decides the alias", three, "A", "D", "z2", 1, 1, 0},
		{"with two answered and no branch nobody is meant", three, "A", "D", "", 0, 0,
		 REFUSAL_DIALOGUE},
		{"nobody has offered this", answered, "X", "B", "z1", 0, 0, REFUSAL_DIALOGUE},
		{"both tags the same", unanswered, "A", "A", "z1", 0, 0, REFUSAL_DIALOGUE},
	};
	CHECK_TABLE(row, rows)
	{
		struct world w;
		struct call_place p;
		world_init(&w, row->call);
		struct call_names n = names(row->from, row->to, row->branch);
		enum refusal r = call_find_answer(&w.c, &n, &p);
		check_place(&w, row, &p, r);
	}
}

static void an_alias_still_finds_the_party(void **state)
{
	(void)state;
	struct world w;
	struct call_place p;
	world_init(&w, answered);
	struct call_names n = names("A", "C", "");
	assert_int_equal(call_find_answer(&w.c, &n, &p), REFUSAL_NONE);
	call_set_to_tag(&p, STR("C"));
	assert_true(leg_has_tag(&w.d[0].legs[1], STR("C")));
	assert_true(leg_has_tag(&w.d[0].legs[1], STR("B")));
	assert_ptr_equal(call_find_leg(&w.c, STR("B")), &w.d[0].legs[1]);
	assert_null(call_find_leg(&w.c, STR("D")));
}

static void deletes(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *const (*call)[3];
		const char *from, *to, *branch;
		bool with_to_tag;
		unsigned mask; /* 0: nothing matches */
	} rows[] = {
		{"without a from-tag the whole call goes", forked, "", "", "", false, 3},
		{"the caller takes all its dialogues", forked, "A", "", "", false, 3},
		{"the callee takes its own", half, "B", "", "", false, 1},
		{"a known branch goes alone", forked, "A", "", "z2", false, 2},
		{"an unknown branch means the from-tag", forked, "A", "", "zx", false, 3},
		{"somebody else's branch means nothing", forked, "X", "", "z1", false, 0},
		{"the to-tag is ignored without its flag", three, "A", "B", "", false, 3},
		{"with its flag it is the party that goes", three, "A", "B", "", true, 1},
		{"an unknown to-tag of an unanswered call takes all", forked, "A", "B", "", true,
		 3},
		{"an unknown to-tag of an answered call takes nothing", answered, "A", "X", "",
		 true, 0},
		{"an unknown from-tag takes nothing", answered, "X", "", "", false, 0},
	};
	CHECK_TABLE(row, rows)
	{
		struct world w;
		unsigned mask = 0;
		world_init(&w, row->call);
		struct call_names n = names(row->from, row->to, row->branch);
		enum refusal r = call_find_delete(&w.c, &n, row->with_to_tag, &mask);
		EXPECT_INT(r, row->mask ? REFUSAL_NONE : REFUSAL_DELETE_TAGS);
		EXPECT_INT(mask, row->mask);
	}
}

static void what_is_dying_is_not_found(void **state)
{
	(void)state;
	struct world w;
	struct call_place p;
	unsigned mask;
	world_init(&w, answered);
	w.d[0].dies_ms = 5000;
	struct call_names n = names("A", "B", "z1");
	assert_int_equal(call_find_offer(&w.c, &n, &p), REFUSAL_NONE);
	assert_null(p.d);
	assert_int_equal(call_find_answer(&w.c, &n, &p), REFUSAL_DIALOGUE);
	assert_int_equal(call_find_delete(&w.c, &n, false, &mask), REFUSAL_DELETE_TAGS);
	assert_null(call_find_leg(&w.c, STR("A")));
}

static void a_dropped_dialogue_leaves_the_others_in_order(void **state)
{
	(void)state;
	struct world w;
	world_init(&w, three);
	call_drop_dialogue(&w.c, 0);
	assert_int_equal(w.c.dialogue_count, 1);
	assert_ptr_equal(w.c.dialogues[0], &w.d[1]);
	assert_null(w.c.dialogues[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offers),
		cmocka_unit_test(answers),
		cmocka_unit_test(an_alias_still_finds_the_party),
		cmocka_unit_test(deletes),
		cmocka_unit_test(what_is_dying_is_not_found),
		cmocka_unit_test(a_dropped_dialogue_leaves_the_others_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
