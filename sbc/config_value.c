#include "sbc/config_value.h"

#include "common/arena.h"
#include "common/buf.h"
#include "policy/pattern.h"
#include "sbc/core/health.h"
#include "sbc/core/rules.h"

void config_value_host(struct conf_report *r, const struct conf_node *n, const void *value)
{
	struct str s = *(const struct str *)value;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-' || c == '.';
		if (!good) {
			conf_error(r, n,
				   "\"%.*s\" is not allowed here; allowed: a host name of letters, "
				   "digits, "
				   "\"-\" and \".\"",
				   STR_ARG(s));
			return;
		}
	}
}

void config_value_template(struct conf_report *r, const struct conf_node *n, const void *value)
{
	static const struct str known[] = {STR("node.name"), STR("call.from.number"),
					   STR("call.to.number"), STR("call.id")};
	struct str rest = *(const struct str *)value, name;
	if (str_has_char(rest, '\r') || str_has_char(rest, '\n'))
		conf_error(r, n, "a header's value is one line");
	while ((name = rules_unknown_variable(rest)).p != NULL) {
		struct conf_guess g;
		conf_guess_init(&g, name);
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			conf_guess_add(&g, known[i]);
		char mean[200];
		struct buf b;
		buf_init(&b, mean, sizeof(mean));
		conf_guess_write(&b, &g);
		conf_error(r, n,
			   "\"${%.*s}\" is not known%.*s${node.name}, ${call.from.number}, "
			   "${call.to.number}, ${call.id}, ${header.NAME}",
			   STR_ARG(name), (int)b.len, mean);
		rest = str_sub(name.p + name.len, rest.p + rest.len);
	}
}

void config_value_pattern(struct conf_report *r, const struct conf_node *n, const void *value)
{
	char memory[16384], why[200];
	struct arena a;
	struct buf b;
	const struct route_pattern *p;
	arena_init(&a, memory, sizeof(memory));
	buf_init(&b, why, sizeof(why));
	struct str text = *(const struct str *)value;
	enum err e = pattern_compile(&a, text, &p, &b);
	if (e == ERR_BAD)
		conf_error(r, n, "\"%.*s\" is not a regular expression: %.*s", STR_ARG(text),
			   (int)b.len, why);
	else if (e != OK)
		conf_error(r, n, "the expression is too large; allowed: 512 letters, a few groups");
}

bool config_read_percent(struct str s, uint8_t *out)
{
	uint16_t v;

	if (!str_has_suffix(s, STR("%")) || str_to_u16((struct str){s.p, s.len - 1}, 100, &v) != OK)
		return false;
	*out = (uint8_t)v;
	return true;
}

bool config_read_calls(struct str s, uint16_t *out)
{
	struct str n = s;

	if (str_has_suffix(n, STR("calls")))
		n = str_trim((struct str){n.p, n.len - 5});
	return str_to_u16(n, HEALTH_CALLS_MAX, out) == OK && *out >= 5;
}
