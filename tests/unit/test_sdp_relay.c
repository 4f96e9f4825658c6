/*
 * Golden files: tests/data/golden/CASE.in.sdp goes in, CASE.flags says how, CASE.out.sdp has to come
 * out. The first line of the flags is "offer", "answer" (from the other party) or "back" (an offer from
 * the other party), and may go on with "after OTHER-CASE", which then comes first; the rest is a flag
 * string. An out file that begins with "refused: " names the refusal.
 * With GOLDEN_WRITE=1 the out files are written instead: look at the difference before committing it.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/dict.h"
#include "rtpproxy/core/flag_string.h"
#include "rtpproxy/core/sdp_relay.h"
#include "tests/support/check.h"

#define FOLDER "tests/data/golden/"

struct world {
	struct srtp_worker srtp;
	struct arena arena;
	struct rng rng;
	struct leg legs[2];
	struct leg_media medias[2][LIMIT_MEDIAS];
	struct leg_keys keys[2][LIMIT_MEDIAS];
	struct leg_dtls dtls[2][LIMIT_MEDIAS];
	struct ice ices[2][LIMIT_MEDIAS];
};

static char *read_file(const char *name, const char *kind)
{
	char path[256];
	snprintf(path, sizeof(path), FOLDER "%s.%s", name, kind);
	FILE *f = fopen(path, "rb");
	if (!f) {
		return NULL;
	}
	char *text = calloc(1, 65536);
	size_t n = fread(text, 1, 65535, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void world_init(struct world *w)
{
	static const uint8_t seed[RNG_SEED_LEN] = {0};
	static const char *const local[2] = {"192.0.2.10", "198.51.100.20"};
	memset(w, 0, sizeof(*w));
	EXPECT_ERR(srtp_worker_init(&w->srtp, "openssl"), OK);
	EXPECT_ERR(arena_init_sized(&w->arena, 1024 * 1024), OK);
	rng_init(&w->rng, seed);
	for (int s = 0; s < 2; s++) {
		leg_init(&w->legs[s]);
		EXPECT_ERR(addr_parse_ip(str_from(local[s]), &w->legs[s].shown), OK);
		w->legs[s].local = w->legs[s].shown;
		for (unsigned i = 0; i < LIMIT_MEDIAS; i++) {
			leg_media_init(&w->medias[s][i], 0, &w->srtp);
			w->keys[s][i] = (struct leg_keys){.chosen = -1, .chosen_in = -1};
			w->medias[s][i].keys = &w->keys[s][i];
			w->dtls[s][i] = (struct leg_dtls){0};
			w->medias[s][i].dtls = &w->dtls[s][i];
			const struct ice_local words = {"ourufrag", "ourpasswordourpasswordou12"};
			ice_init(&w->ices[s][i], &words);
			w->medias[s][i].ice.agent = &w->ices[s][i];
			w->medias[s][i].port = (uint16_t)(40000 + 1000 * s + 2 * (int)i);
		}
	}
}

static void world_release(struct world *w)
{
	for (int s = 0; s < 2; s++) {
		for (unsigned i = 0; i < LIMIT_MEDIAS; i++) {
			leg_media_release(&w->medias[s][i]);
		}
	}
	srtp_worker_release(&w->srtp);
	arena_release(&w->arena);
}

/* A certificate that nobody has: its fingerprints count up. */
static const struct dtls_ours *certificate(void)
{
	static struct dtls_ours ours = {.generation = 1};
	for (unsigned h = 0; h < DTLS_HASH_COUNT; h++) {
		ours.prints[h].hash = (uint8_t)h;
		for (unsigned i = 0; i < DTLS_HASH_MAX; i++) {
			ours.prints[h].bytes[i] = (uint8_t)(16 * h + i);
		}
	}
	return &ours;
}

static enum refusal relay(struct world *w, struct sdp_relay *x, struct buf *out)
{
	enum refusal r = sdp_relay_check(x);
	if (r != REFUSAL_NONE) {
		return r;
	}
	for (int s = 0; s < 2; s++) {
		while (w->legs[s].media_count < x->sdp->media_count) {
			unsigned i = w->legs[s].media_count++;
			w->legs[s].media[i] = &w->medias[s][i];
		}
	}
	sdp_relay_take(x);
	return sdp_relay_write(x, out);
}

/* Runs a case, and those it comes after, on the world. */
static enum refusal run(struct world *w, const char *name, struct buf *out)
{
	char *text = read_file(name, "flags"), *in = read_file(name, "in.sdp");
	if (!text || !in) {
		fail_msg("%s: no flags or no in.sdp", name);
	}
	struct str rest = str_from(text), line, kind, word, before = STR_NONE;
	str_cut(&rest, '\n', &line);
	str_cut_word(&line, &kind);
	if (str_cut_word(&line, &word)) {
		EXPECT_STR(word, STR("after"));
		str_cut_word(&line, &before);
	}
	if (before.len > 0) {
		char other[128];
		snprintf(other, sizeof(other), "%.*s", STR_ARG(before));
		EXPECT_INT(run(w, other, out), REFUSAL_NONE);
		buf_reset(out);
	}
	arena_reset(&w->arena);
	struct dict *d = dict_new(&w->arena, DICT_DICT);
	dict_add_str(&w->arena, d, STR("rtpp-flags"), str_trim(rest));
	flag_string_expand(&w->arena, d);
	struct flags flags;
	flags_parse(d, &flags);
	struct sdp sdp;
	EXPECT_ERR(sdp_parse(str_from(in), &w->arena, &sdp), OK);
	bool first = str_eq(kind, STR("offer"));
	struct sdp_relay x = {.sdp = &sdp,
			      .flags = &flags,
			      .from = &w->legs[first ? 0 : 1],
			      .to = &w->legs[first ? 1 : 0],
			      .rng = &w->rng,
			      .dtls = certificate(),
			      .answer = str_eq(kind, STR("answer"))};
	enum refusal r = relay(w, &x, out);
	free(text);
	free(in);
	return r;
}

static void without_cr(char *text)
{
	char *to = text;
	for (; *text; text++) {
		if (*text != '\r') {
			*to++ = *text;
		}
	}
	*to = '\0';
}

static void run_case(const char *name)
{
	static char mem[65536], got[65536 + 16];
	struct world w;
	struct buf out;
	world_init(&w);
	buf_init(&out, mem, sizeof(mem));
	enum refusal r = run(&w, name, &out);
	if (r != REFUSAL_NONE) {
		snprintf(got, sizeof(got), "refused: %s\n", refusal_text(r));
	} else {
		struct sdp again;
		/* What we write, we can read. */
		EXPECT_ERR(sdp_parse(buf_view(&out), &w.arena, &again), OK);
		snprintf(got, sizeof(got), "%.*s", STR_ARG(buf_view(&out)));
		without_cr(got);
	}
	world_release(&w);
	if (getenv("GOLDEN_WRITE")) {
		char path[256];
		snprintf(path, sizeof(path), FOLDER "%s.out.sdp", name);
		FILE *f = fopen(path, "wb");
		assert_non_null(f);
		fputs(got, f);
		fclose(f);
		return;
	}
	char *want = read_file(name, "out.sdp");
	assert_non_null(want);
	EXPECT_Z(str_from(got), want);
	free(want);
}

static void what_goes_in_comes_out_as_the_golden_file_says(void **state)
{
	(void)state;
	glob_t files;
	size_t count = 0;
	assert_int_equal(glob(FOLDER "*.in.sdp", 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct str path = str_from(files.gl_pathv[i] + strlen(FOLDER));
		char name[128];
		snprintf(name, sizeof(name), "%.*s", (int)(path.len - strlen(".in.sdp")), path.p);
		check_row(name);
		run_case(name);
		count++;
	}
	globfree(&files);
	assert_true(count >= 15);
}

/* ---- what does not show in the text */

static void offer(struct world *w, const char *text, const char *words, enum refusal want)
{
	static char mem[65536];
	struct buf out;
	struct sdp sdp;
	struct flags flags;
	buf_init(&out, mem, sizeof(mem));
	struct dict *d = dict_new(&w->arena, DICT_DICT);
	dict_add_str(&w->arena, d, STR("rtpp-flags"), str_from(words));
	flag_string_expand(&w->arena, d);
	flags_parse(d, &flags);
	EXPECT_ERR(sdp_parse(str_from(text), &w->arena, &sdp), OK);
	struct sdp_relay x = {.sdp = &sdp,
			      .flags = &flags,
			      .from = &w->legs[0],
			      .to = &w->legs[1],
			      .rng = &w->rng,
			      .dtls = certificate()};
	EXPECT_INT(relay(w, &x, &out), want);
}

#define HEAD  "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define AUDIO "m=audio 5000 RTP/AVP 0\r\n"

static void where_the_party_wants_its_packets(void **state)
{
	(void)state;
	static const struct {
		const char *name, *sdp, *flags;
		const char *rtp, *rtcp; /* NULL: nowhere */
	} rows[] = {
		{"RTCP goes to the next port", HEAD AUDIO, "", "192.0.2.1:5000", "192.0.2.1:5001"},
		{"a=rtcp names another port", HEAD AUDIO "a=rtcp:5100\r\n", "", "192.0.2.1:5000",
		 "192.0.2.1:5100"},
		{"a=rtcp names another address", HEAD AUDIO "a=rtcp:5100 IN IP4 192.0.2.2\r\n", "",
		 "192.0.2.1:5000", "192.0.2.2:5100"},
		{"a=rtcp with a multicast address is not followed",
		 HEAD AUDIO "a=rtcp:5100 IN IP4 224.0.0.1\r\n", "", "192.0.2.1:5000",
		 "192.0.2.1:5100"},
		{"a=rtcp:0 counts not", HEAD AUDIO "a=rtcp:0\r\n", "", "192.0.2.1:5000",
		 "192.0.2.1:5001"},
		{"the media's own c= wins", HEAD AUDIO "c=IN IP4 192.0.2.9\r\n", "",
		 "192.0.2.9:5000", "192.0.2.9:5001"},
		{"with SIP source address the message's sender counts", HEAD AUDIO,
		 "SIP-source-address received-from=203.0.113.5", "203.0.113.5:5000",
		 "203.0.113.5:5001"},
		{"without it the sender's address does not", HEAD AUDIO,
		 "received-from=203.0.113.5", "192.0.2.1:5000", "192.0.2.1:5001"},
		{"0.0.0.0 is a hold: nothing goes there", HEAD AUDIO "c=IN IP4 0.0.0.0\r\n", "",
		 NULL, NULL},
		{"a refused media has no address to keep", HEAD "m=audio 0 RTP/AVP 0\r\n", "", NULL,
		 NULL},
	};
	CHECK_TABLE(row, rows)
	{
		struct world w;
		world_init(&w);
		offer(&w, row->sdp, row->flags, REFUSAL_NONE);
		for (int k = 0; k < LEG_STREAMS; k++) {
			const char *want = k == LEG_RTP ? row->rtp : row->rtcp;
			const struct addr *got = &w.medias[0][0].remote[k];
			struct addr a = {.family = ADDR_NONE};
			if (want) {
				EXPECT_ERR(addr_parse(str_from(want), &a), OK);
			}
			EXPECT_INT(got->family, a.family);
			EXPECT_TRUE(!want || addr_eq(got, &a));
		}
		world_release(&w);
	}
}

static void which_endpoints_a_line_needs(void **state)
{
	(void)state;
	enum { RTP = 1, BOTH = 3 };
	static const struct {
		const char *name, *sdp, *flags;
		unsigned from, to;
	} rows[] = {
		{"RTP and RTCP on both sides", HEAD AUDIO, "", BOTH, BOTH},
		{"offered mux may be refused, so RTCP has a port", HEAD AUDIO "a=rtcp-mux\r\n", "",
		 BOTH, BOTH},
		{"mux that we grant needs one port", HEAD AUDIO "a=rtcp-mux\r\n", "rtcp-mux-accept",
		 RTP, BOTH},
		{"mux that we require needs one port", HEAD AUDIO, "rtcp-mux-require", BOTH, RTP},
		{"fax has no RTCP", HEAD "m=image 5000 udptl t38\r\n", "", RTP, RTP},
		{"a refused line has no port", HEAD "m=audio 0 RTP/AVP 0\r\n", "", 0, 0},
		{"a line that we cannot carry has no port",
		 HEAD AUDIO "m=message 5002 TCP/MSRP *\r\n", "", BOTH, BOTH},
	};
	CHECK_TABLE(row, rows)
	{
		struct world w;
		world_init(&w);
		offer(&w, row->sdp, row->flags, REFUSAL_NONE);
		EXPECT_INT(sdp_relay_endpoints(&w.medias[0][0]), row->from);
		EXPECT_INT(sdp_relay_endpoints(&w.medias[1][0]), row->to);
		EXPECT_INT(sdp_relay_endpoints(&w.medias[0][1]), 0);
		world_release(&w);
	}
}

static void what_cannot_be_served_says_why(void **state)
{
	(void)state;
	static const char *const many = HEAD AUDIO AUDIO AUDIO AUDIO AUDIO AUDIO AUDIO AUDIO AUDIO;
	const struct {
		const char *name, *sdp, *flags;
		enum refusal want;
	} rows[] = {
		{"more lines than the limit", many, "", REFUSAL_SDP_MEDIAS},
		{"no address at all", "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\n" AUDIO, "",
		 REFUSAL_SDP_INCOMPLETE},
		{"a multicast address", HEAD AUDIO "c=IN IP4 224.2.1.1/127\r\n", "",
		 REFUSAL_SDP_ADDRESS},
		{"a name instead of an address", HEAD AUDIO "c=IN IP4 media.example.net\r\n", "",
		 REFUSAL_SDP_ADDRESS},
		{"DTLS alone", HEAD "m=audio 5000 UDP/TLS/RTP/SAVPF 0\r\na=fingerprint:x y\r\n", "",
		 REFUSAL_DTLS},
		{"SRTP with a fingerprint and no keys",
		 HEAD "m=audio 5000 RTP/SAVP 0\r\na=fingerprint:x y\r\n", "", REFUSAL_DTLS},
		{"SRTP with neither", HEAD "m=audio 5000 RTP/SAVP 0\r\n", "",
		 REFUSAL_NO_COMMON_SUITE},
		{"SRTP with an MKI longer than we carry",
		 HEAD "m=audio 5000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
		      "inline:2Ryt5eLKvFnyFY+eSfTfqDk0u7Gsewi8kFFmIS2G|2^20|1:17\r\n",
		 "", REFUSAL_NO_COMMON_SUITE},
		{"DTLS is asked for and switched off", HEAD AUDIO, "UDP/TLS/RTP/SAVPF DTLS=off",
		 REFUSAL_DTLS_WANTED},
		{"SRTP is asked for with SDES and DTLS off", HEAD AUDIO,
		 "RTP/SAVP SDES-off DTLS=off", REFUSAL_NO_KEYING},
		{"nothing but what we cannot carry", HEAD "m=message 5000 TCP/MSRP *\r\n", "",
		 REFUSAL_NO_MEDIA},
		{"no media at all is fine", HEAD, "", REFUSAL_NONE},
	};
	CHECK_TABLE(row, rows)
	{
		struct world w;
		world_init(&w);
		offer(&w, row->sdp, row->flags, row->want);
		world_release(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out_as_the_golden_file_says),
		cmocka_unit_test(where_the_party_wants_its_packets),
		cmocka_unit_test(which_endpoints_a_line_needs),
		cmocka_unit_test(what_cannot_be_served_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
