/* sallyport-rtpproxy: wires options, workers and the control thread together. */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "rtpproxy/control.h"
#include "rtpproxy/io/caps.h"
#include "rtpproxy/io/ctl.h"
#include "rtpproxy/io/load.h"
#include "rtpproxy/io/loop.h"
#include "rtpproxy/io/recorder.h"
#include "common/sdnotify.h"

enum { EXIT_USAGE = 2 };

struct daemon {
	struct control control;
	struct relay_published *published;
	struct loop_list list;
	struct io_choice choice;
	struct loop *loops;
	struct recorder recorder;
	bool records;
	unsigned started;
	struct event_base *base;
	struct ctl *ctl;
	struct load load;
	struct event *signals[3], *watchdog;
	struct log log;
};

static uint64_t wall_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void to_stderr(void *ctx, enum log_level level, struct str line)
{
	(void)ctx;
	(void)level;
	ssize_t n = write(STDERR_FILENO, line.p, line.len);
	(void)n;
}

static void say(struct daemon *d, enum log_level level, const char *event, const char *key,
		const char *value)
{
	log_start(&d->log, level, event, STR_NONE, wall_ms());
	if (key) {
		log_z(&d->log, key, value);
	}
	log_end(&d->log);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct daemon *d = arg;
	(void)what;
	if (number == SIGHUP) {
		say(d, LOG_LEVEL_WARN, "reload", "reason", "settings of the relay need a restart");
		return;
	}
	say(d, LOG_LEVEL_INFO, "stopping", NULL, NULL);
	sdnotify("STOPPING=1");
	event_base_loopbreak(d->base);
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	sdnotify("WATCHDOG=1");
}

/* A call takes four descriptors. */
static void raise_descriptors(void)
{
	/* Four sockets a call: root may raise the hard limit too, others take all of theirs. */
	struct rlimit r = {LIMIT_DESCRIPTORS, LIMIT_DESCRIPTORS};
	if (setrlimit(RLIMIT_NOFILE, &r) != 0 && getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
	/* Keys must not land in a core file. */
	const struct rlimit none = {0, 0};
	(void)setrlimit(RLIMIT_CORE, &none);
}

static bool make_list(struct daemon *d)
{
	d->list.done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (unsigned w = 0; w < d->control.relay.workers; w++) {
		char *mem = malloc(LIMIT_DATAGRAM);
		if (!mem) {
			return false;
		}
		buf_init(&d->list.parts[w], mem, LIMIT_DATAGRAM);
	}
	return d->list.done_fd >= 0;
}

/* Opened before rights are given up; its thread starts with the workers. */
static bool open_recorder(struct daemon *d)
{
	const struct recorder_params p = {.dir = d->control.recording_dir,
					  .workers = d->control.relay.workers,
					  .log_level = d->control.log_level,
					  .log_sink = to_stderr};
	if (p.dir[0] == '\0') {
		return true;
	}
	d->records = recorder_init(&d->recorder, &p) == OK;
	if (!d->records) {
		fprintf(stderr, "--recording-dir=%s: %s\n", p.dir, strerror(errno));
	}
	return d->records;
}

static bool start_workers(struct daemon *d)
{
	const struct loop_params p = {.config = &d->control.relay,
				      .published = d->published,
				      .all = d->loops,
				      .count = d->control.relay.workers,
				      .list = &d->list,
				      .dtmf_dest = d->control.dtmf_dest,
				      .overload = &d->load.over,
				      .records = d->records ? d->recorder.rings : NULL,
				      .record_fd = d->records ? d->recorder.wake_fd : -1,
				      .coalesce_us = d->control.coalesce_us,
				      .log_level = d->control.log_level,
				      .log_sink = to_stderr,
				      .choice = &d->choice};
	for (unsigned w = 0; w < d->control.relay.workers; w++) {
		enum err e = loop_init(&d->loops[w], w, &p);
		if (e == ERR_BAD) {
			fputs("an interface has fewer port pairs than there are workers\n", stderr);
		}
		if (e != OK) {
			say(d, LOG_LEVEL_ERROR, "worker_failed", "reason", err_text(e));
			return false;
		}
		d->started++;
	}
	return true;
}

static bool run_workers(struct daemon *d)
{
	for (unsigned w = 0; w < d->started; w++) {
		if (loop_start(&d->loops[w]) != OK) {
			say(d, LOG_LEVEL_ERROR, "worker_failed", "reason", "no thread");
			return false;
		}
	}
	return true;
}

/* Tells which tier it is and why not more: nobody should have to guess. */
static bool choose_io(struct daemon *d)
{
	const enum io_tier wanted = d->control.io;
	const enum err e =
		io_choice_make(&d->choice, wanted, d->control.bpf_dir, &d->control.relay);
	if (e != OK) {
		fprintf(stderr, "--io=%s is not granted: %s\n", io_tier_name(wanted),
			d->choice.why);
		return false;
	}
	log_start(&d->log, LOG_LEVEL_INFO, "packet_io", STR_NONE, wall_ms());
	log_z(&d->log, "tier", io_tier_name(d->choice.tier));
	if (d->choice.why) {
		log_z(&d->log, "why_not_more", d->choice.why);
	}
	log_end(&d->log);
	if (d->choice.tier != IO_TIER_SOCKETS && !d->choice.pins.control->is_reserved) {
		say(d, LOG_LEVEL_WARN, "ports_not_reserved", "reason",
		    "other programs may get them by chance: net.ipv4.ip_local_reserved_ports");
	}
	return true;
}

static bool listen_all(struct daemon *d)
{
	static const char *const words[CTL_KIND_COUNT] = {
		[CTL_DATAGRAM] = "ng", [CTL_STREAM] = "ng_stream", [CTL_HTTP] = "http"};
	size_t bound = 0;
	for (size_t i = 0; i < d->control.listen_count; i++) {
		const struct ctl_listen *l = &d->control.listens[i];
		char text[160];
		struct buf b;
		buf_init(&b, text, sizeof(text));
		if (l->addr.family == ADDR_NONE) {
			buf_printf(&b, "unix:%s", l->path);
		} else {
			addr_write(&b, &l->addr);
		}
		buf_char(&b, '\0');
		if (ctl_listen(d->ctl, l) == OK) {
			bound++;
			say(d, LOG_LEVEL_INFO, "listening", words[l->kind], text);
			continue;
		}
		bool elsewhere = d->control.listens_optional && errno == EADDRNOTAVAIL;
		fprintf(stderr, "%s %s: %s\n", elsewhere ? "not here:" : "cannot listen on", text,
			strerror(errno));
		if (!elsewhere) {
			return false;
		}
	}
	if (bound == 0) {
		fputs("none of the control addresses is of this machine\n", stderr);
	}
	return bound > 0;
}

static bool start_control(struct daemon *d)
{
	const struct ctl_params p = {.base = d->base,
				     .loops = d->loops,
				     .loop_count = d->control.relay.workers,
				     .config = &d->control.relay,
				     .published = d->published,
				     .list = &d->list,
				     .users = &d->control.users,
				     .started_s = wall_ms() / 1000};
	if (ctl_init(d->ctl, &p) != OK) {
		d->ctl->base = NULL; /* nothing to release */
		return false;
	}
	return load_start(&d->load, d->base, d->published, d->control.relay.workers) == OK &&
	       listen_all(d);
}

static bool watch(struct daemon *d)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		d->signals[i] = evsignal_new(d->base, numbers[i], on_signal, d);
		if (!d->signals[i] || event_add(d->signals[i], NULL) < 0) {
			return false;
		}
	}
	uint64_t ms = sdnotify_watchdog_ms();
	if (ms > 0) {
		const struct timeval t = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
		d->watchdog = event_new(d->base, -1, EV_PERSIST, on_watchdog, d);
		if (!d->watchdog || event_add(d->watchdog, &t) < 0) {
			return false;
		}
	}
	return true;
}

static bool write_pidfile(const struct daemon *d)
{
	if (d->control.pidfile[0] == '\0') {
		return true;
	}
	FILE *f = fopen(d->control.pidfile, "we");
	if (!f) {
		fprintf(stderr, "%s: %s\n", d->control.pidfile, strerror(errno));
		return false;
	}
	fprintf(f, "%ld\n", (long)getpid());
	return fclose(f) == 0;
}

/* The workers first: they reply on the control sockets. This thread reads no more commands. */
static void stop(struct daemon *d)
{
	for (unsigned w = 0; w < d->started; w++) {
		loop_release(&d->loops[w]);
	}
	if (d->records) {
		recorder_release(&d->recorder);
	}
	io_choice_release(&d->choice);
	load_release(&d->load);
	if (d->ctl && d->ctl->base) {
		ctl_release(d->ctl);
	}
	for (size_t i = 0; i < ARRAY_LEN(d->signals); i++) {
		if (d->signals[i]) {
			event_free(d->signals[i]);
		}
	}
	if (d->watchdog) {
		event_free(d->watchdog);
	}
	if (d->base) {
		event_base_free(d->base);
	}
	for (unsigned w = 0; w < LIMIT_WORKERS; w++) {
		free(d->list.parts[w].p);
	}
	if (d->list.done_fd > 0) {
		close(d->list.done_fd);
	}
	if (d->control.pidfile[0] != '\0') {
		unlink(d->control.pidfile);
	}
	free(d->ctl);
	free(d->loops);
	free(d->published);
	libevent_global_shutdown();
}

static void say_engine(struct daemon *d)
{
	const char *wish = d->control.relay.srtp_engine;
	const char *became = srtp_worker_engine(&d->loops[0].relay.srtp);
	if (strcmp(wish, "auto") != 0 && strcmp(wish, became) != 0) {
		say(d, LOG_LEVEL_WARN, "srtp_engine_not_there", "wish", wish);
	}
	say(d, LOG_LEVEL_INFO, "srtp_engine", "name", became);
}

/* Says nothing about the machine; only that an SDP has been here. */
static void name_instance(struct relay_config *c)
{
	uint8_t bytes[RELAY_INSTANCE_LEN / 2];
	struct buf b;
	buf_init(&b, c->instance, sizeof(c->instance) - 1);
	if (getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes)) {
		buf_hex(&b, bytes, sizeof(bytes));
	}
}

static bool run(struct daemon *d)
{
	unsigned workers = d->control.relay.workers;
	d->published = aligned_alloc(64, (workers * sizeof(*d->published) + 63) & ~(size_t)63);
	d->loops = calloc(workers, sizeof(*d->loops));
	d->ctl = calloc(1, sizeof(*d->ctl));
	d->base = event_base_new();
	if (!d->published || !d->loops || !d->ctl || !d->base || !make_list(d)) {
		fputs("out of memory\n", stderr);
		return false;
	}
	load_init(&d->load, &d->control.load);
	name_instance(&d->control.relay);
	memset(d->published, 0, workers * sizeof(*d->published));
	if (!choose_io(d) || !open_recorder(d) || !start_workers(d) || !start_control(d) ||
	    !watch(d) || !write_pidfile(d)) {
		return false;
	}
	/* All that needs a right is open now; capabilities are a thread's, so the workers start after. */
	if (caps_drop() != OK) {
		fputs("capabilities are left that could not be given up\n", stderr);
		return false;
	}
	if (d->records) {
		d->ctl->recorder = &d->recorder;
		if (recorder_start(&d->recorder) != OK) {
			return false;
		}
	}
	if (!run_workers(d)) {
		return false;
	}
	say_engine(d);
	say(d, LOG_LEVEL_INFO, "ready", "version", SALLYPORT_VERSION);
	sdnotify("READY=1");
	return event_base_dispatch(d->base) >= 0;
}

int main(int argc, char **argv)
{
	static struct daemon d;
	if (control_parse(&d.control, argc, argv, stderr) != OK) {
		return EXIT_USAGE;
	}
	if (d.control.show_help) {
		control_usage(stdout);
		return EXIT_SUCCESS;
	}
	if (d.control.show_version) {
		puts("sallyport-rtpproxy " SALLYPORT_VERSION);
		return EXIT_SUCCESS;
	}
	log_init(&d.log, to_stderr, NULL);
	d.log.level = d.control.log_level;
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	if (!d.control.foreground && daemon(0, 1) < 0) {
		perror("daemon");
		return EXIT_FAILURE;
	}
	bool ok = run(&d);
	stop(&d);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
