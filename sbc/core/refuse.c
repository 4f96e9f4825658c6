#include "sbc/core/refuse.h"

#include "sbc/core/body.h"
#include "sbc/core/build.h"
#include "sbc/core/uri.h"

/* Instead of a host name, which would say where we are (RFC 3261 §20.43 pseudonym). */
#define AGENT STR("sbc")

static struct verdict allow(void)
{
	return (struct verdict){.outcome = VERDICT_ALLOW};
}

static struct verdict drop(struct str rule)
{
	return (struct verdict){
		.outcome = VERDICT_DROP, .stage = VERDICT_STAGE_PARSE, .rule = rule};
}

static struct verdict reject(uint16_t status, struct str reason, struct str rule)
{
	return (struct verdict){.outcome = VERDICT_REJECT,
				.stage = VERDICT_STAGE_PARSE,
				.status = status,
				.reason = reason.len > 0 ? reason : build_reason(status),
				.rule = rule};
}

struct verdict refuse_fault(const struct msg *m)
{
	CHECK(m->fault != MSG_FAULT_NONE);
	struct str rule = str_from(msg_fault_name(m->fault));
	uint16_t status = msg_fault_status(m->fault);
	if (!m->answerable || status == 0)
		return drop(rule);
	return reject(status, msg_fault_text(m->fault), rule);
}

struct verdict refuse_response(const struct msg *m)
{
	/* RFC 3261 §8.1.3.3: ours is the only Via in a response to us; the others would be told to send on. */
	if (m->via_lines > 1 || m->via.has_more)
		return drop(STR("foreign_via"));
	return allow();
}

/* --- requests that are well formed */

/* Next option tag of Require or Proxy-Require that is not supported; *cursor and *rest start at 0. */
static bool next_unsupported(const struct msg *m, enum hdr id, const struct refuse_params *p,
			     size_t *cursor, struct str *rest, struct str *out_tag)
{
	for (;;) {
		struct str tag;
		while (hdr_list_cut(rest, &tag)) {
			bool known = false;
			for (size_t i = 0; i < p->extension_count; i++)
				known = known || str_ieq(tag, p->extensions[i]);
			if (!known) {
				*out_tag = tag;
				return true;
			}
		}
		if (!msg_next(m, id, cursor, rest))
			return false;
	}
}

static bool has_unsupported(const struct msg *m, enum hdr id, const struct refuse_params *p)
{
	size_t cursor = 0;
	struct str rest = STR_NONE, tag;
	return next_unsupported(m, id, p, &cursor, &rest, &tag);
}

/* Bodies that we must understand; others (INFO, MESSAGE) only pass through. */
static bool is_body_ours(const struct msg *m)
{
	return m->method == METHOD_INVITE || m->method == METHOD_UPDATE ||
	       m->method == METHOD_PRACK || m->method == METHOD_ACK;
}

static struct verdict judge_body(const struct msg *m, const struct refuse_params *p)
{
	struct body b;
	struct body_types understood = {p->content_types, p->content_type_count};
	struct body_types named = {p->bodies, p->body_count};
	if (m->body.len == 0 || !is_body_ours(m))
		return allow();
	enum err e = body_read(m, &b);
	if (e == ERR_LIMIT)
		return reject(415, STR_NONE, STR("multipart_limit"));
	if (e != OK)
		return reject(400, STR("Bad multipart body"), STR("multipart"));
	if (body_is_understood(&b, &understood, &named))
		return allow();
	return reject(415, STR_NONE, STR("content_type"));
}

static struct verdict judge(const struct msg *m, const struct refuse_params *p)
{
	struct uri u;
	if (m->method == METHOD_OTHER)
		return reject(501, STR_NONE, STR("unknown_method"));
	if ((p->methods & 1u << m->method) == 0)
		return reject(405, STR_NONE, STR("method"));
	if (uri_parse(m->uri, &u) != OK)
		return reject(400, msg_fault_text(MSG_FAULT_REQUEST_URI), STR("request_uri"));
	if (u.scheme == URI_OTHER)
		return reject(416, STR_NONE, STR("uri_scheme"));
	if (m->max_forwards == 0 && m->method != METHOD_OPTIONS)
		return reject(483, STR_NONE, STR("max_forwards"));
	/* RFC 3261 §8.2.2.3: never for CANCEL. */
	if (m->method != METHOD_CANCEL &&
	    (has_unsupported(m, HDR_REQUIRE, p) || has_unsupported(m, HDR_PROXY_REQUIRE, p)))
		return reject(420, STR_NONE, STR("require"));
	return judge_body(m, p);
}

struct verdict refuse_request(const struct msg *m, const struct refuse_params *p)
{
	CHECK(m->is_request);
	struct verdict v = judge(m, p);
	if (v.outcome == VERDICT_REJECT && !m->answerable)
		return drop(v.rule);
	return v;
}

/* --- what goes with a status */

void refuse_write_allow(struct buf *b, uint32_t methods)
{
	bool first = true;
	for (unsigned i = METHOD_OTHER + 1; i < METHOD_COUNT; i++) {
		if ((methods & 1u << i) == 0)
			continue;
		if (!first)
			buf_lit(b, ", ");
		first = false;
		buf_str(b, method_name((enum method)i));
	}
}

static void write_accept(struct buf *b, const struct refuse_params *p)
{
	buf_lit(b, "Accept: ");
	for (size_t i = 0; i < p->content_type_count; i++) {
		if (i > 0)
			buf_lit(b, ", ");
		buf_str(b, p->content_types[i]);
	}
	for (size_t i = 0; i < p->body_count; i++) {
		buf_lit(b, ", ");
		buf_str(b, p->bodies[i]);
	}
	buf_lit(b, ", multipart/mixed\r\nAccept-Encoding: identity\r\n");
}

/* Only tags: what is none could be anything. */
static bool write_unsupported(struct buf *b, const struct msg *m, enum hdr id,
			      const struct refuse_params *p)
{
	size_t cursor = 0;
	struct str rest = STR_NONE, tag;
	bool any = false;
	while (next_unsupported(m, id, p, &cursor, &rest, &tag)) {
		if (!hdr_is_token(tag))
			continue;
		if (any)
			buf_lit(b, ", ");
		else
			buf_lit(b, "Unsupported: ");
		any = true;
		buf_str(b, tag);
	}
	if (any)
		buf_lit(b, "\r\n");
	return any;
}

enum err refuse_write_headers(struct buf *lines, const struct verdict *v, const struct msg *m,
			      const struct refuse_params *p)
{
	if (v->status == 405 || v->status == 501) {
		buf_lit(lines, "Allow: ");
		refuse_write_allow(lines, p->methods);
		buf_lit(lines, "\r\n");
	} else if (v->status == 415) {
		write_accept(lines, p);
	} else if (v->status == 420) {
		if (!write_unsupported(lines, m, HDR_REQUIRE, p))
			(void)write_unsupported(lines, m, HDR_PROXY_REQUIRE, p);
	}
	if (v->warn_code != 0)
		hdr_write_warning(lines, v->warn_code, AGENT, v->warn_text);
	return lines->overflow ? ERR_LIMIT : OK;
}
