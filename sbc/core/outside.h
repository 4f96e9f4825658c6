/*
 * Requests outside of calls: MESSAGE, PUBLISH, OPTIONS for someone behind us, SUBSCRIBE, NOTIFYs that no one subscribed
 * to. By default nothing crosses: a trunk may send what its `methods` name, and is sent no more than that (threats
 * C11). They are routed as calls are, with names of our own, to one target after another; each gets one final answer.
 * Subscriptions live on in subscription.c.
 */
#ifndef SALLYPORT_OUTSIDE_H
#define SALLYPORT_OUTSIDE_H

#include "sbc/core/errand.h"
#include "sbc/core/package.h"

/* Those of `methods` that have a meaning outside of calls. */
#define OUTSIDE_METHODS                                                                            \
	(1u << METHOD_MESSAGE | 1u << METHOD_PUBLISH | 1u << METHOD_SUBSCRIBE |                    \
	 1u << METHOD_NOTIFY | 1u << METHOD_OPTIONS)

/* What a request of that trunk that is in no dialog may be; the rest is 405. */
struct refuse_params outside_abilities(const struct settings *s, uint16_t realm, uint16_t trunk);
/* Is this one for another than us? An OPTIONS that names nobody is not. */
bool outside_is_ours(const struct settings *s, const struct msg *m, uint16_t trunk);

struct policy_ask;
/* What a request outside of calls comes to, before it is on its way. Views into the message and itself. */
struct outside_asked {
	struct package_event event;
	struct hunt hunt;
	uint16_t route;
	bool secure;
	char mem[256];
};
/* By itself, and where to; a->facts has its trunk. With a->peek nothing changes but s->lines. */
struct verdict outside_judge(struct sbc *s, const struct policy_ask *a, const struct msg *m,
			     struct outside_asked *out);
/* A request of that trunk, which may send such. */
void outside_begin(struct sbc *s, const struct msg *m, const struct flow *f,
		   const struct tls_facts *tls, uint16_t trunk);

/* What concerns an errand whose use is not ERRAND_REGISTER. */
void outside_on_response(struct sbc *s, struct errand *e, id_t64 txn, const struct msg *m,
			 const struct flow *f);
void outside_on_report(struct sbc *s, struct errand *e, id_t64 txn, enum txn_report report,
		       unsigned cause);
void outside_on_resolved(struct sbc *s, struct errand *e, id_t64 ask, const struct event *ev);
void outside_on_alarm(struct sbc *s, struct errand *e);
/* All that waits is told 503. */
void outside_end_all(struct sbc *s);

#endif
