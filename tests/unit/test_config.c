#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "sbc/config.h"
#include "sbc/core/method.h"
#include "tests/support/check.h"

enum { TEXT_MAX = 256 * 1024 };

static char top[4096];  /* the tree: tests run there */
static char work[4096]; /* a folder of this test's own, with certs/ and the broken files */

/* ---- files */

static size_t read_file(const char *path, char *out, size_t cap)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		return 0;
	size_t n = fread(out, 1, cap - 1, f);
	out[n] = '\0';
	(void)fclose(f);
	return n;
}

static void write_file(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void path_in(char *out, size_t cap, const char *dir, const char *name)
{
	assert_true(snprintf(out, cap, "%s/%s", dir, name) < (int)cap);
}

/* ---- certificates: small, self-signed, with dates that do not depend on today's but for the good one */

static void make_certificate(const char *name, const char *not_before, const char *not_after,
			     const char *password)
{
	char path[8192], file[64];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	assert_true(key && x);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	assert_true(ASN1_TIME_set_string(X509_getm_notBefore(x), not_before));
	assert_true(ASN1_TIME_set_string(X509_getm_notAfter(x), not_after));
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	(void)snprintf(file, sizeof(file), "certs/%s.pem", name);
	path_in(path, sizeof(path), work, file);
	FILE *f = fopen(path, "wb");
	assert_true(f && PEM_write_X509(f, x));
	(void)fclose(f);
	(void)snprintf(file, sizeof(file), "certs/%s.key", name);
	path_in(path, sizeof(path), work, file);
	f = fopen(path, "wb");
	assert_true(f && PEM_write_PrivateKey(f, key, password ? EVP_aes_128_cbc() : NULL,
					      (const unsigned char *)password,
					      password ? (int)strlen(password) : 0, NULL, NULL));
	(void)fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
	X509_free(x);
	EVP_PKEY_free(key);
}

static int set_up(void **state)
{
	(void)state;
	char path[8192];
	assert_non_null(getcwd(top, sizeof(top)));
	(void)snprintf(work, sizeof(work), "/tmp/sallyport-config-XXXXXX");
	assert_non_null(mkdtemp(work));
	path_in(path, sizeof(path), work, "certs");
	assert_int_equal(mkdir(path, 0700), 0);
	const char *good[] = {"edge", "pbx", "ca", "carrier-one-ca", "office-ca"};
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		make_certificate(good[i], "20200101000000Z", "20991231235959Z", NULL);
	make_certificate("ended", "20190101000000Z", "20200102030405Z", NULL);
	make_certificate("early", "20980101000000Z", "20991231235959Z", NULL);
	make_certificate("locked", "20200101000000Z", "20991231235959Z", "secret");
	path_in(path, sizeof(path), work, "certs/carrier-two.secret");
	write_file(path, "sesame", 6);
	path_in(path, sizeof(path), work, "certs");
	setenv("CREDENTIALS_DIRECTORY", path, 1);
	return 0;
}

static void remove_all(const char *dir)
{
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
		char path[8192];
		path_in(path, sizeof(path), dir, e->d_name);
		if (e->d_name[0] != '.' && unlink(path) != 0)
			remove_all(path);
	}
	if (d)
		(void)closedir(d);
	(void)rmdir(dir);
}

static int tear_down(void **state)
{
	(void)state;
	remove_all(work);
	return 0;
}

/* The report as text, the folder cut off in front of every file name in it. */
static size_t report_text(const struct conf_report *r, const char *dir, char *out, size_t cap)
{
	struct buf b;
	size_t cut = strlen(dir) + 1;
	buf_init(&b, out, cap - 1);
	for (size_t i = 0; i < r->count; i++) {
		struct str rest = r->messages[i].text;
		for (size_t at; (at = str_find(rest, str_from(dir))) < rest.len;) {
			buf_bytes(&b, rest.p, at);
			rest = str_from_offset(rest, at + cut);
		}
		buf_str(&b, rest);
		buf_char(&b, '\n');
	}
	assert_false(b.overflow);
	out[b.len] = '\0';
	return b.len;
}

/* ---- every broken file, and every word that is said of it */

static int is_yaml(const struct dirent *e)
{
	struct str name = str_from(e->d_name);
	return str_has_suffix(name, STR(".yaml")) || str_has_suffix(name, STR(".inc"));
}

/* SALLYPORT_ACCEPT=1 writes what is said now as what is expected: read the difference before it is committed. */
static void compare(const char *expected_path, const char *got, size_t n)
{
	static char want[TEXT_MAX];
	if (getenv("SALLYPORT_ACCEPT"))
		write_file(expected_path, got, n);
	size_t len = read_file(expected_path, want, sizeof(want));
	EXPECT_STR(((struct str){got, n}), ((struct str){want, len}));
}

static void test_broken_files(void **state)
{
	(void)state;
	static char text[TEXT_MAX];
	struct dirent **names;
	char dir[8192], path[9000], expected[9000];
	path_in(dir, sizeof(dir), top, "tests/data/config/broken");
	int n = scandir(dir, &names, is_yaml, alphasort), files = 0;
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		path_in(path, sizeof(path), dir, names[i]->d_name);
		size_t len = read_file(path, text, sizeof(text));
		path_in(path, sizeof(path), work, names[i]->d_name);
		write_file(path, text, len);
	}
	for (int i = 0; i < n; i++) {
		struct str name = str_from(names[i]->d_name);
		struct conf_report r;
		struct settings *s = NULL;
		if (str_has_suffix(name, STR(".yaml")) && check_row(names[i]->d_name)) {
			path_in(path, sizeof(path), work, names[i]->d_name);
			(void)snprintf(expected, sizeof(expected), "%s/%.*s.expected", dir,
				       (int)name.len - 5, name.p);
			EXPECT_ERR(conf_report_init(&r), OK);
			EXPECT_ERR(config_load(path, &r, &s), ERR_BAD);
			EXPECT_TRUE(s == NULL && r.errors > 0 && r.unsaid == 0);
			compare(expected, text, report_text(&r, work, text, sizeof(text)));
			conf_report_release(&r);
			files++;
		}
		free(names[i]);
	}
	free(names);
	EXPECT_TRUE(files >= 20);
}

/* ---- good files */

struct loaded {
	struct conf_report report;
	struct settings *s;
};

static void load(struct loaded *l, const char *text)
{
	char name[8192], said[4096];
	path_in(name, sizeof(name), work, "f.yaml");
	EXPECT_ERR(conf_report_init(&l->report), OK);
	enum err e = config_load_text(str_from(name), str_from(text), &l->report, &l->s);
	if (e != OK) {
		(void)report_text(&l->report, work, said, sizeof(said));
		print_message("%s", said);
	}
	EXPECT_ERR(e, OK);
}

static void unload(struct loaded *l)
{
	config_free(l->s);
	conf_report_release(&l->report);
}

#define SMALL_SITE                                                                                 \
	"certificates: { edge: { chain: certs/edge.pem, key: !file certs/edge.key } }\n"           \
	"realms:\n"                                                                                \
	"  outside: { trust: none, listen: [ { transport: tls, address: 203.0.113.10, port: "      \
	"5061, certificate: edge } ] }\n"                                                          \
	"  inside:  { trust: high, listen: [ { transport: udp, address: 10.20.0.10, port: 5060 } " \
	"] }\n"                                                                                    \
	"trunks:\n"                                                                                \
	"  carrier: { realm: outside, peers: [ { target: \"sips:trunk.carrier-one.example\" } ] "  \
	"}\n"                                                                                      \
	"  pbx:     { realm: inside,  peers: [ { target: \"sip:10.20.0.21\" } ] }\n"               \
	"routes:\n"                                                                                \
	"  - { when: { from: carrier }, to: [pbx] }\n"                                             \
	"  - { when: { from: pbx },     to: [carrier] }\n"

static void test_small_site(void **state)
{
	(void)state;
	struct loaded l;
	load(&l, SMALL_SITE);
	EXPECT_INT(l.report.count, 0);
	const struct settings *s = l.s;
	const struct policy_config *p = &s->policy;
	EXPECT_TRUE(s->node.len > 0);
	/* SRTP required outside, GCM first; both inside. */
	EXPECT_INT(s->realm_count, 2);
	EXPECT_Z(p->media[p->realms[0].media_policy].name, "srtp-only");
	EXPECT_INT(p->media[p->realms[0].media_policy].rtp, MEDIA_FORBID);
	EXPECT_INT(p->media[p->realms[0].media_policy].srtp, MEDIA_REQUIRE);
	EXPECT_INT(p->media[p->realms[0].media_policy].suites[0], SDES_AEAD_AES_256_GCM);
	EXPECT_INT(p->media[p->realms[1].media_policy].rtp, MEDIA_ALLOW);
	EXPECT_INT(p->media[p->realms[1].media_policy].srtp, MEDIA_ALLOW);
	/* Media on the listener's address. */
	EXPECT_TRUE(s->realms[0].anchor_media &&
		    addr_eq_ip(&s->realms[0].media_addr, &s->listeners[0].local));
	EXPECT_INT(s->realms[0].media_addr.port, 0);
	EXPECT_INT(s->realms[0].port_min, 20000);
	EXPECT_INT(s->realms[0].port_max, 39999);
	EXPECT_INT(s->realms[0].header_rules, SETTINGS_NO_INDEX);
	/* The carrier is known by the name in its certificate, the PBX by its address. */
	EXPECT_Z(p->trunks[0].certificate_name, "trunk.carrier-one.example");
	EXPECT_INT(s->listeners[0].client_certificate, CLIENT_CERT_OPTIONAL);
	EXPECT_INT(s->listeners[0].client_anchor_count, 0);
	EXPECT_INT(p->trunks[1].source_count, 1);
	EXPECT_INT(p->trunks[1].sources[0].bits, 32);
	EXPECT_TRUE(s->trunks[0].peers[0].secure && s->trunks[0].tls_verify);
	EXPECT_INT(s->trunks[0].verify, SETTINGS_NO_INDEX);
	EXPECT_TRUE(!s->trunks[0].ping.on);
	EXPECT_INT(s->trunks[1].peers[0].transport, TRANSPORT_UDP);
	EXPECT_Z(p->routes[1].name, "route-2");
	EXPECT_INT(p->routes[1].from_trunks[0], 1);
	EXPECT_INT(p->routes[1].to[0], 0);
	EXPECT_INT(p->routes[0].place.line, 9);
	EXPECT_INT(p->routes[0].failure_after_ms, 4000);
	/* Where everything else goes. */
	EXPECT_Z(s->relays[0].url, "ng+unix:/run/sallyport/rtpproxy.sock");
	EXPECT_Z(s->cdrs[0].path, "/var/log/sallyport/cdr.jsonl");
	EXPECT_INT(s->http_count, 1);
	EXPECT_TRUE(s->https[0].metrics && s->https[0].health);
	EXPECT_INT(s->https[0].local.port, 9080);
	EXPECT_Z(s->control_path, "/run/sallyport/sbc.sock");
	EXPECT_INT(s->log.level, 2);
	EXPECT_INT(s->limits.calls, 10000);
	EXPECT_INT(s->limits.idle_ms, 600000);
	EXPECT_INT(s->limits.overload.delay_ms, 50);
	EXPECT_INT(s->limits.udp_bytes, 1300);
	EXPECT_INT(s->timers.t1_ms, 500);
	EXPECT_INT(s->timers.c_ms, 180000);
	unload(&l);
}

static void test_all_sections(void **state)
{
	(void)state;
	struct loaded l;
	load(&l,
	     "node: { name: sbc1.example.net }\n"
	     "certificates: { edge: { chain: certs/edge.pem, key: !credential edge.key, "
	     "min_version: \"1.3\" } }\n"
	     "trust_anchors: { unused: certs/ca.pem, one: certs/ca.pem, two: "
	     "certs/carrier-one-ca.pem }\n"
	     "realms:\n"
	     "  outside:\n"
	     "    listen:\n"
	     "      - { transport: tls, address: \"2001:db8::1\", certificate: edge, "
	     "client_certificate: required }\n"
	     "      - { transport: tls, address: \"2001:db8::1\", port: 5071, certificate: "
	     "edge, client_anchors: unused }\n"
	     "    header_rules: h\n    admission: edge\n"
	     "    acl: { allow: [198.51.100.0/27] }\n"
	     "  inside:\n"
	     "    trust: high\n"
	     "    listen: [ { transport: udp, address: 10.0.0.1 }, { transport: tcp, address: "
	     "10.0.0.1 } ]\n"
	     "    media: { address: 10.0.0.3, ports: 30000-30099 }\n"
	     "    media_policy: m\n"
	     "    acl: { deny: [10.9.0.0/16] }\n"
	     "admission: { edge: { requests: { per_source: 30/10s, burst: 7 }, register: { "
	     "per_source: 2/s, "
	     "failures: 5/10m, ban: 2h }, unknown_methods: drop } }\n"
	     "bans: { first: 30m, factor: 3, most: 10d, forget: 2d, allow: [0.0.0.0/0, \"::/0\"], "
	     "prefix_after: "
	     "8, kernel_after: 9/1m, kernel: /run/x.sock, file: /var/x }\n"
	     "media_policies: { m: { srtp: prefer, suites: AES_CM_128_HMAC_SHA1_80, codecs: { "
	     "allow: [opus, PCMU], order: [PCMU] } } }\n"
	     "trunks:\n"
	     "  carrier:\n"
	     "    realm: outside\n"
	     "    peers:\n"
	     "      - { target: \"sip:[2001:db8::5]:5071;transport=tls\", priority: 20 }\n"
	     "      - { target: \"sips:a.example;transport=tcp\", priority: 5, weight: 3 }\n"
	     "      - { target: \"sip:b.example;transport=TLS\", priority: 5 }\n"
	     "    tls: { certificate: edge, verify: two, name: a.example }\n"
	     "    identify: { certificate_name: a.example, source: [2001:db8::/32] }\n"
	     "    ping: { every: 10s }\n"
	     "    session_timer: { expires: 10m, min: 2m }\n"
	     "    limits: { sessions: 500, inbound: 400, outbound: 300, rate: 40/s, burst: 80 }\n"
	     "    redirect: follow\n    redirects: 3\n    initial_offer: early\n"
	     "    reliable: off\n"
	     "    refer: pass\n"
	     "  second: { realm: outside, peers: [ { target: \"sips:c.example\" } ], tls: { "
	     "verify: one }, session_timer: { active: off } }\n"
	     "  pbx: { realm: inside, peers: [ { target: \"sip:pbx.example\" }, { target: "
	     "\"sip:10.0.0.7\" } ] }\n"
	     "routes:\n"
	     "  - { name: r, when: { from: [inside, carrier], number: \"^1\", domain: "
	     "[x.example] }, to: [carrier, pbx], strategy: weighted,\n"
	     "      on_failure: { codes: [408, tls], after: 2s, tries: 5 } }\n"
	     "  - { reject: { status: 403, reason: Go } }\n"
	     "header_rules: { h: { carry: [Subject], inbound: [ { header: Subject, action: "
	     "remove, when: { trust_below: high } } ],\n"
	     "                     outbound: [ { header: Subject, action: set, value: "
	     "\"${node.name}\" } ] } }\n"
	     "media_relays: [ { name: x, url: \"ng+udp:127.0.0.1:2223\" }, { name: y, url: "
	     "\"ng+unix:/x\", weight: 0 } ]\n"
	     "cdr: [ { to: file, path: /x.jsonl, rotate: 1h } ]\n"
	     "observe: { http: [], control: /c.sock, log: { level: debug, sip: on } }\n"
	     "limits: { calls: 7 }\n"
	     "timers: { t1: 100ms }\n");
	EXPECT_INT(l.report.count, 1); /* no route goes to "second" */
	const struct settings *s = l.s;
	const struct policy_config *p = &s->policy;
	EXPECT_INT(s->certificates[0].min_version, 0x0304);
	EXPECT_TRUE(str_has_suffix(s->certificates[0].key_path, STR("/certs/edge.key")));
	EXPECT_TRUE(s->certificates[0].chain_path.p[0] == '/');
	/* Anchors of a listener: those that the realm's trunks name, or its own. */
	EXPECT_INT(s->listeners[0].local.port, 5061);
	EXPECT_INT(s->listeners[0].client_certificate, CLIENT_CERT_REQUIRED);
	EXPECT_INT(s->listeners[0].client_anchor_count, 2);
	EXPECT_INT(s->listeners[0].client_anchors[0], 1);
	EXPECT_INT(s->listeners[0].client_anchors[1], 2);
	EXPECT_INT(s->listeners[1].client_certificate, CLIENT_CERT_OPTIONAL);
	EXPECT_INT(s->listeners[1].client_anchor_count, 1);
	EXPECT_INT(s->listeners[1].client_anchors[0], 0);
	EXPECT_INT(s->listeners[3].transport, TRANSPORT_TCP);
	EXPECT_INT(s->listeners[3].realm, 1);
	EXPECT_INT(s->listeners[3].local.port, 5060);
	EXPECT_INT(p->realms[0].acl_default, ACL_DENY);
	EXPECT_INT(p->realms[1].acl_default, ACL_ALLOW);
	EXPECT_INT(s->realms[1].port_min, 30000);
	EXPECT_INT(s->realms[1].media_addr.ip[3], 3);
	EXPECT_INT(p->media[0].suite_count, 1);
	EXPECT_INT(p->media[0].codecs_order_count, 1);
	/* Peers by priority, otherwise as written. */
	EXPECT_Z(s->trunks[0].peers[0].host, "a.example");
	EXPECT_TRUE(s->trunks[0].peers[0].sips && s->trunks[0].peers[0].transport == TRANSPORT_TLS);
	EXPECT_INT(s->trunks[0].peers[0].weight, 3);
	EXPECT_Z(s->trunks[0].peers[1].host, "b.example");
	EXPECT_TRUE(!s->trunks[0].peers[1].sips && s->trunks[0].peers[1].secure);
	EXPECT_Z(s->trunks[0].peers[2].host, "[2001:db8::5]");
	EXPECT_INT(s->trunks[0].peers[2].port, 5071);
	EXPECT_INT(s->trunks[0].verify, 2);
	EXPECT_INT(s->trunks[0].certificate, 0);
	EXPECT_INT(s->trunks[1].certificate, SETTINGS_NO_INDEX);
	EXPECT_TRUE(s->trunks[0].ping.on);
	EXPECT_INT(s->trunks[0].ping.every_ms, 10000);
	EXPECT_INT(s->trunks[0].ping.down_after, 3);
	const struct admission_rule *admission = &s->policy.realms[0].admission;
	EXPECT_TRUE(str_eq(admission->name, STR("edge")) && admission->place.line > 0);
	EXPECT_TRUE(admission->requests.count == 30 && admission->requests.per_ms == 10000 &&
		    admission->requests.burst == 7);
	EXPECT_TRUE(admission->registers.count == 2 && admission->registers.per_ms == 1000);
	EXPECT_TRUE(admission->failures.most.count == 5 &&
		    admission->failures.most.per_ms == 600000);
	EXPECT_TRUE(admission->failures.ban_s == 7200 && admission->drop_unknown);
	const struct ban_rules *bans = &s->policy.bans;
	EXPECT_TRUE(bans->first_s == 1800 && bans->factor == 3 && bans->most_s == 864000 &&
		    bans->forget_s == 172800);
	EXPECT_TRUE(bans->allow_count == 2 && bans->prefix_after == 8 && bans->place.line > 0);
	EXPECT_TRUE(bans->kernel_after.count == 9 && bans->kernel_after.per_ms == 60000);
	EXPECT_STR(s->bans.file, STR("/var/x"));
	EXPECT_STR(s->bans.kernel_path, STR("/run/x.sock"));
	EXPECT_INT(s->policy.realms[1].admission.requests.count, 0);
	const struct admit_rule *admit = &s->trunks[0].admit;
	EXPECT_TRUE(admit->sessions == 500 && admit->live[ADMIT_IN] == 400 &&
		    admit->live[ADMIT_OUT] == 300);
	EXPECT_TRUE(admit->rate.count == 40 && admit->rate.per_ms == 1000 &&
		    admit->rate.burst == 80);
	EXPECT_TRUE(admit->place.line > 0 && !admit_has_limits(&s->trunks[1].admit));
	EXPECT_TRUE(s->trunks[0].habits.session_timer.on);
	EXPECT_INT(s->trunks[0].habits.session_timer.expires_s, 600);
	EXPECT_INT(s->trunks[0].habits.session_timer.min_s, 120);
	EXPECT_TRUE(!s->trunks[1].habits.session_timer.on);
	EXPECT_TRUE(s->trunks[2].habits.session_timer.on); /* where the file is silent */
	EXPECT_INT(s->trunks[2].habits.session_timer.expires_s, 1800);
	EXPECT_INT(s->trunks[2].habits.session_timer.min_s, 90);
	EXPECT_INT(s->trunks[0].habits.redirect, REDIRECT_FOLLOW);
	EXPECT_INT(s->trunks[0].habits.redirects, 3);
	EXPECT_INT(s->trunks[0].habits.initial_offer, OFFER_POLICY_EARLY);
	EXPECT_INT(s->trunks[0].habits.reliable, RELIABLE_OFF);
	EXPECT_INT(s->trunks[1].habits.redirect, REDIRECT_REJECT);
	EXPECT_INT(s->trunks[1].habits.redirects, 5);
	EXPECT_INT(s->trunks[1].habits.initial_offer, OFFER_POLICY_PASS);
	EXPECT_INT(s->trunks[1].habits.reliable, RELIABLE_SUPPORTED);
	EXPECT_INT(s->trunks[0].habits.refer, REFER_PASS);
	/* Where the file is silent the realm's trust decides (threats C15). */
	EXPECT_INT(s->trunks[1].habits.refer, REFER_REJECT);
	EXPECT_INT(s->trunks[2].habits.refer, REFER_LOCAL);
	EXPECT_INT(p->trunks[2].source_count, 1);
	const struct route_rule *r = &p->routes[0];
	EXPECT_INT(r->from_realms[0], 1);
	EXPECT_INT(r->from_trunks[0], 0);
	EXPECT_INT(r->number_count, 1);
	EXPECT_Z(r->domains[0], "x.example");
	EXPECT_INT(r->to[1], 2);
	EXPECT_INT(r->strategy, ROUTE_WEIGHTED);
	EXPECT_INT(r->failure_codes[1], ROUTE_CAUSE_TLS);
	EXPECT_INT(r->failure_after_ms, 2000);
	EXPECT_INT(r->tries, 5);
	EXPECT_TRUE(p->routes[1].any_from);
	EXPECT_Z(p->routes[1].reject_reason, "Go");
	EXPECT_TRUE(s->header_rules[0].inbound[0].when_trust_below);
	EXPECT_INT(s->header_rules[0].inbound[0].trust_below, TRUST_HIGH);
	EXPECT_INT(s->header_rules[0].outbound[0].action, HEADER_SET);
	EXPECT_INT(s->relays[1].weight, 0);
	EXPECT_INT(s->cdrs[0].rotate_ms, 3600000);
	EXPECT_INT(s->http_count, 0);
	EXPECT_INT(s->log.level, 3);
	EXPECT_TRUE(s->log.sip);
	EXPECT_INT(s->limits.calls, 7);
	EXPECT_INT(s->limits.overload.delay_ms, 50);
	EXPECT_INT(s->timers.t1_ms, 100);
	unload(&l);
}

/* Credentials of both forms, and what a trunk's requests must prove. */
static void test_credentials(void **state)
{
	(void)state;
	struct loaded l;
	setenv("SALLYPORT_TEST_PASSWORD", "from the environment", 1);
	load(&l, SMALL_SITE);
	EXPECT_TRUE(!l.s->trunks[0].credentials.on && !l.s->trunks[0].enrol.on &&
		    !l.s->trunks[0].proof.on);
	unload(&l);
	load(&l,
	     "realms: { inside: { trust: high, listen: [ { transport: udp, address: 10.20.0.10 } ] "
	     "} }\n"
	     "trunks:\n"
	     "  a: { realm: inside, peers: [ { target: \"sip:10.0.0.1\" } ], credentials: { user: "
	     "u, "
	     "password: !env SALLYPORT_TEST_PASSWORD, realm: r }, register: { user: \"4930\", "
	     "domain: "
	     "a.example, expires: 1h, gin: true } }\n"
	     "  b: { realm: inside, peers: [ { target: \"sip:10.0.0.2\" } ], register: { user: v, "
	     "password: !env SALLYPORT_TEST_PASSWORD } }\n"
	     "  c: { realm: inside, peers: [ { target: \"sip:c.example\" } ], identify: { user: w, "
	     "password: !env SALLYPORT_TEST_PASSWORD } }\n"
	     "  d: { realm: inside, peers: [ { target: \"sip:10.0.0.4\" } ], identify: { user: w, "
	     "password: !env SALLYPORT_TEST_PASSWORD, realm: d.example } }\n"
	     "routes: [ { to: [a] } ]\n");
	const struct trunk *t = l.s->trunks;
	EXPECT_TRUE(t[0].credentials.on && t[0].enrol.on && t[0].enrol.gin);
	EXPECT_Z(t[0].credentials.user, "u");
	EXPECT_Z(t[0].credentials.password, "from the environment");
	EXPECT_Z(t[0].credentials.realm, "r");
	EXPECT_Z(t[0].enrol.user, "4930");
	EXPECT_Z(t[0].enrol.domain, "a.example");
	EXPECT_INT(t[0].enrol.expires_s, 3600);
	EXPECT_TRUE(t[1].credentials.on && t[1].enrol.on && !t[1].enrol.gin);
	EXPECT_Z(t[1].credentials.user, "v");
	EXPECT_Z(t[1].credentials.password, "from the environment");
	EXPECT_INT(t[1].enrol.expires_s, 600);
	EXPECT_TRUE(t[2].proof.on && !t[2].credentials.on && !t[2].enrol.on);
	/* Nothing tells where c is: whoever knows the password is c. */
	EXPECT_INT(l.s->policy.trunks[2].source_count, 2);
	EXPECT_INT(l.s->policy.trunks[2].sources[0].bits, 0);
	EXPECT_Z(t[3].proof.realm, "d.example");
	EXPECT_INT(l.s->policy.trunks[3].source_count, 1);
	EXPECT_INT(l.s->policy.trunks[3].sources[0].bits, 32);
	unload(&l);
	unsetenv("SALLYPORT_TEST_PASSWORD");
}

/* Callers, numbers, diversions, bodies, and all that header rules can. */
static void test_callers(void **state)
{
	(void)state;
	struct loaded l;
	load(&l, "realms:\n"
		 "  inside: { trust: high, listen: [ { transport: udp, address: 10.0.0.1 } ],\n"
		 "            bodies: [application/pidf+xml], header_rules: h }\n"
		 "trunks:\n"
		 "  one: { realm: inside, peers: [ { target: \"sip:10.0.0.2\" } ],\n"
		 "         caller: { trusted: yes, assert: from, form: rpid }, diversion: "
		 "history-info,\n"
		 "         session_id: make, numbers: { in: from, out: to } }\n"
		 "  two: { realm: inside, peers: [ { target: \"sip:10.0.0.3\" } ] }\n"
		 "routes: [ { to: [one] } ]\n"
		 "numbers:\n"
		 "  from:\n"
		 "    - { match: \"^00(\\\\d+)$\", to: \"+\\\\1\" }\n"
		 "    - { match: \"^0(\\\\d+)$\", to: \"+49\\\\1\", fields: [to, "
		 "p-asserted-identity] }\n"
		 "  to: [ { match: \"^x\", to: y } ]\n"
		 "header_rules:\n"
		 "  h:\n"
		 "    carry: [Subject, P-Asserted-Identity]\n"
		 "    outbound:\n"
		 "      - { header: X-A, action: rename, to: X-B }\n"
		 "      - { header: X-B, action: edit, pattern: \"a(b)\", with: \"\\\\1\" }\n"
		 "      - { header: X-C, action: add, value: \"${header.Subject} ${call.id}\",\n"
		 "          when: { method: [INVITE, BYE], trunk: [two], status: [486, 5xx],\n"
		 "                  header: Subject, matches: \"^x\" } }\n");
	EXPECT_INT(l.report.count, 1); /* no route goes to "two" */
	const struct settings *s = l.s;
	const struct caller_settings *c = &s->trunks[0].caller;
	EXPECT_INT(c->trusted, CALLER_TRUST_YES);
	EXPECT_INT(c->assert, CALLER_ASSERT_FROM);
	EXPECT_INT(c->form, CALLER_FORM_RPID);
	EXPECT_INT(c->diversion, DIVERSION_HISTORY_INFO);
	EXPECT_INT(c->session_id, SESSION_ID_MAKE);
	EXPECT_Z(c->numbers_in->name, "from");
	EXPECT_INT(c->numbers_in->count, 2);
	EXPECT_Z(c->numbers_in->rules[0].to, "+\\1");
	EXPECT_INT(c->numbers_in->rules[0].fields, 1 << NUMBER_FROM | 1 << NUMBER_TO);
	EXPECT_INT(c->numbers_in->rules[1].fields, 1 << NUMBER_TO | 1 << NUMBER_ASSERTED);
	EXPECT_INT(c->numbers_in->rules[1].place.line, 13);
	EXPECT_Z(c->numbers_out->name, "to");
	c = &s->trunks[1].caller;
	EXPECT_INT(c->trusted, CALLER_TRUST_REALM);
	EXPECT_INT(c->assert, CALLER_ASSERT_PASS);
	EXPECT_INT(c->diversion, DIVERSION_PASS);
	EXPECT_INT(c->session_id, SESSION_ID_PASS);
	EXPECT_TRUE(!c->numbers_in && !c->numbers_out);
	EXPECT_INT(s->realms[0].body_count, 1);
	const struct header_edit *e = s->header_rules[0].outbound;
	EXPECT_INT(e[0].action, HEADER_RENAME);
	EXPECT_Z(e[0].value, "X-B");
	EXPECT_INT(e[1].action, HEADER_EDIT);
	EXPECT_Z(e[1].value, "\\1");
	EXPECT_TRUE(e[1].pattern != NULL && !e[1].when_trust_below);
	EXPECT_INT(e[2].action, HEADER_ADD);
	EXPECT_INT(e[2].when_method_count, 2);
	EXPECT_INT(e[2].when_trunks[0], 1);
	EXPECT_INT(e[2].when_statuses[0].max, 486);
	EXPECT_INT(e[2].when_statuses[1].min, 500);
	EXPECT_INT(e[2].when_statuses[1].max, 599);
	EXPECT_Z(e[2].when_header, "Subject");
	EXPECT_TRUE(e[2].when_matches != NULL);
	unload(&l);
}

static void test_key_from_environment(void **state)
{
	(void)state;
	static char pem[8192];
	char path[8192];
	struct loaded l;
	path_in(path, sizeof(path), work, "certs/edge.key");
	EXPECT_TRUE(read_file(path, pem, sizeof(pem)) > 100);
	setenv("SALLYPORT_TEST_KEY", pem, 1);
	load(&l, "certificates: { edge: { chain: certs/edge.pem, key: !env SALLYPORT_TEST_KEY } }\n"
		 "realms: { a: { trust: high, listen: [ { transport: udp, address: 10.0.0.1 } ] } "
		 "}\nroutes: []\n");
	EXPECT_INT(l.report.count, 0);
	EXPECT_Z(l.s->certificates[0].key_pem, pem);
	EXPECT_INT(l.s->certificates[0].key_path.len, 0);
	unload(&l);
}

/* Two loads in a row share nothing: the first outlives the second. */
static void test_users_and_methods(void **state)
{
	(void)state;
	struct loaded l;
	load(&l, "realms:\n"
		 "  web: { media_policy: plain-or-srtp, listen: [ { transport: udp, address: "
		 "192.0.2.1 } ] }\n"
		 "  inside: { trust: high, listen: [ { transport: udp, address: 10.0.0.1 } ] }\n"
		 "trunks:\n"
		 "  pbx: { realm: inside, peers: [ { target: \"sip:10.0.0.21\" } ] }\n"
		 "  far: { realm: web, peers: [ { target: \"sip:192.0.2.9\" } ] }\n"
		 "  few: { realm: web, peers: [ { target: \"sip:192.0.2.8\" } ], methods: "
		 "[MESSAGE, OPTIONS] }\n"
		 "users:\n"
		 "  browsers: { realm: web, domains: [example.net, example.org], registrar: pbx, "
		 "refresh: { "
		 "from_user: 90s, to_registrar: 20m }, per_user: { sessions: 2, contacts: 3 } }\n"
		 "  phones: { realm: web, domains: [phones.example], auth: local, digest: MD5, "
		 "methods: [], "
		 "accounts: [ { "
		 "user: ann, password: secret } ] }\n"
		 "routes:\n"
		 "  - { when: { from: [browsers, inside] }, to: [pbx] }\n"
		 "  - { when: { from: pbx }, to: [browsers, phones] }\n");
	const struct settings *s = l.s;
	uint32_t all = 1u << METHOD_MESSAGE | 1u << METHOD_SUBSCRIBE | 1u << METHOD_NOTIFY |
		       1u << METHOD_PUBLISH;
	EXPECT_INT(s->trunk_count, 5);
	EXPECT_INT(s->policy.trunk_count, 5);
	EXPECT_INT(s->users_count, 2);
	EXPECT_INT(s->trunks[0].habits.methods, all);
	EXPECT_INT(s->trunks[1].habits.methods, 0);
	EXPECT_INT(s->trunks[2].habits.methods, 1u << METHOD_MESSAGE | 1u << METHOD_OPTIONS);
	EXPECT_INT(s->trunks[3].habits.methods, all);
	EXPECT_INT(s->trunks[4].habits.methods, 0);
	const struct users *u = &s->users[0];
	EXPECT_TRUE(s->trunks[3].users == u && s->trunks[3].peer_count == 0 && u->trunk == 3);
	EXPECT_STR(u->name, STR("browsers"));
	EXPECT_INT(u->realm, 0);
	EXPECT_INT(u->registrar, 0);
	EXPECT_INT(u->domain_count, 2);
	EXPECT_INT(u->from_user_s, 90);
	EXPECT_INT(u->to_registrar_s, 1200);
	EXPECT_INT(u->sessions, 2);
	EXPECT_INT(u->contacts, 3);
	EXPECT_TRUE(!u->local && s->users[1].local);
	EXPECT_TRUE(!u->no_md5 && !u->no_sha256);
	EXPECT_TRUE(!s->users[1].no_md5 && s->users[1].no_sha256);
	EXPECT_INT(s->users[1].registrar, SETTINGS_NO_INDEX);
	EXPECT_STR(s->users[1].accounts[0].password, STR("secret"));
	EXPECT_INT(s->users[1].contacts, 5);
	/* Routes name groups as they name trunks; those of the groups themselves lie behind. */
	EXPECT_INT(s->policy.route_count, 2);
	EXPECT_INT(s->policy.routes[0].from_trunks[0], 3);
	EXPECT_INT(s->policy.routes[1].to[1], 4);
	EXPECT_INT(s->policy.routes[u->route_to_users].to[0], 3);
	EXPECT_INT(s->policy.routes[u->route_to_registrar].to[0], 0);
	EXPECT_INT(s->policy.routes[s->users[1].route_to_registrar].to_count, 0);
	unload(&l);
}

static void test_generations(void **state)
{
	(void)state;
	struct loaded a, b;
	load(&a, SMALL_SITE);
	load(&b, SMALL_SITE);
	unload(&b);
	EXPECT_Z(a.s->trunks[0].name, "carrier");
	EXPECT_Z(a.s->policy.routes[0].name, "route-1");
	unload(&a);
}

/* ---- what is shipped */

static void replace_all(struct buf *b, struct str text, struct str old, struct str new)
{
	for (size_t at; (at = str_find(text, old)) < text.len;) {
		buf_bytes(b, text.p, at);
		buf_str(b, new);
		text = str_from_offset(text, at + old.len);
	}
	buf_str(b, text);
}

static void test_example_is_accepted(void **state)
{
	(void)state;
	static char text[TEXT_MAX], changed[TEXT_MAX], said[TEXT_MAX];
	char path[8192];
	struct conf_report r;
	struct settings *s = NULL;
	struct buf b;
	path_in(path, sizeof(path), top, "etc/sallyport.yaml");
	size_t n = read_file(path, text, sizeof(text));
	assert_true(n > 0);
	buf_init(&b, changed, sizeof(changed));
	replace_all(&b, (struct str){text, n}, STR("/etc/sallyport/tls/"), STR("certs/"));
	path_in(path, sizeof(path), work, "example.yaml");
	write_file(path, changed, b.len);
	EXPECT_ERR(conf_report_init(&r), OK);
	enum err e = config_load(path, &r, &s);
	(void)report_text(&r, work, said, sizeof(said));
	EXPECT_Z(str_from(said), "");
	EXPECT_ERR(e, OK);
	config_free(s);
	conf_report_release(&r);
}

static void test_docs_are_fresh(void **state)
{
	(void)state;
	static char made[TEXT_MAX], kept[TEXT_MAX];
	char path[8192];
	struct buf b;
	buf_init(&b, made, sizeof(made));
	config_write_docs(&b);
	path_in(path, sizeof(path), top, "docs/settings.md");
	size_t n = read_file(path, kept, sizeof(kept));
	if (!str_eq(buf_view(&b), (struct str){kept, n}))
		fail_msg("docs/settings.md is stale: build/sallyport settings >docs/settings.md");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_site),
		cmocka_unit_test(test_all_sections),
		cmocka_unit_test(test_callers),
		cmocka_unit_test(test_key_from_environment),
		cmocka_unit_test(test_users_and_methods),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_broken_files),
		cmocka_unit_test(test_example_is_accepted),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_docs_are_fresh),
	};
	return cmocka_run_group_tests_name("config", tests, set_up, tear_down);
}
