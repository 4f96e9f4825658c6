/*
 * Stage 2 of reading a message (design §6). The only file that includes libosip2.
 *
 * What libosip2 is shown is a copy of the header section without body and without what our own reading decides: start lines
 * of unknown schemes, From, To, Contact, routes, Call-ID, CSeq, Content-Length. It is laxer there in most (no mandatory
 * headers, any version, negative lengths) and stricter in some (schemes that it does not know, UTF-8 without quotes). So its
 * multipart reader, which leaks, never runs (threats A1). A message with octets below 32 in a quoted-pair (RFC 4475
 * §3.1.1.2) is not shown to it at all: its strings end at NUL. What is left for it to refuse, in 5.3.0, is
 * lower Vias and Content-Type; of most other headers it silently drops what it cannot read. Its memory is an arena, given
 * back as a whole.
 */
#include "sbc/core/msg.h"

#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_port.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>

#include "sbc/core/octet.h"
#include "sbc/core/uri.h"

enum {
	/* Beyond the arena: still bounded, and freed with it. The worst message within the caps needs about 1 MiB. */
	SPILL_MAX = 4 * 1024 * 1024,
	ALIGN = 16
};

/* Stands before every block, so that realloc knows its size. */
struct block {
	struct block *next_spilt;
	size_t size;
};
_Static_assert(sizeof(struct block) == ALIGN, "blocks stay aligned");

/* libosip2's hooks are process-wide functions without an argument: which arena is meant is a thread's own matter. */
static _Thread_local struct {
	struct arena *arena; /* NULL: not inside msg_full */
	struct block *spilt;
	size_t spilt_bytes;
} memory;

static struct block *spill(size_t n)
{
	if (n > SPILL_MAX - memory.spilt_bytes)
		return NULL;
	struct block *b = malloc(n);
	if (!b)
		return NULL;
	b->next_spilt = memory.spilt;
	memory.spilt = b;
	memory.spilt_bytes += n;
	return b;
}

static void *hook_malloc(size_t n)
{
	if (n > SPILL_MAX - sizeof(struct block))
		return NULL;
	/* Outside of msg_full: libosip2's own one-time tables. */
	if (!memory.arena)
		return malloc(n);
	struct block *b = arena_alloc(memory.arena, n + sizeof(struct block));
	if (!b)
		b = spill(n + sizeof(struct block));
	if (!b)
		return NULL;
	b->size = n;
	return b + 1;
}

static void *hook_realloc(void *p, size_t n)
{
	if (!memory.arena)
		return realloc(p, n);
	void *to = hook_malloc(n);
	if (to && p) {
		size_t had = ((struct block *)p - 1)->size;
		memcpy(to, p, had < n ? had : n);
	}
	return to;
}

static void hook_free(void *p)
{
	if (!memory.arena)
		free(p);
}

static void no_trace(const char *file, int line, osip_trace_level_t level, const char *text,
		     va_list ap)
{
	(void)file;
	(void)line;
	(void)level;
	(void)text;
	(void)ap;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start_libosip2(void)
{
	osip_set_allocators(hook_malloc, hook_realloc, hook_free);
	/* Else it prints every parse error on stdout. */
	osip_trace_initialize_func(END_TRACE_LEVEL, no_trace);
	parser_init();
}

static enum err fail(struct msg *m, enum msg_fault f, enum err e)
{
	m->fault = f;
	m->fault_at = 0;
	return e;
}

/* libosip2 is quadratic in commas and semicolons: one datagram could cost 0.9 s. */
static enum err check_caps(struct msg *m)
{
	size_t all = 0;
	for (size_t i = 0; i <= m->header_count; i++) {
		struct str s = i == m->header_count ? m->uri : msg_value_at(m, i);
		size_t commas = 0, params = 0;
		for (size_t k = 0; k < s.len; k++) {
			commas += s.p[k] == ',';
			params += s.p[k] == ';' || s.p[k] == '&';
		}
		all += commas + params;
		if (commas > MSG_FULL_COMMAS_MAX || params > MSG_FULL_PARAMS_MAX ||
		    all > MSG_FULL_ITEMS_MAX)
			return fail(m, MSG_FAULT_TOO_MANY_ITEMS, ERR_LIMIT);
	}
	return OK;
}

static bool has_octets_that_libosip2_cannot_take(const struct msg *m)
{
	for (size_t i = 0; i < m->header_count; i++) {
		struct str s = msg_value_at(m, i);
		const char *end = s.p + s.len, *p = s.p; /* never NULL: inside the message */
		while ((p = octet_find_control(p, end)) != end) {
			if (*p != '\r' && *p != '\n')
				return true;
			p++;
		}
	}
	return false;
}

/* A start line that libosip2 can take: it refuses schemes that it does not know (RFC 4475 §3.3.3), while we want to say 416. */
static void write_start_line(struct buf *b, const struct msg *m)
{
	struct uri u;
	struct str eol = {m->bytes.p, m->headers[0].name_at};
	if (m->is_request && (uri_parse(m->uri, &u) != OK || u.scheme == URI_OTHER))
		buf_lit(b, "OPTIONS sip:x SIP/2.0\r\n");
	else
		buf_str(b, eol);
}

static bool is_ours_to_judge(unsigned id)
{
	switch (id) {
	case HDR_CALL_ID:
	case HDR_CONTACT:
	case HDR_CONTENT_LENGTH:
	case HDR_CSEQ:
	case HDR_FROM:
	case HDR_RECORD_ROUTE:
	case HDR_ROUTE:
	case HDR_TO: return true;
	default: return false;
	}
}

/* The rest of the header section; ends like a message with no body. */
static struct str copy_headers(const struct msg *m, struct arena *a)
{
	size_t cap = (size_t)(m->body.p - m->bytes.p) + 32;
	char *mem = arena_alloc(a, cap);
	if (!mem)
		return STR_NONE;
	struct buf b;
	buf_init(&b, mem, cap);
	write_start_line(&b, m);
	size_t from = m->headers[0].name_at;
	for (size_t i = 1; i <= m->header_count; i++) {
		size_t to = i < m->header_count ? m->headers[i].name_at
						: (size_t)(m->body.p - m->bytes.p) - 2;
		if (!is_ours_to_judge(m->headers[i - 1].id))
			buf_bytes(&b, m->bytes.p + from, to - from);
		from = to;
	}
	buf_lit(&b, "\r\n");
	return buf_view(&b);
}

static enum err run_libosip2(struct msg *m, struct str text)
{
	osip_message_t *sip;
	if (osip_message_init(&sip) != OSIP_SUCCESS)
		return fail(m, MSG_FAULT_NO_MEMORY, ERR_NOMEM);
	int e = osip_message_parse(sip, text.p, text.len);
	/* No osip_message_free: all its memory goes at once. */
	if (e == OSIP_SUCCESS)
		return OK;
	if (e == OSIP_NOMEM)
		return fail(m, MSG_FAULT_NO_MEMORY, ERR_NOMEM);
	return fail(m, MSG_FAULT_SYNTAX, ERR_BAD);
}

enum err msg_full(struct msg *m, struct arena *a)
{
	enum err e = msg_check(m);
	if (e == OK)
		e = check_caps(m);
	if (e != OK || has_octets_that_libosip2_cannot_take(m))
		return e;
	CHECK(memory.arena == NULL);
	if (pthread_once(&once, start_libosip2) != 0)
		return fail(m, MSG_FAULT_NO_MEMORY, ERR_NOMEM);
	size_t mark = a->used;
	struct str text = copy_headers(m, a);
	if (text.len == 0)
		return fail(m, MSG_FAULT_NO_MEMORY, ERR_NOMEM);
	memory.arena = a;
	e = run_libosip2(m, text);
	memory.arena = NULL;
	while (memory.spilt) {
		struct block *b = memory.spilt;
		memory.spilt = b->next_spilt;
		free(b);
	}
	memory.spilt_bytes = 0;
	a->used = mark;
	return e;
}
