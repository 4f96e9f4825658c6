/*
 * Certificates over HTTPS: what is fetched, from whom, how often, and what servers may do to us. The servers are threads of this
 * program on loopback; the clock of the turn is ours.
 */
#include "sbc/shell/cert_fetch.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/rng.h"
#include "sbc/shell/https_get.h"
#include "sbc/shell/resolve.h"
#include "sbc/shell/stir_cert.h"
#include "sbc/shell/turn.h"
#include "tests/support/cert.h"
#include "tests/support/check.h"

enum { TEXT = 1024, BODY = 4096, HUGE_BODY = 200 * 1024, WAITS_MAX = 2000 };

/* ---- a server: one thread, one connection after another, what it says goes by the path */

struct server {
	int fd;
	uint16_t port;
	pthread_t thread;
	SSL_CTX *ctx;
	char pem[BODY], other_pem[BODY]; /* of a signer that is believed, and of one that is not */
	atomic_int hits;
	sem_t gate; /* what /held waits for */
};

static void send_head(SSL *s, const char *status, size_t length, const char *more)
{
	char text[TEXT];
	int n = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status,
			 length, more);

	(void)SSL_write(s, text, n);
}

static void send_body(SSL *s, const char *body)
{
	send_head(s, "200 OK", strlen(body), "");
	(void)SSL_write(s, body, (int)strlen(body));
}

static void send_much(SSL *s, const char *head)
{
	static const char block[4096] = {0};

	(void)SSL_write(s, head, (int)strlen(head));
	for (size_t i = 0; i < HUGE_BODY / sizeof(block); i++)
		if (SSL_write(s, block, sizeof(block)) <= 0)
			return;
}

static void send_location(struct server *v, SSL *s, const char *host, const char *path)
{
	char text[TEXT];

	snprintf(text, sizeof(text), "Location: %s:%u%s\r\n", host, v->port, path);
	send_head(s, "302 Found", 0, text);
}

static void wait_for_close(SSL *s)
{
	char c[64];

	while (SSL_read(s, c, sizeof(c)) > 0)
		;
}

static void answer(struct server *v, SSL *s, struct str path)
{
	if (str_has_prefix(path, STR("/good")))
		send_body(s, v->pem);
	else if (str_eq(path, STR("/held"))) {
		(void)sem_wait(&v->gate);
		send_body(s, v->pem);
	} else if (str_eq(path, STR("/other")))
		send_body(s, v->other_pem);
	else if (str_eq(path, STR("/text")))
		send_body(s, "no certificate");
	else if (str_eq(path, STR("/empty")))
		send_body(s, "");
	else if (str_eq(path, STR("/closing"))) { /* no length: until it is closed */
		(void)SSL_write(s, "HTTP/1.0 200 OK\r\n\r\n", 19);
		(void)SSL_write(s, v->pem, (int)strlen(v->pem));
	} else if (str_eq(path, STR("/half"))) {
		send_head(s, "200 OK", strlen(v->pem), "");
		(void)SSL_write(s, v->pem, 200);
	} else if (str_eq(path, STR("/huge")))
		send_much(s, "HTTP/1.1 200 OK\r\nContent-Length: 204800\r\n\r\n");
	else if (str_eq(path, STR("/endless")))
		send_much(s, "HTTP/1.0 200 OK\r\n\r\n");
	else if (str_eq(path, STR("/headers")))
		send_much(s, "HTTP/1.1 200 OK\r\nX: ");
	else if (str_eq(path, STR("/noise")))
		(void)SSL_write(s, "hello\r\n\r\n", 9);
	else if (str_eq(path, STR("/moved")))
		send_location(v, s, "https://localhost", "/good");
	else if (str_eq(path, STR("/loop")))
		send_location(v, s, "https://localhost", "/loop");
	else if (str_eq(path, STR("/away")))
		send_location(v, s, "https://127.0.0.1", "/good");
	else if (str_eq(path, STR("/plain")))
		send_location(v, s, "http://localhost", "/good");
	else if (str_eq(path, STR("/to-slow")))
		send_location(v, s, "https://localhost", "/slow");
	else if (str_eq(path, STR("/nowhere")))
		send_head(s, "302 Found", 0, "");
	else if (str_has_prefix(path, STR("/slow")))
		wait_for_close(s);
	else
		send_head(s, "404 Not Found", 0, "");
}

static void serve(struct server *v, SSL *s)
{
	char text[TEXT];
	size_t n = 0;

	while (n + 1 < sizeof(text)) {
		int got = SSL_read(s, text + n, (int)(sizeof(text) - 1 - n));
		if (got <= 0)
			return;
		n += (size_t)got;
		text[n] = '\0';
		if (strstr(text, "\r\n\r\n"))
			break;
	}
	struct str rest = {text, n}, method, path;
	if (!str_cut_word(&rest, &method) || !str_cut_word(&rest, &path))
		return;
	atomic_fetch_add(&v->hits, 1);
	answer(v, s, path);
}

static void *run(void *ctx)
{
	struct server *v = ctx;

	for (;;) {
		int fd = accept(v->fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		SSL *s = SSL_new(v->ctx);
		if (SSL_set_fd(s, fd) == 1 && SSL_accept(s) == 1) {
			serve(v, s);
			(void)SSL_shutdown(s);
		}
		SSL_free(s);
		close(fd);
	}
}

static void server_start(struct server *v, const struct cert *c)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	atomic_store(&v->hits, 0);
	CHECK(sem_init(&v->gate, 0, 0) == 0);
	v->ctx = SSL_CTX_new(TLS_server_method());
	CHECK(v->ctx && SSL_CTX_use_certificate(v->ctx, c->x509) == 1 &&
	      SSL_CTX_use_PrivateKey(v->ctx, c->key) == 1);
	v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(v->fd >= 0 && bind(v->fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	      listen(v->fd, 128) == 0 && getsockname(v->fd, (struct sockaddr *)&a, &len) == 0);
	v->port = ntohs(a.sin_port);
	CHECK(pthread_create(&v->thread, NULL, run, v) == 0);
}

static void server_stop(struct server *v)
{
	(void)shutdown(v->fd, SHUT_RDWR);
	CHECK(pthread_join(v->thread, NULL) == 0);
	close(v->fd);
	SSL_CTX_free(v->ctx);
	(void)sem_destroy(&v->gate);
}

/* ---- the certificates, and where they lie */

static struct cert sti_root, web_root, signer, fake_signer, web, web_expired, web_other_name,
	web_stranger;
static char sti_path[] = "/tmp/sallyport-sti-XXXXXX", web_path[] = "/tmp/sallyport-web-XXXXXX";

static void make(struct cert *c, const char *cn, const char *san, const struct cert *issuer,
		 bool expired)
{
	const struct cert_params p = {.cn = cn,
				      .san = san,
				      .issuer = issuer,
				      .is_ca = issuer == NULL,
				      .from_days = -20,
				      .to_days = expired ? -1 : 20};
	cert_init(c, &p);
}

static void put_pem(const struct cert *c, char out[BODY])
{
	char path[] = "/tmp/sallyport-pem-XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	cert_save(c, path, NULL);
	ssize_t n = read(fd, out, BODY - 1);
	CHECK(n > 0 && unlink(path) == 0);
	out[n] = '\0';
	close(fd);
}

/* ---- what is tested */

static struct server server;
static struct turn turn;
static struct rng rng;
static struct resolver resolver;
static struct cert_fetch *fetch;
static struct identity_verifier verifier;
static struct str hosts[2];
static char host_text[TEXT];
static struct prefix loopback;
/* Where the name is said to be; none: where it is. */
static const char *const *addresses;

struct told {
	id_t64 id;
	enum credential_result result;
};
static struct told told[CERT_FETCH_FLIGHTS_MAX + 8];
static size_t told_count;

static void put_addresses(struct event *e)
{
	e->resolved.count = 0;
	for (size_t i = 0; addresses[i]; i++) {
		struct candidate *c = &e->resolved.candidates[e->resolved.count++];
		*c = (struct candidate){.transport = TRANSPORT_TLS};
		CHECK(addr_parse_ip(str_from(addresses[i]), &c->addr) == OK);
	}
}

static void on_event(void *ctx, const struct event *given)
{
	(void)ctx;
	struct event e = *given;

	if (e.type == EVENT_RESOLVED && addresses)
		put_addresses(&e);
	if (cert_fetch_take(fetch, &e))
		return;
	CHECK(e.type == EVENT_CREDENTIAL && told_count < ARRAY_LEN(told));
	told[told_count++] = (struct told){e.credential.id, e.credential.result};
	EXPECT_TRUE((e.credential.credential != NULL) == (e.credential.result == CREDENTIAL_OK));
}

/* Everything that can happen now, but for the world. */
static void settle(void)
{
	turn_expire(&turn);
	resolver_flush(&resolver);
	(void)turn_deliver(&turn);
	cert_fetch_flush(fetch);
}

static void run_until_told(size_t count)
{
	settle();
	for (unsigned i = 0; told_count < count && i < WAITS_MAX; i++) {
		turn.now_ms++; /* what is due now fires in the next tick */
		watch_loop_wait(turn.loop, 20);
		settle();
	}
	assert_int_equal(told_count, count);
}

static void run_until_hit(int hits)
{
	for (unsigned i = 0; atomic_load(&server.hits) < hits && i < WAITS_MAX; i++) {
		turn.now_ms++; /* what is due now fires in the next tick */
		watch_loop_wait(turn.loop, 20);
		settle();
	}
	assert_int_equal(atomic_load(&server.hits), hits);
}

static void pass_to(uint64_t ms)
{
	CHECK(ms >= turn.now_ms);
	turn.wall_ms += ms - turn.now_ms;
	turn.now_ms = ms;
	settle();
}

static void start(const struct cert *c)
{
	static const uint8_t seed[RNG_SEED_LEN] = {1};
	char mem[256];
	struct buf why;

	put_pem(&signer, server.pem);
	put_pem(&fake_signer, server.other_pem);
	server_start(&server, c);
	CHECK(turn_init(&turn, on_event, NULL) == OK);
	turn_begin(&turn); /* and it never ends: from here on time is what the test says */
	rng_init(&rng, seed);
	CHECK(resolver_init(&resolver, &turn, &rng, STR("127.0.0.1:9")) == OK);
	snprintf(host_text, sizeof(host_text), "localhost:%u", server.port);
	hosts[0] = str_from(host_text);
	CHECK(prefix_parse(STR("127.0.0.0/8"), &loopback) == OK);
	verifier = (struct identity_verifier){.on = true,
					      .anchors = str_from(sti_path),
					      .https_anchors = str_from(web_path),
					      .cache_ms = 3600000,
					      .hosts = hosts,
					      .host_count = 1,
					      .networks = &loopback,
					      .network_count = 1};
	addresses = NULL;
	told_count = 0;
	buf_init(&why, mem, sizeof(mem));
	CHECK(cert_fetch_new(&fetch, &turn, &resolver, &verifier, &why) == OK);
}

static void stop(void)
{
	cert_fetch_free(&fetch);
	resolver_release(&resolver);
	turn_release(&turn);
	server_stop(&server);
}

static void ask_at(const char *host, const char *path, id_t64 id)
{
	char url[TEXT];

	snprintf(url, sizeof(url), "https://%s:%u%s", host, server.port, path);
	cert_fetch_ask(fetch, str_from(url), id);
}

static void ask(const char *path, id_t64 id)
{
	ask_at("localhost", path, id);
}

static void what_comes_of_an_address(void **state)
{
	(void)state;
	static const char *const inside[] = {"10.0.0.1", NULL},
				 *const refused[] = {"127.0.0.77", NULL},
				 *const second[] = {"127.0.0.77", "10.0.0.1", "127.0.0.1", NULL},
				 *const none[] = {NULL};
	static const struct {
		const char *name, *path;
		enum credential_result want;
		int hits;
		const struct cert *server;
		const char *host;
		const char *const *at;
		bool public_alone;
	} rows[] = {
		{"a certificate", "/good", CREDENTIAL_OK, 1, .server = &web},
		{"without a length", "/closing", CREDENTIAL_OK, 1, .server = &web},
		{"of nobody whom we believe", "/other", CREDENTIAL_UNTRUSTED, 1, .server = &web},
		{"none", "/text", CREDENTIAL_BROKEN, 1, .server = &web},
		{"nothing", "/empty", CREDENTIAL_BROKEN, 1, .server = &web},
		{"not there", "/404", CREDENTIAL_UNREACHABLE, 1, .server = &web},
		{"half of it", "/half", CREDENTIAL_UNREACHABLE, 1, .server = &web},
		{"too large", "/huge", CREDENTIAL_UNREACHABLE, 1, .server = &web},
		{"too large, and nothing said so", "/endless", CREDENTIAL_UNREACHABLE, 1,
		 .server = &web},
		{"headers without an end", "/headers", CREDENTIAL_UNREACHABLE, 1, .server = &web},
		{"no HTTP", "/noise", CREDENTIAL_UNREACHABLE, 1, .server = &web},
		{"moved", "/moved", CREDENTIAL_OK, 2, .server = &web},
		{"moved on and on", "/loop", CREDENTIAL_UNREACHABLE, 1 + CERT_FETCH_MOVES_MAX,
		 .server = &web},
		{"moved to who is not allowed", "/away", CREDENTIAL_UNREACHABLE, 1, .server = &web},
		{"moved out of TLS", "/plain", CREDENTIAL_UNREACHABLE, 1, .server = &web},
		{"moved, and not where", "/nowhere", CREDENTIAL_UNREACHABLE, 1, .server = &web},
		{"the server's certificate has ended", "/good", CREDENTIAL_UNREACHABLE, 0,
		 .server = &web_expired},
		{"it is of another name", "/good", CREDENTIAL_UNREACHABLE, 0,
		 .server = &web_other_name},
		{"it is of nobody whom we believe", "/good", CREDENTIAL_UNREACHABLE, 0,
		 .server = &web_stranger},
		{"a host that is not allowed", "/good", CREDENTIAL_REFUSED, 0, .server = &web,
		 .host = "127.0.0.1"},
		{"an address of the inside", "/good", CREDENTIAL_REFUSED, 0, .server = &web,
		 .at = inside},
		{"loopback, where only public addresses are asked", "/good", CREDENTIAL_REFUSED, 0,
		 .server = &web, .public_alone = true},
		{"no such name", "/good", CREDENTIAL_UNREACHABLE, 0, .server = &web, .at = none},
		{"nobody there", "/good", CREDENTIAL_UNREACHABLE, 0, .server = &web, .at = refused},
		{"the last of its addresses answers, one is not asked", "/good", CREDENTIAL_OK, 1,
		 .server = &web, .at = second},
	};

	CHECK_TABLE(row, rows)
	{
		start(row->server);
		addresses = row->at;
		verifier.network_count = row->public_alone ? 0 : 1;
		ask_at(row->host ? row->host : "localhost", row->path, 7);
		run_until_told(1);
		EXPECT_INT(told[0].id, 7);
		EXPECT_INT(told[0].result, row->want);
		EXPECT_INT(atomic_load(&server.hits), row->hits);
		stop();
	}
}

static void addresses_of_all_kinds_that_are_not_public_are_not_asked(void **state)
{
	(void)state;
	static const char *const not_asked[] = {"127.0.0.1",
						"10.1.2.3",
						"192.168.1.1",
						"172.31.0.1",
						"169.254.169.254",
						"100.64.0.1",
						"0.0.0.0",
						"224.0.0.1",
						"255.255.255.255",
						"::1",
						"::",
						"fe80::1",
						"fd00::1",
						"ff02::1",
						"::ffff:127.0.0.1",
						"::ffff:10.0.0.1",
						"::127.0.0.1",
						"64:ff9b::a9fe:a9fe",
						"64:ff9b:1::1",
						"2002:7f00:1::"};
	struct prefix net;
	struct identity_verifier v = {.networks = &net, .network_count = 0};
	struct addr a;

	for (size_t i = 0; i < ARRAY_LEN(not_asked); i++) {
		EXPECT_ERR(addr_parse_ip(str_from(not_asked[i]), &a), OK);
		EXPECT_TRUE(!cert_fetch_may_go(&v, &a));
	}
	EXPECT_ERR(addr_parse_ip(STR("198.51.100.1"), &a), OK);
	EXPECT_TRUE(cert_fetch_may_go(&v, &a));
	EXPECT_ERR(addr_parse_ip(STR("10.1.2.3"), &a), OK);
	EXPECT_ERR(prefix_parse(STR("10.1.2.0/24"), &net), OK);
	v.network_count = 1;
	EXPECT_TRUE(cert_fetch_may_go(&v, &a));
}

static void a_server_that_says_nothing_is_given_up_in_time(void **state)
{
	(void)state;
	start(&web);
	const uint64_t at = turn.now_ms;
	ask("/slow", 1);
	run_until_hit(1);
	pass_to(at + CERT_FETCH_DEADLINE_MS - 1);
	EXPECT_INT(told_count, 0);
	pass_to(at + CERT_FETCH_DEADLINE_MS + WHEEL_TICK_MS);
	EXPECT_INT(told_count, 1);
	EXPECT_INT(told[0].result, CREDENTIAL_UNREACHABLE);
	stop();
}

static void a_move_wins_no_time(void **state)
{
	(void)state;
	start(&web);
	const uint64_t at = turn.now_ms;
	ask("/to-slow", 1);
	pass_to(at + CERT_FETCH_DEADLINE_MS - 2500);
	run_until_hit(2);
	EXPECT_INT(told_count, 0);
	pass_to(at + CERT_FETCH_DEADLINE_MS + WHEEL_TICK_MS);
	EXPECT_INT(told_count, 1);
	EXPECT_INT(told[0].result, CREDENTIAL_UNREACHABLE);
	stop();
}

static void what_was_fetched_is_kept_for_its_time(void **state)
{
	(void)state;
	start(&web);
	verifier.cache_ms = 60000;
	ask("/good", 1);
	ask("/good", 2); /* waits for the same */
	run_until_told(2);
	EXPECT_INT(told[1].result, CREDENTIAL_OK);
	EXPECT_INT(atomic_load(&server.hits), 1);
	const uint64_t at = turn.now_ms;
	pass_to(at + 59999);
	ask("/good", 3);
	run_until_told(3);
	EXPECT_INT(told[2].result, CREDENTIAL_OK);
	EXPECT_INT(atomic_load(&server.hits), 1);
	pass_to(at + 60000 + WHEEL_TICK_MS);
	ask("/good", 4);
	run_until_told(4);
	EXPECT_INT(told[3].result, CREDENTIAL_OK);
	EXPECT_INT(atomic_load(&server.hits), 2);
	EXPECT_INT(turn.stats.cert_fetched, 2);
	EXPECT_INT(turn.stats.cert_kept, 2);
	stop();
}

static void one_that_has_ended_is_fetched_anew(void **state)
{
	(void)state;
	start(&web);
	verifier.cache_ms = 100u * 86400 * 1000;
	ask("/good", 1);
	run_until_told(1);
	pass_to(turn.now_ms + 21ull * 86400 * 1000);
	ask("/good", 2);
	run_until_told(2);
	EXPECT_INT(told[1].result, CREDENTIAL_UNTRUSTED);
	EXPECT_INT(atomic_load(&server.hits), 2);
	stop();
}

static void a_failure_is_remembered_for_a_while(void **state)
{
	(void)state;
	start(&web);
	ask("/404", 1);
	run_until_told(1);
	const uint64_t at = turn.now_ms;
	pass_to(at + CERT_FETCH_AGAIN_MS - 1);
	ask("/404", 2);
	run_until_told(2);
	EXPECT_INT(told[1].result, CREDENTIAL_UNREACHABLE);
	EXPECT_INT(atomic_load(&server.hits), 1);
	pass_to(at + CERT_FETCH_AGAIN_MS + WHEEL_TICK_MS);
	ask("/404", 3);
	run_until_told(3);
	EXPECT_INT(atomic_load(&server.hits), 2);
	EXPECT_INT(turn.stats.cert_failed, 2);
	stop();
}

static void so_many_at_one_time_and_no_more(void **state)
{
	(void)state;
	char path[32];

	start(&web);
	for (unsigned i = 0; i < CERT_FETCH_FLIGHTS_MAX; i++) {
		snprintf(path, sizeof(path), "/slow-%u", i);
		ask(path, i);
	}
	settle();
	EXPECT_INT(told_count, 0);
	ask("/good", 100);
	run_until_told(1);
	EXPECT_INT(told[0].id, 100);
	EXPECT_INT(told[0].result, CREDENTIAL_BUSY);
	pass_to(turn.now_ms + CERT_FETCH_DEADLINE_MS + WHEEL_TICK_MS);
	run_until_told(1 + CERT_FETCH_FLIGHTS_MAX);
	ask("/good", 101);
	run_until_told(2 + CERT_FETCH_FLIGHTS_MAX);
	EXPECT_INT(told[told_count - 1].result, CREDENTIAL_OK);
	stop();
}

static void who_was_not_asked_for_longest_makes_room(void **state)
{
	(void)state;
	char path[32];

	start(&web);
	for (unsigned i = 0; i <= CERT_FETCH_KEPT_MAX; i++) {
		snprintf(path, sizeof(path), "/good-%u", i);
		told_count = 0;
		turn.now_ms++;
		ask(path, i);
		run_until_told(1);
		EXPECT_INT(told[0].result, CREDENTIAL_OK);
	}
	told_count = 0;
	const int hits = atomic_load(&server.hits);
	EXPECT_INT(hits, CERT_FETCH_KEPT_MAX + 1);
	ask("/good-1", 1);
	run_until_told(1);
	EXPECT_INT(atomic_load(&server.hits), hits);
	ask("/good-0", 0);
	run_until_told(2);
	EXPECT_INT(atomic_load(&server.hits), hits + 1);
	stop();
}

static void addresses_that_lead_nowhere_drive_no_certificate_out(void **state)
{
	(void)state;
	char path[32];

	start(&web);
	ask("/good", 1);
	run_until_told(1);
	for (unsigned i = 0; i <= CERT_FETCH_KEPT_MAX; i++) {
		snprintf(path, sizeof(path), "/404-%u", i);
		told_count = 0;
		turn.now_ms++;
		ask(path, i);
		run_until_told(1);
		EXPECT_INT(told[0].result, CREDENTIAL_UNREACHABLE);
	}
	const int hits = atomic_load(&server.hits);
	ask("/good", 1);
	run_until_told(2);
	EXPECT_INT(told[1].result, CREDENTIAL_OK);
	EXPECT_INT(atomic_load(&server.hits), hits);
	stop();
}

/* ---- reload */

static void apply(const struct identity_verifier *v, enum err want)
{
	char mem[256];
	struct buf why;

	buf_init(&why, mem, sizeof(mem));
	EXPECT_ERR(cert_fetch_apply(fetch, v, &why), want);
}

static void a_reload_forgets_what_was_kept(void **state)
{
	(void)state;
	start(&web);
	ask("/good", 1);
	run_until_told(1);
	apply(&verifier, OK);
	ask("/good", 2);
	run_until_told(2);
	EXPECT_INT(told[1].result, CREDENTIAL_OK);
	EXPECT_INT(atomic_load(&server.hits), 2);
	/* One that cannot be carried out changes nothing. */
	struct identity_verifier broken = verifier;
	broken.anchors = STR("/none/such.pem");
	apply(&broken, ERR_BAD);
	ask("/good", 3);
	run_until_told(3);
	EXPECT_INT(told[2].result, CREDENTIAL_OK);
	EXPECT_INT(atomic_load(&server.hits), 2);
	stop();
}

static void what_is_on_its_way_at_a_reload_goes_by_the_new_settings(void **state)
{
	(void)state;
	static const struct str other[] = {{"cert.example.org", 16}};
	static const struct {
		const char *name;
		bool off, other_host, other_anchors;
		enum credential_result want;
	} rows[] = {
		{"as before", .want = CREDENTIAL_OK},
		{"no verifier any more", .off = true, .want = CREDENTIAL_REFUSED},
		{"its host is not allowed any more", .other_host = true,
		 .want = CREDENTIAL_REFUSED},
		{"its signer is not believed any more", .other_anchors = true,
		 .want = CREDENTIAL_UNTRUSTED},
	};

	CHECK_TABLE(row, rows)
	{
		start(&web);
		struct identity_verifier v = verifier;
		if (row->off)
			v = (struct identity_verifier){.on = false};
		if (row->other_host)
			v.hosts = other;
		if (row->other_anchors)
			v.anchors = str_from(web_path);
		ask("/held", 1);
		run_until_hit(1);
		apply(&v, OK);
		CHECK(sem_post(&server.gate) == 0 && sem_post(&server.gate) == 0);
		run_until_told(1);
		EXPECT_INT(told[0].result, row->want);
		stop();
	}
}

static void without_a_verifier_nothing_is_asked(void **state)
{
	(void)state;
	start(&web);
	const struct identity_verifier off = {.on = false};
	apply(&off, OK);
	ask("/good", 1);
	run_until_told(1);
	EXPECT_INT(told[0].result, CREDENTIAL_REFUSED);
	EXPECT_INT(atomic_load(&server.hits), 0);
	stop();
}

static void whom_https_is_verified_with_is_read_from_a_file(void **state)
{
	(void)state;
	struct https_tls *t = NULL;
	char mem[256];
	struct buf why;

	buf_init(&why, mem, sizeof(mem));
	EXPECT_ERR(https_tls_new(&t, STR("/none/such.pem"), &why), ERR_BAD);
	EXPECT_TRUE(t == NULL && str_has_suffix(buf_view(&why), STR("/none/such.pem")));
	EXPECT_ERR(https_tls_new(&t, str_from(web_path), &why), OK);
	https_tls_free(&t);
	EXPECT_TRUE(t == NULL);
}

static int set_up(void **state)
{
	(void)state;
	int a = mkstemp(sti_path), b = mkstemp(web_path);

	if (a < 0 || b < 0)
		return -1;
	close(a);
	close(b);
	make(&sti_root, "sti root", NULL, NULL, false);
	make(&web_root, "web root", NULL, NULL, false);
	make(&signer, "signer", NULL, &sti_root, false);
	make(&fake_signer, "signer", NULL, &web_root, false);
	make(&web, "web", "DNS:localhost,IP:127.0.0.1", &web_root, false);
	make(&web_expired, "web", "DNS:localhost", &web_root, true);
	make(&web_other_name, "web", "DNS:example.org,IP:127.0.0.1", &web_root, false);
	make(&web_stranger, "web", "DNS:localhost", &sti_root, false);
	cert_save(&sti_root, sti_path, NULL);
	cert_save(&web_root, web_path, NULL);
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	struct cert *all[] = {&sti_root, &web_root,    &signer,         &fake_signer,
			      &web,      &web_expired, &web_other_name, &web_stranger};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		cert_release(all[i]);
	return unlink(sti_path) | unlink(web_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_of_an_address),
		cmocka_unit_test(addresses_of_all_kinds_that_are_not_public_are_not_asked),
		cmocka_unit_test(a_server_that_says_nothing_is_given_up_in_time),
		cmocka_unit_test(a_move_wins_no_time),
		cmocka_unit_test(what_was_fetched_is_kept_for_its_time),
		cmocka_unit_test(one_that_has_ended_is_fetched_anew),
		cmocka_unit_test(a_failure_is_remembered_for_a_while),
		cmocka_unit_test(so_many_at_one_time_and_no_more),
		cmocka_unit_test(who_was_not_asked_for_longest_makes_room),
		cmocka_unit_test(addresses_that_lead_nowhere_drive_no_certificate_out),
		cmocka_unit_test(a_reload_forgets_what_was_kept),
		cmocka_unit_test(what_is_on_its_way_at_a_reload_goes_by_the_new_settings),
		cmocka_unit_test(without_a_verifier_nothing_is_asked),
		cmocka_unit_test(whom_https_is_verified_with_is_read_from_a_file),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
