#include "sbc/core/call_watch.h"

#include "common/secret.h"
#include "sbc/core/keys.h"
#include "sbc/core/media_event.h"
#include "sbc/core/worker.h"

struct str call_watch_word(const struct sbc *s, const struct call *c, char out[HIDE_BRANCH_LEN])
{
	/* The same at each offer of a call, and nobody else's: a hash of its id under a key of ours. */
	uint8_t random[HIDE_RANDOM_LEN];
	uint64_t in[2] = {c->id, c->number};
	uint64_t h = siphash(&s->watch_key, in, sizeof(in));

	memcpy(random, &h, sizeof(h));
	in[1] = ~in[1];
	h = siphash(&s->watch_key, in, sizeof(in));
	memcpy(random + sizeof(h), &h, sizeof(random) - sizeof(h));
	return (struct str){out, hide_make(&s->hide, HIDE_WATCH, random, c->id, out)};
}

/* The call whose word this is. NULL: nobody's any more, or it was made up. */
static struct call *call_of_word(const struct sbc *s, struct str word)
{
	char mem[HIDE_BRANCH_LEN];
	id_t64 id;

	if (!hide_read(&s->hide, HIDE_WATCH, word, &id) || owner_kind(id) != OWNER_CALL)
		return NULL;
	struct call *c = call_find(s, id);
	if (!c)
		return NULL;
	struct str own = call_watch_word(s, c, mem);
	return own.len == word.len && secret_eq_bytes(own.p, word.p, own.len) ? c : NULL;
}

static uint32_t timeout_ms(const struct call *c, unsigned side)
{
	const struct policy_config *p = &c->settings->policy;
	uint16_t realm = call_realm(c, side);
	uint16_t at = realm < p->realm_count ? p->realms[realm].media_policy : POLICY_NO_INDEX;

	return at < p->media_count ? p->media[at].timeout_ms : 0;
}

/* UINT64_MAX: this party may be silent as long as it likes. */
static uint64_t deadline_ms(const struct call *c, unsigned side)
{
	uint32_t t = timeout_ms(c, side);

	return c->silent_ms[side] && t ? c->silent_ms[side] + t : UINT64_MAX;
}

static void arm(struct sbc *s, struct call *c)
{
	uint64_t a = deadline_ms(c, 0), b = deadline_ms(c, 1), first = a < b ? a : b;

	if (first == UINT64_MAX)
		call_watch_stop(s, c);
	else
		worker_alarm(s, &c->media_alarm, ALARM_MEDIA, first);
}

void call_watch_stop(struct sbc *s, struct call *c)
{
	worker_stop_alarm(s, &c->media_alarm);
}

uint64_t call_watch_silent_ms(const struct call *c, unsigned side)
{
	return c->silent_ms[side];
}

static void end_silent(struct sbc *s, struct call *c)
{
	call_end(s, c,
		 &(struct call_ending){.by = CDR_US,
				       .cause = STR("media_timeout"),
				       .q850 = 102, /* recovery on timer expiry */
				       .sip_cause = 408});
}

void call_watch_on_alarm(struct sbc *s, struct call *c)
{
	if (c->state >= CALL_ENDING || c->setup)
		return;
	if (deadline_ms(c, 0) <= s->now_ms || deadline_ms(c, 1) <= s->now_ms)
		end_silent(s, c);
	else
		arm(s, c);
}

static void tell(struct sbc *s, const struct call *c, const struct media_event *m)
{
	char mem[320];
	struct buf name;
	unsigned side = m->side < MEDIA_PARTIES ? m->side : 0;

	buf_init(&name, mem, sizeof(mem));
	struct notice n = call_notice(s, c, NOTICE_MEDIA, &name);
	n.side = side;
	n.trunk = c->leg[side].trunk;
	n.realm = call_realm(c, side);
	n.why = media_event_name(m->type);
	worker_publish(s, &n);
}

/* Of a party that was heard, or has something to say: not while nobody is to say anything (hold). */
static void on_silence(struct sbc *s, struct call *c, const struct media_event *m)
{
	uint64_t ago = m->ms < s->now_ms ? m->ms : s->now_ms - 1;

	if (!c->record.answer_ms)
		return;
	if (c->silent_ms[m->side] == 0)
		c->silent_ms[m->side] = s->now_ms - ago;
	arm(s, c);
}

/* A camera may be switched off for as long as one likes: it is the voice that makes a call. */
static void on_media(struct sbc *s, struct call *c, const struct media_event *m)
{
	if (m->other_kind && m->type != MEDIA_EVENT_ENDED)
		return;
	switch (m->type) {
	case MEDIA_EVENT_LOST:
	case MEDIA_EVENT_ONE_WAY: on_silence(s, c, m); break;
	case MEDIA_EVENT_BACK:
		c->silent_ms[m->side] = 0;
		arm(s, c);
		break;
	case MEDIA_EVENT_ENDED:
		if (!c->setup)
			end_silent(s, c);
		break;
	case MEDIA_EVENT_KEY: keys_on_event(s, c, m->side, m->key, m->ms); break;
	case MEDIA_EVENT_TYPE_COUNT: break;
	}
}

void call_watch_on_event(struct sbc *s, const struct event *e)
{
	struct flow none = {.listener = SETTINGS_NO_INDEX};
	struct call *c = call_of_word(s, e->told.word);
	struct media_event m;
	char mem[320];
	struct buf name;

	buf_init(&name, mem, sizeof(mem));
	if (c)
		call_write_name(&name, s, c);
	if (!c || c->state >= CALL_ENDING || media_event_read(e->told.body, &m) != OK ||
	    (c->media.relay != SETTINGS_NO_INDEX && c->media.relay != e->told.relay) ||
	    !media_is_session(&c->media, buf_view(&name), m.session) ||
	    !media_see(&c->media.seen, m.number)) {
		worker_dropped(s, &none, NOTICE_DROP_STALE);
		return;
	}
	tell(s, c, &m);
	on_media(s, c, &m);
}
