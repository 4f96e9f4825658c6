#include "rtpproxy/io/load.h"

#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include "common/str.h"
#include "rtpproxy/io/ctl.h"

enum { EVERY_MS = 500 };

void load_init(struct load *l, const struct load_limits *limits)
{
	memset(l, 0, sizeof(*l));
	l->limits = *limits;
}

static double per_second(uint64_t now, uint64_t before, uint64_t us)
{
	return us > 0 && now > before ? (double)(now - before) * 1e6 / (double)us : 0;
}

enum relay_overload load_step(struct load *l, const struct load_sample *s)
{
	const struct load_sample was = l->last;
	const struct load_limits *m = &l->limits;
	l->last = *s;
	uint64_t us = s->at_us - was.at_us, all = s->cpu_all - was.cpu_all;
	if (was.at_us == 0) {
		return RELAY_OVERLOAD_NONE;
	}
	double cpu = all > 0 ? 100.0 * (double)(s->cpu_busy - was.cpu_busy) / (double)all : 0;
	if (m->cpu > 0 && cpu >= m->cpu) {
		return RELAY_OVERLOAD_CPU;
	}
	if ((m->load > 0 && s->load >= m->load) ||
	    (m->packets > 0 && per_second(s->packets, was.packets, us) >= (double)m->packets)) {
		return RELAY_OVERLOAD_LOAD;
	}
	if (m->bandwidth > 0 && per_second(s->bytes, was.bytes, us) >= (double)m->bandwidth) {
		return RELAY_OVERLOAD_BANDWIDTH;
	}
	return RELAY_OVERLOAD_NONE;
}

static uint64_t clock_us(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

/* The first line of /proc/stat: "cpu" user nice system idle iowait irq softirq steal … in ticks. */
static bool read_machine(struct load_sample *s)
{
	enum { IDLE = 3, IOWAIT = 4, FIELDS = 8 };
	char text[512];
	int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	if (fd >= 0) {
		close(fd);
	}
	struct str rest = {text, n > 0 ? (size_t)n : 0}, line, word;
	if (!str_cut(&rest, '\n', &line) || !str_cut_word(&line, &word) ||
	    !str_eq(word, STR("cpu"))) {
		return false;
	}
	s->cpu_busy = s->cpu_all = 0;
	for (unsigned i = 0; i < FIELDS && str_cut_word(&line, &word); i++) {
		uint64_t v;
		if (str_to_u64(word, UINT64_MAX, &v) != OK) {
			return false;
		}
		s->cpu_all += v;
		s->cpu_busy += i != IDLE && i != IOWAIT ? v : 0;
	}
	return true;
}

static void sample(const struct load *l, struct load_sample *s)
{
	struct sysinfo info;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	*s = (struct load_sample){.at_us = clock_us(CLOCK_MONOTONIC)};
	/* A sandbox may not show /proc/stat: then what we use ourselves must do. */
	if (!read_machine(s)) {
		s->cpu_busy = clock_us(CLOCK_PROCESS_CPUTIME_ID);
		s->cpu_all = s->at_us * (uint64_t)(processors > 0 ? processors : 1);
	}
	s->load = sysinfo(&info) == 0 ? (double)info.loads[0] / (1 << SI_LOAD_SHIFT) : 0;
	s->bytes = ctl_sum(l->published, l->workers, RELAY_BYTES_OUT);
	s->packets = ctl_sum(l->published, l->workers, RELAY_FATES + FATE_SENT);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct load *l = arg;
	struct load_sample s;
	(void)fd;
	(void)what;
	sample(l, &s);
	atomic_store_explicit(&l->over, load_step(l, &s), memory_order_relaxed);
}

enum err load_start(struct load *l, struct event_base *base,
		    const struct relay_published *published, unsigned workers)
{
	const struct timeval every = {0, EVERY_MS * 1000};
	const struct load_limits *m = &l->limits;
	if (m->cpu <= 0 && m->load <= 0 && m->bandwidth == 0 && m->packets == 0) {
		return OK;
	}
	l->published = published;
	l->workers = workers;
	l->timer = event_new(base, -1, EV_PERSIST, on_timer, l);
	return l->timer && event_add(l->timer, &every) == 0 ? OK : ERR_NOMEM;
}

void load_release(struct load *l)
{
	if (l->timer) {
		event_free(l->timer);
	}
	l->timer = NULL;
}
