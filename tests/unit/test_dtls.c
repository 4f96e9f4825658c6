/*
 * The DTLS association as a leaf: two of ours over a wire that loses, repeats and reorders, and one of ours against the plain
 * library in the roles and with the offers of other people's clients.
 */
#include <openssl/srtp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/time.h>

#include "rtpproxy/core/dtls.h"
#include "tests/support/cert.h"
#include "tests/support/check.h"
#include "tests/support/media.h"

enum { QUEUE = 64, FIRST_MS = 250, TURNS = 1000, WALL_S = 1700000000, DAY_S = 86400 };

static const struct dtls_params params = {
	.wall_s = WALL_S, .lifetime_s = 30 * DAY_S, .now_ms = 1000, .first_ms = FIRST_MS};

/*
 * The library reads its clock by this function and takes no other; here it stands still until a test moves it, so that a lossy
 * minute passes in no time and every run is the same. A departure from the rule that tests redefine nothing of libc, for want of
 * an argument to give the time by.
 */
static uint64_t clock_ms = 1000000;

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	(void)zone;
	t->tv_sec = (time_t)(clock_ms / 1000);
	t->tv_usec = (suseconds_t)(clock_ms % 1000 * 1000);
	return 0;
}

struct datagram {
	uint8_t bytes[DTLS_MTU];
	size_t len;
	unsigned to;
};

/* Two sides and what is on its way between them. */
struct wire {
	struct dtls_worker workers[2];
	struct dtls d[2];
	struct addr at[2];
	struct datagram queue[QUEUE];
	size_t count, sent, largest, carried;
	uint64_t random, now_ms;
	unsigned loss, twice, reorder; /* of 100 */
	size_t faults;                 /* so many datagrams may suffer */
	size_t drop_nth;               /* this one is lost, counted from 1; 0: none */
	uint8_t failures[2];           /* the last one of each */
};

static void expect_of(const struct dtls_worker *w, enum dtls_hash h, struct dtls_expect *out)
{
	*out = (struct dtls_expect){.count = 1};
	out->at[0] = w->ours.prints[h];
}

static void wire_init(struct wire *w, bool cookie)
{
	*w = (struct wire){.now_ms = 1000, .random = 1};
	for (unsigned i = 0; i < 2; i++) {
		EXPECT_ERR(dtls_worker_init(&w->workers[i], &params), OK);
		dtls_init(&w->d[i], &w->workers[i], i ? DTLS_SERVER : DTLS_CLIENT, 1);
		w->at[i] = media_addr((uint8_t)(i + 1), (uint16_t)(5000 + i));
	}
	w->d[1].cookie = cookie;
}

static void know_each_other(struct wire *w)
{
	for (unsigned i = 0; i < 2; i++) {
		struct dtls_expect e;
		expect_of(&w->workers[1 - i], DTLS_SHA256, &e);
		dtls_expect(&w->d[i], &e);
	}
}

static void wire_release(struct wire *w)
{
	for (unsigned i = 0; i < 2; i++) {
		dtls_release(&w->d[i]);
		dtls_worker_release(&w->workers[i]);
	}
}

static bool chance(struct wire *w, unsigned of_100)
{
	return w->faults > 0 && media_random(&w->random) % 100 < of_100 && w->faults--;
}

static void post(struct wire *w, unsigned from, const struct dtls_out *o)
{
	for (unsigned i = 0; i < o->count; i++) {
		w->sent++;
		w->largest = o->len[i] > w->largest ? o->len[i] : w->largest;
		if (w->sent == w->drop_nth || chance(w, w->loss)) {
			continue;
		}
		unsigned copies = chance(w, w->twice) ? 2 : 1;
		while (copies-- > 0 && w->count < QUEUE) {
			struct datagram *g = &w->queue[w->count++];
			memcpy(g->bytes, o->bytes[i], o->len[i]);
			g->len = o->len[i];
			g->to = 1 - from;
		}
	}
}

static struct datagram take(struct wire *w)
{
	size_t i = chance(w, w->reorder) ? media_random(&w->random) % w->count : 0;
	struct datagram g = w->queue[i];
	memmove(&w->queue[i], &w->queue[i + 1], (w->count - i - 1) * sizeof(g));
	w->count--;
	return g;
}

static void carry(struct wire *w)
{
	struct dtls_out o;
	while (w->count > 0) {
		struct datagram g = take(w);
		(void)dtls_step(&w->d[g.to], &w->at[1 - g.to], g.bytes, g.len, w->now_ms, &o);
		w->carried++;
		w->failures[g.to] = o.failure ? o.failure : w->failures[g.to];
		post(w, g.to, &o);
	}
}

static bool both_up(const struct wire *w)
{
	return w->d[0].state == DTLS_UP && w->d[1].state == DTLS_UP;
}

static void start(struct wire *w)
{
	struct dtls_out o;
	dtls_start(&w->d[0], &w->at[1], w->now_ms, &o);
	EXPECT_INT(o.count, 1);
	post(w, 0, &o);
}

/* Until both are up or nothing is to be hoped for any more. */
static void run(struct wire *w)
{
	struct dtls_out o;
	start(w);
	carry(w);
	for (size_t turns = 0; !both_up(w) && turns < TURNS; turns++) {
		clock_ms += 50;
		w->now_ms += 50;
		for (unsigned i = 0; i < 2; i++) {
			dtls_tick(&w->d[i], w->now_ms, &o);
			post(w, i, &o);
		}
		carry(w);
	}
}

static void expect_same_keys(const struct dtls *a, const struct dtls *b)
{
	EXPECT_INT(a->suite, b->suite);
	EXPECT_TRUE(secret_eq(&a->keys[SRTP_RX], &b->keys[SRTP_TX]));
	EXPECT_TRUE(secret_eq(&a->keys[SRTP_TX], &b->keys[SRTP_RX]));
	EXPECT_TRUE(!secret_eq(&a->keys[SRTP_TX], &a->keys[SRTP_RX]));
	const struct sdes_suite_info *info = sdes_suite_info((enum sdes_suite)a->suite);
	EXPECT_INT(a->keys[SRTP_RX].len, info->key_len + info->salt_len);
}

static void two_of_ours_agree_on_keys(void **state)
{
	(void)state;
	for (unsigned cookie = 0; cookie < 2; cookie++) {
		struct wire w;
		wire_init(&w, cookie);
		know_each_other(&w);
		run(&w);
		EXPECT_TRUE(both_up(&w));
		EXPECT_TRUE(dtls_is_proven(&w.d[0]) && dtls_is_proven(&w.d[1]));
		EXPECT_INT(w.d[0].suite, SDES_AEAD_AES_256_GCM);
		expect_same_keys(&w.d[0], &w.d[1]);
		/* hello, (cookie, hello,) the server's flight, the client's, the last one */
		EXPECT_INT(w.sent, cookie ? 6 : 4);
		EXPECT_TRUE(w.largest <= DTLS_MTU);
		/* The library's memory is given back, and the deadline with it. */
		EXPECT_TRUE(!w.d[0].ssl && !w.d[1].ssl);
		EXPECT_INT(w.workers[0].handshakes + w.workers[1].handshakes, 0);
		wire_release(&w);
	}
}

static void a_wire_that_loses_repeats_and_reorders_only_delays(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct wire w;
		wire_init(&w, seed % 2);
		know_each_other(&w);
		w.random = seed;
		w.loss = 30;
		w.twice = 20;
		w.reorder = 40;
		w.faults = 8;
		run(&w);
		EXPECT_TRUE(both_up(&w));
		expect_same_keys(&w.d[0], &w.d[1]);
		wire_release(&w);
	}
}

static void each_single_loss_is_made_good(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 6; n++) {
		struct wire w;
		wire_init(&w, true);
		know_each_other(&w);
		w.drop_nth = n;
		run(&w);
		EXPECT_TRUE(both_up(&w));
		/* The last one is the server's last flight, which was kept without the library. */
		EXPECT_TRUE(n != 6 || w.d[1].resends > 0);
		expect_same_keys(&w.d[0], &w.d[1]);
		wire_release(&w);
	}
}

static void the_certificate_must_be_the_one_that_sdp_names(void **state)
{
	(void)state;
	for (unsigned liar = 0; liar < 2; liar++) {
		for (unsigned h = 0; h < DTLS_HASH_COUNT; h++) {
			struct wire w;
			struct dtls_expect e;
			struct dtls *judge = &w.d[1 - liar];
			wire_init(&w, false);
			know_each_other(&w);
			/* One bit, in the last byte. */
			expect_of(&w.workers[liar], (enum dtls_hash)h, &e);
			e.at[0].bytes[dtls_hash_len((enum dtls_hash)h) - 1] ^= 1;
			dtls_expect(judge, &e);
			start(&w);
			carry(&w);
			EXPECT_INT(judge->state, DTLS_EMPTY);
			EXPECT_INT(w.failures[1 - liar], DTLS_FAILURE_FINGERPRINT);
			EXPECT_TRUE(!dtls_is_proven(judge) && judge->keys[SRTP_RX].len == 0);
			wire_release(&w);
		}
	}
}

static void every_hash_of_the_right_certificate_is_accepted(void **state)
{
	(void)state;
	for (unsigned h = 0; h < DTLS_HASH_COUNT; h++) {
		struct wire w;
		struct dtls_expect e;
		wire_init(&w, false);
		know_each_other(&w);
		expect_of(&w.workers[0], (enum dtls_hash)h, &e);
		/* The second of two that are named. */
		e.at[1] = e.at[0];
		e.at[0].bytes[3] ^= 0x10;
		e.count = 2;
		dtls_expect(&w.d[1], &e);
		run(&w);
		EXPECT_TRUE(both_up(&w));
		wire_release(&w);
	}
}

static void a_hello_before_the_answer_waits_for_its_fingerprint(void **state)
{
	(void)state;
	for (unsigned right = 0; right < 2; right++) {
		struct wire w;
		struct dtls_expect e;
		wire_init(&w, true);
		expect_of(&w.workers[1], DTLS_SHA256, &e);
		dtls_expect(&w.d[0], &e);
		run(&w);
		EXPECT_TRUE(both_up(&w));
		EXPECT_TRUE(!dtls_is_proven(&w.d[1]));
		expect_of(&w.workers[right ? 0 : 1], DTLS_SHA256, &e);
		dtls_expect(&w.d[1], &e);
		EXPECT_INT(dtls_is_proven(&w.d[1]), right);
		EXPECT_INT(w.d[1].state, right ? DTLS_UP : DTLS_EMPTY);
		/* Nothing of the wrong one's keys is left. */
		EXPECT_INT(w.d[1].keys[SRTP_RX].len == 0, !right);
		wire_release(&w);
	}
}

static void a_fingerprint_that_comes_during_the_handshake_counts(void **state)
{
	(void)state;
	struct wire w;
	struct dtls_expect e;
	struct dtls_out o;
	wire_init(&w, false);
	start(&w);
	struct datagram g = take(&w);
	(void)dtls_step(&w.d[1], &w.at[0], g.bytes, g.len, w.now_ms, &o);
	EXPECT_INT(w.d[1].state, DTLS_HANDSHAKE);
	expect_of(&w.workers[1], DTLS_SHA512, &e);
	dtls_expect(&w.d[1], &e);
	post(&w, 1, &o);
	carry(&w);
	EXPECT_INT(w.d[1].state, DTLS_EMPTY);
	wire_release(&w);
}

/* ---- what strangers send */

static void a_server_keeps_nothing_of_a_hello_without_a_cookie(void **state)
{
	(void)state;
	struct wire w;
	struct dtls_out o, r;
	wire_init(&w, true);
	dtls_start(&w.d[0], &w.at[1], w.now_ms, &o);
	for (uint8_t host = 10; host < 100; host++) {
		struct addr spoofed = media_addr(host, 4000);
		EXPECT_INT(dtls_step(&w.d[1], &spoofed, o.bytes[0], o.len[0], w.now_ms, &r),
			   FATE_OURS);
		EXPECT_INT(r.count, 1);
		/* The answer is smaller than the question: nothing to amplify. */
		EXPECT_TRUE(r.len[0] < o.len[0]);
		EXPECT_TRUE(addr_eq(&r.to, &spoofed));
		EXPECT_INT(w.d[1].state, DTLS_EMPTY);
		EXPECT_INT(w.workers[1].handshakes, 0);
	}
	wire_release(&w);
}

static void a_cookie_is_good_from_its_own_address_alone_and_for_a_while(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool elsewhere;
		unsigned rotations;
		bool good;
	} rows[] = {
		{"at once", false, 0, true},
		{"after the key was changed once", false, 1, true},
		{"after it was changed twice", false, 2, false},
		{"from another address", true, 0, false},
	};
	CHECK_TABLE(row, rows)
	{
		struct wire w;
		struct dtls_out o, told;
		wire_init(&w, true);
		know_each_other(&w);
		dtls_start(&w.d[0], &w.at[1], w.now_ms, &o);
		(void)dtls_step(&w.d[1], &w.at[0], o.bytes[0], o.len[0], w.now_ms, &told);
		(void)dtls_step(&w.d[0], &w.at[1], told.bytes[0], told.len[0], w.now_ms, &o);
		EXPECT_INT(o.count, 1);
		for (unsigned i = 0; i < row->rotations; i++) {
			w.now_ms += DTLS_COOKIE_MS;
			dtls_worker_tick(&w.workers[1], w.now_ms, WALL_S);
		}
		struct addr from = row->elsewhere ? media_addr(77, 7777) : w.at[0];
		(void)dtls_step(&w.d[1], &from, o.bytes[0], o.len[0], w.now_ms, &told);
		EXPECT_INT(w.d[1].state, row->good ? DTLS_HANDSHAKE : DTLS_EMPTY);
		wire_release(&w);
	}
}

static void a_running_association_is_not_disturbed(void **state)
{
	(void)state;
	struct wire w;
	struct dtls_out o;
	uint8_t junk[200];
	wire_init(&w, true);
	know_each_other(&w);
	run(&w);
	const struct dtls before[2] = {w.d[0], w.d[1]};
	static const uint8_t heads[][14] = {
		{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 100, 1}, /* hello */
		{22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 100, 1}, /* something encrypted */
		{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 100, 2}, /* alerts */
		{21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 100, 2}, /* … */
		{20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 100, 1}, /* change of cipher */
		{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 100, 1}, /* data */
		{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 250, 1}, /* cut */
		{22, 3, 3, 0, 0, 0, 0, 0, 0, 0, 9, 0, 100, 1},       /* TLS */
		{63, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 100, 1}, /* no such type */
	};
	size_t said = 0;
	for (unsigned turn = 0; turn < 20; turn++) {
		for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
			memset(junk, (int)turn, sizeof(junk));
			memcpy(junk, heads[i], sizeof(heads[i]));
			for (unsigned side = 0; side < 2; side++) {
				struct addr stranger = media_addr(200, 9);
				for (unsigned from = 0; from < 2; from++) {
					(void)dtls_step(&w.d[side],
							from ? &stranger : &w.at[1 - side], junk,
							sizeof(junk), w.now_ms, &o);
					EXPECT_TRUE(!from || o.count == 0);
					said += o.count;
				}
			}
		}
	}
	EXPECT_INT(said, DTLS_RESENDS);
	for (unsigned i = 0; i < 2; i++) {
		EXPECT_INT(w.d[i].state, DTLS_UP);
		EXPECT_TRUE(dtls_is_proven(&w.d[i]));
		EXPECT_TRUE(secret_eq(&w.d[i].keys[SRTP_RX], &before[i].keys[SRTP_RX]));
		EXPECT_TRUE(secret_eq(&w.d[i].keys[SRTP_TX], &before[i].keys[SRTP_TX]));
	}
	wire_release(&w);
}

static void a_handshake_goes_on_among_strangers_and_alerts(void **state)
{
	(void)state;
	struct wire w;
	struct dtls_out o, r;
	static const uint8_t alert[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 200, 0, 2, 2, 40};
	wire_init(&w, true);
	know_each_other(&w);
	start(&w);
	for (unsigned i = 0; w.count > 0 && i < 100; i++) {
		struct datagram g = take(&w);
		struct addr stranger = media_addr(66, 666);
		EXPECT_TRUE(w.d[g.to].state != DTLS_HANDSHAKE || g.to == 0 ||
			    dtls_step(&w.d[g.to], &stranger, g.bytes, g.len, w.now_ms, &r) ==
				    FATE_SOURCE);
		EXPECT_INT(
			dtls_step(&w.d[g.to], &w.at[1 - g.to], alert, sizeof(alert), w.now_ms, &r),
			FATE_DTLS_FOREIGN);
		(void)dtls_step(&w.d[g.to], &w.at[1 - g.to], g.bytes, g.len, w.now_ms, &o);
		post(&w, g.to, &o);
		if (both_up(&w)) {
			break;
		}
	}
	EXPECT_TRUE(both_up(&w));
	wire_release(&w);
}

static void where_every_source_is_proven_the_peer_may_go_from_one_to_another(void **state)
{
	(void)state;
	for (unsigned cookie = 0; cookie < 2; cookie++) {
		struct wire w;
		struct dtls_out o;
		const struct addr elsewhere = media_addr(9, 9000);
		wire_init(&w, false);
		know_each_other(&w);
		start(&w);
		struct datagram g = take(&w);
		(void)dtls_step(&w.d[1], &w.at[0], g.bytes, g.len, w.now_ms, &o);
		post(&w, 1, &o);
		g = take(&w);
		(void)dtls_step(&w.d[0], &w.at[1], g.bytes, g.len, w.now_ms, &o);
		EXPECT_INT(o.count, 1);
		w.d[1].cookie = cookie;
		const enum pkt_fate fate =
			dtls_step(&w.d[1], &elsewhere, o.bytes[0], o.len[0], w.now_ms, &o);
		EXPECT_INT(fate, cookie ? FATE_SOURCE : FATE_OURS);
		EXPECT_INT(w.d[1].state, cookie ? DTLS_HANDSHAKE : DTLS_UP);
		EXPECT_TRUE(cookie || addr_eq(&o.to, &elsewhere));
		wire_release(&w);
	}
}

static void a_client_that_begins_again_is_served_again(void **state)
{
	(void)state;
	struct wire w;
	wire_init(&w, true);
	know_each_other(&w);
	w.drop_nth = 4;
	start(&w);
	carry(&w);
	EXPECT_INT(w.d[1].state, DTLS_HANDSHAKE);
	/* It crashed, and knows nothing of its first attempt. */
	struct dtls_expect e = w.d[0].expect;
	dtls_release(&w.d[0]);
	dtls_init(&w.d[0], &w.workers[0], DTLS_CLIENT, 1);
	dtls_expect(&w.d[0], &e);
	start(&w);
	carry(&w);
	EXPECT_TRUE(both_up(&w));
	expect_same_keys(&w.d[0], &w.d[1]);
	wire_release(&w);
}

static void attempts_end_in_time(void **state)
{
	(void)state;
	struct wire w;
	struct dtls_out o;
	wire_init(&w, false);
	dtls_start(&w.d[0], &w.at[1], w.now_ms, &o);
	EXPECT_TRUE(o.deadline_ms > w.now_ms && o.deadline_ms <= w.now_ms + FIRST_MS);
	/* The server heard the hello and nothing more. */
	(void)dtls_step(&w.d[1], &w.at[0], o.bytes[0], o.len[0], w.now_ms, &o);
	EXPECT_INT(w.d[1].state, DTLS_HANDSHAKE);
	w.now_ms += DTLS_LIFE_MS;
	dtls_tick(&w.d[1], w.now_ms, &o);
	EXPECT_INT(o.failure, DTLS_FAILURE_TIMEOUT);
	EXPECT_INT(w.d[1].state, DTLS_EMPTY);
	for (unsigned i = 1; i <= DTLS_TRIES; i++) {
		dtls_tick(&w.d[0], w.now_ms, &o);
		EXPECT_INT(o.failure, DTLS_FAILURE_TIMEOUT);
		EXPECT_INT(w.d[0].state, i < DTLS_TRIES ? DTLS_EMPTY : DTLS_FAILED);
		if (i < DTLS_TRIES) {
			dtls_start(&w.d[0], &w.at[1], w.now_ms, &o);
			w.now_ms += DTLS_LIFE_MS;
		}
	}
	EXPECT_INT(w.workers[0].handshakes + w.workers[1].handshakes, 0);
	wire_release(&w);
}

static void goodbye_is_one_alert_made_in_advance(void **state)
{
	(void)state;
	struct wire w;
	struct dtls_out o;
	wire_init(&w, false);
	know_each_other(&w);
	dtls_bye(&w.d[1], &o);
	EXPECT_INT(o.count, 0);
	run(&w);
	for (unsigned i = 0; i < 2; i++) {
		dtls_bye(&w.d[i], &o);
		EXPECT_INT(o.count, 1);
		EXPECT_INT(o.bytes[0][0], 21);
		EXPECT_INT(o.bytes[0][4], 1); /* encrypted */
		EXPECT_INT(dtls_step(&w.d[1 - i], &w.at[i], o.bytes[0], o.len[0], w.now_ms, &o),
			   FATE_OURS);
		EXPECT_INT(w.d[1 - i].state, DTLS_UP);
	}
	wire_release(&w);
}

static void a_certificate_is_renewed_and_the_one_before_still_serves(void **state)
{
	(void)state;
	struct wire w;
	struct dtls_out o;
	wire_init(&w, false);
	struct dtls_worker *k = &w.workers[1];
	const struct dtls_ours one = k->ours;
	know_each_other(&w);
	dtls_worker_tick(k, 1000, WALL_S + 15 * DAY_S - 1);
	EXPECT_INT(k->ours.generation, 1);
	dtls_worker_tick(k, 1000, WALL_S + 15 * DAY_S);
	EXPECT_INT(k->ours.generation, 2);
	EXPECT_TRUE(!dtls_fingerprint_eq(&one.prints[DTLS_SHA256], &k->ours.prints[DTLS_SHA256]));
	/* An association that was offered before answers with the old one. */
	run(&w);
	EXPECT_TRUE(both_up(&w));
	/* After two renewals it is no more. */
	dtls_worker_tick(k, 1000, WALL_S + 30 * DAY_S);
	dtls_release(&w.d[1]);
	dtls_init(&w.d[1], k, DTLS_CLIENT, 1);
	dtls_start(&w.d[1], &w.at[0], 1000, &o);
	EXPECT_INT(o.failure, DTLS_FAILURE_MEMORY);
	EXPECT_INT(o.count, 0);
	wire_release(&w);
}

/* ---- other people's clients: the plain library on memory buffers */

struct peer {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
	struct cert cert;
	struct dtls_expect expect;
};

struct peer_row {
	const char *name;
	bool is_client;
	const char *profiles; /* NULL: no use_srtp */
	const char *ciphers;
	int version;
	int suite; /* that comes of it; -1: nothing */
};

static int any_certificate(int ok, X509_STORE_CTX *ctx)
{
	(void)ok;
	(void)ctx;
	return 1;
}

static void peer_init(struct peer *p, const struct peer_row *row)
{
	unsigned n;
	memset(p, 0, sizeof(*p));
	cert_init(&p->cert, &(struct cert_params){.cn = "peer"});
	p->expect = (struct dtls_expect){.count = 1, .at = {{.hash = DTLS_SHA256}}};
	assert_int_equal(X509_digest(p->cert.x509, EVP_sha256(), p->expect.at[0].bytes, &n), 1);
	p->ctx = SSL_CTX_new(DTLS_method());
	SSL_CTX_set_security_level(p->ctx, 0);
	assert_int_equal(SSL_CTX_use_certificate(p->ctx, p->cert.x509), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(p->ctx, p->cert.key), 1);
	assert_int_equal(SSL_CTX_set_min_proto_version(p->ctx, DTLS1_VERSION), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(p->ctx, row->version), 1);
	assert_int_equal(SSL_CTX_set_cipher_list(p->ctx, row->ciphers), 1);
	assert_true(!row->profiles || SSL_CTX_set_tlsext_use_srtp(p->ctx, row->profiles) == 0);
	SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER, any_certificate);
	p->ssl = SSL_new(p->ctx);
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(p->in, -1);
	SSL_set_bio(p->ssl, p->in, p->out);
	SSL_set_options(p->ssl, SSL_OP_NO_QUERY_MTU);
	SSL_set_mtu(p->ssl, 1400);
	if (row->is_client) {
		SSL_set_connect_state(p->ssl);
	} else {
		SSL_set_accept_state(p->ssl);
	}
}

static void peer_release(struct peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	cert_release(&p->cert);
}

/* What the peer wrote, record by record: a memory buffer knows no datagrams. */
static void peer_to_us(struct peer *p, struct dtls *d, const struct addr *at, struct dtls_out *all)
{
	uint8_t record[4096];
	struct dtls_out o;
	while (BIO_read(p->out, record, 13) == 13) {
		const int len = record[11] << 8 | record[12];
		assert_int_equal(BIO_read(p->out, record + 13, len), len);
		(void)dtls_step(d, at, record, 13 + (size_t)len, 1000, &o);
		for (unsigned i = 0; i < o.count && all->count < DTLS_OUT_DATAGRAMS; i++) {
			memcpy(all->bytes[all->count], o.bytes[i], o.len[i]);
			all->len[all->count++] = o.len[i];
		}
		all->failure = o.failure ? o.failure : all->failure;
	}
}

static void shake_with(struct peer *p, struct dtls *d, struct dtls_out *first)
{
	const struct addr at = media_addr(1, 5000);
	struct dtls_out o = *first;
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned k = 0; k < o.count; k++) {
			BIO_write(p->in, o.bytes[k], o.len[k]);
			(void)SSL_do_handshake(p->ssl);
		}
		(void)SSL_do_handshake(p->ssl);
		o.count = 0;
		peer_to_us(p, d, &at, &o);
		first->failure = o.failure ? o.failure : first->failure;
	}
}

#define ALL_PROFILES                                                                               \
	"SRTP_AES128_CM_SHA1_80:SRTP_AES128_CM_SHA1_32:SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_"   \
	"GCM"
#define GOOD "ECDHE+AESGCM"

static void what_other_clients_offer(void **state)
{
	(void)state;
	static const struct peer_row rows[] = {
		{"a client with all profiles", true, ALL_PROFILES, GOOD, DTLS1_2_VERSION,
		 SDES_AEAD_AES_256_GCM},
		{"a server with all profiles", false, ALL_PROFILES, GOOD, DTLS1_2_VERSION,
		 SDES_AES_CM_128_HMAC_SHA1_80},
		{"a client with the oldest profile alone", true, "SRTP_AES128_CM_SHA1_80", GOOD,
		 DTLS1_2_VERSION, SDES_AES_CM_128_HMAC_SHA1_80},
		{"a server with GCM of 128 bits alone", false, "SRTP_AEAD_AES_128_GCM", GOOD,
		 DTLS1_2_VERSION, SDES_AEAD_AES_128_GCM},
		{"a client with GCM of 128 bits alone", true, "SRTP_AEAD_AES_128_GCM", GOOD,
		 DTLS1_2_VERSION, SDES_AEAD_AES_128_GCM},
		{"a client with the short tag alone is refused", true, "SRTP_AES128_CM_SHA1_32",
		 GOOD, DTLS1_2_VERSION, -1},
		{"a client without use_srtp is refused", true, NULL, GOOD, DTLS1_2_VERSION, -1},
		{"a server without use_srtp is refused", false, NULL, GOOD, DTLS1_2_VERSION, -1},
		{"a client with the null cipher is refused", true, ALL_PROFILES,
		 "eNULL:@SECLEVEL=0", DTLS1_2_VERSION, -1},
		{"a server with the null cipher is refused", false, ALL_PROFILES,
		 "eNULL:@SECLEVEL=0", DTLS1_2_VERSION, -1},
		{"a client without a cipher that keeps the past secret is refused", true,
		 ALL_PROFILES, "AES128-GCM-SHA256", DTLS1_2_VERSION, -1},
		{"a client of DTLS 1.0 is refused", true, ALL_PROFILES,
		 "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", DTLS1_VERSION, -1},
	};
	CHECK_TABLE(row, rows)
	{
		struct dtls_worker w;
		struct dtls d;
		struct peer p;
		struct dtls_out o = {0};
		const struct addr at = media_addr(1, 5000);
		EXPECT_ERR(dtls_worker_init(&w, &params), OK);
		peer_init(&p, row);
		dtls_init(&d, &w, row->is_client ? DTLS_SERVER : DTLS_CLIENT, 1);
		dtls_expect(&d, &p.expect);
		if (!row->is_client) {
			dtls_start(&d, &at, 1000, &o);
		}
		shake_with(&p, &d, &o);
		EXPECT_INT(dtls_is_proven(&d), row->suite >= 0);
		if (row->suite >= 0) {
			uint8_t block[128];
			const struct sdes_suite_info *info =
				sdes_suite_info((enum sdes_suite)row->suite);
			const size_t k = info->key_len, s = info->salt_len;
			EXPECT_INT(d.suite, row->suite);
			assert_int_equal(SSL_export_keying_material(p.ssl, block, 2 * (k + s),
								    "EXTRACTOR-dtls_srtp", 19, NULL,
								    0, 0),
					 1);
			/* The client's key comes first. */
			const struct secret *theirs = &d.keys[SRTP_RX];
			const size_t mine = row->is_client ? 0 : 1;
			EXPECT_BYTES(theirs->bytes, block + mine * k, k);
			EXPECT_BYTES(theirs->bytes + k, block + 2 * k + mine * s, s);
			EXPECT_BYTES(d.keys[SRTP_TX].bytes, block + (1 - mine) * k, k);
		} else {
			EXPECT_INT(o.failure == DTLS_FAILURE_NONE, d.state == DTLS_HANDSHAKE);
			EXPECT_TRUE(d.keys[SRTP_RX].len == 0);
		}
		dtls_release(&d);
		EXPECT_INT(w.handshakes, 0);
		dtls_worker_release(&w);
		peer_release(&p);
	}
}

/* ---- SDP's notation */

static void fingerprints_of_sdp(void **state)
{
	(void)state;
#define SHA1_TEXT "4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB"
	static const struct {
		const char *name, *text;
		enum err want;
	} rows[] = {
		{"sha-1", "sha-1 " SHA1_TEXT, OK},
		{"letters of either case",
		 "SHA-1 4a:ad:B9:b1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:ab", OK},
		{"one byte too few",
		 "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C", ERR_BAD},
		{"one byte too many", "sha-1 " SHA1_TEXT ":00", ERR_BAD},
		{"no hex digit",
		 "sha-1 GA:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB", ERR_BAD},
		{"no colons", "sha-1 4A-AD-B9-B1-3F-82-18-3B-54-02-12-DF-3E-5D-49-6B-19-E5-7C-AB",
		 ERR_BAD},
		{"the hash alone", "sha-1", ERR_BAD},
		{"nothing", "", ERR_BAD},
		{"md5 is none", "md5 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B",
		 ERR_UNSUPPORTED},
	};
	CHECK_TABLE(row, rows)
	{
		struct dtls_fingerprint f;
		char text[256];
		struct buf b;
		EXPECT_ERR(dtls_fingerprint_parse(str_from(row->text), &f), row->want);
		if (row->want == OK) {
			buf_init(&b, text, sizeof(text));
			dtls_fingerprint_write(&b, &f);
			EXPECT_STR(buf_view(&b), STR("sha-1 " SHA1_TEXT));
		}
	}
	for (unsigned h = 0; h < DTLS_HASH_COUNT; h++) {
		struct dtls_fingerprint f = {.hash = (uint8_t)h}, again;
		char text[256];
		struct buf b;
		uint64_t random = h;
		media_random_bytes(&random, f.bytes, dtls_hash_len((enum dtls_hash)h));
		buf_init(&b, text, sizeof(text));
		dtls_fingerprint_write(&b, &f);
		EXPECT_ERR(dtls_fingerprint_parse(buf_view(&b), &again), OK);
		EXPECT_TRUE(dtls_fingerprint_eq(&f, &again));
		again.bytes[dtls_hash_len((enum dtls_hash)h) - 1] ^= 1;
		EXPECT_TRUE(!dtls_fingerprint_eq(&f, &again));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_of_ours_agree_on_keys),
		cmocka_unit_test(a_wire_that_loses_repeats_and_reorders_only_delays),
		cmocka_unit_test(each_single_loss_is_made_good),
		cmocka_unit_test(the_certificate_must_be_the_one_that_sdp_names),
		cmocka_unit_test(every_hash_of_the_right_certificate_is_accepted),
		cmocka_unit_test(a_hello_before_the_answer_waits_for_its_fingerprint),
		cmocka_unit_test(a_fingerprint_that_comes_during_the_handshake_counts),
		cmocka_unit_test(a_server_keeps_nothing_of_a_hello_without_a_cookie),
		cmocka_unit_test(a_cookie_is_good_from_its_own_address_alone_and_for_a_while),
		cmocka_unit_test(a_running_association_is_not_disturbed),
		cmocka_unit_test(a_handshake_goes_on_among_strangers_and_alerts),
		cmocka_unit_test(where_every_source_is_proven_the_peer_may_go_from_one_to_another),
		cmocka_unit_test(a_client_that_begins_again_is_served_again),
		cmocka_unit_test(attempts_end_in_time),
		cmocka_unit_test(goodbye_is_one_alert_made_in_advance),
		cmocka_unit_test(a_certificate_is_renewed_and_the_one_before_still_serves),
		cmocka_unit_test(what_other_clients_offer),
		cmocka_unit_test(fingerprints_of_sdp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
