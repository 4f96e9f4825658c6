/* The upgrade as a table, and messages out of what follows it. */
#include <stdio.h>
#include <stdlib.h>

#include "sbc/shell/ws.h"
#include "tests/support/check.h"

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define REST                                                                                       \
	"Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" KEY                             \
	"Sec-WebSocket-Version: 13\r\n"
#define SIP  "Sec-WebSocket-Protocol: sip\r\n"
#define PAGE "Origin: https://phone.example.net\r\n"
#define GET  "GET /sip HTTP/1.1\r\n"
#define WELCOME                                                                                    \
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"        \
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"                                   \
	"Sec-WebSocket-Protocol: sip\r\n\r\n"

static const struct str pages[] = {{"https://phone.example.net", 25}, {"https://b.example", 17}};
static const struct listener strict = {
	.transport = TRANSPORT_WSS, .path = {"/sip", 4}, .origins = pages, .origin_count = 2};
static const struct listener open_to_all = {.transport = TRANSPORT_WS, .path = {"/sip", 4}};

static void what_an_upgrade_gets(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *text;
		const struct listener *l;
		uint16_t want;
	} rows[] = {
		{"as browsers ask", GET REST SIP PAGE "\r\n", &strict, 101},
		{"header names and tokens without case",
		 "GET /sip HTTP/1.1\r\nhost: h\r\nUPGRADE: WebSocket\r\nconnection: keep-alive, "
		 "UPGRADE\r\n" KEY "sec-websocket-version: 13\r\nsec-websocket-protocol: sip\r\n"
		 "origin: HTTPS://phone.example.net\r\n\r\n",
		 &strict, 101},
		{"sip among other subprotocols",
		 GET REST PAGE "Sec-WebSocket-Protocol: msrp, sip\r\n\r\n", &strict, 101},
		{"subprotocols in two lines",
		 GET REST PAGE "Sec-WebSocket-Protocol: msrp\r\n" SIP "\r\n", &strict, 101},
		{"a query behind the path", "GET /sip?a=b HTTP/1.1\r\n" REST SIP PAGE "\r\n",
		 &strict, 101},
		{"no Origin where none is asked for: no browser", GET REST SIP "\r\n", &open_to_all,
		 101},
		{"any Origin where none is asked for", GET REST SIP PAGE "\r\n", &open_to_all, 101},

		{"another page", GET REST SIP "Origin: https://evil.example\r\n\r\n", &strict, 403},
		{"a page whose name only begins like ours",
		 GET REST SIP "Origin: https://phone.example.net.evil.example\r\n\r\n", &strict,
		 403},
		{"the right host over http",
		 GET REST SIP "Origin: http://phone.example.net\r\n\r\n", &strict, 403},
		{"an Origin of null", GET REST SIP "Origin: null\r\n\r\n", &strict, 403},
		{"an empty Origin", GET REST SIP "Origin:\r\n\r\n", &strict, 403},
		{"no Origin", GET REST SIP "\r\n", &strict, 403},
		{"two Origins", GET REST SIP PAGE "Origin: https://evil.example\r\n\r\n", &strict,
		 400},

		{"another path", "GET / HTTP/1.1\r\n" REST SIP PAGE "\r\n", &strict, 404},
		{"a longer path", "GET /sips HTTP/1.1\r\n" REST SIP PAGE "\r\n", &strict, 404},
		{"no subprotocol", GET REST PAGE "\r\n", &strict, 400},
		{"another subprotocol", GET REST PAGE "Sec-WebSocket-Protocol: chat\r\n\r\n",
		 &strict, 400},
		{"a subprotocol in capitals is another",
		 GET REST PAGE "Sec-WebSocket-Protocol: SIP\r\n\r\n", &strict, 400},
		{"a plain GET", GET "Host: h\r\n" PAGE "\r\n", &strict, 426},
		{"an older version",
		 GET "Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" KEY
		     "Sec-WebSocket-Version: 8\r\n" SIP PAGE "\r\n",
		 &strict, 426},
		{"no key",
		 GET "Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		     "Sec-WebSocket-Version: 13\r\n" SIP PAGE "\r\n",
		 &strict, 400},
		{"a key of 15 octets",
		 GET
		 "Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\nSec-WebSocket-Version: 13\r\n" SIP PAGE
		 "\r\n",
		 &strict, 400},
		{"two keys", GET REST KEY SIP PAGE "\r\n", &strict, 400},
		{"no Host",
		 GET "Upgrade: websocket\r\nConnection: Upgrade\r\n" KEY
		     "Sec-WebSocket-Version: 13\r\n" SIP PAGE "\r\n",
		 &strict, 400},
		{"a space before the colon",
		 GET REST SIP "Origin : https://phone.example.net\r\n\r\n", &strict, 400},
		{"a body", GET REST SIP PAGE "Content-Length: 5\r\n\r\n", &strict, 400},
		{"chunks", GET REST SIP PAGE "Transfer-Encoding: chunked\r\n\r\n", &strict, 400},
		{"HTTP/1.0", "GET /sip HTTP/1.0\r\n" REST SIP PAGE "\r\n", &strict, 400},
		{"a control octet in a value",
		 GET REST SIP "Origin: https://phone.example.net\x01\r\n\r\n", &strict, 400},
		{"a bare line feed", GET "Host: h\nUpgrade: websocket\r\n\r\n", &strict, 400},
		{"a header without a name", GET REST SIP PAGE ": x\r\n\r\n", &strict, 400},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[WS_REPLY_MAX];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		EXPECT_INT(ws_answer(str_from(row->text), row->l, &b), row->want);
		if (row->want == 101)
			EXPECT_Z(buf_view(&b), WELCOME);
		char want[32];
		(void)snprintf(want, sizeof(want), "HTTP/1.1 %u ", row->want);
		EXPECT_TRUE(str_has_prefix(buf_view(&b), str_from(want)));
		EXPECT_TRUE(!b.overflow && str_has_suffix(buf_view(&b), STR("\r\n\r\n")));
	}
}

/* What comes of a stream: M(text) messages, E with why it ended; what is to be sent goes to `sent`. */
static void run(struct str bytes, size_t piece, const struct listener *l, struct buf *told,
		struct buf *sent)
{
	struct ws w = {0};
	struct bytes_store store;
	size_t front = 0, have = 0;
	bool more = true;
	bytes_store_init(&store);
	while (more && have < bytes.len) {
		have = bytes.len - have < piece ? bytes.len : have + piece;
		for (;;) {
			char reply_mem[WS_REPLY_MAX];
			struct buf reply;
			size_t n = have - front;
			char *copy = malloc(n ? n : 1);
			assert_non_null(copy);
			memcpy(copy, bytes.p + front, n);
			buf_init(&reply, reply_mem, sizeof(reply_mem));
			struct ws_out o = ws_step(&w, &store, l, copy, n, 2000, &reply);
			EXPECT_TRUE(!reply.overflow && o.consumed <= n);
			buf_str(sent, buf_view(&reply));
			if (o.kind == WS_OUT_MESSAGE)
				buf_printf(told, "M(%.*s)", STR_ARG(o.message));
			if (o.kind == WS_OUT_END)
				buf_printf(told, "E%d", (int)o.end);
			free(copy);
			front += o.consumed;
			more = o.kind != WS_OUT_END;
			if (o.kind == WS_OUT_MORE || !more)
				break;
		}
	}
	ws_release(&w, &store);
	bytes_store_release(&store);
}

#define UP GET REST SIP "\r\n"
#define Z  "\0\0\0\0" /* a mask that changes nothing */

static void streams_whole_and_octet_by_octet(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str bytes;
		const char *told;
		struct str sent;
	} rows[] = {
		{"one message behind the upgrade", STR(UP "\x81\x85" Z "hello"), "M(hello)",
		 STR(WELCOME)},
		{"two messages, a binary one", STR(UP "\x81\x81" Z "a\x82\x81" Z "b"), "M(a)M(b)",
		 STR(WELCOME)},
		{"fragments become one message",
		 STR(UP "\x01\x82" Z "ab\x00\x80" Z "\x80\x82" Z "cd\x81\x81" Z "e"), "M(abcd)M(e)",
		 STR(WELCOME)},
		{"a ping is answered with its payload, also between fragments",
		 STR(UP "\x01\x81" Z "a\x89\x82" Z "hi\x80\x81" Z "b"), "M(ab)",
		 STR(WELCOME "\x8a\x02hi")},
		{"a close is answered with its code", STR(UP "\x88\x82" Z "\x03\xe9"), "E0",
		 STR(WELCOME "\x88\x02\x03\xe9")},
		{"an empty close", STR(UP "\x88\x80" Z), "E0", STR(WELCOME "\x88\x00")},
		{"nothing counts after a close", STR(UP "\x88\x80" Z "\x81\x81" Z "a"), "E0",
		 STR(WELCOME "\x88\x00")},
		{"an unmasked frame", STR(UP "\x81\x05hello"), "E3",
		 STR(WELCOME "\x88\x02\x03\xea")},
		{"text that is not UTF-8", STR(UP "\x81\x82" Z "\xc3("), "E3",
		 STR(WELCOME "\x88\x02\x03\xef")},
		{"a character across two fragments", STR(UP "\x01\x81" Z "\xc3\x80\x81" Z "\xa4"),
		 "M(\xc3\xa4)", STR(WELCOME)},
		{"binary need not be UTF-8", STR(UP "\x82\x81" Z "\xc3"), "M(\xc3)", STR(WELCOME)},
		{"more than the limit", STR(UP "\x81\xfe\x07\xd1" Z), "E4",
		 STR(WELCOME "\x88\x02\x03\xf1")},
		{"plain SIP is not HTTP", STR("OPTIONS sip:a SIP/2.0\r\n\r\n"), "E2", {NULL, 0}},
		{"TLS on the plain port", STR("\x16\x03\x01\x02"), "E2", {NULL, 0}},
		{"another method of HTTP", STR("POST /sip HTTP/1.1\r\n\r\n"), "E2", {NULL, 0}},
		{"an unfinished request", STR(GET "Host: h\r\n"), "", {NULL, 0}},
		{"a frame before the upgrade is refused",
		 STR("GET "
		     "\x81\x81" Z "a\r\n\r\n"),
		 "E1",
		 STR("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")},
	};
	CHECK_TABLE(row, rows)
	{
		for (size_t piece = 1; piece < 2000; piece *= 3) {
			char told_mem[512], sent_mem[2048];
			struct buf told, sent;
			buf_init(&told, told_mem, sizeof(told_mem));
			buf_init(&sent, sent_mem, sizeof(sent_mem));
			run(row->bytes, piece, &open_to_all, &told, &sent);
			EXPECT_Z(buf_view(&told), row->told);
			EXPECT_STR(buf_view(&sent), row->sent);
		}
	}
}

static void an_endless_request_is_refused_at_eight_kilobytes(void **state)
{
	(void)state;
	static char text[WS_REQUEST_MAX + 10];
	char told_mem[64], sent_mem[512];
	struct buf b, told, sent;
	buf_init(&b, text, sizeof(text));
	buf_lit(&b, GET "X: ");
	while (b.len < sizeof(text))
		buf_char(&b, 'x');
	for (size_t piece = 1; piece < 10000; piece *= 99) {
		buf_init(&told, told_mem, sizeof(told_mem));
		buf_init(&sent, sent_mem, sizeof(sent_mem));
		run((struct str){text, WS_REQUEST_MAX - 1}, piece, &open_to_all, &told, &sent);
		EXPECT_Z(buf_view(&told), "");
		run((struct str){text, WS_REQUEST_MAX}, piece, &open_to_all, &told, &sent);
		EXPECT_Z(buf_view(&told), "E1");
		EXPECT_TRUE(str_has_prefix(buf_view(&sent), STR("HTTP/1.1 400 ")));
	}
}

static void we_say_goodbye_once(void **state)
{
	(void)state;
	char mem[64];
	struct buf b;
	struct ws w = {.state = WS_OPEN};
	buf_init(&b, mem, sizeof(mem));
	ws_write_close(&w, &b, WS_CLOSE_AWAY);
	ws_write_close(&w, &b, WS_CLOSE_AWAY);
	EXPECT_STR(buf_view(&b), STR("\x88\x02\x03\xe9"));
	struct ws young = {.state = WS_UPGRADE};
	buf_reset(&b);
	ws_write_close(&young, &b, WS_CLOSE_AWAY);
	EXPECT_INT(b.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_upgrade_gets),
		cmocka_unit_test(streams_whole_and_octet_by_octet),
		cmocka_unit_test(an_endless_request_is_refused_at_eight_kilobytes),
		cmocka_unit_test(we_say_goodbye_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
