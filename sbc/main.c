/* sallyport-sbc: reads its options and configuration, drops what it need not have, runs the loop. */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sbc/config.h"
#include "sbc/shell/loop.h"
#include "common/sdnotify.h"

#define DEFAULT_CONFIG "/etc/sallyport/sallyport.yaml"

enum { EXIT_WRONG = 2, DESCRIPTORS_EXTRA = 256 };

struct options {
	const char *config;
	bool check, foreground;
};

static void help(FILE *to)
{
	fprintf(to,
		"usage: sallyport-sbc [-c FILE] [--foreground] [--check] [--version]\n\n"
		"  -c, --config FILE  configuration (" DEFAULT_CONFIG ")\n"
		"      --foreground   stay in the foreground (it always does; for habit's sake)\n"
		"      --check        say every mistake of the configuration and exit: 0 none, 2 "
		"some\n"
		"      --version      print the version\n"
		"      --help         print this\n\n"
		"Signals: TERM and INT end it in order, HUP reads the configuration again.\n");
}

/* -1: run; else the exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{"config", required_argument, NULL, 'c'}, {"foreground", no_argument, NULL, 'f'},
		{"check", no_argument, NULL, 'k'},        {"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
	int c;
	*o = (struct options){.config = DEFAULT_CONFIG};
	while ((c = getopt_long(argc, argv, "c:fh", names, NULL)) != -1) {
		switch (c) {
		case 'c': o->config = optarg; break;
		case 'f': o->foreground = true; break;
		case 'k': o->check = true; break;
		case 'v': printf("sallyport-sbc %s\n", SALLYPORT_VERSION); return EXIT_SUCCESS;
		case 'h': help(stdout); return EXIT_SUCCESS;
		default: help(stderr); return EXIT_WRONG;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sallyport-sbc: unexpected argument \"%s\"\n", argv[optind]);
		return EXIT_WRONG;
	}
	return -1;
}

static enum err load(void *ctx, struct settings **out, struct buf *errors, struct buf *warnings)
{
	const struct options *o = ctx;
	struct conf_report report;
	enum err e = conf_report_init(&report);
	if (e)
		return e;
	e = config_load(o->config, &report, out);
	for (size_t i = 0; i < report.count; i++) {
		struct buf *to = report.messages[i].warning ? warnings : errors;
		/* As many as fit: half a line helps nobody. */
		if (to->cap - to->len > report.messages[i].text.len + 1) {
			buf_str(to, report.messages[i].text);
			buf_char(to, '\n');
		}
	}
	conf_report_release(&report);
	return e;
}

static void unload(void *ctx, struct settings *s)
{
	(void)ctx;
	config_free(s);
}

/* Loads, and says on stderr what there is to say. */
static enum err load_and_say(struct options *o, struct settings **out)
{
	static char mem[2][64 * 1024];
	struct buf errors, warnings;
	buf_init(&errors, mem[0], sizeof(mem[0]));
	buf_init(&warnings, mem[1], sizeof(mem[1]));
	enum err e = load(o, out, &errors, &warnings);
	fprintf(stderr, "%.*s%.*s", STR_ARG(buf_view(&errors)), STR_ARG(buf_view(&warnings)));
	if (e && errors.len == 0)
		fprintf(stderr, "sallyport-sbc: %s: %s\n", o->config, err_text(e));
	return e;
}

/* No core files, no debugger of the same user: memory holds keys. */
static void harden(void)
{
	struct rlimit none = {0, 0};
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Descriptors for all connections that the configuration allows; root may lift the hard limit. */
static void raise_descriptors(const struct settings *s)
{
	struct rlimit l;
	rlim_t want = (rlim_t)s->limits.connections + DESCRIPTORS_EXTRA;
	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= want)
		return;
	struct rlimit more = {want, l.rlim_max > want ? l.rlim_max : want};
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		return;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
	fprintf(stderr,
		"sallyport-sbc: only %llu descriptors may be open: not all of %u connections fit\n",
		(unsigned long long)l.rlim_max, s->limits.connections);
}

static bool become(struct str user)
{
	char name[64];
	if (user.len == 0 || geteuid() != 0)
		return true;
	if (str_copy(user, name, sizeof(name)) != OK)
		return false;
	const struct passwd *pw = getpwnam(name);
	if (!pw) {
		fprintf(stderr, "sallyport-sbc: node.run_as: there is no user \"%s\"\n", name);
		return false;
	}
	if (initgroups(name, pw->pw_gid) == 0 && setgid(pw->pw_gid) == 0 && setuid(pw->pw_uid) == 0)
		return true;
	fprintf(stderr, "sallyport-sbc: cannot become \"%s\": %s\n", name, strerror(errno));
	return false;
}

static int run(struct options *o, struct settings *s)
{
	char mem[1024];
	struct buf why;
	struct loop *loop = NULL;
	struct str user = s->run_as;
	buf_init(&why, mem, sizeof(mem));
	raise_descriptors(s);
	/* Ports below 1024, key files and log folders may need root; nothing afterwards does. */
	struct loop_params p = {.settings = s,
				.source = {load, unload, o},
				.log_fd = STDERR_FILENO,
				.log_priority = getenv("JOURNAL_STREAM") != NULL};
	if (loop_new(&loop, &p, &why) != OK) {
		fprintf(stderr, "sallyport-sbc: %.*s\n", STR_ARG(buf_view(&why)));
		config_free(s);
		return EXIT_FAILURE;
	}
	if (!become(user)) {
		loop_free(&loop);
		return EXIT_FAILURE;
	}
	harden(); /* after setuid, which sets the dumpable flag anew */
	fprintf(stderr, "ready: node %.*s, %zu listeners, pid %ld\n", STR_ARG(s->node),
		s->listener_count, (long)getpid());
	sdnotify("READY=1");
	loop_run(loop);
	loop_free(&loop);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options o;
	struct settings *s = NULL;
	int status = read_options(argc, argv, &o);
	if (status >= 0)
		return status;
	signal(SIGPIPE, SIG_IGN);
	harden();
	if (load_and_say(&o, &s) != OK)
		return EXIT_WRONG;
	if (!o.check)
		return run(&o, s);
	printf("%s: good\n", o.config);
	config_free(s);
	return EXIT_SUCCESS;
}
