/*
 * What the transaction layer costs of a call of 13 messages through a B2BUA: two INVITE and two BYE
 * transactions, each lingering its 32 seconds, at 1,000 calls a second; all of their timers
 * included. Parsing, building and sending are not.
 */
#include <stdio.h>
#include <string.h>

#include "run.h"
#include "sbc/core/txn.h"

enum { LIMIT = 400000, CALL_MS = 1, TEXT = 1100 };

struct bench_calls {
	struct txn_table t;
	struct dest dest;
	struct msg invite, ack, bye, r100, r180, r200, bye200;
	char texts[7][2048];
	char body[TEXT];
	uint64_t now_ms;
	uint64_t made;
};

static void index_text(struct msg *m, char *mem, size_t cap, const char *start, const char *cseq)
{
	int n = snprintf(mem, cap,
			 "%s\r\n"
			 "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK0000000000000000\r\n"
			 "From: <sip:a@example.com>;tag=from-tag-0001\r\n"
			 "To: <sip:b@example.com>;tag=to-tag-0001\r\n"
			 "Call-ID: 0123456789abcdef@example.com\r\n"
			 "CSeq: %s\r\n"
			 "Content-Length: 0\r\n\r\n",
			 start, cseq);
	CHECK(msg_index(m, (struct str){mem, (size_t)n}, 0) == OK);
}

static void set_branch(struct msg *m, char mem[24], char kind, uint64_t n)
{
	memcpy(mem, "z9hG4bK", 7);
	mem[7] = kind;
	for (int i = 8; i < 24; i++, n >>= 4)
		mem[i] = "0123456789abcdef"[n & 15];
	m->via.branch = (struct str){mem, 24};
}

static id_t64 serve(struct bench_calls *b, struct msg *m)
{
	struct txn_effects fx;
	id_t64 id = ID_NONE;
	CHECK(txn_request(&b->t, m, b->now_ms, &fx).found == TXN_NEW);
	struct txn_serve_params p = {
		.m = m, .dest = &b->dest, .head = {b->body, 400}, .owner = 1, .now_ms = b->now_ms};
	CHECK(txn_serve(&b->t, &p, &id) == OK);
	return id;
}

static void respond(struct bench_calls *b, id_t64 id, uint16_t status, size_t len)
{
	struct txn_effects fx;
	CHECK(txn_respond(&b->t, id, status, (struct str){b->body, len}, b->now_ms, &fx) == OK);
	CHECK(fx.count == 1);
}

static void start(struct bench_calls *b, struct str method, struct str branch, struct str bytes)
{
	struct txn_effects fx;
	id_t64 id;
	struct txn_start_params p = {.method = method,
				     .branch = branch,
				     .dest = &b->dest,
				     .bytes = bytes,
				     .owner = 1,
				     .now_ms = b->now_ms};
	CHECK(txn_start(&b->t, &p, &id, &fx) == OK);
}

static void answered(struct bench_calls *b, struct msg *m, struct str branch)
{
	struct txn_effects fx;
	m->via.branch = branch;
	CHECK(txn_response(&b->t, m, &b->dest.flow, b->now_ms, &fx).found == TXN_MATCHED);
}

static void call(struct bench_calls *b)
{
	char a[24], ours[24], ack[24], bye[24], our_bye[24];
	struct msg out;
	uint64_t n = b->made++;
	set_branch(&b->invite, a, 'a', n);
	set_branch(&b->ack, ack, 'k', n);
	set_branch(&b->bye, bye, 'y', n);
	set_branch(&out, ours, 'o', n);
	struct str branch = out.via.branch;
	set_branch(&out, our_bye, 'z', n);
	struct str bye_branch = out.via.branch;
	struct txn_effects fx;

	id_t64 server = serve(b, &b->invite);
	respond(b, server, 100, 350);
	start(b, STR("INVITE"), branch, b->invite.bytes);
	answered(b, &b->r100, branch);
	answered(b, &b->r180, branch);
	respond(b, server, 180, 450);
	answered(b, &b->r200, branch);
	respond(b, server, 200, TEXT);
	CHECK(txn_request(&b->t, &b->ack, b->now_ms, &fx).found == TXN_NEW);
	txn_acked(&b->t, server, b->now_ms);
	id_t64 bye_server = serve(b, &b->bye);
	start(b, STR("BYE"), bye_branch, (struct str){b->body, 400});
	answered(b, &b->bye200, bye_branch);
	respond(b, bye_server, 200, 350);
	b->now_ms += CALL_MS;
	struct txn_effect due[TXN_TICK_BATCH];
	while (txn_tick(&b->t, b->now_ms, due, TXN_TICK_BATCH) > 0)
		;
}

static void calls(void *ctx, size_t n)
{
	for (size_t i = 0; i < n; i++)
		call(ctx);
}

static void absorb(void *ctx, size_t n)
{
	struct bench_calls *b = ctx;
	char a[24];
	set_branch(&b->invite, a, 'r', 1);
	id_t64 id = serve(b, &b->invite);
	respond(b, id, 180, 450);
	struct txn_effects fx;
	for (size_t i = 0; i < n; i++)
		bench_keep(txn_request(&b->t, &b->invite, b->now_ms, &fx).txn);
	txn_abandon(&b->t, id);
}

int main(void)
{
	static struct bench_calls b;
	static const struct siphash_key key = {{1, 2}};
	struct txn_params p = {.limit = LIMIT,
			       .worker = 1,
			       .keys = {key, {{3, 4}}},
			       .timers = {500, 4000, 5000, 180000},
			       .now_ms = 1000};
	b.now_ms = p.now_ms;
	memset(b.body, 'x', sizeof(b.body));
	CHECK(addr_parse(STR("192.0.2.9:5060"), &b.dest.flow.remote) == OK);
	CHECK(txn_init(&b.t, &p) == OK);
	index_text(&b.invite, b.texts[0], 2048, "INVITE sip:b@example.com SIP/2.0", "1 INVITE");
	index_text(&b.ack, b.texts[1], 2048, "ACK sip:b@example.com SIP/2.0", "1 ACK");
	index_text(&b.bye, b.texts[2], 2048, "BYE sip:b@example.com SIP/2.0", "2 BYE");
	index_text(&b.r100, b.texts[3], 2048, "SIP/2.0 100 Trying", "1 INVITE");
	index_text(&b.r180, b.texts[4], 2048, "SIP/2.0 180 Ringing", "1 INVITE");
	index_text(&b.r200, b.texts[5], 2048, "SIP/2.0 200 OK", "1 INVITE");
	index_text(&b.bye200, b.texts[6], 2048, "SIP/2.0 200 OK", "1 BYE");
	/* The table as full as it stays: 32 seconds of calls. */
	calls(&b, 33000);
	bench_value("transactions that linger at 1,000 calls/s", b.t.clients + b.t.servers, "");
	bench_value("bytes kept for them",
		    (double)b.t.kept.used / (double)(b.t.clients + b.t.servers), "each");
	bench_value("size of a transaction", (double)b.t.pool.stride, "bytes");
	bench("the transactions of one call of 13 messages", calls, &b);
	bench("a retransmitted INVITE absorbed", absorb, &b);
	txn_release(&b.t);
	return 0;
}
