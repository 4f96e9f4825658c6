#include "sbc/core/auth.h"

#include <stdio.h>
#include <stdlib.h>

#include "sbc/core/digest.h"
#include "tests/support/check.h"
#include "tests/support/site.h"

/* The carrier wants credentials; who calls it is the PBX. */
static struct site t;

static const struct digest_secret who = {.user = STR("4930555000"), .password = STR("Sesam-7")};

static void init(void)
{
	site_init(&t);
	t.trunks[SITE_CARRIER].credentials = (struct credentials){.on = true,
								  .user = who.user,
								  .password = who.password,
								  .realm = STR("carrier.example")};
}

static void start(void)
{
	init();
	site_start(&t);
}

static void finish(void)
{
	struct sbc_counts c;

	site_tick(&t, 300000);
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.calls, 0);
	EXPECT_INT(c.client_transactions, 0);
	EXPECT_INT(c.server_transactions, 0);
	site_stop(&t);
}

#define PROXY(realm, nonce, more)                                                                  \
	"Proxy-Authenticate: Digest realm=\"" realm "\", nonce=\"" nonce "\", qop=\"auth\"" more   \
	"\r\n"
#define SERVER(realm, nonce, more)                                                                 \
	"WWW-Authenticate: Digest realm=\"" realm "\", nonce=\"" nonce "\", qop=\"auth\"" more     \
	"\r\n"
#define OURS "carrier.example"

/* The request's answer in this header, checked against the password; ends the test if there is none. */
static struct digest_answer answer_in(const struct rec_send *m, const char *header)
{
	struct digest_answer a = {.nc = 0};
	const char *value = site_header(m, header);
	size_t n = strcspn(m->bytes, " ");

	EXPECT_ERR(digest_answer_parse(str_from(value), &a), OK);
	EXPECT_TRUE(digest_check(&a, (struct str){m->bytes, n}, &who));
	const char *uri = m->bytes + n + 1;
	EXPECT_STR(a.uri, ((struct str){uri, strcspn(uri, " ")}));
	return a;
}

static bool has_answer(const struct rec_send *m)
{
	return site_has(m, "\r\nAuthorization:") || site_has(m, "\r\nProxy-Authorization:");
}

static unsigned cseq_of(const struct rec_send *m)
{
	return (unsigned)strtoul(site_header(m, "CSeq"), NULL, 10);
}

/* A call of the PBX: the INVITE that the carrier has. */
static struct rec_send call_out(const char *id)
{
	site_invite(&t, SITE_PBX, id, NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	return *site_sent(&t, 0);
}

/* The same from the carrier's 200 to the ACK of the PBX. Out: what the PBX has. */
static struct rec_send take_call(const struct rec_send *invite)
{
	site_answer(&t, invite, 200, "b1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&ok, "SIP/2.0 200"));
	site_in_dialog(&t, &t.inside, &ok, "ACK", 7, NULL, NULL);
	return ok;
}

static void an_invite_that_is_challenged_goes_out_once_more_with_credentials(void **state)
{
	(void)state;
	start();
	struct rec_send first = call_out("1");
	EXPECT_TRUE(!has_answer(&first));
	ports_rec_clear(&t.rec);
	site_answer(&t, &first, 407, "c1", PROXY(OURS, "n1", ", opaque=\"o\""), NULL);
	EXPECT_INT(site_sent_count(&t), 2);
	EXPECT_TRUE(site_is(site_sent(&t, 1), "ACK sip:+4930555@198.51.100.7"));
	struct rec_send again = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&again, "INVITE sip:+4930555@198.51.100.7"));
	struct digest_answer a = answer_in(&again, "Proxy-Authorization");
	EXPECT_Z(a.nonce, "n1");
	EXPECT_Z(a.opaque, "o");
	EXPECT_Z(a.user, "4930555000");
	EXPECT_INT(a.nc, 1);
	EXPECT_TRUE(!site_has(&again, "\r\nAuthorization:") && !site_has(&again, "Sesam"));
	/* The same dialog, the same body, the next number, another transaction. */
	EXPECT_Z(str_from(site_header(&again, "Call-ID")), site_header(&first, "Call-ID"));
	EXPECT_Z(str_from(site_header(&again, "From")), site_header(&first, "From"));
	EXPECT_Z(str_from(site_header(&again, "To")), site_header(&first, "To"));
	EXPECT_Z(str_from(strstr(again.bytes, "\r\n\r\n")), strstr(first.bytes, "\r\n\r\n"));
	EXPECT_INT(cseq_of(&again), cseq_of(&first) + 1);
	EXPECT_TRUE(strcmp(site_header(&again, "Via"), site_header(&first, "Via")) != 0);
	EXPECT_TRUE(addr_eq(&again.dest.flow.remote, &first.dest.flow.remote));
	/* And the call is one as any other: ACK and BYE count on from there. */
	struct rec_send ok = take_call(&again);
	bool acked = false;
	for (size_t i = 0; i < site_sent_count(&t); i++)
		if (site_is(site_sent(&t, i), "ACK sip:bob") &&
		    cseq_of(site_sent(&t, i)) == cseq_of(&again))
			acked = true;
	EXPECT_TRUE(acked);
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.inside, &ok, "BYE", 8, NULL, NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "BYE sip:bob@198.51.100.7"));
	EXPECT_INT(cseq_of(site_sent(&t, 0)), cseq_of(&again) + 1);
	site_answer(&t, site_sent(&t, 0), 200, NULL, NULL, NULL);
	site_relay(&t, NULL);
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ENDED], 1);
	t.rec.cdr[t.rec.cdr_len] = 0;
	EXPECT_TRUE(strstr(t.rec.cdr, "\"status\":200") && !strstr(t.rec.cdr, "Sesam") &&
		    !strstr(t.rec.cdr, "Digest"));
	finish();
}

/* What a first challenge, and those that follow it, come to. Empty lines: the carrier says 486. */
static const struct {
	const char *name;
	int status;
	const char *lines[4];
	int sends;          /* INVITEs with an answer that follow */
	const char *caller; /* what the PBX hears in the end */
	const char *last;   /* in the last INVITE */
} challenges[] = {
	{"401 is answered with Authorization",
	 401,
	 {SERVER(OURS, "n1", "")},
	 1,
	 "SIP/2.0 486",
	 "\r\nAuthorization: Digest "},
	{"of several challenges SHA-256 is answered",
	 407,
	 {PROXY(OURS, "n1", ", algorithm=MD5") PROXY(OURS, "n2", ", algorithm=SHA-256")},
	 1,
	 "SIP/2.0 486",
	 "algorithm=SHA-256"},
	{"of several in one line too",
	 407,
	 {"Proxy-Authenticate: Digest realm=\"" OURS
	  "\", nonce=\"n1\", algorithm=MD5, qop=\"auth\", "
	  "Digest realm=\"" OURS "\", nonce=\"n2\", algorithm=SHA-512-256, qop=\"auth\"\r\n"},
	 1,
	 "SIP/2.0 486",
	 "algorithm=SHA-512-256"},
	{"a proxy and a server in a row get an answer each",
	 407,
	 {PROXY(OURS, "n1", ""), "401" SERVER(OURS, "n2", "")},
	 2,
	 "SIP/2.0 486",
	 "\r\nAuthorization: Digest "},
	{"both in one answer get one each",
	 401,
	 {SERVER(OURS, "n1", "") PROXY(OURS, "n2", "")},
	 1,
	 "SIP/2.0 486",
	 "\r\nProxy-Authorization: Digest "},
	{"a stale nonce is tried once more",
	 407,
	 {PROXY(OURS, "n1", ""), PROXY(OURS, "n2", ", stale=true")},
	 2,
	 "SIP/2.0 486",
	 "nonce=\"n2\""},
	{"and not twice",
	 407,
	 {PROXY(OURS, "n1", ""), PROXY(OURS, "n2", ", stale=true"),
	  PROXY(OURS, "n3", ", stale=true")},
	 2,
	 "SIP/2.0 502",
	 "nonce=\"n2\""},
	{"the same nonce again is a refusal",
	 407,
	 {PROXY(OURS, "n1", ""), PROXY(OURS, "n1", "")},
	 1,
	 "SIP/2.0 502",
	 "nonce=\"n1\""},
	{"the same nonce, said to be stale, too",
	 407,
	 {PROXY(OURS, "n1", ""), PROXY(OURS, "n1", ", stale=true")},
	 1,
	 "SIP/2.0 502",
	 "nonce=\"n1\""},
	{"another nonce without stale says that the password is wrong",
	 407,
	 {PROXY(OURS, "n1", ""), PROXY(OURS, "n2", "")},
	 1,
	 "SIP/2.0 502",
	 "nonce=\"n1\""},
	{"a foreign realm gets nothing",
	 407,
	 {PROXY("attacker.example", "n1", "")},
	 0,
	 "SIP/2.0 502",
	 NULL},
	{"a foreign realm beside ours gets nothing, ours does",
	 407,
	 {PROXY("attacker.example", "n1", ", algorithm=SHA-256") PROXY(OURS, "n2", "")},
	 1,
	 "SIP/2.0 486",
	 "realm=\"" OURS "\", nonce=\"n2\""},
	{"a foreign realm after ours gets nothing",
	 407,
	 {PROXY(OURS, "n1", ""), "401" SERVER("attacker.example", "n2", "")},
	 1,
	 "SIP/2.0 502",
	 "nonce=\"n1\""},
	{"an unknown algorithm is a refusal",
	 407,
	 {PROXY(OURS, "n1", ", algorithm=SHA-9")},
	 0,
	 "SIP/2.0 502",
	 NULL},
	{"another scheme is a refusal",
	 401,
	 {"WWW-Authenticate: Bearer realm=\"" OURS "\"\r\n"},
	 0,
	 "SIP/2.0 502",
	 NULL},
	{"a challenge without a challenge is a refusal",
	 401,
	 {"Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n"},
	 0,
	 "SIP/2.0 502",
	 NULL},
	{"a challenge in the header of the other status is a refusal",
	 407,
	 {SERVER(OURS, "n1", "")},
	 0,
	 "SIP/2.0 502",
	 NULL},
	{"a quoted realm that would break out of its quotes is repeated as it came",
	 407,
	 {"Proxy-Authenticate: Digest realm=\"" OURS "\", nonce=\"a\\\"b\\\\\", qop=\"auth\"\r\n"},
	 1,
	 "SIP/2.0 486",
	 "nonce=\"a\\\"b\\\\\""},
};

static void each_challenge_gets_what_it_should(void **state)
{
	(void)state;
	CHECK_TABLE(row, challenges)
	{
		start();
		struct rec_send invite = call_out("1");
		int sends = 0;
		for (int i = 0; i < 4 && row->lines[i]; i++) {
			const char *lines = row->lines[i];
			int status = row->status;
			if (strncmp(lines, "401", 3) == 0) {
				status = 401;
				lines += 3;
			}
			ports_rec_clear(&t.rec);
			site_answer(&t, &invite, status, "c", lines, NULL);
			if (!site_is(site_sent(&t, 0), "INVITE"))
				break;
			invite = *site_sent(&t, 0);
			EXPECT_TRUE(has_answer(&invite));
			sends++;
		}
		EXPECT_INT(sends, row->sends);
		if (row->last)
			EXPECT_TRUE(site_has(&invite, row->last));
		if (site_has(&invite, "\r\nAuthorization:"))
			answer_in(&invite, "Authorization");
		if (site_has(&invite, "\r\nProxy-Authorization:"))
			answer_in(&invite, "Proxy-Authorization");
		if (site_is(site_sent(&t, 0), "INVITE"))
			site_answer(&t, &invite, 486, "c", NULL, NULL);
		EXPECT_TRUE(site_is(site_sent(&t, 0), row->caller) ||
			    site_is(site_sent(&t, 1), row->caller));
		site_relay(&t, NULL);
		finish();
	}
}

static void credentials_of_one_trunk_are_not_for_another(void **state)
{
	(void)state;
	start();
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send invite = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&invite, "INVITE sip:+4930555@10.0.0.21"));
	ports_rec_clear(&t.rec);
	site_answer(&t, &invite, 407, "c", PROXY(OURS, "n1", ""), NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 502"));
	for (size_t i = 0; i < site_sent_count(&t); i++)
		EXPECT_TRUE(!has_answer(site_sent(&t, i)));
	EXPECT_INT(t.rec.notices[NOTICE_CHALLENGED], 0);
	site_relay(&t, NULL);
	finish();
}

static void requests_in_the_dialog_are_answered_too(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out("1"), ok = take_call(&invite), last;

	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.inside, &ok, "INFO", 8, NULL, NULL);
	last = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&last, "INFO sip:bob@198.51.100.7"));
	site_answer(&t, &last, 407, NULL, PROXY(OURS, "i1", ""), NULL);
	EXPECT_INT(cseq_of(site_sent(&t, 0)), cseq_of(&last) + 1);
	last = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&last, "INFO sip:bob@198.51.100.7"));
	answer_in(&last, "Proxy-Authorization");
	site_answer(&t, &last, 200, NULL, NULL, NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 200"));

	/* A re-INVITE: its ACK has the number of the second. */
	site_in_dialog(&t, &t.inside, &ok, "INVITE", 9, NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	last = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&last, "INVITE sip:bob@198.51.100.7"));
	site_answer(&t, &last, 401, NULL, SERVER(OURS, "i2", ""), NULL);
	last = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&last, "INVITE sip:bob@198.51.100.7"));
	answer_in(&last, "Authorization");
	ports_rec_clear(&t.rec);
	site_answer(&t, &last, 200, NULL, NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	bool acked = false;
	for (size_t i = 0; i < site_sent_count(&t); i++)
		acked = acked || (site_is(site_sent(&t, i), "ACK sip:bob") &&
				  cseq_of(site_sent(&t, i)) == cseq_of(&last));
	EXPECT_TRUE(acked);
	ok = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&ok, "SIP/2.0 200"));
	site_in_dialog(&t, &t.inside, &ok, "ACK", 9, NULL, NULL);

	/* The BYE, which no one waits for. */
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.inside, &ok, "BYE", 10, NULL, NULL);
	last = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&last, "BYE sip:bob@198.51.100.7"));
	site_answer(&t, &last, 407, NULL, PROXY(OURS, "i3", ", stale=true"), NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "BYE sip:bob@198.51.100.7"));
	EXPECT_Z(answer_in(site_sent(&t, 0), "Proxy-Authorization").nonce, "i3");
	EXPECT_INT(cseq_of(site_sent(&t, 0)), cseq_of(&last) + 1);
	last = *site_sent(&t, 0);
	site_relay(&t, NULL);
	ports_rec_clear(&t.rec);
	site_answer(&t, &last, 407, NULL, PROXY(OURS, "i3", ""), NULL); /* refused: that was it */
	EXPECT_INT(site_sent_count(&t), 0);
	finish();
}

/* A Contact that leads away from the trunk's peers: whoever sits there gets no hash (threats C8). */
static void an_address_that_a_contact_named_gets_no_credentials(void **state)
{
	(void)state;
	init();
	t.realm_rules[SITE_OUTSIDE].trust = TRUST_HIGH; /* so that the Contact is followed at all */
	site_start(&t);
	struct rec_send invite = call_out("1");
	site_answer(&t, &invite, 407, "c", PROXY(OURS, "n1", ""), NULL);
	invite = *site_sent(&t, 0);
	answer_in(&invite, "Proxy-Authorization");
	/* The 200 names another host. */
	char text[4096];
	snprintf(text, sizeof(text),
		 "SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=b\r\nCall-ID: %s\r\nCSeq: "
		 "%s\r\n"
		 "Contact: <sip:bob@192.0.2.66>\r\nContent-Type: application/sdp\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 site_header(&invite, "Via"), site_header(&invite, "From"),
		 site_header(&invite, "To"), site_header(&invite, "Call-ID"),
		 site_header(&invite, "CSeq"), strlen(SITE_SDP_OUT), SITE_SDP_OUT);
	site_message(&t, &t.outside, text);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_sent(&t, 0);
	site_in_dialog(&t, &t.inside, &ok, "ACK", 7, NULL, NULL);
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.inside, &ok, "BYE", 8, NULL, NULL);
	struct rec_send bye = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&bye, "BYE sip:bob@192.0.2.66"));
	struct addr there;
	EXPECT_ERR(addr_parse(STR("192.0.2.66:5060"), &there), OK);
	EXPECT_TRUE(addr_eq_ip(&bye.dest.flow.remote, &there));
	EXPECT_TRUE(!has_answer(&bye)); /* nor ahead of a challenge */
	size_t before = site_sent_count(&t);
	site_answer(&t, &bye, 407, NULL, PROXY(OURS, "n1", ", stale=true"), NULL);
	EXPECT_INT(site_sent_count(&t), before);
	site_relay(&t, NULL);
	finish();
}

static void the_next_request_carries_credentials_at_once(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out("1");
	site_answer(&t, &invite, 407, "c", PROXY(OURS, "n1", ""), NULL);
	invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 486, "c", NULL, NULL);
	site_relay(&t, NULL);
	invite = call_out("2");
	struct digest_answer a = answer_in(&invite, "Proxy-Authorization");
	EXPECT_Z(a.nonce, "n1");
	EXPECT_INT(a.nc, 2);
	/* Out of date, and no one says so: one more challenge is answered. */
	site_answer(&t, &invite, 407, "c", PROXY(OURS, "n2", ""), NULL);
	invite = *site_sent(&t, 0);
	a = answer_in(&invite, "Proxy-Authorization");
	EXPECT_Z(a.nonce, "n2");
	EXPECT_INT(a.nc, 1);
	site_answer(&t, &invite, 407, "c", PROXY(OURS, "n2", ""), NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 502"));
	site_relay(&t, NULL);
	/* What was refused is not said ahead again. */
	invite = call_out("3");
	EXPECT_TRUE(!has_answer(&invite));
	site_answer(&t, &invite, 486, "c", NULL, NULL);
	site_relay(&t, NULL);
	finish();
}

static void without_a_realm_the_first_that_asks_is_the_trunks(void **state)
{
	(void)state;
	init();
	t.trunks[SITE_CARRIER].credentials.realm = STR_NONE;
	site_start(&t);
	struct rec_send invite = call_out("1");
	site_answer(&t, &invite, 407, "c", PROXY("first.example", "n1", ""), NULL);
	invite = *site_sent(&t, 0);
	EXPECT_Z(answer_in(&invite, "Proxy-Authorization").realm, "first.example");
	site_answer(&t, &invite, 486, "c", NULL, NULL);
	site_relay(&t, NULL);
	invite = call_out("2");
	ports_rec_clear(&t.rec);
	site_answer(&t, &invite, 401, "c", SERVER("second.example", "n2", ""), NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 502"));
	site_relay(&t, NULL);
	/* A reload that leaves the credentials alone forgets nothing of it. */
	struct settings other = t.set;
	site_event(&t, &(struct event){.type = EVENT_SETTINGS, .settings = &other});
	invite = call_out("3");
	EXPECT_Z(answer_in(&invite, "Proxy-Authorization").realm, "first.example");
	site_answer(&t, &invite, 486, "c", NULL, NULL);
	site_relay(&t, NULL);
	finish();
}

/* Time goes on until the core says something. */
static struct rec_send next_word(void)
{
	ports_rec_clear(&t.rec);
	for (int i = 0; i < 1000 && site_sent_count(&t) == 0; i++)
		site_tick(&t, 100);
	EXPECT_INT(site_sent_count(&t), 1);
	return *site_sent(&t, 0);
}

static void a_ping_that_is_challenged_goes_out_once_more(void **state)
{
	(void)state;
	init();
	t.trunks[SITE_CARRIER].ping =
		(struct ping){.on = true, .every_ms = 30000, .down_after = 1, .up_after = 1};
	site_start(&t);
	struct rec_send ping = next_word();
	EXPECT_TRUE(site_is(&ping, "OPTIONS sip:198.51.100.7"));
	site_answer(&t, &ping, 401, "c", SERVER("attacker.example", "n1", ""), NULL);
	EXPECT_INT(site_sent_count(&t), 1);
	ping = next_word();
	site_answer(&t, &ping, 401, "c", SERVER(OURS, "n1", ""), NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "OPTIONS sip:198.51.100.7"));
	answer_in(site_sent(&t, 0), "Authorization");
	ping = *site_sent(&t, 0);
	site_answer(&t, &ping, 503, "c", NULL, NULL);
	EXPECT_INT(t.rec.notices[NOTICE_PEER_DOWN], 1);
	site_stop(&t);
}

/* Over a stream a non-INVITE transaction is over with its answer, and its request was never kept for sending again. */
static void over_a_stream_a_bye_is_answered_as_well(void **state)
{
	(void)state;
	init();
	t.carrier[0].transport = TRANSPORT_TLS;
	t.carrier[0].secure = true;
	t.carrier[0].port = 5061;
	site_start(&t);
	struct rec_send invite = call_out("1");
	EXPECT_INT(invite.dest.flow.transport, TRANSPORT_TLS);
	site_answer(&t, &invite, 407, "c", PROXY(OURS, "n1", ""), NULL);
	invite = *site_sent(&t, 0);
	EXPECT_Z(invite.dest.tls_name, "198.51.100.7");
	EXPECT_INT(invite.dest.trunk, SITE_CARRIER);
	struct rec_send ok = take_call(&invite);
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.inside, &ok, "BYE", 8, NULL, NULL);
	struct rec_send bye = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&bye, "BYE "));
	site_answer(&t, &bye, 407, NULL, PROXY(OURS, "n9", ", stale=true"), NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "BYE "));
	EXPECT_Z(answer_in(site_sent(&t, 0), "Proxy-Authorization").nonce, "n9");
	EXPECT_Z(site_sent(&t, 0)->dest.tls_name, "198.51.100.7");
	bye = *site_sent(&t, 0);
	site_answer(&t, &bye, 200, NULL, NULL, NULL);
	site_relay(&t, NULL);
	finish();
}

/* A peer that is a name: where the name led is the peer's, for the BYE as well. */
static void a_peer_that_is_a_name_is_known_by_where_it_led(void **state)
{
	(void)state;
	static const char *const ips[] = {"198.51.100.99:5060", NULL};
	init();
	t.carrier[0].host = STR("sip.carrier.example");
	site_start(&t);
	site_invite(&t, SITE_PBX, "1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	site_resolve(&t, ips);
	struct rec_send invite = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&invite, "INVITE sip:+4930555@sip.carrier.example"));
	site_answer(&t, &invite, 407, "c", PROXY(OURS, "n1", ""), NULL);
	invite = *site_sent(&t, 0);
	answer_in(&invite, "Proxy-Authorization");
	struct rec_send ok = take_call(&invite);
	site_in_dialog(&t, &t.inside, &ok, "BYE", 8, NULL, NULL);
	struct rec_send bye = *site_sent(&t, 0);
	site_answer(&t, &bye, 407, NULL, PROXY(OURS, "n2", ", stale=true"), NULL);
	EXPECT_Z(answer_in(site_sent(&t, 0), "Proxy-Authorization").nonce, "n2");
	bye = *site_sent(&t, 0);
	site_answer(&t, &bye, 200, NULL, NULL, NULL);
	site_relay(&t, NULL);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invite_that_is_challenged_goes_out_once_more_with_credentials),
		cmocka_unit_test(each_challenge_gets_what_it_should),
		cmocka_unit_test(credentials_of_one_trunk_are_not_for_another),
		cmocka_unit_test(requests_in_the_dialog_are_answered_too),
		cmocka_unit_test(an_address_that_a_contact_named_gets_no_credentials),
		cmocka_unit_test(the_next_request_carries_credentials_at_once),
		cmocka_unit_test(without_a_realm_the_first_that_asks_is_the_trunks),
		cmocka_unit_test(a_ping_that_is_challenged_goes_out_once_more),
		cmocka_unit_test(over_a_stream_a_bye_is_answered_as_well),
		cmocka_unit_test(a_peer_that_is_a_name_is_known_by_where_it_led),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
