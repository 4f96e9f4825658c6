#include "sbc/core/reply.h"

void reply_now(struct sbc *s, const struct call *c, const struct msg *m, const struct flow *f,
	       uint16_t status, struct str lines)
{
	struct asker a;

	if (asker_serve(s, &a, c->settings, m, f, ID_NONE) != OK) {
		worker_reply(s, m, f, 503, STR_NONE, STR("Retry-After: 5\r\n"));
		return;
	}
	struct build_response r = {.status = status, .headers = lines};
	asker_respond(s, &a, &r);
}

void reply_refused(struct sbc *s, const struct call *c, const struct msg *m, const struct flow *f,
		   const struct verdict *v, unsigned side)
{
	buf_reset(&s->lines);
	struct refuse_params abilities = worker_abilities_in(c->settings, call_realm(c, side));
	if (refuse_write_headers(&s->lines, v, m, &abilities) != OK)
		buf_reset(&s->lines);
	worker_refused(s, c->settings, f, m, c->leg[side].trunk, v);
	reply_now(s, c, m, f, v->status, buf_view(&s->lines));
}

void reply_too_soon(struct sbc *s, const struct call *c, const struct msg *m, const struct flow *f)
{
	buf_reset(&s->lines);
	buf_printf(&s->lines, "Retry-After: %u\r\n", rng_below(&s->rng, 11));
	reply_now(s, c, m, f, 500, buf_view(&s->lines));
}
