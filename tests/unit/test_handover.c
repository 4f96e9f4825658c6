/*
 * Two nodes, one store: requests in dialogs of calls that the other node has, while it lives and after it has died, and who it
 * is that closes a call's books.
 */
#include "sbc/core/handover.h"

#include <stdio.h>
#include <stdlib.h>

#include "sbc/core/call.h"
#include "sbc/core/keep.h"
#include "sbc/core/worker.h"
#include "tests/support/check.h"
#include "tests/support/site_call.h"
#include "tests/support/store_model.h"

enum { A, B, NODES };

static struct site n[NODES];
static bool running[NODES];
static struct store_model m;
static struct site_call k;
static uint64_t now_ms;
static size_t cdrs;          /* of nodes that have been stopped */
static uint64_t most_posted; /* to the store, in one turn of a node */

static void tell(void *ctx, struct event *e)
{
	struct site *s = ctx;

	if (running[s - n])
		site_event(s, e);
}

static void boot(unsigned i, uint8_t seed)
{
	site_init(&n[i]);
	n[i].set.node = i == A ? STR("sbc1") : STR("sbc2");
	n[i].set.store.kind = STORE_KIND_REDIS;
	n[i].set.store.key = STR("a key of thirty-two octets......");
	n[i].seed = seed;
	n[i].now_ms = now_ms;
	for (size_t t = 0; t < SITE_TRUNKS; t++)
		n[i].trunks[t].habits.session_timer =
			(struct session_timer_settings){.on = true, .expires_s = 600, .min_s = 90};
	site_start(&n[i]);
	n[i].rec.store = &m;
	n[i].rec.store_now_ms = now_ms;
	n[i].rec.store_node = store_model_join(&m, i == A ? "sbc1" : "sbc2", tell, &n[i], now_ms);
	running[i] = true;
}

/* kill -9: what it had posted is done all the same. */
static void crash(unsigned i)
{
	store_model_leave(&m, n[i].rec.store_node);
	running[i] = false;
	cdrs += n[i].rec.notices[NOTICE_CALL_ENDED];
	site_stop(&n[i]);
	memset(n[i].rec.notices, 0, sizeof(n[i].rec.notices));
}

/* Time passes for both, and for the store. */
static void pass(uint64_t ms)
{
	for (uint64_t end = now_ms + ms; now_ms < end;) {
		uint64_t next = store_model_next_ms(&m);
		for (unsigned i = 0; i < NODES; i++)
			if (running[i] && sbc_next_ms(n[i].sbc) < next)
				next = sbc_next_ms(n[i].sbc);
		now_ms = next > now_ms + 1 ? next : now_ms + 1;
		now_ms = now_ms < end ? now_ms : end;
		for (unsigned i = 0; i < NODES; i++) {
			n[i].now_ms = n[i].rec.store_now_ms = now_ms;
			const uint64_t before = m.ops;
			if (running[i] && sbc_next_ms(n[i].sbc) <= now_ms)
				site_event(&n[i], &(struct event){.type = EVENT_TICK});
			if (m.ops - before > most_posted)
				most_posted = m.ops - before;
		}
		store_model_pass(&m, now_ms);
	}
}

/* The call has been confirmed in this very millisecond. */
static void start_young(void)
{
	now_ms = 1000000;
	cdrs = 0;
	store_model_init(&m, 5, now_ms);
	boot(A, 1);
	boot(B, 2);
	pass(3000);
	site_establish(&n[A], &k, NULL,
		       "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n");
	ports_rec_clear(&n[A].rec);
	ports_rec_clear(&n[B].rec);
}

static void start(void)
{
	start_young();
	pass(500);
	ports_rec_clear(&n[A].rec);
	ports_rec_clear(&n[B].rec);
}

static void stop(void)
{
	for (unsigned i = 0; i < NODES; i++)
		if (running[i])
			crash(i);
	store_model_release(&m);
}

static const struct rec_send *sent(unsigned node, const char *line)
{
	return site_count(&n[node], line) ? site_find(&n[node], line) : NULL;
}

/* The relay's answer to everything that this node has asked of it. */
static void relay(unsigned node)
{
	while (n[node].rec.open_count[0])
		site_relay_to(&n[node], n[node].rec.open[0][0], SITE_SDP_RELAY);
}

/* The caller says it to node `to`. */
static void say(unsigned to, const char *method, const char *sdp)
{
	site_in_dialog(&n[to], &n[to].outside, &k.last[0], method, k.cseq[0]++, NULL, sdp);
}

static size_t records(void)
{
	size_t calls = 0;
	for (size_t i = 0; i <= m.memory.table.mask; i++)
		for (struct table_node *x = m.memory.table.buckets[i]; x; x = x->next)
			calls++;
	return calls;
}

static size_t ended(void)
{
	size_t sum = cdrs;
	for (unsigned i = 0; i < NODES; i++)
		sum += running[i] ? n[i].rec.notices[NOTICE_CALL_ENDED] : 0;
	return sum;
}

/* Nothing of any call is left anywhere; so many were there. Two members say which nodes there are. */
static void nothing_is_left(size_t calls, size_t epochs)
{
	struct sbc_counts c;

	pass(120000);
	for (unsigned i = 0; i < NODES; i++) {
		if (!running[i])
			continue;
		sbc_count(n[i].sbc, &c);
		EXPECT_INT(c.calls, 0);
		EXPECT_INT(c.calls_confirmed, 0);
		EXPECT_INT(c.pooled_calls, 0);
		EXPECT_INT(c.relay_sessions, 0);
		EXPECT_INT(c.client_transactions, 0);
		EXPECT_INT(c.server_transactions, 0);
		EXPECT_INT(n[i].sbc->keeps.pool.used, 0);
		EXPECT_INT(n[i].sbc->keeps.names.count, 0);
		EXPECT_INT(n[i].sbc->handovers.pool.used, 0);
		EXPECT_INT(n[i].sbc->handovers.held, 0);
	}
	EXPECT_INT(ended(), calls);
	EXPECT_INT(records(), 2 + epochs);
}

/* Ends the call by a BYE of the caller to `to`; the BYE to the callee comes from `from`. */
static void hang_up(unsigned to, unsigned from)
{
	say(to, "BYE", NULL);
	pass(20);
	EXPECT_TRUE(sent(to, "SIP/2.0 200 ") != NULL);
	const struct rec_send *bye = sent(from, "BYE ");
	EXPECT_TRUE(bye != NULL);
	if (bye) {
		struct rec_send b = *bye;
		EXPECT_TRUE(site_has(&b, "10.0.0.21"));
		site_answer(&n[from], &b, 200, NULL, NULL, NULL);
	}
	relay(from);
}

/* ---- while the node that has the call lives */

static void a_call_is_in_the_store_as_long_as_it_lasts(void **state)
{
	(void)state;
	start();
	EXPECT_INT(records(), 4); /* two nodes, the call, its page */
	hang_up(A, A);
	EXPECT_TRUE(!site_cdr_has(&n[A], "\"taken_over\""));
	nothing_is_left(1, 0);
	stop();
}

static void a_bye_to_another_node_ends_the_call_where_it_is(void **state)
{
	(void)state;
	start();
	hang_up(B, A);
	EXPECT_INT(site_count(&n[A], "SIP/2.0 200 "), 0); /* its answer went by way of B */
	EXPECT_INT(site_count(&n[B], "SIP/2.0 200 "), 1);
	EXPECT_INT(n[B].rec.notices[NOTICE_CALL_ENDED], 0);
	nothing_is_left(1, 0);
	EXPECT_U64(n[B].sbc->cluster.handed_on, 1);
	stop();
}

static void a_call_that_ends_at_once_is_never_written(void **state)
{
	(void)state;
	start_young();
	hang_up(A, A);
	nothing_is_left(1, 0);
	EXPECT_U64(n[A].sbc->keeps.counts.written, 0);
	stop();
}

static void what_changes_within_a_moment_is_written_once(void **state)
{
	(void)state;
	start_young();
	for (int i = 0; i < 4; i++) {
		say(A, "INFO", NULL);
		pass(1);
	}
	EXPECT_U64(n[A].sbc->keeps.counts.written, 0);
	pass(KEEP_GATHER_MS);
	EXPECT_U64(n[A].sbc->keeps.counts.written, 1);
	EXPECT_INT(records(), 4);
	pass(40000); /* nobody answers the INFOs */
	hang_up(A, A);
	nothing_is_left(1, 0);
	stop();
}

static void a_bye_to_another_node_ends_a_call_that_is_not_written_yet(void **state)
{
	(void)state;
	start_young();
	say(B, "BYE", NULL);
	pass(KEEP_GATHER_MS / 2);
	EXPECT_U64(n[A].sbc->keeps.counts.written, 0);
	EXPECT_INT(site_count(&n[B], "SIP/2.0 200 "), 1);
	const struct rec_send *bye = sent(A, "BYE ");
	EXPECT_TRUE(bye != NULL);
	if (bye) {
		struct rec_send b = *bye;
		site_answer(&n[A], &b, 200, NULL, NULL, NULL);
	}
	relay(A);
	nothing_is_left(1, 0);
	stop();
}

static void a_re_invite_to_another_node_goes_through(void **state)
{
	(void)state;
	start();
	say(B, "INVITE",
	    SITE_SDP("carol", "2", "198.51.100.7", "m=audio 20000 RTP/AVP 0\r\na=sendonly\r\n"));
	pass(20);
	EXPECT_TRUE(sent(B, "SIP/2.0 100 ") != NULL);
	site_relay_echo(&n[A]);
	const struct rec_send *to_b = sent(A, "INVITE ");
	EXPECT_TRUE(to_b != NULL);
	struct rec_send invite = *to_b;
	site_answer(&n[A], &invite, 200, NULL, NULL,
		    SITE_SDP("pbx", "2", "10.0.0.21", "m=audio 30000 RTP/AVP 0\r\na=recvonly\r\n"));
	site_relay_echo(&n[A]);
	pass(20);
	const struct rec_send *ok = sent(B, "SIP/2.0 200 ");
	EXPECT_TRUE(ok != NULL && site_has(ok, "a=recvonly"));
	site_in_dialog(&n[B], &n[B].outside, &k.last[0], "ACK", k.cseq[0] - 1, NULL, NULL);
	pass(40000); /* the ACK has come: nobody repeats, nobody gives up */
	EXPECT_INT(site_count(&n[A], "BYE "), 0);
	EXPECT_INT(site_count(&n[B], "SIP/2.0 200 "), 1);
	hang_up(B, A);
	nothing_is_left(1, 0);
	stop();
}

static void a_repeated_request_gets_the_same_answer(void **state)
{
	(void)state;
	start();
	say(B, "BYE", NULL);
	k.cseq[0]--;
	say(B, "BYE", NULL);
	pass(20);
	k.cseq[0]--;
	say(B, "BYE", NULL);
	pass(20);
	EXPECT_INT(site_count(&n[B], "SIP/2.0 200 "), 3);
	EXPECT_INT(site_count(&n[A], "BYE "), 1);
	struct rec_send bye = *sent(A, "BYE ");
	site_answer(&n[A], &bye, 200, NULL, NULL, NULL);
	relay(A);
	nothing_is_left(1, 0);
	stop();
}

static void a_call_that_nobody_has_is_none(void **state)
{
	(void)state;
	start();
	hang_up(A, A);
	pass(60000);
	say(B, "INFO", NULL);
	pass(100);
	EXPECT_TRUE(sent(B, "SIP/2.0 481 ") != NULL);
	nothing_is_left(1, 0);
	stop();
}

static void a_stranger_is_not_believed_at_any_node(void **state)
{
	(void)state;
	start();
	struct flow f = n[B].outside;
	f.remote.ip[0] = 192;
	site_in_dialog(&n[B], &f, &k.last[0], "BYE", k.cseq[0]++, NULL, NULL);
	pass(20);
	EXPECT_TRUE(sent(B, "SIP/2.0 403 ") != NULL);
	EXPECT_INT(site_count(&n[A], "BYE "), 0);
	hang_up(A, A);
	nothing_is_left(1, 0);
	stop();
}

/* ---- after it has died */

static void a_bye_for_a_call_of_a_dead_node_ends_it(void **state)
{
	(void)state;
	start();
	crash(A);
	pass(CLUSTER_DEAD_MS + 100);
	hang_up(B, B);
	EXPECT_INT(n[B].rec.notices[NOTICE_CALL_ADOPTED], 1);
	EXPECT_TRUE(site_cdr_has(&n[B], "\"answer\""));
	EXPECT_TRUE(site_cdr_has(&n[B], "\"taken_over\":1"));
	nothing_is_left(1, 1);
	stop();
}

static void a_call_of_a_dead_node_goes_on(void **state)
{
	(void)state;
	struct rec_send out[2];
	start();
	unsigned cseq = 0;
	crash(A);
	pass(CLUSTER_DEAD_MS + 100);
	say(B, "INFO", NULL);
	pass(20);
	const struct rec_send *info = sent(B, "INFO ");
	EXPECT_TRUE(info != NULL);
	if (info) {
		struct rec_send i = *info;
		cseq = (unsigned)strtoul(site_header(&i, "CSeq"), NULL, 10);
		EXPECT_TRUE(cseq > 1000); /* none that the dead one may have used */
		site_answer(&n[B], &i, 200, NULL, NULL, NULL);
	}
	relay(B);
	site_exchange(
		&n[B], &k, 0, "INVITE",
		SITE_SDP("carol", "2", "198.51.100.7", "m=audio 20000 RTP/AVP 0\r\na=sendonly\r\n"),
		SITE_SDP("pbx", "2", "10.0.0.21", "m=audio 30000 RTP/AVP 0\r\na=recvonly\r\n"),
		out);
	EXPECT_TRUE(site_has(&out[0], "a=sendonly") && site_has(&out[1], "a=recvonly"));
	hang_up(B, B);
	nothing_is_left(1, 1);
	stop();
}

/* Its session timer ends a call whose parties have gone too: one CDR, of whoever takes it over. */
static void calls_that_nobody_asks_for_are_closed(void **state)
{
	(void)state;
	start();
	crash(A);
	pass(HANDOVER_ORPHANS_MS + 10000);
	EXPECT_INT(n[B].rec.notices[NOTICE_CALL_ADOPTED], 1);
	relay(B);
	pass(700000);
	relay(B);
	EXPECT_TRUE(site_cdr_has(&n[B], "session_timer"));
	nothing_is_left(1, 1);
	stop();
}

static void a_node_that_starts_again_has_its_calls(void **state)
{
	(void)state;
	start();
	crash(A);
	pass(200);
	boot(A, 3);
	pass(3000);
	EXPECT_INT(n[A].rec.notices[NOTICE_CALL_ADOPTED], 1);
	EXPECT_INT(n[B].rec.notices[NOTICE_CALL_ADOPTED], 0);
	relay(A);
	hang_up(A, A);
	nothing_is_left(1, 1);
	stop();
}

/* The first request comes before the lists have been read. */
static void a_node_that_starts_again_is_asked_at_once(void **state)
{
	(void)state;
	start();
	crash(A);
	pass(200);
	boot(A, 3);
	pass(3);
	hang_up(A, A);
	nothing_is_left(1, 1);
	stop();
}

/* ---- between the two */

static void a_node_that_was_cut_off_lets_go(void **state)
{
	(void)state;
	start();
	store_model_cut(&m, n[A].rec.store_node, now_ms, now_ms + 20000);
	pass(10000);
	say(B, "INFO", NULL);
	pass(20);
	EXPECT_INT(n[B].rec.notices[NOTICE_CALL_ADOPTED], 1);
	relay(B);
	struct rec_send info = *sent(B, "INFO ");
	site_answer(&n[B], &info, 200, NULL, NULL, NULL);
	pass(20000);
	EXPECT_INT(n[A].rec.notices[NOTICE_CALL_LET_GO], 1);
	EXPECT_INT(n[A].rec.notices[NOTICE_CALL_ENDED], 0);
	EXPECT_INT(site_count(&n[A], "BYE "), 0);
	hang_up(A, B); /* and what comes to it goes to the other */
	nothing_is_left(1, 1);
	stop();
}

static void what_an_old_owner_writes_is_not_read(void **state)
{
	(void)state;
	start();
	store_model_cut(&m, n[A].rec.store_node, now_ms, now_ms + 8000);
	pass(7000);
	say(B, "INFO", NULL); /* B has it now */
	pass(20);
	relay(B);
	struct rec_send info = *sent(B, "INFO ");
	site_answer(&n[B], &info, 200, NULL, NULL, NULL);
	site_in_dialog(&n[A], &n[A].inside, &k.last[1], "INFO", k.cseq[1]++, NULL, NULL);
	pass(1100); /* A is back, and writes what it knows */
	crash(A);
	pass(20000);
	ports_rec_clear(&n[B].rec);
	crash(B);
	boot(B, 9);
	pass(5000);
	EXPECT_INT(n[B].rec.notices[NOTICE_CALL_ADOPTED], 1);
	relay(B);
	hang_up(B, B);
	nothing_is_left(1, 1);
	stop();
}

static void without_the_store_the_answer_is_503_in_time(void **state)
{
	static const struct {
		const char *name;
		bool frozen;
		uint64_t waits_ms;
	} rows[] = {
		{"it has just been frozen: the wait is bounded", true, HANDOVER_WAIT_MS},
		{"it is known to be away: at once", false, 0},
	};
	(void)state;
	CHECK_TABLE(row, rows)
	{
		start();
		store_model_freeze(&m, now_ms, now_ms + 20000);
		if (!row->frozen)
			pass(2000);
		say(B, "INFO", NULL);
		EXPECT_INT(site_count(&n[B], "SIP/2.0 503 "), !row->frozen);
		pass(row->waits_ms + 8);
		EXPECT_INT(site_count(&n[B], "SIP/2.0 503 "), 1);
		EXPECT_Z(STR("store"), n[B].rec.rule);
		hang_up(A, A); /* whose calls go on */
		pass(30000);
		nothing_is_left(1, 0);
		stop();
	}
}

/* store.redis.on_loss_calls */
static void new_calls_without_the_store_are_refused_where_that_is_said(void **state)
{
	(void)state;
	for (unsigned reject = 0; reject < 2; reject++) {
		start();
		n[A].set.store.on_loss[STORE_AREA_CALLS] =
			reject ? STORE_LOSS_REJECT : STORE_LOSS_LOCAL;
		store_model_freeze(&m, now_ms, now_ms + 10000);
		pass(3000);
		site_invite(&n[A], SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
		EXPECT_INT(site_count(&n[A], "SIP/2.0 503 "), reject);
		hang_up(A, A); /* what is there goes on */
		if (!reject)
			site_cancel(&n[A], SITE_CARRIER, "2");
		relay(A);
		pass(20000);
		nothing_is_left(2, 0);
		stop();
	}
}

static void a_store_that_lost_everything_is_filled_again(void **state)
{
	(void)state;
	start();
	store_model_empty(&m, now_ms);
	pass(60000);
	hang_up(B, A);
	nothing_is_left(1, 0);
	stop();
}

static void an_alias_leads_to_the_call(void **state)
{
	(void)state;
	start();
	/* An attended transfer is the matter of test_transfer; here only the alias that it leaves. */
	char key[KEEP_KEY_MAX], value[32];
	struct buf b;
	struct call *c = site_the_call(&n[A]);
	struct hide_name old = {n[A].sbc->hide.boot, c->id + 77}, name = c->keep->key.name;
	buf_init(&b, value, sizeof(value));
	keep_write_alias(&b, name);
	store_model_post(&m, n[A].rec.store_node,
			 &(struct store_op){.verb = STORE_PUT,
					    .area = STORE_AREA_CALLS,
					    .key = keep_call_key(old, 0, key),
					    .value = buf_view(&b),
					    .expires_ms = 1000},
			 now_ms);
	char token[HIDE_BRANCH_LEN];
	struct str tag = worker_token(n[A].sbc, HIDE_TAG, old.id, token);
	char text[1024];
	snprintf(text, sizeof(text),
		 "INFO sip:x@203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
		 "198.51.100.7;branch=z9hG4bKalias\r\nFrom: <sip:a@x>;tag=a-1\r\nTo: "
		 "<sip:b@x>;tag=%.*s\r\nCall-ID: call-1@198.51.100.7\r\nCSeq: 9 INFO\r\n"
		 "Max-Forwards: 9\r\nContent-Length: 0\r\n\r\n",
		 STR_ARG(tag));
	site_message(&n[B], &n[B].outside, text);
	pass(20);
	EXPECT_U64(n[B].sbc->cluster.handed_on, 1); /* found: whose it is, A must know */
	hang_up(A, A);
	nothing_is_left(1, 0);
	stop();
}

static void who_ended_it_unheard_says_so_later(void **state)
{
	(void)state;
	start();
	store_model_cut(&m, n[A].rec.store_node, now_ms, now_ms + 12000);
	pass(8000);
	say(B, "INFO", NULL); /* B has it now, too */
	pass(20);
	EXPECT_INT(n[B].rec.notices[NOTICE_CALL_ADOPTED], 1);
	relay(B);
	struct rec_send info = *sent(B, "INFO ");
	site_answer(&n[B], &info, 200, NULL, NULL, NULL);
	hang_up(A, A);
	EXPECT_INT(n[A].rec.notices[NOTICE_CALL_ENDED], 1);
	pass(10000);
	EXPECT_INT(n[B].rec.notices[NOTICE_CALL_LET_GO], 1);
	nothing_is_left(1, 1);
	stop();
}

static void yesterdays_calls_are_forgotten(void **state)
{
	(void)state;
	start();
	store_model_keep(&m);
	hang_up(A, A);
	pass(1000);
	store_model_restore(&m, now_ms);
	pass(10000);
	nothing_is_left(1, 0);
	stop();
}

/* As of a node with very many calls, most of them long over. */
static void have_pages(struct sbc *s, uint32_t count)
{
	struct keeps *all = &s->keeps;

	while (all->page_count < count) {
		struct keep_page *p = calloc(1, sizeof(*p));
		EXPECT_TRUE(p != NULL);
		*p = (struct keep_page){.number = all->page_count, .count = KEEP_PAGE, .live = 1};
		list_init(&p->changed);
		for (unsigned i = 0; i < KEEP_PAGE; i++)
			p->names[i] = (struct hide_name){s->hide.boot, i + 1};
		all->pages[all->page_count++] = p;
	}
}

static void what_is_written_again_goes_out_in_pieces(void **state)
{
	enum { PAGES = 1500, OVER = 3000, MOST = 4 * KEEP_PAGES_STEP };

	(void)state;
	start();
	struct keeps *all = &n[A].sbc->keeps;
	have_pages(n[A].sbc, PAGES);
	store_model_empty(&m, now_ms);
	most_posted = 0;
	pass(5000);
	EXPECT_TRUE(most_posted > KEEP_PAGES_STEP && most_posted < MOST);
	EXPECT_TRUE(list_is_empty(&all->pages_changed));
	/* One member each, the two nodes, and the call. */
	EXPECT_INT(records(), PAGES + 3);
	/* So do words of what has ended while nobody heard them. */
	for (unsigned i = 0; i < OVER; i++)
		all->ended[i] = (struct keep_ended){.name = {n[A].sbc->hide.boot, i + 1}};
	all->ended_count = OVER;
	most_posted = 0;
	pass(5000);
	EXPECT_TRUE(most_posted > 0 && most_posted < MOST);
	EXPECT_INT(all->ended_count, 0);
	stop();
}

/* The store goes away while the calls of a dead node are being looked at: it will be back, and they are not forgotten. */
static void calls_that_nobody_asks_for_wait_for_the_store(void **state)
{
	(void)state;
	start();
	crash(A);
	/* To the moment when the names are read, and their calls are asked for. */
	for (unsigned i = 0; i < 80000 && n[B].sbc->handovers.idle == 0; i++)
		pass(1);
	EXPECT_INT(n[B].sbc->handovers.idle, 1);
	store_model_cut(&m, n[B].rec.store_node, now_ms, now_ms + 4000);
	pass(3000);
	EXPECT_INT(n[B].rec.notices[NOTICE_CALL_ADOPTED], 0);
	EXPECT_TRUE(!timer_is_set(&n[B].sbc->handovers.orphan_alarm.timer)); /* nothing to do */
	/* Whether its node lives cannot be said for a while; then it is looked at again. */
	pass(CLUSTER_DEAD_MS + HANDOVER_ORPHANS_MS + 5000);
	EXPECT_INT(n[B].rec.notices[NOTICE_CALL_ADOPTED], 1);
	relay(B);
	pass(700000);
	relay(B);
	nothing_is_left(1, 1);
	stop();
}

/* Its leg is in another call now; its tag still names the first one. */
static void who_was_transferred_finds_its_call_at_another_node(void **state)
{
	(void)state;
	now_ms = 1000000;
	cdrs = 0;
	store_model_init(&m, 5, now_ms);
	boot(A, 1);
	boot(B, 2);
	for (unsigned i = 0; i < NODES; i++)
		n[i].trunks[SITE_PBX].habits.refer = REFER_LOCAL;
	pass(3000);
	site_establish(&n[A], &k, NULL, NULL);
	site_say(&n[A], &k, 1, "REFER", "Refer-To: <sip:+4940777@10.0.0.1>\r\n", NULL);
	struct rec_send notify = *site_find(&n[A], "NOTIFY ");
	site_answer(&n[A], &notify, 200, NULL, NULL, NULL);
	struct rec_send invite = *site_find(&n[A], "INVITE ");
	ports_rec_clear(&n[A].rec);
	site_answer(&n[A], &invite, 200, "x1", NULL,
		    SITE_SDP("target", "1", "198.51.100.7", "m=audio 22000 RTP/AVP 0\r\n"));
	site_relay(&n[A], SITE_SDP_RELAY);
	pass(20);
	struct rec_send join = *site_find(&n[A], "INVITE ");
	ports_rec_clear(&n[A].rec);
	site_answer(&n[A], &join, 200, NULL, NULL,
		    SITE_SDP("carol", "2", "198.51.100.7", "m=audio 20000 RTP/AVP 0\r\n"));
	struct rec_send done = *site_find(&n[A], "NOTIFY "), bye = *site_find(&n[A], "BYE ");
	site_answer(&n[A], &done, 200, NULL, NULL, NULL);
	site_answer(&n[A], &bye, 200, NULL, NULL, NULL);
	relay(A);
	pass(1000);
	EXPECT_INT(n[A].rec.notices[NOTICE_CALL_ENDED], 1);
	EXPECT_INT(records(), 5); /* two nodes, the new call, an alias, a page */
	crash(A);
	pass(CLUSTER_DEAD_MS + 100);
	say(B, "BYE", NULL);
	pass(20);
	EXPECT_TRUE(sent(B, "SIP/2.0 200 ") != NULL);
	const struct rec_send *other = sent(B, "BYE ");
	EXPECT_TRUE(other && site_has(other, ";tag=x1"));
	if (other) {
		struct rec_send b = *other;
		site_answer(&n[B], &b, 200, NULL, NULL, NULL);
	}
	relay(B);
	EXPECT_TRUE(site_cdr_has(&n[B], "\"transferred_from\""));
	nothing_is_left(2, 1);
	stop();
}

/* ---- the same by chance */

enum { LIVES = 6, CHANCES = 60 };

/* A call and its two parties. */
struct life {
	struct site_call k;
	char id[8], inside_id[64]; /* Call-IDs */
	bool hung[2];
	unsigned cseq;
};
static struct life lives[LIVES];
static size_t begun, heard[NODES];
static uint64_t chance;

static uint32_t roll(uint32_t most)
{
	chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(chance >> 33) % most;
}

static struct life *life_of(const struct rec_send *r, unsigned *out_side)
{
	const char *id = site_header(r, "Call-ID");
	char own[32];

	for (unsigned i = 0; i < LIVES; i++) {
		snprintf(own, sizeof(own), "call-%s@", lives[i].id);
		*out_side = strncmp(id, own, strlen(own)) == 0 ? 0 : 1;
		if (lives[i].id[0] && (*out_side == 0 || strcmp(id, lives[i].inside_id) == 0))
			return &lives[i];
	}
	return NULL;
}

/* Everybody answers what has come, as a party that knows whether it has hung up; and the relay does. */
static void serve(void)
{
	for (unsigned i = 0; i < NODES; i++) {
		if (!running[i])
			continue;
		while (n[i].rec.open_count[0])
			site_relay_to(&n[i], n[i].rec.open[0][0], SITE_SDP_RELAY);
		for (; heard[i] < n[i].rec.send_count; heard[i]++) {
			struct rec_send r = n[i].rec.sends[heard[i]];
			unsigned side;
			struct life *l = life_of(&r, &side);
			if (site_is(&r, "SIP/2.0") || site_is(&r, "ACK") || site_is(&r, "OPTIONS"))
				continue;
			EXPECT_TRUE(l != NULL);
			bool gone = !l || l->hung[side];
			if (l && site_is(&r, "BYE"))
				l->hung[side] = true;
			site_answer(&n[i], &r, gone ? 481 : 200, NULL, NULL,
				    site_is(&r, "INVITE") && !gone
					    ? (side ? SITE_SDP_IN : SITE_SDP_OUT)
					    : NULL);
		}
		while (n[i].rec.open_count[0])
			site_relay_to(&n[i], n[i].rec.open[0][0], SITE_SDP_RELAY);
		if (n[i].rec.send_count > REC_SENDS / 2) {
			ports_rec_clear(&n[i].rec);
			heard[i] = 0;
		}
		n[i].rec.cdr_len = 0;
	}
}

static void live(uint64_t ms)
{
	for (uint64_t end = now_ms + ms; now_ms < end;) {
		pass(end - now_ms < 50 ? end - now_ms : 50);
		serve();
	}
}

static void begin(unsigned node, struct life *l)
{
	struct site *t = &n[node];

	memset(l, 0, sizeof(*l));
	snprintf(l->id, sizeof(l->id), "%zu", ++begun);
	ports_rec_clear(&t->rec);
	site_invite(t, SITE_CARRIER, l->id, NULL, SITE_SDP_OUT);
	site_relay(t, SITE_SDP_RELAY);
	l->k.invite = *site_sent(t, 0);
	snprintf(l->inside_id, sizeof(l->inside_id), "%s", site_header(&l->k.invite, "Call-ID"));
	site_answer(t, &l->k.invite, 200, "b1",
		    "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n", SITE_SDP_IN);
	site_relay(t, SITE_SDP_RELAY);
	l->k.ok = *site_find(t, "SIP/2.0 200 OK");
	site_in_dialog(t, &t->outside, &l->k.ok, "ACK", 7, NULL, NULL);
	l->cseq = 8;
	ports_rec_clear(&t->rec);
	heard[node] = 0;
}

static unsigned someone(void)
{
	unsigned i = roll(NODES);

	return running[i] ? i : 1 - i;
}

static void ask(struct life *l, const char *method)
{
	unsigned node = someone();

	if (!l->id[0] || l->hung[0])
		return;
	site_in_dialog(&n[node], &n[node].outside, &l->k.ok, method, l->cseq++, NULL, NULL);
	if (strcmp(method, "BYE") == 0)
		l->hung[0] = true;
}

/* One thing at a time goes wrong, and is right again before the next one does. */
static void go_wrong(uint8_t *seed)
{
	unsigned node = roll(NODES);

	switch (roll(6)) {
	case 0:
		crash(node);
		live(roll(20000));
		boot(node, ++*seed);
		heard[node] = 0;
		break;
	case 1:
		crash(node);
		for (unsigned i = 0; i < 5; i++) {
			live(roll(12000));
			ask(&lives[roll(LIVES)], roll(2) ? "BYE" : "INFO");
		}
		boot(node, ++*seed);
		heard[node] = 0;
		break;
	case 2:
	case 3:
		store_model_cut(&m, n[node].rec.store_node, now_ms, now_ms + 1000 + roll(14000));
		break;
	case 4: store_model_freeze(&m, now_ms, now_ms + 1000 + roll(14000)); break;
	case 5: store_model_empty(&m, now_ms); break;
	}
	for (unsigned i = 0; i < 6; i++) {
		live(roll(3000));
		ask(&lives[roll(LIVES)], roll(3) ? "INFO" : "BYE");
	}
	live(30000);
}

static void each_call_has_one_cdr_whatever_goes_wrong(void **state)
{
	(void)state;
	for (uint64_t run = 1; run <= 25; run++) {
		uint8_t seed = 10;
		char row[32];
		snprintf(row, sizeof(row), "run %llu", (unsigned long long)run);
		check_row(row);
		chance = run;
		begun = 0;
		memset(lives, 0, sizeof(lives));
		memset(heard, 0, sizeof(heard));
		now_ms = 1000000;
		cdrs = 0;
		store_model_init(&m, run, now_ms);
		boot(A, 1);
		boot(B, 2);
		live(3000);
		for (unsigned i = 0; i < CHANCES; i++) {
			struct life *l = &lives[roll(LIVES)];
			if ((!l->id[0] || (l->hung[0] && l->hung[1])) && roll(2))
				begin(someone(), l);
			else if (roll(4))
				ask(l, roll(3) ? "INFO" : "BYE");
			else
				go_wrong(&seed);
			live(roll(2000));
		}
		for (unsigned i = 0; i < LIVES; i++)
			ask(&lives[i], "BYE");
		for (unsigned i = 0; i < 60; i++)
			live(60000);
		EXPECT_INT(ended(), begun);
		for (unsigned i = 0; i < NODES; i++) {
			struct sbc_counts c;
			sbc_count(n[i].sbc, &c);
			EXPECT_INT(c.calls, 0);
			EXPECT_INT(c.relay_sessions, 0);
			EXPECT_INT(n[i].sbc->keeps.pool.used, 0);
			EXPECT_INT(n[i].sbc->handovers.pool.used, 0);
		}
		EXPECT_TRUE(records() <= 2 + begun); /* epochs alone, until they expire */
		stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_in_the_store_as_long_as_it_lasts),
		cmocka_unit_test(a_bye_to_another_node_ends_the_call_where_it_is),
		cmocka_unit_test(a_call_that_ends_at_once_is_never_written),
		cmocka_unit_test(what_changes_within_a_moment_is_written_once),
		cmocka_unit_test(a_bye_to_another_node_ends_a_call_that_is_not_written_yet),
		cmocka_unit_test(a_re_invite_to_another_node_goes_through),
		cmocka_unit_test(a_repeated_request_gets_the_same_answer),
		cmocka_unit_test(a_call_that_nobody_has_is_none),
		cmocka_unit_test(a_stranger_is_not_believed_at_any_node),
		cmocka_unit_test(a_bye_for_a_call_of_a_dead_node_ends_it),
		cmocka_unit_test(a_call_of_a_dead_node_goes_on),
		cmocka_unit_test(calls_that_nobody_asks_for_are_closed),
		cmocka_unit_test(a_node_that_starts_again_has_its_calls),
		cmocka_unit_test(a_node_that_starts_again_is_asked_at_once),
		cmocka_unit_test(a_node_that_was_cut_off_lets_go),
		cmocka_unit_test(what_an_old_owner_writes_is_not_read),
		cmocka_unit_test(without_the_store_the_answer_is_503_in_time),
		cmocka_unit_test(new_calls_without_the_store_are_refused_where_that_is_said),
		cmocka_unit_test(a_store_that_lost_everything_is_filled_again),
		cmocka_unit_test(an_alias_leads_to_the_call),
		cmocka_unit_test(who_ended_it_unheard_says_so_later),
		cmocka_unit_test(yesterdays_calls_are_forgotten),
		cmocka_unit_test(what_is_written_again_goes_out_in_pieces),
		cmocka_unit_test(calls_that_nobody_asks_for_wait_for_the_store),
		cmocka_unit_test(who_was_transferred_finds_its_call_at_another_node),
		cmocka_unit_test(each_call_has_one_cdr_whatever_goes_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
