#include "sbc/core/frame.h"

#include "sbc/core/hdr.h"
#include "sbc/core/octet.h"

void frame_init(struct frame *f)
{
	*f = (struct frame){0};
}

static struct frame_out out_of(enum frame_kind kind, size_t consumed, struct str message)
{
	return (struct frame_out){kind, consumed, message};
}

/* The first line says whether this is worth reading on: "METHOD uri SIP/x" or "SIP/x code". */
static bool is_sip_line(struct str line)
{
	if (str_has_iprefix(line, STR("SIP/")))
		return true;
	size_t n = octet_span(line, OCTET_TOKEN);
	return n > 0 && n < line.len && line.p[n] == ' ' && str_find(line, STR(" SIP/")) < line.len;
}

/*
 * Looks at the lines that came since the last call. OK: the header section is whole (header_len set); ERR_MORE;
 * ERR_BAD: a line feed alone; ERR_UNSUPPORTED: not SIP.
 */
static enum err scan(struct frame *f, struct str s)
{
	if (f->scanned == 0 && s.len > 0 && !octet_is(s.p[0], OCTET_TOKEN))
		return ERR_UNSUPPORTED;
	while (f->scanned < s.len) {
		const char *lf = memchr(s.p + f->scanned, '\n', s.len - f->scanned);
		if (!lf) {
			f->scanned = s.len;
			return ERR_MORE;
		}
		size_t at = (size_t)(lf - s.p);
		f->scanned = at + 1;
		if (at == f->line_at || s.p[at - 1] != '\r')
			return f->line_at == 0 ? ERR_UNSUPPORTED : ERR_BAD;
		if (f->line_at == 0 && !is_sip_line((struct str){s.p, at - 1}))
			return ERR_UNSUPPORTED;
		if (at == f->line_at + 1) {
			f->header_len = f->scanned;
			return OK;
		}
		f->line_at = f->scanned;
	}
	return ERR_MORE;
}

/* Content-Length of a whole header section: exactly one, digits only, folded or not. */
static enum err read_length(struct str section, uint64_t *out)
{
	bool found = false;
	while (section.len > 0) {
		/* A line with its continuations. */
		size_t n = 0;
		do {
			struct str rest = str_from_offset(section, n);
			n += str_index(rest, '\n') + 1;
		} while (n < section.len && (section.p[n] == ' ' || section.p[n] == '\t'));
		struct str line = {section.p, n < section.len ? n : section.len};
		section = str_from_offset(section, n);
		size_t name_len = octet_span(line, OCTET_TOKEN);
		struct str value = octet_skip_lws(str_from_offset(line, name_len));
		if (hdr_find((struct str){line.p, name_len}) != HDR_CONTENT_LENGTH ||
		    value.len == 0 || value.p[0] != ':')
			continue;
		if (found || str_to_u64(str_trim(str_from_offset(value, 1)), UINT32_MAX, out) != OK)
			return ERR_BAD;
		found = true;
	}
	return found ? OK : ERR_BAD;
}

/*
 * One CRLF before a message (RFC 5626 §3.5.1 keep-alives), at once and one at a time, so that nothing is told differently when
 * it comes in pieces. False: what stands here is no line end.
 */
static bool take_line_end(struct frame *f, struct str s, struct frame_out *out)
{
	if (s.p[0] != '\r' && s.p[0] != '\n')
		return false;
	if (s.p[0] == '\n' || (s.len >= 2 && s.p[1] != '\n')) {
		*out = out_of(FRAME_NOT_SIP, 0, STR_NONE);
	} else if (s.len == 1) {
		*out = out_of(FRAME_MORE, 0, STR_NONE);
	} else {
		*out = out_of(f->after_crlf ? FRAME_PING : FRAME_PONG, 2, STR_NONE);
		f->after_crlf = !f->after_crlf;
	}
	return true;
}

struct frame_out frame_step(struct frame *f, struct str buffered, const struct frame_limits *limits)
{
	struct frame_out out;
	if (buffered.len == 0)
		return out_of(FRAME_MORE, 0, STR_NONE);
	if (f->scanned == 0 && take_line_end(f, buffered, &out))
		return out;
	if (f->header_len == 0) {
		/* One octet more than allowed is looked at, so that the limit itself still fits. */
		size_t most = limits->header_bytes;
		struct str seen = {buffered.p, buffered.len < most ? buffered.len : most};
		enum err e = scan(f, seen);
		if (e == ERR_UNSUPPORTED)
			return out_of(FRAME_NOT_SIP, 0, STR_NONE);
		if (e == ERR_BAD)
			return out_of(FRAME_BAD, 0, (struct str){buffered.p, f->scanned});
		if (e != OK) {
			bool full = buffered.len >= most;
			return out_of(full ? FRAME_LIMIT : FRAME_MORE, 0, STR_NONE);
		}
		uint64_t body;
		struct str section = {buffered.p, f->header_len};
		if (read_length(section, &body) != OK)
			return out_of(FRAME_BAD, 0, section);
		if (body > limits->message_bytes || f->header_len > limits->message_bytes - body)
			return out_of(FRAME_LIMIT, 0, section);
		f->total = f->header_len + (size_t)body;
	}
	if (buffered.len < f->total)
		return out_of(FRAME_MORE, 0, STR_NONE);
	size_t total = f->total;
	frame_init(f);
	return out_of(FRAME_MESSAGE, total, (struct str){buffered.p, total});
}
