#include "sbc/core/keys.h"

#include "common/secret.h"
#include "sbc/core/dtmf_info.h"
#include "sbc/core/reply.h"
#include "sbc/core/worker.h"

static const struct media_rule *rule_of(const struct call *c, unsigned side)
{
	const struct policy_config *p = &c->settings->policy;
	uint16_t realm = call_realm(c, side);
	uint16_t at = realm < p->realm_count ? p->realms[realm].media_policy : POLICY_NO_INDEX;

	return at < p->media_count ? &p->media[at] : NULL;
}

bool keys_in_info(const struct media_rule *rule, struct str sdp)
{
	if (!rule || rule->dtmf == MEDIA_DTMF_RFC4733)
		return false;
	return rule->dtmf == MEDIA_DTMF_INFO ||
	       (sdp.len && str_find(sdp, STR("telephone-event")) == sdp.len);
}

static bool has_info(const struct call *c, unsigned side)
{
	return keys_in_info(rule_of(c, side), c->agreed[side]);
}

static void lost(struct sbc *s, const struct call *c, unsigned side)
{
	char mem[320];
	struct buf name;

	buf_init(&name, mem, sizeof(mem));
	struct notice n = call_notice(s, c, NOTICE_MEDIA, &name);
	n.side = side;
	n.trunk = c->leg[side].trunk;
	n.realm = call_realm(c, side);
	n.why = STR("key_lost");
	worker_publish(s, &n);
}

/* A press counts by the way that the side has used first; the other way brings copies. */
static bool is_copy(struct call *c, unsigned side, enum call_keys by)
{
	if (c->keys_by[side] == CALL_KEYS_NONE)
		c->keys_by[side] = (uint8_t)by;
	return c->keys_by[side] != by;
}

/* ---- from the media to INFO */

static void drop_keys(struct sbc *s, struct call *c, unsigned to)
{
	struct keys *k = c->keys[to];

	if (!k)
		return;
	secret_wipe(k, sizeof(*k)); /* they may be a PIN */
	block_free(&s->blocks, k, sizeof(*k));
	c->keys[to] = NULL;
}

void keys_free(struct sbc *s, struct call *c)
{
	drop_keys(s, c, 0);
	drop_keys(s, c, 1);
}

/* The first that waits. False: it cannot be sent, and none after it. */
static bool say_next(struct sbc *s, struct call *c, unsigned to)
{
	struct keys *k = c->keys[to];
	char mem[64];
	struct buf b;

	buf_init(&b, mem, sizeof(mem));
	struct own_params p = {.what = OWN_KEY, .method = METHOD_INFO};
	p.content_type = dtmf_info_write(&b, k->at[0].key, k->at[0].ms, c->keys_plain[to]);
	p.body = buf_view(&b);
	k->own = own_send(s, c, to, &p);
	secret_wipe(mem, sizeof(mem));
	return k->own != ID_NONE;
}

void keys_on_event(struct sbc *s, struct call *c, unsigned side, uint8_t key, uint32_t ms)
{
	unsigned to = 1 - side;

	if (c->setup || !has_info(c, to) || has_info(c, side) || is_copy(c, side, CALL_KEYS_MEDIA))
		return;
	struct keys *k = c->keys[to];
	if (!k) {
		k = c->keys[to] = block_new(&s->blocks, sizeof(*k));
		if (k)
			*k = (struct keys){.own = ID_NONE};
	}
	if (!k || k->count == KEYS_MAX) {
		lost(s, c, side);
		return;
	}
	k->at[k->count].key = key;
	k->at[k->count++].ms = (uint16_t)(ms > DTMF_INFO_MS_MAX ? DTMF_INFO_MS_MAX : ms);
	if (k->own == ID_NONE && !say_next(s, c, to)) {
		lost(s, c, side);
		drop_keys(s, c, to);
	}
}

void keys_on_own(struct sbc *s, struct call *c, const struct own_outcome *x)
{
	unsigned to = x->side;
	struct keys *k = c->keys[to];

	if (!k || k->own != x->id || c->state >= CALL_ENDING)
		return;
	k->own = ID_NONE;
	if (x->status == 415 && !c->keys_plain[to]) { /* it knows the other form, perhaps */
		c->keys_plain[to] = true;
		if (say_next(s, c, to))
			return;
	}
	if (x->status >= 300)
		lost(s, c, 1 - to);
	k->count--;
	memmove(k->at, k->at + 1, k->count * sizeof(k->at[0]));
	if (k->count && say_next(s, c, to))
		return;
	for (uint8_t i = 0; i < k->count; i++)
		lost(s, c, 1 - to);
	drop_keys(s, c, to);
}

/* ---- from INFO to the media */

static bool play(struct sbc *s, struct call *c, unsigned side, uint8_t key, uint32_t ms)
{
	char mem[320];
	struct buf name;

	buf_init(&name, mem, sizeof(mem));
	call_write_name(&name, s, c);
	media_write_key(&s->text, &s->arena, &c->media, buf_view(&name), side, key, ms);
	return worker_ask_relay(s, c->id, ASK_PLAY, c->media.relay, STR("play DTMF"),
				buf_view(&s->text)) != ID_NONE;
}

bool keys_on_info(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
		  const struct flow *f)
{
	uint32_t ms;
	uint8_t key;

	if (c->setup || !c->media.anchored || !c->media.known || !dtmf_info_is(m->content_type))
		return false;
	bool here = has_info(c, side), there = has_info(c, 1 - side);
	if (!here && !there)
		return false; /* both have events: what this means is between the two of them */
	if (dtmf_info_read(m->content_type, m->body, &key, &ms) != OK)
		return false; /* the other side may know better */
	if (is_copy(c, side, CALL_KEYS_INFO)) {
		reply_now(s, c, m, f, 200, STR_NONE);
		return true;
	}
	if (there)
		return false;
	bool sent = key < MEDIA_KEY_FLASH && play(s, c, side, key, ms);
	reply_now(s, c, m, f, sent ? 200 : 503, STR_NONE);
	if (!sent)
		lost(s, c, side);
	return true;
}

void keys_on_played(struct sbc *s, struct call *c, const struct event *e)
{
	if (e->relay.result != RELAY_RESULT_OK && c->state < CALL_ENDING)
		lost(s, c, 0);
}
