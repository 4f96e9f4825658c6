/* The relay's options for its engine and its sleeps, and the common file that fills what they leave open. */
#include "rtpproxy/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rtpproxy/io/coalesce.h"
#include "tests/support/check.h"

enum { ARGS_MAX = 8 };

static const char file[] =
	"version: 1\n"
	"realms: { a: { listen: [ { transport: udp, address: 127.0.0.1, port: 5060 } ] } }\n"
	"media_relays: [ { name: l, url: \"ng+unix:/tmp/x.sock\", srtp_engine: libsrtp2, "
	"coalesce_us: 250 } ]\n";

#define ALONE "--interface=127.0.0.1", "--listen-ng=127.0.0.1:2223"

static const struct {
	const char *name;
	const char *args[ARGS_MAX]; /* FILE is the common file */
	enum err want;
	const char *engine;
	uint32_t coalesce_us;
} rows[] = {
	{"nothing said", {ALONE}, OK, "auto", COALESCE_DEFAULT_US},
	{"an engine by name", {ALONE, "--srtp-engine=openssl"}, OK, "openssl", COALESCE_DEFAULT_US},
	{"one level of the batched engine",
	 {ALONE, "--srtp-engine=ipsec-mb-avx2"},
	 OK,
	 "ipsec-mb-avx2",
	 COALESCE_DEFAULT_US},
	{"an engine that nobody knows", {ALONE, "--srtp-engine=rot13"}, ERR_BAD, NULL, 0},
	{"no sleeps", {ALONE, "--coalesce=0"}, OK, "auto", 0},
	{"the longest sleep", {ALONE, "--coalesce=1000"}, OK, "auto", 1000},
	{"a sleep of more than a millisecond", {ALONE, "--coalesce=1001"}, ERR_BAD, NULL, 0},
	{"the file fills both", {"--config=FILE"}, OK, "libsrtp2", 250},
	{"options go before the file",
	 {"--config=FILE", "--srtp-engine=auto", "--coalesce=0"},
	 OK,
	 "auto",
	 0},
};

static void test_options(void **state)
{
	(void)state;
	char path[] = "/tmp/sallyport-relay-options-XXXXXX", config[64];
	const int fd = mkstemp(path);
	EXPECT_TRUE(fd >= 0 && write(fd, file, strlen(file)) == (ssize_t)strlen(file));
	(void)snprintf(config, sizeof(config), "--config=%s", path);
	FILE *nowhere = fopen("/dev/null", "we");
	CHECK_TABLE(row, rows)
	{
		static struct control c;
		char *argv[ARGS_MAX + 2] = {"relay"};
		int argc = 1;
		for (; row->args[argc - 1]; argc++)
			argv[argc] = strcmp(row->args[argc - 1], "--config=FILE") == 0
					     ? config
					     : (char *)(uintptr_t)row->args[argc - 1];
		EXPECT_ERR(control_parse(&c, argc, argv, nowhere), row->want);
		if (row->want != OK)
			continue;
		EXPECT_Z(str_from(c.relay.srtp_engine), row->engine);
		EXPECT_INT(c.coalesce_us, row->coalesce_us);
	}
	fclose(nowhere);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"engine and sleeps come from options, then from the file, then by themselves",
		 test_options, NULL, NULL, NULL},
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
