/* The table of transactions: who is matched, what is sent again, what is let go of, and the limits. */
#include <stdio.h>
#include <string.h>

#include "sbc/core/txn.h"
#include "tests/support/check.h"

#define NOW UINT64_C(1000000)

static const struct sip_timers timers = {500, 4000, 5000, 180000};

/* A table and what it last said. */
struct bed {
	struct txn_table t;
	struct txn_effects fx;
	struct msg msg; /* of the last text */
	char text[4096];
	struct dest udp, tcp;
};

static void bed_init(struct bed *b, uint32_t limit)
{
	memset(b, 0, sizeof(*b));
	struct txn_params p = {.limit = limit,
			       .worker = 3,
			       .keys = {{{1, 2}}, {{3, 4}}},
			       .timers = timers,
			       .now_ms = NOW};
	assert_int_equal(txn_init(&b->t, &p), OK);
	assert_int_equal(addr_parse(STR("192.0.2.9:5060"), &b->udp.flow.remote), OK);
	b->udp.trunk = SETTINGS_NO_INDEX;
	b->tcp = b->udp;
	b->udp.flow.transport = TRANSPORT_UDP;
	b->tcp.flow.transport = TRANSPORT_TCP;
	b->tcp.flow.id = 77;
}

static void bed_release(struct bed *b)
{
	txn_release(&b->t);
}

/* Nothing may be left: no transaction, timer, block or connection. */
static void expect_empty(struct bed *b)
{
	EXPECT_INT(b->t.clients, 0);
	EXPECT_INT(b->t.servers, 0);
	EXPECT_INT(b->t.by_key.count, 0);
	EXPECT_INT(b->t.merged.count, 0);
	EXPECT_INT(b->t.by_flow.count, 0);
	EXPECT_INT(b->t.wheel.count, 0);
	EXPECT_INT(b->t.kept.used, 0);
	EXPECT_U64(txn_next_ms(&b->t), UINT64_MAX);
}

/* What differs between the requests of these tests. */
struct ask {
	const char *method, *cseq_method, *branch, *sent_by, *to_tag, *from_tag;
	unsigned cseq;
};

static const struct msg *request(struct bed *b, const struct ask *a)
{
	int n = snprintf(b->text, sizeof(b->text),
			 "%s sip:bob@example.com SIP/2.0\r\n"
			 "Via: SIP/2.0/UDP %s;branch=%s\r\n"
			 "Max-Forwards: 70\r\n"
			 "From: <sip:alice@example.com>;tag=%s\r\n"
			 "To: <sip:bob@example.com>%s%s\r\n"
			 "Call-ID: abc@example.com\r\n"
			 "CSeq: %u %s\r\n"
			 "Contact: <sip:alice@192.0.2.9>\r\n"
			 "Content-Length: 0\r\n\r\n",
			 a->method, a->sent_by ? a->sent_by : "phone.example.com:5070",
			 a->branch ? a->branch : "z9hG4bKone", a->from_tag ? a->from_tag : "f1",
			 a->to_tag ? ";tag=" : "", a->to_tag ? a->to_tag : "",
			 a->cseq ? a->cseq : 1, a->cseq_method ? a->cseq_method : a->method);
	assert_int_equal(msg_index(&b->msg, (struct str){b->text, (size_t)n}, 0), OK);
	return &b->msg;
}

static const struct msg *response(struct bed *b, unsigned status, const char *method,
				  const char *branch, const char *to_tag)
{
	int n = snprintf(b->text, sizeof(b->text),
			 "SIP/2.0 %u Whatever\r\n"
			 "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=%s\r\n"
			 "From: <sip:us@example.com>;tag=ours\r\n"
			 "To: <sip:bob@example.com>;tag=%s\r\n"
			 "Call-ID: ours@example.com\r\n"
			 "CSeq: 7 %s\r\n"
			 "Content-Length: 0\r\n\r\n",
			 status, branch, to_tag, method);
	assert_int_equal(msg_index(&b->msg, (struct str){b->text, (size_t)n}, 0), OK);
	return &b->msg;
}

static id_t64 serve(struct bed *b, const struct ask *a, const struct dest *d, id_t64 owner)
{
	const struct msg *m = request(b, a);
	assert_int_equal(txn_request(&b->t, m, NOW, &b->fx).found, TXN_NEW);
	struct txn_serve_params p = {
		.m = m, .dest = d, .head = STR("head"), .owner = owner, .now_ms = NOW};
	id_t64 id = ID_NONE;
	assert_int_equal(txn_serve(&b->t, &p, &id), OK);
	return id;
}

static const char invite_text[] = "INVITE sip:bob@192.0.2.9 SIP/2.0\r\n"
				  "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKours\r\n"
				  "Max-Forwards: 69\r\n"
				  "Route: <sip:edge.example.com;lr>\r\n"
				  "From: <sip:us@example.com>;tag=ours\r\n"
				  "To: <sip:bob@example.com>\r\n"
				  "Call-ID: ours@example.com\r\n"
				  "CSeq: 7 INVITE\r\n"
				  "Contact: <sip:us@192.0.2.1>\r\n"
				  "Subject: not for the ACK\r\n"
				  "Content-Type: application/sdp\r\n"
				  "Content-Length: 5\r\n\r\nv=0\r\n";

static id_t64 start(struct bed *b, const char *method, const char *branch, const struct dest *d,
		    id_t64 owner)
{
	bool invite = strcmp(method, "INVITE") == 0;
	struct txn_start_params p = {.method = str_from(method),
				     .branch = str_from(branch),
				     .dest = d,
				     .bytes = invite ? str_from(invite_text)
						     : STR("BYE sip:x\r\n\r\n"),
				     .owner = owner,
				     .now_ms = NOW};
	id_t64 id = ID_NONE;
	assert_int_equal(txn_start(&b->t, &p, &id, &b->fx), OK);
	assert_int_equal(b->fx.count, 1);
	assert_int_equal(b->fx.list[0].type, TXN_EFFECT_SEND);
	assert_false(b->fx.list[0].again);
	return id;
}

/* Lets time pass to the end; counts what was sent again and keeps the last report. */
static size_t run_out(struct bed *b, uint64_t until_ms, int *out_report)
{
	size_t sends = 0;
	*out_report = -1;
	for (uint64_t now = txn_next_ms(&b->t); now <= until_ms; now = txn_next_ms(&b->t)) {
		struct txn_effect fx[TXN_TICK_BATCH];
		size_t n;
		while ((n = txn_tick(&b->t, now, fx, TXN_TICK_BATCH)) > 0)
			for (size_t i = 0; i < n; i++) {
				sends += fx[i].type == TXN_EFFECT_SEND;
				if (fx[i].type == TXN_EFFECT_REPORT)
					*out_report = (int)fx[i].report;
			}
	}
	return sends;
}

/* clang-format off */
static const struct {
	const char *name;
	struct ask second;
	enum txn_found found;
} second_rows[] = {
	{"the same INVITE is a retransmission", {.method = "INVITE"}, TXN_ABSORBED},
	{"sent-by compares without case", {.method = "INVITE", .sent_by = "PHONE.example.com:5070"}, TXN_ABSORBED},
	{"the ACK of a refusal belongs to it", {.method = "ACK", .to_tag = "t1"}, TXN_ABSORBED},
	{"a CANCEL is a transaction of its own", {.method = "CANCEL"}, TXN_NEW},
	{"another sent-by is another client, but the same request: merged", {.method = "INVITE", .sent_by = "other.example.com:5070"}, TXN_MERGED},
	{"another branch is the same request by another way: merged", {.method = "INVITE", .branch = "z9hG4bKtwo"}, TXN_MERGED},
	{"a new CSeq is a new request", {.method = "INVITE", .branch = "z9hG4bKtwo", .cseq = 2}, TXN_NEW},
	{"another From tag is another caller", {.method = "INVITE", .branch = "z9hG4bKtwo", .from_tag = "f2"}, TXN_NEW},
	{"in a dialog nothing is merged", {.method = "INVITE", .branch = "z9hG4bKtwo", .to_tag = "t1"}, TXN_NEW},
	{"another method is another request", {.method = "OPTIONS", .branch = "z9hG4bKtwo"}, TXN_NEW},
	{"the ACK of a 2xx has a branch of its own", {.method = "ACK", .branch = "z9hG4bKack", .to_tag = "t1"}, TXN_NEW},
};
/* clang-format on */

static void what_a_second_request_is(void **state)
{
	(void)state;
	CHECK_TABLE(r, second_rows)
	{
		struct bed b;
		bed_init(&b, 10);
		id_t64 id = serve(&b, &(struct ask){.method = "INVITE"}, &b.udp, 5);
		struct txn_match m = txn_request(&b.t, request(&b, &r->second), NOW, &b.fx);
		EXPECT_INT(m.found, r->found);
		EXPECT_U64(m.txn, r->found == TXN_ABSORBED ? id : ID_NONE);
		EXPECT_U64(m.owner, r->found == TXN_ABSORBED ? 5 : ID_NONE);
		EXPECT_INT(b.fx.count, 0);
		bed_release(&b);
	}
}

static void a_cancel_finds_its_invite(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	id_t64 id = serve(&b, &(struct ask){.method = "INVITE"}, &b.udp, 5);
	struct ask a = {.method = "CANCEL"};
	EXPECT_U64(txn_find_cancelled(&b.t, request(&b, &a)).txn, id);
	a.branch = "z9hG4bKother";
	EXPECT_INT(txn_find_cancelled(&b.t, request(&b, &a)).found, TXN_NEW);
	bed_release(&b);
}

/* Branches without the magic cookie: Request-URI, tags, Call-ID, CSeq and top Via decide. */
static void rfc2543_requests_match(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	struct ask a = {.method = "INVITE", .branch = "1"};
	id_t64 id = serve(&b, &a, &b.udp, 5);
	EXPECT_INT(txn_request(&b.t, request(&b, &a), NOW, &b.fx).found, TXN_ABSORBED);
	EXPECT_INT(txn_respond(&b.t, id, 486, STR("busy"), NOW, &b.fx), OK);
	struct ask ack = {.method = "ACK", .branch = "1", .to_tag = "t1"};
	EXPECT_U64(txn_request(&b.t, request(&b, &ack), NOW, &b.fx).txn, id);
	EXPECT_INT(txn_find_server(&b.t, id)->state, TXN_SERVER_CONFIRMED);
	a.cseq = 2;
	EXPECT_INT(txn_request(&b.t, request(&b, &a), NOW, &b.fx).found, TXN_NEW);
	bed_release(&b);
}

static void a_refused_request_may_come_by_another_way(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	struct ask again = {.method = "INVITE", .branch = "z9hG4bKtwo"};
	id_t64 id = serve(&b, &(struct ask){.method = "INVITE"}, &b.udp, 5);
	EXPECT_INT(txn_respond(&b.t, id, 503, STR("no"), NOW, &b.fx), OK);
	EXPECT_INT(txn_request(&b.t, request(&b, &again), NOW, &b.fx).found, TXN_NEW);
	bed_release(&b);
	/* After a 2xx it would be a second call. */
	bed_init(&b, 10);
	id = serve(&b, &(struct ask){.method = "INVITE"}, &b.udp, 5);
	EXPECT_INT(txn_respond(&b.t, id, 200, STR("ok"), NOW, &b.fx), OK);
	EXPECT_INT(txn_request(&b.t, request(&b, &again), NOW, &b.fx).found, TXN_MERGED);
	bed_release(&b);
}

static void a_retransmission_gets_the_last_response(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	struct ask a = {.method = "INVITE"};
	id_t64 id = serve(&b, &a, &b.udp, 5);
	EXPECT_STR(txn_head(&b.t, id), STR("head"));
	EXPECT_INT(txn_respond(&b.t, id, 100, STR("trying"), NOW, &b.fx), OK);
	EXPECT_INT(txn_respond(&b.t, id, 180, STR("ringing"), NOW, &b.fx), OK);
	EXPECT_STR(b.fx.list[0].bytes, STR("ringing"));
	EXPECT_TRUE(!b.fx.list[0].again);
	EXPECT_INT(txn_request(&b.t, request(&b, &a), NOW, &b.fx).found, TXN_ABSORBED);
	EXPECT_INT(b.fx.count, 1);
	EXPECT_STR(b.fx.list[0].bytes, STR("ringing"));
	EXPECT_TRUE(b.fx.list[0].again);
	EXPECT_U64(b.fx.list[0].txn, id);
	EXPECT_TRUE(addr_eq(&b.fx.list[0].dest->flow.remote, &b.udp.flow.remote));
	EXPECT_INT(txn_respond(&b.t, id, 486, STR("busy"), NOW, &b.fx), OK);
	EXPECT_STR(txn_head(&b.t, id), STR_NONE);
	EXPECT_INT(txn_respond(&b.t, id, 200, STR("no"), NOW, &b.fx), ERR_WRONG_STATE);
	EXPECT_INT(b.fx.count, 0);
	(void)txn_request(&b.t, request(&b, &a), NOW, &b.fx);
	EXPECT_STR(b.fx.list[0].bytes, STR("busy"));
	struct ask ack = {.method = "ACK", .to_tag = "t1"};
	(void)txn_request(&b.t, request(&b, &ack), NOW, &b.fx);
	EXPECT_INT(b.t.kept.used, 0);
	int report;
	EXPECT_INT(run_out(&b, UINT64_MAX - 1, &report), 0);
	EXPECT_INT(report, -1);
	expect_empty(&b);
	bed_release(&b);
}

static void an_accepted_invite_keeps_its_answer_until_the_ack(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	id_t64 id = serve(&b, &(struct ask){.method = "INVITE"}, &b.tcp, 5);
	EXPECT_INT(txn_respond(&b.t, id, 200, STR("answer"), NOW, &b.fx), OK);
	int report;
	EXPECT_INT(run_out(&b, NOW + 1600, &report), 2);
	EXPECT_TRUE(b.t.kept.used > 0);
	txn_acked(&b.t, id, NOW + 1600);
	EXPECT_INT(b.t.kept.used, 0);
	EXPECT_INT(run_out(&b, UINT64_MAX - 1, &report), 0);
	EXPECT_INT(report, -1);
	expect_empty(&b);
	bed_release(&b);
	/* And without one the owner learns of it. */
	bed_init(&b, 10);
	id = serve(&b, &(struct ask){.method = "INVITE"}, &b.tcp, 5);
	EXPECT_INT(txn_respond(&b.t, id, 200, STR("answer"), NOW, &b.fx), OK);
	EXPECT_INT(run_out(&b, UINT64_MAX - 1, &report), 10);
	EXPECT_INT(report, TXN_REPORT_NO_ACK);
	expect_empty(&b);
	bed_release(&b);
}

static bool has_line(struct str text, struct str line)
{
	return str_find(text, line) < text.len;
}

static void a_refusal_is_acked_where_the_invite_went(void **state)
{
	(void)state;
	for (int stream = 0; stream < 2; stream++) {
		struct bed b;
		bed_init(&b, 10);
		const struct dest *d = stream ? &b.tcp : &b.udp;
		id_t64 id = start(&b, "INVITE", "z9hG4bKours", d, 8);
		struct txn_match m =
			txn_response(&b.t, response(&b, 180, "INVITE", "z9hG4bKours", "t1"),
				     &d->flow, NOW, &b.fx);
		EXPECT_INT(m.found, TXN_MATCHED);
		EXPECT_U64(m.owner, 8);
		EXPECT_TRUE(b.t.kept.used <= 384);
		m = txn_response(&b.t, response(&b, 486, "INVITE", "z9hG4bKours", "t2"), &d->flow,
				 NOW, &b.fx);
		EXPECT_INT(m.found, TXN_MATCHED);
		EXPECT_INT(b.fx.count, 1);
		struct str ack = b.fx.list[0].bytes;
		EXPECT_TRUE(str_has_prefix(ack, STR("ACK sip:bob@192.0.2.9 SIP/2.0\r\n")));
		EXPECT_TRUE(has_line(ack, STR(";branch=z9hG4bKours\r\n")));
		EXPECT_TRUE(has_line(ack, STR("Route: <sip:edge.example.com;lr>\r\n")));
		EXPECT_TRUE(has_line(ack, STR("To: <sip:bob@example.com>;tag=t2\r\n")));
		EXPECT_TRUE(has_line(ack, STR("CSeq: 7 ACK\r\n")));
		EXPECT_TRUE(!has_line(ack, STR("Subject")));
		EXPECT_TRUE(!has_line(ack, STR("v=0")));
		EXPECT_TRUE(addr_eq(&b.fx.list[0].dest->flow.remote, &d->flow.remote));
		EXPECT_U64(b.fx.list[0].dest->flow.id, d->flow.id);
		/* The refusal again: the ACK again, nothing for the owner. */
		m = txn_response(&b.t, response(&b, 486, "INVITE", "z9hG4bKours", "t2"), &d->flow,
				 NOW, &b.fx);
		EXPECT_INT(m.found, TXN_ABSORBED);
		EXPECT_INT(b.fx.count, 1);
		EXPECT_TRUE(b.fx.list[0].again);
		int report;
		EXPECT_INT(run_out(&b, UINT64_MAX - 1, &report), 0);
		EXPECT_TRUE(txn_find_client(&b.t, id) == NULL);
		expect_empty(&b);
		bed_release(&b);
	}
}

static void responses_find_their_request(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	(void)start(&b, "BYE", "z9hG4bKbye", &b.udp, 8);
	EXPECT_INT(txn_response(&b.t, response(&b, 200, "BYE", "z9hG4bKbyf", "t"), &b.udp.flow, NOW,
				&b.fx)
			   .found,
		   TXN_NEW);
	EXPECT_INT(txn_response(&b.t, response(&b, 200, "INFO", "z9hG4bKbye", "t"), &b.udp.flow,
				NOW, &b.fx)
			   .found,
		   TXN_NEW);
	EXPECT_INT(txn_response(&b.t, response(&b, 200, "BYE", "z9hG4bKbye", "t"), &b.udp.flow, NOW,
				&b.fx)
			   .found,
		   TXN_MATCHED);
	EXPECT_INT(b.t.kept.used, 0);
	EXPECT_INT(txn_response(&b.t, response(&b, 200, "BYE", "z9hG4bKbye", "t"), &b.udp.flow, NOW,
				&b.fx)
			   .found,
		   TXN_ABSORBED);
	bed_release(&b);
}

static void an_accepted_invite_hears_every_2xx(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	(void)start(&b, "INVITE", "z9hG4bKours", &b.udp, 8);
	static const char *const tags[] = {"one", "one", "two"};
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		const struct msg *m = response(&b, 200, "INVITE", "z9hG4bKours", tags[i]);
		EXPECT_INT(txn_response(&b.t, m, &b.udp.flow, NOW, &b.fx).found, TXN_MATCHED);
		EXPECT_INT(b.fx.count, 0);
		EXPECT_INT(b.t.kept.used, 0);
	}
	bed_release(&b);
}

static void a_cancel_waits_for_a_provisional(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	id_t64 id = start(&b, "INVITE", "z9hG4bKours", &b.udp, 8);
	EXPECT_INT(txn_cancel(&b.t, id, STR_NONE, NOW, &b.fx), ERR_WRONG_STATE);
	(void)txn_response(&b.t, response(&b, 100, "INVITE", "z9hG4bKours", "t"), &b.udp.flow, NOW,
			   &b.fx);
	EXPECT_INT(txn_cancel(&b.t, id, STR("Reason: SIP;cause=200\r\n"), NOW, &b.fx), OK);
	EXPECT_INT(b.fx.count, 1);
	struct str cancel = b.fx.list[0].bytes;
	EXPECT_TRUE(str_has_prefix(cancel, STR("CANCEL sip:bob@192.0.2.9 SIP/2.0\r\n")));
	EXPECT_TRUE(has_line(cancel, STR(";branch=z9hG4bKours\r\n")));
	EXPECT_TRUE(has_line(cancel, STR("To: <sip:bob@example.com>\r\n")));
	EXPECT_TRUE(has_line(cancel, STR("CSeq: 7 CANCEL\r\n")));
	EXPECT_TRUE(has_line(cancel, STR("Reason: SIP;cause=200\r\n")));
	EXPECT_INT(txn_cancel(&b.t, id, STR_NONE, NOW, &b.fx), ERR_EXISTS);
	EXPECT_INT(txn_cancel(&b.t, 12345, STR_NONE, NOW, &b.fx), ERR_NOTFOUND);
	/* Its answer is for no one; the INVITE's comes through the INVITE. */
	EXPECT_INT(txn_response(&b.t, response(&b, 200, "CANCEL", "z9hG4bKours", "t"), &b.udp.flow,
				NOW, &b.fx)
			   .found,
		   TXN_ABSORBED);
	int report;
	(void)run_out(&b, UINT64_MAX - 1, &report);
	EXPECT_INT(report, TXN_REPORT_TIMEOUT);
	expect_empty(&b);
	bed_release(&b);
}

static void a_closed_connection_fails_what_waits_on_it(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	struct dest later = b.tcp;
	later.flow.id = ID_NONE;
	id_t64 invite = start(&b, "INVITE", "z9hG4bKours", &later, 1); /* learns its connection */
	(void)start(&b, "BYE", "z9hG4bKb", &b.tcp, 2);
	(void)start(&b, "BYE", "z9hG4bKc", &b.tcp, 3); /* answered */
	(void)start(&b, "BYE", "z9hG4bKd", &b.udp, 4);
	(void)txn_response(&b.t, response(&b, 100, "INVITE", "z9hG4bKours", "t"), &b.tcp.flow, NOW,
			   &b.fx);
	(void)txn_response(&b.t, response(&b, 200, "BYE", "z9hG4bKc", "t"), &b.tcp.flow, NOW,
			   &b.fx);
	struct txn_effect fx[1];
	unsigned owners = 0;
	while (txn_flow_closed(&b.t, b.tcp.flow.id, NOW, fx, 1) > 0) {
		EXPECT_INT(fx[0].type, TXN_EFFECT_REPORT);
		EXPECT_INT(fx[0].report, TXN_REPORT_FAILED);
		owners |= 1u << fx[0].owner;
	}
	EXPECT_INT(owners, 1u << 1 | 1u << 2);
	EXPECT_INT(b.t.by_flow.count, 0);
	/* The answered one, the other by UDP, and the INVITE: its callee may still ring. */
	EXPECT_INT(b.t.clients, 3);
	EXPECT_INT(txn_cancel(&b.t, invite, STR_NONE, NOW, &b.fx), OK);
	EXPECT_INT(b.fx.count, 1);
	EXPECT_U64(b.fx.list[0].dest->flow.id, ID_NONE);
	bed_release(&b);
}

static void a_failed_send_is_told(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	id_t64 client = start(&b, "INVITE", "z9hG4bKours", &b.udp, 1);
	txn_failed(&b.t, client, NOW, &b.fx);
	EXPECT_INT(b.fx.count, 1);
	EXPECT_INT(b.fx.list[0].report, TXN_REPORT_FAILED);
	expect_empty(&b);
	txn_failed(&b.t, client, NOW, &b.fx);
	EXPECT_INT(b.fx.count, 0);
	id_t64 server = serve(&b, &(struct ask){.method = "INVITE"}, &b.tcp, 5);
	txn_failed(&b.t, server, NOW, &b.fx);
	EXPECT_INT(b.fx.list[0].report, TXN_REPORT_FAILED);
	EXPECT_TRUE(txn_find_server(&b.t, server) != NULL);
	txn_abandon(&b.t, server);
	txn_abandon(&b.t, server);
	expect_empty(&b);
	bed_release(&b);
}

static void slow_owners_are_reminded(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	id_t64 id = serve(&b, &(struct ask){.method = "INVITE"}, &b.udp, 5);
	int report;
	(void)run_out(&b, NOW + 300, &report);
	EXPECT_INT(report, TXN_REPORT_SLOW);
	txn_abandon(&b.t, id);
	id = serve(&b, &(struct ask){.method = "INFO", .to_tag = "t"}, &b.udp, 5);
	(void)run_out(&b, NOW + 3000, &report);
	EXPECT_INT(report, -1);
	(void)run_out(&b, NOW + 3600, &report);
	EXPECT_INT(report, TXN_REPORT_SLOW);
	EXPECT_INT(txn_respond(&b.t, id, 183, STR("x"), NOW, &b.fx), ERR_WRONG_STATE);
	/* RFC 4320: time is up, and nothing is said; but the request does not start anew. */
	EXPECT_INT(txn_respond(&b.t, id, 408, STR("x"), NOW + 32000, &b.fx), OK);
	EXPECT_INT(b.fx.count, 0);
	EXPECT_INT(txn_request(&b.t, request(&b, &(struct ask){.method = "INFO", .to_tag = "t"}),
			       NOW + 33000, &b.fx)
			   .found,
		   TXN_ABSORBED);
	EXPECT_INT(b.fx.count, 0);
	(void)run_out(&b, UINT64_MAX - 1, &report);
	expect_empty(&b);
	bed_release(&b);
}

static void limits_refuse_new_work_alone(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 2);
	(void)start(&b, "BYE", "z9hG4bKa", &b.udp, 1);
	id_t64 id = serve(&b, &(struct ask){.method = "OPTIONS"}, &b.udp, 5);
	struct txn_start_params p = {.method = STR("BYE"),
				     .branch = STR("z9hG4bKb"),
				     .dest = &b.udp,
				     .bytes = STR("x"),
				     .now_ms = NOW};
	id_t64 none = ID_NONE;
	EXPECT_INT(txn_start(&b.t, &p, &none, &b.fx), ERR_FULL);
	EXPECT_INT(b.fx.count, 0);
	const struct msg *m = request(&b, &(struct ask){.method = "INFO", .branch = "z9hG4bKz"});
	struct txn_serve_params s = {.m = m, .dest = &b.udp, .owner = 1, .now_ms = NOW};
	EXPECT_INT(txn_serve(&b.t, &s, &none), ERR_FULL);
	EXPECT_U64(none, ID_NONE);
	EXPECT_INT(txn_respond(&b.t, id, 200, STR("ok"), NOW, &b.fx), OK);
	int report;
	(void)run_out(&b, UINT64_MAX - 1, &report);
	expect_empty(&b);
	bed_release(&b);
}

/* Kept bytes have a bound too: a request that cannot be kept is not started, a response is sent once. */
static void a_full_store(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	static char big[100 * 1024];
	memset(big, 'x', sizeof(big));
	struct txn_start_params p = {.method = STR("MESSAGE"),
				     .dest = &b.udp,
				     .bytes = {big, sizeof(big)},
				     .now_ms = NOW};
	id_t64 id;
	enum err e = OK;
	char branch[] = "z9hG4bKa";
	for (; branch[7] < 'z' && e == OK; branch[7]++) {
		p.branch = str_from(branch);
		e = txn_start(&b.t, &p, &id, &b.fx);
	}
	EXPECT_INT(e, ERR_FULL);
	uint32_t clients = b.t.clients;
	EXPECT_TRUE(clients >= 5 && clients < 10);
	/* A request whose head cannot be kept is refused; one without is answered, once. */
	struct ask a = {.method = "OPTIONS"};
	struct txn_serve_params s = {
		.m = request(&b, &a), .dest = &b.udp, .head = {big, sizeof(big)}, .now_ms = NOW};
	EXPECT_INT(txn_serve(&b.t, &s, &id), ERR_FULL);
	s.head = STR_NONE;
	assert_int_equal(txn_serve(&b.t, &s, &id), OK);
	EXPECT_INT(txn_respond(&b.t, id, 200, (struct str){big, sizeof(big)}, NOW, &b.fx), OK);
	EXPECT_INT(b.fx.list[0].bytes.len, sizeof(big));
	EXPECT_INT(txn_request(&b.t, request(&b, &a), NOW, &b.fx).found, TXN_ABSORBED);
	EXPECT_INT(b.fx.count, 0);
	int report;
	(void)run_out(&b, UINT64_MAX - 1, &report);
	expect_empty(&b);
	bed_release(&b);
}

/* Parts of a key longer than the mixer's buffer, and keys that differ in one far character. */
static void long_branches_are_told_apart(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	char one[1500], two[1500];
	memset(one, 'b', sizeof(one));
	memcpy(one, "z9hG4bK", 7);
	one[1499] = 0;
	memcpy(two, one, sizeof(two));
	two[1498] = 'c';
	id_t64 id =
		serve(&b, &(struct ask){.method = "INFO", .branch = one, .to_tag = "t"}, &b.udp, 5);
	struct ask a = {.method = "INFO", .branch = one, .to_tag = "t"};
	EXPECT_U64(txn_request(&b.t, request(&b, &a), NOW, &b.fx).txn, id);
	a.branch = two;
	EXPECT_INT(txn_request(&b.t, request(&b, &a), NOW, &b.fx).found, TXN_NEW);
	bed_release(&b);
}

static void settings_are_held(void **state)
{
	(void)state;
	struct bed b;
	bed_init(&b, 10);
	const struct settings none = {.trunk_count = 0}, *s = &none;
	struct txn_start_params p = {.method = STR("BYE"),
				     .branch = STR("z9hG4bKa"),
				     .dest = &b.udp,
				     .bytes = STR("x"),
				     .settings = s,
				     .now_ms = NOW};
	id_t64 id;
	EXPECT_TRUE(!txn_uses_settings(&b.t, s));
	assert_int_equal(txn_start(&b.t, &p, &id, &b.fx), OK);
	EXPECT_TRUE(txn_uses_settings(&b.t, s));
	int report;
	(void)run_out(&b, UINT64_MAX - 1, &report);
	EXPECT_TRUE(!txn_uses_settings(&b.t, s));
	bed_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_second_request_is),
		cmocka_unit_test(a_cancel_finds_its_invite),
		cmocka_unit_test(rfc2543_requests_match),
		cmocka_unit_test(a_refused_request_may_come_by_another_way),
		cmocka_unit_test(a_retransmission_gets_the_last_response),
		cmocka_unit_test(an_accepted_invite_keeps_its_answer_until_the_ack),
		cmocka_unit_test(a_refusal_is_acked_where_the_invite_went),
		cmocka_unit_test(responses_find_their_request),
		cmocka_unit_test(an_accepted_invite_hears_every_2xx),
		cmocka_unit_test(a_cancel_waits_for_a_provisional),
		cmocka_unit_test(a_closed_connection_fails_what_waits_on_it),
		cmocka_unit_test(a_failed_send_is_told),
		cmocka_unit_test(slow_owners_are_reminded),
		cmocka_unit_test(limits_refuse_new_work_alone),
		cmocka_unit_test(a_full_store),
		cmocka_unit_test(long_branches_are_told_apart),
		cmocka_unit_test(settings_are_held),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
