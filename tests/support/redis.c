#include "tests/support/redis.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "sbc/shell/clock.h"

/* A server of a cluster listens 10,000 ports above its own too. */
enum { START_MS = 5000, COMMAND = 512, PORT_TEXT = 12, PORT_MOST = 55535, TRIES = 8 };

static uint16_t any_free_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&sa, len) == 0 &&
	      getsockname(fd, (struct sockaddr *)&sa, &len) == 0);
	close(fd);
	return ntohs(sa.sin_port);
}

uint16_t redis_free_port(void)
{
	uint16_t port = any_free_port();
	while (port > PORT_MOST)
		port = any_free_port();
	return port;
}

static bool answers(const struct redis_daemon *d)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char reply[64] = "";
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", d->socket + 5);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
		  send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && recv(fd, reply, 60, 0) > 0;
	if (fd >= 0)
		close(fd);
	return ok && !strstr(reply, "LOADING");
}

bool redis_daemon_await(struct redis_daemon *d, bool (*is)(const struct redis_daemon *d),
			uint64_t ms)
{
	char events[4096];
	int status;
	const uint64_t end = clock_mono_ms() + ms;
	struct pollfd fds[2] = {{.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), .events = POLLIN},
				{.fd = (int)syscall(SYS_pidfd_open, d->pid, 0), .events = POLLIN}};
	bool good = false;
	/* Before the first look, so that nothing falls between. */
	CHECK(fds[0].fd >= 0 &&
	      inotify_add_watch(fds[0].fd, d->folder, IN_CREATE | IN_MODIFY | IN_MOVED_TO) >= 0);
	for (uint64_t now = clock_mono_ms(); !(good = is(d)) && now < end; now = clock_mono_ms()) {
		(void)poll(fds, 2, (int)(end - now));
		while (read(fds[0].fd, events, sizeof(events)) > 0) {
		}
		if (waitpid(d->pid, &status, WNOHANG) == d->pid) {
			d->pid = 0;
			break;
		}
	}
	close(fds[0].fd);
	if (fds[1].fd >= 0)
		close(fds[1].fd);
	return good;
}

bool redis_daemon_again(struct redis_daemon *d, const char *const *more)
{
	const char *args[REDIS_ARGS + 20];
	char port[PORT_TEXT];
	size_t n = 0;
	snprintf(port, sizeof(port), "%u", d->port);
	const char *const fixed[] = {
		"redis-server", "--port", port,      "--bind", "127.0.0.1", "--unixsocket",
		d->socket + 5,  "--dir",  d->folder, "--save", "",          "--logfile",
		"log"};
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		args[n++] = fixed[i];
	for (size_t i = 0; more && more[i]; i++)
		args[n++] = more[i];
	args[n] = NULL;
	pid_t parent = getpid();
	d->pid = fork();
	CHECK(d->pid >= 0);
	if (d->pid == 0) {
		(void)parent;
		execvp(args[0], (char *const *)(uintptr_t)args);
		_exit(127);
	}
	return redis_daemon_await(d, answers, START_MS);
}

bool redis_daemon_start(struct redis_daemon *d, bool tcp, const char *const *more)
{
	/* Somebody else may be quicker on a port. */
	for (unsigned i = 0; i < (tcp ? TRIES : 1); i++) {
		*d = (struct redis_daemon){.folder = "/tmp/sallyport-redis-XXXXXX"};
		if (!mkdtemp(d->folder))
			return false;
		snprintf(d->socket, sizeof(d->socket), "unix:%s/s", d->folder);
		d->port = tcp ? redis_free_port() : 0;
		if (redis_daemon_again(d, more))
			return true;
		redis_daemon_remove(d);
	}
	return false;
}

static void end(struct redis_daemon *d, int signal)
{
	int status;
	if (d->pid <= 0)
		return;
	kill(d->pid, SIGCONT);
	kill(d->pid, signal);
	(void)waitpid(d->pid, &status, 0);
	d->pid = 0;
}

void redis_daemon_stop(struct redis_daemon *d)
{
	end(d, SIGTERM);
}

void redis_daemon_kill(struct redis_daemon *d)
{
	end(d, SIGKILL);
}

void redis_daemon_freeze(struct redis_daemon *d, bool frozen)
{
	kill(d->pid, frozen ? SIGSTOP : SIGCONT);
}

void redis_daemon_remove(struct redis_daemon *d)
{
	static const char *const names[] = {"s", "log", "dump.rdb", "nodes.conf", "kept.rdb"};
	redis_daemon_kill(d);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", d->folder, names[i]);
		unlink(path);
	}
	rmdir(d->folder);
}

int redis_shell(const char *command, char *out, size_t cap)
{
	int ends[2], status = -1;
	CHECK(cap > 0);
	out[0] = 0;
	if (pipe(ends) != 0)
		return -1;
	const pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	size_t n = 0;
	ssize_t got;
	while (n < cap - 1 && (got = read(ends[0], out + n, cap - 1 - n)) > 0)
		n += (size_t)got;
	close(ends[0]);
	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	out[n] = 0;
	if (n > 0 && out[n - 1] == '\n')
		out[n - 1] = 0;
	return status;
}

const char *redis_daemon_do(const struct redis_daemon *d, const char *command)
{
	static char line[COMMAND];
	char shell[COMMAND];
	snprintf(shell, sizeof(shell), "redis-cli -s %s %s 2>&1", d->socket + 5, command);
	(void)redis_shell(shell, line, sizeof(line));
	return line;
}

/* ---- the node ---- */

static void on_event(void *ctx, const struct event *e)
{
	struct rig *r = ctx;
	struct rig_heard *h = &r->heard[r->count++ % RIG_HEARD];
	struct buf b;
	h->type = e->type;
	if (e->type == EVENT_STORE_REPLY) {
		h->reply = e->stored;
		buf_init(&b, h->value, sizeof(h->value));
		buf_str(&b, e->stored.value);
		h->reply.value = buf_view(&b);
		buf_init(&b, h->member, sizeof(h->member));
		buf_str(&b, e->stored.member);
		h->reply.member = buf_view(&b);
		r->replies++;
	} else if (e->type == EVENT_STORE_TOLD) {
		h->told = e->store_told;
		buf_init(&b, h->value, sizeof(h->value));
		buf_str(&b, e->store_told.value);
		h->told.value = buf_view(&b);
		buf_init(&b, h->node, sizeof(h->node));
		buf_str(&b, e->store_told.node);
		h->told.node = buf_view(&b);
		r->tolds++;
	} else if (e->type == EVENT_STORE_STATE) {
		h->state = e->store_state;
		r->ups += e->store_state.up;
		r->downs += !e->store_state.up;
		r->fresh += e->store_state.is_fresh;
		r->missed += e->store_state.missed;
	}
}

void rig_init(struct rig *r, const char *node)
{
	uint8_t seed[RNG_SEED_LEN];
	*r = (struct rig){
		.settings = {.kind = STORE_KIND_REDIS,
			     .key = STR("a key that all nodes of this test have in common"),
			     .prefix = STR("sp:"),
			     .timeout_ms = 250,
			     .slow_ms = 50,
			     .queue = 1000}};
	(void)node;
	clock_random(seed, sizeof(seed));
	rng_init(&r->rng, seed);
	CHECK(turn_init(&r->turn, on_event, r) == OK);
}

void rig_start(struct rig *r, const char *name)
{
	char mem[256];
	struct buf why;
	const struct store_redis_params p = {
		.turn = &r->turn, .rng = &r->rng, .settings = &r->settings, .node = str_from(name)};
	buf_init(&why, mem, sizeof(mem));
	enum err e = store_redis_new(&r->store, &p, &why);
	if (e)
		fprintf(stderr, "%.*s\n", (int)why.len, mem);
	CHECK(e == OK);
}

void rig_stop(struct rig *r)
{
	store_redis_free(&r->store);
	turn_release(&r->turn);
}

static void turn_once(struct rig *r, uint64_t wait_ms)
{
	const uint64_t now = clock_mono_ms(), next = wheel_next_ms(&r->turn.wheel);
	const uint64_t until = next > now ? next - now : 0;
	r->turn.again = false;
	watch_loop_wait(r->turn.loop, until < wait_ms ? until : wait_ms);
	turn_begin(&r->turn);
	turn_expire(&r->turn);
	for (unsigned i = 0; i < 4; i++) {
		store_redis_flush(r->store);
		if (!turn_deliver(&r->turn))
			break;
	}
	turn_end(&r->turn);
}

bool rig_run(struct rig *r, bool (*done)(void *ctx), void *ctx, unsigned ms)
{
	const uint64_t end_ms = clock_mono_ms() + ms;
	while (!done || !done(ctx)) {
		const uint64_t now = clock_mono_ms();
		if (now >= end_ms)
			return false;
		turn_once(r, end_ms - now < 10 ? end_ms - now : 10);
	}
	return true;
}

void rig_pass(struct rig *r, unsigned ms)
{
	(void)rig_run(r, NULL, NULL, ms);
}

struct awaited {
	struct rig *r;
	uint64_t from;
};

static bool has_reply(void *ctx)
{
	const struct awaited *a = ctx;
	for (uint64_t i = a->from; i < a->r->count; i++) {
		const struct rig_heard *h = &a->r->heard[i % RIG_HEARD];
		if (h->type == EVENT_STORE_REPLY && !h->reply.more)
			return true;
	}
	return false;
}

const struct rig_heard *rig_ask(struct rig *r, const struct store_op *op)
{
	struct store_op asked = *op;
	struct awaited a = {r, r->count};
	if (asked.owner == ID_NONE)
		asked.owner = 77;
	turn_begin(&r->turn);
	store_redis_post(r->store, &asked);
	if (!rig_run(r, has_reply, &a, 3000))
		return NULL;
	return rig_latest(r, EVENT_STORE_REPLY);
}

const struct rig_heard *rig_latest(const struct rig *r, enum event_type type)
{
	for (uint64_t i = r->count; i > 0 && i + RIG_HEARD > r->count; i--)
		if (r->heard[(i - 1) % RIG_HEARD].type == type)
			return &r->heard[(i - 1) % RIG_HEARD];
	return NULL;
}

static bool is_up(void *ctx)
{
	struct store_view v;
	store_redis_view(((struct rig *)ctx)->store, &v);
	return v.up && v.listens;
}

static bool is_down(void *ctx)
{
	struct store_view v;
	store_redis_view(((struct rig *)ctx)->store, &v);
	return !v.up;
}

bool rig_wait_up(struct rig *r, bool up, unsigned ms)
{
	return rig_run(r, up ? is_up : is_down, r, ms);
}
