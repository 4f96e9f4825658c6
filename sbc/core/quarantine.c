#include "sbc/core/quarantine.h"

#include "sbc/core/digest.h"
#include "sbc/core/keepout.h"
#include "sbc/core/worker.h"

enum { NS_IN_MS = 1000 * 1000, TURN_KEY_MAX = 18 };

void quarantine_release(struct quarantine *q)
{
	suspects_release(&q->suspects);
	rate_table_release(&q->turns);
}

static bool is_on(const struct sbc *s, const struct flow *f)
{
	return s->settings->policy.bans.strangers.count > 0 && f->transport == TRANSPORT_UDP;
}

/* Where there is no memory for it there is no quarantine: rates and limits hold without. */
static bool has_tables(struct sbc *s)
{
	struct quarantine *q = &s->quarantine;
	struct siphash_key key;

	if (q->suspects.entries && q->turns.entries)
		return true;
	quarantine_release(q);
	rng_bytes(&s->rng, &key, sizeof(key));
	if (suspects_init(&q->suspects, &key) == OK &&
	    rate_table_init(&q->turns, QUARANTINE_PORTS_MAX, &key) == OK)
		return true;
	quarantine_release(q);
	return false;
}

/* Known by its address alone, in any realm: a password would be asked for. */
static bool is_of_trunk(const struct policy_config *c, const struct addr *a)
{
	for (size_t t = 0; t < c->trunk_count; t++)
		for (size_t i = 0; i < c->trunks[t].source_count; i++)
			if (c->trunks[t].sources[i].bits > 0 &&
			    prefix_has(&c->trunks[t].sources[i], a))
				return true;
	return false;
}

static bool is_known(const struct sbc *s, const struct flow *f)
{
	const struct policy_config *c = &s->settings->policy;

	return (s->binds.contacts.used && tally_get(&s->binds.sources, &f->remote) > 0) ||
	       is_of_trunk(c, &f->remote) || ban_is_allowed(&c->bans, &f->remote);
}

/* Whom strikes may be counted of; NULL: it needs none. */
static struct suspect *suspect_of(struct sbc *s, const struct flow *f)
{
	if (!is_on(s, f) || !has_tables(s))
		return NULL;
	struct suspect *e = suspects_find(&s->quarantine.suspects, &f->remote, s->now_ms);
	return suspect_is_spared(e, s->now_ms) ? NULL : e;
}

static struct ban_order order_of(const struct sbc *s, const struct flow *f, enum ban_mode mode)
{
	const struct ban_rules *r = &s->settings->policy.bans;

	return (struct ban_order){
		.subject = {.kind = SUBJECT_SOURCE,
			    .source = {.addr = f->remote,
				       .bits = f->remote.family == ADDR_IP6 ? 128 : 32}},
		.mode = mode,
		.seconds = mode == BAN_QUARANTINE ? r->quarantine_s : 0,
		.spoofable = mode == BAN_QUARANTINE,
		.rule = STR("strangers"),
		.why = mode == BAN_QUARANTINE ? STR("many requests that are nobody's")
					      : STR("acknowledged many refusals"),
		.place = r->place};
}

static void hold(struct sbc *s, const struct flow *f)
{
	const struct ban_order o = order_of(s, f, BAN_QUARANTINE);
	const struct verdict now =
		ban_judge_quarantine(&s->policy.bans, &f->remote, s->now_ms, true);

	if (now.outcome == VERDICT_ALLOW && !is_known(s, f))
		(void)keepout_ban(s, &o, NULL);
}

/* The same request again has the same. */
static uint64_t hash_of(struct sbc *s, const struct msg *m)
{
	const struct str parts[] = {m->method_text, m->uri, m->to, m->call_id, m->via.branch};

	buf_reset(&s->text);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		buf_str(&s->text, parts[i]);
		buf_char(&s->text, 0);
	}
	buf_u64(&s->text, m->cseq);
	return suspects_hash(&s->quarantine.suspects, buf_view(&s->text));
}

void quarantine_on_stranger(struct sbc *s, const struct flow *f, const struct msg *m)
{
	struct suspect *e = suspect_of(s, f);

	if (e && suspect_claims(e, &s->settings->policy.bans.strangers, hash_of(s, m), s->now_ms))
		hold(s, f);
}

static struct str credentials_of(const struct msg *m)
{
	const struct str v = msg_value(m, HDR_AUTHORIZATION);

	return v.len ? v : msg_value(m, HDR_PROXY_AUTHORIZATION);
}

/* Over a challenge that went to this very address and port, from us or from a registrar. */
static bool answers_us(struct sbc *s, const struct flow *f, const struct msg *m)
{
	struct digest_answer answer;
	struct challenge_ask ask = {.m = m, .flow = f, .now_ms = s->now_ms};

	for (int proxy = 0; proxy < 2; proxy++) {
		const struct str v =
			msg_value(m, proxy ? HDR_PROXY_AUTHORIZATION : HDR_AUTHORIZATION);
		if (v.len == 0 || digest_answer_parse(v, &answer) != OK)
			continue;
		ask.proxy = proxy;
		ask.realm = answer.realm;
		if (challenge_is_ours(&s->challenge, &ask) || keepout_is_marked(s, f, answer.nonce))
			return true;
	}
	return false;
}

void quarantine_on_claim(struct sbc *s, const struct flow *f, const struct msg *m)
{
	struct suspect *e = suspect_of(s, f);

	/* Wrong passwords over challenges of ours are counted as those (keepout.h). */
	if (!e || (credentials_of(m).len && answers_us(s, f, m)))
		return;
	const uint64_t user = suspects_hash(&s->quarantine.suspects, m->to);
	if (suspect_names(e, &s->settings->policy.bans.strangers, user, s->now_ms))
		hold(s, f);
}

void quarantine_on_ack(struct sbc *s, const struct flow *f, const struct msg *m)
{
	struct suspect *e = suspect_of(s, f);

	if (!e || !worker_is_reply_tag(s, m, f) || keepout_is_again(s, m->to_tag) ||
	    !suspect_proves(e, &s->settings->policy.bans.strangers, s->now_ms) || is_known(s, f))
		return;
	const struct ban_order o = order_of(s, f, BAN_OUT);
	(void)keepout_ban(s, &o, NULL);
}

void quarantine_spare(struct sbc *s, const struct flow *f)
{
	if (!is_on(s, f) || !has_tables(s))
		return;
	struct suspect *e = suspects_find(&s->quarantine.suspects, &f->remote, s->now_ms);
	e->spared_until_ms = s->now_ms + QUARANTINE_SPARED_MS;
	e->claimed = (struct rate){0};
	keepout_end_quarantine(s, &f->remote);
}

/* Is it the turn of this port? Who invents ports has what the source's rate lets it have, and takes no other port's turn. */
static bool take_turn(struct sbc *s, const struct flow *f, bool peek)
{
	static const struct rate_rule rule = {1, QUARANTINE_TURN_MS, 0};
	const struct addr *a = &f->remote;
	const size_t len = a->family == ADDR_IP6 ? 16 : 4;
	const uint64_t now_ns = s->now_ms * NS_IN_MS;
	char key[TURN_KEY_MAX];

	memcpy(key, a->ip, len);
	memcpy(key + len, &a->port, sizeof(a->port));
	const struct str k = {key, len + sizeof(a->port)};
	struct rate copy = rate_table_peek(&s->quarantine.turns, 0, k, now_ns);
	struct rate *r = peek ? &copy : rate_table_find(&s->quarantine.turns, 0, k, now_ns);
	return rate_take(r, &rule, 1, now_ns, NULL);
}

bool quarantine_hears(struct sbc *s, const struct flow *f, struct str bytes, bool peek)
{
	struct msg *m = &s->held;

	if ((!str_has_prefix(bytes, STR("REGISTER ")) && !str_has_prefix(bytes, STR("INVITE "))) ||
	    !has_tables(s))
		return false;
	if (take_turn(s, f, peek))
		return true;
	return str_find(bytes, STR("uthorization")) < bytes.len && msg_index(m, bytes, 0) == OK &&
	       answers_us(s, f, m);
}
