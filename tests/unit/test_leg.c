#include "sbc/core/leg.h"

#include "tests/support/check.h"
#include "tests/support/site.h"

static struct site t;
static char text[1024];

/* A leg whose peer speaks from `from` and asks for requests to go to `target`, by way of `route`. */
static struct leg leg_of(unsigned realm, bool tls, const char *from, const char *target,
			 const char *route)
{
	struct leg l = {.trunk = (uint16_t)realm, .peer = SETTINGS_NO_INDEX};

	l.flow.listener = (uint16_t)(2 * realm + tls);
	l.flow.transport = tls ? TRANSPORT_TLS : TRANSPORT_UDP;
	l.flow.id = tls ? 77 : ID_NONE;
	CHECK(addr_parse(str_from(from), &l.flow.remote) == OK);
	dialog_init(&l.dialog, text, sizeof(text));
	CHECK(dialog_set(&l.dialog, DIALOG_TARGET, str_from(target)) == OK);
	if (route)
		CHECK(dialog_set(&l.dialog, DIALOG_ROUTES, str_from(route)) == OK);
	return l;
}

static void requests_go_where_the_peer_may_send_us(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned realm;
		bool tls;
		const char *from, *target, *route, *to;
	} rows[] = {
		{"the contact's port at the source's address", 0, false, "198.51.100.7:5062",
		 "sip:a@198.51.100.7:5070", NULL, "198.51.100.7:5070"},
		{"the default port", 0, false, "198.51.100.7:5062", "sip:a@198.51.100.7", NULL,
		 "198.51.100.7:5060"},
		{"a private contact behind NAT: back to the source", 0, false, "198.51.100.7:40000",
		 "sip:a@192.168.1.2:5060", NULL, "198.51.100.7:40000"},
		{"outside, no third party", 0, false, "198.51.100.7:5060", "sip:a@192.0.2.1", NULL,
		 "198.51.100.7:5060"},
		{"outside, not to our inside", 0, false, "198.51.100.7:5060", "sip:a@10.0.0.21",
		 NULL, "198.51.100.7:5060"},
		{"outside, another address of the trunk", 0, false, "198.51.100.7:5060",
		 "sip:a@198.51.100.9:5066", NULL, "198.51.100.9:5066"},
		{"inside, a phone behind its PBX", 1, false, "10.0.0.21:5060",
		 "sip:a@10.9.9.9:5064", NULL, "10.9.9.9:5064"},
		{"never to a group", 1, false, "10.0.0.21:5060", "sip:a@224.0.1.75", NULL,
		 "10.0.0.21:5060"},
		{"never to nowhere", 1, false, "10.0.0.21:5060", "sip:a@0.0.0.0", NULL,
		 "10.0.0.21:5060"},
		{"a name stays with the source", 1, false, "10.0.0.21:5060", "sip:a@phone.test",
		 NULL, "10.0.0.21:5060"},
		{"a route comes before the contact", 1, false, "10.0.0.21:5060", "sip:a@10.9.9.9",
		 "<sip:10.0.0.22:5090;lr>", "10.0.0.22:5090"},
		{"over TLS the connection; a new one to the contact", 0, true, "198.51.100.7:33333",
		 "sip:a@198.51.100.7:5071;transport=tls", NULL, "198.51.100.7:5071"},
		{"or to the default port of the source", 0, true, "198.51.100.7:33333",
		 "sip:a@192.168.1.2;transport=tls", NULL, "198.51.100.7:5061"},
	};
	site_init(&t);
	CHECK_TABLE(row, rows)
	{
		char got[64];
		struct buf b;
		struct leg l = leg_of(row->realm, row->tls, row->from, row->target, row->route);
		struct dest d = leg_dest(&l, &l.dialog, &t.set);
		buf_init(&b, got, sizeof(got));
		addr_write(&b, &d.flow.remote);
		EXPECT_Z(buf_view(&b), row->to);
		EXPECT_U64(d.flow.id, l.flow.id);
		EXPECT_INT(d.reconnect, row->tls);
	}
}

static void only_the_peer_is_believed(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned realm;
		bool tls;
		const char *from;
		unsigned other_realm;
		bool other_tls;
		const char *other;
		id_t64 id;
		const char *proven; /* name in a verified certificate */
		bool believed;
	} rows[] = {
		{"the same address, another port", 0, false, "198.51.100.7:5060", 0, false,
		 "198.51.100.7:9", 0, NULL, true},
		{"another address of the trunk", 0, false, "198.51.100.7:5060", 0, false,
		 "198.51.100.8:5060", 0, NULL, true},
		{"a stranger", 0, false, "198.51.100.7:5060", 0, false, "192.0.2.66:5060", 0, NULL,
		 false},
		{"the right address in the wrong realm", 0, false, "198.51.100.7:5060", 1, false,
		 "198.51.100.7:5060", 0, NULL, false},
		{"the same connection", 0, true, "192.0.2.7:4000", 0, true, "192.0.2.7:4000", 77,
		 NULL, true},
		{"over TLS an address proves nothing", 0, true, "192.0.2.7:4000", 0, true,
		 "192.0.2.7:4001", 78, NULL, false},
		{"a certificate of the trunk does", 0, true, "192.0.2.7:4000", 0, true,
		 "192.0.2.9:4001", 78, "trunk.test", true},
		{"another's does not", 0, true, "192.0.2.7:4000", 0, true, "192.0.2.7:4001", 78,
		 "other.test", false},
		{"UDP cannot speak for a TLS call", 0, true, "198.51.100.7:4000", 0, false,
		 "198.51.100.7:4000", 0, NULL, false},
		{"inside, the contact itself", 1, false, "10.0.0.21:5060", 1, false, "10.9.9.9:1",
		 0, NULL, true},
		{"inside, anyone else does not", 1, false, "10.0.0.21:5060", 1, false, "10.9.9.8:1",
		 0, NULL, false},
	};
	site_init(&t);
	t.trunks[0].tls_name = STR("trunk.test");
	CHECK_TABLE(row, rows)
	{
		struct leg l = leg_of(row->realm, row->tls, row->from, "sip:a@10.9.9.9", NULL);
		struct tls_facts tls = {.verified = row->proven != NULL};
		struct flow f = {.listener = (uint16_t)(2 * row->other_realm + row->other_tls),
				 .transport = row->other_tls ? TRANSPORT_TLS : TRANSPORT_UDP,
				 .id = row->id};
		CHECK(addr_parse(str_from(row->other), &f.remote) == OK);
		if (row->proven)
			tls.names[tls.name_count++] = str_from(row->proven);
		EXPECT_INT(leg_is_believed(&l, &l.dialog, &t.set, &f, row->other_tls ? &tls : NULL),
			   row->believed);
	}
}

static void a_name_in_an_unverified_certificate_proves_nothing(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[0].tls_name = STR("trunk.test");
	struct leg l = leg_of(0, true, "192.0.2.7:4000", "sip:a@192.0.2.7", NULL);
	struct tls_facts tls = {.verified = false, .names = {STR("trunk.test")}, .name_count = 1};
	struct flow f = l.flow;
	f.id = 78;
	EXPECT_TRUE(!leg_is_believed(&l, &l.dialog, &t.set, &f, &tls));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_go_where_the_peer_may_send_us),
		cmocka_unit_test(only_the_peer_is_believed),
		cmocka_unit_test(a_name_in_an_unverified_certificate_proves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
