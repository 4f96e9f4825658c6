#include "sbc/core/call_media.h"

#include "policy/media_rule.h"
#include "sbc/core/body.h"
#include "sbc/core/call_watch.h"
#include "sbc/core/transfer.h"
#include "sbc/core/worker.h"

struct str call_sdp_of(const struct msg *m)
{
	struct body b;

	if (m->body.len && msg_body_is(m, STR("application/sdp")))
		return m->body;
	if (m->body.len == 0 || !body_is_multipart(m->content_type) || body_read(m, &b) != OK)
		return STR_NONE;
	const struct body_part *p = body_session(&b);
	return p ? p->bytes : STR_NONE;
}

/* What may cross between both sides: each realm names it. */
static size_t bodies_between(const struct call *c, struct str out[SETTINGS_BODIES_MAX])
{
	const struct settings *s = c->settings;
	uint16_t in = call_realm(c, 0), to = call_realm(c, 1);
	size_t n = 0;

	if (in >= s->realm_count || to >= s->realm_count)
		return 0;
	struct body_types other = {s->realms[to].bodies, s->realms[to].body_count};
	for (size_t i = 0; i < s->realms[in].body_count && n < SETTINGS_BODIES_MAX; i++)
		if (body_has_type(&other, s->realms[in].bodies[i]))
			out[n++] = s->realms[in].bodies[i];
	return n;
}

/* SDP and what crosses beside it, in one; STR_NONE: the SDP goes alone. */
static struct str join_bodies(struct sbc *s, const struct call *c, const struct msg *m,
			      struct str sdp, struct str *out_type)
{
	enum { BOUNDARY_LEN = 24, ROOM = 4096 };
	static const char type[] = "multipart/mixed;boundary=";
	struct str names[SETTINGS_BODIES_MAX];
	struct body_types named = {names, bodies_between(c, names)};
	struct body from;
	struct buf b, t;

	if (named.count == 0 || body_read(m, &from) != OK)
		return STR_NONE;
	size_t cap = m->body.len + sdp.len + ROOM, type_cap = sizeof(type) + BOUNDARY_LEN;
	char *mem = arena_alloc(&s->arena, cap), *type_mem = arena_alloc(&s->arena, type_cap);
	if (!mem || !type_mem)
		return STR_NONE;
	buf_init(&b, mem, cap);
	buf_init(&t, type_mem, type_cap);
	buf_z(&t, type);
	rng_text(&s->rng, type_mem + t.len, BOUNDARY_LEN);
	struct str boundary = {type_mem + t.len, BOUNDARY_LEN};
	t.len += BOUNDARY_LEN;
	if (str_find(m->body, boundary) < m->body.len ||
	    body_write(&b, boundary, sdp, &from, &named) == 0)
		return STR_NONE;
	*out_type = buf_view(&t);
	return buf_view(&b);
}

struct str call_body(struct sbc *s, const struct call *c, const struct msg *m, struct str sdp,
		     struct str *out_type)
{
	*out_type = sdp.len ? STR("application/sdp") : STR_NONE;
	if (!m || m->body.len == 0 || msg_body_is(m, STR("application/sdp")))
		return sdp;
	struct str all = join_bodies(s, c, m, sdp, out_type);
	return all.len ? all : sdp;
}

static struct verdict refuse_sdp(struct str why)
{
	return (struct verdict){.outcome = VERDICT_REJECT,
				.stage = VERDICT_STAGE_MEDIA,
				.status = 488,
				.reason = STR("Not Acceptable Here"),
				.warn_code = 399,
				.warn_text = why,
				.rule = STR("sdp")};
}

struct verdict call_judge_relay(const struct event *e)
{
	/* The reasons of the field (ng-protocol §2), ours and rtpengine's, name the SDP where it is to blame; two do
	 * although it is not: those are between us and the relay. */
	static const char *const ours[] = {"No SDP body in message", "Error rewriting SDP"};
	struct str why = e->relay.error;
	bool blames = e->relay.result == RELAY_RESULT_ERROR &&
		      (str_find(why, STR("SDP")) < why.len || str_has_prefix(why, STR("SRTP key")));

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		blames = blames && !str_eq(why, str_from(ours[i]));
	if (blames)
		return refuse_sdp(STR("The session description cannot be used"));
	return (struct verdict){.outcome = VERDICT_REJECT,
				.stage = VERDICT_STAGE_MEDIA,
				.status = 503,
				.rule = STR("relay")};
}

struct verdict call_check_text(struct sbc *s, const struct policy_config *p, uint16_t realm,
			       const struct flow *f, struct str text, struct sdp *out)
{
	if (sdp_parse(text, &s->arena, out) != OK)
		return refuse_sdp(STR("The session description cannot be read"));
	uint16_t at = realm < p->realm_count ? p->realms[realm].media_policy : POLICY_NO_INDEX;
	if (at >= p->media_count)
		return (struct verdict){.outcome = VERDICT_ALLOW};
	return media_rule_check(&p->media[at], out, transport_is_secure(f->transport));
}

struct verdict call_check_sdp(struct sbc *s, const struct call *c, unsigned from, struct str text,
			      struct call_sdp *out)
{
	*out = (struct call_sdp){.mean = OFFER_NEW, .from = from, .text = text};
	return call_check_text(s, &c->settings->policy, call_realm(c, from), &c->leg[from].flow,
			       text, &out->parsed);
}

static id_t64 ask(struct sbc *s, struct call *c, enum ask_what what, const struct call_sdp *sdp)
{
	char mem[320], before[MEDIA_PARTIES][320], word[HIDE_BRANCH_LEN];
	struct buf name;
	bool offer = sdp->mean == OFFER_NEW;

	buf_init(&name, mem, sizeof(mem));
	call_write_name(&name, s, c);
	struct media_query q = {.call = buf_view(&name),
				.settings = c->settings,
				.realm = {call_realm(c, 0), call_realm(c, 1)},
				.from = sdp->from,
				.source = sdp->source,
				.sdp = sdp->text,
				.parsed = &sdp->parsed,
				.again = c->media.known,
				.protocol = sdp->protocol,
				.notify = call_watch_word(s, c, word)};
	if (c->relay_asks >= CALL_ASKS_MAX || q.realm[0] >= c->settings->realm_count ||
	    q.realm[1] >= c->settings->realm_count)
		return ID_NONE;
	for (unsigned side = 0; offer && side < MEDIA_PARTIES; side++) {
		unsigned lent;
		const struct call *from = transfer_lender(s, c, side, &lent);
		if (!from || !from->media.open)
			continue;
		buf_init(&name, before[side], sizeof(before[side]));
		call_write_name(&name, s, from);
		q.before[side] = (struct media_before){buf_view(&name), &from->media, lent};
	}
	if (offer)
		media_write_offer(&s->text, &s->arena, &c->media, &q);
	else
		media_write_answer(&s->text, &s->arena, &c->media, &q);
	id_t64 id = worker_ask_relay(s, c->id, what, c->media.relay,
				     offer ? STR("offer") : STR("answer"), buf_view(&s->text));
	if (id == ID_NONE)
		return ID_NONE;
	((struct ask *)pool_find(&s->asks, id))->session = c->media.session;
	c->relay_asks++;
	if (!c->media.open) {
		c->media.open = true;
		s->counts.relay_sessions++;
	}
	return id;
}

id_t64 call_ask_media(struct sbc *s, struct call *c, const struct call_sdp *sdp)
{
	return ask(s, c, sdp->mean == OFFER_NEW ? ASK_OFFER : ASK_ANSWER, sdp);
}

/* What the relay has written for that side of ICE and DTLS: nothing of it is anyone else's. */
static uint8_t face_allows(const struct call *c, unsigned to)
{
	const struct policy_config *p = &c->settings->policy;
	uint16_t realm = call_realm(c, to);
	uint16_t at = realm < p->realm_count ? p->realms[realm].media_policy : POLICY_NO_INDEX;

	if (!c->media.anchored || realm >= c->settings->realm_count)
		return 0;
	return (uint8_t)((c->settings->realms[realm].ice_lite ? SDP_FACE_ICE : 0) |
			 (at < p->media_count && p->media[at].keying_dtls ? SDP_FACE_DTLS : 0));
}

struct str call_face(struct sbc *s, struct call *c, unsigned to, struct str sdp)
{
	uint16_t listener = c->leg[to].flow.listener;
	struct sdp_face *face = &transfer_face(s, c, to)->sdp;

	buf_reset(&s->text);
	face->allow = face_allows(c, to);
	if (listener >= c->settings->listener_count ||
	    sdp_face_write(&s->text, face, &c->settings->listeners[listener].local, &s->arena,
			   sdp) != OK)
		return STR_NONE;
	return buf_view(&s->text);
}

void call_agree(struct sbc *s, struct call *c, unsigned by, struct str offer, struct str answer)
{
	for (int i = 0; i < 2; i++)
		block_str_free(&s->blocks, &c->agreed[i]);
	c->agreed[by] = block_str(&s->blocks, offer);
	c->agreed[1 - by] = block_str(&s->blocks, answer);
	c->agreed_by = (uint8_t)by;
}

void call_show(struct sbc *s, struct call *c, unsigned side, struct str sdp)
{
	struct str kept = block_str(&s->blocks, sdp);

	block_str_free(&s->blocks, &c->shown[side]);
	c->shown[side] = kept;
}

/* The next line that is no o=; false at the end. */
static bool next_line(struct str *rest, struct str *out)
{
	while (rest->len) {
		size_t n = str_index(*rest, '\n');
		*out = (struct str){rest->p, n};
		*rest = str_from_offset(*rest, n < rest->len ? n + 1 : n);
		if (out->len && out->p[out->len - 1] == '\r')
			out->len--;
		if (!str_has_prefix(*out, STR("o=")))
			return true;
	}
	return false;
}

bool call_sdp_is_same(struct str a, struct str b)
{
	struct str x, y;

	while (next_line(&a, &x))
		if (!next_line(&b, &y) || !str_eq(x, y))
			return false;
	return !next_line(&b, &y);
}

void call_restore_media(struct sbc *s, struct call *c)
{
	if (!c->media.open || c->agreed[0].len == 0 || c->agreed[1].len == 0)
		return;
	for (int answer = 0; answer < 2; answer++) {
		unsigned from = answer ? 1u - c->agreed_by : c->agreed_by;
		struct call_sdp sdp = {.mean = answer ? OFFER_ANSWER : OFFER_NEW,
				       .from = from,
				       .text = c->agreed[from]};
		if (sdp_parse(sdp.text, &s->arena, &sdp.parsed) != OK ||
		    ask(s, c, ASK_RESTORE, &sdp) == ID_NONE)
			return;
	}
}

id_t64 call_ask_again(struct sbc *s, struct call *c, unsigned side, struct str offer)
{
	struct str texts[] = {offer, c->agreed[1 - side]};
	id_t64 id = ID_NONE;

	if (!c->media.open || texts[1].len == 0)
		return ID_NONE;
	for (unsigned i = 0; i < 2; i++) {
		struct call_sdp sdp = {.mean = i ? OFFER_ANSWER : OFFER_NEW,
				       .from = i ? 1 - side : side,
				       .text = texts[i]};
		if (sdp_parse(sdp.text, &s->arena, &sdp.parsed) != OK)
			return ID_NONE;
		id = ask(s, c, i ? ASK_ANSWER : ASK_RESTORE, &sdp);
		if (id == ID_NONE)
			return ID_NONE;
	}
	struct str kept = block_str(&s->blocks, offer);
	block_str_free(&s->blocks, &c->agreed[side]);
	c->agreed[side] = kept;
	c->agreed_by = (uint8_t)side;
	return id;
}
