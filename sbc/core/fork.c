#include "sbc/core/fork.h"

#include "common/siphash.h"
#include "sbc/core/setup.h"

static const struct siphash_key same_key = {{0}}; /* only to see that SDP is repeated */

static uint64_t hash_of(struct str sdp)
{
	return siphash(&same_key, sdp.p, sdp.len) | 1;
}

struct dialog *fork_dialog(struct call *c, struct fork *f, unsigned side)
{
	if (!f)
		return &c->leg[side].dialog;
	if (side == 0 && !f->own)
		return &c->leg[0].dialog;
	return &f->dialog[side];
}

void fork_free(struct sbc *s, struct setup *u, struct fork *f)
{
	if (u->answered == f)
		u->answered = NULL;
	list_del(&f->node);
	if (u->fork_count)
		u->fork_count--;
	leg_dialog_free(&s->blocks, &f->dialog[0]);
	leg_dialog_free(&s->blocks, &f->dialog[1]);
	block_str_free(&s->blocks, &f->told_bytes);
	block_str_free(&s->blocks, &f->queued);
	block_str_free(&s->blocks, &f->held);
	block_str_free(&s->blocks, &f->sdp);
	block_str_free(&s->blocks, &f->raw);
	block_free(&s->blocks, f, sizeof(*f));
}

void fork_free_all(struct sbc *s, struct setup *u)
{
	list_each_safe (n, &u->forks)
		fork_free(s, u, LIST_OBJECT(n, struct fork, node));
}

struct fork *fork_find_serial(struct setup *u, uint8_t serial)
{
	list_each (n, &u->forks) {
		struct fork *f = LIST_OBJECT(n, struct fork, node);
		if (f->serial == serial)
			return f;
	}
	return NULL;
}

static struct fork *fork_find(struct setup *u, struct str tag)
{
	list_each (n, &u->forks) {
		struct fork *f = LIST_OBJECT(n, struct fork, node);
		if (str_ieq(dialog_get(&f->dialog[1], DIALOG_REMOTE_TAG), tag))
			return f;
	}
	return NULL;
}

/* Our side towards the caller: the first fork of all has the tag that the call began with. */
static enum err take_tag(struct sbc *s, struct call *c, struct fork *f)
{
	char tag[HIDE_BRANCH_LEN];

	if (!c->setup->tag_given) {
		c->setup->tag_given = true;
		return OK;
	}
	enum err e = leg_dialog_copy(&s->blocks, &f->dialog[0], &c->leg[0].dialog, 96);
	if (e != OK)
		return e;
	f->own = true;
	/* A PRACK in another early dialog has counted there (RFC 3261 §12.2.2). */
	f->dialog[0].remote_cseq = c->leg[0].invite.cseq;
	return dialog_set(&f->dialog[0], DIALOG_LOCAL_TAG, worker_token(s, HIDE_TAG, c->id, tag));
}

/* At the limit the oldest makes room for an answer, not for one more that rings. */
static bool has_room(struct sbc *s, struct setup *u, const struct msg *m)
{
	if (u->fork_count < SETUP_FORKS_MAX)
		return true;
	if (m->status < 200 || list_is_empty(&u->forks))
		return false;
	fork_free(s, u, LIST_OBJECT(u->forks.next, struct fork, node));
	return true;
}

static struct fork *fork_new(struct sbc *s, struct call *c, const struct msg *m)
{
	struct setup *u = c->setup;
	struct fork *f = has_room(s, u, m) ? block_new(&s->blocks, sizeof(*f)) : NULL;

	if (!f)
		return NULL;
	*f = (struct fork){
		.serial = ++u->serial, .ask = ID_NONE, .offer = {c->offer[0], c->offer[1]}};
	list_add_tail(&u->forks, &f->node);
	u->fork_count++;
	if (leg_dialog_copy(&s->blocks, &f->dialog[1], &c->leg[1].dialog, 160) != OK ||
	    leg_on_response(&s->blocks, &f->dialog[1], m) != OK || take_tag(s, c, f) != OK) {
		fork_free(s, u, f);
		return NULL;
	}
	return f;
}

struct fork *fork_of_response(struct sbc *s, struct call *c, const struct msg *m)
{
	struct fork *f = fork_find(c->setup, m->to_tag);

	if (!f)
		f = fork_new(s, c, m);
	else if (leg_on_response(&s->blocks, &f->dialog[1], m) !=
		 OK) /* it may name another target */
		return NULL;
	if (f && msg_has_token(m, HDR_ALLOW, STR("UPDATE")))
		f->updates = true;
	return f;
}

void fork_keep_sdp(struct sbc *s, struct fork *f, struct str sdp)
{
	f->sdp_hash = hash_of(sdp);
	block_str_free(&s->blocks, &f->raw);
	block_str_free(&s->blocks, &f->sdp);
	f->raw = block_str(&s->blocks, sdp);
}

bool fork_has_sdp(const struct fork *f, struct str sdp)
{
	return f->sdp_hash == hash_of(sdp);
}
