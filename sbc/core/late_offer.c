#include "sbc/core/late_offer.h"

#include "sbc/core/call_media.h"
#include "sbc/core/sdp_meet.h"

/* ---- which */

enum setup_late late_offer_choose(const struct call *c)
{
	const struct setup *u = c->setup;
	enum offer_policy p = c->settings->trunks[u->target.trunk].habits.initial_offer;

	if (!c->media.anchored)
		return SETUP_LATE_NOT;
	/* Of a caller that another call has lent the 200 to a re-INVITE stands for the ACK (in_dialog_take_answer). */
	if (p == OFFER_POLICY_EARLY && !u->has_offer)
		return SETUP_LATE_WROTE;
	if (p == OFFER_POLICY_LATE && u->has_offer)
		return SETUP_LATE_KEPT;
	return SETUP_LATE_NOT;
}

/* ---- our own offer */

struct codec {
	struct str name;
	const char *type, *map; /* payload type; rtpmap without it; NULL: static */
};

/* In the order in which they are offered, where no policy names another. */
static const struct codec known[] = {
	{STR("PCMU"), "0", "PCMU/8000"},  {STR("PCMA"), "8", "PCMA/8000"},
	{STR("G722"), "9", "G722/8000"},  {STR("opus"), "111", "opus/48000/2"},
	{STR("G729"), "18", "G729/8000"}, {STR("GSM"), "3", "GSM/8000"},
	{STR("iLBC"), "97", "iLBC/8000"},
};
/* What is offered where no policy names codecs: what every phone can do, and what ours can carry without a doubt. */
enum { KNOWN_DEFAULT = 4 };

static const struct media_rule *rule_of(const struct call *c, uint16_t realm)
{
	const struct policy_config *p = &c->settings->policy;
	uint16_t at = realm < p->realm_count ? p->realms[realm].media_policy : POLICY_NO_INDEX;

	return at < p->media_count ? &p->media[at] : NULL;
}

static bool is_listed(const struct str *list, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_ieq(list[i], name))
			return true;
	return false;
}

static bool allows(const struct media_rule *r, struct str name)
{
	return !r || r->codecs_allow_count == 0 ||
	       is_listed(r->codecs_allow, r->codecs_allow_count, name);
}

static bool is_offered(const struct media_rule *const rules[2], size_t i)
{
	bool named = (rules[0] && rules[0]->codecs_allow_count) ||
		     (rules[1] && rules[1]->codecs_allow_count);

	return (named || i < KNOWN_DEFAULT) && allows(rules[0], known[i].name) &&
	       allows(rules[1], known[i].name);
}

/*
 * The caller's address is not known, only where it signals from: nothing is sent there, port 9 discards it. Keys and
 * protocol are the relay's to write, by the callee's policy.
 */
struct str late_offer_write(struct sbc *s, const struct call *c)
{
	enum { ROOM = 1024 };
	const struct media_rule *rules[2] = {
		rule_of(c, call_realm(c, 0)),
		rule_of(c, c->settings->trunks[c->setup->target.trunk].realm)};
	const struct addr *host = &c->setup->flow.remote;
	char *mem = arena_alloc(&s->arena, ROOM);
	const char *family = host->family == ADDR_IP6 ? "IP6" : "IP4";
	struct buf b;

	if (!mem)
		return STR_NONE;
	buf_init(&b, mem, ROOM);
	buf_printf(&b, "v=0\r\no=- 1 1 IN %s ", family);
	addr_write_ip(&b, host);
	buf_printf(&b, "\r\ns=-\r\nc=IN %s ", family);
	addr_write_ip(&b, host);
	buf_lit(&b, "\r\nt=0 0\r\nm=audio 9 RTP/AVP");
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (is_offered(rules, i))
			buf_printf(&b, " %s", known[i].type);
	buf_lit(&b, " 101\r\n");
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (is_offered(rules, i))
			buf_printf(&b, "a=rtpmap:%s %s\r\n", known[i].type, known[i].map);
	buf_lit(&b, "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n");
	return b.overflow ? STR_NONE : buf_view(&b);
}

/* ---- while the call is set up */

static enum sdp_next ask(struct sbc *s, struct call *c, struct fork *k, struct call_sdp *sdp,
			 enum fork_asked what, struct verdict *out)
{
	*out = (struct verdict){.status = 500, .rule = STR("relay")};
	k->asked = (uint8_t)what;
	k->ask = call_ask_media(s, c, sdp);
	return k->ask == ID_NONE ? SDP_REFUSED : SDP_ASKED;
}

struct str late_offer_protocol(struct sbc *s, const struct call *c)
{
	struct sdp sdp;

	if (sdp_parse(setup_offer(c->setup), &s->arena, &sdp) != OK)
		return STR_NONE;
	for (size_t i = 0; i < sdp.media_count; i++)
		if (sdp.media[i].port && sdp.media[i].proto != SDP_PROTO_OTHER &&
		    sdp.media[i].proto != SDP_PROTO_UDPTL)
			return str_from(sdp_proto_info(sdp.media[i].proto)->name);
	return STR_NONE;
}

enum sdp_next late_offer_ask_caller(struct sbc *s, struct call *c, struct fork *k,
				    struct verdict *out)
{
	struct call_sdp sdp;

	*out = call_check_sdp(s, c, 1, k->raw, &sdp);
	if (out->outcome != VERDICT_ALLOW)
		return SDP_REFUSED;
	return ask(s, c, k, &sdp, FORK_ASKED_FACE, out);
}

static struct verdict nothing_in_common(void)
{
	return (struct verdict){.outcome = VERDICT_REJECT,
				.stage = VERDICT_STAGE_MEDIA,
				.status = 488,
				.reason = STR("Not Acceptable Here"),
				.warn_code = 305,
				.warn_text = STR("no codec in common"),
				.rule = STR("sdp")};
}

/* `offer` answered out of `own`, in memory of the turn. Empty: they have nothing in common. */
static struct str meet(struct sbc *s, const struct sdp *offer, const struct sdp *own)
{
	enum { ROOM = 16 * 1024 };
	char *mem = arena_alloc(&s->arena, ROOM);
	struct buf b;

	if (!mem)
		return STR_NONE;
	buf_init(&b, mem, ROOM);
	return sdp_meet(&b, &s->arena, offer, own) == OK ? buf_view(&b) : STR_NONE;
}

enum sdp_next late_offer_ask_answer(struct sbc *s, struct call *c, struct fork *k, struct str face,
				    struct verdict *out)
{
	struct call_sdp sdp = {.mean = OFFER_ANSWER, .source = &c->setup->flow.remote};
	struct sdp callees, callers;

	*out = nothing_in_common();
	if (sdp_parse(face, &s->arena, &callees) != OK ||
	    sdp_parse(setup_offer(c->setup), &s->arena, &callers) != OK)
		return SDP_REFUSED;
	struct str to_caller = meet(s, &callers, &callees);
	sdp.text = meet(s, &callees, &callers);
	if (to_caller.len == 0 || sdp.text.len == 0 ||
	    sdp_parse(sdp.text, &s->arena, &sdp.parsed) != OK)
		return SDP_REFUSED;
	struct str shown = call_face(s, c, 0, to_caller);
	if (shown.len == 0)
		return SDP_REFUSED;
	setup_keep_face(s, c, k, shown);
	return ask(s, c, k, &sdp, FORK_ASKED_REPLY, out);
}

/* ---- the caller's answer, in its ACK */

enum late_step {
	LATE_NOTHING,
	LATE_ANSWER, /* it is with the relay */
	LATE_REPAIR, /* again, as an offer for the callee */
	LATE_SENT,   /* that is with the callee */
	LATE_TAKEN   /* the callee's answer to it is with the relay */
};

static void end_without_answer(struct sbc *s, struct call *c, struct str rule)
{
	call_end(s, c,
		 &(struct call_ending){.by = CDR_US,
				       .rule = rule,
				       .cause = STR("no_answer_sdp"),
				       .sip_cause = 488});
}

static bool ask_late(struct sbc *s, struct call *c, enum late_step step, struct call_sdp *sdp)
{
	c->late_step = (uint8_t)step;
	c->late_ask = call_ask_media(s, c, sdp);
	return c->late_ask != ID_NONE;
}

void late_offer_on_ack(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f)
{
	struct str text = call_sdp_of(m);
	struct call_sdp sdp;

	c->wrote_offer = false;
	if (text.len == 0 || offer_check(&c->offer[0], OFFER_GOT_ACK) != OFFER_ANSWER) {
		end_without_answer(s, c, STR_NONE);
		return;
	}
	struct verdict v = call_check_sdp(s, c, 0, text, &sdp);
	if (v.outcome != VERDICT_ALLOW) {
		worker_refused(s, c->settings, f, m, c->leg[0].trunk, &v);
		end_without_answer(s, c, v.rule);
		return;
	}
	offer_step(&c->offer[0], OFFER_GOT_ACK);
	media_note(&c->media, 0, text);
	block_str_free(&s->blocks, &c->agreed[0]);
	c->agreed[0] = block_str(&s->blocks, text);
	sdp.mean = OFFER_ANSWER;
	sdp.source = &f->remote;
	if (!ask_late(s, c, LATE_ANSWER, &sdp))
		end_without_answer(s, c, STR("relay"));
}

/* Does the callee count on what the caller has not taken? */
static bool is_amiss(struct sbc *s, const struct call *c, struct sdp *out_caller)
{
	struct sdp callee;

	return sdp_parse(c->agreed[0], &s->arena, out_caller) == OK &&
	       sdp_parse(c->agreed[1], &s->arena, &callee) == OK &&
	       sdp_meet_differs(&callee, out_caller);
}

static void begin_repair(struct sbc *s, struct call *c)
{
	struct call_sdp sdp = {.mean = OFFER_NEW, .from = 0, .text = c->agreed[0]};

	if (is_amiss(s, c, &sdp.parsed) && !ask_late(s, c, LATE_REPAIR, &sdp))
		end_without_answer(s, c, STR("relay"));
}

static void send_repair(struct sbc *s, struct call *c, struct str reply)
{
	struct str body = call_face(s, c, 1, reply);
	struct own_params p = {.what = OWN_REPAIR,
			       .ref = ID_NONE,
			       .method = METHOD_INVITE,
			       .content_type = STR("application/sdp"),
			       .body = body};

	c->late_step = LATE_SENT;
	if (body.len == 0 || own_send(s, c, 1, &p) == ID_NONE)
		end_without_answer(s, c, STR("relay"));
}

bool late_offer_on_relay(struct sbc *s, struct call *c, id_t64 ask, const struct event *e)
{
	if (ask == ID_NONE || c->late_ask != ask)
		return false;
	struct str reply = e->relay.result == RELAY_RESULT_OK
				   ? dict_get_str(e->relay.reply, STR("sdp"))
				   : STR_NONE;
	c->late_ask = ID_NONE;
	if (reply.len == 0)
		end_without_answer(s, c, call_judge_relay(e).rule);
	else if (c->late_step == LATE_ANSWER)
		begin_repair(s, c);
	else if (c->late_step == LATE_REPAIR)
		send_repair(s, c, reply);
	return true;
}

void late_offer_on_own(struct sbc *s, struct call *c, const struct own_outcome *x)
{
	struct call_sdp sdp;

	if (c->state >= CALL_ENDING || c->late_step != LATE_SENT)
		return;
	if (x->status >= 300 || x->sdp.len == 0 ||
	    call_check_sdp(s, c, 1, x->sdp, &sdp).outcome != VERDICT_ALLOW) {
		/* The two of them have no session: nobody would hear the other. */
		end_without_answer(s, c, STR_NONE);
		return;
	}
	sdp.mean = OFFER_ANSWER;
	media_note(&c->media, 1, x->sdp);
	struct str caller = c->agreed[0];
	c->agreed[0] = STR_NONE;
	call_agree(s, c, 0, caller, x->sdp);
	block_str_free(&s->blocks, &caller);
	if (!ask_late(s, c, LATE_TAKEN, &sdp))
		end_without_answer(s, c, STR("relay"));
}
