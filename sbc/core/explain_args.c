#include "sbc/core/explain_args.h"

#include <string.h>

#include "policy/identify.h"
#include "sbc/core/leg.h"
#include "sbc/core/worker.h"

static enum err bad(struct buf *why, const char *text)
{
	buf_z(why, text);
	return ERR_BAD;
}

/* ---- time */

/* `digits` of them at *at, which moves on. */
static bool read_number(struct str s, size_t *at, size_t digits, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < digits; i++, (*at)++) {
		if (*at >= s.len || s.p[*at] < '0' || s.p[*at] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(s.p[*at] - '0');
	}
	return true;
}

static bool read_mark(struct str s, size_t *at, char a, char b)
{
	if (*at >= s.len || (s.p[*at] != a && s.p[*at] != b))
		return false;
	(*at)++;
	return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar: years of March to February, so that a leap day is the last. */
static uint64_t days_of(uint64_t year, uint64_t month, uint64_t day)
{
	const uint64_t y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y % 400;
	const uint64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

enum err explain_time_parse(struct str s, uint64_t *out_ms)
{
	uint64_t n[6], ms = 0, whole;
	size_t at = 0;

	if (str_to_u64(s, UINT64_MAX, &whole) == OK) {
		*out_ms = whole;
		return OK;
	}
	if (!read_number(s, &at, 4, &n[0]) || !read_mark(s, &at, '-', '-') ||
	    !read_number(s, &at, 2, &n[1]) || !read_mark(s, &at, '-', '-') ||
	    !read_number(s, &at, 2, &n[2]) || !read_mark(s, &at, 'T', ' ') ||
	    !read_number(s, &at, 2, &n[3]) || !read_mark(s, &at, ':', ':') ||
	    !read_number(s, &at, 2, &n[4]))
		return ERR_BAD;
	n[5] = 0;
	if (read_mark(s, &at, ':', ':') && !read_number(s, &at, 2, &n[5]))
		return ERR_BAD;
	if (read_mark(s, &at, '.', '.') && !read_number(s, &at, 3, &ms))
		return ERR_BAD;
	read_mark(s, &at, 'Z', 'z');
	if (at != s.len || n[0] < 1970 || n[0] > 9999 || n[1] < 1 || n[1] > 12 || n[2] < 1 ||
	    n[2] > 31 || n[3] > 23 || n[4] > 59 || n[5] > 60)
		return ERR_BAD;
	*out_ms = (((days_of(n[0], n[1], n[2]) * 24 + n[3]) * 60 + n[4]) * 60 + n[5]) * 1000 + ms;
	return OK;
}

/* ---- where it would come in */

static bool read_transport(struct str s, enum transport *out)
{
	for (unsigned i = 0; i < TRANSPORT_COUNT; i++)
		if (str_ieq(s, transport_name((enum transport)i))) {
			*out = (enum transport)i;
			return true;
		}
	return false;
}

static bool is_identified(const struct settings *set, const struct flow *f,
			  const struct tls_facts *tls)
{
	const struct facts facts = leg_facts(set, f, tls);
	uint16_t trunk;

	return identify_trunk(&set->policy, &facts, &trunk).outcome == VERDICT_ALLOW;
}

static bool take_listener(const struct settings *set, uint16_t realm, struct flow *f)
{
	f->listener = worker_listener(set, realm, f->transport, f->remote.family);
	return f->listener != SETTINGS_NO_INDEX;
}

/* The realm that is named; else the only one that listens so; else the only one that knows who it is. */
static enum err find_listener(const struct settings *set, struct str name,
			      const struct tls_facts *tls, struct flow *f, struct buf *why)
{
	unsigned listening = 0, known = 0;
	uint16_t some = 0, knows = 0;

	for (uint16_t i = 0; i < set->realm_count; i++) {
		const bool named = str_eq(set->realms[i].name, name);
		if (!take_listener(set, i, f)) {
			if (named)
				return bad(why, "that realm does not listen for such a transport "
						"and address family");
			continue;
		}
		if (named)
			return OK;
		listening++;
		some = i;
		if (is_identified(set, f, tls)) {
			known++;
			knows = i;
		}
	}
	if (name.len)
		return bad(why, "there is no such realm");
	if (listening == 0)
		return bad(why, "no realm listens for such a transport and address family");
	if (listening > 1 && known != 1)
		return bad(why, "more than one realm listens there: say which (realm)");
	take_listener(set, listening == 1 ? some : knows, f);
	return OK;
}

/* ---- the message */

static void write_user(struct buf *b, struct str user)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < user.len; i++) {
		const unsigned char c = (unsigned char)user.p[i];
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c && strchr("-_.!~*'()&=+$,;?/", c))) {
			buf_char(b, (char)c);
		} else {
			buf_char(b, '%');
			buf_char(b, hex[c >> 4]);
			buf_char(b, hex[c & 15]);
		}
	}
}

static void write_offer(struct buf *b, struct str media, const struct addr *from)
{
	const bool sdes = str_eq(media, STR("srtp")), dtls = str_eq(media, STR("dtls"));
	const char *family = from->family == ADDR_IP6 ? "IP6" : "IP4";
	const char *protocol = sdes ? "RTP/SAVP" : dtls ? "UDP/TLS/RTP/SAVPF" : "RTP/AVP";

	buf_printf(b, "v=0\r\no=- 1 1 IN %s ", family);
	addr_write_ip(b, from);
	buf_printf(b, "\r\ns=-\r\nc=IN %s ", family);
	addr_write_ip(b, from);
	buf_printf(b, "\r\nt=0 0\r\nm=audio 20000 %s 8 0\r\n", protocol);
	if (sdes)
		buf_lit(b, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
			   "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n");
	if (dtls)
		buf_lit(b, "a=setup:actpass\r\na=rtcp-mux\r\na=fingerprint:sha-256 "
			   "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
			   "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n");
}

/* Behind "sip:": the user, if there is one, and the host. */
static void write_address(struct buf *b, struct str user, struct str domain,
			  const struct addr *otherwise)
{
	write_user(b, user);
	if (user.len)
		buf_char(b, '@');
	if (domain.len)
		buf_str(b, domain);
	else
		addr_write_host(b, otherwise);
}

static void write_message(struct buf *b, const struct settings *set, const struct dict *d,
			  const struct explain_args *x)
{
	const struct flow *f = &x->params.event.message.flow;
	const struct addr *us = &set->listeners[f->listener].local;
	const struct str user = x->params.user, number = dict_get_str(d, STR("number"));
	const struct str domain = dict_get_str(d, STR("domain"));
	const struct str given = dict_get_str(d, STR("method"));
	const struct str method = given.len ? given : STR("INVITE");
	const struct str media = dict_get_str(d, STR("media"));
	const size_t at = str_index(user, '@');
	struct str caller = dict_get_str(d, STR("caller")), home = STR_NONE;
	char body_mem[1024];
	struct buf body;

	buf_init(&body, body_mem, sizeof(body_mem));
	if (user.len) {
		caller = caller.len ? caller : (struct str){user.p, at};
		home = at < user.len ? str_from_offset(user, at + 1) : STR_NONE;
	}
	if (media.len)
		write_offer(&body, media, &f->remote);
	buf_printf(b, "%.*s sip:", STR_ARG(method));
	write_address(b, number, domain, us);
	buf_printf(b, " SIP/2.0\r\nVia: SIP/2.0/%.*s ", STR_ARG(transport_name(f->transport)));
	addr_write(b, &f->remote);
	buf_lit(b, ";branch=z9hG4bK-explain\r\nMax-Forwards: 70\r\nFrom: <sip:");
	write_address(b, caller, home, &f->remote);
	buf_lit(b, ">;tag=explain\r\nTo: <sip:");
	write_address(b, number, domain, us);
	buf_printf(b, ">\r\nCall-ID: explain\r\nCSeq: 1 %.*s\r\nContact: <sip:", STR_ARG(method));
	addr_write(b, &f->remote);
	buf_lit(b, ">\r\n");
	if (body.len)
		buf_lit(b, "Content-Type: application/sdp\r\n");
	buf_printf(b, "Content-Length: %u\r\n\r\n", (unsigned)body.len);
	buf_str(b, buf_view(&body));
}

/* Nothing that would end a line, or a name, within the message that we write of it. */
static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("<>\"", s.p[i]))
			return false;
	return true;
}

static enum err check_words(const struct dict *d, struct buf *why)
{
	static const struct str words[] = {{"domain", 6}, {"method", 6}, {"user", 4}, {"media", 5}};
	const struct str media = dict_get_str(d, STR("media"));

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!is_plain(dict_get_str(d, words[i]))) {
			buf_printf(why, "%.*s has a sign that cannot stand there",
				   STR_ARG(words[i]));
			return ERR_BAD;
		}
	if (media.len && !str_eq(media, STR("rtp")) && !str_eq(media, STR("srtp")) &&
	    !str_eq(media, STR("dtls")))
		return bad(why, "media is rtp, srtp or dtls");
	if (!dict_get_str(d, STR("message")).len && !dict_get_str(d, STR("number")).len &&
	    (!dict_get_str(d, STR("method")).len ||
	     str_eq(dict_get_str(d, STR("method")), STR("INVITE"))))
		return bad(why, "a number is missing, or a message");
	return OK;
}

enum err explain_args_read(const struct settings *set, const struct dict *d, uint64_t now_ms,
			   uint64_t wall_ms, struct explain_args *out, struct buf *why)
{
	const struct str via = dict_get_str(d, STR("via")),
			 name = dict_get_str(d, STR("certificate"));
	const struct str at = dict_get_str(d, STR("at")), message = dict_get_str(d, STR("message"));
	struct event *e = &out->params.event;
	struct flow f = {.transport = name.len ? TRANSPORT_TLS : TRANSPORT_UDP};
	struct buf text;

	out->params = (struct explain_params){.user = dict_get_str(d, STR("user"))};
	*e = (struct event){.type = EVENT_MESSAGE, .now_ms = now_ms, .wall_ms = wall_ms};
	if (addr_parse(dict_get_str(d, STR("from")), &f.remote) != OK &&
	    addr_parse_ip(dict_get_str(d, STR("from")), &f.remote) != OK)
		return bad(why, "from is an address, with a port or without");
	if (via.len && !read_transport(via, &f.transport))
		return bad(why, "via is udp, tcp, tls, ws or wss");
	if (f.remote.port == 0)
		f.remote.port = transport_port(f.transport);
	if (at.len && explain_time_parse(at, &e->wall_ms) != OK)
		return bad(why, "at is a time as 2026-11-22T03:00:00Z");
	if (name.len && !transport_is_secure(f.transport))
		return bad(why, "a certificate is shown over tls or wss only");
	enum err err = check_words(d, why);
	if (err != OK)
		return err;
	out->tls = (struct tls_facts){.version = STR("TLSv1.3"), .verified = name.len > 0};
	if (name.len)
		out->tls.names[out->tls.name_count++] = name;
	const struct tls_facts *tls = transport_is_secure(f.transport) ? &out->tls : NULL;
	err = find_listener(set, dict_get_str(d, STR("realm")), tls, &f, why);
	if (err != OK)
		return err;
	e->message.flow = f;
	e->message.tls = tls;
	buf_init(&text, out->text, sizeof(out->text));
	if (message.len == 0)
		write_message(&text, set, d, out);
	if (text.overflow)
		return bad(why, "what is asked for is too long");
	e->message.bytes = message.len ? message : buf_view(&text);
	return OK;
}
