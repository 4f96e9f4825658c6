/* What a refused datagram costs: the look-up in tables of several sizes, and the whole way through the core. */
#include <stdio.h>
#include <stdlib.h>

#include "policy/ban.h"
#include "tests/bench/run.h"
#include "tests/support/site.h"

struct load {
	struct bans bans;
	struct ban_rules rules;
	struct policy_config config;
	struct facts facts;
	struct addr sources[1024];
	struct site site;
	char text[1024];
};

static void fill(struct load *l, uint32_t count, bool nets)
{
	static const struct siphash_key key = {{1, 2}};

	if (ban_init(&l->bans, &key) != OK)
		exit(1);
	for (uint32_t i = 0; i < count; i++) {
		struct ban_order o = {.subject = {.kind = SUBJECT_SOURCE}, .rule = STR("bench")};
		o.subject.source.addr = (struct addr){.family = ADDR_IP4};
		o.subject.source.addr.ip[0] = (uint8_t)(i >> 16 | 64);
		o.subject.source.addr.ip[1] = (uint8_t)(i >> 8);
		o.subject.source.addr.ip[2] = (uint8_t)i;
		o.subject.source.bits = (uint8_t)(nets ? 24 + i % 9 : 32);
		(void)ban_lay(&l->bans, &l->rules, &o, (struct ban_time){1000, 1000000}, NULL);
		l->sources[i % 1024] = o.subject.source.addr;
	}
}

static void judge(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++)
		bench_keep(ban_judge_source(&l->bans, &l->rules, &l->sources[i % 1024], 2000, false)
				   .outcome);
}

static void judge_call(void *arg, size_t n)
{
	struct load *l = arg;
	for (size_t i = 0; i < n; i++)
		bench_keep(ban_judge(&l->bans, &l->config, &l->facts, false).outcome);
}

static void through_the_core(void *arg, size_t n)
{
	struct load *l = arg;
	struct event e = {.type = EVENT_MESSAGE, .now_ms = 5000, .wall_ms = 1700000000000};
	e.message.flow = l->site.outside;
	e.message.bytes = str_from(l->text);
	for (size_t i = 0; i < n; i++)
		sbc_step(l->site.sbc, &e);
}

static void start_core(struct load *l, bool banned)
{
	struct ban_order o = {.subject = {.kind = SUBJECT_SOURCE},
			      .by = BAN_BY_OPERATOR,
			      .rule = STR("operator")};
	struct ban v;

	site_init(&l->site);
	l->site.set.policy.bans = l->rules;
	site_start(&l->site);
	l->site.rec.quiet = true;
	o.subject.source = (struct prefix){.addr = l->site.outside.remote, .bits = 32};
	if (banned &&
	    sbc_ban(l->site.sbc, &o, (struct ban_time){4000, 1700000000000}, &v) != BAN_NEW)
		exit(1);
	(void)snprintf(l->text, sizeof(l->text),
		       "OPTIONS sip:203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
		       "198.51.100.7:5060;branch=z9hG4bKbench\r\nMax-Forwards: 70\r\nFrom: "
		       "<sip:a@b>;tag=1\r\nTo: <sip:203.0.113.1>\r\nCall-ID: bench\r\nCSeq: 1 "
		       "OPTIONS\r\nContent-Length: 0\r\n\r\n");
}

int main(void)
{
	static struct load l = {.rules = {.first_s = 3600, .factor = 4, .most_s = 86400}};

	fill(&l, 0, false);
	bench("ban: nobody is banned", judge, &l);
	bench("ban: nobody is banned, a call", judge_call, &l);
	ban_release(&l.bans);
	fill(&l, 1000, false);
	bench("ban: one of 1,000 banned addresses", judge, &l);
	ban_release(&l.bans);
	fill(&l, BAN_MAX, false);
	bench("ban: one of 65,536 banned addresses", judge, &l);
	ban_release(&l.bans);
	fill(&l, 1000, true);
	bench("ban: one of 1,000 prefixes of nine lengths", judge, &l);
	ban_release(&l.bans);
	start_core(&l, true);
	bench("ban: a datagram of a banned source, through the core", through_the_core, &l);
	site_stop(&l.site);
	start_core(&l, false);
	bench("ban: the same datagram of a trunk, answered", through_the_core, &l);
	site_stop(&l.site);
	return 0;
}
