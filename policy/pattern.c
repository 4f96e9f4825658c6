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

bool pattern_matches(const struct route_pattern *p, struct str subject)
{
	/* Memory of this one match on the stack: the pattern is shared and const. */
	_Alignas(16) char memory[MATCH_BYTES];
	struct arena a;
	if (subject.len > PATTERN_SUBJECT_MAX)
		return false;
	arena_init(&a, memory, sizeof(memory));
	pcre2_general_context *general = pcre2_general_context_create(arena_malloc, arena_free, &a);
	pcre2_match_data *data = general ? pcre2_match_data_create(1, general) : NULL;
	if (!data)
		return false;
	return pcre2_match(p->code, (PCRE2_SPTR)(subject.p ? subject.p : ""), subject.len, 0, 0,
			   data, p->limits) >= 0;
}

struct str pattern_text(const struct route_pattern *p)
{
	return p->text;
}
