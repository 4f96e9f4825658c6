#include "sbc/core/gate.h"

#include <string.h>

#include "common/check.h"

/*
 * Up by a sixth of what is still let in, down by a sixteenth of what is shed: fast where a queue stands, slow where it has
 * gone, so that the share swings little around the right one. Found with the model in test_gate.c.
 */
enum { UP_SHARE = 6, DOWN_SHARE = 16, STOP_SHARE = 4, GONE_WINDOWS = 3 };

static const struct str dialog_methods[] = {{"ACK ", 4},    {"BYE ", 4},  {"PRACK ", 6},
					    {"UPDATE ", 7}, {"INFO ", 5}, {"NOTIFY ", 7}};

/* "To:" or "t:" with any spaces before the colon; *out: behind the colon. */
static bool is_to_line(struct str line, struct str *out)
{
	size_t n;
	if (str_has_iprefix(line, STR("To")))
		n = 2;
	else if (str_has_iprefix(line, STR("t")))
		n = 1;
	else
		return false;
	while (n < line.len && (line.p[n] == ' ' || line.p[n] == '\t'))
		n++;
	if (n >= line.len || line.p[n] != ':')
		return false;
	*out = str_from_offset(line, n + 1);
	return true;
}

/* A tag of the header, not one of the URI within its brackets. */
static bool has_tag(struct str value)
{
	const char *last = value.len ? memrchr(value.p, '>', value.len) : NULL;
	if (last)
		value = str_sub(last, value.p + value.len);
	for (size_t at = str_index(value, ';'); at < value.len; at = str_index(value, ';')) {
		value = str_trim(str_from_offset(value, at + 1));
		if (str_has_iprefix(value, STR("tag=")) || str_has_iprefix(value, STR("tag ")))
			return true;
	}
	return false;
}

enum gate_class gate_classify(struct str bytes)
{
	struct str rest = bytes, line, value;
	size_t end = str_index(bytes, '\n');
	if (str_has_prefix(bytes, STR("SIP/2.0 ")))
		return GATE_RESPONSE;
	if (end == bytes.len || str_find((struct str){bytes.p, end}, STR(" SIP/2.0")) == end)
		return GATE_JUNK;
	for (size_t i = 0; i < ARRAY_LEN(dialog_methods); i++)
		if (str_has_prefix(bytes, dialog_methods[i]))
			return GATE_DIALOG;
	rest = str_from_offset(bytes, end + 1);
	while (str_cut(&rest, '\n', &line) && line.len > 1)
		if (is_to_line(line, &value))
			return has_tag(value) ? GATE_DIALOG : GATE_NEW;
	return GATE_NEW;
}

static void end_window(struct gate *g, const struct overload_limits *l)
{
	uint32_t longest = 0;
	for (unsigned i = 0; i < GATE_QUEUES; i++)
		if (g->seen & 1u << i && g->least_ms[i] > longest)
			longest = g->least_ms[i];
	if (longest > l->delay_ms)
		g->shed = (uint16_t)(g->shed + (GATE_ALL - g->shed) / UP_SHARE + 1);
	else if (longest <= l->delay_ms / STOP_SHARE)
		g->shed = (uint16_t)(g->shed - (g->shed + DOWN_SHARE - 1) / DOWN_SHARE);
	if (g->shed > GATE_ALL)
		g->shed = GATE_ALL;
}

void gate_measure(struct gate *g, const struct overload_limits *l, uint16_t listener,
		  uint32_t late_ms, uint64_t now_ms)
{
	unsigned queue = listener % GATE_QUEUES;
	if (l->delay_ms == 0)
		return;
	uint64_t age = now_ms - g->window_ms;
	if (age >= GATE_WINDOW_MS) {
		if (g->seen)
			end_window(g, l);
		/* Nobody came for a while, and who comes now has not waited: there is no queue. */
		if (age > (uint64_t)GONE_WINDOWS * GATE_WINDOW_MS &&
		    late_ms <= l->delay_ms / STOP_SHARE)
			g->shed = 0;
		g->window_ms = now_ms;
		g->seen = 0;
	}
	if (!(g->seen & 1u << queue) || late_ms < g->least_ms[queue])
		g->least_ms[queue] = late_ms;
	g->seen |= 1u << queue;
}

bool gate_sheds(const struct gate *g, uint32_t random)
{
	return g->shed > 0 && random % GATE_ALL < g->shed;
}

uint32_t gate_retry_after_s(const struct overload_limits *l, uint32_t random)
{
	uint32_t s = l->retry_after_ms / 1000;
	return s < 2 ? 1 : s / 2 + random % (s + 1);
}
