/* What policy costs an INVITE: which trunk, which route, with patterns; the media rule over an offer. */
#include "common/buf.h"
#include "policy/identify.h"
#include "policy/media_rule.h"
#include "policy/pattern.h"
#include "policy/route.h"
#include "run.h"

enum { TRUNKS = 200, ROUTES = 100 };

struct bench {
	struct policy_config c;
	struct facts f;
	const struct route_pattern *pattern;
	struct sdp sdp;
	struct media_rule rule;
};

static struct prefix prefixes[TRUNKS];
static struct trunk_rule trunks[TRUNKS];
static struct route_rule routes[ROUTES];
static char memory[4 << 20];
static struct arena arena;

static const char offer[] =
	"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
	"m=audio 4000 RTP/SAVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
	"inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n";

static void identify(void *ctx, size_t n)
{
	struct bench *b = ctx;
	for (size_t i = 0; i < n; i++) {
		uint16_t trunk;
		bench_keep(identify_trunk(&b->c, &b->f, &trunk).outcome);
	}
}

static void match(void *ctx, size_t n)
{
	struct bench *b = ctx;
	for (size_t i = 0; i < n; i++)
		bench_keep(pattern_matches(b->pattern, b->f.number));
}

static void route(void *ctx, size_t n)
{
	struct bench *b = ctx;
	for (size_t i = 0; i < n; i++) {
		uint16_t at;
		bench_keep(route_find(&b->c, &b->f, &at).outcome);
	}
}

static void media(void *ctx, size_t n)
{
	struct bench *b = ctx;
	for (size_t i = 0; i < n; i++)
		bench_keep(media_rule_check(&b->rule, &b->sdp, true).outcome);
}

static const struct route_pattern *compile(const char *z)
{
	char why[100];
	struct buf w;
	const struct route_pattern *p = NULL;
	buf_init(&w, why, sizeof(why));
	CHECK(pattern_compile(&arena, str_from(z), &p, &w) == OK);
	return p;
}

static void make(struct bench *b)
{
	static const struct realm_rule realm = {.name = STR("outside")};
	for (size_t i = 0; i < TRUNKS; i++) {
		prefixes[i].addr = (struct addr){{10, 0, (uint8_t)i, 0}, 0, ADDR_IP4};
		prefixes[i].bits = 24;
		trunks[i] = (struct trunk_rule){
			.name = STR("t"), .sources = &prefixes[i], .source_count = 1};
	}
	for (size_t i = 0; i < ROUTES; i++) {
		char text[32];
		struct buf z;
		buf_init(&z, text, sizeof(text) - 1);
		buf_printf(&z, "^\\+49%u\\d+$", (unsigned)(100 + i));
		text[z.len] = '\0';
		routes[i] = (struct route_rule){.name = STR("r"),
						.any_from = true,
						.numbers = {compile(text)},
						.number_count = 1};
	}
	b->c = (struct policy_config){.realms = &realm,
				      .realm_count = 1,
				      .trunks = trunks,
				      .trunk_count = TRUNKS,
				      .routes = routes,
				      .route_count = ROUTES};
	b->f = (struct facts){.trunk = POLICY_NO_INDEX,
			      .number = STR("+4919930555123"),
			      .domain = STR("example.net")};
	b->f.source = (struct addr){{10, 0, TRUNKS - 1, 7}, 5060, ADDR_IP4};
	b->pattern = routes[ROUTES - 1].numbers[0];
	b->rule = (struct media_rule){.name = STR("srtp-only"),
				      .srtp = MEDIA_REQUIRE,
				      .keying_sdes = true,
				      .suites = {SDES_AES_CM_128_HMAC_SHA1_80},
				      .suite_count = 1,
				      .codecs_allow = {STR("PCMA")},
				      .codecs_allow_count = 1};
	CHECK(sdp_parse((struct str){offer, sizeof(offer) - 1}, &arena, &b->sdp) == OK);
	uint16_t at;
	CHECK(identify_trunk(&b->c, &b->f, &at).outcome == VERDICT_ALLOW && at == TRUNKS - 1);
	CHECK(route_find(&b->c, &b->f, &at).outcome == VERDICT_ALLOW && at == ROUTES - 1);
	CHECK(media_rule_check(&b->rule, &b->sdp, true).outcome == VERDICT_ALLOW);
}

int main(void)
{
	struct bench b;
	arena_init(&arena, memory, sizeof(memory));
	make(&b);
	bench("policy: which of 200 trunks, by address", identify, &b);
	bench("policy: one number pattern", match, &b);
	bench("policy: the last of 100 routes with patterns", route, &b);
	bench("policy: media rule over an SRTP offer", media, &b);
	return 0;
}
