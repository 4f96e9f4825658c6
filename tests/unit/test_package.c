#include "sbc/core/package.h"

#include "tests/support/check.h"

static void event_headers(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value, *want; /* NULL: ERR_BAD */
	} rows[] = {
		{"a package alone", "presence", "presence"},
		{"a template", "presence.winfo", "presence.winfo"},
		{"its id stays", "dialog;id=a1", "dialog;id=a1"},
		{"other parameters are of one leg",
		 "dialog ; call-id=\"x@10.0.0.1\";id=7;include-session-description", "dialog;id=7"},
		{"nothing", "", NULL},
		{"two words", "presence dialog", NULL},
		{"a quoted id", "dialog;id=\"x\"", NULL},
		{"a parameter without a name", "dialog;=x", NULL},
		{"a list", "presence,dialog", NULL},
		{"a name beyond reason", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 NULL},
	};
	CHECK_TABLE(r, rows)
	{
		struct package_event e;
		char mem[256];
		struct buf b;
		enum err got = package_parse_event(str_from(r->value), &e);
		EXPECT_ERR(got, r->want ? OK : ERR_BAD);
		if (got != OK)
			continue;
		buf_init(&b, mem, sizeof(mem));
		package_write_event(&b, &e);
		EXPECT_Z(buf_view(&b), r->want);
	}
}

static void subscription_states(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value, *want;
		bool terminated;
	} rows[] = {
		{"active", "active;expires=60", "active;expires=60", false},
		{"pending without more", "pending", "pending", false},
		{"the end with its reason", "terminated;reason=timeout;retry-after=5",
		 "terminated;reason=timeout;retry-after=5", true},
		{"letters in either case", "Terminated", "Terminated", true},
		{"what we do not know stays behind", "active;x=10.0.0.1;expires=9",
		 "active;expires=9", false},
		{"a number beyond all", "active;expires=99999999999", "active;expires=4294967295",
		 false},
		{"nothing", "", NULL, false},
		{"a time that is none", "active;expires=soon", NULL, false},
		{"a reason that is no token", "terminated;reason=\"a b\"", NULL, false},
		{"half a parameter", "active;expires=", NULL, false},
	};
	CHECK_TABLE(r, rows)
	{
		struct package_state s;
		char mem[256];
		struct buf b;
		enum err got = package_parse_state(str_from(r->value), &s);
		EXPECT_ERR(got, r->want ? OK : ERR_BAD);
		if (got != OK)
			continue;
		EXPECT_INT(s.terminated, r->terminated);
		buf_init(&b, mem, sizeof(mem));
		package_write_state(&b, &s);
		EXPECT_Z(buf_view(&b), r->want);
	}
}

static void who_may_have_what(void **state)
{
	(void)state;
	static const struct {
		const char *name, *package, *body;
		enum trust to;
		bool allowed;
	} rows[] = {
		{"message summaries go everywhere", "message-summary",
		 "application/simple-message-summary", TRUST_NONE, true},
		{"presence does not leave", "presence", "application/pidf+xml", TRUST_NONE, false},
		{"nor for little trust", "presence", "application/pidf+xml", TRUST_LOW, false},
		{"inside it goes", "presence", "application/pidf+xml", TRUST_MEDIUM, true},
		{"names have case", "Presence", "application/octet-stream", TRUST_HIGH, false},
		{"what nobody knows", "refer", "application/sdp", TRUST_HIGH, false},
	};
	CHECK_TABLE(r, rows)
	{
		EXPECT_INT(package_is_allowed(str_from(r->package), r->to), r->allowed);
		EXPECT_INT(package_body_crosses(str_from(r->body), r->to), r->allowed);
	}
	EXPECT_TRUE(package_body_crosses(STR("Text/Plain ; charset=utf-8"), TRUST_NONE));
}

static void summaries_lose_what_names_anyone(void **state)
{
	(void)state;
	static const struct {
		const char *name, *body, *want;
	} rows[] = {
		{"the account goes",
		 "Messages-Waiting: yes\r\nMessage-Account: sip:b@10.0.0.1\r\nVoice-Message: 1/2 "
		 "(0/0)\r\n",
		 "Messages-Waiting: yes\r\nVoice-Message: 1/2 (0/0)\r\n"},
		{"headers of messages go",
		 "Messages-Waiting: no\r\n\r\nFrom: a@10.0.0.1\r\nSubject: x\r\n",
		 "Messages-Waiting: no\r\n"},
		{"a count that is none goes",
		 "Voice-Message: 10.0.0.1\r\nMessages-Waiting: maybe\r\n", ""},
		{"lines without CR", "messages-waiting:yes\nFax-Message:3/4",
		 "messages-waiting: yes\r\nFax-Message: 3/4\r\n"},
		{"nothing", "", ""},
	};
	CHECK_TABLE(r, rows)
	{
		char mem[512];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		package_write_summary(&b, str_from(r->body));
		EXPECT_Z(buf_view(&b), r->want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_headers),
		cmocka_unit_test(subscription_states),
		cmocka_unit_test(who_may_have_what),
		cmocka_unit_test(summaries_lose_what_names_anyone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
