#include "payload.h"

/* FNV-1a over letters without case: a peer gains nothing by a collision. */
static uint32_t hash_codec(const struct sdp_codec *c)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < c->name.len; i++) {
		const uint8_t b = (uint8_t)c->name.p[i];
		h = (h ^ (b >= 'A' && b <= 'Z' ? b | 0x20u : b)) * 16777619u;
	}
	h = (h ^ c->rate) * 16777619u;
	return (h ^ c->channels) * 16777619u;
}

void payload_list_set(struct payload_list *l, const struct sdp_media *m)
{
	l->count = 0;
	if (!str_eq(m->kind, STR("audio")))
		return;
	for (size_t i = 0; i < m->format_count && l->count < PAYLOAD_LIST; i++) {
		struct sdp_codec c;
		if (sdp_find_codec(m, m->formats[i], &c) != OK || c.type >= PAYLOAD_TYPES)
			continue;
		l->at[l->count].codec = hash_codec(&c);
		l->at[l->count++].type = c.type;
	}
}

static bool has_type(const struct payload_list *l, uint8_t type)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->at[i].type == type)
			return true;
	return false;
}

bool payload_map(const struct payload_list *from, const struct payload_list *to,
		 uint8_t out[PAYLOAD_TYPES])
{
	bool any = false;
	for (unsigned i = 0; i < from->count; i++) {
		if (has_type(to, from->at[i].type))
			continue;
		for (unsigned k = 0; k < to->count; k++) {
			if (to->at[k].codec != from->at[i].codec)
				continue;
			for (unsigned t = 0; !any && t < PAYLOAD_TYPES; t++)
				out[t] = (uint8_t)t;
			any = true;
			out[from->at[i].type] = to->at[k].type;
			break;
		}
	}
	return any;
}
