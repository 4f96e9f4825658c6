/*
 * Eleven ways to make money of other people's telephones, and what comes of them in the town: each begins in the small
 * hours of a Saturday, among the calls of honest people, under the one configuration that also bears a clean month.
 */
#include "tests/town/fraud.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/town/office.h"

enum { THURSDAY = 3, SATURDAY = 5, SUNDAY = 6, CALLS_AT_MOST = 3 };
#define SATURDAY_NIGHT_MS (SATURDAY * TOWN_DAY_MS + 2 * TOWN_HOUR_MS)

/* ---- who means harm */

static void plan_thief(struct town *t, uint64_t at_ms, const char *address, const char *user)
{
	struct town_call c = {.kind = TOWN_REGISTER, .from = {.address = address, .tls = true}};
	snprintf(c.user, sizeof(c.user), "%s", user);
	snprintf(c.password, sizeof(c.password),
		 strcmp(user, "117") == 0 ? "1234" : "rather long and hard %s", user);
	town_plan(t, at_ms, &c);
}

/* A call of who took that extension, or of a trunk where user is NULL, that nobody hangs up for an hour. */
static struct town_call call_of(struct town_source from, const char *user, const char *caller,
				const char *prefix, uint32_t n)
{
	struct town_call c = {.from = from, .ring_ms = 1500, .talk_ms = TOWN_HOUR_MS};
	if (user)
		snprintf(c.user, sizeof(c.user), "%s", user);
	if (caller)
		snprintf(c.caller, sizeof(c.caller), "%s", caller);
	snprintf(c.number, sizeof(c.number), "%s%06u", prefix, 100000 + n * 7919 % 900000);
	return c;
}

static uint32_t reached(const struct town *t, const char *const *prefixes)
{
	uint32_t n = 0;
	for (; *prefixes; prefixes++)
		n += town_sum_of(t, *prefixes).reached;
	return n;
}

static bool at_most(const char *what, uint64_t got, uint64_t most)
{
	if (got <= most)
		return true;
	printf("# %s: %llu, at most %llu expected\n", what, (unsigned long long)got,
	       (unsigned long long)most);
	return false;
}

static bool at_least(const char *what, uint64_t got, uint64_t least)
{
	if (got >= least)
		return true;
	printf("# %s: %llu, at least %llu expected\n", what, (unsigned long long)got,
	       (unsigned long long)least);
	return false;
}

/* Its rule has refused so many: nobody got through for want of trying. */
static bool stopped_by(const struct town *t, const char *rule, uint32_t least)
{
	return at_least(rule, town_refused_by(t, rule), least);
}

/* ---- 1: a weak password is guessed, and on a weekend night several extensions call far away at once */

static const char *const revenue[] = {"2221", "37128", "2324", "8818", "1876", NULL};

static void plan_burst(struct town *t)
{
	static const char *const thieves[] = {"192.0.2.90", "192.0.2.91", "192.0.2.92"};
	static const char *const users[] = {"117", "121", "126"};
	uint32_t n = 0;
	/* Friday evening: a dictionary against one extension. The one word that is right is far behind. */
	for (uint32_t i = 0; i < 60; i++) {
		struct town_call c = {.kind = TOWN_REGISTER,
				      .from = {.address = "192.0.2.66", .tls = true},
				      .user = "117"};
		snprintf(c.password, sizeof(c.password), i == 50 ? "1234" : "guess %u", i);
		town_plan(t, 4 * TOWN_DAY_MS + 19 * TOWN_HOUR_MS + i * 4000, &c);
	}
	for (unsigned k = 0; k < 3; k++)
		plan_thief(t, SATURDAY_NIGHT_MS + k * 1000, thieves[k], users[k]);
	for (uint32_t i = 0; i < 40; i++)
		for (unsigned k = 0; k < 3; k++, n++) {
			struct town_source from = {.address = thieves[k], .tls = true};
			struct town_call c = call_of(from, users[k], NULL, revenue[n % 5], n);
			char plus[TOWN_TEXT];
			snprintf(plus, sizeof(plus), "+%.40s", c.number);
			memcpy(c.number, plus, sizeof(plus));
			town_plan(t, SATURDAY_NIGHT_MS + 10000 + i * 2000 + k * 300, &c);
		}
}

static bool check_burst(const struct town *t)
{
	uint32_t guessed = 0, heard = 0;
	for (uint32_t i = 0; i < t->call_count; i++) {
		const struct town_call *c = &t->calls[i];
		if (c->kind != TOWN_REGISTER || strcmp(c->from.address, "192.0.2.66") != 0)
			continue;
		heard += c->status != 0;
		guessed += c->status == 200;
	}
	return at_most("guesses that came through", guessed, 0) &
	       at_most("guesses that were answered at all", heard, 10) &
	       at_most("calls to revenue numbers", reached(t, revenue), CALLS_AT_MOST) &
	       stopped_by(t, "night-abroad", 80);
}

/* ---- 2: numbers whose owner earns by the minute are pumped */

static void plan_pumping(struct town *t)
{
	for (uint32_t i = 0; i < 80; i++) {
		struct town_call c =
			call_of((struct town_source){.address = "10.20.0.10", .inside = true}, NULL,
				"+49305550104", "+1712432", i);
		snprintf(c.number, sizeof(c.number), "+1712432%04u", i);
		c.talk_ms = 30 * TOWN_MINUTE_MS;
		town_plan(t, SATURDAY_NIGHT_MS + i * 20000, &c);
	}
}

static bool check_pumping(const struct town *t)
{
	static const char *const prefixes[] = {"1712432", NULL};
	return at_most("calls to the pumped range", reached(t, prefixes), CALLS_AT_MOST) &
	       stopped_by(t, "pumping", 77);
}

/* ---- 3: one ring, and people call back */

static void plan_wangiri(struct town *t)
{
	const uint64_t begin = 4 * TOWN_DAY_MS + 8 * TOWN_HOUR_MS; /* a working day */
	for (uint32_t i = 0; i < OFFICE_EXTENSIONS; i++) {
		struct town_call c = {.from = {.address = "198.51.100.10"},
				      .outcome = TOWN_RINGS,
				      .ring_ms = 900};
		snprintf(c.caller, sizeof(c.caller), "+22461234%03u", i % 8);
		snprintf(c.number, sizeof(c.number), "+49305550%u", OFFICE_FIRST + i);
		town_plan(t, begin + i * 1500, &c);
		struct town_call back = {.from = {.address = "10.20.0.10", .inside = true},
					 .ring_ms = 1000,
					 .talk_ms = 10 * TOWN_MINUTE_MS};
		snprintf(back.caller, sizeof(back.caller), "+49305550%u", OFFICE_FIRST + i);
		snprintf(back.number, sizeof(back.number), "+22461234%03u", i % 8);
		if (i % 3 != 0)
			town_plan(t, begin + 10 * TOWN_MINUTE_MS + i * 40000, &back);
	}
}

static bool check_wangiri(const struct town *t)
{
	uint32_t rang = 0;
	static const char *const prefixes[] = {"22461234", NULL};
	for (uint32_t i = 0; i < t->call_count; i++)
		rang += strncmp(t->calls[i].caller, "+22461234", 9) == 0 && t->calls[i].has_leg;
	return at_most("calls back", reached(t, prefixes), CALLS_AT_MOST) &
	       at_most("telephones that rang once", rang, 8) & stopped_by(t, "one-ring", 20) &
	       stopped_by(t, "call-back", 2);
}

/* ---- 4: a little every night, below every threshold of a night */

static void plan_leak(struct town *t)
{
	plan_thief(t, SATURDAY_NIGHT_MS - TOWN_HOUR_MS, "192.0.2.94", "119");
	for (uint32_t day = 0; day < 12; day++) {
		struct town_call c =
			call_of((struct town_source){.address = "192.0.2.94", .tls = true}, "119",
				NULL, "+2222", day);
		c.talk_ms = 9 * TOWN_MINUTE_MS;
		town_plan(t, SATURDAY_NIGHT_MS + day * TOWN_DAY_MS, &c);
		plan_thief(t, SATURDAY_NIGHT_MS + day * TOWN_DAY_MS + 23 * TOWN_HOUR_MS,
			   "192.0.2.94", "119");
	}
}

enum { LEAK_MINUTES = 40 }; /* `leak` of the configuration */

static bool check_leak(const struct town *t)
{
	struct town_sum s = town_sum_of(t, "2222");
	return at_most("seconds that leaked", s.talked_ms / 1000, LEAK_MINUTES * 60 + 6) &
	       at_least("nights before it was seen", s.reached, 2) & stopped_by(t, "leak", 5);
}

/* ---- 5: the partner's key is used from elsewhere */

static void plan_stolen_key(struct town *t)
{
	for (uint32_t i = 0; i < 50; i++) {
		struct town_call c =
			call_of((struct town_source){.address = "192.0.2.200",
						     .tls = true,
						     .certificate = "sbc.partner.example"},
				NULL, "+4940777101", "+37128", i);
		town_plan(t, SATURDAY_NIGHT_MS + i * 3000, &c);
	}
}

static bool check_stolen_key(const struct town *t)
{
	static const char *const prefixes[] = {"37128", NULL};
	return at_most("calls with the stolen key", reached(t, prefixes), CALLS_AT_MOST) &
	       stopped_by(t, "partner-abroad", 47);
}

/* ---- 6: datagrams that say they come from the carrier, and from our own PBX */

static void plan_spoof(struct town *t)
{
	for (uint32_t i = 0; i < 200; i++) {
		struct town_source from = {.address = i % 2 ? "198.51.100.10" : "10.20.0.10"};
		struct town_call c = call_of(from, NULL, "+493012345", "+2221", i);
		town_plan(t, 4 * TOWN_DAY_MS + 9 * TOWN_HOUR_MS + i * 100, &c);
	}
}

static bool check_spoof(const struct town *t)
{
	static const char *const prefixes[] = {"2221", NULL};
	return at_most("calls of who said to be somebody else", reached(t, prefixes), 0) &
	       stopped_by(t, "outside", 100) & stopped_by(t, "no-route", 100);
}

/* ---- 7: every call has another number that calls */

static void plan_rotation(struct town *t)
{
	for (uint32_t i = 0; i < 60; i++) {
		char caller[TOWN_TEXT];
		snprintf(caller, sizeof(caller), "+49407771%05u", i * 991);
		struct town_call c =
			call_of((struct town_source){.address = "198.51.100.77",
						     .tls = true,
						     .certificate = "sbc.partner.example"},
				NULL, caller, "+4470", i);
		snprintf(c.number, sizeof(c.number), "+4470%08u", 10000000 + i * 104729);
		town_plan(t, SATURDAY_NIGHT_MS + i * 5000, &c);
	}
}

static bool check_rotation(const struct town *t)
{
	static const char *const prefixes[] = {"4470", NULL};
	return at_most("calls under rotating numbers", reached(t, prefixes), CALLS_AT_MOST) &
	       stopped_by(t, "rotation", 1);
}

/* ---- 8: a harmless call is transferred to where it costs */

static void plan_transfers(struct town *t)
{
	for (uint32_t i = 0; i < 20; i++) {
		struct town_call c =
			call_of((struct town_source){.address = "10.20.0.10", .inside = true}, NULL,
				"+49305550105", "+49301", i);
		c.talk_ms = 20000;
		snprintf(c.then, sizeof(c.then), "+2245%07u", 1000000 + i * 13);
		town_plan(t, SATURDAY_NIGHT_MS + i * 30000, &c);
	}
}

static bool check_transfers(const struct town *t)
{
	static const char *const prefixes[] = {"2245", NULL};
	return at_most("transfers to where it costs", reached(t, prefixes), CALLS_AT_MOST) &
	       stopped_by(t, "transferred-abroad", 17) &
	       at_least("harmless calls before", town_sum_of(t, "49301").answered, 20);
}

/* ---- 9: who is called sends the call on to where it costs */

static void plan_redirects(struct town *t)
{
	for (uint32_t i = 0; i < 20; i++) {
		struct town_call c =
			call_of((struct town_source){.address = "10.20.0.10", .inside = true}, NULL,
				"+49305550106", "+49302", i);
		c.outcome = TOWN_REDIRECTS;
		snprintf(c.then, sizeof(c.then), "+2246%07u", 2000000 + i * 17);
		town_plan(t, SATURDAY_NIGHT_MS + i * 30000, &c);
	}
}

static bool check_redirects(const struct town *t)
{
	static const char *const prefixes[] = {"2246", NULL};
	return at_most("calls that were sent on to where it costs", reached(t, prefixes),
		       CALLS_AT_MOST) &
	       stopped_by(t, "redirected-abroad", 17) &
	       at_least("calls that were sent on", town_sum_of(t, "49302").reached, 20);
}

/* ---- 10: talk before the answer costs nothing, so it is not answered */

static void plan_early(struct town *t)
{
	plan_thief(t, SATURDAY_NIGHT_MS - TOWN_HOUR_MS, "192.0.2.96", "123");
	for (uint32_t i = 0; i < 40; i++) {
		struct town_call c =
			call_of((struct town_source){.address = "192.0.2.96", .tls = true}, "123",
				NULL, "+49176", i);
		c.outcome = TOWN_EARLY;
		c.ring_ms = 3 * TOWN_MINUTE_MS;
		town_plan(t, SATURDAY_NIGHT_MS + i * 60000, &c);
	}
}

static bool check_early(const struct town *t)
{
	static const char *const prefixes[] = {"49176", NULL};
	return at_most("calls with media and no answer", reached(t, prefixes), CALLS_AT_MOST) &
	       stopped_by(t, "early-media", 30);
}

/* ---- 11: which extensions are there? */

static void plan_scan(struct town *t)
{
	for (uint32_t i = 0; i < 100; i++) {
		struct town_call c = {.from = {.address = "198.51.100.77",
					       .tls = true,
					       .certificate = "sbc.partner.example"},
				      .outcome = TOWN_RINGS,
				      .ring_ms = 1200,
				      .caller = "+4940777999"};
		snprintf(c.number, sizeof(c.number), "+49305550%u", 200 + i);
		town_plan(t, SATURDAY_NIGHT_MS + i * 2000, &c);
	}
}

static bool check_scan(const struct town *t)
{
	static const char *const prefixes[] = {"493055502", NULL};
	/* Three steps are allowed: the call before the first is none. */
	return at_most("numbers that were tried", reached(t, prefixes), CALLS_AT_MOST + 1) &
	       stopped_by(t, "scan", 90);
}

/* ---- all of them */

static const struct {
	const char *name;
	void (*plan)(struct town *t);
	bool (*check)(const struct town *t);
	uint32_t days; /* of honest calls around it, from Thursday on */
} frauds[] = {
	{"a weak password is guessed, and on a weekend night several extensions call far away at "
	 "once",
	 plan_burst, check_burst, 4},
	{"traffic pumping: one range is called without end", plan_pumping, check_pumping, 4},
	{"Wangiri: one ring, and people call back", plan_wangiri, check_wangiri, 2},
	{"a little every night, below every threshold of a night", plan_leak, check_leak, 16},
	{"the key of a trunk's certificate is stolen and used from elsewhere", plan_stolen_key,
	 check_stolen_key, 4},
	{"datagrams with the addresses of the carrier and of our own PBX", plan_spoof, check_spoof,
	 2},
	{"every call shows another calling number", plan_rotation, check_rotation, 4},
	{"harmless calls are transferred to where it costs", plan_transfers, check_transfers, 4},
	{"who is called sends the call on to where it costs", plan_redirects, check_redirects, 4},
	{"media flow before an answer that never comes", plan_early, check_early, 4},
	{"numbers are tried one after the other", plan_scan, check_scan, 4},
};

unsigned fraud_scenario_count(void)
{
	return ARRAY_LEN(frauds);
}

const char *fraud_scenario_name(unsigned n)
{
	return frauds[n].name;
}

bool fraud_scenario(struct town *t, unsigned n)
{
	uint32_t first, end;
	CHECK(n < ARRAY_LEN(frauds));
	office_plan(t, THURSDAY, THURSDAY + frauds[n].days, &first, &end);
	frauds[n].plan(t);
	town_run(t, (THURSDAY + frauds[n].days) * TOWN_DAY_MS);
	town_end(t);
	bool good = frauds[n].check(t);
	return at_most("honest calls that were stopped", office_stopped(t, first, end), 0) &&
	       good && !t->wrong;
}
