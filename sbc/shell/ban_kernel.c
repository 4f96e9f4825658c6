#include "ban_kernel.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sbc/shell/ban_wire.h"

void ban_kernel_init(struct ban_kernel *k, const struct settings *s)
{
	*k = (struct ban_kernel){.wanted = s->bans.kernel_path.len > 0, .fd = -1};
}

static void hang_up(struct ban_kernel *k)
{
	if (k->fd >= 0)
		(void)close(k->fd);
	k->fd = -1;
	k->telling = false;
}

void ban_kernel_release(struct ban_kernel *k)
{
	if (k->wanted)
		hang_up(k);
	k->wanted = false;
}

/* False: it did not go. A full socket is no failure: all is told anew, from where it stopped. */
static bool tell(struct ban_kernel *k, const struct ban_wire *w)
{
	char mem[BAN_WIRE_MAX];
	struct buf b;

	buf_init(&b, mem, sizeof(mem));
	ban_wire_write(&b, w);
	if (k->fd < 0 || b.overflow)
		return false;
	if (send(k->fd, b.p, b.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)b.len)
		return true;
	if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		hang_up(k);
	return false;
}

static bool tell_ban(struct ban_kernel *k, const struct ban *v, uint64_t wall_ms)
{
	const uint64_t left_s = v->until_ms > wall_ms ? (v->until_ms - wall_ms) / 1000 + 1 : 0;
	const struct ban_wire w = {
		.type = BAN_WIRE_BAN,
		.source = v->source,
		.seconds =
			(uint32_t)(left_s < BAN_WIRE_SECONDS_MAX ? left_s : BAN_WIRE_SECONDS_MAX)};

	if (left_s == 0)
		return true;
	const bool good = tell(k, &w);
	k->told += good;
	return good;
}

void ban_kernel_notice(struct ban_kernel *k, const struct notice *n)
{
	const struct ban *v = n->ban;
	const bool lifted = str_eq(n->why, STR("lifted"));
	const struct ban_wire w = {.type = BAN_WIRE_LIFT, .source = v->source};

	if (!k->wanted || k->fd < 0 || v->kind != SUBJECT_SOURCE || v->mode != BAN_OUT)
		return;
	bool good = true;
	if (lifted)
		good = tell(k, &w);
	else if (v->flood && !str_eq(n->why, STR("ended"))) /* the kernel's time ends by itself */
		good = tell_ban(k, v, n->wall_ms);
	if (!good && k->fd >= 0) {
		k->telling = true;
		k->cursor = 0;
		if (lifted) /* whom it has too many would stay shut out: it begins anew */
			hang_up(k);
	}
}

static bool tell_listeners(struct ban_kernel *k, const struct settings *s)
{
	struct ban_wire w = {.type = BAN_WIRE_FRESH};

	if (!tell(k, &w))
		return false;
	w.type = BAN_WIRE_LISTEN;
	for (size_t i = 0; i < s->listener_count; i++) {
		w.listen = s->listeners[i].local;
		w.tcp = s->listeners[i].transport != TRANSPORT_UDP;
		if (!tell(k, &w))
			return false;
	}
	return true;
}

static bool reach(struct ban_kernel *k, const struct settings *s)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	if (str_copy(s->bans.kernel_path, un.sun_path, sizeof(un.sun_path)) != OK)
		return false;
	k->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (k->fd < 0)
		return false;
	if (connect(k->fd, (const struct sockaddr *)&un, sizeof(un)) == 0 && tell_listeners(k, s)) {
		k->telling = true;
		k->cursor = 0;
		return true;
	}
	const int saved = errno;
	hang_up(k);
	errno = saved;
	return false;
}

static void say(struct log *log, bool there, const struct settings *s, struct ban_time t, int why)
{
	log_start(log, there ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "ban_kernel", STR_NONE, t.wall_ms);
	log_z(log, "state", there ? "there" : "gone");
	log_str(log, "socket", s->bans.kernel_path);
	if (!there)
		log_z(log, "why", why ? strerror(why) : "it does not answer");
	log_end(log);
}

/* It never says anything: what can be read is its end. */
static void look(struct ban_kernel *k)
{
	char unused[16];

	if (k->fd >= 0 && recv(k->fd, unused, sizeof(unused), MSG_DONTWAIT) == 0)
		hang_up(k);
}

bool ban_kernel_tick(struct ban_kernel *k, const struct settings *s, const struct sbc *sbc,
		     struct ban_time t, struct log *log)
{
	struct ban v;

	if (!k->wanted)
		return false;
	look(k);
	if (k->fd < 0 && t.now_ms >= k->retry_ms) {
		k->retry_ms = t.now_ms + BAN_KERNEL_RETRY_MS;
		const bool there = reach(k, s);
		if (there || !k->said)
			say(log, there, s, t, errno);
		k->said = !there;
	}
	for (unsigned i = 0; i < BAN_KERNEL_AT_ONCE && k->fd >= 0 && k->telling; i++) {
		uint32_t before = k->cursor;
		if (!sbc_next_ban(sbc, t, false, &k->cursor, &v)) {
			k->telling = false;
		} else if (v.kind == SUBJECT_SOURCE && v.mode == BAN_OUT && v.flood &&
			   !tell_ban(k, &v, t.wall_ms)) {
			k->cursor = before;
			break;
		}
	}
	return k->fd >= 0 && k->telling;
}
