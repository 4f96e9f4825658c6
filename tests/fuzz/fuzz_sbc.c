/*
 * The signalling core under a script of bytes: messages of both sides (made from what the core has sent, or raw),
 * answers of the relay and the resolver in any order, time, broken connections. Whatever happens: when all questions
 * are answered and time has passed, nothing is left, and each call has had one CDR.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sbc/core/worker.h"
#include "tests/support/site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct site t;
static char raw[8192];

struct script {
	const uint8_t *p;
	size_t left;
};

static unsigned next(struct script *s)
{
	if (s->left == 0)
		return 0;
	s->left--;
	return *s->p++;
}

static const char *sdp_of(unsigned n)
{
	static const char *const list[] = {NULL, SITE_SDP_OUT, SITE_SDP_IN, "v=0\r\nbroken\r\n",
					   SITE_SDP_OUT "a=sendonly\r\n"};
	return list[n % ARRAY_LEN(list)];
}

static const char *extra_of(unsigned n)
{
	static const char *const list[] = {NULL,
					   "Require: 100rel\r\nRSeq: 1\r\n",
					   "Supported: 100rel\r\n",
					   "RAck: 1 7 INVITE\r\n",
					   "Record-Route: <sip:10.0.0.99;lr>\r\n",
					   "Reason: Q.850;cause=16\r\n",
					   "Require: foo\r\n",
					   "Record-Route: <sip:x>, <sip:y;lr>, <sip:z>\r\n"};
	return list[n % ARRAY_LEN(list)];
}

/* The n-th last message of the core of that kind, or NULL. */
static const struct rec_send *find(unsigned n, bool request)
{
	for (size_t i = n; i < site_sent_count(&t) && i < REC_SENDS; i++)
		if (site_is(site_sent(&t, i), "SIP/2.0") != request)
			return site_sent(&t, i);
	return NULL;
}

static void answer(struct script *s)
{
	static const int status[] = {100, 180, 183, 200, 200, 404, 486, 481, 487, 491,
				     503, 302, 408, 401, 488, 200, 199, 699, 202, 420};
	static const char *const tags[] = {"b1", "b2", "b3", NULL};
	const struct rec_send *m = find(next(s) % 8, true);
	unsigned st = next(s), how = next(s);
	int what = status[st % ARRAY_LEN(status)];
	const char *extra = extra_of(how >> 2 & 7);
	char mem[80];

	if (what == 302) {
		snprintf(mem, sizeof(mem), "Contact: <sip:%u@10.0.0.2%u>\r\n", how & 3,
			 how >> 5 & 3);
		extra = mem;
	} else if (extra && strstr(extra, "RSeq")) {
		snprintf(mem, sizeof(mem), "Require: 100rel\r\nRSeq: %u\r\nAllow: UPDATE\r\n",
			 1 + (st >> 5));
		extra = mem;
	}
	if (m)
		site_answer(&t, m, what, tags[how & 3], extra, sdp_of(how >> 5));
}

/* The RAck that fits a response, if it was reliable. */
static const char *rack_of(const struct rec_send *m, const char *otherwise, char *mem, size_t cap)
{
	const char *rseq = site_header(m, "RSeq");

	if (!*rseq)
		return otherwise;
	snprintf(mem, cap, "RAck: %.10s 7 INVITE\r\n", rseq);
	return mem;
}

static void in_dialog(struct script *s)
{
	static const char *const methods[] = {"ACK",   "BYE",     "INVITE",  "UPDATE", "INFO",
					      "PRACK", "OPTIONS", "MESSAGE", "CANCEL", "REFER"};
	unsigned which = next(s), how = next(s), cseq = next(s);
	const struct rec_send *m = find(which % 8, which & 0x80);
	struct flow f;

	if (!m)
		return;
	f = m->dest.flow;
	if ((which & 0x70) == 0x70)
		f.remote.ip[3] ^= 1; /* somebody else */
	const char *method = methods[how % ARRAY_LEN(methods)], *extra = extra_of(how >> 4);
	char mem[64];
	if (strcmp(method, "PRACK") == 0)
		extra = rack_of(m, extra, mem, sizeof(mem));
	site_in_dialog(&t, &f, m, method, cseq, extra, sdp_of(how >> 5));
}

static void any_bytes(struct script *s)
{
	size_t n = next(s) * 8;

	if (n > s->left)
		n = s->left;
	if (n >= sizeof(raw))
		n = sizeof(raw) - 1;
	memcpy(raw, s->p, n);
	raw[n] = 0;
	s->p += n;
	s->left -= n;
	site_message(&t, n & 8 ? &t.outside : &t.inside, raw);
}

static void relay_answers(unsigned n)
{
	if (t.rec.open_count[0] == 0)
		return;
	id_t64 id = t.rec.open[0][n % t.rec.open_count[0]];
	site_relay_to(&t, id, n & 0x80 ? NULL : SITE_SDP_RELAY);
}

static void resolver_answers(unsigned n)
{
	static const char *const two[] = {"10.0.0.31:5060", "10.0.0.32:5060", NULL};

	if (t.rec.open_count[1] > 0)
		site_resolve(&t, n & 1 ? two : NULL);
}

/* ---- calls that stand, and what is done to them: session timers, transfers, Replaces */

static unsigned cseq_of(const struct rec_send *m)
{
	return (unsigned)strtoul(site_header(m, "CSeq"), NULL, 10);
}

static void relay_agrees(void)
{
	for (int i = 0; i < 16 && t.rec.open_count[0] > 0; i++)
		site_relay_to(&t, t.rec.open[0][0], SITE_SDP_RELAY);
}

/* The n-th last request of the core of that method, or NULL. */
static const struct rec_send *find_method(const char *method, unsigned n)
{
	for (size_t i = 0; i < site_sent_count(&t) && i < REC_SENDS; i++)
		if (site_is(site_sent(&t, i), method) && n-- == 0)
			return site_sent(&t, i);
	return NULL;
}

static const char *more_of(unsigned n)
{
	static const char *const list[] = {
		NULL,
		"Supported: timer\r\nSession-Expires: 90\r\n",
		"Supported: timer\r\nSession-Expires: 120;refresher=uac\r\n",
		"Supported: timer\r\nSession-Expires: 120;refresher=uas\r\n",
		"Supported: timer\r\nSession-Expires: 30\r\n",
		"Require: timer\r\nSession-Expires: 180\r\nMin-SE: 150\r\n",
		"Min-SE: 130\r\n",
		"Retry-After: 3\r\n",
		"WWW-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n",
		"Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n",
		"Supported: 100rel, timer, replaces, 199\r\n",
		"Require: 100rel\r\n",
		"Privacy: id;user;critical\r\n",
	};
	return list[n % ARRAY_LEN(list)];
}

/* What an accepted INVITE leads to, up to the ACK. */
static void accept_invite(unsigned n)
{
	const struct rec_send *m = find_method("INVITE", 0);

	if (!m)
		return;
	site_answer(&t, m, 200, n & 1 ? "w1" : "w2", more_of(n >> 1 & 3), SITE_SDP_IN);
	relay_agrees();
	m = find(0, false);
	if (m && site_is(m, "SIP/2.0 200") && strstr(site_header(m, "CSeq"), "INVITE")) {
		struct flow f = m->dest.flow;
		site_in_dialog(&t, &f, m, "ACK", cseq_of(m), NULL, n & 8 ? SITE_SDP_OUT : NULL);
	}
	relay_agrees();
}

static void establish(struct script *s)
{
	static const char *const two[] = {"10.0.0.31:5060", NULL};
	unsigned n = next(s);
	char id[8];

	snprintf(id, sizeof(id), "e%u", n & 15);
	site_invite(&t, n >> 4 & 1, id, more_of(n >> 5), n & 0x40 ? NULL : SITE_SDP_OUT);
	relay_agrees();
	if (t.rec.open_count[1] > 0)
		site_resolve(&t, two);
	accept_invite(next(s));
}

/* The dialog that message m of the core is in, as its peer would name it. */
static int write_replaces(char *mem, size_t cap, const struct rec_send *m, bool escaped)
{
	bool response = site_is(m, "SIP/2.0");
	const char *ours = strstr(site_header(m, response ? "To" : "From"), "tag=");
	const char *theirs = strstr(site_header(m, response ? "From" : "To"), "tag=");

	return snprintf(mem, cap,
			escaped ? "%.200s%%3Bto-tag%%3D%.60s%%3Bfrom-tag%%3D%.60s"
				: "%.200s;to-tag=%.60s;from-tag=%.60s",
			site_header(m, "Call-ID"), ours ? ours + 4 : "0",
			theirs ? theirs + 4 : "0");
}

static void refer(struct script *s)
{
	char extra[1024], replaces[512] = "";
	unsigned which = next(s), how = next(s), cseq = next(s);
	const struct rec_send *m = find(which & 31, which & 0x80);
	const struct rec_send *of = find(how & 31, how & 0x20);

	if (!m)
		return;
	struct flow f = m->dest.flow;
	if (of && how & 0x40)
		write_replaces(replaces, sizeof(replaces), of, true);
	snprintf(extra, sizeof(extra), "Refer-To: <sip:+49%u@203.0.113.1%s%s>\r\n%s", how & 7,
		 replaces[0] ? "?Replaces=" : "", replaces,
		 how & 0x80 ? "Refer-Sub: false\r\n" : "");
	site_in_dialog(&t, &f, m, "REFER", cseq, extra, NULL);
	if (which & 0x40)
		relay_agrees();
}

static void with_replaces(struct script *s)
{
	char id[8], extra[700];
	unsigned n = next(s), how = next(s);
	const struct rec_send *of = find(n & 31, n & 0x20);

	if (!of)
		return;
	snprintf(id, sizeof(id), "r%u", how & 7);
	int at = snprintf(extra, sizeof(extra), "Replaces: ");
	at += write_replaces(extra + at, sizeof(extra) - (size_t)at, of, false);
	snprintf(extra + at, sizeof(extra) - (size_t)at, "%s\r\n", how & 0x80 ? ";early-only" : "");
	site_invite(&t, n >> 6 & 1, id, extra, sdp_of(how >> 4));
	if (how & 8)
		relay_agrees();
}

static void event_request(struct script *s)
{
	static const char *const extra[] = {
		"Event: refer\r\nSubscription-State: active;expires=60\r\n",
		"Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n",
		"Event: refer\r\nExpires: 0\r\n", "Event: dialog\r\n"};
	unsigned which = next(s), how = next(s);
	const struct rec_send *m = find(which & 31, which & 0x80);

	if (!m)
		return;
	struct flow f = m->dest.flow;
	site_in_dialog(&t, &f, m, how & 0x80 ? "NOTIFY" : "SUBSCRIBE", next(s), extra[how & 3],
		       NULL);
}

static void in_older_dialog(struct script *s)
{
	static const char *const methods[] = {"INVITE", "BYE", "UPDATE", "ACK", "PRACK", "INFO"};
	unsigned which = next(s), how = next(s), cseq = next(s);
	const struct rec_send *m = find(which & 63, which & 0x80);

	if (!m)
		return;
	struct flow f = m->dest.flow;
	site_in_dialog(&t, &f, m, methods[how % ARRAY_LEN(methods)], cseq, more_of(how >> 3),
		       sdp_of(which >> 5));
	if (which & 0x40)
		relay_agrees();
}

static void answer_more(struct script *s)
{
	static const int status[] = {200, 422, 491, 500, 401, 183, 408, 481, 200, 405, 603, 180};
	unsigned which = next(s), st = next(s), how = next(s);
	const struct rec_send *m = find(which & 63, true);

	if (m)
		site_answer(&t, m, status[st % ARRAY_LEN(status)], "w1", more_of(how >> 3),
			    sdp_of(how));
}

static void deeper(struct script *s, unsigned op)
{
	switch (op % 8) {
	case 0: establish(s); break;
	case 1: accept_invite(next(s)); break;
	case 2: refer(s); break;
	case 3: with_replaces(s); break;
	case 4: event_request(s); break;
	case 5: in_older_dialog(s); break;
	case 6: answer_more(s); break;
	default: relay_agrees(); break;
	}
}

static void one(struct script *s)
{
	char id[8];
	unsigned op = next(s), n;

	if (op >= 192) { /* a multiple of 12 */
		deeper(s, op);
		return;
	}
	switch (op % 12) {
	case 0:
		n = next(s);
		snprintf(id, sizeof(id), "%u", n & 7);
		site_invite(&t, n >> 3 & 1, id, extra_of(n >> 4), sdp_of(n >> 5));
		break;
	case 1:
	case 2: answer(s); break;
	case 3:
	case 4: in_dialog(s); break;
	case 5:
		n = next(s);
		snprintf(id, sizeof(id), "%u", n & 7);
		site_cancel(&t, n >> 3 & 1, id);
		break;
	case 6:
	case 7: relay_answers(next(s)); break;
	case 8: resolver_answers(next(s)); break;
	case 9:
		n = next(s);
		site_tick(&t, (uint64_t)n * n * 4);
		break;
	case 10: {
		const struct rec_send *m = find(next(s) % 8, true);
		if (m)
			site_failed(&t, m, (enum send_failure)(next(s) % SEND_FAILURE_COUNT));
		break;
	}
	default: any_bytes(s); break;
	}
}

/* Who asked has its answer, who waited has waited long enough. */
static void settle(void)
{
	struct sbc_counts c;

	for (int i = 0; i < 10; i++) {
		while (t.rec.open_count[0] > 0)
			site_relay_to(&t, t.rec.open[0][0], NULL);
		while (t.rec.open_count[1] > 0)
			site_resolve_to(&t, t.rec.open[1][0]);
		site_tick(&t, 200000);
	}
	sbc_count(t.sbc, &c);
	/* What is established stays: neither side has hung up. */
	CHECK(c.calls == c.calls_confirmed);
	CHECK(c.client_transactions == 0 && c.server_transactions == 0);
	CHECK(c.timers == 0 && c.resolving == 0);
	CHECK(c.relay_sessions <= c.calls);
	CHECK(c.pooled_setups == 0 && c.pooled_exchanges == 0 && c.pooled_asks == 0);
	CHECK(t.sbc->owns.used == 0 && t.sbc->transfers.used == 0);
	CHECK(t.rec.notices[NOTICE_CALL_ENDED] == c.calls_total - c.calls);
}

/* Memory for texts runs out early, or somewhere in the middle. */
static void starve(unsigned options)
{
	struct block_pool *b = &t.sbc->blocks;

	if (options & 8) {
		b->limit = BLOCK_SLAB;
		size_t left = 2048 + (size_t)(options >> 4) * 1024;
		for (size_t n = BLOCK_MAX; n >= 1024; n /= 2)
			while (BLOCK_SLAB - b->used >= left + n && block_new(b, n))
				;
	}
}

/* By the last octet, which is a step of the script too. */
static void take_habits(unsigned n, unsigned more)
{
	for (unsigned i = 0; i < SITE_TRUNKS; i++) {
		struct trunk_habits *h = &t.trunks[i].habits;
		h->redirect = (enum redirect_policy)((n & 3) % REDIRECT_POLICY_COUNT);
		h->redirects = 5;
		h->initial_offer = (enum offer_policy)((n >> 2 & 3) % OFFER_POLICY_COUNT);
		h->reliable = (enum reliable_policy)((n >> 4 & 3) % RELIABLE_POLICY_COUNT);
		h->refer = (enum refer_policy)((more >> 2 * i & 3) % REFER_POLICY_COUNT);
		h->session_timer =
			(struct session_timer_settings){.on = more >> (4 + i) & 1,
							.expires_s = more & 0x40 ? 90 : 300,
							.min_s = 90};
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {data, size};
	unsigned options = next(&s);

	site_init(&t);
	t.set.limits.calls = 16;
	t.set.limits.transactions = 200;
	t.rec.quiet = true;
	if (options & 1)
		t.pbx[0].host = STR("pbx.inside.test");
	if (options & 2)
		t.realms[0].anchor_media = t.realms[1].anchor_media = false;
	if (options & 4)
		t.routes[0].failure_after_ms = 4000;
	take_habits(size ? data[size - 1] : 0, size > 1 ? data[size - 2] : 0);
	site_start(&t);
	starve(options);
	for (int i = 0; i < 96 && s.left; i++)
		one(&s);
	settle();
	site_stop(&t);
	return 0;
}
