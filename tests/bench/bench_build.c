/* Writing SIP messages: the INVITE of the other side, the parts of an answer, an answer, a token, the headers that cross. */
#include "sbc/core/build.h"
#include "sbc/core/dialog.h"
#include "sbc/core/hide.h"
#include "sbc/core/rules.h"
#include "tests/bench/run.h"
#include "tests/bench/sip.h"

struct load {
	struct msg m;
	struct build_base base;
	char store[4096], lines[1024], out[8192], text[1024];
	struct str carried;
	uint64_t sum;
};

static const struct addr here = {{192, 0, 2, 1}, 5060, ADDR_IP4};

static void request_it(void *arg, size_t ops)
{
	struct load *l = arg;
	const struct build_request r = {
		.method = STR("INVITE"),
		.uri = STR("sip:+493055512345@198.51.100.20:5060"),
		.transport = TRANSPORT_UDP,
		.sent_by = &here,
		.branch = STR("z9hG4bKabcdefghijklmnopqrstuvwxyz234567"),
		.max_forwards = 69,
		.from = {STR("\"Alice Example\" <sip:+493012345678@192.0.2.1>"),
			 STR("abcdefghijklmnopqrstuvwxyz234567")},
		.to = {STR("<sip:+493055512345@198.51.100.20>"), STR_NONE},
		.call_id = STR("abcdefghijklmnopqrstuvwxyz234567"),
		.cseq = 1,
		.contact = STR("sip:abcdefghijklmnopqrstuvwxyz234567@192.0.2.1:5060"),
		.headers = l->carried,
		.content_type = STR("application/sdp"),
		.body = l->m.body};
	for (size_t i = 0; i < ops; i++) {
		struct buf b;
		buf_init(&b, l->out, sizeof(l->out));
		CHECK(build_request(&b, &r) == OK);
		l->sum += b.len;
	}
}

static void base_it(void *arg, size_t ops)
{
	struct load *l = arg;
	for (size_t i = 0; i < ops; i++) {
		struct buf b;
		buf_init(&b, l->store, sizeof(l->store));
		CHECK(build_base(&b, &l->m, &here, &l->base) == OK);
		l->sum += b.len;
	}
}

static void response_it(void *arg, size_t ops)
{
	struct load *l = arg;
	const struct build_response r = {.base = &l->base,
					 .status = 200,
					 .to_tag = STR("abcdefghijklmnopqrstuvwxyz234567"),
					 .contact = STR("sip:abc@192.0.2.1:5060"),
					 .headers = l->carried,
					 .content_type = STR("application/sdp"),
					 .body = l->m.body};
	for (size_t i = 0; i < ops; i++) {
		struct buf b;
		buf_init(&b, l->out, sizeof(l->out));
		CHECK(build_response(&b, &r) == OK);
		l->sum += b.len;
	}
}

static void rules_it(void *arg, size_t ops)
{
	struct load *l = arg;
	static const struct realm realms[] = {{.header_rules = SETTINGS_NO_INDEX},
					      {.header_rules = SETTINGS_NO_INDEX}};
	const struct settings s = {.node = STR("sbc1"), .realms = realms, .realm_count = 2};
	const struct rules_params p = {
		.settings = &s, .from_realm = 0, .to_realm = 1, .body = true};
	for (size_t i = 0; i < ops; i++) {
		struct buf b;
		buf_init(&b, l->lines, sizeof(l->lines));
		CHECK(rules_carry(&b, &l->m, &p) == OK);
		l->carried = buf_view(&b);
	}
}

static void token_it(void *arg, size_t ops)
{
	struct load *l = arg;
	const struct hide h = {.key = {{1, 2}}};
	uint8_t random[HIDE_RANDOM_LEN] = {0};
	for (size_t i = 0; i < ops; i++) {
		char out[HIDE_BRANCH_LEN];
		id_t64 id;
		memcpy(random, &i, sizeof(i));
		CHECK(hide_make(&h, HIDE_TAG, random, i, out) == HIDE_TOKEN_LEN);
		CHECK(hide_read(&h, HIDE_TAG, (struct str){out, HIDE_TOKEN_LEN}, &id) && id == i);
		l->sum += (uint64_t)out[0];
	}
}

static void dialog_it(void *arg, size_t ops)
{
	struct load *l = arg;
	for (size_t i = 0; i < ops; i++) {
		struct dialog d;
		dialog_init(&d, l->text, sizeof(l->text));
		CHECK(dialog_start_uas(&d, &l->m, STR("abcdefghijklmnopqrstuvwxyz234567"), false) ==
		      OK);
		l->sum += d.text_used;
	}
}

int main(void)
{
	static struct load l;
	CHECK(msg_index(&l.m, sip_invite, 0) == OK);
	bench("rules_carry, default list", rules_it, &l);
	bench("build_request, INVITE with SDP", request_it, &l);
	bench("build_base, what responses repeat", base_it, &l);
	bench("build_response, 200 with SDP", response_it, &l);
	bench("hide_make and hide_read, one token", token_it, &l);
	bench("dialog_start_uas", dialog_it, &l);
	return l.sum == 0;
}
