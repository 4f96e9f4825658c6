#include "policy/pattern.h"

#include <stddef.h>
#include <stdint.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
	MATCH_STEPS_MAX = 20000, /* internal match() steps: about 0.2 ms at the worst */
	MATCH_HEAP_KIB = 40,
	MATCH_BYTES =
		96 * 1024 /* PCRE2 starts with frames of 20 KiB and doubles within the heap limit */
};

struct route_pattern {
	pcre2_code *code;
	pcre2_match_context *limits;
	struct str text;
};

static void *arena_malloc(size_t n, void *arena)
{
	return arena_alloc(arena, n);
}

static void arena_free(void *p, void *arena)
{
	(void)p;
	(void)arena; /* goes with the arena */
}

enum err pattern_compile(struct arena *a, struct str text, const struct route_pattern **out,
			 struct buf *why)
{
	if (text.len > PATTERN_TEXT_MAX)
		return ERR_LIMIT;
	struct route_pattern *p = arena_zalloc(a, sizeof(*p));
	pcre2_general_context *memory = pcre2_general_context_create(arena_malloc, arena_free, a);
	pcre2_compile_context *how = memory ? pcre2_compile_context_create(memory) : NULL;
	if (!p || !how)
		return ERR_NOMEM;
	int error;
	size_t at;
	(void)pcre2_set_parens_nest_limit(how, 20);
	p->code = pcre2_compile((PCRE2_SPTR)(text.p ? text.p : ""), text.len,
				PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C |
					PCRE2_DOLLAR_ENDONLY,
				&error, &at, how);
	if (!p->code) {
		char reason[160];
		if (pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, sizeof(reason)) < 0)
			reason[0] = '\0';
		buf_printf(why, "%s, at its character %u", reason, (unsigned)at + 1);
		return ERR_BAD;
	}
	p->limits = pcre2_match_context_create(memory);
	p->text = arena_str(a, text);
	if (!p->limits || (text.len > 0 && p->text.len == 0))
		return ERR_NOMEM;
	(void)pcre2_set_match_limit(p->limits, MATCH_STEPS_MAX);
	(void)pcre2_set_heap_limit(p->limits, MATCH_HEAP_KIB);
	*out = p;
	return OK;
}

/* Memory of this one match on the stack: the pattern is shared and const. */
static enum pattern_found find(const struct route_pattern *p, struct str subject,
			       struct pattern_groups *out)
{
	_Alignas(16) char memory[MATCH_BYTES];
	struct arena a;
	arena_init(&a, memory, sizeof(memory));
	pcre2_general_context *general = pcre2_general_context_create(arena_malloc, arena_free, &a);
	pcre2_match_data *data =
		general ? pcre2_match_data_create(out ? PATTERN_GROUPS_MAX : 1, general) : NULL;
	if (!data)
		return PATTERN_UNKNOWN;
	const char *text = subject.p ? subject.p : "";
	int n = pcre2_match(p->code, (PCRE2_SPTR)text, subject.len, 0, 0, data, p->limits);
	if (n < 0)
		return n == PCRE2_ERROR_NOMATCH ? PATTERN_NO : PATTERN_UNKNOWN;
	const size_t *at = pcre2_get_ovector_pointer(data);
	int count = n == 0 ? PATTERN_GROUPS_MAX : n; /* 0: it has more groups than asked for */
	for (int i = 0; out && i < PATTERN_GROUPS_MAX; i++)
		out->at[i] = i < count && at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1]
				     ? (struct str){text + at[2 * i], at[2 * i + 1] - at[2 * i]}
				     : STR_NONE;
	return PATTERN_YES;
}

bool pattern_matches(const struct route_pattern *p, struct str subject)
{
	return subject.len <= PATTERN_SUBJECT_MAX && find(p, subject, NULL) == PATTERN_YES;
}

bool pattern_may_match(const struct route_pattern *p, struct str subject)
{
	return subject.len > PATTERN_SUBJECT_MAX || find(p, subject, NULL) != PATTERN_NO;
}

enum pattern_found pattern_find(const struct route_pattern *p, struct str subject,
				struct pattern_groups *out)
{
	return subject.len <= PATTERN_VALUE_MAX ? find(p, subject, out) : PATTERN_UNKNOWN;
}

unsigned pattern_group_count(const struct route_pattern *p)
{
	uint32_t n = 0;
	return pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &n) == 0 ? n : 0;
}

void pattern_fill(struct buf *b, struct str with, const struct pattern_groups *g)
{
	for (size_t i = 0; i < with.len; i++) {
		char c = with.p[i];
		if (c != '\\' || i + 1 == with.len) {
			buf_char(b, c);
			continue;
		}
		c = with.p[++i];
		if (c >= '0' && c <= '9')
			buf_str(b, g->at[c - '0']);
		else
			buf_char(b, c);
	}
}

struct str pattern_fill_fault(struct str with, unsigned groups)
{
	for (size_t i = 0; i < with.len; i++) {
		if (with.p[i] != '\\')
			continue;
		struct str fault = {with.p + i, i + 1 < with.len ? 2 : 1};
		char c = i + 1 < with.len ? with.p[i + 1] : ' ';
		bool good = c == '\\' || (c >= '0' && c <= '9' && (unsigned)(c - '0') <= groups);
		if (!good)
			return fault;
		i++;
	}
	return STR_NONE;
}

struct str pattern_text(const struct route_pattern *p)
{
	return p->text;
}
