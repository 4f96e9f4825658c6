/* RFC 3261 §18.1.1: what is too large for UDP goes by TCP, and by UDP after all where TCP is refused. */
#include <stdio.h>
#include <string.h>

#include "sbc/core/txn.h"
#include "tests/support/check.h"

#define NOW UINT64_C(1000000)

enum { UDP_AT, TCP_AT, OTHER_REALM_AT, LISTENERS, LIMIT = 1300 };

static struct bed {
	struct settings set;
	struct listener listeners[LISTENERS];
	struct txn_table t;
	struct txn_effects fx;
	struct dest to;
	char text[4096];
	id_t64 txn;
} b;

static void listen_at(unsigned i, uint16_t realm, enum transport t, const char *addr)
{
	b.listeners[i] = (struct listener){.realm = realm, .transport = t};
	assert_int_equal(addr_parse(str_from(addr), &b.listeners[i].local), OK);
}

static int set_up(void **state)
{
	(void)state;
	memset(&b, 0, sizeof(b));
	listen_at(UDP_AT, 1, TRANSPORT_UDP, "192.0.2.1:5060");
	listen_at(TCP_AT, 1, TRANSPORT_TCP, "192.0.2.1:5070");
	listen_at(OTHER_REALM_AT, 0, TRANSPORT_TCP, "198.51.100.1:5060");
	b.set = (struct settings){.listeners = b.listeners,
				  .listener_count = LISTENERS,
				  .limits = {.udp_bytes = LIMIT}};
	b.to = (struct dest){.flow = {.listener = UDP_AT, .transport = TRANSPORT_UDP},
			     .trunk = SETTINGS_NO_INDEX};
	assert_int_equal(addr_parse(STR("192.0.2.9:5060"), &b.to.flow.remote), OK);
	struct txn_params p = {.limit = 10,
			       .keys = {{{1, 2}}, {{3, 4}}},
			       .timers = {500, 4000, 5000, 180000},
			       .now_ms = NOW};
	assert_int_equal(txn_init(&b.t, &p), OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	txn_abandon(&b.t, b.txn);
	EXPECT_INT(b.t.clients, 0);
	EXPECT_INT(b.t.kept.used, 0);
	txn_release(&b.t);
	return 0;
}

/* An INVITE of exactly so many octets. */
static struct str invite_of(size_t len, const char *branch)
{
	int n = snprintf(b.text, sizeof(b.text),
			 "INVITE sip:bob@192.0.2.9 SIP/2.0\r\n"
			 "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=%s\r\n"
			 "From: <sip:us@example.com>;tag=ours\r\n"
			 "To: <sip:bob@example.com>\r\n"
			 "Call-ID: ours@example.com\r\nCSeq: 7 INVITE\r\nSubject: ",
			 branch);
	while ((size_t)n < len - 4)
		b.text[n++] = 'x';
	memcpy(b.text + n, "\r\n\r\n", 4);
	return (struct str){b.text, len};
}

static const struct txn_effect *start(size_t len, const char *branch, uint64_t now_ms)
{
	struct txn_start_params p = {.method = STR("INVITE"),
				     .branch = str_from(branch),
				     .dest = &b.to,
				     .bytes = invite_of(len, branch),
				     .settings = &b.set,
				     .owner = 5,
				     .now_ms = now_ms};
	txn_abandon(&b.t, b.txn);
	assert_int_equal(txn_start(&b.t, &p, &b.txn, &b.fx), OK);
	EXPECT_INT(b.fx.count, 1);
	return &b.fx.list[0];
}

static void which_way_a_request_goes(void **state)
{
	(void)state;
	const struct {
		const char *name;
		size_t len;
		uint32_t limit;
		uint16_t tcp_realm;
		const char *tcp_addr;
		bool tcp;
	} rows[] = {
		{"1300 octets go by UDP", 1300, LIMIT, 1, "192.0.2.1:5070", false},
		{"1301 octets go by TCP", 1301, LIMIT, 1, "192.0.2.1:5070", true},
		{"the limit is the configuration's", 1000, 999, 1, "192.0.2.1:5070", true},
		{"a limit of none", 3000, 0, 1, "192.0.2.1:5070", false},
		{"no TCP listener in the realm", 1301, LIMIT, 2, "192.0.2.1:5070", false},
		{"none of that family", 1301, LIMIT, 1, "[2001:db8::1]:5070", false},
	};
	CHECK_TABLE(row, rows)
	{
		b.set.limits.udp_bytes = row->limit;
		listen_at(TCP_AT, row->tcp_realm, TRANSPORT_TCP, row->tcp_addr);
		const struct txn_effect *x = start(row->len, "z9hG4bKone", NOW);
		EXPECT_INT(x->dest->flow.transport, row->tcp ? TRANSPORT_TCP : TRANSPORT_UDP);
		EXPECT_INT(x->dest->flow.listener, row->tcp ? TCP_AT : UDP_AT);
		EXPECT_TRUE(addr_eq(&x->dest->flow.remote, &b.to.flow.remote));
		EXPECT_TRUE(str_find(x->bytes, row->tcp ? STR("\r\nVia: SIP/2.0/TCP 192.0.2.1:5070;"
							      "branch=z9hG4bKone\r\nFrom:")
							: STR("\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;"
							      "rport;branch=z9hG4bKone\r\nFrom:")) <
			    x->bytes.len);
	}
}

static void the_next_small_request_goes_by_udp(void **state)
{
	(void)state;
	EXPECT_INT(start(1400, "z9hG4bKone", NOW)->dest->flow.transport, TRANSPORT_TCP);
	EXPECT_INT(start(400, "z9hG4bKtwo", NOW)->dest->flow.transport, TRANSPORT_UDP);
	EXPECT_INT(start(1400, "z9hG4bKthree", NOW)->dest->flow.transport, TRANSPORT_TCP);
}

static void tcp_refused_falls_back_to_udp(void **state)
{
	(void)state;
	char want[4096];
	start(1400, "z9hG4bKone", NOW);
	memcpy(want, b.text, 1400);
	txn_failed(&b.t, b.txn, NOW + 10, &b.fx);
	EXPECT_INT(b.fx.count, 1);
	EXPECT_INT(b.fx.list[0].type, TXN_EFFECT_SEND);
	EXPECT_INT(b.fx.list[0].dest->flow.transport, TRANSPORT_UDP);
	EXPECT_INT(b.fx.list[0].dest->flow.listener, UDP_AT);
	EXPECT_STR(b.fx.list[0].bytes, ((struct str){want, 1400}));
	/* From now on as any request over UDP: Timer A, and the next failure is one. */
	struct txn_effect out[TXN_TICK_BATCH];
	EXPECT_INT(txn_tick(&b.t, NOW + 10 + 499, out, TXN_TICK_BATCH), 0);
	EXPECT_INT(txn_tick(&b.t, NOW + 10 + 510, out, TXN_TICK_BATCH), 1);
	EXPECT_INT(out[0].type, TXN_EFFECT_SEND);
	txn_failed(&b.t, b.txn, NOW + 600, &b.fx);
	EXPECT_INT(b.fx.count, 1);
	EXPECT_INT(b.fx.list[0].report, TXN_REPORT_FAILED);
}

static void who_refused_tcp_is_left_alone_for_a_while(void **state)
{
	(void)state;
	start(1400, "z9hG4bKone", NOW);
	txn_failed(&b.t, b.txn, NOW, &b.fx);
	EXPECT_INT(start(1400, "z9hG4bKtwo", NOW + 599999)->dest->flow.transport, TRANSPORT_UDP);
	EXPECT_INT(start(1400, "z9hG4bKthree", NOW + 600000)->dest->flow.transport, TRANSPORT_TCP);
	b.to.flow.remote.ip[3]++;
	EXPECT_INT(start(1400, "z9hG4bKfour", NOW)->dest->flow.transport, TRANSPORT_TCP);
}

static void a_swallowed_connection_does_not_cost_the_call(void **state)
{
	(void)state;
	struct txn_effect out[TXN_TICK_BATCH];
	start(1400, "z9hG4bKone", NOW);
	EXPECT_INT(txn_tick(&b.t, NOW + 1990, out, TXN_TICK_BATCH), 0);
	EXPECT_INT(txn_tick(&b.t, NOW + 2010, out, TXN_TICK_BATCH), 1);
	EXPECT_INT(out[0].type, TXN_EFFECT_SEND);
	EXPECT_INT(out[0].dest->flow.transport, TRANSPORT_UDP);
}

static void respond(unsigned status)
{
	static char text[1024];
	struct msg m;
	struct flow f = {.id = 77, .listener = TCP_AT, .transport = TRANSPORT_TCP};
	int n = snprintf(
		text, sizeof(text),
		"SIP/2.0 %u Said\r\nVia: SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKone\r\n"
		"From: <sip:us@example.com>;tag=ours\r\nTo: <sip:bob@example.com>;tag=x\r\n"
		"Call-ID: ours@example.com\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n",
		status);
	assert_int_equal(msg_index(&m, (struct str){text, (size_t)n}, 0), OK);
	EXPECT_INT(txn_response(&b.t, &m, &f, NOW, &b.fx).found, TXN_MATCHED);
}

static void once_answered_it_stays_with_tcp(void **state)
{
	(void)state;
	struct txn_effect out[TXN_TICK_BATCH];
	start(1400, "z9hG4bKone", NOW);
	respond(180);
	EXPECT_INT(txn_tick(&b.t, NOW + 20000, out, TXN_TICK_BATCH), 0);
	/* CANCEL and the ACK of the refusal take the way and the Via of their INVITE. */
	EXPECT_INT(txn_cancel(&b.t, b.txn, STR_NONE, NOW, &b.fx), OK);
	EXPECT_INT(b.fx.list[0].dest->flow.transport, TRANSPORT_TCP);
	EXPECT_TRUE(str_find(b.fx.list[0].bytes, STR("Via: SIP/2.0/TCP 192.0.2.1:5070;")) <
		    b.fx.list[0].bytes.len);
	id_t64 cancel = b.fx.list[0].txn;
	respond(487);
	EXPECT_INT(b.fx.list[0].dest->flow.transport, TRANSPORT_TCP);
	EXPECT_TRUE(str_has_prefix(b.fx.list[0].bytes, STR("ACK ")));
	txn_abandon(&b.t, cancel);
}

#define T(x) cmocka_unit_test_setup_teardown(x, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(which_way_a_request_goes),
		T(the_next_small_request_goes_by_udp),
		T(tcp_refused_falls_back_to_udp),
		T(who_refused_tcp_is_left_alone_for_a_while),
		T(a_swallowed_connection_does_not_cost_the_call),
		T(once_answered_it_stays_with_tcp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
