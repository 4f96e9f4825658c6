/* bans, ban, unban: who is kept out, and the operator's own word on it. */
#include <string.h>

#include "common/conf.h"
#include "sbc/cli/cli.h"

static const char *const kinds[] = {"user", "caller", "number", "trunk"};
static const char *const words[] = {"user", "caller", "destination", "trunk"};

/* Fills kind and subject; false after saying what is missing. */
static bool add_subject(const struct cli_options *o, json_t *request)
{
	const char *kind = "source", *subject = cli_argument(o, "");
	unsigned n = subject != NULL;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *v = cli_argument(o, kinds[i]);
		if (!v)
			continue;
		kind = words[i];
		subject = v;
		n++;
	}
	if (n != 1) {
		fprintf(stderr, "sallyport: one of ADDRESS, --user, --caller, --number, --trunk is "
				"needed; see: sallyport help\n");
		return false;
	}
	return json_object_set_new(request, "kind", json_string(kind)) == 0 &&
	       json_object_set_new(request, "subject", json_string(subject)) == 0;
}

static bool add_details(const struct cli_options *o, json_t *request)
{
	const char *length = cli_argument(o, "for"), *why = cli_argument(o, "why");
	uint64_t ms;

	if (why && json_object_set_new(request, "why", json_string(why)) != 0) {
		fprintf(stderr, "sallyport: --why is no text in UTF-8\n");
		return false;
	}
	if (!length)
		return true;
	if (conf_read_duration(str_from(length), &ms) != OK || ms < 1000) {
		fprintf(stderr, "sallyport: \"%s\" is no time such as 90s, 4h, 7d\n", length);
		return false;
	}
	return json_object_set_new(request, "seconds", json_integer((json_int_t)(ms / 1000))) == 0;
}

static int tell(const struct cli_options *o, const char *command)
{
	json_t *request = json_pack("{ss}", "command", command);
	int status = CLI_WRONG;

	if (request && add_subject(o, request) && add_details(o, request)) {
		json_t *reply = cli_ask_with(o, request);
		const bool refused = reply && cli_is_refusal(reply);
		if (reply && o->json) {
			(void)json_dumpf(reply, stdout, JSON_COMPACT);
			putchar('\n');
		} else if (reply && !refused) {
			cli_show_ban(stdout, reply);
		}
		status = reply && !refused ? CLI_OK : CLI_FAILED;
		json_decref(reply);
	}
	json_decref(request);
	return status;
}

int cli_ban(const struct cli_options *o)
{
	return tell(o, "ban");
}

int cli_unban(const struct cli_options *o)
{
	return tell(o, "unban");
}

int cli_bans(const struct cli_options *o)
{
	json_t *reply = cli_ask(o, "bans");
	const bool refused = reply && cli_is_refusal(reply);

	if (reply && o->json) {
		(void)json_dumpf(reply, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (reply && !refused) {
		cli_show_bans(stdout, reply);
	}
	json_decref(reply);
	return reply && !refused ? CLI_OK : CLI_FAILED;
}
