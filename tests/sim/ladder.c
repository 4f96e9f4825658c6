#include "ladder.h"

#include <stdarg.h>
#include <stdio.h>

#include "sip_text.h"

static void print_time(const struct ladder *l, uint64_t now_ms)
{
	uint64_t t = now_ms - l->start_ms;
	printf("# %4u.%03u  ", (unsigned)(t / 1000), (unsigned)(t % 1000));
}

void ladder_message(const struct ladder *l, uint64_t now_ms, const char *from, const char *to,
		    struct str bytes, const char *fate)
{
	if (!l->on)
		return;
	print_time(l, now_ms);
	printf("%-8s → %-8s %-6s ", from, to, fate);
	struct sip_text m;
	if (!sip_text_read(bytes, &m))
		printf("?? %zu octets\n", bytes.len);
	else if (m.request)
		printf("%.*s %.*s  [%u, branch …%.*s%s%.*s]%s\n", STR_ARG(m.method), STR_ARG(m.uri),
		       m.cseq, 10, m.branch.len > 10 ? m.branch.p + m.branch.len - 10 : m.branch.p,
		       m.to_tag.len ? ", to " : "", (int)(m.to_tag.len < 12 ? m.to_tag.len : 12),
		       m.to_tag.len ? m.to_tag.p : "", m.body.len ? " +body" : "");
	else
		printf("%u %.*s  [%u %.*s, branch …%.*s%s%.*s]%s\n", m.status, STR_ARG(m.reason),
		       m.cseq, STR_ARG(m.cseq_method), 10,
		       m.branch.len > 10 ? m.branch.p + m.branch.len - 10 : m.branch.p,
		       m.to_tag.len ? ", to " : "", (int)(m.to_tag.len < 12 ? m.to_tag.len : 12),
		       m.to_tag.len ? m.to_tag.p : "", m.body.len ? " +body" : "");
	if (!l->whole)
		return;
	struct str line;
	while (str_cut(&bytes, '\n', &line))
		printf("#              %.*s\n", STR_ARG(str_trim(line)));
}

void ladder_say(const struct ladder *l, uint64_t now_ms, const char *fmt, ...)
{
	if (!l->on)
		return;
	print_time(l, now_ms);
	va_list ap;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}
