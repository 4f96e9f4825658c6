/*
 * Recordings from command to file: the relay's root with the real ring and the real writer, which is turned by hand.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "rtpproxy/core/pcap.h"
#include "rtpproxy/core/rtp.h"
#include "rtpproxy/io/recorder.h"
#include "tests/support/check.h"
#include "tests/support/relay_world.h"

enum { A = 1, B = 2, EVENT = 101 };

static struct relay_world *w;
static struct recorder recorder;
static bool writes;
static char dir[64];
static uint16_t to_a, to_b;
static struct media_pkt m;

static void no_log(void *ctx, enum log_level level, struct str line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

static void begin_with(uint64_t file_max)
{
	const struct recorder_params p = {
		.dir = dir, .workers = 1, .file_max = file_max, .log_sink = no_log};
	snprintf(dir, sizeof(dir), "/tmp/sallyport-record-XXXXXX");
	assert_non_null(mkdtemp(dir));
	EXPECT_ERR(recorder_init(&recorder, &p), OK);
	writes = true;
	w = rw_new();
	w->relay.taps.ring = &recorder.rings[0];
}

static int begin(void **state)
{
	(void)state;
	begin_with(0);
	return 0;
}

/* All files end; the relay goes first, as in the daemon. */
static void finish(void)
{
	if (w)
		rw_free(w);
	w = NULL;
	if (writes)
		recorder_release(&recorder);
	writes = false;
}

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	while (d && (e = readdir(d)) != NULL) {
		char sub[512];
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
		if (unlink(sub) < 0)
			remove_tree(sub);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static int end(void **state)
{
	(void)state;
	finish();
	remove_tree(dir);
	return 0;
}

static void call(const char *id)
{
	rw_ask(w, "offer", "call-id", id, "from-tag", "A", "label", "caller", "sdp", RW_SDP_A,
	       NULL);
	rw_expect_ok(w);
	to_b = rw_port(w, 0);
	rw_ask(w, "answer", "call-id", id, "from-tag", "A", "to-tag", "B", "sdp", RW_SDP_B, NULL);
	rw_expect_ok(w);
	to_a = rw_port(w, 0);
}

static void talk(unsigned n)
{
	while (n-- > 0) {
		w->now_ms += 20;
		EXPECT_INT(rw_rtp(w, to_a, A, 5000, 0, &m), FATE_SENT);
		EXPECT_INT(rw_rtp(w, to_b, B, 6000, 0, &m), FATE_SENT);
	}
}

static char *path(const char *name)
{
	static char text[512];
	snprintf(text, sizeof(text), "%s/%s", dir, name);
	return text;
}

static bool is_there(const char *name)
{
	return access(path(name), F_OK) == 0;
}

/* Packets of a capture; each must be whole. -1: no capture. */
static int count_packets(const char *name, unsigned *out_events)
{
	static uint8_t bytes[4000000];
	FILE *f = fopen(path(name), "re");
	int n = 0;
	*out_events = 0;
	if (!f)
		return -1;
	const size_t len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	assert_true(len >= PCAP_HEADER_LEN);
	for (size_t at = PCAP_HEADER_LEN; at < len; n++) {
		uint32_t size;
		struct rtp h;
		assert_true(at + 16 + 28 + RTP_HEADER_LEN <= len);
		memcpy(&size, bytes + at + 8, 4);
		assert_true(at + 16 + size <= len);
		EXPECT_ERR(rtp_decode(bytes + at + 16 + 28, size - 28, &h), OK);
		*out_events += h.payload_type == EVENT;
		at += 16 + size;
	}
	return n;
}

static struct dict *read_beside(const char *name, struct arena *a)
{
	static char text[16384];
	struct dict *d = NULL;
	FILE *f = fopen(path(name), "re");
	if (!f)
		return NULL;
	const size_t n = fread(text, 1, sizeof(text), f);
	fclose(f);
	arena_reset(a);
	EXPECT_TRUE(json_parse((struct str){text, n}, a, &d) > 0);
	return d;
}

static void what_is_recorded_is_a_capture_with_words_beside_it(void **state)
{
	(void)state;
	unsigned events;
	struct stat st;
	call("c1");
	talk(2);
	rw_ask(w, "start recording", "call-id", "c1", "output-destination", "one", "metadata",
	       "case:7|name:a\"b", NULL);
	rw_expect_ok(w);
	EXPECT_STR(dict_get_str(dict_get(w->reply, STR("recording")), STR("file")), STR("one"));
	talk(10);
	recorder_turn(&recorder);
	EXPECT_TRUE(is_there("one.pcap.part") && !is_there("one.pcap"));
	rw_ask(w, "stop recording", "call-id", "c1", NULL);
	rw_expect_ok(w);
	talk(3);
	recorder_turn(&recorder);
	EXPECT_TRUE(!is_there("one.pcap.part"));
	EXPECT_INT(count_packets("one.pcap", &events), 20);
	EXPECT_INT(stat(path("one.pcap"), &st), 0);
	EXPECT_INT(st.st_mode & 0777, 0600);
	EXPECT_INT(stat(path("one.json"), &st), 0);
	EXPECT_INT(st.st_mode & 0777, 0600);
	struct dict *d = read_beside("one.json", &w->arena);
	EXPECT_STR(dict_get_str(d, STR("call_id")), STR("c1"));
	EXPECT_STR(dict_get_str(d, STR("file")), STR("one.pcap"));
	EXPECT_INT(dict_get_int(d, STR("packets"), -1), 20);
	EXPECT_INT(dict_get_int(d, STR("lost"), -1), 0);
	EXPECT_INT(dict_get_int(d, STR("complete"), -1), 1);
	EXPECT_STR(dict_get_str(dict_get(d, STR("metadata")), STR("case")), STR("7"));
	EXPECT_STR(dict_get_str(dict_get(d, STR("metadata")), STR("name")), STR("a\"b"));
	const struct dict *parties = dict_get(d, STR("parties"));
	EXPECT_STR(dict_get_str(dict_first(parties), STR("label")), STR("caller"));
	EXPECT_INT(w->relay.recordings.used, 0);
}

static void a_call_that_ends_ends_its_recording(void **state)
{
	(void)state;
	unsigned events;
	call("c1");
	rw_ask(w, "start recording", "call-id", "c1", "output-destination", "x", NULL);
	talk(5);
	rw_ask(w, "delete", "call-id", "c1", "delete-delay", "0", NULL);
	rw_tick(w, 1000);
	recorder_turn(&recorder);
	EXPECT_INT(count_packets("x.pcap", &events), 10);
	struct dict *d = read_beside("x.json", &w->arena);
	EXPECT_INT(dict_get(d, STR("parties"))->count, 2);
	EXPECT_TRUE(str_cmp(dict_get_str(d, STR("started")), dict_get_str(d, STR("ended"))) < 0);
	/* And so does the daemon's end. */
	call("c2");
	rw_ask(w, "start recording", "call-id", "c2", "output-destination", "y", NULL);
	talk(5);
	finish();
	EXPECT_INT(count_packets("y.pcap", &events), 10);
	EXPECT_TRUE(is_there("y.json"));
}

static void pause_leaves_out_and_start_goes_on(void **state)
{
	(void)state;
	unsigned events;
	call("c1");
	rw_ask(w, "start recording", "call-id", "c1", "output-destination", "x", NULL);
	talk(5);
	rw_ask(w, "pause recording", "call-id", "c1", NULL);
	rw_expect_ok(w);
	talk(50);
	rw_ask(w, "start recording", "call-id", "c1", NULL);
	rw_expect_ok(w);
	EXPECT_STR(dict_get_str(dict_get(w->reply, STR("recording")), STR("file")), STR("x"));
	talk(5);
	rw_ask(w, "stop recording", "call-id", "c1", NULL);
	recorder_turn(&recorder);
	EXPECT_INT(count_packets("x.pcap", &events), 20);
	/* stop with the flag is pause; discard leaves nothing. */
	rw_ask(w, "start recording", "call-id", "c1", "output-destination", "z", "flags", "pause",
	       NULL);
	talk(5);
	rw_ask(w, "stop recording", "call-id", "c1", "flags", "pause", NULL);
	recorder_turn(&recorder);
	EXPECT_TRUE(is_there("z.pcap.part"));
	rw_ask(w, "stop recording", "call-id", "c1", "flags", "discard recording", NULL);
	recorder_turn(&recorder);
	EXPECT_TRUE(!is_there("z.pcap.part") && !is_there("z.pcap") && !is_there("z.json"));
}

static void an_offer_may_ask_for_it(void **state)
{
	(void)state;
	unsigned events;
	rw_ask(w, "offer", "call-id", "c1", "from-tag", "A", "sdp", RW_SDP_A, "record-call", "yes",
	       "recording-dir", "a/b", "recording-pattern", "%c", NULL);
	rw_expect_ok(w);
	to_b = rw_port(w, 0);
	rw_ask(w, "answer", "call-id", "c1", "from-tag", "A", "to-tag", "B", "sdp", RW_SDP_B, NULL);
	to_a = rw_port(w, 0);
	talk(5);
	rw_ask(w, "answer", "call-id", "c1", "from-tag", "A", "to-tag", "B", "sdp", RW_SDP_B,
	       "record call", "off", NULL);
	talk(5);
	recorder_turn(&recorder);
	EXPECT_INT(count_packets("a/b/c1.pcap", &events), 10);
}

static void keys_are_left_out_unless_the_operator_wants_them(void **state)
{
	(void)state;
	unsigned events;
	call("c1");
	rw_ask(w, "start recording", "call-id", "c1", "output-destination", "x", NULL);
	talk(1);
	EXPECT_INT(rw_rtp(w, to_a, A, 5000, EVENT, &m), FATE_SENT);
	rw_ask(w, "stop recording", "call-id", "c1", NULL);
	w->relay.taps.record_events = true;
	rw_ask(w, "start recording", "call-id", "c1", "output-destination", "y", NULL);
	EXPECT_INT(rw_rtp(w, to_a, A, 5000, EVENT, &m), FATE_SENT);
	rw_ask(w, "stop recording", "call-id", "c1", NULL);
	recorder_turn(&recorder);
	EXPECT_INT(count_packets("x.pcap", &events), 2);
	EXPECT_INT(events, 0);
	EXPECT_INT(count_packets("y.pcap", &events), 1);
	EXPECT_INT(events, 1);
}

static void nothing_leaves_the_directory(void **state)
{
	(void)state;
	static const struct {
		const char *name, *key, *value;
	} rows[] = {
		{"absolute", "output-destination", "/tmp/x"},
		{"up", "output-destination", "../x"},
		{"a directory above", "recording-dir", ".."},
		{"an absolute directory", "recording-dir", "/tmp"},
		{"a pattern", "recording-pattern", "a/../../%c"},
		{"signs", "recording-file", "a b"},
	};
	call("c1");
	CHECK_TABLE(row, rows)
	{
		rw_ask(w, "start recording", "call-id", "c1", row->key, row->value, NULL);
		rw_expect_error(w, REFUSAL_RECORDING_NAME);
	}
	EXPECT_INT(w->relay.recordings.used, 0);
	/* A link in the directory is not followed. */
	char outside[] = "/tmp/sallyport-outside-XXXXXX", escaped[64];
	assert_non_null(mkdtemp(outside));
	EXPECT_INT(symlink(outside, path("link")), 0);
	rw_ask(w, "start recording", "call-id", "c1", "output-destination", "link/x", NULL);
	rw_expect_ok(w);
	talk(1);
	rw_ask(w, "stop recording", "call-id", "c1", NULL);
	recorder_turn(&recorder);
	snprintf(escaped, sizeof(escaped), "%s/x.pcap", outside);
	const bool is_outside = access(escaped, F_OK) == 0;
	remove_tree(outside);
	EXPECT_TRUE(!is_outside);
	EXPECT_U64(recorder.failed, 1);
	/* A Call-ID may be anything: it is cleaned. */
	call("../../etc/x y");
	rw_ask(w, "start recording", "call-id", "../../etc/x y", "recording-pattern", "%c", NULL);
	rw_expect_ok(w);
	recorder_turn(&recorder);
	EXPECT_TRUE(is_there("_._.._etc_x_y.pcap.part"));
}

static void a_name_that_is_taken_gets_a_number(void **state)
{
	(void)state;
	unsigned events;
	call("c1");
	for (int i = 1; i <= 3; i++) {
		rw_ask(w, "start recording", "call-id", "c1", "output-destination", "x.pcap", NULL);
		rw_expect_ok(w);
		talk((unsigned)i);
		rw_ask(w, "stop recording", "call-id", "c1", NULL);
	}
	recorder_turn(&recorder);
	EXPECT_INT(count_packets("x.pcap", &events), 2);
	EXPECT_INT(count_packets("x-2.pcap", &events), 4);
	EXPECT_INT(count_packets("x-3.pcap", &events), 6);
}

static void a_file_at_its_limit_is_kept_and_marked(void **state)
{
	(void)state;
	unsigned events;
	begin_with(2000);
	call("c1");
	rw_ask(w, "start recording", "call-id", "c1", "output-destination", "x", NULL);
	talk(20);
	rw_ask(w, "stop recording", "call-id", "c1", NULL);
	recorder_turn(&recorder);
	const int n = count_packets("x.pcap", &events);
	EXPECT_TRUE(n > 3 && n < 10);
	struct dict *d = read_beside("x.json", &w->arena);
	EXPECT_INT(dict_get_int(d, STR("packets"), -1), n);
	EXPECT_INT(dict_get_int(d, STR("lost"), -1), 40 - n);
	EXPECT_INT(dict_get_int(d, STR("complete"), -1), 0);
	EXPECT_U64(recorder.failed, 1);
}

/* As a full disk: the kernel refuses to write more. */
static void a_disk_that_is_full_ends_the_recording_and_not_the_call(void **state)
{
	(void)state;
	unsigned events;
	struct rlimit before, tight = {3000, RLIM_INFINITY};
	begin_with(0);
	call("c1");
	rw_ask(w, "start recording", "call-id", "c1", "output-destination", "x", NULL);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tight.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	talk(20);
	recorder_turn(&recorder);
	recorder.flushed_ms = 0; /* a second later */
	recorder_turn(&recorder);
	talk(5);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	rw_ask(w, "stop recording", "call-id", "c1", NULL);
	rw_expect_ok(w);
	recorder_turn(&recorder);
	EXPECT_INT(count_packets("x.pcap", &events), 0);
	struct dict *d = read_beside("x.json", &w->arena);
	EXPECT_INT(dict_get_int(d, STR("complete"), -1), 0);
	EXPECT_INT(dict_get_int(d, STR("lost"), -1), 50);
	EXPECT_INT(w->relay.calls.used, 1);
}

static void a_slow_writer_costs_packets_and_nothing_else(void **state)
{
	(void)state;
	unsigned events;
	struct record_ring small, *real = &recorder.rings[0];
	struct record_ring keep = *real;
	EXPECT_ERR(record_ring_init(&small, 16384, 4096), OK);
	*real = small;
	call("c1");
	rw_ask(w, "start recording", "call-id", "c1", "output-destination", "x", NULL);
	talk(100);
	EXPECT_TRUE(w->relay.taps.stats.recorded_lost > 100);
	rw_ask(w, "stop recording", "call-id", "c1", NULL);
	/* No room for another beginning now. */
	rw_ask(w, "start recording", "call-id", "c1", "output-destination", "y", NULL);
	rw_expect_error(w, REFUSAL_RECORDINGS);
	recorder_turn(&recorder);
	EXPECT_INT(count_packets("x.pcap", &events), 200 - (int)w->relay.taps.stats.recorded_lost);
	record_ring_release(real);
	*real = keep;
}

static void without_a_directory_it_is_refused(void **state)
{
	(void)state;
	static const char *const words[] = {"start recording", "stop recording", "pause recording"};
	w->relay.taps.ring = NULL;
	call("c1");
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		rw_ask(w, words[i], "call-id", "c1", NULL);
		rw_expect_error(w, REFUSAL_RECORDING_OFF);
		rw_ask(w, words[i], "call-id", "c2", NULL);
		rw_expect_error(w, REFUSAL_UNKNOWN_CALL);
	}
	/* An offer goes on, and says so. */
	rw_ask(w, "offer", "call-id", "c3", "from-tag", "A", "sdp", RW_SDP_A, "record-call", "yes",
	       NULL);
	rw_expect_ok(w);
	EXPECT_Z(rw_got(w, "warning"), refusal_text(REFUSAL_RECORDING_OFF));
	rw_ask(w, "offer", "call-id", "c4", "from-tag", "A", "sdp", RW_SDP_A, "record-call", "no",
	       NULL);
	EXPECT_STR(rw_got(w, "warning"), STR(""));
}

#define T(x) cmocka_unit_test_setup_teardown(x, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_recorded_is_a_capture_with_words_beside_it),
		T(a_call_that_ends_ends_its_recording),
		T(pause_leaves_out_and_start_goes_on),
		T(an_offer_may_ask_for_it),
		T(keys_are_left_out_unless_the_operator_wants_them),
		T(nothing_leaves_the_directory),
		T(a_name_that_is_taken_gets_a_number),
		cmocka_unit_test_teardown(a_file_at_its_limit_is_kept_and_marked, end),
		cmocka_unit_test_teardown(a_disk_that_is_full_ends_the_recording_and_not_the_call,
					  end),
		T(a_slow_writer_costs_packets_and_nothing_else),
		T(without_a_directory_it_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
