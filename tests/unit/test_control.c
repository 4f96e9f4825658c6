/* Options of the relay as users of rtpengine write them, and its part of the common file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rtpproxy/control.h"
#include "rtpproxy/core/latch.h"
#include "tests/support/check.h"

enum { ARGS_MAX = 16 };

/* Runs the parser over words separated by spaces; *errors gets what it said. */
static enum err parse(struct control *c, const char *words, char *errors, size_t cap)
{
	char text[1024], *argv[ARGS_MAX + 1] = {(char *)(uintptr_t) "relay"};
	int argc = 1;
	snprintf(text, sizeof(text), "%s", words);
	for (char *at = text; *at && argc < ARGS_MAX; at += strlen(at) + 1) {
		argv[argc++] = at;
		char *space = strchr(at, ' ');
		if (!space) {
			break;
		}
		*space = '\0';
	}
	memset(errors, 0, cap);
	FILE *f = fmemopen(errors, cap, "w");
	assert_non_null(f);
	enum err e = control_parse(c, argc, argv, f);
	fclose(f);
	return e;
}

#define GOOD "--interface=127.0.0.1 --listen-ng=127.0.0.1:2223 "

static void options(void **state)
{
	(void)state;
	static const struct {
		const char *name, *words;
		enum err want;
		const char *says; /* part of what is printed; NULL: nothing */
	} rows[] = {
		{"the least that is needed", GOOD, OK, NULL},
		{"as Debian's rtpengine is started",
		 "--foreground --log-stderr --config-file=none --table=-1 "
		 "--interface=pub/192.0.2.1 --interface=priv/198.51.100.1 --listen-ng=2223 "
		 "--num-threads=2 --log-level=6 --timeout=60 --silent-timeout=3600 --tos=184",
		 OK, "note: --table has no meaning here"},
		{"short options", "-f -i 127.0.0.1 -n 2223 -m 30000 -M 30999 -t -1 -L 7", OK,
		 "note"},
		{"no interface", "--listen-ng=2223", ERR_BAD, "no --interface"},
		{"no control address", "--interface=127.0.0.1", ERR_BAD, "no --listen-ng"},
		{"an unknown option", GOOD "--frobnicate=1", ERR_BAD, "--frobnicate"},
		{"not an option", GOOD "word", ERR_BAD, "not an option: word"},
		{"an address that is none", "--interface=pub/300.1.1.1 --listen-ng=2223", ERR_BAD,
		 "--interface=pub/300.1.1.1: not understood"},
		{"nowhere is not an address for SDP", "--interface=0.0.0.0 --listen-ng=2223",
		 ERR_BAD, "--interface"},
		{"advertised address of another family",
		 "--interface=pub/127.0.0.1!2001:db8::1 --listen-ng=2223", ERR_BAD, "--interface"},
		{"a port out of range", "--interface=127.0.0.1 --listen-ng=127.0.0.1:70000",
		 ERR_BAD, "--listen-ng"},
		{"no port at all", "--interface=127.0.0.1 --listen-ng=127.0.0.1", ERR_BAD,
		 "--listen-ng"},
		{"an empty path", "--interface=127.0.0.1 --listen-ng=unix:", ERR_BAD,
		 "--listen-ng"},
		{"no threads", GOOD "--num-threads=0", ERR_BAD, "--num-threads"},
		{"a TOS above 255", GOOD "--tos=256", ERR_BAD, "--tos"},
		{"an unknown engine", GOOD "--srtp-engine=nss", ERR_BAD, "--srtp-engine"},
		{"all mistakes in one run", GOOD "--tos=x --num-threads=y", ERR_BAD,
		 "--num-threads=y"},
		{"help needs nothing else", "--help", OK, NULL},
		{"a file that is not there", "--config=/nonexistent/sallyport.yaml", ERR_BAD,
		 "nonexistent"},
	};
	CHECK_TABLE(row, rows)
	{
		static struct control c;
		char said[4096];
		EXPECT_ERR(parse(&c, row->words, said, sizeof(said)), row->want);
		if (row->says) {
			EXPECT_TRUE(strstr(said, row->says) != NULL);
		} else {
			EXPECT_Z(str_from(said), "");
		}
	}
}

static void what_the_options_become(void **state)
{
	(void)state;
	static struct control c;
	char said[4096];
	assert_int_equal(
		parse(&c,
		      "--interface=pub/192.0.2.1!203.0.113.1 --interface=2001:db8::1 "
		      "--listen-ng=unix:/tmp/x.sock --listen-ng=[::1]:2223 --listen-http=9900 "
		      "--port-min=20000 --port-max=20999 --delete-delay=0 --timeout=90 "
		      "--max-sessions=7 --final-timeout=3600 --srtp-engine=libsrtp2",
		      said, sizeof(said)),
		OK);
	const struct relay_config *r = &c.relay;
	assert_int_equal(r->interface_count, 2);
	assert_string_equal(r->interfaces[0].name, "pub");
	assert_int_equal(r->interfaces[0].addr.ip[0], 192);
	assert_int_equal(r->interfaces[0].shown.ip[0], 203);
	assert_int_equal(r->interfaces[0].latch, LATCH_RESTRICTED);
	assert_string_equal(r->interfaces[1].name, "default");
	assert_int_equal(r->interfaces[1].addr.family, ADDR_IP6);
	assert_int_equal(r->interfaces[1].port_min, 20000);
	assert_int_equal(r->interfaces[1].port_max, 20999);
	assert_int_equal(c.listen_count, 2);
	assert_string_equal(c.listens[0].path, "/tmp/x.sock");
	assert_int_equal(c.listens[1].addr.port, 2223);
	assert_int_equal(c.http.port, 9900);
	assert_int_equal(c.http.ip[0], 127);
	assert_int_equal(r->delete_delay_ms, 0);
	assert_int_equal(r->timeouts.media, 90000);
	assert_int_equal(r->timeouts.total, 3600000);
	assert_int_equal(r->max_sessions, 7);
	assert_string_equal(r->srtp_engine, "libsrtp2");
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char site[] =
	"version: 1\n"
	"realms:\n"
	"  outside:\n"
	"    trust: none\n"
	"    listen: [ { transport: udp, address: 192.0.2.1, port: 5060 } ]\n"
	"    media: { address: 192.0.2.2, ports: 20000-20999, latching: strict }\n"
	"  inside:\n"
	"    trust: high\n"
	"    listen: [ { transport: udp, address: 198.51.100.1, port: 5060 } ]\n"
	"    media: { ports: 30000-30999, latching: learn }\n"
	"media_relays:\n"
	"  - { name: local, url: \"ng+unix:/tmp/relay-test.sock\" }\n"
	"  - { name: spare, url: \"ng+udp:127.0.0.1:2223\" }\n";

static void the_common_file(void **state)
{
	(void)state;
	static struct control c;
	char said[4096], path[] = "/tmp/sallyport-control-XXXXXX", words[256];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	write_file(path, site);
	snprintf(words, sizeof(words), "--config=%s", path);
	if (parse(&c, words, said, sizeof(said)) != OK) {
		fail_msg("%s", said);
	}
	assert_int_equal(c.relay.interface_count, 2);
	assert_string_equal(c.relay.interfaces[0].name, "outside");
	assert_int_equal(c.relay.interfaces[0].addr.ip[3], 2);
	assert_int_equal(c.relay.interfaces[0].port_min, 20000);
	assert_int_equal(c.relay.interfaces[0].latch, LATCH_STRICT);
	assert_int_equal(c.relay.interfaces[1].addr.ip[0], 198);
	assert_int_equal(c.relay.interfaces[1].latch, LATCH_LEARN);
	assert_int_equal(c.listen_count, 2);
	assert_true(c.listens_optional);
	/* One of the relays of the file. */
	snprintf(words, sizeof(words), "--config=%s --name=spare", path);
	assert_int_equal(parse(&c, words, said, sizeof(said)), OK);
	assert_int_equal(c.listen_count, 1);
	assert_int_equal(c.listens[0].addr.port, 2223);
	/* Options stand before the file. */
	snprintf(words, sizeof(words), "--config=%s --interface=127.0.0.1 --listen-ng=2224", path);
	assert_int_equal(parse(&c, words, said, sizeof(said)), OK);
	assert_int_equal(c.relay.interface_count, 1);
	assert_int_equal(c.listens[0].addr.port, 2224);
	assert_false(c.listens_optional);
	write_file(path, "version: 1\nrealms: { a: { media: { ports: 5 } } }\n");
	snprintf(words, sizeof(words), "--config=%s", path);
	assert_int_equal(parse(&c, words, said, sizeof(said)), ERR_BAD);
	assert_non_null(strstr(said, path));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options),
		cmocka_unit_test(what_the_options_become),
		cmocka_unit_test(the_common_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
