#include "sbc/core/ban_share.h"

#include "policy/ban_text.h"
#include "sbc/core/keepout.h"
#include "sbc/core/stored.h"
#include "sbc/core/worker.h"

/* What a word is: the ban behind it is in force, or no more. */
enum { WORD_LAID = '+', WORD_LIFTED = '-', OWNER_ALL = 1, SAID_MS = 30 * 1000 };

static const struct str set_key = {"bans", 4};

/* Which it is among them all. */
static struct str name_of(const struct ban *v, char mem[STORE_KEY_MAX])
{
	struct buf b;

	buf_init(&b, mem, STORE_KEY_MAX);
	buf_printf(&b, "%u:%u:", (unsigned)v->mode, (unsigned)v->kind);
	ban_write_subject(&b, v);
	return buf_view(&b); /* empty: too long to be shared */
}

static uint32_t left_ms(const struct sbc *s, const struct ban *v)
{
	const uint64_t left = v->until_ms > s->wall_ms ? v->until_ms - s->wall_ms : 1;

	return left < STORE_EXPIRES_MAX_MS ? (uint32_t)left : (uint32_t)STORE_EXPIRES_MAX_MS;
}

static void put(struct sbc *s, const struct ban *v, bool say)
{
	char name[STORE_KEY_MAX], mem[BAN_LINE_MAX + 1];
	struct buf b;
	struct ban ours = *v;
	struct store_op op = {.verb = STORE_MEMBER_PUT,
			      .area = STORE_AREA_BANS,
			      .key = set_key,
			      .member = name_of(v, name),
			      .expires_ms = left_ms(s, v)};

	buf_init(&b, mem, sizeof(mem));
	buf_char(&b, WORD_LAID);
	/* Who reads it in the store is not told who has put it there. */
	if (ours.node[0] == 0 && str_copy(s->settings->node, ours.node, sizeof(ours.node)) != OK)
		ours.node[0] = 0;
	ban_write(&b, &ours);
	op.value = buf_view(&b);
	if (op.member.len == 0 || op.value.len == 0)
		return;
	stored_post(s, &op);
	if (say) {
		op.verb = STORE_PUBLISH;
		/* A word is for those who hear it now: said again later it would bring back what was lifted. */
		op.expires_ms = op.expires_ms < SAID_MS ? op.expires_ms : SAID_MS;
		op.key = op.member = STR_NONE;
		stored_post(s, &op);
	}
}

void ban_share_laid(struct sbc *s, const struct ban *v)
{
	if (stored_is_shared(s) && !s->ban_share.hears)
		put(s, v, true);
}

void ban_share_lifted(struct sbc *s, const struct ban *v)
{
	char name[STORE_KEY_MAX], mem[BAN_LINE_MAX + 1];
	struct buf b;

	if (!stored_is_shared(s) || s->ban_share.hears)
		return;
	for (unsigned mode = 0; mode <= BAN_SLOW; mode++) { /* both are lifted together */
		struct ban each = *v;
		each.mode = (enum ban_mode)mode;
		const struct str member = name_of(&each, name);
		if (member.len > 0)
			stored_post(s, &(struct store_op){.verb = STORE_MEMBER_DELETE,
							  .area = STORE_AREA_BANS,
							  .key = set_key,
							  .member = member});
	}
	buf_init(&b, mem, sizeof(mem));
	buf_char(&b, WORD_LIFTED);
	ban_write(&b, v);
	if (!b.overflow)
		stored_post(s, &(struct store_op){.verb = STORE_PUBLISH,
						  .area = STORE_AREA_BANS,
						  .value = buf_view(&b),
						  .expires_ms = SAID_MS});
}

/* Anything at all may stand there. */
static void hear(struct sbc *s, struct str text, struct str node)
{
	struct ban v, was;

	if (text.len < 2 || (text.p[0] != WORD_LAID && text.p[0] != WORD_LIFTED) ||
	    ban_read(str_from_offset(text, 1), &v) != OK) {
		s->ban_share.bad++;
		return;
	}
	v.by = BAN_BY_NODE;
	if (node.len > 0 && str_copy(node, v.node, sizeof(v.node)) != OK)
		v.node[0] = 0;
	s->ban_share.heard++;
	s->ban_share.hears = true;
	if (text.p[0] == WORD_LAID) {
		(void)keepout_import(s, &v);
	} else {
		const struct subject who = {
			.kind = v.kind, .source = v.source, .name = str_from(v.name)};
		(void)keepout_lift(s, &who, &was);
	}
	s->ban_share.hears = false;
}

void ban_share_on_told(struct sbc *s, const struct store_told *t)
{
	hear(s, t->value, t->node);
}

void ban_share_on_reply(struct sbc *s, const struct store_reply *r)
{
	if (r->verb == STORE_MEMBERS && r->owner == OWNER_ALL && r->result == STORE_OK)
		hear(s, r->value, STR_NONE);
}

void ban_share_on_alarm(struct sbc *s)
{
	const struct ban_time t = {s->now_ms, s->wall_ms};
	struct ban v;

	for (unsigned i = 0; i < BAN_SHARE_AT_ONCE; i++) {
		if (!ban_next(&s->policy.bans, t, false, &s->ban_share.cursor, &v))
			return;
		if (v.mode != BAN_QUARANTINE) /* what a node cannot be sure of is its own */
			put(s, &v, false);
	}
	worker_alarm(s, &s->ban_share.alarm, ALARM_BANS, s->now_ms + BAN_SHARE_EVERY_MS);
}

void ban_share_on_state(struct sbc *s, const struct store_state *t)
{
	if (!t->up || !stored_is_shared(s))
		return;
	stored_post(s, &(struct store_op){.verb = STORE_MEMBERS,
					  .area = STORE_AREA_BANS,
					  .key = set_key,
					  .owner = OWNER_ALL});
	if (!t->is_fresh)
		return;
	s->ban_share.cursor = 0;
	worker_alarm(s, &s->ban_share.alarm, ALARM_BANS, s->now_ms + 1 + t->spread_ms);
}
