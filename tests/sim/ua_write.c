#include "ua_write.h"

#include "common/check.h"

enum { TEXT_MAX = 4096 };

static struct str keep(struct ua *u, struct str s)
{
	struct str copy = arena_str(u->net->arena, s);
	CHECK(copy.len == s.len);
	return copy;
}

static struct addr own_addr(const struct ua *u)
{
	return u->p.addr;
}

static const char *transport_text(enum transport t)
{
	static const char *const names[] = {"UDP", "TCP", "TLS"};
	return names[t];
}

struct str ua_make_token(struct ua *u, const char *prefix)
{
	char mem[96];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_z(&b, prefix);
	buf_z(&b, u->p.mark);
	buf_printf(&b, "%u%08x", ++u->made, (unsigned)dice_u64(u->dice));
	return keep(u, buf_view(&b));
}

static void write_contact(struct ua *u, struct buf *b)
{
	buf_printf(b, "Contact: <sip:%s-%s@", u->p.user, u->p.mark);
	struct addr a = own_addr(u);
	addr_write(b, &a);
	if (u->p.transport == TRANSPORT_TCP)
		buf_lit(b, ";transport=tcp");
	if (u->p.transport == TRANSPORT_TLS)
		buf_lit(b, ";transport=tls");
	buf_lit(b, ">\r\n");
}

/* With all that a phone might say of itself: none of it may reach the other side. */
static void write_sdp(struct ua *u, struct buf *b, uint32_t version, unsigned fork)
{
	struct addr a = own_addr(u);
	buf_printf(b, "v=0\r\no=%s 77%u %u IN IP4 ", u->p.mark, fork, version);
	addr_write_ip(b, &a);
	buf_printf(b, "\r\ns=%s session\r\ni=%s\r\ne=%s@inside.example\r\nc=IN IP4 ", u->p.mark,
		   u->p.mark, u->p.mark);
	addr_write_ip(b, &a);
	buf_printf(b,
		   "\r\nt=0 0\r\na=tool:%s 1.2.3\r\nm=audio %u RTP/AVP 8 0 101\r\ni=%s\r\n"
		   "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
		   "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
		   "a=label:%s\r\na=ssrc:77 cname:sip:%s@",
		   u->p.mark, 20000 + 2 * fork, u->p.mark, u->p.mark, u->p.mark);
	addr_write_ip(b, &a);
	buf_printf(b, "\r\na=X-%s:", u->p.mark);
	addr_write_ip(b, &a);
	buf_lit(b, "\r\na=sendrecv\r\n");
}

static void write_body(struct ua *u, struct buf *b, bool sdp, uint32_t version, unsigned fork)
{
	char mem[1024];
	struct buf body;
	buf_init(&body, mem, sizeof(mem));
	if (sdp) {
		write_sdp(u, &body, version, fork);
		buf_lit(b, "Content-Type: application/sdp\r\n");
	}
	buf_printf(b, "Content-Length: %zu\r\n\r\n", body.len);
	buf_str(b, buf_view(&body));
}

struct str ua_write_request(struct ua *u, const struct ua_dialog *d, const struct ua_request *r)
{
	char mem[TEXT_MAX];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "%.*s %.*s SIP/2.0\r\nVia: SIP/2.0/%s ", STR_ARG(r->method), STR_ARG(r->uri),
		   transport_text(u->p.transport));
	struct addr a = own_addr(u);
	addr_write(&b, &a);
	buf_printf(&b, ";branch=%.*s;rport\r\nMax-Forwards: 70\r\n", STR_ARG(r->branch));
	buf_str(&b, d->routes);
	buf_printf(&b, "From: %.*s;tag=%.*s\r\nTo: %.*s", STR_ARG(d->local), STR_ARG(d->local_tag),
		   STR_ARG(d->remote));
	if (d->remote_tag.len && !str_eq(r->method, STR("CANCEL")))
		buf_printf(&b, ";tag=%.*s", STR_ARG(d->remote_tag));
	buf_printf(&b, "\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n", STR_ARG(d->call_id), r->cseq,
		   STR_ARG(r->method));
	if (!str_eq(r->method, STR("ACK")) && !str_eq(r->method, STR("CANCEL")) &&
	    !str_eq(r->method, STR("BYE")))
		write_contact(u, &b);
	buf_printf(&b, "User-Agent: Phone-%s/1.2.3\r\nX-%s: %s\r\n", u->p.mark, u->p.mark,
		   u->p.mark);
	if (str_eq(r->method, STR("BYE")) || str_eq(r->method, STR("CANCEL")))
		buf_printf(&b, "Reason: Q.850;cause=16;text=\"%s\"\r\n", u->p.mark);
	if (r->extra)
		buf_z(&b, r->extra);
	write_body(u, &b, r->sdp, d->version, 0);
	CHECK(!b.overflow);
	return keep(u, buf_view(&b));
}

static struct str reason_of(uint16_t status)
{
	switch (status) {
	case 100: return STR("Trying");
	case 180: return STR("Ringing");
	case 183: return STR("Session Progress");
	case 200: return STR("OK");
	case 481: return STR("Call/Transaction Does Not Exist");
	case 486: return STR("Busy Here");
	case 487: return STR("Request Terminated");
	case 491: return STR("Request Pending");
	case 503: return STR("Service Unavailable");
	default: return STR("Refused");
	}
}

struct str ua_write_response(struct ua *u, const struct sip_text *m, const struct ua_response *r)
{
	char mem[TEXT_MAX];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "SIP/2.0 %u %.*s\r\n", r->status, STR_ARG(reason_of(r->status)));
	struct str v;
	for (unsigned i = 0; (v = sip_text_header(m, "Via", i)).len; i++)
		buf_printf(&b, "Via: %.*s\r\n", STR_ARG(v));
	for (unsigned i = 0; (v = sip_text_header(m, "Record-Route", i)).len; i++)
		buf_printf(&b, "Record-Route: %.*s\r\n", STR_ARG(v));
	buf_printf(&b, "From: %.*s\r\nTo: %.*s", STR_ARG(m->from), STR_ARG(m->to));
	if (r->to_tag.len && !m->to_tag.len)
		buf_printf(&b, ";tag=%.*s", STR_ARG(r->to_tag));
	buf_printf(&b, "\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n", STR_ARG(m->call_id), m->cseq,
		   STR_ARG(m->cseq_method));
	if (r->contact)
		write_contact(u, &b);
	if (r->rseq)
		buf_printf(&b, "Require: 100rel\r\nRSeq: %u\r\n", r->rseq);
	buf_printf(&b, "Server: Phone-%s/1.2.3\r\n", u->p.mark);
	if (r->status >= 300)
		buf_printf(&b,
			   "Warning: 399 %s \"%s is not here\"\r\nRetry-After: 5 (%s)\r\n"
			   "Reason: SIP;cause=%u;text=\"%s\"\r\n",
			   u->p.mark, u->p.mark, u->p.mark, r->status, u->p.mark);
	write_body(u, &b, r->sdp, r->version, r->fork);
	CHECK(!b.overflow);
	return keep(u, buf_view(&b));
}
