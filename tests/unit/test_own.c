#include "sbc/core/own.h"

#include "tests/support/check.h"
#include "tests/support/site_call.h"

static struct site t;
static struct site_call k;

#define SDP_OURS SITE_SDP("-", "2", "203.0.113.200", "m=audio 40002 RTP/AVP 0\r\n")

static void start(void)
{
	site_init(&t);
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
}

static void finish(void)
{
	site_stop(&t);
}

static id_t64 ask(unsigned side, enum method method, const char *body)
{
	id_t64 id = own_send(
		t.sbc, site_the_call(&t), side,
		&(struct own_params){.what = OWN_REPAIR,
				     .method = method,
				     .lines = STR("X-Test: 1\r\n"),
				     .content_type = body ? STR("application/sdp") : STR_NONE,
				     .body = body ? str_from(body) : STR_NONE});
	site_tick(&t, 2 * WHEEL_TICK_MS);
	return id;
}

/* How long until a message with this beginning goes out; UINT64_MAX: not within `most`. */
static uint64_t wait_for(const char *start_line, uint64_t most)
{
	uint64_t from = t.now_ms;

	ports_rec_clear(&t.rec);
	while (t.now_ms < from + most) {
		site_tick(&t, 1);
		if (site_count(&t, start_line))
			return t.now_ms - from;
	}
	return UINT64_MAX;
}

static void an_update_goes_in_the_dialog_of_its_side_alone(void **state)
{
	(void)state;
	for (unsigned side = 0; side < 2; side++) {
		start();
		EXPECT_TRUE(ask(side, METHOD_UPDATE, NULL) != ID_NONE);
		EXPECT_INT(site_sent_count(&t), 1);
		EXPECT_SENT(&t, 0, side ? "UPDATE sip:bob@10.0.0.21" : "UPDATE sip:alice@198.51");
		EXPECT_TRUE(site_has(site_sent(&t, 0), "X-Test: 1\r\n"));
		EXPECT_TRUE(site_header(site_sent(&t, 0), "Contact")[0] == '<');
		struct rec_send update = *site_sent(&t, 0);
		site_answer(&t, &update, 200, NULL, NULL, NULL);
		EXPECT_INT(site_sent_count(&t), 1);
		EXPECT_INT(t.rec.relay_count, 0);
		EXPECT_TRUE(list_is_empty(&site_the_call(&t)->owns));
		site_hang_up(&t, &k);
		site_expect_empty(&t, 1);
		finish();
	}
}

static void a_reinvite_is_acked_and_its_ack_is_the_same_each_time(void **state)
{
	(void)state;
	start();
	ask(1, METHOD_INVITE, SDP_OURS);
	struct rec_send invite = *site_sent(&t, 0);
	EXPECT_SENT(&t, 0, "INVITE sip:bob@10.0.0.21");
	EXPECT_INT(site_the_call(&t)->offer[1].state, OFFER_OURS);
	site_answer(&t, &invite, 200, NULL, NULL, SITE_SDP_IN);
	struct rec_send ack = *site_sent(&t, 0);
	EXPECT_SENT(&t, 0, "ACK sip:bob@10.0.0.21");
	EXPECT_INT(site_the_call(&t)->offer[1].state, OFFER_AGREED);
	site_answer(&t, &invite, 200, NULL, NULL, SITE_SDP_IN);
	EXPECT_INT(site_sent_count(&t), 3);
	EXPECT_TRUE(ack.len == site_sent(&t, 0)->len &&
		    memcmp(ack.bytes, site_sent(&t, 0)->bytes, ack.len) == 0);
	site_hang_up(&t, &k);
	site_expect_empty(&t, 1);
	finish();
}

static void after_a_491_who_owns_the_call_id_waits_longer(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned side;
		uint64_t least, most;
	} rows[] = {
		{"the Call-ID is the peer's: 0 to 2.0 s", 0, 0, 2000},
		{"the Call-ID is ours: 2.1 to 4.0 s", 1, 2100, 4000},
	};
	CHECK_TABLE(row, rows)
	{
		start();
		ask(row->side, METHOD_INVITE, SDP_OURS);
		struct rec_send invite = *site_find(&t, "INVITE ");
		for (int i = 0; i < OWN_TRIES_MAX - 1; i++) {
			ports_rec_clear(&t.rec);
			site_answer(&t, &invite, 491, NULL, NULL, NULL);
			EXPECT_SENT(&t, 0, "ACK ");
			uint64_t after = wait_for("INVITE ", 5000);
			EXPECT_TRUE(after >= row->least && after <= row->most + WHEEL_TICK_MS);
			invite = *site_find(&t, "INVITE ");
		}
		site_answer(&t, &invite, 491, NULL, NULL, NULL);
		EXPECT_U64(wait_for("INVITE ", 5000), UINT64_MAX);
		EXPECT_TRUE(list_is_empty(&site_the_call(&t)->owns));
		EXPECT_INT(site_the_call(&t)->offer[row->side].state, OFFER_AGREED);
		site_hang_up(&t, &k);
		site_expect_empty(&t, 1);
		finish();
	}
}

static void a_500_says_itself_when_to_come_again(void **state)
{
	(void)state;
	start();
	ask(0, METHOD_UPDATE, SDP_OURS);
	struct rec_send update = *site_sent(&t, 0);
	site_answer(&t, &update, 500, NULL, "Retry-After: 3\r\n", NULL);
	uint64_t after = wait_for("UPDATE ", 5000);
	EXPECT_TRUE(after >= 3000 && after <= 3000 + WHEEL_TICK_MS);
	update = *site_find(&t, "UPDATE ");
	site_answer(&t, &update, 500, NULL, NULL, NULL);
	EXPECT_TRUE(list_is_empty(&site_the_call(&t)->owns));
	site_hang_up(&t, &k);
	site_expect_empty(&t, 1);
	finish();
}

static void an_invite_waits_until_the_leg_is_free(void **state)
{
	(void)state;
	start();
	site_say(&t, &k, 1, "INVITE", NULL,
		 SITE_SDP("pbx", "2", "10.0.0.21", "m=audio 30002 RTP/AVP 0\r\n"));
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send theirs = *site_find(&t, "INVITE ");
	ask(0, METHOD_INVITE, SDP_OURS);
	ask(1, METHOD_INVITE, SDP_OURS);
	EXPECT_INT(site_count(&t, "INVITE "), 1);
	site_answer(&t, &theirs, 200, NULL, NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	site_tick(&t, 2 * WHEEL_TICK_MS);
	EXPECT_INT(site_count(&t, "INVITE sip:bob@198"), 1); /* that leg has its ACK already */
	EXPECT_INT(site_count(&t, "INVITE sip:x@10"), 0);
	site_ack(&t, &k, 1, NULL);
	site_tick(&t, 2 * WHEEL_TICK_MS);
	EXPECT_INT(site_count(&t, "INVITE sip:x@10"), 1);
	site_hang_up(&t, &k);
	site_expect_empty(&t, 1);
	finish();
}

static void a_peers_reinvite_meanwhile_is_a_glare(void **state)
{
	(void)state;
	for (unsigned side = 0; side < 2; side++) {
		start();
		ask(0, METHOD_INVITE, SDP_OURS);
		site_say(&t, &k, side, "INVITE", NULL, side ? SITE_SDP_IN : SITE_SDP_OUT);
		EXPECT_SENT(&t, 0, "SIP/2.0 491 ");
		site_ack(&t, &k, side, NULL);
		site_hang_up(&t, &k);
		site_expect_empty(&t, 1);
		finish();
	}
}

static void an_empty_reinvite_is_acked_when_the_answer_is_there(void **state)
{
	(void)state;
	start();
	ask(1, METHOD_INVITE, NULL);
	struct rec_send invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 200, NULL, NULL, SITE_SDP_IN);
	EXPECT_INT(site_count(&t, "ACK "), 0);
	EXPECT_INT(site_the_call(&t)->offer[1].state, OFFER_THEIRS);
	own_ack(t.sbc, site_the_call(&t), 1, str_from(SDP_OURS));
	EXPECT_SENT(&t, 0, "ACK ");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "m=audio 40002"));
	EXPECT_INT(site_the_call(&t)->offer[1].state, OFFER_AGREED);
	struct rec_send ack = *site_sent(&t, 0);
	site_answer(&t, &invite, 200, NULL, NULL, SITE_SDP_IN);
	EXPECT_TRUE(strcmp(ack.bytes, site_sent(&t, 0)->bytes) == 0);
	site_hang_up(&t, &k);
	site_expect_empty(&t, 1);
	finish();
}

static void a_lost_dialog_ends_the_call_on_both_sides(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum method method;
		int status;
		bool ends;
	} rows[] = {
		{"481 to an UPDATE", METHOD_UPDATE, 481, true},
		{"408 to an INFO", METHOD_INFO, 408, true},
		{"481 to a re-INVITE", METHOD_INVITE, 481, true},
		{"404: the target has gone", METHOD_UPDATE, 404, true},
		{"488 is about this one request", METHOD_INVITE, 488, false},
		{"503 too", METHOD_UPDATE, 503, false},
		{"481 to a NOTIFY ends its subscription only", METHOD_NOTIFY, 481, false},
	};
	CHECK_TABLE(row, rows)
	{
		start();
		ask(0, row->method, row->method == METHOD_INVITE ? SDP_OURS : NULL);
		struct rec_send m = *site_sent(&t, 0);
		site_answer(&t, &m, row->status, NULL, NULL, NULL);
		EXPECT_INT(site_count(&t, "BYE "), row->ends ? 2 : 0);
		if (row->ends)
			site_relay(&t, NULL);
		else
			site_hang_up(&t, &k);
		if (row->ends)
			EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"dialog_lost\""));
		site_expect_empty(&t, 1);
		finish();
	}
}

static void silence_ends_the_call_on_both_sides(void **state)
{
	(void)state;
	start();
	ask(1, METHOD_UPDATE, NULL);
	ports_rec_clear(&t.rec);
	site_tick(&t, 31900);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	site_tick(&t, 200);
	EXPECT_INT(site_count(&t, "BYE sip:alice"), 1);
	EXPECT_INT(site_count(&t, "BYE sip:bob"), 1);
	site_relay(&t, NULL);
	EXPECT_TRUE(site_cdr_has(&t, "\"ended_by\":\"us\",\"cause\":\"dialog_lost\""));
	site_expect_empty(&t, 1);
	finish();
}

static void the_end_of_the_call_takes_what_waits_with_it(void **state)
{
	(void)state;
	start();
	ask(0, METHOD_INVITE, SDP_OURS);
	ask(0, METHOD_INVITE, SDP_OURS);
	ask(1, METHOD_UPDATE, NULL);
	struct rec_send invite = *site_find(&t, "INVITE ");
	site_hang_up(&t, &k);
	ports_rec_clear(&t.rec);
	site_answer(&t, &invite, 200, NULL, NULL, SITE_SDP_OUT); /* it crossed the BYE */
	EXPECT_INT(site_count(&t, "ACK "), 1);
	EXPECT_INT(site_count(&t, "INVITE "), 0);
	EXPECT_INT(ask(0, METHOD_UPDATE, NULL), ID_NONE);
	site_expect_empty(&t, 1);
	EXPECT_INT(t.sbc->owns.used, 0);
	finish();
}

static void no_more_than_its_share_at_once(void **state)
{
	(void)state;
	start();
	ask(0, METHOD_INVITE, SDP_OURS);
	for (int i = 1; i < OWNS_MAX; i++)
		EXPECT_TRUE(ask(0, METHOD_INVITE, SDP_OURS) != ID_NONE);
	EXPECT_INT(ask(0, METHOD_INVITE, SDP_OURS), ID_NONE);
	site_hang_up(&t, &k);
	site_expect_empty(&t, 1);
	EXPECT_INT(t.sbc->owns.used, 0);
	finish();
}

static void what_is_dropped_is_answered_for_all_that(void **state)
{
	(void)state;
	start();
	id_t64 id = ask(1, METHOD_INVITE, SDP_OURS);
	struct rec_send invite = *site_sent(&t, 0);
	own_drop(t.sbc, id);
	site_answer(&t, &invite, 200, NULL, NULL, SITE_SDP_IN);
	EXPECT_SENT(&t, 0, "ACK ");
	EXPECT_INT(site_count(&t, "BYE "), 0);
	EXPECT_INT(site_the_call(&t)->offer[1].state, OFFER_AGREED);
	site_hang_up(&t, &k);
	site_expect_empty(&t, 1);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_update_goes_in_the_dialog_of_its_side_alone),
		cmocka_unit_test(a_reinvite_is_acked_and_its_ack_is_the_same_each_time),
		cmocka_unit_test(after_a_491_who_owns_the_call_id_waits_longer),
		cmocka_unit_test(a_500_says_itself_when_to_come_again),
		cmocka_unit_test(an_invite_waits_until_the_leg_is_free),
		cmocka_unit_test(a_peers_reinvite_meanwhile_is_a_glare),
		cmocka_unit_test(an_empty_reinvite_is_acked_when_the_answer_is_there),
		cmocka_unit_test(a_lost_dialog_ends_the_call_on_both_sides),
		cmocka_unit_test(silence_ends_the_call_on_both_sides),
		cmocka_unit_test(the_end_of_the_call_takes_what_waits_with_it),
		cmocka_unit_test(no_more_than_its_share_at_once),
		cmocka_unit_test(what_is_dropped_is_answered_for_all_that),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
