/* status, calls, reload: one JSON line to the SBC's control socket, one back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/check.h"
#include "sbc/cli/cli.h"
#include "sbc/config.h"

#define DEFAULT_SOCKET "/run/sallyport/sbc.sock"

enum {
	REPLY_BYTES_MAX = 256 * 1024 * 1024,
	REPLY_BYTES_FIRST = 64 * 1024,
	PATIENCE_S = 10,
	RELOAD_PATIENCE_S = 130 /* large tables are read beside the calls */
};

/* The socket as -s says, or the configuration (mistakes in it do not matter here), or the default. */
static bool socket_path(const struct cli_options *o, char *out, size_t cap)
{
	struct conf_report report;
	struct settings *s = NULL;
	if (o->socket || !o->config)
		return str_copy(str_from(o->socket ? o->socket : DEFAULT_SOCKET), out, cap) == OK;
	if (conf_report_init(&report) != OK)
		return false;
	bool good = config_load(o->config, &report, &s) == OK &&
		    str_copy(s->control_path, out, cap) == OK;
	if (!good)
		fprintf(stderr, "sallyport: %s has mistakes; see: sallyport check\n", o->config);
	config_free(s);
	conf_report_release(&report);
	return good;
}

static int open_socket(const char *path, time_t patience_s)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = patience_s};
	if (str_copy(str_from(path), un.sun_path, sizeof(un.sun_path)) != OK) {
		fprintf(stderr, "sallyport: the path %s is too long for a socket\n", path);
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	}
	if (fd < 0 || connect(fd, (const struct sockaddr *)&un, sizeof(un)) != 0) {
		fprintf(stderr, "sallyport: no SBC answers on %s: %s\n", path, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	return fd;
}

static bool send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* All until the other end closes, to be freed; NULL with errno. */
static char *receive_all(int fd, size_t *len)
{
	size_t cap = REPLY_BYTES_FIRST, n = 0;
	char *text = malloc(cap);
	while (text) {
		if (n == cap) {
			char *more = cap < REPLY_BYTES_MAX ? realloc(text, cap * 2) : NULL;
			if (!more)
				break;
			text = more;
			cap *= 2;
		}
		ssize_t got = recv(fd, text + n, cap - n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		if (got == 0) {
			*len = n;
			return text;
		}
		n += (size_t)got;
	}
	free(text);
	return NULL;
}

json_t *cli_ask_with(const struct cli_options *o, const json_t *asked)
{
	char path[256];
	if (!socket_path(o, path, sizeof(path)))
		return NULL;
	const char *command = json_string_value(json_object_get(asked, "command"));
	bool reloads = command && strcmp(command, "reload") == 0;
	int fd = open_socket(path, reloads ? RELOAD_PATIENCE_S : PATIENCE_S);
	if (fd < 0)
		return NULL;
	size_t len = 0;
	char *text = NULL;
	json_t *reply = NULL;
	char *request = json_dumps(asked, JSON_COMPACT);
	if (!request || !send_all(fd, request, strlen(request)) || !send_all(fd, "\n", 1) ||
	    !(text = receive_all(fd, &len))) {
		fprintf(stderr, "sallyport: the SBC on %s does not answer: %s\n", path,
			strerror(errno));
	} else {
		json_error_t e;
		reply = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
		if (!json_is_object(reply)) {
			fprintf(stderr, "sallyport: the answer of %s is not understood: %s\n", path,
				reply ? "not an object" : e.text);
			json_decref(reply);
			reply = NULL;
		}
	}
	free(request);
	free(text);
	(void)close(fd);
	return reply;
}

json_t *cli_ask(const struct cli_options *o, const char *command)
{
	json_t *request = json_pack("{s:s}", "command", command);
	json_t *reply = request ? cli_ask_with(o, request) : NULL;
	json_decref(request);
	return reply;
}

/* The SBC's own refusal, if it is one. */
bool cli_is_refusal(const json_t *reply)
{
	const char *why = json_string_value(json_object_get(reply, "error"));
	if (why)
		fprintf(stderr, "sallyport: %s\n", why);
	return why != NULL;
}

static int ask_and_show(const struct cli_options *o, const char *command,
			void (*show)(FILE *out, const json_t *reply))
{
	json_t *reply = cli_ask(o, command);
	if (!reply)
		return CLI_FAILED;
	bool refused = cli_is_refusal(reply);
	if (o->json) {
		(void)json_dumpf(reply, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (!refused) {
		show(stdout, reply);
	}
	json_decref(reply);
	return refused ? CLI_FAILED : CLI_OK;
}

int cli_status(const struct cli_options *o)
{
	return ask_and_show(o, "status", cli_show_status);
}

int cli_calls(const struct cli_options *o)
{
	return ask_and_show(o, "calls", cli_show_calls);
}

int cli_reload(const struct cli_options *o)
{
	json_t *reply = cli_ask(o, "reload");
	if (!reply)
		return CLI_FAILED;
	bool good = json_is_true(json_object_get(reply, "ok"));
	const json_t *lines[] = {json_object_get(reply, "errors"),
				 json_object_get(reply, "warnings")};
	if (o->json) {
		(void)json_dumpf(reply, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (!cli_is_refusal(reply)) {
		for (size_t l = 0; l < ARRAY_LEN(lines); l++)
			for (size_t i = 0; i < json_array_size(lines[l]); i++)
				printf("%s\n",
				       json_string_value(json_array_get(lines[l], i))
					       ? json_string_value(json_array_get(lines[l], i))
					       : "?");
		printf("%s\n",
		       good ? "reloaded" : "not reloaded: the SBC goes on with what it had");
	}
	json_decref(reply);
	return good ? CLI_OK : CLI_WRONG;
}
