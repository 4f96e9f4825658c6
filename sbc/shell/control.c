#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/json.h"

struct client {
	struct control *control;
	int fd; /* -1: free place */
	struct watch *watch;
	struct turn_timer timer;
	char in[CONTROL_REQUEST_MAX];
	size_t in_len;
	char *out; /* the reply, once there is one */
	size_t out_len, out_at;
	uint64_t waits; /* the number of its asker; 0: nothing comes later */
};

struct control {
	struct turn *turn;
	control_fn fn;
	void *ctx;
	int fd;
	struct watch *watch;
	struct sockaddr_un sa;
	struct client clients[CONTROL_CLIENTS_MAX];
	struct client *asks;                    /* while the function runs */
	uint64_t askers;                        /* numbers given */
	char nodes[CONTROL_REQUEST_MAX + 8192]; /* of the request that is being answered */
};

static void hang_up(struct client *c)
{
	turn_timer_stop(c->control->turn, &c->timer);
	watch_free(&c->watch);
	close(c->fd);
	c->fd = -1;
	free(c->out);
	c->out = NULL;
	c->waits = 0;
}

struct str control_read(struct str line, struct arena *a, const struct dict **out_request)
{
	struct dict *d = NULL;
	line = str_trim(line);
	if (json_parse(line, a, &d) < 0)
		return STR_NONE;
	*out_request = d;
	return dict_get_str(d, STR("command"));
}

static void write_reply(struct client *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (watch_set(c->watch, WATCH_WRITE) != OK)
				hang_up(c);
			return;
		}
		if (n <= 0)
			break;
		c->out_at += (size_t)n;
	}
	hang_up(c);
}

/* Takes the reply. */
static void reply_with(struct client *c, struct str reply)
{
	if (!reply.p) {
		hang_up(c);
		return;
	}
	c->out = (char *)(uintptr_t)reply.p;
	c->out_len = reply.len;
	c->out_at = 0;
	write_reply(c);
}

static void answer(struct client *c, struct str line)
{
	struct control *control = c->control;
	const struct dict *request = NULL;
	struct arena a;
	arena_init(&a, control->nodes, sizeof(control->nodes));
	struct str command = control_read(line, &a, &request);
	control->asks = c;
	struct str reply = control->fn(control->ctx, command, request);
	control->asks = NULL;
	if (c->waits == 0)
		reply_with(c, reply);
	/* Whatever more it says has no meaning; that it has gone is seen when it is answered. */
	else if (watch_set(c->watch, 0) != OK)
		hang_up(c);
}

struct control_asker control_later(struct control *control)
{
	struct client *c = control->asks;
	CHECK(c);
	c->waits = ++control->askers;
	turn_timer_set(control->turn, &c->timer, control->turn->now_ms + CONTROL_LATER_MS);
	return (struct control_asker){(size_t)(c - control->clients), c->waits};
}

void control_reply(struct control *control, struct control_asker to, struct str reply)
{
	struct client *c = &control->clients[to.client];
	if (to.number == 0 || c->waits != to.number) {
		free((char *)(uintptr_t)reply.p);
		return;
	}
	c->waits = 0;
	turn_timer_set(control->turn, &c->timer, control->turn->now_ms + CONTROL_PATIENCE_MS);
	reply_with(c, reply);
}

static void read_request(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->in_len += (size_t)n;
	struct str all = {c->in, c->in_len};
	size_t end = str_index(all, '\n');
	if (end < all.len || (n == 0 && all.len > 0))
		answer(c, (struct str){all.p, end});
	else if (n <= 0 || c->in_len == sizeof(c->in))
		hang_up(c);
}

static void on_client(void *ctx, unsigned ready)
{
	struct client *c = ctx;
	turn_begin(c->control->turn);
	if (c->out && ready & WATCH_WRITE)
		write_reply(c);
	else if (!c->out)
		read_request(c);
}

static void on_timer(void *ctx)
{
	hang_up(ctx);
}

static void on_accept(void *ctx, unsigned ready)
{
	struct control *control = ctx;
	(void)ready;
	turn_begin(control->turn);
	int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	struct client *c = NULL;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX && !c; i++)
		if (control->clients[i].fd < 0)
			c = &control->clients[i];
	if (!c || watch_new(&c->watch, control->turn->loop, fd, on_client, c) != OK) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->in_len = 0;
	turn_timer_set(control->turn, &c->timer, control->turn->now_ms + CONTROL_PATIENCE_MS);
	if (watch_set(c->watch, WATCH_READ) != OK)
		hang_up(c);
}

/* Does anybody answer there? */
static bool is_alive(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive = fd >= 0 && connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0;
	if (fd >= 0)
		close(fd);
	return alive;
}

static enum err open_socket(struct control *c)
{
	struct stat st;
	if (is_alive(&c->sa))
		return ERR_EXISTS;
	/* A socket that a crashed run left behind; never a file that is something else. */
	if (lstat(c->sa.sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(c->sa.sun_path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return ERR_IO;
	mode_t before = umask(0177);
	int bound = bind(c->fd, (struct sockaddr *)&c->sa, sizeof(c->sa));
	umask(before);
	if (bound != 0 || listen(c->fd, CONTROL_CLIENTS_MAX) != 0)
		return ERR_IO;
	enum err e = watch_new(&c->watch, c->turn->loop, c->fd, on_accept, c);
	return e ? e : watch_set(c->watch, WATCH_READ);
}

enum err control_new(struct control **out, struct turn *turn, struct str path, control_fn fn,
		     void *ctx)
{
	struct control *c = calloc(1, sizeof(*c));
	if (!c)
		return ERR_NOMEM;
	c->turn = turn;
	c->fn = fn;
	c->ctx = ctx;
	c->fd = -1;
	c->sa.sun_family = AF_UNIX;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		c->clients[i].control = c;
		c->clients[i].fd = -1;
		turn_timer_init(&c->clients[i].timer, on_timer, &c->clients[i]);
	}
	enum err e = str_copy(path, c->sa.sun_path, sizeof(c->sa.sun_path));
	if (!e)
		e = open_socket(c);
	if (e) {
		int saved = errno;
		watch_free(&c->watch);
		if (c->fd >= 0)
			close(c->fd);
		free(c);
		errno = saved;
		return e;
	}
	*out = c;
	return OK;
}

void control_free(struct control **control)
{
	struct control *c = *control;
	if (!c)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (c->clients[i].fd >= 0)
			hang_up(&c->clients[i]);
	watch_free(&c->watch);
	close(c->fd);
	(void)unlink(c->sa.sun_path);
	free(c);
	*control = NULL;
}
