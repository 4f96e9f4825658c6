#include "watch.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

struct watch_loop {
	struct event_base *base;
	struct event *alarm;
	uint64_t alarm_ms;
};

struct watch {
	struct event event;
	struct event_base *base;
	watch_fn fn;
	void *ctx;
	unsigned what;
};

static void on_alarm(evutil_socket_t fd, short what, void *ctx)
{
	/* It only ends the wait. */
	(void)fd;
	(void)what;
	(void)ctx;
}

enum err watch_loop_new(struct watch_loop **out)
{
	struct watch_loop *l = calloc(1, sizeof(*l));
	if (!l)
		return ERR_NOMEM;
	struct event_config *config = event_config_new();
	if (config) {
		/* A turn reads its own clock, and one thread runs a loop. */
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		l->base = event_base_new_with_config(config);
		event_config_free(config);
	}
	if (l->base)
		l->alarm = evtimer_new(l->base, on_alarm, NULL);
	if (!l->alarm) {
		watch_loop_free(&l);
		return ERR_NOMEM;
	}
	*out = l;
	return OK;
}

void watch_loop_free(struct watch_loop **loop)
{
	struct watch_loop *l = *loop;
	if (!l)
		return;
	if (l->alarm)
		event_free(l->alarm);
	if (l->base)
		event_base_free(l->base);
	free(l);
	*loop = NULL;
}

struct event_base *watch_loop_base(struct watch_loop *l)
{
	return l->base;
}

void watch_loop_wait(struct watch_loop *l, uint64_t timeout_ms)
{
	if (timeout_ms == 0) {
		/* ONCE as well: NONBLOCK alone goes on as long as anything is readable, and under load no turn would end. */
		event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		return;
	}
	if (timeout_ms == UINT64_MAX) {
		event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
		return;
	}
	if (timeout_ms > 60000)
		timeout_ms = 60000;
	struct timeval tv = {(time_t)(timeout_ms / 1000), (suseconds_t)(timeout_ms % 1000 * 1000)};
	evtimer_add(l->alarm, &tv);
	event_base_loop(l->base, EVLOOP_ONCE);
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
	struct watch *w = ctx;
	(void)fd;
	w->fn(w->ctx, (what & EV_READ ? WATCH_READ : 0u) | (what & EV_WRITE ? WATCH_WRITE : 0u));
}

enum err watch_new(struct watch **out, struct watch_loop *l, int fd, watch_fn fn, void *ctx)
{
	struct watch *w = calloc(1, sizeof(*w));
	if (!w)
		return ERR_NOMEM;
	w->fn = fn;
	w->ctx = ctx;
	w->base = l->base;
	event_assign(&w->event, l->base, fd, EV_READ | EV_PERSIST, on_event, w);
	*out = w;
	return OK;
}

enum err watch_set(struct watch *w, unsigned what)
{
	if (what == w->what)
		return OK;
	if (w->what != 0)
		event_del(&w->event);
	w->what = 0;
	if (what == 0)
		return OK;
	short events = (short)((what & WATCH_READ ? EV_READ : 0) |
			       (what & WATCH_WRITE ? EV_WRITE : 0) | EV_PERSIST);
	event_assign(&w->event, w->base, event_get_fd(&w->event), events, on_event, w);
	if (event_add(&w->event, NULL) != 0)
		return ERR_NOMEM;
	w->what = what;
	return OK;
}

void watch_again(struct watch *w)
{
	event_active(&w->event, EV_READ, 0);
}

static void on_signal(evutil_socket_t signal, short what, void *ctx)
{
	struct watch *w = ctx;
	(void)what;
	w->fn(w->ctx, (unsigned)signal);
}

enum err watch_signal_new(struct watch **out, struct watch_loop *l, int signal, watch_fn fn,
			  void *ctx)
{
	struct watch *w = calloc(1, sizeof(*w));
	if (!w)
		return ERR_NOMEM;
	w->fn = fn;
	w->ctx = ctx;
	w->base = l->base;
	event_assign(&w->event, l->base, signal, EV_SIGNAL | EV_PERSIST, on_signal, w);
	if (event_add(&w->event, NULL) != 0) {
		free(w);
		return ERR_NOMEM;
	}
	w->what = WATCH_READ;
	*out = w;
	return OK;
}

void watch_free(struct watch **watch)
{
	struct watch *w = *watch;
	if (!w)
		return;
	event_del(&w->event);
	free(w);
	*watch = NULL;
}
