#include "sbc/core/cdr.h"
#include "sbc/shell/sbc_metrics.h"
#include "tests/support/check.h"

static struct sbc_metrics m;
static struct log log_;
static char last[4096];
static unsigned lines;
static char page[512 * 1024];

static void sink(void *ctx, enum log_level level, struct str line)
{
	(void)ctx;
	(void)level;
	lines++;
	if (line.len > 0)
		line.len--;
	EXPECT_ERR(str_copy(line, last, sizeof(last)), OK);
}

static struct realm realms[2] = {{.name = {"outside", 7}}, {.name = {"inside", 6}}};
static struct trunk trunks[2] = {{.name = {"carrier", 7}}, {.name = {"pbx", 3}}};
static struct settings settings = {
	.realms = realms, .realm_count = 2, .trunks = trunks, .trunk_count = 2, .generation = 1};

static int start(void **state)
{
	(void)state;
	lines = 0;
	log_init(&log_, sink, NULL);
	return sbc_metrics_init(&m, &log_) == OK ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	sbc_metrics_release(&m);
	return 0;
}

/* Is this line in what a scrape gets (without the parts that need a whole SBC)? */
static bool has(const char *line)
{
	const struct stats *all[] = {&m.stats};
	struct buf b;
	buf_init(&b, page, sizeof(page));
	stats_write(&b, all, 1);
	struct str rest = buf_view(&b), got;
	while (rest.len > 0 && str_cut(&rest, '\n', &got))
		if (str_eq(got, str_from(line)))
			return true;
	return false;
}

static struct notice notice(enum notice_type type)
{
	return (struct notice){.type = type,
			       .now_ms = 100000,
			       .wall_ms = 1795298400000u,
			       .realm = 0,
			       .trunk = 0,
			       .peer = SETTINGS_NO_INDEX,
			       .transport = TRANSPORT_TLS,
			       .method = STR("INVITE"),
			       .call = STR("node-1"),
			       .settings = &settings};
}

static void messages(void **state)
{
	(void)state;
	struct notice n = notice(NOTICE_REQUEST);
	for (unsigned i = 0; i < 3; i++)
		sbc_metrics_notice(&m, &n);
	EXPECT_TRUE(has("sallyport_requests_total{realm=\"outside\",transport=\"tls\",method="
			"\"INVITE\"} 3"));
	n.method = STR("BREW");
	sbc_metrics_notice(&m, &n);
	n.method = STR("brew\"}\n");
	sbc_metrics_notice(&m, &n);
	EXPECT_TRUE(has("sallyport_requests_total{realm=\"outside\",transport=\"tls\",method="
			"\"OTHER\"} 2"));
	n = notice(NOTICE_RESPONSE);
	n.realm = 1;
	n.status = 486;
	sbc_metrics_notice(&m, &n);
	n.status = 200;
	sbc_metrics_notice(&m, &n);
	EXPECT_TRUE(has(
		"sallyport_responses_total{realm=\"inside\",method=\"INVITE\",status=\"486\"} 1"));
	EXPECT_TRUE(has(
		"sallyport_responses_total{realm=\"inside\",method=\"INVITE\",status=\"200\"} 1"));
	n = notice(NOTICE_RETRANSMIT);
	sbc_metrics_notice(&m, &n);
	n.type = NOTICE_DUPLICATE;
	sbc_metrics_notice(&m, &n);
	EXPECT_TRUE(has("sallyport_retransmissions_total{realm=\"outside\",method=\"INVITE\"} 1"));
	EXPECT_TRUE(has("sallyport_duplicates_total{realm=\"outside\",method=\"INVITE\"} 1"));
	EXPECT_INT(lines, 0); /* none of these is worth a line each */
}

static void another_generation_has_its_own_names(void **state)
{
	(void)state;
	struct realm other[1] = {{.name = {"new", 3}}};
	struct settings next = {.realms = other, .realm_count = 1, .generation = 2};
	struct notice n = notice(NOTICE_REQUEST);
	sbc_metrics_notice(&m, &n);
	n.settings = &next;
	sbc_metrics_notice(&m, &n);
	n.settings = &settings;
	sbc_metrics_notice(&m, &n);
	EXPECT_TRUE(has("sallyport_requests_total{realm=\"outside\",transport=\"tls\",method="
			"\"INVITE\"} 2"));
	EXPECT_TRUE(has(
		"sallyport_requests_total{realm=\"new\",transport=\"tls\",method=\"INVITE\"} 1"));
}

static void a_refusal_is_counted_and_said(void **state)
{
	(void)state;
	struct verdict v = {.outcome = VERDICT_REJECT,
			    .stage = VERDICT_STAGE_MEDIA,
			    .status = 488,
			    .reason = STR("Not Acceptable Here"),
			    .rule = STR("srtp-only"),
			    .file = STR("a.yaml"),
			    .line = 12};
	struct notice n = notice(NOTICE_REFUSED);
	n.verdict = &v;
	n.source = (struct addr){{192, 0, 2, 1}, 5060, ADDR_IP4};
	sbc_metrics_notice(&m, &n);
	EXPECT_TRUE(has("sallyport_refused_total{realm=\"outside\",stage=\"media\",rule=\"srtp-"
			"only\",status=\"488\"} 1"));
	EXPECT_U64(m.refused, 1);
	EXPECT_INT(lines, 1);
	EXPECT_Z(str_from(last),
		 "time=2026-11-21T22:00:00.000Z level=info event=refused call=node-1 realm=outside "
		 "source=192.0.2.1:5060 method=INVITE stage=media status=488 "
		 "reason=\"Not Acceptable Here\" rule=srtp-only place=a.yaml:12");
}

static void a_drop_has_its_reason(void **state)
{
	(void)state;
	struct notice n = notice(NOTICE_DROPPED);
	n.drop = NOTICE_DROP_NOT_SIP;
	for (unsigned i = 0; i < 1000; i++)
		sbc_metrics_notice(&m, &n);
	EXPECT_TRUE(has("sallyport_dropped_total{realm=\"outside\",transport=\"tls\",reason=\"not_"
			"sip\"} 1000"));
	EXPECT_INT(lines, LOG_RATE_MAX); /* a flood fills no disk */
}

static void a_call(void **state)
{
	(void)state;
	struct notice n = notice(NOTICE_CALL_STARTED);
	sbc_metrics_notice(&m, &n);
	n.type = NOTICE_CALL_ATTEMPT;
	n.trunk = 1;
	sbc_metrics_notice(&m, &n);
	n.type = NOTICE_ATTEMPT_ENDED;
	n.status = 200;
	sbc_metrics_notice(&m, &n);
	struct cdr c = {.ingress_trunk = STR("carrier"),
			.egress_trunk = STR("pbx"),
			.start = 1000,
			.ring = 1150,
			.answer = 3000,
			.end = 13000,
			.duration_ms = 10000,
			.status = 200,
			.cause = STR("answered"),
			.route = STR("in"),
			.attempts = {{.trunk = STR("pbx"), .status = 200}},
			.attempt_count = 1};
	n = notice(NOTICE_CALL_ENDED);
	n.cdr = &c;
	sbc_metrics_notice(&m, &n);
	c.answer = c.ring = 0;
	c.status = 488;
	c.cause = STR("policy:srtp-only");
	c.attempt_count = 0;
	sbc_metrics_notice(&m, &n);
	c.cause = STR("busy");
	sbc_metrics_notice(&m, &n);
	c.route = STR_NONE; /* refused before there was a route */
	sbc_metrics_notice(&m, &n);
	EXPECT_TRUE(has("sallyport_route_calls_total{route=\"in\",result=\"answered\"} 1"));
	EXPECT_TRUE(has("sallyport_route_calls_total{route=\"in\",result=\"refused\"} 1"));
	EXPECT_TRUE(has("sallyport_route_calls_total{route=\"in\",result=\"failed\"} 1"));
	EXPECT_TRUE(!has("sallyport_route_calls_total{route=\"\""));
	EXPECT_TRUE(has("sallyport_invites_total{trunk=\"carrier\",direction=\"in\"} 1"));
	EXPECT_TRUE(has("sallyport_invites_total{trunk=\"pbx\",direction=\"out\"} 1"));
	EXPECT_TRUE(has(
		"sallyport_invites_final_total{trunk=\"pbx\",direction=\"out\",status=\"200\"} 1"));
	EXPECT_TRUE(has("sallyport_invites_final_total{trunk=\"carrier\",direction=\"in\",status="
			"\"488\"} 3"));
	EXPECT_TRUE(has("sallyport_calls_ended_total{trunk=\"carrier\",direction=\"in\",outcome="
			"\"answered\",answered=\"yes\"} 1"));
	EXPECT_TRUE(has("sallyport_calls_ended_total{trunk=\"carrier\",direction=\"in\",outcome="
			"\"policy\",answered=\"no\"} 1"));
	EXPECT_TRUE(has("sallyport_attempts_ended_total{trunk=\"pbx\",outcome=\"answered\"} 1"));
	EXPECT_TRUE(has(
		"sallyport_post_dial_delay_seconds_count{trunk=\"carrier\",direction=\"in\"} 4"));
	EXPECT_TRUE(has("sallyport_post_dial_delay_seconds_bucket{trunk=\"carrier\",direction="
			"\"in\",le=\"0.2\"} 1"));
	EXPECT_TRUE(
		has("sallyport_call_setup_seconds_count{trunk=\"carrier\",direction=\"in\"} 1"));
	EXPECT_TRUE(
		has("sallyport_call_duration_seconds_count{trunk=\"carrier\",direction=\"in\"} 1"));
}

static void calls_a_second(void **state)
{
	(void)state;
	struct notice n = notice(NOTICE_CALL_STARTED);
	for (uint64_t ms = 5000; ms < 6000; ms += 10) {
		n.now_ms = ms;
		sbc_metrics_notice(&m, &n);
	}
	EXPECT_INT(sbc_metrics_cps(&m, 5999), 0); /* the second is not over */
	EXPECT_INT(sbc_metrics_cps(&m, 6500), 100);
	EXPECT_INT(sbc_metrics_cps(&m, 7500), 0);
	n.now_ms = 6200;
	sbc_metrics_notice(&m, &n);
	EXPECT_INT(sbc_metrics_cps(&m, 6900), 100);
	EXPECT_U64(m.invites, 101);
}

static void handshakes(void **state)
{
	(void)state;
	struct listener listeners[1] = {{.realm = 1}};
	struct settings s = settings;
	s.listeners = listeners;
	s.listener_count = 1;
	struct flow flow = {.transport = TRANSPORT_TLS, .remote = {{192, 0, 2, 1}, 5, ADDR_IP4}};
	struct flow_report r = {.type = FLOW_REPORT_HANDSHAKE,
				.flow = &flow,
				.tls = TLS_RESULT_EXPIRED,
				.why = STR("certificate has expired")};
	sbc_metrics_flow(&m, &r, &s, 1795298400000u);
	EXPECT_TRUE(has("sallyport_tls_handshakes_total{realm=\"inside\",result=\"expired\"} 1"));
	EXPECT_Z(str_from(last),
		 "time=2026-11-21T22:00:00.000Z level=info event=tls_handshake realm=inside "
		 "transport=tls peer=192.0.2.1:5 direction=in result=expired "
		 "why=\"certificate has expired\"");
	r.tls = TLS_RESULT_OK;
	sbc_metrics_flow(&m, &r, &s, 1795298400000u);
	EXPECT_INT(lines, 1); /* what went well is for level debug */
}

/* Every label value is one of ours or bounded: nothing that a stranger sends makes a new series. */
static void strangers_make_no_series(void **state)
{
	(void)state;
	struct notice n = notice(NOTICE_REQUEST);
	char method[16];
	struct buf b;
	for (unsigned i = 0; i < 5000; i++) {
		buf_init(&b, method, sizeof(method));
		buf_printf(&b, "M%u", i);
		n.method = buf_view(&b);
		sbc_metrics_notice(&m, &n);
	}
	EXPECT_TRUE(has("sallyport_requests_total{realm=\"outside\",transport=\"tls\",method="
			"\"OTHER\"} 5000"));
}

#define T(x) cmocka_unit_test_setup_teardown(x, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(messages),
		T(another_generation_has_its_own_names),
		T(a_refusal_is_counted_and_said),
		T(a_drop_has_its_reason),
		T(a_call),
		T(calls_a_second),
		T(handshakes),
		T(strangers_make_no_series),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
