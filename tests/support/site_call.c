#include "tests/support/site_call.h"

#include <stdio.h>
#include <stdlib.h>

#include "sbc/core/call.h"
#include "sbc/core/worker.h"
#include "tests/support/check.h"

void site_establish(struct site *t, struct site_call *k, const char *invite_extra,
		    const char *ok_extra)
{
	memset(k, 0, sizeof(*k));
	site_invite(t, SITE_CARRIER, "1", invite_extra, SITE_SDP_OUT);
	site_relay(t, SITE_SDP_RELAY);
	k->invite = *site_sent(t, 0);
	site_answer(t, &k->invite, 180, "b1", NULL, NULL);
	site_answer(t, &k->invite, 200, "b1", ok_extra, SITE_SDP_IN);
	k->last[1] = *site_find(t, "ACK ");
	site_relay(t, SITE_SDP_RELAY);
	k->ok = *site_find(t, "SIP/2.0 200 OK");
	k->last[0] = k->ok;
	site_in_dialog(t, &t->outside, &k->ok, "ACK", 7, NULL, NULL);
	k->cseq[0] = 8;
	k->cseq[1] = 1;
	ports_rec_clear(&t->rec);
}

static const struct flow *flow_of(const struct site *t, unsigned side)
{
	return side ? &t->inside : &t->outside;
}

void site_say(struct site *t, struct site_call *k, unsigned side, const char *method,
	      const char *extra, const char *sdp)
{
	site_in_dialog(t, flow_of(t, side), &k->last[side], method, k->cseq[side]++, extra, sdp);
}

void site_ack(struct site *t, struct site_call *k, unsigned side, const char *sdp)
{
	site_in_dialog(t, flow_of(t, side), &k->last[side], "ACK", k->cseq[side] - 1, NULL, sdp);
}

void site_relay_echo(struct site *t)
{
	static char sdp[REC_BYTES];
	if (t->rec.relay_count == 0)
		site_dump(t);
	CHECK(t->rec.relay_count > 0);
	const char *p = strstr(t->rec.relays[t->rec.relay_count - 1].text, "3:sdp");
	struct buf b;

	CHECK(p);
	unsigned long n = strtoul(p + 5, NULL, 10);
	struct str rest = {strchr(p + 5, ':') + 1, n};
	buf_init(&b, sdp, sizeof(sdp) - 1);
	while (rest.len) {
		size_t end = str_index(rest, '\n');
		struct str line = {rest.p, end < rest.len ? end + 1 : end};
		rest = str_from_offset(rest, line.len);
		if (str_has_prefix(line, STR("c=")) &&
		    !str_has_prefix(line, STR("c=IN IP4 0.0.0.0")))
			buf_lit(&b, "c=IN IP4 203.0.113.200\r\n");
		else
			buf_str(&b, line);
	}
	sdp[b.len] = 0;
	site_relay(t, sdp);
}

void site_exchange(struct site *t, struct site_call *k, unsigned side, const char *method,
		   const char *sdp, const char *answer, struct rec_send out[2])
{
	char line[32];

	ports_rec_clear(&t->rec);
	site_say(t, k, side, method, NULL, sdp);
	if (sdp)
		site_relay_echo(t);
	snprintf(line, sizeof(line), "%s ", method);
	out[0] = *site_find(t, line);
	site_answer(t, &out[0], 200, NULL, NULL, answer);
	if (answer)
		site_relay_echo(t);
	out[1] = *site_find(t, "SIP/2.0 200");
	if (strcmp(method, "INVITE") == 0 && sdp)
		site_ack(t, k, side, NULL);
}

void site_hang_up(struct site *t, struct site_call *k)
{
	site_say(t, k, 0, "BYE", NULL, NULL);
	const struct rec_send *bye = site_find(t, "BYE ");
	if (bye) {
		struct rec_send m = *bye;
		site_answer(t, &m, 200, NULL, NULL, NULL);
	}
	while (t->rec.open_count[0])
		site_relay_to(t, t->rec.open[0][0], SITE_SDP_RELAY);
}

struct call *site_the_call(struct site *t)
{
	uint32_t cursor = 0;
	id_t64 id;

	return pool_next(&t->sbc->calls, &cursor, &id);
}

size_t site_count(const struct site *t, const char *start)
{
	size_t n = 0;

	for (size_t i = 0; i < t->rec.send_count; i++)
		n += site_is(&t->rec.sends[i], start);
	return n;
}

const struct rec_send *site_find(const struct site *t, const char *start)
{
	for (size_t i = 0; i < t->rec.send_count; i++)
		if (site_is(site_sent(t, i), start))
			return site_sent(t, i);
	return NULL;
}

bool site_sent_is(const struct site *t, size_t before, const char *start)
{
	if (site_is(site_sent(t, before), start))
		return true;
	site_dump(t);
	return false;
}

bool site_cdr_has(struct site *t, const char *piece)
{
	t->rec.cdr[t->rec.cdr_len] = 0;
	if (strstr(t->rec.cdr, piece))
		return true;
	print_message("CDR: %s\n", t->rec.cdr);
	return false;
}

void site_expect_empty(struct site *t, size_t cdrs)
{
	struct sbc_counts c;

	site_tick(t, 300000);
	sbc_count(t->sbc, &c);
	EXPECT_INT(c.calls, 0);
	EXPECT_INT(c.calls_confirmed, 0);
	EXPECT_INT(c.client_transactions, 0);
	EXPECT_INT(c.server_transactions, 0);
	EXPECT_INT(c.timers, 0);
	EXPECT_INT(c.relay_sessions, 0);
	EXPECT_INT(t->rec.notices[NOTICE_CALL_ENDED], cdrs);
	EXPECT_U64(sbc_next_ms(t->sbc), UINT64_MAX);
}
