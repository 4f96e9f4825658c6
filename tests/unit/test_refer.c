#include "sbc/core/refer.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/check.h"
#include "tests/support/guard.h"

static struct guard guard;

static struct str guarded(const char *text)
{
	return guard_put(&guard, str_from(text));
}

static void a_replaces_value_has_a_call_id_and_both_tags_once(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum err want;
		const char *call_id, *to, *from;
		bool early;
	} rows[] = {
		{"all three", "a@b;to-tag=1;from-tag=2", OK, "a@b", "1", "2", false},
		{"in the other order, with space", "a ; from-tag = 2 ;to-tag=1", OK, "a", "1", "2",
		 false},
		{"early-only", "a@b;to-tag=1;early-only;from-tag=2", OK, "a@b", "1", "2", true},
		{"parameters of any case, unknown ones ignored", "a;TO-Tag=1;From-TAG=2;x=y", OK,
		 "a", "1", "2", false},
		{"no from-tag", "a@b;to-tag=1", ERR_BAD, NULL, NULL, NULL, false},
		{"no to-tag", "a@b;from-tag=1", ERR_BAD, NULL, NULL, NULL, false},
		{"an empty tag", "a@b;from-tag=1;to-tag=", ERR_BAD, NULL, NULL, NULL, false},
		{"a tag twice", "a;to-tag=1;to-tag=2;from-tag=3", ERR_BAD, NULL, NULL, NULL, false},
		{"no Call-ID", ";to-tag=1;from-tag=2", ERR_BAD, NULL, NULL, NULL, false},
		{"a Call-ID of two words", "a b;to-tag=1;from-tag=2", ERR_BAD, NULL, NULL, NULL,
		 false},
		{"a Call-ID with two @", "a@b@c;to-tag=1;from-tag=2", ERR_BAD, NULL, NULL, NULL,
		 false},
		{"a quoted tag", "a;to-tag=\"1\";from-tag=2", ERR_BAD, NULL, NULL, NULL, false},
		{"rubbish behind", "a;to-tag=1;from-tag=2 x", ERR_BAD, NULL, NULL, NULL, false},
		{"nothing", "", ERR_BAD, NULL, NULL, NULL, false},
	};

	CHECK_TABLE(row, rows)
	{
		struct refer_replaces r;
		struct str in = guarded(row->text);
		EXPECT_ERR(refer_replaces_parse(in, &r), row->want);
		if (row->want != OK)
			continue;
		EXPECT_Z(r.call_id, row->call_id);
		EXPECT_Z(r.to_tag, row->to);
		EXPECT_Z(r.from_tag, row->from);
		EXPECT_TRUE(r.early_only == row->early);
		char mem[256];
		struct buf b;
		struct refer_replaces again;
		buf_init(&b, mem, sizeof(mem));
		refer_replaces_write(&b, &r);
		EXPECT_ERR(refer_replaces_parse(buf_view(&b), &again), OK);
		EXPECT_STR(again.call_id, r.call_id);
		EXPECT_STR(again.to_tag, r.to_tag);
		EXPECT_TRUE(again.early_only == r.early_only);
	}
}

static void of_a_refer_to_only_the_uri_and_its_replaces_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum err want;
		const char *user, *call_id, *method;
	} rows[] = {
		{"a bare URI", "sip:1@h", OK, "1", NULL, ""},
		{"in brackets, with parameters behind", "\"X\" <sip:1@h>;a=b", OK, "1", NULL, ""},
		{"with a method", "<sip:1@h;method=BYE>", OK, "1", NULL, "BYE"},
		{"with Replaces", "<sip:1@h?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>", OK, "1",
		 "a@b", ""},
		{"other headers are as if they were not there",
		 "<sip:1@h?Route=%3Csip:evil%3E&Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&"
		 "Authorization=x>",
		 OK, "1", "a", ""},
		{"header names have no case", "<sip:1@h?rEPLACES=a%3Bto-tag%3D1%3Bfrom-tag%3D2>",
		 OK, "1", "a", ""},
		{"two Replaces",
		 "<sip:1@h?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=b%3Bto-tag%3D1%3Bfrom-"
		 "tag%3D2>",
		 ERR_BAD, NULL, NULL, NULL},
		{"an unreadable Replaces", "<sip:1@h?Replaces=a>", ERR_BAD, NULL, NULL, NULL},
		{"a line end in Replaces",
		 "<sip:1@h?Replaces=a%3Bto-tag%3D1%0d%0aX%3Bfrom-tag%3D2>", ERR_BAD, NULL, NULL,
		 NULL},
		{"a telephone number", "<tel:+4930>", OK, "+4930", NULL, ""},
		{"no URI", "<nothing>", ERR_BAD, NULL, NULL, NULL},
		{"a star", "*", ERR_BAD, NULL, NULL, NULL},
	};

	CHECK_TABLE(row, rows)
	{
		char mem[REFER_REPLACES_MAX];
		struct refer_to r;
		EXPECT_ERR(refer_to_parse(guarded(row->text), mem, &r), row->want);
		if (row->want != OK)
			continue;
		EXPECT_Z(r.uri.user, row->user);
		EXPECT_Z(r.method, row->method);
		EXPECT_TRUE(r.has_replaces == (row->call_id != NULL));
		if (row->call_id)
			EXPECT_Z(r.replaces.call_id, row->call_id);
	}
	static char text[4096];
	char mem[REFER_REPLACES_MAX];
	struct refer_to r;
	int n = snprintf(text, sizeof(text),
			 "<sip:1@h?Replaces=%0*d%%3Bto-tag%%3D1%%3Bfrom-tag%%3D2>",
			 REFER_REPLACES_MAX, 1);
	EXPECT_ERR(refer_to_parse((struct str){text, (size_t)n}, mem, &r), ERR_LIMIT);
}

static void an_escaped_replaces_reads_as_it_was(void **state)
{
	(void)state;
	char mem[1024], read[REFER_REPLACES_MAX];
	struct buf b;
	struct refer_to to;
	struct refer_replaces r = {.call_id = STR("a<b>\"{}?/()%!*~@h"),
				   .to_tag = STR("a.b~c%d"),
				   .from_tag = STR("`'+!"),
				   .early_only = true};

	buf_init(&b, mem, sizeof(mem));
	buf_lit(&b, "<sip:1@h?");
	refer_replaces_write_escaped(&b, &r);
	buf_lit(&b, ">");
	EXPECT_ERR(refer_to_parse(buf_view(&b), read, &to), OK);
	EXPECT_TRUE(to.has_replaces && to.replaces.early_only);
	EXPECT_STR(to.replaces.call_id, r.call_id);
	EXPECT_STR(to.replaces.to_tag, r.to_tag);
	EXPECT_STR(to.replaces.from_tag, r.from_tag);
}

static void index_of(struct msg *m, char *mem, size_t cap, const char *lines)
{
	int n = snprintf(mem, cap,
			 "REFER sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: "
			 "<sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 REFER\r\n"
			 "%sContent-Length: 0\r\n\r\n",
			 lines);
	EXPECT_ERR(msg_index(m, (struct str){mem, (size_t)n}, 0), OK);
}

static void a_refer_has_one_refer_to(void **state)
{
	(void)state;
	static struct msg m;
	static const struct {
		const char *name, *lines;
		enum err want;
	} rows[] = {
		{"one", "Refer-To: <sip:1@h>\r\n", OK},
		{"its compact form", "r: sip:1@h\r\n", OK},
		{"none", "", ERR_BAD},
		{"two in a line", "Refer-To: <sip:1@h>, <sip:2@h>\r\n", ERR_BAD},
		{"a comma in the URI is none between two", "Refer-To: <sip:1,2@h>\r\n", OK},
	};

	CHECK_TABLE(row, rows)
	{
		char text[1024], mem[REFER_REPLACES_MAX];
		struct refer_to r;
		index_of(&m, text, sizeof(text), row->lines);
		EXPECT_ERR(refer_to_of(&m, mem, &r), row->want);
	}
}

static void only_refer_sub_false_wants_no_notify(void **state)
{
	(void)state;
	static struct msg m;
	static const struct {
		const char *name, *lines;
		bool want;
	} rows[] = {
		{"not given", "", true},
		{"true", "Refer-Sub: true\r\n", true},
		{"false", "Refer-Sub: false\r\n", false},
		{"false in capitals, with a parameter", "refer-sub: FALSE ;x=1\r\n", false},
		{"what nobody knows is as if it were not there", "Refer-Sub: no\r\n", true},
	};

	CHECK_TABLE(row, rows)
	{
		char text[1024];
		index_of(&m, text, sizeof(text), row->lines);
		EXPECT_TRUE(refer_wants_notify(&m) == row->want);
	}
}

static void subscription_states(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum err want;
		enum refer_state is;
		uint32_t expires;
	} rows[] = {
		{"active for a time", "active;expires=60", OK, REFER_ACTIVE, 60},
		{"active", "Active", OK, REFER_ACTIVE, 0},
		{"pending", "pending; expires=5", OK, REFER_PENDING, 5},
		{"terminated with a reason", "terminated;reason=noresource", OK, REFER_TERMINATED,
		 0},
		{"a word that we do not know", "waiting", ERR_BAD, 0, 0},
		{"a time that is none", "active;expires=x", ERR_BAD, 0, 0},
		{"nothing", "", ERR_BAD, 0, 0},
	};

	CHECK_TABLE(row, rows)
	{
		enum refer_state is;
		uint32_t expires;
		EXPECT_ERR(refer_state_parse(guarded(row->text), &is, &expires), row->want);
		if (row->want != OK)
			continue;
		EXPECT_INT(is, row->is);
		EXPECT_INT(expires, row->expires);
	}
}

static void of_a_sipfrag_only_the_status_is_read_and_written(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum err want;
		uint16_t status;
	} rows[] = {
		{"a status line", "SIP/2.0 200 OK\r\n", OK, 200},
		{"without its end", "SIP/2.0 100 Trying", OK, 100},
		{"without a phrase", "SIP/2.0 486\r\n", OK, 486},
		{"with headers", "SIP/2.0 603 Declined\r\nTo: <sip:secret@10.0.0.1>\r\n", OK, 603},
		{"a status above all", "SIP/2.0 700 X\r\n", ERR_BAD, 0},
		{"a status below all", "SIP/2.0 099 X\r\n", ERR_BAD, 0},
		{"four digits", "SIP/2.0 2000 X\r\n", ERR_BAD, 0},
		{"a request", "INVITE sip:a@h SIP/2.0\r\n", ERR_BAD, 0},
		{"cut short", "SIP/2.0 20", ERR_BAD, 0},
		{"nothing", "", ERR_BAD, 0},
	};

	CHECK_TABLE(row, rows)
	{
		uint16_t status;
		EXPECT_ERR(refer_frag_parse(guarded(row->text), &status), row->want);
		if (row->want != OK)
			continue;
		EXPECT_INT(status, row->status);
		char mem[64];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		refer_frag_write(&b, status);
		EXPECT_TRUE(str_find(buf_view(&b), STR("10.0.0.1")) == b.len);
		EXPECT_ERR(refer_frag_parse(buf_view(&b), &status), OK);
		EXPECT_INT(status, row->status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_replaces_value_has_a_call_id_and_both_tags_once),
		cmocka_unit_test(of_a_refer_to_only_the_uri_and_its_replaces_are_read),
		cmocka_unit_test(an_escaped_replaces_reads_as_it_was),
		cmocka_unit_test(a_refer_has_one_refer_to),
		cmocka_unit_test(only_refer_sub_false_wants_no_notify),
		cmocka_unit_test(subscription_states),
		cmocka_unit_test(of_a_sipfrag_only_the_status_is_read_and_written),
	};

	guard_init(&guard, 4096);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	guard_release(&guard);
	return failed;
}
