#include "sbc/core/handover.h"

#include <stdlib.h>

#include "common/rd.h"
#include "sbc/core/call.h"
#include "sbc/core/call_media.h"
#include "sbc/core/keep.h"
#include "sbc/core/snapshot.h"
#include "sbc/core/stored.h"
#include "sbc/core/worker.h"

/* Members of the set of all nodes: what ran here before us. */
static const struct str nodes_key = {"nodes", 5};
enum {
	NODES_EXPIRES_MS = 7 * 24 * 3600 * 1000,
	NODES_RENEW_MS = 3600 * 1000,
	NODE_OCTETS = 4,
	ORPHANS_EVERY_MS = 20,
	PAGES_MAX = 64 * 1024,
	PAGES_STEP = 64,
	PAGES_AGAIN_MS = 2000,
	/* Generations of the ids that lists are asked for with; the slot is the run whose pages they are. */
	ASKED_NODES = 1,
	ASKED_PAGES = 2
};

/* ---- life */

enum err handover_init(struct sbc *s)
{
	struct handovers *h = &s->handovers;

	*h = (struct handovers){.orphan_count = 0};
	list_init(&h->waiting);
	list_init(&h->ready);
	timer_init(&h->orphan_alarm.timer);
	if (!s->keeps.on)
		return OK;
	h->on = true;
	return pool_init(&h->pool, sizeof(struct handover),
			 HANDOVER_WAITS_MAX + HANDOVER_ORPHANS_STEP,
			 (uint8_t)((unsigned)s->worker << OWNER_BITS | OWNER_HANDOVER));
}

void handover_release(struct sbc *s)
{
	struct handovers *h = &s->handovers;

	if (h->pool.chunks)
		pool_release(&h->pool); /* its texts go with the blocks */
	free(h->orphans);
	free(h->pages);
	h->orphans = NULL;
	h->pages = NULL;
}

static struct handover *handover_new(struct sbc *s, struct hide_name name)
{
	id_t64 id;
	struct handover *h = pool_new(&s->handovers.pool, &id);

	if (!h)
		return NULL;
	h->id = id;
	h->name = name;
	timer_init(&h->alarm.timer);
	list_add_tail(&s->handovers.waiting, &h->node);
	return h;
}

void handover_forget(struct sbc *s, struct handover *h)
{
	id_t64 id = h->id;

	worker_stop_alarm(s, &h->alarm);
	list_del(&h->node);
	if (h->bytes.len)
		s->handovers.held--;
	else if (h->is_orphan)
		s->handovers.idle--;
	block_str_free(&s->outside_blocks, &h->bytes);
	block_str_free(&s->outside_blocks, &h->names);
	block_str_free(&s->outside_blocks, &h->record);
	pool_free(&s->handovers.pool, id);
}

/* The texts of a certificate, which live as long as its flow, or its word. */
static bool keep_tls(struct sbc *s, struct handover *h, const struct tls_facts *tls)
{
	struct str *const from[] = {&h->tls.version, &h->tls.cipher};
	char mem[4096];
	struct buf b;

	h->has_tls = tls != NULL;
	if (!tls)
		return true;
	h->tls = *tls;
	buf_init(&b, mem, sizeof(mem));
	for (unsigned i = 0; i < ARRAY_LEN(from); i++)
		buf_str(&b, *from[i]);
	for (unsigned i = 0; i < tls->name_count; i++)
		buf_str(&b, tls->names[i]);
	h->names = block_str(&s->outside_blocks, buf_view(&b));
	if (b.overflow || (b.len && h->names.len == 0))
		return false;
	const char *at = h->names.p;
	for (unsigned i = 0; i < ARRAY_LEN(from); i++) {
		from[i]->p = at;
		at += from[i]->len;
	}
	for (unsigned i = 0; i < tls->name_count; i++) {
		h->tls.names[i].p = at;
		at += tls->names[i].len;
	}
	return true;
}

static bool keep_request(struct sbc *s, struct handover *h, struct str bytes, const struct flow *f,
			 const struct tls_facts *tls)
{
	h->bytes = block_str(&s->outside_blocks, bytes);
	if (h->bytes.len)
		s->handovers.held++;
	h->flow = *f;
	return h->bytes.len && keep_tls(s, h, tls);
}

/* ---- what is asked of the store */

static void post(struct sbc *s, const struct handover *h, enum store_verb verb, struct str key,
		 int64_t number)
{
	stored_post(s, &(struct store_op){.verb = verb,
					  .area = STORE_AREA_CALLS,
					  .key = key,
					  .expires_ms = verb == STORE_ADD ? KEEP_EPOCH_MS : 0,
					  .number = {number},
					  .owner = h->id});
}

static void ask_epoch(struct sbc *s, struct handover *h)
{
	char key[KEEP_KEY_MAX];

	h->stage = HANDOVER_EPOCH;
	post(s, h, STORE_ADD, keep_epoch_key(h->name, key), 0);
}

static void ask_record(struct sbc *s, struct handover *h)
{
	char key[KEEP_KEY_MAX];

	h->stage = HANDOVER_RECORD;
	post(s, h, STORE_GET, keep_call_key(h->name, h->epoch, key), 0);
}

static void ask_claim(struct sbc *s, struct handover *h)
{
	char key[KEEP_KEY_MAX];

	h->stage = HANDOVER_CLAIM;
	post(s, h, STORE_ADD, keep_epoch_key(h->name, key), 1);
}

/* ---- names of calls that nobody asks for, to be looked at */

static void wake_orphans(struct sbc *s)
{
	if (!timer_is_set(&s->handovers.orphan_alarm.timer))
		worker_alarm(s, &s->handovers.orphan_alarm, ALARM_ORPHANS,
			     s->now_ms + ORPHANS_EVERY_MS);
}

static bool grow(void **mem, uint32_t *cap, uint32_t most, size_t size)
{
	uint32_t to = *cap ? 2 * *cap : 1024;
	void *p = to <= most ? realloc(*mem, (size_t)to * size) : NULL;

	if (!p)
		return false;
	*mem = p;
	*cap = to;
	return true;
}

static void add_orphan(struct sbc *s, struct hide_name n)
{
	struct handovers *h = &s->handovers;
	void *mem = h->orphans;

	if (h->orphan_count == h->orphan_cap &&
	    !grow(&mem, &h->orphan_cap, HANDOVER_ORPHANS_MAX, sizeof(n))) {
		s->keeps.counts.failed++;
		return;
	}
	h->orphans = mem;
	h->orphans[h->orphan_count++] = n;
}

/* Its calls are taken over at that time, if nobody else has done so. */
static void note_dead(struct sbc *s, uint32_t boot, uint64_t due_ms)
{
	struct handovers *h = &s->handovers;

	for (uint32_t i = 0; i < h->dead_count; i++)
		if (h->dead[i].boot == boot)
			return;
	if (h->dead_count < CLUSTER_NODES_MAX)
		h->dead[h->dead_count++] = (struct handover_dead){boot, due_ms};
}

/* It lives, as far as we know: the lists of its calls stay, and are looked at again if it is not heard by then. */
static void spare(struct sbc *s, uint32_t boot)
{
	struct handovers *h = &s->handovers;
	uint32_t kept = 0;

	for (uint32_t i = 0; i + 1 < h->page_count; i += 2)
		if (h->pages[i] != boot) {
			h->pages[kept++] = h->pages[i];
			h->pages[kept++] = h->pages[i + 1];
		}
	h->page_count = kept;
	note_dead(s, boot, s->now_ms + HANDOVER_ORPHANS_MS);
}

/* ---- the outcome */

static void settle(struct sbc *s, struct handover *h, enum handover_stage stage)
{
	h->stage = (uint8_t)stage;
	worker_stop_alarm(s, &h->alarm);
	list_del(&h->node);
	list_add_tail(&s->handovers.ready, &h->node);
}

static bool same(struct hide_name a, struct hide_name b)
{
	return a.boot == b.boot && a.id == b.id;
}

/* Those that waited for the same go the same way. */
static void settle_all(struct sbc *s, struct handover *h, enum handover_stage stage)
{
	struct hide_name name = h->name;

	if (stage == HANDOVER_LATE && !h->is_orphan)
		s->handovers.late++;
	settle(s, h, stage);
	list_each_safe (n, &s->handovers.waiting) {
		struct handover *x = LIST_OBJECT(n, struct handover, node);
		if (x->stage == HANDOVER_BEHIND && same(x->name, name))
			settle(s, x, stage);
	}
}

static bool again(struct handover *h)
{
	return ++h->tries < HANDOVER_TRIES_MAX;
}

/* Its bytes go to the run that has the call, which answers as if they had come there. */
static void hand_on(struct sbc *s, const struct handover *h, uint32_t boot)
{
	const struct settings *set = s->settings;
	uint16_t realm = worker_realm_of(set, &h->flow);

	if (h->bytes.len == 0)
		return;
	struct cluster_word w = {.kind = CLUSTER_HAND,
				 .to = boot,
				 .flow = h->flow,
				 .has_tls = h->has_tls,
				 .tls = h->tls,
				 .bytes = h->bytes};
	if (realm >= set->realm_count)
		return;
	w.realm = set->realms[realm].name;
	w.local = set->listeners[h->flow.listener].local;
	s->cluster.handed_on++;
	cluster_say(s, &w);
}

static void hand_on_all(struct sbc *s, struct handover *h, uint32_t boot)
{
	struct hide_name name = h->name;

	hand_on(s, h, boot);
	handover_forget(s, h);
	list_each_safe (n, &s->handovers.waiting) {
		struct handover *x = LIST_OBJECT(n, struct handover, node);
		if (x->stage != HANDOVER_BEHIND || !same(x->name, name))
			continue;
		hand_on(s, x, boot);
		handover_forget(s, x);
	}
}

static void tell_adopted(struct sbc *s, const struct call *c)
{
	char mem[2 * SNAPSHOT_NAME_MAX];
	struct buf name;

	buf_init(&name, mem, sizeof(mem));
	struct notice n = call_notice(s, c, NOTICE_CALL_ADOPTED, &name);
	worker_publish(s, &n);
	s->keeps.counts.adopted++;
}

/* The snapshot is ours now, as of `epoch`. */
static void adopt(struct sbc *s, struct handover *h, uint32_t epoch)
{
	char key[KEEP_KEY_MAX];
	struct snapshot x;
	struct call *c;

	if (snapshot_decode(h->record, &x) != OK || snapshot_restore(s, &x, &c) != OK) {
		s->keeps.counts.failed++;
		settle_all(s, h, HANDOVER_LATE);
		return;
	}
	c->keep->epoch = epoch;
	stored_post(s, &(struct store_op){.verb = STORE_DELETE,
					  .area = STORE_AREA_CALLS,
					  .key = keep_call_key(h->name, h->epoch, key)});
	keep_changed_now(s, c);
	cluster_say(s,
		    &(struct cluster_word){.kind = CLUSTER_TAKEN, .name = h->name, .epoch = epoch});
	tell_adopted(s, c);
	/* The relay speaks to whom it has heard last: from now on that is us. */
	if (c->media.known)
		call_restore_media(s, c);
	settle_all(s, h, HANDOVER_READY);
}

/* ---- answers of the store */

static void on_epoch(struct sbc *s, struct handover *h, int64_t epoch)
{
	if (epoch < 0 || epoch > UINT32_MAX) {
		settle_all(s, h, HANDOVER_LATE);
		return;
	}
	h->epoch = (uint32_t)epoch;
	ask_record(s, h);
}

static void on_record(struct sbc *s, struct handover *h, struct str bytes)
{
	struct hide_name alias;
	struct snapshot x;

	if (keep_read_alias(bytes, &alias)) {
		if (!again(h)) {
			settle_all(s, h, HANDOVER_LATE);
			return;
		}
		h->name = alias;
		if (keep_find(s, alias) || (alias.boot == s->hide.boot && call_find(s, alias.id)))
			settle_all(s, h, HANDOVER_READY);
		else
			ask_epoch(s, h);
		return;
	}
	if (snapshot_decode(bytes, &x) != OK || !same(x.key, h->name) || x.epoch != h->epoch) {
		s->keeps.counts.failed++;
		settle_all(s, h, HANDOVER_LATE);
	} else if (x.boot == s->hide.boot || keep_has_ended(s, h->name)) {
		settle_all(s, h, HANDOVER_READY); /* we had it: it has ended */
	} else if (cluster_is_alive(s, x.node, x.boot)) {
		if (h->is_orphan)
			spare(s, x.boot);
		hand_on_all(s, h, x.boot);
	} else {
		h->record = block_str(&s->outside_blocks, bytes);
		if (h->record.len)
			ask_claim(s, h);
		else
			settle_all(s, h, HANDOVER_LATE);
	}
}

/* It has ended, or is younger than KEEP_GATHER_MS: who began it knows. */
static void on_nothing(struct sbc *s, struct handover *h)
{
	if (h->epoch == 0 && cluster_runs(s, h->name.boot))
		hand_on_all(s, h, h->name.boot);
	else
		settle_all(s, h, HANDOVER_READY);
}

static void on_claim(struct sbc *s, struct handover *h, int64_t epoch)
{
	if (epoch == (int64_t)h->epoch + 1) {
		adopt(s, h, (uint32_t)epoch);
		return;
	}
	block_str_free(&s->outside_blocks, &h->record);
	if (again(h))
		ask_epoch(s, h);
	else
		settle_all(s, h, HANDOVER_LATE);
}

/* ---- requests */

bool handover_take(struct sbc *s, const struct msg *m, const struct flow *f,
		   const struct tls_facts *tls)
{
	struct hide_name name;

	if (!s->handovers.on || m->to_tag.len == 0 ||
	    !hide_read_any(&s->hide, HIDE_TAG, m->to_tag, &name) ||
	    owner_kind(name.id) != OWNER_CALL)
		return false;
	/* Ours, unless it was let go. */
	if (name.boot == s->hide.boot && (!s->keeps.let_any || call_find(s, name.id)))
		return false;
	if (keep_find(s, name))
		return false;
	struct handover *h = s->handovers.held < HANDOVER_WAITS_MAX ? handover_new(s, name) : NULL;
	if (!h) {
		s->handovers.late++;
		if (m->method != METHOD_ACK)
			worker_reply(s, m, f, 503, STR_NONE, STR("Retry-After: 2\r\n"));
		return true;
	}
	bool first = true;
	list_each (n, &s->handovers.waiting) {
		const struct handover *x = LIST_OBJECT(n, struct handover, node);
		first = first && (x == h || !same(x->name, name));
	}
	if (!keep_request(s, h, m->bytes, f, tls) || !stored_is_up(s)) {
		s->handovers.late++;
		settle(s, h, HANDOVER_LATE);
		return true;
	}
	worker_alarm(s, &h->alarm, ALARM_HANDOVER, s->now_ms + HANDOVER_WAIT_MS);
	if (first)
		ask_epoch(s, h);
	else
		h->stage = HANDOVER_BEHIND;
	return true;
}

struct handover *handover_next(struct sbc *s)
{
	struct handovers *h = &s->handovers;

	while (h->on && !list_is_empty(&h->ready)) {
		struct handover *x = LIST_OBJECT(h->ready.next, struct handover, node);
		if (x->bytes.len)
			return x;
		handover_forget(s, x);
	}
	return NULL;
}

/* A call that nobody asks for has time: it is looked at again, when the store is there. */
static void no_answer(struct sbc *s, struct handover *h)
{
	if (h->is_orphan)
		add_orphan(s, h->name);
	settle_all(s, h, HANDOVER_LATE);
}

void handover_on_alarm(struct sbc *s, struct handover *h)
{
	no_answer(s, h);
}

/* ---- words of other nodes */

/* A listener of that realm: the one that has moved to us with its address, or one like it, or any. */
static uint16_t listener_for(const struct settings *set, const struct cluster_word *w)
{
	uint16_t best = SETTINGS_NO_INDEX;
	int best_rank = -1;

	for (size_t i = 0; i < set->listener_count; i++) {
		const struct listener *l = &set->listeners[i];
		if (!str_eq(set->realms[l->realm].name, w->realm))
			continue;
		int rank = (l->transport == w->flow.transport) * 2 + addr_eq(&l->local, &w->local);
		if (rank > best_rank) {
			best = (uint16_t)i;
			best_rank = rank;
		}
	}
	return best;
}

static void on_hand(struct sbc *s, const struct cluster_word *w)
{
	struct flow f = {.listener = listener_for(s->settings, w),
			 .transport = w->flow.transport,
			 .remote = w->flow.remote};

	if (f.listener != SETTINGS_NO_INDEX && s->handovers.held < HANDOVER_WAITS_MAX)
		f.id = cluster_hop(s, w);
	struct handover *h =
		f.id != ID_NONE ? handover_new(s, (struct hide_name){0, ID_NONE}) : NULL;
	if (!h || !keep_request(s, h, w->bytes, &f, w->has_tls ? &w->tls : NULL)) {
		s->cluster.lost++;
		if (h)
			handover_forget(s, h);
		return;
	}
	s->cluster.handed_in++;
	settle(s, h, HANDOVER_READY);
}

/* We have asked for it: out it goes, where the request came in. */
static void on_answer(struct sbc *s, const struct cluster_word *w)
{
	struct dest d = {.flow = w->flow, .trunk = SETTINGS_NO_INDEX, .reconnect = w->reconnect};

	if (w->flow.listener >= s->settings->listener_count ||
	    s->settings->listeners[w->flow.listener].transport != w->flow.transport ||
	    cluster_is_hop(w->flow.id)) {
		s->cluster.lost++;
		return;
	}
	worker_send(s, &d, w->bytes);
}

/*
 * If it is ours, and theirs no later than ours, or has ended here, then the store was brought back from before that: it is not theirs. Who
 * hears that deletes its snapshot, which may be under the very name of ours: ours is written again after that.
 */
static void on_taken(struct sbc *s, const struct cluster_word *w)
{
	struct call *c = keep_call(s, w->name);
	const bool ours = c && c->keep;

	if (ours && c->keep->epoch < w->epoch) {
		keep_on_epoch(s, c, w->epoch);
	} else if (w->epoch > 0 && (ours || keep_has_ended(s, w->name))) {
		cluster_say(s, &(struct cluster_word){.kind = CLUSTER_ENDED,
						      .to = w->from,
						      .name = w->name,
						      .epoch = w->epoch - 1});
		if (ours)
			s->handovers.resync_ms = s->now_ms + CLUSTER_BEAT_MS / 2;
	}
}

/* Who had it before us could not hear that we took it, and its parties have hung up there: it has its CDR. Or still has it. */
static void on_ended(struct sbc *s, const struct cluster_word *w)
{
	struct call *c = keep_call(s, w->name);

	if (c && c->keep && c->keep->epoch > w->epoch)
		keep_let_go(s, c);
}

/* Calls of a run that has gone: their names, to be looked at one by one. */
static void ask_pages(struct sbc *s, uint32_t boot)
{
	char key[KEEP_KEY_MAX];

	stored_post(s, &(struct store_op){
			       .verb = STORE_MEMBERS,
			       .area = STORE_AREA_CALLS,
			       .key = keep_pages_key(boot, key),
			       .owner = id_make(s->handovers.pool.worker, ASKED_PAGES, boot)});
}

static void hear(struct sbc *s, struct str name, uint32_t boot, bool now)
{
	uint32_t ended;

	if (str_eq(name, s->settings->node)) {
		if (boot != s->hide.boot && !now) /* what we were: its calls are ours */
			note_dead(s, boot, s->now_ms);
		return;
	}
	cluster_hear(s, name, boot, now, &ended);
	if (ended) /* it looks after them itself, first */
		note_dead(s, ended, s->now_ms + HANDOVER_ORPHANS_MS);
}

void handover_on_told(struct sbc *s, const struct store_told *t)
{
	struct cluster_word w;

	if (!s->handovers.on || cluster_decode(t->value, &w) != OK || w.from == s->hide.boot ||
	    (w.to != 0 && w.to != s->hide.boot))
		return;
	hear(s, t->node, w.from, true);
	switch ((enum cluster_kind)w.kind) {
	case CLUSTER_BEAT: break;
	case CLUSTER_TAKEN: on_taken(s, &w); break;
	case CLUSTER_HAND: on_hand(s, &w); break;
	case CLUSTER_ANSWER: on_answer(s, &w); break;
	case CLUSTER_ENDED: on_ended(s, &w); break;
	case CLUSTER_KIND_COUNT: break;
	}
}

/* ---- calls that nobody asks for */

static void add_page(struct sbc *s, uint32_t boot, uint32_t number)
{
	struct handovers *h = &s->handovers;
	void *mem = h->pages;

	if (h->page_count + 2 > h->page_cap &&
	    !grow(&mem, &h->page_cap, PAGES_MAX, sizeof(*h->pages)))
		return; /* it expires by itself */
	h->pages = mem;
	h->pages[h->page_count++] = boot;
	h->pages[h->page_count++] = number;
}

static void on_page(struct sbc *s, const struct store_reply *r)
{
	struct hide_name names[KEEP_PAGE];
	size_t n;
	uint32_t number;

	if (!r->more || str_to_u32(r->member, KEEP_PAGES_MAX, &number) != OK ||
	    !keep_read_page(r->value, names, &n))
		return;
	if (id_slot(r->owner) == s->hide.boot) {
		keep_scrub(s, number, names, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		add_orphan(s, names[i]);
	add_page(s, id_slot(r->owner), number);
	wake_orphans(s);
}

/* All names have been looked at: nobody needs the lists any more. Some at a time. */
static void drop_pages(struct sbc *s)
{
	struct handovers *h = &s->handovers;

	h->orphan_at = h->orphan_count = 0;
	for (unsigned i = 0; i < PAGES_STEP && h->page_count; i++) {
		char key[KEEP_KEY_MAX], member[16];
		struct buf b;
		h->page_count -= 2;
		buf_init(&b, member, sizeof(member));
		buf_printf(&b, "%u", h->pages[h->page_count + 1]);
		stored_post(s,
			    &(struct store_op){.verb = STORE_MEMBER_DELETE,
					       .area = STORE_AREA_CALLS,
					       .key = keep_pages_key(h->pages[h->page_count], key),
					       .member = buf_view(&b)});
	}
	if (h->page_count)
		wake_orphans(s);
}

static void begin_orphan(struct sbc *s, struct hide_name n)
{
	if (keep_find(s, n) || n.boot == s->hide.boot)
		return;
	struct handover *h = handover_new(s, n);
	if (!h)
		return;
	h->is_orphan = true;
	s->handovers.idle++;
	worker_alarm(s, &h->alarm, ALARM_HANDOVER, s->now_ms + HANDOVER_IDLE_MS);
	ask_epoch(s, h);
}

void handover_on_orphans(struct sbc *s)
{
	struct handovers *h = &s->handovers;

	if (!stored_is_up(s)) /* they wait for it: handover_on_state */
		return;
	while (h->idle < HANDOVER_ORPHANS_STEP && h->orphan_at < h->orphan_count)
		begin_orphan(s, h->orphans[h->orphan_at++]);
	if (h->orphan_at < h->orphan_count || h->idle > 0)
		wake_orphans(s);
	else
		drop_pages(s);
}

/* ---- who is there */

static void ask_nodes(struct sbc *s)
{
	uint8_t boot[NODE_OCTETS];

	stored_post(s,
		    &(struct store_op){.verb = STORE_MEMBERS,
				       .area = STORE_AREA_CALLS,
				       .key = nodes_key,
				       .owner = id_make(s->handovers.pool.worker, ASKED_NODES, 0)});
	for (unsigned i = 0; i < NODE_OCTETS; i++)
		boot[i] = (uint8_t)(s->hide.boot >> (24 - 8 * i));
	stored_post(s, &(struct store_op){.verb = STORE_MEMBER_PUT,
					  .area = STORE_AREA_CALLS,
					  .key = nodes_key,
					  .member = s->settings->node,
					  .value = {(const char *)boot, sizeof(boot)},
					  .expires_ms = NODES_EXPIRES_MS});
	s->handovers.nodes_ms = s->now_ms;
}

static void on_node(struct sbc *s, const struct store_reply *r)
{
	struct rd in = rd_init(r->value.p, r->value.len);
	uint32_t boot = r->more ? rd_u32(&in) : 0;

	if (boot && !in.bad && in.left == 0)
		hear(s, r->member, boot, false);
}

/* Such a list has not come, or not all of it. */
static void ask_again(struct sbc *s, id_t64 owner)
{
	if (id_generation(owner) == ASKED_PAGES && id_slot(owner) != s->hide.boot)
		note_dead(s, id_slot(owner), s->now_ms + PAGES_AGAIN_MS);
}

void handover_on_reply(struct sbc *s, const struct store_reply *r)
{
	if (r->verb == STORE_MEMBERS) {
		if (id_generation(r->owner) == ASKED_NODES)
			on_node(s, r);
		else
			on_page(s, r);
		if (!r->more && r->result != STORE_NOTHING)
			ask_again(s, r->owner);
		return;
	}
	if (owner_kind(r->owner) == OWNER_CALL) {
		struct call *c = call_find(s, r->owner);
		if (c && (r->result == STORE_OK || r->result == STORE_NOTHING))
			keep_on_epoch(s, c, r->result == STORE_OK ? r->number[0] : 0);
		return;
	}
	struct handover *h = pool_find(&s->handovers.pool, r->owner);
	if (!h)
		return; /* it took too long */
	if (r->result == STORE_DOWN)
		no_answer(s, h);
	else if (r->result == STORE_NOTHING && h->stage == HANDOVER_RECORD)
		on_nothing(s, h);
	else if (r->result == STORE_NOTHING && h->stage == HANDOVER_EPOCH)
		on_epoch(s, h, 0);
	else if (r->result != STORE_OK)
		settle_all(s, h, HANDOVER_LATE);
	else if (h->stage == HANDOVER_EPOCH)
		on_epoch(s, h, r->number[0]);
	else if (h->stage == HANDOVER_RECORD)
		on_record(s, h, r->value);
	else if (h->stage == HANDOVER_CLAIM)
		on_claim(s, h, r->number[0]);
}

void handover_on_state(struct sbc *s, const struct store_state *t)
{
	struct handovers *h = &s->handovers;
	struct cluster *c = &s->cluster;

	if (!h->on)
		return;
	if (!t->up) {
		c->gone_ms = s->now_ms;
		c->up_ms = 0;
		return;
	}
	bool missed = c->gone_ms && s->now_ms - c->gone_ms >= CLUSTER_DOUBT_MS;
	if (c->up_ms == 0)
		c->up_ms = s->now_ms;
	c->gone_ms = 0;
	/* While nobody heard of us, our calls may have been taken; what was lost is written again. */
	if (t->is_fresh || missed || t->missed)
		h->resync_ms = s->now_ms + 1 + t->spread_ms;
	/* It may have come back with what it had yesterday: what has ended since is to be forgotten. */
	if (t->is_fresh)
		ask_pages(s, s->hide.boot);
	cluster_say_beat(s);
	ask_nodes(s);
	if (h->orphan_count || h->page_count)
		wake_orphans(s);
}

void handover_on_beat(struct sbc *s)
{
	struct handovers *h = &s->handovers;
	struct cluster *c = &s->cluster;
	bool slept = h->beat_ms && s->now_ms - h->beat_ms >= CLUSTER_DOUBT_MS;
	bool all = slept || (h->resync_ms && s->now_ms >= h->resync_ms);

	h->beat_ms = s->now_ms;
	worker_alarm(s, &c->beat, ALARM_BEAT, s->now_ms + CLUSTER_BEAT_MS);
	if (!stored_is_up(s))
		return;
	if (all)
		h->resync_ms = 0;
	cluster_say_beat(s);
	keep_tell_ended(s);
	keep_tick(s, all);
	if (s->now_ms - h->nodes_ms >= NODES_RENEW_MS)
		ask_nodes(s);
	for (uint32_t i = 0; i < c->count; i++) {
		uint64_t since = c->nodes[i].heard_ms > c->up_ms ? c->nodes[i].heard_ms : c->up_ms;
		if (!c->nodes[i].is_buried && s->now_ms - since >= HANDOVER_ORPHANS_MS) {
			c->nodes[i].is_buried = true;
			note_dead(s, c->nodes[i].boot, s->now_ms);
		}
	}
	for (uint32_t i = 0; i < h->dead_count;)
		if (s->now_ms >= h->dead[i].due_ms) {
			if (!cluster_is_heard(s, h->dead[i].boot))
				ask_pages(s, h->dead[i].boot);
			h->dead[i] = h->dead[--h->dead_count];
		} else {
			i++;
		}
}
