/* explain --cdr FILE: what the configuration of -c would have done to the calls of a file of records. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sbc/cli/cli.h"
#include "sbc/config.h"
#include "sbc/core/explain_args.h"
#include "sbc/core/replay.h"

#define DEFAULT_CONFIG "/etc/sallyport/sallyport.yaml"

enum { RECORDS_MAX = 50 * 1000 * 1000, PROGRESS_EVERY = 50000 };

/* Where a record begins, and when its call did: all that is kept of a file, which may be larger than memory. */
struct place {
	uint64_t start_ms;
	uint64_t line;
	off_t at;
};

struct reading {
	FILE *file;
	char *line;
	size_t cap;
	struct place *places;
	size_t count, room, bad;
};

static struct str text_of(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)}
				 : STR_NONE;
}

static uint64_t time_of(const json_t *o, const char *key)
{
	uint64_t ms;
	struct str s = text_of(o, key);
	return s.len && explain_time_parse(s, &ms) == OK ? ms : 0;
}

static bool is_record(const json_t *o)
{
	return json_is_object(o) && time_of(o, "start") && text_of(o, "ingress_realm").len;
}

static bool keep_place(struct reading *g, uint64_t start_ms, uint64_t line, off_t at)
{
	if (g->count == g->room) {
		size_t room = g->room ? g->room * 2 : 4096;
		struct place *more =
			room <= RECORDS_MAX ? realloc(g->places, room * sizeof(*more)) : NULL;
		if (!more)
			return false;
		g->places = more;
		g->room = room;
	}
	g->places[g->count++] = (struct place){start_ms, line, at};
	return true;
}

static int by_start(const void *x, const void *y)
{
	const struct place *a = x, *b = y;
	if (a->start_ms != b->start_ms)
		return a->start_ms < b->start_ms ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

/* Records are written when calls end; they are replayed as calls began. */
static bool read_places(struct reading *g, const char *path)
{
	off_t at = 0;
	ssize_t n;
	for (uint64_t line = 1; (n = getline(&g->line, &g->cap, g->file)) > 0; line++, at += n) {
		json_t *o = json_loads(g->line, 0, NULL);
		if (is_record(o)) {
			if (!keep_place(g, time_of(o, "start"), line, at)) {
				json_decref(o);
				fprintf(stderr, "sallyport: %s has too many records\n", path);
				return false;
			}
		} else if (strspn(g->line, " \t\r\n") != strlen(g->line)) {
			if (g->bad++ < 5)
				fprintf(stderr, "sallyport: %s:%llu: no record of a call\n", path,
					(unsigned long long)line);
		}
		json_decref(o);
	}
	if (g->count)
		qsort(g->places, g->count, sizeof(*g->places), by_start);
	return true;
}

static struct replay_record record_of(const json_t *o)
{
	const struct str transport = text_of(o, "ingress_transport");
	struct replay_record r = {
		.call = text_of(o, "call"),
		.realm = text_of(o, "ingress_realm"),
		.ingress = text_of(o, "ingress_trunk"),
		.egress = text_of(o, "egress_trunk"),
		.caller = text_of(o, "from_number"),
		.number = text_of(o, "to_number"),
		.user = text_of(o, "user"),
		.domain = text_of(o, "domain"),
		.country = text_of(o, "ingress_country"),
		.asn = (uint32_t)json_integer_value(json_object_get(o, "ingress_asn")),
		.diversions = (uint8_t)json_integer_value(json_object_get(o, "diversions")),
		.verstat = text_of(json_object_get(o, "identity"), "verstat"),
		.fault = text_of(json_object_get(o, "identity"), "fault"),
		.attest = text_of(json_object_get(o, "identity"), "attest"),
		.certificate = text_of(json_object_get(o, "tls"), "peer_name"),
		.route = text_of(o, "route"),
		.cause = text_of(o, "cause"),
		.tls = str_eq(transport, STR("tls")) || str_eq(transport, STR("wss")),
		.by_caller = str_eq(text_of(o, "ended_by"), STR("caller")),
		.start_ms = time_of(o, "start"),
		.end_ms = time_of(o, "end")};
	json_int_t ms = json_integer_value(json_object_get(o, "duration_ms"));
	if (addr_parse(text_of(o, "ingress_address"), &r.source) != OK)
		r.source = (struct addr){.family = ADDR_NONE};
	if (time_of(o, "answer") && ms > 0)
		r.duration_ms = (uint64_t)ms;
	return r;
}

/* ---- what is said */

static void write_then(char *out, size_t cap, const struct replay_record *c)
{
	if (str_has_prefix(c->cause, STR("policy:")))
		(void)snprintf(out, cap, "refused by %.*s", STR_ARG(str_from_offset(c->cause, 7)));
	else
		(void)snprintf(out, cap, "%.*s to %.*s",
			       STR_ARG(c->route.len ? c->route : STR("-")),
			       STR_ARG(c->egress.len ? c->egress : STR("-")));
}

static void write_now(char *out, size_t cap, const struct replay_result *n)
{
	if (n->now.outcome != VERDICT_ALLOW)
		(void)snprintf(out, cap, "refused by %s %.*s (%.*s:%u)",
			       verdict_stage_name(n->now.stage), STR_ARG(n->now.rule),
			       STR_ARG(n->now.file), (unsigned)n->now.line);
	else
		(void)snprintf(out, cap, "%.*s to %.*s (%.*s:%u)", STR_ARG(n->now.rule),
			       STR_ARG(n->egress.len ? n->egress : STR("-")), STR_ARG(n->now.file),
			       (unsigned)n->now.line);
}

static void show_difference(const struct cli_options *o, const struct replay_record *c,
			    const struct replay_result *n)
{
	char then[300], now[600];
	if (n->change == REPLAY_SAME || o->quiet)
		return;
	write_then(then, sizeof(then), c);
	write_now(now, sizeof(now), n);
	if (o->json) {
		json_t *j = json_pack("{s:s%,s:s,s:s,s:s,s:s%,s:i}", "call", c->call.p, c->call.len,
				      "change", replay_change_name(n->change), "then", then, "now",
				      now, "rule", n->now.rule.p ? n->now.rule.p : "",
				      n->now.rule.len, "line", (int)n->now.line);
		if (j && json_dumpf(j, stdout, JSON_COMPACT) == 0)
			putchar('\n');
		json_decref(j);
		return;
	}
	json_t *cells[] = {json_stringn(c->call.p ? c->call.p : "", c->call.len), json_string(then),
			   json_string(now)};
	char cell[3][600];
	for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
		cli_write_cell(cell[i], sizeof(cell[i]),
			       cells[i]); /* records hold what strangers sent */
		json_decref(cells[i]);
	}
	printf("%s: %s; then %s; now %s\n", replay_change_name(n->change), cell[0], cell[1],
	       cell[2]);
}

static double money(int64_t millionths)
{
	return (double)millionths / 1e6;
}

static void show_totals(const struct cli_options *o, const struct replay_totals *t, size_t bad)
{
	if (o->json) {
		json_t *refused = json_object();
		for (int i = 0; i < VERDICT_STAGE_COUNT; i++)
			if (t->refused[i])
				(void)json_object_set_new(refused, verdict_stage_name(i),
							  json_integer((json_int_t)t->refused[i]));
		json_t *changes = json_object();
		for (int i = 0; i < REPLAY_CHANGE_COUNT; i++)
			(void)json_object_set_new(changes, replay_change_name(i),
						  json_integer((json_int_t)t->of[i]));
		json_t *j =
			json_pack("{s:{s:I,s:I,s:o,s:o,s:f,s:f,s:f,s:I}}", "summary", "calls",
				  (json_int_t)t->calls, "unreadable", (json_int_t)bad, "changes",
				  changes, "refused", refused, "cost_then", money(t->cost_then),
				  "cost_now", money(t->cost_now), "cost_kept", money(t->cost_kept),
				  "unpriced", (json_int_t)t->unpriced);
		if (j && json_dumpf(j, stdout, JSON_COMPACT) == 0)
			putchar('\n');
		json_decref(j);
		return;
	}
	printf("%llu calls", (unsigned long long)t->calls);
	for (int i = 0; i < REPLAY_CHANGE_COUNT; i++)
		if (t->of[i])
			printf(", %llu %s", (unsigned long long)t->of[i], replay_change_name(i));
	printf("\n");
	for (int i = 0; i < VERDICT_STAGE_COUNT; i++)
		if (t->refused[i])
			printf("refused now by %s: %llu\n", verdict_stage_name(i),
			       (unsigned long long)t->refused[i]);
	printf("cost: then %.2f, now %.2f; of calls that would be refused %.2f",
	       money(t->cost_then), money(t->cost_now), money(t->cost_kept));
	if (t->unpriced)
		printf("; %llu answered calls have no price", (unsigned long long)t->unpriced);
	printf("\n");
	if (bad)
		printf("%zu lines were no records\n", bad);
}

static int run(const struct cli_options *o, struct reading *g, const struct settings *set)
{
	struct replay replay;
	struct siphash_key key = {{0}};
	const bool told = isatty(STDERR_FILENO);
	enum err e = replay_init(&replay, set, &key);
	for (size_t i = 0; e == OK && i < g->count; i++) {
		struct replay_result result;
		if (fseeko(g->file, g->places[i].at, SEEK_SET) != 0 ||
		    getline(&g->line, &g->cap, g->file) <= 0) {
			e = ERR_IO;
			break;
		}
		json_t *j = json_loads(g->line, 0, NULL);
		const struct replay_record c = record_of(j);
		e = replay_step(&replay, &c, &result);
		if (e == OK)
			show_difference(o, &c, &result);
		json_decref(j);
		if (told && (i + 1) % PROGRESS_EVERY == 0)
			fprintf(stderr, "\r%zu of %zu calls", i + 1, g->count);
	}
	if (told && g->count >= PROGRESS_EVERY)
		fprintf(stderr, "\r%40s\r", "");
	if (e == OK)
		show_totals(o, &replay.totals, g->bad);
	else
		fprintf(stderr, "sallyport: %s\n", err_text(e));
	replay_release(&replay);
	return e == OK ? CLI_OK : CLI_FAILED;
}

int cli_replay(const struct cli_options *o)
{
	const char *path = cli_argument(o, "cdr"), *config = o->config ? o->config : DEFAULT_CONFIG;
	struct conf_report report;
	struct settings *set = NULL;
	struct reading g = {.file = fopen(path, "rbe")};
	int status = CLI_FAILED;
	if (!g.file) {
		fprintf(stderr, "sallyport: %s: %s\n", path, strerror(errno));
		return CLI_FAILED;
	}
	if (conf_report_init(&report) == OK) {
		if (config_load(config, &report, &set) != OK) {
			fprintf(stderr, "sallyport: %s has mistakes; see: sallyport check\n",
				config);
			status = CLI_WRONG;
		} else if (read_places(&g, path)) {
			status = run(o, &g, set);
		}
		config_free(set);
		conf_report_release(&report);
	}
	free(g.line);
	free(g.places);
	(void)fclose(g.file);
	return status;
}
