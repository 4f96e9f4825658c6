#include "sbc/core/replaces.h"

#include <string.h>

struct str replaces_trunk(const struct call *c, unsigned side)
{
	uint16_t trunk = c->leg[side].trunk;

	return trunk < c->settings->trunk_count ? c->settings->trunks[trunk].name : STR_NONE;
}

/* The same each time it is asked for: nothing is kept. */
static struct str handle_token(const struct sbc *s, const struct call *c, unsigned side,
			       struct str trunk, unsigned part, char out[HIDE_BRANCH_LEN])
{
	static const enum hide_kind kinds[] = {HIDE_CALL_ID, HIDE_TAG, HIDE_TAG};
	uint8_t random[HIDE_RANDOM_LEN];
	char mem[512];
	struct buf b;

	buf_init(&b, mem, sizeof(mem));
	buf_lit(&b, "replaces ");
	buf_u64(&b, c->id);
	buf_printf(&b, " %u %u ", side, part);
	buf_bytes(&b, trunk.p, trunk.len < 256 ? trunk.len : 256);
	uint64_t first = siphash(&s->reply_key, b.p, b.len);
	buf_lit(&b, " again");
	uint64_t second = siphash(&s->reply_key, b.p, b.len);
	memcpy(random, &first, sizeof(first));
	memcpy(random + sizeof(first), &second, sizeof(random) - sizeof(first));
	return (struct str){out, hide_make(&s->hide, kinds[part], random, c->id, out)};
}

struct refer_replaces replaces_handle(const struct sbc *s, const struct call *c, unsigned side,
				      struct str trunk, struct replaces_handle *mem)
{
	CHECK(s && c && side < 2 && mem);
	return (struct refer_replaces){
		.call_id = handle_token(s, c, side, trunk, 0, mem->text[0]),
		.to_tag = handle_token(s, c, side, trunk, 1, mem->text[1]),
		.from_tag = handle_token(s, c, side, trunk, 2, mem->text[2]),
	};
}

static bool is_handle(const struct sbc *s, const struct call *c, unsigned side, struct str trunk,
		      const struct refer_replaces *r)
{
	struct replaces_handle mem;
	struct refer_replaces h = replaces_handle(s, c, side, trunk, &mem);

	return str_eq(r->call_id, h.call_id) && str_ieq(r->to_tag, h.to_tag) &&
	       str_ieq(r->from_tag, h.from_tag);
}

static bool names_leg(const struct leg *l, const struct refer_replaces *r)
{
	return l->dialog.text && str_eq(r->call_id, dialog_get(&l->dialog, DIALOG_CALL_ID)) &&
	       str_ieq(r->to_tag, dialog_get(&l->dialog, DIALOG_LOCAL_TAG)) &&
	       str_ieq(r->from_tag, dialog_get(&l->dialog, DIALOG_REMOTE_TAG));
}

uint16_t replaces_find(struct sbc *s, const struct refer_replaces *r, struct str trunk,
		       struct replaces_leg *out)
{
	CHECK(s && r && out);
	struct replaces_leg found = {.call = NULL};
	id_t64 id;

	if (!hide_read(&s->hide, HIDE_TAG, r->to_tag, &id))
		return 481;
	struct call *c = call_find(s, id);
	for (int hop = 0; c && hop < 2 && !found.call; hop++) {
		for (unsigned side = 0; side < 2; side++) {
			bool by_handle = is_handle(s, c, side, trunk, r);
			if (by_handle || names_leg(&c->leg[side], r))
				found = (struct replaces_leg){c, side, by_handle};
		}
		c = call_find(s, c->heir);
	}
	/* RFC 3891 §3: an early dialog that we did not begin is as good as none; one that we began has no answer to
	 * join. */
	if (!found.call || found.call->setup || found.call->state >= CALL_ENDING ||
	    found.call->leg[found.side].ended)
		return 481;
	if (!found.by_handle && !str_eq(trunk, replaces_trunk(found.call, found.side)))
		return 403;
	if (r->early_only)
		return 486;
	*out = found;
	return 0;
}
