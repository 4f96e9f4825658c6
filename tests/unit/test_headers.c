/* What of a message crosses, as scripts over the whole core: identities, privacy, diversions, Session-ID, Reason, numbers, bodies. */
#include <stdio.h>
#include <stdlib.h>

#include "policy/pattern.h"
#include "sbc/core/method.h"
#include "tests/support/check.h"
#include "tests/support/site.h"

static struct site t;

static void finish(void)
{
	site_stop(&t);
}

/* The INVITE that the other side gets for an INVITE of `trunk`. */
static struct rec_send passed(unsigned trunk, const char *extra)
{
	site_invite(&t, trunk, "1", extra, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	return *site_sent(&t, 0);
}

/* The callee answers, the caller confirms. Out: the 200 as the caller has it. */
static struct rec_send answered(const struct rec_send *invite, unsigned trunk, const char *extra)
{
	site_answer(&t, invite, 200, "b1", extra, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_sent(&t, 0);
	site_in_dialog(&t, trunk == SITE_CARRIER ? &t.outside : &t.inside, &ok, "ACK", 7, NULL,
		       NULL);
	return ok;
}

static void trust(unsigned trunk, enum caller_trusted trusted)
{
	t.trunks[trunk].caller.trusted = trusted;
}

#define IDENTITIES                                                                                 \
	"P-Asserted-Identity: \"Canary\" <sip:+4938@canary.example>\r\n"                           \
	"P-Preferred-Identity: <sip:+4931@canary.example>\r\n"                                     \
	"Remote-Party-ID: <sip:+4932@canary.example>;party=calling\r\n"                            \
	"Diversion: <sip:+4933@canary.example>;reason=user-busy;counter=1\r\n"                     \
	"History-Info: <sip:+4934@canary.example>;index=1, "                                       \
	"<sip:+4935@canary.example;cause=302>;index=1.1\r\n"                                       \
	"Identity: canary\r\n"                                                                     \
	"Referred-By: <sip:+4936@canary.example>\r\n"

static bool has_any(const struct rec_send *m)
{
	static const char *const pieces[] = {"anary", "+4938", "+4931", "+4932",
					     "+4933", "+4934", "+4936"};
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
		if (site_has(m, pieces[i]))
			return true;
	return false;
}

/* Item 81, threats C12. */
static void identities_of_a_stranger_are_not_believed(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_CARRIER].caller.assert = CALLER_ASSERT_FROM; /* has no say without trust */
	site_start(&t);
	struct rec_send invite = passed(SITE_CARRIER, IDENTITIES);
	EXPECT_TRUE(site_is(&invite, "INVITE "));
	EXPECT_TRUE(!has_any(&invite));
	EXPECT_TRUE(!site_has(&invite, "P-Asserted-Identity"));
	finish();
}

static void identities_of_ours_are_not_shown_to_a_stranger(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_PBX].caller.assert = CALLER_ASSERT_FROM;
	site_start(&t);
	struct rec_send invite = passed(SITE_PBX, IDENTITIES);
	EXPECT_TRUE(site_is(&invite, "INVITE sip:+4930555@198.51.100.7"));
	EXPECT_TRUE(!has_any(&invite));
	EXPECT_TRUE(!site_has(&invite, "P-Asserted-Identity"));
	finish();
}

static void an_identity_crosses_between_trusted_sides_without_its_host(void **state)
{
	(void)state;
	site_init(&t);
	trust(SITE_CARRIER, CALLER_TRUST_YES);
	site_start(&t);
	struct rec_send invite =
		passed(SITE_PBX, "P-Asserted-Identity: \"A\" <sip:+4930@canary.example>\r\n"
				 "P-Preferred-Identity: <sip:+4931@canary.example>\r\n");
	EXPECT_Z(str_from(site_header(&invite, "P-Asserted-Identity")),
		 "\"A\" <sip:+4930@203.0.113.1>");
	EXPECT_TRUE(!site_has(&invite, "canary") && !site_has(&invite, "+4931"));
	/* The callee's own, in its answer, too. */
	struct rec_send ok =
		answered(&invite, SITE_PBX, "P-Asserted-Identity: <sip:+4940@callee.example>\r\n");
	EXPECT_Z(str_from(site_header(&ok, "P-Asserted-Identity")), "<sip:+4940@10.0.0.1>");
	finish();
}

static void a_preferred_identity_is_asserted_by_policy(void **state)
{
	(void)state;
	site_init(&t);
	trust(SITE_CARRIER, CALLER_TRUST_YES);
	t.trunks[SITE_PBX].caller.assert = CALLER_ASSERT_PREFERRED;
	site_start(&t);
	struct rec_send invite =
		passed(SITE_PBX, "P-Preferred-Identity: <sip:+4931@canary.example>\r\n");
	EXPECT_Z(str_from(site_header(&invite, "P-Asserted-Identity")), "<sip:+4931@203.0.113.1>");
	EXPECT_TRUE(!site_has(&invite, "P-Preferred"));
	finish();
}

/* Item 82. */
static void a_caller_who_wants_privacy_is_nobody_to_a_stranger(void **state)
{
	(void)state;
	static const char *const wishes[] = {"id", "user", "header", "id;critical",
					     "USER ; header"};
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		char lines[1024];
		site_init(&t);
		t.trunks[SITE_CARRIER].caller.diversion = DIVERSION_DIVERSION;
		site_start(&t);
		(void)snprintf(lines, sizeof(lines),
			       IDENTITIES
			       "Privacy: %s\r\nSubject: from Alice Canary\r\n"
			       "Organization: Canary\r\nCall-Info: <http://canary.example>\r\n",
			       wishes[i]);
		(void)check_row(wishes[i]);
		struct rec_send invite = passed(SITE_PBX, lines);
		EXPECT_TRUE(str_has_prefix(
			str_from(site_header(&invite, "From")),
			STR("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=")));
		EXPECT_TRUE(!has_any(&invite));
		EXPECT_TRUE(!site_has(&invite, "Alice") && !site_has(&invite, "+49171") &&
			    !site_has(&invite, "10.0.0.") && !site_has(&invite, "Privacy"));
		EXPECT_TRUE(str_has_prefix(str_from(site_header(&invite, "Contact")),
					   STR("<sip:203.0.113.1")));
		/* Nor later: the dialog has no other name for it. */
		struct rec_send ok = answered(&invite, SITE_PBX, NULL);
		ports_rec_clear(&t.rec);
		site_in_dialog(&t, &t.inside, &ok, "BYE", 8, "Privacy: id\r\n", NULL);
		EXPECT_TRUE(site_is(site_sent(&t, 0), "BYE "));
		EXPECT_TRUE(site_has(site_sent(&t, 0), "From: \"Anonymous\" "));
		EXPECT_TRUE(!site_has(site_sent(&t, 0), "+49171"));
		site_relay(&t, NULL);
		finish();
	}
}

static void a_trusted_side_hears_who_it_is_and_that_it_is_private(void **state)
{
	(void)state;
	site_init(&t);
	trust(SITE_CARRIER, CALLER_TRUST_YES);
	site_start(&t);
	struct rec_send invite =
		passed(SITE_PBX, "P-Asserted-Identity: <sip:+4930@x>\r\nPrivacy: user;id\r\n");
	EXPECT_Z(str_from(site_header(&invite, "P-Asserted-Identity")), "<sip:+4930@203.0.113.1>");
	EXPECT_Z(str_from(site_header(&invite, "Privacy")), "id");
	EXPECT_TRUE(site_has(&invite, "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>"));
	finish();
}

static void privacy_that_is_critical_and_cannot_be_had_is_refused(void **state)
{
	(void)state;
	site_init(&t);
	site_start(&t);
	site_invite(&t, SITE_PBX, "1", "Privacy: x-new;critical\r\n", SITE_SDP_IN);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 500 Privacy Cannot Be Provided"));
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ENDED], 1);
	finish();
}

/* Item 84. */
static void diversions_go_in_the_form_that_the_trunk_wants(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_CARRIER].caller.diversion = DIVERSION_HISTORY_INFO;
	site_start(&t);
	struct rec_send invite =
		passed(SITE_PBX, "Diversion: <sip:+492@pbx.canary>;reason=user-busy;counter=1\r\n"
				 "Diversion: <sip:+491@pbx.canary>;reason=no-answer;counter=1\r\n");
	EXPECT_Z(str_from(site_header(&invite, "History-Info")),
		 "<sip:+491@203.0.113.1>;index=1, <sip:+492@203.0.113.1;cause=408>;index=1.1, "
		 "<sip:+4930555@203.0.113.1;cause=486>;index=1.1.1");
	EXPECT_TRUE(!site_has(&invite, "canary") && !site_has(&invite, "Diversion:"));
	finish();
}

/* ---- Session-ID (item 85) */

#define UUID_A "ab30317f1a784dc48ff824d0d3715d86"
#define UUID_B "47755a9de7794ba387653f2099600ef2"
#define UUID_C "0123456789abcdef0123456789abcdef"
#define NIL    "00000000000000000000000000000000"

static void a_session_id_names_both_sides_through_the_whole_call(void **state)
{
	(void)state;
	site_init(&t);
	site_start(&t);
	struct rec_send invite = passed(SITE_CARRIER, "Session-ID: " UUID_A ";remote=" NIL "\r\n");
	EXPECT_Z(str_from(site_header(&invite, "Session-ID")), UUID_A ";remote=" NIL);
	site_answer(&t, &invite, 200, "b1", "Session-ID: " UUID_B ";remote=" UUID_A "\r\n",
		    SITE_SDP_IN);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "ACK "));
	struct rec_send ack = *site_sent(&t, 0);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_sent(&t, 0);
	EXPECT_Z(str_from(site_header(&ok, "Session-ID")), UUID_B ";remote=" UUID_A);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	/* The callee's side was moved: the caller hears of its new party. */
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.inside, &ack, "UPDATE", 1,
		       "Session-ID: " UUID_C ";remote=" UUID_A "\r\n", NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "UPDATE "));
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Session-ID")), UUID_C ";remote=" UUID_A);
	site_answer(&t, site_sent(&t, 0), 200, NULL, "Session-ID: " UUID_A ";remote=" UUID_C "\r\n",
		    NULL);
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.outside, &ok, "BYE", 8, NULL, NULL);
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Session-ID")), UUID_A ";remote=" UUID_C);
	site_relay(&t, NULL);
	finish();
}

static void a_side_without_a_session_id_goes_by_one_of_ours(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_PBX].caller.session_id = SESSION_ID_MAKE;
	site_start(&t);
	struct rec_send invite = passed(SITE_CARRIER, NULL);
	const char *made = site_header(&invite, "Session-ID");
	EXPECT_INT(strlen(made), 32 + 8 + 32);
	EXPECT_TRUE(strstr(made, ";remote=" NIL) != NULL && strncmp(made, NIL, 32) != 0);
	finish();
	site_init(&t);
	site_start(&t);
	invite = passed(SITE_CARRIER, "Session-ID: " UUID_A ";remote=" NIL "\r\n");
	struct rec_send ok = answered(&invite, SITE_CARRIER, NULL); /* the callee knows of none */
	made = site_header(&ok, "Session-ID");
	EXPECT_TRUE(strlen(made) == 72 && strncmp(made, NIL, 32) != 0);
	EXPECT_TRUE(strstr(made, ";remote=" UUID_A) != NULL);
	finish();
	site_init(&t);
	t.trunks[SITE_PBX].caller.session_id = SESSION_ID_OFF;
	site_start(&t);
	invite = passed(SITE_CARRIER, "Session-ID: " UUID_A ";remote=" NIL "\r\n");
	EXPECT_TRUE(!site_has(&invite, "Session-ID"));
	finish();
	site_init(&t);
	site_start(&t);
	invite = passed(SITE_CARRIER, NULL); /* nobody speaks of it: nothing is said */
	EXPECT_TRUE(!site_has(&invite, "Session-ID"));
	finish();
}

/* ---- Reason (item 37) */

static void a_cancel_takes_its_reason_along_without_the_text(void **state)
{
	(void)state;
	site_init(&t);
	site_start(&t);
	struct rec_send invite = passed(SITE_CARRIER, NULL);
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	ports_rec_clear(&t.rec);
	site_cancel(&t, SITE_CARRIER, "1");
	bool found = false;
	for (size_t i = 0; i < site_sent_count(&t); i++)
		if (site_is(site_sent(&t, i), "CANCEL ")) {
			found = true;
			EXPECT_Z(str_from(site_header(site_sent(&t, i), "Reason")),
				 "SIP;cause=200;text=\"Call completed elsewhere\"");
		}
	EXPECT_TRUE(found);
	site_relay(&t, NULL);
	finish();
}

static void a_bye_takes_its_reason_along_and_we_give_one_of_our_own(void **state)
{
	(void)state;
	site_init(&t);
	site_start(&t);
	struct rec_send invite = passed(SITE_CARRIER, NULL);
	struct rec_send ok = answered(&invite, SITE_CARRIER, NULL);
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.outside, &ok, "BYE", 8,
		       "Reason: Q.850;cause=31;text=\"canary.pbx\", SIP;cause=480\r\n", NULL);
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Reason")),
		 "Q.850;cause=31, SIP;cause=480");
	site_relay(&t, NULL);
	finish();
	/* No ACK: both sides hear that it was a timer, in both languages. */
	site_init(&t);
	site_start(&t);
	invite = passed(SITE_CARRIER, NULL);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	ports_rec_clear(&t.rec);
	site_tick(&t, 33000);
	unsigned byes = 0;
	for (size_t i = 0; i < site_sent_count(&t); i++)
		if (site_is(site_sent(&t, i), "BYE ")) {
			byes++;
			EXPECT_Z(str_from(site_header(site_sent(&t, i), "Reason")),
				 "SIP;cause=408, Q.850;cause=102");
		}
	EXPECT_TRUE(byes >= 2);
	site_relay(&t, NULL);
	finish();
}

static void a_branch_that_lost_hears_that_another_has_answered(void **state)
{
	(void)state;
	site_init(&t);
	site_start(&t);
	struct rec_send invite = passed(SITE_CARRIER, NULL);
	(void)answered(&invite, SITE_CARRIER, NULL);
	ports_rec_clear(&t.rec);
	site_answer(&t, &invite, 200, "b2", NULL, SITE_SDP_IN);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "BYE "));
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Reason")),
		 "SIP;cause=200;text=\"Call completed elsewhere\"");
	site_stop(&t);
}

/* ---- outside of calls */

static void a_message_is_of_nobody_where_its_sender_wants_that(void **state)
{
	(void)state;
	for (int private = 0; private < 2; private ++) {
		char text[2048];
		site_init(&t);
		t.trunks[SITE_PBX].habits.methods = t.trunks[SITE_CARRIER].habits.methods =
			1u << METHOD_MESSAGE;
		site_start(&t);
		(void)snprintf(
			text, sizeof(text),
			"MESSAGE sip:+4930555@10.0.0.1 SIP/2.0\r\n"
			"Via: SIP/2.0/UDP 10.0.0.21;branch=z9hG4bK-m;rport\r\n"
			"Max-Forwards: 70\r\nFrom: \"Alice\" <sip:+49171@10.0.0.21>;tag=m\r\n"
			"To: <sip:+4930555@10.0.0.1>\r\nCall-ID: m-%d\r\nCSeq: 1 MESSAGE\r\n"
			"%s" IDENTITIES "Content-Type: text/plain\r\nContent-Length: "
			"2\r\n\r\nhi",
			private, private ? "Privacy: id\r\n" : "");
		site_message(&t, &t.inside, text);
		const struct rec_send *m = site_sent(&t, 0);
		EXPECT_TRUE(site_is(m, "MESSAGE sip:+4930555@198.51.100.7"));
		EXPECT_TRUE(!has_any(m));
		EXPECT_INT(site_has(m, "From: \"Alice\" <sip:+49171@203.0.113.1>"), !private);
		EXPECT_INT(site_has(m, "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>"),
			   private);
		finish();
	}
}

/* ---- numbers */

static char pattern_mem[1 << 17];
static struct arena pattern_arena;

static const struct route_pattern *compile(const char *text)
{
	const struct route_pattern *p = NULL;
	char why[100];
	struct buf b;

	buf_init(&b, why, sizeof(why));
	EXPECT_ERR(pattern_compile(&pattern_arena, str_from(text), &p, &b), OK);
	return p;
}

static void numbers_are_canonical_within_and_each_sides_own_outside(void **state)
{
	(void)state;
	enum { F = 1 << NUMBER_FROM, T = 1 << NUMBER_TO, A = 1 << NUMBER_ASSERTED };
	arena_init(&pattern_arena, pattern_mem, sizeof(pattern_mem));
	const struct number_rule in[] = {
		{.match = compile("^\\+49(\\d+)$"), .to = STR("0049\\1"), .fields = F | T | A}};
	const struct number_rule out[] = {
		{.match = compile("^0049(\\d+)$"), .to = STR("0\\1"), .fields = F | T},
		{.match = compile("^0049(\\d+)$"), .to = STR("+49\\1"), .fields = A}};
	const struct number_rules rules_in = {STR("in"), in, 1}, rules_out = {STR("out"), out, 2};
	site_init(&t);
	trust(SITE_CARRIER, CALLER_TRUST_YES);
	t.trunks[SITE_PBX].caller.numbers_in = &rules_in;
	t.trunks[SITE_CARRIER].caller.numbers_out = &rules_out;
	/* The route sees the canonical number alone. */
	t.routes[SITE_PBX].numbers[0] = compile("^004930555$");
	t.routes[SITE_PBX].number_count = 1;
	site_start(&t);
	struct rec_send invite = passed(SITE_PBX, "P-Asserted-Identity: <sip:+4930@x>\r\n");
	EXPECT_TRUE(site_is(&invite, "INVITE sip:030555@198.51.100.7"));
	EXPECT_TRUE(site_has(&invite, "To: <sip:030555@198.51.100.7>"));
	EXPECT_TRUE(site_has(&invite, "From: \"Alice\" <sip:0171@203.0.113.1>"));
	EXPECT_TRUE(site_has(&invite, "Contact: <sip:0171@203.0.113.1"));
	EXPECT_Z(str_from(site_header(&invite, "P-Asserted-Identity")), "<sip:+4930@203.0.113.1>");
	struct rec_send ok = answered(&invite, SITE_PBX, NULL);
	EXPECT_TRUE(site_has(&ok, "Contact: <sip:+4930555@10.0.0.1")); /* as it was dialled */
	site_in_dialog(&t, &t.inside, &ok, "BYE", 8, NULL, NULL);
	site_relay(&t, NULL);
	t.rec.cdr[t.rec.cdr_len] = 0;
	EXPECT_TRUE(strstr(t.rec.cdr, "\"004930555\"") != NULL);
	EXPECT_TRUE(strstr(t.rec.cdr, "\"number_as_dialled\":\"+4930555\"") != NULL);
	EXPECT_TRUE(strstr(t.rec.cdr, "\"number_as_sent\":\"030555\"") != NULL);
	finish();
}

/* ---- bodies (item 24, and 100 for recordings) */

static struct str pidf[] = {{"application/pidf+xml", 20}, {"application/rs-metadata+xml", 27}};

static void name_bodies(void)
{
	for (int i = 0; i < SITE_REALMS; i++) {
		t.realms[i].bodies = pidf;
		t.realms[i].body_count = 2;
	}
}

static const char pidf_part[] = "--bb\r\nContent-Type: application/pidf+xml\r\n"
				"Content-Disposition: render%s\r\n\r\n<presence/>\r\n";
static const char meta_part[] = "--bb\r\nContent-Type: application/rs-metadata+xml\r\n"
				"Content-Disposition: recording-session\r\n\r\n<recording/>\r\n";

/* An INVITE of the carrier with a multipart; *out: what the core sent last. */
static void invite_with(const char *extra, const char *sdp, const char *rest)
{
	static char text[8192], body[4096];

	(void)snprintf(body, sizeof(body),
		       "--bb\r\nContent-Type: application/sdp\r\n\r\n%s\r\n%s--bb--\r\n", sdp,
		       rest);
	(void)snprintf(
		text, sizeof(text),
		"INVITE sip:+4930555@203.0.113.1 SIP/2.0\r\n"
		"Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK-1;rport\r\nMax-Forwards: 70\r\n"
		"From: \"Alice\" <sip:+49171@198.51.100.7>;tag=a-1\r\n"
		"To: <sip:+4930555@203.0.113.1>\r\nCall-ID: call-1\r\nCSeq: 7 INVITE\r\n"
		"Contact: <sip:alice@198.51.100.7>\r\n%s"
		"Content-Type: multipart/mixed;boundary=bb\r\nContent-Length: %zu\r\n\r\n%s",
		extra, strlen(body), body);
	site_message(&t, &t.outside, text);
}

static void sdp_in_a_multipart_works_and_other_parts_cross_only_by_name(void **state)
{
	(void)state;
	char part[512];
	for (int named = 0; named < 2; named++)
		for (int optional = 0; optional < 2; optional++) {
			site_init(&t);
			if (named)
				name_bodies();
			site_start(&t);
			(void)snprintf(part, sizeof(part), pidf_part,
				       optional ? ";handling=optional" : "");
			invite_with("", SITE_SDP_OUT, part);
			if (!named && !optional) { /* it must be understood, and is not */
				EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 415 "));
				EXPECT_TRUE(
					site_has(site_sent(&t, 0), "Accept: application/sdp, "));
				EXPECT_INT(t.rec.notices[NOTICE_CALL_ENDED], 1);
				finish();
				continue;
			}
			EXPECT_INT(t.rec.relay_count, 1);
			EXPECT_TRUE(strstr(t.rec.relays[0].text, "m=audio 20000") != NULL);
			site_relay(&t, SITE_SDP_RELAY);
			struct rec_send invite = *site_sent(&t, 0);
			EXPECT_TRUE(site_is(&invite, "INVITE "));
			EXPECT_TRUE(site_has(&invite, "c=IN IP4 203.0.113.200"));
			EXPECT_TRUE(!site_has(&invite, "198.51.100.7"));
			EXPECT_INT(site_has(&invite, "<presence/>"), named);
			EXPECT_INT(str_has_prefix(str_from(site_header(&invite, "Content-Type")),
						  STR("multipart/mixed;boundary=")),
				   named);
			if (!named)
				EXPECT_Z(str_from(site_header(&invite, "Content-Type")),
					 "application/sdp");
			/* An answer in a multipart is an answer. */
			struct rec_send ok = answered(&invite, SITE_CARRIER, NULL);
			EXPECT_TRUE(site_is(&ok, "SIP/2.0 200 "));
			finish();
		}
}

static void a_broken_multipart_gets_400_and_one_beyond_the_bounds_415(void **state)
{
	(void)state;
	static char many[4096];
	static const struct {
		const char *name, *rest, *want;
	} rows[] = {
		{"a part without an end of its headers", "--bb\r\nX: 1\r\n", "SIP/2.0 400 "},
		{"a part with a broken header", "--bb\r\nnonsense\r\n\r\nx\r\n", "SIP/2.0 400 "},
		{"seventeen parts", many, "SIP/2.0 415 "},
		{"a third level",
		 "--bb\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\nContent-Type: "
		 "multipart/mixed;boundary=d\r\n\r\n--d\r\n\r\nx\r\n--d--\r\n--c--\r\n",
		 "SIP/2.0 415 "},
	};
	struct buf b;
	buf_init(&b, many, sizeof(many) - 1);
	for (int i = 0; i < 16; i++)
		buf_lit(&b, "--bb\r\nContent-Disposition: x;handling=optional\r\n\r\nx\r\n");
	many[b.len] = 0;
	CHECK_TABLE(row, rows)
	{
		site_init(&t);
		site_start(&t);
		invite_with("", SITE_SDP_OUT, row->rest);
		EXPECT_TRUE(site_is(site_sent(&t, 0), row->want));
		/* And it still serves. */
		ports_rec_clear(&t.rec);
		site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
		site_relay(&t, SITE_SDP_RELAY);
		EXPECT_TRUE(site_is(site_sent(&t, 0), "INVITE "));
		finish();
	}
}

#define LABELLED SITE_SDP_OUT "a=sendonly\r\na=label:96\r\n"

static void a_recording_keeps_its_metadata_labels_and_require(void **state)
{
	(void)state;
	site_init(&t);
	site_start(&t);
	invite_with("Require: siprec\r\n", LABELLED, meta_part);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 420 ")); /* not where no realm lets it in */
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Unsupported: siprec"));
	finish();
	site_init(&t);
	name_bodies();
	site_start(&t);
	invite_with("Require: siprec\r\n", LABELLED, meta_part);
	site_relay(&t, SITE_SDP_RELAY "a=label:96\r\n");
	struct rec_send invite = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&invite, "INVITE "));
	EXPECT_TRUE(site_has(&invite, "Require: siprec\r\n"));
	EXPECT_TRUE(site_has(&invite, "a=label:96\r\n"));
	EXPECT_TRUE(site_has(&invite, "Content-Type: application/rs-metadata+xml\r\n"
				      "Content-Disposition: recording-session;handling=required\r\n"
				      "\r\n<recording/>\r\n"));
	finish();
	/* In a call that is no recording a label is of no use to anyone. */
	site_init(&t);
	name_bodies();
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, LABELLED);
	site_relay(&t, SITE_SDP_RELAY "a=label:96\r\n");
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "a=label"));
	finish();
}

/* ---- topology (item 83, threats C16) and control octets (A5) */

static void nothing_of_the_inside_stands_in_any_header_outside(void **state)
{
	(void)state;
	static const char *const lines =
		"Call-Info: <http://canary.inside>\r\nAlert-Info: <http://canary.inside>\r\n"
		"Organization: canary\r\nReply-To: <sip:a@canary.inside>\r\n"
		"Error-Info: <sip:canary.inside>\r\nIn-Reply-To: 1@canary.inside\r\n"
		"Warning: 399 canary.inside \"canary\"\r\nServer: canary\r\n"
		"Record-Route: <sip:canary.inside;lr>\r\nGeolocation: <cid:canary>\r\n"
		"P-Charging-Vector: icid-value=canary\r\nP-Access-Network-Info: canary\r\n"
		"X-Canary: canary\r\nReason: Q.850;cause=16;text=\"canary.inside\"\r\n"
		"Retry-After: 3 (canary.inside)\r\n" IDENTITIES;
	for (int wide = 0; wide < 2; wide++) { /* by default, and where the carrier is trusted */
		site_init(&t);
		if (wide)
			trust(SITE_CARRIER, CALLER_TRUST_YES);
		site_start(&t);
		struct rec_send invite = passed(SITE_PBX, lines);
		EXPECT_TRUE(site_is(&invite, "INVITE "));
		EXPECT_TRUE(!site_has(&invite, "anary.") && !site_has(&invite, "canary") &&
			    !site_has(&invite, "10.0.0."));
		site_stop(&t);
		static const int statuses[] = {180, 183, 200, 302, 404, 486, 488, 500, 503, 603};
		for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
			site_init(&t);
			if (wide)
				trust(SITE_CARRIER, CALLER_TRUST_YES);
			site_start(&t);
			invite = passed(SITE_CARRIER, NULL);
			size_t before = site_sent_count(&t);
			site_answer(&t, &invite, statuses[i], "b1", lines,
				    statuses[i] == 200 ? SITE_SDP_IN : NULL);
			if (statuses[i] == 200)
				site_relay(&t, SITE_SDP_RELAY);
			for (size_t k = 0; k < site_sent_count(&t) - before; k++) {
				const struct rec_send *m = site_sent(&t, k);
				if (m->dest.flow.listener == SITE_LISTEN_OUT_UDP)
					EXPECT_TRUE(!site_has(m, "canary") &&
						    !site_has(m, "10.0.0."));
			}
			site_stop(&t);
		}
	}
}

/* Threats A5: each control octet, in each header that an edit or a copy may carry on. */
static void no_control_octet_becomes_a_line_of_its_own(void **state)
{
	(void)state;
	/* '~': the octet; '^': its two digits. */
	static const char *const fields[] = {"Subject: \"a\\~X-Evil: 1\"\r\n",
					     "Subject: a~X-Evil: 1\r\n",
					     "P-Asserted-Identity: \"a\\~X-Evil: 1\" <sip:1@x>\r\n",
					     "P-Asserted-Identity: <sip:1%^X-Evil@x>\r\n",
					     "Diversion: <sip:1%^X-Evil@x>;reason=user-busy\r\n",
					     "Session-ID: " UUID_A "~X-Evil: 1\r\n",
					     "Reason: Q.850;cause=16;text=\"\\~X-Evil\"\r\n",
					     "Privacy: id~X-Evil: 1\r\n"};
	for (size_t f = 0; f < ARRAY_LEN(fields); f++)
		for (int c = 1; c < 128; c = c == 31 ? 127 : c + 1) {
			char lines[256];
			site_init(&t);
			trust(SITE_CARRIER, CALLER_TRUST_YES);
			site_start(&t);
			struct buf b;
			buf_init(&b, lines, sizeof(lines));
			for (const char *p = fields[f]; *p; p++)
				if (*p == '^')
					buf_hex(&b, &(uint8_t){(uint8_t)c}, 1);
				else
					buf_char(&b, *p == '~' ? (char)c : *p);
			buf_char(&b, 0);
			site_invite(&t, SITE_PBX, "1", lines, SITE_SDP_IN);
			if (t.rec.relay_count > 0)
				site_relay(&t, SITE_SDP_RELAY);
			for (size_t k = 0; k < site_sent_count(&t); k++) {
				const struct rec_send *m = site_sent(&t, k);
				EXPECT_TRUE(!site_has(m, "\nX-Evil") && !site_has(m, "\rX-Evil"));
				for (const char *p = m->bytes; site_is(m, "INVITE") && *p; p++)
					EXPECT_TRUE((*p >= ' ' && *p != 127) || *p == '\r' ||
						    *p == '\n' || *p == '\t');
			}
			site_stop(&t);
		}
}

#define TEST(f) cmocka_unit_test(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identities_of_a_stranger_are_not_believed),
		TEST(identities_of_ours_are_not_shown_to_a_stranger),
		TEST(an_identity_crosses_between_trusted_sides_without_its_host),
		TEST(a_preferred_identity_is_asserted_by_policy),
		TEST(a_caller_who_wants_privacy_is_nobody_to_a_stranger),
		TEST(a_trusted_side_hears_who_it_is_and_that_it_is_private),
		TEST(privacy_that_is_critical_and_cannot_be_had_is_refused),
		TEST(diversions_go_in_the_form_that_the_trunk_wants),
		TEST(a_session_id_names_both_sides_through_the_whole_call),
		TEST(a_side_without_a_session_id_goes_by_one_of_ours),
		TEST(a_cancel_takes_its_reason_along_without_the_text),
		TEST(a_bye_takes_its_reason_along_and_we_give_one_of_our_own),
		TEST(a_branch_that_lost_hears_that_another_has_answered),
		TEST(a_message_is_of_nobody_where_its_sender_wants_that),
		TEST(numbers_are_canonical_within_and_each_sides_own_outside),
		TEST(sdp_in_a_multipart_works_and_other_parts_cross_only_by_name),
		TEST(a_broken_multipart_gets_400_and_one_beyond_the_bounds_415),
		TEST(a_recording_keeps_its_metadata_labels_and_require),
		TEST(nothing_of_the_inside_stands_in_any_header_outside),
		TEST(no_control_octet_becomes_a_line_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
