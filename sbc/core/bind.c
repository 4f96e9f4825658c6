#include "sbc/core/bind.h"

#include <string.h>

#include "common/check.h"
#include "sbc/core/uri.h"

enum err bind_init(struct binds *b, uint32_t contacts, const uint8_t kinds[2],
		   const struct siphash_key keys[4], struct block_pool *texts)
{
	CHECK(b && contacts && texts);
	b->texts = texts;
	enum err e = pool_init(&b->contacts, sizeof(struct contact), contacts, kinds[0]);

	if (e == OK)
		e = pool_init(&b->aors, sizeof(struct aor), contacts, kinds[1]);
	if (e == OK)
		e = table_init(&b->by_name, contacts, &keys[0]);
	if (e == OK)
		e = table_init(&b->by_flow, contacts, &keys[1]);
	if (e == OK)
		e = table_init(&b->by_token, contacts, &keys[2]);
	if (e == OK)
		e = tally_init(&b->sources, contacts, &keys[3]);
	if (e != OK)
		bind_release(b);
	return e;
}

void bind_release(struct binds *b)
{
	CHECK(b);
	tally_release(&b->sources);
	if (b->by_token.buckets)
		table_release(&b->by_token);
	if (b->by_flow.buckets)
		table_release(&b->by_flow);
	if (b->by_name.buckets)
		table_release(&b->by_name);
	if (b->aors.chunks)
		pool_release(&b->aors);
	if (b->contacts.chunks)
		pool_release(&b->contacts);
	*b = (struct binds){.texts = NULL};
}

/* ---- addresses-of-record */

struct aor *bind_find_aor(const struct binds *b, struct str name)
{
	uint64_t hash = table_hash(&b->by_name, name.p, name.len);

	for (struct table_node *n = table_first(&b->by_name, hash); n; n = table_next(n)) {
		struct aor *a = TABLE_OBJECT(n, struct aor, by_name);
		if (str_eq(a->name, name))
			return a;
	}
	return NULL;
}

struct aor *bind_get_aor(const struct binds *b, id_t64 id)
{
	return pool_find(&b->aors, id);
}

enum err bind_add_aor(struct binds *b, struct str name, uint16_t group, const char *call_id,
		      struct aor **out)
{
	id_t64 id;

	if (name.len == 0 || name.len > BIND_NAME_MAX)
		return ERR_LIMIT;
	struct aor *a = pool_new(&b->aors, &id);
	if (!a)
		return ERR_FULL;
	a->id = id;
	a->group = group;
	list_init(&a->contacts);
	memcpy(a->call_id, call_id, HIDE_TOKEN_LEN);
	a->name = block_str(b->texts, name);
	if (a->name.len == 0 ||
	    table_add(&b->by_name, &a->by_name, table_hash(&b->by_name, name.p, name.len)) != OK) {
		block_str_free(b->texts, &a->name);
		pool_free(&b->aors, id);
		return ERR_NOMEM;
	}
	*out = a;
	return OK;
}

void bind_write_name(struct buf *b, struct str name)
{
	size_t at = str_index(name, '@');

	uri_write_user(b, (struct str){name.p, at});
	buf_str(b, str_from_offset(name, at));
}

void bind_settle(struct binds *b, struct aor *a)
{
	if (a->count || a->sessions)
		return;
	id_t64 id = a->id;

	table_del(&b->by_name, &a->by_name);
	block_str_free(b->texts, &a->name);
	pool_free(&b->aors, id);
}

/* ---- contacts */

bool bind_same_flow(const struct flow *a, const struct flow *b)
{
	if (a->id != ID_NONE || b->id != ID_NONE)
		return a->id == b->id;
	return a->listener == b->listener && addr_eq(&a->remote, &b->remote);
}

static uint64_t flow_hash(const struct binds *b, const struct flow *f)
{
	uint8_t key[8 + 2 + 1 + 16 + 2] = {0};

	if (f->id != ID_NONE) {
		memcpy(key, &f->id, 8);
	} else {
		memcpy(key + 8, &f->listener, 2);
		key[10] = f->remote.family;
		memcpy(key + 11, f->remote.ip, f->remote.family == ADDR_IP6 ? 16 : 4);
		memcpy(key + 27, &f->remote.port, 2);
	}
	return table_hash(&b->by_flow, key, sizeof(key));
}

struct contact *bind_match(const struct aor *a, const struct bind_texts *t)
{
	list_each (n, &a->contacts) {
		struct contact *c = LIST_OBJECT(n, struct contact, node);
		if (t->instance.len && t->reg_id && c->reg_id == t->reg_id &&
		    str_eq(c->instance, t->instance))
			return c;
		if (!(t->instance.len && t->reg_id) && str_eq(c->uri, t->uri))
			return c;
	}
	return NULL;
}

/* All four or none. */
static enum err copy_texts(struct binds *b, const struct bind_texts *from, struct contact *c)
{
	const struct str in[4] = {from->uri, from->instance, from->path, from->call_id};
	struct str out[4];

	for (size_t i = 0; i < 4; i++) {
		out[i] = in[i].len ? block_str(b->texts, in[i]) : STR_NONE;
		if (out[i].len == in[i].len)
			continue;
		while (i > 0)
			block_str_free(b->texts, &out[--i]);
		return ERR_NOMEM;
	}
	struct str *slots[4] = {&c->uri, &c->instance, &c->path, &c->call_id};
	for (size_t i = 0; i < 4; i++) {
		block_str_free(b->texts, slots[i]);
		*slots[i] = out[i];
	}
	c->reg_id = from->reg_id;
	return OK;
}

static void free_texts(struct binds *b, struct contact *c)
{
	block_str_free(b->texts, &c->uri);
	block_str_free(b->texts, &c->instance);
	block_str_free(b->texts, &c->path);
	block_str_free(b->texts, &c->call_id);
}

static enum err check_texts(const struct bind_texts *t)
{
	return t->uri.len == 0 || t->uri.len > BIND_TEXT_MAX || t->instance.len > BIND_TEXT_MAX ||
			       t->path.len > BIND_TEXT_MAX || t->call_id.len > BIND_TEXT_MAX
		       ? ERR_LIMIT
		       : OK;
}

enum err bind_add(struct binds *b, const struct bind_add *p, struct contact **out)
{
	id_t64 id;
	enum err e = check_texts(&p->texts);

	if (e != OK || p->aor->count >= p->most)
		return ERR_LIMIT;
	if (b->contacts.used >= b->contacts.limit)
		return ERR_FULL;
	if (tally_add(&b->sources, &p->flow->remote, p->source_most) != OK)
		return ERR_LIMIT;
	struct contact *c = pool_new(&b->contacts, &id);
	if (!c || copy_texts(b, &p->texts, c) != OK) {
		if (c)
			pool_free(&b->contacts, id);
		tally_del(&b->sources, &p->flow->remote);
		return ERR_NOMEM;
	}
	c->id = id;
	c->flow = *p->flow;
	memcpy(c->token, p->token, HIDE_TOKEN_LEN);
	timer_init(&c->alarm.timer);
	/* There is a place in both tables for each contact of the pool. */
	e = table_add(&b->by_flow, &c->by_flow, flow_hash(b, &c->flow));
	CHECK(e == OK);
	e = table_add(&b->by_token, &c->by_token,
		      table_hash(&b->by_token, c->token, HIDE_TOKEN_LEN));
	CHECK(e == OK);
	c->aor = p->aor;
	c->node.next = p->aor->contacts.next; /* to the front: the latest is asked first */
	c->node.prev = &p->aor->contacts;
	c->node.next->prev = &c->node;
	p->aor->contacts.next = &c->node;
	p->aor->count++;
	*out = c;
	return OK;
}

enum err bind_renew(struct binds *b, struct contact *c, const struct bind_add *p)
{
	enum err e = check_texts(&p->texts);
	bool moved = !addr_eq_ip(&c->flow.remote, &p->flow->remote);

	if (e == OK && moved)
		e = tally_add(&b->sources, &p->flow->remote, p->source_most);
	if (e != OK)
		return ERR_LIMIT;
	e = copy_texts(b, &p->texts, c);
	if (e != OK) {
		if (moved)
			tally_del(&b->sources, &p->flow->remote);
		return e;
	}
	if (moved)
		tally_del(&b->sources, &c->flow.remote);
	table_del(&b->by_flow, &c->by_flow);
	c->flow = *p->flow;
	e = table_add(&b->by_flow, &c->by_flow, flow_hash(b, &c->flow));
	CHECK(e == OK);
	return OK;
}

void bind_del(struct binds *b, struct contact *c)
{
	struct aor *a = c->aor;
	id_t64 id = c->id;

	list_del(&c->node);
	a->count--;
	table_del(&b->by_flow, &c->by_flow);
	table_del(&b->by_token, &c->by_token);
	tally_del(&b->sources, &c->flow.remote);
	free_texts(b, c);
	pool_free(&b->contacts, id);
	bind_settle(b, a);
}

struct contact *bind_get(const struct binds *b, id_t64 id)
{
	return pool_find(&b->contacts, id);
}

struct contact *bind_find_token(const struct binds *b, struct str token)
{
	char lower[HIDE_TOKEN_LEN];

	if (token.len != HIDE_TOKEN_LEN)
		return NULL;
	for (size_t i = 0; i < HIDE_TOKEN_LEN; i++)
		lower[i] = (char)(token.p[i] >= 'A' && token.p[i] <= 'Z' ? token.p[i] | 32
									 : token.p[i]);
	uint64_t hash = table_hash(&b->by_token, lower, HIDE_TOKEN_LEN);
	for (struct table_node *n = table_first(&b->by_token, hash); n; n = table_next(n)) {
		struct contact *c = TABLE_OBJECT(n, struct contact, by_token);
		if (memcmp(c->token, lower, HIDE_TOKEN_LEN) == 0)
			return c;
	}
	return NULL;
}

struct contact *bind_next_of_flow(const struct binds *b, const struct flow *f,
				  struct contact **cursor)
{
	struct table_node *n = *cursor ? table_next(&(*cursor)->by_flow)
				       : table_first(&b->by_flow, flow_hash(b, f));

	for (; n; n = table_next(n)) {
		struct contact *c = TABLE_OBJECT(n, struct contact, by_flow);
		if (bind_same_flow(&c->flow, f)) {
			*cursor = c;
			return c;
		}
	}
	return NULL;
}
