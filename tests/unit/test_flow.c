/*
 * Real sockets on loopback, a core that echoes. What is awaited is awaited by running the loop; the
 * deadlines under test are some tens of milliseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "sbc/shell/clock.h"
#include "sbc/shell/flow_impl.h"
#include "tests/support/cert.h"
#include "tests/support/check.h"

enum { LISTEN_TCP, LISTEN_TLS, LISTEN_TLS_REQUIRED, LISTEN_WS, LISTENERS };

static char folder[] = "/tmp/sallyport-flow-XXXXXX";
static char paths[8][128];
static struct cert ca, edge, client_cert, stranger_ca, stranger;

static struct fixture {
	struct turn turn;
	struct flow_table flows;
	struct tls_set *tls;
	struct settings settings;
	struct listener listeners[LISTENERS];
	struct certificate certificate[2];
	struct trust_anchor anchor;
	struct realm realm;
	struct trunk trunks[2];
	struct trunk_rule rules[2];
	/* What came. */
	char bytes[256 * 1024];
	size_t len;
	unsigned messages, closed, failed;
	enum send_failure why;
	id_t64 failed_tag, flow, closed_flow;
	struct flow last;
	struct tls_facts facts; /* of the latest message; names are not kept */
	char peer_name[64];
	bool echo;
	enum tls_result tls_result;
	unsigned handshakes[TLS_RESULT_COUNT];
	enum flow_end end;
	unsigned ends;
} * f;

static void step(void *ctx, const struct event *e)
{
	(void)ctx;
	switch (e->type) {
	case EVENT_MESSAGE:
		f->messages++;
		f->last = e->message.flow;
		f->flow = e->message.flow.id;
		f->peer_name[0] = '\0';
		if (e->message.tls) {
			f->facts = *e->message.tls;
			if (e->message.tls->name_count > 0)
				EXPECT_ERR(str_copy(e->message.tls->names[0], f->peer_name,
						    sizeof(f->peer_name)),
					   OK);
		}
		if (f->len + e->message.bytes.len <= sizeof(f->bytes)) {
			memcpy(f->bytes + f->len, e->message.bytes.p, e->message.bytes.len);
			f->len += e->message.bytes.len;
		}
		if (f->echo)
			flow_send(&f->flows, &(struct dest){.flow = e->message.flow},
				  e->message.bytes, ID_NONE);
		break;
	case EVENT_FLOW_CLOSED:
		f->closed++;
		f->closed_flow = e->closed.flow;
		break;
	case EVENT_SEND_FAILED:
		f->failed++;
		f->failed_tag = e->failed.tag;
		f->why = e->failed.why;
		break;
	case EVENT_RESOLVED:
	case EVENT_RELAY_REPLY:
	case EVENT_RELAY_TOLD:
	case EVENT_CREDENTIAL:
	case EVENT_OPINION:
	case EVENT_STORE_REPLY:
	case EVENT_STORE_TOLD:
	case EVENT_STORE_STATE:
	case EVENT_TICK:
	case EVENT_SETTINGS:
	case EVENT_DRAIN:
	case EVENT_STOP:
	case EVENT_COUNT: fail();
	}
}

static void on_report(void *ctx, const struct flow_report *r)
{
	(void)ctx;
	if (r->type == FLOW_REPORT_HANDSHAKE) {
		f->tls_result = r->tls;
		f->handshakes[r->tls]++;
	}
	if (r->type == FLOW_REPORT_END) {
		f->end = r->end;
		f->ends++;
	}
}

/* One turn of the loop, as loop.c makes it. */
static void turn(void)
{
	f->turn.again = false;
	flow_handshakes(&f->flows);
	watch_loop_wait(f->turn.loop, 1);
	turn_begin(&f->turn);
	turn_expire(&f->turn);
	for (unsigned i = 0; i < 4; i++) {
		(void)turn_deliver(&f->turn);
		flow_flush(&f->flows);
	}
	flow_reap(&f->flows);
	turn_end(&f->turn);
}

/* Turns until x holds; for ten seconds at most. */
#define AWAIT(x)                                                                                   \
	do {                                                                                       \
		uint64_t end_ms = clock_mono_ms() + 10000;                                         \
		while (!(x) && clock_mono_ms() < end_ms)                                           \
			turn();                                                                    \
		EXPECT_TRUE(x);                                                                    \
	} while (0)

static const char *path_of(unsigned i, const char *name)
{
	(void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", folder, name);
	return paths[i];
}

static int make_certificates(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(folder))
		return -1;
	cert_init(&ca, &(struct cert_params){.cn = "Test CA", .is_ca = 1});
	cert_init(&stranger_ca, &(struct cert_params){.cn = "Another CA", .is_ca = 1});
	cert_init(&edge, &(struct cert_params){.san = "DNS:edge.test", .issuer = &ca});
	cert_init(&client_cert, &(struct cert_params){.san = "URI:sip:client.test", .issuer = &ca});
	cert_init(&stranger,
		  &(struct cert_params){.san = "URI:sip:client.test", .issuer = &stranger_ca});
	cert_save(&ca, path_of(0, "ca.pem"), NULL);
	cert_save(&edge, path_of(1, "edge.pem"), path_of(2, "edge.key"));
	cert_save(&client_cert, path_of(3, "client.pem"), path_of(4, "client.key"));
	return 0;
}

static int remove_certificates(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		unlink(paths[i]);
	rmdir(folder);
	cert_release(&ca);
	cert_release(&edge);
	cert_release(&client_cert);
	cert_release(&stranger_ca);
	cert_release(&stranger);
	return 0;
}

/* The kernel chooses the ports: they are asked for afterwards. */
static void read_port(uint16_t i)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	assert_int_equal(getsockname(f->flows.listeners[i].fd, (struct sockaddr *)&sa, &len), 0);
	sockaddr_read((struct sockaddr *)&sa, &f->listeners[i].local);
}

static int open_all(void **state)
{
	static const uint16_t anchors[1] = {0};
	(void)state;
	f = calloc(1, sizeof(*f));
	assert_non_null(f);
	struct addr local;
	assert_int_equal(addr_parse_ip(STR("127.0.0.1"), &local), OK);
	f->listeners[LISTEN_TCP] = (struct listener){.transport = TRANSPORT_TCP, .local = local};
	f->listeners[LISTEN_TLS] = (struct listener){.transport = TRANSPORT_TLS, .local = local};
	f->listeners[LISTEN_TLS_REQUIRED] =
		(struct listener){.transport = TRANSPORT_TLS,
				  .local = local,
				  .client_certificate = CLIENT_CERT_REQUIRED,
				  .client_anchors = anchors,
				  .client_anchor_count = 1};
	f->listeners[LISTEN_WS] =
		(struct listener){.transport = TRANSPORT_WS, .local = local, .path = {"/sip", 4}};
	f->certificate[0] = (struct certificate){.chain_path = str_from(paths[1]),
						 .key_path = str_from(paths[2]),
						 .min_version = TLS1_2_VERSION};
	f->certificate[1] = (struct certificate){.chain_path = str_from(paths[3]),
						 .key_path = str_from(paths[4]),
						 .min_version = TLS1_2_VERSION};
	f->anchor = (struct trust_anchor){.path = str_from(paths[0])};
	f->trunks[0] = (struct trunk){.certificate = 1, .verify = 0, .tls_verify = true};
	f->trunks[1] =
		(struct trunk){.certificate = SETTINGS_NO_INDEX, .verify = 0, .tls_verify = true};
	f->settings = (struct settings){
		.realms = &f->realm,
		.realm_count = 1,
		.listeners = f->listeners,
		.listener_count = LISTENERS,
		.certificates = f->certificate,
		.certificate_count = 2,
		.anchors = &f->anchor,
		.anchor_count = 1,
		.trunks = f->trunks,
		.trunk_count = 2,
		.policy = {.trunks = f->rules, .trunk_count = 2},
		.limits = {.connections = 40,
			   .connections_per_source = 20,
			   .transactions = 1000,
			   .message_bytes = 65535,
			   .half_open_ms = 10000,
			   .message_ms = 10000,
			   .idle_ms = 10000},
	};
	return 0;
}

/* After a test has changed the settings as it likes. */
static void start(void)
{
	char mem[256];
	struct buf why;
	buf_init(&why, mem, sizeof(mem));
	assert_int_equal(turn_init(&f->turn, step, NULL), OK);
	assert_int_equal(tls_set_new(&f->tls, &f->settings, &why), OK);
	struct flow_params p = {
		.turn = &f->turn, .settings = &f->settings, .tls = f->tls, .report = on_report};
	assert_int_equal(flow_table_init(&f->flows, &p), OK);
	for (uint16_t i = 0; i < LISTENERS; i++) {
		assert_int_equal(flow_listen(&f->flows, i), OK);
		read_port(i);
	}
	f->echo = true;
}

static int close_all(void **state)
{
	(void)state;
	flow_table_release(&f->flows);
	EXPECT_INT(f->flows.conns.used, 0);
	tls_set_free(&f->tls);
	turn_release(&f->turn);
	free(f);
	return 0;
}

/* ---- the other end ---- */

static int dial(uint16_t listener)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_write(&f->listeners[listener].local, &sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

static bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

static void put(int fd, struct str s)
{
	assert_int_equal(send(fd, s.p, s.len, MSG_NOSIGNAL), (ssize_t)s.len);
}

/* Reads until n bytes are there, or the end. */
static struct str get(int fd, char *mem, size_t n)
{
	size_t len = 0;
	uint64_t end_ms = clock_mono_ms() + 10000;
	while (len < n && clock_mono_ms() < end_ms) {
		turn();
		while (is_readable(fd) && len < n) {
			ssize_t got = recv(fd, mem + len, n - len, 0);
			if (got <= 0)
				return (struct str){mem, len};
			len += (size_t)got;
		}
	}
	return (struct str){mem, len};
}

/* True once the peer closed; what came before is thrown away. */
static bool is_closed(int fd)
{
	char mem[1024];
	while (is_readable(fd)) {
		ssize_t n = recv(fd, mem, sizeof(mem), 0);
		if (n <= 0)
			return true;
	}
	return false;
}

static const char options[] = "OPTIONS sip:a SIP/2.0\r\n"
			      "Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\n"
			      "Call-ID: 1\r\n"
			      "Content-Length: 4\r\n\r\nbody";

static struct str message(void)
{
	return (struct str){options, sizeof(options) - 1};
}

/* A TLS client that takes its steps beside the loop. */
struct tls_peer {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	char mem[8192];
	size_t len;
};

static void peer_open(struct tls_peer *p, uint16_t listener, const struct cert *own)
{
	*p = (struct tls_peer){.fd = dial(listener), .ctx = SSL_CTX_new(TLS_client_method())};
	if (own) {
		assert_int_equal(SSL_CTX_use_certificate(p->ctx, own->x509), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(p->ctx, own->key), 1);
	}
	p->ssl = SSL_new(p->ctx);
	SSL_set_fd(p->ssl, p->fd);
	SSL_set_connect_state(p->ssl);
	struct timeval tv = {0, 1000}; /* so that neither end waits for the other */
	setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

static void peer_close(struct tls_peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	close(p->fd);
}

/* 1: up; 0: not yet; -1: failed. */
static int peer_shake(struct tls_peer *p)
{
	int r = SSL_do_handshake(p->ssl);
	if (r == 1)
		return 1;
	int e = SSL_get_error(p->ssl, r);
	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static void peer_up(struct tls_peer *p)
{
	AWAIT(peer_shake(p) == 1);
}

static bool peer_has(struct tls_peer *p, size_t n)
{
	int got = SSL_read(p->ssl, p->mem + p->len, (int)(sizeof(p->mem) - p->len));
	if (got > 0)
		p->len += (size_t)got;
	return p->len >= n;
}

static bool peer_is_closed(struct tls_peer *p)
{
	char c;
	int r = SSL_read(p->ssl, &c, 1);
	return r <= 0 && SSL_get_error(p->ssl, r) != SSL_ERROR_WANT_READ;
}

/* ---- tests: TCP ---- */

static void a_message_and_its_answer(void **state)
{
	(void)state;
	char mem[1024];
	start();
	int fd = dial(LISTEN_TCP);
	put(fd, message());
	EXPECT_STR(get(fd, mem, message().len), message());
	EXPECT_INT(f->messages, 1);
	EXPECT_INT(f->last.transport, TRANSPORT_TCP);
	EXPECT_TRUE(f->flow != ID_NONE);
	close(fd);
	AWAIT(f->closed == 1);
	EXPECT_U64(f->closed_flow, f->flow);
	EXPECT_INT(f->end, FLOW_END_PEER);
	AWAIT(flow_count(&f->flows) == 0);
}

static void cut_at_every_byte(void **state)
{
	(void)state;
	char mem[1024];
	start();
	int fd = dial(LISTEN_TCP);
	struct str m = message();
	for (size_t cut = 1; cut < m.len; cut++) {
		f->len = 0;
		unsigned before = f->messages;
		put(fd, (struct str){m.p, cut});
		turn();
		turn();
		put(fd, str_from_offset(m, cut));
		EXPECT_STR(get(fd, mem, m.len), m);
		EXPECT_INT(f->messages, before + 1);
		EXPECT_STR(((struct str){f->bytes, f->len}), m);
	}
	close(fd);
}

static void many_in_one_segment(void **state)
{
	(void)state;
	static char all[200 * sizeof(options)], mem[sizeof(all)];
	struct str m = message();
	start();
	int fd = dial(LISTEN_TCP);
	for (size_t i = 0; i < 200; i++)
		memcpy(all + i * m.len, m.p, m.len);
	put(fd, (struct str){all, 200 * m.len});
	EXPECT_STR(get(fd, mem, 200 * m.len), ((struct str){all, 200 * m.len}));
	EXPECT_INT(f->messages, 200);
	close(fd);
}

static void keep_alives(void **state)
{
	(void)state;
	char mem[16];
	start();
	int fd = dial(LISTEN_TCP);
	put(fd, STR("\r\n\r\n"));
	EXPECT_STR(get(fd, mem, 2), STR("\r\n"));
	put(fd, STR("\r\n\r\n"));
	EXPECT_STR(get(fd, mem, 2), STR("\r\n"));
	EXPECT_INT(f->messages, 0);
	EXPECT_U64(f->turn.stats.stream_keepalives, 2);
	close(fd);
}

static void bytes_that_are_not_sip(void **state)
{
	(void)state;
	const struct {
		const char *name;
		struct str bytes;
	} rows[] = {
		{"HTTP", STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n")},
		{"a TLS hello", STR("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
		{"noise", STR("\x00\xff\x00\xff\x00\xff\x00\xff\x00\xff\r\n\r\n")},
	};
	start();
	CHECK_TABLE(row, rows)
	{
		unsigned ends = f->ends;
		int fd = dial(LISTEN_TCP);
		put(fd, row->bytes);
		AWAIT(f->ends > ends);
		char mem[64];
		EXPECT_INT(recv(fd, mem, sizeof(mem), MSG_DONTWAIT) > 0, 0);
		EXPECT_INT(f->end, FLOW_END_NOT_SIP);
		close(fd);
	}
	EXPECT_INT(f->messages, 0);
}

static void a_message_beyond_the_limit(void **state)
{
	(void)state;
	f->settings.limits.message_bytes = 4096;
	start();
	f->echo = false;
	int fd = dial(LISTEN_TCP);
	put(fd, STR("INVITE sip:a SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 5000\r\n\r\n"));
	AWAIT(is_closed(fd));
	EXPECT_U64(f->turn.stats.closed_limit, 1);
	close(fd);
}

static void silence_and_slowness(void **state)
{
	(void)state;
	f->settings.limits.half_open_ms = 40;
	f->settings.limits.message_ms = 40;
	f->settings.limits.idle_ms = 60;
	start();
	int silent = dial(LISTEN_TCP), slow = dial(LISTEN_TCP), idle = dial(LISTEN_TCP);
	int mute = dial(LISTEN_TLS);
	put(slow, (struct str){message().p, 20});
	put(idle, message());
	AWAIT(is_closed(silent) && is_closed(slow) && is_closed(idle) && is_closed(mute));
	EXPECT_U64(f->turn.stats.closed_half_open, 2);
	EXPECT_U64(f->turn.stats.closed_slow_message, 1);
	EXPECT_U64(f->turn.stats.closed_idle, 1);
	EXPECT_INT(f->handshakes[TLS_RESULT_TIMEOUT], 1);
	close(silent);
	close(slow);
	close(idle);
	close(mute);
}

static void a_peer_that_does_not_read(void **state)
{
	(void)state;
	static char big[60000];
	start();
	f->echo = false;
	int small = 4096;
	int fd = dial(LISTEN_TCP);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	put(fd, message());
	AWAIT(f->messages == 1);
	memset(big, 'x', sizeof(big));
	struct dest d = {.flow = f->last};
	for (unsigned i = 0; i < 2000 && f->failed == 0; i++) {
		flow_send(&f->flows, &d, (struct str){big, sizeof(big)}, 7);
		turn();
	}
	EXPECT_TRUE(f->failed > 0);
	AWAIT(f->closed == 1);
	EXPECT_INT(f->end, FLOW_END_QUEUE);
	EXPECT_U64(f->turn.stats.closed_queue, 1);
	close(fd);
}

static void limits_of_connections(void **state)
{
	(void)state;
	int fds[50];
	f->settings.limits.connections = 20; /* 18 of them for those that come in */
	f->settings.limits.connections_per_source = 30;
	start();
	for (unsigned i = 0; i < 25; i++)
		fds[i] = dial(LISTEN_TCP);
	AWAIT(f->turn.stats.connections_refused_limit == 7);
	EXPECT_INT(flow_count(&f->flows), 18);
	for (unsigned i = 0; i < 25; i++)
		close(fds[i]);
	AWAIT(flow_count(&f->flows) == 0);
}

static void limits_of_one_source(void **state)
{
	(void)state;
	int fds[8];
	f->settings.limits.connections_per_source = 3;
	start();
	for (unsigned i = 0; i < 8; i++)
		fds[i] = dial(LISTEN_TCP);
	AWAIT(f->turn.stats.connections_refused_source == 5);
	EXPECT_INT(flow_count(&f->flows), 3);
	for (unsigned i = 0; i < 8; i++)
		close(fds[i]);
	AWAIT(flow_count(&f->flows) == 0);
	/* The place is free again. */
	int fd = dial(LISTEN_TCP);
	char mem[1024];
	put(fd, message());
	EXPECT_STR(get(fd, mem, message().len), message());
	close(fd);
}

/* ---- tests: connections that we open ---- */

static void opened_once_and_used_again(void **state)
{
	(void)state;
	start();
	f->echo = false;
	struct dest d = {.flow = {.listener = LISTEN_TCP,
				  .transport = TRANSPORT_TCP,
				  .remote = f->listeners[LISTEN_TCP].local},
			 .trunk = SETTINGS_NO_INDEX};
	flow_send(&f->flows, &d, message(), 1);
	flow_send(&f->flows, &d, message(), 2);
	AWAIT(f->messages == 2);
	EXPECT_U64(f->turn.stats.connections_opened, 1);
	flow_send(&f->flows, &d, message(), 3);
	AWAIT(f->messages == 3);
	EXPECT_U64(f->turn.stats.connections_opened, 1);
	/* The answer comes back on the same connection, as that of the sender. */
	flow_send(&f->flows, &(struct dest){.flow = f->last}, message(), ID_NONE);
	AWAIT(f->messages == 4);
	EXPECT_INT(f->failed, 0);
	EXPECT_INT(flow_count(&f->flows), 2);
}

/* RFC 5923 §9: who connects to us, and says alias, has proved no address and no other name by that. */
static void an_accepted_connection_is_no_way_to_its_peers_other_names(void **state)
{
	(void)state;
	static const char aliased[] = "OPTIONS sip:a SIP/2.0\r\n"
				      "Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1;alias\r\n"
				      "Call-ID: 1\r\nContent-Length: 0\r\n\r\n";
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	char mem[1024];
	start();
	int fd = dial(LISTEN_TCP);
	put(fd, (struct str){aliased, sizeof(aliased) - 1});
	(void)get(fd, mem, sizeof(aliased) - 1);
	EXPECT_INT(f->messages, 1);
	/* A new request to that very address and port, as the Via claims to be reached. */
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	struct dest d = {.flow = {.listener = LISTEN_TCP, .transport = TRANSPORT_TCP},
			 .trunk = SETTINGS_NO_INDEX};
	sockaddr_read((struct sockaddr *)&sin, &d.flow.remote);
	flow_send(&f->flows, &d, message(), 5);
	AWAIT(f->failed == 1);
	EXPECT_INT(f->why, SEND_FAILURE_CONNECT);
	EXPECT_TRUE(!is_readable(fd));
	close(fd);
}

static void nobody_listens(void **state)
{
	(void)state;
	start();
	int fd = dial(LISTEN_TCP);
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct dest d = {.flow = {.transport = TRANSPORT_TCP}, .trunk = SETTINGS_NO_INDEX};
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	sockaddr_read((struct sockaddr *)&sa, &d.flow.remote);
	close(fd); /* its port is free now */
	flow_send(&f->flows, &d, message(), 42);
	AWAIT(f->failed == 1);
	EXPECT_U64(f->failed_tag, 42);
	EXPECT_INT(f->why, SEND_FAILURE_CONNECT);
}

static void gone_before_it_answered(void **state)
{
	(void)state;
	start();
	f->echo = false;
	int listening = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	assert_int_equal(bind(listening, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(listening, 4), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&sin, &len), 0);
	struct dest d = {.flow = {.transport = TRANSPORT_TCP}, .trunk = SETTINGS_NO_INDEX};
	sockaddr_read((struct sockaddr *)&sin, &d.flow.remote);
	char mem[1024];
	flow_send(&f->flows, &d, message(), 5);
	int fd = accept(listening, NULL, NULL);
	EXPECT_STR(get(fd, mem, message().len), message());
	EXPECT_INT(f->failed, 0);
	/* Something comes back: it has arrived. */
	put(fd, message());
	AWAIT(f->messages == 1);
	flow_send(&f->flows, &d, message(), 6);
	EXPECT_STR(get(fd, mem, message().len), message());
	close(fd);
	AWAIT(f->failed == 1);
	EXPECT_U64(f->failed_tag, 6);
	EXPECT_INT(f->why, SEND_FAILURE_CLOSED);
	AWAIT(f->closed == 1);
	close(listening);
}

static void a_response_whose_flow_has_gone(void **state)
{
	(void)state;
	start();
	f->echo = false;
	int fd = dial(LISTEN_TCP);
	put(fd, message());
	AWAIT(f->messages == 1);
	close(fd);
	AWAIT(f->closed == 1);
	struct dest d = {.flow = f->last, .trunk = SETTINGS_NO_INDEX};
	flow_send(&f->flows, &d, message(), 9);
	AWAIT(f->failed == 1);
	EXPECT_INT(f->why, SEND_FAILURE_CLOSED);
	/* To where the request says, over a new one. */
	d.flow.remote = f->listeners[LISTEN_TCP].local;
	d.reconnect = true;
	flow_send(&f->flows, &d, message(), 10);
	AWAIT(f->messages == 2);
	EXPECT_INT(f->failed, 1);
}

static void closed_by_the_core(void **state)
{
	(void)state;
	char mem[1024];
	start();
	int fd = dial(LISTEN_TCP);
	put(fd, message());
	AWAIT(f->messages == 1);
	flow_send(&f->flows, &(struct dest){.flow = f->last}, message(), ID_NONE);
	flow_close(&f->flows, f->flow);
	EXPECT_INT(get(fd, mem, 2 * message().len).len, 2 * message().len);
	AWAIT(is_closed(fd));
	/* A late message finds no flow. */
	flow_send(&f->flows, &(struct dest){.flow = f->last}, message(), 3);
	AWAIT(f->failed == 1);
	close(fd);
	AWAIT(flow_count(&f->flows) == 0);
}

/* ---- tests: TLS ---- */

static void a_message_over_tls(void **state)
{
	(void)state;
	struct tls_peer p;
	start();
	peer_open(&p, LISTEN_TLS, NULL);
	peer_up(&p);
	assert_int_equal(SSL_write(p.ssl, message().p, (int)message().len), (int)message().len);
	AWAIT(peer_has(&p, message().len));
	EXPECT_STR(((struct str){p.mem, p.len}), message());
	EXPECT_STR(f->facts.version, STR("TLSv1.3"));
	EXPECT_TRUE(!f->facts.verified);
	EXPECT_INT(f->facts.name_count, 0);
	EXPECT_INT(f->handshakes[TLS_RESULT_OK], 1);
	peer_close(&p);
	AWAIT(f->closed == 1);
}

static void plain_bytes_on_the_tls_port(void **state)
{
	(void)state;
	char mem[64];
	start();
	int fd = dial(LISTEN_TLS);
	put(fd, message());
	AWAIT(f->ends == 1);
	EXPECT_INT(recv(fd, mem, sizeof(mem), 0) <= 0, 1); /* closed, and not a byte before */
	EXPECT_INT(f->tls_result, TLS_RESULT_PLAIN);
	EXPECT_INT(f->messages, 0);
	EXPECT_INT(f->closed, 0);
	close(fd);
}

static void client_certificates(void **state)
{
	(void)state;
	const struct {
		const char *name;
		const struct cert *cert;
		enum tls_result want;
	} rows[] = {
		{"one of our authority", &client_cert, TLS_RESULT_OK},
		{"none", NULL, TLS_RESULT_NO_CERTIFICATE},
		{"one of another authority", &stranger, TLS_RESULT_UNTRUSTED},
	};
	start();
	CHECK_TABLE(row, rows)
	{
		struct tls_peer p;
		unsigned before = f->handshakes[row->want], messages = f->messages;
		peer_open(&p, LISTEN_TLS_REQUIRED, row->cert);
		AWAIT(peer_shake(&p) != 0 && f->handshakes[row->want] > before);
		/* Which authorities we believe is nobody's business. */
		EXPECT_TRUE(sk_X509_NAME_num(SSL_get0_peer_CA_list(p.ssl)) <= 0);
		if (row->want == TLS_RESULT_OK) {
			assert_true(SSL_write(p.ssl, message().p, (int)message().len) > 0);
			AWAIT(f->messages > messages);
			EXPECT_Z(str_from(f->peer_name), "client.test");
			EXPECT_TRUE(f->facts.verified);
		} else {
			AWAIT(peer_is_closed(&p));
			EXPECT_INT(f->messages, messages);
		}
		peer_close(&p);
	}
}

static void we_verify_whom_we_call(void **state)
{
	(void)state;
	const struct {
		const char *name;
		struct str host;
		bool verify, anchored;
		unsigned failed;
	} rows[] = {
		{"the name of its certificate", STR("edge.test"), true, true, 0},
		{"another name", STR("other.test"), true, true, 1},
		{"no name", STR(""), true, true, 1},
		{"no anchor of ours", STR("edge.test"), true, false, 1},
		{"not verified because the configuration says so", STR("other.test"), false, true,
		 0},
	};
	CHECK_TABLE(row, rows)
	{
		if (row != rows) {
			close_all(NULL);
			open_all(NULL);
		}
		f->trunks[1].tls_verify = row->verify;
		f->trunks[1].verify = row->anchored ? 0 : SETTINGS_NO_INDEX;
		start();
		f->echo = false;
		struct dest d = {.flow = {.listener = LISTEN_TLS,
					  .transport = TRANSPORT_TLS,
					  .remote = f->listeners[LISTEN_TLS].local},
				 .tls_name = row->host,
				 .trunk = 1};
		flow_send(&f->flows, &d, message(), 77);
		AWAIT(f->messages == 1 || f->failed == 1);
		EXPECT_INT(f->failed, row->failed);
		EXPECT_INT(f->messages, 1 - row->failed);
		if (row->failed)
			EXPECT_INT(f->why, SEND_FAILURE_TLS);
	}
}

/* CVE-2020-15260: one address, two names, one connection must not serve both. */
static void the_pool_keeps_names_apart(void **state)
{
	(void)state;
	start();
	f->echo = false;
	struct dest d = {.flow = {.listener = LISTEN_TLS,
				  .transport = TRANSPORT_TLS,
				  .remote = f->listeners[LISTEN_TLS].local},
			 .tls_name = STR("edge.test"),
			 .trunk = 1};
	flow_send(&f->flows, &d, message(), 1);
	AWAIT(f->messages == 1);
	EXPECT_U64(f->turn.stats.connections_opened, 1);
	d.tls_name = STR("other.test");
	flow_send(&f->flows, &d, message(), 2);
	AWAIT(f->failed == 1);
	EXPECT_INT(f->messages, 1);
	/* Another trunk: another certificate of ours, so another connection. */
	d.tls_name = STR("edge.test");
	d.trunk = 0;
	flow_send(&f->flows, &d, message(), 3);
	AWAIT(f->messages == 2);
	EXPECT_U64(f->turn.stats.connections_opened, 2);
	/* The first one is still good for its own. */
	d.trunk = 1;
	flow_send(&f->flows, &d, message(), 4);
	AWAIT(f->messages == 3);
	EXPECT_U64(f->turn.stats.connections_opened, 2);
}

static void our_client_certificate_is_shown(void **state)
{
	(void)state;
	start();
	f->echo = false;
	struct dest d = {.flow = {.listener = LISTEN_TLS,
				  .transport = TRANSPORT_TLS,
				  .remote = f->listeners[LISTEN_TLS_REQUIRED].local},
			 .tls_name = STR("edge.test"),
			 .trunk = 0};
	flow_send(&f->flows, &d, message(), 1);
	AWAIT(f->messages == 1);
	EXPECT_Z(str_from(f->peer_name), "client.test");
	/* Without one: in TLS 1.3 our end is up before the other has refused. The sender is told. */
	d.trunk = 1;
	flow_send(&f->flows, &d, message(), 2);
	AWAIT(f->failed == 1);
	EXPECT_U64(f->failed_tag, 2);
	EXPECT_INT(f->messages, 1);
}

/* A name that identifies a trunk counts only under the anchor that this trunk names. */
static void a_trunks_name_under_another_anchor(void **state)
{
	(void)state;
	char other[128];
	struct trust_anchor two[2];
	static const uint16_t both[2] = {0, 1};
	(void)snprintf(other, sizeof(other), "%s/other.pem", folder);
	cert_save(&stranger_ca, other, NULL);
	two[0] = f->anchor;
	two[1] = (struct trust_anchor){.path = str_from(other)};
	f->settings.anchors = two;
	f->settings.anchor_count = 2;
	f->listeners[LISTEN_TLS_REQUIRED].client_anchors = both;
	f->listeners[LISTEN_TLS_REQUIRED].client_anchor_count = 2;
	f->rules[0].certificate_name = STR("client.test"); /* trunk 0 verifies with anchor 0 */
	start();
	const struct cert *certs[2] = {&client_cert, &stranger};
	for (unsigned i = 0; i < 2; i++) {
		struct tls_peer p;
		unsigned messages = f->messages;
		peer_open(&p, LISTEN_TLS_REQUIRED, certs[i]);
		peer_up(&p);
		assert_true(SSL_write(p.ssl, message().p, (int)message().len) > 0);
		AWAIT(f->messages > messages);
		EXPECT_TRUE(f->facts.verified);
		EXPECT_Z(str_from(f->peer_name), i == 0 ? "client.test" : "");
		peer_close(&p);
	}
	unlink(other);
}

/* The chain that the peer sends along counts there too. */
static void a_trunks_name_through_an_intermediate(void **state)
{
	(void)state;
	struct cert between, leaf;
	struct tls_peer p;
	cert_init(&between, &(struct cert_params){.cn = "Between", .issuer = &ca, .is_ca = 1});
	cert_init(&leaf, &(struct cert_params){.san = "URI:sip:client.test", .issuer = &between});
	f->rules[0].certificate_name = STR("client.test");
	start();
	peer_open(&p, LISTEN_TLS_REQUIRED, &leaf);
	assert_int_equal(SSL_add1_chain_cert(p.ssl, between.x509), 1);
	peer_up(&p);
	assert_true(SSL_write(p.ssl, message().p, (int)message().len) > 0);
	AWAIT(f->messages == 1);
	EXPECT_Z(str_from(f->peer_name), "client.test");
	peer_close(&p);
	cert_release(&between);
	cert_release(&leaf);
}

static void more_handshakes_than_a_turn_takes(void **state)
{
	(void)state;
	enum { PEERS = 3 * FLOW_HANDSHAKES_A_TURN };
	static struct tls_peer p[PEERS];
	f->settings.limits.connections_per_source = 100;
	f->settings.limits.connections = 200;
	start();
	for (unsigned i = 0; i < PEERS; i++)
		peer_open(&p[i], LISTEN_TLS, NULL);
	AWAIT(f->turn.stats.connections_accepted == PEERS);
	for (unsigned i = 0; i < PEERS; i++)
		(void)peer_shake(&p[i]); /* all hellos are there at once */
	turn();
	EXPECT_TRUE(!list_is_empty(&f->flows.handshakes));
	EXPECT_TRUE(f->turn.again);
	for (unsigned i = 0; i < PEERS; i++)
		AWAIT(peer_shake(&p[i]) == 1);
	AWAIT(f->handshakes[TLS_RESULT_OK] == PEERS);
	for (unsigned i = 0; i < PEERS; i++)
		peer_close(&p[i]);
	AWAIT(flow_count(&f->flows) == 0);
}

/* Dials, says hello; true: it came up. */
static bool shakes(struct tls_peer *p)
{
	uint64_t refused =
		f->turn.stats.handshakes_refused_source + f->turn.stats.handshakes_refused_all;
	uint64_t end_ms = clock_mono_ms() + 10000;
	int up = 0;
	peer_open(p, LISTEN_TLS, NULL);
	while ((up = peer_shake(p)) != 1 && clock_mono_ms() < end_ms &&
	       f->turn.stats.handshakes_refused_source + f->turn.stats.handshakes_refused_all ==
		       refused)
		turn();
	return up == 1;
}

static void a_source_has_so_many_handshakes(void **state)
{
	(void)state;
	static struct tls_peer p[5];
	f->settings.limits.handshakes.per_source = (struct rate_limit){3, 3600000};
	start();
	/* What is no hello costs nothing of it. */
	for (unsigned i = 0; i < 5; i++) {
		int fd = dial(LISTEN_TLS);
		put(fd, STR("OPTIONS sip:a SIP/2.0\r\n"));
		AWAIT(is_closed(fd));
		close(fd);
	}
	for (unsigned i = 0; i < 5; i++)
		EXPECT_INT(shakes(&p[i]), i < 3);
	EXPECT_U64(f->turn.stats.handshakes_refused_source, 2);
	EXPECT_INT(f->end, FLOW_END_HANDSHAKES);
	EXPECT_INT(f->handshakes[TLS_RESULT_OK], 3);
	/* Those that are up are served. */
	p[0].len = 0;
	assert_true(SSL_write(p[0].ssl, message().p, (int)message().len) > 0);
	AWAIT(peer_has(&p[0], message().len));
	for (unsigned i = 0; i < 5; i++)
		peer_close(&p[i]);
	AWAIT(flow_count(&f->flows) == 0);
}

static void all_sources_have_so_many_handshakes(void **state)
{
	(void)state;
	static struct tls_peer p[4];
	f->settings.limits.handshakes.all = (struct rate_limit){2, 3600000};
	start();
	for (unsigned i = 0; i < 4; i++)
		EXPECT_INT(shakes(&p[i]), i < 2);
	EXPECT_U64(f->turn.stats.handshakes_refused_all, 2);
	for (unsigned i = 0; i < 4; i++)
		peer_close(&p[i]);
	AWAIT(flow_count(&f->flows) == 0);
}

static void the_last_descriptors_are_kept(void **state)
{
	(void)state;
	char mem[1024];
	start();
	int first = dial(LISTEN_TCP);
	put(first, message());
	EXPECT_STR(get(first, mem, message().len), message());
	/* All that is free lies above the bound. */
	f->flows.fd_bound = 3;
	int second = dial(LISTEN_TCP);
	AWAIT(is_closed(second));
	EXPECT_U64(f->turn.stats.connections_refused_descriptors, 1);
	put(first, message());
	EXPECT_STR(get(first, mem, message().len), message());
	/* What we open gets one all the same. */
	struct dest d = {.flow = {.listener = LISTEN_TCP,
				  .transport = TRANSPORT_TCP,
				  .remote = f->listeners[LISTEN_WS].local}};
	flow_send(&f->flows, &d, message(), ID_NONE);
	AWAIT(f->turn.stats.connections_opened == 1);
	close(first);
	close(second);
}

static void new_contexts_leave_connections_alone(void **state)
{
	(void)state;
	char mem[256];
	struct buf why;
	struct tls_set *next = NULL, *old = NULL;
	struct tls_peer p;
	start();
	peer_open(&p, LISTEN_TLS, NULL);
	peer_up(&p);
	buf_init(&why, mem, sizeof(mem));
	for (unsigned i = 0; i < 20; i++) {
		f->settings.generation++;
		assert_int_equal(tls_set_new(&next, &f->settings, &why), OK);
		old = f->tls;
		f->tls = next;
		flow_apply(&f->flows, next, &f->settings);
		tls_set_free(&old);
		p.len = 0;
		assert_true(SSL_write(p.ssl, message().p, (int)message().len) > 0);
		AWAIT(peer_has(&p, message().len));
	}
	EXPECT_INT(f->closed, 0);
	peer_close(&p);
}

/* ---- tests: WebSocket ---- */

static const char upgrade[] =
	"GET /sip HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	"Sec-WebSocket-Protocol: sip\r\n\r\n";
enum { WELCOME_LEN = 158 };

static int dial_web(void)
{
	char mem[WELCOME_LEN];
	int fd = dial(LISTEN_WS);
	put(fd, (struct str){upgrade, sizeof(upgrade) - 1});
	EXPECT_TRUE(str_has_suffix(get(fd, mem, WELCOME_LEN), STR("Protocol: sip\r\n\r\n")));
	return fd;
}

static void one_message_each_over_websocket(void **state)
{
	(void)state;
	char mem[64];
	start();
	int fd = dial_web();
	/* No Content-Length, and it is a message: the frame says where it ends. */
	put(fd, STR("\x81\x88\0\0\0\0OPTIONS "));
	EXPECT_STR(get(fd, mem, 10), STR("\x81\x08OPTIONS "));
	EXPECT_INT(f->messages, 1);
	EXPECT_INT(f->last.transport, TRANSPORT_WS);
	flow_send(&f->flows, &(struct dest){.flow = f->last}, STR("caf\xe9"), ID_NONE);
	EXPECT_STR(get(fd, mem, 6), STR("\x82\x04"
					"caf\xe9"));
	close(fd);
	AWAIT(f->closed == 1);
	EXPECT_INT(f->end, FLOW_END_PEER);
}

static void nobody_is_called_over_websocket(void **state)
{
	(void)state;
	start();
	struct dest d = {.flow = {.listener = LISTEN_WS,
				  .transport = TRANSPORT_WS,
				  .remote = f->listeners[LISTEN_TCP].local},
			 .trunk = SETTINGS_NO_INDEX,
			 .reconnect = true};
	flow_send(&f->flows, &d, message(), 7);
	AWAIT(f->failed == 1);
	EXPECT_INT(f->why, SEND_FAILURE_CLOSED);
	EXPECT_U64(f->failed_tag, 7);
	EXPECT_INT(flow_count(&f->flows), 0);
	/* Nor once its connection has gone. */
	int fd = dial_web();
	put(fd, STR("\x81\x81\0\0\0\0a"));
	AWAIT(f->messages == 1);
	close(fd);
	AWAIT(f->closed == 1);
	d.flow = f->last;
	flow_send(&f->flows, &d, message(), 8);
	AWAIT(f->failed == 2);
	EXPECT_U64(f->failed_tag, 8);
	EXPECT_INT(flow_count(&f->flows), 0);
}

static struct flow_conn *only_conn(void)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct flow_conn *c = pool_next(&f->flows.conns, &cursor, &id);
	assert_non_null(c);
	return c;
}

static void ping_now(void)
{
	struct flow_conn *c = only_conn();
	EXPECT_TRUE(c->ws.ping_ms >= f->turn.now_ms + 20000 &&
		    c->ws.ping_ms <= f->turn.now_ms + 30000);
	c->ws.ping_ms = f->turn.now_ms;
	turn_timer_set(&f->turn, &c->timer, f->turn.now_ms);
}

static void pings_and_what_silence_means(void **state)
{
	(void)state;
	char mem[8];
	f->settings.limits.idle_ms = 3600000;
	start();
	int fd = dial_web();
	ping_now();
	EXPECT_STR(get(fd, mem, 2), STR("\x89\0"));
	put(fd, STR("\x8a\x80\0\0\0\0"));
	AWAIT(only_conn()->ws.unanswered == 0);
	for (unsigned i = 0; i < 2; i++) {
		ping_now();
		EXPECT_STR(get(fd, mem, 2), STR("\x89\0"));
	}
	ping_now();
	AWAIT(f->ends == 1);
	EXPECT_INT(f->end, FLOW_END_IDLE);
	close(fd);
}

static void a_reload_brings_new_paths_and_origins(void **state)
{
	(void)state;
	static const struct str pages[] = {{"https://a.example", 17}};
	char mem[64];
	start();
	f->listeners[LISTEN_WS].origins = pages;
	f->listeners[LISTEN_WS].origin_count = 1;
	flow_apply(&f->flows, f->tls, &f->settings);
	int fd = dial(LISTEN_WS);
	put(fd, (struct str){upgrade, sizeof(upgrade) - 1});
	EXPECT_STR(get(fd, mem, 12), STR("HTTP/1.1 403"));
	AWAIT(is_closed(fd));
	AWAIT(f->ends == 1);
	EXPECT_INT(f->end, FLOW_END_UPGRADE);
	close(fd);
}

#define T(x) cmocka_unit_test_setup_teardown(x, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_message_and_its_answer),
		T(cut_at_every_byte),
		T(many_in_one_segment),
		T(keep_alives),
		T(bytes_that_are_not_sip),
		T(a_message_beyond_the_limit),
		T(silence_and_slowness),
		T(a_peer_that_does_not_read),
		T(limits_of_connections),
		T(limits_of_one_source),
		T(opened_once_and_used_again),
		T(an_accepted_connection_is_no_way_to_its_peers_other_names),
		T(nobody_listens),
		T(gone_before_it_answered),
		T(a_response_whose_flow_has_gone),
		T(closed_by_the_core),
		T(a_message_over_tls),
		T(plain_bytes_on_the_tls_port),
		T(client_certificates),
		T(we_verify_whom_we_call),
		T(the_pool_keeps_names_apart),
		T(our_client_certificate_is_shown),
		T(a_trunks_name_under_another_anchor),
		T(a_trunks_name_through_an_intermediate),
		T(more_handshakes_than_a_turn_takes),
		T(a_source_has_so_many_handshakes),
		T(all_sources_have_so_many_handshakes),
		T(the_last_descriptors_are_kept),
		T(new_contexts_leave_connections_alone),
		T(one_message_each_over_websocket),
		T(nobody_is_called_over_websocket),
		T(pings_and_what_silence_means),
		T(a_reload_brings_new_paths_and_origins),
	};
	return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
