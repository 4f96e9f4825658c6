#include "sbc/core/credential.h"

#include "common/buf.h"

#include "tests/support/check.h"
#include "tests/support/guard.h"

static struct guard guard;

static enum err read_hex(const char *hex, struct credential_list *out)
{
	uint8_t der[512];
	struct str h = str_from(hex);

	CHECK(h.len / 2 <= sizeof(der));
	EXPECT_ERR(str_to_hex(h, der, h.len / 2), OK);
	struct str in = guard_put(&guard, (struct str){(const char *)der, h.len / 2});
	return credential_read_list((const uint8_t *)in.p, in.len, out);
}

#define SPC "a006160431323334" /* "1234" */
#define ONE                                                                                        \
	"a2071605"                                                                                 \
	"3132333435" /* 12345 */
#define STAR                                                                                       \
	"a2051603"                                                                                 \
	"2a3639" /* *69 */
#define RANGE                                                                                      \
	"a10c300a1605"                                                                             \
	"3439313030"                                                                               \
	"020164" /* 49100, 100 of them */

static void a_list_is_read_as_rfc_8226_writes_it(void **state)
{
	(void)state;
	static const struct {
		const char *name, *der;
		enum err want;
		size_t count;
		bool spc;
	} rows[] = {
		{"a provider", "3008" SPC, OK, 0, true},
		{"one number", "3009" ONE, OK, 1, false},
		{"a range", "300e" RANGE, OK, 1, false},
		{"all of them", "3026" SPC ONE STAR RANGE, OK, 3, true},
		{"nothing", "", ERR_BAD, 0, false},
		{"an empty list", "3000", ERR_BAD, 0, false},
		{"no list", "0400", ERR_BAD, 0, false},
		{"cut short",
		 "3009"
		 "a20716053132",
		 ERR_BAD, 0, false},
		{"rubbish behind", "3009" ONE "00", ERR_BAD, 0, false},
		{"an unknown choice",
		 "3004"
		 "a3021600",
		 ERR_BAD, 0, false},
		{"a number of no digits",
		 "3004"
		 "a2021600",
		 ERR_BAD, 0, false},
		{"a number of letters",
		 "3005"
		 "a203160141",
		 ERR_BAD, 0, false},
		{"a number of 16 digits",
		 "3014"
		 "a212161031323334353637383930313233343536",
		 ERR_BAD, 0, false},
		{"a range of one",
		 "300e"
		 "a10c300a1605"
		 "3439313030"
		 "020101",
		 ERR_BAD, 0, false},
		{"a range below zero",
		 "300e"
		 "a10c300a1605"
		 "3439313030"
		 "020181",
		 ERR_BAD, 0, false},
		{"a range of *",
		 "300a"
		 "a10830061601"
		 "2a"
		 "020164",
		 ERR_BAD, 0, false},
		{"a length that is not the shortest", "308109" ONE, ERR_BAD, 0, false},
		{"a length of no end", "3080" ONE "0000", ERR_BAD, 0, false},
	};

	CHECK_TABLE(row, rows)
	{
		struct credential_list l = {.count = 77};
		EXPECT_ERR(read_hex(row->der, &l), row->want);
		EXPECT_INT(l.count, row->want == OK ? row->count : 77);
		if (row->want == OK)
			EXPECT_TRUE(l.given && l.spc == row->spc);
	}
}

static void a_certificate_speaks_for_what_its_list_names(void **state)
{
	(void)state;
	static const struct {
		const char *name, *der, *tn;
		bool want;
	} rows[] = {
		{"the number", "3009" ONE, "12345", true},
		{"another", "3009" ONE, "12346", false},
		{"a service number", "3007" STAR, "*69", true},
		{"the same digits without the star", "3007" STAR, "069", false},
		{"the first of a range", "300e" RANGE, "49100", true},
		{"the last of a range", "300e" RANGE, "49199", true},
		{"behind it", "300e" RANGE, "49200", false},
		{"before it", "300e" RANGE, "49099", false},
		{"the same value with more digits", "300e" RANGE, "049100", false},
		{"whatever the provider has", "3008" SPC, "1", true},
		{"nothing", "3009" ONE, "", false},
	};

	CHECK_TABLE(row, rows)
	{
		struct credential_list l;
		EXPECT_ERR(read_hex(row->der, &l), OK);
		EXPECT_TRUE(credential_covers(&l, str_from(row->tn)) == row->want);
	}
	struct credential_list none = {.given = false};
	EXPECT_TRUE(credential_covers(&none, STR("1")));
}

static void who_has_a_list_gives_no_more_than_is_on_it(void **state)
{
	(void)state;
#define WIDE "300fa10d300b160534393130300202"
	static const struct {
		const char *name, *above, *below;
		bool want;
	} rows[] = {
		{"nobody has said what", NULL, "3009" ONE, true},
		{"a provider", "3008" SPC, "3009" ONE, true},
		{"a provider by a provider", "3008" SPC, "3008" SPC, true},
		{"a provider by who has a number", "3009" ONE, "3008" SPC, false},
		{"all by who has a number", "3009" ONE, NULL, false},
		{"the same number", "3009" ONE, "3009" ONE, true},
		{"a number that is on it not", "3007" STAR, "3009" ONE, false},
		{"a service number", "3007" STAR, "3007" STAR, true},
		{"the same range", "300e" RANGE, "300e" RANGE, true},
		{"of a longer one", WIDE "03e8", "300e" RANGE, true},
		{"a longer one", "300e" RANGE, WIDE "03e8", false},
		{"one of two is not on it", "300e" RANGE, "3017" ONE RANGE, false},
	};

	CHECK_TABLE(row, rows)
	{
		struct credential_list above = {.given = false}, below = {.given = false};
		EXPECT_ERR(row->above ? read_hex(row->above, &above) : OK, OK);
		EXPECT_ERR(row->below ? read_hex(row->below, &below) : OK, OK);
		EXPECT_TRUE(credential_encompasses(&above, &below) == row->want);
	}
	/* Where a range ends, and where its arithmetic could. */
	struct credential_list above = {.given = true, .count = 1},
			       below = {.given = true, .count = 1};
	above.numbers[0] = (struct credential_numbers){.first = 100, .count = 10, .digits = 3};
	below.numbers[0] = (struct credential_numbers){.first = 109, .count = 1, .digits = 3};
	EXPECT_TRUE(credential_encompasses(&above, &below));
	below.numbers[0].count = 2;
	EXPECT_TRUE(!credential_encompasses(&above, &below));
	below.numbers[0] = (struct credential_numbers){.first = 99, .count = 2, .digits = 3};
	EXPECT_TRUE(!credential_encompasses(&above, &below));
	below.numbers[0] =
		(struct credential_numbers){.first = 101, .count = INT64_MAX, .digits = 3};
	EXPECT_TRUE(!credential_encompasses(&above, &below));
}

static void a_list_of_more_than_we_look_at_is_a_limit(void **state)
{
	(void)state;
	char der[8 + 65 * 18];
	struct buf b;
	struct credential_list l;

	buf_init(&b, der, sizeof(der));
	buf_lit(&b, "3082"
		    "0249"); /* 65 of 9 octets */
	for (int i = 0; i < 65; i++)
		buf_lit(&b, ONE);
	EXPECT_TRUE(!b.overflow);
	uint8_t raw[700];
	EXPECT_ERR(str_to_hex(buf_view(&b), raw, b.len / 2), OK);
	EXPECT_ERR(credential_read_list(raw, b.len / 2, &l), ERR_LIMIT);
}

static void an_address_is_https_and_nothing_else(void **state)
{
	(void)state;
	static const struct {
		const char *name, *url, *host; /* NULL: broken */
		uint16_t port;
		const char *path;
	} rows[] = {
		{"a name", "https://cert.example.net/sp.pem", "cert.example.net", 443, "/sp.pem"},
		{"a port", "HTTPS://cert.example.net:8443/a?b=c", "cert.example.net", 8443,
		 "/a?b=c"},
		{"no path", "https://cert.example.net", "cert.example.net", 443, ""},
		{"IPv4", "https://192.0.2.1:444/x", "192.0.2.1", 444, "/x"},
		{"IPv6", "https://[2001:db8::1]:444/x", "2001:db8::1", 444, "/x"},
		{"IPv6 without a port", "https://[2001:db8::1]/x", "2001:db8::1", 443, "/x"},
		{"http", "http://cert.example.net/", NULL, 0, NULL},
		{"a file", "file:///etc/passwd", NULL, 0, NULL},
		{"a user", "https://a@cert.example.net/", NULL, 0, NULL},
		{"a host behind a user", "https://good.example@evil.example/", NULL, 0, NULL},
		{"a fragment", "https://cert.example.net/a#b", NULL, 0, NULL},
		{"a space", "https://cert.example.net/a b", NULL, 0, NULL},
		{"a line end", "https://cert.example.net/a\r\nHost: x", NULL, 0, NULL},
		{"a backslash", "https://cert.example.net\\@evil/", NULL, 0, NULL},
		{"an octet above 127", "https://cert.example.net/\xc3\xbc", NULL, 0, NULL},
		{"a query without a path", "https://cert.example.net?x", NULL, 0, NULL},
		{"no host", "https:///x", NULL, 0, NULL},
		{"port 0", "https://cert.example.net:0/", NULL, 0, NULL},
		{"port 65536", "https://cert.example.net:65536/", NULL, 0, NULL},
		{"an empty port", "https://cert.example.net:/", NULL, 0, NULL},
		{"nothing", "", NULL, 0, NULL},
	};

	CHECK_TABLE(row, rows)
	{
		struct credential_url u;
		EXPECT_ERR(credential_read_url(guard_put(&guard, str_from(row->url)), &u),
			   row->host ? OK : ERR_BAD);
		if (!row->host)
			continue;
		EXPECT_Z(u.host, row->host);
		EXPECT_INT(u.port, row->port);
		EXPECT_Z(u.path, row->path);
	}
}

static void only_hosts_that_are_named_are_asked(void **state)
{
	(void)state;
	static const struct {
		const char *name, *host, *url;
		bool want;
	} rows[] = {
		{"the same", "cert.example.net", "https://CERT.example.net/x", true},
		{"port 8443", "cert.example.net", "https://cert.example.net:8443/x", true},
		{"another port", "cert.example.net", "https://cert.example.net:22/x", false},
		{"a port that is named", "cert.example.net:22", "https://cert.example.net:22/x",
		 true},
		{"not that one", "cert.example.net:22", "https://cert.example.net/x", false},
		{"another name", "cert.example.net", "https://evil.example.net/x", false},
		{"below a domain", "*.example.net", "https://a.b.example.net/x", true},
		{"the domain itself", "*.example.net", "https://example.net/x", false},
		{"a name that ends so", "*.example.net", "https://evilexample.net/x", false},
		{"any", "*", "https://evil.example/x", true},
		{"any, but not any port", "*", "https://evil.example:6379/x", false},
		{"an address", "192.0.2.7", "https://192.0.2.7/x", true},
		{"an address of IPv6", "[2001:db8::7]", "https://[2001:DB8::7]/x", true},
		{"with a port", "[2001:db8::7]:444", "https://[2001:db8::7]:444/x", true},
		{"another one", "[2001:db8::7]", "https://[2001:db8::8]/x", false},
	};

	CHECK_TABLE(row, rows)
	{
		struct credential_url u;
		struct str host = str_from(row->host);
		EXPECT_TRUE(credential_is_host(host));
		EXPECT_ERR(credential_read_url(str_from(row->url), &u), OK);
		EXPECT_TRUE(credential_is_allowed(&u, &host, 1) == row->want);
	}
	EXPECT_TRUE(!credential_is_host(STR("https://x")) && !credential_is_host(STR("")) &&
		    !credential_is_host(STR("a:")) && !credential_is_host(STR("*x")));
}

static int set_up(void **state)
{
	(void)state;
	guard_init(&guard, 4096);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	guard_release(&guard);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_read_as_rfc_8226_writes_it),
		cmocka_unit_test(a_certificate_speaks_for_what_its_list_names),
		cmocka_unit_test(who_has_a_list_gives_no_more_than_is_on_it),
		cmocka_unit_test(a_list_of_more_than_we_look_at_is_a_limit),
		cmocka_unit_test(an_address_is_https_and_nothing_else),
		cmocka_unit_test(only_hosts_that_are_named_are_asked),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
