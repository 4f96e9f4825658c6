#include "sbc/core/duration.h"

#include "policy/route.h"
#include "sbc/core/call.h"
#include "sbc/core/worker.h"

/* 0: none. */
static uint64_t limit_of(const struct call *c)
{
	const struct settings *set = c->settings;
	uint64_t least = 0;

	for (unsigned side = 0; side < 2; side++) {
		const uint16_t t = c->leg[side].trunk;
		const uint64_t ms = t < set->trunk_count ? set->trunks[t].limit_duration_ms : 0;
		if (ms && (!least || ms < least))
			least = ms;
	}
	return least;
}

static bool is_emergency(const struct call *c)
{
	const struct policy_config *p = &c->settings->policy;

	return (c->record.route < p->route_count && p->routes[c->record.route].emergency) ||
	       route_is_emergency(p, call_text(c, CALL_TO_NUMBER));
}

void duration_begin(struct sbc *s, struct call *c)
{
	const uint64_t limit = limit_of(c);

	if (!limit || !c->record.answer_ms || is_emergency(c))
		return;
	/* One that was taken over may have been answered before our clock began. */
	const uint64_t at = c->record.answer_ms + limit;
	worker_alarm(s, &c->duration_alarm, ALARM_DURATION,
		     at - s->now_ms > limit ? s->now_ms : at);
}

void duration_stop(struct sbc *s, struct call *c)
{
	worker_stop_alarm(s, &c->duration_alarm);
}

void duration_on_alarm(struct sbc *s, struct call *c)
{
	static const char reason[] = "Reason: Q.850;cause=102;text=\"limit_duration\"\r\n";
	const struct str line = {reason, sizeof(reason) - 1};

	if (c->state >= CALL_ENDING || c->setup)
		return;
	call_end(s, c,
		 &(struct call_ending){.by = CDR_US,
				       .cause = STR("limit_duration"),
				       .q850 = 102, /* recovery on timer expiry */
				       .reason_lines = {line, line}});
}
