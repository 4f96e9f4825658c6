#include "sbc/core/dialog.h"
#include "tests/support/check.h"

static struct msg m;

#define INVITE(rest)                                                                               \
	"INVITE sips:b@h SIP/2.0\r\nVia: SIP/2.0/TLS x;branch=z9hG4bK1\r\n"                        \
	"From: \"A\" <sip:a@h>;tag=ft;x=1\r\nTo: sip:b@h\r\nCall-ID: c1\r\nCSeq: 100 "             \
	"INVITE\r\n" rest "\r\n"
#define CONTACT "Contact: <sip:a@192.0.2.9:5070;transport=tcp?Subject=x>\r\n"
#define ROUTES                                                                                     \
	"Record-Route: <sip:p1;lr>;x=1,\r\n <sip:p2;lr>\r\nRecord-Route: \"q\" <sip:p3;lr>\r\n"

static void index_it(struct str s)
{
	EXPECT_ERR(msg_index(&m, s, 0), OK);
}

static void test_uas(void **state)
{
	(void)state;
	char text[512];
	struct dialog d;
	dialog_init(&d, text, sizeof(text));
	index_it(STR(INVITE(CONTACT ROUTES)));
	EXPECT_TRUE(dialog_text_for(&m) <= sizeof(text));
	EXPECT_ERR(dialog_start_uas(&d, &m, STR("lt"), true), OK);
	EXPECT_Z(dialog_get(&d, DIALOG_CALL_ID), "c1");
	EXPECT_Z(dialog_get(&d, DIALOG_LOCAL_TAG), "lt");
	EXPECT_Z(dialog_get(&d, DIALOG_REMOTE_TAG), "ft");
	EXPECT_Z(dialog_get(&d, DIALOG_LOCAL), "<sip:b@h>");
	EXPECT_Z(dialog_get(&d, DIALOG_REMOTE), "\"A\" <sip:a@h>");
	EXPECT_Z(dialog_get(&d, DIALOG_TARGET), "sip:a@192.0.2.9:5070;transport=tcp");
	EXPECT_Z(dialog_get(&d, DIALOG_ROUTES), "<sip:p1;lr>;x=1\n<sip:p2;lr>\n\"q\" <sip:p3;lr>");
	EXPECT_INT(d.remote_cseq, 100);
	EXPECT_INT(d.role, DIALOG_UAS);
	EXPECT_TRUE(d.secure);
	EXPECT_Z(dialog_next_hop(&d), "sip:p1;lr");

	struct build_request r = {0};
	EXPECT_INT(dialog_next_cseq(&d), 1);
	EXPECT_ERR(dialog_fill(&d, 1, &r), OK);
	EXPECT_Z(r.uri, "sip:a@192.0.2.9:5070;transport=tcp");
	EXPECT_Z(r.from.value, "<sip:b@h>");
	EXPECT_Z(r.from.tag, "lt");
	EXPECT_Z(r.to.value, "\"A\" <sip:a@h>");
	EXPECT_Z(r.to.tag, "ft");
	EXPECT_STR(r.routes, dialog_get(&d, DIALOG_ROUTES));
	EXPECT_INT(r.last_route.len, 0);

	/* Not over TLS, or not to a sips: URI, it is not secure. */
	EXPECT_ERR(dialog_start_uas(&d, &m, STR("lt"), false), OK);
	EXPECT_TRUE(!d.secure);
}

static void test_uas_refuses(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str text;
		size_t cap;
		enum err e;
	} rows[] = {
		{"good", STR(INVITE(CONTACT)), 512, OK},
		{"no Contact", STR(INVITE("")), 512, ERR_BAD},
		{"a Contact that is no URI", STR(INVITE("Contact: <x>\r\n")), 512, ERR_BAD},
		{"a star", STR(INVITE("Contact: *\r\n")), 512, ERR_BAD},
		{"a route without brackets", STR(INVITE(CONTACT "Record-Route: sip:p;lr\r\n")), 512,
		 ERR_BAD},
		{"a block that is too small", STR(INVITE(CONTACT ROUTES)), 60, ERR_FULL},
	};
	CHECK_TABLE(row, rows)
	{
		char text[512];
		struct dialog d, before;
		dialog_init(&d, text, row->cap);
		before = d;
		index_it(row->text);
		EXPECT_ERR(dialog_start_uas(&d, &m, STR("lt"), true), row->e);
		if (row->e != OK)
			EXPECT_BYTES(&d, &before, sizeof(d));
	}
}

static const struct dialog_uac uac = {
	.call_id = {"ours", 4},
	.local_tag = {"lt", 2},
	.local = {"<sip:a@us>", 10},
	.remote = {"<sip:b@h>", 9},
	.target = {"sip:b@h", 7},
	.cseq = 1,
	.over_tls = true,
};

#define ANSWER(status, tag, rest)                                                                  \
	"SIP/2.0 " status "\r\nVia: SIP/2.0/TLS us;branch=z9hG4bK1\r\nFrom: <sip:a@us>;tag=lt\r\n" \
	"To: <sip:b@h>" tag "\r\nCall-ID: ours\r\nCSeq: 1 INVITE\r\n" rest "\r\n"

static void test_uac(void **state)
{
	(void)state;
	char text[512];
	struct dialog d;
	dialog_init(&d, text, sizeof(text));
	EXPECT_ERR(dialog_start_uac(&d, &uac), OK);
	EXPECT_TRUE(!d.secure && !d.confirmed);
	EXPECT_Z(dialog_next_hop(&d), "sip:b@h");
	index_it(STR(ANSWER("180 Ringing", ";tag=rt", ROUTES)));
	EXPECT_ERR(dialog_on_response(&d, &m), OK);
	EXPECT_Z(dialog_get(&d, DIALOG_REMOTE_TAG), "rt");
	EXPECT_Z(dialog_get(&d, DIALOG_TARGET), "sip:b@h");
	EXPECT_Z(dialog_get(&d, DIALOG_ROUTES), "\"q\" <sip:p3;lr>\n<sip:p2;lr>\n<sip:p1;lr>;x=1");
	EXPECT_TRUE(dialog_has_response(&d, &m));

	/* The 2xx decides anew, and for good. */
	index_it(STR(ANSWER("200 OK", ";tag=rt",
			    "Record-Route: <sip:p9;lr>\r\nContact: <sip:b@192.0.2.7>\r\n")));
	EXPECT_ERR(dialog_on_response(&d, &m), OK);
	EXPECT_TRUE(d.confirmed);
	EXPECT_Z(dialog_get(&d, DIALOG_ROUTES), "<sip:p9;lr>");
	EXPECT_Z(dialog_get(&d, DIALOG_TARGET), "sip:b@192.0.2.7");
	index_it(STR(ANSWER("200 OK", ";tag=rt", "Contact: <sip:evil@192.0.2.66>\r\n")));
	EXPECT_ERR(dialog_on_response(&d, &m), OK);
	EXPECT_Z(dialog_get(&d, DIALOG_TARGET), "sip:b@192.0.2.7");

	EXPECT_INT(dialog_next_cseq(&d), 2);
	d.local_cseq = INT32_MAX;
	EXPECT_INT(dialog_next_cseq(&d), 1);
}

static void test_uac_refuses(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str text;
		size_t cap;
		enum err e;
	} rows[] = {
		{"without Contact the target stays", STR(ANSWER("200 OK", ";tag=rt", "")), 512, OK},
		{"without tag (RFC 2543)", STR(ANSWER("200 OK", "", CONTACT)), 512, OK},
		{"a Contact that is no URI", STR(ANSWER("200 OK", ";tag=rt", "Contact: <x>\r\n")),
		 512, ERR_BAD},
		{"a route that is none", STR(ANSWER("200 OK", ";tag=rt", "Record-Route: <p>\r\n")),
		 512, ERR_BAD},
		{"a block that is too small", STR(ANSWER("200 OK", ";tag=rt", CONTACT ROUTES)), 64,
		 ERR_FULL},
	};
	CHECK_TABLE(row, rows)
	{
		char text[512], was[512];
		struct dialog d, before;
		dialog_init(&d, text, row->cap);
		memset(text, 0, sizeof(text));
		EXPECT_ERR(dialog_start_uac(&d, &uac), OK);
		before = d;
		memcpy(was, text, sizeof(text));
		index_it(row->text);
		EXPECT_ERR(dialog_on_response(&d, &m), row->e);
		if (row->e != OK) {
			EXPECT_BYTES(&d, &before, sizeof(d));
			EXPECT_BYTES(text, was, sizeof(text));
		}
	}
}

static void test_too_many_routes(void **state)
{
	(void)state;
	char mem[2048], text[1024];
	struct buf b;
	struct dialog d;
	for (unsigned n = 31; n <= 33; n++) {
		buf_init(&b, mem, sizeof(mem));
		buf_lit(&b, "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS us;branch=z9hG4bK1\r\nFrom: "
			    "<sip:a@us>;tag=lt\r\n"
			    "To: <sip:b@h>;tag=x\r\nCall-ID: ours\r\nCSeq: 1 "
			    "INVITE\r\nRecord-Route: <sip:p;lr>");
		for (unsigned i = 1; i < n; i++)
			buf_lit(&b, ",<sip:p;lr>");
		buf_lit(&b, "\r\n\r\n");
		index_it(buf_view(&b));
		dialog_init(&d, text, sizeof(text));
		EXPECT_ERR(dialog_start_uac(&d, &uac), OK);
		EXPECT_ERR(dialog_on_response(&d, &m), n <= 32 ? OK : ERR_BAD);
	}
}

static void test_strict_route(void **state)
{
	(void)state;
	static const struct {
		const char *name, *routes, *uri, *rest, *last, *hop;
	} rows[] = {
		{"no routes", "", "sip:t@h", "", "", "sip:t@h"},
		{"a loose router", "<sip:p1;lr>\n<sip:p2>", "sip:t@h", "<sip:p1;lr>\n<sip:p2>", "",
		 "sip:p1;lr"},
		{"lr with a value", "<sip:p1;lr=true>", "sip:t@h", "<sip:p1;lr=true>", "",
		 "sip:p1;lr=true"},
		{"a strict router", "<sip:p1>\n<sip:p2;lr>", "sip:p1", "<sip:p2;lr>", "sip:t@h",
		 "sip:p1"},
		{"a strict router alone", "<sip:p1;x=1?a=b>", "sip:p1;x=1", "", "sip:t@h",
		 "sip:p1;x=1?a=b"},
		{"lr outside of the brackets is none", "<sip:p1>;lr", "sip:p1", "", "sip:t@h",
		 "sip:p1"},
	};
	CHECK_TABLE(row, rows)
	{
		char text[256];
		struct dialog d;
		struct build_request r = {0};
		dialog_init(&d, text, sizeof(text));
		EXPECT_ERR(dialog_set(&d, DIALOG_TARGET, STR("sip:t@h")), OK);
		EXPECT_ERR(dialog_set(&d, DIALOG_ROUTES, str_from(row->routes)), OK);
		EXPECT_ERR(dialog_fill(&d, 5, &r), OK);
		EXPECT_Z(r.uri, row->uri);
		EXPECT_Z(r.routes, row->rest);
		EXPECT_Z(r.last_route, row->last);
		EXPECT_INT(r.cseq, 5);
		EXPECT_Z(dialog_next_hop(&d), row->hop);
	}
}

static void test_cseq(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum method method;
		uint32_t known, comes, after;
		bool is_known;
		enum err e;
	} rows[] = {
		{"the first of a peer that we called", METHOD_BYE, 0, 0, 0, false, OK},
		{"the next", METHOD_BYE, 100, 101, 101, true, OK},
		{"a gap", METHOD_BYE, 100, 500, 500, true, OK},
		{"lower", METHOD_BYE, 100, 99, 100, true, ERR_REPLAY},
		{"the same again", METHOD_INFO, 100, 100, 100, true, ERR_REPLAY},
		{"ACK has the number of its INVITE", METHOD_ACK, 100, 100, 100, true, OK},
		{"ACK of an older one", METHOD_ACK, 100, 99, 100, true, OK},
		{"CANCEL too", METHOD_CANCEL, 100, 100, 100, true, OK},
	};
	CHECK_TABLE(row, rows)
	{
		char text[64];
		struct dialog d;
		dialog_init(&d, text, sizeof(text));
		d.remote_cseq = row->known;
		d.remote_cseq_known = row->is_known;
		m.method = row->method;
		m.cseq = row->comes;
		EXPECT_ERR(dialog_take_cseq(&d, &m), row->e);
		EXPECT_INT(d.remote_cseq, row->after);
	}
}

static void test_identity(void **state)
{
	(void)state;
	static const struct {
		const char *name, *call_id, *from_tag, *to_tag;
		bool ours;
	} rows[] = {
		{"all three", "c1", "rt", "lt", true},
		{"tags in another case", "c1", "RT", "Lt", true},
		{"a Call-ID in another case", "C1", "rt", "lt", false},
		{"tags the wrong way round", "c1", "lt", "rt", false},
		{"no To tag", "c1", "rt", "", false},
		{"a longer tag", "c1", "rtx", "lt", false},
	};
	char text[64];
	struct dialog d;
	dialog_init(&d, text, sizeof(text));
	EXPECT_ERR(dialog_set(&d, DIALOG_CALL_ID, STR("c1")), OK);
	EXPECT_ERR(dialog_set(&d, DIALOG_LOCAL_TAG, STR("lt")), OK);
	EXPECT_ERR(dialog_set(&d, DIALOG_REMOTE_TAG, STR("rt")), OK);
	CHECK_TABLE(row, rows)
	{
		m.call_id = str_from(row->call_id);
		m.from_tag = str_from(row->from_tag);
		m.to_tag = str_from(row->to_tag);
		EXPECT_INT(dialog_has_request(&d, &m), row->ours);
		m.from_tag = str_from(row->to_tag);
		m.to_tag = str_from(row->from_tag);
		EXPECT_INT(dialog_has_response(&d, &m), row->ours);
	}
}

static void test_refresh(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str text;
		enum err e;
		const char *target;
	} rows[] = {
		{"another Contact", STR(INVITE("m: <sip:new@192.0.2.8>\r\n")), OK,
		 "sip:new@192.0.2.8"},
		{"the method parameter does not go into a Request-URI",
		 STR(INVITE("m: <sip:n@h;method=BYE;x=1>\r\n")), OK, "sip:n@h;x=1"},
		{"no Contact", STR(INVITE("")), OK, "sip:old@h"},
		{"a Contact that is none", STR(INVITE("m: <new>\r\n")), ERR_BAD, "sip:old@h"},
		{"too long for the block",
		 STR(INVITE("m: "
			    "<sip:a-very-long-user-part-that-does-not-fit@a-very-long-host.example>"
			    "\r\n")),
		 ERR_FULL, "sip:old@h"},
	};
	CHECK_TABLE(row, rows)
	{
		char text[48];
		struct dialog d;
		dialog_init(&d, text, sizeof(text));
		EXPECT_ERR(dialog_set(&d, DIALOG_TARGET, STR("sip:old@h")), OK);
		EXPECT_ERR(dialog_set(&d, DIALOG_ROUTES, STR("<sip:p;lr>")), OK);
		index_it(row->text);
		EXPECT_ERR(dialog_refresh_target(&d, &m), row->e);
		EXPECT_Z(dialog_get(&d, DIALOG_TARGET), row->target);
		EXPECT_Z(dialog_get(&d, DIALOG_ROUTES), "<sip:p;lr>");
	}
}

/* Slots grow, shrink and keep their neighbours, in every order. */
static void test_slots(void **state)
{
	(void)state;
	char text[200], value[DIALOG_TEXT_COUNT][32];
	size_t len[DIALOG_TEXT_COUNT] = {0};
	struct dialog d;
	dialog_init(&d, text, sizeof(text));
	unsigned seed = 1;
	for (int i = 0; i < 5000; i++) {
		seed = seed * 1103515245 + 12345;
		unsigned t = seed >> 16 & 0x7fff;
		unsigned n = t / DIALOG_TEXT_COUNT % 32;
		t %= DIALOG_TEXT_COUNT;
		char fresh[32];
		memset(fresh, 'a' + i % 26, sizeof(fresh));
		size_t total = n;
		for (unsigned k = 0; k < DIALOG_TEXT_COUNT; k++)
			total += k == t ? 0 : len[k];
		enum err e = dialog_set(&d, (enum dialog_text)t, (struct str){fresh, n});
		EXPECT_ERR(e, total <= sizeof(text) ? OK : ERR_FULL);
		if (e == OK) {
			memcpy(value[t], fresh, n);
			len[t] = n;
		}
		for (unsigned k = 0; k < DIALOG_TEXT_COUNT; k++)
			EXPECT_STR(dialog_get(&d, (enum dialog_text)k),
				   ((struct str){value[k], len[k]}));
	}
}

static void test_copy(void **state)
{
	(void)state;
	char text[256], other[256], small[8];
	struct dialog d, e;
	dialog_init(&d, text, sizeof(text));
	EXPECT_ERR(dialog_start_uac(&d, &uac), OK);
	dialog_init(&e, other, sizeof(other));
	EXPECT_ERR(dialog_copy(&e, &d), OK);
	memset(text, 'x', sizeof(text));
	EXPECT_Z(dialog_get(&e, DIALOG_CALL_ID), "ours");
	EXPECT_TRUE(e.text == other);
	dialog_init(&e, small, sizeof(small));
	EXPECT_ERR(dialog_copy(&e, &d), ERR_FULL);
	/* Two legs of a call must stay far below 8 KiB. */
	EXPECT_TRUE(sizeof(struct dialog) <= 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uas),
		cmocka_unit_test(test_uas_refuses),
		cmocka_unit_test(test_uac),
		cmocka_unit_test(test_uac_refuses),
		cmocka_unit_test(test_too_many_routes),
		cmocka_unit_test(test_strict_route),
		cmocka_unit_test(test_cseq),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_copy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
