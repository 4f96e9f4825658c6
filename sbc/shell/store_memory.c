#include "sbc/shell/store_memory.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"
#include "sbc/core/share_math.h"

enum { LEASE_NODES_MAX = 64 };

enum kind { KIND_VALUE, KIND_SUM, KIND_RATE, KIND_MEMBER, KIND_LEASE };

/* With key, member and value behind it. */
struct entry {
	struct table_node node;
	struct list in_sets; /* members alone */
	struct timer timer;
	uint64_t at_ms;
	int64_t epoch; /* 0: none */
	uint32_t key_len, member_len, value_len;
	uint8_t kind;
	char bytes[];
};

static struct str key_of(const struct entry *e)
{
	return (struct str){e->bytes, e->key_len};
}

static struct str member_of(const struct entry *e)
{
	return (struct str){e->bytes + e->key_len, e->member_len};
}

static struct str value_of(const struct entry *e)
{
	return (struct str){e->bytes + e->key_len + e->member_len, e->value_len};
}

static size_t size_of(const struct entry *e)
{
	return sizeof(*e) + e->key_len + e->member_len + e->value_len;
}

enum err store_memory_init(struct store_memory *m, uint32_t entries, size_t bytes,
			   const struct siphash_key *key, uint64_t now_ms)
{
	CHECK(m && key && entries > 0);
	*m = (struct store_memory){.bytes_max = bytes};
	list_init(&m->sets);
	wheel_init(&m->wheel, now_ms);
	return table_init(&m->table, entries, key);
}

static void drop(struct store_memory *m, struct entry *e)
{
	table_del(&m->table, &e->node);
	if (e->kind >= KIND_MEMBER)
		list_del(&e->in_sets);
	wheel_stop(&m->wheel, &e->timer);
	m->bytes -= size_of(e);
	free(e);
}

static void expire(struct store_memory *m, uint64_t now_ms)
{
	struct timer *t;
	while ((t = wheel_expire(&m->wheel, now_ms)) != NULL)
		drop(m, CONTAINER_OF(t, struct entry, timer));
}

void store_memory_clear(struct store_memory *m)
{
	for (size_t i = 0; m->table.buckets && i <= m->table.mask; i++)
		while (m->table.buckets[i])
			drop(m, TABLE_OBJECT(m->table.buckets[i], struct entry, node));
}

void store_memory_release(struct store_memory *m)
{
	store_memory_clear(m);
	table_release(&m->table);
}

uint32_t store_memory_count(const struct store_memory *m)
{
	return m->table.count;
}

static uint64_t hash_of(const struct store_memory *m, enum kind kind, struct str key,
			struct str member)
{
	char mem[2 * STORE_KEY_MAX + 2];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_char(&b, (char)kind);
	buf_str(&b, key);
	buf_char(&b, 0);
	buf_str(&b, member);
	return table_hash(&m->table, b.p, b.len);
}

static struct entry *find(const struct store_memory *m, enum kind kind, struct str key,
			  struct str member)
{
	for (struct table_node *n = table_first(&m->table, hash_of(m, kind, key, member)); n;
	     n = table_next(n)) {
		struct entry *e = TABLE_OBJECT(n, struct entry, node);
		if (e->kind == kind && str_eq(key_of(e), key) && str_eq(member_of(e), member))
			return e;
	}
	return NULL;
}

static bool put(struct store_memory *m, enum kind kind, const struct store_op *op, struct str value,
		uint64_t at_ms)
{
	struct str member = kind >= KIND_MEMBER ? op->member : STR_NONE;
	struct entry *old = find(m, kind, op->key, member);
	const size_t size = sizeof(*old) + op->key.len + member.len + value.len;
	if (old)
		drop(m, old);
	struct entry *e = m->bytes + size <= m->bytes_max ? malloc(size) : NULL;
	if (!e) {
		m->refused++;
		return false;
	}
	*e = (struct entry){.at_ms = at_ms,
			    .epoch = kind == KIND_VALUE ? op->number[0] : 0,
			    .key_len = (uint32_t)op->key.len,
			    .member_len = (uint32_t)member.len,
			    .value_len = (uint32_t)value.len,
			    .kind = (uint8_t)kind};
	struct buf b;
	buf_init(&b, e->bytes, size - sizeof(*e));
	buf_str(&b, op->key);
	buf_str(&b, member);
	buf_str(&b, value);
	timer_init(&e->timer);
	if (table_add(&m->table, &e->node, hash_of(m, kind, op->key, member)) != OK) {
		free(e);
		m->refused++;
		return false;
	}
	m->bytes += size;
	if (kind >= KIND_MEMBER)
		list_add_tail(&m->sets, &e->in_sets);
	wheel_set(&m->wheel, &e->timer, at_ms);
	return true;
}

/* ---- the verbs ---- */

static enum store_result do_get(const struct store_memory *m, const struct store_op *op,
				struct store_reply *r)
{
	const struct entry *e = find(m, KIND_VALUE, op->key, STR_NONE);
	if (!e)
		return STORE_NOTHING;
	r->value = value_of(e);
	r->number[0] = e->epoch;
	return STORE_OK;
}

static bool is_outdated(const struct store_memory *m, const struct store_op *op)
{
	const struct entry *e = op->number[0] > 0 ? find(m, KIND_VALUE, op->key, STR_NONE) : NULL;
	return e && e->epoch > op->number[0];
}

static enum store_result do_put(struct store_memory *m, const struct store_op *op, uint64_t at_ms)
{
	if (is_outdated(m, op))
		return STORE_NOTHING;
	return put(m, KIND_VALUE, op, op->value, at_ms) ? STORE_OK : STORE_ERROR;
}

static enum store_result do_add(struct store_memory *m, const struct store_op *op, uint64_t at_ms,
				struct store_reply *r)
{
	struct entry *e = find(m, KIND_SUM, op->key, STR_NONE);
	int64_t sum = 0;
	if (e) {
		memcpy(&sum, value_of(e).p, sizeof(sum));
		at_ms = e->at_ms; /* as INCRBY: the first one says how long */
	} else if (op->number[0] == 0) {
		return STORE_NOTHING;
	}
	sum += op->number[0];
	r->number[0] = sum;
	return put(m, KIND_SUM, op, (struct str){(const char *)&sum, sizeof(sum)}, at_ms)
		       ? STORE_OK
		       : STORE_ERROR;
}

static enum store_result do_rate(struct store_memory *m, const struct store_op *op, uint64_t now_ms,
				 struct store_reply *r)
{
	const struct share_rate rate = {op->number[0], op->number[1], op->number[3]};
	struct entry *e = find(m, KIND_RATE, op->key, STR_NONE);
	double tat = 0, now_us = (double)now_ms * 1000.0;
	if (rate.count <= 0 || rate.per_ms <= 0 || rate.burst <= 0)
		return STORE_ERROR;
	if (e)
		memcpy(&tat, value_of(e).p, sizeof(tat));
	r->number[0] = share_math_rate(&rate, op->number[2], now_us, &tat, &r->number[1]);
	uint64_t at_ms = (uint64_t)(tat / 1000.0) + 1000;
	return put(m, KIND_RATE, op, (struct str){(const char *)&tat, sizeof(tat)}, at_ms)
		       ? STORE_OK
		       : STORE_ERROR;
}

static enum store_result do_lease(struct store_memory *m, const struct store_op *op, uint64_t at_ms,
				  struct store_reply *r)
{
	struct share_part others[LEASE_NODES_MAX], mine = {.used = op->number[1]};
	size_t count = 0;
	list_each (n, &m->sets) {
		const struct entry *e = LIST_OBJECT(n, struct entry, in_sets);
		if (e->kind == KIND_LEASE && str_eq(key_of(e), op->key) &&
		    !str_eq(member_of(e), op->member) && count < LEASE_NODES_MAX)
			memcpy(&others[count++], value_of(e).p, sizeof(others[0]));
	}
	mine.held = share_math_lease(op->number[0], mine.used, others, count, &r->number[1]);
	r->number[0] = mine.held;
	r->number[2] = (int64_t)count + 1;
	return put(m, KIND_LEASE, op, (struct str){(const char *)&mine, sizeof(mine)}, at_ms)
		       ? STORE_OK
		       : STORE_ERROR;
}

static void do_members(struct store_memory *m, const struct store_op *op, struct store_reply *r,
		       store_memory_reply_fn reply, void *ctx)
{
	list_each (n, &m->sets) {
		const struct entry *e = LIST_OBJECT(n, struct entry, in_sets);
		if (e->kind != KIND_MEMBER || !str_eq(key_of(e), op->key) || op->owner == ID_NONE)
			continue;
		r->result = STORE_OK;
		r->more = true;
		r->member = member_of(e);
		r->value = value_of(e);
		reply(ctx, r);
	}
	r->more = false;
	r->member = r->value = STR_NONE;
}

static enum store_result do_delete(struct store_memory *m, const struct store_op *op)
{
	const bool member = op->verb == STORE_MEMBER_DELETE;
	struct entry *e =
		find(m, member ? KIND_MEMBER : KIND_VALUE, op->key, member ? op->member : STR_NONE);
	if (!e && member)
		e = find(m, KIND_LEASE, op->key, op->member);
	struct entry *sum = member ? NULL : find(m, KIND_SUM, op->key, STR_NONE);
	if (!member && is_outdated(m, op))
		return STORE_NOTHING;
	if (e)
		drop(m, e);
	if (sum)
		drop(m, sum);
	return e || sum ? STORE_OK : STORE_NOTHING;
}

void store_memory_do(struct store_memory *m, const struct store_op *op, uint64_t now_ms,
		     store_memory_reply_fn reply, void *ctx)
{
	struct store_reply r = {.owner = op->owner, .verb = op->verb, .area = op->area};
	const uint64_t at_ms = now_ms + op->expires_ms;

	CHECK(op->key.len <= STORE_KEY_MAX && op->member.len <= STORE_KEY_MAX);
	expire(m, now_ms);
	switch (op->verb) {
	case STORE_GET: r.result = do_get(m, op, &r); break;
	case STORE_PUT: r.result = do_put(m, op, at_ms); break;
	case STORE_MEMBER_PUT:
		r.result = put(m, KIND_MEMBER, op, op->value, at_ms) ? STORE_OK : STORE_ERROR;
		break;
	case STORE_DELETE:
	case STORE_MEMBER_DELETE: r.result = do_delete(m, op); break;
	case STORE_ADD: r.result = do_add(m, op, at_ms, &r); break;
	case STORE_MEMBERS:
		do_members(m, op, &r, reply, ctx);
		r.result = STORE_NOTHING;
		break;
	case STORE_RATE: r.result = do_rate(m, op, now_ms, &r); break;
	case STORE_LEASE: r.result = do_lease(m, op, at_ms, &r); break;
	case STORE_PUBLISH: break;
	case STORE_VERB_COUNT: r.result = STORE_ERROR; break;
	}
	if (op->owner != ID_NONE)
		reply(ctx, &r);
}

enum err store_memory_copy(const struct store_memory *from, struct store_memory *to)
{
	store_memory_clear(to);
	for (size_t i = 0; i <= from->table.mask; i++)
		for (struct table_node *n = from->table.buckets[i]; n; n = n->next) {
			const struct entry *e = TABLE_OBJECT(n, struct entry, node);
			struct store_op op = {
				.key = key_of(e), .member = member_of(e), .number = {e->epoch}};
			if (!put(to, e->kind, &op, value_of(e), e->at_ms)) {
				store_memory_clear(to);
				return ERR_FULL;
			}
		}
	return OK;
}
