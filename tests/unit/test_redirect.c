#include "sbc/core/redirect.h"

#include <stdio.h>

#include "tests/support/check.h"
#include "tests/support/site.h"

static struct site t;
static char bytes[4096];

static struct msg with_contacts(const char *lines)
{
	struct msg m;

	snprintf(bytes, sizeof(bytes),
		 "SIP/2.0 302 Moved Temporarily\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n"
		 "From: <sip:a@10.0.0.1>;tag=1\r\nTo: <sip:b@10.0.0.21>;tag=2\r\nCall-ID: x\r\n"
		 "CSeq: 1 INVITE\r\n%sContent-Length: 0\r\n\r\n",
		 lines);
	EXPECT_ERR(msg_index(&m, str_from(bytes), 0), OK);
	return m;
}

static void contacts_are_wishes_in_order_of_q(void **state)
{
	(void)state;
	static const struct {
		const char *name, *lines, *want;
	} rows[] = {
		{"one", "Contact: <sip:100@a.test>\r\n", "100@a.test:0/1000 "},
		{"none", "", ""},
		{"by q, then as written",
		 "Contact: <sip:1@a.test>;q=0.5, <sip:2@b.test>\r\nContact: "
		 "<sip:3@c.test>;q=0.5\r\n",
		 "2@b.test:0/1000 1@a.test:0/500 3@c.test:0/500 "},
		{"a port, sips and a transport",
		 "Contact: <sips:1@a.test:5071>, <sip:2@a.test;transport=TLS>;q=0.1\r\n",
		 "1@a.test:5071/1000s 2@a.test:0/100s "},
		{"not what has no number, or is no SIP",
		 "Contact: <sip:a.test>, <mailto:x@a.test>, <tel:+49>, *\r\n", ""},
		{"a number is unescaped once", "Contact: <sip:%2B49@a.test>\r\n",
		 "+49@a.test:0/1000 "},
		{"a q that is none", "Contact: <sip:1@a.test>;q=0.x\r\n", "1@a.test:0/1000 "},
		{"a q of zero is the last",
		 "Contact: <sip:1@a.test>;q=0, <sip:2@a.test>;q=0.001\r\n",
		 "2@a.test:0/1 1@a.test:0/0 "},
	};
	CHECK_TABLE(row, rows)
	{
		struct redirect_wish w[REDIRECTS_MAX];
		char got[512];
		struct buf b;
		struct msg m = with_contacts(row->lines);
		size_t n = redirect_read(&m, w, ARRAY_LEN(w));
		buf_init(&b, got, sizeof(got));
		for (size_t i = 0; i < n; i++)
			buf_printf(&b, "%.*s@%.*s:%u/%u%s ", STR_ARG(redirect_number(&w[i])),
				   STR_ARG(w[i].host), w[i].port, w[i].q, w[i].secure ? "s" : "");
		EXPECT_Z(buf_view(&b), row->want);
	}
}

static void no_more_wishes_than_there_is_room_for(void **state)
{
	(void)state;
	struct redirect_wish w[2];
	struct msg m = with_contacts("Contact: <sip:1@a>, <sip:2@a>, <sip:3@a>\r\n");

	EXPECT_INT(redirect_read(&m, w, 2), 2);
}

static void a_wish_is_granted_to_a_peer_that_a_route_reaches(void **state)
{
	(void)state;
	static const struct {
		const char *name, *contact;
		bool secure_only;
		enum err want;
		uint16_t peer;
	} rows[] = {
		{"a peer of the route's trunk", "<sip:1@10.0.0.22>", false, OK, 1},
		{"with its port", "<sip:1@10.0.0.22:5060>", false, OK, 1},
		{"another port is another host", "<sip:1@10.0.0.22:5080>", false, ERR_NOTFOUND, 0},
		{"a stranger", "<sip:1@10.0.0.99>", false, ERR_NOTFOUND, 0},
		{"a name that only resolves to it", "<sip:1@pbx.test>", false, ERR_NOTFOUND, 0},
		{"a peer, of a trunk that no route leads to", "<sip:1@198.51.100.7>", false,
		 ERR_NOTFOUND, 0},
		{"sips: to a peer without TLS", "<sips:1@10.0.0.22>", false, ERR_NOTFOUND, 0},
		{"a caller that wants TLS all the way", "<sip:1@10.0.0.22>", true, ERR_NOTFOUND, 0},
	};
	CHECK_TABLE(row, rows)
	{
		char line[128];
		struct redirect_wish w;
		struct hunt_target target;
		site_init(&t);
		struct facts f = {.realm = SITE_OUTSIDE, .trunk = SITE_CARRIER};
		snprintf(line, sizeof(line), "Contact: %s\r\n", row->contact);
		struct msg m = with_contacts(line);
		EXPECT_INT(redirect_read(&m, &w, 1), 1);
		EXPECT_ERR(redirect_find(&t.set, &f, &w, row->secure_only, &target), row->want);
		if (row->want == OK) {
			EXPECT_INT(target.trunk, SITE_PBX);
			EXPECT_INT(target.peer, row->peer);
		}
	}
}

static void a_route_that_rejects_grants_nothing(void **state)
{
	(void)state;
	struct redirect_wish w;
	struct hunt_target target;
	struct facts f = {.realm = SITE_OUTSIDE, .trunk = SITE_CARRIER};
	struct msg m = with_contacts("Contact: <sip:1@10.0.0.22>\r\n");

	site_init(&t);
	t.routes[0].reject_status = 403;
	EXPECT_INT(redirect_read(&m, &w, 1), 1);
	EXPECT_ERR(redirect_find(&t.set, &f, &w, false, &target), ERR_NOTFOUND);
	EXPECT_TRUE(redirect_is_known(&t.set, &w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contacts_are_wishes_in_order_of_q),
		cmocka_unit_test(no_more_wishes_than_there_is_room_for),
		cmocka_unit_test(a_wish_is_granted_to_a_peer_that_a_route_reaches),
		cmocka_unit_test(a_route_that_rejects_grants_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
