#include "sbc/core/proof.h"

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

bool proof_take(struct sbc *s, uint16_t trunk, const struct msg *m, const struct flow *f)
{
	uint8_t random[CHALLENGE_RANDOM_LEN];
	char host[64];
	struct buf realm;
	bool stale = false;

	if (trunk >= s->settings->trunk_count || !s->settings->trunks[trunk].proof.on)
		return true;
	const struct credentials *p = &s->settings->trunks[trunk].proof;
	buf_init(&realm, host, sizeof(host));
	if (p->realm.len == 0 && f->listener < s->settings->listener_count)
		addr_write_host(&realm, &s->settings->listeners[f->listener].local);
	struct challenge_ask ask = {.m = m,
				    .flow = f,
				    .realm = p->realm.len ? p->realm : buf_view(&realm),
				    .now_ms = s->now_ms};
	struct digest_secret who = {.user = p->user, .password = p->password};
	switch (challenge_judge(&s->challenge, &ask, &who, true)) {
	case CHALLENGE_PASSED: return true;
	case CHALLENGE_GARBLED:
		worker_reply(s, m, f, 400, STR("Bad Authorization"), STR_NONE);
		refuse(s, trunk, m, f, 400);
		return false;
	case CHALLENGE_WRONG:
		refuse(s, trunk, m, f, 401);
		keepout_on_wrong_password(s, f, m, p->user, challenge_is_ours(&s->challenge, &ask));
		break;
	case CHALLENGE_STALE: stale = true; break;
	case CHALLENGE_NONE:
	case CHALLENGE_RESULT_COUNT: break;
	}
	rng_bytes(&s->rng, random, sizeof(random));
	buf_reset(&s->lines);
	challenge_write(&s->challenge, &ask, stale, random, &s->lines);
	worker_reply(s, m, f, 401, STR_NONE, buf_view(&s->lines));
	return false;
}
