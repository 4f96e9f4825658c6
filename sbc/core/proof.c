#include "sbc/core/proof.h"

#include "sbc/core/bind.h"
#include "sbc/core/reg.h"
#include "sbc/core/worker.h"

static void refuse(struct sbc *s, uint16_t trunk, const struct msg *m, const struct flow *f,
		   uint16_t status)
{
	struct verdict v = {.outcome = VERDICT_REJECT,
			    .stage = VERDICT_STAGE_IDENTIFY,
			    .status = status,
			    .rule = status == 401 ? STR("password") : STR("credentials")};

	worker_refused(s, s->settings, f, m, trunk, &v);
}

/* What is to be proved. */
struct claim {
	struct challenge_ask ask;
	struct digest_secret who;
	struct str name; /* whom a wrong password counts against */
	bool known;
	char host[64], user[DIGEST_VALUE_MAX], aor[BIND_NAME_MAX];
};

static void claim_of_trunk(const struct sbc *s, uint16_t trunk, struct claim *c)
{
	const struct credentials *p = &s->settings->trunks[trunk].proof;
	const struct flow *f = c->ask.flow;
	struct buf realm;

	buf_init(&realm, c->host, sizeof(c->host));
	if (p->realm.len == 0 && f->listener < s->settings->listener_count)
		addr_write_host(&realm, &s->settings->listeners[f->listener].local);
	c->ask.realm = p->realm.len ? p->realm : buf_view(&realm);
	c->who = (struct digest_secret){.user = p->user, .password = p->password};
	c->name = p->user;
	c->known = true;
}

/* The user is who From names; one that hides there, who the answer says. */
static void claim_of_user(const struct users *g, struct claim *c)
{
	const struct msg *m = c->ask.m;
	struct buf said, from, name;
	struct uri uri = {.scheme = URI_SIP};

	bool named = reg_read_party(m->from, &uri) && reg_has_domain(g, uri.host);
	c->ask.realm = named ? uri.host : g->domains[0];
	c->ask.no_md5 = g->no_md5;
	c->ask.no_sha256 = g->no_sha256;
	buf_init(&said, c->user, sizeof(c->user));
	bool same = challenge_user(&c->ask, &said);
	buf_init(&from, c->aor, sizeof(c->aor));
	if (same && named)
		same = uri_write_number(&from, &uri) == OK && !from.overflow &&
		       str_eq(buf_view(&from), buf_view(&said));
	const struct user_account *account = reg_find_account(g, buf_view(&said));
	c->known = account && same;
	c->who = (struct digest_secret){.user = buf_view(&said),
					.password = account ? account->password : STR("?")};
	buf_init(&name, c->aor, sizeof(c->aor));
	reg_write_name(&name, buf_view(&said), c->ask.realm);
	c->name = buf_view(&name);
}

bool proof_is_asked(const struct settings *set, uint16_t trunk, const struct flow *f)
{
	const struct users *g = trunk < set->trunk_count ? set->trunks[trunk].users : NULL;

	if (!g)
		return trunk < set->trunk_count && set->trunks[trunk].proof.on;
	return g->local && (g->ask == USERS_ASK_ALWAYS ||
			    (g->ask == USERS_ASK_UDP && f->transport == TRANSPORT_UDP));
}

bool proof_take(struct sbc *s, uint16_t trunk, const struct msg *m, const struct flow *f)
{
	uint8_t random[CHALLENGE_RANDOM_LEN];
	struct claim c;
	bool stale = false;

	if (!proof_is_asked(s->settings, trunk, f))
		return true;
	c.ask = (struct challenge_ask){.m = m, .flow = f, .now_ms = s->now_ms};
	if (s->settings->trunks[trunk].users)
		claim_of_user(s->settings->trunks[trunk].users, &c);
	else
		claim_of_trunk(s, trunk, &c);
	switch (challenge_judge(&s->challenge, &c.ask, &c.who, c.known)) {
	case CHALLENGE_PASSED: quarantine_spare(s, f); return true;
	case CHALLENGE_GARBLED:
		worker_reply(s, m, f, 400, STR("Bad Authorization"), STR_NONE);
		refuse(s, trunk, m, f, 400);
		return false;
	case CHALLENGE_WRONG:
		refuse(s, trunk, m, f, 401);
		keepout_on_wrong_password(s, f, m, c.name,
					  challenge_is_ours(&s->challenge, &c.ask));
		break;
	case CHALLENGE_STALE: stale = true; break;
	case CHALLENGE_NONE: quarantine_on_claim(s, f, m); break;
	case CHALLENGE_RESULT_COUNT: break;
	}
	/* Who has registered hears us there, whoever sent this: it is told as much as it takes. */
	if (s->settings->trunks[trunk].users)
		s->unproven = false;
	rng_bytes(&s->rng, random, sizeof(random));
	buf_reset(&s->lines);
	challenge_write(&s->challenge, &c.ask, stale, random, &s->lines);
	worker_reply(s, m, f, 401, STR_NONE, buf_view(&s->lines));
	return false;
}
