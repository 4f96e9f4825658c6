/*
 * sallyport-ban: the one process of ours that may change the kernel's packet filter, and all that it does. The SBC, which
 * parses what strangers send, has no capability; it tells this one which sources to drop (sbc/shell/ban_wire.h). A table
 * of our own, a rule before connection tracking, sets whose elements end by themselves:
 *
 *   what comes to a listener of the SBC, from a banned source → counter, drop
 *
 * All else of that source passes: its media, the operator's shell. An IPv6 /64 is one element.
 */
#include <errno.h>
#include <getopt.h>
#include <nftables/libnftables.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/check.h"
#include "common/sdnotify.h"
#include "sbc/shell/ban_wire.h"

#define DEFAULT_SOCKET "/run/sallyport/ban.sock"

enum { EXIT_WRONG = 2, SCRIPT_BYTES = 256 * 1024, CLIENTS = 4, BATCH = 512 };

struct options {
	const char *socket, *user;
	bool keep;
};

struct helper {
	struct nft_ctx *nft;
	struct buf script; /* what is to be told next, in one transaction */
	unsigned failed;
	int fd, signals, clients[CLIENTS];
	uid_t uid; /* of the SBC */
};

/* Hash sets for what is common; intervals for prefixes of other lengths. */
static const char table[] =
	"add table inet sallyport\n"
	"add set inet sallyport sip4 { type ipv4_addr . inet_proto . inet_service; }\n"
	"add set inet sallyport sip6 { type ipv6_addr . inet_proto . inet_service; }\n"
	"add set inet sallyport sources4 { type ipv4_addr; size 131072; flags timeout; }\n"
	"add set inet sallyport sources6 { type ipv6_addr; size 131072; flags timeout; }\n"
	"add set inet sallyport nets4 { type ipv4_addr; size 65536; flags interval,timeout; }\n"
	"add set inet sallyport nets6 { type ipv6_addr; size 65536; flags interval,timeout; }\n"
	"add chain inet sallyport banned4\n"
	"add chain inet sallyport banned6\n"
	"add chain inet sallyport prerouting { type filter hook prerouting priority raw; policy "
	"accept; }\n"
	"flush chain inet sallyport prerouting\n"
	"flush chain inet sallyport banned4\n"
	"flush chain inet sallyport banned6\n"
	"add rule inet sallyport banned4 ip saddr @sources4 counter drop\n"
	"add rule inet sallyport banned4 ip saddr @nets4 counter drop\n"
	"add rule inet sallyport banned6 ip6 saddr & ffff:ffff:ffff:ffff:: @sources6 counter drop\n"
	"add rule inet sallyport banned6 ip6 saddr @nets6 counter drop\n"
	"add rule inet sallyport prerouting ip daddr . meta l4proto . th dport @sip4 jump banned4\n"
	"add rule inet sallyport prerouting ip6 daddr . meta l4proto . th dport @sip6 jump "
	"banned6\n";

static bool run(struct helper *h, const char *script)
{
	if (nft_run_cmd_from_buffer(h->nft, script) == 0)
		return true;
	fprintf(stderr, "sallyport-ban: the kernel refuses: %s\n",
		nft_ctx_get_error_buffer(h->nft));
	return false;
}

/* One record fails without the others: a transaction is all or nothing. */
static void flush(struct helper *h)
{
	if (h->script.len == 0)
		return;
	buf_char(&h->script, 0);
	if (h->script.overflow || !run(h, h->script.p))
		h->failed++;
	buf_reset(&h->script);
}

/* ---- records */

static const char *set_of(const struct prefix *p, bool *out_one)
{
	const bool ip6 = p->addr.family == ADDR_IP6;

	*out_one = ip6 ? p->bits == 64 : p->bits == 32;
	return *out_one ? (ip6 ? "sources6" : "sources4") : (ip6 ? "nets6" : "nets4");
}

static void write_element(struct buf *b, const char *verb, const struct ban_wire *w)
{
	bool one;
	const char *set = set_of(&w->source, &one);

	buf_printf(b, "%s element inet sallyport %s { ", verb, set);
	addr_write_ip(b, &w->source.addr);
	if (!one)
		buf_printf(b, "/%u", (unsigned)w->source.bits);
	if (w->seconds)
		buf_printf(b, " timeout %us", w->seconds);
	buf_lit(b, " }\n");
}

/* The time of an element that is there cannot be changed: it goes, and comes again, in one transaction. */
static void on_ban(struct helper *h, const struct ban_wire *w)
{
	struct ban_wire bare = *w;

	bare.seconds = 0;
	write_element(&h->script, "add", w);
	write_element(&h->script, "delete", &bare);
	write_element(&h->script, "add", w);
}

static void on_record(struct helper *h, const struct ban_wire *w)
{
	struct buf *b = &h->script;

	switch (w->type) {
	case BAN_WIRE_FRESH:
		buf_lit(b, "flush set inet sallyport sip4\nflush set inet sallyport sip6\n");
		break;
	case BAN_WIRE_LISTEN:
		buf_printf(b, "add element inet sallyport %s { ",
			   w->listen.family == ADDR_IP6 ? "sip6" : "sip4");
		addr_write_ip(b, &w->listen);
		buf_printf(b, " . %s . %u }\n", w->tcp ? "tcp" : "udp", (unsigned)w->listen.port);
		break;
	case BAN_WIRE_BAN: on_ban(h, w); break;
	case BAN_WIRE_LIFT: /* added first, for one that is not there cannot be deleted */
		write_element(b, "add", w);
		write_element(b, "delete", w);
		break;
	case BAN_WIRE_TYPE_COUNT: break;
	}
	/* Prefixes may overlap, which the kernel refuses: such a one harms nobody but itself. */
	if (w->type == BAN_WIRE_BAN || w->type == BAN_WIRE_LIFT) {
		bool one;
		(void)set_of(&w->source, &one);
		if (!one)
			flush(h);
	}
}

/* False: the connection is over. */
static bool read_records(struct helper *h, int fd)
{
	char mem[BAN_WIRE_MAX + 1];
	struct ban_wire w;

	for (unsigned i = 0; i < BATCH; i++) {
		const ssize_t n = recv(fd, mem, sizeof(mem), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (n < 0)
			return true;
		if (ban_wire_read((struct str){mem, (size_t)n}, &w) != OK) {
			fprintf(stderr, "sallyport-ban: a record is not understood\n");
			return false;
		}
		if (w.type == BAN_WIRE_BAN && set_of(&w.source, &(bool){false})[0] == 'n')
			flush(h);
		on_record(h, &w);
		if (h->script.len > SCRIPT_BYTES / 2)
			flush(h);
	}
	return true;
}

/* ---- connections */

static bool is_the_sbc(const struct helper *h, int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
		return false;
	return who.uid == 0 || who.uid == geteuid() || who.uid == h->uid;
}

static void on_connect(struct helper *h)
{
	const int fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC);
	int *place = NULL;

	for (unsigned i = 0; i < CLIENTS && !place; i++)
		if (h->clients[i] < 0)
			place = &h->clients[i];
	if (fd < 0)
		return;
	if (!place || !is_the_sbc(h, fd)) {
		fprintf(stderr, "sallyport-ban: a stranger was turned away\n");
		(void)close(fd);
		return;
	}
	*place = fd;
}

static int open_socket(const char *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct stat st;

	if (str_copy(str_from(path), un.sun_path, sizeof(un.sun_path)) != OK) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const mode_t before = umask(0117); /* for the group of the SBC */
	const bool good = fd >= 0 && bind(fd, (const struct sockaddr *)&un, sizeof(un)) == 0 &&
			  listen(fd, CLIENTS) == 0;
	(void)umask(before);
	if (!good && fd >= 0) {
		const int saved = errno;
		(void)close(fd);
		errno = saved;
		return -1;
	}
	return good ? fd : -1;
}

static void serve(struct helper *h)
{
	for (;;) {
		struct pollfd p[CLIENTS + 2] = {{h->fd, POLLIN, 0}, {h->signals, POLLIN, 0}};
		for (unsigned i = 0; i < CLIENTS; i++)
			p[i + 2] = (struct pollfd){h->clients[i], POLLIN, 0};
		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			return;
		if (p[1].revents)
			return;
		for (unsigned i = 0; i < CLIENTS; i++)
			if (p[i + 2].revents && !read_records(h, h->clients[i])) {
				(void)close(h->clients[i]);
				h->clients[i] = -1;
			}
		flush(h);
		if (p[0].revents)
			on_connect(h);
	}
}

/* ---- start */

static int help(FILE *to)
{
	fprintf(to, "usage: sallyport-ban [--socket=PATH] [--user=NAME] [--keep]\n\n"
		    "  --socket=PATH  where the SBC tells it (" DEFAULT_SOCKET ")\n"
		    "  --user=NAME    of the SBC; root and our own user may tell it too\n"
		    "  --keep         leave the table in the kernel at the end: bans go on\n\n"
		    "It needs CAP_NET_ADMIN and nothing else.\n");
	return to == stdout ? EXIT_SUCCESS : EXIT_WRONG;
}

static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{"socket", required_argument, NULL, 's'}, {"user", required_argument, NULL, 'u'},
		{"keep", no_argument, NULL, 'k'},         {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0}};
	int c;

	*o = (struct options){.socket = DEFAULT_SOCKET};
	while ((c = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		switch (c) {
		case 's': o->socket = optarg; break;
		case 'u': o->user = optarg; break;
		case 'k': o->keep = true; break;
		case 'v': printf("sallyport-ban %s\n", SALLYPORT_VERSION); return EXIT_SUCCESS;
		case 'h': return help(stdout);
		default: return help(stderr);
		}
	}
	return optind < argc ? help(stderr) : -1;
}

static bool start(struct helper *h, const struct options *o)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	h->signals = signalfd(-1, &set, SFD_CLOEXEC);
	h->uid = geteuid();
	if (o->user) {
		const struct passwd *pw = getpwnam(o->user);
		if (!pw) {
			fprintf(stderr, "sallyport-ban: there is no user \"%s\"\n", o->user);
			return false;
		}
		h->uid = pw->pw_uid;
	}
	h->nft = nft_ctx_new(NFT_CTX_DEFAULT);
	char *mem = malloc(SCRIPT_BYTES);
	if (!h->nft || !mem) {
		fprintf(stderr, "sallyport-ban: out of memory\n");
		return false;
	}
	buf_init(&h->script, mem, SCRIPT_BYTES);
	nft_ctx_buffer_error(h->nft);
	if (!run(h, table))
		return false;
	h->fd = open_socket(o->socket);
	if (h->fd < 0)
		fprintf(stderr, "sallyport-ban: %s: %s\n", o->socket, strerror(errno));
	return h->fd >= 0;
}

int main(int argc, char **argv)
{
	struct helper h = {.fd = -1, .signals = -1, .clients = {-1, -1, -1, -1}};
	struct options o;
	const int status = read_options(argc, argv, &o);

	if (status >= 0)
		return status;
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	const bool good = start(&h, &o);
	if (good) {
		fprintf(stderr, "ready: pid %ld\n", (long)getpid());
		sdnotify("READY=1");
		serve(&h);
		(void)unlink(o.socket);
		if (!o.keep)
			(void)run(&h, "delete table inet sallyport\n");
	}
	if (h.nft)
		nft_ctx_free(h.nft);
	free(h.script.p);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
