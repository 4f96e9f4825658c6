#include "sabotage.h"

#include "common/check.h"
#include "tests/sim/core_node.h"
#include "tests/sim/sip_text.h"

static const char *const scenarios[INV_COUNT] = {
	[INV_REST] = "a call, the caller hangs up",
	[INV_NOTHING_LEFT] = "a call, the caller hangs up",
	[INV_MEMORY] = "a call, the caller hangs up",
	[INV_ONE_CDR] = "a call, the caller hangs up",
	[INV_CDR_TRUTH] = "a call, the caller hangs up",
	[INV_COUNTERS] = "a call, the caller hangs up",
	[INV_ONE_FINAL] = "the callee declines",
	[INV_ACK] = "a call, the caller hangs up",
	[INV_LEGS_END] = "a call, the caller hangs up",
	[INV_AGREE] = "the callee declines",
	[INV_OFFER] = "a call, the caller hangs up",
	[INV_ORIGIN] = "the caller holds and resumes",
	[INV_LINES] = "a call, the caller hangs up",
	[INV_MEDIA_PATH] = "a call, the caller hangs up",
	[INV_HIDDEN] = "a call, the caller hangs up",
	[INV_SEPARATE] = "a call, the caller hangs up",
	[INV_ENCRYPTED] = "SRTP outside, RTP inside",
	[INV_SCHEDULE] = "lost 200s",
	[INV_CSEQ] = "INFO in the dialog",
	[INV_HOPS] = "a call, the caller hangs up",
	[INV_RELIABLE] = "reliable ringing that the caller can acknowledge",
	[INV_RELAY] = "a call, the caller hangs up",
	[INV_SETTINGS] = "new settings during the call",
	[INV_DIALOG] = "CANCEL while it rings",
	[INV_FORM] = "a call, the caller hangs up",
	[INV_STORE] = "the store freezes during the call",
	[INV_SCENARIO] = "a call, the caller hangs up",
};

const char *sabotage_scenario(enum invariant of)
{
	return scenarios[of];
}

/* The text with the first `from` made `to`; as it was where there is none. */
static struct str replaced(struct arena *a, struct str text, const char *from, const char *to)
{
	struct str f = str_from(from), t = str_from(to);
	size_t at = str_find(text, f);
	if (at == text.len)
		return text;
	size_t cap = text.len + t.len + 1;
	struct buf b;
	char *mem = arena_alloc(a, cap);
	CHECK(mem != NULL);
	buf_init(&b, mem, cap);
	buf_str(&b, (struct str){text.p, at});
	buf_str(&b, t);
	buf_str(&b, str_from_offset(text, at + f.len));
	return buf_view(&b);
}

static struct str with_line(struct arena *a, struct str text, const char *line)
{
	char mem[256];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "\r\n%s\r\nCall-ID:", line);
	buf_char(&b, 0);
	return replaced(a, text, "\r\nCall-ID:", mem);
}

static struct str renumbered(struct arena *a, struct str text, const char *name, uint32_t n,
			     struct str rest)
{
	char from[64], to[96];
	struct buf f, t;
	struct str line;
	size_t at = str_find(text, str_from(name));
	if (at == text.len)
		return text;
	line = str_from_offset(text, at);
	line.len = str_index(line, '\r');
	buf_init(&f, from, sizeof(from));
	buf_str(&f, line);
	buf_char(&f, 0);
	buf_init(&t, to, sizeof(to));
	buf_printf(&t, "%s%u%.*s", name, n, STR_ARG(rest));
	buf_char(&t, 0);
	return f.overflow ? text : replaced(a, text, from, to);
}

static struct str answer_spoilt(struct sabotage *s, struct arena *a, const struct sip_text *m,
				struct str *out_extra)
{
	bool invite = str_eq(m->cseq_method, STR("INVITE"));
	struct str b = m->all;
	switch ((int)s->of) {
	case INV_ONE_FINAL:
		if (invite && m->status >= 300)
			*out_extra = replaced(a, b, "SIP/2.0 4", "SIP/2.0 5");
		return b;
	case INV_OFFER:
		if (!invite || m->status != 200 || !m->body.len)
			return b;
		b.len -= m->body.len;
		return renumbered(a, b, "Content-Length: ", 0, STR_NONE);
	case INV_FORM:
		return invite && m->status == 200 ? replaced(a, b, "\r\nContact:", "\r\nX-C:") : b;
	case INV_RELIABLE: return renumbered(a, b, "RSeq: ", 4000000 + 7 * ++s->done, STR_NONE);
	case INV_SCHEDULE:
		/* Each second copy of the 2xx never leaves. */
		return invite && m->status == 200 && ++s->done % 2 == 0 ? STR_NONE : b;
	case INV_STORE:
		/* The first answer to the BYE does not leave before it is asked for again. */
		return str_eq(m->cseq_method, STR("BYE")) && ++s->done == 1 ? STR_NONE : b;
	default: return b;
	}
}

static struct str request_spoilt(struct sabotage *s, struct arena *a, const struct sip_text *m)
{
	bool invite = str_eq(m->method, STR("INVITE"));
	struct str b = m->all;
	switch ((int)s->of) {
	case INV_ACK: return str_eq(m->method, STR("ACK")) ? STR_NONE : b;
	case INV_LEGS_END: return str_eq(m->method, STR("BYE")) ? STR_NONE : b;
	case INV_HOPS: return invite ? renumbered(a, b, "Max-Forwards: ", 71, STR_NONE) : b;
	case INV_CSEQ:
		return str_eq(m->method, STR("INFO"))
			       ? renumbered(a, b, "CSeq: ", m->cseq > 2 ? m->cseq - 2 : 0,
					    STR(" INFO"))
			       : b;
	case INV_DIALOG:
		return str_eq(m->method, STR("CANCEL"))
			       ? replaced(a, b, "branch=z9hG4bK", "branch=z9hG4bKx")
			       : b;
	default: return b;
	}
}

/* What the bodies say. */
static struct str body_spoilt(struct sabotage *s, struct arena *a, const struct sip_text *m)
{
	struct str b = m->all;
	if (!m->body.len)
		return b;
	switch ((int)s->of) {
	case INV_ORIGIN: { /* always version 1 */
		size_t at = str_find(m->body, STR("\r\no="));
		if (s->done++ < 2)
			return b;
		return at < m->body.len ? replaced(a, b, "o=- ", "o=- 9") : b;
	}
	case INV_LINES:
		return m->request ? b
				  : replaced(a, b, "a=sendrecv\r\n",
					     "a=sendrecv\r\nm=video 0 RTP/AVP 96\r\n");
	case INV_MEDIA_PATH: return replaced(a, b, "c=IN IP4 ", "c=IN IP4 1");
	case INV_ENCRYPTED: return replaced(a, b, "RTP/SAVP", "RTP/AVP");
	default: return b;
	}
}

/* The length said is the length sent. */
static struct str mended(struct arena *a, struct str text)
{
	size_t end = str_find(text, STR("\r\n\r\n"));
	return end == text.len
		       ? text
		       : renumbered(a, text, "Content-Length: ", (uint32_t)(text.len - end - 4),
				    STR_NONE);
}

struct str sabotage_message(struct sabotage *s, struct arena *a, bool trusted, struct str bytes,
			    struct str *out_extra)
{
	struct sip_text m;
	if (!sip_text_read(bytes, &m))
		return bytes;
	if (trusted && str_eq(m.cseq_method, STR("INVITE")) && !s->seen.len)
		s->seen = arena_str(a, m.call_id);
	if (s->of == INV_HIDDEN && !trusted)
		return with_line(a, bytes, "X-Note: Canary0");
	if (s->of == INV_SEPARATE && !trusted && s->seen.len && !m.request) {
		*out_extra = replaced(a, bytes, "Call-ID: ", "Call-ID: x");
		struct buf b;
		char *mem = arena_alloc(a, bytes.len + 256);
		CHECK(mem != NULL);
		buf_init(&b, mem, bytes.len + 256);
		size_t at = str_find(bytes, m.call_id);
		buf_str(&b, (struct str){bytes.p, at});
		buf_str(&b, s->seen);
		buf_str(&b, str_from_offset(bytes, at + m.call_id.len));
		*out_extra = buf_view(&b);
		return bytes;
	}
	struct str out = m.request ? request_spoilt(s, a, &m) : answer_spoilt(s, a, &m, out_extra);
	if (out.p == bytes.p && out.len == bytes.len) {
		out = body_spoilt(s, a, &m);
		if (out.p != bytes.p)
			out = mended(a, out);
	}
	return out;
}

struct str sabotage_late(struct sabotage *s, struct arena *a, struct str bytes)
{
	return s->of == INV_AGREE && str_has_prefix(bytes, STR("SIP/2.0 486"))
		       ? replaced(a, bytes, "SIP/2.0 486", "SIP/2.0 480")
		       : bytes;
}

bool sabotage_relay(struct sabotage *s, const struct relay_query *q)
{
	return s->of == INV_RELAY && str_eq(q->command, STR("delete"));
}

bool sabotage_notice(struct sabotage *s, const struct notice *n)
{
	if (s->of == INV_ONE_CDR && n->type == NOTICE_CALL_ENDED)
		return true;
	return s->of == INV_COUNTERS && n->type == NOTICE_CALL_ANSWERED;
}

void sabotage_cdr(struct sabotage *s, struct core_node *n)
{
	struct core_cdr *c = &n->cdrs[n->cdr_count - 1];
	if (s->of == INV_CDR_TRUTH)
		c->status = 500;
}

bool sabotage_freezes(const struct sabotage *s)
{
	return s->of == INV_NOTHING_LEFT || s->of == INV_MEMORY || s->of == INV_SETTINGS;
}
