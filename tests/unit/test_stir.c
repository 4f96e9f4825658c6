/* STIR/SHAKEN through the core: what is signed is verified before policy decides, what goes out is signed. */
#include <stdio.h>
#include <stdlib.h>

#include "policy/attest.h"
#include "sbc/core/credential.h"
#include "sbc/core/passport.h"
#include "tests/support/check.h"
#include "tests/support/site_call.h"
#include "tests/support/stir.h"

enum { FROM_CARRIER = SITE_CARRIER };
#define CALLER "49171"
#define CALLED "4930555"
#define NOW_S  1700000000u

static struct site t;
static struct es256_key *signer, *stranger;
static struct attest_policy policy;
static struct credential_list list;
static struct attest_number owned[] = {{STR("49171"), true}};
static const struct str carry[] = {{"Identity", 8}, {"Subject", 7}, {"P-Asserted-Identity", 19}};

static void init(void)
{
	site_init(&t);
	policy = (struct attest_policy){.name = STR("strict")};
	for (unsigned i = FACTS_FAULT_INVALID; i < FACTS_FAULT_COUNT; i++)
		policy.on_fault[i] =
			(struct attest_action){true, attest_status((enum facts_fault)i)};
	t.trunk_rules[SITE_CARRIER].attest = &policy;
	t.set.verifier = (struct identity_verifier){
		.on = true, .max_age_ms = 60000, .fetch_timeout_ms = 800};
	list = (struct credential_list){.given = false};
}

static void start(void)
{
	site_start(&t);
}

static void finish(size_t cdrs)
{
	site_expect_empty(&t, cdrs);
	site_stop(&t);
}

/* The wall clock of the site, in seconds. */
static uint64_t wall_s(void)
{
	return NOW_S + t.now_ms / 1000;
}

static void shaken(char *out, size_t cap, const struct es256_key *key, const char *from,
		   const char *to, uint64_t iat, char attest)
{
	struct buf b;

	buf_init(&b, out, cap - 1);
	buf_lit(&b, "Identity: ");
	stir_write_shaken(&b, key, from, to, iat, attest);
	buf_lit(&b, "\r\n");
	CHECK(!b.overflow);
	out[b.len] = '\0';
}

static void led_on(char *out, size_t cap, const char *from, const char *to, const char *was)
{
	struct buf b;
	char payload[512];

	snprintf(payload, sizeof(payload),
		 "{\"dest\":{\"tn\":[\"%s\"]},\"div\":{\"tn\":\"%s\"},\"iat\":%llu,\"orig\":{"
		 "\"tn\":\"%s\"}}",
		 to, was, (unsigned long long)wall_s(), from);
	buf_init(&b, out, cap - 1);
	buf_lit(&b, "Identity: ");
	stir_write_identity(&b, signer,
			    "{\"alg\":\"ES256\",\"ppt\":\"div\",\"typ\":\"passport\",\"x5u\":"
			    "\"" STIR_URL "\"}",
			    payload, ";ppt=div");
	buf_lit(&b, "\r\n");
	out[b.len] = '\0';
}

static void answer(enum credential_result r)
{
	struct credential k = {
		.key = signer, .from_s = NOW_S - 1000, .to_s = NOW_S + 100000, .list = &list};
	struct event e = {.type = EVENT_CREDENTIAL};

	CHECK(t.rec.credential_count > 0);
	e.credential.id = t.rec.credentials[t.rec.credential_count - 1].id;
	e.credential.result = r;
	e.credential.credential = r == CREDENTIAL_OK ? &k : NULL;
	site_event(&t, &e);
}

/* The caller hangs up, whatever the call is doing. */
static void hang_up(void)
{
	if (site_count(&t, "INVITE ")) {
		site_answer(&t, site_find(&t, "INVITE "), 486, "b", NULL, NULL);
		site_tick(&t, 40000);
	}
}

static void a_signature_that_holds_lets_the_call_go_on_and_says_so_inside(void **state)
{
	(void)state;
	char identity[2048];

	init();
	start();
	shaken(identity, sizeof(identity), signer, CALLER, CALLED, wall_s(), 'A');
	site_invite(&t, FROM_CARRIER, "1", identity, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 100");
	EXPECT_INT(t.rec.credential_count, 1);
	EXPECT_Z(str_from(t.rec.credentials[0].text), STIR_URL);
	answer(CREDENTIAL_OK);
	const struct rec_send *m = site_find(&t, "INVITE ");
	assert_non_null(m);
	EXPECT_TRUE(site_has(m, "sip:+49171;verstat=TN-Validation-Passed@10.0.0.1;user=phone>"));
	EXPECT_TRUE(!site_has(m, "Identity:"));
	EXPECT_INT(t.rec.notices[NOTICE_IDENTITY], 1);
	hang_up();
	EXPECT_TRUE(site_cdr_has(&t, "\"identity\":{\"verstat\":\"passed\",\"attest\":\"A\","
				     "\"origid\":\"123e4567-e89b-12d3-a456-426655440000\"}"));
	finish(1);
}

static void each_fault_has_its_status(void **state)
{
	(void)state;
	enum { AS_IS, NO_HEADER, BROKEN, INFO, ALG, FIVE };
	static const struct {
		const char *name;
		const char *from, *to;
		int age;
		bool stranger;
		int form;
		enum credential_result result;
		const char *status;
		bool fetched;
	} rows[] = {
		{"none, which is accepted", CALLER, CALLED, 0, false, NO_HEADER, 0, NULL, false},
		{"signed by another", CALLER, CALLED, 0, true, AS_IS, CREDENTIAL_OK,
		 "SIP/2.0 438 Invalid Identity Header", true},
		{"of another caller", "49172", CALLED, 0, false, AS_IS, 0,
		 "SIP/2.0 438 Invalid Identity Header", false},
		{"for another number", CALLER, "4930556", 0, false, AS_IS, 0,
		 "SIP/2.0 438 Invalid Identity Header", false},
		{"a minute and a second old", CALLER, CALLED, 61, false, AS_IS, 0,
		 "SIP/2.0 403 Stale Date", false},
		{"just young enough", CALLER, CALLED, 60, false, AS_IS, CREDENTIAL_OK, NULL, true},
		{"of the day after tomorrow", CALLER, CALLED, -200000, false, AS_IS, 0,
		 "SIP/2.0 403 Stale Date", false},
		{"its certificate is nowhere", CALLER, CALLED, 0, false, AS_IS,
		 CREDENTIAL_UNREACHABLE, "SIP/2.0 436 Bad Identity Info", true},
		{"its certificate is where we do not go", CALLER, CALLED, 0, false, AS_IS,
		 CREDENTIAL_REFUSED, "SIP/2.0 436 Bad Identity Info", true},
		{"its certificate is nobody's", CALLER, CALLED, 0, false, AS_IS,
		 CREDENTIAL_UNTRUSTED, "SIP/2.0 437 Unsupported Credential", true},
		{"its certificate is none", CALLER, CALLED, 0, false, AS_IS, CREDENTIAL_BROKEN,
		 "SIP/2.0 437 Unsupported Credential", true},
		{"we are too busy to look", CALLER, CALLED, 0, false, AS_IS, CREDENTIAL_BUSY,
		 "SIP/2.0 500", true},
		{"no PASSporT at all", CALLER, CALLED, 0, false, BROKEN, 0,
		 "SIP/2.0 438 Invalid Identity Header", false},
		{"info is not what was signed", CALLER, CALLED, 0, false, INFO, 0,
		 "SIP/2.0 436 Bad Identity Info", false},
		{"another algorithm", CALLER, CALLED, 0, false, ALG, 0,
		 "SIP/2.0 437 Unsupported Credential", false},
		{"five of them", CALLER, CALLED, 0, false, FIVE, 0,
		 "SIP/2.0 438 Invalid Identity Header", false},
	};

	CHECK_TABLE(row, rows)
	{
		char one[2048], all[12000] = "";
		init();
		start();
		shaken(one, sizeof(one), row->stranger ? stranger : signer, row->from, row->to,
		       wall_s() - (uint64_t)(int64_t)row->age, 'A');
		struct buf b;
		buf_init(&b, all, sizeof(all) - 1);
		switch (row->form) {
		case AS_IS: buf_z(&b, one); break;
		case BROKEN: buf_lit(&b, "Identity: canary\r\n"); break;
		case FIVE:
			for (int i = 0; i < 5; i++)
				buf_z(&b, one);
			break;
		case INFO:
			buf_lit(&b, "Identity: ");
			stir_write_token(&b, signer,
					 "{\"alg\":\"ES256\",\"typ\":\"passport\",\"x5u\":"
					 "\"" STIR_URL "\"}",
					 "{}");
			buf_lit(&b, ";info=<https://evil.example/x>\r\n");
			break;
		case ALG:
			buf_lit(&b, "Identity: ");
			stir_write_identity(&b, signer,
					    "{\"alg\":\"RS256\",\"typ\":\"passport\",\"x5u\":"
					    "\"" STIR_URL "\"}",
					    "{}", "");
			buf_lit(&b, "\r\n");
			break;
		default: break;
		}
		all[b.len] = '\0';
		site_invite(&t, FROM_CARRIER, "1", all, NULL);
		EXPECT_INT(t.rec.credential_count, row->fetched);
		if (row->fetched)
			answer(row->result);
		if (row->status) {
			EXPECT_INT(site_count(&t, row->status), 1);
			EXPECT_INT(site_count(&t, "INVITE "), 0);
			EXPECT_Z(str_from(t.rec.rule), "strict");
			EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"policy:strict\""));
		} else {
			EXPECT_INT(site_count(&t, "INVITE "), 1);
			hang_up();
		}
		finish(1);
	}
}

static void what_is_asserted_counts_from_whom_we_trust_alone(void **state)
{
	(void)state;
	static const struct {
		const char *name, *from, *asserted;
		enum attest_caller caller;
		bool trusted, asked;
	} rows[] = {
		{"From without a number, trusted", "bank", CALLER, ATTEST_CALLER_FROM, true, true},
		{"not trusted", "bank", CALLER, ATTEST_CALLER_FROM, false, false},
		{"another number in From, either will do, trusted", "49172", CALLER,
		 ATTEST_CALLER_EITHER, true, true},
		{"not trusted, but for From", "49172", CALLER, ATTEST_CALLER_EITHER, false, false},
		{"in From", CALLER, "49172", ATTEST_CALLER_EITHER, false, true},
		{"asserted, trusted", "49172", CALLER, ATTEST_CALLER_ASSERTED, true, true},
		{"asserted, not trusted", CALLER, CALLER, ATTEST_CALLER_ASSERTED, false, false},
		{"From has a number, and it counts", "49172", CALLER, ATTEST_CALLER_FROM, true,
		 false},
	};

	CHECK_TABLE(row, rows)
	{
		char identity[2048], text[8192];
		init();
		policy.caller = row->caller;
		t.trunks[SITE_CARRIER].caller.trusted =
			row->trusted ? CALLER_TRUST_YES : CALLER_TRUST_NO;
		start();
		shaken(identity, sizeof(identity), signer, CALLER, CALLED, wall_s(), 'A');
		snprintf(text, sizeof(text),
			 "INVITE sip:+" CALLED "@203.0.113.1 SIP/2.0\r\n"
			 "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK-p;rport\r\n"
			 "Max-Forwards: 70\r\nFrom: <sip:%s@198.51.100.7>;tag=a\r\n"
			 "P-Asserted-Identity: <sip:+%s@198.51.100.7>\r\n"
			 "To: <sip:+" CALLED "@203.0.113.1>\r\nCall-ID: p\r\nCSeq: 1 INVITE\r\n"
			 "Contact: <sip:a@198.51.100.7>\r\n%sContent-Length: 0\r\n\r\n",
			 row->from, row->asserted, identity);
		site_message(&t, &t.outside, text);
		EXPECT_INT(t.rec.credential_count, row->asked);
		if (row->asked)
			answer(CREDENTIAL_UNTRUSTED); /* and it is over */
		EXPECT_INT(site_count(&t, row->asked ? "SIP/2.0 437" : "SIP/2.0 438"), 1);
		finish(1);
	}
}

static void what_does_not_hold_and_is_let_in_is_said_to_be_so(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool signature;
		enum credential_result result;
		const char *says;
	} rows[] = {
		{"none", false, 0, ";verstat=No-TN-Validation@"},
		{"its certificate is nowhere", true, CREDENTIAL_UNREACHABLE,
		 ";verstat=TN-Validation-Failed@"},
		{"we could not look: nothing is said", true, CREDENTIAL_BUSY, "<sip:+49171@"},
	};

	CHECK_TABLE(row, rows)
	{
		char identity[2048] = "";
		init();
		memset(policy.on_fault, 0, sizeof(policy.on_fault));
		start();
		if (row->signature)
			shaken(identity, sizeof(identity), signer, CALLER, CALLED, wall_s(), 'A');
		site_invite(&t, FROM_CARRIER, "1", identity, NULL);
		if (row->signature)
			answer(row->result);
		EXPECT_TRUE(site_has(site_find(&t, "INVITE "), row->says));
		hang_up();
		finish(1);
	}
}

static void a_trunk_may_choose_where_it_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum verstat_shown shown;
		enum caller_trusted trusted;
		bool in_from, in_pai;
	} rows[] = {
		{"in both", VERSTAT_SHOWN_BOTH, CALLER_TRUST_YES, true, true},
		{"in From", VERSTAT_SHOWN_FROM, CALLER_TRUST_YES, true, false},
		{"in P-Asserted-Identity", VERSTAT_SHOWN_PAI, CALLER_TRUST_YES, false, true},
		{"nowhere", VERSTAT_SHOWN_OFF, CALLER_TRUST_YES, false, false},
		{"who is not trusted is not told", VERSTAT_SHOWN_BOTH, CALLER_TRUST_NO, false,
		 false},
	};

	CHECK_TABLE(row, rows)
	{
		char all[4096], identity[2048];
		init();
		t.trunks[SITE_CARRIER].caller.trusted = CALLER_TRUST_YES;
		t.trunks[SITE_PBX].caller.trusted = row->trusted;
		t.trunks[SITE_PBX].identity.shown = row->shown;
		start();
		shaken(identity, sizeof(identity), signer, CALLER, CALLED, wall_s(), 'B');
		/* What it says of itself is not what we have found. */
		snprintf(all, sizeof(all),
			 "P-Asserted-Identity: "
			 "<sip:+49171;verstat=TN-Validation-Failed@x;user=phone>\r\n%s",
			 identity);
		site_invite(&t, FROM_CARRIER, "1", all, NULL);
		answer(CREDENTIAL_OK);
		const struct rec_send *m = site_find(&t, "INVITE ");
		EXPECT_TRUE(!site_has(m, "Failed"));
		EXPECT_TRUE((strstr(site_header(m, "From"), "verstat") != NULL) == row->in_from);
		EXPECT_TRUE((strstr(site_header(m, "P-Asserted-Identity"), "verstat") != NULL) ==
			    row->in_pai);
		hang_up();
		finish(1);
	}
}

static void a_caller_cannot_say_itself_that_it_was_verified(void **state)
{
	(void)state;
	init();
	t.trunk_rules[SITE_CARRIER].attest = NULL;
	start();
	site_message(&t, &t.outside,
		     "INVITE sip:+4930555;verstat=TN-Validation-Passed@203.0.113.1 SIP/2.0\r\n"
		     "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK-1;rport\r\n"
		     "Max-Forwards: 70\r\n"
		     "From: <sip:+49171;verstat=TN-Validation-Passed@x;user=phone>;tag=a-1\r\n"
		     "To: <sip:+4930555@203.0.113.1>\r\n"
		     "P-Asserted-Identity: <sip:+49171;verstat=TN-Validation-Passed@x>\r\n"
		     "Call-ID: call-1@198.51.100.7\r\n"
		     "CSeq: 7 INVITE\r\n"
		     "Contact: <sip:alice@198.51.100.7>\r\n"
		     "Content-Length: 0\r\n\r\n");
	const struct rec_send *m = site_find(&t, "INVITE ");
	assert_non_null(m);
	EXPECT_TRUE(!site_has(m, "verstat"));
	EXPECT_INT(t.rec.credential_count, 0);
	hang_up();
	finish(1);
}

static void what_is_attested_below_the_bar_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		char attest;
		bool passes;
	} rows[] = {{"A", 'A', true}, {"B", 'B', true}, {"C", 'C', false}};

	CHECK_TABLE(row, rows)
	{
		char identity[2048];
		init();
		policy.below[FACTS_ATTEST_B] = (struct attest_action){true, 433};
		policy.below_given[FACTS_ATTEST_B] = true;
		start();
		shaken(identity, sizeof(identity), signer, CALLER, CALLED, wall_s(), row->attest);
		site_invite(&t, FROM_CARRIER, "1", identity, NULL);
		answer(CREDENTIAL_OK);
		EXPECT_INT(site_count(&t, "INVITE "), row->passes);
		EXPECT_INT(site_count(&t, "SIP/2.0 433"), !row->passes);
		hang_up();
		finish(1);
	}
}

static void a_certificate_speaks_only_for_its_numbers_and_its_time(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct credential_list list;
		int to_s; /* from now */
		bool passes;
	} rows[] = {
		{"of a range that has the number",
		 {.given = true,
		  .count = 1,
		  .numbers = {{.first = 49100, .count = 100, .digits = 5}}},
		 1000,
		 true},
		{"of a range that has not",
		 {.given = true,
		  .count = 1,
		  .numbers = {{.first = 49100, .count = 71, .digits = 5}}},
		 1000,
		 false},
		{"of a provider", {.given = true, .spc = true}, 1000, true},
		{"ended since it was kept", {.given = false}, -1, false},
	};

	CHECK_TABLE(row, rows)
	{
		char identity[2048];
		init();
		start();
		shaken(identity, sizeof(identity), signer, CALLER, CALLED, wall_s(), 'A');
		site_invite(&t, FROM_CARRIER, "1", identity, NULL);
		struct credential k = {.key = signer,
				       .from_s = NOW_S - 1000,
				       .to_s = wall_s() + (uint64_t)(int64_t)row->to_s,
				       .list = &row->list};
		struct event e = {.type = EVENT_CREDENTIAL};
		e.credential.id = t.rec.credentials[0].id;
		e.credential.credential = &k;
		site_event(&t, &e);
		EXPECT_INT(site_count(&t, "INVITE "), row->passes);
		EXPECT_INT(site_count(&t, "SIP/2.0 437"), !row->passes);
		hang_up();
		finish(1);
	}
}

static void a_certificate_that_is_late_is_not_waited_for(void **state)
{
	(void)state;
	char identity[2048];

	init();
	start();
	shaken(identity, sizeof(identity), signer, CALLER, CALLED, wall_s(), 'A');
	site_invite(&t, FROM_CARRIER, "1", identity, NULL);
	site_tick(&t, 790);
	EXPECT_INT(site_count(&t, "SIP/2.0 436"), 0);
	site_tick(&t, 20);
	EXPECT_INT(site_count(&t, "SIP/2.0 436 Bad Identity Info"), 1);
	answer(CREDENTIAL_OK);
	EXPECT_INT(site_count(&t, "INVITE "), 0);
	finish(1);
}

static void a_caller_may_give_up_while_we_wait(void **state)
{
	(void)state;
	char identity[2048];

	init();
	start();
	shaken(identity, sizeof(identity), signer, CALLER, CALLED, wall_s(), 'A');
	site_invite(&t, FROM_CARRIER, "1", identity, NULL);
	site_cancel(&t, FROM_CARRIER, "1");
	EXPECT_INT(site_count(&t, "SIP/2.0 487"), 1);
	answer(CREDENTIAL_OK);
	EXPECT_INT(site_count(&t, "INVITE "), 0);
	site_tick(&t, 40000);
	finish(1);
}

static void an_emergency_call_waits_for_no_certificate(void **state)
{
	(void)state;
	char identity[2048];

	init();
	for (size_t i = 0; i < ARRAY_LEN(t.routes); i++)
		t.routes[i].emergency = true;
	start();
	shaken(identity, sizeof(identity), stranger, "1", "2", 5, 'A');
	site_invite(&t, FROM_CARRIER, "1", identity, NULL);
	EXPECT_INT(t.rec.credential_count, 0);
	EXPECT_INT(site_count(&t, "INVITE "), 1);
	hang_up();
	finish(1);
}

static void a_call_that_was_led_on_is_believed_by_its_chain(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *first_to, *div_from, *div_was;
		unsigned fetched; /* with good answers */
		bool passes;
	} rows[] = {
		{"first to 4940, which led it to us", "4940", CALLER, "4940", 2, true},
		{"the first was for another number", "4941", CALLER, "4940", 0, false},
		{"the div has another caller", "4940", "49199", "4940", 0, false},
	};

	CHECK_TABLE(row, rows)
	{
		char one[2048], two[2048], all[4096];
		init();
		start();
		shaken(one, sizeof(one), signer, CALLER, row->first_to, wall_s(), 'B');
		led_on(two, sizeof(two), row->div_from, CALLED, row->div_was);
		snprintf(all, sizeof(all), "%s%s", one, two);
		site_invite(&t, FROM_CARRIER, "1", all, NULL);
		for (unsigned i = 0; i < row->fetched; i++)
			answer(CREDENTIAL_OK);
		EXPECT_INT(t.rec.credential_count, row->fetched);
		EXPECT_INT(site_count(&t, "INVITE "), row->passes);
		hang_up();
		if (row->passes)
			EXPECT_TRUE(site_cdr_has(&t, "\"attest\":\"B\""));
		finish(1);
	}
}

/* ---- ours */

static void sign_towards(unsigned trunk)
{
	t.trunk_rules[SITE_CARRIER].attest = NULL;
	t.set.signer = (struct identity_signer){.on = true,
						.certificate_url = STR(STIR_URL),
						.key_pem = str_from(stir_rfc_private_pem)};
	t.trunks[trunk].identity.sign = true;
	for (unsigned i = 0; i < SITE_TRUNKS; i++) {
		t.trunks[i].identity.origid = STR("6a1c0001-0000-8000-8000-000000000000");
		t.trunks[i].identity.origin =
			(struct attest_origin){.own = FACTS_ATTEST_A, .other = FACTS_ATTEST_B};
	}
}

static void let_identity_cross(void)
{
	t.header_rules[0] = (struct header_rules){
		.name = STR("x"), .carry = carry, .carry_count = ARRAY_LEN(carry)};
	t.set.header_rules = t.header_rules;
	t.set.header_rules_count = 1;
	t.realms[SITE_OUTSIDE].header_rules = t.realms[SITE_INSIDE].header_rules = 0;
}

/* The n-th Identity header of m, read; its texts in `scratch`. */
static bool signature_of(const struct rec_send *m, unsigned n, struct buf *scratch,
			 struct passport *out)
{
	const char *at = m->bytes;

	for (unsigned i = 0;; i++, at++) {
		at = strstr(at, "\r\nIdentity: ");
		if (!at)
			return false;
		if (i == n)
			break;
	}
	at += sizeof("\r\nIdentity: ") - 1;
	return passport_parse(str_sub(at, strstr(at, "\r\n")), scratch, out) == OK;
}

static void a_call_is_signed_for_what_it_says(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool owned;
		enum facts_attest other;
		char want;
	} rows[] = {
		{"the trunk owns the number", true, FACTS_ATTEST_B, 'A'},
		{"the trunk is known", false, FACTS_ATTEST_B, 'B'},
		{"the trunk is a gateway", false, FACTS_ATTEST_C, 'C'},
	};

	CHECK_TABLE(row, rows)
	{
		char mem[PASSPORT_SCRATCH];
		struct buf scratch;
		struct passport p;
		init();
		sign_towards(SITE_PBX);
		t.trunks[SITE_CARRIER].identity.origin.other = row->other;
		if (row->owned) {
			t.trunks[SITE_CARRIER].identity.origin.owned = owned;
			t.trunks[SITE_CARRIER].identity.origin.owned_count = ARRAY_LEN(owned);
		}
		start();
		/* A date that the caller chose is none that we sign beside. */
		site_invite(&t, FROM_CARRIER, "1", "Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n", NULL);
		const struct rec_send *m = site_find(&t, "INVITE ");
		assert_non_null(m);
		buf_init(&scratch, mem, sizeof(mem));
		EXPECT_TRUE(signature_of(m, 0, &scratch, &p));
		EXPECT_INT(p.claims.kind, PASSPORT_SHAKEN);
		EXPECT_INT(p.claims.attest, row->want);
		EXPECT_Z(p.claims.orig_tn, CALLER);
		EXPECT_Z(p.claims.dest_tn[0], CALLED);
		EXPECT_Z(p.claims.origid, "6a1c0001-0000-8000-8000-000000000000");
		EXPECT_Z(p.info, STIR_URL);
		EXPECT_TRUE(es256_verify(signer, p.input, p.signature));
		uint64_t date;
		EXPECT_ERR(passport_parse_date(str_from(site_header(m, "Date")), &date), OK);
		EXPECT_U64(date, p.claims.iat_s);
		EXPECT_TRUE(!site_has(m, "2010"));
		EXPECT_INT(t.rec.notices[NOTICE_SIGNED], 1);
		hang_up();
		char cdr[64];
		snprintf(cdr, sizeof(cdr), "\"signed\":\"%c\"", row->want);
		EXPECT_TRUE(site_cdr_has(&t, cdr));
		finish(1);
	}
}

static void what_did_not_hold_is_attested_as_a_gateways(void **state)
{
	(void)state;
	char identity[2048], mem[PASSPORT_SCRATCH];
	struct buf scratch;
	struct passport p;

	init();
	sign_towards(SITE_PBX);
	t.trunk_rules[SITE_CARRIER].attest = &policy;
	memset(policy.on_fault, 0, sizeof(policy.on_fault));
	t.trunks[SITE_CARRIER].identity.origin.owned = owned;
	t.trunks[SITE_CARRIER].identity.origin.owned_count = ARRAY_LEN(owned);
	start();
	shaken(identity, sizeof(identity), stranger, CALLER, CALLED, wall_s(), 'A');
	site_invite(&t, FROM_CARRIER, "1", identity, NULL);
	answer(CREDENTIAL_OK);
	buf_init(&scratch, mem, sizeof(mem));
	EXPECT_TRUE(signature_of(site_find(&t, "INVITE "), 0, &scratch, &p));
	EXPECT_INT(p.claims.attest, 'C');
	hang_up();
	finish(1);
}

static void a_signature_crosses_only_where_it_is_named_and_still_fits(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *from, *to;
		bool named, crosses;
	} rows[] = {
		{"named, and fits", CALLER, CALLED, true, true},
		{"not named", CALLER, CALLED, false, false},
		{"of another caller", "49172", CALLED, true, false},
		{"for another number", CALLER, "4930556", true, false},
	};

	CHECK_TABLE(row, rows)
	{
		char identity[2048];
		init();
		t.trunk_rules[SITE_CARRIER].attest = NULL;
		if (row->named)
			let_identity_cross();
		start();
		shaken(identity, sizeof(identity), signer, row->from, row->to, wall_s(), 'A');
		site_invite(&t, FROM_CARRIER, "1", identity, NULL);
		EXPECT_INT(site_has(site_find(&t, "INVITE "), identity), row->crosses);
		EXPECT_INT(site_has(site_find(&t, "INVITE "), "Identity:"), row->crosses);
		hang_up();
		finish(1);
	}
}

/* Requests in the dialog are of the call that was verified, or was not; nobody is told more of them, and no signature crosses. */
static void in_a_call_nothing_is_verified_again_and_nothing_crosses(void **state)
{
	(void)state;
	static const char *const methods[] = {"MESSAGE", "INVITE"};
	char identity[2048];
	struct site_call k;

	init();
	memset(policy.on_fault, 0, sizeof(policy.on_fault));
	let_identity_cross();
	start();
	shaken(identity, sizeof(identity), signer, CALLER, CALLED, wall_s(), 'A');
	site_establish(&t, &k, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		char start_of[16];
		snprintf(start_of, sizeof(start_of), "%s ", methods[i]);
		site_say(&t, &k, 0, methods[i], identity, NULL);
		const struct rec_send *m = site_find(&t, start_of);
		assert_non_null(m);
		EXPECT_TRUE(!site_has(m, "Identity:"));
		/* Its From is that of the dialog, with what was said at its beginning. */
		EXPECT_TRUE(site_has(m, ";verstat=No-TN-Validation"));
		EXPECT_INT(t.rec.credential_count, 0);
		site_answer(&t, m, i ? 488 : 200, "b", NULL, NULL);
	}
	site_hang_up(&t, &k);
	finish(1);
}

static void what_crosses_is_not_signed_again(void **state)
{
	(void)state;
	char identity[2048];

	init();
	sign_towards(SITE_PBX);
	let_identity_cross();
	start();
	shaken(identity, sizeof(identity), stranger, CALLER, CALLED, wall_s(), 'A');
	site_invite(&t, FROM_CARRIER, "1", identity, NULL);
	const struct rec_send *m = site_find(&t, "INVITE ");
	EXPECT_TRUE(site_has(m, identity));
	EXPECT_TRUE(strstr(strstr(m->bytes, "\r\nIdentity: ") + 4, "\r\nIdentity: ") == NULL);
	EXPECT_INT(t.rec.notices[NOTICE_SIGNED], 0);
	hang_up();
	finish(1);
}

static void who_wants_to_be_nobody_is_not_signed_for(void **state)
{
	(void)state;
	init();
	sign_towards(SITE_PBX);
	t.trunks[SITE_PBX].caller.trusted = CALLER_TRUST_NO;
	start();
	site_invite(&t, FROM_CARRIER, "1", "Privacy: id\r\n", NULL);
	EXPECT_TRUE(!site_has(site_find(&t, "INVITE "), "Identity:"));
	hang_up();
	finish(1);
}

static void when_we_lead_a_call_on_the_old_signature_stays_with_a_div_beside_it(void **state)
{
	(void)state;
	char identity[2048], mem[2][PASSPORT_SCRATCH];
	struct buf scratch;
	struct passport p;

	init();
	sign_towards(SITE_PBX);
	let_identity_cross();
	t.trunks[SITE_PBX].habits.redirect = REDIRECT_FOLLOW;
	t.trunks[SITE_PBX].habits.redirects = 5;
	start();
	shaken(identity, sizeof(identity), stranger, CALLER, CALLED, wall_s(), 'A');
	site_invite(&t, FROM_CARRIER, "1", identity, NULL);
	const struct rec_send *m = site_find(&t, "INVITE ");
	EXPECT_TRUE(site_has(m, identity));
	struct rec_send asked = *m;
	ports_rec_clear(&t.rec);
	site_answer(&t, &asked, 302, "b", "Contact: <sip:+4940@10.0.0.21>\r\n", NULL);
	m = site_find(&t, "INVITE sip:+4940@");
	assert_non_null(m);
	EXPECT_TRUE(site_has(m, identity));
	buf_init(&scratch, mem[0], sizeof(mem[0]));
	EXPECT_TRUE(signature_of(m, 0, &scratch, &p));
	EXPECT_INT(p.claims.kind, PASSPORT_SHAKEN);
	buf_init(&scratch, mem[1], sizeof(mem[1]));
	EXPECT_TRUE(signature_of(m, 1, &scratch, &p));
	EXPECT_INT(p.claims.kind, PASSPORT_DIV);
	EXPECT_Z(p.claims.div_tn, CALLED);
	EXPECT_Z(p.claims.dest_tn[0], "4940");
	EXPECT_Z(p.claims.orig_tn, CALLER);
	EXPECT_TRUE(es256_verify(signer, p.input, p.signature));
	site_answer(&t, m, 486, "c", NULL, NULL);
	site_tick(&t, 40000);
	EXPECT_TRUE(site_cdr_has(&t, "\"signed\":\"div\""));
	finish(1);
}

static int set_up(void **state)
{
	(void)state;
	return es256_key_new(&signer, str_from(stir_rfc_private_pem)) == OK &&
			       es256_key_new(&stranger, str_from(stir_other_private_pem)) == OK
		       ? 0
		       : -1;
}

static int tear_down(void **state)
{
	(void)state;
	es256_key_free(&signer);
	es256_key_free(&stranger);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signature_that_holds_lets_the_call_go_on_and_says_so_inside),
		cmocka_unit_test(each_fault_has_its_status),
		cmocka_unit_test(what_is_asserted_counts_from_whom_we_trust_alone),
		cmocka_unit_test(what_does_not_hold_and_is_let_in_is_said_to_be_so),
		cmocka_unit_test(a_trunk_may_choose_where_it_is_told),
		cmocka_unit_test(a_caller_cannot_say_itself_that_it_was_verified),
		cmocka_unit_test(what_is_attested_below_the_bar_is_refused),
		cmocka_unit_test(a_certificate_speaks_only_for_its_numbers_and_its_time),
		cmocka_unit_test(a_certificate_that_is_late_is_not_waited_for),
		cmocka_unit_test(a_caller_may_give_up_while_we_wait),
		cmocka_unit_test(an_emergency_call_waits_for_no_certificate),
		cmocka_unit_test(a_call_that_was_led_on_is_believed_by_its_chain),
		cmocka_unit_test(a_call_is_signed_for_what_it_says),
		cmocka_unit_test(what_did_not_hold_is_attested_as_a_gateways),
		cmocka_unit_test(a_signature_crosses_only_where_it_is_named_and_still_fits),
		cmocka_unit_test(in_a_call_nothing_is_verified_again_and_nothing_crosses),
		cmocka_unit_test(what_crosses_is_not_signed_again),
		cmocka_unit_test(who_wants_to_be_nobody_is_not_signed_for),
		cmocka_unit_test(
			when_we_lead_a_call_on_the_old_signature_stays_with_a_div_beside_it),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
