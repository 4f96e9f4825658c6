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
	site_relay(&t, SITE_SDP_RELAY);
	turn();
	struct rec_send join = *site_find(&t, "INVITE ");
	EXPECT_TRUE(site_is(&join, "INVITE sip:alice@198.51.100.7"));
	EXPECT_TRUE(site_has(&join, "c=IN IP4 203.0.113.200"));
	EXPECT_INT(site_count(&t, "BYE "), 0);
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
	EXPECT_TRUE(site_cdr_has(&t, "\"ended_by\":\"callee\",\"cause\":\"transferred\""));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blind_transfer_joins_the_target_and_ends_the_referrers_leg),
	};

	(void)referred;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
