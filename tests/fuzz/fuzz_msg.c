/*
 * One message from a stranger through the whole message layer: index, full parse, refusal, the answer to it, a dialog out of it,
 * and a request within that dialog. What we write must be a message that we accept.
 */
#include "sbc/core/dialog.h"
#include "sbc/core/refuse.h"
#include "sbc/core/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct msg m, again;
static char arena_mem[MSG_FULL_ARENA], store_mem[2 * MSG_BYTES_MAX], out_mem[4 * MSG_BYTES_MAX];
static const struct addr source = {{198, 51, 100, 7}, 5062, ADDR_IP4};

static bool is_inside(struct str s)
{
	return s.len == 0 || (s.p >= m.bytes.p && s.p + s.len <= m.bytes.p + m.bytes.len);
}

static void check_views(enum err e)
{
	CHECK(m.header_count <= MSG_HEADERS_MAX);
	CHECK((e == OK) == (m.fault == MSG_FAULT_NONE));
	for (size_t i = 0; i < m.header_count && e == OK; i++)
		CHECK(is_inside(msg_name_at(&m, i)) && is_inside(msg_value_at(&m, i)));
	if (e == OK)
		CHECK(is_inside(m.uri) && is_inside(m.body) && is_inside(m.via.all) &&
		      is_inside(m.via.branch) && is_inside(m.from_tag) && is_inside(m.to_tag) &&
		      is_inside(m.call_id) && is_inside(m.method_text));
}

static void check_answer(uint16_t status)
{
	struct buf store, b;
	struct build_base base;
	buf_init(&store, store_mem, sizeof(store_mem));
	buf_init(&b, out_mem, sizeof(out_mem));
	CHECK(build_base(&store, &m, &source, &base) == OK);
	const struct build_response r = {.base = &base, .status = status, .to_tag = STR("t")};
	CHECK(build_response(&b, &r) == OK);
	/* A value that was wrong goes back as it came; else the answer is good, and says the same. */
	enum err e = msg_index(&again, buf_view(&b), MSG_STREAM);
	if (m.fault == MSG_FAULT_NONE) {
		CHECK(e == OK || again.fault == MSG_FAULT_TOO_LONG);
		CHECK(e != OK || (again.cseq == m.cseq && str_eq(again.via.branch, m.via.branch)));
	}
}

static void check_dialog(void)
{
	static char text[UINT16_MAX];
	struct dialog d;
	struct buf b;
	dialog_init(&d, text, sizeof(text));
	if (dialog_start_uas(&d, &m, STR("local"), true) != OK)
		return;
	CHECK(dialog_next_hop(&d).len > 0);
	struct build_request r = {.method = STR("BYE"),
				  .transport = TRANSPORT_TLS,
				  .sent_by = &source,
				  .branch = STR("z9hG4bKx"),
				  .max_forwards = 70};
	CHECK(dialog_fill(&d, 1, &r) == OK);
	buf_init(&b, out_mem, sizeof(out_mem));
	enum err e = build_request(&b, &r);
	/* Octets that a quoted-pair let into a route or Call-ID do not get out. */
	CHECK(e == OK || e == ERR_BAD);
	if (e == OK)
		CHECK(msg_index(&again, buf_view(&b), MSG_STREAM) == OK ||
		      again.fault == MSG_FAULT_TOO_LONG);
}

static void check_rules(void)
{
	static const struct str carry[] = {{"Subject", 7}, {"X-A", 3}, {"Via", 3}};
	static const struct header_rules rules = {.carry = carry, .carry_count = 3};
	static const struct realm realms[] = {{.header_rules = 0}};
	const struct settings s = {.node = STR("n"),
				   .realms = realms,
				   .realm_count = 1,
				   .header_rules = &rules,
				   .header_rules_count = 1};
	const struct rules_params p = {
		.settings = &s, .from_realm = 0, .to_realm = 0, .body = true};
	struct buf b;
	buf_init(&b, out_mem, sizeof(out_mem));
	CHECK(rules_carry(&b, &m, &p) == OK);
	const struct addr here = {{192, 0, 2, 1}, 5060, ADDR_IP4};
	const struct build_request r = {.method = STR("INFO"),
					.uri = STR("sip:a"),
					.sent_by = &here,
					.branch = STR("z9hG4bKx"),
					.from = {STR("<sip:a>"), STR("1")},
					.to = {STR("<sip:b>"), STR("2")},
					.call_id = STR("c"),
					.headers = buf_view(&b)};
	struct buf out;
	buf_init(&out, store_mem, sizeof(store_mem));
	CHECK(build_request(&out, &r) == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct str type = {"application/sdp", 15};
	const struct refuse_params params = {
		.methods = UINT32_MAX, .content_types = &type, .content_type_count = 1};
	struct arena a;
	for (unsigned flags = 0; flags <= MSG_STREAM; flags++) {
		enum err e = msg_index(&m, (struct str){(const char *)data, size}, flags);
		check_views(e);
		if (e != OK && m.answerable)
			check_answer(400);
		if (e != OK) {
			(void)refuse_fault(&m);
			continue;
		}
		check_rules();
		if (m.is_request) {
			struct verdict v = refuse_request(&m, &params);
			struct buf b;
			buf_init(&b, out_mem, sizeof(out_mem));
			CHECK(refuse_write_headers(&b, &v, &m, &params) == OK);
			if (m.answerable)
				check_answer(200);
			check_dialog();
		}
		arena_init(&a, arena_mem, sizeof(arena_mem));
		(void)!msg_full(&m, &a);
		CHECK(a.used == 0);
	}
	return 0;
}
