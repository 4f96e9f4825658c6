/*
 * explain: what would become of a call. The running SBC is asked, with all that it remembers; --offline asks the configuration
 * alone, by the same functions, in a core that has seen nothing. --call takes what happened from the record of a call.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/json.h"
#include "sbc/cli/cli.h"
#include "sbc/config.h"
#include "sbc/core/explain_args.h"
#include "sbc/core/sbc.h"
#include "sbc/shell/geo_db.h"

#define DEFAULT_CONFIG "/etc/sallyport/sallyport.yaml"

enum { MESSAGE_MAX = 65535, LINE_MAX_BYTES = 1 << 20, REPLY_MAX = 256 * 1024 };

/* ---- the question */

/* A text file of a message; lines that end with LF alone get the CR that a file often loses. */
static char *read_message(const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	char *text = malloc(2 * MESSAGE_MAX + 1);
	size_t n = 0, lines = 0;
	int c, before = 0;
	if (!f || !text) {
		fprintf(stderr, "sallyport: %s: %s\n", path, strerror(errno));
		free(text);
		if (f && f != stdin)
			(void)fclose(f);
		return NULL;
	}
	while ((c = getc(f)) != EOF && n < 2 * MESSAGE_MAX - 1) {
		if (c == '\n' && before != '\r')
			text[n++] = '\r';
		lines += c == '\n';
		text[n++] = (char)c;
		before = c;
	}
	/* An editor may have taken the empty line that ends the headers. */
	if (lines && !memmem(text, n, "\r\n\r\n", 4) && n + 2 < 2 * MESSAGE_MAX) {
		text[n++] = '\r';
		text[n++] = '\n';
	}
	text[n] = '\0';
	if (f != stdin)
		(void)fclose(f);
	return text;
}

static bool set_text(json_t *to, const char *key, const char *value)
{
	return !value || json_object_set_new(to, key, json_string(value)) == 0;
}

/* What the record of a call says of how it came. */
static bool take_call(json_t *to, const json_t *cdr)
{
	static const struct {
		const char *key, *from;
	} rows[] = {{"from", "ingress_address"},
		    {"via", "ingress_transport"},
		    {"realm", "ingress_realm"},
		    {"caller", "from_number"},
		    {"number", "number_as_dialled"},
		    {"user", "user"},
		    {"at", "start"}};
	bool good = true;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		good = good && set_text(to, rows[i].key,
					json_string_value(json_object_get(cdr, rows[i].from)));
	if (!json_object_get(to, "number"))
		good = good &&
		       set_text(to, "number", json_string_value(json_object_get(cdr, "to_number")));
	return good && set_text(to, "certificate",
				json_string_value(
					json_object_get(json_object_get(cdr, "tls"), "peer_name")));
}

/* The question as an object; NULL after saying why. */
static json_t *make_request(const struct cli_options *o, const json_t *cdr)
{
	json_t *r = json_pack("{s:s}", "command", "explain");
	char *message = NULL;
	bool good = r && (!cdr || take_call(r, cdr));
	for (size_t i = 0; good && i < o->argument_count; i++) {
		const struct cli_argument *a = &o->arguments[i];
		if (strcmp(a->name, "call") == 0 || strcmp(a->name, "cdr") == 0 ||
		    strcmp(a->name, "offline") == 0)
			continue;
		if (strcmp(a->name, "message") == 0) {
			message = read_message(a->value);
			if (!message)
				good = false;
			else if (!set_text(r, a->name, message))
				good = false,
				fprintf(stderr, "sallyport: %s is not text in UTF-8\n", a->value);
			free(message);
		} else {
			good = set_text(r, a->name, a->value);
		}
	}
	if (good)
		return r;
	json_decref(r);
	return NULL;
}

/* ---- a call that happened */

static json_t *find_in(const char *path, const char *id)
{
	FILE *f = fopen(path, "rb");
	char *line = NULL;
	size_t cap = 0;
	json_t *found = NULL;
	if (!f)
		return NULL;
	while (!found && getline(&line, &cap, f) > 0) {
		json_t *j = strstr(line, id) ? json_loads(line, 0, NULL) : NULL;
		const char *call = json_string_value(json_object_get(j, "call"));
		const char *outside = json_string_value(json_object_get(j, "call_id_in"));
		if ((call && strcmp(call, id) == 0) || (outside && strcmp(outside, id) == 0))
			found = j;
		else
			json_decref(j);
	}
	free(line);
	(void)fclose(f);
	return found;
}

/* The record, from --cdr or from where the configuration writes them. NULL after saying why. */
static json_t *find_call(const struct cli_options *o, const struct settings *set)
{
	const char *id = cli_argument(o, "call"), *path = cli_argument(o, "cdr");
	char open_path[512], name[500];
	json_t *found = path ? find_in(path, id) : NULL;
	for (size_t i = 0; !path && !found && set && i < set->cdr_count; i++) {
		if (str_copy(set->cdrs[i].path, name, sizeof(name)) != OK)
			continue;
		(void)snprintf(open_path, sizeof(open_path), "%s.open", name);
		found = find_in(open_path, id);
		found = found ? found : find_in(name, id);
	}
	if (!found)
		fprintf(stderr, "sallyport: there is no record of call %s%s%s\n", id,
			path ? " in " : "", path ? path : ": name its file with --cdr");
	return found;
}

/* ---- by the configuration alone */

static uint64_t wall_ms(void)
{
	struct timespec t = {0};
	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void no_send(void *ctx, const struct dest *d, struct str bytes, id_t64 tag)
{
	(void)ctx, (void)d, (void)bytes, (void)tag;
}
static void no_close(void *ctx, id_t64 flow)
{
	(void)ctx, (void)flow;
}
static void no_resolve(void *ctx, const struct resolve_query *q, id_t64 id)
{
	(void)ctx, (void)q, (void)id;
}
static void no_relay(void *ctx, const struct relay_query *q, id_t64 id)
{
	(void)ctx, (void)q, (void)id;
}
static void no_publish(void *ctx, const struct notice *n)
{
	(void)ctx, (void)n;
}
static void no_store(void *ctx, const struct store_op *op)
{
	(void)ctx, (void)op;
}

/* Where it comes from, by the databases of the configuration; unknown where they cannot be read, as `check` says. */
static void find_place(const struct geo_settings *set, struct flow *f)
{
	const struct str paths[GEO_KIND_COUNT] = {set->country_path, set->asn_path};
	for (unsigned k = 0; k < GEO_KIND_COUNT; k++) {
		char path[PATH_MAX], mem[256];
		struct buf why;
		struct geo_db *db = NULL;
		buf_init(&why, mem, sizeof(mem));
		if (!paths[k].len || str_copy(paths[k], path, sizeof(path)) != OK ||
		    geo_db_open(&db, (enum geo_kind)k, path, &why) != OK)
			continue;
		if (k == GEO_KIND_COUNTRY)
			(void)geo_db_country(db, &f->remote, f->country);
		else
			f->asn = geo_db_asn(db, &f->remote);
		geo_db_free(&db);
	}
}

static void decide(struct sbc *s, const struct settings *set, const struct dict *d, struct buf *b)
{
	char mem[256];
	struct explain_args args;
	struct explanation x;
	struct buf why;
	buf_init(&why, mem, sizeof(mem));
	if (explain_args_read(set, d, 1, wall_ms(), &args, &why) == OK) {
		find_place(&set->geo, &args.params.event.message.flow);
		sbc_explain(s, &args.params, &x);
		sbc_explain_write(b, s, &x);
		return;
	}
	buf_lit(b, "{\"error\":");
	buf_json_str(b, buf_view(&why));
	buf_char(b, '}');
}

static json_t *ask_settings(const struct settings *set, const json_t *request)
{
	struct sbc_params p = {.settings = set,
			       .ports = {.send = no_send,
					 .close = no_close,
					 .resolve = no_resolve,
					 .relay = no_relay,
					 .publish = no_publish,
					 .store = no_store},
			       .now_ms = 1,
			       .wall_ms = wall_ms()};
	char *text = json_dumps(request, JSON_COMPACT), *out = malloc(REPLY_MAX);
	struct sbc *s = NULL;
	struct arena a;
	struct dict *d = NULL;
	struct buf b;
	json_t *reply = NULL;
	char *nodes = malloc(REPLY_MAX);
	if (text && out && nodes && sbc_new(&s, &p) == OK) {
		arena_init(&a, nodes, REPLY_MAX);
		buf_init(&b, out, REPLY_MAX);
		if (json_parse(str_from(text), &a, &d) > 0) {
			decide(s, set, d, &b);
			reply = json_loadb(out, b.len, 0, NULL);
		}
		sbc_free(&s);
	}
	free(nodes);
	free(out);
	free(text);
	return reply;
}

/* ---- the answer */

static void show_value(FILE *out, const json_t *v)
{
	char cell[256];
	size_t i;
	const json_t *item;
	if (json_is_array(v)) {
		json_array_foreach(v, i, item)
		{
			fputs(i ? "," : "", out);
			show_value(out, item);
		}
		return;
	}
	cli_write_cell(cell, sizeof(cell), v);
	fputs(cell, out);
}

static void show_stage(FILE *out, const json_t *stage)
{
	char name[32], outcome[32], rule[96], file[300];
	const json_t *facts = json_object_get(stage, "facts");
	const char *key;
	json_t *value;
	cli_write_cell(name, sizeof(name), json_object_get(stage, "stage"));
	cli_write_cell(outcome, sizeof(outcome), json_object_get(stage, "outcome"));
	cli_write_cell(rule, sizeof(rule), json_object_get(stage, "rule"));
	cli_write_cell(file, sizeof(file), json_object_get(stage, "file"));
	fprintf(out, "%-10s %-7s %-16s ", name, outcome, rule);
	if (json_object_get(stage, "line"))
		fprintf(out, "%s:%lld", file,
			(long long)json_integer_value(json_object_get(stage, "line")));
	else
		fputs("-", out);
	if (json_is_true(json_object_get(stage, "failed")))
		fputs("  could not tell", out);
	fputs("\n          ", out);
	json_object_foreach((json_t *)(uintptr_t)facts, key, value)
	{
		fprintf(out, " %s=", key);
		show_value(out, value);
	}
	fputs("\n", out);
}

static void show_verdict(FILE *out, const json_t *reply)
{
	const json_t *v = json_object_get(reply, "verdict"), *t, *targets;
	const bool allow = json_object_get(v, "outcome") &&
			   strcmp(json_string_value(json_object_get(v, "outcome")), "allow") == 0;
	char cell[256];
	size_t i;
	cli_write_cell(cell, sizeof(cell), json_object_get(v, "outcome"));
	fprintf(out, "verdict: %s", cell);
	if (json_object_get(v, "status")) {
		cli_write_cell(cell, sizeof(cell), json_object_get(v, "status"));
		fprintf(out, " %s", cell);
		cli_write_cell(cell, sizeof(cell), json_object_get(v, "reason"));
		fprintf(out, " %s", json_object_get(v, "reason") ? cell : "");
	}
	if (!allow) {
		cli_write_cell(cell, sizeof(cell), json_object_get(v, "stage"));
		fprintf(out, " by %s", cell);
		cli_write_cell(cell, sizeof(cell), json_object_get(v, "rule"));
		fprintf(out, " \"%s\"", cell);
	}
	if (json_is_true(json_object_get(v, "emergency")))
		fputs(", as an emergency call", out);
	targets = json_object_get(reply, "targets");
	json_array_foreach(targets, i, t)
	{
		cli_write_cell(cell, sizeof(cell), json_object_get(t, "trunk"));
		fprintf(out, "%s%s", i ? ", " : ", to ", cell);
		if (json_object_get(t, "peer")) {
			cli_write_cell(cell, sizeof(cell), json_object_get(t, "peer"));
			fprintf(out, " (%s)", cell);
		}
	}
	fputs("\n", out);
	if (json_is_true(json_object_get(reply, "password_asked")))
		fputs("(it is asked for a password first: 401; this is what follows the right "
		      "one)\n",
		      out);
	if (json_is_true(json_object_get(reply, "opinion_asked")))
		fputs("(somebody else's opinion is asked, and may be another: this is what comes "
		      "of "
		      "it if not)\n",
		      out);
	if (json_is_true(json_object_get(reply, "replaces")))
		fputs("(it replaces a dialog: which, is looked for only then)\n", out);
}

static void show_answer(FILE *out, const json_t *reply)
{
	const json_t *stages = json_object_get(reply, "stages"), *stage;
	size_t i;
	char cell[256];
	if (json_object_get(reply, "why")) {
		cli_write_cell(cell, sizeof(cell), json_object_get(reply, "why"));
		fprintf(out, "nothing to judge: %s\n", cell);
	}
	fprintf(out, "%-10s %-7s %-16s %s\n", "STAGE", "RESULT", "RULE",
		"WHERE, AND WHAT IT LOOKED AT");
	json_array_foreach(stages, i, stage)
	{
		show_stage(out, stage);
	}
	show_verdict(out, reply);
}

static void show_then(FILE *out, const json_t *cdr)
{
	static const char *const keys[] = {"start", "status", "cause", "route", "egress_trunk"};
	char cell[256];
	fputs("then:   ", out);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (!json_object_get(cdr, keys[i]))
			continue;
		cli_write_cell(cell, sizeof(cell), json_object_get(cdr, keys[i]));
		fprintf(out, " %s=%s", keys[i], cell);
	}
	fputs("\nnow:\n", out);
}

static int answer(const struct cli_options *o, json_t *reply, json_t *cdr)
{
	bool refused = cli_is_refusal(reply);
	if (cdr && !refused)
		(void)json_object_set(reply, "then", cdr);
	if (o->json) {
		(void)json_dumpf(reply, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (!refused) {
		if (cdr)
			show_then(stdout, cdr);
		show_answer(stdout, reply);
	}
	return refused ? CLI_WRONG : CLI_OK;
}

static struct settings *load(const struct cli_options *o, struct conf_report *report)
{
	struct settings *set = NULL;
	const char *path = o->config ? o->config : DEFAULT_CONFIG;
	if (config_load(path, report, &set) == OK)
		return set;
	fprintf(stderr, "sallyport: %s has mistakes; see: sallyport check\n", path);
	return NULL;
}

int cli_explain(const struct cli_options *o)
{
	if (cli_argument(o, "cdr") && !cli_argument(o, "call"))
		return cli_replay(o);
	const bool offline = cli_argument(o, "offline") != NULL,
		   call = cli_argument(o, "call") != NULL;
	struct conf_report report;
	struct settings *set = NULL;
	json_t *cdr = NULL, *request = NULL, *reply = NULL;
	int status = CLI_FAILED;
	if (conf_report_init(&report) != OK)
		return CLI_FAILED;
	if (offline || (call && !cli_argument(o, "cdr"))) {
		set = load(o, &report);
		status = set ? status : CLI_WRONG;
	}
	if (set || !(offline || (call && !cli_argument(o, "cdr"))))
		cdr = call ? find_call(o, set) : NULL;
	if ((!call || cdr) && (set || !offline))
		request = make_request(o, cdr);
	if (request)
		reply = offline ? ask_settings(set, request) : cli_ask_with(o, request);
	if (reply)
		status = answer(o, reply, cdr);
	json_decref(reply);
	json_decref(request);
	json_decref(cdr);
	config_free(set);
	conf_report_release(&report);
	return status;
}
