#include "rtpproxy/io/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "rtpproxy/core/dtmf_json.h"
#include "rtpproxy/core/notify.h"
#include "rtpproxy/core/pkt.h"
#include "rtpproxy/core/record.h"
#include "rtpproxy/io/recorder.h"
#include "rtpproxy/io/io_steered.h"

enum {
	TICK_MS = 100,
	PACE_MS = 10,         /* while keys are played: each 20 ms a packet */
	COMMANDS_A_TURN = 16, /* so that packets never wait for a burst of calls */
};

static uint64_t clock_us(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

/* ---- the core's ports */

static enum err port_open(void *ctx, const struct addr *local, uint8_t tos, struct stream *s)
{
	struct loop *l = ctx;
	return l->io->ops->open(l->io, local, tos, s);
}

static void port_close(void *ctx, struct stream *s)
{
	struct loop *l = ctx;
	l->io->ops->close(l->io, s);
}

static void port_set_tos(void *ctx, struct stream *s, uint8_t tos)
{
	struct loop *l = ctx;
	l->io->ops->set_tos(l->io, s, tos);
}

/* Whoever is addressed finds it at its next turn, which begins now. */
static void port_post(void *ctx, const struct carry_letter *letter)
{
	struct loop *l = ctx;
	for (unsigned i = 0; i < l->count; i++) {
		struct loop *to = &l->all[i];
		if (to != l && (letter->kind != CARRY_GIVEN || letter->heir.worker == i)) {
			(void)letters_put(&to->letters, letter);
		}
	}
}

static void port_recall(void *ctx, struct stream *s, bool only_figures)
{
	struct loop *l = ctx;
	l->io->ops->recall(l->io, s, only_figures);
}

static void port_send(void *ctx, struct stream *from, const struct addr *to, const uint8_t *data,
		      size_t len)
{
	struct loop *l = ctx;
	l->io->ops->transmit(l->io, from, to, data, len);
}

/* Never waits: what the client's queue has no room for is lost, and counted. */
static void tell_owner(struct loop *l, const struct relay_notice *n)
{
	char mem[NOTIFY_MAX];
	struct ask_peer peer;
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	notify_write(&b, n, clock_us(CLOCK_REALTIME) / 1000);
	if (b.len == 0) {
		return;
	}
	bool sent = !b.overflow && ask_peer_of(n->owner, &peer) &&
		    ask_tell(&peer, &l->back, buf_view(&b));
	atomic_fetch_add_explicit(sent ? &l->notified : &l->notify_errors, 1, memory_order_relaxed);
}

static void send_key(struct loop *l, const struct addr *to, struct str json)
{
	struct sockaddr_storage sa;
	int *fd = &l->dtmf_fd[to->family == ADDR_IP6];
	if (to->family == ADDR_NONE) {
		return;
	}
	if (*fd < 0) {
		*fd = socket(to->family == ADDR_IP6 ? AF_INET6 : AF_INET,
			     SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	}
	socklen_t len = sockaddr_write(to, &sa);
	bool sent = *fd >= 0 && sendto(*fd, json.p, json.len, MSG_DONTWAIT, (struct sockaddr *)&sa,
				       len) == (ssize_t)json.len;
	atomic_fetch_add_explicit(sent ? &l->keys_told : &l->key_errors, 1, memory_order_relaxed);
}

/* Once to each who wants it; never a word of it in the log (threats D15). */
static void tell_key(struct loop *l, const struct relay_notice *n)
{
	char mem[DTMF_JSON_MAX];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	dtmf_json_write(&b, n, clock_us(CLOCK_REALTIME) / 1000000);
	if (b.overflow) {
		return;
	}
	send_key(l, &l->dtmf_dest, buf_view(&b));
	if (!addr_eq(&n->dtmf_dest, &l->dtmf_dest)) {
		send_key(l, &n->dtmf_dest, buf_view(&b));
	}
	secret_wipe(mem, sizeof(mem));
}

static void port_publish(void *ctx, const struct relay_notice *n)
{
	struct loop *l = ctx;
	static const struct {
		const char *name;
		enum log_level level;
	} events[RELAY_EVENT_COUNT] = {
		[RELAY_CALL_STARTED] = {"call_started", LOG_LEVEL_DEBUG},
		[RELAY_CALL_ENDED] = {"call_ended", LOG_LEVEL_INFO},
		[RELAY_REFUSED] = {"refused", LOG_LEVEL_WARN},
		[RELAY_CONSENT_LOST] = {"consent_lost", LOG_LEVEL_INFO},
		[RELAY_CONSENT_BACK] = {"consent_back", LOG_LEVEL_INFO},
		[RELAY_MEDIA_LOST] = {"media_lost", LOG_LEVEL_INFO},
		[RELAY_MEDIA_BACK] = {"media_back", LOG_LEVEL_INFO},
		[RELAY_MEDIA_ONE_WAY] = {"media_one_way", LOG_LEVEL_INFO},
		/* DTMF: never, it may be a PIN (threats D15). */
	};
	if (n->owner.len > 0) {
		tell_owner(l, n);
	}
	if (n->event == RELAY_DTMF) {
		tell_key(l, n);
		return;
	}
	if (!events[n->event].name || events[n->event].level > l->log.level) {
		return;
	}
	log_start(&l->log, events[n->event].level, events[n->event].name, n->call_id,
		  clock_us(CLOCK_REALTIME) / 1000);
	if (n->command) {
		log_z(&l->log, "command", n->command);
	}
	if (n->detail) {
		log_z(&l->log, "reason", n->detail);
	}
	if (n->event == RELAY_CALL_ENDED) {
		log_u64(&l->log, "duration_ms", n->duration_ms);
	}
	if (n->kind.len > 0) {
		log_str(&l->log, "kind", n->kind);
	}
	log_end(&l->log);
}

/* ---- commands */

static void answer_list(struct loop *l, const struct ask *a)
{
	struct loop_list *list = l->list;
	relay_list(&l->relay, a->limit, &list->parts[l->index]);
	/* Release: what was written before is seen by the one who reads the zero. */
	if (atomic_fetch_sub_explicit(&list->left, 1, memory_order_acq_rel) == 1) {
		uint64_t one = 1;
		ssize_t n = write(list->done_fd, &one, sizeof(one));
		(void)n;
	}
}

static void answer_ng(struct loop *l, const struct ask *a, struct str datagram, uint64_t now_us)
{
	const uint32_t recordings = l->relay.recording_next;
	struct buf reply;
	const struct relay_now now = {now_us, clock_us(CLOCK_REALTIME)};
	buf_init(&reply, l->reply, a->reply_max);
	if (a->plain) {
		relay_command_plain(&l->relay, &now, datagram, &reply);
	} else {
		relay_command(&l->relay, &now, ask_peer_key(&a->peer), datagram, &reply);
	}
	if (!ask_reply(&a->peer, &l->back, buf_view(&reply))) {
		atomic_fetch_add_explicit(&l->reply_errors, 1, memory_order_relaxed);
	}
	if (l->relay.recording_next != recordings) {
		recorder_wake(l->record_fd);
	}
}

/* False: stop. */
static bool take_asks(struct loop *l, uint64_t now_us, bool *out_more)
{
	size_t len;
	const struct ask *a = NULL;
	for (int i = 0; i < COMMANDS_A_TURN && (a = queue_peek(&l->queue, &len)); i++) {
		if (!queue_has_room(&l->back, LIMIT_DATAGRAM)) {
			break; /* its reply could not be given back: it waits, and none is lost */
		}
		switch (a->kind) {
		case ASK_NG:
			answer_ng(l, a, (struct str){(const char *)(a + 1), len - sizeof(*a)},
				  now_us);
			break;
		case ASK_LIST: answer_list(l, a); break;
		case ASK_STOP: return false;
		case ASK_KIND_COUNT: break;
		}
		queue_pop(&l->queue);
	}
	*out_more = a != NULL;
	return true;
}

static void tick(struct loop *l, uint64_t now_us)
{
	const struct relay_now now = {now_us, clock_us(CLOCK_REALTIME)};
	if (l->io->ops->tick) {
		l->io->ops->tick(l->io, now_us);
	}
	relay_tick(&l->relay, &now);
	log_tick(&l->log, now.wall_us / 1000);
	atomic_store_explicit(&l->wakeups, l->io->stats.wakeups, memory_order_relaxed);
	atomic_store_explicit(&l->send_errors, l->io->stats.send_errors, memory_order_relaxed);
	for (unsigned i = 0; i < IO_EARLY; i++) {
		atomic_store_explicit(&l->early[i], l->io->stats.early[i], memory_order_relaxed);
	}
	atomic_store_explicit(&l->kernel_flows, l->io->stats.kernel_flows, memory_order_relaxed);
	atomic_store_explicit(&l->kernel_packets, l->io->stats.kernel_packets,
			      memory_order_relaxed);
	atomic_store_explicit(&l->kernel_bytes, l->io->stats.kernel_bytes, memory_order_relaxed);
}

/* Where packets come fast, many of them for one wake-up. */
static void rest(struct loop *l, size_t count, uint64_t now_us)
{
	const uint32_t us = coalesce_step(&l->coalesce, count, IO_BATCH, now_us);
	if (us > 0) {
		const struct timespec t = {0, (long)us * 1000};
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
	}
}

static void *run(void *arg)
{
	struct loop *l = arg;
	struct io_turn turn;
	struct pkt *const *pkts;
	uint64_t tick_us = 0;
	bool more = false;
	/* Sleeps as short as coalescing's are not rounded up by the usual 50 µs. */
	(void)prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
	for (;;) {
		int wait_ms = relay_is_paced(&l->relay) ? PACE_MS : TICK_MS;
		l->io->ops->receive(l->io, more ? 0 : wait_ms, &pkts, &turn);
		if (turn.count > 0) {
			relay_batch(&l->relay, pkts, turn.count, turn.now_us);
			l->io->ops->send(l->io);
		}
		if (turn.woken) {
			struct carry_letter letter;
			queue_woken(&l->queue);
			while (letters_take(&l->letters, &letter)) {
				relay_letter(&l->relay, &letter);
			}
		}
		if ((turn.woken || more) && !take_asks(l, turn.now_us, &more)) {
			break;
		}
		if (relay_is_paced(&l->relay)) {
			relay_pace(&l->relay, turn.now_us);
		}
		if (turn.now_us - tick_us >= TICK_MS * 1000u) {
			tick_us = turn.now_us;
			tick(l, turn.now_us);
		}
		if (!more) {
			rest(l, turn.count, turn.now_us);
		}
	}
	return NULL;
}

static enum err new_io(struct loop *l, const struct loop_params *p)
{
	if (p->choice == NULL || p->choice->tier == IO_TIER_SOCKETS) {
		return io_sock_new(l->queue.wake_fd, &l->io);
	}
	const struct io_steered_params params = {.pins = &p->choice->pins,
						 .worker = l->index,
						 .wake_fd = l->queue.wake_fd,
						 .forward = &l->relay.forward,
						 .with_kernel = p->choice->tier == IO_TIER_KERNEL,
						 .orphan_us = p->config->timeouts.media * 1000};
	return io_steered_new(&params, &l->io);
}

enum err loop_init(struct loop *l, unsigned index, const struct loop_params *p)
{
	uint8_t seed[RNG_SEED_LEN];
	struct relay_params relay = {.config = p->config,
				     .ports = {.ctx = l,
					       .open = port_open,
					       .close = port_close,
					       .set_tos = port_set_tos,
					       .send = port_send,
					       .publish = port_publish,
					       .post = port_post},
				     .worker = index,
				     .published = p->published,
				     .overload = p->overload,
				     .record = p->records ? &p->records[index] : NULL,
				     .seed = seed};
	const struct relay_now now = {clock_us(CLOCK_MONOTONIC), clock_us(CLOCK_REALTIME)};
	*l = (struct loop){.index = index,
			   .all = p->all,
			   .count = p->count,
			   .list = p->list,
			   .dtmf_dest = p->dtmf_dest,
			   .dtmf_fd = {-1, -1},
			   .record_fd = p->record_fd};
	coalesce_init(&l->coalesce, p->coalesce_us, now.mono_us);
	log_init(&l->log, p->log_sink, NULL);
	l->log.level = p->log_level;
	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed)) {
		return ERR_IO;
	}
	enum err e = queue_init(&l->queue, LIMIT_QUEUE_BYTES);
	if (e != OK) {
		return e;
	}
	e = queue_init(&l->back, LIMIT_QUEUE_BYTES);
	if (e != OK) {
		queue_release(&l->queue);
		return e;
	}
	e = letters_init(&l->letters, l->queue.wake_fd);
	if (e == OK) {
		e = new_io(l, p);
	}
	if (e == OK) {
		relay.ports.recall = l->io->ops->recall ? port_recall : NULL;
		e = relay_init(&l->relay, &relay, &now);
	}
	secret_wipe(seed, sizeof(seed));
	if (e != OK) {
		if (l->io) {
			l->io->ops->free(&l->io);
		}
		queue_release(&l->back);
		queue_release(&l->queue);
	}
	return e;
}

enum err loop_start(struct loop *l)
{
	/* Signals are the control thread's. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = pthread_create(&l->thread, NULL, run, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	l->running = r == 0;
	return r == 0 ? OK : ERR_NOMEM;
}

void loop_release(struct loop *l)
{
	if (l->running) {
		const struct ask stop = {.kind = ASK_STOP};
		while (queue_push(&l->queue, &stop, sizeof(stop), NULL, 0) == ERR_FULL) {
			usleep(1000);
		}
		pthread_join(l->thread, NULL);
		l->running = false;
	}
	if (l->io->ops->leave) {
		l->io->ops->leave(l->io);
	}
	letters_close(&l->letters);
	relay_release(&l->relay);
	for (unsigned i = 0; i < ARRAY_LEN(l->dtmf_fd); i++) {
		if (l->dtmf_fd[i] >= 0) {
			close(l->dtmf_fd[i]);
		}
	}
	l->io->ops->free(&l->io);
	queue_release(&l->back);
	queue_release(&l->queue);
}
