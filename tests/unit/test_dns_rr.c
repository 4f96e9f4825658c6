#include "common/buf.h"
#include "sbc/shell/dns_rr.h"
#include "tests/support/check.h"
#include "tests/support/guard.h"

/* Makes DNS messages. */
struct maker {
	uint8_t p[4096];
	size_t len;
};

static void u8(struct maker *m, unsigned v)
{
	m->p[m->len++] = (uint8_t)v;
}

static void u16(struct maker *m, unsigned v)
{
	u8(m, v >> 8);
	u8(m, v & 0xff);
}

static void u32(struct maker *m, uint32_t v)
{
	u16(m, v >> 16);
	u16(m, v & 0xffff);
}

static void name(struct maker *m, const char *z)
{
	struct str rest = str_from(z), label;
	while (rest.len > 0 && str_cut(&rest, '.', &label)) {
		u8(m, (unsigned)label.len);
		memcpy(m->p + m->len, label.p, label.len);
		m->len += label.len;
	}
	u8(m, 0);
}

static void begin(struct maker *m, const char *asked, unsigned type, unsigned flags,
		  unsigned answers, unsigned authority)
{
	m->len = 0;
	u16(m, 0x1234);
	u16(m, flags);
	u16(m, 1);
	u16(m, answers);
	u16(m, authority);
	u16(m, 0);
	name(m, asked);
	u16(m, type);
	u16(m, 1);
}

static void rr(struct maker *m, const char *owner, unsigned type, uint32_t ttl, unsigned rdlen)
{
	name(m, owner);
	u16(m, type);
	u16(m, 1);
	u32(m, ttl);
	u16(m, rdlen);
}

static void a_record(struct maker *m, const char *owner, uint32_t ttl, uint32_t ip)
{
	rr(m, owner, DNS_A, ttl, 4);
	u32(m, ip);
}

static void cname(struct maker *m, const char *owner, uint32_t ttl, const char *to)
{
	rr(m, owner, DNS_CNAME, ttl, (unsigned)strlen(to) + 2);
	name(m, to);
}

static void srv(struct maker *m, const char *owner, unsigned priority, unsigned weight,
		unsigned port, const char *target)
{
	rr(m, owner, DNS_SRV, 60, 6 + (unsigned)strlen(target) + (*target ? 2 : 1));
	u16(m, priority);
	u16(m, weight);
	u16(m, port);
	name(m, target);
}

static void text(struct maker *m, const char *z)
{
	u8(m, (unsigned)strlen(z));
	memcpy(m->p + m->len, z, strlen(z));
	m->len += strlen(z);
}

static void naptr(struct maker *m, const char *owner, const char *flags, const char *service,
		  const char *regexp, const char *to)
{
	rr(m, owner, DNS_NAPTR, 30,
	   (unsigned)(4 + 3 + strlen(flags) + strlen(service) + strlen(regexp) + strlen(to) + 2));
	u16(m, 10);
	u16(m, 20);
	text(m, flags);
	text(m, service);
	text(m, regexp);
	name(m, to);
}

static enum err decode(const struct maker *m, const char *asked, enum dns_type type,
		       struct dns_answer *out)
{
	struct dns_name n;
	assert_int_equal(dns_name_init(&n, str_from(asked)), OK);
	return dns_answer_decode(m->p, m->len, &n, type, out);
}

static void names_are_checked(void **state)
{
	(void)state;
	char long_label[70], long_name[300];
	memset(long_label, 'a', sizeof(long_label));
	for (size_t i = 0; i < sizeof(long_name); i++)
		long_name[i] = i % 10 == 9 ? '.' : 'a';
	const struct {
		const char *name;
		struct str in;
		enum err want;
		const char *text;
	} rows[] = {
		{"a plain name", STR("example.net"), OK, "example.net"},
		{"capitals become small, the last dot goes", STR("EXample.Net."), OK,
		 "example.net"},
		{"service labels", STR("_sips._tcp.example.net"), OK, "_sips._tcp.example.net"},
		{"empty", STR(""), ERR_BAD, NULL},
		{"a dot alone", STR("."), ERR_BAD, NULL},
		{"an empty label", STR("a..b"), ERR_BAD, NULL},
		{"a dot in front", STR(".a"), ERR_BAD, NULL},
		{"a space", STR("a b.net"), ERR_BAD, NULL},
		{"a NUL", STR("a\0b.net"), ERR_BAD, NULL},
		{"63 characters in a label", {long_label, 63}, OK, NULL},
		{"64 characters in a label", {long_label, 64}, ERR_BAD, NULL},
		{"253 characters", {long_name, 253}, OK, NULL},
		{"254 characters", {long_name, 254}, ERR_BAD, NULL},
	};
	CHECK_TABLE(row, rows)
	{
		struct dns_name n;
		EXPECT_ERR(dns_name_init(&n, row->in), row->want);
		if (row->text)
			EXPECT_Z(dns_name_view(&n), row->text);
	}
	struct dns_name n;
	EXPECT_ERR(dns_name_join(&n, STR("_sip._udp."), STR("example.net")), OK);
	EXPECT_Z(dns_name_view(&n), "_sip._udp.example.net");
	EXPECT_ERR(dns_name_join(&n, STR("_sip._udp."), (struct str){long_name, 253}), ERR_LIMIT);
}

static void addresses_and_their_ttl(void **state)
{
	(void)state;
	struct maker m;
	struct dns_answer a;
	begin(&m, "Example.Net", DNS_A, 0x8180, 2, 0);
	a_record(&m, "example.net", 300, 0xc0000201);
	a_record(&m, "example.net", 60, 0xc0000202);
	EXPECT_ERR(decode(&m, "example.net", DNS_A, &a), OK);
	EXPECT_INT(a.count, 2);
	EXPECT_INT(a.ttl_s, 60);
	EXPECT_INT(a.records[1].addr.ip[3], 2);
	EXPECT_INT(a.records[1].addr.family, ADDR_IP4);
}

static void cnames_are_followed(void **state)
{
	(void)state;
	struct maker m;
	struct dns_answer a;
	begin(&m, "www.example.net", DNS_A, 0x8180, 4, 0);
	a_record(&m, "host.example.org", 300, 0xc0000207);
	cname(&m, "www.example.net", 20, "alias.example.org");
	cname(&m, "alias.example.org", 200, "host.example.org");
	a_record(&m, "evil.example.org", 300, 0xc0000266);
	EXPECT_ERR(decode(&m, "www.example.net", DNS_A, &a), OK);
	EXPECT_INT(a.count, 1);
	EXPECT_INT(a.records[0].addr.ip[3], 7);
	EXPECT_INT(a.ttl_s, 20);
	/* In a circle: an end, and no records. */
	begin(&m, "a.net", DNS_A, 0x8180, 2, 0);
	cname(&m, "a.net", 20, "b.net");
	cname(&m, "b.net", 20, "a.net");
	EXPECT_ERR(decode(&m, "a.net", DNS_A, &a), OK);
	EXPECT_INT(a.count, 0);
}

static void srv_and_naptr(void **state)
{
	(void)state;
	struct maker m;
	struct dns_answer a;
	begin(&m, "_sip._tcp.a.net", DNS_SRV, 0x8180, 3, 0);
	srv(&m, "_sip._tcp.a.net", 10, 5, 5061, "Gw.a.net");
	srv(&m, "_sip._tcp.a.net", 20, 0, 5060, "");
	srv(&m, "_sip._udp.a.net", 20, 0, 5060, "other.a.net");
	EXPECT_ERR(decode(&m, "_sip._tcp.a.net", DNS_SRV, &a), OK);
	EXPECT_INT(a.count, 2);
	EXPECT_INT(a.records[0].srv.port, 5061);
	EXPECT_Z(dns_name_view(&a.records[0].srv.target), "gw.a.net");
	EXPECT_INT(a.records[1].srv.target.len, 0);

	begin(&m, "a.net", DNS_NAPTR, 0x8180, 3, 0);
	naptr(&m, "a.net", "S", "SIPS+D2T", "", "_sips._tcp.a.net");
	naptr(&m, "a.net", "u", "E2U+sip", "!^.*$!sip:x@a.net!", "x.a.net");
	naptr(&m, "a.net", "s", "a-service-that-is-too-long", "", "_x._tcp.a.net");
	EXPECT_ERR(decode(&m, "a.net", DNS_NAPTR, &a), OK);
	EXPECT_INT(a.count, 2);
	EXPECT_INT(a.records[0].naptr.flag, 's');
	EXPECT_INT(a.records[0].naptr.service_len, 8);
	EXPECT_BYTES(a.records[0].naptr.service, "sips+d2t", 8);
	EXPECT_TRUE(!a.records[0].naptr.has_regexp);
	EXPECT_TRUE(a.records[1].naptr.has_regexp);
}

static void refused_and_negative(void **state)
{
	(void)state;
	const struct {
		const char *name;
		unsigned flags;
		const char *asked;
		enum dns_type type;
		enum err want;
	} rows[] = {
		{"no such name", 0x8183, "a.net", DNS_A, OK},
		{"the server failed", 0x8182, "a.net", DNS_A, ERR_IO},
		{"the server refused", 0x8185, "a.net", DNS_A, ERR_IO},
		{"not an answer", 0x0100, "a.net", DNS_A, ERR_BAD},
		{"an answer to another name", 0x8180, "b.net", DNS_A, ERR_BAD},
		{"an answer to another type", 0x8180, "a.net", DNS_AAAA, ERR_BAD},
	};
	CHECK_TABLE(row, rows)
	{
		struct maker m;
		struct dns_answer a = {.count = 99};
		begin(&m, "a.net", DNS_A, row->flags, 0, 0);
		EXPECT_ERR(decode(&m, row->asked, row->type, &a), row->want);
		EXPECT_INT(a.count, row->want ? 99 : 0);
		if (!row->want)
			EXPECT_INT(a.ttl_s, DNS_NEGATIVE_TTL_S);
	}
	/* The SOA says how long "none" may be believed. */
	struct maker m;
	struct dns_answer a;
	begin(&m, "x.a.net", DNS_A, 0x8183, 0, 1);
	rr(&m, "a.net", DNS_SOA, 900, 22);
	name(&m, "");
	name(&m, "");
	for (unsigned i = 0; i < 4; i++)
		u32(&m, 7);
	u32(&m, 45);
	EXPECT_ERR(decode(&m, "x.a.net", DNS_A, &a), OK);
	EXPECT_INT(a.ttl_s, 45);
}

static void hostile_names(void **state)
{
	(void)state;
	struct maker m;
	struct dns_answer a;
	/* A pointer to itself, and one forwards. */
	for (unsigned to = 0; to < 2; to++) {
		begin(&m, "a.net", DNS_A, 0x8180, 1, 0);
		u16(&m, 0xc000 | (unsigned)(m.len + 4 * to));
		u16(&m, DNS_A);
		u16(&m, 1);
		u32(&m, 60);
		u16(&m, 4);
		u32(&m, 1);
		EXPECT_ERR(decode(&m, "a.net", DNS_A, &a), ERR_BAD);
	}
	/* A TTL with the top bit is 0; an address of three bytes is left out; another class too. */
	begin(&m, "a.net", DNS_A, 0x8180, 3, 0);
	a_record(&m, "a.net", 0x80000000u, 0x01020304);
	rr(&m, "a.net", DNS_A, 60, 3);
	u8(&m, 1);
	u16(&m, 2);
	name(&m, "a.net");
	u16(&m, DNS_A);
	u16(&m, 3);
	u32(&m, 60);
	u16(&m, 4);
	u32(&m, 9);
	EXPECT_ERR(decode(&m, "a.net", DNS_A, &a), OK);
	EXPECT_INT(a.count, 1);
	EXPECT_INT(a.ttl_s, 0);
}

static void more_records_than_we_keep(void **state)
{
	(void)state;
	static struct maker m;
	static struct dns_answer a;
	begin(&m, "a.net", DNS_A, 0x8180, 100, 0);
	for (uint32_t i = 0; i < 100; i++)
		a_record(&m, "a.net", 60, i);
	EXPECT_ERR(decode(&m, "a.net", DNS_A, &a), OK);
	EXPECT_INT(a.count, DNS_RECORDS_MAX);
}

static void every_prefix_is_bad(void **state)
{
	(void)state;
	struct maker m;
	struct dns_answer a;
	struct guard g;
	struct dns_name n;
	guard_init(&g, sizeof(m.p));
	assert_int_equal(dns_name_init(&n, STR("a.net")), OK);
	begin(&m, "a.net", DNS_NAPTR, 0x8180, 2, 0);
	naptr(&m, "a.net", "S", "SIPS+D2T", "", "_sips._tcp.a.net");
	naptr(&m, "a.net", "s", "SIP+D2U", "", "_sip._udp.a.net");
	for (size_t len = 0; len < m.len; len++) {
		struct str cut = guard_put(&g, (struct str){(const char *)m.p, len});
		EXPECT_ERR(dns_answer_decode(cut.p, cut.len, &n, DNS_NAPTR, &a), ERR_BAD);
	}
	/* And no single changed byte reads beyond the end. */
	for (size_t at = 0; at < m.len; at++) {
		for (unsigned v = 0; v < 256; v += 15) {
			uint8_t was = m.p[at];
			m.p[at] = (uint8_t)v;
			struct str changed = guard_put(&g, (struct str){(const char *)m.p, m.len});
			enum err e = dns_answer_decode(changed.p, changed.len, &n, DNS_NAPTR, &a);
			EXPECT_TRUE(e == OK || e == ERR_BAD || e == ERR_IO);
			m.p[at] = was;
		}
	}
	guard_release(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(addresses_and_their_ttl),
		cmocka_unit_test(cnames_are_followed),
		cmocka_unit_test(srv_and_naptr),
		cmocka_unit_test(refused_and_negative),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(more_records_than_we_keep),
		cmocka_unit_test(every_prefix_is_bad),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
