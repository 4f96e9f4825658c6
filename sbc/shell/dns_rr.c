#include "dns_rr.h"

#include <string.h>

enum {
	HEADER_LEN = 12,
	FLAG_RESPONSE = 0x8000,
	RCODE_MASK = 0x000f,
	RCODE_NXDOMAIN = 3,
	CLASS_IN = 1,
	JUMPS_MAX = 32,
	TTL_MAX = 7 * 24 * 3600,
	NEGATIVE_TTL_MAX = 300
};

struct message {
	const uint8_t *p;
	size_t len;
};

/* A record's fixed part; rdata starts at `at`. */
struct rr {
	struct dns_name owner;
	bool owner_ok;
	uint16_t type, class;
	uint32_t ttl;
	size_t at, len;
};

struct str dns_name_view(const struct dns_name *n)
{
	return (struct str){n->text, n->len};
}

bool dns_name_eq(const struct dns_name *a, const struct dns_name *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

enum err dns_name_init(struct dns_name *n, struct str text)
{
	struct dns_name out = {0};
	if (text.len > 0 && text.p[text.len - 1] == '.')
		text.len--;
	if (text.len == 0 || text.len > DNS_NAME_MAX)
		return ERR_BAD;
	size_t label = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = lower(text.p[i]);
		if (c == '.') {
			if (label == 0)
				return ERR_BAD;
			label = 0;
		} else if (!is_name_char(c) || ++label > 63) {
			return ERR_BAD;
		}
		out.text[i] = c;
	}
	if (label == 0)
		return ERR_BAD;
	out.len = (uint8_t)text.len;
	*n = out;
	return OK;
}

enum err dns_name_join(struct dns_name *n, struct str prefix, struct str domain)
{
	char text[DNS_NAME_MAX];
	if (prefix.len + domain.len > sizeof(text))
		return ERR_LIMIT;
	memcpy(text, prefix.p, prefix.len);
	if (domain.len > 0)
		memcpy(text + prefix.len, domain.p, domain.len);
	return dns_name_init(n, (struct str){text, prefix.len + domain.len});
}

/*
 * Decodes the name at *at and moves *at behind it. ERR_BAD: the message is broken here. A name that
 * is well formed but not one that we would ask for (odd characters) gives OK and *out_ok false.
 */
static enum err decode_name(const struct message *m, size_t *at, struct dns_name *out, bool *out_ok)
{
	size_t pos = *at, low = *at; /* a pointer must go below everything seen so far: no loops */
	bool jumped = false;
	unsigned jumps = 0;
	out->len = 0;
	*out_ok = true;
	for (;;) {
		if (pos >= m->len)
			return ERR_BAD;
		uint8_t n = m->p[pos];
		if ((n & 0xc0) == 0xc0) {
			if (pos + 1 >= m->len || ++jumps > JUMPS_MAX)
				return ERR_BAD;
			size_t to = (size_t)(n & 0x3f) << 8 | m->p[pos + 1];
			if (!jumped)
				*at = pos + 2;
			if (to >= low)
				return ERR_BAD;
			jumped = true;
			pos = low = to;
			continue;
		}
		if (n & 0xc0)
			return ERR_BAD;
		if (n == 0) {
			if (!jumped)
				*at = pos + 1;
			return OK;
		}
		if (m->len - pos - 1 < n)
			return ERR_BAD;
		if ((size_t)out->len + (out->len > 0) + n > DNS_NAME_MAX)
			return ERR_BAD;
		if (out->len > 0)
			out->text[out->len++] = '.';
		for (size_t i = 0; i < n; i++) {
			char c = lower((char)m->p[pos + 1 + i]);
			if (!is_name_char(c))
				*out_ok = false;
			out->text[out->len++] = c;
		}
		pos += 1 + (size_t)n;
	}
}

static enum err decode_rr(const struct message *m, size_t *at, struct rr *out)
{
	enum err e = decode_name(m, at, &out->owner, &out->owner_ok);
	if (e)
		return e;
	struct rd r = rd_init(m->p + *at, m->len - *at);
	out->type = rd_u16(&r);
	out->class = rd_u16(&r);
	out->ttl = rd_u32(&r);
	out->len = rd_u16(&r);
	if (r.bad || r.left < out->len)
		return ERR_BAD;
	/* RFC 2181 §8: a TTL with the top bit set is 0. */
	out->ttl = out->ttl & 0x80000000u ? 0 : out->ttl > TTL_MAX ? TTL_MAX : out->ttl;
	out->at = m->len - r.left;
	*at = out->at + out->len;
	return OK;
}

static bool decode_addr(const struct message *m, const struct rr *rr, struct dns_record *out)
{
	size_t want = rr->type == DNS_A ? 4 : 16;
	if (rr->len != want)
		return false;
	*out = (struct dns_record){.addr = {.family = rr->type == DNS_A ? ADDR_IP4 : ADDR_IP6}};
	memcpy(out->addr.ip, m->p + rr->at, want);
	return true;
}

/* A name that fills the rest of the rdata, whose end is `end`. "." is the empty name. */
static bool decode_last_name(const struct message *m, size_t at, size_t end, struct dns_name *out)
{
	bool ok;
	return at < end && decode_name(m, &at, out, &ok) == OK && ok && at == end;
}

static bool decode_srv(const struct message *m, const struct rr *rr, struct dns_record *out)
{
	struct rd r = rd_init(m->p + rr->at, rr->len);
	*out = (struct dns_record){0};
	out->srv.priority = rd_u16(&r);
	out->srv.weight = rd_u16(&r);
	out->srv.port = rd_u16(&r);
	return !r.bad && decode_last_name(m, rr->at + 6, rr->at + rr->len, &out->srv.target);
}

/* A character-string (RFC 1035 §3.3). */
static struct str rd_text(struct rd *r)
{
	size_t n = rd_u8(r);
	const uint8_t *p = rd_bytes(r, n);
	return p ? (struct str){(const char *)p, n} : STR_NONE;
}

static bool decode_naptr(const struct message *m, const struct rr *rr, struct dns_record *out)
{
	struct rd r = rd_init(m->p + rr->at, rr->len);
	*out = (struct dns_record){0};
	struct dns_naptr *n = &out->naptr;
	n->order = rd_u16(&r);
	n->preference = rd_u16(&r);
	struct str flags = rd_text(&r), service = rd_text(&r), regexp = rd_text(&r);
	if (r.bad || service.len > sizeof(n->service))
		return false;
	n->flag = flags.len == 1 ? lower(flags.p[0]) : 0;
	n->has_regexp = regexp.len > 0;
	n->service_len = (uint8_t)service.len;
	for (size_t i = 0; i < service.len; i++)
		n->service[i] = lower(service.p[i]);
	size_t end = rr->at + rr->len;
	return decode_last_name(m, end - r.left, end, &n->replacement);
}

static bool decode_record(const struct message *m, const struct rr *rr, struct dns_record *out)
{
	switch ((enum dns_type)rr->type) {
	case DNS_A:
	case DNS_AAAA: return decode_addr(m, rr, out);
	case DNS_SRV: return decode_srv(m, rr, out);
	case DNS_NAPTR: return decode_naptr(m, rr, out);
	case DNS_CNAME:
	case DNS_SOA: break;
	}
	return false;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* RFC 2308 §5: how long "there is none" may be believed. */
static uint32_t negative_ttl(const struct message *m, size_t at, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct rr rr;
		if (decode_rr(m, &at, &rr) != OK)
			break;
		if (rr.type != DNS_SOA || rr.len < 20)
			continue;
		struct rd r = rd_init(m->p + rr.at + rr.len - 4, 4);
		return min_u32(min_u32(rr.ttl, rd_u32(&r)), NEGATIVE_TTL_MAX);
	}
	return DNS_NEGATIVE_TTL_S;
}

/* Follows CNAMEs of the answer section from `name`; the last name and the smallest TTL on the way. */
static void follow(const struct message *m, size_t start, unsigned count, struct dns_name *name,
		   uint32_t *ttl)
{
	for (unsigned hop = 0; hop < DNS_CHAIN_MAX; hop++) {
		size_t at = start;
		bool found = false;
		for (unsigned i = 0; i < count && !found; i++) {
			struct rr rr;
			struct dns_name to;
			if (decode_rr(m, &at, &rr) != OK)
				return;
			if (rr.type != DNS_CNAME || rr.class != CLASS_IN || !rr.owner_ok ||
			    !dns_name_eq(&rr.owner, name) ||
			    !decode_last_name(m, rr.at, rr.at + rr.len, &to))
				continue;
			*name = to;
			*ttl = min_u32(*ttl, rr.ttl);
			found = true;
		}
		if (!found)
			return;
	}
}

/* Is the question section ours? The library matches ids; this catches answers to something else. */
static enum err check_question(const struct message *m, size_t *at, const struct dns_name *name,
			       enum dns_type type)
{
	struct dns_name asked;
	bool ok;
	if (decode_name(m, at, &asked, &ok) != OK || !ok || !dns_name_eq(&asked, name))
		return ERR_BAD;
	struct rd r = rd_init(m->p + *at, m->len - *at);
	if (rd_u16(&r) != type || rd_u16(&r) != CLASS_IN || r.bad)
		return ERR_BAD;
	*at += 4;
	return OK;
}

enum err dns_answer_decode(const void *msg, size_t len, const struct dns_name *name,
			   enum dns_type type, struct dns_answer *out)
{
	CHECK(type == DNS_A || type == DNS_AAAA || type == DNS_SRV || type == DNS_NAPTR);
	struct message m = {msg, len};
	struct rd r = rd_init(msg, len);
	(void)rd_u16(&r);
	uint16_t flags = rd_u16(&r);
	uint16_t questions = rd_u16(&r), answers = rd_u16(&r), authority = rd_u16(&r);
	(void)rd_u16(&r);
	if (r.bad || !(flags & FLAG_RESPONSE) || questions != 1)
		return ERR_BAD;
	size_t at = HEADER_LEN;
	enum err e = check_question(&m, &at, name, type);
	if (e)
		return e;
	unsigned rcode = flags & RCODE_MASK;
	if (rcode != 0 && rcode != RCODE_NXDOMAIN)
		return ERR_IO;
	unsigned count = answers < DNS_SCAN_MAX ? answers : DNS_SCAN_MAX;
	struct dns_name last = *name;
	uint32_t ttl = TTL_MAX;
	follow(&m, at, count, &last, &ttl);
	out->count = 0;
	for (unsigned i = 0; i < count; i++) {
		struct rr rr;
		if (decode_rr(&m, &at, &rr) != OK)
			return ERR_BAD;
		if (rr.type != type || rr.class != CLASS_IN || !rr.owner_ok ||
		    !dns_name_eq(&rr.owner, &last) || out->count == DNS_RECORDS_MAX)
			continue;
		if (!decode_record(&m, &rr, &out->records[out->count]))
			continue;
		ttl = min_u32(ttl, rr.ttl);
		out->count++;
	}
	if (out->count == 0)
		ttl = answers > DNS_SCAN_MAX ? DNS_NEGATIVE_TTL_S
					     : negative_ttl(&m, at, authority < 8 ? authority : 8);
	out->ttl_s = ttl;
	return OK;
}
