#include "sbc/core/in_dialog.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/check.h"
#include "tests/support/site_call.h"

static struct site t;
static struct site_call k;

#define A(version, rest) SITE_SDP("carol", version, "198.51.100.7", rest)
#define B(version, rest) SITE_SDP("pbx", version, "10.0.0.21", rest)
#define AUDIO            "m=audio 20000 RTP/AVP 0\r\n"
#define VIDEO            "m=video 20002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
#define NO_VIDEO         "m=video 0 RTP/AVP 96\r\n"
#define T38              "m=image 20004 udptl t38\r\na=T38FaxVersion:0\r\n"

static void start(void)
{
	site_init(&t);
	t.media[0].t38 = true;
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
}

static void end(void)
{
	site_hang_up(&t, &k);
	site_expect_empty(&t, 1);
	site_stop(&t);
}

enum { SDP_MAX = 1024 };
static const char *const hosts[2] = {"198.51.100.7", "10.0.0.21"};

static void write_sdp(char out[SDP_MAX], unsigned side, int version, const char *media,
		      const char *rest)
{
	snprintf(out, SDP_MAX, "v=0\r\no=x 1 %d IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n%s%s",
		 version, hosts[side], hosts[side], media, rest);
}

static const char *body_of(const struct rec_send *m)
{
	const char *b = strstr(m->bytes, "\r\n\r\n");

	return b ? b + 4 : "";
}

/* ---- requests that are relayed, or refused, but never lost */

static void every_method_in_a_dialog_gets_its_final_answer(void **state)
{
	(void)state;
	static const struct {
		const char *name, *method, *extra;
		int refused; /* 0: it is relayed */
	} rows[] = {
		{"INFO crosses", "INFO", "", 0},
		{"MESSAGE crosses", "MESSAGE", "", 0},
		{"OPTIONS crosses", "OPTIONS", "", 0},
		{"UPDATE crosses", "UPDATE", "", 0},
		{"SUBSCRIBE to what a call does not tell", "SUBSCRIBE", "Event: dialog\r\n", 489},
		{"nor PUBLISH", "PUBLISH", "Event: presence\r\n", 405},
		{"nor REGISTER", "REGISTER", "", 405},
		{"what there is not is not implemented", "FETCH", "", 501},
		{"an extension that we do not know", "INFO", "Require: time-travel\r\n", 420},
	};
	CHECK_TABLE(row, rows)
	{
		for (unsigned side = 0; side < 2; side++) {
			char line[32];
			start();
			site_say(&t, &k, side, row->method, row->extra, NULL);
			snprintf(line, sizeof(line), "%s ", row->method);
			if (row->refused) {
				EXPECT_INT(site_count(&t, line), 0);
				snprintf(line, sizeof(line), "SIP/2.0 %d ", row->refused);
				EXPECT_SENT(&t, 0, line);
			} else {
				struct rec_send m = *site_sent(&t, 0);
				EXPECT_SENT(&t, 0, line);
				EXPECT_TRUE(!site_has(&m, side ? "10.0.0.21" : "198.51.100.7"));
				site_answer(&t, &m, 200, NULL, NULL, NULL);
				EXPECT_SENT(&t, 0, "SIP/2.0 200 ");
				EXPECT_INT(site_sent_count(&t), 2);
			}
			end();
		}
	}
}

static void a_refer_or_notify_in_a_dialog_gets_its_final_answer(void **state)
{
	(void)state;
	static const char *const methods[][2] = {
		{"REFER", "Refer-To: <sip:1@203.0.113.1>\r\n"},
		{"NOTIFY", "Event: refer\r\nSubscription-State: terminated\r\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		start();
		site_say(&t, &k, 0, methods[i][0], methods[i][1], NULL);
		EXPECT_INT(site_sent_count(&t), 1);
		EXPECT_SENT(&t, 0, "SIP/2.0 ");
		EXPECT_TRUE(site_sent(&t, 0)->bytes[8] >= '2');
		end();
	}
}

/* RFC 5057 §5: what an answer says about the request alone, and what about the dialog. */
static void an_answer_ends_the_call_or_only_its_request(void **state)
{
	(void)state;
	static const struct {
		const char *name, *method;
		int from_b, to_a;
		bool ends;
	} rows[] = {
		{"481 to an INFO: the dialog has gone", "INFO", 481, 481, true},
		{"408 to an UPDATE, which no one may be given (RFC 4320)", "UPDATE", 408, 481,
		 true},
		{"481 to a re-INVITE", "INVITE", 481, 481, true},
		{"404 to a re-INVITE: its target has gone", "INVITE", 404, 404, true},
		{"410 to an INFO", "INFO", 410, 410, true},
		{"488 to a re-INVITE", "INVITE", 488, 488, false},
		{"606 to a re-INVITE", "INVITE", 606, 606, false},
		{"491 to a re-INVITE: who asked backs off", "INVITE", 491, 491, false},
		{"405 to an UPDATE", "UPDATE", 405, 405, false},
		{"415 to an INFO", "INFO", 415, 415, false},
		{"503 to a MESSAGE: who asked is not told to shun us", "MESSAGE", 503, 500, false},
		{"486 to a re-INVITE", "INVITE", 486, 486, false},
		{"603 to a re-INVITE", "INVITE", 603, 603, false},
	};
	CHECK_TABLE(row, rows)
	{
		char line[32];
		start();
		bool invite = row->method[1] == 'N' && row->method[2] == 'V';
		site_say(&t, &k, 0, row->method, NULL,
			 invite ? A("2", AUDIO "a=sendonly\r\n") : NULL);
		if (invite)
			site_relay_echo(&t);
		snprintf(line, sizeof(line), "%s ", row->method);
		struct rec_send m = *site_find(&t, line);
		site_answer(&t, &m, row->from_b, NULL, NULL, NULL);
		snprintf(line, sizeof(line), "SIP/2.0 %d ", row->to_a);
		EXPECT_INT(site_count(&t, line), 1);
		EXPECT_INT(site_count(&t, "BYE "), row->ends ? 2 : 0);
		if (!row->ends) {
			end();
			continue;
		}
		while (t.rec.open_count[0]) /* whatever the relay was asked */
			site_relay_to(&t, t.rec.open[0][0], SITE_SDP_RELAY);
		EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"dialog_lost\""));
		site_expect_empty(&t, 1);
		site_stop(&t);
	}
}

/* ---- who may offer now */

static void two_changes_at_once(void **state)
{
	(void)state;
	static const struct {
		const char *name, *first, *second;
		unsigned by; /* who sends the second; the first is the caller's */
		int status;
		bool empty; /* the second has no SDP */
	} rows[] = {
		{"re-INVITEs of both sides are a glare", "INVITE", "INVITE", 1, 491, false},
		{"a second re-INVITE of the same side is too soon", "INVITE", "INVITE", 0, 500,
		 false},
		{"an UPDATE against a re-INVITE is a glare", "INVITE", "UPDATE", 1, 491, false},
		{"an UPDATE after its own re-INVITE is too soon", "INVITE", "UPDATE", 0, 500,
		 false},
		{"a re-INVITE against an UPDATE is a glare", "UPDATE", "INVITE", 1, 491, false},
		{"an empty re-INVITE against an UPDATE is one too", "UPDATE", "INVITE", 1, 491,
		 true},
		{"and too soon after its own", "UPDATE", "INVITE", 0, 500, true},
		{"UPDATEs of both sides are a glare", "UPDATE", "UPDATE", 1, 491, false},
		{"a second UPDATE of the same side is too soon", "UPDATE", "UPDATE", 0, 500, false},
	};
	CHECK_TABLE(row, rows)
	{
		for (int at_relay = 0; at_relay < 2; at_relay++) {
			char line[32];
			start();
			site_say(&t, &k, 0, row->first, NULL, A("2", AUDIO "a=sendonly\r\n"));
			if (!at_relay)
				site_relay_echo(&t);
			snprintf(line, sizeof(line), "%s ", row->first);
			struct rec_send first = {.len = 0};
			if (!at_relay)
				first = *site_find(&t, line);
			ports_rec_clear(&t.rec);
			site_say(&t, &k, row->by, row->second, NULL,
				 row->empty ? NULL
				 : row->by  ? B("2", AUDIO "a=sendonly\r\n")
					    : A("3", AUDIO));
			snprintf(line, sizeof(line), "SIP/2.0 %d ", row->status);
			EXPECT_SENT(&t, 0, line);
			EXPECT_INT(site_sent_count(&t), 1);
			EXPECT_INT(t.rec.relay_count, 0);
			const char *after = site_header(site_sent(&t, 0), "Retry-After");
			uint16_t seconds;
			if (row->status == 500)
				EXPECT_INT(str_to_u16(str_from(after), 10, &seconds), OK);
			else
				EXPECT_TRUE(!after[0]);
			if (strcmp(row->second, "INVITE") == 0)
				site_ack(&t, &k, row->by, NULL);
			if (!at_relay) { /* the first goes on as if nothing had been */
				site_answer(&t, &first, 200, NULL, NULL,
					    B("2", AUDIO "a=recvonly\r\n"));
				site_relay_echo(&t);
				EXPECT_SENT(&t, 0, "SIP/2.0 200 ");
				EXPECT_TRUE(site_has(site_sent(&t, 0), "a=recvonly"));
			}
			site_say(&t, &k, 0, "BYE", NULL, NULL);
			while (t.rec.open_count[0])
				site_relay_to(&t, t.rec.open[0][0], SITE_SDP_RELAY);
			site_expect_empty(&t, 1);
			site_stop(&t);
		}
	}
}

static void a_reinvite_before_the_ack_waits_its_turn(void **state)
{
	(void)state;
	start();
	struct rec_send out[2];
	site_say(&t, &k, 0, "INVITE", NULL, A("2", AUDIO "a=sendonly\r\n"));
	site_relay_echo(&t);
	out[0] = *site_find(&t, "INVITE ");
	site_answer(&t, &out[0], 200, NULL, NULL, B("2", AUDIO "a=recvonly\r\n"));
	site_relay_echo(&t);
	site_say(&t, &k, 1, "INVITE", NULL, B("3", AUDIO)); /* our 200 has no ACK yet */
	EXPECT_SENT(&t, 0, "SIP/2.0 491 ");
	site_ack(&t, &k, 1, NULL);
	site_ack(&t, &k, 0, NULL);
	site_exchange(&t, &k, 1, "INVITE", B("3", AUDIO), A("3", AUDIO), out);
	EXPECT_TRUE(site_is(&out[1], "SIP/2.0 200"));
	end();
}

static void in_an_early_dialog_a_reinvite_gets_a_final_answer(void **state)
{
	(void)state;
	site_init(&t);
	site_start(&t);
	memset(&k, 0, sizeof(k));
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	k.invite = *site_sent(&t, 0);
	site_answer(&t, &k.invite, 180, "b1", NULL, NULL);
	k.last[0] = *site_find(&t, "SIP/2.0 180");
	k.last[1] = k.invite;
	k.cseq[0] = 8;
	site_say(&t, &k, 0, "INVITE", NULL, A("2", AUDIO));
	EXPECT_SENT(&t, 0, "SIP/2.0 500 ");
	EXPECT_TRUE(site_header(site_sent(&t, 0), "Retry-After")[0] != 0);
	site_ack(&t, &k, 0, NULL);
	ports_rec_clear(&t.rec);
	site_say(&t, &k, 0, "UPDATE", NULL, A("2", AUDIO)); /* its own offer is open */
	EXPECT_SENT(&t, 0, "SIP/2.0 500 ");
	EXPECT_INT(site_sent_count(&t), 1);
	site_stop(&t);
}

/* ---- refusals */

static void a_refused_change_leaves_both_sides_and_the_relay_as_they_were(void **state)
{
	(void)state;
	for (unsigned side = 0; side < 2; side++) {
		start();
		struct call *c = site_the_call(&t);
		struct rec_send out[2];
		site_say(&t, &k, side, "INVITE", NULL,
			 side ? B("2", AUDIO T38) : A("2", AUDIO T38));
		site_relay_echo(&t);
		struct rec_send m = *site_find(&t, "INVITE ");
		EXPECT_TRUE(site_has(&m, "m=image "));
		ports_rec_clear(&t.rec);
		site_answer(&t, &m, 488, NULL, NULL, NULL);
		EXPECT_INT(site_count(&t, "SIP/2.0 488 "), 1);
		site_ack(&t, &k, side, NULL);
		/* The relay hears again what is in force: the first offer and its answer. */
		EXPECT_INT(t.rec.relay_count, 2);
		EXPECT_TRUE(strcmp(t.rec.relays[0].command, "offer") == 0 &&
			    strstr(t.rec.relays[0].text, "m=audio 20000 RTP/AVP 0"));
		EXPECT_TRUE(strcmp(t.rec.relays[1].command, "answer") == 0 &&
			    strstr(t.rec.relays[1].text, "m=audio 30000 RTP/AVP 0"));
		EXPECT_TRUE(!strstr(t.rec.relays[0].text, "m=image"));
		while (t.rec.open_count[0])
			site_relay_to(&t, t.rec.open[0][0], SITE_SDP_RELAY);
		EXPECT_INT(c->offer[0].state, OFFER_AGREED);
		EXPECT_INT(c->offer[1].state, OFFER_AGREED);
		/* And both may change it again. */
		site_exchange(&t, &k, 1 - side, "INVITE", side ? A("3", AUDIO) : B("3", AUDIO),
			      side ? B("3", AUDIO) : A("3", AUDIO), out);
		site_exchange(&t, &k, side, "INVITE", side ? B("4", AUDIO) : A("4", AUDIO),
			      side ? A("4", AUDIO) : B("4", AUDIO), out);
		end();
	}
}

static void a_refused_reinvite_does_not_move_the_target(void **state)
{
	(void)state;
	start();
	site_say(&t, &k, 0, "INVITE", NULL, A("2", AUDIO)); /* Contact: x, was alice */
	site_relay_echo(&t);
	struct rec_send m = *site_find(&t, "INVITE ");
	site_answer(&t, &m, 488, NULL, NULL, NULL);
	site_ack(&t, &k, 0, NULL);
	ports_rec_clear(&t.rec);
	site_say(&t, &k, 1, "INFO", NULL, NULL);
	EXPECT_SENT(&t, 0, "INFO sip:alice@198.51.100.7");
	m = *site_sent(&t, 0);
	site_answer(&t, &m, 200, NULL, NULL, NULL);
	site_say(&t, &k, 0, "BYE", NULL, NULL);
	while (t.rec.open_count[0])
		site_relay_to(&t, t.rec.open[0][0], SITE_SDP_RELAY);
	site_stop(&t);
}

static void a_relay_that_cannot_follow_refuses_the_change_and_keeps_the_call(void **state)
{
	(void)state;
	start();
	struct rec_send out[2];
	site_say(&t, &k, 0, "INVITE", NULL, A("2", AUDIO VIDEO));
	site_relay_error(&t, RELAY_RESULT_ERROR);
	EXPECT_SENT(&t, 0, "SIP/2.0 500 ");
	EXPECT_INT(site_count(&t, "INVITE "), 0);
	site_ack(&t, &k, 0, NULL);
	while (t.rec.open_count[0])
		site_relay_to(&t, t.rec.open[0][0], SITE_SDP_RELAY);
	site_exchange(&t, &k, 1, "INVITE", B("2", AUDIO), A("3", AUDIO), out);
	end();
}

/* ---- hold */

enum { HOLD_STEPS = 4 };

static void hold_and_resume_from_either_side_and_both(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct {
			unsigned by;
			const char *offer, *answer; /* what stands behind m=audio */
		} step[HOLD_STEPS];
	} rows[] = {
		{"the caller holds and resumes",
		 {{0, "a=sendonly\r\n", "a=recvonly\r\n"},
		  {0, "a=sendrecv\r\n", "a=sendrecv\r\n"}}},
		{"the callee holds and resumes",
		 {{1, "a=sendonly\r\n", "a=recvonly\r\n"},
		  {1, "a=sendrecv\r\n", "a=sendrecv\r\n"}}},
		{"inactive is answered by inactive; no direction is sendrecv",
		 {{0, "a=inactive\r\n", "a=inactive\r\n"}, {0, "", ""}}},
		{"both hold, the first resumes first",
		 {{0, "a=sendonly\r\n", "a=recvonly\r\n"},
		  {1, "a=inactive\r\n", "a=inactive\r\n"},
		  {0, "a=recvonly\r\n", "a=sendonly\r\n"},
		  {1, "a=sendrecv\r\n", "a=sendrecv\r\n"}}},
		{"both hold, the second resumes first",
		 {{0, "a=sendonly\r\n", "a=recvonly\r\n"},
		  {1, "a=inactive\r\n", "a=inactive\r\n"},
		  {1, "a=recvonly\r\n", "a=sendonly\r\n"},
		  {0, "a=sendrecv\r\n", "a=sendrecv\r\n"}}},
		{"the old way: c=0.0.0.0",
		 {{0, "c=IN IP4 0.0.0.0\r\n", "a=recvonly\r\n"}, {0, "", ""}}},
	};
	static const char *const methods[] = {"INVITE", "UPDATE"};
	CHECK_TABLE(row, rows)
	{
		for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
			start();
			for (int i = 0; i < HOLD_STEPS && row->step[i].offer; i++) {
				char offer[SDP_MAX], answer[SDP_MAX];
				struct rec_send out[2];
				unsigned by = row->step[i].by;
				write_sdp(offer, by, i + 2, AUDIO, row->step[i].offer);
				write_sdp(answer, 1 - by, i + 2, AUDIO, row->step[i].answer);
				site_exchange(&t, &k, by, methods[m], offer, answer, out);
				EXPECT_TRUE(site_has(&out[0], row->step[i].offer));
				EXPECT_TRUE(site_has(&out[1], row->step[i].answer));
				EXPECT_TRUE(!site_has(&out[0], hosts[by]) &&
					    !site_has(&out[1], hosts[1 - by]));
				if (!row->step[i].offer[0])
					EXPECT_TRUE(!site_has(&out[0], "0.0.0.0") &&
						    !site_has(&out[0], "only"));
			}
			end();
		}
	}
}

/* ---- media come and go */

static void media_come_and_go_and_the_call_stays(void **state)
{
	(void)state;
	static const struct {
		const char *name, *offer, *answer, *seen, *got;
	} steps[] = {
		{"video is added", AUDIO VIDEO, AUDIO VIDEO, "m=video 20002", "m=video 20002"},
		{"and taken away", AUDIO NO_VIDEO, AUDIO NO_VIDEO, "m=video 0", "m=video 0"},
		{"audio becomes T.38", "m=audio 0 RTP/AVP 0\r\n" NO_VIDEO T38,
		 "m=audio 0 RTP/AVP 0\r\n" NO_VIDEO T38, "m=image 20004", "m=image 20004"},
		{"and audio again", AUDIO NO_VIDEO "m=image 0 udptl t38\r\n",
		 AUDIO NO_VIDEO "m=image 0 udptl t38\r\n", "m=image 0", "m=image 0"},
	};
	for (unsigned side = 0; side < 2; side++) {
		start();
		CHECK_TABLE(row, steps)
		{
			char offer[SDP_MAX], answer[SDP_MAX];
			struct rec_send out[2];
			write_sdp(offer, side, 5, "", row->offer);
			write_sdp(answer, 1 - side, 5, "", row->answer);
			site_exchange(&t, &k, side, "INVITE", offer, answer, out);
			EXPECT_TRUE(site_has(&out[0], row->seen));
			EXPECT_TRUE(site_has(&out[1], row->got));
		}
		end();
	}
}

/* ---- o= */

struct origin {
	unsigned long id, version;
};

static struct origin origin_of(const struct rec_send *m)
{
	const char *o = strstr(body_of(m), "o=");
	char *end;
	struct origin out = {0};

	CHECK(o);
	o = strchr(o, ' ');
	out.id = strtoul(o, &end, 10);
	out.version = strtoul(end, NULL, 10);
	return out;
}

static void our_origin_is_one_for_the_life_of_a_leg_and_counts_changes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *offer, *answer;
		unsigned long up[2]; /* at who is asked, at who asks */
	} steps[] = {
		{"nothing has changed for either", AUDIO, AUDIO, {0, 0}},
		{"a hold changes both", AUDIO "a=sendonly\r\n", AUDIO "a=recvonly\r\n", {1, 1}},
		{"the same again changes neither",
		 AUDIO "a=sendonly\r\n",
		 AUDIO "a=recvonly\r\n",
		 {0, 0}},
		{"one side's answer alone", AUDIO "a=sendonly\r\n", AUDIO "a=inactive\r\n", {0, 1}},
	};
	start();
	struct rec_send out[2];
	site_exchange(&t, &k, 0, "INVITE", A("2", AUDIO), B("2", AUDIO), out);
	struct origin b = origin_of(&out[0]), a = origin_of(&out[1]);
	EXPECT_U64(b.id, origin_of(&k.invite).id);
	EXPECT_U64(a.id, origin_of(&k.ok).id);
	EXPECT_TRUE(a.id != b.id);
	CHECK_TABLE(row, steps)
	{
		char offer[512], answer[512];
		snprintf(offer, sizeof(offer), A("9", "%s"), row->offer);
		snprintf(answer, sizeof(answer), B("9", "%s"), row->answer);
		site_exchange(&t, &k, 0, "INVITE", offer, answer, out);
		EXPECT_U64(origin_of(&out[0]).id, b.id);
		EXPECT_U64(origin_of(&out[1]).id, a.id);
		EXPECT_U64(origin_of(&out[0]).version, b.version + row->up[0]);
		EXPECT_U64(origin_of(&out[1]).version, a.version + row->up[1]);
		b = origin_of(&out[0]);
		a = origin_of(&out[1]);
	}
	end();
}

/* ---- late offers */

static void an_empty_reinvite_asks_the_other_side_for_all_it_can(void **state)
{
	(void)state;
	for (unsigned side = 0; side < 2; side++) {
		start();
		struct rec_send m;
		site_say(&t, &k, side, "INVITE", NULL, NULL);
		m = *site_find(&t, "INVITE ");
		EXPECT_Z(str_from(body_of(&m)), "");
		/* The other's offer is more than was agreed: it crosses whole. */
		site_answer(&t, &m, 200, NULL, NULL,
			    side ? A("2", "m=audio 20000 RTP/AVP 0 8 9\r\n")
				 : B("2", "m=audio 20000 RTP/AVP 0 8 9\r\n"));
		EXPECT_INT(site_count(&t, "ACK "), 0);
		site_relay_echo(&t);
		EXPECT_SENT(&t, 0, "SIP/2.0 200 ");
		EXPECT_TRUE(site_has(site_sent(&t, 0), "RTP/AVP 0 8 9"));
		site_ack(&t, &k, side,
			 side ? B("3", "m=audio 20000 RTP/AVP 8\r\n")
			      : A("3", "m=audio 20000 RTP/AVP 8\r\n"));
		EXPECT_INT(site_count(&t, "ACK "), 0);
		site_relay_echo(&t);
		EXPECT_SENT(&t, 0, "ACK ");
		EXPECT_TRUE(site_has(site_sent(&t, 0), "RTP/AVP 8\r\n"));
		struct rec_send ack = *site_sent(&t, 0);
		site_answer(&t, &m, 200, NULL, NULL, SITE_SDP_IN); /* it was lost */
		EXPECT_TRUE(strcmp(ack.bytes, site_sent(&t, 0)->bytes) == 0);
		EXPECT_INT(site_count(&t, "ACK "), 2);
		end();
	}
}

static void a_refused_empty_reinvite_changes_nothing(void **state)
{
	(void)state;
	start();
	struct rec_send out[2];
	site_say(&t, &k, 0, "INVITE", NULL, NULL);
	struct rec_send m = *site_find(&t, "INVITE ");
	site_answer(&t, &m, 488, NULL, NULL, NULL);
	EXPECT_INT(site_count(&t, "SIP/2.0 488"), 1);
	EXPECT_INT(t.rec.relay_count, 0);
	site_ack(&t, &k, 0, NULL);
	site_exchange(&t, &k, 1, "UPDATE", B("2", AUDIO), A("2", AUDIO), out);
	end();
}

static void a_2xx_without_the_sdp_that_it_owes_agrees_to_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const unsigned side = i & 1;
		const bool offers = i & 2;
		const char *hold =
			side ? B("2", AUDIO "a=sendonly\r\n") : A("2", AUDIO "a=sendonly\r\n");
		struct rec_send out[2];
		start();
		site_say(&t, &k, side, "INVITE", NULL, offers ? hold : NULL);
		if (offers)
			site_relay_echo(&t);
		struct rec_send m = *site_find(&t, "INVITE ");
		site_answer(&t, &m, 200, NULL, NULL, NULL);
		EXPECT_INT(site_count(&t, "ACK "), 1);
		EXPECT_INT(site_count(&t, "SIP/2.0 500"), 1);
		EXPECT_INT(site_count(&t, "SIP/2.0 200"), 0);
		site_ack(&t, &k, side, NULL);
		while (t.rec.open_count[0])
			site_relay_to(&t, t.rec.open[0][0], SITE_SDP_RELAY);
		site_exchange(&t, &k, 1 - side, "INVITE", side ? A("3", AUDIO) : B("3", AUDIO),
			      side ? B("3", AUDIO) : A("3", AUDIO), out);
		end();
	}
}

/* ---- targets and routes */

static void a_name_as_target_is_answered_where_its_owner_speaks_from(void **state)
{
	(void)state;
	start();
	char text[2048];
	const char *contact = site_header(&k.ok, "Contact");
	snprintf(
		text, sizeof(text),
		"UPDATE %.*s SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK-name;rport\r\n"
		"Max-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 8 UPDATE\r\n"
		"Contact: <sip:alice@pbx.elsewhere.example:5099>\r\nContent-Length: 0\r\n\r\n",
		(int)strlen(contact) - 2, contact + 1, site_header(&k.ok, "From"),
		site_header(&k.ok, "To"), site_header(&k.ok, "Call-ID"));
	site_message(&t, &t.outside, text);
	struct rec_send m = *site_sent(&t, 0);
	site_answer(&t, &m, 200, NULL, NULL, NULL);
	k.cseq[0] = 9;
	site_say(&t, &k, 1, "INFO", NULL, NULL);
	EXPECT_SENT(&t, 0, "INFO sip:alice@pbx.elsewhere.example:5099 SIP/2.0");
	EXPECT_TRUE(addr_eq(&site_sent(&t, 0)->dest.flow.remote, &t.outside.remote));
	EXPECT_INT(t.rec.resolve_count, 0);
	m = *site_sent(&t, 0);
	site_answer(&t, &m, 200, NULL, NULL, NULL);
	end();
}

static void routes_of_one_leg_are_used_on_that_leg_alone(void **state)
{
	(void)state;
	static const struct {
		const char *name, *record_route, *first_line, *routes;
	} rows[] = {
		{"loose: the target stands in the first line",
		 "Record-Route: <sip:198.51.100.7;lr>, <sip:198.51.100.77;lr>\r\n",
		 "INFO sip:alice@198.51.100.7 SIP/2.0\r\n", "Route: <sip:198.51.100.7;lr>"},
		{"strict: the router does, and the target is the last route",
		 "Record-Route: <sip:198.51.100.7>\r\n", "INFO sip:198.51.100.7 SIP/2.0\r\n",
		 "Route: <sip:alice@198.51.100.7>"},
	};
	CHECK_TABLE(row, rows)
	{
		site_init(&t);
		site_start(&t);
		site_establish(&t, &k, row->record_route, NULL);
		EXPECT_TRUE(!site_has(&k.invite, "Route:"));
		site_say(&t, &k, 1, "INFO", NULL, NULL);
		EXPECT_SENT(&t, 0, row->first_line);
		EXPECT_TRUE(site_has(site_sent(&t, 0), row->routes));
		EXPECT_TRUE(addr_eq(&site_sent(&t, 0)->dest.flow.remote, &t.outside.remote));
		struct rec_send m = *site_sent(&t, 0);
		site_answer(&t, &m, 200, NULL, NULL, NULL);
		site_say(&t, &k, 0, "INFO", NULL, NULL);
		EXPECT_TRUE(!site_has(site_sent(&t, 0), "Route:"));
		m = *site_sent(&t, 0);
		site_answer(&t, &m, 200, NULL, NULL, NULL);
		end();
	}
}

static void numbers_may_have_gaps_but_not_go_back(void **state)
{
	(void)state;
	start();
	k.cseq[0] = 1000;
	site_say(&t, &k, 0, "INFO", NULL, NULL);
	EXPECT_SENT(&t, 0, "INFO ");
	struct rec_send m = *site_sent(&t, 0);
	site_answer(&t, &m, 200, NULL, NULL, NULL);
	k.cseq[0] = 999;
	site_say(&t, &k, 0, "INFO", NULL, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 500 ");
	EXPECT_INT(site_count(&t, "INFO "), 1);
	k.cseq[0] = 1001;
	end();
}

/* ---- CANCEL */

static void a_held_cancel_goes_with_its_reason(void **state)
{
	(void)state;
	site_init(&t);
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send invite = *site_sent(&t, 0);
	site_cancel(&t, SITE_CARRIER, "1");
	EXPECT_INT(site_count(&t, "CANCEL "), 0);
	site_answer(&t, &invite, 100, NULL, NULL, NULL);
	EXPECT_INT(site_count(&t, "CANCEL "), 1);
	EXPECT_TRUE(site_has(site_find(&t, "CANCEL "), "Reason: SIP;cause=200"));
	site_answer(&t, &invite, 487, "b1", NULL, NULL);
	site_relay(&t, NULL);
	site_expect_empty(&t, 1);
	site_stop(&t);
}

static void a_reinvite_is_cancelled_with_its_reason(void **state)
{
	(void)state;
	for (int held = 0; held < 2; held++) {
		start();
		site_say(&t, &k, 0, "INVITE", NULL, A("2", AUDIO));
		site_relay_echo(&t);
		struct rec_send m = *site_find(&t, "INVITE ");
		if (!held)
			site_answer(&t, &m, 100, NULL, NULL, NULL);
		site_in_dialog(&t, &t.outside, &k.last[0], "CANCEL", k.cseq[0] - 1,
			       "Reason: SIP;cause=200;text=\"x\"\r\n", NULL);
		EXPECT_INT(site_count(&t, "CANCEL "), !held);
		if (held)
			site_answer(&t, &m, 100, NULL, NULL, NULL);
		EXPECT_INT(site_count(&t, "CANCEL "), 1);
		EXPECT_TRUE(site_has(site_find(&t, "CANCEL "), "Reason: SIP;cause=200"));
		site_answer(&t, &m, 487, NULL, NULL, NULL);
		EXPECT_INT(site_count(&t, "SIP/2.0 487"), 1);
		site_ack(&t, &k, 0, NULL);
		EXPECT_INT(site_count(&t, "BYE "), 0);
		site_say(&t, &k, 0, "BYE", NULL, NULL);
		while (t.rec.open_count[0])
			site_relay_to(&t, t.rec.open[0][0], SITE_SDP_RELAY);
		site_expect_empty(&t, 1);
		site_stop(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_in_a_dialog_gets_its_final_answer),
		cmocka_unit_test(a_refer_or_notify_in_a_dialog_gets_its_final_answer),
		cmocka_unit_test(an_answer_ends_the_call_or_only_its_request),
		cmocka_unit_test(two_changes_at_once),
		cmocka_unit_test(a_reinvite_before_the_ack_waits_its_turn),
		cmocka_unit_test(in_an_early_dialog_a_reinvite_gets_a_final_answer),
		cmocka_unit_test(a_refused_change_leaves_both_sides_and_the_relay_as_they_were),
		cmocka_unit_test(a_refused_reinvite_does_not_move_the_target),
		cmocka_unit_test(a_relay_that_cannot_follow_refuses_the_change_and_keeps_the_call),
		cmocka_unit_test(hold_and_resume_from_either_side_and_both),
		cmocka_unit_test(media_come_and_go_and_the_call_stays),
		cmocka_unit_test(our_origin_is_one_for_the_life_of_a_leg_and_counts_changes),
		cmocka_unit_test(an_empty_reinvite_asks_the_other_side_for_all_it_can),
		cmocka_unit_test(a_refused_empty_reinvite_changes_nothing),
		cmocka_unit_test(a_2xx_without_the_sdp_that_it_owes_agrees_to_nothing),
		cmocka_unit_test(a_name_as_target_is_answered_where_its_owner_speaks_from),
		cmocka_unit_test(routes_of_one_leg_are_used_on_that_leg_alone),
		cmocka_unit_test(numbers_may_have_gaps_but_not_go_back),
		cmocka_unit_test(a_held_cancel_goes_with_its_reason),
		cmocka_unit_test(a_reinvite_is_cancelled_with_its_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
