#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/relay_conf.h"
#include "tests/support/check.h"

static void test_urls(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum err err;
		enum relay_url_kind kind;
	} rows[] = {
		{"a Unix socket", "ng+unix:/run/x.sock", OK, RELAY_URL_UNIX},
		{"a UDP socket", "ng+udp:127.0.0.1:2223", OK, RELAY_URL_UDP},
		{"a UDP socket over IPv6", "ng+udp:[::1]:2223", OK, RELAY_URL_UDP},
		{"a relative path", "ng+unix:x.sock", ERR_BAD, 0},
		{"no path", "ng+unix:/", ERR_BAD, 0},
		{"no port", "ng+udp:127.0.0.1", ERR_BAD, 0},
		{"a name", "ng+udp:relay.example:2223", ERR_BAD, 0},
		{"another protocol", "udp:127.0.0.1:2223", ERR_BAD, 0},
		{"a path longer than a socket's address",
		 "ng+unix:/"
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 ERR_BAD, 0},
	};
	CHECK_TABLE(row, rows)
	{
		struct relay_url u = {.kind = RELAY_URL_KIND_COUNT};
		EXPECT_ERR(relay_conf_read_url(str_from(row->text), &u), row->err);
		EXPECT_INT(u.kind, row->err ? RELAY_URL_KIND_COUNT : row->kind);
	}
}

struct loaded {
	char path[64];
	struct conf_report report;
	struct relay_conf *c;
	enum err e;
};

static void load(struct loaded *l, const char *text)
{
	(void)snprintf(l->path, sizeof(l->path), "/tmp/sallyport-relay-conf-XXXXXX");
	int fd = mkstemp(l->path);
	assert_true(fd >= 0);
	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
	l->c = NULL;
	EXPECT_ERR(conf_report_init(&l->report), OK);
	l->e = relay_conf_load(l->path, &l->report, &l->c);
}

static void unload(struct loaded *l)
{
	(void)unlink(l->path);
	relay_conf_free(l->c);
	conf_report_release(&l->report);
}

/* Everything of the SBC is passed over, secrets and unread names too. */
static void test_reads_its_part(void **state)
{
	(void)state;
	struct loaded l;
	load(&l, "version: 1\nnode: { name: x }\n"
		 "certificates: { edge: { chain: /nonexistent, key: !credential edge.key } }\n"
		 "trust_anchors: { a: /nonexistent }\n"
		 "realms:\n"
		 "  outside: { trust: none, listen: [ { transport: tls, address: 192.0.2.1, port: "
		 "5061, certificate: edge } ], media_policy: nowhere }\n"
		 "  inside:\n"
		 "    listen: [ { transport: udp, address: 10.0.0.1 } ]\n"
		 "    media: { address: 10.0.0.2, ports: 30000-30099, latching: learn }\n"
		 "  direct: { listen: [ { transport: udp, address: 10.0.0.9 } ], media: { anchor: "
		 "off } }\n"
		 "trunks: { x: { realm: none } }\nroutes: [ { to: [y] } ]\n"
		 "media_relays: [ { name: l, url: \"ng+unix:/a.sock\", weight: 3 }, { name: m, "
		 "url: \"ng+udp:127.0.0.1:2223\", io: kernel, srtp_engine: openssl, coalesce_us: 0 "
		 "} ]\n"
		 "cdr: []\nobserve: {}\nlimits: {}\ntimers: {}\nheader_rules: {}\nmedia_policies: "
		 "{}\n");
	EXPECT_ERR(l.e, OK);
	EXPECT_INT(l.report.count, 0);
	EXPECT_INT(l.c->realm_count, 2);
	EXPECT_Z(l.c->realms[0].name, "outside");
	EXPECT_INT(l.c->realms[0].address.ip[0], 192);
	EXPECT_INT(l.c->realms[0].address.port, 0);
	EXPECT_INT(l.c->realms[0].port_min, 20000);
	EXPECT_INT(l.c->realms[0].latching, RELAY_LATCHING_STRICT);
	EXPECT_Z(l.c->realms[1].name, "inside");
	EXPECT_INT(l.c->realms[1].address.ip[3], 2);
	EXPECT_INT(l.c->realms[1].port_max, 30099);
	EXPECT_INT(l.c->realms[1].latching, RELAY_LATCHING_LEARN);
	EXPECT_INT(l.c->control_count, 2);
	EXPECT_Z(l.c->controls[0].url.path, "/a.sock");
	EXPECT_INT(l.c->controls[1].url.addr.port, 2223);
	EXPECT_INT(l.c->controls[0].io, RELAY_IO_AUTO);
	EXPECT_INT(l.c->controls[1].io, RELAY_IO_KERNEL);
	EXPECT_INT(l.c->controls[0].engine, RELAY_ENGINE_AUTO);
	EXPECT_INT(l.c->controls[1].engine, RELAY_ENGINE_OPENSSL);
	EXPECT_INT(l.c->controls[0].coalesce_us, 500);
	EXPECT_INT(l.c->controls[1].coalesce_us, 0);
	unload(&l);
}

/* The rest of the file is the SBC's, who says what is wrong with it. */
static void test_other_readers_keys(void **state)
{
	(void)state;
	struct loaded l;
	load(&l, "realms: { a: { later: x, listen: [ { transport: ws, address: 10.0.0.1, path: /s "
		 "} ] } }\n"
		 "users: { u: {} }\nsomething: new\n");
	EXPECT_ERR(l.e, OK);
	unload(&l);
}

static void test_default_control(void **state)
{
	(void)state;
	struct loaded l;
	load(&l, "realms: { a: { listen: [ { transport: udp, address: 10.0.0.1 } ] } }\n");
	EXPECT_ERR(l.e, OK);
	EXPECT_INT(l.c->control_count, 1);
	EXPECT_Z(l.c->controls[0].url.path, "/run/sallyport/rtpproxy.sock");
	unload(&l);
}

static void test_mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *want; /* behind the file's name */
	} rows[] = {
		{"a key of its own part that nobody knows",
		 "realms: { a: { media: { adress: 10.0.0.1 } } }\n",
		 ":1:25: realms.a.media.adress: unknown key; did you mean \"address\"? Allowed: "
		 "address, ports, latching, ice, bundle, dscp, anchor"},
		{"no realms", "version: 1\n", ":1:1: realms: missing; needed here: a map of names"},
		{"neither a media address nor a listener", "realms: { a: {} }\n",
		 ":1:14: realms.a.media.address: missing; needed here: an IP address, for there is "
		 "no "
		 "listener to take it from"},
		{"two realms with the same ports of one address",
		 "realms:\n  a: { listen: [ { address: 10.0.0.1 } ] }\n  b: { listen: [ { address: "
		 "10.0.0.1 } ], media: { ports: 39999-40009 } }\n",
		 ":3:59: realms.b.media.ports: media ports 39999-40009 are also realm \"a\"'s "
		 "(20000-39999) on the same address; give each realm a range of its own"},
		{"an address that nobody can reach",
		 "realms: { a: { media: { address: 224.0.0.1 } } }\n",
		 ":1:34: realms.a.media.address: media needs an address of this host that the "
		 "other side can reach"},
		{"a URL that is none",
		 "realms: { a: { listen: [ { address: 10.0.0.1 } ] } }\nmedia_relays: [ { name: a, "
		 "url: \"x\" } ]\n",
		 ":2:33: media_relays[0].url: \"x\" is not allowed here; allowed: ng+unix:/PATH "
		 "(107 letters at most) or ng+udp:ADDRESS:PORT"},
	};
	CHECK_TABLE(row, rows)
	{
		struct loaded l;
		load(&l, row->text);
		EXPECT_ERR(l.e, ERR_BAD);
		EXPECT_TRUE(l.c == NULL);
		EXPECT_INT(l.report.count, 1);
		EXPECT_Z(str_from_offset(l.report.messages[0].text, strlen(l.path)), row->want);
		unload(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_reads_its_part),
		cmocka_unit_test(test_other_readers_keys),
		cmocka_unit_test(test_default_control),
		cmocka_unit_test(test_mistakes),
	};
	return cmocka_run_group_tests_name("relay_conf", tests, NULL, NULL);
}
