#include "rtpproxy/core/ng_frame.h"

#include "common/bencode.h"
#include "common/json.h"

enum { LENGTH_DIGITS_MAX = 8 };

void ng_frame_init(struct ng_frame *f, bool may_be_plain)
{
	*f = (struct ng_frame){.state = NG_FRAME_COOKIE, .plain = may_be_plain};
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "d" alone may still become a cookie; "d7" and "{" are no cookies that anybody makes. */
static ptrdiff_t step_cookie(struct ng_frame *f, struct str in)
{
	char c = in.p[f->at];
	if (f->plain && f->at == 0) {
		if (in.p[0] != '{' && in.p[0] != 'd') {
			f->plain = false;
		} else if (in.p[0] == '{' ||
			   (in.len > 1 && (is_digit(in.p[1]) || in.p[1] == 'e'))) {
			f->state = NG_FRAME_BODY;
			return OK;
		} else if (in.len == 1) {
			return ERR_MORE;
		} else {
			f->plain = false;
		}
	}
	if (c == ' ') {
		f->state = NG_FRAME_BODY;
		f->at++;
		return f->at > 1 ? OK : ERR_BAD;
	}
	return ++f->at > NG_FRAME_COOKIE_MAX || (unsigned char)c < ' ' ? ERR_BAD : OK;
}

static ptrdiff_t step_body(struct ng_frame *f, char c)
{
	if (c != 'd' && c != '{') {
		return ERR_BAD;
	}
	/* The same byte is read again as the first value. */
	f->state = c == 'd' ? NG_FRAME_VALUE : NG_FRAME_JSON;
	return OK;
}

/* A value has ended; with the last open one so has the message. */
static ptrdiff_t end_value(struct ng_frame *f)
{
	f->state = NG_FRAME_VALUE;
	return f->depth == 0 ? (ptrdiff_t)f->at : OK;
}

static ptrdiff_t step_value(struct ng_frame *f, char c)
{
	f->at++;
	if (c == 'd' || c == 'l') {
		return f->depth++ == BENCODE_DEPTH_MAX ? ERR_LIMIT : OK;
	}
	if (c == 'e' && f->depth > 0) {
		f->depth--;
		return end_value(f);
	}
	if (c == 'i') {
		f->state = NG_FRAME_INT;
		return OK;
	}
	if (!is_digit(c)) {
		return ERR_BAD;
	}
	f->state = NG_FRAME_LENGTH;
	f->left = (size_t)(c - '0');
	f->digits = 1;
	return OK;
}

static ptrdiff_t step_length(struct ng_frame *f, char c, size_t limit)
{
	f->at++;
	if (c == ':') {
		f->state = NG_FRAME_TEXT;
		return f->left > limit ? ERR_LIMIT : OK;
	}
	if (!is_digit(c)) {
		return ERR_BAD;
	}
	f->left = f->left * 10 + (size_t)(c - '0');
	return ++f->digits > LENGTH_DIGITS_MAX ? ERR_LIMIT : OK;
}

/* The only state that takes more than a byte at a time. */
static ptrdiff_t step_text(struct ng_frame *f, struct str in)
{
	size_t n = in.len - f->at < f->left ? in.len - f->at : f->left;
	f->at += n;
	f->left -= n;
	return f->left > 0 ? ERR_MORE : end_value(f);
}

static ptrdiff_t step_int(struct ng_frame *f, char c)
{
	f->at++;
	if (c == 'e') {
		return end_value(f);
	}
	return is_digit(c) || c == '-' ? OK : ERR_BAD;
}

static ptrdiff_t step_json(struct ng_frame *f, char c)
{
	f->at++;
	if (c == '"') {
		f->state = NG_FRAME_JSON_TEXT;
	} else if (c == '{' || c == '[') {
		return f->depth++ == JSON_DEPTH_MAX ? ERR_LIMIT : OK;
	} else if ((c == '}' || c == ']') && --f->depth == 0) {
		return (ptrdiff_t)f->at;
	}
	return OK;
}

static ptrdiff_t step_json_text(struct ng_frame *f, char c)
{
	f->at++;
	if (f->state == NG_FRAME_JSON_ESCAPE) {
		f->state = NG_FRAME_JSON_TEXT;
	} else if (c == '\\') {
		f->state = NG_FRAME_JSON_ESCAPE;
	} else if (c == '"') {
		f->state = NG_FRAME_JSON;
	}
	return OK;
}

static ptrdiff_t step_one(struct ng_frame *f, struct str in, size_t limit)
{
	char c = in.p[f->at];
	switch ((enum ng_frame_state)f->state) {
	case NG_FRAME_COOKIE: return step_cookie(f, in);
	case NG_FRAME_BODY: return step_body(f, c);
	case NG_FRAME_VALUE: return step_value(f, c);
	case NG_FRAME_LENGTH: return step_length(f, c, limit);
	case NG_FRAME_TEXT: return step_text(f, in);
	case NG_FRAME_INT: return step_int(f, c);
	case NG_FRAME_JSON: return step_json(f, c);
	case NG_FRAME_JSON_TEXT:
	case NG_FRAME_JSON_ESCAPE: return step_json_text(f, c);
	case NG_FRAME_STATE_COUNT: break;
	}
	return ERR_BAD;
}

ptrdiff_t ng_frame_step(struct ng_frame *f, struct str in, size_t limit)
{
	ptrdiff_t n = OK;
	/* An empty string ends without a further byte. */
	while (n == OK && (f->at < in.len || (f->state == NG_FRAME_TEXT && f->left == 0))) {
		n = f->state == NG_FRAME_TEXT ? step_text(f, in) : step_one(f, in, limit);
	}
	if (n > 0 && (size_t)n > limit) {
		return ERR_LIMIT;
	}
	if (n == OK || n == ERR_MORE) {
		return f->at + f->left > limit ? ERR_LIMIT : ERR_MORE;
	}
	return n;
}
