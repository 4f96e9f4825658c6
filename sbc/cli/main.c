/* sallyport: the operator's command. A table of subcommands; the work is in the files beside. */
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "sbc/cli/cli.h"

static int help(const struct cli_options *o);
static int version(const struct cli_options *o);

static const struct command {
	const char *name;
	int (*run)(const struct cli_options *o);
	const char *help;
} commands[] = {
	{"check", cli_check, "say every mistake of a configuration file"},
	{"status", cli_status, "the state of the running SBC"},
	{"calls", cli_calls, "the calls that it has now"},
	{"reload", cli_reload, "let it read its configuration again"},
	{"explain", cli_explain, "what would become of a call, and by which rules"},
	{"bans", cli_bans, "who is kept out, why, and until when"},
	{"ban", cli_ban, "keep somebody out"},
	{"unban", cli_unban, "let somebody in again; its strikes are forgotten"},
	{"settings", cli_settings, "print every setting there is, in Markdown"},
	{"help", help, "this page"},
	{"version", version, "print the version"},
};

/* Options that only some commands have; "name=": with a value; "=": a word without dashes. */
static const struct {
	const char *command;
	const char *const options[CLI_ARGUMENTS_MAX];
} own_options[] = {
	{"check", {"strict"}},
	{"explain",
	 {"from=", "via=", "certificate=", "realm=", "user=", "caller=", "number=", "domain=",
	  "method=", "at=", "media=", "message=", "call=", "cdr=", "offline"}},
	{"ban", {"=", "user=", "caller=", "number=", "trunk=", "for=", "why="}},
	{"unban", {"=", "user=", "caller=", "number=", "trunk="}},
};

static int help(const struct cli_options *o)
{
	(void)o;
	printf("usage: sallyport COMMAND [OPTIONS]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].help);
	printf("\n"
	       "  -c FILE    configuration (/etc/sallyport/sallyport.yaml)\n"
	       "  -s SOCKET  control socket of the SBC (as the configuration says, else "
	       "/run/sallyport/sbc.sock)\n"
	       "  -q         check: print nothing when all is well\n"
	       "  --json     status, calls, reload, explain: the reply as it came\n\n"
	       "check: --strict: warnings count as mistakes\n\n"
	       "explain: --from ADDRESS[:PORT] --number N [--via UDP|TCP|TLS|WS|WSS] [--realm R]\n"
	       "  [--certificate NAME] [--user U@DOMAIN] [--caller N] [--domain D] [--method M] "
	       "[--at TIME]\n"
	       "  [--media rtp|srtp|dtls]   or   --message FILE --from …   or   --call ID [--cdr "
	       "FILE]\n"
	       "  --offline  by the configuration alone (-c), nothing remembered\n"
	       "  --cdr FILE without --call: what the configuration of -c would have done to all "
	       "calls of it\n\n"
	       "ban, unban: ADDRESS[/BITS] | --user U@DOMAIN | --caller N | --number N | --trunk "
	       "NAME\n"
	       "  ban: [--for 4h] [--why TEXT]\n\n"
	       "Exit status: 0 done; 1 it could not be done; 2 the configuration or the command "
	       "line is wrong.\n");
	return CLI_OK;
}

static int version(const struct cli_options *o)
{
	(void)o;
	printf("sallyport %s\n", SALLYPORT_VERSION);
	return CLI_OK;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* True: the option at *i was understood; *i moves over its argument. */
static bool read_option(int argc, char **argv, int *i, struct cli_options *o)
{
	const char *a = argv[*i];
	const char **value = strcmp(a, "-c") == 0   ? &o->config
			     : strcmp(a, "-s") == 0 ? &o->socket
						    : NULL;
	if (value && *i + 1 < argc)
		*value = argv[++*i];
	else if (strcmp(a, "--json") == 0)
		o->json = true;
	else if (strcmp(a, "-q") == 0)
		o->quiet = true;
	else
		return false;
	return true;
}

const char *cli_argument(const struct cli_options *o, const char *name)
{
	for (size_t i = 0; i < o->argument_count; i++)
		if (strcmp(o->arguments[i].name, name) == 0)
			return o->arguments[i].value;
	return NULL;
}

static const char *const *options_of(const char *command)
{
	static const char *const none[] = {NULL};
	for (size_t i = 0; i < ARRAY_LEN(own_options); i++)
		if (command && strcmp(own_options[i].command, command) == 0)
			return own_options[i].options;
	return none;
}

/* True: argument *i is a long option of that command; *i moves over its value. */
static bool read_own_option(const char *command, int argc, char **argv, int *i,
			    struct cli_options *o)
{
	const char *a = argv[*i];
	struct cli_argument *to = &o->arguments[o->argument_count];
	if (o->argument_count == CLI_ARGUMENTS_MAX)
		return false;
	if (a[0] != '-' && options_of(command)[0] && strcmp(options_of(command)[0], "=") == 0 &&
	    !cli_argument(o, "")) {
		*to = (struct cli_argument){"", a};
		o->argument_count++;
		return true;
	}
	if (strncmp(a, "--", 2) != 0)
		return false;
	for (const char *const *at = options_of(command); *at; at++) {
		const size_t len = strcspn(*at, "=");
		const bool valued = (*at)[len] == '=';
		if (strlen(a + 2) != len || strncmp(a + 2, *at, len) != 0)
			continue;
		if (valued && *i + 1 >= argc)
			return false;
		*to = (struct cli_argument){a + 2, valued ? argv[++*i] : ""};
		o->argument_count++;
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct cli_options o = {0};
	const char *name = NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return help(&o);
		if (strcmp(argv[i], "--version") == 0)
			return version(&o);
		if (argv[i][0] != '-' && !name) {
			name = argv[i];
		} else if (!read_option(argc, argv, &i, &o) &&
			   !read_own_option(name, argc, argv, &i, &o)) {
			fprintf(stderr,
				"sallyport: \"%s\" is not understood; see: sallyport help\n",
				argv[i]);
			return CLI_WRONG;
		}
	}
	const struct command *c = name ? find(name) : NULL;
	if (!c) {
		fprintf(stderr, "sallyport: %s%s%s; see: sallyport help\n",
			name ? "there is no command \"" : "a command is missing", name ? name : "",
			name ? "\"" : "");
		return CLI_WRONG;
	}
	int status = c->run(&o);
	if (fflush(stdout) != 0)
		return CLI_FAILED;
	return status;
}
