#include "addr.h"

#include <string.h>

enum { IP4_LEN = 4, IP6_LEN = 16, GROUPS = 8 };

/* Exactly four decimal numbers without leading zeros: "010" is octal to some readers, so it is
 * nothing to us. */
static bool parse_ip4(struct str s, uint8_t out[IP4_LEN])
{
	uint8_t ip[IP4_LEN];
	size_t at = 0;
	for (int n = 0; n < IP4_LEN; n++) {
		size_t from = at;
		unsigned v = 0;
		for (; at < s.len && at - from < 3 && s.p[at] >= '0' && s.p[at] <= '9'; at++)
			v = v * 10 + (unsigned)(s.p[at] - '0');
		if (at == from || v > 255 || (at - from > 1 && s.p[from] == '0'))
			return false;
		ip[n] = (uint8_t)v;
		if (n == IP4_LEN - 1)
			break;
		if (at == s.len || s.p[at] != '.')
			return false;
		at++;
	}
	if (at != s.len)
		return false;
	memcpy(out, ip, IP4_LEN);
	return true;
}

static bool parse_group(struct str s, uint16_t *out)
{
	if (s.len == 0 || s.len > 4)
		return false;
	uint8_t b[2];
	char four[4] = {'0', '0', '0', '0'};
	memcpy(four + (4 - s.len), s.p, s.len);
	if (str_to_hex((struct str){four, 4}, b, 2) != OK)
		return false;
	*out = (uint16_t)(b[0] << 8 | b[1]);
	return true;
}

/* Colon-separated groups, the last perhaps dotted; their number, or -1. */
static int parse_groups(struct str s, uint16_t *out, int max)
{
	struct str part;
	int n = 0;
	if (s.len == 0)
		return 0;
	while (str_cut(&s, ':', &part)) {
		uint8_t ip4[IP4_LEN];
		if (n < max && parse_group(part, &out[n])) {
			n++;
		} else if (s.p == NULL && n + 2 <= max && parse_ip4(part, ip4)) {
			out[n++] = (uint16_t)(ip4[0] << 8 | ip4[1]);
			out[n++] = (uint16_t)(ip4[2] << 8 | ip4[3]);
		} else {
			return -1;
		}
	}
	return n;
}

static bool parse_ip6(struct str s, uint8_t out[IP6_LEN])
{
	uint16_t head[GROUPS], rest[GROUPS], all[GROUPS] = {0};
	size_t gap = str_find(s, STR("::"));
	int heads, rests = 0;
	if (gap == s.len) {
		heads = parse_groups(s, head, GROUPS);
		if (heads != GROUPS)
			return false;
	} else {
		struct str left = {s.p, gap};
		/* Dotted decimal may stand at the very end only. */
		if (str_has_char(left, '.'))
			return false;
		heads = parse_groups(left, head, GROUPS - 1);
		if (heads < 0)
			return false;
		rests = parse_groups(str_from_offset(s, gap + 2), rest, GROUPS - 1 - heads);
		if (rests < 0)
			return false;
	}
	memcpy(all, head, (size_t)heads * sizeof(all[0]));
	if (rests > 0)
		memcpy(all + (GROUPS - rests), rest, (size_t)rests * sizeof(all[0]));
	for (int i = 0; i < GROUPS; i++) {
		out[2 * i] = (uint8_t)(all[i] >> 8);
		out[2 * i + 1] = (uint8_t)all[i];
	}
	return true;
}

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

enum err addr_parse_ip(struct str s, struct addr *out)
{
	struct addr a = {.family = ADDR_NONE};
	/* The longest form is 45 characters, and brackets. */
	if (s.len < 2 || s.len > 47)
		return ERR_BAD;
	if (s.p[0] == '[') {
		if (s.p[s.len - 1] != ']')
			return ERR_BAD;
		s = (struct str){s.p + 1, s.len - 2};
		if (!str_has_char(s, ':'))
			return ERR_BAD;
	}
	if (parse_ip4(s, a.ip)) {
		a.family = ADDR_IP4;
	} else if (parse_ip6(s, a.ip)) {
		a.family = ADDR_IP6;
	} else {
		return ERR_BAD;
	}
	if (a.family == ADDR_IP6 && memcmp(a.ip, mapped_prefix, sizeof(mapped_prefix)) == 0) {
		memmove(a.ip, a.ip + sizeof(mapped_prefix), IP4_LEN);
		memset(a.ip + IP4_LEN, 0, IP6_LEN - IP4_LEN);
		a.family = ADDR_IP4;
	}
	*out = a;
	return OK;
}

enum err addr_parse(struct str s, struct addr *out)
{
	struct str host = s;
	uint16_t port = 0;
	size_t colon = s.len;
	while (colon > 0 && s.p[colon - 1] != ':' && s.p[colon - 1] != ']')
		colon--;
	/* A colon is the port's if the host before it is bracketed or has no colon itself. */
	if (colon > 0 && s.p[colon - 1] == ':') {
		struct str left = {s.p, colon - 1};
		if (left.len > 0 && (left.p[0] == '[' || !str_has_char(left, ':'))) {
			struct str digits = str_from_offset(s, colon);
			if (digits.len > 5 || str_to_u16(digits, UINT16_MAX, &port) != OK)
				return ERR_BAD;
			host = left;
		}
	}
	struct addr a;
	if (addr_parse_ip(host, &a) != OK)
		return ERR_BAD;
	a.port = port;
	*out = a;
	return OK;
}

static void write_ip4(struct buf *b, const uint8_t *ip)
{
	char text[sizeof("255.255.255.255")];
	size_t n = 0;
	for (int i = 0; i < IP4_LEN; i++) {
		unsigned v = ip[i];
		if (i > 0)
			text[n++] = '.';
		if (v >= 100)
			text[n++] = (char)('0' + v / 100);
		if (v >= 10)
			text[n++] = (char)('0' + v / 10 % 10);
		text[n++] = (char)('0' + v % 10);
	}
	buf_bytes(b, text, n);
}

static void write_group(struct buf *b, uint16_t v)
{
	static const char digits[] = "0123456789abcdef";
	bool started = false;
	for (int shift = 12; shift >= 0; shift -= 4) {
		unsigned d = v >> shift & 15;
		started |= d != 0 || shift == 0;
		if (started)
			buf_char(b, digits[d]);
	}
}

/* RFC 5952: lower case, no leading zeros, "::" for the first longest run of two or more zero
 * groups. */
static void write_ip6(struct buf *b, const uint8_t *ip)
{
	uint16_t group[GROUPS];
	int best = -1, best_len = 1, run = 0;
	for (int i = 0; i < GROUPS; i++) {
		group[i] = (uint16_t)(ip[2 * i] << 8 | ip[2 * i + 1]);
		run = group[i] == 0 ? run + 1 : 0;
		if (run > best_len) {
			best = i - run + 1;
			best_len = run;
		}
	}
	for (int i = 0; i < GROUPS; i++) {
		if (i == best) {
			buf_lit(b, "::");
			i += best_len - 1;
			continue;
		}
		if (i > 0 && (best < 0 || i != best + best_len))
			buf_char(b, ':');
		write_group(b, group[i]);
	}
}

void addr_write_ip(struct buf *b, const struct addr *a)
{
	if (a->family == ADDR_IP4)
		write_ip4(b, a->ip);
	else if (a->family == ADDR_IP6)
		write_ip6(b, a->ip);
}

void addr_write_host(struct buf *b, const struct addr *a)
{
	if (a->family == ADDR_IP6)
		buf_char(b, '[');
	addr_write_ip(b, a);
	if (a->family == ADDR_IP6)
		buf_char(b, ']');
}

void addr_write(struct buf *b, const struct addr *a)
{
	addr_write_host(b, a);
	buf_char(b, ':');
	buf_u64(b, a->port);
}

static size_t ip_len(const struct addr *a)
{
	return a->family == ADDR_IP4 ? IP4_LEN : a->family == ADDR_IP6 ? IP6_LEN : 0;
}

bool addr_eq_ip(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, ip_len(a)) == 0;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && addr_eq_ip(a, b);
}

struct class_rule {
	uint8_t ip[IP6_LEN];
	uint8_t bits;
	enum addr_class class;
};

/* The first that matches counts. */
static const struct class_rule rules4[] = {
	{{0}, 8, ADDR_CLASS_UNSPECIFIED},
	{{10}, 8, ADDR_CLASS_PRIVATE},
	{{100, 64}, 10, ADDR_CLASS_PRIVATE},
	{{127}, 8, ADDR_CLASS_LOOPBACK},
	{{169, 254}, 16, ADDR_CLASS_LINK_LOCAL},
	{{172, 16}, 12, ADDR_CLASS_PRIVATE},
	{{192, 168}, 16, ADDR_CLASS_PRIVATE},
	{{224}, 4, ADDR_CLASS_MULTICAST},
	/* 255.255.255.255, and the reserved rest of class E: never one host */
	{{240}, 4, ADDR_CLASS_BROADCAST},
};
static const struct class_rule rules6[] = {
	{{0}, 128, ADDR_CLASS_UNSPECIFIED},
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, ADDR_CLASS_LOOPBACK},
	{{0, 0x64, 0xff, 0x9b, 0, 1}, 48, ADDR_CLASS_PRIVATE}, /* RFC 8215: local NAT64 */
	{{0xfc}, 7, ADDR_CLASS_PRIVATE},
	{{0xfe, 0x80}, 10, ADDR_CLASS_LINK_LOCAL},
	{{0xfe, 0xc0}, 10, ADDR_CLASS_PRIVATE}, /* site-local, given up by RFC 3879 */
	{{0xff}, 8, ADDR_CLASS_MULTICAST},
};

/* IPv6 forms that a router turns into the IPv4 address inside: they are of its class. */
static const struct {
	struct class_rule prefix;
	uint8_t at;
} inside4[] = {
	{{{0}, 96, 0}, 12}, /* compatible, given up by RFC 4291 */
	{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 0}, 12}, /* mapped */
	{{{0, 0x64, 0xff, 0x9b}, 96, 0}, 12},                      /* NAT64, RFC 6052 */
	{{{0x20, 0x02}, 16, 0}, 2},                                /* 6to4 */
};

static bool bits_eq(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static enum addr_class class_by(const struct class_rule *rules, size_t n, const uint8_t *ip)
{
	for (size_t i = 0; i < n; i++)
		if (bits_eq(ip, rules[i].ip, rules[i].bits))
			return rules[i].class;
	return ADDR_CLASS_PUBLIC;
}

bool addr_is_host(const struct addr *a)
{
	static const uint8_t none[16];
	if (a->family == ADDR_IP4)
		return a->ip[0] != 0 && a->ip[0] < 224;
	return a->family == ADDR_IP6 && a->ip[0] != 0xff && memcmp(a->ip, none, 16) != 0;
}

enum addr_class addr_class(const struct addr *a)
{
	if (a->family == ADDR_IP4)
		return class_by(rules4, ARRAY_LEN(rules4), a->ip);
	if (a->family != ADDR_IP6)
		return ADDR_CLASS_UNSPECIFIED;
	enum addr_class class = class_by(rules6, ARRAY_LEN(rules6), a->ip);
	if (class != ADDR_CLASS_PUBLIC)
		return class;
	for (size_t i = 0; i < ARRAY_LEN(inside4); i++)
		if (bits_eq(a->ip, inside4[i].prefix.ip, inside4[i].prefix.bits))
			return class_by(rules4, ARRAY_LEN(rules4), a->ip + inside4[i].at);
	return ADDR_CLASS_PUBLIC;
}

enum err prefix_parse(struct str s, struct prefix *out)
{
	struct prefix p;
	size_t slash = str_index(s, '/');
	if (addr_parse_ip((struct str){s.p, slash}, &p.addr) != OK)
		return ERR_BAD;
	uint16_t max = (uint16_t)(8 * ip_len(&p.addr)), bits = max;
	if (slash < s.len) {
		struct str digits = str_from_offset(s, slash + 1);
		if (digits.len > 3 || (digits.len > 1 && digits.p[0] == '0') ||
		    str_to_u16(digits, max, &bits) != OK)
			return ERR_BAD;
	}
	for (unsigned i = bits; i < max; i++)
		if (p.addr.ip[i / 8] & (0x80 >> (i % 8)))
			return ERR_BAD;
	p.bits = (uint8_t)bits;
	*out = p;
	return OK;
}

void prefix_write(struct buf *b, const struct prefix *p)
{
	addr_write_ip(b, &p->addr);
	buf_char(b, '/');
	buf_u64(b, p->bits);
}

bool prefix_has(const struct prefix *p, const struct addr *a)
{
	return p->addr.family == a->family && bits_eq(p->addr.ip, a->ip, p->bits);
}
