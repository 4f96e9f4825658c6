#include "tests/support/relay_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bencode.h"
#include "rtpproxy/core/latch.h"
#include "tests/support/check.h"

enum { START_MS = 1000000 };

static enum err on_open(void *ctx, const struct addr *local, uint8_t tos, struct stream *s)
{
	struct relay_world *w = ctx;
	for (size_t i = 0; i < RW_SOCKETS; i++) {
		if (!w->sockets[i].stream) {
			w->sockets[i] = (struct rw_socket){*local, s, tos};
			w->open_count++;
			return OK;
		}
	}
	return ERR_FULL;
}

static struct rw_socket *find(struct relay_world *w, const struct stream *s)
{
	for (size_t i = 0; i < RW_SOCKETS; i++) {
		if (w->sockets[i].stream == s) {
			return &w->sockets[i];
		}
	}
	fail_msg("no such socket");
	return NULL;
}

static void on_close(void *ctx, struct stream *s)
{
	struct relay_world *w = ctx;
	find(w, s)->stream = NULL;
	w->open_count--;
}

static void on_tos(void *ctx, struct stream *s, uint8_t tos)
{
	find(ctx, s)->tos = tos;
}

static void on_send(void *ctx, struct stream *from, const struct addr *to, const uint8_t *data,
		    size_t len)
{
	struct relay_world *w = ctx;
	struct rw_sent *s = &w->sent[w->sent_count++ % RW_SENT];
	*s = (struct rw_sent){.from = find(w, from)->local, .to = *to, .len = len};
	memcpy(s->bytes, data, len < sizeof(s->bytes) ? len : sizeof(s->bytes));
}

static void on_publish(void *ctx, const struct relay_notice *n)
{
	struct relay_world *w = ctx;
	w->told[n->event]++;
	if (n->event == RELAY_DTMF) {
		size_t at = strlen(w->keys);
		snprintf(w->keys + at, sizeof(w->keys) - at, "%s%.*s:%u/%u", at ? " " : "",
			 STR_ARG(n->tag), n->digit, n->ms);
	}
	snprintf(w->last_detail, sizeof(w->last_detail), "%s", n->detail ? n->detail : "");
}

struct relay_now rw_now(const struct relay_world *w)
{
	return (struct relay_now){w->now_ms * 1000, (1700000000000 + w->now_ms) * 1000};
}

struct relay_world *rw_new(void)
{
	static const uint8_t seed[RNG_SEED_LEN] = {7};
	static const struct {
		const char *name, *addr, *shown;
	} interfaces[] = {{"pub", "192.0.2.100", "192.0.2.100"},
			  {"priv", "198.51.100.100", "203.0.113.100"},
			  {"pub", "2001:db8::100", "2001:db8::100"}};
	struct relay_world *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	w->now_ms = START_MS;
	w->config =
		(struct relay_config){.interface_count = 3,
				      .workers = 1,
				      .timeouts = {.media = 60000, .held = 600000, .offer = 300000},
				      .delete_delay_ms = 30000,
				      .srtp_engine = "openssl"};
	for (unsigned i = 0; i < 3; i++) {
		struct relay_interface *f = &w->config.interfaces[i];
		snprintf(f->name, sizeof(f->name), "%s", interfaces[i].name);
		assert_int_equal(addr_parse_ip(str_from(interfaces[i].addr), &f->addr), OK);
		assert_int_equal(addr_parse_ip(str_from(interfaces[i].shown), &f->shown), OK);
		f->port_min = 30000;
		f->port_max = 30099;
		f->latch = LATCH_STRICT;
	}
	const struct relay_ports ports = {.ctx = w,
					  .open = on_open,
					  .close = on_close,
					  .set_tos = on_tos,
					  .send = on_send,
					  .publish = on_publish};
	const struct relay_params params = {
		.config = &w->config, .ports = ports, .published = w->published, .seed = seed};
	const struct relay_now t = rw_now(w);
	assert_int_equal(relay_init(&w->relay, &params, &t), OK);
	assert_int_equal(arena_init_sized(&w->arena, 1024 * 1024), OK);
	return w;
}

void rw_free(struct relay_world *w)
{
	relay_release(&w->relay);
	assert_int_equal(w->open_count, 0);
	arena_release(&w->arena);
	free(w);
}

void rw_send(struct relay_world *w, const char *peer, struct str datagram)
{
	struct buf b;
	const struct relay_now t = rw_now(w);
	buf_init(&b, w->text, sizeof(w->text));
	relay_command(&w->relay, &t, str_from(peer), datagram, &b);
	w->text_len = b.len;
	w->reply = NULL;
	size_t space = str_index(buf_view(&b), ' ');
	if (b.len > 0) {
		arena_reset(&w->arena);
		assert_true(bencode_parse(str_from_offset(buf_view(&b), space + 1), &w->arena,
					  &w->reply) > 0);
	}
}

void rw_ask(struct relay_world *w, const char *command, ...)
{
	static char mem[65536];
	struct buf b;
	va_list args;
	const char *key;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "%u d7:command%zu:%s", w->cookie++, strlen(command), command);
	va_start(args, command);
	while ((key = va_arg(args, const char *))) {
		const char *value = va_arg(args, const char *);
		buf_printf(&b, "%zu:%s%zu:%s", strlen(key), key, strlen(value), value);
	}
	va_end(args);
	buf_char(&b, 'e');
	assert_false(b.overflow);
	rw_send(w, "peer", buf_view(&b));
	assert_non_null(w->reply);
}

struct str rw_got(const struct relay_world *w, const char *key)
{
	return dict_get_str(w->reply, str_from(key));
}

void rw_expect_ok(const struct relay_world *w)
{
	EXPECT_STR(rw_got(w, "error-reason"), STR(""));
	EXPECT_STR(rw_got(w, "result"), STR("ok"));
}

void rw_expect_error(const struct relay_world *w, enum refusal r)
{
	EXPECT_STR(rw_got(w, "result"), STR("error"));
	EXPECT_Z(rw_got(w, "error-reason"), refusal_text(r));
}

uint16_t rw_port(const struct relay_world *w, unsigned index)
{
	struct str sdp = rw_got(w, "sdp"), line, word;
	while (str_cut(&sdp, '\n', &line)) {
		if (str_has_prefix(line, STR("m=")) && index-- == 0) {
			uint16_t port = 0;
			assert_true(str_cut_word(&line, &word) && str_cut_word(&line, &word));
			assert_int_equal(str_to_u16(word, UINT16_MAX, &port), OK);
			return port;
		}
	}
	fail_msg("no such m= line");
	return 0;
}

enum pkt_fate rw_packet(struct relay_world *w, uint16_t to, uint8_t host, uint16_t port,
			struct media_pkt *m)
{
	struct pkt *list[1] = {&m->pkt};
	m->pkt.stream = NULL;
	m->pkt.truncated = false;
	for (size_t i = 0; i < RW_SOCKETS; i++) {
		if (w->sockets[i].stream && w->sockets[i].local.port == to) {
			m->pkt.stream = w->sockets[i].stream;
		}
	}
	m->pkt.from = media_addr(host, port);
	m->pkt.at_us = w->now_ms * 1000;
	relay_batch(&w->relay, list, 1, w->now_ms * 1000);
	return (enum pkt_fate)m->pkt.fate;
}

enum pkt_fate rw_rtp(struct relay_world *w, uint16_t to, uint8_t host, uint16_t port, uint8_t pt,
		     struct media_pkt *m)
{
	static uint16_t seq;
	const struct media_rtp f = {.ssrc = host,
				    .seq = seq++,
				    .timestamp = seq * 160u,
				    .payload_type = pt,
				    .payload = 160,
				    .fill = 0xd5};
	media_pkt_set(m, PKT_RTP, media_rtp_write(&f, m->bytes));
	return rw_packet(w, to, host, port, m);
}

void rw_tick(struct relay_world *w, uint64_t ms)
{
	/* As the shell does: in small steps. */
	for (uint64_t end = w->now_ms + ms; w->now_ms < end;) {
		w->now_ms += end - w->now_ms < 1000 ? end - w->now_ms : 1000;
		const struct relay_now t = rw_now(w);
		relay_tick(&w->relay, &t);
	}
}
