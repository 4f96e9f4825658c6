#include "sbc/core/refer.h"

#include <string.h>

#include "sbc/core/build.h"
#include "sbc/core/octet.h"

static bool is_call_id(struct str s)
{
	size_t at = str_index(s, '@');

	if (s.len == 0 || octet_span(s, OCTET_WORD) != at)
		return false;
	struct str host = str_from_offset(s, at + 1);
	return at == s.len || (host.len > 0 && octet_span(host, OCTET_WORD) == host.len);
}

static enum err take_tag(struct str *tag, struct str value)
{
	if (tag->len > 0 || !hdr_is_token(value))
		return ERR_BAD;
	*tag = value;
	return OK;
}

enum err refer_replaces_parse(struct str value, struct refer_replaces *out)
{
	CHECK(out);
	size_t at = str_index(value, ';');
	struct refer_replaces r = {.call_id = str_trim((struct str){value.p, at})};
	struct str params = str_from_offset(value, at), name, v;
	bool bad;

	if (!is_call_id(r.call_id))
		return ERR_BAD;
	while (hdr_param_cut(&params, &name, &v, &bad)) {
		enum err e = OK;
		if (str_ieq(name, STR("to-tag")))
			e = take_tag(&r.to_tag, v);
		else if (str_ieq(name, STR("from-tag")))
			e = take_tag(&r.from_tag, v);
		else if (str_ieq(name, STR("early-only")))
			r.early_only = true;
		if (e != OK)
			return e;
	}
	if (bad || r.to_tag.len == 0 || r.from_tag.len == 0)
		return ERR_BAD;
	*out = r;
	return OK;
}

void refer_replaces_write(struct buf *b, const struct refer_replaces *r)
{
	CHECK(b && r);
	buf_str(b, r->call_id);
	buf_lit(b, ";to-tag=");
	buf_str(b, r->to_tag);
	buf_lit(b, ";from-tag=");
	buf_str(b, r->from_tag);
	if (r->early_only)
		buf_lit(b, ";early-only");
}

/* What is not certain to pass everywhere is escaped; that is always allowed (RFC 3261 §19.1.2). */
static void write_escaped(struct buf *b, struct str s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
		if (plain) {
			buf_char(b, (char)c);
			continue;
		}
		buf_char(b, '%');
		buf_char(b, hex[c >> 4]);
		buf_char(b, hex[c & 15]);
	}
}

void refer_replaces_write_escaped(struct buf *b, const struct refer_replaces *r)
{
	char mem[REFER_REPLACES_MAX];
	struct buf plain;

	buf_init(&plain, mem, sizeof(mem));
	refer_replaces_write(&plain, r);
	buf_lit(b, "Replaces=");
	write_escaped(b, buf_view(&plain));
	if (plain.overflow)
		b->overflow = true;
}

static enum err read_replaces(struct str headers, char mem[REFER_REPLACES_MAX],
			      struct refer_to *out)
{
	struct str one;

	while (str_cut(&headers, '&', &one)) {
		struct buf b;
		size_t eq = str_index(one, '=');
		if (!str_ieq((struct str){one.p, eq}, STR("Replaces")))
			continue;
		if (out->has_replaces)
			return ERR_BAD;
		buf_init(&b, mem, REFER_REPLACES_MAX);
		enum err e = uri_unescape(&b, str_from_offset(one, eq + 1));
		if (e != OK)
			return e;
		if (b.overflow)
			return ERR_LIMIT;
		if (!hdr_is_clean(buf_view(&b)) ||
		    refer_replaces_parse(buf_view(&b), &out->replaces) != OK)
			return ERR_BAD;
		out->has_replaces = true;
	}
	return OK;
}

enum err refer_to_parse(struct str value, char mem[REFER_REPLACES_MAX], struct refer_to *out)
{
	CHECK(mem && out);
	struct refer_to r = {.method = STR_NONE};
	struct name_addr a;

	if (name_addr_parse(value, &a) != OK || a.star || uri_parse(a.uri, &r.uri) != OK)
		return ERR_BAD;
	uri_param(&r.uri, STR("method"), &r.method);
	enum err e = read_replaces(r.uri.headers, mem, &r);
	if (e == OK)
		*out = r;
	return e;
}

enum err refer_to_of(const struct msg *m, char mem[REFER_REPLACES_MAX], struct refer_to *out)
{
	CHECK(m && out);
	size_t cursor = 0;
	struct str value, more;

	if (!msg_next(m, HDR_REFER_TO, &cursor, &value) ||
	    msg_next(m, HDR_REFER_TO, &cursor, &more) || hdr_index_outside(value, ',') != value.len)
		return ERR_BAD;
	return refer_to_parse(value, mem, out);
}

bool refer_wants_notify(const struct msg *m)
{
	CHECK(m);
	struct str value = msg_value(m, HDR_REFER_SUB);

	return !str_ieq(str_trim((struct str){value.p, str_index(value, ';')}), STR("false"));
}

enum err refer_state_parse(struct str value, enum refer_state *out, uint32_t *out_expires_s)
{
	CHECK(out && out_expires_s);
	static const struct str words[REFER_STATE_COUNT] = {
		[REFER_ACTIVE] = {"active", 6},
		[REFER_PENDING] = {"pending", 7},
		[REFER_TERMINATED] = {"terminated", 10},
	};
	size_t at = str_index(value, ';');
	struct str word = str_trim((struct str){value.p, at}), expires;

	for (unsigned i = 0; i < REFER_STATE_COUNT; i++) {
		if (!str_ieq(word, words[i]))
			continue;
		uint32_t seconds = 0;
		if (hdr_param(str_from_offset(value, at), STR("expires"), &expires) &&
		    str_to_u32(expires, UINT32_MAX, &seconds) != OK)
			return ERR_BAD;
		*out = (enum refer_state)i;
		*out_expires_s = seconds;
		return OK;
	}
	return ERR_BAD;
}

void refer_state_write(struct buf *b, enum refer_state state, uint32_t expires_s)
{
	CHECK(b);
	buf_lit(b, "Subscription-State: ");
	switch (state) {
	case REFER_ACTIVE: buf_printf(b, "active;expires=%u\r\n", expires_s); break;
	case REFER_PENDING: buf_printf(b, "pending;expires=%u\r\n", expires_s); break;
	case REFER_TERMINATED: buf_lit(b, "terminated;reason=noresource\r\n"); break;
	case REFER_STATE_COUNT: break;
	}
}

enum err refer_frag_parse(struct str body, uint16_t *out_status)
{
	CHECK(out_status);
	struct str line = {body.p, str_index(body, '\n')}, rest;
	uint16_t status;

	if (!str_has_iprefix(line, STR("SIP/2.0 ")) || line.len < 11)
		return ERR_BAD;
	rest = str_from_offset(line, 11);
	if (rest.len > 0 && rest.p[0] != ' ' && rest.p[0] != '\r')
		return ERR_BAD;
	if (str_to_u16((struct str){line.p + 8, 3}, 699, &status) != OK || status < 100)
		return ERR_BAD;
	*out_status = status;
	return OK;
}

void refer_frag_write(struct buf *b, uint16_t status)
{
	CHECK(b);
	buf_printf(b, "SIP/2.0 %u ", status);
	buf_str(b, build_reason(status));
	buf_lit(b, "\r\n");
}
