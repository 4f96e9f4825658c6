#include "tests/support/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "common/arena.h"
#include "sbc/core/msg.h"

static struct addr ip(const char *text)
{
	struct addr a;

	CHECK(addr_parse(str_from(text), &a) == OK);
	return a;
}

static struct peer peer(const char *uri, const char *host, enum transport t, uint16_t port)
{
	return (struct peer){.uri = str_from(uri),
			     .host = str_from(host),
			     .port = port,
			     .transport_given = true,
			     .transport = t,
			     .secure = t == TRANSPORT_TLS,
			     .weight = 1,
			     .priority = 10};
}

static void fill_realms(struct site *t)
{
	static const struct {
		const char *name, *ip;
	} rows[SITE_REALMS] = {{"outside", "203.0.113.1"}, {"inside", "10.0.0.1"}};

	for (uint16_t i = 0; i < SITE_REALMS; i++) {
		t->realms[i] = (struct realm){.name = str_from(rows[i].name),
					      .header_rules = SETTINGS_NO_INDEX,
					      .anchor_media = true,
					      .media_addr = ip(rows[i].ip)};
		t->realm_rules[i] = (struct realm_rule){.name = str_from(rows[i].name),
							.trust = i ? TRUST_HIGH : TRUST_NONE};
		for (unsigned tls = 0; tls < 2; tls++) {
			struct listener *l = &t->listeners[2 * i + tls];
			*l = (struct listener){.realm = i,
					       .transport = tls ? TRANSPORT_TLS : TRANSPORT_UDP,
					       .local = ip(rows[i].ip)};
			l->local.port = tls ? 5061 : 5060;
		}
	}
	t->media[0] = (struct media_rule){.name = STR("plain"),
					  .rtp = MEDIA_ALLOW,
					  .srtp = MEDIA_FORBID,
					  .keying_sdes = true};
	t->media[1] = (struct media_rule){.name = STR("srtp-only"),
					  .rtp = MEDIA_FORBID,
					  .srtp = MEDIA_REQUIRE,
					  .keying_sdes = true,
					  .suites = {SDES_AES_CM_128_HMAC_SHA1_80},
					  .suite_count = 1};
}

static void fill_trunks(struct site *t)
{
	t->carrier[0] = peer("sip:198.51.100.7", "198.51.100.7", TRANSPORT_UDP, 5060);
	t->carrier[1] = peer("sip:198.51.100.8", "198.51.100.8", TRANSPORT_UDP, 5060);
	t->pbx[0] = peer("sip:10.0.0.21", "10.0.0.21", TRANSPORT_UDP, 5060);
	t->pbx[1] = peer("sip:10.0.0.22", "10.0.0.22", TRANSPORT_UDP, 5060);
	t->pbx[1].priority = 20;
	CHECK(prefix_parse(STR("198.51.100.0/24"), &t->sources[SITE_CARRIER]) == OK);
	CHECK(prefix_parse(STR("10.0.0.0/24"), &t->sources[SITE_PBX]) == OK);
	for (uint16_t i = 0; i < SITE_TRUNKS; i++) {
		struct str name = i == SITE_CARRIER ? STR("carrier") : STR("pbx");
		t->trunks[i] = (struct trunk){.name = name,
					      .realm = i,
					      .peers = i == SITE_CARRIER ? t->carrier : t->pbx,
					      .peer_count = i == SITE_CARRIER ? 1 : 2,
					      .certificate = SETTINGS_NO_INDEX,
					      .verify = SETTINGS_NO_INDEX,
					      .tls_verify = true};
		t->trunk_rules[i] = (struct trunk_rule){
			.name = name, .realm = i, .sources = &t->sources[i], .source_count = 1};
		t->routes[i] = (struct route_rule){
			.name = i == SITE_CARRIER ? STR("in") : STR("out"),
			.from_trunks = {i},
			.from_trunk_count = 1,
			.to = {(uint16_t)(1 - i)},
			.to_count = 1,
			.failure_codes = {503, 408, ROUTE_CAUSE_TIMEOUT, ROUTE_CAUSE_TLS,
					  ROUTE_CAUSE_CONNECT},
			.failure_code_count = 5,
		};
	}
}

void site_init(struct site *t)
{
	memset(t, 0, sizeof(*t));
	fill_realms(t);
	fill_trunks(t);
	t->set = (struct settings){
		.node = STR("sbc.test"),
		.policy = {.realms = t->realm_rules,
			   .realm_count = SITE_REALMS,
			   .trunks = t->trunk_rules,
			   .trunk_count = SITE_TRUNKS,
			   .media = t->media,
			   .media_count = 2,
			   .routes = t->routes,
			   .route_count = 2},
		.realms = t->realms,
		.realm_count = SITE_REALMS,
		.listeners = t->listeners,
		.listener_count = SITE_LISTENERS,
		.trunks = t->trunks,
		.trunk_count = SITE_TRUNKS,
		.header_rules = t->header_rules,
		.header_rules_count = 0,
		.limits = {.calls = 1000, .transactions = 10000, .message_bytes = 65536},
		.timers = {.t1_ms = 500, .t2_ms = 4000, .t4_ms = 5000, .c_ms = 180000},
		.generation = 1,
	};
	t->now_ms = 1000000;
	t->outside = (struct flow){.listener = SITE_LISTEN_OUT_UDP,
				   .transport = TRANSPORT_UDP,
				   .remote = ip("198.51.100.7:5060")};
	t->inside = (struct flow){.listener = SITE_LISTEN_IN_UDP,
				  .transport = TRANSPORT_UDP,
				  .remote = ip("10.0.0.21:5060")};
}

void site_start(struct site *t)
{
	struct sbc_params p = {.settings = &t->set,
			       .ports = ports_rec_table(&t->rec),
			       .now_ms = t->now_ms,
			       .wall_ms = 1700000000000 + t->now_ms};

	memset(p.seed, t->seed ? t->seed : 7, sizeof(p.seed));
	CHECK(sbc_new(&t->sbc, &p) == OK);
}

void site_stop(struct site *t)
{
	sbc_free(&t->sbc);
}

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts); /* others run beside us */
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void step(struct site *t, struct event *e)
{
	e->now_ms = t->now_ms;
	e->wall_ms = 1700000000000 + t->now_ms;
	uint64_t start = t->timed ? clock_ns() : 0;
	sbc_step(t->sbc, e);
	t->steps++;
	if (t->timed)
		t->spent_ns += clock_ns() - start;
}

void site_event(struct site *t, const struct event *event)
{
	struct event e = *event;

	step(t, &e);
}

void site_message(struct site *t, const struct flow *f, const char *text)
{
	struct event e = {.type = EVENT_MESSAGE};

	e.message.flow = *f;
	e.message.tls = f->transport == TRANSPORT_TLS ? &t->tls : NULL;
	e.message.bytes = str_from(text);
	step(t, &e);
}

void site_tick(struct site *t, uint64_t ms)
{
	uint64_t end = t->now_ms + ms;

	for (;;) {
		uint64_t next = sbc_next_ms(t->sbc);
		if (next > end)
			break;
		t->now_ms = next > t->now_ms ? next : t->now_ms + 1;
		struct event e = {.type = EVENT_TICK};
		step(t, &e);
	}
	t->now_ms = end;
}

static void relay_reply(struct site *t, struct event *e)
{
	CHECK(t->rec.relay_count > 0 || e->relay.id != ID_NONE);
	e->type = EVENT_RELAY_REPLY;
	if (e->relay.id == ID_NONE)
		e->relay.id = t->rec.relays[t->rec.relay_count - 1].id;
	ports_rec_close(&t->rec, 0, e->relay.id);
	step(t, e);
}

void site_relay(struct site *t, const char *sdp)
{
	site_relay_to(t, ID_NONE, sdp);
}

void site_relay_to(struct site *t, id_t64 id, const char *sdp)
{
	char mem[2048];
	struct arena a;
	struct event e = {.type = EVENT_RELAY_REPLY};

	arena_init(&a, mem, sizeof(mem));
	struct dict *d = dict_new(&a, DICT_DICT);
	dict_add_str(&a, d, STR("result"), STR("ok"));
	if (sdp)
		dict_add_str(&a, d, STR("sdp"), str_from(sdp));
	e.relay.id = id;
	e.relay.result = RELAY_RESULT_OK;
	e.relay.reply = d;
	relay_reply(t, &e);
}

void site_relay_error(struct site *t, enum relay_result result)
{
	struct event e = {.type = EVENT_RELAY_REPLY};

	e.relay.result = result;
	e.relay.error = STR("Ran out of ports");
	relay_reply(t, &e);
}

void site_resolve(struct site *t, const char *const *ips)
{
	struct event e = {.type = EVENT_RESOLVED};

	CHECK(t->rec.resolve_count > 0);
	e.resolved.id = t->rec.resolves[t->rec.resolve_count - 1].id;
	ports_rec_close(&t->rec, 1, e.resolved.id);
	for (; ips && *ips; ips++)
		e.resolved.candidates[e.resolved.count++] =
			(struct candidate){.transport = TRANSPORT_UDP, .addr = ip(*ips)};
	step(t, &e);
}

void site_resolve_to(struct site *t, id_t64 id)
{
	struct event e = {.type = EVENT_RESOLVED};

	e.resolved.id = id;
	ports_rec_close(&t->rec, 1, id);
	step(t, &e);
}

const struct rec_send *site_sent(const struct site *t, size_t before)
{
	return before < t->rec.send_count ? &t->rec.sends[t->rec.send_count - 1 - before] : NULL;
}

size_t site_sent_count(const struct site *t)
{
	return t->rec.send_count;
}

static const char *find_header(const char *text, const char *name, size_t *len)
{
	size_t n = strlen(name);

	for (const char *p = strstr(text, "\r\n"); p && strncmp(p, "\r\n\r\n", 4) != 0;
	     p = strstr(p + 2, "\r\n")) {
		const char *line = p + 2;
		if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
			const char *v = line + n + 1;
			while (*v == ' ')
				v++;
			const char *end = strstr(v, "\r\n");
			*len = end ? (size_t)(end - v) : strlen(v);
			return v;
		}
	}
	*len = 0;
	return "";
}

const char *site_header(const struct rec_send *m, const char *name)
{
	static char out[8][2048];
	static unsigned turn;
	char *o = out[turn++ % 8];
	size_t n;

	CHECK(m);
	const char *v = find_header(m->bytes, name, &n);
	if (n >= sizeof(out[0]))
		n = sizeof(out[0]) - 1;
	memcpy(o, v, n);
	o[n] = 0;
	return o;
}

bool site_is(const struct rec_send *m, const char *start)
{
	return m && strncmp(m->bytes, start, strlen(start)) == 0;
}

bool site_has(const struct rec_send *m, const char *piece)
{
	return m && strstr(m->bytes, piece) != NULL;
}

static void add_body(struct site *t, size_t n, const char *sdp)
{
	snprintf(t->text + n, sizeof(t->text) - n, "%sContent-Length: %zu\r\n\r\n%s",
		 sdp ? "Content-Type: application/sdp\r\n" : "", sdp ? strlen(sdp) : 0,
		 sdp ? sdp : "");
}

void site_invite(struct site *t, unsigned trunk, const char *id, const char *extra, const char *sdp)
{
	const char *from = trunk == SITE_CARRIER ? "198.51.100.7" : "10.0.0.21";
	const char *to = trunk == SITE_CARRIER ? "203.0.113.1" : "10.0.0.1";
	const struct flow *f = trunk == SITE_CARRIER ? &t->outside : &t->inside;
	int n = snprintf(t->text, sizeof(t->text),
			 "INVITE sip:+4930555@%s SIP/2.0\r\n"
			 "Via: SIP/2.0/%s %s;branch=z9hG4bK-%s;rport\r\n"
			 "Max-Forwards: 70\r\n"
			 "From: \"Alice\" <sip:+49171@%s>;tag=a-%s\r\n"
			 "To: <sip:+4930555@%s>\r\n"
			 "Call-ID: call-%s@%s\r\n"
			 "CSeq: 7 INVITE\r\n"
			 "Contact: <sip:alice@%s>\r\n"
			 "User-Agent: Canary/1.0\r\n%s",
			 to, f->transport == TRANSPORT_TLS ? "TLS" : "UDP", from, id, from, id, to,
			 id, from, from, extra ? extra : "");
	add_body(t, (size_t)n, sdp);
	site_message(t, f, t->text);
}

void site_cancel(struct site *t, unsigned trunk, const char *id)
{
	const char *from = trunk == SITE_CARRIER ? "198.51.100.7" : "10.0.0.21";
	const char *to = trunk == SITE_CARRIER ? "203.0.113.1" : "10.0.0.1";

	snprintf(t->text, sizeof(t->text),
		 "CANCEL sip:+4930555@%s SIP/2.0\r\n"
		 "Via: SIP/2.0/UDP %s;branch=z9hG4bK-%s;rport\r\n"
		 "Max-Forwards: 70\r\n"
		 "From: \"Alice\" <sip:+49171@%s>;tag=a-%s\r\n"
		 "To: <sip:+4930555@%s>\r\n"
		 "Call-ID: call-%s@%s\r\n"
		 "CSeq: 7 CANCEL\r\n"
		 "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"
		 "Content-Length: 0\r\n\r\n",
		 to, from, id, from, id, to, id, from);
	site_message(t, trunk == SITE_CARRIER ? &t->outside : &t->inside, t->text);
}

void site_answer(struct site *t, const struct rec_send *request, int status, const char *tag,
		 const char *extra, const char *sdp)
{
	char host[64], contact[96] = "";
	struct buf b;
	struct flow f = request->dest.flow;

	buf_init(&b, host, sizeof(host));
	addr_write_host(&b, &f.remote);
	buf_char(&b, 0);
	if (!extra || !strstr(extra, "Contact:"))
		snprintf(contact, sizeof(contact), "Contact: <sip:bob@%s>\r\n", host);
	int n = snprintf(t->text, sizeof(t->text),
			 "SIP/2.0 %d Canary Phrase\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s%s\r\n"
			 "Call-ID: %s\r\nCSeq: %s\r\n%s"
			 "Server: Canary/2.0\r\n%s",
			 status, site_header(request, "Via"), site_header(request, "From"),
			 site_header(request, "To"), tag ? ";tag=" : "", tag ? tag : "",
			 site_header(request, "Call-ID"), site_header(request, "CSeq"), contact,
			 extra ? extra : "");
	add_body(t, (size_t)n, sdp);
	site_message(t, &f, t->text);
}

void site_in_dialog(struct site *t, const struct flow *f, const struct rec_send *last,
		    const char *method, unsigned cseq, const char *extra, const char *sdp)
{
	bool response = site_is(last, "SIP/2.0");
	const char *contact = site_header(last, "Contact");
	char host[64], uri[512] = "sip:203.0.113.1";
	struct buf b;

	const char *whose = strrchr(site_header(last, response ? "From" : "To"), '=');
	if (contact[0] == '<')
		snprintf(uri, sizeof(uri), "%.*s", (int)strlen(contact) - 2, contact + 1);
	buf_init(&b, host, sizeof(host));
	addr_write_host(&b, &f->remote);
	buf_char(&b, 0);
	int n = snprintf(t->text, sizeof(t->text),
			 "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK-%s-%u-%s;rport\r\n"
			 "Max-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
			 "Contact: <sip:x@%s>\r\n%s",
			 method, uri, f->transport == TRANSPORT_TLS ? "TLS" : "UDP", host,
			 strcmp(method, "CANCEL") == 0 ? "INVITE" : method, cseq,
			 whose ? whose + 1 : "0", site_header(last, response ? "From" : "To"),
			 site_header(last, response ? "To" : "From"), site_header(last, "Call-ID"),
			 cseq, method, host, extra ? extra : "");
	add_body(t, (size_t)n, sdp);
	site_message(t, f, t->text);
}

void site_dump(const struct site *t)
{
	for (size_t i = 0; i < t->rec.send_count; i++)
		fprintf(stderr, "---- sent %zu\n%s\n", i, t->rec.sends[i].bytes);
	for (size_t i = 0; i < t->rec.relay_count; i++)
		fprintf(stderr, "---- relay %zu\n%s\n", i, t->rec.relays[i].text);
}

void site_request(struct site *t, const struct flow *f, const char *method, const char *extra)
{
	snprintf(t->text, sizeof(t->text),
		 "%s sip:203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
		 "198.51.100.7;branch=z9hG4bK-r;rport\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:x@198.51.100.7>;tag=r\r\nTo: <sip:203.0.113.1>\r\n"
		 "Call-ID: r-%s\r\nCSeq: 3 %s\r\n%sContent-Length: 0\r\n\r\n",
		 method, method, method, extra);
	site_message(t, f, t->text);
}

void site_failed(struct site *t, const struct rec_send *sent, enum send_failure why)
{
	struct event e = {.type = EVENT_SEND_FAILED};

	e.failed.tag = sent->tag;
	e.failed.why = why;
	step(t, &e);
}

void site_in_dialog_cancel(struct site *t, const struct flow *f, const struct rec_send *last,
			   unsigned cseq)
{
	site_in_dialog(t, f, last, "CANCEL", cseq, NULL, NULL);
}

double site_clock_ns(void)
{
	enum { TIMES = 10000 };
	uint64_t sum = 0;

	for (int i = 0; i < TIMES; i++) {
		uint64_t start = clock_ns();
		sum += clock_ns() - start;
	}
	return (double)sum / TIMES;
}
