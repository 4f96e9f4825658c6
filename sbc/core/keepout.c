#include "sbc/core/keepout.h"

#include "sbc/core/digest.h"
#include "sbc/core/fraud_watch.h"
#include "sbc/core/worker.h"

enum { NS_IN_MS = 1000 * 1000 };

void keepout_release(struct keepout *k)
{
	rate_table_release(&k->failures);
	rate_table_release(&k->nonces);
}

/* Made with the first failure: a site that has no passwords pays nothing. */
static bool has_tables(struct sbc *s)
{
	struct siphash_key key;

	if (s->keepout.failures.entries && s->keepout.nonces.entries)
		return true;
	keepout_release(&s->keepout);
	rng_bytes(&s->rng, &key, sizeof(key));
	if (rate_table_init(&s->keepout.failures, KEEPOUT_FAILURES_MAX, &key) == OK &&
	    rate_table_init(&s->keepout.nonces, KEEPOUT_NONCES_MAX, &key) == OK)
		return true;
	keepout_release(&s->keepout);
	return false;
}

static struct ban_time time_of(const struct sbc *s)
{
	return (struct ban_time){s->now_ms, s->wall_ms};
}

/* ---- telling */

static void tell(struct sbc *s, const char *what, const struct ban *v)
{
	struct notice n = worker_notice(s, NOTICE_BAN);

	n.why = str_from(what);
	n.ban = v;
	if (v->kind == SUBJECT_SOURCE)
		n.source = v->source.addr;
	n.seconds = (uint32_t)(v->until_ms > s->wall_ms ? (v->until_ms - s->wall_ms) / 1000 : 0);
	worker_publish(s, &n);
}

/* An order that came to nothing is told all the same: somebody should know. */
static void tell_order(struct sbc *s, const char *what, const struct ban_order *o)
{
	struct ban v = {.mode = o->mode,
			.kind = o->subject.kind,
			.by = o->by,
			.source = o->subject.source,
			.line = o->place.line};
	const struct str texts[] = {o->subject.name, o->rule, o->place.file};
	char *const to[] = {v.name, v.rule, v.file};
	const size_t caps[] = {sizeof(v.name), sizeof(v.rule), sizeof(v.file)};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (str_copy(texts[i], to[i], caps[i]) != OK)
			to[i][0] = 0;
	tell(s, what, &v);
}

enum ban_result keepout_ban(struct sbc *s, const struct ban_order *o, struct ban *out)
{
	const struct ban_rules *r = &s->settings->policy.bans;
	struct ban_order net;
	struct ban v;
	const enum ban_result result = ban_lay(&s->policy.bans, r, o, time_of(s), &v);

	switch (result) {
	case BAN_NEW:
	case BAN_LONGER:
		tell(s, v.mode == BAN_QUARANTINE ? "quarantined" : ban_result_name(result), &v);
		if (v.mode != BAN_QUARANTINE)
			ban_share_laid(s, &v);
		break;
	case BAN_SPARED:
	case BAN_UNPROVEN:
	case BAN_FULL: tell_order(s, ban_result_name(result), o); return result;
	case BAN_KEPT: break;
	case BAN_NAMELESS:
	case BAN_RESULT_COUNT: return result;
	}
	if (out)
		*out = v;
	if (result == BAN_NEW && ban_wants_prefix(&s->policy.bans, r, &v, s->now_ms, &net)) {
		const enum ban_result wide = ban_lay(&s->policy.bans, r, &net, time_of(s), &v);
		if (wide == BAN_NEW || wide == BAN_LONGER) {
			tell(s, ban_result_name(wide), &v);
			ban_share_laid(s, &v);
		}
	}
	return result;
}

void keepout_end_quarantine(struct sbc *s, const struct addr *source)
{
	struct ban v;

	if (ban_end_quarantine(&s->policy.bans, source, time_of(s), &v))
		tell(s, "proven", &v);
}

bool keepout_lift(struct sbc *s, const struct subject *who, struct ban *out)
{
	if (!ban_lift(&s->policy.bans, who, time_of(s), out))
		return false;
	/* What it was banned for is forgiven too: the next call would ban it again. */
	fraud_forget(&s->policy.fraud, who);
	tell(s, "lifted", out);
	ban_share_lifted(s, out);
	return true;
}

enum ban_result keepout_import(struct sbc *s, const struct ban *v)
{
	const enum ban_result result =
		ban_import(&s->policy.bans, &s->settings->policy.bans, v, time_of(s));

	/* Of another node: the log and the kernel hear of it as of our own. */
	if (v->by == BAN_BY_NODE && (result == BAN_NEW || result == BAN_LONGER))
		tell(s, ban_result_name(result), v);
	return result;
}

void keepout_carry_out(struct sbc *s, const struct consequences *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct ban_order o;
		if (ban_order_of(&c->list[i], &o))
			(void)keepout_ban(s, &o, NULL);
	}
}

/* ---- wrong passwords */

enum counted { OF_SOURCE, OF_USER, OF_NET, COUNTED };

static struct rate *failures_of(struct sbc *s, uint16_t realm, enum counted what, struct str key)
{
	return rate_table_find(&s->keepout.failures, (uint32_t)realm * COUNTED + (uint32_t)what,
			       key, s->now_ms * NS_IN_MS);
}

static bool take(struct sbc *s, struct rate *r, const struct rate_rule *rule)
{
	return rate_take(r, rule, 1, s->now_ms * NS_IN_MS, NULL);
}

/* More of it than `times` one source may have? Counted. */
static bool is_attacked(struct sbc *s, uint16_t realm, enum counted what, struct str key,
			const struct rate_rule *rule, uint32_t times)
{
	const struct rate_rule wide = {rule->count * times, rule->per_ms, 0};

	return key.len > 0 && !take(s, failures_of(s, realm, what, key), &wide);
}

static struct str credentials_of(const struct msg *m)
{
	const struct str v = msg_value(m, HDR_AUTHORIZATION);

	return v.len ? v : msg_value(m, HDR_PROXY_AUTHORIZATION);
}

/* Has this very text come within the last minutes? From now on it has. */
static bool is_again(struct sbc *s, struct str text)
{
	struct rate *r = rate_table_find(&s->keepout.nonces, 1, text, s->now_ms * NS_IN_MS);
	const bool again = r->due_ns > s->now_ms * NS_IN_MS;

	r->due_ns = (s->now_ms + KEEPOUT_NONCE_MS) * NS_IN_MS;
	return again;
}

bool keepout_is_again(struct sbc *s, struct str text)
{
	return has_tables(s) && is_again(s, text);
}

static void order_ban(struct sbc *s, const struct flow *f, const struct admission_rule *a,
		      struct str why)
{
	struct ban_order o = {.subject = {.kind = SUBJECT_SOURCE},
			      .seconds = a->failures.ban_s,
			      .rule = STR("register_failures"),
			      .why = why,
			      .place = a->place};

	o.subject.source =
		(struct prefix){.addr = f->remote, .bits = f->remote.family == ADDR_IP6 ? 128 : 32};
	(void)keepout_ban(s, &o, NULL);
}

void keepout_on_wrong_password(struct sbc *s, const struct flow *f, const struct msg *m,
			       struct str user, bool proven)
{
	const uint16_t realm = worker_realm_of(s->settings, f);
	const bool ip6 = f->remote.family == ADDR_IP6;
	const char *ip = (const char *)f->remote.ip;

	if (realm >= s->settings->policy.realm_count)
		return;
	if (proven || f->transport != TRANSPORT_UDP)
		fraud_watch_registered(s, f, SETTINGS_NO_INDEX, user, true);
	const struct admission_rule *a = &s->settings->policy.realms[realm].admission;
	const struct rate_rule *most = &a->failures.most;
	/* What anybody could have sent in another's name is nobody's failure. */
	if (most->count == 0 || (!proven && f->transport == TRANSPORT_UDP) || !has_tables(s))
		return;
	if (f->transport == TRANSPORT_UDP && is_again(s, credentials_of(m)))
		return;
	const bool user_attacked = is_attacked(s, realm, OF_USER, user, most, KEEPOUT_USER_TIMES);
	const bool net_attacked = is_attacked(s, realm, OF_NET, (struct str){ip, ip6 ? 6 : 3}, most,
					      KEEPOUT_NET_TIMES);
	const bool attacked = user_attacked || net_attacked;
	const struct rate_rule own = {most->count, most->per_ms,
				      attacked || most->count == 1 ? 1 : most->count - 1};
	struct rate *source = failures_of(s, realm, OF_SOURCE, (struct str){ip, ip6 ? 8 : 4});
	if (take(s, source, &own) && most->count > 1)
		return;
	order_ban(s, f, a,
		  user_attacked  ? STR("a wrong password for a user that many guess at")
		  : net_attacked ? STR("a wrong password from a network of many")
				 : STR("wrong passwords"));
}

/* ---- a registrar behind us, which knows the passwords */

static struct str path_key(const struct flow *f, struct str nonce, struct buf *b)
{
	buf_str(b, nonce);
	buf_char(b, 0);
	addr_write(b, &f->remote);
	return b->overflow ? STR_NONE : buf_view(b);
}

bool keepout_counts_failures(const struct sbc *s, const struct flow *f)
{
	const uint16_t realm = worker_realm_of(s->settings, f);

	return realm < s->settings->policy.realm_count &&
	       (s->settings->policy.realms[realm].admission.failures.most.count ||
		s->settings->policy.bans.strangers.count ||
		fraud_wants(&s->policy.fraud, FRAUD_AT_REGISTER));
}

/* The mark of a nonce on a path. */
static struct rate *mark_of(struct sbc *s, const struct flow *f, struct str nonce)
{
	char mem[512];
	struct buf b;

	buf_init(&b, mem, sizeof(mem));
	const struct str key = path_key(f, nonce, &b);
	return key.len ? rate_table_find(&s->keepout.nonces, 2, key, s->now_ms * NS_IN_MS) : NULL;
}

static void mark_nonces(struct sbc *s, const struct flow *f, const struct msg *m, enum hdr name)
{
	struct str value;
	size_t cursor = 0;

	while (msg_next(m, name, &cursor, &value)) {
		struct digest_challenge c;
		while (digest_challenge_cut(&value, &c) == OK) {
			struct rate *r = mark_of(s, f, c.nonce);
			if (r)
				r->due_ns = (s->now_ms + KEEPOUT_NONCE_MS) * NS_IN_MS;
		}
	}
}

void keepout_on_challenge(struct sbc *s, const struct flow *f, const struct msg *m)
{
	if (f->transport != TRANSPORT_UDP || !keepout_counts_failures(s, f) || !has_tables(s))
		return;
	mark_nonces(s, f, m, HDR_WWW_AUTHENTICATE);
	mark_nonces(s, f, m, HDR_PROXY_AUTHENTICATE);
}

bool keepout_is_marked(struct sbc *s, const struct flow *f, struct str nonce)
{
	const uint64_t now_ns = s->now_ms * NS_IN_MS;
	char mem[512];
	struct buf b;

	buf_init(&b, mem, sizeof(mem));
	const struct str key = path_key(f, nonce, &b);
	return s->keepout.nonces.entries && key.len &&
	       rate_table_peek(&s->keepout.nonces, 2, key, now_ns).due_ns > now_ns;
}

static bool is_stale(const struct msg *m, enum hdr name)
{
	struct str value;
	size_t cursor = 0;

	while (msg_next(m, name, &cursor, &value)) {
		struct digest_challenge c;
		while (digest_challenge_cut(&value, &c) == OK)
			if (c.stale)
				return true;
	}
	return false;
}

void keepout_on_registrar(struct sbc *s, const struct flow *f, const struct msg *asked,
			  struct str user, const struct msg *m)
{
	struct digest_answer answer;

	if ((m->status != 401 && m->status != 407 && m->status != 403) ||
	    is_stale(m, HDR_WWW_AUTHENTICATE) || is_stale(m, HDR_PROXY_AUTHENTICATE) ||
	    credentials_of(asked).len == 0 ||
	    digest_answer_parse(credentials_of(asked), &answer) != OK || !has_tables(s))
		return;
	keepout_on_wrong_password(s, f, asked, user, keepout_is_marked(s, f, answer.nonce));
}

/* ---- the rest */

void keepout_after(struct sbc *s)
{
	struct ban v;

	if (s->policy.bans.flood != ID_NONE && ban_take_flood(&s->policy.bans, time_of(s), &v))
		tell(s, "flood", &v);
}

struct verdict keepout_user(struct sbc *s, const struct flow *f, struct str aor)
{
	const struct facts facts = {.realm = worker_realm_of(s->settings, f),
				    .trunk = POLICY_NO_INDEX,
				    .source = f->remote,
				    .user = aor,
				    .now_ms = s->now_ms};

	if (s->policy.bans.live[BAN_OUT][SUBJECT_USER] == 0)
		return (struct verdict){.outcome = VERDICT_ALLOW};
	return ban_judge(&s->policy.bans, &s->settings->policy, &facts, false);
}

void keepout_tick(struct sbc *s)
{
	struct ban v;

	/* Those that were laid together end together; what is left is due at once, in the next turn. */
	for (unsigned i = 0; i < KEEPOUT_ENDS_AT_ONCE &&
			     ban_expire(&s->policy.bans, &s->settings->policy.bans, time_of(s), &v);
	     i++)
		tell(s, "ended", &v);
}

uint64_t keepout_next_ms(const struct sbc *s)
{
	return ban_next_ms(&s->policy.bans);
}
