/* Replies of the SBC as tables. What a reply does not say is shown as "-"; nothing is invented. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/check.h"
#include "sbc/cli/cli.h"

enum { CELL_MAX = 128, COLUMNS_MAX = 12 };

/* ---- cells */

void cli_write_age(char *out, size_t cap, long long seconds)
{
	long long days = seconds / 86400, h = seconds / 3600 % 24, m = seconds / 60 % 60,
		  s = seconds % 60;
	if (seconds < 0)
		(void)snprintf(out, cap, "-");
	else if (days > 0)
		(void)snprintf(out, cap, "%lldd %02lld:%02lld:%02lld", days, h, m, s);
	else
		(void)snprintf(out, cap, "%02lld:%02lld:%02lld", h, m, s);
}

/* Replies carry what strangers sent: nothing of it may steer a terminal. */
static void clean(char *z)
{
	for (; *z; z++)
		if ((unsigned char)*z < 0x20 || *z == 0x7f)
			*z = '?';
}

void cli_write_cell(char *out, size_t cap, const json_t *v)
{
	if (json_is_string(v) && json_string_length(v) > 0)
		(void)snprintf(out, cap, "%s", json_string_value(v));
	else if (json_is_integer(v))
		(void)snprintf(out, cap, "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		(void)snprintf(out, cap, "%.1f", json_real_value(v));
	else if (json_is_boolean(v))
		(void)snprintf(out, cap, "%s", json_is_true(v) ? "yes" : "no");
	else
		(void)snprintf(out, cap, "-");
	clean(out);
}

static void write_text(char *out, size_t cap, const json_t *o, const char *key)
{
	cli_write_cell(out, cap, json_object_get(o, key));
}

static void write_ms(char *out, size_t cap, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	cli_write_age(out, cap, json_is_integer(v) ? (long long)json_integer_value(v) / 1000 : -1);
}

static void write_up(char *out, size_t cap, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	(void)snprintf(out, cap, "%s", json_is_true(v) ? "up" : json_is_false(v) ? "DOWN" : "-");
}

/* ---- tables */

struct column {
	const char *title;
	const char *key;
	void (*write)(char *out, size_t cap, const json_t *o, const char *key);
	bool right;
};

/* Letters, not bytes: the continuation bytes of UTF-8 take no room. */
static int width_of(const char *z)
{
	int n = 0;
	for (; *z; z++)
		n += ((unsigned char)*z & 0xc0) != 0x80;
	return n;
}

static void print_cell(FILE *out, const char *text, int width, bool right, bool last)
{
	int pad = width - width_of(text);
	fprintf(out, "%*s%s", right && pad > 0 ? pad : 0, "", text);
	if (!last)
		fprintf(out, "%*s", (right || pad < 0 ? 0 : pad) + 2, "");
}

/* Each column is as wide as its widest cell. */
static void print_table(FILE *out, const struct column *c, size_t n, const json_t *rows)
{
	int width[COLUMNS_MAX];
	char cell[CELL_MAX];
	CHECK(n <= COLUMNS_MAX);
	for (size_t i = 0; i < n; i++) {
		width[i] = width_of(c[i].title);
		for (size_t r = 0; r < json_array_size(rows); r++) {
			c[i].write(cell, sizeof(cell), json_array_get(rows, r), c[i].key);
			if (width_of(cell) > width[i])
				width[i] = width_of(cell);
		}
	}
	for (size_t i = 0; i < n; i++)
		print_cell(out, c[i].title, width[i], c[i].right, i + 1 == n);
	fputc('\n', out);
	for (size_t r = 0; r < json_array_size(rows); r++) {
		for (size_t i = 0; i < n; i++) {
			c[i].write(cell, sizeof(cell), json_array_get(rows, r), c[i].key);
			print_cell(out, cell, width[i], c[i].right, i + 1 == n);
		}
		fputc('\n', out);
	}
}

static void print_section(FILE *out, const struct column *c, size_t n, const json_t *rows)
{
	if (json_array_size(rows) == 0)
		return;
	fputc('\n', out);
	print_table(out, c, n, rows);
}

/* ---- status */

static void write_peers(char *out, size_t cap, const json_t *trunk, const char *key)
{
	const json_t *peers = json_object_get(trunk, key);
	size_t up = 0, n = json_array_size(peers);
	for (size_t i = 0; i < n; i++)
		up += json_is_true(json_object_get(json_array_get(peers, i), "up"));
	(void)snprintf(out, cap, "%zu of %zu up", up, n);
	for (size_t i = 0; i < n; i++) { /* name those that are not */
		const json_t *p = json_array_get(peers, i);
		const char *target = json_string_value(json_object_get(p, "target"));
		size_t len = strlen(out);
		const char *health = json_string_value(json_object_get(p, "health"));
		const char *why = json_string_value(json_object_get(p, "why"));
		if (target && !json_is_true(json_object_get(p, "up")))
			(void)snprintf(out + len, cap - len, ", DOWN %s", target);
		else if (target && health && why)
			(void)snprintf(out + len, cap - len, ", %s %s (%s)", health, target, why);
	}
	clean(out);
}

/* "-": not wanted. */
static void write_enrolment(char *out, size_t cap, const json_t *trunk, const char *key)
{
	const json_t *r = json_object_get(trunk, key);
	const char *failed = json_string_value(json_object_get(r, "failed"));
	json_int_t status = json_integer_value(json_object_get(r, "status"));
	bool yes = json_is_true(json_object_get(r, "registered"));
	(void)snprintf(out, cap, "%s", !r ? "-" : yes ? "yes" : "NO");
	size_t len = strlen(out);
	if (failed && status)
		(void)snprintf(out + len, cap - len, ", %s (%d)", failed, (int)status);
	else if (failed)
		(void)snprintf(out + len, cap - len, ", %s", failed);
	clean(out);
}

static void print_head(FILE *out, const json_t *r)
{
	char node[CELL_MAX], version[CELL_MAX], up[CELL_MAX], calls[CELL_MAX], limit[CELL_MAX];
	char cps[CELL_MAX], invites[CELL_MAX], refused[CELL_MAX], txns[CELL_MAX], conns[CELL_MAX];
	const json_t *uptime = json_object_get(r, "uptime_s"),
		     *kib = json_object_get(r, "memory_kib");
	write_text(node, sizeof(node), r, "node");
	write_text(version, sizeof(version), r, "version");
	cli_write_age(up, sizeof(up),
		      json_is_integer(uptime) ? (long long)json_integer_value(uptime) : -1);
	write_text(calls, sizeof(calls), r, "calls");
	write_text(limit, sizeof(limit), r, "calls_limit");
	write_text(cps, sizeof(cps), r, "cps");
	write_text(invites, sizeof(invites), r, "invites_total");
	write_text(refused, sizeof(refused), r, "refused_total");
	write_text(txns, sizeof(txns), r, "transactions");
	write_text(conns, sizeof(conns), r, "connections");
	fprintf(out, "%s, sallyport %s, up %s\n", node, version, up);
	fprintf(out, "calls %s of %s, %s new a second; INVITEs %s, refused %s\n", calls, limit, cps,
		invites, refused);
	fprintf(out, "transactions %s, connections %s, memory %.1f MiB\n", txns, conns,
		json_is_number(kib) ? json_number_value(kib) / 1024.0 : 0.0);
}

void cli_show_status(FILE *out, const json_t *r)
{
	static const struct column trunks[] = {
		{"TRUNK", "name", write_text, false},
		{"STATE", "up", write_up, false},
		{"CALLS", "calls", write_text, true},
		{"REGISTERED", "registration", write_enrolment, false},
		{"PEERS", "peers", write_peers, false}};
	static const struct column relays[] = {{"RELAY", "name", write_text, false},
					       {"STATE", "up", write_up, false},
					       {"SESSIONS", "sessions", write_text, true}};
	static const struct column store[] = {{"STORE", "server", write_text, false},
					      {"STATE", "up", write_up, false},
					      {"QUEUE", "queue", write_text, true},
					      {"DROPPED", "dropped", write_text, true},
					      {"WHY", "why", write_text, false}};
	static const struct column listeners[] = {{"REALM", "realm", write_text, false},
						  {"TRANSPORT", "transport", write_text, false},
						  {"LISTENS ON", "address", write_text, false}};
	static const struct column certificates[] = {{"CERTIFICATE", "name", write_text, false},
						     {"ENDS", "ends", write_text, false}};
	print_head(out, r);
	print_section(out, trunks, ARRAY_LEN(trunks), json_object_get(r, "trunks"));
	print_section(out, relays, ARRAY_LEN(relays), json_object_get(r, "relays"));
	print_section(out, store, ARRAY_LEN(store), json_object_get(r, "store"));
	print_section(out, listeners, ARRAY_LEN(listeners), json_object_get(r, "listeners"));
	print_section(out, certificates, ARRAY_LEN(certificates),
		      json_object_get(r, "certificates"));
}

/* ---- calls */

/* "tls > udp": one side and the other. `key` is the second half of in_… and out_…. */
static void write_sides(char *out, size_t cap, const json_t *call, const char *key)
{
	char name[48], in[CELL_MAX / 2], to[CELL_MAX / 2];
	(void)snprintf(name, sizeof(name), "in_%s", key);
	write_text(in, sizeof(in), call, name);
	(void)snprintf(name, sizeof(name), "out_%s", key);
	write_text(to, sizeof(to), call, name);
	(void)snprintf(out, cap, "%s > %s", in, to);
}

static void write_trunks(char *out, size_t cap, const json_t *call, const char *key)
{
	char in[CELL_MAX / 2], to[CELL_MAX / 2];
	(void)key;
	write_text(in, sizeof(in), call, "ingress");
	write_text(to, sizeof(to), call, "egress");
	(void)snprintf(out, cap, "%s > %s", in, to);
}

void cli_show_calls(FILE *out, const json_t *r)
{
	static const struct column calls[] = {{"CALL", "call", write_text, false},
					      {"STATE", "state", write_text, false},
					      {"FROM", "from", write_text, false},
					      {"TO", "to", write_text, false},
					      {"TRUNKS", "", write_trunks, false},
					      {"AGE", "age_ms", write_ms, true},
					      {"TALKING", "answered_ms", write_ms, true},
					      {"SIGNALLING", "transport", write_sides, false},
					      {"MEDIA", "media", write_sides, false},
					      {"CODEC", "codec", write_text, false}};
	const json_t *rows = json_object_get(r, "calls");
	if (json_array_size(rows) == 0) {
		fprintf(out, "no calls\n");
		return;
	}
	print_table(out, calls, ARRAY_LEN(calls), rows);
}

/* ---- bans */

/* A time since the epoch. */
static void write_until(char *out, size_t cap, const json_t *ban, const char *key)
{
	const json_t *v = json_object_get(ban, key);
	const time_t t = (time_t)(json_integer_value(v) / 1000);
	struct tm tm;

	if (!json_is_integer(v) || !gmtime_r(&t, &tm) ||
	    strftime(out, cap, "%Y-%m-%d %H:%M:%SZ", &tm) == 0)
		(void)snprintf(out, cap, "-");
}

static void write_place(char *out, size_t cap, const json_t *ban, const char *key)
{
	char rule[CELL_MAX / 2], file[CELL_MAX / 2];

	write_text(rule, sizeof(rule), ban, key);
	write_text(file, sizeof(file), ban, "file");
	(void)snprintf(out, cap, "%s", rule);
	if (json_object_get(ban, "file"))
		(void)snprintf(out, cap, "%s (%s:%lld)", rule, file,
			       (long long)json_integer_value(json_object_get(ban, "line")));
}

void cli_show_bans(FILE *out, const json_t *r)
{
	static const struct column bans[] = {{"KIND", "kind", write_text, false},
					     {"SUBJECT", "subject", write_text, false},
					     {"MODE", "mode", write_text, false},
					     {"RULE", "rule", write_place, false},
					     {"WHY", "why", write_text, false},
					     {"BY", "by", write_text, false},
					     {"UNTIL", "until_ms", write_until, false},
					     {"STRIKES", "strikes", write_text, true},
					     {"HITS", "hits", write_text, true}};
	const json_t *rows = json_object_get(r, "bans");
	if (json_array_size(rows) == 0) {
		fprintf(out, "nobody is banned\n");
		return;
	}
	print_table(out, bans, ARRAY_LEN(bans), rows);
}

void cli_show_ban(FILE *out, const json_t *r)
{
	char result[CELL_MAX], kind[CELL_MAX], subject[CELL_MAX], until[CELL_MAX];
	const json_t *ban = json_object_get(r, "ban");

	write_text(result, sizeof(result), r, "result");
	write_text(kind, sizeof(kind), ban, "kind");
	write_text(subject, sizeof(subject), ban, "subject");
	write_until(until, sizeof(until), ban, "until_ms");
	if (strcmp(result, "lifted") == 0)
		fprintf(out, "%s %s: %s\n", kind, subject, result);
	else
		fprintf(out, "%s %s: %s until %s\n", kind, subject, result, until);
}
