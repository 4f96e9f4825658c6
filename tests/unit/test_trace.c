#include "common/buf.h"
#include "sbc/shell/trace.h"
#include "tests/support/check.h"

static char lines[65536];
static struct buf out;
static unsigned count;

static void sink(void *ctx, enum log_level level, struct str line)
{
	(void)ctx;
	(void)level;
	count++;
	buf_reset(&out);
	buf_str(&out, line);
}

static const char message[] = "INVITE sip:+49@a SIP/2.0\r\n"
			      "Via: SIP/2.0/TCP x\r\n"
			      "i: call-1@x\r\n"
			      "CSeq:  7 INVITE \r\n"
			      "Authorization: Digest secret\r\n"
			      "\r\n"
			      "Call-ID: in the body\r\n";

static void headers(void **state)
{
	(void)state;
	const struct {
		const char *name;
		struct str header;
		char compact;
		const char *want;
	} rows[] = {
		{"by its short name", STR("call-id"), 'i', "call-1@x"},
		{"the short name was not asked for", STR("call-id"), 0, ""},
		{"by its long name, without case and space", STR("cseq"), 0, "7 INVITE"},
		{"not there", STR("subject"), 's', ""},
		{"not in the body", STR("Call-ID"), 0, ""},
	};
	CHECK_TABLE(row, rows)
	EXPECT_Z(trace_header(str_from(message), row->header, row->compact), row->want);
}

static void a_line_for_each_message(void **state)
{
	(void)state;
	static struct turn turn = {.wall_ms = 1795298400000u};
	static struct trace t;
	struct realm realms[1] = {{.name = STR("outside")}};
	struct listener listeners[1] = {{.realm = 0}};
	struct settings s = {
		.realms = realms, .realm_count = 1, .listeners = listeners, .listener_count = 1};
	struct flow flow = {.transport = TRANSPORT_TLS, .remote = {{192, 0, 2, 1}, 5061, ADDR_IP4}};
	buf_init(&out, lines, sizeof(lines));
	trace_init(&t, sink, NULL, &s);
	t.turn = &turn;
	trace_message(&t, false, &flow, str_from(message));
	EXPECT_Z(buf_view(&out), "time=2026-11-21T22:00:00.000Z level=info event=sip dir=in "
				 "realm=outside transport=TLS "
				 "peer=192.0.2.1:5061 start=\"INVITE sip:+49@a SIP/2.0\" "
				 "call_id=call-1@x cseq=\"7 INVITE\" "
				 "bytes=131\n");
	/* All of them, not ten a second. */
	for (unsigned i = 0; i < 100; i++)
		trace_message(&t, true, &flow, str_from(message));
	EXPECT_INT(count, 101);
	/* What is no message makes one line too, and nothing of it breaks the line. */
	trace_message(&t, false, &flow, STR("\x1b[2J\nno\0message"));
	EXPECT_INT(count, 102);
	EXPECT_INT(str_index(buf_view(&out), '\n'), out.len - 1);
	EXPECT_TRUE(!str_has_char(buf_view(&out), '\x1b'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(a_line_for_each_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
