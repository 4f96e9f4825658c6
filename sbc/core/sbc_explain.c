#include "sbc/core/proof.h"
#include "sbc/core/sbc_explain.h"

#include "policy/explain.h"
#include "sbc/core/call_media.h"
#include "sbc/core/leg.h"
#include "sbc/core/opine.h"
#include "sbc/core/reg.h"
#include "sbc/core/session_timer.h"
#include "sbc/core/setup.h"
#include "sbc/core/worker.h"

static struct verdict allow(enum verdict_stage stage, struct str rule)
{
	return (struct verdict){.outcome = VERDICT_ALLOW, .stage = stage, .rule = rule};
}

static bool add(const struct policy_ask *a, struct verdict v)
{
	decision_add(a->decision, &v);
	return v.outcome == VERDICT_ALLOW;
}

/* The group of an address-of-record, by its domain. */
static const struct users *group_of(const struct settings *set, uint16_t realm, struct str user)
{
	const size_t at = str_index(user, '@');

	for (size_t i = 0; at < user.len && i < set->users_count; i++)
		if (set->users[i].realm == realm &&
		    reg_has_domain(&set->users[i], str_from_offset(user, at + 1)))
			return &set->users[i];
	return NULL;
}

/* RFC 4028; as may_last of setup_begin. */
static struct verdict judge_interval(const struct settings *set, uint16_t trunk,
				     const struct msg *m)
{
	static const struct session_timer_settings off = {.on = false};
	struct session_timer_seen seen;
	struct session_timer t;

	session_timer_init(&t, trunk < set->trunk_count ? &set->trunks[trunk].habits.session_timer
							: &off);
	if (!t.on && msg_has_token(m, HDR_REQUIRE, STR("timer")))
		return setup_verdict(VERDICT_STAGE_PARSE, 420, STR_NONE, STR("session_timer"));
	session_timer_read(m, &seen);
	if (t.on && !session_timer_take_request(&t, &seen))
		return setup_verdict(VERDICT_STAGE_PARSE, 422, STR_NONE, STR("session_timer"));
	return allow(VERDICT_STAGE_NONE, STR_NONE);
}

/* Can a dialog be made of it? As open_caller of setup_begin. */
static struct verdict judge_dialog(const struct msg *m, const struct flow *f, struct arena *a)
{
	const size_t room = dialog_text_for(m) + 64;
	void *text = arena_alloc(a, room);
	struct dialog d;

	if (!text)
		return allow(VERDICT_STAGE_NONE, STR_NONE);
	dialog_init(&d, text, room);
	if (dialog_start_uas(&d, m, STR("explained-explained-explained"),
			     transport_is_secure(f->transport)) != OK)
		return setup_verdict(VERDICT_STAGE_PARSE, 400,
				     STR("Contact or Record-Route cannot be kept"), STR("dialog"));
	return allow(VERDICT_STAGE_NONE, STR_NONE);
}

static struct verdict judge_sessions(const struct sbc *s, const struct aor *a, unsigned more,
				     uint16_t status)
{
	if (!a || reg_session_has_room(s, a, more))
		return allow(VERDICT_STAGE_NONE, STR_NONE);
	return setup_verdict(VERDICT_STAGE_ADMISSION, status, STR_NONE, STR("sessions"));
}

/* Every target is passed over for its limits: the trunk that stands first says why, as in setup_go_on. */
static struct verdict judge_targets(struct sbc *s, const struct policy_ask *ask,
				    const struct settings *set, const struct hunt *h)
{
	struct policy_ask begun = *ask;
	const struct policy_ask *a = &begun;
	struct verdict v = {.outcome = VERDICT_ALLOW};
	const uint16_t route = a->decision->route;

	begun.admit_begun = true;
	if (route < set->policy.route_count && set->policy.routes[route].emergency)
		return v;
	const bool asked = decision_has(a->decision, VERDICT_STAGE_ADMISSION);
	const struct verdict in = a->decision->of[VERDICT_STAGE_ADMISSION];
	uint16_t first = SETTINGS_NO_INDEX;
	for (size_t i = 0; i < h->count; i++) {
		decision_forget(a->decision, VERDICT_STAGE_ADMISSION);
		const struct verdict of = judge_admission(s, a, set, h->list[i].trunk, ADMIT_OUT);
		if (of.outcome == VERDICT_ALLOW || h->list[i].trunk < first) {
			v = of;
			first = h->list[i].trunk;
		}
		if (of.outcome == VERDICT_ALLOW)
			break;
	}
	/* With nothing to say of the target, what was said of the caller stands. */
	if (v.outcome == VERDICT_ALLOW && asked)
		decision_add(a->decision, &in);
	return v;
}

static bool explain_route(struct sbc *s, const struct policy_ask *a, const struct msg *m,
			  const struct flow *f, struct explanation *x)
{
	const struct settings *set = x->settings;
	const bool secure = x->call.uri.scheme == URI_SIPS;
	struct aor *user = x->call.contact ? x->call.contact->aor : NULL;
	const struct contact *speaker =
		set->trunks[a->facts->trunk].users ? reg_find_speaker(s, f, m) : NULL;

	const struct aor *caller = speaker ? speaker->aor : NULL;

	setup_identity_guess(s, set, m, a->facts);
	if (!add(a, judge_sessions(s, caller, 1, 403)))
		return false;
	if (x->replaces)
		return true;
	struct verdict v = x->call.contact ? setup_route_user(set, x->call.contact, secure,
							      &x->hunt, &a->decision->route)
					   : setup_route(s, set, a, secure, &x->hunt, &user);
	return add(a, v) && add(a, judge_sessions(s, user, user == caller ? 2 : 1, 486));
}

static void explain_invite(struct sbc *s, const struct policy_ask *a, const struct msg *m,
			   const struct flow *f, struct explanation *x)
{
	const struct settings *set = x->settings;
	const struct str text = call_sdp_of(m);
	struct sdp sdp;

	x->kind = EXPLANATION_CALL;
	x->replaces = msg_has(m, HDR_REPLACES);
	x->offer = text.len > 0;
	if (!add(a, setup_read(s, a, m, f, &x->call)))
		return;
	/* While it drains, the node itself says no. */
	if (!s->draining &&
	    judge_admission(s, a, set, a->facts->trunk, ADMIT_IN).outcome != VERDICT_ALLOW)
		return;
	if (!add(a, setup_room(s, set, a->facts->emergency)) ||
	    !add(a, judge_dialog(m, f, &s->arena)) ||
	    !add(a, judge_interval(set, a->facts->trunk, m)) || !explain_route(s, a, m, f, x))
		return;
	if (!add(a, setup_privacy(set, a->facts->realm, m)))
		return;
	if (x->offer && !add(a, call_check_text(s, &set->policy, a->facts->realm, f, text, &sdp)))
		return;
	if (x->replaces)
		return;
	if (add(a,
		opine_guess(s, set, a->facts, x->call.uri.scheme == URI_SIPS, &x->asked_opinion)))
		add(a, judge_targets(s, a, set, &x->hunt));
}

/* Known as what, able to do what; then by its kind. */
static void explain_request(struct sbc *s, const struct policy_ask *a, struct msg *m,
			    const struct flow *f, struct explanation *x)
{
	const struct settings *set = x->settings;
	const struct users *group = reg_group_of(set, m, f);

	a->facts->method = m->method_text;
	if (m->method == METHOD_REGISTER && group) {
		x->kind = EXPLANATION_REGISTER;
		a->facts->trunk = group->trunk;
		a->facts->identified = true;
		if (policy_run(a, VERDICT_STAGE_GEO, VERDICT_STAGE_GEO).outcome != VERDICT_ALLOW)
			return;
		if (msg_full(m, &s->arena) != OK)
			add(a, refuse_fault(m));
		else
			add(a, allow(VERDICT_STAGE_IDENTIFY, group->name));
		return;
	}
	if (judge_who(s, a, f, m).outcome != VERDICT_ALLOW)
		return;
	const struct refuse_params can = outside_abilities(set, a->facts->realm, a->facts->trunk);
	if (msg_full(m, &s->arena) != OK) {
		add(a, refuse_fault(m));
		return;
	}
	if (!add(a, refuse_request(m, &can)))
		return;
	if (proof_is_asked(set, a->facts->trunk, f)) {
		x->asked_password = true;
		add(a, allow(VERDICT_STAGE_AUTH, STR("password")));
	}
	if (outside_is_ours(set, m, a->facts->trunk)) {
		x->kind = EXPLANATION_REQUEST;
		add(a, outside_judge(s, a, m, &x->request));
		x->hunt = x->request.hunt;
	} else if (m->method == METHOD_INVITE) {
		explain_invite(s, a, m, f, x);
	} else {
		x->kind = EXPLANATION_OURS;
	}
}

static bool nothing(struct explanation *x, const char *why)
{
	x->kind = EXPLANATION_NOTHING;
	x->why = str_from(why);
	return false;
}

/* Is there a request to judge? Its faults are. */
static bool read_request(const struct policy_ask *a, const struct flow *f, struct str bytes,
			 struct msg *m, struct explanation *x)
{
	enum err e = judge_index(x->settings, f, bytes, m);

	if (judge_is_shapeless(m))
		return nothing(x, "these bytes are no SIP");
	if (!m->is_request)
		return nothing(x, "an answer is judged by the request that it belongs to");
	if (e != OK) {
		struct facts copy = *a->facts;
		struct decision scratch;
		struct policy_ask who = *a;
		who.facts = &copy;
		who.decision = &scratch;
		decision_init(&scratch);
		struct verdict v = refuse_fault(m);
		/* Only who may speak here gets an answer. */
		if (policy_who(&who).outcome != VERDICT_ALLOW && !transport_is_secure(f->transport))
			v.outcome = VERDICT_DROP;
		return add(a, v);
	}
	if (m->method == METHOD_ACK || m->method == METHOD_CANCEL)
		return nothing(x, "ACK and CANCEL are judged by the INVITE that they belong to");
	if (m->to_tag.len)
		return nothing(x,
			       "it has a To tag: it belongs to a dialog that is, or is not, there");
	return true;
}

void sbc_explain(struct sbc *s, const struct explain_params *p, struct explanation *out)
{
	CHECK(s && p && out && p->event.type == EVENT_MESSAGE);
	const struct flow *f = &p->event.message.flow;
	const struct str bytes = p->event.message.bytes;
	const struct settings *set = s->settings;
	struct msg *m = &s->held;

	*out = (struct explanation){.settings = set};
	decision_init(&out->decision);
	arena_reset(&s->arena);
	out->facts = leg_facts(set, f, p->event.message.tls);
	if (out->facts.realm >= set->policy.realm_count || judge_is_keep_alive(bytes)) {
		nothing(out, "these bytes ask nothing");
		return;
	}
	struct policy_ask a = judge_ask(s, set, &out->facts);
	a.decision = &out->decision;
	a.peek = true;
	out->facts.now_ms = p->event.now_ms;
	out->facts.wall_ms = p->event.wall_ms;
	if (judge_source(&a, bytes).outcome != VERDICT_ALLOW &&
	    (!judge_may_prove(s, &a, f, bytes) ||
	     policy_run(&a, VERDICT_STAGE_ACL, VERDICT_STAGE_RATE).outcome != VERDICT_ALLOW))
		return;
	const struct users *g = group_of(set, out->facts.realm, p->user);
	if (g) {
		out->facts.user = p->user;
		out->facts.user_trunk = g->trunk;
	}
	if (read_request(&a, f, bytes, m, out))
		explain_request(s, &a, m, f, out);
}

/* ---- as text */

static void write_targets(struct buf *b, const struct explanation *x)
{
	const struct settings *set = x->settings;

	buf_lit(b, ",\"targets\":[");
	for (size_t i = 0; i < x->hunt.count; i++) {
		const struct hunt_target *t = &x->hunt.list[i];
		const struct trunk *trunk = &set->trunks[t->trunk];
		buf_z(b, i ? ",{\"trunk\":" : "{\"trunk\":");
		buf_json_str(b, trunk->name);
		if (t->contact == ID_NONE && t->peer < trunk->peer_count) {
			buf_lit(b, ",\"peer\":");
			buf_json_str(b, trunk->peers[t->peer].uri);
		}
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

void sbc_explain_write(struct buf *b, struct sbc *s, struct explanation *x)
{
	static const char *const kinds[EXPLANATION_KIND_COUNT] = {
		[EXPLANATION_NOTHING] = "nothing", [EXPLANATION_OURS] = "answered_here",
		[EXPLANATION_CALL] = "call",       [EXPLANATION_REGISTER] = "registration",
		[EXPLANATION_REQUEST] = "request",
	};
	struct policy_ask a = judge_ask(s, x->settings, &(struct facts){.realm = 0});

	a.facts = &x->facts;
	a.decision = &x->decision;
	a.peek = true;
	buf_lit(b, "{\"kind\":");
	buf_json_str(b, str_from(kinds[x->kind]));
	if (x->why.len) {
		buf_lit(b, ",\"why\":");
		buf_json_str(b, x->why);
	}
	if (x->asked_password)
		buf_lit(b, ",\"password_asked\":true");
	if (x->asked_opinion)
		buf_lit(b, ",\"opinion_asked\":true");
	if (x->replaces)
		buf_lit(b, ",\"replaces\":true");
	if (x->kind == EXPLANATION_CALL && x->call.dialled.len) {
		buf_lit(b, ",\"dialled\":");
		buf_json_str(b, x->call.dialled);
	}
	buf_printf(b, ",\"generation\":%u,", x->settings->generation);
	explain_write(b, &a);
	if (x->hunt.count && decision_allows(&x->decision))
		write_targets(b, x);
	buf_lit(b, "}\n");
}
