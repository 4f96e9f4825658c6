#include "common/buf.h"
#include "sbc/shell/locate.h"
#include "tests/support/check.h"

/*
 * The DNS of these tests: a line is "name TYPE value", several lines make one answer; a line
 * "name TYPE none" is an answer without records. What no line names is not known yet.
 */
static const char *zone;
static struct dns_answer answers[16];
static size_t answer_count;

static enum dns_type type_of(struct str s)
{
	return str_eq(s, STR("A"))      ? DNS_A
	       : str_eq(s, STR("AAAA")) ? DNS_AAAA
	       : str_eq(s, STR("SRV"))  ? DNS_SRV
					: DNS_NAPTR;
}

static uint16_t number(struct str *rest)
{
	struct str w;
	uint16_t v = 0;
	assert_true(str_cut_word(rest, &w));
	assert_int_equal(str_to_u16(w, 65535, &v), OK);
	return v;
}

static void add(struct dns_answer *a, enum dns_type type, struct str rest)
{
	struct dns_record *r = &a->records[a->count];
	struct str w;
	*r = (struct dns_record){0};
	if (str_eq(str_trim(rest), STR("none")))
		return;
	a->count++;
	if (type == DNS_A || type == DNS_AAAA) {
		assert_int_equal(addr_parse_ip(str_trim(rest), &r->addr), OK);
	} else if (type == DNS_SRV) {
		r->srv.priority = number(&rest);
		r->srv.weight = number(&rest);
		r->srv.port = number(&rest);
		if (str_cut_word(&rest, &w) && !str_eq(w, STR(".")))
			assert_int_equal(dns_name_init(&r->srv.target, w), OK);
	} else {
		r->naptr.order = number(&rest);
		r->naptr.preference = number(&rest);
		assert_true(str_cut_word(&rest, &w));
		r->naptr.flag = w.p[0];
		assert_true(str_cut_word(&rest, &w));
		r->naptr.service_len = (uint8_t)w.len;
		memcpy(r->naptr.service, w.p, w.len);
		assert_true(str_cut_word(&rest, &w));
		assert_int_equal(dns_name_init(&r->naptr.replacement, w), OK);
	}
}

static const struct dns_answer *find(void *ctx, const struct dns_name *name, enum dns_type type)
{
	struct str rest = str_from(zone), line, owner, kind;
	struct dns_answer *a = NULL;
	(void)ctx;
	while (rest.len > 0 && str_cut(&rest, '\n', &line)) {
		if (!str_cut_word(&line, &owner) || !str_cut_word(&line, &kind) ||
		    !str_eq(owner, dns_name_view(name)) || type_of(kind) != type)
			continue;
		if (!a) {
			assert_true(answer_count < ARRAY_LEN(answers));
			a = &answers[answer_count++];
			a->count = 0;
		}
		add(a, type, line);
	}
	return a;
}

/* "needs: NAME TYPE, …" or "TRANSPORT ADDRESS:PORT, …". */
static struct str run(char *mem, size_t cap, const struct resolve_query *q, uint64_t random)
{
	struct locate_params p = {.query = q, .find = find, .random = random};
	struct locate_result r;
	struct buf b;
	buf_init(&b, mem, cap);
	answer_count = 0;
	locate(&p, &r);
	for (size_t i = 0; i < r.need_count; i++) {
		buf_z(&b, i == 0 ? "needs: " : ", ");
		buf_str(&b, dns_name_view(&r.needs[i].name));
		buf_z(&b, r.needs[i].type == DNS_A      ? " A"
			  : r.needs[i].type == DNS_AAAA ? " AAAA"
			  : r.needs[i].type == DNS_SRV  ? " SRV"
							: " NAPTR");
	}
	for (size_t i = 0; r.need_count == 0 && i < r.count; i++) {
		if (i > 0)
			buf_lit(&b, ", ");
		buf_str(&b, transport_name(r.candidates[i].transport));
		buf_char(&b, ' ');
		addr_write(&b, &r.candidates[i].addr);
	}
	return buf_view(&b);
}

enum { GIVEN = 1, SECURE = 2, V6 = 4 };

static void where_to_send(void **state)
{
	(void)state;
	const struct {
		const char *name;
		unsigned flags;
		enum transport transport;
		uint16_t port;
		const char *zone;
		const char *want;
	} rows[] = {
		{"with a port: the address and nothing else is asked", 0, 0, 5070, "",
		 "needs: a.net A"},
		{"with a port: UDP", 0, 0, 5070, "a.net A 192.0.2.1", "UDP 192.0.2.1:5070"},
		{"sips with a port: TLS", SECURE, 0, 5071, "a.net A 192.0.2.1",
		 "TLS 192.0.2.1:5071"},
		{"port and transport", GIVEN, TRANSPORT_TCP, 5070, "a.net A 192.0.2.1",
		 "TCP 192.0.2.1:5070"},
		{"both families, IPv6 first", V6, 0, 5070,
		 "a.net A 192.0.2.1\na.net AAAA 2001:db8::1",
		 "UDP [2001:db8::1]:5070, UDP 192.0.2.1:5070"},
		{"one family is there, the other is not", V6, 0, 5070,
		 "a.net A 192.0.2.1\na.net AAAA none", "UDP 192.0.2.1:5070"},
		{"nothing given: NAPTR first", 0, 0, 0, "", "needs: a.net NAPTR"},
		{"a transport given: SRV first", GIVEN, TRANSPORT_TLS, 0, "",
		 "needs: _sips._tcp.a.net SRV"},
		{"no NAPTR: SRV of UDP and TCP", 0, 0, 0, "a.net NAPTR none",
		 "needs: _sip._udp.a.net SRV, _sip._tcp.a.net SRV"},
		{"sips, no NAPTR: SRV of TLS alone", SECURE, 0, 0, "a.net NAPTR none",
		 "needs: _sips._tcp.a.net SRV"},
		{"NAPTR decides, by order", 0, 0, 0,
		 "a.net NAPTR 20 1 s sip+d2u _sip._udp.a.net\n"
		 "a.net NAPTR 10 1 s sips+d2t _sips._tcp.a.net\n"
		 "_sip._udp.a.net SRV 0 0 5060 u.a.net\n_sips._tcp.a.net SRV 0 0 5061 t.a.net\n"
		 "u.a.net A 192.0.2.1\nt.a.net A 192.0.2.2",
		 "TLS 192.0.2.2:5061, UDP 192.0.2.1:5060"},
		{"NAPTR decides, then by preference", 0, 0, 0,
		 "a.net NAPTR 10 2 s sip+d2u _sip._udp.a.net\n"
		 "a.net NAPTR 10 1 s sip+d2t _sip._tcp.a.net\n"
		 "_sip._udp.a.net SRV 0 0 5060 u.a.net\n_sip._tcp.a.net SRV 0 0 5060 t.a.net\n"
		 "u.a.net A 192.0.2.1\nt.a.net A 192.0.2.2",
		 "TCP 192.0.2.2:5060, UDP 192.0.2.1:5060"},
		{"sips takes of NAPTR only what is TLS", SECURE, 0, 0,
		 "a.net NAPTR 10 1 s sip+d2u _sip._udp.a.net\n"
		 "a.net NAPTR 20 1 s sips+d2t _sips._tcp.a.net\n"
		 "_sips._tcp.a.net SRV 0 0 5061 t.a.net\nt.a.net A 192.0.2.2",
		 "TLS 192.0.2.2:5061"},
		{"NAPTR of other services counts as none", 0, 0, 0,
		 "a.net NAPTR 10 1 u e2u+sip x.a.net",
		 "needs: _sip._udp.a.net SRV, _sip._tcp.a.net SRV"},
		{"no NAPTR and no SRV: the address, port 5060", 0, 0, 0,
		 "a.net NAPTR none\n_sip._udp.a.net SRV none\n_sip._tcp.a.net SRV none\n"
		 "a.net A 192.0.2.9",
		 "UDP 192.0.2.9:5060"},
		{"sips: the address, port 5061", SECURE, 0, 0,
		 "a.net NAPTR none\n_sips._tcp.a.net SRV none\na.net A 192.0.2.9",
		 "TLS 192.0.2.9:5061"},
		{"transport=tls, no SRV: the address, port 5061", GIVEN, TRANSPORT_TLS, 0,
		 "_sips._tcp.a.net SRV none\na.net A 192.0.2.9", "TLS 192.0.2.9:5061"},
		{"SRV says: no such service here", GIVEN, TRANSPORT_TCP, 0,
		 "_sip._tcp.a.net SRV 0 0 0 .", ""},
		{"SRV priorities in order", GIVEN, TRANSPORT_TCP, 0,
		 "_sip._tcp.a.net SRV 20 0 5062 b.a.net\n_sip._tcp.a.net SRV 10 0 5061 c.a.net\n"
		 "b.a.net A 192.0.2.2\nc.a.net A 192.0.2.3",
		 "TCP 192.0.2.3:5061, TCP 192.0.2.2:5062"},
		{"all targets of SRV are asked at once", GIVEN, TRANSPORT_TCP, 0,
		 "_sip._tcp.a.net SRV 20 0 5062 b.a.net\n_sip._tcp.a.net SRV 10 0 5061 c.a.net",
		 "needs: c.a.net A, b.a.net A"},
		{"sips over UDP cannot be", SECURE | GIVEN, TRANSPORT_UDP, 0, "", ""},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[1024];
		struct resolve_query q = {.host = STR("A.net"),
					  .port = row->port,
					  .transport_given = row->flags & GIVEN,
					  .transport = row->transport,
					  .secure = row->flags & SECURE,
					  .ip4 = true,
					  .ip6 = row->flags & V6};
		zone = row->zone;
		EXPECT_Z(run(mem, sizeof(mem), &q, 1), row->want);
	}
}

static void a_host_that_is_no_name(void **state)
{
	(void)state;
	char mem[64];
	struct resolve_query q = {.host = STR("bad name"), .port = 5060, .ip4 = true};
	zone = "";
	EXPECT_Z(run(mem, sizeof(mem), &q, 1), "");
}

static void no_more_candidates_than_there_is_room(void **state)
{
	(void)state;
	static char text[8192];
	char mem[2048];
	struct buf b;
	buf_init(&b, text, sizeof(text));
	for (unsigned i = 0; i < 30; i++)
		buf_printf(&b, "a.net A 192.0.2.%u\n", i);
	buf_char(&b, '\0');
	struct resolve_query q = {.host = STR("a.net"), .port = 5060, .ip4 = true};
	struct locate_params p = {.query = &q, .find = find};
	struct locate_result r;
	zone = text;
	answer_count = 0;
	locate(&p, &r);
	EXPECT_INT(r.count, CANDIDATES_MAX);
	/* A thousand targets cost as many questions as can become candidates. */
	buf_reset(&b);
	for (unsigned i = 0; i < 30; i++)
		buf_printf(&b, "_sip._udp.a.net SRV 0 1 5060 t%u.a.net\n", i);
	buf_z(&b, "_sip._tcp.a.net SRV none\na.net NAPTR none");
	buf_char(&b, '\0');
	q.port = 0;
	answer_count = 0;
	locate(&p, &r);
	EXPECT_INT(r.need_count, CANDIDATES_MAX);
	(void)mem;
}

/* RFC 2782: within a priority the share of first places is that of the weights. */
static void weights_share_the_load(void **state)
{
	(void)state;
	enum { ROUNDS = 20000 };
	const uint16_t weights[4] = {0, 10, 30, 60};
	unsigned first[4] = {0};
	uint64_t random = 88172645463325252u;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct dns_srv s[5];
		random = random * 6364136223846793005u + 1442695040888963407u;
		for (uint16_t k = 0; k < 4; k++)
			s[k] = (struct dns_srv){.priority = 1, .weight = weights[k], .port = k};
		s[4] = (struct dns_srv){.priority = 0, .weight = 1, .port = 9};
		locate_order_srv(s, 5, random);
		EXPECT_INT(s[0].port, 9);
		first[s[1].port]++;
		unsigned seen = 0;
		for (unsigned k = 1; k < 5; k++)
			seen |= 1u << s[k].port;
		EXPECT_INT(seen, 15);
	}
	for (unsigned k = 0; k < 4; k++) {
		double share = first[k] * 100.0 / ROUNDS;
		EXPECT_TRUE(share > weights[k] - 2.0 && share < weights[k] + 2.0);
	}
	EXPECT_TRUE(first[0] > 0); /* weight 0: seldom, but not never */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_to_send),
		cmocka_unit_test(a_host_that_is_no_name),
		cmocka_unit_test(no_more_candidates_than_there_is_room),
		cmocka_unit_test(weights_share_the_load),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
