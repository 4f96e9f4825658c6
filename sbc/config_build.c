#include "sbc/config_build.h"

void *config_get(struct config_build *g, size_t count, size_t size)
{
	void *p = arena_zalloc(g->arena, (count > 0 ? count : 1) * size);
	g->full = g->full || !p;
	return p;
}

struct rule_place config_place(const struct conf_node *n)
{
	return (struct rule_place){n->place.file->path,
				   n->key.len > 0 ? n->key_place.line : n->place.line};
}

void config_refuse_name(struct config_build *g, const struct conf_node *n, struct str name,
			const struct conf_list *known, size_t size, const char *section)
{
	struct conf_guess guess;
	char names[600];
	struct buf b;
	buf_init(&b, names, sizeof(names));
	conf_guess_init(&guess, name);
	for (size_t i = 0; i < known->count; i++) {
		const struct conf_head *h = (const void *)((const char *)known->items + size * i);
		conf_guess_add(&guess, h->name);
		if (b.len + h->name.len + 2 < sizeof(names))
			buf_printf(&b, "%s%.*s", i > 0 ? ", " : "", STR_ARG(h->name));
	}
	char mean[200];
	struct buf m;
	buf_init(&m, mean, sizeof(mean));
	conf_guess_write(&m, &guess);
	conf_error(g->report, n, "\"%.*s\" is not a name of %s%.*s%.*s", STR_ARG(name), section,
		   (int)m.len, mean, known->count > 0 ? (int)b.len : 4,
		   known->count > 0 ? names : "none");
}

uint16_t config_find(struct config_build *g, const struct conf_list *known, size_t size,
		     const char *section, struct str name, const struct conf_node *n)
{
	size_t at;
	if (name.len == 0)
		return SETTINGS_NO_INDEX;
	if (conf_named(known, size, name, &at))
		return (uint16_t)at;
	config_refuse_name(g, n, name, known, size, section);
	return SETTINGS_NO_INDEX;
}

uint16_t config_find_certificate(struct config_build *g, struct str name,
				 const struct conf_head *in, const char *key)
{
	return config_find(g, &g->raw->certificates, sizeof(struct raw_certificate), "certificates",
			   name, conf_node_child(in->node, key));
}

uint16_t config_find_anchor(struct config_build *g, struct str name, const struct conf_head *in,
			    const char *key)
{
	return config_find(g, &g->raw->anchors, sizeof(struct raw_anchor), "trust_anchors", name,
			   conf_node_child(in->node, key));
}
