#include "sbc/core/keep.h"

#include <stdlib.h>

#include "sbc/core/call_watch.h"
#include "sbc/core/cluster.h"
#include "sbc/core/codec.h"
#include "sbc/core/duration.h"
#include "sbc/core/exchange.h"
#include "sbc/core/keys.h"
#include "sbc/core/own.h"
#include "sbc/core/refresh.h"
#include "sbc/core/reg.h"
#include "sbc/core/snapshot.h"
#include "sbc/core/stored.h"
#include "sbc/core/transfer.h"
#include "sbc/core/worker.h"

/* First octet of an alias and of a page: no version of a snapshot. */
enum { ALIAS = 0xa1, PAGE = 0xa2, NAME_OCTETS = 12, OLD_EPOCHS = 8 };

/* ---- keys */

static void write_hex(struct buf *b, uint64_t v, unsigned octets)
{
	uint8_t raw[8];

	for (unsigned i = 0; i < octets; i++)
		raw[i] = (uint8_t)(v >> (8 * (octets - 1 - i)));
	buf_hex(b, raw, octets);
}

static struct str write_key(char out[KEEP_KEY_MAX], const char *what, struct hide_name n,
			    uint32_t epoch)
{
	struct buf b;

	buf_init(&b, out, KEEP_KEY_MAX);
	buf_z(&b, what);
	buf_char(&b, '{');
	write_hex(&b, n.boot, 4);
	buf_char(&b, '-');
	write_hex(&b, n.id, 8);
	buf_char(&b, '}');
	if (epoch)
		buf_printf(&b, ".%u", epoch);
	return buf_view(&b);
}

struct str keep_epoch_key(struct hide_name n, char out[KEEP_KEY_MAX])
{
	return write_key(out, "epoch:", n, 0);
}

struct str keep_call_key(struct hide_name n, uint32_t epoch, char out[KEEP_KEY_MAX])
{
	return write_key(out, "call:", n, epoch);
}

struct str keep_pages_key(uint32_t boot, char out[KEEP_KEY_MAX])
{
	struct buf b;

	buf_init(&b, out, KEEP_KEY_MAX);
	buf_printf(&b, "calls:{%08x}", boot);
	return buf_view(&b);
}

static void code_name(struct codec *k, struct hide_name *n)
{
	codec_u32(k, &n->boot, UINT32_MAX);
	codec_u64(k, &n->id);
	if (n->id == ID_NONE || n->boot == 0)
		codec_refuse(k);
}

void keep_write_alias(struct buf *b, struct hide_name to)
{
	struct codec k = {.out = b};

	buf_char(b, (char)ALIAS);
	code_name(&k, &to);
}

bool keep_read_alias(struct str bytes, struct hide_name *out)
{
	struct codec k = {.in = rd_init(bytes.p, bytes.len)};
	struct hide_name n = {0, 0};

	if (rd_u8(&k.in) != ALIAS)
		return false;
	code_name(&k, &n);
	if (!codec_is_whole(&k))
		return false;
	*out = n;
	return true;
}

static void write_page(struct buf *b, const struct keep_page *p)
{
	struct codec k = {.out = b};

	buf_char(b, (char)PAGE);
	for (uint32_t i = 0; i < p->count; i++) {
		struct hide_name n = p->names[i];
		code_name(&k, &n);
	}
}

bool keep_read_page(struct str bytes, struct hide_name out[KEEP_PAGE], size_t *out_count)
{
	struct codec k = {.in = rd_init(bytes.p, bytes.len)};
	size_t n = bytes.len / NAME_OCTETS;

	if (rd_u8(&k.in) != PAGE || n > KEEP_PAGE)
		return false;
	for (size_t i = 0; i < n; i++) {
		out[i] = (struct hide_name){0, 0};
		code_name(&k, &out[i]);
	}
	*out_count = n;
	return codec_is_whole(&k);
}

/* ---- life */

enum err keep_init(struct sbc *s)
{
	struct keeps *k = &s->keeps;
	struct siphash_key key;

	*k = (struct keeps){.on = false};
	list_init(&k->changed);
	list_init(&k->urgent);
	list_init(&k->pages_changed);
	timer_init(&k->alarm.timer);
	if (s->hide.boot == 0) /* nobody shares */
		return OK;
	rng_bytes(&s->rng, &key, sizeof(key));
	k->pages = calloc(KEEP_PAGES_MAX, sizeof(struct keep_page *));
	k->ended = calloc(KEEP_ENDED_MAX, sizeof(*k->ended));
	k->past = calloc(KEEP_PAST, sizeof(*k->past));
	enum err e = k->pages && k->ended && k->past
			     ? pool_init(&k->pool, sizeof(struct keep), s->calls.limit, 0)
			     : ERR_NOMEM;
	if (e == OK)
		e = table_init(&k->names, 3 * s->calls.limit, &key);
	k->on = e == OK;
	return e;
}

void keep_release(struct sbc *s)
{
	struct keeps *k = &s->keeps;

	for (size_t i = 0; k->pages && i < k->page_count; i++)
		free(k->pages[i]);
	free(k->pages);
	free(k->ended);
	free(k->past);
	k->pages = NULL;
	k->ended = NULL;
	k->past = NULL;
	if (k->pool.chunks)
		pool_release(&k->pool);
	if (k->names.buckets)
		table_release(&k->names);
	k->on = false;
}

static struct hide_name own_name(const struct sbc *s, const struct call *c)
{
	return c->keep ? c->keep->key.name : (struct hide_name){.boot = s->hide.boot, .id = c->id};
}

struct hide_name keep_home(const struct sbc *s, const struct call *c, unsigned side)
{
	id_t64 home = c->leg[side].home;
	const struct call *h = home != ID_NONE ? call_find(s, home) : NULL;

	if (c->keep && c->keep->home[side].name.id != ID_NONE)
		return c->keep->home[side].name;
	return h ? own_name(s, h) : (struct hide_name){0, home == ID_NONE ? ID_NONE : home};
}

/* NULL: it has none, and cannot have one now. */
static struct keep *keep_of(struct sbc *s, struct call *c)
{
	id_t64 id;

	if (c->keep)
		return c->keep;
	struct hide_name name = own_name(s, c);
	struct keep *k = pool_new(&s->keeps.pool, &id);
	if (!k) {
		s->keeps.counts.failed++;
		return NULL;
	}
	k->id = id;
	k->key.name = name;
	list_init(&k->changed);
	c->keep = k;
	return k;
}

/* ---- names of other runs */

static uint64_t hash_of(const struct sbc *s, struct hide_name n)
{
	uint64_t in[2] = {n.boot, n.id};

	return table_hash(&s->keeps.names, in, sizeof(in));
}

static struct keep_name *find_name(const struct sbc *s, struct hide_name n)
{
	for (struct table_node *x = table_first(&s->keeps.names, hash_of(s, n)); x;
	     x = table_next(x)) {
		struct keep_name *k = TABLE_OBJECT(x, struct keep_name, node);
		if (k->name.boot == n.boot && k->name.id == n.id)
			return k;
	}
	return NULL;
}

struct call *keep_find(const struct sbc *s, struct hide_name name)
{
	const struct keep_name *k = s->keeps.on ? find_name(s, name) : NULL;

	return k ? call_find(s, k->call) : NULL;
}

struct call *keep_call(const struct sbc *s, struct hide_name name)
{
	struct call *c = name.boot == s->hide.boot ? call_find(s, name.id) : NULL;

	return c ? c : keep_find(s, name);
}

static enum err add_name(struct sbc *s, struct keep_name *k, struct hide_name n, id_t64 call)
{
	k->name = n;
	if (n.id == ID_NONE || find_name(s, n))
		return OK;
	enum err e = table_add(&s->keeps.names, &k->node, hash_of(s, n));
	k->call = e == OK ? call : ID_NONE;
	return e;
}

static void del_name(struct sbc *s, struct keep_name *k)
{
	if (k->call != ID_NONE)
		table_del(&s->keeps.names, &k->node);
	*k = (struct keep_name){.call = ID_NONE};
}

/* ---- pages */

static void post_page(struct sbc *s, uint32_t at)
{
	struct keep_page *p = s->keeps.pages[at];
	char key[KEEP_KEY_MAX], member[16];
	struct buf b;

	buf_init(&b, member, sizeof(member));
	buf_printf(&b, "%u", at);
	struct store_op op = {.verb = p->live ? STORE_MEMBER_PUT : STORE_MEMBER_DELETE,
			      .area = STORE_AREA_CALLS,
			      .key = keep_pages_key(s->hide.boot, key),
			      .member = buf_view(&b),
			      .expires_ms = KEEP_EXPIRES_MS};
	buf_reset(&s->text);
	if (p->live) {
		write_page(&s->text, p);
		op.value = buf_view(&s->text);
	}
	list_del(&p->changed);
	stored_post(s, &op);
}

static void post_pages(struct sbc *s)
{
	struct list *changed = &s->keeps.pages_changed;

	for (unsigned i = 0; i < KEEP_PAGES_STEP && !list_is_empty(changed); i++)
		post_page(s, LIST_OBJECT(changed->next, struct keep_page, changed)->number);
}

static void write_soon(struct sbc *s)
{
	if (!timer_is_set(&s->keeps.alarm.timer))
		worker_alarm(s, &s->keeps.alarm, ALARM_KEEP, s->now_ms + KEEP_GATHER_MS);
}

static void page_changed(struct sbc *s, uint32_t at)
{
	struct keep_page *p = s->keeps.pages[at];

	if (list_is_empty(&p->changed))
		list_add_tail(&s->keeps.pages_changed, &p->changed);
	write_soon(s);
}

/* A page with room: the one that is being filled, one that no call is in any more, a new one. */
static struct keep_page *page_with_room(struct keeps *k)
{
	if (k->page_count && k->pages[k->page_at]->count < KEEP_PAGE)
		return k->pages[k->page_at];
	if (k->page_free) {
		k->page_at = k->page_free - 1;
		struct keep_page *p = k->pages[k->page_at];
		k->page_free = p->next_free;
		p->next_free = p->count = 0;
		return p;
	}
	if (k->page_count == KEEP_PAGES_MAX)
		return NULL;
	struct keep_page *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	k->page_at = k->page_count++;
	p->number = k->page_at;
	list_init(&p->changed);
	k->pages[k->page_at] = p;
	return p;
}

static void add_to_page(struct sbc *s, struct keep *k)
{
	struct keep_page *p = k->page ? NULL : page_with_room(&s->keeps);

	if (!p)
		return;
	p->names[p->count++] = k->key.name;
	p->live++;
	k->page = 1 + s->keeps.page_at;
	page_changed(s, s->keeps.page_at);
}

static void leave_page(struct sbc *s, struct keep *k)
{
	struct keep_page *p = k->page ? s->keeps.pages[k->page - 1] : NULL;

	if (!p)
		return;
	p->live--;
	if (p->live == 0)
		page_changed(s, k->page - 1);
	if (p->live == 0 && p->count == KEEP_PAGE) {
		p->next_free = s->keeps.page_free;
		s->keeps.page_free = k->page;
	}
	k->page = 0;
}

/* ---- writing */

static struct keep *changed_of(struct sbc *s, struct call *c)
{
	if (!s->keeps.on || !c || c->state != CALL_CONFIRMED || c->setup)
		return NULL;
	struct keep *k = keep_of(s, c);
	if (k)
		k->call = c->id;
	return k;
}

void keep_changed(struct sbc *s, struct call *c)
{
	struct keep *k = changed_of(s, c);

	if (!k || !list_is_empty(&k->changed))
		return;
	list_add_tail(&s->keeps.changed, &k->changed);
	write_soon(s);
}

void keep_changed_now(struct sbc *s, struct call *c)
{
	struct keep *k = changed_of(s, c);

	if (!k)
		return;
	list_del(&k->changed);
	list_add_tail(&s->keeps.urgent, &k->changed);
}

static void post_put(struct sbc *s, struct str key, struct str value)
{
	stored_post(s, &(struct store_op){.verb = STORE_PUT,
					  .area = STORE_AREA_CALLS,
					  .key = key,
					  .value = value,
					  .expires_ms = KEEP_EXPIRES_MS});
}

static void post_delete(struct sbc *s, struct hide_name n, uint32_t epoch)
{
	char key[KEEP_KEY_MAX];

	stored_post(s, &(struct store_op){.verb = STORE_DELETE,
					  .area = STORE_AREA_CALLS,
					  .key = keep_call_key(n, epoch, key)});
}

/* Who looks for the old name of a leg finds the new one. */
static void post_aliases(struct sbc *s, struct call *c)
{
	struct keep *k = c->keep;
	char mem[32], key[KEEP_KEY_MAX];
	struct buf b;

	for (unsigned side = 0; side < 2; side++) {
		struct hide_name home = keep_home(s, c, side);
		if (home.id == ID_NONE || home.boot == 0 || k->alias[side])
			continue;
		const struct call *h = call_find(s, c->leg[side].home);
		if (h && h->keep)
			k->home_epoch[side] = h->keep->epoch;
		buf_init(&b, mem, sizeof(mem));
		keep_write_alias(&b, k->key.name);
		post_put(s, keep_call_key(home, k->home_epoch[side], key), buf_view(&b));
		k->alias[side] = true;
	}
}

/* Only to see a change: nobody gains by two that are alike. Two halves, so that they do not wait for one another. */
static uint64_t mark_of(struct str s)
{
	static const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h[2] = {s.len, odd}, x[2];
	size_t i = 0;

	for (; i + sizeof(x) <= s.len; i += sizeof(x)) {
		memcpy(x, s.p + i, sizeof(x));
		for (unsigned k = 0; k < 2; k++) {
			h[k] = (h[k] ^ x[k]) * odd;
			h[k] ^= h[k] >> 32;
		}
	}
	x[0] = x[1] = 0;
	memcpy(x, s.p + i, s.len - i);
	for (unsigned k = 0; k < 2; k++)
		h[k] = (h[k] ^ x[k]) * odd;
	uint64_t sum = (h[0] ^ h[1] >> 29) * odd;
	return (sum ^ sum >> 32) | 1;
}

static void post_call(struct sbc *s, struct call *c)
{
	struct keep *k = c->keep;
	struct snapshot x;
	char key[KEEP_KEY_MAX];

	buf_reset(&s->text);
	if (!snapshot_take(s, c, &x)) {
		s->keeps.counts.failed++;
		return;
	}
	snapshot_encode(&s->text, &x);
	struct str bytes = buf_view(&s->text);
	uint64_t hash = bytes.len ? mark_of(bytes) : 0;
	if (hash == 0)
		s->keeps.counts.failed++;
	if (hash == 0 || hash == k->written)
		return;
	k->written = hash;
	k->written_ms = s->now_ms;
	s->keeps.counts.written++;
	post_put(s, keep_call_key(k->key.name, k->epoch, key), bytes);
	post_aliases(s, c);
	add_to_page(s, k);
}

static void write_some(struct sbc *s, struct list *changed, uint32_t most)
{
	for (uint32_t i = 0; i < most && !list_is_empty(changed); i++) {
		struct keep *k = LIST_OBJECT(changed->next, struct keep, changed);
		struct call *c = call_find(s, k->call);
		list_del(&k->changed);
		if (c && c->state == CALL_CONFIRMED && !c->setup)
			post_call(s, c);
	}
}

void keep_flush(struct sbc *s)
{
	write_some(s, &s->keeps.urgent, UINT32_MAX);
}

/* Ids are slots with generations: their low bits are spread, and the run of the node with them. */
static struct hide_name *past_of(const struct sbc *s, struct hide_name n)
{
	const uint64_t h = (n.id ^ (uint64_t)n.boot << 32) * UINT64_C(0x9e3779b97f4a7c15);

	return &s->keeps.past[h >> 32 & (KEEP_PAST - 1)];
}

bool keep_has_ended(const struct sbc *s, struct hide_name name)
{
	const struct hide_name *p = past_of(s, name);

	return name.id != ID_NONE && p->boot == name.boot && p->id == name.id;
}

/* Others may have taken us for dead by now. */
static void note_ended(struct sbc *s, const struct keep *k)
{
	struct keeps *all = &s->keeps;
	const uint64_t gone = s->cluster.gone_ms;

	if (gone == 0 || s->now_ms - gone < CLUSTER_DOUBT_MS || all->ended_count == KEEP_ENDED_MAX)
		return;
	all->ended[all->ended_count++] =
		(struct keep_ended){.name = k->key.name, .epoch = k->epoch};
}

void keep_tell_ended(struct sbc *s)
{
	struct keeps *k = &s->keeps;

	for (unsigned i = 0; i < KEEP_ENDED_STEP && k->ended_count; i++) {
		const struct keep_ended *e = &k->ended[--k->ended_count];
		cluster_say(s, &(struct cluster_word){
				       .kind = CLUSTER_ENDED, .name = e->name, .epoch = e->epoch});
	}
	if (k->ended_count)
		write_soon(s);
}

void keep_end(struct sbc *s, struct call *c)
{
	struct keep *k = c->keep;

	if (!k)
		return;
	struct call *heir = call_find(s, c->heir);
	list_del(&k->changed);
	leave_page(s, k);
	note_ended(s, k);
	*past_of(s, k->key.name) = k->key.name;
	/* A leg of it lives on in another call: its name becomes an alias with this step. */
	if (heir)
		keep_changed_now(s, heir);
	else if (k->written)
		post_delete(s, k->key.name, k->epoch);
	/* What a node that had it before may have written after it had lost it. */
	for (uint32_t e = k->epoch; e-- > 0 && k->epoch - e <= OLD_EPOCHS;)
		post_delete(s, k->key.name, e);
	for (unsigned side = 0; side < 2; side++)
		if (k->alias[side])
			post_delete(s, keep_home(s, c, side), k->home_epoch[side]);
	k->written = 0;
	k->alias[0] = k->alias[1] = false;
}

void keep_free(struct sbc *s, struct call *c)
{
	struct keep *k = c->keep;

	if (!k)
		return;
	c->keep = NULL;
	list_del(&k->changed);
	leave_page(s, k);
	del_name(s, &k->key);
	del_name(s, &k->home[0]);
	del_name(s, &k->home[1]);
	block_str_free(&s->blocks, &k->name);
	block_str_free(&s->blocks, &k->last);
	block_str_free(&s->blocks, &k->next);
	pool_free(&s->keeps.pool, k->id);
}

/* ---- from hand to hand */

enum err keep_adopt(struct sbc *s, struct call *c, const struct snapshot *x)
{
	struct keep *k = keep_of(s, c);

	if (!k)
		return ERR_FULL;
	k->name = block_str(&s->blocks, x->name);
	k->last = block_str(&s->blocks, x->last);
	k->next = block_str(&s->blocks, x->next);
	if (k->name.len == 0)
		return ERR_NOMEM;
	enum err e = add_name(s, &k->key, x->key, c->id);
	for (unsigned side = 0; e == OK && side < 2; side++) {
		e = add_name(s, &k->home[side], x->leg[side].home, c->id);
		k->home_epoch[side] = x->leg[side].home_epoch;
		k->alias[side] = x->leg[side].home.id != ID_NONE;
	}
	return e;
}

void keep_let_go(struct sbc *s, struct call *c)
{
	struct notice n;
	char mem[320];
	struct buf name;

	if (c->state >= CALL_ENDING)
		return;
	buf_init(&name, mem, sizeof(mem));
	n = call_notice(s, c, NOTICE_CALL_LET_GO, &name);
	worker_publish(s, &n);
	s->keeps.counts.let_go++;
	s->keeps.let_any = true;
	if (c->record.answer_ms)
		s->counts.confirmed--;
	if (c->media.open)
		s->counts.relay_sessions--;
	c->media.open = false;
	/* Who waits for an answer of ours hears that it should ask again: then the other node answers. */
	c->leg[0].ended = c->leg[1].ended = true;
	c->state = CALL_ENDING;
	refresh_stop(s, c);
	call_watch_stop(s, c);
	duration_stop(s, c);
	keys_free(s, c);
	exchange_refuse_all(s, c);
	own_free_all(s, c);
	post_delete(s, own_name(s, c), c->keep ? c->keep->epoch : 0);
	call_free(s, &c);
}

void keep_on_epoch(struct sbc *s, struct call *c, int64_t epoch)
{
	char key[KEEP_KEY_MAX];

	if (!c->keep || epoch == (int64_t)c->keep->epoch)
		return;
	if (epoch > (int64_t)c->keep->epoch) {
		keep_let_go(s, c);
		return;
	}
	/* The store has lost it: what it has would not be found any more. */
	stored_post(s, &(struct store_op){.verb = STORE_ADD,
					  .area = STORE_AREA_CALLS,
					  .key = keep_epoch_key(c->keep->key.name, key),
					  .expires_ms = KEEP_EPOCH_MS,
					  .number = {(int64_t)c->keep->epoch - epoch}});
}

/* ---- time */

static void verify(struct sbc *s, struct call *c)
{
	char key[KEEP_KEY_MAX];

	if (!c->keep)
		return;
	c->keep->written = 0;
	c->keep->alias[0] = c->keep->alias[1] = false;
	keep_changed(s, c);
	stored_post(s, &(struct store_op){.verb = STORE_ADD,
					  .area = STORE_AREA_CALLS,
					  .key = keep_epoch_key(c->keep->key.name, key),
					  .expires_ms = KEEP_EPOCH_MS,
					  .owner = c->id});
}

/* The next slots of the pool: verified, or renewed where it is time. */
static void sweep(struct sbc *s)
{
	struct keeps *k = &s->keeps;
	unsigned work = KEEP_SWEEP_STEP;

	for (unsigned i = 0; i < KEEP_SWEEP && work && (k->sweep_left || k->sweep_due); i++) {
		const uint32_t before = k->sweep;
		id_t64 id;
		struct call *c = pool_next(&s->calls, &k->sweep, &id);
		const uint32_t end = c ? k->sweep : s->calls.made;
		const uint32_t passed = end > before ? end - before : 0;
		const bool looks = k->sweep_left > 0;
		k->sweep_left -= passed < k->sweep_left ? passed : k->sweep_left;
		k->sweep_due -= k->sweep_due > 0;
		if (!c) {
			k->sweep = k->sweep_due = 0;
			continue;
		}
		if (c->state != CALL_CONFIRMED || !c->keep)
			continue;
		if (looks) {
			verify(s, c);
			work--;
		} else if (s->now_ms - c->keep->written_ms >= KEEP_RENEW_MS) {
			c->keep->written = 0;
			keep_changed(s, c);
			work--;
		}
	}
	if (k->sweep_left || k->sweep_due)
		write_soon(s);
}

/* One piece of each: however much is to be written, no call waits for it. */
void keep_on_alarm(struct sbc *s)
{
	struct keeps *k = &s->keeps;

	write_some(s, &k->changed, KEEP_WRITE_STEP);
	post_pages(s);
	if (stored_is_up(s)) {
		keep_tell_ended(s);
		sweep(s);
	}
	/* A page that the writing has changed was written with it. */
	worker_stop_alarm(s, &k->alarm);
	if (!list_is_empty(&k->changed))
		worker_alarm(s, &k->alarm, ALARM_KEEP, s->now_ms + KEEP_WRITE_MS);
	else if (!list_is_empty(&k->pages_changed) ||
		 (stored_is_up(s) && (k->ended_count || k->sweep_left || k->sweep_due)))
		write_soon(s);
}

void keep_tick(struct sbc *s, bool all)
{
	struct keeps *k = &s->keeps;

	if (all) {
		k->sweep_left = s->calls.made;
		for (uint32_t i = 0; i < k->page_count; i++)
			if (k->pages[i]->live)
				page_changed(s, i);
	}
	k->sweep_due = KEEP_SWEEP;
	sweep(s);
}

void keep_scrub(struct sbc *s, uint32_t number, const struct hide_name *names, size_t count)
{
	struct keeps *k = &s->keeps;

	for (size_t i = 0; i < count; i++) {
		const struct call *c = keep_call(s, names[i]);
		if (!c || c->state == CALL_OVER)
			post_delete(s, names[i], 0);
	}
	if (number < k->page_count) {
		page_changed(s, number);
		return;
	}
	char key[KEEP_KEY_MAX], member[16];
	struct buf b;
	buf_init(&b, member, sizeof(member));
	buf_printf(&b, "%u", number);
	stored_post(s, &(struct store_op){.verb = STORE_MEMBER_DELETE,
					  .area = STORE_AREA_CALLS,
					  .key = keep_pages_key(s->hide.boot, key),
					  .member = buf_view(&b)});
}

void keep_learn_flow(struct call *c, unsigned side, const struct flow *f)
{
	struct leg *l = &c->leg[side];

	if (c->keep && c->keep->name.len && l->flow.id == ID_NONE && f->id != ID_NONE &&
	    f->transport == l->flow.transport && f->listener == l->flow.listener &&
	    !cluster_is_hop(f->id))
		l->flow = *f;
}
