#include "ua_write.h"

#include "common/check.h"
#include "tests/sim/ua_inside.h"

enum { TEXT_MAX = 8192 };

static const char *transport_text(enum transport t)
{
	return t == TRANSPORT_UDP ? "UDP" : t == TRANSPORT_TCP ? "TCP" : "TLS";
}

/* The instance stands last, behind a point: many phones share one address. */
struct str ua_make_token(struct ua *u, const char *prefix)
{
	char mem[96];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_z(&b, prefix);
	buf_z(&b, u->p.mark);
	buf_printf(&b, "%u%08x.%u", ++u->made, (unsigned)dice_u64(u->dice), u->p.instance);
	return ua_keep(u, buf_view(&b));
}

void ua_write_contact(struct ua *u, struct buf *b)
{
	buf_printf(b, "<sip:%s-%s.%u@", u->p.user, u->p.mark, u->p.instance);
	addr_write(b, &u->p.addr);
	if (u->p.transport == TRANSPORT_TCP)
		buf_lit(b, ";transport=tcp");
	if (u->p.transport == TRANSPORT_TLS)
		buf_lit(b, ";transport=tls");
	buf_lit(b, ">");
}

static void write_body(struct buf *b, struct str sdp, struct str type, struct str body)
{
	if (sdp.len) {
		body = sdp;
		type = STR("application/sdp");
	}
	if (body.len)
		buf_printf(b, "Content-Type: %.*s\r\n", STR_ARG(type));
	buf_printf(b, "Content-Length: %zu\r\n\r\n", body.len);
	buf_str(b, body);
}

struct str ua_write_request(struct ua *u, const struct ua_dialog *d, const struct ua_request *r)
{
	char mem[TEXT_MAX];
	struct buf b;
	bool ack = str_eq(r->method, STR("ACK")), bye = str_eq(r->method, STR("BYE"));
	bool cancel = str_eq(r->method, STR("CANCEL"));
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "%.*s %.*s SIP/2.0\r\nVia: SIP/2.0/%s ", STR_ARG(r->method), STR_ARG(r->uri),
		   transport_text(u->p.transport));
	addr_write(&b, &u->p.addr);
	buf_printf(&b, ";branch=%.*s;rport\r\nMax-Forwards: %u\r\n", STR_ARG(r->branch),
		   u->plan.hops ? u->plan.hops - 1 : 70);
	buf_str(&b, d->routes);
	buf_printf(&b, "From: %.*s;tag=%.*s\r\nTo: %.*s", STR_ARG(d->local), STR_ARG(d->local_tag),
		   STR_ARG(d->remote));
	if (d->remote_tag.len && !cancel)
		buf_printf(&b, ";tag=%.*s", STR_ARG(d->remote_tag));
	buf_printf(&b, "\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n", STR_ARG(d->call_id), r->cseq,
		   STR_ARG(r->method));
	if (!ack && !cancel && !bye) {
		buf_lit(&b, "Contact: ");
		ua_write_contact(u, &b);
		buf_lit(&b, "\r\n");
	}
	buf_printf(&b, "User-Agent: Phone-%s/1.2.3\r\nX-%s: %s\r\n", u->p.mark, u->p.mark,
		   u->p.mark);
	if (bye || cancel)
		buf_printf(&b, "Reason: Q.850;cause=16;text=\"%s\"\r\n", u->p.mark);
	if (r->extra)
		buf_z(&b, r->extra);
	write_body(&b, r->sdp, r->type, r->body);
	CHECK(!b.overflow);
	return ua_keep(u, buf_view(&b));
}

static const struct {
	uint16_t status;
	const char *reason;
} reasons[] = {{100, "Trying"},
	       {180, "Ringing"},
	       {183, "Session Progress"},
	       {200, "OK"},
	       {202, "Accepted"},
	       {302, "Moved Temporarily"},
	       {401, "Unauthorized"},
	       {407, "Proxy Authentication Required"},
	       {421, "Extension Required"},
	       {422, "Session Interval Too Small"},
	       {481, "Call/Transaction Does Not Exist"},
	       {486, "Busy Here"},
	       {487, "Request Terminated"},
	       {491, "Request Pending"},
	       {500, "Server Internal Error"},
	       {503, "Service Unavailable"}};

static const char *reason_of(uint16_t status)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Refused";
}

static void write_copies(struct buf *b, const struct sip_text *m, const char *name)
{
	struct str v;
	for (unsigned i = 0; (v = sip_text_header(m, name, i)).len; i++)
		buf_printf(b, "%s: %.*s\r\n", name, STR_ARG(v));
}

struct str ua_write_response(struct ua *u, const struct sip_text *m, const struct ua_response *r)
{
	char mem[TEXT_MAX];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "SIP/2.0 %u %s\r\n", r->status, reason_of(r->status));
	write_copies(&b, m, "Via");
	write_copies(&b, m, "Record-Route");
	buf_printf(&b, "From: %.*s\r\nTo: %.*s", STR_ARG(m->from), STR_ARG(m->to));
	if (r->to_tag.len && !m->to_tag.len)
		buf_printf(&b, ";tag=%.*s", STR_ARG(r->to_tag));
	buf_printf(&b, "\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n", STR_ARG(m->call_id), m->cseq,
		   STR_ARG(m->cseq_method));
	if (r->contact) {
		buf_lit(&b, "Contact: ");
		ua_write_contact(u, &b);
		buf_lit(&b, "\r\n");
	}
	if (r->moved)
		buf_printf(&b, "Contact: <%s>\r\n", r->moved);
	if (r->rseq)
		buf_printf(&b, "Require: 100rel\r\nRSeq: %u\r\n", r->rseq);
	buf_printf(&b, "Server: Phone-%s/1.2.3\r\n", u->p.mark);
	if (r->status >= 300)
		buf_printf(&b,
			   "Warning: 399 %s \"%s is not here\"\r\nRetry-After: %u (%s)\r\n"
			   "Reason: SIP;cause=%u;text=\"%s\"\r\n",
			   u->p.mark, u->p.mark, r->status == 500 ? 2 : 5, u->p.mark, r->status,
			   u->p.mark);
	if (r->extra)
		buf_z(&b, r->extra);
	write_body(&b, r->sdp, STR_NONE, STR_NONE);
	CHECK(!b.overflow);
	return ua_keep(u, buf_view(&b));
}
