#include "sbc/core/sdp_face.h"

#include "common/check.h"
#include "common/sdp.h"
#include "common/siphash.h"
#include "sbc/core/hdr.h"
#include "sbc/core/octet.h"

static const struct siphash_key face_key = {{0}}; /* only to see a change, not against anyone */

/* ---- the list */

/* The grammar of a value. Only TEXT has room for an address; what needs it needs its whole alphabet. */
enum grammar {
	NOTHING,   /* no value */
	NUMBER,    /* digits, at most one point */
	NAME,      /* one of WORDS, of at most SDP_FACE_MID_MAX octets */
	WORDS,     /* letters, digits, spaces and -_,=+/ and star; may be missing */
	TEXT,      /* printable */
	PORT,      /* RFC 3605, with the host that c= has or none */
	GROUP,     /* RFC 5888: semantics, and identifiers that the description has */
	CANDIDATE, /* RFC 8839, type host, of the address that c= has */
	HASH       /* RFC 8122: the name of a hash, and bytes in hex with colons */
};

enum place { MEDIA = 1, SESSION = 2, BOTH = 3 };

struct allowed {
	struct str name;
	enum grammar grammar;
	enum place place;
	uint8_t only; /* SDP_FACE_…: where the side has it; 0: always */
};

#define A_IF(name, grammar, place, only)                                                           \
	{                                                                                          \
		{name, sizeof(name) - 1}, grammar, place, only                                     \
	}
#define A(name, grammar, place) A_IF(name, grammar, place, 0)
/* All that crosses. Test: each row here crosses in its grammar, and nothing else does. */
static const struct allowed list[] = {
	A("rtpmap", TEXT, MEDIA),
	A("fmtp", TEXT, MEDIA),
	A("ptime", NUMBER, BOTH),
	A("maxptime", NUMBER, BOTH),
	A("sendrecv", NOTHING, BOTH),
	A("sendonly", NOTHING, BOTH),
	A("recvonly", NOTHING, BOTH),
	A("inactive", NOTHING, BOTH),
	A("rtcp", PORT, MEDIA),
	A("rtcp-mux", NOTHING, MEDIA),
	A("rtcp-mux-only", NOTHING, MEDIA),
	A("rtcp-rsize", NOTHING, MEDIA),
	A("rtcp-fb", WORDS, MEDIA),
	A("rtcp-xr", TEXT, BOTH),
	A("crypto", TEXT, MEDIA),
	A("mid", NAME, MEDIA),
	A("group", GROUP, SESSION),
	A("silenceSupp", WORDS, MEDIA),
	A("curr", WORDS, MEDIA),
	A("des", WORDS, MEDIA),
	A("conf", WORDS, MEDIA),
	A("framerate", NUMBER, MEDIA),
	A("framesize", WORDS, MEDIA),
	A("imageattr", TEXT, MEDIA),
	A("content", WORDS, MEDIA),
	/* T.38 annex D; not T38VendorInfo */
	A("T38FaxVersion", NUMBER, MEDIA),
	A("T38MaxBitRate", NUMBER, MEDIA),
	A("T38FaxFillBitRemoval", WORDS, MEDIA),
	A("T38FaxTranscodingMMR", WORDS, MEDIA),
	A("T38FaxTranscodingJBIG", WORDS, MEDIA),
	A("T38FaxRateManagement", WORDS, MEDIA),
	A("T38FaxMaxBuffer", NUMBER, MEDIA),
	A("T38FaxMaxDatagram", NUMBER, MEDIA),
	A("T38FaxMaxIFP", NUMBER, MEDIA),
	A("T38FaxUdpEC", WORDS, MEDIA),
	A("T38FaxUdpECDepth", WORDS, MEDIA),
	A("T38FaxUdpFECMaxSpan", NUMBER, MEDIA),
	A("T38ModemType", WORDS, MEDIA),
	A_IF("ice-lite", NOTHING, SESSION, SDP_FACE_ICE),
	A_IF("ice-ufrag", WORDS, BOTH, SDP_FACE_ICE),
	A_IF("ice-pwd", WORDS, BOTH, SDP_FACE_ICE),
	A_IF("ice-options", WORDS, BOTH, SDP_FACE_ICE),
	A_IF("candidate", CANDIDATE, MEDIA, SDP_FACE_ICE),
	A_IF("end-of-candidates", NOTHING, BOTH, SDP_FACE_ICE),
	A_IF("setup", NAME, BOTH, SDP_FACE_DTLS),
	A_IF("fingerprint", HASH, BOTH, SDP_FACE_DTLS),
	A_IF("tls-id", WORDS, BOTH, SDP_FACE_DTLS),
};
#undef A
#undef A_IF

/* Without case (most fail by length or first letter): T.38's names are spelled in more than one way, and each peer reads its own best. */
static const struct allowed *find_allowed(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		if (list[i].name.len == name.len && (list[i].name.p[0] ^ name.p[0]) % 0x20 == 0 &&
		    str_ieq(list[i].name, name))
			return &list[i];
	return NULL;
}

/* ---- grammars */

static bool is_text(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	return s.len > 0;
}

static bool is_number(struct str s)
{
	unsigned points = 0;

	for (size_t i = 0; i < s.len; i++) {
		points += s.p[i] == '.';
		if (s.p[i] != '.' && !octet_is(s.p[i], OCTET_DIGIT))
			return false;
	}
	return s.len > 0 && points <= 1 && s.p[0] != '.';
}

static bool is_digits(struct str s)
{
	return s.len > 0 && octet_span(s, OCTET_DIGIT) == s.len;
}

static bool is_words(struct str s)
{
	static const struct str others = {" -_,=+/*", 8};

	for (size_t i = 0; i < s.len; i++) {
		char c = octet_lower(s.p[i]);
		if (!(c >= 'a' && c <= 'z') && !octet_is(c, OCTET_DIGIT) &&
		    !str_has_char(others, c))
			return false;
	}
	return true;
}

static bool is_name(struct str s)
{
	return s.len > 0 && s.len <= SDP_FACE_MID_MAX && is_words(s) && !str_has_char(s, ' ');
}

/* "sha-256 4A:AD:…": no room for anything else. */
static bool is_hash(struct str s)
{
	struct str name;
	bool good = str_cut_word(&s, &name) && is_name(name);

	s = str_trim(s);
	for (size_t i = 0; i < s.len; i++) {
		char c = octet_lower(s.p[i]);
		good = good &&
		       (i % 3 == 2 ? c == ':' : octet_is(c, OCTET_DIGIT) || (c >= 'a' && c <= 'f'));
	}
	return good && s.len % 3 == 2;
}

/* ---- attributes with a meaning of their own */

static void write_attr(struct buf *b, struct str name, struct str value)
{
	sdp_write_attr(b, name, value.len > 0 ? value : STR_NONE);
}

/* "53020" or "53020 IN IP4 192.0.2.1": the host says where the other side is, unless c= has said so. */
static void write_rtcp(struct buf *b, const struct sdp *s, const struct sdp_media *m,
		       struct str value)
{
	const struct sdp_conn *c = sdp_conn_of(s, m);
	struct str rest = value, port, net, type, host;
	uint16_t number;

	if (!str_cut_word(&rest, &port) || str_to_u16(port, UINT16_MAX, &number) != OK)
		return;
	if (!str_cut_word(&rest, &net)) {
		write_attr(b, STR("rtcp"), port);
		return;
	}
	if (c && str_cut_word(&rest, &type) && str_cut_word(&rest, &host) &&
	    str_trim(rest).len == 0 && str_ieq(net, c->net) && str_ieq(type, c->type) &&
	    str_ieq(host, c->host))
		write_attr(b, STR("rtcp"), value);
}

/*
 * "ufrag 1 UDP 2130706431 192.0.2.1 20000 typ host": nothing behind the type, where the address of another network would stand
 * (raddr); and the address is the one where this side is to send anyway.
 */
static void write_candidate(struct buf *b, const struct sdp *s, const struct sdp_media *m,
			    struct str value)
{
	enum {
		FOUNDATION,
		COMPONENT,
		TRANSPORT,
		PRIORITY,
		HOST,
		PORT_AT,
		TYP,
		HOST_TYPE,
		WORD_COUNT
	};
	const struct sdp_conn *c = sdp_conn_of(s, m);
	struct str rest = value, word[WORD_COUNT];

	for (int i = 0; i < WORD_COUNT; i++)
		if (!str_cut_word(&rest, &word[i]))
			return;
	if (c && str_trim(rest).len == 0 && is_words(word[FOUNDATION]) &&
	    is_digits(word[COMPONENT]) && str_ieq(word[TRANSPORT], STR("udp")) &&
	    is_digits(word[PRIORITY]) && str_ieq(word[HOST], c->host) && is_digits(word[PORT_AT]) &&
	    str_ieq(word[TYP], STR("typ")) && str_ieq(word[HOST_TYPE], STR("host")))
		write_attr(b, STR("candidate"), value);
}

static bool has_mid(const struct sdp *s, struct str mid)
{
	for (size_t i = 0; i < s->media_count; i++) {
		const struct sdp_attr *a = sdp_find_attr(&s->media[i].attrs, STR("mid"));
		if (a && str_eq(str_trim(a->value), mid))
			return true;
	}
	return false;
}

static void write_group(struct buf *b, const struct sdp *s, struct str value)
{
	struct str semantics, word;
	bool any = false;

	if (!str_cut_word(&value, &semantics) || !is_name(semantics))
		return;
	while (str_cut_word(&value, &word)) {
		if (!is_name(word) || !has_mid(s, word))
			continue;
		if (!any) {
			buf_lit(b, "a=group:");
			buf_str(b, semantics);
		}
		any = true;
		buf_char(b, ' ');
		buf_str(b, word);
	}
	if (any)
		buf_lit(b, "\r\n");
}

/* m NULL: of the session. */
static void write_allowed(struct buf *b, const struct sdp *s, const struct sdp_media *m,
			  const struct sdp_attr *a, unsigned allow)
{
	const struct allowed *x = find_allowed(a->name);
	struct str v = str_trim(a->value);
	bool good = false;

	if (!x || !(x->place & (m ? MEDIA : SESSION)) || (x->only & ~allow) != 0)
		return;
	switch (x->grammar) {
	case NOTHING: good = v.len == 0; break;
	case NUMBER: good = is_number(v); break;
	case NAME: good = is_name(v); break;
	case WORDS: good = is_words(v); break;
	case TEXT: good = is_text(v); break;
	case PORT: write_rtcp(b, s, m, v); return;
	case GROUP: write_group(b, s, v); return;
	case CANDIDATE: write_candidate(b, s, m, v); return;
	case HASH: good = is_hash(v); break;
	}
	if (good)
		write_attr(b, a->name, v);
}

/* ---- lines */

static void write_conn(struct buf *b, const struct sdp_conn *c)
{
	if (c->host.len == 0)
		return;
	buf_z(b, str_ieq(c->type, STR("IP6")) ? "c=IN IP6 " : "c=IN IP4 ");
	buf_str(b, c->host);
	buf_lit(b, "\r\n");
}

static void write_bandwidth(struct buf *b, const struct sdp_attrs *all)
{
	for (size_t i = 0; i < all->count; i++) {
		struct str name = all->at[i].name, value = str_trim(all->at[i].value);
		if (!is_name(name) || !is_digits(value))
			continue;
		buf_lit(b, "b=");
		buf_str(b, name);
		buf_char(b, ':');
		buf_str(b, value);
		buf_lit(b, "\r\n");
	}
}

/* Answer and offer have the same (RFC 3264 §6); sessions of the phone have "0 0". */
static void write_timing(struct buf *b, struct str timing)
{
	struct str from, to;
	bool good = str_cut_word(&timing, &from) && str_cut_word(&timing, &to) && is_digits(from) &&
		    is_digits(to) && str_trim(timing).len == 0;

	buf_lit(b, "t=");
	buf_str(b, good ? from : STR("0"));
	buf_char(b, ' ');
	buf_str(b, good ? to : STR("0"));
	buf_lit(b, "\r\n");
}

/* "RTP/AVP", "udptl". */
static bool is_protocol(struct str s)
{
	struct str part;
	bool good = s.len > 0;

	while (good && str_cut(&s, '/', &part))
		good = hdr_is_token(part);
	return good;
}

static enum err write_m(struct buf *b, const struct sdp_media *m)
{
	if (!hdr_is_token(m->kind) || !is_protocol(m->proto_text))
		return ERR_BAD;
	buf_lit(b, "m=");
	buf_str(b, m->kind);
	buf_char(b, ' ');
	buf_u64(b, m->port);
	if (m->port_count > 1) {
		buf_char(b, '/');
		buf_u64(b, m->port_count);
	}
	buf_char(b, ' ');
	buf_str(b, m->proto_text);
	for (size_t i = 0; i < m->format_count; i++) {
		if (!hdr_is_token(m->formats[i]))
			return ERR_BAD;
		buf_char(b, ' ');
		buf_str(b, m->formats[i]);
	}
	buf_lit(b, "\r\n");
	return OK;
}

/* RFC 4574: what the metadata of a recording calls this stream. */
static void write_label(struct buf *b, const struct sdp_media *m)
{
	const struct sdp_attr *a = sdp_find_attr(&m->attrs, STR("label"));

	if (a && is_name(str_trim(a->value)))
		write_attr(b, a->name, str_trim(a->value));
}

static enum err write_media(struct buf *b, const struct sdp *s, const struct sdp_media *m,
			    const struct sdp_face *f)
{
	enum err e = write_m(b, m);

	if (e != OK)
		return e;
	write_conn(b, &m->conn);
	write_bandwidth(b, &m->bandwidth);
	for (size_t i = 0; i < m->attrs.count; i++)
		write_allowed(b, s, m, &m->attrs.at[i], f->allow);
	if (f->labels)
		write_label(b, m);
	return OK;
}

/* All that is behind the origin. */
static enum err write_rest(struct buf *b, const struct sdp *s, const struct sdp_face *f)
{
	buf_lit(b, "s=-\r\n");
	write_conn(b, &s->conn);
	write_bandwidth(b, &s->bandwidth);
	write_timing(b, s->timing);
	for (size_t i = 0; i < s->attrs.count; i++)
		write_allowed(b, s, NULL, &s->attrs.at[i], f->allow);
	for (size_t i = 0; i < s->media_count; i++) {
		enum err e = write_media(b, s, &s->media[i], f);
		if (e != OK)
			return e;
	}
	return b->overflow ? ERR_LIMIT : OK;
}

/* ---- the whole */

void sdp_face_init(struct sdp_face *f, uint32_t random)
{
	CHECK(f);
	/* Below 2^31: some read it into an int. */
	*f = (struct sdp_face){.id = random >> 1};
}

static void write_origin(struct buf *b, const struct sdp_face *f, const struct addr *own)
{
	buf_lit(b, "v=0\r\no=- ");
	buf_u64(b, f->id);
	buf_char(b, ' ');
	buf_u64(b, (uint64_t)f->version + 1);
	buf_z(b, own->family == ADDR_IP6 ? " IN IP6 " : " IN IP4 ");
	addr_write_ip(b, own);
	buf_lit(b, "\r\n");
}

enum err sdp_face_write(struct buf *b, struct sdp_face *f, const struct addr *own, struct arena *a,
			struct str sdp)
{
	CHECK(b && f && own && own->family != ADDR_NONE && a);
	enum { HEAD_MAX = 128 };
	struct sdp s;
	char mem[HEAD_MAX];
	struct buf head;
	enum err e = sdp_parse(sdp, a, &s);

	if (e != OK)
		return e;
	size_t start = b->len;
	e = write_rest(b, &s, f);
	if (e != OK)
		return e;
	size_t len = b->len - start;
	uint64_t hash = siphash(&face_key, b->p + start, len) | 1;
	struct sdp_face next = *f;
	next.version += f->hash && f->hash != hash;
	next.hash = hash;
	/* The version depends on the rest, so the origin is written last and moved to the front. */
	buf_init(&head, mem, sizeof(mem));
	write_origin(&head, &next, own);
	buf_bytes(b, head.p, head.len);
	if (b->overflow || NEVER(head.overflow))
		return ERR_LIMIT;
	memmove(b->p + start + head.len, b->p + start, len);
	memcpy(b->p + start, head.p, head.len);
	*f = next;
	return OK;
}
