#include "sbc/core/judge.h"

#include "policy/route.h"
#include "sbc/core/admission.h"
#include "sbc/core/reg.h"
#include "sbc/core/worker.h"

enum { EMERGENCY_URI_MAX = 256 };

struct policy_ask judge_ask(struct sbc *s, const struct settings *settings, struct facts *facts)
{
	facts->now_ms = s->now_ms;
	facts->wall_ms = s->wall_ms;
	return (struct policy_ask){.config = &settings->policy,
				   .state = &s->policy,
				   .facts = facts,
				   .decision = &s->decision};
}

enum { KEEP_ALIVE_MAX = 4 }; /* octets: a longer run of nothing is noise, and is counted */

bool judge_is_keep_alive(struct str bytes)
{
	if (bytes.len > KEEP_ALIVE_MAX)
		return false;
	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.p[i] != '\r' && bytes.p[i] != '\n' && bytes.p[i] != 0)
			return false;
	return true;
}

bool judge_is_shapeless(const struct msg *m)
{
	return m->fault == MSG_FAULT_NOT_SIP || m->fault == MSG_FAULT_EMPTY ||
	       (m->fault == MSG_FAULT_UNFINISHED && !m->is_request && m->status == 0);
}

/* A byte stream, which Content-Length cuts; a datagram and a WebSocket message come whole. */
static bool is_cut(enum transport t)
{
	return t == TRANSPORT_TCP || t == TRANSPORT_TLS;
}

/*
 * Longer than the configuration allows, not than we could read. A stream is cut by the shell, which hands over the header
 * section of what it will not wait for: only that way does one come with a body too short.
 */
enum err judge_index(const struct settings *settings, const struct flow *f, struct str bytes,
		     struct msg *m)
{
	const uint32_t most = settings->limits.message_bytes;
	enum err e = msg_index(m, bytes, is_cut(f->transport) ? MSG_STREAM : 0);

	if (!judge_is_shapeless(m) &&
	    ((most != 0 && bytes.len > most) ||
	     (is_cut(f->transport) && m->fault == MSG_FAULT_BODY_SHORT))) {
		m->fault = MSG_FAULT_TOO_LONG;
		e = ERR_LIMIT;
	}
	return e;
}

bool judge_is_emergency(const struct policy_config *c, struct str uri)
{
	char mem[256];
	struct buf number;
	struct uri u;

	buf_init(&number, mem, sizeof(mem));
	return uri_parse(uri, &u) == OK && uri_write_number(&number, &u) == OK &&
	       route_is_emergency(c, buf_view(&number));
}

/* From the first line alone: what was refused unread is not read for this. */
static bool is_emergency_invite(const struct policy_config *c, struct str bytes)
{
	struct str line = bytes, uri;

	if (!str_has_prefix(bytes, STR("INVITE ")) && !str_has_prefix(bytes, STR("CANCEL ")))
		return false;
	_Static_assert(sizeof("INVITE ") == sizeof("CANCEL "), "what they are cut by");
	line = str_from_offset(line, STR("INVITE ").len);
	return str_cut(&line, ' ', &uri) && uri.len <= EMERGENCY_URI_MAX &&
	       judge_is_emergency(c, uri);
}

/* Answers and what belongs to dialogs do not count for the rate of their source, nor does it matter where that is. */
static bool is_fresh(const struct policy_ask *a, struct str bytes)
{
	const struct admission_rule *r = &a->config->realms[a->facts->realm].admission;

	const bool held =
		a->facts->spoofable && a->state->bans.live[BAN_QUARANTINE][SUBJECT_SOURCE] > 0;
	if (!held && r->requests.count == 0 && r->registers.count == 0 && a->config->geo_count == 0)
		return false;
	const enum gate_class kind = gate_classify(bytes);
	return kind == GATE_NEW || kind == GATE_JUNK;
}

struct verdict judge_source(const struct policy_ask *a, struct str bytes)
{
	a->facts->fresh = is_fresh(a, bytes);
	a->facts->registers = a->facts->fresh && str_has_prefix(bytes, STR("REGISTER "));
	struct verdict v = policy_source(a);

	if (v.outcome != VERDICT_ALLOW && policy_spares_emergency(v.stage) &&
	    is_emergency_invite(a->config, bytes)) {
		a->facts->emergency = true;
		v = policy_source(a);
	}
	/* Where geography wants an answer, it is given further on, to a request that is known, and has its record. */
	if (v.outcome == VERDICT_REJECT && v.stage == VERDICT_STAGE_GEO) {
		decision_forget(a->decision, VERDICT_STAGE_GEO);
		v = policy_run(a, VERDICT_STAGE_RATE, VERDICT_STAGE_RATE);
	}
	return v;
}

bool judge_may_prove(struct sbc *s, const struct policy_ask *a, const struct flow *f,
		     struct str bytes)
{
	const struct verdict heard = {
		.outcome = VERDICT_ALLOW, .stage = VERDICT_STAGE_BAN, .rule = STR("quarantine")};

	if (!a->facts->quarantined || !quarantine_hears(s, f, bytes, a->peek))
		return false;
	decision_add(a->decision, &heard);
	return true;
}

void judge_user(const struct sbc *s, const struct flow *f, const struct msg *m, struct facts *facts)
{
	const struct contact *c = reg_find_speaker(s, f, m);
	const struct users *g = c ? reg_group(s->settings, c->aor) : NULL;

	if (g) {
		facts->user = c->aor->name;
		facts->user_trunk = g->trunk;
	}
}

struct verdict judge_who(const struct sbc *s, const struct policy_ask *a, const struct flow *f,
			 const struct msg *m)
{
	judge_user(s, f, m, a->facts);
	if (a->config->geo_count && (m->method == METHOD_INVITE || m->method == METHOD_CANCEL))
		a->facts->emergency = judge_is_emergency(a->config, m->uri);
	struct verdict v = policy_who(a);
	if (a->facts->trunk != a->facts->user_trunk) /* known as a trunk: it is no user here */
		a->facts->user = STR_NONE;
	return v;
}

struct verdict judge_admission(struct sbc *s, const struct policy_ask *ask,
			       const struct settings *settings, uint16_t trunk,
			       enum admit_direction d)
{
	struct policy_ask a = *ask;

	if (trunk < settings->trunk_count)
		a.admit = &settings->trunks[trunk].admit;
	a.admit_trunk = trunk;
	a.direction = d;
	if (!a.peek) {
		admission_settle(s);
		admission_ask(s, settings, trunk);
	}
	return policy_admit(&a);
}
