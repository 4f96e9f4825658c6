/* The operator's command: what its subcommands share. Each is one function over its own arguments. */
#ifndef SALLYPORT_CLI_H
#define SALLYPORT_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Exit statuses, all that there are. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_WRONG = 2 /* the configuration, or the command line */ };

/* A long option of one command: `--name VALUE`, or `--name` alone, whose value is "". Of name "": a word without dashes. */
struct cli_argument {
	const char *name, *value;
};

enum { CLI_ARGUMENTS_MAX = 24 };

struct cli_options {
	const char *config; /* -c */
	const char *socket; /* -s, else the configuration's, else the default */
	bool json;
	bool quiet;
	struct cli_argument arguments[CLI_ARGUMENTS_MAX]; /* that only some commands have */
	size_t argument_count;
};

/* NULL: not given. */
const char *cli_argument(const struct cli_options *o, const char *name);

int cli_check(const struct cli_options *o);
int cli_settings(const struct cli_options *o);
int cli_status(const struct cli_options *o);
int cli_calls(const struct cli_options *o);
int cli_reload(const struct cli_options *o);
int cli_explain(const struct cli_options *o);
/* explain --cdr without --call. */
int cli_replay(const struct cli_options *o);
int cli_bans(const struct cli_options *o);
int cli_ban(const struct cli_options *o);
int cli_unban(const struct cli_options *o);

/* Sends {"command":NAME} and gives the reply, to be freed with json_decref; NULL after saying why on stderr. */
json_t *cli_ask(const struct cli_options *o, const char *command);
/* The same with arguments: `request` is an object with "command" and what belongs to it. */
json_t *cli_ask_with(const struct cli_options *o, const json_t *request);
/* Has the SBC refused the command? Then it was said. */
bool cli_is_refusal(const json_t *reply);

/* Tables for people, from a reply. */
void cli_show_status(FILE *out, const json_t *reply);
void cli_show_calls(FILE *out, const json_t *reply);
void cli_show_bans(FILE *out, const json_t *reply);
/* What became of one. */
void cli_show_ban(FILE *out, const json_t *reply);
/* A text, number or truth for people, "-" for none; nothing in it steers a terminal. */
void cli_write_cell(char *out, size_t cap, const json_t *v);
/* "1d 02:03:04", "02:03:04"; "-" for less than nothing. */
void cli_write_age(char *out, size_t cap, long long seconds);

#endif
