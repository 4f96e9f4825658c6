#include "rtpproxy/core/sdp_edit.h"

#define MARK "a=rtpengine:"

bool sdp_edit_is_wanted(const struct flags *f)
{
	return f->edits.count > 0 || f->words & FLAGS_LOOP_PROTECT;
}

/* "--" stands for "=", ".." for a space, where the word came inside a flag. */
static struct str unescape(const struct flags_edit *e, struct str s, char *mem, size_t cap)
{
	struct buf b;
	if (!e->escaped) {
		return s;
	}
	buf_init(&b, mem, cap);
	for (size_t i = 0; i < s.len; i++) {
		bool two = i + 1 < s.len && s.p[i] == s.p[i + 1];
		if (two && (s.p[i] == '-' || s.p[i] == '.')) {
			buf_char(&b, s.p[i] == '-' ? '=' : ' ');
			i++;
		} else {
			buf_char(&b, s.p[i]);
		}
	}
	return buf_view(&b);
}

/* Does "ptime:20" or "ptime" name the attribute line "a=ptime:20"? */
static bool is_named(struct str line, struct str name)
{
	if (!str_has_prefix(line, STR("a=")) || name.len == 0) {
		return false;
	}
	struct str attr = str_from_offset(line, 2);
	return str_eq(attr, name) ||
	       (attr.len > name.len && attr.p[name.len] == ':' && str_has_prefix(attr, name));
}

static bool applies(const struct flags_edit *e, struct str section)
{
	return str_ieq(e->section, section);
}

static void write_line(struct buf *b, struct str attr)
{
	/* A line break in a value would make another line of it. */
	if (attr.len > 0 && !str_has_char(attr, '\n') && !str_has_char(attr, '\r')) {
		buf_lit(b, "a=");
		buf_str(b, attr);
		buf_lit(b, "\r\n");
	}
}

static void end_section(const struct flags *f, struct str instance, struct str section,
			struct buf *b)
{
	char mem[FLAGS_EDIT_MAX];
	if ((f->words & FLAGS_LOOP_PROTECT) && str_eq(section, STR("none"))) {
		buf_printf(b, MARK "%.*s\r\n", STR_ARG(instance));
	}
	for (size_t i = 0; i < f->edits.count; i++) {
		const struct flags_edit *e = &f->edits.at[i];
		if (e->kind == FLAGS_EDIT_ADD && applies(e, section)) {
			write_line(b, unescape(e, e->what, mem, sizeof(mem)));
		}
	}
}

/* False: the line stays as it is. */
static bool edit_line(const struct flags *f, struct str section, struct str line, struct buf *b)
{
	char mem[2][FLAGS_EDIT_MAX];
	for (size_t i = 0; i < f->edits.count; i++) {
		const struct flags_edit *e = &f->edits.at[i];
		if (e->kind == FLAGS_EDIT_ADD || !applies(e, section) ||
		    !is_named(line, unescape(e, e->what, mem[0], sizeof(mem[0])))) {
			continue;
		}
		if (e->kind == FLAGS_EDIT_SUBSTITUTE) {
			write_line(b, unescape(e, e->with, mem[1], sizeof(mem[1])));
		}
		return true;
	}
	return false;
}

void sdp_edit_write(const struct flags *f, struct str instance, struct str sdp, struct buf *b)
{
	struct str section = STR("none"), line;
	while (sdp.len > 0 && str_cut(&sdp, '\n', &line)) {
		struct str bare = str_trim(line);
		if (str_has_prefix(bare, STR("m="))) {
			end_section(f, instance, section, b);
			section = str_from_offset(bare, 2);
			section.len = str_index(section, ' ');
		}
		if (!edit_line(f, section, bare, b)) {
			buf_str(b, bare);
			buf_lit(b, "\r\n");
		}
	}
	end_section(f, instance, section, b);
}

bool sdp_edit_is_ours(struct str sdp, struct str instance)
{
	struct str line;
	while (sdp.len > 0 && str_cut(&sdp, '\n', &line)) {
		line = str_trim(line);
		if (str_has_prefix(line, STR(MARK)) &&
		    str_eq(str_from_offset(line, sizeof(MARK) - 1), instance)) {
			return true;
		}
	}
	return false;
}
