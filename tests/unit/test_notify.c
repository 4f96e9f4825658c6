/* Events that the relay sends of its own accord: who gets them, in which words, and when it gets none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bencode.h"
#include "rtpproxy/core/latch.h"
#include "rtpproxy/core/notify.h"
#include "tests/support/check.h"

enum { START_MS = 1000000 };

/* A relay whose sockets are nothing, and which writes down the last event that it told a client. */
struct world {
	struct relay_config config;
	struct relay_published published[1];
	struct relay relay;
	uint64_t now_ms;
	unsigned told, cookie;
	char owner[LIMIT_PEER], text[NOTIFY_MAX];
	size_t owner_len, text_len;
	char reply[LIMIT_DATAGRAM];
};

static enum err on_open(void *ctx, const struct addr *local, uint8_t tos, struct stream *s)
{
	(void)ctx, (void)local, (void)tos, (void)s;
	return OK;
}

static void on_close(void *ctx, struct stream *s)
{
	(void)ctx, (void)s;
}

static void on_tos(void *ctx, struct stream *s, uint8_t tos)
{
	(void)ctx, (void)s, (void)tos;
}

static void on_publish(void *ctx, const struct relay_notice *n)
{
	struct world *w = ctx;
	struct buf b;
	if (n->owner.len == 0 || !notify_name(n->event)) {
		return;
	}
	w->told++;
	memcpy(w->owner, n->owner.p, n->owner.len);
	w->owner_len = n->owner.len;
	buf_init(&b, w->text, sizeof(w->text));
	notify_write(&b, n, 1700000000123);
	assert_false(b.overflow);
	w->text_len = b.len;
}

static struct relay_now now(const struct world *w)
{
	return (struct relay_now){w->now_ms * 1000, (1700000000000 + w->now_ms) * 1000};
}

static struct world *world_new(void)
{
	static const uint8_t seed[RNG_SEED_LEN] = {7};
	struct world *w = calloc(1, sizeof(*w));
	w->now_ms = START_MS;
	w->config = (struct relay_config){.interface_count = 1,
					  .workers = 1,
					  .timeouts = {.media = 60000, .offer = 300000},
					  .srtp_engine = "openssl"};
	struct relay_interface *f = &w->config.interfaces[0];
	assert_int_equal(addr_parse_ip(STR("192.0.2.100"), &f->addr), OK);
	f->shown = f->addr;
	f->port_min = 30000;
	f->port_max = 30999;
	f->latch = LATCH_STRICT;
	const struct relay_ports ports = {.ctx = w,
					  .open = on_open,
					  .close = on_close,
					  .set_tos = on_tos,
					  .publish = on_publish};
	const struct relay_params params = {
		.config = &w->config, .ports = ports, .published = w->published, .seed = seed};
	const struct relay_now t = now(w);
	assert_int_equal(relay_init(&w->relay, &params, &t), OK);
	return w;
}

static void world_free(struct world *w)
{
	relay_release(&w->relay);
	free(w);
}

#define SDP                                                                                        \
	"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"                \
	"m=audio 5000 RTP/AVP 0\r\n"

/* `extra`: members of the dictionary as they are. */
static void ask(struct world *w, const char *peer, const char *command, const char *call,
		const char *extra)
{
	char mem[2048];
	struct buf b, reply;
	const struct relay_now t = now(w);
	buf_init(&b, mem, sizeof(mem));
	buf_init(&reply, w->reply, sizeof(w->reply));
	buf_printf(&b, "%u d7:command%zu:%s7:call-id%zu:%s8:from-tag1:A", w->cookie++,
		   strlen(command), command, strlen(call), call);
	if (strcmp(command, "delete") != 0) {
		buf_printf(&b, "3:sdp%zu:%s", strlen(SDP), SDP);
	}
	buf_z(&b, extra);
	buf_char(&b, 'e');
	relay_command(&w->relay, &t, str_from(peer), buf_view(&b), &reply);
	assert_non_null(memmem(reply.p, reply.len, "2:ok", 4));
}

static void tick(struct world *w, uint64_t ms)
{
	for (uint64_t end = w->now_ms + ms; w->now_ms < end;) {
		w->now_ms += 1000;
		const struct relay_now t = now(w);
		relay_tick(&w->relay, &t);
	}
}

static struct str said(const struct world *w)
{
	return (struct str){w->text, w->text_len};
}

static struct str heard_by(const struct world *w)
{
	return (struct str){w->owner, w->owner_len};
}

static void a_call_that_ends_by_time_out_is_told_to_the_client_that_asked(void **state)
{
	(void)state;
	struct world *w = world_new();
	ask(w, "sbc", "offer", "c1", "6:notify6:secret");
	ask(w, "sbc", "answer", "c1", "6:to-tag1:B");
	tick(w, 50000);
	EXPECT_INT(w->told, 0);
	tick(w, 20000);
	EXPECT_INT(w->told, 1);
	EXPECT_Z(heard_by(w), "sbc");
	EXPECT_Z(said(w),
		 "secret d4:datad6:callid2:c16:reason8:no media3:seqi4115108113e9:timestampi"
		 "1700000000e4:type5:mediae6:notify11:onCallEndede");
	world_free(w);
}

static void nobody_is_told_who_did_not_ask_or_ended_the_call_itself(void **state)
{
	(void)state;
	struct world *w = world_new();
	ask(w, "kamailio", "offer", "c1", "");
	ask(w, "kamailio", "answer", "c1", "6:to-tag1:B");
	ask(w, "sbc", "offer", "c2", "6:notify3:yes");
	ask(w, "sbc", "delete", "c2", "12:delete-delayi0e");
	ask(w, "sbc", "offer", "c3", "6:notify3:yes");
	ask(w, "sbc", "delete", "c3", "12:delete-delayi5e");
	/* A word that could not stand in front of a datagram is none. */
	ask(w, "sbc", "offer", "c4", "6:notify3:a b");
	tick(w, 400000);
	EXPECT_INT(w->relay.calls.used, 0);
	EXPECT_INT(w->told, 0);
	/* Nor at the end of the relay: the call goes on elsewhere. */
	ask(w, "sbc", "offer", "c5", "6:notify3:yes");
	relay_release(&w->relay);
	EXPECT_INT(w->told, 0);
	free(w);
}

static void the_client_that_asked_last_has_the_events(void **state)
{
	(void)state;
	struct world *w = world_new();
	ask(w, "sbc-1", "offer", "c1", "6:notify3:one");
	ask(w, "sbc-1", "answer", "c1", "6:to-tag1:B");
	ask(w, "sbc-2", "offer", "c1", "6:to-tag1:B6:notify3:two");
	ask(w, "sbc-2", "answer", "c1", "6:to-tag1:B");
	tick(w, 70000);
	EXPECT_INT(w->told, 1);
	EXPECT_Z(heard_by(w), "sbc-2");
	EXPECT_TRUE(str_has_prefix(said(w), STR("two d4:data")));
	for (unsigned i = 0; i < LIMIT_OWNERS; i++) {
		EXPECT_INT(w->relay.owners.at[i].calls, 0);
	}
	world_free(w);
}

static void one_client_more_than_the_table_holds_hears_nothing(void **state)
{
	(void)state;
	struct world *w = world_new();
	char name[16];
	for (unsigned i = 0; i <= LIMIT_OWNERS; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		ask(w, name, "offer", name, "6:notify3:yes");
	}
	tick(w, 400000);
	EXPECT_INT(w->told, LIMIT_OWNERS);
	/* All have gone: there is room again. */
	ask(w, "late", "offer", "late", "6:notify3:yes");
	tick(w, 400000);
	EXPECT_INT(w->told, LIMIT_OWNERS + 1);
	EXPECT_Z(heard_by(w), "late");
	world_free(w);
}

static void an_event_says_what_the_protocol_has(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct relay_notice n;
		const char *text;
	} rows[] = {
		{"a key that was pressed",
		 {.event = RELAY_DTMF,
		  .tag = {"A", 1},
		  .label = {"caller", 6},
		  .other_tag = {"B", 1},
		  .digit = 5,
		  .volume = 8,
		  .ms = 250,
		  .source = {.family = ADDR_IP4, .ip = {192, 0, 2, 1}}},
		 "ck d4:datad6:callid2:c18:durationi250e5:eventi5e3:seqi1e9:source_ip9:192.0.2.1"
		 "12:source_label6:caller10:source_tag1:A4:tagsl1:Be9:timestampi1700000000e"
		 "4:type4:DTMF6:volumei8ee6:notify6:onDTMFe"},
		{"a party that is not heard any more",
		 {.event = RELAY_MEDIA_LOST, .tag = {"A", 1}, .kind = {"audio", 5}, .ms = 7000},
		 "ck d4:datad6:callid2:c18:durationi7000e4:kind5:audio3:seqi1e10:source_tag1:A"
		 "9:timestampi1700000000e4:type5:mediae6:notify11:onMediaLoste"},
		{"a party that is heard again",
		 {.event = RELAY_MEDIA_BACK, .tag = {"A", 1}},
		 "ck d4:datad6:callid2:c13:seqi1e10:source_tag1:A9:timestampi1700000000e"
		 "4:type5:mediae6:notify11:onMediaBacke"},
		{"a party that was never heard",
		 {.event = RELAY_MEDIA_ONE_WAY, .tag = {"A", 1}},
		 "ck d4:datad6:callid2:c13:seqi1e10:source_tag1:A9:timestampi1700000000e"
		 "4:type5:mediae6:notify8:onOneWaye"},
		{"a command that was refused is the asker's alone", {.event = RELAY_REFUSED}, ""},
		{"so is the beginning of a call", {.event = RELAY_CALL_STARTED}, ""},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[NOTIFY_MAX];
		struct buf b;
		struct arena a;
		char tree[4096];
		struct dict *d = NULL;
		struct relay_notice n = row->n;
		n.call_id = STR("c1");
		n.cookie = STR("ck");
		n.seq = 1;
		buf_init(&b, mem, sizeof(mem));
		notify_write(&b, &n, 1700000000123);
		EXPECT_Z(buf_view(&b), row->text);
		arena_init(&a, tree, sizeof(tree));
		if (b.len > 0) {
			EXPECT_INT(bencode_parse(str_from_offset(buf_view(&b), 3), &a, &d),
				   b.len - 3);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_that_ends_by_time_out_is_told_to_the_client_that_asked),
		cmocka_unit_test(nobody_is_told_who_did_not_ask_or_ended_the_call_itself),
		cmocka_unit_test(the_client_that_asked_last_has_the_events),
		cmocka_unit_test(one_client_more_than_the_table_holds_hears_nothing),
		cmocka_unit_test(an_event_says_what_the_protocol_has),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
