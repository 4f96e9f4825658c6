#include "sbc/core/crossing.h"

#include "policy/number.h"
#include "sbc/core/history.h"
#include "sbc/core/identity.h"
#include "sbc/core/rules.h"

enum {
	MADE_MAX = IDENTITY_LINES_MAX + HISTORY_MAX + 1 + SIGNATURE_LINES_MAX,
	MADE_BYTES = 8 * 1024,
	SESSION_ID_LINE = 2 * SESSION_ID_LEN + 16
};

static const struct trunk *trunk_at(const struct settings *s, uint16_t i)
{
	return i < s->trunk_count ? &s->trunks[i] : NULL;
}

struct str crossing_number(const struct settings *s, uint16_t trunk, enum number_field f,
			   struct str number, struct buf *b)
{
	const struct trunk *t = trunk_at(s, trunk);

	return t ? number_of(t->caller.numbers_out, f, number, b) : number;
}

bool crossing_hides(const struct msg *m, const struct crossing *c)
{
	const struct settings *s = c->settings;
	bool from = identity_is_trusted(s, trunk_at(s, c->from_trunk), c->from_realm);
	bool to = identity_is_trusted(s, trunk_at(s, c->to_trunk), c->to_realm);

	return identity_hides(identity_privacy(m, from), to);
}

/* Most messages say nothing of all this, and cost nothing here. */
static bool says_something(const struct msg *m, const struct trunk *from)
{
	return msg_has(m, HDR_P_ASSERTED_IDENTITY) || msg_has(m, HDR_P_PREFERRED_IDENTITY) ||
	       msg_has(m, HDR_REMOTE_PARTY_ID) || msg_has(m, HDR_PRIVACY) ||
	       msg_has(m, HDR_DIVERSION) || msg_has(m, HDR_HISTORY_INFO) ||
	       (from && from->caller.assert == CALLER_ASSERT_FROM);
}

struct making {
	struct buf text;
	struct rules_line lines[MADE_MAX];
	size_t count;
};

static void make_identity(struct making *k, const struct msg *m, const struct crossing *c,
			  struct rules_params *r)
{
	const struct settings *s = c->settings;
	struct history h;
	struct identity_params p = {
		.from_trusted = identity_is_trusted(s, r->from, c->from_realm),
		.to_trusted = identity_is_trusted(s, r->to, c->to_realm),
		.assert = r->from ? r->from->caller.assert : CALLER_ASSERT_PASS,
		.form = r->to ? r->to->caller.form : CALLER_FORM_PAI,
		.in = r->from ? r->from->caller.numbers_in : NULL,
		.out = r->to ? r->to->caller.numbers_out : NULL,
		.host = c->host,
		.sips = c->sips,
		.verstat = c->verstat,
	};
	uint8_t privacy = identity_privacy(m, p.from_trusted);

	r->hidden = r->hidden || identity_hides(privacy, p.to_trusted);
	k->count += identity_lines(&k->text, m, privacy, &p, k->lines + k->count);
	if (!m->is_request || m->method != METHOD_INVITE)
		return;
	history_read(m, &h);
	struct history_params q = {
		.policy = r->to ? r->to->caller.diversion : DIVERSION_PASS,
		.from_trusted = p.from_trusted,
		.to_trusted = p.to_trusted,
		.hidden = r->hidden || (!p.to_trusted && (privacy & PRIVACY_HISTORY)),
		.in = p.in,
		.out = p.out,
		.target = r->to_number,
		.host = c->host,
		.sips = c->sips,
	};
	k->count += history_lines(&k->text, &h, &q, k->lines + k->count);
}

static void make_session_id(struct making *k, const struct crossing *c)
{
	size_t at = k->text.len;

	if (!session_id_write(&k->text, c->session, c->to) || k->text.overflow)
		return;
	k->lines[k->count++] = (struct rules_line){.name = STR("Session-ID"),
						   .value = {k->text.p + at, k->text.len - at}};
}

/* A signature names the caller: who wants to be nobody goes without. */
static enum err make_signatures(struct making *k, struct arena *a, const struct msg *m,
				const struct crossing *c, struct rules_params *r)
{
	struct crossing_signature *g = c->signature;
	struct signature_params p = {
		.from = r->from_number,
		.from_canonical = c->from_number,
		.to = r->to_number,
		.to_canonical = c->to_number,
		.dialled = g->dialled,
		.called = g->called,
		.may_cross = msg_has(m, HDR_IDENTITY) && rules_lets(r, STR("Identity")),
		.key = g->key,
		.url = g->url,
		.origid = g->origid,
		.attest = g->attest,
		.wall_s = g->wall_s,
	};

	if (r->hidden || (!p.may_cross && !p.key))
		return OK;
	char *mem = arena_alloc(a, SIGNATURE_BYTES);
	if (!mem)
		return ERR_NOMEM;
	struct buf text;
	buf_init(&text, mem, SIGNATURE_BYTES);
	k->count += signature_lines(&text, m, &p, k->lines + k->count, &g->made);
	r->dated = g->made.div || g->made.signed_as != FACTS_ATTEST_UNKNOWN;
	return text.overflow ? ERR_LIMIT : OK;
}

enum err crossing_write(struct buf *lines, struct arena *a, const struct msg *m,
			const struct crossing *c)
{
	const struct settings *s = c->settings;
	struct making k;
	char from_mem[256], to_mem[256], session[SESSION_ID_LINE];
	struct buf from, to;

	buf_init(&from, from_mem, sizeof(from_mem));
	buf_init(&to, to_mem, sizeof(to_mem));
	struct rules_params p = {
		.settings = s,
		.from_realm = c->from_realm,
		.to_realm = c->to_realm,
		.from = trunk_at(s, c->from_trunk),
		.to = trunk_at(s, c->to_trunk),
		.from_number = crossing_number(s, c->to_trunk, NUMBER_FROM, c->from_number, &from),
		.to_number = crossing_number(s, c->to_trunk, NUMBER_TO, c->to_number, &to),
		.call = c->call,
		.hidden = c->hidden,
		.body = c->body,
	};
	k.count = 0;
	buf_init(&k.text, session, sizeof(session));
	if (m && c->host && says_something(m, p.from)) {
		char *mem = arena_alloc(a, MADE_BYTES);
		if (!mem)
			return ERR_NOMEM;
		buf_init(&k.text, mem, MADE_BYTES);
		make_identity(&k, m, c, &p);
	}
	if (c->session)
		make_session_id(&k, c);
	if (k.text.overflow)
		return ERR_LIMIT;
	if (m && c->signature) {
		enum err e = make_signatures(&k, a, m, c, &p);
		if (e != OK)
			return e;
	}
	p.made = k.lines;
	p.made_count = k.count;
	return rules_carry(lines, m, &p);
}
