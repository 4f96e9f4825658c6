#include "common/buf.h"
#include "sbc/shell/tls_names.h"
#include "tests/support/cert.h"
#include "tests/support/check.h"

static void who_a_certificate_is_for(void **state)
{
	(void)state;
	const struct {
		const char *name;
		const char *cn;
		const char *san;
		const char *want; /* names, with spaces between */
	} rows[] = {
		{"one sip URI", "other.net", "URI:sip:example.net", "example.net"},
		{"a DNS name", "other.net", "DNS:Example.NET", "example.net"},
		{"a sip URI puts DNS names aside", NULL, "DNS:a.net,URI:sip:b.net,DNS:c.net",
		 "b.net"},
		{"several sip URIs", NULL, "URI:sip:a.net,URI:sip:b.net", "a.net b.net"},
		{"a URI with a user is a person, not a domain", NULL, "URI:sip:bob@a.net,DNS:c.net",
		 "c.net"},
		{"other schemes are not looked at", NULL,
		 "URI:https://a.net/,URI:sips:b.net,DNS:c.net", "c.net"},
		{"a URI with a port and parameters", NULL, "URI:sip:A.net:5061;transport=tls",
		 "a.net"},
		{"a URI with an IPv6 address", NULL, "URI:sip:[2001:db8::1]:5061", "[2001:db8::1]"},
		{"no extension: the common name", "Example.net", NULL, "example.net"},
		{"an extension without our kinds: not the common name", "example.net",
		 "email:bob@example.net", ""},
		{"an address alone: not the common name", "example.net", "IP:192.0.2.1", ""},
		{"a wildcard is no name", NULL, "DNS:*.example.net", ""},
		{"a common name that is no host", "Example Inc.", NULL, ""},
		{"a dot at the end goes", NULL, "DNS:example.net.", "example.net"},
		{"twice the same counts once", NULL, "DNS:a.net,DNS:A.NET", "a.net"},
		{"more than there is room for are left out", NULL,
		 "DNS:a1,DNS:a2,DNS:a3,DNS:a4,DNS:a5,DNS:a6,DNS:a7,DNS:a8,DNS:a9",
		 "a1 a2 a3 a4 a5 a6 a7 a8"},
	};
	CHECK_TABLE(row, rows)
	{
		struct cert c;
		struct tls_names n;
		char mem[512];
		struct buf b;
		cert_init(&c, &(struct cert_params){.cn = row->cn, .san = row->san});
		tls_names_init(&n, c.x509);
		buf_init(&b, mem, sizeof(mem));
		for (size_t i = 0; i < n.count; i++) {
			if (i > 0)
				buf_char(&b, ' ');
			buf_str(&b, n.names[i]);
		}
		EXPECT_Z(buf_view(&b), row->want);
		cert_release(&c);
	}
}

static void is_it_for_this_host(void **state)
{
	(void)state;
	const struct {
		const char *name;
		const char *cn;
		const char *san;
		struct str host;
		bool want;
	} rows[] = {
		{"the very name", NULL, "DNS:a.net", STR("a.net"), true},
		{"letters without case", NULL, "DNS:a.net", STR("A.NET"), true},
		{"a name above it", NULL, "DNS:sip.a.net", STR("a.net"), false},
		{"a name below it", NULL, "DNS:a.net", STR("sip.a.net"), false},
		{"a wildcard", NULL, "DNS:*.a.net", STR("sip.a.net"), false},
		{"the common name beside an extension", "a.net", "DNS:b.net", STR("a.net"), false},
		{"the common name alone", "a.net", NULL, STR("a.net"), true},
		{"an address among the names", NULL, "IP:192.0.2.1", STR("192.0.2.1"), true},
		{"another address", NULL, "IP:192.0.2.1", STR("192.0.2.2"), false},
		{"an IPv6 address", NULL, "IP:2001:db8::1", STR("[2001:db8::1]"), true},
		{"an address as a common name", "192.0.2.1", NULL, STR("192.0.2.1"), true},
		{"nothing asked for", NULL, "DNS:a.net", STR(""), false},
	};
	CHECK_TABLE(row, rows)
	{
		struct cert c;
		cert_init(&c, &(struct cert_params){.cn = row->cn, .san = row->san});
		EXPECT_INT(tls_names_is_for(c.x509, row->host), row->want);
		cert_release(&c);
	}
}

static void which_usage_will_do(void **state)
{
	(void)state;
	const struct {
		const char *name;
		const char *usage;
		bool want;
	} rows[] = {
		{"none named", NULL, true},
		{"server", "serverAuth", true},
		{"client", "clientAuth", true},
		{"SIP domain (RFC 5924)", "1.3.6.1.5.5.7.3.20", true},
		{"any", "anyExtendedKeyUsage", true},
		{"mail and server", "emailProtection,serverAuth", true},
		{"mail", "emailProtection", false},
		{"code", "codeSigning", false},
	};
	CHECK_TABLE(row, rows)
	{
		struct cert c;
		cert_init(&c, &(struct cert_params){.cn = "a.net", .usage = row->usage});
		EXPECT_INT(tls_names_usage_ok(c.x509), row->want);
		cert_release(&c);
	}
}

static void which_certificate_by_sni(void **state)
{
	(void)state;
	const struct {
		const char *name;
		const char *san;
		struct str host;
		bool want;
	} rows[] = {
		{"the very name", "DNS:a.net,DNS:b.net", STR("B.net"), true},
		{"a DNS name beside a sip URI", "URI:sip:a.net,DNS:sbc.a.net", STR("sbc.a.net"),
		 true},
		{"a wildcard covers one label", "DNS:*.a.net", STR("sbc.a.net"), true},
		{"but not two", "DNS:*.a.net", STR("x.sbc.a.net"), false},
		{"and not none", "DNS:*.a.net", STR("a.net"), false},
		{"another name", "DNS:a.net", STR("b.net"), false},
	};
	CHECK_TABLE(row, rows)
	{
		struct cert c;
		cert_init(&c, &(struct cert_params){.san = row->san});
		EXPECT_INT(tls_names_serves(c.x509, row->host), row->want);
		cert_release(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_a_certificate_is_for),
		cmocka_unit_test(is_it_for_this_host),
		cmocka_unit_test(which_usage_will_do),
		cmocka_unit_test(which_certificate_by_sni),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
