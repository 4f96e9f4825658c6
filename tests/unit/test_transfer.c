#include "sbc/core/transfer.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/check.h"
#include "tests/support/site_call.h"

/*
 * The carrier (side 0) has called the PBX (side 1). The PBX refers the carrier to a number that the routes lead to the
 * carrier's other peer.
 */
static struct site t;
static struct site_call k;

#define CALLER     0
#define CALLEE     1
#define TARGET     "sip:+4940777@10.0.0.1"
#define SDP_TARGET SITE_SDP("target", "1", "198.51.100.7", "m=audio 22000 RTP/AVP 0\r\n")
#define SDP_T      SITE_SDP("carol", "2", "198.51.100.7", "m=audio 20000 RTP/AVP 0\r\n")

static void start_with(enum refer_policy carrier, enum refer_policy pbx)
{
	site_init(&t);
	t.trunks[SITE_CARRIER].habits.refer = carrier;
	t.trunks[SITE_PBX].habits.refer = pbx;
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
}

static void finish(void)
{
	site_stop(&t);
}

static void turn(void)
{
	site_tick(&t, 2 * WHEEL_TICK_MS);
}

static struct sbc_counts counts(void)
{
	struct sbc_counts c;

	sbc_count(t.sbc, &c);
	return c;
}

static void refer(unsigned side, const char *to, const char *extra)
{
	char lines[1024];

	snprintf(lines, sizeof(lines), "Refer-To: <%s>\r\n%s", to, extra ? extra : "");
	site_say(&t, &k, side, "REFER", lines, NULL);
}

/* The PBX refers; the target has the INVITE. */
static struct rec_send referred(const char *extra)
{
	refer(CALLEE, TARGET, extra);
	const struct rec_send *invite = site_find(&t, "INVITE ");
	EXPECT_TRUE(invite != NULL);
	if (!invite)
		site_dump(&t);
	return *invite;
}

static void answer_ok(const struct rec_send *request)
{
	struct rec_send m = *request;
	site_answer(&t, &m, 200, NULL, NULL, NULL);
}

/* "USER ID" of o=; its version. */
static struct str session_of(const struct rec_send *m)
{
	const char *o = strstr(m->bytes, "\r\no=");
	struct str line = str_from(o ? o + 4 : ""), user, id;

	EXPECT_TRUE(str_cut_word(&line, &user) && str_cut_word(&line, &id));
	return (struct str){user.p, (size_t)(id.p + id.len - user.p)};
}

static int version_of(const struct rec_send *m)
{
	struct str s = session_of(m), rest = str_from(s.p + s.len), word;

	EXPECT_TRUE(str_cut_word(&rest, &word));
	uint32_t v = 0;
	EXPECT_ERR(str_to_u32(word, UINT32_MAX, &v), OK);
	return (int)v;
}

static void a_blind_transfer_joins_the_target_and_ends_the_referrers_leg(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	refer(CALLEE, TARGET, "Referred-By: <sip:+4930555@10.0.0.21>\r\n");
	const struct rec_send *accepted = site_find(&t, "SIP/2.0 202 Accepted");
	EXPECT_TRUE(accepted && site_header(accepted, "Contact")[0] == '<');
	struct rec_send trying = *site_find(&t, "NOTIFY ");
	EXPECT_TRUE(site_has(&trying, "Event: refer\r\n"));
	EXPECT_TRUE(site_has(&trying, "Subscription-State: active;expires="));
	EXPECT_TRUE(site_has(&trying, "Content-Type: message/sipfrag;version=2.0\r\n"));
	EXPECT_TRUE(site_has(&trying, "\r\n\r\nSIP/2.0 100 Trying\r\n"));
	answer_ok(&trying);
	struct rec_send invite = *site_find(&t, "INVITE ");
	EXPECT_TRUE(site_is(&invite, "INVITE sip:+4940777@198.51.100.7"));
	EXPECT_TRUE(site_has(&invite, "From: \"Alice\" <sip:+49171@203.0.113.1>;tag="));
	EXPECT_TRUE(!site_has(&invite, "10.0.0."));
	EXPECT_INT(counts().calls, 2);
	site_answer(&t, &invite, 180, "x1", NULL, NULL);
	EXPECT_INT(site_count(&t, "SIP/2.0 180"), 0);
	ports_rec_clear(&t.rec);
	site_answer(&t, &invite, 200, "x1", NULL, SDP_TARGET);
	EXPECT_INT(site_count(&t, "ACK "), 0); /* it waits for the answer to the target's offer */
	site_relay(&t, SITE_SDP("-", "7", "203.0.113.200", "m=audio 40100 RTP/AVP 0\r\n"));
	turn();
	struct rec_send join = *site_find(&t, "INVITE ");
	EXPECT_TRUE(site_is(&join, "INVITE sip:alice@198.51.100.7"));
	EXPECT_TRUE(site_has(&join, "c=IN IP4 203.0.113.200"));
	EXPECT_INT(site_count(&t, "BYE "), 0);
	/* RFC 3264 §8: for its peer it is one session of ours, the next version of it. */
	EXPECT_STR(session_of(&join), session_of(&k.ok));
	EXPECT_INT(version_of(&join), version_of(&k.ok) + 1);
	ports_rec_clear(&t.rec);
	site_answer(&t, &join, 200, NULL, NULL, SDP_T);
	EXPECT_INT(site_count(&t, "ACK sip:bob@198.51.100.7"), 1);
	struct rec_send done = *site_find(&t, "NOTIFY ");
	EXPECT_TRUE(site_has(&done, "Subscription-State: terminated;reason=noresource"));
	EXPECT_TRUE(site_has(&done, "\r\n\r\nSIP/2.0 200 OK\r\n"));
	struct rec_send bye = *site_find(&t, "BYE ");
	EXPECT_TRUE(site_is(&bye, "BYE sip:bob@10.0.0.21"));
	EXPECT_INT(site_count(&t, "BYE "), 1);
	answer_ok(&done);
	answer_ok(&bye);
	EXPECT_INT(t.rec.relay_count, 2); /* the answer of the new session; the end of the old */
	EXPECT_TRUE(strcmp(t.rec.relays[0].command, "delete") == 0);
	EXPECT_TRUE(strcmp(t.rec.relays[1].command, "answer") == 0);
	site_relay_to(&t, t.rec.relays[1].id, SITE_SDP_RELAY);
	EXPECT_TRUE(site_has(site_find(&t, "ACK sip:bob@198.51.100.7"), "c=IN IP4 203.0.113.200"));
	site_relay_to(&t, t.rec.relays[0].id, NULL);
	EXPECT_TRUE(site_cdr_has(&t, "\"ended_by\":\"us\",\"cause\":\"transferred\""));
	EXPECT_INT(counts().calls, 1);
	EXPECT_INT(counts().calls_confirmed, 1);
	/* The one who was transferred speaks by the tags that it has had from the beginning. */
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLER, "INFO", NULL, NULL);
	EXPECT_SENT(&t, 0, "INFO sip:bob@198.51.100.7");
	EXPECT_TRUE(site_has(site_sent(&t, 0), ";tag=x1"));
	answer_ok(site_sent(&t, 0));
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLER, "BYE", NULL, NULL);
	EXPECT_SENT(&t, 0, "BYE sip:bob@198.51.100.7");
	answer_ok(site_sent(&t, 0));
	site_relay(&t, NULL);
	EXPECT_TRUE(site_cdr_has(&t, "\"transferred_from\""));
	site_expect_empty(&t, 2);
	EXPECT_INT(t.sbc->calls.used, 0);
	EXPECT_INT(t.sbc->transfers.used, 0);
	EXPECT_INT(t.rec.notices[NOTICE_TRANSFER_STARTED], 1);
	EXPECT_INT(t.rec.notices[NOTICE_TRANSFER_ENDED], 1);
	finish();
}

/* The callee of the new call answers, with an offer; the re-INVITE for the one who was referred. */
static struct rec_send target_answers(const struct rec_send *invite)
{
	site_answer(&t, invite, 200, "x1", NULL, SDP_TARGET);
	site_relay(&t, SITE_SDP_RELAY);
	turn();
	const struct rec_send *join = site_find(&t, "INVITE sip:alice@198.51.100.7");
	EXPECT_TRUE(join != NULL);
	if (!join)
		site_dump(&t);
	return *join;
}

/* All that was asked of the relay and of peers has its answer. */
static void settle(void)
{
	for (int round = 0; round < 8; round++) {
		size_t sends = t.rec.send_count;
		while (t.rec.open_count[0])
			site_relay_to(&t, t.rec.open[0][0], SITE_SDP_RELAY);
		for (size_t i = 0; i < sends; i++)
			if (site_is(&t.rec.sends[i], "BYE ") || site_is(&t.rec.sends[i], "NOTIFY "))
				answer_ok(&t.rec.sends[i]);
		turn();
		if (t.rec.send_count == sends && t.rec.open_count[0] == 0)
			return;
	}
}

/* The call between the two of the beginning is as it was. */
static void expect_talking(void)
{
	settle();
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLEE, "INFO", NULL, NULL);
	const struct rec_send *info = site_find(&t, "INFO ");
	EXPECT_TRUE(info && site_has(info, "198.51.100.7"));
	if (!info) {
		site_dump(&t);
		return;
	}
	answer_ok(info);
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLER, "INFO", NULL, NULL);
	info = site_find(&t, "INFO sip:");
	EXPECT_TRUE(info && site_has(info, "10.0.0.21"));
	if (info)
		answer_ok(info);
	EXPECT_INT(counts().calls, 1);
}

static void expect_over(size_t cdrs)
{
	settle();
	if (counts().calls) {
		ports_rec_clear(&t.rec);
		site_say(&t, &k, CALLER, "BYE", NULL, NULL);
		settle();
	}
	site_expect_empty(&t, cdrs);
	EXPECT_INT(t.sbc->calls.used, 0);
	EXPECT_INT(t.sbc->transfers.used, 0);
	EXPECT_INT(t.sbc->owns.used, 0);
	EXPECT_INT(t.sbc->blocks.used, 0);
}

/* The last NOTIFY ends the subscription with this line. */
static void expect_told(const char *line)
{
	const struct rec_send *n = site_find(&t, "NOTIFY ");

	EXPECT_TRUE(n && site_has(n, "Subscription-State: terminated;reason=noresource\r\n"));
	EXPECT_TRUE(n && site_has(n, line));
	if (!n || !site_has(n, line))
		site_dump(&t);
}

static void a_trunk_that_may_not_transfer_gets_603_and_talks_on(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_REJECT);
	refer(CALLEE, TARGET, NULL);
	EXPECT_INT(site_sent_count(&t), 1);
	EXPECT_SENT(&t, 0, "SIP/2.0 603 Decline");
	EXPECT_INT(t.rec.notices[NOTICE_REFUSED], 1);
	EXPECT_Z(str_from(t.rec.rule), "refer");
	EXPECT_INT(t.rec.notices[NOTICE_CALL_STARTED], 1);
	/* Toll fraud from outside: not even when the inside may (threats C15). */
	finish();
	start_with(REFER_REJECT, REFER_LOCAL);
	refer(CALLER, "sip:+8816000@203.0.113.1", NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 603 Decline");
	EXPECT_INT(t.rec.notices[NOTICE_CALL_STARTED], 1);
	expect_talking();
	expect_over(1);
	finish();
}

static void a_refer_outside_of_a_dialog_is_refused_with_its_rule(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_PBX].habits.refer = REFER_LOCAL;
	t.trunks[SITE_CARRIER].habits.refer = REFER_LOCAL;
	site_start(&t);
	site_request(&t, &t.outside, "REFER",
		     "Refer-To: <sip:+4940777@203.0.113.1>\r\nContact: <sip:x@198.51.100.7>\r\n");
	EXPECT_SENT(&t, 0, "SIP/2.0 405 ");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Allow: "));
	EXPECT_INT(t.rec.notices[NOTICE_REFUSED], 1);
	EXPECT_Z(str_from(t.rec.rule), "method");
	EXPECT_INT(counts().calls, 0);
	site_expect_empty(&t, 0);
	finish();
}

static void what_a_refer_may_not_say_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *to;
		int status;
	} rows[] = {
		{"another method", "sip:+49407@10.0.0.1;method=BYE", 603},
		{"no telephone and no SIP", "http://10.0.0.1/", 416},
		{"an unreadable Replaces", "sip:+49407@10.0.0.1?Replaces=x", 400},
		{"no URI", "nowhere", 400},
	};

	CHECK_TABLE(row, rows)
	{
		char want[32];
		start_with(REFER_REJECT, REFER_LOCAL);
		refer(CALLEE, row->to, NULL);
		snprintf(want, sizeof(want), "SIP/2.0 %d ", row->status);
		EXPECT_INT(site_sent_count(&t), 1);
		EXPECT_TRUE(site_is(site_sent(&t, 0), want));
		EXPECT_INT(t.rec.notices[NOTICE_REFUSED], 1);
		EXPECT_INT(counts().calls, 1);
		finish();
	}
}

static void refer_sub_false_gets_no_notify_at_all(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	struct rec_send invite =
		referred("Refer-Sub: false\r\nSupported: norefersub\r\nRequire: norefersub\r\n");
	EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 202"), "Refer-Sub: false\r\n"));
	struct rec_send join = target_answers(&invite);
	site_answer(&t, &join, 200, NULL, NULL, SDP_T);
	EXPECT_INT(site_count(&t, "NOTIFY "), 0);
	EXPECT_INT(site_count(&t, "BYE sip:bob@10.0.0.21"), 1);
	expect_over(2);
	finish();
}

static void a_target_that_refuses_leaves_the_call_and_the_referrer_hears_why(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	struct rec_send invite = referred(NULL);
	site_answer(&t, &invite, 180, "x1", NULL, NULL);
	site_answer(&t, &invite, 486, "x1", NULL, NULL);
	expect_told("\r\n\r\nSIP/2.0 486 Busy Here\r\n");
	EXPECT_INT(site_count(&t, "BYE "), 0);
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ENDED], 1);
	EXPECT_TRUE(site_cdr_has(&t, "\"status\":486"));
	expect_talking();
	expect_over(2);
	finish();
}

static void the_target_goes_by_the_same_policy_as_a_call_of_the_referrer(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t reject;
		uint32_t calls;
		const char *told;
	} rows[] = {
		{"a route that rejects", 403, 1000, "SIP/2.0 403 Forbidden"},
		{"the limit of calls", 0, 1, "SIP/2.0 503 Service Unavailable"},
	};

	CHECK_TABLE(row, rows)
	{
		start_with(REFER_REJECT, REFER_LOCAL);
		t.routes[SITE_PBX].reject_status = row->reject;
		t.set.limits.calls = row->calls;
		refer(CALLEE, TARGET, NULL);
		EXPECT_INT(site_count(&t, "SIP/2.0 202"), 1);
		EXPECT_INT(site_count(&t, "INVITE "), 0);
		expect_told(row->told);
		EXPECT_INT(t.rec.notices[NOTICE_TRANSFER_ENDED], 1);
		expect_talking();
		expect_over(row->reject ? 2 : 1);
		finish();
	}
}

static void referred_by_crosses_as_a_number_where_the_rules_name_it(void **state)
{
	(void)state;
	static const struct str carry[] = {STR("Referred-By")};

	for (unsigned named = 0; named < 2; named++) {
		start_with(REFER_REJECT, REFER_LOCAL);
		if (named) {
			t.header_rules[0] = (struct header_rules){
				.name = STR("x"), .carry = carry, .carry_count = 1};
			t.set.header_rules_count = 1;
			t.realms[SITE_OUTSIDE].header_rules = 0;
		}
		struct rec_send invite =
			referred("Referred-By: \"Bob\" <sip:+4930555@10.0.0.21:5070>;cid=x\r\n");
		EXPECT_TRUE(site_has(&invite, "Referred-By: <sip:+4930555@sbc.test>\r\n") == named);
		EXPECT_TRUE(!site_has(&invite, "10.0.0.") && !site_has(&invite, "cid"));
		finish();
	}
}

static void a_referrer_that_hangs_up_at_once_does_not_end_the_transfer(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	struct rec_send invite = referred(NULL);
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLEE, "BYE", NULL, NULL);
	EXPECT_INT(site_sent_count(&t), 1);
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	/* Meanwhile nobody hears the other. */
	site_say(&t, &k, CALLER, "INFO", NULL, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 500");
	struct rec_send join = target_answers(&invite);
	ports_rec_clear(&t.rec);
	site_answer(&t, &join, 200, NULL, NULL, SDP_T);
	expect_told("SIP/2.0 200 OK");
	EXPECT_INT(site_count(&t, "BYE "), 0);
	settle();
	EXPECT_TRUE(site_cdr_has(&t, "\"ended_by\":\"callee\",\"cause\":\"transferred\""));
	EXPECT_INT(counts().calls, 1);
	expect_over(2);
	finish();
}

static void if_it_has_hung_up_and_the_target_refuses_the_other_is_told_bye(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	struct rec_send invite = referred(NULL);
	site_say(&t, &k, CALLEE, "BYE", NULL, NULL);
	ports_rec_clear(&t.rec);
	site_answer(&t, &invite, 603, "x1", NULL, NULL);
	expect_told("SIP/2.0 603 Decline");
	EXPECT_INT(site_count(&t, "BYE sip:alice@198.51.100.7"), 1);
	settle();
	EXPECT_INT(counts().calls, 0);
	EXPECT_TRUE(site_cdr_has(&t, "\"ended_by\":\"callee\",\"cause\":\"transfer_failed\""));
	expect_over(2);
	finish();
}

static void who_is_referred_hangs_up_and_the_target_is_cancelled(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	struct rec_send invite = referred(NULL);
	site_answer(&t, &invite, 180, "x1", NULL, NULL);
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLER, "BYE", NULL, NULL);
	expect_told("SIP/2.0 487 Request Terminated");
	EXPECT_INT(site_count(&t, "CANCEL "), 1);
	EXPECT_INT(site_count(&t, "BYE sip:bob@10.0.0.21"), 1);
	site_answer(&t, &invite, 487, "x1", NULL, NULL);
	expect_over(2);
	finish();
}

static void a_target_that_hangs_up_before_the_other_has_agreed_leaves_the_call(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	struct rec_send invite = referred(NULL);
	struct rec_send join = target_answers(&invite);
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.outside, &invite, "BYE", 1, NULL, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 481"); /* not by our From alone: its tag is missing */
	char bye[1024];
	snprintf(bye, sizeof(bye),
		 "BYE sip:x@203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
		 "198.51.100.7;branch=z9hG4bKbye\r\nFrom: %s;tag=x1\r\nTo: %s\r\nCall-ID: "
		 "%s\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n",
		 site_header(&invite, "To"), site_header(&invite, "From"),
		 site_header(&invite, "Call-ID"));
	site_message(&t, &t.outside, bye);
	expect_told("SIP/2.0 480 ");
	/* The re-INVITE is out, and accepted: the one who was referred is brought back to where it was. */
	ports_rec_clear(&t.rec);
	site_answer(&t, &join, 200, NULL, NULL, SDP_T);
	turn();
	turn();
	struct rec_send back = *site_find(&t, "INVITE ");
	EXPECT_TRUE(!site_has(&back, "application/sdp"));
	ports_rec_clear(&t.rec);
	site_answer(&t, &back, 200, NULL, NULL, SDP_T);
	settle();
	EXPECT_TRUE(site_has(site_find(&t, "ACK "), "c=IN IP4 203.0.113.200"));
	expect_talking();
	expect_over(2);
	finish();
}

static void who_is_referred_does_not_want_to_and_the_target_is_told_bye(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	struct rec_send invite = referred(NULL);
	struct rec_send join = target_answers(&invite);
	ports_rec_clear(&t.rec);
	site_answer(&t, &join, 488, NULL, NULL, NULL);
	expect_told("SIP/2.0 488 Not Acceptable Here");
	EXPECT_INT(site_count(&t, "ACK sip:bob@198.51.100.7"), 1); /* RFC 3261 §13.2.2.4 */
	EXPECT_INT(site_count(&t, "BYE sip:bob@198.51.100.7"), 1);
	expect_talking();
	expect_over(2);
	finish();
}

static void glare_on_the_way_to_joining_is_tried_again(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	struct rec_send invite = referred(NULL);
	struct rec_send join = target_answers(&invite);
	site_answer(&t, &join, 491, NULL, NULL, NULL);
	ports_rec_clear(&t.rec);
	site_tick(&t, 4100);
	const struct rec_send *again = site_find(&t, "INVITE ");
	EXPECT_TRUE(again != NULL);
	join = *again;
	site_answer(&t, &join, 200, NULL, NULL, SDP_T);
	expect_told("SIP/2.0 200 OK");
	expect_over(2);
	finish();
}

static void a_second_refer_while_one_is_under_way_gets_491(void **state)
{
	(void)state;
	start_with(REFER_LOCAL, REFER_LOCAL);
	struct rec_send invite = referred(NULL);
	for (unsigned side = 0; side < 2; side++) {
		refer(side, side ? TARGET : "sip:+49407@203.0.113.1", NULL);
		EXPECT_SENT(&t, 0, "SIP/2.0 491 Request Pending");
	}
	site_answer(&t, &invite, 486, "x1", NULL, NULL);
	settle();
	/* The next one says which it is (RFC 3515 §2.4.6). */
	ports_rec_clear(&t.rec);
	unsigned cseq = k.cseq[CALLEE];
	invite = referred(NULL);
	char want[40];
	snprintf(want, sizeof(want), "Event: refer;id=%u\r\n", cseq);
	EXPECT_TRUE(site_has(site_find(&t, "NOTIFY "), want));
	site_answer(&t, &invite, 486, "x1", NULL, NULL);
	expect_talking();
	expect_over(3);
	finish();
}

static void a_target_that_forks_is_joined_by_the_branch_that_answers(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	struct rec_send invite = referred(NULL);
	site_answer(&t, &invite, 180, "x7", NULL, NULL);
	site_answer(&t, &invite, 183, "x8", NULL, NULL);
	struct rec_send join = target_answers(&invite);
	ports_rec_clear(&t.rec);
	site_answer(&t, &invite, 200, "x8", NULL, SDP_TARGET);
	EXPECT_INT(site_count(&t, "BYE "), 1); /* the other branch's 200 */
	EXPECT_TRUE(site_has(site_find(&t, "BYE "), ";tag=x8"));
	site_answer(&t, &join, 200, NULL, NULL, SDP_T);
	expect_told("SIP/2.0 200 OK");
	settle();
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLER, "INFO", NULL, NULL);
	EXPECT_TRUE(site_has(site_find(&t, "INFO sip:"), ";tag=x1"));
	answer_ok(site_find(&t, "INFO sip:"));
	expect_over(2);
	finish();
}

static void on_hold_the_transfer_brings_the_media_back(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	site_say(&t, &k, CALLEE, "INVITE", NULL,
		 SITE_SDP("pbx", "2", "10.0.0.21", "m=audio 30000 RTP/AVP 0\r\na=sendonly\r\n"));
	site_relay(&t, SITE_SDP_RELAY "a=sendonly\r\n");
	struct rec_send hold = *site_find(&t, "INVITE ");
	site_answer(&t, &hold, 200, NULL, NULL, SDP_T "a=recvonly\r\n");
	site_relay(&t, SITE_SDP_RELAY "a=recvonly\r\n");
	k.last[CALLEE] = *site_find(&t, "SIP/2.0 200");
	site_ack(&t, &k, CALLEE, NULL);
	k.last[CALLEE] = *site_find(&t, "SIP/2.0 200");
	ports_rec_clear(&t.rec);
	struct rec_send invite = referred(NULL);
	site_answer(&t, &invite, 200, "x1", NULL, SDP_TARGET);
	site_relay(&t, SITE_SDP_RELAY);
	turn();
	struct rec_send join = *site_find(&t, "INVITE ");
	EXPECT_TRUE(!site_has(&join, "a=sendonly") && !site_has(&join, "a=recvonly"));
	site_answer(&t, &join, 200, NULL, NULL, SDP_T);
	expect_told("SIP/2.0 200 OK");
	expect_over(2);
	finish();
}

static void the_referrer_may_end_its_subscription(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	struct rec_send invite = referred(NULL);
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLEE, "SUBSCRIBE", "Event: presence\r\nExpires: 60\r\n", NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 489");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Allow-Events: refer"));
	site_say(&t, &k, CALLEE, "SUBSCRIBE", "Event: refer\r\nExpires: 0\r\n", NULL);
	EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 200"), "Expires: 0\r\n"));
	expect_told("SIP/2.0 100 Trying");
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLEE, "SUBSCRIBE", "Event: refer\r\nExpires: 60\r\n", NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 481");
	site_answer(&t, &invite, 486, "x1", NULL, NULL);
	EXPECT_INT(site_count(&t, "NOTIFY "), 0);
	/* A NOTIFY of no subscription. */
	site_say(&t, &k, CALLER, "NOTIFY",
		 "Event: refer\r\nSubscription-State: active;expires=60\r\n", NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 481");
	expect_talking();
	expect_over(2);
	finish();
}

static void a_party_goes_through_so_many_transfers_and_no_more(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	site_the_call(&t)->transfers = TRANSFER_DEPTH_MAX;
	refer(CALLEE, TARGET, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 603");
	EXPECT_Z(str_from(t.rec.rule), "refer-depth");
	expect_talking();
	expect_over(1);
	finish();
}

static void the_end_of_the_daemon_in_the_midst_of_a_transfer_ends_all(void **state)
{
	(void)state;
	/* The target rings; its offer is with the relay; the one who is referred has it. */
	for (unsigned stage = 0; stage < 3; stage++) {
		bool joining = stage > 0;
		start_with(REFER_REJECT, REFER_LOCAL);
		struct rec_send invite = referred(NULL);
		if (stage == 1)
			site_answer(&t, &invite, 200, "x1", NULL, SDP_TARGET);
		else if (stage == 2)
			target_answers(&invite);
		site_event(&t, &(struct event){.type = EVENT_STOP});
		if (!joining)
			site_answer(&t, &invite, 487, "x1", NULL, NULL);
		settle();
		EXPECT_INT(counts().calls, 0);
		site_expect_empty(&t, 2);
		EXPECT_INT(t.sbc->transfers.used, 0);
		finish();
	}
}

static void a_target_that_wants_an_early_offer_gets_ours(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	t.trunks[SITE_CARRIER].habits.initial_offer = OFFER_POLICY_EARLY;
	refer(CALLEE, TARGET, NULL);
	EXPECT_INT(site_count(&t, "INVITE "), 0);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send invite = *site_find(&t, "INVITE ");
	EXPECT_TRUE(site_has(&invite, "c=IN IP4 203.0.113.200"));
	site_answer(&t, &invite, 200, "x1", NULL, SDP_TARGET);
	for (int i = 0; i < 2; i++)
		site_relay(&t, SITE_SDP_RELAY);
	turn();
	struct rec_send join = *site_find(&t, "INVITE sip:alice@198.51.100.7");
	EXPECT_TRUE(site_has(&join, "c=IN IP4 203.0.113.200"));
	ports_rec_clear(&t.rec);
	site_answer(&t, &join, 200, NULL, NULL, SDP_T);
	expect_told("SIP/2.0 200 OK");
	settle();
	EXPECT_INT(counts().calls, 1);
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLER, "INFO", NULL, NULL);
	EXPECT_TRUE(site_has(site_find(&t, "INFO sip:"), ";tag=x1"));
	answer_ok(site_find(&t, "INFO sip:"));
	expect_over(2);
	finish();
}

static void without_a_relay_the_two_have_each_others_media(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_PBX].habits.refer = REFER_LOCAL;
	t.realms[SITE_OUTSIDE].anchor_media = t.realms[SITE_INSIDE].anchor_media = false;
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	struct rec_send first = *site_find(&t, "INVITE ");
	site_answer(&t, &first, 200, "b1", NULL, SITE_SDP_IN);
	memset(&k, 0, sizeof(k));
	k.last[CALLEE] = *site_find(&t, "ACK ");
	k.last[CALLER] = *site_find(&t, "SIP/2.0 200 OK");
	site_in_dialog(&t, &t.outside, &k.last[CALLER], "ACK", 7, NULL, NULL);
	k.cseq[CALLER] = 8;
	k.cseq[CALLEE] = 1;
	ports_rec_clear(&t.rec);
	struct rec_send invite = referred(NULL);
	site_answer(&t, &invite, 200, "x1", NULL, SDP_TARGET);
	turn();
	struct rec_send join = *site_find(&t, "INVITE sip:alice@198.51.100.7");
	EXPECT_TRUE(site_has(&join, "m=audio 22000 "));
	ports_rec_clear(&t.rec);
	site_answer(&t, &join, 200, NULL, NULL, SDP_T);
	EXPECT_TRUE(site_has(&t.rec.sends[0], "ACK ") || site_find(&t, "ACK "));
	bool got = false;
	for (size_t i = 0; i < t.rec.send_count; i++)
		got = got || (site_is(&t.rec.sends[i], "ACK ") &&
			      site_has(&t.rec.sends[i], "m=audio 20000 "));
	EXPECT_TRUE(got);
	EXPECT_INT(t.rec.relay_count, 0);
	expect_over(2);
	finish();
}

static void who_was_transferred_can_be_transferred_again(void **state)
{
	(void)state;
	start_with(REFER_LOCAL, REFER_LOCAL);
	struct rec_send invite = referred(NULL);
	struct rec_send join = target_answers(&invite);
	site_answer(&t, &join, 200, NULL, NULL, SDP_T);
	settle();
	ports_rec_clear(&t.rec);
	/* Now the target refers it on, to the PBX. */
	char text[1200];
	snprintf(text, sizeof(text),
		 "REFER sip:x@203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
		 "198.51.100.7;branch=z9hG4bKagain\r\nFrom: %s;tag=x1\r\nTo: %s\r\nCall-ID: "
		 "%s\r\nCSeq: 5 REFER\r\nContact: <sip:x@198.51.100.7>\r\n"
		 "Refer-To: <sip:+4930111@203.0.113.1>\r\nContent-Length: 0\r\n\r\n",
		 site_header(&invite, "To"), site_header(&invite, "From"),
		 site_header(&invite, "Call-ID"));
	site_message(&t, &t.outside, text);
	EXPECT_INT(site_count(&t, "SIP/2.0 202"), 1);
	struct rec_send third = *site_find(&t, "INVITE ");
	EXPECT_TRUE(site_is(&third, "INVITE sip:+4930111@10.0.0.21"));
	EXPECT_TRUE(!site_has(&third, "198.51.100"));
	site_answer(&t, &third, 200, "z1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	turn();
	join = *site_find(&t, "INVITE sip:bob@198.51.100.7");
	ports_rec_clear(&t.rec);
	site_answer(&t, &join, 200, NULL, NULL, SDP_T);
	expect_told("SIP/2.0 200 OK");
	EXPECT_TRUE(site_has(site_find(&t, "BYE "), ";tag=x1"));
	settle();
	EXPECT_INT(counts().calls, 1);
	/* Its tag still names the first of the three calls. */
	site_tick(&t, 2 * CALL_LINGER_MS);
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLER, "INFO", NULL, NULL);
	EXPECT_TRUE(site_has(site_find(&t, "INFO sip:"), ";tag=z1"));
	answer_ok(site_find(&t, "INFO sip:"));
	expect_over(3);
	finish();
}

static void a_reload_in_between_finds_the_trunk_by_its_name(void **state)
{
	(void)state;
	static struct settings later;
	static struct listener listeners[SITE_LISTENERS];

	for (unsigned gone = 0; gone < 2; gone++) {
		start_with(REFER_REJECT, REFER_LOCAL);
		later = t.set;
		later.generation = 2;
		for (size_t i = 0; i < SITE_LISTENERS; i++) /* in another order */
			listeners[SITE_LISTENERS - 1 - i] = t.listeners[i];
		if (gone) /* what the caller's leg came on is there no more */
			listeners[SITE_LISTENERS - 1 - SITE_LISTEN_OUT_UDP].local.port = 5099;
		later.listeners = listeners;
		site_event(&t, &(struct event){.type = EVENT_SETTINGS, .settings = &later});
		refer(CALLEE, TARGET, NULL);
		if (gone) {
			expect_told("SIP/2.0 503 Service Unavailable");
		} else {
			struct rec_send invite = *site_find(&t, "INVITE ");
			struct rec_send join = target_answers(&invite);
			EXPECT_INT(join.dest.flow.listener, SITE_LISTEN_OUT_UDP);
			site_answer(&t, &join, 200, NULL, NULL, SDP_T);
			settle();
			ports_rec_clear(&t.rec);
			struct flow f = t.outside;
			f.listener = SITE_LISTENERS - 1 - SITE_LISTEN_OUT_UDP;
			t.outside = f;
			site_say(&t, &k, CALLER, "INFO", NULL, NULL);
			const struct rec_send *info = site_find(&t, "INFO sip:");
			EXPECT_TRUE(info && site_has(info, ";tag=x1"));
			if (info)
				answer_ok(info);
		}
		expect_over(gone ? 1 : 2);
		finish();
	}
}

static void who_hid_its_number_hides_it_from_the_target(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	struct call *c = site_the_call(&t);
	EXPECT_ERR(dialog_set(&c->leg[1].dialog, DIALOG_LOCAL,
			      STR("<sip:anonymous@anonymous.invalid>")),
		   OK);
	struct rec_send invite = referred(NULL);
	EXPECT_TRUE(site_has(&invite, "anonymous.invalid") && !site_has(&invite, "+49171"));
	finish();
}

static void transfers_are_offered_where_they_are_done(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum refer_policy carrier, pbx;
		bool refer[2], notify[2], replaces[2]; /* told to the carrier; to the PBX */
	} rows[] = {
		{"nobody may",
		 REFER_REJECT,
		 REFER_REJECT,
		 {false, false},
		 {false, false},
		 {false, false}},
		{"the PBX, and we do it",
		 REFER_REJECT,
		 REFER_LOCAL,
		 {false, true},
		 {false, false},
		 {false, true}},
		{"the PBX, and the carrier is asked",
		 REFER_REJECT,
		 REFER_PASS,
		 {false, true},
		 {true, false},
		 {true, true}},
	};

	CHECK_TABLE(row, rows)
	{
		start_with(row->carrier, row->pbx);
		for (unsigned side = 0; side < 2; side++) {
			const struct rec_send *m = side ? &k.invite : &k.ok;
			EXPECT_TRUE((strstr(site_header(m, "Allow"), "REFER") != NULL) ==
				    row->refer[side]);
			EXPECT_TRUE((strstr(site_header(m, "Allow"), "NOTIFY") != NULL) ==
				    row->notify[side]);
			EXPECT_TRUE(site_has(m, "Supported: replaces\r\n") == row->replaces[side]);
		}
		finish();
	}
}

static void in_an_early_dialog_no_one_refers(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum refer_policy policy;
		int status;
	} rows[] = {
		{"by policy", REFER_REJECT, 603},
		{"we would do it", REFER_LOCAL, 491},
		{"the other side would be asked", REFER_PASS, 491},
	};

	CHECK_TABLE(row, rows)
	{
		char want[32];
		site_init(&t);
		t.trunks[SITE_PBX].habits.refer = row->policy;
		site_start(&t);
		site_invite(&t, SITE_PBX, "1", NULL, SITE_SDP_IN);
		site_relay(&t, SITE_SDP_RELAY);
		struct rec_send invite = *site_find(&t, "INVITE ");
		site_answer(&t, &invite, 180, "x1", NULL, NULL);
		struct rec_send ringing = *site_find(&t, "SIP/2.0 180");
		ports_rec_clear(&t.rec);
		site_in_dialog(&t, &t.inside, &ringing, "REFER", 8,
			       "Refer-To: <sip:+49407@10.0.0.1>\r\n", NULL);
		snprintf(want, sizeof(want), "SIP/2.0 %d ", row->status);
		EXPECT_INT(site_sent_count(&t), 1);
		EXPECT_TRUE(site_is(site_sent(&t, 0), want));
		finish();
	}
}

static void the_target_says_nothing_to_the_other_before_both_have_agreed(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	struct rec_send invite = referred(NULL);
	site_answer(&t, &invite, 180, "x1", NULL, NULL);
	ports_rec_clear(&t.rec);
	char info[1024];
	snprintf(info, sizeof(info),
		 "INFO sip:x@203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
		 "198.51.100.7;branch=z9hG4bKi\r\nFrom: %s;tag=x1\r\nTo: %s\r\nCall-ID: "
		 "%s\r\nCSeq: 2 INFO\r\nContent-Length: 0\r\n\r\n",
		 site_header(&invite, "To"), site_header(&invite, "From"),
		 site_header(&invite, "Call-ID"));
	site_message(&t, &t.outside, info);
	EXPECT_INT(site_sent_count(&t), 1);
	EXPECT_SENT(&t, 0, "SIP/2.0 500");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Retry-After: "));
	site_answer(&t, &invite, 486, "x1", NULL, NULL);
	expect_talking();
	expect_over(2);
	finish();
}

static void the_session_id_follows_who_is_spoken_to(void **state)
{
	(void)state;
	static const char t_id[] = "00000000000000000000000000000001",
			  r_id[] = "00000000000000000000000000000002",
			  x_id[] = "00000000000000000000000000000003";
	char line[160];

	for (unsigned fails = 0; fails < 2; fails++) {
		site_init(&t);
		t.trunks[SITE_PBX].habits.refer = REFER_LOCAL;
		site_start(&t);
		char of_t[100], of_r[100];
		snprintf(of_t, sizeof(of_t),
			 "Session-ID: %s;remote=00000000000000000000000000000000\r\n", t_id);
		snprintf(of_r, sizeof(of_r), "Session-ID: %s;remote=%s\r\n", r_id, t_id);
		site_establish(&t, &k, of_t, of_r);
		struct rec_send invite = referred(NULL);
		snprintf(line, sizeof(line), "Session-ID: %s;remote=", t_id);
		EXPECT_TRUE(site_has(&invite, line));
		snprintf(line, sizeof(line), "Session-ID: %s;remote=%s\r\n", x_id, t_id);
		site_answer(&t, &invite, 200, "x1", line, SDP_TARGET);
		site_relay(&t, SITE_SDP_RELAY);
		turn();
		struct rec_send join = *site_find(&t, "INVITE ");
		EXPECT_TRUE(site_has(&join, line));
		ports_rec_clear(&t.rec);
		site_answer(&t, &join, fails ? 488 : 200, NULL, NULL, fails ? NULL : SDP_T);
		settle();
		ports_rec_clear(&t.rec);
		site_say(&t, &k, CALLER, "INFO", NULL, NULL);
		answer_ok(site_find(&t, "INFO sip:"));
		snprintf(line, sizeof(line), "Session-ID: %s;remote=%s\r\n", fails ? r_id : x_id,
			 t_id);
		EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 200"), line));
		expect_over(2);
		finish();
	}
}

/* ---- passed on */

static void a_refer_that_is_passed_points_at_us_and_its_notifies_come_back(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_PASS);
	refer(CALLEE, "sip:+4940777@10.0.0.99:5070;user=phone?Subject=x",
	      "Referred-By: <sip:+4930555@10.0.0.21>\r\n");
	struct rec_send passed = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&passed, "REFER sip:alice@198.51.100.7"));
	EXPECT_TRUE(site_has(&passed, "Refer-To: <sip:+4940777@203.0.113.1:5060>\r\n"));
	EXPECT_TRUE(site_header(&passed, "Contact")[0] == '<');
	EXPECT_TRUE(!site_has(&passed, "10.0.0."));
	ports_rec_clear(&t.rec);
	site_answer(&t, &passed, 202, NULL, NULL, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 202 Accepted");
	EXPECT_TRUE(site_header(site_sent(&t, 0), "Contact")[0] == '<');
	char notify[1024];
	snprintf(notify, sizeof(notify),
		 "NOTIFY sip:x@203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
		 "198.51.100.7;branch=z9hG4bKn\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\n"
		 "CSeq: %u NOTIFY\r\nEvent: refer;id=7\r\nSubscription-State: "
		 "terminated;reason=noresource\r\nContact: <sip:x@198.51.100.7>\r\n"
		 "Content-Type: message/sipfrag\r\nContent-Length: 63\r\n\r\n"
		 "SIP/2.0 200 Canary\r\nContact: <sip:secret@198.51.100.77:5060>\r\n\r\n",
		 site_header(&passed, "To"), site_header(&passed, "From"),
		 site_header(&passed, "Call-ID"), k.cseq[CALLER]++);
	site_message(&t, &t.outside, notify);
	struct rec_send back = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&back, "NOTIFY sip:bob@10.0.0.21"));
	EXPECT_TRUE(site_has(&back, "Event: refer\r\n"));
	EXPECT_TRUE(site_has(&back, "Subscription-State: terminated;reason=noresource\r\n"));
	EXPECT_TRUE(site_has(&back, "\r\n\r\nSIP/2.0 200 OK\r\n"));
	EXPECT_TRUE(!site_has(&back, "198.51.100") && !site_has(&back, "Canary"));
	answer_ok(&back);
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	/* The subscription is over: there are no more of them. */
	site_say(&t, &k, CALLER, "NOTIFY", "Event: refer\r\nSubscription-State: active\r\n", NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 481");
	expect_talking();
	expect_over(1);
	finish();
}

static void a_refer_that_is_refused_there_leaves_no_subscription(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_PASS);
	refer(CALLEE, TARGET, NULL);
	struct rec_send passed = *site_sent(&t, 0);
	site_answer(&t, &passed, 405, NULL, NULL, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 405");
	site_say(&t, &k, CALLER, "NOTIFY", "Event: refer\r\nSubscription-State: active\r\n", NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 481");
	expect_talking();
	expect_over(1);
	finish();
}

/* ---- with Replaces */

static struct rec_send second_ok, second_invite;

/* The PBX calls the carrier: the one who shall be spoken to. */
static void second_call(void)
{
	site_invite(&t, SITE_PBX, "2", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	second_invite = *site_find(&t, "INVITE ");
	site_answer(&t, &second_invite, 200, "x2", NULL, SDP_TARGET);
	site_relay(&t, SITE_SDP_RELAY);
	second_ok = *site_find(&t, "SIP/2.0 200");
	site_in_dialog(&t, &t.inside, &second_ok, "ACK", 7, NULL, NULL);
	ports_rec_clear(&t.rec);
}

static const char *tag_of(const char *value)
{
	const char *at = strstr(value, ";tag=");

	return at ? at + 5 : "none";
}

/* The dialog of `m`, a 200 of ours, as its peer names it. */
static const char *replaces_of(const struct rec_send *m, bool escaped, const char *more)
{
	static char out[2][1024];
	static unsigned which;
	char *o = out[which++ % 2];

	snprintf(o, sizeof(out[0]),
		 escaped ? "%s%%3Bto-tag%%3D%s%%3Bfrom-tag%%3D%s%s" : "%s;to-tag=%s;from-tag=%s%s",
		 site_header(m, "Call-ID"), tag_of(site_header(m, "To")),
		 tag_of(site_header(m, "From")), more);
	for (char *p = o; escaped && (p = strchr(p, '@')) != NULL;) {
		memmove(p + 3, p + 1, strlen(p + 1) + 1);
		memcpy(p, "%40", 3);
	}
	return o;
}

static void refer_to_second(const char *more)
{
	char to[2048];

	snprintf(to, sizeof(to), "sip:+4940777@10.0.0.1?Replaces=%s&Route=%%3Csip:evil%%3E",
		 replaces_of(&second_ok, true, more));
	refer(CALLEE, to, NULL);
}

/* The relay hears who both parties were until now: its numbers towards them go on. */
static void expect_continued(void)
{
	static const char *const was[] = {"14:from-continuesd7:call-id",
					  "12:to-continuesd7:call-id"};
	const struct rec_ask *offer = &t.rec.relays[t.rec.relay_count - 1];
	EXPECT_TRUE(strcmp(offer->command, "offer") == 0);
	for (size_t i = 0; i < ARRAY_LEN(was); i++)
		EXPECT_TRUE(strstr(offer->text, was[i]) != NULL);
	EXPECT_TRUE(strstr(offer->text, "3:tag6:callee") != NULL);
	EXPECT_TRUE(strstr(offer->text, "3:tag6:caller") != NULL);
}

static void an_attended_transfer_joins_the_two_far_parties(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	second_call();
	refer_to_second("");
	EXPECT_INT(site_count(&t, "SIP/2.0 202"), 1);
	turn();
	struct rec_send far = *site_find(&t, "INVITE ");
	EXPECT_TRUE(site_is(&far, "INVITE sip:bob@198.51.100.7"));
	EXPECT_TRUE(site_has(&far, ";tag=x2"));
	EXPECT_TRUE(!site_has(&far, "application/sdp") && !site_has(&far, "Replaces:") &&
		    !site_has(&far, "evil"));
	ports_rec_clear(&t.rec);
	site_answer(&t, &far, 200, NULL, NULL, SDP_TARGET);
	EXPECT_INT(site_count(&t, "ACK "), 0);
	expect_continued();
	site_relay(&t, SITE_SDP_RELAY);
	turn();
	struct rec_send near = *site_find(&t, "INVITE ");
	EXPECT_TRUE(site_is(&near, "INVITE sip:alice@198.51.100.7"));
	EXPECT_TRUE(site_has(&near, "c=IN IP4 203.0.113.200"));
	EXPECT_INT(site_count(&t, "BYE "), 0);
	ports_rec_clear(&t.rec);
	site_answer(&t, &near, 200, NULL, NULL, SDP_T);
	expect_told("SIP/2.0 200 OK");
	EXPECT_INT(site_count(&t, "BYE sip:bob@10.0.0.21"), 1);
	EXPECT_INT(site_count(&t, "BYE sip:alice@10.0.0.21"), 1);
	EXPECT_INT(site_count(&t, "BYE "), 2);
	/* No INVITE has gone out: none has ended. */
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ATTEMPT], 2);
	EXPECT_INT(t.rec.notices[NOTICE_ATTEMPT_ENDED], 2);
	settle();
	struct rec_send ack = *site_find(&t, "ACK ");
	EXPECT_INT(counts().calls, 1);
	EXPECT_INT(counts().calls_confirmed, 1);
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ENDED], 2);
	(void)ack;
	/* Both speak by the tags that they have had from the beginning. */
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLER, "INFO", NULL, NULL);
	EXPECT_TRUE(site_has(site_find(&t, "INFO sip:"), ";tag=x2"));
	answer_ok(site_find(&t, "INFO sip:"));
	char bye[1024];
	snprintf(bye, sizeof(bye),
		 "BYE sip:x@203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
		 "198.51.100.7;branch=z9hG4bKbye2\r\nFrom: %s\r\nTo: %s\r\nCall-ID: "
		 "%s\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n",
		 site_header(&far, "To"), site_header(&far, "From"), site_header(&far, "Call-ID"));
	ports_rec_clear(&t.rec);
	site_message(&t, &t.outside, bye);
	EXPECT_INT(site_count(&t, "SIP/2.0 200"), 1);
	EXPECT_INT(site_count(&t, "BYE sip:"), 1);
	settle();
	EXPECT_INT(counts().calls, 0);
	expect_over(3);
	finish();
}

static void a_replaces_that_cannot_be_followed_is_told_in_the_notify(void **state)
{
	(void)state;
	static const struct {
		const char *name, *more;
		bool stale;
		const char *told;
	} rows[] = {
		{"a dialog that we do not have", "x", false, "SIP/2.0 481 "},
		{"only an early one was meant", "%3Bearly-only", false, "SIP/2.0 486 Busy Here"},
		{"a dialog that has ended", "", true, "SIP/2.0 481 "},
	};

	CHECK_TABLE(row, rows)
	{
		start_with(REFER_REJECT, REFER_LOCAL);
		second_call();
		if (row->stale) {
			site_in_dialog(&t, &t.inside, &second_ok, "BYE", 8, NULL, NULL);
			settle();
		}
		ports_rec_clear(&t.rec);
		refer_to_second(row->more);
		EXPECT_INT(site_count(&t, "SIP/2.0 202"), 1);
		EXPECT_INT(site_count(&t, "INVITE "), 0);
		expect_told(row->told);
		settle();
		if (!row->stale)
			site_in_dialog(&t, &t.inside, &second_ok, "BYE", 8, NULL, NULL);
		expect_talking();
		expect_over(3);
		finish();
	}
}

static void an_attended_transfer_that_fails_gives_both_calls_back(void **state)
{
	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		start_with(REFER_REJECT, REFER_LOCAL);
		second_call();
		refer_to_second("");
		turn();
		struct rec_send far = *site_find(&t, "INVITE ");
		ports_rec_clear(&t.rec);
		if (!late) {
			site_answer(&t, &far, 488, NULL, NULL, NULL);
		} else {
			site_answer(&t, &far, 200, NULL, NULL, SDP_TARGET);
			site_relay(&t, SITE_SDP_RELAY);
			turn();
			struct rec_send near = *site_find(&t, "INVITE ");
			ports_rec_clear(&t.rec);
			site_answer(&t, &near, 488, NULL, NULL, NULL);
		}
		expect_told("SIP/2.0 488 Not Acceptable Here");
		settle();
		EXPECT_INT(site_count(&t, "BYE "), 0);
		EXPECT_INT(counts().calls, 2);
		if (late) /* its offer has the answer of the old session */
			EXPECT_TRUE(site_has(site_find(&t, "ACK sip:bob@198.51.100.7"),
					     "c=IN IP4 203.0.113.200"));
		/* The second call is as it was, too. */
		ports_rec_clear(&t.rec);
		site_in_dialog(&t, &t.inside, &second_ok, "INFO", 8, NULL, NULL);
		EXPECT_TRUE(site_has(site_find(&t, "INFO sip:"), ";tag=x2"));
		answer_ok(site_find(&t, "INFO sip:"));
		ports_rec_clear(&t.rec);
		site_in_dialog(&t, &t.inside, &second_ok, "BYE", 9, NULL, NULL);
		EXPECT_TRUE(site_has(site_find(&t, "BYE sip:"), ";tag=x2"));
		expect_talking();
		expect_over(3);
		finish();
	}
}

/* An INVITE of the PBX with Replaces for the first call's dialog towards it. */
static void invite_replaces(const char *replaces, const char *sdp)
{
	char extra[1200];

	snprintf(extra, sizeof(extra), "Replaces: %s\r\nRequire: replaces\r\n", replaces);
	site_invite(&t, SITE_PBX, "3", extra, sdp);
}

static const char *callee_dialog(const char *more)
{
	static char out[1024];

	/* By its own view: to-tag is ours, from-tag its own. */
	snprintf(out, sizeof(out), "%s;to-tag=%s;from-tag=%s%s", site_header(&k.invite, "Call-ID"),
		 tag_of(site_header(&k.invite, "From")), "b1", more);
	return out;
}

static void an_invite_with_replaces_takes_the_place_of_the_dialog(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	invite_replaces(callee_dialog(""), SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	turn();
	struct rec_send far = *site_find(&t, "INVITE ");
	EXPECT_TRUE(site_is(&far, "INVITE sip:alice@198.51.100.7"));
	EXPECT_TRUE(site_has(&far, "c=IN IP4 203.0.113.200") && !site_has(&far, "Replaces"));
	EXPECT_INT(site_count(&t, "BYE "), 0);
	ports_rec_clear(&t.rec);
	site_answer(&t, &far, 200, NULL, NULL, SDP_T);
	EXPECT_INT(site_count(&t, "ACK "), 1);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_find(&t, "SIP/2.0 200");
	EXPECT_TRUE(site_has(&ok, "c=IN IP4 203.0.113.200"));
	EXPECT_INT(site_count(&t, "BYE sip:bob@10.0.0.21"), 1);
	site_in_dialog(&t, &t.inside, &ok, "ACK", 7, NULL, NULL);
	settle();
	EXPECT_INT(counts().calls, 1);
	EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"transferred\""));
	ports_rec_clear(&t.rec);
	site_say(&t, &k, CALLER, "BYE", NULL, NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "BYE sip:alice@10.0.0.21"));
	expect_over(2);
	finish();
}

static void an_invite_with_replaces_without_an_offer_gets_the_others(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	invite_replaces(callee_dialog(""), NULL);
	turn();
	struct rec_send far = *site_find(&t, "INVITE ");
	EXPECT_TRUE(!site_has(&far, "application/sdp"));
	ports_rec_clear(&t.rec);
	site_answer(&t, &far, 200, NULL, NULL, SDP_T);
	EXPECT_INT(site_count(&t, "ACK "), 0);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_find(&t, "SIP/2.0 200");
	EXPECT_TRUE(site_has(&ok, "c=IN IP4 203.0.113.200"));
	site_in_dialog(&t, &t.inside, &ok, "ACK", 7, NULL, SITE_SDP_IN);
	settle();
	EXPECT_TRUE(site_has(site_find(&t, "ACK "), "c=IN IP4 203.0.113.200"));
	EXPECT_INT(counts().calls, 1);
	expect_over(2);
	finish();
}

static void an_invite_with_a_replaces_that_is_not_its_own_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *replaces, *more;
		enum refer_policy policy;
		int status;
	} rows[] = {
		{"no such dialog", "x@y;to-tag=1;from-tag=2", NULL, REFER_LOCAL, 481},
		{"a tag of ours in another dialog", NULL, "9", REFER_LOCAL, 481},
		{"early-only, and it is confirmed", NULL, ";early-only", REFER_LOCAL, 486},
		{"unreadable", "x", NULL, REFER_LOCAL, 400},
		{"a trunk that may not transfer", NULL, "", REFER_REJECT, 403},
	};

	CHECK_TABLE(row, rows)
	{
		char want[32];
		start_with(REFER_REJECT, row->policy);
		invite_replaces(row->replaces ? row->replaces : callee_dialog(row->more),
				SITE_SDP_IN);
		snprintf(want, sizeof(want), "SIP/2.0 %d ", row->status);
		EXPECT_INT(site_count(&t, want), 1);
		EXPECT_INT(site_count(&t, "INVITE "), 0);
		EXPECT_INT(t.rec.notices[NOTICE_REFUSED], 1);
		expect_talking();
		expect_over(2);
		finish();
	}
	/* The dialog of another trunk's peer, named rightly (threats C7). */
	start_with(REFER_LOCAL, REFER_LOCAL);
	invite_replaces(replaces_of(&k.ok, false, ""), SITE_SDP_IN);
	EXPECT_INT(site_count(&t, "SIP/2.0 403 "), 1);
	EXPECT_INT(site_count(&t, "INVITE "), 0);
	expect_talking();
	expect_over(2);
	finish();
}

static void cancel_of_an_invite_with_replaces_gives_the_call_back(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_LOCAL);
	invite_replaces(callee_dialog(""), SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	turn();
	struct rec_send far = *site_find(&t, "INVITE ");
	ports_rec_clear(&t.rec);
	site_cancel(&t, SITE_PBX, "3");
	EXPECT_INT(site_count(&t, "SIP/2.0 487"), 1);
	/* The re-INVITE was out: what it has changed is changed back. */
	site_answer(&t, &far, 200, NULL, NULL, SDP_T);
	turn();
	turn();
	struct rec_send back = *site_find(&t, "INVITE ");
	EXPECT_TRUE(!site_has(&back, "application/sdp"));
	site_answer(&t, &back, 200, NULL, NULL, SDP_T);
	expect_talking();
	expect_over(2);
	finish();
}

static void a_passed_refer_names_the_dialog_by_a_handle_that_only_its_trunk_may_use(void **state)
{
	(void)state;
	start_with(REFER_REJECT, REFER_PASS);
	second_call();
	refer_to_second("");
	struct rec_send passed = *site_find(&t, "REFER ");
	const char *at = strstr(passed.bytes, "?Replaces=");
	EXPECT_TRUE(at != NULL);
	EXPECT_TRUE(!site_has(&passed, "10.0.0.") && !site_has(&passed, "call-2") &&
		    !site_has(&passed, "x2") &&
		    !site_has(&passed, tag_of(site_header(&second_ok, "To"))));
	char mem[REFER_REPLACES_MAX], value[1024];
	struct refer_to to;
	snprintf(value, sizeof(value), "%s", site_header(&passed, "Refer-To"));
	EXPECT_ERR(refer_to_parse(str_from(value), mem, &to), OK);
	EXPECT_TRUE(to.has_replaces);
	site_answer(&t, &passed, 202, NULL, NULL, NULL);
	char extra[1024];
	struct buf b;
	buf_init(&b, extra, sizeof(extra));
	buf_lit(&b, "Replaces: ");
	refer_replaces_write(&b, &to.replaces);
	buf_lit(&b, "\r\n");
	buf_char(&b, 0);
	/* In the wrong hands it is worth nothing. */
	ports_rec_clear(&t.rec);
	site_invite(&t, SITE_PBX, "8", extra, SITE_SDP_IN);
	EXPECT_INT(site_count(&t, "SIP/2.0 481"), 1);
	settle();
	ports_rec_clear(&t.rec);
	site_invite(&t, SITE_CARRIER, "9", extra, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	turn();
	struct rec_send far = *site_find(&t, "INVITE ");
	EXPECT_TRUE(site_has(&far, ";tag=x2"));
	site_answer(&t, &far, 200, NULL, NULL, SDP_TARGET);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_find(&t, "SIP/2.0 200");
	EXPECT_INT(site_count(&t, "BYE sip:alice@10.0.0.21"), 1);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	settle();
	EXPECT_INT(counts().calls, 2);
	site_in_dialog(&t, &t.outside, &ok, "BYE", 8, NULL, NULL);
	expect_over(4);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blind_transfer_joins_the_target_and_ends_the_referrers_leg),
		cmocka_unit_test(a_trunk_that_may_not_transfer_gets_603_and_talks_on),
		cmocka_unit_test(a_refer_outside_of_a_dialog_is_refused_with_its_rule),
		cmocka_unit_test(what_a_refer_may_not_say_is_refused),
		cmocka_unit_test(refer_sub_false_gets_no_notify_at_all),
		cmocka_unit_test(a_target_that_refuses_leaves_the_call_and_the_referrer_hears_why),
		cmocka_unit_test(the_target_goes_by_the_same_policy_as_a_call_of_the_referrer),
		cmocka_unit_test(referred_by_crosses_as_a_number_where_the_rules_name_it),
		cmocka_unit_test(a_referrer_that_hangs_up_at_once_does_not_end_the_transfer),
		cmocka_unit_test(if_it_has_hung_up_and_the_target_refuses_the_other_is_told_bye),
		cmocka_unit_test(who_is_referred_hangs_up_and_the_target_is_cancelled),
		cmocka_unit_test(
			a_target_that_hangs_up_before_the_other_has_agreed_leaves_the_call),
		cmocka_unit_test(who_is_referred_does_not_want_to_and_the_target_is_told_bye),
		cmocka_unit_test(glare_on_the_way_to_joining_is_tried_again),
		cmocka_unit_test(a_second_refer_while_one_is_under_way_gets_491),
		cmocka_unit_test(a_target_that_forks_is_joined_by_the_branch_that_answers),
		cmocka_unit_test(on_hold_the_transfer_brings_the_media_back),
		cmocka_unit_test(the_referrer_may_end_its_subscription),
		cmocka_unit_test(a_party_goes_through_so_many_transfers_and_no_more),
		cmocka_unit_test(the_end_of_the_daemon_in_the_midst_of_a_transfer_ends_all),
		cmocka_unit_test(a_target_that_wants_an_early_offer_gets_ours),
		cmocka_unit_test(without_a_relay_the_two_have_each_others_media),
		cmocka_unit_test(who_was_transferred_can_be_transferred_again),
		cmocka_unit_test(a_reload_in_between_finds_the_trunk_by_its_name),
		cmocka_unit_test(who_hid_its_number_hides_it_from_the_target),
		cmocka_unit_test(transfers_are_offered_where_they_are_done),
		cmocka_unit_test(in_an_early_dialog_no_one_refers),
		cmocka_unit_test(the_target_says_nothing_to_the_other_before_both_have_agreed),
		cmocka_unit_test(the_session_id_follows_who_is_spoken_to),
		cmocka_unit_test(a_refer_that_is_passed_points_at_us_and_its_notifies_come_back),
		cmocka_unit_test(a_refer_that_is_refused_there_leaves_no_subscription),
		cmocka_unit_test(an_attended_transfer_joins_the_two_far_parties),
		cmocka_unit_test(a_replaces_that_cannot_be_followed_is_told_in_the_notify),
		cmocka_unit_test(an_attended_transfer_that_fails_gives_both_calls_back),
		cmocka_unit_test(an_invite_with_replaces_takes_the_place_of_the_dialog),
		cmocka_unit_test(an_invite_with_replaces_without_an_offer_gets_the_others),
		cmocka_unit_test(an_invite_with_a_replaces_that_is_not_its_own_is_refused),
		cmocka_unit_test(cancel_of_an_invite_with_replaces_gives_the_call_back),
		cmocka_unit_test(
			a_passed_refer_names_the_dialog_by_a_handle_that_only_its_trunk_may_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
