#include "sdp.h"

/* ---- tables */

static const struct sdp_proto_info protos[SDP_PROTO_COUNT] = {
#define X(name, text, srtp, feedback, dtls) {text, srtp, feedback, dtls},
	SDP_PROTO_TABLE(X)
#undef X
};

static const char *const directions[SDP_DIRECTION_COUNT] = {
	[SDP_SENDRECV] = "sendrecv",
	[SDP_SENDONLY] = "sendonly",
	[SDP_RECVONLY] = "recvonly",
	[SDP_INACTIVE] = "inactive",
};

/* RFC 3551, tables 4 and 5. G722 runs at 16 kHz and says 8000: §4.5.2. */
#define STATIC(type, name, rate, channels)                                                         \
	{                                                                                          \
		type, {name, sizeof(name) - 1}, rate, channels,                                    \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}
static const struct sdp_codec static_codecs[] = {
	STATIC(0, "PCMU", 8000, 1),   STATIC(3, "GSM", 8000, 1),    STATIC(4, "G723", 8000, 1),
	STATIC(5, "DVI4", 8000, 1),   STATIC(6, "DVI4", 16000, 1),  STATIC(7, "LPC", 8000, 1),
	STATIC(8, "PCMA", 8000, 1),   STATIC(9, "G722", 8000, 1),   STATIC(10, "L16", 44100, 2),
	STATIC(11, "L16", 44100, 1),  STATIC(12, "QCELP", 8000, 1), STATIC(13, "CN", 8000, 1),
	STATIC(14, "MPA", 90000, 1),  STATIC(15, "G728", 8000, 1),  STATIC(16, "DVI4", 11025, 1),
	STATIC(17, "DVI4", 22050, 1), STATIC(18, "G729", 8000, 1),  STATIC(25, "CelB", 90000, 1),
	STATIC(26, "JPEG", 90000, 1), STATIC(28, "nv", 90000, 1),   STATIC(31, "H261", 90000, 1),
	STATIC(32, "MPV", 90000, 1),  STATIC(33, "MP2T", 90000, 1), STATIC(34, "H263", 90000, 1),
};

const struct sdp_proto_info *sdp_proto_info(enum sdp_proto p)
{
	CHECK(p < SDP_PROTO_COUNT);
	return &protos[p];
}

enum sdp_proto sdp_proto_find(struct str text)
{
	for (int p = SDP_PROTO_OTHER + 1; p < SDP_PROTO_COUNT; p++)
		if (str_ieq(text, str_from(protos[p].name)))
			return (enum sdp_proto)p;
	return SDP_PROTO_OTHER;
}

const char *sdp_direction_name(enum sdp_direction d)
{
	CHECK(d < SDP_DIRECTION_COUNT);
	return directions[d];
}

bool sdp_direction_find(struct str name, enum sdp_direction *out)
{
	for (int d = 0; d < SDP_DIRECTION_COUNT; d++)
		if (str_eq(name, str_from(directions[d]))) {
			*out = (enum sdp_direction)d;
			return true;
		}
	return false;
}

enum sdp_direction sdp_direction_reverse(enum sdp_direction d)
{
	return d == SDP_SENDONLY ? SDP_RECVONLY : d == SDP_RECVONLY ? SDP_SENDONLY : d;
}

const struct sdp_codec *sdp_static_codec(uint8_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(static_codecs); i++)
		if (static_codecs[i].type == type)
			return &static_codecs[i];
	return NULL;
}

/* ---- reading */

/* No control octet (threats A5), eight at a time: this looks at every byte of every body. */
static bool is_clean(struct str line)
{
	const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
	uint64_t found = 0;
	size_t i = 0;
	for (; i + 8 <= line.len; i += 8) {
		uint64_t x;
		memcpy(&x, line.p + i, 8);
		uint64_t del = x ^ (ones * 0x7f);
		found |= (x - ones * 0x20) & ~x & highs;
		found |= (del - ones) & ~del & highs;
	}
	for (; i < line.len; i++) {
		unsigned char c = (unsigned char)line.p[i];
		found |= c < 0x20 || c == 0x7f;
	}
	return found == 0;
}

static bool next_line(struct str *rest, struct str *out_line)
{
	/* What follows the last line end is no line. */
	if (rest->len == 0 || !str_cut(rest, '\n', out_line))
		return false;
	if (out_line->len > 0 && out_line->p[out_line->len - 1] == '\r')
		out_line->len--;
	return true;
}

struct parser {
	struct arena *arena;
	struct sdp sdp;
	struct sdp_media *media; /* of the section that is read; NULL: the session's */
	struct sdp_attr *attr_next, *bandwidth_next; /* the parts of their arrays not given out */
	bool has_origin;
};

static void *array(struct parser *p, size_t n, size_t size)
{
	return arena_zalloc(p->arena, (n > 0 ? n : 1) * size);
}

/* First pass: clean octets, and how much of everything there is, so that each array is asked for once. */
static enum err make_room(struct parser *p, struct str text)
{
	size_t lines = 0, attrs = 0, bandwidths = 0, media = 0;
	struct str line;
	while (next_line(&text, &line)) {
		char type = line.len > 0 ? line.p[0] : '\0';
		attrs += type == 'a';
		bandwidths += type == 'b';
		media += type == 'm';
		if (++lines > SDP_LINES_MAX || media > SDP_MEDIA_MAX)
			return ERR_LIMIT;
		if (!is_clean(line))
			return ERR_BAD;
	}
	p->attr_next = array(p, attrs, sizeof(struct sdp_attr));
	p->bandwidth_next = array(p, bandwidths, sizeof(struct sdp_attr));
	p->sdp.media = array(p, media, sizeof(struct sdp_media));
	return p->attr_next && p->bandwidth_next && p->sdp.media ? OK : ERR_NOMEM;
}

static bool is_digits(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.len > 0;
}

/* A host name, and nothing that some resolver reads as an address: its last label has a letter first. */
static bool is_name(struct str s)
{
	size_t label = 0;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
		if (!ok)
			return false;
		if (c == '.' && i + 1 < s.len)
			label = i + 1;
	}
	return s.len > 0 && !(s.p[label] >= '0' && s.p[label] <= '9');
}

static enum err parse_conn(struct str v, struct sdp_conn *out)
{
	struct sdp_conn c = {.ip = {.family = ADDR_NONE}};
	struct str more;
	if (!str_cut_word(&v, &c.net) || !str_cut_word(&v, &c.type) || !str_cut_word(&v, &c.host) ||
	    str_cut_word(&v, &more) || out->host.len > 0)
		return ERR_BAD;
	c.host.len = str_index(c.host, '/');
	bool is_ip4 = str_ieq(c.type, STR("IP4")), is_ip6 = str_ieq(c.type, STR("IP6"));
	if (c.host.len == 0 || !str_ieq(c.net, STR("IN")) || (!is_ip4 && !is_ip6))
		return ERR_BAD;
	if (is_name(c.host)) {
		*out = c;
		return OK;
	}
	if (c.host.p[0] == '[' || str_has_char(c.host, ':') != is_ip6 ||
	    addr_parse_ip(c.host, &c.ip) != OK)
		return ERR_BAD;
	*out = c;
	return OK;
}

static enum err parse_origin(struct parser *p, struct str v)
{
	struct sdp_origin o;
	struct str more;
	if (p->has_origin || !str_cut_word(&v, &o.user) || !str_cut_word(&v, &o.id) ||
	    !str_cut_word(&v, &o.version) || !str_cut_word(&v, &o.net) ||
	    !str_cut_word(&v, &o.type) || !str_cut_word(&v, &o.host) || str_cut_word(&v, &more))
		return ERR_BAD;
	if (!is_digits(o.id) || !is_digits(o.version))
		return ERR_BAD;
	p->sdp.origin = o;
	p->has_origin = true;
	return OK;
}

static struct sdp_attr split_attr(struct str v)
{
	struct sdp_attr a = {v, STR_NONE};
	a.name.len = str_index(v, ':');
	/* "a=x:" has a value, an empty one: not the same as "a=x". */
	if (a.name.len < v.len)
		a.value = (struct str){v.p + a.name.len + 1, v.len - a.name.len - 1};
	return a;
}

static enum err add_attr(struct sdp_attrs *to, struct sdp_attr **next, struct sdp_attr a)
{
	if (a.name.len == 0)
		return ERR_BAD;
	if (to->count == 0)
		to->at = *next;
	*(*next)++ = a;
	to->count++;
	return OK;
}

static enum err parse_formats(struct parser *p, struct str v, struct sdp_media *m)
{
	static struct str rejected_format = {"0", 1};
	struct str word, rest = v;
	size_t n = 0;
	while (str_cut_word(&rest, &word))
		n++;
	if (n > SDP_FORMATS_MAX)
		return ERR_LIMIT;
	if (n == 0) {
		/* Some refuse a media with a line that ends behind the protocol. */
		m->formats = &rejected_format;
		m->format_count = 1;
		return m->port == 0 ? OK : ERR_BAD;
	}
	m->formats = array(p, n, sizeof(struct str));
	if (!m->formats)
		return ERR_NOMEM;
	while (str_cut_word(&v, &word))
		m->formats[m->format_count++] = word;
	return OK;
}

static enum err parse_media(struct parser *p, struct str v)
{
	struct sdp_media m = {.port_count = 1};
	struct str port;
	if (!str_cut_word(&v, &m.kind) || !str_cut_word(&v, &port) ||
	    !str_cut_word(&v, &m.proto_text))
		return ERR_BAD;
	size_t slash = str_index(port, '/');
	if (slash < port.len &&
	    (str_to_u16(str_from_offset(port, slash + 1), UINT16_MAX, &m.port_count) != OK ||
	     m.port_count == 0))
		return ERR_BAD;
	if (str_to_u16((struct str){port.p, slash}, UINT16_MAX, &m.port) != OK)
		return ERR_BAD;
	m.proto = sdp_proto_find(m.proto_text);
	enum err e = parse_formats(p, v, &m);
	if (e != OK)
		return e;
	p->media = &p->sdp.media[p->sdp.media_count++];
	*p->media = m;
	return OK;
}

static void keep_first(struct str *to, struct str v)
{
	if (to->p == NULL)
		*to = v;
}

static enum err parse_line(struct parser *p, char type, struct str v)
{
	struct sdp_media *m = p->media;
	struct sdp *s = &p->sdp;
	switch (type) {
	case 'm': return parse_media(p, v);
	case 'a': return add_attr(m ? &m->attrs : &s->attrs, &p->attr_next, split_attr(v));
	case 'b': {
		struct sdp_attr b = split_attr(v);
		return b.value.len == 0
			       ? ERR_BAD
			       : add_attr(m ? &m->bandwidth : &s->bandwidth, &p->bandwidth_next, b);
	}
	case 'c': return parse_conn(v, m ? &m->conn : &s->conn);
	case 'i':
		if (m)
			keep_first(&m->title, v);
		return OK;
	case 'k': return OK;
	case 'o': return m ? ERR_BAD : parse_origin(p, v);
	case 's': keep_first(&s->name, v); return m ? ERR_BAD : OK;
	case 't': keep_first(&s->timing, v); return m ? ERR_BAD : OK;
	case 'u':
	case 'e':
	case 'p':
	case 'r':
	case 'z': return m ? ERR_BAD : OK;
	default: return ERR_BAD; /* RFC 8866 §5: not to be understood in part */
	}
}

enum err sdp_parse(struct str text, struct arena *a, struct sdp *out)
{
	struct parser p = {.arena = a};
	struct str line;
	if (text.len > SDP_LEN_MAX)
		return ERR_LIMIT;
	if (!next_line(&text, &line) || !str_eq(line, STR("v=0")))
		return ERR_BAD;
	enum err e = make_room(&p, text);
	if (e != OK)
		return e;
	bool ended = false;
	while (next_line(&text, &line)) {
		/* Empty lines may stand at the end only. */
		ended |= line.len == 0;
		if (line.len == 0)
			continue;
		if (ended || line.len < 2 || line.p[1] != '=')
			return ERR_BAD;
		e = parse_line(&p, line.p[0], (struct str){line.p + 2, line.len - 2});
		if (e != OK)
			return e;
	}
	if (!p.has_origin)
		return ERR_BAD;
	*out = p.sdp;
	return OK;
}

/* ---- writing */

static void write_line(struct buf *b, char type, struct str v)
{
	buf_char(b, type);
	buf_char(b, '=');
	buf_str(b, v);
	buf_lit(b, "\r\n");
}

static void write_pair(struct buf *b, char type, struct str name, struct str value)
{
	buf_char(b, type);
	buf_char(b, '=');
	buf_str(b, name);
	if (value.p) {
		buf_char(b, ':');
		buf_str(b, value);
	}
	buf_lit(b, "\r\n");
}

void sdp_write_attr(struct buf *b, struct str name, struct str value)
{
	write_pair(b, 'a', name, value);
}

static void write_pairs(struct buf *b, char type, const struct sdp_attrs *a)
{
	for (size_t i = 0; i < a->count; i++)
		write_pair(b, type, a->at[i].name, a->at[i].value);
}

static void write_words(struct buf *b, const struct str *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_char(b, ' ');
		buf_str(b, words[i]);
	}
}

static void write_conn(struct buf *b, const struct sdp_conn *c)
{
	if (c->host.len == 0)
		return;
	buf_lit(b, "c=");
	write_words(b, (struct str[]){c->net, c->type, c->host}, 3);
	buf_lit(b, "\r\n");
}

void sdp_write_media(struct buf *b, const struct sdp_media *m)
{
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
	buf_char(b, ' ');
	write_words(b, m->formats, m->format_count);
	buf_lit(b, "\r\n");
	if (m->title.len > 0)
		write_line(b, 'i', m->title);
	write_conn(b, &m->conn);
	write_pairs(b, 'b', &m->bandwidth);
	write_pairs(b, 'a', &m->attrs);
}

void sdp_write(struct buf *b, const struct sdp *s)
{
	const struct sdp_origin *o = &s->origin;
	buf_lit(b, "v=0\r\no=");
	write_words(b, (struct str[]){o->user, o->id, o->version, o->net, o->type, o->host}, 6);
	buf_lit(b, "\r\n");
	write_line(b, 's', s->name.len > 0 ? s->name : STR("-"));
	write_conn(b, &s->conn);
	write_pairs(b, 'b', &s->bandwidth);
	write_line(b, 't', s->timing.len > 0 ? s->timing : STR("0 0"));
	write_pairs(b, 'a', &s->attrs);
	for (size_t i = 0; i < s->media_count; i++)
		sdp_write_media(b, &s->media[i]);
}

/* ---- looking things up */

static const struct sdp_attr *find_from(const struct sdp_attrs *attrs, struct str name, size_t i)
{
	for (; i < attrs->count; i++)
		if (str_eq(attrs->at[i].name, name))
			return &attrs->at[i];
	return NULL;
}

const struct sdp_attr *sdp_find_attr(const struct sdp_attrs *attrs, struct str name)
{
	return find_from(attrs, name, 0);
}

const struct sdp_attr *sdp_next_attr(const struct sdp_attrs *attrs, struct str name,
				     const struct sdp_attr *from)
{
	return find_from(attrs, name, (size_t)(from - attrs->at) + 1);
}

const struct sdp_attr *sdp_find_any(const struct sdp *s, const struct sdp_media *m, struct str name)
{
	const struct sdp_attr *a = m ? sdp_find_attr(&m->attrs, name) : NULL;
	return a ? a : sdp_find_attr(&s->attrs, name);
}

const struct sdp_conn *sdp_conn_of(const struct sdp *s, const struct sdp_media *m)
{
	if (m->conn.host.len > 0)
		return &m->conn;
	return s->conn.host.len > 0 ? &s->conn : NULL;
}

static bool direction_in(const struct sdp_attrs *attrs, enum sdp_direction *out)
{
	for (size_t i = 0; i < attrs->count; i++)
		if (attrs->at[i].value.p == NULL && sdp_direction_find(attrs->at[i].name, out))
			return true;
	return false;
}

enum sdp_direction sdp_direction_of(const struct sdp *s, const struct sdp_media *m)
{
	enum sdp_direction d = SDP_SENDRECV;
	if (!direction_in(&m->attrs, &d))
		direction_in(&s->attrs, &d);
	return d;
}

/* The rest of the attribute "name:TYPE rest", or {NULL, 0}. */
static struct str find_for_type(const struct sdp_media *m, struct str name, uint16_t type)
{
	for (size_t i = 0; i < m->attrs.count; i++) {
		if (!str_eq(m->attrs.at[i].name, name))
			continue;
		struct str v = m->attrs.at[i].value, word;
		uint16_t n;
		if (str_cut_word(&v, &word) && str_to_u16(word, 127, &n) == OK && n == type)
			return v.p ? str_trim(v) : STR("");
	}
	return STR_NONE;
}

static enum err parse_rtpmap(struct str v, struct sdp_codec *c)
{
	struct str rate, channels;
	c->channels = 1;
	if (!str_cut(&v, '/', &c->name) || c->name.len == 0 || !str_cut(&v, '/', &rate) ||
	    str_to_u32(str_trim(rate), UINT32_MAX, &c->rate) != OK || c->rate == 0)
		return ERR_BAD;
	if (str_cut(&v, '/', &channels) &&
	    (str_to_u16(str_trim(channels), UINT16_MAX, &c->channels) != OK || c->channels == 0))
		return ERR_BAD;
	return OK;
}

enum err sdp_find_codec(const struct sdp_media *m, struct str format, struct sdp_codec *out)
{
	uint16_t type;
	if (format.len > 3 || str_to_u16(format, 127, &type) != OK)
		return ERR_BAD;
	struct sdp_codec c = {0};
	struct str map = find_for_type(m, STR("rtpmap"), type);
	const struct sdp_codec *known = sdp_static_codec((uint8_t)type);
	if (map.p) {
		enum err e = parse_rtpmap(map, &c);
		if (e != OK)
			return e;
	} else if (known) {
		c = *known;
	} else {
		return ERR_NOTFOUND;
	}
	c.type = (uint8_t)type;
	c.fmtp = find_for_type(m, STR("fmtp"), type);
	*out = c;
	return OK;
}

bool sdp_is_companion(struct str codec)
{
	static const struct str names[] = {STR("telephone-event"), STR("CN"), STR("red"),
					   STR("rtx"), STR("ulpfec")};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_ieq(names[i], codec))
			return true;
	return false;
}
