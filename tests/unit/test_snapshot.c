/* A call as octets: what goes in comes out, in another node too, and what is not whole is nothing. */
#include "sbc/core/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "sbc/core/keep.h"
#include "sbc/core/worker.h"
#include "tests/support/check.h"
#include "tests/support/site_call.h"

static struct site t, u;
static struct site_call k;
static char mem[2][SNAPSHOT_MAX + 16];

static void share(struct site *s, const char *node, uint8_t seed)
{
	site_init(s);
	s->set.node = str_from(node);
	s->set.store.kind = STORE_KIND_REDIS;
	s->set.store.key = STR("a key of thirty-two octets......");
	s->seed = seed;
	for (size_t i = 0; i < SITE_TRUNKS; i++)
		s->trunks[i].habits.session_timer =
			(struct session_timer_settings){.on = true, .expires_s = 1800, .min_s = 90};
	site_start(s);
}

static void start(void)
{
	share(&t, "sbc1", 1);
	share(&u, "sbc2", 2);
	site_establish(&t, &k, "Session-ID: 11112222333344445555666677778888\r\n",
		       "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n");
}

static void end(void)
{
	site_stop(&t);
	site_stop(&u);
}

static struct str taken(struct site *s, struct snapshot *x, unsigned which)
{
	struct buf b;

	arena_reset(&s->sbc->arena);
	EXPECT_TRUE(snapshot_take(s->sbc, site_the_call(s), x));
	buf_init(&b, mem[which], sizeof(mem[which]));
	snapshot_encode(&b, x);
	return buf_view(&b);
}

static void saved_loaded_saved_is_the_same(void **state)
{
	(void)state;
	struct snapshot x, y;
	struct buf b;
	start();
	struct str bytes = taken(&t, &x, 0);
	EXPECT_TRUE(bytes.len > 500 && bytes.len <= 2048);
	print_message("# a plain call: %zu octets\n", bytes.len);
	EXPECT_ERR(snapshot_decode(bytes, &y), OK);
	EXPECT_STR(y.name, x.name);
	EXPECT_STR(y.leg[1].trunk, STR("pbx"));
	EXPECT_STR(y.leg[0].shown, x.leg[0].shown);
	EXPECT_TRUE(y.leg[1].session.running && y.leg[1].session.expire_ms > y.answer_ms);
	buf_init(&b, mem[1], sizeof(mem[1]));
	snapshot_encode(&b, &y);
	EXPECT_STR(buf_view(&b), bytes);
	end();
}

/* Every beginning of it is none; an octet that is another is none, or a snapshot that is written as it was read. */
static void what_is_not_whole_is_no_snapshot(void **state)
{
	(void)state;
	struct snapshot x, y;
	struct buf b;
	start();
	struct str bytes = taken(&t, &x, 0);
	for (size_t n = 0; n < bytes.len; n++) {
		char *cut = malloc(n + 1);
		memcpy(cut, bytes.p, n);
		EXPECT_TRUE(snapshot_decode((struct str){cut, n}, &y) != OK);
		free(cut);
	}
	char *copy = malloc(bytes.len + 1);
	memcpy(copy, bytes.p, bytes.len);
	copy[bytes.len] = 0;
	EXPECT_TRUE(snapshot_decode((struct str){copy, bytes.len + 1}, &y) != OK);
	for (size_t i = 0; i < bytes.len; i++) {
		for (unsigned bit = 0; bit < 8; bit += 1) {
			copy[i] = (char)(bytes.p[i] ^ (1 << bit));
			if (snapshot_decode((struct str){copy, bytes.len}, &y) == OK) {
				buf_init(&b, mem[1], sizeof(mem[1]));
				snapshot_encode(&b, &y);
				EXPECT_STR(buf_view(&b), ((struct str){copy, bytes.len}));
				/* And it makes a call, or none, but no harm. */
				struct call *c = NULL;
				if (snapshot_restore(u.sbc, &y, &c) == OK) {
					u.sbc->counts.confirmed--;
					u.sbc->counts.relay_sessions -= c->media.open;
					call_free(u.sbc, &c);
				}
			}
		}
		copy[i] = bytes.p[i];
	}
	copy[0] = SNAPSHOT_VERSION + 1;
	EXPECT_ERR(snapshot_decode((struct str){copy, bytes.len}, &y), ERR_UNSUPPORTED);
	free(copy);
	end();
}

static void too_much_sdp_is_left_out(void **state)
{
	(void)state;
	struct snapshot x, y;
	struct buf b;
	static char big[SNAPSHOT_SDP_MAX], room[2 * SNAPSHOT_MAX];
	start();
	(void)taken(&t, &x, 0);
	memset(big, 'x', sizeof(big));
	for (unsigned side = 0; side < 2; side++)
		x.leg[side].shown = x.leg[side].agreed = (struct str){big, sizeof(big)};
	buf_init(&b, room, sizeof(room));
	buf_lit(&b, "before");
	snapshot_encode(&b, &x);
	EXPECT_TRUE(!b.overflow && b.len < 2048);
	EXPECT_BYTES(room, "before", 6);
	EXPECT_ERR(snapshot_decode((struct str){room + 6, b.len - 6}, &y), OK);
	EXPECT_INT(y.leg[0].shown.len, 0);
	EXPECT_STR(y.name, x.name);
	end();
}

/* All but what is another node's own: who it is, its CSeqs, its connection. */
static void a_restored_call_is_the_call(void **state)
{
	(void)state;
	struct snapshot x, y;
	struct call *c = NULL;
	start();
	(void)taken(&t, &x, 0);
	site_tick(&u, 5000);
	EXPECT_ERR(snapshot_restore(u.sbc, &x, &c), OK);
	arena_reset(&u.sbc->arena);
	EXPECT_TRUE(snapshot_take(u.sbc, c, &y));
	EXPECT_STR(y.name, x.name);
	EXPECT_STR(y.node, STR("sbc2"));
	EXPECT_TRUE(y.boot != x.boot && y.key.boot == x.key.boot && y.key.id == x.key.id);
	EXPECT_U64(y.start_ms, x.start_ms);
	EXPECT_U64(y.answer_ms, x.answer_ms);
	EXPECT_STR(y.route, x.route);
	for (unsigned i = 0; i < SNAPSHOT_TEXTS; i++)
		EXPECT_STR(y.text[i], x.text[i]);
	EXPECT_INT(y.attempt_count, 1);
	EXPECT_STR(y.attempts[0].peer, x.attempts[0].peer);
	for (unsigned side = 0; side < 2; side++) {
		const struct snapshot_leg *a = &x.leg[side], *b = &y.leg[side];
		for (unsigned i = 0; i < DIALOG_TEXT_COUNT; i++)
			EXPECT_STR(b->text[i], a->text[i]);
		EXPECT_TRUE(a->local_cseq ? b->local_cseq > a->local_cseq : b->local_cseq == 0);
		EXPECT_INT(b->remote_cseq, a->remote_cseq);
		EXPECT_STR(b->trunk, a->trunk);
		EXPECT_STR(b->peer, a->peer);
		EXPECT_STR(b->realm, a->realm);
		EXPECT_TRUE(addr_eq(&b->remote, &a->remote) && addr_eq(&b->local, &a->local));
		EXPECT_U64(b->session.expire_ms, a->session.expire_ms);
		EXPECT_STR(b->shown, a->shown);
		EXPECT_STR(b->agreed, a->agreed);
		EXPECT_U64(b->face.sdp.hash, a->face.sdp.hash);
		EXPECT_INT(b->face.sdp.version, a->face.sdp.version);
		EXPECT_BYTES(b->uuid, a->uuid, SESSION_ID_LEN);
	}
	struct sbc_counts n;
	sbc_count(u.sbc, &n);
	EXPECT_INT(n.calls, 1);
	EXPECT_INT(n.calls_confirmed, 1);
	EXPECT_INT(n.relay_sessions, 1);
	EXPECT_U64(n.calls_total, 0);
	end();
}

static void what_this_node_does_not_have_restores_nothing(void **state)
{
	(void)state;
	struct snapshot x, y;
	struct call *c = NULL;
	static const struct {
		const char *name;
		bool trunk, realm, family;
		enum err want;
	} rows[] = {
		{"a trunk that is not there: it can still be ended", true, false, false, OK},
		{"a realm that is not there", false, true, false, ERR_NOTFOUND},
		{"an address family without a listener", false, false, true, ERR_NOTFOUND},
	};
	start();
	(void)taken(&t, &x, 0);
	CHECK_TABLE(row, rows)
	{
		y = x;
		if (row->trunk)
			y.leg[1].trunk = STR("gone");
		if (row->realm)
			y.leg[1].realm = STR("gone");
		if (row->family)
			y.leg[1].remote.family = y.leg[1].local.family = ADDR_IP6;
		EXPECT_ERR(snapshot_restore(u.sbc, &y, &c), row->want);
		struct sbc_counts n;
		sbc_count(u.sbc, &n);
		EXPECT_INT(n.calls, row->want == OK);
		EXPECT_INT(n.calls_confirmed, row->want == OK);
		EXPECT_INT(n.relay_sessions, row->want == OK);
		if (row->want == OK) {
			u.sbc->counts.confirmed--;
			u.sbc->counts.relay_sessions--;
			call_free(u.sbc, &c);
		}
	}
	end();
}

static void aliases_and_pages_come_back(void **state)
{
	(void)state;
	char out[64];
	struct buf b;
	struct hide_name n = {0x01020304, 0x1112131415161718}, m = {0, 0};
	struct hide_name names[KEEP_PAGE];
	size_t count;
	buf_init(&b, out, sizeof(out));
	keep_write_alias(&b, n);
	EXPECT_STR(buf_view(&b), STR("\xa1\x01\x02\x03\x04\x11\x12\x13\x14\x15\x16\x17\x18"));
	EXPECT_TRUE(keep_read_alias(buf_view(&b), &m));
	EXPECT_TRUE(m.boot == n.boot && m.id == n.id);
	EXPECT_TRUE(!keep_read_page(buf_view(&b), names, &count));
	EXPECT_TRUE(!keep_read_alias((struct str){out, b.len - 1}, &m));
	EXPECT_TRUE(keep_read_page(STR("\xa2\x01\x02\x03\x04\x11\x12\x13\x14\x15\x16\x17\x18"),
				   names, &count));
	EXPECT_TRUE(count == 1 && names[0].boot == n.boot && names[0].id == n.id);
	EXPECT_TRUE(!keep_read_page(STR("\xa2\x01"), names, &count));
	EXPECT_TRUE(!keep_read_page(STR("\xa2\0\0\0\0\x11\x12\x13\x14\x15\x16\x17\x18"), names,
				    &count));
	EXPECT_STR(keep_call_key(n, 0, out), STR("call:{01020304-1112131415161718}"));
	EXPECT_STR(keep_call_key(n, 3, out), STR("call:{01020304-1112131415161718}.3"));
	EXPECT_STR(keep_epoch_key(n, out), STR("epoch:{01020304-1112131415161718}"));
}

/* What other versions of this program have written is read for ever, or its version is another. */
static void the_octets_of_version_one_stay(void **state)
{
	(void)state;
	static char file[8192];
	struct snapshot x;
	struct buf b;
	FILE *f = fopen("tests/data/snapshot/v1.bin", "rb");
	EXPECT_TRUE(f != NULL);
	struct str bytes = {file, fread(file, 1, sizeof(file), f)};
	fclose(f);
	EXPECT_ERR(snapshot_decode(bytes, &x), OK);
	EXPECT_STR(x.node, STR("sbc1"));
	EXPECT_STR(x.text[CALL_USER_AGENT], STR("Canary/1.0"));
	EXPECT_INT(x.leg[0].invite_cseq, 7);
	EXPECT_STR(x.leg[1].realm, STR("inside"));
	EXPECT_INT(x.leg[1].session.expires_s, 600);
	buf_init(&b, mem[0], sizeof(mem[0]));
	snapshot_encode(&b, &x);
	EXPECT_STR(buf_view(&b), bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(saved_loaded_saved_is_the_same),
		cmocka_unit_test(what_is_not_whole_is_no_snapshot),
		cmocka_unit_test(too_much_sdp_is_left_out),
		cmocka_unit_test(a_restored_call_is_the_call),
		cmocka_unit_test(what_this_node_does_not_have_restores_nothing),
		cmocka_unit_test(aliases_and_pages_come_back),
		cmocka_unit_test(the_octets_of_version_one_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
