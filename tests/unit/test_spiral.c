/* Calls that come back to us: which are loops, and after how many rounds (threats B11). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/site.h"

static struct site t;

enum { TURNS_MAX = 40 };

/* What whoever has our INVITE does with it before it is with us again. */
enum way {
	KEEPS_ALL,     /* a proxy: Call-ID, tags and all */
	KEEPS_SESSION, /* an agent that makes all anew, but for Session-ID */
	COUNTS_HOPS,   /* one that makes all anew, and counts Max-Forwards down */
	KEEPS_NOTHING, /* and one that does not even that */
	NEW_NUMBER,    /* a proxy that forwards to another number each time */
	NO_CALLER      /* makes all anew, counts, and the caller is anonymous */
};

struct invite {
	char call_id[128], tag[128], session[128], number[32], caller[32];
	int hops;
	unsigned serial;
};

static void send_invite(const struct invite *i, bool from_carrier)
{
	char text[2048], session[200] = "";
	const char *ip = from_carrier ? "198.51.100.7" : "10.0.0.21";

	if (i->session[0])
		snprintf(session, sizeof(session), "Session-ID: %s\r\n", i->session);
	snprintf(text, sizeof(text),
		 "INVITE sip:%s@sbc.test SIP/2.0\r\nVia: SIP/2.0/UDP %s:5060;branch=z9hG4bK-%u\r\n"
		 "Max-Forwards: %d\r\nFrom: <sip:%s@%s>;tag=%s\r\nTo: <sip:%s@sbc.test>\r\n"
		 "Call-ID: %s\r\nCSeq: 1 INVITE\r\nContact: <sip:x@%s:5060>\r\n%s"
		 "Content-Length: 0\r\n\r\n",
		 i->number, ip, i->serial, i->hops, i->caller, ip, i->tag, i->number, i->call_id,
		 ip, session);
	site_message(&t, from_carrier ? &t.outside : &t.inside, text);
}

/* The value of a header, as far as `end`. */
static void copy(char *out, size_t cap, const struct rec_send *m, const char *name,
		 const char *from, char end)
{
	const char *v = site_header(m, name);
	const char *at = from ? strstr(v, from) : v;
	size_t n = 0;

	at = at ? at + (from ? strlen(from) : 0) : "";
	while (at[n] && at[n] != end && n + 1 < cap)
		n++;
	memcpy(out, at, n);
	out[n] = '\0';
}

static void change(struct invite *i, const struct rec_send *ours, enum way way)
{
	i->serial++;
	i->session[0] = '\0';
	if (way == KEEPS_ALL || way == NEW_NUMBER) {
		copy(i->call_id, sizeof(i->call_id), ours, "Call-ID", NULL, '\r');
		copy(i->tag, sizeof(i->tag), ours, "From", "tag=", ';');
	} else {
		snprintf(i->call_id, sizeof(i->call_id), "anew-%u", i->serial);
		snprintf(i->tag, sizeof(i->tag), "t%u", i->serial);
	}
	if (way == KEEPS_SESSION)
		copy(i->session, sizeof(i->session), ours, "Session-ID", NULL, '\r');
	if (way == NEW_NUMBER)
		snprintf(i->number, sizeof(i->number), "%u", 100 + i->serial);
	i->hops = way == KEEPS_NOTHING || way == KEEPS_SESSION
			  ? 70
			  : (int)strtol(site_header(ours, "Max-Forwards"), NULL, 10) - 1;
}

/* Between the carrier and the PBX, until we refuse; how many INVITEs we sent. *out_status: with what. */
static unsigned play(enum way way, int *out_status)
{
	struct invite i = {
		.call_id = "first", .tag = "t0", .number = "100", .caller = "+49171", .hops = 70};
	unsigned sent = 0;

	if (way == KEEPS_SESSION)
		snprintf(
			i.session, sizeof(i.session),
			"ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000");
	if (way == NO_CALLER)
		snprintf(i.caller, sizeof(i.caller), "anonymous");
	*out_status = 0;
	for (bool from_carrier = true; sent < TURNS_MAX; from_carrier = !from_carrier) {
		ports_rec_clear(&t.rec);
		send_invite(&i, from_carrier);
		const struct rec_send *m = site_sent(&t, 0);
		if (!m || !site_is(m, "INVITE ")) {
			*out_status = m && site_is(m, "SIP/2.0 482") ? 482 : 1;
			return sent;
		}
		sent++;
		change(&i, m, way);
	}
	return sent;
}

static void test_loops(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum way way;
		unsigned invites; /* that we send */
		int status;
	} rows[] = {
		{"our own request that comes back to where it began is a loop", KEEPS_ALL, 2, 482},
		{"so is the same session", KEEPS_SESSION, 2, 482},
		{"with less hops left each time the third round is the last", COUNTS_HOPS, 6, 482},
		{"with nothing but caller and number the tenth", KEEPS_NOTHING, 20, 482},
		{"a chain of ten forwardings is as long as one may be", NEW_NUMBER, 11, 482},
		{"callers who are no one are many: only hops end it", NO_CALLER, 35, 1},
	};
	CHECK_TABLE(row, rows)
	{
		int status;
		site_init(&t);
		t.realms[SITE_OUTSIDE].anchor_media = t.realms[SITE_INSIDE].anchor_media = false;
		site_start(&t);
		EXPECT_INT(play(row->way, &status), row->invites);
		EXPECT_INT(status, row->status);
		site_stop(&t);
	}
}

static bool is_refused(void)
{
	return site_is(site_sent(&t, 0), "SIP/2.0 482");
}

static void start(void)
{
	site_init(&t);
	t.realms[SITE_OUTSIDE].anchor_media = t.realms[SITE_INSIDE].anchor_media = false;
	site_start(&t);
}

static void many_phones_with_one_number_may_call_one_number(void **state)
{
	(void)state;
	start();
	for (unsigned n = 0; n < 15; n++) {
		struct invite i = {.number = "100", .caller = "+4930555", .hops = 70, .serial = n};
		snprintf(i.call_id, sizeof(i.call_id), "phone-%u", n);
		snprintf(i.tag, sizeof(i.tag), "t%u", n);
		send_invite(&i, true);
		EXPECT_TRUE(site_is(site_sent(&t, 0), "INVITE "));
	}
	site_stop(&t);
}

/* A PBX forwards a call back to whence it came, to another number: the very request, once. */
static void a_forwarding_back_is_no_loop(void **state)
{
	(void)state;
	start();
	struct invite i = {
		.call_id = "first", .tag = "t0", .number = "100", .caller = "+49171", .hops = 70};
	send_invite(&i, true);
	change(&i, site_sent(&t, 0), NEW_NUMBER);
	send_invite(&i, false);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "INVITE "));
	EXPECT_TRUE(!is_refused());
	site_stop(&t);
}

static void a_loop_is_counted_with_its_rule_and_has_a_record(void **state)
{
	(void)state;
	int status;
	start();
	(void)play(KEEPS_ALL, &status);
	EXPECT_INT(status, 482);
	EXPECT_INT(t.rec.notices[NOTICE_REFUSED], 1);
	EXPECT_TRUE(t.rec.notices[NOTICE_CALL_ENDED] >= 1);
	site_stop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loops),
		cmocka_unit_test(many_phones_with_one_number_may_call_one_number),
		cmocka_unit_test(a_forwarding_back_is_no_loop),
		cmocka_unit_test(a_loop_is_counted_with_its_rule_and_has_a_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
